"""Topologies: routes that are paths, sizes by closed form, and channels that cannot wait for each other in a circle.

Closed forms: Dally and Towles, Principles and Practices of Interconnection Networks (2004): tori and meshes in
chapter 5 (table 5.1), trees and butterflies in chapter 4, rings as tori of one dimension; cut links are counted in both
directions. Deadlock: an acyclic channel dependency graph (section 14.1.4).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from typing import Any

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.base.section import options_of
from archsim.chip.floorplan import Plan
from archsim.chip.floorplan.generators import grid
from archsim.chip.topologies.base import Topology
from archsim.chip.topologies.buses import bus
from archsim.chip.topologies.given import graph
from archsim.chip.topologies.meshes import cmesh, mesh
from archsim.chip.topologies.rings import ring, torus
from archsim.chip.topologies.trees import htree
from archsim.spec.choices import TOPOLOGIES
from archsim.spec.loading import load_arch
from archsim.studies.views import schema_of
from tests.helpers import chip_of

CHOICES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in TOPOLOGIES),
    ("torus", {"folded": True}),
    ("cmesh", {"concentration": 1}),
    ("cmesh", {"concentration": 6}),
    ("htree", {"arity": 2}),
    ("htree", {"arity": 3}),
]
counts, columns = st.integers(1, 30), st.integers(1, 8)


def plan_of(count: int, columns: int) -> Plan:
    return grid([1e-6] * count, 1e-6, columns, 0.1)


def built(choice: tuple[str, dict[str, Any]], plan: Plan) -> Topology:
    topology: Topology = TOPOLOGIES[choice[0]](plan, **choice[1])
    return topology


def ends(plan: Plan) -> list[str]:
    return ["host", *(f"tile{i}" for i in range(len(plan.sites)))]


def channels(topology: Topology, nodes: list[str]) -> list[tuple[str, int]]:
    """Return the channels that a route uses, one after another; a link that is used twice running is one."""
    links = [topology.graph.edges[pair]["link"] for pair in itertools.pairwise(nodes)]
    return [channel for channel, _ in itertools.groupby(zip(links, topology.classes(nodes), strict=True))]


def dependencies(topology: Topology, pairs: Iterable[tuple[str, str]]) -> nx.DiGraph[tuple[str, int]]:
    out: nx.DiGraph[tuple[str, int]] = nx.DiGraph()
    for a, b in pairs:
        for nodes in topology.routes(a, b):
            out.add_edges_from(itertools.pairwise(channels(topology, nodes)))
    return out


# ---- laws for every topology that is registered


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@given(count=counts, columns=columns)
@settings(max_examples=12)
def test_every_route_is_a_path_between_its_ends(choice: tuple[str, dict[str, Any]], count: int, columns: int) -> None:
    plan = plan_of(count, columns)
    topology = built(choice, plan)
    assert nx.is_strongly_connected(topology.graph)
    assert set(ends(plan)) <= set(topology.graph)
    assert set(nx.get_edge_attributes(topology.graph, "link").values()) == set(topology.lengths_m)
    assert all(length >= 0 for length in topology.lengths_m.values())
    for a, b in itertools.permutations(ends(plan), 2):
        routes = topology.routes(a, b)
        assert routes[0] == topology.route(a, b)
        assert len({tuple(nodes) for nodes in routes}) == len(routes)
        assert len({len(nodes) for nodes in routes}) == 1
        for nodes in routes:
            assert (nodes[0], nodes[-1]) == (a, b)
            assert len(set(nodes)) == len(nodes)
            assert all(pair in topology.graph.edges for pair in itertools.pairwise(nodes))
            assert not set(nodes[1:-1]) & set(ends(plan))  # tiles pass nothing on
            classes = topology.classes(nodes)
            assert len(classes) == len(nodes) - 1
            assert all(0 <= each < topology.class_count for each in classes)
    for a in ends(plan)[1:]:  # to itself by way of what is beside it, as uniform random traffic asks for
        nodes = topology.route(a, a)
        assert (nodes[0], nodes[-1], len(nodes)) == (a, a, 3)
        assert all(pair in topology.graph.edges for pair in itertools.pairwise(nodes))
        assert len(topology.classes(nodes)) == 2


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@given(count=counts, columns=columns)
@settings(max_examples=12)
def test_no_channels_wait_for_each_other_in_a_circle(
    choice: tuple[str, dict[str, Any]], count: int, columns: int
) -> None:
    plan = plan_of(count, columns)
    topology = built(choice, plan)
    assert nx.is_directed_acyclic_graph(dependencies(topology, itertools.permutations(ends(plan), 2)))


@pytest.mark.parametrize("choice", CHOICES, ids=str)
@given(count=counts, columns=columns)
@settings(max_examples=12)
def test_routes_from_one_end_make_a_tree(choice: tuple[str, dict[str, Any]], count: int, columns: int) -> None:
    # What a multicast rests on: each channel is reached over one other, so that one copy is sent over it.
    plan = plan_of(count, columns)
    topology = built(choice, plan)
    for a in ends(plan):
        before: dict[tuple[str, int], tuple[str, int]] = {}
        for b in ends(plan):
            if a != b:
                for first, then in itertools.pairwise(channels(topology, topology.route(a, b))):
                    assert before.setdefault(then, first) == first


@pytest.mark.parametrize("name", list(TOPOLOGIES))
@pytest.mark.parametrize("count", [1, 2, 5, 8, 9])
def test_a_chip_can_be_built_with_it_and_counts_its_routers(name: str, count: int) -> None:
    chip = chip_of(overrides=[f"routing.topology={name}", f"tile.count={count}"])
    routers = sum(node.startswith("router") for node in chip.graph)
    part = next(part for part in chip.parts if part.component == "router")
    assert part.instances == (count if name == "bus" else routers)  # a bus has a tap at each tile
    assert part.area_m2 == pytest.approx(part.instances * 0.15e-6)  # the reference router: 0.15 mm2
    die = chip.plan.width_m * chip.plan.height_m - (-count % chip.plan.columns) * chip.plan.sites[0].area_m2
    assert chip.area_m2 == pytest.approx(die, rel=1e-9)
    assert set(chip.topology.places_m) == {node for node in chip.graph if node.startswith("router")}


# ---- closed forms


def routers(topology: Topology) -> nx.DiGraph[str]:
    return topology.graph.subgraph([node for node in topology.graph if node.startswith("router")])


def diameter(topology: Topology, plan: Plan) -> int:
    """Return the most links between routers on a route between tiles."""
    tiles = ends(plan)[1:]
    return max(len(topology.route(a, b)) - 3 for a, b in itertools.permutations(tiles, 2))


def cut(topology: Topology, axis: int = 0) -> int:
    """Return the links between routers that join the left (upper) half of the die's routers with the other half."""
    at = {node: topology.places_m[node][axis] for node in routers(topology)}
    middle = (min(at.values()) + max(at.values())) / 2 - 1e-9  # what stands in the middle counts with the far half
    return sum((at[a] < middle) != (at[b] < middle) for a, b in routers(topology).edges)


@given(st.integers(1, 6), st.integers(1, 4))
def test_a_mesh_by_closed_form(rows: int, half: int) -> None:
    columns = 2 * half
    plan = plan_of(rows * columns, columns)
    topology = mesh(plan)
    assert routers(topology).number_of_edges() == 2 * (rows * (columns - 1) + columns * (rows - 1))
    assert diameter(topology, plan) == rows - 1 + columns - 1
    assert cut(topology) == 2 * rows


@pytest.mark.parametrize("folded", [False, True])
@given(rows=st.integers(3, 6), half=st.integers(2, 4))
def test_a_torus_by_closed_form(folded: bool, rows: int, half: int) -> None:
    columns = 2 * half
    plan = plan_of(rows * columns, columns)
    topology = torus(plan, folded=folded)
    assert routers(topology).number_of_edges() == 4 * rows * columns  # four neighbours each
    assert diameter(topology, plan) == rows // 2 + columns // 2
    if not folded:
        assert cut(topology) == 4 * rows
    for a, b in itertools.permutations(ends(plan)[1:], 2):  # a slower reference: breadth-first search
        assert len(topology.route(a, b)) == len(nx.shortest_path(topology.graph, a, b))


@given(st.integers(3, 8), st.integers(3, 8))
def test_wires_of_a_torus_are_as_long_as_the_die_unless_it_is_folded(rows: int, columns: int) -> None:
    plan = plan_of(rows * columns, columns)
    side = plan.sites[0].width_m
    plain, folded = torus(plan), torus(plan, folded=True)
    inner = [set(nx.get_edge_attributes(routers(each), "link").values()) for each in (plain, folded)]
    assert max(plain.lengths_m[link] for link in inner[0]) == pytest.approx((max(rows, columns) - 1) * side)
    assert max(folded.lengths_m[link] for link in inner[1]) == pytest.approx(2 * side)
    # Either way a ring of n needs 2 (n - 1) sites of wire in each direction.
    total = 2 * side * (rows * 2 * (columns - 1) + columns * 2 * (rows - 1))
    for each, links in zip((plain, folded), inner, strict=True):
        assert math.fsum(each.lengths_m[link] for link in links) == pytest.approx(total)


@given(st.integers(3, 30), columns)
def test_a_ring_by_closed_form(count: int, columns: int) -> None:
    plan = plan_of(count, columns)
    topology = ring(plan)
    assert routers(topology).number_of_edges() == 2 * count
    assert diameter(topology, plan) == count // 2
    order = nx.shortest_path_length(routers(topology), "router0")
    near = sorted(order, key=lambda node: (order[node], node))[: count // 2]  # an arc of half the ring, its ends cut
    assert sum((a in near) != (b in near) for a, b in routers(topology).edges) == 4
    for a, b in itertools.permutations(ends(plan)[1:], 2):
        assert len(topology.route(a, b)) == len(nx.shortest_path(topology.graph, a, b))


@given(st.integers(1, 4), st.integers(1, 4), st.sampled_from([1, 2, 4, 6]))
def test_a_concentrated_mesh_by_closed_form(rows: int, columns: int, concentration: int) -> None:
    height = {1: 1, 2: 1, 4: 2, 6: 2}[concentration]
    width = concentration // height
    plan = plan_of(rows * height * columns * width, columns * width)
    topology = cmesh(plan, concentration=concentration)
    assert len(routers(topology)) == rows * columns
    assert routers(topology).number_of_edges() == 2 * (rows * (columns - 1) + columns * (rows - 1))
    assert topology.graph.number_of_edges() == routers(topology).number_of_edges() + 2 * (len(plan.sites) + 1)
    if len(plan.sites) > 1:
        assert diameter(topology, plan) == rows - 1 + columns - 1
    if columns % 2 == 0:
        assert cut(topology) == 2 * rows


@pytest.mark.parametrize(("arity", "levels"), [(4, 1), (4, 2), (2, 2), (2, 4), (2, 6)])
def test_a_tree_by_closed_form(arity: int, levels: int) -> None:
    count = arity**levels
    plan = plan_of(count, math.isqrt(count))
    topology = htree(plan, arity=arity)
    assert len(routers(topology)) == sum(arity**level for level in range(levels))
    assert topology.graph.number_of_edges() == 2 * (count + len(routers(topology)))  # each node but the root has a link
    assert diameter(topology, plan) == 2 * (levels - 1)
    assert routers(topology).in_degree(next(iter(topology.graph.successors("host")))) == (arity if levels > 1 else 0)
    if levels > 1:  # half of the root's subtrees lie on either side of it, along X or along Y
        assert min(filter(None, (cut(topology, axis) for axis in (0, 1)))) == arity
    side = plan.sites[0].width_m
    if arity == 4:  # the links of an H-tree double in length from level to level: half a site along X and along Y
        for level in range(levels):
            length = 2**level * side
            assert sum(math.isclose(each, length) for each in topology.lengths_m.values()) >= 2 * arity ** (
                levels - level
            )


@given(st.data(), st.integers(1, 30), st.integers(1, 5))
def test_segments_of_a_bus_by_closed_form(data: st.DataObject, count: int, columns: int) -> None:
    plan = plan_of(count, columns)
    rows = len({row for row, _ in plan.grid})
    segments = data.draw(st.integers(1, rows))
    topology = bus(plan, segments=segments)
    assert len(topology.lengths_m) == segments
    assert topology.routers == count + segments - 1  # a tap at each tile, and the bridges
    assert math.fsum(topology.lengths_m.values()) == pytest.approx(bus(plan).lengths_m["bus"])  # only cut, not longer
    most = max(len(set(channels(topology, topology.route(a, b)))) for a, b in itertools.permutations(ends(plan), 2))
    assert most == segments  # from the first to the last, each held in turn


def test_more_segments_than_rows_are_refused() -> None:
    with pytest.raises(SpecError, match="3 segments for 2 rows of tiles; give at most 2") as caught:
        chip_of(overrides=["routing.topology=bus", "routing.options.segments=3"])
    assert caught.value.problems[0].where == "routing.options.segments"


# ---- graphs given link by link


def links(*pairs: str) -> tuple[Any, ...]:
    section = options_of(graph).model_validate({"links": [pair.split() for pair in pairs]})
    found: tuple[Any, ...] = section.arguments()["links"]
    return found


def ring_of_routers(count: int) -> list[str]:
    return [
        "host router0",
        *(f"tile{i} router{i}" for i in range(count)),
        *(f"router{i} router{(i + 1) % count}" for i in range(count)),
    ]


def test_a_given_mesh_has_the_routes_and_lengths_of_the_mesh_in_hops() -> None:
    plan = plan_of(9, 3)
    whole = mesh(plan)
    pairs = {tuple(sorted(edge)) for edge in whole.graph.edges}
    mine = graph(plan, links=links(*(" ".join(pair) for pair in sorted(pairs))))
    assert set(mine.graph.edges) == set(whole.graph.edges)
    for a, b in itertools.permutations(ends(plan), 2):
        assert len(mine.route(a, b)) == len(whole.route(a, b))


@given(st.permutations(ring_of_routers(6)))
@settings(max_examples=10)
def test_routes_do_not_turn_on_the_order_of_the_links(order: list[str]) -> None:
    plan = plan_of(6, 3)
    one, other = graph(plan, links=links(*ring_of_routers(6))), graph(plan, links=links(*order))
    for a, b in itertools.permutations(ends(plan), 2):
        assert one.route(a, b) == other.route(a, b)
    assert one.route("tile0", "tile3") == ["tile0", "router0", "router1", "router2", "router3", "tile3"]  # by name


def test_a_given_ring_without_classes_has_a_circle() -> None:
    plan = plan_of(6, 3)
    topology = graph(plan, links=links(*ring_of_routers(6)))
    waits = dependencies(topology, itertools.permutations(ends(plan), 2))
    assert not nx.is_directed_acyclic_graph(waits)
    # The ring that is shipped is the same graph with classes, by which it is free of circles.
    assert nx.is_directed_acyclic_graph(dependencies(ring(plan), itertools.permutations(ends(plan), 2)))


def test_lengths_are_given_or_those_between_the_sites() -> None:
    given = "[[host, router0], {from: tile0, to: router0, length: 1.2 mm}, [tile1, router0], [tile2, router0]]"
    overrides = ["tile.count=3", "floorplan.columns=3", "routing.topology=graph", f"routing.options.links={given}"]
    chip = chip_of(overrides=overrides)
    assert chip.links["tile0>router0"].length_m == chip.links["router0>tile0"].length_m == 1.2e-3
    nodes = [chip.plan.host.centre_m, *(site.centre_m for site in chip.plan.sites)]
    middle = tuple(sum(axis) / 4 for axis in zip(*nodes, strict=True))
    distance = sum(abs(a - b) for a, b in zip(nodes[3], middle, strict=True))
    assert chip.links["tile2>router0"].length_m == pytest.approx(distance)


def test_links_in_one_direction() -> None:
    # A ring one way round: from each router there is but one way on.
    plan = plan_of(3, 3)
    names = [f"{{from: router{i}, to: router{(i + 1) % 3}, both: false}}" for i in range(3)]
    text = f"[[host, router0], [tile0, router0], [tile1, router1], [tile2, router2], {', '.join(names)}]"
    overrides = ["tile.count=3", "routing.topology=graph", f"routing.options.links={text}"]
    chip = chip_of(overrides=overrides)
    assert len(plan.sites) == len(chip.tiles)
    assert chip.topology.route("tile2", "tile1") == ["tile2", "router2", "router0", "router1", "tile1"]


@pytest.mark.parametrize(
    ("given", "place", "message"),
    [
        (["tile7 router0"], "[4].from", "the chip has no node 'tile7'; its 3 tiles are tile0 to tile2"),
        (["tille1 router0"], "[4].from", "the chip has no node 'tille1'; did you mean 'tile0'?"),
        (["router0 hosst"], "[4].to", "the chip has no node 'hosst'; did you mean 'host'?"),
        (["router0 router0"], "[4]", "joins 'router0' to itself"),
        (["router0 tile1"], "[4]", "the link from router0 to tile1 is given twice; entry [2] has it"),
        (["router0 router1"], "", "'router1' leads nowhere: it is joined to 'router0' alone"),
    ],
)
def test_faults_of_given_links(given: list[str], place: str, message: str) -> None:
    with pytest.raises(SpecError) as caught:
        graph(plan_of(3, 3), links=links("host router0", "tile0 router0", "tile1 router0", "tile2 router0", *given))
    assert message in str(caught.value)
    assert f"routing.options.links{place}" in [problem.where for problem in caught.value.problems]


def test_all_faults_of_given_links_are_told_at_once() -> None:
    with pytest.raises(SpecError) as caught:
        graph(plan_of(3, 3), links=links("host router0", "tile0 tile9", "router0 router0"))
    text = str(caught.value)
    for part in ("'tile9'", "to itself", "no link joins tile1", "no link joins tile2"):
        assert part in text


def test_graphs_in_pieces_are_refused() -> None:
    pieces = ["host router0", "tile0 router0", "tile1 router1", "tile2 router1"]
    with pytest.raises(SpecError, match="no way over routers leads from host to tile1, tile2"):
        graph(plan_of(3, 3), links=links(*pieces))
    with pytest.raises(SpecError, match="no way over routers leads from host to tile1"):  # tiles pass nothing on
        graph(plan_of(2, 2), links=links("host tile0", "tile0 tile1"))


@pytest.mark.parametrize("length", ["-1 mm", "0 mm"])
def test_lengths_that_are_not_positive_are_refused(length: str) -> None:
    setting = f"routing.options.links=[{{from: host, to: tile0, length: {length}}}]"
    with pytest.raises(SpecError, match=f"'{length}' is out of range; give length above 0"):
        load_arch("ambrogio_nature_2018", ["routing.topology=graph", setting])


# ---- options


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["cmesh", "concentratoin=4"], "unknown key; did you mean 'concentration'?"),
        (["cmesh", "concentration=0"], "'0' is out of range; give a whole number 1 or more"),
        (["cmesh", "concentration=four"], "'four' is not a number; give a whole number"),
        (["torus", "folded=maybe"], "'maybe' is not true or false"),
        (["htree", "arity=1"], "'1' is out of range; give a whole number 2 or more"),
        (["mesh", "folded=true"], "unknown key; nothing is allowed here"),
        (["graph", "links=[[tile0]]"], "a list of 1 is no link; give [a, b], or from and to"),
        (["graph", "links=[{from: tile0}]"], "is missing"),
        (["graph", "links=[{from: tile0, too: host, to: host}]"], "unknown key; did you mean 'to'?"),
    ],
)
def test_options_are_checked_against_the_function(settings: list[str], message: str) -> None:
    topology, option = settings
    overrides = [f"routing.topology={topology}", f"routing.options.{option}"]
    with pytest.raises(SpecError) as caught:
        load_arch("ambrogio_nature_2018", overrides)
    (problem,) = caught.value.problems
    assert "routing.options." in f"{problem.where} {problem.what}"
    assert message in str(problem)


def test_options_reach_the_function_and_the_hash() -> None:
    plain = load_arch("ambrogio_nature_2018", ["routing.topology=cmesh"])
    same = load_arch("ambrogio_nature_2018", ["routing.topology=cmesh", "routing.options.concentration=4"])
    wide = load_arch("ambrogio_nature_2018", ["routing.topology=cmesh", "routing.options.concentration=8"])
    assert plain.hash == same.hash != wide.hash
    assert "options" not in plain.value.resolved()["routing"]
    assert wide.figures["routing.options.concentration"].text == "8"
    assert len(chip_of(overrides=wide.overrides).plan.sites) == 8
    assert sum(node.startswith("router") for node in chip_of(overrides=wide.overrides).graph) == 1


def test_the_json_schema_knows_the_options_of_each_topology() -> None:
    routing = schema_of("arch")["$defs"]["Routing"]["properties"]["options"]
    known = [set(each.get("properties", {})) - {"source", "status", "note", "given_for"} for each in routing["anyOf"]]
    assert {"concentration"} in known
    assert {"folded"} in known
    assert set() in known  # a mesh has none
