"""The chip: units by index on a networkx graph, with the area of everything and the length of every wire."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

import networkx as nx

from archsim.base.errors import SpecError
from archsim.chip.floorplan import Plan
from archsim.chip.parts import Part, chip_links_m2, static_parts, tile_actions, tile_parts
from archsim.chip.topologies.base import Topology
from archsim.chip.topologies.package import packaged
from archsim.components.base import Action
from archsim.components.interconnect import PacketLink
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import TOPOLOGIES
from archsim.spec.tile import TileSpec


@dataclass(frozen=True, slots=True)
class Unit:
    """One instance (or bank) on the chip that the engine can occupy, with what it can do.

    `component` is the line of the bill; `capacity` how many holders it has at once, 0 if it is only
    billed and never contended for. `buffer_of` names the link at whose far end it is a buffer, if it is one.
    """

    index: int
    name: str
    component: str
    actions: Mapping[str, Action]
    capacity: int
    tile: int = -1
    buffer_of: str = ""


@dataclass(frozen=True, slots=True)
class LinkUnit:
    """A wire of the routing graph: its unit, its length in metres and the head's time over it in seconds.

    `flit_s` is the time of a flit where it carries such; a link `between_chips` hands on whole packets.
    """

    unit: int
    name: str
    length_m: float
    flight_s: Fraction
    flit_s: Fraction = Fraction(0)
    between_chips: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its kind and spec, and its units' indices by name."""

    index: int
    kind: str
    spec: TileSpec
    units: Mapping[str, int]


@dataclass(frozen=True)
class Chip:
    """Everything static about a chip, or a package of several. Units are found by index; tiles and links name theirs.

    `programming` stands for what each chip allows to be programmed at once.
    """

    spec: ArchSpec
    plan: Plan
    topology: Topology
    units: tuple[Unit, ...]
    tiles: tuple[Tile, ...]
    links: Mapping[str, LinkUnit]
    host: int
    router: int
    programming: tuple[int, ...]
    parts: tuple[Part, ...]

    @property
    def graph(self) -> nx.DiGraph[str]:
        """The routing graph; nodes are `tile0`, `router0`, `bus`, `host`, edges name their link."""
        return self.topology.graph

    @property
    def area_m2(self) -> float:
        """Whole chip, routing, white space and host port included, in square metres."""
        return sum(part.area_m2 for part in self.parts)

    @property
    def leakage_w(self) -> float:
        """Power drawn all the time by the whole chip, in watts."""
        return sum(part.leakage_w for part in self.parts)

    def tile_share(self, tile: Tile) -> tuple[float, float]:
        """Return area (m2) and leakage (W) of a tile's own parts and of its share of the routers."""
        return self._tile_shares[tile.kind]

    @cached_property
    def _tile_shares(self) -> Mapping[str, tuple[float, float]]:
        return {kind: self._share(tile) for kind, tile in self.spec.tile_kinds}

    def _share(self, tile: TileSpec) -> tuple[float, float]:
        own = [(part, n) for _, part, n in tile_parts(tile)]
        routers = [part for part in self.parts if part.component == "router"]
        area_m2 = sum(part.area_m2 for part in routers) / len(self.tiles)
        leakage_w = sum(part.leakage_w for part in routers) / len(self.tiles)
        return (
            area_m2 + sum(n * part.total_area_m2 for part, n in own),
            leakage_w + sum(n * part.total_leakage_w for part, n in own),
        )

    @cached_property
    def longest_link(self) -> LinkUnit:
        """The longest wire between neighbouring tiles of a chip (the host's apart), the first of equals."""
        own = [link for link in self.links.values() if not link.between_chips]
        inner = [link for link in own if "host" not in link.name] or own
        return max(inner, key=lambda link: link.length_m)

    def nodes(self, source: str, target: str) -> list[str]:
        """Return the nodes from one to another, both included.

        Raises SpecError where the topology's routes lead over places at which the floorplan has no tile.
        """
        with contextlib.suppress(KeyError):  # a place without a tile is in no table of routers
            nodes = self.topology.route(source, target)
            if all(self.graph.has_edge(a, b) for a, b in itertools.pairwise(nodes)):
                return nodes
        what = f"'{self.spec.routing.topology}' has no way from {source} to {target} around the floorplan's holes"
        hint = "choose another topology, or a floorplan whose rows and columns are full"
        raise SpecError.at("routing.topology", what, hint)

    def route(self, source: str, target: str) -> tuple[tuple[LinkUnit, ...], int]:
        """Return the links from node to node in order, and how many routers lie between; raise SpecError as `nodes`."""
        nodes = self.nodes(source, target)
        names: list[str] = []
        for a, b in itertools.pairwise(nodes):
            name = self.graph.edges[a, b]["link"]
            if name not in names:
                names.append(name)
        return tuple(self.links[name] for name in names), sum(node.startswith("router") for node in nodes)


def build_chip(spec: ArchSpec) -> Chip:
    """Return the chip that a spec describes: areas first, then the floorplan, then wires and their delays.

    Raises SpecError where the spec contradicts itself or the routing graph is not connected.
    """
    kinds = [(name, tile) for name, tile in spec.tile_kinds for _ in range(tile.count)]
    plan, topology = _laid_out(spec, [name for name, _ in kinds])
    _check_connected(topology)
    between: frozenset[str] = frozenset()
    if spec.package is not None and spec.chips > 1:
        joined = packaged(plan, topology, spec.chips, spec.package.gap_m)
        plan, topology, between = joined.plan, joined.topology, joined.chip_links
        kinds *= spec.chips

    units: list[Unit] = []

    def add(name: str, component: str, actions: Mapping[str, Action], capacity: int, tile: int = -1) -> int:
        units.append(Unit(len(units), name, component, actions, capacity, tile))
        return len(units) - 1

    action_tables = {name: tile_actions(tile) for name, tile in spec.tile_kinds}
    tiles = []
    for index, (kind, tile) in enumerate(kinds):
        ids = {
            name: add(f"tile{index}.{name}", component, actions, capacity, index)
            for name, component, actions, capacity in action_tables[kind]
        }
        if tile.row_converter == "shared":
            ids["row_converter"], ids["row_hold"] = ids["col_converter"], ids["col_hold"]
        tiles.append(Tile(index, kind, tile, ids))
    links = {name: _link(spec, name, length_m, name in between, add) for name, length_m in topology.lengths_m.items()}
    router = add("routers", "router", spec.routing.router.actions(), 0)
    host = add("host", "host_port", spec.host.actions(), 1)
    at_once = spec.schedule.tiles_written
    programming = tuple(add("programming", "programming", {}, at_once) for _ in range(spec.chips))
    parts = static_parts(spec, plan, topology, between)
    return Chip(spec, plan, topology, tuple(units), tuple(tiles), links, host, router, programming, parts)


def _link(spec: ArchSpec, name: str, length_m: float, between_chips: bool, add: Callable[..., int]) -> LinkUnit:
    """Add the unit of a link and return it."""
    link = spec.routing.link
    if between_chips:
        assert spec.package is not None
        if not isinstance(link, PacketLink):
            what = f"a '{link.kind}' cannot leave a chip: pulse durations do not cross a package"
            raise SpecError.at("package.chips", what, "use transport 'packet' with a 'packet_link', or one chip")
        actions = spec.package.link.for_flits(link.width_bits)
        unit = add(name, "chip_link", actions, 1)
        return LinkUnit(unit, name, length_m, spec.package.link.latency_s, actions["flit"].latency_s, True)
    flit_s = link.flit_time_s if isinstance(link, PacketLink) else Fraction(0)
    return LinkUnit(add(name, "link", link.at_length(length_m), 1), name, length_m, link.flight_s(Fraction(length_m)),
                    flit_s)  # fmt: skip


def _laid_out(spec: ArchSpec, kinds: Sequence[str]) -> tuple[Plan, Topology]:
    """Return the floorplan and the topology over it.

    A tile's site holds a router where one stands beside each tile; routers in other numbers take their area evenly
    from all sites. How many there are shows only in the topology over a floorplan, so that one is made first.
    """
    build = TOPOLOGIES.lookup(spec.routing.topology, "routing.topology")
    tile_m2 = {name: sum(part.total_area_m2 * n for _, part, n in tile_parts(tile)) for name, tile in spec.tile_kinds}
    routers = len(kinds)
    for _ in range(3):  # the second is right unless the floorplan itself turns on the area of a router
        router_m2 = spec.routing.router.total_area_m2 * routers / len(kinds)
        blocks = [tile_m2[name] + router_m2 for name in kinds]
        if not max(blocks) > 0:
            raise SpecError.at("tile", "a tile without any area", "give its components their areas")
        plan: Plan = spec.floorplan.plan(blocks, spec.host.total_area_m2 + chip_links_m2(spec))
        topology = build(plan, **spec.routing.options.arguments())
        if topology.routers == routers:
            break
        routers = topology.routers
    return plan, topology


def _check_connected(topology: Topology) -> None:
    if not nx.is_strongly_connected(topology.graph):
        pieces = sorted(nx.strongly_connected_components(topology.graph), key=lambda piece: (-len(piece), min(piece)))
        lost = sorted(node for piece in pieces[1:] for node in piece)
        text = f"the graph is not connected: {', '.join(lost[:5])} cannot be reached both ways"
        raise SpecError.at("routing.topology", text, "join all tiles and the host port by links")
