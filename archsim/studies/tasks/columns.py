"""Figures of a store's results by columns: each as one array over many points, so that any can be asked for at once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from pydantic_core import from_json

TABLES = (
    """CREATE TABLE names (
        id INTEGER PRIMARY KEY,
        origin INTEGER NOT NULL,
        part TEXT NOT NULL,         -- labels, depends or result
        name TEXT NOT NULL,         -- dotted
        holds TEXT NOT NULL,        -- count, number, truth, text, tree or nothing
        UNIQUE (origin, part, name, holds)
    )""",
    """CREATE TABLE segments (
        id INTEGER PRIMARY KEY,
        origin INTEGER NOT NULL,
        points BLOB NOT NULL,       -- their ids, 8 bytes each
        keys BLOB NOT NULL          -- the first 8 bytes of their keys, in their order
    )""",
    """CREATE TABLE columns (
        origin INTEGER NOT NULL,
        name TEXT NOT NULL,         -- of a figure of the result
        segment INTEGER NOT NULL,
        figures BLOB NOT NULL,      -- 8 bytes a point, NaN where there is none; what is missing at the end is NaN, too
        PRIMARY KEY (origin, name, segment)
    )""",
)
WIDE = 100
"""A mapping of more entries, such as one by links of a chip, stays one value."""
SMALL = 512
"""Points are added to a segment that holds no more with them."""
PARTS = ("labels", "depends", "result")
KEY, ID, FIGURE = np.dtype(">u8"), np.dtype("<i8"), np.dtype("<f8")
_HOLDS: Mapping[type, str] = {
    int: "count", float: "number", bool: "truth", str: "text", list: "tree", dict: "tree", type(None): "nothing",
}  # fmt: skip
Flat: TypeAlias = Mapping[str, Any]
Array: TypeAlias = np.ndarray[Any, Any]


class Column(NamedTuple):
    """What a part of the points of a store has under a name, and which kinds of values that are."""

    part: str
    name: str
    holds: frozenset[str]

    @property
    def is_figure(self) -> bool:
        """Whether it is a number where it is anything."""
        return self.part == "result" and bool(self.holds & {"count", "number"})


def flat(plain: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Return a tree of mappings as one mapping of dotted names; what stands in `metrics` at its top has no prefix.

    >>> flat({"metrics": {"area_m2": 1.0}, "data": None, "loss": {"chip": [1, 2]}})
    {'area_m2': 1.0, 'data': None, 'loss.chip': [1, 2]}
    """
    found: dict[str, Any] = {}
    for key, value in plain.items():
        name = f"{before}{key}"
        if type(value) is not dict or not value or len(value) > WIDE:
            found[name] = value
        elif name == "metrics" and value.keys().isdisjoint(plain):
            found.update(value if dict not in map(type, value.values()) else flat(value))
        else:
            found.update(flat(value, f"{name}."))
    return found


def flat_json(text: str) -> dict[str, Any]:
    """Return what a part of a point holds; raise ValueError where it is no mapping in JSON."""
    plain = from_json(text, allow_inf_nan=False)  # in half of the time of Python's own
    if type(plain) is not dict:
        raise ValueError(text)
    return flat(plain)


def check(parts: Sequence[str]) -> None:
    """Raise ValueError where the parts of a point, given as JSON, are none that `add` takes."""
    for part in parts:
        values = list(flat_json(part).values())
        _figures(values, set(map(type, values)))


def add(
    base: sqlite3.Connection, origin: int, ids: Sequence[int], keys: Sequence[bytes], parts: Sequence[Sequence[str]]
) -> None:
    """Add the names and figures of points of one origin, whose parts are given as JSON; raise ValueError if it is none.

    It is part of the transaction that adds the points.
    """
    found: set[tuple[str, str, str]] = set()
    columns: dict[str, Array] = {}
    for place, part in enumerate(PARTS):
        flats = [flat_json(each[place]) for each in parts]
        for name, values in _turned(flats):
            types = set(map(type, values))
            found |= {(part, name, _HOLDS[own]) for own in types}
            if part == "result" and not types.isdisjoint((int, float)):
                columns[name] = _figures(values, types)
                if int in types and np.nanmax(np.abs(columns[name])) >= 2.0**63:  # more than a column of counts holds
                    found.add((part, name, "number"))
    rows = [(origin, *own) for own in sorted(found)]
    base.executemany("INSERT OR IGNORE INTO names (origin, part, name, holds) VALUES (?, ?, ?, ?)", rows)
    _append(base, origin, np.array(ids, ID), np.frombuffer(b"".join(key[:8] for key in keys), KEY), columns)


def _turned(flats: Sequence[Flat]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Yield each name with its value of each mapping, None where it has none."""
    first = tuple(flats[0])
    if all(tuple(each) == first for each in flats):
        yield from zip(first, zip(*(each.values() for each in flats), strict=True), strict=True)
    else:
        for name in dict.fromkeys(name for each in flats for name in each):
            yield name, [each.get(name) for each in flats]


def _figures(values: Sequence[Any], types: Collection[type]) -> Array:
    if not {int, float, type(None)}.issuperset(types):
        values = [value if type(value) in (int, float) else None for value in values]
    try:
        return np.array(values, FIGURE)
    except OverflowError:
        raise ValueError("a number is too large") from None


def _append(base: sqlite3.Connection, origin: int, ids: Array, keys: Array, columns: Mapping[str, Array]) -> None:
    asked = "SELECT id, points, keys FROM segments WHERE origin = ? ORDER BY id DESC LIMIT 1"
    last = base.execute(asked, (origin,)).fetchone()
    count = 0 if last is None else len(last[1]) // ID.itemsize
    if count and count + len(ids) <= SMALL:
        segment, own, theirs = last
        base.execute("UPDATE segments SET points = ?, keys = ? WHERE id = ?",
                     (own + ids.tobytes(), theirs + keys.tobytes(), segment))  # fmt: skip
        there = dict(base.execute("SELECT name, figures FROM columns WHERE origin = ? AND segment = ?",
                                  (origin, segment)))  # fmt: skip
    else:
        insert = "INSERT INTO segments (origin, points, keys) VALUES (?, ?, ?)"
        segment, count, there = base.execute(insert, (origin, ids.tobytes(), keys.tobytes())).lastrowid, 0, {}
    rows = (
        (origin, name, segment, _padded(there.get(name, b""), count).tobytes() + own.tobytes())
        for name, own in columns.items()
    )
    base.executemany("INSERT OR REPLACE INTO columns VALUES (?, ?, ?, ?)", rows)


def _padded(figures: bytes, count: int) -> Array:
    own = np.frombuffer(figures, FIGURE)
    if len(own) > count:
        raise ValueError("more figures than points")
    return np.concatenate([own, np.full(count - len(own), np.nan)]) if len(own) < count else own


def remove(base: sqlite3.Connection, origins: Sequence[int]) -> None:
    """Remove the names and figures of origins, as part of the transaction that removes their points."""
    for table in ("names", "segments", "columns"):
        base.executemany(f"DELETE FROM {table} WHERE origin = ?", ((own,) for own in origins))


def counts(base: sqlite3.Connection) -> dict[int, int]:
    """Return by origin how many points there are."""
    return dict(base.execute(f"SELECT origin, sum(length(points)) / {ID.itemsize} FROM segments GROUP BY origin"))


def named(base: sqlite3.Connection, origins: Sequence[int]) -> list[Column]:
    """Return what points of origins have, part by part in the order in which names came up."""
    found: dict[tuple[str, str], set[str]] = {}
    marks = ", ".join("?" * len(origins))
    for part, name, holds in base.execute(
        f"SELECT part, name, holds FROM names WHERE origin IN ({marks}) ORDER BY name, part, holds", origins
    ):
        found.setdefault((part, name), set()).add(holds)
    return sorted((Column(*own, frozenset(holds)) for own, holds in found.items()), key=lambda own: PARTS.index(own[0]))


def selected(
    base: sqlite3.Connection, origins: Sequence[int], names: Sequence[str], meets: Callable[..., Array] | None,
    order: int = 0,
) -> Array:  # fmt: skip
    """Return the ids of the points of origins of which the arrays of these figures meet what is asked.

    They are in the order of their keys, or of the first figure: ascending with `order` 1, descending with -1.
    Raises ValueError where arrays do not fit together.
    """
    ids, keys, figures = [np.zeros(0, ID)], [np.zeros(0, KEY)], [[np.zeros(0, FIGURE)] for _ in names]
    for origin in origins:
        own = [dict(base.execute("SELECT segment, figures FROM columns WHERE origin = ? AND name = ?", (origin, name)))
               for name in names]  # fmt: skip
        for segment, points, begins in base.execute(
            "SELECT id, points, keys FROM segments WHERE origin = ? ORDER BY id", (origin,)
        ):
            ids.append(np.frombuffer(points, ID))
            keys.append(np.frombuffer(begins, KEY))
            for column, data in zip(figures, own, strict=True):
                column.append(_padded(data.get(segment, b""), len(ids[-1])))
    points, begins, arrays = np.concatenate(ids), np.concatenate(keys), [np.concatenate(column) for column in figures]
    if meets is not None:
        kept = meets(*arrays)
        points, begins, arrays = points[kept], begins[kept], [own[kept] for own in arrays]
    by = (points, begins) if not order else (points, begins, order * arrays[0])
    return points[np.lexsort(by)]


def joined(ids: Sequence[Array]) -> Array:
    """Return ids one after another."""
    return np.concatenate([np.zeros(0, ID), *ids])
