"""A document as Markdown; its figures are SVG files and its tables CSV files beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from archsim.base.texts import for_markdown, markdown_block, markdown_code
from archsim.report.document import Block, Cards, Command, Document, Facts, Fold, Panels, Points, Text
from archsim.report.table import Table


def markdown(document: Document) -> str:
    """Return a document as Markdown."""
    lines = [f"# {for_markdown(document.title)}", "", *_blocks(document, document.head)]
    for section in document.sections:
        lines += [f"## {for_markdown(section.title)}", "", *_blocks(document, section.blocks)]
    return "\n".join([*lines, *_blocks(document, document.foot)]).rstrip() + "\n"


def _blocks(document: Document, blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        yield from _lines(document, block)
        yield ""


def _lines(document: Document, block: Block) -> Iterator[str]:
    match block:
        case Text():
            yield _text(block)
        case Points():
            yield from (f"- {_text(item)}" for item in block.items)
        case Facts():
            yield from (f"- *{for_markdown(name)}*: {_text(text)}" for name, text in block.rows)
        case Cards():
            yield "| figure | value | beside | |\n| --- | ---: | ---: | --- |"
            rows = ((card.label, card.value, card.beside, card.includes) for card in block.cards)
            yield from ("| " + " | ".join(map(_cell, row)) + " |" for row in rows)
        case Table():
            yield from table_lines(block, document.tables_in)
        case Fold():
            yield from (f"### {for_markdown(block.title)}", "", *_blocks(document, block.blocks))
        case Panels():
            yield from _blocks(document, block.figures)
        case Command():
            yield markdown_block(block.line)
        case _:
            yield f"![{for_markdown(block.title, brackets=True)}]({document.figures_in}{block.name}.svg)"
            if block.says:
                yield from ("", _begun(for_markdown(block.says)))


def table_lines(table: Table, folder: str = "tables/") -> Iterator[str]:
    """Yield the lines of a table, with what is to be known of it."""
    if not table.rows:
        yield "(none)"
        return
    if table.read:
        heads, rows, right = table.grid()
        yield "| " + " | ".join(map(_cell, heads)) + " |"
        yield "|" + "|".join(" ---: " if own else " --- " for own in right) + "|"
        for row in rows:
            yield "| " + " | ".join(f"**{_cell(text)}**" if marked else _cell(text) for text, marked in row) + " |"
    if table.more:
        what = "\n" if table.read else f"{for_markdown(table.title)}: "
        yield f"{what}{table.left} in `{folder}{table.name}.csv`."
    if table.note:
        yield f"\n{_begun(for_markdown(table.note))}"


def _cell(text: str) -> str:
    return for_markdown(text).strip().replace("|", "\\|")


def _text(text: Text) -> str:
    marks = {"": "", "em": "*", "strong": "**"}
    parts = (
        markdown_code(span.text)
        if span.style == "code"
        else f"{marks[span.style]}{for_markdown(span.text)}{marks[span.style]}"
        for span in text.spans
    )
    return _begun("".join(parts))


def _begun(text: str) -> str:
    """Return a paragraph whose first characters are no list, quotation or rule."""
    return re.sub(r"^(\d{0,9})(?=[-+>.)=])", r"\1\\", text.strip())
