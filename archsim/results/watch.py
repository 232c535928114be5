"""What a cross-check notes of the events as they happen: how stale weights are, and when capacitors are read."""

from __future__ import annotations

from collections import Counter
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.mapping.schedule import Maintenance, Op, Schedule
from archsim.simulation.engine import Observer

I64: TypeAlias = npt.NDArray[np.int64]


class Watch:
    """An observer that notes what the model is held against: staleness, and when capacitors were read.

    `stale[shard]` counts forward passes by how many updates of earlier examples had not ended when they started.
    `reads` lists the maintenance ops: (op, instance, cycles since each of its rows was written, updates so far).
    `until[shard]` says up to which cycle each row has leaked, which is told every `leak_interval` examples.
    Whatever is noted is passed on to the observer `then`.
    """

    def __init__(self, schedule: Schedule, then: Observer | None = None) -> None:
        self._then = then
        shards = schedule.mapping.shards
        self._interval = schedule.leak_interval
        self._shard = {shard.tile: shard.index for shard in shards}
        self.stale: list[Counter[int]] = [Counter() for _ in shards]
        self.reads: list[tuple[int, int, I64, int]] = []
        self.until = [np.zeros(shard.rows, dtype=np.int64) for shard in shards]
        self._written = [np.zeros(shard.rows, dtype=np.int64) for shard in shards]
        self._updates = [0] * len(shards)

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        """Note how stale a forward pass is, and for how long rows that are read now were left alone."""
        if op.kind == "forward":
            shard = self._shard[op.tile]
            self.stale[shard][n - self._updates[shard]] += 1
        elif op.maintenance is not None:
            m = op.maintenance
            first, reads = rows_read(m, n, cycle)
            own = slice(first, first + len(reads))
            self.reads.append((op.index, n, reads - self._written[m.shard][own], self._updates[m.shard]))
            self._written[m.shard][own] = self.until[m.shard][own] = reads + m.group_cycles
        if self._then is not None:
            self._then.on_start(op, n, cycle)

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        """Stages within an op change nothing here."""
        if self._then is not None:
            self._then.on_stage(op, n, stage, requested, granted, ends)

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        """Count updates."""
        if op.kind == "update":
            shard = self._shard[op.tile]
            self._updates[shard] += 1
            if (n + 1) % self._interval == 0:
                np.maximum(self.until[shard], cycle, out=self.until[shard])
        if self._then is not None:
            self._then.on_end(op, n, cycle)


def rows_read(m: Maintenance, n: int, cycle: int) -> tuple[int, I64]:
    """Return the first row that an instance, begun in that cycle, reads, and when it reads that and the next ones."""
    variant = n % len(m.groups)
    groups = m.groups[variant]
    reads = np.repeat(cycle + m.group_cycles * np.arange(len(groups), dtype=np.int64), groups)
    return sum(map(sum, m.groups[:variant])), reads
