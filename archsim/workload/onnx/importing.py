"""A workload from an ONNX model: its matrices are layers in the order of the graph, the rest is digital work."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from archsim.base.errors import Problem, SpecError
from archsim.base.validation import said
from archsim.workload.network import Workload
from archsim.workload.onnx.chain import Chain, Group, chain_of, safe
from archsim.workload.onnx.differences import notes_of
from archsim.workload.onnx.matrices import F32
from archsim.workload.onnx.nodes import read_graph
from archsim.workload.onnx.walk import walk
from archsim.workload.onnx.work import Work

EXAMPLES = 10_000
"""Examples of an imported workload, since a model does not say; an assumption."""


class Weights(Mapping[str, F32]):
    """The weights of layers by name, [rows, columns]; each is read when it is asked for."""

    def __init__(self, groups: Mapping[str, Group]) -> None:
        self._groups = groups

    def __getitem__(self, name: str) -> F32:
        return self._groups[name].numbers()

    def __iter__(self) -> Iterator[str]:
        return iter(self._groups)

    def __len__(self) -> int:
        return len(self._groups)


@dataclass(frozen=True)
class Imported:
    """A workload as plain data, the weights of its layers by name ([rows, outputs]), and what the user should know.

    `rounded` are the digital operations of an example that rounding adds to what was counted.
    """

    workload: dict[str, Any]
    weights: Weights
    notes: tuple[str, ...]
    rounded: int = 0


def import_onnx(
    path: Path, *, digital: bool = False, dims: Mapping[str, int] | None = None, weights_file: str | None = None
) -> Imported:
    """Return the workload of an ONNX model, which `check` accepts.

    `dims` gives symbolic dimensions their sizes (the batch may stay symbolic: it is one). With `digital`, what is no
    matrix with constant weights becomes digital work; else it is refused by name. Raises SpecError for what cannot be
    read, has dynamic shapes, holds nothing fully connected, or makes no chain of layers.
    """
    where = str(path)
    graph = read_graph(path, where, dims or {})
    found = walk(graph, where)
    if found.work and not digital:
        raise SpecError(_uncharged(found.work, where))
    chain = chain_of(graph, found, where)
    workload: dict[str, Any] = {
        "kind": "workload",
        "name": safe(graph.name or path.stem),
        "description": f"Imported from {safe(path.stem)}{path.suffix}; shapes and weights are the model's.",
        "mode": "inference",
        **({"weights": weights_file} if weights_file else {}),
        "dataset": {"name": "none", "source": "shapes alone", "status": "assumption", "examples": EXAMPLES},
        **({"steps": chain.steps} if chain.steps > 1 else {}),
        "layers": list(chain.layers),
        "training": {
            "epochs": {"value": 1, "status": "assumption"},
            "learning_rate": {"value": 0.01, "status": "assumption", "note": "has no influence on time"},
        },
    }
    _check(chain, where)
    weights = Weights({group.name: group for group in chain.groups})
    return Imported(workload, weights, notes_of(graph, found, chain), chain.rounded)


def _uncharged(work: tuple[Work, ...], where: str) -> Iterator[Problem]:
    """Yield a problem for each kind of digital work that nothing was said of."""
    kinds: dict[str, list[Work]] = {}
    for each in work:
        kinds.setdefault(each.kind, []).append(each)
    for kind, own in kinds.items():
        first, rest = own[0], len(own) - 1
        more = f", nor have {rest:,} more of its kind, {sum(each.ops for each in own):,} in all" if rest else ""
        what = f"node '{first.node.label}' ({kind}, {first.ops:,} operations) has no fixed weights{more}"
        yield Problem(where, what, "charge such work to the digital units with --digital")


def _check(chain: Chain, where: str) -> None:
    """Raise SpecError where the layers are none that a workload may have."""
    layers = [{key: value for key, value in layer.items() if key not in ("source", "status")} for layer in chain.layers]
    try:
        Workload.model_validate({
            "name": "imported", "mode": "inference", "dataset": {"name": "none", "examples": EXAMPLES},
            "steps": chain.steps, "layers": layers,
        })  # fmt: skip
    except ValidationError as error:
        hint = "import the parts of the model one by one"
        faults = [f"{_place(each['loc'], chain)}{said(each)[0]}" for each in error.errors()]
        raise SpecError(Problem(where, f"makes no chain of layers: {fault}", hint) for fault in faults) from None


def _place(loc: tuple[int | str, ...], chain: Chain) -> str:
    """Return the name of the layer that a fault is in, if it is in one."""
    at = next((each for each in loc if isinstance(each, int)), None)
    return f"'{chain.layers[at]['name']}', {loc[-1]}: " if at is not None else ""
