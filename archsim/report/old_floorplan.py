"""The floorplan as a drawing to scale: tiles, host port, blocks and links; after a run with power density and load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from archsim.base.units import engineering
from archsim.chip.floorplan import CHANNEL, DIGITAL, Block, Rect
from archsim.chip.graph import Chip
from archsim.chip.places import INSIDE, Line, Wire, wires_of
from archsim.chip.topologies.package import PORT
from archsim.report.drawing import draw, literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Load:
    """What a run did to the chip: mean power in watts by tile and host, and the share of cycles each link was held."""

    power_w: Mapping[str, float]
    busy: Mapping[str, float]


@dataclass(frozen=True)
class Limits:
    """The ends of the colour scales, so that several drawings can share them: watts per square metre; busy share."""

    density_w_per_m2: float
    busy: float


@dataclass(frozen=True)
class Layout:
    """The die: its size in metres, rectangles that have an area, and a line in metres for each link with a length."""

    width_m: float
    height_m: float
    blocks: tuple[Block, ...]
    wires: tuple[Wire, ...]


def layout_of(chip: Chip) -> Layout:
    """Return the layout of a chip."""
    return Layout(chip.plan.width_m, chip.plan.height_m, chip.plan.named(), tuple(wires_of(chip)))


def limits_of(drawn: Iterable[tuple[Chip, Load]]) -> Limits:
    """Return the least limits that hold everything of several chips with what a run did to them."""
    return limits_from((layout_of(chip), load) for chip, load in drawn)


def limits_from(drawn: Iterable[tuple[Layout, Load]]) -> Limits:
    """Return the least limits that hold everything of several layouts with what a run did to them."""
    pairs = list(drawn)
    shown = [value for layout, load in pairs for value in densities(layout.blocks, load).values()]
    busy = [load.busy.get(name, 0.0) for layout, load in pairs for name, _ in layout.wires]
    return Limits(max(shown, default=0.0), max(busy, default=0.0))


def densities(blocks: Sequence[Block], load: Load | None) -> dict[str, float]:
    """Return watts per square metre by name, of what has a power of its own."""
    if load is None:
        return {}
    return {b.name: load.power_w[b.name] / b.rect.area_m2 for b in blocks if b.name in load.power_w}


Colour: TypeAlias = tuple[float, ...]
MM = 1e3
TONES = {"tile": "#d6e6f2", "host_port": "#aab4bd", PORT: "#c9c0d6", DIGITAL: "#cfe3d4", CHANNEL: "#efece4"}
WORDS = {
    "tile": "tile", "host_port": "host port", PORT: "port of a chip", DIGITAL: "digital block",
    CHANNEL: "routing channel",
}  # fmt: skip
LINK, DARK = "#8e5ea2", "#2b2b2b"
POWER_MAP, LOAD_MAP = "YlOrBr", "PuBuGn"  # sequential, and told apart with any colour vision (ColorBrewer)
_POWERS = ((1.0, "W"), (1e-3, "mW"), (1e-6, "uW"), (1e-9, "nW"))
_LEAST_TEXT, _LEAST_OF_TWO, _MOST_TEXT = 3.6, 6.0, 9.0  # points
_MOST_SHAPES = 2000
"""More rectangles or links are drawn as pixels: the file grows with the drawing's size, not with the chip's."""


def floorplan_drawing(chip: Chip, load: Load | None = None, limits: Limits | None = None) -> str:
    """Return the SVG of a chip's floorplan, as `draw_layout`."""
    return draw_layout(layout_of(chip), load, limits)


def draw_layout(plan: Layout, load: Load | None = None, limits: Limits | None = None) -> str:
    """Return the SVG of a floorplan in millimetres, y downwards.

    With a load, rectangles have the colour of their power density and links that of their load; the scales end at the
    chip's own largest values, or at `limits`.
    """
    ends = limits or (Limits(0.0, 0.0) if load is None else limits_from([(plan, load)]))
    width, aside = 8.0, 1.0 if load is None else 2.6  # inches, and what labels and colour bars take of them
    height = min(8.5, max(2.2, (width - aside) * plan.height_m / plan.width_m)) + 1.1
    inches_per_m = min((width - aside) / plan.width_m, (height - 1.1) / plan.height_m)
    wires = [(name, [(x * MM, y * MM) for x, y in line]) for name, line in plan.wires]
    bent = [line for _, line in wires if len(line) > 2]  # straight ones end short of the middle of their sites

    def paint(figure: Figure) -> None:
        figure.set_layout_engine("compressed")  # made for axes to scale
        axes = figure.subplots()
        blocks = plan.blocks
        tones = _rectangles(figure, axes, blocks, load, ends)
        _links(figure, axes, wires, load, ends)
        for texts in (_labels([b for b in blocks if b.kind == kind], load, inches_per_m * 72) for kind in WORDS):
            for text in texts:
                _write(axes, text, tones[text.block.name], bent)
        axes.set_xlim(0, plan.width_m * MM)
        axes.set_ylim(plan.height_m * MM, 0)
        axes.set_aspect("equal")
        axes.set_xlabel("x, mm")
        axes.set_ylabel("y, mm")
        axes.spines[["top", "right"]].set_visible(True)
        figure.legend(handles=_handles(plan, load), loc="outside lower center", ncols=6, handlelength=1.4)

    return draw(paint, width, height)


# ---- rectangles


def _rectangles(
    figure: Figure, axes: Axes, blocks: Sequence[Block], load: Load | None, ends: Limits
) -> dict[str, Colour]:
    """Draw the rectangles, and return the colour of each by name."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import PatchCollection
    from matplotlib.colors import Normalize, to_rgba
    from matplotlib.patches import Rectangle

    dense = densities(blocks, load)
    top_w_per_mm2 = ends.density_w_per_m2 * 1e-6
    scale, unit = _scale(top_w_per_mm2)
    heat = ScalarMappable(Normalize(0, top_w_per_mm2 / scale or 1.0), POWER_MAP)
    shown = heat.to_rgba(np.array([dense.get(block.name, 0.0) for block in blocks]) * 1e-6 / scale)
    tones = {
        block.name: tuple(map(float, tone)) if block.name in dense else to_rgba(TONES[block.kind])
        for block, tone in zip(blocks, shown, strict=True)
    }
    patches = [
        Rectangle((b.rect.x_m * MM, b.rect.y_m * MM), b.rect.width_m * MM, b.rect.height_m * MM) for b in blocks
    ]  # fmt: skip
    axes.add_collection(
        PatchCollection(patches, facecolors=list(tones.values()), edgecolors="#6b6b6b", linewidths=0.5,
                        rasterized=len(patches) > _MOST_SHAPES)
    )  # fmt: skip
    if dense:
        figure.colorbar(heat, ax=axes, label=f"power density, {unit}/mm2", fraction=0.05, pad=0.02, aspect=25)
    return tones


def _scale(largest_w: float) -> tuple[float, str]:
    return next(((scale, unit) for scale, unit in _POWERS if largest_w >= scale), _POWERS[-1])


@dataclass(frozen=True)
class _Text:
    """A block's label: its lines, their size in points, and whether they run upwards."""

    block: Block
    text: str
    points: float
    upright: bool


def _labels(blocks: Sequence[Block], load: Load | None, points_per_m: float) -> list[_Text]:
    """Return names, and powers if there is room, as large as all blocks of a kind allow; none too small to read."""
    names = [[block.name] for block in blocks]
    powers = {} if load is None else load.power_w
    both = [[b.name, engineering(powers[b.name], "W", 3)] if b.name in powers else [b.name] for b in blocks]
    roomy = all(_points(b.rect, own, points_per_m) >= _LEAST_OF_TWO for b, own in zip(blocks, both, strict=True))
    fits = [
        (block, own, size) for block, own in zip(blocks, both if roomy else names, strict=True)
        if (size := _points(block.rect, own, points_per_m)) >= _LEAST_TEXT
    ]  # fmt: skip
    points = min([_MOST_TEXT, *(size for *_, size in fits)])
    return [_Text(block, "\n".join(own), points, _upright(block.rect)) for block, own, _ in fits]


def _upright(rect: Rect) -> bool:
    return rect.height_m > 1.5 * rect.width_m


def _points(rect: Rect, lines: Sequence[str], points_per_m: float) -> float:
    """Return the size at which lines fit between the links that end in a rectangle."""
    sides = (rect.width_m * points_per_m, rect.height_m * points_per_m)
    across, along = sides if _upright(rect) else sides[::-1]
    return min(0.75 * across / len(lines), 2 * INSIDE * along / (0.62 * max(map(len, lines))))


def _write(axes: Axes, text: _Text, tone: Colour, lines: Sequence[Line]) -> None:
    """Write a label in the middle of its block, or above a line that runs across it there."""
    from matplotlib.patheffects import withStroke

    ink, halo = (DARK, "#ffffffb0") if _luminance(tone) > 0.45 else ("#ffffff", "#00000060")
    rect = text.block.rect
    x, y = rect.centre_m
    if not text.upright and any(_crosses(line, rect) for line in lines):
        y -= 0.27 * rect.height_m
    axes.annotate(
        literal(text.text), (x * MM, y * MM), gid=f"label-{text.block.name}", ha="center", va="center",
        fontsize=text.points, color=ink, zorder=5, rotation=90 if text.upright else 0,
        path_effects=[withStroke(linewidth=1.6, foreground=halo)],
    )  # fmt: skip


def _crosses(line: Line, rect: Rect) -> bool:
    """Tell whether a part of a line (in mm) runs along x through the middle of a rectangle."""
    x, y = (centre * MM for centre in rect.centre_m)
    near = 0.15 * rect.height_m * MM
    return any(
        min(ax, bx) < x < max(ax, bx) and abs(ay - y) < near and abs(by - y) < near
        for (ax, ay), (bx, by) in pairwise(line)
    )


def _luminance(tone: Colour) -> float:
    red, green, blue = tone[:3]
    return 0.299 * red + 0.587 * green + 0.114 * blue  # ITU-R BT.601


def _handles(plan: Layout, load: Load | None) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    blocks = plan.blocks
    count = {kind: sum(block.kind == kind for block in blocks) for kind in WORDS}
    powered = () if load is None else ("tile", "host_port")
    handles: list[Any] = [
        Patch(facecolor=TONES[kind], edgecolor="#6b6b6b", label=f"{word} ({number})" if number > 1 else word)
        for kind, word in WORDS.items() if (number := count[kind]) and kind not in powered
    ]  # fmt: skip
    if sum(block.rect.area_m2 for block in blocks) < (1 - 1e-6) * plan.width_m * plan.height_m:
        handles.append(Patch(facecolor="#ffffff", edgecolor="#6b6b6b", label="white space"))
    if load is None:
        handles.append(Line2D([], [], color=LINK, label="link"))
    else:
        handles.append(Line2D([], [], color=DARK, lw=2.2, label="link, one each way: colour and width are its load"))
    return handles


# ---- links


def _links(figure: Figure, axes: Axes, wires: Sequence[Wire], load: Load | None, ends: Limits) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.collections import LineCollection
    from matplotlib.colors import Normalize

    pixels = len(wires) > _MOST_SHAPES
    if load is None:
        lines = [line for _, line in wires]
        axes.add_collection(LineCollection(lines, colors=LINK, linewidths=1.1, zorder=3, rasterized=pixels))
        return
    busy = [100 * load.busy.get(name, 0.0) for name, _ in wires]
    top = 100 * ends.busy or 1.0
    shade = ScalarMappable(Normalize(-0.15 * top, top), LOAD_MAP)  # an idle link is still seen
    order = sorted(range(len(wires)), key=lambda i: (busy[i], i))  # the busiest on top
    lines = [wires[i][1] for i in order]
    widths = [1.0 + 2.0 * busy[i] / top for i in order]
    axes.add_collection(
        LineCollection(lines, colors=DARK, linewidths=[w + 0.8 for w in widths], zorder=3, rasterized=pixels)
    )
    colours = shade.to_rgba(np.array([busy[i] for i in order]))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=widths, zorder=4, rasterized=pixels))
    bar = figure.colorbar(shade, ax=axes, label="load of links, % of cycles held", fraction=0.05, pad=0.04, aspect=25)
    bar.ax.set_ylim(0, top)
