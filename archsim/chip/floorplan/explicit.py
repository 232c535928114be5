"""Floorplans that are given rectangle by rectangle, in the spec or in a HotSpot file, and checked against the areas."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import PrivateAttr, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from archsim.chip.floorplan.geometry import TOUCH_M, holes, overlaps
from archsim.chip.floorplan.hotspot import read_flp
from archsim.chip.floorplan.plan import CHANNEL, DIGITAL, Block, Plan, Rect
from archsim.chip.floorplan.ring import Name
from archsim.documents import read_text
from archsim.errors import Problem, SpecError
from archsim.section import Section
from archsim.spec import Floorplan, floorplan
from archsim.units import Dimension, Length, Share

Coordinate = Annotated[float, Dimension("m", least=-1.0, above=False, most=1.0)]
FILLER = re.compile(r"filler_\d+")
"""Names in a .flp file of what is white space, since HotSpot wants the die covered."""
_TILE = re.compile(r"tile(0|[1-9]\d*)")
_SLACK = 1e-9  # of a tile's area: what a product of rounded sides may miss
_MOST_OVERLAPS = 20  # a file in the wrong unit has thousands


class Rectangle(Section):
    """A rectangle of the die; (x, y) is its corner nearest the origin."""

    x_m: Coordinate
    y_m: Coordinate
    width_m: Length
    height_m: Length

    @property
    def rect(self) -> Rect:
        """The same as a value of the plan."""
        return Rect(self.x_m, self.y_m, self.width_m, self.height_m)


class NamedRectangle(Rectangle):
    """A rectangle of the die with a name: a controller, a memory, a pad frame."""

    name: Name


class Die(Section):
    """The size of the die, whose corner is the origin."""

    width_m: Length
    height_m: Length


@dataclass(frozen=True)
class Given:
    """One rectangle and where it was given."""

    where: str
    block: Block


@floorplan("explicit")
class Explicit(Floorplan):
    """A rectangle for each tile, by number, one for the host port, and others; from the spec or from a HotSpot file.

    `flp` names a file with all of them, relative to the current directory: tile0, tile1, ..., host, `channel...` are
    routing channels, `filler_0`, ... are white space and anything else is a digital block. What no rectangle covers is
    white space, and so is what a rectangle has more than its tile needs; `most_white_space` limits the former, as a
    share of the die. The die is as large as the rectangles reach unless `die` says more.
    """

    tiles: tuple[Rectangle, ...] = ()
    host: Rectangle | None = None
    blocks: tuple[NamedRectangle, ...] = ()
    channels: tuple[NamedRectangle, ...] = ()
    flp: Annotated[str, StringConstraints(min_length=1)] | None = None
    die: Die | None = None
    most_white_space: Share | None = None
    _flp_text: str = PrivateAttr("")

    example = {"tiles": [{"x": "0.5 mm", "y": "0 mm", "width": "1.4 mm", "height": "1.35 mm"}],
               "host": {"x": "0 mm", "y": "0 mm", "width": "0.5 mm", "height": "12 mm"}}  # fmt: skip

    @model_validator(mode="after")
    def _reads_one_source(self) -> Self:
        given = bool(self.tiles or self.host or self.blocks or self.channels)
        if given == (self.flp is not None):
            what = "both 'flp' and rectangles were given" if given else "no rectangle was given"
            message = {"what": what}
            raise PydanticCustomError("floorplan", "{what}; give 'tiles', 'host' and 'blocks', or 'flp'", message)
        if self.flp is not None:
            try:
                self._flp_text = read_text(Path(self.flp), self.flp)
            except SpecError as error:
                message = {"what": str(error.problems[0])}
                raise PydanticCustomError("floorplan", "{what} (relative to the current directory)", message) from None
        return self

    def resolved(self) -> dict[str, Any]:
        """Return the section as plain data; of a file it tells a hash of the text, so that the spec's hash follows."""
        digest = {"flp_sha256": sha256(self._flp_text.encode()).hexdigest()} if self.flp is not None else {}
        return {**super().resolved(), **digest}

    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Plan:
        """Return the plan of these areas; raise SpecError with all that overlaps, is too small or lies outside."""
        tiles, host, others = self._from_file() if self.flp is not None else self._from_spec()
        listed = [*tiles, *([host] if host is not None else []), *others]
        right = max((each.block.rect.x_m + each.block.rect.width_m for each in listed), default=0.0)
        bottom = max((each.block.rect.y_m + each.block.rect.height_m for each in listed), default=0.0)
        die = Rect(0.0, 0.0, right, bottom)
        if self.die is not None:
            die = Rect(0.0, 0.0, self.die.width_m, self.die.height_m)
        problems = [
            *_too_few_or_many(tiles, len(tiles_m2), self.flp),
            *_too_small(tiles, tiles_m2, host, host_m2, self.flp),
            *_names_given_twice(listed),
            *_outside(listed, die),
            *islice(_overlapping(listed), _MOST_OVERLAPS),
        ]
        if not problems and self.most_white_space is not None:
            problems += _too_empty(die, listed, self.most_white_space)
        if problems:
            raise SpecError(problems)
        sites = tuple(each.block.rect for each in tiles)
        blocks = tuple(each.block for each in others)
        used = sum(tiles_m2) + host_m2 + sum(block.rect.area_m2 for block in blocks)
        port = host.block.rect if host is not None else Rect(0.0, 0.0, 0.0, 0.0)
        return Plan(sites, port, places(sites), die.area_m2 - used, blocks, die)

    def _from_spec(self) -> tuple[list[Given], Given | None, list[Given]]:
        tiles = [
            Given(f"floorplan.tiles[{i}]", Block(f"tile{i}", tile.rect, "tile")) for i, tile in enumerate(self.tiles)
        ]
        host = Given("floorplan.host", Block("host", self.host.rect)) if self.host is not None else None
        others = [
            Given(f"floorplan.{key}[{i}]", Block(each.name, each.rect, kind))
            for key, listed, kind in (("blocks", self.blocks, DIGITAL), ("channels", self.channels, CHANNEL))
            for i, each in enumerate(listed)
        ]
        return tiles, host, others

    def _from_file(self) -> tuple[list[Given], Given | None, list[Given]]:
        assert self.flp is not None
        tiles: dict[int, Given] = {}
        host, others = None, []
        for block in read_flp(self._flp_text, self.flp):
            given = Given(f"{self.flp}: {block.name}", block)
            if match := _TILE.fullmatch(block.name):
                tiles[int(match[1])] = given
            elif block.name == "host":
                host = given
            elif not FILLER.fullmatch(block.name):
                kind = CHANNEL if block.name.startswith("channel") else DIGITAL
                others.append(Given(given.where, Block(block.name, block.rect, kind)))
        missing = sorted(set(range(max(tiles, default=-1) + 1)) - tiles.keys())
        if missing:
            what = f"has tile{max(tiles)}, but no {', '.join(f'tile{i}' for i in missing[:5])}"
            raise SpecError([Problem(self.flp, what, "number the tiles from 0, without gaps")])
        return [tiles[i] for i in sorted(tiles)], host, others


# ---- places


def places(sites: Sequence[Rect]) -> tuple[tuple[int, int], ...]:
    """Return the place (row, column) of each tile among its neighbours, no two alike.

    The tile whose centre is topmost begins a row, and all whose centres lie above its bottom stand in it; columns are
    told in the same way from left to right, over all rows, so that tiles in line share a column. Of two tiles of a row
    that would share one, the right or lower one moves to the next.
    """
    rows = _clusters([(site.y_m, site.height_m) for site in sites])
    aligned = _clusters([(site.x_m, site.width_m) for site in sites])
    found: dict[int, tuple[int, int]] = {}
    taken: dict[int, int] = {}
    for i in sorted(range(len(sites)), key=lambda i: (rows[i], aligned[i], sites[i].centre_m, i)):
        column = max(aligned[i], taken.get(rows[i], -1) + 1)
        taken[rows[i]] = column
        found[i] = (rows[i], column)
    return tuple(found[i] for i in range(len(sites)))


def _clusters(spans: Sequence[tuple[float, float]]) -> list[int]:
    """Return for each (begin, length) the number of its cluster: one ends where a centre lies beyond its first span."""
    number, end = -1, float("-inf")
    found = [0] * len(spans)
    for i in sorted(range(len(spans)), key=lambda i: (spans[i][0] + spans[i][1] / 2, i)):
        begin, length = spans[i]
        if begin + length / 2 > end - TOUCH_M:
            number, end = number + 1, begin + length
        found[i] = number
    return found


# ---- faults


def mm(*lengths_m: float) -> str:
    """Return lengths in millimetres, joined as sizes are.

    >>> mm(1.2e-3, 1.4e-3)
    '1.2 x 1.4 mm'
    """
    return " x ".join(f"{length * 1e3:.6g}" for length in lengths_m) + " mm"


def spot(rect: Rect) -> str:
    """Return size and place of a rectangle in millimetres.

    >>> spot(Rect(0.0, 1e-3, 1.2e-3, 1.4e-3))
    '1.2 x 1.4 mm at (0, 1) mm'
    """
    return f"{mm(rect.width_m, rect.height_m)} at ({rect.x_m * 1e3:.6g}, {rect.y_m * 1e3:.6g}) mm"


def _too_few_or_many(tiles: Sequence[Given], count: int, flp: str | None) -> Iterator[Problem]:
    if len(tiles) != count:
        hint = (
            f"give as many rectangles as tiles, or set tile.count={len(tiles)}" if tiles else "give one for each tile"
        )
        yield Problem(flp or "floorplan.tiles", f"{len(tiles)} rectangles for {count} tiles", hint)


def _too_small(
    tiles: Sequence[Given], tiles_m2: Sequence[float], host: Given | None, host_m2: float, flp: str | None
) -> Iterator[Problem]:
    needs = list(zip(tiles, tiles_m2, strict=False))
    if host is not None:
        needs.append((host, host_m2))
    elif host_m2 > 0:
        yield Problem(flp or "floorplan.host", f"the host port of {_mm2(host_m2)} has no rectangle",
                      "add 'host' with x, y, width and height")  # fmt: skip
    for given, need_m2 in needs:
        rect = given.block.rect
        if rect.area_m2 < need_m2 * (1 - _SLACK):
            what = (f"{given.block.name} needs {_mm2(need_m2)}, its rectangle of {mm(rect.width_m, rect.height_m)} has "
                    f"{_mm2(rect.area_m2)}")  # fmt: skip
            yield Problem(given.where, what, f"make it {mm(rect.width_m, need_m2 / rect.width_m)} or larger")


def _mm2(area_m2: float) -> str:
    return f"{area_m2 * 1e6:.6g} mm2"


def _names_given_twice(listed: Sequence[Given]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for given in listed:
        name = given.block.name
        if name in first:
            yield Problem(given.where, f"'{name}' is the name of {first[name]} already", "give each its own")
        first.setdefault(name, given.where)


def _outside(listed: Sequence[Given], die: Rect) -> Iterator[Problem]:
    for given in listed:
        rect = given.block.rect
        right, bottom = rect.x_m + rect.width_m - die.width_m, rect.y_m + rect.height_m - die.height_m
        if max(right, bottom, -rect.x_m, -rect.y_m) > TOUCH_M:
            what = f"{given.block.name}, {spot(rect)}, reaches out of the die of {mm(die.width_m, die.height_m)}"
            yield Problem(given.where, what, "the die begins at (0, 0); move the rectangle, or set floorplan.die")


def _overlapping(listed: Sequence[Given]) -> Iterator[Problem]:
    for i, j, common in overlaps([given.block.rect for given in listed]):
        a, b = listed[i], listed[j]
        what = f"{b.block.name} overlaps {a.block.name} in {spot(common)}"
        yield Problem(b.where, what, f"move or shrink one of {spot(a.block.rect)} and {spot(b.block.rect)}")


def _too_empty(die: Rect, listed: Sequence[Given], most: float) -> Iterator[Problem]:
    free = holes(die, [given.block.rect for given in listed])
    share, largest = free.area_m2 / die.area_m2, free.largest()
    if share > most and largest is not None:
        what = f"{share:.3g} of the die is covered by nothing, above {most:.3g}; the largest hole is {spot(largest)}"
        yield Problem("floorplan.most_white_space", what, "fill it, make the die smaller, or allow more")
