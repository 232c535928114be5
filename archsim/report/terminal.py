"""A document on a terminal: its title, and the texts, facts and tables that are brief; marked cells have a star."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text as Words

from archsim.base.texts import cells, for_terminal
from archsim.report.document import Document, Facts, Text
from archsim.report.table import Table

NARROWEST, WITHOUT = 46, 140
"""So long are lines at most on terminals that are narrower, and without one."""
MOST_LINES = 60
"""So many rows of a table are shown."""
WHOLE = 20
"""Where a table is too wide, headings and long texts are folded, and values of up to so many letters stay whole."""


def lines(document: Document) -> list[str]:
    """Return the lines that a terminal shows of a document."""
    out = io.StringIO()
    width = max(NARROWEST, shutil.get_terminal_size((WITHOUT, 24)).columns) - 2
    console = Console(
        file=out, width=width, no_color=True, highlight=False, markup=False, legacy_windows=False, force_terminal=False,
        force_jupyter=False,
    )  # fmt: skip
    console.print(Words(for_terminal(document.title)))
    before: object = None
    for block in document.blocks():
        if not isinstance(block, Text | Facts | Table) or not block.brief:
            continue
        if not (isinstance(block, Text) and isinstance(before, Text) and _set_apart(block) == _set_apart(before)):
            console.print()
        before = block
        if isinstance(block, Text):
            console.print(Words(for_terminal(str(block))))
        elif isinstance(block, Facts):
            console.print(_facts(block))
        elif block.rows:
            short = replace(block, most=min(block.most, MOST_LINES))
            for part in _parts(_narrow(short), width):
                console.print(part)
            if short.more:
                console.print(f"and {short.more:,} more, in {document.tables_in}{block.name}.csv")
    first, *rest = out.getvalue().splitlines()
    return [first.rstrip(), *(f"  {line}".rstrip() for line in rest)]


def _set_apart(text: Text) -> bool:
    return text.kind in ("warning", "failed")


def _facts(facts: Facts) -> Grid:
    made = Grid.grid(padding=(0, 3, 0, 0))
    for name, text in facts.rows:
        made.add_row(Words(for_terminal(name), no_wrap=True), Words(for_terminal(str(text))))
    return made


def _narrow(table: Table) -> Table:
    """Return what is shown of a table without the columns that a terminal leaves out."""
    kept = [i for i, column in enumerate(table.columns) if column.brief]
    rows = tuple(tuple(row[i] for i in kept) for row in table.read)
    marked = {(place, kept.index(i)) for place, i in table.marked if i in kept}
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows, shown=rows, marked=marked)


def _parts(table: Table, width: int) -> Iterator[Grid | str]:
    """Yield a table in as many parts as it takes to be so wide, each with the first column as the key of its rows."""
    heads, rows, right = table.grid()
    shown = [[for_terminal(f"* {text}" if marked else text) for text, marked in row] for row in rows]
    longest = [max(cells(row[i]) for row in shown) for i in range(len(heads))]
    least = [min(WHOLE, max(own, *map(cells, head.split()), 1)) for own, head in zip(longest, heads, strict=True)]
    parts: list[list[int]] = [[]]
    for i, own in enumerate(least):
        if len(parts[-1]) > 1 and sum(least[j] + 2 for j in parts[-1]) + own > width:
            parts.append([0])
        parts[-1].append(i)
    for part in parts:
        made, spare = Grid(box=None, pad_edge=False, padding=(0, 2, 0, 0)), width + 2 - sum(least[i] + 2 for i in part)
        for i in part:
            more = max(0, min(spare, max(longest[i], cells(heads[i])) - least[i]))
            spare -= more
            side: Literal["left", "right"] = "right" if right[i] else "left"
            made.add_column(Words(for_terminal(heads[i])), justify=side, overflow="fold", width=least[i] + more)
        for row in shown:
            made.add_row(*(Words(row[i]) for i in part))
        yield from ("", made) if part is not parts[0] else (made,)
