"""What can go wrong, told as where, what was given, what is allowed and what to try."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, at one place."""

    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}; {self.hint}" if self.hint else head


class ArchsimError(Exception):
    """Base of everything that archsim raises on purpose; the command exits with 2."""


class SpecError(ArchsimError):
    """A file or a setting is wrong: all of its faults at once, in `problems`."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    @classmethod
    def at(cls, where: str, what: str, hint: str = "") -> Self:
        """Return the error of one fault: where, what was given, what is allowed or to try."""
        return cls([Problem(where, what, hint)])


class InfeasibleError(ArchsimError):
    """The workload does not fit the chip; the message says by how much."""


class StuckError(ArchsimError):
    """The simulation can make no progress; the message names who waits and for what."""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """Return "did you mean 'x'?" if a name is close or begins so, else the list of what is allowed.

    >>> nearest("mesch", ["mesh", "bus"]), nearest("ring", ["mesh", "bus"])
    ("did you mean 'mesh'?", 'allowed: bus, mesh')
    """
    names = list(allowed)
    begins = [each for each in sorted(names) if len(name) > 2 and each.startswith(name)]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or begins
    if close:
        return f"did you mean '{close[0]}'?"
    return f"allowed: {', '.join(sorted(names))}" if names else "nothing is allowed here"
