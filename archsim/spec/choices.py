"""Choices that later stages provide: each registry loads its home when it is first asked."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from archsim.base.registry import Registry
from archsim.base.section import Options, Section, kinds_of, options_of

TOPOLOGIES: Registry[Callable[..., Any]] = Registry("topology", home="archsim.chip.topologies")
FLOORPLANS: Registry[type[Floorplan]] = Registry("floorplan", home="archsim.chip.floorplan")
PLACEMENTS: Registry[Callable[..., Any]] = Registry("placement", home="archsim.mapping.placement")
TRANSPORTS: Registry[Any] = Registry("transport", home="archsim.mapping.transports")
REDUCTIONS: Registry[Callable[..., Any]] = Registry("reduction", home="archsim.mapping.reduction")
TRANSFER_POLICIES: Registry[Callable[..., Any]] = Registry("transfer policy", home="archsim.mapping.maintenance")
REFRESH_POLICIES: Registry[Callable[..., Any]] = Registry("refresh policy", home="archsim.mapping.maintenance")


@dataclass(frozen=True)
class OptionsOf:
    """Marks a field that holds the options of the entry of a registry which another field, before it, names."""

    registry: Registry[Callable[..., Any]]
    chosen_by: str

    def section(self, chosen: object) -> type[Options]:
        """Return the section of the options of the entry of that name; one without any if there is no such entry."""
        return options_of(self.registry[chosen]) if isinstance(chosen, str) and chosen in self.registry else Options

    def read(self, value: Any, info: ValidationInfo) -> Options:
        """Return the options checked against the entry's signature; every fault keeps its place in the file."""
        if self.chosen_by not in info.data:
            return Options()  # the name itself is wrong, and reported
        section = self.section(info.data[self.chosen_by])
        return value if isinstance(value, section) else section.model_validate(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        sections = dict.fromkeys(self.section(name) for name in self.registry)
        return {"anyOf": [each.with_meanings(handler.resolve_ref_schema(handler(each.__pydantic_core_schema__)))
                          for each in sections]}  # fmt: skip


class Floorplan(Section, ABC):
    """Where tiles, the host port and other blocks lie; a subclass is one kind, with its own keys.

    `example` holds values of them with which it can be built, for the conformance tests.
    """

    kind: ClassVar[str]
    role: ClassVar[str] = "floorplan"
    example: ClassVar[Mapping[str, Any]] = {}

    @abstractmethod
    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Any:
        """Return the `archsim.chip.floorplan.Plan` of tiles and a host port of these areas, in square metres.

        Raises SpecError with everything that does not fit.
        """


floorplan = kinds_of(FLOORPLANS)
"""Class decorator: `@floorplan(kind)` registers a kind of floorplan."""
