"""The measuring script, on the processor: the two ways to write a step are the same step. Needs PyTorch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from archsim.base.documents import dump_yaml
from archsim.base.errors import SpecError
from archsim.baselines.measure import (
    SEQUENCES,
    Meter,
    cpu_meter,
    measure,
    network_entry,
    network_rows,
    timing,
)
from archsim.baselines.measured import measurements
from archsim.baselines.steps import BATCHES_HELD, eager_step, lean_step, problem
from archsim.baselines.unrolled_steps import check_measurable
from archsim.workload import Workload, load_workload

LAYERS = load_workload("mlp_mnist").value.dense_layers()


def test_a_chunk_is_timed_as_long_as_was_asked_and_per_step() -> None:
    ticks = iter(range(10**6))

    def chunk() -> None:
        next(ticks)

    found = timing(cpu_meter(), chunk, steps=4, seconds=0.01)
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


class Clock:
    """A device that takes so many seconds a step, and so many joules."""

    def __init__(self, step_s: float, step_j: float) -> None:
        self.now, self.step_s, self.step_j, self.steps = 0.0, step_s, step_j, 0

    def chunk(self) -> None:
        self.steps += BATCHES_HELD

    def meter(self) -> Meter:
        def timed(work: Callable[[], None]) -> float:
            before = self.steps
            work()
            return (self.steps - before) * self.step_s

        return Meter("cuda", timed, lambda: self.steps * self.step_j, lambda: 1.0)


def test_a_made_up_gpu_is_measured_on_sequences_and_its_file_is_compared(tmp_path: Path) -> None:
    """A device of 50 us and 40 nJ a step: what is written is that, and it is found again for these workloads alone."""
    clock = Clock(50e-6, 4e-8)

    def ways(meter: Meter, workload: Workload, batch: int, precision: str) -> dict[str, Callable[[], None]]:
        return {"graph": clock.chunk, "eager": clock.chunk}

    networks = [load_workload(name).value for name in SEQUENCES]
    entries: list[Any] = []
    for own in networks:
        rows = network_rows(clock.meter(), own, [1, 1024], ["fp32"], 0.001, ways)
        assert [(row["batch"], row["how"]) for row in rows] == [(b, h) for b in (1, 1024) for h in ("graph", "eager")]
        for row in rows:
            assert row["time_per_step_s"] == pytest.approx(50e-6)
            assert row["energy_per_step_j"] == pytest.approx(4e-8)
        entries.append(network_entry(own, rows))
    path = tmp_path / "measured.yaml"
    content = {"kind": "measured", "gpu": {"name": "made up", "baseline": "V100"}, "date": "today", "method": "none"}
    path.write_text(dump_yaml({**content, "workloads": entries}, leaves_on_a_line=True))
    for own in networks:
        [(found, network)] = measurements(own, [path])
        assert network.name == own.name
        assert found.file.gpu.baseline == "V100"
    with pytest.raises(SpecError, match=r"lstm_warpeace .*100 steps, training.*; lstm_imdb is 128-128"):
        measurements(load_workload("lstm_imdb").value, [path])


def test_what_pytorch_has_no_layer_for_is_told_by_place() -> None:
    assert [check_measurable(load_workload(name).value) for name in SEQUENCES] == [[], [], []]
    own = load_workload("transformer_base").value
    odd = own.layers[1].model_copy(update={"groups": None, "parts_of_all_steps": None})
    [problem] = check_measurable(own.model_copy(update={"layers": (own.layers[0], odd, *own.layers[2:])}))
    assert problem.where == "transformer_base: layers[1]"


@pytest.mark.parametrize("name", SEQUENCES)
def test_sequences_are_measured_on_the_processor(name: str) -> None:
    pytest.importorskip("torch")
    found = measure([name], "cpu", [2], ["fp32"], seconds=0.01)
    (network,) = found["workloads"]
    assert [(row["batch"], row["how"]) for row in network["rows"]] == [(2, "eager")]
    assert network["steps"] == load_workload(name).value.timed.steps


def test_the_lean_step_trains_as_autograd_does() -> None:
    torch = pytest.importorskip("torch")
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
