"""Outputs in numbers: towards what a last layer is trained, by which loss, and how well it does.

Softmax with cross-entropy for classes; sigmoid with cross-entropy, output by output; linear with half the squared
error, summed over outputs. In all three the negative slope of the loss in the output's sum is target - output.
"""

from __future__ import annotations

import numpy as np

from archsim.base.arrays import F32
from archsim.base.errors import Problem, SpecError
from archsim.base.machine_code import lean
from archsim.functional.numbers import LINEAR, SIGMOID, SOFTMAX, layers_in_numbers
from archsim.workload.activations import ACTIVATIONS
from archsim.workload.network import Workload

_EVERY = ("class", "values", "inputs")
TARGETS = {"softmax": ("class",), "sigmoid": _EVERY, "linear": _EVERY}
"""Activations of a last layer, and the targets towards which each can be trained."""


def check_output(workload: Workload) -> None:
    """Raise SpecError unless the last layer can be trained towards the workload's target."""
    layer, target = layers_in_numbers(workload)[-1], workload.dataset.target
    if layer.recurrent:
        what = f"layer '{layer.name}' is the last, and a layer of kind '{layer.kind}' has no loss"
        raise SpecError([Problem(f"{workload.name}: layers[{len(workload.layers) - 1}]", what, "add a dense layer")])
    if target in TARGETS.get(layer.activation, ()):
        return
    what = f"layer '{layer.name}' is the last, and '{layer.activation}' has no loss towards the target '{target}'"
    allowed = "; ".join(
        f"{name} with {' and '.join(ACTIVATIONS[name].losses).replace('_', ' ')} towards {', '.join(targets)}"
        for name, targets in TARGETS.items()
    )
    where = f"{workload.name}: layers[{len(workload.layers) - 1}].activation"
    raise SpecError([Problem(where, what, f"allowed: {allowed}")])


def loss_name(workload: Workload) -> str:
    """Return by which loss a workload's last layer is trained: cross_entropy or squared_error."""
    return str(layers_in_numbers(workload)[-1].function.losses[0])


def labels_allowed(workload: Workload) -> int:
    """Return how many classes the outputs can tell apart: one each, or two by a single sigmoid or linear output."""
    layer = layers_in_numbers(workload)[-1]
    return 2 if layer.outputs == 1 and layer.activation != "softmax" else int(layer.outputs)


def guessing(workload: Workload, targets: F32 | None) -> float:
    """Return the mean loss of a network that knows nothing: even odds, or the answer 0 to all target values."""
    layer = layers_in_numbers(workload)[-1]
    if layer.activation == "softmax":
        return float(np.log(max(2, layer.outputs)))
    if layer.activation == "sigmoid":
        return float(np.log(2) * layer.outputs)
    if targets is None:
        return 0.5
    return 0.5 * float(np.mean(np.square(targets, dtype=np.float64).sum(axis=1)))


def score(right: int, squares: float, examples: int, targets: F32 | None) -> float | None:
    """Return how well a network does on some examples: the fraction that is right, or R2 where `targets` are values.

    `squares` is the sum over examples and outputs of (target - output)^2; R2 = 1 - squares / the same of the targets'
    means, over all outputs together (scikit-learn's `variance_weighted`, where each varies). None where no target does.
    """
    if targets is None:
        return right / examples
    t = targets.astype(np.float64)
    spread = float(np.square(t - t.mean(axis=0)).sum())
    return 1.0 - squares / spread if spread else None


@lean()
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


@lean()
def output_delta(code: int, z: F32, label: int, target: F32, delta: F32) -> tuple[float, bool, float]:
    """Set delta to target - output; return the loss, whether the class is right, and the sum of the squares of delta.

    Without values in `target` the label stands for them: one for its own output, or 0 or 1 where there is one alone.
    """
    if code == SOFTMAX:
        own, best = softmax_delta(z, label, delta)
        return own, best == label, 0.0
    outputs = z.shape[0]
    if target.shape[0]:
        for j in range(outputs):
            delta[j] = target[j]
    else:
        for j in range(outputs):
            delta[j] = np.float32(0.0)
        delta[0 if outputs == 1 else label] = np.float32(1.0 if outputs > 1 else label)
    best = 0
    for j in range(1, outputs):
        if z[j] > z[best]:
            best = j
    if outputs == 1:
        best = int(z[0] > (0.5 if code == LINEAR else 0.0))
    loss = 0.0
    if code == SIGMOID:
        for j in range(outputs):
            small = np.exp(-abs(z[j]))
            loss += np.float64(max(z[j], np.float32(0.0)) - z[j] * delta[j] + np.log1p(small))
            delta[j] -= (np.float32(1.0) if z[j] >= 0 else small) / (np.float32(1.0) + small)
    else:
        for j in range(outputs):
            delta[j] -= z[j]
            loss += 0.5 * np.float64(delta[j]) ** 2
    squares = 0.0
    for j in range(outputs):
        squares += np.float64(delta[j]) ** 2
    return loss, best == label, squares
