"""One step under the lens: every stage of a few examples, and the critical path through the last of them.

A step is one example, or one mini-batch, whose examples share their weights.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from archsim.mapping.schedule import Op, Schedule
from archsim.simulation.engine import Engine


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
    def __init__(self) -> None:
        self.records: list[Record] = []
        self.ends: dict[tuple[int, int], int] = {}

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        pass

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        own = op.variants[n % len(op.variants)][stage]
        shows = own.shows[0][1] if own.shows else ("load" if op.kind == "load" else "flight")
        self.records.append(Record(op.index, n, stage, requested, granted, ends, shows))

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        self.ends[op.index, n] = cycle


def record(schedule: Schedule, cycles: int | None = None, most: int = 1 << 62) -> list[Record]:
    """Return every stage granted, in order; stop after so many cycles or records."""
    recorder = _Recorder()
    engine = Engine(schedule, observer=recorder)
    while not engine.finished and (cycles is None or engine.now <= cycles) and len(recorder.records) < most:
        engine.step()
    return recorder.records


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
    recorder = _Recorder()
    engine = Engine(schedule)
    while not engine.finished and engine.done[schedule.end] <= last:
        if engine.done[schedule.end] >= last - margin - schedule.batch:
            engine.observer = recorder
        engine.step()
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
