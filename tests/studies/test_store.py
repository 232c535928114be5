"""The store: what was committed is there whatever happens, and what cannot be used is told."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import signal
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from archsim.base.errors import SpecError
from archsim.studies.tasks import store as module
from archsim.studies.tasks.mounts import network_file_system
from archsim.studies.tasks.store import Row, Store, ask_of, row_of
from archsim.studies.tasks.surroundings import surroundings
from tests.studies.toy_tasks import held


def rows(first: int, count: int, size: int = 10) -> list[Row]:
    return [
        row_of("Toy", {"number": i}, json.dumps({"is": i, "text": "x" * size})) for i in range(first, first + count)
    ]


def count(path: Path) -> int:
    return len(held(path))


def filled(path: Path, count: int = 5) -> Path:
    with Store(path) as store:
        store.merge(lambda: rows(0, count))
    return path


def test_the_key_changes_with_all_that_a_result_depends_on() -> None:
    here = surroundings()
    changed: dict[str, Any] = {"code": "other", "python": "2.7", "packages": (("numpy", "0"),), "processor": "z80"}
    others = [
        row_of("Toy", {"a": 1, "b": 2}),
        row_of("Other", {"a": 1, "b": 2}),
        row_of("Toy", {"a": 1, "b": 3}),
        *(row_of("Toy", {"a": 1, "b": 2}, "", here._replace(**{name: value})) for name, value in changed.items()),
    ]
    assert len({row.key for row in others}) == len(others)
    assert row_of("Toy", {"b": 2, "a": 1}, "any result").key == others[0].key
    assert row_of("Toy", {}, "", here._replace(sends=(("cloudpickle", "0"),))).key == row_of("Toy", {}).key
    assert ask_of("Toy", {"a": 1}) != row_of("Toy", {"a": 1}).key


def test_what_is_put_is_found_by_key_and_by_how_it_was_asked_for(tmp_path: Path) -> None:
    with Store(tmp_path / "store") as store:
        for row in rows(0, 1200):
            store.put(row)
            store.remember(ask_of("Toy", json.loads(row.depends)), row.key)
    with Store(tmp_path / "store") as store:
        keys = [row.key for row in rows(0, 1300)]
        assert store.results(keys) == {row.key: row.result for row in rows(0, 1200)}
        asks = [ask_of("Toy", {"number": number}) for number in range(1000, 1300)]
        assert store.asked(asks) == dict(zip(asks, (row.result for row in rows(1000, 200)), strict=False))
        assert (store.has("Toy"), store.has("Other"), count(tmp_path / "store")) == (True, False, 1200)
    assert sorted(held(tmp_path / "store")) == sorted(rows(0, 1200))


def test_old_code_is_pruned_alone_and_stores_are_merged(tmp_path: Path) -> None:
    old = row_of("Toy", {"number": 1}, "{}", surroundings()._replace(code="old"))
    path, other = tmp_path / "store", held(filled(tmp_path / "other"))
    with Store(path) as store:
        store.put(old)
        store.remember(ask := ask_of("Toy", {}), old.key)
        store.commit()
        assert [store.merge(lambda: other), store.merge(lambda: other)] == [(5, 0), (0, 5)]
        assert (count(path), len(store.asked([ask]))) == (6, 1)
        assert store.prune(lambda kind, code: code != surroundings().code) == 1
        assert (count(path), store.asked([ask])) == (5, {})


def test_results_are_committed_at_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with Store(path := tmp_path / "store") as one:
        first, second, third = rows(0, 3)
        one.put(first)
        assert count(path) == 0
        now[0] = module.COMMIT_S
        one.put(second)
        assert count(path) == 2
        one.put(third)
        assert count(path) == 2
    assert count(path) == 3


def write_many(path: Path, first: int) -> None:
    with Store(path) as store:
        for row in rows(first, 300):
            store.put(row)
            store.commit()


def test_several_may_write_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write_many, args=(tmp_path / "store", first)) for first in (0, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    assert sorted(held(tmp_path / "store")) == sorted(rows(0, 500))


def test_who_may_write_a_store_is_up_to_the_mask(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        with Store(tmp_path / "store") as store:
            store.put(rows(0, 1)[0])
    finally:
        os.umask(before)
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o664


def newer(path: Path) -> None:
    with sqlite3.connect(filled(path)) as database:
        database.execute(f"PRAGMA user_version = {module.VERSION + 1}")
    database.close()


def anothers(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (it TEXT)")
    database.close()


def damaged(path: Path) -> None:
    text = bytearray(filled(path, 500).read_bytes())
    text[4096:] = bytes(len(text) - 4096)
    path.write_bytes(text)


def use(path: Path) -> None:
    with Store(path) as store:
        store.is_empty()
        store.results([row.key for row in rows(0, 500)])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda path: path.write_text("no database" * 100), "is no store; give another file"),
        (lambda path: path.mkdir(), "cannot be opened; look at the folder and its permissions"),
        (newer, r"is of a newer archsim, schema 3; this one writes 2; update archsim, or give another file"),
        (anothers, "is another program's database; give another file"),
        (damaged, "is damaged; recover it with sqlite3's .recover, or give another file"),
    ],
)
def test_what_cannot_be_used_is_told_and_left_as_it_is(
    spoil: Callable[[Path], object], says: str, tmp_path: Path
) -> None:
    path = tmp_path / "store"
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(SpecError, match=f"--store .*store: {says}"):
        use(path)
    assert before is None or path.read_bytes() == before


def on_a_full_disk(path: Path, told: Path) -> None:
    """Commit until files may not grow any further."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
    committed = 0
    try:
        with Store(path) as store:
            for first in range(0, 10_000, 10):
                store.merge(partial(rows, first, 10, 1000))
                committed += 10
    except SpecError as error:
        told.write_text(f"{committed} {error}")


def test_on_a_full_disk_what_was_committed_is_kept(tmp_path: Path) -> None:
    child = multiprocessing.get_context("spawn").Process(
        target=on_a_full_disk, args=(tmp_path / "store", tmp_path / "told")
    )
    child.start()
    child.join(60)
    committed, _, says = (tmp_path / "told").read_text().partition(" ")
    assert "what was committed is kept" in says
    assert int(committed) > 0
    assert sorted(held(tmp_path / "store")) == sorted(rows(0, int(committed), 1000))


def test_file_systems_of_networks_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The form of proc(5): ID, parent, device, root, mount point, options, optional fields, "-", type, source, options.
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"
        f"30 22 0:40 / {tmp_path}/home rw shared:2 - nfs4 server:/home rw\n"
        f"31 30 0:41 / {tmp_path}/home/a\\040b rw - tmpfs tmpfs rw\n"
        "a line that is none\n"
    )
    places = {"x": "", "home/me/store": "nfs4", "home/a b/store": "", "home/a": "nfs4", "homely": ""}
    assert {name: network_file_system(tmp_path / name, mounts) for name in places} == places
    assert network_file_system(tmp_path / "x", tmp_path / "nothing") == ""
    monkeypatch.setattr(module, "network_file_system", lambda path: network_file_system(path, mounts))
    (tmp_path / "home").mkdir()
    with pytest.raises(SpecError, match=r"is on nfs4, a network's file system, .*; give a file on a disk of this"):
        Store(tmp_path / "home" / "store")
    assert not list((tmp_path / "home").iterdir())
