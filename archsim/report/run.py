"""The report of a run: everything is rendered first and then moved into place at once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from archsim.metrics import Result
from archsim.report.figures import figures
from archsim.report.floorplan import floorplan_drawing, load_of
from archsim.report.folder import write_folder
from archsim.report.tables import Table, areal, tables
from archsim.report.traces import TRACES
from archsim.units import engineering

OWNED = ("metrics.json", "report.md", "run.yaml", "inputs", "figures", "tables", *(name for name, _ in TRACES.values()))
"""What a run writes; anything else in its folder belongs to others and is kept."""


def write_report(
    result: Result, folder: Path, *, files: Mapping[str, str] | None = None, trace: str | None = None
) -> Path:
    """Write the report of a run into `folder`, as a whole or not at all, and return the folder.

    `files` are further files, such as run.yaml, by relative path; `trace` names a kind of trace. Raises
    SpecError if the folder cannot be written or holds something else.
    """
    found = tables(result)
    drawn = {**figures(result), "floorplan_load": floorplan_drawing(result.chip, load_of(result))}
    out = {
        "metrics.json": metrics_json(result.data),
        "report.md": markdown(result, found),
        **{f"tables/{name}.csv": table.csv() for name, table in found.items()},
        **{f"figures/{name}.svg": svg for name, svg in drawn.items()},
        **(files or {}),
    }
    if trace is not None:
        name, build = TRACES[trace]
        out[name] = build(result)
    return write_folder(folder, out, OWNED)


def metrics_json(data: Mapping[str, Any]) -> str:
    """Return a result as JSON text; NaN and infinity are refused."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def environment() -> Environment:
    """Return the environment of the report's templates."""
    made = Environment(
        loader=PackageLoader("archsim.report"), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        autoescape=False, keep_trailing_newline=True,
    )  # fmt: skip
    made.filters["eng"] = engineering
    made.filters["metric"] = areal
    return made


def markdown(result: Result, found: Mapping[str, Table]) -> str:
    """Return the report as Markdown."""
    failed = [audit for audit in result.data["audits"] if not audit["passed"]]
    statuses: dict[str, int] = {}
    for figure in result.arch.figures.values():
        statuses[figure.status] = statuses.get(figure.status, 0) + 1
    return environment().get_template("report.md").render(
        data=result.data,
        metrics=result.data["metrics"],
        tables=found,
        failed=failed,
        missed=[check for check in result.data.get("crosscheck", ()) if not check["passed"]],
        arch=result.arch,
        workload=result.workload,
        chip=result.chip,
        peak=result.peak,
        step=result.step,
        statuses=dict(sorted(statuses.items())),
        fitted={path: figure for path, figure in result.arch.figures.items() if figure.status == "fitted"},
        zeros=result.arch.zeros(),
        overrides=[*result.arch.overrides, *result.workload.overrides],
    )  # fmt: skip
