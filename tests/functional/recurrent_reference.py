"""Recurrent networks in plain numpy and double precision, gate by gate as PyTorch documents them.

torch.nn.RNN, LSTM and GRU: h' = tanh(W x + U h + b); i, f, g, o; r, z, n with n = tanh(W x + b + r (U h + c)).
Gradients are those of central differences: no formula of a derivative is written here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.functional.network_reference import FUNCTIONS, loss


def sigmoid(z: Any) -> Any:
    """Return 1 / (1 + exp(-z))."""
    return 1 / (1 + np.exp(-z))


def step_of(layer: Any, w: Any, x: Any, h: Any, c: Any) -> tuple[Any, Any]:
    """Return (h, c) of a layer after a step; columns of a unit lie side by side, biases below each block of rows."""
    w = np.asarray(w, dtype=np.float64)
    one = [1.0] * layer.bias
    if layer.kind == "dense":
        return FUNCTIONS[layer.activation](np.concatenate([x, one]) @ w, layer), c
    if layer.kind == "gru":
        top = layer.inputs + layer.bias
        a = (np.concatenate([x, one]) @ w[:top]).reshape(-1, 3)
        b = (np.concatenate([h, one]) @ w[top:]).reshape(-1, 3)
        r, z = sigmoid(a[:, 0] + b[:, 0]), sigmoid(a[:, 1] + b[:, 1])
        n = np.tanh(a[:, 2] + r * b[:, 2])
        return (1 - z) * n + z * h, c
    sums = np.concatenate([x, h, one]) @ w
    if layer.kind == "rnn":
        return FUNCTIONS[layer.activation](sums, layer), c
    s = sums.reshape(-1, 4)
    c = sigmoid(s[:, 1]) * c + sigmoid(s[:, 0]) * np.tanh(s[:, 2])
    return sigmoid(s[:, 3]) * np.tanh(c), c


def run(weights: Sequence[Any], workload: Any, x: Any, begin: int, state: Any = None) -> tuple[list[Any], Any]:
    """Return the last layer's sums at each step at which it runs, and (h, c) of all layers at the end."""
    layers = workload.layers
    zero = [(np.zeros(own.outputs), np.zeros(own.outputs)) for own in layers]
    now, found = list(state or zero), []
    for step in range(begin, workload.steps):
        a = np.asarray(x[step], dtype=np.float64)
        for index, (w, layer) in enumerate(zip(weights, layers, strict=True)):
            if step not in layer.vectors(workload):
                continue
            if layer is layers[-1]:
                found.append(np.concatenate([a, [1.0] * layer.bias]) @ np.asarray(w, dtype=np.float64))
            else:
                now[index] = step_of(layer, w, a, *now[index])
                a = now[index][0]
    return found, now


def cost(weights: Sequence[Any], workload: Any, x: Any, labels: Any, begin: int, state: Any = None) -> float:
    """Return the loss of a sequence, summed over its labels."""
    last = workload.layers[-1]
    sums, _ = run(weights, workload, x, begin, state)
    eye = np.eye(last.outputs)
    return sum(loss(last.activation, z, eye[int(y)]) for z, y in zip(sums, np.ravel(labels)[-len(sums) :], strict=True))


def slopes(weights: Sequence[Any], workload: Any, x: Any, labels: Any, begin: int, state: Any = None) -> list[Any]:
    """Return the gradient of `cost` by central differences, in double precision."""
    found = []
    for index, own in enumerate(weights):
        slope = np.zeros(own.shape)
        for at in np.ndindex(own.shape):
            sides = []
            for sign in (1, -1):
                changed = [np.array(w, dtype=np.float64) for w in weights]
                changed[index][at] += sign * 1e-5
                sides.append(cost(changed, workload, x, labels, begin, state))
            slope[at] = (sides[0] - sides[1]) / 2e-5
        found.append(slope)
    return found
