"""Documents: texts with styles, and what they hold, also under folds."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from archsim.report.document import Span, code, say
from archsim.report.files import files_of
from tests.report.samples import HOSTILE, TEXTS, everything


@given(TEXTS, TEXTS)
def test_values_of_a_text_are_put_in_as_they_are(a: str, b: str) -> None:
    told = say("{a} is *{b}*, `{a}` or **{b}**.", a=a, b=b)
    assert str(told) == f"{a} is {b}, {a} or {b}."
    assert told.spans == (
        Span(a + " is "), Span(b, "em"), Span(", "), Span(a, "code"), Span(" or "), Span(b, "strong"), Span("."),
    )  # fmt: skip


@given(st.lists(TEXTS, max_size=4))
def test_names_are_told_apart_by_commas(names: list[str]) -> None:
    told = code(names)
    assert str(told) == ", ".join(names)
    assert [span.text for span in told.spans if span.style == "code"] == names


def test_tables_and_figures_are_found_wherever_they_are() -> None:
    made = everything("x")
    assert list(made.figures()) == ["bars", "plot", "lanes", "plan"]
    assert list(made.tables()) == ["table", "turned", "folded", "found"]


def test_its_files_are_all_that_show_it() -> None:
    made = everything(HOSTILE)
    tables = {f"tables/{name}.csv" for name in made.tables()}
    figures = {f"figures/{name}.{kind}" for name in made.figures() for kind in ("svg", "csv")}
    files = files_of(made)
    assert set(files) == {"report.html", "report.md", *tables, *figures}
    assert files == files_of(made)
