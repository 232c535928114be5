"""The lower bound of a run: its cycles if no unit were ever contended.

Without contention an instance starts as soon as what it needs is done, so that a run takes its longest path. Examples
are gone through by blocks of a batch, until one follows from those before it as an earlier one did, later by so many
cycles; what lies between is jumped. Maintenance for which nothing waits only ends after the last example, or before.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from archsim.mapping.schedule import Need, Op, Schedule
from archsim.simulation.run import simulate

MOST_BLOCKS = 32
"""So many are gone through before the run is simulated instead; time alone depends on it."""

Key: TypeAlias = tuple[int, ...]


class Jump(NamedTuple):
    """From instance `at` on, `repeats` times the last `examples` instances, each time later by `cycles`."""

    at: int = 0
    examples: int = 1
    cycles: int = 0
    repeats: int = 0


def bound_cycles(schedule: Schedule) -> int:
    """Return the lower bound of a run, equal to the cycles of `simulate(schedule, unlimited=True)`.

    What a longest path does not tell is simulated: rewrites by age, examples that wait for maintenance, and ops of
    which a later instance may overtake an earlier one. Raises StuckError as `simulate` does.
    """
    paths = Paths(schedule) if _is_path(schedule) else None
    cycles = paths.cycles() if paths is not None and paths.go() else None
    return simulate(schedule, unlimited=True).cycles if cycles is None else cycles


def _is_path(schedule: Schedule) -> bool:
    """Return whether needs alone say when instances start, and those of examples are the same in all batches."""
    needed = {need.op for op in schedule.ops for need in op.needs}
    for op in schedule.ops:
        if op.maintenance is not None:
            if op.instances is None or op.maintenance.period_cycles or op.index in needed:
                return False
        elif not all(_is_steady(need, schedule.batch) for need in op.needs) or not _is_even(op):
            return False
    return True


def _is_steady(need: Need, batch: int) -> bool:
    return need.num * need.scale == need.den and batch * need.num % need.den == 0


def _is_even(op: Op) -> bool:
    return len({_latency(n, op) for n in range(len(op.variants))}) == 1


def _latency(n: int, op: Op) -> int:
    return sum(stage.latency_cycles for stage in op.variants[n % len(op.variants)])


class Paths:
    """When the instances of the ops of examples are done: `times` by op, what is jumped left out."""

    def __init__(self, schedule: Schedule) -> None:
        self.schedule, self.jump, self.examples = schedule, Jump(), schedule.examples
        self.ops = [op for op in schedule.ops if op.maintenance is None]
        self.times: dict[int, list[int]] = {op.index: [] for op in self.ops}
        needs = {need for op in self.ops for need in op.needs}
        self.back = max((n + 1 - need.count(n) for need in needs for n in range(schedule.batch)), default=0)
        """How many instances back an op needs another, at most."""

    def go(self) -> bool:
        """Go through all examples; return whether that was possible."""
        batch, seen = self.schedule.batch, dict[Key, tuple[int, int]]()
        for block in range(1, MOST_BLOCKS + max(0, self.back) // batch):
            reached = min(block * batch, self.examples)
            if not self._reach(reached):
                return False
            if reached == self.examples:
                return True
            if reached >= self.back and not self.jump.repeats:
                end = self.times[self.schedule.end][-1]
                at, cycle = seen.setdefault(self._key(reached, end), (reached, end))
                if at < reached:
                    examples = reached - at
                    self.jump = Jump(reached, examples, end - cycle, (self.examples - reached) // examples)
                    self.examples -= self.jump.repeats * examples
                    if reached == self.examples:
                        return True
        return False

    def _key(self, reached: int, end: int) -> Key:
        """Return what the times of all further instances follow from, relative to the last end."""
        first = reached - max(1, self.back)
        return tuple([time - end for times in self.times.values() for time in times[first:]])

    def _reach(self, count: int) -> bool:
        """Go through so many instances of each op; return whether their needs allow it."""
        left = self.ops
        while left:
            before = sum(len(self.times[op.index]) for op in left)
            still = [op for op in left if not self._advance(op, count)]
            if len(still) == len(left) and before == sum(len(self.times[op.index]) for op in left):
                return False
            left = still
        return True

    def _advance(self, op: Op, count: int) -> bool:
        """Go on with an op as far as its needs are done, up to so many instances; return whether it got there."""
        own, latency = self.times[op.index], _latency(0, op)
        needs = [(self.times[need.op], need) for need in op.needs]
        begun = own[-1] - latency if own else 0
        for n in range(len(own), count):
            for times, need in needs:
                asked = min(need.count(n), self.examples)
                if asked > len(times):
                    return False
                if asked > 0 and times[asked - 1] > begun:
                    begun = times[asked - 1]
            own.append(begun + latency)
        return True

    def cycles(self) -> int:
        """Return when everything is done, maintenance included."""
        total = self.schedule.examples
        ends = [self._time(op.index, total) for op in self.ops]
        for op in self.schedule.ops:
            if op.maintenance is not None and op.instances:
                for n in range(max(0, op.instances - len(op.variants)), op.instances):
                    met = max((self._time(need.op, min(need.count(n), total)) for need in op.needs), default=0)
                    ends.append(met + _latency(n, op))
        return max(ends, default=0)

    def _time(self, op: int, count: int) -> int:
        """Return when so many instances of an op are done."""
        times, (at, examples, cycles, repeats) = self.times[op], self.jump
        if count <= at:
            return times[count - 1] if count > 0 else 0
        again = min((count - 1 - at) // examples + 1, repeats)
        return times[count - 1 - again * examples] + again * cycles
