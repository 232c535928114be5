"""Drift whose exponents follow conductance, as in aihwkit's PCM model; and transfers, which read what has drifted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from archsim.components.cells.base import Switches
from archsim.components.cells.numeric.conformance import IDEAL, cells_of
from tests.components.test_cell_conformance import device_of, with_pcm

# nu = clamp(0.0244 - 0.0155 ln r, 0.049, 0.1), spread clamp(-0.0059 - 0.0125 ln r, 0.008, 0.045), r = G / 25 uS.
EXPECTED = [(12.0, 0.049, 0.008), (5.0, 0.049346, 0.014218), (1.0, 0.074295, 0.034336), (0.2, 0.099241, 0.045)]
SEVERAL = Switches(leakage=False, programming_error=False)


def law_of(kind: str, **changes: str) -> Any:
    base = {"drift_law": "conductance", "drift_start": "1 us", "transfer_noise": "0 S"}
    return device_of(kind, **{**base, **({"offset": "0 S"} if kind == "pcm_3t1c" else {}), **changes})


def programmed(kind: str, conductance: float, shape: tuple[int, int], switches: Switches, **changes: str) -> Any:
    cells = cells_of(law_of(kind, **changes), *shape, switches)
    cells.program(np.full(shape, 3 * conductance, np.float32), 0)
    return cells


@with_pcm
@pytest.mark.parametrize(("conductance", "mean", "spread"), EXPECTED)
def test_exponents_follow_the_law(kind: str, conductance: float, mean: float, spread: float) -> None:
    ideal = programmed(kind, conductance, (3, 5), IDEAL)
    assert ideal.state.plus == pytest.approx(conductance, rel=1e-5)
    assert ideal.state.exponents[0] == pytest.approx(mean, abs=1e-5)
    assert ideal.state.exponents[1] == pytest.approx(0.1, abs=1e-6)  # RESET
    if kind == "pcm_pair":  # which programs what it is told, whatever its cells differ in
        found = programmed(kind, conductance, (150, 150), SEVERAL).state.exponents[0].astype(float)
        assert found.mean() == pytest.approx(mean, abs=5 * spread / 150)
        assert found.std() == pytest.approx(spread, rel=5 / math.sqrt(2 * found.size) + 0.02)  # |.| folds 2 % at most


@with_pcm
def test_it_is_a_power_law_since_the_last_verify(kind: str) -> None:
    cells = programmed(kind, 5, (4, 6), IDEAL, drift_start="10 us")
    first = cells.state.plus.copy()
    cells.leak(0, 4, 10e-6)
    assert np.array_equal(cells.state.plus, first)
    for _ in range(9):
        cells.leak(0, 2, 10e-6)
    assert cells.state.plus[:2] == pytest.approx(first[:2] * 10**-0.049346, rel=1e-5)
    assert np.array_equal(cells.state.plus[2:], first[2:])


@with_pcm
def test_a_device_keeps_its_leaning_and_is_given_an_exponent_each_time_it_is_programmed(kind: str) -> None:
    cells = programmed(kind, 1, (40, 40), Switches(leakage=False))
    leanings, first = cells.state.leanings.copy(), cells.state.exponents.copy()
    cells.program(np.full((40, 40), 36, np.float32), 1)
    assert np.array_equal(cells.state.leanings, leanings)
    assert cells.state.exponents[0].mean() < first[0].mean()
    assert np.corrcoef(first[0].ravel(), leanings[0].ravel())[0, 1] > 0.9


@with_pcm
def test_transfers_read_what_has_drifted(kind: str) -> None:
    """Nothing restores what was lost: after a transfer the weight is that of before, 3 G (t / t_0)^-nu."""
    always = {"refresh_above": "1 uS"} if kind == "pcm_pair" else {}
    cells = programmed(kind, 5, (3, 7), IDEAL, **always)
    held = cells.weights - 3 * (cells.state.plus - cells.state.minus)
    first = cells.state.plus.copy()
    cells.leak(0, 3, 10e-3)
    drifted = 3 * first * 1e4**-0.049346 + held
    # Of the other device, which is RESET, nothing is left without programming error.
    assert cells.weights == pytest.approx(drifted, abs=1e-3)
    assert float(cells.weights.max()) < 3 * 5 * 0.7
    cells.transfer(0, 3, 0, 0, False)
    assert cells.weights == pytest.approx(drifted, abs=0.026 if kind == "pcm_3t1c" else 1e-3)  # half a pulse
    assert (cells.state.age == 0).all()
    lower = float(cells.state.plus[0, 0])
    assert cells.state.exponents[0] == pytest.approx(max(0.0244 - 0.0155 * math.log(lower / 25), 0.049), abs=1e-4)


@with_pcm
def test_stuck_devices_do_not_drift(kind: str) -> None:
    cells = programmed(kind, 5, (60, 60), Switches(leakage=False), stuck_set="20 %")
    assert (cells.state.exponents[cells.state.stuck >= 0] == 0).all()
    assert (cells.state.exponents[cells.state.stuck < 0] > 0).all()


@with_pcm
def test_it_is_off_unless_asked_for_and_given_one_way(kind: str) -> None:
    assert cells_of(device_of(kind), 2, 3).state.leanings.size == 0
    assert cells_of(law_of(kind), 2, 3, Switches(drift=False)).state.age.size == 0
    with pytest.raises(ValidationError, match="exponents of drift follow conductance, or are given"):
        law_of(kind, drift_exponent="0.005")
