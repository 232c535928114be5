"""Figures as data, one class for each kind: what they show, in the units of their axes; painters know nothing else."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archsim.base.units import engineering

Legend: TypeAlias = tuple[tuple[str, str], ...]
"""(text, colour) of each thing that a figure tells apart by colour."""
MOST_LETTERS = 52
"""So wide is a label in a figure at most; its tooltip has the whole."""


@dataclass(frozen=True)
class Shown:
    """What every figure has: the name of its file, its title, and sentences that explain it."""

    name: str
    title: str
    says: str


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, with (value, text) of its ticks."""

    label: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    log: bool = False

    def place(self, value: float) -> float:
        """Return where a value stands, in percent of the axis' length.

        >>> Axis("", 1.0, 100.0, (), log=True).place(10.0)
        50.0
        """
        if self.log:
            return 100 * math.log(value / self.low) / math.log(self.high / self.low)
        return 100 * (value - self.low) / (self.high - self.low)

    def marks(self) -> list[tuple[float, str]]:
        """Return (percent, text) of each tick."""
        return [(self.place(value), text) for value, text in self.ticks]


def round_step(span: float, count: int) -> float:
    """Return the least 1, 2 or 5 times a power of ten of which `count` reach over a span.

    >>> round_step(0.9, 4), round_step(3e-7, 3)
    (0.5, 1e-07)
    """
    power = 10.0 ** (math.floor(math.log10(span / count)) - 1)
    steps = (base * power * 10**i for i in range(4) for base in (1, 2, 5))
    return next(float(f"{step:.0e}") for step in steps if step * count >= span * (1 - 1e-9))


def linear(
    label: str, values: Sequence[float], say: Callable[[float], str], *, low: float | None = None,
    high: float | None = None, count: int = 5, room: float = 0.0,
) -> Axis:  # fmt: skip
    """Return an axis with two round ticks or more over all values, and `room` as a share of their span at free ends."""
    least = min(values) if low is None else low
    most = max(values) if high is None else high
    if not least < most:
        half = 0.5 * abs(most) or 0.5
        least, most = (least - half if low is None else low), (most + half if high is None else high)
        most = most if most > least else least + 1.0
    span = most - least
    least, most = (least - room * span if low is None else low), (most + room * span if high is None else high)
    ticks: list[float] = []
    while len(ticks) < 2:
        step = round_step(most - least, count)
        first, last = math.ceil(least / step - 1e-9), math.floor(most / step + 1e-9)
        ticks = [float(f"{i * step:.12g}") for i in range(first, last + 1)]
        count += 1
    return Axis(label, least, most, tuple((tick, say(tick)) for tick in ticks))


def logarithmic(label: str, values: Sequence[float], say: Callable[[float], str], *, room: float = 0.0) -> Axis:
    """Return a logarithmic axis over positive values, with a tick at each 1, 2 and 5, or at each power of ten.

    Where these would be fewer than two, round steps are.
    """
    least, most = min(values), max(values)
    if least == most:
        least, most = least / 2, most * 2
    grow = (most / least) ** room
    least, most = least / grow, most * grow
    bases = (1, 2, 5) if most / least <= 500 else (1,)
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    jump = 1 + len(powers) // 9
    ticks = [tick for power in powers[::jump] for base in bases if least <= (tick := float(f"{base}e{power}")) <= most]
    if len(ticks) < 2:
        ticks = [tick for tick, _ in linear("", (), say, low=least, high=most).ticks]
    return Axis(label, least, most, tuple((tick, say(tick)) for tick in ticks), log=True)


def axis(label: str, values: Sequence[float], unit: str = "", *, room: float = 0.08, zero: bool = False) -> Axis:
    """Return an axis that suits values of an SI unit (or "%", or none): logarithmic beyond a decade, unless from zero.

    Texts of ticks are in engineering units.
    """

    def text(value: float) -> str:
        if unit == "%":
            return f"{100 * value:.6g} %"
        return "0" if value == 0 else engineering(value, unit, 3) if unit else f"{value:,.6g}"

    if not zero and min(values) > 0 and max(values) > 10 * min(values):
        return logarithmic(label, values, text, room=room)
    return linear(label, values, text, low=0.0 if zero else None, room=room)


@dataclass(frozen=True)
class Piece:
    """A piece of a bar: where it starts and how long it is, in the unit of the axis; its colour and tooltip.

    `strip` is (i, n): it takes the i-th, from 0, of n equal strips of the bar's height; by default all of it.
    """

    start: float
    length: float
    tone: str
    tip: str
    strip: tuple[int, int] = (0, 1)


@dataclass(frozen=True)
class Bar:
    """A bar: what it is, what is written beside it, and its pieces. A `head` has none: it names the bars below it."""

    label: str
    text: str
    pieces: tuple[Piece, ...] = ()
    head: bool = False


@dataclass(frozen=True)
class Bars(Shown):
    """Horizontal bars over one axis. A line stands at `zero`, a tint over `band`, if given."""

    bars: tuple[Bar, ...]
    axis: Axis
    legend: Legend = ()
    zero: float | None = None
    band: tuple[float, float] | None = None

    @property
    def tinted(self) -> tuple[float, float] | None:
        """The part of the band that is on the axis, as (place, width) in percent of its length."""
        if self.band is None:
            return None
        low, high = (self.axis.place(min(max(end, self.axis.low), self.axis.high)) for end in self.band)
        return low, high - low


@dataclass(frozen=True)
class Dot:
    """A point with its tooltip; `text` is written beside it where there is room. `size` is its share of a large dot."""

    x: float
    y: float
    tip: str
    text: str = ""
    size: float = 0.75
    hollow: bool = False


@dataclass(frozen=True)
class Series:
    """Points of one colour in their order, joined by a line unless told otherwise.

    `spread` are half-widths of error bars, one for each point; without `shown` the line alone is drawn. The line's
    tooltip is `tip`, or the label. The legend leaves out what has no label or is `thin`, one of several behind another.
    """

    label: str
    tone: str
    dots: tuple[Dot, ...]
    line: bool = True
    dashed: bool = False
    shown: bool = True
    spread: tuple[float, ...] = ()
    thin: bool = False
    tip: str = ""

    @property
    def mark(self) -> str:
        """How a legend shows it where colour is not all: "dashed", "hollow" for points alone, or ""."""
        if self.line:
            return "dashed" if self.dashed else ""
        return "hollow" if all(dot.hollow for dot in self.dots) else ""


@dataclass(frozen=True)
class Box:
    """A rectangle over the axes, with its tooltip: a bin of a histogram, or a range."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    tip: str


@dataclass(frozen=True)
class Plot(Shown):
    """Boxes, then lines and points, over two axes."""

    x: Axis
    y: Axis
    series: tuple[Series, ...] = ()
    boxes: tuple[Box, ...] = ()
    extra: Legend = ()

    @property
    def legend(self) -> Legend:
        """What colours mean: a label stands once."""
        named = dict.fromkeys((own.label, own.tone) for own in self.series if own.label and not own.thin)
        return (*named, *self.extra)

    @property
    def marks(self) -> dict[str, str]:
        """The mark of each label, of its first series."""
        return {own.label: own.mark for own in reversed(self.series)}


@dataclass(frozen=True)
class Stretch:
    """A stretch of a lane, in cycles from the beginning, its colour and tooltip."""

    lane: int
    begin: int
    length: int
    tone: str
    tip: str


@dataclass(frozen=True)
class Lanes(Shown):
    """Stretches of cycles in named lanes; a cycle takes `cycle_ns` nanoseconds."""

    lanes: tuple[str, ...]
    stretches: tuple[Stretch, ...]
    cycles: int
    cycle_ns: float
    axis: Axis
    legend: Legend


@dataclass(frozen=True)
class Wire:
    """A line through points, in the drawing's units, with its tooltip."""

    points: tuple[tuple[float, float], ...]
    tone: str
    width: float
    tip: str

    def path(self) -> str:
        """Return it as a path of SVG."""
        return "M" + " ".join(f"{x:.1f} {y:.1f}" for x, y in self.points)


@dataclass(frozen=True)
class Label:
    """A text of the drawing: its middle; its size in the drawing's units; whether it runs upwards, or is on dark."""

    x: float
    y: float
    size: float
    text: str
    upright: bool = False
    dark: bool = False


@dataclass(frozen=True)
class Ramp:
    """A colour scale from zero: its colours in order, and what stands at its end."""

    tones: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Plan(Shown):
    """A drawing to scale, 1,000 units wide: `crowd`, without tooltips, is drawn first, then blocks, links and texts."""

    height: float
    boxes: tuple[Box, ...]
    crowd: tuple[Box, ...] = ()
    wires: tuple[Wire, ...] = ()
    texts: tuple[Label, ...] = ()
    legend: Legend = ()
    ramps: tuple[Ramp, ...] = ()


Figure: TypeAlias = Bars | Plot | Lanes | Plan
