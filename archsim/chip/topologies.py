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
    """A routing graph, the length of each of its links in metres, and its routing function."""

    graph: Graph
    lengths_m: dict[str, float]
    route: Callable[[str, str], list[str]]


def _connect(graph: Graph, lengths: dict[str, float], a: str, b: str, length_m: float, link: str = "") -> None:
    name = link or f"{a}>{b}"
    lengths[name] = length_m
    graph.add_edge(a, b, link=name)


@TOPOLOGIES.add("mesh")
def mesh(plan: Plan) -> Topology:
    """A router beside each tile, links to its four neighbours, dimension-order (X, then Y) routing."""
    graph: Graph = nx.DiGraph()
    lengths: dict[str, float] = {}
    count, columns = len(plan.sites), plan.columns
    for i, site in enumerate(plan.sites):
        _connect(graph, lengths, f"tile{i}", f"router{i}", 0.0)
        _connect(graph, lengths, f"router{i}", f"tile{i}", 0.0)
        for j in (i - 1 if i % columns else -1, i - columns):
            if j >= 0:
                length = plan.distance_m(site, plan.sites[j])
                _connect(graph, lengths, f"router{j}", f"router{i}", length)
                _connect(graph, lengths, f"router{i}", f"router{j}", length)
    gate = min(range(count), key=lambda i: (plan.distance_m(plan.host, plan.sites[i]), i))
    _connect(graph, lengths, "host", f"router{gate}", plan.distance_m(plan.host, plan.sites[gate]))
    _connect(graph, lengths, f"router{gate}", "host", plan.distance_m(plan.host, plan.sites[gate]))

    def route(a: str, b: str) -> list[str]:
        start = gate if a == "host" else int(a.removeprefix("tile"))
        stop = gate if b == "host" else int(b.removeprefix("tile"))
        (y, x), (y_stop, x_stop) = divmod(start, columns), divmod(stop, columns)
        step_x, step_y = (1 if x_stop > x else -1), (1 if y_stop > y else -1)
        along_x = [(y, i) for i in range(x, x_stop, step_x)]
        along_y = [(i, x_stop) for i in range(y, y_stop, step_y)]
        if y * columns + x_stop >= count:  # the last row is short: leave it first
            along_y = [(i, x) for i in range(y, y_stop, step_y)]
            along_x = [(y_stop, i) for i in range(x, x_stop, step_x)]
            places = [*along_y, *along_x, (y_stop, x_stop)]
        else:
            places = [*along_x, *along_y, (y_stop, x_stop)]
        return [a, *(f"router{row * columns + column}" for row, column in places), b]

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
