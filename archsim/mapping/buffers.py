"""Buffers of routers, and the multicast trees of packets that hold places in them.

Virtual cut-through (Kermani & Kleinrock 1979): a head goes on as soon as it has passed the router, while the tail
follows; a link is held for as long as all flits take. Where routers have buffers, a packet first takes a place for
the whole of it in the buffer at the far end of a link, for its class, and then the link; it leaves its place when
its tail has gone out over the next link, the last of them where it branches. Taking the place before the link keeps
classes apart: a packet that waits for a place does not stand in the way of another class at the link. Tiles always
take what comes for them, into their memory, so a packet's last link needs no place.

The buffer of a link's class is one virtual channel. By BookSim's `wait_for_tail_credit = 0` (the default) it holds
several packets, which leave in the order in which they came: each asks for its next place when the tail of the one
before it has left. By `wait_for_tail_credit = 1` it holds one. As a channel is given to one packet after another, and
a packet that has its place lacks no credits, flits of packets of one class do not take turns on a link, by either
value of BookSim's `hold_switch_for_packet`. Those of the two classes of a ring or torus would, by its default of 0;
here a link passes one of the two packets after the other, which ends at the same cycle.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.chip.graph import Chip, Unit
from archsim.chip.topologies import Graph


@dataclass(frozen=True)
class Hop:
    """A link of a multicast tree: where it begins, the link before it ("" at the source), and what lies at its end.

    `classes` are those in which the packet enters a router there (a segment of a bus may reach two of them), `via` the
    one in which it lay in the router before; `tiles` take it.
    """

    link: str
    start: str
    before: str
    via: int
    classes: tuple[int, ...]
    tiles: tuple[int, ...]


def node_of(tile: int) -> str:
    """Return the node of a tile, or of the host, which is tile -1."""
    return "host" if tile < 0 else f"tile{tile}"


def tree_of(chip: Chip, source: int, tiles: Sequence[int]) -> tuple[Hop, ...]:
    """Return the union of the routes from a tile to others, each link once, a link after the one before it."""
    topology = chip.topology
    entered: dict[str, tuple[str, str, int]] = {}
    classes: dict[str, set[int]] = {}
    taken: dict[str, list[int]] = {}
    for tile in tiles:
        nodes = chip.nodes(node_of(source), node_of(tile))
        before, via = "", 0
        steps = zip(itertools.pairwise(nodes), topology.classes(nodes), strict=True)
        for link, run in itertools.groupby(steps, key=lambda step: chip.graph.edges[step[0]]["link"]):
            over = list(run)
            start, ((_, far), kind) = over[0][0][0], over[-1]
            entered.setdefault(link, (start, before, via))
            own = classes.setdefault(link, set())
            if far.startswith("router"):
                own.add(kind)
            before, via = link, kind
        taken.setdefault(before, []).append(tile)
    return tuple(
        Hop(link, *way, tuple(sorted(classes[link])), tuple(taken.get(link, ()))) for link, way in entered.items()
    )


def inputs_of(graph: Graph) -> dict[str, list[tuple[str, str]]]:
    """Return by link its inputs, in the order of the graph: (node, the link by which packets come to it).

    What a tile or the host sends itself comes by the link "".
    """
    coming: dict[str, list[str]] = {}
    edges: list[tuple[str, str, str]] = list(graph.edges(data="link"))
    for _, node, link in edges:
        coming.setdefault(node, []).append(link)
    inputs: dict[str, dict[tuple[str, str], None]] = {}
    for node, _, link in edges:
        end = node == "host" or node.startswith("tile")
        before = [""] if end else [other for other in coming.get(node, ()) if other != link]
        inputs.setdefault(link, {}).update({(node, other): None for other in before})
    return {link: list(found) for link, found in inputs.items()}


class Buffers:
    """The buffers that a schedule's packets use: a unit per link and class, and what they must hold.

    `limited` says whether the chip's routers have any limit at all.
    """

    def __init__(self, chip: Chip) -> None:
        self.chip = chip
        self.flits = chip.spec.routing.router.buffer_flits
        self.limited = self.flits is not None
        self.one_packet = chip.spec.routing.router.wait_for_tail_credit
        self.largest_flits = 0
        self.units: dict[tuple[str, int, bool], int] = {}
        self.trees: list[tuple[Hop, ...]] = []
        self.inputs = inputs_of(chip.graph) if chip.spec.routing.router.by_port else {}

    def unit(self, link: str, kind: int) -> int:
        """Return the index of the unit that stands for the buffer at the far end of a link, for a class."""
        return self._index(link, kind, False)

    def first(self, link: str, kind: int) -> int | None:
        """Return the index of the unit that stands for being the first packet in that buffer; None if all are."""
        return None if self.one_packet or not self.limited else self._index(link, kind, True)

    def _index(self, link: str, kind: int, first: bool) -> int:
        return self.units.setdefault((link, kind, first), len(self.chip.units) + len(self.units))

    def port(self, hop: Hop) -> tuple[int, int] | None:
        """Return from which input a hop asks for its link, and how many there are; None if that does not matter."""
        inputs = self.inputs.get(hop.link)
        return (inputs.index((hop.start, hop.before)), len(inputs)) if inputs else None

    def built(self) -> tuple[Unit, ...]:
        """Return the buffers as units with as many places as whole packets of the largest kind fit in, or with one.

        Raises SpecError if not one does.
        """
        if self.flits is None:
            return ()
        places = self.flits // self.largest_flits if self.largest_flits else 1
        if not places:
            what = f"a packet of {counted(self.largest_flits, 'flit')} does not fit into a buffer of {self.flits}"
            hint = f"use buffer_flits={self.largest_flits} or more, wider links or smaller tiles"
            raise SpecError([Problem("routing.router.buffer_flits", what, hint)])
        return tuple(
            Unit(index, f"{link}.buffer{kind}{'.first' * first}", "router", {},
                 1 if first or self.one_packet else places, buffer_of=link)
            for (link, kind, first), index in self.units.items()
        )  # fmt: skip
