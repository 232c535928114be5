"""The report of a run: everything is rendered first and then moved into place at once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from archsim.export.formats import TRACES
from archsim.report.extra import Extra
from archsim.report.floorplan import draw_layout
from archsim.report.folder import write_folder
from archsim.report.html import environment
from archsim.report.table import Table
from archsim.results.evaluate import Result
from archsim.studies.run.cards import groups, report_html
from archsim.studies.run.details import page_of
from archsim.studies.run.extras import extras
from archsim.studies.run.figures import figures
from archsim.studies.run.loads import layout_from, load_from
from archsim.studies.run.page import Page
from archsim.studies.run.saved import saved_history
from archsim.studies.run.tables import tables

RENDERED = ("report.html", "report.md", "figures", "tables")
"""What is made from the data alone, and is made again without simulating."""
OWNED = (
    "metrics.json", "details.json", "run.yaml", "inputs", *RENDERED, *(name for name, _ in TRACES.values()),
)  # fmt: skip
"""What a run writes; anything else in its folder belongs to others and is kept."""


def write_report(
    result: Result, folder: Path, *, files: Mapping[str, str] | None = None, trace: str | None = None
) -> Path:
    """Write the report of a run into `folder`, as a whole or not at all, and return the folder.

    `files` are further files, such as run.yaml, by relative path; `trace` names a kind of trace. Raises
    SpecError if the folder cannot be written or holds something else.
    """
    page = page_of(result, saved_history(folder))
    out = {
        "metrics.json": metrics_json(page.data),
        "details.json": details_json(page.details),
        **render(page),
        **(files or {}),
    }
    if trace is not None:
        name, build = TRACES[trace]
        out[name] = build(result)
    return write_folder(folder, out, OWNED)


def render(page: Page) -> dict[str, str]:
    """Return all files that show a run to people, as text by relative path: they depend on the page alone."""
    more = extras(page)
    found = tables(page)
    drawn = {**figures(page), "floorplan_load": draw_layout(layout_from(page), load_from(page))}
    texts = {"report.html": report_html(page, found, more, environment()), "report.md": markdown(page, found, more)}
    for extra in more:
        found |= {table.name: table for table in extra.tables}
        drawn |= extra.figures
    return {
        **texts,
        **{f"tables/{name}.csv": table.csv() for name, table in found.items()},
        **{f"figures/{name}.svg": svg for name, svg in drawn.items()},
    }


def metrics_json(data: Mapping[str, Any]) -> str:
    """Return a result as JSON text; NaN and infinity are refused."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"


def details_json(data: Mapping[str, Any]) -> str:
    """Return details as JSON text, a line for each key and for each item of the lists; NaN and infinity are refused."""

    def text(value: Any) -> str:
        return json.dumps(value, allow_nan=False)

    def lines(value: Any) -> str:
        if isinstance(value, list) and value:
            return "[\n  " + ",\n  ".join(map(text, value)) + "\n ]"
        if isinstance(value, dict) and value:
            return "{\n  " + ",\n  ".join(f"{text(key)}: {text(own)}" for key, own in value.items()) + "\n }"
        return text(value)

    return "{\n " + ",\n ".join(f"{text(key)}: {lines(value)}" for key, value in data.items()) + "\n}\n"


def markdown(page: Page, found: Mapping[str, Table], more: Sequence[Extra] = ()) -> str:
    """Return the report as Markdown; `found` are the run's tables by name, `more` the sections that others add."""
    statuses: dict[str, int] = {}
    for figure in page.details["figures"]:
        statuses[figure["status"]] = statuses.get(figure["status"], 0) + 1
    return environment().get_template("report.md").render(
        data=page.data,
        details=page.details,
        metrics=page.metrics,
        tables=found,
        history=page.history,
        extras=more,
        failed=[audit for audit in page.data["audits"] if not audit["passed"]],
        missed=[check for check in page.data.get("crosscheck", ()) if not check["passed"]],
        statuses=dict(sorted(statuses.items())),
        groups={status: (heading, own) for status, heading, own in groups(page)},
    )  # fmt: skip
