"""The chip graph as GraphML, for Gephi, yEd, NetworkX and other tools of graphs."""

from __future__ import annotations

import networkx as nx

from archsim.base.texts import for_xml
from archsim.chip.graph import Chip
from archsim.chip.places import node_rect
from archsim.export.formats import CHIP_FILES, ChipFile


def chip_graphml(chip: Chip) -> str:
    """Return the routing graph as GraphML: nodes with their place in metres, edges with their link.

    A link has a length in metres and its head's time of flight in seconds; edges of one shared wire name one link.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.graph["name"] = for_xml(chip.spec.name)
    for node in chip.graph.nodes:
        x, y = node_rect(chip, node).centre_m
        graph.add_node(for_xml(node), x_m=float(x), y_m=float(y))
    for a, b in chip.graph.edges:
        link = chip.links[chip.graph.edges[a, b]["link"]]
        graph.add_edge(
            for_xml(a),
            for_xml(b),
            link=for_xml(link.name),
            length_m=float(link.length_m),
            flight_s=float(link.flight_s),
        )
    return "\n".join(nx.generate_graphml(graph)) + "\n"


CHIP_FILES.add("chip.graphml")(
    ChipFile("tiles, routers and links as a graph, for networkx, yEd and Gephi", lambda chip, _: chip_graphml(chip))
)
