"""JSON Schema of spec files, for editors."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from typing import Any

from archsim.base import plugins
from archsim.base.documents import ESTIMATE, NOTES, RANGE, STATUSES
from archsim.base.section import Section


def json_schema(cls: type[Section], kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of file, for editors, with what the plug-ins in use have.

    A file that `extends` another, and a variant of a tile, need not be complete; every section, figure and choice of
    words may carry source, status and note.
    """
    return _schema(cls, kind, tuple(plugins.active()))


@functools.lru_cache(maxsize=8)
def _schema(cls: type[Section], kind: str, _using: tuple[plugins.Plugin, ...]) -> dict[str, Any]:
    schema = _untitled(cls.model_json_schema(by_alias=True))
    for part in _objects(schema):
        if part.get("additionalProperties") is False and not _is_figure(part):
            own = {key: _noted(value) for key, value in part.get("properties", {}).items()}
            part["properties"] = {**_NOTE_SCHEMAS, **own}
    schema["properties"] = {
        "kind": {"const": kind},
        "extends": {"type": "string", "description": "a built-in name or a path"},
        **schema["properties"],
    }
    complete = schema.pop("$defs", {})
    partial = {
        f"partial.{name}": _renamed(part, complete)
        for name, part in json.loads(json.dumps(complete)).items()
    }  # fmt: skip
    relaxed = _renamed(json.loads(json.dumps(schema["properties"])), complete)
    for part in _objects([partial, relaxed]):
        if not _is_figure(part):
            part.pop("required", None)
    needed = ["kind", *(key for key in schema.get("required", []) if key != "name")]
    if "variants" in schema["properties"]:
        schema["properties"]["variants"] = relaxed["variants"]
    whole = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"archsim {kind}",
        "description": schema.get("description", ""),
        "type": "object",
        "if": {"required": ["extends"]},
        "then": {"properties": relaxed, "required": ["kind"], "additionalProperties": False},
        "else": {"properties": schema["properties"], "required": needed, "additionalProperties": False},
        "$defs": {**complete, **partial},
    }
    shared: dict[str, Any] = {}
    whole = _sharing(whole, shared)
    return {**whole, "$defs": {**whole["$defs"], **shared}}


def _untitled(schema: Any) -> Any:
    """Return a schema without the titles that are made of names in code."""
    if isinstance(schema, dict):
        names = schema.get("properties")
        return {key: _untitled(part) for key, part in schema.items() if key != "title" or isinstance(part, dict)} | (
            {"properties": {name: _untitled(part) for name, part in names.items()}} if isinstance(names, dict) else {}
        )
    return [_untitled(item) for item in schema] if isinstance(schema, list) else schema


def _sharing(schema: Any, shared: dict[str, Any]) -> Any:
    """Return a schema in which the ways to write a figure, of which there are few, stand once; `shared` takes them."""
    if isinstance(schema, list):
        return [_sharing(item, shared) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {key: _sharing(part, shared) for key, part in schema.items() if key != "anyOf"}
    ways = schema.get("anyOf")
    if isinstance(ways, list) and len(ways) > 2 and all(_is_figure(way) for way in ways[1:3]):
        name = next((name for name, part in shared.items() if part["anyOf"] == ways), f"figure.{len(shared) + 1}")
        shared[name] = {"anyOf": ways}
        return {**out, "$ref": f"#/$defs/{name}"}
    return out if ways is None else {**out, "anyOf": _sharing(ways, shared)}


_NOTE_SCHEMAS: dict[str, Any] = {
    "source": {"type": "string", "description": "Where the figures of this section come from."},
    "status": {"enum": list(STATUSES), "description": "How well they are known; an assumption unless said."},
    "note": {"type": "string", "description": "What else is to be said of them."},
    "given_for": {"type": "string", "description": "For which choices they hold, such as 'node 65 nm'."},
}


def _noted(choice: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a choice of words, or of true and false, bare or with notes; others as they are."""
    if "enum" not in choice and choice.get("type") != "boolean":
        return choice
    figure = {
        "type": "object",
        "properties": {"value": dict(choice), **_NOTE_SCHEMAS},
        "required": ["value"],
        "additionalProperties": False,
    }
    return {"anyOf": [choice, figure]}


def _is_figure(part: Mapping[str, Any]) -> bool:
    own = set(part.get("properties", {}))
    return own == {ESTIMATE, "of", "note"} or ("value" in own and own <= {"value", RANGE, *NOTES})


def _renamed(part: Any, complete: Mapping[str, Any]) -> Any:
    """Return a schema whose references name the partial definitions; a kind's alternatives may all match."""
    if isinstance(part, dict):
        out = {("anyOf" if key == "oneOf" else key): _renamed(value, complete) for key, value in part.items()}
        ref = str(out.get("$ref", ""))
        if ref.startswith("#/$defs/"):
            out["$ref"] = f"#/$defs/partial.{ref.removeprefix('#/$defs/')}"
        return out
    return [_renamed(item, complete) for item in part] if isinstance(part, list) else part


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if schema.get("type") == "object":
            yield schema
        for value in schema.values():
            yield from _objects(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _objects(value)
