"""Placements: which tile each piece of a workload gets.

A placement is a function of the chip, the cut workload, its traffic and a seed, which returns a tile for each piece.
The traffic is handed over as a function: to know it costs a schedule, which placements that do not look at it save.

`in_order` and `snake` choose the kind of a piece's tile, the smallest that holds it; the others place each piece on a
tile of the kind that `in_order` chose, so that only the way between tiles differs.
"""

from __future__ import annotations

import functools
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from archsim.base.errors import InfeasibleError
from archsim.base.limits import DRAWS, MOVES, ROUNDS, TRIES
from archsim.base.units import Dimension
from archsim.chip.graph import Chip
from archsim.mapping.shards import Cut
from archsim.mapping.spectrum import Effort, smoothest
from archsim.mapping.traffic import Distances, Floats, Integers, Traffic, distances_of
from archsim.spec.choices import PLACEMENTS

Positive = Annotated[float, Dimension("", most=1e3)]
Rounds = Annotated[int, Dimension("", least=1, above=False, most=ROUNDS.most, whole=True)]
Moves = Annotated[int, Dimension("", least=1, above=False, most=MOVES.most, whole=True)]
Asked = Callable[[], Traffic]
Tiles = tuple[int, ...]


@PLACEMENTS.add("in_order")
def in_order(chip: Chip, cut: Cut, traffic: Asked | None = None, seed: int = 0) -> Tiles:
    """Row-major: the tiles row after row of the floorplan, chip after chip of a package."""
    return _fill(chip, cut, tuple(itertools.chain.from_iterable(_rows(chip))))


@PLACEMENTS.add("snake")
def snake(chip: Chip, cut: Cut, traffic: Asked | None = None, seed: int = 0) -> Tiles:
    """The tiles row after row, every second row backwards, so that neighbours follow each other."""
    return _fill(chip, cut, snake_order(chip))


@PLACEMENTS.add("greedy")
def greedy(chip: Chip, cut: Cut, traffic: Asked, seed: int = 0) -> Tiles:
    """The shard with most traffic to those placed goes to the free tile with the least sum of traffic x distance.

    The host is there from the beginning. Of tiles that are equally good it is the one nearest to the host.
    """
    demand, distances = traffic(), distances_of(chip)
    first, others, values = demand.neighbours
    to_host = demand.of_host
    kinds, free = _by_kind(chip, in_order(chip, cut))
    tiles = np.full(demand.count, -1)
    attraction = to_host.copy()
    for _ in range(demand.count):
        shard = int(np.argmax(np.where(tiles < 0, attraction, -1.0)))
        own = slice(first[shard], first[shard + 1])
        there = tiles[others[own]] >= 0
        candidates = free[kinds[shard]]
        at = tiles[others[own][there]]
        apart_m = np.abs(distances.x_m[candidates, None] - distances.x_m[at])
        apart_m += np.abs(distances.y_m[candidates, None] - distances.y_m[at])
        cost_m = to_host[shard] * distances.host_m[candidates] + (apart_m * values[own][there]).sum(axis=1)
        place = _least(cost_m, distances.host_m[candidates])
        tiles[shard] = candidates[place]
        free[kinds[shard]] = np.delete(candidates, place)
        attraction[others[own]] += values[own]
    return tuple(tiles.tolist())


@PLACEMENTS.add("spectral")
def spectral(
    chip: Chip, cut: Cut, traffic: Asked, seed: int = 0, *,
    rounds: Annotated[Rounds, Field(description="Rounds in which the vectors are found.")] = 60,
    residual: Annotated[Positive, Field(description="What a round may leave, as a share.")] = 1e-4,
    steps: Annotated[Rounds, Field(description="Steps of a round at the most.")] = 400,
    tie: Annotated[Positive, Field(description="Traffic added between neighbours in order, as a share.")] = 1e-3,
) -> Tiles:  # fmt: skip
    """Two smooth vectors over the graph of traffic put the shards in order in the die's two directions.

    They are the eigenvectors of its Laplacian with the smallest eigenvalues above 0 (Fiedler 1973; Hall 1970), the
    host being a node as well. Tiles nearest to the host are used. Of the eight ways to lay the two directions along
    the die's, it is that with the least sum of traffic x distance.

    Shards that follow each other are tied by the share `tie` of the mean traffic: it joins parts that exchange nothing,
    and keeps shards of equal traffic in order, which would else be left to rounding. `rounds`, `residual` and `steps`
    are the effort to find the vectors (`spectrum.Effort`); all are assumptions.
    """
    demand, distances = traffic(), distances_of(chip)
    kinds, free = _by_kind(chip, in_order(chip, cut))
    used = {
        kind: np.sort(tiles[np.argsort(distances.host_m[tiles], kind="stable")[: kinds.count(kind)]])
        for kind, tiles in free.items()
    }
    members = {kind: np.flatnonzero(np.array(kinds) == kind) for kind in used}
    laid = []
    vectors = _smoothest(demand, tie, Effort(rounds, residual, steps))
    for (one, other), a, b in itertools.product((vectors, vectors[::-1]), (1, -1), (1, -1)):
        tiles = np.empty(demand.count, dtype=np.int64)
        for kind, own in members.items():
            tiles[own] = _lay(a * one[own], b * other[own], used[kind], distances)
        laid.append(tuple(tiles.tolist()))
    return min(laid, key=lambda tiles: distances.cost_m(demand, tiles))


@PLACEMENTS.add("annealed")
def annealed(
    chip: Chip, cut: Cut, traffic: Asked, seed: int = 0, *,
    moves: Annotated[Moves, Field(description="Exchanges and moves that are tried per shard.")] = 3000,
    hottest: Annotated[Positive, Field(description="First temperature, in mean changes of cost by a move.")] = 0.3,
    coldest: Annotated[Positive, Field(description="Last temperature, as a share of the first.")] = 1e-2,
    temperatures: Annotated[Rounds, Field(description="Temperatures through which it cools.")] = 100,
) -> Tiles:  # fmt: skip
    """Simulated annealing of the sum of traffic x distance, from the best of the other placements and never worse.

    `moves` is how many exchanges and moves to free tiles are tried per shard; the others are how it cools
    (`annealing.Cooling`). All are assumptions.
    """
    from archsim.mapping.annealing import Cooling, anneal

    TRIES.check(moves * len(cut.pieces), "placement_options.moves")
    DRAWS.check(moves * len(cut.pieces) / temperatures, "placement_options.temperatures")
    demand, distances, cooling = traffic(), distances_of(chip), Cooling(moves, hottest, coldest, temperatures)
    home = in_order(chip, cut)
    kinds, free = _by_kind(chip, home)
    starts = [home, *(place(chip, cut, lambda: demand) for place in (snake, greedy, spectral))]
    alike = [tiles for tiles in starts if _by_kind(chip, tiles)[0] == kinds]
    start = min(alike, key=lambda tiles: distances.cost_m(demand, tiles))
    found = anneal(demand, distances, start, [free[kind] for kind in kinds], cooling, seed)
    return min((found, start), key=lambda tiles: distances.cost_m(demand, tiles))


def snake_order(chip: Chip) -> list[int]:
    """Return all tiles of a chip row after row, every second row backwards."""
    rows = _rows(chip)
    return [tile for number, row in enumerate(rows) for tile in (row[::-1] if number % 2 else row)]


def _rows(chip: Chip) -> list[list[int]]:
    """Return the tiles of each row of the floorplan, chip after chip."""
    own = len(chip.tiles) // chip.spec.chips
    places = sorted((tile // own, *chip.plan.grid[tile], tile) for tile in range(len(chip.tiles)))
    return [[place[-1] for place in row] for _, row in itertools.groupby(places, key=lambda place: place[:2])]


def _fill(chip: Chip, cut: Cut, order: Sequence[int]) -> Tiles:
    """Give each piece in turn the first free tile, in that order, of the smallest size that holds it."""
    free: dict[tuple[int, int], deque[tuple[int, int]]] = {}
    sizes = {name: (spec.rows, spec.cols) for name, spec in chip.spec.tile_kinds}
    for place, tile in enumerate(order):
        free.setdefault(sizes[chip.kinds[tile]], deque()).append((place, tile))
    tiles = []
    for piece in cut.pieces:
        fits = [(rows * cols, queue[0], queue) for (rows, cols), queue in free.items()
                if rows >= piece.rows and cols >= piece.cols and queue]  # fmt: skip
        if not fits:
            raise InfeasibleError(
                f"layer {cut.workload.layers[piece.layer].name}: no free tile holds a shard of "
                f"{piece.rows} x {piece.cols}; use more tiles of kind 'tile'"
            )
        tiles.append(min(fits, key=lambda entry: entry[:2])[2].popleft()[1])
    return tuple(tiles)


def _by_kind(chip: Chip, tiles: Tiles) -> tuple[list[str], dict[str, Integers]]:
    """Return the kind of each piece's tile, and all tiles of the chip by kind."""
    kinds = np.array(chip.kinds)
    free = {kind: np.flatnonzero(kinds == kind) for kind in dict.fromkeys(chip.kinds)}
    return [chip.kinds[tile] for tile in tiles], free


def _least(cost_m: Floats, host_m: Floats) -> int:
    """Return the place of the least cost; of those equal but for rounding, the first of those nearest to the host."""
    equal = np.flatnonzero(cost_m <= cost_m.min() * (1 + 1e-9))
    return int(equal[np.argmin(host_m[equal])])


def _smoothest(traffic: Traffic, tie: float, effort: Effort) -> tuple[Floats, Floats]:
    """Return two coordinates of each shard in which what exchanges much is close; `tie` joins those in order."""
    return _smooth(traffic.count, tuple(sorted(traffic.values.items())), tie, effort)


@functools.lru_cache(maxsize=64)  # studies place the same network on many chips
def _smooth(
    host: int, values_of: tuple[tuple[tuple[int, int], int], ...], tie: float, effort: Effort
) -> tuple[Floats, Floats]:
    traffic = Traffic(host, dict(values_of))  # the host is a node as well
    first, others, values = traffic.neighbours
    to_host = traffic.of_host
    near = np.flatnonzero(to_host)
    shards, at_host = np.arange(host), np.full(len(near), host)
    sources = [np.repeat(shards, np.diff(first)), near, at_host, shards[:-1], shards[1:]]
    targets = [others, at_host, near, shards[1:], shards[:-1]]
    weights = np.concatenate([values, to_host[near], to_host[near]])
    ties = np.full(2 * (host - 1), tie * weights.mean())
    ends = np.concatenate(sources), np.concatenate(targets)
    along, across = smoothest(ends, np.concatenate([weights, ties]), host + 1, effort)
    return along[:host], across[:host]


def _lay(along: Floats, across: Floats, tiles: Integers, distances: Distances) -> Integers:
    """Return the tiles of shards: columns of tiles are filled in order of `along`, each in order of `across`."""
    x_m, y_m = distances.x_m[tiles], distances.y_m[tiles]
    by_place = np.lexsort((y_m, x_m))
    bounds = np.flatnonzero(np.diff(x_m[by_place]) > 0) + 1
    laid = np.empty(len(tiles), dtype=np.int64)
    columns = zip(np.split(np.argsort(along, kind="stable"), bounds), np.split(by_place, bounds), strict=True)
    for shards, places in columns:
        laid[shards[np.argsort(across[shards], kind="stable")]] = tiles[places]
    return laid
