"""Floorplans as the command draws them: a folder with the drawing, and the files that other tools read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archsim.base.errors import Problem, SpecError
from archsim.base.record import Named, Record
from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.chip import Chip, build_chip
from archsim.chip.parts import tile_parts
from archsim.export.formats import CHIP_FILES
from archsim.report.document import Block, Document, Facts, Section, say
from archsim.report.floorplan import floorplan
from archsim.report.table import Column, Table, words
from archsim.results.evaluate import Result, evaluate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.studies import study
from archsim.studies.names import default_folder, folder_of
from archsim.studies.run.loads import Drawing, drawing_of
from archsim.studies.run.study import details_json
from archsim.studies.run.tables import links
from archsim.studies.study import Data, Pair, Prepared, Progress, Study, given, named, registered, signed


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """A chip to draw. With a workload, `examples` of it are simulated, by default its whole training.

    Then the drawing shows power density and load, and the power trace and the links' table are written too.
    """

    words = "floorplan draw"
    arch: str
    workload: str | None = None
    examples: int | None = None
    sets: tuple[str, ...] = given("--set")


class Part(Record):
    """All instances of a component: how many, their area and leakage, and whether they are inside tiles."""

    component: str
    instances: int
    area_m2: float
    leakage_w: float
    in_tiles: bool


class DrawnChip(Data):
    """What floorplan.json holds: what is drawn, and the parts of the chip, the largest first.

    Without a run there is neither a workload nor a number of examples.
    """

    schema_id: Literal["archsim-floorplan-1"] = signed("archsim-floorplan-1")
    arch: Named
    workload: Named | None
    examples: int | None
    audits_failed: tuple[str, ...]
    kind: str
    tiles: int
    area_m2: float
    parts: tuple[Part, ...]
    floorplan: Drawing

    def json_text(self) -> str:
        """Return it as the text of a file, a line for each item."""
        return details_json(self.plain())


def prepare(inputs: Inputs) -> Prepared[DrawnChip]:
    """Return a chip to be drawn; raise SpecError with all that is wrong."""
    if inputs.workload is None:
        if inputs.examples is not None:
            raise SpecError([Problem("--examples", "there is no workload to run", "give --workload too")])
        arch = load_arch(inputs.arch, inputs.sets)
        return Prepared(
            folder_of([arch.value.name, "floorplan"], arch.overrides),
            lambda progress, folder: drawn_chip(arch, build_chip(arch.value), None, inputs.line),
        )
    chip, network = Pair(inputs.arch, inputs.workload, sets=inputs.sets).load()
    count = inputs.examples or network.value.examples

    def compute(progress: Progress, folder: Path) -> DrawnChip:
        result = evaluate(chip, network, examples=count, progress=lambda done: progress(done, count))
        return drawn_chip(chip, result.chip, result, inputs.line)

    return Prepared(default_folder(chip, network, "floorplan"), compute)


def drawn_chip(arch: Loaded[ArchSpec], chip: Chip, result: Result | None, command: str) -> DrawnChip:
    """Return a chip as it is drawn, after a run if there was one, with the files that other tools read."""
    inside = {name for _, tile in chip.spec.tile_kinds for name, _, _ in tile_parts(tile)} | {"router"}
    audits = [] if result is None else result.data["audits"]
    data = DrawnChip(
        command=command, arch=named(arch), workload=None if result is None else named(result.workload),
        examples=None if result is None else result.trace.examples,
        audits_failed=tuple(row["name"] for row in audits if not row["passed"]),
        kind=chip.spec.floorplan.kind, tiles=len(chip.tiles), area_m2=chip.area_m2,
        parts=tuple(
            Part(component=part.component, instances=part.instances, area_m2=part.area_m2, leakage_w=part.leakage_w,
                 in_tiles=part.component in inside)
            for part in sorted(chip.parts, key=lambda part: (-part.area_m2, part.component))
        ),
        floorplan=drawing_of(chip, result),
    )  # fmt: skip
    data.beside({name: CHIP_FILES[name].build(chip, result) for name in _exports(result is not None)})
    return data


def _exports(run: bool) -> list[str]:
    """Return the names of the files for other tools, some of which need a run."""
    return [name for name, each in CHIP_FILES.items() if run or not each.needs_run]


# ---- the report


def document(data: DrawnChip) -> Document:
    """Return the report of a floorplan: it depends on what floorplan.json holds alone."""
    own, name = data.floorplan, data.arch.name
    exports = tuple((name, say(f"The {CHIP_FILES[name].says}.")) for name in _exports(own.load is not None))
    used = [links(own.links)] if own.links else []
    return Document(
        f"Floorplan of {name}",
        tuple(_head(data)),
        (
            Section("die", "The die",
                    (area_table(data), floorplan(own.layout, own.load, title=name, layers=own.layers))),
            Section("parts", "Parts and links", (parts_table(data), *used)),
            Section("files", "Files for other tools", (Facts(exports),)),
        ),
        data.ends(data.arch),
        stem="floorplan", figures_in="", tables_in="",
    )  # fmt: skip


def _head(data: DrawnChip) -> Iterator[Block]:
    own, run = data.floorplan, ""
    if data.audits_failed:
        yield say("Audits FAILED: {names}", kind="failed", brief=True, names="; ".join(data.audits_failed))
    if data.workload is not None and data.examples is not None:
        run = f" Power and load are means over {counted(data.examples, 'example')} of {data.workload.name}."
    size = f"{own.width_m * 1e3:.4g} x {own.height_m * 1e3:.4g} mm"
    yield say("{what} of {size}: {area} in all.{run}", brief=True, what=data.kind, size=size, run=run,
              area=engineering(data.area_m2, "m2"))  # fmt: skip


def area_table(data: DrawnChip) -> Table:
    """Return what takes the area: tiles with all that is in them, and what stands around them."""
    around = [(words(part.component), part.area_m2) for part in data.parts if part.area_m2 and not part.in_tiles]
    in_tiles_m2 = data.area_m2 - sum(area_m2 for _, area_m2 in around)
    rows = tuple(
        (what, area_m2, area_m2 / data.area_m2)
        for what, area_m2 in ((counted(data.tiles, "tile"), in_tiles_m2), *around)
    )
    return Table("area", "Area", (Column("what"), Column("area", "m2"), Column("share", "%")), rows, brief=True)


PARTS: tuple[tuple[str, str, Callable[[Part], Any]], ...] = (
    ("component", "", lambda part: part.component),
    ("instances", "", lambda part: part.instances),
    ("area", "m2", lambda part: part.area_m2),
    ("leakage", "W", lambda part: part.leakage_w),
)
"""Columns of the parts: heading, unit, and what of a part."""


def parts_table(data: DrawnChip) -> Table:
    """Return the parts of a chip: instances, area and leakage of all of them, the largest first."""
    columns = tuple(Column(heading, unit) for heading, unit, _ in PARTS)
    return Table("parts", "Parts", columns, tuple(tuple(of(part) for *_, of in PARTS) for part in data.parts))


STUDY = registered(Study(
    Inputs, DrawnChip, "floorplan.json", prepare, document, lambda data: not data.audits_failed,
    once=("floorplan.svg", "floorplan.csv", *CHIP_FILES, "area.csv", "parts.csv", "links.csv"),
    tells="\ndrawing {folder}/floorplan.svg",
))  # fmt: skip
