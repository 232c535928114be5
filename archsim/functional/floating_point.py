"""The network in floating point: first weights, products, and plain stochastic gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.base.arrays import F32, I32, I64, Array
from archsim.base.lanes import WIDTH, alike, lane, load, put, total_in_pairs
from archsim.base.machine_code import lean, njit
from archsim.functional.functions import Functions, activate, derive
from archsim.functional.losses import output_delta
from archsim.functional.numbers import layers_in_numbers, of_kind
from archsim.workload.network import Rates, Workload
from archsim.workload.weights import weights_of

_ZERO = np.float32(0)


def initial_weights(workload: Workload, seed: int, gain: float | None = None) -> list[F32]:
    """Return the weights [rows, columns] per layer that the workload names, or drawn ones with biases zero.

    These are uniform within their kind's `first_bound` times a gain, the training's `initial_gain` unless it is given,
    drawn from (seed, layer) alone. Raises SpecError if the workload's file does not hold what it should.
    """
    if workload.weights is not None:
        shapes = {layer.name: (layer.rows, layer.columns) for layer in workload.layers}
        return list(weights_of(workload.weights.path, shapes).values())
    weights = []
    gain = workload.training.initial_gain if gain is None else gain
    layers = layers_in_numbers(workload)
    for index, layer in enumerate(layers):
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index, 0x11])))
        bound = gain * of_kind(layer).first_bound(layer, last=layer is layers[-1])
        matrix = np.zeros((layer.rows, layer.columns), dtype=np.float32)
        begin = 0
        for block in layer.blocks:
            drawn = draws.uniform(-bound, bound, (block.inputs, layer.columns)).astype(np.float32)
            matrix[begin : begin + block.inputs] = drawn
            begin += block.rows
        weights.append(matrix)
    return weights


def learning_rates(rates: Rates, epochs: int) -> F32:
    """Return the learning rate of each epoch: decayed, but not below its floor."""
    shares = np.maximum(rates.learning_rate_decay ** np.arange(epochs), rates.learning_rate_floor)
    return np.asarray(rates.learning_rate * shares, dtype=np.float32)


@lean()
def forward_rows(x: F32, weights: F32, z: F32) -> None:
    """Add x W to z, row after row; rows whose input is zero are left out."""
    for i in range(weights.shape[0]):
        value = x[i]
        if value != 0.0:
            row = weights[i]
            for j in range(weights.shape[1]):
                z[j] += value * row[j]


@lean()
def backward_rows(d: F32, weights: F32, rows: int, e: F32) -> None:
    """Set e to W d for the first `rows` rows; each sum is kept in eight parts, in a fixed order.

    Four rows are gone through at once: sums that do not wait for each other.
    """
    fours = rows - rows % 4
    for i in range(0, fours, 4):
        first, second, third, fourth = alike(_ZERO), alike(_ZERO), alike(_ZERO), alike(_ZERO)
        for j in range(0, d.shape[0] - WIDTH + 1, WIDTH):
            own = load(d, j)
            first = first + load(weights, (i, j)) * own
            second = second + load(weights, (i + 1, j)) * own
            third = third + load(weights, (i + 2, j)) * own
            fourth = fourth + load(weights, (i + 3, j)) * own
        e[i] = _with_the_rest(first, d, weights[i])
        e[i + 1] = _with_the_rest(second, d, weights[i + 1])
        e[i + 2] = _with_the_rest(third, d, weights[i + 2])
        e[i + 3] = _with_the_rest(fourth, d, weights[i + 3])
    for i in range(fours, rows):
        parts = alike(_ZERO)
        for j in range(0, d.shape[0] - WIDTH + 1, WIDTH):
            parts = parts + load(weights, (i, j)) * load(d, j)
        e[i] = _with_the_rest(parts, d, weights[i])


@lean()
def _with_the_rest(parts: Any, d: F32, row: F32) -> Any:
    """Return the sum of eight parts, the first of which takes what is left of a row that they do not fill."""
    first = lane(parts, 0)
    for j in range(d.shape[0] - d.shape[0] % WIDTH, d.shape[0]):
        first += row[j] * d[j]
    return total_in_pairs(put(parts, 0, first))


@njit()
def forward(weights: tuple[F32, ...], functions: Functions, x: F32, acts: F32, z: F32) -> None:
    """Compute an example: into `acts` [layers, lines] the vectors that layers take, into `z` the last one's sums."""
    for i in range(x.shape[0]):  # one by one: numba compiles the copy of a slice for seconds
        acts[0, i] = x[i]
    for layer in range(len(weights)):
        w = weights[layer]
        rows, outputs = w.shape
        if functions.bias[layer]:
            acts[layer, rows - 1] = np.float32(1.0)
        for j in range(outputs):
            z[j] = np.float32(0.0)
        forward_rows(acts[layer, :rows], w, z[:outputs])
        if layer < len(weights) - 1:
            activate(functions.code[layer], functions.parameter[layer], z[:outputs])
            for j in range(outputs):
                acts[layer + 1, j] = z[j]


@njit()
def widest_of(weights: tuple[F32, ...]) -> int:
    """Return the most lines of any layer."""
    widest = 1
    for w in weights:
        widest = max(widest, max(w.shape[0], w.shape[1]))
    return widest


@njit()
def train_float(
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


@njit()
def evaluate(
    weights: tuple[F32, ...], functions: Functions, x: F32, y: I64, t: F32, answers: Array
) -> tuple[int, float]:
    """Return how many examples the network classifies rightly, and the sum of the squares of target - output.

    `answers` [n] of bool is set to which of them it does.
    """
    layers, widest = len(weights), widest_of(weights)
    acts = np.zeros((layers, widest), dtype=np.float32)
    z, delta = np.zeros(widest, dtype=np.float32), np.zeros(widest, dtype=np.float32)
    outputs = weights[layers - 1].shape[1]
    right, squares = 0, 0.0
    for n in range(x.shape[0]):
        forward(weights, functions, x[n], acts, z)
        _, hit, own = output_delta(functions.code[layers - 1], z[:outputs], y[n], t[n], delta[:outputs])
        right += hit
        answers[n] = hit
        squares += own
    return right, squares
