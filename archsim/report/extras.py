"""Sections that others add to a report: text, tables and figures, in report.md and report.html alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from archsim.report.page import Page
from archsim.report.tables import Table


@dataclass(frozen=True)
class Extra:
    """A section: `name` is its anchor; `text` are paragraphs; `figures` are SVGs by name.

    Tables are written as tables/NAME.csv, figures as figures/NAME.svg; `captions` are by the name of a figure.
    """

    name: str
    title: str
    text: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)
    captions: Mapping[str, str] = field(default_factory=dict)


EXTRAS: tuple[Callable[[Page], Extra | None], ...] = ()
"""What makes a section of a page, or None where it has nothing to say: a section is one entry here."""


def extras(page: Page) -> tuple[Extra, ...]:
    """Return the sections that a page has besides those of every run."""
    return tuple(extra for extra in (build(page) for build in EXTRAS) if extra is not None)
