"""Partition: each layer is cut into balanced shards that fit a crossbar, and each shard gets a tile."""

from __future__ import annotations

import itertools
from collections import deque
from dataclasses import dataclass
from math import ceil

from archsim.chip.graph import Chip
from archsim.errors import InfeasibleError
from archsim.spec import PLACEMENTS
from archsim.workload.network import Dense, Workload


@dataclass(frozen=True, slots=True)
class Shard:
    """The piece of a layer on one crossbar: rows `row_start` to `row_stop` (the last is the bias), and columns.

    `row` and `col` are its place among the layer's shards; `inputs` counts its rows without the bias row.
    """

    index: int
    layer: int
    row: int
    col: int
    row_start: int
    row_stop: int
    col_start: int
    col_stop: int
    inputs: int
    tile: int

    @property
    def rows(self) -> int:
        """Crossbar rows in use."""
        return self.row_stop - self.row_start

    @property
    def cols(self) -> int:
        """Crossbar columns in use."""
        return self.col_stop - self.col_start

    @property
    def cells(self) -> int:
        """Cells in use: synapses, bias row included."""
        return self.rows * self.cols

    @property
    def name(self) -> str:
        """Its place as text, for traces: `[0,1]`."""
        return f"[{self.row},{self.col}]"


@dataclass(frozen=True)
class Mapping:
    """All shards, by layer; `grid[layer]` is its number of row and column shards."""

    workload: Workload
    shards: tuple[Shard, ...]
    grid: tuple[tuple[int, int], ...]

    def of_layer(self, layer: int) -> list[list[Shard]]:
        """Return the layer's shards as rows of columns."""
        _, cols = self.grid[layer]
        own = [shard for shard in self.shards if shard.layer == layer]
        return [own[i : i + cols] for i in range(0, len(own), cols)]


def split(total: int, most: int) -> list[tuple[int, int]]:
    """Return balanced (start, stop) pieces of at most `most`, the larger ones first.

    >>> split(529, 512)
    [(0, 265), (265, 529)]
    """
    pieces = ceil(total / most)
    size, extra = divmod(total, pieces)
    bounds = [i * size + min(i, extra) for i in range(pieces + 1)]
    return list(itertools.pairwise(bounds))


def map_workload(workload: Workload, chip: Chip) -> Mapping:
    """Return the shards of a workload on a chip's tiles; raise InfeasibleError with numbers if they do not fit."""
    tile = chip.spec.tile
    cuts = [(split(layer.rows, tile.rows), split(layer.outputs, tile.cols)) for layer in workload.layers]
    needed = sum(len(rows) * len(cols) for rows, cols in cuts)
    if needed > len(chip.tiles):
        raise InfeasibleError(_too_small(workload, chip, [len(r) * len(c) for r, c in cuts]))
    free = _free_by_size(chip)
    shards: list[Shard] = []
    for layer, (rows, cols) in enumerate(cuts):
        for r, (row_start, row_stop) in enumerate(rows):
            for c, (col_start, col_stop) in enumerate(cols):
                home = _take(free, row_stop - row_start, col_stop - col_start)
                if home is None:
                    raise InfeasibleError(
                        f"layer {workload.layers[layer].name}: no free tile holds a shard of "
                        f"{row_stop - row_start} x {col_stop - col_start}; use more tiles of kind 'tile'"
                    )
                inputs = min(row_stop, workload.layers[layer].inputs) - row_start
                place = (len(shards), layer, r, c, row_start, row_stop, col_start, col_stop, inputs, home)
                shards.append(Shard(*place))
    return Mapping(workload, tuple(shards), tuple((len(rows), len(cols)) for rows, cols in cuts))


def _free_by_size(chip: Chip) -> dict[tuple[int, int], deque[tuple[int, int]]]:
    """Return (place in the order of placement, tile) of the free tiles, by crossbar size."""
    free: dict[tuple[int, int], deque[tuple[int, int]]] = {}
    for place, tile in enumerate(PLACEMENTS.lookup(chip.spec.placement, "placement")(chip)):
        spec = chip.tiles[tile].spec
        free.setdefault((spec.rows, spec.cols), deque()).append((place, tile))
    return free


def _take(free: dict[tuple[int, int], deque[tuple[int, int]]], rows: int, cols: int) -> int | None:
    """Take the next tile of the smallest size that holds so many rows and columns; None if there is none."""
    fitting = [(r * c, queue[0], queue) for (r, c), queue in free.items() if r >= rows and c >= cols and queue]
    if not fitting:
        return None
    return min(fitting, key=lambda entry: entry[:2])[2].popleft()[1]


def _too_small(workload: Workload, chip: Chip, needs: list[int]) -> str:
    def line(layer: Dense, tiles: int) -> str:
        return f"{layer.name} ({layer.rows:,} x {layer.outputs:,}) needs {tiles:,}"

    total, have, tile = sum(needs), len(chip.tiles), chip.spec.tile
    shown = sorted(zip(workload.layers, needs, strict=True), key=lambda pair: -pair[1])[:5]
    lines = ", ".join(line(layer, tiles) for layer, tiles in shown)
    return (
        f"workload {workload.name} needs {total:,} tiles of {tile.rows} x {tile.cols}, the chip {chip.spec.name} has "
        f"{have:,} ({total - have:,} short): {lines}; use --set tile.count={total}, or larger tile.rows and tile.cols"
    )
