"""Nasty texts through every medium, each judged by a reader of that medium which is not archsim's."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.texts import for_csv, short, visible
from archsim.chip.graph import build_chip
from archsim.export.graphml import chip_graphml
from archsim.report.html import page
from archsim.report.markdown import markdown
from archsim.report.svg import svg
from archsim.report.table import Column, Table
from archsim.report.terminal import lines
from archsim.spec.loading import load_arch
from tests.report.samples import everything, figures, html_in
from tests.report.test_html import PLAIN, Read
from tests.report.test_markdown import normal, shown

NASTY = (
    "[a](http://x.invalid)", "![a](b) [c]: d", "<img src=x onerror=alert(1)>", "</title></style><script>x</script>",
    "&lt;b&gt; &amp;", "a | b \\| c", "`c` ``d``", "*e* **f** _g_ ~~h~~ # i", "]]> <!-- x --> <?y?>",
    "{{ x }} {x} %s {% y %}",
    "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\x9b31m bell \x07", "a\0b", "\u202egnp.exe", "\u2066 a \u2069",
    "\ufffe\uffff",
    "line\nfeed\ttab\r", "a\u2028b \u2029 \x85c", "=1+1", "+1 V", "@SUM(A1)", "-1+1", "\t=1", "$\\frac$ $", "x" * 300,
    "漢字" * 150,
    "مرحبا بالعالم", "שלום", "👩‍👩‍👧 e\u0301", "'\"", "CON", "[bold]x[/] :smile: [/x]", "10 % of 64 ns",
)  # fmt: skip
SEEN = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""What no medium may have: control characters, and what turns the text around."""
nasty = pytest.mark.parametrize("text", NASTY, ids=ascii)
ANY = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(lambda text: text.strip())


def spaced(text: str) -> str:
    return normal(text.replace("\xa0", " "))


def on_a_page(text: str) -> None:
    made = page(everything(text))
    assert not SEEN.search(made)
    read = Read(made)
    assert read.tags == PLAIN.tags
    for tag, own in read.found:
        assert not [name for name in own if name.startswith("on") or name == "src"], tag
    wanted = spaced(visible(text))
    assert spaced(f"{visible(text)}, by archsim") in map(spaced, read.texts)
    assert {spaced(own["title"] or "") for _, own in read.found if "title" in own} == {wanted}


def in_xml(text: str) -> None:
    drawn, plain = ([ET.fromstring(svg(each)) for each in figures(own)] for own in (text, "abc"))
    for made, usual in zip(drawn, plain, strict=True):
        for tag in ("script", "image", "a", "rect", "g"):
            assert len(made.findall(f".//{{*}}{tag}")) == len(usual.findall(f".//{{*}}{tag}"))
        found = {own for own in map(spaced, made.itertext()) if own}
        wanted = spaced(visible(text))
        assert wanted in found
        numbers = re.compile(r"[\d.,]+( [a-zµ%]+)?|(0 to )?.*")
        assert all(own in wanted or own.endswith("…") or wanted in own or numbers.fullmatch(own) for own in found)


def in_markdown(text: str) -> None:
    made = markdown(everything(text))
    assert not SEEN.search(made)
    assert not html_in(made)
    usual = [kind for kind, _ in shown(markdown(everything("abc"))) if kind != "text"]
    assert [kind for kind, _ in shown(made) if kind != "text"] == usual
    assert normal(visible(text)) in normal(" ".join(own for _, own in shown(made)))


def on_a_terminal(text: str) -> None:
    found = lines(everything(text))
    assert not SEEN.search("".join(found))
    whole = re.sub(r"\s", "", "".join(found))
    assert re.sub(r"\s", "", visible(text)) in whole


def in_csv(text: str) -> None:
    table = Table("t", "t", (Column(text), Column("time", "s")), ((text, -2.5), (text, None)))
    head, *rows = csv.reader(io.StringIO(table.csv()))
    assert rows == [[for_csv(text), "-2.5"], [for_csv(text), ""]]
    assert head == [for_csv(text), "time [s]"]
    for cell in (head[0], rows[0][0]):
        assert cell.removeprefix("'") == visible(text).removeprefix("'")
        assert not re.match(r"[=+@\t\r]|-[^\d]", cell)
        assert not SEEN.search(cell)


MEDIA = (on_a_page, in_xml, in_markdown, on_a_terminal, in_csv)


@nasty
def test_every_medium_shows_a_nasty_text_as_it_is(text: str) -> None:
    for judge in MEDIA:
        judge(text)


@settings(max_examples=10)
@given(ANY)
def test_every_medium_shows_any_text_as_it_is(text: str) -> None:
    for judge in MEDIA:
        judge(text)


@nasty
def test_a_chip_of_any_name_is_a_graph_that_others_read(text: str) -> None:
    spec = load_arch("ambrogio_nature_2018").value.model_copy(update={"name": text})
    made = chip_graphml(build_chip(spec))
    assert spaced(nx.parse_graphml(made).graph["name"]) == spaced(visible(text))


def test_a_long_text_is_cut_by_its_width() -> None:
    # Origin: Unicode Standard Annex 11: ideographs are two columns wide.
    assert short("漢字" * 10, 9) == "漢字漢字…"
    assert short("e\u0301" * 9, 9) == "e\u0301" * 9


USES = {
    "for_page": {"report/html.py"}, "for_markdown": {"report/markdown.py"}, "markdown_code": {"report/markdown.py"},
    "markdown_block": {"report/markdown.py"},
    "for_csv": {"report/table.py", "report/figure_data.py", "studies/stores.py"},
    "for_xml": {"report/svg.py", "export/graphml.py"},
    "for_terminal": {"report/terminal.py", "cli/options.py"},
}  # fmt: skip


def test_each_function_is_called_by_the_renderer_of_its_medium_alone() -> None:
    import archsim

    root = Path(archsim.__file__).parent
    found: Counter[tuple[str, str]] = Counter()
    for path in root.rglob("*.py"):
        words = set(re.findall(r"\w+", path.read_text("utf-8")))
        found.update((name, path.relative_to(root).as_posix()) for name in USES if name in words)
    del_own = {(name, place) for name, place in found if place != "base/texts.py"}
    assert del_own == {(name, place) for name, places in USES.items() for place in places}
