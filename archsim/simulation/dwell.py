"""Dwell times: how long each update stayed on its capacitor before its row group was read.

Updates are logged per shard as runs of equally spaced times, so that a fast-forwarded stretch is one entry. What reads
close is summed up at once; their histogram is made when it is asked for. Only integers accumulate.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Iterable, Iterator
from functools import lru_cache
from operator import mul
from typing import Any, NamedTuple

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
# So many histograms of reads are kept (16 KB each), of logs of so few runs reads do not wait, and reads of so many
# bytes wait to be binned: memory and time, no result.
_STEADY_RUNS = 16
_KEPT = 1024
_MOST_BYTES = 1 << 26
_AT_ONCE = 64
"""Reads of other logs wait until there are so many, to be kept at once; time alone depends on it."""
_FEW = 8
"""Updates of a run of so few are binned one after another; time alone depends on it."""
_TOGETHER = 512
"""So many reads of a log are binned together."""
_NARROW = 1 << 62
"""Sums below are of 64 bits."""


class Reads(NamedTuple):
    """Reads of row groups of a shard, relative to a cycle and to an update, as bytes of 64-bit integers.

    `starts`, `steps` and `ends` are the log's; read i, in cycle `at[i]` and of `cells[i]`, closes the updates from
    number `firsts[i]` up to `counts[i]`; one of these may stand for all.
    """

    starts: bytes
    steps: bytes
    ends: bytes
    firsts: bytes
    counts: bytes
    at: bytes
    cells: bytes


class UpdateLog:
    """The update times of one shard, in cycles, as runs of equally spaced times; times only grow.

    Updates are numbered from 0. Run i holds the updates up to number `ends[i]` (exclusive), the first at
    `starts[i]`, `steps[i]` cycles apart.
    """

    def __init__(self) -> None:
        self.starts = array("q")
        self.steps = array("q")
        self.ends = array("q")
        self.dropped = 0
        self.waiting: list[tuple[Int, Int, Int, Int]] = []  # reads, as (first updates, updates by then, times, cells)
        self.waits = 0  # how many times these are

    @property
    def count(self) -> int:
        """Updates logged so far, forgotten ones included."""
        return self.ends[-1] if self.ends else self.dropped

    def add(self, start: int, step: int = 0, count: int = 1) -> None:
        """Append a run; a run of one that continues the one before is joined to it."""
        self.add_all([(start, step, count)])

    def add_all(self, runs: Iterable[tuple[int, int, int]]) -> None:
        """Append runs (start, step, updates), one after another."""
        starts, steps, ends = self.starts, self.steps, self.ends
        last, gap, size = self.last()
        end = self.count
        for start, step, count in runs:
            end += count
            if count == 1 and size:
                now = start - (last + (size - 1) * gap)
                if size == 1 or now == gap:
                    steps[-1], ends[-1] = now, end
                    gap, size = now, size + 1
                    continue
            starts.append(start)
            steps.append(step)
            ends.append(end)
            last, gap, size = start, step, count

    def last(self) -> tuple[int, int, int]:
        """Return (start, step, updates) of the last run, the updates 0 where there is none."""
        if not self.ends:
            return 0, 0, 0
        before = self.ends[-2] if len(self.ends) > 1 else self.dropped
        return self.starts[-1], self.steps[-1], self.ends[-1] - before

    def extend(self, runs: Int) -> None:
        """Append runs [runs, (start, step, updates)], of which the first stands in place of the last one."""
        if self.ends:
            del self.starts[-1], self.steps[-1], self.ends[-1]
        begin = self.count
        self.starts.frombytes(runs[:, 0].tobytes())
        self.steps.frombytes(runs[:, 1].tobytes())
        self.ends.frombytes((begin + np.cumsum(runs[:, 2])).tobytes())

    def drop(self, until: int) -> None:
        """Forget the first `until` updates, as far as whole runs go; `DwellTimes.drop` keeps reads of them before."""
        keep = bisect.bisect_right(self.ends, until)
        if keep:
            self.dropped = self.ends[keep - 1]
            del self.starts[:keep], self.steps[:keep], self.ends[:keep]

    def _runs(self) -> tuple[Int, Int, Int, Int]:
        """Return the starts, steps and ends of all runs, and the number of the first update of each."""
        starts, steps, ends = (np.frombuffer(part, dtype=np.int64) for part in (self.starts, self.steps, self.ends))
        begins = np.empty_like(ends)
        begins[:1], begins[1:] = self.dropped, ends[:-1]
        return starts, steps, ends, begins

    def times(self, numbers: Int) -> Int:
        """Return the times of updates."""
        starts, steps, ends, begins = self._runs()
        run = np.searchsorted(ends, numbers, side="right")
        found: Int = starts[run] + (numbers - begins[run]) * steps[run]
        return found

    def total(self, first: int, until: int) -> tuple[int, int]:
        """Return the time of update `first`, and the sum of the times from it up to number `until`, run by run."""
        found, oldest, begin = 0, 0, self.dropped
        for start, step, end in zip(self.starts, self.steps, self.ends, strict=True):
            low, high = max(begin, first), min(end, until)
            if low < high:
                time, size = start + (low - begin) * step, high - low
                found += size * time + step * (size * (size - 1) // 2)
                oldest = time if low == first else oldest
            begin = end
        return oldest, found

    def sums(self, numbers: Int, base: int) -> Int:
        """Return for each number the sum of the times of all updates below it that are not forgotten, less `base` each.

        Entries are Python's integers where they might not fit into 64 bits.
        """
        starts, steps, ends, begins = self._runs()
        span = max(abs(self.starts[0] - base), abs(int(starts[-1] + (ends[-1] - begins[-1]) * steps[-1]) - base))
        kind: Any = np.int64 if span * (self.count - self.dropped) < _NARROW else np.object_
        run = np.minimum(np.searchsorted(ends, numbers, side="right"), len(ends) - 1)
        parts = (starts - base, steps, ends - begins, numbers - begins[run])
        first, step, sizes, more = (part.astype(kind) for part in parts)
        before = np.zeros(len(ends) + 1, dtype=kind)
        np.cumsum(sizes * first + step * (sizes * (sizes - 1) // 2), out=before[1:])
        found: Int = before[run] + more * first[run] + step[run] * (more * (more - 1) // 2)
        return found

    def until(self, times: Int) -> Int:
        """Return how many updates there were up to and including each of these times."""
        starts, steps, ends, _ = self._runs()
        return _until(starts, steps, ends, self.dropped, times)

    def relative(self, now: int) -> tuple[bytes, bytes, bytes]:
        """Return the log with times relative to `now`, as part of a state's key."""
        starts, ends = np.frombuffer(self.starts, dtype=np.int64), np.frombuffer(self.ends, dtype=np.int64)
        return (starts - now).tobytes(), self.steps.tobytes(), (ends - self.dropped).tobytes()

    def jump(self, cycles: int, updates: int) -> None:
        """Move all times and numbers, as a recurrence of the whole state does."""
        self.starts = array("q", [start + cycles for start in self.starts])
        self.ends = array("q", [end + updates for end in self.ends])
        self.dropped += updates


def _until(starts: Int, steps: Int, ends: Int, dropped: int, times: Int) -> Int:
    begins = np.concatenate([np.array([dropped], dtype=np.int64), ends[:-1]])
    run = np.searchsorted(starts, times, side="right") - 1
    inside = np.minimum((times - starts[run]) // np.maximum(steps[run], 1) + 1, (ends - begins)[run])
    return np.where(run < 0, dropped, begins[run] + inside)


@lru_cache(maxsize=_KEPT)
def _binned(own: Reads) -> Int:
    """Return the histogram of the ages that reads close.

    It is kept, since tiles of one layer are updated and read in the same rhythm, in every transfer interval.
    """
    start, step, end, first, count, at, cells = (np.frombuffer(part, dtype=np.int64) for part in own)
    last = start[-1] + step[-1] * (end[-1] - (end[-2] if len(end) > 1 else 0) - 1)
    low = max(0, int(np.searchsorted(EDGES, at.min() - last, side="right")) - 1)
    high = int(np.searchsorted(EDGES, at.max() - start[0], side="right"))  # no age is outside of these bins
    edges = EDGES[low:high]
    if len(first) == len(count) == 1 and len(start) <= _STEADY_RUNS and (np.diff(at) >= 0).all():
        at_least = _in_turn(start, step, end, int(first[0]), int(count[0]), at, cells, edges)
    else:
        until = np.minimum(_until(start, step, end, 0, at[:, None] - edges), count[:, None])
        at_least = cells @ np.maximum(until - first[:, None], 0)
    found = np.zeros(len(EDGES), dtype=np.int64)
    found[low:high] = at_least - np.append(at_least[1:], 0)
    found.flags.writeable = False
    return found


def _in_turn(
    starts: Int, steps: Int, ends: Int, first: int, count: int, at: Int, cells: Int, edges: Int
) -> Int:  # fmt: skip
    """Return how many cell updates of numbers `first` to `count` dwelt at least as long as each edge, run by run.

    All of them are read by each of the reads, `at` times that only grow, of so many cells.
    """
    found = np.zeros(len(edges), dtype=np.int64)
    from_here = np.append(np.cumsum(cells[::-1])[::-1], 0)
    alike = int(cells.min()) == int(cells.max())
    ages, begin = None, 0
    for start, step, end in zip(starts.tolist(), steps.tolist(), ends.tolist(), strict=True):
        low, size = max(begin, first), min(end, count) - max(begin, first)
        time, begin = start + (low - begin) * step, end
        if size <= _FEW or not step:
            for i in range(size):
                found += from_here[np.searchsorted(at, time + i * step + edges)]
            continue
        if ages is None:
            ages = at[:, None] - edges
        inside = ages - (time - step)
        inside //= step
        np.clip(inside, 0, size, out=inside)
        found += int(cells[0]) * inside.sum(axis=0) if alike else cells @ inside
    return found


def forget() -> None:
    """Let go of the histograms kept of earlier simulations, so that the next one takes as long as the first."""
    _binned.cache_clear()


class Moment(NamedTuple):
    """Dwell times at one moment."""

    counts: Int
    reads: dict[Reads, int]
    cells: int
    total_cycles: int


class DwellTimes:
    """Dwell times over all updates of all cells: how many were read, their exact total and maximum, their histogram.

    `open` were not read again before the end of the run and are in no other figure.
    """

    def __init__(
        self, counts: Int | None = None, cells: int = 0, total_cycles: int = 0, max_cycles: int = 0, left: int = 0
    ) -> None:
        self._counts: Int = np.zeros(len(EDGES), dtype=np.int64) if counts is None else counts
        self.cells, self.total_cycles, self.max_cycles, self.open = cells, total_cycles, max_cycles, left
        self._reads: dict[Reads, int] = {}  # how often each is to be added to the counts
        self._bytes = 0

    @property
    def counts(self) -> Int:
        """The histogram: `counts[i]` cell updates dwelt at least `EDGES[i]` and less than `EDGES[i + 1]` cycles.

        All are in it once `drop` has kept those that wait.
        """
        self._bin()
        return self._counts

    def _bin(self) -> None:
        """Add what is kept to the histogram."""
        for own, times in self._reads.items():
            self._counts = self._counts + times * _binned(own)
        self._reads, self._bytes = {}, 0

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

    def read(self, log: UpdateLog, firsts: Int | int, reads: Int, cells: Int, counts: Int | int | None = None) -> None:
        """Close updates of a log: group i, of `cells[i]`, is read at `reads[i]`, those from `firsts[i]` to `counts[i]`.

        By default these are all; one number may stand for all groups. None of these updates is forgotten by the log.
        """
        first, count = np.atleast_1d(firsts), np.atleast_1d(log.count if counts is None else counts)
        if len(log.starts) > _STEADY_RUNS or len(first) > 1 or len(count) > 1:
            log.waiting.append((first, count, reads, cells))
            log.waits += len(reads)
        elif count[0] > first[0]:
            self._close(log, int(first[0]), int(count[0]), reads, cells)
            self._keep(log, first, count, reads, cells)

    def _close(self, log: UpdateLog, first: int, count: int, reads: Int, cells: Int) -> None:
        """Sum up reads that close the same updates of a log of few runs."""
        oldest, total = log.total(first, count)
        begin, size = int(reads[0]), int(cells.sum())
        read_at = size * begin + int(cells @ (reads - begin))
        self.total_cycles += (count - first) * read_at - size * total
        self.cells += size * (count - first)
        self.max_cycles = max(self.max_cycles, int(reads.max()) - oldest)

    def _close_each(self, log: UpdateLog, first: Int, count: Int, reads: Int, cells: Int) -> None:
        """Sum up reads, each of which closes updates of its own."""
        base = log.starts[0]
        sums, updates, at = log.sums(count, base) - log.sums(first, base), count - first, reads - base
        if int(at.max()) * int(updates.max()) < _NARROW:
            dwelt = updates * at - sums
        else:
            dwelt = updates.astype(np.object_) * at.astype(np.object_) - sums
        self.total_cycles += sum(map(mul, cells.tolist(), dwelt.tolist()))
        self.cells += int((cells * updates).sum())
        self.max_cycles = max(self.max_cycles, int((reads - log.times(first)).max()))

    def _keep(self, log: UpdateLog, first: Int, count: Int, reads: Int, cells: Int) -> None:
        """Keep reads, to be binned when that is asked for."""
        begin = int(reads[0])
        own = Reads(
            *log.relative(begin), (first - log.dropped).tobytes(), (count - log.dropped).tobytes(),
            (reads - begin).tobytes(), cells.tobytes(),
        )  # fmt: skip
        if own not in self._reads:
            self._bytes += sum(map(len, own))
        self._reads[own] = self._reads.get(own, 0) + 1
        if self._bytes > _MOST_BYTES:
            self._bin()

    def drop(self, log: UpdateLog, until: int, *, at_once: int = _AT_ONCE) -> None:
        """Close and keep what waits, if that is so much, and forget the first `until` updates of a log."""
        if 0 < log.waits < at_once:
            return
        for some in _together(log.waiting):
            self._close_each(log, *some)
            self._keep(log, *some)
        log.waiting, log.waits = [], 0
        log.drop(until)

    def snapshot(self) -> Moment:
        """Return what a jump over whole intervals multiplies."""
        return Moment(self._counts.copy(), dict(self._reads), self.cells, self.total_cycles)

    def repeat(self, since: Moment, times: int) -> None:
        """Add `times` more of what was added since the snapshot."""
        self._counts = self._counts + times * (self._counts - since.counts)
        for own in {**since.reads, **self._reads}:
            now = self._reads.get(own, 0)
            self._reads[own] = now + times * (now - since.reads.get(own, 0))
        self.cells += times * (self.cells - since.cells)
        self.total_cycles += times * (self.total_cycles - since.total_cycles)


def _together(waiting: list[tuple[Int, Int, Int, Int]]) -> Iterator[tuple[Int, Int, Int, Int]]:
    """Yield reads that close any updates, in their order, many at once: (first updates, updates by then, times, cells).

    There are as many of each.
    """
    if waiting:
        first, count, reads, cells = (
            np.concatenate([own[part] if len(own[part]) == len(own[2]) else own[part].repeat(len(own[2]))
                            for own in waiting])
            for part in range(4)
        )  # fmt: skip
        some = np.flatnonzero(count > first)
        for own in np.split(some, range(_TOGETHER, len(some), _TOGETHER)) if len(some) else ():
            yield first[own], count[own], reads[own], cells[own]
