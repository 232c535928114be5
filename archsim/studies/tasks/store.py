"""The store: results of tasks in a SQLite file, each under the digest of all that it depends on."""

from __future__ import annotations

import hashlib
import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from archsim.base.doors import door
from archsim.base.errors import Problem, SpecError
from archsim.studies.tasks import columns
from archsim.studies.tasks.mounts import network_file_system
from archsim.studies.tasks.surroundings import Surroundings, surroundings

APPLICATION, VERSION = int.from_bytes(b"arch", "big"), 2
HEAD = ("application_id", "user_version")
"""Where SQLite keeps these two."""
BUSY_S, COMMIT_S = 30.0, 1.0
"""How long another's commit is waited for, and how long at most a result waits to be committed."""
MOST_WAITING = 25_000
"""So many results wait to be committed at most."""
LET_OTHERS_S = 0.15
"""So long a merge lets others write between its parts: who waits looks every 0.1 s (SQLite's busy handler)."""
ASKED = 500
"""Keys asked for in one query; SQLite takes 999 at least."""
SETTINGS = {"page_size": 8192, "journal_mode": "WAL", "synchronous": "NORMAL", "cache_size": -131072,
            "wal_autocheckpoint": 8000}  # fmt: skip
"""A kill loses nothing that is committed. A page holds several results; keys come in no order, so their index, of up to
128 MB, is kept in memory and brought into the file seldom."""
RECOVER = "recover it with sqlite3's .recover, or give another file"
ORIGIN = ("kind", "code", "versions", "processor")
TABLES = (
    """CREATE TABLE origins (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,         -- which kind of task
        code TEXT NOT NULL,         -- digest of archsim's code
        versions TEXT NOT NULL,     -- of Python and the packages that compute
        processor TEXT NOT NULL,
        UNIQUE (kind, code, versions, processor)
    )""",
    """CREATE TABLE points (
        id INTEGER PRIMARY KEY,
        key BLOB NOT NULL UNIQUE,   -- SHA-256 of its origin and of what it depends on
        origin INTEGER NOT NULL,
        labels TEXT NOT NULL,       -- JSON: by what people know it
        depends TEXT NOT NULL,      -- JSON: what it depends on
        result TEXT NOT NULL        -- JSON
    )""",
    """CREATE TABLE asked (
        ask BLOB PRIMARY KEY,       -- SHA-256 of how a task was asked for
        point INTEGER NOT NULL
    ) WITHOUT ROWID""",
    *columns.TABLES,
)
"""Finding out what a task depends on may take longer than to read its result: `asked` remembers it."""
OLD_ROWS = "SELECT key, kind, depends, code, versions, processor, result, '{}' FROM old_points"
"""Of schema 1, which was one table."""


class Row(NamedTuple):
    """A row of the store."""

    key: str
    kind: str
    depends: str
    code: str
    versions: str
    processor: str
    result: str
    labels: str = "{}"

    @property
    def origin(self) -> tuple[str, str, str, str]:
        """What it has in common with many."""
        return self.kind, self.code, self.versions, self.processor

    @property
    def is_whole(self) -> bool:
        """Whether its key is that of what it says."""
        return self.key == _digest(self[1:6])


def _digest(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def row_of(
    kind: str, depends: Mapping[str, Any], result: str = "", here: Surroundings | None = None,
    labels: Mapping[str, str] | None = None,
) -> Row:  # fmt: skip
    """Return the row of a result that was computed in these surroundings, by default this process's.

    By its `labels` people know it; its key does not depend on them.
    """
    own = here or surroundings()
    versions = ", ".join(f"{name} {number}" for name, number in (("Python", own.python), *own.packages))
    parts = (kind, json.dumps(depends, sort_keys=True, allow_nan=False), own.code, versions, own.processor)
    return Row(_digest(parts), *parts, result, json.dumps(labels or {}))


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
        if not self.path.exists():  # who may write it is up to the user's mask: of SQLite's own making, nobody else
            with door(self.where, "cannot be opened: {why}", "look at the folder and its permissions", (OSError,)):
                self.path.open("ab").close()
        with told(self.where):
            self._connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
        try:
            self._begin()
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def _begin(self) -> None:
        with told(self.where):
            version = version_of(self._open, self.where)
            for name, value in SETTINGS.items():
                self._open.execute(f"PRAGMA {name} = {value}")
            if version < VERSION:
                with self._writing():
                    self._make(version_of(self._open, self.where))  # which another may have made meanwhile

    def _make(self, version: int) -> None:
        """Make the tables, and take what stands in those of an older version; what was asked for then is not known."""
        if version == VERSION:
            return
        if version == 1:
            self._open.execute("ALTER TABLE points RENAME TO old_points")
            self._open.execute("DROP TABLE asked")
        for statement in TABLES:
            self._open.execute(statement)
        if version == 1:
            old = self._open.execute(OLD_ROWS)
            while some := old.fetchmany(MOST_WAITING):
                with whole(self.where):
                    self._insert([Row(*own) for own in some])
            self._open.execute("DROP TABLE old_points")
        for name, number in zip(HEAD, (APPLICATION, VERSION), strict=True):
            self._open.execute(f"PRAGMA {name} = {number}")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            interrupted = kind is not None and not issubclass(kind, Exception)
            if self._connection is not None or interrupted or time.monotonic() >= self._due:
                self.commit()
        finally:
            if self._connection is not None:
                self._connection.close()

    def asked(self, asks: Sequence[str]) -> dict[str, str]:
        """Return the results, as JSON, of tasks that were asked for so before."""
        return self._among(asks, "SELECT ask, result FROM asked JOIN points ON point = id WHERE ask IN")

    def results(self, keys: Sequence[str]) -> dict[str, str]:
        """Return by key the results that are there, as JSON."""
        return self._among(keys, "SELECT key, result FROM points WHERE key IN")

    def _among(self, digests: Sequence[str], query: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if self._connection is None:
            return found
        with told(self.where):
            for start in range(0, len(digests), ASKED):
                some = [bytes.fromhex(own) for own in digests[start : start + ASKED]]
                for digest, own in self._open.execute(f"{query} ({', '.join('?' * len(some))})", some):
                    found[digest.hex()] = own
        return found

    def remember(self, ask: str, key: str) -> None:
        """Take how the task of a result was asked for."""
        self._asks.append((ask, key))

    def put(self, row: Row) -> None:
        """Take a result, and commit what was taken if the last commit is long ago."""
        self._new.append(row)
        now = time.monotonic()
        is_due = now - self._committed >= COMMIT_S and (self._connection is not None or now >= self._due)
        if is_due or len(self._new) >= MOST_WAITING:
            self.commit()

    def commit(self) -> None:
        """Write what was taken; what another has written meanwhile stays."""
        if self._new or self._asks:
            with told(self.where), self._writing():
                self._insert(self._new)
                rows = [(bytes.fromhex(ask), bytes.fromhex(key)) for ask, key in self._asks]
                self._open.executemany("INSERT OR REPLACE INTO asked SELECT ?, id FROM points WHERE key = ?", rows)
            self._new, self._asks = [], []
        self._committed = time.monotonic()

    def _insert(self, rows: Sequence[Row]) -> int:
        """Write results that are not there yet, within a transaction, and return how many these were."""
        there = self._among([row.key for row in rows], "SELECT key, id FROM points WHERE key IN")
        by_origin: dict[tuple[str, ...], list[Row]] = {}
        for row in {row.key: row for row in reversed(rows) if row.key not in there}.values():
            by_origin.setdefault(row.origin, []).append(row)
        first = self._open.execute("SELECT ifnull(max(id), 0) + 1 FROM points").fetchone()[0]
        for own, new in by_origin.items():
            self._open.execute(f"INSERT OR IGNORE INTO origins ({', '.join(ORIGIN)}) VALUES (?, ?, ?, ?)", own)
            where = " AND ".join(f"{name} = ?" for name in ORIGIN)
            origin = self._open.execute(f"SELECT id FROM origins WHERE {where}", own).fetchone()[0]
            ids, keys = range(first, first := first + len(new)), [bytes.fromhex(row.key) for row in new]
            parts = [(row.labels, row.depends, row.result) for row in new]
            made = ((*at, origin, *part) for *at, part in zip(ids, keys, parts, strict=True))
            self._open.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?)", made)
            columns.add(self._open, origin, ids, keys, parts)
        return sum(map(len, by_origin.values()))

    def merge(self, rows: Callable[[], Iterable[Row]], where: str = "") -> tuple[int, int]:
        """Take rows of another store, `where`, which gives them twice; return how many were new, and were there.

        All are looked at before any is taken; they are then taken many at a time, so that others can write between.
        What is interrupted is gone on with when it is done again.
        """
        count = 0
        for some in _parts(rows()):
            with told(self.where), whole(where):
                if not all(row.is_whole for row in some):
                    raise ValueError("a key of another point")
                for row in some:
                    columns.check((row.labels, row.depends, row.result))
            count += len(some)
        new = 0
        for place, some in enumerate(_parts(rows())):
            if place:
                time.sleep(LET_OTHERS_S)
            with told(self.where), self._writing(), whole(where):
                new += self._insert(some)
        return new, count - new

    def has(self, kind: str) -> bool:
        """Return whether there is a result of a kind."""
        if self._connection is None:
            return False
        with told(self.where):
            return self._open.execute("SELECT 1 FROM origins WHERE kind = ? LIMIT 1", (kind,)).fetchone() is not None

    def is_empty(self) -> bool:
        """Return whether there is nothing in it, nor about to be."""
        with told(self.where):
            return not self._new and self._open.execute("SELECT 1 FROM points LIMIT 1").fetchone() is None

    def prune(self, goes: Callable[[str, str], bool]) -> int:
        """Delete the results of which the kind and the code's digest say that they go; return how many these were."""
        with told(self.where):
            with self._writing():
                found = self._open.execute("SELECT id, kind, code FROM origins").fetchall()
                origins = [origin for origin, kind, code in found if goes(kind, code)]
                delete = "DELETE FROM points WHERE origin = ?"
                gone = sum(self._open.execute(delete, (own,)).rowcount for own in origins)
                self._open.execute("DELETE FROM asked WHERE point NOT IN (SELECT id FROM points)")
                self._open.executemany("DELETE FROM origins WHERE id = ?", ((own,) for own in origins))
                columns.remove(self._open, origins)
            if gone:
                self._open.execute("VACUUM")
        return gone

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Change the file alone, and all or nothing."""
        self._open.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            if self._open.in_transaction:  # SQLite itself may have gone back
                self._open.execute("ROLLBACK")
            raise
        self._open.execute("COMMIT")


def version_of(base: sqlite3.Connection, where: str) -> int:
    """Return of which schema a database is, 0 if it is empty; raise SpecError if it is none that can be used."""
    own, version, there = base.execute(
        "SELECT (SELECT * FROM pragma_application_id), (SELECT * FROM pragma_user_version), count(*) FROM sqlite_master"
    ).fetchone()  # at one moment: another may be making it
    if own != APPLICATION and there:
        raise SpecError([Problem(where, "is another program's database", "give another file")])
    if version > VERSION:
        what = f"is of a newer archsim, schema {version}; this one writes {VERSION}"
        raise SpecError([Problem(where, what, "update archsim, or give another file")])
    return int(version)


def _parts(rows: Iterable[Row]) -> Iterator[list[Row]]:
    others = iter(rows)
    while some := list(itertools.islice(others, MOST_WAITING)):
        yield some


@contextmanager
def told(where: str) -> Iterator[None]:
    """Raise SpecError where SQLite cannot do what is asked."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise SpecError([Problem(where, *_why(error))]) from None
    except UnicodeDecodeError:  # in what SQLite says of a damaged table
        raise SpecError.at(where, "is damaged", RECOVER) from None


@contextmanager
def whole(where: str) -> Iterator[None]:
    """Raise SpecError where what a file holds is not what archsim writes."""
    try:
        yield
    except (ValueError, TypeError, RecursionError):
        raise SpecError.at(where, "is damaged: a point is not what archsim writes", RECOVER) from None


def _why(error: sqlite3.DatabaseError) -> tuple[str, str]:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    known = {
        sqlite3.SQLITE_NOTADB: ("is no store", "give another file"),
        sqlite3.SQLITE_CORRUPT: ("is damaged", RECOVER),
        sqlite3.SQLITE_FULL: ("the disk is full; what was committed is kept", "make room, and repeat the command"),
        sqlite3.SQLITE_READONLY: ("cannot be written", "look at its permissions, or give another file"),
        sqlite3.SQLITE_CANTOPEN: ("cannot be opened", "look at the folder and its permissions"),
        sqlite3.SQLITE_PERM: ("cannot be opened", "look at its permissions"),
        sqlite3.SQLITE_IOERR: ("cannot be read or written", "look at the disk; what was committed is kept"),
        sqlite3.SQLITE_BUSY: (f"others have written for more than {BUSY_S:g} s", "try again when they are done"),
    }
    if "Could not decode" in str(error):  # a text
        return known[sqlite3.SQLITE_CORRUPT]
    return known.get(code, (f"cannot be used: {error}", "give another file"))
