"""Maintenance under way: transfers and rewrites, when they are due, and the dwell times that their reads close."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import mul
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.mapping.schedule import Maintenance, Schedule
from archsim.simulation.dwell import DwellTimes, UpdateLog
from archsim.simulation.program import Program

Int: TypeAlias = NDArray[np.int64]


def _numbers(numbers: Sequence[int]) -> Int:
    return np.array(numbers, dtype=np.int64)


def alike(numbers: list[int]) -> bool:
    """Return whether all numbers are the same, as those of row groups are where a shard is transferred as a whole."""
    return numbers.count(numbers[0]) == len(numbers)


@lru_cache(maxsize=256)
def _reads(groups: tuple[int, ...], cols: int, group_cycles: int) -> tuple[Int, Int]:
    """Return after how many cycles groups of so many rows and columns are read, and the cells of each."""
    after, cells = group_cycles * np.arange(len(groups), dtype=np.int64), _numbers(groups) * cols
    after.flags.writeable = cells.flags.writeable = False
    return after, cells


class Upkeep:
    """The state of a chip's maintenance. Cycles are those of the run, but for what `clock` says.

    `cycles` [2] counts those in which shards were in transfer, in rewrite; `due` says by shard when it is to be
    rewritten next; `read_until` by shard and row group up to which update a read has closed the dwell times. `dirty` is
    set whenever maintenance begins, ends, or is waited for. `journal`, if there is one, takes what happens: (whether it
    is a start of maintenance, its op, the cycle), else the end of an update.
    """

    def __init__(self, schedule: Schedule, program: Program) -> None:
        self._schedule, self._maintenance = schedule, program.maintenance
        self.active = [0, 0]  # shards in transfer, in rewrite
        self.active_since = [0, 0]
        self.cycles = [0, 0]
        self.cells_active = 0
        self.cells_peak = 0
        cared = {op.maintenance.shard for op in schedule.ops if op.maintenance is not None and op.instances != 0}
        self.logs = {shard.index: UpdateLog() for shard in schedule.mapping.shards if shard.index in cared}
        self.read_until: dict[int, list[int]] = {}
        self.due: dict[int, int] = {}
        self.periods: dict[int, int] = {}
        for m in filter(None, self._maintenance):
            groups = max(sum(map(len, m.groups)), len(self.read_until.get(m.shard, ())))
            self.read_until[m.shard] = [0] * groups
            if m.period_cycles:
                self.due[m.shard] = self.periods[m.shard] = m.period_cycles
        self.log_of_update = {schedule.updates[shard]: log for shard, log in self.logs.items()}
        self.dwell = DwellTimes()
        self.journal: list[tuple[bool, int, int]] | None = None
        self.dirty = False

    def begin(self, op: int, n: int, clock: int, now: int) -> None:
        """Instance `n` of a maintenance op begins."""
        m = self._of(op)
        self.dirty = True
        which = 1 if m.period_cycles else 0
        if not self.active[which]:
            self.active_since[which] = clock
        self.active[which] += 1
        self.cells_active += m.cells_at_once
        if not m.period_cycles:
            self.cells_peak = max(self.cells_peak, self.cells_active)
        if self.journal is not None:
            self.journal.append((True, op, now))
        self.read_capacitors(op, n, now)

    def end(self, op: int, clock: int, now: int) -> None:
        """An instance of a maintenance op is done."""
        m = self._of(op)
        self.dirty = True
        which = 1 if m.period_cycles else 0
        self.active[which] -= 1
        if not self.active[which]:
            self.cycles[which] += clock - self.active_since[which]
        self.cells_active -= m.cells_at_once
        if m.shard in self.due:
            self.due[m.shard] = now + self.periods[m.shard]

    def update_ends(self, op: int, now: int) -> None:
        """An update of a shard that is maintained is done."""
        self.log_of_update[op].add(now)
        if self.journal is not None:
            self.journal.append((False, op, now))

    def cycles_until(self, clock: int) -> list[int]:
        """Return `cycles` with what is still under way."""
        return [
            cycles + (clock - since if active else 0)
            for cycles, since, active in zip(self.cycles, self.active_since, self.active, strict=True)
        ]

    def read_capacitors(self, op: int, n: int, cycle: int) -> None:
        """Close the dwell times of the updates that instance `n` of a maintenance op, begun at `cycle`, reads."""
        shard = self._of(op).shard
        self.read_each(shard, [(op, n, cycle, self.logs[shard].count)])

    def read_each(self, shard: int, reads: Sequence[tuple[int, int, int, int]]) -> None:
        """Close the dwell times of what instances of maintenance ops of a shard read, one after another.

        Each is (op, instance, the cycle in which it begins, how many updates of the shard were done by then).
        """
        log, until, cols = self.logs[shard], self.read_until[shard], self._schedule.mapping.shards[shard].cols
        single = list[tuple[int, int, int, int]]()
        for op, n, cycle, count in reads:
            m = self._of(op)
            variant = n % len(m.groups)
            groups, first = m.groups[variant], m.first[variant]
            if len(groups) == 1:
                single.append((until[first], cycle, groups[0] * cols, count))
                until[first] = count
                continue
            own = until[first : first + len(groups)]
            after, cells = _reads(groups, cols, m.group_cycles)
            self.dwell.read(log, own[0] if alike(own) else _numbers(own), cycle + after, cells, count)
            until[first : first + len(groups)] = [count] * len(groups)
        if single:
            self.dwell.read(log, *map(_numbers, zip(*single, strict=True)))
        self.dwell.drop(log, until[0] if alike(until) else min(until))

    def settle(self) -> None:
        """Keep all reads so far, and forget the updates that all row groups have read."""
        for shard, log in self.logs.items():
            until = self.read_until[shard]
            self.dwell.drop(log, until[0] if alike(until) else min(until), at_once=1)

    def close(self, done: list[int]) -> None:
        """Count the updates that no read has closed; `done` are the instances of each op."""
        self.settle()
        groups = {m.shard: m.groups for m in filter(None, reversed(self._maintenance))}
        for index, until in self.read_until.items():
            update = self._schedule.updates[index]
            updates = done[update] * len(self._schedule.ops[update].stages)
            cols = self._schedule.mapping.shards[index].cols
            if alike(until):
                self.dwell.open += (updates - until[0]) * sum(map(sum, groups[index])) * cols
            else:
                rows = [row for group in groups[index] for row in group]
                self.dwell.open += (updates * sum(rows) - sum(map(mul, until, rows))) * cols

    def _of(self, op: int) -> Maintenance:
        m = self._maintenance[op]
        assert m is not None
        return m
