"""The report of a search for a better floorplan: what was tried, what was found, and by how much it is better."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.report.colours import CYCLE
from archsim.report.drawing import draw
from archsim.report.folder import write_folder
from archsim.report.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data: TypeAlias = Mapping[str, Any]
Row: TypeAlias = Mapping[str, Any]

SCHEMA, NAME = "archsim-optimise-1", "optimise.json"
OWNED = (NAME, "optimise.md", "optimise.svg", "tables")
BEST_SHOWN = 10
PHASES = {
    "start": ("as given", "*"),
    "coarse": ("by the guess", "o"),
    "local": ("one choice from the best", "s"),
    "random": ("at random", "^"),
}
_METRICS = (
    ("time per example", "time_per_example_s", "s"),
    ("energy per example", "energy_per_example_j", "J"),
    ("area", "area_m2", "m2"),
)


def write_optimisation(data: Data, spec: str, folder: Path) -> Path:
    """Write a search as optimise.json, optimise.md, its figure and tables, and the spec found; return the folder."""
    found = (candidates_table(data), best_table(data), gain_table(data), changes_table(data))
    files = {
        NAME: json.dumps(data, indent=1, allow_nan=False) + "\n",
        "optimise.md": _markdown(data),
        "optimise.svg": trajectory(data),
        **{f"tables/{table.name}.csv": table.csv() for table in found},
        data["file"]: spec,
    }
    return write_folder(folder, files, OWNED)


def optimisation_lines(data: Data, folder: Path) -> list[str]:
    """Return what the terminal shows: before, after, gain and the file."""
    start, best = _numbered(data, data["start"]), _numbered(data, data["best"])
    lines = [
        f"{data['arch']['name']} x {data['workload']['name']}, least {data['objective']['title']}; {_effort(data)}",
        "",
        f"  {'':20} {'before':>12} {'after':>12} {'change':>9}",
    ]
    lines += [f"  {name:20} {before:>12} {after:>12} {change:>9}" for name, before, after, change in _gains(data)]
    lines += ["", f"  before  {_where(start)}", f"  after   {_where(best)}"]
    if start is best:
        lines.append("  nothing better was found")
    return [*lines, "", f"spec    {folder / data['file']}", f"report  {folder / 'optimise.md'}"]


def candidates_table(data: Data) -> Table:
    """Every candidate in the order in which it was tried, refused ones too."""
    keys = ("number", "phase", "floorplan", "columns", "placement", "topology", "value", "time_per_example_s",
            "energy_per_example_j", "area_m2", "best_so_far", "refused", "hash")  # fmt: skip
    unit = data["objective"]["unit"]
    units = {"value": unit, "best_so_far": unit, **{key: own for _, key, own in _METRICS}}
    columns = tuple(Column(key.replace("_", " "), units.get(key, "")) for key in keys)
    return Table("candidates", "Candidates", columns, tuple(tuple(row[key] for key in keys) for row in _rows(data)))


def best_table(data: Data) -> Table:
    """The best candidates, the very best first."""
    start = _numbered(data, data["start"])
    named = _numbered(data, data["best"])
    done = [row for row in _rows(data) if row["value"] is not None and row is not named]
    ranked = [named, *sorted(done, key=lambda row: (row["value"], row["time_per_example_s"], row["number"]))]
    rows = [
        (
            row["number"], row["floorplan"], row["columns"], row["placement"], row["topology"],
            *(row[key] for _, key, _ in _METRICS), _change(start["value"], row["value"]),
        )
        for row in ranked[:BEST_SHOWN]
    ]  # fmt: skip
    columns = (
        *map(Column, ("simulation", "floorplan", "columns", "placement", "topology")),
        *(Column(title, unit) for title, _, unit in _METRICS),
        Column(f"change of {data['objective']['title']}"),
    )
    return Table("best", "The best", columns, tuple(rows))


def trajectory(data: Data) -> str:
    """Return the figure of the objective, over its value as given, by simulation, and of the best so far."""
    rows = [row for row in _rows(data) if row["value"] is not None]
    base = _numbered(data, data["start"])["value"]

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator, PercentFormatter

        axes = figure.subplots()
        numbers, best = [row["number"] for row in rows], [row["best_so_far"] / base for row in rows]
        axes.step(numbers, best, where="post", color="#444444", lw=1.4, label="best so far", zorder=1)
        for place, (phase, (label, marker)) in enumerate(PHASES.items()):
            own = [row for row in rows if row["phase"] == phase]
            if own:
                numbers, values = [row["number"] for row in own], [row["value"] / base for row in own]
                axes.scatter(numbers, values, s=26, marker=marker, color=CYCLE[place], label=label, zorder=2)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        axes.set_xlabel("simulation")
        axes.set_ylabel(f"{data['objective']['title']},\n% of its value as given")
        axes.grid()
        figure.legend(loc="outside right upper")

    return draw(paint)


def _rows(data: Data) -> Sequence[Row]:
    rows: Sequence[Row] = data["candidates"]
    return rows


def _numbered(data: Data, number: int) -> Row:
    return next(row for row in _rows(data) if row["number"] == number)


def _where(row: Row) -> str:
    columns = f" of {counted(row['columns'], 'column')}" if row["columns"] is not None else ""
    return f"{row['floorplan']}{columns}, placement {row['placement']}, topology {row['topology']}"


def _effort(data: Data) -> str:
    simulated, examples = counted(data["simulated"], "simulation"), counted(data["examples"], "example")
    return f"{simulated} of {examples} out of {counted(data['points'], 'point')}"


def gain_table(data: Data) -> Table:
    """What the search was for and the metrics, before and after, in SI units."""
    rows = tuple((title, unit, before, after) for title, before, after, unit in _compared(data))
    return Table("gain", "Before and after", tuple(map(Column, ("figure", "unit", "before", "after"))), rows)


def changes_table(data: Data) -> Table:
    """Which figures of the spec were changed; none where nothing better was found."""
    rows = tuple((row["key"], row["before"], row["after"]) for row in data["changes"])
    return Table("changes", "Changes", tuple(map(Column, ("figure", "before", "after"))), rows)


def _compared(data: Data) -> list[tuple[str, float, float, str]]:
    start, best = _numbered(data, data["start"]), _numbered(data, data["best"])
    metrics = [(title, start[key], best[key], unit) for title, key, unit in _METRICS]
    own = data["objective"]
    if own["title"] not in [title for title, *_ in metrics]:
        metrics.append((own["title"], start["value"], best["value"], own["unit"]))
    return metrics


def _gains(data: Data) -> list[tuple[str, str, str, str]]:
    return [
        (title, engineering(before, unit), engineering(after, unit), _change(before, after))
        for title, before, after, unit in _compared(data)
    ]


def _change(before: float, after: float) -> str:
    """Return by how much a figure changed.

    >>> _change(4.0, 3.0), _change(4.0, 4.0)
    ('-25.00 %', '0.00 %')
    """
    share = round(after / before - 1, 4) if before else 0.0
    return f"{share:+.2%}".replace("%", " %") if share else "0.00 %"


def _markdown(data: Data) -> str:
    start, best = _numbered(data, data["start"]), _numbered(data, data["best"])
    refused = [row for row in _rows(data) if row["refused"] is not None]
    gains = Table("gain", "", tuple(map(Column, ("figure", "before", "after", "change"))), tuple(_gains(data)))
    changes = changes_table(data)
    lines = [
        f"# Floorplan and placement of {data['arch']['name']} for {data['workload']['name']}",
        "",
        f"Searched for the least {data['objective']['title']}: {_effort(data)}.",
        "",
        gains.markdown(),
        "",
        changes.markdown() if start is not best else "Nothing better than the spec as given was found.",
        "",
        f"The spec is [{data['file']}]({data['file']}); in this folder, `{data['run']}` gives these figures.",
        "",
        "![trajectory](optimise.svg)",
        "",
        f"## The best {BEST_SHOWN}",
        "",
        best_table(data).markdown(),
        "",
        f"The spec as given is simulation {data['start']}. [All candidates](tables/candidates.csv).",
    ]
    if refused:
        lines += ["", "## Refused", "", "These cannot be built or run:", ""]
        by_reason: dict[str, list[Row]] = {}
        for row in refused:
            by_reason.setdefault(row["refused"], []).append(row)
        lines += [
            f"- {_where(rows[0])}{f', and {len(rows) - 1} more' if len(rows) > 1 else ''}: {reason}"
            for reason, rows in by_reason.items()
        ]
    if data["left_out"]:
        lines += ["", "## Kinds of floorplan that were left out", ""]
        lines += [f"- {row['kind']}: {row['why']}" for row in data["left_out"]]
    lines += ["", "## Rules", "", *RULES, "",
              f"Repeat: `{data['command']}`, archsim {data['version']}; seed {data['seed']}.", ""]  # fmt: skip
    return "\n".join(lines)


RULES = (
    "- The spec as given is simulated first, so that what is found is never worse.",
    "- Half of the simulations go to the points that look best by a guess: the sum of traffic x length of route for "
    "time and energy, the area itself for area. The guess knows nothing of waiting. Points that it cannot tell from "
    "one that was tried come last.",
    "- The others go to points that differ from the best in one choice, by the same guess; where all of those are "
    "known, to points drawn at random.",
    "- White space and the widths of channels stay as they are, and no core, block or channel is lost. A width that "
    "the spec as given does not say is nothing.",
    "- Other topologies are tried only if asked for, with their default options. The spec's router costs the same with "
    "any number of ports, which favours those with few and large ones.",
    "- Each simulation has the same examples, by default up to the first transfer of weights, which takes as long "
    "wherever tiles are; with transfers and refresh, changes are smaller.",
)
