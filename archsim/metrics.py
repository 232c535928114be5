"""Metrics: one run's figures, audited, as plain data in SI units; and the function that makes a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from math import fsum
from typing import TYPE_CHECKING, Any

from archsim.accounting import ActivityFile, Bill, Peak, account, peak
from archsim.audits import audit, audits_of, executed_ops, stalls
from archsim.capability import chip_metrics, peak_metrics
from archsim.chip.graph import Chip, build_chip
from archsim.errors import Problem, SpecError, nearest
from archsim.mapping.inference import programming
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import Mapping as ShardMapping
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import Schedule
from archsim.simulation.run import StageCount, Trace, simulate
from archsim.simulation.step import Step, trace_step
from archsim.spec import ArchSpec, Published
from archsim.units import parse_metric
from archsim.workload.network import Workload

if TYPE_CHECKING:
    from archsim.loading import Loaded

SCHEMA = "archsim-metrics-1"
TOP = 50
"""Long tables show this many rows."""


def package_version() -> str:
    """Return the installed version of archsim."""
    try:
        return version("archsim")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True)
class Parts:
    """What a run's cycles are made of, by difference between four runs; they add up to `total`.

    `interval`: the peak's initiation interval times the examples. `dependencies`: what ops wait for each
    other with unlimited units and without maintenance. `contention`: what limited units add to that.
    `maintenance`: what transfers and refresh add. A part is negative where shards are smaller than tiles
    and so quicker than the peak's.
    """

    interval: int
    dependencies: int
    contention: int
    maintenance: int

    @property
    def total(self) -> int:
        """Cycles of the run."""
        return self.interval + self.dependencies + self.contention + self.maintenance


@dataclass(frozen=True)
class Result:
    """A run and everything it was made from; `data` is what metrics.json holds, `activity` what it was billed by."""

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    chip: Chip
    mapping: ShardMapping
    schedule: Schedule
    trace: Trace
    bound: Trace
    parts: Parts
    bill: Bill
    peak: Peak
    step: Step
    data: Mapping[str, Any]
    activity: ActivityFile | None = None

    @property
    def passed(self) -> bool:
        """Whether every audit passed, and every cross-check that was made."""
        return all(check["passed"] for check in (*self.data["audits"], *self.data.get("crosscheck", ())))


def evaluate(
    arch: Loaded[ArchSpec],
    workload: Loaded[Workload],
    *,
    examples: int | None = None,
    full: bool = False,
    seed: int = 0,
    activity: ActivityFile | None = None,
    activity_from: str = "",
    command: str = "",
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Return the result of training `workload` on `arch` for `examples` (by default all epochs).

    With `activity`, measured as `activity_from` says, it replaces the spec's energy of array reads.
    Raises SpecError, InfeasibleError or StuckError where that cannot be.
    """
    count = workload.value.examples if examples is None else examples
    chip = build_chip(arch.value)
    mapping = map_workload(workload.value, chip)
    schedule = build_schedule(chip, mapping, count)
    trace = simulate(schedule, full=full, progress=progress)
    bound = simulate(schedule, unlimited=True)
    bill = account(trace, activity)
    top = peak(chip, workload.value.mode, workload.value.steps)
    parts = _parts(schedule, trace, bound, top)
    data = measure(arch, workload, trace, bound, parts, bill, top, seed=seed, command=command)
    data["activity"] = activity_data(trace, bill, activity, activity_from)
    if workload.value.program:
        data["programming"] = programming_data(chip, mapping)
    step = trace_step(schedule)
    return Result(arch, workload, chip, mapping, schedule, trace, bound, parts, bill, top, step, data, activity)


def _parts(schedule: Schedule, trace: Trace, bound: Trace, top: Peak) -> Parts:
    free, busy = bound.cycles, trace.cycles
    if any(op.maintenance is not None and op.instances != 0 for op in schedule.ops):
        calm = build_schedule(schedule.chip, schedule.mapping, schedule.examples, maintenance=False)
        free, busy = simulate(calm, unlimited=True).cycles, simulate(calm).cycles
    interval = round(top.time_per_example_s * float(schedule.chip.spec.technology.clock_hz) * trace.examples)
    return Parts(interval, free - interval, busy - free, trace.cycles - busy)


def measure(
    arch: Loaded[ArchSpec],
    workload: Loaded[Workload],
    trace: Trace,
    bound: Trace,
    parts: Parts,
    bill: Bill,
    top: Peak,
    *,
    seed: int = 0,
    command: str = "",
) -> dict[str, Any]:
    """Return the content of metrics.json. All figures are SI; what is undefined is None."""
    chip = trace.schedule.chip
    clock_hz = float(chip.spec.technology.clock_hz)
    metrics = _metrics(trace, bound, bill, top, clock_hz)
    mode, name = workload.value.mode, workload.value.name
    own = chip_metrics(chip, mode) if chip.spec.published else {}
    known = {"": {**metrics, **own}, name: {**own, **metrics}}  # of the chip alone, an example is one vector
    published = [
        {**beside(f"published[{i}]", figure, known[figure.workload]),
         "source": arch.figures[f"published[{i}].value"].source}
        for i, figure in enumerate(chip.spec.published) if figure.mode == mode and figure.workload in known
    ]  # fmt: skip
    audits = audits_of(trace, bound, bill)
    placed_j = fsum(bill.by_tile.values())
    audits.append(audit("energy by tile adds up to the bill's total, joules", bill.total_j, placed_j, 1e-9))
    if not arch.overrides:
        audits += [
            audit(f"published {row['metric']} (fitted)", row["published"], row["simulated"], row["tolerance"])
            for row in published if row["kind"] == "fit"
        ]  # fmt: skip
    return {
        "schema": SCHEMA,
        "arch": {"name": arch.value.name, "hash": arch.hash},
        "workload": {"name": workload.value.name, "hash": workload.hash},
        "version": package_version(),
        "seed": seed,
        "command": command,
        "run": {
            "examples": trace.examples,
            "cycles": trace.cycles,
            "examples_simulated": trace.examples_simulated,
            "examples_fast_forwarded": trace.examples_fast_forwarded,
        },
        "metrics": metrics,
        "time_per_example_parts_s": {
            name: _ratio(getattr(parts, name) / clock_hz, trace.examples)
            for name in ("interval", "dependencies", "contention", "maintenance")
        },
        "energy_j": {
            "total": bill.total_j,
            "by_component": bill.by(lambda item: item.component),
            "by_phase": bill.by(lambda item: item.phase),
            "by_layer": bill.by(lambda item: item.layer),
            "by_tile": dict(bill.by_tile),
        },
        "area": {"total_m2": chip.area_m2, "by_component_m2": {part.component: part.area_m2 for part in chip.parts}},
        "stalls_cycles": stalls(trace),
        "layers": _layers(trace, bill),
        "tiles": _tiles(trace),
        "links": link_rows(trace)[:TOP],
        "dwell": _dwell(trace),
        "published": published,
        "audits": audits,
    }


def programming_data(chip: Chip, mapping: ShardMapping) -> dict[str, Any]:
    """Return what it takes to write all weights once, before the run and apart from its totals: seconds and joules."""
    trace = simulate(programming(chip, mapping))
    bill = account(trace)
    return {
        "time_s": trace.cycles / float(chip.spec.technology.clock_hz),
        "energy_j": bill.total_j,
        "energy_j_by_layer": bill.by(lambda item: item.layer),
        "cells": sum(shard.cells for shard in mapping.shards),
    }


def activity_data(trace: Trace, bill: Bill, activity: ActivityFile | None, source: str) -> dict[str, Any]:
    """Return by which activity array reads were billed, per layer and direction, and what it changes by component.

    Energies of a read are means per cell. `effect_j` holds the components that cost something else than at the
    spec's fixed energy of a read, and the total.
    """
    spec_bill = bill if activity is None else account(trace, None)
    used, fixed = _reads(bill), _reads(spec_bill)
    rows = []
    for (layer, direction), (count, energy_j) in used.items():
        found = None if activity is None else getattr(activity.layers.get(layer), direction, None)
        rows.append(
            {
                "layer": layer,
                "direction": direction,
                "by": "spec" if found is None else "measured",
                "conductance_siemens": None if found is None else found.conductance_siemens,
                "on_time_s": None if found is None else float(found.on_time_s),
                "read_energy_j": energy_j / count,
                "read_energy_spec_j": fixed[layer, direction][1] / count,
                "cell_reads": count,
            }
        )
    ours, theirs = bill.by(lambda item: item.component), spec_bill.by(lambda item: item.component)
    effect = {name: {"spec": theirs[name], "used": ours[name]} for name in ours if ours[name] != theirs[name]}
    effect["total"] = {"spec": spec_bill.total_j, "used": bill.total_j}
    return {"from": None if activity is None else source, "reads": rows, "effect_j": effect}


def _reads(bill: Bill) -> dict[tuple[str, str], tuple[int, float]]:
    """Return count and energy of the array reads of a bill, by layer and direction."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for item in bill.items:
        if (item.component, item.action) == ("device", "read"):
            count, energy_j = found.get((item.layer, item.phase), (0, 0.0))
            found[item.layer, item.phase] = (count + item.count, energy_j + item.energy_j)
    return dict(sorted(found.items(), key=lambda pair: (pair[0][0], pair[0][1] != "forward")))


def _metrics(trace: Trace, bound: Trace, bill: Bill, top: Peak, clock_hz: float) -> dict[str, float | int | None]:
    schedule = trace.schedule
    chip, workload = schedule.chip, schedule.mapping.workload
    examples, cells = trace.examples, sum(shard.cells for shard in schedule.mapping.shards)
    time_s = trace.cycles / clock_hz
    energy_j = bill.total_j
    ops = workload.ops_per_example
    states = stalls(trace)
    busy = states["forward"] + states["backward"] + states["update"]
    throughput = _ratio(ops * examples, time_s)
    area_m2 = chip.area_m2
    dwell = trace.dwell
    writes = _writes_per_cell(trace)
    best = peak_metrics(top)
    return {
        "time_total_s": time_s,
        "time_per_example_s": _ratio(time_s, examples),
        "time_per_example_lower_bound_s": _ratio(bound.cycles / clock_hz, examples),
        "time_per_example_peak_s": best["time_per_example_peak_s"],
        "examples_per_s": _ratio(examples, time_s),
        "ops_per_example": ops,
        "ops_executed_per_example": _ratio(executed_ops(trace), examples),
        "digital_ops_per_example": workload.digital_ops_per_example,
        "throughput_op_per_s": throughput,
        "throughput_executed_op_per_s": _ratio(executed_ops(trace), time_s),
        "throughput_peak_op_per_s": best["throughput_peak_op_per_s"],
        "power_w": _ratio(energy_j, time_s),
        "power_peak_w": best["power_peak_w"],
        "energy_total_j": energy_j,
        "energy_per_example_j": _ratio(energy_j, examples),
        "energy_per_op_j": _ratio(energy_j, ops * examples),
        "efficiency_op_per_j": _ratio(ops * examples, energy_j),
        "efficiency_peak_op_per_j": best["efficiency_peak_op_per_j"],
        "area_m2": area_m2,
        "area_peak_m2": best["area_peak_m2"],
        "throughput_per_area_op_per_s_m2": _ratio(throughput, area_m2),
        "throughput_per_area_peak_op_per_s_m2": best["throughput_per_area_peak_op_per_s_m2"],
        "transfer_time_share": _ratio(trace.transfer_cycles, trace.cycles),
        "refresh_time_share": _ratio(trace.refresh_cycles, trace.cycles),
        "tile_utilisation": _ratio(busy, trace.cycles * len(trace.tile_states)),
        "tiles_used": len(trace.tile_states),
        "tiles": len(chip.tiles),
        "chips": chip.spec.chips,
        "cells_used_share": cells / sum(tile.spec.rows * tile.spec.cols for tile in chip.tiles),
        "transfers": _transfers(trace),
        "pcm_writes_per_cell_mean": _ratio(fsum(writes), len(writes)),
        "pcm_writes_per_cell_max": max(writes, default=0.0),
        "transfer_power_peak_w": transfer_power_w(trace),
        "dwell_time_mean_s": None if dwell.mean_cycles is None else dwell.mean_cycles / clock_hz,
        "dwell_time_max_s": dwell.max_cycles / clock_hz if dwell.cells else None,
    }


def _ratio(a: float | int | None, b: float | int) -> float | None:
    return None if a is None or not b else a / b


def _transfers(trace: Trace) -> float:
    """Return how often all row groups of a shard were transferred, averaged over shards that transfer."""
    done = [
        trace.done[op.index] / len(op.maintenance.groups)
        for op in trace.schedule.ops if op.kind == "transfer" and op.maintenance is not None
    ]  # fmt: skip
    return fsum(done) / len(done) if done else 0.0


def _writes_per_cell(trace: Trace) -> list[float]:
    """Return the RESETs that each long-term device has seen, by transfer op."""
    schedule = trace.schedule
    return [
        trace.done[op.index] / len(op.maintenance.groups)
        * schedule.chip.tiles[op.tile].spec.device.writes_per_transfer
        for op in schedule.ops if op.kind == "transfer" and op.maintenance is not None
    ]  # fmt: skip


def transfer_power_w(trace: Trace) -> float:
    """Return the largest power drawn by cells being programmed at once, in watts."""
    devices = [tile.spec.device for tile in trace.schedule.chip.tiles]
    return trace.cells_programmed_at_once * max(device.peak_power_w(device.transfer_steps) for device in devices)


def _layers(trace: Trace, bill: Bill) -> list[dict[str, Any]]:
    schedule = trace.schedule
    place = {tile: i for i, tile in enumerate(schedule.used_tiles)}
    energy = bill.by(lambda item: item.layer)
    rows = []
    workload = schedule.mapping.workload
    for index, layer in enumerate(workload.layers):
        shards = [shard for shard in schedule.mapping.shards if shard.layer == index]
        states = {
            state: sum(trace.tile_states[place[shard.tile]][state] for shard in shards)
            for state in trace.tile_states[0]
        }  # fmt: skip
        row_shards, col_shards = schedule.mapping.grid[index]
        rows.append(
            {
                "name": layer.name,
                "inputs": layer.inputs,
                "outputs": layer.outputs,
                "synapses": layer.synapses,
                "row_shards": row_shards,
                "col_shards": col_shards,
                "tiles": [shard.tile for shard in shards[:TOP]],
                "ops_per_example": workload.ops_per_synapse * layer.synapses * len(workload.steps_of(index)),
                "energy_j": energy.get(layer.name, 0.0),
                "stalls_cycles": states,
            }
        )
    return rows


def _tiles(trace: Trace) -> list[dict[str, Any]]:
    names = [layer.name for layer in trace.schedule.mapping.workload.layers]
    rows = [
        {"tile": shard.tile, "layer": names[shard.layer], "shard": shard.name, "cells": shard.cells, "cycles": states}
        for shard, states in zip(trace.schedule.mapping.shards, trace.tile_states, strict=True)
    ]
    return rows[:TOP]


def link_rows(trace: Trace) -> list[dict[str, Any]]:
    """Return the links that were used, the busiest first: grants, cycles held, cycles that requests waited.

    Waiting counts for each link that a waiting stage needs; that for a place in the buffer at its far end apart.
    """
    chip = trace.schedule.chip
    by_unit = {link.unit: link for link in chip.links.values()}
    behind = {unit.index: chip.links[unit.buffer_of].unit for unit in chip.units if unit.buffer_of}
    totals: dict[int, list[float]] = {}
    places: dict[int, int] = {}
    for entry in trace.stages:
        for unit in entry.stage.acquire:
            if unit in behind:
                places[behind[unit]] = places.get(behind[unit], 0) + entry.wait_cycles
        if not entry.grants:
            continue
        energies = _energies_j(chip, entry)
        for at, unit in entry.stage.release:
            if unit in by_unit:
                line = totals.setdefault(unit, [0, 0, 0, 0.0])
                line[0] += entry.grants
                line[1] += at * entry.grants
                line[2] += entry.wait_cycles
                line[3] += fsum(energies.get(unit, ()))
    ranked = sorted(totals.items(), key=lambda pair: (-pair[1][1], pair[0]))
    return [
        {
            "name": by_unit[unit].name,
            "length_m": by_unit[unit].length_m,
            "messages": grants,
            "busy_cycles": busy,
            "utilisation": _ratio(busy, trace.cycles),
            "wait_cycles": waited,
            "buffer_wait_cycles": places.get(unit, 0),
            "energy_j": energy,
        }
        for unit, (grants, busy, waited, energy) in ranked
    ]


def _energies_j(chip: Chip, entry: StageCount) -> dict[int, list[float]]:
    """Return what a stage has cost, by unit, use by use."""
    found: dict[int, list[float]] = {}
    for use in entry.stage.uses:
        spent_j = entry.grants * use.count * chip.units[use.unit].actions[use.action].energy_j
        found.setdefault(use.unit, []).append(spent_j)
    return found


def undominated(goals: Sequence[Sequence[float] | None]) -> list[bool]:
    """Return which of several tuples of what is to be small are Pareto-optimal; None, for no result, is not.

    One is dominated if another is as small in everything and smaller in something.

    >>> undominated([(1, 5), (2, 3), (3, 3), (2, 3), None])
    [True, True, False, True, False]
    """

    def beaten(own: Sequence[float]) -> bool:
        return any(
            tuple(other) != tuple(own) and all(a <= b for a, b in zip(other, own, strict=True))
            for other in goals if other is not None
        )  # fmt: skip

    return [own is not None and not beaten(own) for own in goals]


def _dwell(trace: Trace) -> dict[str, Any]:
    from archsim.simulation.dwell import EDGES

    dwell = trace.dwell
    last = len(EDGES) - 1
    bins = [(int(EDGES[i]), int(EDGES[min(i + 1, last)]), int(n)) for i, n in enumerate(dwell.counts) if n]
    return {
        "cell_updates_read": dwell.cells,
        "cell_updates_open": dwell.open,
        "total_cycles": dwell.total_cycles,
        "median_cycles": dwell.percentile_cycles(0.5),
        "p99_cycles": dwell.percentile_cycles(0.99),
        "histogram": [{"from_cycles": a, "to_cycles": b, "cell_updates": count} for a, b, count in bins],
    }


def beside(place: str, figure: Published, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a published figure beside the simulated one; ratio = simulated / published."""
    if figure.metric not in metrics:
        what = f"'{figure.metric}' is not a metric"
        raise SpecError([Problem(f"{place}.metric", what, nearest(figure.metric, metrics))])
    simulated, value = metrics[figure.metric], parse_metric(figure.metric, figure.value)
    return {
        "metric": figure.metric,
        "published": value,
        "simulated": simulated,
        "ratio": None if simulated is None else simulated / value,
        "kind": figure.kind,
        "tolerance": figure.tolerance,
    }
