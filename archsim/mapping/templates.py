"""Templates of schedules: chips that differ in floorplan, placement and topology alone have the same ops.

Where a transport's messages are one op each, wherever their ends are, only three things of an op follow from the place
of its tile: the numbers of its units, how a message goes, and how long it takes. A template keeps all else, from a
schedule that was made op by op; `on` makes the schedule of another chip and mapping of it, which is equal to that made
afresh. Studies that try many places, as a search does, ask for the same template again and again.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter

from archsim.chip.graph import Chip
from archsim.mapping.builder import Groups, Signal, StepBuilder
from archsim.mapping.recipes import Side, placed
from archsim.mapping.schedule import Op, Schedule, Stage, Use
from archsim.mapping.shards import Mapping, Piece
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import REDUCTIONS, REFRESH_POLICIES, TRANSFER_POLICIES, TRANSPORTS
from archsim.workload.network import MODES

PLACES = frozenset({
    "name", "description", "reference", "floorplan", "placement", "placement_options", "published", "fitted_on"
})  # fmt: skip
"""Sections of a spec on which ops do not depend, or by the place of their tile alone."""
ROUTES = frozenset({"topology", "options"})
"""Likewise of its routing."""
HOST = -1
"""The place of the host, which is on no tile."""
MOST_SHARDS = 1024
"""Larger schedules are made afresh; like the numbers below, memory and time alone depend on it."""
MOST_KEPT = 16
"""Templates that are kept, and schedules that are remembered to have been made once."""
MOST_STAGES = 1 << 15
"""Placed stages that a template keeps."""


_PIECE = attrgetter(*(own.name for own in fields(Piece)))


@dataclass(frozen=True)
class Asked:
    """On what the ops of a schedule depend beside the places of tiles; equal ones have the same template."""

    spec: ArchSpec
    mapping: Mapping
    kinds: tuple[str, ...]
    """The kind of each shard's tile."""
    examples: int
    maintenance: bool
    parts: tuple[object, ...]
    """What the spec's names stand for."""

    def __hash__(self) -> int:
        return hash((self.spec.schedule, self.spec.numerics, self.mapping.grid, self.kinds, self.examples))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Asked):
            return NotImplemented
        one, two = self.spec, other.spec
        return (
            (self.examples, self.maintenance, self.kinds) == (other.examples, other.maintenance, other.kinds)
            and all(a is b for a, b in zip(self.parts, other.parts, strict=True))
            and all(getattr(one, name) == getattr(two, name) for name in ArchSpec.model_fields
                    if name not in PLACES and name != "routing")
            and all(getattr(one.routing, name) == getattr(two.routing, name) for name in type(one.routing).model_fields
                    if name not in ROUTES)
            and self.mapping.grid == other.mapping.grid and self.mapping.workload == other.mapping.workload
            and self.pieces == other.pieces
        )  # fmt: skip

    @property
    def pieces(self) -> list[tuple[int, ...]]:
        """The shards without their tiles."""
        return [_PIECE(shard) for shard in self.mapping.shards]


def asked(chip: Chip, mapping: Mapping, examples: int, maintenance: bool) -> Asked | None:
    """Return what a schedule is asked for with; None where there is no template of such."""
    spec = chip.spec
    transport = TRANSPORTS.lookup(spec.routing.transport, "routing.transport")
    if not getattr(transport, "one_op", False) or spec.chips > 1 or len(mapping.shards) > MOST_SHARDS:
        return None
    transfer = spec.schedule.transfer
    parts = (
        transport, REDUCTIONS.lookup(spec.routing.reduction, "routing.reduction"), MODES[mapping.workload.mode],
        None if transfer is None else TRANSFER_POLICIES.lookup(transfer.policy, "schedule.transfer.policy"),
        REFRESH_POLICIES.lookup(spec.schedule.refresh.policy, "schedule.refresh.policy"),
    )  # fmt: skip
    kinds = chip.kinds
    return Asked(spec, mapping, tuple([kinds[shard.tile] for shard in mapping.shards]), examples, maintenance, parts)


class ElsewhereError(Exception):
    """A stage needs units that are neither its tile's nor the whole chip's."""


@dataclass(frozen=True)
class Message:
    """What is sent at a step, by shards (-1: the host) where a signal has tiles."""

    signal: Signal
    groups: Groups
    phase: str
    layer: int
    step: int


@dataclass(frozen=True)
class Drive:
    """A read of a shard that a signal drives; its tile is the number of a shard, and `stage` that of a tile's part."""

    signal: Signal
    stage: int
    shard: int
    side: Side


@dataclass(frozen=True)
class Local:
    """An op at a shard, or of the whole chip (-1), whose stages are `parts`; `variants` are places in these."""

    op: Op
    shard: int
    parts: tuple[int | Drive, ...]
    variants: tuple[tuple[int, ...], ...]


class Template:
    """All ops of a schedule, as far as they do not follow from where its tiles are."""

    def __init__(self, schedule: Schedule, ops: Sequence[Op | Local | Message], stages: Sequence[Stage]) -> None:
        self._schedule, self._ops, self._stages = schedule, ops, stages
        self._here = [all(unit >= 0 for unit in units_of(stage)) for stage in stages]
        self._placed: dict[tuple[int, int], Stage] = {}

    def on(self, chip: Chip, mapping: Mapping) -> Schedule:
        """Return the schedule with each shard on its tile of a mapping, on a chip of the same kinds of tiles."""
        builder = StepBuilder(chip, mapping, self._schedule.examples)
        tiles = [*(shard.tile for shard in mapping.shards), HOST]  # so that HOST's is the last
        transport, ops = builder.transport, builder.ops
        for entry in self._ops:
            if isinstance(entry, Op):
                ops.append(entry)
            elif isinstance(entry, Message):
                builder.step = entry.step
                signal = moved(entry.signal, tiles)
                groups = [(tuple([tiles[shard] for shard in shards]), values) for shards, values in entry.groups]
                transport.send(builder, signal, groups, entry.phase, entry.layer)
            else:
                tile, own = tiles[entry.shard], list[Stage]()
                for part in entry.parts:
                    if isinstance(part, Drive):
                        stage, shard = self._stage(part.stage, chip, tile), mapping.shards[part.shard]
                        driven = transport.drive(builder, moved(part.signal, tiles), stage, shard, part.side)
                        assert driven is not None  # as it was, wherever tiles are
                        own.append(driven)
                    else:
                        own.append(self._stage(part, chip, tile))
                op, variants = entry.op, tuple([tuple([own[i] for i in places]) for places in entry.variants])
                ops.append(Op(op.index, op.kind, op.phase, op.layer, tile, op.label, variants, op.needs,
                              op.maintenance, op.instances, op.step))  # fmt: skip
        assert len(ops) == len(self._ops)  # a message is one op
        old = self._schedule
        return Schedule(chip, mapping, tuple(ops), old.end, old.examples, old.batch, old.in_flight, old.updates,
                        tuple(builder.messages))  # fmt: skip

    def _stage(self, number: int, chip: Chip, tile: int) -> Stage:
        """Return a stage on a tile."""
        first = chip.tiles[tile].units["crossbar"] if tile >= 0 else 0
        if not self._here[number]:
            return renumbered(
                self._stages[number], lambda unit: chip.router + ~unit if unit < 0 else first + unit, tile
            )
        found = self._placed.get((number, tile))
        if found is None:
            if len(self._placed) >= MOST_STAGES:
                self._placed.clear()
            found = self._placed[number, tile] = placed(self._stages[number], first, tile)
        return found


def moved(signal: Signal, tiles: Sequence[int]) -> Signal:
    """Return a signal on the tile to which its own number is given."""
    return Signal(signal.op, tiles[signal.tile], signal.start, signal.stop, signal.side, signal.held, signal.bits)


def units_of(stage: Stage) -> list[int]:
    """Return the units that a stage acquires, releases and bills."""
    return [*stage.acquire, *(unit for _, unit in stage.release), *(use.unit for use in stage.uses)]


def renumbered(stage: Stage, number: Callable[[int], int], tile: int) -> Stage:
    """Return a stage with other numbers of its units and its tile."""
    return Stage(
        stage.latency_cycles,
        tuple([number(unit) for unit in stage.acquire]),
        tuple([(at, number(unit)) for at, unit in stage.release]),
        tuple([Use(number(use.unit), use.action, use.count) for use in stage.uses]),
        tuple([(tile, state) for _, state in stage.shows]),
        None if stage.waits is None else (tile, stage.waits[1]),
        stage.port, stage.in_order,
    )  # fmt: skip


def template_of(builder: StepBuilder, schedule: Schedule) -> Template | None:
    """Return the template of a schedule that a builder has made; None where an op takes more than its own tile."""
    chip, tiles = builder.chip, builder.chip.tiles
    shard_on = {shard.tile: shard.index for shard in schedule.mapping.shards} | {HOST: HOST}
    numbers: dict[Stage, int] = {}

    def at_zero(stage: Stage, tile: int) -> int:
        """Return the number of a stage as that of a tile 0, whose units are first; the chip's own are below 0."""
        if any(own != tile for own, _ in (*stage.shows, *([] if stage.waits is None else [stage.waits]))):
            raise ElsewhereError
        units = tiles[tile].units.values() if tile >= 0 else ()
        first, stop = min(units, default=0), max(units, default=-1) + 1

        def number(unit: int) -> int:
            if unit >= chip.router:
                return ~(unit - chip.router)
            if not first <= unit < stop:
                raise ElsewhereError
            return unit - first

        return numbers.setdefault(renumbered(stage, number, 0), len(numbers))

    def on_shards(signal: Signal) -> Signal:
        return replace(signal, tile=shard_on[signal.tile])

    def entry_of(op: Op) -> Op | Local | Message:
        if not any(op.variants):
            return op
        own: dict[int, int] = {}
        parts: list[int | Drive] = []
        try:
            for stage in itertools.chain.from_iterable(op.variants):
                if id(stage) not in own:
                    own[id(stage)] = len(parts)
                    if (drive := builder.driven.get(id(stage))) is not None:
                        parts.append(Drive(on_shards(drive.signal), at_zero(drive.stage, drive.shard.tile),
                                           drive.shard.index, drive.side))  # fmt: skip
                    else:
                        parts.append(at_zero(stage, op.tile))
        except ElsewhereError:
            sent = builder.sent[op.index]
            groups = [(tuple([shard_on[tile] for tile in goals]), values) for goals, values in sent.groups]
            return Message(on_shards(sent.signal), groups, sent.phase, sent.layer, op.step)
        variants = tuple([tuple([own[id(stage)] for stage in variant]) for variant in op.variants])
        return Local(op, shard_on[op.tile], tuple(parts), variants)

    try:
        entries = [entry_of(op) for op in schedule.ops]
    except KeyError:  # an op that is no message, or on a tile that has no shard
        return None
    return Template(schedule, entries, list(numbers))


_once: OrderedDict[Asked, None] = OrderedDict()
_kept: OrderedDict[Asked, Template | None] = OrderedDict()


def known(wanted: Asked | None) -> Template | None:
    """Return the template that is kept of what is asked for, if there is one."""
    return None if wanted is None else _kept.get(wanted)


def keep(wanted: Asked | None, builder: StepBuilder, schedule: Schedule) -> None:
    """Keep the template of a schedule that was made afresh, if one of the same was before: most are asked for once."""
    if wanted is None or wanted in _kept:
        return
    if wanted not in _once:
        _once[wanted] = None
    else:
        del _once[wanted]
        _kept[wanted] = template_of(builder, schedule)
    for table in (_once, _kept):
        while len(table) > MOST_KEPT:
            table.popitem(last=False)


def forget() -> None:
    """Let go of all templates, so that the next schedule is made afresh."""
    _once.clear()
    _kept.clear()
