"""Runs side by side: a column for each run with ratios to the first, as JSON, tables, Markdown and one page."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from markupsafe import Markup

from archsim.base.units import engineering, si_of_metric
from archsim.base.words import counted
from archsim.report.folder import write_folder
from archsim.report.html import environment, policy, source
from archsim.report.inline import inline_svg
from archsim.report.table import Column, Table, metric_text
from archsim.studies.run.page import Page
from archsim.studies.runs.figures import FIGURES, PARTS, figures
from archsim.studies.train.measures import ACCURACY, R2

Data: TypeAlias = Mapping[str, Any]

SCHEMA, NAME = "archsim-runs-1", "runs.json"
OWNED = (NAME, "runs.md", "runs.html", "figures", "tables")
"""What runs side by side write; anything else in their folder is kept."""
HEADLINE = (
    "time_per_example_s", "time_per_example_lower_bound_s", "time_per_example_peak_s", "throughput_op_per_s",
    "throughput_peak_op_per_s", "energy_per_example_j", "power_w", "efficiency_op_per_j", "efficiency_peak_op_per_j",
    "area_m2", "throughput_per_area_op_per_s_m2", "tiles_used", "tile_utilisation", "transfer_time_share",
    "refresh_time_share", "dwell_time_mean_s", "dwell_time_max_s", "pcm_writes_per_cell_max",
)  # fmt: skip
"""The metrics that are shown; the table of all of them is a file."""
MOST_COLUMNS = 4
"""So many runs fit beside each other on a terminal."""
ABOUT = ("arch", "workload", "examples", "seed", "version", "activity", "audits", "command")


def side_by_side(names: Sequence[str], pages: Sequence[Page], different: Sequence[tuple[str, ...]]) -> dict[str, Any]:
    """Return what runs.json holds of runs, apart from the command: plain data in SI units.

    `different` are the figures in which their specs differ: the path, and the text in each run. Energies are per
    example and stalls are shares of the cycles of used tiles, so that runs of different lengths compare.
    """
    return {
        "schema": SCHEMA,
        "differences": [{"figure": path, "texts": list(texts)} for path, *texts in different],
        "runs": [_run(name, page) for name, page in zip(names, pages, strict=True)],
    }


def _run(name: str, page: Page) -> dict[str, Any]:
    data = page.data
    examples, energy = data["run"]["examples"], data["energy_j"]
    cycles = sum(data["stalls_cycles"].values())
    final = page.history["final"] if page.history is not None else {}
    return {
        "name": name,
        "arch": data["arch"],
        "workload": data["workload"],
        "examples": examples,
        "seed": data["seed"],
        "version": data["version"],
        "activity": data["activity"]["from"],
        "command": data["command"],
        "audits_failed": [
            check["name"] for check in (*data["audits"], *data.get("crosscheck", ())) if not check["passed"]
        ],
        "metrics": data["metrics"],
        "accuracy_chip": final.get("accuracy_chip_mean"),
        "accuracy_float": final.get("accuracy_float_mean"),
        "r2_chip": final.get("r2_chip_mean"),
        "r2_float": final.get("r2_float_mean"),
        "time_per_example_parts_s": data["time_per_example_parts_s"],
        "energy_per_example_j": {
            by: {key: value / examples for key, value in energy[f"by_{by}"].items()} if examples else {}
            for by in ("component", "phase")
        },
        "area_m2": data["area"]["by_component_m2"],
        "stalls_shares": {
            state: count / cycles if cycles else 0.0 for state, count in data["stalls_cycles"].items() if count
        },
        "links": [
            {
                "name": link["name"], "utilisation": link["utilisation"],
                "wait_cycles_per_example": link["wait_cycles"] / examples if examples else None,
            }
            for link in page.details["links"]
        ],
    }  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A part of the report: `shown` is its table with a text for each run, `kept` the one in SI units for the CSV."""

    name: str
    title: str
    shown: Table
    kept: Table
    figure: str = ""
    note: str = ""


def sections(data: Data) -> list[Section]:
    """Return the parts of the report, in order."""
    runs = data["runs"]
    found = [_headline(data), _differences(data)]
    found += [
        _breakdown("time", "Time per example", runs, lambda run: run["time_per_example_parts_s"], "s",
                   lambda part: PARTS[part][0], "The parts are differences between runs, and may be negative.", PARTS),
        _breakdown("energy", "Energy per example by component", runs, lambda r: r["energy_per_example_j"]["component"],
                   "J"),
        _breakdown("energy_phase", "Energy per example by phase", runs, lambda r: r["energy_per_example_j"]["phase"],
                   "J"),
        _breakdown("area", "Area by component", runs, lambda run: run["area_m2"], "m2"),
        _breakdown("stalls", "What used tiles do", runs, lambda run: run["stalls_shares"], "%"),
        _breakdown("links", "Load of links", runs,
                   lambda run: {link["name"]: link["utilisation"] for link in run["links"]}, "%", str,
                   "Share of all cycles for which a link is held; only links that were used."),
        _breakdown("links_wait", "Waiting for links", runs,
                   lambda run: {link["name"]: link["wait_cycles_per_example"] for link in run["links"]}, "cycles", str,
                   "Cycles per example that messages waited for a link; several wait at once, so that these add up to "
                   "more than the time lost."),
    ]  # fmt: skip
    return [*found, _about(data)]


def _columns(data: Data, first: str, unit: str = "") -> tuple[Column, ...]:
    return (Column(first), *(Column(run["name"], unit) for run in data["runs"]))


def _ratio(value: float | None, base: float | None) -> str:
    return f" (x {value / base:.4g})" if value is not None and base else ""


def _beside(values: Sequence[float | None], text: Callable[[float | None], str]) -> list[str]:
    """Return a text for each value, all but the first with its ratio to the first."""
    return [text(value) + (_ratio(value, values[0]) if place else "") for place, value in enumerate(values)]


def _headline(data: Data) -> Section:
    runs = data["runs"]
    rows = [(_label(name), *_beside([run["metrics"].get(name) for run in runs], _text_of(name))) for name in HEADLINE]
    for what in (ACCURACY, R2):
        text = _percent if what is ACCURACY else what.text
        for where, words in (("chip", "on the chip"), ("float", "in floating point")):
            values = [run.get(what.key_of(where)) for run in runs]
            if any(value is not None for value in values):
                rows.append((f"{what.name} {words}", *_beside(values, text)))
    names = dict.fromkeys(name for run in runs for name in run["metrics"])
    kept = [(name, si_of_metric(name), *(run["metrics"].get(name) for run in runs)) for name in names]
    shown = Table("metrics", "Headline figures", _columns(data, "figure"), tuple(rows))
    columns = (Column("metric"), Column("unit"), *map(Column, (run["name"] for run in runs)))
    works = {run["workload"]["hash"] for run in runs}
    note = "" if len(works) == 1 else (
        "The runs train different workloads: what is per example does not compare like with like."
    )  # fmt: skip
    return Section("metrics", shown.title, shown, Table("metrics", "", columns, tuple(kept)), note=note)


def _text_of(metric: str) -> Callable[[float | None], str]:
    """Return how values of a metric are written."""
    if metric.endswith(("_share", "_utilisation")):
        return _percent
    return lambda value: metric_text(value, metric)


def _label(metric: str) -> str:
    for tail in ("_op_per_s_m2", "_op_per_s", "_op_per_j", "_m2", "_s", "_j", "_w"):
        if metric.endswith(tail):
            return metric.removesuffix(tail).replace("_", " ")
    return metric.replace("_", " ")


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.4g} %"


def _differences(data: Data) -> Section:
    rows = tuple((row["figure"], *row["texts"]) for row in data["differences"])
    table = Table("differences", "What differs between the specs", _columns(data, "figure"), rows)
    return Section(table.name, table.title, table, table, note="" if rows else "Nothing: the specs are the same.")


def _about(data: Data) -> Section:
    rows = tuple((key, *(_told(run, key) for run in data["runs"])) for key in ABOUT)
    table = Table("runs", "The runs", _columns(data, "of the run"), rows)
    return Section(table.name, table.title, table, table)


def _told(run: Data, key: str) -> str:
    if key == "audits":
        return f"FAILED: {'; '.join(run['audits_failed'])}" if run["audits_failed"] else "passed"
    value = run[key]
    if isinstance(value, dict):
        return f"{value['name']} {value['hash']}"
    return "-" if value is None else f"{value:,}" if key == "examples" else str(value)


def _breakdown(
    name: str,
    title: str,
    runs: Sequence[Data],
    pick: Callable[[Data], Mapping[str, float | None]],
    unit: str,
    words: Callable[[str], str] = lambda part: part.replace("_", " "),
    note: str = "",
    order: Iterable[str] = (),
) -> Section:
    """Return the parts of something by run, in an order or the largest in any run first, and what they add up to.

    Shares ("%") are not added up: those of links are of different wholes.
    """
    picked = [pick(run) for run in runs]
    parts = dict.fromkeys(part for own in picked for part in own)
    ranked = list(order) or sorted(parts, key=lambda part: (-max(own.get(part) or 0.0 for own in picked), part))
    rows: list[tuple[Any, ...]] = [(words(part), *(own.get(part) for own in picked)) for part in ranked
                                   if any(own.get(part) for own in picked)]  # fmt: skip
    if unit != "%":
        rows.append(("total", *(sum(value or 0.0 for value in own.values()) for own in picked)))
    columns = (Column(title.split(" by ")[-1] if " by " in title else "part"),
               *(Column(run["name"], "" if unit == "%" else unit) for run in runs))  # fmt: skip
    text = _TEXTS.get(unit, lambda value: engineering(value, unit))
    texts = tuple((row[0], *_beside(row[1:], text)) for row in rows)
    shown = Table(name, title, tuple(Column(column.name) for column in columns), texts)
    figure = name if name in FIGURES else ""
    return Section(name, title, shown, Table(name, title, columns, tuple(rows)), figure, note)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.4g}"


_TEXTS: Mapping[str, Callable[[float | None], str]] = {"%": _percent, "cycles": _number}
"""How values in units are written that are no SI units."""


def write_runs(data: Data, folder: Path) -> Path:
    """Write runs side by side, as a whole or not at all, and return the folder."""
    parts, drawn = sections(data), figures(data)
    files = {
        NAME: json.dumps(data, indent=1, allow_nan=False) + "\n",
        "runs.md": markdown(data, parts),
        "runs.html": page(data, parts, drawn),
        **{f"tables/{part.name}.csv": part.kept.csv() for part in parts},
        **{f"figures/{name}.svg": svg for name, svg in drawn.items()},
    }
    return write_folder(folder, files, OWNED)


INTRO = "Ratios in brackets are to the first run. All of it is what the runs' reports hold; nothing was simulated anew."


def _title(data: Data) -> str:
    return f"{counted(len(data['runs']), 'run')} side by side"


def markdown(data: Data, parts: Sequence[Section]) -> str:
    """Return the report as Markdown."""
    lines = [f"# {_title(data)}", "", INTRO]
    for part in parts:
        lines += ["", f"## {part.title}", "", *([part.note, ""] if part.note else [])]
        lines += [f"![{part.title}](figures/{part.figure}.svg)", ""] if part.figure else []
        lines += [part.shown.markdown()] if part.shown.rows else []
    listed = ", ".join(f"[{part.title.lower()}](tables/{part.name}.csv)" for part in parts)
    return "\n".join([*lines, "", f"Tables in SI units: {listed}.", "", f"Repeat: `{data['command']}`.", ""])


def page(data: Data, parts: Sequence[Section], drawn: Mapping[str, str]) -> str:
    """Return the report as one HTML page that needs no other file and runs no script; all texts are escaped."""
    made = environment().overlay(autoescape=True)
    return made.get_template("runs.html").render(
        title=_title(data),
        intro=INTRO,
        parts=[
            (part, Markup(inline_svg(drawn[part.figure], part.name, part.title)) if part.figure else "")
            for part in parts
        ],
        failed=[run for run in data["runs"] if run["audits_failed"]],
        command=data["command"],
        version=data["version"],
        policy=policy(),
        style=Markup(source("report.css")),
    )  # fmt: skip


def runs_lines(data: Data) -> list[str]:
    """Return what the terminal shows: the runs by number, and a line for each headline figure, of the first runs."""
    runs = data["runs"]
    count = min(len(runs), MOST_COLUMNS)
    lines = [f"  {place:2}  {run['name']}  ({run['arch']['name']}, {run['workload']['name']})"
             for place, run in enumerate(runs, 1)]  # fmt: skip
    rows = [row[: count + 1] for row in (("", *map(str, range(1, len(runs) + 1))), *_headline(data).shown.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(count + 1)]
    lines.append("")
    for label, *texts in rows:
        cells = [text.rjust(width) for text, width in zip(texts, widths[1:], strict=True)]
        lines.append(f"  {label:{widths[0]}}  {'  '.join(cells)}".rstrip())
    more = len(runs) - count
    lines += ["", f"  and {counted(more, 'more run')}, on the page"] if more else []
    lines += ["", f"  {counted(len(data['differences']), 'difference')} between the specs"]
    failed = [f"  {run['name']}: {_told(run, 'audits')}" for run in runs if run["audits_failed"]]
    return [*lines, *(["", "Audits that failed", *failed] if failed else [])]
