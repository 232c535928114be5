"""Ranges of a figure: `128..1024:x2`, `100..900:+200`, `1 ms..10 ms:log:5`, and `1..9` or `1..9:log` to be sampled."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction

from archsim.base.limits import POINTS
from archsim.base.units import parse_number, unit_scale
from archsim.base.words import counted

_EXACT = Context(prec=60)
_FINE = Context(prec=30)
_ALIKE = Decimal("1e-40")
"""What differs by less, relatively, is the same: rounding at 60 digits."""
DIGITS, ALL_DIGITS = 6, 17
"""Of steps that are factors, so many digits are written, or as many more as tell them apart; 17 tell doubles apart."""
_NUMBER = r"[+-]?(?:\d+\.?(?!\.)\d*|\d+|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = re.compile(
    rf"\s*(?P<low>{_NUMBER})\s*(?P<own>[^\d\s.:,][^.:,]*?)?\s*\.\.\s*(?P<high>{_NUMBER})\s*(?P<unit>[^\d\s.:,][^.:,]*?)?"
    r"\s*(?::\s*(?P<steps>.*?))?\s*",
    re.DOTALL,
)
_STEP = re.compile(rf"(?:\+\s*(?P<step>{_NUMBER})\s*(?P<unit>.*)|x\s*(?P<factor>{_NUMBER})|log\s*:\s*(?P<count>\d+))")
EXAMPLES = "write LOW..HIGH:+STEP, LOW..HIGH:xFACTOR or LOW..HIGH:log:COUNT"


class RangeError(ValueError):
    """A range cannot be read: what is wrong, and a hint."""

    def __init__(self, what: str, hint: str = EXAMPLES) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


@dataclass(frozen=True)
class Range:
    """From `low` to `high`, both included, in a unit ("" for none); `steps` is what follows a colon.

    It is `whole` where its key takes whole numbers alone.
    """

    low: Fraction
    high: Fraction
    unit: str
    steps: str
    whole: bool = False

    @property
    def is_to_be_sampled(self) -> bool:
        """Whether it says no steps."""
        return self.steps in ("", "log")

    def values(self) -> tuple[str, ...]:
        """Return its values as one would write them, both ends where the steps reach them; raise RangeError.

        >>> range_of("1 ms..10 ms:log:5").values(), range_of("128..1024:x2").values()
        (('1 ms', '1.77828 ms', '3.16228 ms', '5.62341 ms', '10 ms'), ('128', '256', '512', '1024'))
        """
        match = _STEP.fullmatch(self.steps)
        if match is None:
            raise RangeError(f"'{self.steps}' says no steps")
        if match["step"] is not None:
            return self._added(_positive(match["step"]) * _scale(match["unit"].strip() or self.unit, self.unit))
        if match["factor"] is not None:
            return self._multiplied(parse_number(match["factor"]))
        return self._logarithmic(int(match["count"]) if len(match["count"]) < 10 else 10**9)

    def _added(self, step: Fraction) -> tuple[str, ...]:
        count = (self.high - self.low) // step + 1
        POINTS.check(count)
        return tuple(self._said(self.low + i * step, ALL_DIGITS) for i in range(count))

    def _multiplied(self, factor: Fraction) -> tuple[str, ...]:
        if factor <= 1:
            raise RangeError("a factor is above 1", "for example 128..1024:x2")
        self._check_positive()
        grows, by = math.log(self.high / self.low), math.log(factor)
        POINTS.check(int(grows / by) + 1 if by else math.inf)
        low, high, step = (_decimal(each) for each in (self.low, self.high, factor))
        values = [low]
        while (value := _EXACT.multiply(values[-1], step)) <= high * (1 + _ALIKE):
            values.append(high if high - value <= high * _ALIKE else value)
        return self._apart([Fraction(value) for value in values], exact=self.low.denominator == factor.denominator == 1)

    def _logarithmic(self, count: int) -> tuple[str, ...]:
        if count < 2:
            raise RangeError(f"{counted(count, 'value')} cannot reach from end to end", "give 2 or more")
        POINTS.check(count)
        self._check_positive()
        low, grows = _decimal(self.low), _FINE.ln(_decimal(self.high / self.low))
        inner = (_FINE.multiply(low, _FINE.exp(grows * i / (count - 1))) for i in range(1, count - 1))
        return self._apart([self.low, *map(Fraction, inner), self.high])

    def sampled(self, part: float) -> str:
        """Return the value at a part of the way, 0 to 1: of its length or, with `log`, of its logarithm.

        Whole numbers of a length are as likely as each other.
        """
        low, high = float(self.low), float(self.high)
        if not self.whole:
            value = low * (high / low) ** part if self.steps == "log" else low + part * (high - low)
            return self._said(Fraction(value), DIGITS)
        least, most = math.ceil(self.low), math.floor(self.high)
        value = round(low * (high / low) ** part) if self.steps == "log" else least + int(part * (most - least + 1))
        return self._said(Fraction(min(max(value, least), most)), ALL_DIGITS)

    def check_sampled(self) -> None:
        """Raise RangeError where there is nothing to be sampled."""
        if self.steps == "log":
            self._check_positive()
        if self.whole and math.ceil(self.low) > math.floor(self.high):
            raise RangeError("there is no whole number between its ends", "give whole ends")

    def _check_positive(self) -> None:
        if self.low <= 0:
            raise RangeError("its lower end is not above 0, and steps by factors are asked for", "begin above 0")

    def _apart(self, numbers: list[Fraction], exact: bool = False) -> tuple[str, ...]:
        """Return numbers as texts that tell them apart; whole ones rounded and once."""
        if self.whole:
            return tuple(dict.fromkeys(self._said(Fraction(round(each)), ALL_DIGITS) for each in numbers))
        for digits in range(ALL_DIGITS if exact else DIGITS, ALL_DIGITS + 1):
            texts = [self._said(each, digits) for each in numbers]
            if len(set(texts)) == len(texts):
                break
        return tuple(dict.fromkeys(texts))

    def _said(self, number: Fraction, digits: int) -> str:
        """Return a number with so many digits, an end with all, and the unit; never one outside of the range."""
        rounded = number if number in (self.low, self.high) else Fraction(_decimal(number, digits))
        text = written(min(max(rounded, self.low), self.high))
        return f"{text} {self.unit}" if self.unit else text


def range_of(text: str, whole: Callable[[bool], bool] = lambda by_text: False) -> Range | None:
    """Return the range that a text says, None if it says none; raise RangeError for one whose ends are wrong.

    `whole` is asked whether the key takes whole numbers alone, and told whether its ends are written so. A unit that
    stands once is that of both ends.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    low, high, unit = parse_number(match["low"]), parse_number(match["high"]), match["own"] or match["unit"] or ""
    high *= _scale(match["unit"] or unit, unit)
    if low >= high:
        raise RangeError(f"'{text}' does not rise", "give the lower end first")
    steps = re.sub(r"\s+", " ", match["steps"] or "").strip()
    by_text = not unit and low.denominator == high.denominator == 1
    return Range(low, high, unit, steps, whole(by_text))


def written(number: Fraction) -> str:
    """Return a decimal number exactly, as one would write it.

    >>> written(Fraction(1, 1000)), written(Fraction(10**6)), written(Fraction(1, 4 * 10**8))
    ('0.001', '1000000', '2.5e-9')
    """
    value = _decimal(number).normalize(_EXACT)
    if not value or -5 < value.adjusted() < ALL_DIGITS:
        return f"{value:f}"
    digits, power = f"{value:e}".split("e")
    return f"{digits}e{int(power)}"


def _decimal(number: Fraction, digits: int = 60) -> Decimal:
    return Context(prec=digits).divide(Decimal(number.numerator), Decimal(number.denominator))


def _positive(text: str) -> Fraction:
    number = parse_number(text)
    if number <= 0:
        raise RangeError(f"a step of '{text}' leads nowhere", "give one above 0")
    return number


def _scale(unit: str, into: str) -> Fraction:
    """Return what one `unit` is in another; raise RangeError where they are not of one kind."""
    if unit == into:
        return Fraction(1)
    scale = unit_scale(unit, into) if unit and into else None
    if scale is None:
        raise RangeError(f"'{unit}' and '{into}' are not units of one kind", "write one unit for all of it")
    return scale
