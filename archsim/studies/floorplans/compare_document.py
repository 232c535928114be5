"""The report of chips side by side: a table, a Pareto plot and floorplans with common colours, as files and a page."""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.report.drawing import draw
from archsim.report.folder import write_folder
from archsim.report.html import environment
from archsim.report.labels import scale_axis, write_beside
from archsim.report.old_floorplan import Load, floorplan_drawing, limits_of
from archsim.report.table import Column, Table
from archsim.studies.floorplans.compare_tables import METRICS, Data, heading_of, number, table_of, unit_of
from archsim.studies.study import undominated

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawn: TypeAlias = Mapping[str, tuple[Chip, Load]]

SCHEMA, NAME = "archsim-floorplan-compare-1", "compare.json"
OWNED = (NAME, "compare.md", "compare.html", "compare.csv", "pareto.svg")
"""What a comparison writes besides a drawing for each chip; anything else in its folder is kept."""
DRAWINGS = "floorplan_*.svg"
FRONT, BEATEN = "#1b6ca8", "#7f8c8d"


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
    lines += ["", "Table: [all of it, in SI units](compare.csv).", ""]
    lines += [f"Repeat: `{data['command']}`. {_versions(data)}", ""]
    return "\n".join(lines)


COMMON = (
    "The colours of power density, and of the load of links, mean the same in all drawings; the sizes on paper do not: "
    "see the axes."
)


def _title(data: Data) -> str:
    return f"{counted(len(data['chips']), 'chip')} side by side on {data['workload']['name']}"


def intro(data: Data) -> list[str]:
    """Return the sentences above the table."""
    lines = [f"Each chip trains {counted(data['examples'], 'example')}."]
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
    best_ones = [row["pareto"] for row in chips]
    sizes = [_points(own / max(areas)) for own in areas]
    front = sorted({(x, y) for x, y, best in zip(xs, ys, undominated(list(zip(xs, ys, strict=True))), strict=True)
                    if best})  # fmt: skip
    steps = [front[0], *(point for a, b in itertools.pairwise(front) for point in ((b[0], a[1]), b))]

    def paint(figure: Figure) -> None:
        from matplotlib.lines import Line2D

        axes = figure.subplots()
        axes.plot(*zip(*steps, strict=True), color=FRONT, lw=1.2, ls="--")
        for size, x, y, best in sorted(zip(sizes, xs, ys, best_ones, strict=True), reverse=True):  # small ones on top
            edge, face = ("white", FRONT) if best else (BEATEN, "white")
            axes.plot([x], [y], "o", ms=size, mec=edge, mew=1.4, mfc=face, alpha=0.85, zorder=3)
        axes.margins(x=0.22, y=0.2)
        scale_axis(axes, "x", xs)
        scale_axis(axes, "y", ys)
        axes.set_xlabel(heading_of(time, data))
        axes.set_ylabel(heading_of(energy, data))
        axes.grid()

        def dot(label: str, edge: str, face: str, size: float = 7.0) -> Line2D:
            return Line2D([], [], ls="", marker="o", ms=size, mew=1.4, mec=edge, mfc=face, label=label)

        line = Line2D([], [], color=FRONT, lw=1.2, ls="--", label="front in time and energy")
        handles = [
            dot("Pareto-optimal in time,\nenergy and area", FRONT, FRONT),
            dot("dominated", BEATEN, "white"),
            *([line] if len(front) > 1 else []),
            *(dot(f"area {number(own)} mm2", "#444444", "white", _points(own / max(areas)))
              for own in sorted({min(areas), max(areas)})),
        ]  # fmt: skip
        figure.legend(handles=handles, loc="outside right upper", fontsize=8, labelspacing=0.9)
        labels = [
            (x, y, row["name"], FRONT if row["pareto"] else BEATEN) for x, y, row in zip(xs, ys, chips, strict=True)
        ]
        gaps = [max(sizes) / 2 + away for away in (2, 8, 16, 26, 38)]
        write_beside(figure, axes, labels, [steps], gaps, max(sizes), identify=True)

    return draw(paint, height=4.0)


def _points(share: float) -> float:
    """Return the diameter of a dot whose area is that share of the largest one's, in points."""
    return max(3.0, 13.0 * math.sqrt(share))
