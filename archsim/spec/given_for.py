"""The marks of figures that were given for another design.

A component says in `choices` on which of its design choices its figures depend. Where a file, a setting or a variant
changes such a choice and leaves the figure as it was, the figure is marked with what it was given for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from archsim.base.documents import Leaf, Tree
from archsim.base.section import yaml_key
from archsim.components.base import COMPONENTS, Component

NODE = "node"
"""The technology's, on which energies and areas of all parts depend whose own node nobody scales."""
_SI = ("_j", "_j_per_bit", "_j_per_bit_m", "_m2", "_w")


def marked(before: Tree, after: Tree) -> Tree:
    """Return `after` with those figures marked that it has from `before` without a choice on which they depend."""
    if not isinstance(before, dict) or not isinstance(after, dict):
        return after
    nodes = [_text(_at(tree, "technology"), NODE) for tree in (before, after)]
    node = nodes[0] if nodes[0] and nodes[1] and nodes[0] != nodes[1] else ""
    return _marked(before, after, node, "scaling" in after)


def _marked(before: Mapping[str, Tree], after: Mapping[str, Tree], node: str, scaled: bool) -> dict[str, Tree]:
    out = dict(after)
    for key, own in after.items():
        out[key] = _below(before.get(key), own, node, scaled)
    cls = _class_of(after)
    if cls is None or _class_of(before) is not cls:
        return out
    changed = {name: _choice(cls, before, name) for name in cls.choices if _choice(cls, before, name) != _choice(
        cls, after, name)}  # fmt: skip
    for name, was in changed.items():
        for figure in cls.choices[name]:
            _mark(out, before, yaml_key(figure), f"{yaml_key(name)} {was}")
    if node:
        for figure in (name for name in cls.model_fields if name.endswith(_SI)):
            if not (scaled and figure in cls.scales):
                _mark(out, before, yaml_key(figure), f"{NODE} {node}")
    return out


def _below(before: Tree | None, after: Tree, node: str, scaled: bool) -> Tree:
    if before is after and not node:
        return after  # a setting leaves all but its own branch as it is
    if isinstance(before, dict) and isinstance(after, dict):
        found = _marked(before, after, node, scaled)
        for key, own in found.items():  # a part's choices on which its neighbours' figures depend, such as a router's
            cls, was = (_class_of(own), before.get(key)) if isinstance(own, dict) else (None, None)
            if cls is None or not isinstance(own, dict) or not isinstance(was, dict) or _class_of(was) is not cls:
                continue
            for name, figures in cls.beside.items():
                if (text := _choice(cls, was, name)) != _choice(cls, own, name):
                    for place in figures:
                        part, _, figure = place.partition(".")
                        near, earlier = found.get(part), before.get(part)
                        if isinstance(near, dict) and isinstance(earlier, dict):
                            near = dict(near)
                            _mark(near, earlier, figure, f"{key}.{yaml_key(name)} {text}")
                            found[part] = near
        return found
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return [_below(was, own, node, scaled) for was, own in zip(before, after, strict=True)]
    return after


def given_for_in(text: str) -> Iterator[tuple[str, str]]:
    """Yield (choice, value) of what a mark such as `bits 8; rate 5 ns` says."""
    for one in filter(None, (each.strip() for each in text.split(";"))):
        choice, _, was = one.partition(" ")
        yield choice, was


def _mark(out: dict[str, Tree], before: Mapping[str, Tree], key: str, given_for: str) -> None:
    """Mark a figure that is the same leaf in both, unless what it was given for is known already; a zero never is."""
    own = out.get(key)
    if not isinstance(own, Leaf) or own != before.get(key) or own.text.strip()[:2] in ("0", "0 "):
        return
    known = {choice for choice, _ in given_for_in(own.given_for)}
    if given_for.partition(" ")[0] not in known:
        out[key] = replace(own, given_for="; ".join(filter(None, (own.given_for, given_for))))


def _class_of(tree: Mapping[str, Tree] | Tree | None) -> type[Component] | None:
    kind = _text(tree, "kind")
    return COMPONENTS[kind] if kind and kind in COMPONENTS else None


def _choice(cls: type[Component], tree: Mapping[str, Tree], name: str) -> str:
    return _text(tree, yaml_key(name)) or str(cls.model_fields[name].default)


def _at(tree: Tree | None, key: str) -> Tree | None:
    return tree.get(key) if isinstance(tree, dict) else None


def _text(tree: Mapping[str, Tree] | Tree | None, key: str) -> str:
    own = tree.get(key) if isinstance(tree, Mapping) else None
    return own.text if isinstance(own, Leaf) else ""
