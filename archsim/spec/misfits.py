"""Figures that no longer fit: which were given for other choices than the spec makes, and what to try instead."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from archsim.base.documents import STAND_IN
from archsim.base.section import Section, yaml_key
from archsim.base.units import parse_quantity
from archsim.components.base import Component
from archsim.estimates import ESTIMATORS
from archsim.spec.figures import Figure, value_at
from archsim.spec.given_for import NODE, given_for_in

ASKED_AS = {"words": "size", "word_bits": "width"}
"""Choices by what estimators call them, where that is another name."""


def misfits(value: Section, figures: Mapping[str, Figure], stand_ins: bool = False) -> list[str]:
    """Return a sentence for each part and choice: figures that were given for another value of it, and what to try.

    `figures` are those of `value` by dotted path; of those marked, these are told whose choice differs from that of the
    mark. That a stand-in is of another node, which its range is for, is told on demand.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for path, figure in figures.items():
        part, _, name = path.rpartition(".")
        for choice, was in given_for_in(figure.given_for):
            if choice == NODE and (figure.written or (figure.status == STAND_IN and not stand_ins)):
                continue  # of one that was scaled, the scaling says its node
            place = "technology.node" if choice == NODE else _place(part, choice)
            now = figures[place].text if place in figures else was
            if now != was and not (choice == NODE and _metres(now) == _metres(was)):
                of = choice.rpartition(".")[2].replace("_", " ")
                told = f"{of} {was if was != 'None' else 'not given'}; it is {now} now"
                found.setdefault((part, told, _estimator(value, path, choice)), []).append(f"{name} {figure.text}")
    return [
        f"{part}: {', '.join(names)} {'holds' if len(names) == 1 else 'hold'} for {told}"
        + (f"; try {{estimate: {law}}}, which follows it" if law else "")
        for (part, told, law), names in found.items()
    ]


def _metres(text: str) -> Fraction | None:
    try:
        return parse_quantity(text, "m")
    except ValueError:
        return None


def _estimator(value: Section, path: str, choice: str) -> str:
    """Return what estimates a figure by a choice, "" where nothing does."""
    part, _, name = path.rpartition(".")
    own = value_at(value, part)
    laws = own.estimators if isinstance(own, Component) else {}
    law = next((law for field, law in laws.items() if yaml_key(field) == name), "")
    return law if law and ASKED_AS.get(choice, choice) in ESTIMATORS[law].parameters else ""


def _place(part: str, choice: str) -> str:
    return f"{part.rpartition('.')[0]}.{choice}" if "." in choice else f"{part}.{choice}"
