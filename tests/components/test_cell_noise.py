"""Imperfections of cells that come with each deed: noise of pulses and resets; and the temperature of the leak."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numba
import numpy as np
import pytest
from pydantic import ValidationError

from archsim.base.mixing import mix
from archsim.components import COMPONENTS
from archsim.components.cells.base import Switches
from archsim.components.cells.capacitor import CapacitorPair
from archsim.components.cells.numeric import draws
from archsim.components.cells.numeric.capacitor_update import update
from archsim.components.cells.numeric.conformance import EVERYTHING, arrays, call, cells_of, pulse_all
from archsim.components.cells.numeric.draws import QUANTILES
from archsim.components.cells.numeric.draws_in_numpy import quick_normals
from archsim.spec.loading import load_arch
from tests.components.test_cell_conformance import KINDS, device_of

IDEAL = Switches(leakage=False, variability=False, programming_error=False)
"""Noise of pulses stays, where a device has it."""
ELECTRON_C, BOLTZMANN = 1.602176634e-19, 1.380649e-23  # the SI's own
CAPACITORS = [kind for kind in KINDS if issubclass(COMPONENTS[kind], CapacitorPair)]
with_capacitor = pytest.mark.parametrize("kind", CAPACITORS)
# What turns an imperfection on, by the name with which it is taken away.
ON: list[tuple[str, str, dict[str, str]]] = [
    (kind, name, options)
    for kind in CAPACITORS
    for name, options in (
        ("pulse_noise", {"pulse_noise": "shot"}),
        ("reset_noise", {"reset_noise": "thermal"}),
    )
] + [
    (kind, "drift", options)
    for kind in ("pcm_3t1c", "pcm_pair")
    for options in ({"drift_law": "conductance"}, {"drift_exponent": "0.05"})
]


def worked(device: Any, switches: Switches = EVERYTHING, temperature: float | None = None, seed: int = 1) -> Any:
    cells = device.cells(6, 11, seed, 2, switches, temperature)
    for step in range(15):
        call(cells, ("update", "leak", "transfer", "rewrite", "program")[step % 5],
             (step, 1e-4, step, 1e-4, step)[step % 5], step % 2 == 0)  # fmt: skip
    return cells


# ---- laws of all of them


@pytest.mark.parametrize(("kind", "name", "options"), ON)
def test_an_imperfection_is_taken_away_by_its_name_to_the_bit(kind: str, name: str, options: dict[str, str]) -> None:
    off, on = worked(device_of(kind)), worked(device_of(kind, **options))
    ablated = worked(device_of(kind, **options), replace(EVERYTHING, **{name: False}))
    assert arrays(ablated) == arrays(off)
    assert ablated.kernel is off.kernel
    assert arrays(on) != arrays(off)
    others = worked(device_of(kind), replace(EVERYTHING, **{name: False}))
    assert arrays(others) == arrays(off)


@with_capacitor
def test_silent_and_noisy_cells_are_played_by_one_kernel(kind: str) -> None:
    """Of one type, so that no noise has the loop compiled anew; only noisy ones count their updates."""
    silent, noisy = cells_of(device_of(kind), 2, 3), cells_of(device_of(kind, pulse_noise="shot"), 2, 3)
    assert silent.kernel is noisy.kernel is update
    assert (silent.state.updates.size, noisy.state.updates.size) == (0, 1)
    assert numba.typeof(silent.state) == numba.typeof(noisy.state)


# ---- quick draws


def test_quick_draws_are_normal_and_uncorrelated() -> None:
    found = quick_normals((1, 2, 3, 4), 500, 400).astype(float)
    for power, mean, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):  # of normal draws
        assert (found**power).mean() == pytest.approx(mean, abs=5 * math.sqrt(variance / found.size) + 0.01)
    for one, other in ((found[1:], found[:-1]), (found[:, 1:], found[:, :-1])):
        assert abs((one * other).mean()) < 5 / math.sqrt(one.size)
    for key in ((2, 2, 3, 4), (1, 3, 3, 4), (1, 2, 4, 4), (1, 2, 3, 5)):
        assert abs((found * quick_normals(key, 500, 400)).mean()) < 5 / math.sqrt(found.size)
    assert QUANTILES.mean(dtype=np.float64) == pytest.approx(0, abs=1e-9)
    assert np.square(QUANTILES, dtype=np.float64).mean() == pytest.approx(1, abs=1e-7)


# ---- pulses


def test_half_a_millivolt_on_twenty_femtofarad_is_62_electrons() -> None:
    assert device_of("cap_3t1c", step="0.5 mV").electrons_per_pulse == pytest.approx(62.4, abs=0.05)
    assert 1 / math.sqrt(62.4) == pytest.approx(0.127, abs=0.001)  # 13 %
    assert device_of("cap_3t1c", step="1 mV", capacitance="10 fF").electrons_per_pulse == pytest.approx(62.4, abs=0.05)


@with_capacitor
@pytest.mark.parametrize(("step", "count"), [("0.5 mV", 1), ("0.5 mV", 9), ("1.25 mV", 1), ("2 mV", 15)])
@pytest.mark.parametrize("sign", [1, -1])
def test_n_pulses_have_the_noise_of_their_electrons(kind: str, step: str, count: int, sign: int) -> None:
    """A Poisson count of n N electrons has mean n N and variance n N."""
    device = device_of(kind, step=step, pulse_noise="shot", step_bend="0")
    cells = cells_of(device, 150, 160, IDEAL)
    before = cells.state.voltage.astype(float)
    cells.update(np.full(150, 15), np.full(160, sign * count), np.zeros(150, np.float32))
    moved = np.abs(cells.state.voltage - before) * 20e-15 / ELECTRON_C
    mean = count * device.electrons_per_pulse
    assert moved.mean() == pytest.approx(mean, abs=5 * math.sqrt(mean / moved.size) + 2e-5 * mean)
    assert moved.var() == pytest.approx(mean, rel=5 * math.sqrt(2 / moved.size) + 0.002)
    assert cells.weights == pytest.approx(
        (cells.state.pcm if kind == "pcm_3t1c" else 0) + 40 * (cells.state.voltage - 0.5), abs=1e-4
    )  # 40 uS/V


@with_capacitor
def test_pulses_of_updates_and_cells_have_noises_of_their_own(kind: str) -> None:
    device = device_of(kind, pulse_noise="shot", step_bend="0")

    def noise(seed: int, shard: int, updates: int = 1) -> Any:
        cells = cells_of(device, 100, 100, IDEAL, seed, shard)
        for _ in range(updates):
            before = cells.state.voltage.astype(float)
            pulse_all(cells, +1)
        return (cells.state.voltage - before - 1.25e-3) / (1.25e-3 / math.sqrt(device.electrons_per_pulse))

    first = noise(1, 2)
    assert np.array_equal(first, noise(1, 2))
    for other in (noise(1, 2, 2), noise(2, 2), noise(1, 3), np.roll(first, 1, 0), np.roll(first, 1, 1)):
        assert abs((first * other).mean()) < 5 / 100


def test_noise_at_an_end_of_the_range_is_cut_and_counted() -> None:
    cells = cells_of(device_of("cap_3t1c", pulse_noise="shot", capacitance="0.1 fF"), 100, 100, IDEAL)
    cells.state.voltage[:] = np.float32(0.998)
    counts = cells.update(np.full(100, 15), np.full(100, 1), np.zeros(100, np.float32))
    assert counts.pulses == 10_000
    assert counts.clipped == (cells.state.voltage == 1).sum()
    # A step is 1.25 mV, a little less at the top: sigma is sqrt(1.125 mV x 1.6 mV) = 1.34 mV, and 0.875 mV are left.
    assert counts.clipped / 1e4 == pytest.approx(0.5 * math.erfc(0.875 / 1.342 / math.sqrt(2)), abs=0.025)


@with_capacitor
def test_pulses_that_write_a_value_have_it_too(kind: str) -> None:
    """After the burst a trim of a step a pulse: what is left is half a step's rounding and the noise of few pulses."""
    quiet, noisy = (
        cells_of(device_of(kind, pulse_noise=word, capacitance="5 fF", transfer_noise="0 S"), 80, 90, IDEAL)
        for word in ("none", "shot")
    )
    wanted = np.full((80, 90), 2, np.float32)
    found = [cells.program(wanted, 3) for cells in (quiet, noisy)]
    assert found[1].residual_sum > found[0].residual_sum
    error = noisy.weights.astype(float) - 2
    assert abs(error.mean()) < 0.025  # half a pulse, in uS: unbiased
    if kind == "cap_3t1c":
        # 40 pulses: sigma is 0.05 uS sqrt(40 / 39 electrons), one pulse; the trim then fires one or two of 16 %.
        assert error.std() < math.hypot(0.05 / math.sqrt(12), 0.05 * math.sqrt(2 / 39))
        assert error.std() > 0.05 / math.sqrt(12)


# ---- resets


@with_capacitor
@pytest.mark.parametrize(("capacitance", "kelvin"), [(20e-15, 300.0), (5e-15, 300.0), (20e-15, 400.0)])
def test_a_reset_is_off_by_the_square_root_of_kt_over_c(kind: str, capacitance: float, kelvin: float) -> None:
    # With steps as large as this no residual pulse is fired where the offset is zero.
    device = device_of(kind, reset_noise="thermal", capacitance=f"{capacitance} F", step="50 mV",
                       **({"offset": "0 S"} if kind == "pcm_3t1c" else {}))  # fmt: skip
    cells = device.cells(200, 160, 1, 2, IDEAL, kelvin)
    cells.program(np.zeros((200, 160), np.float32), 3)
    sigma = math.sqrt(BOLTZMANN * kelvin / capacitance)
    if (capacitance, kelvin) == (20e-15, 300.0):
        assert sigma == pytest.approx(0.455e-3, abs=0.001e-3)
    for voltage in (cells.state.voltage, cells.state.shared_voltage):
        off = voltage.astype(float) - 0.5
        assert abs(off.mean()) < 5 * sigma / math.sqrt(off.size)
        assert off.std() == pytest.approx(sigma, rel=5 / math.sqrt(2 * off.size))
    own = cells.state.voltage[:, :20].astype(float) - 0.5
    assert abs((own * (cells.state.shared_voltage - 0.5)).mean()) < 5 * sigma**2 / math.sqrt(own.size)
    if kind == "pcm_3t1c":
        before = cells.state.voltage.astype(float) - 0.5
        cells.transfer(0, 200, 3, 0, False)
        now = cells.state.voltage.astype(float) - 0.5
        few = np.abs(now) < 5 * sigma  # no residual pulse
        assert now[few].std() == pytest.approx(sigma, rel=0.03)
        assert abs((before * now)[few].mean()) < 5 * sigma**2 / math.sqrt(few.sum())


def test_residual_pulses_take_the_noise_of_a_reset_away() -> None:
    """What they put back is counted from reads after the reset."""
    found = []
    for word in ("none", "thermal"):
        cells = cells_of(
            device_of("pcm_3t1c", reset_noise=word, transfer_noise="0 S", capacitance="1 fF"), 60, 60, IDEAL
        )
        cells.program(np.full((60, 60), 7, np.float32), 3)
        found.append(np.abs(cells.weights - 7).max())
    # At 1 fF the noise of a cell and its reference is 2.9 mV, 0.115 uS, more than two pulses; half a pulse is left.
    assert found == pytest.approx([0.0, 0.025], abs=0.03)


# ---- temperature


@with_capacitor
@pytest.mark.parametrize(("kelvin", "factor"), [(300.0, 1.0), (310.0, 0.5), (330.0, 0.125), (290.0, 2.0), (None, 1.0)])
def test_ten_kelvin_halve_the_time_constant(kind: str, kelvin: float | None, factor: float) -> None:
    device = device_of(kind)
    cells, nominal = (device.cells(5, 9, 1, 2, EVERYTHING, warmth) for warmth in (kelvin, None))
    assert cells.state.tau == pytest.approx(nominal.state.tau * factor, rel=1e-6)
    assert cells.state.shared_tau == pytest.approx(nominal.state.shared_tau * factor, rel=1e-6)
    assert cells.numbers.tau == pytest.approx(5.16e-3 * factor)
    assert device.leak_time_constant_at_s(300.0 if kelvin is None else kelvin) == pytest.approx(5.16e-3 * factor)
    if factor == 1:
        assert arrays(cells) == arrays(nominal)
    ablated = device.cells(5, 9, 1, 2, Switches(temperature=False), kelvin)
    assert arrays(ablated) == arrays(nominal)


def test_a_difference_held_at_330_kelvin_is_gone_eight_times_as_soon() -> None:
    cells = device_of("cap_3t1c").cells(2, 9, 1, 2, Switches(variability=False), 330.0)
    cells.program(np.full((2, 9), 2, np.float32), 0)
    held = cells.weights.copy()
    cells.leak(0, 2, 1e-3)
    assert cells.weights == pytest.approx(held * math.exp(-8 / 5.16), rel=1e-4)


@with_capacitor
@pytest.mark.parametrize("kelvin", [1e-3, 600.0, 1000.0])
def test_cells_that_are_far_too_warm_or_cold_hold_numbers(kind: str, kelvin: float) -> None:
    for halving in ("10 K", "1 mK"):
        cells = worked(
            device_of(kind, leak_halving=halving, **({"leak_compensation": "nominal"} if kind == "pcm_3t1c" else {})),
            temperature=kelvin,
        )
        cells.transfer(0, 6, 1, 1, True, 8e-3)
        assert np.isfinite(cells.weights).all()


@pytest.mark.parametrize("kind", KINDS)
def test_cells_without_a_capacitor_do_not_care(kind: str) -> None:
    device = device_of(kind)
    if kind not in CAPACITORS:
        assert arrays(worked(device, temperature=350.0)) == arrays(worked(device))
        assert device.leak_time_constant_at_s(350.0) == 0


# ---- a finer step pays


def test_a_spread_in_volts_stays_when_the_step_is_made_finer() -> None:
    found = []
    for step in ("1.25 mV", "0.5 mV"):
        cells = cells_of(device_of("cap_3t1c", step=step, step_spread="0", step_spread_absolute="0.125 mV"), 100, 100)
        found.append(cells.state.up.std(dtype=float))
    assert found == pytest.approx([0.125e-3] * 2, rel=0.03)
    relative = cells_of(device_of("cap_3t1c", step_spread="10 %"), 20, 20)
    absolute = cells_of(device_of("cap_3t1c", step_spread="0", step_spread_absolute="0.125 mV"), 20, 20)
    assert relative.state.up == pytest.approx(absolute.state.up, rel=1e-6)
    assert not cells_of(
        device_of("cap_3t1c", step_spread="0", step_spread_absolute="0.125 mV"), 3, 3, IDEAL
    ).state.up.std()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"step_spread_absolute": "0.1 mV"}, "share of them, or by a voltage"),
        ({"residual_pulse": "1 ns"}, "give 2 ns or more, the cell's pulse_least"),
        ({"capacitance": "0 F"}, "capacitance above 0"),
        ({"pulse_noise": "loud"}, "none"),
    ],
)
def test_capacitors_that_cannot_be_are_refused(change: dict[str, str], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        device_of("cap_3t1c", **change)


def test_pulses_of_an_update_shorter_than_a_cell_takes_are_refused() -> None:
    load_arch("ambrogio_nature_2018", ["tile.array.pulse=2 ns"])
    with pytest.raises(Exception, match=r"array.pulse of 1.9 ns is too short for a 'pcm_3t1c'; give 2 ns or more"):
        load_arch("ambrogio_nature_2018", ["tile.array.pulse=1.9 ns"])
    load_arch("ambrogio_nature_2018", ["tile.array.pulse=1 ns", "tile.device.pulse_least=1 ns"])


def test_quick_draws_of_kernels_are_those_of_the_reference() -> None:
    key = draws.stream(7, 8, 9, 10)
    plain = quick_normals((7, 8, 9, 10), 5, 6)
    cells = cells_of(device_of("cap_3t1c", pulse_noise="shot"), 5, 6)
    assert cells.kernel is update  # whose bits the battery compares
    assert int(key) == int(mix(mix(mix(mix(7) ^ np.uint64(8)) ^ np.uint64(9)) ^ np.uint64(10)))
    assert plain.dtype == np.float32
