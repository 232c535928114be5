"""Floorplans that are given rectangle by rectangle, in the spec or in a HotSpot file, and checked against the areas."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256
from typing import Annotated, Any, Self

from pydantic import PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from archsim.base.documents import read_text
from archsim.base.errors import SpecError
from archsim.base.limits import FLOORPLAN_BYTES
from archsim.base.section import Section
from archsim.base.units import Dimension, Length, Share
from archsim.chip.floorplan.flp import read_flp
from archsim.chip.floorplan.geometry import TOUCH_M
from archsim.chip.floorplan.given_faults import TILE, Given, faults_of, names_that_do_not_fit, too_empty, too_large
from archsim.chip.floorplan.plan import CHANNEL, DIGITAL, Block, Plan, Rect
from archsim.chip.floorplan.ring import Name
from archsim.spec.choices import Floorplan, floorplan
from archsim.spec.named import FileName, lies

Coordinate = Annotated[float, Dimension("m", least=-1.0, above=False, most=1.0)]
FILLER = re.compile(r"filler_\d+")
"""Names in a .flp file of what is white space, since HotSpot wants the die covered."""


class Rectangle(Section):
    """A rectangle of the die; (x, y) is its corner nearest the origin."""

    x_m: Coordinate
    """Its left edge, from the origin."""
    y_m: Coordinate
    """Its lower edge, from the origin; drawings show y downwards."""
    width_m: Length
    """Its width, along x."""
    height_m: Length
    """Its height, along y."""

    @property
    def rect(self) -> Rect:
        """The same as a value of the plan."""
        return Rect(self.x_m, self.y_m, self.width_m, self.height_m)


class NamedRectangle(Rectangle):
    """A rectangle of the die with a name: a controller, a memory, a pad frame."""

    name: Name
    """Name of what stands there, one word."""


class Die(Section):
    """The size of the die, whose corner is the origin."""

    width_m: Length
    """Width of the die."""
    height_m: Length
    """Height of the die."""


@floorplan("explicit")
class Explicit(Floorplan):
    """A rectangle for each tile, by number, one for the host port, and others; from the spec or from a HotSpot file.

    `flp` names a file with all of them, relative to the spec's own file: tile0, tile1, ..., host, `channel...` are
    routing channels, `filler_0`, ... are white space and anything else is a digital block. Such a file may start
    anywhere: its lower left corner becomes the origin, as in HotSpot, unless `die` is given. What no rectangle covers
    is white space, and so is what a rectangle has more than its tile needs; `most_white_space` limits the former, as a
    share of the die. The die is as large as the rectangles reach unless `die` says more.
    """

    tiles: tuple[Rectangle, ...] = ()
    """A rectangle for each tile, by number."""
    host: Rectangle | None = None
    """The rectangle of the host port."""
    blocks: tuple[NamedRectangle, ...] = ()
    """Rectangles of digital blocks."""
    channels: tuple[NamedRectangle, ...] = ()
    """Rectangles of routing channels."""
    flp: FileName | None = None
    """A HotSpot file with all rectangles instead, relative to the spec's own file."""
    die: Die | None = None
    """Size of the die, where it is larger than the rectangles reach."""
    most_white_space: Share | None = None
    """Share of the die that may be covered by nothing."""
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
                self._flp_text = read_text(lies(self.flp.path), self._label, FLOORPLAN_BYTES)
            except SpecError as error:
                message = {"what": str(error.problems[0])}
                raise PydanticCustomError("floorplan", "{what} (relative to the spec's own file)", message) from None
        return self

    @property
    def _label(self) -> str:
        return "" if self.flp is None else self.flp.path.as_posix()

    def resolved(self) -> dict[str, Any]:
        """Return the section as plain data; of a file it tells a hash of the text, so that the spec's hash follows."""
        digest = {"flp_sha256": sha256(self._flp_text.encode()).hexdigest()} if self.flp is not None else {}
        return {**super().resolved(), **digest}

    def plan(self, tiles_m2: Sequence[float], host_m2: float) -> Plan:
        """Return the plan of these areas; raise SpecError with all that overlaps, is too small or lies outside."""
        tiles, host, others, fillers = self._from_file() if self.flp is not None else self._from_spec()
        listed = [*tiles, *([host] if host is not None else []), *others]
        reach = [each.block.rect for each in (*listed, *fillers)]
        right = max((rect.x_m + rect.width_m for rect in reach), default=0.0)
        bottom = max((rect.y_m + rect.height_m for rect in reach), default=0.0)
        die = Rect(0.0, 0.0, right, bottom)
        if self.die is not None:
            die = Rect(0.0, 0.0, self.die.width_m, self.die.height_m)
        if problem := too_large(Rect(0.0, 0.0, right, bottom), die, sum(tiles_m2) + host_m2, self._label or None):
            raise SpecError([problem])
        if self.flp is not None:
            names = [each.block.name for each in (*listed, *fillers)]
            if unfit := list(names_that_do_not_fit(names, len(tiles_m2), host_m2 > 0, self._label)):
                raise SpecError(unfit)
        problems = list(faults_of(tiles, tiles_m2, host, host_m2, others, die))
        if not problems and self.most_white_space is not None:
            problems += too_empty(die, listed, self.most_white_space)
        if problems:
            raise SpecError(problems)
        sites = tuple(each.block.rect for each in tiles)
        blocks = tuple(each.block for each in others)
        used = sum(tiles_m2) + host_m2 + sum(block.rect.area_m2 for block in blocks)
        port = host.block.rect if host is not None else Rect(0.0, 0.0, 0.0, 0.0)
        return Plan(sites, port, places(sites), die.area_m2 - used, blocks, die)

    def _from_spec(self) -> tuple[list[Given], Given | None, list[Given], list[Given]]:
        tiles = [
            Given(f"floorplan.tiles[{i}]", Block(f"tile{i}", tile.rect, "tile")) for i, tile in enumerate(self.tiles)
        ]
        host = Given("floorplan.host", Block("host", self.host.rect)) if self.host is not None else None
        others = [
            Given(f"floorplan.{key}[{i}]", Block(each.name, each.rect, kind))
            for key, listed, kind in (("blocks", self.blocks, DIGITAL), ("channels", self.channels, CHANNEL))
            for i, each in enumerate(listed)
        ]
        return tiles, host, others, []

    def _from_file(self) -> tuple[list[Given], Given | None, list[Given], list[Given]]:
        """Return tiles, host port, other blocks and what is white space."""
        tiles: dict[int, Given] = {}
        host, others, fillers = None, [], []
        read = read_flp(self._flp_text, self._label)
        left = bottom = 0.0
        if self.die is None:
            left, bottom = min(block.rect.x_m for block in read), min(block.rect.y_m for block in read)
        for block in read:
            rect = replace(block.rect, x_m=block.rect.x_m - left, y_m=block.rect.y_m - bottom)
            kind = CHANNEL if block.name.startswith("channel") else DIGITAL
            given = Given(f"{self._label}: {block.name}", Block(block.name, rect, kind))
            if match := TILE.fullmatch(block.name):
                tiles[int(match[1])] = given
            elif block.name == "host":
                host = given
            elif FILLER.fullmatch(block.name):
                fillers.append(given)
            else:
                others.append(given)
        return [tiles[i] for i in sorted(tiles)], host, others, fillers


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
