"""Shards: each layer is cut into balanced pieces that fit a crossbar; with a tile, a piece is a shard."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import ceil

from archsim.chip.graph import Chip
from archsim.errors import InfeasibleError
from archsim.workload.network import Dense, Workload


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a layer for one crossbar: rows `row_start` to `row_stop` (the last is the bias), and columns.

    `row` and `col` are its place among the layer's pieces; `inputs` counts its rows without the bias row.
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


@dataclass(frozen=True, slots=True)
class Shard(Piece):
    """A piece of a layer on the crossbar of its tile."""

    tile: int


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


@dataclass(frozen=True)
class Cut:
    """A workload in pieces that have no tiles yet; `grid[layer]` is its number of row and column pieces."""

    workload: Workload
    pieces: tuple[Piece, ...]
    grid: tuple[tuple[int, int], ...]

    def on(self, tiles: Sequence[int]) -> Mapping:
        """Return the mapping in which each piece has the tile at its place in `tiles`."""
        shards = (Shard(**asdict(piece), tile=tile) for piece, tile in zip(self.pieces, tiles, strict=True))
        return Mapping(self.workload, tuple(shards), self.grid)


def split(total: int, most: int) -> list[tuple[int, int]]:
    """Return balanced (start, stop) pieces of at most `most`, the larger ones first.

    >>> split(529, 512)
    [(0, 265), (265, 529)]
    """
    pieces = ceil(total / most)
    size, extra = divmod(total, pieces)
    bounds = [i * size + min(i, extra) for i in range(pieces + 1)]
    return list(itertools.pairwise(bounds))


def cut(workload: Workload, chip: Chip) -> Cut:
    """Return the pieces of a workload for a chip's arrays; raise InfeasibleError if there are more than tiles."""
    tile = chip.spec.tile
    cuts = [(split(layer.rows, tile.rows), split(layer.outputs, tile.cols)) for layer in workload.layers]
    needs = [len(rows) * len(cols) for rows, cols in cuts]
    if sum(needs) > len(chip.tiles):
        raise InfeasibleError(_too_small(workload, chip, needs))
    pieces: list[Piece] = []
    for layer, (rows, cols) in enumerate(cuts):
        for r, (row_start, row_stop) in enumerate(rows):
            for c, (col_start, col_stop) in enumerate(cols):
                inputs = min(row_stop, workload.layers[layer].inputs) - row_start
                pieces.append(Piece(len(pieces), layer, r, c, row_start, row_stop, col_start, col_stop, inputs))
    return Cut(workload, tuple(pieces), tuple((len(rows), len(cols)) for rows, cols in cuts))


def _too_small(workload: Workload, chip: Chip, needs: list[int]) -> str:
    def line(layer: Dense, tiles: int) -> str:
        return f"{layer.name} ({layer.rows:,} x {layer.outputs:,}) needs {tiles:,}"

    total, have, tile = sum(needs), len(chip.tiles), chip.spec.tile
    shown = sorted(zip(workload.layers, needs, strict=True), key=lambda pair: -pair[1])[:5]
    lines = ", ".join(line(layer, tiles) for layer, tiles in shown)
    own = have // chip.spec.chips
    more = f"--set tile.count={total}" if chip.spec.package is None else f"--set package.chips={ceil(total / own)}"
    holder = f"the chip {chip.spec.name}" if chip.spec.chips == 1 else f"{chip.spec.chips} chips {chip.spec.name}"
    return (
        f"workload {workload.name} needs {total:,} tiles of {tile.rows} x {tile.cols}, {holder} has "
        f"{have:,} ({total - have:,} short): {lines}; use {more}, or larger tile.rows and tile.cols"
    )
