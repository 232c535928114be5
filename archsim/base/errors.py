"""What can go wrong, told as where, what was given, what is allowed and what to try."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

MOST_WORD, MOST_TEXT = 160, 800
"""Characters of a word without spaces, and of a part of a message: what is longer loses its middle."""
MOST_TOLD = 100
"""Faults that a message tells, the rest being counted; names among which the nearest is looked for are ten times it."""


def cut(text: str) -> str:
    """Return a text as messages show it: no word, nor all of it, is longer than a reader can take in.

    >>> len(cut("'" + "x" * 500 + "' is not a number"))
    118
    """
    if len(text) > MOST_WORD:
        text = re.sub(rf"\S{{{MOST_WORD + 1},}}", lambda word: _without_middle(word[0], 40), text)
    return text if len(text) <= MOST_TEXT else _without_middle(text, MOST_TEXT // 2 - 20)


def _without_middle(text: str, ends: int) -> str:
    return f"{text[:ends]}...({len(text):,} characters)...{text[-ends:]}"


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that is wrong, at one place, and what is allowed or to be tried."""

    where: str
    what: str
    hint: str

    def __str__(self) -> str:
        where, what, hint = cut(self.where), cut(self.what), cut(self.hint)
        head = f"{where}: {what}" if where else what
        return f"{head}; {hint}" if hint else head


class ArchsimError(Exception):
    """Base of everything that archsim raises on purpose; the command exits with 2. Another process may send it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _sent, (type(self), self.args, self.__dict__)


def _sent(kind: type[ArchsimError], args: tuple[Any, ...], state: dict[str, Any]) -> ArchsimError:
    error = kind.__new__(kind, *args)  # whatever else the kind asks for is in its state
    error.__dict__.update(state)
    return error


class SpecError(ArchsimError):
    """A file or a setting is wrong: all of its faults at once, in `problems`, and `more` that are only counted."""

    def __init__(self, problems: Iterable[Problem], more: int = 0) -> None:
        self.problems = tuple(problems)
        lines = [str(problem) for problem in self.problems[:MOST_TOLD]]
        if more := more + len(self.problems) - len(lines):
            lines.append(f"and {more:,} more; mend the first ones and try again")
        super().__init__("\n".join(lines))

    @classmethod
    def at(cls, where: str, what: str, hint: str) -> Self:
        """Return the error of one fault: where, what was given, what is allowed or to try."""
        return cls([Problem(where, what, hint)])


class KindError(SpecError, TypeError):
    """What a function was given is of another kind than what it asks for."""


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
    if len(names) > 10 * MOST_TOLD or (names and len(name) > MOST_WORD):
        return f"what is there begins with '{names[0]}'"
    begins = [each for each in sorted(names) if len(name) > 2 and each.startswith(name)]
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6) or begins
    if close:
        return f"did you mean '{close[0]}'?"
    return f"allowed: {', '.join(sorted(names))}" if names else "nothing is allowed here"
