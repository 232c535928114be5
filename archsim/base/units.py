"""Quantities with units: exact on the way in, SI floats in code, engineering units in reports.

A field of a spec is declared with one of the types below (`Time`, `Energy`, `Count`, ...). Its name in
code carries the SI unit (`settle_s`), its key in YAML does not (`settle: 16 ns`). Times are exact
fractions of a second until they become whole cycles, so that 61 ns at 1 GHz is 61 cycles and not 62.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from archsim.base.documents import STATUSES
from archsim.base.field_units import PREFIXES, read_unit
from archsim.base.field_units import UNITS as NAMED
from archsim.base.limits import ORDERS, QUANTITY_LETTERS, UNIT_POWER
from archsim.base.words import per_cent

if TYPE_CHECKING:
    import pint

_NUMBER = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*?)\s*$", re.DOTALL)
_POWER = re.compile(r"(?<=[A-Za-z])([23])\b")
_RAISED = re.compile(r"\*\*\s*(\d+)")
_FACTORS = r"(?<![A-Za-z0-9_.µΩÅ])(?:[A-Za-z_µΩÅ][A-Za-z0-9_µΩÅ]*|1)(?![0-9.])(?:\s*\*\*\s*-?[0-9])?(?!\s*\*\*)"
_WORDS = re.compile(rf"(?:{_FACTORS}|\)(?!\s*\*\*)|[\s*/(%°])+")
"""What a unit is made of: names, and a one, as in 1/s, with a power or none; no other numbers, no powers of powers."""


class Unit(NamedTuple):
    """An SI unit of specs: the suffix of names in code, what it is a unit of, and a figure in it."""

    suffix: str
    noun: str
    example: str


UNITS = {
    "s": Unit("s", "time", "64 ns"),
    "s/m": Unit("s_per_m", "time per length", "150 ps/mm"),
    "J": Unit("j", "energy", "1.667 pJ"),
    "J/bit": Unit("j_per_bit", "energy per bit", "0.2 pJ/bit"),
    "J/bit/m": Unit("j_per_bit_m", "energy per bit and length", "40.4 fJ/bit/mm"),
    "W": Unit("w", "power", "10 mW"),
    "m": Unit("m", "length", "1.35 mm"),
    "m**2": Unit("m2", "area", "240 um2"),
    "Hz": Unit("hz", "frequency", "1 GHz"),
    "V": Unit("v", "voltage", "1.0 V"),
    "A": Unit("a", "current", "100 uA"),
    "S": Unit("siemens", "conductance", "20 uS"),
    "ohm": Unit("ohm", "resistance", "0.35 ohm"),
    "F": Unit("f", "capacitance", "2.1 fF"),
    "K": Unit("kelvin", "temperature", "300 K"),
    "F/m": Unit("f_per_m", "capacitance per length", "0.315 pF/mm"),
    "bit/s": Unit("bit_per_s", "data rate", "6.4 GB/s"),
    "op/s": Unit("op_per_s", "throughput", "125 TOP/s"),
    "op/s/W": Unit("op_per_j", "efficiency", "28065 GOP/s/W"),
    "op/s/m**2": Unit("op_per_s_m2", "throughput per area", "3.6 TOP/s/mm2"),
    "": Unit("", "pure numbers", "0.1 or 10 %"),
}
"""By the unit's text."""

_OWN = ("bit = [information]", "op = [operation] = OP = operation")
"""What pint does not know, or takes for a pure number."""


@functools.cache
def _registry() -> pint.UnitRegistry[Any]:
    import pint

    registry: pint.UnitRegistry[Any] = pint.UnitRegistry(
        non_int_type=Fraction, cache_folder=None, on_redefinition="ignore"
    )
    for line in _OWN:
        registry.define(line)
    registry._build_cache()  # pint keeps the dimension that a redefined unit had before, and that of its multiples
    return registry


_SIGNS = str.maketrans({"\u00b5": "u", "\u03bc": "u", "\u03a9": "ohm", "\u2126": "ohm", "\u00b2": "2", "\u00b3": "3"})
"""Signs that keyboards and papers have, micro in both of its letters, as units have them here."""


@functools.cache
def unit_scale(unit: str, si: str) -> Fraction | None:
    """Return what one `unit` is in `si` units, exactly; None where the dimensions differ.

    >>> unit_scale("um2", "m**2")
    Fraction(1, 1000000000000)
    >>> unit_scale("pJ", "s") is None
    True
    """
    text = _POWER.sub(r"**\1", unit.translate(_SIGNS).replace("^", "**"))
    UNIT_POWER.check(max((int(power[:9]) for power in _RAISED.findall(text)), default=0), f"'{unit}'")
    given, wanted = read_unit(text), read_unit(si)
    if given is not None and wanted is not None:
        return given.scale / wanted.scale if given.powers == wanted.powers else None
    return _scale_by_pint(text, si) if _WORDS.fullmatch(text) else None


def _scale_by_pint(unit: str, si: str) -> Fraction | None:
    registry = _registry()
    try:
        given = registry.Quantity(Fraction(1), registry.parse_units(unit))
        wanted = registry.parse_units(si)
        same = given.dimensionality == registry.Quantity(1, wanted).dimensionality
        return Fraction(given.to(wanted).magnitude) if same else None
    except Exception:  # pint raises many kinds of error on odd text, and on units that it does not know
        return None


@functools.lru_cache(maxsize=4096)
def parse_number(text: str) -> Fraction:
    """Return a plain decimal number exactly; raise ValueError for anything else, NaN and inf included."""
    QUANTITY_LETTERS.check(len(text))
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise ValueError(f"'{text}' is not a number") from None
    if not number.is_finite():
        raise ValueError(f"'{text}' is not finite")
    ORDERS.check(abs(number.adjusted()), f"'{text}'")
    return Fraction(number)


@functools.lru_cache(maxsize=4096)
def parse_quantity(text: str, si: str) -> Fraction:
    """Return `text` ("1.667 pJ") in the SI unit `si`, exactly; raise ValueError that says what is wrong.

    >>> parse_quantity("1.667 pJ", "J") == Fraction(1667, 10**15)
    True
    """
    QUANTITY_LETTERS.check(len(text))
    match = _NUMBER.match(text)
    if match is None:
        raise ValueError(f"'{text}' is not a number with a unit")
    if re.match(r",\d", match[2]):
        raise ValueError(f"'{text}' has a comma, and decimals have a point")
    number, unit = parse_number(match[1]), match[2]
    if not unit:
        if number == 0:
            return number
        raise ValueError(f"'{text}' has no unit")
    scale = unit_scale(unit, si)
    if scale is None:
        near = _in_other_letters(unit, si)
        told = f", '{near}' is" if near else ""
        raise ValueError(f"'{unit}' is not a unit of {UNITS[si].noun if si in UNITS else si}{told}")
    return number * scale


def _in_other_letters(unit: str, si: str) -> str:
    """Return the unit that differs in capital letters alone and is of that dimension, the first if several are.

    >>> _in_other_letters("fj", "J"), _in_other_letters("Ghz", "Hz"), _in_other_letters("pJ", "m")
    ('fJ', 'GHz', '')
    """
    symbols = [symbol for symbol, _ in PREFIXES.values()]
    names = [own for names in NAMED for own in names]
    every = (f"{prefix}{own}{power}" for prefix in ("", *symbols) for own in names for power in ("", "2"))
    return next((own for own in every if own.lower() == unit.lower() and unit_scale(own, si) is not None), "")


@dataclass(frozen=True)
class Dimension:
    """How one field of a spec is read: its SI unit, its range, and whether it stays exact."""

    si: str
    least: float = 0.0
    above: bool = True
    most: float = math.inf
    exact: bool = False
    whole: bool = False

    def describe(self) -> str:
        """Return what is allowed, in words."""
        own = UNITS[self.si]
        noun = "a whole number" if self.whole else own.noun if self.si else "a number"
        low = f"above {self.least:g}" if self.above else f"{self.least:g} or more"
        top = (
            ""
            if math.isinf(self.most)
            else f" and at most {self.most:{',.0f' if self.whole or self.most >= 1e4 else 'g'}}"
        )
        unit = self.si.replace("**", "")
        example = "" if self.whole else f", for example '{own.example}'"
        return f"{noun} {low}{top}{' ' + unit if unit else ''}{example}"

    @property
    def span(self) -> str:
        """What is allowed in few words, for a comment; bounds that only catch a slip of a prefix are left out.

        >>> Dimension("s").span, Dimension("", least=1, above=False, most=64, whole=True).span
        ('time above 0 s', 'whole number from 1 to 64')
        """
        noun = "whole number" if self.whole else UNITS[self.si].noun if self.si else "number"
        if not self.above and not self.si and self.most < 1e6:
            return f"{noun} from {self.least:g} to {self.most:,g}"
        if not self.above and self.least < 0:
            return f"{noun} of either sign{', in ' + self.si if self.si else ''}"
        least = f"{self.least:g} {self.si.replace('**', '')}".rstrip()
        return f"{noun} above {least}" if self.above else f"{noun}, {least} or more"

    def text(self, value: Fraction | float | int) -> str:
        """Return a value of this dimension as text that reads as the same value."""
        number = str(value) if self.whole else repr(float(value))
        return f"{number} {self.si}" if self.si else number

    def shown(self, value: Fraction | float | int) -> str:
        """Return a value of this dimension as people write it, which reads as the same value: '20 fF'.

        >>> Dimension("F").shown(20e-15), Dimension("").shown(0.05), Dimension("s/m").shown(1.5e-7)
        ('20 fF', '0.05', '1.5e-07 s/m')
        """
        si = self.si.replace("**", "")
        plain = f"{value:g}" if self.whole or not si else engineering(float(value), si, 6) if "/" not in si else ""
        try:
            return plain if plain and self.read(plain) == self.read(self.text(value)) else self.text(value)
        except PydanticCustomError:
            return self.text(value)

    def read(self, value: Any) -> Fraction | float | int:
        """Return a value from YAML text (unit required) or a Python number (SI), checked."""
        return _read_text(self, value) if isinstance(value, str) else self._read(value)

    def _read(self, value: Any) -> Fraction | float | int:
        try:
            number = self._parse(value)
        except ValueError as error:
            raise PydanticCustomError(
                "quantity", "{why}; {hint}", {"why": str(error), "hint": "give " + self.describe()}
            ) from None
        least, most = _bounds(self)
        low = number <= least if self.above else number < least
        if low or (most is not None and number > most):
            message = {"given": str(value), "hint": "give " + self.describe()}
            raise PydanticCustomError("range", "'{given}' is out of range; {hint}", message)
        if self.whole:
            return int(number)
        return number if self.exact else float(number)

    def _parse(self, value: Any) -> Fraction:
        if isinstance(value, dict) and "value" in value:
            extra = ", ".join(f"'{key}'" for key in value if key != "value")
            raise ValueError(
                f"a figure has no key {extra} (its keys are value, range, source, status, note and given_for)"
            )
        if isinstance(value, bool) or not isinstance(value, str | int | float | Fraction):
            raise ValueError(f"'{value}' is not a quantity")
        if isinstance(value, str):
            QUANTITY_LETTERS.check(len(value))
            text = value.strip()
            if self.si:
                number = parse_quantity(text, self.si)
            elif text.endswith("%"):
                number = parse_number(text[:-1]) / 100
            else:
                number = parse_number(text.replace("_", "") if self.whole else text)
        elif isinstance(value, float):
            if not math.isfinite(value):
                raise ValueError(f"'{value}' is not finite")
            number = Fraction(repr(value))
        else:
            number = Fraction(value)
            ORDERS.check(max(number.numerator.bit_length(), number.denominator.bit_length()) // 4)
        if self.whole and number.denominator != 1:
            raise ValueError(f"'{value}' is not a whole number")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.read)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        scalar = {"type": ["string", "number"], "description": self.describe()}
        figure = {
            "type": "object",
            "properties": {
                "value": scalar,
                "range": {"type": "array", "items": {"type": ["string", "number"]}},
                "source": {"type": "string"},
                "status": {"enum": list(STATUSES)},
                "note": {"type": "string"},
                "given_for": {"type": "string"},
            },
            "required": ["value"],
            "additionalProperties": False,
        }
        estimate = {
            "type": "object",
            "properties": {"estimate": {"type": "string"}, "of": {"type": "object"}, "note": {"type": "string"}},
            "required": ["estimate"],
            "additionalProperties": False,
        }
        return {"anyOf": [scalar, figure, estimate]}


@functools.lru_cache(maxsize=4096)  # a spec that is loaded again has mostly the same figures
def _read_text(of: Dimension, text: str) -> Fraction | float | int:
    return of._read(text)


@functools.cache
def _bounds(of: Dimension) -> tuple[Fraction, Fraction | None]:
    """Return the least and the largest value, exactly; None where there is no largest."""
    return Fraction(repr(of.least)), None if math.isinf(of.most) else Fraction(repr(of.most))


# The types of fields. The upper bounds only catch slips of a prefix (a tile of a square metre).
Time = Annotated[Fraction, Dimension("s", most=1e4, exact=True)]
TimeOrZero = Annotated[Fraction, Dimension("s", above=False, most=1e4, exact=True)]
TimePerLength = Annotated[Fraction, Dimension("s/m", above=False, most=1e-3, exact=True)]
Energy = Annotated[float, Dimension("J", above=False, most=1e-3)]
EnergyPerBit = Annotated[float, Dimension("J/bit", above=False, most=1e-6)]
EnergyPerBitLength = Annotated[float, Dimension("J/bit/m", above=False, most=1e-3)]
Area = Annotated[float, Dimension("m**2", above=False, most=1e-1)]
Length = Annotated[float, Dimension("m", most=1.0)]
LengthOrZero = Annotated[float, Dimension("m", above=False, most=1.0)]
Power = Annotated[float, Dimension("W", above=False, most=1e4)]
Frequency = Annotated[Fraction, Dimension("Hz", most=1e13, exact=True)]
Voltage = Annotated[float, Dimension("V", most=100.0)]
Current = Annotated[Fraction, Dimension("A", most=100.0, exact=True)]
Conductance = Annotated[float, Dimension("S", above=False, most=1.0)]
Resistance = Annotated[float, Dimension("ohm", above=False, most=1e4)]
Capacitance = Annotated[float, Dimension("F", above=False, most=1e-3)]
CapacitancePerLength = Annotated[float, Dimension("F/m", above=False, most=1.0)]
Temperature = Annotated[float, Dimension("K", most=1e3)]
DataRate = Annotated[Fraction, Dimension("bit/s", most=1e16, exact=True)]
Throughput = Annotated[float, Dimension("op/s", most=1e18)]
Ratio = Annotated[float, Dimension("", above=False, most=1e6)]
Signed = Annotated[float, Dimension("", least=-1e6, above=False, most=1e6)]
Share = Annotated[float, Dimension("", above=False, most=0.95)]
Part = Annotated[float, Dimension("", above=False, most=1.0)]
Count = Annotated[int, Dimension("", least=1, above=False, most=1e9, whole=True)]
CountOrZero = Annotated[int, Dimension("", least=0, above=False, most=1e9, whole=True)]
Operations = Annotated[int, Dimension("", least=0, above=False, most=1e15, whole=True)]
Lines = Annotated[int, Dimension("", least=1, above=False, most=65536, whole=True)]
Bits = Annotated[int, Dimension("", least=1, above=False, most=32, whole=True)]


_SI_OF_METRIC = {
    "_op_per_s_m2": "op/s/m**2", "_op_per_j": "op/s/W", "_op_per_s": "op/s", "_per_s": "1/s", "_s": "s", "_w": "W",
    "_j": "J", "_m2": "m**2",
}  # fmt: skip


def si_of_metric(name: str) -> str:
    """Return the SI unit in which a metric of that name is given; "" if it has none.

    >>> si_of_metric("efficiency_peak_op_per_j"), si_of_metric("tile_utilisation")
    ('op/s/W', '')
    """
    return next((unit for suffix, unit in _SI_OF_METRIC.items() if name.endswith(suffix)), "")


def bare_metric(name: str) -> str:
    """Return a metric's name without its unit.

    >>> bare_metric("efficiency_peak_op_per_j"), bare_metric("area_m2"), bare_metric("tile_utilisation")
    ('efficiency_peak', 'area', 'tile_utilisation')
    """
    return next((name.removesuffix(suffix) for suffix in _SI_OF_METRIC if name.endswith(suffix)), name)


def parse_metric(name: str, text: str) -> float:
    """Return a figure's text ("28065 GOP/s/W") in the SI unit of a metric; raise ValueError if it is not one."""
    unit = si_of_metric(name)
    if unit:
        return float(parse_quantity(text, unit))
    return float(parse_number(text.strip()[:-1]) / 100 if text.strip().endswith("%") else parse_number(text))


def cycles(time_s: Fraction, clock_hz: Fraction, times: int = 1) -> int:
    """Return a time, so many `times` over, in whole cycles, rounded up once and exactly.

    >>> cycles(Fraction(61, 10**9), Fraction(10**9)), cycles(Fraction(1, 10**9), Fraction(10**9, 2), 5)
    (61, 3)
    """
    return -(-times * time_s.numerator * clock_hz.numerator // (time_s.denominator * clock_hz.denominator))


_PREFIXES = [(1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "u"),
             (1e-9, "n"), (1e-12, "p"), (1e-15, "f"), (1e-18, "a")]  # fmt: skip


def engineering(value: float | None, unit: str, digits: int = 4) -> str:
    """Return a figure in engineering units: `engineering(2.4e-7, "s")` is '240 ns'.

    >>> engineering(2.4e-7, "s"), engineering(0.0, "J"), engineering(1.82e-6, "m2")
    ('240 ns', '0 J', '1.82 mm2')
    """
    if value is None:
        return "-"
    if value == 0 or not math.isfinite(value):
        return f"{value:g} {unit}"
    value = float(f"{value:.{digits - 1}e}")  # first, since 999.99 ms is 1 s to four digits
    if unit == "m2":
        for scale, name in ((1e-6, "mm2"), (1e-12, "um2")):
            if abs(value) >= scale * 0.001 or scale == 1e-12:
                return f"{_significant(value / scale, digits)} {name}"
    for scale, prefix in _PREFIXES:
        if abs(value) >= scale * (1 - 1e-12):
            return f"{_significant(value / scale, digits)} {prefix}{unit}"
    return f"{value:g} {unit}"


def common_unit(values: Sequence[float], unit: str) -> tuple[float, str]:
    """Return the unit that suits the middle one of SI values, in SI and as text; densities are by mm2.

    >>> common_unit([2e-6, 3e-6, 5e-3], "s"), common_unit([3e8], "OP/s/m2")
    ((1e-06, 'us'), (1000000.0, 'OP/s/mm2'))
    """
    middle = abs(sorted(values, key=abs)[len(values) // 2])
    if unit == "m2":
        return (1e-6, "mm2") if middle >= 1e-9 or not middle else (1e-12, "um2")
    over, own = (1e6, f"{unit[:-2]}mm2") if unit.endswith("/m2") else (1.0, unit)
    near = (pair for pair in _PREFIXES if middle / over >= pair[0] * (1 - 1e-12))
    scale, prefix = next(near, _PREFIXES[-1] if middle else (1.0, ""))
    return scale * over, f"{prefix}{own}"


def number(value: float, digits: int = 4, most: int = 8) -> str:
    """Return so many digits without an exponent, with `most` decimals.

    >>> number(0.054321), number(12345.6), number(0.0)
    ('0.05432', '12,346', '0')
    """
    decimals = max(0, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(decimals, most)}f}"


def _significant(value: float, digits: int) -> str:
    text = number(value, digits, most=99)
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Return a share as text.

    >>> percent(0.1234), percent(0.0001), percent(0.0)
    ('12.3 %', '< 0.1 %', '0 %')
    """
    return "0 %" if not share else per_cent(share) if abs(share) >= 0.0005 else "< 0.1 %"
