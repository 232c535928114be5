"""A store of a million points: how fast they come in, how fast any figure is asked for, and what an export holds.

Times are the processor's: other programs on the machine do not count.
"""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from archsim.studies.stores import Asked, shown
from archsim.studies.tasks.store import Row, Store, ask_of, row_of
from archsim.studies.tasks.surroundings import surroundings
from benchmarks.report import Figure

POINTS, FEW, TOGETHER = 1_000_000, 100_000, 10_000
METRICS = tuple(f"figure_{place}_of_a_chip_s" for place in range(20))
EXPORT = """
import re, sys, time
from pathlib import Path
from archsim.studies.stores import Asked, export
count = export(Path(sys.argv[1]), Path(sys.argv[2]), Asked())
peak = re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())  # of this process alone, unlike ru_maxrss
print(count, int(peak[1]) / 1024, time.process_time())
"""


def points(first: int, count: int) -> list[tuple[Row, str]]:
    """Points of a sweep, each with the key under which it was asked for."""
    draw, here = random.Random(first), surroundings()
    found = []
    for place in range(first, first + count):
        depends = {"arch": f"{place:064x}", "workload": "0" * 64, "data": None, "epochs": None, "seed": place}
        metrics = {name: draw.random() * 1e-6 for name in METRICS}
        result = json.dumps({"metrics": metrics, "training": None, "data": None, "audits_failed": [], "refused": None})
        labels = {"arch": "a_chip", "workload": "a_network", "tile.rows": str(place)}
        found.append((row_of("Point", depends, result, here, labels), ask_of("Point", {"place": place}, here)))
    return found


def fill(path: Path, count: int) -> float:
    """Return how many points a second come into a store."""
    taken_s = 0.0
    for first in range(0, count, 10 * TOGETHER):
        rows = points(first, 10 * TOGETHER)
        begin = time.process_time()
        with Store(path) as store:
            for row, ask in rows:
                store.put(row)
                store.remember(ask, row.key)
        taken_s += time.process_time() - begin
    return count / taken_s


def bare(path: Path, count: int) -> float:
    """Return how many rows of the same texts a second SQLite alone takes into a table without any index."""
    base = sqlite3.connect(path, isolation_level=None)
    base.execute("PRAGMA journal_mode = WAL")
    base.execute("CREATE TABLE points (key, kind, depends, code, versions, processor, result, labels)")
    rows = [row for row, _ in points(0, count)]
    begin = time.process_time()
    for first in range(0, count, TOGETHER):
        base.execute("BEGIN")
        base.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows[first : first + TOGETHER])
        base.execute("COMMIT")
    taken_s = time.process_time() - begin
    base.close()
    return count / taken_s


def measure() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as place:
        few, many = Path(place) / "few.sqlite", Path(place) / "many.sqlite"
        alone = bare(Path(place) / "bare.sqlite", FEW)
        fill(few, FEW)
        rate = fill(many, POINTS)
        yield Figure("store: points a second into one of a million", rate, "1/s", least=20_000)
        yield Figure("store: the same to rows a second of SQLite alone, without keys or figures", rate / alone, "x")
        yield Figure("store: bytes a point", many.stat().st_size / POINTS, "B")
        slowest = 0.0
        for name in (METRICS[0], METRICS[7], METRICS[-1]):
            begin = time.process_time()
            shown(many, Asked("Point", (f"{name} <= 1 ns",)), 10)
            slowest = max(slowest, time.process_time() - begin)
        yield Figure("store: the ten best by a figure, of a million, the slowest of three", slowest, "s", most=1)
        begin = time.process_time()
        shown(many, Asked("Point", tuple(f"{name} <= 100 ns" for name in METRICS[:3])), 10)
        yield Figure(
            "store: the ten best of those that meet three conditions", time.process_time() - begin, "s", most=1
        )
        for ending in ("csv", "parquet"):
            memory = {}
            for path, count in ((few, FEW), (many, POINTS)):
                out = path.with_suffix(f".{ending}")
                words = [sys.executable, "-c", EXPORT, str(path), str(out)]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                found, memory[count], taken_s = map(float, done.stdout.split())
                assert found == count
                out.unlink()
            yield Figure(f"store: export of a million as {ending}", taken_s, "s")
            more = (memory[POINTS] - memory[FEW]) * 2**20 / (POINTS - FEW)
            yield Figure(f"store: memory of it, imports included, {ending}", memory[POINTS], "MB", most=300)
            yield Figure(f"store: what it grows by with each point, {ending}", more, "B", most=100)
