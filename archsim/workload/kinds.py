"""The kinds of layers: fully connected, recurrent, and digital work without weights.

A kind is a class; a new one is registered with `layer(kind)` and nothing else need be edited.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.section import Choice, Flag, FreeName
from archsim.base.units import Count, CountOrZero, Operations, Ratio
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
    fills: ClassVar[Mapping[str, str]] = {"activation": "clipped_relu; of the last layer softmax, or linear for values"}

    activation: Annotated[str, Choice(ACTIVATIONS)]
    """Function of the units' sums."""
    bound: Ratio = 2.0
    """Where a clipped_relu ends."""
    slope: Ratio = 0.01
    """Slope of a leaky_relu below zero."""

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
    """The function f."""

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

    `ops` counts multiply-adds, and what costs as much, of one step. They are done by the neuron units of the tiles that
    hold the layer before, in shares as even as the pieces. Backward is twice the work (an assumption: one product for
    each of two factors). With `over: sequence` its first step waits for its inputs of all steps, as attention over a
    whole text and pooling over time do.

    Each place is sent what it needs and does not hold, writes all of it to its memory and reads it from there; backward
    reads twice as much, and writes once what it changes. Without `groups` every output needs all inputs. With so many,
    outputs are in groups, as the heads of attention or the numbers of a vector that is scaled, and inputs are parts as
    long as the outputs (queries, keys and values are three), of each of which a group needs its own piece. A sequence
    is read whole at each step; of its parts, the last `parts_of_all_steps` are, if that is given. `shared` numbers, as
    the two moments of a normalisation, are added up over all places between two halves of the work, each of which reads
    the inputs. `adds` are layers whose inputs are added to the own ones: residual connections. What a place makes and
    uses itself within a step, as scores, is not written (an assumption).
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {"over", "signed", "groups", "parts_of_all_steps", "steps_at_once", "shared", "adds"}
    )
    example: ClassVar[Mapping[str, Any]] = {"ops": 40}

    ops: Operations
    """Multiply-adds, and what costs as much, of one step."""
    over: Literal["step", "sequence"] = "step"
    """Whether it needs the inputs of its step alone, or of the whole sequence."""
    signed: Flag = True
    """Whether its outputs may be negative."""
    groups: Count | None = None
    """Groups of outputs, such as heads, each of which needs its own part of the inputs; without it each needs all."""
    parts_of_all_steps: CountOrZero | None = None
    """Of the parts of its inputs, such as queries, keys and values, so many last ones are read of all steps."""
    steps_at_once: Count = 1
    """Steps for which what is read of all steps is read once."""
    shared: CountOrZero = 0
    """Numbers that are added up over all places between two halves of the work, such as the moments of a
    normalisation."""
    adds: tuple[FreeName, ...] = ()
    """Layers before it whose inputs it adds to its own: residual connections."""

    @model_validator(mode="after")
    def _divides(self) -> Self:
        groups, parts = self.groups, self.inputs // self.outputs
        names = {
            "n": self.name,
            "g": groups,
            "x": self.inputs,
            "y": self.outputs,
            "p": self.parts_of_all_steps,
            "m": parts,
        }
        if groups is not None and self.outputs % groups:
            text = "layer '{n}' has {y} outputs, which are no {g} groups of one size; give a divisor of {y}"
            raise PydanticCustomError("groups", text, names)
        if groups is not None and self.inputs % self.outputs:
            text = (
                "layer '{n}' has groups, but its {x} inputs are not parts of {y}, the length of its outputs; leave "
                "groups out, so that each output needs all inputs"
            )
            raise PydanticCustomError("groups", text, names)
        if self.parts_of_all_steps is not None and (groups is None or not self.gathers):
            text = "layer '{n}' has parts_of_all_steps, which is for 'over: sequence' with groups; leave it out"
            raise PydanticCustomError("parts", text, names)
        if self.steps_at_once > 1 and not self.gathers:
            text = "layer '{n}' has steps_at_once, which is for 'over: sequence'; leave it out"
            raise PydanticCustomError("steps", text, names)
        if self.parts_of_all_steps is not None and self.parts_of_all_steps > parts:
            text = "layer '{n}' has inputs of {m} parts, and parts_of_all_steps is {p}; give {m} at most"
            raise PydanticCustomError("parts", text, {**names, "p": self.parts_of_all_steps})
        return self

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

    @property
    def splits(self) -> int:
        """As many as there are groups."""
        return self.groups or self.outputs

    @property
    def shared_values(self) -> int:
        """As the layer says."""
        return self.shared

    @property
    def skips(self) -> tuple[str, ...]:
        """As the layer says."""
        return self.adds

    @property
    def whole_parts(self) -> int:
        """As many as the layer says, or all."""
        return super().whole_parts if self.parts_of_all_steps is None else self.parts_of_all_steps

    def needed(self, own: range) -> tuple[range, ...]:
        """All inputs, or of each part those at the places of the outputs."""
        if self.groups is None:
            return super().needed(own)
        return tuple(range(at + own.start, at + own.stop) for at in range(0, self.inputs, self.outputs))

    def read_again(self, own: range, steps: int) -> int:
        """Its own step's, or of parts that are read of all steps all of them."""
        if self.groups is None or not self.gathers:
            return -(-super().read_again(own, steps) // self.steps_at_once)
        parts, whole = self.inputs // self.outputs, self.whole_parts
        return (parts - whole) * len(own) + -(-whole * steps * len(own) // self.steps_at_once)
