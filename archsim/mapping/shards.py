"""Shards: each layer is cut into balanced pieces that fit a crossbar; with a tile, a piece is a shard."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from math import ceil
from operator import attrgetter
from typing import TypeAlias

from archsim.base.errors import InfeasibleError
from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.spec.arch import ArchSpec
from archsim.workload.layers import Layer
from archsim.workload.network import Workload

Span: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of a layer for one crossbar: rows `row_start` to `row_stop` (the last is the bias), and columns.

    `row` and `col` are its place among the layer's pieces; `block` is the row block of the layer to which its rows
    belong; `inputs` counts its rows without the bias row: those of the layer's vector from `input_start` on.
    """

    index: int
    layer: int
    row: int
    col: int
    row_start: int
    row_stop: int
    col_start: int
    col_stop: int
    block: int
    input_start: int
    inputs: int

    @property
    def input_stop(self) -> int:
        """Where its part of the layer's vector ends."""
        return self.input_start + self.inputs

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


_FIELDS = attrgetter(*(own.name for own in fields(Piece)))


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

    @cached_property
    def by_layer(self) -> dict[int, list[Shard]]:
        """The shards of each layer that has weights, row after row."""
        found: dict[int, list[Shard]] = {}
        for shard in self.shards:
            found.setdefault(shard.layer, []).append(shard)
        return found

    def of_layer(self, layer: int) -> list[list[Shard]]:
        """Return the layer's shards as rows of columns; none where it has no weights."""
        _, cols = self.grid[layer]
        own = self.by_layer.get(layer, [])
        return [own[i : i + cols] for i in range(0, len(own), max(1, cols))]

    def backward_inputs(self, shard: Piece, step: int) -> range:
        """Return for which of a shard's inputs backpropagation asks d at a step: a stretch of the layer's vector.

        The first layer's inputs have none, and a recurrent layer's first step has no step before it.
        """
        layer = self.workload.layers[shard.layer]
        from_before = layer.recurrent and step > layer.vectors(self.workload).start
        least, most = 0 if shard.layer else layer.inputs, layer.vector if from_before else layer.inputs
        return range(max(shard.input_start, least), min(shard.input_stop, most))


@dataclass(frozen=True)
class Cut:
    """A workload in pieces that have no tiles yet; `grid[layer]` is its number of row and column pieces."""

    workload: Workload
    pieces: tuple[Piece, ...]
    grid: tuple[tuple[int, int], ...]

    def on(self, tiles: Sequence[int]) -> Mapping:
        """Return the mapping in which each piece has the tile at its place in `tiles`."""
        shards = [Shard(*(*_FIELDS(piece), tile)) for piece, tile in zip(self.pieces, tiles, strict=True)]
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
    needs = [_count(layer, chip.spec) for layer in workload.layers]
    if sum(needs) > len(chip.tiles):
        raise InfeasibleError(_too_small(workload, chip, needs))
    cuts = [(_row_cuts(layer, chip.spec.tile.rows), _col_cuts(layer, chip.spec)) for layer in workload.layers]
    pieces: list[Piece] = []
    for layer, (rows, cols) in enumerate(cuts):
        for r, (block, start, top, bottom, inputs) in enumerate(rows):
            for c, columns in enumerate(cols):
                pieces.append(Piece(len(pieces), layer, r, c, top, bottom, *columns, block, start, inputs))
    return Cut(workload, tuple(pieces), tuple((len(rows), len(cols)) for rows, cols in cuts))


def tiles_needed(workload: Workload, spec: ArchSpec) -> int:
    """Return into how many pieces a workload is cut; raise InfeasibleError where tiles are too small for a unit."""
    return sum(_count(layer, spec) for layer in workload.layers)


def _count(layer: Layer, spec: ArchSpec) -> int:
    """Return into how many pieces a layer is cut, without cutting it."""
    return sum(ceil(block.rows / spec.tile.rows) for block in layer.blocks) * (
        ceil(layer.outputs / _units(layer, spec)) if layer.columns else 0
    )


def _units(layer: Layer, spec: ArchSpec) -> int:
    """Return how many of a layer's units fit side by side on a crossbar; raise InfeasibleError if none does."""
    units = spec.tile.cols // layer.gates
    if not units:
        raise InfeasibleError(
            f"layer {layer.name}: the {counted(layer.gates, 'column')} of a unit must lie on one crossbar, but tiles "
            f"of the chip {spec.name} have {spec.tile.cols}; use a larger tile.cols"
        )
    return units


def _row_cuts(layer: Layer, most: int) -> list[tuple[int, int, int, int, int]]:
    """Return (block, first input, first row, last row + 1, inputs) of a layer's pieces, from the top."""
    cuts, above = [], 0
    for index, block in enumerate(layer.blocks):
        for start, stop in split(block.rows, most):
            inputs = min(stop, block.inputs) - start
            cuts.append((index, block.start + start, above + start, above + stop, inputs))
        above += block.rows
    return cuts


def _col_cuts(layer: Layer, spec: ArchSpec) -> list[Span]:
    """Return where a layer's columns are cut: between units, so that a unit's gates stay together."""
    if not layer.columns:
        return []
    return [(layer.gates * start, layer.gates * stop) for start, stop in split(layer.outputs, _units(layer, spec))]


def _too_small(workload: Workload, chip: Chip, needs: list[int]) -> str:
    total, have, tile = sum(needs), len(chip.tiles), chip.spec.tile
    shown = sorted(zip(workload.layers, needs, strict=True), key=lambda pair: -pair[1])[:5]
    lines = ", ".join(f"{layer.name} ({layer.rows:,} x {layer.columns:,}) needs {n:,}" for layer, n in shown if n)
    own = have // chip.spec.chips
    more = f"--set tile.count={total}" if chip.spec.package is None else f"--set package.chips={ceil(total / own)}"
    holder = f"{'the chip' if chip.spec.chips == 1 else counted(chip.spec.chips, 'chip')} {chip.spec.name}"
    return (
        f"workload {workload.name} needs {counted(total, 'tile')} of {tile.rows} x {tile.cols}, {holder} has "
        f"{have:,} ({total - have:,} short): {lines}; use {more}, or larger tile.rows and tile.cols"
    )
