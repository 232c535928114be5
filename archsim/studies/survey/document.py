"""The report of a survey: survey.json, survey.md, its table as CSV, and what each network gets of the peak."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.base.units import engineering
from archsim.report.drawing import draw, literal
from archsim.report.folder import write_folder
from archsim.report.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data: TypeAlias = Mapping[str, Any]

SCHEMA = "archsim-survey-1"
NAME = "survey.json"
OWNED = (NAME, "survey.md", "survey.csv", "survey.svg")
COLUMNS = (
    ("network", "name", ""),
    ("mode", "mode", ""),
    ("synapses", "synapses", ""),
    ("steps", "steps", ""),
    ("tiles", "tiles_used", ""),
    ("time per example", "time_per_example_s", "s"),
    ("energy per example", "energy_per_example_j", "J"),
    ("peak efficiency", "efficiency_peak_op_per_j", "OP/s/W"),
    ("sustained", "efficiency_op_per_j", "OP/s/W"),
    ("of the peak", "share_of_peak", "%"),
    ("cells filled", "fill", "%"),
    ("crossbars busy", "busy", "%"),
    ("idle energy", "idle", "%"),
    ("in transfers", "transfer_time_share", "%"),
    ("held, leaks", "dwell_leaks", ""),
)
NOTES = (
    "*Steps*: vectors of an example (time steps, or tokens). *Tiles*: those that hold a part of the network; the chip "
    "is made as large as it must be. *Of the peak*: sustained over peak efficiency. *Cells filled*: of the tiles that "
    "are used. *Crossbars busy*: share of these tiles' cycles in which they are read or updated. *Idle energy*: "
    "leakage, clock and control, which go whatever is done. *In transfers*: share of the time in which at least one "
    "crossbar moves its capacitors' weights to the long-term cells. *Held, leaks*: mean time of an update on its "
    "capacitor, in time constants of the leak; where it is much above one, little is left of it.",
)


def table_of(data: Data) -> Table:
    """Return the networks that could be run, those that get most of the peak first."""
    run = [row for row in data["networks"] if not row["reason"]]
    ordered = sorted(run, key=lambda row: (-(row["share_of_peak"] or 0), row["name"]))
    rows = [tuple(row[key] for _, key, _ in COLUMNS) for row in ordered]
    return Table("survey", "Networks", tuple(Column(name, unit) for name, _, unit in COLUMNS), tuple(rows))


def write_survey(data: Data, folder: Path) -> Path:
    """Write a survey into `folder`, as a whole or not at all, and return the folder."""
    table = table_of(data)
    files = {
        NAME: json.dumps(data, indent=1, allow_nan=False) + "\n",
        "survey.md": _markdown(data, table),
        "survey.csv": table.csv(),
        "survey.svg": _bars(data),
    }
    return write_folder(folder, files, OWNED)


def survey_lines(data: Data) -> list[str]:
    """Return the lines that the terminal shows."""
    lines = [f"{data['arch']['name']}, as large as each network needs it", ""]
    lines.append(
        f"  {'network':24}{'tiles':>7}{'time':>12}{'energy':>12}{'sustained':>18}{'of peak':>10}{'filled':>8}"
        f"{'busy':>8}{'idle':>8}{'transfers':>11}{'leaks':>8}"
    )
    for row in table_of(data).rows:
        cell = dict(zip((key for _, key, _ in COLUMNS), row, strict=True))
        lines.append(
            f"  {cell['name'][:23]:24}{cell['tiles_used']:>7,}{engineering(cell['time_per_example_s'], 's', 4):>12}"
            f"{engineering(cell['energy_per_example_j'], 'J', 4):>12}"
            f"{engineering(cell['efficiency_op_per_j'], 'OP/s/W', 4):>18}{cell['share_of_peak']:>10.1%}"
            f"{cell['fill']:>8.0%}{cell['busy']:>8.1%}{cell['idle']:>8.0%}{cell['transfer_time_share']:>11.1%}"
            f"{'-' if cell['dwell_leaks'] is None else format(cell['dwell_leaks'], '.2f'):>8}"
        )
    for row in data["networks"]:
        if row["reason"]:
            lines.append(f"  {row['name']}: {row['reason']}")
        elif not row["passed"]:
            lines.append(f"  FAILED: an audit of {row['name']}")
    return lines


def _markdown(data: Data, table: Table) -> str:
    lines = [f"# Networks on {data['arch']['name']}", "", *NOTES, "", table.markdown(), ""]
    lines += ["![Sustained efficiency and the peak](survey.svg)", ""]
    lines += [f"- {row['name']} could not be run: {row['reason']}" for row in data["networks"] if row["reason"]]
    changed = [row for row in data["networks"] if row["settings"]]
    if changed:
        lines += ["", "Changed of the chip, so that a network fits:", ""]
        lines += [f"- {row['name']}: `{' '.join(row['settings'])}`" for row in changed]
    lines += ["", f"Repeat: `{data['command']}`. Spec {data['arch']['hash']}, archsim {data['version']}.", ""]
    return "\n".join(lines)


def _bars(data: Data) -> str:
    """Draw each network's sustained efficiency as a share of the peak, split by what is lost where."""
    rows = [dict(zip((key for _, key, _ in COLUMNS), row, strict=True)) for row in table_of(data).rows]

    def paint(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
        places = range(len(rows))
        left.barh(places, [row["efficiency_peak_op_per_j"] * 1e-9 for row in rows], color="#dfe3e5", label="peak")
        left.barh(places, [row["efficiency_op_per_j"] * 1e-9 for row in rows], color="#1b6ca8", label="sustained")
        for place, row in zip(places, rows, strict=True):
            text = f" {row['share_of_peak']:.0%}"
            left.annotate(text, (row["efficiency_op_per_j"] * 1e-9, place), va="center", fontsize=7.5)
        left.set_yticks(places, [literal(row["name"]) for row in rows], fontsize=8)
        left.invert_yaxis()
        left.set_xlabel("efficiency, GOP/s/W")
        left.grid(axis="x")
        for key, tone, mark, label in (("fill", "#12837a", "s", "cells filled"), ("busy", "#8e5ea2", "o", "busy"),
                                       ("idle", "#b03a2e", "x", "idle energy")):  # fmt: skip
            right.plot([100 * row[key] for row in rows], places, color=tone, marker=mark, ls="", ms=5, label=label)
        right.set_xlim(-3, 103)
        right.set_xlabel("%")
        right.grid(axis="x")
        figure.legend(loc="outside lower center", ncols=5, fontsize=8)

    return draw(paint, height=1.6 + 0.27 * max(1, len(rows)))
