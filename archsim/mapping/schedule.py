"""The schedule: a template of one training step, unrolled lazily by whoever executes it.

It holds ops, what each waits for in this example or an earlier one, and the maintenance ops with their
triggers. Timing (`simulation`) and numbers (`functional`) are two executors of the same schedule.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from archsim.chip.graph import Chip
from archsim.mapping.shards import Mapping

# What a tile can be doing in a cycle, most telling first: a tile in several states counts as the first.
STATES = (
    "program", "transfer", "refresh", "forward", "backward", "update", "convert", "digital", "send", "receive",
    "waiting_link", "waiting_tile", "waiting_transfer", "waiting_data",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Use:
    """A billed action: `count` items of `action` on a unit."""

    unit: int
    action: str
    count: int


@dataclass(frozen=True, slots=True)
class Stage:
    """Units granted together or not at all, for a whole number of cycles.

    `acquire` lists the units to hold; `release` gives (cycles after the grant, unit) for each unit that is
    let go, which may have been acquired by an earlier stage. The next stage follows after `latency_cycles`.
    `shows` says as what each tile counts meanwhile, `waits` as what its tile counts before the grant. `port` is given
    where a router's arbitration turns on it: (the input from which the one unit is asked for, how many inputs it has).
    With `in_order` those that wait for the one unit get it in the order in which they asked, not by age.
    """

    latency_cycles: int
    acquire: tuple[int, ...] = ()
    release: tuple[tuple[int, int], ...] = ()
    uses: tuple[Use, ...] = ()
    shows: tuple[tuple[int, str], ...] = ()
    waits: tuple[int, str] | None = None
    port: tuple[int, int] | None = None
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """Instance n of an op waits until `op` has been done ((n num + off) // den) scale + add times.

    The plain case, `Need(op)`: it waits for the same example; `Need(op, add=1 - lag)`: for an earlier one.
    """

    op: int
    num: int = 1
    off: int = 0
    den: int = 1
    scale: int = 1
    add: int = 1

    @property
    def plain(self) -> bool:
        """Whether the count needed is n + add."""
        return (self.num, self.off, self.den, self.scale) == (1, 0, 1, 1)

    def count(self, n: int) -> int:
        """Return how often the op must have been done before instance n."""
        return ((n * self.num + self.off) // self.den) * self.scale + self.add


@dataclass(frozen=True, slots=True)
class Maintenance:
    """What a maintenance op does to its shard's capacitors: one instance handles these groups of rows in turn.

    `groups[k % len(groups)]` lists the row counts of instance k; `group_cycles` is the time of each, and each
    is read at its beginning. `first[k % ...]` is the number of the first group. `rewrite` ops are triggered
    by age (`period_cycles` since the last transfer or rewrite of the shard), the others by their needs.
    """

    shard: int
    groups: tuple[tuple[int, ...], ...]
    first: tuple[int, ...]
    group_cycles: int
    period_cycles: int = 0
    cells_at_once: int = 0


@dataclass(frozen=True, slots=True)
class Op:
    """An op of the schedule on a tile; `variants[n % len(variants)]` are the stages of instance n.

    `step` is the step of the example to which it belongs. An update op does those of all steps, a stage for each.
    """

    index: int
    kind: str
    phase: str
    layer: int
    tile: int
    label: str
    variants: tuple[tuple[Stage, ...], ...]
    needs: tuple[Need, ...]
    maintenance: Maintenance | None = None
    instances: int | None = None
    step: int = 0

    @property
    def acquires(self) -> Iterator[int]:
        """The units that its stages hold, each as often as one does."""
        return (unit for variant in self.variants for stage in variant for unit in stage.acquire)

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages of most instances."""
        return self.variants[0]


@dataclass(frozen=True, slots=True)
class Message:
    """Bookkeeping of one multicast: bits (or values) at the source, and at how many places they must arrive."""

    source_op: int
    last_ops: tuple[int, ...]
    bits: int


@dataclass(frozen=True, slots=True)
class Flow:
    """Numbers that one example sends from a tile (-1: the host) to another; a multicast has one for each target."""

    phase: str
    source: int
    target: int
    values: int


@dataclass(frozen=True)
class Schedule:
    """The template: ops in order, the op that ends an example, and what is needed to account for it."""

    chip: Chip
    mapping: Mapping
    ops: tuple[Op, ...]
    end: int
    examples: int
    batch: int
    in_flight: int
    updates: tuple[int, ...]
    messages: tuple[Message, ...] = ()

    @property
    def used_tiles(self) -> tuple[int, ...]:
        """Tiles that hold a shard, in order of the shards."""
        return tuple(shard.tile for shard in self.mapping.shards)

    @property
    def leak_interval(self) -> int:
        """Examples between two ticks of leakage in numbers; the spec's are of vectors."""
        return max(1, self.chip.spec.numerics.leak_interval // self.mapping.workload.steps)

    @property
    def activity_interval(self) -> int:
        """Examples between two readings of conductances in numbers; the spec's are of vectors."""
        return max(1, self.chip.spec.numerics.activity_interval // self.mapping.workload.steps)
