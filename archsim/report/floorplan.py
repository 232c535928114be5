"""Floorplans as figures: tiles, host port, blocks and links to scale; after a run with power density and load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from itertools import pairwise
from typing import TypeAlias

from archsim.base.record import Record
from archsim.base.texts import cells
from archsim.base.units import engineering, percent
from archsim.base.words import counted
from archsim.chip.floorplan import CHANNEL, DIGITAL, Block
from archsim.chip.places import BUSIEST, Layout
from archsim.chip.topologies.package import PORT
from archsim.report.colours import BUSY, HEAT, shade
from archsim.report.figure import Box, Label, Plan, Ramp, Wire

WIDTH = 1000.0
"""Drawings of floorplans are so wide, in their own units."""
MOST_BLOCKS, MOST_WIRES, RASTER = 600, BUSIEST, 16
"""Beyond so many, blocks share paths and tooltips (a raster of so many squares a side), and only the busiest links
have tooltips: a chip of 4,096 tiles still makes a page that can be sent."""
LEAST_TEXT, MOST_TEXT, QUARTER = 15.0, 28.0, 0.42
"""The least size of a text in the drawing's units, 11 pixels in a drawing that is 46 rem wide; the largest; and the
share of a block's sides that links through its middle leave on either side. A page hides what it shows too small."""
KINDS = {
    "tile": ("tile", "#d6e6f2"), "host_port": ("host port", "#aab4bd"), PORT: ("port of a chip", "#c9c0d6"),
    DIGITAL: ("digital block", "#cfe3d4"), CHANNEL: ("routing channel", "#efece4"),
}  # fmt: skip
"""What each kind of block is called, and its colour."""
LINK = "#8e5ea2"
MEANT = (
    "Colours of blocks are power density, mean over the run; colour and width of a link are the share of all cycles "
    "for which it was held."
)


class LinkUse(Record):
    """A link that was used: grants, and over the run cycles held, cycles that requests waited, and energy.

    The `utilisation` is the share of all cycles for which it was held; None where there were none.
    """

    name: str
    length_m: float
    messages: int
    busy_cycles: int
    utilisation: float | None
    wait_cycles: int
    buffer_wait_cycles: int
    energy_j: float


@dataclass(frozen=True)
class Load:
    """What a run did to a chip: mean power in watts by tile and host, and the links that were used, by name."""

    power_w: Mapping[str, float]
    links: Mapping[str, LinkUse] = field(default_factory=dict)

    @property
    def busy(self) -> dict[str, float]:
        """The share of all cycles for which each link was held."""
        return {name: link.utilisation or 0.0 for name, link in self.links.items()}


@dataclass(frozen=True)
class Limits:
    """The ends of the colour scales, so that several drawings can share them: watts per square metre; busy share."""

    density_w_per_m2: float
    busy: float


def limits_of(drawn: Iterable[tuple[Layout, Load]]) -> Limits:
    """Return the least limits that hold everything of several layouts with what a run did to them."""
    pairs = list(drawn)
    shown = [value for layout, load in pairs for value in densities(layout.blocks, load).values()]
    busy = [held.get(name, 0.0) for layout, load in pairs for held in [load.busy] for name, _ in layout.wires]
    return Limits(max(shown, default=0.0), max(busy, default=0.0))


def densities(blocks: Sequence[Block], load: Load | None) -> dict[str, float]:
    """Return watts per square metre by name, of what has a power of its own."""
    if load is None:
        return {}
    return {b.name: load.power_w[b.name] / b.rect.area_m2 for b in blocks if b.name in load.power_w}


def floorplan(
    layout: Layout, load: Load | None = None, limits: Limits | None = None, *, name: str = "floorplan",
    title: str = "Floorplan", layers: Mapping[str, str | None] | None = None,
) -> Plan:  # fmt: skip
    """Return the drawing of a die; `layers` names what lies on each tile.

    With a load, rectangles have the colour of their power density and links that of their load; the scales end at the
    drawing's own largest values, or at `limits` (then one text for all drawings says what they mean). Names, or numbers
    of tiles, stand where they fit between the links; tooltips have all.
    """
    ends = limits or (Limits(0.0, 0.0) if load is None else limits_of([(layout, load)]))
    scale = WIDTH / layout.width_m
    dense = densities(layout.blocks, load)
    crowded = len(layout.blocks) > MOST_BLOCKS
    boxes = [
        _box(block, scale, _tone(block, dense, ends), _block_tip(block, load, dense, (layers or {}).get(block.name)))
        for block in layout.blocks
    ]
    says = [f"{layout.width_m * 1e3:.4g} x {layout.height_m * 1e3:.4g} mm."]
    if load is not None and limits is None:
        says.append(MEANT)
    if crowded:
        says.append(f"Tooltips tell of {RASTER} x {RASTER} parts of the die: it has "
                    f"{counted(len(layout.blocks), 'block')}.")  # fmt: skip
    if (links := len(layout.wires) + layout.more) > MOST_WIRES:
        says.append(f"Of {counted(links, 'link')}, the {MOST_WIRES} busiest are drawn.")
    powered = () if load is None else ("tile", "host_port")
    count = {kind: sum(block.kind == kind for block in layout.blocks) for kind in KINDS}
    return Plan(
        name, title, " ".join(says), round(layout.height_m * scale, 1),
        boxes=_raster(layout, load, scale) if crowded else tuple(boxes),
        crowd=tuple(boxes) if crowded else (),
        wires=_wires(layout, load, ends, scale),
        texts=() if crowded else _texts(layout, scale, layers or {}, dense, ends),
        legend=(
            *((f"{word} ({n})" if (n := count[kind]) > 1 else word, tone)
              for kind, (word, tone) in KINDS.items() if count[kind] and kind not in powered),
            *((("link", LINK),) if load is None and layout.wires else ()),
        ),
        ramps=() if load is None else (
            Ramp(HEAT, _density(ends.density_w_per_m2)), Ramp(BUSY, f"{percent(ends.busy)} of cycles, links"),
        ),
    )  # fmt: skip


def _density(value_w_per_m2: float) -> str:
    return f"{engineering(value_w_per_m2 * 1e-6, 'W', 3)}/mm2"


def _tone(block: Block, dense: Mapping[str, float], ends: Limits) -> str:
    if block.name in dense and ends.density_w_per_m2:
        return shade(HEAT, dense[block.name] / ends.density_w_per_m2)
    return KINDS[block.kind][1]


def _box(block: Block, scale: float, tone: str, tip: str) -> Box:
    x, y, width, height = (round(side * scale, 1) for side in astuple(block.rect))
    return Box(x, y, width, height, tone, tip)


def _block_tip(block: Block, load: Load | None, dense: Mapping[str, float], layer: str | None) -> str:
    what = f"{block.name} ({KINDS[block.kind][0]})" if block.kind not in ("tile", "host_port") else block.name
    parts = [what if layer is None else f"{what}, layer {layer}"]
    if load is not None and block.name in dense:
        parts.append(f"{engineering(load.power_w[block.name], 'W')}, {_density(dense[block.name])}")
    elif load is not None and block.kind == "tile":
        parts.append("no power of its own")
    return "; ".join([*parts, engineering(block.rect.area_m2, "m2")])


def _raster(layout: Layout, load: Load | None, scale: float) -> tuple[Box, ...]:
    """Return unseen squares with what the blocks whose middle lies in them have together."""
    found: dict[tuple[int, int], list[Block]] = defaultdict(list)
    for block in layout.blocks:
        x, y = block.rect.centre_m
        row, column = int(RASTER * y / layout.height_m), int(RASTER * x / layout.width_m)
        found[min(row, RASTER - 1), min(column, RASTER - 1)].append(block)
    width, height = layout.width_m * scale / RASTER, layout.height_m * scale / RASTER
    boxes = []
    for (row, column), own in sorted(found.items()):
        tip = f"{own[0].name} to {own[-1].name}, {counted(len(own), 'block')}"
        if load is not None:
            power = {block.name: load.power_w.get(block.name, 0.0) for block in own}
            hottest = max(power, key=lambda name: power[name])
            tip += f"; {engineering(sum(power.values()), 'W')} together"
            tip += f"; the most in {hottest}: {engineering(power[hottest], 'W')}" if power[hottest] else ""
        x, y = round(column * width, 1), round(row * height, 1)
        boxes.append(Box(x, y, round(width, 1), round(height, 1), "transparent", tip))
    return tuple(boxes)


def _wires(layout: Layout, load: Load | None, ends: Limits, scale: float) -> tuple[Wire, ...]:
    """Return the links, the busiest last and so on top."""
    held = {} if load is None else load.busy
    ranked = sorted(layout.wires, key=lambda wire: held.get(wire[0], 0.0))[-MOST_WIRES:]
    paths = []
    for name, line in ranked:
        busy = held.get(name, 0.0)
        share = busy / ends.busy if ends.busy else 0.0
        points = tuple((round(x * scale, 1), round(y * scale, 1)) for x, y in line)
        if load is None:
            paths.append(Wire(points, LINK, 1.4, f"link {name}"))
            continue
        tip = f"link {name}: not used"
        if used := load.links.get(name):
            tip = f"link {name}: held for {percent(busy)} of all cycles; {counted(used.messages, 'message')}"
            tip += f"; {engineering(used.length_m, 'm')}; {engineering(used.energy_j, 'J')}"
        paths.append(Wire(points, shade(BUSY, share) if busy else BUSY[0], round(1.2 + 2.8 * share, 2), tip))
    return tuple(paths)


def _texts(
    layout: Layout, scale: float, layers: Mapping[str, str | None], dense: Mapping[str, float], ends: Limits
) -> tuple[Label, ...]:
    """Return what is written on blocks, all of a kind alike: name and layer, or the name, or a tile's number alone.

    It stands in the quarter of its block which the fewest links cross. Where a kind's texts do not fit, none of them
    stands: a few among many would look like a choice.
    """
    parts = [
        ((ax * scale, ay * scale), (bx * scale, by * scale))
        for _, line in layout.wires for (ax, ay), (bx, by) in pairwise(line)
    ]  # fmt: skip
    texts = []
    for kind in KINDS:
        own = [block for block in layout.blocks if block.kind == kind]
        sides = [tuple(side * scale for side in astuple(block.rect)) for block in own]
        names = [[block.name] for block in own]
        both = [[block.name, layer] if (layer := layers.get(block.name)) else [block.name] for block in own]
        numbers = [[block.name.removeprefix("tile")] for block in own]
        for lines in (both, names, numbers):
            size = min((_text_size(w, h, said) for (_, _, w, h), said in zip(sides, lines, strict=True)), default=0.0)
            if size >= LEAST_TEXT:
                for block, rect, said in zip(own, sides, lines, strict=True):
                    dark = dense.get(block.name, 0.0) > 0.55 * ends.density_w_per_m2 > 0
                    texts += _written(rect, said, size, dark, parts)
                break
    return tuple(texts)


def _text_size(width: float, height: float, lines: Sequence[str]) -> float:
    """Return the size at which lines fit in a quarter of a block."""
    along, across = (height, width) if _upright(width, height) else (width, height)
    return min(MOST_TEXT, QUARTER * across / (1.15 * len(lines)), QUARTER * along / (0.6 * max(map(cells, lines))))


_Part: TypeAlias = tuple[tuple[float, float], tuple[float, float]]


def _upright(width: float, height: float) -> bool:
    return height > 1.5 * width


def _written(
    rect: tuple[float, ...], lines: Sequence[str], size: float, dark: bool, parts: Sequence[_Part]
) -> list[Label]:
    left, top, width, height = rect
    upright = _upright(width, height)
    long, high = 0.6 * size * max(map(cells, lines)), 1.15 * size * len(lines)
    half = (high / 2, long / 2) if upright else (long / 2, high / 2)
    near = [part for part in parts if _crosses(part, (left + width / 2, top + height / 2), (width / 2, height / 2))]
    places = [(left + a * width, top + b * height) for b in (0.25, 0.75) for a in (0.25, 0.75)]
    x, y = min(places, key=lambda at: sum(_crosses(part, at, half) for part in near))
    shifts = [1.15 * size * (i - (len(lines) - 1) / 2) for i in range(len(lines))]
    return [
        Label(round(x + shift * upright, 1), round(y + shift * (not upright), 1), round(size, 1), line, upright, dark)
        for shift, line in zip(shifts, lines, strict=True)
    ]


def _crosses(part: _Part, at: tuple[float, float], half: tuple[float, float]) -> bool:
    """Tell whether a piece of a line runs through the rectangle around a place; a slanted one counts as its span."""
    (ax, ay), (bx, by) = part
    return (
        min(ax, bx) < at[0] + half[0] and max(ax, bx) > at[0] - half[0]
        and min(ay, by) < at[1] + half[1] and max(ay, by) > at[1] - half[1]
    )  # fmt: skip
