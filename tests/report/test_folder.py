"""Report folders: what may be one, and that one is replaced as a whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from archsim.base import atomic
from archsim.base.errors import SpecError
from archsim.report.folder import check_folder, replace_file, reserved, write_folder
from tests.mishaps import tree

OLD, NEW = '{"schema": "archsim-metrics-1"}', '{"schema": "archsim-metrics-2"}'
OWNED = ("metrics.json", "tables")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A report, with files of others in it."""
    folder = write_folder(tmp_path / "out", {"metrics.json": OLD, "tables/a.csv": "1", "notes/a.txt": "2"}, ())
    (folder / "link").symlink_to("/nowhere")
    return folder


@pytest.fixture(params=["exchange", "two renames"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to replace a folder: of Linux, and of systems that cannot exchange two."""
    if request.param == "two renames":
        monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)


def full(file: Any) -> None:
    file.write(b"half")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.usefixtures("ways")
def test_what_is_owned_goes_and_what_is_of_others_stays_the_same_file(out: Path, tmp_path: Path) -> None:
    number = (out / "notes" / "a.txt").stat().st_ino
    write_folder(out, {"metrics.json": NEW, "figures/b.svg": b"3"}, OWNED)
    assert tree(tmp_path, aside=True) == {
        "out": b"", "out/figures": b"", "out/figures/b.svg": b"3", "out/link": b"", "out/metrics.json": NEW.encode(),
        "out/notes": b"", "out/notes/a.txt": b"2",
    }  # fmt: skip
    assert (out / "notes" / "a.txt").stat().st_ino == number  # so that who writes on into it does
    assert (out / "link").readlink() == Path("/nowhere")


@pytest.mark.usefixtures("ways")
def test_a_folder_that_is_written_into_keeps_other_files(out: Path) -> None:
    write_folder(out, {"tables/b.csv": "new"}, OWNED, into=["tables", "metrics.json"])
    assert {"metrics.json", "tables/a.csv", "tables/b.csv"} <= tree(out).keys()
    write_folder(out, {"tables/b.csv": "new"}, ())
    assert tree(out / "tables") == {"b.csv": b"new"}


@pytest.mark.usefixtures("ways")
def test_what_comes_in_while_a_report_is_written_stays(out: Path) -> None:
    write_folder(out, {"metrics.json": lambda file: (out / "late.txt").write_text("mine")}, OWNED)
    assert (out / "late.txt").read_text() == "mine"


@pytest.mark.usefixtures("ways")
def test_a_failure_while_writing_leaves_the_old_report(out: Path, tmp_path: Path) -> None:
    before = tree(tmp_path, aside=True)
    with pytest.raises(SpecError, match=r"--out .*out: cannot be written: No space left on device; choose another"):
        write_folder(out, {"metrics.json": NEW, "report.md": full}, OWNED)
    with pytest.raises(SpecError, match="No space left on device"):
        replace_file(out, "metrics.json", full)
    assert tree(tmp_path, aside=True) == before


def test_a_failure_while_moving_puts_the_old_report_back(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, real = tree(tmp_path, aside=True), Path.rename

    def fails(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(errno.EIO, "Input/output error")
        return real(self, target)

    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(SpecError, match="Input/output error"):
        write_folder(out, {"metrics.json": NEW}, OWNED)
    assert tree(tmp_path, aside=True) == before


def test_links_are_not_followed_to_write_elsewhere(out: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.csv").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(SpecError, match="is not a folder"):
        check_folder(tmp_path / "link")
    (tmp_path / "broken").symlink_to(tmp_path / "none")
    with pytest.raises(SpecError, match="is not a folder"):
        check_folder(tmp_path / "broken")
    for name in ("figures", "paper", "metrics.json"):
        (out / name).unlink(missing_ok=True)
        (out / name).symlink_to(tmp_path / "real" / ("" if name != "metrics.json" else "a.csv"))
    (out / "x.json").write_text(OLD)  # marks it as a report
    write_folder(out, {"figures/a.csv": NEW}, ())
    write_folder(out, {"paper/a.csv": NEW}, (), into=["paper"])
    replace_file(out, "metrics.json", NEW)
    assert tree(tmp_path / "real") == {"a.csv": b"mine"}
    assert {name: (out / name).is_symlink() for name in ("figures", "paper", "metrics.json")} == dict.fromkeys(
        ("figures", "paper", "metrics.json"), False
    )


def disk(out: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(os.path, "ismount", lambda path: Path(path) == out)
    return "is a disk of its own, which cannot be replaced; name one below it"


def protected(out: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(os, "access", lambda path, mode: Path(path) != out)
    return f"{out} cannot be written; choose another folder with --out"


def little_room(out: Path, patch: pytest.MonkeyPatch) -> str:
    def none(*_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    patch.setattr(os, "posix_fallocate", none)
    return "cannot be written: No space left on device; choose another folder with --out"


def another(out: Path, patch: pytest.MonkeyPatch) -> str:
    patch.setattr(atomic, "_held", {})  # as another process sees it
    return "cannot be written: another process is writing it; wait until that has ended; choose another folder"


@pytest.mark.parametrize("why", [disk, protected, little_room, another])
def test_what_cannot_be_written_is_told_before_it_is_worked_for(
    why: Callable[[Path, pytest.MonkeyPatch], str], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ExitStack() as held:
        if why is another:
            held.enter_context(reserved(out))
        before = tree(tmp_path, aside=True)
        says = why(out, monkeypatch)
        with pytest.raises(SpecError) as error, reserved(out):
            pytest.fail("it was worked for")
        assert str(error.value).startswith(f"--out {out}: {says}")
        assert tree(tmp_path, aside=True) == before


def test_a_folder_that_nothing_was_written_to_is_not_there(tmp_path: Path) -> None:
    with reserved(tmp_path / "a" / "b" / "out"):
        assert (tmp_path / "a" / "b").is_dir()
    assert tree(tmp_path, aside=True) == {}
