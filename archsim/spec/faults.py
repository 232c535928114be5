"""Faults of a spec: what validation found, told as where, what was given, what is allowed and what to try."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from archsim.base.errors import MOST_TOLD, Problem, nearest
from archsim.base.section import Section, marks_of, yaml_key
from archsim.base.units import Dimension
from archsim.base.validation import said
from archsim.components.base import Role
from archsim.spec.choices import OptionsOf
from archsim.spec.keys import paths_of, section_in


def problems_of(
    error: ValidationError, cls: type[Section], data: Any, label: str, given: Mapping[str, str] | None = None
) -> list[Problem]:
    """Return the faults of a validation as problems: where, what was given, what is allowed, what to try."""
    found: list[Problem] = []
    for number, fault in enumerate(error.errors(include_url=False)):
        loc = [part for part in fault["loc"] if part != "__key__"]
        path = dotted(loc)
        origin = next((f"--set {key}" for key in given or () if path == key or key.startswith(f"{path}.")), None)
        what, hint = _explain(fault, loc, cls, data) if number < MOST_TOLD else said(fault)  # to explain takes its time
        if origin and origin != f"--set {path}":
            what = f"{path}: {what}"
        where = origin or (f"{label}: {path}" if path else label)
        found.append(Problem(where, what, hint))
    return sorted(found, key=lambda problem: problem.what != "unknown key")  # a slip there makes others be missing


def dotted(loc: Sequence[Any]) -> str:
    """Return a location as a dotted path."""
    text = ""
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def _explain(fault: Any, loc: Sequence[Any], cls: type[Section], data: Any) -> tuple[str, str]:
    kind, given = fault["type"], fault.get("input")
    shown = f"'{given}'" if isinstance(given, str) else "a list" if isinstance(given, list | tuple) else "a mapping"
    section = _section_at(cls, data, loc[:-1])
    if kind == "extra_forbidden":
        keys = _keys(section, data, loc[:-1]) if section else []
        ends = [path for path in paths_of(cls) if path.endswith(f".{loc[0]}")] if len(loc) == 1 else []
        near = nearest(str(loc[-1]), keys)
        if ends:  # it is the last word of longer ones
            near = f"did you mean '{ends[0]}'?" if len(ends) == 1 else f"give one of {', '.join(ends[:5])}" + (
                ", ..." if len(ends) > 5 else "")  # fmt: skip
        return "unknown key", near
    if kind == "missing":
        field = _field(section, loc[-1]) if section else None
        return "is missing", _wanted(field, f"archsim explain {dotted(loc)} tells what it is")
    if kind == "literal_error":
        words = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
        return f"{shown} is not allowed", nearest(str(given).lower(), words)
    if kind in ("model_type", "model_attributes_type", "dict_type", "mapping_type"):
        return f"{shown} stands where a section is expected", "give a mapping of keys to values"
    if kind in ("tuple_type", "list_type"):
        return f"{shown} stands where a list is expected", "give a list, one '- ' per entry"
    if kind == "string_type":
        return f"{shown} is not text", "give a word"
    if kind.startswith("bool"):
        return f"{shown} is not true or false", "give true or false"
    what, hint = said(fault)
    return what, hint or _wanted(_field(section, loc[-1]) if section and loc else None)


def _wanted(field: FieldInfo | None, otherwise: str = "see `archsim schema`") -> str:
    if field is not None:
        for mark in field.metadata:
            if isinstance(mark, Dimension):
                return f"give {mark.describe()}"
            if isinstance(mark, Role):
                return f"give a {mark.name}; kinds: {', '.join(mark.kinds())}"
    return otherwise


def _field(section: type[Section], key: Any) -> FieldInfo | None:
    return next((field for name, field in section.model_fields.items() if key in (name, yaml_key(name))), None)


def _keys(section: type[Section], data: Any, loc: Sequence[Any]) -> list[str]:
    keys = [yaml_key(name) for name in section.model_fields]
    return keys if loc else [*keys, "kind", "extends"]


def _section_at(cls: type[Section], data: Any, loc: Sequence[Any]) -> type[Section] | None:
    """Return the class of the section at a place of the data."""
    here: type[Section] | None = cls
    field: FieldInfo | None = None
    for part in loc:
        above, data = data, _below(data, part)
        if here is not None and (own := _field(here, part)) is not None:
            field = own
        elif field is None:
            return None
        here = _class_of(field, data, above) if isinstance(data, dict) else None
    return here


def _below(data: Any, part: Any) -> Any:
    try:
        return data[part]
    except (KeyError, IndexError, TypeError):
        return None


def _class_of(field: FieldInfo, data: Any, above: Any) -> type[Section] | None:
    """Return the section class that a field holds: by `kind` for a role, by a neighbour for options, or by its type."""
    for mark in marks_of(field):
        if isinstance(mark, OptionsOf):
            return mark.section(_below(above, mark.chosen_by))
    role = next((mark for mark in marks_of(field) if isinstance(mark, Role)), None)
    if role is not None:
        kind = data.get("kind", role.default) if isinstance(data, dict) else None
        return dict(role.registry.items()).get(str(kind))
    return section_in(field.annotation)
