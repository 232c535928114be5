"""The list of reports: all of them, of every study; the same bytes again; texts stay texts; links lead below."""

from __future__ import annotations

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from archsim.base.errors import SpecError
from archsim.cli import main
from archsim.report.html import policy
from archsim.studies.index import UNKNOWN, listed, plain, write_index

CHIP, WORK = "ambrogio_nature_2018", "mlp_digits"
HOSTILE = "<img src=x onerror=alert(1)>"
PLUGIN = Path(__file__).parents[1] / "plugin_lives.py"


class Tags(HTMLParser):
    """What a page consists of: tags with their attributes, and the text of each table's cells."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def command(*words: str) -> int:
    with pytest.raises(SystemExit) as leave:
        main(words)
    return int(leave.value.code or 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with reports: two runs, a drawing, a plug-in's study, one that is cut off, one of nobody's."""
    root = tmp_path_factory.mktemp("reports")
    assert command("run", CHIP, WORK, "--examples", "5", "--quiet", "--out", str(root / "b")) == 0
    assert command("run", CHIP, WORK, "--examples", "5", "--quiet", "--out", str(root / "deep" / "a")) == 0
    assert command("floorplan", "draw", CHIP, "--quiet", "--out", str(root / "plan")) == 0
    assert command("--plugin", str(PLUGIN), "lives", CHIP, WORK, "--quiet", "--out", str(root / "lives")) == 0
    shutil.copytree(root / "b", root / "cut")
    cut = root / "cut" / "metrics.json"
    cut.write_text(cut.read_text("utf-8")[:300], "utf-8")
    (root / "later").mkdir()
    (root / "later" / "x.json").write_text('{"schema": "archsim-later-1"}', "utf-8")
    (root / "later" / "x.html").write_text("<title>x</title>", "utf-8")
    (root / "not_a_report").mkdir()
    (root / "not_a_report" / "a.html").write_text("", "utf-8")
    (root / ".hidden").mkdir()
    shutil.copytree(root / "b", root / ".hidden" / "b")
    return root


@pytest.fixture
def reports(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "reports"))


def test_all_reports_are_listed_by_study(reports: Path) -> None:
    found = {group.name: [own.folder for own in group.reports] for group in listed(reports)}
    assert found == {"run": ["b", "cut", "deep/a"], "floorplan draw": ["plan"], UNKNOWN: ["later", "lives"]}


def test_what_a_report_was_made_from_is_no_report_of_its_own(reports: Path) -> None:
    assert (
        command("report", str(reports / "b"), str(reports / "deep" / "a"), "--out", str(reports / "both"), "--quiet")
        == 0
    )
    assert list((reports / "both" / "inputs").rglob("metrics.json"))
    found = [own.folder for group in listed(reports) for own in group.reports]
    assert sorted(found) == ["b", "both", "cut", "deep/a", "later", "lives", "plan"]


def test_those_of_a_plug_in_are_listed_where_it_is_named(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("--plugin", str(PLUGIN), "report", "--index", str(reports), "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["study"], row["folder"]) for row in rows if row["folder"] == "lives"] == [("lives", "lives")]
    (own,) = [row for row in rows if row["folder"] == "lives"]
    assert not own["wrong"]


def test_headline_figures_are_those_of_the_report(reports: Path) -> None:
    (run, *_), *_ = (group.reports for group in listed(reports))
    assert [label for label, _ in run.figures][:2] == ["time per example", "throughput"]
    page = (reports / "b" / "report.html").read_text("utf-8")
    for _, value in run.figures:
        assert value.replace(" ", "\u00a0") in page or value in page
    assert run.title == f"{CHIP} x {WORK}"
    assert run.picture is not None


def test_what_cannot_be_read_is_said_and_hides_nothing(reports: Path) -> None:
    (first, cut, last) = listed(reports)[0].reports
    assert cut.wrong
    assert not first.wrong
    assert not last.wrong
    assert "cannot be read" in write_index(reports)[0].read_text("utf-8")


def test_the_list_is_the_same_bytes_again(reports: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("report", "--index", str(reports)) == 0
    told = capsys.readouterr().out
    assert told == (f"index   {reports}/index.html  run: 3 reports, floorplan draw: 1 report, "
                    f"{UNKNOWN}: 2 reports\n")  # fmt: skip
    page = (reports / "index.html").read_bytes()
    assert command("report", "--index", str(reports), "--quiet") == 0
    assert (reports / "index.html").read_bytes() == page
    assert str(reports).encode() not in page  # it can be moved with the reports


def test_the_page_asks_for_nothing_and_links_to_what_is_there(reports: Path) -> None:
    page, groups = write_index(reports)
    tags = Tags(page.read_text("utf-8"))
    assert not [attrs for tag, attrs in tags.tags if {"src", "srcset", "data", "action"} & set(attrs)]
    assert not tags.all("link") + tags.all("img") + tags.all("iframe") + tags.all("object")
    (csp,) = [own["content"] for own in tags.all("meta") if own.get("http-equiv") == "Content-Security-Policy"]
    assert csp is not None
    assert csp.startswith("default-src 'none'; script-src 'sha256-")
    assert csp.partition("'unsafe-inline'")[2] == policy("").partition("'unsafe-inline'")[2]
    links = [str(own["href"]) for own in tags.all("a")]
    inside = [unquote(link).removeprefix("./") for link in links if link.startswith("./")]
    assert sorted(inside) == sorted(own["page"] for own in plain(groups) if own["page"])
    assert all((reports / path).is_file() for path in inside)
    assert all(link.startswith(("./", "#")) for link in links)
    anchors = {own.get("id") for own in tags.all("details")}
    assert {link[1:] for link in links if link.startswith("#")} == anchors


def test_it_can_be_used_by_keyboard_and_read_aloud(reports: Path) -> None:
    """Headings, captions and headers of tables, names of pictures, a label and a spoken count for the search."""
    tags = Tags(write_index(reports)[0].read_text("utf-8"))
    assert len(tags.all("h1")) == 1
    assert len(tags.all("h2")) == len(tags.all("caption")) == len(tags.all("table")) == 3
    assert all(own.get("scope") in ("col", "row") for own in tags.all("th"))
    assert all(own.get("aria-label") for own in tags.all("svg"))
    assert all(own.get("role") == "region" and own.get("tabindex") == "0"
               for own in tags.all("div") if own.get("class") == "wide")  # fmt: skip
    assert [own.get("role") for own in tags.all("span") if own.get("id") == "found"] == ["status"]
    assert tags.all("html") == [{"lang": "en"}]


def test_hostile_names_are_texts(reports: Path) -> None:
    """Of folders, and of what a report says; a link is one below the list, whatever a folder is called."""
    names = ["javascript:alert(1)", HOSTILE, 'a"b', "c#d?e%20f", "\u202eevil"]
    for name in names:
        shutil.copytree(reports / "b", reports / name)
    data = reports / "b" / "metrics.json"
    data.write_text(data.read_text("utf-8").replace(f'"{CHIP}"', f'"{HOSTILE}"', 1), "utf-8")
    page, groups = write_index(reports)
    text = page.read_text("utf-8")
    tags = Tags(text)
    assert {name for name, _ in tags.tags} <= {
        "html", "head", "meta", "title", "style", "body", "header", "h1", "p", "nav", "a", "main", "label", "input",
        "span", "details", "summary", "h2", "div", "table", "caption", "thead", "tbody", "tr", "th", "td", "small",
        "svg", "rect", "text", "path", "line", "circle", "g", "polyline", "b", "strong", "footer", "code", "script",
        "wbr", "linearGradient", "lineargradient", "stop", "defs", "tspan", "pattern", "clippath",
    }  # fmt: skip
    assert len(tags.all("script")) == 2
    assert "\u202e" not in text
    assert any(HOSTILE in own.title for group in groups for own in group.reports)
    assert {unquote(str(own["href"]))[2:].rpartition("/")[0] for own in tags.all("a")} >= set(names)


@pytest.mark.parametrize("there", ["another's", "a folder", "a link"])
def test_an_index_of_another_is_kept(reports: Path, there: str, capsys: pytest.CaptureFixture[str]) -> None:
    page = reports / "index.html"
    if there == "another's":
        page.write_text("<title>mine</title>", "utf-8")
    elif there == "a folder":
        page.mkdir()
    else:
        page.symlink_to(reports / "b" / "report.html")
    assert command("report", "--index", str(reports)) == 2
    assert "index.html: is there already and not archsim's" in capsys.readouterr().err
    assert there != "another's" or page.read_text("utf-8") == "<title>mine</title>"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none",), "none: no such folder"),
        (("file",), "file: is not a folder"),
        (("empty",), "empty: holds no report; make one, for example: archsim run"),
        ((), "reports: no such folder"),
        (("empty", "none"), "--index: is of one folder, not of 2"),
        (("empty", "--figures", "pdf"), "--index: is a list in the folder itself"),
    ],
)
def test_what_cannot_be_listed_is_told(
    words: tuple[str, ...], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("", "utf-8")
    assert command("report", "--index", *words) == 2
    assert told in capsys.readouterr().err


def test_a_folder_that_is_one_report_is_a_list_of_it(reports: Path) -> None:
    (group,) = listed(reports / "b")
    assert [own.path for own in group.reports] == ["report.html"]
    with pytest.raises(SpecError):
        listed(reports / "none")
