"""The measuring script, on the processor: the two ways to write a step are the same step. Needs PyTorch."""

import pytest
import yaml

from archsim.base.documents import dump_yaml
from archsim.base.errors import SpecError
from archsim.baselines.measure import cpu_meter, measure, timing
from archsim.workload import load_workload

LAYERS = load_workload("mlp_mnist").value.layers


def test_a_chunk_is_timed_as_long_as_was_asked_and_per_step() -> None:
    ticks = iter(range(10**6))
    found = timing(cpu_meter(), lambda: next(ticks), steps=4, seconds=0.01)
    done = next(ticks)
    assert found["steps"] % 4 == 0
    assert 0 < found["time_per_step_s"] < 1e-4
    assert found["steps"] <= 4 * done  # warm-up is not counted
    assert found["energy_per_step_j"] is None


def test_what_cannot_be_measured_is_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        measure(["mlp_mnist"], "gpu", [0], ["fp31"])
    text = str(caught.value)
    assert "did you mean 'fp32'" in text
    assert "0 is not a batch size" in text


def test_the_lean_step_trains_as_autograd_does() -> None:
    torch = pytest.importorskip("torch")
    from archsim.baselines.steps import BATCHES_HELD, eager_step, lean_step, problem

    mine, theirs = (problem(LAYERS, 5, "float64", "cpu") for _ in range(2))
    before = mine.weights[0].clone()
    step = eager_step(theirs)
    for which in range(BATCHES_HELD):
        lean_step(mine, which)
        step(which)
    assert not torch.equal(before, mine.weights[0])
    for a, b in zip((*mine.weights, *mine.biases), (*theirs.weights, *theirs.biases), strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-10, atol=1e-12)


def test_the_processor_is_measured_as_a_gpu_would_be() -> None:
    pytest.importorskip("torch")
    found = measure(["mlp_mnist"], "cpu", [1, 8], ["fp32", "tf32"], seconds=0.01)
    (rows,) = [workload["rows"] for workload in found["workloads"]]
    assert [(row["precision"], row["batch"], row["how"]) for row in rows] == [
        ("fp32", 1, "eager"),
        ("fp32", 8, "eager"),  # TF32 is of GPUs alone
    ]
    assert all(row["time_per_step_s"] > 0 and row["energy_per_step_j"] is None for row in rows)
    assert yaml.safe_load(dump_yaml(found, leaves_on_a_line=True)) == found
