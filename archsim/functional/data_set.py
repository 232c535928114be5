"""Examples as arrays: a data set that fits a network, and parts of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from archsim.base.arrays import F32, I64, Array
from archsim.functional.sequences import Frames


class Part(NamedTuple):
    """Examples that are read and not trained on: features, labels, and values where these are the targets."""

    x: F32
    y: I64
    t: F32 | None
    frames: Frames | None = None

    def taken(self, which: slice | Array) -> Part:
        """Return those at some places; of sequences, all vectors stay."""
        if self.frames is not None:
            return Part(self.x, self.y[which], None, self.frames.taken(which))
        return Part(self.x[which], self.y[which], None if self.t is None else self.t[which])

    @property
    def examples(self) -> int:
        """How many there are."""
        return len(self.y)

    @property
    def answers(self) -> int:
        """How many labels there are to be answered: one each, or at each step that counts one."""
        if self.frames is None or self.y.ndim == 1:
            return len(self.y)
        steps, first = self.frames.rows.shape[1], self.frames.rows.shape[1] - self.y.shape[1]
        return int((steps - np.maximum(self.frames.begin, first)).sum())


@dataclass(frozen=True, eq=False)
class Data:
    """A data set that fits a network: examples for training and for testing.

    `train_x` float32 [examples, inputs] and `test_x` float32 [n, inputs] hold features in 0..1, or in -1..1 where the
    workload says that they are signed; `train_y` int64 [examples] and `test_y` int64 [n] hold labels in
    0..`classes`-1, where `classes` are the outputs of the network. Where examples are trained towards values,
    `train_t` float32 [examples, outputs] and `test_t` float32 [n, outputs] hold these, and labels count for nothing.
    `source` says in words where they come from and what was done to them. `validation` are those that were held back
    from training, if any were. Where an example is a sequence, `train_x` and `test_x` are vectors, `train_frames` and
    `test_frames` say which an example has at each step, and there may be a label for each step; before they are fitted
    to a network, features lie in a row, with `lengths` and how many `vectors` there are in it, where that is known.
    """

    train_x: F32
    train_y: I64
    test_x: F32
    test_y: I64
    classes: int
    name: str
    source: str
    train_t: F32 | None = None
    test_t: F32 | None = None
    validation: Part | None = None
    groups: I64 | None = None
    """Of whom examples are, those for training first and then those for testing, where that is known."""
    tests: tuple[int, ...] = ()
    """How many examples for testing each split has, where there are splits."""
    train_frames: Frames | None = None
    test_frames: Frames | None = None
    lengths: tuple[I64, I64] | None = None
    vectors: int = 0

    @property
    def training(self) -> Part:
        """The examples for training."""
        return Part(self.train_x, self.train_y, self.train_t, self.train_frames)

    def read_after(self, last: bool) -> tuple[Part | None, Part | None]:
        """Return what is read after an epoch, or the last: examples for validation, if there are any, and for testing.

        Where there are some for validation, those for testing are read after the last epoch alone.
        """
        if not last and self.validation is not None:
            return self.validation, None
        testing = Part(self.test_x, self.test_y, self.test_t, self.test_frames)
        return self.validation, testing
