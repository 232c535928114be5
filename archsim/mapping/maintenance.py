"""Maintenance policies: when each shard's capacitors are transferred to the long-term devices, or rewritten."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from archsim.mapping.builder import StepBuilder
from archsim.mapping.schedule import Maintenance, Need
from archsim.mapping.shards import Shard
from archsim.mapping.training import check_interval
from archsim.spec.choices import REFRESH_POLICIES, TRANSFER_POLICIES


def _needs_it(builder: StepBuilder, shard: Shard) -> bool:
    return bool(builder.chip.tiles[shard.tile].spec.device.transfer_steps)


def _add(
    builder: StepBuilder, shard: Shard, instances: Sequence[tuple[int, ...]], need: Need, state: str,
    total: int | None, period_cycles: int = 0,
) -> int:  # fmt: skip
    """Add the op that handles `instances` of row groups of a shard, one instance after another."""
    kit = builder.kits[shard.tile]
    device = kit.tile.spec.device
    steps = device.transfer_steps if state == "transfer" else device.rewrite_steps
    most = max(map(max, instances))
    group_cycles = kit.maintenance_cycles(steps, most, shard.cols)
    kinds = dict.fromkeys(instances)  # most have as many rows
    stages = {groups: (kit.maintain(steps, state, groups, shard.cols, group_cycles),) for groups in kinds}
    firsts = itertools.accumulate(map(len, instances[:-1]), initial=0)
    own = Maintenance(shard.index, tuple(instances), tuple(firsts), group_cycles, period_cycles, most * shard.cols)
    variants = tuple(stages[groups] for groups in instances)
    return builder.op(state, state, shard.layer, shard, (), [need], variants=variants, maintenance=own, instances=total)


@TRANSFER_POLICIES.add("stop_all")
def stop_all(builder: StepBuilder, updates: Sequence[int], end: int) -> list[Need]:
    """The chip waits: all shards transfer after every interval, and no forward begins before they are done."""
    interval = check_interval(builder)
    gates = []
    for shard in builder.mapping.shards:
        if _needs_it(builder, shard):
            need = Need(end, num=interval, off=interval, add=0)
            op = _add(builder, shard, [builder.row_groups(shard)], need, "transfer", builder.examples // interval)
            gates.append(Need(op, den=interval, add=0))
    return gates


@TRANSFER_POLICIES.add("staggered")
def staggered(builder: StepBuilder, updates: Sequence[int], end: int) -> list[Need]:
    """Each shard transfers at its own example, spread evenly over the interval; the others go on."""
    interval = check_interval(builder)
    batch = builder.mapping.workload.training.batch
    count = len(builder.mapping.shards)
    for shard, update in zip(builder.mapping.shards, updates, strict=True):
        if _needs_it(builder, shard):
            first = max(batch, (shard.index + 1) * (interval // batch) // count * batch)
            total = max(0, (builder.examples - first) // interval + 1)
            need = Need(update, num=interval, off=first, add=0)
            _add(builder, shard, [builder.row_groups(shard)], need, "transfer", total)
    return []


@TRANSFER_POLICIES.add("interleaved")
def interleaved(builder: StepBuilder, updates: Sequence[int], end: int) -> list[Need]:
    """Each shard transfers a group of rows at a time, spread evenly over the interval, between other ops."""
    interval = check_interval(builder)
    for shard, update in zip(builder.mapping.shards, updates, strict=True):
        if _needs_it(builder, shard):
            groups = builder.row_groups(shard)
            need = Need(update, num=interval, off=interval, den=len(groups), add=0)
            total = builder.examples * len(groups) // interval
            while need.count(total) <= builder.examples:
                total += 1
            while total and need.count(total - 1) > builder.examples:
                total -= 1
            _add(builder, shard, [(group,) for group in groups], need, "transfer", total)
    return []


@REFRESH_POLICIES.add("none")
def none(builder: StepBuilder, updates: Sequence[int]) -> None:
    """The transfer is the refresh."""


@REFRESH_POLICIES.add("rewrite")
def rewrite(builder: StepBuilder, updates: Sequence[int]) -> None:
    """Each shard is read and written back once the time since its last transfer or rewrite exceeds the period."""
    period_s = builder.chip.spec.schedule.refresh.period_s
    assert period_s is not None
    period = builder.chip.spec.cycles(period_s)
    for shard, update in zip(builder.mapping.shards, updates, strict=True):
        if builder.chip.tiles[shard.tile].spec.device.rewrite_steps:
            _add(builder, shard, [builder.row_groups(shard)], Need(update, add=0), "refresh", None, period)
