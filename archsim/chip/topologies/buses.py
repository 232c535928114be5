"""Buses: one wire for all, or several segments joined by bridges."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from archsim.base.errors import SpecError
from archsim.base.units import Count
from archsim.base.words import counted
from archsim.chip.floorplan import Plan
from archsim.chip.topologies.base import Topology, Wires, mean_m
from archsim.spec.choices import TOPOLOGIES


@TOPOLOGIES.add("bus")
def bus(
    plan: Plan, *, segments: Annotated[Count, Field(description="Parts of the bus, each held by itself.")] = 1
) -> Topology:
    """One shared bus, a spine along each row of sites and one across them; a message holds all of it.

    With more `segments`, each serves as many rows, is held by itself and is joined to the next by a bridge, which is a
    router. The two directions over the bridges are classes, so that they do not wait for each other. Each tile's tap
    on the bus is counted as a router (an assumption).
    """
    rows = sorted({row for row, _ in plan.grid})
    if segments > len(rows):
        what = f"{counted(segments, 'segment')} for {counted(len(rows), 'row')} of tiles"
        hint = f"give at most {len(rows)}, or a floorplan with fewer columns"
        raise SpecError.at("routing.options.segments", what, hint)
    wires = Wires(plan)
    names = ["bus"] if segments == 1 else [f"bus{i}" for i in range(segments)]
    segment_of_row = {row: i * segments // len(rows) for i, row in enumerate(rows)}
    home = {f"tile{tile}": segment_of_row[row] for tile, (row, _) in enumerate(plan.grid)}
    gate = min(range(len(plan.sites)), key=lambda i: (plan.distance_m(plan.host, plan.sites[i]), i))
    home = {"host": home[f"tile{gate}"], **home}
    side, height = plan.sites[0].width_m, plan.sites[0].height_m
    for i, name in enumerate(names):
        own = list(segment_of_row.values()).count(i)
        length = own * (plan.columns - 0.5) * side + (own - (i == 0)) * height
        if home["host"] == i:
            length = plan.host.width_m / 2 + length
        for node in (node for node, segment in home.items() if segment == i):
            wires.one_way(node, name, length, name)
            wires.one_way(name, node, length, name)
        for bridge in (f"router{j}" for j in (i - 1, i) if 0 <= j < segments - 1):
            wires.one_way(bridge, name, length, name)
            wires.one_way(name, bridge, length, name)
    for j in range(segments - 1):
        beside = [
            plan.sites[int(node[4:])].centre_m for node, at in home.items() if at in (j, j + 1) and node != "host"
        ]
        wires.places_m[f"router{j}"] = mean_m(beside)

    def route(a: str, b: str) -> list[str]:
        start, stop = home[a], home[b]
        nodes = [a, names[start]]
        step = 1 if stop > start else -1
        for i in range(start, stop, step):
            nodes += [f"router{i if step > 0 else i - 1}", names[i + step]]
        return [*nodes, b]

    def classes(nodes: list[str]) -> list[int]:
        return [int(home[nodes[0]] > home[nodes[-1]])] * (len(nodes) - 1)

    return Topology(
        wires.graph, wires.lengths_m, route, classes, min(segments, 2), wires.places_m, taps=len(plan.sites)
    )
