"""One step under the lens: every stage of a few examples, and the critical path through the last of them."""

from __future__ import annotations

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
    """The step that ends example `example`: from the end of the one before (`start`) to its own (`end`)."""

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
        totals: dict[str, int] = {}
        for segment in self.path:
            totals[segment.what] = totals.get(segment.what, 0) + segment.end - segment.start
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


def record(schedule: Schedule, cycles: int | None = None) -> tuple[list[Record], dict[tuple[int, int], int]]:
    """Return every stage granted, and when each instance of an op ended; stop after so many cycles."""
    recorder = _Recorder()
    engine = Engine(schedule, observer=recorder)
    while not engine.finished and (cycles is None or engine.now <= cycles):
        engine.step()
    return recorder.records, recorder.ends


def trace_step(schedule: Schedule) -> Step:
    """Return a whole step of a short schedule, clear of its ends, with its critical path, walked backwards.

    It is the last example after which a full pipeline follows; the schedule should be some pipelines long.
    Every op was asked for when the last of its needs was met, so each stretch of the path begins where
    another ends.
    """
    records, ends = record(schedule)
    stages: dict[tuple[int, int], list[Record]] = {}
    for entry in records:
        stages.setdefault((entry.op, entry.n), []).append(entry)
    for op in schedule.ops:  # barriers take no time: they end with the last of what they need
        if not op.stages:
            for n in range(schedule.examples):
                _barrier_end(schedule, op, n, ends)
    spec = schedule.chip.spec.schedule
    margin = schedule.in_flight + spec.prefetch + 1
    last = max(0, (schedule.examples - margin) // schedule.batch * schedule.batch - 1)
    end = ends[schedule.end, last]
    start = ends[schedule.end, last - 1] if last else 0
    path: list[Segment] = []
    at, here = end, (schedule.end, last)
    while at > start:
        for entry in reversed(stages.get(here, [])):
            what = schedule.ops[entry.op].variants[0][entry.stage].waits
            _add(path, entry.shows, here, max(entry.granted, start), entry.ended, start)
            _add(path, what[1] if what else "waiting_link", here, entry.requested, entry.granted, start)
            at = entry.requested
        before = _cause(schedule, here, at, ends)
        if before is None:
            _add(path, "waiting_data", here, start, at, start)
            break
        here = before
    return Step(schedule, last, start, end, tuple(records), tuple(reversed(path)))


def _barrier_end(schedule: Schedule, op: Op, n: int, ends: dict[tuple[int, int], int]) -> int:
    if (op.index, n) not in ends:
        times = []
        for need in op.needs:
            dep, m = schedule.ops[need.op], need.count(n) - 1
            times.append(_barrier_end(schedule, dep, m, ends) if not dep.stages else ends[dep.index, m])
        ends[op.index, n] = max(times)
    return ends[op.index, n]


def _cause(
    schedule: Schedule, here: tuple[int, int], at: int, ends: dict[tuple[int, int], int]
) -> tuple[int, int] | None:
    """Return the instance whose end let this one be asked for at that cycle."""
    op, n = here
    for need in schedule.ops[op].needs:
        m = min(need.count(n), schedule.examples) - 1
        if m >= 0 and ends.get((need.op, m)) == at:
            return need.op, m
    return (op, n - 1) if n and ends.get((op, n - 1)) == at else None


def _add(path: list[Segment], what: str, here: tuple[int, int], begin: int, end: int, least: int) -> None:
    begin = max(begin, least)
    if end > begin:
        path.append(Segment(what, *here, begin, end))
