"""The network in numbers: first weights, products, and the floating-point baseline that the chip is compared with.

The baseline trains the same network on the same examples in the same order, by plain stochastic gradient descent; at
rates of its own, where the workload gives it some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from archsim.base.arrays import F32, I32, I64, Array
from archsim.base.machine_code import njit
from archsim.functional.datasets import Data, Part
from archsim.functional.functions import Functions, activate, derive, functions_of
from archsim.functional.losses import output_delta, score
from archsim.functional.order import Order
from archsim.functional.paired import packed
from archsim.functional.targets import targets_or_none
from archsim.workload.kinds import Dense
from archsim.workload.network import Rates, Workload
from archsim.workload.weights import weights_of


class Reached(NamedTuple):
    """What a network reached in an epoch: mean loss, and accuracy or R2 of the sets that were read after it.

    `right` says which examples for testing were answered rightly, `packed`, after the last one.
    """

    loss: float
    validation: float | None
    test: float | None
    right: str = ""


def read_by(
    score: Callable[[Part | None, Array | None], float | None], data: Data, last: bool
) -> tuple[float | None, float | None, str]:
    """Return what a network reaches after an epoch, or the last, by its `score`: a `Reached` but for the loss."""
    validation, test = data.read_after(last)
    right = np.zeros(len(test.x), dtype=np.bool_) if last and test is not None and test.t is None else None
    found = score(validation, None), score(test, right)
    return *found, "" if right is None else packed(right)


def initial_weights(workload: Workload, seed: int) -> list[F32]:
    """Return the weights [rows, outputs] per layer that the workload names, or drawn ones with biases zero.

    These are uniform within `first_bound`, drawn from (seed, layer) alone. Raises SpecError if the workload's file does
    not hold what it should.
    """
    if workload.weights is not None:
        shapes = {layer.name: (layer.rows, layer.outputs) for layer in workload.layers}
        return list(weights_of(workload.weights.path, shapes).values())
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


def learning_rates(rates: Rates, epochs: int) -> F32:
    """Return the learning rate of each epoch: decayed, but not below its floor."""
    shares = np.maximum(rates.learning_rate_decay ** np.arange(epochs), rates.learning_rate_floor)
    return np.asarray(rates.learning_rate * shares, dtype=np.float32)


@njit()
def forward_rows(x: F32, weights: F32, z: F32) -> None:
    """Add x W to z, row after row; rows whose input is zero are left out."""
    for i in range(weights.shape[0]):
        value = x[i]
        if value != 0.0:
            row = weights[i]
            for j in range(weights.shape[1]):
                z[j] += value * row[j]


@njit()
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


class Baseline:
    """The network in floating point, trained epoch by epoch, at these rates.

    `known` is what a baseline of the same network, data and seed reached in its first epochs, if there was one: it is
    trained, from the beginning, only where an epoch is asked for that is not known, which is then added. So it has no
    state of its own that a checkpoint would have to hold.
    """

    def __init__(
        self, workload: Workload, data: Data, seed: int, order: Order | I32, rates: Rates,
        known: list[Reached] | None = None,
    ) -> None:  # fmt: skip
        self.seed, self.weights = seed, tuple(initial_weights(workload, seed))
        self._rates, self._known, self._trained = rates, known, 0
        self._workload, self._data, self._order = workload, data, order
        self._functions = functions_of(workload)
        self._t = targets_or_none(data.train_x, data.train_t)

    def reached(self, epoch: int, *, last: bool) -> Reached:
        """Return what an epoch reaches, the last one or another, trained now unless it is known."""
        if self._known is None:
            return self._reached(epoch, last)
        while epoch >= len(self._known):
            if self._trained < len(self._known):
                self.train(self._trained)
            else:
                self._known.append(self._reached(self._trained, last and self._trained == epoch))
            self._trained += 1
        return self._known[epoch]

    def _reached(self, epoch: int, last: bool) -> Reached:
        return Reached(self.train(epoch), *read_by(self.score, self._data, last))

    def train(self, epoch: int) -> float:
        """Train one epoch; return the mean loss."""
        examples, batch = self._workload.dataset.examples, self._workload.training.batch
        part = self._order[epoch * examples : (epoch + 1) * examples]
        rate = float(learning_rates(self._rates, epoch + 1)[epoch])
        data = self._data
        loss, _ = train_float(self.weights, self._functions, data.train_x, data.train_y, self._t, part, rate, batch)
        return loss / examples

    def score(self, part: Part | None, right: Array | None = None) -> float | None:
        """Return accuracy or R2 on some examples, as the weights are now; None without any.

        `right` [n] of bool, if given, is set to which are classified rightly.
        """
        if part is None:
            return None
        answers = np.zeros(len(part.x), dtype=np.bool_) if right is None else right
        found = evaluate(self.weights, self._functions, part.x, part.y, targets_or_none(part.x, part.t), answers)
        return score(*found, len(part.x), part.t)

    def arrays(self) -> dict[str, F32]:
        """Return the weights by layer, and not copied, if there is a state."""
        return {} if self._known is not None else {str(i): weights for i, weights in enumerate(self.weights)}
