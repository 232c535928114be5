"""Conditions such as `tile.rows <= tile.cols` or `area <= 30 mm2`: read with units, compared exactly, never run.

A condition compares what a name on its left stands for, a key of a spec or a metric, with a quantity, a word or another
name. Who asks says what names stand for, each as text with its unit.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.units import parse_number, unit_scale
from archsim.base.words import counted

SIGNS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "==": operator.eq, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
}  # fmt: skip
_SIGN = re.compile(r"<=|>=|==|!=|<|>|=")
_NUMBER = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z_][^\s<>=!'\"]*")


@dataclass(frozen=True)
class Quantity:
    """A number with its unit, "" for none."""

    number: Fraction
    unit: str

    @classmethod
    def of(cls, text: str) -> Quantity | None:
        """Return what a text says; None if it is no number with or without a unit. Raises ValueError for odd numbers.

        >>> Quantity.of("16 ns"), Quantity.of("stop_all")
        (Quantity(number=Fraction(16, 1), unit='ns'), None)
        """
        match = _NUMBER.fullmatch(text.strip())
        return None if match is None else cls(parse_number(match[1]), match[2].strip())

    def beside(self, other: Quantity) -> tuple[Fraction, Fraction]:
        """Return both in one unit; raise ValueError where they are not of one kind. A zero is of any."""
        (mine, own), (theirs, its) = ((Fraction(1, 100), "") if each.unit == "%" else (Fraction(1), each.unit)
                                      for each in (self, other))  # fmt: skip
        if own == its or not self.number or not other.number:
            return self.number * mine, other.number * theirs
        scale = unit_scale(own, its) if own and its else None
        if scale is None:
            raise ValueError(f"{_of(own)}, and the other side {_of(its)}")
        return self.number * mine * scale, other.number * theirs


def _of(unit: str) -> str:
    return f"is in '{unit}'" if unit else "has no unit"


@dataclass(frozen=True)
class Condition:
    """What has to hold: the name on its left, a sign of `SIGNS`, and a name, a quantity or a word on its right.

    `where` says which option it was given by.
    """

    where: str
    left: str
    sign: str
    right: str

    def holds(self, text_of: Callable[[str], str | None], names: Collection[str] = ()) -> bool:
        """Return whether it holds where `text_of` a name gives what it stands for, and None for what is no name.

        Raises SpecError where its sides cannot be compared, or its left is none of the `names`.
        """
        left = text_of(self.left)
        if left is None:
            raise SpecError.at(self.where, f"'{self.left}' has no value", nearest(self.left, names))
        named = None if Quantity.of(self.right) is not None else text_of(self.right)
        right = self.right if named is None else named
        try:
            mine, theirs = Quantity.of(left), Quantity.of(right)
            if mine is not None and theirs is not None:
                return SIGNS[self.sign](*mine.beside(theirs))
        except ValueError as error:
            hint = "compare figures of one kind, with their units"
            raise SpecError.at(self.where, f"{self.left} {error}", hint) from None
        if self.sign not in ("==", "!="):
            words = "compare words by == or !="
            word, hint = (left, words) if mine is None else (right, words if named else nearest(right, names))
            raise SpecError.at(self.where, f"'{word}' is neither a quantity nor a name of one", hint)
        if named is None and mine is not None:
            raise SpecError.at(self.where, f"'{right}' is neither a quantity nor a name of one", nearest(right, names))
        return SIGNS[self.sign](left.strip(), right.strip())


def conditions_of(texts: Sequence[str], option: str, example: str) -> tuple[Condition, ...]:
    """Return the conditions that an option was given; raise SpecError with all that cannot be read.

    >>> conditions_of(["area <= 30 mm2"], "--subject-to", "")
    (Condition(where="--subject-to 'area <= 30 mm2'", left='area', sign='<=', right='30 mm2'),)
    """
    found: list[Condition] = []
    problems: list[Problem] = []
    hint = f"for example {option} '{example}'"
    for text in texts:
        where, signs = f"{option} '{text}'", _SIGN.findall(text)
        if len(signs) != 1:
            what = f"has {counted(len(signs), 'comparison')}" if signs else "compares nothing"
            problems.append(Problem(where, f"{what}, not one of {', '.join(SIGNS)}", hint))
            continue
        left, right = (side.strip() for side in text.split(signs[0]))
        if signs[0] == "=":
            problems.append(Problem(where, "'=' compares nothing", f"write {left} == {right}"))
            continue
        if not _NAME.fullmatch(left):
            problems.append(Problem(where, f"'{left}' is no name of a figure", hint))
            continue
        right = right[1:-1] if len(right) > 1 and right[0] in "'\"" and right[0] == right[-1] else right
        try:
            is_quantity = Quantity.of(right) is not None
        except ValueError as error:
            problems.append(Problem(where, str(error), hint))
            continue
        if not is_quantity and not _NAME.fullmatch(right):
            problems.append(Problem(where, f"'{right}' is neither a quantity nor a name", hint))
            continue
        found.append(Condition(where, left, signs[0], right))
    if problems:
        raise SpecError(problems)
    return tuple(found)
