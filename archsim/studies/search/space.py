"""Where is searched: keys of a spec, each with the values that it may take or a range, as `--search` says."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

from archsim.base.errors import Problem, SpecError
from archsim.base.limits import POINTS
from archsim.base.record import Record
from archsim.spec.settings import path_parts
from archsim.studies.sweep.axes import Whole, listed_in
from archsim.studies.sweep.figures import numbers_of
from archsim.studies.sweep.points import PointSettings
from archsim.studies.sweep.spans import DIGITS, Range, RangeError, range_of, written

OPTION, EXAMPLE = "--search", "for example --search tile.rows=128..1024 or --search tile.rows=128,256"
Param: TypeAlias = str | int | float
"""What the library gives for a key: a value, the place of one among numbers, or a number of a range."""
DRAWS = 1000
"""So often is a point that was not tried yet drawn at random before there is none. An assumption."""


class Sought(Record):
    """A key with its `values`; or else from `low` to `high` in a `unit`, by equal steps or, `log`, by equal factors."""

    key: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    unit: str = ""
    log: bool = False
    whole: bool = False

    def text(self, value: Param) -> str:
        """Return as text the value that the library means."""
        if self.values:
            return self.values[value] if isinstance(value, int) else str(value)
        assert not isinstance(value, str)
        number = min(max(value if self.whole else float(f"{value:.{DIGITS}g}"), self.low), self.high)
        text = written(Fraction(repr(float(number))))
        return f"{text} {self.unit}" if self.unit else text

    def place(self, text: str) -> float:
        """Return where a value stands between the ends, 0 to 1; values of a list are equally far apart."""
        if self.values:
            return self.values.index(text) / max(1, len(self.values) - 1)
        value = float(text.removesuffix(self.unit))
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    @property
    def ends(self) -> tuple[str, str]:
        """Its first and its last value."""
        return (self.values[0], self.values[-1]) if self.values else (self.text(self.low), self.text(self.high))

    @property
    def is_ordered(self) -> bool:
        """Whether its values are numbers that rise or fall, so that near ones are alike."""
        found = numbers_of(self.values)
        return found is not None and found[0] in (sorted(found[0]), sorted(found[0], reverse=True))

    @property
    def count(self) -> float:
        """How many values it may take."""
        return len(self.values) or (self.high - self.low + 1 if self.whole else math.inf)

    def texts(self) -> list[str]:
        """Return all values, where they are so many that there is an end of them."""
        return list(self.values) or [self.text(value) for value in range(int(self.low), int(self.high) + 1)]

    def drawn(self, draws: random.Random) -> str:
        """Return a value drawn at random."""
        if self.values:
            return draws.choice(self.values)
        if self.log:
            number = math.exp(draws.uniform(math.log(self.low), math.log(self.high)))
            return self.text(round(number) if self.whole else number)
        return self.text(
            draws.randint(int(self.low), int(self.high)) if self.whole else draws.uniform(self.low, self.high)
        )

    def param(self, text: str) -> Param:
        """Return what the library would give for a value."""
        if self.values:
            return self.values.index(text) if self.is_ordered else text
        number = float(text.removesuffix(self.unit))
        return int(number) if self.whole else number

    @property
    def distribution(self) -> Any:
        """What the library draws it from."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        if self.values:
            last = len(self.values) - 1
            return IntDistribution(0, last) if self.is_ordered else CategoricalDistribution(self.values)
        if self.whole:
            return IntDistribution(int(self.low), int(self.high), log=self.log)
        return FloatDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Space:
    """All keys that are searched over."""

    keys: tuple[Sought, ...]

    @property
    def size(self) -> float:
        """How many points there are."""
        return math.prod(own.count for own in self.keys)

    def settings(self, params: Mapping[str, Param]) -> PointSettings:
        """Return the settings of a point that the library asks for."""
        return {own.key: own.text(params[own.key]) for own in self.keys}

    def params(self, settings: PointSettings) -> dict[str, Param]:
        """Return what the library would give for a point."""
        return {own.key: own.param(settings[own.key]) for own in self.keys}

    def unseen(self, seen: Collection[tuple[str, ...]], draws: random.Random) -> PointSettings | None:
        """Return a point at random whose values are none of those seen; None where there is none, or none is found."""
        keys = [own.key for own in self.keys]
        if self.size <= POINTS.most:
            left = [point for point in itertools.product(*(own.texts() for own in self.keys)) if point not in seen]
            return dict(zip(keys, draws.choice(left), strict=True)) if left else None
        for _ in range(DRAWS):
            point = tuple(own.drawn(draws) for own in self.keys)
            if point not in seen:
                return dict(zip(keys, point, strict=True))
        return None


def space_of(
    searched: Sequence[str], sets: Sequence[str] = (), whole: Whole = lambda key, by_text: by_text
) -> Space:  # fmt: skip
    """Return what `KEY=LOW..HIGH[:log]` and `KEY=V1,V2,...` texts describe, beside settings that hold for all points.

    Ranges with steps are lists of their values. Raises SpecError with all that is wrong.

    >>> [(own.low, own.high, own.unit, own.log) for own in space_of(["schedule.refresh.period=1 ms..1 s:log"]).keys]
    [(1.0, 1000.0, 'ms', True)]
    """
    keys: list[Sought] = []
    problems: list[Problem] = []
    for text in searched:
        key, equals, listed = text.partition("=")
        key = key.strip()
        if not key or not equals or not listed.strip():
            problems.append(Problem(OPTION, f"'{text}' is not KEY=LOW..HIGH or KEY=V1,V2,...", EXAMPLE))
            continue
        try:
            keys.append(_sought(key, listed_in(listed), whole))
        except RangeError as error:
            problems.append(Problem(f"{OPTION} {key}", error.what, error.hint))
        except SpecError as error:
            problems += [replace(each, where=f"{OPTION} {key}") for each in error.problems]
    problems += _overlaps([own.key for own in keys], sets)
    if not searched:
        problems.append(Problem(OPTION, "nothing is searched over", EXAMPLE))
    if problems:
        raise SpecError(problems)
    return Space(tuple(keys))


def _sought(key: str, listed: Sequence[str], whole: Whole) -> Sought:
    """Return a key with its list or range; raise RangeError."""
    spans = [range_of(text, lambda by_text: whole(key, by_text)) for text in listed]
    values = [text for own, text in zip(spans, listed, strict=True) if own is None]
    values += [text for own in spans if own is not None and not own.is_to_be_sampled for text in own.values()]
    free = [own for own in spans if own is not None and own.is_to_be_sampled]
    if free and len(listed) > 1:
        raise RangeError("a range stands beside other values", "give one of the two")
    if not all(values):
        raise RangeError("a value is empty", "put one comma between values, and none at the end")
    if len(set(values)) < len(values):
        raise RangeError("a value is given twice", "give each value once")
    return _ranged(key, free[0]) if free else Sought(key=key, values=tuple(values))


def _ranged(key: str, span: Range) -> Sought:
    span.check_sampled()
    return Sought(key=key, low=float(span.low), high=float(span.high), unit=span.unit, log=span.steps == "log",
                  whole=span.whole)  # fmt: skip


def _overlaps(keys: Sequence[str], sets: Sequence[str]) -> list[Problem]:
    problems: list[Problem] = []
    for i, key in enumerate(keys):
        parts, where = path_parts(key), f"{OPTION} {key}"
        problems += [
            Problem(where, f"--set {setting} was given as well", "either search over it or set it")
            for setting in sets if path_parts(setting.partition("=")[0].strip())[: len(parts)] == parts
        ]  # fmt: skip
        for other in keys[:i]:
            theirs = path_parts(other)
            shorter = min(len(parts), len(theirs))
            if parts[:shorter] == theirs[:shorter]:
                what = "is given twice" if parts == theirs else f"overlaps with {OPTION} {other}"
                problems.append(Problem(where, what, "search over one of the two"))
    return problems
