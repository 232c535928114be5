"""Ratios in common draws: against quantiles by hand, and what two chips share moves none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from archsim.report.table import Table
from archsim.results import intervals
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.studies.common_draws import COMPARED, InDraws, in_draws, ratios, told
from archsim.workload import load_workload
from tests.helpers import REFERENCE, with_intervals


def drawn(**figures: Sequence[float | None]) -> InDraws:
    count = len(next(iter(figures.values())))
    own = {name: tuple(figures.get(name, [1.0] * count)) for name in COMPARED}
    return InDraws(unsure=True, figures={str(count): own})


def run_of(*settings: str, arch: str = REFERENCE) -> tuple[dict[str, float], InDraws]:
    with with_intervals():
        result = evaluate(load_arch(arch, settings), load_workload("mlp_digits"), examples=20)
        return result.data["metrics"], in_draws(result, also=(intervals.SIMULATED,))


def test_what_one_chip_takes_as_fitted_from_another_is_fitted_again_with_it() -> None:
    first, bus, apart = (run_of(*sets, arch=arch) for arch, *sets in (
        (REFERENCE,), ("ambrogio_nature_2018_bus",), ("ambrogio_nature_2018_bus", UNFITTED)))  # fmt: skip
    assert bus[0]["area_m2"] == first[0]["area_m2"]
    with_it, alone = (
        {own.metric for own in ratios(["a", "b"], [first[0], each[0]], [first[1], each[1]])} for each in (bus, apart)
    )
    assert with_it == {"energy_per_example_j", "efficiency_op_per_j"}  # lines of a bus are longer
    assert alone > {"area_m2", *with_it}


UNFITTED = "fitted_on=ankit_asplos_2019"  # of which nothing was fitted
NOMINAL = dict.fromkeys(COMPARED, 1.0)


def test_a_ratio_is_that_of_each_draw() -> None:
    first, other = [1.0, 2.0, 4.0, 8.0, 1.0], [2.0, 2.0, 2.0, 2.0, None]
    (found,) = ratios(["a", "b"], [NOMINAL, {**NOMINAL, "energy_per_example_j": 3.0}],
                      [drawn(energy_per_example_j=first), drawn(energy_per_example_j=other)])  # fmt: skip
    low, high = np.quantile([2.0, 1.0, 0.5, 0.25], [0.1, 0.9])
    assert (found.name, found.metric, found.ratio, found.draws) == ("b", "energy_per_example_j", 3.0, 4)
    assert (found.low, found.high) == pytest.approx((low, high))
    assert found.better == 0.5  # less energy in two of four
    (more,) = ratios(["a", "b"], [NOMINAL, NOMINAL],
                     [drawn(efficiency_op_per_j=first), drawn(efficiency_op_per_j=other)])  # fmt: skip
    assert more.better == 0.25  # more of it in one of four


def test_a_sure_chip_is_the_same_in_all_draws_and_chips_without_common_draws_have_no_ratio() -> None:
    moved, sure = drawn(area_m2=[1.0, 2.0]), InDraws()
    (found,) = ratios(["a", "b"], [NOMINAL, NOMINAL], [sure, moved])
    assert (found.low, found.high) == pytest.approx((1.1, 1.9))
    assert ratios(["a", "b"], [NOMINAL, NOMINAL], [sure, sure]) == ()
    assert ratios(["a", "b"], [NOMINAL, NOMINAL], [moved, drawn(area_m2=[1.0, 2.0, 3.0])]) == ()
    assert ratios(["a", "b"], [NOMINAL, NOMINAL], [moved, InDraws(unsure=True)]) == ()  # too large for any


def test_what_two_chips_share_moves_no_ratio_and_what_they_do_not_moves_less_than_apart() -> None:
    first, slower = run_of(), run_of("tile.neuron.lanes=4")
    assert len(first[1].figures) == 2
    most, *_ = sorted(first[1].figures, key=int, reverse=True)
    assert ratios(["a", "a again"], [first[0]] * 2, [first[1]] * 2) == ()
    found = {own.metric: own for own in ratios(["a", "b"], [first[0], slower[0]], [first[1], slower[1]])}
    energy = [np.array(own.figures[most]["energy_per_example_j"]) for _, own in (first, slower)]
    apart = np.quantile(energy[1], 0.9) / np.quantile(energy[0], 0.1)
    own = found["energy_per_example_j"]
    assert own.low <= own.ratio <= own.high
    # Nearly all of either interval is one assumption, leakage, which both chips share.
    assert own.high / own.low < 1.5 < apart
    table = told(list(found.values()), "a")[1]
    assert isinstance(table, Table)
    assert [row[0] for row in table.rows] == ["b"] * len(found)
