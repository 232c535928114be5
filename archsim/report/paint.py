"""Figures by matplotlib, for papers and notebooks: the same data as the page shows, as PDF, PNG or an own Figure."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO

from archsim.base.scratch import give_matplotlib_a_folder
from archsim.base.texts import cells, short, visible
from archsim.report.figure import MOST_LETTERS, Axis, Bars, Box, Lanes, Legend, Plan, Plot
from archsim.report.figure import Figure as Shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = ("pdf", "png")
WIDTH = 6.8
"""Inches: two columns of most journals."""
FONTS = ("DejaVu Sans", "Noto Sans CJK JP", "Noto Sans CJK SC", "WenQuanYi Zen Hei", "Noto Sans Arabic", "Noto Emoji")
"""Where matplotlib's own font lacks a letter, that of the first of these which is installed is drawn, or a box."""
STYLE: dict[Any, Any] = {
    "font.size": 8, "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
    "grid.color": "#e4e4e4", "legend.frameon": False, "pdf.fonttype": 42,
}  # fmt: skip


def save(figure: Shown, suffix: str, file: BinaryIO) -> None:
    """Write a figure as "pdf" or "png"; its bytes depend on the figure and matplotlib's version."""
    metadata = {"CreationDate": None} if suffix == "pdf" else {"Software": None}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        painted(figure).savefig(file, format=suffix, dpi=200, metadata=metadata)


def painted(figure: Shown) -> Figure:
    """Return a figure as matplotlib's, to be changed or saved as one likes."""
    give_matplotlib_a_folder()
    with _without_news_of_fonts():
        import matplotlib as mpl
        from matplotlib.figure import Figure
        from matplotlib.font_manager import get_font_names

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update({**STYLE, "font.family": [name for name in FONTS if name in get_font_names()]})
        made = Figure(layout="constrained")
        axes = made.subplots()
        match figure:
            case Bars():
                _bars(axes, figure)
                height = 0.9 + 0.2 * len(figure.bars)
            case Plot():
                _plot(axes, figure)
                height = 3.2
            case Lanes():
                _lanes(axes, figure)
                height = 0.9 + 0.2 * len(figure.lanes)
            case Plan():
                _plan(axes, figure)
                height = min(9.0, 0.5 + WIDTH * figure.height / 1000)
        made.set_size_inches(WIDTH, height)
        _legend(made, figure.legend, figure.marks if isinstance(figure, Plot) else {})
    return made


@contextmanager
def _without_news_of_fonts() -> Iterator[None]:
    """Keep matplotlib from saying that it looks for fonts, which it does where that takes long: never twice alike."""
    logger = logging.getLogger("matplotlib.font_manager")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _seen(boxes: Iterable[Box]) -> Iterator[Box]:
    """Yield the boxes that are more than a tooltip's place on the page."""
    return (box for box in boxes if box.tone != "transparent")


def _plain(text: str) -> str:
    return short(visible(text), MOST_LETTERS).replace("$", r"\$")


def _legend(figure: Figure, legend: Legend, marks: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    def key(text: str, tone: str) -> Any:
        mark = marks.get(text)
        if not mark:
            return Patch(color=tone, label=_plain(text))
        line: dict[str, Any] = {"ls": "--"} if mark == "dashed" else {"ls": "", "marker": "o", "mfc": "white"}
        return Line2D([], [], color=tone, label=_plain(text), **line)

    if legend:
        figure.legend(
            handles=[key(*each) for each in legend],
            loc="outside upper left",
            fontsize=7,
            handlelength=1.0,
            ncols=max(1, min(4, 120 // (8 + max(cells(short(text, MOST_LETTERS)) for text, _ in legend)))),
        )


def _ticks(axes: Axes, which: str, own: Axis) -> None:
    axes.set(**{f"{which}scale": "log" if own.log else "linear", f"{which}lim": (own.low, own.high)})
    axes.minorticks_off()
    axes.set(**{f"{which}ticks": [value for value, _ in own.ticks], f"{which}label": _plain(own.label)})
    axes.set(**{f"{which}ticklabels": [_plain(text) for _, text in own.ticks]})


def _bars(axes: Axes, own: Bars) -> None:
    for place, bar in enumerate(own.bars):
        for piece in bar.pieces:
            strip, of = piece.strip
            axes.barh(place - 0.36 + 0.72 * (strip + 0.5) / of, piece.length, 0.72 / of, left=piece.start,
                      color=piece.tone)  # fmt: skip
        text = f"  {_plain(bar.text)}" if bar.text else ""
        axes.annotate(text, (1.0, place), xycoords=("axes fraction", "data"), va="center", fontsize=7)
    axes.set_yticks(range(len(own.bars)), [_plain(bar.label) for bar in own.bars])
    axes.set_ylim(len(own.bars) - 0.5, -0.5)
    _ticks(axes, "x", own.axis)
    axes.grid(axis="x")
    if own.band is not None:
        axes.axvspan(*own.band, color="#dfe9e2", zorder=0)
    if own.zero is not None:
        axes.axvline(own.zero, color="#6b6b6b", lw=0.8)


def _plot(axes: Axes, own: Plot) -> None:
    from matplotlib.patches import Rectangle

    for box in _seen(own.boxes):
        axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, color=box.tone, alpha=0.5, lw=0))
    for series in own.series:
        xs, ys = [dot.x for dot in series.dots], [dot.y for dot in series.dots]
        if series.line:
            axes.plot(xs, ys, color=series.tone, lw=0.6 if series.thin else 1.3, ls="--" if series.dashed else "-")
        if series.spread:
            axes.errorbar(xs, ys, series.spread, fmt="none", ecolor=series.tone, elinewidth=0.8, capsize=2)
        for dot in series.dots if series.shown else ():
            face = "white" if dot.hollow else series.tone
            axes.plot([dot.x], [dot.y], "o", ms=8 * dot.size, mfc=face, mec=series.tone)
            text = _plain(dot.text)
            axes.annotate(text, (dot.x, dot.y), (0, 5), textcoords="offset points", ha="center", fontsize=6.5)
    _ticks(axes, "x", own.x)
    _ticks(axes, "y", own.y)
    axes.grid()


def _lanes(axes: Axes, own: Lanes) -> None:
    for part in own.stretches:
        axes.barh(part.lane, part.length * own.cycle_ns, 0.8, left=part.begin * own.cycle_ns, color=part.tone)
    axes.set_yticks(range(len(own.lanes)), [_plain(name) for name in own.lanes])
    axes.set_ylim(len(own.lanes) - 0.5, -0.5)
    _ticks(axes, "x", own.axis)


def _plan(axes: Axes, own: Plan) -> None:
    from matplotlib.patches import PathPatch, Rectangle
    from matplotlib.path import Path as Line

    axes.add_patch(Rectangle((0, 0), 1000, own.height, fc="white", ec="#6b6b6b", lw=0.6))
    for box in own.crowd:
        axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, fc=box.tone, lw=0))
    for box in _seen(own.boxes):
        axes.add_patch(Rectangle((box.x, box.y), box.width, box.height, fc=box.tone, ec="#6b6b6b", lw=0.4))
    for wire in own.wires:
        axes.add_patch(PathPatch(Line(wire.points), fc="none", ec=wire.tone, lw=0.5 * wire.width))
    points = 72 * WIDTH / 1000
    for text in own.texts:
        axes.annotate(_plain(text.text), (text.x, text.y), ha="center", va="center", fontsize=text.size * points,
                      rotation=90 if text.upright else 0, color="white" if text.dark else "#22262a")  # fmt: skip
    axes.set_xlim(-2, 1002)
    axes.set_ylim(own.height + 2, -2)
    axes.set_aspect("equal")
    axes.set_axis_off()
