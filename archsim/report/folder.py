"""Report folders: what may be one, and how it is written, so that a report is either old or new, never half."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

from archsim.base.atomic import SIGN as ASIDE
from archsim.base.atomic import Claim, Content, claimed
from archsim.base.doors import door
from archsim.base.errors import Problem, SpecError

SIGN, HEAD = b'"schema": "archsim-', 200
"""What stands in the first bytes of a file of data that archsim wrote."""
UNSIGNED = ("published.json", "floorplan.svg", "points.sqlite")
"""Files that mark a report and have no such sign: a list, and what older versions wrote."""


def is_report(folder: Path) -> bool:
    """Return whether a folder holds a report, which may be replaced: it has a file that archsim signed."""
    signed = (path for path in sorted(folder.glob("*.json")) if path.is_file())
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
        if os.path.ismount(folder):
            raise SpecError([Problem(where, "is a disk of its own, which cannot be replaced", "name one below it")])
        with door(where, "cannot be read: {why}", hint, (OSError,)):
            entries = {entry.name for entry in folder.iterdir() if not entry.name.startswith(ASIDE)}
            known = not entries or is_report(folder)
        if not known:
            raise SpecError([Problem(where, f"holds other things ({', '.join(sorted(entries)[:3])})", hint)])
    above = folder.parent
    while not above.exists():
        above = above.parent
    if not above.is_dir():
        raise SpecError([Problem(where, f"{above} is not a folder", hint)])
    for each in (above, *([folder] if folder.is_dir() else [])):
        if not os.access(each, os.W_OK | os.X_OK):
            raise SpecError([Problem(where, f"{each} cannot be written", "choose another folder with --out")])


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold a folder that is to be read and written again, with what a killed process had moved away."""
    with ExitStack() as holds:
        if folder.parent.is_dir():
            with _told(folder):
                holds.enter_context(claimed(folder))
        yield


@contextmanager
def reserved(folder: Path) -> Iterator[Claim]:
    """Hold a report's folder for this process from before it is worked for until it is written.

    Raises SpecError if it is no folder that may be, if nothing can be written there, or if another process writes it.
    """
    check_folder(folder)
    with ExitStack() as holds:
        with _told(folder):
            claim = holds.enter_context(claimed(folder))
        check_folder(folder)  # with what a killed process had moved away
        yield claim


def write_folder(
    folder: Path, files: Mapping[str, Content], owned: Collection[str], into: Collection[str] = ()
) -> Path:  # fmt: skip
    """Write `files`, by relative path, as `folder`, and return it.

    Of a folder that is there already, the entries named in `owned` go, and folders that are written anew but for those
    named in `into`, in which other files stay; all others are kept as they are. Raises SpecError if it cannot be
    written; then what was there is untouched.
    """
    gone = {*owned, *(name.split("/")[0] for name in files)} - {*into}
    with reserved(folder) as claim, _told(folder):
        claim.replace_folder(files, gone)
    return folder


def replace_file(folder: Path, name: str, content: Content) -> None:
    """Replace one file in a report's folder, alone and at once; raise SpecError if it cannot be written."""
    with reserved(folder) as claim, _told(folder):
        claim.replace(name, content)


def _told(folder: Path) -> AbstractContextManager[None]:
    """Return the door around writing a folder."""
    return door(f"--out {folder}", "cannot be written: {why}", "choose another folder with --out", (OSError,))
