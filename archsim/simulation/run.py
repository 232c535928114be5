"""Simulate: a schedule in, a trace of counters out."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from archsim.base.errors import SpecError, nearest
from archsim.base.limits import EVENTS
from archsim.mapping.schedule import STATES, Schedule, Stage
from archsim.simulation.dwell import DwellTimes
from archsim.simulation.engine import Engine, Observer
from archsim.simulation.fast_forward import FastForward
from archsim.simulation.flat import RANKS
from archsim.simulation.program import FOREVER
from archsim.simulation.recurrence import State
from archsim.simulation.timeline import Timeline

Progress = Callable[[int], None]
ENGINES = ("auto", "simpy", "compiled")
WORTH_LOADING, WORTH_COMPILING, WORTH_CALLING = 400_000, 4_000_000, 1_000
"""From so many actions on the compiled engine is quicker: where its code is to be loaded (1.5 s, numba included), to be
compiled (20 s) or is there, against some 0.2 million actions a second. Of many short runs, as in a search, all before
count towards loading. Measured on two cores of an AMD EPYC; time alone depends on it."""
RECURS = 8
"""So many examples are gone through before a state recurs, at least; the time to simulate alone depends on it."""
_before = [0]
"""How many actions runs of this process had ahead, as far as these are worth calling compiled code."""
_asked: ContextVar[str] = ContextVar("engine", default="auto")


@contextmanager
def using(engine: str) -> Iterator[None]:
    """Have an engine simulate within this context: `simpy`, `compiled`, or `auto`, the quicker one.

    Results are equal to the last bit. Raises SpecError where it is none of these.
    """
    if engine not in ENGINES:
        raise SpecError.at("--engine", f"'{engine}' is not an engine", nearest(engine, ENGINES))
    token = _asked.set(engine)
    try:
        yield
    finally:
        _asked.reset(token)


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
    observer: Observer | None = None, timeline: bool = False, progress: Progress | None = None,
) -> Trace:  # fmt: skip
    """Return the trace of a schedule, executed on its chip.

    `full` goes through every example event by event; else stretches that recur are jumped, with equal
    results. `unlimited` takes all contention away (the lower bound); `uncontended` takes it away from the units of
    these indices alone. With an `observer` nothing is jumped.
    `timeline` records in which order crossbars were read and written, jumped stretches included.
    `progress` is called with how many examples have ended, now and then.
    Which engine simulates is said by `using`; with an `observer` it is that of SimPy.
    Raises StuckError if no progress is possible.
    """
    if full or observer is not None:
        EVENTS.check(schedule.examples, schedule.mapping.workload.name)
    line = Timeline(schedule) if timeline else None
    if observer is None and _compiles(schedule, full):
        return _compiled(schedule, full, unlimited, uncontended, line, progress)
    own = Engine(schedule, unlimited=unlimited, uncontended=uncontended, observer=observer, timeline=line)
    forward = None if full or observer is not None else FastForward(own.state)
    told = Told(progress, schedule.examples)
    if forward is not None and own.boundary:
        forward.at_boundary()
    while not own.finished:
        own.step()
        if own.boundary:
            if forward is not None:
                forward.at_boundary()
            told(own.state.ended)
    own.close()
    return _trace(own.state, forward.jumped if forward is not None else 0)


def _compiled(
    schedule: Schedule, full: bool, unlimited: bool, uncontended: Collection[int], line: Timeline | None,
    progress: Progress | None,
) -> Trace:  # fmt: skip
    """Return the trace as the compiled engine makes it."""
    from archsim.simulation.compiled import CompiledEngine

    own = CompiledEngine(schedule, unlimited=unlimited, uncontended=uncontended, timeline=line)
    told, before = Told(progress, schedule.examples), 0
    forward = None if full else FastForward(own)
    while True:
        if own.begin_anew():
            forward, before = None if full else FastForward(own), 0
        elif own.ended > before:
            if forward is not None:
                forward.at_boundary()
            before = own.ended
            told(before)
        elif own.finished:
            break
        else:
            own.advance(own.ended + (told.step if forward is None else 1))
    own.close()
    return _trace(own, forward.jumped if forward is not None else 0)


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


def _compiles(schedule: Schedule, full: bool) -> bool:
    """Return whether the compiled engine simulates."""
    asked = _asked.get()
    if asked == "simpy":
        return False
    known = schedule.chip.spec.routing.router.arbitration in RANKS
    if not known or (schedule.examples + 1) * len(schedule.ops) >= FOREVER:
        if asked == "compiled":
            why = "has more examples than it counts" if known else "has an arbitration of a plug-in"
            warnings.warn(f"SimPy's engine simulates, not the compiled one: the run {why}", stacklevel=3)
        return False
    if asked == "compiled":
        return True
    stages = sum(len(op.stages) for op in schedule.ops if op.maintenance is None)
    ahead = stages * (schedule.examples if full else min(schedule.examples, RECURS))
    is_there = "archsim.simulation.loop" in sys.modules
    if ahead < WORTH_CALLING:
        return False
    _before[0] += ahead
    if not is_there and _before[0] < WORTH_LOADING:
        return False
    from archsim.base.machine_code import is_kept
    from archsim.simulation import loop

    return _before[0] >= WORTH_COMPILING or is_kept(loop.advance)


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
