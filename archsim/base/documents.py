"""Spec files as text: YAML is data, never a program, and each figure keeps its source.

Scalars stay the text that was written (in YAML 1.1, 12:30 would be 750 and 1e99 a string). A figure is
bare (`64 ns`) or a mapping (`{value: 64 ns, source: ..., status: ..., note: ...}`); the same three words in
a section hold for all bare figures in it. A figure's own mapping may have a `range: [LOW, HIGH]`, too. A figure that
follows from others is `{estimate: NAME, of: {...}, note: ...}`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from archsim.base.doors import read_whole
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.limits import NESTING, SPEC_BYTES, Limit

STAND_IN = "stand-in"
"""The status of what was published of another part."""
STATUSES = ("quoted", "derived", "estimated", STAND_IN, "assumption", "fitted")
NOTES = ("source", "status", "note", "given_for")
RANGE, ESTIMATE = "range", "estimate"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar of a file: its text, and where the figure comes from ("" if that was not said).

    `given_for` says for what choices it holds, such as "bits 8; rate 5 ns"; `place` where a file lies that it names.
    `range` is how low and how high the figure may be, or empty; `estimate` the estimator that made it.
    """

    text: str
    source: str = ""
    status: str = ""
    note: str = ""
    given_for: str = ""
    place: str = field(default="", compare=False)
    range: tuple[str, ...] = ()
    estimate: str = ""


_LOADER: type[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's, where PyYAML was built with it

_NULL = "tag:yaml.org,2002:null"
_NULLS = ("", "~", "null", "Null", "NULL")  # what YAML 1.1 takes for no value, where it is not in quotes

_FIGURE = re.compile(r"\s*[+-]?\.?\d")  # what a section's notes apply to

Tree: TypeAlias = "Leaf | dict[str, Tree] | list[Tree]"
BEGIN = "begin with 'kind: arch' or 'kind: workload'; archsim new arch NAME writes one"
"""What is wanted of a file that may be of any kind of spec."""


def read_yaml(text: str, label: str, wanted: str = BEGIN) -> dict[str, Any]:
    """Return a YAML mapping with all scalars as text; raise SpecError for anything that is not plain data.

    Where there is nothing, or no mapping, that tells what is `wanted`. A text that was read before is not parsed again:
    studies load the same few files for each of their points.
    """
    tree = _parsed(text, label)
    if tree is None:
        raise SpecError.at(label, "is empty, or holds comments alone", wanted)
    if not isinstance(tree, dict):
        raise SpecError.at(label, "not a mapping of keys to values", wanted)
    found: dict[str, Any] = _copied(tree)
    return found


def _copied(plain: Any) -> Any:
    if isinstance(plain, dict):
        return {key: _copied(value) for key, value in plain.items()}
    return [_copied(item) for item in plain] if isinstance(plain, list) else plain


@functools.lru_cache(maxsize=128)
def _parsed(text: str, label: str) -> Any:
    problems: list[Problem] = []
    try:
        tree = _Reader(text, label, problems).document()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        what = " ".join(str(getattr(error, "problem", None) or error).split())
        if "nesting depth" in what:  # libyaml's own limit, which comes before the event that ours would see
            NESTING.check(10**3, f"{label}{line}")  # libyaml's number
        hint = "check the indentation and the quotes"
        lines = text.splitlines()[mark.line :] if mark is not None else []
        if lines and re.match(r" *\t", lines[0]):
            what, hint = "a tab stands in the indentation", "indent with spaces, two for each level"
        raise SpecError([Problem(f"{label}{line}", f"not YAML: {what}", hint)]) from None
    if problems and isinstance(tree, dict):
        raise SpecError(problems)
    return tree


def read_text(path: Path, label: str, most: Limit = SPEC_BYTES) -> str:
    """Return a file's text; raise SpecError if it cannot be that of a spec."""
    data = read_whole(path, label, "name a file of text, and check its permissions", most)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecError.at(label, "not text in UTF-8", "give a YAML file") from None


class _Reader:
    """Makes plain data of a document's events, one after another; faults that do not end it go to `problems`."""

    def __init__(self, text: str, label: str, problems: list[Problem]):
        self.events: Iterator[yaml.Event] = yaml.parse(text, Loader=_LOADER)
        self.label = label
        self.problems = problems

    def document(self) -> Any:
        """Return the data of the only document; None if there is none."""
        next(self.events)  # the stream starts
        if isinstance(next(self.events), yaml.StreamEndEvent):
            return None
        found = self.value(next(self.events), 0)
        next(self.events)  # the document ends
        after = next(self.events)
        if isinstance(after, yaml.DocumentStartEvent):
            raise SpecError([Problem(self.line(after), "a second document in one file", "give each its own file")])
        return found

    def line(self, event: yaml.Event) -> str:
        """Return in which line of the file an event begins."""
        return f"{self.label}, line {event.start_mark.line + 1}" if event.start_mark else self.label

    def value(self, event: yaml.Event, depth: int) -> Any:
        """Return the data that an event begins, in so many collections."""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            what = "anchors and aliases are not allowed"
            raise SpecError([Problem(self.line(event), what, "write the value out, or use 'extends'")])
        if isinstance(event, yaml.ScalarEvent):
            text: str = event.value
            return None if event.tag == _NULL or (event.implicit[0] and text in _NULLS) else text
        NESTING.check(depth + 1, self.line(event))
        if isinstance(event, yaml.MappingStartEvent):
            return self.mapping(depth + 1)
        items = []
        while not isinstance(item := next(self.events), yaml.SequenceEndEvent):
            items.append(self.value(item, depth + 1))
        return items

    def mapping(self, depth: int) -> dict[str, Any]:
        """Return the data of a mapping whose start was read, itself in so many collections with it."""
        out: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if isinstance(event, yaml.ScalarEvent):
                self.value(event, depth)
                if event.value in out:
                    self.problems.append(Problem(self.line(event), f"key '{event.value}' is given twice", "keep one"))
                out[event.value] = self.value(next(self.events), depth)
                continue
            before = len(self.problems)
            self.value(event, depth)
            self.value(next(self.events), depth)
            self.problems[before:] = [Problem(self.line(event), "a key that is not a word", "write 'key: value'")]
        return out


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
        comma = re.match(r"\d", path.rpartition(".")[2])
        hint = "decimals have a point, 2.34" if comma else "give one, or leave the key out"
        problems.append(Problem(path, "has no value", hint))
        return Leaf("")
    if isinstance(plain, str):
        return _like(default, plain) if _FIGURE.match(plain) else Leaf(plain)
    if isinstance(plain, list):
        return [_annotate(item, f"{path}[{i}]", default, problems) for i, item in enumerate(plain)]
    own = _notes(plain, path, default, problems)
    rest = {key: value for key, value in plain.items() if key not in NOTES}
    here = f"{path}." if path else ""
    if rest.keys() - {RANGE} == {"value"} and isinstance(rest["value"], str):
        ends = _range(rest[RANGE], f"{here}{RANGE}", problems) if RANGE in rest else ()
        return _like(own, rest["value"], ends)
    below = {key: _annotate(value, f"{here}{key}", own, problems) for key, value in rest.items()}
    if isinstance(name := rest.get(ESTIMATE), str):
        below[ESTIMATE] = Leaf(name, note=own.note)
    return below


def _like(leaf: Leaf, text: str, ends: tuple[str, ...] = ()) -> Leaf:
    """Return a leaf with another text and range; every figure of a file passes here, where `replace` takes too long."""
    return Leaf(text, leaf.source, leaf.status, leaf.note, leaf.given_for, leaf.place, ends, leaf.estimate)


def _range(plain: Any, path: str, problems: list[Problem]) -> tuple[str, ...]:
    ends = tuple(plain) if isinstance(plain, list) else ("",)
    if len(ends) not in (0, 2) or not all(isinstance(end, str) and _FIGURE.match(end) for end in ends):
        problems.append(Problem(path, "is not two figures", "give the lowest and the highest: [1 pJ, 5 pJ]"))
        return ()
    return ends


def _notes(plain: Mapping[str, Any], path: str, default: Leaf, problems: list[Problem]) -> Leaf:
    if plain.keys().isdisjoint(NOTES):
        return default
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
        source, status, note, given_for = (given.get(key, "") for key in NOTES)
        return Leaf("", source, status, note, given_for)
    note, given_for = given.get("note", default.note), given.get("given_for", default.given_for)
    return Leaf("", default.source, default.status, note, given_for)


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


def leaves(tree: Tree, path: str) -> Iterator[tuple[str, Leaf]]:
    """Yield (dotted path, leaf) of every scalar of a tree."""
    if isinstance(tree, Leaf):
        yield path, tree
    elif isinstance(tree, list):
        for i, item in enumerate(tree):
            yield from leaves(item, f"{path}[{i}]")
    else:
        for key, value in tree.items():
            yield from leaves(value, f"{path}.{key}" if path else key)


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
        notes: dict[str, Any] = {key: getattr(tree, key) for key in NOTES if getattr(tree, key)}
        notes |= {RANGE: list(tree.range)} if tree.range else {}
        return {"value": tree.text, **notes} if notes else tree.text
    if isinstance(tree, list):
        return [written(item) for item in tree]
    name = tree.get(ESTIMATE)
    note = {"note": name.note} if isinstance(name, Leaf) and name.note else {}
    return {key: name.text if isinstance(name, Leaf) and value is name else written(value)
            for key, value in tree.items()} | note  # fmt: skip


def dump_yaml(data: Mapping[str, Any], *, leaves_on_a_line: bool = False) -> str:
    """Return plain data as YAML text, in its own order; lists and mappings of scalars on one line each if wanted."""
    style = None if leaves_on_a_line else False
    dumper = _FAST if _FAST is not None and _is_plain(data) else _Dumper
    return yaml.dump(
        dict(data), Dumper=dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=style
    )


class _Dumper(yaml.SafeDumper):
    """PyYAML's, but that line breaks of YAML 1.1 are escaped: it would write them as they are and read spaces."""

    def text(self, text: str) -> yaml.ScalarNode:
        style = '"' if _BREAKS.search(text) else None
        return self.represent_scalar("tag:yaml.org,2002:str", text, style)


_BREAKS = re.compile("[\x85\u2028\u2029]")
_Dumper.add_representer(str, _Dumper.text)

_FAST: Any = getattr(yaml, "CSafeDumper", None)
"""libyaml's, five times as fast; None where PyYAML was built without it."""
_SAME = re.compile(r"[ -~\xa1-\u1fff]*")
_SAME_KEY = re.compile(r"[ -~]{1,64}")
"""Of which texts and keys libyaml writes the same bytes: beyond are line breaks, letters that it escapes, long keys."""


def _is_plain(data: Any) -> bool:
    if isinstance(data, str):
        return _SAME.fullmatch(data) is not None
    if isinstance(data, Mapping):
        return all(isinstance(key, str) and _SAME_KEY.fullmatch(key) and _is_plain(own) for key, own in data.items())
    return isinstance(data, list) and all(map(_is_plain, data))
