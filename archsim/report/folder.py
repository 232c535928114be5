"""Report folders: written aside and moved into place, so that a report is either old or new, never half."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from archsim.base.errors import Problem, SpecError

SIGN, HEAD = b'"schema": "archsim-', 200
"""What stands in the first bytes of a file of data that archsim wrote."""
UNSIGNED = ("published.json", "floorplan.svg")
"""Files that mark a report and have no such sign: a list, and what older versions wrote."""


def is_report(folder: Path) -> bool:
    """Return whether a folder holds a report, which may be replaced: it has a file that archsim signed."""
    signed = (path for path in folder.glob("*.json") if path.is_file())
    return any((folder / name).is_file() for name in UNSIGNED) or any(SIGN in _head(path) for path in signed)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def check_folder(folder: Path) -> None:
    """Raise SpecError unless a report may be written as `folder`; what is missing above it is made later."""
    where, hint = f"--out {folder}", "name a folder that is new, empty or a report"
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise SpecError([Problem(where, "exists and is not a folder", hint)])
    if folder.is_dir():
        if folder.resolve() in (Path.cwd(), *Path.cwd().parents):
            raise SpecError([Problem(where, "holds the current folder", "name one below it")])
        try:
            entries = {entry.name for entry in folder.iterdir()}
        except OSError as error:
            raise SpecError([Problem(where, f"cannot be read: {error.strerror}", hint)]) from None
        if entries and not is_report(folder):
            raise SpecError([Problem(where, f"holds other things ({', '.join(sorted(entries)[:3])})", hint)])
    above = folder.parent
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        raise SpecError([Problem(where, f"{above} is not a folder", hint)])
    if not os.access(above, os.W_OK | os.X_OK):
        raise SpecError([Problem(where, f"{above} cannot be written", "choose another folder with --out")])


def write_folder(folder: Path, files: Mapping[str, str], owned: Collection[str]) -> Path:
    """Write `files` (text by relative path) as `folder`, and return it.

    Of a folder that is there already, the entries named in `owned` go; all others are kept as they are.
    Raises SpecError if it cannot be written; then what was there is untouched.
    """
    check_folder(folder)
    with _told(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent, ignore_cleanup_errors=True) as made:
            aside, new = Path(made), Path(made) / "new"
            new.mkdir()
            for name, text in files.items():
                path = new / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8", newline="\n")
            if folder.exists():
                gone = {*owned, *(name.split("/")[0] for name in files)}
                shutil.copytree(
                    folder, new, symlinks=True, dirs_exist_ok=True,
                    ignore=lambda at, names: gone.intersection(names) if Path(at) == folder else set(),
                )  # fmt: skip
                folder.rename(aside / "old")
            try:
                new.rename(folder)
            except OSError:
                if (aside / "old").exists():
                    (aside / "old").rename(folder)
                raise
    return folder


def replace_file(folder: Path, name: str, text: str) -> None:
    """Replace one file in a report's folder, alone and at once; raise SpecError if it cannot be written."""
    part = folder / f".{name}.part"
    with _told(folder):
        try:
            part.write_text(text, encoding="utf-8", newline="\n")
            part.replace(folder / name)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Raise SpecError where a folder cannot be written."""
    try:
        yield
    except OSError as error:
        what = f"cannot be written: {error.strerror or error}"
        raise SpecError([Problem(f"--out {folder}", what, "choose another folder with --out")]) from None
