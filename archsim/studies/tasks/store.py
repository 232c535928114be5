"""The store: results of tasks in a SQLite file, each under the digest of all that it depends on."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from archsim.base.doors import door
from archsim.base.errors import Problem, SpecError
from archsim.studies.tasks.mounts import network_file_system
from archsim.studies.tasks.surroundings import Surroundings, surroundings

APPLICATION, VERSION = int.from_bytes(b"arch", "big"), 1
_HEAD = ("application_id", "user_version")
"""Where SQLite keeps these two."""
BUSY_S, COMMIT_S = 30.0, 1.0
"""How long another's commit is waited for, and how long at most a result waits to be committed."""
ASKED = 500
"""Keys asked for in one query; SQLite takes 999 at least."""
TABLE = """
CREATE TABLE IF NOT EXISTS points (
    key TEXT PRIMARY KEY,       -- SHA-256 of what follows up to the result
    kind TEXT NOT NULL,         -- which kind of task
    depends TEXT NOT NULL,      -- JSON: what it depends on
    code TEXT NOT NULL,         -- digest of archsim's code
    versions TEXT NOT NULL,     -- of Python and the packages that compute
    processor TEXT NOT NULL,
    result TEXT NOT NULL        -- JSON
) WITHOUT ROWID
"""
ASKS = """
CREATE TABLE IF NOT EXISTS asked (
    ask TEXT PRIMARY KEY,       -- SHA-256 of how a task was asked for
    key TEXT NOT NULL           -- of its point
) WITHOUT ROWID
"""
"""Finding out what a task depends on may take longer than to read its result: this remembers it."""


class Row(NamedTuple):
    """A row of the store."""

    key: str
    kind: str
    depends: str
    code: str
    versions: str
    processor: str
    result: str


def row_of(kind: str, depends: Mapping[str, Any], result: str = "", here: Surroundings | None = None) -> Row:
    """Return the row of a result that was computed in these surroundings, by default this process's."""
    own = here or surroundings()
    versions = ", ".join(f"{name} {number}" for name, number in (("Python", own.python), *own.packages))
    parts = (kind, json.dumps(depends, sort_keys=True, allow_nan=False), own.code, versions, own.processor)
    return Row(hashlib.sha256("\0".join(parts).encode()).hexdigest(), *parts, result)


def ask_of(kind: str, asked: Mapping[str, Any], here: Surroundings | None = None) -> str:
    """Return under what a store remembers how a task was asked for, to be computed in these surroundings."""
    return row_of(f"asked {kind}", asked, "", here).key


class Store:
    """Results in a file, which other studies may use at once; within its context it commits at times and at the end.

    A file that is not there is made at once, or not before `after_s`: what ends earlier, uninterrupted, keeps nothing.
    Raises SpecError where the file is on a network's file system, cannot be written, is damaged or newer.
    """

    def __init__(self, path: Path, label: str = "--store", after_s: float = 0.0) -> None:
        self.path, self.where = path, f"{label} {path}"
        if name := network_file_system(path):
            what = f"is on {name}, a network's file system, whose locks SQLite cannot rely on"
            hint = "give a file on a disk of this machine, and merge it afterwards: archsim store merge"
            raise SpecError([Problem(self.where, what, hint)])
        self._new: list[Row] = []
        self._asks: list[tuple[str, str]] = []
        self._committed = time.monotonic()
        self._late, self._due = after_s > 0, self._committed + after_s
        self._connection: sqlite3.Connection | None = None
        if not self._late or path.exists():
            self._connect()

    @property
    def _open(self) -> sqlite3.Connection:
        return self._connection or self._connect()

    def _connect(self) -> sqlite3.Connection:
        if self._late:
            with door(self.where, "its folder cannot be made: {why}", "give a file with --store", (OSError,)):
                self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._told():
            self._connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def _begin(self) -> None:
        with self._told():
            own, version = (self._open.execute(f"PRAGMA {name}").fetchone()[0] for name in _HEAD)
            if own != APPLICATION and self._open.execute("SELECT 1 FROM sqlite_master").fetchone() is not None:
                raise SpecError([Problem(self.where, "is another program's database", "give another file")])
            if version > VERSION:
                what = f"is of a newer archsim, schema {version}; this one writes {VERSION}"
                raise SpecError([Problem(self.where, what, "update archsim, or give another file")])
            self._open.execute("PRAGMA journal_mode = WAL")
            self._open.execute("PRAGMA synchronous = NORMAL")  # a kill loses nothing that is committed
            if version < VERSION:
                with self._writing():
                    for statement in (TABLE, ASKS):
                        self._open.execute(statement)
                    for name, number in zip(_HEAD, (APPLICATION, VERSION), strict=True):
                        self._open.execute(f"PRAGMA {name} = {number}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._connection is not None or (kind is not None and not issubclass(kind, Exception)):
                self.commit()
        finally:
            if self._connection is not None:
                self._connection.close()

    def asked(self, asks: Sequence[str]) -> dict[str, str]:
        """Return the results, as JSON, of tasks that were asked for so before."""
        return self._among(asks, "SELECT ask, result FROM asked JOIN points USING (key) WHERE ask IN")

    def results(self, keys: Sequence[str]) -> dict[str, str]:
        """Return by key the results that are there, as JSON."""
        return self._among(keys, "SELECT key, result FROM points WHERE key IN")

    def _among(self, texts: Sequence[str], query: str) -> dict[str, str]:
        found: dict[str, str] = {}
        if self._connection is None:
            return found
        with self._told():
            for start in range(0, len(texts), ASKED):
                some = texts[start : start + ASKED]
                found.update(self._open.execute(f"{query} ({', '.join('?' * len(some))})", some))
        return found

    def remember(self, ask: str, key: str) -> None:
        """Take how the task of a result was asked for."""
        self._asks.append((ask, key))

    def put(self, row: Row) -> None:
        """Take a result, and commit what was taken if the last commit is long ago."""
        self._new.append(row)
        now = time.monotonic()
        if now - self._committed >= COMMIT_S and (self._connection is not None or now >= self._due):
            self.commit()

    def commit(self) -> None:
        """Write what was taken; what another has written meanwhile stays."""
        if self._new or self._asks:
            with self._told(), self._writing():
                marks = ", ".join("?" * len(Row._fields))
                self._open.executemany(f"INSERT OR IGNORE INTO points VALUES ({marks})", self._new)
                self._open.executemany("INSERT OR REPLACE INTO asked VALUES (?, ?)", self._asks)
            self._new, self._asks = [], []
        self._committed = time.monotonic()

    def rows(self, kind: str | None = None) -> Iterator[Row]:
        """Yield all rows, or those of a kind, in the order of their kinds and keys."""
        asked = "SELECT * FROM points" + (" WHERE kind = ?" if kind is not None else "") + " ORDER BY kind, key"
        with self._told():
            for own in self._open.execute(asked, () if kind is None else (kind,)):
                yield Row(*own)

    def merge(self, rows: Iterable[Row]) -> int:
        """Take rows of another store, and return how many were new."""
        self.commit()
        before = self.count()
        for row in rows:
            self.put(row)
        self.commit()
        return self.count() - before

    def count(self) -> int:
        """Return how many results there are."""
        with self._told():
            return int(self._open.execute("SELECT count(*) FROM points").fetchone()[0])

    def has(self, kind: str) -> bool:
        """Return whether there is a result of a kind."""
        if self._connection is None:
            return False
        with self._told():
            return self._open.execute("SELECT 1 FROM points WHERE kind = ? LIMIT 1", (kind,)).fetchone() is not None

    def is_empty(self) -> bool:
        """Return whether there is nothing in it, nor about to be."""
        return not self._new and self.count() == 0

    def kinds(self) -> list[tuple[str, str, int]]:
        """Return (kind, code, how many results) of all."""
        asked = "SELECT kind, code, count(*) FROM points GROUP BY kind, code ORDER BY kind, code"
        with self._told():
            return self._open.execute(asked).fetchall()

    def prune(self, keep: str) -> int:
        """Delete the results of all code but that of digest `keep`; return how many these were."""
        with self._told():
            with self._writing():
                gone = self._open.execute("DELETE FROM points WHERE code <> ?", (keep,)).rowcount
                self._open.execute("DELETE FROM asked WHERE key NOT IN (SELECT key FROM points)")
            self._open.execute("VACUUM")
        return gone

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Change the file alone, and all or nothing."""
        self._open.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._open.execute("ROLLBACK")
            raise
        self._open.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Raise SpecError where SQLite cannot do what is asked."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise SpecError([Problem(self.where, *_why(error))]) from None


def _why(error: sqlite3.DatabaseError) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    known = {
        sqlite3.SQLITE_NOTADB: ("is no store", "give another file"),
        sqlite3.SQLITE_CORRUPT: ("is damaged", "recover it with sqlite3's .recover, or give another file"),
        sqlite3.SQLITE_FULL: ("the disk is full; what was committed is kept", "make room, and repeat the command"),
        sqlite3.SQLITE_READONLY: ("cannot be written", "look at its permissions, or give another file"),
        sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "look at the folder and its permissions"),
        sqlite3.SQLITE_PERM: ("cannot be opened", "look at its permissions"),
        sqlite3.SQLITE_IOERR: ("cannot be read or written", "look at the disk; what was committed is kept"),
        sqlite3.SQLITE_BUSY: (f"others have written for more than {BUSY_S:g} s", "try again when they are done"),
    }
    return known.get(code, (f"cannot be used: {error}", "give another file"))
