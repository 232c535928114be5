"""Placements: in which order the tiles of a chip are filled with shards."""

from __future__ import annotations

import itertools

from archsim.chip.graph import Chip
from archsim.spec import PLACEMENTS


@PLACEMENTS.add("in_order")
def in_order(chip: Chip) -> list[int]:
    """Return the tiles row after row of the floorplan."""
    return list(chip.plan.in_rows)


@PLACEMENTS.add("snake")
def snake(chip: Chip) -> list[int]:
    """Return the tiles row after row, every second row backwards, so that neighbours follow each other."""
    rows = [list(row) for _, row in itertools.groupby(chip.plan.in_rows, key=lambda tile: chip.plan.grid[tile][0])]
    return [tile for number, row in enumerate(rows) for tile in (row[::-1] if number % 2 else row)]
