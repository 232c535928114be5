"""What belongs to a dense layer behind its matrix: a bias and an activation."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from math import inf, prod
from typing import Any

from archsim.base.errors import SpecError
from archsim.workload.onnx.constants import Constant
from archsim.workload.onnx.matrices import Matrix
from archsim.workload.onnx.nodes import Graph, Node

QUANTISING = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
"""Nodes that bring numbers into another form, as a chip's converters do."""

SAME_VALUES = QUANTISING | {"Identity", "Cast", "CastLike", "Dropout"}
"""Nodes that hand each number on as it is."""

SAME_VECTORS = SAME_VALUES | {"Reshape", "Squeeze", "Unsqueeze", "Flatten"}
"""Nodes that hand vectors on as they are where the last dimension stays."""

MOST_BOUND = 1e6
"""The largest bound or slope of a workload's activation; see `archsim.base.units.Ratio`."""


def with_followers(matrix: Matrix, graph: Graph, taken: set[int]) -> Matrix:
    """Return a dense matrix with the bias and the activation that follow it alone; those nodes are `taken`."""
    if matrix.kind != "dense":
        return matrix
    result, passed = matrix.result, []
    while matrix.keys["activation"] == "linear":
        node = _only_user(graph, result)
        if node is None or graph.shapes.get(result, ())[-1:] != (matrix.outputs,):
            return matrix
        if node.kind in SAME_VECTORS and node.input(0) == result:
            passed.append(node.index)
            result = node.outputs[0]
            continue
        addend = _addend(node, result, graph, matrix.outputs)
        keys = ACTIVATIONS[node.kind](node, graph) if node.kind in ACTIVATIONS and node.input(0) == result else None
        if addend is not None and not matrix.has_bias:
            matrix = replace(matrix, bias=addend.numbers, has_bias=True)
        elif keys is not None:
            matrix = replace(matrix, keys=keys)
        else:
            return matrix
        taken.add(node.index)
        matrix = replace(matrix, result=node.outputs[0])
        result = node.outputs[0]
    return matrix


def _only_user(graph: Graph, tensor: str) -> Node | None:
    users = graph.users.get(tensor, ())
    return users[0] if len(users) == 1 and tensor not in graph.outputs else None


def _addend(node: Node, result: str, graph: Graph, outputs: int) -> Constant | None:
    """Return the constant row that a node adds to each vector, if it adds one."""
    if node.kind != "Add" or result not in node.inputs:
        return None
    held = graph.constant(node, 1 - node.inputs.index(result))
    if held is None or held.shape[-1:] not in ((), (1,), (outputs,)) or prod(held.shape[:-1]) != 1:
        return None
    grown = len(held.shape) > len(graph.shapes[result]) or graph.shapes.get(node.outputs[0]) != graph.shapes[result]
    return None if grown else held


Reader = Callable[[Node, Graph], Mapping[str, Any] | None]


def _named(name: str) -> Reader:
    return lambda node, graph: {"activation": name}


def _clip(node: Node, graph: Graph) -> Mapping[str, Any] | None:
    """Return relu or clipped_relu for a clip from zero; any other clip is none of the workload's activations."""
    low, high = (_limit(node, graph, place, name, otherwise)
                 for place, name, otherwise in ((1, "min", -inf), (2, "max", inf)))  # fmt: skip
    if low != 0 or high is None or high <= 0:
        return None
    if high >= 3.4028234e38:  # the largest number in single precision, which some exporters write for none
        return {"activation": "relu"}
    return {"activation": "clipped_relu", "bound": high} if high <= MOST_BOUND else None


def _limit(node: Node, graph: Graph, place: int, name: str, otherwise: float) -> float | None:
    if not node.input(place):
        return float(node.get(name, otherwise))
    held = graph.constant(node, place)
    return None if held is None else _scalar(held)


def _scalar(held: Constant) -> float | None:
    try:
        return held.scalar()
    except SpecError:
        return None


def _leaky(node: Node, graph: Graph) -> Mapping[str, Any] | None:
    return _slope(float(node.get("alpha", 0.01)))


def _learnt_slope(node: Node, graph: Graph) -> Mapping[str, Any] | None:
    held = graph.constant(node, 1)
    slope = None if held is None else _scalar(held)
    return None if slope is None else _slope(slope)


def _slope(slope: float) -> Mapping[str, Any] | None:
    if slope == 0:
        return {"activation": "relu"}
    # In double precision what was written in single: 0.01 is 0.009999999776482582 otherwise.
    return {"activation": "leaky_relu", "slope": float(f"{slope:.7g}")} if 0 < slope <= MOST_BOUND else None


def _softmax(node: Node, graph: Graph) -> Mapping[str, Any] | None:
    """Return softmax if it is over each vector."""
    axis, rank = node.get("axis", -1 if graph.opset >= 13 else 1), len(graph.shapes[node.input(0)])
    return {"activation": "softmax"} if rank and axis % rank == rank - 1 else None


ACTIVATIONS: Mapping[str, Reader] = {
    "Relu": _named("relu"),
    "Clip": _clip,
    "LeakyRelu": _leaky,
    "PRelu": _learnt_slope,
    "Tanh": _named("tanh"),
    "HardSigmoid": _named("hard_sigmoid"),
    "Sigmoid": _named("sigmoid"),
    "Softmax": _softmax,
    "LogSoftmax": _softmax,
}
"""Nodes that are a layer's activation where they follow it, and its keys in the workload."""
