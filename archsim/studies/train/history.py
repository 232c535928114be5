"""The history of a training, as history.json holds it: what each epoch of each seed reached, and what cells hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias, TypeVar

from pydantic import Field

from archsim.base.record import Named, Record
from archsim.functional.findings import Findings
from archsim.studies.study import Data, signed
from archsim.workload import network as workload

T = TypeVar("T")
Runs: TypeAlias = tuple[tuple[T, ...], ...]
"""A value of each epoch, by seed."""
Sides: TypeAlias = Mapping[str, Runs[float | None]]
"""Values on the "chip" and, beside it, in "float"."""


class Rate(Record):
    """A learning rate: the first, by what it is multiplied with each epoch, and the least, as a share of the first."""

    first: float
    decay: float
    floor: float

    @classmethod
    def of(cls, rates: workload.Rates) -> Self:
        """Return a rate of a workload."""
        return cls(first=rates.learning_rate, decay=rates.learning_rate_decay, floor=rates.learning_rate_floor)


class Rates(Record):
    """The learning rates on the chip and of its floating-point baseline."""

    chip: Rate
    floating: Rate = Field(alias="float")


class Examples(Record):
    """Where the examples are from, and how many are trained and tested on."""

    name: str
    source: str
    train: int
    test: int


class Diverged(Record):
    """In which epoch of which seed a training left the numbers, on the chip or in floating point."""

    seed: int
    epoch: int
    where: str
    says: str


class Final(Record):
    """Means over seeds after the last epoch; R2 where examples have values for classes, of which is the difference."""

    accuracy_chip_mean: float | None
    accuracy_float_mean: float | None
    r2_chip_mean: float | None = None
    r2_float_mean: float | None = None
    difference: float | None


class History(Data):
    """What history.json holds: of what epochs reached a list per seed with a value per epoch; the last epoch counts.

    Accuracies are fractions of the test set; where examples have values for classes they are None, and R2 is given.
    `saturation` has shares by layer and kind. `findings` are what a probe saw of the cells of the first seed, once that
    is finished, and `activity` says whether activity.yaml holds what finished seeds measured.
    """

    schema_id: Literal["archsim-history-1"] = signed("archsim-history-1")
    arch: Named
    workload: Named
    rates: Rates
    loss: str
    data: Examples
    ablated: tuple[str, ...]
    seeds: tuple[int, ...]
    complete: bool
    diverged: Diverged | None
    accuracy_chip: Runs[float | None]
    accuracy_float: Runs[float | None]
    r2_chip: Runs[float | None] | None = None
    r2_float: Runs[float | None] | None = None
    loss_chip: Runs[float]
    loss_float: Runs[float]
    pulses_per_synapse: Runs[float]
    clipped_share: Runs[float]
    saturation: Runs[Mapping[str, Mapping[str, float]]]
    warnings: tuple[str, ...]
    final: Final
    findings: Findings | None = None
    activity: bool = False

    @property
    def merit(self) -> Sides:
        """What it is judged by, accuracy or R2."""
        if self.r2_chip is None or self.r2_float is None:
            return {"chip": self.accuracy_chip, "float": self.accuracy_float}
        return {"chip": self.r2_chip, "float": self.r2_float}

    @property
    def losses(self) -> Sides:
        """Mean losses of epochs in training."""
        return {"chip": self.loss_chip, "float": self.loss_float}

    @property
    def reached(self) -> tuple[float | None, float | None]:
        """What it is judged by after the last epoch, on the chip and in floating point."""
        if self.r2_chip is None:
            return self.final.accuracy_chip_mean, self.final.accuracy_float_mean
        return self.final.r2_chip_mean, self.final.r2_float_mean

    def plain(self) -> Any:
        """Return it as JSON holds it; where examples have classes, nothing is said of R2."""
        found = super().plain()
        if self.r2_chip is None:
            del found["r2_chip"], found["r2_float"], found["final"]["r2_chip_mean"], found["final"]["r2_float_mean"]
        return found
