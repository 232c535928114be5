"""A document that holds every kind of block and figure, each text of which is the given one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from markdown_it import MarkdownIt

from archsim.report.document import Card, Cards, Command, Document, Facts, Fold, Points, Section, Text, say
from archsim.report.figure import (
    Bar,
    Bars,
    Box,
    Dot,
    Label,
    Lanes,
    Piece,
    Plan,
    Plot,
    Ramp,
    Series,
    Stretch,
    Wire,
    axis,
    linear,
)
from archsim.report.table import Column, Table

HOSTILE = """<b>x</b> & "q" 'p' {x} *em* **strong** `code` _u_ [a](b) | \\ # ~~s~~ &amp; </title></style><script>"""
TEXTS = st.text("ab<>/&\"'{}*`_[]()|\\#~!-+=.:1; \n", min_size=1, max_size=14).filter(lambda text: text.strip())
TONE = "#123456"


def html_in(markdown: str) -> list[str]:
    """Return what a reader of Markdown takes for HTML."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    return [own.content for each in tokens for own in (each, *(each.children or ())) if own.type.startswith("html_")]


def figures(text: str) -> tuple[Bars, Plot, Lanes, Plan]:
    """Return a figure of each kind, all whose texts are the given one."""
    ends = linear(text, [0.0, 4.0], "{:g}".format)
    legend = ((text, TONE),)
    bars = Bars("bars", text, text, (Bar(text, text, (Piece(0, 3, TONE, text), Piece(3, 1, TONE, text))),), ends,
                legend, zero=2.0)  # fmt: skip
    dots = (Dot(1.0, 1.0, text, text), Dot(3.0, 2.0, text, text, hollow=True))
    series = (Series(text, TONE, dots, dashed=True, spread=(0.5, 0.25)),)
    plot = Plot("plot", text, text, axis(text, [1.0, 3.0]), axis(text, [1.0, 200.0], "s"), series,
                (Box(1.0, 1.0, 1.0, 1.0, TONE, text),), ((text, TONE),))  # fmt: skip
    lanes = Lanes("lanes", text, text, (text, text), (Stretch(1, 2, 3, TONE, text),), 9, 1.0, ends, legend)
    plan = Plan(
        "plan", text, text, 500.0, (Box(0, 0, 100, 50, TONE, text),), (Box(0, 0, 9, 9, TONE, ""),),
        (Wire(((0, 0), (9, 9)), TONE, 2.0, text),), (Label(50, 20, 9, text), Label(50, 20, 9, text, True, True)),
        legend, (Ramp(("#ffffff", "#000000"), text),),
    )  # fmt: skip
    return bars, plot, lanes, plan


def table(text: str, name: str = "table", **options: Any) -> Table:
    """Return a table of two rows whose texts are the given one."""
    columns = (Column(text), Column("energy", "J"))
    return Table(name, text, columns, ((text, 2e-9), (text, None)), text, marked=((0, 0),), **options)


def everything(text: str) -> Document:
    """Return a document with every kind of block, all whose texts are the given one; much of it is brief."""
    told = say("{text}", text=text, brief=True)
    styled = say("See *{text}* and **{text}** or `{text}` now", text=text.strip())
    blocks = (
        told, styled, say("{text}", text=text, kind="failed"), Points((told, styled)),
        Facts(((text.strip(), styled),), brief=True), Cards((Card(text, text, text, text),)),
        table(text, brief=True), table(text, "turned", turned=True), *figures(text),
        Fold(text, (table(text, "folded"), Text(()))), Fold(text, (Fold(text, (table(text, "found"),)),), found=True),
    )  # fmt: skip
    return Document(text, (told,), (Section("one", text, blocks), Section("two", text, ())), (Command(text),))
