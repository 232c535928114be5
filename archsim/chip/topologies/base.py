"""What a topology is: a routing graph whose edges name links, and its routes.

Nodes are `tile3`, `router3`, `bus` and `host`. An edge names the link (the contended wire) that it
uses; several edges may use one, as all do on a bus. Lengths belong to links.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

import networkx as nx

from archsim.chip.floorplan import Plan as Plan

Graph: TypeAlias = "nx.DiGraph[str]"
Point: TypeAlias = tuple[float, float]


class Way(NamedTuple):
    """A route: the names of its links, their length in all in metres, and how many routers lie between."""

    links: tuple[str, ...]
    length_m: float
    routers: int


@dataclass(frozen=True)
class Topology:
    """A routing graph, the length of each of its links in metres, and its routing function.

    `route` returns the nodes from one to another; a tile sends to itself by way of what is beside it. `classes`
    returns, for such a list of nodes, the class of virtual channels that a packet uses on each of its links, from 0 to
    `class_count` - 1: where a route closes a ring of links, it changes to another class there, so that no two packets
    wait for each other for ever. `places_m` says where each router stands, (x, y) in metres. `taps` counts what is as
    large as a router and is no node of the graph. `others` returns routes that are as good as `route`'s, as where two
    ways round a ring are as long.
    """

    graph: Graph
    lengths_m: dict[str, float]
    route: Callable[[str, str], list[str]]
    classes: Callable[[list[str]], list[int]] = lambda nodes: [0] * (len(nodes) - 1)
    class_count: int = 1
    places_m: Mapping[str, Point] = field(default_factory=dict)
    taps: int = 0
    others: Callable[[str, str], list[list[str]]] = lambda a, b: []
    ways: dict[tuple[str, str], Way] = field(default_factory=dict, repr=False, compare=False)
    """Routes that were asked for, where they are kept."""

    def routes(self, a: str, b: str) -> list[list[str]]:
        """Return all routes that are as good, that of `route` first."""
        return [self.route(a, b), *self.others(a, b)]

    @property
    def routers(self) -> int:
        """How many routers' areas and leakages there are."""
        return self.taps + sum(node.startswith("router") for node in self.graph)


@dataclass
class Wires:
    """Collects the links of a topology while its function builds it."""

    plan: Plan
    edges: dict[tuple[str, str], str] = field(default_factory=dict)
    lengths_m: dict[str, float] = field(default_factory=dict)
    places_m: dict[str, Point] = field(default_factory=dict)

    @property
    def graph(self) -> Graph:
        """The routing graph, frozen: floorplans whose wires differ in length alone have the same one."""
        return _graph(tuple(self.edges.items()))

    def centre_m(self, node: str) -> Point:
        """Return where a tile, the host port or a router that was placed lies."""
        found = self.places_m.get(node)
        if found is not None:
            return found
        return (self.plan.host if node == "host" else self.plan.sites[int(node.removeprefix("tile"))]).centre_m

    def apart_m(self, a: str, b: str) -> float:
        """Return the Manhattan distance between two nodes, in metres."""
        (ax, ay), (bx, by) = self.centre_m(a), self.centre_m(b)
        return abs(ax - bx) + abs(ay - by)

    def one_way(self, a: str, b: str, length_m: float, link: str = "") -> None:
        """Add an edge, on a link of its own unless one is named."""
        name = link or f"{a}>{b}"
        self.lengths_m[name] = length_m
        self.edges[a, b] = name

    def both_ways(self, a: str, b: str) -> None:
        """Add a link each way, as long as the nodes lie apart."""
        length_m = self.apart_m(a, b)
        self.one_way(a, b, length_m)
        self.one_way(b, a, length_m)

    def join_host(self, routers: Sequence[str]) -> str:
        """Join the host port to the nearest of the routers, the first of equals; return which."""
        gate = min(routers, key=lambda router: self.apart_m("host", router))
        self.both_ways("host", gate)
        return gate


@functools.lru_cache(maxsize=2)
def _graph(edges: tuple[tuple[tuple[str, str], str], ...]) -> Graph:
    graph: Graph = nx.DiGraph()
    for (a, b), link in edges:
        graph.add_edge(a, b, link=link)
    nx.freeze(graph)
    return graph


def mean_m(points: Sequence[Point]) -> Point:
    """Return the middle of some points."""
    xs, ys = zip(*points, strict=True)
    return math.fsum(xs) / len(xs), math.fsum(ys) / len(ys)


def block_of(count: int) -> tuple[int, int]:
    """Return (rows, columns) of the most nearly square block of so many places, never taller than wide.

    >>> block_of(4), block_of(2), block_of(8)
    ((2, 2), (1, 2), (2, 4))
    """
    rows = max(n for n in range(1, math.isqrt(count) + 1) if count % n == 0)
    return rows, count // rows
