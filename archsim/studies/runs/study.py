"""Runs side by side: from the folders of their reports, without simulating."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from archsim.base.errors import Problem, SpecError
from archsim.spec.loading import differences
from archsim.spec.named import lies
from archsim.studies import study
from archsim.studies.common_draws import ratios
from archsim.studies.names import all_faults, folder_of, names_of
from archsim.studies.run.page import Page
from archsim.studies.run.plan import RunPlan, plan_from_file
from archsim.studies.run.saved import load_page
from archsim.studies.runs.data import Difference, EnergyPerExample, LinkLoad, OneRun, Runs
from archsim.studies.runs.document import document
from archsim.studies.study import Prepared, Progress, Study, given, registered

MOST_NAMED = 4
"""So many runs are named in the default folder's name; of more, the first and a hash of all."""


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """The folders of the runs' reports."""

    words = "report"
    folders: tuple[Path, ...] = given("")


def prepare(inputs: Inputs) -> Prepared[Runs]:
    """Return runs to be put side by side.

    Raises SpecError with all that is wrong: a folder without a run's report or with one that cannot be read, or given
    twice.
    """
    folders = inputs.folders
    _check_distinct(folders)
    loads: list[Callable[[], Any]] = [lambda folder=folder: _load(folder) for folder in folders]  # type: ignore[misc]
    loaded: list[tuple[Page, RunPlan]] = all_faults(loads)
    texts = [str(folder) for folder in folders]
    names = names_of(texts, [folder.resolve().name or text for folder, text in zip(folders, texts, strict=True)])
    plans = [plan for _, plan in loaded]
    rows = differences(*(plan.arch for plan in plans))
    rows += [(f"workload: {path}", *texts) for path, *texts in differences(*(plan.workload for plan in plans))]

    def compute(progress: Progress, folder: Path) -> Runs:
        if (folder / "metrics.json").exists():
            what = "holds the report of a run, whose tables and figures would be replaced"
            raise SpecError([Problem(f"--out {folder}", what, "name a folder that is new")])
        pages = [page for page, _ in loaded]
        return Runs(
            ratios=ratios(names, [page.data.metrics for page in pages], [page.details.draws for page in pages]),
            command=inputs.line,
            differences=tuple(Difference(figure=path, texts=tuple(texts)) for path, *texts in rows),
            runs=tuple(one_run(name, page) for name, (page, _) in zip(names, loaded, strict=True)),
        )

    return Prepared(_default_folder(names), compute)


STUDY = registered(Study(Inputs, Runs, "runs.json", prepare, document))


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
    folder = lies(folder, ("metrics.json", "details.json", "history.json", "run.yaml", "inputs/**/*"))
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


def one_run(name: str, page: Page) -> OneRun:
    """Return a run as it stands beside others."""
    data = page.data
    examples, energy = data.run.examples, data.energy_j
    cycles = sum(data.stalls_cycles.values())
    final = page.history.final.plain() if page.history is not None else {}

    def each(parts: Mapping[str, float]) -> dict[str, float]:
        return {key: value / examples for key, value in parts.items()} if examples else {}

    return OneRun(
        name=name,
        arch=data.arch,
        workload=data.workload,
        examples=examples,
        seed=data.seed,
        version=data.version,
        activity=data.activity.source,
        command=data.command,
        audits_failed=tuple(check.name for check in data.failed),
        metrics=data.metrics,
        accuracy_chip=final.get("accuracy_chip_mean"),
        accuracy_float=final.get("accuracy_float_mean"),
        r2_chip=final.get("r2_chip_mean"),
        r2_float=final.get("r2_float_mean"),
        time_per_example_parts_s=data.time_per_example_parts_s,
        energy_per_example_j=EnergyPerExample(component=each(energy.by_component), phase=each(energy.by_phase)),
        area_m2=data.area.by_component_m2,
        stalls_shares={
            state: count / cycles if cycles else 0.0 for state, count in data.stalls_cycles.items() if count
        },
        links=tuple(
            LinkLoad(name=link.name, utilisation=link.utilisation,
                     wait_cycles_per_example=link.wait_cycles / examples if examples else None)
            for link in page.details.links
        ),
    )  # fmt: skip
