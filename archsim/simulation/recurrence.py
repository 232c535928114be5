"""What recurs in a simulation: its state to be compared, what a period adds, and moving on by whole periods."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

from archsim.simulation.engine_state import EngineState, OpInstance
from archsim.simulation.timeline import Shift


@dataclass
class Snapshot:
    """All that accumulates, at one moment; `base` examples were done, and `mark` is a place in the timeline."""

    cycle: int
    base: int
    started: list[int]
    done: list[int]
    grants: list[int]
    waits: list[int]
    tiles: list[dict[int, int]]
    maintenance_cycles: list[int]
    log_counts: dict[int, int]
    mark: int
    dwell: Any = None


@dataclass
class Period:
    """What was added between two moments, and which these are; `advance` has instances by maintained op."""

    examples: int
    cycles: int
    grants: list[int]
    waits: list[int]
    tiles: list[dict[int, int]]
    advance: tuple[tuple[int, int], ...]
    since: Snapshot
    until: Snapshot


def key_of(state: EngineState) -> Hashable:
    """Return what decides what happens next, relative to now, the triggers of maintenance left out."""
    base, now = state.ended, state.clock
    maintenance, started, done = state.program.maintenance, state.started, state.done

    def place(each: OpInstance) -> tuple[int, int, int]:
        return each.op, each.n - (base if maintenance[each.op] is None else started[each.op]), each.stage

    def due(entries: list[Any]) -> Hashable:
        return tuple(sorted((1, *place(each)) if isinstance(each, OpInstance) else (0, *each) for each in entries))

    agenda = tuple((cycle - now, due(state.agenda[cycle])) for cycle in sorted(state.agenda))
    queues = tuple(
        (unit, tuple((*place(each), now - each.requested) for each in queue))
        for unit, queue in sorted(state.queues.items()) if queue
    )  # fmt: skip
    counts = tuple((started[op] - base, done[op] - base) for op in state.program.example_ops)
    free, blocked = tuple(map(state.free.__getitem__, state.contended)), tuple(sorted(state.blocked))
    served = tuple(sorted(state.served.items()))
    return base % state.schedule.batch, counts, agenda, queues, free, blocked, served


def snapshot(state: EngineState) -> Snapshot:
    """Return all that has accumulated, the cycles up to now included."""
    state.tiles.account_all(state.clock)
    return Snapshot(
        state.now, state.ended, list(state.started), list(state.done), list(state.grants), list(state.waits),
        [dict(tile) for tile in state.tiles.totals], state.upkeep.cycles_until(state.clock),
        {shard: log.count for shard, log in state.upkeep.logs.items()},
        state.timeline.mark() if state.timeline is not None else 0,
    )  # fmt: skip


def between(state: EngineState, since: Snapshot, until: Snapshot) -> Period:
    """Return what was added between two moments of a state."""
    tiles = [
        {bit: count - before.get(bit, 0) for bit, count in now.items()}
        for now, before in zip(until.tiles, since.tiles, strict=True)
    ]
    advance = tuple((op, until.started[op] - since.started[op]) for op in state.program.maintained)
    grants, waits = minus(until.grants, since.grants), minus(until.waits, since.waits)
    return Period(until.base - since.base, until.cycle - since.cycle, grants, waits, tiles, advance, since, until)


def move(state: EngineState, period: Period, repeats: int, *, maintained: bool = False) -> int:
    """Move a state on by so many periods, with their maintenance if `maintained`; return how many examples."""
    examples = repeats * period.examples
    advance = dict.fromkeys(state.program.example_ops, examples)
    if maintained:
        advance |= {op: repeats * more for op, more in period.advance}
        add(state.upkeep.cycles, minus(period.until.maintenance_cycles, period.since.maintenance_cycles), repeats)
    for op, more in advance.items():
        state.started[op] += more
        state.done[op] += more
    for each in state.instances():
        each.n += advance.get(each.op, 0)
        if state.program.maintenance[each.op] is None:
            each.age = (each.n, each.op)
    state.offset += repeats * period.cycles
    add(state.grants, period.grants, repeats)
    add(state.waits, period.waits, repeats)
    for total, delta in zip(state.tiles.totals, period.tiles, strict=True):
        for bit, cycles in delta.items():
            total[bit] = total.get(bit, 0) + repeats * cycles
    return examples


def repeat(state: EngineState, period: Period, count: int) -> None:
    """Keep in the timeline that what happened in a period happens again from here, so many times."""
    if state.timeline is None:
        return
    since = period.since
    here = tuple((op, state.started[op] - since.started[op]) for op, _ in period.advance)
    first = Shift(state.now - since.cycle, state.ended - since.base, here)
    each = Shift(period.cycles, period.examples, period.advance)
    state.timeline.repeat(since.mark, period.until.mark, count, first, each)


def examples_left(state: EngineState) -> int:
    """Return how many examples may be jumped before the end comes into play."""
    ahead = max(state.started[op] for op in state.program.example_ops)
    batch = state.schedule.batch
    return state.schedule.examples - ahead - (batch if batch > 1 else 0)


def minus(now: list[int], before: list[int]) -> list[int]:
    """Return the differences of equally long lists."""
    return [a - b for a, b in zip(now, before, strict=True)]


def add(total: list[int], delta: list[int], times: int) -> None:
    """Add to each of a list's numbers that of `delta`, so many times."""
    for i, more in enumerate(delta):
        total[i] += times * more
