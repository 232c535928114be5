"""Synthetic traffic: to which tile the packets of each tile go, and when they are made.

The patterns and their names are those of Dally and Towles, Principles and Practices of Interconnection Networks, 2004,
section 3.2: permutations of addresses, or of their digits, which are a tile's row and column. A tile may send to
itself, as there and in BookSim: such a packet goes to the router and back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from archsim.base.errors import Problem, SpecError
from archsim.base.registry import Registry


@dataclass(frozen=True)
class Traffic:
    """A grid of tiles, and what the patterns may be told: the hot spot, and its share of all packets.

    Tile `row * columns + column` stands in that row and column.
    """

    rows: int
    columns: int
    hot_tile: int = 0
    hot_share: float = 0.1

    @property
    def tiles(self) -> int:
        """How many tiles."""
        return self.rows * self.columns


Pattern: TypeAlias = Callable[[Traffic], np.ndarray]
TRAFFIC: Registry[Pattern] = Registry("traffic pattern")
"""Each returns the share of each tile's packets (row) that goes to each tile (column); rows add up to 1."""


def _permuted(grid: Traffic, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    """Return the shares of a permutation: the tile at each place sends to that row and column."""
    weights = np.zeros((grid.tiles, grid.tiles))
    weights[np.arange(grid.tiles), row * grid.columns + column] = 1.0
    return weights


def _places(grid: Traffic) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.divmod(np.arange(grid.tiles), grid.columns)
    return row, column


@TRAFFIC.add("uniform")
def uniform(grid: Traffic) -> np.ndarray:
    """Every tile alike, the sender among them."""
    return np.full((grid.tiles, grid.tiles), 1 / grid.tiles)


@TRAFFIC.add("transpose")
def transpose(grid: Traffic) -> np.ndarray:
    """From row i, column j to row j, column i."""
    if grid.rows != grid.columns:
        what = f"'transpose' needs as many rows as columns, not {grid.rows} x {grid.columns}"
        raise SpecError([Problem("--traffic", what, f"give --size {grid.columns}x{grid.columns}, or other traffic")])
    row, column = _places(grid)
    return _permuted(grid, column, row)


@TRAFFIC.add("hotspot")
def hotspot(grid: Traffic) -> np.ndarray:
    """A share of all packets to one tile, the rest to every tile alike."""
    weights = (1 - grid.hot_share) * uniform(grid)
    weights[:, grid.hot_tile] += grid.hot_share
    return weights


@TRAFFIC.add("bit_complement")
def bit_complement(grid: Traffic) -> np.ndarray:
    """To the address with all bits turned, the place opposite."""
    if grid.tiles & (grid.tiles - 1):
        what = f"'bit_complement' needs a power of two of tiles, not {grid.tiles}"
        raise SpecError([Problem("--traffic", what, "give a --size such as 8x8, or other traffic")])
    row, column = _places(grid)
    return _permuted(grid, grid.rows - 1 - row, grid.columns - 1 - column)


@TRAFFIC.add("tornado")
def tornado(grid: Traffic) -> np.ndarray:
    """Just less than half of the way around, in both dimensions."""
    row, column = _places(grid)
    far_row, far_column = ((size + 1) // 2 - 1 for size in (grid.rows, grid.columns))
    return _permuted(grid, (row + far_row) % grid.rows, (column + far_column) % grid.columns)


@TRAFFIC.add("neighbour")
def neighbour(grid: Traffic) -> np.ndarray:
    """To the next row and column, around the edge."""
    row, column = _places(grid)
    return _permuted(grid, (row + 1) % grid.rows, (column + 1) % grid.columns)


@dataclass(frozen=True)
class Packets:
    """Packets by age: when each is made, in cycles, and by and for which tile.

    `way` says, from 0 to 1, which of several routes that are as good it takes.
    """

    created: np.ndarray
    source: np.ndarray
    target: np.ndarray
    way: np.ndarray


def draw_packets(weights: np.ndarray, load: float, flits: int, cycles: int, seed: int) -> Packets:
    """Return the packets that tiles make in so many cycles: in each, every tile makes one with chance load / flits.

    A tile's draws depend on the seed and its number alone.
    """
    chance = load / flits
    most = int(cycles * chance + 10 * np.sqrt(cycles * chance) + 20)
    created, source, target, way = [], [], [], []
    for tile, row in enumerate(weights):
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, tile])))
        times = np.cumsum(draws.geometric(chance, most)) - 1
        times = times[times < cycles]
        sums = np.cumsum(row)
        created.append(times)
        source.append(np.full(len(times), tile))
        target.append(np.searchsorted(sums, draws.random(len(times)) * sums[-1], side="right"))
        way.append(draws.random(len(times)))
    order = np.argsort(np.concatenate(created), kind="stable")
    made, sent, wanted = (np.concatenate(parts)[order].astype(np.int64) for parts in (created, source, target))
    return Packets(made, sent, wanted, np.concatenate(way)[order])
