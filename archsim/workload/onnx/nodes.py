"""A model's graph: its nodes, its constants, the shapes of all tensors, and who reads whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np

from archsim.workload.onnx.constants import (
    FOLDED,
    Constant,
    Shape,
    folded,
    known,
    small_data,
    stored,
    stored_sparsely,
    written,
)
from archsim.workload.onnx.reading import Proto, faults, inferred, outline, read_model
from archsim.workload.onnx.sizes import fix_sizes

SAME_SHAPE = frozenset({"Binarizer", "Imputer", "Normalizer", "Scaler"})
"""Nodes of scikit-learn's converter that keep shapes, which ONNX does not infer."""


class UnknownShapeError(Exception):
    """The shape of a tensor does not follow from the model; its name is the argument."""


@dataclass(frozen=True, eq=False)
class Node:
    """A node of a graph, at its place; `kind` is its operator, with the domain if that is not ONNX's own."""

    index: int
    kind: str
    label: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]

    def input(self, place: int) -> str:
        """Return the name of an input, or nothing if it is not given."""
        return self.inputs[place] if place < len(self.inputs) else ""

    def get(self, name: str, default: Any) -> Any:
        """Return an attribute, or what holds where it is not given."""
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class Graph:
    """What is known of a model: `batch` examples are in its tensors, `opset` is the version of its operators."""

    name: str
    nodes: tuple[Node, ...]
    constants: Mapping[str, Constant]
    shapes: Mapping[str, Shape]
    outputs: frozenset[str]
    batch: int
    opset: int
    first_input: str = ""
    made: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def users(self) -> Mapping[str, tuple[Node, ...]]:
        """Nodes that read a tensor, once for each time that they do."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in node.inputs:
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def shape(self, name: str) -> Shape:
        """Return the shape of a tensor; raise UnknownShapeError."""
        if name not in self.shapes:
            raise UnknownShapeError(name)
        return self.shapes[name]

    def elements(self, name: str) -> int:
        """Return how many numbers of one example a tensor has; raise UnknownShapeError."""
        return ceil(prod(self.shape(name)) / self.batch)

    def constant(self, node: Node, place: int) -> Constant | None:
        """Return an input of a node if it is constant."""
        return self.constants.get(node.input(place))


def read_graph(path: Path, where: str, dims: Mapping[str, int]) -> Graph:
    """Return the graph of a model's file; raise SpecError where it is no model or sizes are missing."""
    model = read_model(path, where)
    own = model.graph
    held = {each.name for each in own.initializer} | {each.values.name for each in own.sparse_initializer}
    inputs = [given for given in own.input if given.name not in held]
    rough = outline(model)
    tensors = [given for given in inputs if given.type.HasField("tensor_type")]
    batch = fix_sizes(rough, tensors, where, dims)
    sized = {given.name: given for given in tensors}
    for given in rough.graph.input:
        if given.name in sized:
            given.CopyFrom(sized[given.name])
    constants, shapes = _settle(model, inferred(rough, data_prop=True), sized, str(path.parent))
    nodes = tuple(_node(index, each) for index, each in enumerate(own.node))
    opset = max((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), default=1)
    made = {name: node.index for node in nodes for name in node.outputs if name}
    outputs = frozenset(each.name for each in own.output)
    first = tensors[0].name if tensors else ""
    return Graph(own.name, nodes, constants, shapes, outputs, batch, opset, first, made)


def _node(index: int, proto: Proto) -> Node:
    import onnx

    values: dict[str, Any] = {}
    for given in proto.attribute:
        value = onnx.helper.get_attribute_value(given)
        values[given.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    kind = proto.op_type if proto.domain in ("", "ai.onnx") else f"{proto.domain}.{proto.op_type}"
    label = proto.name or next(filter(None, proto.output), "") or proto.op_type
    return Node(index, kind, label, tuple(proto.input), tuple(proto.output), values)


def _settle(
    model: Proto, rough: Mapping[str, Proto], inputs: Mapping[str, Proto], folder: str
) -> tuple[dict[str, Constant], dict[str, Shape]]:
    """Return the constants and the shapes of a graph: node by node, each shape with the constants before it.

    `rough` are the types that hold where a node alone does not say.
    """
    import onnx

    graph = model.graph
    constants = {each.name: stored(each, folder) for each in graph.initializer}
    constants |= {each.values.name: stored_sparsely(each, folder) for each in graph.sparse_initializer}
    types = {name: given.type for name, given in inputs.items()}
    for held in graph.initializer:
        types[held.name] = onnx.helper.make_tensor_type_proto(held.data_type, list(held.dims))
    shapes = {name: each.shape for name, each in constants.items()}
    shapes |= {name: shape for name, each in types.items() if (shape := _full(each)) is not None}
    for node in graph.node:
        found = _inferred_outputs(node, types, constants, model)
        if node.op_type in SAME_SHAPE and node.domain == "ai.onnx.ml" and node.input[0] in types:
            found = {node.output[0]: types[node.input[0]]}
        for name in filter(None, node.output):
            own, other = found.get(name), rough.get(name)
            best = own if own is not None and _full(own) is not None else other if other is not None else own
            if best is not None:
                types[name] = best
                if (shape := _full(best)) is not None:
                    shapes[name] = shape
        for constant in _constants_of(node, constants, shapes, model, folder):
            constants[constant.name] = constant
            shapes[constant.name] = constant.shape
    return constants, shapes


def _constants_of(
    node: Proto, constants: Mapping[str, Constant], shapes: Mapping[str, Shape], model: Proto, folder: str
) -> list[Constant]:
    """Return the outputs of a node if they are constants."""
    if node.domain not in ("", "ai.onnx") or not node.output:
        return []
    given = [name for name in node.input if name]
    if node.op_type == "Constant":
        held = written(node, folder)
        return [held] if held else []
    if node.op_type in ("Shape", "Size") and given and given[0] in shapes:
        return [_sizes(node, shapes[given[0]])]
    if node.op_type not in FOLDED or not given or any(name not in constants for name in given):
        return []
    outputs = [name for name in node.output if name]
    if any(name not in shapes for name in outputs):
        return []
    return folded(node, [constants[name] for name in given], [shapes[name] for name in outputs], model.opset_import)


def _sizes(node: Proto, shape: Shape) -> Constant:
    if node.op_type == "Size":
        return known(node.output[0], np.asarray(prod(shape), np.int64))
    ends = {each.name: each.i for each in node.attribute}
    return known(node.output[0], np.asarray(shape[ends.get("start", 0) : ends.get("end", len(shape))], np.int64))


def _inferred_outputs(
    node: Proto, types: Mapping[str, Proto], constants: Mapping[str, Constant], model: Proto
) -> Mapping[str, Proto]:
    """Return the types of a node's outputs as far as its inputs and small constants say; else none."""
    import onnx

    unknown: tuple[type[Exception], ...] = (*faults(), KeyError)  # the operator or a type, or they do not fit
    version = max((each.version for each in model.opset_import if _same(each.domain, node.domain)), default=0)
    try:
        schema = onnx.defs.get_schema(node.op_type, version, node.domain if node.domain != "ai.onnx" else "")
        own = {name: types[name] for name in node.input if name}
        found: Mapping[str, Proto] = onnx.shape_inference.infer_node_outputs(
            schema, node, own, small_data(list(own), constants), opset_imports=list(model.opset_import),
            ir_version=model.ir_version,
        )  # fmt: skip
    except unknown:
        return {}
    return found


def _same(one: str, other: str) -> bool:
    return (one if one != "ai.onnx" else "") == (other if other != "ai.onnx" else "")


def _full(type_: Proto) -> Shape | None:
    """Return the shape that a type says, if it is a tensor's and says all of it."""
    if not type_.HasField("tensor_type") or not type_.tensor_type.HasField("shape"):
        return None
    dims = type_.tensor_type.shape.dim
    if any(not dim.HasField("dim_value") or dim.dim_value < 0 for dim in dims):
        return None
    return tuple(dim.dim_value for dim in dims)
