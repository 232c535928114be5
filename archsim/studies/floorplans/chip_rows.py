"""What each of several chips comes to on one workload: area, wires, contention, time, energy and power density."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import fsum
from typing import ClassVar, Literal, TypeVar

from archsim.base.errors import ArchsimError, Problem, SpecError
from archsim.base.record import Named, Record
from archsim.chip.graph import Chip
from archsim.mapping.schedule import Schedule
from archsim.report.floorplan import LinkUse
from archsim.results.evaluate import Result
from archsim.simulation.run import Trace, simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.studies.common_draws import ALSO, InDraws, Ratio, in_draws, ratios
from archsim.studies.names import undominated
from archsim.studies.run.loads import Drawing, drawing_of
from archsim.studies.study import Data, Progress, signed, silent
from archsim.studies.tasks.bench import Compute, alone, outcomes
from archsim.studies.tasks.on_chip import OnChip, failed
from archsim.studies.tasks.task import Inside, unheard
from archsim.workload.network import Workload

NETWORK = ("link", "router")
"""Components whose units a message holds on its way: wires, and places in the routers' buffers."""
DRAWINGS = "floorplans.json"
T = TypeVar("T")
Chips = Mapping[str, Loaded[ArchSpec]]


class Head(Record):
    """A chip among others: how it is called, its spec's name and hash."""

    name: str
    arch: str
    hash: str


class Costs(Record):
    """What one chip comes to; SI units, and None where nothing was sent.

    `wire_m_per_example` adds, over links, what a link carries for an example (flits on packet links, values on duration
    links: `carried`) times its length. `contention_share` is the share of the time that goes when links and buffers
    have room for everyone. Power densities are mean power over the area of a tile's site, wires and routers apart.
    """

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


class ChipRow(Costs, Head):
    """A chip and what it comes to. `pareto`: no other chip is as good in all goals and better in one."""

    pareto: bool = False

    @property
    def goals(self) -> tuple[float, float, float]:
        """What is to be small: time per example, energy per example, area."""
        return self.time_per_example_s, self.energy_per_example_j, self.area_m2


class ChipComparison(Data):
    """What compare.json holds, and floorplans.json beside it: chips on one workload, and what is drawn of each."""

    schema_id: Literal["archsim-floorplan-compare-1"] = signed("archsim-floorplan-compare-1")
    workload: Named
    set: tuple[str, ...]
    examples: int
    passed: bool
    chips: tuple[ChipRow, ...]
    floorplans: Mapping[str, Drawing]
    ratios: tuple[Ratio, ...] = ()

    def json_text(self) -> str:
        """Return the text of compare.json, which names the file of the drawings."""
        return json.dumps({**self.plain(), "floorplans": DRAWINGS}, indent=1, allow_nan=False) + "\n"


class Placed(Record):
    """What one chip comes to, what is drawn of it, and its run in draws."""

    costs: Costs
    drawing: Drawing
    draws: InDraws = InDraws()


@dataclass(frozen=True)
class ChipTask(OnChip[Placed]):
    """A run, and another with room for everyone on the links."""

    result: ClassVar[type[Record]] = Placed

    def compute(self, inside: Inside = unheard) -> Placed:
        """Simulate; raise InfeasibleError, SpecError or StuckError where that cannot be."""
        found = self.evaluated(inside)
        drawing, draws = drawing_of(found.chip, found), in_draws(found, also=ALSO)
        return Placed(costs=costs_of(found), drawing=drawing, draws=draws)


def rows_of_chips(
    chips: Chips, workload: Loaded[Workload], examples: int, progress: Progress = silent, compute: Compute = alone
) -> tuple[list[ChipRow], list[Drawing], tuple[Ratio, ...]]:
    """Return what a workload, so many examples of it, costs on each chip, what is drawn of each, and their ratios.

    Raises SpecError that names all chips on which it cannot be simulated.
    """
    tasks = [ChipTask(arch, workload, examples) for arch in chips.values()]
    done = dict(zip(chips, outcomes(compute, tasks, progress), strict=True))

    def placed(name: str, arch: Loaded[ArchSpec]) -> Placed:
        found = done[name]
        if isinstance(found, ArchsimError):
            raise found
        assert isinstance(found, Placed)
        return found

    found = of_all(chips, placed)
    rows = [
        ChipRow(name=name, arch=arch.value.name, hash=arch.hash, **vars(own.costs))
        for (name, arch), own in zip(chips.items(), found, strict=True)
    ]  # fmt: skip
    best = undominated([row.goals for row in rows])
    rows = [row.model_copy(update={"pareto": own}) for row, own in zip(rows, best, strict=True)]
    beside = ratios([row.name for row in rows], [row.plain() for row in rows], [own.draws for own in found])
    return rows, [own.drawing for own in found], beside


def of_all(chips: Chips, make: Callable[[str, Loaded[ArchSpec]], T]) -> list[T]:
    """Return what is made of each chip; raise SpecError with the faults of all of them."""
    found: list[T] = []
    problems: list[Problem] = []
    for name, arch in chips.items():
        try:
            found.append(make(name, arch))
        except SpecError as error:
            problems += [Problem(f"{name}: {each.where}", each.what, each.hint) for each in error.problems]
        except ArchsimError as error:
            problems.append(Problem(name, str(error), "change the spec, or leave it out"))
    if problems:
        raise SpecError(problems)
    return found


def costs_of(result: Result) -> Costs:
    """Return what a chip comes to in a run, which is simulated once more with room for everyone on the links."""
    chip, trace, metrics = result.chip, result.trace, result.data["metrics"]
    busiest = next((LinkUse(**row) for row in result.data["links"]), None)
    white_m2 = fsum(part.area_m2 for part in chip.parts if part.component == "white_space")
    free = uncontended_cycles(trace)
    wire_m, carried = _carried(trace)
    density, hottest = _hottest(chip, result.bill.by_tile, metrics["time_total_s"])
    return Costs(
        floorplan=chip.spec.floorplan.kind, topology=chip.spec.routing.topology, area_m2=chip.area_m2,
        white_space_share=white_m2 / chip.area_m2, wire_length_m=fsum(chip.topology.lengths_m.values()),
        wire_m_per_example=wire_m / trace.examples, carried=carried,
        busiest_link=None if busiest is None else busiest.name,
        busiest_link_share=0.0 if busiest is None else busiest.utilisation or 0.0,
        time_per_example_s=metrics["time_per_example_s"],
        time_per_example_uncontended_s=metrics["time_per_example_s"] * (free / trace.cycles),
        contention_share=(trace.cycles - free) / trace.cycles, energy_per_example_j=metrics["energy_per_example_j"],
        throughput_per_area_op_per_s_m2=metrics["throughput_per_area_op_per_s_m2"],
        efficiency_op_per_j=metrics["efficiency_op_per_j"], peak_power_density_w_per_m2=density, hottest_tile=hottest,
        audits_failed=failed(result),
    )  # fmt: skip


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
    counts = [
        (use.action, use.count * entry.grants * link.length_m)
        for entry in trace.stages if entry.grants
        for use in entry.stage.uses if (link := chip.link_of(use.unit)) is not None
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
