"""Surroundings: what bytes of a result depend on besides its task: code, plug-ins, versions, the kind of processor."""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple

from archsim.base import plugin_sending

PACKAGE = Path(__file__).parents[2]
COMPUTES = ("numpy", "numba")
SENDS = ("cloudpickle",)


class Surroundings(NamedTuple):
    """What this process computes with."""

    code: str
    python: str
    packages: tuple[tuple[str, str], ...]
    sends: tuple[tuple[str, str], ...]
    processor: str

    def differences(self, others: Surroundings) -> Iterator[tuple[str, str, str]]:
        """Yield (what, here, there) of what differs but for the processor."""
        mine, theirs = (dict((("archsim's code", own.code), ("Python", own.python), *own.packages, *own.sends))
                        for own in (self, others))  # fmt: skip
        for name in dict.fromkeys([*mine, *theirs]):
            if (here := mine.get(name, "none")) != (there := theirs.get(name, "none")):
                yield name, here, there


def surroundings() -> Surroundings:
    """Return what this process computes with; plug-ins count as packages, by the digests of their code."""
    return _with(plugin_sending.versions())


@cache
def _with(own: tuple[tuple[str, str], ...]) -> Surroundings:
    packages, sends = (tuple((name, _version(name)) for name in names) for names in (COMPUTES, SENDS))
    return Surroundings(code_digest(), platform.python_version(), packages + own, sends, processor())


@cache
def code_digest() -> str:
    """Return 12 hex digits that change with any file of archsim's code."""
    found = hashlib.sha256()
    for path in sorted(PACKAGE.rglob("*.py")):
        found.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return found.hexdigest()[:12]


def processor() -> str:
    """Return the kind of the processor, which compiled code and libraries suit themselves to.

    Where the system does not tell the model, it is the architecture alone.
    """
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", errors="replace")
    except OSError:
        return " ".join(part for part in (platform.machine(), platform.processor()) if part)
    keys = ("vendor_id", "cpu family", "model", "CPU implementer", "CPU part")
    found = [re.search(rf"^{key}\s*:\s*(.+)$", text, re.MULTILINE) for key in keys]
    return " ".join([platform.machine(), *(match[1].strip() for match in found if match)])


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
