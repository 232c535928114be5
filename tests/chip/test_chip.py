"""The chip: areas that add up, wires as long as the floorplan says, routes along edges."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.chip import Chip, build_chip
from archsim.chip.floorplan import Plan
from archsim.chip.floorplan.generators import grid
from archsim.chip.parts import tile_parts
from archsim.chip.topologies.base import Topology
from archsim.chip.topologies.buses import bus
from archsim.chip.topologies.meshes import mesh
from archsim.spec.choices import FLOORPLANS, TOPOLOGIES
from archsim.spec.loading import load_arch

REFERENCE = load_arch("ambrogio_nature_2018")
MM2 = 1e-6
areas = st.lists(st.floats(1e-9, 1e-5), min_size=1, max_size=40)
columns = st.integers(1, 10)
shares = st.floats(0, 0.95)


def chip(*overrides: str) -> Chip:
    return build_chip(REFERENCE.with_overrides(overrides).value)


def plan_of(count: int, columns: int) -> Plan:
    return grid([1e-6] * count, 1e-6, columns, 0.1)


def place(node: str, plan: Plan) -> tuple[int, int]:
    return divmod(int(node.removeprefix("router")), plan.columns)


# ---- floorplan


@given(areas, st.floats(0, 1e-4), columns, shares)
def test_the_die_is_blocks_white_space_host_and_empty_sites(
    blocks: list[float], host: float, columns: int, white: float
) -> None:
    plan = grid(blocks, host, columns, white)
    site = plan.sites[0].area_m2
    empty = -len(blocks) % plan.columns
    assert plan.width_m * plan.height_m == pytest.approx(
        sum(blocks) + plan.white_space_m2 + host + empty * site, rel=1e-9
    )


@given(areas, st.floats(0, 1e-4), columns, shares)
def test_the_strip_of_the_host_has_its_area_and_the_height_of_the_die(
    blocks: list[float], host: float, columns: int, white: float
) -> None:
    plan = grid(blocks, host, columns, white)
    assert plan.host.area_m2 == pytest.approx(host, rel=1e-12)
    assert plan.host.height_m == pytest.approx(plan.height_m, rel=1e-12)


@given(areas, columns, shares)
def test_a_site_holds_the_largest_block_and_its_white_space(blocks: list[float], columns: int, white: float) -> None:
    plan = grid(blocks, 0.0, columns, white)
    for site in plan.sites:
        assert site.width_m == site.height_m
        assert site.area_m2 * (1 - white) == pytest.approx(max(blocks), rel=1e-9)


@given(areas, st.floats(0, 1e-4), columns, shares)
def test_nothing_overlaps(blocks: list[float], host: float, columns: int, white: float) -> None:
    plan = grid(blocks, host, columns, white)
    side = plan.sites[0].width_m
    seen = {(round((site.x_m - plan.host.width_m) / side), round(site.y_m / side)) for site in plan.sites}
    assert len(seen) == len(blocks)
    assert all(0 <= x < plan.columns and y >= 0 for x, y in seen)
    for site, (i, _) in zip(plan.sites, enumerate(blocks), strict=True):  # row by row
        y, x = divmod(i, plan.columns)
        assert site.x_m == pytest.approx(plan.host.width_m + x * side, rel=1e-12)
        assert site.y_m == pytest.approx(y * side, rel=1e-12, abs=1e-18)


# ---- mesh


@given(st.integers(1, 24), st.integers(1, 7))
def test_a_mesh_is_strongly_connected(count: int, columns: int) -> None:
    assert nx.is_strongly_connected(mesh(plan_of(count, columns)).graph)


@given(st.integers(1, 40), st.integers(1, 10))
def test_a_mesh_has_a_link_each_way_between_neighbours(count: int, columns: int) -> None:
    plan = plan_of(count, columns)
    topology = mesh(plan)
    places = [divmod(i, plan.columns) for i in range(count)]
    pairs = [
        (a, b)
        for (a, (ya, xa)), (b, (yb, xb)) in itertools.permutations(enumerate(places), 2)
        if abs(ya - yb) + abs(xa - xb) == 1
    ]
    inner = {(f"router{a}", f"router{b}") for a, b in pairs}
    assert {edge for edge in topology.graph.edges if all(node.startswith("router") for node in edge)} == inner
    # Each tile and the host have a link to and from their router; no two edges share a link.
    assert topology.graph.number_of_edges() == len(inner) + 2 * count + 2
    links = [link for _, _, link in topology.graph.edges(data="link")]
    assert len(set(links)) == len(links)
    assert set(links) == set(topology.lengths_m)


@given(st.data(), st.integers(1, 40), st.integers(1, 10))
def test_a_route_follows_edges_and_is_as_long_as_the_manhattan_distance(
    data: st.DataObject, count: int, columns: int
) -> None:
    plan = plan_of(count, columns)
    topology = mesh(plan)
    nodes = st.sampled_from(["host", *(f"tile{i}" for i in range(count))])
    a, b = data.draw(nodes), data.draw(nodes)
    if a == b:
        return
    route = topology.route(a, b)
    assert (route[0], route[-1]) == (a, b)
    assert len(set(route)) == len(route)
    assert all(edge in topology.graph.edges for edge in itertools.pairwise(route))
    (ya, xa), (yb, xb) = place(route[1], plan), place(route[-2], plan)
    assert len(route) - 3 == abs(ya - yb) + abs(xa - xb)
    # A slower reference: breadth-first search over the whole graph.
    assert len(route) == len(nx.shortest_path(topology.graph, a, b))


@given(st.data(), st.integers(1, 40), st.integers(1, 10))
def test_a_route_goes_along_x_then_along_y(data: st.DataObject, count: int, columns: int) -> None:
    plan = plan_of(count, columns)
    indices = st.integers(0, count - 1)
    a, b = data.draw(indices), data.draw(indices)
    places = [place(node, plan) for node in mesh(plan).route(f"tile{a}", f"tile{b}")[1:-1]]
    along_x = [before[0] == after[0] for before, after in itertools.pairwise(places)]
    corner = a // plan.columns * plan.columns + b % plan.columns
    # The last row may be short: where it has no corner, the route leaves it along y first.
    assert along_x == sorted(along_x, reverse=corner < count)


@given(areas, st.floats(1e-9, 1e-4), columns, shares)
def test_a_hop_is_as_long_as_the_side_of_a_site(blocks: list[float], host: float, columns: int, white: float) -> None:
    plan = grid(blocks, host, columns, white)
    topology = mesh(plan)
    for a, b, link in topology.graph.edges(data="link"):
        length = topology.lengths_m[link]
        if a.startswith("router") and b.startswith("router"):
            assert length == pytest.approx(plan.sites[0].width_m, rel=1e-9)
        elif "host" not in (a, b):
            assert length == 0  # a router stands beside its tile


@given(st.integers(1, 40), st.integers(1, 10))
def test_the_host_joins_the_nearest_router(count: int, columns: int) -> None:
    plan = plan_of(count, columns)
    topology = mesh(plan)
    (gate,) = topology.graph.successors("host")
    distances = [plan.distance_m(plan.host, site) for site in plan.sites]
    index = int(gate.removeprefix("router"))
    assert distances[index] == min(distances)
    assert topology.lengths_m[f"host>{gate}"] == topology.lengths_m[f"{gate}>host"] == distances[index]


# ---- bus


@given(st.integers(1, 40), st.integers(1, 10))
def test_a_bus_is_one_link_between_all(count: int, columns: int) -> None:
    topology = bus(plan_of(count, columns))
    assert list(topology.lengths_m) == ["bus"]
    assert {link for _, _, link in topology.graph.edges(data="link")} == {"bus"}
    nodes = ["host", *(f"tile{i}" for i in range(count))]
    for a, b in itertools.permutations(nodes[:6], 2):
        route = topology.route(a, b)
        assert route == [a, "bus", b]
        assert all(edge in topology.graph.edges for edge in itertools.pairwise(route))
    assert nx.is_strongly_connected(topology.graph)


@given(st.integers(1, 40), st.integers(1, 10))
def test_a_bus_is_long_enough_to_reach_every_tile(count: int, columns: int) -> None:
    plan = plan_of(count, columns)
    farthest = max(plan.distance_m(plan.host, site) for site in plan.sites)
    assert bus(plan).lengths_m["bus"] >= 0.5 * farthest
    assert bus(plan).lengths_m["bus"] >= (len(plan.sites) - 1) * plan.sites[0].width_m * 0.999


# ---- the whole chip


FLOORPLAN_KINDS = [
    "{kind: grid, columns: 4, white_space: 10 %}",
    "{kind: snake, columns: 3, white_space: 10 %}",
    "{kind: h_tree, channel_width: 0.1 mm, white_space: 10 %}",
    "{kind: ring, core: {name: controller, area: 6 mm2}, white_space: 10 %}",
    "{kind: columns, columns: 3, channel_width: 0.1 mm, border_width: 0.2 mm, white_space: 10 %}",
]


@pytest.mark.parametrize("topology", list(TOPOLOGIES))
@pytest.mark.parametrize("count", [1, 3, 4, 7, 8])
@pytest.mark.parametrize("extra", [(), ("routing.link.area_per_length=0.1 mm",)])
def test_areas_add_up_to_the_die_and_the_wires(topology: str, count: int, extra: tuple[str, ...]) -> None:
    for floorplan in [*FLOORPLAN_KINDS, explicit_rows(count)]:
        settings = (f"floorplan={floorplan}", f"routing.topology={topology}", f"tile.count={count}", *extra)
        built = chip(*settings)
        plan = built.plan
        wires = sum(link.length_m for link in built.links.values()) * built.spec.routing.link.area_per_length_m
        empty = (-count % plan.columns) * plan.sites[0].area_m2 if built.spec.floorplan.kind in ("grid", "snake") else 0
        assert built.area_m2 == pytest.approx(plan.width_m * plan.height_m - empty + wires, rel=1e-9)
        assert (wires > 0) == bool(extra)


def test_chips_of_the_same_parts_in_other_numbers_have_their_own_floorplans() -> None:
    """As where one is built after another: what is kept of the one before is not that of the next."""
    for overrides in ((), ("tile.rows=64",), ("tile.cols=64",), ()):
        built = chip(*overrides)
        parts_m2 = math.fsum(part.area_m2 for part in built.parts if part.component != "link")
        assert parts_m2 == pytest.approx(built.plan.area_m2, rel=1e-9), overrides


def explicit_rows(count: int) -> str:
    """Tiles of 1.5 mm, three to a row, beside a host port of 1 x 6 mm, with a controller below them."""
    tiles = [f"{{x: {1 + 1.5 * (i % 3)} mm, y: {1.5 * (i // 3)} mm, width: 1.5 mm, height: 1.5 mm}}"
             for i in range(count)]  # fmt: skip
    controller = "{name: controller, x: 1 mm, y: 5 mm, width: 2 mm, height: 1 mm}"
    return (f"{{kind: explicit, tiles: [{', '.join(tiles)}], blocks: [{controller}], "
            "host: {x: 0 mm, y: 0 mm, width: 1 mm, height: 6 mm}}")  # fmt: skip


def test_all_kinds_of_floorplan_are_among_them() -> None:
    kinds = [text.split()[1].rstrip(",") for text in [*FLOORPLAN_KINDS, explicit_rows(1)]]
    assert sorted(kinds) == sorted(FLOORPLANS)


def test_the_reference_tile_closes_at_1_82_mm2() -> None:
    built = chip()
    parts = {part.component: part.area_m2 / 8 / MM2 for part in built.parts}
    # Design, section 9, the column of areas of one tile, in mm2.
    expected = {
        "device": 0.614, "row_converter": 0.399 / 2, "col_converter": 0.399 / 2, "row_driver": 0.246 / 2,
        "col_driver": 0.246 / 2, "memory": 0.016, "neuron": 0.020, "router": 0.150, "gain_and_polarity": 0.061,
        "pcm_write_driver": 0.102, "clock_and_control": 0.030, "white_space": 0.182,
    }  # fmt: skip
    for name, area in expected.items():
        assert parts.pop(name) == pytest.approx(area, abs=0.0006)
    assert parts.pop("host_port") * 8 == pytest.approx(5.72)
    assert parts == {"crossbar": 0, "link": 0}
    assert built.plan.sites[0].area_m2 == pytest.approx(1.820 * MM2, rel=5e-4)


def test_the_reference_hop_is_1_35_mm_and_takes_202_ps() -> None:
    link = chip().longest_link
    assert link.length_m == pytest.approx(1.35e-3, rel=1e-3)  # design, section 9
    assert float(link.flight_s) == pytest.approx(1.349e-3 * 150e-9, rel=1e-3)  # 150 ps/mm


def test_the_flight_of_each_link_is_its_length_times_the_delay() -> None:
    for link in chip().links.values():
        assert link.flight_s == Fraction(link.length_m) * Fraction(150, 10**9)


def test_the_longest_link_is_none_of_the_host() -> None:
    built = chip("host.area=5000 mm2")
    lengths = {name: link.length_m for name, link in built.links.items()}
    assert max(lengths, key=lengths.__getitem__).startswith("host")  # a wide strip
    assert built.longest_link.length_m == max(length for name, length in lengths.items() if "host" not in name)


@given(st.integers(1, 2048), st.integers(1, 2048), st.integers(1, 64), st.booleans())
def test_instances_follow_the_lines(rows: int, cols: int, lines: int, shared: bool) -> None:
    overrides = [f"tile.rows={rows}", f"tile.cols={cols}", f"tile.col_converter.lines_per_unit={lines}"]
    spec = REFERENCE.with_overrides([*overrides, *(["tile.row_converter=shared"] if shared else [])]).value
    counts = {name: count for name, _, count in tile_parts(spec.tile)}
    assert (counts["device"], counts["row_driver"], counts["col_driver"]) == (rows * cols, rows, cols)
    widest = max(rows, cols) if shared else cols  # a shared bank serves either edge
    assert (counts["col_converter"] - 1) * lines < widest <= counts["col_converter"] * lines
    assert counts.get("row_converter", 0) == (0 if shared else rows)
    assert counts["pcm_write_driver"] == rows + cols


@given(st.integers(1, 12))
@settings(max_examples=12)
def test_area_and_leakage_of_tiles_are_linear_in_their_count(count: int) -> None:
    one, many = chip("tile.count=1"), chip(f"tile.count={count}")
    assert many.area_m2 - many.spec.host.area_m2 == pytest.approx(count * (one.area_m2 - one.spec.host.area_m2))
    assert many.leakage_w == pytest.approx(count * one.leakage_w)
    assert one.leakage_w == pytest.approx(10e-3)  # 10 mW of leakage, clock and control


def test_units_are_numbered_in_order_and_named_once() -> None:
    built = chip("tile.row_converter=shared")
    assert [unit.index for unit in built.units] == list(range(len(built.units)))
    assert len({unit.name for unit in built.units}) == len(built.units)
    for tile in built.tiles:
        assert tile.units["row_converter"] == tile.units["col_converter"]
        assert {built.units[index].tile for index in tile.units.values()} == {tile.index}
    for name, link in built.links.items():
        assert (link.name, built.units[link.unit].name) == (name, name)
    transfer = built.spec.schedule.transfer
    assert transfer is not None
    assert built.units[built.programming[0]].capacity == transfer.tiles_in_parallel


def test_a_smaller_kind_of_tile_stands_on_a_site_as_large() -> None:
    plain, mixed = chip("tile.count=3"), chip("tile.count=2", "variants={small: {count: 1, rows: 64, cols: 64}}")
    assert [tile.kind for tile in mixed.tiles] == ["tile", "tile", "small"]
    assert mixed.plan.sites == plain.plan.sites
    assert mixed.area_m2 == pytest.approx(plain.area_m2)  # what the block leaves over is white space
    saved = mixed.plan.white_space_m2 - plain.plan.white_space_m2
    parts = [
        sum(part.total_area_m2 * count for _, part, count in tile_parts(kind)) for _, kind in mixed.spec.tile_kinds
    ]
    assert saved == pytest.approx(parts[0] - parts[1])


def test_a_route_of_the_chip_counts_its_routers() -> None:
    built = chip()  # 4 columns: tile 0 is at (0, 0), tile 7 at (3, 1)
    links, routers = built.route("tile0", "tile7")
    assert routers == 5  # 3 + 1 hops between 5 routers
    assert [link.name for link in links] == [
        "tile0>router0", "router0>router1", "router1>router2", "router2>router3", "router3>router7", "router7>tile7",
    ]  # fmt: skip
    assert sum(link.length_m for link in links) == pytest.approx(4 * math.sqrt(built.plan.sites[0].area_m2))


def test_a_bus_is_held_once_by_a_message() -> None:
    links, routers = chip("routing.topology=bus").route("tile0", "tile7")
    assert ([link.name for link in links], routers) == (["bus"], 0)


def test_a_chip_without_any_area_is_refused() -> None:
    figures = REFERENCE.figures
    zeros = [f"{path}=0 m2" for path in figures if path.endswith(".area") and not path.startswith("host")]
    with pytest.raises(SpecError, match="a tile without any area"):
        chip(*zeros)
    kept = [setting for setting in zeros if not setting.startswith("routing.router")]
    assert chip(*kept).plan.sites[0].area_m2 == pytest.approx(0.15 * MM2 / 0.9)  # the router alone, 10 % white space


def test_a_graph_that_is_not_connected_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def islands(plan: Plan) -> Topology:
        whole = mesh(plan)
        graph = whole.graph.copy()
        graph.remove_edge("router2", "tile2")
        return Topology(graph, whole.lengths_m, whole.route)

    assert "islands" not in TOPOLOGIES
    monkeypatch.setitem(TOPOLOGIES._found, "islands", islands)
    with pytest.raises(SpecError, match="tile2 cannot be reached both ways") as caught:
        chip("routing.topology=islands")
    assert caught.value.problems[0].where == "routing.topology"
