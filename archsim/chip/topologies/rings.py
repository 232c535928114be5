"""Rings and tori: links that close on themselves, routed the shorter way round.

A packet that crosses a ring's dateline (the link between its last and its first router) goes on in class 1, so that
no packets wait for each other in a circle (Dally & Towles 2004, section 14.2.3).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Annotated

from pydantic import Field

from archsim.base.section import Flag
from archsim.chip.floorplan import Plan
from archsim.chip.topologies.base import Topology, Wires
from archsim.spec.choices import TOPOLOGIES


@TOPOLOGIES.add("ring")
def ring(plan: Plan) -> Topology:
    """A router beside each tile, joined in a ring both ways, there and back along the rows; the shorter way round."""
    wires = Wires(plan)
    columns = plan.grid
    tiles = sorted(range(len(columns)), key=lambda i: (columns[i][0], columns[i][1] * (-1) ** columns[i][0]))
    for tile in range(len(tiles)):
        wires.places_m[f"router{tile}"] = plan.sites[tile].centre_m
        wires.both_ways(f"tile{tile}", f"router{tile}")
    _close(wires, tiles)
    home = {"host": int(wires.join_host(list(wires.places_m)).removeprefix("router"))}
    home.update({f"tile{tile}": tile for tile in tiles})
    place = {tile: i for i, tile in enumerate(tiles)}

    def ways(a: str, b: str) -> list[list[str]]:
        found = _ways_around(tiles, place[home[a]], place[home[b]])
        return [[a, *(f"router{tile}" for tile in way), b] for way in found]

    def classes(nodes: list[str]) -> list[int]:
        steps = [place[int(node.removeprefix("router"))] for node in nodes[1:-1]]
        return [0, *_after_dateline(steps), 0]

    return _topology(wires, ways, classes)


@TOPOLOGIES.add("torus")
def torus(
    plan: Plan, *, folded: Annotated[Flag, Field(description="Whether links are two sites long at most.")] = False
) -> Topology:
    """A mesh whose rows and columns close on themselves; X, then Y, the shorter way round.

    The closing links are as long as the die; a `folded` torus visits every second site there and the others back, so
    that no link is longer than two sites. Out of a last row that is short, packets for columns which it lacks go
    along Y first, without crossing a dateline: in the order of the ring, rows then only fall from turn to turn.
    """
    wires = Wires(plan)
    at = {place: tile for tile, place in enumerate(plan.grid)}
    rows: dict[int, list[int]] = {}
    columns: dict[int, list[int]] = {}
    for row, column in sorted(at):
        rows.setdefault(row, []).append(column)
        columns.setdefault(column, []).append(row)
    rows = {row: _order(line, folded) for row, line in rows.items()}
    columns = {column: _order(line, folded) for column, line in columns.items()}
    for tile in range(len(at)):
        wires.places_m[f"router{tile}"] = plan.sites[tile].centre_m
        wires.both_ways(f"tile{tile}", f"router{tile}")
    for row, line in rows.items():
        _close(wires, [at[row, column] for column in line])
    for column, line in columns.items():
        _close(wires, [at[row, column] for row in line])
    gate = int(wires.join_host(list(wires.places_m)).removeprefix("router"))

    def home(node: str) -> tuple[int, int]:
        return plan.grid[gate if node == "host" else int(node.removeprefix("tile"))]

    def along_x(row: int, start: int, stop: int) -> list[list[tuple[int, int]]]:
        line = rows[row]
        ways = _ways_around(line, line.index(start), line.index(stop))
        return [[(row, column) for column in way] for way in ways]

    def along_y(column: int, start: int, stop: int) -> list[list[tuple[int, int]]]:
        line = columns[column]
        ways = _ways_around(line, line.index(start), line.index(stop))
        return [[(row, column) for row in way] for way in ways]

    def ways(a: str, b: str) -> list[list[str]]:
        (y, x), (y_stop, x_stop) = home(a), home(b)
        if (y, x_stop) in at:
            pairs = itertools.product(along_x(y, x, x_stop), along_y(x_stop, y, y_stop))
            found = [[*in_row, *in_column[1:]] for in_row, in_column in pairs]
        else:
            line = columns[x]
            back = line[line.index(y_stop) : line.index(y) + 1][::-1]
            found = [[*((row, x) for row in back), *in_row[1:]] for in_row in along_x(y_stop, x, x_stop)]
        return [[a, *(f"router{at[place]}" for place in places), b] for places in found]

    def classes(nodes: list[str]) -> list[int]:
        places = [plan.grid[int(node.removeprefix("router"))] for node in nodes[1:-1]]
        out = [0]
        for in_row, run in itertools.groupby(itertools.pairwise(places), key=lambda pair: pair[0][0] == pair[1][0]):
            pairs = list(run)
            (row, column), axis = pairs[0][0], int(in_row)
            line = rows[row] if in_row else columns[column]
            out += _after_dateline([line.index(pairs[0][0][axis]), *(line.index(end[axis]) for _, end in pairs)])
        return [*out, 0]

    return _topology(wires, ways, classes)


def _topology(
    wires: Wires, ways: Callable[[str, str], list[list[str]]], classes: Callable[[list[str]], list[int]]
) -> Topology:
    """Return a topology with two classes, whose route is the first of several ways and whose others are the rest."""
    graph, lengths_m, places_m = wires.graph, wires.lengths_m, wires.places_m
    return Topology(
        graph, lengths_m, lambda a, b: ways(a, b)[0], classes, 2, places_m, others=lambda a, b: ways(a, b)[1:]
    )


def _order(line: Sequence[int], folded: bool) -> list[int]:
    """Return a ring's places in their order round it, the last one last (it may be in a short row).

    >>> _order(range(6), True)
    [3, 1, 0, 2, 4, 5]
    """
    if not folded:
        return list(line)
    there_and_back = [*line[::2], *line[1::2][::-1]]
    cut = there_and_back.index(line[-1]) + 1
    return there_and_back[cut:] + there_and_back[:cut]


def _close(wires: Wires, tiles: Sequence[int]) -> None:
    """Add the links of a ring of routers; two have but one neighbour each."""
    for a, b in itertools.pairwise([*tiles, tiles[0]] if len(tiles) > 2 else tiles):
        wires.both_ways(f"router{a}", f"router{b}")


def _ways_around(line: Sequence[int], start: int, stop: int) -> list[list[int]]:
    """Return what stands on a ring from one place to another, the shorter way; upwards, then downwards if as long.

    >>> _ways_around(range(4), 3, 1), _ways_around(range(4), 3, 2)
    ([[3, 0, 1], [3, 2, 1]], [[3, 2]])
    """
    up = (stop - start) % len(line)
    down = len(line) - up
    ways = [(step, count) for step, count in ((1, up), (-1, down)) if count <= min(up, down)]
    if len(line) == 2:
        ways = ways[:1]  # both are one
    return [[line[(start + step * i) % len(line)] for i in range(count + 1)] for step, count in ways]


def _after_dateline(places: Sequence[int]) -> list[int]:
    """Return for each step between places of a ring 1 if a step before it crossed the dateline, else 0."""
    crossed = [abs(a - b) > 1 for a, b in itertools.pairwise(places)]
    return [int(any(crossed[:i])) for i in range(len(crossed))]
