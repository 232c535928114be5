"""A star, a placement and a cell, for the tests of plug-ins."""

from __future__ import annotations

from archsim.chip.topologies.base import Plan, Topology, Wires, mean_m
from archsim.components.base import component
from archsim.components.cells.in_place import InPlaceCell
from archsim.mapping.placement import in_order
from archsim.spec.choices import PLACEMENTS, TOPOLOGIES


@TOPOLOGIES.add("star")
def star(plan: Plan) -> Topology:
    """One router in the middle, a link each way to every tile and to the host."""
    wires = Wires(plan)
    wires.places_m["router0"] = mean_m([site.centre_m for site in plan.sites])
    for node in ("host", *(f"tile{tile}" for tile in range(len(plan.sites)))):
        wires.both_ways(node, "router0")
    return Topology(wires.graph, wires.lengths_m, lambda a, b: [a, "router0", b], places_m=wires.places_m)


PLACEMENTS.add("as_before")(in_order)


@component("plain_cell", "device")
class PlainCell(InPlaceCell):
    """A cell that is trained in place and has no imperfection of its own."""

    example = {"area": "1 um2", "read_energy": "50 fJ", "supply": "1.0 V", "read": "0.2 V"}
