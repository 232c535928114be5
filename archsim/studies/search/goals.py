"""What a search is for: metrics that are to be small or large, and conditions that the points it finds must meet."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.record import Number, Record
from archsim.base.units import bare_metric, parse_metric, si_of_metric
from archsim.results.metrics import METRICS
from archsim.studies.conditions import SIGNS, Condition, conditions_of
from archsim.studies.sweep.points import ACCURACY, BASELINES, ENERGY, ENTROPY, R2, TIME, VALIDATED

SHORT = {"time": TIME, "energy": ENERGY, "accuracy": VALIDATED[ACCURACY], "r2": VALIDATED[R2],
         "accuracy_float": BASELINES[ACCURACY], "r2_float": BASELINES[R2],
         "cross_entropy": ENTROPY["chip"], "cross_entropy_float": ENTROPY["float"]}  # fmt: skip
"""What one says for metrics that everybody asks for; what is trained is judged on examples that are held back."""
ON_SIDES = {"chip": (*VALIDATED.values(), ENTROPY["chip"]), "float": (*BASELINES.values(), ENTROPY["float"])}
"""Metrics for which points are trained, on the chip or in floating point."""
TRAINED = tuple(name for names in ON_SIDES.values() for name in names)
NAMES = {**{own: own for own in (*METRICS, *TRAINED)}, **{bare_metric(own): own for own in METRICS}, **SHORT}
"""The metrics of a run by their names in metrics.json, by these without units, and for short."""
ALMOST = 1e-12
"""By how much, as a share, a condition is not met that just does not hold: the library knows no strict ones."""


class Goal(Record):
    """A metric that is to be small or, `most`, large."""

    metric: str
    most: bool = False

    def cost(self, value: Number) -> float:
        """Return what is to be small."""
        return -value if self.most else value


class Bound(Record):
    """A condition: its text, the metric on its left, the sign of it and the limit in SI units."""

    text: str
    metric: str
    sign: str
    limit: float

    def excess(self, value: Number) -> float:
        """Return by how much a metric's value breaks it, as a share of the limit; 0 or less where it holds."""
        by = {"<": value - self.limit, ">": self.limit - value, "=": abs(value - self.limit)}
        share = by.get(self.sign[0], 0.0) / (abs(self.limit) or 1.0)
        return min(share, 0.0) if SIGNS[self.sign](value, self.limit) else max(share, ALMOST)


def goals_of(least: Sequence[str], most: Sequence[str]) -> tuple[Goal, ...]:
    """Return what metrics are to be small and large; raise SpecError with all that is wrong.

    >>> goals_of(["time", "area_m2"], ["efficiency"])[2].metric
    'efficiency_op_per_j'
    """
    found: list[Goal] = []
    problems: list[Problem] = []
    for option, texts, is_most in (("--minimise", least, False), ("--maximise", most, True)):
        for text in texts:
            if (metric := NAMES.get(text)) is None:
                problems.append(Problem(option, f"'{text}' is not a metric", nearest(text, NAMES)))
            elif metric in [own.metric for own in found]:
                problems.append(Problem(option, f"{metric} is given twice", "give each metric once"))
            else:
                found.append(Goal(metric=metric, most=is_most))
    if not (least or most):
        problems.append(Problem("--minimise", "nothing is to be small or large", "for example --minimise time"))
    if problems:
        raise SpecError(problems)
    return tuple(found)


def sides_of(metrics: Collection[str]) -> tuple[str, ...]:
    """Return what has to be trained for some metrics: the "chip", its baseline in "float", both or neither.

    >>> sides_of(["time_per_example_s", "accuracy_validation_float_mean"])
    ('float',)
    """
    return tuple(side for side, names in ON_SIDES.items() if any(name in names for name in metrics))


def bounds_of(texts: Sequence[str]) -> tuple[Bound, ...]:
    """Return the conditions that `METRIC SIGN QUANTITY` texts describe; raise SpecError with all that is wrong.

    >>> bounds_of(["area <= 30 mm2"])[0].excess(60e-6)
    1.0
    """
    found: list[Bound] = []
    problems: list[Problem] = []
    for own in conditions_of(texts, "--subject-to", "area <= 30 mm2"):
        try:
            found.append(_bound(own))
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return tuple(found)


def _bound(own: Condition) -> Bound:
    if (metric := NAMES.get(own.left)) is None:
        raise SpecError.at(own.where, f"'{own.left}' is not a metric", nearest(own.left, NAMES))
    try:
        limit = parse_metric(metric, own.right)
    except ValueError as error:
        unit = si_of_metric(metric).replace("**", "")
        hint = f"give a quantity in {unit} or a unit of its kind" if unit else "give a number"
        raise SpecError.at(own.where, str(error), hint) from None
    assert math.isfinite(limit)
    return Bound(text=f"{own.left} {own.sign} {own.right}", metric=metric, sign=own.sign, limit=limit)
