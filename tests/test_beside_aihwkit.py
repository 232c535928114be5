"""The benchmark beside aihwkit, as far as it goes without aihwkit: what it asks of it, and what it says without it."""

from __future__ import annotations

import importlib.metadata

import pytest

from benchmarks import beside_aihwkit
from benchmarks.beside_aihwkit import DEVICES


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
