"""Recurrent nodes as layers: one for each direction, its gates in one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.base.errors import SpecError
from archsim.workload.layers import LAYERS
from archsim.workload.onnx.constants import Constant
from archsim.workload.onnx.matrices import F32, Matrix, RefusedError, vectors_of
from archsim.workload.onnx.nodes import Graph, Node

USUAL: Mapping[str, tuple[str, ...]] = {
    "LSTM": ("sigmoid", "tanh", "tanh"), "GRU": ("sigmoid", "tanh"), "RNN": ("tanh",),
}  # fmt: skip
"""Activations of a direction if the node names none."""


def recurrent(node: Node, graph: Graph) -> list[Matrix]:
    """Return the layers of a recurrent node, one for each direction; raise RefusedError for what they cannot do."""
    kind = node.kind.lower()
    gates, apart = LAYERS[kind].gates, LAYERS[kind].apart > 0
    w, r, b = (graph.constant(node, place) for place in (1, 2, 3))
    if w is None or r is None or (b is None and node.input(3)):
        raise RefusedError("has weights that are no constants", "export the model with its weights")
    usual = USUAL[node.kind]
    directions = w.shape[0] if len(w.shape) == 3 else 0
    given = tuple(str(each, "utf-8").lower() if isinstance(each, bytes) else each.lower()
                  for each in node.get("activations", ())) or usual * directions  # fmt: skip
    own = [given[i : i + len(usual)] for i in range(0, len(given), len(usual))]
    _check(node, own, usual)
    if len(r.shape) != 3 or w.shape[1] != gates * r.shape[2] or len(own) < directions or not directions:
        raise RefusedError(f"has weights of the shapes {w.shape} and {r.shape}", "export the model again")
    notes = _left_out(node, graph)
    source = node.input(0)
    found = []
    for place in range(directions):
        backward = node.get("direction", "forward") == "reverse" or place == 1
        keys: dict[str, Any] = {"activation": own[place][0]} if node.kind == "RNN" else {}
        found.append(
            Matrix(
                node.label if directions == 1 else f"{node.label}_{('forward', 'reverse')[place]}",
                node, source, next(filter(None, node.outputs), ""), w.shape[2], r.shape[2],
                vectors_of(graph, source, w.shape[2]), _numbers(w, r, b, place, apart), kind=kind,
                has_bias=b is not None, keys=keys, backward=backward, notes=notes if place == 0 else (),
                origins=frozenset(f"{each}[{place}]" for each in w.origins),
            )
        )  # fmt: skip
    return found


def gate_rows(w: npt.NDArray[Any], r: npt.NDArray[Any], bias: npt.NDArray[Any] | None, apart: bool) -> F32:
    """Return the matrix of a recurrent layer from ONNX's W [gates hidden, inputs], R [gates hidden, hidden] and biases.

    Rows are inputs, hidden units and one row of biases; with `apart`, inputs and their biases, hidden units and theirs.
    Columns go unit by unit, the gates of a unit side by side in ONNX's order.
    """
    by_input, by_hidden = np.asarray(w, np.float32).T, np.asarray(r, np.float32).T
    rows = [by_input, by_hidden]
    if bias is not None:
        first, second = (half[None] for half in np.split(np.asarray(bias, np.float32), 2))
        rows = [by_input, first, by_hidden, second] if apart else [by_input, by_hidden, first + second]
    matrix = np.concatenate(rows)
    hidden = by_hidden.shape[0]
    by_unit = matrix.reshape(len(matrix), -1, hidden).transpose(0, 2, 1)
    return np.ascontiguousarray(by_unit.reshape(len(matrix), -1))


def _numbers(w: Constant, r: Constant, b: Constant | None, place: int, apart: bool) -> Any:
    return lambda: gate_rows(w.numbers()[place], r.numbers()[place], None if b is None else b.numbers()[place], apart)


def _check(node: Node, activations: list[tuple[str, ...]], usual: tuple[str, ...]) -> None:
    """Raise RefusedError for a cell that is not the layer's."""
    if node.kind == "GRU" and not node.get("linear_before_reset", 0):
        raise RefusedError("resets before the product", "export it with linear_before_reset = 1, as PyTorch does")
    if node.input(7):
        raise RefusedError("has peepholes", "export it without the input P")
    if node.get("input_forget", 0):
        raise RefusedError("couples its input and forget gates", "export it without input_forget")
    if node.get("clip", 0.0):
        raise RefusedError("clips what its gates are given", "export it without clip")
    allowed = ({"tanh", "relu"},) if node.kind == "RNN" else tuple({name} for name in usual)
    for each in activations:
        if len(each) != len(usual) or any(name not in may for name, may in zip(each, allowed, strict=True)):
            hint = f"known: {', '.join(' or '.join(sorted(may)) for may in allowed)}"
            raise RefusedError(f"has the activations {', '.join(each)}", hint)


def _left_out(node: Node, graph: Graph) -> tuple[str, ...]:
    """Return notes on what the node is given beside vectors and weights."""
    notes = []
    if node.input(4):
        notes.append(f"'{node.label}' is given the length of each sequence; all steps are counted")
    states = [graph.constant(node, place) if node.input(place) else None for place in (5, 6)]
    if any(node.input(place) and not _zero(held) for place, held in zip((5, 6), states, strict=True)):
        notes.append(f"'{node.label}' begins with a state that it is given, here with zeros; no load of it is charged")
    return tuple(notes)


def _zero(held: Constant | None) -> bool:
    if held is None or not held.small:
        return False
    try:
        return not np.any(held.numbers())
    except SpecError:
        return False
