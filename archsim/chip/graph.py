"""The chip: units by index on a networkx graph, with the area of everything and the length of every wire."""

from __future__ import annotations

import bisect
import contextlib
import functools
import itertools
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil, fsum
from typing import TypeAlias

import networkx as nx

from archsim.base.errors import SpecError
from archsim.base.uncollected import uncollected
from archsim.chip.floorplan import Plan
from archsim.chip.made import Made, MadeByName
from archsim.chip.parts import Part, chip_links_m2, static_parts, tile_actions, tile_parts
from archsim.chip.topologies.base import Topology, Way
from archsim.chip.topologies.package import packaged
from archsim.components.base import Action
from archsim.components.interconnect import ChipLink, Link, PacketLink
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


@dataclass(frozen=True)
class LinkUnit:
    """A wire of the routing graph: its unit, its length in metres and the head's time over it in seconds.

    `flit_s` is the time of a flit where it carries such; a link `between_chips` hands on whole packets.
    """

    unit: int
    name: str
    length_m: float
    kind: Link | ChipLink = field(repr=False, compare=False)
    flit_s: Fraction = Fraction(0)

    @property
    def between_chips(self) -> bool:
        """Whether it joins two chips of a package."""
        return isinstance(self.kind, ChipLink)

    @cached_property
    def flight_s(self) -> Fraction:
        """The head's time over it, in seconds."""
        return self.kind.latency_s if isinstance(self.kind, ChipLink) else self.kind.flight_s(Fraction(self.length_m))


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

    All three are made when they are asked for.

    `programming` stands for what each chip allows to be programmed at once; `between_chips` names the links that do.
    """

    spec: ArchSpec
    plan: Plan
    topology: Topology
    units: Sequence[Unit]
    tiles: Sequence[Tile]
    links: Mapping[str, LinkUnit]
    host: int
    router: int
    programming: tuple[int, ...]
    parts: tuple[Part, ...]
    between_chips: frozenset[str] = frozenset()

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
    def kinds(self) -> tuple[str, ...]:
        """The kind of each tile."""
        return tuple([name for name, tile in self.spec.tile_kinds for _ in range(tile.count)] * self.spec.chips)

    @cached_property
    def from_host_m(self) -> tuple[float, ...]:
        """How long the route from the host to each tile is, in metres; raises SpecError as `nodes`."""
        return tuple([self.way("host", f"tile{tile}").length_m for tile in range(len(self.tiles))])

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
    def areas_m2(self) -> tuple[float, ...]:
        """All of which the floorplan is made, in square metres, and the gap between chips, in metres."""
        return _areas_m2(self.spec)

    @cached_property
    def longest_link(self) -> LinkUnit:
        """The longest wire between neighbouring tiles of a chip (the host's apart), the first of equals."""
        lengths_m = self.topology.lengths_m
        own = [name for name in lengths_m if name not in self.between_chips]
        return self.links[max([name for name in own if "host" not in name] or own, key=lengths_m.__getitem__)]

    def link_of(self, unit: int) -> LinkUnit | None:
        """Return the link that a unit is; None where it is none."""
        own = self.units[unit]
        return self.links[own.name] if own.component in ("link", "chip_link") else None

    def nodes(self, source: str, target: str) -> list[str]:
        """Return the nodes from one to another, both included.

        Raises SpecError where the topology's routes lead over places at which the floorplan has no tile.
        """
        return self._way(source, target)[0]

    @cached_property
    def _edges(self) -> Mapping[str, Mapping[str, Mapping[str, str]]]:
        """The graph's edges by node and node, as plain dictionaries."""
        return dict(self.graph.adjacency())

    def _way(self, source: str, target: str) -> tuple[list[str], dict[str, None]]:
        """Return the nodes from one to another, and the names of the links between them."""
        edges = self._edges
        with contextlib.suppress(KeyError):  # a place without a tile is in no table of routers, or joined to nothing
            nodes = self.topology.route(source, target)
            return nodes, dict.fromkeys([edges[a][b]["link"] for a, b in itertools.pairwise(nodes)])
        what = f"'{self.spec.routing.topology}' has no way from {source} to {target} around the floorplan's holes"
        hint = "choose another topology, or a floorplan whose rows and columns are full"
        raise SpecError.at("routing.topology", what, hint)

    def route(self, source: str, target: str) -> tuple[tuple[LinkUnit, ...], int]:
        """Return the links from node to node in order, and how many routers lie between; raise SpecError as `nodes`."""
        way, links = self.way(source, target), self.links
        return tuple([links[name] for name in way.links]), way.routers

    def way(self, source: str, target: str) -> Way:
        """Return the route from node to node; raise SpecError as `nodes`."""
        kept = self.topology.ways
        found = kept.get((source, target))
        if found is None:
            nodes, names = self._way(source, target)
            length_m = fsum([self.topology.lengths_m[name] for name in names])
            found = Way(tuple(names), length_m, sum([node.startswith("router") for node in nodes]))
            if len(self.tiles) <= _MOST_SHARED:
                kept[source, target] = found
        return found

    @cached_property
    def link_units(self) -> Mapping[str, int]:
        """The units of all links by name."""
        first = self.router - len(self.topology.lengths_m)
        return {name: first + place for place, name in enumerate(self.topology.lengths_m)}

    @cached_property
    def _pace(self) -> tuple[float, float, float]:
        """A wire's delay in s/m, a router's pipeline in s and the clock in Hz, rounded."""
        routing, clock_hz = self.spec.routing, self.spec.technology.clock_hz
        return float(routing.link.delay_s_per_m), float(routing.router.pipeline_s), float(clock_hz)

    def flight_cycles(self, way: Way) -> int:
        """Return the cycles of the head over a route on a chip, rounded up once and exactly."""
        delay_s, pipeline_s, clock_hz = self._pace
        about = (delay_s * way.length_m + way.routers * pipeline_s) * clock_hz
        if abs(about - round(about)) > 1e-6 * max(1.0, about):  # so far from a whole number, rounding cannot matter
            return ceil(about)
        wires_s = sum(self.links[name].flight_s for name in way.links)
        return self.spec.cycles(wires_s + way.routers * self.spec.routing.router.pipeline_s)

    def crossing_cycles(self, wire: LinkUnit) -> tuple[int, int]:
        """Return the cycles of the head over a link, and over it and through the router behind it."""
        key = (wire.between_chips, wire.length_m)  # links of a length are alike
        found = self._crossings.get(key)
        if found is None:
            pipeline_s = self.spec.routing.router.pipeline_s
            found = self.spec.cycles(wire.flight_s), self.spec.cycles(wire.flight_s + pipeline_s)
            self._crossings[key] = found
        return found

    @cached_property
    def _crossings(self) -> dict[tuple[bool, float], tuple[int, int]]:
        return {}


Kinds: TypeAlias = tuple[tuple[str, TileSpec], ...]
"""Kinds of tiles by their names."""


@uncollected()
def build_chip(spec: ArchSpec, like: Chip | None = None) -> Chip:
    """Return the chip that a spec describes: areas first, then the floorplan, then wires and their delays.

    A chip that is `like` it in all but figures is laid out as that, as long as no block has another area.
    Raises SpecError where the spec contradicts itself or the routing graph is not connected.
    """
    kinds = [(name, tile) for name, tile in spec.tile_kinds for _ in range(tile.count)]
    if like is not None and like.areas_m2 == _areas_m2(spec):
        plan, topology, between = like.plan, like.topology, like.between_chips
    elif like is not None:
        plan, topology, between = _arranged(spec, [name for name, _ in kinds], checked=True)
    else:
        plan, topology, between = _placed(spec, [name for name, _ in kinds])
    own_tiles = tuple(spec.tile_kinds), spec.chips
    tile_units, tiles = _of_tiles(*own_tiles) if like is None else _made(*own_tiles)  # figures differ
    names = list(topology.lengths_m)
    at_once = spec.schedule.tiles_written
    first_link, first_own = len(tile_units), len(tile_units) + len(names)
    router, host, *programming = range(first_own, first_own + 2 + spec.chips)
    own = [
        Unit(router, "routers", "router", spec.routing.router.actions(), 0),
        Unit(host, "host", "host_port", spec.host.actions(), 1),
        *(Unit(index, "programming", "programming", {}, at_once) for index in programming),
    ]

    lines: dict[tuple[float, bool], tuple[str, Mapping[str, Action]]] = {}  # links of a length are alike

    def link_of(name: str, number: int) -> LinkUnit:
        return _link(spec, name, topology.lengths_m[name], name in between, first_link + number)

    def unit_of(index: int) -> Unit:
        if index >= first_own:
            return own[index - first_own]
        if index >= first_link:
            name = names[index - first_link]
            key = topology.lengths_m[name], name in between
            if key not in lines:
                lines[key] = _line_of(spec, *key)
            return Unit(index, name, *lines[key], 1)
        return tile_units[index]

    units = Made(first_own + len(own), unit_of)
    parts = static_parts(spec, plan, topology, between)
    return Chip(spec, plan, topology, units, tiles, MadeByName(names, link_of), host, router, tuple(programming), parts,
                between)  # fmt: skip


@dataclass(frozen=True)
class _TileUnits:
    """The units of a kind of tile as `tile_actions` has them, and the place of each among them by name."""

    units: Sequence[tuple[str, str, Mapping[str, Action], int]]
    places: Mapping[str, int]


def _units_of(tile: TileSpec) -> _TileUnits:
    units = tile_actions(tile)
    places = {name: place for place, (name, *_) in enumerate(units)}
    if tile.row_converter == "shared":
        places["row_converter"], places["row_hold"] = places["col_converter"], places["col_hold"]
    return _TileUnits(units, places)


def _of_tiles(kinds: Kinds, chips: int) -> tuple[Sequence[Unit], Sequence[Tile]]:
    """Return the tiles of chips and their units, which come first; studies make many chips of the same tiles."""
    few = chips * sum(tile.count for _, tile in kinds) <= _MOST_SHARED
    return _shared(kinds, chips) if few else _made(kinds, chips)


def _made(named: Kinds, chips: int) -> tuple[Sequence[Unit], Sequence[Tile]]:
    kinds = [(name, tile) for name, tile in named for _ in range(tile.count)] * chips
    tables = {name: _units_of(tile) for name, tile in named}
    bounds = [0, *itertools.accumulate(len(tables[kind].units) for kind, _ in kinds)]

    def tile_of(index: int) -> Tile:
        kind, tile = kinds[index]
        first = bounds[index]
        return Tile(index, kind, tile, {name: first + place for name, place in tables[kind].places.items()})

    def unit_of(index: int) -> Unit:
        tile = bisect.bisect_right(bounds, index) - 1
        name, component, actions, capacity = tables[kinds[tile][0]].units[index - bounds[tile]]
        return Unit(index, f"tile{tile}.{name}", component, actions, capacity, tile)

    return Made(bounds[-1], unit_of), Made(len(kinds), tile_of)


_shared = functools.lru_cache(maxsize=16)(_made)
_MOST_SHARED = 1024
"""Tiles, units, routes and floorplans of chips of no more tiles are kept for the next one; memory and time alone depend
on it."""
_MOST_KNOWN = 48
"""So many floorplans are kept; memory and time alone depend on it."""


def _areas_m2(spec: ArchSpec) -> tuple[float, ...]:
    """Return how many of which area are laid out, and the gap between chips."""
    tiles = (each for _, tile in spec.tile_kinds for _, part, n in tile_parts(tile) for each in (n, part.total_area_m2))
    gap_m = 0.0 if spec.package is None else spec.package.gap_m
    return spec.routing.router.total_area_m2, spec.host.total_area_m2, chip_links_m2(spec), gap_m, *tiles


Placed: TypeAlias = tuple[Plan, Topology, frozenset[str]]
_known: OrderedDict[Hashable, Placed] = OrderedDict()


def _placed(spec: ArchSpec, kinds: Sequence[str]) -> Placed:
    """Return the floorplan, the topology and the links between chips of a spec with such kinds of tiles on a chip.

    Those of some chips are kept, as a search places several networks on each.
    """
    routing = spec.routing
    build = TOPOLOGIES.lookup(routing.topology, "routing.topology")
    key = (spec.floorplan, build, routing.options, tuple(kinds), _areas_m2(spec), spec.package, routing.link)
    found = _known.get(key)
    if found is None:
        found = _arranged(spec, kinds, checked=False)
        if len(kinds) * spec.chips <= _MOST_SHARED:
            _known[key] = found
            if len(_known) > _MOST_KNOWN:
                _known.popitem(last=False)
    return found


def _arranged(spec: ArchSpec, kinds: Sequence[str], checked: bool) -> Placed:
    """Return what `_placed` does; whether all are joined was `checked` where a chip of the same topology was built."""
    plan, topology = _laid_out(spec, kinds)
    if not checked:
        _check_connected(topology)
    if spec.package is None or spec.chips == 1:
        return plan, topology, frozenset()
    joined = packaged(plan, topology, spec.chips, spec.package.gap_m)
    _refuse_to_leave(spec)
    return joined.plan, joined.topology, joined.chip_links


def _refuse_to_leave(spec: ArchSpec) -> None:
    """Raise SpecError unless the links of several chips carry what can leave a chip."""
    if not isinstance(spec.routing.link, PacketLink):
        what = f"a '{spec.routing.link.kind}' cannot leave a chip: pulse durations do not cross a package"
        raise SpecError.at("package.chips", what, "use transport 'packet' with a 'packet_link', or one chip")


def _line_of(spec: ArchSpec, length_m: float, between_chips: bool) -> tuple[str, Mapping[str, Action]]:
    """Return the line of the bill of a link, and its actions."""
    link = spec.routing.link
    if not between_chips:
        return "link", link.at_length(length_m)
    assert spec.package is not None
    assert isinstance(link, PacketLink)
    return "chip_link", spec.package.link.for_flits(link.width_bits)


def _link(spec: ArchSpec, name: str, length_m: float, between_chips: bool, unit: int) -> LinkUnit:
    """Return a link whose unit has that index."""
    link = spec.routing.link
    if between_chips:
        assert spec.package is not None
        _, actions = _line_of(spec, length_m, between_chips)
        return LinkUnit(unit, name, length_m, spec.package.link, actions["flit"].latency_s)
    return LinkUnit(unit, name, length_m, link, link.flit_time_s if isinstance(link, PacketLink) else Fraction(0))


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
