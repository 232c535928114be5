"""The forward pass of an example: the host's loads, and step after step and layer after layer.

A layer without recurrence runs at each step as its inputs come; a recurrent one also waits for its outputs of the
step before. Before the first step these are zero: they need not be sent, but their rows are read all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from archsim.chip.graph import Chip
from archsim.mapping.builder import Signal, StepBuilder, Target
from archsim.mapping.recipes import FORWARD, Side
from archsim.mapping.schedule import Need, Stage, Use
from archsim.mapping.shards import Shard
from archsim.mapping.unweighted import digital_layer, gather
from archsim.mapping.vectors import Forward, inputs_of_layer
from archsim.workload.network import Workload


def forward_pass(builder: StepBuilder, target_bits: int, room: int | None = None) -> Forward:
    """Add the loads of an example and the forward ops of all layers; return where everything is.

    Each step at which the last layer runs has a target of so many bits. With `room` nothing goes backward, and a layer
    runs at a step only when the next one has read its vector of `room` steps before: memories need no more places.
    """
    workload = builder.mapping.workload
    found = Forward(backward=room is None)
    read: dict[tuple[int, int], int] = {}
    labelled = workload.layers[-1].vectors(workload)
    for stretch in workload.stretches:
        gate = gather(builder, stretch[0], found) if workload.layers[stretch[0]].gathers else []
        behind = _weighted_behind(workload, stretch)
        for step in range(workload.steps):
            builder.step = step
            if stretch[0] == 0:
                load_step(builder, target_bits if step in labelled else 0, found, read.get((0, step - (room or 0))))
            for index in stretch:
                if step not in workload.layers[index].vectors(workload):
                    continue
                after = behind[index]
                waits = [read[after, step - room]] if room is not None and (after, step - room) in read else []
                if not workload.layers[index].blocks:
                    digital_layer(builder, index, found, [*gate, *waits])
                    continue
                forward_layer(builder, index, found, waits)
                if room is not None and step + room < workload.steps:
                    own = [found.ops[shard.index, step] for row in builder.grids[index] for shard in row]
                    read[index, step] = builder.op("read", "forward", index, -1, (), own)
    if workload.stateful:
        for index in (index for index, layer in enumerate(workload.layers) if layer.recurrent):
            carry_over(builder, index, found)
    return found


def carry_over(builder: StepBuilder, index: int, found: Forward) -> None:
    """Send a recurrent layer's outputs of the last step to where the next example's first step takes them."""
    layer, last, grid = builder.mapping.workload.layers[index], builder.mapping.workload.steps - 1, builder.grids[index]
    builder.step = last
    sources = [moved(signal, layer.inputs) for signal in found.outputs[index, last]]
    targets: list[Target] = [(row[0].input_start, row[0].input_stop, tuple(s.tile for s in row)) for row in grid]
    arrived = builder.spread(sources, targets, "forward", index)
    for shard in (shard for row in grid for shard in row):
        builder.also_needs(found.ops[shard.index, 0], *(Need(op, add=0) for op in arrived[shard.tile]))


def _weighted_behind(workload: Workload, stretch: Sequence[int]) -> dict[int, int]:
    """Return for each layer of a stretch the next one in it that has weights; -1 where there is none."""
    found, behind = {}, -1
    for index in reversed(stretch):
        found[index] = behind
        behind = index if workload.layers[index].blocks else behind
    return found


def gate_first_layer(builder: StepBuilder, forward: Forward, gates: Sequence[Need]) -> None:
    """Let the first layer's forward ops, and others that wait for nothing, wait for what `gates` say."""
    begin = builder.op("begin", "forward", -1, -1, (), gates)  # one gate for all, or it is tiles x tiles
    found = frozenset(forward.unfed)
    for (shard, _), op in forward.ops.items():
        if builder.mapping.shards[shard].layer == 0 or op in found:
            builder.also_needs(op, Need(begin))


def load_step(builder: StepBuilder, target_bits: int, found: Forward, read: int | None) -> None:
    """Let the host send one vector of an example and a target, after the one before and, if given, an op `read`."""
    workload = builder.mapping.workload
    bits = workload.layers[0].inputs * workload.dataset.input_bits + target_bits
    before = [*found.loads[-1:], *([] if read is None else [read])]
    found.loads.append(builder.op("load", "load", 0, -1, [host_stage(builder.chip, bits)], before))


def host_stage(chip: Chip, bits: int) -> Stage:
    """Return the stage in which so many bits pass the host port."""
    port = chip.spec.host
    cycles = chip.spec.cycles(Fraction(bits) / port.rate_bit_per_s)
    latency = chip.spec.cycles(Fraction(bits) / port.rate_bit_per_s + port.latency_s)
    return Stage(latency, (chip.host,), ((cycles, chip.host),), (Use(chip.host, "load", bits),))


def forward_layer(builder: StepBuilder, index: int, found: Forward, waits: Sequence[int]) -> None:
    """Add the ops of a layer with weights at the builder's step, after `waits` too; its outputs go into `found`."""
    workload, transport, step, grid = builder.mapping.workload, builder.transport, builder.step, builder.grids[index]
    layer = workload.layers[index]
    output = layer.loss_activates and index == len(workload.layers) - 1
    load = found.loads[step]
    sources = inputs_of_layer(builder, index, found, workload.is_added(index))
    if layer.recurrent and step:
        sources = [*sources, *(moved(signal, layer.inputs) for signal in found.outputs[index, step - 1])]
    shards = [shard for row in grid for shard in row]
    held_output = transport.held and len(grid) == 1 and not output and layer.ramp_activates
    alone = not layer.recurrent and len(sources) == len(shards) == 1
    driven = None
    if transport.held and alone and sources[0].tile >= 0:
        stage = read_array(builder, shards[0], FORWARD, held_output, found.backward, by_ramp=True)
        driven = builder.drive(sources[0], stage, shards[0], FORWARD)
    arrived: dict[int, list[int]] = {}
    if driven is None:
        targets: list[Target] = [(row[0].input_start, row[0].input_stop, tuple(s.tile for s in row)) for row in grid]
        arrived = builder.spread(sources, targets, "forward", index)
    for shard in shards:
        needs = [*([sources[0].op] if driven else arrived[shard.tile] or [load]), *waits]
        stage = driven or read_array(builder, shard, FORWARD, held_output, found.backward)
        after = transport.after_read(builder.kits[shard.tile], FORWARD, shard.cols, signed=builder.signed(shard))
        found.ops[shard.index, step] = builder.op("forward", "forward", index, shard, (stage, *after), needs)
        if not driven and not arrived[shard.tile]:
            found.unfed.append(found.ops[shard.index, step])
    found.outputs[index, step] = [
        finish(builder, index, found, sum_up(builder, index, column, found), output)
        for column in zip(*grid, strict=True)
    ]


def moved(signal: Signal, by: int) -> Signal:
    """Return the signal as a piece of another vector, `by` places further on."""
    return replace(signal, start=signal.start + by, stop=signal.stop + by)


def sum_up(builder: StepBuilder, index: int, column: Sequence[Shard], found: Forward) -> list[Signal]:
    """Add up what the shards of a column have read, each row block apart; return a sum for each block."""
    held, step = builder.transport.held, builder.step
    blocks: dict[int, list[Signal]] = {}
    for shard in column:
        part = Signal(found.ops[shard.index, step], shard.tile, shard.col_start, shard.col_stop, FORWARD, held)
        blocks.setdefault(shard.block, []).append(part)
    return [builder.add_up(parts, "forward", index) for parts in blocks.values()]


def finish(builder: StepBuilder, index: int, found: Forward, sums: Sequence[Signal], output: bool) -> Signal:
    """Apply the activation, or a unit's cell, to sums of some columns; return the outputs, where the last sum is."""
    layer = builder.mapping.workload.layers[index]
    total = sums[-1]
    if output or (total.held and layer.ramp_activates):
        return total
    total = builder.transport.read_out(builder, total, "forward", index)
    units = total.values // layer.gates
    counts = {action: count * units for action, count in layer.forward_work.items()}
    needs = [total.op]
    for other in sums[:-1]:
        there = builder.transport.read_out(builder, other, "forward", index)
        needs.append(builder.send(there, [((total.tile,), there.values)], "forward", index)[total.tile])
        counts = {"add": (layer.gates - layer.apart) * units, **counts}
    kit = builder.kits[total.tile]
    stage = kit.work(counts, {"write": kit.kept(layer, units, backward=found.backward)})
    op = builder.op("activate", "forward", index, total.tile, [stage], needs)
    return Signal(op, total.tile, total.start // layer.gates, total.stop // layer.gates, FORWARD)


def read_array(
    builder: StepBuilder, shard: Shard, side: Side, activates: bool, keeps: bool = True, *, by_ramp: bool = False
) -> Stage:
    """The read of a shard, `by_ramp` or by its drivers.

    Where the ramp applies the activation, its bill and what is kept for backward are in it.
    """
    kit, layer = builder.kits[shard.tile], builder.mapping.workload.layers[shard.layer]
    kept = kit.kept(layer, shard.cols, backward=keeps) if activates else 0
    if side is FORWARD:
        signed = builder.signed(shard)
        stage = kit.integrate(side, shard.rows, shard.cols, shard.inputs, signed=signed, kept=kept, by_ramp=by_ramp)
        extra, work = [], layer.forward_work
    else:
        stage = kit.integrate(side, shard.inputs, shard.cols, shard.cols, by_ramp=by_ramp)
        extra, work = [kit.use("memory", "read", kept)], layer.backward_work
    if activates:
        extra += [kit.use("neuron", action, count * shard.cols) for action, count in work.items()]
        stage = replace(stage, uses=(*stage.uses, *(use for use in extra if use.count)))
    return stage
