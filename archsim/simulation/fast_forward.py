"""Exact fast-forward: when the engine's whole state recurs, its future recurs, and whole periods are jumped.

Two signatures are kept. The first leaves the triggers of maintenance out: it recurs from step to step, and
its jumps stop short of the next transfer, rewrite or gate. The second has them in and is taken when the first
shard has finished a transfer interval: it recurs from one interval to the next. Polarity is no part of it, as no time
hangs on it: instances of transfers are numbered on, so that who replays a timeline knows it.
A jump adds whole periods to all counters and moves two offsets, cycles and examples; SimPy's clock stays.
"""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from archsim.mapping.schedule import Need
from archsim.simulation.episode_chain import Chain
from archsim.simulation.episodes import MOST_MAINTAINED, Recorder, first_due
from archsim.simulation.maintenance import alike
from archsim.simulation.program import FOREVER
from archsim.simulation.recurrence import Period, Snapshot, State, between, examples_left, here, move, repeat, snapshot


class FastForward:
    """Watches an engine's state at the end of each example and moves it on when it can; `jumped` counts examples."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.jumped = 0
        self.seen: set[Hashable] = set()
        self.chains: dict[Hashable, Chain] = {}
        self.measuring: tuple[Hashable, Snapshot] | None = None
        self.intervals: dict[Hashable, Snapshot] = {}
        self.recorder = Recorder(state)
        self.anchor = self._anchor()
        self.anchor_done = 0
        program = state.program
        general = ((op, need) for op in program.example_ops for need in program.general[op])
        self.gates = [(op, need) for op, need in general if program.maintenance[need.op] is not None]
        asked = {need.op for op in program.maintained for need in state.schedule.ops[op].needs}
        few = len(program.maintained) <= MOST_MAINTAINED and asked.isdisjoint(program.maintained)
        self.has_episodes = bool(program.maintained and not self.gates and not state.upkeep.due and few)

    def _anchor(self) -> tuple[int, int] | None:
        """The first maintenance op and how many of its instances make an interval."""
        program = self.state.program
        for op in program.maintained:
            m = program.maintenance[op]
            if m is not None and not m.period_cycles:
                return op, len(m.groups)
        return (program.maintained[0], 1) if program.maintained else None

    def at_boundary(self) -> None:
        """Called when an example has just ended and the clock is about to move."""
        state = self.state
        self._check_interval()
        if state.upkeep.dirty:
            state.upkeep.dirty = False
            self._look_anew()
        if any(state.started[op] > state.done[op] for op in state.program.maintained):
            return
        key = state.key()
        if (episode := self.recorder.recorded(key)) is not None:
            self.chains[key].learn(episode)
        chain = self.chains.get(key)
        if chain is None:
            if self.measuring is not None:
                if self.measuring[0] == key:
                    since = self.measuring[1]
                    chain = self.chains[key] = Chain(state, between(state, since, snapshot(state)), since)
                    self.measuring = None
            elif key in self.seen:
                self.measuring = (key, snapshot(state))
            else:
                self.seen.add(key)
        if chain is not None:
            if self._go_along(chain):
                self._look_anew()
            if self.has_episodes:
                self.recorder.begin(key)

    def _go_along(self, chain: Chain) -> bool:
        """Jump along a chain; return whether that was possible."""
        before = self.jumped
        if not self.has_episodes or self.anchor is None:
            self.jumped += chain.jump(self._room(chain.period))
            return self.jumped > before
        op, instances = self.anchor
        while examples := chain.follow(op, (self.anchor_done + 1) * instances):
            self.jumped += examples
            self._check_interval()
        return self.jumped > before

    def _look_anew(self) -> None:
        self.seen.clear()
        self.measuring = None

    # Jumping within an interval.

    def _room(self, period: Period) -> int:
        """Return how many examples may be jumped before the end, a gate or a trigger comes into play."""
        state, program, upkeep = self.state, self.state.program, self.state.upkeep
        started, done = state.started, state.done
        room = examples_left(state)
        for op, need in self.gates:
            room = min(room, _largest(need, started[op], done[need.op], room))
        for op in program.maintained:
            m = program.maintenance[op]
            assert m is not None
            n = started[op]
            if n >= program.totals[op]:
                continue
            if m.period_cycles:
                if program.totals[op] == FOREVER:
                    free = upkeep.due[m.shard] - state.now - 1
                    room = min(room, max(0, free) // period.cycles * period.examples)
                continue
            room = min(room, first_due(state, op) - 1)
        return int(room)

    # Jumping over whole intervals.

    def _check_interval(self) -> None:
        """Look for recurring intervals when the first shard has finished one."""
        if self.anchor is not None:
            op, instances = self.anchor
            intervals = self.state.done[op] // instances
            if intervals > self.anchor_done:
                self.anchor_done = intervals
                self._at_interval()

    def _interval_key(self) -> Hashable:
        state, program, upkeep = self.state, self.state.program, self.state.upkeep
        base, now = state.ended, state.now
        triggers = []
        for op in program.maintained:
            m = program.maintenance[op]
            assert m is not None
            n = state.started[op]
            wanted = tuple(need.count(n) - base for need in program.general[op])
            due = upkeep.due[m.shard] - now if m.period_cycles else 0
            flight = n - state.done[op]
            triggers.append((wanted, due, n % len(m.groups) if not m.period_cycles else 0, flight))
        gates = tuple(state.done[need.op] * need.den - base for _, need in self.gates)
        logs = tuple(
            (log.relative(now), _behind(log.count, upkeep.read_until[shard]))
            for shard, log in sorted(upkeep.logs.items())
        )
        return state.key(), tuple(triggers), gates, logs

    def _at_interval(self) -> None:
        state, upkeep = self.state, self.state.upkeep
        upkeep.settle()
        key = self._interval_key()
        before = self.intervals.get(key)
        if before is None:
            self.intervals[key] = snapshot(state)
            self.intervals[key].dwell = upkeep.dwell.snapshot()
            return
        period = between(state, before, snapshot(state))
        repeats = examples_left(state) // period.examples
        if repeats <= 0:
            return
        repeat(state, period, repeats, here(state))
        self.recorder.forget()
        self.jumped += move(state, [(period, repeats)])
        upkeep.dwell.repeat(before.dwell, repeats)
        for shard, log in upkeep.logs.items():
            more = period.until.log_counts[shard] - before.log_counts[shard]
            log.jump(repeats * period.cycles, repeats * more)
            moved = {until: until + repeats * more for until in dict.fromkeys(upkeep.read_until[shard])}
            upkeep.read_until[shard] = [moved[until] for until in upkeep.read_until[shard]]
        upkeep.due = {shard: due + repeats * period.cycles for shard, due in upkeep.due.items()}
        self.anchor_done = state.done[self.anchor[0]] // self.anchor[1] if self.anchor else 0
        self._look_anew()


def _behind(count: int, until: list[int]) -> Hashable:
    """Return how many updates ago each row group was read last."""
    if alike(until):
        return len(until), count - until[0]
    return (count - np.array(until, dtype=np.int64)).tobytes()


def _largest(need: Need, n: int, done: int, most: int) -> int:
    """Return the largest m <= most such that instances n to n + m - 1 all find their need met."""
    low, high = 0, max(0, most)
    while low < high:
        middle = (low + high + 1) // 2
        if need.count(n + middle - 1) <= done:
            low = middle
        else:
            high = middle - 1
    return low
