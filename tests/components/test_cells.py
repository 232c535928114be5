"""The weight cells in numbers: the cases of the design, kernels against plain numpy, and the laws they keep."""

from __future__ import annotations

import itertools
import math
import subprocess
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim.components import COMPONENTS
from archsim.components.cells.base import Device, Switches
from archsim.components.cells.in_place import InPlaceCell, SoftBounds, StaticCell
from archsim.components.cells.numeric import draws
from archsim.components.cells.numeric.base import Cells, scratch_of
from archsim.components.cells.numeric.capacitor import DecayFactors
from archsim.components.cells.numeric.draws import FIRST
from archsim.components.cells.numeric.draws_in_numpy import normals as reference_normals
from archsim.components.cells.numeric.draws_in_numpy import philox as reference_philox
from archsim.components.cells.numeric.draws_in_numpy import quick_pairs
from archsim.components.cells.numeric.in_place import InPlaceCells
from archsim.components.cells.numeric.pcm_3t1c import Pcm3T1CCells
from archsim.components.cells.pcm_3t1c import Pcm3T1C
from archsim.spec.loading import load_arch
from tests.components.cells_reference import InPlaceReference, Pcm3T1CReference

IDEAL = Switches(leakage=False, variability=False, programming_error=False)
SWITCHES = [Switches(*flags) for flags in itertools.product([True, False], repeat=4)]
QUIET: dict[str, Any] = {"transfer_noise": "0 S"}
HABITS: dict[str, Any] = {"row_polarity": "alternating", "leak_compensation": "nominal"}


def device_of(**changes: object) -> Pcm3T1C:
    return Pcm3T1C.model_validate({**Pcm3T1C.example, **changes})


def cells_of(
    rows: int, cols: int, switches: Switches = IDEAL, seed: int = 1, shard: int = 0, **changes: object
) -> Pcm3T1CCells:
    made = device_of(**changes).cells(rows, cols, seed, shard, switches)
    assert isinstance(made, Pcm3T1CCells)
    return made


def pulse_all(cells: Cells, sign: int, times: int = 1) -> None:
    """Fire one pulse at every cell, so many times: 15 x 15 / 15 would be 15, 15 x 1 / 15 is one."""
    rows, cols = cells.weights.shape
    for _ in range(times):
        cells.update(np.full(rows, 15), np.full(cols, sign), np.zeros(rows, np.float32))


def arrays(cells: Any) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in cells.state._asdict().items()}


# ---- the generator


@pytest.mark.parametrize(
    ("counter", "key", "words"),
    [  # known answers of philox4x32-10 that come with Random123 1.14, file kat_vectors
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((2**32 - 1,) * 4, (2**32 - 1,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_gives_the_known_answers(counter: Any, key: Any, words: Any) -> None:
    assert tuple(int(word) for word in draws.philox(*counter, *key)) == words
    assert tuple(int(word) for word in reference_philox(np.array(counter, np.uint64), key)) == words


def test_normal_draws_are_normal_and_uncorrelated() -> None:
    first, second = reference_normals(5, 6, 7, 8, range(200), 250)
    for draw in (first, second):  # 50,000 draws: moments within five standard errors
        assert abs(draw.mean()) < 5 / math.sqrt(50_000)
        assert abs(draw.var() - 1) < 5 * math.sqrt(2 / 50_000)
        assert abs((draw**4).mean() - 3) < 5 * math.sqrt(96 / 50_000)
    for one, other in ((first, second), (first[1:], first[:-1]), (first[:, 1:], first[:, :-1])):
        assert abs((one * other).mean()) < 5 / math.sqrt(49_000)
    assert draws.normals(5, 6, 7, 8, 11, 12) == (first[11, 12], second[11, 12])


def test_quick_pairs_are_normal_and_uncorrelated() -> None:
    first, second = quick_pairs(5, 6, 7, 8, range(100, 300), 250)
    for draw in (first.astype(float), second.astype(float)):  # as above; 4,096 quantiles have a fourth moment of 2.99
        assert abs(draw.mean()) < 5 / math.sqrt(50_000)
        assert abs(draw.var() - 1) < 5 * math.sqrt(2 / 50_000)
        assert abs((draw**4).mean() - 2.99) < 5 * math.sqrt(96 / 50_000)
    others = [
        quick_pairs(*key, range(100, 300), 250)[0] for key in ((4, 6, 7, 8), (5, 5, 7, 8), (5, 6, 8, 8), (5, 6, 7, 9))
    ]
    for one, other in (
        (first, second),
        (first[1:], first[:-1]),
        (first[:, 1:], first[:, :-1]),
        *((first, each) for each in others),
    ):
        assert abs((one * other).mean()) < 5 / math.sqrt(49_000)


# ---- the sanity cases of the design, section 8: F = 3, o = 2, m = 0.3, steps .055 up and .045 down


def case(p: int) -> Pcm3T1CCells:
    """A cell of that section in an interval of polarity p, with m = 0.3 uS between it and its reference."""
    cells = cells_of(1, 1, step_bend="0")
    cells.state.up[:], cells.state.down[:] = 0.055 / 40, 0.045 / 40  # k = 40 uS/V
    cells.state.shared_k[:] = 40 * 5.7 / 6  # g_s(0.5) = 5.7 uS
    cells.state.polarity[:] = -p
    cells.transfer(0, 1, 0, 0, True)
    assert cells.state.polarity[0] == p
    return cells


def moved_by(cells: Pcm3T1CCells) -> float:
    """Return what 250 increases and 250 decreases do to the weight, in turns, so that the range is kept."""
    before = float(cells.weights[0, 0])
    for _ in range(250):
        pulse_all(cells, +1)
        pulse_all(cells, -1)
    return float(cells.weights[0, 0]) - before


def test_an_asymmetry_of_ten_percent_cancels_over_two_intervals() -> None:
    even, odd = moved_by(case(+1)), moved_by(case(-1))
    assert even == pytest.approx(+2.5, abs=1e-3)  # 250 (.055 - .045)
    assert odd == pytest.approx(-2.5, abs=1e-3)
    assert even + odd == pytest.approx(0, abs=2e-3)


@pytest.mark.parametrize(("inversion", "expected"), [(True, 0.0), (False, 5.0)])
def test_without_inversion_it_adds_up(inversion: bool, expected: float) -> None:
    switches = Switches(polarity_inversion=inversion, leakage=False, variability=False, programming_error=False)
    cells = cells_of(1, 1, switches, step_bend="0", offset="0 S", residual_pulses=2000, **QUIET)
    cells.state.up[:], cells.state.down[:] = 0.055 / 40, 0.045 / 40
    total = moved_by(cells)
    cells.transfer(0, 1, 0, 0, True)
    assert total + moved_by(cells) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize(
    ("p", "target", "plus", "programmed", "difference"),
    [(-1, 14.3, 4.767, 4.6, +1.8), (+1, 9.7, 3.233, 3.1, +2.7)],
)
def test_a_weight_of_twelve(p: int, target: float, plus: float, programmed: float, difference: float) -> None:
    """W = 12: programmed as 4.6 (3.1), r = -1.8 (+2.7), so that g - g_s must become +1.8 (+2.7)."""
    cells = case(p)
    cells.program(np.full((1, 1), 12, np.float32), 0)
    assert float(cells.state.plus[0, 0]) * 3 == pytest.approx(target, abs=1e-4)
    assert float(cells.state.plus[0, 0]) == pytest.approx(plus, abs=5e-4)
    # The programming error is put in as the constant of its law, over the draw of this cell, which is below zero.
    draw = quick_pairs(5, 0, FIRST, 0, range(1), 1)[0][0, 0]
    error = np.float32((programmed - target / 3) / draw)
    cells.numbers = cells.numbers._replace(pcm=cells.numbers.pcm._replace(error=error))
    cells.program(np.full((1, 1), 12, np.float32), seed=5)
    assert float(cells.state.plus[0, 0]) == pytest.approx(programmed, abs=1e-3)
    assert (12 - float(cells.state.pcm[0, 0])) * p == pytest.approx(difference, abs=1e-3)
    held = (float(cells.weights[0, 0]) - float(cells.state.pcm[0, 0])) * p
    assert held == pytest.approx(difference, abs=0.025 * 1.1)  # to half a pulse of .055
    assert float(cells.weights[0, 0]) == pytest.approx(12, abs=0.025 * 1.1)


# ---- kernels against plain numpy: to the bit


calls = st.one_of(
    st.tuples(st.just("update"), st.integers(0, 2**32 - 1)),
    st.tuples(st.just("leak"), st.sampled_from([1e-6, 1e-6, 15e-6, 1e-3]), st.booleans()),
    st.tuples(st.just("transfer"), st.integers(0, 5), st.booleans(), st.sampled_from([0.0, 2e-6, 7e-3]), st.booleans()),
    st.tuples(st.just("rewrite"), st.sampled_from([1e-6, 1e-4]), st.booleans()),
    st.tuples(st.just("program"), st.integers(0, 2**32 - 1)),
)


def call(cells: Cells, name: str, *rest: Any) -> Any:
    """Make one call; the flag that comes last cuts the rows."""
    rows, cols = (int(each) for each in cells.weights.shape)
    start, stop = (rows // 2, rows) if rest[-1] is True else (0, rows)
    if name in ("update", "program"):
        rng = np.random.default_rng(rest[0])
        if name == "program":
            return cells.program(rng.normal(0, 20, (rows, cols)).astype(np.float32), rest[0] % 7)
        slots = int(rng.choice([15, 15, 1, 40, 1023, 3000]))
        most = min(slots, int(rng.choice([1, 3, 15, 60])))
        nx = rng.integers(0, slots + 1, rows) * rng.integers(0, 2, rows)
        nd = rng.integers(-most, most + 1, cols) * rng.integers(0, 2, cols)
        return cells.update(nx, nd, rng.random(rows, np.float32), slots)
    if name == "leak":
        return cells.leak(start, stop, rest[0])
    if name == "transfer":
        return cells.transfer(start, stop, 3, *rest[:3])
    return cells.rewrite(start, stop, rest[0], 4, 2)


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 19)),
    st.sampled_from(SWITCHES),
    st.sampled_from(
        [
            {},
            {"cells_per_reference": 3},
            {"ramp": "60 ns", "step": "6 mV"},
            {"step_spread": "60 %"},
            HABITS,
            {**HABITS, "residual_pulses": 160},
        ]
    ),
    st.integers(0, 2**32 - 2),
    st.lists(calls, min_size=1, max_size=8),
)
def test_the_kernels_are_plain_numpy_to_the_bit(
    shape: tuple[int, int], switches: Switches, changes: dict[str, Any], seed: int, sequence: list[Any]
) -> None:
    kernel = device_of(**changes).cells(*shape, seed, 3, switches)
    plain = Pcm3T1CReference(device_of(**changes), *shape, seed, 3, switches)
    for step in (("made",), *sequence):
        found, expected = (None, None) if step[0] == "made" else (call(kernel, *step), call(plain, *step))
        assert found == expected, step
        for name, array in plain.state._asdict().items():
            np.testing.assert_array_equal(getattr(kernel.state, name), array, f"{name} after {step}")
        assert kernel.conductances().tobytes() == plain.conductances().tobytes()


# ---- transistor, capacitor, leak


@pytest.mark.parametrize(("volts", "expected"), [(0.5, 6), (0.8, 18), (0.35, 0), (0.2, 0)])
def test_nominal_conductances(volts: float, expected: float) -> None:
    cells = cells_of(1, 1)
    cells.state.voltage[:] = volts
    cells.leak(0, 1, 0.0)
    own = cells.conductances() - cells.state.shared * (1 / 8)
    assert float(own[0, 0]) == pytest.approx(expected, abs=1e-5)  # 40 uS/V (V - 0.35 V), design section 8


def test_one_pulse_is_a_twentieth_of_a_microsiemens() -> None:
    cells = cells_of(2, 3)
    pulse_all(cells, +1)
    assert cells.step == pytest.approx(0.05)  # 1.25 mV x 40 uS/V
    assert cells.weights == pytest.approx(0.05, abs=4e-6)  # float32 at 0.5 V, times 40 uS/V


def test_steps_bend_with_the_voltage() -> None:
    cells = cells_of(1, 1)
    cells.state.voltage[:] = 0.8
    pulse_all(cells, +1)
    assert float(cells.state.voltage[0, 0]) - 0.8 == pytest.approx(1.25e-3 * (1 - 0.1 * 0.3 / 0.5), rel=1e-3)
    cells.state.voltage[:] = 0.8
    pulse_all(cells, -1)
    assert float(cells.state.voltage[0, 0]) - 0.8 == pytest.approx(-1.25e-3 * (1 + 0.1 * 0.3 / 0.5), rel=1e-3)


LEAKY = Switches(variability=False, programming_error=False)


def test_leak_by_one_time_constant() -> None:
    cells = cells_of(2, 9, LEAKY)
    cells.leak(0, 1, 5.16e-3)
    assert cells.state.voltage[0] == pytest.approx(0.8 - 0.3 / math.e, rel=1e-6)
    assert cells.state.shared_voltage[0] == pytest.approx(0.8 - 0.3 / math.e, rel=1e-6)
    assert np.all(cells.state.voltage[1] == np.float32(0.5))  # another row


@given(st.floats(1e-8, 1e-2), st.floats(1e-8, 1e-2))
def test_leak_composes(one_s: float, other_s: float) -> None:
    twice, once = cells_of(3, 9, Switches()), cells_of(3, 9, Switches())
    twice.leak(0, 3, one_s)
    twice.leak(0, 3, other_s)
    once.leak(0, 3, one_s + other_s)
    assert twice.state.voltage == pytest.approx(once.state.voltage, abs=3e-7)  # three roundings of float32 at 0.8
    assert twice.weights == pytest.approx(once.weights, abs=1e-4)


@given(st.floats(1e-7, 1e-1))
def test_common_mode_leak_leaves_the_weights_alone(dt_s: float) -> None:
    cells = cells_of(3, 9, LEAKY)
    before = cells.weights.copy()
    cells.leak(0, 3, dt_s)
    assert np.array_equal(cells.weights, before)
    assert (cells.state.voltage > 0.5).all()


def test_a_held_difference_decays_with_the_time_constant() -> None:
    cells = cells_of(1, 1, LEAKY)
    pulse_all(cells, +1, 40)
    held = float(cells.weights[0, 0])
    cells.leak(0, 1, 1.92e-3)  # 8,000 examples at 240 ns, .37 tau: design, section 8
    assert float(cells.weights[0, 0]) == pytest.approx(held * math.exp(-1.92 / 5.16), rel=1e-4)


def test_factors_of_decay_are_the_same_kept_or_not() -> None:
    cells = cells_of(5, 9, Switches())
    factors = DecayFactors(cells.state.tau)
    fresh = factors.rows(1, 4, 1e-3)[0].copy()
    for number in range(40):
        factors.rows(0, 1, 1e-5 * number)
    for _ in range(3):
        assert np.array_equal(factors.rows(1, 4, 1e-3)[0], fresh)
    assert fresh == pytest.approx(np.exp(-1e-3 / cells.state.tau[1:4].astype(float)), rel=1e-6)


# ---- update


@given(st.integers(0, 15), st.integers(-15, 15))
def test_coincidences_are_unbiased_over_a_uniform_phase(x: int, d: int) -> None:
    phases = ((np.arange(1500) + 0.5) / 1500).astype(np.float32)
    cells = cells_of(1500, 1, step="0.01 mV")
    counts = cells.update(np.full(1500, x), np.array([d]), phases)
    assert counts.pulses == x * abs(d) * 100  # nx |nd| / 15 each, exactly: the phases fill the fifteenths evenly
    assert counts.clipped == 0


def test_fifteen_by_fifteen_is_never_sixteen() -> None:
    cells = cells_of(1, 1)
    phase = np.array([np.nextafter(np.float32(1), np.float32(0))])
    assert cells.update(np.array([15]), np.array([-15]), phase).pulses == 15


@given(st.sampled_from([1, -1]), st.sampled_from([1, -1]), st.booleans(), st.integers(0, 99))
def test_a_weight_moves_as_asked_in_both_polarities(p: int, sign: int, inversion: bool, seed: int) -> None:
    cells = cells_of(4, 9, Switches(polarity_inversion=inversion), seed)
    cells.transfer(0, 4, 0, 0, p < 0)
    assert np.all(cells.state.polarity == (p if inversion else 1))
    for _ in range(3):
        before = cells.weights.copy()
        pulse_all(cells, sign)
        assert np.all((cells.weights - before) * sign > 0)


def test_a_row_without_pulses_and_a_column_without_are_left_alone() -> None:
    cells = cells_of(3, 4, Switches())
    before = cells.weights.copy()
    cells.update(np.array([0, 15, 0]), np.array([0, 15, -15, 0]), np.full(3, 0.99, np.float32))
    moved = cells.weights != before
    assert np.argwhere(moved).tolist() == [[1, 1], [1, 2]]


@given(st.integers(1, 60), st.sampled_from([1, -1]), st.integers(0, 99))
def test_many_pulses_at_once_are_as_many_one_by_one(count: int, sign: int, seed: int) -> None:
    once, by_one = (cells_of(3, 9, Switches(), seed) for _ in range(2))
    once.update(np.full(3, 60), np.full(9, sign * count), np.zeros(3, np.float32), 60)
    for _ in range(count):
        by_one.update(np.full(3, 60), np.full(9, sign), np.zeros(3, np.float32), 60)
    assert once.state.voltage == pytest.approx(by_one.state.voltage, abs=count * 6e-8)  # a rounding at 0.5 V each


def test_coincidences_are_exact_for_all_counts_and_phases() -> None:
    for slots in (2, 3, 7, 15, 63, 255, 1023):
        phases = (np.arange(slots) + np.float32(0.5)) / slots
        for sizes in (np.array([1, 2, 3]), np.array([1, slots // 2, slots])):
            sizes = np.minimum(sizes, slots)
            for pulses in {1, slots // 2 + 1, slots - 1, slots}:
                cells = cells_of(slots, 3, step="1 nV", capacitor_least="0.1 V")
                found = cells.update(np.full(slots, pulses), sizes, phases.astype(np.float32), slots)
                expected = (pulses * sizes[None, :] + np.floor(phases * slots)[:, None]) // slots
                assert found.pulses == expected.sum()


def test_voltage_is_kept_in_its_range_and_the_rest_counted() -> None:
    cells = cells_of(1, 2, step="100 mV", step_bend="0")
    counts = cells.update(np.array([15]), np.array([15, -15]), np.zeros(1, np.float32))
    assert cells.state.voltage[0] == pytest.approx([1.0, 0.2])
    # From 0.5 V: 5 steps of 0.1 V reach 1.0 V (rounding may make the fifth or the sixth the first that is cut).
    assert counts.pulses == 30
    assert counts.clipped == pytest.approx(30 - 5 - 3, abs=2)


@pytest.mark.parametrize(
    ("nx", "nd", "phi"),
    [([16, 0], [1], [0, 0]), ([-1, 0], [1], [0, 0]), ([1, 1], [-16], [0, 0]), ([1, 1], [1], [0, 1]), ([1], [1], [0])],
)
def test_counts_that_cannot_be_are_refused(nx: list[int], nd: list[int], phi: list[float]) -> None:
    cells = cells_of(2, 1)
    before = arrays(cells)
    with pytest.raises(ValueError, match="count"):
        cells.update(np.array(nx), np.array(nd), np.array(phi, np.float32))
    assert arrays(cells) == before


@pytest.mark.parametrize(("start", "stop"), [(-1, 1), (0, 3), (1, 1), (2, 1)])
def test_rows_that_are_not_there_are_refused(start: int, stop: int) -> None:
    cells = cells_of(2, 1)
    for attempt in (
        lambda: cells.leak(start, stop, 1e-3),
        lambda: cells.transfer(start, stop, 0, 0, True),
        lambda: cells.rewrite(start, stop, 1e-3, 0, 0),
    ):
        with pytest.raises(ValueError, match="rows"):
            attempt()


# ---- transfer


@given(st.sampled_from(SWITCHES), st.booleans(), st.integers(0, 99), st.floats(0, 15))
def test_a_transfer_keeps_the_weights_within_the_residual_it_reports(
    switches: Switches, invert: bool, seed: int, spread: float
) -> None:
    cells = cells_of(6, 11, switches, seed, **QUIET)
    rng = np.random.default_rng(seed)
    cells.program(rng.normal(0, spread, (6, 11)).astype(np.float32), seed)
    before = cells.weights.copy()
    counts = cells.transfer(0, 6, seed, 1, invert)
    error = np.abs(cells.weights - before)
    assert error.max() == pytest.approx(counts.residual_max, abs=1e-5)  # a weight and a difference, both rounded
    assert float(error.sum(dtype=np.float64)) == pytest.approx(counts.residual_sum, abs=66e-5)
    assert counts.cells == 66
    assert counts.pulses <= 66 * 80  # 64 and 16 to trim
    assert counts.resets == 66 * 2 * 2  # two devices, two iterations


def test_without_errors_a_transfer_leaves_half_a_pulse() -> None:
    cells = cells_of(8, 16, **QUIET)
    cells.program(np.random.default_rng(0).normal(0, 10, (8, 16)).astype(np.float32), 0)
    for index in range(4):
        before = cells.weights.copy()
        cells.transfer(0, 8, 0, index, True)
        # Half a step, which at 2 uS from the start is bent by 1 - 0.1 x 0.05 / 0.5 at most.
        assert np.abs(cells.weights - before).max() < 0.5 * 0.05 * 1.02


@pytest.mark.parametrize("p", [1, -1])
def test_weights_between_zero_and_the_offset_leave_both_devices_reset(p: int) -> None:
    cells = cells_of(1, 5, **QUIET)
    if p < 0:
        cells.transfer(0, 1, 0, 0, True)
    # W_T = W - p' 2 uS, and both devices stay RESET if 0 < p' W_T < 2 uS, that is 2 < p' W < 4.
    counts = cells.program(p * np.array([[-1.0, 1.0, 3.0, 3.9, 4.1]], np.float32), 0)
    assert counts.both_reset == 2
    assert (cells.state.plus + cells.state.minus > 0).tolist() == [[True, True, False, False, True]]


def test_a_target_beyond_the_ramp_slot_is_clipped_and_counted() -> None:
    cells = cells_of(1, 3, offset="0 S", **QUIET)
    # 25 uS x ln(500 / 13.6) / ln(4400 / 13.6) = 15.6 uS: design, section 8
    assert cells.reach == pytest.approx(3 * 15.6, abs=0.1)
    counts = cells.program(np.array([[46.0, 60.0, -60.0]], np.float32), 0)
    assert counts.clipped == 2
    assert counts.residual_max == pytest.approx(60 - 3 * 15.6 - 80 * 0.05, abs=0.3)  # 80 pulses put back 4 uS


@pytest.mark.parametrize("target", [0.5, 5.0, 12.5, 20.0, 24.0])
def test_programming_error_is_that_of_the_formula(target: float) -> None:
    switches = Switches(variability=False, leakage=False)
    cells = cells_of(100, 200, switches, offset="0 S", ramp="4.4 us", **QUIET)
    cells.program(np.full((100, 200), 3 * target, np.float32), 9)
    r = target / 25  # sigma: aihwkit's PCM model; above 20 uS times 1 + (G - 20) / 10
    sigma = (0.2635 + 1.965 * r - 1.1731 * r**2) * (1 + max(0.0, target - 20) / 10)
    found = cells.state.plus.astype(np.float64)
    shown = found[found > 0] if target < 4 * sigma else found  # below zero is not held
    if shown is found:
        assert found.mean() == pytest.approx(target, abs=5 * sigma / math.sqrt(found.size))
        assert found.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * found.size))
    else:
        share = 0.5 * (1 + math.erf(target / sigma / math.sqrt(2)))
        assert shown.size / found.size == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / found.size))
    # The other device is RESET: max(0, N(.1, .05)) uS
    other = cells.state.minus.astype(np.float64)
    assert np.median(other) == pytest.approx(0.1, abs=5 * 1.2533 * 0.05 / math.sqrt(other.size))
    above = 0.5 * (1 + math.erf(2 / math.sqrt(2)))
    assert (other > 0).mean() == pytest.approx(above, abs=5 * math.sqrt(above * (1 - above) / other.size))


def test_the_read_of_a_transfer_is_noisy() -> None:
    cells = cells_of(100, 100, IDEAL, offset="0 S")
    cells.program(np.full((100, 100), 10, np.float32), 0)
    before = cells.weights.copy()
    counts = cells.transfer(0, 100, 0, 0, True)
    error = cells.weights - before
    assert error.std() == pytest.approx(0.2, rel=0.05)  # sigma .2 uS, 10,000 draws
    assert counts.residual_sum / counts.cells < 0.03  # which the chip does not know of


def test_spreads_are_those_of_the_device() -> None:
    state = cells_of(200, 200, Switches()).state
    for found, mean, sigma in (
        (state.k, 40, 1.2), (state.threshold, 0.35, 0.02), (state.up, 1.25e-3, 1.25e-4), (state.down, 1.25e-3, 1.25e-4),
        (np.log(state.tau), math.log(5.16e-3), 0.1), (state.shared_k, 40, 1.2), (state.shared_threshold, 0.35, 0.02),
        (np.log(state.shared_tau), math.log(5.16e-3), 0.1),
    ):  # fmt: skip
        values = found.astype(np.float64)
        assert values.mean() == pytest.approx(mean, abs=5 * sigma / math.sqrt(values.size))
        assert values.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * values.size))


# ---- rows in turns, and transfers that reckon with the leak


@pytest.mark.parametrize(("pattern", "expected"), [("uniform", [1, 1, 1, 1, 1]), ("alternating", [1, -1, 1, -1, 1])])
def test_what_the_offset_loses_cancels_between_rows_of_either_polarity(pattern: str, expected: list[int]) -> None:
    # Origin: D = offset after a transfer, and p (D exp(-t / tau) - D) is lost from every weight.
    cells = cells_of(5, 4, LEAKY, row_polarity=pattern, **QUIET)
    assert cells.state.polarity.tolist() == expected
    cells.program(np.full((5, 4), 20, np.float32), 0)
    before = cells.weights.copy()
    cells.leak(0, 5, 2e-3)
    lost = (before - cells.weights).mean(axis=1)
    np.testing.assert_allclose(lost, np.array(expected) * 2 * (1 - math.exp(-2 / 5.16)), atol=0.03)  # half a pulse
    cells.transfer(0, 5, 0, 0, True)
    assert cells.state.polarity.tolist() == [-p for p in expected]


def test_rows_that_are_never_inverted_all_begin_alike() -> None:
    assert (cells_of(4, 2, Switches(polarity_inversion=False), **HABITS).state.polarity == 1).all()


@pytest.mark.parametrize("held_s", [0.5e-3, 3e-3, 7.3e-3])
def test_offset_and_programming_error_come_back_whole_and_the_error_is_right_on_average(held_s: float) -> None:
    # Origin: the nominal leak, D exp(-t / tau). D = offset + error / a is put back, a being the mean of exp(-t / tau).
    cells = cells_of(
        20, 30, Switches(variability=False), leak_compensation="nominal", residual_pulses=400, capacitor_start="2 V",
        start_conductance="66 uS", capacitor_most="4 V", step_bend="0", leak_target="2.3 V", **QUIET
    )  # fmt: skip  # 40 uS/V as ever, with room for any error
    kept = math.exp(-held_s / 5.16e-3)
    mean = (1 - kept) * 5.16e-3 / held_s
    cells.program(np.random.default_rng(5).normal(0, 10, (20, 30)).astype(np.float32), 0)
    pcm = cells.state.pcm.copy()
    intended = pcm + (cells.weights - pcm) * mean / kept + 2 * (1 - mean)  # reckoned with a leak that there was not
    cells.transfer(0, 20, 0, 0, False, held_s)
    pcm = cells.state.pcm.copy()
    assert (intended - pcm - 2).std() > 0.5  # errors
    np.testing.assert_allclose(cells.weights, pcm + 2 + (intended - pcm - 2) / mean, atol=0.03)  # half a pulse
    parts, total = 200, np.zeros(pcm.shape)
    for _ in range(parts):
        cells.leak(0, 20, held_s / parts / 2)
        total += cells.weights
        cells.leak(0, 20, held_s / parts / 2)
    np.testing.assert_allclose(total / parts, intended - 2 * (1 - mean), atol=0.03)
    cells.transfer(0, 20, 0, 1, False, held_s)
    pcm = cells.state.pcm.copy()
    np.testing.assert_allclose(cells.weights, pcm + 2 + (intended - pcm - 2) / mean, atol=0.06)  # half a pulse, twice


def test_a_transfer_that_compensates_counts_an_update_as_it_did_on_average() -> None:
    # Origin: D exp(-(t - u) / tau) is left of an update at u; it is taken a / e times.
    held_s, tau_s = 6e-3, 5.16e-3
    kept = math.exp(-held_s / tau_s)
    mean = (1 - kept) * tau_s / held_s
    for share in (0.0, 0.25, 0.9):
        cells = cells_of(2, 8, LEAKY, leak_compensation="nominal", offset="0 S", **QUIET)
        cells.leak(0, 2, share * held_s)
        before = cells.weights.copy()
        pulse_all(cells, +1, 40)
        gained = cells.weights - before
        cells.leak(0, 2, (1 - share) * held_s)
        cells.transfer(0, 2, 0, 0, False, held_s)
        expected = gained * math.exp(-(1 - share) * held_s / tau_s) * mean / kept
        np.testing.assert_allclose(cells.weights, expected, atol=0.03)  # half a pulse


# ---- rewrite


def test_a_rewrite_restores_what_leaked() -> None:
    cells = cells_of(2, 9, LEAKY, **QUIET)
    pulse_all(cells, +1, 40)
    held = cells.weights.copy()
    cells.leak(0, 2, 0.5e-3)
    lost = np.abs(cells.weights - held)
    cells.rewrite(0, 1, 0.5e-3, 0, 0)
    assert (lost > 0.15).all()
    assert np.abs(cells.weights - held)[0].max() < 0.03  # half a pulse
    assert np.array_equal(np.abs(cells.weights - held)[1], lost[1])


# ---- cells that are trained in place


IN_PLACE: list[tuple[type[InPlaceCell], dict[str, str]]] = [
    (kind, changes) for kind in (StaticCell, SoftBounds) for changes in ({}, {"step": "9 uS"})
]


def in_place_of(rows: int, cols: int, kind: type[InPlaceCell] = SoftBounds, **changes: object) -> InPlaceCells:
    device = kind.model_validate({**kind.example, **changes})
    made = device.cells(rows, cols, 1, 0, Switches(variability=False))
    assert isinstance(made, InPlaceCells)
    return made


@given(
    st.tuples(st.integers(1, 6), st.integers(1, 9)),
    st.sampled_from(IN_PLACE),
    st.booleans(),
    st.integers(0, 2**32 - 2),
    st.lists(calls, min_size=1, max_size=8),
)
def test_cells_in_place_are_plain_numpy_to_the_bit(
    shape: tuple[int, int], cell: Any, variability: bool, seed: int, sequence: list[Any]
) -> None:
    device = cell[0].model_validate({**cell[0].example, **cell[1]})
    both = [
        make(*shape, seed, 3, Switches(variability=variability))
        for make in (device.cells, partial(InPlaceReference, device))
    ]
    for step in (("made",), *sequence):
        found, expected = (None if step[0] == "made" else call(cells, *step) for cells in both)
        assert found == expected, step
        assert arrays(both[0]) == arrays(both[1]), step


def test_a_static_cell_is_linear_up_to_its_bound() -> None:
    cells = in_place_of(1, 2, StaticCell)
    full = np.array([15]), np.array([15, -15]), np.zeros(1, np.float32)
    cells.update(*full)
    assert cells.weights[0] == pytest.approx([0.75, -0.75], rel=1e-6)  # 15 x 0.05 uS
    clipped = sum(cells.update(*full).clipped for _ in range(99))
    assert cells.weights[0].tolist() == [60, -60]
    # 1,500 pulses each, of which 1,200 reach 60 uS; the sum of 1,200 roundings may miss it by a pulse or two.
    assert clipped == pytest.approx(2 * 300, abs=4)


def test_soft_bounds_are_approached_exponentially() -> None:
    cells = in_place_of(1, 1)
    for _ in range(40):
        cells.update(np.array([15]), np.array([15]), np.zeros(1, np.float32))
    # W <- W + s (1 - W / b), from zero: b (1 - (1 - s / b)^n), n = 600
    assert float(cells.weights[0, 0]) == pytest.approx(60 * (1 - (1 - 0.1 / 60) ** 600), rel=1e-4)


@given(st.floats(-59, 59))
def test_up_and_down_steps_of_soft_bounds_mirror_each_other(weight: float) -> None:
    steps = []
    for sign in (1, -1):
        cells = in_place_of(1, 1)
        cells.program(np.full((1, 1), sign * weight, np.float32), 0)
        before = float(cells.weights[0, 0])
        pulse_all(cells, sign)
        steps.append((float(cells.weights[0, 0]) - before) * sign)
    assert steps[0] == steps[1] == pytest.approx(0.1 * (1 - weight / 60), abs=1e-5)


def test_spreads_of_soft_bounds_are_those_of_the_device() -> None:
    device = SoftBounds.model_validate(SoftBounds.example)
    state = device.cells(200, 200, 1, 0, Switches()).state
    step = (state.up.astype(float) + state.down) / 2
    # max(.05, 1 + N(0, .3)) is cut at -3.2 sigma, which moves neither figure by a part in a thousand.
    for values, mean, sigma in (
        (step, 0.1, 0.03),
        (state.bound, 60, 18),
        ((state.up - state.down) / step / 2, 0, 0.01),
    ):
        assert np.mean(values) == pytest.approx(mean, abs=6 * sigma / 200)
        assert np.std(values) == pytest.approx(sigma, rel=0.02)


@pytest.mark.parametrize("kind", [Pcm3T1C, StaticCell, SoftBounds])
def test_every_kind_of_cell_keeps_the_interface(kind: type[Device]) -> None:
    cells = kind.model_validate(kind.example).cells(3, 10, 1, 2)
    wanted = np.linspace(-20, 20, 30, dtype=np.float32).reshape(3, 10)
    counts = cells.program(wanted, 5)
    assert counts.cells == 30
    assert np.abs(cells.weights - wanted).max() == pytest.approx(counts.residual_max)
    before = cells.weights.copy()
    fired = cells.update(np.full(3, 15), np.full(10, -15), np.zeros(3, np.float32))
    assert fired == cells.kernel(
        cells.state, cells.numbers, np.full(3, 15), np.full(10, 15), np.zeros(3, np.float32), 15,
        scratch_of(10),
    )  # fmt: skip
    assert fired.pulses == 30 * 15
    assert np.abs(cells.weights - before).max() < 1.5 * cells.step * 15  # back, but for the asymmetry
    cells.leak(0, 3, 1e-3)
    assert {cells.transfer(0, 2, 1, 1, True).cells, cells.rewrite(1, 3, 1e-3, 1, 1).cells} == {20}
    assert cells.conductances().shape == cells.weights.shape
    assert np.all(cells.conductances() >= 0)
    assert cells.reach > 20
    assert cells.weights.dtype == cells.conductances().dtype == np.float32
    assert cells.weights.flags.c_contiguous
    for wrong in (lambda: cells.program(wanted[:2], 1), lambda: cells.transfer(0, 4, 1, 1, True)):
        with pytest.raises(ValueError, match=r"weights|rows"):
            wrong()
    with pytest.raises(ValueError, match="seed"):
        kind.model_validate(kind.example).cells(3, 10, -1, 2)


# ---- order, seeds and shards


def test_calls_do_not_depend_on_other_shards_nor_on_row_groups() -> None:
    def made(shard: int) -> Pcm3T1CCells:
        return cells_of(7, 9, Switches(), 5, shard)

    def work(cells: Pcm3T1CCells, groups: list[tuple[int, int]]) -> dict[str, bytes]:
        cells.program(np.full((7, 9), 5, np.float32), 1)
        for start, stop in groups:
            cells.leak(start, stop, 1e-4)
            cells.transfer(start, stop, 2, 3, True)
        return arrays(cells)

    one, other = made(1), made(2)
    alone = work(one, [(0, 7)])
    assert work(other, [(0, 7)]) != alone
    assert work(made(1), [(0, 7)]) == alone
    assert work(made(1), [(5, 7), (0, 2), (2, 5)]) == alone


@pytest.mark.parametrize("change", [{"seed": 2}, {"shard": 1}])
def test_seed_and_shard_change_what_is_drawn(change: dict[str, int]) -> None:
    assert not np.array_equal(cells_of(3, 4, Switches()).state.k, cells_of(3, 4, Switches(), **change).state.k)


def test_transfers_of_different_index_differ() -> None:
    found = []
    for index in (0, 1):
        cells = cells_of(3, 4, Switches())
        cells.transfer(0, 3, 0, index, True)
        found.append(cells.state.pcm.copy())
    assert not np.any(found[0] == found[1])


# ---- the component


def test_the_reference_chip_has_these_cells() -> None:
    device = load_arch("ambrogio_nature_2018").value.tile.device
    cells = device.cells(3, 10, seed=1, shard=2, switches=Switches(variability=False))
    assert isinstance(cells, Pcm3T1CCells)
    assert cells.weights.dtype == np.float32
    assert cells.weights.flags.c_contiguous
    assert cells.weights.shape == (3, 10)
    assert cells.state.shared.shape == (3, 2)  # one reference for 8 columns
    assert np.all(cells.state.k == 40)


@pytest.mark.parametrize(
    "change",
    [{"threshold": "0.5 V"}, {"capacitor_start": "1.1 V"}, {"leak_target": "0.1 V"}, {"ramp_least": "5 us"}],
)
def test_cells_that_cannot_be_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"out of order|not slower"):
        device_of(**change)


def test_the_command_does_not_load_the_kernels() -> None:
    code = (
        "import sys, archsim.cli; from archsim.components import COMPONENTS as c; print(len(c), 'numba' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout
    assert said.split() == [str(len(COMPONENTS)), "False"]
