"""Simulated annealing of a placement: exchanges of two tiles, at a temperature that falls by a constant factor.

Kirkpatrick, Gelatt and Vecchi, Optimization by simulated annealing, Science 220, 671 (1983). A move that costs `d` more
is accepted with probability exp(-d / temperature); what it costs is summed over the traffic of the shards that move.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from archsim.components.cells.numeric.draws import compiled
from archsim.mapping.traffic import Distances, Integers, Traffic


@dataclass(frozen=True)
class Cooling:
    """How many `moves` are tried per shard, in how many `temperatures`.

    `hottest` is the first temperature, in mean changes of cost by a random move from the start, which is a good
    placement that should not be forgotten; `coldest` the last one, in first ones.
    """

    moves: int
    hottest: float
    coldest: float
    temperatures: int


class Costs(NamedTuple):
    """Who sends how much to whom, and how far apart tiles are."""

    first: Any
    """[shards + 1]: where a shard's part of `others` and `values` begins."""
    others: Any
    """The shards that it exchanges words with."""
    values: Any
    """How many words, to and fro."""
    to_host: Any
    """[shards]: words to and from the host."""
    x_m: Any
    y_m: Any
    host_m: Any
    """[tiles]: where each is, and how far from the host."""


def anneal(
    traffic: Traffic, distances: Distances, start: Sequence[int], allowed: Sequence[Integers], plan: Cooling, seed: int
) -> tuple[int, ...]:
    """Return tiles of the shards, one of `allowed[shard]` for each, with less traffic x distance than `start` has.

    Two shards that are allowed any tile of each other's must be allowed all.
    """
    rng = np.random.default_rng(seed)
    tiles = np.array(start, dtype=np.int64)
    shard_on = np.full(len(distances.x_m), -1, dtype=np.int64)
    shard_on[tiles] = np.arange(len(tiles))
    best, costs_m = tiles.copy(), np.zeros(2)
    costs = Costs(*traffic.neighbours, traffic.of_host, distances.x_m, distances.y_m, distances.host_m)
    sizes = np.array([len(own) for own in allowed])
    table = np.zeros((len(tiles), max(sizes)), dtype=np.int64)
    for shard, own in enumerate(allowed):
        table[shard, : len(own)] = own

    def draw(count: int) -> tuple[Integers, Integers]:
        shards = rng.integers(len(tiles), size=count)
        return shards, table[shards, rng.integers(sizes[shards])]

    tried = -(-plan.moves * len(tiles) // plan.temperatures)
    scale_m = mean_change_m(tiles, shard_on, *draw(tried), costs)
    hottest_m, coldest_m = plan.hottest * scale_m, plan.hottest * plan.coldest * scale_m
    for temperature_m in np.geomspace(hottest_m, coldest_m, plan.temperatures) if scale_m else ():
        shards, goals = draw(tried)
        move(tiles, shard_on, best, costs_m, shards, goals, temperature_m * rng.standard_exponential(tried), costs)
    return tuple(best.tolist())


@compiled
def _add_change_m(total: Any, tiles: Any, shard: Any, goal: Any, other: Any, costs: Any) -> Any:
    """Add to `total` what it costs if `shard` moves to `goal`; its distance from `other`, which comes here, stays."""
    first, others, values, to_host, x_m, y_m, host_m = costs
    home = tiles[shard]
    total += to_host[shard] * (host_m[goal] - host_m[home])
    for k in range(first[shard], first[shard + 1]):
        if others[k] != other:
            at = tiles[others[k]]
            far = abs(x_m[goal] - x_m[at]) + abs(y_m[goal] - y_m[at])
            total += values[k] * (far - abs(x_m[home] - x_m[at]) - abs(y_m[home] - y_m[at]))
    return total


@compiled
def change_m(tiles: Any, shard: Any, goal: Any, other: Any, costs: Any) -> Any:
    """Return what it costs if `shard` moves to the tile `goal`, and the shard `other` there (-1: none) to its own."""
    total = _add_change_m(0.0, tiles, shard, goal, other, costs)
    return total if other < 0 else _add_change_m(total, tiles, other, tiles[shard], shard, costs)


@compiled
def mean_change_m(tiles: Any, shard_on: Any, shards: Any, goals: Any, costs: Any) -> Any:
    """Return the mean size of the changes of cost by each of the moves alone; 0 if none changes anything."""
    total = 0.0
    for i in range(len(shards)):
        total += abs(change_m(tiles, shards[i], goals[i], shard_on[goals[i]], costs))
    return total / len(shards)


@compiled
def move(
    tiles: Any, shard_on: Any, best: Any, costs_m: Any, shards: Any, goals: Any, allowed_m: Any, costs: Any
) -> None:
    """Make each of the moves that costs at most what is allowed for it, in `tiles` and `shard_on`.

    `best` is kept as the tiles of the least cost; `costs_m` is what the tiles and the best cost more than the start.
    """
    for i in range(len(shards)):
        shard, goal = shards[i], goals[i]
        home, other = tiles[shard], shard_on[goal]
        if goal == home:
            continue
        more_m = change_m(tiles, shard, goal, other, costs)
        if more_m <= allowed_m[i]:
            tiles[shard], shard_on[goal] = goal, shard
            shard_on[home] = other
            if other >= 0:
                tiles[other] = home
            costs_m[0] += more_m
            if costs_m[0] < costs_m[1]:
                costs_m[1] = costs_m[0]
                for j in range(len(best)):
                    best[j] = tiles[j]
