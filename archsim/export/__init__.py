"""Exports: files of a chip and its runs that other tools of the field read, and what is read from them."""

from archsim.export.floorplan_yaml import floorplan_yaml
from archsim.export.graphml import chip_graphml
from archsim.export.hotspot import PowerTrace, chip_flp, mean_power, read_flp, read_ptrace, write_flp, write_ptrace

__all__ = [
    "PowerTrace", "chip_flp", "chip_graphml", "floorplan_yaml", "mean_power", "read_flp", "read_ptrace", "write_flp",
    "write_ptrace",
]  # fmt: skip
