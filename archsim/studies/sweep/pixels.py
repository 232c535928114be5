"""Many points as pixels: how many lie in each small rectangle of a figure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from archsim.base.words import counted
from archsim.report.colours import BUSY
from archsim.report.figure import Axis, Box, Legend

MOST_DOTS = 2000
"""So many points are drawn one by one: a screen has some 2,000 columns."""
ACROSS, UP = 100, 50
"""Pixels of a figure: it is twice as wide as it is high."""


def pixels(places: Sequence[tuple[float, float]], across: Axis, up: Axis) -> tuple[tuple[Box, ...], Legend]:
    """Return a box for each pixel in which points lie, darker for more of them, and what the tones mean."""
    counts = Counter((_step(across, x, ACROSS), _step(up, y, UP)) for x, y in places)
    most = max(counts.values(), default=1)
    found = []
    for (column, row), count in sorted(counts.items()):
        left, right = (_value(across, (column + side) / ACROSS) for side in (0, 1))
        low, high = (_value(up, (row + side) / UP) for side in (0, 1))
        tone = BUSY[round((len(BUSY) - 1) * math.log(count) / math.log(most)) if most > 1 else -1]
        found.append(Box(left, low, right - left, high - low, tone, counted(count, "point")))
    ends = {1: BUSY[0], most: BUSY[-1]}
    return tuple(found), tuple((f"{counted(count, 'point')} in a pixel", tone) for count, tone in ends.items())


def _step(axis: Axis, value: float, steps: int) -> int:
    return min(max(int(axis.place(value) / 100 * steps), 0), steps - 1)


def _value(axis: Axis, share: float) -> float:
    return axis.low * (axis.high / axis.low) ** share if axis.log else axis.low + share * (axis.high - axis.low)
