"""Rectangles among each other: which overlap, what they leave of a die, and how that is covered by rectangles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from archsim.base.limits import GAPS
from archsim.chip.floorplan.plan import Rect

TOUCH_M = 1e-10
"""Edges nearer than this are one: finer than any mask, coarser than the rounding of decimals; no result turns on it."""


def overlaps(rects: Sequence[Rect]) -> Iterator[tuple[int, int, Rect]]:
    """Yield (i, j, common rectangle) of any two that share more than an edge, from left to right."""
    order = sorted(range(len(rects)), key=lambda i: (rects[i].x_m, i))
    open_: list[int] = []
    for i in order:
        a = rects[i]
        open_ = [j for j in open_ if rects[j].x_m + rects[j].width_m > a.x_m + TOUCH_M]
        for j in open_:
            common = intersection(a, rects[j])
            if common.width_m > TOUCH_M and common.height_m > TOUCH_M:
                yield min(i, j), max(i, j), common
        open_.append(i)


def intersection(a: Rect, b: Rect) -> Rect:
    """Return what two rectangles have in common; its sizes are negative where they lie apart."""
    x, y = max(a.x_m, b.x_m), max(a.y_m, b.y_m)
    right = min(a.x_m + a.width_m, b.x_m + b.width_m)
    return Rect(x, y, right - x, min(a.y_m + a.height_m, b.y_m + b.height_m) - y)


@dataclass(frozen=True)
class Holes:
    """A die cut along all edges of its rectangles: `free[row, column]` tells which pieces none of them covers."""

    xs_m: tuple[float, ...]
    ys_m: tuple[float, ...]
    free: np.ndarray[tuple[int, int], np.dtype[np.bool_]]

    @property
    def area_m2(self) -> float:
        """What is not covered, in square metres."""
        return float(np.sum(self.free * np.outer(np.diff(self.ys_m), np.diff(self.xs_m))))

    def rect(self, top: int, left: int, bottom: int, right: int) -> Rect:
        """Return the rectangle of pieces [top, bottom) x [left, right)."""
        x, y = self.xs_m[left], self.ys_m[top]
        return Rect(x, y, self.xs_m[right] - x, self.ys_m[bottom] - y)

    def largest(self) -> Rect | None:
        """Return the largest rectangle that touches none of the others, or None if the die is covered."""
        best: Rect | None = None
        rows, columns = self.free.shape
        since = np.zeros(columns, dtype=int)  # above each piece of this row, where the free pieces begin
        for row in range(rows):
            since = np.where(self.free[row], since, row + 1)
            stack: list[tuple[int, int]] = []  # (left edge, first row), the higher ones last
            for column in range(columns + 1):
                begin = int(since[column]) if column < columns else row + 1
                left = column
                while stack and stack[-1][1] < begin:
                    left, top = stack.pop()
                    found = self.rect(top, left, row + 1, column)
                    if best is None or found.area_m2 > best.area_m2:
                        best = found
                if begin <= row and (not stack or stack[-1][1] > begin):
                    stack.append((left, begin))
        return best

    def cover(self) -> tuple[Rect, ...]:
        """Return rectangles that cover exactly what is free: runs along x, joined along y while they are alike."""
        done: list[Rect] = []
        running: dict[tuple[int, int], int] = {}
        rows = self.free.shape[0]
        for row in range(rows + 1):
            runs = set(_runs(self.free[row])) if row < rows else set()
            ended = sorted(running.keys() - runs)
            done += [self.rect(running.pop(run), run[0], row, run[1]) for run in ended]
            running |= dict.fromkeys(runs - running.keys(), row)
        return tuple(done)


def _runs(free: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], free, [False]))))
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def holes(die: Rect, rects: Sequence[Rect]) -> Holes:
    """Return what the rectangles leave of a die; edges nearer than `TOUCH_M` are one."""
    xs = _lines([die.x_m, die.x_m + die.width_m], [x for r in rects for x in (r.x_m, r.x_m + r.width_m)])
    ys = _lines([die.y_m, die.y_m + die.height_m], [y for r in rects for y in (r.y_m, r.y_m + r.height_m)])
    GAPS.check((len(ys) - 1) * (len(xs) - 1), "floorplan")
    free = np.ones((len(ys) - 1, len(xs) - 1), dtype=bool)
    along = np.searchsorted(xs, np.array([(r.x_m - TOUCH_M, r.x_m + r.width_m - TOUCH_M) for r in rects]).reshape(-1))
    down = np.searchsorted(ys, np.array([(r.y_m - TOUCH_M, r.y_m + r.height_m - TOUCH_M) for r in rects]).reshape(-1))
    for (left, right), (top, bottom) in zip(along.reshape(-1, 2).tolist(), down.reshape(-1, 2).tolist(), strict=True):
        free[top:bottom, left:right] = False
    return Holes(xs, ys, free)


def _lines(ends: Sequence[float], cuts: Sequence[float]) -> tuple[float, ...]:
    """Return the ends and the cuts between them in order, near ones once; the ends stay as they are."""
    first, last = ends
    inner = sorted(cut for cut in cuts if first + TOUCH_M < cut < last - TOUCH_M)
    kept = [first, *(cut for before, cut in pairwise([first, *inner]) if cut - before > TOUCH_M), last]
    return tuple(kept)
