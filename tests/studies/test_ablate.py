"""Ablations: each training is the one that `train --ablate` makes, and differences are seed by seed."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev

import pytest

from archsim.base.errors import SpecError
from archsim.studies.ablate import STUDY, Inputs
from tests.helpers import REFERENCE
from tests.studies.test_validation import training

SETS = ("tile.rows=128", "tile.cols=128", "dataset.examples=300", "schedule.transfer.interval_examples=100")


def test_each_is_the_training_without_it_and_what_the_chip_has_not_changes_nothing(tmp_path: Path) -> None:
    asked = Inputs(REFERENCE, "mlp_digits", only=("leakage", "flicker"), epochs=1, seeds=2, sets=SETS)
    data, shown, folder, _ = STUDY.perform(asked, tmp_path / "out")
    alone = {}
    for name, ablated in (("as given", ()), ("leakage", ("leakage",))):
        alone[name] = training(
            tmp_path / name, *SETS[2:], "dataset.validation=0", epochs=1, seeds=2, ablate=ablated
        )  # fmt: skip
    given, leakage, flicker = data.chips
    assert list(data.floating) == [run[-1] for run in alone["as given"]["accuracy_float"]]
    assert list(given.reached) == [run[-1] for run in alone["as given"]["accuracy_chip"]]
    assert list(leakage.reached) == [run[-1] for run in alone["leakage"]["accuracy_chip"]]
    assert list(leakage.loss) == [run[-1] for run in alone["leakage"]["loss_chip"]]
    assert leakage.reached != given.reached
    assert (flicker.reached, flicker.loss) == (given.reached, given.loss)  # off in the reference
    apart = [a - b for a, b in zip(leakage.reached, given.reached, strict=True)]  # type: ignore[operator]
    assert leakage.against is not None
    assert leakage.against.mean == pytest.approx(fmean(apart))
    row = next(row for row in shown.tables()["ablations"].rows if row[0] == "leakage")
    assert row[4] == pytest.approx(stdev(apart) / 2**0.5)
    assert "Without flicker the training is the same to the bit" in (folder / "ablations.md").read_text("utf-8")
    assert json.loads((folder / "ablations.json").read_text("utf-8"))["seeds"] == [0, 1]
    again, *_ = STUDY.perform(Inputs(**{**asked.__dict__, "jobs": 2}), tmp_path / "two")
    assert again == data


def test_what_cannot_be_taken_away_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--only: 'leak' is not an ablation; did you mean 'leakage'"):
        STUDY.perform(Inputs(REFERENCE, "mlp_digits", only=("leak",)), tmp_path / "out")
    assert not (tmp_path / "out").exists()
