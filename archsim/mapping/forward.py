"""The forward pass of an example: the host's load, and layer after layer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

from archsim.chip.graph import Chip
from archsim.mapping.builder import StepBuilder
from archsim.mapping.recipes import FORWARD, Side
from archsim.mapping.schedule import Need, Stage, Use
from archsim.mapping.shards import Shard
from archsim.mapping.transport import Signal


def forward_pass(builder: StepBuilder, target_bits: int) -> tuple[int, dict[int, int], list[Signal]]:
    """Add the load of an example and the forward ops of all layers.

    Return the load, each shard's forward op, and the outputs of the last layer, where they are.
    """
    mapping = builder.mapping
    load = load_example(builder, target_bits)
    forward: dict[int, int] = {}
    signals = [Signal(load, -1, 0, mapping.workload.layers[0].inputs, FORWARD)]
    for index in range(len(mapping.workload.layers)):
        signals = forward_layer(builder, index, mapping.of_layer(index), signals, forward, load)
    return load, forward, signals


def gate_first_layer(builder: StepBuilder, forward: dict[int, int], gates: Sequence[Need]) -> None:
    """Let the first layer's forward ops wait for what `gates` say."""
    begin = builder.op("begin", "forward", -1, -1, "", (), gates)  # one gate for all, or it is tiles x tiles
    for shard in builder.mapping.shards:
        if shard.layer == 0:
            builder.also_needs(forward[shard.index], [Need(begin)])


def load_example(builder: StepBuilder, target_bits: int) -> int:
    """Let the host send one example, and its target in so many bits."""
    workload = builder.mapping.workload
    bits = workload.layers[0].inputs * workload.dataset.input_bits + target_bits
    return builder.op("load", "load", 0, -1, "", (host_stage(builder.chip, bits),), [])


def host_stage(chip: Chip, bits: int) -> Stage:
    """Return the stage in which so many bits pass the host port."""
    port = chip.spec.host
    cycles = chip.spec.cycles(Fraction(bits) / port.rate_bit_per_s)
    latency = chip.spec.cycles(Fraction(bits) / port.rate_bit_per_s + port.latency_s)
    return Stage(latency, (chip.host,), ((cycles, chip.host),), (Use(chip.host, "load", bits),))


def forward_layer(
    builder: StepBuilder,
    layer: int,
    grid: list[list[Shard]],
    sources: Sequence[Signal],
    forward: dict[int, int],
    load: int,
) -> list[Signal]:
    """Add the forward ops of a layer; return its outputs, one signal per column of shards."""
    workload, transport = builder.mapping.workload, builder.transport
    output = layer == len(workload.layers) - 1
    shards = [shard for row in grid for shard in row]
    held_output = transport.held and len(grid) == 1 and not output
    direct = transport.held and len(sources) == 1 and len(shards) == 1 and sources[0].tile >= 0
    stages = {shard.index: read_array(builder, shard, FORWARD, held_output) for shard in shards}
    driven = builder.drive(sources[0], stages[shards[0].index], shards[0], FORWARD) if direct else None
    arrived: dict[int, list[int]] = {}
    if driven is None:
        targets = [(row[0].row_start, row[0].row_start + row[0].inputs, tuple(s.tile for s in row)) for row in grid]
        arrived = builder.spread(sources, targets, "forward", layer)
    for shard in shards:
        waits = [sources[0].op] if driven else arrived[shard.tile] or [load]
        after = transport.after_read(builder.kits[shard.tile], FORWARD, shard.cols)
        stage = driven or stages[shard.index]
        needs = [Need(op) for op in waits]
        forward[shard.index] = builder.op("forward", "forward", layer, shard.tile, shard.name, (stage, *after), needs)
    outputs = []
    for column in zip(*grid, strict=True):
        parts = [Signal(forward[s.index], s.tile, s.col_start, s.col_stop, FORWARD, transport.held) for s in column]
        total = builder.add_up(parts, "forward", layer)
        if not output and not total.held:
            stage = builder.kits[total.tile].digital("activate", total.values, "write", 1)
            op = builder.op("activate", "forward", layer, total.tile, "", (stage,), [Need(total.op)])
            total = replace(total, op=op)
        outputs.append(total)
    return outputs


def read_array(builder: StepBuilder, shard: Shard, side: Side, activates: bool) -> Stage:
    """The read of a shard; where the ramp applies the activation, its bill and the derivative bits are in it."""
    kit = builder.kits[shard.tile]
    if side is FORWARD:
        stage = kit.integrate(side, shard.rows, shard.cols, shard.inputs)
    else:
        stage = kit.integrate(side, shard.inputs, shard.cols, shard.cols)
    if activates:
        bits = kit.words(shard.cols, 1)
        extra = (
            (kit.use("neuron", "activate", shard.cols), kit.use("memory", "write", bits))
            if side is FORWARD
            else (kit.use("neuron", "derive", shard.cols), kit.use("memory", "read", bits))
        )
        stage = replace(stage, uses=(*stage.uses, *extra))
    return stage
