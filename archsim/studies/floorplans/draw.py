"""Floorplans as the command draws them: a folder with the drawing, and the files that other tools read."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.errors import Problem, SpecError
from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.chip import Chip, build_chip
from archsim.chip.parts import tile_parts
from archsim.export.formats import CHIP_FILES
from archsim.report.document import Block, Command, Document, Facts, Section, say
from archsim.report.floorplan import floorplan
from archsim.report.folder import check_folder
from archsim.report.table import Column, Table, words
from archsim.results.evaluate import Result, evaluate
from archsim.results.metrics import package_version
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.studies.names import default_folder, folder_of
from archsim.studies.old import Study, registered
from archsim.studies.run.loads import drawing_data, drawn
from archsim.studies.run.page import LinkRow
from archsim.studies.run.plan import plan_from_options
from archsim.studies.run.study import details_json
from archsim.studies.run.tables import links

Data: TypeAlias = Mapping[str, Any]
SCHEMA, NAME = "archsim-floorplan-1", "floorplan.json"
OWNED = (
    NAME, "floorplan.html", "floorplan.md", "floorplan.svg", *CHIP_FILES, "area.csv", "parts.csv", "links.csv",
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
) -> tuple[dict[str, Any], Document, Path]:
    """Return a floorplan, as its file holds it and as its report shows it, and the report's folder.

    With a workload the run is simulated: the drawing shows power density and load, and the power trace and the links'
    table are written too. Raises SpecError with all that is wrong.
    """
    line = ["archsim", "floorplan", "draw", arch, *(["--workload", workload] if workload is not None else [])]
    line += ["--examples", str(examples)] if examples is not None else []
    line += [word for setting in sets for word in ("--set", setting)]
    result: Result | None = None
    if workload is None:
        if examples is not None:
            raise SpecError([Problem("--examples", "there is no workload to run", "give --workload too")])
        loaded = load_arch(arch, sets)
        folder = out or folder_of([loaded.value.name, "floorplan"], loaded.overrides)
        check_folder(folder)
        chip = build_chip(loaded.value)
    else:
        plan = plan_from_options(arch, workload, sets=sets, examples=examples)
        folder = out or default_folder(plan.arch, plan.workload, "floorplan")
        check_folder(folder)
        result = evaluate(plan.arch, plan.workload, examples=plan.count, command=plan.command, progress=progress)
        loaded, chip = plan.arch, result.chip
    exports = {name: CHIP_FILES[name].build(chip, result) for name in _exports(result is not None)}
    data = data_of(loaded, chip, result, shlex.join(line))
    return data, *STUDY.write(data, folder, {NAME: details_json(data), **exports})


def data_of(arch: Loaded[ArchSpec], chip: Chip, result: Result | None, command: str) -> dict[str, Any]:
    """Return a floorplan as floorplan.json holds it; all figures are SI."""
    inside = {name for _, tile in chip.spec.tile_kinds for name, _, _ in tile_parts(tile)} | {"router"}
    ranked = sorted(chip.parts, key=lambda part: (-part.area_m2, part.component))
    return {
        "schema": SCHEMA,
        "version": package_version(),
        "command": command,
        "arch": {"name": arch.value.name, "hash": arch.hash},
        "workload": None if result is None else result.data["workload"],
        "examples": None if result is None else result.data["run"]["examples"],
        "audits_failed": [] if result is None else [row["name"] for row in result.data["audits"] if not row["passed"]],
        "kind": chip.spec.floorplan.kind,
        "tiles": len(chip.tiles),
        "area_m2": chip.area_m2,
        "parts": [
            {"component": part.component, "instances": part.instances, "area_m2": part.area_m2,
             "leakage_w": part.leakage_w, "in_tiles": part.component in inside}
            for part in ranked
        ],
        "floorplan": drawing_data(chip, result),
    }  # fmt: skip


def _exports(run: bool) -> list[str]:
    """Return the names of the files for other tools, some of which need a run."""
    return [name for name, each in CHIP_FILES.items() if run or not each.needs_run]


def document(data: Data) -> Document:
    """Return the report of a floorplan: it depends on what floorplan.json holds alone."""
    own = data["floorplan"]
    name = data["arch"]["name"]
    layout, load = drawn(own)
    exports = _exports(load is not None)
    used: list[Block] = [links([LinkRow.model_validate(link) for link in own["links"]])] if own["links"] else []
    return Document(
        f"Floorplan of {name}",
        tuple(_head(data)),
        (
            Section("die", "The die", (area_table(data), floorplan(layout, load, title=name, layers=own["layers"]))),
            Section("parts", "Parts and links", (parts_table(data), *used)),
            Section("files", "Files for other tools",
                    (Facts(tuple((name, say(f"The {CHIP_FILES[name].says}.")) for name in exports)),)),
        ),
        (
            Command(data["command"]),
            say("Spec {hash}; archsim {version}.", kind="note", hash=data["arch"]["hash"], version=data["version"]),
        ),
        stem="floorplan", figures_in="", tables_in="",
    )  # fmt: skip


def _head(data: Data) -> Iterator[Block]:
    own = data["floorplan"]
    if data["audits_failed"]:
        yield say("Audits FAILED: {names}", kind="failed", brief=True, names="; ".join(data["audits_failed"]))
    run = ""
    if data["workload"] is not None:
        run = f" Power and load are means over {counted(data['examples'], 'example')} of {data['workload']['name']}."
    size = f"{own['width_m'] * 1e3:.4g} x {own['height_m'] * 1e3:.4g} mm"
    yield say("{what} of {size}: {area} in all.{run}", brief=True, what=data["kind"], size=size, run=run,
              area=engineering(data["area_m2"], "m2"))  # fmt: skip


def area_table(data: Data) -> Table:
    """Return what takes the area: tiles with all that is in them, and what stands around them."""
    around = [part for part in data["parts"] if part["area_m2"] and not part["in_tiles"]]
    total = data["area_m2"]
    tiles = (counted(data["tiles"], "tile"), total - sum(part["area_m2"] for part in around))
    rows = tuple(
        (what, area, area / total)
        for what, area in (tiles, *((words(part["component"]), part["area_m2"]) for part in around))
    )
    return Table("area", "Area", (Column("what"), Column("area", "m2"), Column("share", "%")), rows, brief=True)


def parts_table(data: Data) -> Table:
    """Return the parts of a chip: instances, area and leakage of all of them, the largest first."""
    columns = (Column("component"), Column("instances"), Column("area", "m2"), Column("leakage", "W"))
    keys = ("component", "instances", "area_m2", "leakage_w")
    return Table("parts", "Parts", columns, tuple(tuple(part[key] for key in keys) for part in data["parts"]))


STUDY = registered(Study(NAME, SCHEMA, "floorplan draw", document, OWNED))
