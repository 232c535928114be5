"""Where blocks, links and the nodes of the routing graph lie on the die."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from archsim.chip.floorplan.plan import Block, Rect
from archsim.chip.graph import Chip

Line: TypeAlias = list[tuple[float, float]]
Wire: TypeAlias = tuple[str, Line]
INSIDE = 0.33  # of a site, from its centre: where a link that leaves it begins
_BOW = 0.36  # of a site, by which a line that passes over others is bent aside


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


def node_rect(chip: Chip, node: str) -> Rect:
    """Return the rectangle that a node stands on: a tile's site for its router too, the host port's, else a point.

    A node that has no rectangle (a bus, a switch) lies amid those that it is joined to, nodes like itself apart; if it
    is joined to none, in the middle of the die.
    """
    own = _own_rect(chip, node)
    if own is not None:
        return own
    around = sorted({*chip.graph.successors(node), *chip.graph.predecessors(node)})
    centres = [rect.centre_m for rect in (_own_rect(chip, other) for other in around) if rect is not None]
    if not centres:
        return Rect(chip.plan.width_m / 2, chip.plan.height_m / 2, 0.0, 0.0)
    return Rect(sum(x for x, _ in centres) / len(centres), sum(y for _, y in centres) / len(centres), 0.0, 0.0)


def _own_rect(chip: Chip, node: str) -> Rect | None:
    if node == "host":
        return chip.plan.host
    if node in chip.topology.places_m:
        return Rect(*chip.topology.places_m[node], 0.0, 0.0)
    for prefix in ("tile", "router"):
        number = node.removeprefix(prefix)
        if number != node and number.isdecimal() and int(number) < len(chip.plan.sites):
            return chip.plan.sites[int(number)]
    return None
