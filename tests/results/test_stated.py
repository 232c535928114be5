"""What reads take by stated values: distributions against sums and samples, and bills against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.chip.graph import build_chip
from archsim.components.drivers import BitSerialDriver, PulseCountDriver
from archsim.results.bill import account
from archsim.results.evaluate import evaluate
from archsim.results.peak import chip_metrics
from archsim.results.stated import drive_of
from archsim.simulation.run import simulate
from archsim.spec.loading import load_arch
from archsim.spec.values import DISTRIBUTIONS, Distribution, Values
from archsim.workload import load_workload
from tests.helpers import REFERENCE, schedule_of

KINDS = [DISTRIBUTIONS[kind] for kind in DISTRIBUTIONS]
UNIFORM = "{kind: uniform}"


def of(kind: str, **more: object) -> Distribution:
    return DISTRIBUTIONS[kind].model_validate(more)


def stated(*settings: str, base: str = REFERENCE) -> dict[tuple[str, str, str], tuple[int, float]]:
    """Return count and joules of a run, by component, action and phase."""
    workload = load_workload("mlp_digits", [f"values.{each}" for each in settings])
    bill = account(simulate(schedule_of(workload.value, 20, [], base)))
    found: dict[tuple[str, str, str], tuple[int, float]] = {}
    for item in bill.items:
        count, energy_j = found.get((item.component, item.action, item.phase), (0, 0.0))
        found[item.component, item.action, item.phase] = count + item.count, energy_j + item.energy_j
    return found


# ---- distributions


@pytest.mark.parametrize("kind", KINDS)
@given(sparsity=st.floats(0, 1), codes=st.integers(2, 300))
def test_shares_of_codes_are_a_distribution_with_its_mean(
    kind: type[Distribution], sparsity: float, codes: int
) -> None:
    own = kind.model_validate({**kind.example, "sparsity": sparsity})
    shares = own.code_shares(codes)
    assert shares.min() >= -1e-12
    assert shares.sum() == pytest.approx(1)
    assert shares[0] >= sparsity - 1e-12
    # A magnitude and the code it is rounded to are half a step apart at most, and so are their means.
    assert float(shares @ np.linspace(0, 1, codes)) == pytest.approx(own.mean, abs=0.5 / (codes - 1) + 1e-9)


def test_means_are_those_of_samples() -> None:
    drawn = np.minimum(np.abs(np.random.default_rng(1).normal(0, 0.6, 400_000)), 1.0)
    assert of("half_normal", sigma=0.6).mean == pytest.approx(drawn.mean(), abs=3 * drawn.std() / math.sqrt(400_000))
    counts = np.histogram(drawn, bins=50, range=(0, 1))[0]
    # Each value is at most half a bin from the middle of its own; those clipped are all at an end.
    assert of("histogram", frequencies=counts.tolist()).mean == pytest.approx(drawn.mean(), abs=0.01)
    assert of("histogram", frequencies=[1, 0, 0, 3]).mean == pytest.approx((0.125 + 3 * 0.875) / 4)


def test_drivers_toggle_as_their_codes_say() -> None:
    line = {"step": "1 ns", "energy": "0 J", "area": "0 um2", "bits": 4}
    serial, counting = BitSerialDriver.model_validate(line), PulseCountDriver.model_validate(line)
    ten = of("constant", value=10 / 15)
    assert (drive_of(serial, ten).swings, drive_of(counting, ten).swings) == (2, 10)  # 10 is 1010 in bits
    half = of("constant", value=10 / 15, sparsity=0.5)
    assert (drive_of(serial, half).swings, drive_of(counting, half).swings) == (1, 5)
    assert drive_of(counting, half).on_share == pytest.approx(1 / 3)
    assert drive_of(counting, half).used == pytest.approx(0.5)
    assert counting.window_s == 15 * counting.step_s


# ---- bills


def test_a_run_without_stated_values_is_billed_by_the_spec() -> None:
    assert stated() == stated("layers={}")


def test_lines_and_cells_are_billed_by_closed_forms() -> None:
    found = stated("inputs={kind: constant, value: 1, sparsity: 75 %}", "weights=" + UNIFORM)
    plain, tile = stated(), load_arch(REFERENCE).value.tile
    count, energy_j = found["crossbar", "read_rows", "forward"]
    assert energy_j == pytest.approx(count * 0.25 * tile.array.line_energy_j(tile.cols))
    count, energy_j = found["device", "read", "forward"]
    # The larger part of the cell is its capacitors' transistors, which conduct whatever the weight is.
    each_j = tile.device.supply_v * tile.device.read_v * tile.device.conducting_siemens * 0.25
    assert energy_j == pytest.approx(count * each_j * float(tile.row_driver.window_s))
    assert found["device", "read", "backward"] == plain["device", "read", "backward"]
    assert found["row_driver", "encode", "forward"] == plain["row_driver", "encode", "forward"]


def test_errors_are_those_that_go_backward() -> None:
    found, plain = stated("errors={kind: constant, value: 0}", "weights=" + UNIFORM), stated()
    assert found["device", "read", "backward"][1] == 0
    assert found["crossbar", "read_cols", "backward"][1] == 0
    assert found["device", "read", "forward"] == plain["device", "read", "forward"]


@pytest.mark.parametrize("sparsity", ["0 %", "90 %"])
def test_drivers_and_converters_take_what_goes_with_values(sparsity: str) -> None:
    sets = ["tile.row_driver.data_dependent=40 %", "tile.col_converter.data_dependent=50 %"]
    values = [f"values.inputs={{kind: constant, value: 1, sparsity: {sparsity}}}", "values.outputs=" + UNIFORM]
    result = evaluate(load_arch(REFERENCE, sets), load_workload("mlp_digits", values), examples=20)
    tile, dense = result.chip.spec.tile, 1 - float(sparsity[:-2]) / 100
    each_j = {(item.component, item.action): item.energy_j / item.count for item in result.bill.items
              if item.phase == "forward" and item.count}  # fmt: skip
    assert each_j["row_driver", "encode"] == pytest.approx(tile.row_driver.energy_j * (0.6 + 0.4 * dense))
    assert each_j["col_converter", "ramp_out"] == pytest.approx(tile.col_converter.energy_j * 0.75)
    assert result.passed
    assert {read["by"] for read in result.data["activity"]["reads"]} == {"spec"}  # weights are not stated


def test_layers_state_their_own_values() -> None:
    both = stated("inputs=" + UNIFORM, "weights=" + UNIFORM)
    own = stated("weights=" + UNIFORM, f"layers={{fc1: {{inputs: {UNIFORM}}}, fc2: {{inputs: {UNIFORM}}}}}")
    assert own == both
    with pytest.raises(SpecError, match=r"values.layers has 'fc9', which is no layer; give one of fc1, fc2"):
        load_workload("mlp_digits", ["values.layers.fc9.inputs=" + UNIFORM])


@given(x=st.floats(0, 1), w=st.floats(0, 1))
def test_a_macro_takes_less_for_smaller_values(x: float, w: float) -> None:
    def energy_j(inputs: float, weights: float) -> float:
        values = Values(inputs=of("constant", value=inputs), weights=of("constant", value=weights))
        return chip_metrics(chip, "inference", values)["read_energy_j"]

    chip = build_chip(load_arch("sinangil_jssc_2021").value)
    code = math.floor(15 * x + 0.5) if 15 * x % 1 != 0.5 else None
    assert energy_j(0, 0) <= energy_j(x, 0) <= energy_j(x, w) * (1 + 1e-12) <= energy_j(1, 1) * (1 + 1e-9)
    if code is not None:
        # What it takes at zero, half of the rest by pulses, half by input and weight: as its spec says.
        rest_j = energy_j(1, 1) - energy_j(0, 0)
        assert energy_j(x, w) == pytest.approx(energy_j(0, 0) + rest_j * code / 15 * (1 + w) / 2, rel=1e-3)


def test_published_values_are_of_the_chips_own_figures() -> None:
    with pytest.raises(SpecError, match="values are of the chip's own figures, and 'mlp_mnist' states its own"):
        load_arch("sinangil_jssc_2021", ["published[3].workload=mlp_mnist"])
