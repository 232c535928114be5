"""Recurrent and digital layers, and examples of several steps: laws, and figures counted by hand or in plain loops."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import InfeasibleError, SpecError
from archsim.chip.graph import Chip
from archsim.mapping import Schedule, build_schedule, map_workload
from archsim.mapping.schedule import Op
from archsim.results.audits import audits_of, digital_ops, executed_ops
from archsim.results.bill import account
from archsim.results.peak import peak
from archsim.simulation import simulate
from archsim.simulation.run import Trace
from archsim.spec.choices import TRANSFER_POLICIES
from archsim.spec.loading import load_arch
from archsim.spec.settings import split_overrides
from archsim.studies.crosscheck import plan_of
from archsim.studies.train import study as training
from archsim.workload import Dataset, Training, Workload, load_workload
from tests.helpers import BUS, PACKET, REFERENCE, SHIPPED, Watcher, chip_of, observed

SMALL = ("tile.rows=9", "tile.cols=16", "tile.count=60", "tile.memory.words=8192")


def lstm(inputs: int, outputs: int, **more: Any) -> dict[str, Any]:
    return {"kind": "lstm", "name": f"lstm{inputs}", "inputs": inputs, "outputs": outputs, **more}


def gru(inputs: int, outputs: int, **more: Any) -> dict[str, Any]:
    return {"kind": "gru", "name": f"gru{inputs}", "inputs": inputs, "outputs": outputs, **more}


def rnn(inputs: int, outputs: int, **more: Any) -> dict[str, Any]:
    return {"kind": "rnn", "name": f"rnn{inputs}", "inputs": inputs, "outputs": outputs, **more}


def dense(inputs: int, outputs: int, **more: Any) -> dict[str, Any]:
    return {"name": f"fc{inputs}", "inputs": inputs, "outputs": outputs, "activation": "relu", **more}


def digital(inputs: int, outputs: int, ops: int, **more: Any) -> dict[str, Any]:
    return {"kind": "digital", "name": f"work{inputs}", "inputs": inputs, "outputs": outputs, "ops": ops, **more}


def work(layers: Any, steps: int, mode: str = "training", batch: int = 1) -> Workload:
    """Return a workload of these layers; they are checked as those of a file are."""
    return Workload(
        name="test",
        mode=mode,
        steps=steps,
        dataset=Dataset(name="none", examples=1000),
        layers=layers,
        training=Training(epochs=1, batch=batch, learning_rate=0.05),
    )


def schedule(workload: Workload, chip: Chip, examples: int = 1) -> Schedule:
    return build_schedule(chip, map_workload(workload, chip), examples)


def cycles(workload: Workload, chip: Chip, **how: Any) -> int:
    return simulate(schedule(workload, chip), **how).cycles


def watched(workload: Workload, chip: Chip, examples: int) -> tuple[Schedule, Watcher]:
    own, watcher = schedule(workload, chip, examples), Watcher()
    simulate(own, observer=watcher)
    return own, watcher


def failed(trace: Trace, bound_cycles: int) -> list[str]:
    return [check["name"] for check in audits_of(trace, bound_cycles, account(trace)) if not check["passed"]]


MANY = chip_of(PACKET, ("tile.rows=9", "tile.cols=16", "tile.count=100"))
NETS = {
    "lstm": [lstm(12, 5)],
    "gru and classes at the end": [gru(12, 5), dense(5, 4, at="last_step")],
    "dense, lstm, gru": [dense(6, 12), lstm(12, 5), gru(5, 7), dense(7, 4)],
    "attention": [dense(6, 20), digital(20, 7, 1000, over="sequence"), dense(7, 4)],
    "pooling": [lstm(6, 9), digital(9, 9, 77, over="sequence", at="last_step"), dense(9, 4)],
    "rnn": [rnn(12, 5), dense(5, 4)],
    "branches one after another": [
        lstm(6, 9),
        digital(9, 6, 0),
        rnn(6, 9),
        digital(9, 18, 0, name="wider"),
        dense(18, 4),
    ],
    "few outputs": [dense(6, 40), digital(40, 2, 100), dense(2, 4)],
    "a transformer's layer": [
        dense(6, 60, activation="linear"),
        digital(60, 20, 900, over="sequence", groups=5, parts_of_all_steps=2, steps_at_once=2),
        dense(20, 20, activation="linear"),
        digital(20, 20, 80, name="norm", groups=20, shared=2, adds=["fc20"]),
        dense(20, 4, name="last"),
    ],
}


# ---- laws of every run


@st.composite
def runs(draw: st.DrawFn) -> tuple[Workload, str, list[str], int]:
    """Draw a network, a shipped chip with small crossbars, overrides, and how many examples."""
    pick = lambda *options: draw(st.sampled_from(options))  # noqa: E731
    mode, batch, steps = pick("training", "training", "inference"), pick(1, 1, 2), draw(st.integers(1, 4))
    interval = batch * draw(st.integers(1, 6))
    sets = [
        *SMALL,
        f"schedule.transfer.interval_examples={interval}",
        f"schedule.transfer.interval_vectors={interval * steps}",
        f"schedule.transfer.policy={pick(*sorted(TRANSFER_POLICIES))}",
        f"schedule.prefetch={draw(st.integers(0, 2))}",
        f"routing.reduction={pick('chain', 'tree')}",
    ]
    flying = pick(1, 1, 2)
    if flying > 1:
        sets += ["schedule.mode=pipelined", f"schedule.in_flight={flying}"]
    if draw(st.booleans()):
        sets += ["tile.row_converter=shared", f"tile.col_converter.sample_hold={flying * steps}"]
    return work(NETS[pick(*NETS)], steps, mode, batch), pick(*SHIPPED), sets, batch * draw(st.integers(8, 30))


@given(runs())
def test_every_run_passes_its_audits_and_is_jumped_exactly(run: tuple[Workload, str, list[str], int]) -> None:
    workload, base, sets, examples = run
    own = schedule(workload, chip_of(base, sets), examples)
    trace = simulate(own)
    assert observed(trace) == observed(simulate(own, full=True))
    assert failed(trace, simulate(own, unlimited=True).cycles) == []


@pytest.mark.parametrize("mode", ["training", "inference"])
@pytest.mark.parametrize("layers", [NETS["lstm"], NETS["dense, lstm, gru"]], ids=["lstm", "deep"])
@pytest.mark.parametrize("base", [REFERENCE, PACKET])
def test_time_grows_linearly_with_the_steps(base: str, layers: list[dict[str, Any]], mode: str) -> None:
    """Two steps at a time: where two tiles wait for each other in turn, every other step has the longer way."""
    chip = chip_of(base, SMALL)
    times = [cycles(work(layers, steps, mode), chip, unlimited=True) for steps in range(3, 8)]
    assert times[2] - times[0] == times[4] - times[2] > 0
    assert times[3] - times[1] == times[4] - times[2]


def test_a_step_takes_what_its_chain_takes() -> None:
    """One crossbar, so that h stays where it is; cycles of 1 ns from the spec: by hand."""
    chip = chip_of(PACKET)
    # Window and settling; x and h have both signs and drive the rows in two windows. The converters' time.
    forward, back, convert = 2 * 64 + 16, 64 + 16, 207
    work_cycles = 1 + 1  # 5 x 10 activations and 3 x 10 multiply-adds in 64 lanes
    cell = max(work_cycles, 2 // 2)  # meanwhile c(t), 10 bytes, is kept: 2 words through 2 ports
    slope = cycles(work([lstm(12, 10)], 9, "inference"), chip) - cycles(work([lstm(12, 10)], 8, "inference"), chip)
    assert slope == forward + convert + cell
    # In training 6 x 10 bytes are kept: 8 words. A loss of 10 ns; back: d of two sources added, 5 x 10 derivatives,
    # 11 x 10 multiply-adds, and the 8 words read again; the largest of 4 x 10 d, one compare and a tree over 40 lanes;
    # and an update of two phases of 80 ns.
    cell = max(work_cycles, 8 // 2)
    back = 10 + max(1 + 1 + 2, 8 // 2) + (1 + 6) + back + convert + 2 * 80
    slope = cycles(work([lstm(12, 10)], 9), chip) - cycles(work([lstm(12, 10)], 8), chip)
    assert slope == forward + convert + cell + back


def test_the_peak_of_an_example_is_that_of_its_steps() -> None:
    chip = chip_of(REFERENCE)
    one, many = peak(chip), peak(chip, steps=80)
    assert many.time_per_example_s == pytest.approx(80 * 240e-9)  # design, section 9: 240 ns
    assert many.ops_per_example == 80 * one.ops_per_example
    assert many.efficiency_op_per_j == pytest.approx(one.efficiency_op_per_j)


# ---- dependencies


def starts_and_ends(own: Schedule, watcher: Watcher, n: int) -> list[tuple[Op, int, int]]:
    return [(op, watcher.starts[op.index, n], watcher.ends[op.index, n]) for op in own.ops
            if op.stages and op.maintenance is None]  # fmt: skip


@pytest.mark.parametrize("base", [REFERENCE, PACKET, BUS])
@pytest.mark.parametrize("layer", [lstm(12, 10), gru(12, 10), rnn(12, 10)], ids=["lstm", "gru", "rnn"])
def test_nothing_begins_before_what_it_depends_on_through_time(base: str, layer: dict[str, Any]) -> None:
    """A shard needs the units of the step before that drive its rows; a cell, what is read back into its units."""
    own, watcher = watched(work([layer, dense(10, 4)], 3), chip_of(base, SMALL), 2)
    gates = own.mapping.workload.layers[0].gates
    shards = {shard.tile: shard for shard in own.mapping.shards if shard.layer == 0}
    fed = {tile: set(range(max(12, shard.input_start) - 12, shard.input_stop - 12)) for tile, shard in shards.items()}
    made = {tile: set(range(shard.col_start // gates, shard.col_stop // gates)) for tile, shard in shards.items()}
    assert 0 < sum(map(bool, fed.values())) < len(fed)
    for n in range(2):
        ops = [entry for entry in starts_and_ends(own, watcher, n) if entry[0].tile in shards]
        checked = set()
        for op, start, _ in ops:
            for before, _, end in ops:
                causes = {
                    "forward": before.kind == "activate" and before.step == op.step - 1
                    and made[before.tile] & fed[op.tile],
                    "derivative": before.kind == "backward" and before.step == op.step + 1
                    and fed[before.tile] & made[op.tile],
                    "update": before.kind == "derivative" and made[before.tile] & made[op.tile],
                }  # fmt: skip
                if causes.get(op.kind):
                    assert start >= end
                    checked.add(op.kind)
        assert checked == {"forward", "derivative", "update"}
        # Rows of the input alone need not wait for the step before.
        early = min(start for op, start, _ in ops if op.kind == "forward" and op.step == 1)
        assert early < max(end for op, _, end in ops if op.kind == "activate" and op.step == 0)


def test_steps_of_layers_without_recurrence_overlap() -> None:
    own, watcher = watched(work([dense(12, 10), dense(10, 4)], 3, "inference"), chip_of(PACKET, SMALL), 1)
    ops = [entry for entry in starts_and_ends(own, watcher, 0) if entry[0].kind == "forward"]
    second = min(start for op, start, _ in ops if (op.layer, op.step) == (0, 1))
    assert second < max(end for op, _, end in ops if (op.layer, op.step) == (1, 0))


def test_attention_waits_for_the_whole_sequence_and_a_plain_digital_layer_does_not() -> None:
    for over, waits in (("step", False), ("sequence", True)):
        layers = [dense(6, 20), digital(20, 7, 1000, over=over), dense(7, 4)]
        own, watcher = watched(work(layers, 4, "inference"), chip_of(REFERENCE, SMALL), 1)
        ops = starts_and_ends(own, watcher, 0)
        first = min(start for op, start, _ in ops if op.kind == "digital")
        assert (first >= max(end for op, _, end in ops if op.kind == "forward" and op.layer == 0)) == waits


# ---- counts


def test_the_shapes_are_those_of_the_papers() -> None:
    """Parameters as PyTorch counts them, but for the LSTM's second, redundant, row of biases."""
    layer = work([lstm(30, 20)], 1).layers[0]
    assert (layer.rows, layer.columns, layer.synapses) == (51, 80, 4 * 20 * (30 + 20 + 1))
    layer = work([gru(30, 20)], 1).layers[0]
    assert (layer.rows, layer.columns, layer.synapses) == (52, 60, 3 * (20 * 30 + 20 * 20 + 2 * 20))
    assert work([rnn(30, 20)], 1).layers[0].synapses == 20 * (30 + 20 + 1)
    assert work([lstm(30, 20, bias="false")], 1).layers[0].synapses == 4 * 20 * 50


@given(st.sampled_from(["lstm", "gru", "rnn"]), st.integers(1, 40), st.integers(1, 30), st.booleans())
def test_cuts_keep_a_units_gates_together_and_the_candidates_sums_apart(
    kind: str, inputs: int, outputs: int, bias: bool
) -> None:
    layer = {"kind": kind, "name": "l", "inputs": inputs, "outputs": outputs, "bias": bias}
    mapping = map_workload(work([layer], 2), MANY)
    gates = mapping.workload.layers[0].gates
    seen = [(row, col) for shard in mapping.shards for row in range(shard.row_start, shard.row_stop)
            for col in range(shard.col_start, shard.col_stop)]  # fmt: skip
    assert len(seen) == len(set(seen)) == mapping.workload.synapses
    column = [shard for shard in mapping.shards if shard.col == 0]
    assert [i for s in column for i in range(s.input_start, s.input_stop)] == list(range(inputs + outputs))
    for shard in mapping.shards:
        assert shard.col_start % gates == shard.col_stop % gates == 0
        assert shard.rows <= 9
        assert shard.cols <= 16
        assert kind != "gru" or shard.input_stop <= inputs or shard.input_start >= inputs


@pytest.mark.parametrize("mode", ["training", "inference"])
def test_operations_are_those_of_plain_loops(mode: str) -> None:
    """A slower reference: two operations for each product that backpropagation through time makes."""
    steps, layers = 3, [gru(6, 5), lstm(5, 4), dense(4, 3, at="last_step")]
    workload = work(layers, steps, mode)
    ops = 0
    for index, layer in enumerate(workload.layers):
        for step in workload.layers[index].vectors(workload):
            for _ in range(layer.columns):
                ops += 2 * layer.rows
                if mode == "training":
                    ops += 2 * layer.rows  # update
                    ops += 2 * layer.inputs if index else 0  # d of the layer before
                    ops += 2 * layer.outputs if layer.recurrent and step else 0  # d of the step before
    assert workload.ops_executed_per_example == ops
    own = schedule(workload, chip_of(PACKET, SMALL), 5)
    assert executed_ops(simulate(own)) == 5 * ops
    convention = {"training": 6, "inference": 2}[mode]
    runs = steps * (workload.layers[0].synapses + workload.layers[1].synapses) + workload.layers[2].synapses
    assert workload.ops_per_example == convention * runs


def test_one_step_of_an_lstm_is_a_dense_layer_of_the_same_matrix_and_its_cells() -> None:
    """h(0) = 0 is driven as well; sums, conversions and cell reads are equal. Hochreiter 1997: 5 and 3 per unit."""
    chip = chip_of(PACKET, SMALL[:3])
    bills = []
    for layer in (lstm(12, 8), dense(20, 32)):
        own = schedule(work([layer], 1, "inference"), chip, 10)
        bill = account(simulate(own))
        found: dict[tuple[str, str], int] = {}
        for item in bill.items:
            key = item.component, item.action
            found[key] = found.get(key, 0) + item.count
        bills.append(found)
    for key in (("device", "read"), ("crossbar", "read_rows"), ("col_converter", "convert"), ("neuron", "add")):
        assert bills[0][key] == bills[1][key] > 0
    assert bills[0]["neuron", "activate"] == 10 * 5 * 8
    assert bills[0]["neuron", "multiply_add"] == 10 * 3 * 8
    assert bills[1]["neuron", "activate"] == 10 * 32


def test_there_is_an_update_for_each_step_and_its_dwell_time_is_counted() -> None:
    """A slower reference: all of a shard's rows are read when a transfer begins; each stage of an update is one."""
    sets = (*SMALL, "schedule.transfer.interval_vectors=12", "schedule.transfer.rows_in_parallel=9")
    own, watcher = watched(work([lstm(12, 5), dense(5, 4, at="last_step")], 3), chip_of(REFERENCE, sets), 12)
    total = cells = 0
    for shard, update in zip(own.mapping.shards, own.updates, strict=True):
        done = sorted(entry.ended for entry in watcher.records if entry.op == update)
        assert len(done) == 12 * (3 if shard.layer == 0 else 1)
        read = sorted(
            entry.granted for entry in watcher.records
            if own.ops[entry.op].kind == "transfer" and own.ops[entry.op].tile == shard.tile
        )  # fmt: skip
        assert len(read) == 3
        for end in done:
            total += (min(at for at in read if at >= end) - end) * shard.cells
            cells += shard.cells
    dwell = simulate(own).dwell
    assert (dwell.total_cycles, dwell.cells, dwell.open) == (total, cells, 0)


@pytest.mark.parametrize(("mode", "times"), [("inference", 1), ("training", 3)])
def test_digital_work_is_billed_to_neuron_units_evenly_and_is_no_operation_of_crossbars(mode: str, times: int) -> None:
    steps, ops = 4, 1001
    workload = work([dense(6, 40), digital(40, 7, ops), dense(7, 4)], steps, mode)
    own = schedule(workload, chip_of(REFERENCE, SMALL), 10)
    trace = simulate(own)
    assert digital_ops(trace) == 10 * steps * times * ops == 10 * workload.digital_ops_per_example
    assert workload.ops_per_example == (6 if mode == "training" else 2) * steps * (7 * 40 + 8 * 4)
    items = [item for item in account(trace).items if item.action == "multiply_add"]
    assert {item.phase for item in items} == {"digital"}
    # Horowitz, ISSCC 2014: an 8-bit multiply of 0.2 pJ and a 32-bit add of 0.1 pJ.
    assert sum(item.energy_j for item in items) == pytest.approx(10 * steps * times * ops * 0.3e-12)
    shares = [sum(use.count for use in op.stages[0].uses if use.action == "multiply_add")
              for op in own.ops if op.kind == "digital" and op.stages and op.step == 0]  # fmt: skip
    assert max(shares[:3]) - min(shares[:3]) <= 1  # 40 columns are on three tiles
    assert sum(shares) == times * ops


# ---- memories, and what is refused


def test_a_memory_must_hold_all_steps_in_training() -> None:
    """lstm_imdb by hand, words of 64 bits: x and h of 256 bytes twice (a prefetched example), and d of 512 columns and
    six numbers of 128 units once, 80 times."""
    need = 80 * (2 * 256 // 8 + 512 // 8 + 6 * 128 // 8)
    workload = load_workload("lstm_imdb").value
    schedule(workload, chip_of(REFERENCE, (f"tile.memory.words={need}",)))
    with pytest.raises(InfeasibleError, match=rf"must hold {need:,} words .* \(1 short\).*fewer steps"):
        schedule(workload, chip_of(REFERENCE, (f"tile.memory.words={need - 1}",)))
    infers = load_workload("lstm_imdb", ("mode=inference",)).value
    # In inference, for each of the two examples, this vector and the next, and c of 128 units.
    schedule(infers, chip_of(REFERENCE, (f"tile.memory.words={2 * (2 * 256 // 8 + 128 // 8)}",)))


@pytest.mark.parametrize(
    ("layers", "what"),
    [
        ([{**lstm(3, 4), "kind": "lsmt"}], "did you mean 'lstm'"),
        ([lstm(3, 4, at="last_step")], "needs all steps"),
        ([dense(3, 4, at="last_step")], "works for nothing"),
        ([dense(3, 4), dense(4, 4, at="last_step")], "works for nothing"),
        ([lstm(3, 4), dense(4, 5, at="last_step"), gru(5, 2)], "'gru5' is recurrent and needs all steps"),
        ([digital(3, 4, 5), dense(4, 2)], "first and has no weights"),
        ([dense(3, 4), digital(4, 4, -1)], "out of range"),
        ([lstm(3, 4), dense(5, 2)], "make them equal"),
        ([dense(3, 4), digital(4, 4, 5, over="time")], "over"),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(layers: list[dict[str, Any]], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        work(layers, 3)


def test_zero_steps_are_refused() -> None:
    with pytest.raises(SpecError, match="steps: '0' is out of range"):
        load_workload("lstm_imdb", ("steps=0",))


def test_a_crossbar_narrower_than_a_unit_is_refused() -> None:
    with pytest.raises(InfeasibleError, match=r"the 4 columns of a unit must lie on one crossbar.*have 3"):
        map_workload(work([lstm(3, 4)], 2), chip_of(PACKET, ("tile.cols=3",)))


def test_samples_of_steps_in_flight_need_their_places_on_a_shared_converter() -> None:
    sets = (*SMALL, "schedule.mode=pipelined", "schedule.in_flight=2", "tile.row_converter=shared")
    with pytest.raises(SpecError, match=r"2 examples of 3 steps.*give a sample_hold of 6"):
        schedule(work([dense(6, 5), dense(5, 4)], 3), chip_of(REFERENCE, (*sets, "tile.col_converter.sample_hold=5")))


@pytest.mark.parametrize(
    ("name", "what"),
    [("lstm_imdb", "data set 'imdb': .*no such file"), ("transformer_base", "mode=training")],
)
def test_what_has_no_numbers_is_neither_trained_nor_cross_checked(name: str, what: str) -> None:
    for refuse in (lambda *names: training.prepare(training.Inputs(*names)), plan_of):
        with pytest.raises(SpecError, match=what):
            refuse(REFERENCE, name)


def test_steps_and_mode_are_settings_of_the_workload() -> None:
    sets = ["steps=3", "tile.rows=4", "mode=inference", "program=true", "inference.batch=2"]
    assert split_overrides(sets) == (["tile.rows=4"], [sets[0], *sets[2:]])
    assert load_arch(REFERENCE).value.tile.neuron.multiply_add_energy_j == pytest.approx(0.3e-12)
