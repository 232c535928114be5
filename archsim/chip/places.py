"""Where the nodes of the routing graph lie on the floorplan."""

from __future__ import annotations

from archsim.chip.floorplan import Rect
from archsim.chip.graph import Chip


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
