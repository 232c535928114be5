"""A slow, obvious count of a model's synapses and operations: by running it with ONNX's own evaluator.

It shares nothing with the importer: shapes are those of tensors that were computed, constants what no input reaches.
Also the models that the onnx package brings for its back-end tests.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}
PRODUCTS = {"MatMul": 1, "Gemm": 1, "MatMulInteger": 1, "QLinearMatMul": 3}
HANDS_ON = {"Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Dropout", "QuantizeLinear",
            "DequantizeLinear"}  # fmt: skip
ACTIVATIONS = {"Relu", "LeakyRelu", "PRelu", "Tanh", "HardSigmoid", "Sigmoid", "Softmax", "LogSoftmax", "Clip"}
SILENT = HANDS_ON | {"Transpose", "Slice", "Gather", "Split", "Concat", "Expand", "Tile", "Pad", "Shape", "ArgMax",
                     "CastLike", "ConstantOfShape", "Range", "Trilu", "Constant", "DynamicQuantizeLinear"}  # fmt: skip
PER_NUMBER = {"Softmax": 5, "LogSoftmax": 5, "LayerNormalization": 8, "BatchNormalization": 2, "RMSNormalization": 5}
REDUCTIONS = {"GlobalAveragePool", "GlobalMaxPool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd"}


@dataclass
class Tally:
    """Of one call of a model: operations of matrices (two for each synapse and vector), digital ones, and synapses."""

    ops: int = 0
    digital: int = 0
    synapses: int = 0


def values(model: Any, inputs: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return all tensors of a model for these inputs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    known = {each.name for each in copy.graph.output}
    made = [name for node in copy.graph.node for name in node.output if name and name not in known]
    copy.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in made)
    evaluator = ReferenceEvaluator(copy)
    with np.errstate(all="ignore"):
        found = dict(zip(evaluator.output_names, evaluator.run(None, inputs), strict=True))
    held = {each.name: onnx.numpy_helper.to_array(each) for each in copy.graph.initializer}
    return {**held, **inputs, **found}


def tally(model: Any, inputs: dict[str, np.ndarray]) -> Tally:
    """Return what a call of a model takes; raise KeyError for a node that this walk does not know."""
    graph, tensors = model.graph, values(model, inputs)
    moving = set(inputs)
    for node in graph.node:
        if moving & set(node.input) and node.op_type not in ("Shape", "Size"):
            moving |= set(node.output)
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    outputs = {each.name for each in graph.output}
    total = Tally()
    done: set[int] = set()
    for node in graph.node:
        if not moving & set(node.output) or id(node) in done:
            continue
        flags = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
        if node.op_type in GATES:
            w, r = (tensors[name] for name in node.input[1:3])
            rows = w.shape[2] + r.shape[2]
            biased = len(node.input) > 3 and bool(node.input[3])
            rows += (2 if node.op_type == "GRU" else 1) if biased else 0
            cells = w.shape[0] * rows * w.shape[1]
            total.synapses += cells
            total.ops += 2 * cells * prod(tensors[node.input[0]].shape[:2])
        elif node.op_type in PRODUCTS and (fixed := _fixed(node, moving, tensors)) is not None:
            weights, vectors, row = fixed
            outs = weights[1]
            biased = _follow(node, outs, row, readers, moving, tensors, outputs, done)
            cells = (weights[0] + biased) * outs
            total.synapses += cells
            total.ops += 2 * cells * vectors
            if node.op_type == "Gemm" and len(node.input) > 2 and node.input[2] and not row:
                total.digital += tensors[node.output[0]].size
        elif node.op_type not in SILENT:
            total.digital += _digital(node, flags, tensors)
    return total


def _fixed(node: Any, moving: set[str], tensors: dict[str, Any]) -> tuple[tuple[int, int], int, bool] | None:
    """Return [inputs, outputs] of a product with a constant factor, its vectors, and if it has a row of biases."""
    flags = {each.name: each.i for each in node.attribute}
    a, b = tensors[node.input[0]], tensors[node.input[PRODUCTS[node.op_type]]]
    a = a.T if flags.get("transA") else a
    b = b.T if flags.get("transB") else b
    if node.input[PRODUCTS[node.op_type]] not in moving:
        if b.ndim > 2 and prod(b.shape[:-2]) > 1:
            return None
        outs = b.shape[-1] if b.ndim > 1 else 1
        c = tensors[node.input[2]] if node.op_type == "Gemm" and len(node.input) > 2 and node.input[2] else None
        row = (
            c is not None
            and node.input[2] not in moving
            and c.size in (1, outs)
            and c.size == (c.shape[-1] if c.ndim else 1)
        )
        return (a.shape[-1], outs), a.size // a.shape[-1], bool(row)
    if node.input[0] not in moving and node.op_type in ("MatMul", "Gemm"):
        if a.ndim > 2 and prod(a.shape[:-2]) > 1:
            return None
        inner = b.shape[-2] if b.ndim > 1 else b.shape[0]
        return (inner, a.shape[-2] if a.ndim > 1 else 1), b.size // inner, False
    return None


def _follow(
    node: Any,
    outs: int,
    biased: bool,
    readers: dict[str, list[Any]],
    moving: set[str],
    tensors: dict[str, Any],
    outputs: set[str],
    done: set[int],
) -> bool:
    """Return if a layer has biases; a bias and an activation that follow alone are its own, and `done`."""
    look = node.output[0]
    while len(readers.get(look, [])) == 1 and look not in outputs and tensors[look].shape[-1:] == (outs,):
        (after,) = readers[look]
        other = [name for name in after.input if name and name != look]
        if after.op_type in HANDS_ON and after.input[0] == look:
            look = after.output[0]
            continue
        if after.op_type == "Add" and not biased and other and other[0] not in moving:
            c = tensors[other[0]]
            same = tensors[after.output[0]].shape == tensors[look].shape
            if (
                not same
                or (c.size, c.shape[-1:]) not in ((outs, (outs,)), (1, (1,)), (1, ()))
                or c.ndim > tensors[look].ndim
            ):
                break
            biased = True
        elif after.op_type in ACTIVATIONS and _is_layers(after, tensors, look):
            done.add(id(after))
            return biased
        else:
            break
        done.add(id(after))
        look = after.output[0]
    return biased


def _is_layers(node: Any, tensors: dict[str, Any], look: str) -> bool:
    flags = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    if node.op_type in ("Softmax", "LogSoftmax"):
        return flags.get("axis", -1) in (-1, tensors[look].ndim - 1)
    if node.op_type == "Clip":  # from zero
        return len(node.input) > 1 and bool(node.input[1]) and float(tensors[node.input[1]]) == 0
    if node.op_type == "PRelu":
        return tensors[node.input[1]].size == 1
    return True


def _digital(node: Any, flags: dict[str, Any], tensors: dict[str, Any]) -> int:
    out, first = tensors[node.output[0]], tensors[node.input[0]]
    kind = node.op_type
    if kind in ("Conv", "ConvInteger"):
        return int(out.size * prod(tensors[node.input[1]].shape[1:]))
    if kind == "ConvTranspose":
        return int(first.size * prod(tensors[node.input[1]].shape[1:]))
    if kind in PRODUCTS:
        return int(out.size * (first.T if flags.get("transA") else first).shape[-1])
    if kind in ("MaxPool", "AveragePool"):
        return int(out.size * prod(flags["kernel_shape"]))
    if kind in REDUCTIONS:
        return int(first.size)
    if kind in ("Sum", "Max", "Min", "Mean"):
        return int(out.size * max(1, len(node.input) - 1))
    if kind in PER_NUMBER:
        return int(out.size * PER_NUMBER[kind])
    if kind in ("Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Exp", "Erf", "Neg", "Where", "Less", "Equal", "And", "Not",
                "Gelu", "Elu", "Selu", "Softplus", "Reciprocal", "Abs", "Mod", "Greater", *ACTIVATIONS):  # fmt: skip
        return int(out.size)
    raise KeyError(kind)


def frozen(model: Any, inputs: Sequence[Any]) -> Any:
    """Return a model with the inputs after the first as constants of these values, so that weights are weights."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    copy.ir_version = max(copy.ir_version, 4)  # before, each constant was an input too
    graph = copy.graph
    known = {each.name for each in graph.initializer}
    free = [each for each in graph.input if each.name not in known]
    keep = free[:1]
    for given, value in list(zip(free, inputs, strict=False))[1:]:
        if isinstance(value, np.ndarray) and given.type.HasField("tensor_type"):
            graph.initializer.append(onnx.numpy_helper.from_array(value, given.name))
        else:
            keep.append(given)
    kept = [onnx.ValueInfoProto.FromString(each.SerializeToString()) for each in keep]
    del graph.input[:]
    graph.input.extend(kept)
    return copy


Case = tuple[str, Any, dict[str, Any] | None]


def variants(name: str, model: Any, inputs: Sequence[Any] | None) -> Iterator[Case]:
    """Yield a model as it is, and frozen, each with the values of its inputs if they are known."""
    known = {each.name for each in model.graph.initializer}
    free = [each.name for each in model.graph.input if each.name not in known]
    values_ = None if inputs is None else dict(zip(free, inputs, strict=False))
    yield name, model, values_
    if inputs is not None and len(free) > 1:
        stopped = frozen(model, inputs)
        left = {each.name for each in stopped.graph.input}
        yield f"{name} (frozen)", stopped, {key: value for key, value in (values_ or {}).items() if key in left}


MATRICES = ("gemm", "matmul", "lstm", "gru", "rnn", "qlinearmatmul", "matmulinteger")
"""Modules of back-end tests of nodes that have matrices."""


def node_cases(modules: Sequence[str] | None = None) -> Iterator[Case]:
    """Yield the models of the back-end tests of all operators (half a minute), or of these modules."""
    from onnx.backend.test.case import node as cases

    if modules is None:
        found = cases.collect_testcases(None)
    else:
        before = len(cases._NodeTestCases)
        for name in modules:
            importlib.import_module(f"{cases.__name__}.{name}")
        found = cases._NodeTestCases[before:] or cases._NodeTestCases
    for case in found:
        yield from variants(case.name, case.model, case.data_sets[0][0] if case.data_sets else None)


def stored_cases() -> Iterator[Case]:
    """Yield the models in the files that the package has."""
    folder = Path(onnx.__file__).parent / "backend/test/data"
    for path in sorted(folder.rglob("*.onnx")):
        inputs = []
        for file in sorted(path.parent.glob("test_data_set_0/input_*.pb"), key=lambda each: int(each.stem[6:])):
            tensor = onnx.TensorProto()
            try:
                tensor.ParseFromString(file.read_bytes())
                inputs.append(onnx.numpy_helper.to_array(tensor))
            except Exception:  # a sequence or an optional
                inputs = []
                break
        yield from variants(str(path.relative_to(folder)), onnx.load(path), inputs or None)
