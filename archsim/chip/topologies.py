"""Topologies: the routing graph over the sites of a floorplan, and the route between two of its nodes.

Nodes are named `tile3`, `router3`, `bus` and `host`. An edge names the link (the contended wire) that it
uses; several edges may use one, as all do on a bus. Lengths belong to links.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import networkx as nx

from archsim.chip.floorplan import Plan
from archsim.spec import TOPOLOGIES

Graph: TypeAlias = "nx.DiGraph[str]"


@dataclass(frozen=True)
class Topology:
    """A routing graph, the length of each of its links in metres, and its routing function.

    `route` returns the nodes from one to another. `classes` returns, for such a list of nodes, the class of virtual
    channels that a packet uses on each of its links, 0 to `class_count` - 1: where a route closes a ring of links, it
    changes to another class there, so that no two packets wait for each other for ever.
    """

    graph: Graph
    lengths_m: dict[str, float]
    route: Callable[[str, str], list[str]]
    classes: Callable[[list[str]], list[int]] = lambda nodes: [0] * (len(nodes) - 1)
    class_count: int = 1


def _connect(graph: Graph, lengths: dict[str, float], a: str, b: str, length_m: float, link: str = "") -> None:
    name = link or f"{a}>{b}"
    lengths[name] = length_m
    graph.add_edge(a, b, link=name)


@TOPOLOGIES.add("mesh")
def mesh(plan: Plan) -> Topology:
    """A router beside each tile, links to its four neighbours, dimension-order (X, then Y) routing."""
    graph: Graph = nx.DiGraph()
    lengths: dict[str, float] = {}
    count, at = len(plan.sites), {place: i for i, place in enumerate(plan.grid)}
    for i, (site, (row, column)) in enumerate(zip(plan.sites, plan.grid, strict=True)):
        _connect(graph, lengths, f"tile{i}", f"router{i}", 0.0)
        _connect(graph, lengths, f"router{i}", f"tile{i}", 0.0)
        for place in ((row, column - 1), (row - 1, column)):
            if place in at:
                j = at[place]
                length = plan.distance_m(site, plan.sites[j])
                _connect(graph, lengths, f"router{j}", f"router{i}", length)
                _connect(graph, lengths, f"router{i}", f"router{j}", length)
    gate = min(range(count), key=lambda i: (plan.distance_m(plan.host, plan.sites[i]), i))
    _connect(graph, lengths, "host", f"router{gate}", plan.distance_m(plan.host, plan.sites[gate]))
    _connect(graph, lengths, f"router{gate}", "host", plan.distance_m(plan.host, plan.sites[gate]))

    def route(a: str, b: str) -> list[str]:
        start = gate if a == "host" else int(a.removeprefix("tile"))
        stop = gate if b == "host" else int(b.removeprefix("tile"))
        (y, x), (y_stop, x_stop) = plan.grid[start], plan.grid[stop]
        step_x, step_y = (1 if x_stop > x else -1), (1 if y_stop > y else -1)
        along_x = [(y, i) for i in range(x, x_stop, step_x)]
        along_y = [(i, x_stop) for i in range(y, y_stop, step_y)]
        if (y, x_stop) not in at:  # the last row is short: leave it first
            along_y = [(i, x) for i in range(y, y_stop, step_y)]
            along_x = [(y_stop, i) for i in range(x, x_stop, step_x)]
            places = [*along_y, *along_x, (y_stop, x_stop)]
        else:
            places = [*along_x, *along_y, (y_stop, x_stop)]
        return [a, *(f"router{at[place]}" for place in places), b]

    return Topology(graph, lengths, route)


@TOPOLOGIES.add("bus")
def bus(plan: Plan) -> Topology:
    """One shared bus, a spine along each row of sites and one across them; a message holds all of it."""
    graph: Graph = nx.DiGraph()
    lengths: dict[str, float] = {}
    side = plan.sites[0].width_m
    rows = -(-len(plan.sites) // plan.columns)
    length = plan.host.width_m / 2 + rows * (plan.columns - 0.5) * side + (rows - 1) * plan.sites[0].height_m
    for node in ["host", *(f"tile{i}" for i in range(len(plan.sites)))]:
        _connect(graph, lengths, node, "bus", length, "bus")
        _connect(graph, lengths, "bus", node, length, "bus")

    def route(a: str, b: str) -> list[str]:
        return [a, "bus", b]

    return Topology(graph, lengths, route)
