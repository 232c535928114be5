"""Files of four numpy arrays that hold a data set: what they may be called, and what can be wrong with them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from archsim.base.array_files import read_arrays
from archsim.base.arrays import Array
from archsim.base.errors import Problem, SpecError
from archsim.base.words import agreeing, counted

# What the four arrays of an .npz file may be called, whatever the case.
ARRAY_NAMES = (
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_x", "train_y", "test_x", "test_y"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("train_data", "train_labels", "test_data", "test_labels"),
)


FEATURES = ("x_train", "x_test", "train_x", "test_x")
MORE = ("s", "n")
"""What else there may be of each part, with these letters for the x of features: of whom examples are (a speaker, a
patient), and how many vectors of each sequence count."""


def read_npz(path: Path, *, features_alone: bool) -> dict[str, Array]:
    """Return the arrays train_x, train_y, test_x and test_y of an .npz file, or those of features alone.

    Where it has them, also train_s and test_s, of whom examples are, and train_n and test_n, how many vectors count.
    """
    needed = ("train_x", "test_x") if features_alone else ("train_x", "train_y", "test_x", "test_y")
    rows = [tuple(row[at] for at in (0, 2)) for row in ARRAY_NAMES] if features_alone else ARRAY_NAMES

    keys: list[str] = []

    def chosen(names: Sequence[str]) -> list[str]:
        named = {name.lower(): name for name in names}
        for row in rows:
            if all(name in named for name in row):
                pairs = {letter: [name.replace("x", letter) for name in row if name in FEATURES] for letter in MORE}
                own = {letter: pair for letter, pair in pairs.items() if pair and all(each in named for each in pair)}
                keys.extend(f"{part}_{letter}" for letter in own for part in ("train", "test"))
                return [named[name] for name in (*row, *(each for pair in own.values() for each in pair))]
        allowed = "; or ".join(", ".join(row) for row in rows)
        what = f"holds the arrays {', '.join(names) or '(none)'}"
        raise SpecError.at(str(path), what, f"call them {allowed}")

    what, hint = "cannot be read as an .npz file ({why})", "write it with numpy.savez_compressed"
    found = read_arrays(path, what, hint, choose=chosen).values()
    return dict(zip((*needed, *keys), found, strict=True))


def feature_problems(label: str, part: str, x: Array) -> list[Problem]:
    """Return what is wrong with the features of a part of an .npz file."""
    where = f"{label}: {part}"
    if x.ndim < 2 or x.dtype.kind not in "buif":
        what = f"the features are {x.dtype} of shape {x.shape}, not numbers [examples, features]"
        return [Problem(where, what, "one row an example")]
    if not x.size:
        return [Problem(where, f"the features are of shape {x.shape}: there are none", "give some")]
    if not (finite := np.isfinite(x)).all():
        first = np.argwhere(~finite)[0]
        count = int(np.count_nonzero(~finite))
        are = agreeing(count, "is", "are")
        what = f"{counted(count, 'feature')} {are} NaN or infinite, the first in example {first[0]:,}"
        return [Problem(where, what, "replace them by finite numbers")]
    return []


def group_problems(label: str, part: str, x: Array, groups: Array) -> list[Problem]:
    """Return what is wrong with whom the examples of a part are of."""
    if groups.shape == (len(x) if x.ndim else 0,) and groups.dtype.kind in "buiU":
        return []
    what = f"whom examples are of is {groups.dtype} of shape {groups.shape}, not whole numbers or names [examples]"
    return [Problem(f"{label}: {part}", what, "give one for each example")]


def label_problems(label: str, part: str, x: Array, y: Array) -> list[Problem]:
    """Return what is wrong with the labels of a part of an .npz file."""
    where = f"{label}: {part}"
    per_step = x.ndim == 3 and y.shape == x.shape[:2]
    if y.dtype.kind not in "bui" or not (per_step or y.shape in ((y.size,), (y.size, 1))):
        what = f"the labels are {y.dtype} of shape {y.shape}, not integers [examples]"
        hint = "give each class a number from 0; of one-hot rows take argmax(axis=1); for a regression give "
        return [Problem(where, what, hint + "dataset.target=values")]
    if x.ndim and len(x) != len(y):
        return [Problem(where, f"{counted(len(x), 'example')}, but {counted(len(y), 'label')}", "make them equal")]
    return []
