"""Tables as data: rows of plain values in SI units, which every medium shows in engineering units, CSV as they are."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from archsim.base.units import common_unit, engineering, si_of_metric
from archsim.base.words import agreeing, counted, per_cent

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

    def csv(self) -> str:
        """Return the table as CSV: SI values, the unit in the heading; shares are of 1."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        units = ["share" if column.unit in ("%", "points") else column.unit for column in self.columns]
        writer.writerow([f"{column.name} [{unit}]" if unit else column.name
                         for column, unit in zip(self.columns, units, strict=True)])  # fmt: skip
        writer.writerows(map(value_of, row) for row in self.rows)
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
    if column.unit == "%":
        return per_cent(value, column.decimals)
    if column.unit == "points":
        return points(value, column.decimals)
    if column.unit.endswith("/m2"):
        return engineering(value * 1e-6, f"{column.unit[:-2]}mm2")
    if column.unit:
        return engineering(value, column.unit)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.5g}"


def number(value: float) -> str:
    """Return four digits without an exponent.

    >>> number(0.054321), number(12345.6), number(0.0)
    ('0.05432', '12,346', '0')
    """
    decimals = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(decimals, 8)}f}"


def shares(name: str, title: str, what: str, parts: Mapping[str, float], unit: str, note: str = "") -> Table:
    """Return a table of parts, their shares and their total."""
    total = sum(parts.values())
    rows = [(words(key), value, value / total if total else None) for key, value in parts.items() if value]
    columns = (Column(what), Column({"J": "energy", "m2": "area"}.get(unit, "cycles"), unit), Column("share", "%"))
    return Table(name, title, columns, (*rows, ("total", total, 1.0 if total else None)), note)


def words(name: str) -> str:
    """Return a name of the data as words."""
    return name.replace("_", " ")


def percent(share: float) -> str:
    """Return a share as text.

    >>> percent(0.1234), percent(0.0001), percent(0.0)
    ('12.3 %', '< 0.1 %', '0 %')
    """
    return "0 %" if not share else per_cent(share) if abs(share) >= 0.0005 else "< 0.1 %"


def points(difference: float, decimals: int = 2) -> str:
    """Return a difference of shares in percentage points.

    >>> points(-0.0529), points(0.0)
    ('-5.29 points', '+0.00 points')
    """
    return per_cent(difference, decimals, "+").replace("%", "points")


def metric_name(metric: str) -> str:
    """Return a metric's name as words, without its unit, a peak as such first.

    >>> metric_name("throughput_per_area_peak_op_per_s_m2"), metric_name("area_m2")
    ('peak throughput per area', 'area')
    """
    name = re.sub(r"(_op_per)?_(s_m2|s|j|w|m2)$", "", metric)
    return words(f"peak_{name.replace('_peak', '')}" if "_peak" in name else name)


def display_unit(metric: str) -> str:
    """Return the unit in which a metric is shown: operations are OP, as the field writes them."""
    return si_of_metric(metric).replace("m**2", "m2").replace("op", "OP")


def metric_text(value: float | None, metric: str, digits: int = 5) -> str:
    """Return a metric's value as text in its display unit."""
    unit = display_unit(metric)
    if value is not None and unit in ("", "1/s"):
        return f"{value:,}{unit[1:]}" if isinstance(value, int) else f"{value:,.{digits}g}{unit[1:]}"
    if metric.endswith("_op_per_s_m2"):
        return "-" if value is None else f"{engineering(value * 1e-6, 'OP/s', digits)}/mm2"
    return engineering(value, unit, digits)


def plain(text: str, brackets: bool = False) -> str:
    r"""Return text so that Markdown shows it as it is: no HTML, no emphasis, no link and no code; white space is one.

    With `brackets` those are escaped, too, as the name of an image needs it.

    >>> print(plain("<b>5 < 6, 2*3*4 of tile_rows, _a_"))
    &lt;b>5 < 6, 2\*3\*4 of tile_rows, \_a\_
    """
    marks = r"[\\`*#~\[\]]" if brackets else r"[\\`*#~]|\](?=[(\[:])"
    text = re.sub(rf"{marks}|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", re.sub(r"\s+", " ", text))
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", re.sub(r"&(?=#?\w+;)", "&amp;", text))
