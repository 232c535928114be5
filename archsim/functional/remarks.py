"""What a reader of a training should know before comparing chip and baseline: whether the baseline is a fair one."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt
from pathlib import Path

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


def baseline_warnings(accuracy: Sequence[Sequence[float | None]], seeds: Sequence[int], tests: int) -> list[str]:
    """Return a line for the seed whose baseline ends furthest below its best epoch, if that is far.

    `accuracy` is the baseline's, by seed and epoch, of a validation or test set with so many examples; None counts for
    nothing.
    """
    found = []
    for seed, run in zip(seeds, accuracy, strict=True):
        known = [(value, -epoch) for epoch, value in enumerate(run, 1) if value is not None]
        if not known or run[-1] is None:
            continue
        (best, epoch), last = max(known), run[-1]
        if best - last > max(BELOW, ERRORS * sqrt(best * (1 - best) / tests)):
            found.append((best - last, -seed, best, -epoch, last))
    if not found:
        return []
    _, seed, best, epoch, last = max(found)
    return [
        f"the floating-point baseline of seed {-seed} reached {per_cent(best)} in epoch {epoch} and ends at "
        f"{per_cent(last)}, so that the chip is compared with one that broke down; give a smaller "
        "training.floating_point.learning_rate, or a training.floating_point.learning_rate_decay below 1"
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
