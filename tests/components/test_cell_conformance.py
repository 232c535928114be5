"""One battery for all cells that are there in numbers, and the cells that are parts of the reference's."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from archsim.components import COMPONENTS
from archsim.components.cells.base import SingleRead, Switches
from archsim.components.cells.capacitor import CapacitorPair
from archsim.components.cells.numeric.ageing import Habits
from archsim.components.cells.numeric.base import Cells
from archsim.components.cells.numeric.conformance import (
    IDEAL,
    SWITCHES,
    arrays,
    call,
    cells_of,
    check_kernels,
    check_keys,
    check_leak,
    check_programming,
    check_quantities,
    check_state,
    check_steps,
    check_transfer,
    conforms,
    pulse_all,
    weights_for,
)
from archsim.components.cells.numeric.draws import SET_PULSE
from archsim.components.cells.numeric.draws_in_numpy import normals
from archsim.components.cells.pcm import PcmPair


def references() -> dict[str, Callable[..., Cells]]:
    """Return the reference of each kind: classes in `*_reference.py` beside this file that name their kinds."""
    found: dict[str, Callable[..., Cells]] = {}
    for path in sorted(Path(__file__).parent.glob("*_reference.py")):
        for cls in vars(import_module(f"tests.components.{path.stem}")).values():
            found |= dict.fromkeys(vars(cls).get("kinds", ()), cls) if isinstance(cls, type) else {}
    return found


REFERENCES = references()
OPTIONS = {"drift_exponent": "0.05", "drift_exponent_spread": "0.02", "stuck_reset": "5 %", "stuck_set": "5 %"}
LAW = {"drift_law": "conductance", "drift_start": "1 us"}
NOISES = {"pulse_noise": "shot", "reset_noise": "thermal", "capacitance": "2 fF"}
CONVERSIONS = {"transfer_range": "40 uS", "verify_range": "15 uS", "verify_noise": "0.5 uS", "residual_range": "8 uS",
               "residual_noise": "0.2 uS"}  # fmt: skip
THRESHOLD = {"transfer_threshold": "5 uS", "programmed": "30 %"}
KINDS = [kind for kind, cls in COMPONENTS.items() if cls.role == "device"]
# Each kind as in its example and, if it has phase-change devices, with drift and with stuck devices, and if it has a
# capacitor with the noise of its pulses and resets, and if it is maintained with converted reads, all exaggerated, and
# if transfers may leave pairs as they are, with a threshold.
CASES: list[tuple[str, dict[str, str]]] = [(kind, {}) for kind in KINDS] + [
    (kind, dict(part)) for kind in KINDS if issubclass(COMPONENTS[kind], PcmPair)
    for part in (OPTIONS.items(), list(OPTIONS.items())[:2], list(OPTIONS.items())[2:], LAW.items(),
                 [*LAW.items(), *list(OPTIONS.items())[2:]])
] + [(kind, NOISES) for kind in KINDS if issubclass(COMPONENTS[kind], CapacitorPair)] + [
    (kind, {key: value for key, value in CONVERSIONS.items() if f"{key}_siemens" in COMPONENTS[kind].model_fields})
    for kind in KINDS if issubclass(COMPONENTS[kind], SingleRead)
] + [
    (kind, {**THRESHOLD, **more}) for kind in KINDS if "transfer_threshold_siemens" in COMPONENTS[kind].model_fields
    for more in ({"leak_compensation": "nominal", **CONVERSIONS}, {**LAW, **dict(list(OPTIONS.items())[2:])})
]  # fmt: skip
every_kind = pytest.mark.parametrize("kind", KINDS)
every_case = pytest.mark.parametrize(("kind", "options"), CASES)


def device_of(kind: str, **changes: object) -> Any:
    cls = COMPONENTS[kind]
    return cls.model_validate({**cls.example, **changes})


# ---- the battery


def test_every_kind_has_a_reference() -> None:
    assert set(REFERENCES) == set(KINDS)


calls = st.one_of(
    st.tuples(st.just("update"), st.integers(0, 2**32 - 1), st.booleans()),
    st.tuples(st.just("leak"), st.sampled_from([1e-6, 15e-6, 15e-6, 1e-3]), st.booleans()),
    st.tuples(st.just("transfer"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("rewrite"), st.sampled_from([1e-6, 1e-4]), st.booleans()),
    st.tuples(st.just("program"), st.integers(0, 2**32 - 1), st.booleans()),
)


@every_case
@given(
    st.tuples(st.integers(1, 6), st.integers(1, 20)),
    st.integers(1, 16),
    st.sampled_from(SWITCHES),
    st.integers(0, 2**32 - 2),
    st.lists(calls, min_size=1, max_size=8),
)
def test_kernels_are_plain_numpy_to_the_bit(
    kind: str, options: Any, shape: tuple[int, int], span: int, switches: Switches, seed: int, sequence: list[Any]
) -> None:
    shared = {"cells_per_reference": span} if issubclass(COMPONENTS[kind], CapacitorPair) else {}
    check_kernels(device_of(kind, **options, **shared), REFERENCES[kind], shape, switches, seed, sequence)


@every_case
@given(st.integers(0, 99))
def test_what_is_programmed_is_read_back_within_what_it_reports(kind: str, options: Any, seed: int) -> None:
    check_programming(device_of(kind, **options), seed)


@every_kind
@given(st.integers(0, 99))
def test_a_transfer_keeps_the_weights_within_what_it_reports(kind: str, seed: int) -> None:
    still = {"transfer_noise": "0 S"} if "transfer_noise_siemens" in COMPONENTS[kind].model_fields else {}
    check_transfer(device_of(kind, **still), seed)


@every_kind
@given(st.sampled_from([1, -1]), st.integers(1, 15), st.integers(0, 99))
def test_n_pulses_move_a_nominal_weight_by_about_n_steps(kind: str, sign: int, pulses: int, seed: int) -> None:
    check_steps(device_of(kind), sign, pulses, seed)


@every_case
def test_calls_depend_on_keys_only_and_not_on_how_rows_are_cut(kind: str, options: Any) -> None:
    check_keys(device_of(kind, **options))


@every_kind
def test_leak_changes_nothing_where_there_is_none(kind: str) -> None:
    check_leak(device_of(kind))


@every_case
def test_all_that_changes_is_in_the_state(kind: str, options: Any) -> None:
    """Other cells of the same device that are given the arrays go on to the same bits: resuming relies on it."""
    check_state(device_of(kind, **options))


@every_case
def test_quantities_are_named_and_add_up_to_the_weight(kind: str, options: Any) -> None:
    check_quantities(device_of(kind, **options))


def test_the_battery_for_plug_ins_is_made_of_these() -> None:
    conforms(device_of("soft_bounds"), REFERENCES["soft_bounds"], trials=2)
    with pytest.raises(AssertionError, match="after"):
        conforms(
            device_of("soft_bounds"), lambda device, *more: REFERENCES["static_cell"](device_of("static_cell"), *more)
        )


# ---- the PCM pair alone


def test_set_pulses_saturate() -> None:
    """G <- G + s (1 - G / G_max) from zero: G_max (1 - (1 - s / G_max)^n)."""
    cells = cells_of(device_of("pcm_pair"), 1, 2, IDEAL)
    for n in range(1, 61):
        cells.update(np.array([15]), np.array([1, -1]), np.zeros(1, np.float32))
        reached = 25 * (1 - (1 - 1 / 25) ** n)
        assert [float(cells.state.plus[0, 0]), float(cells.state.minus[0, 1])] == pytest.approx([reached] * 2, rel=1e-4)
        assert cells.weights[0] == pytest.approx([3 * reached, -3 * reached], rel=1e-4)
    assert cells.state.fired.tolist() == [[60, 60]]


def test_pulses_to_and_fro_fill_both_devices_until_a_transfer_empties_them() -> None:
    cells = cells_of(device_of("pcm_pair", transfer_noise="0 S"), 4, 5, IDEAL)
    for _ in range(40):
        pulse_all(cells, +1)
        pulse_all(cells, -1)
    full = 25 * (1 - (1 - 1 / 25) ** 40)
    assert cells.state.plus == pytest.approx(full, rel=1e-4)
    assert cells.state.minus == pytest.approx(full, rel=1e-4)
    before = cells.weights.copy()
    counts = cells.transfer(0, 4, 0, 0, True)
    assert counts.resets == 20 * 2 * 2  # two devices, two iterations
    assert cells.weights == pytest.approx(before, abs=1e-4)  # without programming error
    assert (cells.conductances() < 1e-3).all()


def test_only_pairs_that_are_full_are_reset() -> None:
    cells = cells_of(device_of("pcm_pair", set_noise="0"), 1, 3, Switches(variability=False))
    cells.program(np.zeros((1, 3), np.float32), 0)
    pulse_all(cells, +1, 5)
    cells.update(np.array([15]), np.array([15, -15, 0]), np.zeros(1, np.float32))
    cells.update(np.array([15]), np.array([15, -15, 0]), np.zeros(1, np.float32))
    before = cells.state.plus.copy(), cells.state.minus.copy()
    counts = cells.transfer(0, 1, 0, 0, True)
    # 35 pulses reach 19 uS, 30 pulses 17.7 uS, both above 15; the third has five pulses, 4.6 uS.
    assert counts.resets == 2 * 4
    assert (cells.state.plus[0, 2], cells.state.minus[0, 2]) == (before[0][0, 2], before[1][0, 2])
    assert (cells.state.plus[0, 1], cells.state.minus[0, 0]) == pytest.approx((0.1, 0.1), abs=0.05 * 5)


def test_noise_and_spread_of_set_pulses_are_those_of_the_device() -> None:
    cells = cells_of(device_of("pcm_pair"), 200, 200, Switches(variability=False))
    before = cells.state.plus.copy()
    pulse_all(cells, +1)
    z = (cells.state.plus.astype(float) - before) / (1 - before / 25)
    # One pulse is 1 + 0.6 z uS, cut where it would end below zero: 0.1 uS at most is cut, of 4.8 % of the draws.
    draws = 1 + 0.6 * normals(1, 2, SET_PULSE, 0, range(200), 200)[0]
    kept = before + draws * (1 - before / 25) >= 0
    assert z[kept] == pytest.approx(draws[kept], abs=1e-5)
    assert (cells.state.plus[~kept] == 0).all()
    assert draws.std() == pytest.approx(0.6, rel=5 / math.sqrt(2 * draws.size))
    made = cells_of(device_of("pcm_pair"), 200, 200).state
    for found, mean, sigma in ((made.steps, 1.0, 0.2), (made.limits, 25.0, 2.5)):
        values = found.astype(float)
        assert values.mean() == pytest.approx(mean, abs=5 * sigma / math.sqrt(values.size))
        assert values.std() == pytest.approx(sigma, rel=0.02)
        assert abs(np.corrcoef(values[0].ravel(), values[1].ravel())[0, 1]) < 5 / 200


def test_a_transfer_takes_the_time_of_the_steps_it_names() -> None:
    device = device_of("pcm_pair")
    # Two reads of 80 ns, two iterations of two RESETs of 50, a ramp of 500 and a verify of 80 ns.
    assert float(device.row_time_s(device.transfer_steps)) == pytest.approx(1.52e-6)
    actions = device.actions()
    assert [actions[step].energy_j for step in ("reset", "ramp", "verify")] == [15e-12, 40e-12, 49.5e-15]
    assert device.programmed_share == 0.1  # of the pairs are refreshed
    assert actions["transfer_read"].energy_j == pytest.approx(49.5e-15)
    assert device.writes_when_programmed == 2


@pytest.mark.parametrize("change", [{"refresh_above": "25 uS"}, {"stuck_set": "60 %", "stuck_reset": "40 %"}])
def test_pairs_that_cannot_be_are_refused(change: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match=r"ever be RESET|all devices are stuck"):
        device_of("pcm_pair", **change)


# ---- the 3T1C alone


def test_a_capacitor_alone_loses_its_weight_with_the_time_constant_and_a_rewrite_restores_it() -> None:
    device = device_of("cap_3t1c", transfer_noise="0 S")
    cells = cells_of(device, 2, 9, Switches(variability=False))
    cells.program(np.full((2, 9), 2, np.float32), 0)
    held = cells.weights.copy()
    assert held == pytest.approx(2, abs=0.026)  # half a pulse
    cells.leak(0, 2, 1e-3)
    assert cells.weights == pytest.approx(held * math.exp(-1 / 5.16), rel=1e-4)
    cells.rewrite(0, 1, 1e-3, 0, 0)
    assert cells.weights[0] == pytest.approx(held[0], abs=0.026)
    assert cells.weights[1] == pytest.approx(held[1] * math.exp(-1 / 5.16), rel=1e-4)


def test_a_capacitor_alone_is_neither_transferred_nor_inverted() -> None:
    cells = cells_of(device_of("cap_3t1c"), 3, 9)
    cells.program(weights_for(cells), 0)
    before = arrays(cells)
    assert cells.transfer(0, 3, 0, 0, True) == (27, 0, 0, 0, 0, 0, 0.0, 0.0, 0, 0, 0)
    assert arrays(cells) == before
    assert device_of("cap_3t1c").transfer_steps == ()


@pytest.mark.parametrize(("start", "held"), [("0.5 V", 6.0), ("0.8 V", 8.0), ("0.36 V", 0.4)])
def test_what_a_capacitor_holds_is_limited_by_its_range_on_both_sides(start: str, held: float) -> None:
    """At 0.5 V there are 0.15 V down to the threshold, at 0.8 V 0.2 V up to 1.0 V; always with 40 uS/V."""
    volts = float(start.split()[0])
    device = device_of("cap_3t1c", capacitor_start=start, start_conductance=f"{40 * (volts - 0.35)} uS")
    assert device.held_siemens * 1e6 == pytest.approx(held)
    assert device.row_time_s(device.transfer_steps) == 0
    assert float(device.row_time_s(device.rewrite_steps)) == pytest.approx(640e-9)  # 80 + 80 x 5 + 2 x 80 ns


# ---- drift and stuck devices


def with_pcm(test: Any) -> Any:
    return pytest.mark.parametrize("kind", ["pcm_3t1c", "pcm_pair"])(test)


@with_pcm
def test_options_that_are_off_leave_everything_to_the_bit(kind: str) -> None:
    off = dict.fromkeys(OPTIONS, "0")
    found = []
    for options in ({}, off, {"drift_start": "1 s"}):
        cells = cells_of(device_of(kind, **options), 6, 11)
        assert {cells.state.exponents.size, cells.state.age.size, cells.state.stuck.size} == {0}
        for step in range(12):
            call(cells, ("update", "leak", "transfer")[step % 3], (step, 1e-5, step)[step % 3], step % 2 == 0)
        found.append(arrays(cells))
    assert found[0] == found[1] == found[2]


@with_pcm
def test_drift_begins_at_its_start_and_follows_the_power_law(kind: str) -> None:
    device = device_of(kind, drift_exponent="0.05")
    cells = cells_of(device, 3, 7, Switches(variability=False, leakage=False))
    cells.program(np.full((3, 7), 30, np.float32), 0)
    first, held = cells.state.plus.copy(), cells.weights - 3 * (cells.state.plus - cells.state.minus)
    cells.leak(0, 3, 10e-6)
    cells.leak(0, 3, 10e-6)
    assert np.array_equal(cells.state.plus, first)  # until 20 us
    cells.leak(0, 2, 180e-6)
    assert cells.state.plus[:2] == pytest.approx(first[:2] * 10**-0.05, rel=1e-5)  # (200 / 20)^-nu
    assert np.array_equal(cells.state.plus[2], first[2])
    assert cells.weights == pytest.approx(3 * (cells.state.plus - cells.state.minus) + held, abs=1e-4)


@with_pcm
@given(times=st.lists(st.floats(1e-7, 1e-1), min_size=1, max_size=6))
def test_drift_composes(kind: str, times: list[float]) -> None:
    device = device_of(kind, drift_exponent="0.05", drift_exponent_spread="0.02")
    parts, whole = (cells_of(device, 2, 5, Switches(leakage=False)) for _ in range(2))
    for cells in (parts, whole):
        cells.program(np.full((2, 5), 20, np.float32), 0)
    for dt_s in times:
        parts.leak(0, 2, dt_s)
    whole.leak(0, 2, sum(times))
    assert parts.state.plus == pytest.approx(whole.state.plus, rel=1e-6)
    assert parts.state.age == pytest.approx(whole.state.age, rel=1e-12)


@with_pcm
def test_programming_sets_the_clock_of_drift_back(kind: str) -> None:
    device = device_of(
        kind, drift_exponent="0.05", transfer_noise="0 S", **({"refresh_above": "1 uS"} if kind == "pcm_pair" else {})
    )
    cells = cells_of(device, 4, 5, IDEAL)
    cells.program(np.full((4, 5), 20, np.float32), 0)
    cells.leak(0, 4, 1e-3)
    assert cells.state.age == pytest.approx(1e-3)
    cells.transfer(1, 3, 0, 0, False)
    assert (cells.state.age[1:3] == 0).all()
    assert (cells.state.age[[0, 3]] == 1e-3).all()


def test_exponents_of_drift_are_those_of_the_device() -> None:
    device = device_of("pcm_pair", drift_exponent="0.005", drift_exponent_spread="0.0025")
    found = cells_of(device, 150, 150).state.exponents.astype(float)
    # max(0, N(.005, .0025)): cut at minus two sigma, of 2.3 % of the devices; the median stays.
    assert np.median(found) == pytest.approx(0.005, abs=5 * 1.2533 * 0.0025 / math.sqrt(found.size))
    share = 0.5 * math.erfc(2 / math.sqrt(2))
    assert (found == 0).mean() == pytest.approx(share, abs=5 * math.sqrt(share / found.size))


@with_pcm
def test_stuck_devices_stay_where_they_are(kind: str) -> None:
    device = device_of(kind, **OPTIONS)
    cells = cells_of(device, 100, 100)
    assert (cells.state.stuck == np.float32(0.1)).mean() == pytest.approx(0.05, abs=5 * math.sqrt(0.05 / 20_000))
    assert (cells.state.stuck == np.float32(25)).mean() == pytest.approx(0.05, abs=5 * math.sqrt(0.05 / 20_000))
    cells.program(weights_for(cells), 1)
    pulse_all(cells, +1, 3)
    cells.leak(0, 100, 1e-2)
    cells.transfer(0, 100, 1, 1, True)
    for held, stuck in zip((cells.state.plus, cells.state.minus), cells.state.stuck, strict=True):
        assert np.array_equal(held[stuck >= 0], stuck[stuck >= 0])
        assert (held[stuck < 0] != 25).all()
    assert not cells_of(device, 4, 4, Switches(variability=False)).state.stuck.size


def test_a_stuck_device_is_made_up_for_by_the_capacitor_as_far_as_its_pulses_reach() -> None:
    cells = cells_of(device_of("pcm_3t1c", stuck_reset="90 %", offset="0 S", transfer_noise="0 S"), 20, 20)
    cells.program(np.full((20, 20), 2, np.float32), 1)  # 2 uS: 40 pulses of the capacitor alone
    stuck = cells.state.stuck[0] >= 0
    # Both devices at 0.1 uS leave 2 uS to the capacitor, one that works at N(.1, .05) uS about as much. Its 80 pulses
    # reach 4 uS, less the mismatch of two transistors, N(0, 1.1 uS): half of the cells are well within.
    assert np.median(np.abs(cells.weights - 2)[stuck]) < 0.025 * 1.3  # half a pulse, of a step that spreads by 10 %


def test_ageing_that_is_off_is_empty() -> None:
    habits = device_of("pcm_pair", **OPTIONS).habits(Switches(variability=False))
    assert habits[:4] == (0.05, 0, 0, 0)
    assert all(array.size == 0 for array in Habits().none_aged(3, 10))
