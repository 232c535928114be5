"""A table of a report: rows of plain values, written as Markdown in engineering units and as CSV in SI units."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.base.units import engineering, si_of_metric
from archsim.base.words import agreeing, counted
from archsim.results.breakdowns import TOP

Row = Sequence[Any]


@dataclass(frozen=True)
class Column:
    """A heading and the unit of its values: an SI unit, "%" for shares, "" for counts and text.

    `decimals` are those of a share in Markdown.
    """

    name: str
    unit: str = ""
    decimals: int = 1


@dataclass(frozen=True)
class Table:
    """A table of a report; `name` is its file's, `note` what the reader should know.

    The cells at `marked`, (row, column) from 0, are bold in Markdown.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    marked: Collection[tuple[int, int]] = ()

    def markdown(self) -> str:
        """Return the table with engineering units; long tables show their first rows."""
        lines = [
            "| " + " | ".join(plain(column.name) for column in self.columns) + " |",
            "|" + "|".join(" ---: " if right else " --- " for right in self.numeric) + "|",
        ]
        for place, texts in enumerate(self.cells()):
            cells = [plain(cell).replace("|", "\\|") for cell in texts]
            cells = [f"**{cell}**" if (place, i) in self.marked else cell for i, cell in enumerate(cells)]
            lines.append("| " + " | ".join(cells) + " |")
        if self.more:
            are = agreeing(self.more, "is", "are")
            lines.append(f"\n{counted(self.more, 'more row')} {are} in `tables/{self.name}.csv`.")
        return "\n".join(lines)

    @property
    def numeric(self) -> list[bool]:
        """Tell of each column whether it holds no text, and so is set to the right."""
        return [all(not isinstance(row[i], str) for row in self.rows[:TOP]) for i in range(len(self.columns))]

    @property
    def more(self) -> int:
        """How many rows are left to the CSV file alone."""
        return max(0, len(self.rows) - TOP)

    def cells(self) -> list[list[str]]:
        """Return the first rows as text in engineering units."""
        return [
            [_cell(value, column) for value, column in zip(row, self.columns, strict=True)] for row in self.rows[:TOP]
        ]

    def csv(self) -> str:
        """Return the table as CSV: SI values, the unit in the heading."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([f"{column.name} [{column.unit}]" if column.unit else column.name for column in self.columns])
        writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return out.getvalue()


def plain(text: str) -> str:
    """Return text so that Markdown shows it and takes none of it for HTML.

    >>> plain("<b>5 < 6")
    '&lt;b>5 < 6'
    """
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text)


def in_code(text: str) -> str:
    """Return text that stays between the backticks that are put around it in Markdown.

    >>> in_code("a`b")
    "a'b"
    """
    return " ".join(text.replace("`", "'").split())


def _cell(value: Any, column: Column) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.unit == "%":
        return f"{value:.{column.decimals}%}".replace("%", " %")
    if column.unit:
        return engineering(value, column.unit)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.5g}"


def display_unit(metric: str) -> str:
    """Return the unit in which a metric is shown: operations are OP, as the field writes them."""
    return si_of_metric(metric).replace("m**2", "m2").replace("op", "OP")


def areal(value: float | None, metric: str, digits: int = 5) -> str:
    """Return a metric's value as text in its display unit."""
    unit = display_unit(metric)
    if value is not None and unit in ("", "1/s"):
        return f"{value:,}{unit[1:]}" if isinstance(value, int) else f"{value:,.{digits}g}{unit[1:]}"
    if metric.endswith("_op_per_s_m2"):
        return "-" if value is None else f"{engineering(value * 1e-6, 'OP/s', digits)}/mm2"
    return engineering(value, unit, digits)
