"""What the nodes of an ONNX graph do to vectors: stationary matrices, activations, digital work, or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil, prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

F32: TypeAlias = npt.NDArray[np.float32]
Shape: TypeAlias = tuple[int, ...]

SHAPES_ALONE = frozenset({
    "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Cast", "Slice", "Gather",
    "Split", "Concat", "Shape", "Constant", "ConstantOfShape", "Expand",
})  # fmt: skip
"""Nodes that move or name numbers and compute none."""

RECURRENT: Mapping[str, tuple[str, int]] = {"LSTM": ("lstm", 4), "GRU": ("gru", 3)}
"""Recurrent nodes: the layer's kind, and its gates."""

ACTIVATIONS: Mapping[str, str] = {
    "Relu": "relu", "Sigmoid": "sigmoid", "Tanh": "tanh", "Softmax": "softmax", "LogSoftmax": "softmax",
    "Clip": "clipped_relu",
}  # fmt: skip
"""Nodes that are a layer's activation where they follow it, by the workload's names."""


@dataclass(frozen=True)
class Matrix:
    """A matrix with stationary weights in a graph: a node, the tensor that it reads, and what it hands on.

    `weights` are [rows, outputs], a bias row last where there is one; of a recurrent layer as `gate_rows` says,
    and `outputs` counts hidden units. `steps` is how many vectors an example brings.
    """

    name: str
    kind: str
    source: str
    result: str
    inputs: int
    outputs: int
    bias: bool
    steps: int
    weights: F32
    activation: str = "linear"


@dataclass(frozen=True)
class Context:
    """What is known of a graph: constants and shapes of tensors by name, and for how many examples it is made."""

    constants: Mapping[str, npt.NDArray[Any]]
    shapes: Mapping[str, Shape]
    batch: int = 1

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor; raise UnknownShapeError where it is not known in full."""
        found = self.shapes.get(name, ())
        if name not in self.shapes or not all(found):
            raise UnknownShapeError(name)
        return found

    def elements(self, name: str) -> int:
        """Return how many numbers of one example a tensor has; raise UnknownShapeError."""
        return ceil(prod(self.shape(name)) / self.batch)

    def vectors(self, name: str) -> int:
        """Return how many vectors (last dimensions) of one example a tensor has; raise UnknownShapeError."""
        return ceil(prod(self.shape(name)[:-1]) / self.batch)


class UnknownShapeError(Exception):
    """The shape of a tensor does not follow from the model; its name is the argument."""


Count: TypeAlias = Callable[[Any, Context], int]


def _per_output(count: int) -> Count:
    return lambda node, context: count * context.elements(node.output[0])


def _convolution(node: Any, context: Context) -> int:
    kernel = context.shape(node.input[1])
    return context.elements(node.output[0]) * prod(kernel[1:])


def _product(node: Any, context: Context) -> int:
    return context.elements(node.output[0]) * context.shape(node.input[0])[-1]


def _pool(node: Any, context: Context) -> int:
    kernel = next((prod(a.ints) for a in node.attribute if a.name == "kernel_shape"), 1)
    return int(context.elements(node.output[0]) * kernel)


def _whole_input(node: Any, context: Context) -> int:
    return context.elements(node.input[0])


MIXES_STEPS = frozenset({"MatMul", "GlobalAveragePool", "ReduceMean", "ReduceSum"})
"""Nodes of digital work that need the vectors of all steps."""

DIGITAL: dict[str, Count] = {
    "Conv": _convolution,
    "MatMul": _product,
    "MaxPool": _pool,
    "AveragePool": _pool,
    "GlobalAveragePool": _whole_input,
    "ReduceMean": _whole_input,
    "ReduceSum": _whole_input,
    # A softmax is a maximum, a difference, an exponential, a sum and a quotient per element; a normalisation a mean, a
    # difference, a square, a mean, a root, a quotient, a product and a sum.
    "Softmax": _per_output(5),
    "LayerNormalization": _per_output(8),
    "BatchNormalization": _per_output(2),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Sqrt", "Pow", "Neg", "Exp", "Relu", "Sigmoid", "Tanh", "Clip", "Erf",
                     "Gelu", "Where", "Max", "Min"), _per_output(1)),
}  # fmt: skip
"""Operations of one example of what a chip's digital units can be charged with, by node; a multiply-add counts one,
as in `archsim.workload.layers.Digital`.

How many an activation or a normalisation takes is an assumption.
"""


def attribute(node: Any, name: str, default: Any) -> Any:
    """Return a node's attribute, or what holds where it is not given."""
    for given in node.attribute:
        if given.name == name:
            return {1: given.f, 2: given.i, 3: given.s.decode(), 7: list(given.ints)}.get(given.type, default)
    return default


def with_bias(weights: npt.NDArray[Any], bias: npt.NDArray[Any] | None) -> F32:
    """Return [inputs, outputs] weights with the bias as their last row."""
    rows = [np.asarray(weights, np.float32)]
    if bias is not None:
        rows.append(np.broadcast_to(np.asarray(bias, np.float32).reshape(-1), (weights.shape[1],))[None])
    return np.concatenate(rows)


def gate_rows(w: npt.NDArray[Any], r: npt.NDArray[Any], bias: npt.NDArray[Any] | None, apart: bool) -> F32:
    """Return the matrix of a recurrent layer from ONNX's W [gates hidden, inputs], R [gates hidden, hidden] and biases.

    Rows are inputs, hidden units and one row of biases; with `apart`, inputs and their biases, hidden units and theirs.
    Columns go unit by unit, the gates of a unit side by side in ONNX's order.
    """
    by_input, by_hidden = np.asarray(w, np.float32).T, np.asarray(r, np.float32).T
    rows = [by_input, by_hidden]
    if bias is not None:
        first, second = (half[None] for half in np.split(np.asarray(bias, np.float32), 2))
        rows = [by_input, first, by_hidden, second] if apart else [by_input, by_hidden, first + second]
    matrix = np.concatenate(rows)
    hidden = by_hidden.shape[0]
    by_unit = matrix.reshape(len(matrix), -1, hidden).transpose(0, 2, 1)
    return np.ascontiguousarray(by_unit.reshape(len(matrix), -1))


def together(parts: Sequence[Matrix]) -> Matrix:
    """Return several matrices that read the same vector as one, their columns side by side."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    biased = any(part.bias for part in parts)
    columns = [
        part.weights if part.bias or not biased else np.concatenate([part.weights, np.zeros((1, part.outputs))])
        for part in parts
    ]
    return Matrix(
        "+".join(part.name for part in parts), first.kind, first.source, parts[-1].result, first.inputs,
        sum(part.outputs for part in parts), biased, first.steps, np.concatenate(columns, 1, dtype=np.float32),
    )  # fmt: skip
