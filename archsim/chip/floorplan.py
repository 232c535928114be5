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
class Plan:
    """Sites of the tiles in a grid of `columns`, the host port's strip, and how much is white space."""

    sites: tuple[Rect, ...]
    host: Rect
    columns: int
    white_space_m2: float

    @property
    def width_m(self) -> float:
        """Width of the die, in metres."""
        return max(rect.x_m + rect.width_m for rect in (*self.sites, self.host))

    @property
    def height_m(self) -> float:
        """Height of the die, in metres."""
        return max(rect.y_m + rect.height_m for rect in (*self.sites, self.host))

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
    used = sum(block_areas_m2)
    return Plan(sites, Rect(0.0, 0.0, strip, rows * side), columns, len(sites) * side * side - used)
