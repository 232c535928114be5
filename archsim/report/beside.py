"""Texts beside the points of a plot, where there is room for them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archsim.report.figure import Plot

Place: TypeAlias = tuple[float, float, float, float]
LETTER, LINE = 7.2, 13.0
"""How wide a letter and how high a line of these texts is, in pixels."""
DOT = 11.0
"""The diameter of a large dot, in pixels."""


@dataclass(frozen=True)
class Beside:
    """A text: where its point is, in percent of the plot with y downwards, and its middle, in pixels from there."""

    x: float
    y: float
    dx: float
    dy: float
    text: str
    tone: str


def beside(plot: Plot, width: float, height: float) -> list[Beside]:
    """Return the texts of a plot of that size in pixels which cover no dot, no other text and as little line as can be.

    Texts for which there is no room are left out: tooltips have them all.
    """
    points = [
        (dot, series.tone, width * plot.x.place(dot.x) / 100, height * (1 - plot.y.place(dot.y) / 100))
        for series in plot.series for dot in series.dots
    ]  # fmt: skip
    taken = [_around(x, y, dot.size * DOT + 2, dot.size * DOT + 2) for dot, _, x, y in points]
    crossed = _tracks(plot, width, height)
    found = []
    for dot, tone, x, y in points:
        if not dot.text:
            continue
        wide, high = len(dot.text) * LETTER + 4, LINE
        best: tuple[int, float, float, Place] | None = None
        for gap, (right, up) in itertools.product((4.0, 12.0, 22.0), _AROUND):
            away = gap + dot.size * DOT / 2
            dx, dy = right * (wide / 2 + away), up * (high / 2 + away)
            place = _around(x + dx, y + dy, wide, high)
            if not (place[0] >= 0 and place[2] <= width and place[1] >= 0 and place[3] <= height):
                continue
            if any(_overlap(place, other) for other in taken):
                continue
            cost = sum(place[0] <= a <= place[2] and place[1] <= b <= place[3] for a, b in crossed)
            if best is None or cost < best[0]:
                best = cost, dx, dy, place
            if cost == 0:
                break
        if best is not None:
            taken.append(best[3])
            found.append(Beside(100 * x / width, 100 * y / height, best[1], best[2], dot.text, tone))
    return found


_AROUND = ((0, -1), (0, 1), (1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1))


def _tracks(plot: Plot, width: float, height: float) -> list[tuple[float, float]]:
    """Return points along all lines and error bars, three pixels apart, in pixels with y downwards."""
    crossed: list[tuple[float, float]] = []
    for series in plot.series:
        ends: Sequence[tuple[float, float]] = [
            (width * plot.x.place(dot.x) / 100, height * (1 - plot.y.place(dot.y) / 100)) for dot in series.dots
        ]
        pairs = list(itertools.pairwise(ends)) if series.line else []
        for dot, half, (x, _) in zip(series.dots, series.spread, ends, strict=False):
            low, high = max(dot.y - half, plot.y.low), min(dot.y + half, plot.y.high)
            pairs.append(((x, height * (1 - plot.y.place(low) / 100)), (x, height * (1 - plot.y.place(high) / 100))))
        for (ax, ay), (bx, by) in pairs:
            steps = int(max(abs(bx - ax), abs(by - ay)) / 3) + 1
            crossed += [(ax + (bx - ax) * i / steps, ay + (by - ay) * i / steps) for i in range(steps + 1)]
    return crossed


def _around(x: float, y: float, width: float, height: float) -> Place:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: Place, b: Place) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
