"""Trainings and sweeps where examples are held back for validation: what their files and reports say."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.functional.paired import unpacked
from archsim.report.figure import Plot
from archsim.studies.study import silent
from archsim.studies.sweep.grid import Inputs as SweepInputs
from archsim.studies.sweep.points import Point, with_pareto
from archsim.studies.sweep.study import STUDY as SWEEP
from archsim.studies.train.history import RUNS
from archsim.studies.train.study import STUDY, Inputs
from tests.helpers import REFERENCE
from tests.studies.test_resume import content, interrupt

HELD = ("tile.rows=128", "tile.cols=128", "dataset.validation=200")


def training(folder: Path, *sets: str, progress: Any = silent, **options: Any) -> dict[str, Any]:
    few = () if any("dataset.examples" in each for each in sets) else ("dataset.examples=300",)
    STUDY.perform(Inputs(REFERENCE, "mlp_digits", sets=(*HELD, *few, *sets), **options), folder, progress)
    history: dict[str, Any] = json.loads((folder / "history.json").read_text("utf-8"))
    return history


def test_only_the_last_epoch_is_tested_and_each_is_validated(tmp_path: Path) -> None:
    history = training(tmp_path / "out", epochs=3, seeds=2)
    assert history["data"] | {"name": "", "source": ""} == {
        "name": "", "source": "", "train": 300, "validation": 200, "test": 359,
    }  # fmt: skip
    for where in ("chip", "float"):
        for run in history[f"accuracy_{where}"]:
            assert run[:2] == [None, None]
            assert 0.1 < run[2] <= 1
        validated = history[f"accuracy_validation_{where}"]
        assert all(0.1 < value <= 1 for run in validated for value in run)
        assert [len(run) for run in validated] == [3, 3]
        for part in ("", "validation_"):
            last = [run[-1] for run in history[f"accuracy_{part}{where}"]]
            assert history["final"][f"accuracy_{part}{where}_mean"] == pytest.approx(sum(last) / 2)
    assert not any("r2" in name for name in (*history, *history["final"]))
    rows = list(csv.DictReader((tmp_path / "out" / "history.csv").read_text("utf-8").splitlines()))
    assert [row["on the chip [share]"] for row in rows[:3]] == [
        str(value) for value in history["accuracy_validation_chip"][0]
    ]
    assert [row["chip, test [share]"] for row in rows[:3]] == ["", "", str(history["accuracy_chip"][0][2])]
    document = STUDY.report(history)
    drawn = document.figures()["accuracy"]
    assert isinstance(drawn, Plot)
    assert drawn.y.label == "accuracy on the validation set"
    assert len(drawn.series[0].dots) == 3
    final = document.tables()["final"]
    assert [column.name for column in final.columns[1:3]] == [
        "accuracy on the validation set", "accuracy on the test set",
    ]  # fmt: skip
    assert final.rows[0][1:3] == tuple(history["final"][f"accuracy_{part}chip_mean"] for part in ("validation_", ""))
    assert "300 examples for training, 200 for validation and 359 for testing" in (
        tmp_path / "out" / "train.md"
    ).read_text("utf-8")


def test_of_values_r2_is_validated(tmp_path: Path) -> None:
    itself = ("dataset.target=inputs", "layers[1].outputs=64", "layers[1].activation=sigmoid")
    history = training(tmp_path / "out", *itself, "layers[0].activation=tanh", epochs=2)
    for where in ("chip", "float"):
        assert history[f"accuracy_{where}"] == history[f"accuracy_validation_{where}"] == [[None, None]]
        ((first, last),), ((_, validated),) = history[f"r2_{where}"], history[f"r2_validation_{where}"]
        assert first is None
        assert abs(last - validated) < 0.2
        assert history["final"][f"r2_validation_{where}_mean"] == validated
    read = {name for name in RUNS if not name.startswith("cross_entropy")}  # that is of classes, step by step
    assert {f"{name}_mean" for name in read} | {"difference"} == set(history["final"])
    assert "right" not in history
    assert STUDY.report(history).tables()["final"].rows[0][2] == history["final"]["r2_chip_mean"]


def test_an_interrupted_training_has_no_accuracy_yet_and_goes_on_to_the_same_bytes(tmp_path: Path) -> None:
    most, again = "dataset.examples=1200", False  # in so many, progress is told of between two ends of epochs
    whole = training(tmp_path / "whole", most, epochs=2, seeds=2)
    for done in range(1, 5):
        with pytest.raises(KeyboardInterrupt):
            training(tmp_path / "out", most, epochs=2, seeds=2, progress=interrupt(done), resume=again)
        kept = json.loads((tmp_path / "out" / "history.json").read_text("utf-8"))
        assert (kept["final"]["accuracy_chip_mean"] is None) == (done in (1, 3))
        assert kept["final"]["accuracy_validation_chip_mean"] is not None
        again = True
    assert training(tmp_path / "out", most, epochs=2, seeds=2, resume=True) == whole
    assert content(tmp_path / "out") == content(tmp_path / "whole")


def test_warnings_about_the_best_epoch_read_validation(tmp_path: Path) -> None:
    # The baseline's rate grows a hundredfold with each epoch, so that it breaks down.
    rates = ("training.floating_point={learning_rate: 0.01, learning_rate_decay: 40}",)
    history = training(tmp_path / "out", *rates, epochs=2)
    first, last = history["accuracy_validation_float"][0]
    assert first > last + 0.1
    assert any(f"reached {100 * first:.1f} % in epoch 1" in line for line in history["warnings"])


def test_a_history_of_before_has_no_validation_and_is_rendered(tmp_path: Path) -> None:
    history = training(tmp_path / "out", "dataset.validation=0", epochs=1)
    assert not any("validation" in name for name in (*history, *history["final"], *history["data"]))
    assert STUDY.report(history).figures()["accuracy"].y.label == "accuracy on the test set"  # type: ignore[union-attr]


def test_a_sweep_tests_after_the_last_epoch_and_chooses_by_validation(tmp_path: Path) -> None:
    asked = SweepInputs(REFERENCE, "mlp_digits", vary=("dataset.validation=0,200",), train=True, epochs=2, jobs=1,
                        sets=(*HELD[:2], "dataset.examples=300"))  # fmt: skip
    data, _, folder, _ = SWEEP.perform(asked, tmp_path / "out", silent)
    plain, held = (dict(point.metrics or {}) for point in data.points)
    more = {f"accuracy_validation_{where}_{of}" for where in ("chip", "float") for of in ("mean", "std")}
    assert set(held) - set(plain) == more
    alone = training(tmp_path / "alone", epochs=2)
    assert held["accuracy_chip_mean"] == alone["accuracy_chip"][0][1]
    assert held["accuracy_validation_chip_mean"] == alone["accuracy_validation_chip"][0][1]
    trained = data.points[1].training or {}
    assert trained["accuracy_chip"][0][0] is None
    assert [list(run) for run in trained["accuracy_validation_chip"]] == alone["accuracy_validation_chip"]
    assert "on the chip, validation" in (folder / "sweep.md").read_text("utf-8")


def test_pareto_is_by_validation_where_all_points_have_it() -> None:
    def point(test: float, validation: float | None) -> Point:
        metrics = {"accuracy_chip_mean": test, "time_per_example_s": 1.0, "energy_per_example_j": 1.0}
        metrics |= {} if validation is None else {"accuracy_validation_chip_mean": validation}
        return Point(settings={}, metrics=metrics)

    both = [point(0.9, 0.7), point(0.8, 0.75)]
    assert [each.pareto for each in with_pareto(both)] == [False, True]
    assert [each.pareto for each in with_pareto([*both, point(0.7, None)])] == [True, False, False]


def test_a_goal_is_judged_by_what_both_sides_answered_and_a_weak_baseline_does_not_count(tmp_path: Path) -> None:
    plain = training(tmp_path / "plain", epochs=2, seeds=2)
    history = training(tmp_path / "out", epochs=2, seeds=2, goal=50.0)
    own = history["final"]["comparison"]
    right = {side: [unpacked(bits, 359) for bits in history["right"][side]] for side in ("chip", "float")}
    for side, runs in right.items():
        assert [run.mean() for run in runs] == [run[-1] for run in history[f"accuracy_{side}"]]
    assert own["interval"]["mean"] == pytest.approx(history["final"]["difference"])
    assert own["interval"]["low"] <= own["interval"]["mean"] <= own["interval"]["high"]
    assert (own["goal"], own["verdict"], own["against"]) == (0.5, "met", [])
    assert plain["final"]["comparison"] == own | {"goal": None, "verdict": None}
    page = (tmp_path / "out" / "train.md").read_text("utf-8")
    assert "paired bootstrap over 359 examples and 2 seeds" in page
    assert "**met**" in page
    floor = "training.floating_point={learning_rate: 0.01, floor: 0.999}"
    weak = training(tmp_path / "weak", floor, epochs=2, seeds=2, goal=50.0)["final"]["comparison"]
    assert weak["verdict"] == "does not count"
    assert "below its floor of 99.90 %" in weak["against"][0]
    page = (tmp_path / "weak" / "train.md").read_text("utf-8")
    assert "The comparison does not count" in page
    assert "points" not in page.split("| difference |")[1].splitlines()[0]


def test_each_seed_has_a_split_of_its_own_whoever_trains_it(tmp_path: Path) -> None:
    few = ("dataset.validation=0",)
    one = training(tmp_path / "one", *few, epochs=1, splits=3, seed=4)
    assert one["seeds"] == [4, 5, 6]
    assert one["data"]["splits"] == 3
    interval = one["final"]["comparison"]["interval"]
    assert (interval["examples"], interval["seeds"], interval["splits"]) == (1797, 3, True)
    for bits, run in zip(one["right"]["chip"], one["accuracy_chip"], strict=True):
        assert unpacked(bits, 599).mean() == run[-1]
    page = (tmp_path / "one" / "train.md").read_text("utf-8")
    assert "paired bootstrap over 1,797 examples and 3 splits" in page
    two = training(tmp_path / "two", *few, epochs=1, splits=3, seed=4, jobs=2, store=tmp_path / "store.sqlite")
    assert two == one
    with pytest.raises(KeyboardInterrupt):
        training(tmp_path / "part", *few, epochs=1, splits=3, seed=4, progress=interrupt(2))
    assert training(tmp_path / "part", *few, epochs=1, splits=3, seed=4, resume=True) == one
    with pytest.raises(SpecError, match="--seeds: 2 beside --splits 3"):
        training(tmp_path / "out", splits=3, seeds=2)
    assert not (tmp_path / "out").exists()
