"""Deadlock: proof that the packets of a schedule cannot wait for each other's buffers for ever.

A channel is the buffer at the far end of a link, for one class. A packet that lies in one waits for those over which
it goes on. If these waits make no circle, no packets can block each other for ever (Dally & Towles 2004, section
14.1): some packet can always move. One that stands behind another in a channel waits for nothing else than what that
one waits for. Only what is mapped is routed and checked.

Tiles and their buffers are in the proof as sinks: a tile takes every packet into its memory when it comes, which the
schedule has made sure is large enough, and none of its units is held while a packet waits to be sent; so no channel
waits for a tile, nor one message for another. A link by itself is no cause for a wait without end: who holds it has
its place at the far end already. Circuits need no check: a path is granted all at once or not at all.
"""

from __future__ import annotations

import itertools
from typing import TypeAlias

import networkx as nx

from archsim.base.errors import Problem, SpecError
from archsim.mapping.buffers import Buffers

Waits: TypeAlias = "nx.DiGraph[tuple[str, int]]"


def dependencies(buffers: Buffers) -> Waits:
    """Return the graph of channels (link, class): an edge from each to those for which packets in it wait."""
    waits: Waits = nx.DiGraph()
    for tree in buffers.trees:
        for hop in tree:
            own = [(hop.link, kind) for kind in hop.classes]
            waits.add_nodes_from(own)
            waits.add_edges_from(itertools.pairwise(own))  # places at both ends of a bus are taken one after another
            if hop.before:
                waits.add_edges_from(((hop.before, hop.via), channel) for channel in own)
    return waits


def check_deadlock(buffers: Buffers) -> None:
    """Raise SpecError with the circle of channels, if packets in finite buffers could wait for each other in one."""
    if not buffers.limited:
        return
    waits = dependencies(buffers)
    try:
        circle = nx.find_cycle(waits)
    except nx.NetworkXNoCycle:
        return
    classes = buffers.chip.topology.class_count
    names = [link if classes == 1 else f"{link} (class {kind})" for (link, kind), _ in circle]
    what = f"packets could wait for each other for ever in this circle of links: {', '.join(names)}, {names[0]}"
    hint = "leave one of them out, place layers otherwise, or use a topology with classes (ring, torus) or a tree"
    raise SpecError([Problem("routing.topology", what, hint)])
