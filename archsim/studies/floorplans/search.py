"""A search for a better floorplan and placement, with a budget of simulations; deterministic by its seed.

First all points with quick placements are ranked by a guess that needs no simulation (the sum of traffic x route for
time and energy, the area itself), and the most promising are simulated; then points that differ from the best in one
choice; and where all of those are known, points drawn at random, since a guess can mislead.
"""

from __future__ import annotations

import dataclasses
import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Any

from archsim.base.errors import ArchsimError, Problem, SpecError
from archsim.base.registry import Registry
from archsim.base.words import counted
from archsim.mapping.training import transfer_interval
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.studies.floorplans.guesses import Guesses, GuessTask, first_line, guess_of
from archsim.studies.floorplans.layouts import Layout, Point, Space, settings_of, space_of
from archsim.studies.names import all_faults
from archsim.studies.study import Progress, silent
from archsim.studies.tasks.bench import Compute, alone
from archsim.studies.tasks.on_chip import Headline, HeadlineTask
from archsim.studies.tasks.task import Outcome
from archsim.workload.network import Workload

BUDGET = 40  # assumption: simulations of a search unless said otherwise
EXAMPLES = 2000  # assumption: of a simulation at most, unless said otherwise
ROUND = 16  # assumption: simulations that are asked for at once, for as long as none is better than the best
COARSE_SHARE = 0.5  # assumption: of the budget, for the most promising by the guess
SLOW_PLACEMENTS = frozenset({"annealed"})  # it takes seconds where others take milliseconds: never only for a guess
RANKING = "ranking floorplans"
DIGITS = 9
"""To so many digits figures must be equal to count as equal: the rest may be rounding."""


@dataclass(frozen=True)
class Figures:
    """What a simulation says, in SI units; or, before there is one, numbers that rank as those might."""

    time_per_example_s: float
    energy_per_example_j: float
    area_m2: float


@dataclass(frozen=True)
class Objective:
    """What is to be small: in words, its SI unit, and a function of the figures; of equal ones the next one decides."""

    title: str
    unit: str
    of: Callable[[Figures], tuple[float, ...]]


OBJECTIVES: Registry[Objective] = Registry("search objective")
OBJECTIVES.add("time")(Objective("time per example", "s", lambda f: (f.time_per_example_s,)))
OBJECTIVES.add("energy")(Objective("energy per example", "J", lambda f: (f.energy_per_example_j,)))
OBJECTIVES.add("area")(Objective("area", "m2", lambda f: (f.area_m2, f.time_per_example_s)))
OBJECTIVES.add("edp")(Objective(
    "energy x time per example", "J s", lambda f: (f.energy_per_example_j * f.time_per_example_s,)
))  # fmt: skip


@dataclass(frozen=True)
class Candidate:
    """One point that was tried: when (None if it could not even be built), why, and its figures or why it has none."""

    number: int | None
    phase: str
    point: Point
    settings: tuple[str, ...]
    hash: str = ""
    figures: Figures | None = None
    refused: str = ""


@dataclass(frozen=True)
class Optimisation:
    """A search: all candidates in the order in which they were tried, the spec as given first, and the best."""

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    objective: str
    budget: int
    examples: int
    seed: int
    space: Space
    candidates: tuple[Candidate, ...]
    best: Candidate

    @property
    def start(self) -> Candidate:
        """The spec as given."""
        return self.candidates[0]

    @property
    def found(self) -> Loaded[ArchSpec]:
        """The best spec."""
        return self.arch.with_overrides(self.best.settings)

    @property
    def simulated(self) -> int:
        """How many candidates were simulated."""
        return sum(candidate.number is not None for candidate in self.candidates)

    def value(self, candidate: Candidate) -> float | None:
        """Return a candidate's objective, in SI units; None if it was refused."""
        return None if candidate.figures is None else OBJECTIVES[self.objective].of(candidate.figures)[0]


def examples_of(arch: ArchSpec, workload: Workload) -> int:
    """Return how many examples each simulation has unless said otherwise: up to the first transfer, 2,000 at most."""
    transfer = arch.schedule.transfer
    return min(EXAMPLES if transfer is None else transfer_interval(arch, workload), EXAMPLES, workload.examples)


def optimise(
    arch: Loaded[ArchSpec],
    workload: Loaded[Workload],
    objective: str,
    *,
    budget: int = BUDGET,
    examples: int | None = None,
    seed: int = 0,
    topologies: bool = False,
    progress: Progress = silent,
    compute: Compute = alone,
) -> Optimisation:
    """Return the search for the chip's floorplan and placement with the least `objective`, never worse than given.

    Raises SpecError for an objective or a budget that cannot be, and whatever a run of the spec as given would raise;
    other points' errors are kept with them.
    """
    goal, space = check_objective(objective, budget), space_of(arch, topologies=topologies)
    count = examples_of(arch.value, workload.value) if examples is None else examples
    search = Search(arch, workload, goal, budget, count, space, random.Random(seed), progress, compute)
    candidates, best = search.run()
    return Optimisation(arch, workload, objective, budget, count, seed, space, tuple(candidates), best)


def check_objective(name: str, budget: int) -> Objective:
    """Return the objective of that name; raise SpecError with everything that is wrong with it and the budget."""

    def enough() -> None:
        if budget < 1:
            hint = "give 1 or more; the first is the spec as given"
            raise SpecError([Problem("--budget", counted(budget, "simulation"), hint)])

    objective: Objective = all_faults([lambda: OBJECTIVES.lookup(name, "--objective"), enough])[0]
    return objective


@dataclass
class Search:
    """The state of a search while it runs."""

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    objective: Objective
    budget: int
    examples: int
    space: Space
    draws: random.Random
    progress: Progress
    compute: Compute
    _drawn: dict[Point, Any] = field(default_factory=dict)
    _tried: dict[Point, Candidate] = field(default_factory=dict)
    _refused: dict[Point, Candidate] = field(default_factory=dict)
    _guesses: dict[Point, Figures | None] = field(default_factory=dict)
    _least: tuple[tuple[float, ...], Candidate] | None = None
    """The best so far, the first of equals, with what it is ranked by."""

    def run(self) -> tuple[list[Candidate], Candidate]:
        """Return all candidates, those that could not be built last, and the best."""
        self._simulate([(self.space.start, "start")])
        coarse = max(1, int(self.budget * COARSE_SHARE))
        self._simulate([(point, "coarse") for point in self._coarse()[: coarse - len(self._tried)]])
        while wanted := list(itertools.islice(self._coming(), min(ROUND, self.budget - len(self._tried)))):
            self._simulate(wanted, until_better=True)
        return [*self._tried.values(), *self._refused.values()], self._best()

    def _coming(self) -> Iterator[tuple[Point, str]]:
        """Yield what is tried next, and why, for as long as nothing is better than the best."""
        self._drawn = {}
        rest = [point for point in self.space.points() if self._is_open(point)]
        best = self._best().point
        near = self._sorted([point for point in rest if point.apart(best) == 1])
        if near:
            yield from ((point, "local") for point in near)
            return
        draws = random.Random()
        draws.setstate(self.draws.getstate())
        while rest:
            point = draws.choice(rest)
            self._drawn[point] = draws.getstate()
            yield point, "random"
            rest = [each for each in rest if each not in self._drawn and self._is_open(each)]

    def _is_open(self, point: Point) -> bool:
        return point not in self._tried and point not in self._refused

    def _best(self) -> Candidate:
        assert self._least is not None  # the start is tried before all others
        return self._least[1]

    def _rounded(self, figures: Figures) -> tuple[float, ...]:
        return tuple(float(f"{value:.{DIGITS - 1}e}") for value in self.objective.of(figures))

    def _coarse(self) -> list[Point]:
        """Return points to begin with, the most promising first, each topology in its turn.

        They are ranked with quick placements; after the first of a layout follow the slow placements on it. A guess
        knows lengths and no contention, so it does not compare topologies.
        """
        self.progress(len(self._tried), self.budget, RANKING)
        slow = [name for name in self.space.placements if name in SLOW_PLACEMENTS]
        quick = [name for name in self.space.placements if name not in SLOW_PLACEMENTS]
        points = [point for point in self.space.points(quick) if self._is_open(point)]
        self._guess([self.space.start, *points])
        by_topology: list[list[Point]] = []
        for topology in self.space.topologies:
            ranked = dict.fromkeys(
                each for point in self._sorted([point for point in points if point.topology == topology])
                for each in (point, *(dataclasses.replace(point, placement=name) for name in slow))
            )  # fmt: skip
            by_topology.append([point for point in ranked if self._is_open(point)])
        return [point for turn in itertools.zip_longest(*by_topology) for point in turn if point is not None]

    def _sorted(self, points: Iterable[Point]) -> list[Point]:
        """Return the points that can be built, by their guesses; last those that look like one before or one tried."""
        all_points = list(points)
        self._guess(all_points)
        guesses = [(self._rounded(own), point) for point in all_points if (own := self._guesses[point]) is not None]
        seen = {
            (point.topology, self._rounded(guess))
            for point in self._tried if (guess := self._guesses.get(point)) is not None
        }  # fmt: skip
        fresh: list[Point] = []
        alike: list[Point] = []
        for rank, point in sorted(guesses, key=lambda pair: pair[0]):
            (alike if (point.topology, rank) in seen else fresh).append(point)
            seen.add((point.topology, rank))
        return [*fresh, *alike]

    # ---- guesses

    def _guess(self, points: Iterable[Point]) -> None:
        """Have figures of points that rank as simulations' might; none of those that cannot be built.

        A task guesses all placements of a layout.
        """
        new = [point for point in points if point not in self._guesses]
        groups: dict[tuple[Layout, str], list[Point]] = {}
        for point in new:
            groups.setdefault((point.layout, point.topology), []).append(point)
        own = self.space.start.placement
        tasks = [
            GuessTask(self.arch, self.workload, self.examples,
                      settings_of(self.arch, self.space, dataclasses.replace(points[0], placement=own)),
                      tuple(point.placement for point in points))
            for points in groups.values()
        ]  # fmt: skip
        found: dict[Point, tuple[float, float] | str] = {}
        tried = len(self._tried)
        with closing(self.compute(tasks, lambda _, words: self.progress(tried, self.budget, RANKING))) as done:
            for number, outcome in done:
                assert isinstance(outcome, (Guesses, ArchsimError))
                for place, point in enumerate(list(groups.values())[number]):
                    found[point] = guess_of(outcome, place)
        for point in new:
            guess = found[point]
            self._guesses[point] = None if isinstance(guess, str) else Figures(guess[0], guess[0], guess[1])
            if isinstance(guess, str) and point not in self._tried:
                settings = settings_of(self.arch, self.space, point)
                self._refused[point] = Candidate(None, "built", point, settings, refused=guess)

    def _loaded(self, point: Point) -> Loaded[ArchSpec]:
        return self.arch.with_overrides(settings_of(self.arch, self.space, point))

    # ---- simulations

    def _simulate(self, wanted: Sequence[tuple[Point, str]], until_better: bool = False) -> None:
        """Simulate points, and take what comes of them in this order; if wanted, no more after one that is better.

        Of those after it there may be results as well, by other workers; these count as not simulated.
        """
        before, best = len(self._tried), self._best() if until_better else None
        settings = [settings_of(self.arch, self.space, point) for point, _ in wanted]
        tasks = [HeadlineTask(self.arch, self.workload, self.examples, own) for own in settings]
        found: dict[int, Outcome] = {}
        with closing(self.compute(tasks, lambda done, words: self.progress(before + done, self.budget, words))) as done:
            for place, outcome in done:
                found[place] = outcome
                while (at := len(self._tried) - before) in found:
                    self._take(*wanted[at], settings[at], found[at])
                    if until_better and self._best() is not best:
                        return

    def _take(self, point: Point, phase: str, settings: tuple[str, ...], outcome: Outcome) -> None:
        number = len(self._tried) + 1
        if phase == "random":
            self.draws.setstate(self._drawn[point])
        if isinstance(outcome, Headline):
            figures = Figures(**{own.name: outcome.metrics[own.name] for own in dataclasses.fields(Figures)})
            found = self._tried[point] = Candidate(number, phase, point, settings, outcome.hash, figures)
            rank = self._rounded(figures)
            if self._least is None or rank < self._least[0]:
                self._least = rank, found
            return
        assert isinstance(outcome, ArchsimError)
        if point == self.space.start:
            raise outcome
        own_hash = ""
        with suppress(ArchsimError):
            own_hash = self._loaded(point).hash
        self._tried[point] = Candidate(number, phase, point, settings, own_hash, refused=first_line(outcome))
