"""What recurs in a simulation: its state to be compared, what a period adds, and moving on by whole periods."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.mapping.schedule import Schedule
from archsim.simulation.maintenance import Upkeep
from archsim.simulation.program import Program
from archsim.simulation.timeline import Shift, Timeline

Int: TypeAlias = NDArray[np.int64]
Counted: TypeAlias = Sequence[int] | Int
"""By op: a list in the one engine, an array in the other."""


class Counters(NamedTuple):
    """What accumulates: grants and waiting cycles by compiled stage, and cycles [tile, 0 or 1 + state]."""

    grants: Int
    waits: Int
    tiles: Int

    def since(self, before: Counters) -> Counters:
        """Return what was added since an earlier moment."""
        return Counters(*(now - own for now, own in zip(self, before, strict=True)))


class Jumped:
    """What jumped periods add to the counters. It is summed up only when it is asked for, since jumps are many."""

    def __init__(self) -> None:
        self._sum: Counters | None = None
        self._times: dict[int, tuple[Period, int]] = {}

    def add(self, period: Period, repeats: int) -> None:
        """Add a period so many times."""
        self._times[id(period)] = period, repeats + self._times.get(id(period), (period, 0))[1]

    def plus(self, own: Counters) -> Counters:
        """Return the counters of what was gone through with all that was jumped."""
        for period, repeats in self._times.values():
            more = Counters(*(repeats * each for each in period.counters))
            self._sum = more if self._sum is None else Counters(*map(np.add, self._sum, more))
        self._times.clear()
        return own if self._sum is None else Counters(*map(np.add, own, self._sum))


class State(Protocol):
    """The state of an engine, as far as it recurs; see `engine_state` for what its parts are."""

    @property
    def schedule(self) -> Schedule:
        """What is executed."""

    @property
    def program(self) -> Program:
        """The same, compiled."""

    @property
    def timeline(self) -> Timeline | None:
        """What came before what, if that is kept."""

    @property
    def upkeep(self) -> Upkeep:
        """Maintenance under way."""

    @property
    def started(self) -> Counted:
        """Instances that have begun, by op."""

    @property
    def done(self) -> Counted:
        """Instances that are done, by op."""

    @property
    def clock(self) -> int:
        """The cycle of those that were gone through."""

    @property
    def now(self) -> int:
        """The cycle of the run."""

    @property
    def ended(self) -> int:
        """How many examples are done."""

    def key(self) -> Hashable:
        """Return what decides what happens next, relative to now, the triggers of maintenance left out."""

    @property
    def jumped(self) -> Jumped:
        """What jumps add to the counters."""

    def counters(self) -> Counters:
        """Return copies of what has accumulated, jumps and the cycles up to now included."""

    def move(self, cycles: int, instances: Mapping[int, int]) -> None:
        """Be so many cycles later, with more instances of ops begun, done and in flight."""


@dataclass
class Snapshot:
    """All that accumulates, at one moment; `base` examples were done, and `mark` is a place in the timeline."""

    cycle: int
    base: int
    started: list[int]
    done: list[int]
    counters: Counters
    maintenance_cycles: list[int]
    log_counts: dict[int, int]
    mark: int
    dwell: Any = None


@dataclass
class Period:
    """What was added between two moments, and which these are; `advance` has instances by maintained op."""

    examples: int
    cycles: int
    counters: Counters
    advance: tuple[tuple[int, int], ...]
    since: Snapshot
    until: Snapshot


def snapshot(state: State) -> Snapshot:
    """Return all that has accumulated, the cycles up to now included."""
    return Snapshot(
        state.now, state.ended, _listed(state.started), _listed(state.done), state.counters(),
        state.upkeep.cycles_until(state.clock), {shard: log.count for shard, log in state.upkeep.logs.items()},
        state.timeline.mark() if state.timeline is not None else 0,
    )  # fmt: skip


def _listed(counted: Counted) -> list[int]:
    return counted.tolist() if isinstance(counted, np.ndarray) else list(counted)


def between(state: State, since: Snapshot, until: Snapshot) -> Period:
    """Return what was added between two moments of a state."""
    advance = tuple((op, until.started[op] - since.started[op]) for op in state.program.maintained)
    counters = until.counters.since(since.counters)
    return Period(until.base - since.base, until.cycle - since.cycle, counters, advance, since, until)


def move(state: State, parts: Iterable[tuple[Period, int]]) -> int:
    """Move a state on by periods, each so many times, with their maintenance; return how many examples these have."""
    examples, cycles, advance = 0, 0, dict.fromkeys(state.program.maintained, 0)
    for period, repeats in parts:
        examples += repeats * period.examples
        cycles += repeats * period.cycles
        for op, more in period.advance:
            advance[op] += repeats * more
        since, until = period.since.maintenance_cycles, period.until.maintenance_cycles
        for which, (before, after) in enumerate(zip(since, until, strict=True)):
            state.upkeep.cycles[which] += repeats * (after - before)
        state.jumped.add(period, repeats)
    state.move(cycles, dict.fromkeys(state.program.example_ops, examples) | advance)
    return examples


class Moment(NamedTuple):
    """A moment of a run: its cycle, the examples that are done, and by op the instances that have begun."""

    cycle: int
    examples: int
    started: Counted | Mapping[int, int]


def here(state: State) -> Moment:
    """Return the moment of a state."""
    return Moment(state.now, state.ended, state.started)


def repeat(state: State, period: Period, count: int, at: Moment) -> None:
    """Keep in the timeline that what happened in a period happens again from a moment on, so many times."""
    if state.timeline is None:
        return
    since = period.since
    later = tuple((op, int(at.started[op]) - since.started[op]) for op, _ in period.advance)
    first = Shift(at.cycle - since.cycle, at.examples - since.base, later)
    each = Shift(period.cycles, period.examples, period.advance)
    state.timeline.repeat(since.mark, period.until.mark, count, first, each)


def examples_left(state: State) -> int:
    """Return how many examples may be jumped before the end comes into play."""
    started = state.started
    ahead = int(max([started[op] for op in state.program.example_ops]))  # what follows from it knows no bound
    batch = state.schedule.batch
    return state.schedule.examples - ahead - (batch if batch > 1 else 0)
