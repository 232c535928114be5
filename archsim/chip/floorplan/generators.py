"""Generated floorplans: rows, a snake, an H-tree, and columns between buses, from the areas of tiles and host port.

All of them lay equal square sites that hold the largest tile and its share of white space; the host port is a strip
on the left, as high as the die.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from archsim.base.units import Count, LengthOrZero, Share
from archsim.chip.floorplan.plan import CHANNEL, Block, Plan, Rect
from archsim.spec.choices import Floorplan, floorplan


def site_side_m(tiles_m2: Sequence[float], white_space: float) -> float:
    """Return the side of a square site: it holds the largest tile, and `white_space` is its share left over."""
    return math.sqrt(max(tiles_m2) / (1 - white_space))


def filled(
    sites: Sequence[Rect],
    host: Rect,
    places: Sequence[tuple[int, int]],
    blocks: Sequence[Block],
    outline: Rect,
    tiles_m2: Sequence[float],
) -> Plan:
    """Return a plan in which all that tiles, host port and blocks leave of the die is white space."""
    used = sum(tiles_m2) + host.area_m2 + sum(block.rect.area_m2 for block in blocks)
    return Plan(tuple(sites), host, tuple(places), outline.area_m2 - used, tuple(blocks), outline)


def grid(block_areas_m2: Sequence[float], host_area_m2: float, columns: int, white_space: float) -> Plan:
    """Return a grid of equal square sites, filled row by row; the host port is a strip on the left.

    A site holds the largest block and its share of white space: side = sqrt(block / (1 - white_space)).
    """
    columns = min(columns, len(block_areas_m2))
    return _rows([divmod(i, columns) for i in range(len(block_areas_m2))], block_areas_m2, host_area_m2, white_space)


def _rows(
    places: Sequence[tuple[int, int]], block_areas_m2: Sequence[float], host_area_m2: float, white_space: float
) -> Plan:
    side = site_side_m(block_areas_m2, white_space)
    rows, columns = (1 + max(place[i] for place in places) for i in (0, 1))
    strip = host_area_m2 / (rows * side)
    sites = tuple(Rect(strip + column * side, row * side, side, side) for row, column in places)
    white_m2 = len(sites) * side * side - sum(block_areas_m2)
    unused_m2 = (rows * columns - len(sites)) * side * side
    return Plan(sites, Rect(0.0, 0.0, strip, rows * side), tuple(places), white_m2, unused_m2=unused_m2)


@floorplan("grid")
class Grid(Floorplan):
    """Rows of equal sites, each numbered from the left; the sites that a short last row leaves empty are no area."""

    columns: Count
    """Columns of the grid."""
    white_space: Share
    """Share of a site that its tile leaves empty."""

    example = {"columns": 4, "white_space": "10 %"}

    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Plan:
        """Return the plan of these areas."""
        return grid(tiles_m2, host_m2, self.columns, self.white_space)


@floorplan("snake")
class Snake(Floorplan):
    """A grid whose rows are numbered to and fro, so that each tile stands beside the one before it."""

    columns: Count
    """Columns of the grid."""
    white_space: Share
    """Share of a site that its tile leaves empty."""

    example = {"columns": 4, "white_space": "10 %"}

    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Plan:
        """Return the plan of these areas."""
        columns = min(self.columns, len(tiles_m2))
        places = [divmod(i, columns) for i in range(len(tiles_m2))]
        there_and_back = [(row, columns - 1 - column if row % 2 else column) for row, column in places]
        return _rows(there_and_back, tiles_m2, host_m2, self.white_space)


@floorplan("h_tree")
class HTree(Floorplan):
    """Halves of halves with a routing channel between any two; a power of two of consecutive tiles stands in one block.

    The number of sites is the next power of two; they are filled in Morton order, and what stays empty is white
    space. An odd number of halvings makes the die twice as wide as high.
    """

    channel_width_m: LengthOrZero
    """Width of the routing channel between any two halves."""
    white_space: Share
    """Share of a site that its tile leaves empty."""

    example = {"channel_width": "0.1 mm", "white_space": "10 %"}

    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Plan:
        """Return the plan of these areas."""
        count, gap = len(tiles_m2), self.channel_width_m
        levels = (count - 1).bit_length()
        rows, columns = 1 << levels // 2, 1 << (levels + 1) // 2
        side = site_side_m(tiles_m2, self.white_space)
        pitch = side + gap
        width, height = columns * pitch - gap, rows * pitch - gap
        strip = host_m2 / height
        places = [_morton(i) for i in range(count)]
        sites = [Rect(strip + column * pitch, row * pitch, side, side) for row, column in places]
        channels = [] if gap == 0 else [
            Block(f"channel{i}", rect, CHANNEL)
            for i, rect in enumerate(_halving(Rect(strip, 0.0, width, height), levels, count, gap))
        ]  # fmt: skip
        host = Rect(0.0, 0.0, strip, height)
        return filled(sites, host, places, channels, Rect(0.0, 0.0, strip + width, height), tiles_m2)


def _morton(index: int) -> tuple[int, int]:
    """Return (row, column) of a place of the Z-curve: even bits tell the column, odd ones the row.

    >>> [_morton(i) for i in range(5)]
    [(0, 0), (0, 1), (1, 0), (1, 1), (0, 2)]
    """
    row = column = 0
    for bit in range((index.bit_length() + 1) // 2):
        column |= (index >> 2 * bit & 1) << bit
        row |= (index >> 2 * bit + 1 & 1) << bit
    return row, column


def _halving(rect: Rect, levels: int, count: int, gap: float) -> Iterator[Rect]:
    """Yield the channels between halves with tiles in them, the widest halves first; `count` tiles fill 2^levels sites.

    An odd number of levels is cut from top to bottom, an even one from left to right.
    """
    half = 1 << levels >> 1
    if levels == 0 or count <= 0:
        return
    if levels % 2:
        width = (rect.width_m - gap) / 2
        channel = Rect(rect.x_m + width, rect.y_m, gap, rect.height_m)
        parts = [Rect(rect.x_m + shift, rect.y_m, width, rect.height_m) for shift in (0.0, width + gap)]
    else:
        height = (rect.height_m - gap) / 2
        channel = Rect(rect.x_m, rect.y_m + height, rect.width_m, gap)
        parts = [Rect(rect.x_m, rect.y_m + shift, rect.width_m, height) for shift in (0.0, height + gap)]
    if count > half:
        yield channel
    yield from _halving(parts[0], levels - 1, min(count, half), gap)
    yield from _halving(parts[1], levels - 1, count - half, gap)


@floorplan("columns")
class Columns(Floorplan):
    """Columns of tiles, numbered from the top, with a bus in a channel between any two and in one along the border.

    The sites that a short last column leaves empty are white space.
    """

    columns: Count
    """Columns of tiles."""
    channel_width_m: LengthOrZero
    """Width of the channel between two columns."""
    border_width_m: LengthOrZero
    """Width of the channel along the border."""
    white_space: Share
    """Share of a site that its tile leaves empty."""

    example = {"columns": 4, "channel_width": "0.1 mm", "border_width": "0.2 mm", "white_space": "10 %"}

    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Plan:
        """Return the plan of these areas."""
        count, gap, border = len(tiles_m2), self.channel_width_m, self.border_width_m
        rows = math.ceil(count / min(self.columns, count))
        columns = math.ceil(count / rows)
        side = site_side_m(tiles_m2, self.white_space)
        pitch = side + gap
        width, inner_height = columns * pitch - gap + 2 * border, rows * side
        height = inner_height + 2 * border
        strip = host_m2 / height
        left = strip + border
        places = [(i % rows, i // rows) for i in range(count)]
        sites = [Rect(left + column * pitch, border + row * side, side, side) for row, column in places]
        rects = [Rect(left + i * pitch - gap, border, gap, inner_height) for i in range(1, columns)]
        rects += [
            Rect(strip, 0.0, width, border),
            Rect(strip, border, border, inner_height),
            Rect(left + columns * pitch - gap, border, border, inner_height),
            Rect(strip, border + inner_height, width, border),
        ]
        channels = [Block(f"channel{i}", rect, CHANNEL) for i, rect in enumerate(r for r in rects if r.area_m2 > 0)]
        host = Rect(0.0, 0.0, strip, height)
        return filled(sites, host, places, channels, Rect(0.0, 0.0, strip + width, height), tiles_m2)
