"""What a figure shows, as a table for other tools: it lies beside the drawing, in the units of its axes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from archsim.base.texts import for_csv
from archsim.report.figure import Bars, Figure, Lanes, Plan, Plot


def figure_csv(figure: Figure) -> str:
    """Return a figure's data as CSV: a row for each piece of a bar, point, stretch, or shape of a drawing.

    Values are those of the axes, in SI units; `says` is what the tooltip tells, with its unit. Those of a drawing to
    scale are in its own units, of which it is 1,000 wide.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerows([for_csv(cell) for cell in row] for row in _rows(figure))
    return out.getvalue()


def _rows(figure: Figure) -> Iterator[tuple[Any, ...]]:
    match figure:
        case Bars():
            yield "bar", f"from [{figure.axis.label}]", f"length [{figure.axis.label}]", "says"
            for bar in figure.bars:
                for piece in bar.pieces:
                    yield bar.label, piece.start, piece.length, piece.tip
        case Plot():
            yield "series", f"x [{figure.x.label}]", f"y [{figure.y.label}]", "half-width", "width", "height", "says"
            for series in figure.series:
                for place, dot in enumerate(series.dots):
                    spread = series.spread[place] if series.spread else None
                    yield series.label or series.tip, dot.x, dot.y, spread, None, None, dot.tip
            for box in figure.boxes:
                yield "", box.x, box.y, None, box.width, box.height, box.tip
        case Lanes():
            yield "lane", "begin [cycles]", "length [cycles]", "says"
            for own in figure.stretches:
                yield figure.lanes[own.lane], own.begin, own.length, own.tip
        case Plan():
            yield "shape", "x", "y", "width", "height", "says"
            for box in figure.boxes:
                yield "block", box.x, box.y, box.width, box.height, box.tip
            for wire in figure.wires:
                (x, y), (x_end, y_end) = wire.points[0], wire.points[-1]
                yield "wire", x, y, x_end - x, y_end - y, wire.tip
