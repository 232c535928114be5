"""For how long capacitors have held: cycles since rows leaked and were read, while a timeline is played."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from archsim.base.arrays import I64
from archsim.base.machine_code import lean


@lean()
def lag(last: I64, until: int) -> int:
    """Return by how many cycles, 0 at least, all rows are behind one; -1 if not all of them are by the same."""
    for row in range(1, last.shape[0]):
        if last[row] != last[0]:
            return -1
    return max(0, until - int(last[0]))


class CapacitorTimes:
    """What the model knows of the capacitors' times, by shard and row: cycles, whole numbers only.

    `leaked` is for how long rows have leaked since they were last read by a transfer or rewrite. Dwell times, from
    the end of an update to that read, are added up over the cells: `dwell_cells` of them, `dwell_cycles` in all. If
    `log` is a list, each such read is appended: (op, instance, cycles leaked by each of its rows, updates of the
    shard so far).
    """

    def __init__(self, rows: Sequence[int]) -> None:
        self.leaked = [np.zeros(count, dtype=np.int64) for count in rows]
        self._read = [np.zeros(count, dtype=np.int64) for count in rows]  # updates up to the last read
        self._ended = [np.zeros(count, dtype=np.int64) for count in rows]  # and the sum of the times of their ends
        self.dwell_cells = 0
        self.dwell_cycles = 0
        self.log: list[tuple[int, int, I64, int]] | None = None

    @property
    def dwell_mean_cycles(self) -> float | None:
        """Mean dwell time over updates of cells; None if nothing was ever read."""
        return self.dwell_cycles / self.dwell_cells if self.dwell_cells else None

    def read(self, op: int, n: int, shard: int, first: int, reads: I64, applied: int, ended: int, cols: int) -> None:
        """Close the times of the rows from `first` on, read at `reads`, after so many updates with these ends."""
        own = slice(first, first + len(reads))
        updates = applied - self._read[shard][own]
        self.dwell_cells += cols * int(updates.sum())
        self.dwell_cycles += cols * int((updates * reads - (ended - self._ended[shard][own])).sum())
        self._read[shard][own] = applied
        self._ended[shard][own] = ended
        if self.log is not None:
            self.log.append((op, n, self.leaked[shard][own].copy(), applied))
        self.leaked[shard][own] = 0

    def arrays(self) -> dict[str, I64]:
        """Return what is kept by row, by name, and not copied."""
        kept = {"leaked": self.leaked, "read": self._read, "ended": self._ended}
        return {f"{name}{shard}": own for name, shards in kept.items() for shard, own in enumerate(shards)}
