"""A workload from an ONNX model: its matrices are layers in the order of the graph, the rest is digital work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archsim.errors import Problem, SpecError
from archsim.workload.layers import LAYERS
from archsim.workload.onnx_graph import read_graph
from archsim.workload.onnx_ops import (
    ACTIVATIONS,
    DIGITAL,
    F32,
    MIXES_STEPS,
    RECURRENT,
    SHAPES_ALONE,
    Context,
    Matrix,
    UnknownShapeError,
    attribute,
    gate_rows,
    together,
    with_bias,
)

EXAMPLES = 10_000
"""Examples of an imported workload, since a model does not say; an assumption."""


@dataclass(frozen=True)
class Imported:
    """A workload as plain data, the weights of its layers by name ([rows, outputs]), and what the user should know."""

    workload: dict[str, Any]
    weights: dict[str, F32]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Found:
    """What a graph holds, in its order: matrices, and (node, name of its kind, operations) of digital work."""

    matrices: tuple[Matrix, ...]
    digital: tuple[tuple[Any, str, int], ...]


def import_onnx(
    path: Path, *, digital: bool = False, dims: Mapping[str, int] | None = None, weights_file: str | None = None
) -> Imported:
    """Return the workload of an ONNX model.

    `dims` gives symbolic dimensions their sizes (the first dimension is the batch and may stay symbolic). With
    `digital`, what is no matrix with stationary weights becomes digital work; else it is refused by name. Raises
    SpecError for what cannot be read, has dynamic shapes, or holds nothing fully connected.
    """
    where = str(path)
    graph, context = read_graph(path, where, dims or {})
    found = _walk(graph, context, where)
    if not found.matrices:
        kinds = ", ".join(sorted({node.op_type for node in graph.node})) or "no nodes"
        hint = "archsim needs Gemm, MatMul with constant weights, LSTM or GRU"
        raise SpecError([Problem(where, f"holds nothing fully connected ({kinds})", hint)])
    steps = max(matrix.steps for matrix in found.matrices)
    odd = [
        Problem(where, f"node '{matrix.name}' is given {matrix.steps} vectors of an example, and others {steps}",
                f"all must be given {steps}, or one; import the parts of the model one by one")
        for matrix in found.matrices if matrix.steps not in (1, steps)
    ]  # fmt: skip
    if odd:
        raise SpecError(odd)
    layers, notes = _chain(graph, found, digital, where)
    weights = {layer["name"]: matrix.weights for layer, matrix in layers if matrix is not None}
    workload: dict[str, Any] = {
        "kind": "workload",
        "name": _safe(graph.name or path.stem),
        "description": f"Imported from {path.name}; shapes and weights are the model's.",
        "mode": "inference",
        **({"weights": weights_file} if weights_file else {}),
        "dataset": {"name": "none", "source": "shapes alone", "status": "assumption", "examples": EXAMPLES},
        **({"steps": steps} if steps > 1 else {}),
        "layers": [layer for layer, _ in layers],
        "training": {
            "epochs": {"value": 1, "status": "assumption"},
            "learning_rate": {"value": 0.01, "status": "assumption", "note": "has no influence on time"},
        },
    }
    return Imported(workload, weights, tuple(notes))


def sizes_of(settings: Sequence[str]) -> dict[str, int]:
    """Return the sizes that NAME=N settings give to symbolic dimensions; raise SpecError for others.

    >>> sizes_of(["seq=20"])
    {'seq': 20}
    """
    sizes, faults = {}, []
    for setting in settings:
        name, _, size = setting.partition("=")
        if name and size.isdecimal() and int(size) > 0:
            sizes[name] = int(size)
        else:
            faults.append(Problem(f"--dim {setting}", "is no size of a dimension", "for example --dim seq=20"))
    if faults:
        raise SpecError(faults)
    return sizes


def _walk(graph: Any, context: Context, where: str) -> Found:
    """Return the matrices and the digital work of a graph; raise SpecError with all nodes that cannot be either."""
    matrices: list[Matrix] = []
    work: list[tuple[Any, str, int]] = []
    strange: list[Problem] = []
    users: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    taken: set[int] = set()
    for node in graph.node:
        if id(node) in taken or node.op_type in SHAPES_ALONE:
            continue
        try:
            matrix = _matrix_of(node, context, where, strange)
            ops = DIGITAL[node.op_type](node, context) if matrix is None and node.op_type in DIGITAL else 0
        except UnknownShapeError as error:
            what = f"node '{node.name or node.output[0]}' ({node.op_type}): the shape of '{error}' is not known"
            strange.append(Problem(where, what, "export the model with fixed sizes, or give --dim NAME=N"))
            continue
        if matrix is not None:
            matrices.append(_with_followers(matrix, users, context, taken))
        elif node.op_type in DIGITAL:
            work.append((node, node.op_type, ops))
        elif node.op_type not in RECURRENT and node.op_type != "Gemm":
            what = f"node '{node.name or node.output[0]}' ({node.op_type}) is no fully connected layer"
            strange.append(Problem(where, what, f"known: Gemm, MatMul, LSTM, GRU, {', '.join(sorted(DIGITAL))}"))
    if strange:
        raise SpecError(strange)
    return Found(tuple(matrices), tuple(work))


def _matrix_of(node: Any, context: Context, where: str, strange: list[Problem]) -> Matrix | None:
    """Return the matrix that a node multiplies with, if its weights are constant."""
    name = _safe(node.name or node.output[0])
    if node.op_type in RECURRENT:
        return _recurrent(node, name, context, where, strange)
    if node.op_type not in ("Gemm", "MatMul"):
        return None
    if node.input[1] not in context.constants:
        if node.op_type == "Gemm":
            what = f"node '{name}' (Gemm) has weights that are no constants"
            strange.append(Problem(where, what, "export the model with its weights, or as a MatMul"))
        return None
    weights = context.constants[node.input[1]]
    if weights.ndim != 2:
        return None
    bias = None
    if node.op_type == "Gemm":
        if attribute(node, "transA", 0):
            strange.append(Problem(where, f"node '{name}' (Gemm) transposes its vectors", "export it without transA"))
            return None
        weights = attribute(node, "alpha", 1.0) * (weights.T if attribute(node, "transB", 0) else weights)
        given = node.input[2] if len(node.input) > 2 else ""
        bias = attribute(node, "beta", 1.0) * context.constants[given] if given in context.constants else None
    return Matrix(
        name, "dense", node.input[0], node.output[0], weights.shape[0], weights.shape[1], bias is not None,
        context.vectors(node.input[0]), with_bias(weights, bias),
    )  # fmt: skip


def _recurrent(node: Any, name: str, context: Context, where: str, strange: list[Problem]) -> Matrix | None:
    kind, gates = RECURRENT[node.op_type]
    direction = attribute(node, "direction", "forward")
    faults = []
    if direction != "forward":
        faults.append((f"is {direction}", "archsim unrolls forward in time; split it into layers"))
    if any(tensor not in context.constants for tensor in node.input[1:3]):
        faults.append(("has weights that are no constants", "export the model with its weights"))
    if node.op_type == "GRU" and not attribute(node, "linear_before_reset", 0):
        faults.append(("resets before the product", "export it with linear_before_reset = 1, as PyTorch does"))
    strange += [Problem(where, f"node '{name}' ({node.op_type}) {what}", hint) for what, hint in faults]
    if faults:
        return None
    w, r = (context.constants[tensor][0] for tensor in node.input[1:3])
    given = node.input[3] if len(node.input) > 3 else ""
    bias = context.constants[given][0] if given in context.constants else None
    return Matrix(
        name, kind, node.input[0], node.output[0], w.shape[1], w.shape[0] // gates, bias is not None,
        context.vectors(node.input[0]), gate_rows(w, r, bias, apart=LAYERS[kind].apart > 0),
    )  # fmt: skip


def _with_followers(matrix: Matrix, users: Mapping[str, list[Any]], context: Context, taken: set[int]) -> Matrix:
    """Return a matrix with the bias and the activation that follow it; those nodes are `taken`."""
    while matrix.kind == "dense":
        followers = users.get(matrix.result, [])
        if len(followers) != 1:
            return matrix
        (node,) = followers
        constant = next((name for name in node.input if name in context.constants), None)
        if node.op_type == "Add" and constant is not None and not matrix.bias and matrix.activation == "linear":
            bias = context.constants[constant]
            if bias.size not in (1, matrix.outputs):
                return matrix
            matrix = replace(matrix, bias=True, weights=with_bias(matrix.weights, bias), result=node.output[0])
        elif node.op_type in ACTIVATIONS and matrix.activation == "linear":
            matrix = replace(matrix, activation=ACTIVATIONS[node.op_type], result=node.output[0])
        else:
            return matrix
        taken.add(id(node))
    return matrix


def _chain(
    graph: Any, found: Found, digital: bool, where: str
) -> tuple[list[tuple[dict[str, Any], Matrix | None]], list[str]]:
    """Return the layers with their matrices: those that read the same vector as one, digital work between them."""
    place = {id(node): i for i, node in enumerate(graph.node)}
    made = {name: i for i, node in enumerate(graph.node) for name in node.output}
    groups: dict[str, list[Matrix]] = {}
    for matrix in found.matrices:
        groups.setdefault(matrix.source, []).append(matrix)
    joined = [together(parts) for parts in groups.values()]
    if found.digital and not digital:
        hint = "charge such work to the digital units with --digital"
        raise SpecError(
            Problem(
                where, f"node '{node.name or node.output[0]}' ({kind}, {ops:,} operations) has no fixed weights", hint
            )
            for node, kind, ops in found.digital
        )
    steps = max(matrix.steps for matrix in joined)
    layers: list[tuple[dict[str, Any], Matrix | None]] = []
    notes = []
    ends = [made[matrix.result] for matrix in joined]
    for index, matrix in enumerate(joined):
        before = ends[index - 1] if index else -1
        between = [(node, kind, ops) for node, kind, ops in found.digital if before < place[id(node)] < ends[index]]
        width = joined[index - 1].outputs if index else matrix.inputs
        if between or width != matrix.inputs:
            ops = sum(each for *_, each in between)
            kinds = ", ".join(dict.fromkeys(kind for _, kind, _ in between)) or "a change of shape"
            runs = min([steps, *(other.steps for other in joined[:index])])  # behind a layer of the last step, one
            layers.append((_digital(f"digital{index}", width, matrix.inputs, between, runs), None))
            notes.append(f"digital{index}: {ops:,} operations per example ({kinds}), charged to the digital units")
        layers.append((_layer(matrix, steps), matrix))
    after = [work for work in found.digital if place[id(work[0])] > ends[-1]]
    if after:
        ops, width = sum(each for *_, each in after), joined[-1].outputs
        runs = min(matrix.steps for matrix in joined)
        layers.append((_digital(f"digital{len(joined)}", width, width, after, runs), None))
        kinds = ", ".join(dict.fromkeys(kind for _, kind, _ in after))
        notes.append(f"digital{len(joined)}: {ops:,} operations per example ({kinds}), charged to the digital units")
    return layers, notes


def _layer(matrix: Matrix, steps: int) -> dict[str, Any]:
    own: dict[str, Any] = {"name": matrix.name}
    if matrix.kind != "dense":
        own["kind"] = matrix.kind
    own |= {"inputs": matrix.inputs, "outputs": matrix.outputs}
    if matrix.kind == "dense":
        own["activation"] = matrix.activation
    if not matrix.bias:
        own["bias"] = False
    if matrix.steps < steps:
        own["at"] = "last_step"
    return {**own, "source": "the model", "status": "quoted"}


def _digital(name: str, inputs: int, outputs: int, work: Sequence[tuple[Any, str, int]], steps: int) -> dict[str, Any]:
    """Return the layer of digital work of these nodes, its operations counted per step."""
    ops = max(1, -(-sum(each for *_, each in work) // steps))
    mixes = steps > 1 and any(kind in MIXES_STEPS for _, kind, _ in work)
    return {
        "name": name, "kind": "digital", "inputs": inputs, "outputs": outputs, "ops": ops,
        **({"over": "sequence"} if mixes else {}), "source": "counted in the model's graph", "status": "derived",
    }  # fmt: skip


def _safe(name: str) -> str:
    """Return a name without what file systems and dotted keys give a meaning to.

    >>> _safe("/encoder/layers.0/MatMul")
    'encoder_layers_0_MatMul'
    """
    return "".join(c if c.isalnum() or c in "_-+" else "_" for c in name).strip("_") or "model"
