"""The section of a run's report that sets the chip against GPUs."""

from __future__ import annotations

from archsim.report.extra import Extra
from archsim.studies.gpus.figures import figures
from archsim.studies.gpus.tables import catches_table, conventions, ladder_table, measured_table, modelled_table
from archsim.studies.run.page import Page

CAPTIONS = {
    "gpus_time": "Time per example by batch size: a GPU gets quicker with the batch, the chip takes one after another.",
    "gpus_energy": "Energy per example by batch size.",
}
"""What is shown of the comparison's figures; `archsim compare` draws all."""


def gpu_section(page: Page) -> Extra:
    """Return the section, made of what was compared when the run was made."""
    data = page.details["gpus"]
    measured = (measured_table(data, brief=True),) if data["measured"] else ()
    tables = (ladder_table(data), catches_table(data), modelled_table(data, brief=True), *measured)
    drawn = figures(data, CAPTIONS)
    captions = {name: CAPTIONS[name] for name in drawn}
    shown = tuple(table for table in tables if table.rows)
    return Extra("gpus", "Against GPUs", tuple(conventions(data)), shown, drawn, captions)
