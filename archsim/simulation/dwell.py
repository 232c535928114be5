"""Dwell times: how long each update stayed on its capacitor before its row group was read.

Updates are logged per shard as runs of equally spaced times, so that a fast-forwarded stretch is one entry;
a read bins the ages of all updates since the group's last read. Only integers accumulate.
"""

from __future__ import annotations

import bisect
from array import array
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Int = NDArray[np.int64]

# How finely the histogram of dwell times is taken: quantiles are told to a bin, mean and largest are of the times.
_LINEAR = 16  # ages below this have a bin each; above, each octave has this many bins
_OCTAVES = 44
EDGES: Int = np.array(
    [*range(_LINEAR), *((_LINEAR + i) << octave for octave in range(_OCTAVES) for i in range(_LINEAR))], dtype=np.int64
)
"""Lower edges of the histogram's bins, in cycles: exact below 32, then 16 bins per octave."""
# So many histograms of reads are kept (16 KB each), of logs of so few runs: memory and time, no result.
_STEADY_RUNS = 16
_KEPT = 1024
_AT_ONCE = 64
"""Reads of other logs wait until there are so many, to be binned at once; time alone depends on it."""


class UpdateLog:
    """The update times of one shard, in cycles, as runs of equally spaced times; times only grow.

    Updates are numbered from 0. Run i holds the updates up to number `ends[i]` (exclusive), the first at
    `starts[i]`, `steps[i]` cycles apart; `sums[i]` is the sum of all times up to its end.
    """

    def __init__(self) -> None:
        self.starts = array("q")
        self.steps = array("q")
        self.ends = array("q")
        self.sums: list[int] = []
        self.dropped = 0
        self.dropped_sum = 0
        self.unbinned: list[tuple[int, int, Int, Int]] = []  # reads, as (first update, updates by then, times, cells)
        self.waiting = 0  # how many times these are

    @property
    def count(self) -> int:
        """Updates logged so far, forgotten ones included."""
        return self.ends[-1] if self.ends else self.dropped

    def add(self, start: int, step: int = 0, count: int = 1) -> None:
        """Append a run; a run of one that continues the one before is joined to it."""
        if count == 1 and self.ends:
            size = self.ends[-1] - (self.ends[-2] if len(self.ends) > 1 else self.dropped)
            gap = start - (self.starts[-1] + (size - 1) * self.steps[-1])
            if size == 1 or gap == self.steps[-1]:
                self.steps[-1] = gap
                self.ends[-1] += 1
                self.sums[-1] += start
                return
        before = self.sums[-1] if self.sums else self.dropped_sum
        self.ends.append(self.count + count)
        self.starts.append(start)
        self.steps.append(step)
        self.sums.append(before + count * start + step * (count * (count - 1) // 2))

    def last(self) -> tuple[int, int, int]:
        """Return (start, step, updates) of the last run, the updates 0 where there is none."""
        if not self.ends:
            return 0, 0, 0
        before = self.ends[-2] if len(self.ends) > 1 else self.dropped
        return self.starts[-1], self.steps[-1], self.ends[-1] - before

    def extend(self, runs: Int) -> None:
        """Append runs [runs, (start, step, updates)], of which the first stands in place of the last one."""
        if self.ends:
            del self.starts[-1], self.steps[-1], self.ends[-1], self.sums[-1]
        begin, total = self.count, self.sums[-1] if self.sums else self.dropped_sum
        self.starts.frombytes(runs[:, 0].tobytes())
        self.steps.frombytes(runs[:, 1].tobytes())
        self.ends.frombytes((begin + np.cumsum(runs[:, 2])).tobytes())
        for start, step, count in runs.tolist():
            total += count * start + step * (count * (count - 1) // 2)
            self.sums.append(total)

    def drop(self, until: int) -> None:
        """Forget the first `until` updates, as far as whole runs go; `DwellTimes.drop` bins reads of them before."""
        keep = bisect.bisect_right(self.ends, until)
        if keep:
            self.dropped, self.dropped_sum = self.ends[keep - 1], self.sums[keep - 1]
            del self.starts[:keep], self.steps[:keep], self.ends[:keep], self.sums[:keep]

    def _run(self, number: int) -> tuple[int, int, int, int]:
        """Return (start, step, first number, sum before) of the run that holds an update."""
        at = bisect.bisect_right(self.ends, number)
        before = (self.ends[at - 1], self.sums[at - 1]) if at else (self.dropped, self.dropped_sum)
        return self.starts[at], self.steps[at], *before

    def time(self, number: int) -> int:
        """Return the time of an update."""
        start, step, before, _ = self._run(number)
        return start + (number - before) * step

    def sum_from(self, number: int) -> int:
        """Return the sum of the times of all updates from that one on."""
        start, step, before, total = self._run(number)
        skip = number - before
        return self.sums[-1] - total - skip * start - step * (skip * (skip - 1) // 2)

    def until(self, times: Int) -> Int:
        """Return how many updates there were up to and including each of these times."""
        starts, steps, ends = (np.frombuffer(part, dtype=np.int64) for part in (self.starts, self.steps, self.ends))
        return _until(starts, steps, ends, self.dropped, times)

    def relative(self, now: int) -> tuple[bytes, bytes, bytes]:
        """Return the log with times relative to `now`, as part of a state's key."""
        starts, ends = np.frombuffer(self.starts, dtype=np.int64), np.frombuffer(self.ends, dtype=np.int64)
        return (starts - now).tobytes(), self.steps.tobytes(), (ends - self.dropped).tobytes()

    def jump(self, cycles: int, updates: int) -> None:
        """Move all times and numbers, as a recurrence of the whole state does."""
        counts = [end - begin for begin, end in zip([self.dropped, *self.ends], self.ends, strict=False)]
        self.starts = array("q", [start + cycles for start in self.starts])
        self.ends = array("q", [end + updates for end in self.ends])
        self.dropped += updates
        total = self.dropped_sum
        for i, count in enumerate(counts):
            total += count * self.starts[i] + self.steps[i] * (count * (count - 1) // 2)
            self.sums[i] = total


def _until(starts: Int, steps: Int, ends: Int, dropped: int, times: Int) -> Int:
    begins = np.concatenate([np.array([dropped], dtype=np.int64), ends[:-1]])
    run = np.searchsorted(starts, times, side="right") - 1
    inside = np.minimum((times - starts[run]) // np.maximum(steps[run], 1) + 1, (ends - begins)[run])
    return np.where(run < 0, dropped, begins[run] + inside)


@lru_cache(maxsize=_KEPT)
def _binned(starts: bytes, steps: bytes, ends: bytes, first: int, reads: bytes, weights: bytes) -> Int:
    """Return the histogram of the ages of a log's updates from number `first` on, at reads of groups of so many cells.

    It is kept, since tiles of one layer are updated and read in the same rhythm, in every transfer interval.
    """
    start, step, end, at, weight = (
        np.frombuffer(part, dtype=np.int64) for part in (starts, steps, ends, reads, weights)
    )
    last = start[-1] + step[-1] * (end[-1] - (end[-2] if len(end) > 1 else 0) - 1)
    low = max(0, int(np.searchsorted(EDGES, at.min() - last, side="right")) - 1)
    high = int(np.searchsorted(EDGES, at.max() - start[0], side="right"))  # no age is outside of these bins
    at_least = weight @ np.maximum(_until(start, step, end, 0, at[:, None] - EDGES[None, low:high]) - first, 0)
    counts = np.zeros(len(EDGES), dtype=np.int64)
    counts[low:high] = at_least - np.append(at_least[1:], 0)
    counts.flags.writeable = False
    return counts


def _all_binned(log: UpdateLog, firsts: Int, counts: Int, reads: Int, weights: Int) -> Int:
    """Return the histogram of ages at reads of groups of so many cells, of a log's updates from first to count each."""
    first = int(firsts.min())
    low = max(0, int(np.searchsorted(EDGES, reads.min() - log.time(int(counts.max()) - 1), side="right")) - 1)
    high = int(np.searchsorted(EDGES, reads.max() - log.time(first), side="right"))  # no age is outside of these bins
    until = np.minimum(log.until(reads[:, None] - EDGES[None, low:high]), counts[:, None])
    at_least = weights @ np.maximum(until - firsts[:, None], 0)
    found = np.zeros(len(EDGES), dtype=np.int64)
    found[low:high] = at_least - np.append(at_least[1:], 0)
    return found


def forget() -> None:
    """Let go of the histograms kept of earlier simulations, so that the next one takes as long as the first."""
    _binned.cache_clear()


@dataclass
class DwellTimes:
    """Histogram of dwell times over all updates of all cells, with exact total and maximum.

    `counts[i]` cell updates dwelt at least `EDGES[i]` and less than `EDGES[i + 1]` cycles; all are in it once `drop`
    has binned those that wait. `open` were not read again before the end of the run and are in no other figure.
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
        count = log.count - first
        if not count:
            return
        weight, begin = int(weights.sum()), int(reads[0])
        read_at = weight * begin + int(weights @ (reads - begin))
        self.total_cycles += count * read_at - weight * log.sum_from(first)
        self.cells += weight * count
        self.max_cycles = max(self.max_cycles, int(reads.max()) - log.time(first))
        if len(log.starts) > _STEADY_RUNS:
            log.unbinned.append((first, log.count, reads, weights))
            log.waiting += len(reads)
            return
        steady = *log.relative(begin), first - log.dropped, (reads - begin).tobytes(), weights.tobytes()
        self.counts += _binned(*steady)

    def drop(self, log: UpdateLog, until: int, *, at_once: int = _AT_ONCE) -> None:
        """Bin reads of a log that are not yet, if there are so many, and forget its first `until` updates."""
        if 0 < log.waiting < at_once:
            return
        if log.unbinned:
            firsts, counts, times, cells = zip(*log.unbinned, strict=True)
            sizes = list(map(len, times))
            self.counts += _all_binned(
                log, np.repeat(firsts, sizes), np.repeat(counts, sizes), np.concatenate(times), np.concatenate(cells)
            )
            log.unbinned.clear()
            log.waiting = 0
        log.drop(until)

    def snapshot(self) -> tuple[Int, int, int, int]:
        """Return what a jump over whole intervals multiplies, and the maximum."""
        return self.counts.copy(), self.cells, self.total_cycles, self.max_cycles

    def repeat(self, since: tuple[Int, int, int, int], times: int) -> None:
        """Add `times` more of what was added since the snapshot."""
        self.counts += times * (self.counts - since[0])
        self.cells += times * (self.cells - since[1])
        self.total_cycles += times * (self.total_cycles - since[2])
