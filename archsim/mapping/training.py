"""One step of training by backpropagation as a schedule: forward, loss, backward, update, and maintenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, log2

from archsim.chip.graph import Chip
from archsim.errors import InfeasibleError, Problem, SpecError
from archsim.mapping.deadlock import check_deadlock
from archsim.mapping.packets import Buffers
from archsim.mapping.recipes import BACKWARD, FORWARD, Side, TileKit
from archsim.mapping.schedule import Flow, Maintenance, Message, Need, Op, Schedule, Stage, Use
from archsim.mapping.shards import Mapping, Shard
from archsim.mapping.transport import Groups, Signal, Transport
from archsim.spec import REDUCTIONS, REFRESH_POLICIES, TRANSFER_POLICIES, TRANSPORTS

Target = tuple[int, int, tuple[int, ...]]


class StepBuilder:
    """Collects the ops of one example; the only mutable thing on the way to a Schedule."""

    def __init__(self, chip: Chip, mapping: Mapping, examples: int) -> None:
        self.chip = chip
        self.mapping = mapping
        self.examples = examples
        self.ops: list[Op] = []
        self.messages: list[Message] = []
        self.flows: list[Flow] = []
        self.kits = {shard.tile: TileKit(chip, chip.tiles[shard.tile]) for shard in mapping.shards}
        self.buffers = Buffers(chip)
        self.transport: Transport = TRANSPORTS.lookup(chip.spec.routing.transport, "routing.transport")
        self.transport.check(chip)
        self.reduce = REDUCTIONS.lookup(chip.spec.routing.reduction, "routing.reduction")

    def op(
        self,
        kind: str,
        phase: str,
        layer: int,
        tile: int,
        label: str,
        stages: tuple[Stage, ...],
        needs: Sequence[Need],
        *,
        variants: tuple[tuple[Stage, ...], ...] = (),
        maintenance: Maintenance | None = None,
        instances: int | None = None,
    ) -> int:
        """Add an op and return its index."""
        index = len(self.ops)
        unique = tuple(dict.fromkeys(needs))
        op = Op(index, kind, phase, layer, tile, label, variants or (stages,), unique, maintenance, instances)
        self.ops.append(op)
        return index

    def also_needs(self, op: int, needs: Sequence[Need]) -> None:
        """Let an op wait for more."""
        self.ops[op] = replace(self.ops[op], needs=tuple(dict.fromkeys((*self.ops[op].needs, *needs))))

    def value_bits(self, signal: Signal) -> int:
        """Bits of one number of a signal."""
        if signal.tile < 0:
            return self.mapping.workload.dataset.input_bits
        return self.kits[signal.tile].bits(signal.side)

    def send(self, signal: Signal, groups: Groups, phase: str, layer: int) -> dict[int, int]:
        """Let the transport send pieces of `values` numbers to groups of tiles, and note what flows to others."""
        for tiles, values in groups:
            self.flows += [Flow(phase, signal.tile, tile, values) for tile in tiles if tile != signal.tile]
        return self.transport.send(self, signal, groups, phase, layer)

    def drive(self, signal: Signal, stage: Stage, shard: Shard, side: Side) -> Stage | None:
        """Let the transport drive a read of `shard` directly, if it can, and note what flows to it."""
        driven = self.transport.drive(self, signal, stage, shard, side)
        if driven is not None:
            self.flows.append(Flow(side.phase, signal.tile, shard.tile, signal.values))
        return driven

    def spread(
        self, sources: Sequence[Signal], targets: Sequence[Target], phase: str, layer: int
    ) -> dict[int, list[int]]:
        """Send to each target (start, stop, tiles) what it needs of the sources; return by tile what to wait for."""
        arrived: dict[int, list[int]] = {tile: [] for _, _, tiles in targets for tile in tiles}
        for source in sources:
            groups = []
            for start, stop, tiles in targets:
                values = min(stop, source.stop) - max(start, source.start)
                if values > 0:
                    groups.append((tiles, values))
            if groups:
                for tile, op in self.send(source, groups, phase, layer).items():
                    arrived[tile].append(op)
        return arrived

    def add_up(self, parts: Sequence[Signal], phase: str, layer: int) -> Signal:
        """Return the sum of partial results, at the last part's tile."""
        sums = list(parts)
        for a, b in self.reduce(len(parts)):
            own = self.transport.read_out(self, sums[b], phase, layer)
            there = self.send(sums[a], [((own.tile,), own.values)], phase, layer)[own.tile]
            stage = self.kits[own.tile].digital("add", own.values)
            needs = [Need(there), Need(own.op)]
            op = self.op("add", phase, layer, own.tile, "", (stage,), needs)
            sums[b] = Signal(op, own.tile, own.start, own.stop, own.side)
        return sums[-1]


def build_schedule(chip: Chip, mapping: Mapping, examples: int, *, maintenance: bool = True) -> Schedule:
    """Return the schedule of `examples` training examples; without transfers and refresh if so asked.

    Raises SpecError if transport and parts do not go together or packets could block each other for ever,
    InfeasibleError if a memory is too small.
    """
    builder = StepBuilder(chip, mapping, examples)
    workload, spec = mapping.workload, chip.spec
    batch, k, prefetch = workload.training.batch, spec.schedule.examples_in_flight, spec.schedule.prefetch
    _check_memory(builder, batch, k, prefetch)
    load, forward, ready = _passes(builder)
    gradients = -1
    if batch > 1:
        needs = [Need(op) for shard in mapping.shards for op in ready[shard.index]]
        gradients = builder.op("gradients", "update", -1, -1, "", (), needs)
    updates = _updates(builder, forward, ready, gradients, batch)
    end = builder.op("end", "update", -1, -1, "", (), [Need(op) for op in updates])
    if batch == 1:
        builder.also_needs(load, [Need(end, add=1 - k - prefetch)])
        gates = [Need(end, add=1 - k)]
    else:
        builder.also_needs(load, [Need(end, off=-prefetch, den=batch, scale=batch, add=0)])
        gates = [Need(gradients, add=1 - k), Need(end, den=batch, scale=batch, add=0)]
    if maintenance:
        transfer = TRANSFER_POLICIES.lookup(spec.schedule.transfer.policy, "schedule.transfer.policy")
        gates += transfer(builder, updates, end)
        REFRESH_POLICIES.lookup(spec.schedule.refresh.policy, "schedule.refresh.policy")(builder, updates)
    begin = builder.op("begin", "forward", -1, -1, "", (), gates)  # one gate for all, or it is tiles x tiles
    for shard in mapping.shards:
        if shard.layer == 0:
            builder.also_needs(forward[shard.index], [Need(begin)])
    check_deadlock(builder.buffers)
    if buffers := builder.buffers.built():
        chip = replace(chip, units=(*chip.units, *buffers))
    return Schedule(chip, mapping, tuple(builder.ops), end, examples, batch, k, tuple(updates), tuple(builder.messages))


def step_flows(chip: Chip, mapping: Mapping) -> tuple[Flow, ...]:
    """Return what one training example sends between tiles, in order; raise SpecError as `build_schedule` does."""
    builder = StepBuilder(chip, mapping, 1)
    _passes(builder)
    return tuple(builder.flows)


def _passes(builder: StepBuilder) -> tuple[int, dict[int, int], dict[int, list[int]]]:
    """Add the load, forward, loss and backward ops of an example.

    Return the load; and by shard its forward op, and the ops after which it can be updated.
    """
    mapping = builder.mapping
    layers = [mapping.of_layer(i) for i in range(len(mapping.workload.layers))]
    load = _load(builder)
    forward: dict[int, int] = {}
    signals = [Signal(load, -1, 0, mapping.workload.layers[0].inputs, FORWARD)]
    for index, grid in enumerate(layers):
        signals = _forward(builder, index, grid, signals, forward, load)
    deltas = _loss(builder, signals, load)
    ready: dict[int, list[int]] = {}
    for index in reversed(range(len(layers))):
        deltas = _backward(builder, index, layers, deltas, ready)
    return load, forward, ready


def _load(builder: StepBuilder) -> int:
    """The host sends one example and its target."""
    workload, chip = builder.mapping.workload, builder.chip
    bits = workload.layers[0].inputs * workload.dataset.input_bits + target_bits(builder)
    port = chip.spec.host
    cycles = chip.spec.cycles(Fraction(bits) / port.rate_bit_per_s)
    latency = chip.spec.cycles(Fraction(bits) / port.rate_bit_per_s + port.latency_s)
    stage = Stage(latency, (chip.host,), ((cycles, chip.host),), (Use(chip.host, "load", bits),))
    return builder.op("load", "load", 0, -1, "", (stage,), [])


def target_bits(builder: StepBuilder) -> int:
    """Return the bits of a class label, in whole bytes."""
    classes = builder.mapping.workload.layers[-1].outputs
    return 8 * ceil(max(1, ceil(log2(max(2, classes)))) / 8)


def _forward(
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
    stages = {shard.index: _read(builder, shard, FORWARD, held_output) for shard in shards}
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


def _read(builder: StepBuilder, shard: Shard, side: Side, activates: bool) -> Stage:
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


def _loss(builder: StepBuilder, outputs: Sequence[Signal], load: int) -> list[Signal]:
    """Gather the outputs at one tile, compute softmax and cross-entropy there, and hand d back."""
    layer = len(builder.mapping.workload.layers) - 1
    local = [builder.transport.read_out(builder, signal, "loss", layer) for signal in outputs]
    home = local[-1]
    label = Signal(load, -1, 0, 1, FORWARD)
    waits = [home.op, builder.send(label, [((home.tile,), 1)], "loss", layer)[home.tile]]
    for signal in local[:-1]:
        there = builder.send(signal, [((home.tile,), signal.values)], "loss", layer)
        waits.append(there[home.tile])
    values = builder.mapping.workload.layers[layer].outputs
    stage = builder.kits[home.tile].digital("loss", values)
    op = builder.op("loss", "loss", layer, home.tile, "", (stage,), [Need(index) for index in waits])
    deltas = []
    for signal in local[:-1]:
        piece = Signal(op, home.tile, signal.start, signal.stop, FORWARD)
        there = builder.send(piece, [((signal.tile,), signal.values)], "loss", layer)
        deltas.append(replace(piece, op=there[signal.tile], tile=signal.tile))
    return [*deltas, Signal(op, home.tile, home.start, home.stop, FORWARD)]


def _backward(
    builder: StepBuilder,
    layer: int,
    layers: list[list[list[Shard]]],
    deltas: Sequence[Signal],
    ready: dict[int, list[int]],
) -> list[Signal]:
    """Add the backward ops of a layer, given d at the holders of its columns; return d of the layer before.

    `ready` receives, for each shard, the ops after which d is there and the array is free for the update.
    An entry that is there already comes from a backward op which the layer behind drove directly.
    """
    grid = layers[layer]
    shards = [shard for row in grid for shard in row]
    transport = builder.transport
    if shards[0].index not in ready:
        columns = list(zip(*grid, strict=True))
        targets = [(c[0].col_start, c[0].col_stop, tuple(s.tile for s in c)) for c in columns]
        arrived: dict[int, list[int]] = {}
        for delta, target in zip(deltas, targets, strict=True):
            arrived.update(builder.spread([delta], [target], "backward", layer))
        for shard in shards:
            ready[shard.index] = arrived[shard.tile]
            if layer > 0 and shard.inputs:
                stage = _read(builder, shard, BACKWARD, activates=False)
                after = transport.after_read(builder.kits[shard.tile], BACKWARD, shard.inputs)
                needs = [Need(op) for op in arrived[shard.tile]]
                op = builder.op("backward", "backward", layer, shard.tile, shard.name, (stage, *after), needs)
                ready[shard.index] = [op]
    if layer == 0:
        return []
    sums = []
    for row in grid:
        if row[0].inputs:
            start, stop = row[0].row_start, row[0].row_start + row[0].inputs
            parts = [Signal(ready[s.index][0], s.tile, start, stop, BACKWARD, transport.held) for s in row]
            sums.append(builder.add_up(parts, "backward", layer))
    return _through_activation(builder, layer - 1, layers[layer - 1], sums, ready)


def _through_activation(
    builder: StepBuilder, layer: int, grid: list[list[Shard]], sums: Sequence[Signal], ready: dict[int, list[int]]
) -> list[Signal]:
    """Bring the back-propagated sums to the layer's holders and multiply by the stored derivative."""
    holders = grid[-1]
    if builder.transport.held and layer > 0 and len(sums) == len(grid) == len(holders) == 1:
        shard = holders[0]
        stage = _read(builder, shard, BACKWARD, activates=True)
        driven = builder.drive(sums[0], stage, shard, BACKWARD)
        if driven is not None:
            after = builder.transport.after_read(builder.kits[shard.tile], BACKWARD, shard.inputs)
            needs = [Need(sums[0].op)]
            op = builder.op("backward", "backward", layer, shard.tile, shard.name, (driven, *after), needs)
            ready[shard.index] = [op]
            return []
    targets: list[Target] = [(s.col_start, s.col_stop, (s.tile,)) for s in holders]
    arrived = builder.spread(sums, targets, "backward", layer)
    deltas = []
    for shard in holders:
        stage = builder.kits[shard.tile].digital("derive", shard.cols, "read", 1)
        needs = [Need(op) for op in arrived[shard.tile]]
        op = builder.op("derivative", "backward", layer, shard.tile, "", (stage,), needs)
        deltas.append(Signal(op, shard.tile, shard.col_start, shard.col_stop, FORWARD))
    return deltas


def _updates(
    builder: StepBuilder, forward: dict[int, int], ready: dict[int, list[int]], gradients: int, batch: int
) -> list[int]:
    updates = []
    for shard in builder.mapping.shards:
        kit = builder.kits[shard.tile]
        stage = kit.update(shard.rows, shard.cols, shard.inputs)
        if shard.layer == 0 or not shard.inputs:  # no backward op has stored d: it is written as it arrives
            words = kit.words(shard.cols, 8 * ceil(kit.bits(BACKWARD) / 8))
            stage = replace(stage, uses=(*stage.uses, kit.use("memory", "write", words)))
        needs = [Need(forward[shard.index]), *(Need(op) for op in ready[shard.index])]
        if batch > 1:
            needs.append(Need(gradients, den=batch, scale=batch, add=batch))
        updates.append(builder.op("update", "update", shard.layer, shard.tile, shard.name, (stage,), needs))
    return updates


def _check_memory(builder: StepBuilder, batch: int, in_flight: int, prefetch: int) -> None:
    """Raise InfeasibleError unless each memory holds x, d and the derivative bits of all examples under way."""
    inputs = max(batch, in_flight) + prefetch
    results = max(batch, in_flight)
    for shard in builder.mapping.shards:
        kit = builder.kits[shard.tile]
        x = kit.words(shard.inputs, 8 * ceil(kit.bits(FORWARD) / 8))
        d = kit.words(shard.cols, 8 * ceil(kit.bits(BACKWARD) / 8)) + kit.words(shard.cols, 1)
        need, have = inputs * x + results * d, kit.tile.spec.memory.words
        if need > have:
            layer = builder.mapping.workload.layers[shard.layer].name
            raise InfeasibleError(
                f"layer {layer}, shard {shard.name}: the memory of tile {shard.tile} must hold {need:,} words "
                f"({inputs} vectors x of {x} words and {results} of d and derivative of {d}), it has {have:,} "
                f"({need - have:,} short); use a larger tile.memory.words, a smaller batch ({batch}) or fewer "
                f"examples in flight ({in_flight})"
            )


def check_interval(builder: StepBuilder) -> int:
    """Return the transfer interval; raise SpecError if a mini-batch would straddle it."""
    interval = builder.chip.spec.schedule.transfer.interval_examples
    batch = builder.mapping.workload.training.batch
    if interval % batch:
        what = f"an interval of {interval} examples is no multiple of the batch of {batch}"
        hint = f"use {max(batch, interval - interval % batch)}"
        raise SpecError([Problem("schedule.transfer.interval_examples", what, hint)])
    return interval
