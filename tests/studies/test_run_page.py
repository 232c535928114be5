"""The page of a run: it needs nothing but itself, takes no text for HTML, and works in a browser, from disk."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from archsim.report.inline import inline_svg
from archsim.studies.run.cards import groups
from archsim.studies.run.charts import Chart, energy, shares, stalls, ticks_to, waterfall
from archsim.studies.run.curves import accuracy, dwell, timeline
from archsim.studies.run.extras import Extra
from hypothesis import given
from hypothesis import strategies as st

from archsim.report.drawing import draw
from archsim.report.table import Column, Table
from archsim.results.evaluate import Result, evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run import document as run
from archsim.studies.run import extras, plan_view
from archsim.studies.run.details import page_of
from archsim.studies.run.document import render
from archsim.studies.run.page import Page
from archsim.workload import load_workload

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "</script><script>alert(1)</script>\"'><img src=http://x.invalid/a onerror=alert(1)>../$\\frac$`|"
TEXTS = ("name", "description", "text", "source", "note", "path", "layer", "shard", "command", "hash", "op", "link")
HISTORY = {
    "arch": {"name": "chip", "hash": "a"}, "workload": {"name": "net", "hash": "b"}, "version": "1",
    "command": "archsim train", "ablated": [], "seeds": [0, 1], "accuracy_chip": [[0.5, 0.75], [0.4, 0.7]],
    "accuracy_float": [[0.6, 0.9], [0.62, 0.91]], "loss_chip": [[1.0, 0.5]] * 2, "loss_float": [[0.9, 0.4]] * 2,
    "final": {"accuracy_chip_mean": 0.725, "accuracy_float_mean": 0.905, "difference": -0.18},
}  # fmt: skip


@pytest.fixture(scope="module")
def result() -> Result:
    sets = ("schedule.transfer.interval_examples=20",)
    return evaluate(load_arch("ambrogio_nature_2018", sets), load_workload("mlp_digits"), examples=60, command="again")


@pytest.fixture(scope="module")
def made(result: Result) -> Page:
    return page_of(result, HISTORY)


@pytest.fixture(scope="module")
def files(made: Page) -> dict[str, str]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run, "figures", lambda page: {})  # the page has its own, and these take long
        return render(made)


@pytest.fixture(scope="module")
def html(files: Mapping[str, str]) -> str:
    return files["report.html"]


@pytest.fixture(scope="module")
def evil(made: Page) -> dict[str, str]:
    """The report of a run all whose names and notes are hostile."""
    return render(Page(hostile(made.data), hostile(made.details), hostile(HISTORY)))


def hostile(value: Any, key: str = "") -> Any:
    """Return data with something hostile after each text that a spec or a command can hold."""
    if isinstance(value, Mapping) and key == "gpus":  # their names are archsim's own; those of measured devices are not
        measured = [{**each, "gpu": each["gpu"] + EVIL, "method": each["method"] + EVIL} for each in value["measured"]]
        return {**value, "measured": measured}
    if isinstance(value, Mapping):
        return {name: hostile(own, str(name)) for name, own in value.items()}
    if isinstance(value, list):
        return [hostile(own, "path" if key in ("overrides", "zeros", "ablated") and own else key) for own in value]
    return value + EVIL if isinstance(value, str) and key in TEXTS else value


class Elements(HTMLParser):
    """All elements of a page by name, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def tags(self) -> list[str]:
        return [tag for tag, _ in self.found]


# ---- what is in it


def test_the_page_needs_no_other_file(html: str) -> None:
    for tag, own in Elements(html).found:
        assert tag not in ("link", "iframe", "object", "embed", "base"), tag
        assert "src" not in own, tag
        assert (own.get("href") or "#").startswith("#"), own
    assert not re.search(r"url\((?!#)", html)
    assert "@import" not in html
    assert len(html) < 500_000


def test_every_section_that_is_linked_is_there(html: str) -> None:
    found = Elements(html).found
    ids = [own["id"] for _, own in found if "id" in own]
    assert len(ids) == len(set(ids))
    assert {(own["href"] or "")[1:] for tag, own in found if tag == "a"} <= set(ids)


def test_every_figure_of_the_spec_is_listed_once_with_its_place(made: Page, html: str) -> None:
    listed = [figure["path"] for _, _, own in groups(made) for figure in own]
    assert sorted(listed) == sorted(figure["path"] for figure in made.details["figures"])
    for path in listed:
        assert html.count(f"<code>{path}</code></td>") == 1, path
    by = {status: {figure["path"] for figure in own} for status, _, own in groups(made)}
    assert by["neglected"] == set(made.details["zeros"])
    assert all(figure["path"] in by["fitted"] for figure in made.details["figures"] if figure["status"] == "fitted")


def test_markdown_tells_of_accuracy_and_assumptions_too(made: Page, files: Mapping[str, str]) -> None:
    text = files["report.md"]
    assert "72.50 % on the chip and 90.50 % in floating point" in text
    assert "ATTENTION: it was another spec" in text  # the history's hashes are not this run's
    for figure in made.details["figures"]:
        if figure["status"] in ("assumption", "fitted"):
            assert f"- `{figure['path']}` = " in text


def test_what_is_hostile_in_names_is_text(html: str, evil: Mapping[str, str]) -> None:
    # Origin: the same elements as in the page without them (labels of blocks apart, for which there is no room, and the
    # shapes of letters), and no attribute that runs anything.
    plain, found = Elements(html), Elements(evil["report.html"])
    letters = ("text", "path", "use", "g", "defs")
    assert [tag for tag in found.tags() if tag not in letters] == [tag for tag in plain.tags() if tag not in letters]
    for tag, own in found.found:
        assert not [name for name in own if name.startswith("on") or name == "src"], tag
    assert found.tags().count("script") == 1
    assert EVIL in "".join(own.get("title") or "" for _, own in found.found)
    assert not re.search(r"<(script|img)", re.sub(r"`[^`\n]*`", "", evil["report.md"]))  # but in code, which is text
    for name, text in evil.items():
        assert ".." not in Path(name).parts
        if name.endswith(".svg"):
            assert not ET.fromstring(text).findall(".//{*}script"), name


def test_sections_of_others_are_in_both_reports(made: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = draw(lambda figure: figure.subplots().plot([1, 2]))
    table = Table("others", "Other chips", (Column("name"), Column("time", "s")), (("a < b", 2e-9),), "A note.")
    added = Extra("gpus", "Beside GPUs", ("So it is.",), (table,), {"gpus": drawn}, {"gpus": "Time & energy"})
    monkeypatch.setattr(extras, "EXTRAS", (lambda page: added, lambda page: None))
    monkeypatch.setattr(run, "figures", lambda page: {})
    files = render(made)
    for part in ('<section id="gpus" class="extra">', "<h2>Beside GPUs</h2>", "a &lt; b", "2 ns", "Time &amp; energy"):
        assert part in files["report.html"], part
    for part in ("## Beside GPUs", "So it is.", "| a < b | 2 ns |", "(figures/gpus.svg)", "A note."):
        assert part in files["report.md"], part
    assert files["tables/others.csv"] == "name,time [s]\na < b,2e-09\n"
    assert files["figures/gpus.svg"] == drawn


def test_drawings_of_one_page_share_no_ids_and_no_styles() -> None:
    svg = draw(lambda figure: figure.subplots().plot([1, 2]))
    first, second = (inline_svg(svg, prefix, "a <b>") for prefix in ("one", "two"))
    ids = [{element.get("id") for element in ET.fromstring(text).iter()} - {None} for text in (first, second)]
    assert ids[0]
    assert not ids[0] & ids[1]
    for text, own in ((first, ids[0]), (second, ids[1])):
        assert set(re.findall(r'(?:url\(|href=")#([^")]+)', text)) <= own
        assert not re.search(r"<(\w+:)?(style|metadata|script)|<!--", text)


# ---- charts: what bars say is what the data say


def test_the_waterfall_ends_where_the_run_does(made: Page) -> None:
    *steps, total = waterfall(made).bars
    at = 0.0
    for bar, value in zip(steps, made.data["time_per_example_parts_s"].values(), strict=True):
        for part in bar.parts:
            begin, end = (part.start, part.start + part.width) if value >= 0 else (part.start + part.width, part.start)
            assert begin == pytest.approx(at)
            at = end
    (whole,) = total.parts
    assert (whole.start, whole.width) == (0, pytest.approx(at))


@pytest.mark.parametrize("build", [energy, stalls])
def test_stacked_bars_are_as_long_as_their_values(build: Callable[[Page], Chart], made: Page) -> None:
    cycles = made.data["run"]["cycles"]
    totals = {
        energy: [value for value in made.data["energy_j"]["by_component"].values() if value],
        stalls: [sum(tile["cycles"].values()) for tile in made.details["tiles"]],
    }[build]
    most = max(totals) if build is energy else cycles
    lengths = [sum(part.width for part in bar.parts) for bar in build(made).bars]
    assert lengths == pytest.approx([100 * value / most for value in totals])
    for bar in build(made).bars:
        ends = [part.start + part.width for part in bar.parts]
        assert [part.start for part in bar.parts[1:]] == pytest.approx(ends[:-1])


@given(st.dictionaries(st.text(max_size=4), st.floats(0, 1e6), max_size=6))
def test_bars_of_shares_are_in_proportion(parts: dict[str, float]) -> None:
    bars = shares("x", "X", "", parts, "J", lambda *_: "#000000").bars
    shown = [value for value in parts.values() if value]
    assert [bar.parts[0].width for bar in bars] == pytest.approx([100 * value / max(shown) for value in shown])


@given(st.floats(1e-12, 1e12), st.integers(3, 6))
def test_ticks_are_round_and_within_the_axis(end: float, count: int) -> None:
    ticks = ticks_to(end, repr, count)
    assert ticks[0][0] == 0
    assert 2 <= len(ticks) <= count + 1
    assert all(at <= 100 * (1 + 1e-9) for at, _ in ticks)
    first = float(ticks[1][1])
    assert f"{first:e}"[0] in "125"


def test_the_timeline_shows_the_critical_path_without_gaps(made: Page) -> None:
    shown = timeline(made)
    path = [span for span in shown.spans if span.lane == 0]
    assert sum(span.length for span in path) == shown.cycles
    assert [span.begin for span in path[1:]] == [span.begin + span.length for span in path[:-1]]
    assert all(0 <= span.begin < span.begin + span.length <= shown.cycles for span in shown.spans)


def test_the_histogram_of_dwell_times_holds_all_updates(made: Page) -> None:
    shown = dwell(made)
    assert shown is not None
    counts = [int(re.findall(r": ([\d,]+) updates", box.tip)[0].replace(",", "")) for box in shown.boxes]
    assert sum(counts) == made.data["dwell"]["cell_updates_read"]
    areas = [box.width * box.height for box in shown.boxes]
    assert areas == pytest.approx([count * sum(areas) / sum(counts) for count in counts], rel=0.05, abs=1)


def test_accuracy_is_drawn_where_it_is(made: Page) -> None:
    shown = accuracy(HISTORY)
    assert shown is not None
    labels = {text: at for at, text in shown.y_ticks}
    top, bottom = (float(text.removesuffix(" %")) for text in (shown.y_ticks[0][1], shown.y_ticks[-1][1]))
    assert labels[f"{top:g} %"] == 0
    for box in shown.dots:
        value = float(re.findall(r"([\d.]+) %", box.tip)[0])
        assert top - box.y / 100 * (top - bottom) == pytest.approx(value, abs=0.02)
    assert accuracy({**HISTORY, "accuracy_chip": [[]], "accuracy_float": [[]]}) is None


def test_r2_is_drawn_where_examples_have_values(made: Page) -> None:
    shown = accuracy({**HISTORY, "r2_chip": [[-2.5, 0.25], [None, 0.5]], "r2_float": [[0.6, 0.9], [0.62, 0.91]]})
    assert shown is not None
    top, bottom = (float(text) for text in (shown.y_ticks[0][1], shown.y_ticks[-1][1]))
    assert shown.title == "R2 on the test set"
    assert (bottom <= -2.5, top >= 0.91, len(shown.dots)) == (True, True, 7)
    for box in shown.dots:
        value = float(re.findall(r": (-?[\d.]+)$", box.tip)[0])
        assert top - box.y / 100 * (top - bottom) == pytest.approx(value, abs=1e-3)


def test_a_large_floorplan_is_drawn_with_fewer_tooltips(made: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    few = plan_view.plan_view(made)
    assert len(few.boxes) == len(made.details["floorplan"]["blocks"])
    assert len(few.wires) == len(made.details["floorplan"]["wires"])
    monkeypatch.setattr(plan_view, "MOST_BLOCKS", 4)
    monkeypatch.setattr(plan_view, "MOST_WIRES", 3)
    many = plan_view.plan_view(made)
    assert len(many.wires) == 3
    blocks = [int(re.findall(r"(\d+) blocks?", box.tip)[0]) for box in many.boxes]
    assert sum(blocks) == len(few.boxes)
    assert sum(path.d.count("M") for path in many.crowd) == len(few.boxes)
    assert {path.tone for path in many.crowd} == {box.tone for box in few.boxes}


# ---- in a browser

DRIVER = Path(__file__).with_name("report_driver.html").read_text("utf-8")


class Seen(NamedTuple):
    """What a browser made of some pages: what the driver measured of each, and what the console says of all."""

    found: list[dict[str, Any]]
    console: list[str]


def browse(folder: Path, *pages: str) -> Seen:
    """Open pages from disk in a frame of 390 pixels, one after another, and drive them with events."""
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here")
    driver = folder / "driver.html"
    driver.write_text(DRIVER.replace("PAGES", json.dumps(pages).replace("</", "<\\/"), 1), "utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
        "--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000",
        "--virtual-time-budget=4000", "--dump-dom", driver.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, encoding="utf-8")
    dumped = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.DOTALL)
    assert dumped, done.stderr
    plain = ET.fromstring(f"<pre>{dumped[1]}</pre>").text or ""
    return Seen(json.loads(plain), [line for line in done.stderr.splitlines() if "CONSOLE" in line])


@pytest.fixture(scope="module")
def browsed(html: str, evil: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return browse(tmp_path_factory.mktemp("browser"), html, evil["report.html"])


@pytest.fixture(scope="module")
def found(browsed: Seen) -> dict[str, Any]:
    """What was measured of the page whose names are not hostile."""
    return browsed.found[0]


def test_a_browser_finds_no_fault_and_asks_for_nothing(browsed: Seen) -> None:
    assert browsed.console == []
    for found in browsed.found:
        assert "error" not in found
        assert found["requests"] == []


def test_the_page_fits_a_phone_and_a_screen(browsed: Seen) -> None:
    for found in browsed.found:
        narrow, wide = found["narrow"], found["wide"]
        assert (narrow["inner"], wide["inner"]) == (390, 1280)
        assert max(narrow["scroll"], narrow["opened"], narrow["body"]) <= 390
        assert wide["scroll"] <= 1280


def test_tooltips_show_on_hover_tap_and_focus(found: Mapping[str, Any], made: Page) -> None:
    assert found["titles"] == 0
    assert found["hover"]["text"].startswith("tile0, layer fc1; ")
    assert found["tap"]["text"].startswith("link ")
    assert found["left"]["text"] is found["escape"]["text"] is None
    first, second = (bar.parts[0].tip for bar in waterfall(made).bars[:2])
    assert (found["focus"]["text"], found["next"]["text"]) == (first, second)
    assert found["stretch"]["text"].startswith("critical path: ")
    assert all(found[name]["inside"] for name in ("hover", "tap", "focus", "next", "stretch"))


def test_the_timeline_zooms_and_pans(found: Mapping[str, Any], made: Page) -> None:
    cycles = made.details["step"]["cycles"]
    assert found["all"] == found["back"] == [0, 0, cycles, len(made.details["step"]["lanes"]) + 2]
    assert found["button"][:3] == pytest.approx([cycles / 4, 0, cycles / 2])
    assert found["key"][:3] == pytest.approx([3 * cycles / 8, 0, cycles / 4])
    assert found["right"][:3] == pytest.approx([7 * cycles / 16, 0, cycles / 4])
    assert found["wheel"][2] == pytest.approx(cycles / 5)
    assert found["drag"][0] < found["wheel"][0]
    assert len(found["ticks"]) >= 2
    begin, end = made.details["step"]["path"][0]["cycles"]  # the first stretch, which was out of sight
    assert found["drag"][0] > end
    assert found["kept"][0] < end
    assert found["kept"][0] + found["kept"][2] > begin


def test_figures_of_the_spec_are_found_by_a_word(found: Mapping[str, Any]) -> None:
    assert found["found"] == ["tile.device.read_energy"]


def test_the_browser_would_tell_and_the_policy_holds(html: str, tmp_path: Path) -> None:
    # The check of the check: what the page must not do is seen when it does it, and is not done.
    wrong = '<script>window.alerts = 1</script><img src="http://x.invalid/a.png" alt="">'
    seen = browse(tmp_path, html.replace("</main>", wrong + "</main>"))
    assert len(seen.console) >= 2
    assert all("Content Security Policy" in line for line in seen.console[:2])
    assert seen.found[0]["alerts"] == 0
