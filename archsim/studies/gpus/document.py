"""The report of a chip against GPUs as a document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from archsim.report.document import Block, Document, Section, say
from archsim.report.table import Table
from archsim.studies.gpus.figures import figures
from archsim.studies.gpus.shape import GpuComparison, MeasuredGpu
from archsim.studies.gpus.tables import (
    catches_table,
    conventions,
    ladder_table,
    measured_table,
    modelled_table,
    peaks_table,
)


def document(data: GpuComparison) -> Document:
    """Return the report of a comparison: it depends on what gpus.json holds alone."""
    names = f"{data.arch.name} against GPUs: {data.workload.name}, {data.mode}"
    found = (replace(ladder_table(data), brief=True), replace(catches_table(data), brief=True), peaks_table(data))
    tables = tuple(table for table in found if table.rows)
    rows: list[Block] = []
    rows += _long(modelled_table, data, "Each GPU in its fastest precision.")
    rows += _long(measured_table, data, "The precision and way that are the quickest at the largest batch.")
    return Document(
        names,
        tuple(say("{text}", text=text) for text in conventions(data)),
        (
            Section("ratios", "What is left of the published comparison", tables),
            Section("figures", "By batch size, and by peaks", figures(data)),
            Section("rows", "Modelled and measured", tuple(rows)),
        ),
        (
            *(_origin(each) for each in data.measured),
            *data.ends(data.arch, data.workload),
        ),
        stem="gpus",
    )  # fmt: skip


def _long(build: Callable[..., Table], data: GpuComparison, says: str) -> list[Block]:
    """Return a table of all rows, of which a short one is shown."""
    every, short = build(data), build(data, brief=True)
    if not every.rows:
        return []
    return [say("{says} All rows are in `tables/{name}.csv`.", says=says, name=every.name),
            replace(every, shown=tuple(short.rows))]  # fmt: skip


def _origin(each: MeasuredGpu) -> Block:
    versions = ", ".join(f"{name} {version}" for name, version in each.software.items() if version)
    return say("Measured: {gpu}, {date} ({versions}); {file}. {method}.", kind="note", gpu=each.gpu,
               date=each.date, versions=versions, file=each.file, method=each.method)  # fmt: skip
