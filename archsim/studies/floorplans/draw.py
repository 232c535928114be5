"""Floorplans as the command draws them: a folder with the drawing, and the files that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from archsim.base.errors import Problem, SpecError
from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.chip import Chip, build_chip
from archsim.chip.graph import tile_parts
from archsim.export import chip_flp, chip_graphml, floorplan_yaml, mean_power, write_ptrace
from archsim.report.folder import check_folder, write_folder
from archsim.report.old_floorplan import floorplan_drawing
from archsim.report.table import Column, Table
from archsim.results.evaluate import Result, evaluate
from archsim.spec.loading import load_arch
from archsim.studies.run.details import page_of
from archsim.studies.run.loads import load_of
from archsim.studies.run.plan import plan_from_options
from archsim.studies.run.tables import links
from archsim.studies.study import default_folder, folder_of

OWNED = (
    "floorplan.svg", "floorplan.flp", "floorplan.yaml", "floorplan.ptrace", "chip.graphml", "parts.csv", "links.csv",
)  # fmt: skip
"""What the command writes; anything else in its folder is kept."""


def execute_drawing(
    arch: str,
    workload: str | None = None,
    *,
    sets: Sequence[str] = (),
    examples: int | None = None,
    out: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[Chip, Path]:
    """Return the chip whose floorplan was drawn, and the folder with the drawing, `.flp` and GraphML.

    With a workload the run is simulated: the drawing shows power density and load, and the power trace and the links'
    table are written too. Raises SpecError with all that is wrong.
    """
    if workload is None:
        if examples is not None:
            raise SpecError([Problem("--examples", "there is no workload to run", "give --workload too")])
        loaded = load_arch(arch, sets)
        folder = out or folder_of([loaded.value.name, "floorplan"], loaded.overrides)
        check_folder(folder)
        chip = build_chip(loaded.value)
        return chip, write_folder(folder, _files(chip, None), OWNED)
    plan = plan_from_options(arch, workload, sets=sets, examples=examples)
    folder = out or default_folder(plan.arch, plan.workload, "floorplan")
    check_folder(folder)
    result = evaluate(plan.arch, plan.workload, examples=plan.count, command=plan.command, progress=progress)
    return result.chip, write_folder(folder, _files(result.chip, result), OWNED)


def _files(chip: Chip, result: Result | None) -> dict[str, str]:
    plan = chip.plan
    files = {
        "floorplan.svg": floorplan_drawing(chip, load_of(result) if result is not None else None),
        "floorplan.flp": chip_flp(plan, f"{chip.spec.name}, by archsim"),
        "floorplan.yaml": floorplan_yaml(plan, f"floorplan of kind {chip.spec.floorplan.kind} of {chip.spec.name}"),
        "chip.graphml": chip_graphml(chip),
        "parts.csv": parts_table(chip).csv(),
    }
    if result is not None:
        power = mean_power(plan, result.bill.by_tile, result.data["metrics"]["time_total_s"])
        files |= {"floorplan.ptrace": write_ptrace(power), "links.csv": links(page_of(result)).csv()}
    return files


def parts_table(chip: Chip) -> Table:
    """Return the parts of a chip: instances, area and leakage of all of them, the largest first."""
    ranked = sorted(chip.parts, key=lambda part: (-part.area_m2, part.component))
    columns = (Column("component"), Column("instances"), Column("area", "m2"), Column("leakage", "W"))
    rows = tuple((part.component, part.instances, part.area_m2, part.leakage_w) for part in ranked)
    return Table("parts", "Parts", columns, rows)


def floorplan_lines(chip: Chip) -> list[str]:
    """Return what the command prints: size, areas by kind and white space."""
    plan = chip.plan
    size = f"{plan.width_m * 1e3:.4g} x {plan.height_m * 1e3:.4g} mm"
    ranked = sorted(chip.parts, key=lambda part: (-part.area_m2, part.component))
    around = [part for part in ranked if part.area_m2 and part.component not in _in_tiles(chip)]
    tiles_m2 = chip.area_m2 - sum(part.area_m2 for part in around)
    rows = [(counted(len(chip.tiles), "tile"), tiles_m2), *((part.component, part.area_m2) for part in around)]
    lines = [f"{chip.spec.name}: {chip.spec.floorplan.kind} of {size}, {engineering(chip.area_m2, 'm2')} in use"]
    lines += [
        f"  {name.replace('_', ' '):18} {engineering(area, 'm2'):>12} {area / chip.area_m2:8.1%}" for name, area in rows
    ]
    return lines


def _in_tiles(chip: Chip) -> set[str]:
    return {name for _, tile in chip.spec.tile_kinds for name, _, _ in tile_parts(tile)} | {"router"}
