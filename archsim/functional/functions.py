"""Activations in numbers: what each does to a unit's sum, and what is left of an error on the way back through it.

A layer's activation becomes an integer and one parameter when a network is set up; the compiled loops know no names.
The derivative of each follows from its own value, which is all that is kept of a unit: a bit of it, or the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, I64, Flags
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.machine_code import lean
from archsim.functional.numbers import (
    CLIPPED_RELU,
    CODES,
    HARD_SIGMOID,
    LEAKY_RELU,
    RELU,
    SIGMOID,
    TANH,
    layers_in_numbers,
    of_kind,
)
from archsim.functional.periphery import either_side
from archsim.workload.activations import ACTIVATIONS
from archsim.workload.network import Workload

_ZERO, _HALF, _ONE = np.float32(0.0), np.float32(0.5), np.float32(1.0)
_SIXTH = np.float32(1 / 6)


class Functions(NamedTuple):
    """By layer the code of its activation and the parameter of it (bound or slope), and which the biases have."""

    code: I64
    parameter: F32
    bias: Flags


class Spans(NamedTuple):
    """How vectors sit on a chip's lines and converters, by layer.

    `drive` is the full scale of the drivers that a layer's vector meets, `phases` how many an update has: two where
    the vector has either sign, x > 0 and then x < 0. `low` and `full` are the ends between which a hidden layer's
    outputs are converted, `kept` to how many steps of `full` those computed from partial sums are rounded for backward
    (0: not, since backward needs but a bit of each). The sums of recurrent units are converted within plus and minus
    `gate` (0: it is none), their gates are rounded to `kept` steps, their states to `states` steps of `reach` (0: they
    have none, or are as fine as gates).
    """

    drive: F32
    phases: I64
    low: F32
    full: F32
    kept: I64
    gate: F32
    states: I64
    reach: F32


def spans_of(
    workload: Workload, activation_range: float, levels: Sequence[int], gate_range: float = 4.0,
    state_range: float = 4.0, state_levels: int | None = None,
) -> Spans:  # fmt: skip
    """Return the spans of a workload's layers, where converters have so many levels, by layer (0: any value).

    States have `state_levels` (0: any value), or where that is None as many as their layer's converters.

    Activations with a largest value are converted up to that, others up to `activation_range`. The next layer's
    drivers span the same, or 1 where that is more and they drive a row of biases too. Raises SpecError where
    `activation_range` is not above 0.
    """
    layers = layers_in_numbers(workload)
    if not activation_range > 0:
        what = f"{activation_range:g} leaves no range for hidden units to be converted in"
        raise SpecError([Problem("numerics.activation_range", what, "give one above 0, such as 2")])
    full = [of_kind(layer).largest(layer) or activation_range for layer in layers]
    into = [max(before, top if own.recurrent else 0.0)
            for before, top, own in zip([1.0, *full[:-1]], full, layers, strict=True)]  # fmt: skip
    states = [own if state_levels is None else state_levels for own in levels]
    signed = [workload.signed_vector(index) for index in range(len(layers))]
    return Spans(
        drive=np.array([max(top, 1.0 if own.bias else 0.0) for top, own in zip(into, layers, strict=True)], np.float32),
        phases=np.array([1 + each for each in signed], dtype=np.int64),
        low=np.array([-top if own.signed_outputs else 0.0 for top, own in zip(full, layers, strict=True)], np.float32),
        full=np.array(full, dtype=np.float32),
        kept=np.array([_kept(own, most) for own, most in zip(layers, levels, strict=True)], dtype=np.int64),
        gate=np.array([gate_range if own.recurrent else 0.0 for own in layers], dtype=np.float32),
        states=np.array([either_side(own) for own in states], dtype=np.int64),
        reach=np.array([of_kind(own).reach(own, state_range) for own in layers], dtype=np.float32),
    )


def _kept(layer: Any, levels: int) -> int:
    if layer.recurrent:
        return levels
    if layer.function.derivative != "value":
        return 0
    return int(either_side(levels)) if layer.signed_outputs else levels


def check_functions(workload: Workload) -> None:
    """Raise SpecError, with all that is wrong, unless each layer's activation can be played and trained where it is."""
    problems = []
    layers = layers_in_numbers(workload)
    for index, layer in enumerate(layers):
        if layer.recurrent:
            continue
        where = f"{workload.name}: layers[{index}].activation"
        if layer.activation not in CODES:
            what = f"'{layer.activation}' has time and energy, but no numbers"
            problems.append(Problem(where, what, nearest(layer.activation, CODES)))
        elif layer is not layers[-1] and not layer.function.monotone:
            hidden = ", ".join(name for name in CODES if ACTIVATIONS[name].monotone)
            what = f"'{layer.activation}' has numbers in the last layer alone, not in layer '{layer.name}'"
            problems.append(Problem(where, what, f"allowed: {hidden}"))
        if layer.activation == "clipped_relu" and not layer.bound > 0:
            what = f"{layer.bound:g} lets nothing of layer '{layer.name}' through"
            problems.append(Problem(f"{workload.name}: layers[{index}].bound", what, "give one above 0, such as 2"))
    if problems:
        raise SpecError(problems)


def functions_of(workload: Workload) -> Functions:
    """Return the activations of a workload's layers; raise SpecError where one has no numbers."""
    check_functions(workload)
    layers = layers_in_numbers(workload)
    return Functions(
        np.array([of_kind(layer).code(layer) for layer in layers], dtype=np.int64),
        np.array([of_kind(layer).parameter(layer) for layer in layers], dtype=np.float32),
        np.array([layer.bias for layer in layers], dtype=np.bool_),
    )


@lean(error_model="numpy")
def activate(code: Any, parameter: Any, z: F32) -> None:
    """Put a unit's activation in the place of each sum.

    relu max(z, 0), clipped_relu the same up to its bound, leaky_relu z or slope z below 0, hard_sigmoid
    clip(z / 6 + 1 / 2, 0, 1) as in PyTorch (ONNX has 0.2 z), sigmoid 1 / (1 + exp(-z)); linear and softmax leave it.
    """
    if code == RELU:
        for j in range(z.shape[0]):
            z[j] = max(z[j], _ZERO)
    elif code == CLIPPED_RELU:
        for j in range(z.shape[0]):
            z[j] = min(max(z[j], _ZERO), parameter)
    elif code == LEAKY_RELU:
        for j in range(z.shape[0]):
            z[j] = z[j] if z[j] > _ZERO else parameter * z[j]
    elif code == TANH:
        for j in range(z.shape[0]):
            z[j] = np.tanh(z[j])
    elif code == HARD_SIGMOID:
        for j in range(z.shape[0]):
            z[j] = min(max(z[j] * _SIXTH + _HALF, _ZERO), _ONE)
    elif code == SIGMOID:
        for j in range(z.shape[0]):
            z[j] = _ONE / (_ONE + np.exp(-z[j]))


@lean(error_model="numpy")
def derive(code: Any, parameter: Any, a: F32, e: F32, out: F32) -> None:
    """Set `out` to e f'(z) of each unit, from its value a = f(z); at a kink, the slope below it."""
    if code == RELU:
        for i in range(e.shape[0]):
            out[i] = e[i] if a[i] > _ZERO else _ZERO
    elif code == CLIPPED_RELU:
        for i in range(e.shape[0]):
            out[i] = e[i] if _ZERO < a[i] < parameter else _ZERO
    elif code == LEAKY_RELU:
        for i in range(e.shape[0]):
            out[i] = e[i] if a[i] > _ZERO else parameter * e[i]
    elif code == TANH:
        for i in range(e.shape[0]):
            out[i] = e[i] * (_ONE - a[i] * a[i])
    elif code == HARD_SIGMOID:
        for i in range(e.shape[0]):
            out[i] = e[i] * _SIXTH if _ZERO < a[i] < _ONE else _ZERO
    elif code == SIGMOID:
        for i in range(e.shape[0]):
            out[i] = e[i] * (a[i] * (_ONE - a[i]))
    else:
        for i in range(e.shape[0]):
            out[i] = e[i]
