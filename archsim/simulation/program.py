"""The compiled program: a schedule's ops, all resolved to integers and tuples for the engine's inner loop."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from archsim.base.uncollected import uncollected
from archsim.mapping.schedule import Maintenance, Need, Schedule, Stage
from archsim.simulation.tile_states import show

FOREVER = 1 << 62  # cycles: beyond the end of every run


def capacities(schedule: Schedule, unlimited: bool, uncontended: Collection[int]) -> dict[int, int]:
    """Return how many places each unit has that any op asks for; 0 stands for units that are never contended."""
    units = schedule.chip.units
    asked = dict.fromkeys([
        unit for op in schedule.ops for variant in op.variants for stage in variant for unit in stage.acquire
    ])  # fmt: skip
    return {unit: 0 if unlimited or unit in uncontended else units[unit].capacity for unit in asked}


class CompiledStage:
    """A stage as the engine takes it; units whose use is never contended are left out."""

    __slots__ = ("acquire", "at_end", "in_order", "index", "later", "latency", "port", "shows", "waits")

    def __init__(self, index: int, stage: Stage, contended: Mapping[int, int], tile_place: dict[int, int]) -> None:
        self.index = index
        self.latency = stage.latency_cycles
        self.acquire = tuple([unit for unit in stage.acquire if contended[unit]])
        at_end: list[int] = []
        released: dict[int, list[int]] = {}
        for at, unit in stage.release:
            if contended.get(unit):
                (at_end if at == stage.latency_cycles else released.setdefault(at, [])).append(unit)
        self.at_end = tuple(at_end)
        self.later = tuple([(at, tuple(units)) for at, units in sorted(released.items())]) if released else ()
        self.shows = tuple([show(tile_place[tile], state) for tile, state in stage.shows if tile in tile_place])
        self.port = stage.port if self.acquire else None
        self.in_order = stage.in_order
        waits = stage.waits
        self.waits = show(tile_place[waits[0]], waits[1]) if waits and waits[0] in tile_place else None


Variants: TypeAlias = tuple[tuple[CompiledStage, ...], ...]
Rule: TypeAlias = tuple[int, tuple[tuple[int, int], ...], Variants, bool]


@dataclass(frozen=True)
class Program:
    """What the engine knows of a schedule; all lists are by op but the first two, which are by compiled stage."""

    stage_specs: list[Stage]
    stage_ops: list[int]
    stages: list[Variants]
    """Of each variant of an op's instances."""
    general: list[tuple[Need, ...]]
    """Needs that are not of one instance for one."""
    maintenance: list[Maintenance | None]
    maintained: list[int]
    """The ops that maintain, and below all others: these have one instance an example."""
    example_ops: list[int]
    totals: list[int]
    """How many instances there are."""
    rules: list[Rule]
    """(instances, plain needs as (op, how many more), variants, whether that is all there is to its start)."""


@uncollected()
def compile_schedule(schedule: Schedule, capacity: Mapping[int, int]) -> Program:
    """Return the program of a schedule on units of these capacities; 0 stands for units that are never contended."""
    place = {tile: i for i, tile in enumerate(schedule.used_tiles)}
    specs: list[Stage] = []
    stage_ops: list[int] = []
    stages: list[Variants] = []
    for op in schedule.ops:
        own: dict[int, CompiledStage] = {}
        for stage in itertools.chain.from_iterable(op.variants):
            if id(stage) not in own:
                own[id(stage)] = CompiledStage(len(specs), stage, capacity, place)
                specs.append(stage)
                stage_ops.append(op.index)
        stages.append(tuple([tuple([own[id(stage)] for stage in variant]) for variant in op.variants]))
    ops = schedule.ops
    general = [tuple(need for need in op.needs if not need.plain) for op in ops]
    plain = [tuple((need.op, need.add) for need in op.needs if need.plain) for op in ops]
    maintenance = [op.maintenance for op in ops]
    maintained, example_ops = ([op.index for op in ops if (op.maintenance is None) == others] for others in (0, 1))
    asked = [FOREVER if op.instances is None else op.instances for op in ops]
    totals = [schedule.examples if m is None else total for m, total in zip(maintenance, asked, strict=True)]
    simple = [not needs and m is None for needs, m in zip(general, maintenance, strict=True)]
    rules = list(zip(totals, plain, stages, simple, strict=True))
    return Program(specs, stage_ops, stages, general, maintenance, maintained, example_ops, totals, rules)
