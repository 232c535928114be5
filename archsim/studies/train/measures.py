"""By what a training is judged: accuracy where examples have classes, R2 where they have values.

Where classes are told at each step, cross-entropy is told beside accuracy, and the chip is compared by it.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.base.words import per_cent
from archsim.studies.train.history import History

LOSSES = {"cross_entropy": "cross-entropy, summed over outputs", "squared_error": "half the squared error, summed over "
          "outputs"}  # fmt: skip
"""Losses in words, as means over examples."""


@dataclass(frozen=True)
class Measure:
    """A figure of merit on some examples: the key of its values, its name, and the unit that it is shown in."""

    key: str
    name: str
    unit: str

    def key_of(self, where: str) -> str:
        """Return the key of its values on the "chip" or in "float"."""
        return f"{self.key}_{where}"

    def head(self, words: str) -> str:
        """Return a column's head; accuracy, which has a unit, need not be named."""
        return words if self.unit else f"{self.name} {words}"

    def text(self, value: float | None) -> str:
        """Return a value as it is shown."""
        return "-" if value is None else per_cent(value, 2) if self.unit else f"{value:.4f}"


NATS = "nats"
"""The unit of a cross-entropy, the mean over all answers."""
ACCURACY = Measure("accuracy", "accuracy", "%")
R2 = Measure("r2", "R2", "")


def measure(history: History) -> Measure:
    """Return by what the training of a history is judged."""
    return ACCURACY if history.r2_chip is None else R2
