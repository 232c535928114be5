"""Intervals of metrics: how far ranges of the spec's figures move them.

Each draw takes a chip whose figures lie within their ranges. As long as none of them touches time, the run stands and
its counters are billed anew; otherwise each draw is simulated, and there are fewer. What a model leaves out is in no
interval: only figures vary, never the structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from archsim.base.arrays import F64
from archsim.base.errors import ArchsimError
from archsim.base.record import Record
from archsim.chip.graph import Chip, build_chip
from archsim.mapping.modes import build_schedule
from archsim.mapping.schedule import Op, Schedule
from archsim.results.bill import ActivityFile, Counters
from archsim.results.metrics import billed_metrics, metrics_at
from archsim.results.peak import PeakWork, peak, peak_metrics, peak_work
from archsim.simulation.run import Trace, simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.figure_ranges import SHARE, Range, canonical, with_figures
from archsim.spec.figures import value_at
from archsim.spec.loading import fitted_chip

if TYPE_CHECKING:
    from archsim.spec.loading import Loaded

BILLED, SIMULATED = 200, 32
"""Draws, where the counters are billed anew and where each is simulated."""
TILES, MOST_TILES = 64, 1024
"""Above so many tiles there are fewer draws, as each lays out a chip, and above so many there are no intervals."""
TOLD = 3
"""So many ranges are told that make most of an interval."""
LEAST = 0.05
"""A range is told if it makes at least this share of the variance of a metric's ranks; so many draws show less of
nothing at all."""
MOVED = 2e-3
"""What moves by no more, as a share, counts as not moved."""
NUDGE = 0.9
"""By what a figure is multiplied to see how a metric goes with it; smaller parts fit wherever they did."""
LEAST_FITTED = 0.05
"""So much of itself a fitted figure keeps at least, where a draw leaves nothing over for it. An assumption."""
Metrics = Mapping[str, Any]
K = TypeVar("K")


class Cause(Record):
    """Figures that err together, and the `share` of the variance of a metric's ranks that goes with them."""

    name: str
    figures: tuple[str, ...]
    share: float


class Uncertainty(Record):
    """How intervals were found: they hold the share `held` of so many draws, each `simulated` or billed anew.

    Of `refused` draws there can be no chip. `causes` are by metric the ranges that make most of its interval.
    """

    draws: int
    refused: int
    simulated: bool
    held: float
    causes: Mapping[str, tuple[Cause, ...]]


class Intervals(Record):
    """By metric its interval, in SI units, and how it was found."""

    intervals: Mapping[str, tuple[float, float]]
    uncertainty: Uncertainty


@dataclass(frozen=True)
class Draws:
    """The quantiles at which the ranges of each name are drawn, [draws, names]: a Latin hypercube."""

    ranges: tuple[Range, ...]
    names: tuple[str, ...]
    quantiles: F64

    @classmethod
    def of(cls, ranges: Sequence[Range], count: int, seed: int = 0) -> Draws:
        """Return so many draws: each name's quantiles lie one in each of `count` equal parts, in an order by chance.

        That order hangs on what the range is drawn as alone, so that draws of two chips with common sources are common.
        """
        drawn_as = _drawn_as(ranges)
        columns = [_quantiles(name, count, seed) for name in drawn_as.values()]
        return cls(tuple(ranges), tuple(drawn_as), np.stack(columns, axis=1))

    def at(self, draw: int) -> dict[str, float]:
        """Return by name the quantiles of a draw."""
        return dict(zip(self.names, self.quantiles[draw].tolist(), strict=True))

    def figures(self, draw: int) -> dict[str, float]:
        """Return by dotted path the figures of a draw, in SI units."""
        at = self.at(draw)
        return {own.path: own.at(at[own.name]) for own in self.ranges}


def _drawn_as(ranges: Sequence[Range]) -> dict[str, str]:
    """Return by name of ranges what they are drawn as: of assumptions of several tiles, the first."""
    found: dict[str, str] = {}
    for own in ranges:
        found.setdefault(own.name, own.drawn_as)
    return found


def named_as_drawn(ranges: Sequence[Range]) -> tuple[Range, ...]:
    """Return the ranges of a chip by names that mean the same in all chips."""
    names = _drawn_as(ranges)
    return tuple(replace(own, name=names[own.name]) for own in ranges)


def _quantiles(name: str, count: int, seed: int) -> F64:
    """Return the quantiles at which what has a name is drawn, [count]."""
    random = np.random.default_rng([seed, int.from_bytes(sha256(name.encode()).digest()[:8], "big")])
    return (random.permutation(count) + random.random(count)) / count


def intervals_of(draws: Draws, drawn: Sequence[Metrics | None], simulated: bool) -> Intervals | None:
    """Return the intervals of the metrics of all draws, without those that hardly move or that are undefined.

    Draws of which there can be no chip are left out; there are no intervals where these are more than half.
    """
    places = [i for i, each in enumerate(drawn) if each is not None]
    known = [each for each in drawn if each is not None]
    if len(known) <= len(drawn) // 2:
        return None
    values = {name: [each[name] for each in known] for name in known[0]}
    whole = {name: np.array(own, dtype=np.float64) for name, own in values.items() if None not in own}
    ends, causes = told_of(draws, places, whole)
    how = Uncertainty(draws=len(known), refused=len(drawn) - len(known), simulated=simulated, held=SHARE, causes=causes)
    return Intervals(intervals=ends, uncertainty=how)


def told_of(
    draws: Draws, places: Sequence[int], values: Mapping[K, F64]
) -> tuple[dict[K, tuple[float, float]], dict[K, tuple[Cause, ...]]]:
    """Return by name the ends of what values of some draws, [places], lie within, and what makes most of that.

    What hardly moves has none. Causes go by the squares of Spearman's correlations.
    """
    if not values:
        return {}, {}
    every = np.stack(list(values.values()), axis=1)
    low, high = np.quantile(every, [(1 - SHARE) / 2, (1 + SHARE) / 2], axis=0)
    moved = np.flatnonzero(high - low > MOVED * np.abs(high))
    ranks = np.argsort(np.argsort(every[:, moved], axis=0), axis=0).astype(np.float64)
    shares = (_standard(draws.quantiles[list(places)]).T @ _standard(ranks)) ** 2
    names = list(values)
    ends = {names[i]: (float(low[i]), float(high[i])) for i in moved}
    causes = {names[i]: tuple(_causes(draws, own)) for i, own in zip(moved, shares.T.tolist(), strict=True)}
    return ends, causes


def _standard(columns: F64) -> F64:
    """Return columns less their means, of length 1, so that products of two are correlations."""
    own = columns - columns.mean(axis=0)
    found: F64 = own / np.maximum(np.linalg.norm(own, axis=0), np.finfo(np.float64).tiny)
    return found


def _causes(draws: Draws, shares: Sequence[float]) -> Iterator[Cause]:
    ranked = sorted(zip(shares, draws.names, strict=True), key=lambda pair: -pair[0])[:TOLD]
    for share, name in ranked:
        if share >= LEAST:
            figures = dict.fromkeys(own.path for own in draws.ranges if own.name == name)
            yield Cause(name=name, figures=tuple(figures), share=share)


@dataclass(frozen=True)
class Fit:
    """Figures that were fitted to a metric of the peak of a mode: its inverse, and how that goes with their factor.

    The peak is that of a chip set as it was when the metric was measured.
    """

    spec: ArchSpec
    chip: Chip
    work: PeakWork
    metric: str
    paths: tuple[str, ...]
    inverse: float
    slope: float

    def factor(self, metrics: Metrics) -> float:
        """Return by what the figures of a chip of these metrics are multiplied so that it meets the one fitted to."""
        return max(1 - (1 / float(metrics[self.metric]) - self.inverse) / self.slope, LEAST_FITTED)


class Fits:
    """What was fitted in a spec, so that it is fitted again to each draw.

    Else a draw would contradict what the chip was fitted to. The fit is that of the spec without overrides, or of the
    chip that it names; figures that are not as they were there are left as they are. Draws of both are common.
    """

    def __init__(self, arch: Loaded[ArchSpec], draws: int) -> None:
        self._base = fitted_chip(arch)
        self._used = arch.value
        self._draws = Draws.of(self._base.ranges, draws) if self._base.ranges else None
        self._fits: list[Fit] = []
        wanted = [own for own in self._base.value.published if own.kind == "fit" and not own.workload]
        for mode, settings in dict.fromkeys((own.mode, own.settings) for own in wanted if self._draws):
            metrics = [own.metric for own in wanted if (own.mode, own.settings) == (mode, settings)]
            chip = self._base.with_overrides(settings) if settings else self._base
            self._fits += self._fitted(chip.value, mode, metrics)
        self._kept = [
            (fit, path, float(value)) for fit in self._fits for path in fit.paths
            if (value := value_at(self._base.value, path)) == value_at(arch.value, path)
        ]  # fmt: skip

    def _fitted(self, spec: ArchSpec, mode: str, wanted: Sequence[str]) -> Iterator[Fit]:
        """Yield for each metric that was fitted the figure that moves it most, each figure once."""
        chip = build_chip(spec)
        work = peak_work(chip, mode, 1)
        before = peak_metrics(work.on(chip))
        groups: dict[str, list[str]] = {}
        taken = {path for fit in self._fits for path in fit.paths}
        for path, figure in self._base.figures.items():
            if figure.status == "fitted" and path not in taken:
                groups.setdefault(canonical(path), []).append(path)
        for metric in (own for own in wanted if own in before):
            slopes = {name: _slope(spec, chip, paths, metric, work) for name, paths in groups.items()}
            most = max(slopes, key=lambda name: abs(slopes[name]), default=None)
            if most is not None and slopes[most]:
                yield Fit(spec, chip, work, metric, tuple(groups.pop(most)), 1 / before[metric], slopes[most])

    def again(self, draw: int, used: ArchSpec) -> dict[str, float]:
        """Return the fitted figures of a draw in SI units, by path; the spec as it is used is `used` in it."""
        if self._draws is None:
            return {}
        values = self._draws.figures(draw)
        drawn: dict[int, Metrics] = {}  # fits of one mode and setting are to one chip, and one work
        for fit in self._fits:
            if id(fit.chip) not in drawn:
                own = used if fit.spec is self._used else with_figures(fit.spec, values)
                drawn[id(fit.chip)] = peak_metrics(fit.work.on(build_chip(own, like=fit.chip)))
        return {path: value * fit.factor(drawn[id(fit.chip)]) for fit, path, value in self._kept}


def _slope(spec: ArchSpec, chip: Chip, paths: Sequence[str], metric: str, work: PeakWork) -> float:
    own = {path: NUDGE * float(value_at(spec, path)) for path in paths}
    other = build_chip(with_figures(spec, own), like=chip)
    changed, before = (1 / peak_metrics(work.on(each))[metric] for each in (other, chip))
    return (changed - before) / (NUDGE - 1)


def _chips(arch: Loaded[ArchSpec], draws: Draws, like: Chip) -> Iterator[Chip | None]:
    """Yield the chip of each draw; None where there cannot be one, as its parts are too large for a fixed floorplan."""
    fits = Fits(arch, len(draws.quantiles))
    for draw in range(len(draws.quantiles)):
        figures = draws.figures(draw)
        try:
            own = with_figures(arch.value, figures)
            again = {path: value for path, value in fits.again(draw, own).items() if path not in figures}
            yield build_chip(with_figures(own, again), like=like)
        except ArchsimError:
            yield None


def has_intervals(arch: Loaded[ArchSpec]) -> bool:
    """Return whether a chip has ranges, and is not too large for intervals."""
    return bool(arch.ranges) and sum(tile.count for _, tile in arch.value.tile_kinds) * arch.value.chips <= MOST_TILES


def _billed(chip: Chip) -> int:
    return max(SIMULATED, min(BILLED, BILLED * TILES // len(chip.tiles)))


def of_chip(arch: Loaded[ArchSpec], metrics: Callable[[Chip], Metrics]) -> Intervals | None:
    """Return the intervals of what is known of a chip without a run; None where it has none."""
    if not has_intervals(arch):
        return None
    chip = build_chip(arch.value)
    draws = Draws.of(arch.ranges, _billed(chip))
    drawn = [None if other is None else metrics(other) for other in _chips(arch, draws, chip)]
    return intervals_of(draws, drawn, simulated=False)


@dataclass(frozen=True)
class Drawn:
    """A run in many draws: its metrics in each, None where there can be no chip, simulated or billed anew."""

    draws: Draws
    metrics: tuple[Metrics | None, ...]
    simulated: bool

    def intervals(self) -> Intervals | None:
        """Return the intervals of all metrics; None where of most draws there can be no chip."""
        return intervals_of(self.draws, self.metrics, self.simulated)


def drawn_run(
    arch: Loaded[ArchSpec], trace: Trace, activity: ActivityFile | None, programmed: Mapping[str, float],
    count: int | None = None,
) -> Drawn | None:  # fmt: skip
    """Return a run's metrics in `count` draws, or in as many as its chip's size allows; None where that has no ranges.

    It was billed by an `activity` and, by layer, the share of cells that transfers program. Raises what a simulation
    raises where a draw cannot be run.
    """
    if not has_intervals(arch):
        return None
    schedule, chip = trace.schedule, trace.schedule.chip
    workload = schedule.mapping.workload
    traces = [Timed(_timing(schedule), trace)]
    simulated = _touch_time(arch.value, arch.ranges, traces)
    draws = Draws.of(arch.ranges, count or (SIMULATED if simulated else _billed(chip)))
    counters, work = traces[0].counters, peak_work(chip, workload.mode, workload.steps)
    drawn: list[Metrics | None] = []
    for other in _chips(arch, draws, chip):
        if other is None:
            drawn.append(None)
        elif simulated:
            built = build_schedule(other, schedule.mapping, schedule.examples)
            own, top = _in_time(traces, built), peak(other, workload.mode, workload.steps)
            energy_j = own.counters.total_j(other, activity)
            drawn.append(metrics_at(replace(own.trace, schedule=built), energy_j, programmed, top))
        else:
            energy_j = counters.energy_j(other, activity)
            drawn.append(billed_metrics(trace, other, work.on(other), energy_j, programmed))
    return Drawn(draws, tuple(drawn), simulated)


def of_run(
    arch: Loaded[ArchSpec], trace: Trace, activity: ActivityFile | None, programmed: Mapping[str, float]
) -> Intervals | None:
    """Return the intervals of a run's metrics, as `drawn_run` takes it; None where the chip has none."""
    found = drawn_run(arch, trace, activity, programmed)
    return None if found is None else found.intervals()


def _touch_time(spec: ArchSpec, ranges: Sequence[Range], traces: list[Timed]) -> bool:
    """Return whether a run, the first of `traces`, takes another time with all figures near one end of their ranges.

    What is simulated for it is added to them.
    """
    before, trace = traces[0].timing, traces[0].trace
    schedule, chip = trace.schedule, trace.schedule.chip
    for end in (0.02, 0.98):
        try:
            other = build_chip(with_figures(spec, {own.path: own.at(end) for own in ranges}), like=chip)
        except ArchsimError:
            continue  # too large for its floorplan, say: draws will tell
        try:
            own = build_schedule(other, schedule.mapping, schedule.examples)
        except ArchsimError:
            return True
        now = _timing(own)
        if (now.clock_hz, now.capacities) != (before.clock_hz, before.capacities):
            return True
        is_other = now.ops != before.ops  # a wire that is longer by a cycle, say
        if is_other and abs(_in_time(traces, own).trace.cycles - trace.cycles) > MOVED * trace.cycles:
            return True
    return False


class Timing(NamedTuple):
    """All of a schedule that its time depends on."""

    clock_hz: Fraction
    ops: Sequence[Op]
    capacities: Sequence[int]


@dataclass(frozen=True)
class Timed:
    """The trace of all schedules of a timing."""

    timing: Timing
    trace: Trace

    @cached_property
    def counters(self) -> Counters:
        """What all of them are billed by."""
        return Counters.of(self.trace)


def _in_time(traces: list[Timed], schedule: Schedule) -> Timed:
    """Return the trace of a schedule's timing: one of those known, or one that is simulated and added to them.

    Most draws differ in energies and areas alone.
    """
    timing = _timing(schedule)
    found = next((own for own in traces if own.timing == timing), None)
    if found is None:
        found = Timed(timing, simulate(schedule))
        traces.append(found)
    return found


def _timing(schedule: Schedule) -> Timing:
    chip = schedule.chip
    return Timing(chip.spec.technology.clock_hz, schedule.ops, [unit.capacity for unit in chip.units])
