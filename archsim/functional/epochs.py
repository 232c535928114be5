"""What a training reached, epoch by epoch, or where it diverged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from archsim.base.errors import ArchsimError
from archsim.functional.ranges import Shares


class DivergedError(ArchsimError):
    """Training left the numbers: the message says in which epoch and where; there is no accuracy to report."""

    def __init__(self, message: str, *, seed: int, epoch: int, where: str) -> None:
        super().__init__(message)
        self.seed, self.epoch, self.where = seed, epoch, where

    def plain(self) -> dict[str, Any]:
        """Return what there is to say, as plain data; epochs are counted from 1."""
        return {"seed": self.seed, "epoch": self.epoch + 1, "where": self.where, "says": str(self)}


@dataclass(frozen=True)
class Epoch:
    """One epoch of one seed: how well test and validation set are answered, mean losses, and what the pulses did.

    Accuracies are fractions of a set classified rightly; where examples have values for classes they are None, and R2
    is given instead (None where these do not vary). Those of the validation set are None where there is none; where
    there is one, those of the test set are None but for the last epoch. Of chip or baseline nothing is given where that
    was not trained.
    """

    seed: int
    epoch: int
    accuracy_chip: float | None
    accuracy_float: float | None
    loss_chip: float | None
    loss_float: float | None
    pulses_per_synapse: float
    clipped_share: float
    r2_chip: float | None = None
    r2_float: float | None = None
    saturation: Shares = field(default_factory=dict)
    """By layer and kind, see `saturation`."""
    accuracy_validation_chip: float | None = None
    accuracy_validation_float: float | None = None
    r2_validation_chip: float | None = None
    r2_validation_float: float | None = None
    cross_entropy_chip: float | None = None
    cross_entropy_float: float | None = None
    cross_entropy_validation_chip: float | None = None
    cross_entropy_validation_float: float | None = None
    right_chip: str = ""
    """Which examples for testing were answered rightly, `packed`, after the last epoch; of values nothing."""
    right_float: str = ""
    losses_chip: str = ""
    """The losses of examples for testing, where these are answered step by step, packed, after the last epoch."""
    losses_float: str = ""
