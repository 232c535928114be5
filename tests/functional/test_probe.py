"""The probe around the cells: it sees what formulas say, the last transfer and no other, and it changes nothing."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from archsim.components.cells.numeric.base import Cells
from archsim.components.cells.pcm_3t1c import Pcm3T1C
from archsim.functional.datasets import load_data
from archsim.functional.findings import Findings
from archsim.functional.probe import BINS, TIMES, Probe
from archsim.functional.train import Training, scales_of
from archsim.simulation.run import simulate
from archsim.studies.train.history import History
from archsim.studies.train.study import STUDY
from archsim.workload import load_workload
from tests.functional.test_chip_model import LeakyCells, model_of
from tests.helpers import schedule_of
from tests.studies.test_train_document import HISTORY, document

SMALL = ("tile.rows=128", "tile.cols=128")
DIGITS = load_workload("mlp_digits").value
TAU_S = 5.16e-3  # of the reference chip's capacitors
OFFSET_US = 2.0


def finished(*sets: str, ablate: tuple[str, ...] = (), epochs: int = 1, probed: bool = True) -> Training:
    workload = load_workload("mlp_digits", [each for each in sets if each.startswith("training.")]).value
    mine = [each for each in sets if not each.startswith("training.")]
    schedule = schedule_of(workload, epochs * workload.dataset.examples, (*SMALL, *mine))
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    training = Training(schedule, load_data(workload), seed=1, ablate=ablate, probe=Probe(schedule) if probed else None)
    training.play(timeline.chunks)
    return training


def findings_of(training: Training) -> Findings:
    schedule = training.model.schedule
    assert training.probe is not None
    return training.probe.findings(1, scales_of(schedule.chip.spec, schedule.mapping.workload))


@pytest.mark.parametrize("policy", ["stop_all", "interleaved"])
def test_a_probe_changes_no_number_of_the_training(policy: str) -> None:
    sets = ("schedule.transfer.interval_examples=400", f"schedule.transfer.policy={policy}")
    probed, alone = finished(*sets), finished(*sets, probed=False)
    assert probed.found == alone.found
    assert probed.model.reads() == alone.model.reads()
    for name, array in alone.arrays().items():
        np.testing.assert_array_equal(array, probed.arrays()[name], err_msg=name)


def test_what_the_nominal_cell_loses_follows_the_exponential_of_its_offset() -> None:
    # Nothing varies and nothing learns: a cell's whole D = g - g_shared decays with one time constant, so that the
    # loss is D (1 - exp(-t / tau)), in mean and in root mean square, and D is the offset but for what programming left.
    sets = (
        "training.learning_rate=0", "schedule.transfer.interval_examples=700", "numerics.weight_scale=100 uS",
        "numerics.output_weight_scale=50 uS",  # so that all weights are in reach
    )  # fmt: skip
    found = findings_of(finished(*sets, ablate=("variability", "programming_error")))
    assert (found.offset_us, found.tau_s) == (pytest.approx(OFFSET_US), pytest.approx(TAU_S))
    assert [each.layer for each in found.losses] == ["fc1", "fc2"]
    for each in found.losses:
        share = 1 - np.exp(-np.array(each.time_s) / TAU_S)
        held = np.array(each.mean_us) / share
        assert held == pytest.approx(np.full(len(held), OFFSET_US), abs=0.25)
        # Which rows a bin has, and when, differs a little: of those with most rows, by less than two hundredths.
        many = np.array(each.samples) > max(each.samples) / 2
        whole = (np.array(each.rms_us) / share)[many]
        assert whole == pytest.approx(np.full(len(whole), whole[-1]), rel=0.02)
        assert found.nominal_us(each.time_s[-1]) == pytest.approx(OFFSET_US * share[-1])


def test_cells_that_halve_lose_what_halving_takes_since_their_last_transfer() -> None:
    schedule = schedule_of(DIGITS, 250, (*SMALL, "schedule.transfer.interval_examples=100"))  # two transfers
    probe = Probe(schedule)
    first = schedule.mapping.shards[0]
    weights = np.linspace(-1, 2, first.rows * first.cols, dtype=np.float32).reshape(first.rows, first.cols)
    cells: Any = probe.around(LeakyCells(weights))
    everything = (0, first.rows)
    cells.leak(*everything, 5e-6)
    assert not probe.sums.any()  # watched between the last two transfers only
    cells.transfer(*everything, 0, 0, True)
    begin = cells.weights.astype(np.float64)
    for _ in range(4):
        cells.leak(*everything, 5e-6)
    before = cells.weights.copy()
    cells.transfer(*everything, 0, 1, True)
    cells.leak(*everything, 5e-6)
    found = probe.findings(0, [10.0, 10.0])
    (loss,) = found.losses
    assert loss.time_s == pytest.approx([5e-6, 10e-6, 15e-6, 20e-6])
    assert loss.samples == (begin.size,) * 4
    for i, share in enumerate((1 - 2**-0.25, 1 - 2**-0.5, 1 - 2**-0.75, 0.5)):  # half in 20 us
        assert loss.mean_us[i] == pytest.approx(share * begin.mean(), rel=1e-5)
        assert loss.rms_us[i] == pytest.approx(share * np.sqrt((begin**2).mean()), rel=1e-5)
    (histogram,) = found.histograms
    assert histogram.name == "W"
    edges = np.array(histogram.edges_us)
    assert (edges[0], edges[-1]) == (before.min(), before.max())
    assert histogram.counts["before"] == tuple(np.histogram(before, edges)[0])
    assert histogram.counts["after"] == tuple(np.histogram(before * np.float32(0.9), edges)[0])


class Recorder:
    """Keeps the weights of each row as they were before and after the transfer that came last."""

    def __init__(self, cells: Cells) -> None:
        self.cells = cells
        self.before, self.after = (np.zeros_like(cells.weights) for _ in range(2))
        self.seen = np.zeros(len(cells.weights), dtype=bool)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cells, name)

    def transfer(self, row_start: int, row_stop: int, *rest: Any) -> Any:
        rows = slice(row_start, row_stop)
        self.before[rows] = self.cells.weights[rows]
        found = self.cells.transfer(row_start, row_stop, *rest)
        self.after[rows] = self.cells.weights[rows]
        self.seen[rows] = True
        return found


@pytest.mark.parametrize("examples", [90, *(pytest.param(n, marks=pytest.mark.slow) for n in (100, 250, 399))])
@pytest.mark.parametrize("policy", ["stop_all", "staggered", "interleaved"])
def test_the_transfer_that_is_kept_is_the_last_one_of_each_row(policy: str, examples: int) -> None:
    sets = (*SMALL, "schedule.transfer.interval_examples=100", f"schedule.transfer.policy={policy}",
            "schedule.transfer.rows_in_parallel=3")  # fmt: skip
    schedule = schedule_of(DIGITS, examples, sets)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    model, probe = model_of(schedule), Probe(schedule)
    recorders = [Recorder(cells) for cells in model.cells]
    around: list[Any] = [probe.around(cells) for cells in recorders]
    model.cells = around
    model.play(timeline.chunks(500))
    for seen, expected in zip(probe.cells, recorders, strict=True):
        np.testing.assert_array_equal(seen.seen, expected.seen)
        np.testing.assert_array_equal(seen.before["W"], expected.before)
        np.testing.assert_array_equal(seen.after["W"], expected.after)
        np.testing.assert_array_equal(seen.watched, ~expected.seen)


def test_bins_widen_and_lose_nothing() -> None:
    probe = Probe(schedule_of(DIGITS, 10, SMALL))
    draws = np.random.default_rng(0)
    times, losses = [], []
    for longest in (1e-9, 1e-6, 3e-6, 5e-3):
        times.append(draws.random(7) * longest)
        losses.append(draws.normal(size=(7, 3)).astype(np.float32))
        probe.add(1, times[-1], losses[-1])
    t, loss = np.concatenate(times), np.concatenate(losses).astype(np.float64)
    expected = [loss.size, 3 * t.sum(), loss.sum(), (loss**2).sum()]
    assert probe.sums[1].sum(axis=-1) == pytest.approx(expected)
    assert not probe.sums[0].any()
    assert t.max() < TIMES * probe.width_s[0] <= 2 * t.max()


def test_cells_that_neither_leak_nor_are_transferred_show_what_they_have(tmp_path: Path) -> None:
    device = "tile.device={kind: static_cell, area: 1 um2, read_energy: 50 fJ, supply: 1.0 V, read: 0.2 V}"
    training = finished(device)
    found = findings_of(training)
    assert (found.transferred, found.losses) == (False, ())
    (histogram,) = found.histograms
    assert sum(histogram.counts["at the end"]) == DIGITS.synapses
    cells = np.concatenate([each.weights.ravel() for each in training.model.cells])
    assert (histogram.edges_us[0], histogram.edges_us[-1]) == (cells.min(), cells.max())
    STUDY.write(History.model_validate({**HISTORY, "findings": asdict(found)}), tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "history.json", "train.html", "train.md", "accuracy.svg", "loss.svg", "conductances.svg", "final.csv",
        "history.csv", "conductances.csv", "accuracy.csv", "loss.csv", "conductances_figure.csv",
    }  # fmt: skip


def test_the_tables_hold_all_cells_and_the_closed_form() -> None:
    found = findings_of(finished("schedule.transfer.interval_examples=400"))
    assert [each.name for each in found.histograms] == ["W", "g - g_shared", "G+", "G-"]
    for each in found.histograms:
        assert len(each.edges_us) == BINS + 1
        assert [sum(counts) for counts in each.counts.values()] == [DIGITS.synapses] * 2
    assert TypeAdapter(Findings).validate_json(json.dumps(asdict(found)), strict=True) == found
    tables = document(HISTORY, found).tables()
    assert len(tables["conductances"].rows) == 4 * 2 * BINS
    for _, time, _, rms, mean, nominal, *network in tables["weight_error"].rows:
        assert nominal == pytest.approx(OFFSET_US * 1e-6 * (1 - np.exp(-time / TAU_S)))
        assert network[0] / network[1] == pytest.approx(rms / mean)
    device = Pcm3T1C.example
    assert (device["offset"], device["leak_time_constant"]) == ("2 uS", "5.16 ms")
