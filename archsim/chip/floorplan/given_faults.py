"""What can be wrong with rectangles that were given: names, sizes, units, places."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from archsim.base.errors import Problem
from archsim.base.words import counted
from archsim.chip.floorplan.geometry import TOUCH_M, holes, overlaps
from archsim.chip.floorplan.plan import Block, Rect

TILE = re.compile(r"tile(0|[1-9]\d*)")
_SLACK = 1e-9  # of a tile's area: what a product of rounded sides may miss
_MOST_OVERLAPS = 20  # a file that lost its coordinates has thousands
_MOST_SIDE_M = 0.3  # the diameter of the largest wafers: nobody makes a larger die. It refuses, and changes no result
_UNITS = {"mm": 1e-3, "um": 1e-6, "nm": 1e-9}
_MOST_NAMES = 6  # that a message lists


@dataclass(frozen=True)
class Given:
    """One rectangle and where it was given."""

    where: str
    block: Block


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


def too_large(reach: Rect, die: Rect, need_m2: float, flp: str | None) -> Problem | None:
    """Return what to say of a die that no wafer holds: the unit that its coordinates are likely in, if there is one."""
    width, height = max(reach.width_m, die.width_m), max(reach.height_m, die.height_m)
    if max(width, height) <= _MOST_SIDE_M:
        return None
    what = f"a die of {width:.6g} x {height:.6g} m; no wafer is larger than {_MOST_SIDE_M:g} m"
    likely = [
        (unit, scale) for unit, scale in _UNITS.items()
        if width * height * scale**2 >= need_m2 and max(width, height) * scale <= _MOST_SIDE_M
    ]  # fmt: skip
    if not likely:
        return Problem(flp or "floorplan", what, "check the coordinates")
    unit, scale = min(likely, key=lambda each: each[1])
    read = f"read in {unit} it would be of {mm(width * scale, height * scale)}"
    todo = f"multiply all coordinates by {scale:g}: HotSpot's are in metres" if flp is not None else "check the unit"
    return Problem(flp or "floorplan", what, f"{read}; {todo}")


def names_that_do_not_fit(names: Sequence[str], tiles: int, has_port: bool, flp: str) -> Iterator[Problem]:
    """Yield the tiles and the port that a file lacks, and the tiles that it has beyond those of the chip."""
    expected = [f"tile{i}" for i in range(tiles)]
    wanted = [*expected, *(["host"] if has_port else [])]
    given, own = set(names), set(expected)
    missing = [name for name in wanted if name not in given]
    beyond = [name for name in names if TILE.fullmatch(name) and name not in own]
    if not missing and not beyond:
        return
    words = [
        *([f"there is no {_few(missing)}"] if missing else []),
        *([f"{_few(beyond)} {'is' if len(beyond) == 1 else 'are'} no tile of this chip"] if beyond else []),
    ]
    span = f"{expected[0]} to {expected[-1]}" if tiles > 1 else expected[0]
    hint = f"expected {span}{' and host' if has_port else ''}, found {_few(names)}; rename them"
    have = sum(1 for name in names if TILE.fullmatch(name))
    if have not in (0, tiles):
        hint += f", or set tile.count={have}"
    yield Problem(flp, ", and ".join(words), hint)


def _few(names: Sequence[str]) -> str:
    """Return names joined, the rest counted.

    >>> _few(["a", "b"]), _few([f"t{i}" for i in range(20)])
    ('a, b', 't0, t1, t2, t3, t4, t5 and 14 more')
    """
    more = len(names) - _MOST_NAMES
    return ", ".join(names) if more <= 0 else f"{', '.join(names[:_MOST_NAMES])} and {more} more"


def faults_of(
    tiles: Sequence[Given], tiles_m2: Sequence[float], host: Given | None, host_m2: float, others: Sequence[Given],
    die: Rect,
) -> Iterator[Problem]:  # fmt: skip
    """Yield what is missing, too small, named twice, off the die or in the way of another."""
    listed = [*tiles, *([host] if host is not None else []), *others]
    yield from _too_few_or_many(tiles, len(tiles_m2))
    yield from _too_small(tiles, tiles_m2, host, host_m2)
    yield from _names_given_twice(listed)
    yield from _outside(listed, die)
    yield from islice(_overlapping(listed), _MOST_OVERLAPS)


def _too_few_or_many(tiles: Sequence[Given], count: int) -> Iterator[Problem]:
    if len(tiles) != count:
        hint = (
            f"give as many rectangles as tiles, or set tile.count={len(tiles)}" if tiles else "give one for each tile"
        )
        yield Problem("floorplan.tiles", f"{counted(len(tiles), 'rectangle')} for {counted(count, 'tile')}", hint)


def _too_small(
    tiles: Sequence[Given], tiles_m2: Sequence[float], host: Given | None, host_m2: float
) -> Iterator[Problem]:
    needs = list(zip(tiles, tiles_m2, strict=False))
    if host is not None:
        needs.append((host, host_m2))
    elif host_m2 > 0:
        what = f"the host port of {_mm2(host_m2)} has no rectangle"
        yield Problem("floorplan.host", what, "add 'host' with x, y, width and height")
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


def too_empty(die: Rect, listed: Sequence[Given], most: float) -> Iterator[Problem]:
    """Yield that more of the die than this share is covered by nothing, with the largest hole."""
    free = holes(die, [given.block.rect for given in listed])
    share, largest = free.area_m2 / die.area_m2, free.largest()
    if share > most and largest is not None:
        what = f"{share:.3g} of the die is covered by nothing, above {most:.3g}; the largest hole is {spot(largest)}"
        yield Problem("floorplan.most_white_space", what, "fill it, make the die smaller, or allow more")
