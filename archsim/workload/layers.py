"""Kinds of layers: the shape of a layer's weight matrix, where it may be cut, and the digital work beside it.

A kind is a class; a new one is registered with `layer(kind)` and nothing else need be edited. Its weights are one
matrix for one vector: a recurrent layer's vector is its input followed by its own output of the step before. The
`gates` columns of a unit lie side by side on one crossbar, so that the unit's cell finds all of its sums in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from archsim.base.registry import Registry
from archsim.base.section import Choice, Flag, Section
from archsim.base.units import Count, Operations, Ratio
from archsim.workload.activations import ACTIVATIONS, Activation

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

    `loss_activates` says that a last layer leaves its activation to the loss, or to the way to the host.
    """

    kind: ClassVar[str]
    role: ClassVar[str]
    later: ClassVar[frozenset[str]] = frozenset({"at"})
    gates: ClassVar[int] = 1
    apart: ClassVar[int] = 0
    recurrent: ClassVar[bool] = False
    loss_activates: ClassVar[bool] = False

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
    def signed_outputs(self) -> bool:
        """Whether its outputs may be negative; those of a cell h = o tanh(c) are."""
        return True

    @property
    def forward_work(self) -> Mapping[str, int]:
        """The neuron unit's actions for each output in forward."""
        return {}

    @property
    def backward_work(self) -> Mapping[str, int]:
        """The neuron unit's actions for each output in backward."""
        return {}

    @property
    def loss_work(self) -> Mapping[str, int]:
        """The neuron unit's actions for each output of a last layer; of a loss that is not told, those of softmax."""
        return {"loss": 1}

    @property
    def kept_values(self) -> int:
        """How many numbers of each output backward reads again."""
        return 0

    @property
    def kept_bits(self) -> int:
        """How many bits of each output backward reads again, where they are not numbers."""
        return 0

    @property
    def state_values(self) -> int:
        """How many numbers of each output the next step needs."""
        return 0

    @property
    def ramp_activates(self) -> bool:
        """Whether the ramp that sends its sums can apply its activation: a function of one sum that never falls."""
        return False

    @property
    def ramp_derives(self) -> bool:
        """Whether a ramp can apply its derivative: by a gate on each line, which one bit opens."""
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

    activation: Annotated[str, Choice(ACTIVATIONS)]
    bound: Ratio = 2.0
    slope: Ratio = 0.01
    bias: Flag = True

    @property
    def function(self) -> Activation:
        """What its activation does."""
        return ACTIVATIONS[self.activation]

    @property
    def signed_outputs(self) -> bool:
        """Those of some activations are."""
        return self.function.signed

    @property
    def forward_work(self) -> Mapping[str, int]:
        """One evaluation, from a table or a ramp's shape; where nothing is evaluated, the rounding to driver levels."""
        return {"activate": 1}

    @property
    def backward_work(self) -> Mapping[str, int]:
        """The product with the derivative; a value is first made of a: 1 - a^2 or a (1 - a) is one more multiplication.

        Softmax has two more: a (d - sum of a d).
        """
        more = {"multiply_add": 1 if self.function.monotone else 2} if self.kept_values else {}
        return {"derive": 1, **more}

    @property
    def loss_work(self) -> Mapping[str, int]:
        """Softmax and cross-entropy as one; else the activation and the target's subtraction.

        Where the activation has no loss of its own, that is the squared error, which goes back through the derivative.
        """
        if not self.function.monotone:
            return {"loss": 1}
        activation = {} if self.function.derivative == "one" else {"activate": 1}
        return {**activation, "add": 1, **({} if self.function.losses else self.backward_work)}

    @property
    def kept_values(self) -> int:
        """The activation's, where the derivative is made of it."""
        return int(self.function.derivative == "value")

    @property
    def kept_bits(self) -> int:
        """On which side of a bend the sum was."""
        return int(self.function.derivative == "bit")

    @property
    def ramp_activates(self) -> bool:
        """Monotone ones can be the shape of a ramp."""
        return self.function.monotone

    @property
    def ramp_derives(self) -> bool:
        """One or a bit is."""
        return self.function.derivative != "value"

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

    activation: Literal["tanh", "relu"] = "tanh"
    bias: Flag = True

    @property
    def signed_outputs(self) -> bool:
        """Those of tanh are."""
        return ACTIVATIONS[self.activation].signed

    @property
    def forward_work(self) -> Mapping[str, int]:
        """The activation."""
        return {"activate": 1}

    @property
    def backward_work(self) -> Mapping[str, int]:
        """The product with the derivative; that of tanh is made of h(t) by one more multiplication."""
        return {"derive": 1, "multiply_add": 1} if self.kept_values else {"derive": 1}

    @property
    def kept_values(self) -> int:
        """The unit's h(t), where the derivative is made of it."""
        return int(ACTIVATIONS[self.activation].derivative == "value")

    @property
    def kept_bits(self) -> int:
        """On which side of a bend the sum was."""
        return int(ACTIVATIONS[self.activation].derivative == "bit")

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

    bias: Flag = True

    @property
    def forward_work(self) -> Mapping[str, int]:
        """Three sigmoids, two tanh; three products, the second one added to the first as it is made."""
        return {"activate": 5, "multiply_add": 3}

    @property
    def backward_work(self) -> Mapping[str, int]:
        """The derivatives of the five, each made of a value; and each product passes on to both of its factors."""
        return {"derive": 5, "multiply_add": 5 + 6}

    @property
    def kept_values(self) -> int:
        """The values i, f, o, g, c(t) and tanh(c(t))."""
        return 6

    @property
    def state_values(self) -> int:
        """The cell's c(t)."""
        return 1

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

    bias: Flag = True

    @property
    def forward_work(self) -> Mapping[str, int]:
        """Two sigmoids, a tanh; three products, with the candidate's sum and that of h in the last two of them."""
        return {"activate": 3, "multiply_add": 3}

    @property
    def backward_work(self) -> Mapping[str, int]:
        """The derivatives of the three, each made of a value; and each product passes on to both of its factors."""
        return {"derive": 3, "multiply_add": 3 + 6}

    @property
    def kept_values(self) -> int:
        """The values r, z, n, the recurrent sum and h(t-1)."""
        return 5

    @property
    def state_values(self) -> int:
        """The unit's h(t), of which the next is made."""
        return 1

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

    later: ClassVar[frozenset[str]] = Layer.later | {"over", "signed"}

    ops: Operations
    over: Literal["step", "sequence"] = "step"
    signed: Flag = True

    @property
    def signed_outputs(self) -> bool:
        """As the layer says: those of a normalisation are, those of a ReLU are not."""
        return self.signed

    @property
    def gathers(self) -> bool:
        """Over a sequence it does."""
        return self.over == "sequence"

    @property
    def digital_ops(self) -> int:
        """The work of one step."""
        return self.ops
