"""Figures of a spec: each with its source, and where two specs differ."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from archsim.base.documents import Leaf, Tree
from archsim.base.section import Section, marks_of, names_of
from archsim.base.units import Dimension, engineering
from archsim.spec.arch import AnyFigure
from archsim.spec.scaling import Scaled
from archsim.spec.settings import path_parts

DEFAULT = "archsim's default"
"""The source of a figure that a file does not give."""


@dataclass(frozen=True)
class Figure:
    """One figure of a spec as it was written, and where it comes from.

    Of one that was scaled to another node, `text` is what it was scaled to, and `written` what the file has.
    `given_for` says for which choices it holds, where that was said or they were changed since. `range` is how low and
    how high it may be, as written, and `estimate` the estimator that made it.
    """

    text: str
    source: str
    status: str
    note: str = ""
    written: str = ""
    given_for: str = ""
    range: tuple[str, ...] = ()
    estimate: str = ""

    @property
    def to_set(self) -> str:
        """The text with which an override would leave it as it is: scaling comes after overrides."""
        return self.written or self.text


def figure_paths(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yield (dotted path, value as text) of every figure of a section, in order."""
    if isinstance(value, Section):
        marks = _marks(type(value))
        for key, name in names_of(type(value)).items():
            here = f"{path}.{key}" if path else key
            item = getattr(value, name)
            if (mark := marks[name]) is not None:
                if item is not None:
                    yield here, mark.text(item) if isinstance(mark, Dimension) else str(item)
            else:
                yield from figure_paths(item, here)
    elif isinstance(value, tuple):
        for i, item in enumerate(value):
            yield from figure_paths(item, f"{path}[{i}]")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from figure_paths(item, f"{path}.{key}")


def dimension_at(value: Any, path: str) -> Dimension | None:
    """Return how the figure at a dotted path of a section is read; None where there is none, or no number."""
    _, mark = _item_at(value, path)
    return mark if isinstance(mark, Dimension) else None


def value_at(value: Any, path: str) -> Any:
    """Return what a section has at a dotted path; None where there is nothing."""
    return _item_at(value, path)[0]


def text_at(value: Any, path: str) -> str | None:
    """Return what a section has at a dotted path as text, a figure with its SI unit; None where that is no text."""
    item, mark = _item_at(value, path)
    if isinstance(mark, Dimension) and item is not None:
        return mark.text(item)
    return str(item) if isinstance(item, str | int | float) else None


def _item_at(value: Any, path: str) -> tuple[Any, Dimension | AnyFigure | None]:
    mark: Dimension | AnyFigure | None = None
    for part in path_parts(path):
        mark = None
        if isinstance(value, Section):
            name = names_of(type(value)).get(str(part))
            mark = None if name is None else _marks(type(value))[name]
            value = getattr(value, "kind" if name is None and part == "kind" else name or "", None)
        elif isinstance(value, Mapping):
            value = value.get(part)
        else:
            value = value[part] if isinstance(value, tuple) and isinstance(part, int) and part < len(value) else None
    return value, mark


def figure_at(tree: Tree, path: str, default: str) -> Figure:
    """Return the figure at a path of a tree; of one that is not there, the default."""
    found: Any = tree
    for part in path_parts(path):
        if isinstance(part, int):
            found = found[part] if isinstance(found, list) and part < len(found) else None
        else:
            found = found.get(part) if isinstance(found, dict) else None
    if not isinstance(found, Leaf):
        return Figure(default, DEFAULT, "assumption")
    status = found.status or ("quoted" if found.source else "assumption")
    return Figure(
        found.text, found.source, status, found.note, given_for=found.given_for, range=found.range,
        estimate=found.estimate,
    )  # fmt: skip


def rescaled(value: Any, figures: Mapping[str, Figure], marks: Mapping[str, Scaled]) -> dict[str, Figure]:
    """Return the figures that were scaled, each with what it was, both nodes and the factor as its source.

    What was assumed or fitted stays so.
    """
    now = dict(figure_paths(value, ""))
    found, words = {}, value.scaling.onto(value.technology.node_m).words
    for path, mark in marks.items():
        was, number = figures[path], float(now[path].split()[0])
        text = engineering(number, {"energy": "J", "area": "m2", "delay": "s"}[mark.quantity], 6)
        source = (
            f"{was.text} ({was.source or was.status}), {mark.quantity} x {mark.factor:g} from {words} by {mark.source}"
        )
        status = was.status if was.status in ("assumption", "fitted") else "derived"
        found[path] = replace(was, text=text, source=source, status=status, written=was.text)
    return found


@functools.cache
def _marks(cls: type[Section]) -> Mapping[str, Dimension | AnyFigure | None]:
    """Return by the name of each field of a section how its figure is read; None where it is no figure."""
    return {
        name: next((mark for mark in marks_of(field) if isinstance(mark, Dimension | AnyFigure)), None)
        for name, field in cls.model_fields.items()
    }
