"""A ring of tiles around a digital core, from the areas of tiles, core and host port."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

from pydantic import StringConstraints

from archsim.base.section import Section
from archsim.base.units import Area, Share
from archsim.chip.floorplan.generators import filled, site_side_m
from archsim.chip.floorplan.plan import Block, Plan, Rect
from archsim.spec.choices import Floorplan, floorplan

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][\w.\-]*$")]
"""A block's name, one word."""


class Core(Section):
    """What stands in the middle of a ring: a controller, a shared memory. It has an area, and does not leak."""

    name: Name = "core"
    """Name of the core, one word."""
    area_m2: Area
    """Area of the core; it does not leak."""


@floorplan("ring")
class Ring(Floorplan):
    """Tiles around a digital core, numbered clockwise from the corner at the origin; equal square sites.

    The ring has 2 (columns + rows) - 4 places, as near to square as their number allows; with an odd number of tiles,
    the last place is empty. A core larger than the hole of a dense ring drives the sites apart along the sides that are
    too short; a smaller one is centred in it. What is left over is white space. The host port is a strip on the left.
    """

    core: Core
    """What stands in the middle of the ring."""
    white_space: Share
    """Share of a site that its tile leaves empty."""

    example = {"core": {"name": "controller", "area": "4 mm2"}, "white_space": "10 %"}

    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Plan:
        """Return the plan of these areas."""
        side = site_side_m(tiles_m2, self.white_space)
        around = max(4, len(tiles_m2) + len(tiles_m2) % 2) // 2 + 2  # columns + rows
        columns, rows = (around + 1) // 2, around // 2
        least_m = ((columns - 2) * side, (rows - 2) * side)
        hole_m = _hole(least_m, self.core.area_m2)
        width, height = hole_m[0] + 2 * side, hole_m[1] + 2 * side
        strip = host_m2 / height
        places = _clockwise(rows, columns)[: len(tiles_m2)]
        step_x, step_y = (width - side) / (columns - 1), (height - side) / (rows - 1)
        sites = [Rect(strip + column * step_x, row * step_y, side, side) for row, column in places]
        core = _centred(Rect(strip + side, side, *hole_m), self.core.area_m2)
        blocks = [Block(self.core.name, core)] if self.core.area_m2 > 0 else []
        host = Rect(0.0, 0.0, strip, height)
        return filled(sites, host, places, blocks, Rect(0.0, 0.0, strip + width, height), tiles_m2)


def _hole(least_m: tuple[float, float], area_m2: float) -> tuple[float, float]:
    """Return width and height of a hole of at least that size and area, the longer side no longer than it must be."""
    wide, high = least_m
    if wide * high >= area_m2:
        return least_m
    square = math.sqrt(area_m2)
    if wide > square:
        return wide, area_m2 / wide
    if high > square:
        return area_m2 / high, high
    return square, square


def _clockwise(rows: int, columns: int) -> list[tuple[int, int]]:
    """Return the places (row, column) along the border of a grid.

    >>> _clockwise(2, 3)
    [(0, 0), (0, 1), (0, 2), (1, 2), (1, 1), (1, 0)]
    """
    top = [(0, column) for column in range(columns)]
    right = [(row, columns - 1) for row in range(1, rows)]
    bottom = [(rows - 1, column) for column in range(columns - 2, -1, -1)]
    left = [(row, 0) for row in range(rows - 2, 0, -1)]
    return [*top, *right, *bottom, *left]


def _centred(hole: Rect, area_m2: float) -> Rect:
    """Return a rectangle of that area in the middle of a hole and of its proportions."""
    scale = math.sqrt(area_m2 / hole.area_m2) if area_m2 > 0 else 0.0
    width, height = hole.width_m * scale, hole.height_m * scale
    x, y = hole.centre_m
    return Rect(x - width / 2, y - height / 2, width, height)
