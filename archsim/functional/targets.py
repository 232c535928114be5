"""What examples are trained towards, and what is asked of features and targets before they are."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np

from archsim.base.arrays import F32, Array
from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.functional.losses import labels_allowed
from archsim.functional.numbers import layers_in_numbers
from archsim.workload.network import Workload

Parts: TypeAlias = dict[str, Array]


def targets_or_none(x: F32, targets: F32 | None) -> F32:
    """Return targets [examples, outputs], or [examples, 0] where there are none."""
    return np.zeros((len(x), 0), dtype=np.float32) if targets is None else np.ascontiguousarray(targets, np.float32)


def check_signs(workload: Workload, x: F32) -> None:
    """Raise SpecError where inputs are negative and a workload does not say so."""
    if not workload.dataset.signed and x.size and float(x.min()) < 0:
        what = f"an input is {float(x.min()):g}, and the workload says that none is negative"
        hint = "give dataset.signed=true, which takes two passes of each read and two phases of each update"
        raise SpecError([Problem(f"{workload.name}: dataset.signed", what, hint)])


def check_reach(workload: Workload, targets: F32 | None, output_range: float) -> None:
    """Raise SpecError where a linear output is to reach values beyond those that its converters read."""
    if targets is None or not targets.size or layers_in_numbers(workload)[-1].activation != "linear":
        return
    most = float(np.abs(targets).max())
    if most > output_range:
        what = f"a target is {most:g} in magnitude, and converters read outputs up to {output_range:g}"
        hint = f"give numerics.output_range={float(np.ceil(most)):g}, or scale the targets"
        raise SpecError([Problem("numerics.output_range", what, hint)])


def value_problems(label: str, part: str, x: Array, t: Array) -> list[Problem]:
    """Return what is wrong with the target values of a part of an .npz file: numbers [examples] or [examples, n]."""
    where = f"{label}: {part}"
    if t.dtype.kind not in "buif" or t.ndim not in (1, 2) or not t.size:
        what = f"the targets are {t.dtype} of shape {t.shape}, not numbers [examples, values]"
        return [Problem(where, what, "one row an example, or dataset.target=class for labels")]
    if x.ndim and len(x) != len(t):
        return [Problem(where, f"{counted(len(x), 'example')}, but {counted(len(t), 'target')}", "make them equal")]
    if not np.isfinite(t).all():
        what = f"{np.count_nonzero(~np.isfinite(t)):,} targets are NaN or infinite"
        return [Problem(where, what, "replace them by finite numbers")]
    return []


def rows_of(t: Array) -> F32:
    """Return target values as float32 [examples, values]."""
    return np.ascontiguousarray(t.reshape(len(t), -1), dtype=np.float32)


def target_problems(workload: Workload, name: str, labels: Parts, targets: Parts | None) -> list[Problem]:
    """Return why labels or target values of a data set, by part, do not fit a workload's last layer."""
    last = layers_in_numbers(workload)[-1]
    target, where = workload.dataset.target, f"data set '{name}'"
    problems = []
    if target == "class":
        allowed = labels_allowed(workload)
        for part, own in labels.items():
            outside = np.flatnonzero((own < 0) | (own >= allowed))
            if outside.size:
                what = f"label {own[outside[0]]} of example {outside[0]:,} for {part} is outside 0..{allowed - 1}"
                outputs = counted(last.outputs, "output")
                hint = f"layer {last.name} has {outputs}: give it one for each class, and labels from 0"
                problems.append(Problem(where, what, hint))
        return problems
    if targets is None:
        what = "has labels, and no values to be trained towards"
        return [Problem(where, what, "give dataset.target=class or inputs, or an .npz file with rows of values")]
    for part, own in targets.items():
        if own.shape[1] != last.outputs:
            outputs = counted(last.outputs, "output")
            what = f"layer {last.name} has {outputs}, a target for {part} has {own.shape[1]:,} values"
            problems.append(Problem(f"{workload.name}: layers[{len(workload.layers) - 1}].outputs", what,
                                    f"make it {own.shape[1]}"))  # fmt: skip
        elif last.activation == "sigmoid" and not (own.min() >= 0 and own.max() <= 1):
            what = f"targets for {part} range from {own.min():g} to {own.max():g}, a sigmoid's from 0 to 1"
            problems.append(Problem(where, what, "scale them, or give the last layer the activation linear"))
    return problems
