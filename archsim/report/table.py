"""Tables as data: rows of plain values in SI units, which every medium shows in engineering units, CSV as they are."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from archsim.base.texts import for_csv
from archsim.base.units import common_unit, engineering, number
from archsim.base.words import agreeing, counted, per_cent, points

Row: TypeAlias = Sequence[Any]
MOST_ROWS = 24
"""So many rows are read; the CSV file has all of them."""


@dataclass(frozen=True)
class Column:
    """A heading and the unit of its values: an SI unit, "%" for shares, "" for counts and text.

    "points" are percentage points, for differences of shares.

    `decimals` are those of a share. With `alike`, all values are shown in one unit, which stands in the heading. A
    column that is not `shown` stands in the CSV file alone; a terminal also leaves out one that is not `brief`.
    """

    name: str
    unit: str = ""
    decimals: int = 1
    brief: bool = True
    shown: bool = True
    alike: bool = False


@dataclass(frozen=True)
class Said:
    """A value with the text by which people read it, where its column has no unit for all; CSV holds the value."""

    value: Any
    text: str


@dataclass(frozen=True)
class Table:
    """A table; `name` is its file's, `note` what the reader should know.

    The cells at `marked`, (row, column) from 0, are bold. At most `most` rows are shown (0 where they are for the file
    alone), or those in `shown`; the CSV file has all. A `turned` table shows its rows as columns, as suits few rows of
    many figures; a `brief` one stands on the terminal too.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""
    marked: Collection[tuple[int, int]] = ()
    most: int = MOST_ROWS
    turned: bool = False
    brief: bool = False
    shown: tuple[Row, ...] | None = None

    @property
    def read(self) -> tuple[Row, ...]:
        """The rows that are shown: those that were chosen, or the first."""
        return self.rows[: self.most] if self.shown is None else self.shown

    @property
    def numeric(self) -> list[bool]:
        """Tell of each column whether it holds no text, and so is set to the right."""
        return [
            all(not isinstance(value_of(row[i]), str) for row in self.read)
            for i, column in enumerate(self.columns) if column.shown
        ]  # fmt: skip

    @property
    def more(self) -> int:
        """How many rows are left to the CSV file alone, where they are the last."""
        return 0 if self.shown is not None else max(0, len(self.rows) - self.most)

    @property
    def left(self) -> str:
        """The rows that are left to the CSV file, as the beginning of a sentence."""
        return f"{counted(self.more, 'more row' if self.read else 'row')} {agreeing(self.more, 'is', 'are')}"

    def cells(self) -> list[list[str]]:
        """Return the rows that are shown as text in engineering units."""
        scales = [self._common(place)[0] for place in range(len(self.columns))]
        return [
            [number(value / scale) if column.alike and value is not None else cell(value, column)
             for value, column, scale in zip(row, self.columns, scales, strict=True)]
            for row in self.read
        ]  # fmt: skip

    def _common(self, place: int) -> tuple[float, str]:
        """Return the one unit of a column in SI, and what the heading says of it."""
        column = self.columns[place]
        values = [row[place] for row in self.read if row[place] is not None]
        if not (column.alike and values):
            return 1.0, ""
        scale, unit = common_unit(values, column.unit)
        return scale, f", {unit}"

    def grid(self) -> tuple[list[str], list[list[tuple[str, bool]]], list[bool]]:
        """Return what is shown: headings; rows of (text, whether it is marked); which columns are set to the right.

        A turned table's headings are its first column.
        """
        heads = [f"{column.name}{self._common(place)[1]}" for place, column in enumerate(self.columns) if column.shown]
        rows = [
            [(text, (place, i) in self.marked) for i, text in enumerate(texts) if self.columns[i].shown]
            for place, texts in enumerate(self.cells())
        ]
        if not self.turned:
            return heads, rows, self.numeric
        turned = [[(head, False), *(row[i] for row in rows)] for i, head in enumerate(heads)]
        return [text for text, _ in turned[0]], turned[1:], [False, *(True for _ in rows)]

    def heads(self) -> list[str]:
        """Return the name of each column with its SI unit, that of a share of 1 being "share"."""
        units = ["share" if own.unit in ("%", "points") else own.unit for own in self.columns]
        return [f"{own.name} [{unit}]" if unit else own.name for own, unit in zip(self.columns, units, strict=True)]

    def values(self) -> Iterator[list[Any]]:
        """Yield all rows as values in SI units, text, and None."""
        return ([value_of(cell) for cell in row] for row in self.rows)

    def csv(self) -> str:
        """Return the table as CSV: SI values, the unit in the heading; shares are of 1."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([for_csv(head) for head in self.heads()])
        writer.writerows([for_csv(cell) for cell in row] for row in self.values())
        return out.getvalue()


def value_of(cell: Any) -> Any:
    """Return the value of a cell, as CSV holds it."""
    return cell.value if isinstance(cell, Said) else cell


def cell(value: Any, column: Column) -> str:
    """Return a value as text in the unit of its column."""
    if value is None:
        return ""
    if isinstance(value, Said | str):
        return value.text if isinstance(value, Said) else value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.unit in ("%", "points"):
        return (per_cent if column.unit == "%" else points)(value, column.decimals)
    if column.unit.endswith("/m2"):
        return engineering(value * 1e-6, f"{column.unit[:-2]}mm2")
    if column.unit:
        return engineering(value, column.unit)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.5g}"


def words(name: str) -> str:
    """Return a name of the data as words."""
    return name.replace("_", " ")
