"""What digital work moves: which of its inputs each output needs, what all places must know, what is added to it.

It is told of two kinds of work: on each number of a vector alone, normalisations and softmax over the vector included,
and attention, whose heads need their own parts of queries, keys and values. All other work needs all inputs everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from archsim.workload.onnx.followers import SAME_VALUES, SAME_VECTORS
from archsim.workload.onnx.nodes import Graph, Node
from archsim.workload.onnx.walk import root
from archsim.workload.onnx.work import ELEMENTWISE, PER_VECTOR, Work

SHARED = {
    "LayerNormalization": 2, "RMSNormalization": 1, "Softmax": 2, "LogSoftmax": 2, "Hardmax": 1,
    "com.microsoft.QLinearSoftmax": 2,
}  # fmt: skip
"""Numbers that work on a vector adds up over it: mean and mean square, or the largest and the sum of exponentials."""
PRODUCTS = frozenset({"MatMul", "MatMulInteger", "QLinearMatMul"})


@dataclass(frozen=True)
class Slot:
    """The nodes behind a layer, up to the next, and what they are given: `made` in the slot or by the layer itself.

    `sources` are, by tensor, the names of layers before that are driven by it.
    """

    nodes: Sequence[Node]
    made: frozenset[str]
    sources: dict[str, str]


def moves_of(
    graph: Graph, slot: Slot, work: Sequence[Work], inputs: int, outputs: int, steps: int, *, mixes: bool
) -> dict[str, Any]:  # fmt: skip
    """Return the keys of a digital layer that say what it moves; none where each output may need all inputs."""
    if not work or not {each.node.index for each in work} <= {node.index for node in slot.nodes}:
        return {}
    return _attention(graph, work, inputs, outputs, steps) if mixes else _alone(graph, slot, inputs, outputs)


def _alone(graph: Graph, slot: Slot, inputs: int, outputs: int) -> dict[str, Any]:
    """Return the keys of work on each number of a vector alone."""
    if inputs != outputs:
        return {}
    shared, adds = 0, list[str]()
    for node in slot.nodes:
        kept = graph.shapes.get(node.outputs[0], ())[-1:] == (outputs,)
        if not kept or node.kind not in PER_VECTOR.keys() | SAME_VALUES | SAME_VECTORS:
            return {}
        if node.kind in SHARED:
            rank, default = len(graph.shapes[node.outputs[0]]), -1 if "Norm" in node.kind or graph.opset >= 13 else 1
            if node.get("axis", default) % rank != rank - 1:
                return {}
            shared += SHARED[node.kind]
        if node.kind in SAME_VECTORS:
            continue
        for name in node.inputs:
            if not name or name in graph.constants or name in slot.made:
                continue
            source = slot.sources.get(root(graph, name))
            whole = graph.shapes.get(name, ())[-1:] == (outputs,)
            if source is None or source in adds or not whole or node.kind not in ("Add", "Sum"):
                return {}
            adds.append(source)
    return {"groups": outputs, **({"shared": shared} if shared else {}), **({"adds": adds} if adds else {})}


def _attention(graph: Graph, work: Sequence[Work], inputs: int, outputs: int, steps: int) -> dict[str, Any]:
    """Return the keys of attention: heads as groups, and keys and values read of all steps."""
    kinds = [each.node.kind for each in work]
    products = [each.node for each in work if each.node.kind in PRODUCTS]
    rest = set(kinds) - PRODUCTS - {"Softmax", "Attention"}
    if inputs != 3 * outputs or not rest <= set(ELEMENTWISE):
        return {}
    if kinds.count("Attention") == 1 and not products and "Softmax" not in kinds:
        (node,) = (each.node for each in work if each.node.kind == "Attention")
        query = graph.shape(node.input(0))
        heads = query[1] if len(query) == 4 else node.get("q_num_heads", 1)
    elif len(products) == 2 and kinds.count("Softmax") == 1:
        scores = graph.shape(products[0].outputs[0])
        if scores[-2:] != (steps, steps):
            return {}
        heads = prod(scores[:-2]) // graph.batch
    else:
        return {}
    return {"groups": heads, "parts_of_all_steps": 2} if heads > 1 and outputs % heads == 0 else {}


Moves = Callable[[int, Sequence[Work], int, int, bool], dict[str, Any]]
"""Of a slot by its place, its work, inputs, outputs and whether it mixes steps: what it moves."""
