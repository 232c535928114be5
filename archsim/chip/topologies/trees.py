"""Trees: switches over blocks of tiles, over blocks of switches, up to one root.

A route goes up to the lowest switch that two tiles share, then down; no link up follows one down, so links cannot wait
for each other in a circle.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archsim.base.units import Dimension
from archsim.chip.floorplan import Plan
from archsim.chip.topologies.base import Topology, Wires, block_of, mean_m
from archsim.spec.choices import TOPOLOGIES


@TOPOLOGIES.add("htree")
def htree(
    plan: Plan,
    *,
    arity: Annotated[
        int, Dimension("", least=2, above=False, most=64, whole=True), Field(description="Nodes under each switch.")
    ] = 4,
) -> Topology:
    """An H-tree: a switch in the middle of each block of `arity` tiles, of switches, up to a root at the host port.

    Blocks are two by two, or lie along rows and columns in turn where the arity is no square. All links are as wide,
    those near the root too, so the root is what all of the traffic between halves goes through.
    """
    wires = Wires(plan)
    height, width = block_of(arity)
    level = {place: f"tile{tile}" for tile, place in sorted(enumerate(plan.grid), key=lambda pair: pair[1])}
    up: dict[str, str] = {}
    while len(level) > 1 or not up:
        blocks: dict[tuple[int, int], list[str]] = {}
        for (row, column), node in sorted(level.items()):
            blocks.setdefault((row // height, column // width), []).append(node)
        level = {}
        for place, nodes in sorted(blocks.items()):
            level[place] = nodes[0]
            if len(nodes) > 1 or len(plan.sites) == 1:  # what is alone in its block needs no switch over it
                level[place] = switch = f"router{len(wires.places_m)}"
                wires.places_m[switch] = mean_m([wires.centre_m(node) for node in nodes])
                for node in nodes:
                    wires.both_ways(node, switch)
                    up[node] = switch
        height, width = width, height
    (root,) = level.values()
    wires.both_ways("host", root)
    up["host"] = root

    def climb(node: str) -> list[str]:
        path = [node]
        while path[-1] in up:
            path.append(up[path[-1]])
        return path

    def route(a: str, b: str) -> list[str]:
        there, back = climb(a), climb(b)
        top = next(node for node in there[1:] if node in back)  # a tile sends to itself by way of its switch
        return [*there[: there.index(top) + 1], *back[: back.index(top)][::-1]]

    return Topology(wires.graph, wires.lengths_m, route, places_m=wires.places_m)
