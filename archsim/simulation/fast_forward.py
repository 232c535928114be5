"""Exact fast-forward: when the engine's whole state recurs, its future recurs, and whole periods are jumped.

Two signatures are kept. The first leaves the triggers of maintenance out: it recurs from step to step, and
its jumps stop short of the next transfer, rewrite or gate. The second has them in and is taken when the first
shard has finished a transfer interval: it recurs from one pair of intervals to the next (polarity has period two).
A jump adds whole periods to all counters and moves two offsets, cycles and examples; SimPy's clock stays.
"""

from __future__ import annotations

import itertools
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.simulation.engine import FOREVER, Engine, Run
from archsim.simulation.timeline import Shift


@dataclass
class Snapshot:
    """All that accumulates, at one moment."""

    cycle: int
    base: int
    started: list[int]
    done: list[int]
    stages: list[int]
    waits: list[int]
    tiles: list[dict[int, int]]
    maintenance_cycles: list[int]
    log_counts: dict[int, int]
    mark: int
    dwell: Any = None


@dataclass
class Period:
    """What one recurrence adds; `updates` are each shard's update times from the period's end on.

    `since` and `until` say which stretch was measured.
    """

    examples: int
    cycles: int
    stages: list[int]
    waits: list[int]
    tiles: list[dict[int, int]]
    updates: dict[int, tuple[int, ...]]
    since: Snapshot
    until: Snapshot


@dataclass
class Episode:
    """What happens between two equal states with maintenance in between.

    `triggers` are, by maintained op, after how many more updates its instances were due; `stages` their compiled
    stages. `journal` holds the updates and the starts of maintenance in their order, cycles from the beginning.
    """

    period: Period
    advance: list[int]
    triggers: list[tuple[int, ...]]
    stages: list[tuple[int, ...]]
    maintenance_cycles: list[int]
    journal: list[tuple[bool, int, int]]


# How far it looks for what repeats. Where it finds nothing, everything is simulated: time alone depends on these.
LONGEST_EPISODE = 64
MOST_EPISODES = 1000
MOST_MAINTAINED = 64


class FastForward:
    """Watches an engine at the end of each example and jumps when it can."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.batch = engine.schedule.batch
        self.jumped = 0
        self.example_ops = [op for op, m in enumerate(engine.maintenance) if m is None]
        self.seen: set[Hashable] = set()
        self.periods: dict[Hashable, Period] = {}
        self.measuring: tuple[Hashable, Snapshot] | None = None
        self.intervals: dict[Hashable, Snapshot] = {}
        self.episodes: dict[Hashable, list[Episode]] = {}
        self.recording: tuple[Hashable, Snapshot] | None = None
        self.anchor = self._anchor()
        self.anchor_done = 0
        self.gates = [
            (op, need)
            for op in self.example_ops
            for need in engine.general[op]
            if engine.maintenance[need.op] is not None
        ]
        self.has_episodes = bool(
            engine.maintained and not self.gates and not engine.due and len(engine.maintained) <= MOST_MAINTAINED
        )

    def _anchor(self) -> tuple[int, int] | None:
        """The first maintenance op and how many of its instances make an interval."""
        engine = self.engine
        for op in engine.maintained:
            m = engine.maintenance[op]
            if m is not None and not m.period_cycles:
                return op, len(m.groups)
        return (engine.maintained[0], 1) if engine.maintained else None

    def at_boundary(self) -> None:
        """Called when an example has just ended and the clock is about to move."""
        engine = self.engine
        self._check_interval()
        if engine.dirty:
            engine.dirty = False
            self.seen.clear()
            self.measuring = None
        if any(engine.started[op] > engine.done[op] for op in engine.maintained):
            return
        key = self._key()
        if self.recording is not None:
            self._record(key)
        period = self.periods.get(key)
        if period is None:
            if self.measuring is not None:
                if self.measuring[0] == key:
                    period = self.periods[key] = self._period(self.measuring[1])
                    self.measuring = None
            elif key in self.seen:
                self.measuring = (key, self._snapshot())
            else:
                self.seen.add(key)
        if period is not None:
            moved = self._jump(period)
            while self.has_episodes and self._replay(key):
                moved = True
                self._check_interval()
                self._jump(period)
            if moved:
                self.seen.clear()
                self.measuring = None
            if self.has_episodes:
                self.recording = (key, self._snapshot())
                engine.journal = []

    def _check_interval(self) -> None:
        """Look for recurring intervals when the first shard has finished one."""
        if self.anchor is not None:
            op, instances = self.anchor
            intervals = self.engine.done[op] // instances
            if intervals > self.anchor_done:
                self.anchor_done = intervals
                self._at_interval()

    # What a state is.

    def _key(self) -> Hashable:
        engine = self.engine
        base, now = engine.done[engine.schedule.end], engine.clock
        maintenance, started = engine.maintenance, engine.started

        def place(run: Run) -> tuple[int, int, int]:
            return run.op, run.n - (base if maintenance[run.op] is None else started[run.op]), run.stage

        agenda = tuple(
            (
                cycle - now,
                tuple(sorted((1, *place(e)) if isinstance(e, Run) else (0, *e) for e in engine.agenda[cycle])),
            )
            for cycle in sorted(engine.agenda)
        )
        queues = tuple(
            (unit, tuple((*place(run), now - run.requested) for run in queue))
            for unit, queue in sorted(engine.queues.items()) if queue
        )  # fmt: skip
        counts = tuple((started[op] - base, engine.done[op] - base) for op in self.example_ops)
        served = tuple(sorted(engine.served.items()))
        return base % self.batch, counts, agenda, queues, tuple(engine.free), tuple(sorted(engine.blocked)), served

    def _interval_key(self) -> Hashable:
        engine = self.engine
        base, now = engine.done[engine.schedule.end], engine.now
        triggers = []
        for op in engine.maintained:
            m = engine.maintenance[op]
            assert m is not None
            n = engine.started[op]
            wanted = tuple(need.count(n) - base for need in engine.general[op])
            due = engine.due[m.shard] - now if m.period_cycles else 0
            flight = n - engine.done[op]
            triggers.append((wanted, due, n % (2 * len(m.groups)) if not m.period_cycles else 0, flight))
        gates = tuple(engine.done[need.op] * need.den - base for _, need in self.gates)
        logs = tuple(
            (log.relative(now), (log.count - np.array(engine.read_until[shard], dtype=np.int64)).tobytes())
            for shard, log in sorted(engine.logs.items())
        )
        return self._key(), tuple(triggers), gates, logs

    # What a period adds.

    def _snapshot(self) -> Snapshot:
        engine = self.engine
        now = engine.clock
        for tile in range(len(engine.tile_masks)):
            engine._account(tile, now)
        counters = engine.counters
        maintenance = list(counters.maintenance_cycles)
        for which, active in enumerate(engine.active):
            if active:
                maintenance[which] += now - engine.active_since[which]
        return Snapshot(
            engine.now, engine.done[engine.schedule.end], list(engine.started), list(engine.done),
            list(counters.stages), list(counters.waits), [dict(tile) for tile in counters.tiles], maintenance,
            {shard: log.count for shard, log in engine.logs.items()},
            engine.timeline.mark() if engine.timeline is not None else 0,
        )  # fmt: skip

    def _period(self, since: Snapshot) -> Period:
        engine = self.engine
        now = self._snapshot()
        updates = {}
        for shard, log in engine.logs.items():
            updates[shard] = tuple(log.time(i) - since.cycle for i in range(since.log_counts[shard], log.count))
        return Period(
            now.base - since.base,
            now.cycle - since.cycle,
            _minus(now.stages, since.stages),
            _minus(now.waits, since.waits),
            [_minus_dict(a, b) for a, b in zip(now.tiles, since.tiles, strict=True)],
            updates,
            since,
            now,
        )

    # Jumping within an interval.

    def _jump(self, period: Period) -> bool:
        engine = self.engine
        repeats = self._room(period) // period.examples
        if repeats <= 0:
            return False
        for tile in range(len(engine.tile_masks)):
            engine._account(tile, engine.clock)
        self._repeat(period.since, period.until, repeats)
        for shard, times in period.updates.items():
            _log_repeats(engine, shard, times, period.cycles, repeats)
        self._move(
            repeats * period.examples, repeats * period.cycles, repeats, period.stages, period.waits, period.tiles
        )
        return True

    def _repeat(self, since: Snapshot, until: Snapshot, count: int) -> None:
        """Keep in the timeline that what happened between two moments happens again from here, so many times."""
        engine = self.engine
        if engine.timeline is None:
            return
        base = engine.done[engine.schedule.end]
        here = [(op, engine.started[op] - since.started[op]) for op in engine.maintained]
        more = [(op, until.started[op] - since.started[op]) for op in engine.maintained]
        first = Shift(engine.now - since.cycle, base - since.base, tuple(here))
        each = Shift(until.cycle - since.cycle, until.base - since.base, tuple(more))
        engine.timeline.repeat(since.mark, until.mark, count, first, each)

    def _room(self, period: Period) -> int:
        """Return how many examples may be jumped before the end, a gate or a trigger comes into play."""
        engine = self.engine
        started = engine.started
        ahead = max(started[op] for op in self.example_ops)
        room = engine.examples - ahead - (self.batch if self.batch > 1 else 0)
        for op, need in self.gates:
            room = min(room, _largest(need, started[op], engine.done[need.op], room))
        for op in engine.maintained:
            m = engine.maintenance[op]
            assert m is not None
            n = started[op]
            if n >= engine.totals[op]:
                continue
            if m.period_cycles:
                if engine.totals[op] == FOREVER:
                    free = engine.due[m.shard] - engine.now - 1
                    room = min(room, max(0, free) // period.cycles * period.examples)
                continue
            unmet = max(need.count(n) - engine.done[need.op] for need in engine.general[op] + _plain(engine, op))
            room = min(room, unmet - 1)
        return room

    def _move(
        self, examples: int, cycles: int, repeats: int, stages: list[int], waits: list[int], tiles: list[dict[int, int]]
    ) -> None:
        engine = self.engine
        for op in self.example_ops:
            engine.started[op] += examples
            engine.done[op] += examples
        for run in self._runs():
            if engine.maintenance[run.op] is None:
                run.n += examples
                run.age = (run.n, run.op)
        engine.offset += cycles
        counters = engine.counters
        _add(counters.stages, stages, repeats)
        _add(counters.waits, waits, repeats)
        for total, delta in zip(counters.tiles, tiles, strict=True):
            for bit, cycles_in in delta.items():
                total[bit] = total.get(bit, 0) + repeats * cycles_in
        self.jumped += examples

    def _runs(self) -> list[Run]:
        engine = self.engine
        runs = {id(e): e for entries in engine.agenda.values() for e in entries if isinstance(e, Run)}
        runs.update((id(run), run) for queue in engine.queues.values() for run in queue)
        return list(runs.values())

    # Replaying what happened around a transfer when it happens again.

    def _record(self, key: Hashable) -> None:
        """Keep what happened since the recording began, if the state is the same again after maintenance."""
        assert self.recording is not None
        engine = self.engine
        begin, since = self.recording
        examples = engine.done[engine.schedule.end] - since.base
        if begin != key:
            if examples > LONGEST_EPISODE:
                self.recording = engine.journal = None
            return
        journal, self.recording, engine.journal = engine.journal or [], None, None
        known = self.episodes.setdefault(key, [])
        if all(engine.started[op] == since.started[op] for op in engine.maintained) or len(known) >= MOST_EPISODES:
            return
        now = self._snapshot()
        advance = [now.started[op] - since.started[op] for op in engine.maintained]
        delta = _minus(now.done, since.done)
        triggers = [self._due(op, since.started[op], since.done, delta) for op in engine.maintained]
        if [len(due) for due in triggers] != advance:
            return
        stages = [
            self._stages(op, since.started[op], more) for op, more in zip(engine.maintained, advance, strict=True)
        ]
        period = Period(
            examples, now.cycle - since.cycle, _minus(now.stages, since.stages), _minus(now.waits, since.waits),
            [_minus_dict(a, b) for a, b in zip(now.tiles, since.tiles, strict=True)], {}, since, now,
        )  # fmt: skip
        cycles = _minus(now.maintenance_cycles, since.maintenance_cycles)
        moments = [(is_start, which, cycle - since.cycle) for is_start, which, cycle in journal]
        known.append(Episode(period, advance, triggers, stages, cycles, moments))

    def _due(self, op: int, first: int, done: list[int], delta: list[int]) -> tuple[int, ...]:
        """Return after how many updates each instance of a maintained op is due, as far as `delta` reaches."""
        engine = self.engine
        due: list[int] = []
        needs = engine.schedule.ops[op].needs
        while first + len(due) < engine.totals[op]:
            n = first + len(due)
            if any(need.count(n) - done[need.op] > delta[need.op] for need in needs):
                break
            due.append(max(need.count(n) - done[need.op] for need in needs))
        return tuple(due)

    def _first_due(self, op: int) -> int:
        """Return after how many more updates the next instance of a maintained op is due."""
        engine = self.engine
        n = engine.started[op]
        if n >= engine.totals[op]:
            return FOREVER
        return max(need.count(n) - engine.done[need.op] for need in engine.schedule.ops[op].needs)

    def _stages(self, op: int, first: int, count: int) -> tuple[int, ...]:
        variants = self.engine.stages[op]
        return tuple(stage.index for n in range(first, first + count) for stage in variants[n % len(variants)])

    def _replay(self, key: Hashable) -> bool:
        """Jump over an episode that is known to follow from here; return whether there was one."""
        engine = self.engine
        known = self.episodes.get(key)
        if not known:
            return False
        maintained, started, done = engine.maintained, engine.started, engine.done
        ahead = max(started[op] for op in self.example_ops)
        room = engine.examples - ahead - (self.batch if self.batch > 1 else 0)
        first = [self._first_due(op) for op in maintained]
        for episode in known:
            period = episode.period
            if period.examples <= room and all(
                at == due[0] if due else at > period.examples for at, due in zip(first, episode.triggers, strict=True)
            ):
                delta = [period.examples] * len(done)
                if all(
                    (not due or self._due(op, started[op], done, delta) == due)
                    and self._stages(op, started[op], more) == stages
                    for op, due, more, stages in zip(
                        maintained, episode.triggers, episode.advance, episode.stages, strict=True
                    )
                ):
                    break
        else:
            return False
        now, here = engine.clock, engine.now
        self._repeat(period.since, period.until, 1)
        for tile in range(len(engine.tile_masks)):
            engine._account(tile, now)
        instance = {op: started[op] for op in maintained}
        for is_start, which, cycle in episode.journal:
            if is_start:
                engine.read_capacitors(which, instance[which], here + cycle)
                instance[which] += 1
            else:
                engine.log_of_update[which].add(here + cycle)
        for op, more in zip(maintained, episode.advance, strict=True):
            started[op] += more
            done[op] += more
        _add(engine.counters.maintenance_cycles, episode.maintenance_cycles, 1)
        self._move(period.examples, period.cycles, 1, period.stages, period.waits, period.tiles)
        return True

    # Jumping over whole intervals, in pairs.

    def _at_interval(self) -> None:
        engine = self.engine
        key = self._interval_key()
        before = self.intervals.get(key)
        if before is None:
            snapshot = self._snapshot()
            snapshot.dwell = engine.dwell.snapshot()
            self.intervals[key] = snapshot
            return
        now = self._snapshot()
        examples, cycles = now.base - before.base, now.cycle - before.cycle
        ahead = max(engine.started[op] for op in self.example_ops)
        repeats = (engine.examples - ahead - (self.batch if self.batch > 1 else 0)) // examples
        if repeats <= 0:
            return
        self._repeat(before, now, repeats)
        self.recording = engine.journal = None
        maintained = [(op, now.started[op] - before.started[op]) for op in engine.maintained]
        for op, more in maintained:
            engine.started[op] += repeats * more
            engine.done[op] += repeats * more
        for run in self._runs():
            m = engine.maintenance[run.op]
            if m is not None:
                run.n += repeats * (now.started[run.op] - before.started[run.op])
        self._move(
            repeats * examples, repeats * cycles, repeats, _minus(now.stages, before.stages),
            _minus(now.waits, before.waits), [_minus_dict(a, b) for a, b in zip(now.tiles, before.tiles, strict=True)],
        )  # fmt: skip
        _add(engine.counters.maintenance_cycles, _minus(now.maintenance_cycles, before.maintenance_cycles), repeats)
        engine.dwell.repeat(before.dwell, repeats)
        for shard, log in engine.logs.items():
            more = now.log_counts[shard] - before.log_counts[shard]
            log.jump(repeats * cycles, repeats * more)
            engine.read_until[shard] = [until + repeats * more for until in engine.read_until[shard]]
        engine.due = {shard: due + repeats * cycles for shard, due in engine.due.items()}
        self.anchor_done = engine.done[self.anchor[0]] // self.anchor[1] if self.anchor else 0
        self.seen.clear()
        self.measuring = None


def _plain(engine: Engine, op: int) -> tuple[Any, ...]:
    return tuple(need for need in engine.schedule.ops[op].needs if need.plain)


def _largest(need: Any, n: int, done: int, most: int) -> int:
    """Return the largest m <= most such that instances n to n + m - 1 all find their need met."""
    low, high = 0, max(0, most)
    while low < high:
        middle = (low + high + 1) // 2
        if need.count(n + middle - 1) <= done:
            low = middle
        else:
            high = middle - 1
    return low


def _log_repeats(engine: Engine, shard: int, times: tuple[int, ...], cycles: int, repeats: int) -> None:
    log, now = engine.logs[shard], engine.now
    if not times:
        return
    gaps = {b - a for a, b in itertools.pairwise(times)} | {times[0] + cycles - times[-1]}
    if len(gaps) == 1:
        log.add(now + times[0], gaps.pop(), len(times) * repeats)
        return
    for i in range(repeats):
        for time in times:
            log.add(now + i * cycles + time)


def _minus(now: list[int], before: list[int]) -> list[int]:
    return [a - b for a, b in zip(now, before, strict=True)]


def _minus_dict(now: dict[int, int], before: dict[int, int]) -> dict[int, int]:
    return {bit: count - before.get(bit, 0) for bit, count in now.items()}


def _add(total: list[int], delta: list[int], times: int) -> None:
    for i, more in enumerate(delta):
        total[i] += times * more
