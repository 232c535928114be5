"""Spec files as text: YAML is data, never a program, and each figure keeps its source.

Scalars stay the text that was written (in YAML 1.1, 12:30 would be 750 and 1e99 a string). A figure is
bare (`64 ns`) or a mapping (`{value: 64 ns, source: ..., status: ..., note: ...}`); the same three words in
a section hold for all bare figures in it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.words import counted

MOST_BYTES = 1_000_000
MOST_DEPTH = 20
STATUSES = ("quoted", "derived", "assumption", "fitted")
NOTES = ("source", "status", "note", "given_for")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar of a file: its text, and where the figure comes from ("" if that was not said).

    `given_for` says for what choices it holds, such as "bits 8; rate 5 ns".
    """

    text: str
    source: str = ""
    status: str = ""
    note: str = ""
    given_for: str = ""


_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it

_FIGURE = re.compile(r"\s*[+-]?\.?\d")  # what a section's notes apply to

Tree: TypeAlias = "Leaf | dict[str, Tree] | list[Tree]"


def read_yaml(text: str, label: str) -> dict[str, Any]:
    """Return a YAML mapping with all scalars as text; raise SpecError for anything that is not plain data."""
    try:
        _check_events(text, label)
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        if "nesting depth" in what:  # libyaml's own limit, which comes before the event that ours would see
            raise SpecError([_too_deep(f"{label}{line}")]) from None
        raise SpecError.at(f"{label}{line}", f"not YAML: {what}", "check the indentation and the quotes") from None
    if not isinstance(node, yaml.MappingNode):
        raise SpecError.at(label, "not a mapping of keys to values", "begin with 'kind: arch' or 'kind: workload'")
    problems: list[Problem] = []
    tree = _plain(node, label, problems)
    if problems:
        raise SpecError(problems)
    assert isinstance(tree, dict)
    return tree


def read_text(path: Path, label: str) -> str:
    """Return a file's text; raise SpecError if it cannot be that of a spec."""
    if path.is_dir():
        raise SpecError.at(label, "a folder, not a file", "name the .yaml file in it")
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise SpecError.at(label, "no such file", "check the path") from None
    except OSError as error:
        raise SpecError.at(label, f"cannot be read: {error.strerror}", "check its permissions") from None
    if len(data) > MOST_BYTES:
        raise SpecError.at(label, f"{counted(len(data), 'byte')}; a spec has at most {MOST_BYTES:,}", "give a spec")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError.at(label, "not text in UTF-8", "give a YAML file") from None


def _check_events(text: str, label: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=_LOADER):
        line = f"{label}, line {event.start_mark.line + 1}" if event.start_mark else label
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise SpecError.at(line, "anchors and aliases are not allowed", "write the value out, or use 'extends'")
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise SpecError.at(line, "a second document in one file", "give each its own file")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEPTH:
                raise SpecError([_too_deep(line)])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(where: str) -> Problem:
    return Problem(where, f"nested more than {MOST_DEPTH} deep", "no spec needs that")


def _plain(node: yaml.Node, label: str, problems: list[Problem]) -> Any:
    if isinstance(node, yaml.MappingNode):
        out: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = f"{label}, line {key_node.start_mark.line + 1}"
            if not isinstance(key_node, yaml.ScalarNode):
                problems.append(Problem(line, "a key that is not a word", "write 'key: value'"))
                continue
            if key_node.value in out:
                problems.append(Problem(line, f"key '{key_node.value}' is given twice", "keep one"))
            out[key_node.value] = _plain(value_node, label, problems)
        return out
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, label, problems) for item in node.value]
    if isinstance(node.value, str) and node.tag == "tag:yaml.org,2002:null":
        return None
    return str(node.value)


def annotated(plain: Mapping[str, Any], label: str, default: Leaf = Leaf("")) -> dict[str, Tree]:
    """Return the tree of a file's plain mapping: figures as leaves with source, status and note.

    `default` says what holds for figures without any.

    All faults are raised at once.
    """
    problems: list[Problem] = []
    tree = _annotate(plain, "", default, problems)
    if problems:
        raise SpecError([replace(problem, where=f"{label}: {problem.where}") for problem in problems])
    assert isinstance(tree, dict)
    return tree


def _annotate(plain: Any, path: str, default: Leaf, problems: list[Problem]) -> Tree:
    if plain is None:
        problems.append(Problem(path, "has no value", "give one, or leave the key out"))
        return Leaf("")
    if isinstance(plain, str):
        return replace(default, text=plain) if _FIGURE.match(plain) else Leaf(plain)
    if isinstance(plain, list):
        return [_annotate(item, f"{path}[{i}]", default, problems) for i, item in enumerate(plain)]
    own = _notes(plain, path, default, problems)
    rest = {key: value for key, value in plain.items() if key not in NOTES}
    if set(rest) == {"value"} and isinstance(rest["value"], str):
        return replace(own, text=rest["value"])
    here = f"{path}." if path else ""
    return {key: _annotate(value, f"{here}{key}", own, problems) for key, value in rest.items()}


def _notes(plain: Mapping[str, Any], path: str, default: Leaf, problems: list[Problem]) -> Leaf:
    here = f"{path}." if path else ""
    given: dict[str, str] = {}
    for key in NOTES:
        if key in plain:
            if isinstance(plain[key], str):
                given[key] = " ".join(plain[key].split())
            else:
                problems.append(Problem(f"{here}{key}", "is not text", "give a sentence"))
    if given.get("status", STATUSES[0]) not in STATUSES:
        what = f"'{given['status']}' is not a status"
        problems.append(Problem(f"{here}status", what, nearest(given["status"], STATUSES)))
    if given.keys() & {"source", "status"}:  # what is said here replaces what was said outside
        return Leaf("", *(given.get(key, "") for key in NOTES))
    return replace(default, note=given.get("note", default.note), given_for=given.get("given_for", default.given_for))


def merged(base: Tree, over: Tree) -> Tree:
    """Return `base` with `over` laid on it: mappings key by key, all else replaced.

    A mapping of another `kind` replaces the whole of what was there.
    """
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    kinds = [tree.get("kind") for tree in (base, over)]
    texts = [kind.text if isinstance(kind, Leaf) else None for kind in kinds]
    if texts[1] is not None and texts[0] != texts[1]:
        return over
    out = dict(base)
    for key, value in over.items():
        out[key] = merged(base[key], value) if key in base else value
    return out


def texts(tree: Tree) -> Any:
    """Return a tree with its leaves as text, for validation."""
    if isinstance(tree, Leaf):
        return tree.text
    if isinstance(tree, list):
        return [texts(item) for item in tree]
    return {key: texts(value) for key, value in tree.items()}


def written(tree: Tree) -> Any:
    """Return a tree as plain data for YAML, each figure with what is known of it."""
    if isinstance(tree, Leaf):
        notes = {key: getattr(tree, key) for key in NOTES if getattr(tree, key)}
        return {"value": tree.text, **notes} if notes else tree.text
    if isinstance(tree, list):
        return [written(item) for item in tree]
    return {key: written(value) for key, value in tree.items()}


def dump_yaml(data: Mapping[str, Any], *, leaves_on_a_line: bool = False) -> str:
    """Return plain data as YAML text, in its own order; lists and mappings of scalars on one line each if wanted."""
    style = None if leaves_on_a_line else False
    return yaml.dump(
        dict(data), Dumper=yaml.SafeDumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=style
    )
