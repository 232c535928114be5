"""Intervals: billing anew is the bill, draws are the runs that their figures make, and quantiles are closed forms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from archsim.chip.graph import build_chip
from archsim.mapping.schedule import Schedule
from archsim.results.bill import Counters, account
from archsim.results.evaluate import evaluate
from archsim.results.intervals import (
    BILLED,
    SIMULATED,
    Draws,
    Fits,
    Timed,
    drawn_run,
    named_as_drawn,
    of_chip,
    of_run,
)
from archsim.results.metrics import billed_metrics, metrics_of
from archsim.results.peak import chip_metrics, peak, peak_work
from archsim.simulation.run import Trace, simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.figure_ranges import Range, with_figures
from archsim.spec.figures import value_at
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from tests.helpers import REFERENCE, SHIPPED, schedule_of

DIGITS = load_workload("mlp_digits")
UNFITTED = load_arch(REFERENCE, ["published=[]"]).value
CONVERTER = Range("tile.col_converter.energy", "converter", 2e-12, 19.4e-12, 25e-12)
AREA = Range("tile.device.area", "cells", 1e-12, 2.34e-12, 4e-12)
WINDOW = Range("tile.row_driver.step", "driver", 0.3e-9, 0.5e-9, 1e-9)


@pytest.fixture(autouse=True)
def _all_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archsim.results.intervals.BILLED", BILLED)
    monkeypatch.setattr("archsim.results.intervals.SIMULATED", SIMULATED)


class Ranged:
    """A loaded spec with ranges, of which nothing was fitted."""

    def __init__(self, *ranges: Range) -> None:
        self.value, self.ranges = UNFITTED, ranges
        self.figures: dict[str, Any] = {}


def ranged(*ranges: Range) -> Any:
    return Ranged(*ranges)


def trained(spec: ArchSpec, examples: int = 40) -> Trace:
    chip = build_chip(spec)
    return simulate(schedule_of(DIGITS.value, examples, chip=chip))


@pytest.mark.parametrize("name", SHIPPED)
def test_counters_and_the_work_of_a_peak_bill_what_the_run_and_the_peak_bill(name: str) -> None:
    spec = load_arch(name).value
    mode = "training" if spec.tile.array is not None else "inference"
    workload = load_workload("mlp_digits", [f"mode={mode}"]).value
    chip = build_chip(spec)
    trace = simulate(schedule_of(workload, 10, chip=chip))
    assert Counters.of(trace).energy_j(chip) == pytest.approx(account(trace).total_j, rel=1e-12)
    assert Counters.of(trace).total_j(chip) == account(trace).total_j
    assert peak_work(chip, mode, 1).on(chip) == peak(chip, mode)


@pytest.mark.parametrize("own", [CONVERTER, AREA, Range("routing.link.energy_per_wire", "wire", 1e-12, 2e-12, 3e-12)])
def test_a_chip_like_another_is_the_chip_that_is_built_without_it(own: Range) -> None:
    spec = load_arch(REFERENCE).value
    if own.name == "wire":
        spec, own = load_arch("pcm64_mesh_32nm").value, CONVERTER
    other = with_figures(spec, {own.path: own.high})
    like, alone = build_chip(other, like=build_chip(spec)), build_chip(other)
    assert (like.area_m2, like.parts) == (alone.area_m2, alone.parts)
    assert [link.length_m for link in like.links.values()] == [link.length_m for link in alone.links.values()]
    assert [unit.actions for unit in like.units] == [unit.actions for unit in alone.units]


def test_each_draw_is_the_run_that_its_figures_make() -> None:
    spec, ranges = load_arch(REFERENCE).value, (CONVERTER, Range("host.leakage", "host", 1e-3, 2e-3, 5e-3))
    trace = trained(spec)
    draws = Draws.of(ranges, BILLED)
    work, counters = peak_work(trace.schedule.chip, "training", 1), Counters.of(trace)
    for draw in (0, 7):
        other = build_chip(with_figures(spec, draws.figures(draw)), like=trace.schedule.chip)
        found = billed_metrics(trace, other, work.on(other), counters.energy_j(other), {})
        own = trained(with_figures(spec, draws.figures(draw)))
        alone = metrics_of(own, account(own), peak(own.schedule.chip))
        assert found == pytest.approx({name: alone[name] for name in found}, rel=1e-12)


def test_the_interval_of_one_range_is_what_its_quantiles_make() -> None:
    spec = load_arch(REFERENCE).value
    trace = trained(spec)
    found = of_run(ranged(CONVERTER), trace, None, {})
    assert found is not None
    assert (found.uncertainty.draws, found.uncertainty.simulated) == (BILLED, False)
    ends = []
    for at in (0.1, 0.9):  # energy is linear in the figure, so that quantiles map to quantiles
        chip = build_chip(with_figures(spec, {CONVERTER.path: CONVERTER.at(at)}))
        ends.append(account(replace(trace, schedule=replace(trace.schedule, chip=chip))).total_j)
    assert found.intervals["energy_total_j"] == pytest.approx(ends, rel=0.003)
    assert "time_per_example_s" not in found.intervals
    (cause,) = found.uncertainty.causes["energy_total_j"]
    assert (cause.name, cause.figures) == ("converter", (CONVERTER.path,))
    assert cause.share > 0.9


def test_where_a_range_touches_time_each_draw_is_simulated() -> None:
    spec = load_arch(REFERENCE).value
    trace = trained(spec)
    found = of_run(ranged(CONVERTER, WINDOW), trace, None, {})
    assert found is not None
    assert (found.uncertainty.draws, found.uncertainty.simulated) == (SIMULATED, True)
    low, high = found.intervals["time_total_s"]
    ends = [trained(with_figures(spec, {WINDOW.path: WINDOW.at(at)})).cycles * 1e-9 for at in (0.1, 0.9)]
    assert (low, high) == pytest.approx(ends, rel=0.1)
    assert found.uncertainty.causes["time_total_s"][0].name == "driver"


def test_draws_that_take_the_same_steps_are_those_simulated_each_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    arch, trace, runs = ranged(CONVERTER, WINDOW), trained(load_arch(REFERENCE).value), []

    def counted(schedule: Schedule) -> Trace:
        runs.append(schedule)
        return simulate(schedule)

    monkeypatch.setattr("archsim.results.intervals.simulate", counted)
    shared = drawn_run(arch, trace, None, {})
    few = len(runs)
    alone: list[Timed] = []

    def simulated(traces: list[Timed], schedule: Schedule) -> Timed:
        alone.append(Timed(traces[0].timing, counted(schedule)))
        return alone[-1]

    monkeypatch.setattr("archsim.results.intervals._in_time", simulated)
    each = drawn_run(arch, trace, None, {})
    assert shared is not None
    assert each is not None
    billed = [metrics_of(own.trace, account(own.trace), peak(own.trace.schedule.chip)) for own in alone[-SIMULATED:]]
    assert list(shared.metrics) == list(each.metrics) == billed
    assert 2 < few < len(runs) - few  # the ends of ranges are tried, too


def test_figures_of_one_source_err_together() -> None:
    other = replace(CONVERTER, path="tile.row_converter.energy")
    together = of_chip(ranged(CONVERTER, other), lambda chip: chip_metrics(chip, "training"))
    apart = of_chip(ranged(CONVERTER, replace(other, name="another")), lambda chip: chip_metrics(chip, "training"))
    assert together is not None
    assert apart is not None
    name = "efficiency_peak_op_per_j"
    wide, narrow = (np.subtract(*own.intervals[name][::-1]) for own in (together, apart))
    assert wide > 1.1 * narrow  # errors of two sources cancel in part: by 1 / sqrt(2) where they are equal
    assert len(together.uncertainty.causes[name]) == 1
    assert len(apart.uncertainty.causes[name]) == 2


def test_what_was_fitted_is_fitted_again_to_each_draw() -> None:
    arch = load_arch(REFERENCE)
    own = of_chip(arch, lambda chip: chip_metrics(chip, "training"))
    alone = of_chip(ranged(*arch.ranges), lambda chip: chip_metrics(chip, "training"))
    assert own is not None
    assert alone is not None
    for metric in ("efficiency_peak_op_per_j", "throughput_per_area_peak_op_per_s_m2"):
        low, high = own.intervals.get(metric, (1.0, 1.0))
        assert high / low < 1.003  # it was fitted to these; lengths of wires follow areas
        assert alone.intervals[metric][1] / alone.intervals[metric][0] > 1.1
    # A chip that is not the one that was fitted does not meet the figure, but the fit is that of the first.
    changed = arch.with_overrides(["tile.col_converter.energy=1 pJ"])
    other = of_chip(changed, lambda chip: chip_metrics(chip, "training"))
    assert other is not None
    assert other.intervals["efficiency_peak_op_per_j"][1] > 1.01 * other.intervals["efficiency_peak_op_per_j"][0]


OWN_CELLS = ("ambrogio_nature_2018_3t1c", "ambrogio_nature_2018_pcm_pair", "chang_ibmjrd_2019")
VARIANTS = [name for name in SHIPPED if load_arch(name).value.fitted_on]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_chip_has_in_each_draw_the_fitted_figures_that_it_takes_from_another(name: str) -> None:
    """What is fitted again is the other chip, in the same draw, so that what both have alike is alike in all draws."""
    used = load_arch(name)
    other = load_arch(used.value.fitted_on)
    assert not used.value.published or name == "chang_ibmjrd_2019"
    found = []
    for arch in (used, other):
        fits, draws = Fits(arch, 3), Draws.of(arch.ranges, 3)
        found.append([fits.again(draw, with_figures(arch.value, draws.figures(draw))) for draw in range(3)])
    paths = {path for path in found[1][0] if value_at(used.value, path) == value_at(other.value, path)}
    assert [{path: each[path] for path in paths} for each in found[1]] == found[0]
    assert bool(paths) == (name not in OWN_CELLS)


def test_a_draw_hangs_on_the_source_alone_so_that_chips_have_it_in_common() -> None:
    """An assumption is drawn with the same one of another chip, and apart from one with other ends."""
    every = Draws.of((CONVERTER, AREA, WINDOW), 40)
    assert (Draws.of((AREA,), 40).quantiles[:, 0] == every.quantiles[:, 1]).all()
    path = "tile.memory.energy"
    own, same, wider = (Range(path, path, 1e-12, 2e-12, high) for high in (4e-12, 4e-12, 5e-12))
    first, other, third = (Draws.of((each,), 40).quantiles for each in (own, same, wider))
    assert (first == other).all()
    assert not (first == third).all()
    assert [each.name for each in named_as_drawn((own, replace(own, path="variants.a.memory.energy")))] == [
        own.drawn_as] * 2  # fmt: skip


@pytest.mark.parametrize(("tiles", "draws"), [(8, BILLED), (128, BILLED // 2), (1024, SIMULATED), (1025, None)])
def test_large_chips_have_fewer_draws_or_none(tiles: int, draws: int | None) -> None:
    found = of_chip(load_arch(REFERENCE, [f"tile.count={tiles}"]), lambda chip: {"area_m2": chip.area_m2})
    assert (found and found.uncertainty.draws) == draws


def test_draws_are_a_latin_hypercube() -> None:
    draws = Draws.of((CONVERTER, AREA), 50)
    assert draws.quantiles.shape == (50, 2)
    for column in draws.quantiles.T:
        assert sorted((column * 50).astype(int)) == list(range(50))


@pytest.mark.usefixtures("intervals")
def test_a_run_says_its_intervals_where_there_are_ranges() -> None:
    work = load_workload("transfer_cifar10", ["mode=inference"])
    none = evaluate(load_arch("jia_jssc_2020"), work, examples=20).data
    some = evaluate(load_arch(REFERENCE), DIGITS, examples=20).data
    assert not {"intervals", "uncertainty"} & none.keys()
    low, high = some["intervals"]["energy_per_example_j"]
    assert low < high
    assert some["uncertainty"]["held"] == 0.8
