"""Work beside stationary weights: how many operations of an example the nodes of a graph take.

A multiply-add counts one, as in `archsim.workload.layers.Digital`; the addition of a bias is part of it. How many an
activation or a normalisation takes is an assumption.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import TypeAlias

from archsim.workload.onnx.nodes import Graph, Node

MOVES = frozenset({
    "Flatten", "Reshape", "Squeeze", "Unsqueeze", "Transpose", "Identity", "Dropout", "Cast", "CastLike", "Slice",
    "Gather", "GatherElements", "GatherND", "Split", "Concat", "Shape", "Size", "Constant", "ConstantOfShape", "Expand",
    "Tile", "Pad", "DepthToSpace", "SpaceToDepth", "ScatterElements", "ScatterND", "Trilu", "Range", "EyeLike",
})  # fmt: skip
"""Nodes that move or name numbers and compute none."""

LOOK_UPS = frozenset({"Gather", "GatherElements", "GatherND"})
"""Nodes that take numbers out of a table."""

HOST = frozenset({
    "ArgMax", "ArgMin", "TopK", "NonZero", "OneHot", "StringNormalizer", "TfIdfVectorizer", "LabelEncoder",
    *(f"ai.onnx.ml.{kind}" for kind in (
        "ArrayFeatureExtractor", "Binarizer", "CastMap", "CategoryMapper", "DictVectorizer", "FeatureVectorizer",
        "Imputer", "LabelEncoder", "Normalizer", "OneHotEncoder", "Scaler", "ZipMap",
    )),
})  # fmt: skip
"""Nodes that prepare what goes into a network or choose among what comes out: the host's work, not the chip's."""

Count: TypeAlias = Callable[[Node, Graph], int]


@dataclass(frozen=True, eq=False)
class Work:
    """Digital work: its node, a name of its kind, and the operations of an example.

    `mixes` says whether it needs the vectors of several steps.
    """

    node: Node
    kind: str
    ops: int
    mixes: bool


def _per_output(count: int) -> Count:
    return lambda node, graph: count * graph.elements(node.outputs[0])


def _variadic(node: Node, graph: Graph) -> int:
    return max(1, len(node.inputs) - 1) * graph.elements(node.outputs[0])


def _convolution(place: int) -> Count:
    return lambda node, graph: graph.elements(node.outputs[0]) * prod(graph.shape(node.input(place))[1:])


def _transposed_convolution(node: Node, graph: Graph) -> int:
    return graph.elements(node.input(0)) * prod(graph.shape(node.input(1))[1:])


def _product(node: Node, graph: Graph) -> int:
    return graph.elements(node.outputs[0]) * (graph.shape(node.input(0)) or (1,))[-1]


def _gemm(node: Node, graph: Graph) -> int:
    axis = 0 if node.get("transA", 0) else 1
    return graph.elements(node.outputs[0]) * graph.shape(node.input(0))[axis]


def _pool(node: Node, graph: Graph) -> int:
    return graph.elements(node.outputs[0]) * int(prod(node.get("kernel_shape", (1,))))


def _local_response(node: Node, graph: Graph) -> int:
    """A square, a sum over so many channels, a product, a power and a quotient for each number."""
    return (int(node.get("size", 1)) + 4) * graph.elements(node.outputs[0])


def _whole_input(node: Node, graph: Graph) -> int:
    return graph.elements(node.input(0))


def _attention(node: Node, graph: Graph) -> int:
    """Two products for each pair of a query and a key of each head, and the softmax of that pair."""
    q, k, v = (graph.shape(name) for name in node.inputs[:3])
    past = graph.shape(node.input(4))[-2] if node.input(4) else 0
    heads = q[1] if len(q) == 4 else node.get("q_num_heads", 1)
    key_heads = heads if len(q) == 4 else node.get("kv_num_heads", 1)
    length, value_length = (q[-1], v[-1]) if len(q) == 4 else (q[-1] // heads, v[-1] // key_heads)
    pairs = q[0] * heads * q[-2] * (k[-2] + past)
    return -(-pairs * (length + value_length + 5) // graph.batch)


ELEMENTWISE = (
    "Abs", "Acos", "And", "Asin", "Atan", "BitwiseAnd", "BitwiseNot", "BitwiseOr", "Ceil", "Celu", "Clip", "Cos",
    "Cosh", "CumSum", "Div", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid",
    "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "Mish", "Mod", "Mul", "Neg", "Not", "Or",
    "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus",
    "Softsign", "Sqrt", "Sub", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor", "Add",
    "com.microsoft.QLinearAdd", "com.microsoft.QLinearMul", "com.microsoft.QLinearSigmoid",
    "com.microsoft.QLinearLeakyRelu", "com.microsoft.Gelu",
)  # fmt: skip
"""Nodes of one operation for each number that they put out."""

PER_VECTOR: Mapping[str, Count] = {
    **dict.fromkeys(ELEMENTWISE, _per_output(1)),
    **dict.fromkeys(("Max", "Min", "Mean", "Sum"), _variadic),
    # A softmax is a maximum, a difference, an exponential, a sum and a quotient per element; a normalisation a mean, a
    # difference, a square, a mean, a root, a quotient, a product and a sum, or without a mean a square, a mean, a root,
    # a quotient and a product; a maximum that is set to one a comparison and a choice.
    **dict.fromkeys(("Softmax", "LogSoftmax", "com.microsoft.QLinearSoftmax"), _per_output(5)),
    "LayerNormalization": _per_output(8),
    "RMSNormalization": _per_output(5),
    "BatchNormalization": _per_output(2),
    "Hardmax": _per_output(2),
}
"""Work on each vector alone."""

MIXES: Mapping[str, Count] = {
    "Conv": _convolution(1),
    "ConvInteger": _convolution(1),
    "QLinearConv": _convolution(3),
    "ConvTranspose": _transposed_convolution,
    "MatMul": _product,
    "MatMulInteger": _product,
    "QLinearMatMul": _product,
    "Gemm": _gemm,
    "Attention": _attention,
    "LRN": _local_response,
    **dict.fromkeys(("MaxPool", "AveragePool", "LpPool"), _pool),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool", "com.microsoft.QLinearGlobalAveragePool"),
                    _whole_input),
    **dict.fromkeys(("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                     "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"), _whole_input),
    "InstanceNormalization": _per_output(8),
    "GroupNormalization": _per_output(8),
}  # fmt: skip
"""Work that may need the vectors of several steps."""

DIGITAL: Mapping[str, Count] = {**PER_VECTOR, **MIXES}
"""What a chip's digital units can be charged with, by node."""


def work_of(node: Node, graph: Graph) -> Work:
    """Return the digital work of a node; raise UnknownShapeError."""
    kind = node.kind.rpartition(".")[2]
    return Work(node, kind, DIGITAL[node.kind](node, graph), node.kind in MIXES and not _along_vectors(node, graph))


def _along_vectors(node: Node, graph: Graph) -> bool:
    """Return whether a reduction goes along the last axis alone."""
    if not node.kind.startswith("Reduce"):
        return False
    held = graph.constant(node, 1)
    axes = [int(axis) for axis in held.numbers().reshape(-1)] if held and held.small else node.get("axes", [])
    return list(axes) in ([-1], [len(graph.shape(node.input(0))) - 1])
