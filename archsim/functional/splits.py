"""Which examples are for training, for testing, and held back for validation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import I64, Array
from archsim.base.errors import SpecError
from archsim.base.words import counted
from archsim.functional.data_set import Data


class Split(NamedTuple):
    """One of several splits of all examples into some for training and others for testing: its place from 0."""

    place: int
    of: int


def folds(labels: I64, groups: I64 | None, of: int) -> I64:
    """Return in which of so many splits each example is for testing.

    They are dealt out in turn, through all classes and in the file's order within each; where it is known of whom they
    are, all of one go together, the largest first, to the split that has fewest. Raises SpecError if there are too few.
    """
    count, what = (len(labels), "example") if groups is None else (int(groups.max()) + 1, "group")
    if not 2 <= of <= count:
        raise SpecError.at("--splits", f"{of} of {counted(count, what)}", f"give 2 to {count}")
    found = np.empty(len(labels), dtype=np.int64)
    if groups is None:
        found[np.argsort(labels, kind="stable")] = np.arange(len(labels)) % of
        return found
    sizes, filled = np.bincount(groups), np.zeros(of, dtype=np.int64)
    for group in np.argsort(-sizes, kind="stable"):
        place = int(filled.argmin())
        filled[place] += sizes[group]
        found[groups == group] = place
    return found


def split_apart(data: Data, split: Split, by_class: bool) -> Data:
    """Return data with the examples of one split for testing, and all others for training."""
    every: dict[str, Array | None] = {}
    for name in "xyt":
        own = [getattr(data, f"{part}_{name}") for part in ("train", "test")]
        every[name] = None if own[0] is None else np.concatenate(own)
    labels = every["y"]
    assert labels is not None
    where = folds(labels if by_class else np.zeros_like(labels), data.groups, split.of)
    parts = {"train": where != split.place, "test": where == split.place}
    source = f"{data.source}; both parts together, of which split {split.place + 1} of {split.of} is for testing"
    source += ", groups kept together" if data.groups is not None else ""
    found: dict[str, Any] = {
        f"{part}_{name}": None if own is None else own[which]
        for part, which in parts.items()
        for name, own in every.items()
    }
    if data.lengths is not None:
        lengths = np.concatenate(data.lengths)
        found["lengths"] = (lengths[parts["train"]], lengths[parts["test"]])
    return replace(data, **found, source=source, tests=tuple(np.bincount(where, minlength=split.of).tolist()))


def held_back(labels: I64, count: int) -> Array:
    """Return which of a training part's examples are held back for validation: so many, at even distances.

    They are counted through all classes in turn, in the file's order within each, so that the rest keeps the shares of
    the classes to within one example each; where all labels are alike, through the file. At least one example is left.
    """
    there = len(labels)
    count = min(count, there - 1)
    held = np.zeros(there, dtype=np.bool_)
    held[np.argsort(labels, kind="stable")[np.arange(1, count + 1) * there // max(count, 1) - 1]] = True
    return held
