"""What a layer is: the shape of its weight matrix, where that may be cut, and the digital work beside it.

Its weights are one matrix for one vector: a recurrent layer's vector is its input followed by its own output of the
step before. The `gates` columns of a unit lie side by side on one crossbar, so that the unit's cell finds all of its
sums in one place.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from archsim.base.registry import Registry
from archsim.base.section import Flag, FreeName, Section, kinds_of
from archsim.base.units import Count
from archsim.workload.activations import Activation

LAYERS: Registry[type[Layer]] = Registry("kind of layer", home="archsim.workload.kinds")
"""Kinds of layers by name."""


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


class Network(Protocol):
    """What a layer asks of the network that it stands in."""

    @property
    def steps(self) -> int:
        """Vectors of an example."""

    def first_step(self, layer: str) -> int:
        """The first step of an example at which the layer of that name is given a vector."""


class Layer(Section):
    """A layer of a network: so many inputs and outputs, at every step of an example or at the last step alone.

    One without weights is digital work at the places where its inputs are; what these send each other for it, and what
    they read from memories, follows from `splits`, `needed`, `joined`, `shared_values` and `skips`.

    A kind says what is its own of the names below. `gates` are the columns of an output, `apart` those whose sums over
    the blocks must be known apart; a `recurrent` layer is driven by its own outputs too; `loss_activates` says that a
    last layer leaves its activation to the loss, or to the way to the host; the next step needs `state_values` numbers
    of each output. `example` holds values of its own keys with which it can be built, for the conformance tests.
    """

    kind: ClassVar[str]
    role: ClassVar[str] = "layer"
    later: ClassVar[frozenset[str]] = frozenset({"at"})
    fills: ClassVar[Mapping[str, str]] = {
        "name": "fc1, fc2, ..., others by their kind", "inputs": "the outputs of the layer before",
    }  # fmt: skip
    example: ClassVar[Mapping[str, Any]] = {}
    gates: ClassVar[int] = 1
    apart: ClassVar[int] = 0
    recurrent: ClassVar[bool] = False
    loss_activates: ClassVar[bool] = False
    state_values: ClassVar[int] = 0

    name: FreeName
    """Name of the layer, as reports call it."""
    inputs: Count
    """Inputs of the layer: outputs of the one before."""
    outputs: Count
    """Outputs of the layer: its units."""
    at: Literal["every_step", "last_step"] = "every_step"
    """Whether it works at every step of a sequence, or at the last one alone."""

    def vectors(self, network: Network) -> range:
        """Return the steps of an example at which a vector is given to it.

        All of them, or the last alone where it or a layer before it runs `at: last_step`.
        """
        return range(network.first_step(self.name), network.steps)

    @property
    def function(self) -> Activation | None:
        """Its activation; None where it has no weights, or makes an output of several sums."""
        return None

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Row blocks of the weight matrix, from the top; none where a layer has no weights."""
        return ()

    @property
    def digital_ops(self) -> int:
        """Multiply-adds and the like of one vector that no crossbar does; the cells' own are not counted."""
        return 0

    @property
    def gathers(self) -> bool:
        """Whether it needs its inputs of all steps before it can do the first."""
        return False

    @property
    def splits(self) -> int:
        """Without weights: in how many pieces its work can be dealt out, each of as many outputs."""
        return self.outputs

    @property
    def shared_values(self) -> int:
        """Without weights: numbers that all places of its work must add up and know, at each step."""
        return 0

    @property
    def skips(self) -> tuple[str, ...]:
        """Without weights: layers before it whose inputs it adds to its own, output by output."""
        return ()

    def needed(self, own: range) -> tuple[range, ...]:
        """Without weights: of which inputs of a step these outputs are made, as ranges that do not overlap."""
        return (range(self.inputs),)

    def read_again(self, own: range, steps: int) -> int:
        """Without weights: how many inputs a step's work on these outputs reads, where a sequence has so many steps."""
        values = sum(len(part) for part in self.needed(own))
        return values * steps if self.gathers else values

    @property
    def whole_parts(self) -> int:
        """Without weights: how many parts of its inputs, as long as its outputs, are read of all steps."""
        return self.inputs // self.outputs if self.gathers else 0

    def outputs_at(self, place: int, places: int) -> range:
        """Without weights: which outputs are made at one of several places, in whole pieces."""
        own, each = share(self.splits, place, places), self.outputs // self.splits
        return range(own.start * each, own.stop * each)

    @property
    def signed_outputs(self) -> bool:
        """Whether its outputs may be negative; those of a cell h = o tanh(c) are."""
        return self.function is None or self.function.signed

    @property
    def forward_work(self) -> Mapping[str, int]:
        """The neuron unit's actions for each output in forward.

        Of an activation one evaluation, from a table or a ramp's shape; where nothing is evaluated, the rounding to
        driver levels.
        """
        return {} if self.function is None else {"activate": 1}

    @property
    def backward_work(self) -> Mapping[str, int]:
        """The neuron unit's actions for each output in backward.

        Of an activation the product with the derivative; a value is first made of a: 1 - a^2 or a (1 - a) is one more
        multiplication. Softmax has two more: a (d - sum of a d).
        """
        if self.function is None:
            return {}
        return {"derive": 1, **({"multiply_add": 1 if self.function.monotone else 2} if self.kept_values else {})}

    @property
    def loss_work(self) -> Mapping[str, int]:
        """The neuron unit's actions for each output of a last layer; of a loss that is not told, those of softmax."""
        return {"loss": 1}

    @property
    def kept_values(self) -> int:
        """How many numbers of each output backward reads again: of an activation that from which f'(z) is made."""
        return int(self.function is not None and self.function.derivative == "value")

    @property
    def kept_bits(self) -> int:
        """How many bits of each output backward reads again, where they are not numbers: the side of a bend."""
        return int(self.function is not None and self.function.derivative == "bit")

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


def share(total: int, place: int, places: int) -> range:
    """Return which of `total` things fall to one of several places.

    >>> [share(10, place, 3) for place in range(3)]
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    return range(total * place // places, total * (place + 1) // places)


class Weighted(Layer):
    """A layer with one weight matrix, all rows of which may share a crossbar, and a row of biases unless said."""

    bias: Flag = True
    """Whether it has a row of biases."""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All rows as one."""
        return (Block(0, self.vector, self.bias),)


layer = kinds_of(LAYERS)
"""Class decorator: `@layer(kind)` registers a kind of layer."""
