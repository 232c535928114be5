"""Bars of the kinds that reports have: parts of a whole, and parts end to end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archsim.base.units import engineering, percent
from archsim.base.words import counted
from archsim.report.figure import Axis, Bar, Bars, Piece, axis
from archsim.report.table import words

MOST_BARS = 24
"""So many are shown one by one; the tables have all of them."""
WHOLE = "#34495e"
"""The colour of what is not told apart."""


def from_zero(most: float, unit: str = "", label: str = "") -> Axis:
    """Return an axis from zero to the largest value, in engineering units of an SI unit if there is one."""
    return axis(label, [0.0, most or 1.0], unit, room=0.0, zero=True)


def shares(
    name: str, title: str, says: str, parts: Mapping[str, float], unit: str, tone: Callable[[str, int], str]
) -> Bars:
    """Return parts of a whole, one bar each, as they are ordered; zeros are left out."""
    total, bars = sum(parts.values()) or 1.0, []
    for i, (key, value) in enumerate((key, value) for key, value in parts.items() if value):
        text = f"{engineering(value, unit) if unit else f'{value:,}'}, {percent(value / total)}"
        bars.append(Bar(words(key), text, (Piece(0.0, value, tone(key, i), f"{words(key)}: {text}"),)))
    return Bars(name, title, says, tuple(bars), from_zero(max(parts.values(), default=0.0), unit))


def stacked(label: str, text: str, pieces: Sequence[tuple[str, float, str, str]]) -> Bar:
    """Return a bar of (what, value, colour, text) pieces end to end."""
    at, parts = 0.0, []
    for what, value, tone, says in pieces:
        if value:
            parts.append(Piece(at, value, tone, f"{label}, {what}: {says}"))
            at += value
    return Bar(label, text, tuple(parts))


def first(parts: Mapping[str, float]) -> dict[str, float]:
    """Return the first parts, and the others as one."""
    shown = dict(list(parts.items())[: MOST_BARS - 1])
    rest = sum(value for name, value in parts.items() if name not in shown)
    return {**shown, **({counted(len(parts) - len(shown), "other"): rest} if rest else {})}
