"""A document on a terminal: what is brief and nothing else, as it is."""

from __future__ import annotations

import pytest
from hypothesis import given

from archsim.report.document import Document, Facts, Section, say
from archsim.report.table import Column, Table
from archsim.report.terminal import lines
from tests.report.samples import TEXTS, everything


@given(TEXTS.map(lambda text: " ".join(text.split())))
def test_texts_are_shown_as_they_are(text: str) -> None:
    for hostile in (text, f"[bold]{text}[/] :smile:"):
        found = lines(everything(hostile))
        assert found[0] == hostile
        assert sum(line.strip() == hostile for line in found) >= 3
        assert any(line.split("   ")[0].strip() == hostile for line in found[3:])


def test_only_what_is_brief_is_shown() -> None:
    table = Table("t", "T", (Column("name"), Column("time", "s")), (("a", 2e-9), ("b", 1.0)), brief=True)
    hidden = Table("h", "H", (Column("hidden"),), (("hidden",),))
    facts = Facts((("where", say("here")),), brief=True), Facts((("hidden", say("hidden")),))
    blocks = (say("one", brief=True), say("hidden"), say("two", brief=True), table, hidden, *facts)
    assert lines(Document("title", (), (Section("s", "hidden", blocks),))) == [
        "title", "", "  one", "  two", "", "  name  time", "  a     2 ns", "  b      1 s", "", "  where   here",
    ]  # fmt: skip


def test_rows_left_out_are_told() -> None:
    table = Table("t", "T", (Column("n"),), tuple((i,) for i in range(9)), most=4, brief=True)
    assert lines(Document("title", (table,), (), tables_in="x/"))[-1] == "  and 5 more, in x/t.csv"


@pytest.mark.parametrize("columns", ["60", "200"])
def test_lines_fit_the_terminal_where_it_is_wide_enough(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    found = lines(Document("title", (say("word " * 100, brief=True),), ()))
    wide = int(columns)
    assert max(map(len, found)) <= wide
    assert max(map(len, found)) > wide - 8
