"""The bill: what every action and every leaking part cost, itemised, from a trace's counters."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from functools import cached_property, partial
from math import fsum
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.base.documents import dump_yaml
from archsim.base.section import Section
from archsim.base.uncollected import uncollected
from archsim.base.units import Conductance, Part, Ratio, TimeOrZero
from archsim.chip.graph import Chip, Unit
from archsim.chip.topologies.package import PORT
from archsim.components.cells.pcm import PcmPair
from archsim.mapping.schedule import Schedule, Use
from archsim.results.stated import stated_j
from archsim.simulation.run import Trace
from archsim.spec.tile import TileSpec
from archsim.spec.values import NetworkValues

if TYPE_CHECKING:
    from archsim.functional.activity import Measured

CHIP = "chip"  # the "layer" of what belongs to none


class Activity(Section):
    """Measured means of one layer and direction: conductance of a driven cell, and for how long it is driven.

    `swings` is how often a line is charged for a read.
    """

    conductance_siemens: Conductance
    on_time_s: TimeOrZero
    swings: Ratio | None = None


class Pulses(Section):
    """Measured means of one layer's update: the pulses that a row fires, that a column fires, that a cell sees."""

    row_pulses: Ratio
    col_pulses: Ratio
    cell_pulses: Ratio


class Programmed(Section):
    """Measured mean of one layer's transfers: the share of the cells whose long-term devices are programmed."""

    programmed: Part


class LayerActivity(Section):
    """Activity of one layer in each phase; what was not measured is billed as the spec says."""

    forward: Activity | None = None
    backward: Activity | None = None
    update: Pulses | None = None
    transfer: Programmed | None = None


class ActivityFile(Section):
    """What `train` measured, by layer name: with it energies of the array and its lines are computed, not assumed."""

    layers: dict[str, LayerActivity]


def activity_of(layers: Sequence[str], measured: Iterable[Measured]) -> ActivityFile:
    """Return the activity that a training measured, for layers of these names."""
    from archsim.functional.activity import Reads, Transfers

    found: dict[str, dict[str, Any]] = {}
    for part in measured:
        own = found.setdefault(layers[part.layer], {})
        if isinstance(part, Reads):
            on_s = Fraction(repr(part.on_time_s))
            own[part.direction] = Activity(
                conductance_siemens=part.conductance_siemens, on_time_s=on_s, swings=part.swings_per_line
            )
        elif isinstance(part, Transfers):
            own["transfer"] = Programmed(programmed=part.programmed / part.cells)
        else:
            rows, cols, cells = part.row_pulses / part.rows, part.col_pulses / part.cols, part.cell_pulses / part.cells
            own["update"] = Pulses(row_pulses=rows, col_pulses=cols, cell_pulses=cells)
    return ActivityFile(layers={name: LayerActivity(**own) for name, own in found.items()})


def activity_yaml(activity: ActivityFile) -> str:
    """Return activity.yaml: conductances in uS and times in ns, with all digits, so that they read as the same."""
    layers: dict[str, dict[str, Any]] = {}
    for name, layer in activity.layers.items():
        for direction, own in (("forward", layer.forward), ("backward", layer.backward)):
            if own is not None:
                layers.setdefault(name, {})[direction] = {
                    "conductance": f"{_digits(own.conductance_siemens, 6)} uS",
                    "on_time": f"{_digits(own.on_time_s, 9)} ns",
                    **({} if own.swings is None else {"swings": _digits(own.swings)}),
                }
        for phase, counted in (("update", layer.update), ("transfer", layer.transfer)):
            if counted is not None:
                layers.setdefault(name, {})[phase] = {key: _digits(value) for key, value in counted}
    return dump_yaml({"kind": "activity", "layers": layers})


def _digits(value: float | Fraction, places: int = 0) -> str:
    return f"{Decimal(repr(float(value))).scaleb(places):f}"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the bill: how many items of an action on a component, for which phase and layer."""

    component: str
    action: str
    phase: str
    layer: str
    count: int
    energy_j: float


@dataclass(frozen=True)
class Bill:
    """All items of a run's energy. Every grouping adds up to `total_j`, and so does `by_tile`.

    `by_tile` tells joules by place: tile0, tile1, ..., host, and "chip" for wires and routers, which belong to none.
    `measured` says that what training measured stands for what the spec assumes, `stated` that what the network states
    of its values does, `programmed` which share of the cells of each layer that was measured its transfers program.
    """

    items: tuple[Item, ...]
    by_tile: Mapping[str, float] = field(default_factory=dict)
    measured: bool = False
    programmed: Mapping[str, float] = field(default_factory=dict)
    stated: bool = False

    @property
    def total_j(self) -> float:
        """Energy of the whole run, leakage included, in joules."""
        return fsum(item.energy_j for item in self.items)

    def by(self, key: Callable[[Item], str]) -> dict[str, float]:
        """Return joules by a property of the items, the largest first."""
        groups: dict[str, list[float]] = defaultdict(list)
        for item in self.items:
            groups[key(item)].append(item.energy_j)
        return largest_first({name: fsum(values) for name, values in groups.items()})


@uncollected()
def account(
    trace: Trace, activity: ActivityFile | None = None, *, stated: bool = True, places: bool = True
) -> Bill:  # fmt: skip
    """Return the bill of a trace: each granted stage bills its uses; leakage is power times time.

    With `activity`, as measured, it replaces the spec's energy of array reads, and what the network states of its
    values replaces what is left, unless `stated` is false. Without `places` there is no `by_tile`. Energies are in
    joules. Raises SpecError where the activity is of another network.
    """
    schedule = trace.schedule
    chip = schedule.chip
    values = schedule.mapping.workload.values if stated else None
    rates: list[float] = []  # joules of an item, by line; units of a kind of tile have the same actions
    sums: list[int] = []  # how many items there were
    lines: dict[Billed, dict[tuple[tuple[str, str | int], str], int]] = {}
    sorts: dict[int, tuple[tuple[str, str | int], int | str]] = {}
    placed: dict[tuple[int | str, float], int] = defaultdict(int)
    for entry in trace.stages:
        grants = entry.grants
        if not grants:
            continue
        op = schedule.ops[entry.op]
        own = lines.setdefault((op.phase, op.layer), {})
        for use in entry.stage.uses:
            sort = sorts.get(use.unit)
            if sort is None:
                sort = sorts[use.unit] = _sort(chip, use.unit)
            key = sort[0], use.action
            line = own.get(key)
            if line is None:
                line = own[key] = len(rates)
                rates.append(use_energy_j(chip, use, _layer(schedule, op.layer), op.phase, activity, values))
                sums.append(0)
            count = use.count * grants
            sums[line] += count
            if places:
                placed[sort[1], rates[line]] += count
    counts: dict[tuple[str, str, str, str, float], int] = defaultdict(int)
    for (phase, layer), of in lines.items():
        for ((component, _), action), line in of.items():
            counts[component, action, phase, _layer(schedule, layer), rates[line]] += sums[line]
    items = [
        Item(component, action, phase, layer, count, count * energy_j)
        for (component, action, phase, layer, energy_j), count in sorted(counts.items())
    ]
    time_s = trace.cycles / float(chip.spec.technology.clock_hz)
    items += [
        Item(part.component, "leak", "leakage", CHIP, part.instances, part.leakage_w * time_s)
        for part in chip.parts if part.leakage_w
    ]  # fmt: skip
    transfers = {name: own.transfer for name, own in activity.layers.items()} if activity is not None else {}
    programmed = {name: own.programmed for name, own in transfers.items() if own is not None}
    tiles = _by_tile(chip, placed, time_s) if places else {}
    return Bill(tuple(items), tiles, activity is not None, programmed, values is not None)


Billed: TypeAlias = tuple[str, int]
"""A phase, and the number of a layer."""


def _layer(schedule: Schedule, layer: int) -> str:
    return schedule.mapping.workload.layers[layer].name if layer >= 0 else CHIP


def _sort(chip: Chip, index: int) -> tuple[tuple[str, str | int], int | str]:
    """Return what units that cost the same share, and the place of a unit."""
    unit = chip.units[index]
    if unit.tile >= 0:
        return (unit.component, chip.kinds[unit.tile]), unit.tile
    return (unit.component, index), _place(chip, unit)


@dataclass(frozen=True)
class Counters:
    """How often a run did what is billed; its energy follows from them for any chip that differs in figures alone.

    `uses` counts by use of a unit, phase and layer; what equal units of a kind of tile do is counted together.
    """

    uses: Mapping[tuple[Use, str, str], int]
    time_s: float
    values: NetworkValues | None = None

    @classmethod
    def of(cls, trace: Trace) -> Counters:
        """Return the counters of a run."""
        schedule = trace.schedule
        chip, names = schedule.chip, [layer.name for layer in schedule.mapping.workload.layers]
        alike: dict[tuple[str, str | int, str], Use] = {}
        counts: dict[tuple[Use, str, str], int] = defaultdict(int)
        for entry in trace.stages:
            op = schedule.ops[entry.op]
            for use in entry.stage.uses if entry.grants else ():
                unit = chip.units[use.unit]
                where = unit.index if unit.tile < 0 else chip.tiles[unit.tile].kind
                first = alike.setdefault((unit.component, where, use.action), replace(use, count=1))
                counts[first, op.phase, names[op.layer] if op.layer >= 0 else CHIP] += use.count * entry.grants
        time_s = trace.cycles / float(chip.spec.technology.clock_hz)
        return cls(dict(counts), time_s, schedule.mapping.workload.values)

    @cached_property
    def _alike(self) -> Mapping[tuple[Use, str], Sequence[tuple[str, int]]]:
        """By use and phase how often it was done for each layer."""
        found: dict[tuple[Use, str], list[tuple[str, int]]] = defaultdict(list)
        for (use, phase, layer), count in self.uses.items():
            found[use, phase].append((layer, count))
        return found

    def total_j(self, chip: Chip, activity: ActivityFile | None = None) -> float:
        """Return what `account` bills in all to the last bit: what costs the same is counted before it is billed."""
        counts: dict[tuple[str, str, str, str, float], int] = defaultdict(int)
        for (use, phase, layer), count in self.uses.items():
            each_j = use_energy_j(chip, use, layer, phase, activity, self.values)
            counts[chip.units[use.unit].component, use.action, phase, layer, each_j] += count
        billed = [count * each_j for (*_, each_j), count in counts.items()]
        return fsum([*billed, *(part.leakage_w * self.time_s for part in chip.parts)])

    def energy_j(self, chip: Chip, activity: ActivityFile | None = None) -> float:
        """Return what `account` bills in all, in joules, but for roundings."""
        used = []
        for (use, phase), by_layer in self._alike.items():
            if activity is None and self.values is None:
                each_j = assumed_j(chip, use, phase)
                used += [count * each_j for _, count in by_layer]
            else:
                used += [
                    count * use_energy_j(chip, use, layer, phase, activity, self.values) for layer, count in by_layer
                ]
        return fsum([*used, *(part.leakage_w * self.time_s for part in chip.parts)])


def use_energy_j(
    chip: Chip, use: Use, layer: str, phase: str, activity: ActivityFile | None, values: NetworkValues | None = None
) -> float:  # fmt: skip
    """Return the joules of one item of a billed action, for a layer's name and a phase.

    It goes by the activity measured, else by the `values` that are stated, else by the spec.
    """
    unit = chip.units[use.unit]
    found = None
    measured = MEASURED.get((unit.component, use.action))
    if activity is not None and measured is not None and phase in LayerActivity.model_fields:
        own = getattr(activity.layers.get(layer), phase, None)
        found = None if own is None else measured(chip.tiles[unit.tile].spec, own)
    if found is None and values is not None and unit.tile >= 0:
        found = stated_j(chip.tiles[unit.tile].spec, unit.component, use.action, phase, values.of(layer))
    return assumed_j(chip, use, phase) if found is None else found


def assumed_j(chip: Chip, use: Use, phase: str) -> float:
    """Return the joules of one item of a billed action in a phase, by the spec alone.

    A transfer's steps that program long-term devices are billed for the share of the cells that are programmed.
    """
    unit = chip.units[use.unit]
    energy_j = unit.actions[use.action].energy_j
    if phase == "transfer" and unit.component == "device":
        device = chip.tiles[unit.tile].spec.device
        if use.action in device.programming_steps:
            return energy_j * device.programmed_share
    return energy_j


def _line_j(tile: TileSpec, crossed: int, times: float | None) -> float | None:
    return None if times is None else times * tile.array.line_energy_j(crossed)


def _programming_j(step: str, tile: TileSpec, own: Programmed) -> float:
    return own.programmed * tile.device.actions()[step].energy_j


MEASURED: Mapping[tuple[str, str], Callable[[TileSpec, Any], float | None]] = {
    ("device", "read"): lambda tile, own: tile.device.read_energy_at_j(own.conductance_siemens, float(own.on_time_s)),
    ("crossbar", "read_rows"): lambda tile, own: _line_j(tile, tile.cols, own.swings),
    ("crossbar", "ramp_rows"): lambda tile, own: _line_j(tile, tile.cols, own.swings),
    ("crossbar", "read_cols"): lambda tile, own: _line_j(tile, tile.rows, own.swings),
    ("crossbar", "ramp_cols"): lambda tile, own: _line_j(tile, tile.rows, own.swings),
    ("crossbar", "update_rows"): lambda tile, own: _line_j(tile, tile.cols, own.row_pulses),
    ("crossbar", "update_cols"): lambda tile, own: _line_j(tile, tile.rows, own.col_pulses),
    ("device", "update"): lambda tile, own: own.cell_pulses * tile.device.pulse_j,
    **{("device", step): partial(_programming_j, step) for step in PcmPair.programming_steps},
}
"""Actions whose energy follows from what training measured, and how, in joules; None where it was not measured."""


def _place(chip: Chip, unit: Unit) -> str:
    """Return the place of a unit that belongs to no tile."""
    return "host" if unit.index == chip.host else CHIP


def _by_tile(chip: Chip, placed: Mapping[tuple[int | str, float], int], time_s: float) -> dict[str, float]:
    """Return joules by place, the largest first, from the counts of actions by place and energy, and leakage.

    A tile's place is its number.
    """
    spent: dict[str, list[float]] = defaultdict(list)
    for (place, energy_j), count in placed.items():
        spent[place if isinstance(place, str) else f"tile{place}"].append(count * energy_j)
    for tile in chip.tiles:
        spent[f"tile{tile.index}"].append(chip.tile_share(tile)[1] * time_s)
    spent["host"].append(chip.spec.host.total_leakage_w * time_s)
    wires = ("link", "chip_link", PORT)
    spent[CHIP] += [part.leakage_w * time_s for part in chip.parts if part.component in wires]
    return largest_first({place: fsum(values) for place, values in spent.items()})


def largest_first(sums: Mapping[str, float]) -> dict[str, float]:
    """Return numbers by name, the largest first; equal ones by name."""
    return dict(sorted(sums.items(), key=lambda pair: (-pair[1], pair[0])))
