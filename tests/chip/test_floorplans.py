"""Floorplans: nothing overlaps, areas add up to the die, tiles stand where they should, and faults name places."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.base.schema import json_schema
from archsim.chip import Chip, build_chip
from archsim.chip.floorplan import Plan
from archsim.chip.floorplan.explicit import Explicit, places
from archsim.chip.floorplan.flp import write_flp
from archsim.chip.floorplan.generators import Columns, HTree, Snake, grid
from archsim.chip.floorplan.geometry import holes, overlaps
from archsim.chip.floorplan.plan import Rect
from archsim.chip.floorplan.ring import Ring
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import FLOORPLANS, Floorplan
from archsim.spec.loading import digest_of, load_arch

REFERENCE = load_arch("ambrogio_nature_2018")
MM, MM2 = 1e-3, 1e-6
GENERATED = [kind for kind in FLOORPLANS if kind != "explicit"]
areas = st.lists(st.floats(1e-8, 1e-5), min_size=1, max_size=40)
hosts = st.floats(0, 1e-4)
kinds = st.sampled_from(GENERATED)


def section(kind: str, **fields: Any) -> Floorplan:
    cls = FLOORPLANS[kind]
    return cls.model_validate({**cls.example, **fields})


def as_explicit(plan: Plan) -> Explicit:
    """The rectangles of a plan, given one by one."""

    def fields(rect: Rect) -> dict[str, float]:
        return {"x": rect.x_m, "y": rect.y_m, "width": rect.width_m, "height": rect.height_m}

    data: dict[str, Any] = {"tiles": [fields(site) for site in plan.sites]}
    if plan.host.area_m2 > 0:
        data["host"] = fields(plan.host)
    data["blocks"] = [{"name": block.name, **fields(block.rect)} for block in plan.blocks]
    data["die"] = {"width": plan.width_m, "height": plan.height_m}
    return Explicit.model_validate(data)


def rectangle(x: float, y: float, width: float, height: float, **more: str) -> dict[str, str]:
    return {**more, "x": f"{x} mm", "y": f"{y} mm", "width": f"{width} mm", "height": f"{height} mm"}


def explicit(tiles: Sequence[tuple[float, float, float, float]], **more: Any) -> Explicit:
    return Explicit.model_validate({"tiles": [rectangle(*tile) for tile in tiles], **more})


def faults(plan: Explicit, tiles_mm2: Sequence[float], host_mm2: float = 0.0) -> list[str]:
    with pytest.raises(SpecError) as caught:
        plan.plan([area * MM2 for area in tiles_mm2], host_mm2 * MM2)
    return [str(problem) for problem in caught.value.problems]


def chip(*overrides: str) -> Chip:
    return build_chip(REFERENCE.with_overrides(overrides).value)


# ---- what holds for every kind


@given(kinds, areas, hosts)
def test_nothing_overlaps_and_everything_lies_on_the_die(kind: str, tiles: list[float], host: float) -> None:
    plan = section(kind).plan(tiles, host)
    rects = [plan.host, *plan.sites, *(block.rect for block in plan.blocks)]
    assert list(overlaps(rects)) == []
    for rect in rects:
        assert rect.x_m >= -1e-12
        assert rect.y_m >= -1e-12
        assert rect.x_m + rect.width_m <= plan.width_m + 1e-12
        assert rect.y_m + rect.height_m <= plan.height_m + 1e-12


@given(kinds, areas, hosts)
def test_tiles_host_blocks_and_white_space_are_the_die(kind: str, tiles: list[float], host: float) -> None:
    plan = section(kind).plan(tiles, host)
    blocks = sum(block.rect.area_m2 for block in plan.blocks)
    assert sum(tiles) + host + blocks + plan.white_space_m2 == pytest.approx(plan.area_m2, rel=1e-9)
    # A slower reference: what is free of rectangles, and what each site has more than its tile.
    free = holes(Rect(0, 0, plan.width_m, plan.height_m), [block.rect for block in plan.named()]).area_m2
    slack = sum(site.area_m2 for site in plan.sites) - sum(tiles)
    assert plan.white_space_m2 + plan.unused_m2 == pytest.approx(free + slack, rel=1e-6, abs=1e-12)


@given(kinds, areas, hosts, st.floats(0, 0.9))
def test_each_site_holds_its_tile_and_the_host_port_its_area(
    kind: str, tiles: list[float], host: float, white: float
) -> None:
    plan = section(kind, white_space=white).plan(tiles, host)
    assert plan.host.area_m2 == pytest.approx(host, rel=1e-9)
    assert len(plan.sites) == len(plan.grid) == len(set(plan.grid)) == len(tiles)
    for site in plan.sites:
        assert site.area_m2 * (1 - white) == pytest.approx(max(tiles), rel=1e-9)


@given(kinds, areas, hosts)
def test_a_plan_given_rectangle_by_rectangle_is_the_same_plan(kind: str, tiles: list[float], host: float) -> None:
    plan = section(kind).plan(tiles, host)
    assume(max(plan.width_m, plan.height_m) <= 0.3)  # a given die that no wafer holds is refused
    again = as_explicit(plan).plan(tiles, host)
    assert again.sites == plan.sites
    assert again.grid == plan.grid
    assert (again.width_m, again.height_m) == (plan.width_m, plan.height_m)
    assert again.white_space_m2 == pytest.approx(plan.white_space_m2 + plan.unused_m2, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize("kind", list(FLOORPLANS))
def test_every_kind_is_built_from_its_example_and_says_what_it_is(kind: str) -> None:
    built = section(kind)
    assert built.resolved()["kind"] == kind
    assert set(FLOORPLANS[kind].example) <= set(built.resolved())
    assert type(built).__doc__
    options = json_schema(ArchSpec, "arch")["else"]["properties"]["floorplan"]["oneOf"]
    assert kind in [option["properties"]["kind"]["const"] for option in options]


# ---- the kinds, one by one


@given(st.integers(1, 40), st.integers(1, 9))
def test_in_a_snake_each_tile_stands_beside_the_one_before(count: int, columns: int) -> None:
    plan = section("snake", columns=columns).plan([MM2] * count, MM2)
    assert isinstance(section("snake"), Snake)
    for (y, x), (y_next, x_next) in itertools.pairwise(plan.grid):
        assert abs(y - y_next) + abs(x - x_next) == 1
    rows = grid([MM2] * count, MM2, columns, 0.1)
    assert (plan.width_m, plan.height_m, plan.white_space_m2) == (rows.width_m, rows.height_m, rows.white_space_m2)
    assert sorted(site.centre_m for site in plan.sites)[0] == sorted(site.centre_m for site in rows.sites)[0]


@given(st.integers(1, 64), st.floats(0, 1e-3))
def test_in_an_h_tree_powers_of_two_stand_together(count: int, channel: float) -> None:
    plan = section("h_tree", channel_width=channel).plan([MM2] * count, 0.0)
    assert isinstance(section("h_tree"), HTree)
    for size in (2, 4, 8, 16, 32):
        for first in range(0, count - size + 1, size):
            rows, columns = zip(*plan.grid[first : first + size], strict=True)
            assert (max(rows) - min(rows) + 1) * (max(columns) - min(columns) + 1) == size
    if channel > 1e-9:  # each cut between occupied halves has a channel
        assert len(plan.blocks) == count - 1


def test_an_h_tree_of_eight_by_hand() -> None:
    # 0.81 mm2 and 19 % white space make sites of 1 mm; four columns and two rows, channels of 0.2 mm between them.
    plan = section("h_tree", channel_width="0.2 mm", white_space="19 %").plan([0.81 * MM2] * 8, 0.0)
    assert (plan.width_m, plan.height_m) == pytest.approx((4.6 * MM, 2.2 * MM))
    widest = plan.blocks[0].rect
    assert (widest.x_m, widest.y_m) == pytest.approx((2.2 * MM, 0))
    assert (widest.width_m, widest.height_m) == pytest.approx((0.2 * MM, 2.2 * MM))
    channels = 0.2 * 2.2 + 2 * 2.2 * 0.2 + 4 * 0.2 * 1.0
    assert sum(block.rect.area_m2 for block in plan.blocks) == pytest.approx(channels * MM2)
    assert plan.white_space_m2 == pytest.approx((4.6 * 2.2 - 8 * 0.81 - channels) * MM2)


@given(st.integers(4, 60), st.floats(0, 1e-4))
def test_a_ring_goes_round_its_core(count: int, core: float) -> None:
    plan = section("ring", core={"area": core}).plan([MM2] * count, MM2)
    assert isinstance(section("ring"), Ring)
    last_row, last_column = (max(place[i] for place in plan.grid) for i in (0, 1))
    assert all(y in (0, last_row) or x in (0, last_column) for y, x in plan.grid)
    assert 0 <= last_column - last_row <= 1  # as near to square as the number allows
    closed = plan.grid if count % 2 else (*plan.grid, plan.grid[0])
    for (y, x), (y_next, x_next) in itertools.pairwise(closed):
        assert abs(y - y_next) + abs(x - x_next) == 1
    assert sum(block.rect.area_m2 for block in plan.blocks) == pytest.approx(core, rel=1e-9)


def test_a_large_core_drives_a_ring_apart() -> None:
    # Eight sites of 1 mm around a core of 9 mm2: 3 mm a side, so a die of 5 mm with sites 2 mm apart.
    plan = section("ring", core={"area": "9 mm2"}, white_space=0.0).plan([MM2] * 8, 0.0)
    assert (plan.width_m, plan.height_m) == pytest.approx((5 * MM, 5 * MM))
    assert [site.x_m / MM for site in plan.sites[:3]] == pytest.approx([0, 2, 4])
    assert plan.white_space_m2 == pytest.approx((25 - 9 - 8) * MM2)


def test_columns_by_hand() -> None:
    # Five sites of 1 mm in two columns of 3 and 2, 0.5 mm between them, 0.2 mm around, and a host port of 0.68 mm2.
    plan = section("columns", columns=2, channel_width="0.5 mm", border_width="0.2 mm", white_space=0.0).plan(
        [MM2] * 5, 0.68 * MM2
    )
    assert isinstance(section("columns"), Columns)
    assert plan.height_m == pytest.approx(3.4 * MM)
    assert plan.width_m == pytest.approx((0.2 + 2.5 + 2 * 0.2) * MM)
    assert plan.grid == ((0, 0), (1, 0), (2, 0), (0, 1), (1, 1))
    channels = 0.5 * 3 + 2 * 0.2 * 2.9 + 2 * 0.2 * 3
    assert sum(block.rect.area_m2 for block in plan.blocks) == pytest.approx(channels * MM2)
    assert plan.white_space_m2 == pytest.approx(1 * MM2)  # one empty site
    assert {block.kind for block in plan.blocks} == {"routing_channel"}


# ---- rectangles


@st.composite
def some_rects(draw: st.DrawFn) -> list[Rect]:
    size = st.integers(1, 4)
    return [Rect(draw(st.integers(0, 6)), draw(st.integers(0, 6)), draw(size), draw(size))
            for _ in range(draw(st.integers(0, 6)))]  # fmt: skip


@given(some_rects())
def test_overlaps_are_those_of_all_pairs(rects: list[Rect]) -> None:
    def cells(r: Rect) -> set[tuple[int, int]]:
        return {(x, y) for x in range(int(r.x_m), int(r.x_m + r.width_m))
                for y in range(int(r.y_m), int(r.y_m + r.height_m))}  # fmt: skip

    slow = {(i, j): cells(a) & cells(b) for (i, a), (j, b) in itertools.combinations(enumerate(rects), 2)}
    found = {(i, j): cells(common) for i, j, common in overlaps(rects)}
    assert found == {pair: common for pair, common in slow.items() if common}


@given(some_rects())
def test_holes_are_what_no_rectangle_covers(rects: list[Rect]) -> None:
    die = Rect(0, 0, 10, 10)
    free = {(x, y) for x in range(10) for y in range(10)
            if not any(r.x_m <= x < r.x_m + r.width_m and r.y_m <= y < r.y_m + r.height_m for r in rects)}  # fmt: skip
    found = holes(die, rects)
    assert found.area_m2 == len(free)
    cover = found.cover()
    assert list(overlaps(cover)) == []
    pieces = [(x, y) for r in cover for x in range(int(r.x_m), int(r.x_m + r.width_m))
              for y in range(int(r.y_m), int(r.y_m + r.height_m))]  # fmt: skip
    assert sorted(pieces) == sorted(free)
    # A slower reference: every rectangle of the grid of cells, by prefix sums.
    best, inside = 0, [[0] * 11 for _ in range(11)]
    for y, x in itertools.product(range(10), range(10)):
        inside[y + 1][x + 1] = inside[y][x + 1] + inside[y + 1][x] - inside[y][x] + ((x, y) in free)
    for top, bottom in itertools.combinations(range(11), 2):
        for left, right in itertools.combinations(range(11), 2):
            area = (bottom - top) * (right - left)
            if inside[bottom][right] - inside[top][right] - inside[bottom][left] + inside[top][left] == area:
                best = max(best, area)
    largest = found.largest()
    assert (largest.area_m2 if largest else 0) == best


# ---- explicit


def test_every_fault_is_told_at_once_with_coordinates() -> None:
    plan = explicit(
        [(0, 0, 1.4, 1.35), (1.3, 0, 1.4, 1.35), (2.8, 0, 1.2, 1.4)],
        blocks=[rectangle(3.5, 1.4, 1, 1, name="controller")],
        die={"width": "4 mm", "height": "2 mm"},
    )
    assert faults(plan, [1.82] * 4, 0.5) == [
        "floorplan.tiles: 3 rectangles for 4 tiles; give as many rectangles as tiles, or set tile.count=3",
        "floorplan.host: the host port of 0.5 mm2 has no rectangle; add 'host' with x, y, width and height",
        "floorplan.tiles[2]: tile2 needs 1.82 mm2, its rectangle of 1.2 x 1.4 mm has 1.68 mm2; "
        "make it 1.2 x 1.51667 mm or larger",
        "floorplan.blocks[0]: controller, 1 x 1 mm at (3.5, 1.4) mm, reaches out of the die of 4 x 2 mm; "
        "the die begins at (0, 0); move the rectangle, or set floorplan.die",
        "floorplan.tiles[1]: tile1 overlaps tile0 in 0.1 x 1.35 mm at (1.3, 0) mm; "
        "move or shrink one of 1.4 x 1.35 mm at (0, 0) mm and 1.4 x 1.35 mm at (1.3, 0) mm",
    ]


def test_a_name_given_twice_and_a_negative_place_are_found() -> None:
    plan = explicit([(-1, 0, 1, 1)], blocks=[rectangle(1, 0, 1, 1, name="a"), rectangle(2, 0, 1, 1, name="a")])
    twice, outside = faults(plan, [1])
    assert twice == "floorplan.blocks[1]: 'a' is the name of floorplan.blocks[0] already; give each its own"
    assert outside.startswith("floorplan.tiles[0]: tile0, 1 x 1 mm at (-1, 0) mm, reaches out of the die of 3 x 1 mm")


def test_holes_are_white_space_and_a_fault_above_the_limit() -> None:
    tiles = [(0, 0, 1, 1), (2, 0, 1, 1), (0, 1, 3, 1)]
    assert explicit(tiles).plan([MM2 * 0.5] * 3, 0.0).white_space_m2 == pytest.approx(4.5 * MM2)
    assert explicit(tiles, most_white_space="17 %").plan([MM2] * 3, 0.0).white_space_m2 == pytest.approx(3 * MM2)
    (fault,) = faults(explicit(tiles, most_white_space="16 %"), [1] * 3)
    assert "0.167 of the die is covered by nothing, above 0.16; the largest hole is 1 x 1 mm at (1, 0) mm" in fault


def test_faults_of_the_file_name_their_key(tmp_path: Path) -> None:
    def loading(value: str) -> str:
        with pytest.raises(SpecError) as caught:
            REFERENCE.with_overrides([f"floorplan={value}"])
        return str(caught.value)

    label = REFERENCE.path_label
    good = "x: 0 mm, y: 0 mm, width: 1 mm"
    assert "'spiral' is not a floorplan" in loading("{kind: spiral}")
    assert "'kind' is missing; allowed kinds: " in loading("{columns: 4}")
    assert "floorplan.columns: is missing" in loading("{kind: grid, white_space: 10 %}")
    assert "height: '-1 mm' is out of range" in loading(f"{{kind: explicit, tiles: [{{{good}, height: -1 mm}}]}}")
    assert "height: '0 mm' is out of range" in loading(f"{{kind: explicit, tiles: [{{{good}, height: 0 mm}}]}}")
    assert "widht: unknown key; did you mean 'width'?" in loading("{kind: explicit, tiles: [{widht: 1 mm}]}")
    assert "no rectangle was given; give 'tiles'" in loading("{kind: explicit}")
    assert "both 'flp' and rectangles" in loading(f"{{kind: explicit, flp: a, tiles: [{{{good}, height: 1 mm}}]}}")
    assert "no such file" in loading("{kind: explicit, flp: nowhere.flp}")
    with pytest.raises(SpecError) as caught:
        REFERENCE.with_overrides(["floorplan.columns=none"])
    assert caught.value.problems[0].where == "--set floorplan.columns"
    assert label not in caught.value.problems[0].where


@pytest.mark.parametrize("columns", [1, 3, 4])
def test_places_follow_rows_and_line_up_over_them(columns: int) -> None:
    plan = grid([MM2] * 10, 0.0, columns, 0.1)
    assert places(plan.sites) == plan.grid


def test_places_of_irregular_tiles_by_hand() -> None:
    rects = [Rect(0, 0, 2, 2), Rect(2, 0.5, 2, 2), Rect(0.2, 3, 1, 1), Rect(3, 3, 1, 1), Rect(5, 1, 1, 1)]
    # 1 begins half a unit lower, in the same row; 3 stands in line with 1; 4 has a column of its own.
    assert places(rects) == ((0, 0), (0, 1), (1, 0), (1, 1), (0, 2))
    # Beside a high tile, two small ones above each other stand in its row and in line: the lower one moves on.
    assert places([Rect(0, 0, 2, 10), Rect(3, 4.5, 1, 1), Rect(3, 6, 1, 1)]) == ((0, 0), (0, 1), (0, 2))


# ---- HotSpot files as the source


def test_a_file_of_rectangles_is_a_floorplan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = section("columns").plan([MM2] * 6, MM2)
    fillers = "filler_0\t1e-6\t1e-6\t0\t0\n"
    Path("chip.flp").write_text(write_flp(reversed(plan.named())) + fillers, "utf-8")
    again = of_file("chip.flp").plan([MM2] * 6, MM2)
    assert (again.sites, again.host, again.grid) == (plan.sites, plan.host, plan.grid)
    assert sorted(again.blocks, key=lambda block: block.name) == sorted(plan.blocks, key=lambda block: block.name)
    assert again.white_space_m2 == pytest.approx(plan.white_space_m2, rel=1e-9)


def test_the_hash_of_a_spec_follows_the_file(tmp_path: Path) -> None:
    path, hashes = tmp_path / "a.flp", []
    for width in ("1e-3", "1e-3", "2e-3"):
        path.write_text(f"tile0 {width} 1e-3 0 0\n", "utf-8")
        hashes.append(digest_of(of_file(path)))
    assert hashes[0] == hashes[1] != hashes[2]


def test_faults_of_a_file_name_it(tmp_path: Path) -> None:
    path = tmp_path / "a.flp"
    path.write_text("tile0 1e-3 1e-3 0 0\ntile2 1e-3 1e-3 0.5e-3 0\n", "utf-8")
    assert faults(of_file(path), [1] * 3)[0].startswith(f"{path}: there is no tile1; expected tile0 to tile2")
    path.write_text("tile0 1e-3 1e-3 0 0\ntile1 1e-3 1e-3 0.5e-3 0\n", "utf-8")
    small, overlap = faults(of_file(path), [1, 1.5])
    assert small.startswith(f"{path}: tile1: tile1 needs 1.5 mm2")
    assert "tile1 overlaps tile0 in 0.5 x 1 mm at (0.5, 0) mm" in overlap


def of_file(path: Path | str, **more: Any) -> Explicit:
    return Explicit.model_validate({"flp": str(path), **more})


PLAIN = "".join(
    f"tile{i}\t1.4e-3\t1.4e-3\t{x}\t{y}\n" for i, (x, y) in enumerate(itertools.product((3e-3, 4.4e-3), (4e-3, 5.4e-3)))
) + "host\t3e-3\t2.8e-3\t0\t4e-3\nL2\t5.8e-3\t4e-3\t0\t0\n"  # fmt: skip


def plan_of(text: str, tiles_mm2: Sequence[float] = (1.6,) * 4, host_mm2: float = 5.7, **more: Any) -> Plan:
    path = Path("a.flp")
    path.write_text(text, "utf-8")
    return of_file(path, **more).plan([area * MM2 for area in tiles_mm2], host_mm2 * MM2)


def unfit(text: str, tiles_mm2: Sequence[float] = (1.6,) * 4, host_mm2: float = 5.7) -> list[str]:
    with pytest.raises(SpecError) as caught:
        plan_of(text, tiles_mm2, host_mm2)
    return [str(problem) for problem in caught.value.problems]


def scaled_flp(text: str, scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> str:
    rows = [line.split() for line in text.splitlines()]
    return "".join(
        f"{name} {float(w) * scale} {float(h) * scale} {float(left) * scale + x} {float(low) * scale + y}\n"
        for name, w, h, left, low in rows
    )


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("here")
def test_wires_that_hotspot_dumps_change_nothing() -> None:
    plain = plan_of(PLAIN)
    assert (plain.width_m, plain.height_m) == pytest.approx((5.8e-3, 6.8e-3))  # 3 + 2 x 1.4, 4 + 2 x 1.4 mm
    assert plan_of(PLAIN + "\ntile1\ttile0\t1.000\ntile2\ttile0\t1.000\nL2\thost\t2.000\n") == plain
    wrong = unfit(PLAIN + "tile1 tile9 1\nL2 hosts x\n")
    assert wrong[0] == "a.flp, line 7: wires to 'tile9', which is no rectangle of the file; did you mean 'tile3'?"
    assert wrong[1] == "a.flp, line 8: wires to 'hosts', which is no rectangle of the file; did you mean 'host'?"
    assert wrong[2].startswith("a.flp, line 8: the density of wires 'x' is not a number from 0")


@pytest.mark.usefixtures("here")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(-0.9, 0.9), st.floats(-0.9, 0.9))
def test_a_file_may_start_anywhere(x: float, y: float) -> None:
    # HotSpot moves the lower left corner to the origin (flp_translate of flp.c): sizes and distances stay.
    plain, moved = plan_of(PLAIN), plan_of(scaled_flp(PLAIN, x=x, y=y))
    assert (moved.width_m, moved.height_m) == pytest.approx((plain.width_m, plain.height_m), rel=1e-9)
    assert moved.grid == plain.grid
    for a, b in zip(moved.named(), plain.named(), strict=True):
        assert (a.name, a.rect.centre_m) == (b.name, pytest.approx(b.rect.centre_m, rel=1e-9))


@pytest.mark.usefixtures("here")
def test_a_given_die_keeps_the_place_of_a_file_on_it() -> None:
    plan = plan_of(scaled_flp(PLAIN, x=1e-3, y=2e-3), die={"width": "8 mm", "height": "9 mm"})
    assert (plan.width_m, plan.host.x_m, plan.host.y_m) == pytest.approx((8e-3, 1e-3, 6e-3))


@pytest.mark.usefixtures("here")
def test_white_space_at_the_edge_of_a_file_belongs_to_the_die() -> None:
    plan = plan_of(PLAIN + "filler_0 1e-3 6.8e-3 5.8e-3 0\n")
    assert plan.width_m == pytest.approx(6.8e-3)
    assert plan.white_space_m2 == pytest.approx(plan_of(PLAIN).white_space_m2 + 6.8 * MM2)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(("unit", "per_metre"), [("mm", 1e3), ("um", 1e6), ("nm", 1e9)])
def test_coordinates_in_another_unit_are_refused_with_the_likely_one(unit: str, per_metre: float) -> None:
    (wrong,) = unfit(scaled_flp(PLAIN, per_metre))
    assert "no wafer is larger than 0.3 m" in wrong
    assert f"read in {unit} it would be of 5.8 x 6.8 mm; multiply all coordinates by {1 / per_metre:g}" in wrong


def test_a_die_of_the_spec_that_no_wafer_holds_is_refused_too() -> None:
    (wrong,) = faults(explicit([(0, 0, 310, 1)]), [1.0])
    assert wrong.startswith("floorplan: a die of 0.31 x 0.001 m; no wafer is larger than 0.3 m; check the coordinates")
    assert explicit([(0, 0, 299, 1)]).plan([MM2], 0.0).width_m == pytest.approx(0.299)


@pytest.mark.usefixtures("here")
def test_names_that_do_not_fit_are_told_with_those_expected_and_found() -> None:
    assert unfit(PLAIN.replace("tile", "core")) == [
        "a.flp: there is no tile0, tile1, tile2, tile3; expected tile0 to tile3 and host, found host, core0, core1, "
        "core2, core3, L2; rename them"
    ]
    assert unfit(PLAIN.replace("host", "Host"))[0].startswith("a.flp: there is no host; expected tile0 to tile3 and h")
    more, fewer = unfit(PLAIN, [1.6] * 2)[0], unfit(PLAIN, [1.6] * 9, 0.0)[0]
    assert "tile2, tile3 are no tile of this chip; expected tile0 to tile1 and host" in more
    assert "there is no tile4, tile5, tile6, tile7, tile8; expected tile0 to tile8, found tile0" in fewer
    assert more.endswith("or set tile.count=4")
    assert fewer.endswith("or set tile.count=4")


# ---- on a chip


BLOCKS = "{kind: ring, core: {name: controller, area: 6 mm2}, white_space: 10 %}"


def test_blocks_are_lines_of_the_bill_of_areas() -> None:
    parts = {part.component: part for part in chip(f"floorplan={BLOCKS}").parts}
    assert parts["floorplan_block"].area_m2 == pytest.approx(6 * MM2)
    assert "floorplan_block" not in {part.component for part in chip().parts}
    columns = chip("floorplan={kind: columns, columns: 4, channel_width: 0.1 mm, border_width: 0 mm, white_space: 0}")
    bill = {part.component: part for part in columns.parts}
    side = math.sqrt(columns.plan.sites[0].area_m2)
    assert bill["routing_channel"].instances == 3
    assert bill["routing_channel"].area_m2 == pytest.approx(3 * 0.1 * MM * 2 * side)


def test_rectangles_without_common_edges_are_refused_before_their_gaps_are_laid_out() -> None:
    count = 10_001  # on a diagonal: each has columns and rows of its own, 2 and a gap
    rects = [Rect(2.0 * i, 2.0 * i, 1.0, 1.0) for i in range(count)]
    with pytest.raises(
        SpecError, match=r"floorplan: 400,\d+,\d+ places where .* cross, above the limit of 400,000,000"
    ):
        holes(Rect(0.0, 0.0, 2.0 * count, 2.0 * count), rects)


def test_kinds_have_their_own_keys_on_the_command_line() -> None:
    assert chip("floorplan.kind=snake").plan.grid[4:] == ((1, 3), (1, 2), (1, 1), (1, 0))
    with pytest.raises(SpecError, match=r"floorplan\.columns: unknown key"):
        chip("floorplan.kind=h_tree")
    spec = REFERENCE.with_overrides([f"floorplan={BLOCKS}", "floorplan.core.area=7 mm2"])
    assert spec.figures["floorplan.core.area"].source == "command line"
    assert spec.value.resolved()["floorplan"]["core"] == {"name": "controller", "area": "7e-06"}


def test_a_mesh_around_a_hole_is_refused_where_a_route_leads_into_it() -> None:
    ring = chip(f"floorplan={BLOCKS}")  # three rows and columns, the middle is the core
    assert ring.route("tile0", "tile2")[1] == 3
    with pytest.raises(SpecError, match="'mesh' has no way from tile7 to tile3 around the floorplan's holes"):
        ring.route("tile7", "tile3")


def test_floorplans_stay_as_they_were() -> None:
    assert REFERENCE.hash == "e5814417513d"  # the reference as it was fitted last; reports carry it
