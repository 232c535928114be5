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
from collections.abc import Collection, Mapping, Sequence
from operator import attrgetter

import simpy

from archsim.base.errors import StuckError
from archsim.base.words import counted
from archsim.components.interconnect import ARBITRATIONS
from archsim.mapping.schedule import Schedule
from archsim.simulation.engine_state import OpInstance, first_state
from archsim.simulation.events import Gathered, Hearer
from archsim.simulation.program import FOREVER, CompiledStage, capacities, compile_schedule
from archsim.simulation.recurrence import State
from archsim.simulation.timeline import Timeline

_age = attrgetter("age")


class Engine:
    """The state of a simulation; `advance` goes on until so many examples have ended, or less far."""

    def __init__(
        self, schedule: Schedule, *, unlimited: bool = False, uncontended: Collection[int] = (),
        timeline: Timeline | None = None, hearer: Hearer | None = None,
    ) -> None:  # fmt: skip
        self.schedule = schedule
        capacity = capacities(schedule, unlimited, uncontended)
        self.program = program = compile_schedule(schedule, capacity)
        self.state = state = first_state(schedule, program, capacity, timeline)
        # The state's own lists, which are never replaced: the inner loops have them at hand.
        self.free, self.queues, self.agenda = state.free, state.queues, state.agenda
        self.started, self.done, self.grants = state.started, state.done, state.grants
        self.tiles, self.upkeep, self.log_of_update = state.tiles, state.upkeep, state.upkeep.log_of_update
        self.rules, self.maintenance = program.rules, program.maintenance
        self.rank = ARBITRATIONS[schedule.chip.spec.routing.router.arbitration]
        self.watchers: list[list[int]] = [[] for _ in schedule.ops]
        self.met: dict[int, tuple[int, int]] = {}  # by op that waits: which instance, and how many of its needs are met
        self.env = simpy.Environment()
        self.pending: list[OpInstance] = []
        self.released: list[int] = []
        self.hear(hearer)
        for index in range(len(schedule.ops)):
            self._try_start(index)
        self._settle(0)
        self._book(0)

    def hear(self, hearer: Hearer | None) -> None:
        """Tell all events from now on, or none."""
        self.observer = None if hearer is None else Gathered(hearer)
        tracked = () if self.state.timeline is None else self.state.timeline.tracked
        kept = [m is not None or self.observer is not None for m in self.maintenance]
        self.grant_told = [own or op in tracked for op, own in enumerate(kept)]
        self.end_told = [own or op in self.log_of_update for op, own in enumerate(kept)]

    def flush(self) -> None:
        """Tell what is left to be told of the events so far."""
        if self.observer is not None:
            self.observer.flush()

    # Time.

    @property
    def now(self) -> int:
        """The cycle of the run, stretches that were jumped included."""
        return self.state.now

    @property
    def finished(self) -> bool:
        """Whether nothing is left to happen."""
        return not self.agenda

    @property
    def ended(self) -> int:
        """How many examples are done."""
        return self.state.ended

    def begin_anew(self) -> bool:
        """Return False: no room was too small."""
        return False

    def advance(self, examples: int, until: int = FOREVER) -> None:
        """Go on until so many examples have ended or a cycle is past, or nothing is left."""
        agenda, done, end, step = self.agenda, self.done, self.schedule.end, self.env.step
        while agenda:
            step()
            if done[end] >= examples or self.state.clock > until:
                break

    def _tick(self, event: simpy.Event) -> None:
        self.state.clock = now = int(self.env.now)
        self._book(now)

    def _book(self, now: int) -> None:
        """Handle everything of this cycle; on return the clock is about to move."""
        agenda, free, queues = self.agenda, self.free, self.queues
        entries = agenda.pop(now, None)
        while entries is not None:
            ended = []
            for entry in entries:
                if entry.__class__ is OpInstance:
                    ended.append(entry)
                    units = entry.stages[entry.stage].at_end
                else:
                    units = entry
                for unit in units:
                    free[unit] += 1
                    if queues[unit]:
                        self.released.append(unit)
            for run in ended:
                self._end(run, now)
            if self.released or self.pending:
                self._settle(now)
            entries = agenda.pop(now, None)

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
                if self.program.general[op] and not self._general_met(op, n):
                    return
                if self.maintenance[op] is not None and not self._old_enough(op):
                    return
            started[op] = n + 1
            stages = variants[n % len(variants)]
            if stages:
                self.pending.append(OpInstance(op, n, stages, self.state.clock, self.maintenance[op] is not None))
            else:
                self._complete(op, n)

    def _general_met(self, op: int, n: int) -> bool:
        needs, totals, blocked = self.program.general[op], self.program.totals, self.state.blocked
        instance, met = self.met.get(op, (n, 0))
        for position in range(met if instance == n else 0, len(needs)):  # what is met stays so
            need = needs[position]
            dep = need.op
            if self.done[dep] < min(need.count(n), totals[dep]):
                self.met[op] = n, position
                self.watchers[dep].append(op)
                if self.maintenance[dep] is not None and op not in blocked:
                    self.upkeep.dirty = True
                    if not blocked:
                        self.tiles.show_waiting(True, self.state.clock)
                    blocked.add(op)
                return False
        if op in blocked:
            self.upkeep.dirty = True
            blocked.discard(op)
            if not blocked:
                self.tiles.show_waiting(False, self.state.clock)
        return True

    def _old_enough(self, op: int) -> bool:
        """A rewrite starts when its shard is due, one at a time, tested whenever an update is done."""
        m = self.maintenance[op]
        if m is None or not m.period_cycles:
            return True
        update, under_way = self.schedule.updates[m.shard], self.started[op] > self.done[op]
        if under_way or self.now < self.upkeep.due[m.shard] or self.done[update] >= self.schedule.examples:
            self.watchers[update].append(op)
            return False
        return True

    def _complete(self, op: int, n: int) -> None:
        self.done[op] += 1
        watching = self.watchers[op]
        if watching:
            self.watchers[op] = []
            for watcher in watching:
                self._try_start(watcher)

    def _end(self, run: OpInstance, now: int) -> None:
        """A stage has ended: request the next one, or complete the op."""
        op, stages = run.op, run.stages
        for show in stages[run.stage].shows:
            self.tiles.leave(show, now)
        is_last = run.stage + 1 == len(stages)
        if self.end_told[op]:
            self._tell_end(run, now, is_last)
        if is_last:
            self._complete(op, run.n)
            return
        run.stage += 1
        run.requested = now
        self.pending.append(run)

    def _tell_end(self, run: OpInstance, now: int, is_last: bool) -> None:
        """Tell whom the end of a stage concerns."""
        op, cycle = run.op, now + self.state.offset
        if op in self.log_of_update:  # each of its stages is an update
            self.upkeep.update_ends(op, cycle)
        if is_last:
            if self.maintenance[op] is not None:
                self.upkeep.end(op, now, cycle)
            if self.observer is not None:
                self.observer.on_end(self.schedule.ops[op], run.n, cycle)

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

    def _request(self, run: OpInstance, now: int) -> None:
        stage = run.stages[run.stage]
        if stage.port is not None:
            self._request_by_port(run, stage, now)
            return
        free, queues = self.free, self.queues
        for unit in stage.acquire:
            if free[unit] <= 0 or queues[unit]:
                break
        else:
            self._grant(run, stage, now)
            return
        for unit in stage.acquire:
            if stage.in_order:
                queues[unit].append(run)
            else:
                insort(queues[unit], run, key=_age)
        if self.maintenance[run.op] is not None:
            self.upkeep.dirty = True
        if stage.waits is not None:
            self.tiles.enter(stage.waits, now)
        run.lacks = stage.acquire[0]
        if self._grantable(run):
            self._grant_waiting(run, now)

    def _request_by_port(self, run: OpInstance, stage: CompiledStage, now: int) -> None:
        """Queue a request for a unit that is arbitrated by input, to be granted when all new requests are there."""
        (unit,) = stage.acquire
        run.lacks = unit
        self.queues[unit].append(run)
        self._sort_by_port(unit)
        if stage.waits is not None:
            self.tiles.enter(stage.waits, now)
        self.released.append(unit)

    def _sort_by_port(self, unit: int) -> None:
        last, rank = self.state.served.get(unit, -1), self.rank

        def place(run: OpInstance) -> tuple[int, tuple[int, int]]:
            port, ports = run.stages[run.stage].port or (0, 1)
            return rank(port, last, ports), run.age

        self.queues[unit].sort(key=place)

    def _grantable(self, run: OpInstance) -> bool:
        free, queues = self.free, self.queues
        for unit in run.stages[run.stage].acquire:
            if free[unit] <= 0 or queues[unit][0] is not run:
                run.lacks = unit
                return False
        return True

    def _grant_waiting(self, run: OpInstance, now: int) -> None:
        stage = run.stages[run.stage]
        free, queues = self.free, self.queues
        for unit in stage.acquire:
            queue = queues[unit]
            del queue[0]
            if queue and free[unit] > 1:
                self.released.append(unit)
            if stage.port is not None:
                self.state.served[unit] = stage.port[0]
                self._sort_by_port(unit)
        if stage.waits is not None:
            self.tiles.leave(stage.waits, now)
        self.state.waits[stage.index] += now - run.requested
        self._grant(run, stage, now)

    def _grant(self, run: OpInstance, stage: CompiledStage, now: int) -> None:
        """Occupy the units, count, and put the end of the stage and its early releases on the agenda."""
        free = self.free
        for unit in stage.acquire:
            free[unit] -= 1
        self.grants[stage.index] += 1
        for show in stage.shows:
            self.tiles.enter(show, now)
        self._put(stage.latency, run, now)
        for at, units in stage.later:
            self._put(at, units, now)
        if self.grant_told[run.op]:
            self._tell_grant(run, stage, now)

    def _put(self, at: int, entry: OpInstance | tuple[int, ...], now: int) -> None:
        """Put an entry on the agenda, in so many cycles."""
        entries = self.agenda.get(now + at)
        if entries is not None:
            entries.append(entry)
            return
        self.agenda[now + at] = [entry]
        if at:
            self.env.timeout(at).callbacks.append(self._tick)

    def _tell_grant(self, run: OpInstance, stage: CompiledStage, now: int) -> None:
        """Tell whom the beginning of a stage concerns."""
        op, offset, timeline = run.op, self.state.offset, self.state.timeline
        cycle = now + offset
        if self.maintenance[op] is not None:
            self.upkeep.begin(op, run.n, now, cycle)
        if timeline is not None and op in timeline.tracked and (not run.stage or op in timeline.updates):
            timeline.add(op, run.n, cycle)
        if self.observer is not None:
            own = self.schedule.ops[op]
            if run.stage == 0:
                self.observer.on_start(own, run.n, cycle)
            self.observer.on_stage(own, run.n, run.stage, run.requested + offset, cycle, cycle + stage.latency)

    # The end.

    def close(self) -> None:
        """Account the last stretch of every tile; raise StuckError if ops are left that can never start."""
        check_ended(self.state, {unit: [(run.op, run.n) for run in queue] for unit, queue in self.queues.items()})
        self.tiles.account_all(self.state.clock)
        self.upkeep.close(self.done)


def check_ended(state: State, queues: Mapping[int, Sequence[tuple[int, int]]]) -> None:
    """Raise StuckError if ops are left that can never start; `queues` have (op, instance) of who waits, by unit."""
    schedule, program = state.schedule, state.program
    waiting = [op for op, total in enumerate(program.totals) if state.done[op] < total < FOREVER]
    if not waiting:
        return
    ops, layers = schedule.ops, schedule.mapping.workload.layers

    def name(index: int) -> str:
        op = ops[index]
        return f"{op.kind} {layers[op.layer].name}{op.label}" if op.layer >= 0 else op.kind

    lines = []
    for index in waiting[:10]:
        n = int(state.done[index])
        reasons = []
        for need in ops[index].needs:
            wanted = min(need.count(n), program.totals[need.op])
            if state.done[need.op] < wanted:
                reasons.append(f"{name(need.op)} done {counted(wanted, 'time')} (now {state.done[need.op]:,})")
        lines.append(f"{name(index)} of example {n:,} waits for {' and '.join(reasons) or 'its units'}")
    for unit, queue in sorted(queues.items()):
        if queue and len(lines) < 20:
            heads = ", ".join(f"{name(op)} of example {n:,}" for op, n in queue[:3])
            lines.append(f"waiting for {schedule.chip.units[unit].name}: {heads}")
    more = f"\n... and {len(waiting) - 10} more" if len(waiting) > 10 else ""
    raise StuckError(f"no progress is possible at cycle {state.now:,}:\n" + "\n".join(lines) + more)
