"""Ways of messages in a schedule's template: from the op that makes a vector, over links, to the op that takes it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archsim.mapping.buffers import node_of
from archsim.mapping.schedule import Op, Schedule


@dataclass(frozen=True)
class Delivery:
    """One message to one tile: the op before it, the (op, link's unit) of its hops in order, and the op after it.

    `source` and `target` are tiles, the source -1 for the host. A multicast has a delivery for each of its targets.
    """

    producer: int
    source: int
    hops: tuple[tuple[int, int], ...]
    consumer: int
    target: int


def deliveries(schedule: Schedule) -> tuple[Delivery, ...]:
    """Return all deliveries of one example, in the order of the ops that send them.

    What one tile sends to itself needs no link and is not among them.
    """
    after: dict[int, list[int]] = {}
    for op in schedule.ops:
        for need in op.needs:
            if need.plain and need.add == 1:
                after.setdefault(need.op, []).append(op.index)
    firsts = {message.source_op for message in schedule.messages}
    lasts = {op for message in schedule.messages for op in message.last_ops}
    found = [*_sent(schedule, firsts, lasts, after), *_driven(schedule)]
    return tuple(sorted(found, key=lambda one: (one.hops[0][0], one.consumer)))


def _sent(schedule: Schedule, firsts: set[int], lasts: set[int], after: dict[int, list[int]]) -> Iterator[Delivery]:
    """Yield the deliveries of messages that are ops by themselves, walking back from where they arrive."""
    for last in sorted(lasts):
        chain = [last]
        while chain[0] not in firsts:
            chain.insert(0, schedule.ops[chain[0]].needs[0].op)
        producer = schedule.ops[chain[0]].needs[0].op
        source = -1 if schedule.ops[producer].tile < 0 else schedule.ops[chain[0]].tile  # a send is its source's op
        shown = [show for stage in schedule.ops[last].stages for show in stage.shows]
        for target in (tile for tile, state in shown if state == "receive"):
            takers = [op for op in after.get(last, ()) if schedule.ops[op].tile == target and schedule.ops[op].stages]
            hops = _hops(schedule, chain, source, target)
            if takers and hops:
                yield Delivery(producer, source, hops, takers[0], target)


def _driven(schedule: Schedule) -> Iterator[Delivery]:
    """Yield the deliveries of ops that drive their array over links from another tile: they carry and take at once."""
    for op in schedule.ops:
        if op.kind == "send":
            continue
        for source in (tile for stage in op.stages for tile, state in stage.shows if state == "send"):
            makers = [need.op for need in op.needs if schedule.ops[need.op].tile == source]
            hops = _hops(schedule, [op.index], source, op.tile)
            if makers and hops:
                yield Delivery(makers[0], source, hops, op.index, op.tile)


def _hops(schedule: Schedule, chain: list[int], source: int, target: int) -> tuple[tuple[int, int], ...]:
    found: list[tuple[int, int]] = []
    for index in chain:
        held = _links(schedule, schedule.ops[index])
        if len(held) > 1:  # a circuit, to several tiles perhaps: those of its links that lead to this one
            way, _ = schedule.chip.route(node_of(source), node_of(target))
            held = [link.unit for link in way if link.unit in held]
        found += [(index, unit) for unit in held]
    return tuple(found)


def _links(schedule: Schedule, op: Op) -> list[int]:
    units = schedule.chip.units
    return [unit for stage in op.stages for unit in stage.acquire if units[unit].component == "link"]
