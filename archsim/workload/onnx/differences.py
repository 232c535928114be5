"""What a user should know of an import: where the workload differs from the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

from archsim.workload.onnx.chain import Chain
from archsim.workload.onnx.nodes import Graph, Node
from archsim.workload.onnx.walk import Found, feeders
from archsim.workload.onnx.work import MIXES


def notes_of(graph: Graph, found: Found, chain: Chain) -> tuple[str, ...]:
    """Return a sentence for each kind of difference, the largest first."""
    return (
        *_order(graph, found, chain),
        *_shared(chain),
        *_digital(graph, found, chain),
        *_host(graph, found),
        *_recurrent(found),
        *_batch(graph),
    )


def named(names: Iterable[str], most: int = 5) -> str:
    """Return names in quotes, and how many more there are.

    >>> named("abcdefg")
    "'a', 'b', 'c', 'd', 'e' and 2 more"
    """
    all_ = list(dict.fromkeys(names))
    more = f" and {len(all_) - most:,} more" if len(all_) > most else ""
    return ", ".join(f"'{name}'" for name in all_[:most]) + more


def _order(graph: Graph, found: Found, chain: Chain) -> Iterable[str]:
    """Yield what a chain changes in the order of layers and in what they send."""
    masks, fed = feeders(graph, found.matrices)
    charged = {after["name"] for own, after in pairwise(chain.layers) if own.get("adds")}
    beside, skips = [], []
    for index, group in enumerate(chain.groups[1:], 1):
        node = group.first.node.index
        places = {chain.place[i] for i in range(len(found.matrices)) if masks[node] >> i & 1}
        if index - 1 not in places:
            beside.append(group.name)
        elif (len(places) > 1 or fed[node]) and group.name not in charged:
            skips.append(group.name)
    if beside:
        yield (
            f"{named(beside)}: beside the layer before in the model, after it here, since a workload is a chain; "
            "an example takes longer than with branches at once, and what they send each other differs"
        )
    if skips:
        yield f"{named(skips)}: also fed by what comes earlier than the layer before; its way there is not charged"
    last = len(chain.groups) - 1
    early = []
    for name in sorted(graph.outputs & graph.made.keys()):
        node = graph.made[name]
        own = [i for i, matrix in enumerate(found.matrices) if matrix.node.index == node]
        places = {chain.place[i] for i in own or range(len(found.matrices)) if own or masks[node] >> i & 1}
        if places and last not in places:
            early.append(name)
    if early:
        yield f"outputs {named(early)}: not the last layer's; their way to the host is not charged"


def _shared(chain: Chain) -> Iterable[str]:
    """Yield which layers have one matrix in the model."""
    seen: dict[str, list[int]] = {}
    for index, group in enumerate(chain.groups):
        for part in group.parts:
            for origin in part.origins:
                seen.setdefault(origin, []).append(index)
    for uses in dict.fromkeys(tuple(each) for each in seen.values() if len(each) > 1):
        groups = [chain.groups[index] for index in uses]
        more = sum(group.synapses for group in groups[1:]) if len(set(uses)) == len(uses) else 0
        told = f", {more:,} synapses more" if more else ""
        names = named(group.name for group in groups)
        yield f"{names}: one matrix in the model, used {len(uses)} times; here each has its own{told}"


def _digital(graph: Graph, found: Found, chain: Chain) -> Iterable[str]:
    """Yield what is charged to digital units."""
    if found.work:
        total, layers = sum(work.ops for work in found.work), [each for each in chain.layers if each.get("ops")]
        kinds = ", ".join(dict.fromkeys(work.kind for work in found.work))
        names = named(layer["name"] for layer in layers)
        yield f"{names}: {total:,} operations per example ({kinds}), charged to the digital units"
    if chain.early:
        ops, kinds = sum(work.ops for work in chain.early), ", ".join(dict.fromkeys(work.kind for work in chain.early))
        first = chain.groups[0]
        yield (
            f"of these, {ops:,} ({kinds}) come before the first layer and are charged to the tiles of '{first.name}', "
            f"behind it; the host sends the {first.first.inputs:,} values that it reads"
        )
    held = [
        work.node.label
        for work in found.work
        if work.node.kind in MIXES and any(len(graph.constants[each].shape) > 1 for each in _constant(work.node, graph))
    ]
    if held:
        yield f"{named(held)}: constant weights that are no matrix for all vectors; digital work, not on crossbars"
    if chain.rounded:
        yield f"{chain.rounded:,} operations more than counted, by rounding up for each of {chain.steps} steps"


def _constant(node: Node, graph: Graph) -> list[str]:
    return [name for name in node.inputs if name in graph.constants]


def _host(graph: Graph, found: Found) -> Iterable[str]:
    """Yield what the host and the converters do."""
    if found.host:
        yield f"{_kinds(found.host)}: the host's work, not charged"
    tables = {node.input(0): graph.constants[node.input(0)].shape for node in found.look_ups}
    large = {name: shape for name, shape in tables.items() if len(shape) > 1}
    for name, shape in large.items():
        yield f"table '{name}' ({' x '.join(map(str, shape))}): the host looks its rows up; no synapses, not charged"
    if found.quantising:
        yield f"{_kinds(found.quantising)}: left to the chip's converters, with their own bits and ranges"


def _recurrent(found: Found) -> Iterable[str]:
    """Yield what recurrent nodes do that layers do not."""
    backward = [matrix.name for matrix in found.matrices if matrix.backward]
    if backward:
        yield (
            f"{named(backward)}: from the last step to the first in the model, the other way here, in the same time; "
            "what follows waits for all steps"
        )
    for matrix in found.matrices:
        yield from matrix.notes
        slope, offset = matrix.node.get("alpha", 0.2), matrix.node.get("beta", 0.5)
        if matrix.keys.get("activation") == "hard_sigmoid" and (abs(slope - 1 / 6) > 1e-6 or offset != 0.5):
            yield f"'{matrix.name}': a hard sigmoid of another slope or offset than archsim's z / 6 + 1 / 2"


def _batch(graph: Graph) -> Iterable[str]:
    """Yield how many examples the model takes at once."""
    if graph.batch > 1:
        yield f"the model takes {graph.batch} examples at once (its batch axis); sizes here are those of one"


def _kinds(nodes: Sequence[Node]) -> str:
    """Return kinds of nodes, with how many of each there are."""
    counts: dict[str, int] = {}
    for node in nodes:
        kind = node.kind.rpartition(".")[2]
        counts[kind] = counts.get(kind, 0) + 1
    return ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
