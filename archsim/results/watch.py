"""What a cross-check notes of the events as they happen: how stale weights are, and when capacitors are read."""

from __future__ import annotations

from collections import Counter

import numpy as np

from archsim.base.arrays import I64
from archsim.mapping.schedule import Maintenance, Schedule
from archsim.simulation.events import ENDED, Events


class Watch:
    """Notes of the events, block by block, what the model is held against: staleness, and when capacitors were read.

    `stale[shard]` counts forward passes by how many updates of earlier examples had not ended when they started.
    `reads` lists the maintenance ops: (op, instance, cycles since each of its rows was written, updates so far).
    `until[shard]` says up to which cycle each row has leaked, which is told every `leak_interval` examples.
    """

    def __init__(self, schedule: Schedule) -> None:
        shards, ops = schedule.mapping.shards, schedule.ops
        self._ops, self._interval = ops, schedule.leak_interval
        by_tile = {shard.tile: shard.index for shard in shards}
        self._shard = np.array([by_tile.get(op.tile, -1) for op in ops], dtype=np.int64)
        self._forwards, self._updates = (
            np.array([op.kind == kind for op in ops], dtype=bool) for kind in ("forward", "update")
        )
        self._updates &= self._shard >= 0
        self._maintains = np.array([op.maintenance is not None for op in ops], dtype=bool)
        self.stale: list[Counter[int]] = [Counter() for _ in shards]
        self.reads: list[tuple[int, int, I64, int]] = []
        self.until = [np.zeros(shard.rows, dtype=np.int64) for shard in shards]
        self._written = [np.zeros(shard.rows, dtype=np.int64) for shard in shards]
        self._ended = np.zeros(len(shards), dtype=np.int64)

    def __call__(self, events: Events) -> None:
        """Note how stale forward passes are, for how long rows that are read were left alone, and updates."""
        op, n, stage, _, cycle = events
        ends, begins = self._updates[op] & (stage == ENDED), stage == 0
        ended_at = np.flatnonzero(ends)
        self._count_stale(op, n, ends, np.flatnonzero(ends | (self._forwards[op] & begins)))
        is_tick = ends & ((n + 1) % self._interval == 0)
        for at in np.flatnonzero(is_tick | (self._maintains[op] & begins)).tolist():
            index, instance, now = int(op[at]), int(n[at]), int(cycle[at])
            m = self._ops[index].maintenance
            if m is None:
                until = self.until[self._shard[index]]
                np.maximum(until, now, out=until)
                continue
            before = op[ended_at[: np.searchsorted(ended_at, at)]]
            updates = int(self._ended[m.shard] + np.count_nonzero(self._shard[before] == m.shard))
            first, reads = rows_read(m, instance, now)
            own = slice(first, first + len(reads))
            self.reads.append((index, instance, reads - self._written[m.shard][own], updates))
            self._written[m.shard][own] = self.until[m.shard][own] = reads + m.group_cycles
        self._ended += np.bincount(self._shard[op[ended_at]], minlength=len(self._ended))

    def _count_stale(self, op: I64, n: I64, ends: I64, at: I64) -> None:
        """Count the forward passes among the events `at` some places by how many updates had not ended by then."""
        at = at[np.argsort(self._shard[op[at]], kind="stable")]
        shard, is_end = self._shard[op[at]], ends[at]
        so_far = np.cumsum(is_end)
        in_shard = np.bincount(shard[is_end], minlength=len(self._ended))
        so_far += (self._ended - np.cumsum(in_shard) + in_shard)[shard]
        behind = (n[at] - so_far)[~is_end]
        found, counts = np.unique(np.stack([shard[~is_end], behind]), axis=1, return_counts=True)
        for own, updates, count in zip(*found.tolist(), counts.tolist(), strict=True):
            self.stale[own][updates] += count


def rows_read(m: Maintenance, n: int, cycle: int) -> tuple[int, I64]:
    """Return the first row that an instance, begun in that cycle, reads, and when it reads that and the next ones."""
    variant = n % len(m.groups)
    groups = m.groups[variant]
    reads = np.repeat(cycle + m.group_cycles * np.arange(len(groups), dtype=np.int64), groups)
    return sum(map(sum, m.groups[:variant])), reads
