"""What a training reached, epoch by epoch, and the file that says so."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from archsim.base.errors import ArchsimError
from archsim.functional.datasets import Data
from archsim.functional.ranges import Shares, saturation_warnings
from archsim.functional.remarks import baseline_warnings


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
    """One epoch of one seed: how well the test set is answered, mean losses, and what the pulses did.

    Accuracies are fractions of the test set classified rightly; where examples have values for classes they are None,
    and R2 is given instead (None where these do not vary).
    """

    seed: int
    epoch: int
    accuracy_chip: float | None
    accuracy_float: float | None
    loss_chip: float
    loss_float: float
    pulses_per_synapse: float
    clipped_share: float
    r2_chip: float | None = None
    r2_float: float | None = None
    saturation: Shares = field(default_factory=dict)
    """By layer and kind, see `saturation`."""


def mean_of(values: Sequence[float | None]) -> float | None:
    """Return a mean; None where a value is missing, or all are."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def history(
    epochs: Mapping[int, list[Epoch]],
    *,
    names: Mapping[str, Any],
    ablate: Collection[str],
    data: Data,
    wanted: tuple[int, int],
    diverged: DivergedError | None,
    remarks: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the content of history.json: one list per seed, one value per epoch; the last epoch counts.

    `wanted` is how many seeds and epochs there are to be. A training that diverged has no final accuracy. Where
    examples have values for classes, R2 stands beside accuracies that are null. `warnings` are the `remarks` that were
    made beforehand, and what the epochs themselves give rise to.
    """
    seeds = sorted(epochs)
    runs = [epochs[seed] for seed in seeds]

    def column(name: str) -> list[list[Any]]:
        return [[getattr(entry, name) for entry in run] for run in runs]

    def final(what: str) -> tuple[float | None, float | None]:
        """Return the means of the last epochs' values, on the chip and in floating point."""
        if diverged is not None:
            return None, None
        last = [(getattr(run[-1], f"{what}_chip"), getattr(run[-1], f"{what}_float")) for run in runs if run]
        chip, floating = zip(*last, strict=True) if last else ((), ())
        return mean_of(chip), mean_of(floating)

    measures = ("accuracy",) if data.test_t is None else ("accuracy", "r2")
    means = {what: final(what) for what in measures}
    chip, floating = means[measures[-1]]
    return {
        "schema": "archsim-history-1",
        **names,
        "data": {"name": data.name, "source": data.source, "train": len(data.train_y), "test": len(data.test_y)},
        "ablated": sorted(ablate),
        "seeds": seeds,
        "complete": len(runs) == wanted[0] and all(len(run) == wanted[1] for run in runs),
        "diverged": diverged and diverged.plain(),
        **{f"{what}_{where}": column(f"{what}_{where}") for what in measures for where in ("chip", "float")},
        **{name: column(name) for name in
           ("loss_chip", "loss_float", "pulses_per_synapse", "clipped_share", "saturation")},
        "warnings": [
            *remarks, *baseline_warnings(column("accuracy_float"), seeds, len(data.test_y)),
            *saturation_warnings(column("saturation")),
        ],
        "final": {
            **{f"{what}_{where}_mean": own for what in measures
               for where, own in zip(("chip", "float"), means[what], strict=True)},
            "difference": None if chip is None or floating is None else chip - floating,
        },
    }  # fmt: skip
