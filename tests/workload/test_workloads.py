"""The workloads that are shipped: their sizes by the formulas of their sources, and what their descriptions promise."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from archsim.base.errors import InfeasibleError
from archsim.base.shipped import builtin_names
from archsim.chip import build_chip
from archsim.mapping import map_workload
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.workload import Workload, load_workload
from tests.helpers import REFERENCE


def dense(*widths: int) -> int:
    """Weights and biases of fully connected layers."""
    return sum((a + 1) * b for a, b in itertools.pairwise(widths))


def lstm(inputs: int, units: int) -> int:
    """Weights and biases of four gates over input and own output."""
    return 4 * units * (inputs + units + 1)


SYNAPSES = {
    "mlp_digits": dense(64, 32, 10),
    "mlp_mnist": 164_885,  # Ambrogio 2018
    "mlp_mnist_backrand": 164_885,
    "mlp_wide": dense(2000, 2000, 2000, 2000, 1000),
    "transfer_cifar10": 20_490,  # Ambrogio 2018
    "transfer_cifar100": 204_900,  # Ambrogio 2018
    "fc_alexnet": dense(9216, 4096, 4096, 1000),
    "fc_vgg16": 123_642_856,  # the well-known 123.6 million
    "autoencoder": dense(784, 1000, 500, 250, 30, 250, 500, 1000, 784),
    "lstm_imdb": lstm(128, 128) + dense(128, 1),  # 131,584 and 129 in Keras's summary of the example
    "lstm_fsdd": lstm(32, 64) + dense(64, 10),
    "lstm_warpeace": lstm(78, 64) + dense(64, 78),
    "gru_japanese_vowels": 3 * 32 * (12 + 32 + 2) + dense(32, 9),
    "lstm_captioning": lstm(512, 512) + dense(512, 8791),
    "lstm_translation": 2 * lstm(1024, 1024),
    "rnnt_librispeech": 4 * 1024 * (1024 + 1024),  # without biases
    "gru_translation": 3 * 1000 * (620 + 1000 + 2),
    "transformer_base": 4 * 512 * 512 + dense(512, 2048, 512),
}


def test_every_workload_is_listed_here() -> None:
    assert sorted(SYNAPSES) == builtin_names("workloads")


@pytest.mark.parametrize("name", sorted(SYNAPSES))
def test_a_workload_has_the_synapses_of_its_source(name: str) -> None:
    assert load_workload(name).value.synapses == SYNAPSES[name]


def promised(workload: Workload) -> list[str]:
    """Return the settings of the chip that a description names."""
    return re.findall(r"tile\.\w+(?:\.\w+)?=\d+", workload.description)


@pytest.mark.parametrize("name", ["autoencoder", "gru_translation", "rnnt_librispeech", "transformer_base"])
def test_a_description_tells_exactly_how_many_tiles_are_needed(name: str) -> None:
    workload = load_workload(name).value
    (setting,) = [setting for setting in promised(workload) if setting.startswith("tile.count")]
    count = int(setting.split("=")[1])
    assert len(map_workload(workload, build_chip(load_arch(REFERENCE, (setting,)).value)).shards) == count
    with pytest.raises(InfeasibleError, match=f"--set tile.count={count}"):
        map_workload(workload, build_chip(load_arch(REFERENCE, (f"tile.count={count - 1}",)).value))


BIG = ("fc_alexnet", "fc_vgg16", "gru_translation", "lstm_captioning", "lstm_translation", "rnnt_librispeech")


@pytest.mark.parametrize(
    "name",
    [
        "lstm_imdb",
        "transformer_base",
        *(pytest.param(name, marks=pytest.mark.slow) for name in BIG),
    ],
)
def test_a_workload_runs_on_the_chip_that_its_description_names(name: str) -> None:
    workload = load_workload(name)
    result = evaluate(load_arch(REFERENCE, promised(workload.value)), workload, examples=50)
    assert result.passed, [check for check in result.data["audits"] if not check["passed"]]
    metrics = result.data["metrics"]
    assert metrics["time_per_example_s"] >= metrics["time_per_example_lower_bound_s"]
    assert metrics["digital_ops_per_example"] == workload.value.digital_ops_per_example
    rows = {row["name"]: row for row in result.data["layers"]}
    assert sum(row["ops_per_example"] for row in rows.values()) == metrics["ops_per_example"]


def test_fields_that_came_later_leave_old_hashes_as_they_were() -> None:
    # With the rates that it had before there were modes, steps and first weights of another size.
    rates = {"learning_rate": 0.007, "learning_rate_decay": 0.93, "learning_rate_floor": 0.3, "initial_gain": 1}
    as_it_was = [f"training.{key}={value}" for key, value in rates.items()]
    assert load_workload("mlp_mnist", as_it_was).hash == "b252c5c9ec40"
    assert load_workload("mlp_mnist", ["mode=inference"]).hash != load_workload("mlp_mnist").hash


def test_a_workload_is_told_apart_by_what_its_weights_are(tmp_path: Path) -> None:
    (tmp_path / "work.yaml").write_text("kind: workload\nextends: mlp_digits\nweights: w.npz\n", "utf-8")
    found = []
    for content in (None, b"one", b"other", b"one"):
        if content is not None:
            (tmp_path / "w.npz").write_bytes(content)
        found.append(load_workload(tmp_path / "work.yaml").digest)
    assert found[1] == found[3]
    assert len({*found, load_workload("mlp_digits").digest}) == 4
