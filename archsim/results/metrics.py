"""Metrics: one run's figures, audited, as plain data in SI units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from math import fsum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.units import parse_metric
from archsim.chip.graph import Chip
from archsim.mapping.schedule import Op, Schedule
from archsim.results.audits import audit, audits_of, executed_ops, stalls
from archsim.results.bill import Bill
from archsim.results.breakdowns import TOP, digital_rows, dwell_data, layer_rows, tile_rows
from archsim.results.peak import Peak, chip_metrics, peak_metrics
from archsim.simulation.run import Trace
from archsim.spec.arch import ArchSpec, Published
from archsim.workload.network import Workload

if TYPE_CHECKING:
    from archsim.spec.loading import Loaded

SCHEMA = "archsim-metrics-1"
HEADLINE = ("time_per_example_s", "energy_per_example_j", "area_m2", "efficiency_op_per_j", "efficiency_peak_op_per_j",
            "throughput_per_area_peak_op_per_s_m2")  # fmt: skip
"""The metrics by which specs are compared where each is simulated once: see `evaluate.headline_metrics`."""

METRICS = (
    "time_total_s", "time_per_example_s", "time_per_example_lower_bound_s", "time_per_example_peak_s",
    "examples_per_s", "ops_per_example", "ops_executed_per_example", "digital_ops_per_example",
    "throughput_op_per_s", "throughput_executed_op_per_s", "throughput_peak_op_per_s", "power_w", "power_peak_w",
    "energy_total_j", "energy_per_example_j", "energy_per_op_j", "efficiency_op_per_j", "efficiency_peak_op_per_j",
    "area_m2", "area_peak_m2", "throughput_per_area_op_per_s_m2", "throughput_per_area_peak_op_per_s_m2",
    "transfer_time_share", "refresh_time_share", "tile_utilisation", "tiles_used", "tiles", "chips",
    "cells_used_share", "transfers", "pcm_writes_per_cell_mean", "pcm_writes_per_cell_max", "transfer_power_peak_w",
    "dwell_time_mean_s", "dwell_time_max_s",
)  # fmt: skip
"""The names of all metrics of a run, in the order of metrics.json."""


def package_version() -> str:
    """Return the installed version of archsim."""
    try:
        return version("archsim")
    except PackageNotFoundError:
        return "unknown"


class Parts(NamedTuple):
    """What a run's cycles are made of, by difference between four runs: together they are all of them.

    `interval`: the peak's initiation interval times the examples. `dependencies`: what ops wait for each
    other with unlimited units and without maintenance. `contention`: what limited units add to that.
    `maintenance`: what transfers and refresh add. A part is negative where shards are smaller than tiles
    and so quicker than the peak's.
    """

    interval: int
    dependencies: int
    contention: int
    maintenance: int


def measure(
    arch: Loaded[ArchSpec], workload: Loaded[Workload], trace: Trace, bound_cycles: int, parts: Parts, bill: Bill,
    top: Peak, links: Sequence[Mapping[str, Any]], *, seed: int = 0, command: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Return the content of metrics.json, given the rows of all `links`. All figures are SI; None is undefined."""
    chip = trace.schedule.chip
    clock_hz = float(chip.spec.technology.clock_hz)
    metrics = metrics_of(trace, bill, top, bound_cycles)
    published = _published(arch, workload.value, chip, metrics)
    audits = [*_audits(trace, bound_cycles, bill), *_fitted(arch, published)]
    return {
        "schema": SCHEMA,
        "arch": {"name": arch.value.name, "hash": arch.hash},
        "workload": {"name": workload.value.name, "hash": workload.hash},
        "version": package_version(), "seed": seed, "command": command,
        "run": {"examples": trace.examples, "cycles": trace.cycles, "examples_simulated": trace.examples_simulated,
                "examples_fast_forwarded": trace.examples_fast_forwarded},
        "metrics": metrics,
        "time_per_example_parts_s": {
            name: _ratio(cycles / clock_hz, trace.examples) for name, cycles in parts._asdict().items()
        },
        "energy_j": {
            "total": bill.total_j,
            **{f"by_{name}": bill.by(attrgetter(name)) for name in ("component", "phase", "layer")},
            "by_tile": dict(bill.by_tile),
        },
        "area": {"total_m2": chip.area_m2, "by_component_m2": {part.component: part.area_m2 for part in chip.parts}},
        "stalls_cycles": stalls(trace), "layers": layer_rows(trace, bill), "tiles": tile_rows(trace),
        "links": list(links[:TOP]), "dwell": dwell_data(trace), "published": published, "audits": audits,
        **({"digital_layers": digital} if (digital := digital_rows(trace)) else {}),
    }  # fmt: skip


def checked_metrics(
    arch: Loaded[ArchSpec], workload: Loaded[Workload], trace: Trace, bound_cycles: int, bill: Bill, top: Peak
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return of metrics.json the metrics and the audits alone."""
    metrics, audits = metrics_of(trace, bill, top, bound_cycles), _audits(trace, bound_cycles, bill)
    if not arch.overrides and any(figure.kind == "fit" for figure in arch.value.published):
        audits += _fitted(arch, _published(arch, workload.value, trace.schedule.chip, metrics))
    return metrics, audits


def _published(
    arch: Loaded[ArchSpec], workload: Workload, chip: Chip, metrics: Mapping[str, Any]
) -> list[dict[str, Any]]:
    mode, name = workload.mode, workload.name
    own = chip_metrics(chip, mode) if chip.spec.published else {}
    known = {"": {**metrics, **own}, name: {**own, **metrics}}  # of the chip alone, an example is one vector
    return [
        {**beside(f"published[{i}]", figure, known[figure.workload]),
         "source": arch.figures[f"published[{i}].value"].source}
        for i, figure in enumerate(chip.spec.published)
        if figure.mode == mode and figure.workload in known and _is_as_published(arch, figure)
    ]  # fmt: skip


def _is_as_published(arch: Loaded[ArchSpec], figure: Published) -> bool:
    """Return whether a chip is set as it was when a figure of it was measured."""
    try:
        return arch.with_overrides(figure.settings).digest == arch.digest
    except SpecError:
        return False


def _audits(trace: Trace, bound_cycles: int, bill: Bill) -> list[dict[str, Any]]:
    placed_j = fsum(bill.by_tile.values())
    by_tile = audit("energy by tile adds up to the bill's total, joules", bill.total_j, placed_j, 1e-9)
    return [*audits_of(trace, bound_cycles, bill), by_tile]


def _fitted(arch: Loaded[ArchSpec], published: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the audits of what was fitted to; with overrides it need not be met."""
    return [
        audit(f"published {row['metric']} (fitted)", row["published"], row["simulated"], row["tolerance"])
        for row in published if row["kind"] == "fit" and not arch.overrides
    ]  # fmt: skip


def metrics_of(trace: Trace, bill: Bill, top: Peak, bound_cycles: int | None = None) -> dict[str, Any]:
    """Return the metrics of a run by name, in SI units; None for what is undefined, or needs a lower bound."""
    return metrics_at(trace, bill.total_j, bill.programmed, top, bound_cycles)


def metrics_at(
    trace: Trace, energy_j: float, programmed: Mapping[str, float], top: Peak, bound_cycles: int | None = None
) -> dict[str, Any]:
    """Return the metrics of a run that took so much energy; `programmed` is as `billed_metrics` takes it."""
    chip, workload = trace.schedule.chip, trace.schedule.mapping.workload
    clock_hz = float(chip.spec.technology.clock_hz)
    examples, cells = trace.examples, sum(shard.cells for shard in trace.schedule.mapping.shards)
    time_s = trace.cycles / clock_hz
    states = stalls(trace)
    busy = states["forward"] + states["backward"] + states["update"]
    executed, dwell, done = executed_ops(trace), trace.dwell, transfers_of(trace)
    found = {
        "time_total_s": time_s,
        "time_per_example_s": _ratio(time_s, examples),
        "time_per_example_lower_bound_s": None if bound_cycles is None else _ratio(bound_cycles / clock_hz, examples),
        "examples_per_s": _ratio(examples, time_s),
        "ops_per_example": workload.ops_per_example,
        "ops_executed_per_example": _ratio(executed, examples),
        "digital_ops_per_example": workload.digital_ops_per_example,
        "throughput_op_per_s": _ratio(workload.ops_per_example * examples, time_s),
        "throughput_executed_op_per_s": _ratio(executed, time_s),
        "transfer_time_share": _ratio(trace.transfer_cycles, trace.cycles),
        "refresh_time_share": _ratio(trace.refresh_cycles, trace.cycles),
        "tile_utilisation": _ratio(busy, trace.cycles * len(trace.tile_states)),
        "tiles_used": len(trace.tile_states),
        "tiles": len(chip.tiles),
        "chips": chip.spec.chips,
        "cells_used_share": cells
        / (chip.spec.chips * sum([own.count * own.rows * own.cols for _, own in chip.spec.tile_kinds])),
        "transfers": _ratio(fsum(times for _, times in done), len(done)) or 0.0,
        "dwell_time_mean_s": None if dwell.mean_cycles is None else dwell.mean_cycles / clock_hz,
        "dwell_time_max_s": dwell.max_cycles / clock_hz if dwell.cells else None,
    }
    found |= billed_metrics(trace, chip, top, energy_j, programmed)
    return {name: found[name] for name in METRICS}


def billed_metrics(
    trace: Trace, chip: Chip, top: Peak, energy_j: float, programmed: Mapping[str, float]
) -> dict[str, Any]:
    """Return those metrics of a run that figures move which do not touch its time: `chip` may differ in such.

    `programmed` is, by layer, which share of the cells transfers were measured to program.
    """
    workload, examples = trace.schedule.mapping.workload, trace.examples
    time_s = trace.cycles / float(chip.spec.technology.clock_hz)
    ops = workload.ops_per_example * examples
    writes = [times * writes_per_transfer(trace.schedule, op, chip, programmed)
              for op, times in transfers_of(trace)]  # fmt: skip
    return {
        **peak_metrics(top),
        "power_w": _ratio(energy_j, time_s),
        "energy_total_j": energy_j,
        "energy_per_example_j": _ratio(energy_j, examples),
        "energy_per_op_j": _ratio(energy_j, ops),
        "efficiency_op_per_j": _ratio(ops, energy_j),
        "area_m2": (area_m2 := chip.area_m2),
        "throughput_per_area_op_per_s_m2": _ratio(_ratio(ops, time_s), area_m2),
        "pcm_writes_per_cell_mean": _ratio(fsum(writes), len(writes)),
        "pcm_writes_per_cell_max": max(writes, default=0.0),
        "transfer_power_peak_w": transfer_power_w(trace, chip),
    }


def transfers_of(trace: Trace) -> list[tuple[Op, float]]:
    """Return the ops that transfer, and how often each did so with a whole shard."""
    return [(op, trace.done[op.index] / len(op.maintenance.groups))
            for op in trace.schedule.ops if op.kind == "transfer" and op.maintenance is not None]  # fmt: skip


def writes_per_transfer(schedule: Schedule, op: Op, chip: Chip, programmed: Mapping[str, float]) -> float:
    """Return the RESETs of each long-term device in a transfer, on average: by what was measured, else by the spec."""
    device = chip.tiles[op.tile].spec.device
    layer = schedule.mapping.workload.layers[op.layer].name
    return device.writes_when_programmed * programmed.get(layer, device.programmed_share)


def _ratio(a: float | int | None, b: float | int) -> float | None:
    return None if a is None or not b else a / b


def transfer_power_w(trace: Trace, chip: Chip) -> float:
    """Return the largest power drawn by cells being programmed at once, in watts."""
    devices = [tile.device for _, tile in chip.spec.tile_kinds]
    return trace.cells_programmed_at_once * max(device.peak_power_w(device.transfer_steps) for device in devices)


def beside(place: str, figure: Published, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return a published figure beside the simulated one; ratio = simulated / published."""
    if figure.metric not in metrics:
        what = f"'{figure.metric}' is not a metric"
        raise SpecError([Problem(f"{place}.metric", what, nearest(figure.metric, metrics))])
    simulated, value = metrics[figure.metric], parse_metric(figure.metric, figure.value)
    return {
        "metric": figure.metric, "published": value, "simulated": simulated,
        "ratio": None if simulated is None else simulated / value,
        "kind": figure.kind, "tolerance": figure.tolerance,
    }  # fmt: skip
