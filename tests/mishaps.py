"""Commands in child processes that are killed, or refused by the system, just before an operation on files."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.base.atomic import SIGN
from archsim.cli import main

CHANGES = {
    "archsim.exchange", "os.chmod", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
    "os.truncate",
}  # fmt: skip
"""Events of Python's audit that change something, beside files that are opened to be written."""
Hook = Callable[[int, str], Any]


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its status, or None if it was killed; its operations on files, and what it said.

    `found` is what the hook returned before each operation.
    """

    status: int | None
    operations: list[str]
    found: list[Any]
    said: str = ""


def operation(root: Path, event: str, arguments: Sequence[Any]) -> str:
    """Return what an event of Python's audit changes below a folder, in words; "" if nothing."""
    if event == "open":
        path, _, flags = arguments
        if not isinstance(flags, int) or not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC):
            return ""
    elif event in CHANGES:
        path = arguments[0]
    else:
        return ""
    if not isinstance(path, str | bytes | os.PathLike):
        return ""  # a file that was opened before
    name = os.fsdecode(path)
    below = not Path(name).is_absolute() or Path(name).is_relative_to(root)  # all relative ones are: the child is there
    return f"{event} {name.removeprefix(f'{root}/')}" if below else ""


def played(
    words: Sequence[str], root: Path, before: Hook = lambda number, name: None, user: int | None = None
) -> Outcome:
    """Return how a command ends in a folder, in a child; `before` is called with the number and name of operations.

    With `user` the child is that user's, for which it must be root's.
    """
    told, child = os.pipe(), os.fork()
    if child == 0:
        os.close(told[0])
        if user is not None:
            os.setuid(user)
        _child(words, root, before, told[1])
    os.close(told[1])
    with os.fdopen(told[0], "rb") as pipe:
        text = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return Outcome(None, [], [])
    outcome = pickle.loads(text)
    assert isinstance(outcome, Outcome)
    return outcome


def _child(words: Sequence[str], root: Path, before: Hook, told: int) -> None:
    """Carry a command out, tell how it ended and end the process, whatever happens."""
    operations: list[str] = []
    found: list[Any] = []
    said = ""
    try:
        os.chdir(root)
        with Path(os.devnull).open("w", encoding="utf-8") as nowhere, Said() as errors:
            sys.stdout, sys.stderr = nowhere, errors

            def hook(event: str, arguments: Any) -> None:
                if name := operation(root, event, arguments):
                    operations.append(name)
                    found.append(before(len(operations), name))

            sys.addaudithook(hook)
            try:
                main(words)
            except SystemExit as leave:
                status = leave.code
            said = errors.text
    except BaseException:
        status, said = 99, traceback.format_exc()
    os.write(told, pickle.dumps(Outcome(int(status or 0), operations, found, said)))
    os._exit(0)


class Said:
    """A stream that keeps what is written to it."""

    encoding, errors = "utf-8", "backslashreplace"

    def __init__(self) -> None:
        self.text = ""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass

    def isatty(self) -> bool:
        return False


def killed(at: int) -> Hook:
    """Return what kills the process before its operation of that number."""

    def before(number: int, name: str) -> None:
        if number == at:
            os.kill(os.getpid(), signal.SIGKILL)

    return before


def refused(start: int, code: int, events: str = "") -> Hook:
    """Return what refuses all operations from that number on, or those of one event, as a system does with `code`."""

    def before(number: int, name: str) -> None:
        removes = name.startswith(("os.remove", "os.rmdir"))  # a full disk lets files go
        if number >= start and name.startswith(events) and not removes:
            raise OSError(code, os.strerror(code), name)

    return before


DATABASE = (".sqlite-wal", ".sqlite-shm")
"""What SQLite keeps beside a database while it is open, or was when it was killed."""


def tree(root: Path, aside: bool = False) -> dict[str, bytes]:
    """Return all files below a folder, and folders, by relative path; with `aside`, also what is there for a while.

    Databases, whose bytes depend on what was done in which order, have none.
    """
    return {
        path.relative_to(root).as_posix(): path.read_bytes() if path.is_file() and path.suffix != ".sqlite" else b""
        for path in sorted(root.rglob("*"))
        if aside
        or not (any(part.startswith(SIGN) for part in path.relative_to(root).parts) or path.name.endswith(DATABASE))
    }
