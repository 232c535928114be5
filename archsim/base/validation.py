"""What validation finds, in plain words: none of its library's own come to a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from pydantic_core.core_schema import ErrorType

LIBRARY = frozenset(get_args(ErrorType)) - {"value_error", "assertion_error"}
"""The kinds of fault that the library knows; the others are archsim's own, in its own words: "what; hint"."""

_SAID = {
    "missing": ("is missing", "add it"),
    "extra_forbidden": ("is unknown", "leave it out"),
    "json_invalid": ("is no JSON: it was cut off or edited", "give the file as it was written"),
    "json_type": ("is no JSON: it was cut off or edited", "give the file as it was written"),
    "recursion_loop": ("is nested too deep", "give the file as it was written"),
    "int_parsing_size": ("is a number of too many digits", "give a smaller one"),
    "int_from_float": ("is not a whole number", "give one"),
    "none_required": ("is given and must not be", "leave it out"),
}  # fmt: skip
_WANTED = {
    "int": "a number", "float": "a number", "finite": "a number", "decimal": "a number", "complex": "a number",
    "string": "text", "bytes": "text", "bool": "yes or no", "tuple": "a list", "list": "a list", "set": "a list",
    "frozen_set": "a list", "iterable": "a list", "model": "a mapping", "dict": "a mapping", "mapping": "a mapping",
    "dataclass": "a mapping",
}  # fmt: skip
_NAMES = {dict: "a mapping", list: "a list", tuple: "a list", str: "text", bool: "yes or no", type(None): "null"}
_BOUNDS = {
    "greater_than": ("gt", "above"), "greater_than_equal": ("ge", "at least"), "less_than": ("lt", "below"),
    "less_than_equal": ("le", "at most"), "multiple_of": ("multiple_of", "a multiple of"),
}  # fmt: skip


def said(fault: Mapping[str, Any]) -> tuple[str, str]:
    """Return (what is wrong, what is allowed or to try) of one of the faults of a ValidationError."""
    kind, context = fault["type"], fault.get("ctx") or {}
    if kind not in LIBRARY:
        message = str(fault["msg"]).removeprefix("Value error, ").removeprefix("Assertion failed, ")
        what, _, hint = message.partition("; ")
        return what, hint
    if kind in _SAID:
        return _SAID[kind]
    if kind in _BOUNDS:
        key, words = _BOUNDS[kind]
        return f"is {fault.get('input')}", f"allowed: {words} {context.get(key, '')}".rstrip()
    if kind in ("string_too_short", "string_too_long"):
        limit = ("at most", "max_length") if kind.endswith("long") else ("at least", "min_length")
        return f"has {len(str(fault.get('input'))):,} characters", f"give {limit[0]} {context.get(limit[1], 1):,}"
    if kind in ("literal_error", "enum"):
        return f"is {given(fault)}", f"allowed: {str(context.get('expected', '')).replace(' or ', ', ')}"
    if kind.endswith("_parsing") and isinstance(fault.get("input"), str):
        wanted = "true or false" if kind.startswith("bool") else "a number"
        return f"'{fault['input']}' is not {wanted}", f"give {wanted}"
    wanted = next((words for start, words in _WANTED.items() if kind.startswith(start)), "what stands here")
    if wanted == given(fault) or wanted == "what stands here":
        return "is not what can stand here", "see `archsim schema`, or give the file as it was written"
    return f"is {given(fault)} and not {wanted}", f"give {wanted}"


def given(fault: Mapping[str, Any]) -> str:
    """Return in words what was given."""
    value = fault.get("input")
    return f"'{value}'" if isinstance(value, str) and fault["type"] == "literal_error" else _NAMES.get(
        type(value), "a number")  # fmt: skip
