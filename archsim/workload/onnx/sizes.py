"""Sizes of a model's inputs: which axis is the batch, and what symbolic dimensions stand for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archsim.base.errors import Problem, SpecError
from archsim.workload.onnx.reading import Proto, inferred

BATCH = re.compile(r"batch|^(n|b|bs|none)$", re.IGNORECASE)
"""Names of a dimension that say batch."""

TIME = re.compile(r"seq|time|token|len|step|frame|word|^[tls]$", re.IGNORECASE)
"""Names of a dimension that say time; the first axis of an input so named is not taken for the batch."""

BATCH_AXIS: Mapping[str, int] = {"LSTM": 1, "GRU": 1, "RNN": 1}
"""Recurrent nodes, and the batch axis of their input unless their layout says 0."""

Symbols: TypeAlias = Mapping[str, tuple[str | int | None, ...]]
"""Sizes of tensors, in the names of the inputs' dimensions."""


@dataclass(frozen=True)
class Axis:
    """A dimension of an input: its size, if it has one, and its name, or the input's with its place."""

    input: str
    place: int
    size: int | None
    name: str
    named: bool


def sizes_of(settings: Sequence[str]) -> dict[str, int]:
    """Return the sizes that NAME=N settings give to symbolic dimensions; raise SpecError for others.

    >>> sizes_of(["seq=20"])
    {'seq': 20}
    """
    sizes, faults = {}, []
    for setting in settings:
        name, _, size = setting.rpartition("=")
        if name and size.isdecimal() and 0 < int(size) <= 10**9:
            sizes[name] = int(size)
        else:
            faults.append(Problem(f"--dim {setting}", "is no size of a dimension", "for example --dim seq=20"))
    if faults:
        raise SpecError(faults)
    return sizes


def fix_sizes(outline: Proto, inputs: Sequence[Proto], where: str, dims: Mapping[str, int]) -> int:
    """Give the symbolic dimensions of `inputs` their sizes, in place, and return the examples of a call.

    The batch is one where it has no size; any other dimension that has none is asked for by SpecError. It is the axis
    that recurrent nodes say, the dimension that is named so, or the first axis of the first input.
    """
    axes = [axis for given in inputs for axis in _axes(given)]
    symbols = _symbols(outline, axes)
    batch = _batch(outline, axes, symbols)
    problems = []
    for axis in axes:
        is_batch = axis.name in batch
        size = axis.size if axis.size is not None else dims.get(axis.name, 1 if is_batch else None)
        if size is None:
            own = [each for each in axes if each.input == axis.input]
            text = ", ".join(str(each.name if each.size is None else each.size) for each in own)
            what = f"dimension '{axis.name}' of input '{axis.input}' has no size ({text})"
            hint = f"give it: --dim {axis.name}=80" if TIME.search(axis.name) else f"give it: --dim {axis.name}=20"
            problems.append(Problem(where, what, hint))
        else:
            given = next(each for each in inputs if each.name == axis.input)
            given.type.tensor_type.shape.dim[axis.place].dim_value = size
    symbolic = sorted({axis.name for axis in axes if axis.size is None})
    for name in dims:
        if name not in symbolic:
            known = ", ".join(symbolic) or "none"
            what = f"the model has no dimension of that name without a size ({known})"
            problems.append(Problem(f"--dim {name}", what, "leave it out"))
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))
    if not batch or _reduces(outline, symbols, batch):
        return 1
    held = [axis.size if axis.size is not None else dims.get(axis.name, 1) for axis in axes if axis.name in batch]
    return max(1, *held)


def _axes(given: Proto) -> Iterator[Axis]:
    for place, dim in enumerate(given.type.tensor_type.shape.dim):
        size = dim.dim_value if dim.HasField("dim_value") and dim.dim_value >= 0 else None
        named = size is None and bool(dim.dim_param)
        yield Axis(given.name, place, size, dim.dim_param if named else f"{given.name}.{place}", named)


def _symbols(outline: Proto, axes: Sequence[Axis]) -> Symbols:
    """Return the sizes of all tensors where each dimension of an input is a name of its own."""
    import onnx

    model = onnx.ModelProto()
    model.CopyFrom(outline)
    by_input = {given.name: given for given in model.graph.input}
    for axis in axes:
        by_input[axis.input].type.tensor_type.shape.dim[axis.place].dim_param = axis.name
    for given in model.graph.output:
        given.type.tensor_type.ClearField("shape")
    return {
        name: tuple(dim.dim_param or (dim.dim_value if dim.HasField("dim_value") else None) for dim in dims)
        for name, each in inferred(model).items()
        if (dims := each.tensor_type.shape.dim)
    }


def _batch(outline: Proto, axes: Sequence[Axis], symbols: Symbols) -> frozenset[str]:
    """Return the names of the dimension that is the batch; none where it is not known."""
    named = frozenset(axis.name for axis in axes if axis.named and BATCH.search(axis.name))
    recurrent = [node for node in outline.graph.node if node.op_type in BATCH_AXIS and node.input]
    for node in recurrent:
        first = any(given.name == "layout" and given.i for given in node.attribute)
        sizes = symbols.get(node.input[0], ())
        if len(sizes) == 3 and isinstance(found := sizes[0 if first else BATCH_AXIS[node.op_type]], str):
            return frozenset({found})
    if named or recurrent:
        return named
    deep = {axis.input for axis in axes if axis.place == 1}
    leading = [axis for axis in axes if axis.place == 0 and (axis.size is None or axis.input in deep)]
    if not leading or (leading[0].named and TIME.search(leading[0].name)):
        return frozenset()
    others = {axis.name for axis in leading[1:] if axis.size is None and not axis.named}  # without names: so it is
    return frozenset({leading[0].name, *others})


def _reduces(outline: Proto, symbols: Symbols, batch: frozenset[str]) -> bool:
    """Return whether a product adds up over the supposed batch, which then is none."""
    for node in outline.graph.node:
        if node.op_type not in ("MatMul", "Gemm", "MatMulInteger") or len(node.input) < 2:
            continue
        first, second = (symbols.get(name, ()) for name in node.input[:2])
        flags = {given.name: given.i for given in node.attribute}
        added = [first[0 if flags.get("transA") else -1] if first else None]
        if second:
            added.append(second[-1 if flags.get("transB") else -min(2, len(second))])
        if any(isinstance(each, str) and each in batch for each in added):
            return True
    return False
