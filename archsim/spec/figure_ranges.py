"""Ranges of figures: how low and how high each may be, and what is drawn from them.

A range that a spec gives (`range: [a, b]`) is drawn log-uniformly between its ends, uniformly where it begins at zero
or below. Ends that an estimator gives are the 10 % and 90 % quantiles of its data, between and beyond which it is
lognormal, with a spread of its own on either side. Figures of one source, or of one estimator, err together: they are
one draw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from statistics import NormalDist
from typing import Any, TypeVar, cast

from pydantic_core import PydanticCustomError

from archsim.base.documents import STAND_IN, Leaf, Tree
from archsim.base.errors import Problem
from archsim.base.section import Section, names_of
from archsim.spec.figures import Figure, dimension_at
from archsim.spec.scaling import Scaled
from archsim.spec.settings import path_parts

S = TypeVar("S", bound=Section)

SHARE = 0.8
"""An interval holds so much of the draws, and so much of an estimator's data lies between its ends."""
_QUANTILE = NormalDist().inv_cdf((1 + SHARE) / 2)


@dataclass(frozen=True)
class Range:
    """How low and how high the figure at `path` may be, in its SI unit; `name` is what is drawn with it."""

    path: str
    name: str
    low: float
    value: float
    high: float
    lognormal: bool = False

    @property
    def drawn_as(self) -> str:
        """What is drawn with it in all chips: a source or an estimator; of an assumption itself, with its ends."""
        own = self.name == canonical(self.path)
        return f"{self.name}, {self.low:g} to {self.high:g}" if own else self.name

    def at(self, drawn: float) -> float:
        """Return the figure at a quantile of its distribution, above 0 and below 1."""
        if self.lognormal:
            z = NormalDist().inv_cdf(drawn) / _QUANTILE
            end = self.high if z > 0 else self.low
            return float(self.value * (end / self.value) ** abs(z))
        if self.low > 0:
            return float(self.low * (self.high / self.low) ** drawn)
        return self.low + drawn * (self.high - self.low)


def ranges_of(value: Section, figures: Mapping[str, Figure], marks: Mapping[str, Scaled]) -> tuple[Range, ...]:
    """Return the ranges of a spec's figures, in their order; those of figures that were scaled are scaled with them."""
    found = []
    for path, figure in figures.items():
        mark = dimension_at(value, path) if figure.range else None
        if mark is None:
            continue
        factor = marks[path].factor if path in marks else 1.0
        low, high = (float(mark.read(end)) * factor for end in figure.range)
        own = float(mark.read(figure.to_set)) * factor
        name = figure.estimate or figure.source or canonical(path)
        found.append(Range(path, name, low, own, high, bool(figure.estimate)))
    return tuple(found)


def canonical(path: str) -> str:
    """Return the path of the default tile's figure for one of a variant.

    >>> canonical("variants.small.device.area")
    'tile.device.area'
    """
    return re.sub(r"^variants\.[^.]+\.", "tile.", path)


def faults_of(value: Section, tree: Tree, label: str) -> list[Problem]:
    """Return what is wrong with the ranges of a tree whose `value` is in order."""
    return list(_faults(value, tree, "", label))


def _faults(value: Section, tree: Tree, path: str, label: str) -> Iterator[Problem]:
    if isinstance(tree, dict):
        for key, below in tree.items():
            yield from _faults(value, below, f"{path}.{key}" if path else key, label)
    elif isinstance(tree, list):
        for i, below in enumerate(tree):
            yield from _faults(value, below, f"{path}[{i}]", label)
    elif tree.status == STAND_IN and not tree.range and dimension_at(value, path) is not None:
        yield Problem(f"{label}: {path}", f"{tree.text} stands in for a figure that is not known, and has no range",
                      "say how far it may be off: 'range: [LOW, HIGH]'")  # fmt: skip
    elif tree.range:
        problem = _fault(value, tree, path)
        if problem is not None:
            yield Problem(f"{label}: {path}", *problem)


def _fault(value: Section, leaf: Leaf, path: str) -> tuple[str, str] | None:
    mark = dimension_at(value, path)
    told = f"[{', '.join(leaf.range)}]"
    if mark is None:
        return f"the range {told} is of something that is no quantity", "leave it out"
    try:
        low, high = (mark.read(end) for end in leaf.range)
    except PydanticCustomError as error:
        return f"the range {told}: {error.message()}", "give its ends in the figure's unit"
    own = mark.read(leaf.text)
    if low > high:
        return f"the range {told} ends below where it begins", "give the lowest first"
    if not low <= own <= high:
        return f"the range {told} excludes the value, {leaf.text}", "widen it, or mend the value"
    return None


def with_figures(section: S, values: Mapping[str, float]) -> S:
    """Return a section with other figures at some dotted paths, in SI units; a whole number is rounded.

    They are not checked: a draw within ranges that were.
    """
    tree: dict[str | int, Any] = {}
    for path, number in values.items():
        below, parts = tree, path_parts(path)
        for part in parts[:-1]:
            below = below.setdefault(part, {})
        below[parts[-1]] = number
    return cast(S, _with(section, tree)) if tree else section


def _with(own: Any, tree: Any) -> Any:
    if not isinstance(tree, dict):
        if isinstance(own, Fraction):
            return Fraction(tree).limit_denominator(10**18)
        return round(tree) if isinstance(own, int) else tree
    if isinstance(own, Section):
        names, fields = names_of(type(own)), own.__dict__
        return _changed(own, {names[key]: _with(fields[names[key]], tree[key]) for key in tree})
    if isinstance(own, Mapping):
        return {key: _with(each, tree[key]) if key in tree else each for key, each in own.items()}
    return tuple(_with(each, tree[i]) if i in tree else each for i, each in enumerate(own))


def _changed(own: S, fields: dict[str, Any]) -> S:
    """Return what `own.model_copy` with some fields does, in less time."""
    cls = type(own)
    found = cls.__new__(cls)
    object.__setattr__(found, "__dict__", own.__dict__ | fields)
    object.__setattr__(found, "__pydantic_fields_set__", own.__pydantic_fields_set__ | fields.keys())
    object.__setattr__(found, "__pydantic_extra__", None)
    object.__setattr__(found, "__pydantic_private__", None)
    return found
