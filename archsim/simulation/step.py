"""One step under the lens: every stage of a few examples, and the critical path through the last of them.

A step is one example, or one mini-batch, whose examples share their weights.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass
from operator import attrgetter

from archsim.mapping.schedule import Op, Schedule, Stage
from archsim.simulation.choice import begun
from archsim.simulation.events import ENDED, Events
from archsim.simulation.program import FOREVER


@dataclass(frozen=True, slots=True)
class Record:
    """One stage of one instance of an op, in cycles: asked for, granted, ended."""

    op: int
    n: int
    stage: int
    requested: int
    granted: int
    ended: int
    shows: str


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of the critical path: what the step spends these cycles on."""

    what: str
    op: int
    n: int
    start: int
    end: int


@dataclass(frozen=True)
class Step:
    """The step that ends with example `example`: from the end of the step before (`start`) to its own (`end`)."""

    schedule: Schedule
    example: int
    start: int
    end: int
    records: tuple[Record, ...]
    path: tuple[Segment, ...]

    @property
    def cycles(self) -> int:
        """Length of the step in cycles."""
        return self.end - self.start

    @property
    def shares(self) -> dict[str, int]:
        """Cycles of the critical path by what they are spent on, the largest first; they add up to the step."""
        totals: Counter[str] = Counter()
        for segment in self.path:
            totals[segment.what] += segment.end - segment.start
        return dict(sorted(totals.items(), key=lambda pair: (-pair[1], pair[0])))


class _Recorder:
    """Keeps what it is told: stages, and when instances of ops ended."""

    def __init__(self, schedule: Schedule) -> None:
        self._shown = [[[_shown(op, stage) for stage in variant] for variant in op.variants] for op in schedule.ops]
        self._latency = [[[stage.latency_cycles for stage in own] for own in op.variants] for op in schedule.ops]
        self.clear()

    def clear(self) -> None:
        """Forget what was told."""
        self.records: list[Record] = []
        self.ends: dict[tuple[int, int], int] = {}

    def __call__(self, events: Events) -> None:
        """Keep a block."""
        for op, n, stage, asked, cycle in zip(*(column.tolist() for column in events), strict=True):
            if stage == ENDED:
                self.ends[op, n] = cycle
                continue
            shown, latency = self._shown[op], self._latency[op]
            variant = n % len(shown)
            ends = cycle + latency[variant][stage]
            self.records.append(Record(op, n, stage, asked, cycle, ends, shown[variant][stage]))


def _shown(op: Op, stage: Stage) -> str:
    return stage.shows[0][1] if stage.shows else ("load" if op.kind == "load" else "flight")


def record(schedule: Schedule, cycles: int = FOREVER, most: int = FOREVER) -> list[Record]:
    """Return every stage granted, in order; stop after so many cycles or records, when the clock is about to move."""
    recorder = _Recorder(schedule)
    own = begun(schedule, min(schedule.examples, most), hearer=recorder)
    while own.begin_anew() or not (own.finished or own.now > cycles or len(recorder.records) >= most):
        own.advance(own.ended + 1, until=cycles)
        own.flush()
    records = recorder.records
    if len(records) > most:
        last = records[most - 1].granted
        del records[bisect_right(records, last, lo=most, key=attrgetter("granted")) :]
    return records


def trace_step(schedule: Schedule) -> Step:
    """Return a whole early step, after the pipeline has filled, with its critical path, walked backwards.

    Every op was asked for when the last of its needs was met, so each stretch of the path begins where
    another ends. Short schedules give a step that is as clear of their ends as can be.
    """
    spec = schedule.chip.spec.schedule
    margin = schedule.in_flight + spec.prefetch + 1
    enough = 2 * (schedule.in_flight + spec.prefetch + schedule.batch) + 1
    whole = max(1, (min(schedule.examples, enough) - margin) // schedule.batch) * schedule.batch
    last = min(whole, schedule.examples) - 1
    recorder, first = _Recorder(schedule), last - margin - schedule.batch
    own = begun(schedule, last + 1)
    while not (own.finished or own.ended > last):
        is_near = own.ended >= first
        own.hear(recorder if is_near else None)
        own.advance(last + 1 if is_near else first)
        own.flush()
        if own.begin_anew():
            recorder.clear()
    moments = _Moments(schedule, recorder.ends)
    end = moments.end(schedule.end, last)
    start = moments.end(schedule.end, last - schedule.batch) if last >= schedule.batch else 0
    records = tuple(entry for entry in recorder.records if entry.ended > start and entry.requested < end)
    stages: defaultdict[tuple[int, int], list[Record]] = defaultdict(list)
    for entry in records:
        stages[entry.op, entry.n].append(entry)
    path: list[Segment] = []
    at, here = end, (schedule.end, last)

    def spend(what: str, begin: int, until: int) -> None:
        if until > max(begin, start):
            path.append(Segment(what, *here, max(begin, start), until))

    while at > start:
        for entry in reversed(stages[here]):
            what = schedule.ops[entry.op].variants[0][entry.stage].waits
            spend(entry.shows, entry.granted, entry.ended)
            spend(what[1] if what else "waiting_link", entry.requested, entry.granted)
            at = entry.requested
        before = moments.cause(*here, at)
        if before is None:
            spend("waiting_data", start, at)
            break
        here = before
    return Step(schedule, last, start, end, records, tuple(reversed(path)))


class _Moments:
    """When instances of ops ended; barriers take no time and end with the last of what they need."""

    def __init__(self, schedule: Schedule, ends: dict[tuple[int, int], int]) -> None:
        self.schedule = schedule
        self.ends = ends

    def end(self, op: int, n: int) -> int:
        """Return the cycle, or -1 if it was before the recording began."""
        found = self.ends.get((op, n))
        if found is None:
            own = self.schedule.ops[op]
            found = -1 if own.stages or n < 0 else max((self.end(*dep) for dep in self._needs(op, n)), default=-1)
            self.ends[op, n] = found
        return found

    def _needs(self, op: int, n: int) -> list[tuple[int, int]]:
        return [(need.op, min(need.count(n), self.schedule.examples) - 1) for need in self.schedule.ops[op].needs]

    def cause(self, op: int, n: int, at: int) -> tuple[int, int] | None:
        """Return the instance whose end let this one be asked for at that cycle."""
        for before in self._needs(op, n):
            if before[1] >= 0 and self.end(*before) == at:
                return before
        return (op, n - 1) if n and self.end(op, n - 1) == at else None
