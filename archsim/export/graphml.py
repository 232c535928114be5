"""The chip graph as GraphML, for Gephi, yEd, NetworkX and other tools of graphs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from archsim.base.texts import for_xml
from archsim.chip.graph import Chip
from archsim.chip.places import node_rect
from archsim.export.formats import CHIP_FILES, ChipFile


def chip_graphml(chip: Chip) -> str:
    """Return the routing graph as GraphML: nodes with their place in metres, edges with their link.

    A link has a length in metres and its head's time of flight in seconds; edges of one shared wire name one link.
    """
    return "".join(_lines(chip))


HEAD = """\
<graphml xmlns="http://graphml.graphdrawing.org/xmlns" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:schemaLocation="http://graphml.graphdrawing.org/xmlns http://graphml.graphdrawing.org/xmlns/1.0/graphml.xsd">
  <key id="d5" for="edge" attr.name="flight_s" attr.type="double" />
  <key id="d4" for="edge" attr.name="length_m" attr.type="double" />
  <key id="d3" for="edge" attr.name="link" attr.type="string" />
  <key id="d2" for="node" attr.name="y_m" attr.type="double" />
  <key id="d1" for="node" attr.name="x_m" attr.type="double" />
  <key id="d0" for="graph" attr.name="name" attr.type="string" />
  <graph edgedefault="directed">
"""
"""What networkx writes, which holds a whole tree of elements for it: of a million it would take gigabytes."""


_IN_ATTRIBUTES = str.maketrans({'"': "&quot;", "\r": "&#13;", "\n": "&#10;", "\t": "&#09;"})


def _lines(chip: Chip) -> Iterator[str]:
    """Yield the text, some lines at a time."""
    lengths_m = chip.topology.lengths_m
    times: dict[tuple[float, bool], float] = {}
    edges: Iterable[tuple[str, str, str]] = chip.graph.edges(data="link")
    yield HEAD
    for node in chip.graph.nodes:
        x, y = node_rect(chip, node).centre_m
        yield f'    <node id="{_attribute(node)}">\n{_data(1, float(x))}{_data(2, float(y))}    </node>\n'
    for a, b, name in edges:
        alike = lengths_m[name], name in chip.between_chips
        if alike not in times:
            times[alike] = float(chip.links[name].flight_s)
        own = (
            f"{_data(3, escape(for_xml(name), quote=False))}{_data(4, float(lengths_m[name]))}{_data(5, times[alike])}"
        )
        yield f'    <edge source="{_attribute(a)}" target="{_attribute(b)}">\n{own}    </edge>\n'
    yield f'    <data key="d0">{escape(for_xml(chip.spec.name), quote=False)}</data>\n  </graph>\n</graphml>\n'


def _data(key: int, value: float | str) -> str:
    return f'      <data key="d{key}">{value}</data>\n'


def _attribute(text: str) -> str:
    return escape(for_xml(text), quote=False).translate(_IN_ATTRIBUTES)


CHIP_FILES.add("chip.graphml")(
    ChipFile("tiles, routers and links as a graph, for networkx, yEd and Gephi", lambda chip, _: chip_graphml(chip))
)
