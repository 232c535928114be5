"""The floorplan of the page: blocks and links with tooltips, as plain values that a template draws as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.chip.floorplan import Block
from archsim.report.colours import BUSY, HEAT, shade
from archsim.report.floorplan import TONES, WORDS, Layout, Limits, Load, densities, limits_from
from archsim.studies.run.charts import percent
from archsim.studies.run.loads import layout_from, load_from
from archsim.studies.run.page import Page

WIDTH = 1000.0
"""Drawings of floorplans are so wide, in their own units."""
MOST_BLOCKS, MOST_WIRES, RASTER = 600, 500, 16
"""Beyond so many, blocks share paths and tooltips (a raster of so many squares a side), and only the busiest links
have tooltips: a chip of 4,096 tiles still makes a page that can be sent."""


@dataclass(frozen=True)
class Box:
    """A rectangle of the floorplan in the drawing's units, its colour, and its tooltip."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    tip: str


@dataclass(frozen=True)
class Path:
    """A line of the floorplan in the drawing's units, or rectangles of one colour; `width` is in pixels."""

    d: str
    tone: str
    width: float = 0.0
    tip: str = ""


@dataclass(frozen=True)
class Text:
    """A label of the floorplan: its beginning, or its middle if it runs upwards; its size; whether it is on dark."""

    x: float
    y: float
    size: float
    text: str
    upright: bool
    dark: bool


@dataclass(frozen=True)
class PlanView:
    """The floorplan: `crowd` are rectangles without tooltips, drawn first; `notes` say what was left out."""

    height: float
    boxes: tuple[Box, ...]
    crowd: tuple[Path, ...]
    wires: tuple[Path, ...]
    texts: tuple[Text, ...]
    legend: tuple[tuple[str, str], ...]
    most_density: str
    most_busy: str
    size: str
    notes: tuple[str, ...]


def plan_view(page: Page) -> PlanView:
    """Return the floorplan with power density, load of links, and a tooltip for each of them."""
    layout, load = layout_from(page), load_from(page)
    ends = limits_from([(layout, load)])
    scale = WIDTH / layout.width_m
    dense = densities(layout.blocks, load)
    layers = {f"tile{i}": site["layer"] for i, site in enumerate(page.details["floorplan"]["sites"])}
    crowded = len(layout.blocks) > MOST_BLOCKS
    tones = {block.name: _tone(block, dense, ends) for block in layout.blocks}
    boxes = _raster(layout, load, scale) if crowded else tuple(
        _box(block, scale, tones[block.name], _block_tip(block, load, dense, layers.get(block.name)))
        for block in layout.blocks
    )  # fmt: skip
    notes = []
    if crowded:
        notes.append(
            f"Tooltips tell of {RASTER} x {RASTER} parts of the die: it has {counted(len(layout.blocks), 'block')}."
        )
    if len(layout.wires) > MOST_WIRES:
        notes.append(f"Of {counted(len(layout.wires), 'link')}, the {MOST_WIRES} busiest are drawn.")
    kinds = {block.kind for block in layout.blocks} - {"tile", "host_port"}
    return PlanView(
        height=round(layout.height_m * scale, 1),
        boxes=boxes,
        crowd=_crowd(layout.blocks, tones, scale) if crowded else (),
        wires=_wires(page, layout, load, ends, scale),
        texts=() if crowded else _texts(layout.blocks, scale, layers, dense, ends),
        legend=tuple((WORDS[kind], TONES[kind]) for kind in WORDS if kind in kinds),
        most_density=_density(ends.density_w_per_m2),
        most_busy=percent(ends.busy),
        size=f"{layout.width_m * 1e3:.4g} x {layout.height_m * 1e3:.4g} mm",
        notes=tuple(notes),
    )


def _density(value_w_per_m2: float) -> str:
    return f"{engineering(value_w_per_m2 * 1e-6, 'W', 3)}/mm2"


def _tone(block: Block, dense: Mapping[str, float], ends: Limits) -> str:
    if block.name in dense and ends.density_w_per_m2:
        return shade(HEAT, dense[block.name] / ends.density_w_per_m2)
    return TONES[block.kind]


def _box(block: Block, scale: float, tone: str, tip: str) -> Box:
    rect = block.rect
    sides = (rect.x_m, rect.y_m, rect.width_m, rect.height_m)
    x, y, width, height = (round(side * scale, 1) for side in sides)
    return Box(x, y, width, height, tone, tip)


def _block_tip(block: Block, load: Load, dense: Mapping[str, float], layer: str | None) -> str:
    what = f"{block.name} ({WORDS[block.kind]})" if block.kind not in ("tile", "host_port") else block.name
    parts = [what if layer is None else f"{what}, layer {layer}"]
    if block.name in dense:
        parts.append(f"{engineering(load.power_w[block.name], 'W')}, {_density(dense[block.name])}")
    elif block.kind == "tile":
        parts.append("no power of its own")
    return "; ".join([*parts, engineering(block.rect.area_m2, "m2")])


def _crowd(blocks: Sequence[Block], tones: Mapping[str, str], scale: float) -> tuple[Path, ...]:
    """Return one path for all rectangles of a colour; colours are few, since scales have a few steps each."""
    by_tone: dict[str, list[str]] = {}
    for block in blocks:
        box = _box(block, scale, "", "")
        outline = f"M{box.x:g} {box.y:g}h{box.width:g}v{box.height:g}h-{box.width:g}z"
        by_tone.setdefault(tones[block.name], []).append(outline)
    return tuple(Path("".join(parts), tone) for tone, parts in by_tone.items())


def _raster(layout: Layout, load: Load, scale: float) -> tuple[Box, ...]:
    """Return unseen squares with what the blocks whose middle lies in them have together."""
    found: dict[tuple[int, int], list[Block]] = {}
    for block in layout.blocks:
        x, y = block.rect.centre_m
        place = (min(int(RASTER * y / layout.height_m), RASTER - 1), min(int(RASTER * x / layout.width_m), RASTER - 1))
        found.setdefault(place, []).append(block)
    width, height = layout.width_m * scale / RASTER, layout.height_m * scale / RASTER
    boxes = []
    for (row, column), own in sorted(found.items()):
        power = {block.name: load.power_w.get(block.name, 0.0) for block in own}
        hottest = max(power, key=lambda name: power[name])
        together = engineering(sum(power.values()), "W")
        tip = f"{own[0].name} to {own[-1].name}, {counted(len(own), 'block')}; {together} together"
        tip += f"; the most in {hottest}: {engineering(power[hottest], 'W')}" if power[hottest] else ""
        x, y = round(column * width, 1), round(row * height, 1)
        boxes.append(Box(x, y, round(width, 1), round(height, 1), "transparent", tip))
    return tuple(boxes)


def _wires(page: Page, layout: Layout, load: Load, ends: Limits, scale: float) -> tuple[Path, ...]:
    """Return the links, the busiest last and so on top."""
    rows = {row["name"]: row for row in page.details["links"]}
    ranked = sorted(layout.wires, key=lambda wire: load.busy.get(wire[0], 0.0))[-MOST_WIRES:]
    paths = []
    for name, line in ranked:
        busy, row = load.busy.get(name, 0.0), rows.get(name)
        share = busy / ends.busy if ends.busy else 0.0
        tip = f"link {name}: not used"
        if row is not None:
            tip = f"link {name}: held for {percent(busy)} of all cycles; {counted(row['messages'], 'message')}"
            tip += f"; {engineering(row['length_m'], 'm')}; {engineering(row['energy_j'], 'J')}"
        points = " ".join(f"{x * scale:.1f} {y * scale:.1f}" for x, y in line)
        paths.append(Path(f"M{points}", shade(BUSY, share) if busy else BUSY[0], round(1.2 + 2.8 * share, 2), tip))
    return tuple(paths)


def _texts(
    blocks: Sequence[Block], scale: float, layers: Mapping[str, str | None], dense: Mapping[str, float], ends: Limits
) -> tuple[Text, ...]:
    """Return the names of blocks that have room for them, all of a kind equally large."""
    texts = []
    for kind in WORDS:
        own = [block for block in blocks if block.kind == kind]
        sizes = [_text_size(block, scale) for block in own]
        size = min([24.0, *(each for each in sizes if each >= 9)])
        for block, each in zip(own, sizes, strict=True):
            if each < 9:
                continue
            upright = block.rect.height_m > 1.5 * block.rect.width_m
            dark = dense.get(block.name, 0.0) > 0.6 * ends.density_w_per_m2 > 0
            x, y = (at * scale for at in (block.rect.centre_m if upright else (block.rect.x_m, block.rect.y_m)))
            lines = [block.name]
            if not upright:  # in the corner, since links run through the middle
                x, y = x + 0.4 * size, y + 0.8 * size
                layer = layers.get(block.name)
                lines += [layer[:14]] if layer and block.rect.height_m * scale > 5 * size else []
            texts += [
                Text(round(x, 1), round(y + 1.2 * i * size, 1), size, line, upright, dark)
                for i, line in enumerate(lines)
            ]
    return tuple(texts)


def _text_size(block: Block, scale: float) -> float:
    width, height = block.rect.width_m * scale, block.rect.height_m * scale
    along, across = (height, width) if height > 1.5 * width else (width, height)
    return round(min(0.4 * across, 0.8 * along / (0.6 * len(block.name))), 1)
