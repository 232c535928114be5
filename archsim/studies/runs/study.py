"""Runs side by side as the command makes them: from the folders of their reports, without simulating."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archsim.base.errors import Problem, SpecError
from archsim.report.document import Document
from archsim.report.folder import check_folder
from archsim.results.metrics import package_version
from archsim.spec.loading import differences
from archsim.studies.names import all_faults, folder_of, names_of
from archsim.studies.old import Study, registered
from archsim.studies.run.page import Page
from archsim.studies.run.plan import RunPlan, plan_from_file
from archsim.studies.run.saved import load_page
from archsim.studies.runs.document import document

SCHEMA, NAME = "archsim-runs-1", "runs.json"
OWNED = (NAME, "runs.html", "runs.md", "figures", "tables")
"""What runs side by side write; anything else in their folder is kept."""
MOST_NAMED = 4
"""So many runs are named in the default folder's name; of more, the first and a hash of all."""


def execute_side_by_side(folders: Sequence[Path], out: Path | None = None) -> tuple[Document, Path]:
    """Return the report of several runs side by side, and its folder.

    Raises SpecError with all that is wrong: a folder without a run's report or with one that cannot be read, given
    twice, or an `out` that is itself a run's.
    """
    _check_distinct(folders)
    loads: list[Callable[[], Any]] = [lambda folder=folder: _load(folder) for folder in folders]  # type: ignore[misc]
    loaded: list[tuple[Page, RunPlan]] = all_faults(loads)
    texts = [str(folder) for folder in folders]
    names = names_of(texts, [folder.resolve().name or text for folder, text in zip(folders, texts, strict=True)])
    target = out if out is not None else _default_folder(names)
    check_folder(target)
    if (target / "metrics.json").exists():
        what = "holds the report of a run, whose tables and figures would be replaced"
        raise SpecError([Problem(f"--out {target}", what, "name a folder that is new")])
    plans = [plan for _, plan in loaded]
    rows = differences(*(plan.arch for plan in plans))
    rows += [(f"workload: {path}", *texts) for path, *texts in differences(*(plan.workload for plan in plans))]
    data = side_by_side(names, [page for page, _ in loaded], rows)
    data["version"] = package_version()
    data["command"] = shlex.join(["archsim", "report", *texts])
    return STUDY.write(data, target)


STUDY = registered(Study(NAME, SCHEMA, "report", document, OWNED))


def _check_distinct(folders: Sequence[Path]) -> None:
    seen: dict[Path, Path] = {}
    problems = []
    for folder in folders:
        first = seen.setdefault(folder.resolve(), folder)
        if first is not folder:
            problems.append(Problem(str(folder), f"is given twice, as {first} before", "give each run once"))
    if problems:
        raise SpecError(problems)


def _load(folder: Path) -> tuple[Page, RunPlan]:
    """Return a run's page, and the plan that says from which specs it was made."""
    page = load_page(folder)
    if not (folder / "run.yaml").is_file():
        what = "is not there, so it cannot be told in what the run differs from others"
        raise SpecError([Problem(f"{folder}/run.yaml", what, "give the folder as `archsim run` wrote it")])
    return page, plan_from_file(str(folder))


def _default_folder(names: Sequence[str]) -> Path:
    """Return `reports/<run>--vs--<run>...`; of many runs, the first, how many others, and a hash of their names."""
    if len(names) <= MOST_NAMED and sum(map(len, names)) < 160:
        return folder_of([part for name in names for part in ("vs", name)][1:], [])
    return folder_of([names[0][:80], "vs", f"{len(names) - 1}_others"], names)


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
    final = page.history.final.plain() if page.history is not None else {}
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
