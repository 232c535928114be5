"""Technology scaling as a spec declares it: what its digital parts cost at another node, and what stays as it is.

Areas, and the equations of energy and delay against the supply, are those of A. Stillmaker and B. Baas, Scaling
equations for the accurate prediction of CMOS device performance from 180 nm to 7 nm, Integration 58, 74-81 (2017),
doi 10.1016/j.vlsi.2017.02.002, as nodeScale (UCLA NanoCAD Laboratory) and hwcomponents hold them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any, Literal, Self, TypeVar

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.errors import SpecError
from archsim.base.section import Section, yaml_key
from archsim.base.units import Length, Ratio, Voltage
from archsim.components.base import Component

S = TypeVar("S", bound=Section)

SOURCE = "Stillmaker and Baas 2017"
NODES_NM = (180, 130, 90, 65, 45, 32, 20, 16, 14, 10, 7)
_AREAS = {  # of a circuit at each of the nodes, relative to its area at the node of the row
    180: (1, 0.34, 0.15, 0.08, 0.053, 0.025, 0.011, 0.01, 0.0093, 0.0055, 0.0032),
    130: (2.9, 1, 0.44, 0.23, 0.16, 0.072, 0.033, 0.03, 0.027, 0.016, 0.0092),
    90: (6.6, 2.3, 1, 0.53, 0.35, 0.16, 0.075, 0.067, 0.061, 0.036, 0.021),
    65: (12, 4.3, 1.9, 1, 0.66, 0.31, 0.14, 0.13, 0.12, 0.068, 0.039),
    45: (19, 6.4, 2.8, 1.5, 1, 0.46, 0.21, 0.19, 0.17, 0.1, 0.059),
    32: (40, 14, 6.1, 3.3, 2.2, 1, 0.46, 0.41, 0.38, 0.22, 0.13),
    20: (88, 30, 13, 7.1, 4.7, 2.2, 1, 0.89, 0.82, 0.48, 0.28),
    16: (99, 34, 15, 7.9, 5.3, 2.4, 1.1, 1, 0.91, 0.54, 0.31),
    14: (110, 37, 16, 8.7, 5.8, 2.7, 1.2, 1.1, 1, 0.59, 0.34),
    10: (180, 63, 28, 15, 9.8, 4.5, 2.1, 1.9, 1.7, 1, 0.58),
    7: (320, 110, 48, 25, 17, 7.8, 3.6, 3.2, 2.9, 1.7, 1),
}
_OLD = {  # one kind of transistor: energy (V^2, V, 1), delay (V^3, V^2, V, 1)
    180: ((0, 24.64, -17.98), (0, 97.09, -356.7, 406.5)),
    130: ((7.171, -6.709, 2.904), (-76.65, 334.9, -493.4, 275.8)),
    90: ((4.762, -4.781, 2.092), (-60.34, 262.5, -384.2, 210.9)),
    65: ((3.755, -4.398, 1.975), (-53.3, 230.4, -333.9, 178.6)),
}
_EQUATIONS: Mapping[str, Mapping[int, tuple[tuple[float, ...], tuple[float, ...]]]] = {
    "high_performance": {
        **_OLD,
        45: ((1.018, -0.3107, 0.1539), (-501.6, 1567, -1619, 566.1)),
        32: ((0.8367, -0.4341, 0.1701), (-1047, 2982, -2797, 873.5)),
        20: ((0.373, -0.1582, 0.04104), (0, 34.63, -66.37, 41.15)),
        16: ((0.2958, -0.1241, 0.03024), (0, 24.8, -47.52, 28.87)),
        14: ((0.2363, -0.09675, 0.02239), (-40.66, 109.2, -100.6, 35.92)),
        10: ((0.2068, -0.09311, 0.02375), (-34.95, 93.65, -85.99, 30.4)),
        7: ((0.1776, -0.09097, 0.02447), (-28.58, 76.6, -70.26, 24.69)),
    },
    "low_power": {
        **_OLD,
        45: ((1.103, -0.362, 0.2767), (-285.7, 1239, -1795, 898.8)),
        32: ((0.9559, -0.7823, 0.471), (-325.9, 1374, -1922, 913.2)),
        20: ((0.2632, -0.14, 0.06841), (-160.5, 514.1, -558.6, 217.5)),
        16: ((0.2139, -0.1187, 0.05639), (-114.6, 366.7, -397.4, 153.6)),
        14: ((0.1556, -0.06472, 0.03066), (-85.37, 271.6, -292.2, 111.4)),
        10: ((0.1261, -0.0518, 0.02769), (-71.76, 228.6, -246.3, 93.91)),
        7: ((0.09365, -0.03409, 0.02043), (-61.79, 196.1, -210.3, 79.55)),
    },
}
LOWEST_V, SLACK = 0.5, 1.05
"""Equations of delay fall with the supply; where one has risen by so much above its least, it is beyond its range."""


class Scaling(Section):
    """The digital parts of a chip as at another node: figures of `reference` become those of `target`.

    Factors are those of the tables, or the ones given here, each with its own source. Delays are `kept` unless they are
    to be `scaled`. Target and supplies are the chip's own, as its `technology` says, unless said otherwise.
    """

    reference_m: Length
    target_m: Length | None = None
    transistors: Literal["high_performance", "low_power"] = "high_performance"
    reference_supply_v: Voltage | None = None
    target_supply_v: Voltage | None = None
    delays: Literal["kept", "scaled"] = "kept"
    energy: Ratio | None = None
    area: Ratio | None = None
    delay: Ratio | None = None

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
    table = _EQUATIONS[scaling.transistors]
    found: dict[str, tuple[float, str]] = {}
    asked = ["energy", "area"] + (["delay"] if scaling.delays == "scaled" or scaling.delay is not None else [])
    for quantity in asked:
        given = getattr(scaling, quantity)
        if given is not None:
            found[quantity] = (given, "factor of the spec")
        elif quantity == "area":
            found[quantity] = (float(_AREAS[before][NODES_NM.index(after)]), SOURCE)
        else:
            was = _solved(table[before], quantity, supplies[0], before)
            now = _solved(table[after], quantity, supplies[1], after)
            found[quantity] = (float(f"{now / was:.4g}"), f"{SOURCE}, {supplies[0]:g} V to {supplies[1]:g} V")
    return found


def _solved(equations: tuple[tuple[float, ...], tuple[float, ...]], quantity: str, supply_v: float, node: int) -> float:
    """Return the equation's value at a supply; raise SpecError where it is beyond its range."""
    powers = equations[0 if quantity == "energy" else 1]
    value = _polynomial(powers, supply_v)
    beyond = value <= 0 or supply_v < LOWEST_V
    if quantity == "delay" and not beyond:
        steps = [LOWEST_V + i * (supply_v - LOWEST_V) / 50 for i in range(51)]
        beyond = value > SLACK * min(_polynomial(powers, step) for step in steps)
    if beyond:
        what = f"{supply_v:g} V is beyond the equation of {quantity} at {node} nm"
        hint = f"give reference_supply and target_supply, or scaling.{quantity}"
        raise SpecError.at("scaling", what, hint)
    return value


def _polynomial(powers: tuple[float, ...], at: float) -> float:
    return reduce(lambda total, factor: total * at + factor, powers, 0.0)


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
