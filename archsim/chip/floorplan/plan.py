"""What a floorplan is once it is made: rectangles on the die, and what they leave over."""

from __future__ import annotations

from dataclasses import dataclass

DIGITAL, CHANNEL = "floorplan_block", "routing_channel"
"""Kinds of blocks, as the bill of areas names them."""


@dataclass(frozen=True)
class Rect:
    """A rectangle on the die, in metres; (x, y) is its corner nearest the origin. Drawings show y downwards."""

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
    """A rectangle of the die that is no tile: a digital unit, a memory, a routing channel, a port.

    `kind` is its line of the bill of areas.
    """

    name: str
    rect: Rect
    kind: str = DIGITAL


@dataclass(frozen=True)
class Plan:
    """Where everything lies: the site of each tile, the host port, other blocks, and how much is white space.

    `grid` is the place (row, column) of each tile among its neighbours, from which topologies with rows and columns
    tell who stands beside whom; no two tiles share one. The die reaches as far as the rectangles, or is `outline`.
    `unused_m2` is what lies within that and belongs to nothing, not even to the white space: the sites that a short
    last row leaves empty.
    """

    sites: tuple[Rect, ...]
    host: Rect
    grid: tuple[tuple[int, int], ...]
    white_space_m2: float
    blocks: tuple[Block, ...] = ()
    outline: Rect | None = None
    unused_m2: float = 0.0

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
    def area_m2(self) -> float:
        """What the areas of the chip's parts add up to, wires apart, in square metres."""
        return self.width_m * self.height_m - self.unused_m2

    def named(self) -> tuple[Block, ...]:
        """Return all rectangles that have an area, by name: tile0, tile1, ..., host, and the blocks under their own."""
        tiles = (Block(f"tile{i}", site, "tile") for i, site in enumerate(self.sites))
        host = Block("host", self.host, "host_port")
        return tuple(block for block in (*tiles, host, *self.blocks) if block.rect.area_m2 > 0)

    @property
    def _rects(self) -> tuple[Rect, ...]:
        if self.outline is not None:
            return (self.outline,)
        return (*self.sites, self.host, *(block.rect for block in self.blocks))

    def distance_m(self, a: Rect, b: Rect) -> float:
        """Manhattan distance between the centres of two rectangles, in metres."""
        (ax, ay), (bx, by) = a.centre_m, b.centre_m
        return abs(ax - bx) + abs(ay - by)
