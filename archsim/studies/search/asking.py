"""Asking Optuna for points, in batches, and telling it what was made of them.

A batch is asked for as a whole, then told in the order of asking, by a sampler that is seeded by the seed and the
batch's number: what is asked for does not depend on who computes, how many do, or when they were interrupted.
"""

from __future__ import annotations

import importlib
import random
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np

from archsim.base.errors import SpecError
from archsim.base.registry import Registry
from archsim.studies.search.goals import Bound, Goal
from archsim.studies.search.space import Space
from archsim.studies.sweep.points import Made, PointSettings

BATCH = 16
"""Points that are asked for before any of them is told; more would be asked for blindly. An assumption."""
ASKS = 4
"""For each point of a batch, so often is asked at most before those that are missing are drawn. An assumption."""
UNBUILT = 1e6
"""Excess that is told of a point that cannot be run, beyond that of any other. An assumption."""
HINT = "give a database's URL as Optuna takes it (its driver has to be installed), or a file on a shared folder"
MADE = "made"
"""The attribute of a trial that holds what was made of it."""

SAMPLERS: Registry[Callable[[int, int], Any]] = Registry("sampler")
"""By name: (seed, budget) gives a sampler of Optuna's."""


def optuna() -> Any:
    """Return the library; raise SpecError where it is not installed."""
    try:
        found: Any = importlib.import_module("optuna")
    except ImportError:
        raise SpecError.at("--search", "needs the package optuna", "pip install 'archsim[search]'") from None
    found.logging.set_verbosity(found.logging.WARNING)
    return found


@SAMPLERS.add("tpe")
def tpe(seed: int, budget: int) -> Any:
    """Tree-structured Parzen estimators: where the better points lie densely and the others do not."""
    return optuna().samplers.TPESampler(seed=seed, multivariate=True, n_startup_trials=BATCH)


@SAMPLERS.add("nsga2")
def nsga2(seed: int, budget: int) -> Any:
    """A genetic algorithm for several goals (NSGA-II); its generations are batches."""
    return optuna().samplers.NSGAIISampler(seed=seed, population_size=BATCH * max(1, isqrt(budget) // BATCH))


@SAMPLERS.add("nsga3")
def nsga3(seed: int, budget: int) -> Any:
    """A genetic algorithm for three goals or more (NSGA-III)."""
    return optuna().samplers.NSGAIIISampler(seed=seed, population_size=BATCH * max(1, isqrt(budget) // BATCH))


@SAMPLERS.add("qmc")
def qmc(seed: int, budget: int) -> Any:
    """Points that fill the space evenly, by one Sobol sequence; the seed draws the first alone."""
    return optuna().samplers.QMCSampler(seed=seed, warn_asynchronous_seeding=False)


@SAMPLERS.add("random")
def at_random(seed: int, budget: int) -> Any:
    """Points at random, each on its own: what any other should do better than."""
    return optuna().samplers.RandomSampler(seed=seed)


@dataclass(frozen=True)
class Open:
    """A point that is asked for: its trial in the library, and its settings."""

    trial: Any
    settings: PointSettings


class Asker:
    """A search in the library: `budget` points of a space are asked for, each once.

    A `storage` shares it, under a name, with others that may be at it at the same time; what these told counts.
    """

    def __init__(
        self, space: Space, goals: Sequence[Goal], bounds: Sequence[Bound], sampler: str, seed: int, budget: int,
        shared: Shared | None = None,
    ) -> None:  # fmt: skip
        self.space, self.goals, self.bounds, self.seed, self.budget = space, goals, bounds, seed, budget
        self._make, self._shared, self._batches = SAMPLERS[sampler], shared, 0
        self._seen: set[tuple[str, ...]] = set()
        self._worst: list[float] = []
        directions = ["maximize" if goal.most else "minimize" for goal in goals]
        with quiet():
            self._distributions = {own.key: own.distribution for own in space.keys}
            if shared is None:
                self._study = optuna().create_study(directions=directions)
            else:
                self._study = shared.study(directions)

    def batch(self) -> list[Open]:
        """Return the next points, in the order of asking; none where the budget or the space is used up."""
        if self._shared is not None:
            self._seen = {tuple(settings.values()) for settings, _ in self._trials()}
        wanted = min(BATCH, self.budget - len(self._seen))
        entropy = [self.seed, self._batches] if self._shared is None else None
        words = np.random.SeedSequence(entropy).generate_state(2)
        draws = random.Random(int(words[1]))
        self._batches += 1
        found: list[Open] = []
        with quiet():
            self._study.sampler = self._make(int(words[0]), self.budget)
            for _ in range(ASKS * wanted):
                if len(found) == wanted or len(self._seen) == self.space.size:
                    break
                self._take(found)
            while len(found) < wanted and (point := self.space.unseen(self._seen, draws)) is not None:
                self._study.enqueue_trial(self.space.params(point))
                self._take(found)
        return found

    def _take(self, found: list[Open]) -> None:
        """Ask for a point, and take it unless it was asked for before."""
        trial = self._study.ask(self._distributions)
        settings = self.space.settings(trial.params)
        if (point := tuple(settings.values())) in self._seen:
            self._study.tell(trial, state=optuna().trial.TrialState.FAIL)
            return
        self._seen.add(point)
        found.append(Open(trial, settings))

    def tell(self, asked: Open, made: Made) -> None:
        """Tell what was made of a point; one that has no value of a goal is the worst so far, and breaks a bound.

        A training that was stopped is told by what it had reached.
        """
        values = [made.get(goal.metric) for goal in self.goals]
        known = [value for value in values if value is not None]
        with quiet():
            if self._shared is not None:
                asked.trial.set_user_attr(MADE, made.model_dump_json())
            if made.refused is not None and made.training:
                (reached,) = (runs[0] for runs in made.training.values())
                for epoch, value in enumerate(reached, 1):
                    if value is not None:
                        asked.trial.report(value, epoch)
                self._study.tell(asked.trial, state=optuna().trial.TrialState.PRUNED)
                return
            asked.trial.set_constraint("can be run", 0.0 if len(known) == len(values) else UNBUILT)
            for bound in self.bounds:
                value = made.get(bound.metric)
                asked.trial.set_constraint(bound.text, UNBUILT if value is None else bound.excess(value))
            if len(known) == len(values):
                costs = [goal.cost(value) for goal, value in zip(self.goals, known, strict=True)]
                self._worst = [max(pair) for pair in zip(self._worst or costs, costs, strict=True)]
                self._study.tell(asked.trial, known)
            else:
                worst = self._worst or [0.0] * len(values)
                self._study.tell(asked.trial, [goal.cost(own) for goal, own in zip(self.goals, worst, strict=True)])

    def leave(self, batch: Sequence[Open]) -> None:
        """Tell that nothing will be made of points, so that others may ask for them again."""
        with quiet():
            for asked in batch:
                self._study.tell(asked.trial, state=optuna().trial.TrialState.FAIL, skip_if_finished=True)

    def told(self) -> list[tuple[PointSettings, Made]]:
        """Return, of a search that is shared, all points that were told, by whomever, in the order of asking."""
        return [(settings, Made.read(text)) for settings, text in self._trials() if text is not None]

    def _trials(self) -> Iterator[tuple[PointSettings, str | None]]:
        """Yield the points that were asked for, and what was made of them as text, None where nothing was yet."""
        for trial in self._study.get_trials(deepcopy=False):
            if trial.state.name != "FAIL" and len(trial.params) == len(self.space.keys):
                yield self.space.settings(trial.params), trial.user_attrs.get(MADE)


@dataclass(frozen=True)
class Shared:
    """Where a search is shared: a database's URL, or a file that is its journal; and the name that it has there."""

    place: str
    name: str

    def study(self, directions: Sequence[str]) -> Any:
        """Return the library's study; raise SpecError where there can be none."""
        library, where = optuna(), "--storage"
        try:
            if "://" in self.place:
                storage = library.storages.RDBStorage(self.place)
            else:
                journal = library.storages.journal
                storage = journal.JournalStorage(journal.JournalFileBackend(self.place))
            return library.create_study(
                storage=storage, study_name=self.name, directions=directions, load_if_exists=True
            )  # fmt: skip
        except Exception as error:  # whatever a database's own driver raises
            what = f"cannot be used: {' '.join(str(error).split()) or type(error).__name__}"
            raise SpecError.at(where, what, HINT) from None


@contextmanager
def quiet() -> Iterator[None]:
    """Let the library not warn that something of it is new."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def importances(
    space: Space, goals: Sequence[Goal], points: Sequence[tuple[PointSettings, Made]]
) -> Mapping[str, Mapping[str, float]]:
    """Return by metric how much each key decides whether a point is among the best tenth, in shares (PED-ANOVA).

    It is Watanabe, Bansal and Hutter's, PED-ANOVA, IJCAI 2023; empty where it cannot be told.
    """
    library = optuna()
    found: dict[str, Mapping[str, float]] = {}
    distributions = {own.key: own.distribution for own in space.keys if own.count > 1}
    for goal in goals:
        known = [(space.params(settings), made.get(goal.metric)) for settings, made in points]
        with quiet():
            study = library.create_study(direction="maximize" if goal.most else "minimize")
            study.add_trials([
                library.trial.create_trial(
                    params={key: params[key] for key in distributions}, distributions=distributions, value=value
                )
                for params, value in known if value is not None
            ])  # fmt: skip
            values = {value for _, value in known}
            if len(values - {None}) > 1 and len(distributions) > 1:
                evaluator = library.importance.PedAnovaImportanceEvaluator()
                shares = library.importance.get_param_importances(study, evaluator=evaluator)
                found[goal.metric] = {own.key: float(shares.get(own.key, 0.0)) for own in space.keys}
    return found
