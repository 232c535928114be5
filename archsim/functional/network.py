"""The network in numbers: activations, loss, and the floating-point twin that the chip is compared with.

The twin trains the same network on the same examples in the same order: hidden units clip(z, 0, 2) with a
one-bit derivative, softmax and cross-entropy at the output, plain stochastic gradient descent; at rates of its own,
where the workload gives it some.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from archsim.workload.network import Rates, Workload
from archsim.workload.weights import weights_of

F32: TypeAlias = npt.NDArray[np.float32]
I64: TypeAlias = npt.NDArray[np.int64]

CLIP = 2.0
"""Hidden activations saturate here (design: clip(z, 0, 2), one-bit derivative)."""


@dataclass(frozen=True)
class Layout:
    """Shapes of all layers as arrays; `inputs[l]` excludes the bias row, which is the last row if there is one."""

    inputs: I64
    outputs: I64
    bias: npt.NDArray[np.bool_]

    @property
    def widest(self) -> int:
        """The widest vector, bias included."""
        return int(max(self.inputs.max() + 1, self.outputs.max()))


def layout_of(workload: Workload) -> Layout:
    """Return the shapes of a workload's layers."""
    return Layout(
        np.array([layer.inputs for layer in workload.layers], dtype=np.int64),
        np.array([layer.outputs for layer in workload.layers], dtype=np.int64),
        np.array([layer.bias for layer in workload.dense_layers()], dtype=np.bool_),
    )


def initial_weights(workload: Workload, seed: int) -> list[F32]:
    """Return the weights [rows, outputs] per layer that the workload names, or He-uniform ones with biases zero.

    These are drawn from (seed, layer) alone. Raises SpecError if the workload's file does not hold what it should.
    """
    if workload.weights is not None:
        shapes = {layer.name: (layer.rows, layer.outputs) for layer in workload.layers}
        return list(weights_of(Path(workload.weights), shapes).values())
    weights = []
    for index, layer in enumerate(workload.layers):
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, index, 0x11])))
        bound = np.sqrt(6.0 / layer.inputs) if index < len(workload.layers) - 1 else np.sqrt(3.0 / layer.inputs)
        matrix = np.zeros((layer.rows, layer.outputs), dtype=np.float32)
        matrix[: layer.inputs] = draws.uniform(-bound, bound, (layer.inputs, layer.outputs)).astype(np.float32)
        weights.append(matrix)
    return weights


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
def softmax_delta(z: F32, label: int, delta: F32) -> tuple[float, int]:
    """Set delta to the negative gradient of cross-entropy, y - softmax(z); return the loss and the predicted class."""
    best = 0
    for j in range(1, z.shape[0]):
        if z[j] > z[best]:
            best = j
    total = np.float32(0.0)
    for j in range(z.shape[0]):
        delta[j] = np.exp(z[j] - z[best])
        total += delta[j]
    loss = np.log(total) - (z[label] - z[best])
    for j in range(z.shape[0]):
        delta[j] = -delta[j] / total
    delta[label] += np.float32(1.0)
    return float(loss), best


@numba.njit(cache=True)
def train_float(
    weights: tuple[F32, ...], bias: npt.NDArray[np.bool_], x: F32, y: I64, order: npt.NDArray[np.int32], rate: float,
    batch: int,
) -> tuple[float, int]:  # fmt: skip
    """Train on the examples in this order; return the summed loss and how many were right before their update."""
    layers = len(weights)
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
                    for j in range(w.shape[1]):
                        acts[b, layer + 1, j] = min(max(z[j], np.float32(0.0)), np.float32(CLIP))
            outputs = weights[layers - 1].shape[1]
            own, best = softmax_delta(z[:outputs], y[example], deltas[b, layers - 1, :outputs])
            loss += own
            right += best == y[example]
            for layer in range(layers - 1, 0, -1):
                w = weights[layer]
                rows = w.shape[0] - (1 if bias[layer] else 0)
                backward_rows(deltas[b, layer, : w.shape[1]], w, rows, e)
                for i in range(rows):
                    a = acts[b, layer, i]
                    deltas[b, layer - 1, i] = e[i] if np.float32(0.0) < a < np.float32(CLIP) else np.float32(0.0)
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
def accuracy(weights: tuple[F32, ...], bias: npt.NDArray[np.bool_], x: F32, y: I64) -> float:
    """Return the fraction of examples that the network classifies rightly."""
    layers = len(weights)
    widest = x.shape[1] + 1
    for w in weights:
        widest = max(widest, max(w.shape[0], w.shape[1]))
    act = np.zeros(widest, dtype=np.float32)
    z = np.zeros(widest, dtype=np.float32)
    right = 0
    for n in range(x.shape[0]):
        act[: x.shape[1]] = x[n]
        for layer in range(layers):
            w = weights[layer]
            if bias[layer]:
                act[w.shape[0] - 1] = np.float32(1.0)
            z[: w.shape[1]] = np.float32(0.0)
            forward_rows(act[: w.shape[0]], w, z[: w.shape[1]])
            if layer < layers - 1:
                for j in range(w.shape[1]):
                    act[j] = min(max(z[j], np.float32(0.0)), np.float32(CLIP))
        best = 0
        for j in range(1, weights[layers - 1].shape[1]):
            if z[j] > z[best]:
                best = j
        right += best == y[n]
    return float(right / x.shape[0])
