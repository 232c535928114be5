"""Constants of a graph, read or computed only when their numbers are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.base.doors import door
from archsim.base.errors import SpecError
from archsim.base.limits import ONNX_NUMBERS, ONNX_PRODUCTS
from archsim.workload.onnx.reading import SMALL, Proto, speaks

Shape: TypeAlias = tuple[int, ...]
Array: TypeAlias = npt.NDArray[Any]

"""Numbers of a constant that is read or computed, beyond which its numbers are refused: 1 GiB of them in single
precision; an assumption."""

KEEPS_NUMBERS = frozenset({
    "Identity", "Cast", "CastLike", "Transpose", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "DequantizeLinear",
    "QuantizeLinear",
})  # fmt: skip
"""Nodes of which a constant goes in and the same one, in another form, comes out."""

FOLDED = KEEPS_NUMBERS | {
    "Abs", "Add", "And", "Ceil", "Clip", "Concat", "ConstantOfShape", "Div", "Equal", "Exp", "Expand", "Floor",
    "Gather", "GatherElements", "GatherND", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Log", "MatMul",
    "Max", "Min", "Mod", "Mul", "Neg", "Not", "Or", "Pad", "Pow", "Range", "Reciprocal", "ReduceMax", "ReduceMin",
    "ReduceProd", "ReduceSum", "Round", "ScatterElements", "ScatterND", "Sign", "Slice", "Split", "Sqrt", "Sub",
    "Sum", "Tile", "Trilu", "Where",
}  # fmt: skip
"""Nodes that are computed where all of their inputs are constants: those whose work grows with their numbers."""


EVALUATED_FROM: Mapping[str, int] = {"DequantizeLinear": 19}
"""The first version in which ONNX evaluates a node; earlier ones say the same of what they allow."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor that no input of the model changes: its shape, and how its numbers are had.

    `origins` names what it is made of, the same for two tensors that are one in two forms.
    """

    name: str
    shape: Shape
    fetch: Callable[[], Array]
    origins: frozenset[str] = frozenset()

    @property
    def elements(self) -> int:
        """How many numbers it has."""
        return prod(self.shape)

    @property
    def small(self) -> bool:
        """Whether it is read at once."""
        return self.elements <= SMALL

    def numbers(self) -> Array:
        """Return its numbers; raise SpecError if they are too many, cannot be read or are not of its shape."""
        ONNX_NUMBERS.check(self.elements, f"constant '{self.name}'")
        what, hint = "cannot be read: {why}", "keep the model's data files beside it"
        every = (Exception,)  # a library evaluates what a file says: any kind may come out
        with (
            door(f"constant '{self.name}'", what, hint, every, speaks()),
            warnings.catch_warnings(), np.errstate(all="ignore"),
        ):  # fmt: skip
            warnings.simplefilter("ignore")  # a division by zero that the model itself makes
            found = np.asarray(self.fetch())
        if found.shape != self.shape:
            what = f"is of shape {found.shape}, and {self.shape} was said"
            raise SpecError.at(f"constant '{self.name}'", what, "export the model again")
        return found

    def scalar(self) -> float | None:
        """Return its only number; None if it has several."""
        return float(self.numbers().reshape(-1)[0]) if self.elements == 1 else None


def stored(tensor: Proto, folder: str) -> Constant:
    """Return the constant that a tensor of the file stores, there or in a file of its own in the folder."""
    import onnx

    def fetch() -> Array:
        from onnx import external_data_helper

        held = tensor
        if external_data_helper.uses_external_data(tensor):
            held = onnx.TensorProto()
            held.CopyFrom(tensor)
            external_data_helper.load_external_data_for_tensor(held, folder)
        return np.asarray(onnx.numpy_helper.to_array(held))

    return Constant(tensor.name, tuple(tensor.dims), fetch, frozenset({tensor.name}))


def stored_sparsely(tensor: Proto, folder: str) -> Constant:
    """Return the constant that a sparse tensor of the file stores."""
    values, places, shape = stored(tensor.values, folder), stored(tensor.indices, folder), tuple(tensor.dims)

    def fetch() -> Array:
        held, at = values.numbers(), places.numbers()
        full = np.zeros(shape, held.dtype)
        if at.ndim == 1:
            full.reshape(-1)[at] = held
        else:
            full[tuple(at.T)] = held
        return full

    return Constant(tensor.values.name, shape, fetch, values.origins)


def written(node: Proto, folder: str) -> Constant | None:
    """Return the constant that a node `Constant` holds; None if it holds none that is a tensor."""
    import onnx

    for given in node.attribute:
        if given.name == "value":
            held = stored(given.t, folder)
            return Constant(node.output[0], held.shape, held.fetch, frozenset({node.output[0]}))
        if given.name == "sparse_value":
            held = stored_sparsely(given.sparse_tensor, folder)
            return Constant(node.output[0], held.shape, held.fetch, frozenset({node.output[0]}))
        if given.name.startswith("value_"):
            kind = np.float32 if "float" in given.name else np.int64 if "int" in given.name else np.object_
            numbers = np.asarray(onnx.helper.get_attribute_value(given), kind)
            return known(node.output[0], numbers)
    return None


def known(name: str, numbers: Array) -> Constant:
    """Return a constant of which the numbers are known."""
    return Constant(name, numbers.shape, lambda: numbers, frozenset({name}))


def folded(node: Proto, inputs: Sequence[Constant], shapes: Sequence[Shape], opsets: Sequence[Proto]) -> list[Constant]:
    """Return the outputs of a node whose inputs are all constant, of known shapes; they are computed when asked for.

    `inputs` are those that are given, in order.
    """
    keeps = node.op_type in KEEPS_NUMBERS
    origins = inputs[0].origins if keeps else frozenset().union(*(each.origins for each in inputs))
    by_name = {each.name: each for each in inputs}

    def compute(place: int) -> Array:
        if node.op_type == "MatMul":
            ONNX_PRODUCTS.check(prod(shapes[0]) * inputs[0].shape[-1], f"constant '{node.output[0]}'")
        found: list[Array] = _evaluator(node, tuple(by_name), opsets).run(
            None, {name: by_name[name].numbers() for name in by_name}
        )
        return found[place]

    given = [place for place, name in enumerate(node.output) if name]
    return [
        Constant(
            node.output[place], shape, lambda nth=nth: compute(nth),  # type: ignore[misc]
            origins if keeps else frozenset({_key(node, origins, place)}),
        )
        for nth, (place, shape) in enumerate(zip(given, shapes, strict=True))
    ]  # fmt: skip


def _key(node: Proto, origins: frozenset[str], place: int) -> str:
    """Return a name for what a node makes of stored numbers, the same for nodes that do the same."""
    how = b"".join(each.SerializeToString(deterministic=True) for each in node.attribute)
    return f"{node.op_type}({', '.join(sorted(origins))}){how.hex()}[{place}]"


def _evaluator(node: Proto, names: Sequence[str], opsets: Sequence[Proto]) -> Any:
    import onnx
    from onnx.reference import ReferenceEvaluator

    inputs = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in names]
    outputs = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UNDEFINED, None) for name in node.output if name
    ]
    graph = onnx.helper.make_graph([node], "constants", inputs, outputs)
    version = max((each.version for each in opsets if each.domain in ("", "ai.onnx")), default=1)
    version = max(version, EVALUATED_FROM.get(node.op_type, 1))
    opset = onnx.helper.make_opsetid("", version)
    return ReferenceEvaluator(onnx.helper.make_model(graph, opset_imports=[opset]))


def small_data(names: Sequence[str], constants: Mapping[str, Constant]) -> dict[str, Proto]:
    """Return the numbers of the small constants among some tensors, for shapes that depend on them."""
    import onnx

    data = {}
    for name in names:
        if name in constants and constants[name].small:
            try:
                data[name] = onnx.numpy_helper.from_array(constants[name].numbers(), name)
            except SpecError:
                continue
    return data
