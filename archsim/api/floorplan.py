"""The commands about floorplans as functions: `archsim.floorplan.draw`, `compare` and `optimise`.

What many of them take is said in `archsim.api.commands`; they raise SpecError likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from archsim.api.commands import studied
from archsim.api.inputs import File, Spec, named_by, pair, path, several
from archsim.api.shown import StudyResult
from archsim.spec.settings import Settings, settings_of
from archsim.studies.study import Progress

if TYPE_CHECKING:
    from archsim.studies.floorplans.candidates import Optimised
    from archsim.studies.floorplans.chip_rows import ChipComparison
    from archsim.studies.floorplans.draw import DrawnChip


def draw(
    arch: Spec,
    workload: Spec | None = None,
    *,
    examples: int | None = None,
    sets: Settings = (),
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[DrawnChip]:
    """Draw a chip's floorplan; with a workload, coloured by power density and load. Its rows are the chip's parts."""
    asked = pair(arch, "" if workload is None else workload, sets)
    name = None if workload is None else asked["workload"]
    return studied("archsim.studies.floorplans.draw", out, progress, arch=asked["arch"], workload=name,
                   examples=examples, sets=asked["sets"])  # fmt: skip


def compare(
    workload: Spec,
    archs: Sequence[Spec],
    *,
    sets: Settings = (),
    examples: int | None = None,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[ChipComparison]:
    """Put chips side by side on one workload: area, wires, contention, time, energy and power density."""
    name, settings = named_by(workload)
    return studied("archsim.studies.floorplans.compare", out, progress, workload=name, archs=several(archs),
                   sets=(*settings, *settings_of(sets)), examples=examples, jobs=jobs, cluster=cluster,
                   store=path(store))  # fmt: skip


def optimise(
    arch: Spec,
    workload: Spec,
    objective: str,
    *,
    budget: int = 40,
    examples: int | None = None,
    sets: Settings = (),
    seed: int = 0,
    topologies: bool = False,
    jobs: int | None = None,
    cluster: str | None = None,
    store: File | None = None,
    out: File | None = None,
    progress: Progress | None = None,
) -> StudyResult[Optimised]:
    """Search for a better floorplan and placement by `objective`: time, energy, area or edp. Rows are candidates.

    It simulates at most `budget` of them, and with `topologies` tries those, too.
    """
    return studied(
        "archsim.studies.floorplans.optimise", out, progress, **pair(arch, workload, sets), objective=objective,
        budget=budget, examples=examples, seed=seed, topologies=topologies, jobs=jobs, cluster=cluster,
        store=path(store),
    )  # fmt: skip
