"""A section of a spec: frozen, strict, and named in YAML without the unit suffixes of the code."""

from __future__ import annotations

import typing
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.fields import FieldInfo

from archsim.units import SUFFIXES


def _flag(value: object) -> object:
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


Flag = Annotated[bool, BeforeValidator(_flag)]
"""True or false, as in a file."""

_SUFFIXES = sorted((f"_{suffix}" for suffix in SUFFIXES.values()), key=len, reverse=True)


def yaml_key(name: str) -> str:
    """Return the key in YAML of a field in code.

    >>> yaml_key("settle_s"), yaml_key("energy_per_bit_j"), yaml_key("rows")
    ('settle', 'energy_per_bit', 'rows')
    """
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


class Section(BaseModel):
    """Base of every part of a spec and of every component."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=yaml_key,
        populate_by_name=True,
        arbitrary_types_allowed=True,
        validate_default=False,
    )

    def resolved(self) -> dict[str, Any]:
        """Return the section as plain data: YAML keys, SI values as text, nested sections included."""
        out: dict[str, Any] = {}
        for name, value in self:
            out[yaml_key(name)] = _plain(value)
        kind = getattr(type(self), "kind", None)
        return {"kind": kind, **out} if isinstance(kind, str) else out


def _plain(value: Any) -> Any:
    if isinstance(value, Section):
        return value.resolved()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def marks_of(field: FieldInfo) -> list[Any]:
    """Return what a field's type is annotated with, whether or not it may be left out."""
    inner = [mark for arg in typing.get_args(field.annotation) for mark in getattr(arg, "__metadata__", ())]
    return [*field.metadata, *inner]
