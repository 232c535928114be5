"""What a floorplan's drawing shows, as plain values: rectangles, wires, and what a run did to them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from archsim.breakdowns import link_rows
from archsim.chip.floorplan import Block, Rect
from archsim.chip.graph import Chip
from archsim.chip.places import node_rect
from archsim.metrics import Result
from archsim.report.page import Page

Line: TypeAlias = list[tuple[float, float]]
Wire: TypeAlias = tuple[str, Line]

INSIDE = 0.33  # of a site, from its centre: where a link that leaves it begins
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


def layout_from(page: Page) -> Layout:
    """Return the layout that a report's details hold."""
    plan = page.details["floorplan"]
    blocks = tuple(Block(own["name"], rect_from(own), own["kind"]) for own in plan["blocks"])
    wires = tuple((own["link"], [(x, y) for x, y in own["line_m"]]) for own in plan["wires"])
    return Layout(plan["width_m"], plan["height_m"], blocks, wires)


def rect_from(data: Mapping[str, Any]) -> Rect:
    """Return a rectangle from plain data in metres."""
    return Rect(data["x_m"], data["y_m"], data["width_m"], data["height_m"])


def load_of(result: Result) -> Load:
    """Return mean power by tile and host port, wires and routers apart, and the busy share of each link that was."""
    return _load(result.data, link_rows(result.trace))


def load_from(page: Page) -> Load:
    """Return what a report's data tell of power and busy links, as `load_of`."""
    return _load(page.data, page.details["links"])


def _load(data: Mapping[str, Any], links: Sequence[Mapping[str, Any]]) -> Load:
    time_s = data["metrics"]["time_total_s"]
    power = {name: energy / time_s for name, energy in data["energy_j"]["by_tile"].items()} if time_s else {}
    return Load(power, {row["name"]: row["utilisation"] or 0.0 for row in links})


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


def wires_of(chip: Chip) -> Iterator[Wire]:
    """Yield (link, line in metres) of each link that has a length; two that run both ways lie side by side."""
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
        yield name, _shifted(line, shift)


def _line(a: Rect, b: Rect) -> Line:
    """Return a line between two rectangles: straight where they face each other, else up or down and then across.

    A straight one that passes over others is bowed.
    """
    (ax, ay), (bx, by) = a.centre_m, b.centre_m
    x, y = _common(a.x_m, a.width_m, b.x_m, b.width_m), _common(a.y_m, a.height_m, b.y_m, b.height_m)
    if x is None and y is None:
        return [(ax, ay + INSIDE * a.height_m * (1 if by > ay else -1)), (ax, by),
                (bx - INSIDE * b.width_m * (1 if bx > ax else -1), by)]  # fmt: skip
    if y is not None:
        sign = 1 if bx > ax else -1
        start, stop = (ax + sign * INSIDE * a.width_m, y), (bx - sign * INSIDE * b.width_m, y)
        gap, size = abs(bx - ax) - (a.width_m + b.width_m) / 2, a.height_m
    else:
        sign = 1 if by > ay else -1
        start, stop = (x or ax, ay + sign * INSIDE * a.height_m), (x or ax, by - sign * INSIDE * b.height_m)
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
