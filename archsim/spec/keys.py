"""Keys of a spec: what each means, what may stand there, and which sections lie below it.

All of it is read from the sections' fields: a key is added where its field is, and nowhere else.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass
from types import NoneType
from typing import Any, Literal

from pydantic.fields import FieldInfo

from archsim.base.section import Choice, Section, default_of, described, fills_of, marks_of, yaml_key
from archsim.base.units import Dimension
from archsim.components.base import Role
from archsim.spec.choices import OptionsOf
from archsim.spec.settings import path_parts


@dataclass(frozen=True)
class Key:
    """One key of a section: the class and the field that it is read into, and in which kind of section it stands.

    `kind` is "" where a place has sections of one class alone.
    """

    owner: type[Section]
    field: str
    kind: str = ""

    @property
    def name(self) -> str:
        """The key as files have it."""
        return yaml_key(self.field)

    @property
    def info(self) -> FieldInfo:
        """The field."""
        return self.owner.model_fields[self.field]

    @property
    def meaning(self) -> str:
        """What it means, in a sentence or two."""
        return described(self.owner, self.field)

    @property
    def dimension(self) -> Dimension | None:
        """How a quantity is read; None where it is none."""
        return next((mark for mark in marks_of(self.info) if isinstance(mark, Dimension)), None)

    @property
    def unit(self) -> str:
        """The SI unit of a quantity, "" for pure numbers and all else."""
        return self.dimension.si.replace("**", "") if self.dimension else ""

    @property
    def words(self) -> tuple[str, ...]:
        """The words that may stand there, where it is a choice."""
        found: list[str] = []
        for mark in marks_of(self.info):
            if isinstance(mark, Choice):
                found += mark.registry
            if isinstance(mark, Role):
                found += mark.words
        return tuple(dict.fromkeys([*found, *_words(self.info.annotation)]))

    @property
    def below(self) -> dict[str, type[Section]]:
        """By kind the sections that may stand there; "" is the kind of those that have one class alone."""
        for mark in marks_of(self.info):
            if isinstance(mark, OptionsOf):
                found = {name: mark.section(name) for name in mark.registry}
                return {name: section for name, section in found.items() if section.model_fields}
            if isinstance(mark, Role):
                return {kind: mark.registry[kind] for kind in mark.kinds()}
        section = section_in(self.info.annotation)
        return {} if section is None else {"": section}

    @property
    def many(self) -> Literal["", "list", "by name"]:
        """Whether it holds one thing, a list of them, or several by names of one's own."""
        origin = typing.get_origin(self.info.annotation)
        return "list" if origin is tuple else "by name" if origin is dict else ""

    @property
    def required(self) -> bool:
        """Whether a file must give it; the name is otherwise the file's own."""
        return self.info.is_required() and self.field != "name" and self.name not in fills_of(self.owner)

    @property
    def default(self) -> str:
        """What it is where a file does not give it, as a file would."""
        if self.name in (filled := fills_of(self.owner)):
            return filled[self.name]
        found = default_of(self.info)
        return str(found).lower() if isinstance(found, bool) else "" if found is None else found

    @property
    def told(self) -> str:
        """What it means, and in brackets what may stand there and what it is by default: a comment of a file."""
        allowed = self.dimension.span if self.dimension else self.allowed
        allowed = allowed.removeprefix("a section of kind ").removeprefix("a list of sections of kind ")
        default = f"; by default {self.default}" if self.default else ""
        return f"{self.meaning} [{allowed}{default}]"

    @property
    def allowed(self) -> str:
        """What may stand there, in words."""
        if self.dimension is not None:
            return self.dimension.describe()
        kinds = [kind for kind in self.below if kind]
        if kinds and not any(isinstance(mark, OptionsOf) for mark in marks_of(self.info)):
            also = "".join(f", or the word {word}" for word in self.words)
            return f"{'a list of sections' if self.many else 'a section'} of kind {', '.join(kinds)}{also}"
        if self.below:
            return {"": "a section", "list": "a list of sections", "by name": "sections by name"}[self.many]
        if self.words:
            return ", ".join(self.words)
        return {"": "text", "list": "a list of names", "by name": "values by key"}[self.many]


def keys_of(section: type[Section], kind: str = "") -> list[Key]:
    """Return the keys of a section, in its own order."""
    return [Key(section, field, kind) for field in section.model_fields]


def keys_at(root: type[Section], path: str) -> list[Key]:
    """Return the keys that a dotted path can mean, of whatever kinds of sections: "tile.device.leakage".

    An entry of a list need not be numbered, "tile.periphery.area", nor a variant named. Kinds that declare a key
    together are told once.
    """
    here, found, named = keys_of(root), list[Key](), list[Key]()
    for part in (part for part in path_parts(path) if isinstance(part, str)):
        found = [key for key in here if key.name == part] or named  # a name of one's own, such as a variant's
        named = [key for key in found if key.many == "by name"] if found is not named else []
        here = [below for key in found for kind, section in key.below.items() for below in keys_of(section, kind)]
    return _apart(found)


def paths_of(root: type[Section]) -> list[str]:
    """Return the dotted paths of all keys of a kind of spec, those of a variant left out: it has those of `tile`."""
    return list(dict.fromkeys(_paths(root, "", ())))


def _paths(section: type[Section], path: str, above: tuple[type[Section], ...]) -> Iterator[str]:
    for key in keys_of(section):
        here = f"{path}.{key.name}" if path else key.name
        yield here
        for inner in () if key.many == "by name" else key.below.values():
            if inner not in above:
                yield from _paths(inner, here, (*above, section))


def _apart(keys: list[Key]) -> list[Key]:
    """Return one key of those that are the same field of the same class, or alike in all that is said of them."""
    found: dict[tuple[str, str, str, bool], Key] = {}
    for key in keys:
        told = key.meaning, key.allowed, key.default, key.required
        found[told] = Key(key.owner, key.field, ", ".join(filter(None, (found[told].kind, key.kind)))) if (
            told in found and key.kind not in found[told].kind.split(", ")) else found.get(told, key)  # fmt: skip
    return list(found.values())


def _words(annotation: Any) -> tuple[str, ...]:
    if annotation is bool:
        return ("true", "false")
    if typing.get_origin(annotation) is Literal:
        return tuple(map(str, typing.get_args(annotation)))
    return tuple(word for arg in typing.get_args(annotation) for word in _words(arg))


def section_in(annotation: Any) -> type[Section] | None:
    """Return the class of section that a type holds, if it holds one: `tuple[Published, ...]`, `Package | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Section):
        return annotation
    for arg in typing.get_args(annotation):
        if arg not in (NoneType, ...) and (found := section_in(arg)) is not None:
            return found
    return None
