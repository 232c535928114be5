"""Mismatch of the periphery: what drivers and converters of single lines are off by, from when the chip was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.base.arrays import F32, F64
from archsim.base.machine_code import lean
from archsim.functional.hashes import GAIN, OFFSET, key, normal
from archsim.spec.tile import TileSpec

ROW_DRIVERS, COL_CONVERTERS, COL_DRIVERS, ROW_CONVERTERS = range(4)
"""The edges of a crossbar: the first two work in forward, the others in backward."""


@dataclass(frozen=True)
class Edge:
    """By how much the units of an edge differ: standard deviations of gains, and of offsets as shares of full scale.

    `codes` lie on either side of zero where offsets are taken away to the nearest of them: none if they are not, and
    without end where nothing is rounded. A unit serves some lines, neighbours of each other. Its draws are those of
    `drawn_as`: one converter may serve both directions.
    """

    drawn_as: int
    gain: float = 0.0
    offset: float = 0.0
    codes: float = 0.0
    lines_per_unit: int = 1

    def gains(self, seed: int, shard: int, lines: int) -> F64:
        """Return by what factor each line is off, in one shard."""
        return np.maximum(1 + self.gain * self._draws(GAIN, seed, shard, lines), 0.0)

    def offsets(self, seed: int, shard: int, lines: int) -> F64:
        """Return by what share of full scale each line is off, in one shard."""
        found = self.offset * self._draws(OFFSET, seed, shard, lines)
        if np.isinf(self.codes):
            return np.zeros(lines)
        return found - np.rint(found * self.codes) / self.codes if self.codes else found

    def _draws(self, what: int, seed: int, shard: int, lines: int) -> F64:
        base = np.uint64(key(seed, what, shard, self.drawn_as))
        units = [float(normal(base, unit)) for unit in range(-(-lines // self.lines_per_unit))]
        return np.repeat(units, self.lines_per_unit)[:lines]


def edges_of(tile: TileSpec, levels: Sequence[int]) -> tuple[Edge, ...]:
    """Return the edges of a kind of tile, the converters of which have `levels` (of columns, and of rows; 0: all)."""
    drivers = (ROW_DRIVERS, tile.row_driver), (COL_DRIVERS, tile.backward_driver)
    found = {place: Edge(place, driver.gain_spread, driver.offset_spread) for place, driver in drivers}
    converters = (COL_CONVERTERS, tile.col_converter), (ROW_CONVERTERS, tile.backward_converter)
    for (place, converter), own in zip(converters, levels, strict=True):
        codes = (max(own // 2, 1) if own else np.inf) if converter.offset_calibration == "nulled" else 0.0
        drawn_as = COL_CONVERTERS if tile.row_converter == "shared" else place
        found[place] = Edge(
            drawn_as, converter.gain_spread, converter.offset_spread, codes, converter.lines_per_unit
        )  # fmt: skip
    return tuple(found[place] for place in range(4))


def drawn(edges: Sequence[Sequence[Edge]], shapes: Sequence[tuple[int, int]], seed: int) -> tuple[F32, F32]:
    """Return gains and offsets of all lines, [edges, shards, lines], by shard its edges, rows and columns.

    Without any mismatch there are no lines.
    """
    if not any(edge.gain or edge.offset for own in edges for edge in own):
        return np.ones((4, len(shapes), 0), np.float32), np.zeros((4, len(shapes), 0), np.float32)
    gains = np.ones((4, len(shapes), max(map(max, shapes))), np.float32)
    offsets = np.zeros_like(gains)
    for shard, (own, (rows, cols)) in enumerate(zip(edges, shapes, strict=True)):
        for place, edge in enumerate(own):
            lines = rows if place in (ROW_DRIVERS, ROW_CONVERTERS) else cols
            gains[place, shard, :lines] = edge.gains(seed, shard, lines)
            offsets[place, shard, :lines] = edge.offsets(seed, shard, lines)
    return gains, offsets


@lean()
def drive_unevenly(values: F32, gains: F32, offsets: F32, full: Any) -> None:
    """Set values to what drivers make of them: each as much longer or shorter as its driver is off; none of nothing."""
    for i in range(values.shape[0]):
        if values[i] != 0:
            size = max(abs(values[i]) * gains[i] + offsets[i] * full, np.float32(0))
            values[i] = size if values[i] > 0 else -size


@lean()
def read_unevenly(values: F32, gains: F32, offsets: F32, full: Any) -> None:
    """Set values to what integrators and converters, whose range ends at `full`, see of them."""
    for i in range(values.shape[0]):
        values[i] = values[i] * gains[i] + offsets[i] * np.float32(full)
