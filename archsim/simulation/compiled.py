"""The compiled engine: the program of `engine.Engine` in a loop of machine code, for runs of many events.

What happens, and in which order, is that engine's to the last cycle; tests hold the two together. Dwell times and the
timeline are made from what the loop tells, batch by batch.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping
from functools import cache

import numpy as np

from archsim.mapping.schedule import Schedule
from archsim.simulation.engine import check_ended
from archsim.simulation.events import Events, Hearer
from archsim.simulation.flat import (
    AT_END,
    BEGINS,
    BITS,
    CLOCK,
    DIRTY,
    ENDS,
    EVENT,
    EVENTS,
    FULL,
    GOES_ON,
    JOURNAL,
    LINE,
    NONE,
    OFFSET,
    ROW,
    STATUS,
    UPDATED,
    Fixed,
    Int,
    Sizes,
    State,
    fixed_of,
    state_of,
)
from archsim.simulation.maintenance import Upkeep
from archsim.simulation.program import FOREVER, capacities, compile_schedule
from archsim.simulation.recurrence import Counters, Jumped
from archsim.simulation.timeline import Timeline

FIRST = Sizes(instances=1 << 10, places=1 << 11, agenda=1 << 12, told=1 << 14, events=1 << 17)
"""Room to begin with, but for events for each so many ops; what is too small is doubled, and the run begins anew."""
OPS_OF_FIRST = 2000
"""What is told of so many ops fits into the room to begin with; of how many changes how quick it is, and no result."""


@cache
def compile_loop() -> None:
    """Load the loop, or compile it; raise whatever a compiler may."""
    from archsim.base.machine_code import compile_for
    from archsim.simulation import loop

    none = np.empty(0, dtype=np.int64)
    fixed, state = Fixed(*(none for _ in Fixed._fields)), State(*(none for _ in State._fields))
    compile_for(loop.begin, fixed, state)
    compile_for(loop.advance, fixed, state, 0, 0)


class CompiledEngine:
    """A simulation, and its own state; `advance` goes on until so many examples have ended, or less far.

    Its parts are those of `engine_state.EngineState`, as far as `recurrence.State` has them.
    """

    def __init__(
        self, schedule: Schedule, *, unlimited: bool = False, uncontended: Collection[int] = (),
        timeline: Timeline | None = None, hearer: Hearer | None = None,
    ) -> None:  # fmt: skip
        from archsim.simulation import loop

        self._loop = loop
        self._hearer, self._told, self._again = hearer, 0, 0  # events told, and how many of them come again
        self.schedule, self.timeline = schedule, timeline
        self._capacity = capacities(schedule, unlimited, uncontended)
        self.program = compile_schedule(schedule, self._capacity)
        self.upkeep = own = Upkeep(schedule, self.program)
        contended = [unit for unit, places in self._capacity.items() if places]
        self._fixed = fixed_of(schedule, self.program, contended, own.log_of_update, own.periods, timeline is not None)
        self._fixed.heard[:] = hearer is not None
        many = 1 + len(schedule.ops) // OPS_OF_FIRST
        self._sizes = Sizes(*(many * size for size in FIRST))._replace(events=FIRST.events)
        self._begin()

    def _begin(self) -> None:
        """Begin with nothing done."""
        self.jumped = Jumped()
        self._now = state_of(self._fixed, self._capacity, self.upkeep.due, self._sizes)
        self._loop.begin(self._fixed, self._now)
        self._hear()

    def begin_anew(self) -> bool:
        """Begin anew with more room, where there was too little; return whether that was so."""
        if self._now.at[STATUS] != FULL:
            return False
        self._sizes = Sizes(*(2 * size for size in self._sizes))
        self._told, self._again = 0, max(self._told, self._again)
        self.upkeep = Upkeep(self.schedule, self.program)
        if self.timeline is not None:
            self.timeline.clear()
        self._begin()
        return True

    def hear(self, hearer: Hearer | None) -> None:
        """Tell all events from now on, or none."""
        self._hearer, self._told, self._again = hearer, 0, 0
        self._fixed.heard[:] = hearer is not None

    # As far as it went.

    @property
    def state(self) -> CompiledEngine:
        """What recurs: itself."""
        return self

    @property
    def started(self) -> Int:
        """Instances that have begun, by op."""
        return self._now.started

    @property
    def done(self) -> Int:
        """Instances that are done, by op."""
        return self._now.done

    @property
    def clock(self) -> int:
        """The cycle of those that were gone through."""
        return int(self._now.at[CLOCK])

    @property
    def now(self) -> int:
        """The cycle of the run, stretches that were jumped included."""
        return int(self._now.at[CLOCK] + self._now.at[OFFSET])

    @property
    def ended(self) -> int:
        """How many examples are done."""
        return int(self._now.done[self.schedule.end])

    @property
    def finished(self) -> bool:
        """Whether nothing is left to happen."""
        return int(self._now.at[STATUS]) == AT_END

    # Going on.

    def advance(self, examples: int, until: int = FOREVER) -> None:
        """Go on until so many examples have ended or a cycle is past, or less far."""
        if self._now.at[STATUS] == GOES_ON:
            for shard, cycle in self.upkeep.due.items():
                self._now.due[shard] = cycle
            self._loop.advance(self._fixed, self._now, examples, until)
            self._hear()

    def _hear(self) -> None:
        """Make dwell times and the timeline of what was told."""
        now, upkeep, offset = self._now, self.upkeep, int(self._now.at[OFFSET])
        told = now.journal[: 4 * int(now.at[JOURNAL])].reshape(-1, 4)
        begin = 0
        for at in np.flatnonzero(told[:, 0] != UPDATED):
            self._updates(told[begin:at], offset)
            kind, op, n, clock = map(int, told[at])
            if kind == BEGINS:
                upkeep.begin(op, n, clock, clock + offset)
            elif kind == ENDS:
                upkeep.end(op, clock, clock + offset)
            begin = int(at) + 1
        self._updates(told[begin:], offset)
        upkeep.dirty |= bool(now.at[DIRTY])
        if self.timeline is not None:
            records = now.line[: 3 * int(now.at[LINE])].reshape(-1, 3) + np.array([0, 0, offset])
            self.timeline.extend(records)
        self._tell()
        now.at[JOURNAL] = now.at[LINE] = now.at[EVENTS] = now.at[DIRTY] = 0

    def _tell(self) -> None:
        """Tell the events, but for those that were told before the run began anew."""
        count = int(self._now.at[EVENTS])
        again = min(count, max(0, self._again - self._told))
        self._told += count
        if self._hearer is not None and count > again:
            events = self._now.events[: EVENT * count].reshape(-1, EVENT)[again:]
            self._hearer(Events(*events.T.copy()))

    def flush(self) -> None:
        """Nothing is left to be told: `advance` has."""

    def _updates(self, told: Int, offset: int) -> None:
        logs = self.upkeep.log_of_update
        if self.upkeep.journal is None and len(told) > 16 * len(logs):
            order = np.argsort(told[:, 1], kind="stable")
            own, firsts = np.unique(told[order, 1], return_index=True)
            for op, cycles in zip(own.tolist(), np.split(told[order, 3] + offset, firsts[1:]), strict=True):
                out = np.empty((len(cycles) + 1, 3), dtype=np.int64)
                size = self._loop.runs(cycles, *logs[op].last(), out)
                logs[op].extend(out[:size])
            return
        for _, op, _, cycle in told.tolist():
            self.upkeep.update_ends(op, cycle + offset)

    # What recurs.

    def key(self) -> Hashable:
        """Return what decides what happens next, relative to now, the triggers of maintenance left out."""
        size, begin = self._loop.sign(self._fixed, self._now)
        out = self._now.signature
        entries = out[begin:size].reshape(-1, ROW)
        return out[:begin].tobytes(), entries[np.lexsort(entries.T)].tobytes()

    def account(self) -> None:
        """Charge the cycles of all tiles up to now."""
        self._loop.account_all(self._fixed, self._now)

    def counters(self) -> Counters:
        """Return copies of what has accumulated, jumps and the cycles up to now included."""
        self.account()
        now = self._now
        own = Counters(now.grants.copy(), now.waits.copy(), now.spent.reshape(-1, BITS + 1).copy())
        return self.jumped.plus(own)

    def move(self, cycles: int, instances: Mapping[int, int]) -> None:
        """Be so many cycles later, with more instances of ops begun, done and in flight."""
        more = np.zeros(len(self.schedule.ops), dtype=np.int64)
        more[list(instances)] = list(instances.values())
        self._loop.shift(self._fixed, self._now, more)
        self._now.at[OFFSET] += cycles

    # The end.

    def close(self) -> None:
        """Account the last stretch of every tile; raise StuckError if ops are left that can never start."""
        check_ended(self, self._queues())
        self.account()
        self.upkeep.close(self._now.done.tolist())

    def _queues(self) -> dict[int, list[tuple[int, int]]]:
        """Return (op, instance) of who waits for each unit."""
        now, found = self._now, dict[int, list[tuple[int, int]]]()
        for unit, node in enumerate(now.queue_head.tolist()):
            while node != NONE:
                own = int(now.queued[node])
                found.setdefault(unit, []).append((int(now.op[own]), int(now.n[own])))
                node = int(now.queue_next[node])
        return found
