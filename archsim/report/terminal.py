"""A document on a terminal: its title, and the texts, facts and tables that are brief; marked cells have a star."""

from __future__ import annotations

import io
import shutil
from dataclasses import replace

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text as Words

from archsim.report.document import Document, Facts, Text
from archsim.report.table import Table

NARROWEST = 80
"""Without a terminal, and on narrower ones, lines are as long as this and more."""
MOST_LINES = 40
"""So many rows of a table are shown."""
WHOLE = 20
"""Where a table is too wide, headings and long texts are folded, and values of up to so many letters stay whole."""


def lines(document: Document) -> list[str]:
    """Return the lines that a terminal shows of a document."""
    out = io.StringIO()
    width = max(NARROWEST, shutil.get_terminal_size((140, 24)).columns)
    console = Console(file=out, width=width, no_color=True, highlight=False, markup=False, legacy_windows=False)
    console.print(Words(document.title))
    before: object = None
    for block in document.blocks():
        if not isinstance(block, Text | Facts | Table) or not block.brief:
            continue
        if not (isinstance(block, Text) and isinstance(before, Text) and _set_apart(block) == _set_apart(before)):
            console.print()
        before = block
        if isinstance(block, Text):
            console.print(Words(str(block)))
        elif isinstance(block, Facts):
            console.print(_facts(block))
        elif block.rows:
            short = replace(block, most=min(block.most, MOST_LINES))
            console.print(_grid(_narrow(short)))
            if short.more:
                console.print(f"and {short.more:,} more, in {document.tables_in}{block.name}.csv")
    first, *rest = out.getvalue().splitlines()
    return [first.rstrip(), *(f"  {line}".rstrip() for line in rest)]


def _set_apart(text: Text) -> bool:
    return text.kind in ("warning", "failed")


def _facts(facts: Facts) -> Grid:
    made = Grid.grid(padding=(0, 3, 0, 0))
    for name, text in facts.rows:
        made.add_row(Words(name, no_wrap=True), Words(str(text)))
    return made


def _narrow(table: Table) -> Table:
    """Return what is shown of a table without the columns that a terminal leaves out."""
    kept = [i for i, column in enumerate(table.columns) if column.brief]
    rows = tuple(tuple(row[i] for i in kept) for row in table.read)
    marked = {(place, kept.index(i)) for place, i in table.marked if i in kept}
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows, shown=rows, marked=marked)


def _grid(table: Table) -> Grid:
    heads, rows, right = table.grid()
    made = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, (head, own) in enumerate(zip(heads, right, strict=True)):
        least = min(WHOLE, max(len(row[i][0]) for row in rows))
        made.add_column(Words(head), justify="right" if own else "left", overflow="fold", min_width=least)
    for row in rows:
        made.add_row(*(Words(f"* {text}" if marked else text) for text, marked in row))
    return made
