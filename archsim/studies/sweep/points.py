"""Points of a sweep: their metrics by name, what of them is to be small or large, and which are Pareto-optimal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from archsim.studies.names import undominated

Point: TypeAlias = Mapping[str, Any]
Data: TypeAlias = Mapping[str, Any]

TIME, ENERGY, ACCURACY, R2 = "time_per_example_s", "energy_per_example_j", "accuracy_chip_mean", "r2_chip_mean"


def has(point: Point, name: str) -> bool:
    """Return whether a point has a metric."""
    return point["metrics"] is not None and point["metrics"].get(name) is not None


def merit_of(points: Sequence[Point]) -> str | None:
    """Return by what trainings are judged: the name of accuracy, of R2, or None where nothing was trained."""
    return next((name for name in (ACCURACY, R2) if any(has(point, name) for point in points)), None)


def with_pareto(points: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the points with `pareto`: no other is as good in accuracy, time and energy, and better in one of them.

    Where examples have values, R2 stands for accuracy; without trainings, time and energy alone count.
    """
    best = undominated([_goals(point) for point in points])
    return [{**point, "pareto": own} for point, own in zip(points, best, strict=True)]


def _goals(point: Point) -> tuple[float, ...] | None:
    """Return what is to be small, or None for a point that is refused."""
    metrics, merit = point["metrics"], merit_of([point])
    if metrics is None:
        return None
    cost = (metrics[TIME], metrics[ENERGY])
    return cost if merit is None else (-metrics[merit], *cost)


def point_words(done: int, total: int, settings: Mapping[str, str]) -> tuple[str, str]:
    """Return what a terminal shows of a sweep under way: how far it is, and the point that is next.

    >>> point_words(2, 15, {"schedule.transfer.policy": "staggered"})
    ('point 3 of 15', 'policy=staggered')
    """
    where = ", ".join(f"{key.split('.')[-1]}={value}" for key, value in settings.items())
    return f"point {done + 1:,} of {total:,}", cut(where, 46)


def short(key: str, most: int = 32) -> str:
    """Return the last parts of a key that tell enough.

    >>> short("schedule.transfer.interval_examples"), short("tile.rows")
    ('transfer.interval_examples', 'tile.rows')
    """
    return cut(".".join(key.split(".")[-2:]), most)


def cut(text: str, most: int) -> str:
    """Return a text of at most so many letters."""
    return text if len(text) <= most else text[: most - 3] + "..."
