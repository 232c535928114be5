"""Recurrent units in numbers: what a cell makes of its sums at a step, and of an error on the way back through it.

Hochreiter and Schmidhuber, Neural Computation 9, 1735 (1997), with Gers et al. (2000); Cho et al., EMNLP 2014, in the
form of PyTorch's `GRU`, whose reset gate scales the candidate's recurrent sum. Columns of a unit lie side by side.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32
from archsim.base.machine_code import lean
from archsim.functional.functions import activate, derive
from archsim.functional.numbers import GRU, LSTM
from archsim.functional.periphery import either_side

_ONE = np.float32(1.0)


class Fineness(NamedTuple):
    """To what a digital unit rounds: zero levels leave numbers as they are, within the range.

    `levels` are those of a gate from 0 to 1, half of them on either side of zero where it has two; outputs are within
    plus and minus `full`; states have `states` levels on either side up to `reach`.
    """

    levels: int
    full: float
    states: int
    reach: float


EXACT = Fineness(0, np.inf, 0, np.inf)
"""Floating point."""


@lean(error_model="numpy")
def rounded(value: Any, full: Any, levels: Any) -> Any:
    """Return a value between -full and full on a grid of `levels` steps of `full`; beyond, the edge."""
    most = np.float32(full)
    value = min(max(np.float32(value), -most), most)
    if levels == 0:
        return value
    grid = most / np.float32(levels)
    return np.rint(value / grid) * grid


@lean(error_model="numpy")
def sigmoid(z: Any) -> Any:
    """Return 1 / (1 + exp(-z))."""
    return _ONE / (_ONE + np.exp(-z))


@lean(error_model="numpy")
def evaluate_units(
    code: Any, parameter: Any, z: F32, apart: F32, before: F32, fine: Fineness, kept: F32, state: F32, out: F32
) -> None:
    """Make the outputs of a step from its sums `z`, and `apart` those of a second block; keep what backward needs.

    `before` and `state` are the states of the step before and of this one, which may be the same array. `kept` [KEPT,
    units] holds i, f, g, o, tanh c of an LSTM; r, z, n and the candidate's recurrent sum of a GRU; h of a plain unit.
    """
    half = either_side(fine.levels)
    if code == LSTM:
        for u in range(out.shape[0]):
            i = rounded(sigmoid(z[4 * u]), 1.0, fine.levels)
            f = rounded(sigmoid(z[4 * u + 1]), 1.0, fine.levels)
            g = rounded(np.tanh(z[4 * u + 2]), 1.0, half)
            o = rounded(sigmoid(z[4 * u + 3]), 1.0, fine.levels)
            kept[5, u] = before[u]
            state[u] = rounded(f * before[u] + i * g, fine.reach, fine.states)
            t = rounded(np.tanh(state[u]), 1.0, half)
            kept[0, u], kept[1, u], kept[2, u], kept[3, u], kept[4, u] = i, f, g, o, t
            out[u] = rounded(o * t, 1.0, half)
    elif code == GRU:
        for u in range(out.shape[0]):
            r = rounded(sigmoid(z[3 * u] + apart[3 * u]), 1.0, fine.levels)
            update = rounded(sigmoid(z[3 * u + 1] + apart[3 * u + 1]), 1.0, fine.levels)
            n = rounded(np.tanh(z[3 * u + 2] + r * apart[3 * u + 2]), 1.0, half)
            kept[0, u], kept[1, u], kept[2, u], kept[3, u] = r, update, n, apart[3 * u + 2]
            kept[5, u] = before[u]
            state[u] = rounded((_ONE - update) * n + update * before[u], fine.reach, fine.states)
            out[u] = rounded(state[u], 1.0, half)
    else:
        activate(code, parameter, z[: out.shape[0]])
        for u in range(out.shape[0]):
            out[u] = rounded(z[u], fine.full, half)
            kept[0, u] = out[u]


@lean(error_model="numpy")
def derive_units(
    code: Any, parameter: Any, kept: F32, errors: F32, passed: F32, deltas: F32, apart: F32
) -> None:  # fmt: skip
    """Go back through the units of a step: from `errors` of their outputs to `deltas` of their sums.

    `passed` is what the step after left of its state's error, and becomes what this one leaves to the step before.
    `apart` are the deltas of the second block's sums, where there is one.
    """
    if code == LSTM:
        for u in range(errors.shape[0]):
            i, f, g, o, t = kept[0, u], kept[1, u], kept[2, u], kept[3, u], kept[4, u]
            c = passed[u] + errors[u] * o * (_ONE - t * t)
            deltas[4 * u] = c * g * i * (_ONE - i)
            deltas[4 * u + 1] = c * kept[5, u] * f * (_ONE - f)
            deltas[4 * u + 2] = c * i * (_ONE - g * g)
            deltas[4 * u + 3] = errors[u] * t * o * (_ONE - o)
            passed[u] = c * f
    elif code == GRU:
        for u in range(errors.shape[0]):
            r, update, n = kept[0, u], kept[1, u], kept[2, u]
            h = errors[u] + passed[u]
            candidate = h * (_ONE - update) * (_ONE - n * n)
            deltas[3 * u] = candidate * kept[3, u] * r * (_ONE - r)
            deltas[3 * u + 1] = h * (kept[5, u] - n) * update * (_ONE - update)
            deltas[3 * u + 2] = candidate
            apart[3 * u], apart[3 * u + 1], apart[3 * u + 2] = deltas[3 * u], deltas[3 * u + 1], candidate * r
            passed[u] = h * update
    else:
        derive(code, parameter, kept[0], errors, deltas)
