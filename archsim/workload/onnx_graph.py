"""Reading an ONNX model: its graph, with constants and the shapes of all tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.errors import Problem, SpecError
from archsim.workload.onnx_ops import RECURRENT, Context, attribute


def read_graph(path: Path, where: str, dims: Mapping[str, int]) -> tuple[Any, Context]:
    """Return the graph and what is known of its tensors; raise SpecError where it is no model or sizes are missing."""
    try:
        import onnx
    except ImportError:
        hint = "pip install 'archsim[onnx]'"
        raise SpecError([Problem("import", "the package onnx is not installed", hint)]) from None
    from google.protobuf.message import DecodeError

    try:
        model = onnx.load(str(path))
        onnx.checker.check_model(model)
    except FileNotFoundError as error:
        raise SpecError([Problem(where, f"cannot be read: {error.strerror or error}", "give a file")]) from None
    except (OSError, DecodeError, onnx.checker.ValidationError) as error:
        first = str(error).strip().splitlines()[0]
        hint = "export it again, in ONNX's binary form"
        raise SpecError([Problem(where, f"is not a sound ONNX model: {first}", hint)]) from None
    graph = model.graph
    known = {init.name for init in graph.initializer}
    inputs = [given for given in graph.input if given.name not in known]
    _fix_sizes(inputs, where, dims)
    graph = onnx.shape_inference.infer_shapes(model, data_prop=True).graph
    constants = {init.name: onnx.numpy_helper.to_array(init) for init in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            constants[node.output[0]] = onnx.numpy_helper.to_array(node.attribute[0].t)
    shapes = {name: tuple(array.shape) for name, array in constants.items()}
    for value in (*inputs, *graph.value_info, *graph.output):
        if value.type.tensor_type.HasField("shape"):
            sizes = value.type.tensor_type.shape.dim
            shapes.setdefault(value.name, tuple(int(size.dim_value) for size in sizes))
    return graph, Context(constants, shapes, _batch(graph, shapes, inputs[0].name if inputs else ""))


def _batch(graph: Any, shapes: Mapping[str, tuple[int, ...]], first: str) -> int:
    """Return how many examples the tensors hold: by a recurrent node, whose layout says it, or the first dimension."""
    for node in graph.node:
        sizes = shapes.get(node.input[0], ()) if node.op_type in RECURRENT else ()
        if len(sizes) == 3:
            return max(1, sizes[0 if attribute(node, "layout", 0) else 1])
    return max(1, *shapes[first][:1]) if shapes.get(first) else 1


def _fix_sizes(inputs: Sequence[Any], where: str, dims: Mapping[str, int]) -> None:
    """Give symbolic dimensions their sizes, in place; the first, the batch, is one unless the model says otherwise."""
    missing, names = [], set()
    for given in inputs:
        sizes = given.type.tensor_type.shape.dim
        for place, size in enumerate(sizes):
            names.add(size.dim_param)
            if size.dim_param in dims:
                size.dim_value = dims[size.dim_param]
            elif not size.dim_value and place == 0:
                size.dim_value = 1
            elif not size.dim_value:
                name = size.dim_param or "?"
                text = ", ".join(str(each.dim_value or each.dim_param or "?") for each in sizes)
                what = f"input '{given.name}' has a dynamic shape ({text})"
                hint = f"give its size: --dim {name}=20" if size.dim_param else "export the model with fixed sizes"
                missing.append(Problem(where, what, hint))
    for name in dims:
        if name not in names:
            known = ", ".join(sorted(filter(None, names))) or "none"
            missing.append(
                Problem(f"--dim {name}", f"the model has no dimension of that name ({known})", "leave it out")
            )
    if missing:
        raise SpecError(missing)
