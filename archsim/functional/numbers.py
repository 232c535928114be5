"""Kinds of layers in numbers: what each computes, and how its first weights are drawn.

A kind without an entry here has time and energy alone. The compiled loops know kinds and activations by integers.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np

from archsim.base.arrays import F32, I64, Flags
from archsim.base.errors import Problem, SpecError
from archsim.base.registry import Registry
from archsim.base.words import counted
from archsim.workload.layers import Layer
from archsim.workload.network import Workload

RELU, CLIPPED_RELU, LEAKY_RELU, TANH, HARD_SIGMOID, SIGMOID, LINEAR, SOFTMAX, LSTM, GRU = range(10)
CODES = {
    "relu": RELU, "clipped_relu": CLIPPED_RELU, "leaky_relu": LEAKY_RELU, "tanh": TANH, "hard_sigmoid": HARD_SIGMOID,
    "sigmoid": SIGMOID, "linear": LINEAR, "softmax": SOFTMAX,
}  # fmt: skip
"""Activations that have numbers. A softmax is the last layer's, where its loss plays it."""
KEPT = 6
"""Numbers of each recurrent unit that are kept for the way back, at most; the last is the state of the step before."""


class Numbers(Protocol):
    """A kind of layer in numbers."""

    def code(self, layer: Any) -> int:
        """Return by which integer the compiled loops know what a unit does to its sums."""

    def parameter(self, layer: Any) -> float:
        """Return the bound or slope of its activation; 0 where it has none."""

    def largest(self, layer: Any) -> float | None:
        """Return the largest magnitude that an output takes; None where there is none."""

    def reach(self, layer: Any, state_range: float) -> float:
        """Return up to which magnitude a unit's state is kept; 0 where it has none."""

    def first_bound(self, layer: Any, *, last: bool) -> float:
        """Return within which bound a layer's first weights are drawn, such that sums neither fade nor grow."""


NUMBERS: Registry[Numbers] = Registry("kind of layer with numbers")
"""Kinds of layers in numbers, by the names of the kinds."""


class _Dense:
    """One sum and one activation a unit."""

    def code(self, layer: Any) -> int:
        return CODES[layer.activation]

    def parameter(self, layer: Any) -> float:
        return float({"clipped_relu": layer.bound, "leaky_relu": layer.slope}.get(layer.activation, 0.0))

    def largest(self, layer: Any) -> float | None:
        full = layer.function.full
        return float(layer.bound) if full == "bound" else full

    def reach(self, layer: Any, state_range: float) -> float:
        return 0.0

    def first_bound(self, layer: Any, *, last: bool) -> float:
        """Before a rectifier sqrt(6 / inputs), with 1 + slope^2 under it where that is leaky.

        He et al., ICCV 2015, arXiv:1502.01852. Before tanh and sigmoids sqrt(6 / (inputs + outputs)) (Glorot and
        Bengio, AISTATS 2010); before a linear unit, and in the last layer, sqrt(3 / inputs) (LeCun et al., "Efficient
        BackProp", 1998).
        """
        if last or layer.activation == "linear":
            return float(np.sqrt(3.0 / layer.inputs))
        if layer.activation in ("tanh", "sigmoid", "hard_sigmoid"):
            return float(np.sqrt(6.0 / (layer.inputs + layer.outputs)))
        if layer.activation == "leaky_relu":
            return float(np.sqrt(6.0 / (1.0 + layer.slope**2) / layer.inputs))
        return float(np.sqrt(6.0 / layer.inputs))


class _Recurrent:
    """Gates of two sides, whose outputs lie within -1 and 1; first weights as PyTorch draws them, biases zero."""

    of: ClassVar[int]

    def code(self, layer: Any) -> int:
        return self.of

    def parameter(self, layer: Any) -> float:
        return 0.0

    def largest(self, layer: Any) -> float | None:
        return 1.0

    def reach(self, layer: Any, state_range: float) -> float:
        return 1.0

    def first_bound(self, layer: Any, *, last: bool) -> float:
        """Within 1 / sqrt(outputs), as torch.nn.RNN, LSTM and GRU."""
        return float(1 / np.sqrt(layer.outputs))


class _Rnn(_Recurrent):
    """A plain recurrent unit: its state is its output, h = f(z)."""

    def code(self, layer: Any) -> int:
        return CODES[layer.activation]

    def largest(self, layer: Any) -> float | None:
        full: float | None = layer.function.full
        return full

    def reach(self, layer: Any, state_range: float) -> float:
        return 0.0


class _Lstm(_Recurrent):
    """Gates in the order i, f, g, o; the state is c."""

    of = LSTM

    def reach(self, layer: Any, state_range: float) -> float:
        return state_range


class _Gru(_Recurrent):
    """Gates in the order r, z, n; the state is h, finer than it is sent."""

    of = GRU


NUMBERS.add("dense")(_Dense())
NUMBERS.add("rnn")(_Rnn())
NUMBERS.add("lstm")(_Lstm())
NUMBERS.add("gru")(_Gru())


class Chain(NamedTuple):
    """A network as compiled loops over sequences take it, by layer."""

    code: I64  # what a unit does to its sums
    parameter: F32  # bound or slope of it
    bias: Flags  # whether each block of rows ends with biases
    inputs: I64
    outputs: I64
    gates: I64  # sums of a unit
    own: I64  # the first row of its own outputs; -1 where it is not recurrent
    top: I64  # rows of the first block, whose sums are known apart from those of the rows below
    rows: I64  # rows of all blocks
    first: I64  # the first step at which it runs
    stateful: bool  # whether states go over from an example to the next


def layers_in_numbers(workload: Workload) -> tuple[Any, ...]:
    """Return the layers of a network that has numbers; raise SpecError, with all that is wrong, if it has none."""
    wrong = [
        Problem(f"{workload.name}: layers[{i}]", f"a layer of kind '{layer.kind}' has time and energy, but no numbers",
                f"give a network of kinds that have: {', '.join(NUMBERS)}")
        for i, layer in enumerate(workload.layers) if layer.kind not in NUMBERS
    ]  # fmt: skip
    if workload.steps > 1 and workload.dataset.target != "class":
        what = f"examples of {counted(workload.steps, 'step')} are trained towards classes alone"
        wrong.append(Problem(f"{workload.name}: dataset.target", what, "give class"))
    if wrong:
        raise SpecError(wrong)
    return workload.layers


def of_kind(layer: Layer) -> Numbers:
    """Return what a layer's kind is in numbers."""
    return NUMBERS[layer.kind]


def chain_of(workload: Workload) -> Chain:
    """Return a network that has numbers as compiled loops over sequences take it."""
    layers = layers_in_numbers(workload)

    def each(values: Any) -> I64:
        return np.array(list(values), dtype=np.int64)

    return Chain(
        code=each(of_kind(own).code(own) for own in layers),
        parameter=np.array([of_kind(own).parameter(own) for own in layers], dtype=np.float32),
        bias=np.array([own.bias for own in layers], dtype=np.bool_),
        inputs=each(own.inputs for own in layers), outputs=each(own.outputs for own in layers),
        gates=each(own.gates for own in layers),
        own=each(-1 if not own.recurrent else own.inputs if len(own.blocks) == 1 else own.blocks[0].rows
                 for own in layers),
        top=each(own.blocks[0].rows for own in layers),
        rows=each(own.rows for own in layers),
        first=each(own.vectors(workload).start for own in layers),
        stateful=bool(workload.stateful),
    )  # fmt: skip
