"""Files and folders as a command leaves them: the old or the new, whole, whatever ends the process or stops a write.

What is new is written aside, beside its place, brought to the disk, and moved there at once. Whoever writes holds a
lock beside the place; so whoever gets the lock may clear what was left aside: nobody alive needs it.
"""

from __future__ import annotations

import ctypes
import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from archsim.base.doors import door

if sys.platform != "win32":
    import fcntl

Content: TypeAlias = str | bytes | Callable[[BinaryIO], Any]
"""What a file is to hold: a text, bytes, or what writes them to an open file."""

SIGN = ".archsim-"
"""How the names begin of all that is there only while something is written."""
ROOM = 4_000_000
"""Bytes that must be free where something is claimed, four times a report with its figures. An assumption."""
WAIT_S = 5.0
"""How long to wait for another process that writes the same file. An assumption."""
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EBADF)
_NO_EXCHANGE = (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EXDEV)


class Claim:
    """A place for a file or a folder, which one thread alone writes; `claimed` gives it.

    `token` is "" under a lock. Where a system has none it tells apart what several write aside.
    """

    def __init__(self, place: Path, token: str) -> None:
        self.place = place
        self.new, self.old = (_beside(place, f"{token}.{word}") for word in ("new", "old"))

    def recover(self) -> None:
        """Put an old folder back that was moved away for a new one that never came; clear what else was left."""
        if os.path.lexists(self.old) and not os.path.lexists(self.place):
            self.old.rename(self.place)
        _remove(self.new)
        _remove(self.old)
        if self.place.is_dir() and not self.place.is_symlink():
            for left in sorted(self.place.glob(f"{SIGN}*.new")):
                _remove(left)

    def write(self, content: Content) -> None:
        """Write a file to the place, which a link there does not lead away from; raise OSError."""
        _put(self.place, self.new, content)

    def replace(self, name: str, content: Content) -> None:
        """Write a file of that name into the folder at the place, which is there; raise OSError."""
        _put(self.place / name, _beside(self.place / name, ".new"), content)

    def replace_folder(self, files: Mapping[str, Content], gone: Collection[str]) -> None:
        """Write files by relative path as a folder to the place; raise OSError, and then what is there is untouched.

        Of a folder that is there already, the entries named in `gone` go, and all others are kept.
        """
        try:
            self.new.mkdir()
            written = [_fill(self.new / name, content) for name, content in files.items()]
            there = self.place.is_dir()
            if there:
                shutil.copymode(self.place, self.new)
                _carry(self.place, self.new, gone)
            _sync_all([*written, *(Path(at) for at, _, _ in os.walk(self.new))])
            if not there:
                self.new.rename(self.place)
            elif not _exchange(self.new, self.place):
                self._take_turns()
            _sync_all([self.place.parent])
            if there:
                _carry(self.new, self.place, gone)  # what others wrote there meanwhile
        finally:
            _remove(self.new)  # the old folder, or a half of the new one

    def _take_turns(self) -> None:
        self.place.rename(self.old)
        try:
            self.new.rename(self.place)
        except BaseException:
            self.old.rename(self.place)
            raise
        self.old.rename(self.new)  # from now on it is in nobody's place, and `recover` does not put it back


_held: dict[tuple[int, Path], Claim] = {}


@contextmanager
def claimed(path: Path, wait_s: float = 0.0) -> Iterator[Claim]:
    """Hold a place for this thread alone, in which something is or will be; a claim within a claim is the same.

    Makes the folders that are missing above, of which those go again that stay empty, and clears what killed processes
    left. Raises OSError if nothing can be written there, before anything is: BlockingIOError if others still hold it
    after `wait_s`.
    """
    place = (path.parent.resolve() / path.name) if path.name not in ("", "..") else path.resolve()
    key = threading.get_ident(), place
    if (held := _held.get(key)) is not None:
        yield held
        return
    above = [each for each in (place.parent, *place.parent.parents) if not each.exists()]
    try:
        if above:
            place.parent.mkdir(parents=True, exist_ok=True)
        lock = _beside(place, ".lock")
        number, alone = _locked(lock, time.monotonic() + wait_s)
        try:
            _check_room(number)
            held = Claim(place, "" if alone else secrets.token_hex(4))
            held.recover()
            _held[key] = held
            yield held
        finally:
            _held.pop(key, None)
            with suppress(OSError):  # while it is locked: who opened it meanwhile sees that it is gone
                lock.unlink(missing_ok=True)
            os.close(number)
    finally:
        with suppress(OSError):  # up to what is no longer empty
            for each in above:
                each.rmdir()


def clear(path: Path) -> None:
    """Clear what a killed process left beside a file that is whole, as far as that can be."""
    if _beside(path, ".lock").exists():
        with suppress(OSError), claimed(path):
            pass


@contextmanager
def output(path: Path, where: str) -> Iterator[Callable[[Content], None]]:
    """Hold a file that a user names from before it is worked for; yield what writes it, as a whole, through links.

    Raises SpecError, at once if it can be known, if it cannot be written.
    """
    told = partial(
        door, where, "cannot be written: {why}", "name another file, in a folder that you may write", (OSError,)
    )
    with ExitStack() as held:
        with told():
            path = path.resolve()
            if path.exists() and not path.is_file():
                raise OSError(errno.EINVAL, "it is no regular file", str(path))
            claim = held.enter_context(claimed(path, WAIT_S))

        def write(content: Content) -> None:
            with told():
                claim.write(content)

        yield write


def _carry(old: Path, new: Path, gone: Collection[str] = ()) -> None:
    """Have in a folder what another one holds, as the same files, but what is `gone` or there already; raise OSError.

    Links stay links. Whoever writes on into an open file writes into both.
    """
    with os.scandir(old) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        to = new / entry.name
        if entry.name in gone or entry.name.startswith(SIGN):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not os.path.lexists(to):
                to.mkdir()
            if to.is_dir() and not to.is_symlink():
                _carry(Path(entry.path), to)
                shutil.copystat(entry.path, to)
        elif os.path.lexists(to):
            continue
        elif entry.is_symlink():
            to.symlink_to(Path(entry.path).readlink())
        else:
            try:
                to.hardlink_to(entry.path)
            except OSError:  # the system has no such links, or not of files of others, or of other disks
                shutil.copy2(entry.path, to)


def _beside(path: Path, ending: str) -> Path:
    """Return the path beside one, of a name short enough whatever its own is, which no other has."""
    return path.with_name(f"{SIGN}{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]}{ending}")


def _locked(lock: Path, end_s: float) -> tuple[int, bool]:
    """Return the number of a file that is open and locked, and whether it is: not every system has locks."""
    while True:
        number = os.open(lock, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            if sys.platform == "win32":
                return number, False
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock.exists() and os.path.samestat(os.fstat(number), lock.stat()):
                return number, True
        except BlockingIOError:
            if time.monotonic() >= end_s:
                os.close(number)
                what = "another process is writing it; wait until that has ended"
                raise BlockingIOError(errno.EAGAIN, what, str(lock)) from None
            time.sleep(0.05)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return number, False
            os.close(number)
            raise
        os.close(number)


def _check_room(number: int) -> None:
    """Raise OSError unless ROOM can be written, of this disk and of what this user may have of it."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(number, 0, ROOM)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS):
                raise
        os.ftruncate(number, 0)


def _fill(path: Path, content: Content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        if callable(content):
            content(file)
        else:
            file.write(content.encode() if isinstance(content, str) else content)
    return path


def _put(path: Path, aside: Path, content: Content) -> None:
    try:
        _fill(aside, content)
        with suppress(OSError):  # of the file that is there, if one is
            shutil.copymode(path, aside, follow_symlinks=False)
        _sync_all([aside])
        aside.replace(path)
        _sync_all([path.parent])
    finally:
        _remove(aside)


def _sync_all(paths: Sequence[Path]) -> None:
    """Bring files and folders to the disk; raise OSError. Together they take a tenth of the time of one by one."""
    if len(paths) == 1:
        _sync(paths[0])
        return
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(_sync, paths))


def _sync(path: Path) -> None:
    try:
        number = os.open(path, os.O_RDONLY)
    except OSError:  # a folder, on some systems
        return
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS, errno.EBADF, errno.EROFS):
            raise
    finally:
        os.close(number)


def _remove(path: Path) -> None:
    """Remove a file or a folder, as far as that can be."""
    with suppress(OSError):
        if not stat.S_ISDIR(path.lstat().st_mode):
            path.unlink()
            return
        shutil.rmtree(path, ignore_errors=True)
        if path.exists():  # folders in it that may not be changed
            for at, _, _ in os.walk(path):
                Path(at).chmod(stat.S_IRWXU)
            shutil.rmtree(path, ignore_errors=True)


_renameat2: Any = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None) if sys.platform == "linux" else None
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2
"""Of linux/fcntl.h and linux/fs.h."""


def _exchange(one: Path, other: Path) -> bool:
    """Let two entries change places at once; return False where the system or the disk cannot do that."""
    sys.audit("archsim.exchange", str(one), str(other))
    if _renameat2 is None:
        return False
    if _renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in _NO_EXCHANGE:
        return False
    raise OSError(number, os.strerror(number), str(other))
