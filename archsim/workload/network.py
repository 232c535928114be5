"""The workload: layers with shapes and activations, a data set, and the training to be run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import PrivateAttr, model_validator
from pydantic_core import PydanticCustomError

from archsim.base.errors import Problem, SpecError
from archsim.base.limits import NETWORK_LAYERS
from archsim.base.registry import Registry
from archsim.base.section import Choice, Flag, FreeName, Section
from archsim.base.units import Bits, Count, CountOrZero, Part, Ratio
from archsim.base.words import counted
from archsim.components.base import Role
from archsim.spec.named import FileName, content_digest
from archsim.spec.values import NetworkValues
from archsim.workload import filling
from archsim.workload.filling import TRAINING
from archsim.workload.kinds import Dense
from archsim.workload.layers import LAYERS, Layer


@dataclass(frozen=True)
class Words:
    """How a mode is spoken of: an example of it, what the peak does without a pause, which operations are not done."""

    example: str
    peak: str
    left_out: str


MODES: Registry[Any] = Registry("mode", home="archsim.mapping.modes")
"""What is done with each example, by name; see `archsim.mapping.modes`."""


class Dataset(Section):
    """Where examples come from: how many make an epoch, and what the host sends for each.

    A network with fewer inputs than MNIST has pixels gets what is left without `cut_rows` at the top and at the bottom
    and `cut_columns` on the left and on the right. `signed` inputs may be negative. The `target` is one of the last
    layer's classes, a vector of values of `target_bits` bits each, or the inputs themselves, which are on the chip
    already. Of the examples for training, `validation` are held back, besides those that make an epoch: what is reached
    is read on them after each epoch, and on those for testing once, at the end.
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {"cut_rows", "cut_columns", "signed", "target", "target_bits", "validation"}
    )
    fills: ClassVar[Mapping[str, str]] = {
        "name": "digits or mnist by the network's sizes, none of others",
        "examples": "those of digits or mnist; 1,000 where no data set is named",
    }

    name: FreeName
    """Which data; `digits` needs no files, others are found in the folder of data. Timing does not read them."""
    examples: Count
    """Examples of an epoch."""
    validation: CountOrZero = 0
    """Examples for training that are held back, on which accuracy is read after each epoch."""
    input_bits: Bits = 8
    """Bits of an input as the host sends it."""
    cut_rows: CountOrZero = 3
    """Rows of pixels that are cut at the top and at the bottom of MNIST's pictures, if the network has fewer inputs."""
    cut_columns: CountOrZero = 2
    """Columns of pixels that are cut on the left and on the right."""
    preparation: str = ""
    """How the data were prepared, in words."""
    signed: Flag = False
    """Whether inputs may be negative."""
    target: Literal["class", "values", "inputs"] = "class"
    """What the network is trained towards: a class, values, or its own inputs."""
    target_bits: Bits = 8
    """Bits of each of a target's values."""


class Rates(Section):
    """A learning rate, by which factor it falls per epoch, and the share of it that is never undercut.

    First weights are `initial_gain` times what their kind of layer draws. (He et al., ICCV 2015, reckon with inputs of
    mean square one; inputs that are nearer to zero or far from it want another gain.)
    """

    later: ClassVar[frozenset[str]] = frozenset({"initial_gain"})

    learning_rate: Ratio
    """Learning rate of the first epoch."""
    learning_rate_decay: Ratio = 1.0
    """Factor of the learning rate from epoch to epoch."""
    learning_rate_floor: Ratio = 0.0
    """Share of the first learning rate that is never undercut."""
    initial_gain: Ratio = 1.0
    """First weights are so many times what their kind of layer draws."""


class BaselineRates(Rates):
    """The rates of the baseline in floating point, and the accuracy below which it is a weak one.

    Below its `floor` a comparison with the chip does not count. Of sequences that are answered step by step the
    `ceiling` stands for it: a cross-entropy in nats, above which neither baseline nor chip may end. Both judge a
    training and change none.
    """

    later: ClassVar[frozenset[str]] = frozenset({"ceiling"})

    floor: Part | None = None
    """Accuracy of the baseline below which a comparison with the chip does not count."""
    ceiling: Ratio | None = None
    """For sequences that are answered step by step: cross-entropy in nats above which neither may end."""

    def resolved(self) -> dict[str, Any]:
        """Return the rates alone."""
        found = super().resolved()
        return {name: own for name, own in found.items() if name not in ("floor", "ceiling")}


class Training(Rates):
    """Backpropagation: epochs, mini-batch and learning rate.

    `floating_point` is for the baseline in floating point, where that learns better with other rates than the chip.
    """

    fills: ClassVar[Mapping[str, str]] = TRAINING

    epochs: Count
    """How often the training goes through the data set."""
    batch: Count = 1
    """Examples of a mini-batch, whose updates follow when all are through."""
    floating_point: BaselineRates | None = None
    """Rates of the baseline in floating point, where it learns better with other ones."""

    @property
    def of_the_baseline(self) -> Rates:
        """The rates with which the floating-point baseline learns."""
        return self.floating_point or self


class Inference(Section):
    """Forward passes alone: how many examples are asked for at once."""

    batch: Count = 1
    """Examples that are asked for at once."""


class Workload(Section):
    """A network of layers, and what is done with it: it is trained on a data set, or it infers.

    An example is a sequence of `steps` vectors: time steps, or the tokens of a text. Where sequences are of different
    length, time, energy and transfers follow the longest, or with `length: mean` one of `mean_steps`. Recurrent layers
    begin it at zero, or if the network is `stateful` where the example before ended, which then is the stretch of the
    text before it.
    With `program` the run also tells what it takes to write the weights first. `weights` names an npz file with the
    weights that it starts from, [rows, columns] by layer, relative to the workload's own file; else they are drawn.
    """

    later: ClassVar[frozenset[str]] = frozenset(
        {"steps", "length", "mean_steps", "stateful", "mode", "program", "weights", "inference", "values"}
    )
    fills: ClassVar[Mapping[str, str]] = {"dataset": "by the sizes of the layers"}

    name: FreeName
    """Name of the network, as reports call it; the file's own unless given."""
    description: str = ""
    """What the network is, in sentences."""
    mode: Annotated[str, Choice(MODES)] = "training"
    """What is done with each example: it is trained on, or the network infers."""
    program: Flag = False
    """Whether the run also tells what it takes to write the weights first."""
    weights: FileName | None = None
    """An npz file of first weights, [rows, columns] by layer, relative to the workload's own file; else they are
    drawn."""
    dataset: Dataset
    """Where examples come from."""
    steps: Count = 1
    """Vectors of an example: time steps, or tokens; 1 for a plain network."""
    length: Literal["longest", "mean"] = "longest"
    """Whether time and energy follow the longest sequence or one of `mean_steps`."""
    mean_steps: Count | None = None
    """Mean vectors of a sequence, for `length: mean`."""
    stateful: Flag = False
    """Whether recurrent layers begin an example where the one before ended."""
    layers: tuple[Annotated[Layer, Role("layer", registry=LAYERS, default="dense")], ...]
    """Layers of the network, from the input on."""
    training: Training = Training(epochs=1, learning_rate=1.0)  # read for its epochs alone where nothing is trained
    """How it is trained."""
    inference: Inference = Inference()
    """How it infers."""
    values: NetworkValues | None = None
    """How inputs, weights, outputs and errors are distributed, by which reads are then billed."""

    _first_steps: dict[str, int] = PrivateAttr(default_factory=dict)
    _added: frozenset[str] = PrivateAttr(default=frozenset())

    @classmethod
    def shaped(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Return a file's tree with a mapping for each layer; see `archsim.workload.filling`."""
        return filling.shaped(tree)

    @classmethod
    def filled(cls, tree: dict[str, Any]) -> dict[str, Any]:
        """Return a file's tree with what it does not say; see `archsim.workload.filling`."""
        return filling.filled(tree)

    @classmethod
    def with_meanings(cls, schema: Mapping[str, Any]) -> dict[str, Any]:
        """Return the JSON schema with what each key means; sizes alone may stand for layers."""
        found = super().with_meanings(schema)
        layers = found["properties"]["layers"]
        size = {"type": "number", "description": "Outputs of a layer; the first: inputs of the network."}
        if layers["items"].get("anyOf", [{}])[-1] != size:
            layers = {**layers, "items": {"anyOf": [layers["items"], size]}}
        return {**found, "properties": {**found["properties"], "layers": layers}}

    def resolved(self) -> dict[str, Any]:
        """Return the network as plain data, with the digest of its weights' file."""
        found = super().resolved()
        return found if self.weights is None else found | {"weights_sha256": content_digest(self.weights.path)}

    def model_post_init(self, context: Any) -> None:
        """Note once at which step each layer begins, and whose inputs are added elsewhere."""
        self._begin()
        self._added = frozenset(name for layer in self.layers for name in layer.skips)

    def _begin(self) -> None:
        last = False
        for layer in self.layers:
            last = last or layer.at == "last_step"
            self._first_steps[layer.name] = self.steps - 1 if last else 0

    @model_validator(mode="after")
    def _chains(self) -> Self:
        if not self.layers:
            raise PydanticCustomError(
                "layers", "a network needs at least one layer; add one: layers: [784, 10] has 784 inputs and 10 outputs"
            )
        NETWORK_LAYERS.check(len(self.layers))
        if self.mode == "training" and "training" not in self.model_fields_set:
            text = "'training' is missing, which a network that is trained needs; give 'training: {epochs: 1}'"
            raise PydanticCustomError("training", text)
        for name, count in Counter(layer.name for layer in self.layers).items():
            if count > 1:
                raise PydanticCustomError(
                    "layers", "layer '{n}' is named twice; give each layer its own name", {"n": name}
                )
        for before, after in zip(self.layers, self.layers[1:], strict=False):
            if before.outputs != after.inputs:
                text = "layer '{a}' has {x} inputs, but layer '{b}' before it has {y} outputs; make them equal"
                names_ = {"a": after.name, "b": before.name, "x": after.inputs, "y": before.outputs}
                raise PydanticCustomError("layers", text, names_)
        self._compares_like_with_like()
        self._has_a_length()
        self._adds_what_is_there()
        self._states_values_of_layers()
        check_steps(self.layers)
        return self

    def _compares_like_with_like(self) -> None:
        outputs, inputs = self.layers[-1].outputs, self.layers[0].inputs
        if self.dataset.target == "inputs" and outputs != inputs:
            text = (
                "dataset.target is 'inputs', but the last layer has {outputs} outputs and the first {inputs} inputs; "
                "make them equal, or give target 'values' or 'class'"
            )
            raise PydanticCustomError("target", text, {"outputs": outputs, "inputs": inputs})

    def _adds_what_is_there(self) -> None:
        """Hold what `adds` names to layers before it, whose inputs are as many."""
        for index, layer in enumerate(self.layers):
            before = {other.name: place for place, other in enumerate(self.layers[:index])}
            for name in layer.skips:
                names = {"a": layer.name, "b": name, "y": layer.outputs}
                if name not in before:
                    text = "layer '{a}' adds the inputs of '{b}', which is no layer before it; give one of {all}"
                    raise PydanticCustomError("adds", text, {**names, "all": ", ".join(before) or "none"})
                if self.layers[before[name]].inputs != layer.outputs:
                    text = "layer '{a}' adds the {x} inputs of '{b}' to {y} outputs; make them equal"
                    raise PydanticCustomError("adds", text, {**names, "x": self.layers[before[name]].inputs})

    def _states_values_of_layers(self) -> None:
        names = [layer.name for layer in self.layers]
        for name in self.values.layers if self.values is not None else ():
            if name not in names:
                text = "values.layers has '{a}', which is no layer; give one of {all}"
                raise PydanticCustomError("values", text, {"a": name, "all": ", ".join(names)})

    def _has_a_length(self) -> None:
        own = {"steps": self.steps, "mean": self.mean_steps}
        if self.mean_steps is not None and self.mean_steps > self.steps:
            text = "mean_steps is {mean}, and the longest example has {steps} steps; give at most {steps}"
            raise PydanticCustomError("length", text, own)
        if self.length == "mean" and self.mean_steps is None:
            text = "length is 'mean', and mean_steps does not say what that is; give it, at most {steps}"
            raise PydanticCustomError("length", text, own)
        if self.length == "mean" and self.stateful:
            text = "length is 'mean', but stretches of a text are all of {steps} steps; leave it out"
            raise PydanticCustomError("length", text, own)

    @property
    def timed(self) -> Self:
        """The network as time and energy see it: itself, or with `length: mean` one of `mean_steps` steps."""
        if self.length == "longest" or self.mean_steps in (None, self.steps):
            return self
        found = self.model_copy(update={"steps": self.mean_steps})
        found._first_steps = {}
        found._begin()
        return found

    def dense_layers(self) -> tuple[Dense, ...]:
        """Return the layers of a network of fully connected layers and one step; raise SpecError if it is no such.

        GPUs are measured with no others.
        """
        wrong = [
            Problem(f"{self.name}: layers[{i}]", f"a layer of kind '{layer.kind}' is not fully connected",
                    "give a network of dense layers alone, such as mlp_mnist")
            for i, layer in enumerate(self.layers) if not isinstance(layer, Dense)
        ]  # fmt: skip
        if self.steps > 1:
            wrong.append(Problem(f"{self.name}: steps", f"an example has {counted(self.steps, 'step')}", "give 1"))
        if wrong:
            raise SpecError(wrong)
        return tuple(layer for layer in self.layers if isinstance(layer, Dense))

    def first_step(self, layer: str) -> int:
        """Return the first step at which the layer of that name is given a vector: the last from `at: last_step` on."""
        return self._first_steps[layer]

    @property
    def plain(self) -> bool:
        """Whether all layers are fully connected and an example is one step."""
        return self.steps == 1 and all(isinstance(layer, Dense) for layer in self.layers)

    def is_added(self, index: int) -> bool:
        """Return whether another layer adds the inputs of this one to its own."""
        return self.layers[index].name in self._added

    def signed_vector(self, layer: int) -> bool:
        """Whether the vector that drives a layer's matrix may have negative numbers."""
        before = self.layers[layer - 1].signed_outputs if layer else self.dataset.signed
        own = self.layers[layer]
        return before or (own.recurrent and own.signed_outputs)

    @property
    def synapses(self) -> int:
        """Synapses of all layers, bias rows included."""
        return sum(layer.synapses for layer in self.layers)

    @property
    def examples(self) -> int:
        """Examples of the whole run: so many epochs when trained, the data set once in inference."""
        return self.dataset.examples * self.epochs

    @property
    def epochs(self) -> int:
        """How often the run goes through the data set."""
        return int(MODES[self.mode].epochs(self))

    @property
    def stretches(self) -> tuple[tuple[int, ...], ...]:
        """Layers in stretches which go through an example step by step; one that gathers all steps is alone."""
        found: list[tuple[int, ...]] = []
        for index, layer in enumerate(self.layers):
            if found and not layer.gathers and not self.layers[index - 1].gathers:
                found[-1] += (index,)
            else:
                found.append((index,))
        return tuple(found)

    @property
    def ops_per_synapse(self) -> int:
        """Operations of one step and synapse by the field's convention: 6 in training, 2 in inference."""
        return int(MODES[self.mode].ops_per_synapse)

    @property
    def ops_per_example(self) -> int:
        """Operations of one example by that convention; digital work is not among them."""
        return self.ops_per_synapse * sum(layer.synapses * len(layer.vectors(self)) for layer in self.layers)

    @property
    def ops_executed_per_example(self) -> int:
        """Operations that crossbars really do with an example."""
        return int(MODES[self.mode].ops_executed(self))

    @property
    def digital_ops_per_example(self) -> int:
        """Operations of digital layers with an example."""
        return int(MODES[self.mode].digital_ops(self))


def check_steps(layers: Sequence[Layer]) -> None:
    """Raise PydanticCustomError where layers do not follow each other: by weights, or by steps."""
    if not layers[0].blocks:
        text = (
            "layer '{a}' is first and has no weights; leave it to the host: give its outputs as the inputs of the next"
        )
        raise PydanticCustomError("layers", text, {"a": layers[0].name})
    if not any(layer.at == "last_step" for layer in layers):
        return
    first = next(index for index, layer in enumerate(layers) if layer.at == "last_step")
    before = layers[first - 1] if first else None
    names = {"a": layers[first].name, "b": before.name if before else "nothing"}
    if layers[first].recurrent:
        text = (
            "layer '{a}' is recurrent and needs all steps, not the last alone; give 'at: last_step' to the next layer"
        )
        raise PydanticCustomError("layers", text, names)
    if before is None or not (before.recurrent or layers[first].gathers):
        text = (
            "layer '{a}' runs at the last step alone, but after {b}, which then works for nothing at the others; "
            "give 'at: last_step' to the layer that follows a recurrent one, or to a digital layer over the sequence"
        )
        raise PydanticCustomError("layers", text, names)
    for layer in layers[first:]:
        if layer.recurrent:
            text = (
                "layer '{c}' is recurrent and needs all steps, but '{a}' before it runs at the last step alone; leave "
                "'at: last_step' out there"
            )
            raise PydanticCustomError("layers", text, {**names, "c": layer.name})
