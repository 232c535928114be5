"""Several chips in a package: each with its own network, joined by links between the routers at their host ports.

Chips stand in rows and columns, as nearly square as their number allows; from one chip to another a packet goes to
the gate (the router beside the host port), over chip-to-chip links in dimension order, and on from the gate there.
Only the first chip's host port is joined to the host. Packets that only pass through use a chip's gate alone, those
that leave go towards it and those that come away from it, so that no two wait for each other for ever.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

import networkx as nx

from archsim.chip.floorplan import Block, Plan
from archsim.chip.floorplan.plan import Rect
from archsim.chip.topologies.base import Graph, Point, Topology

PORT = "chip_port"
"""Line of the bill of areas of the host ports that are not joined to the host."""


@dataclass(frozen=True)
class Package:
    """The plans and networks of all chips as one; `chip_links` names the links between chips."""

    plan: Plan
    topology: Topology
    chip_links: frozenset[str]


@dataclass(frozen=True)
class _Names:
    """How the nodes of one chip are named in the package: tiles and routers are numbered on, other nodes marked."""

    chip: int
    tiles: int
    routers: int

    def outside(self, node: str) -> str:
        """Return the name in the package of a chip's own node."""
        return self._numbered_on(node, self.chip) or (f"{node}@{self.chip}" if self.chip else node)

    def inside(self, node: str) -> str:
        """Return a chip's own name of a node of the package."""
        return self._numbered_on(node, -self.chip) or node.removesuffix(f"@{self.chip}")

    def _numbered_on(self, node: str, chips: int) -> str:
        """Return the tile or router so many chips further on; nothing for other nodes."""
        for kind, count in (("tile", self.tiles), ("router", self.routers)):
            if _numbered(node, kind):
                return f"{kind}{int(node.removeprefix(kind)) + chips * count}"
        return ""


def packaged(plan: Plan, topology: Topology, chips: int, gap_m: float) -> Package:
    """Return `chips` copies of a chip, `gap_m` apart, joined by links both ways between neighbours."""
    columns = ceil(sqrt(chips))
    places = [divmod(chip, columns) for chip in range(chips)]
    routers = [int(node.removeprefix("router")) for node in topology.graph if _numbered(node, "router")]
    names = [_Names(chip, len(plan.sites), max(routers, default=-1) + 1) for chip in range(chips)]
    graph: Graph = nx.DiGraph()
    lengths_m: dict[str, float] = {}
    places_m: dict[str, Point] = {}
    right, down = plan.width_m + gap_m, plan.height_m + gap_m
    for name, (row, column) in zip(names, places, strict=True):
        _add_chip(graph, lengths_m, topology, name)
        for node, (x_m, y_m) in topology.places_m.items():
            places_m[name.outside(node)] = x_m + column * right, y_m + row * down
    gates = [name.outside(next(iter(topology.graph.successors("host")))) for name in names]
    links = []
    number = {place: chip for chip, place in enumerate(places)}
    for chip, (row, column) in enumerate(places):
        for before in ((row, column - 1), (row - 1, column)):
            if before in number:
                pair = number[before], chip
                for a, b in (pair, pair[::-1]):
                    link = f"chip{a}>chip{b}"
                    graph.add_edge(gates[a], gates[b], link=link)
                    lengths_m[link] = gap_m
                    links.append(link)
    routing = _Routing(topology, tuple(names), tuple(places), tuple(gates))
    whole = Topology(
        graph, lengths_m, routing.route, routing.classes, topology.class_count, places_m, topology.taps * chips
    )
    return Package(_side_by_side(plan, places, right, down), whole, frozenset(links))


def _add_chip(graph: Graph, lengths_m: dict[str, float], topology: Topology, name: _Names) -> None:
    """Add a chip's own network; the host's node is left out of all chips but the first."""
    mark = f"@{name.chip}" if name.chip else ""
    edges: list[tuple[str, str, str]] = list(topology.graph.edges(data="link"))
    for a, b, link in edges:
        if name.chip and "host" in (a, b):
            continue
        own = f"{name.outside(a)}>{name.outside(b)}" if link == f"{a}>{b}" else f"{link}{mark}"
        graph.add_edge(name.outside(a), name.outside(b), link=own)
        lengths_m[own] = topology.lengths_m[link]


@dataclass(frozen=True)
class _Routing:
    topology: Topology
    names: tuple[_Names, ...]
    places: tuple[tuple[int, int], ...]
    gates: tuple[str, ...]

    def chip_of(self, node: str) -> int:
        """Return the chip on which a tile or the host's port is."""
        return int(node.removeprefix("tile")) // self.names[0].tiles if node.startswith("tile") else 0

    def route(self, source: str, target: str) -> list[str]:
        """Return the nodes from one to another, both included."""
        a, b = self.chip_of(source), self.chip_of(target)
        here, there = self.names[a], self.names[b]
        if a == b:
            return [here.outside(node) for node in self.topology.route(here.inside(source), here.inside(target))]
        out = [source] if source == "host" else self.topology.route(here.inside(source), "host")[:-1]
        way = out if source == "host" else [here.outside(node) for node in out]
        way += [self.gates[chip] for chip in self._over(a, b)][0 if source == "host" else 1 :]
        into = [] if target == "host" else self.topology.route("host", there.inside(target))[2:]
        return [*way, *(["host"] if target == "host" else [there.outside(node) for node in into])]

    def classes(self, nodes: list[str]) -> list[int]:
        """Return the class on each link: a chip's own on its links, 0 between chips."""
        pieces = [[nodes[0]]]
        for before, after in itertools.pairwise(nodes):
            if before in self.gates and after in self.gates:
                pieces.append([after])
            else:
                pieces[-1].append(after)
        found: list[int] = []
        for i, piece in enumerate(pieces):
            comes, goes = i > 0, i < len(pieces) - 1
            found += [0] * comes
            if len(piece) > 1:  # within a chip it is the way from or to its host port
                end = piece[-1] if comes else piece[0]
                own = [self.names[self.chip_of(end)].inside(node) for node in piece]
                classes = self.topology.classes([*["host"] * comes, *own, *["host"] * goes])
                found += classes[int(comes) : len(classes) - int(goes)]
        return found

    def _over(self, a: int, b: int) -> list[int]:
        """Return the chips from one to another, in dimension order (a short last row is left first)."""
        (row, column), (last_row, last_column) = self.places[a], self.places[b]
        along = [(row, c) for c in _steps(column, last_column)] + [(r, last_column) for r in _steps(row, last_row)[1:]]
        if any(place not in self.places for place in along):
            down = [(r, column) for r in _steps(row, last_row)]
            along = down + [(last_row, c) for c in _steps(column, last_column)[1:]]
        return [self.places.index(place) for place in along]


def _steps(first: int, last: int) -> list[int]:
    return list(range(first, last + 1)) if last >= first else list(range(first, last - 1, -1))


def _numbered(node: str, kind: str) -> bool:
    number = node.removeprefix(kind)
    return number != node and number.isdecimal()


def _side_by_side(plan: Plan, places: Sequence[tuple[int, int]], right: float, down: float) -> Plan:
    """Return the plan of all dies; what lies between them belongs to nothing."""

    def moved(rect: Rect, row: int, column: int) -> Rect:
        return Rect(rect.x_m + column * right, rect.y_m + row * down, rect.width_m, rect.height_m)

    rows, columns = max(row for row, _ in places) + 1, max(column for _, column in places) + 1
    tall, wide = max(row for row, _ in plan.grid) + 1, plan.columns
    sites = [moved(site, *place) for place in places for site in plan.sites]
    grid = [(row * tall + r, column * wide + c) for row, column in places for r, c in plan.grid]
    blocks = [
        Block(f"{block.name}@{chip}" if chip else block.name, moved(block.rect, *place), block.kind)
        for chip, place in enumerate(places) for block in plan.blocks
    ]  # fmt: skip
    blocks += [Block(f"port@{chip}", moved(plan.host, *place), PORT) for chip, place in enumerate(places) if chip]
    outline = Rect(0.0, 0.0, columns * right - (right - plan.width_m), rows * down - (down - plan.height_m))
    used_m2 = len(places) * plan.area_m2
    return Plan(
        tuple(sites), plan.host, tuple(grid), len(places) * plan.white_space_m2, tuple(blocks), outline,
        outline.area_m2 - used_m2,
    )  # fmt: skip
