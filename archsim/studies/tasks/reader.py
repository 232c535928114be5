"""A store as it is read: its points in a fixed order, by kind and by their figures, as it was at one moment."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote

from archsim.base.errors import SpecError, nearest
from archsim.studies.tasks import columns
from archsim.studies.tasks.columns import Array, Column
from archsim.studies.tasks.store import ASKED, BUSY_S, VERSION, Row, Store, told, version_of, whole

ROWS = """
SELECT points.id, lower(hex(key)), kind, depends, code, versions, processor, result, labels
FROM points JOIN origins ON origin = origins.id WHERE points.id IN ({})
"""


class Origin(NamedTuple):
    """What results have in common, and how many there are."""

    number: int
    kind: str
    code: str
    versions: str
    processor: str
    points: int


class Reader:
    """A store that is only read, within its context: others may write meanwhile, of which nothing is seen.

    Raises SpecError where there is no file, or none that can be read as a store.
    """

    def __init__(self, path: Path, label: str = "") -> None:
        self.path, self.where = path, f"{label} {path}".strip()
        if not path.is_file():
            what = "is a folder, a pipe or a device, not a file" if path.exists() else "no such file"
            raise SpecError.at(self.where, what, "give a file that --store named, or points.sqlite of a study's folder")
        self._within = ExitStack()

    def __enter__(self) -> Self:
        with told(self.where), ExitStack() as opened:
            self._open = self._opened(opened)
            if version_of(self._open, self.where) not in (0, VERSION):
                with Store(self.path, self.where.removesuffix(str(self.path)).strip()):
                    pass  # which makes a new one of it
                self._open = self._opened(opened)
            self._open.execute("BEGIN")
            if version_of(self._open, self.where) == 0:
                raise SpecError.at(self.where, "is no store", "give another file")
            self._within = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._within.close()

    def _opened(self, opened: ExitStack) -> sqlite3.Connection:
        """Return a connection that writes nothing; where nothing can be written beside the file, it is taken to stay.

        One that may write clears what SQLite keeps beside the file.
        """
        ways = ["mode=rw"]
        log = self.path.with_name(f"{self.path.name}-wal")
        if not log.exists() or not log.stat().st_size:
            ways.append("mode=ro&immutable=1")
        for way in ways:
            address = f"file:{quote(os.fsencode(self.path.absolute()))}?{way}"
            base = sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)
            opened.callback(base.close)
            base.execute("PRAGMA query_only = 1")
            try:
                base.execute("SELECT 1 FROM sqlite_master").fetchone()
            except sqlite3.OperationalError:
                if way is ways[-1]:
                    raise
            else:
                return base
        raise AssertionError

    def origins(self, kind: str | None = None) -> list[Origin]:
        """Return what results have in common, by kind; of one kind if that is given, which must be there."""
        with told(self.where):
            counts = columns.counts(self._open)
            rows = self._open.execute("SELECT * FROM origins ORDER BY kind, code, versions, processor")
            found = [
                Origin(number, kind, code, versions, processor, counts.get(number, 0))
                for number, kind, code, versions, processor in rows
            ]
        if kind is None:
            return found
        if not (of_kind := [own for own in found if own.kind == kind]):
            kinds = {own.kind for own in found}
            hint = nearest(kind, kinds) if kinds else "there are no points in it"
            raise SpecError.at("--kind", f"there is no '{kind}' in {self.path}", hint)
        return of_kind

    def columns(self, origins: Sequence[Origin]) -> list[Column]:
        """Return what points have, part by part."""
        with told(self.where), whole(self.where):
            return columns.named(self._open, [own.number for own in origins])

    def select(
        self, origins: Sequence[Origin], names: Sequence[str] = (), meets: Callable[..., Array] | None = None,
        order: int = 0,
    ) -> Array:  # fmt: skip
        """Return the ids of points, kind by kind: of which the arrays of these figures meet what is asked.

        They are in the order of their keys, or of the first figure: ascending with `order` 1, descending with -1.
        """
        with told(self.where), whole(self.where):
            of_kinds = [[own.number for own in same] for _, same in groupby(origins, lambda own: own.kind)]
            found = [columns.selected(self._open, own, names, meets, order) for own in of_kinds]
        return columns.joined(found)

    def rows(self, ids: Array) -> Iterator[Row]:
        """Yield points in the order of their ids."""
        for start in range(0, len(ids), ASKED):
            some = ids[start : start + ASKED].tolist()
            asked = ROWS.format(", ".join("?" * len(some)))
            with told(self.where), whole(self.where):
                found = {at: Row(*own) for at, *own in self._open.execute(asked, some)}
                if len(found) < len(some) or {type(part) for row in found.values() for part in row} != {str}:
                    raise ValueError("a point is missing, or is no text")
            yield from (found[at] for at in some)
