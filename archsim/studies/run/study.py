"""A run as the command makes it: simulated and written, or rendered again from its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from archsim.base.errors import Problem, SpecError
from archsim.report.folder import check_folder, write_folder
from archsim.results.evaluate import Result, evaluate
from archsim.studies.run.document import RENDERED, render, write_report
from archsim.studies.run.page import Page
from archsim.studies.run.plan import RunPlan
from archsim.studies.run.saved import load_page
from archsim.studies.study import default_folder


def execute(
    plan: RunPlan, out: Path | None = None, progress: Callable[[int], None] | None = None
) -> tuple[Result, Path]:
    """Return the result of a run and the folder of its report, which is either written as a whole or not at all."""
    folder = out if out is not None else default_folder(plan.arch, plan.workload)
    check_folder(folder)
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
    return result, write_report(result, folder, files=plan.files(), trace=plan.trace)


def render_again(folder: Path) -> tuple[Page, Path]:
    """Return what a report shows, and its folder, whose rendered files were made anew; all others are kept.

    Raises SpecError where the folder holds no report that can be read, or cannot be written.
    """
    page = load_page(folder)
    files = render(page)
    return page, write_folder(folder, {**_others(folder, files), **files}, RENDERED)


def _others(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Return what others, such as a training, have put beside the files of a report, in the same folders."""
    found = [path for name in RENDERED if (folder / name).is_dir() for path in sorted((folder / name).iterdir())]
    try:
        return {
            name: path.read_text("utf-8") for path in found
            if path.is_file() and (name := path.relative_to(folder).as_posix()) not in files
        }  # fmt: skip
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError([Problem(str(folder), f"cannot be read: {error}", "move what is not text elsewhere")]) from None
