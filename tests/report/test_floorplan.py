"""Drawn floorplans: what is on the die is in the drawing, by name and to scale; and the command that draws them."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from archsim.base.units import engineering, percent
from archsim.chip import Chip, build_chip, places
from archsim.chip.floorplan import Block
from archsim.chip.floorplan.flp import read_flp
from archsim.chip.floorplan.plan import Rect
from archsim.chip.places import Layout, layout_of
from archsim.cli import main
from archsim.export.floorplan_yaml import floorplan_yaml
from archsim.export.hotspot import read_ptrace
from archsim.report import floorplan as floorplan_module
from archsim.report.document import Document, Section
from archsim.report.files import files_of
from archsim.report.floorplan import Load, floorplan, limits_of
from archsim.report.svg import svg
from archsim.results.evaluate import Result, evaluate
from archsim.spec.choices import FLOORPLANS, TOPOLOGIES
from archsim.spec.loading import load_arch
from archsim.studies.floorplans.draw import STUDY
from archsim.studies.run.loads import Drawing, drawing_of
from archsim.workload import load_workload

NAME = "ambrogio_nature_2018"
RING = "floorplan={kind: ring, core: {name: controller, area: 6 mm2}, white_space: 10 %}"
TREE = "floorplan={kind: h_tree, channel_width: 0.2 mm, white_space: 10 %}"
SHORT = ("schedule.transfer.interval_examples=20",)


def chip(*sets: str) -> Chip:
    return build_chip(load_arch(NAME, sets).value)


@pytest.fixture(scope="module")
def result() -> Result:
    return evaluate(load_arch(NAME, SHORT), load_workload("mlp_digits"), examples=60)


@pytest.fixture(scope="module")
def loaded(result: Result) -> tuple[Layout, Load]:
    drawing = Drawing.read(drawing_of(result.chip, result).json_text())
    assert drawing.load is not None
    return drawing.layout, drawing.load


@pytest.mark.parametrize("topology", list(TOPOLOGIES))
@pytest.mark.parametrize("kind", [RING, TREE, pytest.param("floorplan.kind=snake", marks=pytest.mark.slow)])
def test_everything_on_the_die_is_named_to_scale_in_the_drawing(kind: str, topology: str) -> None:
    built = chip(kind, f"routing.topology={topology}")
    layout = layout_of(built)
    drawing = Drawing.read(drawing_of(built).json_text())
    assert (drawing.layout, drawing.load) == (layout, None)
    shown = floorplan(layout)
    assert [box.tip.split(" (")[0].split(";")[0] for box in shown.boxes] == [block.name for block in layout.blocks]
    scale = 1000 / built.plan.width_m
    for box, block in zip(shown.boxes, layout.blocks, strict=True):
        rect = block.rect
        sides = (rect.x_m, rect.y_m, rect.width_m, rect.height_m)
        assert (box.x, box.y, box.width, box.height) == pytest.approx([side * scale for side in sides], abs=0.051)
    assert {wire.tip for wire in shown.wires} == {f"link {name}" for name, _ in layout.wires}
    assert ("link", floorplan_module.LINK) in shown.legend
    text = svg(shown)
    assert svg(shown) == text
    titles = {element.text for element in ET.fromstring(text).iter("{http://www.w3.org/2000/svg}title")}
    assert {box.tip for box in shown.boxes} | {wire.tip for wire in shown.wires} <= titles


def test_a_run_adds_power_and_load_with_their_units(result: Result, loaded: tuple[Layout, Load]) -> None:
    # Origin: energy by tile over time and area, and busy cycles over all cycles, as the result file has them.
    shown = floorplan(*loaded, layers={"tile0": "fc1"})
    power_w = result.bill.by_tile["tile0"] / result.data["metrics"]["time_total_s"]
    dense_w_per_mm2 = power_w / result.chip.plan.sites[0].area_m2 * 1e-6
    (tip,) = (box.tip for box in shown.boxes if box.tip.startswith("tile0, "))
    assert tip.startswith(f"tile0, layer fc1; {engineering(power_w, 'W')}, {engineering(dense_w_per_mm2, 'W', 3)}/mm2;")
    drawn_links = dict(loaded[0].wires)
    used = [row for row in result.data["links"] if row["name"] in drawn_links]
    assert used
    tips = {wire.tip.split(":")[0]: wire.tip for wire in shown.wires}
    for row in used:
        share = percent(row["busy_cycles"] / result.trace.cycles)
        assert tips[f"link {row['name']}"].startswith(f"link {row['name']}: held for {share} of all cycles; ")
    ends = limits_of([loaded])
    assert [ramp.text for ramp in shown.ramps] == [
        f"{engineering(ends.density_w_per_m2 * 1e-6, 'W', 3)}/mm2", f"{percent(ends.busy)} of cycles, links",
    ]  # fmt: skip


def mesh(side: int, *, height: float = 1.0) -> Layout:
    """A square of tiles on a die of 1 m whose neighbours are joined from middle to middle."""
    step = 1.0 / side
    tiles = [
        Block(f"tile{side * row + column}", Rect(column * step, row * step * height, step, step * height), "tile")
        for row in range(side) for column in range(side)
    ]  # fmt: skip
    middles = [block.rect.centre_m for block in tiles]
    pairs = [(i, j) for i in range(side**2) for j in (i + 1, i + side) if j < side**2 and (j != i + 1 or j % side)]
    return Layout(1.0, height, tuple(tiles), tuple((f"{i}>{j}", [middles[i], middles[j]]) for i, j in pairs))


@pytest.mark.parametrize(("side", "height", "written"), [
    (2, 1.0, "tile0"), (4, 1.0, "tile0"), (8, 1.0, "0"), (8, 2.0, "tile0"), (12, 1.0, "0"), (24, 1.0, None),
])  # fmt: skip
def test_texts_are_alike_lie_on_their_blocks_and_cross_no_link(side: int, height: float, written: str | None) -> None:
    layout = mesh(side, height=height)
    shown = floorplan(layout)
    assert [text.text for text in shown.texts][:1] == ([] if written is None else [written])
    assert len({text.size for text in shown.texts}) <= 1
    if written is not None:
        assert len(shown.texts) == side**2  # all or none
        assert 15.0 <= shown.texts[0].size <= 28.0
    lines = [[(x * 1000, y * 1000) for x, y in line] for _, line in layout.wires]
    for text, block in zip(shown.texts, layout.blocks, strict=False):
        across, along = text.size / 2, 0.6 * text.size * len(text.text) / 2
        half_x, half_y = (across, along) if text.upright else (along, across)
        rect = block.rect
        assert rect.x_m * 1000 <= text.x - half_x < text.x + half_x <= (rect.x_m + rect.width_m) * 1000
        assert rect.y_m * 1000 <= text.y - half_y < text.y + half_y <= (rect.y_m + rect.height_m) * 1000
        for (ax, ay), (bx, by) in lines:
            assert max(ax, bx) <= text.x - half_x or min(ax, bx) >= text.x + half_x or (
                max(ay, by) <= text.y - half_y or min(ay, by) >= text.y + half_y
            )  # fmt: skip


def test_layers_are_written_where_there_is_room() -> None:
    roomy, tight = (
        floorplan(mesh(side), layers={"tile0": "fc1", "tile1": "a_long_name_of_a_layer"}) for side in (2, 8)
    )
    assert [text.text for text in roomy.texts] == ["tile0", "fc1", "tile1", "a_long_name_of_a_layer", "tile2", "tile3"]
    assert [text.text for text in tight.texts] == [str(i) for i in range(64)]
    assert "tile1, layer a_long_name_of_a_layer; " in tight.boxes[1].tip


def test_a_drawing_of_many_shapes_has_few_tooltips_and_all_shapes(
    loaded: tuple[Layout, Load], monkeypatch: pytest.MonkeyPatch
) -> None:
    few = floorplan(*loaded)
    monkeypatch.setattr(floorplan_module, "MOST_BLOCKS", 4)
    monkeypatch.setattr(floorplan_module, "MOST_WIRES", 3)
    many = floorplan(*loaded)
    assert many.crowd == few.boxes
    paths = [own for own in ET.fromstring(svg(many)).iter("{http://www.w3.org/2000/svg}path") if own.get("fill")]
    assert sum((path.get("d") or "").count("z") for path in paths) == len(few.boxes)
    assert [path.get("fill") for path in paths] == sorted({box.tone for box in few.boxes})
    assert sum(int(re.findall(r"(\d+) blocks?", box.tip)[0]) for box in many.boxes) == len(few.boxes)
    busiest = sorted(loaded[1].busy.get(name, 0.0) for name, _ in loaded[0].wires)[-3:]
    held = [re.findall(r"held for (.*?) of all", wire.tip)[0] for wire in many.wires]
    assert held == [percent(share) for share in busiest]


def test_the_load_of_a_link_is_the_share_of_cycles_it_was_held(result: Result, loaded: tuple[Layout, Load]) -> None:
    # Origin: busy cycles of the result file over all cycles.
    assert loaded[1].busy == {row["name"]: row["busy_cycles"] / result.trace.cycles for row in result.data["links"]}


@pytest.mark.parametrize("sets", [(), (TREE,)])
def test_each_wire_is_drawn_once_from_site_to_site(sets: tuple[str, ...]) -> None:
    built = chip(*sets)
    drawn = dict(places.wires_of(built))
    assert set(drawn) == {name for name, link in built.links.items() if link.length_m}
    for name, line in drawn.items():
        if "host" not in name:
            a, b = (built.plan.sites[int(node.removeprefix("router"))] for node in name.split(">"))
            ends = sorted([line[0], line[-1]])
            for (x, y), site in zip(ends, sorted([a, b], key=lambda s: s.centre_m), strict=True):
                assert site.x_m <= x <= site.x_m + site.width_m
                assert site.y_m <= y <= site.y_m + site.height_m


# ---- the section as YAML


@pytest.mark.parametrize("kind", [kind for kind in FLOORPLANS if kind != "explicit"])
def test_a_floorplan_written_as_yaml_is_the_same_floorplan(kind: str, tmp_path: Path) -> None:
    example = ", ".join(f"{key}: {value}" for key, value in FLOORPLANS[kind].example.items()).replace("'", "")
    plan = chip(f"floorplan={{kind: {kind}, {example}}}").plan
    path = tmp_path / "mine.yaml"
    path.write_text(f"kind: arch\nextends: {NAME}\n{floorplan_yaml(plan, 'a test')}", "utf-8")
    loaded = load_arch(path)
    again = build_chip(loaded.value).plan
    figure = loaded.figures["floorplan.tiles[0].width"]
    assert (figure.status, figure.source) == ("derived", "a test")
    assert (again.sites, again.host, again.grid, again.blocks) == (plan.sites, plan.host, plan.grid, plan.blocks)
    assert again.white_space_m2 == pytest.approx(plan.white_space_m2, rel=1e-9)


# ---- the command


def command(*arguments: str) -> int:
    with pytest.raises(SystemExit) as leave:
        main(arguments)
    return int(leave.value.code or 0)


def main_json(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert command(*arguments, "--json") == 0
    return json.loads(capsys.readouterr().out)


def test_hostile_names_are_text(loaded: tuple[Layout, Load]) -> None:
    bad = "<b>*`{x}|"
    blocks = tuple(Block(f"{bad}{i}", block.rect, block.kind) for i, block in enumerate(loaded[0].blocks))
    shown = floorplan(Layout(loaded[0].width_m, loaded[0].height_m, blocks, loaded[0].wires), title=bad)
    page = files_of(Document(bad, (), (Section("a", bad, (shown,)),)))
    assert "<b>*" not in page["report.html"]
    assert any(bad in (element.text or "") for element in ET.fromstring(page["figures/floorplan.svg"]).iter())


def test_the_command_draws_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("floorplan", "draw", NAME, "--set", RING) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.search(r"floorplan block +6 mm2 +[\d.]+ %", printed.out)
    (folder,) = (tmp_path / "reports").iterdir()
    assert folder.name.startswith(f"{NAME}--floorplan--")
    assert {path.name for path in folder.iterdir()} == {
        "floorplan.json", "floorplan.html", "floorplan.md", "floorplan.svg", "floorplan.flp", "floorplan.yaml",
        "run.yaml", "chip.graphml", "area.csv", "parts.csv", "floorplan.csv",
    }  # fmt: skip
    built = chip(RING)
    with (folder / "parts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(float(row["area [m2]"]) for row in rows) == pytest.approx(built.area_m2)
    assert sum(float(row["leakage [W]"]) for row in rows) == pytest.approx(built.leakage_w)
    with (folder / "area.csv").open(encoding="utf-8") as file:
        assert sum(float(row["area [m2]"]) for row in csv.DictReader(file)) == pytest.approx(built.area_m2)
    assert f"reports/{folder.name}/floorplan.html" in printed.out
    assert "](floorplan.svg)" in (folder / "floorplan.md").read_text("utf-8")
    saved = json.loads((folder / "floorplan.json").read_text("utf-8"))
    for name, text in files_of(STUDY.report(saved)).items():  # the report is made again from its file
        assert (folder / name).read_text("utf-8") == text
    assert main_json(capsys, "floorplan", "draw", NAME, "--set", RING) == saved
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert command("floorplan", "draw", NAME, "--set", RING, "--quiet") == 0  # a drawing may be replaced
    assert capsys.readouterr().out == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first


def test_the_command_simulates_a_workload(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ("floorplan", "draw", NAME, "--workload", "mlp_digits", "--examples", "30", "--out", "out", "--quiet")
    assert command(*words) == 0
    blocks = read_flp(Path("out/floorplan.flp").read_text("utf-8"), "")
    trace = read_ptrace(Path("out/floorplan.ptrace").read_text("utf-8"), "", [block.name for block in blocks])
    assert len(trace.rows_w) == 1
    with Path("out/links.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {"link", "length [m]", "messages", "busy cycles", "cycles waited for"} <= set(rows[0])


def test_bad_input_is_explained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.flp").write_text("tile0 1e-3 1e-3 0\ntile1 1e-3 one 0 0\n", "utf-8")
    for words, said in (
        (("--examples", "3"), "--examples: there is no workload to run; give --workload too"),
        (("--set", "floorplan={kind: explicit, flp: bad.flp}"), "bad.flp, line 1: 4 columns, not 5"),
        (("--set", "floorplan={kind: explicit, flp: bad.flp}"), "bad.flp, line 2: height 'one' is not a number"),
        (("--set", "floorplan.kind=spiral"), "'spiral' is not a floorplan"),
    ):
        assert command("floorplan", "draw", NAME, *words) == 2
        assert said in capsys.readouterr().err
    assert not Path("reports").exists()
