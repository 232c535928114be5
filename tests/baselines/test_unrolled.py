"""The model of GPUs on sequences: what its kernels add up to, its laws, and encoders that NVIDIA published.

No constant was fitted to those encoders: all of them are left out.
"""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from archsim.baselines.gpus import baselines
from archsim.baselines.law import constants
from archsim.baselines.model import Batched, Movement, Product, steps
from archsim.baselines.unrolled import _of_layer, bounded_steps, is_validated, sequence_steps
from archsim.cli import main
from archsim.workload import Dataset, Training, Workload, load_workload
from archsim.workload.kinds import Dense, Digital, Gru, Lstm, Rnn

GPUS = baselines().gpus
LAW = constants()
FUSED = LAW.sequences
PUBLISHED = yaml.safe_load((Path(__file__).parent / "encoders.yaml").read_text())
recurrent = st.sampled_from([Lstm, Gru, Rnn])


def network(layers: list[Any], count: int, mode: str = "training") -> Workload:
    data, training = Dataset(name="none", examples=10), Training(epochs=1, learning_rate=0.1)
    return Workload(name="n", mode=mode, steps=count, dataset=data, layers=tuple(layers), training=training)


def one(kind: Any, inputs: int, outputs: int) -> Any:
    return kind(name="own", inputs=inputs, outputs=outputs)


def encoder(tokens: int, width: int, heads: int) -> Workload:
    def dense(name: str, inputs: int, outputs: int, activation: str = "linear") -> Dense:
        return Dense(name=name, inputs=inputs, outputs=outputs, activation=activation)

    def norm(name: str, adds: str) -> Digital:
        return Digital(name=name, inputs=width, outputs=width, ops=1, groups=width, shared=2, adds=(adds,))

    parts: dict[str, Any] = {"over": "sequence", "groups": heads, "parts_of_all_steps": 2}
    layers = [
        dense("qkv", width, 3 * width),
        Digital(name="attention", inputs=3 * width, outputs=width, ops=1, **parts),
        dense("project", width, width),
        norm("norm1", "qkv"),
        dense("ff1", width, 4 * width, "relu"),
        dense("ff2", 4 * width, width),
        norm("norm2", "ff1"),
    ]
    return network(layers, tokens, "inference")


# ---- held against what was published, and nothing of it fitted


def errors(gpu: str, precision: str) -> np.ndarray:
    """Return modelled / published of each batch and length; kernels are started by the host, one after another."""
    sizes = itertools.product(PUBLISHED["batches"], PUBLISHED["tokens"])
    found = []
    for (batch, tokens), time_ms in zip(sizes, PUBLISHED[gpu][precision], strict=True):
        own = sequence_steps(GPUS[gpu], precision, encoder(tokens, 768, 12), [batch], how="stream")
        found.append(12 * float(own.time_s[0]) / (time_ms * 1e-3))
    return np.array(found)


def test_encoders_are_modelled_without_a_fit() -> None:
    every = np.concatenate([errors(gpu, name) for gpu in ("A100", "V100") for name in PUBLISHED[gpu]])
    off = np.abs(every - 1)
    assert len(off) == 45
    assert np.median(off) == pytest.approx(0.13, abs=0.01)  # as tables.CHECKED and model.yaml say
    assert np.quantile(off, 0.9) == pytest.approx(0.22, abs=0.01)
    assert np.abs(np.log(every)).max() < np.log(1.7)


def test_only_what_was_held_against_something_is_called_validated() -> None:
    assert is_validated(load_workload("transformer_base").value)
    assert not is_validated(load_workload("transformer_base", ("mode=training",)).value)
    assert not any(is_validated(load_workload(name).value) for name in ("lstm_imdb", "rnnt_librispeech"))


# ---- what the kernels are


@pytest.mark.parametrize("kind", [Lstm, Gru, Rnn])
def test_products_are_those_of_backpropagation_through_time(kind: Any) -> None:
    """Multiply-adds in plain numbers: T inputs and T own outputs forward, as many back to the states and to weights.

    A first layer sends nothing back to its inputs. Products with inputs, and gradients, are one each for all steps.
    """
    T, N, H, batch = 7, 24, 16, 3  # noqa: N806
    workload = network([one(kind, N, H)], T)
    kernels, launches, waits_s = _of_layer(workload, 0, FUSED.expected)
    columns = workload.layers[0].columns
    found = sum(float(k.ops(np.array([float(batch)]))[0]) for k in kernels if not isinstance(k, Movement))
    forward, back, gradients = T * (N + H), T * H, T * (N + H)
    assert found == 2 * batch * columns * (forward + back + gradients)
    assert launches == len(kernels) == 1 + 2 * T * 2 + 2 + 1
    assert waits_s == 0
    assert kernels[0] == Product("forward", N, columns, T)
    stays, count, wait_s = _of_layer(workload, 0, FUSED.quickest)
    assert (count, wait_s) == (1 + 1 + 1 + 2 + 1, pytest.approx(2 * T * 0.6e-6))
    assert len([k for k in stays if isinstance(k, Product)]) == 3
    _, alone, _ = _of_layer(workload, 0, FUSED.slowest)
    assert alone == T + 2 * T * 5 + 2 * T + 1


def test_attention_is_products_of_each_head() -> None:
    """Scores (tokens x size by size x tokens), then sums (tokens x tokens by tokens x size): 2 T T size operations."""
    tokens, width, heads = 25, 512, 8
    workload = encoder(tokens, width, heads)
    kernels, launches, _ = _of_layer(workload, 1, FUSED.expected)
    batched = [k for k in kernels if isinstance(k, Batched)]
    assert batched == [Batched(heads, tokens, 64, tokens), Batched(heads, tokens, tokens, 64)]
    assert sum(float(k.ops(np.array([2.0]))[0]) for k in batched) == 2 * 2 * (2 * tokens * tokens * width)
    assert launches == len(kernels) == 4  # and the softmax, and heads brought in order
    kept, once, _ = _of_layer(workload, 1, FUSED.quickest)
    assert once == 1
    products, one_example = [k for k in kept if isinstance(k, Batched)], np.ones(1)
    saved = [a.shape(one_example)[3] - b.shape(one_example)[3] for a, b in zip(batched, products, strict=True)]
    assert saved == [heads * tokens * tokens] * 2  # the scores, written once and read once


@given(st.lists(st.integers(1, 300), min_size=2, max_size=5), st.booleans())
def test_a_plain_network_is_what_it_was(widths: list[int], trains: bool) -> None:
    layers = [
        Dense(name=f"fc{i}", inputs=a, outputs=b, activation="relu")
        for i, (a, b) in enumerate(itertools.pairwise(widths))
    ]
    own = sequence_steps(GPUS["V100"], "fp32", network(layers, 1, "training" if trains else "inference"), [1, 64])
    sizes = [(layer.inputs, layer.outputs) for layer in layers]
    other = steps(GPUS["V100"], "fp32", sizes, [1, 64], training=trains)
    assert own.time_s == pytest.approx(other.time_s, rel=0.02)  # biases are counted among the weights here


@given(recurrent, st.integers(1, 200), st.integers(1, 200), st.integers(1, 40), st.integers(1, 500))
def test_intervals_hold_what_is_expected_and_steps_only_add(
    kind: Any, inputs: int, outputs: int, count: int, batch: int
) -> None:
    own = bounded_steps(GPUS["A100"], "fp32", network([one(kind, inputs, outputs)], count), [batch])
    low, high = own.per_example(0)["time_per_example_interval_s"]
    assert low <= own.expected.time_s[0] / batch <= high
    longer = sequence_steps(GPUS["A100"], "fp32", network([one(kind, inputs, outputs)], count + 1), [batch])
    assert longer.time_s[0] > own.expected.time_s[0]
    assert own.expected.power_w[0] <= GPUS["A100"].power_limit_w * (1 + 1e-9)


def test_a_batched_kernel_is_as_many_tiles() -> None:
    """Of so many copies each fills tiles of its own: twice as many take at least as long, at most twice as long."""
    few, many = (Batched(count, 64, 64, 64) for count in (1000, 2000))
    from archsim.baselines.model import of_kernels

    own, other = (of_kernels(GPUS["V100"], "fp32", [k], [1], 0, 10**9).work_s[0] for k in (few, many))
    assert own < other <= 2 * own * (1 + 1e-9)


# ---- told everywhere


@pytest.mark.parametrize(("name", "validated"), [("lstm_imdb", False), ("transformer_base", True)])
def test_compare_tells_intervals_and_what_is_not_validated(
    name: str, validated: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    sets = ["--set", "tile.count=17", "--set", "tile.memory.words=65536"]
    args = [
        "compare",
        "ambrogio_nature_2018_packet",
        name,
        *sets,
        "--gpu",
        "V100",
        "--batch",
        "1,64",
        "--examples",
        "4",
    ]
    with pytest.raises(SystemExit) as ended:
        main([*args, "--out", str(out)])
    assert ended.value.code == 0
    rows = json.loads((out / "gpus.json").read_text())["gpus"][0]["modelled"]
    assert rows
    for row in rows:
        low, high = row["time_per_example_interval_s"]
        assert low <= row["time_per_example_s"] <= high
        assert row["validated"] is validated
    for text in (capsys.readouterr().out, (out / "gpus.md").read_text(), (out / "gpus.html").read_text()):
        assert ("NOT validated" in text) is not validated
