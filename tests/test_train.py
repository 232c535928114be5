"""Training on the chip as a user runs it: history, ablations, seeds, interruption, faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.cli import main
from archsim.functional.train import ABLATIONS, DivergedError
from archsim.trainings import execute_training

pytest.importorskip("sklearn", reason="the digits are scikit-learn's")
CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
SMALL = ("tile.rows=128", "tile.cols=128")


def training(tmp_path: Path, *sets: str, **options: Any) -> dict[str, Any]:
    history, folder = execute_training(CHIP, WORK, sets=(*SMALL, *sets), out=tmp_path / "out", **options)
    assert json.loads((folder / "history.json").read_text("utf-8")) == history
    return history


def test_a_history_has_a_list_per_seed_and_a_fraction_per_epoch(tmp_path: Path) -> None:
    history = training(tmp_path, epochs=3, seeds=2, seed=5)
    assert history["seeds"] == [5, 6]
    for name in ("accuracy_chip", "accuracy_float", "loss_chip", "loss_float"):
        assert [len(run) for run in history[name]] == [3, 3]
    for name in ("accuracy_chip", "accuracy_float"):
        assert all(0.5 < value <= 1 for run in history[name] for value in run)
        last = [run[-1] for run in history[name]]
        assert history["final"][f"{name}_mean"] == pytest.approx(np.mean(last))
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"history.json", "train.md", "accuracy.svg", "activity.yaml"}


def test_the_same_training_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    one, two, three = (training(tmp_path, epochs=1, seed=seed) for seed in (1, 1, 2))
    assert one == two
    assert one["accuracy_chip"] != three["accuracy_chip"] or one["loss_chip"] != three["loss_chip"]


@pytest.mark.parametrize("name", ABLATIONS)
def test_each_ablation_changes_the_chip_and_not_its_twin(tmp_path: Path, name: str) -> None:
    # 1,438 examples in intervals of 400: three transfers an epoch, so that all imperfections take part.
    whole = training(tmp_path, "schedule.transfer.interval_examples=400", epochs=1)
    without = training(tmp_path, "schedule.transfer.interval_examples=400", epochs=1, ablate=[name])
    assert without["ablated"] == [name]
    assert without["loss_chip"] != whole["loss_chip"]
    assert without["loss_float"] == whole["loss_float"]


def test_what_the_schedule_does_shows_in_accuracy_and_the_twin_stays(tmp_path: Path) -> None:
    runs = [
        training(tmp_path, *more, epochs=1)
        for more in (
            (),
            ("schedule.mode=pipelined", "schedule.in_flight=4"),
            ("schedule.transfer.interval_examples=100",),
        )
    ]
    assert len({run["loss_chip"][0][0] for run in runs}) == 3
    assert len({run["loss_float"][0][0] for run in runs}) == 1


def test_divergence_is_told_with_its_epoch_and_never_as_an_accuracy(tmp_path: Path) -> None:
    with pytest.raises(DivergedError, match="in floating point diverged in epoch 1 of 2"):
        training(tmp_path, "training.learning_rate=1e5", epochs=2)
    assert not (tmp_path / "out").exists()


def test_an_interruption_leaves_the_history_so_far(tmp_path: Path) -> None:
    def stop(entry: Any, done: int, total: int) -> None:
        assert total == 4
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        training(tmp_path, epochs=4, epoch_ends=stop)
    history = json.loads((tmp_path / "out" / "history.json").read_text("utf-8"))
    assert len(history["accuracy_chip"][0]) == 2
    whole = training(tmp_path, epochs=4)
    assert whole["accuracy_chip"][0][:2] == history["accuracy_chip"][0]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--ablate", "leak"), "--ablate: 'leak' is not an ablation; did you mean 'leakage'?"),
        (("--set", "training.epochs=0"), "training.epochs: '0' is out of range"),
        (("--set", "tile.count=1"), "needs 2 tiles"),
    ],
)
def test_bad_input_is_explained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as leave:
        main(["train", CHIP, WORK, *words])
    assert leave.value.code == 2
    assert says in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
