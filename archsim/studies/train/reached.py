"""What the epochs of a training come to: means over seeds, what is to be said of them, and whether a goal is met."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any

from archsim.functional.data_set import Data
from archsim.functional.epochs import DivergedError, Epoch
from archsim.functional.paired import Comparison, excess_of, interval_of, unpacked, unpacked_losses, verdict_of
from archsim.functional.ranges import saturation_warnings
from archsim.functional.remarks import ceiling_warnings, floor_warnings, side_warnings
from archsim.studies.train.history import RUNS, Answers, Diverged, Final, T


@dataclass(frozen=True)
class Protocol:
    """By what a training is judged after so many epochs: floor and ceiling of the baseline, the chip's goal, a share.

    `tests` are the examples for testing by seed, the same of all or, with `splits`, those of a seed's own.
    """

    floor: float | None = None
    ceiling: float | None = None
    goal: float | None = None
    epochs: int = 0
    tests: Mapping[int, int] = field(default_factory=dict)
    splits: bool = False


def compared(
    epochs: Mapping[int, Sequence[Epoch]], protocol: Protocol, against: Sequence[str], high: bool = False
) -> dict[str, Any]:  # fmt: skip
    """Return how test examples were answered, and how chip and baseline compare; nothing before seeds are finished.

    A chip whose cross-entropy is `high`, above the ceiling, misses a goal.
    """
    runs = {seed: epochs.get(seed, ()) for seed in protocol.tests}
    last = [run[-1] for run in runs.values() if len(run) == protocol.epochs]
    if len(last) < len(runs):
        return {}
    tests = protocol.tests.values()
    if all(own.right_chip and own.right_float for own in last):
        name, told = "right", Answers(chip=tuple(own.right_chip for own in last),
                                      float=tuple(own.right_float for own in last))  # fmt: skip
        chip, floating = (
            [unpacked(bits, examples) for bits, examples in zip(own, tests, strict=True)]
            for own in (told.chip, told.floating)
        )
        interval = interval_of(chip, floating, [*runs], splits=protocol.splits)
    elif all(own.losses_chip and own.losses_float for own in last):
        name, told = "test_losses", Answers(chip=tuple(own.losses_chip for own in last),
                                            float=tuple(own.losses_float for own in last))  # fmt: skip
        above, below = ([*map(unpacked_losses, own)] for own in (told.chip, told.floating))
        interval = excess_of(above, below, [*runs], splits=protocol.splits)
    else:
        return {}
    verdict = None if protocol.goal is None else verdict_of(interval, protocol.goal, against)
    if high and verdict not in (None, "does not count"):
        verdict = "missed"
    own = Comparison(interval=interval, goal=protocol.goal, verdict=verdict, against=tuple(against))
    return {name: told, "comparison": own}


def reached_by(
    epochs: Mapping[int, Sequence[Epoch]], data: Data, diverged: DivergedError | None, remarks: Sequence[str],
    protocol: Protocol,
) -> dict[str, Any]:  # fmt: skip
    """Return the part of a history that is of its epochs, given by seed, on these data.

    A training that diverged has no final accuracy. `warnings` are the `remarks` that were made beforehand, and what the
    epochs themselves give rise to.
    """
    seeds = sorted(epochs)
    runs = [epochs[seed] for seed in seeds]

    def each(of: Callable[[Epoch], T]) -> list[list[T]]:
        return [[of(epoch) for epoch in run] for run in runs]

    def mean(values: Sequence[Sequence[float | None]]) -> float | None:
        """Return the mean of the last epochs' values; None where one of these is missing."""
        last = [run[-1] for run in values if run]
        known = [value for value in last if value is not None]
        return sum(known) / len(known) if known and len(known) == len(last) and diverged is None else None

    validated, valued, texts = data.validation is not None, data.test_t is not None, data.train_y.ndim == 2
    absent = {word for word, there in (("r2", valued), ("validation", validated), ("entropy", texts)) if not there}
    columns: dict[str, list[list[float | None]]] = {
        name: each(attrgetter(name)) for name in RUNS if not any(word in name for word in absent)
    }
    means = {f"{name}_mean": mean(values) for name, values in columns.items()}
    chip, floating = (means[f"{'r2' if valued else 'accuracy'}_{where}_mean"] for where in ("chip", "float"))
    what, part = ("r2" if valued else "accuracy"), "_validation" if validated else ""
    labels = None if valued else data.test_y.ravel() if data.validation is None else data.validation.y.ravel()
    own = {side: side_warnings(columns[f"{what}{part}_{side}"], seeds, side, labels) for side in ("float", "chip")}
    high = {
        side: ceiling_warnings(means.get(f"cross_entropy_{side}_mean"), protocol.ceiling, side)
        for side in ("float", "chip")
    }
    against = [*own["float"], *floor_warnings(means["accuracy_float_mean"], protocol.floor), *high["float"]]
    found = {} if diverged is not None else compared(epochs, protocol, against, bool(high["chip"]))
    comparison = found.pop("comparison", None)
    saturation = each(lambda epoch: epoch.saturation)
    return {
        "seeds": seeds,
        "diverged": None if diverged is None else Diverged(
            seed=diverged.seed, epoch=diverged.epoch + 1, where=diverged.where, says=str(diverged)
        ),
        **columns,
        "loss_chip": each(lambda epoch: epoch.loss_chip),
        "loss_float": each(lambda epoch: epoch.loss_float),
        "pulses_per_synapse": each(lambda epoch: epoch.pulses_per_synapse),
        "clipped_share": each(lambda epoch: epoch.clipped_share),
        "saturation": saturation,
        "warnings": [
            *remarks,
            *against,
            *own["chip"],
            *high["chip"],
            *saturation_warnings(saturation),
        ],
        "final": Final(**means, difference=None if chip is None or floating is None else chip - floating,
                       comparison=comparison),
        **found,
    }  # fmt: skip
