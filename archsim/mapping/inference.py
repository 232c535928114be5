"""Inference as a schedule: forward passes one after another, the results sent to the host; and writing the weights."""

from __future__ import annotations

from collections.abc import Iterable

from archsim.base.errors import Problem, SpecError
from archsim.chip.graph import Chip
from archsim.mapping.builder import Signal, StepBuilder, Transport
from archsim.mapping.forward import forward_pass, gate_first_layer, host_stage
from archsim.mapping.memory_needs import Held, check_memory
from archsim.mapping.recipes import FORWARD, TileKit, whole_bytes
from archsim.mapping.schedule import Need, Schedule, Stage
from archsim.mapping.shards import Mapping
from archsim.mapping.vectors import Forward
from archsim.workload.network import MODES, Words, Workload


class Inference:
    """Forward passes alone. Of a batch, all examples must be done before the next batch begins; of one, none must."""

    ops_per_synapse = 2
    words = Words("inferred example", peak="in forward passes back to back, on vectors of one sign", left_out="")

    def epochs(self, workload: Workload) -> int:
        """The data set once."""
        return 1

    def ops_executed(self, workload: Workload) -> int:
        """Every synapse once at each step, biases included."""
        return workload.ops_per_example

    def digital_ops(self, workload: Workload) -> int:
        """Those of the forward pass."""
        return sum(layer.digital_ops * len(layer.vectors(workload)) for layer in workload.layers)

    def check(self, chip: Chip) -> None:
        """Every chip can do it."""

    def batch(self, workload: Workload) -> int:
        """So many examples are asked for at once."""
        return workload.inference.batch

    def passes(self, builder: StepBuilder) -> tuple[Forward, list[int]]:
        """Add loads, forward and the results' way to the host; return the forward pass, and the last ops."""
        forward = forward_pass(builder, 0, builder.chip.spec.schedule.vectors_held)
        return forward, _hand_over(builder, forward)

    def held(self, builder: StepBuilder) -> Held:
        """Inputs of the examples under way and of those that were loaded ahead, of a few steps at a time."""
        schedule = builder.chip.spec.schedule
        return Held(schedule.examples_in_flight + schedule.prefetch, 0, schedule.vectors_held)

    def build(self, builder: StepBuilder, maintenance: bool) -> tuple[int, tuple[int, ...]]:
        """Add all ops, paced by the examples in flight and the batch; nothing needs maintenance."""
        spec = builder.chip.spec
        batch, k = self.batch(builder.mapping.workload), spec.schedule.examples_in_flight
        ahead = k + spec.schedule.prefetch
        check_memory(builder, self.held(builder))
        forward, stored = self.passes(builder)
        end = builder.op("end", "store", -1, -1, (), stored)
        builder.also_needs(forward.loads[0], Need(end, add=1 - ahead))
        gates = [Need(end, add=1 - k)]
        if batch > 1:
            gates.append(Need(end, den=batch, scale=batch, add=0))
        gate_first_layer(builder, forward, gates)
        return end, ()

    def full_step(self, kit: TileKit, transport: Transport) -> Iterable[Stage]:
        """Yield the forward pass of a full tile."""
        rows, cols = kit.tile.spec.rows, kit.tile.spec.cols
        yield kit.integrate(FORWARD, rows, cols, rows, by_ramp=transport.held)
        yield from transport.peak_stages(kit, FORWARD, cols)
        yield kit.digital("activate", cols)


MODES.add("inference")(Inference())


def _hand_over(builder: StepBuilder, forward: Forward) -> list[int]:
    """Read the outputs out where they are, apply the last activation, and send them through the host port."""
    workload = builder.mapping.workload
    layer = len(workload.layers) - 1
    stored = []
    for step in workload.layers[layer].vectors(workload):
        builder.step = step
        for signal in forward.outputs[layer, step]:
            ready = builder.transport.read_out(builder, signal, "forward", layer)
            if workload.layers[layer].loss_activates:
                work = workload.layers[layer].forward_work
                stage = builder.kits[ready.tile].work({name: count * ready.values for name, count in work.items()})
                op = builder.op("activate", "forward", layer, ready.tile, [stage], [ready.op])
                ready = Signal(op, ready.tile, ready.start, ready.stop, FORWARD)
            there = builder.send(ready, [((-1,), ready.values)], "store", layer)[-1]
            port = host_stage(builder.chip, ready.values * whole_bytes(builder.value_bits(ready)))
            stored.append(builder.op("store", "store", layer, -1, [port], [there]))
    return stored


def programming(chip: Chip, mapping: Mapping) -> Schedule:
    """Return the schedule that writes all weights once: row groups of each tile in turn, tiles as power allows.

    Raises SpecError if a device does not say how it is written.
    """
    builder = StepBuilder(chip, mapping, 1)
    silent = [
        Problem(f"{kind}.device", f"a '{tile.device.kind}' does not say how it is written",
                "give program and program_energy, the time of a row and the energy of a cell")
        for kind, tile in chip.spec.tile_kinds if not tile.device.writing_steps
    ]  # fmt: skip
    if silent:
        raise SpecError(silent)
    written = []
    for shard in mapping.shards:
        kit = builder.kits[shard.tile]
        device = kit.tile.spec.device
        groups = builder.row_groups(shard)
        cycles = kit.maintenance_cycles(device.writing_steps, max(groups), shard.cols)
        stage = kit.maintain(device.writing_steps, "program", groups, shard.cols, cycles)
        written.append(builder.op("program", "program", shard.layer, shard, [stage], []))
    end = builder.op("end", "program", -1, -1, (), written)
    return Schedule(chip, mapping, tuple(builder.ops), end, 1, 1, 1, ())
