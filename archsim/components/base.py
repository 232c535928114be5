"""What a component is: parameters with units, an area, a leakage, and the actions it can perform."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from archsim.base.errors import SpecError
from archsim.base.registry import Registry
from archsim.base.section import Section

COMPONENTS: Registry[type[Component]] = Registry("component", home=("archsim.components", "archsim.components.cells"))

C = TypeVar("C", bound="type[Component]")


@dataclass(frozen=True, slots=True)
class Action:
    """What a unit can do: energy per item, and time per batch of the items that it handles at once.

    `latency_s` is when a batch's result is ready, `occupancy_s` when the unit is free again (the same
    unless said). `parallel` is how many items one unit handles at once.
    """

    energy_j: float
    latency_s: Fraction = Fraction(0)
    occupancy_s: Fraction | None = None
    parallel: int = 1

    def duration_s(self, items: int, units: int = 1) -> tuple[Fraction, Fraction]:
        """Return (latency, occupancy) in seconds for `items` shared by `units`, batch after batch."""
        batches = math.ceil(items / (units * self.parallel))
        occupancy = self.latency_s if self.occupancy_s is None else self.occupancy_s
        last = self.latency_s - occupancy
        return batches * occupancy + last if batches else Fraction(0), batches * occupancy


class Component(Section):
    """A piece of hardware on the chip; one object stands for one instance of it.

    A subclass sets `kind` (its name in YAML), `role` (where it may stand) and `example`
    (parameters with which it can be built, for the conformance tests and the documentation).
    `scales` says which fields change with the technology node, as energy, area or delay: those of digital
    circuits. Analog parts, wires and I/O have none. `choices` names the fields that are design choices (a count,
    bits, a rate, sharing), each with the figures that hold for one value of it only; `beside` the choices on which
    figures of neighbours depend, as "part.figure" by their keys. `estimators` names what estimates a field.
    """

    kind: ClassVar[str]
    role: ClassVar[str]
    scales: ClassVar[Mapping[str, str]] = {}
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    beside: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    estimators: ClassVar[Mapping[str, str]] = {}
    example: ClassVar[Mapping[str, Any]] = {}

    @property
    def total_area_m2(self) -> float:
        """Area of one instance, in square metres."""
        return float(getattr(self, "area_m2", 0.0))

    @property
    def total_leakage_w(self) -> float:
        """Power that one instance draws all the time, in watts."""
        return float(getattr(self, "leakage_w", 0.0))

    def actions(self) -> dict[str, Action]:
        """Return the actions by name; a component without actions only takes area and leaks."""
        return {}


def component(kind: str, role: str) -> Callable[[C], C]:
    """Return a class decorator that registers a component under `kind`, for places of that `role`."""

    def register(cls: C) -> C:
        cls.kind = kind
        cls.role = role
        COMPONENTS.add(kind)(cls)
        return cls

    return register


@dataclass(frozen=True)
class Role:
    """Marks a field that holds a section of this role; its class is looked up by `kind`, among components or others.

    Classes of the registry have the class variables `kind` and `role`. `words` are what may stand there instead. With a
    `default` the kind may be left out.
    """

    name: str
    words: tuple[str, ...] = ()
    registry: Registry[Any] = COMPONENTS
    default: str = ""

    def read(self, value: Any) -> Section | str:
        """Return the section that a mapping describes; every fault keeps its place in the file."""
        if isinstance(value, str) and value in self.words:
            return value
        if isinstance(value, Section):
            role, kind = (getattr(value, name, type(value).__name__) for name in ("role", "kind"))
            if role != self.name:
                raise self._refuse(f"a {role} ('{kind}') cannot stand here")
            return value
        if not isinstance(value, Mapping):
            raise self._refuse(f"'{value}' is not a {self.name}: give a mapping with 'kind'")
        fields = dict(value)
        kind = fields.pop("kind", self.default or None)
        if kind is None:
            raise self._refuse("'kind' is missing")
        try:
            cls = self.registry.lookup(str(kind))
        except SpecError as error:
            problem = error.problems[0]
            raise PydanticCustomError("kind", "{what}; {hint}", {"what": problem.what, "hint": problem.hint}) from None
        if cls.role != self.name:
            raise self._refuse(f"'{kind}' is a {cls.role}, not a {self.name}")
        section: Section = cls.model_validate(fields)
        return section

    def kinds(self) -> list[str]:
        """Return the kinds that may stand here, by name."""
        return sorted(kind for kind, cls in self.registry.items() if cls.role == self.name)

    def _refuse(self, what: str) -> PydanticCustomError:
        also = ", or the word " + " or ".join(f"'{word}'" for word in self.words) if self.words else ""
        message = {"what": what, "kinds": ", ".join(self.kinds()) + also}
        return PydanticCustomError("kind", "{what}; allowed kinds: {kinds}", message)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        options = []
        for kind in self.kinds():
            inner = handler(self.registry[kind].__pydantic_core_schema__)
            inner = self.registry[kind].with_meanings(handler.resolve_ref_schema(inner))
            inner["properties"] = {"kind": {"const": kind}, **inner.get("properties", {})}
            inner["required"] = [*(["kind"] if kind != self.default else []), *inner.get("required", [])]
            options.append(inner)
        options += [{"const": word} for word in self.words]
        return {"oneOf": options}
