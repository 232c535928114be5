"""Doors: where what others made comes in. Whatever goes wrong with it is told as a SpecError; other faults stay loud.

A door stands around the reader of a file alone, never around what is computed from it. What a reader of Python's or of
a library raises of a file is in `FOREIGN`, and becomes a SpecError there; the same exception anywhere else is a fault
of archsim's own, and ends in a traceback.
"""

from __future__ import annotations

import json
import lzma
import os
import stat
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from archsim.base.errors import SpecError
from archsim.base.limits import RESULT_BYTES, RESULT_KEYS, Limit
from archsim.base.uncollected import uncollected

FOREIGN: tuple[type[Exception], ...] = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError,
    lzma.LZMAError, struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What reading a file that is cut off, damaged or made up can raise, from Python's own readers and from libraries."""

_REASONS: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
    (UnicodeError, "it is not text in UTF-8"),
    (RecursionError, "it is nested too deep"),
    (NotImplementedError, "it is packed in a way that is not read"),
    (MemoryError, "it asks for more memory than there is"),
    (EOFError, "it is cut off"),
    (OverflowError, "a number in it is too large"),
    (KeyError, "a part of it is missing"),
    ((zipfile.BadZipFile, zlib.error, lzma.LZMAError), "it is cut off, damaged or no archive"),
)


def reason(error: Exception, speaks: tuple[type[Exception], ...] = ()) -> str:
    """Return in words why a reader failed: the system's, or those of exceptions that speak of the file themselves."""
    if speaks and isinstance(error, speaks) and (lines := str(error).strip().splitlines()):
        return " ".join(lines[0].split())
    for kinds, words in _REASONS:
        if isinstance(error, kinds):
            return words
    if isinstance(error, json.JSONDecodeError):
        return f"it is no JSON: it was cut off or edited, line {error.lineno}"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "it is cut off or damaged"


@contextmanager
def door(
    where: str, what: str, hint: str, raises: tuple[type[Exception], ...] = FOREIGN,
    speaks: tuple[type[Exception], ...] = (),
) -> Iterator[None]:  # fmt: skip
    """Turn what reading raises into a SpecError; `what` may hold "{why}", the reason in words.

    A SpecError that is raised within comes out as it is, and so does whatever is not among `raises`.
    """
    try:
        yield
    except SpecError:
        raise
    except raises as error:
        raise SpecError.at(where, what.replace("{why}", reason(error, speaks)), hint) from None


def check_regular(path: Path, where: str, hint: str, most: Limit) -> None:
    """Raise SpecError unless there is a file proper, no folder, pipe or device, of so many bytes at most."""
    with door(where, "cannot be read: {why}", hint):
        try:
            found = path.stat()
        except FileNotFoundError:
            raise SpecError.at(where, "no such file", "check the path") from None
    if not stat.S_ISREG(found.st_mode):
        what = "is a folder, not a file" if stat.S_ISDIR(found.st_mode) else "is a pipe or a device, not a file"
        raise SpecError.at(where, what, hint)
    most.check(found.st_size, where)


def read_whole(path: Path, where: str, hint: str, most: Limit) -> bytes:
    """Return all bytes of a file; raise SpecError unless it is one proper, of so many at most."""
    check_regular(path, where, hint, most)
    with door(where, "cannot be read: {why}", hint), path.open("rb") as file:
        data = file.read(most.most + 1)  # a file can grow, and some of the system's own say that they have no bytes
    most.check(len(data), where)
    return data


def read_plain(path: Path, where: str, hint: str, most: Limit = RESULT_BYTES) -> str:
    """Return the text of a file that archsim wrote; raise SpecError if it cannot be that."""
    data = read_whole(path, where, hint, most)
    with door(where, "cannot be read: {why}", hint):
        return data.decode("utf-8")


def read_json(text: str) -> Any:
    """Return what the JSON of a result file holds; what is wrong is raised as it comes, for a `door`."""
    with uncollected():
        return json.loads(text)


def check_keys(text: str, where: str) -> None:
    """Raise SpecError where a mapping of a result file has more keys than any result's, each of which would be told.

    What is no JSON is left to whoever reads it next.
    """
    if len(text) > RESULT_KEYS.most:
        counts = [0]
        with uncollected(), suppress(ValueError):
            json.loads(text, object_pairs_hook=lambda pairs: counts.append(len(pairs)))
        RESULT_KEYS.check(max(counts), where)


def user_path(text: str, where: str) -> Path:
    """Return a path whose `~` is the home folder; raise SpecError if there is no such user."""
    with door(where, "there is no such home folder", "write the path out"):
        return Path(text).expanduser()


def check_text(text: str, where: str) -> str:
    """Return a text from the shell; raise SpecError if it is not in UTF-8, which no report could hold."""
    with door(where, f"{text!a} is not text in UTF-8", "give a name in UTF-8, and rename the file if need be"):
        text.encode()
    return text


def variable(name: str) -> str:
    """Return the environment's variable of that name, "" if it is not set; raise SpecError if it is no text."""
    return check_text(os.environ.get(name, ""), name)
