"""What is asked for is looked at before anything is done: of which kind each value is, and how small or large it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from archsim.base.errors import KindError, Problem, SpecError
from archsim.base.limits import EXAMPLES, JOBS, SEED, SEEDS, SIMULATIONS, TooMuchError

MOST = {"examples": EXAMPLES, "seed": SEED, "seeds": SEEDS, "budget": SIMULATIONS, "jobs": JOBS}
LEAST = {"examples": 1, "epochs": 1, "seed": 0, "seeds": 1, "jobs": 1, "sample": 1, "splits": 2}
"""By the names of what is asked: how much of it is taken, and how little. Searches tell of their budget themselves."""
KINDS: dict[str, tuple[tuple[type, ...], str]] = {
    "bool": ((bool,), "True or False"),
    "int": ((Integral,), "a whole number"),
    "float": ((Real,), "a number"),
    "str": ((str,), "a text"),
    "Path": ((str, Path), "a path"),
    "File": ((str, Path), "a path"),
    "None": ((type(None),), "None"),
}
"""By how a type is annotated: what is of it, and its words. What else is annotated is looked at where it is read."""


def check_asked(kinds: Mapping[str, Any], given: Mapping[str, Any], flag: str = "--") -> None:
    """Raise SpecError with all that is of another kind than its annotation says, else with all too little or too much.

    >>> check_asked({"epochs": "int | None"}, {"epochs": "3"}, "")
    Traceback (most recent call last):
    archsim.base.errors.KindError: epochs: '3' is not a whole number; give a whole number, or None
    """
    if problems := [each for name, own in given.items() for each in _kind(f"{flag}{name}", str(kinds[name]), own)]:
        raise KindError(problems)
    counts = {name: own for name, own in given.items() if isinstance(own, int) and not isinstance(own, bool)}
    if problems := [each for name, own in counts.items() if name in LEAST for each in _least(name, own, flag)]:
        raise SpecError(problems)
    if problems := [each for name, own in counts.items() if name in MOST
                    for each in MOST[name].faults(own, f"{flag}{name}")]:  # fmt: skip
        raise TooMuchError(problems)


def _least(name: str, given: Any, flag: str) -> Iterator[Problem]:
    if given < LEAST[name]:
        yield Problem(f"{flag}{name}", f"{given} is too small", f"give {LEAST[name]} or more")


def _kind(where: str, annotation: str, given: Any) -> Iterator[Problem]:
    names = annotation.split(" | ")
    if not all(name in KINDS for name in names):
        return
    types = tuple(kind for name in names for kind in KINDS[name][0])
    if isinstance(given, types) and (not isinstance(given, bool) or "bool" in names):
        return
    *wanted, last = [KINDS[name][1] for name in names]
    hint = f"give {', '.join(wanted)}, or {last}" if wanted else f"give {last}"
    yield Problem(where, f"{given!r} is not {KINDS[names[0]][1]}", hint)
