"""The law of `import`: what it writes, `check` accepts and `run` runs, and it is what a slow walk of the graph counts.

The models are those that the onnx package brings for tests of back-ends, and what scikit-learn's converter writes.
"""

from __future__ import annotations

import functools
import os
import random
import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.base.documents import dump_yaml
from archsim.base.errors import InfeasibleError, SpecError
from archsim.results.evaluate import evaluate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.workload import Workload, load_workload
from archsim.workload.onnx.importing import Imported, import_onnx

onnx = pytest.importorskip("onnx")

from tests.workload import onnx_walk as walk  # noqa: E402

THOROUGH = bool(os.environ.get("ARCHSIM_THOROUGH"))


@functools.cache
def chip() -> Loaded[ArchSpec]:
    return load_arch("ambrogio_nature_2018", ["tile.count=64", "tile.memory.words=262144"])


def imported(model: Any, folder: Path, name: str, digital: bool) -> Imported | None:
    """Import a model; None if it is refused, which must be with words. Anything else that is raised is a fault."""
    path = folder / "model.onnx"
    path.write_bytes(model.SerializeToString())
    refused: SpecError | None = None
    try:
        return import_onnx(path, digital=digital)
    except SpecError as error:
        refused = error
    assert refused.problems, name
    assert all(problem.where and problem.what and problem.hint for problem in refused.problems), name
    return None


def accepted(found: Imported, folder: Path, name: str) -> Loaded[Workload]:
    """Load what was imported from a file, as `check` does; its weights fit."""
    (folder / "w.yaml").write_text(dump_yaml(found.workload))
    loaded = load_workload(folder / "w.yaml")
    for layer in loaded.value.layers:
        if layer.blocks:
            assert found.weights[layer.name].shape == (layer.rows, layer.columns), name
    return loaded


def holds_what_is_counted(
    model: Any, inputs: dict[str, Any] | None, found: Imported, work: Workload, name: str
) -> bool:
    """Compare with a walk of the model as it computes; say whether there was one."""
    if inputs is None or not all(isinstance(each, np.ndarray) for each in inputs.values()):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        total = walk.tally(model, inputs)
    batch = next((int(n[1]) for note in found.notes if (n := re.search(r"takes (\d+) examples at once", note))), 1)
    assert work.synapses == total.synapses, name
    assert work.ops_per_example * batch == total.ops, name
    assert (work.digital_ops_per_example - found.rounded) * batch == total.digital, name
    return True


def law(cases: Iterable[walk.Case], folder: Path, run_every: int = 1) -> tuple[int, int]:
    """Hold the law for some models; return how many were imported, and how many of them were counted again."""
    taken = counted = 0
    for name, model, inputs in cases:
        found = imported(model, folder, name, digital=True)
        plain = imported(model, folder, name, digital=False)
        assert (plain is None) == (
            found is None or any("ops" in each and each["ops"] for each in found.workload["layers"])
        )
        if found is None:
            continue
        loaded = accepted(found, folder, name)
        counted += holds_what_is_counted(model, inputs, found, loaded.value, name)
        if taken % run_every == 0 and loaded.value.synapses < 1e6:
            result = evaluate(chip(), loaded, examples=1)
            assert all(audit["passed"] for audit in result.data["audits"]), name
        taken += 1
    return taken, counted


def test_nodes_with_matrices_are_imported_as_a_walk_counts_them(tmp_path: Path) -> None:
    cases = [case for case in walk.node_cases(walk.MATRICES) if re.search("gemm|matmul|lstm|gru|rnn", case[0])]
    if not THOROUGH:
        cases = random.Random(13).sample([case for case in cases if "frozen" in case[0]], 20)
    taken, counted = law(cases, tmp_path, run_every=1 if THOROUGH else 10)
    assert taken >= (20 if THOROUGH else 8)
    assert counted == taken


def test_models_of_the_package_are_imported_or_refused_by_name(tmp_path: Path) -> None:
    cases = [case for case in walk.stored_cases() if "light" not in case[0]]
    law(random.Random(13).sample(cases, 25), tmp_path)


@pytest.mark.slow
def test_all_models_of_the_package(tmp_path: Path) -> None:
    taken, counted = law(walk.stored_cases(), tmp_path)
    assert taken >= 6  # four of the large networks, and PyTorch's linear layers
    assert counted >= 2


@pytest.mark.slow
def test_all_back_end_tests(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = list(walk.node_cases())
    assert len(cases) > 3000
    taken, counted = law(cases, tmp_path)
    assert taken >= 30
    assert counted == taken


def estimators() -> dict[str, Any]:
    linear = pytest.importorskip("sklearn.linear_model")
    from sklearn.decomposition import PCA
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import Normalizer, StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    few = {"hidden_layer_sizes": (7, 5), "max_iter": 3}
    return {
        "logistic": linear.LogisticRegression(),
        "linear": linear.LinearRegression(),
        "ridge": linear.RidgeClassifier(),
        "relu": MLPClassifier(activation="relu", **few),
        "tanh": MLPClassifier(activation="tanh", **few),
        "sigmoid": MLPClassifier(activation="logistic", **few),
        "identity": MLPClassifier(activation="identity", **few),
        "regressor": MLPRegressor(**few),
        "scaled": make_pipeline(StandardScaler(), MLPClassifier(**few)),
        "normalised": make_pipeline(Normalizer(), MLPRegressor(**few)),
        "reduced": make_pipeline(PCA(3), MLPClassifier(**few)),
        "tree": DecisionTreeClassifier(),
    }


EXPECTED = {
    # Coefficients and intercepts of scikit-learn's own attributes; with a binary choice one output, else one a class.
    "logistic": (3, "softmax"),
    "linear": (1, "linear"),
    "ridge": (3, "linear"),
    "relu": (3, "relu"),
    "tanh": (3, "tanh"),
    "sigmoid": (3, "sigmoid"),
    "identity": (3, "linear"),
    "regressor": (1, "relu"),
    "scaled": (3, "relu"),
    "normalised": (1, "relu"),
    "reduced": (3, "relu"),
}


@pytest.mark.slow  # importing scikit-learn takes seconds
@pytest.mark.parametrize("name", [*EXPECTED, "tree"])
def test_what_scikit_learn_has_learnt_is_imported_with_its_weights(tmp_path: Path, name: str) -> None:
    skl2onnx = pytest.importorskip("skl2onnx")
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(60, 4)).astype(np.float32), rng.integers(0, 3, 60)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = estimators()[name].fit(x, y)
        made = skl2onnx.convert_sklearn(
            model, initial_types=[("x", skl2onnx.common.data_types.FloatTensorType([None, 4]))]
        )
    found = imported(made, tmp_path, name, digital=True)
    if name == "tree":
        assert found is None
        return
    assert found is not None
    accepted(found, tmp_path, name)
    last = model.steps[-1][1] if hasattr(model, "steps") else model
    weights = last.coefs_ if hasattr(last, "coefs_") else [np.atleast_2d(last.coef_).T]
    biases = last.intercepts_ if hasattr(last, "coefs_") else [np.atleast_1d(last.intercept_)]
    layers = [layer for layer in found.workload["layers"] if "ops" not in layer][-len(weights) :]
    outputs, activation = EXPECTED[name]
    assert layers[-1]["outputs"] == outputs
    assert layers[0]["activation"] == activation
    for layer, w, b in zip(layers, weights, biases, strict=True):
        np.testing.assert_allclose(found.weights[layer["name"]], np.concatenate([w, b[None]]), rtol=1e-5, atol=1e-6)
    if name == "scaled":
        assert any("Scaler" in note and "not charged" in note for note in found.notes)


def test_a_refusal_for_a_chip_that_is_too_small_is_no_fault_of_the_import(tmp_path: Path) -> None:
    case = next(case for case in walk.stored_cases() if case[0].startswith("light/light_vgg19"))
    found = import_onnx(Path(onnx.__file__).parent / "backend/test/data" / case[0], digital=True)
    (tmp_path / "w.yaml").write_text(dump_yaml(found.workload))
    assert load_workload(tmp_path / "w.yaml").value.synapses == 25089 * 4096 + 4097 * 4096 + 4097 * 1000
    with pytest.raises(InfeasibleError):
        evaluate(load_arch("ambrogio_nature_2018"), load_workload(tmp_path / "w.yaml"), examples=1)
