"""Placements: in which order the tiles of a chip are filled with shards."""

from __future__ import annotations

from archsim.chip.graph import Chip
from archsim.spec import PLACEMENTS


@PLACEMENTS.add("in_order")
def in_order(chip: Chip) -> list[int]:
    """Return the tiles by number: row after row of the floorplan."""
    return list(range(len(chip.tiles)))


@PLACEMENTS.add("snake")
def snake(chip: Chip) -> list[int]:
    """Return the tiles row after row, every second row backwards, so that neighbours follow each other."""
    columns, count = chip.plan.columns, len(chip.tiles)
    order: list[int] = []
    for row, start in enumerate(range(0, count, columns)):
        tiles = list(range(start, min(start + columns, count)))
        order += reversed(tiles) if row % 2 else tiles
    return order
