"""One step of training by backpropagation as a schedule: forward, loss, backward, update, and maintenance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import ceil, log2

from archsim.errors import Problem, SpecError
from archsim.mapping.builder import StepBuilder, Target, check_memory
from archsim.mapping.forward import forward_pass, gate_first_layer, read_array
from archsim.mapping.recipes import BACKWARD, FORWARD, TileKit
from archsim.mapping.schedule import Need, Stage
from archsim.mapping.shards import Shard
from archsim.mapping.transport import Signal, Transport
from archsim.spec import REFRESH_POLICIES, TRANSFER_POLICIES
from archsim.workload.network import MODES, Workload


class Training:
    """Backpropagation, an example or a mini-batch at a time; transfers and refresh as the chip's policies say."""

    ops_per_synapse = 6

    def ops_executed(self, workload: Workload) -> int:
        """No backward in the first layer, none for bias rows."""
        forward_and_update = sum(4 * layer.synapses for layer in workload.layers)
        return forward_and_update + sum(2 * layer.inputs * layer.outputs for layer in workload.layers[1:])

    def batch(self, workload: Workload) -> int:
        """The mini-batch."""
        return workload.training.batch

    def passes(self, builder: StepBuilder) -> tuple[int, dict[int, int], dict[int, list[int]]]:
        """Add load, forward, loss and backward.

        Return the load; and by shard its forward op, and the ops after which it can be updated.
        """
        mapping = builder.mapping
        layers = [mapping.of_layer(i) for i in range(len(mapping.workload.layers))]
        load, forward, outputs = forward_pass(builder, target_bits(builder))
        deltas = _loss(builder, outputs, load)
        ready: dict[int, list[int]] = {}
        for index in reversed(range(len(layers))):
            deltas = _backward(builder, index, layers, deltas, ready)
        return load, forward, ready

    def build(self, builder: StepBuilder, maintenance: bool) -> tuple[int, tuple[int, ...]]:
        """Add all ops, paced by the examples in flight and the mini-batch, and the maintenance."""
        mapping, spec = builder.mapping, builder.chip.spec
        batch, k, prefetch = self.batch(mapping.workload), spec.schedule.examples_in_flight, spec.schedule.prefetch
        check_memory(builder, max(batch, k) + prefetch, max(batch, k))
        load, forward, ready = self.passes(builder)
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
        gate_first_layer(builder, forward, gates)
        return end, tuple(updates)

    def full_step(self, kit: TileKit, transport: Transport, length_m: float) -> Iterable[Stage]:
        """Yield forward, backward and update of a full tile."""
        rows, cols = kit.tile.spec.rows, kit.tile.spec.cols
        yield kit.integrate(FORWARD, rows, cols, rows)
        yield from transport.peak_stages(kit, FORWARD, cols, length_m)
        yield kit.digital("activate", cols, "write", 1)
        yield kit.integrate(BACKWARD, rows, cols, cols)
        yield from transport.peak_stages(kit, BACKWARD, rows, length_m)
        yield kit.digital("derive", cols, "read", 1)
        yield kit.update(rows, cols, rows)


MODES.add("training")(Training())


def target_bits(builder: StepBuilder) -> int:
    """Return the bits of a class label, in whole bytes."""
    classes = builder.mapping.workload.layers[-1].outputs
    return 8 * ceil(max(1, ceil(log2(max(2, classes)))) / 8)


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
                stage = read_array(builder, shard, BACKWARD, activates=False)
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
        stage = read_array(builder, shard, BACKWARD, activates=True)
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


def check_interval(builder: StepBuilder) -> int:
    """Return the transfer interval; raise SpecError if a mini-batch would straddle it."""
    interval = builder.chip.spec.schedule.transfer.interval_examples
    batch = builder.mapping.workload.training.batch
    if interval % batch:
        what = f"an interval of {interval} examples is no multiple of the batch of {batch}"
        hint = f"use {max(batch, interval - interval % batch)}"
        raise SpecError([Problem("schedule.transfer.interval_examples", what, hint)])
    return interval
