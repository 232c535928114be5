"""The battery of all registered kinds of layers: shape, vectors, operations, mapping, and a run with its audits.

A kind is built from its `example`, so that one that is registered is here at once. Its neighbours are fully connected
layers, whose own figures are counted by hand elsewhere.
"""

from __future__ import annotations

from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.chip.graph import Chip
from archsim.functional.numbers import NUMBERS, layers_in_numbers
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.schedule import Schedule
from archsim.results.audits import audits_of, digital_ops, executed_ops
from archsim.results.bill import account
from archsim.simulation.run import simulate
from archsim.workload import Layer, Workload
from archsim.workload.layers import LAYERS
from tests.helpers import PACKET, REFERENCE, chip_of

INPUTS, OUTPUTS, STEPS = 6, 5, 3
EXAMPLES = 12
KINDS = sorted(LAYERS)
SMALL = ("tile.rows=7", "tile.cols=8", "tile.count=40", "tile.memory.words=4096",
         "schedule.transfer.interval_examples=4")  # fmt: skip
CHIPS = {base: chip_of(base, SMALL) for base in (REFERENCE, PACKET)}


def own_layer(kind: str, **keys: Any) -> Layer:
    """Return a layer of a kind, from its example."""
    layer = LAYERS[kind].model_validate(
        {"name": "own", "inputs": INPUTS, "outputs": OUTPUTS, **LAYERS[kind].example, **keys}
    )
    assert isinstance(layer, Layer)
    return layer


def network_of(kind: str, mode: str = "training", steps: int = STEPS, last: str = "") -> Workload:
    """Return a network with a layer of the kind between two others; `last` names which runs at the last step alone."""
    fc = {"activation": "relu"}
    layers = [
        {"name": "before", "inputs": 9, "outputs": INPUTS, **fc},
        {"kind": kind, **own_layer(kind).resolved()},
        {"name": "after", "inputs": OUTPUTS, "outputs": 4, **fc},
    ]
    return Workload.model_validate({
        "name": "test", "mode": mode, "steps": steps, "dataset": {"name": "none", "examples": EXAMPLES},
        "layers": [{**each, "at": "last_step"} if each["name"] == last else each for each in layers],
        "training": {"epochs": 1, "learning_rate": 1},
    })  # fmt: skip


def schedule_of(workload: Workload, chip: Chip = CHIPS[PACKET]) -> Schedule:
    return build_schedule(chip, map_workload(workload, chip), EXAMPLES)


@pytest.mark.parametrize("kind", KINDS)
def test_its_blocks_are_its_vector_from_end_to_end(kind: str) -> None:
    layer = own_layer(kind)
    at = 0
    for block in layer.blocks:
        assert (block.start, block.rows) == (at, block.inputs + block.bias)
        at += block.inputs
    assert at == (layer.vector if layer.blocks else 0)
    assert layer.vector == INPUTS + OUTPUTS * layer.recurrent
    biases = sum(block.bias for block in layer.blocks)
    assert layer.synapses == (layer.vector + biases) * layer.gates * OUTPUTS * bool(layer.blocks)


@pytest.mark.parametrize("kind", KINDS)
def test_it_does_nothing_by_halves(kind: str) -> None:
    """No work in backward without some in forward; what backward reads again was kept as numbers or bits, not both."""
    layer = own_layer(kind)
    assert all(
        count > 0 for work in (layer.forward_work, layer.backward_work, layer.loss_work) for count in work.values()
    )
    assert bool(layer.forward_work) == bool(layer.backward_work) == bool(layer.blocks)
    assert not (layer.kept_values and layer.kept_bits)
    assert bool(layer.blocks) != bool(layer.digital_ops)
    assert not layer.ramp_derives or layer.ramp_activates
    assert not layer.ramp_activates or (layer.function is not None and layer.function.monotone)
    assert layer.function is None or layer.signed_outputs == layer.function.signed


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_what_it_writes(kind: str) -> None:
    layer = own_layer(kind, at="last_step")
    assert (
        LAYERS[kind].model_validate({key: value for key, value in layer.resolved().items() if key != "kind"}) == layer
    )


@pytest.mark.parametrize("last", ["", "own", "after"])
@pytest.mark.parametrize("kind", KINDS)
def test_its_ops_stand_at_the_steps_of_its_vectors(kind: str, last: str) -> None:
    try:
        workload = network_of(kind, last=last)
    except ValueError:
        layer = own_layer(kind)
        assert (last == "own" and not layer.gathers) or (last == "after" and not layer.recurrent)
        return
    schedule = schedule_of(workload)
    for index, layer in enumerate(workload.layers):
        wanted = list(range(STEPS)) if last not in [each.name for each in workload.layers[: index + 1]] else [STEPS - 1]
        assert list(layer.vectors(workload)) == wanted
        own = {op.step for op in schedule.ops if op.layer == index and op.kind in ("forward", "digital")}
        assert sorted(own) == wanted


@pytest.mark.parametrize("kind", KINDS)
def test_its_cells_lie_on_crossbars_once_each(kind: str) -> None:
    workload = network_of(kind)
    shards = [shard for shard in map_workload(workload, CHIPS[PACKET]).shards if shard.layer == 1]
    layer = workload.layers[1]
    assert sum(shard.cells for shard in shards) == layer.synapses
    cells = {
        (shard.block, row, column)
        for shard in shards
        for row in range(shard.input_start, shard.input_stop)
        for column in range(shard.col_start, shard.col_stop)
    }
    assert len(cells) == (layer.vector * layer.columns if layer.blocks else 0)
    assert all(shard.rows <= 7 and shard.cols <= 8 and shard.cols % layer.gates == 0 for shard in shards)


@pytest.mark.parametrize("mode", ["training", "inference"])
@pytest.mark.parametrize("base", sorted(CHIPS))
@pytest.mark.parametrize("kind", KINDS)
def test_it_runs_and_all_audits_pass(kind: str, base: str, mode: str) -> None:
    steps = STEPS if base == PACKET else 1  # what is held as charge waits for nothing
    workload = network_of(kind, mode, steps)
    schedule = schedule_of(workload, CHIPS[base])
    trace = simulate(schedule)
    audits = audits_of(trace, simulate(schedule, unlimited=True).cycles, account(trace))
    assert [audit["name"] for audit in audits if not audit["passed"]] == []
    assert executed_ops(trace) == EXAMPLES * workload.ops_executed_per_example
    assert digital_ops(trace) == EXAMPLES * workload.digital_ops_per_example
    layer = workload.layers[1]
    per_vector = {"training": 6, "inference": 2}[mode]
    assert workload.ops_per_example == per_vector * steps * (10 * INPUTS + layer.synapses + (OUTPUTS + 1) * 4)


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_numbers_or_says_that_it_has_none(kind: str) -> None:
    workload = network_of(kind, steps=1)
    if kind in NUMBERS:
        assert layers_in_numbers(workload) == workload.layers
    else:
        what = rf"layers\[1\]: a layer of kind '{kind}' has time and energy, but no numbers"
        with pytest.raises(SpecError, match=what):
            layers_in_numbers(workload)
    if kind == "dense":
        assert workload.dense_layers() == workload.layers
    else:
        with pytest.raises(SpecError, match=rf"layers\[1\]: a layer of kind '{kind}' is not fully connected"):
            workload.dense_layers()
