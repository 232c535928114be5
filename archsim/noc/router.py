"""A topology's links, ports and routes as arrays, with the delays of its routers and wires in cycles."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TypeAlias

import networkx as nx
import numpy as np

from archsim.base.errors import Problem, nearest
from archsim.base.registry import Registry
from archsim.base.words import counted
from archsim.chip.topologies.base import Topology

ARBITRATIONS: Registry[tuple[int, int, int]] = Registry("arbitration")
"""Who goes first: the weights of age, turn and place in a waiting packet's rank."""

# fmt: off
ARBITRATIONS.add("round_robin")((0, 1, 0))  # whose turn comes after the one that went last
ARBITRATIONS.add("fixed")((0, 0, 1))  # the lowest input port and channel, always
ARBITRATIONS.add("age")((1, 0, 0))  # the packet that was made first
# fmt: on


@dataclass(frozen=True)
class Router:
    """Input-queued routers, and the wires between them: what a network simulator is set to.

    `router_cycles` are routing, allocation of a virtual channel, allocation of the switch and its traversal: the last
    three take a cycle each, routing the rest (with 2, the switch is traversed in the cycle after its allocation; with
    1, all happens at once). `link_cycles` are those of a link that has a length; a link of no length, as between a
    tile and the router beside it, takes none. A flit's place in its buffer can be used again `credit_cycles` after
    it was granted the switch. `buffer_flits` are a virtual channel's; where a packet is longer, it lies in several
    routers (wormhole). The last two are BookSim's options of the same names, with its defaults (Jiang et al., ISPASS
    2013): whether a virtual channel is given again only when the credit of its packet's tail is back, or as soon as
    the tail has been sent, so that it holds several packets; and whether a packet keeps the switch while its flits
    follow each other, or it is arbitrated flit by flit.
    """

    packet_flits: int = 8
    vcs: int = 4
    buffer_flits: int = 8
    router_cycles: int = 3
    link_cycles: int = 1
    credit_cycles: int = 2
    arbitration: str = "round_robin"
    wait_for_tail_credit: bool = False
    hold_switch_for_packet: bool = False

    def problems(self, class_count: int = 1) -> list[Problem]:
        """Return what is wrong with these numbers, for a topology with so many classes of virtual channels."""
        found = [
            Problem(f"--{name.replace('_', '-')}", f"{getattr(self, name)} is too small", f"give at least {least}")
            for name, least in (("packet_flits", 1), ("vcs", 1), ("buffer_flits", 1), ("router_cycles", 1),
                                ("link_cycles", 0), ("credit_cycles", 1))
            if getattr(self, name) < least
        ]  # fmt: skip
        if self.vcs >= 1 and self.vcs % class_count:
            channels = counted(self.vcs, "virtual channel")
            what = (
                f"{channels} cannot be divided among the {class_count} classes of this topology, "
                "from one to another of which packets change at a dateline"
            )
            found.append(Problem("--vcs", what, f"give {class_count}, {2 * class_count} or another multiple"))
        if self.arbitration not in ARBITRATIONS:
            what = f"'{self.arbitration}' is not an arbitration"
            found.append(Problem("--arbitration", what, nearest(self.arbitration, ARBITRATIONS)))
        return found

    @property
    def grant_cycles(self) -> int:
        """Cycles from the grant of a virtual channel to the request for the switch."""
        return 1 if self.router_cycles >= 2 else 0

    @property
    def leave_cycles(self) -> int:
        """Cycles from the grant of the switch to the wire."""
        return 2 if self.router_cycles >= 3 else 1

    @property
    def route_cycles(self) -> int:
        """Cycles from a head's arrival to its request for a virtual channel."""
        return self.router_cycles - self.grant_cycles - self.leave_cycles


Route: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""Links, and by link the class of virtual channels."""


class Wires:
    """The links of a topology, what competes for what, and the routes between tiles, found when they are asked for.

    Consecutive edges of a route that name one link are one hop, as on a bus.
    """

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        edges: list[tuple[str, str, str]] = list(topology.graph.edges(data="link"))
        self.names: tuple[str, ...] = tuple(dict.fromkeys(link for _, _, link in edges))
        self.tiles = sum(node.startswith("tile") for node in topology.graph.nodes)
        self._index = {name: i for i, name in enumerate(self.names)}
        self._link_of = {(a, b): self._index[link] for a, b, link in edges}
        self.has_length = np.array([topology.lengths_m[name] > 0 for name in self.names])
        ends = {self._index[link]: b for _, b, link in edges}
        self.from_tiles = np.ones(len(self.names), dtype=bool)
        for a, _, link in edges:
            self.from_tiles[self._index[link]] &= not a.startswith("router")
        self.to_router = np.array([ends[i].startswith("router") for i in range(len(self.names))])
        self.group = np.empty(len(self.names), dtype=np.int64)
        """By link the number of its group: links that leave one node, and so compete for its inputs."""
        first: dict[str, int] = {}
        together: nx.Graph[int] = nx.empty_graph(len(self.names))
        together.add_edges_from((first.setdefault(a, self._index[link]), self._index[link]) for a, _, link in edges)
        for number, links in enumerate(nx.connected_components(together)):
            self.group[list(links)] = number
        self._routes: dict[tuple[int, int], list[Route]] = {}

    def routes(self, source: int, target: int) -> list[Route]:
        """Return the routes from one tile to another, among which its packets are divided evenly; they are kept."""
        key = (source, target)
        if key not in self._routes:
            self._routes[key] = self._find(source, target)
        return self._routes[key]

    def _find(self, source: int, target: int) -> list[Route]:
        return [self._over(nodes) for nodes in self.topology.routes(f"tile{source}", f"tile{target}")]

    def _over(self, nodes: list[str]) -> Route:
        """Return the links of a route, and the class of virtual channels on each.

        Over a tile's own link, and over the last, a packet may take any channel (-1), as in BookSim: nothing that it
        then waits for waits for it.
        """
        links: list[int] = []
        classes: list[int] = []
        for edge, own in zip(itertools.pairwise(nodes), self.topology.classes(nodes), strict=True):
            link = self._link_of[edge]
            if not links or links[-1] != link:
                links.append(link)
                classes.append(-1 if self.from_tiles[link] else own)
        return tuple(links), (*classes[:-1], -1)

    def link_load(self, weights: np.ndarray) -> np.ndarray:
        """Return by link the flits per cycle that it must carry if each tile sends one flit per cycle.

        `weights` is the share of each tile's packets (row) that goes to each other (column).
        """
        load = np.zeros(len(self.names))
        for source, target in zip(*(places.tolist() for places in np.nonzero(weights)), strict=True):
            routes = self._find(source, target)  # all pairs of a large network would be too many to keep
            for links, _ in routes:
                load[list(links)] += weights[source, target] / len(routes)
        return load
