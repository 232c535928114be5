"""The units of this field by name: what each is in base units, exactly, and products of them read from text.

Pint knows these and all others; to import it takes longer than to simulate a run, so that it is asked for others only.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TypeAlias

Powers: TypeAlias = Mapping[str, int]
"""Base units (s, m, kg, A, K, bit, op) and their powers, without those of power 0."""


@dataclass(frozen=True)
class Unit:
    """So many times a product of base units."""

    scale: Fraction = Fraction(1)
    powers: Powers = field(default_factory=dict)

    def times(self, other: Unit, power: int = 1) -> Unit:
        """Return the product with a power of another unit."""
        bases = {**self.powers, **other.powers}
        powers = {base: self.powers.get(base, 0) + power * other.powers.get(base, 0) for base in bases}
        return Unit(self.scale * other.scale**power, {base: n for base, n in powers.items() if n})


PREFIXES = {
    "atto": ("a", -18), "femto": ("f", -15), "pico": ("p", -12), "nano": ("n", -9), "micro": ("u", -6),
    "milli": ("m", -3), "centi": ("c", -2), "kilo": ("k", 3), "mega": ("M", 6), "giga": ("G", 9), "tera": ("T", 12),
    "peta": ("P", 15),
}  # fmt: skip
"""Name -> symbol and power of ten: SI brochure, 9th edition, table 7."""

UNITS = {
    ("second", "s"): Unit(powers={"s": 1}),
    ("meter", "m"): Unit(powers={"m": 1}),
    ("ampere", "A"): Unit(powers={"A": 1}),
    ("kelvin", "K"): Unit(powers={"K": 1}),
    ("hertz", "Hz"): Unit(powers={"s": -1}),
    ("joule", "J"): Unit(powers={"kg": 1, "m": 2, "s": -2}),
    ("watt", "W"): Unit(powers={"kg": 1, "m": 2, "s": -3}),
    ("volt", "V"): Unit(powers={"kg": 1, "m": 2, "s": -3, "A": -1}),
    ("siemens", "S"): Unit(powers={"kg": -1, "m": -2, "s": 3, "A": 2}),
    ("ohm",): Unit(powers={"kg": 1, "m": 2, "s": -3, "A": -2}),
    ("farad", "F"): Unit(powers={"kg": -1, "m": -2, "s": 4, "A": 2}),
    ("bit",): Unit(powers={"bit": 1}),
    ("byte", "B"): Unit(Fraction(8), {"bit": 1}),
    ("operation", "op", "OP"): Unit(powers={"op": 1}),
}
"""Names -> unit; those of SI as in the brochure, table 4, a byte of eight bits, and operations."""

_TEN = {name: power for word, (symbol, power) in PREFIXES.items() for name in (word, symbol)}
_NAMED = {name: unit for names, unit in UNITS.items() for name in names}
_FACTOR = re.compile(r"\s*([*/])\s*(1(?![0-9])|[A-Za-z]+)(?:\s*\*\*\s*([1-9]))?\s*")


def read_unit(text: str) -> Unit | None:
    """Return a product such as "fJ/bit/mm" or "m**2"; None if it holds other units or is written otherwise.

    >>> read_unit("km**2/ms") == Unit(Fraction(10**9), {"m": 2, "s": -1}), read_unit("furlong")
    (True, None)
    """
    found, rest = Unit(), f"*{text}"
    while rest:
        match = _FACTOR.match(rest)
        unit = match and (Unit() if match[2] == "1" else _named(match[2]))
        if match is None or unit is None:
            return None
        power = int(match[3] or 1)
        found = found.times(unit, power if match[1] == "*" else -power)
        rest = rest[match.end() :]
    return found


@functools.cache
def _named(name: str) -> Unit | None:
    """Return a unit with or without a prefix: "m" is a meter, "mm" a thousandth of one."""
    if name in _NAMED:
        return _NAMED[name]
    for prefix, power in _TEN.items():
        unit = _NAMED.get(name.removeprefix(prefix)) if name.startswith(prefix) else None
        if unit is not None:
            return Unit(Fraction(10) ** power).times(unit)
    return None
