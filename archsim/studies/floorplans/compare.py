"""Chips side by side on one workload: tables, a Pareto plot, and floorplans with common colours."""

from __future__ import annotations

import itertools
import json
import math
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from archsim.base.doors import read_json, read_plain
from archsim.base.errors import Problem, SpecError
from archsim.base.texts import slugs
from archsim.base.units import engineering, percent
from archsim.base.words import counted
from archsim.chip.graph import build_chip
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.report.document import Block, Command, Document, Facts, Panels, Section, Text, say
from archsim.report.figure import Dot, Plot, Series, axis
from archsim.report.floorplan import MEANT, floorplan, limits_of
from archsim.report.table import Column, Table
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.spec.settings import split_overrides
from archsim.studies.common_draws import told
from archsim.studies.floorplans.chip_rows import DRAWINGS, ChipComparison, ChipRow, of_all, rows_of_chips
from archsim.studies.names import all_faults, folder_of, names_of, undominated
from archsim.studies.run.study import details_json
from archsim.studies.study import Prepared, Progress, Study, given, named, registered
from archsim.studies.tasks.bench import Spread, bench
from archsim.workload import load_workload

FRONT, BEATEN = "#1b6ca8", "#7f8c8d"


@dataclass(frozen=True)
class Inputs(Spread):
    """A workload, at least two chips, and how many examples each of them is given, by default the whole training."""

    words = "floorplan compare"
    workload: str
    archs: tuple[str, ...]
    sets: tuple[str, ...] = given("--set")
    examples: int | None = None


def prepare(inputs: Inputs) -> Prepared[ChipComparison]:
    """Return a comparison to be made; raise SpecError with all that is wrong."""
    if len(inputs.archs) < 2:
        again = shlex.join([inputs.workload, *inputs.archs])
        hint = f"give at least two, for example: archsim floorplan compare {again} OTHER"
        raise SpecError([Problem("ARCH", f"there is only {' '.join(inputs.archs) or 'nothing'} to compare", hint)])
    mine, theirs = split_overrides(inputs.sets)
    texts = list(dict.fromkeys(inputs.archs))
    network, *loaded = all_faults(
        [partial(load_workload, inputs.workload, theirs), *(partial(load_arch, text, mine) for text in texts)]
    )
    by_text = dict(zip(texts, loaded, strict=True))
    names = names_of(inputs.archs, [by_text[text].value.name for text in inputs.archs])
    chips = {name: by_text[text] for name, text in zip(names, inputs.archs, strict=True)}
    count = inputs.examples or network.value.examples

    def fit(_: str, arch: Loaded[ArchSpec]) -> None:
        chip = build_chip(arch.value)
        build_schedule(chip, map_workload(network.value, chip), count)

    of_all(chips, fit)

    def compute(progress: Progress, folder: Path) -> ChipComparison:
        with bench(inputs, folder) as tasks_done:
            rows, drawings, beside = rows_of_chips(chips, network, count, progress, tasks_done)
        data = ChipComparison(
            command=inputs.line, workload=named(network), set=inputs.sets, examples=count,
            passed=not any(row.audits_failed for row in rows), chips=tuple(rows),
            floorplans={row.name: own for row, own in zip(rows, drawings, strict=True)}, ratios=beside,
        )  # fmt: skip
        data.beside({DRAWINGS: details_json(data.plain()["floorplans"]), "compare.csv": compare_csv(data)})
        return data

    return Prepared(folder_of([network.value.name, "floorplans"], [*inputs.archs, *inputs.sets]), compute)


def _whole(folder: Path, text: str) -> str:
    drawings = read_plain(folder / DRAWINGS, f"{folder}/{DRAWINGS}", "compare again")
    return json.dumps({**read_json(text), "floorplans": read_json(drawings)})


# ---- the report


@dataclass(frozen=True)
class Metric:
    """A column: its heading and SI unit, "" for words, what of a chip, what that says, and which is the better of two.

    One that `counts` what links carry compares only chips whose links carry the same.
    """

    heading: str
    unit: str
    of: Callable[[ChipRow], Any]
    says: str = ""
    better: Callable[[Iterable[float]], float] = min
    counts: bool = False


TABLES = (
    ("costs", "Time, energy and area", (
        Metric("time per example", "s", lambda row: row.time_per_example_s, "Sustained, transfers and refresh "
               "included."),
        Metric("lost to contention", "%", lambda row: row.contention_share, "Share of the time that goes when no "
               "message waits for a link or for room in a router: 1 - time without such waiting / time, from a second "
               "simulation."),
        Metric("energy per example", "J", lambda row: row.energy_per_example_j, "Leakage included."),
        Metric("area", "m2", lambda row: row.area_m2, "The whole die, white space and host port included."),
        Metric("Pareto", "", lambda row: "yes" if row.pareto else "no"),
    )),
    ("wires", "Floorplan and links", (
        Metric("floorplan", "", lambda row: row.floorplan),
        Metric("topology", "", lambda row: row.topology),
        Metric("white space", "%", lambda row: row.white_space_share, "Share of the area that holds nothing."),
        Metric("wires", "m", lambda row: row.wire_length_m, "Lengths of all links, each way counted."),
        Metric("carried x length, per example", "m", lambda row: row.wire_m_per_example, "What each link carries for "
               "an example (flits on packet links, values on duration links) times its length. It compares chips whose "
               "links carry the same.", counts=True),
        Metric("busiest link held", "%", lambda row: row.busiest_link_share, "Share of all cycles for which the most "
               "loaded link is held."),
        Metric("busiest link", "", lambda row: row.busiest_link),
    )),
    ("rates", "Throughput, efficiency and power density", (
        Metric("throughput per area", "OP/s/m2", lambda row: row.throughput_per_area_op_per_s_m2,
               "Sustained, over the whole die.", max),
        Metric("efficiency", "OP/s/W", lambda row: row.efficiency_op_per_j, "Sustained.", max),
        Metric("peak power density", "W/m2", lambda row: row.peak_power_density_w_per_m2, "The largest mean power of "
               "a tile over the area of its site; wires and routers belong to no tile."),
        Metric("hottest tile", "", lambda row: row.hottest_tile),
    )),
)  # fmt: skip
"""Name, title and columns of each: together they would not fit a page."""
METRICS = tuple(metric for *_, shown in TABLES for metric in shown if metric.unit)


def document(data: ChipComparison) -> Document:
    """Return the report of a comparison: it depends on what compare.json and floorplans.json hold alone."""
    specs = ", ".join(f"{row.name} {row.hash}" for row in data.chips)
    return Document(
        f"{counted(len(data.chips), 'chip')} side by side on {data.workload.name}",
        tuple(_head(data)),
        (
            Section("chips", "The chips", (*tables(data), *told(data.ratios, data.chips[0].name), pareto(data))),
            Section("floorplans", "Floorplans", tuple(_floorplans(data))),
            Section("columns", "What the columns say",
                    (Facts(tuple((metric.heading, say("{says}", says=metric.says)) for metric in METRICS)),)),
        ),
        (
            Command(data.command),
            say("Specs {specs}; workload {workload}; archsim {version}. All figures of all chips, in SI units, are in "
                "`compare.csv` and `compare.json`.", kind="note", specs=specs, workload=data.workload.hash,
                version=data.version),
        ),
        stem="compare",
    )  # fmt: skip


def _head(data: ChipComparison) -> Iterator[Text]:
    for row in data.chips:
        if row.audits_failed:
            failed = "; ".join(row.audits_failed)
            yield say("{name}: FAILED: {failed}", kind="failed", brief=True, name=row.name, failed=failed)
    every = f" All of them have {', '.join(data.set)}." if data.set else ""
    yield say("Each chip trains {count}.{every} The best of each column is marked. Pareto: no other chip is as good in "
              "time per example, energy per example and area, and better in one of them.", brief=True,
              count=counted(data.examples, "example"), every=every)  # fmt: skip
    if len(carried := _carried(data)) > 1:
        yield say("Links carry {what} on others.", what=" on some chips and ".join(f"{what}s" for what in carried))


def _carried(data: ChipComparison) -> list[str]:
    """Return what links carry: values on one chip and flits on another do not compare."""
    return sorted({row.carried for row in data.chips if row.carried})


# ---- tables


def tables(data: ChipComparison) -> tuple[Table, ...]:
    """Return the chips' figures, the best of each column marked."""
    return tuple(_table(data, name, title, shown) for name, title, shown in TABLES)


def _table(data: ChipComparison, name: str, title: str, shown: Sequence[Metric]) -> Table:
    columns = (Column("chip"), *(Column(own.heading, own.unit, 2, alike=own.unit not in ("", "%")) for own in shown))
    rows = tuple((row.name, *(own.of(row) for own in shown)) for row in data.chips)
    marked = {(place, i) for i, own in enumerate(shown, 1) if own.unit for place in best_of(own, data)}
    return Table(name, title, columns, rows, marked=marked, most=len(rows), brief=True)


def best_of(metric: Metric, data: ChipComparison) -> set[int]:
    """Return the rows that are the best of a column; none where all are equal, or where they do not compare."""
    values = [metric.of(row) for row in data.chips]
    if len(set(values)) == 1 or (metric.counts and len(_carried(data)) > 1):
        return set()
    return {place for place, value in enumerate(values) if value == metric.better(values)}


def compare_csv(data: ChipComparison) -> str:
    """Return all figures of all chips as CSV, in SI units, under their names in compare.json."""
    rows = tuple(
        tuple("; ".join(own) if isinstance(own, list) else own for own in row.plain().values()) for row in data.chips
    )
    return Table("compare", "", tuple(map(Column, ChipRow.model_fields)), rows).csv()


# ---- figures


def pareto(data: ChipComparison) -> Plot:
    """Return energy against time per example: areas as sizes of the dots, the front in these two as a line."""
    largest = max(row.area_m2 for row in data.chips)
    places = [row.goals[:2] for row in data.chips]
    front = sorted({place for place, best in zip(places, undominated(places), strict=True) if best})
    corners = [front[0], *(corner for a, b in itertools.pairwise(front) for corner in ((b[0], a[1]), b))]

    def dots(best: bool) -> tuple[Dot, ...]:
        return tuple(
            Dot(x, y, _tip(row), row.name, 1.6 * math.sqrt(row.area_m2 / largest), not best)
            for row, (x, y) in zip(data.chips, places, strict=True) if row.pareto is best
        )  # fmt: skip

    line = Series("front in time and energy", FRONT, tuple(Dot(x, y, "", size=0.1) for x, y in corners), dashed=True,
                  shown=False)  # fmt: skip
    kinds = (("dominated", BEATEN, dots(False)), ("Pareto-optimal in time, energy and area", FRONT, dots(True)))
    series = [Series(text, tone, own, line=False) for text, tone, own in kinds if own]
    return Plot(
        "pareto", "Time, energy and area", "The area of a dot is in proportion to the chip's.",
        axis("time per example", [x for x, _ in places], "s", room=0.15),
        axis("energy per example", [y for _, y in places], "J", room=0.15),
        (line, *series) if len(front) > 1 else tuple(series),
    )  # fmt: skip


def _tip(row: ChipRow) -> str:
    said = ", ".join(engineering(own, unit, 4) for own, unit in zip(row.goals, ("s", "J", "m2"), strict=True))
    return f"{row.name}: {said}; {percent(row.contention_share)} of the time lost to contention"


def _floorplans(data: ChipComparison) -> Iterator[Block]:
    drawn = [(own.layout, own.load) for own in data.floorplans.values()]
    limits = limits_of((layout, load) for layout, load in drawn if load is not None)
    yield say(f"{MEANT} Colours mean the same in all drawings; each has a scale of length of its own.")
    names = drawing_names(list(data.floorplans))
    yield Panels(tuple(
        floorplan(layout, load, limits, name=name, title=chip, layers=own.layers)
        for name, (layout, load), (chip, own) in zip(names, drawn, data.floorplans.items(), strict=True)
    ))  # fmt: skip


def drawing_names(names: Sequence[str]) -> list[str]:
    """Return a name for each chip's drawing, safe and distinct as a file's on any system.

    >>> drawing_names(["c", "C d"])
    ['floorplan_c', 'floorplan_C_d-9f661e14']
    """
    return [f"floorplan_{own}" for own in slugs(names)]


STUDY = registered(Study(
    Inputs, ChipComparison, "compare.json", prepare, document, lambda data: data.passed,
    once=(DRAWINGS, "compare.csv", "pareto.svg"), whole=_whole,
))  # fmt: skip
