"""The study of a network alone: its data, its report as data, and the command."""

from __future__ import annotations

import itertools
import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.noc.saturation import LATENCY_LIMIT
from archsim.report.figure import Plot
from archsim.report.files import files_of
from archsim.report.html import page
from archsim.report.markdown import markdown
from archsim.spec.choices import TOPOLOGIES
from archsim.studies.noc.document import LINKS, TIMES_ZERO_LOAD
from archsim.studies.noc.study import STUDY, Inputs, settings_of
from tests.noc.test_saturation import ring
from tests.report.samples import html_in

EVIL = "<b>*a*</b> `c` {x} | d"


document = STUDY.report


def small(**more: Any) -> Inputs:
    return Inputs("mesh", "4x4", cycles=1_000, warmup_cycles=500, **more)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """Two traffics up to saturation."""
    request = small(traffic=("uniform", "transpose"))
    data, _, folder, _ = STUDY.perform(request, tmp_path_factory.mktemp("networks") / "one")
    return data.plain(), folder


@pytest.fixture(scope="module")
def data(found: tuple[dict[str, Any], Path]) -> dict[str, Any]:
    return found[0]


# ---- what is simulated


def test_a_sweep_ends_in_saturation(data: dict[str, Any]) -> None:
    for curve in data["traffic"]:
        loads = [point["load"] for point in curve["points"]]
        assert loads == sorted(loads)
        assert curve["saturation_throughput"] <= curve["load_bound"] * 1.05  # 1,000 cycles: what was drawn varies
        assert curve["latency_zero_load"] < curve["latency_mean_at_half"] < 2 * curve["latency_zero_load"]
        best = next(point for point in curve["points"] if point["load"] == curve["saturation_load"])
        assert not best["saturated"]
        assert best["latency_mean"] <= LATENCY_LIMIT


def test_the_files_are_the_same_twice_and_hold_the_data(found: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    data, folder = found
    _, _, again, _ = STUDY.perform(small(traffic=("uniform", "transpose")), tmp_path / "two")
    files = contents(folder)
    assert contents(again) == files
    assert set(files) == {"network.json", "network.html", "network.md", "tables/summary.csv", "tables/latency.csv",
                          "run.yaml", "tables/links.csv", "figures/latency.svg", "figures/latency.csv"}  # fmt: skip
    assert json.loads(files["network.json"]) == data
    assert document(data) == document(json.loads(files["network.json"]))


# ---- the report


def test_the_figure_holds_each_load_and_theory_at_both_ends(data: dict[str, Any]) -> None:
    figure = document(data).figures()["latency"]
    assert isinstance(figure, Plot)
    assert [text for text, _ in figure.legend] == ["uniform", "transpose"]
    top = TIMES_ZERO_LOAD * max(curve["latency_zero_load"] for curve in data["traffic"])
    assert figure.y.high == top
    for curve, (_, tone) in zip(data["traffic"], figure.legend, strict=True):
        own = [series for series in figure.series if series.tone == tone]
        (curved,) = [series for series in own if series.shown]
        inside = [point for point in curve["points"] if point["latency_mean"] <= top]
        assert [(dot.x, dot.y) for dot in curved.dots] == [(each["load"], each["latency_mean"]) for each in inside]
        assert list(curved.spread) == [each["latency_ci95"] or 0.0 for each in inside]
        assert [dot.hollow for dot in curved.dots] == [each["saturated"] for each in inside]
        level, upright = (series for series in own if series.dashed)
        assert {dot.y for dot in level.dots} == {curve["latency_zero_load"]}
        assert {dot.x for dot in upright.dots} == {curve["load_bound"]}
    for series in figure.series:
        assert series.label or series.tip
        assert all(0 <= figure.x.place(dot.x) <= 100 and 0 <= figure.y.place(dot.y) <= 100 for dot in series.dots)
        assert not series.shown or all(dot.tip for dot in series.dots)


def test_a_curve_that_leaves_the_figure_goes_straight_to_its_edge(data: dict[str, Any]) -> None:
    first = data["traffic"][0]
    points = [{**first["points"][0], "load": load, "latency_mean": mean} for load, mean in ((0.2, 30.0), (0.4, 330.0))]
    figure = document({**data, "traffic": [{**first, "points": points}]}).figures()["latency"]
    assert isinstance(figure, Plot)
    (out,) = [series for series in figure.series if series.label and not series.shown]
    top = TIMES_ZERO_LOAD * first["latency_zero_load"]  # 126: of the way from 30 to 330 a share of 0.32
    assert [(dot.x, dot.y) for dot in out.dots] == [(0.2, 30.0), (pytest.approx(0.2 + 0.2 * (top - 30) / 300), top)]
    assert "330.00 cycles" in out.tip


def test_tables_hold_all_and_show_what_is_read(data: dict[str, Any]) -> None:
    tables = document(data).tables()
    points = [(curve["name"], point) for curve in data["traffic"] for point in curve["points"]]
    rows = tables["latency"].csv().splitlines()
    assert rows[0].split(",")[:3] == ["traffic", "offered load", "accepted"]
    assert len(rows) == 1 + len(points)
    assert rows[1].split(",")[1] == str(points[0][1]["load"])
    heads, shown, _ = tables["latency"].grid()
    assert "events" not in heads
    assert len(shown) == len(points)
    for name, own in itertools.groupby(tables["links"].read, key=lambda row: row[0]):
        used = [row[2] for row in own]
        curve = next(curve for curve in data["traffic"] if curve["name"] == name)
        assert len(used) == LINKS
        assert used == sorted(used, reverse=True)
        assert used[0] == max(link["utilisation"] for link in curve["links"])
    assert len(tables["links"].rows) == sum(len(curve["links"]) for curve in data["traffic"])
    summary = dict(zip((column.name for column in tables["summary"].columns), tables["summary"].rows[0], strict=True))
    assert summary["saturation throughput"] == data["traffic"][0]["saturation_throughput"]


@pytest.mark.parametrize(
    ("more", "said", "not_said"),
    [
        ({}, "takes the next packet|given to the next packet as soon as", "keeps it as long"),
        ({"wait_for_tail_credit": 1}, "only when the credit of the tail", "as soon as the tail"),
        ({"hold_switch_for_packet": 1}, "keeps it as long as its next flit", "flit by flit"),
        ({"buffer_flits": 4}, "(wormhole)", "Hot spot"),
        ({"buffer_flits": 8}, "as in iSLIP", "(wormhole)"),
    ],
)
def test_the_rules_of_the_router_are_said(data: dict[str, Any], more: Any, said: str, not_said: str) -> None:
    text = markdown(document({**data, "router": {**data["router"], **more}}))
    assert any(each in text for each in said.split("|"))
    assert not_said not in text


def test_the_hot_spot_is_named_and_hostile_names_are_text(data: dict[str, Any]) -> None:
    evil = {**data, "topology": EVIL, "command": EVIL, "hot": {"tile": 3, "share": 0.25},
            "traffic": [{**curve, "name": EVIL, "links": [{**link, "name": EVIL} for link in curve["links"]]}
                        for curve in data["traffic"]]}  # fmt: skip
    shown = document(evil)
    assert "Hot spot: 0.25 of all packets go to tile 3, the rest to all alike." in map(str, shown.head)
    html = page(shown)
    assert "&lt;b&gt;*a*&lt;/b&gt; `c` {x} | d" in html
    assert "<b>*" not in html
    assert not html_in(markdown(shown))
    ET.fromstring(files_of(shown)["figures/latency.svg"])


# ---- the command


def test_the_command_prints_a_summary_or_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["network", "mesh", "--size", "3x4", "--load", "0.2", "--cycles", "500", "--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit) as leave:
        main(words)
    assert leave.value.code == 0
    out = capsys.readouterr().out
    assert "Network: mesh, 3x4" in out
    assert "12 tiles; packets of 8 flits" in out
    assert "network.html" in out
    with pytest.raises(SystemExit):
        main([*words, "--json"])
    data = json.loads(capsys.readouterr().out)
    assert data["traffic"][0]["points"][0]["load"] == 0.2
    assert data["traffic"][0]["saturation_load"] is None
    assert data["command"] == "archsim network mesh --size 3x4 --load 0.2 --cycles 500"


@pytest.mark.parametrize(("request_", "where", "what"), [
    (Inputs("mesch"), "TOPOLOGY", "did you mean 'mesh'?"),
    (Inputs("mesh", traffic=("uniforn",)), "--traffic", "did you mean 'uniform'?"),
    (Inputs("mesh", "8x"), "--size", "'8x' is not the size of a grid"),
    (Inputs("mesh", "1x1"), "--size", "1 x 1 is 1 tile"),
    (Inputs("mesh", load=(0.0,)), "--load", "give more than 0 and at most 1"),
    (Inputs("mesh", load=(1.5,)), "--load", "1.5 flits per tile and cycle"),
    (Inputs("mesh", vcs=0), "--vcs", "0 is too small"),
    (Inputs("mesh", buffer_flits=0), "--buffer-flits", "0 is too small"),
    (Inputs("mesh", wait_for_tail_credit=2), "--wait-for-tail-credit", "2 is neither 0 nor 1; give 0 or 1"),
    (Inputs("mesh", hold_switch_for_packet=-1), "--hold-switch-for-packet", "-1 is neither 0 nor 1"),
    (Inputs("torus", vcs=1), "--vcs", "1 virtual channel cannot be divided among the 2 classes"),
    (Inputs("mesh", "4x8", traffic=("transpose",)), "--traffic", "as many rows as columns, not 4 x 8"),
    (Inputs("mesh", "3x3", traffic=("bit_complement",)), "--traffic", "needs a power of two of tiles, not 9"),
    (Inputs("mesh", arbitration="round"), "--arbitration", "did you mean 'round_robin'?"),
    (Inputs("mesh", hot_tile=64), "--hot-tile", "give 0 to 63"),
    (Inputs("mesh", hot_share=1.5), "--hot-share", "give 0 to 1"),
    (Inputs("mesh", cycles=0), "--cycles", "0 is too few"),
])  # fmt: skip
def test_what_is_wrong_is_told(request_: Inputs, where: str, what: str) -> None:
    with pytest.raises(SpecError) as caught:
        settings_of(request_)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert what in str(problem)


def test_all_faults_are_told_at_once_and_classes_need_channels(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SpecError) as caught:
        settings_of(Inputs("mash", "8x", traffic=("no",), vcs=0, load=(2.0,)))
    assert [problem.where for problem in caught.value.problems] == [
        "--size",
        "TOPOLOGY",
        "--traffic",
        "--vcs",
        "--load",
    ]
    monkeypatch.setitem(TOPOLOGIES._found, "ring_of_the_test", lambda plan: ring(len(plan.sites), with_dateline=True))
    assert settings_of(Inputs("ring_of_the_test", "1x6"))["uniform"].wires.topology.class_count == 2
    with pytest.raises(SpecError, match="3 virtual channels cannot be divided among the 2 classes"):
        settings_of(Inputs("ring_of_the_test", "1x6", vcs=3))
