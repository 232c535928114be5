"""Where blocks, links and the nodes of the routing graph lie on the die."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from archsim.chip.floorplan.plan import Block, Rect
from archsim.chip.graph import Chip

Line: TypeAlias = list[tuple[float, float]]
Wire: TypeAlias = tuple[str, Line]
MOST_LINES, BUSIEST = 20_000, 500
"""Of more links, only so many of the busiest have lines: a screen has some 2,000 columns of pixels."""
INSIDE = 0.33  # of a site, from its centre: where a link that leaves it begins
_BOW = 0.36  # of a site, by which a line that passes over others is bent aside


@dataclass(frozen=True)
class Layout:
    """The die: its size in metres, rectangles that have an area, and a line in metres for each link with a length.

    Of so many links that they could not be told apart, the busiest alone have lines; `more` counts the others.
    """

    width_m: float
    height_m: float
    blocks: tuple[Block, ...]
    wires: tuple[Wire, ...]
    more: int = 0


def layout_of(chip: Chip, held: Mapping[str, float] | None = None) -> Layout:
    """Return the layout of a chip; `held` is the share of cycles for which each link that was used was held."""
    drawn, use = list(_drawn(chip)), held or {}
    kept = drawn if len(drawn) <= MOST_LINES else sorted(drawn, key=lambda own: use.get(own[0], 0.0))[-BUSIEST:]
    wires = tuple(_lines(chip, kept))
    return Layout(chip.plan.width_m, chip.plan.height_m, chip.plan.named(), wires, len(drawn) - len(kept))


def wires_of(chip: Chip) -> Iterator[Wire]:
    """Yield (link, line in metres) of each link that has a length; two that run both ways lie side by side."""
    yield from _lines(chip, _drawn(chip))


def _drawn(chip: Chip) -> Iterator[tuple[str, str, str, int]]:
    """Yield (link, the node where its line begins, where it ends, to which side it is shifted) of each that has one."""
    seen: set[tuple[str, str, str]] = set()
    lengths_m, edges = chip.topology.lengths_m, chip.graph.adj
    links: Iterable[tuple[str, str, str]] = chip.graph.edges(data="link")
    for a, b, name in links:
        if lengths_m[name] == 0:
            continue
        first, second = sorted((a, b), key=lambda node: (not node.startswith(("tile", "router")), node == "host", node))
        shared = a in edges[b] and edges[b][a]["link"] == name
        if shared and (first, second, name) in seen:
            continue
        if shared:
            seen.add((first, second, name))
        yield name, first, second, 0 if shared else 1 if a == first else -1


def _lines(chip: Chip, drawn: Iterable[tuple[str, str, str, int]]) -> Iterator[Wire]:
    rects: dict[str, Rect] = {}
    aside_m = 0.012 * min(chip.plan.width_m, chip.plan.height_m)
    if chip.plan.sites:
        aside_m = min(aside_m, 0.06 * min(chip.plan.sites[0].width_m, chip.plan.sites[0].height_m))
    for name, first, second, side in drawn:
        for node in (first, second):
            if node not in rects:
                rects[node] = node_rect(chip, node)
        yield name, _shifted(_line(rects[first], rects[second]), side * aside_m)


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
