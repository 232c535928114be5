"""Dwell times: how long each update stayed on its capacitor before its row group was read.

Updates are logged per shard as runs of equally spaced times, so that a fast-forwarded stretch is one entry;
a read bins the ages of all updates since the group's last read. Only integers accumulate.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]

_LINEAR = 16  # ages below this have a bin each; above, each octave has this many bins
_OCTAVES = 44
EDGES: Int = np.array(
    [*range(_LINEAR), *((_LINEAR + i) << octave for octave in range(_OCTAVES) for i in range(_LINEAR))], dtype=np.int64
)
"""Lower edges of the histogram's bins, in cycles: exact below 32, then 16 bins per octave."""

_MANY = 100_000


@dataclass
class UpdateLog:
    """The update times of one shard, in cycles, as runs (start, step, count); times only grow."""

    starts: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)  # updates up to and including each run
    dropped: int = 0

    @property
    def count(self) -> int:
        """Updates logged so far."""
        return self.ends[-1] if self.ends else self.dropped

    def add(self, start: int, step: int = 0, count: int = 1) -> None:
        """Append a run; a run of one that continues the one before is joined to it."""
        if count == 1 and self.ends:
            before = self.ends[-2] if len(self.ends) > 1 else self.dropped
            size = self.ends[-1] - before
            gap = start - (self.starts[-1] + (size - 1) * self.steps[-1])
            if size == 1 or gap == self.steps[-1]:
                self.steps[-1] = gap
                self.ends[-1] += 1
                return
        total = self.count + count
        self.starts.append(start)
        self.steps.append(step)
        self.ends.append(total)

    def drop(self, until: int) -> None:
        """Forget the first `until` updates, as far as whole runs go."""
        keep = bisect.bisect_right(self.ends, until)
        if keep:
            self.dropped = self.ends[keep - 1]
            del self.starts[:keep], self.steps[:keep], self.ends[:keep]

    def runs(self, first: int) -> list[tuple[int, int, int]]:
        """Return the runs (start, step, count) of all updates from number `first` on."""
        out = []
        at = bisect.bisect_right(self.ends, first)
        before = self.ends[at - 1] if at else self.dropped
        for start, step, end in zip(self.starts[at:], self.steps[at:], self.ends[at:], strict=True):
            skip = max(0, first - before)
            out.append((start + skip * step, step, end - before - skip))
            before = end
        return out

    def relative(self, now: int) -> tuple[Any, ...]:
        """Return the log with times relative to `now`, as part of a state's key."""
        return tuple((start - now, step, count) for start, step, count in self.runs(self.dropped))

    def shift(self, cycles: int) -> None:
        """Move all times."""
        self.starts = [start + cycles for start in self.starts]


@dataclass
class DwellTimes:
    """Histogram of dwell times over all updates of all cells, with exact total and maximum.

    `counts[i]` cell updates dwelt at least `EDGES[i]` and less than `EDGES[i + 1]` cycles. `open` were not
    read again before the end of the run and are in no other figure.
    """

    counts: Int = field(default_factory=lambda: np.zeros(len(EDGES), dtype=np.int64))
    cells: int = 0
    total_cycles: int = 0
    max_cycles: int = 0
    open: int = 0

    @property
    def mean_cycles(self) -> float | None:
        """Mean dwell time in cycles; None if nothing was ever read."""
        return self.total_cycles / self.cells if self.cells else None

    def percentile_cycles(self, share: float) -> int | None:
        """Return the upper edge of the bin below which that share of all dwell times lies."""
        if not self.cells:
            return None
        reached = int(np.searchsorted(np.cumsum(self.counts), share * self.cells))
        return min(self.max_cycles, int(EDGES[min(reached + 1, len(EDGES) - 1)]))

    def read(self, log: UpdateLog, first: int, reads: Int, weights: Int) -> None:
        """Close all updates from number `first` on: group i is read at `reads[i]` and has `weights[i]` cells."""
        runs = log.runs(first)
        if not runs:
            return
        below = np.zeros(len(EDGES), dtype=np.int64)
        weight = int(weights.sum())
        read_at = sum(int(w) * int(r) for w, r in zip(weights, reads, strict=True))
        few: list[Int] = []
        for start, step, count in runs:
            self.total_cycles += count * read_at - weight * (count * start + step * (count * (count - 1) // 2))
            self.cells += weight * count
            if count <= _MANY:
                few.append(start + step * np.arange(count, dtype=np.int64))
            else:
                below += _at_least(start, step, count, reads, weights)
        self.max_cycles = max(self.max_cycles, int(reads.max()) - runs[0][0])
        if few:
            times_sorted = np.concatenate(few)
            later = np.searchsorted(times_sorted, reads[:, None] - EDGES[None, :], side="right")
            below += weights @ later
        self.counts += below - np.append(below[1:], 0)

    def snapshot(self) -> tuple[Int, int, int, int]:
        """Return what a jump over whole intervals multiplies, and the maximum."""
        return self.counts.copy(), self.cells, self.total_cycles, self.max_cycles

    def repeat(self, since: tuple[Int, int, int, int], times: int) -> None:
        """Add `times` more of what was added since the snapshot."""
        self.counts += times * (self.counts - since[0])
        self.cells += times * (self.cells - since[1])
        self.total_cycles += times * (self.total_cycles - since[2])


def _at_least(start: int, step: int, count: int, reads: Int, weights: Int) -> Int:
    """Return, for each edge, the weighted number of a long run's updates that are at least so old."""
    room = reads[:, None] - EDGES[None, :] - start
    number = np.where(room < 0, 0, room // max(step, 1) + 1)
    return np.asarray(weights @ np.minimum(number, count))
