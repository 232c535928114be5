"""Sequences that take their mean length: the clock of the numbers is that of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.base.errors import SpecError
from archsim.functional.datasets import following
from archsim.mapping.training import transfer_interval
from archsim.results.evaluate import evaluate
from archsim.simulation.run import simulate
from archsim.simulation.shortened import shortened
from archsim.spec.loading import load_arch
from archsim.studies.crosscheck import plan_of
from archsim.workload import load_workload
from tests.helpers import PACKET, schedule_of

WORK = """
kind: workload
name: w
dataset: {name: own, examples: 6}
steps: 12
mean_steps: 5
layers:
  - {name: lstm, kind: lstm, inputs: 2, outputs: 4}
  - {name: out, inputs: 4, outputs: 3, activation: softmax, at: last_step}
training: {epochs: 100, learning_rate: 0.1}
"""
SMALL = ["tile.rows=16", "tile.cols=16", "tile.count=8", "tile.memory.words=8192",
         "schedule.transfer.interval_vectors=60"]  # fmt: skip
MEAN = ("length=mean",)


@pytest.fixture
def work(tmp_path: Path) -> str:
    (tmp_path / "w.yaml").write_text(WORK)
    return str(tmp_path / "w.yaml")


def test_a_run_is_that_of_a_network_with_as_many_steps(work: str) -> None:
    mean, five = (evaluate(load_arch(PACKET, SMALL), load_workload(work, sets)).data
                  for sets in (MEAN, ("mean_steps=5", "steps=5")))  # fmt: skip
    assert mean["metrics"] == five["metrics"]
    assert mean["notes"][0] == "time, energy and transfers follow examples of 5 steps, the mean; the longest has 12"
    counts = "as schedule.transfer.interval_vectors says and not interval_examples"
    assert mean["notes"][1] == f"transfers come after every 12 sequences, {counts}"
    each = evaluate(load_arch(PACKET, [*SMALL, "schedule.transfer.interval_vectors=1"]), load_workload(work)).data
    assert each["notes"][0] == f"transfers come after every sequence, {counts}"


@pytest.mark.parametrize("sets", [[], ["schedule.mode=pipelined", "schedule.in_flight=2"]], ids=["one", "two"])
def test_the_clock_of_the_numbers_is_that_of_the_run(work: str, sets: list[str]) -> None:
    """Within an example, as many transfers, as far apart, and as long."""
    workload = load_workload(work, MEAN).value
    long, short = (schedule_of(own, 600, [*SMALL, *sets], PACKET) for own in (workload, workload.timed))
    assert transfer_interval(long.chip.spec, workload) == 60 // 5
    run = simulate(short, timeline=True)
    timeline = simulate(long, timeline=True).timeline
    assert timeline is not None
    assert run.timeline is not None
    starts = {}
    for name, schedule, chunks in (
        ("run", short, run.timeline.chunks),
        ("own", long, shortened(long, timeline.chunks)),
    ):
        op, _, start = (np.concatenate(column) for column in zip(*chunks(), strict=True))
        assert (np.diff(start) >= 0).all()
        transfers = [own.index for own in schedule.ops if own.kind == "transfer"]
        starts[name] = start[np.isin(op, transfers)]
        assert start[-1] <= run.cycles
    assert len(starts["own"]) == len(starts["run"]) > 50
    example = run.cycles / 600
    np.testing.assert_allclose(starts["own"], starts["run"], atol=2 * example + 0.005 * run.cycles)


def test_time_between_records_is_shortened_and_that_of_transfers_is_not(work: str) -> None:
    """By hand: half of what no transfer lasts, which keeps 30 cycles from all."""
    from archsim.simulation.shortened import _at

    def columns(*starts: int) -> Any:
        return np.zeros(len(starts), dtype=np.int64), np.arange(len(starts)), np.array(starts)

    chunks = [columns(10, 20), (np.array([1, 0]), np.array([0, 3]), np.array([30, 40])), columns(60, 80)]
    found = [own[2].tolist() for own in _at(0.5, np.array([0, 30]), chunks)]
    assert found == [[5, 10], [15, 25], [45, 55]]


def test_the_mean_is_that_of_the_data(tmp_path: Path, work: str) -> None:
    draws = np.random.default_rng(0)
    x = draws.random((8, 12, 2))
    n = np.array([12, 1, 3, 5, 4, 5, 12, 12])
    np.savez(tmp_path / "own.npz", x_train=x, y_train=np.arange(8) % 3, n_train=n, x_test=x, y_test=np.arange(8) % 3,
             n_test=n)  # fmt: skip
    network, _ = following(load_workload(work, MEAN), tmp_path)
    assert network.value.mean_steps == 5
    network, _ = following(load_workload(work, (*MEAN, "dataset.examples=3")), tmp_path)
    assert network.value.mean_steps == round(16 / 3)
    network, _ = following(load_workload(work, ("length=mean", "mean_steps=7")), tmp_path)
    assert network.value.mean_steps == 7
    assert following(load_workload(work), tmp_path)[0].value.mean_steps == 5
    with pytest.raises(SpecError, match="length: is mean, and events and numbers are compared step by step"):
        plan_of(PACKET, work, sets=(*SMALL, *MEAN), data_folder=tmp_path)


@pytest.mark.parametrize(("sets", "what"), [
    (("mean_steps=13",), "mean_steps is 13, and the longest example has 12 steps; give at most 12"),
    (("length=mean", "stateful=true"), "length is 'mean', but stretches of a text are all of 12 steps; leave it out"),
    (("length=short",), "length"),
])  # fmt: skip
def test_a_length_that_cannot_be_is_told(work: str, sets: tuple[str, ...], what: str) -> None:
    with pytest.raises(SpecError, match=what):
        load_workload(work, sets)
    text = WORK.replace("mean_steps: 5", "length: mean")
    Path(work).write_text(text)
    with pytest.raises(SpecError, match="mean_steps does not say what that is; give it, at most 12"):
        load_workload(work)
