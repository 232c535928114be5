"""What a workload need not say: layers' inputs, names and activations, its data set and training follow from the sizes.

`layers: [784, 128, 10]` is a network of two layers with 784 inputs. A file may give as much more as it likes; what it
gives is never changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from archsim.base.documents import Leaf, Tree
from archsim.spec.figures import DEFAULT


class Known(NamedTuple):
    """A data set that archsim reads by name: its inputs, classes, and examples for training."""

    inputs: tuple[int, ...]
    classes: int
    examples: int


DATA_SETS = {"digits": Known((64,), 10, 1438), "mnist": Known((784, 528), 10, 60_000)}
"""By name; the digits are in the package. MNIST's 28 x 28 pixels are 528 with the margins that `cut_rows` cuts."""
NO_DATA, EXAMPLES = "none", 1000
"""What is assumed of networks of other sizes: there are no data to train with, and an epoch is so many examples."""
HIDDEN = "clipped_relu"
"""Activation of hidden layers: its bound is what converters are set to."""
LAST = {"class": "softmax"}
"""Activation of the last layer by target; `linear` for others."""
TRAINING = {"epochs": "10", "learning_rate": "0.01"}
"""Epochs and learning rate with which the digits are learnt."""


def shaped(tree: dict[str, Tree]) -> dict[str, Tree]:
    """Return a workload's tree in which each layer is a mapping; a size alone is that of its outputs.

    The first of the list, where it is a size, is that of the network's inputs.
    """
    layers = tree.get("layers")
    if not isinstance(layers, list) or not any(isinstance(layer, Leaf) for layer in layers):
        return tree
    first, *rest = layers
    every: list[Tree] = [{"outputs": layer} if isinstance(layer, Leaf) else layer for layer in layers]
    if isinstance(first, Leaf):
        every = every[1:]
        if rest and isinstance(every[0], dict):
            every[0] = {"inputs": first, **every[0]}
    return {**tree, "layers": every}


def filled(tree: dict[str, Tree]) -> dict[str, Tree]:
    """Return a workload's tree with what it does not say, each marked as archsim's default."""
    tree = shaped(tree)
    layers = tree.get("layers")
    proper = isinstance(layers, list) and all(isinstance(layer, dict) for layer in layers)
    own = [dict(layer) for layer in layers if isinstance(layer, dict)] if proper and isinstance(layers, list) else []
    dataset, training = tree.get("dataset", {}), tree.get("training", {})
    if isinstance(dataset, dict):
        tree = {**tree, "dataset": (dataset := _dataset(dataset, own))}
    if isinstance(training, dict) and (training or _text(tree.get("mode"), "training") == "training"):
        tree = {**tree, "training": {**_defaults(TRAINING), **training}}
    target = _text(dataset.get("target"), "class") if isinstance(dataset, dict) else "class"
    return {**tree, "layers": list(_layers(own, target))} if proper else tree  # whose fault is told then, alone


def _layers(own: Sequence[dict[str, Tree]], target: str) -> Sequence[dict[str, Tree]]:
    """Return the layers with their inputs, names and activations; a first one has the data's inputs."""
    taken = {_text(layer.get("name"), "") for layer in own}
    found: list[dict[str, Tree]] = []
    for place, layer in enumerate(own):
        kind = _text(layer.get("kind"), "dense")
        more: dict[str, Tree] = {}
        if "inputs" not in layer and found and isinstance(found[-1].get("outputs"), Leaf):
            more["inputs"] = found[-1]["outputs"]
        if "name" not in layer:
            stem, number = "fc" if kind == "dense" else kind, place + 1
            while f"{stem}{number}" in taken:
                number += 1
            taken.add(f"{stem}{number}")
            more["name"] = _default(f"{stem}{number}")
        if "activation" not in layer and kind == "dense":
            more["activation"] = _default(LAST.get(target, "linear") if place == len(own) - 1 else HIDDEN)
        found.append({**layer, **more})
    return found


def _dataset(given: dict[str, Tree], layers: Sequence[dict[str, Tree]]) -> dict[str, Tree]:
    """Return the data set: of those that are known the one of the network's sizes, with as many examples as it has."""
    ends = [layers[0].get("inputs"), layers[-1].get("outputs")] if layers else [None, None]
    sizes = _text(ends[0], ""), _text(ends[1], "")
    fits = [name for name, own in DATA_SETS.items() if sizes in {(str(n), str(own.classes)) for n in own.inputs}]
    found = {**given} if "name" in given else {"name": _default(fits[0] if fits else NO_DATA), **given}
    name = _text(found.get("name"), "")
    if "examples" not in found and (name in DATA_SETS or "name" not in given):
        found["examples"] = _default(str(DATA_SETS[name].examples if name in DATA_SETS else EXAMPLES))
    return found


def _default(text: str) -> Leaf:
    return Leaf(text, DEFAULT, "assumption")


def _defaults(texts: dict[str, str]) -> dict[str, Tree]:
    return {key: _default(text) for key, text in texts.items()}


def _text(tree: Tree | None, default: str) -> str:
    return tree.text if isinstance(tree, Leaf) else default
