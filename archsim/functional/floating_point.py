"""The network in numbers: first weights, products, and the floating-point baseline that the chip is compared with.

The baseline trains the same network on the same examples in the same order, by plain stochastic gradient descent; at
rates of its own, where the workload gives it some.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from archsim.functional.functions import Functions, activate, derive
from archsim.functional.losses import output_delta
from archsim.workload.kinds import Dense
from archsim.workload.network import Rates, Workload
from archsim.workload.weights import weights_of

F32: TypeAlias = npt.NDArray[np.float32]
I64: TypeAlias = npt.NDArray[np.int64]


def initial_weights(workload: Workload, seed: int) -> list[F32]:
    """Return the weights [rows, outputs] per layer that the workload names, or drawn ones with biases zero.

    These are uniform within `first_bound`, drawn from (seed, layer) alone. Raises SpecError if the workload's file does
    not hold what it should.
    """
    if workload.weights is not None:
        shapes = {layer.name: (layer.rows, layer.outputs) for layer in workload.layers}
        return list(weights_of(Path(workload.weights), shapes).values())
    weights = []
    layers = workload.dense_layers()
    for index, layer in enumerate(layers):
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index, 0x11])))
        bound = first_bound(layer, last=layer is layers[-1])
        matrix = np.zeros((layer.rows, layer.outputs), dtype=np.float32)
        matrix[: layer.inputs] = draws.uniform(-bound, bound, (layer.inputs, layer.outputs)).astype(np.float32)
        weights.append(matrix)
    return weights


def first_bound(layer: Dense, *, last: bool) -> float:
    """Return within which bound a layer's first weights are drawn, such that sums neither fade nor grow.

    Before a rectifier sqrt(6 / inputs), with 1 + slope^2 under it where that is leaky (He et al., ICCV 2015,
    arXiv:1502.01852); before tanh and sigmoids sqrt(6 / (inputs + outputs)) (Glorot and Bengio, AISTATS 2010); before a
    linear unit, and in the last layer, sqrt(3 / inputs) (LeCun et al., "Efficient BackProp", 1998).
    """
    if last or layer.activation == "linear":
        return float(np.sqrt(3.0 / layer.inputs))
    if layer.activation in ("tanh", "sigmoid", "hard_sigmoid"):
        return float(np.sqrt(6.0 / (layer.inputs + layer.outputs)))
    if layer.activation == "leaky_relu":
        return float(np.sqrt(6.0 / (1.0 + layer.slope**2) / layer.inputs))
    return float(np.sqrt(6.0 / layer.inputs))


def order_of(examples: int, epochs: int, seed: int) -> npt.NDArray[np.int32]:
    """Return the index of the example trained at each step: a permutation per epoch, drawn from (seed, epoch)."""
    parts = []
    for epoch in range(epochs):
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, epoch, 0x22])))
        parts.append(draws.permutation(examples).astype(np.int32))
    return np.concatenate(parts)


def learning_rates(rates: Rates, epochs: int) -> F32:
    """Return the learning rate of each epoch: decayed, but not below its floor."""
    shares = np.maximum(rates.learning_rate_decay ** np.arange(epochs), rates.learning_rate_floor)
    return np.asarray(rates.learning_rate * shares, dtype=np.float32)


@numba.njit(cache=True)
def forward_rows(x: F32, weights: F32, z: F32) -> None:
    """Add x W to z, row after row; rows whose input is zero are left out."""
    for i in range(weights.shape[0]):
        value = x[i]
        if value != 0.0:
            row = weights[i]
            for j in range(weights.shape[1]):
                z[j] += value * row[j]


@numba.njit(cache=True)
def backward_rows(d: F32, weights: F32, rows: int, e: F32) -> None:
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


@numba.njit(cache=True)
def train_float(
    weights: tuple[F32, ...], functions: Functions, x: F32, y: I64, t: F32, order: npt.NDArray[np.int32], rate: float,
    batch: int,
) -> tuple[float, int]:  # fmt: skip
    """Train on the examples in this order; return the summed loss and how many were right before their update.

    `y` are the labels, `t` [examples, outputs] the targets where these are values, else [examples, 0].
    """
    layers = len(weights)
    code, parameter, bias = functions.code, functions.parameter, functions.bias
    widest = 1
    for w in weights:
        widest = max(widest, max(w.shape[0], w.shape[1]))
    acts = np.zeros((batch, layers + 1, widest), dtype=np.float32)
    deltas = np.zeros((batch, layers, widest), dtype=np.float32)
    z = np.zeros(widest, dtype=np.float32)
    e = np.zeros(widest, dtype=np.float32)
    eta = np.float32(rate)
    loss = 0.0
    right = 0
    for begin in range(0, order.shape[0], batch):
        size = min(batch, order.shape[0] - begin)
        for b in range(size):
            example = order[begin + b]
            acts[b, 0, : x.shape[1]] = x[example]
            for layer in range(layers):
                w = weights[layer]
                if bias[layer]:
                    acts[b, layer, w.shape[0] - 1] = np.float32(1.0)
                z[: w.shape[1]] = np.float32(0.0)
                forward_rows(acts[b, layer, : w.shape[0]], w, z[: w.shape[1]])
                if layer < layers - 1:
                    activate(code[layer], parameter[layer], z[: w.shape[1]])
                    acts[b, layer + 1, : w.shape[1]] = z[: w.shape[1]]
            outputs = weights[layers - 1].shape[1]
            own, hit, _ = output_delta(
                code[layers - 1], z[:outputs], y[example], t[example], deltas[b, layers - 1, :outputs]
            )
            loss += own
            right += hit
            for layer in range(layers - 1, 0, -1):
                w = weights[layer]
                rows = w.shape[0] - (1 if bias[layer] else 0)
                backward_rows(deltas[b, layer, : w.shape[1]], w, rows, e)
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


@numba.njit(cache=True)
def evaluate(weights: tuple[F32, ...], functions: Functions, x: F32, y: I64, t: F32) -> tuple[int, float]:
    """Return how many examples the network classifies rightly, and the sum of the squares of target - output."""
    layers = len(weights)
    code, parameter, bias = functions.code, functions.parameter, functions.bias
    widest = x.shape[1] + 1
    for w in weights:
        widest = max(widest, max(w.shape[0], w.shape[1]))
    act = np.zeros(widest, dtype=np.float32)
    z = np.zeros(widest, dtype=np.float32)
    delta = np.zeros(widest, dtype=np.float32)
    right = 0
    squares = 0.0
    for n in range(x.shape[0]):
        act[: x.shape[1]] = x[n]
        for layer in range(layers):
            w = weights[layer]
            if bias[layer]:
                act[w.shape[0] - 1] = np.float32(1.0)
            z[: w.shape[1]] = np.float32(0.0)
            forward_rows(act[: w.shape[0]], w, z[: w.shape[1]])
            if layer < layers - 1:
                activate(code[layer], parameter[layer], z[: w.shape[1]])
                act[: w.shape[1]] = z[: w.shape[1]]
        outputs = weights[layers - 1].shape[1]
        _, hit, own = output_delta(code[layers - 1], z[:outputs], y[n], t[n], delta[:outputs])
        right += hit
        squares += own
    return right, squares
