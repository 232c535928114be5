"""The report of a run: its document says what the data say, its page needs nothing but itself and works from disk."""

from __future__ import annotations

import itertools
import json
import math
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from archsim.report import floorplan
from archsim.report.document import Block, Document, Fold
from archsim.report.figure import Bars, Lanes, Plan, Plot
from archsim.report.files import files_of
from archsim.report.html import page
from archsim.report.table import Table
from archsim.report.terminal import lines
from archsim.results.evaluate import Result, evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run import figures
from archsim.studies.run.details import details, page_of
from archsim.studies.run.document import cards, document, groups
from archsim.studies.run.figures import plan
from archsim.studies.run.headline import HEADLINE
from archsim.studies.run.page import Details, Page, Run
from archsim.studies.run.saved import page_from
from archsim.studies.train.figures import learning
from archsim.studies.train.history import History
from archsim.workload import load_workload
from tests.report.samples import html_in
from tests.studies import test_train_document as training

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
EVIL = "</script><script>alert(1)</script>\"'><img src=http://x.invalid/a onerror=alert(1)>../$\\frac$`|"
TEXTS = ("name", "description", "text", "source", "note", "path", "layer", "shard", "command", "hash", "op", "link")
HISTORY: dict[str, Any] = {
    **training.HISTORY, "arch": {"name": "chip", "hash": "a"}, "workload": {"name": "net", "hash": "b"},
    "command": "archsim train", "seeds": [0, 1], "accuracy_chip": [[0.5, 0.75], [0.4, 0.7]],
    "accuracy_float": [[0.6, 0.9], [0.62, 0.91]], "loss_chip": [[1.0, 0.5]] * 2, "loss_float": [[0.9, 0.4]] * 2,
    "final": {"accuracy_chip_mean": 0.725, "accuracy_float_mean": 0.905, "difference": -0.18},
}  # fmt: skip


@pytest.fixture(scope="module")
def result() -> Result:
    sets = ("schedule.transfer.interval_examples=20",)
    return evaluate(load_arch("ambrogio_nature_2018", sets), load_workload("mlp_digits"), examples=60, command="again")


class Made(NamedTuple):
    """A run: what its files hold, and its page."""

    data: Mapping[str, Any]
    details: Mapping[str, Any]
    page: Page

    @property
    def metrics(self) -> Mapping[str, Any]:
        return dict(self.data["metrics"])


def page_with(data: Any, more: Any, history: Mapping[str, Any] = HISTORY) -> Page:
    return page_from(Run.model_validate(data), Details.model_validate(more), History.model_validate(history))


@pytest.fixture(scope="module")
def made(result: Result) -> Made:
    return Made(result.data, details(result), page_of(result, History.model_validate(HISTORY)))


@pytest.fixture(scope="module")
def shown(made: Made) -> Document:
    return document(made.page)


@pytest.fixture(scope="module")
def html(shown: Document) -> str:
    return page(shown)


@pytest.fixture(scope="module")
def evil(made: Made) -> dict[str, str]:
    """The report of a run all whose names and notes are hostile."""
    return files_of(document(page_with(hostile(made.data), hostile(made.details), hostile(HISTORY))))


def bars_of(shown: Document, name: str) -> Bars:
    found = shown.figures()[name]
    assert isinstance(found, Bars)
    return found


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

    def shape(self) -> list[str]:
        """The elements, texts in figures apart, for which there is room or not, and where a line of a name may end."""
        left_out = ("beside", "cut")
        return [tag for tag, own in self.found if tag not in ("text", "wbr") and own.get("class") not in left_out]


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


def test_every_figure_of_the_spec_is_listed_once_with_its_place(made: Made, shown: Document) -> None:
    listed = [figure.path for _, _, own in groups(made.page) for figure in own]
    assert sorted(listed) == sorted(figure["path"] for figure in made.details["figures"])
    by = {status: {figure.path for figure in own} for status, _, own in groups(made.page)}
    tables = shown.tables()
    for status, paths in by.items():
        table = tables[f"figures_{status}"]
        assert {row[0] for row in table.read} == paths  # none is left to the file alone
    assert by["neglected"] == set(made.details["zeros"])
    assert all(figure["path"] in by["fitted"] for figure in made.details["figures"] if figure["status"] == "fitted")


def text_of(blocks: tuple[Block, ...]) -> str:
    return "\n".join(str(block) for block in blocks)


def test_a_training_is_told_of_and_that_it_was_another_spec(shown: Document) -> None:
    (section,) = [own for own in shown.sections if own.name == "accuracy"]
    text = text_of(section.blocks)
    assert "72.50 % on the chip and 90.50 % in floating point" in text
    assert "ATTENTION: it was another spec" in text  # the history's hashes are not this run's
    assert shown.tables()["accuracy"].rows[1] == ("0", 2, 0.75, 0.9, 0.5, 0.4)


def test_what_is_hostile_in_names_is_text(html: str, evil: Mapping[str, str]) -> None:
    # Origin: the same elements as in the page without them (labels of blocks and points apart, for which there is no
    # room), and no attribute that runs anything.
    plain, found = Elements(html), Elements(evil["report.html"])
    assert plain.shape() == found.shape()
    for tag, own in found.found:
        assert not [name for name in own if name.startswith("on") or name == "src"], tag
    assert found.tags().count("script") == 1
    assert EVIL in "".join(own.get("title") or "" for _, own in found.found)
    assert not html_in(evil["report.md"])
    for name, text in evil.items():
        assert ".." not in Path(name).parts
        if name.endswith(".svg"):
            assert not ET.fromstring(text).findall(".//{*}script"), name


# ---- what stands above and on the terminal


def test_cards_are_the_metrics_of_the_run(made: Made) -> None:
    found = {card.label: (card.value, card.beside) for card in cards(made.page).cards}
    # The reference chip's peak: 240 ns an example, 28.065 TOP/s/W (Ambrogio 2018, fitted).
    assert found["time per example"][1] == "peak 240 ns"
    assert found["energy efficiency"][1].startswith("peak 28.0")
    assert found["crossbars busy"][1] == "2 of 8 tiles used"
    assert list(found) == [own.label for own in HEADLINE]


def test_every_figure_of_a_run_stands_in_its_section(made: Made, shown: Document) -> None:
    sections = {section.name: section for section in shown.sections}
    for name, drawings in figures.BY_SECTION.items():
        blocks = sections[name].blocks
        assert [block for block in blocks if isinstance(block, Bars | Lanes | Plan | Plot)] == [
            drawn for draw in drawings if (drawn := draw(made.page)) is not None
        ]


def test_the_terminal_has_peak_beside_sustained_and_where_both_go(made: Made, shown: Document) -> None:
    told = "\n".join(lines(shown))
    for text in (
        "time per example",
        "240 ns",
        "(fit, x ",
        "where the energy goes",
        "where the tiles' cycles go",
        "3 transfers, in 95.5 % of all cycles",  # 65 rows of 3.515 us (see test_run) each, in 717.7 us
        "the spec's fixed energy of a read",
        "2,410 synapses",
    ):
        assert text in told, text
    step_s = made.details["step"]["cycles"] / 1e9
    assert f"where a step of {step_s * 1e9:.0f} ns goes" in told
    for shares in (made.details["step"]["shares_cycles"], made.data["energy_j"]["by_component"]):
        name, most = max(shares.items(), key=lambda pair: pair[1])
        assert f"{name.replace('_', ' ')} {100 * most / sum(shares.values()):.1f} %" in told
    audits = len(made.data["audits"])
    assert f"{audits} of {audits} audits made inside the run passed." in told


def test_what_failed_comes_first(made: Made) -> None:
    wrong = {"name": "books", "expected": 1.0, "found": 2.5, "passed": False}
    check = {"name": "weights", "expected": 0, "found": 3, "difference": 3, "passed": False}
    audits = [wrong, *made.data["audits"]]
    shown = document(page_with({**made.data, "audits": audits, "crosscheck": [check]}, made.details))
    first, second, *_ = lines(shown)[2:]
    assert first.strip().startswith(f"1 of {len(audits)} audits FAILED: books: 2.5 instead of 1. Do not trust")
    assert second.strip() == "1 of 1 cross-check FAILED: weights: 3 instead of 0."
    assert f"{len(audits) - 1} of {len(audits)} audits" in "\n".join(lines(shown))


def test_measured_activity_and_programmed_weights_are_told(made: Made) -> None:
    reads = [{"layer": "fc1", "direction": "forward", "by": "measured", "on_time_s": 1e-9, "conductance_siemens": 1e-6,
              "read_energy_j": 2.0, "read_energy_spec_j": 1.0}]  # fmt: skip
    activity = {"from": "a.json", "reads": reads, "effect_j": {"device": {"spec": 1.0, "used": 2.0}}}
    written = {"time_s": 2e-3, "energy_j": 3e-6, "cells": 1}
    data = {**made.data, "activity": activity, "programming": written, "notes": ["So."]}
    shown = document(page_with(data, made.details))
    told = "\n".join(lines(shown))
    assert "by the activity (a.json) of fc1 forward, else" in told
    assert "2 ms and 3 uJ for 1 cell, which none of these figures holds" in told
    assert "So." in told
    assert shown.tables()["activity_effect"].rows == (("device", 1.0, 2.0, 1.0, 2.0),)


# ---- figures: what they show is what the data say


def test_each_name_of_a_table_or_figure_is_one_of_a_kind(shown: Document) -> None:
    for kind in (Table, (Bars, Plot, Lanes, Plan)):
        names = [block.name for block in shown.blocks() if isinstance(block, kind)]
        assert len(names) == len(set(names)) > 10
    assert {fold.title for fold in shown.blocks() if isinstance(fold, Fold)} >= {"All metrics", "Find"}


def test_the_waterfall_ends_where_the_run_does(made: Made, shown: Document) -> None:
    *steps, total = bars_of(shown, "sustained").bars
    at = 0.0
    for bar, value in zip(steps, made.data["time_per_example_parts_s"].values(), strict=True):
        for piece in bar.pieces:
            ends = piece.start, piece.start + piece.length
            begin, end = ends if value >= 0 else ends[::-1]
            assert begin == pytest.approx(at)
            at = end
    (whole,) = total.pieces
    assert (whole.start, whole.length) == (0, pytest.approx(made.metrics["time_per_example_s"]))
    assert at == pytest.approx(whole.length)


@pytest.mark.parametrize("name", ["energy", "stalls"])
def test_stacked_bars_are_as_long_as_their_values(name: str, made: Made, shown: Document) -> None:
    totals = {
        "energy": [value for value in made.data["energy_j"]["by_component"].values() if value],
        "stalls": [sum(tile["cycles"].values()) / made.data["run"]["cycles"] for tile in made.details["tiles"]],
    }[name]
    drawn = bars_of(shown, name)
    lengths = [math.fsum(piece.length for piece in bar.pieces) for bar in drawn.bars]
    assert lengths == pytest.approx(totals)
    assert max(lengths) <= drawn.axis.high * (1 + 1e-9)
    for bar in drawn.bars:
        ends = [piece.start + piece.length for piece in bar.pieces]
        assert [piece.start for piece in bar.pieces] == pytest.approx([0, *ends[:-1]])
    assert {piece.tone for bar in drawn.bars for piece in bar.pieces} <= {tone for _, tone in drawn.legend}


def test_bars_of_a_whole_hold_all_of_it(made: Made, shown: Document) -> None:
    wholes = {
        "energy_phase": made.metrics["energy_total_j"], "energy_layer": made.metrics["energy_total_j"],
        "area": made.metrics["area_m2"], "path": made.details["step"]["cycles"] / made.page.clock_hz,
    }  # fmt: skip
    for name, whole in wholes.items():
        lengths = [piece.length for bar in bars_of(shown, name).bars for piece in bar.pieces]
        assert math.fsum(lengths) == pytest.approx(whole), name


def test_the_timeline_shows_the_critical_path_without_gaps(made: Made, shown: Document) -> None:
    drawn = shown.figures()["step"]
    assert isinstance(drawn, Lanes)
    assert (drawn.cycles, drawn.cycle_ns) == (made.details["step"]["cycles"], pytest.approx(1e9 / made.page.clock_hz))
    path = [part for part in drawn.stretches if part.lane == 0]
    assert sum(part.length for part in path) == drawn.cycles
    assert [part.begin for part in path[1:]] == [part.begin + part.length for part in path[:-1]]
    assert all(0 <= part.begin < part.begin + part.length <= drawn.cycles for part in drawn.stretches)
    assert all(0 <= part.lane < len(drawn.lanes) for part in drawn.stretches)
    assert {part.tone for part in drawn.stretches} <= {tone for _, tone in drawn.legend}


def test_the_histogram_of_dwell_times_holds_all_updates(made: Made, shown: Document) -> None:
    drawn = shown.figures()["dwell"]
    assert isinstance(drawn, Plot)
    counts = [int(re.findall(r": ([\d,]+) updates?", box.tip)[0].replace(",", "")) for box in drawn.boxes]
    assert sum(counts) == made.data["dwell"]["cell_updates_read"]
    areas = [box.width * box.height for box in drawn.boxes]  # a density: areas are as counts
    assert areas == pytest.approx([count * math.fsum(areas) / sum(counts) for count in counts], rel=1e-9)
    assert drawn.x.high == pytest.approx(made.metrics["dwell_time_max_s"])
    (left,) = drawn.series  # exp(-t / tau)
    tau_s = next(tau for tau in made.details["leak_time_constants_s"] if tau)
    for dot in left.dots:
        assert dot.y == pytest.approx(left.dots[0].y * math.exp(-dot.x / tau_s))


def test_accuracy_is_drawn_where_it_is() -> None:
    drawn = learning(History.model_validate(HISTORY))
    assert drawn is not None
    for side in ("float", "chip"):
        own = [series for series in drawn.series if series.dashed == (side == "float") and series.thin]
        assert [[dot.y for dot in series.dots] for series in own] == HISTORY[f"accuracy_{side}"]
        assert [[dot.x for dot in series.dots] for series in own] == [[1, 2], [1, 2]]
    for series in drawn.series:  # those of seeds and their means
        for dot in series.dots:
            assert float(re.findall(r"([\d.]+) ?%", dot.tip)[0]) == pytest.approx(100 * dot.y, abs=0.01)
    assert learning(History.model_validate({**HISTORY, "accuracy_chip": [[]], "accuracy_float": [[]]})) is None


def test_r2_is_drawn_where_examples_have_values() -> None:
    drawn = learning(History.model_validate({
        **HISTORY, "r2_chip": [[-2.5, 0.25], [None, 0.5]], "r2_float": [[0.6, 0.9], [0.62, 0.91]]
    }))  # fmt: skip
    assert drawn is not None
    dots = [dot for series in drawn.series if series.thin for dot in series.dots]
    assert (drawn.title, len(dots)) == ("R2 on the test set", 7)
    assert drawn.y.low <= -2.5
    assert drawn.y.high >= 0.91
    for dot in dots:
        assert float(re.findall(r": (-?[\d.]+)$", dot.tip)[0]) == pytest.approx(dot.y, abs=1e-3)


def test_a_large_floorplan_is_drawn_with_fewer_tooltips(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    few = plan(made.page)
    assert len(few.boxes) == len(made.details["floorplan"]["blocks"])
    assert len(few.wires) == len(made.details["floorplan"]["wires"])
    monkeypatch.setattr(floorplan, "MOST_BLOCKS", 4)
    monkeypatch.setattr(floorplan, "MOST_WIRES", 3)
    many = plan(made.page)
    assert len(many.wires) == 3
    blocks = [int(re.findall(r"(\d+) blocks?", box.tip)[0]) for box in many.boxes]
    assert sum(blocks) == len(few.boxes)
    assert many.crowd == few.boxes


def test_tables_hold_what_they_are_named_after(made: Made, shown: Document) -> None:
    tables = shown.tables()
    for name, whole in (("energy_component", "energy_total_j"), ("energy_phase", "energy_total_j"),
                        ("energy_layer", "energy_total_j")):  # fmt: skip
        *parts, (_, total, share) = tables[name].rows
        assert (math.fsum(row[1] for row in parts), total) == (pytest.approx(made.metrics[whole]),) * 2
        assert math.fsum(row[2] for row in parts) == pytest.approx(share) == 1
    assert math.fsum(row[-1] for row in tables["bill"].rows) == pytest.approx(made.metrics["energy_total_j"])
    *parts, (_, total, _) = tables["parts"].rows
    assert math.fsum(row[1] for row in parts) == pytest.approx(total) == made.metrics["time_per_example_s"]
    for row in tables["tiles"].rows:
        assert math.fsum(row[2:]) == pytest.approx(1)
    assert {row[0]: row[1] for row in tables["metrics"].rows} == made.metrics


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
    plain = ET.fromstring(f"<pre>{dumped[1].replace('&nbsp;', ' ')}</pre>").text or ""
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


def test_tooltips_show_on_hover_tap_and_focus(found: Mapping[str, Any], made: Made) -> None:
    assert found["titles"] == 0
    assert found["hover"]["text"].startswith("tile0, layer fc1; ")
    assert found["tap"]["text"].startswith("link ")
    assert found["left"]["text"] is found["escape"]["text"] is None
    first, second = (bar.pieces[0].tip for bar in bars_of(document(made.page), "sustained").bars[:2])
    assert (found["focus"]["text"], found["next"]["text"]) == (first, second)
    assert found["stretch"]["text"].startswith("critical path: ")
    assert all(found[name]["inside"] for name in ("hover", "tap", "focus", "next", "stretch"))


def test_the_timeline_zooms_and_pans(found: Mapping[str, Any], made: Made) -> None:
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


def test_a_click_on_a_heading_sorts_the_table_by_it(found: Mapping[str, Any], made: Made) -> None:
    # The bill by energy: from the least to the most, then back; and by a name, in the order of letters.
    lengths = [row[-1] for row in document(made.page).tables()["bill"].read]
    rising, falling, names = found["rising"], found["falling"], found["names"]
    for order in (rising["order"], falling["order"][::-1]):
        ranked = [lengths[i] for i in order]
        assert all(a <= b * 1.001 for a, b in itertools.pairwise(ranked))  # as they are shown, with four digits
        assert ranked[0] < ranked[-1]
    assert sorted(rising["order"]) == list(range(len(lengths)))
    assert (rising["sort"], falling["sort"], names["sort"]) == ("ascending", "descending", "ascending")
    assert names["before"] is None
    assert names["cells"] == sorted(names["cells"], key=str.lower)
    assert len(set(names["cells"])) > 3


def test_the_page_is_dark_where_the_reader_wants_it(found: Mapping[str, Any]) -> None:
    light, dark = found["light"], found["dark"]
    assert sum(light["paper"]) > 600 > 300 > sum(light["ink"])
    assert sum(dark["paper"]) < 200 < 500 < sum(dark["ink"])


def test_figures_of_the_spec_are_found_by_a_word(found: Mapping[str, Any]) -> None:
    assert found["found"] == ["tile.device.read_energy"]


def test_the_browser_would_tell_and_the_policy_holds(html: str, tmp_path: Path) -> None:
    # The check of the check: what the page must not do is seen when it does it, and is not done.
    wrong = '<script>window.alerts = 1</script><img src="http://x.invalid/a.png" alt="">'
    seen = browse(tmp_path, html.replace("</main>", wrong + "</main>"))
    assert len(seen.console) >= 2
    assert all("Content Security Policy" in line for line in seen.console[:2])
    assert seen.found[0]["alerts"] == 0
