"""The history of a training, as history.json holds it: what each epoch of each seed reached, and what cells hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self, TypeAlias, TypeVar

from pydantic import Field

from archsim.base.record import Named, Record
from archsim.functional.findings import Findings
from archsim.functional.paired import Comparison
from archsim.studies.study import Data, signed
from archsim.workload import network as workload

T = TypeVar("T")
Runs: TypeAlias = tuple[tuple[T, ...], ...]
"""A value of each epoch, by seed."""
Sides: TypeAlias = Mapping[str, Runs[float | None]]
"""Values on the "chip" and, beside it, in "float"."""


RUNS = tuple(f"{what}{part}_{where}" for what in ("accuracy", "r2", "cross_entropy") for part in ("", "_validation")
             for where in ("chip", "float"))  # fmt: skip
"""Names of what may be read after each epoch, in this order."""


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
    """Where the examples are from, and how many are trained, validated and tested on.

    `said` is how many the workload says that an epoch has, where the data have others. Where time follows sequences of
    `mean_steps`, the longest has `steps`. With `splits` each seed has one
    of so many, and these are the first one's.
    """

    name: str
    source: str
    train: int
    validation: int = 0
    test: int
    said: int | None = None
    steps: int | None = None
    mean_steps: int | None = None
    splits: int | None = None


class Diverged(Record):
    """In which epoch of which seed a training left the numbers, on the chip or in floating point."""

    seed: int
    epoch: int
    where: str
    says: str


class Final(Record):
    """Means over seeds after the last epoch; R2 where examples have values for classes, of which is the difference.

    The `comparison` is of a training that is complete, where examples have classes.
    """

    accuracy_chip_mean: float | None
    accuracy_float_mean: float | None
    accuracy_validation_chip_mean: float | None = None
    accuracy_validation_float_mean: float | None = None
    r2_chip_mean: float | None = None
    r2_float_mean: float | None = None
    r2_validation_chip_mean: float | None = None
    r2_validation_float_mean: float | None = None
    cross_entropy_chip_mean: float | None = None
    cross_entropy_float_mean: float | None = None
    cross_entropy_validation_chip_mean: float | None = None
    cross_entropy_validation_float_mean: float | None = None
    difference: float | None
    comparison: Comparison | None = None


class Answers(Record):
    """How examples for testing were answered after the last epoch, by seed, the first example first, in hex digits.

    That is bits of which were answered rightly, or their summed losses as little-endian floats of 32 bits.
    """

    chip: tuple[str, ...]
    floating: tuple[str, ...] = Field(alias="float")


class History(Data):
    """What history.json holds: of what epochs reached a list per seed with a value per epoch; the last epoch counts.

    Where sequences are answered step by step, cross-entropies are the mean losses on what accuracies are read of.
    Accuracies are fractions of the test set; where examples have values for classes they are None, and R2 is given.
    Where examples are held back for validation, those are read in each epoch, and the test set after the last alone:
    before, its figures are None. `right` is there where examples have classes and all seeds are finished, `test_losses`
    where they have one at each step.
    `saturation` has shares by layer and kind. `findings` are what a probe saw of the cells of the first seed, once that
    is finished, and `activity` says whether activity.yaml holds what finished seeds measured. `defaults` tells which
    defaults were taken, as the workload does not say.
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
    accuracy_validation_chip: Runs[float | None] | None = None
    accuracy_validation_float: Runs[float | None] | None = None
    r2_chip: Runs[float | None] | None = None
    r2_float: Runs[float | None] | None = None
    r2_validation_chip: Runs[float | None] | None = None
    r2_validation_float: Runs[float | None] | None = None
    cross_entropy_chip: Runs[float | None] | None = None
    cross_entropy_float: Runs[float | None] | None = None
    cross_entropy_validation_chip: Runs[float | None] | None = None
    cross_entropy_validation_float: Runs[float | None] | None = None
    loss_chip: Runs[float]
    loss_float: Runs[float]
    pulses_per_synapse: Runs[float]
    clipped_share: Runs[float]
    saturation: Runs[Mapping[str, Mapping[str, float]]]
    warnings: tuple[str, ...]
    final: Final
    right: Answers | None = None
    test_losses: Answers | None = None
    findings: Findings | None = None
    activity: bool = False
    defaults: str | None = None

    @property
    def validated(self) -> bool:
        """Whether epochs were judged on examples that were held back for that."""
        return None not in self._sides("_validation").values()

    @property
    def tested(self) -> Sides:
        """Accuracy or R2 on the test set."""
        return {where: runs or () for where, runs in self._sides("").items()}

    @property
    def merit(self) -> Sides:
        """What its epochs are judged by: accuracy or R2 on the validation set if there is one, else on the test set."""
        own = self._sides("_validation" if self.validated else "")
        return {where: runs or () for where, runs in own.items()}

    @property
    def judged_on(self) -> str:
        """On what its epochs are judged, in words."""
        return "the validation set" if self.validated else "the test set"

    @property
    def entropies(self) -> Sides:
        """Cross-entropies on what its epochs are judged by, where sequences are answered step by step."""
        part = "_validation" if self.validated else ""
        runs = {where: getattr(self, f"cross_entropy{part}_{where}") for where in ("chip", "float")}
        return {} if None in runs.values() else runs

    @property
    def final_entropies(self) -> Mapping[str, tuple[float | None, float | None]]:
        """Cross-entropies after the last epoch, chip and baseline, by the words for what they were read on."""
        read = {"the validation set": "_validation", "the test set": ""}
        names = {words: [f"cross_entropy{part}_{where}" for where in ("chip", "float")] for words, part in read.items()}
        found = {words: tuple(getattr(self.final, f"{name}_mean") for name in own) for words, own in names.items()
                 if all(getattr(self, name) is not None for name in own)}  # fmt: skip
        return {words: (chip, floating) for words, (chip, floating) in found.items()}

    @property
    def losses(self) -> Sides:
        """Mean losses of epochs in training."""
        return {"chip": self.loss_chip, "float": self.loss_float}

    @property
    def reached(self) -> tuple[float | None, float | None]:
        """Accuracy or R2 on the test set after the last epoch, on the chip and in floating point."""
        return self._final("")

    @property
    def validation(self) -> tuple[float | None, float | None]:
        """Accuracy or R2 on the validation set after the last epoch, on the chip and in floating point."""
        return self._final("_validation")

    def plain(self) -> Any:
        """Return it as JSON holds it; of R2, or of validation, nothing is said where there is none."""
        found = super().plain()
        for name in (name for name in RUNS if getattr(self, name) is None):
            del found[name], found["final"][f"{name}_mean"]
        for name in (name for name in ("right", "test_losses") if getattr(self, name) is None):
            del found[name]
        if self.final.comparison is None:
            del found["final"]["comparison"]
        if not self.validated:
            del found["data"]["validation"]
        for name in (name for name in ("said", "splits", "steps", "mean_steps") if found["data"][name] is None):
            del found["data"][name]
        return found

    @property
    def _what(self) -> str:
        return "accuracy" if self.r2_chip is None or self.r2_float is None else "r2"

    def _sides(self, part: str) -> dict[str, Runs[float | None] | None]:
        return {where: getattr(self, f"{self._what}{part}_{where}") for where in ("chip", "float")}

    def _final(self, part: str) -> tuple[float | None, float | None]:
        chip, floating = (getattr(self.final, f"{self._what}{part}_{where}_mean") for where in ("chip", "float"))
        return chip, floating
