"""A report as data: sections of texts, tables and figures, which every medium shows in its own way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from archsim.report.figure import Figure
from archsim.report.table import Table

Style: TypeAlias = Literal["", "em", "strong", "code"]
"""As HTML names its tags."""
Kind: TypeAlias = Literal["", "lead", "note", "warning", "failed"]
_MARKUP = re.compile(r"`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<em>[^*]+)\*")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a text in one style."""

    text: str
    style: Style = ""


@dataclass(frozen=True)
class Text:
    """A paragraph; a `kind` of its own sets it apart. A `brief` one stands on the terminal too."""

    spans: tuple[Span, ...]
    kind: Kind = ""
    brief: bool = False

    def __str__(self) -> str:
        """Return the text without styles."""
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True)
class Points:
    """A list of texts."""

    items: tuple[Text, ...]


@dataclass(frozen=True)
class Facts:
    """Names, each with a text. `brief` ones stand on the terminal too."""

    rows: tuple[tuple[str, Text], ...]
    brief: bool = False


@dataclass(frozen=True)
class Card:
    """A headline figure: its value with the unit, what stands beside it, and what it includes."""

    label: str
    value: str
    beside: str
    includes: str


@dataclass(frozen=True)
class Cards:
    """Headline figures."""

    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Fold:
    """Blocks under a heading that a page opens when asked; with `found`, a word finds rows of their tables."""

    title: str
    blocks: tuple[Block, ...]
    found: bool = False


@dataclass(frozen=True)
class Panels:
    """Figures of one kind, side by side where there is room."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class Command:
    """A command line, as it is typed."""

    line: str


Block: TypeAlias = Text | Points | Facts | Cards | Table | Figure | Fold | Panels | Command


@dataclass(frozen=True)
class Section:
    """Blocks under a heading; `name` is the place that links lead to."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """A report: what stands above, its sections, and what stands below. Names of tables and figures are distinct.

    Its files are STEM.html and STEM.md; figures and tables lie under these two folders, "" for the report's own.
    """

    title: str
    head: tuple[Block, ...]
    sections: tuple[Section, ...]
    foot: tuple[Block, ...] = ()
    stem: str = "report"
    figures_in: str = "figures/"
    tables_in: str = "tables/"

    def blocks(self) -> Iterator[Block]:
        """Yield all blocks in their order, those that a block holds after it."""
        yield from _unfolded(self.head)
        for section in self.sections:
            yield from _unfolded(section.blocks)
        yield from _unfolded(self.foot)

    def tables(self) -> dict[str, Table]:
        """Return all tables by name."""
        return {block.name: block for block in self.blocks() if isinstance(block, Table)}

    def figures(self) -> dict[str, Figure]:
        """Return all figures by name."""
        return {block.name: block for block in self.blocks() if isinstance(block, Figure)}


def _unfolded(blocks: tuple[Block, ...]) -> Iterator[Block]:
    for block in blocks:
        yield block
        if isinstance(block, Fold):
            yield from _unfolded(block.blocks)
        elif isinstance(block, Panels):
            yield from block.figures


def say(template: str, *, kind: Kind = "", brief: bool = False, **values: object) -> Text:
    """Return a text; the template's `code`, *em* and **strong** are styles, and values are put in as they are.

    >>> [(span.text, span.style) for span in say("*Peak* of {name}", name="a*b*").spans]
    [('Peak', 'em'), (' of a*b*', '')]
    """
    spans, at = [], 0
    for match in _MARKUP.finditer(template):
        spans.append(Span(template[at : match.start()].format(**values)))
        style: Style = "code" if match["code"] else "strong" if match["strong"] else "em"
        spans.append(Span((match["code"] or match["strong"] or match["em"]).format(**values), style))
        at = match.end()
    spans.append(Span(template[at:].format(**values)))
    return Text(tuple(span for span in spans if span.text), kind, brief)


def code(names: Iterator[str] | tuple[str, ...] | list[str]) -> Text:
    """Return names set as code, with commas between them."""
    spans = [span for name in names for span in (Span(", "), Span(name, "code"))]
    return Text(tuple(spans[1:]))
