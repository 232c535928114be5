"""Simulate: a schedule in, a trace of counters out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from archsim.base.limits import EVENTS
from archsim.mapping.schedule import STATES, Schedule, Stage
from archsim.simulation.choice import begun
from archsim.simulation.dwell import DwellTimes
from archsim.simulation.events import Hearer, Observer, OneByOne
from archsim.simulation.fast_forward import FastForward
from archsim.simulation.recurrence import State
from archsim.simulation.timeline import Timeline

Progress = Callable[[int], None]
RECURS = 8
"""So many examples are gone through before a state recurs, at least; the time to simulate alone depends on it."""


@dataclass(frozen=True)
class StageCount:
    """How often a stage was granted, and how many cycles passed between requests and grants in all."""

    op: int
    stage: Stage
    grants: int
    wait_cycles: int


@dataclass(frozen=True)
class Trace:
    """What happened: integers only. `stages` follow the schedule's ops; tiles follow `schedule.used_tiles`."""

    schedule: Schedule
    cycles: int
    examples: int
    examples_fast_forwarded: int
    started: tuple[int, ...]
    done: tuple[int, ...]
    stages: tuple[StageCount, ...]
    tile_states: tuple[dict[str, int], ...]
    transfer_cycles: int
    refresh_cycles: int
    cells_programmed_at_once: int
    dwell: DwellTimes
    timeline: Timeline | None = None

    @property
    def examples_simulated(self) -> int:
        """Those that were gone through event by event."""
        return self.examples - self.examples_fast_forwarded

    @property
    def events(self) -> int:
        """How many stages were granted."""
        return sum(entry.grants for entry in self.stages)


def simulate(
    schedule: Schedule, *, full: bool = False, unlimited: bool = False, uncontended: Collection[int] = (),
    observer: Observer | None = None, hearer: Hearer | None = None, timeline: bool = False,
    progress: Progress | None = None,
) -> Trace:  # fmt: skip
    """Return the trace of a schedule, executed on its chip.

    `full` goes through every example event by event; else stretches that recur are jumped, with equal
    results. `unlimited` takes all contention away (the lower bound); `uncontended` takes it away from the units of
    these indices alone. An `observer` sees all events one by one, a `hearer` is told them block by block; with either
    nothing is jumped.
    `timeline` records in which order crossbars were read and written, jumped stretches included.
    `progress` is called with how many examples have ended, now and then.
    Which engine simulates is said by `choice.using`. Raises StuckError if no progress is possible.
    """
    if observer is not None:
        hearer = OneByOne(schedule, observer)
    full = full or hearer is not None
    if full:
        EVENTS.check(schedule.examples, schedule.mapping.workload.name)
    line = Timeline(schedule) if timeline else None
    ahead = schedule.examples if full else min(schedule.examples, RECURS)
    own = begun(schedule, ahead, unlimited=unlimited, uncontended=uncontended, timeline=line, hearer=hearer)
    forward = None if full else FastForward(own.state)
    told, before = Told(progress, schedule.examples), 0
    while True:
        if own.begin_anew():
            forward, before = None if full else FastForward(own.state), 0
        elif own.ended > before:
            if forward is not None:
                forward.at_boundary()
            before = own.ended
            told(before)
        elif own.finished:
            break
        else:
            own.advance(own.ended + (told.step if forward is None else 1))
    own.flush()
    own.close()
    return _trace(own.state, forward.jumped if forward is not None else 0)


class Told:
    """Tells now and then how many examples have ended."""

    step = 256

    def __init__(self, progress: Progress | None, examples: int) -> None:
        self.progress, self.examples, self.before = progress, examples, 0

    def __call__(self, ended: int) -> None:
        """So many have ended by now."""
        if self.progress is not None and (ended - self.before >= self.step or ended == self.examples):
            self.before = ended
            self.progress(ended)


def _trace(state: State, jumped: int) -> Trace:
    schedule, program, upkeep, counters = state.schedule, state.program, state.upkeep, state.counters()
    rows = counters.tiles.tolist()
    states = [dict(zip(STATES, row[1:], strict=True)) for row in rows]
    for named, row in zip(states, rows, strict=True):
        named["waiting_data"] += row[0]  # in no state
    counts = map(StageCount, program.stage_ops, program.stage_specs, counters.grants.tolist(), counters.waits.tolist())
    return Trace(
        schedule=schedule, cycles=state.now, examples=state.ended, examples_fast_forwarded=jumped,
        started=tuple(map(int, state.started)), done=tuple(map(int, state.done)), stages=tuple(counts),
        tile_states=tuple(states), transfer_cycles=upkeep.cycles[0], refresh_cycles=upkeep.cycles[1],
        cells_programmed_at_once=upkeep.cells_peak, dwell=upkeep.dwell, timeline=state.timeline,
    )  # fmt: skip
