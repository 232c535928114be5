"""Partition, then placement: a workload is cut into shards, and the chip's placement gives each a tile."""

from __future__ import annotations

from archsim.base.uncollected import uncollected
from archsim.chip.graph import Chip
from archsim.mapping.placement import in_order
from archsim.mapping.shards import Cut, Mapping, Shard, cut, split
from archsim.mapping.traffic import Traffic, traffic_of
from archsim.spec.choices import PLACEMENTS
from archsim.workload.network import Workload

__all__ = ["Cut", "Mapping", "Shard", "cut", "map_workload", "split"]


@uncollected()
def map_workload(workload: Workload, chip: Chip, *, seed: int = 0, known: Traffic | None = None) -> Mapping:
    """Return the shards of a workload on a chip's tiles; raise InfeasibleError with numbers if they do not fit.

    `seed` is that of placements which draw; a run leaves it at 0, so that its mapping follows from its specs alone.
    `known` is what the shards exchange, where that is known: it is the same wherever they are.
    """
    pieces = cut(workload, chip)

    def traffic() -> Traffic:
        return traffic_of(chip, pieces.on(in_order(chip, pieces))) if known is None else known

    place = PLACEMENTS.lookup(chip.spec.placement, "placement")
    return pieces.on(place(chip, pieces, traffic, seed, **chip.spec.placement_options.arguments()))
