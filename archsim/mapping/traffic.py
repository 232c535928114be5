"""Traffic: how many values an example sends between shards, and how far they go on the die."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from functools import cached_property
from math import fsum
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from archsim.chip.graph import Chip
from archsim.mapping.modes import step_flows
from archsim.mapping.shards import Mapping

HOST = -1  # stands for the host among the numbers of shards
Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Traffic:
    """Values that one training example sends from shard to shard, by (source, target); the host is -1.

    A value that goes to several shards at once (a multicast) counts once for each.
    """

    count: int
    values: Table[tuple[int, int], int]

    @cached_property
    def of_host(self) -> Floats:
        """The values that each shard exchanges with the host."""
        found = np.zeros(self.count)
        for (source, target), values in self.values.items():
            if HOST in (source, target):
                found[max(source, target)] += values
        return _kept(found)

    @cached_property
    def neighbours(self) -> tuple[Integers, Integers, Floats]:
        """The values between shards, both ways added up, as rows of a sparse symmetric matrix.

        The partners of shard `s`, in order, are `others[first[s] : first[s + 1]]`, its values with them the same
        places of `values`; here are `first`, `others` and `values`.
        """
        pairs: Counter[tuple[int, int]] = Counter()
        for (source, target), values in self.values.items():
            if HOST not in (source, target):
                pairs[source, target] += values
                pairs[target, source] += values
        places = sorted(pairs)
        owners = np.array([owner for owner, _ in places], dtype=np.int64)
        first = np.searchsorted(owners, np.arange(self.count + 1)).astype(np.int64)
        others = np.array([other for _, other in places], dtype=np.int64)
        both_ways = np.array([pairs[place] for place in places], dtype=np.float64)
        return _kept(first), _kept(others), _kept(both_ways)


A = TypeVar("A", Integers, Floats)


def _kept(array: A) -> A:
    """Return the array, from now on only to be read."""
    array.flags.writeable = False
    return array


_KNOWN: dict[Hashable, Traffic] = {}
_MOST_KNOWN = 64  # networks and kinds of chips whose traffic is kept; time alone depends on it


def traffic_of(chip: Chip, mapping: Mapping) -> Traffic:
    """Return the traffic of one training example, as the schedule's builder sends it.

    What shards exchange does not depend on where they are, so that any mapping will do, and chips that differ in
    floorplan, placement and topology alone have it once.
    """
    spec, routing = chip.spec, chip.spec.routing
    asked = (mapping.workload, spec.tile, tuple(spec.variants.items()), spec.schedule, spec.numerics, routing.link,
             routing.transport, routing.reduction)  # fmt: skip
    found = _KNOWN.get(asked)
    if found is None:
        found = traffic_sent(chip, mapping)
        if len(_KNOWN) >= _MOST_KNOWN:
            _KNOWN.clear()
        _KNOWN[asked] = found
    return found


def traffic_sent(chip: Chip, mapping: Mapping) -> Traffic:
    """Return what `traffic_of` does, found by building one example's schedule."""
    shard_on = {shard.tile: shard.index for shard in mapping.shards} | {HOST: HOST}
    values: Counter[tuple[int, int]] = Counter()
    for flow in step_flows(chip, mapping):
        values[shard_on[flow.source], shard_on[flow.target]] += flow.values
    return Traffic(len(mapping.shards), values)


def route_cost_m(chip: Chip, traffic: Traffic, tiles: Sequence[int]) -> float:
    """Return the sum over all traffic of values x length of their route, in metres; `tiles` are the shards' tiles."""

    def node(shard: int) -> str:
        return "host" if shard == HOST else f"tile{tiles[shard]}"

    return fsum(
        values * chip.way(node(source), node(target)).length_m for (source, target), values in traffic.values.items()
    )


@dataclass(frozen=True)
class Distances:
    """How far apart tiles are, for placements to search by: arrays over the chip's tiles, in metres.

    Between two tiles it is the Manhattan distance of their sites, which stands for the length of the route: it is that
    length on a mesh of equal sites, and an estimate on other topologies. To the host it is the length of the route.
    """

    x_m: Floats
    y_m: Floats
    host_m: Floats

    def cost_m(self, traffic: Traffic, tiles: Sequence[int]) -> float:
        """Return the sum over all traffic of values x distance, in metres; `tiles` are the shards' tiles."""
        at = np.asarray(tiles)
        first, others, values = traffic.neighbours
        here, there = at[np.repeat(np.arange(traffic.count), np.diff(first))], at[others]
        apart_m = np.abs(self.x_m[here] - self.x_m[there]) + np.abs(self.y_m[here] - self.y_m[there])
        return fsum(values * apart_m) / 2 + fsum(traffic.of_host * self.host_m[at])  # each pair stands there twice


def distances_of(chip: Chip) -> Distances:
    """Return the distances of a chip's tiles."""
    centres = np.array([site.centre_m for site in chip.plan.sites])
    return Distances(centres[:, 0], centres[:, 1], np.array(chip.from_host_m))
