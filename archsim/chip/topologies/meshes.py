"""Meshes: routers in rows and columns, links to the four neighbours, dimension-order (X, then Y) routing.

No turn from Y to X is made but out of a last row that is short, upwards, so links cannot wait for each other in a
circle (Dally & Towles 2004, section 14.2).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

from pydantic import Field

from archsim.base.units import Count
from archsim.chip.floorplan import Plan
from archsim.chip.topologies.base import Topology, Wires, block_of, mean_m
from archsim.spec.choices import TOPOLOGIES


@TOPOLOGIES.add("mesh")
def mesh(plan: Plan) -> Topology:
    """A router beside each tile, links to its four neighbours, dimension-order (X, then Y) routing."""
    return _mesh(plan, {place: [tile] for tile, place in enumerate(plan.grid)})


@TOPOLOGIES.add("cmesh")
def cmesh(
    plan: Plan, *, concentration: Annotated[Count, Field(description="Tiles that share a router.")] = 4
) -> Topology:
    """A mesh with one router for a block of tiles, in their middle: `concentration` of them, two by two unless said."""
    height, width = block_of(concentration)
    blocks: dict[tuple[int, int], list[int]] = {}
    for tile in plan.in_rows:
        row, column = plan.grid[tile]
        blocks.setdefault((row // height, column // width), []).append(tile)
    return _mesh(plan, dict(sorted(blocks.items())))


def _mesh(plan: Plan, blocks: Mapping[tuple[int, int], Sequence[int]]) -> Topology:
    """Return a mesh with a router for each block of tiles, given by its row and column among the blocks."""
    wires = Wires(plan)
    at = {place: f"router{i}" for i, place in enumerate(blocks)}
    home: dict[str, tuple[int, int]] = {}
    for place, tiles in blocks.items():
        wires.places_m[at[place]] = mean_m([plan.sites[tile].centre_m for tile in tiles])
        home.update({f"tile{tile}": place for tile in tiles})
    for place, tiles in blocks.items():
        for tile in tiles:
            wires.both_ways(f"tile{tile}", at[place])
        row, column = place
        for before in ((row, column - 1), (row - 1, column)):
            if before in at:
                wires.both_ways(at[before], at[place])
    gate = wires.join_host(list(at.values()))
    home["host"] = next(place for place, router in at.items() if router == gate)
    return Topology(wires.graph, wires.lengths_m, _dimension_order(at, home), places_m=wires.places_m)


def _dimension_order(
    at: Mapping[tuple[int, int], str], home: Mapping[str, tuple[int, int]]
) -> Callable[[str, str], list[str]]:
    def route(a: str, b: str) -> list[str]:
        (y, x), (y_stop, x_stop) = home[a], home[b]
        step_x, step_y = (1 if x_stop > x else -1), (1 if y_stop > y else -1)
        along_x = [(y, i) for i in range(x, x_stop, step_x)]
        along_y = [(i, x_stop) for i in range(y, y_stop, step_y)]
        if (y, x_stop) not in at:  # the last row is short: leave it first
            along_y = [(i, x) for i in range(y, y_stop, step_y)]
            along_x = [(y_stop, i) for i in range(x, x_stop, step_x)]
            places = [*along_y, *along_x, (y_stop, x_stop)]
        else:
            places = [*along_x, *along_y, (y_stop, x_stop)]
        return [a, *(at[place] for place in places), b]

    return route
