"""The kinds of layers: fully connected, recurrent, and digital work without weights.

A kind is a class; a new one is registered with `layer(kind)` and nothing else need be edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from archsim.base.section import Choice, Flag
from archsim.base.units import Operations, Ratio
from archsim.workload.activations import ACTIVATIONS, Activation
from archsim.workload.layers import Block, Layer, Weighted, layer


@layer("dense")
class Dense(Weighted):
    """A fully connected layer: `inputs` x `outputs` synapses, and a row of biases unless said otherwise.

    `bound` is where a clipped_relu ends, `slope` what a leaky_relu does to negative sums. Measured times of GPUs know
    no other kind.
    """

    later: ClassVar[frozenset[str]] = frozenset({"bound", "slope"})
    example: ClassVar[Mapping[str, Any]] = {"activation": "relu"}
    loss_activates: ClassVar[bool] = True

    activation: Annotated[str, Choice(ACTIVATIONS)]
    bound: Ratio = 2.0
    slope: Ratio = 0.01

    @property
    def function(self) -> Activation:
        """What its activation does."""
        return ACTIVATIONS[self.activation]

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
    def ramp_activates(self) -> bool:
        """Monotone ones can be the shape of a ramp."""
        return self.function.monotone

    @property
    def ramp_derives(self) -> bool:
        """One or a bit is."""
        return self.function.derivative != "value"

    def resolved(self) -> dict[str, Any]:
        """Return the layer as plain data; this kind, which need not be named, is left out."""
        return {key: value for key, value in super().resolved().items() if key != "kind"}


@layer("rnn")
class Rnn(Weighted):
    """A plain recurrent layer: h(t) = f(W x + U h(t-1) + b), with f = tanh or relu.

    Elman, Cognitive Science 14, 179 (1990).
    """

    recurrent: ClassVar[bool] = True

    activation: Literal["tanh", "relu"] = "tanh"

    @property
    def function(self) -> Activation:
        """What f does."""
        return ACTIVATIONS[self.activation]


@layer("lstm")
class Lstm(Weighted):
    """Long short-term memory: four gates from one sum over input, own output and bias.

    Hochreiter and Schmidhuber, Neural Computation 9, 1735 (1997), with the forget gate of Gers et al. (2000). With
    the sigmoids i, f, o and g = tanh: c(t) = f c(t-1) + i g, h(t) = o tanh(c(t)).

    Forward evaluates three sigmoids and two tanh, and makes three products, the second one added to the first as it is
    made. Backward has the derivatives of the five, each made of a value, and each product passes on to both of its
    factors; it reads i, f, o, g, c(t) and tanh(c(t)) again. The next step needs c(t).
    """

    gates: ClassVar[int] = 4
    recurrent: ClassVar[bool] = True
    forward_work: ClassVar[Mapping[str, int]] = {"activate": 5, "multiply_add": 3}
    backward_work: ClassVar[Mapping[str, int]] = {"derive": 5, "multiply_add": 5 + 6}
    kept_values: ClassVar[int] = 6
    state_values: ClassVar[int] = 1


@layer("gru")
class Gru(Weighted):
    """A gated recurrent unit in the form of cuDNN and PyTorch, whose reset gate scales the candidate's recurrent sum.

    Cho et al., EMNLP 2014, arXiv:1406.1078. With the sigmoids r and z: n = tanh(Wx + b + r (Uh(t-1) + c)),
    h(t) = (1 - z) n + z h(t-1). The candidate's two sums must be known apart: no crossbar has rows of both input and
    own output, each of which has its row of biases.

    Forward evaluates two sigmoids and a tanh, and makes three products, with the candidate's sum and that of h in the
    last two of them. Backward has the derivatives of the three, each made of a value, and each product passes on to
    both of its factors; it reads r, z, n, the recurrent sum and h(t-1) again. The next step needs h(t).
    """

    gates: ClassVar[int] = 3
    apart: ClassVar[int] = 1
    recurrent: ClassVar[bool] = True
    forward_work: ClassVar[Mapping[str, int]] = {"activate": 3, "multiply_add": 3}
    backward_work: ClassVar[Mapping[str, int]] = {"derive": 3, "multiply_add": 3 + 6}
    kept_values: ClassVar[int] = 5
    state_values: ClassVar[int] = 1

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

    later: ClassVar[frozenset[str]] = frozenset({"over", "signed"})
    example: ClassVar[Mapping[str, Any]] = {"ops": 40}

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
