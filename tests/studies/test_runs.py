"""Runs side by side: the figures of their reports in one place, ratios to the first, and what differs in the specs."""

from __future__ import annotations

import copy
import csv
import html
import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from math import fsum
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.report.figure import Bars, Plot
from archsim.report.folder import write_folder
from archsim.report.terminal import lines
from archsim.results.evaluate import evaluate
from archsim.studies.run.details import details
from archsim.studies.run.plan import plan_from_options
from archsim.studies.run.study import details_json, metrics_json
from archsim.studies.runs.document import HEADLINE
from archsim.studies.runs.study import STUDY, Inputs
from archsim.studies.views import diff_lines
from tests.helpers import PACKET, REFERENCE
from tests.report.samples import html_in

document = STUDY.report
WORK = "mlp_digits"
RUNS = {
    "first": (REFERENCE, ["schedule.transfer.interval_examples=20"]),
    "packets": (PACKET, ["schedule.transfer.interval_examples=20"]),
    "small": (REFERENCE, ["tile.rows=64", "tile.cols=64"]),
}


def side_by_side(folders: Sequence[Path], out: Path) -> Path:
    return STUDY.perform(Inputs(tuple(folders)), out)[2]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return the folders of three short runs, by name; they hold the data of the reports, and no drawings."""
    root = tmp_path_factory.mktemp("runs")
    found = {}
    for name, (arch, sets) in RUNS.items():
        plan = plan_from_options(arch, WORK, sets=sets, examples=60)
        own = evaluate(plan.arch, plan.workload, examples=plan.count, command=plan.command)
        texts = {"metrics.json": metrics_json(own.data), "details.json": details_json(details(own)), **plan.files()}
        found[name] = write_folder(root / name, texts, ())
    return found


@pytest.fixture(scope="module")
def made(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    return data_of(side_by_side(list(folders.values()), tmp_path_factory.mktemp("side") / "out"))


def data_of(out: Path) -> tuple[dict[str, Any], Path]:
    """Return what runs.json holds, and its folder."""
    found: dict[str, Any] = json.loads((out / "runs.json").read_text("utf-8"))
    return found, out


def rows_of(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def metrics_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text("utf-8"))
    return found


def test_every_figure_is_that_of_its_run(made: tuple[dict[str, Any], Path], folders: dict[str, Path]) -> None:
    data, out = made
    assert [run["name"] for run in data["runs"]] == list(folders)
    heads, *rows = rows_of(out / "tables" / "metrics.csv")
    assert heads == ["metric", "unit", *folders]
    for place, folder in enumerate(folders.values()):
        own = metrics_of(folder)["metrics"]
        assert {row[0]: row[2 + place] for row in rows} == {k: "" if v is None else str(v) for k, v in own.items()}


def test_parts_add_up_to_what_they_are_parts_of(made: tuple[dict[str, Any], Path]) -> None:
    for run in made[0]["runs"]:
        metrics = run["metrics"]
        assert fsum(run["time_per_example_parts_s"].values()) == pytest.approx(metrics["time_per_example_s"])
        for by in ("component", "phase"):
            assert fsum(run["energy_per_example_j"][by].values()) == pytest.approx(metrics["energy_per_example_j"])
        assert fsum(run["area_m2"].values()) == pytest.approx(metrics["area_m2"])
        assert fsum(run["stalls_shares"].values()) == pytest.approx(1)


def test_ratios_are_to_the_first_run(made: tuple[dict[str, Any], Path]) -> None:
    data, _ = made
    shown = document(data).tables()["headline"]
    runs = data["runs"]
    for name, row in zip(HEADLINE, shown.rows, strict=True):
        base = runs[0]["metrics"][name]
        assert "(x" not in row[1]
        for run, text in zip(runs[1:], row[2:], strict=True):
            found = re.search(r"\(x ([\d.e+-]+)\)", text)
            value = run["metrics"][name]
            assert (found is None) == (not base or value is None)
            if found is not None:
                assert float(found[1]) == pytest.approx(value / base, rel=1e-3)
    for run, row in zip(runs, document(data).tables()["overview"].rows, strict=True):
        for key, value, ratio in (("time_per_example_s", *row[3:5]), ("energy_per_example_j", *row[5:7])):
            assert value == run["metrics"][key]
            assert ratio == pytest.approx(value / runs[0]["metrics"][key])


WHOLES = {
    "time": lambda run: run["metrics"]["time_per_example_s"],
    "energy": lambda run: run["metrics"]["energy_per_example_j"],
    "area": lambda run: run["metrics"]["area_m2"],
    "stalls": lambda run: 1.0,
}


@pytest.mark.parametrize("name", WHOLES)
def test_bars_are_as_long_as_what_they_show(name: str, made: tuple[dict[str, Any], Path]) -> None:
    drawn = document(made[0]).figures()[name]
    assert isinstance(drawn, Bars)
    assert [bar.label for bar in drawn.bars] == [run["name"] for run in made[0]["runs"]]
    for bar, run in zip(drawn.bars, made[0]["runs"], strict=True):
        assert fsum(piece.length for piece in bar.pieces) == pytest.approx(WHOLES[name](run))
        ends = [piece.start + piece.length for piece in bar.pieces]
        assert [piece.start for piece in bar.pieces] == pytest.approx([0.0, *ends[:-1]])
        assert all(piece.tip.startswith(f"{run['name']}, ") for piece in bar.pieces)
    assert {piece.tone for bar in drawn.bars for piece in bar.pieces} <= {tone for _, tone in drawn.legend}
    assert len({tone for _, tone in drawn.legend}) == len(drawn.legend)
    assert drawn.zero is None


def test_a_part_that_saves_time_lies_left_of_zero(made: tuple[dict[str, Any], Path]) -> None:
    data = copy.deepcopy(made[0])
    data["runs"][1]["time_per_example_parts_s"] = {
        "interval": 4e-7, "dependencies": -1e-7, "contention": 3e-7, "maintenance": 0.0,
    }  # fmt: skip
    drawn = document(data).figures()["time"]
    assert isinstance(drawn, Bars)
    assert [(piece.start, piece.length) for piece in drawn.bars[1].pieces] == [
        (0.0, 4e-7), (-1e-7, 1e-7), (4e-7, pytest.approx(3e-7)),
    ]  # fmt: skip
    assert drawn.bars[1].text == "600 ns"
    assert (drawn.zero, drawn.axis.low) == (0.0, -1e-7)


def test_loads_of_links_fall_from_the_busiest(made: tuple[dict[str, Any], Path]) -> None:
    data = made[0]
    drawn = document(data).figures()["links"]
    assert isinstance(drawn, Plot)
    for series, run in zip(drawn.series, data["runs"], strict=True):
        ranked = sorted((link["utilisation"] for link in run["links"]), reverse=True)
        assert [(dot.x, dot.y) for dot in series.dots] == list(enumerate(ranked, 1))
    none = {**data, "runs": [{**run, "links": []} for run in data["runs"]]}
    assert "links" not in document(none).figures()


def test_many_links_are_drawn_in_part_and_all_are_in_the_file(made: tuple[dict[str, Any], Path]) -> None:
    data = copy.deepcopy(made[0])
    for run in data["runs"]:
        run["links"] = [{"name": f"l{i}", "utilisation": 1 / (i + 1), "wait_cycles_per_example": 1.0}
                        for i in range(1000)]  # fmt: skip
    shown = document(data)
    drawn, table = shown.figures()["links"], shown.tables()["links"]
    assert isinstance(drawn, Plot)
    assert drawn.x.log
    assert (len(table.rows), len(table.read)) == (1000, 24)
    assert table.note.endswith("The first 24 of 1,000 parts; tables/links.csv has all.")
    for series in drawn.series:
        assert len(series.dots) <= 200
        assert (series.dots[0].x, series.dots[-1].x) == (1, 1000)
        assert all(dot.y == pytest.approx(1 / dot.x) for dot in series.dots)


def test_the_terminal_names_the_runs_and_what_failed(made: tuple[dict[str, Any], Path]) -> None:
    data = copy.deepcopy(made[0])
    told = "\n".join(lines(document(data)))
    for text in (*RUNS, REFERENCE, PACKET, "time per example lower bound", f"{len(data['differences'])} figures of"):
        assert text in told, text
    data["runs"][1]["audits_failed"] = ["books"]
    assert lines(document(data))[2] == "  Audits of packets FAILED: books."
    data["runs"][2]["workload"]["hash"] = "another"
    assert "does not compare like with like" in "\n".join(lines(document(data)))
    data["runs"] *= 2  # more than fit beside each other: the overview alone
    told = "\n".join(lines(document(data)))
    assert told.count("packets") >= 2
    assert "lower bound" not in told


def test_what_differs_is_what_diff_says(made: tuple[dict[str, Any], Path], folders: dict[str, Path]) -> None:
    a, b = (str(folders[name] / "inputs" / "arch.yaml") for name in ("first", "packets"))
    pair, _ = data_of(side_by_side([folders["first"], folders["packets"]], folders["first"].parent / "pair"))
    told = [line.split()[0] for line in diff_lines(a, b)]
    assert [row["figure"] for row in pair["differences"]] == told
    texts = {row["figure"]: row["texts"] for row in made[0]["differences"]}
    assert texts["routing.transport"] == ["circuit", "packet", "circuit"]
    assert texts["tile.rows"] == ["512", "512", "64"]
    assert texts["schedule.transfer.interval_examples"][:2] == ["20", "20"]


def test_links_have_the_loads_of_the_reports(made: tuple[dict[str, Any], Path], folders: dict[str, Path]) -> None:
    heads, *rows = rows_of(made[1] / "tables" / "links.csv")
    loads = {row[0]: row[1:] for row in rows}
    for place, folder in enumerate(folders.values()):
        for link in metrics_of(folder)["links"]:
            if link["utilisation"]:
                assert float(loads[link["name"]][place]) == link["utilisation"]
    most = [max(float(value or 0) for value in row[1:]) for row in rows]
    assert most == sorted(most, reverse=True)
    assert heads[1:] == list(folders)
    *waits, total = rows_of(made[1] / "tables" / "links_wait.csv")[1:]
    for place, folder in enumerate(folders.values()):
        found = sum(link["wait_cycles"] for link in metrics_of(folder)["links"])
        assert 60 * float(total[1 + place]) == pytest.approx(found)
        assert 60 * fsum(float(row[1 + place] or 0) for row in waits) == pytest.approx(found)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_same_runs_give_the_same_bytes(
    made: tuple[dict[str, Any], Path], folders: dict[str, Path], tmp_path: Path
) -> None:
    again = side_by_side(list(folders.values()), tmp_path / "again")
    assert contents(again) == contents(made[1])
    for name, data in contents(again).items():
        assert not re.search(rb"20\d\d-\d\d-\d\d", data), name


def test_the_page_needs_nothing_else_and_links_exist(made: tuple[dict[str, Any], Path]) -> None:
    out = made[1]
    page = (out / "runs.html").read_text("utf-8")
    assert not re.search(r"\b(src|href)=['\"](?!#)", page)
    assert "default-src 'none'; script-src " in html.unescape(page)
    assert len(page) < 500_000
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(ids)
    text = (out / "runs.md").read_text("utf-8")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) == 5
    assert all(ET.fromstring((out / link).read_text("utf-8")).tag.endswith("svg") for link in links)


def test_names_of_folders_are_text_and_told_apart(folders: dict[str, Path], tmp_path: Path) -> None:
    places = [tmp_path / place / "<script>alert(1)<$\\frac$" for place in ("a", "b")]
    for place in places:
        shutil.copytree(folders["small"], place)
    data, out = data_of(side_by_side(places, tmp_path / "out"))
    assert [run["name"] for run in data["runs"]] == list(map(str, places))
    assert data["differences"] == []
    page = (out / "runs.html").read_text("utf-8")
    assert page.count("<script") == 1  # the page's own
    assert "&lt;script&gt;alert(1)&lt;" in page
    text = (out / "runs.md").read_text("utf-8")
    assert not html_in(text)
    for path in (out / "figures").glob("*.svg"):
        assert not ET.fromstring(path.read_text("utf-8")).findall(".//{*}script")


# ---- what can be wrong


def broken(tmp_path: Path, good: Path, how: str) -> Path:
    """Return a copy of a run's folder with something wrong."""
    folder = tmp_path / how.replace(" ", "_")
    shutil.copytree(good, folder)
    path = folder / "metrics.json"
    match how:
        case "no metrics":
            path.unlink()
        case "newer":
            path.write_text(path.read_text("utf-8").replace("archsim-metrics-1", "archsim-metrics-9", 1), "utf-8")
        case "truncated":
            path.write_text(path.read_text("utf-8")[:-200], "utf-8")
        case "training":
            path.unlink()
            (folder / "history.json").write_text("{}", "utf-8")
        case "no run.yaml":
            (folder / "run.yaml").unlink()
        case "edited":
            arch = folder / "inputs" / "arch.yaml"
            arch.write_text(arch.read_text("utf-8").replace("placement: in_order", "placement: annealed"), "utf-8")
    return folder


FAULTS = {
    "no metrics": ["metrics.json", "is not there"],
    "newer": ["archsim-metrics-9", "newer than this archsim"],
    "truncated": ["metrics.json", "is no JSON"],
    "training": ["report of `archsim train`"],
    "no run.yaml": ["run.yaml", "is not there"],
    "edited": ["arch_hash"],
}


@pytest.mark.parametrize("how", FAULTS)
def test_what_is_wrong_with_a_folder_is_said(how: str, folders: dict[str, Path], tmp_path: Path) -> None:
    bad = broken(tmp_path, folders["first"], how)
    with pytest.raises(SpecError) as wrong:
        side_by_side([folders["first"], bad], tmp_path / "out")
    assert all(text in str(wrong.value) for text in FAULTS[how])
    assert not (tmp_path / "out").exists()


def test_all_faults_are_told_at_once(folders: dict[str, Path], tmp_path: Path) -> None:
    bad = [broken(tmp_path, folders["first"], how) for how in ("newer", "truncated")]
    with pytest.raises(SpecError) as wrong:
        side_by_side([*bad, tmp_path / "nowhere"], tmp_path / "out")
    for text in ("archsim-metrics-9", "is no JSON", "nowhere", "is not a folder"):
        assert text in str(wrong.value)


def test_a_folder_given_twice_is_refused_by_any_name(folders: dict[str, Path], tmp_path: Path) -> None:
    first = folders["first"]
    with pytest.raises(SpecError, match="given twice"):
        side_by_side([first, first.parent / "small" / ".." / "first"], tmp_path / "out")


def test_the_report_of_a_run_is_not_overwritten(folders: dict[str, Path]) -> None:
    before = contents(folders["small"])
    with pytest.raises(SpecError, match="holds the report of a run"):
        side_by_side([folders["first"], folders["packets"]], folders["small"])
    assert contents(folders["small"]) == before


# ---- the command


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(words: Sequence[str]) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as leave:
            main(["report", *words])
        printed = capsys.readouterr()
        return int(leave.value.code or 0), printed.out, printed.err

    return run


def test_the_command_writes_into_a_folder_named_after_the_runs(
    command: Any, folders: dict[str, Path], tmp_path: Path
) -> None:
    both = [str(folders["first"]), str(folders["packets"])]
    status, printed, error = command(both)
    assert (status, error) == (0, "")
    assert (tmp_path / "reports" / "first--vs--packets" / "runs.html").is_file()
    assert "reports/first--vs--packets/runs.html" in printed
    assert "time per example" in printed
    status, printed, _ = command([*both, "--json", "--out", "here"])
    assert status == 0
    assert json.loads(printed) == json.loads((tmp_path / "here" / "runs.json").read_text("utf-8"))


def test_one_run_has_no_other_place(command: Any, folders: dict[str, Path]) -> None:
    status, _, error = command([str(folders["first"]), "--out", "here"])
    assert status == 2
    assert "--out" in error
