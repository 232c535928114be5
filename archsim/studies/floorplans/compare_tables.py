"""Chips side by side as a table: a column for each figure, in one unit, the best of each marked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from archsim.base.words import counted
from archsim.report.table import Column, Table

Data: TypeAlias = Mapping[str, Any]

PREFIXES = (
    (1e12, "T"),
    (1e9, "G"),
    (1e6, "M"),
    (1e3, "k"),
    (1.0, ""),
    (1e-3, "m"),
    (1e-6, "u"),
    (1e-9, "n"),
    (1e-12, "p"),
)


@dataclass(frozen=True)
class Metric:
    """A column: its key, heading, and unit; `scale` is the unit in SI, 0 for a prefix that suits the values.

    `better` is min or max; `per` is what follows a unit that takes the prefix, such as W in W/mm2. `says` explains it.
    """

    key: str
    heading: str
    unit: str
    says: str
    scale: float = 0.0
    better: Callable[[Iterable[float]], float] = min
    per: tuple[str, float] = ("", 1.0)


METRICS = (
    Metric("area_m2", "area", "mm2", "The whole die, white space and host port included.", 1e-6),
    Metric("white_space_share", "white space", "%", "Share of the area that holds nothing.", 0.01),
    Metric("wire_length_m", "wires", "m", "Lengths of all links, each way counted."),
    Metric("wire_m_per_example", "carried x length, per example", "m", "What each link carries for an example (flits "
           "on packet links, values on duration links) times its length. It compares chips whose links carry the "
           "same."),
    Metric("busiest_link_share", "most loaded link", "%", "Share of all cycles for which the busiest link is held.",
           0.01),
    Metric("time_per_example_s", "time per example", "s", "Sustained, transfers and refresh included."),
    Metric("contention_share", "lost to contention", "%", "Share of the time that goes when no message waits for a "
           "link or for room in a router: 1 - time without such waiting / time, from a second simulation.", 0.01),
    Metric("energy_per_example_j", "energy per example", "J", "Leakage included."),
    Metric("throughput_per_area_op_per_s_m2", "throughput per area", "OP/s", "Sustained, over the whole die.",
           better=max, per=("/mm2", 1e6)),
    Metric("efficiency_op_per_j", "efficiency", "OP/s", "Sustained.", better=max, per=("/W", 1.0)),
    Metric("peak_power_density_w_per_m2", "peak power density", "W", "The largest mean power of a tile over the area "
           "of its site; wires and routers belong to no tile.", per=("/mm2", 1e6)),
)  # fmt: skip


def unit_of(metric: Metric, data: Data) -> tuple[float, str]:
    """Return what the values of a column are divided by, and the unit that they then have."""
    if metric.scale:
        return metric.scale, metric.unit
    tail, factor = metric.per
    values = sorted(row[metric.key] / factor for row in data["chips"])
    middle = values[len(values) // 2]
    scale, prefix = next(((scale, prefix) for scale, prefix in PREFIXES if middle >= scale), PREFIXES[-1])
    return scale * factor, f"{prefix}{metric.unit}{tail}"


def best_of(metric: Metric, data: Data) -> set[int]:
    """Return the rows that are the best of a column; none where all are equal, or where they do not compare."""
    values = [row[metric.key] for row in data["chips"]]
    unlike = metric.key == "wire_m_per_example" and len({row["carried"] for row in data["chips"]}) > 1
    if unlike or len(set(values)) == 1:
        return set()
    return {place for place, value in enumerate(values) if value == metric.better(values)}


def cells_of(metric: Metric, data: Data) -> list[str]:
    """Return the values of a column as texts, all in the unit of the column."""
    scale, _ = unit_of(metric, data)
    return [number(row[metric.key] / scale) for row in data["chips"]]


def number(value: float) -> str:
    """Return four digits without an exponent.

    >>> number(0.054321), number(12345.6), number(0.0)
    ('0.05432', '12,346', '0')
    """
    decimals = max(0, 3 - math.floor(math.log10(abs(value)))) if value else 0
    return f"{value:,.{min(decimals, 8)}f}"


NAMES: Mapping[str, str] = {"busiest_link_share": "busiest_link", "peak_power_density_w_per_m2": "hottest_tile"}
"""Columns that tell also of which link or tile: the key of its name."""


def table_of(data: Data) -> Table:
    """Return the table of all chips, the best of each column marked."""
    columns = [Column("chip"), Column("floorplan"), Column("topology")]
    cells = [[row[key] for row in data["chips"]] for key in ("name", "floorplan", "topology")]
    marked: set[tuple[int, int]] = set()
    for metric in METRICS:
        marked |= {(place, len(columns)) for place in best_of(metric, data)}
        columns.append(Column(heading_of(metric, data)))
        cells.append(named_cells(metric, data))
    columns += [Column("Pareto"), Column("audits")]
    cells.append(["yes" if row["pareto"] else "no" for row in data["chips"]])
    cells.append([audits_of(row) for row in data["chips"]])
    return Table("compare", "Chips", tuple(columns), tuple(zip(*cells, strict=True)), marked=marked)


def heading_of(metric: Metric, data: Data) -> str:
    """Return what stands above a column, with its unit."""
    return f"{metric.heading}, {unit_of(metric, data)[1]}"


def named_cells(metric: Metric, data: Data) -> list[str]:
    """Return the texts of a column, with the name of the link or tile where there is one."""
    key = NAMES.get(metric.key)
    names = [row[key] if key else None for row in data["chips"]]
    return [f"{text} ({name})" if name else text for text, name in zip(cells_of(metric, data), names, strict=True)]


def audits_of(row: Mapping[str, Any]) -> str:
    """Return what came of the audits of a chip's run, in words."""
    return f"FAILED: {'; '.join(row['audits_failed'])}" if row["audits_failed"] else "passed"


def compare_lines(data: Data) -> list[str]:
    """Return what the terminal shows: chips by number, a line for each figure, `*` after the best."""
    chips = data["chips"]
    count = counted(data["examples"], "example")
    lines = [f"{data['workload']['name']}, {count}    * best    P Pareto-optimal", ""]
    lines += [
        f"  {place:2}{' P' if row['pareto'] else '  '}  {row['name']}  ({row['floorplan']}, {row['topology']})"
        for place, row in enumerate(chips, 1)
    ]
    rows = [("", [f"{place}  " for place in range(1, len(chips) + 1)])]
    for metric in METRICS:
        best = best_of(metric, data)
        texts = [f"{text} {'*' if place in best else ' '}" for place, text in enumerate(cells_of(metric, data))]
        rows.append((heading_of(metric, data), texts))
        if metric.key in NAMES:
            rows.append(("", [f"{row[NAMES[metric.key]] or '-'}  " for row in chips]))
    first = max(len(heading) for heading, _ in rows)
    widths = [max(map(len, column)) for column in zip(*(texts for _, texts in rows), strict=True)]
    lines.append("")
    for heading, texts in rows:
        cells = [text.rjust(width) for text, width in zip(texts, widths, strict=True)]
        lines.append(f"  {heading:{first}}  {'  '.join(cells)}".rstrip())
    failed = [f"  {row['name']}: {audits_of(row)}" for row in chips if row["audits_failed"]]
    return [*lines, *(["", "Audits that failed", *failed] if failed else [])]
