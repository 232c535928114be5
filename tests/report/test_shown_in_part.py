"""What media leave out: rows and columns of tables, thin lines in legends, texts for which a plot has no room."""

from __future__ import annotations

import pytest

from archsim.report.beside import DOT, LETTER, LINE, beside
from archsim.report.document import Document, Section, say
from archsim.report.figure import Axis, Dot, Plot, Series
from archsim.report.files import files_of
from archsim.report.svg import svg
from archsim.report.table import Column, Table
from archsim.report.terminal import MOST_LINES, lines


def shown(*tables: Table) -> Document:
    return Document("title", (), (Section("s", "S", tables),), tables_in="")


@pytest.mark.parametrize(("count", "words"), [(1, "1 row is"), (1200, "1,200 rows are")])
def test_rows_for_the_file_alone_are_told_and_not_shown(count: int, words: str) -> None:
    table = Table("bins", "All bins", (Column("a"),), tuple((f"row{i}",) for i in range(count)), most=0)
    files = files_of(shown(table))
    assert f"All bins: {words} in <code>bins.csv</code>." in files["report.html"]
    assert f"All bins: {words} in `bins.csv`." in files["report.md"]
    assert len(files["bins.csv"].splitlines()) == count + 1
    assert "row0" not in files["report.html"] + files["report.md"]


@pytest.mark.parametrize("turned", [False, True])
def test_a_terminal_leaves_out_columns_and_rows_that_other_media_have(turned: bool) -> None:
    columns = (Column("name"), Column("kept", "s"), Column("left", "%", 2, brief=False))
    count = 2 if turned else MOST_LINES + 7
    rows = tuple((f"row{i}", 1e-6 * (i + 1), 0.25) for i in range(count))
    document = shown(Table("t", "T", columns, rows, brief=True, turned=turned, most=count))
    text = "\n".join(lines(document))
    assert "kept" in text
    assert "1 us" in text
    assert ("left" in text, "25.00 %" in text) == (False, False)
    assert ("and 7 more, in t.csv" in text) == (not turned)
    assert files_of(document)["report.md"].count("25.00 %") == count


def test_a_narrow_terminal_folds_headings_and_not_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    heads = [f"a heading of many words, number {i}" for i in range(5)]
    table = Table("t", "T", tuple(map(Column, heads)), (("interleaved",) * 5,), brief=True)
    text = lines(shown(table))
    assert text[-1].split() == ["interleaved"] * 5
    assert max(map(len, text)) <= 82  # two for the indent


def test_warnings_stand_in_lines_one_after_another() -> None:
    head = (say("a", kind="lead", brief=True), *(say(text, kind="warning", brief=True) for text in "bc"))
    assert lines(Document("title", head, ())) == ["title", "", "  a", "", "  b", "  c"]


PERCENT = Axis("", 0.0, 100.0, ((0.0, "0"), (100.0, "100")))


def test_a_thin_line_is_drawn_and_not_in_the_legend() -> None:
    dots = (Dot(0, 0, "a"), Dot(100, 100, "b"))
    series = (Series("mean", "#123456", dots), Series("of seed 1", "#123456", dots, thin=True, shown=False))
    plot = Plot("p", "P", "", PERCENT, PERCENT, series)
    assert plot.legend == (("mean", "#123456"),)
    assert svg(plot).count("<polyline") == 2
    assert 'stroke-opacity="0.55"' in svg(plot).split("<polyline")[2]


@pytest.mark.parametrize("half", [0.0, 30.0])
def test_a_text_beside_a_point_covers_no_error_bar(half: float) -> None:
    (text,) = beside(Plot("p", "P", "", PERCENT, PERCENT, (
        Series("", "#000", (Dot(50, 50, "tip", text="word"),), line=False, spread=(half,)),
    )), 400.0, 200.0)  # fmt: skip
    across, up = (abs(text.dx), abs(text.dy))
    assert across > 2 * LETTER if half else (across, up) == (0, pytest.approx((LINE + DOT * 0.75) / 2 + 4))
