"""Networks in plain numpy and double precision: the slower reference of what is compiled, and of the mathematics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from archsim.workload import Dense

# f(z) of each activation, given the layer for its bound or slope. Hard sigmoid: torch.nn.Hardsigmoid's documentation.
FUNCTIONS: dict[str, Callable[[Any, Dense], Any]] = {
    "relu": lambda z, layer: np.maximum(z, 0),
    "clipped_relu": lambda z, layer: np.clip(z, 0, layer.bound),
    "leaky_relu": lambda z, layer: np.where(z > 0, z, layer.slope * z),
    "tanh": lambda z, layer: np.tanh(z),
    "hard_sigmoid": lambda z, layer: np.clip(z / 6 + 0.5, 0, 1),
    "sigmoid": lambda z, layer: 1 / (1 + np.exp(-z)),
    "linear": lambda z, layer: z,
}
# f'(z), written from z and not from f(z) as the compiled ones are.
SLOPES: dict[str, Callable[[Any, Dense], Any]] = {
    "relu": lambda z, layer: np.where(z > 0, 1.0, 0.0),
    "clipped_relu": lambda z, layer: np.where((z > 0) & (z < layer.bound), 1.0, 0.0),
    "leaky_relu": lambda z, layer: np.where(z > 0, 1.0, layer.slope),
    "tanh": lambda z, layer: 1 / np.cosh(z) ** 2,
    "hard_sigmoid": lambda z, layer: np.where(abs(z) < 3, 1 / 6, 0.0),
    "sigmoid": lambda z, layer: np.exp(-z) / (1 + np.exp(-z)) ** 2,
    "linear": lambda z, layer: np.ones_like(z),
}
HIDDEN = tuple(FUNCTIONS)


def sums(weights: Sequence[Any], layers: Sequence[Dense], x: Any) -> list[Any]:
    """Return the sums z of each layer for one example, in double precision."""
    found, a = [], np.asarray(x, dtype=np.float64)
    for w, layer in zip(weights, layers, strict=True):
        found.append((np.append(a, 1.0) if layer.bias else a) @ np.asarray(w, dtype=np.float64))
        a = FUNCTIONS[layer.activation](found[-1], layer) if layer is not layers[-1] else a
    return found


def loss(activation: str, z: Any, t: Any) -> float:
    """Return the loss of an output's sums towards targets t; of classes these are one-hot."""
    if activation == "softmax":
        return float(np.log(np.exp(z - z.max()).sum()) + z.max() - z @ t)
    if activation == "sigmoid":
        p = 1 / (1 + np.exp(-z))
        return float(-(t * np.log(p) + (1 - t) * np.log(1 - p)).sum())
    return float(((z - t) ** 2).sum() / 2)


def output(activation: str, z: Any) -> Any:
    """Return the outputs of a last layer."""
    if activation == "softmax":
        return np.exp(z - z.max()) / np.exp(z - z.max()).sum()
    return FUNCTIONS[activation](z, None)  # type: ignore[arg-type]


def one_hot(label: int, outputs: int, activation: str) -> Any:
    """Return the targets of a class: one for its output; a single output, but for a softmax, is 0 or 1."""
    return np.array([float(label)]) if outputs == 1 and activation != "softmax" else np.eye(outputs)[label]


def descents(weights: Sequence[Any], layers: Sequence[Dense], x: Any, t: Any) -> list[Any]:
    """Return -dL/dW of one example by layer, the bias row last, by backpropagation."""
    z = sums(weights, layers, x)
    d = t - output(layers[-1].activation, z[-1])
    found: list[Any] = []
    for index in reversed(range(len(layers))):
        layer = layers[index]
        a = FUNCTIONS[layers[index - 1].activation](z[index - 1], layers[index - 1]) if index else np.asarray(x)
        found.insert(0, np.outer(np.append(a, 1.0) if layer.bias else a, d))
        if index:
            e = (np.asarray(weights[index], dtype=np.float64) @ d)[: layer.inputs]
            d = e * SLOPES[layers[index - 1].activation](z[index - 1], layers[index - 1])
    return found


def trained(
    weights: Sequence[Any], layers: Sequence[Dense], x: Any, targets: Any, order: Any, rate: float, batch: int
) -> list[Any]:
    """Train by stochastic gradient descent in double precision; return the weights."""
    now = [np.asarray(w, dtype=np.float64) for w in weights]
    for begin in range(0, len(order), batch):
        steps = [np.zeros_like(w) for w in now]
        for example in order[begin : begin + batch]:
            for step, own in zip(steps, descents(now, layers, x[example], targets[example]), strict=True):
                step += rate * own
        now = [w + step for w, step in zip(now, steps, strict=True)]
    return now
