"""A pair of figures of the same work, archsim's and the other's, and tables of them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from archsim.base.record import Record
from archsim.base.units import engineering
from archsim.report.table import Column, Said, Table


class Pair(Record):
    """One figure of the same work in SI units, by archsim and by the other; `unit` is "" for counts."""

    work: str
    figure: str
    unit: str
    archsim: float
    other: float

    @property
    def ratio(self) -> float:
        """archsim's over the other's."""
        return self.archsim / self.other


def pairs_table(name: str, title: str, other: str, pairs: Iterable[Pair], note: str = "") -> Table:
    """Return a table: same work, figure, archsim, the other, ratio."""
    columns = tuple(map(Column, ("same work", "figure", "archsim", other, "archsim / other")))
    rows = tuple(
        (each.work, each.figure, _said(each.archsim, each.unit), _said(each.other, each.unit),
         Said(each.ratio, ratio_text(each.ratio)))
        for each in pairs
    )  # fmt: skip
    return Table(name, title, columns, rows, note, most=len(rows))


def _said(value: float, unit: str) -> Said:
    return Said(value, engineering(value, unit) if unit else f"{value:.6g}")


def ratio_text(ratio: float) -> str:
    """Return a ratio as text.

    >>> ratio_text(0.9407), ratio_text(1.0), ratio_text(0.0000246)
    ('0.941', '1.000', '0.0000246')
    """
    return f"{ratio:.3f}" if ratio >= 0.01 else np.format_float_positional(ratio, precision=3, fractional=False)


def rounded(value: float, digits: int = 7) -> float:
    """Return a value with so many significant digits, as the data file has it.

    >>> rounded(0.123456789), rounded(1234.5, 2)
    (0.1234568, 1200.0)
    """
    return float(f"{value:.{digits}g}")
