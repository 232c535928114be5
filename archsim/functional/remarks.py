"""What a reader of a training should know before comparing chip and baseline: whether either of them learnt at all."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

import numpy as np

from archsim.base.arrays import I64
from archsim.base.documents import read_text, read_yaml
from archsim.base.errors import SpecError
from archsim.base.words import per_cent
from archsim.spec.loading import Loaded
from archsim.spec.named import lies
from archsim.workload.network import Rates, Workload

BELOW = 0.01
"""By what fraction of the examples that are read a baseline may end below its best epoch without a warning, which
changes no result."""
ERRORS = 2.0
"""And by so many standard errors of such a fraction, so that small sets do not cry wolf."""
_RATES = tuple(Rates.model_fields)


SIDES = {
    "float": ("the floating-point baseline", "so that the chip is compared with one that broke down",
              "training.floating_point."),
    "chip": ("the chip", "so that it broke down", "training."),
}  # fmt: skip
"""Chip and baseline in words, what it means where one breaks down, and where its rates are."""


def side_warnings(
    merit: Sequence[Sequence[float | None]], seeds: Sequence[int], side: str, labels: I64 | None
) -> list[str]:  # fmt: skip
    """Return lines where the chip or its baseline in "float" broke down, or has learnt nothing: the worst seed of each.

    `merit` is its accuracy by seed and epoch on examples with these labels, or its R2 where there are none; None counts
    for nothing.
    """
    who, means, rates = SIDES[side]
    fell, idle = [], []
    for seed, run in zip(seeds, merit, strict=True):
        known = [(value, -epoch) for epoch, value in enumerate(run, 1) if value is not None]
        if not known or (last := run[-1]) is None:
            continue
        (best, epoch), least = max(known), _guessed(labels)
        if last <= least:
            idle.append((last - least, -seed, last, least))
        if labels is not None and best - last > max(BELOW, ERRORS * sqrt(best * (1 - best) / len(labels))):
            fell.append((best - last, -seed, best, -epoch, last))
    lines = []
    if fell:
        _, seed, best, epoch, last = max(fell)
        lines.append(
            f"{who} of seed {-seed} reached {per_cent(best)} in epoch {epoch} and ends at {per_cent(last)}, {means}; "
            f"give a smaller {rates}learning_rate, or a {rates}learning_rate_decay below 1"
        )
    if idle:
        _, seed, last, least = min(idle)
        best_guess = "R2 is not above 0" if labels is None else f"the most frequent class alone gives {per_cent(least)}"
        value = f"R2 of {last:.3f}" if labels is None else per_cent(last)
        lines.append(f"{who} of seed {-seed} ends at {value} and has learnt nothing: {best_guess}; "
                     f"give another {rates}learning_rate")  # fmt: skip
    return lines


def _guessed(labels: I64 | None) -> float:
    """Return what who has learnt nothing may reach: the share of the most frequent label and two standard errors."""
    if labels is None:
        return 0.0
    share = float(np.bincount(labels).max()) / len(labels)
    return min(share + ERRORS * sqrt(share * (1 - share) / len(labels)), 0.5 * (1 + share))


def floor_warnings(reached: float | None, floor: float | None) -> list[str]:
    """Return a line where the baseline's mean accuracy on the test set is below its floor."""
    if reached is None or floor is None or reached >= floor:
        return []
    return [
        f"the floating-point baseline reaches {per_cent(reached, 2)} on the test set, below its floor of "
        f"{per_cent(floor, 2)}: the comparison does not count; train for more epochs, or give other rates in "
        "training.floating_point"
    ]


def ceiling_warnings(reached: float | None, ceiling: float | None, side: str) -> list[str]:
    """Return a line where the mean cross-entropy of the chip, or of its baseline in "float", is above a ceiling."""
    if reached is None or ceiling is None or reached <= ceiling:
        return []
    who, _, rates = SIDES[side]
    means = ": the comparison does not count" if side == "float" else ", and misses any goal"
    return [
        f"{who} reaches a cross-entropy of {reached:.3f} nats on the test set, above the ceiling of {ceiling:.3f}"
        f"{means}; train for more epochs, or give other rates in {rates.removesuffix('.')}"
    ]


def rates_warnings(workload: Loaded[Workload]) -> list[str]:
    """Return lines where chip and baseline learn at rates that were not chosen together, or for other data."""
    baseline = workload.value.training.floating_point
    if baseline is None:
        return []
    lines, figures = [], workload.figures
    alone = [name for name in _RATES if _commanded(workload, f"training.{name}")]
    if alone and not any(_commanded(workload, f"training.floating_point.{name}") for name in _RATES):
        own, other = (figures[f"training.{part}{alone[0]}"].text for part in ("", "floating_point."))
        lines.append(
            f"training.{alone[0]}={own} is the chip's alone: the floating-point baseline keeps {other} of "
            f"training.floating_point; set training.floating_point.{alone[0]} too where both should learn alike"
        )
    given = _given(workload.path)
    if "extends" in given:
        training = given.get("training")
        has = training if isinstance(training, dict) else {}
        if any(name in has for name in _RATES) and "floating_point" not in has:
            lines.append(
                f"{workload.path_label} gives the chip a learning rate of its own, but the floating-point baseline "
                f"keeps those of {given['extends']}; give training.floating_point too"
            )
        elif "dataset" in given and not has:
            lines.append(
                f"{workload.path_label} has data of its own, but the learning rates that were chosen for those of "
                f"{given['extends']}; give training and training.floating_point"
            )
    return lines


def _commanded(workload: Loaded[Workload], path: str) -> bool:
    """Return whether a setting on the command line gave this figure, or the section that it is in."""
    keys = [setting.partition("=")[0].strip() for setting in workload.overrides]
    return any(path == key or path.startswith(f"{key}.") for key in keys)


def _given(path: Path | None) -> dict[str, object]:
    """Return what a workload's own file says, without the one that it extends; nothing where it is not a file."""
    try:
        return read_yaml(read_text(lies(path), str(path)), str(path)) if path is not None else {}
    except SpecError:
        return {}
