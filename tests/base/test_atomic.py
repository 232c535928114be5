"""Files and folders that are written whole or not at all, what a killed process left of them, and who may write."""

from __future__ import annotations

import errno
import fcntl
import os
import re
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from archsim.base import atomic
from archsim.base.atomic import SIGN, claimed, output
from archsim.base.errors import SpecError
from tests.mishaps import tree

TOLD = "--weights w.npz"
_sync_all = atomic._sync_all  # tests/conftest.py puts nothing in its place


@pytest.fixture(autouse=True)
def _as_users_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(atomic, "_sync_all", _sync_all)


def names(folder: Path) -> list[str]:
    return sorted(tree(folder, aside=True))


def lock_of(path: Path) -> Path:
    with claimed(path):
        (found,) = path.parent.glob(f"{SIGN}*.lock")
    return found


def test_a_claim_leaves_nothing_and_is_of_one_thread_alone(tmp_path: Path) -> None:
    path, told = tmp_path / "a" / "out", []

    def other() -> None:
        try:
            with claimed(path):
                told.append("held")
        except BlockingIOError as error:
            told.append(str(error.strerror))

    with claimed(path), claimed(tmp_path / "a" / ".." / "a" / "out"), claimed(tmp_path / "b"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    other()
    assert told == ["another process is writing it; wait until that has ended", "held"]
    assert names(tmp_path) == []


def test_a_second_waits_until_the_first_has_ended(tmp_path: Path) -> None:
    ready, done = threading.Event(), threading.Event()

    def first() -> None:
        with claimed(tmp_path / "w.npz") as claim:
            ready.set()
            done.wait(10)
            claim.write("first")

    thread = threading.Thread(target=first)
    thread.start()
    ready.wait(10)
    threading.Timer(0.1, done.set).start()
    with output(tmp_path / "w.npz", TOLD) as write:
        assert (tmp_path / "w.npz").read_text() == "first"
        write("second")
    thread.join()
    assert tree(tmp_path, aside=True) == {"w.npz": b"second"}


@pytest.mark.parametrize("name", ["out", "x" * 255, "ü" * 120, ".", "a b"])
def test_names_of_any_length_can_be_claimed(tmp_path: Path, name: str) -> None:
    (tmp_path / "within").mkdir()
    with claimed(tmp_path / "within" / name) as claim:
        if name != ".":
            claim.replace_folder({"a": "1"}, ())
            claim.replace("a", "2")
            assert tree(tmp_path / "within" / name) == {"a": b"2"}
    assert not [*tmp_path.rglob(f"{SIGN}*")]


@pytest.mark.parametrize("there", [False, True])
def test_what_a_killed_process_left_is_cleared_and_an_old_folder_comes_back(tmp_path: Path, there: bool) -> None:
    out = tmp_path / "out"
    stem = lock_of(out).stem
    for word, text in (("new", "half"), ("old", "old")):
        (tmp_path / f"{stem}.{word}").mkdir()
        (tmp_path / f"{stem}.{word}" / "a").write_text(text)
    (tmp_path / f"{stem}.lock").touch()
    (tmp_path / f"{SIGN}of-another.new").mkdir()
    if there:
        out.mkdir()
        (out / "a").write_text("new")
        (out / f"{SIGN}b.new").write_text("half")
    with claimed(out):
        assert tree(out, aside=True) == {"a": b"new" if there else b"old"}
    assert names(tmp_path) == [f"{SIGN}of-another.new", "out", "out/a"]


def test_where_there_are_no_locks_two_may_write_and_nothing_is_mixed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", none)
    with claimed(tmp_path / "out") as one:
        monkeypatch.setattr(atomic, "_held", {})  # as another process sees it
        with claimed(tmp_path / "out") as other:
            assert one.new != other.new
            one.replace_folder({"a": "1"}, ("a",))
            other.replace_folder({"a": "2"}, ("a",))
    assert tree(tmp_path, aside=True) == {"out": b"", "out/a": b"2"}


def test_an_output_is_written_through_links_and_keeps_who_may_read_it(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "w.npz").write_text("old")
    (tmp_path / "real" / "w.npz").chmod(0o600)
    (tmp_path / "w.npz").symlink_to("real/w.npz")
    with output(tmp_path / "w.npz", TOLD) as write:
        write(lambda file: file.write(b"new"))
    assert (tmp_path / "w.npz").is_symlink()
    assert (tmp_path / "real" / "w.npz").read_text() == "new"
    assert (tmp_path / "real" / "w.npz").stat().st_mode & 0o777 == 0o600
    assert names(tmp_path / "real") == ["w.npz"]


@pytest.mark.parametrize("name", ["/dev/null", "folder"])
def test_an_output_that_is_no_file_is_told_and_left(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    before = (tmp_path / name).stat()
    with pytest.raises(SpecError, match="cannot be written: it is no regular file; name another file"):
        output(tmp_path / name, TOLD).__enter__()
    assert os.path.samestat(before, (tmp_path / name).stat())


def test_folders_that_may_not_be_changed_are_cleared_too(tmp_path: Path) -> None:
    with claimed(tmp_path / "out") as claim:
        claim.replace_folder({"a/b/c": "1"}, ())
        for each in ("out/a/b", "out/a"):
            (tmp_path / each).chmod(0o500)
        claim.replace_folder({"d": "1"}, ("a",))
    assert names(tmp_path) == ["out", "out/d"]


def test_many_writers_at_once_leave_the_folder_of_one(tmp_path: Path) -> None:
    children = []
    for own in "abcd":
        child = os.fork()
        if child == 0:
            for _ in range(20):
                with suppress(BlockingIOError), claimed(tmp_path / "out") as claim:
                    claim.replace_folder({f"{number}/x": own * 1000 for number in range(5)}, [*"01234"])
            os._exit(0)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    found = tree(tmp_path, aside=True)
    assert len(found) == 11
    assert len({content for name, content in found.items() if name.endswith("x")}) == 1


def test_nothing_else_of_the_package_writes() -> None:
    """One place writes files: whoever does so elsewhere leaves a half where a process is killed or a disk is full."""
    from tests.test_tree import sources

    opened = r"open\([^)\n]*[\"'][wax]b?[\"']"
    writes = re.compile(rf"write_text|write_bytes|{opened}|\.(rename|mkdir|unlink|touch)\(|shutil\.\w*(copy|move|tree)")
    found = {name for name, text in sources().items() if writes.search(text)}
    # A folder for temporary files, what is in it while a command is repeated or a shell completes words, streams that
    # were closed, the folder of a database, which SQLite writes; and what goes where a training came to nothing.
    others = {"archsim.base.scratch", "archsim.cli", "archsim.cli.completing", "archsim.studies.again",
              "archsim.studies.tasks.bench", "archsim.studies.tasks.store", "archsim.studies.train.study"}  # fmt: skip
    assert found == {"archsim.base.atomic"} | others
