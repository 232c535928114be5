"""What a run will take of the machine that simulates it, told before it is begun where that is much."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

from archsim.base.errors import SpecError
from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.mapping.shards import Mapping

SHARD_S, HOP_S, TILE_S = 2e-3, 15e-6, 0.2e-3
"""Seconds for each shard and step, each link that a vector of a step crosses, and each tile. Assumptions, as all here:
measured on a core of an AMD EPYC with 10,000 layers, 10,000 full tiles, and 100,000 tiles of which few are used."""
SHARD_BYTES, HOP_BYTES, TILE_BYTES, OTHER_BYTES = 40_000, 300, 10_000, 200_000_000
"""Bytes likewise, and those of the program."""
SENT = 3.7
"""Ways that each shard's vectors go in a step of training; in forward passes alone there are half as many."""
MUCH_S, MUCH_BYTES = 60.0, 2_000_000_000
"""What takes no more than this is not worth a word."""
SAMPLE = 50
"""Ways whose length is looked at."""


@dataclass(frozen=True)
class Effort:
    """Seconds on one core and bytes of memory, estimated, and from how many shards, ways and links on each."""

    seconds: float
    bytes: float
    shards: int
    links: float

    @property
    def much(self) -> bool:
        """Whether it is worth a word."""
        return self.seconds > MUCH_S or self.bytes > MUCH_BYTES

    @property
    def text(self) -> str:
        """What to say of it."""
        minutes = f"{self.seconds / 60:,.0f} min" if self.seconds > 90 else f"{self.seconds:.0f} s"
        links = counted(self.links, "link", form=",.3g")
        return (
            f"{counted(self.shards, 'shard')}, from each to the next {links}: about {minutes} and "
            f"{engineering(self.bytes, 'B', 2)} (an estimate); larger tile.rows and tile.cols take less"
        )


def effort_of(chip: Chip, mapping: Mapping) -> Effort:
    """Return what it takes to schedule and simulate an example of a workload that is mapped, and to report on it.

    The ways between shards of neighbouring layers are as long as those between some that lie as far apart in order.
    """
    shards, workload = mapping.shards, mapping.workload
    apart = max(1, len(shards) // len(workload.layers))
    pairs = [(shards[i].tile, shards[i + apart].tile)
             for i in range(0, len(shards) - apart, max(1, (len(shards) - apart) // SAMPLE))]  # fmt: skip
    ways = []
    with suppress(SpecError):  # where there is no way, the schedule says so
        ways += [len(chip.nodes(f"tile{a}", f"tile{b}")) - 1 for a, b in pairs]
    links = sum(ways) / len(ways) if ways else 0.0
    runs = sum(len(workload.layers[shard.layer].vectors(workload)) for shard in shards)
    hops = runs * links * (SENT if workload.mode == "training" else SENT / 2)
    seconds = SHARD_S * runs + HOP_S * hops + TILE_S * len(chip.tiles)
    taken = OTHER_BYTES + SHARD_BYTES * runs + HOP_BYTES * hops + TILE_BYTES * len(chip.tiles)
    return Effort(seconds, taken, len(shards), links)


def warn_of(effort: Effort) -> None:
    """Say what a run takes, if that is much."""
    if effort.much:
        logging.getLogger("archsim").warning("archsim: %s", effort.text)
