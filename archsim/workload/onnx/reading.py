"""Reading an ONNX file: checked, its local functions inlined; data that it keeps in other files stay there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.doors import FOREIGN, check_regular, door
from archsim.base.errors import SpecError
from archsim.base.limits import ONNX_BYTES, ONNX_NODES

Proto: TypeAlias = Any
"""A message of ONNX's format; the package is optional, and so are its types."""

SMALL = 4096
"""Numbers of a constant that is read at once, as shapes and scales are; an assumption."""


def read_model(path: Path, where: str) -> Proto:
    """Return the model in a file without what it keeps in others; raise SpecError where it is no sound model."""
    try:
        import onnx
    except ImportError:
        hint = "pip install 'archsim[onnx]'"
        raise SpecError.at("import", "the package onnx is not installed", hint) from None
    check_regular(path, where, "give a model in ONNX's binary form", ONNX_BYTES)
    what, hint = "is not a sound ONNX model: {why}", "export it again, in ONNX's binary form, with its data beside it"
    with door(where, what, hint, (*FOREIGN, *faults()), speaks()):
        model = onnx.load(str(path), format="protobuf", load_external_data=False)
        _check_text(model, where, hint)
        onnx.checker.check_model(str(path))
        _check_expansion(model, where)
        return _inlined(model)


def speaks() -> tuple[type[Exception], ...]:
    """Return what ONNX raises in words that tell a reader what is wrong with a model."""
    import onnx
    from google.protobuf.message import DecodeError

    return (onnx.checker.ValidationError, onnx.shape_inference.InferenceError, onnx.defs.SchemaError, DecodeError)


def faults() -> tuple[type[Exception], ...]:
    """Return what ONNX raises of models that are not sound."""
    return (*speaks(), RuntimeError, ValueError, TypeError)


def outline(model: Proto) -> Proto:
    """Return the model with large constants as inputs: all that sizes depend on, and little else."""
    import onnx

    copy = onnx.ModelProto()
    copy.ir_version = model.ir_version
    copy.opset_import.extend(model.opset_import)
    copy.functions.extend(model.functions)
    graph, own = model.graph, copy.graph
    own.name = graph.name or "graph"
    own.node.extend(graph.node)
    own.input.extend(graph.input)
    own.output.extend(graph.output)
    known = {given.name for given in graph.input}
    for held in graph.initializer:
        if len(held.dims) > 1 or held.data_location == onnx.TensorProto.EXTERNAL:
            if held.name not in known:
                own.input.append(onnx.helper.make_tensor_value_info(held.name, held.data_type, list(held.dims)))
        else:
            own.initializer.append(held)
    return copy


def inferred(model: Proto, **options: Any) -> Mapping[str, Proto]:
    """Return types by tensor as far as ONNX can infer them; none where the model's parts contradict each other."""
    import onnx

    try:
        graph = onnx.shape_inference.infer_shapes(model, **options).graph
    except faults():
        return {}
    return {value.name: value.type for value in (*graph.value_info, *graph.output, *graph.input)}


def _check_text(message: Proto, where: str, hint: str) -> None:
    """Raise SpecError where a name in a message, or in those inside it, is no text."""
    for field, value in message.ListFields():
        parts = value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else [value]
        if field.type == field.TYPE_STRING and any(not isinstance(each, str) for each in parts):
            raise SpecError.at(where, f"is not a sound ONNX model: its '{field.name}' is no text", hint)
        if field.type == field.TYPE_MESSAGE:
            for each in parts:
                _check_text(each, where, hint)


def _check_expansion(model: Proto, where: str) -> None:
    """Raise SpecError if local functions call each other in a circle or grow beyond what is read, before they do."""
    functions = {(each.domain, each.name, getattr(each, "overload", "")): each for each in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}
    under_way: list[tuple[str, str, str]] = []

    def size(node: Proto) -> int:
        key = (node.domain, node.op_type, getattr(node, "overload", ""))
        inner = sum(total(graph.node, size) for graph in _subgraphs(node))
        if key not in functions:
            return 1 + inner
        if key in under_way or len(under_way) > 100:
            circle = " calls ".join(name for _, name, _ in [*under_way, key])
            what, hint = f"its functions have no end ({circle})", "export it without functions"
            raise SpecError.at(where, what, hint)
        if key not in sizes:
            under_way.append(key)
            sizes[key] = total(functions[key].node, size)
            under_way.pop()
        return sizes[key] + inner

    nodes = total(model.graph.node, size)
    ONNX_NODES.check(nodes, where)


def total(nodes: Any, size: Callable[[Proto], int]) -> int:
    """Return the sum of all nodes' sizes."""
    return sum(size(node) for node in nodes)


def _subgraphs(node: Proto) -> list[Proto]:
    return [graph for given in node.attribute for graph in ([given.g] if given.type == 5 else given.graphs)]


def _inlined(model: Proto) -> Proto:
    """Return the model without local functions, as far as versions of operators allow."""
    import onnx
    from onnx import inliner

    if not model.functions:
        return model
    inlined = inliner.inline_local_functions(model)
    if any(node.op_type in {each.name for each in inlined.functions} for node in inlined.graph.node):
        inlined = inliner.inline_local_functions(model, convert_version=True)
    checked: onnx.ModelProto = inlined
    return checked
