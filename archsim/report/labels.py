"""Texts beside the points of a figure, where there is room for them; units of axes, and logarithmic ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")),
    "J": ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ"), (1e-12, "pJ")),
    "m2": ((1e-6, "mm2"), (1e-12, "um2")),
}
Box: TypeAlias = tuple[float, float, float, float]


def scale_of(largest: float, unit: str) -> tuple[float, str]:
    """Return what values in an SI unit are divided by for an axis that ends at the largest, and the unit they have.

    >>> scale_of(0.02, "J")
    (0.001, 'mJ')
    """
    return next(((scale, name) for scale, name in SCALES[unit] if largest >= scale), SCALES[unit][-1])


def scale_axis(axes: Axes, which: str, values: Sequence[float], ticks: Sequence[float] = ()) -> None:
    """Make an axis logarithmic where values span more than a decade, with plain numbers; tick given values."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    wide = min(values) > 0 and max(values) > 10 * min(values)
    if wide:
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        decades = max(values) / min(values) > 1000
        axis.set_major_locator(LogLocator(subs=(1.0,) if decades else (1.0, 2.0, 5.0)))
        axis.set_minor_formatter(NullFormatter())
    if wide or ticks:
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.6g}"))
    places = sorted(math.log(value) if wide else value for value in ticks)
    apart = [(b - a) / (places[-1] - places[0]) for a, b in itertools.pairwise(places)]
    if apart and min(apart) > 0.13:  # so that their numbers do not touch
        axis.set_major_locator(FixedLocator(sorted(ticks)))
        axis.set_minor_locator(NullLocator())


def write_beside(
    figure: Figure,
    axes: Axes,
    labels: Sequence[tuple[float, float, str, str]],
    tracks: Sequence[Sequence[tuple[float, float]]],
    gaps: Sequence[float] = (4.5, 9.0),
    size: float = 6.0,
    identify: bool = False,
) -> None:
    """Write (x, y, text, colour) beside the points, where neither other texts nor dots of `size` nor tracks are.

    `gaps` are the distances to try, from the middles of the dots; they and sizes are in typographic points. A text for
    which there is no room is left out. With `identify` each has `label-` and itself as its id.
    """
    from matplotlib.patheffects import withStroke

    figure.draw_without_rendering()  # lays the figure out, so that places are known
    halo = [withStroke(linewidth=2, foreground="white")]
    dot = figure.dpi / 72
    to_display = axes.transData.transform
    frame = axes.get_window_extent()
    taken = [_box(to_display((x, y)), size * dot, size * dot) for x, y, *_ in labels]
    crossed = []
    for track in tracks:
        ends = [to_display(point) for point in track]
        for (ax, ay), (bx, by) in itertools.pairwise(ends):
            steps = int(max(abs(bx - ax), abs(by - ay)) / (3 * dot)) + 1
            crossed += [(ax + (bx - ax) * i / steps, ay + (by - ay) * i / steps) for i in range(steps + 1)]
    for x, y, text, tone in labels:
        written = axes.annotate(
            text, (x, y), (0, 0), textcoords="offset points", ha="center", va="center", fontsize=7.5,
            color=darker(tone), zorder=4, annotation_clip=False, path_effects=halo,
            gid=f"label-{text}" if identify else None,
        )  # fmt: skip
        written.set_in_layout(False)
        extent = written.get_window_extent()
        width, height = extent.width + dot, extent.height + dot
        centre = to_display((x, y))
        best: tuple[int, tuple[float, float], Box] | None = None
        for gap in gaps:
            for right, up in ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)):
                shift = (right * (width / 2 + gap * dot), up * (height / 2 + gap * dot))
                box = _box((centre[0] + shift[0], centre[1] + shift[1]), width, height)
                inside = frame.x0 <= box[0] and box[2] <= frame.x1 and frame.y0 <= box[1] and box[3] <= frame.y1
                if not inside or any(_overlap(box, other) for other in taken):
                    continue
                cost = sum(box[0] <= a <= box[2] and box[1] <= b <= box[3] for a, b in crossed)
                if best is None or cost < best[0]:
                    best = cost, shift, box
            if best is not None and best[0] == 0:
                break
        if best is None:
            written.remove()
            continue
        written.set_position((best[1][0] / dot, best[1][1] / dot))
        taken.append(best[2])


def darker(tone: str) -> str:
    """Return a colour that can be read as text on white.

    >>> darker("#e0a526")
    '#956e19'
    """
    return "#" + "".join(f"{int(tone[i : i + 2], 16) * 2 // 3:02x}" for i in (1, 3, 5))


def _box(centre: Iterable[float], width: float, height: float) -> Box:
    x, y = centre
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
