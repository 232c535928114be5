"""The loss and the backward pass of an example: through the layers, and through time from the last step to the first.

Backpropagation through time: Werbos, Proc. IEEE 78, 1550 (1990). The whole sequence has gone forward before its first
loss; weights stay as they are until it has gone back.

Drivers scale d to its largest value, which must be known before they start. Where d is digital the neuron unit finds
it, each column of shards its own, so that nothing is exchanged: the scale travels in the head of what is sent. Where
held sums drive the next array directly, it is found by one ramp more over the samples.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from archsim.mapping.builder import Signal, StepBuilder, Target
from archsim.mapping.forward import moved, read_array
from archsim.mapping.recipes import BACKWARD, FORWARD
from archsim.mapping.schedule import Stage
from archsim.mapping.shards import Shard
from archsim.mapping.unweighted import arrivals, work_back
from archsim.mapping.vectors import Forward


@dataclass(frozen=True)
class Backward:
    """The ops of a backward pass.

    `ready` gives by (shard, step) the ops after which d is there and the array is free for the update; `parts` by
    (layer, step) what adds up to the derivative of the layer's outputs: from the layer behind, and from the next step.
    """

    ready: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    parts: dict[tuple[int, int], list[list[Signal]]] = field(default_factory=lambda: defaultdict(list))


def backward_pass(builder: StepBuilder, forward: Forward) -> Backward:
    """Add losses and backward ops of all steps; return where everything is."""
    workload = builder.mapping.workload
    found = Backward()
    for step, signals in losses(builder, forward).items():
        found.parts[len(workload.layers) - 1, step].append(signals)
    for stretch in reversed(workload.stretches):
        if workload.layers[stretch[0]].gathers:
            _backward_gathered(builder, stretch[0], found)
            continue
        for step in reversed(range(workload.steps)):
            builder.step = step
            for index in reversed(stretch):
                if step not in workload.layers[index].vectors(workload):
                    continue
                if workload.layers[index].blocks:
                    _backward_layer(builder, index, found)
                else:
                    _backward_digital(builder, index, found)
    return found


def losses(builder: StepBuilder, forward: Forward) -> dict[int, list[Signal]]:
    """Gather the outputs of each step and their target at one tile, compute the loss there, and hand d back."""
    workload, transport = builder.mapping.workload, builder.transport
    layer = len(workload.layers) - 1
    local: dict[int, list[Signal]] = {}
    waits: dict[int, list[int]] = {}
    for step in workload.layers[layer].vectors(workload):
        builder.step = step
        local[step] = [transport.read_out(builder, s, "loss", layer) for s in forward.outputs[layer, step]]
        home = local[step][-1]
        waits[step] = [home.op]
        for target in _targets(builder, forward):
            waits[step].append(builder.send(target, [((home.tile,), target.values)], "loss", layer)[home.tile])
        for signal in local[step][:-1]:
            there = builder.send(signal, [((home.tile,), signal.values)], "loss", layer)
            waits[step].append(there[home.tile])
    if len(local) > 1:
        turn = builder.op("turn", "loss", layer, -1, (), itertools.chain(*waits.values()))
        waits = {step: [*ops, turn] for step, ops in waits.items()}
    deltas = {}
    for step, signals in local.items():
        builder.step = step
        deltas[step] = _hand_back(builder, layer, signals, waits[step])
    return deltas


def _targets(builder: StepBuilder, forward: Forward) -> list[Signal]:
    """Return what the outputs of the builder's step are compared with: from the host, or read again where x is kept."""
    workload, step, layer = builder.mapping.workload, builder.step, len(builder.mapping.workload.layers) - 1
    if workload.dataset.target == "class":
        return [Signal(forward.loads[step], -1, 0, 1, FORWARD)]
    if workload.dataset.target == "values":
        bits = workload.dataset.target_bits
        return [Signal(forward.loads[step], -1, 0, workload.layers[layer].outputs, FORWARD, bits=bits)]
    found = []
    for shard in (row[0] for row in builder.grids[0] if row[0].inputs):
        stage = builder.kits[shard.tile].recall(shard.inputs)
        op = builder.op("recall", "loss", layer, shard.tile, [stage], [forward.ops[shard.index, step]])
        found.append(Signal(op, shard.tile, shard.input_start, shard.input_stop, FORWARD))
    return found


def _hand_back(builder: StepBuilder, layer: int, signals: Sequence[Signal], waits: Sequence[int]) -> list[Signal]:
    """Add the loss where the last of the signals is; return d at the places of all of them."""
    home = signals[-1]
    kit, last, target = builder.kits[home.tile], builder.mapping.workload.layers[layer], builder.target_words(home.tile)
    stage = kit.work({action: count * last.outputs for action, count in last.loss_work.items()}, {"read": target})
    if target:  # it was written as it arrived
        stage = replace(stage, uses=(*stage.uses, kit.use("memory", "write", target)))
    stages = [stage]
    if last.loss_activates:
        stages += _scaled(builder, layer, home.tile, last.outputs)
    op = builder.op("loss", "loss", layer, home.tile, stages, waits)
    deltas = []
    for signal in signals[:-1]:
        piece = Signal(op, home.tile, signal.start, signal.stop, FORWARD)
        there = builder.send(piece, [((signal.tile,), signal.values)], "loss", layer)
        deltas.append(replace(piece, op=there[signal.tile], tile=signal.tile))
    return [*deltas, Signal(op, home.tile, home.start, home.stop, FORWARD)]


def _scaled(builder: StepBuilder, index: int, tile: int, values: int) -> list[Stage]:
    """Return the search for the largest of so many digital d at a tile, if it is asked for.

    That is where they drive any array of a layer, and where updates are scaled by it.
    """
    shards = [shard for row in builder.grids[index] for shard in row]
    asked = any(builder.mapping.backward_inputs(shard, builder.step)
                or builder.kits[shard.tile].tile.spec.updated_array.update_shift for shard in shards)  # fmt: skip
    return [builder.kits[tile].maximum(values)] if asked else []


def _backward_layer(builder: StepBuilder, index: int, found: Backward) -> None:
    """Add the backward ops of a layer with weights at the builder's step."""
    workload, step, grid = builder.mapping.workload, builder.step, builder.grids[index]
    layer = workload.layers[index]
    sums = found.parts.pop((index, step))
    deltas = sums[0]
    if index < len(workload.layers) - 1 or not layer.loss_activates:
        deltas = _through_activation(builder, index, sums, found)
    if (grid[0][0].index, step) not in found.ready:
        _read_back(builder, index, deltas, found)
    from_inputs, from_before = [], []
    for row in grid:
        asked = builder.mapping.backward_inputs(row[0], step)
        if not asked:
            continue
        reads, held = [(found.ready[s.index, step][0], s.tile) for s in row], builder.transport.held
        parts = [Signal(op, tile, asked.start, asked.stop, BACKWARD, held) for op, tile in reads]
        total = builder.add_up(parts, "backward", index)
        if total.start < layer.inputs < total.stop:  # it goes two ways: a sample can be sent only once
            total = builder.transport.read_out(builder, total, "backward", index)
        if total.start < layer.inputs:
            from_inputs.append(replace(total, stop=min(total.stop, layer.inputs)))
        if total.stop > layer.inputs:
            from_before.append(moved(replace(total, start=max(total.start, layer.inputs)), -layer.inputs))
    if from_inputs:
        found.parts[index - 1, step].append(from_inputs)
    if from_before:
        found.parts[index, step - 1].append(from_before)


def _read_back(builder: StepBuilder, index: int, deltas: Sequence[Signal], found: Backward) -> None:
    """Send d from the holders of a layer's columns to its shards, and read those whose inputs have a derivative."""
    step, grid, transport = builder.step, builder.grids[index], builder.transport
    arrived: dict[int, list[int]] = {}
    for block in dict.fromkeys(row[0].block for row in grid):  # where a unit's sums are kept apart, so is their d
        rows = [row for row in grid if row[0].block == block]
        for delta, column in zip(deltas, zip(*rows, strict=True), strict=True):
            target: Target = (column[0].col_start, column[0].col_stop, tuple(s.tile for s in column))
            arrived.update(builder.spread([delta], [target], "backward", index))
    for shard in (shard for row in grid for shard in row):
        found.ready[shard.index, step] = arrived[shard.tile]
        if asked := builder.mapping.backward_inputs(shard, step):
            stage = read_array(builder, shard, BACKWARD, activates=False)
            after = transport.after_read(builder.kits[shard.tile], BACKWARD, len(asked), signed=True)
            op = builder.op("backward", "backward", index, shard, (stage, *after), arrived[shard.tile])
            found.ready[shard.index, step] = [op]


def _through_activation(
    builder: StepBuilder, index: int, parts: Sequence[Sequence[Signal]], found: Backward
) -> list[Signal]:
    """Bring the back-propagated sums to the layer's holders, and go through the activation or the cell there.

    Return d of the columns at the holders; nothing where the sums drive the array directly, which is `ready` then.
    """
    layer, holders = builder.mapping.workload.layers[index], builder.grids[index][-1]
    alone = len(parts) == len(parts[0]) == 1
    if layer.ramp_derives and index > 0 and alone and _drive(builder, index, parts[0][0], found):
        return []
    targets: list[Target] = [(s.col_start // layer.gates, s.col_stop // layer.gates, (s.tile,)) for s in holders]
    arrived = builder.spread(list(itertools.chain(*parts)), targets, "backward", index)
    deltas = []
    for shard in holders:
        kit, units = builder.kits[shard.tile], shard.cols // layer.gates
        counts = {"add": units * (len(parts) - 1)} if len(parts) > 1 else {}
        counts |= {action: count * units for action, count in layer.backward_work.items()}
        stages = (kit.work(counts, {"read": kit.kept(layer, units)}), *_scaled(builder, index, shard.tile, shard.cols))
        op = builder.op("derivative", "backward", index, shard.tile, stages, arrived[shard.tile])
        deltas.append(Signal(op, shard.tile, shard.col_start, shard.col_stop, FORWARD))
    return deltas


def _drive(builder: StepBuilder, index: int, sums: Signal, found: Backward) -> bool:
    """Let held sums drive the only shard of a layer, the ramp applying the derivative; return whether they do."""
    grid = builder.grids[index]
    if not (builder.transport.held and len(grid) == len(grid[0]) == 1):
        return False
    shard: Shard = grid[0][0]
    stage = read_array(builder, shard, BACKWARD, activates=True, by_ramp=True)
    driven = builder.drive(sums, stage, shard, BACKWARD)
    if driven is None:
        return False
    after = builder.transport.after_read(builder.kits[shard.tile], BACKWARD, shard.inputs, signed=True)
    source = builder.kits[sums.tile]
    search = source.scan(sums.side, sums.values) if sums.held else source.maximum(sums.values)
    largest = builder.op("maximum", "backward", index, sums.tile, [search], [sums.op])
    op = builder.op("backward", "backward", index, shard, (driven, *after), [largest])
    found.ready[shard.index, builder.step] = [op]
    return True


def _hand_on(
    builder: StepBuilder, index: int, found: Backward, steps: Sequence[int], deltas: Sequence[Sequence[Signal]],
    added: Sequence[Signal],
) -> None:  # fmt: skip
    """Note d of a digital layer's inputs as that of the layer before at `steps`; of what it added, at the own step."""
    workload = builder.mapping.workload
    for step in steps:
        found.parts[index - 1, step] += [list(part) for part in deltas]
    numbers = {layer.name: number for number, layer in enumerate(workload.layers)}
    for name in workload.layers[index].skips:
        if numbers[name]:
            found.parts[numbers[name] - 1, builder.step].append(list(added))


def _backward_digital(builder: StepBuilder, index: int, found: Backward) -> None:
    """Let a digital layer work back at the builder's step."""
    sums = found.parts.pop((index, builder.step))
    deltas, added = work_back(builder, index, arrivals(builder, index, sums), [], len(sums))
    _hand_on(builder, index, found, [builder.step], deltas, added)


def _backward_gathered(builder: StepBuilder, index: int, found: Backward) -> None:
    """Let a digital layer that needs all steps work back when the sums of all of them have come.

    As each step's work changes d of the inputs of all steps, these go on when all have worked.
    """
    workload = builder.mapping.workload
    own = [*reversed(workload.layers[index].vectors(workload))]
    sums = {step: found.parts.pop((index, step)) for step in own}
    arrived = {}
    for step in own:
        builder.step = step
        arrived[step] = arrivals(builder, index, sums[step])
    ops = [op for tiles in arrived.values() for each in tiles.values() for op in each]
    gate, done = builder.op("gather", "digital", index, -1, (), ops), []
    for step in own:
        builder.step = step
        done.append(work_back(builder, index, arrived[step], [gate], len(sums[step])))
        _hand_on(builder, index, found, [], [], done[-1][1])
    deltas = done[-1][0]
    if len(own) > 1:
        last: dict[int, list[int]] = {}
        for signal in (signal for each, _ in done for part in each for signal in part):
            last.setdefault(signal.tile, []).append(signal.op)
        ends = {tile: builder.op("gather", "digital", index, -1, (), every) for tile, every in last.items()}
        deltas = [[replace(signal, op=ends[signal.tile]) for signal in part] for part in deltas]
    _hand_on(builder, index, found, workload.layers[index - 1].vectors(workload), deltas, [])
