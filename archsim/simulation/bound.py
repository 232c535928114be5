"""The lower bound of a run: its cycles if no unit were ever contended.

Without contention an instance starts as soon as what it needs is done, so that a run takes its longest path. Examples
are gone through by blocks of a batch, until one follows from those before it as an earlier one did, later by so many
cycles; what lies between is jumped. Where examples wait for transfers after every interval, jumps end before these, and
whole intervals that follow as earlier ones did are jumped, too. Maintenance for which nothing waits only ends after the
last example, or before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from archsim.mapping.schedule import Need, Op, Schedule
from archsim.simulation.run import simulate

MOST_BLOCKS, MOST_INTERVALS = 32, 16
"""So many blocks of an interval, and intervals, are gone through before the run is simulated instead; time alone
depends on it."""

Key: TypeAlias = tuple[int, ...]


class Jump(NamedTuple):
    """From example `at` on, `repeats` times the last `examples`, each time later by `cycles`.

    Examples are counted as if there were no later jumps.
    """

    at: int
    examples: int
    cycles: int
    repeats: int


def bound_cycles(schedule: Schedule) -> int:
    """Return the lower bound of a run, equal to the cycles of `simulate(schedule, unlimited=True)`.

    What a longest path does not tell is simulated: rewrites by age, examples that wait for other maintenance than that
    of whole intervals, and ops of which a later instance may overtake an earlier one. Raises StuckError as `simulate`.
    """
    paths = Paths(schedule) if _is_path(schedule) else None
    cycles = paths.cycles() if paths is not None and paths.go() else None
    return simulate(schedule, unlimited=True).cycles if cycles is None else cycles


def _is_path(schedule: Schedule) -> bool:
    """Return whether needs alone say when instances start, and those of examples are the same in all batches."""
    gates = {op.index: op for op in _gates(schedule)}
    intervals = {_interval(op, schedule) for op in gates.values()}
    if None in intervals or len(intervals) > 1:
        return False
    for op in schedule.ops:
        if op.index in gates:
            continue
        if op.maintenance is not None:
            if op.instances is None or op.maintenance.period_cycles:
                return False
        elif not _is_even(op):
            return False
        for need in op.needs:
            if need.op in gates:
                if op.maintenance is not None or need != Need(need.op, den=gates[need.op].needs[0].num, add=0):
                    return False
            elif op.maintenance is None and not _is_steady(need, schedule.batch):
                return False
    return True


def _gates(schedule: Schedule) -> list[Op]:
    """Return the maintenance ops for which others wait."""
    needed = {need.op for op in schedule.ops for need in op.needs}
    return [op for op in schedule.ops if op.maintenance is not None and op.index in needed]


def _interval(gate: Op, schedule: Schedule) -> int | None:
    """Return after how many examples each instance of maintenance is due; None where that is otherwise."""
    if len(gate.needs) != 1 or gate.instances is None or not _is_even(gate):
        return None
    (need,) = gate.needs
    interval = need.num
    is_whole = need == Need(need.op, num=interval, off=interval, add=0) and interval % schedule.batch == 0
    by_examples = schedule.ops[need.op].maintenance is None and gate.instances == schedule.examples // interval
    return interval if is_whole and by_examples else None


def _is_steady(need: Need, batch: int) -> bool:
    return need.num * need.scale == need.den and batch * need.num % need.den == 0


def _is_even(op: Op) -> bool:
    return len({_latency(n, op) for n in range(len(op.variants))}) == 1


def _latency(n: int, op: Op) -> int:
    return sum(stage.latency_cycles for stage in op.variants[n % len(op.variants)])


class Paths:
    """When the instances of ops are done: `times` by op, what is jumped left out of instances and of cycles."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.gates = schedule, _gates(schedule)
        self.interval = self.gates[0].needs[0].num if self.gates else schedule.examples + 1
        self.ops = [op for op in schedule.ops if op.maintenance is None]
        self.times: dict[int, list[int]] = {op.index: [] for op in (*self.ops, *self.gates)}
        self.reached, self.skipped, self.later, self.jumps = 0, 0, 0, list[Jump]()
        """Examples that were gone through, examples and cycles that were jumped, and how."""
        self.periods: dict[Key, tuple[int, int]] = {}
        """After how many examples and cycles times recur, by what they follow from."""
        gated = {op.index for op in self.gates}
        self.latencies = {op.index: _latency(0, op) for op in self.ops}
        self.needs = {
            op.index: [(self.times[need.op], need.add, None if need.plain else need)
                       for need in op.needs if need.op not in gated]
            for op in self.ops
        }  # fmt: skip
        """By op the times of what it needs, and of which instance: so many later than its own, or as a need says."""
        self.waits = {op.index: [self.times[need.op] for need in op.needs if need.op in gated] for op in self.ops}
        needs = {need for op in self.ops for need in op.needs if need.op not in gated}
        self.back = max((n + 1 - need.count(n) for need in needs for n in range(schedule.batch)), default=0)
        """How many instances back an op needs another, at most."""

    @property
    def at(self) -> int:
        """How many examples are behind."""
        return self.reached + self.skipped

    @property
    def now(self) -> int:
        """When the last of them ended."""
        return self.times[self.schedule.end][-1] + self.later

    def go(self) -> bool:
        """Go through all examples; return whether that was possible."""
        total, interval, begun = self.schedule.examples, self.interval, dict[Key, tuple[int, int]]()
        while self.at < total:
            until = min(total, self.at - self.at % interval + interval)
            if len(begun) > MOST_INTERVALS or not self._go_to(until):
                return False
            if until % interval == 0:
                self._transfer()
                if self.reached >= self.back:
                    examples, before = begun.setdefault(self._key(self.gates), (until, self.now))
                    if examples < until:
                        self._jump(until - examples, self.now - before, total)
        return True

    def _go_to(self, until: int) -> bool:
        """Go through examples for which the same transfers are done; return whether that was possible."""
        seen, blocks, batch = dict[Key, tuple[int, int]](), 0, self.schedule.batch
        while self.at < until:
            blocks += 1
            self.reached = min(self.reached + batch, until - self.skipped)
            if blocks >= MOST_BLOCKS + max(0, self.back) // batch or not self._reach():
                return False
            if self.reached < self.back:
                continue
            key = self._key()
            examples, before = seen.setdefault(key, (self.at, self.now))
            if examples < self.at:
                self.periods.setdefault(key, (self.at - examples, self.now - before))
            if key in self.periods:
                self._jump(*self.periods[key], until)
        return True

    def _jump(self, examples: int, cycles: int, until: int) -> None:
        """Jump over as many periods of so many examples and cycles as end before `until` examples."""
        repeats = (until - self.at) // examples
        if repeats:
            self.jumps.append(Jump(self.at, examples, cycles, repeats))
            self.skipped += repeats * examples
            self.later += repeats * cycles

    def _key(self, gates: Sequence[Op] = ()) -> Key:
        """Return what the times of all further instances follow from, relative to the last end.

        Those of `gates` are part of it where the examples that wait for them have not begun.
        """
        end = self.times[self.schedule.end][-1]
        first = self.reached - max(1, self.back)
        window = [time - end for op in self.ops for time in self.times[op.index][first:]]
        return (*window, *(self.times[op.index][-1] - end for op in gates))

    def _reach(self) -> bool:
        """Go through the instances of each op, of those examples; return whether their needs allow it."""
        left = self.ops
        while left:
            before = sum(len(self.times[op.index]) for op in left)
            still = [op for op in left if not self._advance(op)]
            if len(still) == len(left) and before == sum(len(self.times[op.index]) for op in left):
                return False
            left = still
        return True

    def _advance(self, op: Op) -> bool:
        """Go on with an op as far as its needs are done; return whether it got to all examples."""
        own, latency, most = self.times[op.index], self.latencies[op.index], self.schedule.examples - self.skipped
        needs = self.needs[op.index]
        begun = max([own[-1] - latency if own else 0, *(times[-1] for times in self.waits[op.index] if times)])
        for n in range(len(own), self.reached):
            for times, more, need in needs:
                asked = min(n + more if need is None else need.count(n), most)
                if asked > len(times):
                    return False
                if asked > 0 and times[asked - 1] > begun:
                    begun = times[asked - 1]
            own.append(begun + latency)
        return True

    def _transfer(self) -> None:
        """Go through the transfers after all examples so far."""
        for op in self.gates:
            own, latency = self.times[op.index], _latency(0, op)
            met = self.times[op.needs[0].op][self.reached - 1]
            own.append(max(met, own[-1] - latency if own else 0) + latency)

    def cycles(self) -> int:
        """Return when everything is done, maintenance included."""
        total = self.schedule.examples
        ends = [self._time(op.index, total) for op in self.ops]
        if total % self.interval == 0:  # else examples go on after the last of these transfers
            ends += [self.times[op.index][-1] + self.later for op in self.gates]
        for op in self.schedule.ops:
            if op.maintenance is not None and op.instances and op.index not in self.times:
                for n in range(max(0, op.instances - len(op.variants)), op.instances):
                    met = max((self._time(need.op, min(need.count(n), total)) for need in op.needs), default=0)
                    ends.append(met + _latency(n, op))
        return max(ends, default=0)

    def _time(self, op: int, count: int) -> int:
        """Return when so many instances of an op are done."""
        later = 0
        for jump in reversed(self.jumps):
            if count > jump.at:
                again = min((count - 1 - jump.at) // jump.examples + 1, jump.repeats)
                count, later = count - again * jump.examples, later + again * jump.cycles
        return self.times[op][count - 1] + later if count > 0 else 0
