"""The workload: layers with shapes and activations, a data set, and the training to be run."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.registry import Registry
from archsim.section import Choice, Flag, Section
from archsim.units import Bits, Count, Ratio

Neurons = Count

MODES: Registry[Any] = Registry("mode", home="archsim.mapping.modes")
"""What is done with each example, by name; see `archsim.mapping.modes`."""


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


class Inference(Section):
    """Forward passes alone: how many examples are asked for at once."""

    batch: Count = 1


class Workload(Section):
    """A network of fully connected layers, and what is done with it: it is trained on a data set, or it infers.

    With `program` the run also tells what it takes to write the weights first. `weights` names an npz file with the
    weights that it starts from, [rows, outputs] by layer, relative to the workload's own file; else they are drawn.
    """

    name: str
    description: str = ""
    mode: Annotated[str, Choice(MODES)] = "training"
    program: Flag = False
    weights: str | None = None
    dataset: Dataset
    layers: tuple[Dense, ...]
    training: Training = Training(epochs=1, learning_rate=1.0)  # read for its epochs alone where nothing is trained
    inference: Inference = Inference()

    @model_validator(mode="after")
    def _chains(self) -> Self:
        if not self.layers:
            raise PydanticCustomError("layers", "a network needs at least one layer")
        if self.mode == "training" and "training" not in self.model_fields_set:
            text = "'training' is missing, which a network that is trained needs; give 'training: {epochs: 1}'"
            raise PydanticCustomError("training", text)
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
        """Examples of the whole run: so many epochs when trained, the data set once in inference."""
        return self.dataset.examples * self.training.epochs

    @property
    def ops_per_synapse(self) -> int:
        """Operations of one example and synapse by the field's convention: 6 in training, 2 in inference."""
        return int(MODES[self.mode].ops_per_synapse)

    @property
    def ops_per_example(self) -> int:
        """Operations of one example by that convention."""
        return self.ops_per_synapse * self.synapses

    @property
    def ops_executed_per_example(self) -> int:
        """Operations really done with an example."""
        return int(MODES[self.mode].ops_executed(self))
