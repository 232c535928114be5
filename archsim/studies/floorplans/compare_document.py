"""The report of chips side by side as a document: tables, a Pareto plot, and floorplans with common colours."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from archsim.base.words import counted
from archsim.report.document import Block, Command, Document, Facts, Panels, Section, Text, say
from archsim.report.figure import Dot, Plot, Series, axis
from archsim.report.floorplan import floorplan, limits_of
from archsim.report.table import Column, Table, metric_text, percent
from archsim.studies.names import undominated
from archsim.studies.run.loads import drawn

Data: TypeAlias = Mapping[str, Any]
FRONT, BEATEN = "#1b6ca8", "#7f8c8d"


@dataclass(frozen=True)
class Metric:
    """A column: its key and heading, the SI unit of its values, what is the better of two, and what it says."""

    key: str
    heading: str
    unit: str
    says: str
    better: Callable[[Iterable[float]], float] = min


COSTS = (
    Metric("time_per_example_s", "time per example", "s", "Sustained, transfers and refresh included."),
    Metric("contention_share", "lost to contention", "%", "Share of the time that goes when no message waits for a "
           "link or for room in a router: 1 - time without such waiting / time, from a second simulation."),
    Metric("energy_per_example_j", "energy per example", "J", "Leakage included."),
    Metric("area_m2", "area", "m2", "The whole die, white space and host port included."),
)  # fmt: skip
WIRES = (
    Metric("white_space_share", "white space", "%", "Share of the area that holds nothing."),
    Metric("wire_length_m", "wires", "m", "Lengths of all links, each way counted."),
    Metric("wire_m_per_example", "carried x length, per example", "m", "What each link carries for an example (flits "
           "on packet links, values on duration links) times its length. It compares chips whose links carry the "
           "same."),
    Metric("busiest_link_share", "busiest link held", "%", "Share of all cycles for which the most loaded link is "
           "held."),
)  # fmt: skip
RATES = (
    Metric("throughput_per_area_op_per_s_m2", "throughput per area", "OP/s/m2", "Sustained, over the whole die.", max),
    Metric("efficiency_op_per_j", "efficiency", "OP/s/W", "Sustained.", max),
    Metric("peak_power_density_w_per_m2", "peak power density", "W/m2", "The largest mean power of a tile over the "
           "area of its site; wires and routers belong to no tile."),
)  # fmt: skip
METRICS = (*COSTS, *WIRES, *RATES)


def document(data: Data) -> Document:
    """Return the report of a comparison, from what compare.json holds, and floorplans.json as `floorplans`."""
    specs = ", ".join(f"{row['name']} {row['hash']}" for row in data["chips"])
    return Document(
        f"{counted(len(data['chips']), 'chip')} side by side on {data['workload']['name']}",
        tuple(_head(data)),
        (
            Section("chips", "The chips", (*tables(data), pareto(data))),
            Section("floorplans", "Floorplans", tuple(_floorplans(data))),
            Section("columns", "What the columns say",
                    (Facts(tuple((metric.heading, say("{says}", says=metric.says)) for metric in METRICS)),)),
        ),
        (
            Command(data["command"]),
            say("Specs {specs}; workload {workload}; archsim {version}. All figures of all chips, in SI units, are in "
                "`compare.csv` and `compare.json`.", kind="note", specs=specs, workload=data["workload"]["hash"],
                version=data["version"]),
        ),
        stem="compare",
    )  # fmt: skip


def _head(data: Data) -> Iterator[Text]:
    for row in data["chips"]:
        if row["audits_failed"]:
            failed = "; ".join(row["audits_failed"])
            yield say("{name}: FAILED: {failed}", kind="failed", brief=True, name=row["name"], failed=failed)
    every = f" All of them have {', '.join(data['set'])}." if data["set"] else ""
    yield say("Each chip trains {count}.{every} The best of each column is marked. Pareto: no other chip is as good in "
              "time per example, energy per example and area, and better in one of them.", brief=True,
              count=counted(data["examples"], "example"), every=every)  # fmt: skip
    if _unlike(data):
        carried = sorted({row["carried"] for row in data["chips"] if row["carried"]})
        yield say("Links carry {what} on others.", what=" on some chips and ".join(f"{what}s" for what in carried))


# ---- tables


def tables(data: Data) -> tuple[Table, ...]:
    """Return the chips' figures, the best of each column marked, as tables that fit a page."""
    chips = data["chips"]
    return (
        _table(data, "costs", "Time, energy and area", COSTS, after=(
            ("Pareto", ["yes" if row["pareto"] else "no" for row in chips]),
        )),
        _table(data, "wires", "Floorplan and links", WIRES, before=(
            ("floorplan", [row["floorplan"] for row in chips]), ("topology", [row["topology"] for row in chips]),
        ), after=(("busiest link", [row["busiest_link"] for row in chips]),)),
        _table(data, "rates", "Throughput, efficiency and power density", RATES, after=(
            ("hottest tile", [row["hottest_tile"] for row in chips]),
        )),
    )  # fmt: skip


_Texts: TypeAlias = Sequence[tuple[str, Sequence[str | None]]]


def _table(
    data: Data, name: str, title: str, metrics: Sequence[Metric], before: _Texts = (), after: _Texts = ()
) -> Table:
    chips = data["chips"]
    first = 1 + len(before)
    columns = (
        Column("chip"), *(Column(text) for text, _ in before),
        *(Column(own.heading, own.unit, 2, alike=own.unit != "%") for own in metrics),
        *(Column(text) for text, _ in after),
    )  # fmt: skip
    cells = [[row["name"] for row in chips], *(texts for _, texts in before),
             *([row[own.key] for row in chips] for own in metrics), *(texts for _, texts in after)]  # fmt: skip
    marked = {(place, first + i) for i, own in enumerate(metrics) for place in best_of(own, data)}
    return Table(name, title, columns, tuple(zip(*cells, strict=True)), marked=marked, most=len(chips), brief=True)


def best_of(metric: Metric, data: Data) -> set[int]:
    """Return the rows that are the best of a column; none where all are equal, or where they do not compare."""
    values = [row[metric.key] for row in data["chips"]]
    if len(set(values)) == 1 or (metric.key == "wire_m_per_example" and _unlike(data)):
        return set()
    return {place for place, value in enumerate(values) if value == metric.better(values)}


def _unlike(data: Data) -> bool:
    """Tell whether links carry values on one chip and flits on another, whose counts do not compare."""
    return len({row["carried"] for row in data["chips"] if row["carried"]}) > 1


def compare_csv(data: Data) -> str:
    """Return all figures of all chips as CSV, in SI units, under their names in compare.json."""
    keys = list(data["chips"][0])
    rows = tuple(
        tuple("; ".join(row[key]) if isinstance(row[key], list) else row[key] for key in keys) for row in data["chips"]
    )
    return Table("compare", "", tuple(map(Column, keys)), rows).csv()


# ---- figures


def pareto(data: Data) -> Plot:
    """Return energy against time per example: areas as sizes of the dots, the front in these two as a line."""
    chips = data["chips"]
    largest = max(row["area_m2"] for row in chips)
    places = [(row["time_per_example_s"], row["energy_per_example_j"]) for row in chips]
    front = sorted({place for place, best in zip(places, undominated(places), strict=True) if best})
    corners = [front[0], *(corner for a, b in itertools.pairwise(front) for corner in ((b[0], a[1]), b))]

    def dots(best: bool) -> tuple[Dot, ...]:
        return tuple(
            Dot(x, y, _tip(row), row["name"], 1.6 * math.sqrt(row["area_m2"] / largest), not best)
            for row, (x, y) in zip(chips, places, strict=True) if row["pareto"] is best
        )  # fmt: skip

    series = (
        Series("front in time and energy", FRONT, tuple(Dot(x, y, "", size=0.1) for x, y in corners), dashed=True,
               shown=False),
        *(Series(text, tone, own, line=False)
          for text, tone, own in (("dominated", BEATEN, dots(False)),
                                  ("Pareto-optimal in time, energy and area", FRONT, dots(True))) if own),
    )  # fmt: skip
    return Plot(
        "pareto", "Time, energy and area", "The area of a dot is in proportion to the chip's.",
        axis("time per example", [x for x, _ in places], "s", room=0.15),
        axis("energy per example", [y for _, y in places], "J", room=0.15),
        series if len(front) > 1 else series[1:],
    )  # fmt: skip


def _tip(row: Data) -> str:
    said = ", ".join(metric_text(row[key], key, 4) for key in ("time_per_example_s", "energy_per_example_j", "area_m2"))
    return f"{row['name']}: {said}; {percent(row['contention_share'])} of the time lost to contention"


def _floorplans(data: Data) -> Iterator[Block]:
    plans = {name: drawn(own) for name, own in data["floorplans"].items()}
    limits = limits_of((layout, load) for layout, load in plans.values() if load is not None)
    yield say("Colours of blocks are power density, mean over the run; colour and width of a link are the share of all "
              "cycles for which it was held. Colours mean the same in all drawings; each has a scale of length of its "
              "own.")  # fmt: skip
    names = drawing_names(list(plans))
    yield Panels(tuple(
        floorplan(layout, load, limits, name=name, title=chip, layers=data["floorplans"][chip]["layers"])
        for name, (chip, (layout, load)) in zip(names, plans.items(), strict=True)
    ))  # fmt: skip


def drawing_names(names: Sequence[str]) -> list[str]:
    """Return a name for each chip's drawing, safe and distinct as a file's on any system.

    >>> drawing_names(["a b", "a/b", "c"])
    ['floorplan_a_b', 'floorplan_a_b_2', 'floorplan_c']
    """
    found: list[str] = []
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9.+-]+", "_", name).strip("._") or "chip"
        tried, number = stem, 1
        while f"floorplan_{tried}".lower() in map(str.lower, found):
            number += 1
            tried = f"{stem}_{number}"
        found.append(f"floorplan_{tried}")
    return found
