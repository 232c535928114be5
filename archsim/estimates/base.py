"""What an estimator is: an equation with its source, the range in which it holds, and how far its data lie from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.registry import Registry
from archsim.base.units import engineering
from archsim.base.words import counted

Quantity: TypeAlias = Literal["J", "m2", "W"]
Given: TypeAlias = float | str
Law: TypeAlias = Callable[..., "Estimate"]

ESTIMATORS: Registry[Estimator] = Registry("estimator", home="archsim.estimates")
"""By name; a module of `archsim.estimates` registers its own with `estimator`."""


@dataclass(frozen=True)
class Estimate:
    """A figure in SI units (J, m2 or W): its middle, and the 10 % and 90 % quantiles of what it was fitted to."""

    value: float
    low: float
    high: float

    @classmethod
    def spread(cls, value: float, low: float, high: float) -> Estimate:
        """Return a value with its quantiles as factors of it, `low` of at most 1 and `high` of at least 1."""
        return cls(value, value * low, value * high)

    def widened(self, low: float, high: float) -> Estimate:
        """Return the estimate with one more, independent spread, as factors: logarithms add in quadrature."""
        return Estimate.spread(
            self.value, 1 / _together(self.value / self.low, 1 / low), _together(self.high / self.value, high)
        )


def _together(one: float, other: float) -> float:
    return math.exp(math.hypot(math.log(one), math.log(other)))


@dataclass(frozen=True)
class Parameter:
    """What an estimator asks for: a number from `lowest` to `highest`, both allowed, or one of `choices`, or either.

    Numbers are in `unit`, an SI unit; bits and other pure numbers have none, sizes of memories are in bytes.
    """

    unit: str
    meaning: str
    lowest: float | None = None
    highest: float | None = None
    choices: tuple[Given, ...] = ()

    @property
    def allowed(self) -> str:
        """What is valid, in words."""
        named = [", ".join(self.shown(each) for each in self.choices)] if self.choices else []
        if self.lowest is not None and self.highest is not None:
            named.insert(0, f"{self.shown(self.lowest)} to {self.shown(self.highest)}")
        return " or ".join(named)

    def shown(self, given: Any) -> str:
        """Return a value as messages show it, with its unit."""
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            return f"'{given}'" if given not in self.choices else str(given)
        if self.unit == "byte":
            return counted(given, "byte", form=",.10g")
        return engineering(given, self.unit) if self.unit else f"{given:g}"

    def holds(self, given: Any) -> bool:
        """Return whether a value is valid: within the range, or a choice; what is no number is in no range."""
        if isinstance(given, bool):
            return False
        if given in self.choices:
            return True
        if self.lowest is None or self.highest is None or not isinstance(given, (int, float)):
            return False
        slack = 1e-9  # of the nearest float to 7 nm
        return self.lowest * (1 - slack) <= given <= self.highest * (1 + slack)


@dataclass(frozen=True)
class Estimator:
    """An equation for one figure of a kind of component, what it asks for, and where it is from.

    One that `scales` a parameter, a figure with its own source and range, has these of it and no spread of its own.
    """

    name: str
    words: str
    quantity: Quantity
    parameters: Mapping[str, Parameter]
    equation: str
    source: str
    law: Law = field(repr=False)
    scales: str = ""

    def estimate(self, **given: Given) -> Estimate:
        """Return the figure in SI units, with its 10 % and 90 % quantiles.

        Raises SpecError, with all faults at once, where a parameter is missing, unknown or outside of its validity.
        """
        problems = [*self._names_at_fault(given), *self._values_at_fault(given)]
        if problems:
            raise SpecError(problems)
        return self.law(**given)

    def _names_at_fault(self, given: Mapping[str, Given]) -> list[Problem]:
        found = [
            Problem(f"{self.name}.{name}", f"'{name}' is missing: {parameter.meaning}", f"allowed: {parameter.allowed}")
            for name, parameter in self.parameters.items()
            if name not in given
        ]
        unknown = [name for name in given if name not in self.parameters]
        for name in unknown:
            hint = nearest(name, self.parameters)
            found.append(Problem(f"{self.name}.{name}", f"'{name}' is no parameter of {self.name}", hint))
        return found

    def _values_at_fault(self, given: Mapping[str, Given]) -> list[Problem]:
        return [
            Problem(
                f"{self.name}.{name}",
                f"'{name}' of {parameter.shown(given[name])} is outside of what {self.name} is valid for",
                f"allowed: {parameter.allowed}",
            )
            for name, parameter in self.parameters.items()
            if name in given and not parameter.holds(given[name])
        ]


def estimator(
    name: str,
    words: str,
    quantity: Quantity,
    parameters: Mapping[str, Parameter],
    *,
    equation: str,
    source: str,
    scales: str = "",
) -> Callable[[Law], Law]:
    """Return a decorator that registers a function of the parameters, in SI units, as the law of an estimator."""

    def register(law: Law) -> Law:
        ESTIMATORS.add(name)(Estimator(name, words, quantity, parameters, equation, source, law, scales))
        return law

    return register
