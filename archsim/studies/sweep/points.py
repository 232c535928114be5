"""The data of a sweep: its points, with their metrics by name, and which of them are Pareto-optimal."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal, Self, TypeAlias

from pydantic import Field, model_validator

from archsim.base.record import Named, Number, Record
from archsim.base.words import shortened
from archsim.studies.names import undominated
from archsim.studies.study import Data, signed

PointSettings: TypeAlias = Mapping[str, str]
"""A value of each key that is varied."""

TIME, ENERGY, ACCURACY, R2 = "time_per_example_s", "energy_per_example_j", "accuracy_chip_mean", "r2_chip_mean"
VALIDATED = {ACCURACY: "accuracy_validation_chip_mean", R2: "r2_validation_chip_mean"}
"""Accuracy and R2 on a validation set, by the name of those on the test set."""
BASELINES = {ACCURACY: "accuracy_validation_float_mean", R2: "r2_validation_float_mean"}
"""The same of the floating-point baseline on a validation set."""
ENTROPY = {where: f"cross_entropy_validation_{where}_mean" for where in ("chip", "float")}
"""The cross-entropy of sequences that are answered step by step on a validation set."""
MERITS = (*VALIDATED, *VALIDATED.values())


class Made(Record):
    """What was made of a point: its metrics in SI units, or why it was refused.

    `training` has accuracy (or R2) and loss on the chip and in floating point, by seed and epoch, and `data` names on
    what it was trained; both are None where nothing was trained.
    """

    metrics: Mapping[str, Number | None] | None = None
    training: Mapping[str, tuple[tuple[float | None, ...], ...]] | None = None
    data: str | None = None
    audits_failed: tuple[str, ...] = ()
    refused: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.metrics is None) == (self.refused is None):
            raise ValueError("a point has either metrics or a reason why it was refused")
        return self

    def get(self, name: str) -> Number | None:
        """Return a metric, or None where there is none."""
        return None if self.metrics is None else self.metrics.get(name)

    def has(self, name: str) -> bool:
        """Return whether there is a metric."""
        return self.get(name) is not None

    def figure(self, name: str) -> Number:
        """Return a metric that there is."""
        value = self.get(name)
        assert value is not None, name
        return value


class Point(Made):
    """A point of a grid: its settings, and what was made of it. `pareto` is against all points that were made."""

    settings: PointSettings
    pareto: bool = False

    @classmethod
    def of(cls, settings: PointSettings, made: Made) -> Self:
        """Return the point with these settings."""
        return cls(settings=settings, **dict(made))


class Trained(Record):
    """How each point is trained: with which seeds, without what, and with which versions of what computes."""

    seeds: tuple[int, ...]
    ablated: tuple[str, ...]
    versions: Mapping[str, str]


class Sweep(Data):
    """What sweep.json holds: a grid, settings that hold for all of it, and the points that were made so far.

    Keys in each of `together` go in step; `samples` of those that are `sampled` were drawn by the `sampler`.
    `left_out` points did not meet `where`. `archs` and `workloads` are those that are varied, by what they are called.
    """

    schema_id: Literal["archsim-sweep-1"] = signed("archsim-sweep-1")
    arch: Named
    workload: Named
    sets: tuple[str, ...] = Field(alias="set")
    vary: Mapping[str, tuple[str, ...]]
    together: tuple[tuple[str, ...], ...] = ()
    sampled: tuple[str, ...] = ()
    samples: int = 0
    sampler: str | None = None
    where: tuple[str, ...] = ()
    left_out: int = 0
    archs: Mapping[str, Named] = {}
    workloads: Mapping[str, Named] = {}
    epochs: int | None
    train: Trained | None
    reads_billed_by: str
    complete: bool = False
    points: tuple[Point, ...] = ()


def merit_of(points: Sequence[Point]) -> str | None:
    """Return by what trainings are judged: the name of accuracy, of R2, or None where nothing was trained.

    It is that on a validation set where all that were trained have one, so that points are not chosen by the test set.
    """
    merit = next((name for name in VALIDATED if any(point.has(name) for point in points)), None)
    if merit is not None and all(point.has(VALIDATED[merit]) for point in points if point.has(merit)):
        return VALIDATED[merit]
    return merit


def with_pareto(points: Sequence[Point]) -> tuple[Point, ...]:
    """Return the points with `pareto`: no other is as good in accuracy, time and energy, and better in one of them.

    Where examples have values, R2 stands for accuracy; without trainings, time and energy alone count. Both are those
    of `merit_of` all points.
    """
    validated = merit_of(points) in VALIDATED.values()
    best = undominated([_goals(point, validated) for point in points])
    return tuple(point.model_copy(update={"pareto": own}) for point, own in zip(points, best, strict=True))


def _goals(point: Point, validated: bool) -> tuple[float, ...] | None:
    """Return what is to be small, or None for a point that is refused."""
    merit = merit_of([point])
    if not validated:
        merit = next((name for name, own in VALIDATED.items() if own == merit), merit)
    if point.metrics is None:
        return None
    return (*([-point.figure(merit)] if merit is not None else []), point.figure(TIME), point.figure(ENERGY))


def settings_text(settings: PointSettings, without: Collection[str] = ()) -> list[str]:
    """Return settings as `KEY=VALUE` texts, all but those of some keys."""
    return [f"{key}={value}" for key, value in settings.items() if key not in without]


def short(key: str, most: int = 32) -> str:
    """Return the last parts of a key that tell enough.

    >>> short("schedule.transfer.interval_examples"), short("tile.rows")
    ('transfer.interval_examples', 'tile.rows')
    """
    return shortened(".".join(key.split(".")[-2:]), most)
