"""A run as the command makes it: simulated and written, or rendered again from its folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from archsim.base.atomic import Content
from archsim.base.uncollected import uncollected
from archsim.export.formats import TRACES
from archsim.report.document import Document
from archsim.report.files import files_of
from archsim.report.folder import reserved, write_folder
from archsim.results.evaluate import Result, evaluate
from archsim.studies.names import default_folder
from archsim.studies.run.details import details, page_of
from archsim.studies.run.document import document
from archsim.studies.run.plan import RunPlan
from archsim.studies.run.saved import AGAIN, load_page, saved_history
from archsim.studies.study import edited

RENDERED = ("report.html", "report.md", "figures", "tables")
"""What is made from the data alone, and is made again without simulating."""


def owned() -> tuple[str, ...]:
    """Return what a run writes; anything else in its folder belongs to others and is kept."""
    traces = (each.file for _, each in TRACES.items())
    return "metrics.json", "details.json", "run.yaml", "inputs", *RENDERED, *traces


def execute(
    plan: RunPlan, out: Path | None = None, progress: Callable[[int], None] | None = None
) -> tuple[Result, Document, Path]:
    """Return the result of a run, its report, and the folder of that, written as a whole or not at all."""
    folder = out if out is not None else default_folder(plan.arch, plan.workload)
    with reserved(folder):
        result = evaluate(
            plan.arch,
            plan.workload,
            examples=plan.count,
            full=plan.full,
            seed=plan.seed,
            activity=plan.activity,
            activity_from=plan.activity_from,
            command=plan.command,
            progress=progress,
        )
        return result, *written(result, folder, files=plan.files(), trace=plan.trace)


def write_report(
    result: Result, folder: Path, *, files: Mapping[str, Content] | None = None, trace: str | None = None
) -> Path:
    """Write the report of a `result` of `evaluate` into `folder`, as a whole or not at all, and return the folder.

    `files` are further files, such as run.yaml, by relative path; `trace` names a kind of trace. Raises
    SpecError if the folder cannot be written or holds something else.
    """
    return written(result, folder, files=files, trace=trace)[1]


@uncollected()
def written(
    result: Result, folder: Path, *, files: Mapping[str, Content] | None = None, trace: str | None = None
) -> tuple[Document, Path]:
    """Return the report of a run, which was written as `write_report` does, and its folder."""
    more = details(result)
    shown = document_of(result, folder, more)
    out: dict[str, Content] = {
        "metrics.json": metrics_json(result.data),
        "details.json": details_json(more),
        **files_of(shown),
        **(files or {}),
    }
    if trace is not None:
        out[TRACES[trace].file] = TRACES[trace].build(result)
    return shown, write_folder(folder, out, owned())


def document_of(result: Result, folder: Path, more: Mapping[str, Any] | None = None) -> Document:
    """Return the report of a run; if `folder` holds a training of this pair, it says what accuracy was reached."""
    return document(page_of(result, saved_history(folder), details(result) if more is None else more))


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


def render_again(folder: Path) -> tuple[Document, Path]:
    """Return a run's report, and its folder, whose rendered files were made anew; all others are kept.

    Raises SpecError where the folder holds no report that can be read, or cannot be written.
    """
    page = load_page(folder)
    with edited(f"{folder}/metrics.json", AGAIN.format(folder=folder)):
        shown = document(page)
        files = files_of(shown)
    return shown, write_folder(folder, files, RENDERED, into=["figures", "tables"])
