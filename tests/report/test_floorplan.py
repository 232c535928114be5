"""Drawn floorplans: what is on the die is in the drawing, by name and to scale; and the command that draws them."""

from __future__ import annotations

import csv
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from archsim.chip import Chip, build_chip, places
from archsim.cli import main
from archsim.export import floorplan_yaml, read_flp, read_ptrace
from archsim.report import floorplan
from archsim.report.old_floorplan import floorplan_drawing
from archsim.results.evaluate import Result, evaluate
from archsim.spec.arch import FLOORPLANS, TOPOLOGIES
from archsim.spec.loading import load_arch
from archsim.studies.run.loads import load_of
from archsim.workload import load_workload

NAME = "ambrogio_nature_2018"
RING = "floorplan={kind: ring, core: {name: controller, area: 6 mm2}, white_space: 10 %}"
TREE = "floorplan={kind: h_tree, channel_width: 0.2 mm, white_space: 10 %}"
SHORT = ("schedule.transfer.interval_examples=20",)


def chip(*sets: str) -> Chip:
    return build_chip(load_arch(NAME, sets).value)


def words(svg: str) -> str:
    """The text of a drawing, its labels apart: matplotlib leaves each as a comment beside its outlines."""
    return "\n".join(re.findall(r"<!-- (.*?) -->", svg, re.DOTALL))


@pytest.fixture(scope="module")
def result() -> Result:
    return evaluate(load_arch(NAME, SHORT), load_workload("mlp_digits"), examples=60)


@pytest.mark.parametrize("topology", list(TOPOLOGIES))
@pytest.mark.parametrize("kind", [RING, TREE, pytest.param("floorplan.kind=snake", marks=pytest.mark.slow)])
def test_everything_on_the_die_is_named_in_the_drawing(kind: str, topology: str) -> None:
    drawn = chip(kind, f"routing.topology={topology}")
    svg = floorplan_drawing(drawn)
    assert svg == floorplan_drawing(drawn)
    ids = {element.get("id", "") for element in ET.fromstring(svg).iter()}
    assert {f"label-{block.name}" for block in drawn.plan.named()} <= ids
    assert {"x, mm", "y, mm", "link"} <= set(words(svg).splitlines())


def test_a_run_adds_power_and_load_with_their_units(result: Result) -> None:
    svg = floorplan_drawing(result.chip, load_of(result))
    text = words(svg)
    assert "power density, mW/mm2" in text
    assert "load of links, % of cycles held" in text
    power_w = result.bill.by_tile["tile0"] / result.data["metrics"]["time_total_s"]
    (label,) = floorplan._labels(result.chip.plan.named()[:1], load_of(result), 1e5)
    assert label.text == f"tile0\n{power_w * 1e3:.3g} mW"


def test_a_drawing_of_many_shapes_is_one_of_pixels_with_its_text_as_text(
    result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = floorplan_drawing(result.chip, load_of(result))
    monkeypatch.setattr(floorplan, "_MOST_SHAPES", 3)
    pixels = floorplan_drawing(result.chip, load_of(result))
    assert pixels == floorplan_drawing(result.chip, load_of(result))
    assert words(pixels) == words(lines)
    assert pixels.count("<image") > lines.count("<image")
    assert pixels.count("<path") < lines.count("<path") - len(result.chip.tiles)


def test_labels_shrink_together_and_go_where_they_cannot_be_read(result: Result) -> None:
    tiles, load = result.chip.plan.named()[:8], load_of(result)
    seen = []
    for points_per_m in (1e5, 3e4, 1.5e4, 5e3):
        labels = floorplan._labels(tiles, load, points_per_m)
        assert len({label.points for label in labels}) <= 1
        seen.append((len(labels), labels[0].text.count("\n") if labels else 0))
    assert seen == [(8, 1), (8, 1), (8, 0), (0, 0)]


def test_the_load_of_a_link_is_the_share_of_cycles_it_was_held(result: Result) -> None:
    # Origin: busy cycles of the result file over all cycles.
    busy = load_of(result).busy
    assert busy == {row["name"]: row["busy_cycles"] / result.trace.cycles for row in result.data["links"]}


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


def test_the_command_draws_and_exports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command("floorplan", "draw", NAME, "--set", RING) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert re.search(r"floorplan block +6 mm2", printed.out)
    (folder,) = (tmp_path / "reports").iterdir()
    assert folder.name.startswith(f"{NAME}--floorplan--")
    assert {path.name for path in folder.iterdir()} == {
        "floorplan.svg", "floorplan.flp", "floorplan.yaml", "chip.graphml", "parts.csv",
    }  # fmt: skip
    built = chip(RING)
    with (folder / "parts.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert sum(float(row["area [m2]"]) for row in rows) == pytest.approx(built.area_m2)
    assert sum(float(row["leakage [W]"]) for row in rows) == pytest.approx(built.leakage_w)
    assert f"reports/{folder.name}/floorplan.svg" in printed.out
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
