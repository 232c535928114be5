"""A run from specs to its result: what `archsim.evaluate` makes, and all that it was made from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archsim.base.uncollected import uncollected
from archsim.base.words import counted
from archsim.chip.graph import Chip, build_chip
from archsim.mapping.modes import build_schedule, without_maintenance
from archsim.mapping.notes import notes_of
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import Schedule
from archsim.mapping.shards import Mapping as ShardMapping
from archsim.results.bill import ActivityFile, Bill, account
from archsim.results.breakdowns import activity_data, link_rows, programming_data
from archsim.results.effort import effort_of, warn_of
from archsim.results.intervals import MOST_TILES, Drawn, drawn_run, has_intervals, of_run
from archsim.results.metrics import HEADLINE, Parts, checked_metrics, measure, metrics_of
from archsim.results.peak import Peak, peak
from archsim.simulation import bound
from archsim.simulation.run import Trace, simulate
from archsim.simulation.step import Step, trace_step
from archsim.spec.arch import ArchSpec
from archsim.workload.network import Workload

if TYPE_CHECKING:
    from archsim.spec.loading import Loaded


ENDS = ("low", "high")
"""Of an interval, as parts of the name of a metric."""


@dataclass(frozen=True)
class Result:
    """A run and everything it was made from; `data` is what metrics.json holds, `activity` what it was billed by.

    `links` are the rows of all links that were used, the busiest first, as `LinkUse` holds them; `drawn` are its
    metrics in draws of the chip's ranges, if it has any.
    """

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    chip: Chip
    mapping: ShardMapping
    schedule: Schedule
    trace: Trace
    bound_cycles: int
    parts: Parts
    bill: Bill
    peak: Peak
    step: Step
    data: Mapping[str, Any]
    links: Sequence[Mapping[str, Any]]
    activity: ActivityFile | None = None
    drawn: Drawn | None = None

    @property
    def passed(self) -> bool:
        """Whether every audit passed, and every cross-check that was made."""
        return all(check["passed"] for check in (*self.data["audits"], *self.data.get("crosscheck", ())))


@uncollected()
def evaluate(
    arch: Loaded[ArchSpec], workload: Loaded[Workload], *, examples: int | None = None, full: bool = False,
    seed: int = 0, activity: ActivityFile | None = None, activity_from: str = "", command: str = "",
    progress: Callable[[int], None] | None = None,
) -> Result:  # fmt: skip
    """Return the result of training `workload` on `arch` for `examples` (by default all epochs).

    With `full` every example is gone through event by event. `seed` and `command` are written into the result;
    `progress` is called with how many examples have ended.
    With `activity`, measured as `activity_from` says, it replaces the spec's energy of array reads.
    Raises SpecError, InfeasibleError or StuckError where that cannot be.
    """
    count = workload.value.examples if examples is None else examples
    chip = build_chip(arch.value)
    mapping = timed_mapping(workload.value, chip, count)
    warn_of(effort_of(chip, mapping))
    schedule = build_schedule(chip, mapping, count)
    trace = simulate(schedule, full=full, progress=progress)
    bound_cycles = bound.bound_cycles(schedule)
    bill = account(trace, activity)
    top = peak(chip, workload.value.mode, mapping.workload.steps)
    parts = _parts(schedule, trace, bound_cycles, top)
    links = link_rows(trace)
    data = measure(arch, workload, trace, bound_cycles, parts, bill, top, links, seed=seed, command=command)
    data["activity"] = activity_data(trace, bill, activity, activity_from)
    drawn = drawn_run(arch, trace, activity, bill.programmed)
    if drawn is not None and (found := drawn.intervals()):
        data |= found.plain()
    large = arch.ranges and not has_intervals(arch)
    unsure = [f"there are no intervals, as the chip has more than {counted(MOST_TILES, 'tile')}"] if large else []
    taken = [told] if (told := workload.defaults_told) else []
    if notes := [*taken, *notes_of(chip, workload.value), *arch.misfits(), *unsure]:
        data["notes"] = notes
    if workload.value.program:
        data["programming"] = programming_data(chip, mapping)
    step = trace_step(schedule)
    return Result(
        arch, workload, chip, mapping, schedule, trace, bound_cycles, parts, bill, top, step, data, links, activity,
        drawn,
    )  # fmt: skip


def timed_mapping(workload: Workload, chip: Chip, examples: int) -> ShardMapping:
    """Return where a workload as it is timed lies; memories must hold its longest example, too."""
    found = map_workload(workload, chip)
    if workload.timed is workload:
        return found
    build_schedule(chip, found, examples)
    return map_workload(workload.timed, chip)


@uncollected()
def checked(
    arch: Loaded[ArchSpec], workload: Loaded[Workload], examples: int, *, activity: ActivityFile | None = None,
    progress: Callable[[int], None] | None = None, intervals: bool = False,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:  # fmt: skip
    """Return the metrics and the audits that `evaluate` returns, to the bit, without breakdowns: in half of the time.

    With `intervals`, the ends of that of a metric are two more, NAME_low and NAME_high.
    Raises SpecError, InfeasibleError or StuckError where that cannot be.
    """
    chip = build_chip(arch.value)
    schedule = build_schedule(chip, timed_mapping(workload.value, chip, examples), examples)
    trace = simulate(schedule, progress=progress)
    bound_cycles = bound.bound_cycles(schedule)
    top = peak(chip, workload.value.mode, schedule.mapping.workload.steps)
    bill = account(trace, activity)
    metrics, audits = checked_metrics(arch, workload, trace, bound_cycles, bill, top)
    found = of_run(arch, trace, activity, bill.programmed) if intervals else None
    for name, ends in ({} if found is None else found.intervals).items():
        metrics |= {f"{name}_{which}": end for which, end in zip(ENDS, ends, strict=True)}
    return metrics, audits


@uncollected()
def headline_metrics(spec: ArchSpec, workload: Workload, examples: int) -> dict[str, float]:
    """Return the metrics that `HEADLINE` names, in SI units, of one simulation, without audits, bound and breakdowns.

    Raises InfeasibleError, SpecError or StuckError as `evaluate` does.
    """
    chip = build_chip(spec)
    trace = simulate(build_schedule(chip, timed_mapping(workload, chip, examples), examples))
    found = metrics_of(trace, account(trace, places=False), peak(chip, workload.mode, workload.timed.steps))
    return {name: found[name] for name in HEADLINE}


def _parts(schedule: Schedule, trace: Trace, bound_cycles: int, top: Peak) -> Parts:
    free, busy = bound_cycles, trace.cycles
    if any(op.maintenance is not None and op.instances != 0 for op in schedule.ops):
        calm = without_maintenance(schedule)
        free, busy = bound.bound_cycles(calm), simulate(calm).cycles
    interval = round(top.time_per_example_s * float(schedule.chip.spec.technology.clock_hz) * trace.examples)
    return Parts(interval, free - interval, busy - free, trace.cycles - busy)
