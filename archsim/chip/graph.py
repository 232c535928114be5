"""The chip: units by index on a networkx graph, with the area of everything and the length of every wire."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import networkx as nx

from archsim.base.errors import Problem, SpecError
from archsim.chip.floorplan import Plan
from archsim.chip.topologies import Topology
from archsim.chip.topologies.package import PORT, packaged
from archsim.components.base import Action, Component
from archsim.components.crossbar import Crossbar
from archsim.components.digital import LineCircuit
from archsim.components.interconnect import PacketLink
from archsim.spec.arch import TOPOLOGIES, ArchSpec, TileSpec


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


@dataclass(frozen=True, slots=True)
class Part:
    """A line of the static bill: how many instances of a component there are, their area and leakage.

    `host` marks what belongs to the host port, or joins chips, and is kept out of the peak.
    """

    component: str
    instances: int
    area_m2: float
    leakage_w: float
    host: bool = False


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
        own = [(part, n) for _, part, n in tile_parts(tile.spec)]
        routers = [part for part in self.parts if part.component == "router"]
        area_m2 = sum(part.area_m2 for part in routers) / len(self.tiles)
        leakage_w = sum(part.leakage_w for part in routers) / len(self.tiles)
        return (
            area_m2 + sum(n * part.total_area_m2 for part, n in own),
            leakage_w + sum(n * part.total_leakage_w for part, n in own),
        )

    @property
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
        raise SpecError([Problem("routing.topology", what, hint)])

    def route(self, source: str, target: str) -> tuple[tuple[LinkUnit, ...], int]:
        """Return the links from node to node in order, and how many routers lie between; raise SpecError as `nodes`."""
        nodes = self.nodes(source, target)
        names: list[str] = []
        for a, b in itertools.pairwise(nodes):
            name = self.graph.edges[a, b]["link"]
            if name not in names:
                names.append(name)
        return tuple(self.links[name] for name in names), sum(node.startswith("router") for node in nodes)


def tile_parts(tile: TileSpec) -> list[tuple[str, Component, int]]:
    """Return (line of the bill, component, instances) for each part of one tile.

    Drivers stand one per line; a converter serves `lines_per_unit` lines; a shared bank is counted once.
    """
    shared = tile.row_converter == "shared"
    column_bank = max(tile.rows, tile.cols) if shared else tile.cols
    parts: list[tuple[str, Component, int]] = [
        ("device", tile.device, tile.rows * tile.cols),
        ("crossbar", tile.array, 1),
        ("row_driver", tile.row_driver, tile.rows),
        *([] if isinstance(tile.col_driver, str) else [("col_driver", tile.col_driver, tile.cols)]),
        ("col_converter", tile.col_converter, ceil(column_bank / tile.col_converter.lines_per_unit)),
    ]
    if not isinstance(tile.row_converter, str):
        bank = ceil(tile.rows / tile.row_converter.lines_per_unit)
        parts.append(("row_converter", tile.row_converter, bank))
    if tile.array.pair_area_m2:
        pair = LineCircuit(name="paired_rows", per="cell", area_m2=tile.array.pair_area_m2)
        parts.append((pair.name, pair, pair.instances(tile.rows, tile.cols)))
    parts += [("memory", tile.memory, 1), ("neuron", tile.neuron, 1)]
    if tile.accumulator is not None:
        edges = (column_bank,) if isinstance(tile.row_converter, str) else (tile.rows, tile.cols)
        parts.append(("accumulator", tile.accumulator, sum(map(tile.accumulator.units, edges))))
    parts += [(circuit.name, circuit, circuit.instances(tile.rows, tile.cols)) for circuit in tile.periphery]
    return parts


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

    action_tables = {name: _tile_actions(tile) for name, tile in spec.tile_kinds}
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
    parts = _static_parts(spec, plan, topology, between)
    return Chip(spec, plan, topology, tuple(units), tuple(tiles), links, host, router, programming, parts)


def _link(spec: ArchSpec, name: str, length_m: float, between_chips: bool, add: Callable[..., int]) -> LinkUnit:
    """Add the unit of a link and return it."""
    link = spec.routing.link
    if between_chips:
        assert spec.package is not None
        if not isinstance(link, PacketLink):
            what = f"a '{link.kind}' cannot leave a chip: pulse durations do not cross a package"
            raise SpecError(
                [Problem("package.chips", what, "use transport 'packet' with a 'packet_link', or one chip")]
            )
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
            raise SpecError([Problem("tile", "a tile without any area", "give its components their areas")])
        plan: Plan = spec.floorplan.plan(blocks, spec.host.total_area_m2 + _chip_links_m2(spec))
        topology = build(plan, **spec.routing.options.arguments())
        if topology.routers == routers:
            break
        routers = topology.routers
    return plan, topology


def _chip_links_m2(spec: ArchSpec) -> float:
    """Return the area of one chip's ends of links to others, whichever are used, since all chips are alike."""
    if spec.package is None or spec.chips == 1:
        return 0.0
    return spec.package.links_per_chip * spec.package.link.total_area_m2


def _tile_actions(tile: TileSpec) -> list[tuple[str, str, Mapping[str, Action], int]]:
    table: list[tuple[str, str, Mapping[str, Action], int]] = [
        ("crossbar", "crossbar", _line_actions(tile), 1),
        ("device", "device", _cell_actions(tile), 0),
        ("row_driver", "row_driver", tile.row_driver.actions(), 1),
        ("col_converter", "col_converter", tile.col_converter.actions(), 1),
        ("col_hold", "col_converter", {}, tile.col_converter.sample_hold),
        ("memory", "memory", tile.memory.actions(), 1),
        ("neuron", "neuron", tile.neuron.actions(), 1),
    ]
    if not isinstance(tile.col_driver, str):
        table.insert(3, ("col_driver", "col_driver", tile.col_driver.actions(), 1))
    if tile.accumulator is not None:
        table.append(("accumulator", "accumulator", tile.accumulator.actions(), 0))
    if not isinstance(tile.row_converter, str):
        table += [
            ("row_converter", "row_converter", tile.row_converter.actions(), 1),
            ("row_hold", "row_converter", {}, tile.row_converter.sample_hold),
        ]
    return table


def _line_actions(tile: TileSpec) -> Mapping[str, Action]:
    """Return what is done to lines: read, as often as their drivers charge them, and pulsed."""
    col_swings = 1.0 if isinstance(tile.col_driver, str) else tile.col_driver.swings
    return tile.array.line_actions(tile.rows, tile.cols, tile.row_driver.swings, col_swings)


def _cell_actions(tile: TileSpec) -> Mapping[str, Action]:
    """Return what a cell does, and `update`: all pulses that it sees in an update, on average."""
    actions = tile.device.actions()
    if isinstance(tile.array, Crossbar):
        actions["update"] = Action(tile.array.coincidences * tile.device.pulse_j)
    return actions


def _static_parts(spec: ArchSpec, plan: Plan, topology: Topology, between: Collection[str]) -> tuple[Part, ...]:
    totals: dict[str, list[float]] = {}

    def count(component: str, part: Component, instances: int) -> None:
        line = totals.setdefault(component, [0, 0.0, 0.0])
        line[0] += instances
        line[1] += instances * part.total_area_m2
        line[2] += instances * part.total_leakage_w

    for _, tile in spec.tile_kinds:
        for name, part, instances in tile_parts(tile):
            count(name, part, instances * tile.count * spec.chips)
    count("router", spec.routing.router, topology.routers)
    parts = [Part(name, int(n), area, leakage) for name, (n, area, leakage) in totals.items()]
    link = spec.routing.link
    inner = {name: length_m for name, length_m in topology.lengths_m.items() if name not in between}
    wire_m2 = sum(length_m * link.area_per_length_m for length_m in inner.values())
    parts.append(Part("link", len(inner), wire_m2, len(inner) * link.total_leakage_w))
    for kind in dict.fromkeys(block.kind for block in plan.blocks if block.kind != PORT):
        areas_m2 = [block.rect.area_m2 for block in plan.blocks if block.kind == kind]
        parts.append(Part(kind, len(areas_m2), sum(areas_m2), 0.0))
    parts.append(Part("white_space", 1, plan.white_space_m2, 0.0))
    host = spec.host
    parts.append(Part("host_port", 1, host.total_area_m2, host.total_leakage_w, host=True))
    if spec.package is not None and spec.chips > 1:
        others, ends = spec.chips - 1, spec.package.links_per_chip * spec.chips
        leak_w = len(between) * spec.package.link.total_leakage_w
        parts.append(Part(PORT, others, others * host.total_area_m2, others * host.total_leakage_w, host=True))
        parts.append(Part("chip_link", ends, spec.chips * _chip_links_m2(spec), leak_w, host=True))
    return tuple(parts)


def _check_connected(topology: Topology) -> None:
    if not nx.is_strongly_connected(topology.graph):
        pieces = sorted(nx.strongly_connected_components(topology.graph), key=lambda piece: (-len(piece), min(piece)))
        lost = sorted(node for piece in pieces[1:] for node in piece)
        text = f"the graph is not connected: {', '.join(lost[:5])} cannot be reached both ways"
        raise SpecError([Problem("routing.topology", text, "join all tiles and the host port by links")])
