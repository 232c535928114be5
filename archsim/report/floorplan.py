"""The floorplan as a drawing to scale: tiles, host port, blocks and links; after a run with power density and load."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from archsim.chip.floorplan import CHANNEL, DIGITAL, Block, Plan, Rect
from archsim.chip.graph import Chip
from archsim.chip.places import node_rect
from archsim.metrics import Result, link_rows
from archsim.report.figures import draw
from archsim.units import engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour: TypeAlias = tuple[float, ...]
Line: TypeAlias = list[tuple[float, float]]
Wire: TypeAlias = tuple[str, Line]
MM = 1e3
TONES = {"tile": "#d6e6f2", "host_port": "#aab4bd", DIGITAL: "#cfe3d4", CHANNEL: "#efece4"}
WORDS = {"tile": "tile", "host_port": "host port", DIGITAL: "digital block", CHANNEL: "routing channel"}
LINK, DARK = "#8e5ea2", "#2b2b2b"
POWER_MAP, LOAD_MAP = "YlOrBr", "PuBuGn"  # sequential, and told apart with any colour vision (ColorBrewer)
_POWERS = ((1.0, "W"), (1e-3, "mW"), (1e-6, "uW"), (1e-9, "nW"))
_LEAST_TEXT, _LEAST_OF_TWO, _MOST_TEXT = 3.6, 6.0, 9.0  # points
_INSIDE = 0.33  # of a site, from its centre: where a link that leaves it begins
_BOW = 0.36  # of a site, by which a line that passes over others is bent aside


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


def limits_of(drawn: Iterable[tuple[Chip, Load]]) -> Limits:
    """Return the least limits that hold everything of several chips with what a run did to them."""
    pairs = list(drawn)
    densities = [value for chip, load in pairs for value in _densities(chip.plan.named(), load).values()]
    busy = [load.busy.get(name, 0.0) for chip, load in pairs for name, link in chip.links.items() if link.length_m]
    return Limits(max(densities, default=0.0), max(busy, default=0.0))


def load_of(result: Result) -> Load:
    """Return mean power by tile and host port, wires and routers apart, and the busy share of each link that was."""
    time_s = result.data["metrics"]["time_total_s"]
    power = {name: energy / time_s for name, energy in result.bill.by_tile.items()} if time_s else {}
    return Load(power, {row["name"]: row["utilisation"] or 0.0 for row in link_rows(result.trace)})


def floorplan_drawing(chip: Chip, load: Load | None = None, limits: Limits | None = None) -> str:
    """Return the SVG of a chip's floorplan in millimetres, y downwards.

    With a load, rectangles have the colour of their power density and links that of their load; the scales end at the
    chip's own largest values, or at `limits`.
    """
    plan = chip.plan
    ends = limits or (Limits(0.0, 0.0) if load is None else limits_of([(chip, load)]))
    width, aside = 8.0, 1.0 if load is None else 2.6  # inches, and what labels and colour bars take of them
    height = min(8.5, max(2.2, (width - aside) * plan.height_m / plan.width_m)) + 1.1
    inches_per_m = min((width - aside) / plan.width_m, (height - 1.1) / plan.height_m)
    wires = list(_wires(chip))
    bent = [line for _, line in wires if len(line) > 2]  # straight ones end short of the middle of their sites

    def paint(figure: Figure) -> None:
        figure.set_layout_engine("compressed")  # made for axes to scale
        axes = figure.subplots()
        blocks = plan.named()
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

    densities = _densities(blocks, load)
    top_w_per_mm2 = ends.density_w_per_m2 * 1e-6
    scale, unit = _scale(top_w_per_mm2)
    heat = ScalarMappable(Normalize(0, top_w_per_mm2 / scale or 1.0), POWER_MAP)
    shown = heat.to_rgba(np.array([densities.get(block.name, 0.0) for block in blocks]) * 1e-6 / scale)
    tones = {
        block.name: tuple(map(float, tone)) if block.name in densities else to_rgba(TONES[block.kind])
        for block, tone in zip(blocks, shown, strict=True)
    }
    patches = [
        Rectangle((b.rect.x_m * MM, b.rect.y_m * MM), b.rect.width_m * MM, b.rect.height_m * MM) for b in blocks
    ]  # fmt: skip
    axes.add_collection(PatchCollection(patches, facecolors=list(tones.values()), edgecolors="#6b6b6b", linewidths=0.5))
    if densities:
        figure.colorbar(heat, ax=axes, label=f"power density, {unit}/mm2", fraction=0.05, pad=0.02, aspect=25)
    return tones


def _densities(blocks: Sequence[Block], load: Load | None) -> dict[str, float]:
    """Return watts per square metre by name, of what has a power of its own."""
    if load is None:
        return {}
    return {b.name: load.power_w[b.name] / b.rect.area_m2 for b in blocks if b.name in load.power_w}


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
    return min(0.75 * across / len(lines), 2 * _INSIDE * along / (0.62 * max(map(len, lines))))


def _write(axes: Axes, text: _Text, tone: Colour, lines: Sequence[Line]) -> None:
    """Write a label in the middle of its block, or above a line that runs across it there."""
    from matplotlib.patheffects import withStroke

    ink, halo = (DARK, "#ffffffb0") if _luminance(tone) > 0.45 else ("#ffffff", "#00000060")
    rect = text.block.rect
    x, y = rect.centre_m
    if not text.upright and any(_crosses(line, rect) for line in lines):
        y -= 0.27 * rect.height_m
    axes.annotate(
        text.text, (x * MM, y * MM), gid=f"label-{text.block.name}", ha="center", va="center", fontsize=text.points,
        color=ink, zorder=5, rotation=90 if text.upright else 0,
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


def _handles(plan: Plan, load: Load | None) -> list[Any]:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    blocks = plan.named()
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

    if load is None:
        lines = [line for _, line in wires]
        axes.add_collection(LineCollection(lines, colors=LINK, linewidths=1.1, zorder=3))
        return
    busy = [100 * load.busy.get(name, 0.0) for name, _ in wires]
    top = 100 * ends.busy or 1.0
    shade = ScalarMappable(Normalize(-0.15 * top, top), LOAD_MAP)  # an idle link is still seen
    order = sorted(range(len(wires)), key=lambda i: (busy[i], i))  # the busiest on top
    lines = [wires[i][1] for i in order]
    widths = [1.0 + 2.0 * busy[i] / top for i in order]
    axes.add_collection(LineCollection(lines, colors=DARK, linewidths=[w + 0.8 for w in widths], zorder=3))
    colours = shade.to_rgba(np.array([busy[i] for i in order]))
    axes.add_collection(LineCollection(lines, colors=colours, linewidths=widths, zorder=4))
    bar = figure.colorbar(shade, ax=axes, label="load of links, % of cycles held", fraction=0.05, pad=0.04, aspect=25)
    bar.ax.set_ylim(0, top)


def _wires(chip: Chip) -> Iterator[Wire]:
    """Yield (link, line in mm) of each link that has a length; two that run both ways lie side by side."""
    seen: set[tuple[str, str, str]] = set()
    aside_m = 0.012 * min(chip.plan.width_m, chip.plan.height_m)
    if chip.plan.sites:
        aside_m = min(aside_m, 0.06 * min(chip.plan.sites[0].width_m, chip.plan.sites[0].height_m))
    for a, b in chip.graph.edges:
        name = chip.graph.edges[a, b]["link"]
        first, second = sorted((a, b), key=lambda node: (not node.startswith(("tile", "router")), node == "host", node))
        shared = chip.graph.has_edge(b, a) and chip.graph.edges[b, a]["link"] == name
        if chip.links[name].length_m == 0 or (shared and (first, second, name) in seen):
            continue
        seen.add((first, second, name))
        line = _line(node_rect(chip, first), node_rect(chip, second))
        shift = 0.0 if shared else aside_m if a == first else -aside_m
        yield name, [(x * MM, y * MM) for x, y in _shifted(line, shift)]


def _line(a: Rect, b: Rect) -> Line:
    """Return a line between two rectangles: straight where they face each other, else up or down and then across.

    A straight one that passes over others is bowed.
    """
    (ax, ay), (bx, by) = a.centre_m, b.centre_m
    x, y = _common(a.x_m, a.width_m, b.x_m, b.width_m), _common(a.y_m, a.height_m, b.y_m, b.height_m)
    if x is None and y is None:
        return [(ax, ay + _INSIDE * a.height_m * (1 if by > ay else -1)), (ax, by),
                (bx - _INSIDE * b.width_m * (1 if bx > ax else -1), by)]  # fmt: skip
    if y is not None:
        sign = 1 if bx > ax else -1
        start, stop = (ax + sign * _INSIDE * a.width_m, y), (bx - sign * _INSIDE * b.width_m, y)
        gap, size = abs(bx - ax) - (a.width_m + b.width_m) / 2, a.height_m
    else:
        sign = 1 if by > ay else -1
        start, stop = (x or ax, ay + sign * _INSIDE * a.height_m), (x or ax, by - sign * _INSIDE * b.height_m)
        gap, size = abs(by - ay) - (a.height_m + b.height_m) / 2, a.width_m
    if gap < min(a.width_m, a.height_m):
        return [start, stop]
    bow_x, bow_y = (0.0, _BOW * size) if y is not None else (_BOW * size, 0.0)
    steps = [i / 16 for i in range(17)]
    return [
        (
            start[0] + (stop[0] - start[0]) * t + bow_x * 4 * t * (1 - t),
            start[1] + (stop[1] - start[1]) * t + bow_y * 4 * t * (1 - t),
        )
        for t in steps
    ]


def _common(a: float, a_length: float, b: float, b_length: float) -> float | None:
    """Return the middle of what two spans have in common; None if that is too little to run a line through."""
    begin, end = max(a, b), min(a + a_length, b + b_length)
    return (begin + end) / 2 if end - begin > 0.2 * max(min(a_length, b_length), 1e-12) else None


def _shifted(line: Line, by: float) -> Line:
    """Return a line moved aside, seen along it, from its first point to its last."""
    (ax, ay), (bx, by_) = line[0], line[-1]
    dx, dy = bx - ax, by_ - ay
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    return [(x - by * dy / length, y + by * dx / length) for x, y in line]
