"""Technology scaling as a spec declares it: what its digital parts cost at another node, and what stays as it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Self, TypeVar

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.errors import SpecError
from archsim.base.section import Section, yaml_key
from archsim.base.units import Length, Ratio, Voltage
from archsim.components.base import Component
from archsim.estimates.technology import AREAS, EQUATIONS, NODES_NM, SOURCE, polynomial

S = TypeVar("S", bound=Section)

LOWEST_V, SLACK = 0.5, 1.05
"""Equations of delay fall with the supply; where one has risen by so much above its least, it is beyond its range."""


class Scaling(Section):
    """The digital parts of a chip as at another node: figures of `reference` become those of `target`.

    Factors are those of the tables, or the ones given here, each with its own source. Delays are `kept` unless they are
    to be `scaled`. Target and supplies are the chip's own, as its `technology` says, unless said otherwise.
    """

    reference_m: Length
    """Node of which the digital parts' figures are."""
    target_m: Length | None = None
    """Node to which they are taken; the chip's own unless given."""
    transistors: Literal["high_performance", "low_power"] = "high_performance"
    """Which transistors the tables of factors are for."""
    reference_supply_v: Voltage | None = None
    """Supply at which the figures hold; the chip's own unless given."""
    target_supply_v: Voltage | None = None
    """Supply to which they are taken; the chip's own unless given."""
    delays: Literal["kept", "scaled"] = "kept"
    """Whether the times of digital parts are scaled, too, or kept."""
    energy: Ratio | None = None
    """Factor of energies, instead of that of the tables."""
    area: Ratio | None = None
    """Factor of areas, instead of that of the tables."""
    delay: Ratio | None = None
    """Factor of times, instead of that of the tables."""

    @property
    def words(self) -> str:
        """Both nodes, as text."""
        target = "the chip's node" if self.target_m is None else f"{_nm(self.target_m):g} nm"
        return f"{_nm(self.reference_m):g} nm to {target}"

    def onto(self, node_m: float) -> Scaling:
        """Return the scaling with a target: its own, or the node of the chip; raise SpecError if that has no table."""
        if self.target_m is not None:
            return self
        found = self.model_copy(update={"target_m": node_m})
        if found._needs_tables and _nm(node_m) not in NODES_NM:
            what = f"a target of {_nm(node_m):g} nm, the chip's node, is not in the tables"
            hint = f"allowed: {', '.join(map(str, NODES_NM))} nm, or give the factors yourself"
            raise SpecError.at("scaling", what, hint)
        return found

    @property
    def _needs_tables(self) -> bool:
        return self.energy is None or self.area is None or (self.delay is None and self.delays == "scaled")

    @model_validator(mode="after")
    def _knows_its_nodes(self) -> Self:
        if not self._needs_tables:
            return self
        for name, node_m in (("reference", self.reference_m), ("target", self.target_m)):
            if node_m is not None and _nm(node_m) not in NODES_NM:
                message = (
                    "a {name} of {given} nm is not in the tables; allowed: {nodes} nm, or give the factors yourself"
                )
                nodes = ", ".join(map(str, NODES_NM))
                raise PydanticCustomError("node", message, {"name": name, "given": f"{_nm(node_m):g}", "nodes": nodes})
        return self


def _nm(node_m: float) -> float:
    return round(node_m * 1e9, 3)


@dataclass(frozen=True)
class Scaled:
    """A figure that was scaled: by what factor of which quantity, and from where that is."""

    quantity: str
    factor: float
    source: str


def factors_of(scaling: Scaling, supply_v: float) -> dict[str, tuple[float, str]]:
    """Return (factor, source) by quantity: energy, area and, if delays are scaled, delay; the target must be set.

    Raises SpecError where a supply is beyond the range of an equation.
    """
    assert scaling.target_m is not None
    before, after = round(_nm(scaling.reference_m)), round(_nm(scaling.target_m))
    supplies = (scaling.reference_supply_v or supply_v, scaling.target_supply_v or supply_v)
    table = EQUATIONS[scaling.transistors]
    found: dict[str, tuple[float, str]] = {}
    asked = ["energy", "area"] + (["delay"] if scaling.delays == "scaled" or scaling.delay is not None else [])
    for quantity in asked:
        given = getattr(scaling, quantity)
        if given is not None:
            found[quantity] = (given, "factor of the spec")
        elif quantity == "area":
            found[quantity] = (float(AREAS[before][NODES_NM.index(after)]), SOURCE)
        else:
            was = _solved(table[before], quantity, supplies[0], before)
            now = _solved(table[after], quantity, supplies[1], after)
            found[quantity] = (float(f"{now / was:.4g}"), f"{SOURCE}, {supplies[0]:g} V to {supplies[1]:g} V")
    return found


def _solved(equations: tuple[tuple[float, ...], tuple[float, ...]], quantity: str, supply_v: float, node: int) -> float:
    """Return the equation's value at a supply; raise SpecError where it is beyond its range."""
    powers = equations[0 if quantity == "energy" else 1]
    value = polynomial(powers, supply_v)
    beyond = value <= 0 or supply_v < LOWEST_V
    if quantity == "delay" and not beyond:
        steps = [LOWEST_V + i * (supply_v - LOWEST_V) / 50 for i in range(51)]
        beyond = value > SLACK * min(polynomial(powers, step) for step in steps)
    if beyond:
        what = f"{supply_v:g} V is beyond the equation of {quantity} at {node} nm"
        hint = f"give reference_supply and target_supply, or scaling.{quantity}"
        raise SpecError.at("scaling", what, hint)
    return value


def scaled(section: S, scaling: Scaling, supply_v: float) -> tuple[S, dict[str, Scaled]]:
    """Return a section with its components as at the target node, and by dotted path what was scaled.

    A component's class says which of its fields scale, and as what; all others stay.
    """
    factors = factors_of(scaling, supply_v)
    marks: dict[str, Scaled] = {}

    def visit(own: Any, path: str) -> Any:
        changes = {}
        for name, quantity in getattr(own, "scales", {}).items():
            if quantity in factors:
                factor, source = factors[quantity]
                changes[name] = _times(getattr(own, name), factor)
                marks[_join(path, name)] = Scaled(quantity, factor, source)
        for name, value in own:
            if name not in changes and (inner := _below(value, _join(path, name), visit)) is not value:
                changes[name] = inner
        return own.model_copy(update=changes) if changes else own

    return visit(section, ""), marks


def _join(path: str, name: str) -> str:
    return f"{path}.{yaml_key(name)}" if path else yaml_key(name)


def _below(value: Any, path: str, visit: Callable[[Any, str], Any]) -> Any:
    if isinstance(value, Section):
        return visit(value, path)
    if isinstance(value, tuple):
        items = tuple(_below(item, f"{path}[{i}]", visit) for i, item in enumerate(value))
        return items if any(a is not b for a, b in zip(items, value, strict=True)) else value
    if isinstance(value, dict):
        return {key: _below(item, f"{path}.{key}", visit) for key, item in value.items()}
    return value


def _times(value: Any, factor: float) -> Any:
    return value * Fraction(repr(factor)) if isinstance(value, Fraction) else value * factor


def left_alone(section: Section) -> list[str]:
    """Return the paths of the components that do not scale, with their kinds."""

    def visit(own: Any, path: str) -> Iterator[str]:
        if isinstance(own, Component):
            if not own.scales:
                yield f"{path} ({own.kind})"
        elif isinstance(own, Section):
            for name, value in own:
                yield from visit(value, _join(path, name))
        elif isinstance(own, tuple):
            for i, item in enumerate(own):
                yield from visit(item, f"{path}[{i}]")

    return list(visit(section, ""))
