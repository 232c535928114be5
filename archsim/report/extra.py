"""A section that is added to a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from archsim.report.table import Table


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
