"""Exports: HotSpot's files and GraphML read back as they were, cover the die, and name the line that is wrong."""

from __future__ import annotations

import math

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.chip import build_chip
from archsim.chip.floorplan import Block
from archsim.chip.floorplan.explicit import Explicit
from archsim.chip.floorplan.flp import read_flp, write_flp
from archsim.chip.floorplan.generators import grid
from archsim.chip.floorplan.geometry import overlaps
from archsim.chip.floorplan.plan import Rect
from archsim.chip.places import node_rect
from archsim.export.graphml import chip_graphml
from archsim.export.hotspot import PowerTrace, chip_flp, mean_power, read_ptrace, write_ptrace
from archsim.results.evaluate import Result, evaluate
from archsim.spec.choices import FLOORPLANS, TOPOLOGIES
from archsim.spec.loading import load_arch
from archsim.workload import load_workload

REFERENCE = load_arch("ambrogio_nature_2018")
MM2 = 1e-6
words = st.from_regex(r"[A-Za-z_][\w.]{0,8}", fullmatch=True)
lengths = st.floats(1e-9, 1.0)
places_m = st.floats(-1.0, 1.0)
rects = st.builds(Rect, places_m, places_m, lengths, lengths)


@pytest.fixture(scope="module")
def result() -> Result:
    sets = ["schedule.transfer.interval_examples=20", "tile.count=6", "floorplan.columns=4"]
    return evaluate(load_arch("ambrogio_nature_2018", sets), load_workload("mlp_digits"), examples=60)


def lines_of(error: pytest.ExceptionInfo[SpecError]) -> list[str]:
    return [str(problem) for problem in error.value.problems]


# ---- .flp


@settings(max_examples=50)
@given(st.dictionaries(words, rects, min_size=1, max_size=8), st.text("abc\n", max_size=9))
def test_a_floorplan_reads_back_as_it_was_written(blocks: dict[str, Rect], comment: str) -> None:
    written = tuple(Block(name, rect) for name, rect in blocks.items())
    assert read_flp(write_flp(written, comment), "a.flp") == written


def test_comments_blanks_and_further_columns_are_allowed() -> None:
    # The form of the floorplan that HotSpot comes with (ev6.flp), and of version 6 with heat and resistivity.
    text = "# comment\n\nL2_left\t0.004900\t0.006200\t0.000000\t0.009800\nIcache 1e-3 2e-3 0 0 1.75e6 0.01  # hot\n"
    assert read_flp(text, "a.flp") == (
        Block("L2_left", Rect(0.0, 0.0098, 0.0049, 0.0062)), Block("Icache", Rect(0.0, 0.0, 1e-3, 2e-3)),
    )  # fmt: skip


def test_every_faulty_line_of_a_floorplan_is_named() -> None:
    text = "a 1 1 0 0\nb 1 1 0\n# c\nc 1 x 0 0\nd -1 0 0 0\na 1 1 1 inf\n"
    with pytest.raises(SpecError) as caught:
        read_flp(text, "chip.flp")
    columns = "give name, width, height, left-x, bottom-y, in metres"
    assert lines_of(caught) == [
        f"chip.flp, line 2: 4 columns, not 5; {columns}",
        f"chip.flp, line 4: height 'x' is not a number; {columns}",
        "chip.flp, line 5: width -1 m of 'd' is not above 0; give its size",
        "chip.flp, line 5: height 0 m of 'd' is not above 0; give its size",
        f"chip.flp, line 6: bottom-y 'inf' is not a number; {columns}",
        "chip.flp, line 6: 'a' is there already, in line 1; give each rectangle its own name",
    ]
    with pytest.raises(SpecError, match="no rectangle in it"):
        read_flp("# nothing\n", "chip.flp")


@settings(max_examples=40)
@given(
    st.sampled_from([kind for kind in FLOORPLANS if kind != "explicit"]),
    st.lists(st.floats(1e-7, 1e-5), min_size=1, max_size=20),
    st.floats(0, 1e-5),
)
def test_what_is_exported_covers_the_die_once(kind: str, tiles: list[float], host: float) -> None:
    plan = FLOORPLANS[kind].model_validate(FLOORPLANS[kind].example).plan(tiles, host)
    blocks = read_flp(chip_flp(plan), "a.flp")
    assert list(overlaps([block.rect for block in blocks])) == []
    area = math.fsum(block.rect.area_m2 for block in blocks)
    assert area == pytest.approx(plan.width_m * plan.height_m, rel=1e-6)
    assert tuple(block.rect for block in blocks[: len(tiles)]) == plan.sites


def test_the_empty_site_of_a_grid_is_a_filler() -> None:
    # Five sites of 1 mm in rows of three: the sixth is a filler.
    blocks = read_flp(chip_flp(grid([MM2] * 5, 0.0, 3, 0.0)), "a.flp")
    (filler,) = [block for block in blocks if block.name.startswith("filler")]
    corner = (filler.rect.x_m, filler.rect.y_m, filler.rect.width_m, filler.rect.height_m)
    assert corner == pytest.approx((2e-3, 1e-3, 1e-3, 1e-3))


# ---- .ptrace


@given(st.lists(words, min_size=1, max_size=6, unique=True), st.data())
def test_a_power_trace_reads_back_as_it_was_written(names: list[str], data: st.DataObject) -> None:
    row = st.tuples(*[st.floats(0, 1e3) for _ in names])
    trace = PowerTrace(tuple(names), tuple(data.draw(st.lists(row, min_size=1, max_size=4))))
    assert read_ptrace(write_ptrace(trace), "a.ptrace", names) == trace


def test_every_faulty_line_of_a_power_trace_is_named() -> None:
    text = "tile0 tile1 tile1 hots\n1 2 3\n1 2 3 watt\n1 2 -3 4\n"
    with pytest.raises(SpecError) as caught:
        read_ptrace(text, "a.ptrace", ["tile0", "tile1", "host"])
    assert lines_of(caught) == [
        "a.ptrace, line 1: 'tile1' is named twice; give each block one column",
        "a.ptrace, line 1: the floorplan has no 'hots'; did you mean 'host'?",
        "a.ptrace, line 1: 'host' of the floorplan is missing; give its power",
        "a.ptrace, line 2: 3 powers for 4 names; give one for each",
        "a.ptrace, line 3: 'watt' is not a number; give a power in watts",
        "a.ptrace, line 4: a power of -3 W is negative; give 0 or more",
    ]
    for empty, match in (("", "no line of names"), ("a b\n", "no line of powers")):
        with pytest.raises(SpecError, match=match):
            read_ptrace(empty, "a.ptrace")


def test_the_mean_power_of_all_blocks_is_that_of_the_run(result: Result) -> None:
    time_s = result.data["metrics"]["time_total_s"]
    plan = result.chip.plan
    trace = mean_power(plan, result.bill.by_tile, time_s)
    assert math.fsum(trace.rows_w[0]) == pytest.approx(result.data["metrics"]["power_w"], rel=1e-9)
    assert list(trace.names) == [block.name for block in read_flp(chip_flp(plan), "a.flp")]
    # An idle tile leaks, and wires and routers are spread by area.
    power = dict(zip(trace.names, trace.rows_w[0], strict=True))
    rest = result.bill.by_tile["chip"] / time_s * plan.sites[5].area_m2 / (plan.width_m * plan.height_m)
    assert power["tile5"] == pytest.approx(10e-3 + rest, rel=1e-9)  # 10 mW of leakage a tile
    assert power["tile0"] > power["tile5"]


def test_energy_by_tile_adds_up_and_idle_tiles_only_leak(result: Result) -> None:
    found = result.data["energy_j"]["by_tile"]
    assert math.fsum(found.values()) == pytest.approx(result.data["energy_j"]["total"], rel=1e-12)
    assert set(found) == {"host", "chip", *(f"tile{i}" for i in range(6))}
    assert found["tile3"] == pytest.approx(10e-3 * result.data["metrics"]["time_total_s"])
    host = [item.energy_j for item in result.bill.items if item.component == "host_port"]
    assert found["host"] == pytest.approx(math.fsum(host))
    wires = [
        item.energy_j for item in result.bill.items if item.component in ("link", "router") and item.action != "leak"
    ]
    assert found["chip"] == pytest.approx(math.fsum(wires))


# ---- GraphML


@pytest.mark.parametrize("topology", list(TOPOLOGIES))
def test_the_graph_reads_back_with_places_and_lengths(topology: str) -> None:
    chip = build_chip(REFERENCE.with_overrides([f"routing.topology={topology}"]).value)
    text = chip_graphml(chip)
    assert text == chip_graphml(build_chip(chip.spec))
    found = nx.parse_graphml(text)
    assert set(found.nodes) == set(chip.graph.nodes)
    assert nx.get_edge_attributes(found, "link") == nx.get_edge_attributes(chip.graph, "link")
    for _, _, data in found.edges(data=True):
        assert data["length_m"] == chip.links[data["link"]].length_m
        assert data["flight_s"] == float(chip.links[data["link"]].flight_s)
    for i, site in enumerate(chip.plan.sites):
        assert (found.nodes[f"tile{i}"]["x_m"], found.nodes[f"tile{i}"]["y_m"]) == site.centre_m


def test_a_bus_lies_amid_all_it_joins() -> None:
    chip = build_chip(REFERENCE.with_overrides(["routing.topology=bus"]).value)
    centres = [chip.plan.host.centre_m, *(site.centre_m for site in chip.plan.sites)]
    assert node_rect(chip, "bus").x_m == pytest.approx(sum(x for x, _ in centres) / 9)


def test_a_chip_from_its_own_export_is_the_same_chip(tmp_path_factory: pytest.TempPathFactory) -> None:
    chip = build_chip(REFERENCE.value)
    path = tmp_path_factory.mktemp("flp") / "chip.flp"
    path.write_text(chip_flp(chip.plan, "a comment"), "utf-8")
    again = build_chip(REFERENCE.with_overrides([f"floorplan={{kind: explicit, flp: {path}}}"]).value)
    assert isinstance(again.spec.floorplan, Explicit)
    assert again.plan.sites == chip.plan.sites
    assert again.area_m2 == pytest.approx(chip.area_m2, rel=1e-12)
    assert {name: link.length_m for name, link in again.links.items()} == {
        name: link.length_m for name, link in chip.links.items()
    }
