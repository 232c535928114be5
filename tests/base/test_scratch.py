"""A folder for temporary files is of one user alone, lasts, and is not where people keep their own."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from archsim.base.scratch import can_write, give_matplotlib_a_folder, scratch

NAME = f"archsim-{os.getuid()}"


@pytest.fixture(autouse=True)
def above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of temporary files, beside which no other is found."""
    real = Path.mkdir

    def mkdir(self: Path, *arguments: Any, **options: Any) -> None:
        if self.parts[:2] == ("/", "dev"):
            raise OSError(30, "Read-only file system")
        real(self, *arguments, **options)

    monkeypatch.setattr(Path, "mkdir", mkdir)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    scratch.cache_clear()
    yield tmp_path
    scratch.cache_clear()


def test_it_is_of_this_user_alone_and_found_again(above: Path) -> None:
    found = scratch()
    assert found == above / NAME
    assert found.stat().st_mode & 0o777 == 0o700
    scratch.cache_clear()
    assert scratch() == found


def test_what_others_made_of_that_name_is_not_taken(above: Path) -> None:
    (above / NAME).mkdir()
    (above / NAME).chmod(0o777)
    assert scratch() is None


def test_a_link_of_that_name_is_not_taken(above: Path) -> None:
    (above / "elsewhere").mkdir(mode=0o700)
    (above / NAME).symlink_to(above / "elsewhere")
    assert scratch() is None


def test_the_current_folder_is_not_taken(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(above)
    assert scratch() is None


def test_what_is_not_there_yet_can_be_written_where_what_is_above_can(above: Path) -> None:
    assert can_write(above / "a" / "b")
    (above / "file").write_text("")
    assert not can_write(above / "file" / "b")


@pytest.mark.parametrize("given", ["MPLCONFIGDIR", "XDG_CACHE_HOME", "HOME"])
def test_matplotlib_is_given_a_folder_only_where_it_has_none(
    above: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(above / "home"))
    give_matplotlib_a_folder()
    assert "MPLCONFIGDIR" not in os.environ
    (above / "file").write_text("")
    monkeypatch.setenv(given, str(above / "file" / "x"))
    give_matplotlib_a_folder()
    assert os.environ["MPLCONFIGDIR"] == str(above / NAME / "matplotlib")
