"""The chip graph: tiles, routers, links and the host port on a floorplan, with their areas and wire lengths."""

from archsim.chip.graph import Chip, LinkUnit, Tile, Unit, build_chip

__all__ = ["Chip", "LinkUnit", "Tile", "Unit", "build_chip"]
