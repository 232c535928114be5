"""The section of a run's report that sets the chip against GPUs."""

from __future__ import annotations

from archsim.report.extra import Extra
from archsim.report.gpu_figures import figures
from archsim.report.gpu_tables import catches_table, conventions, ladder_table, measured_table, modelled_table
from archsim.report.page import Page

CAPTIONS = {
    "gpus_time": "Time per example by batch size: a GPU gets cheaper with the batch, the chip trains one at a time.",
    "gpus_energy": "Energy per example by batch size.",
    "gpus_efficiency": "Energy efficiency: data sheets promise peaks, networks get less, on both sides.",
    "gpus_density": "Throughput per area of the die.",
}


def gpu_section(page: Page) -> Extra | None:
    """Return the section, made of what was compared when the run was made; None where nothing was."""
    data = page.details.get("gpus")
    if not data:
        return None
    tables = (ladder_table(data), catches_table(data), modelled_table(data, brief=True))
    tables += (measured_table(data, brief=True),) if data["measured"] else ()
    return Extra("gpus", "Against GPUs", tuple(conventions(data)), tables, figures(data), CAPTIONS)
