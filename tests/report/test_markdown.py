"""A document as Markdown: what a reader of CommonMark with tables makes of it is what was meant.

The reference is markdown-it, another's implementation of CommonMark.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from hypothesis import given, settings
from markdown_it import MarkdownIt
from markdown_it.token import Token

from archsim.base.texts import for_markdown
from archsim.report.document import Document, Text, say
from archsim.report.markdown import markdown, table_lines
from archsim.report.table import Column, Table
from tests.report.samples import HOSTILE, TEXTS, everything

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def shown(text: str) -> list[tuple[str, str]]:
    """Return (kind, text) of all that a reader shows: `text`, code, or what is an element of its own."""

    def walk(tokens: list[Token]) -> Iterator[tuple[str, str]]:
        for token in tokens:
            if token.children:
                yield from walk(token.children)
            elif token.type in ("text", "code_inline", "code_block", "fence", "html_block", "html_inline"):
                yield token.type, token.content
            elif token.type.endswith("_open") or token.type in ("softbreak", "hardbreak", "image", "hr"):
                yield token.type, ""

    return list(walk(READER.parse(text)))


def normal(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@given(TEXTS)
def test_a_text_is_a_paragraph_and_shown_as_it_is(text: str) -> None:
    found = shown(markdown(Document("x", (say("{text}", text=text),), ())))[2:]
    assert {kind for kind, _ in found} == {"paragraph_open", "text"}
    assert normal("".join(own for _, own in found)) == normal(text)


@given(TEXTS)
def test_a_title_is_a_heading(text: str) -> None:
    found = shown(markdown(Document(text, (), ())))
    assert found[0][0] == "heading_open"
    assert {kind for kind, _ in found[1:]} == {"text"}
    assert normal("".join(own for _, own in found)) == normal(text)


@given(TEXTS)
def test_styles_hold_hostile_texts(text: str) -> None:
    text = text.strip()
    found = shown(markdown(Document("x", (say("See *{text}* or **{text}** or `{text}` now", text=text),), ())))[2:]
    kinds = [kind for kind, _ in found if kind != "text"]
    assert kinds == ["paragraph_open", "em_open", "strong_open", "code_inline"]
    assert normal("".join(own for _, own in found)) == normal(f"See {text} or {text} or {text} now")


@given(TEXTS)
def test_cells_hold_hostile_texts(text: str) -> None:
    table = Table("x", "x", (Column(text), Column("n")), ((text, 1), (text, 2)), marked=((1, 1),))
    found = shown("\n".join(table_lines(table)))
    kinds = [kind for kind, _ in found if kind != "text"]
    assert kinds == ["table_open", "thead_open", "tr_open", "th_open", "th_open", "tbody_open",
                     *["tr_open", "td_open", "td_open"] * 2, "strong_open"]  # fmt: skip
    texts = "".join(own for _, own in found)
    assert normal(texts) == normal("".join([text.strip(), "n", text.strip(), "1", text.strip(), "2"]))


@settings(max_examples=1000 if os.environ.get("ARCHSIM_THOROUGH") else 200)
@given(TEXTS)
def test_every_kind_of_block_has_the_elements_that_it_has_with_plain_texts(text: str) -> None:
    def elements(of: str) -> list[str]:
        return [kind for kind, _ in shown(markdown(everything(of))) if kind != "text"]

    assert elements(text) == elements("abc")


def test_nothing_of_a_hostile_text_is_html() -> None:
    assert not [own for kind, own in shown(markdown(everything(HOSTILE))) if kind.startswith("html")]
    assert for_markdown("a_b of x_y_z") == "a_b of x_y_z"  # names of metrics stay as they are


def test_an_empty_table_says_so_and_rows_left_out_are_told() -> None:
    assert list(table_lines(Table("x", "x", (Column("n"),), ()))) == ["(none)"]
    many = Table("x", "x", (Column("n"),), tuple((i,) for i in range(6)), most=5)
    assert list(table_lines(many, "t/"))[-1] == "\n1 more row is in `t/x.csv`."


def test_an_empty_text_is_nothing() -> None:
    assert markdown(Document("x", (Text(()),), ())) == "# x\n"
