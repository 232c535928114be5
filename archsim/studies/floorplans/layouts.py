"""Layouts: the floorplans, placements and topologies that a chip may have instead of its own, as settings of its spec.

What stands on the die stays there: another kind of floorplan is taken only if it has a key for all that the given one
says, so that no core, block or channel is lost, and white space and widths of channels keep their values.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from pydantic.fields import FieldInfo

from archsim.base.section import marks_of, yaml_key
from archsim.base.units import Dimension
from archsim.spec.arch import ArchSpec
from archsim.spec.choices import FLOORPLANS, PLACEMENTS, TOPOLOGIES
from archsim.spec.figures import Figure
from archsim.spec.loading import Loaded

COLUMNS = "columns"
MOST_COLUMNS = 12
"""How many numbers of columns are tried per kind of floorplan (an assumption): those nearest to a square."""
GIVEN_TOPOLOGIES = frozenset({"graph"})
"""Never tried instead of another: without its links, this one is a single router for all tiles, however many."""
_PLAIN = re.compile(r"[\w.%/^+-]+( [\w.%/^+-]+)*")


@dataclass(frozen=True)
class Layout:
    """A kind of floorplan and its columns, None where it has none; `carried` are its other keys with their texts."""

    kind: str
    columns: int | None
    carried: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """The section of a spec, on one line."""
        columns = () if self.columns is None else (f"{COLUMNS}: {self.columns}",)
        rest = (f"{key}: {text if _PLAIN.fullmatch(text) else json.dumps(text)}" for key, text in self.carried)
        return "{" + ", ".join((f"kind: {self.kind}", *columns, *rest)) + "}"


@dataclass(frozen=True)
class Point:
    """One choice of each: layout, placement and topology."""

    layout: Layout
    placement: str
    topology: str

    def apart(self, other: Point) -> int:
        """Return how many choices differ. Columns are one where both have them, as is the kind of floorplan."""
        a, b = self.layout, other.layout
        columns = None not in (a.columns, b.columns) and a.columns != b.columns
        return sum((a.kind != b.kind, columns, self.placement != other.placement, self.topology != other.topology))


@dataclass(frozen=True)
class Space:
    """All points around a spec, its own first in each list; `left_out` are kinds of floorplan, and why."""

    layouts: tuple[Layout, ...]
    placements: tuple[str, ...]
    topologies: tuple[str, ...]
    left_out: tuple[tuple[str, str], ...]

    @property
    def start(self) -> Point:
        """The spec as given."""
        return Point(self.layouts[0], self.placements[0], self.topologies[0])

    def points(self, placements: Sequence[str] | None = None) -> list[Point]:
        """Return all points, or those with one of these placements."""
        every = itertools.product(self.topologies, self.layouts, self.placements if placements is None else placements)
        return [Point(layout, placement, topology) for topology, layout, placement in every]


def space_of(start: Loaded[ArchSpec], *, topologies: bool = False) -> Space:
    """Return the points around a spec: all kinds of floorplan that suit it, and all placements; if wanted, topologies.

    Other placements and topologies have their default options.
    """
    spec = start.value
    layouts, left_out = _layouts(start)
    own = spec.routing.topology
    others = [name for name in TOPOLOGIES if topologies and name not in GIVEN_TOPOLOGIES and name != own]
    placements = [name for name in PLACEMENTS if name != spec.placement]
    return Space(tuple(layouts), (spec.placement, *placements), (own, *others), tuple(left_out))


def settings_of(start: Loaded[ArchSpec], space: Space, point: Point) -> tuple[str, ...]:
    """Return the settings that turn the spec as given into a point; none for its own."""
    own, settings = space.start, []
    if point.layout.kind != own.layout.kind:
        settings.append(f"floorplan={point.layout.text}")
    elif point.layout.columns != own.layout.columns:
        settings.append(f"floorplan.{COLUMNS}={point.layout.columns}")
    if point.placement != own.placement:
        if start.value.placement_options.resolved():
            settings.append("placement_options={}")
        settings.append(f"placement={point.placement}")
    if point.topology != own.topology:
        if start.value.routing.options.resolved():
            settings.append("routing.options={}")
        settings.append(f"routing.topology={point.topology}")
    return tuple(settings)


def column_counts(tiles: int) -> list[int]:
    """Return numbers of columns to try for so many tiles, the nearest to a square first.

    They are the divisors, which fill all rows, and the neighbours of the square root.

    >>> column_counts(8)
    [3, 2, 4, 5, 1, 8]
    """
    root = math.isqrt(tiles)
    near = range(max(1, root - 2), min(tiles, root + 3) + 1)
    divisors = [n for n in range(1, tiles + 1) if tiles % n == 0]

    def aspect(n: int) -> Fraction:
        return max(Fraction(n * n, tiles), Fraction(tiles, n * n))

    return sorted({*near, *divisors}, key=lambda n: (aspect(n), n))[:MOST_COLUMNS]


def _layouts(start: Loaded[ArchSpec]) -> tuple[list[Layout], list[tuple[str, str]]]:
    spec = start.value
    given = spec.floorplan
    said = [yaml_key(name) for name, value in given if value not in (None, 0, 0.0, ()) and yaml_key(name) != COLUMNS]
    counts = column_counts(sum(tile.count for _, tile in spec.tile_kinds))
    own = getattr(given, COLUMNS, None)
    others = [] if own is None else [n for n in counts if n != own]
    layouts = [Layout(given.kind, n) for n in (own, *others)]
    with_own = [*counts, *([] if own is None or own in counts else [own])]
    left_out = []
    for kind, cls in FLOORPLANS.items():
        if kind == given.kind:
            continue
        fields = {yaml_key(name): field for name, field in cls.model_fields.items() if yaml_key(name) != COLUMNS}
        texts = {key: _text(field, start.figures.get(f"floorplan.{key}")) for key, field in fields.items()}
        lost = ", ".join(key for key in said if key not in fields)
        missing = ", ".join(key for key, text in texts.items() if text is None and fields[key].is_required())
        if lost or missing:
            words = [f"has no place for what '{given.kind}' says of {lost}"] if lost else []
            words += [f"needs {missing}, which '{given.kind}' does not say"] if missing else []
            left_out.append((kind, "; ".join(words)))
            continue
        carried = tuple((key, text) for key, text in texts.items() if text is not None)
        layouts += [Layout(kind, n, carried) for n in (with_own if COLUMNS in cls.model_fields else [None])]
    return layouts, left_out


def _text(field: FieldInfo, given: Figure | None) -> str | None:
    """Return a key's text as given; of a width that may be nothing, nothing; else None."""
    if given is not None:
        return given.text
    widths = (mark for mark in marks_of(field) if isinstance(mark, Dimension) and mark.si == "m")
    return "0 m" if field.is_required() and any(mark.least == 0 and not mark.above for mark in widths) else None
