"""The report of chips side by side: a table, a Pareto plot and floorplans with common colours, as files and a page."""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.chip.graph import Chip
from archsim.metrics import undominated
from archsim.report.figures import draw
from archsim.report.floorplan import Load, floorplan_drawing, limits_of
from archsim.report.folder import write_folder
from archsim.report.labels import scale_axis, write_beside
from archsim.report.run import environment
from archsim.report.tables import Column, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data: TypeAlias = Mapping[str, Any]
Drawn: TypeAlias = Mapping[str, tuple[Chip, Load]]

SCHEMA, NAME = "archsim-floorplan-compare-1", "compare.json"
OWNED = (NAME, "compare.md", "compare.html", "compare.csv", "pareto.svg")
"""What a comparison writes besides a drawing for each chip; anything else in its folder is kept."""
DRAWINGS = "floorplan_*.svg"
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
FRONT, BEATEN = "#1b6ca8", "#7f8c8d"


@dataclass(frozen=True)
class Metric:
    """A column: its key, heading, and unit; `scale` is the unit in SI, 0 for a prefix that suits the values.

    `better` is min or max, or None; `per` takes a prefix along, such as W in W/mm2. `says` explains it.
    """

    key: str
    heading: str
    unit: str
    says: str
    scale: float = 0.0
    better: Any = min
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
    if unlike or metric.better is None or len(set(values)) == 1:
        return set()
    return {place for place, value in enumerate(values) if value == metric.better(values)}


def cells_of(metric: Metric, data: Data) -> list[str]:
    """Return the values of a column as texts, all in the unit of the column."""
    scale, _ = unit_of(metric, data)
    return [_number(row[metric.key] / scale) for row in data["chips"]]


def _number(value: float) -> str:
    """Return four digits without an exponent.

    >>> _number(0.054321), _number(12345.6), _number(0.0)
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
    cells.append(["yes" if row["pareto"] else "" for row in data["chips"]])
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


# ---- files


def compare_json(data: Data) -> str:
    """Return a comparison as JSON text; NaN and infinity are refused."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def write_compare(data: Data, drawn: Drawn, folder: Path) -> Path:
    """Write a comparison, with a drawing of each chip, by name, as its run loaded it; return the folder."""
    limits = limits_of(drawn.values())
    files = dict(zip(drawn, drawing_names(list(drawn)), strict=True))
    drawings = {files[name]: floorplan_drawing(chip, load, limits) for name, (chip, load) in drawn.items()}
    pareto = pareto_figure(data)
    out = {
        NAME: compare_json(data),
        "compare.md": markdown(data, files),
        "compare.html": page(data, pareto, {name: drawings[file] for name, file in files.items()}),
        "compare.csv": compare_csv(data),
        "pareto.svg": pareto,
        **drawings,
    }
    before = sorted(path.name for path in folder.glob(DRAWINGS)) if folder.is_dir() else []
    return write_folder(folder, out, (*OWNED, *before))


def drawing_names(names: Sequence[str]) -> list[str]:
    """Return a file name for each chip's drawing, safe and distinct on any file system.

    >>> drawing_names(["a b", "a/b", "c"])
    ['floorplan_a_b.svg', 'floorplan_a_b_2.svg', 'floorplan_c.svg']
    """
    found: list[str] = []
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("._") or "chip"
        tried, number = stem, 1
        while f"floorplan_{tried}.svg".lower() in map(str.lower, found):
            number += 1
            tried = f"{stem}_{number}"
        found.append(f"floorplan_{tried}.svg")
    return found


def compare_csv(data: Data) -> str:
    """Return all rows as CSV, in SI units, under their names in compare.json."""
    keys = list(data["chips"][0])
    rows = tuple(
        tuple("; ".join(row[key]) if isinstance(row[key], list) else row[key] for key in keys) for row in data["chips"]
    )
    return Table("compare", "", tuple(map(Column, keys)), rows).csv()


def markdown(data: Data, files: Mapping[str, str]) -> str:
    """Return the comparison as Markdown; `files` are the drawings by chip."""
    lines = [f"# {_title(data)}", "", *(f"{text}\n" for text in intro(data)), table_of(data).markdown(), ""]
    lines += [f"- *{metric.heading}*: {metric.says}" for metric in METRICS]
    lines += ["", "![Energy against time per example](pareto.svg)", "", "## Floorplans", "", COMMON]
    for name, file in files.items():
        lines += ["", f"### {name}", "", f"![Floorplan of {name}]({file})"]
    lines += ["", "Table: [all of it, in SI units](compare.csv).", "", f"Repeat: `{data['command']}`. {_versions(data)}", ""]  # fmt: skip  # noqa: E501
    return "\n".join(lines)


COMMON = (
    "The colours of power density, and of the load of links, mean the same in all drawings; the sizes on paper do not: "
    "see the axes."
)


def _title(data: Data) -> str:
    return f"{len(data['chips'])} chips side by side on {data['workload']['name']}"


def intro(data: Data) -> list[str]:
    """Return the sentences above the table."""
    lines = [f"Each chip trains {data['examples']:,} example{'s' * (data['examples'] != 1)}."]
    if data["set"]:
        lines[0] += f" All of them have {', '.join(data['set'])}."
    lines.append(
        "The best of each column is bold. Pareto: no other chip is as good in time per example, energy per example and "
        "area, and better in one of them."
    )
    carried = {row["carried"] for row in data["chips"] if row["carried"]}
    if len(carried) > 1:
        lines.append(f"Links carry {' on some chips and '.join(f'{what}s' for what in sorted(carried))} on others.")
    return lines


def _versions(data: Data) -> str:
    specs = ", ".join(f"{row['name']} {row['hash']}" for row in data["chips"])
    return f"Specs {specs}; workload {data['workload']['hash']}; archsim {data['version']}."


def compare_lines(data: Data) -> list[str]:
    """Return what the terminal shows: chips by number, a line for each figure, `*` after the best."""
    chips = data["chips"]
    lines = [f"{data['workload']['name']}, {data['examples']:,} examples    * best    P Pareto-optimal", ""]
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


def page(data: Data, pareto: str, drawings: Mapping[str, str]) -> str:
    """Return the comparison as one HTML page that needs no other file; all texts are escaped."""
    names = [row["name"] for row in data["chips"]]
    table = table_of(data)
    made = environment().overlay(autoescape=True)
    return made.get_template("compare.html").render(
        title=_title(data),
        intro=intro(data),
        headings=[column.name for column in table.columns],
        rows=[
            [(column.name, cell, (place, i) in table.marked)
             for i, (column, cell) in enumerate(zip(table.columns, row, strict=True))]
            for place, row in enumerate(table.rows)
        ],
        notes=[(metric.heading, metric.says) for metric in METRICS],
        pareto=_image(pareto),
        common=COMMON,
        drawings=[(name, _image(drawings[name])) for name in names],
        command=data["command"],
        versions=_versions(data),
    )  # fmt: skip


def _image(svg: str) -> str:
    """Return a drawing as the address of an image that holds it: ids of several cannot be mixed up."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


# ---- the Pareto plot


def pareto_figure(data: Data) -> str:
    """Return the figure of energy against time per example, areas as sizes, the front in these two as a line."""
    chips = data["chips"]
    by_key = {metric.key: metric for metric in METRICS}
    time, energy, area = (by_key[key] for key in ("time_per_example_s", "energy_per_example_j", "area_m2"))
    xs, ys, areas = ([row[m.key] / unit_of(m, data)[0] for row in chips] for m in (time, energy, area))
    sizes = [_points(own / max(areas)) for own in areas]
    front = sorted({(x, y) for x, y, best in zip(xs, ys, undominated(list(zip(xs, ys, strict=True))), strict=True)
                    if best})  # fmt: skip
    steps = [front[0], *(point for a, b in itertools.pairwise(front) for point in ((b[0], a[1]), b))]

    def paint(figure: Figure) -> None:
        from matplotlib.lines import Line2D

        axes = figure.subplots()
        axes.plot(*zip(*steps, strict=True), color=FRONT, lw=1.2, ls="--")
        for x, y, size, row in zip(xs, ys, sizes, chips, strict=True):
            tone = FRONT if row["pareto"] else BEATEN
            axes.plot([x], [y], "o", ms=size, mec=tone, mew=1.4, mfc=tone if row["pareto"] else "white", alpha=0.85,
                      zorder=3)  # fmt: skip
        axes.margins(x=0.22, y=0.2)
        scale_axis(axes, "x", xs)
        scale_axis(axes, "y", ys)
        axes.set_xlabel(heading_of(time, data))
        axes.set_ylabel(heading_of(energy, data))
        axes.grid()
        dot = {"marker": "o", "ls": "", "ms": 7.0, "mew": 1.4}
        handles = [
            Line2D([], [], **{**dot, "color": FRONT}, label="Pareto-optimal in time,\nenergy and area"),
            Line2D([], [], **{**dot, "mec": BEATEN, "mfc": "white"}, label="dominated"),
            Line2D([], [], color=FRONT, lw=1.2, ls="--", label="front in time and energy"),
            *(
                Line2D([], [], **{**dot, "ms": _points(own / max(areas)), "mec": "#444444", "mfc": "white"},
                       label=f"area {_number(own)} mm2")
                for own in sorted({min(areas), max(areas)})
            ),
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside right upper", fontsize=8, labelspacing=0.9)
        labels = [
            (x, y, row["name"], FRONT if row["pareto"] else BEATEN) for x, y, row in zip(xs, ys, chips, strict=True)
        ]
        write_beside(figure, axes, labels, [steps], gaps=tuple(max(sizes) / 2 + away for away in (2, 8, 16, 26, 38)))

    return draw(paint, height=4.0)


def _points(share: float) -> float:
    """Return the diameter of a dot whose area is that share of the largest one's, in points."""
    return max(3.0, 13.0 * math.sqrt(share))
