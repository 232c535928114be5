"""Optimisations as the command makes them: the search, its report, and the spec that it found."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from archsim.base.documents import Leaf, Tree, dump_yaml, written
from archsim.base.words import counted
from archsim.report.document import Document
from archsim.report.folder import check_folder
from archsim.results.metrics import package_version
from archsim.spec.loading import differences, load_arch
from archsim.spec.settings import split_overrides
from archsim.studies.floorplans.layouts import Point
from archsim.studies.floorplans.optimise_document import document
from archsim.studies.floorplans.search import BUDGET, OBJECTIVES, Candidate, Optimisation, check_objective, optimise
from archsim.studies.names import all_faults, default_folder
from archsim.studies.old import Study, registered
from archsim.workload import load_workload

SCHEMA, NAME = "archsim-optimise-1", "optimise.json"
OWNED = (NAME, "optimise.html", "optimise.md", "figures", "tables", "optimise.svg")
"""What a search writes, or wrote in an earlier version; anything else in its folder is kept."""
SUFFIX = "_optimised"


def execute_optimisation(
    arch: str,
    workload: str,
    objective: str,
    *,
    budget: int = BUDGET,
    examples: int | None = None,
    sets: Sequence[str] = (),
    seed: int = 0,
    topologies: bool = False,
    out: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[dict[str, Any], Document, Path]:
    """Return a search for a better floorplan, as its file holds it and as its report shows it, and the report's folder.

    `progress` is called with the simulations done, the budget, and words. Raises SpecError with all that is wrong.
    """
    mine, theirs = split_overrides(sets)
    _, chip, network = all_faults(
        [lambda: check_objective(objective, budget), lambda: load_arch(arch, mine),
         lambda: load_workload(workload, theirs)]
    )  # fmt: skip
    folder = out if out is not None else default_folder(chip, network, f"optimise-{objective}")
    check_folder(folder)
    found = optimise(
        chip, network, objective, budget=budget, examples=examples, seed=seed, topologies=topologies, progress=progress
    )
    words = ["archsim", "floorplan", "optimise", arch, workload, "--objective", objective]
    words += ["--budget", str(budget)] if budget != BUDGET else []
    words += ["--examples", str(examples)] if examples is not None else []
    words += [word for setting in sets for word in ("--set", setting)]
    words += ["--seed", str(seed)] if seed else []
    words += ["--topologies"] if topologies else []
    file = f"{name_of(found)}.yaml"
    again = ["archsim", "run", file, workload, *(word for setting in theirs for word in ("--set", setting))]
    run = shlex.join([*again, "--examples", str(found.examples)])
    data = {**data_of(found), "command": shlex.join(words), "file": file, "run": run}
    return data, *STUDY.write(data, folder, {file: spec_of(found)})


STUDY = registered(Study(NAME, SCHEMA, "floorplan optimise", document, OWNED))


def name_of(found: Optimisation) -> str:
    """Return the name of the chip that was found."""
    return found.arch.value.name.removesuffix(SUFFIX) + SUFFIX


def spec_of(found: Optimisation) -> str:
    """Return the best spec as a file that stands alone; what was found says so.

    Nothing of the chip as it is now was published, so no published figures are in it.
    """
    note = (
        f"found by archsim floorplan optimise: least {OBJECTIVES[found.objective].title} of "
        f"{counted(_simulated(found), 'simulation')} of {counted(found.examples, 'example')} of "
        f"{found.workload.value.name}"
    )
    tree: dict[str, Tree] = {
        **found.arch.settled(found.best.settings, Leaf("", "search", "assumption", note)),
        "name": Leaf(name_of(found)),
        "published": [],
    }
    tree["description"] = Leaf(f"{found.arch.value.name}, its floorplan, placement and topology {note}.")
    return dump_yaml({"kind": "arch", **written(tree)})


def data_of(found: Optimisation) -> dict[str, Any]:
    """Return a search as optimise.json holds it; all figures are SI."""
    objective = OBJECTIVES[found.objective]
    best: float | None = None
    rows = []
    for candidate in found.candidates:
        value = found.value(candidate)
        best = min((each for each in (best, value) if each is not None), default=None)
        rows.append({**_row(candidate), "value": value, "best_so_far": best if candidate.number else None})
    return {
        "schema": SCHEMA,
        "version": package_version(),
        "arch": {"name": found.arch.value.name, "hash": found.arch.hash},
        "workload": {"name": found.workload.value.name, "hash": found.workload.hash},
        "objective": {"name": found.objective, "title": objective.title, "unit": objective.unit},
        "budget": found.budget,
        "simulated": _simulated(found),
        "points": len(found.space.points()),
        "examples": found.examples,
        "seed": found.seed,
        "start": found.start.number,
        "best": found.best.number,
        "changes": [
            {"key": key, "before": before, "after": after}
            for key, before, after in differences(found.arch, found.found)
        ],
        "left_out": [{"kind": kind, "why": why} for kind, why in found.space.left_out],
        "candidates": rows,
    }  # fmt: skip


def _simulated(found: Optimisation) -> int:
    return sum(candidate.number is not None for candidate in found.candidates)


def _row(candidate: Candidate) -> dict[str, Any]:
    figures = candidate.figures
    return {
        "number": candidate.number,
        "phase": candidate.phase,
        **_point(candidate.point),
        "set": list(candidate.settings),
        "hash": candidate.hash or None,
        "time_per_example_s": None if figures is None else figures.time_per_example_s,
        "energy_per_example_j": None if figures is None else figures.energy_per_example_j,
        "area_m2": None if figures is None else figures.area_m2,
        "refused": candidate.refused or None,
    }


def _point(point: Point) -> dict[str, Any]:
    return {
        "floorplan": point.layout.kind,
        "columns": point.layout.columns,
        "placement": point.placement,
        "topology": point.topology,
    }
