"""Texts beside the points of a plot and along its axes, where there is room for them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archsim.base.texts import cells
from archsim.report.figure import Axis, Plot

Place: TypeAlias = tuple[float, float]
Box: TypeAlias = tuple[float, float, float, float]
"""In pixels with y downwards: a point; left, top, right and bottom of a rectangle."""
LETTER, LINE = 7.2, 13.0
"""How wide a letter and how high a line of these texts is, in pixels."""
DOT = 11.0
"""The diameter of a large dot, in pixels."""
TICK, APART = 0.46, 0.5
"""How wide a letter of a tick's text is taken to be, and what is between two of them, in rem on a page."""
BEYOND = (0.5, 1.0)
"""So far, in rem, such a text may stand out of its axis to the left and to the right."""
WIDTHS = (56, 44, 34, 26, 20, 16)
"""In rem: what does not fit on an axis of one of these widths is hidden on all below the next one."""


@dataclass(frozen=True)
class Beside:
    """A text: where its point is, in percent of the plot with y downwards, and its middle, in pixels from there."""

    x: float
    y: float
    dx: float
    dy: float
    text: str


def apart(spans: Iterable[tuple[float, float]], gap: float) -> list[int]:
    """Return the places of those (begin, end) along a line that keep a gap to the last one before which was kept."""
    kept, last = [], -math.inf
    for i, (begin, end) in enumerate(spans):
        if begin > last + gap:
            kept.append(i)
            last = end
    return kept


def ticks(axis: Axis) -> list[tuple[float, str, str]]:
    """Return (percent, text, class) of an axis' ticks on a page, where a class says how wide the axis must be.

    Of ticks that do not fit, every other one is left, and so on. The page's style moves texts in at both ends.
    """
    marks, stride, names = axis.marks(), 1, [""] * len(axis.ticks)
    for i, width in enumerate(WIDTHS):
        while stride < len(marks) and not _fits(marks[::stride], width):
            hidden = range(stride, len(marks), 2 * stride)
            stride *= 2
            for place in hidden:
                names[place] = f"below{WIDTHS[i - 1]}" if i else "never"
    return [(*mark, name) for mark, name in zip(marks, names, strict=True) if name != "never"]


def _fits(marks: Sequence[tuple[float, str]], width: float) -> bool:
    spans = []
    for place, text in marks:
        whole = TICK * len(text)
        begin = min(max(width * place / 100 - whole / 2, -BEYOND[0]), width + BEYOND[1] - whole)
        spans.append((begin, begin + whole))
    return len(apart(spans, APART)) == len(spans)


def beside(plot: Plot, width: float, height: float) -> list[Beside]:
    """Return the texts of a plot of that size in pixels which cover no dot, no other text and as little line as can be.

    Texts for which there is no room are left out: tooltips have them all.
    """

    def at(x: float, y: float) -> Place:
        return width * plot.x.place(x) / 100, height * (1 - plot.y.place(y) / 100)

    points = [(dot, *at(dot.x, dot.y)) for series in plot.series for dot in series.dots]
    taken = [_around(x, y, dot.size * DOT + 2, dot.size * DOT + 2) for dot, x, y in points]
    crossed = list(_tracks(plot, at))
    found = []
    for dot, x, y in points:
        if not dot.text:
            continue
        wide, high = cells(dot.text) * LETTER + 4, LINE
        best: tuple[int, float, float, Box] | None = None
        for gap, (right, up) in itertools.product((4.0, 12.0, 22.0), _AROUND):
            away = gap + dot.size * DOT / 2
            dx, dy = right * (wide / 2 + away), up * (high / 2 + away)
            box = _around(x + dx, y + dy, wide, high)
            inside = box[0] >= 0 and box[2] <= width and box[1] >= 0 and box[3] <= height
            if not inside or any(_overlap(box, other) for other in taken):
                continue
            cost = sum(box[0] <= a <= box[2] and box[1] <= b <= box[3] for a, b in crossed)
            if best is None or cost < best[0]:
                best = cost, dx, dy, box
            if cost == 0:
                break
        if best is not None:
            taken.append(best[3])
            found.append(Beside(100 * x / width, 100 * y / height, best[1], best[2], dot.text))
    return found


_AROUND = ((0, -1), (0, 1), (1, 0), (-1, 0), (1, -1), (-1, -1), (1, 1), (-1, 1))


def _tracks(plot: Plot, at: Callable[[float, float], Place]) -> Iterator[Place]:
    """Yield points along all lines and error bars, three pixels apart."""
    for series in plot.series:
        pairs = list(itertools.pairwise(at(dot.x, dot.y) for dot in series.dots)) if series.line else []
        for dot, half in zip(series.dots, series.spread, strict=False):
            pairs.append((at(dot.x, max(dot.y - half, plot.y.low)), at(dot.x, min(dot.y + half, plot.y.high))))
        for (ax, ay), (bx, by) in pairs:
            steps = int(max(abs(bx - ax), abs(by - ay)) / 3) + 1
            yield from ((ax + (bx - ax) * i / steps, ay + (by - ay) * i / steps) for i in range(steps + 1))


def _around(x: float, y: float, width: float, height: float) -> Box:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
