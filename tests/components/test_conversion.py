"""Reads of maintenance go through the converter: its time, codes, range and noise, in closed form."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim.components.base import COMPONENTS
from archsim.components.cells.base import SingleRead, Switches
from archsim.components.cells.numeric.conformance import IDEAL, arrays, call
from archsim.components.cells.numeric.conversion import EXACT, reading_of
from archsim.functional.ablations import ABLATIONS
from archsim.functional.train import chip_model
from archsim.mapping.recipes import TileKit
from tests.components.test_cell_conformance import CONVERSIONS, KINDS, device_of
from tests.helpers import chip_of, network, schedule_of

READ = [kind for kind in KINDS if issubclass(COMPONENTS[kind], SingleRead)]
NANO = Fraction(1, 10**9)
NO_NOISE: dict[str, Any] = {"transfer_noise": "0 S"}
ERRORLESS = Switches(leakage=False, variability=False, programming_error=False, polarity_inversion=False)


def converting(kind: str) -> dict[str, Any]:
    return {key: value for key, value in CONVERSIONS.items() if f"{key}_siemens" in COMPONENTS[kind].model_fields}


def worked(kind: str, levels: int, switches: Switches = IDEAL, **changes: str) -> Any:
    cells = device_of(kind, **changes).cells(6, 11, 1, 2, switches, None, levels)
    for step, name in enumerate(("program", "update", "leak", "transfer", "rewrite", "update", "transfer")):
        call(cells, name, 1e-4 if name in ("leak", "rewrite") else step, step % 2 == 0)
    return cells


# ---- time


@pytest.mark.parametrize(
    ("base", "settings", "rows", "cols", "nanoseconds"),
    [
        # Design, section 8, with 160 residual pulses 2,480 ns; and five conversions of 207 ns (Giordano).
        ("ambrogio_nature_2018", [], 1, 512, 2480 + 5 * 207),
        # Both rows share the columns: what reads is done twice, what programs once.
        ("ambrogio_nature_2018", [], 2, 512, 2480 - 5 * 80 + 2 * 5 * (80 + 207)),
        # Eight lines to a converter: 512 lines are eight after another, and 5 lines five.
        ("ambrogio_nature_2018", ["tile.col_converter.lines_per_unit=8"], 1, 512, 2480 + 5 * 8 * 207),
        ("ambrogio_nature_2018", ["tile.col_converter.lines_per_unit=8"], 1, 5, 2480 + 5 * 5 * 207),
        # 80 x 2 + 2 x (100 + 500 + 80) = 1,520 ns and four conversions.
        ("ambrogio_nature_2018_pcm_pair", [], 1, 512, 1520 + 4 * 207),
    ],
)
def test_a_transfer_is_its_steps_and_after_each_read_a_conversion(
    base: str, settings: list[str], rows: int, cols: int, nanoseconds: int
) -> None:
    chip = chip_of(base, settings)
    kit, device = TileKit(chip, chip.tiles[0]), chip.spec.tile.device
    assert kit.maintenance_s(device.transfer_steps, rows, cols) == nanoseconds * NANO


def test_a_read_lasts_as_long_as_an_oscillator_must_count() -> None:
    counting = "tile.col_converter={kind: cco_adc, bits: 7, energy: 5 pJ, area: 1000 um2, lsb: 0.5 ns, readout: 1 ns}"
    chip = chip_of("ambrogio_nature_2018", [counting, "tile.device.verify=10 ns", "routing.transport=packet"])
    kit = TileKit(chip, chip.tiles[0])
    # 2^7 cycles of 0.5 ns are 64 ns, longer than a verify of 10 ns; the readout follows.
    assert kit.maintenance_s(("verify",), 1, 512) == 2 * (64 + 1) * NANO


def test_rows_in_parallel_are_read_one_after_another() -> None:
    found = []
    for rows in (1, 2):
        settings = [f"schedule.transfer.rows_in_parallel={rows}", "schedule.transfer.interval_examples=10"]
        ops = schedule_of(network(9, 5), 20, settings).ops
        found += [op.maintenance.group_cycles for op in ops if op.maintenance is not None]
    assert found == [3515, 2480 - 400 + 10 * 287]


# ---- numbers


def test_codes_are_of_either_sign_or_of_one() -> None:
    read = SingleRead.reading
    # 8 bits: 255 codes, 127 on either side of zero, as the converter reads vectors.
    assert read(0.2e-6, 70e-6, 255, Switches()).grid == pytest.approx(70 / 127)
    assert read(0.2e-6, 75e-6, 255, Switches(), signed=False).grid == pytest.approx(75 / 255)
    assert read(0.2e-6, 70e-6, 255, Switches(transfer_conversion=False)) == EXACT
    assert read(0.2e-6, 70e-6, 0, Switches()) == read(0.2e-6, 0, 255, Switches()) == reading_of(0.2e-6, 0, 0)


def test_what_a_transfer_reads_is_off_by_half_a_code_and_noise() -> None:
    """Uniform over a code and normal beside it: variances add up to d^2 / 12 + sigma^2."""
    found = {}
    for levels, noise in ((0, "0 S"), (255, "0 S"), (255, "0.2 uS")):
        device = device_of("pcm_3t1c", transfer_range="70 uS", transfer_noise=noise, residual_pulses=160)
        cells = device.cells(100, 100, 1, 2, ERRORLESS, None, levels)
        cells.program(np.random.default_rng(1).uniform(-30, 30, (100, 100)).astype(np.float32), 1)
        before = cells.weights.copy()
        cells.transfer(0, 100, 1, 1, False)
        found[levels, noise] = (cells.weights - before).astype(float)
    pulse = found[0, "0 S"].var()  # what nominal steps leave, which have a grid of their own
    assert pulse < 0.05**2 / 6
    code = (70 / 127) ** 2 / 12
    for key, variance in (((255, "0 S"), code), ((255, "0.2 uS"), code + 0.2**2)):
        assert found[key].var() == pytest.approx(variance + pulse, rel=0.05)
        assert abs(found[key].mean() - found[0, "0 S"].mean()) < 5 * math.sqrt(variance) / 100


def test_what_a_verify_misreads_is_left_in_the_weight() -> None:
    """Errors of a verify count F times: a code of 25 uS / 127 leaves 3 x 0.197 uS / sqrt(12)."""
    device = device_of("pcm_3t1c", verify_range="25 uS", residual_pulses=160, **NO_NOISE)
    switches = Switches(leakage=False, variability=False, polarity_inversion=False)  # programming errs, off the codes
    cells = device.cells(150, 150, 1, 2, switches, None, 255)
    wanted = np.random.default_rng(1).uniform(10, 30, (150, 150)).astype(np.float32)
    counts = cells.program(wanted, 1)
    error = (cells.weights - wanted).astype(float)
    few = np.abs(error) < 1.5 * 3 * 25 / 127 / 2 + 0.05  # but where slots ended
    assert few.mean() > 0.97
    assert error[few].std() == pytest.approx(3 * 25 / 127 / math.sqrt(12), rel=0.05)
    assert counts.residual_max == pytest.approx(np.abs(error).max(), abs=1e-5)  # told as it is, not as it was read


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_residual_read_bounds_how_well_a_value_is_put_back(noise: float) -> None:
    """The last read errs by a code's rounding and noise; the trim then adds half a pulse of rounding."""
    device = device_of(
        "cap_3t1c", residual_range="10 uS", residual_noise=f"{noise} uS", step_bend=0, trim_pulses=64, **NO_NOISE
    )
    cells = device.cells(120, 120, 1, 2, ERRORLESS, None, 31)
    wanted = np.random.default_rng(1).uniform(-2, 3, (120, 120)).astype(np.float32)
    cells.program(wanted, 1)
    error = (cells.weights - wanted).astype(float)
    code = 10 / 15
    if noise:  # which spreads the code's rounding: both are there
        assert error.std() == pytest.approx(math.hypot(code / math.sqrt(12), noise, 0.05 / math.sqrt(12)), rel=0.05)
    else:
        assert np.abs(error).max() <= code / 2 + 0.05 / 2 + 1e-4
        assert error.std() > 0.5 * code / math.sqrt(12)


def test_pairs_are_read_a_device_at_a_time() -> None:
    """Two codes of F G and two noises make the weight's: d^2 / 6 + sigma^2."""
    device = device_of("pcm_pair", transfer_range="75 uS", refresh_above="0.5 uS")
    cells = device.cells(100, 100, 1, 2, ERRORLESS, None, 255)
    rng = np.random.default_rng(1)
    for held in (cells.state.plus, cells.state.minus):
        held[:] = rng.uniform(5, 9, held.shape)
    before = 3 * (cells.state.plus - cells.state.minus)
    cells.transfer(0, 100, 1, 1, False)
    error = (cells.weights - before).astype(float)
    assert error.std() == pytest.approx(math.sqrt((75 / 255) ** 2 / 6 + 0.2**2), rel=0.03)


def test_what_is_beyond_the_range_is_read_as_its_end() -> None:
    device = device_of("pcm_3t1c", transfer_range="20 uS", residual_pulses=160, **NO_NOISE)
    cells = device.cells(3, 16, 1, 2, ERRORLESS, None, 255)
    cells.program(np.full((3, 16), 35, np.float32), 1)
    cells.transfer(0, 3, 1, 1, False)
    assert cells.weights == pytest.approx(20, abs=0.05)


# ---- off and taken away


@pytest.mark.parametrize("kind", READ)
def test_without_codes_or_ranges_nothing_is_converted(kind: str) -> None:
    noisy = {key: value for key, value in converting(kind).items() if not key.endswith("noise")}
    assert arrays(worked(kind, 0, **noisy)) == arrays(worked(kind, 31)) == arrays(worked(kind, 0))
    assert arrays(worked(kind, 31, **noisy)) != arrays(worked(kind, 31))


@pytest.mark.parametrize("kind", READ)
def test_it_is_taken_away_by_its_name_to_the_bit(kind: str) -> None:
    gone = Switches(leakage=False, variability=False, programming_error=False, transfer_conversion=False)
    exact = arrays(worked(kind, 0, **NO_NOISE))
    assert arrays(worked(kind, 31, gone, **converting(kind))) == exact
    assert arrays(worked(kind, 31, **converting(kind))) != exact


def test_quantisation_takes_it_away_too_and_a_chip_reads_by_its_own_converter() -> None:
    assert "transfer_conversion" in ABLATIONS
    assert len(ABLATIONS) == len(set(ABLATIONS))
    from archsim.functional.datasets import load_data
    from archsim.workload import load_workload

    work = load_workload("mlp_digits").value
    data = load_data(work)
    for changes, ablate, grid in (
        ([], (), 70 / 127), (["tile.col_converter.bits=6"], (), 70 / 31), ([], ("quantisation",), 0),
        ([], ("transfer_conversion",), 0), ([], ("converters",), 70 / 127),
    ):  # fmt: skip
        schedule = schedule_of(work, 20, changes)
        order = np.arange(len(data.train_x), dtype=np.int32)
        model = chip_model(schedule, data, 0, order, ablate)
        assert model.cells[0].numbers.transfer_read.grid == pytest.approx(grid)


# ---- pairs that stay as they are

EXACT_READS = {"transfer_range": "0 S", "verify_range": "0 S", "residual_range": "0 S", **NO_NOISE}


def test_no_pair_is_programmed_below_the_threshold_and_every_pair_without_one() -> None:
    wanted = np.random.default_rng(1).uniform(-30, 30, (20, 30)).astype(np.float32)
    for threshold, everywhere in (("50 uS", False), ("0 S", True)):
        device = device_of("pcm_3t1c", transfer_threshold=threshold, residual_pulses=400, **EXACT_READS)
        cells = device.cells(20, 30, 1, 2, Switches(leakage=False, polarity_inversion=False), None, 0)
        cells.program(wanted, 1)
        before, held = cells.weights.copy(), cells.state.plus.copy()
        counts = cells.transfer(0, 20, 1, 1, False)
        assert (counts.programmed, counts.resets) == (600 * everywhere, 2400 * everywhere)
        assert counts.written == 600
        assert np.array_equal(cells.state.plus, held) != everywhere
        if not everywhere:  # put back by a burst and a trim
            error = np.abs(cells.weights - before)
            assert error.max() == pytest.approx(counts.residual_max, abs=1e-5)
            assert error.mean() < 0.05


@settings(max_examples=20)
@given(st.integers(0, 99), st.floats(0.5, 6))
def test_what_stays_on_a_capacitor_is_what_was_within_the_threshold(seed: int, threshold: float) -> None:
    device = device_of("pcm_3t1c", transfer_threshold=f"{threshold} uS", **EXACT_READS)
    cells = device.cells(8, 12, seed, 2, Switches(leakage=False), None, 0)
    cells.program(np.random.default_rng(seed).uniform(-30, 30, (8, 12)).astype(np.float32), seed)
    rests, pairs = cells.weights - cells.state.pcm, cells.state.pcm.copy()
    within = np.abs(rests) <= np.float32(threshold)
    counts = cells.transfer(0, 8, seed, 1, True)
    assert counts.programmed == (~within).sum()
    assert (cells.state.pcm == pairs)[within].all()
    assert not (cells.state.pcm == pairs)[~within].any()


@pytest.mark.parametrize(("threshold", "closer"), [("0 S", False), ("4 uS", True)])
def test_weights_walk_by_what_each_transfer_misreads(threshold: str, closer: bool) -> None:
    """Variances add up: of the weight's read and F times the verify's in each transfer, or of the rest's alone.

    A read errs by d^2 / 12 + sigma^2, d its code, and what is put back by the same and half a pulse.
    """
    device = device_of(
        "pcm_3t1c", transfer_threshold=threshold, transfer_noise="0.2 uS", transfer_range="70 uS", verify_range="25 uS",
        verify_noise="0.07 uS", residual_range="10 uS", residual_noise="0.1 uS", offset="0 S", step_bend=0,
    )  # fmt: skip
    cells = device.cells(100, 100, 1, 2, ERRORLESS, None, 255)
    cells.program(np.random.default_rng(1).uniform(-30, 30, (100, 100)).astype(np.float32), 1)
    before, transfers = cells.weights.astype(float), 8
    for index in range(transfers):
        cells.transfer(0, 100, 1, index + 1, False)
    fine = 0.1**2 + (10 / 127) ** 2 / 12
    coarse = 0.2**2 + (70 / 127) ** 2 / 12 + 9 * (0.07**2 + (25 / 127) ** 2 / 12)
    each = (fine if closer else coarse) + fine + 0.05**2 / 12
    assert (cells.weights - before).var() == pytest.approx(transfers * each, rel=0.05)


def test_a_threshold_costs_a_read_of_each_row_and_saves_programming() -> None:
    plain, sparing = device_of("pcm_3t1c"), device_of("pcm_3t1c", transfer_threshold="2 uS", programmed="5 %")
    assert sparing.conversions(sparing.transfer_steps) == plain.conversions(plain.transfer_steps) + 1
    assert sparing.row_time_s(sparing.transfer_steps) - plain.row_time_s(plain.transfer_steps) == 80 * NANO
    assert (sparing.programmed_share, plain.programmed_share) == (0.05, 1)
    # What a cell that is programmed takes, and draws at the most, is the same.
    assert {step: sparing.actions()[step] for step in sparing.programming_steps} == {
        step: plain.actions()[step] for step in plain.programming_steps
    }
    assert sparing.peak_power_w(sparing.writing_steps) == plain.peak_power_w(plain.writing_steps)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"programmed": "5 %"}, r"all pairs are programmed.*give programmed: 100 %, or a transfer_threshold"),
        ({"transfer_threshold": "10 uS", "residual_range": "10 uS"}, r"up to 10 uS is read up to 10 uS; give"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        device_of("pcm_3t1c", **changes)
