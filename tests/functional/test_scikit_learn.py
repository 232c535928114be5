"""Networks that scikit-learn trained, by their weights: the baseline answers what scikit-learn answers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from archsim.base.errors import SpecError
from archsim.functional.datasets import load_data
from archsim.functional.floating_point import evaluate, initial_weights
from archsim.functional.functions import functions_of
from archsim.functional.losses import score
from archsim.functional.targets import targets_or_none
from archsim.functional.train import check_network
from archsim.report.terminal import lines
from archsim.studies.train.study import STUDY, Inputs
from archsim.workload import load_workload

TRAIN, TEST = slice(0, 500), slice(500, 700)
NAMES = {"relu": "relu", "tanh": "tanh", "logistic": "sigmoid", "identity": "linear", "softmax": "softmax"}
"""scikit-learn's names of activations, and archsim's."""


def neural_network() -> Any:
    """Return scikit-learn's part, loaded when the first test asks: whoever collects tests does not wait for it."""
    return pytest.importorskip("sklearn.neural_network")


@pytest.fixture(scope="module")
def digits() -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return images, labels


def fitted(estimator: Any, x: Any, y: Any) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator.fit(x, y)


def written(folder: Path, estimator: Any, target: str, arrays: dict[str, Any]) -> Path:
    """Write a network's workload with its weights, each bias row last, and the data; return the workload's file."""
    names = [f"fc{i + 1}" for i in range(len(estimator.coefs_))]
    weights: dict[str, Any] = {
        name: np.vstack([coefs, intercepts]).astype(np.float32)
        for name, coefs, intercepts in zip(names, estimator.coefs_, estimator.intercepts_, strict=True)
    }
    np.savez(folder / "weights.npz", **weights)
    np.savez(folder / "data.npz", **arrays)
    activations = [*[estimator.activation] * (len(names) - 1), estimator.out_activation_]
    layers = [
        {"name": name, "inputs": len(own) - 1, "outputs": own.shape[1], "activation": NAMES[activation]}
        for (name, own), activation in zip(weights.items(), activations, strict=True)
    ]
    data = {"name": str(folder / "data.npz"), "examples": len(arrays["train_x"]), "target": target}
    spec = {
        "kind": "workload", "name": "from_scikit_learn", "weights": "weights.npz", "dataset": data, "layers": layers,
        "training": {"epochs": 1, "learning_rate": 0.005},
    }  # fmt: skip
    (folder / "net.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return folder / "net.yaml"


def arrays_of(x: Any, y: Any) -> dict[str, Any]:
    return {"train_x": x[TRAIN], "train_y": y[TRAIN], "test_x": x[TEST], "test_y": y[TEST]}


def answers(path: Path, predicted: Any) -> tuple[int, float | None]:
    """Return how many of the test set's predicted classes the baseline gives, or how it is judged towards values."""
    workload = load_workload(path).value
    check_network(workload)
    data = load_data(workload)
    t = targets_or_none(data.test_x, data.test_t)
    y = data.test_y if predicted is None else np.asarray(predicted, dtype=np.int64)
    weights, found = tuple(initial_weights(workload, 0)), np.zeros(len(y), np.bool_)
    right, squares = evaluate(weights, functions_of(workload), data.test_x, y, t, found)
    return right, score(right, squares, len(y), data.test_t)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("two_classes", [False, True])
def test_a_classifier_gives_scikit_learns_own_classes(
    activation: str, two_classes: bool, digits: tuple[Any, Any], tmp_path: Path
) -> None:
    x, y = digits[0], (digits[1] > 4).astype(int) if two_classes else digits[1]
    estimator = neural_network().MLPClassifier((24, 16), activation=activation, max_iter=25, random_state=0)
    fitted(estimator, x[TRAIN] / 16, y[TRAIN])
    assert estimator.out_activation_ == ("logistic" if two_classes else "softmax")
    path = written(tmp_path, estimator, "class", arrays_of(x, y))
    predicted = estimator.predict(x[TEST] / 16)
    assert len(set(predicted)) > 1
    assert answers(path, predicted)[0] == len(predicted)


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic", "identity"])
@pytest.mark.parametrize("values", [1, 3])
def test_a_regressor_gives_scikit_learns_own_r2(
    activation: str, values: int, digits: tuple[Any, Any], tmp_path: Path
) -> None:
    from sklearn.metrics import r2_score

    x, y = digits[0], digits[1] / 4 - 1
    t = y if values == 1 else np.stack([y, np.cos(y), y**2], axis=1)
    estimator = neural_network().MLPRegressor(
        hidden_layer_sizes=(20,), activation=activation, max_iter=25, random_state=0
    )
    fitted(estimator, x[TRAIN] / 16, t[TRAIN])
    path = written(tmp_path, estimator, "values", arrays_of(x, t))
    found = answers(path, None)[1]
    predicted = estimator.predict(x[TEST] / 16)
    assert found == pytest.approx(r2_score(t[TEST], predicted, multioutput="variance_weighted"), abs=1e-5)
    if values == 1:
        assert found == pytest.approx(estimator.score(x[TEST] / 16, t[TEST]), abs=1e-5)


STATIC = "{kind: static_cell, area: 1 um2, read_energy: 50 fJ, supply: 1.0 V, read: 0.2 V, step: 0.05 uS}"


def test_a_regression_is_trained_and_told_by_loss_and_r2(digits: tuple[Any, Any], tmp_path: Path) -> None:
    x, t = digits[0], digits[1] / 9
    estimator = fitted(
        neural_network().MLPRegressor(hidden_layer_sizes=(20,), activation="tanh", max_iter=5, random_state=0),
        x[TRAIN] / 16,
        t[TRAIN],
    )
    path = written(tmp_path, estimator, "values", arrays_of(x, t))
    sets = ["tile.rows=128", "tile.cols=128", f"tile.device={STATIC}", "numerics.output_range=2"]
    sets.append("training.learning_rate=0.05")
    inputs = Inputs("ambrogio_nature_2018", str(path), sets=tuple(sets), epochs=4, seeds=2)
    data, document, folder, _ = STUDY.perform(inputs, tmp_path / "out")
    history = data.plain()
    assert history["accuracy_chip"] == history["accuracy_float"] == [[None] * 4] * 2
    assert (history["loss"], history["final"]["accuracy_chip_mean"]) == ("squared_error", None)
    for where in ("chip", "float"):
        assert all(run[-1] > 0.2 for run in history[f"r2_{where}"])
        assert all(run[-1] < run[0] for run in history[f"loss_{where}"])
        assert history["final"][f"r2_{where}_mean"] == pytest.approx(np.mean([r[-1] for r in history[f"r2_{where}"]]))
    assert json.loads((folder / "history.json").read_text("utf-8")) == history
    assert history["final"]["difference"] == pytest.approx(0, abs=0.1)  # an ideal cell, and 15 pulses
    final = document.tables()["final"]
    assert [column.name for column in final.columns[1:]] == ["R2 on the test set", "mean loss in training"]
    for row, where in zip(final.rows, ("chip", "float"), strict=False):
        assert row[1] == history["final"][f"r2_{where}_mean"]
        assert row[2] == pytest.approx(np.mean([run[-1] for run in history[f"loss_{where}"]]))
    texts = ["\n".join(lines(document)), (folder / "train.md").read_text("utf-8")]
    assert "half the squared error, summed over outputs" in texts[1]
    for text in texts:
        assert f"{final.rows[0][1]:.5g}" in text
        assert "accuracy" not in text.replace("accuracy.svg", "")
    head = (folder / "history.csv").read_text("utf-8").splitlines()[0]
    assert head.startswith("seed,epoch,R2 on the chip,R2 floating point,")


def test_targets_that_no_converter_reads_are_refused(digits: tuple[Any, Any], tmp_path: Path) -> None:
    x, t = digits[0], 2.5 * digits[1]
    estimator = neural_network().MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0)
    path = written(tmp_path, fitted(estimator, x[TRAIN] / 16, t[TRAIN]), "values", arrays_of(x, t))
    with pytest.raises(SpecError, match=r"numerics.output_range: .*22.5 in magnitude.*give numerics.output_range=23"):
        STUDY.perform(Inputs("ambrogio_nature_2018", str(path)), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_targets_that_do_not_fit_are_refused_by_name(digits: tuple[Any, Any], tmp_path: Path) -> None:
    x, t = digits[0], np.stack([digits[1] / 9, digits[1]], axis=1)
    estimator = neural_network().MLPRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0)
    path = written(tmp_path, fitted(estimator, x[TRAIN] / 16, t[TRAIN]), "values", arrays_of(x, t))

    def fault(*sets: str) -> str:
        workload = load_workload(path, sets).value
        check_network(workload)
        with pytest.raises(SpecError) as error:
            load_data(workload)
        return str(error.value)

    assert "layer fc2 has 3 outputs, a target for training has 2 values" in fault("layers[1].outputs=3")
    assert "range from 0 to 9, a sigmoid's from 0 to 1" in fault("layers[1].activation=sigmoid")
    assert "the labels are float64 of shape (500, 2), not integers" in fault("dataset.target=class")
    assert "dataset.target=values" in fault("dataset.target=class")
    assert "has labels, and no values to be trained towards" in fault("dataset.name=digits")
    np.savez(tmp_path / "data.npz", **{**arrays_of(x, t), "test_y": np.full((200, 2), np.nan)})
    assert "400 targets are NaN or infinite" in fault()
    np.savez(tmp_path / "data.npz", **{**arrays_of(x, t), "test_y": t[:9]})
    assert "200 examples, but 9 targets" in fault()
