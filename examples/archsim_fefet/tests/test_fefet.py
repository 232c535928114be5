"""The cell does what all cells do, follows its law, and trains; the study counts its pulses.

Run with the package installed: python -m pytest examples/archsim_fefet/tests
"""

from __future__ import annotations

import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import archsim as sim
from archsim.cli import main
from archsim.components.cells.base import Switches
from archsim.components.cells.numeric.conformance import cells_of, conforms, pulse_all
from archsim_fefet import FefetCell
from archsim_fefet.endurance import STUDY, Endurance
from fefet_reference import FefetReference

SPEC = str(Path(__file__).parents[1] / "fefet_jerry_2017.yaml")
IDEAL = Switches(variability=False, pulse_noise=False)


def device(**changes: Any) -> FefetCell:
    return FefetCell.model_validate({**FefetCell.example, **changes})


@pytest.mark.parametrize("changes", [{}, {"bend_up": "0", "bend_down": "0"}, {"pulse_noise": "0", "step_spread": "0"}])
def test_the_cell_does_what_all_cells_do(changes: dict[str, str]) -> None:
    conforms(device(**changes), FefetReference, trials=6)


@pytest.mark.parametrize("bend", [0.0, 0.5, 1.42, 3.0])
def test_conductance_follows_the_exponential_from_end_to_end(bend: float) -> None:
    """G_n of the closed form, Chen, Peng and Yu 2018, upward from low and downward from high."""
    cell = device(low="1 uS", high="45 uS", states="32", bend_up=str(bend), bend_down=str(bend))
    cells = cells_of(cell, 1, 2, IDEAL)
    cells.program(np.array([[-22, 22]], np.float32), 0)
    for n in range(1, 32):
        cells.update(np.array([15]), np.array([1, -1]), np.zeros(1, np.float32))
        share = n / 31 if bend == 0 else math.expm1(-bend * n / 31) / math.expm1(-bend)
        assert cells.weights[0] == pytest.approx([44 * share - 22, 22 - 44 * share], abs=1e-3)
    assert cells.state.fired.tolist() == [[31, 31]]


def test_pulses_up_and_down_settle_where_both_steps_are_alike() -> None:
    """At up (1 - a W) = down (1 + b W): in the middle of the range where both bend alike."""
    for bends, settled in ((("1.5", "1.5"), 0.0), (("0.5", "3"), None)):
        cell = device(bend_up=bends[0], bend_down=bends[1])
        n, cells = cell.numbers(IDEAL), cells_of(cell, 2, 3, IDEAL)
        cells.program(np.full((2, 3), 15, np.float32), 0)
        for _ in range(400):
            pulse_all(cells, +1)
            pulse_all(cells, -1)
        expected = (n.up - n.down) / (n.up * n.slope_up + n.down * n.slope_down) if settled is None else settled
        assert cells.weights == pytest.approx(float(expected), abs=float(max(n.up, n.down)))


def test_spread_and_noise_are_those_of_the_device() -> None:
    made = cells_of(device(bend_up="0", bend_down="0"), 200, 200).state
    assert made.up.std() / made.up.mean() == pytest.approx(0.1, rel=0.02)
    cells = cells_of(device(bend_up="0", bend_down="0"), 200, 200, Switches(variability=False))
    pulse_all(cells, +1)
    assert cells.weights.std() == pytest.approx(0.005 * 44, rel=0.02)


def test_a_cell_without_a_range_is_refused() -> None:
    with pytest.raises(ValueError, match="no range is left between low and high"):
        device(low="45 uS")


def test_the_chip_is_timed_billed_and_trained(tmp_path: Path) -> None:
    found = sim.run(SPEC, "mlp_digits", examples=10)
    assert found.passed
    energy = found.data["energy_j"]["by_component"]["device"]
    assert 0 < energy < found.energy_per_example_j * 10
    straight = {"tile.device.bend_up": 0, "tile.device.bend_down": 0}
    trained = sim.train(SPEC, "mlp_digits", sets=straight, epochs=2)
    assert trained.data.final.accuracy_chip_mean > 0.75  # chance is 0.1


def test_the_study_counts_pulses_and_says_how_long_cells_last(tmp_path: Path) -> None:
    found = sim.study("endurance", arch=SPEC, workload="mlp_digits", sets={"dataset.examples": 200}, seeds=2)
    data = found.data
    assert isinstance(data, Endurance)
    assert [(row["seed"], row["name"], row["cells"]) for row in found.rows] == [
        (seed, *layer) for seed in (0, 1) for layer in (("fc1", 65 * 32), ("fc2", 33 * 10))
    ]
    for worn in data.devices:
        for layer in worn.layers:
            assert 0 < layer.mean < layer.most
            assert 0 <= layer.median <= layer.most_of_90 <= layer.most_of_99 <= layer.most
    assert data.lasts_epochs(2.0) == 2.5e6
    assert data.lasts_epochs(0.0) == math.inf
    report = found.report(tmp_path / "out")
    assert "The cell that is written most sees" in report.read_text("utf-8")
    assert STUDY.data.model_validate_json((tmp_path / "out" / STUDY.file).read_text("utf-8")) == data


@pytest.mark.parametrize(("words", "told"), [
    (["gokmen_frontiers_2016"], "--pulses: what a cell of kind 'soft_bounds' endures is not said by the spec"),
    (["gokmen_frontiers_2016", "--pulses", "1e6"], "cells of kind 'soft_bounds' do not count their pulses"),
    ([SPEC, "--pulses", "-1"], "--pulses: what a cell of kind 'fefet' endures is -1"),
])  # fmt: skip
def test_what_cannot_be_studied_is_told(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sets = ["--set", "tile.count=4", "--set", "tile.rows=128", "--set", "tile.cols=128", "--set", "dataset.examples=20"]
    with pytest.raises(SystemExit) as leave:
        main(["endurance", words[0], "mlp_digits", *words[1:], *sets])
    assert leave.value.code == 2
    assert told in capsys.readouterr().err


def test_the_command_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(["endurance", SPEC, "mlp_digits", "--set", "dataset.examples=50", "--pulses", "1e3", "--json"])
    assert not leave.value.code
    assert json.loads(capsys.readouterr().out)["pulses_endured"] == 1e3


def test_all_figures_say_where_they_are_from() -> None:
    own = {path: figure for path, figure in sim.load_arch(SPEC).figures.items() if path.startswith("tile.device.")}
    assert len(own) >= 15
    for path, figure in own.items():
        assert figure.source or figure.note or figure.status == "assumption", path


def test_a_device_begun_as_one_has_pulses_that_are_long_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(["new", "device", "mine", "--kind", "fefet"])
    assert not leave.value.code
    assert "mode=inference" not in capsys.readouterr().out
    chip = sim.load_arch("mine.yaml").value
    chip.check_trainable()
    assert chip.tile.array.pulse_s == device().least_pulse_s == Fraction(75, 10**9)
