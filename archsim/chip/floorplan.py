"""Floorplans: where tiles and the host port lie on the die, from their areas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from archsim.spec import FLOORPLANS


@dataclass(frozen=True)
class Rect:
    """A rectangle on the die, in metres."""

    x_m: float
    y_m: float
    width_m: float
    height_m: float

    @property
    def centre_m(self) -> tuple[float, float]:
        """Its middle (x, y), in metres."""
        return self.x_m + self.width_m / 2, self.y_m + self.height_m / 2

    @property
    def area_m2(self) -> float:
        """Its area, in square metres."""
        return self.width_m * self.height_m


@dataclass(frozen=True)
class Block:
    """A rectangle of the die that is no tile: a digital unit, a memory, a routing channel, a port."""

    name: str
    rect: Rect


@dataclass(frozen=True)
class Plan:
    """Where everything lies: the site of each tile, the host port, other blocks, and how much is white space.

    `grid` is the place (row, column) of each tile among its neighbours, from which topologies with rows and columns
    tell who stands beside whom; no two tiles share one.
    """

    sites: tuple[Rect, ...]
    host: Rect
    grid: tuple[tuple[int, int], ...]
    white_space_m2: float
    blocks: tuple[Block, ...] = ()

    @property
    def columns(self) -> int:
        """How many columns the grid has."""
        return max(column for _, column in self.grid) + 1

    @property
    def in_rows(self) -> tuple[int, ...]:
        """The tiles row after row."""
        return tuple(sorted(range(len(self.grid)), key=self.grid.__getitem__))

    @property
    def width_m(self) -> float:
        """Width of the die, in metres."""
        return max(rect.x_m + rect.width_m for rect in self._rects)

    @property
    def height_m(self) -> float:
        """Height of the die, in metres."""
        return max(rect.y_m + rect.height_m for rect in self._rects)

    @property
    def _rects(self) -> tuple[Rect, ...]:
        return (*self.sites, self.host, *(block.rect for block in self.blocks))

    def distance_m(self, a: Rect, b: Rect) -> float:
        """Manhattan distance between the centres of two rectangles, in metres."""
        (ax, ay), (bx, by) = a.centre_m, b.centre_m
        return abs(ax - bx) + abs(ay - by)


@FLOORPLANS.add("grid")
def grid(block_areas_m2: Sequence[float], host_area_m2: float, columns: int, white_space: float) -> Plan:
    """Return a grid of equal square sites, filled row by row; the host port is a strip on the left.

    A site holds the largest block and its share of white space: side = sqrt(block / (1 - white_space)).
    """
    columns = min(columns, len(block_areas_m2))
    side = math.sqrt(max(block_areas_m2) / (1 - white_space))
    rows = math.ceil(len(block_areas_m2) / columns)
    strip = host_area_m2 / (rows * side)
    sites = tuple(
        Rect(strip + (i % columns) * side, (i // columns) * side, side, side) for i in range(len(block_areas_m2))
    )
    places = tuple(divmod(i, columns) for i in range(len(sites)))
    used = sum(block_areas_m2)
    return Plan(sites, Rect(0.0, 0.0, strip, rows * side), places, len(sites) * side * side - used)
