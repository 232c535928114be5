"""Kinds of layers: the shape of a layer's weight matrix, where it may be cut, and the digital work beside it.

A kind is a class; a new one is registered with `layer(kind)` and nothing else need be edited. Its weights are one
matrix for one vector: a recurrent layer's vector is its input followed by its own output of the step before. The
`gates` columns of a unit lie side by side on one crossbar, so that the unit's cell finds all of its sums in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar

from archsim.registry import Registry
from archsim.section import Flag, Section
from archsim.units import Count, Operations, Ratio

Neurons = Count

LAYERS: Registry[type[Layer]] = Registry("kind of layer")
"""Kinds of layers by name."""

L = TypeVar("L", bound="type[Layer]")


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of a weight matrix that may share crossbars: `inputs` of its vector from `start` on, and biases or none."""

    start: int
    inputs: int
    bias: bool

    @property
    def rows(self) -> int:
        """Rows of the matrix."""
        return self.inputs + self.bias


class Layer(Section):
    """A layer of a network: so many inputs and outputs, at every step of an example or at the last step alone.

    `forward_work` and `backward_work` are the neuron unit's actions for each output, `kept_values` how many numbers
    of each output backward reads again (`kept_bits` bits if they are not values), `state_values` how many of them the
    next step needs, and `loss_activates` says that a last layer leaves its activation to the loss, or to the way to the
    host.
    """

    kind: ClassVar[str]
    role: ClassVar[str]
    later: ClassVar[frozenset[str]] = frozenset({"at"})
    gates: ClassVar[int] = 1
    apart: ClassVar[int] = 0
    recurrent: ClassVar[bool] = False
    loss_activates: ClassVar[bool] = False
    forward_work: ClassVar[Mapping[str, int]] = {}
    backward_work: ClassVar[Mapping[str, int]] = {}
    kept_values: ClassVar[int] = 0
    kept_bits: ClassVar[int] = 0
    state_values: ClassVar[int] = 0

    name: str
    inputs: Neurons
    outputs: Neurons
    at: Literal["every_step", "last_step"] = "every_step"

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Row blocks of the weight matrix, from the top; none where a layer has no weights."""
        return ()

    @property
    def digital_ops(self) -> int:
        """Multiply-adds and the like of one forward step that no crossbar does; the cells' own are not counted."""
        return 0

    @property
    def gathers(self) -> bool:
        """Whether it needs its inputs of all steps before it can do the first."""
        return False

    @property
    def vector(self) -> int:
        """Length of the vector that drives the matrix: the inputs, and in a recurrent layer the own outputs."""
        return self.inputs + (self.outputs if self.recurrent else 0)

    @property
    def rows(self) -> int:
        """Rows of the weight matrix: the vector, and a row for each row of biases."""
        return sum(block.rows for block in self.blocks)

    @property
    def columns(self) -> int:
        """Columns of the weight matrix."""
        return self.gates * self.outputs if self.blocks else 0

    @property
    def synapses(self) -> int:
        """Cells in use, bias rows included."""
        return self.rows * self.columns


def layer(kind: str) -> Callable[[L], L]:
    """Return a class decorator that registers a kind of layer."""

    def register(cls: L) -> L:
        cls.kind = kind
        cls.role = "layer"
        LAYERS.add(kind)(cls)
        return cls

    return register


@layer("dense")
class Dense(Layer):
    """A fully connected layer: `inputs` x `outputs` synapses, and a row of biases unless said otherwise.

    `bound` is where a clipped_relu ends, `slope` what a leaky_relu does to negative sums.
    """

    later: ClassVar[frozenset[str]] = Layer.later | {"bound", "slope"}
    loss_activates: ClassVar[bool] = True
    forward_work: ClassVar[Mapping[str, int]] = {"activate": 1}
    backward_work: ClassVar[Mapping[str, int]] = {"derive": 1}
    kept_bits: ClassVar[int] = 1

    activation: Literal["relu", "clipped_relu", "leaky_relu", "tanh", "hard_sigmoid", "sigmoid", "softmax", "linear"]
    bound: Ratio = 2.0
    slope: Ratio = 0.01
    bias: Flag = True

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All rows may share a crossbar."""
        return (Block(0, self.inputs, self.bias),)

    def resolved(self) -> dict[str, Any]:
        """Return the layer as plain data; this kind, which need not be named, is left out."""
        return {key: value for key, value in super().resolved().items() if key != "kind"}


@layer("rnn")
class Rnn(Layer):
    """A plain recurrent layer: h(t) = f(W x + U h(t-1) + b), with f = tanh or relu.

    Elman, Cognitive Science 14, 179 (1990).
    """

    recurrent: ClassVar[bool] = True
    forward_work: ClassVar[Mapping[str, int]] = {"activate": 1}
    backward_work: ClassVar[Mapping[str, int]] = {"derive": 1}
    kept_values: ClassVar[int] = 1  # h(t), of which the derivative is made

    activation: Literal["tanh", "relu"] = "tanh"
    bias: Flag = True

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All rows may share a crossbar."""
        return (Block(0, self.vector, self.bias),)


@layer("lstm")
class Lstm(Layer):
    """Long short-term memory: four gates from one sum over input, own output and bias.

    Hochreiter and Schmidhuber, Neural Computation 9, 1735 (1997), with the forget gate of Gers et al. (2000). With
    the sigmoids i, f, o and g = tanh: c(t) = f c(t-1) + i g, h(t) = o tanh(c(t)).
    """

    gates: ClassVar[int] = 4
    recurrent: ClassVar[bool] = True
    # Three sigmoids, two tanh; three products, the second one added to the first as it is made.
    forward_work: ClassVar[Mapping[str, int]] = {"activate": 5, "multiply_add": 3}
    # The derivative of each of the five; and each product passes on to both of its factors.
    backward_work: ClassVar[Mapping[str, int]] = {"derive": 5, "multiply_add": 6}
    kept_values: ClassVar[int] = 6  # i, f, o, g, c(t) and tanh(c(t))
    state_values: ClassVar[int] = 1  # c(t)

    bias: Flag = True

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All rows may share a crossbar."""
        return (Block(0, self.vector, self.bias),)


@layer("gru")
class Gru(Layer):
    """A gated recurrent unit in the form of cuDNN and PyTorch, whose reset gate scales the candidate's recurrent sum.

    Cho et al., EMNLP 2014, arXiv:1406.1078. With the sigmoids r and z: n = tanh(Wx + b + r (Uh(t-1) + c)),
    h(t) = (1 - z) n + z h(t-1). The candidate's two sums must be known apart: no crossbar has rows of both input and
    own output, each of which has its row of biases.
    """

    gates: ClassVar[int] = 3
    apart: ClassVar[int] = 1
    recurrent: ClassVar[bool] = True
    # Two sigmoids, a tanh; three products, with the candidate's sum and that of h in the last two of them.
    forward_work: ClassVar[Mapping[str, int]] = {"activate": 3, "multiply_add": 3}
    backward_work: ClassVar[Mapping[str, int]] = {"derive": 3, "multiply_add": 6}
    kept_values: ClassVar[int] = 5  # r, z, n, the recurrent sum and h(t-1)
    state_values: ClassVar[int] = 1  # h(t), of which the next is made

    bias: Flag = True

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Rows of the input, then rows of the own output."""
        return Block(0, self.inputs, self.bias), Block(self.inputs, self.outputs, self.bias)


@layer("digital")
class Digital(Layer):
    """Work without stationary weights: attention's own products, softmax, normalisation, pooling, convolutions.

    `ops` counts multiply-adds, and what costs as much, of one step. They are done by the neuron units of the tiles
    that hold the layer before, in even shares; what these exchange for it is not modelled (an assumption). Backward
    is twice the work (an assumption: one product for each of two factors). With `over: sequence` its first step waits
    for its inputs of all steps, as attention over a whole text and pooling over time do.
    """

    later: ClassVar[frozenset[str]] = Layer.later | {"over"}

    ops: Operations
    over: Literal["step", "sequence"] = "step"

    @property
    def gathers(self) -> bool:
        """Over a sequence it does."""
        return self.over == "sequence"

    @property
    def digital_ops(self) -> int:
        """The work of one step."""
        return self.ops
