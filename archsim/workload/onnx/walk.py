"""What a graph holds: matrices, digital work and the host's, and which matrices each of them depends on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from archsim.base.errors import Problem, SpecError
from archsim.base.limits import WIDTH, shown
from archsim.workload.onnx.followers import QUANTISING, SAME_VALUES, SAME_VECTORS, with_followers
from archsim.workload.onnx.matrices import READERS, Matrix, RefusedError
from archsim.workload.onnx.nodes import Graph, Node, UnknownShapeError
from archsim.workload.onnx.recurrent import recurrent
from archsim.workload.onnx.sizes import BATCH_AXIS
from archsim.workload.onnx.work import DIGITAL, HOST, LOOK_UPS, MOVES, Work, work_of

MISREAD = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What reading a node raises that has not the inputs and attributes which its operator says: the door of nodes."""
"""The largest size of a layer; see `archsim.base.units.Count`."""


@dataclass(frozen=True)
class Found:
    """What a graph holds, in its order.

    `host` are nodes before the first and behind the last matrix that the host does, `look_ups` tables of which it takes
    rows, `quantising` nodes that the converters do.
    """

    matrices: tuple[Matrix, ...]
    work: tuple[Work, ...]
    host: tuple[Node, ...]
    look_ups: tuple[Node, ...]
    quantising: tuple[Node, ...]


def walk(graph: Graph, where: str) -> Found:
    """Return what a graph holds; raise SpecError with all nodes that cannot be imported, by name."""
    matrices: list[Matrix] = []
    work: list[Work] = []
    strange: list[tuple[Node, str, str]] = []
    taken: set[int] = set()
    for node in graph.nodes:
        if node.index in taken or (node.outputs and all(name in graph.constants for name in node.outputs if name)):
            continue
        try:
            read = _matrices_of(node, graph)
            for matrix in read:
                _check_sizes(matrix)
                work += _addend(node, matrix)
                matrices.append(with_followers(matrix, graph, taken))
            if not read and node.kind in DIGITAL:
                work.append(work_of(node, graph))
            elif not read and node.kind not in MOVES | HOST | QUANTISING:
                what = "is no fully connected layer, and no digital work that archsim can count"
                strange.append((node, what, "export the model without it, or import the parts before and behind it"))
        except UnknownShapeError as error:
            hint = "export the model with fixed sizes, or give --dim NAME=N"
            strange.append((node, f"has no size: the shape of '{error}' is not known", hint))
        except SpecError:
            raise
        except MISREAD:
            strange.append((node, "is not as its operator says", "export the model again"))
        except RefusedError as error:
            strange.append((node, error.what, error.hint))
    uses = [node for node in graph.nodes if node.index not in taken]
    host = tuple(node for node in uses if node.kind in HOST)
    strange += [
        (node, "is the host's work, and stands between layers", "import the model's parts one by one")
        for node in _between(graph, matrices, host)
    ]
    if strange:
        raise SpecError(list(_by_kind(strange, where)))
    if not matrices:
        kinds = ", ".join(sorted({node.kind.rpartition(".")[2] for node in graph.nodes})) or "no nodes"
        loose = [node.label for node in graph.nodes if node.kind in READERS]
        kinds += f"; no constant has the weights of '{loose[0]}'" if loose else ""
        hint = "archsim needs Gemm, MatMul with constant weights, LSTM, GRU or RNN"
        raise SpecError.at(where, f"holds nothing fully connected ({kinds})", hint)
    tables = tuple(
        node for node in uses
        if node.kind in LOOK_UPS and graph.constant(node, 0) is not None and node.outputs[0] not in graph.constants
    )  # fmt: skip
    quantising = tuple(node for node in uses if node.kind in QUANTISING and node.outputs[0] not in graph.constants)
    return Found(tuple(matrices), tuple(work), host, tables, quantising)


def upstream(graph: Graph, matrices: Sequence[Matrix]) -> list[int]:
    """Return for each node on which matrices it depends, itself included: bit i for matrix i."""
    own = [0] * len(graph.nodes)
    for i, matrix in enumerate(matrices):
        own[matrix.node.index] |= 1 << i
    found = [0] * len(graph.nodes)
    for node in graph.nodes:
        above = [found[graph.made[name]] for name in node.inputs if name in graph.made]
        for mask in above:
            found[node.index] |= mask
        found[node.index] |= own[node.index]
    return found


def feeders(graph: Graph, matrices: Sequence[Matrix]) -> tuple[list[int], list[bool]]:
    """Return the matrices whose outputs reach each node without another matrix between, and if inputs do so."""
    own = [0] * len(graph.nodes)
    for i, matrix in enumerate(matrices):
        own[matrix.node.index] |= 1 << i
    masks, fed = [0] * len(graph.nodes), [False] * len(graph.nodes)
    for node in graph.nodes:
        for name in node.inputs:
            if name in graph.made:
                before = graph.made[name]
                masks[node.index] |= own[before] or masks[before]
                fed[node.index] |= not own[before] and fed[before]
            elif name and name not in graph.constants:
                fed[node.index] = True
    return masks, fed


def root(graph: Graph, tensor: str) -> str:
    """Return the tensor that another one is in the end: the same vectors, in another form."""
    while tensor in graph.made:
        node = graph.nodes[graph.made[tensor]]
        last = graph.shapes.get(tensor, (0,))[-1:] == graph.shapes.get(node.input(0), (1,))[-1:]
        if node.kind not in SAME_VALUES and not (node.kind in SAME_VECTORS and last):
            return tensor
        if tensor != node.outputs[0] or node.kind == "DynamicQuantizeLinear":
            return tensor
        tensor = node.input(0)
    return tensor


def _matrices_of(node: Node, graph: Graph) -> list[Matrix]:
    if node.kind in BATCH_AXIS:
        return recurrent(node, graph)
    matrix = READERS[node.kind](node, graph) if node.kind in READERS else None
    return [matrix] if matrix is not None else []


def _check_sizes(matrix: Matrix) -> None:
    """Raise RefusedError if a layer could not have these sizes."""
    sizes = {"inputs": matrix.inputs, "outputs": matrix.outputs, "vectors": matrix.vectors}
    for name, size in sizes.items():
        if not 0 < size <= WIDTH.most:
            raise RefusedError(f"has {shown(size)} {name}", f"a layer has 1 to {WIDTH.most:,}")


def _addend(node: Node, matrix: Matrix) -> list[Work]:
    """Return the addition of what a `Gemm` adds and is no row of biases."""
    place = {"Gemm": 2, "com.microsoft.QGemm": 6}.get(node.kind, 0)
    if not place or not node.input(place) or matrix.has_bias:
        return []
    return [Work(node, "Add", matrix.outputs * matrix.vectors, False)]


def _between(graph: Graph, matrices: Sequence[Matrix], nodes: Iterable[Node]) -> list[Node]:
    """Return those of some nodes that depend on a matrix and on which one depends."""
    above = upstream(graph, matrices)
    needed = {matrix.node.index for matrix in matrices}
    for node in reversed(graph.nodes):
        if node.index in needed:
            needed |= {graph.made[name] for name in node.inputs if name in graph.made}
    return [node for node in nodes if above[node.index] and node.index in needed]


def _by_kind(strange: Sequence[tuple[Node, str, str]], where: str) -> Iterable[Problem]:
    """Yield a problem for each kind of node and what is wrong with it, with the first node's name."""
    groups: dict[tuple[str, str, str], list[Node]] = {}
    for node, what, hint in strange:
        groups.setdefault((node.kind, what, hint), []).append(node)
    for (kind, what, hint), nodes in groups.items():
        more = f", and {len(nodes) - 1:,} more of its kind" if len(nodes) > 1 else ""
        yield Problem(where, f"node '{nodes[0].label}' ({kind.rpartition('.')[2]}) {what}{more}", hint)
