"""What studies share: names of folders and runs, the faults of several inputs at once, and what is not dominated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from archsim.base.errors import Problem, SpecError
from archsim.base.texts import slug
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.workload.network import Workload

MOST_FOLDER = 200
"""Bytes of a folder's name: most file systems allow 255, and one that is being written has more at its ends."""


def undominated(goals: Sequence[Sequence[float] | None]) -> list[bool]:
    """Return which of several tuples of what is to be small are Pareto-optimal; None, for no result, is not.

    One is dominated if another is as small in everything and smaller in something.

    >>> undominated([(1, 5), (2, 3), (3, 3), (2, 3), None])
    [True, True, False, True, False]
    """
    order = sorted({tuple(own) for own in goals if own is not None})
    best = np.empty((len(order), len(order[0]) if order else 0))  # of those before in this order, which alone may beat
    found: set[tuple[float, ...]] = set()
    for own in order:
        if not (best[: len(found)] <= own).all(axis=1).any():
            best[len(found)] = own
            found.add(own)
    return [own is not None and tuple(own) in found for own in goals]


def default_folder(arch: Loaded[ArchSpec], workload: Loaded[Workload], suffix: str = "") -> Path:
    """Return `reports/<arch>--<workload>[--<suffix>][--<hash of the overrides>]`."""
    return folder_of([arch.value.name, workload.value.name], [*arch.overrides, *workload.overrides], suffix)


def folder_of(names: Sequence[str], overrides: Sequence[str], suffix: str = "") -> Path:
    """Return `reports/<name>--<name>...[--<suffix>][--<hash of the overrides>]`, its names as slugs."""
    digest = hashlib.sha256("\n".join(overrides).encode()).hexdigest()[:8] if overrides else ""
    whole = "--".join(part for part in (*map(slug, names), suffix, digest) if part)
    return Path("reports") / (whole if len(whole.encode()) <= MOST_FOLDER else slug(whole))


def names_of(given: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return a name for each chip or run: its own, or what was given where several have it, or that with a number.

    >>> names_of(["a.yaml", "b/a.yaml", "x", "x"], ["a", "a", "x", "x"])
    ['a.yaml', 'b/a.yaml', 'x (1)', 'x (2)']
    """
    shown = [name if names.count(name) == 1 else text for text, name in zip(given, names, strict=True)]
    return list(_numbered(shown))


def _numbered(names: Sequence[str]) -> Iterator[str]:
    taken = {name for name in names if names.count(name) == 1}
    for place, name in enumerate(names):
        if names.count(name) == 1:
            yield name
            continue
        number = names[:place].count(name) + 1
        while f"{name} ({number})" in taken:
            number += 1
        taken.add(f"{name} ({number})")
        yield f"{name} ({number})"


def all_faults(loads: Sequence[Callable[[], Any]]) -> list[Any]:
    """Return what each of the functions loads; raise SpecError with the faults of all of them."""
    found: list[Any] = []
    problems: list[Problem] = []
    for load in loads:
        try:
            found.append(load())
        except SpecError as error:
            problems += error.problems
    if problems:
        raise SpecError(problems)
    return found
