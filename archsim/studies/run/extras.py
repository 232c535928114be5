"""Sections that others add to a report: text, tables and figures, in report.md and report.html alike."""

from __future__ import annotations

from collections.abc import Callable

from archsim.report.extra import Extra
from archsim.studies.gpus.of_run import gpu_section
from archsim.studies.run.page import Page

EXTRAS: tuple[Callable[[Page], Extra | None], ...] = (gpu_section,)
"""What makes a section of a page, or None where it has nothing to say: a section is one entry here."""


def extras(page: Page) -> tuple[Extra, ...]:
    """Return the sections that a page has besides those of every run."""
    return tuple(extra for extra in (build(page) for build in EXTRAS) if extra is not None)
