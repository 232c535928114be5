"""The benchmark beside aihwkit, as far as it goes without aihwkit: what it asks of it, and what it says without it."""

from __future__ import annotations

import importlib.metadata

import numpy as np
import pytest

from archsim.components.cells.base import Switches
from benchmarks import beside_aihwkit
from benchmarks.beside_aihwkit import DEVICES, slots_of
from benchmarks.stochastic_trains import STOCHASTIC, roomy, slot_by_slot


def test_its_constant_step_is_aihwkits_own() -> None:
    device = DEVICES["ConstantStep"]
    # aihwkit's defaults, from Gokmen and Vlasov (2016): but the noise of single pulses, which archsim's cell has not.
    usual = {"dw_min": 0.001, "dw_min_dtod": 0.3, "up_down_dtod": 0.01, "w_max": 0.6, "w_min": -0.6,
             "w_max_dtod": 0.3, "w_min_dtod": 0.3, "dw_min_std": 0.0}  # fmt: skip
    assert device.fields(device.spec()) == pytest.approx(usual)


def test_its_linear_step_has_the_slopes_of_the_bend() -> None:
    device = DEVICES["LinearStep"]
    own = device.fields(device.spec())
    # A tenth per 0.5 V: up to 1.0 V the up-step loses 10 %, down to 0.2 V the down-step 6 %; steps of 0.5 mV.
    assert (own["gamma_up"], own["gamma_down"]) == pytest.approx((0.1, 0.06))
    assert (own["w_max"] / own["dw_min"], own["w_min"] / own["dw_min"]) == pytest.approx((1000, -600))
    assert own["dw_min_dtod"] ** 2 + own["up_down_dtod"] ** 2 == pytest.approx(0.1**2)  # of either direction


def test_without_aihwkit_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert beside_aihwkit.main(["updates"]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "pip install torch==2.10.0 aihwkit==1.1.0" in told.err
    assert "benchmarks/README.md" in told.err


@pytest.mark.parametrize("name", DEVICES)
def test_stochastic_trains_coincide_binomially(name: str) -> None:
    """Over 15 slots, the pulses of a cell have a mean of 15 x d and a variance of 15 x d (1 - x d)."""
    spec, draws, columns = DEVICES[name].spec(), 2000, 9
    cells = spec.tile.device.cells(1, columns, 0, 0, Switches(variability=False, leakage=False))
    step_siemens = 0.001 * spec.numerics.weight_scale_siemens
    slots, x, d = slots_of(spec), np.array([0.6], np.float32), np.full(columns, 0.5, np.float32)
    nx, nd, phases, room = np.zeros(1, np.int64), np.zeros(columns, np.int64), np.zeros(1, np.float32), roomy(columns)
    kernel, found = slot_by_slot(cells.kernel), []
    for draw in range(draws):
        towards = 1 if draw % 2 else -1  # so that weights stay where they are
        STOCHASTIC.rows(x, 1.0, slots, np.uint64(draw), 0, nx)
        STOCHASTIC.columns(towards * d, np.float32(slots), slots, np.uint64(draws + draw), 0, nd)
        met = np.array([(int(nx[0]) & abs(int(each))).bit_count() for each in nd])
        before = cells.weights[0].copy()
        kernel(cells.state, cells.numbers, nx, nd, phases, slots, room)
        steps = (cells.weights[0] - before) / (step_siemens * 1e6)
        assert steps == pytest.approx(towards * met, rel=0.1, abs=0.01)  # a bend takes less than a tenth
        found.append(met)
    share = 0.6 * 0.5
    assert np.mean(found) == pytest.approx(slots * share, rel=0.02)
    assert np.var(found) == pytest.approx(slots * share * (1 - share), rel=0.05)
