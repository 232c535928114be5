"""The workload: layers with shapes and activations, a data set, and the training to be run."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.section import Flag, Section
from archsim.units import Bits, Count, Ratio

Neurons = Count


class Dense(Section):
    """A fully connected layer: `inputs` x `outputs` synapses, and a row of biases unless said otherwise."""

    name: str
    inputs: Neurons
    outputs: Neurons
    activation: Literal["relu", "clipped_relu", "sigmoid", "tanh", "softmax", "linear"]
    bias: Flag = True

    @property
    def rows(self) -> int:
        """Rows of the weight matrix: the inputs, and one for the bias."""
        return self.inputs + (1 if self.bias else 0)

    @property
    def synapses(self) -> int:
        """Cells in use, the bias row included."""
        return self.rows * self.outputs


class Dataset(Section):
    """Where examples come from: how many make an epoch, and what the host sends for each."""

    name: str
    examples: Count
    input_bits: Bits = 8
    preparation: str = ""


class Rates(Section):
    """A learning rate, by which factor it falls per epoch, and the share of it that is never undercut."""

    learning_rate: Ratio
    learning_rate_decay: Ratio = 1.0
    learning_rate_floor: Ratio = 0.0


class Training(Rates):
    """Backpropagation: epochs, mini-batch and learning rate.

    `floating_point` is for the twin in floating point, where that learns better with other rates than the chip.
    """

    epochs: Count
    batch: Count = 1
    floating_point: Rates | None = None

    @property
    def of_the_twin(self) -> Rates:
        """The rates with which the floating-point twin learns."""
        return self.floating_point or self


class Workload(Section):
    """A network of fully connected layers, to be trained on a data set."""

    name: str
    description: str = ""
    dataset: Dataset
    layers: tuple[Dense, ...]
    training: Training

    @model_validator(mode="after")
    def _chains(self) -> Self:
        if not self.layers:
            raise PydanticCustomError("layers", "a network needs at least one layer")
        names = [layer.name for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "layers", "layer '{n}' is named twice; give each layer its own name", {"n": name}
                )
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if before.outputs != after.inputs:
                text = "layer '{a}' has {x} inputs, but layer '{b}' before it has {y} outputs; make them equal"
                names_ = {"a": after.name, "b": before.name, "x": after.inputs, "y": before.outputs}
                raise PydanticCustomError("layers", text, names_)
        return self

    @property
    def synapses(self) -> int:
        """Synapses of all layers, bias rows included."""
        return sum(layer.synapses for layer in self.layers)

    @property
    def examples(self) -> int:
        """Examples of the whole training run."""
        return self.dataset.examples * self.training.epochs

    @property
    def ops_per_example(self) -> int:
        """Operations of one training example by the field's convention: 6 per synapse."""
        return 6 * self.synapses

    @property
    def ops_executed_per_example(self) -> int:
        """Operations really done: no backward in the first layer, none for bias rows."""
        forward_and_update = sum(4 * layer.synapses for layer in self.layers)
        return forward_and_update + sum(2 * layer.inputs * layer.outputs for layer in self.layers[1:])
