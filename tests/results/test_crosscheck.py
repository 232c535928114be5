"""The cross-check: it passes under every schedule, and each of its comparisons can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.cli import main
from archsim.functional.chip_model import ChipModel
from archsim.functional.data_set import Data
from archsim.functional.datasets import load_data
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.mapping.schedule import Schedule
from archsim.results import crosscheck as subject
from archsim.results.audits import PASSES
from archsim.results.bill import account, activity_of
from archsim.results.carrier import Carrier
from archsim.results.crosscheck import CrossCheck, crosscheck, default_examples
from archsim.results.recount import Recount
from archsim.results.watch import Watch
from archsim.simulation.run import Trace, simulate
from archsim.spec.loading import load_arch
from archsim.studies import crosscheck as crosschecks
from archsim.workload import load_workload
from tests.helpers import BUS, PACKET, REFERENCE, STATIC, schedule_of

SMALL = ["tile.rows=128", "tile.cols=128", "schedule.transfer.interval_examples=60"]
PIPELINED = ["schedule.mode=pipelined", "schedule.in_flight=4"]


def policy(name: str) -> list[str]:
    return [f"schedule.transfer.policy={name}"]


CASES = {
    "sequential": (REFERENCE, [], 1),
    "pipelined": (REFERENCE, PIPELINED, 1),
    "pipelined, leak at once": (REFERENCE, [*PIPELINED, "numerics.leak_interval=1"], 1),
    "packets": (PACKET, [], 1),
    "packets, pipelined": (PACKET, PIPELINED, 1),
    "bus, pipelined": (BUS, PIPELINED, 1),
    "staggered": (REFERENCE, policy("staggered"), 1),
    "interleaved": (REFERENCE, [*policy("interleaved"), "schedule.transfer.rows_in_parallel=4"], 1),
    "interleaved, pipelined": (PACKET, [*PIPELINED, *policy("interleaved")], 1),
    "rewrite": (REFERENCE, ["schedule.refresh.policy=rewrite", "schedule.refresh.period=20 us"], 1),
    "mini-batch": (REFERENCE, [], 4),
    "pipelined, update management": (REFERENCE, [*PIPELINED, "tile.array.update_shift=9"], 1),
    "shards": (REFERENCE, ["tile.rows=32", "tile.cols=16", "tile.count=16"], 1),
    "no transfers": (REFERENCE, [STATIC], 1),
}


def schedule_for(case: str, examples: int = 150) -> Schedule:
    base, sets, batch = CASES[case]
    workload = load_workload("mlp_digits", [f"training.batch={batch}"]).value
    return schedule_of(workload, examples, [*SMALL, *sets], base)


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data(load_workload("mlp_digits").value)


@pytest.mark.parametrize(
    "case", [pytest.param(name, marks=[pytest.mark.slow] * (name in ("shards", "no transfers"))) for name in CASES]
)
def test_events_and_numbers_agree_under_every_schedule(case: str, digits: Data) -> None:
    found = crosscheck(schedule_for(case), digits, tolerance=1.0)
    assert not [row for row in found.rows if not row["passed"]]
    assert {row["name"][0] for row in found.rows} == set("123456")
    by_name = {row["name"]: row for row in found.rows}
    # Origin: in order, one after another, nothing is stale; within a batch of b, 0 to b - 1 updates are to come.
    mean = by_name["3. staleness, mean over forward passes of shards, updates"]["found"]
    if "pipelined" in case:
        assert 0 < mean <= 3
    elif "batch" in case:
        assert mean == pytest.approx((37 * (0 + 1 + 2 + 3) + (0 + 1)) / 150)
    else:
        assert mean == 0
    read = by_name["4. rows read by transfers and rewrites"]["found"]
    assert (read > 0) == (case != "no transfers")
    # Origin: 65 rows of 32 cells and 33 of 10; 2 operations per cell, no backward in the first layer nor for a bias.
    executed = {kind: by_name[f"1. operations of {kind}, workload and model"]["found"] for kind in PASSES}
    assert executed == {"forward": 150 * 4820, "backward": 150 * 640, "update": 150 * 4820}


TO_ITSELF = ("dataset.target=inputs", "layers[1].outputs=64")
OTHERS = [
    ("tanh", "sigmoid", TO_ITSELF), ("leaky_relu", "linear", TO_ITSELF), ("tanh", "softmax", ()),
    *(pytest.param(name, "sigmoid", (), marks=pytest.mark.slow) for name in ("relu", "hard_sigmoid", "sigmoid")),
    pytest.param("linear", "linear", (), marks=pytest.mark.slow),
]  # fmt: skip


@pytest.mark.parametrize(("hidden", "output", "more"), OTHERS)
@pytest.mark.parametrize("signed", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_events_and_numbers_agree_over_activations_losses_and_signs(
    hidden: str, output: str, more: tuple[str, ...], signed: bool
) -> None:
    sets = (f"layers[0].activation={hidden}", f"layers[1].activation={output}", f"dataset.signed={signed}", *more)
    workload = load_workload("mlp_digits", sets).value
    data = load_data(workload)
    if signed and output != "sigmoid":
        x, test_x = 2 * data.train_x - 1, 2 * data.test_x - 1
        data = replace(data, train_x=x, test_x=test_x)
        data = replace(data, train_t=x, test_t=test_x) if more else data
    found = crosscheck(schedule_of(workload, 150, [*SMALL, *PIPELINED]), data, tolerance=2.0)
    assert not [row for row in found.rows if not row["passed"]]
    assert found.rows[-1]["name"].startswith("6. R2" if more else "6. accuracy")


@pytest.mark.parametrize("case", ["sequential", "staggered", "interleaved", "mini-batch", "rewrite"])
def test_by_default_each_row_is_transferred_twice_and_no_more(case: str) -> None:
    schedule = schedule_for(case)
    count = default_examples(schedule.chip, schedule.mapping)
    done = simulate(schedule_for(case, count)).done
    before = simulate(schedule_for(case, count - 64)).done  # a tick of 64 examples follows the last transfer
    for op in schedule.ops:
        if op.kind == "transfer" and op.maintenance is not None:
            groups = len(op.maintenance.groups)
            assert 2 * groups <= done[op.index] < 4 * groups
    last = [op for op in schedule.ops if op.kind == "transfer" and op.maintenance is not None]
    assert any(before[op.index] == 2 * len(op.maintenance.groups) for op in last if op.maintenance)
    assert all(simulate(schedule_for(case, count - 65)).done[op.index] <= before[op.index] for op in last)


def test_without_transfers_the_default_is_an_epoch_within_bounds() -> None:
    schedule = schedule_for("no transfers")
    assert default_examples(schedule.chip, schedule.mapping) == 1438


# ---- what each comparison is there for


class Made:
    """A run with all its readings, to be spoilt in one place at a time."""

    def __init__(self, data: Data) -> None:
        self.schedule = schedule_for("pipelined")
        order = Order(1438, 1, 0)[:]
        self.carried, self.alone = (chip_model(self.schedule, data, 0, order) for _ in range(2))
        self.watch = Watch(self.schedule)
        simulate(self.schedule, hearer=self.watch)
        carrier = Carrier(self.carried)
        self.trace = simulate(self.schedule, hearer=carrier, timeline=True)
        carrier.finish()
        self.alone.record.log = []
        assert self.trace.timeline is not None
        self.recount = Recount(self.schedule, self.alone)
        self.recount.play(self.trace.timeline.chunks())

    def rows(self) -> list[dict[str, Any]]:
        names = [layer.name for layer in self.schedule.mapping.workload.layers]
        bill = account(self.trace, activity_of(names, [*self.alone.reads(), *self.alone.updates()]))
        return [
            *subject.operations(self.trace, self.alone), *subject.state(self.carried, self.alone),
            *subject.staleness(self.watch, self.alone), *subject.leakage(self.trace, self.watch, self.alone),
            *subject.energy(bill, self.alone, self.recount),
        ]  # fmt: skip

    def failed(self) -> str:
        return "\n".join(row["name"] for row in self.rows() if not row["passed"])


@pytest.fixture(scope="module")
def unspoilt(digits: Data) -> Made:
    return Made(digits)


@pytest.fixture
def made(unspoilt: Made, digits: Data) -> Made:
    """A copy of its own, but for what is never spoilt."""
    shared = (unspoilt.schedule, unspoilt.trace, digits, unspoilt.carried._play)
    return deepcopy(unspoilt, {id(each): each for each in shared})


def spoil_trace(made: Made, kind: str) -> None:
    op = next(op.index for op in made.schedule.ops if op.kind == kind)
    done = list(made.trace.done)
    done[op] -= 1
    made.trace = replace(made.trace, done=tuple(done))


def one_bit(array: Any) -> None:
    array.view(np.uint32).flat[7] ^= 1


def last_read_lost(made: Made) -> None:
    assert made.alone.record.log is not None
    made.alone.record.log.pop()


def leaked_longer(made: Made) -> None:
    assert made.alone.record.log is not None
    made.alone.record.log[0][2][3] += 1


def other_levels(made: Made) -> None:
    first, second = made.alone.quantisers
    made.alone.quantisers = (first, replace(second, read_levels=127, error_levels=63))


def other_interval(made: Made) -> None:
    log = made.alone.record.log
    assert log is not None
    log[-1] = (*log[-1][:3], log[-1][3] + 9)


def dearer_reads(made: Made) -> None:
    made.alone.reads()  # what was driven since the last reading is charged first
    made.alone._meter.charge *= 1.05


SPOILT: dict[str, tuple[Callable[[Made], object], str]] = {
    "an op that the engine did not do": (lambda m: spoil_trace(m, "backward"), "1. operations of backward, w"),
    "operations that the model did not do": (
        lambda m: m.alone.measures.work.__setitem__((0, 0), 5), "1. operations of forward, workload and model"
    ),
    "operations of the wrong shard": (
        lambda m: m.alone.measures.work[2].__setitem__(slice(None), m.alone.measures.work[2, ::-1].copy()),
        "1. counts by kind and shard that differ",
    ),
    "a bit of a weight": (lambda m: one_bit(m.carried.cells[1].weights), "2. weights carried"),
    "a bit of a voltage": (lambda m: one_bit(m.carried.cells[0].state.voltage), "2. values of the cells' whole state"),
    "a transfer not carried": (lambda m: setattr(m.carried, "maintained", 3), "2. transfers and rewrites carried"),
    "a fresher read": (
        lambda m: m.alone.measures.stale.__setitem__((0, 0), m.alone.measures.stale[0, 0] + 1), "3. staleness, mean"
    ),
    "a staler read": (lambda m: m.watch.stale[1].update([6]), "3. staleness, maximum"),
    "staleness of another shard": (lambda m: m.watch.stale.reverse(), "3. bins of the shards' histograms"),
    "a row that leaked a cycle longer": (leaked_longer, "4. rows whose leak differs"),
    "a read of rows that is missing": (last_read_lost, "4. rows read by transfers"),
    "a mean leak": (leaked_longer, "4. leak until rows were read"),
    "a tick at another time": (lambda m: m.watch.until[0].__setitem__(5, 1), "4. rows that leaked up to another cycle"),
    "a wrong dwell time": (lambda m: setattr(m.alone.record, "dwell_cycles", 1), "4. dwell time, mean"),
    "updates that were not read": (lambda m: setattr(m.alone.record, "dwell_cells", 1), "4. updates of cells read"),
    "a transfer too few": (last_read_lost, "4. transfer and rewrite ops done another number"),
    "transfers of a row group": (last_read_lost, "4. transfers of a row group"),
    "another interval": (other_interval, "4. examples between transfers"),
    "another converter": (other_levels, "4. codes of forward converters"),
    "another converter backwards": (other_levels, "4. codes of backward converters"),
    "cells not read": (lambda m: m.alone.measures.reads.__setitem__((1, 1), 2), "5. cells read"),
    "reads that cost more": (dearer_reads, "5. reads of cells in forward"),
    "reads back that cost more": (dearer_reads, "5. reads of cells in backward"),
    "lines charged more often": (lambda m: m.alone.measures.swings.__iadd__(9), "5. lines read in forward"),
    "columns charged more often": (lambda m: m.alone.measures.swings.__iadd__(9), "5. lines read in backward"),
    "more pulses of lines": (lambda m: m.alone.measures.fired.__iadd__(9), "5. lines pulsed in updates"),
    "more pulses of cells": (lambda m: m.alone.measures.fired.__iadd__(9), "5. cells pulsed in updates"),
}  # fmt: skip


def test_nothing_fails_unspoilt(made: Made) -> None:
    assert made.failed() == ""


@pytest.mark.parametrize("what", SPOILT)
def test_each_comparison_can_fail(what: str, made: Made) -> None:
    spoil, says = SPOILT[what]
    spoil(made)
    assert any(line.startswith(says) for line in made.failed().splitlines()), made.failed()


def test_staleness_of_the_events_is_seen_where_reads_are_carried_early(made: Made, digits: Data) -> None:
    # A timeline whose first hundred forward passes of a shard are played before all of its updates.
    model: ChipModel = chip_model(made.schedule, digits, 0, Order(1438, 1, 0))
    assert made.trace.timeline is not None
    op, n, start = next(iter(made.trace.timeline.chunks()))
    forward = next(o.index for o in made.schedule.ops if o.kind == "forward")
    early = (op == forward) & (n < 20)
    order = np.argsort(~early, kind="stable")
    model.record.log = []
    model.feed(op[order], n[order], start[order])
    rows = subject.staleness(made.watch, model)
    assert [row["passed"] for row in rows] == [False, False, False]


def test_accuracy_may_fall_short_by_the_tolerance_and_no_more() -> None:
    assert subject.accuracy(0.9, 0.86, 0.05)["passed"]
    assert subject.accuracy(0.9, 0.99, 0.05)["passed"]
    assert not subject.accuracy(0.9, 0.84, 0.05)["passed"]


# ---- the command

WORDS = ("crosscheck", REFERENCE, "mlp_digits", *(word for own in SMALL for word in ("--set", own)))


def run(*words: str) -> int:
    with pytest.raises(SystemExit) as leave:
        main(words)
    return int(leave.value.code or 0)


@pytest.mark.slow
def test_the_command_writes_its_comparison_and_repeats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = (*WORDS, "--examples", "150", "--tolerance", "100", "--out")
    assert run(*words, str(tmp_path / "one"), "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["crosscheck"]) > 20
    assert data["command"].startswith("archsim crosscheck ambrogio_nature_2018 mlp_digits --set tile.rows=128")
    assert data["command"].endswith("--examples 150 --tolerance 100")
    assert data["activity"]["from"] == "measured in the cross-check"
    table = (tmp_path / "one" / "tables" / "crosscheck.csv").read_text("utf-8")
    assert table.count("passed") == len(data["crosscheck"])
    told = f"None of {len(data['crosscheck'])} comparisons differs."
    assert told in (tmp_path / "one" / "report.md").read_text("utf-8")
    assert run(*words, str(tmp_path / "two"), "--quiet") == 0
    for path in (tmp_path / "one").rglob("*.*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    # Its run.yaml repeats the comparison, too.
    assert run("run", str(tmp_path / "one" / "run.yaml"), "--out", str(tmp_path / "run"), "--json") == 0
    again = json.loads(capsys.readouterr().out)
    assert again["crosscheck"] == data["crosscheck"]
    assert again["energy_j"] == data["energy_j"]
    assert again["activity"] == data["activity"]
    assert (tmp_path / "run" / "tables" / "crosscheck.csv").read_text("utf-8") == table


def test_a_comparison_that_fails_is_told_and_is_the_exit_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoilt(*given: Any, **options: Any) -> CrossCheck:
        found = crosscheck(*given, **options)
        return replace(found, rows=(*found.rows, subject.row("2. weights that differ", 0, 3)))

    monkeypatch.setattr(crosschecks, "crosscheck", spoilt)
    assert run(*WORDS, "--examples", "130", "--tolerance", "100", "--out", str(tmp_path / "out")) == 1
    assert "FAILED: 2. weights that differ: 3 instead of 0" in capsys.readouterr().out
    assert "1 of 44 cross-checks FAILED" in (tmp_path / "out" / "report.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--set", "tile.count=1"), "needs 2 tiles"),
        (("--set", "dataset.name=nothing"), "nothing.npz"),
        (("--tolerance", "101"), "--tolerance"),
        (("--examples", "0"), "--examples"),
        (("--set", "training.learning_rate=1e5"), "diverged in epoch 1"),
    ],
)
def test_bad_input_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert run(*WORDS, *words, "--out", str(tmp_path / "out")) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_tile_with_other_edges_is_trained_with_its_own(digits: Data) -> None:
    variant = load_arch(REFERENCE, [*SMALL, "tile.count=1"])
    assert variant.value.variants == {}
    small = variant.value.tile.model_copy(update={"rows": 40, "cols": 10})
    bits = small.col_converter.model_copy(update={"bits": 5})
    spec = variant.value.model_copy(update={"variants": {"small": small.model_copy(update={"col_converter": bits})}})
    from archsim.chip.graph import build_chip
    from archsim.mapping.modes import build_schedule
    from archsim.mapping.partition import map_workload

    chip = build_chip(spec)
    schedule = build_schedule(chip, map_workload(load_workload("mlp_digits").value, chip), 70)
    model = chip_model(schedule, digits, 0, Order(1438, 1, 0))
    assert [quantisers.read_levels for quantisers in model.quantisers] == [255, 31]
    assert not [row for row in crosscheck(schedule, digits, tolerance=1.0).rows if not row["passed"]]


def test_errors_are_rounded_by_the_converter_that_is_read_in_backward(digits: Data) -> None:
    coarse = [schedule_of(load_workload("mlp_digits").value, 70, [*SMALL, f"tile.row_converter.bits={bits}"])
              for bits in (8, 4)]  # fmt: skip
    models = [chip_model(schedule, digits, 0, Order(1438, 1, 0)) for schedule in coarse]
    assert [model.quantisers[0].levels for model in models] == [(127, 127, 255, 255, 15, 0), (127, 127, 255, 15, 15, 0)]
    for schedule, model in zip(coarse, models, strict=True):
        timeline = simulate(schedule, timeline=True).timeline
        assert timeline is not None
        model.play(timeline.chunks())
    assert not np.array_equal(models[0].cells[0].weights, models[1].cells[0].weights)


def test_the_trace_is_unchanged_by_who_watches(made: Made) -> None:
    alone: Trace = simulate(made.schedule, full=True)
    assert (alone.cycles, alone.done) == (made.trace.cycles, made.trace.done)
