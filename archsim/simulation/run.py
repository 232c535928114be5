"""Simulate: a schedule in, a trace of counters out."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

from archsim.base.limits import EVENTS
from archsim.mapping.schedule import Schedule, Stage
from archsim.simulation.dwell import DwellTimes
from archsim.simulation.engine import Engine, Observer
from archsim.simulation.fast_forward import FastForward
from archsim.simulation.tile_states import BIT
from archsim.simulation.timeline import Timeline

Progress = Callable[[int], None]


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
    Raises StuckError if no progress is possible.
    """
    if full or observer is not None:
        EVENTS.check(schedule.examples, schedule.mapping.workload.name)
    line = Timeline(schedule) if timeline else None
    engine = Engine(schedule, unlimited=unlimited, uncontended=uncontended, observer=observer, timeline=line)
    forward = None if full or observer is not None else FastForward(engine.state)
    reported = 0
    if forward is not None and engine.boundary:
        forward.at_boundary()
    while not engine.finished:
        engine.step()
        if engine.boundary:
            if forward is not None:
                forward.at_boundary()
            if progress is not None:
                ended = engine.done[schedule.end]
                if ended - reported >= 256 or ended == schedule.examples:
                    reported = ended
                    progress(ended)
    engine.close()
    return _trace(engine, forward.jumped if forward is not None else 0)


def _trace(engine: Engine, jumped: int) -> Trace:
    state, schedule = engine.state, engine.schedule
    states = [{name: total.get(bit, 0) for name, bit in BIT.items()} for total in state.tiles.totals]
    for named, total in zip(states, state.tiles.totals, strict=True):
        named["waiting_data"] += total.get(0, 0)  # in no state
    program, upkeep = state.program, state.upkeep
    counts = map(StageCount, program.stage_ops, program.stage_specs, state.grants, state.waits)
    return Trace(
        schedule=schedule, cycles=state.now, examples=state.ended, examples_fast_forwarded=jumped,
        started=tuple(state.started), done=tuple(state.done), stages=tuple(counts), tile_states=tuple(states),
        transfer_cycles=upkeep.cycles[0], refresh_cycles=upkeep.cycles[1], cells_programmed_at_once=upkeep.cells_peak,
        dwell=upkeep.dwell, timeline=state.timeline,
    )  # fmt: skip
