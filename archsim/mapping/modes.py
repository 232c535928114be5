"""What is done with each example: the modes, and the schedule that one of them makes."""

from __future__ import annotations

from dataclasses import replace

from archsim.base.limits import CYCLES
from archsim.base.uncollected import uncollected
from archsim.chip.graph import Chip
from archsim.chip.made import joined
from archsim.mapping import templates
from archsim.mapping.builder import StepBuilder
from archsim.mapping.deadlock import check_deadlock
from archsim.mapping.inference import Inference
from archsim.mapping.memory_needs import memory_needs
from archsim.mapping.schedule import Flow, Op, Schedule
from archsim.mapping.shards import Mapping
from archsim.mapping.training import Training
from archsim.workload.network import MODES

__all__ = ["Inference", "Training", "build_schedule", "memory_words", "step_flows", "without_maintenance"]


@uncollected()
def build_schedule(chip: Chip, mapping: Mapping, examples: int, *, maintenance: bool = True) -> Schedule:
    """Return the schedule of `examples` examples, in the mode of the workload that `mapping` places on a `chip`.

    Without `maintenance` there are no transfers and no refresh.

    Raises SpecError if transport and parts do not go together or packets could block each other for ever,
    InfeasibleError if a memory is too small.
    """
    wanted = templates.asked(chip, mapping, examples, maintenance)
    template = templates.known(wanted)
    if template is not None:
        return _checked(template.on(chip, mapping))
    mode = MODES[mapping.workload.mode]
    mode.check(chip)
    builder = StepBuilder(chip, mapping, examples)
    end, updates = mode.build(builder, maintenance)
    check_deadlock(builder.buffers)
    if buffers := builder.buffers.built():
        chip = replace(chip, units=joined(chip.units, buffers))
    batch, in_flight = mode.batch(mapping.workload), chip.spec.schedule.examples_in_flight
    found = _checked(Schedule(chip, mapping, tuple(builder.ops), end, examples, batch, in_flight, updates,
                              tuple(builder.messages)))  # fmt: skip
    templates.keep(wanted, builder, found)
    return found


def _checked(schedule: Schedule) -> Schedule:
    """Return a schedule; raise SpecError if it may take more cycles than are counted."""
    spec = schedule.chip.spec
    longest = sum([
        op.variants[0][0].latency_cycles if len(op.variants) == len(op.variants[0]) == 1 else
        max([sum([stage.latency_cycles for stage in own]) for own in op.variants]) for op in schedule.ops
    ])  # fmt: skip
    wait = max(schedule.batch, schedule.in_flight) + spec.schedule.prefetch + 1  # so many wait at once for a unit
    CYCLES.check(longest * schedule.examples * wait, f"{schedule.mapping.workload.name} on {spec.name}")
    return schedule


@uncollected()
def without_maintenance(schedule: Schedule) -> Schedule:
    """Return the schedule that is built without `maintenance`; what maintenance does not touch is taken as it is."""
    left = [op for op in schedule.ops if op.maintenance is None]
    number = {op.index: place for place, op in enumerate(left)}
    others = {op.index for op in schedule.ops if number.get(op.index) != op.index}  # are gone, or have another number

    def renumbered(op: Op) -> Op:
        if op.index not in others and others.isdisjoint([need.op for need in op.needs]):
            return op
        needs = [replace(need, op=number[need.op]) for need in op.needs if need.op in number]
        return replace(op, index=number[op.index], needs=tuple(needs))

    messages = [
        replace(own, source_op=number[own.source_op], last_ops=tuple([number[op] for op in own.last_ops]))
        for own in schedule.messages
    ]
    updates = tuple([number[op] for op in schedule.updates])
    return replace(schedule, ops=tuple(map(renumbered, left)), end=number[schedule.end], updates=updates,
                   messages=tuple(messages))  # fmt: skip


def memory_words(chip: Chip, mapping: Mapping) -> int:
    """Return the words that the fullest memory of the chip must hold."""
    builder = StepBuilder(chip, mapping, 1)
    held = MODES[mapping.workload.mode].held(builder)
    return max((words for _, words, _ in memory_needs(builder, held)), default=0)


@uncollected()
def step_flows(chip: Chip, mapping: Mapping) -> tuple[Flow, ...]:
    """Return what one example sends between tiles, in order; raise SpecError as `build_schedule` does."""
    mode = MODES[mapping.workload.mode]
    mode.check(chip)
    builder = StepBuilder(chip, mapping, 1)
    mode.passes(builder)
    return tuple(builder.flows)
