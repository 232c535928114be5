"""Matrices with constant weights in a graph: products, and the ones that quantised models and scikit-learn write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.workload.onnx.constants import Constant
from archsim.workload.onnx.nodes import Graph, Node

F32: TypeAlias = npt.NDArray[np.float32]
Numbers: TypeAlias = Callable[[], npt.NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Matrix:
    """A matrix with constant weights: the node that has it, the tensor that it reads, and the one it hands on.

    An example brings `vectors` vectors. `weights` makes its numbers, [inputs, outputs], and `bias` those of its biases;
    of a recurrent layer `weights` makes all, as `gate_rows` says, and `outputs` counts hidden units. `origins` names
    the constants that it is made of, `keys` are keys of the layer beside sizes, `backward` says that it goes through
    time from the last step to the first, and `notes` say what of the node is not in the layer.
    """

    name: str
    node: Node
    source: str
    result: str
    inputs: int
    outputs: int
    vectors: int
    weights: Numbers
    bias: Numbers | None = None
    kind: str = "dense"
    has_bias: bool = False
    origins: frozenset[str] = frozenset()
    keys: Mapping[str, Any] = field(default_factory=lambda: {"activation": "linear"})
    backward: bool = False
    notes: tuple[str, ...] = ()

    def numbers(self) -> F32:
        """Return all weights, [rows, outputs], of a dense layer with its bias row last."""
        weights = np.asarray(self.weights(), np.float32)
        if self.bias is None:
            return weights
        row = np.broadcast_to(np.asarray(self.bias(), np.float32).reshape(-1), (weights.shape[1],))
        return np.concatenate([weights, row[None]])


class RefusedError(Exception):
    """A node cannot be imported: what it does that the simulator lacks, and what to try."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what, self.hint = what, hint


def vectors_of(graph: Graph, tensor: str, length: int) -> int:
    """Return how many vectors of one example, each of so many numbers, a tensor has; raise UnknownShapeError."""
    vectors, rest = divmod(prod(graph.shape(tensor)), length * graph.batch) if length else (0, 0)
    if rest:
        raise RefusedError(
            f"reads {prod(graph.shape(tensor)):,} numbers in vectors of {length:,}, in {graph.batch} examples",
            "the first axis of the first input must be the batch; export the model for one example",
        )
    return vectors


def product(node: Node, graph: Graph) -> Matrix | None:
    """Return the matrix of a product whose one factor is constant; None if there is no such, or it is no matrix."""
    return _product(node, graph, 0, 1, lambda held: held.numbers)


def integer_product(node: Node, graph: Graph) -> Matrix | None:
    """Return the matrix of a product of integers: its weights are what they are beyond their zero point."""
    return _product(node, graph, 0, 1, lambda held: lambda: _beyond(held, graph.constant(node, 3)))


def scaled_product(node: Node, graph: Graph) -> Matrix | None:
    """Return the matrix of a product of quantised numbers, its weights in real numbers."""
    return _product(
        node, graph, 0, 3, lambda held: lambda: _real(held, graph.constant(node, 4), graph.constant(node, 5))
    )


def gemm(node: Node, graph: Graph) -> Matrix | None:
    """Return the matrix of a `Gemm` with constant weights; None if they are not constant."""
    alpha, beta = float(node.get("alpha", 1.0)), float(node.get("beta", 1.0))
    held, addend = graph.constant(node, 1), graph.constant(node, 2)
    flipped = node.get("transB", 0)
    if held is None:  # of A B with a constant A, the columns of B are the vectors
        held, flipped = graph.constant(node, 0), not node.get("transA", 0)
        if held is None:
            return None
        place, down = 1, not node.get("transB", 0)
        row = None
    else:
        place, down = 0, bool(node.get("transA", 0))
        row = _row(addend, held.shape[0 if flipped else 1])
    shape = held.shape[::-1] if flipped else held.shape
    weights = held.numbers

    def scaled() -> npt.NDArray[Any]:
        return alpha * np.asarray(weights().T if flipped else weights(), np.float32)

    source = node.input(place)
    length = graph.shape(source)[0 if down else 1]
    return Matrix(
        node.label, node, source, node.outputs[0], length, shape[1], vectors_of(graph, source, length), scaled,
        None if row is None else (lambda: beta * np.asarray(row.numbers(), np.float32)),
        has_bias=row is not None, origins=held.origins,
    )  # fmt: skip


def quantised_gemm(node: Node, graph: Graph) -> Matrix | None:
    """Return the matrix of ONNX Runtime's `QGemm`, in real numbers; None if its weights are not constant."""
    held, scale, flipped = graph.constant(node, 3), graph.constant(node, 4), node.get("transB", 0)
    if held is None:
        return None
    if node.get("transA", 0):
        raise RefusedError("transposes its vectors", "export it without transA")
    inputs, outputs = held.shape[::-1] if flipped else held.shape
    row, input_scale = _row(graph.constant(node, 6), outputs), graph.constant(node, 1)

    def real() -> npt.NDArray[Any]:
        numbers = _real(held, scale, graph.constant(node, 5), axis=0 if flipped else 1)
        return np.asarray(node.get("alpha", 1.0) * (numbers.T if flipped else numbers))

    def biases() -> npt.NDArray[Any]:
        assert row is not None
        factors = [1.0 if each is None else np.asarray(each.numbers(), np.float32) for each in (scale, input_scale)]
        return np.asarray(row.numbers().reshape(-1) * factors[0] * factors[1])

    return Matrix(
        node.label, node, node.input(0), node.outputs[0], inputs, outputs, vectors_of(graph, node.input(0), inputs),
        real, None if row is None else biases, has_bias=row is not None, origins=held.origins,
    )  # fmt: skip


def linear_classifier(node: Node, graph: Graph) -> Matrix:
    """Return the matrix of scikit-learn's linear classifiers, as its converter writes them."""
    return _linear(node, graph, node.outputs[-1], "coefficients", "intercepts")


def linear_regressor(node: Node, graph: Graph) -> Matrix:
    """Return the matrix of scikit-learn's linear regressors, as its converter writes them."""
    return _linear(node, graph, node.outputs[0], "coefficients", "intercepts")


READERS: Mapping[str, Callable[[Node, Graph], Matrix | None]] = {
    "MatMul": product,
    "Gemm": gemm,
    "MatMulInteger": integer_product,
    "QLinearMatMul": scaled_product,
    "com.microsoft.QGemm": quantised_gemm,
    "ai.onnx.ml.LinearClassifier": linear_classifier,
    "ai.onnx.ml.LinearRegressor": linear_regressor,
}
"""Nodes that may have a matrix with constant weights, and how it is read; without one they are digital work."""

TRANSFORMS: Mapping[str, str] = {"NONE": "linear", "SOFTMAX": "softmax", "LOGISTIC": "sigmoid"}
"""Activations of scikit-learn's linear models, by the workload's names."""


def _product(node: Node, graph: Graph, left: int, right: int, numbers: Callable[[Constant], Numbers]) -> Matrix | None:
    held, first = graph.constant(node, right), graph.constant(node, left)
    if held is not None and (shape := _flat(held.shape)):
        read = numbers(held)
        source = node.input(left)
        length = graph.shape(source)[-1]
        return Matrix(
            node.label, node, source, node.outputs[0], length, shape[1], vectors_of(graph, source, length),
            lambda: read().reshape(shape), origins=held.origins,
        )  # fmt: skip
    if first is not None and node.kind == "MatMul" and (shape := _turned(first.shape)):
        source = node.input(right)
        length = graph.shape(source)[-min(2, len(graph.shape(source)))]
        return Matrix(
            node.label, node, source, node.outputs[0], length, shape[1], vectors_of(graph, source, length),
            lambda: first.numbers().reshape(shape[::-1]).T, origins=first.origins,
        )  # fmt: skip
    return None


def _flat(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the shape of a matrix or a vector as [inputs, outputs]; None of a stack of several matrices."""
    if len(shape) == 1:
        return shape[0], 1
    return (shape[-2], shape[-1]) if len(shape) > 1 and prod(shape[:-2]) == 1 else None


def _turned(shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return the shape of a first factor as [inputs, outputs]; a vector has one output."""
    flat = _flat(shape)
    return flat[::-1] if flat and len(shape) > 1 else flat


def _row(held: Constant | None, outputs: int) -> Constant | None:
    """Return a constant if it is one row of biases: one for each output, or one for all."""
    if held is None or held.elements not in (1, outputs) or prod(held.shape[:-1]) != 1:
        return None
    return held


def _beyond(held: Constant, zero: Constant | None) -> npt.NDArray[Any]:
    numbers = held.numbers().astype(np.float32)
    return numbers if zero is None else numbers - zero.numbers().astype(np.float32)


def _real(held: Constant, scale: Constant | None, zero: Constant | None, axis: int = -1) -> npt.NDArray[Any]:
    """Return quantised numbers as real ones; scales and zero points are one, or one for each place along an axis."""
    numbers = np.asarray(held.numbers(), np.float32)
    for each, apply in ((zero, np.subtract), (scale, np.multiply)):
        if each is not None:
            by = np.asarray(each.numbers(), np.float32)
            if by.ndim == 1 and by.size > 1:
                by = np.moveaxis(by.reshape((-1,) + (1,) * (numbers.ndim - 1)), 0, axis)
            numbers = apply(numbers, by)
    return numbers


def _linear(node: Node, graph: Graph, result: str, weights: str, biases: str) -> Matrix:
    shape, after = graph.shape(node.input(0)), node.get("post_transform", "NONE")
    if after not in TRANSFORMS:
        raise RefusedError(f"ends in {after}", f"known: {', '.join(TRANSFORMS)}")
    numbers = np.asarray(node.get(weights, ()), np.float32)
    row = np.asarray(node.get(biases, ()), np.float32)
    inputs = shape[-1] if shape else 1
    outputs = len(numbers) // inputs if inputs else 0
    if not outputs or outputs * inputs != len(numbers) or len(row) not in (0, outputs):
        what = f"has {len(numbers)} coefficients and {len(row)} intercepts for vectors of {inputs}"
        raise RefusedError(what, "export the model again")
    return Matrix(
        node.label, node, node.input(0), result, inputs, outputs, vectors_of(graph, node.input(0), inputs),
        lambda: numbers.reshape(outputs, inputs).T, (lambda: row) if len(row) else None, has_bias=len(row) > 0,
        origins=frozenset({node.outputs[0]}), keys={"activation": TRANSFORMS[after]},
    )  # fmt: skip
