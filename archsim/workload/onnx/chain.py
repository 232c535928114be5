"""A graph as a chain of layers: branches one after another, digital work where its inputs are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.base.errors import Problem, SpecError
from archsim.workload.layers import LAYERS
from archsim.workload.onnx.matrices import F32, Matrix
from archsim.workload.onnx.moved import Moves, Slot, moves_of
from archsim.workload.onnx.nodes import Graph, Node
from archsim.workload.onnx.walk import Found, root, upstream
from archsim.workload.onnx.work import Work


@dataclass(frozen=True)
class Group:
    """A layer: one matrix, or several dense ones that read the same vectors, their columns side by side."""

    name: str
    parts: tuple[Matrix, ...]

    @property
    def first(self) -> Matrix:
        """The matrix whose kind and inputs are the layer's."""
        return self.parts[0]

    @property
    def outputs(self) -> int:
        """Outputs of all parts."""
        return sum(part.outputs for part in self.parts)

    @property
    def synapses(self) -> int:
        """Synapses of the layer as the simulator counts them."""
        layer = LAYERS[self.first.kind]
        keys = {} if "activation" not in self.first.keys else {"activation": self.first.keys["activation"]}
        sizes = {"name": self.name, "inputs": self.first.inputs, "outputs": self.outputs, "bias": self.first.has_bias}
        return layer.model_validate({**sizes, **keys}).synapses

    def numbers(self) -> F32:
        """Return the weights of all parts, [rows, columns]."""
        return np.concatenate([part.numbers() for part in self.parts], 1)


@dataclass(frozen=True)
class Chain:
    """Layers with weights, and all layers in their order as plain data; `rounded` are operations that rounding adds.

    `place` is the place among groups of each matrix, `slots` the digital work behind each group, `early` that which
    comes before the first.
    """

    groups: tuple[Group, ...]
    layers: tuple[dict[str, Any], ...]
    steps: int
    place: tuple[int, ...]
    slots: tuple[tuple[Work, ...], ...]
    early: tuple[Work, ...]
    rounded: int


def chain_of(graph: Graph, found: Found, where: str) -> Chain:
    """Return the chain that a graph's matrices and digital work make; raise SpecError where they make none."""
    matrices = found.matrices
    steps = max(matrix.vectors for matrix in matrices)
    above = upstream(graph, matrices)
    _check_vectors(matrices, steps, above, where)
    groups, place = _groups(graph, matrices, steps)
    slots: list[list[Work]] = [[] for _ in groups]
    early = []
    for work in found.work:
        mask = above[work.node.index]
        slot = max((place[i] for i in range(len(matrices)) if mask >> i & 1), default=-1)
        slots[max(slot, 0)].append(work)
        if slot < 0:
            early.append(work)
    maker = Maker(steps, unique([group.name for group in groups]), _moves(graph, matrices, groups, place, above, steps))
    for index, group in enumerate(groups):
        if index:
            maker.between(index - 1, groups[index - 1], slots[index - 1], group)
        maker.layer(group)
    maker.behind(len(groups) - 1, groups[-1], slots[-1], _kept_vectors(graph))
    return Chain(groups, tuple(maker.layers), steps, place, tuple(map(tuple, slots)), tuple(early), maker.rounded)


def _moves(
    graph: Graph, matrices: Sequence[Matrix], groups: Sequence[Group], place: Sequence[int], above: Sequence[int],
    steps: int,
) -> Moves:  # fmt: skip
    """Return what tells of the work behind a layer what it moves."""
    own = {matrix.node.index for matrix in matrices}
    behind: dict[int, list[Node]] = {}
    for node in graph.nodes:
        if node.index not in own and not all(name in graph.constants for name in node.outputs if name):
            slot = max((place[i] for i in range(len(matrices)) if above[node.index] >> i & 1), default=-1)
            behind.setdefault(slot, []).append(node)

    def moved(slot: int, work: Sequence[Work], inputs: int, outputs: int, mixes: bool) -> dict[str, Any]:
        nodes = behind.get(slot, [])
        results = {name for part in groups[slot].parts for name in part.node.outputs}
        made = frozenset(results | {name for node in nodes for name in node.outputs})
        sources = {root(graph, part.source): group.name for group in groups[: slot + 1] for part in group.parts}
        return moves_of(graph, Slot(nodes, made, sources), work, inputs, outputs, steps, mixes=mixes)

    return moved


class Maker:
    """Makes the layers of a chain one by one; `once` is whether they have come to those of the last step alone."""

    def __init__(self, steps: int, name: Callable[[str], str], moves: Moves) -> None:
        self.steps, self.name, self.once, self.moves = steps, name, False, moves
        self.layers: list[dict[str, Any]] = []
        self.count = self.rounded = 0

    def layer(self, group: Group) -> None:
        """Add a layer with weights."""
        first = group.first
        own: dict[str, Any] = {"name": group.name}
        if first.kind != "dense":
            own["kind"] = first.kind
        own |= {"inputs": first.inputs, "outputs": group.outputs, **first.keys}
        if not first.has_bias:
            own["bias"] = False
        if first.vectors < self.steps:
            own["at"] = "last_step"
            self.once = True
        self.layers.append({**own, "source": "the model", "status": "quoted"})

    def between(self, slot: int, before: Group, work: Sequence[Work], after: Group) -> None:
        """Add the digital layer between two layers, if there is work, or what one puts out the other does not take."""
        enters = after.first.vectors < self.steps and not self.once
        plain = not work and before.outputs == after.first.inputs
        recurrent = LAYERS[before.first.kind].recurrent
        waits = before.first.backward and not self.once
        if not plain or waits or (enters and not recurrent):
            self._digital(slot, before.outputs, after.first.inputs, work, gathers=enters or waits, last=enters)

    def behind(self, slot: int, before: Group, work: Sequence[Work], kept: int) -> None:
        """Add the digital layer behind the last; it runs once if less than a vector for each step is kept."""
        if work:
            last = not self.once and self.steps > 1 and kept < self.steps and any(each.mixes for each in work)
            self._digital(slot, before.outputs, before.outputs, work, gathers=last, last=last)

    def _digital(
        self, slot: int, inputs: int, outputs: int, work: Sequence[Work], *, gathers: bool, last: bool
    ) -> None:  # fmt: skip
        total = sum(each.ops for each in work)
        runs = 1 if self.once or last else self.steps
        ops = -(-total // runs)
        self.rounded += ops * runs - total
        self.count += 1
        mixes = not self.once and self.steps > 1 and (gathers or any(each.mixes for each in work))
        own: dict[str, Any] = {
            "name": self.name(f"digital{self.count}"),
            "kind": "digital",
            "inputs": inputs,
            "outputs": outputs,
        }
        own |= {"ops": ops, **({"over": "sequence"} if mixes else {}), **({"at": "last_step"} if last else {})}
        if not gathers and not self.once:
            own |= self.moves(slot, work, inputs, outputs, mixes)
        self.layers.append({**own, "source": "counted in the model's graph", "status": "derived"})
        self.once = self.once or last


def unique(taken: Sequence[str] = ()) -> Callable[[str], str]:
    """Return a function that makes names unlike those given before, whatever their case.

    >>> name = unique(["fc"])
    >>> name("fc"), name("FC"), name("out")
    ('fc_2', 'FC_3', 'out')
    """
    used = {each.lower() for each in taken}

    def name(wanted: str) -> str:
        found, number = wanted, 1
        while found.lower() in used:
            number += 1
            found = f"{wanted}_{number}"
        used.add(found.lower())
        return found

    return name


def safe(name: str) -> str:
    """Return a name without what file systems and dotted keys give a meaning to, of at most 100 letters.

    >>> safe("/encoder/layers.0/MatMul")
    'encoder_layers_0_MatMul'
    """
    return "".join(c if c.isalnum() or c in "_-+" else "_" for c in name).strip("_")[-100:] or "model"


def _check_vectors(matrices: Sequence[Matrix], steps: int, above: Sequence[int], where: str) -> None:
    """Raise SpecError for matrices that an example does not drive once at each step, or once at the last."""
    problems = []
    apart = "import the parts of the model one by one"
    for matrix in matrices:
        node = f"node '{matrix.node.label}'"
        if matrix.vectors not in (1, steps):
            what = f"{node} is given {matrix.vectors} vectors of an example, and others {steps}"
            problems.append(Problem(where, what, f"all must be given {steps}, or one; {apart}"))
        elif matrix.vectors < steps and LAYERS[matrix.kind].recurrent:
            what = f"{node} is recurrent and is given one vector of an example, and others {steps}"
            problems.append(Problem(where, what, apart))
        elif matrix.vectors == steps > 1:
            mask = above[matrix.node.index]
            single = next((other for i, other in enumerate(matrices) if mask >> i & 1 and other.vectors < steps), None)
            if single is not None:
                what = f"{node} is given {steps} vectors of an example, but '{single.node.label}' before it one"
                problems.append(Problem(where, what, apart))
    if problems:
        raise SpecError(list(dict.fromkeys(problems)))


def _groups(graph: Graph, matrices: Sequence[Matrix], steps: int) -> tuple[tuple[Group, ...], tuple[int, ...]]:
    """Return the layers in their order, those of one vector last, and the place of each matrix among them."""
    joined: dict[Any, list[int]] = {}
    for i, matrix in enumerate(matrices):
        same = (
            root(graph, matrix.source),
            *sorted(matrix.keys.items()),
            matrix.has_bias,
            matrix.vectors,
            matrix.inputs,
        )
        joined.setdefault(same if matrix.kind == "dense" else i, []).append(i)
    order = sorted(joined.values(), key=lambda parts: (matrices[parts[0]].vectors < steps, parts[0]))
    name = unique()
    groups = tuple(
        Group(name("+".join(safe(matrices[i].name) for i in parts)[:200]), tuple(matrices[i] for i in parts))
        for parts in order
    )
    places: Mapping[int, int] = {i: place for place, parts in enumerate(order) for i in parts}
    return groups, tuple(places[i] for i in range(len(matrices)))


def _kept_vectors(graph: Graph) -> int:
    """Return how many vectors the largest output of a model has for an example; one if that is not known."""
    sizes = [graph.shapes[name] for name in graph.outputs if name in graph.shapes]
    return max((graph.elements(name) // max(1, graph.shapes[name][-1]) if graph.shapes[name] else 1
                for name in graph.outputs if name in graph.shapes), default=1) if sizes else 1  # fmt: skip
