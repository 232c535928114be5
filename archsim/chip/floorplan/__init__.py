"""Floorplans: where tiles, the host port and other blocks lie on the die, generated from areas or given."""

from archsim.chip.floorplan.explicit import Explicit
from archsim.chip.floorplan.generators import Columns, Grid, HTree, Snake, grid
from archsim.chip.floorplan.plan import CHANNEL, DIGITAL, Block, Plan, Rect
from archsim.chip.floorplan.ring import Ring

__all__ = [
    "CHANNEL", "DIGITAL", "Block", "Columns", "Explicit", "Grid", "HTree", "Plan", "Rect", "Ring", "Snake", "grid",
]  # fmt: skip
