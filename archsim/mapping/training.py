"""Training by backpropagation as a schedule: an example forward and back, its updates, and maintenance."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import replace
from math import ceil, log2

from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.mapping.backward import Backward, backward_pass
from archsim.mapping.builder import StepBuilder, Transport
from archsim.mapping.forward import forward_pass, gate_first_layer
from archsim.mapping.memory_needs import Held, check_memory
from archsim.mapping.recipes import BACKWARD, FORWARD, TileKit, whole_bytes
from archsim.mapping.schedule import Need, Stage
from archsim.mapping.vectors import Forward
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import REFRESH_POLICIES, TRANSFER_POLICIES
from archsim.workload.network import MODES, Words, Workload


class Training:
    """Backpropagation, an example or a mini-batch at a time; transfers and refresh as the chip's policies say."""

    ops_per_synapse = 6
    words = Words(
        example="training example",
        peak="in all three phases back to back, on vectors of one sign",
        left_out="no backward pass in the first layer, none for bias rows",
    )

    def epochs(self, workload: Workload) -> int:
        """As often as the workload says."""
        return workload.training.epochs

    def ops_executed(self, workload: Workload) -> int:
        """Forward and update of every synapse at each step; backward where a derivative of inputs is needed.

        That is none for bias rows, for the inputs of the first layer, and for own outputs before the first step.
        """
        total = 0
        for index, layer in enumerate(workload.layers):
            runs = len(layer.vectors(workload))
            back = layer.inputs * runs if index else 0
            back += layer.outputs * (runs - 1) if layer.recurrent else 0
            total += 4 * layer.synapses * runs + 2 * layer.columns * back
        return total

    def digital_ops(self, workload: Workload) -> int:
        """Once forward, and twice as much backward."""
        return sum(3 * layer.digital_ops * len(layer.vectors(workload)) for layer in workload.layers)

    def check(self, chip: Chip) -> None:
        """Raise SpecError if the chip lacks what only training needs."""
        chip.spec.check_trainable()

    def batch(self, workload: Workload) -> int:
        """The mini-batch."""
        return workload.training.batch

    def passes(self, builder: StepBuilder) -> tuple[Forward, Backward]:
        """Add loads, forward, losses and backward."""
        forward = forward_pass(builder, target_bits(builder))
        return forward, backward_pass(builder, forward)

    def held(self, builder: StepBuilder) -> Held:
        """Inputs of the examples under way and of those that were loaded ahead; results of the former."""
        spec = builder.chip.spec.schedule
        under_way = max(self.batch(builder.mapping.workload), spec.examples_in_flight)
        return Held(under_way + spec.prefetch, under_way)

    def build(self, builder: StepBuilder, maintenance: bool) -> tuple[int, tuple[int, ...]]:
        """Add all ops, paced by the examples in flight and the mini-batch, and the maintenance."""
        mapping, spec = builder.mapping, builder.chip.spec
        batch, k, prefetch = self.batch(mapping.workload), spec.schedule.examples_in_flight, spec.schedule.prefetch
        check_memory(builder, self.held(builder))
        forward, backward = self.passes(builder)
        gradients = -1
        if batch > 1:
            gradients = builder.op("gradients", "update", -1, -1, (), itertools.chain(*backward.ready.values()))
        updates = _updates(builder, forward, backward, gradients, batch)
        end = builder.op("end", "update", -1, -1, (), updates)
        if batch == 1:
            builder.also_needs(forward.loads[0], Need(end, add=1 - k - prefetch))
            gates = [Need(end, add=1 - k)]
        else:
            builder.also_needs(forward.loads[0], Need(end, off=-prefetch, den=batch, scale=batch, add=0))
            gates = [Need(gradients, add=1 - k), Need(end, den=batch, scale=batch, add=0)]
        if maintenance:
            if spec.schedule.transfer is not None:
                transfer = TRANSFER_POLICIES.lookup(spec.schedule.transfer.policy, "schedule.transfer.policy")
                gates += transfer(builder, updates, end)
            REFRESH_POLICIES.lookup(spec.schedule.refresh.policy, "schedule.refresh.policy")(builder, updates)
        gate_first_layer(builder, forward, gates)
        return end, tuple(updates)

    def full_step(self, kit: TileKit, transport: Transport) -> Iterable[Stage]:
        """Yield forward, backward and update of a full tile."""
        rows, cols, by_ramp = kit.tile.spec.rows, kit.tile.spec.cols, transport.held
        yield kit.integrate(FORWARD, rows, cols, rows, by_ramp=by_ramp)
        yield from transport.peak_stages(kit, FORWARD, cols)
        yield kit.digital("activate", cols, "write", 1)
        yield kit.integrate(BACKWARD, rows, cols, cols, by_ramp=by_ramp)
        if transport.held:
            yield kit.scan(BACKWARD, rows)
        yield from transport.peak_stages(kit, BACKWARD, rows)
        yield kit.digital("derive", cols, "read", 1)
        if not transport.held:
            yield kit.maximum(rows)
        yield kit.update(rows, cols, rows)


MODES.add("training")(Training())


def target_bits(builder: StepBuilder) -> int:
    """Return the bits of a target that the host sends: a class in whole bytes, values, or nothing."""
    workload = builder.mapping.workload
    outputs = workload.layers[-1].outputs
    label = whole_bytes(max(1, ceil(log2(max(2, outputs)))))
    return {"class": label, "values": outputs * workload.dataset.target_bits, "inputs": 0}[workload.dataset.target]


def _updates(builder: StepBuilder, forward: Forward, backward: Backward, gradients: int, batch: int) -> list[int]:
    """Add an update op for each shard: the outer products of all steps, one after another."""
    updates, workload = [], builder.mapping.workload
    for shard in builder.mapping.shards:
        kit = builder.kits[shard.tile]
        stored = kit.update(shard.rows, shard.cols, shard.inputs, signed=builder.signed(shard))
        words = kit.words(shard.cols, kit.bits(BACKWARD))
        arriving = replace(stored, uses=(*stored.uses, kit.use("memory", "write", words)))
        stages, needs = [], list[int | Need]()
        for step in workload.layers[shard.layer].vectors(workload):
            # Where no backward op has stored d, it is written as it arrives.
            stages.append(stored if builder.mapping.backward_inputs(shard, step) else arriving)
            needs += [forward.ops[shard.index, step], *backward.ready[shard.index, step]]
        if batch > 1:
            needs.append(Need(gradients, den=batch, scale=batch, add=batch))
        updates.append(builder.op("update", "update", shard.layer, shard, stages, needs))
    return updates


def counts_vectors(spec: ArchSpec, workload: Workload) -> bool:
    """Return whether vectors count to the next transfer, and not examples: those of sequences, if the spec says so."""
    transfer = spec.schedule.transfer
    return transfer is not None and transfer.interval_vectors is not None and workload.steps > 1


def transfer_interval(spec: ArchSpec, workload: Workload) -> int:
    """Return the examples between two transfers: of sequences those that have so many vectors, in whole batches.

    With `length: mean` they have them in the mean.
    """
    transfer = spec.schedule.transfer
    assert transfer is not None  # its policy asks
    if not counts_vectors(spec, workload):
        return transfer.interval_examples
    assert transfer.interval_vectors is not None
    batch = workload.training.batch
    return max(1, transfer.interval_vectors // workload.timed.steps // batch) * batch


def check_interval(builder: StepBuilder) -> int:
    """Return the transfer interval; raise SpecError if a mini-batch would straddle it."""
    interval = transfer_interval(builder.chip.spec, builder.mapping.workload)
    batch = builder.mapping.workload.training.batch
    if interval % batch:
        what = f"an interval of {counted(interval, 'example')} is no multiple of the batch of {batch}"
        hint = f"use {max(batch, interval - interval % batch)}"
        raise SpecError([Problem("schedule.transfer.interval_examples", what, hint)])
    return interval
