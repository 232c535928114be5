"""The baseline's kernel as it was until November 2026, beside which the present one is timed.

Its backward product goes row by row, in eight scalars; all else is shared with the present one.
"""

from __future__ import annotations

import numpy as np

from archsim.base.arrays import F32, I32, I64
from archsim.base.machine_code import lean, njit
from archsim.functional.floating_point import forward, widest_of
from archsim.functional.functions import Functions, derive
from archsim.functional.losses import output_delta


@lean()
def earlier_backward_rows(d: F32, weights: F32, rows: int, e: F32) -> None:
    """Set e to W d for the first `rows` rows; each sum is kept in eight parts, in a fixed order."""
    width = weights.shape[1]
    whole = width - width % 8
    for i in range(rows):
        row = weights[i]
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = np.float32(0.0)
        for j in range(0, whole, 8):
            a0 += row[j] * d[j]
            a1 += row[j + 1] * d[j + 1]
            a2 += row[j + 2] * d[j + 2]
            a3 += row[j + 3] * d[j + 3]
            a4 += row[j + 4] * d[j + 4]
            a5 += row[j + 5] * d[j + 5]
            a6 += row[j + 6] * d[j + 6]
            a7 += row[j + 7] * d[j + 7]
        for j in range(whole, width):
            a0 += row[j] * d[j]
        e[i] = ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))


@njit()
def earlier_train_float(
    weights: tuple[F32, ...], functions: Functions, x: F32, y: I64, t: F32, order: I32, rate: float, batch: int
) -> tuple[float, int]:
    """Train on the examples in this order; return the summed loss and how many were right before their update.

    `y` are the labels, `t` [examples, outputs] the targets where these are values, else [examples, 0].
    """
    layers, widest = len(weights), widest_of(weights)
    code, parameter, bias = functions.code, functions.parameter, functions.bias
    acts = np.zeros((batch, layers, widest), dtype=np.float32)
    deltas = np.zeros((batch, layers, widest), dtype=np.float32)
    z, e = np.zeros(widest, dtype=np.float32), np.zeros(widest, dtype=np.float32)
    outputs = weights[layers - 1].shape[1]
    eta = np.float32(rate)
    loss, right = 0.0, 0
    for begin in range(0, order.shape[0], batch):
        size = min(batch, order.shape[0] - begin)
        for b in range(size):
            example = order[begin + b]
            forward(weights, functions, x[example], acts[b], z)
            own, hit, _ = output_delta(
                code[layers - 1], z[:outputs], y[example], t[example], deltas[b, layers - 1, :outputs]
            )
            loss += own
            right += hit
            for layer in range(layers - 1, 0, -1):
                w = weights[layer]
                rows = w.shape[0] - (1 if bias[layer] else 0)
                earlier_backward_rows(deltas[b, layer, : w.shape[1]], w, rows, e)
                derive(code[layer - 1], parameter[layer - 1], acts[b, layer, :rows], e[:rows], deltas[b, layer - 1])
        for b in range(size):
            for layer in range(layers):
                w = weights[layer]
                for i in range(w.shape[0]):
                    value = eta * acts[b, layer, i]
                    if value != 0.0:
                        row = w[i]
                        for j in range(w.shape[1]):
                            row[j] += value * deltas[b, layer, j]
    return loss, right
