"""How well a network answers some examples."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from archsim.base.arrays import F64, Array
from archsim.functional.data_set import Part
from archsim.functional.losses import score


class Each(NamedTuple):
    """How each of some examples was answered: whether any of its labels is right, and its summed loss."""

    right: Array  # [examples] of bool
    loss: F64  # [examples]

    @classmethod
    def of(cls, examples: int) -> Self:
        """Return room for so many."""
        return cls(np.zeros(examples, dtype=np.bool_), np.zeros(examples))


class Answered(NamedTuple):
    """How some examples were answered: labels that are right, squares of target - output, and the summed loss."""

    right: int
    squares: float
    loss: float

    def told(self, part: Part) -> tuple[float | None, float | None]:
        """Return accuracy or R2, and where sequences are answered step by step the mean loss, else None."""
        mean = self.loss / part.answers if part.y.ndim == 2 else None
        return score(self.right, self.squares, part.answers, part.t), mean
