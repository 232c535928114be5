"""The data of a search: what was searched over, for what, and what was made of each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from archsim.base.record import Named
from archsim.studies.names import undominated
from archsim.studies.search.goals import Bound, Goal
from archsim.studies.search.space import Sought
from archsim.studies.study import Data, signed
from archsim.studies.sweep.points import Made, PointSettings


class Trial(Made):
    """A point that was tried: its number from 1 in the order of asking, and its settings.

    `broken` are the conditions that it does not meet; `best` is one that meets all and is as good as any other, or,
    with several goals, Pareto-optimal.
    """

    number: int
    settings: PointSettings
    broken: tuple[str, ...] = ()
    best: bool = False

    @property
    def counts(self) -> bool:
        """Whether it was run, and meets all conditions."""
        return self.metrics is not None and not self.broken


class Saved(Data):
    """What search.json holds. `start` is the spec as given, with what that has of the keys, None where it was not run.

    `shared` is a search that other commands may have told of their points.
    Where points were trained, on the `sides` "chip" or "float", each was on `examples`, and judged by `held` others;
    `finals` are what the best ones reach when trained on all of these, by number. `importances` are shares by metric
    and key, `specs` the commands that run or train a best point's spec, by its number.
    """

    schema_id: Literal["archsim-search-1"] = signed("archsim-search-1")
    arch: Named
    workload: Named
    sets: tuple[str, ...] = Field(alias="set")
    search: tuple[Sought, ...]
    goals: tuple[Goal, ...]
    bounds: tuple[Bound, ...]
    sampler: str
    budget: int
    batch: int
    seed: int
    epochs: int | None
    complete: bool = False
    shared: bool = False
    start: Trial | None = None
    trials: tuple[Trial, ...] = ()
    examples: int = 0
    held: int = 0
    sides: tuple[str, ...] = ()
    finals: Mapping[str, Made] = {}
    importances: Mapping[str, Mapping[str, float]] = {}
    specs: Mapping[str, str] = {}

    @property
    def best(self) -> list[Trial]:
        """The best points, the best in the first goal first."""
        own = [trial for trial in self.trials if trial.best]
        return sorted(own, key=lambda each: [goal.cost(each.figure(goal.metric)) for goal in self.goals])


def judged(trials: Sequence[Trial], goals: Sequence[Goal], bounds: Sequence[Bound]) -> tuple[Trial, ...]:
    """Return points with what they break, and which of them are best."""
    found = [trial.model_copy(update={"broken": tuple(_broken(trial, goals, bounds))}) for trial in trials]
    costs = [
        tuple(goal.cost(own.figure(goal.metric)) for goal in goals) if own.counts else None for own in found
    ]  # fmt: skip
    best = undominated(costs)
    return tuple(own.model_copy(update={"best": is_best}) for own, is_best in zip(found, best, strict=True))


def _broken(trial: Trial, goals: Sequence[Goal], bounds: Sequence[Bound]) -> list[str]:
    """Return the conditions that a point does not meet, and the goals of which it has no value."""
    if trial.metrics is None:
        return []
    missing = [f"{goal.metric} is undefined" for goal in goals if not trial.has(goal.metric)]
    values = [(bound, trial.get(bound.metric)) for bound in bounds]
    return [*missing, *(bound.text for bound, value in values if value is None or bound.excess(value) > 0)]
