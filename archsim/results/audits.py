"""Audits: what must be true of every run, checked inside the run."""

from __future__ import annotations

from functools import cache
from math import fsum, isclose
from operator import attrgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from archsim.mapping.schedule import Use
from archsim.mapping.unweighted import digital_words
from archsim.results.bill import CHIP, MEASURED, Bill, use_energy_j
from archsim.simulation.run import Trace


def stalls(trace: Trace) -> dict[str, int]:
    """Return tile cycles by state, over all used tiles; they add up to used tiles x cycles."""
    return {state: sum(tile[state] for tile in trace.tile_states) for state in trace.tile_states[0]}


PASSES = ("forward", "backward", "update")


def work_of(trace: Trace) -> NDArray[np.int64]:
    """Return the operations done in crossbars, [pass; shard], counted from the ops that ran: 2 per cell and pass."""
    schedule = trace.schedule
    shards = {shard.tile: shard for shard in schedule.mapping.shards}
    work = np.zeros((len(PASSES), len(shards)), dtype=np.int64)
    for op in schedule.ops:
        if op.kind in PASSES:
            shard = shards[op.tile]
            rows = len(schedule.mapping.backward_inputs(shard, op.step)) if op.kind == "backward" else shard.rows
            times = trace.done[op.index] * (len(op.stages) if op.kind == "update" else 1)  # a stage for each step
            work[PASSES.index(op.kind), shard.index] += 2 * rows * shard.cols * times
    return work


def executed_ops(trace: Trace) -> int:
    """Return the operations done in all crossbars."""
    return int(work_of(trace).sum())


def digital_ops(trace: Trace) -> int:
    """Return the operations of digital layers, counted from what was billed."""
    schedule = trace.schedule
    return sum(
        entry.grants * use.count
        for entry in trace.stages if schedule.ops[entry.op].kind == "digital"
        for use in entry.stage.uses if use.action == "multiply_add"
    )  # fmt: skip


def digital_accesses(trace: Trace) -> int:
    """Return the words of memories that digital layers read and wrote, counted from what was billed."""
    schedule = trace.schedule
    return sum(
        entry.grants * use.count
        for entry in trace.stages if schedule.ops[entry.op].kind == "digital"
        for use in entry.stage.uses if schedule.chip.units[use.unit].component == "memory"
    )  # fmt: skip


def audit(name: str, expected: float, found: float | None, tolerance: float = 0.0) -> dict[str, Any]:
    """Return one check: equal, or within a relative tolerance if that is given."""
    passed = found is not None and (
        found == expected if not tolerance else isclose(found, expected, rel_tol=tolerance, abs_tol=1e-30)
    )
    return {"name": name, "expected": expected, "found": found, "passed": passed}


def audits_of(trace: Trace, bound_cycles: int, bill: Bill) -> list[dict[str, Any]]:
    """Return the checks made inside every run: parts equal wholes, what was sent arrived, each update once."""
    schedule = trace.schedule
    workload, shards = schedule.mapping.workload, schedule.mapping.shards
    ops = schedule.ops
    metered_j = _metered_j(trace, bill)
    audits = [audit("the bill's total is what was metered, joules", metered_j, bill.total_j, 1e-9)]
    audits += [
        audit(f"energy by {name} adds up to what was metered, joules", metered_j,
              fsum(bill.by(attrgetter(name)).values()), 1e-9)
        for name in ("component", "phase", "layer")
    ]  # fmt: skip
    chip = schedule.chip
    wires_m2 = fsum(part.area_m2 for part in chip.parts if part.component == "link")
    die_m2 = chip.plan.area_m2
    audits.append(audit("areas of all parts add up to the floorplan, m2", die_m2 + wires_m2, chip.area_m2, 1e-9))
    in_states = sum(stalls(trace).values())
    audits.append(audit("states of used tiles add up to tiles x cycles", len(shards) * trace.cycles, in_states))
    audits.append(audit("examples done", schedule.examples, trace.examples))
    if schedule.updates:
        applied = sum(trace.done[op] * len(ops[op].stages) for op in schedule.updates)
        due = sum(len(workload.layers[shard.layer].vectors(workload)) for shard in shards) * schedule.examples
        name = "each shard's update applied once per example" + (" and step" if workload.steps > 1 else "")
        audits.append(audit(name, due, applied))
    executed = workload.ops_executed_per_example * schedule.examples
    audits.append(audit("operations executed as the workload defines", executed, executed_ops(trace)))
    if any(layer.digital_ops for layer in workload.layers):
        asked = workload.digital_ops_per_example * schedule.examples
        audits.append(audit("digital operations as the workload defines", asked, digital_ops(trace)))
    if moved := digital_words(chip, schedule.mapping, training=bool(schedule.updates)):
        words = schedule.examples * sum(read + written for read, written in moved.values())
        audits.append(
            audit("words that digital layers read and wrote as their inputs are", words, digital_accesses(trace))
        )
    sent = sum(trace.done[m.source_op] * m.bits * len(m.last_ops) for m in schedule.messages)
    taken = _taken(trace)
    received = sum(taken[op] * m.bits for m in schedule.messages for op in m.last_ops)
    audits.append(audit("bits received as sent (a multicast counts at each end)", sent, received))
    transfers = [op for op in ops if op.kind == "transfer"]
    wanted = sum(op.instances or 0 for op in transfers)
    audits.append(audit("transfers done as due", wanted, sum(trace.done[op.index] for op in transfers)))
    cells = {shard.index: shard.cells * len(workload.layers[shard.layer].vectors(workload)) for shard in shards}
    logged = {op.maintenance.shard for op in ops if op.maintenance is not None}
    updated = sum(cells[shard] for shard in logged) * schedule.examples
    audits.append(audit("updates read or open, per cell", updated, trace.dwell.cells + trace.dwell.open))
    if not any(op.kind == "refresh" for op in ops):
        late = max(0, bound_cycles - trace.cycles)
        audits.append(audit("cycles by which the run undercuts its lower bound", 0, late))
    return audits


def _metered_j(trace: Trace, bill: Bill) -> float:
    """Return the run's energy stage by stage and part by part; what is billed by values or an activity as billed."""
    chip = trace.schedule.chip
    apart = MEASURED.keys() if bill.measured else frozenset()
    workload = trace.schedule.mapping.workload
    values = workload.values if bill.stated else None
    names = {-1: CHIP, **dict(enumerate(layer.name for layer in workload.layers))}

    @cache
    def each_j(unit: int, action: str, layer: int, phase: str) -> float:
        if (chip.units[unit].component, action) in apart:
            return 0.0
        return use_energy_j(chip, Use(unit, action, 1), names[max(layer, -1)], phase, None, values)

    stages_j = fsum([
        entry.grants * use.count * each_j(use.unit, use.action, op.layer, op.phase)
        for entry in trace.stages for op in (trace.schedule.ops[entry.op],) for use in entry.stage.uses
    ])  # fmt: skip
    reads_j = fsum(item.energy_j for item in bill.items if (item.component, item.action) in apart)
    return stages_j + reads_j + chip.leakage_w * trace.cycles / float(chip.spec.technology.clock_hz)


def _taken(trace: Trace) -> dict[int, int]:
    """Return by op that ends a message how often it was done and all ops that wait for it went on; 0 if none does."""
    waiting: dict[int, list[int]] = {op: [] for message in trace.schedule.messages for op in message.last_ops}
    for op in trace.schedule.ops:
        for need in op.needs:
            if need.op in waiting and need.plain:
                waiting[need.op].append(op.index)
    return {
        op: min(trace.done[op], *(trace.done[other] for other in others)) if others else 0
        for op, others in waiting.items()
    }  # fmt: skip
