"""Commands about stores: what is in them comes out whole, by any figure, and what cannot be had is told."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.studies import stores
from archsim.studies.stores import Asked, export, frame, listed, merge, points_json, prune
from archsim.studies.tasks import columns
from archsim.studies.tasks import store as module
from archsim.studies.tasks.columns import flat
from archsim.studies.tasks.store import Row, Store, row_of
from archsim.studies.tasks.surroundings import code_digest, surroundings
from tests.cli.test_cli import Command, archsim
from tests.mishaps import played
from tests.studies.toy_tasks import held

__all__ = ["archsim"]  # a fixture
OLD = surroundings()._replace(code="0123456789ab")
NOBODY = 65534
THOROUGH = "ARCHSIM_THOROUGH" in os.environ


def row(number: int, result: Mapping[str, Any] | None = None, kind: str = "Toy", here: Any = None) -> Row:
    own = {"metrics": {"time_s": number / 1e9, "area_m2": None if number % 2 else 1e-6}, "count": number}
    return row_of(kind, {"seed": number}, json.dumps(result or own), here, {"tile.rows": str(number)})


def filled(path: Path, rows: Sequence[Row]) -> Path:
    with Store(path, "") as store:
        for each in rows:
            store.put(each)
            store.remember(each.key, each.key)
    return path


@pytest.fixture
def toys(tmp_path: Path) -> Path:
    """A store of ten points, three of other code and two of another kind with them."""
    others = [row(place, here=OLD) for place in range(3)]
    return filled(tmp_path / "toys", [*map(row, range(10)), *others, *(row(place, kind="Other") for place in range(2))])


def found(path: Path, kind: str | None = None, *where: str, most: int | None = None) -> Any:
    return json.loads("".join(points_json(path, Asked(kind, where), most)))


# ---- figures by columns


def test_mappings_are_one_of_dotted_names() -> None:
    wide = {str(place): place for place in range(columns.WIDE + 1)}
    tree = {"metrics": {"a": 1, "b": {"c": 2}}, "x": {"y": {"z": None}}, "list": [1], "empty": {}, "wide": wide}
    assert flat(tree) == {"a": 1, "b.c": 2, "x.y.z": None, "list": [1], "empty": {}, "wide": wide}
    assert flat({"metrics": {"a": 1}, "a": 2}) == {"metrics.a": 1, "a": 2}


NUMBERS = st.one_of(st.none(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False))
VALUES = st.one_of(NUMBERS, st.booleans(), st.text(max_size=3), st.lists(st.integers(), max_size=2))
RESULTS = st.dictionaries(st.sampled_from("abcde"), VALUES, max_size=4)


@settings(max_examples=100 if THOROUGH else 8, derandomize=True, deadline=None, database=None)
@given(
    st.lists(RESULTS, min_size=1, max_size=12),
    st.lists(st.integers(1, 5), min_size=1),
    st.integers(-10, 10).map(lambda whole: whole / 4),
)
def test_a_figure_is_found_as_by_going_through_all_points(
    results: list[dict[str, Any]], commits: list[int], bound: float
) -> None:
    # Origin: the results themselves, one by one. Points come in any groups, and of whatever names they have.
    rows = [row(place, result or {"none": None}) for place, result in enumerate(results)]
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "store"
        with Store(path) as store:
            for number, each in enumerate(rows):
                store.put(each)
                if number % commits[number % len(commits)] == 0:
                    store.commit()
        for name in "abcde":
            numbers = {key: value for own, key in zip(results, (each.key for each in rows), strict=True)
                       if isinstance(value := own.get(name), int | float) and not isinstance(value, bool)}  # fmt: skip
            if not numbers:
                with pytest.raises(SpecError, match=f"'{name}' is no metric of these points"):
                    found(path, None, f"{name} <= {bound!r}")
                continue
            asked = [point["key"] for point in found(path, None, f"{name} <= {bound!r}")["points"]]
            meets = {key: float(value) for key, value in numbers.items() if value <= bound}
            assert asked == sorted(meets, key=lambda key: (meets[key], key))
        points = found(path)["points"]
        assert [(point["key"], point["result"]) for point in points] == sorted(
            (each.key, json.loads(each.result)) for each in rows
        )
        with (Path(place) / "out.csv").open("w"):
            assert export(path, Path(place) / "out.csv", Asked()) == len(rows)


def test_small_commits_share_segments(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        for place in range(columns.SMALL + 1):
            store.put(row(place))
            store.commit()
    with closing(sqlite3.connect(tmp_path / "store")) as base:
        assert base.execute("SELECT count(*) FROM segments").fetchone() == (2,)
    asked = found(tmp_path / "store", None, "time_s >= 100 ns", "time_s < 0.2 us")["points"]
    assert [point["result"]["count"] for point in asked] == list(range(199, 99, -1))


# ---- show


def test_points_are_shown_with_what_they_depend_on_and_their_figures(toys: Path) -> None:
    (first, *_), more = found(toys, "Other", most=1)["points"], found(toys, "Other", most=1)["more"]
    assert more == 1
    expected = row(int(first["labels"]["tile.rows"]), kind="Other")
    assert first == {
        **{name: getattr(expected, name) for name in ("key", "kind", "code", "versions", "processor")},
        "labels": json.loads(expected.labels), "depends": json.loads(expected.depends),
        "result": json.loads(expected.result),
        "metrics": {"time_s": first["result"]["metrics"]["time_s"], "count": first["result"]["count"],
                    "area_m2": first["result"]["metrics"]["area_m2"]},
    }  # fmt: skip
    assert found(toys)["schema"] == "archsim-store-1"


def test_conditions_are_read_with_units_and_the_best_come_first(archsim: Command, toys: Path) -> None:
    def counts(*where: str) -> list[int]:
        return [point["result"]["count"] for point in found(toys, "Toy", *where)["points"]]

    assert counts("time_s < 2 ns") == [0, 0, 1, 1]
    assert counts("time_s >= 7 ns") == [9, 8, 7]
    assert counts("time_s > 0.006 us", "area_m2 == 1 mm2") == [8]
    assert sorted(counts("time_s <= count", "count > 8")) == [9]
    answer = archsim("store", "show", str(toys), "--where", "time_s >= 1 ns", "--kind", "Toy", "--most", "2")
    assert (answer.status, answer.err) == (0, "")
    assert [line.split()[1:3] for line in answer.out.splitlines() if " ns" in line] == [["9", "9"], ["8", "8"]]
    assert "And 9 more: --most 11." in answer.out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "toys", "--kind", "Toi"], "--kind: there is no 'Toi' in toys; did you mean 'Toy'?"),
        (["show", "toys", "--where", "tim_s <= 1 s"],
         "--where 'tim_s <= 1 s': 'tim_s' is no metric of these points; did you mean 'time_s'?"),
        (["show", "toys", "--where", "time_s <= 1 J"],
         "--where 'time_s <= 1 J': '1 J' is in 'J', and the other side is in 's'; for example time_s <= 1 s"),
        (["show", "toys", "--where", "time_s"], "compares nothing, not one of <=, "),
        (["show", "nothing"], "nothing: no such file; give a file that --store named"),
        (["list", "nothing", "."], ".: is a folder, a pipe or a device, not a file; give a file that"),
        (["export", "toys", "--out", "x.xls"], "--out x.xls: '.xls' is no format; give a name that ends in .csv or"),
        (["prune", "toys", "--code", "0123456789aa"], "did you mean '0123456789ab'?"),
        (["merge", "toys", "toys"], "toys: is the store into which it is to be merged; give other stores"),
        (["merge", "new", "toys", "nothing"], "nothing: no such file"),
    ],
)  # fmt: skip
def test_what_cannot_be_had_is_told(archsim: Command, toys: Path, words: list[str], says: str) -> None:
    before = held(toys)
    answer = archsim("store", *words)
    assert answer.status == 2
    assert says in answer.err
    assert held(toys) == before
    assert not Path("new").exists()


def test_a_list_says_how_many_there_are_by_kind_and_code(archsim: Command, toys: Path) -> None:
    size, own = toys.stat().st_size, code_digest()
    assert archsim("store", "list", "toys").out.splitlines() == [
        f"2 {size} Other {own} present toys",
        f"3 {size} Toy {OLD.code} other toys",
        f"10 {size} Toy {own} present toys",
    ]
    assert [each.points for each in listed([toys])] == [2, 3, 10]


# ---- for other tools


def test_a_csv_file_has_all_points_under_the_names_of_their_metrics(archsim: Command, toys: Path) -> None:
    assert archsim("store", "export", "toys", "--out", "x.csv", "--kind", "Toy").out == "x.csv  13 points\n"
    with Path("x.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    expected = [row for row in held(toys) if row.kind == "Toy"]
    assert [own["key"] for own in rows] == [own.key for own in expected]
    for own, of in zip(rows, expected, strict=True):
        result = json.loads(of.result)
        assert own["count"] == own["tile.rows"] == own["depends.seed"] == str(result["count"])
        assert float(own["time_s"]) == result["metrics"]["time_s"]
        assert own["area_m2"] == ("" if result["count"] % 2 else "1e-06")


def test_a_data_frame_and_parquet_have_types_and_units(archsim: Command, toys: Path) -> None:
    pytest.importorskip("pandas")
    parquet = pytest.importorskip("pyarrow.parquet")
    with Store(toys, "") as store:
        odd = {"metrics": {"time_s": 3, "area_m2": 1e-6}, "count": 2**70, "flag": True, "list": [1, "a"]}
        store.put(row(100, odd))
    assert archsim("store", "export", "toys", "--out", "x.parquet").status == 0
    table = parquet.read_table("x.parquet")
    assert table.num_rows == 16
    assert {field.name: (str(field.type), (field.metadata or {}).get(b"unit")) for field in table.schema}.items() >= {
        "time_s": ("double", b"s"), "area_m2": ("double", b"m**2"), "count": ("double", None), "flag": ("bool", None),
        "list": ("string", None), "depends.seed": ("int64", None), "tile.rows": ("string", None),
    }.items()  # fmt: skip
    own = frame(toys, "Toy", ["time_s <= 4 s"])
    assert len(own) == 14
    assert own.equals(table.to_pandas()[lambda all_of: all_of["kind"] == "Toy"].reset_index(drop=True))
    (last,) = own[own["count"] == 2.0**70].to_dict("records")
    assert (last["time_s"], last["flag"], last["list"]) == (3.0, True, '[1, "a"]')


def test_without_the_packages_the_extra_is_named(archsim: Command, toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = archsim("store", "export", "toys", "--out", "x.parquet")
    assert (answer.status, Path("x.parquet").exists()) == (2, False)
    assert "--out x.parquet: the package pandas is not installed; pip install 'archsim[frames]'" in answer.err
    with pytest.raises(SpecError, match=r"archsim\[frames\]"):
        frame(toys)
    assert archsim("store", "export", "toys", "--out", "x.csv").status == 0


def test_batches_are_all_there_is_in_memory(toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyarrow")
    monkeypatch.setattr(stores, "BATCH", 4)
    assert len(frame(toys)) == 15
    empty = filled(tmp_path / "empty", [])
    assert len(frame(empty)) == export(empty, tmp_path / "x.csv", Asked()) == 0
    assert (tmp_path / "x.csv").read_text() == "key,kind,code,versions,processor\n"


# ---- pruned and merged


def test_pruning_deletes_points_of_other_code_or_of_one(archsim: Command, toys: Path) -> None:
    answer = archsim("store", "prune", "toys", "--kind", "Other")
    assert answer.out == "toys  0 points deleted, 15 left\n"
    before = [row for row in held(toys) if row.code != OLD.code]
    assert archsim("store", "prune", "toys").out == "toys  3 points deleted, 12 left\n"
    assert held(toys) == before
    assert prune(toys, "Toy", code_digest()) == (10, 2)
    assert [point["kind"] for point in found(toys, None, "time_s >= 0 s")["points"]] == ["Other"] * 2
    filled(toys, [row(50)])  # in the place of one that went
    assert [point["result"]["count"] for point in found(toys, "Toy", "time_s >= 0 s")["points"]] == [50]


def test_merging_takes_what_is_not_there(archsim: Command, toys: Path) -> None:
    filled(Path("a"), [row(place) for place in range(8, 12)])
    filled(Path("b"), [row(place) for place in range(11, 13)])
    assert archsim("store", "merge", "new", "a", "b").out.splitlines() == [
        "a  4 points taken, 0 were there", "b  1 point taken, 1 were there",
    ]  # fmt: skip
    assert list(merge(toys, [Path("new")])) == [(Path("new"), 3, 2)]
    assert len(held(toys)) == 18
    assert len(found(toys, None, "count >= 10")["points"]) == 3


def test_others_write_between_the_parts_of_a_merge(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    filled(tmp_path / "from", [row(place) for place in range(30)])
    told: list[int] = []

    def sleep(seconds: float) -> None:
        assert seconds > 0.1  # SQLite's busy handler looks so often at least
        filled(tmp_path / "into", [row(1000 + len(told))])
        told.append(len(held(tmp_path / "into")))

    monkeypatch.setattr(time, "sleep", sleep)
    assert list(merge(tmp_path / "into", [tmp_path / "from"])) == [(tmp_path / "from", 30, 0)]
    assert told == [11, 22]
    assert len(held(tmp_path / "into")) == 32


def spoilt(path: Path, statement: str) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as base:
        base.execute(statement)
    return path


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE points SET result = '{' WHERE id = 35", "is damaged: a point is not what archsim writes"),
        ("UPDATE points SET depends = '{}' WHERE id = 35", "is damaged: a point is not what archsim writes"),
        ("UPDATE points SET result = '[]' WHERE id = 35", "is damaged: a point is not what archsim writes"),
        ("UPDATE points SET result = 7 WHERE id = 35", "is damaged: a point is not what archsim writes"),
        ("UPDATE points SET origin = 99 WHERE id = 35", "is damaged: a point is not what archsim writes"),
        ("DELETE FROM points WHERE id = 35", "is damaged: a point is not what archsim writes"),
        ("UPDATE segments SET points = x'01'", "is damaged: a point is not what archsim writes"),
        ("DROP TABLE segments", "cannot be used: no such table: segments; give another file"),
        ("PRAGMA user_version = 3", "is of a newer archsim, schema 3; this one writes 2; update archsim"),
        ("PRAGMA application_id = 3", "is another program's database; give another file"),
    ],
)
def test_what_is_damaged_or_newer_is_merged_not_at_all(
    toys: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statement: str, says: str
) -> None:
    bad = spoilt(filled(tmp_path / "bad", [row(place) for place in range(50)]), statement)
    monkeypatch.setattr(module, "MOST_WAITING", 20)
    before = held(toys)
    with pytest.raises(SpecError) as told:
        list(merge(toys, [bad]))
    assert f"{bad}: {says}" in str(told.value)
    assert held(toys) == before


ASKED = (
    ["list", "bad"], ["show", "bad"], ["show", "bad", "--json"], ["show", "bad", "--where", "time_s <= 4 ns"],
    ["export", "bad", "--out", "x.csv"], ["merge", "new", "bad"], ["prune", "bad"],
)  # fmt: skip


def test_bytes_that_are_wrong_anywhere_are_told_or_do_not_matter(archsim: Command, toys: Path) -> None:
    data, draw = toys.read_bytes(), random.Random(0)
    statuses = set()
    for _ in range(1000 if THOROUGH else 60):
        bad = bytearray(data)
        for place in draw.sample(range(len(bad)), draw.choice((1, 10, 200))):
            bad[place] = draw.randrange(256)
        for path in (path for path in Path().iterdir() if path.name.startswith(("bad", "new"))):
            path.unlink()
        Path("bad").write_bytes(bad[: draw.choice((len(bad), draw.randrange(len(bad))))])
        answer = archsim("store", *draw.choice(ASKED))
        statuses.add(answer.status)
        assert (answer.status == 0) == (answer.err == "")
        assert answer.status == 0 or "; " in answer.err
    assert statuses == {0, 2}


def test_points_of_an_older_schema_are_taken_over(archsim: Command, tmp_path: Path) -> None:
    rows = sorted(row(place)._replace(labels="{}") for place in range(5))
    with closing(sqlite3.connect(tmp_path / "old", isolation_level=None)) as base:
        base.execute("CREATE TABLE points (key TEXT PRIMARY KEY, kind, depends, code, versions, processor, result)")
        base.execute("CREATE TABLE asked (ask TEXT PRIMARY KEY, key TEXT NOT NULL)")
        base.executemany("INSERT INTO points VALUES (?, ?, ?, ?, ?, ?, ?)", (each[:7] for each in rows))
        base.execute(f"PRAGMA application_id = {int.from_bytes(b'arch', 'big')}")
        base.execute("PRAGMA user_version = 1")
    assert archsim("store", "list", "old").out.startswith("5 ")
    assert held(tmp_path / "old") == rows
    assert len(found(tmp_path / "old", None, "count >= 3")["points"]) == 2


# ---- read-only, full, killed, at once


@pytest.mark.skipif(os.getuid() != 0, reason="another user's files are made by root alone")
@pytest.mark.parametrize("words", [["list", "s"], ["show", "s", "--json"]])
def test_a_store_that_may_not_be_written_can_be_read(words: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        filled(root / "s", [row(place) for place in range(3)])
        root.chmod(0o755)
        outcome = played(["store", *words], root, user=NOBODY)
        assert (outcome.status, outcome.said) == (0, "")
        for each in (
            ["prune", "s", "--kind", "Toy", "--code", code_digest()],
            ["merge", "s", "s2"],
            ["merge", "n", "s"],
        ):
            shutil.copy(root / "s", root / "s2")
            outcome = played(["store", *each], root, user=NOBODY)
            assert outcome.status == 2
            told = outcome.said.replace(": Permission denied", "")
            assert "cannot be written; look at" in told or "cannot be opened; look at" in told
        assert len(held(root / "s")) == 3


def test_who_reads_sees_one_moment_while_others_write(tmp_path: Path) -> None:
    path = filled(tmp_path / "store", [row(place) for place in range(10)])
    lines = points_json(path, Asked(), None)
    begin = [next(lines), next(lines)]
    filled(path, [row(place) for place in range(10, 40)])
    prune(path, None, code_digest())
    filled(path, [row(place) for place in range(60, 70)])
    seen = json.loads("".join([*begin, *lines]))
    assert sorted(point["result"]["count"] for point in seen["points"]) == list(range(10))
    assert len(held(path)) == 10


def write_until_killed(path: Path, told: int, seed: int) -> None:
    """Commit points in groups of any size, and tell after each how many are committed."""
    draw, number = random.Random(seed), 0
    with Store(path) as store:
        while True:
            for _ in range(draw.choice((1, 3, 50, 400))):
                store.put(row(number))
                store.remember(row(number).key, row(number).key)
                number += 1
            store.commit()
            os.write(told, b"%d\n" % number)


def check_killed(path: Path, draw: random.Random) -> None:
    """Kill a writer at any moment; see that all that it told is there, and nothing half."""
    (read, told), child = os.pipe(), 0
    if (child := os.fork()) == 0:
        os.close(read)
        try:
            write_until_killed(path, told, draw.randrange(10**6))
        finally:
            os._exit(1)
    os.close(told)
    with os.fdopen(read, "rb") as pipe:
        first = pipe.readline()
        time.sleep(draw.random() ** 2 * 0.1)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        committed = int([first, *pipe.read().splitlines()][-1])
    rows = held(path)
    numbers = sorted(json.loads(each.result)["count"] for each in rows)
    assert numbers == list(range(len(rows)))
    assert committed <= len(rows) <= committed + 400
    assert {each.key: each for each in rows} == {own.key: own for own in map(row, numbers)}
    with Store(path) as store:
        assert len(store.asked([each.key for each in rows])) == len(rows)
    assert len(found(path, None, "count >= 0")["points"]) == len(rows)
    with closing(sqlite3.connect(path)) as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)


@pytest.mark.parametrize("kills", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_loses_nothing_that_was_committed(tmp_path: Path, kills: int) -> None:
    draw = random.Random(kills)
    for place in range(kills):
        check_killed(tmp_path / str(place), draw)


@pytest.mark.slow
def test_a_kill_while_merging_leaves_all_or_nothing(tmp_path: Path) -> None:
    other = filled(tmp_path / "other", [row(place) for place in range(5_000)])
    draw = random.Random(0)
    for place in range(30):
        path = filled(tmp_path / str(place), [row(place) for place in range(6_000, 6_100)])
        if (child := os.fork()) == 0:
            try:
                list(merge(path, [other]))
            finally:
                os._exit(0)
        time.sleep(draw.random() * 0.3)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert len(held(path)) in (100, 5_100)


def sweep_into(folder: Path, values: str) -> None:
    from archsim.cli import main

    os.chdir(folder)
    words = ["sweep", "ambrogio_nature_2018", "mlp_digits", "--vary", f"tile.neuron.lanes={values}", "--set",
             "tile.rows=128", "--set", "tile.cols=128", "--jobs", "1", "--quiet", "--json"]  # fmt: skip
    sys.stdout = (folder / f"{values}.json").open("w")
    main([*words, "--store", "store", "--out", values])


@pytest.mark.slow
def test_two_studies_on_one_store_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    values = ("1,2,4,8", "4,8,16")
    studies = [context.Process(target=sweep_into, args=(tmp_path, own)) for own in values]
    for study in studies:
        study.start()
    for study in studies:
        study.join(120)
        assert study.exitcode == 0
    points = {point["labels"]["tile.neuron.lanes"]: point for point in found(tmp_path / "store")["points"]}
    assert sorted(points, key=int) == ["1", "2", "4", "8", "16"]
    for own in values:
        for point in json.loads((tmp_path / f"{own}.json").read_text())["points"]:
            assert points[point["settings"]["tile.neuron.lanes"]]["result"]["metrics"] == point["metrics"]
