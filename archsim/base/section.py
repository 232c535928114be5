"""A section of a spec: frozen, strict, and named in YAML without the unit suffixes of the code."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
import sys
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, ClassVar, TypeVar, cast

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from archsim.base.errors import SpecError
from archsim.base.limits import NAME_LETTERS
from archsim.base.registry import Registry
from archsim.base.units import UNITS, Dimension

C = TypeVar("C", bound=type[Any])


@dataclass(frozen=True)
class Choice:
    """Marks a field that names an entry of a registry."""

    registry: Registry[Any]

    def read(self, value: Any) -> str:
        """Return the name if it is registered."""
        try:
            self.registry.lookup(str(value))
        except SpecError as error:
            problem = error.problems[0]
            raise PydanticCustomError(
                "choice", "{what}; {hint}", {"what": problem.what, "hint": problem.hint}
            ) from None
        return str(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"enum": sorted(self.registry)}


def _flag(value: object) -> object:
    words = {"true": True, "false": False, "1": True, "0": False}
    return words.get(str(value).lower(), value) if isinstance(value, str | int) else value


Flag = Annotated[bool, BeforeValidator(_flag)]
"""True or false, as in a file, or 1 or 0."""


def _short(name: object) -> object:
    NAME_LETTERS.check(len(name) if isinstance(name, str) else 0)
    return name


FreeName = Annotated[str, StringConstraints(min_length=1, max_length=NAME_LETTERS.most), BeforeValidator(_short)]
"""A name in a spec: free text, of which files are called by a slug."""

_SUFFIXES = sorted((f"_{unit.suffix}" for unit in UNITS.values() if unit.suffix), key=len, reverse=True)


@functools.cache
def yaml_key(name: str) -> str:
    """Return the key in YAML of a field in code; a name that Python keeps for itself ends in an underscore.

    >>> yaml_key("settle_s"), yaml_key("energy_per_bit_j"), yaml_key("rows"), yaml_key("from_")
    ('settle', 'energy_per_bit', 'rows', 'from')
    """
    if name.endswith("_"):
        return name.removesuffix("_")
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix)
    return name


@functools.cache
def names_of(cls: type[BaseModel]) -> Mapping[str, str]:
    """Return the names in code of a section's fields by their keys in YAML."""
    return {yaml_key(name): name for name in cls.model_fields}


class Section(BaseModel):
    """Base of every part of a spec and of every component.

    Fields named in `later`, of the class or of one that it derives from, came after specs had been hashed: the resolved
    form leaves them out while they hold their defaults.

    What a file need not say although a field is required, `fills` names, with what it is then, in words.

    Keys in `retired` were fields once; a file that still gives one loads without it, and `check` says why.

    What a key means is the sentence below its field: `described` reads it for schemas, `archsim new` and `explain`.
    """

    later: ClassVar[frozenset[str]] = frozenset()
    retired: ClassVar[Mapping[str, str]] = {}
    fills: ClassVar[Mapping[str, str]] = {}

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=yaml_key,
        populate_by_name=True,
        arbitrary_types_allowed=True,
        validate_default=False,
        defer_build=True,  # a command uses few of all sections, and most of them as parts of others
    )

    @classmethod
    def shaped(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Return the tree of a file in the form that settings name: a kind of file may have a short one."""
        return tree

    @classmethod
    def filled(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Return the tree of a file, settings in it, with what it does not say and what follows from the rest."""
        return tree

    @model_validator(mode="before")
    @classmethod
    def _without_retired(cls, data: Any) -> Any:
        if not cls.retired or not isinstance(data, Mapping):
            return data
        return {key: value for key, value in data.items() if key not in cls.retired}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return cls.with_meanings(handler.resolve_ref_schema(handler(schema)))

    @classmethod
    def with_meanings(cls, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the section's JSON schema with what each key means, and with defaults as files have them."""
        properties = dict(schema.get("properties", {}))
        for name, field in cls.model_fields.items():
            key, text, default = yaml_key(name), described(cls, name), default_of(field)
            own = {word: part for word, part in properties[key].items() if word not in ("default", "description")}
            told = {**({"description": text} if text else {}), **({} if default is None else {"default": default})}
            properties[key] = {**told, **own}
        needed = [key for key in schema.get("required", ()) if key not in fills_of(cls)]
        return {**schema, "properties": properties, **({"required": needed} if "required" in schema else {})}

    def resolved(self) -> dict[str, Any]:
        """Return the section as plain data: YAML keys, SI values as text, nested sections included."""
        out: dict[str, Any] = {}
        later = _later(type(self))
        for name, value in self:
            plain = _plain(value)
            if name not in later or plain != _plain(type(self).model_fields[name].default):
                out[yaml_key(name)] = plain
        kind = getattr(type(self), "kind", None)
        return {"kind": kind, **out} if isinstance(kind, str) else out


@functools.cache
def fills_of(cls: type[Section]) -> Mapping[str, str]:
    """Return what any class of its line names as filled in, by key in files."""
    return {yaml_key(name): words for each in reversed(cls.__mro__)
            for name, words in getattr(each, "fills", {}).items()}  # fmt: skip


@functools.cache
def _later(cls: type[Section]) -> frozenset[str]:
    """Return what any class of its line names as having come later."""
    return frozenset().union(*(getattr(each, "later", ()) for each in cls.__mro__))


def kinds_of(registry: Registry[Any]) -> Callable[[str], Callable[[C], C]]:
    """Return the class decorator, with a name, that registers a kind of section and lets it know its name."""

    def named(kind: str) -> Callable[[C], C]:
        def register(cls: C) -> C:
            cls.kind = kind
            return cast(C, registry.add(kind)(cls))

        return register

    return named


class Options(Section):
    """Base of the options of a choice; only what differs from the defaults is part of its resolved form."""

    def resolved(self) -> dict[str, Any]:
        """Return the options that were set, as plain data."""
        fields = type(self).model_fields
        return {yaml_key(name): _plain(value) for name, value in self if value != fields[name].default}

    def arguments(self) -> dict[str, Any]:
        """Return the options as keyword arguments of the function that they belong to."""
        return dict(self)


@functools.cache
def options_of(function: Callable[..., Any]) -> type[Options]:
    """Return the section that holds a function's keyword-only parameters, with their types and defaults.

    >>> def ring(plan: str, *, turns: int = 2) -> None: ...
    >>> options_of(ring)(turns=3).arguments()
    {'turns': 3}
    """
    types = typing.get_type_hints(function, include_extras=True)
    fields: dict[str, Any] = {
        name: (types[name], ... if parameter.default is parameter.empty else parameter.default)
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    return create_model(f"OptionsOf{function.__name__.title()}", __base__=Options, **fields)


_PLAIN = frozenset({type(None), bool, int, str})
"""Kinds of most values."""


def _plain(value: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Section):
        return value.resolved()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | str):
        return value
    return str(value)


def default_of(field: FieldInfo) -> str | bool | None:
    """Return what a field is where a file does not give it, as a file would; None where that is nothing or no scalar.

    >>> from archsim.components.wires import Wires
    >>> default_of(Wires.model_fields["write_v"]), default_of(Wires.model_fields["row_lines"])
    ('1.5 V', 'one')
    """
    own = field.default
    mark = next((mark for mark in marks_of(field) if isinstance(mark, Dimension)), None)
    if mark is not None and isinstance(own, Fraction | float | int) and not isinstance(own, bool):
        return mark.shown(own)
    return own if isinstance(own, str | bool) else None


def described(cls: type[BaseModel], name: str) -> str:
    """Return what a field of a section means: the sentence below it, in its class or in one that it derives from.

    Sources are read when it is first asked, so that commands which ask for nothing pay nothing.

    >>> from archsim.components.wires import Wires
    >>> described(Wires, "rows_read")
    'At which end row lines are read.'
    """
    said = cls.model_fields[name].description
    below = (_sentences(each.__module__).get((each.__qualname__, name)) for each in cls.__mro__)
    return said or next(filter(None, below), "")


@functools.cache
def _sentences(module: str) -> dict[tuple[str, str], str]:
    """Return by class and field the text that stands below the field in a module; nothing where there is no source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (KeyError, OSError, TypeError, SyntaxError):
        return {}
    found = {}
    for cls in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for field, below in itertools.pairwise(cls.body):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
                text = below.value.value if isinstance(below.value, ast.Constant) else None
                if isinstance(text, str):
                    found[cls.name, field.target.id] = " ".join(text.split())
    return found


def marks_of(field: FieldInfo) -> list[Any]:
    """Return what a field's type is annotated with, whether or not it may be left out."""
    inner = [mark for arg in typing.get_args(field.annotation) for mark in getattr(arg, "__metadata__", ())]
    return [*field.metadata, *inner]
