"""Figures as SVG files: the template has a painter for each kind. Their bytes depend on the figure alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TypeAlias

from jinja2 import Environment

from archsim.base.bytecode import templates
from archsim.base.texts import cells, for_xml, short
from archsim.report.beside import DOT, apart, beside
from archsim.report.figure import MOST_LETTERS, Axis, Figure, Legend

WIDTH = 760
LETTER = 6.4
"""How wide a letter is taken to be, in pixels, at the size of most texts."""
Key: TypeAlias = tuple[float, float, str, str]
"""An entry of a legend: left and top of its sign, its text and colour."""


def svg(figure: Figure) -> str:
    """Return a figure as the text of an SVG file that shows itself, with tooltips."""
    painters = _environment().get_template("figures.svg").module
    return str(getattr(painters, type(figure).__name__.lower())(figure))


@cache
def _environment() -> Environment:
    return templates("archsim.report", for_xml, short=short, WIDTH=WIDTH, MOST_LETTERS=MOST_LETTERS, DOT=DOT,
                     told_apart=told_apart, keys_of=keys_of, below=below, widest=widest, beside=beside)  # fmt: skip


def widest(texts: Iterable[str]) -> float:
    """Return the width of the longest text, in pixels."""
    return LETTER * max(map(cells, texts), default=0)


def told_apart(axis: Axis, left: float, wide: float) -> list[tuple[float, str | None]]:
    """Return the place in pixels and text of an axis' ticks; None where that would touch the one before."""
    marks = [(left + wide * share / 100, text) for share, text in axis.marks()]
    shown = apart([(at - LETTER * len(text) / 2, at + LETTER * len(text) / 2) for at, text in marks], gap=4)
    return [(at, text if i in shown else None) for i, (at, text) in enumerate(marks)]


def keys_of(legend: Legend, left: float) -> list[Key]:
    """Return the entries of a legend, in as many lines as it needs."""
    keys, x, y = [], left, 8.0
    for text, tone in legend:
        width = 26 + LETTER * min(MOST_LETTERS, cells(text))
        if x > left and x + width > WIDTH - 10:
            x, y = left, y + 17
        keys.append((x, y, text, tone))
        x += width
    return keys


def below(keys: Sequence[Key]) -> float:
    """Return where a legend ends."""
    return keys[-1][1] + 22 if keys else 8
