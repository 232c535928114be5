"""Chips side by side as the command compares them: named, run on one workload, and written as one report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import fsum
from pathlib import Path
from typing import Any

from archsim.base.errors import ArchsimError, Problem, SpecError
from archsim.chip.graph import Chip, build_chip
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import Schedule
from archsim.report.document import Document
from archsim.report.folder import check_folder
from archsim.results.breakdowns import link_rows
from archsim.results.evaluate import Result, evaluate
from archsim.results.metrics import package_version
from archsim.simulation.run import Trace, simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.settings import split_overrides
from archsim.studies.floorplans.compare_document import compare_csv, document
from archsim.studies.names import all_faults, folder_of, names_of, undominated
from archsim.studies.old import Study, json_text, registered
from archsim.studies.run.loads import drawing_data
from archsim.studies.run.study import details_json
from archsim.workload import load_workload
from archsim.workload.network import Workload

SCHEMA, NAME, DRAWINGS = "archsim-floorplan-compare-1", "compare.json", "floorplans.json"
OWNED = (NAME, DRAWINGS, "compare.csv", "compare.html", "compare.md", "figures", "tables", "pareto.svg")
"""What a comparison writes, or wrote in an earlier version; anything else in its folder is kept."""


def execute_comparison(
    workload: str,
    archs: Sequence[str],
    *,
    sets: Sequence[str] = (),
    examples: int | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Document, Path]:
    """Return a comparison, as its files hold it and as its report shows it, and the report's folder.

    `progress` is called with the chips done, with their part, how many there are, and words. Raises SpecError with all
    that is wrong.
    """
    if len(archs) < 2:
        hint = f"give at least two, for example: archsim floorplan compare {shlex.join([workload, *archs])} OTHER"
        raise SpecError([Problem("ARCH", f"there is only {' '.join(archs) or 'nothing'} to compare", hint)])
    mine, theirs = split_overrides(sets)
    loads: list[Callable[[], Any]] = [lambda: load_workload(workload, theirs)]
    loads += [lambda arch=arch: load_arch(arch, mine) for arch in dict.fromkeys(archs)]  # type: ignore[misc]
    network, *loaded = all_faults(loads)
    by_text = dict(zip(dict.fromkeys(archs), loaded, strict=True))
    names = names_of(archs, [by_text[arch].value.name for arch in archs])
    chips = {name: by_text[arch] for name, arch in zip(names, archs, strict=True)}
    words = ["archsim", "floorplan", "compare", workload, *archs]
    words += [word for given in sets for word in ("--set", given)]
    words += ["--examples", str(examples)] if examples else []
    folder = out or folder_of([network.value.name, "floorplans"], [*archs, *sets])
    check_folder(folder)
    found = compare(chips, network, examples=examples, progress=progress)
    data: dict[str, Any] = {
        "schema": SCHEMA,
        "workload": {"name": network.value.name, "hash": network.hash},
        "version": package_version(),
        "command": shlex.join(words),
        "set": list(sets),
        "examples": found.examples,
        "passed": found.passed,
        "chips": found.data(),
        "floorplans": found.floorplans(),
    }
    more = {
        NAME: json_text({**data, "floorplans": DRAWINGS}),
        DRAWINGS: details_json(data["floorplans"]),
        "compare.csv": compare_csv(data),
    }
    return data, *STUDY.write(data, folder, more)


def _whole(folder: Path, data: dict[str, Any]) -> dict[str, Any]:
    return {**data, "floorplans": json.loads((folder / DRAWINGS).read_text("utf-8"))}


STUDY = registered(Study(NAME, SCHEMA, "floorplan compare", document, OWNED, _whole))


Progress = Callable[[float, int, str], None]
NETWORK = ("link", "router")
"""Components whose units a message holds on its way: wires, and places in the routers' buffers."""


@dataclass(frozen=True)
class Row:
    """What one chip comes to; SI units, and None where nothing was sent or trained.

    `wire_m_per_example` adds, over links, what a link carries for an example (flits on packet links, values on duration
    links: `carried`) times its length. `contention_share` is the share of the time that goes when links and buffers
    have room for everyone. Power densities are mean power over the area of a tile's site, wires and routers apart.
    """

    name: str
    arch: str
    hash: str
    floorplan: str
    topology: str
    area_m2: float
    white_space_share: float
    wire_length_m: float
    wire_m_per_example: float
    carried: str
    busiest_link: str | None
    busiest_link_share: float
    time_per_example_s: float
    time_per_example_uncontended_s: float
    contention_share: float
    energy_per_example_j: float
    throughput_per_area_op_per_s_m2: float
    efficiency_op_per_j: float
    peak_power_density_w_per_m2: float
    hottest_tile: str
    audits_failed: tuple[str, ...]

    @property
    def goals(self) -> tuple[float, float, float]:
        """What is to be small: time per example, energy per example, area."""
        return self.time_per_example_s, self.energy_per_example_j, self.area_m2


@dataclass(frozen=True)
class Comparison:
    """A row for each chip, which of them are Pareto-optimal, and the runs that they are from, in one order."""

    examples: int
    rows: tuple[Row, ...]
    pareto: tuple[bool, ...]
    results: tuple[Result, ...]

    @property
    def passed(self) -> bool:
        """Whether every audit of every run passed."""
        return all(result.passed for result in self.results)

    def data(self) -> list[dict[str, Any]]:
        """Return the rows as plain data, `pareto` among it."""
        return [
            {**asdict(row), "audits_failed": list(row.audits_failed), "pareto": best}
            for row, best in zip(self.rows, self.pareto, strict=True)
        ]

    def floorplans(self) -> dict[str, dict[str, Any]]:
        """Return what is drawn of each chip by name, as plain data."""
        return {
            row.name: drawing_data(result.chip, result) for row, result in zip(self.rows, self.results, strict=True)
        }


def compare(
    chips: Mapping[str, Loaded[ArchSpec]],
    workload: Loaded[Workload],
    *,
    examples: int | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Return what a workload, `examples` of it or all epochs, costs on each of at least two chips.

    `progress` is called with the chips done, with their part, how many there are, and words. Raises SpecError that
    names all chips that cannot take the workload.
    """
    if len(chips) < 2:
        what = f"{len(chips)} chip{'s were' if len(chips) != 1 else ' was'} given"
        raise SpecError([Problem("ARCH", what, "give at least two to compare, by name or path")])
    count = workload.value.examples if examples is None else examples
    _of_all(chips, lambda _, arch: _check(arch, workload, count))  # before any of them is simulated
    ready = 0

    def run(name: str, arch: Loaded[ArchSpec]) -> tuple[Result, Row]:
        nonlocal ready

        def inside(done: int) -> None:
            if progress is not None:
                progress(ready + done / count, len(chips), name)

        inside(0)
        result = evaluate(arch, workload, examples=count, progress=inside)
        ready += 1
        return result, row_of(name, result)

    found = _of_all(chips, run)
    rows = tuple(row for _, row in found)
    return Comparison(
        count, rows, tuple(undominated([row.goals for row in rows])), tuple(result for result, _ in found)
    )


def _of_all(chips: Mapping[str, Loaded[ArchSpec]], make: Callable[[str, Loaded[ArchSpec]], Any]) -> list[Any]:
    """Return what is made of each chip; raise SpecError with the faults of all of them."""
    found: list[Any] = []
    problems: list[Problem] = []
    for name, arch in chips.items():
        try:
            found.append(make(name, arch))
        except SpecError as error:
            problems += [Problem(f"{name}: {each.where}", each.what, each.hint) for each in error.problems]
        except ArchsimError as error:
            problems.append(Problem(name, str(error)))
    if problems:
        raise SpecError(problems)
    return found


def _check(arch: Loaded[ArchSpec], workload: Loaded[Workload], examples: int) -> None:
    chip = build_chip(arch.value)
    build_schedule(chip, map_workload(workload.value, chip), examples)


def row_of(name: str, result: Result) -> Row:
    """Return the row of a chip from its run, which is simulated once more with room for everyone on the links."""
    chip, trace, metrics = result.chip, result.trace, result.data["metrics"]
    links = link_rows(trace)
    white_m2 = fsum(part.area_m2 for part in chip.parts if part.component == "white_space")
    free = uncontended_cycles(trace)
    wire_m, carried = _carried(trace)
    density, hottest = _hottest(chip, result.bill.by_tile, metrics["time_total_s"])
    return Row(
        name=name,
        arch=result.arch.value.name,
        hash=result.arch.hash,
        floorplan=chip.spec.floorplan.kind,
        topology=chip.spec.routing.topology,
        area_m2=chip.area_m2,
        white_space_share=white_m2 / chip.area_m2,
        wire_length_m=fsum(link.length_m for link in chip.links.values()),
        wire_m_per_example=wire_m / trace.examples,
        carried=carried,
        busiest_link=links[0]["name"] if links else None,
        busiest_link_share=links[0]["utilisation"] if links else 0.0,
        time_per_example_s=metrics["time_per_example_s"],
        time_per_example_uncontended_s=metrics["time_per_example_s"] * (free / trace.cycles),
        contention_share=(trace.cycles - free) / trace.cycles,
        energy_per_example_j=metrics["energy_per_example_j"],
        throughput_per_area_op_per_s_m2=metrics["throughput_per_area_op_per_s_m2"],
        efficiency_op_per_j=metrics["efficiency_op_per_j"],
        peak_power_density_w_per_m2=density,
        hottest_tile=hottest,
        audits_failed=tuple(check["name"] for check in result.data["audits"] if not check["passed"]),
    )


def network_units(schedule: Schedule) -> frozenset[int]:
    """Return the indices of the links and of the routers' buffers."""
    return frozenset(unit.index for unit in schedule.chip.units if unit.component in NETWORK)


def uncontended_cycles(trace: Trace) -> int:
    """Return the cycles of a run in which no message waits for a link or a buffer; never more than the run's own.

    Every order of the run as it was is possible then too. Where messages that come earlier make others wait elsewhere,
    and so the whole longer (an anomaly of list schedules: Graham, SIAM J. Appl. Math. 17, 1969), it is the shortest
    that is known.
    """
    schedule = trace.schedule
    return min(trace.cycles, simulate(schedule, uncontended=network_units(schedule)).cycles)


def _carried(trace: Trace) -> tuple[float, str]:
    """Return what all links carried times their lengths, in metres, and what that was."""
    chip = trace.schedule.chip
    lengths = {link.unit: link.length_m for link in chip.links.values()}
    counts = [
        (use.action, use.count * entry.grants * lengths[use.unit])
        for entry in trace.stages for use in entry.stage.uses if use.unit in lengths and entry.grants
    ]  # fmt: skip
    words = {"pulse": "value"}  # on a duration link a pulse is a value
    carried = dict.fromkeys(words.get(action, action) for action, _ in counts)
    return fsum(metres for _, metres in counts), " and ".join(carried)


def _hottest(chip: Chip, energy_j: Mapping[str, float], time_s: float) -> tuple[float, str]:
    """Return the largest mean power of a tile over the area of its site, in watts per square metre, and the tile."""
    tiles = [block for block in chip.plan.named() if block.kind == "tile"]
    densities = {tile.name: energy_j[tile.name] / time_s / tile.rect.area_m2 for tile in tiles}
    hottest = max(densities, key=lambda tile: densities[tile])
    return densities[hottest], hottest
