"""The builder of a schedule: collects the ops of one example, and what they send to each other."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from archsim.base.errors import Problem, SpecError
from archsim.base.limits import PASSES
from archsim.chip.graph import Chip
from archsim.mapping.buffers import Buffers
from archsim.mapping.recipes import FORWARD, Side, TileKit, kits_of
from archsim.mapping.schedule import Flow, Maintenance, Message, Need, Op, Stage
from archsim.mapping.shards import Mapping, Shard, split
from archsim.spec.choices import REDUCTIONS, TRANSPORTS


@dataclass(frozen=True)
class Signal:
    """A piece `start` to `stop` of a vector on its way from op to op: where it is, and which op brought it there.

    `held` says that it is still a sample on the lines of `side`; else it is digital in the tile's memory.
    `tile` is -1 for the host. `bits` of one number are given where they are not those of its side.
    """

    op: int
    tile: int
    start: int
    stop: int
    side: Side
    held: bool = False
    bits: int = 0

    @property
    def values(self) -> int:
        """How many numbers."""
        return self.stop - self.start


Groups: TypeAlias = Sequence[tuple[tuple[int, ...], int]]


@dataclass(frozen=True)
class Sent:
    """What a builder was asked to send."""

    signal: Signal
    groups: Groups
    phase: str
    layer: int


@dataclass(frozen=True)
class Driven:
    """A read of a shard that a signal drives: as it was, and as the signal drives it."""

    signal: Signal
    stage: Stage
    shard: Shard
    side: Side
    driven: Stage


Target: TypeAlias = tuple[int, int, tuple[int, ...]]


class Transport(Protocol):
    """What the schedule's builder asks of a transport."""

    held: bool
    one_op: bool
    """Whether a message is one op, which is the same but for its stage wherever its ends are."""

    def check(self, chip: Chip, steps: int) -> None:
        """Raise SpecError if the chip's parts cannot do this with examples of so many steps."""

    def after_read(self, kit: TileKit, side: Side, lines: int, *, signed: bool) -> tuple[Stage, ...]:
        """Return the stages that follow a read of the array, within the same op."""

    def read_out(self, builder: StepBuilder, signal: Signal, phase: str, layer: int) -> Signal:
        """Return the signal in digital form in its own tile."""

    def send(self, builder: StepBuilder, signal: Signal, groups: Groups, phase: str, layer: int) -> dict[int, int]:
        """Send pieces of `values` numbers to groups of tiles; return by tile the op after which it is there."""

    def drive(self, builder: StepBuilder, signal: Signal, stage: Stage, shard: Shard, side: Side) -> Stage | None:
        """Return a read of `shard` that the signal drives directly, or None if it must be stored first."""

    def peak_stages(self, kit: TileKit, side: Side, lines: int) -> tuple[Stage, ...]:
        """Return what one vector costs beyond the read, over the longest link of a die, for the peak."""


def refuse_link(chip: Chip, transport: str, link: str) -> None:
    """Raise SpecError: a transport needs links of the kind `link`, and the chip has others."""
    what = f"transport '{transport}' cannot use a '{chip.spec.routing.link.kind}'"
    raise SpecError([Problem("routing.link.kind", what, f"give routing.link the kind '{link}'")])


_same = functools.lru_cache(1 << 16)(Need)
"""The need of the same example's instance of an op: thousands wait for the same."""


@functools.lru_cache(maxsize=1024)  # most shards have as many rows
def _sizes(rows: int, together: int) -> tuple[int, ...]:
    """Return the sizes of balanced groups of so many rows, each of at most as many as are written together."""
    return tuple([stop - start for start, stop in split(rows, together)])


class StepBuilder:
    """Collects the ops of one example; the only mutable thing on the way to a Schedule."""

    def __init__(self, chip: Chip, mapping: Mapping, examples: int) -> None:
        PASSES.check(mapping.workload.steps * len(mapping.shards), f"{mapping.workload.name}: steps")
        self.chip = chip
        self.mapping = mapping
        self.examples = examples
        self.step = 0  # to which step of the example ops belong that are added now
        self.grids = [mapping.of_layer(layer) for layer in range(len(mapping.workload.layers))]
        self.ops: list[Op] = []
        self.messages: list[Message] = []
        self.flows: list[Flow] = []
        self.sent: dict[int, Sent] = {}  # by op, where a message is one; reads that are driven by the id of their stage
        self.driven: dict[int, Driven] = {}
        self.kits = kits_of(chip, [shard.tile for shard in mapping.shards])
        self.buffers = Buffers(chip)
        self.transport: Transport = TRANSPORTS.lookup(chip.spec.routing.transport, "routing.transport")
        self.transport.check(chip, mapping.workload.steps)
        self.reduce = REDUCTIONS.lookup(chip.spec.routing.reduction, "routing.reduction")

    def op(
        self, kind: str, phase: str, layer: int, at: Shard | int, stages: Sequence[Stage], needs: Iterable[int | Need],
        *, label: str = "", variants: tuple[tuple[Stage, ...], ...] = (), maintenance: Maintenance | None = None,
        instances: int | None = None,
    ) -> int:  # fmt: skip
        """Add an op at a shard, by whose name it is told, or on a tile (-1: on none), and return its index.

        Of `needs`, an index stands for the op of the same example.
        """
        index = len(self.ops)
        unique = tuple(dict.fromkeys(_same(need) if isinstance(need, int) else need for need in needs))
        tile, name = (at, label) if isinstance(at, int) else (at.tile, at.name)
        stages_of = variants or (tuple(stages),)
        self.ops.append(Op(index, kind, phase, layer, tile, name, stages_of, unique, maintenance, instances, self.step))
        return index

    def also_needs(self, op: int, *needs: Need) -> None:
        """Let an op wait for more."""
        self.ops[op] = replace(self.ops[op], needs=tuple(dict.fromkeys((*self.ops[op].needs, *needs))))

    def signed(self, shard: Shard) -> bool:
        """Whether the vector that drives a shard may have negative numbers."""
        return self.mapping.workload.signed_vector(shard.layer)

    def target_words(self, tile: int) -> int:
        """Words of a tile's memory that hold what outputs are compared with at one step; none for a class."""
        workload, kit = self.mapping.workload, self.kits[tile]
        bits = {"class": 0, "values": workload.dataset.target_bits, "inputs": kit.bits(FORWARD)}
        return kit.words(workload.layers[-1].outputs, bits[workload.dataset.target])

    def row_groups(self, shard: Shard) -> tuple[int, ...]:
        """Return how many rows are written together, group after group, when all of a shard are."""
        return _sizes(shard.rows, min(self.chip.spec.schedule.rows_written, shard.rows))

    def value_bits(self, signal: Signal) -> int:
        """Bits of one number of a signal."""
        if signal.bits:
            return signal.bits
        if signal.tile < 0:
            return self.mapping.workload.dataset.input_bits
        return self.kits[signal.tile].bits(signal.side)

    def send(self, signal: Signal, groups: Groups, phase: str, layer: int) -> dict[int, int]:
        """Let the transport send pieces of `values` numbers to groups of tiles, and note what flows to others."""
        for tiles, values in groups:
            self.flows += [Flow(phase, signal.tile, tile, values) for tile in tiles if tile != signal.tile]
        if getattr(self.transport, "one_op", False):  # a plug-in's need not say
            self.sent[len(self.ops)] = Sent(signal, groups, phase, layer)
        return self.transport.send(self, signal, groups, phase, layer)

    def drive(self, signal: Signal, stage: Stage, shard: Shard, side: Side) -> Stage | None:
        """Let the transport drive a read of `shard` directly, if it can, and note what flows to it."""
        driven = self.transport.drive(self, signal, stage, shard, side)
        if driven is not None:
            self.flows.append(Flow(side.phase, signal.tile, shard.tile, signal.values))
            self.driven[id(driven)] = Driven(signal, stage, shard, side, driven)
        return driven

    def spread(
        self, sources: Sequence[Signal], targets: Sequence[Target], phase: str, layer: int
    ) -> dict[int, list[int]]:
        """Send to each target (start, stop, tiles) what it needs of the sources; return by tile what to wait for."""
        arrived: dict[int, list[int]] = {tile: [] for _, _, tiles in targets for tile in tiles}
        for source in sources:
            parts = [(ways, min(stop, source.stop) - max(start, source.start)) for start, stop, ways in targets]
            if groups := [(tiles, values) for tiles, values in parts if values > 0]:
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
            op = self.op("add", phase, layer, own.tile, [stage], [there, own.op])
            sums[b] = replace(own, op=op)
        return sums[-1]
