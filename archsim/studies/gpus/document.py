"""The report of a chip against GPUs as a document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from archsim.base.words import counted, per_cent
from archsim.report.document import Block, Document, Section, say
from archsim.report.table import Table
from archsim.results.intervals import MOST_TILES
from archsim.studies.gpus.figures import figures
from archsim.studies.gpus.shape import GpuComparison, MeasuredGpu
from archsim.studies.gpus.tables import (
    catches_table,
    chips_table,
    conventions,
    ladder_table,
    measured_table,
    modelled_table,
    peaks_table,
    sure_table,
)


def document(data: GpuComparison) -> Document:
    """Return the report of a comparison: it depends on what gpus.json holds alone."""
    names = f"{data.arch.name} against GPUs: {data.workload.name}, {data.mode}"
    found = (replace(ladder_table(data), brief=True), sure_table(data), replace(catches_table(data), brief=True),
             peaks_table(data))  # fmt: skip
    tables = tuple(table for table in found if table.rows)
    rows: list[Block] = []
    rows += _long(modelled_table, data, "Each GPU in its fastest precision.")
    rows += _long(measured_table, data, "The precision and way that are the quickest at the largest batch.")
    return Document(
        names,
        tuple(say("{text}", text=text) for text in conventions(data)),
        (
            *([Section("chips", "Chips beside each other", (chips_table(data),))] if data.chips else []),
            Section("ratios", "What is left of the published comparison", (*_drawn(data), *tables)),
            Section("figures", "By batch size, and by peaks", figures(data)),
            Section("rows", "Modelled and measured", tuple(rows)),
        ),
        (
            *(_origin(each) for each in data.measured),
            *data.ends(data.arch, data.workload),
        ),
        stem="gpus",
    )  # fmt: skip


def _drawn(data: GpuComparison) -> list[Block]:
    """Return how the intervals were found, or why there are none."""
    how = data.uncertainty
    if how is None:
        return [say("There are no intervals: a chip has more than {tiles}, or of most of its draws none can be made.",
                    tiles=counted(MOST_TILES, "tile"), brief=True)]  # fmt: skip
    refused = f" Left out: {counted(how.refused, 'draw')} of which no chip can be made." if how.refused else ""
    return [say(
        "Low and high: {held} of {draws} lie within. In each, figures of the chip lie in their ranges, and a GPU's "
        "modelled time and power within the factors that hold as much of the measured steps. Data sheets are taken as "
        "they are, but for ranges in a file of GPUs.{refused}", held=per_cent(how.held, 0),
        draws=counted(how.draws, "draw"), refused=refused, brief=True,
    )]  # fmt: skip


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
