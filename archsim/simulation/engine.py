"""The engine: executes a schedule's ops on a chip's units, in whole cycles, with counters and nothing else.

Time is SimPy's. All that happens in a cycle is handled by one event of that cycle, in this order: units are
released, stages end and ops complete, then the requests of the cycle are arbitrated, oldest example first,
then by op. A request that cannot be granted waits in the queue of every unit it needs and is granted only when
it is at the head of all of them and all are free: no stage holds one unit while it waits for another. (A sample may
stay on its line from one op to the next; transports see to it that this cannot block. A packet keeps its place in a
router's buffer until it has the next; the schedule is checked for circles of such waits.) Queues are in order of
age: maintenance first, then older examples, then lower ops; so the oldest request is at every head. Only a link or a
buffer, asked for alone, may be arbitrated by input instead, and packets leave a buffer as they came. An op in
flight is plain data, never a suspended process, so that a state can be compared with an earlier one.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Protocol

import numpy as np
import simpy

from archsim.base.errors import StuckError
from archsim.base.words import counted
from archsim.components.interconnect import ARBITRATIONS
from archsim.mapping.schedule import STATES, Maintenance, Op, Schedule, Stage
from archsim.simulation.dwell import DwellTimes, UpdateLog
from archsim.simulation.timeline import Timeline

FOREVER = 1 << 62  # cycles: beyond the end of every run
_BIT = {state: 1 << i for i, state in enumerate(STATES)}
_WAITING_TRANSFER = _BIT["waiting_transfer"]


class Observer(Protocol):
    """Hooks that see every op and stage; with one present, nothing is fast-forwarded."""

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        """An instance of an op begins: its first stage was granted."""

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        """A stage was granted."""

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        """An instance of an op is done."""


class Compiled:
    """A stage with everything resolved to integers and tuples for the engine's inner loop."""

    __slots__ = ("acquire", "at_end", "in_order", "index", "later", "latency", "port", "shows", "waits")

    def __init__(self, index: int, stage: Stage, contended: list[int], tile_place: dict[int, int]) -> None:
        self.index = index
        self.latency = stage.latency_cycles
        self.acquire = tuple(unit for unit in stage.acquire if contended[unit])
        released: dict[int, list[int]] = {}
        for at, unit in stage.release:
            if contended[unit]:
                released.setdefault(at, []).append(unit)
        self.at_end = tuple(released.pop(stage.latency_cycles, ()))
        self.later = tuple((at, tuple(units)) for at, units in sorted(released.items()))
        self.shows = tuple((tile_place[tile], _BIT[state]) for tile, state in stage.shows if tile in tile_place)
        self.port = stage.port if self.acquire else None
        self.in_order = stage.in_order
        waits = stage.waits
        self.waits = (tile_place[waits[0]], _BIT[waits[1]]) if waits and waits[0] in tile_place else None


class Run:
    """One instance of an op in flight."""

    __slots__ = ("age", "lacks", "n", "op", "requested", "stage", "stages")

    def __init__(self, op: int, n: int, stages: tuple[Compiled, ...], requested: int, maintenance: bool) -> None:
        self.op = op
        self.n = n
        self.age = (-1 if maintenance else n, op)
        self.stage = 0
        self.stages = stages
        self.requested = requested
        self.lacks = -1


_age = attrgetter("age")


@dataclass
class Counters:
    """All that accumulates: integers only. `stages` counts grants, `waits` cycles between request and grant."""

    stages: list[int]
    waits: list[int]
    tiles: list[dict[int, int]]
    maintenance_cycles: list[int]


class Engine:
    """The state of a simulation; `step` advances it to the next cycle in which something happens."""

    def __init__(
        self,
        schedule: Schedule,
        *,
        unlimited: bool = False,
        uncontended: Collection[int] = (),
        observer: Observer | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self.schedule = schedule
        self.examples = schedule.examples
        self.observer = observer
        self.timeline = timeline
        ops = schedule.ops
        units = schedule.chip.units
        place = {tile: i for i, tile in enumerate(schedule.used_tiles)}
        capacity = [0 if unlimited or unit.index in uncontended else unit.capacity for unit in units]
        self.free = list(capacity)
        self.queues: dict[int, list[Run]] = {}
        self.rank = ARBITRATIONS[schedule.chip.spec.routing.router.arbitration]
        self.served: dict[int, int] = {}  # by unit that is arbitrated by input: which was served last
        self.stage_specs: list[Stage] = []
        self.stage_ops: list[int] = []
        self.stages: list[tuple[tuple[Compiled, ...], ...]] = []
        cache: dict[tuple[int, int], Compiled] = {}
        for op in ops:
            variants = []
            for variant in op.variants:
                compiled = []
                for stage in variant:
                    key = (op.index, id(stage))
                    if key not in cache:
                        cache[key] = Compiled(len(self.stage_specs), stage, capacity, place)
                        self.stage_specs.append(stage)
                        self.stage_ops.append(op.index)
                    compiled.append(cache[key])
                variants.append(tuple(compiled))
            self.stages.append(tuple(variants))
        self.plain = [tuple((need.op, need.add) for need in op.needs if need.plain) for op in ops]
        self.general = [tuple(need for need in op.needs if not need.plain) for op in ops]
        self.maintenance: list[Maintenance | None] = [op.maintenance for op in ops]
        self.maintained = [op.index for op in ops if op.maintenance is not None]
        self.totals = [
            self.examples if op.maintenance is None else FOREVER if op.instances is None else op.instances for op in ops
        ]
        self.rules = [
            (total, plain, stages, not general and m is None)
            for total, plain, general, stages, m in zip(
                self.totals, self.plain, self.general, self.stages, self.maintenance, strict=True
            )
        ]
        self.started = [0] * len(ops)
        self.done = [0] * len(ops)
        self.watchers: list[list[int]] = [[] for _ in ops]
        self.blocked: set[int] = set()
        self.met: dict[int, tuple[int, int]] = {}  # by op that waits: which instance, and how many of its needs are met
        self.counters = Counters([0] * len(self.stage_specs), [0] * len(self.stage_specs), [{} for _ in place], [0, 0])
        self.tile_masks = [0] * len(place)
        self.tile_counts: list[dict[int, int]] = [{} for _ in place]
        self.tile_since = [0] * len(place)
        self.active = [0, 0]  # shards in transfer, in refresh
        self.active_since = [0, 0]
        self.cells_active = 0
        self.cells_peak = 0
        shards = schedule.mapping.shards
        cared = {op.maintenance.shard for op in ops if op.maintenance is not None and op.instances != 0}
        self.logs = {shard.index: UpdateLog() for shard in shards if shard.index in cared}
        self.read_until: dict[int, list[int]] = {}
        self.due: dict[int, int] = {}
        self.periods: dict[int, int] = {}
        for m in self.maintenance:
            if m is not None:
                self.read_until[m.shard] = [0] * max(
                    sum(len(groups) for groups in m.groups), len(self.read_until.get(m.shard, ()))
                )
                if m.period_cycles:
                    self.due[m.shard] = self.periods[m.shard] = m.period_cycles
        self.log_of_update = {schedule.updates[shard]: log for shard, log in self.logs.items()}
        self.dwell = DwellTimes()
        self.journal: list[tuple[bool, int, int]] | None = None  # (is a maintenance start, op or shard, cycle)
        self.offset = 0
        self.dirty = False
        self.boundary = False
        self.env = simpy.Environment()
        self.clock = 0  # SimPy's, as an integer
        self.agenda: dict[int, list[Any]] = {}
        self.pending: list[Run] = []
        self.released: list[int] = []
        for index in range(len(ops)):
            self._try_start(index)
        self._settle(0)
        self._book(0)

    # Time.

    @property
    def now(self) -> int:
        """The cycle of the run, stretches that were jumped included."""
        return self.clock + self.offset

    @property
    def finished(self) -> bool:
        """Whether nothing is left to happen."""
        return not self.agenda

    def step(self) -> None:
        """Advance to the next cycle in which something happens, and let all of it happen."""
        self.boundary = False
        self.env.step()

    def _tick(self, event: simpy.Event) -> None:
        self.clock = now = int(self.env.now)
        self._book(now)

    def _book(self, now: int) -> None:
        """Handle everything of this cycle; on return the clock is about to move."""
        agenda = self.agenda
        while now in agenda:
            ended = []
            free, released, queues = self.free, self.released, self.queues
            for entry in agenda.pop(now):
                if entry.__class__ is Run:
                    ended.append(entry)
                    units = entry.stages[entry.stage].at_end
                else:
                    units = entry
                for unit in units:
                    free[unit] += 1
                    if queues.get(unit):
                        released.append(unit)
            for run in ended:
                self._end(run, now)
            if released or self.pending:
                self._settle(now)

    # Ops.

    def _try_start(self, op: int) -> None:
        """Start instances of an op while what they need is done; then watch the first thing that is not."""
        done, started = self.done, self.started
        total, plain, variants, is_simple = self.rules[op]
        while True:
            n = started[op]
            if n >= total:
                return
            for dep, add in plain:
                if done[dep] < n + add:
                    self.watchers[dep].append(op)
                    return
            if not is_simple:
                if self.general[op] and not self._general_met(op, n):
                    return
                if self.maintenance[op] is not None and not self._old_enough(op):
                    return
            started[op] = n + 1
            stages = variants[n % len(variants)]
            if stages:
                self.pending.append(Run(op, n, stages, self.clock, self.maintenance[op] is not None))
            else:
                self._complete(op, n)

    def _general_met(self, op: int, n: int) -> bool:
        needs = self.general[op]
        instance, met = self.met.get(op, (n, 0))
        for position in range(met if instance == n else 0, len(needs)):  # what is met stays so
            need = needs[position]
            dep = need.op
            if self.done[dep] < min(need.count(n), self.totals[dep]):
                self.met[op] = n, position
                self.watchers[dep].append(op)
                if self.maintenance[dep] is not None and op not in self.blocked:
                    self.dirty = True
                    if not self.blocked:
                        self._show_waiting(True)
                    self.blocked.add(op)
                return False
        if op in self.blocked:
            self.dirty = True
            self.blocked.discard(op)
            if not self.blocked:
                self._show_waiting(False)
        return True

    def _old_enough(self, op: int) -> bool:
        """A rewrite starts when its shard is due, one at a time, tested whenever an update is done."""
        m = self.maintenance[op]
        if m is None or not m.period_cycles:
            return True
        update = self.schedule.updates[m.shard]
        if self.started[op] > self.done[op] or self.now < self.due[m.shard] or self.done[update] >= self.examples:
            self.watchers[update].append(op)
            return False
        return True

    def _complete(self, op: int, n: int) -> None:
        self.done[op] += 1
        if op == self.schedule.end:
            self.boundary = True
        watching = self.watchers[op]
        if watching:
            self.watchers[op] = []
            for watcher in watching:
                self._try_start(watcher)

    def _end(self, run: Run, now: int) -> None:
        """A stage has ended: request the next one, or complete the op."""
        op, stages = run.op, run.stages
        since, masks, all_counts = self.tile_since, self.tile_masks, self.tile_counts
        for tile, bit in stages[run.stage].shows:  # as _leave does, in the inner loop
            counts = all_counts[tile]
            counts[bit] -= 1
            if not counts[bit]:
                if now > since[tile]:
                    self._account(tile, now)
                masks[tile] &= ~bit
        if op in self.log_of_update:  # each of its stages is an update
            self.log_of_update[op].add(now + self.offset)
            if self.journal is not None:
                self.journal.append((False, op, now + self.offset))
        if run.stage + 1 < len(stages):
            run.stage += 1
            run.requested = now
            self.pending.append(run)
            return
        if self.maintenance[op] is not None:
            self._maintenance_ends(op, run.n)
        if self.observer is not None:
            self.observer.on_end(self.schedule.ops[op], run.n, now + self.offset)
        self._complete(op, run.n)

    # Units.

    def _settle(self, now: int) -> None:
        """Arbitrate: first who waits for what was released, then the new requests in their order."""
        while self.released or self.pending:
            if self.released:
                freed, self.released = self.released, []
                queues, free = self.queues, self.free
                for unit in freed:
                    queue = queues[unit]
                    while queue and free[unit] > 0:
                        head = queue[0]
                        last = head.lacks  # most often it still lacks what it lacked before
                        if free[last] <= 0 or queues[last][0] is not head or not self._grantable(head):
                            break
                        self._grant_waiting(head, now)
            if self.pending:
                requests, self.pending = self.pending, []
                if len(requests) > 1:
                    requests.sort(key=_age)
                for run in requests:
                    self._request(run, now)

    def _request(self, run: Run, now: int) -> None:
        stage = run.stages[run.stage]
        if stage.port is not None:
            self._request_by_port(run, stage, now)
            return
        free, queues = self.free, self.queues
        for unit in stage.acquire:
            if free[unit] <= 0 or queues.get(unit):
                break
        else:
            self._grant(run, stage, now)
            return
        for unit in stage.acquire:
            queue = queues.get(unit)
            if queue is None:
                queue = queues[unit] = []
            if stage.in_order:
                queue.append(run)
            else:
                insort(queue, run, key=_age)
        if self.maintenance[run.op] is not None:
            self.dirty = True
        if stage.waits is not None:
            self._enter(stage.waits[0], stage.waits[1], now)
        run.lacks = stage.acquire[0]
        if self._grantable(run):
            self._grant_waiting(run, now)

    def _request_by_port(self, run: Run, stage: Compiled, now: int) -> None:
        """Queue a request for a unit that is arbitrated by input, to be granted when all new requests are there."""
        (unit,) = stage.acquire
        run.lacks = unit
        self.queues.setdefault(unit, []).append(run)
        self._sort_by_port(unit)
        if stage.waits is not None:
            self._enter(stage.waits[0], stage.waits[1], now)
        self.released.append(unit)

    def _sort_by_port(self, unit: int) -> None:
        last, rank = self.served.get(unit, -1), self.rank

        def place(run: Run) -> tuple[int, tuple[int, int]]:
            port, ports = run.stages[run.stage].port or (0, 1)
            return rank(port, last, ports), run.age

        self.queues[unit].sort(key=place)

    def _grantable(self, run: Run) -> bool:
        free, queues = self.free, self.queues
        for unit in run.stages[run.stage].acquire:
            if free[unit] <= 0 or queues[unit][0] is not run:
                run.lacks = unit
                return False
        return True

    def _grant_waiting(self, run: Run, now: int) -> None:
        stage = run.stages[run.stage]
        free, queues = self.free, self.queues
        for unit in stage.acquire:
            queue = queues[unit]
            del queue[0]
            if queue and free[unit] > 1:
                self.released.append(unit)
            if stage.port is not None:
                self.served[unit] = stage.port[0]
                self._sort_by_port(unit)
        if stage.waits is not None:
            self._leave(stage.waits[0], stage.waits[1], now)
        self.counters.waits[stage.index] += now - run.requested
        self._grant(run, stage, now)

    def _grant(self, run: Run, stage: Compiled, now: int) -> None:
        """Occupy the units, count, and put the end of the stage and its early releases on the agenda."""
        free = self.free
        for unit in stage.acquire:
            free[unit] -= 1
        self.counters.stages[stage.index] += 1
        since, masks, all_counts = self.tile_since, self.tile_masks, self.tile_counts
        for tile, bit in stage.shows:  # as _enter does, in the inner loop
            counts = all_counts[tile]
            if counts.get(bit):
                counts[bit] += 1
            else:
                counts[bit] = 1
                if now > since[tile]:
                    self._account(tile, now)
                masks[tile] |= bit
        agenda = self.agenda
        for at, entry in (stage.latency, run), *stage.later:
            entries = agenda.get(now + at)
            if entries is None:
                agenda[now + at] = [entry]
                if at:
                    self.env.timeout(at).callbacks.append(self._tick)
            else:
                entries.append(entry)
        if self.maintenance[run.op] is not None:
            self._maintenance_starts(run.op, run.n)
        if self.timeline is not None and not run.stage and run.op in self.timeline.tracked:
            self.timeline.add(run.op, run.n, now + self.offset)
        if self.observer is not None:
            op = self.schedule.ops[run.op]
            at_cycle = now + self.offset
            if run.stage == 0:
                self.observer.on_start(op, run.n, at_cycle)
            self.observer.on_stage(
                op, run.n, run.stage, run.requested + self.offset, at_cycle, at_cycle + stage.latency
            )

    # What tiles are doing.

    def _enter(self, tile: int, bit: int, now: int) -> None:
        counts = self.tile_counts[tile]
        count = counts.get(bit, 0)
        counts[bit] = count + 1
        if not count:
            if now > self.tile_since[tile]:
                self._account(tile, now)
            self.tile_masks[tile] |= bit

    def _leave(self, tile: int, bit: int, now: int) -> None:
        counts = self.tile_counts[tile]
        counts[bit] -= 1
        if not counts[bit]:
            if now > self.tile_since[tile]:
                self._account(tile, now)
            self.tile_masks[tile] &= ~bit

    def _account(self, tile: int, now: int) -> None:
        elapsed = now - self.tile_since[tile]
        if elapsed:
            mask = self.tile_masks[tile]
            lowest = mask & -mask
            total = self.counters.tiles[tile]
            total[lowest] = total.get(lowest, 0) + elapsed
            self.tile_since[tile] = now

    def _show_waiting(self, begins: bool) -> None:
        now = self.clock
        for tile in range(len(self.tile_masks)):
            (self._enter if begins else self._leave)(tile, _WAITING_TRANSFER, now)

    # Maintenance.

    def _maintenance_starts(self, op: int, n: int) -> None:
        m = self.maintenance[op]
        assert m is not None
        self.dirty = True
        which = 1 if m.period_cycles else 0
        if not self.active[which]:
            self.active_since[which] = self.clock
        self.active[which] += 1
        self.cells_active += m.cells_at_once
        if not m.period_cycles:
            self.cells_peak = max(self.cells_peak, self.cells_active)
        if self.journal is not None:
            self.journal.append((True, op, self.now))
        self.read_capacitors(op, n, self.now)

    def read_capacitors(self, op: int, n: int, cycle: int) -> None:
        """Close the dwell times of the updates that instance `n` of a maintenance op, begun at `cycle`, reads."""
        m = self.maintenance[op]
        assert m is not None
        log = self.logs[m.shard]
        until = self.read_until[m.shard]
        variant = n % len(m.groups)
        groups, first = m.groups[variant], m.first[variant]
        cols = self.schedule.mapping.shards[m.shard].cols
        position = 0
        while position < len(groups):  # neighbours that were last read at the same update go together
            stop = position
            while stop < len(groups) and until[first + stop] == until[first + position]:
                stop += 1
            reads = cycle + m.group_cycles * np.arange(position, stop, dtype=np.int64)
            weights = np.array(groups[position:stop], dtype=np.int64) * cols
            self.dwell.read(log, until[first + position], reads, weights)
            position = stop
        until[first : first + len(groups)] = [log.count] * len(groups)
        log.drop(min(until))

    def _maintenance_ends(self, op: int, n: int) -> None:
        m = self.maintenance[op]
        assert m is not None
        self.dirty = True
        which = 1 if m.period_cycles else 0
        self.active[which] -= 1
        if not self.active[which]:
            self.counters.maintenance_cycles[which] += self.clock - self.active_since[which]
        self.cells_active -= m.cells_at_once
        if m.shard in self.due:
            self.due[m.shard] = self.now + self.periods[m.shard]

    # The end.

    def close(self) -> None:
        """Account the last stretch of every tile; raise StuckError if ops are left that can never start."""
        waiting = [
            op.index for op in self.schedule.ops
            if self.done[op.index] < self.totals[op.index] and self.totals[op.index] < FOREVER
        ]  # fmt: skip
        if waiting:
            raise StuckError(self._explain(waiting))
        for tile in range(len(self.tile_masks)):
            self._account(tile, self.clock)
        groups = {m.shard: m.groups for m in reversed(self.maintenance) if m is not None}
        for index, until in self.read_until.items():
            update = self.schedule.updates[index]
            updates = self.done[update] * len(self.schedule.ops[update].stages)
            cols = self.schedule.mapping.shards[index].cols
            rows = [row for group in groups[index] for row in group]
            self.dwell.open += sum((updates - u) * row * cols for u, row in zip(until, rows, strict=True))

    def _explain(self, waiting: list[int]) -> str:
        ops = self.schedule.ops
        layers = self.schedule.mapping.workload.layers

        def name(index: int) -> str:
            op = ops[index]
            layer = f" {layers[op.layer].name}{op.label}" if op.layer >= 0 else ""
            return f"{op.kind}{layer}"

        lines = []
        for index in waiting[:10]:
            n = self.done[index]
            reasons = []
            for need in ops[index].needs:
                wanted = min(need.count(n), self.totals[need.op])
                if self.done[need.op] < wanted:
                    reasons.append(f"{name(need.op)} done {counted(wanted, 'time')} (now {self.done[need.op]:,})")
            lines.append(f"{name(index)} of example {n:,} waits for {' and '.join(reasons) or 'its units'}")
        for unit, queue in sorted(self.queues.items()):
            if queue and len(lines) < 20:
                heads = ", ".join(f"{name(run.op)} of example {run.n:,}" for run in list(queue)[:3])
                lines.append(f"waiting for {self.schedule.chip.units[unit].name}: {heads}")
        more = f"\n... and {len(waiting) - 10} more" if len(waiting) > 10 else ""
        return f"no progress is possible at cycle {self.now:,}:\n" + "\n".join(lines) + more
