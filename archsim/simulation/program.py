"""The compiled program: a schedule's ops, all resolved to integers and tuples for the engine's inner loop."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.base.uncollected import uncollected
from archsim.mapping.schedule import Maintenance, Need, Op, Schedule, Stage
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
Int: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class PlainNeeds:
    """Needs of one instance for one: those of op `i` are `op` and how many more, `add`, from `first[i]` on."""

    first: Int
    op: Int
    add: Int

    @cached_property
    def by_op(self) -> list[tuple[tuple[int, int], ...]]:
        """By op as tuples of (op, how many more)."""
        pairs, bounds = list(zip(self.op.tolist(), self.add.tolist(), strict=True)), self.first.tolist()
        return [tuple(pairs[begin:end]) for begin, end in itertools.pairwise(bounds)]


@dataclass(frozen=True)
class Program:
    """What the engine knows of a schedule; all lists are by op but the first two, which are by compiled stage."""

    schedule: Schedule
    capacity: Mapping[int, int]
    stage_specs: list[Stage]
    stage_ops: list[int]
    paths: list[tuple[tuple[int, ...], ...]]
    """The stages of each variant of an op's instances, by their numbers."""
    plain: PlainNeeds
    general: list[tuple[Need, ...]]
    """Needs that are not of one instance for one."""
    maintenance: list[Maintenance | None]
    maintained: list[int]
    """The ops that maintain, and below all others: these have one instance an example."""
    example_ops: list[int]
    totals: list[int]
    """How many instances there are."""

    @cached_property
    def place(self) -> dict[int, int]:
        """By tile its place among those that are used."""
        return {tile: i for i, tile in enumerate(self.schedule.used_tiles)}

    @cached_property
    def stages(self) -> list[Variants]:
        """The stages of each variant, as SimPy's engine takes them."""
        own = [CompiledStage(i, stage, self.capacity, self.place) for i, stage in enumerate(self.stage_specs)]
        return [tuple([tuple([own[i] for i in path]) for path in paths]) for paths in self.paths]

    @cached_property
    def rules(self) -> list[Rule]:
        """(instances, plain needs as (op, how many more), variants, whether that is all there is to its start)."""
        simple = [not needs and m is None for needs, m in zip(self.general, self.maintenance, strict=True)]
        return list(zip(self.totals, self.plain.by_op, self.stages, simple, strict=True))


@uncollected()
def compile_schedule(schedule: Schedule, capacity: Mapping[int, int]) -> Program:
    """Return the program of a schedule on units of these capacities; 0 stands for units that are never contended."""
    specs: list[Stage] = []
    stage_ops: list[int] = []
    paths: list[tuple[tuple[int, ...], ...]] = []
    for op in schedule.ops:
        before = len(specs)
        if len(op.variants) == 1 and len(op.variants[0]) == 1:
            specs.append(op.variants[0][0])
            paths.append(((before,),))
        else:
            own: dict[int, int] = {}
            for stage in itertools.chain.from_iterable(op.variants):
                if id(stage) not in own:
                    own[id(stage)] = len(specs)
                    specs.append(stage)
            paths.append(tuple([tuple([own[id(stage)] for stage in variant]) for variant in op.variants]))
        stage_ops += [op.index] * (len(specs) - before)
    ops = schedule.ops
    plain, general = _needs(ops)
    maintenance = [op.maintenance for op in ops]
    maintained, example_ops = ([op.index for op in ops if (op.maintenance is None) == others] for others in (0, 1))
    examples = schedule.examples
    totals = [examples if op.maintenance is None else FOREVER if op.instances is None else op.instances for op in ops]
    return Program(schedule, capacity, specs, stage_ops, paths, plain, general, maintenance, maintained, example_ops,
                   totals)  # fmt: skip


def _needs(ops: Sequence[Op]) -> tuple[PlainNeeds, list[tuple[Need, ...]]]:
    """Return the plain needs of ops, and by op those that are not."""
    counts = np.fromiter([len(op.needs) for op in ops], np.int64, len(ops))
    needs = list(itertools.chain.from_iterable([op.needs for op in ops]))
    kinds = {id(need): need for need in needs}  # thousands wait for the same
    others = {own: need for own, need in kinds.items() if not need.plain}
    is_plain = np.fromiter([id(need) not in others for need in needs], np.bool_, len(needs))
    owner = np.repeat(np.arange(len(ops)), counts)
    own = [need for need in needs if id(need) not in others]
    plain = PlainNeeds(
        bounds(np.bincount(owner[is_plain], minlength=len(ops))),
        np.fromiter([need.op for need in own], np.int64, len(own)),
        np.fromiter([need.add for need in own], np.int64, len(own)),
    )
    general: list[tuple[Need, ...]] = [()] * len(ops)
    for op in np.unique(owner[~is_plain]).tolist():
        general[op] = tuple([need for need in ops[op].needs if id(need) in others])
    return plain, general


def bounds(counts: Int) -> Int:
    """Return where each of some lists of so many entries begins, and where the last ends."""
    first = np.zeros(len(counts) + 1, dtype=np.int64)
    np.cumsum(counts, out=first[1:])
    return first
