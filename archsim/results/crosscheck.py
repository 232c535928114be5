"""The cross-check: one schedule as events and as numbers, and whether the two readings agree, point by point.

The simulation goes through every example and carries values; the accuracy model plays the timeline of the
fast-forwarded one; a floating-point baseline trains beside them. Each function below makes the rows of one point.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isclose
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.base.arrays import I64
from archsim.base.words import counted
from archsim.chip.graph import Chip
from archsim.functional.baseline import Baseline
from archsim.functional.chip_model import ChipModel
from archsim.functional.data_set import Data
from archsim.functional.train import check_loss, chip_model, order_of
from archsim.mapping.modes import build_schedule
from archsim.mapping.schedule import Schedule
from archsim.mapping.shards import Mapping
from archsim.mapping.training import transfer_interval
from archsim.results.audits import PASSES, work_of
from archsim.results.bill import ActivityFile, Bill, account, activity_of
from archsim.results.carrier import Carrier
from archsim.results.causes import Causes
from archsim.results.recount import PARTS, Recount, billed_j
from archsim.results.watch import Watch
from archsim.simulation.events import Events
from archsim.simulation.run import Trace, simulate
from archsim.simulation.timeline import Timeline

Row: TypeAlias = dict[str, Any]

CONDUCTANCE = 0.01
"""By what fraction the energy of reads may differ: conductances are read now and then, and straight between."""
EXACT = 1e-5
"""By what fraction counts of pulses may differ that are rounded in another precision, before a check fails."""
TOLERANCE = 0.05
"""By what fraction of the test set the chip may fall short of floating point: wide, since trained so shortly that
neither has settled. It passes or fails a check, and changes no figure."""
MOST = 2_000
"""Examples by default on a chip that transfers nothing, at most an epoch: of the command, see `--examples`."""


@dataclass(frozen=True)
class CrossCheck:
    """What was compared, and the activity that the model measured meanwhile."""

    rows: tuple[Row, ...]
    activity: ActivityFile

    @property
    def passed(self) -> bool:
        """Whether all agreed."""
        return all(row["passed"] for row in self.rows)


def default_examples(chip: Chip, mapping: Mapping) -> int:
    """Return how many examples span two transfers of every row of every shard, and go on until rows next leak.

    The second transfer of a shard's last row group is due after 2 intervals, under `interleaved` after nearly 3; as
    many examples as that op waits for, and `leak_interval` more in whole mini-batches. Without transfers, one epoch, of
    at most `MOST` examples.
    """
    workload = mapping.workload
    ops = [op for op in build_schedule(chip, mapping, 1).ops if op.kind == "transfer" and op.maintenance is not None]
    if not ops:
        return min(workload.dataset.examples, MOST)
    due = max(need.count(2 * len(op.maintenance.groups) - 1) for op in ops for need in op.needs if op.maintenance)
    batch = workload.training.batch
    leak = max(1, chip.spec.numerics.leak_interval // workload.steps)
    return due + -(-leak // batch) * batch


def crosscheck(
    schedule: Schedule, data: Data, *, seed: int = 0, tolerance: float = TOLERANCE,
    progress: Callable[[int], None] | None = None,
) -> CrossCheck:  # fmt: skip
    """Return the comparison of a schedule's events with its numbers, all six points.

    `tolerance` is the fraction of the validation set, or of the test set if there is none, by which accuracy may fall
    short. Raises DivergedError if training in floating point leaves the numbers.
    """
    workload = schedule.mapping.workload
    per_epoch = workload.dataset.examples
    epochs = -(-schedule.examples // per_epoch)
    drawn = order_of(workload, schedule.examples, seed)
    carried, alone = (chip_model(schedule, data, seed, drawn) for _ in range(2))
    carrier, watch, causes = Carrier(carried), Watch(schedule), Causes(schedule)

    def hear(block: Events) -> None:
        for each in (causes, watch, carrier):
            each(block)

    events = simulate(schedule, hearer=hear, progress=progress)
    carrier.finish()
    trace = simulate(schedule, timeline=True)
    timeline = trace.timeline
    assert isinstance(timeline, Timeline)
    alone.record.log = []
    recount = Recount(schedule, alone)
    recount.play(timeline.chunks())
    # At the chip's own rates: here both are to do the same, whatever else would suit the baseline better.
    baseline = Baseline(workload, data, seed, drawn[: schedule.examples], workload.training)
    for epoch in range(epochs):
        loss = baseline.train(epoch)
        check_loss(loss, workload, data, "in floating point", seed=seed, epoch=epoch, epochs=epochs)
    validation, test = data.read_after(last=True)
    what = "accuracy" if data.test_t is None else "R2"
    floating, chip = (net.score(validation or test) for net in (baseline, alone))
    activity = activity_of([layer.name for layer in workload.layers], alone.activity())
    rows = [
        *operations(events, alone),
        *order(causes),
        *state(carried, alone),
        *staleness(watch, alone),
        *leakage(events, watch, alone),
        *energy(account(trace, activity, stated=False), alone, recount),
        accuracy(floating, chip, tolerance, what if validation is None else f"{what} on the validation set"),
    ]
    return CrossCheck(tuple(rows), activity)


def row(name: str, expected: float | None, found: float | None, within: float = 0.0) -> Row:
    """Return one comparison: equal, or within a relative tolerance if that is given."""
    difference = None if expected is None or found is None else found - expected
    passed = found == expected
    if within and expected is not None and found is not None:
        passed = isclose(found, expected, rel_tol=within, abs_tol=1e-30)
    return {"name": name, "expected": expected, "found": found, "difference": difference, "passed": passed}


def operations(trace: Trace, model: ChipModel) -> list[Row]:
    """Point 1: the operations that the engine counted and those that the model executed are the workload's."""
    workload = trace.schedule.mapping.workload
    runs = [len(layer.vectors(workload)) for layer in workload.layers]
    synapses = 2 * sum(layer.synapses * times for layer, times in zip(workload.layers, runs, strict=True))
    defined = (synapses, workload.ops_executed_per_example - 2 * synapses, synapses)
    counted, executed = work_of(trace), model.measures.work
    found = []
    for i, kind in enumerate(PASSES):
        wanted = defined[i] * trace.schedule.examples
        found.append(row(f"1. operations of {kind}, workload and engine", wanted, int(counted[i].sum())))
        found.append(row(f"1. operations of {kind}, workload and model", wanted, int(executed[i].sum())))
    differ = int((counted != executed).sum())
    name = f"1. counts by kind and shard that differ between engine and model, of {counted.size}"
    return [*found, row(name, 0, differ)]


def order(causes: Causes) -> list[Row]:
    """Point 1, too: the engine did what the schedule asks for, in its order, and each for as long as it takes."""
    return [
        row("1. needs of operations that were not met when these began in the events", 0, causes.early),
        row("1. events that are not those that follow in the schedule, or that are missing", 0, causes.strange),
    ]


def state(carried: ChipModel, alone: ChipModel) -> list[Row]:
    """Point 2: what the events' cells hold at the end is what the model's hold alone, bit for bit."""
    pairs = list(zip(carried.cells, alone.cells, strict=True))
    weights = [(a.weights, b.weights) for a, b in pairs]
    all_ = [both for a, b in pairs for both in zip(a.state, b.state, strict=True)]
    whole = sum(a.size for a, _ in all_)
    names = f"{counted(len(all_) // len(pairs), 'array')} of each of {counted(len(pairs), 'shard')}"
    return [
        row(f"2. weights carried through the events that differ, of {sum(a.size for a, _ in weights):,}", 0,
            _differing(weights)),
        row(f"2. values of the cells' whole state that differ, of {whole:,} ({names})", 0, _differing(all_)),
        row("2. transfers and rewrites carried through the events", alone.maintained, carried.maintained),
    ]  # fmt: skip


def _differing(pairs: Iterable[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> int:
    """Return how many values differ in any bit."""
    count = 0
    for a, b in pairs:
        bits = np.dtype(f"u{a.dtype.itemsize}")
        count += int(np.count_nonzero(np.ascontiguousarray(a).view(bits) != np.ascontiguousarray(b).view(bits)))
    return count


def staleness(watch: Watch, model: ChipModel) -> list[Row]:
    """Point 3: each forward pass missed as many updates in the model as had not ended in the events."""
    used = model.measures.stale
    seen = np.zeros_like(used)
    for shard, counts in enumerate(watch.stale):
        for behind, count in counts.items():
            seen[shard, min(max(behind, 0), seen.shape[1] - 1)] += count
    values = np.arange(used.shape[1], dtype=np.int64)
    mean, own_mean = (_mean(counts, values) for counts in (seen, used))
    most = (int(np.flatnonzero(counts.sum(axis=0)).max(initial=0)) for counts in (seen, used))
    differ = int((seen != used).sum())
    return [
        row("3. staleness, mean over forward passes of shards, updates", mean, own_mean),
        row("3. staleness, maximum, updates", *most),
        row(f"3. bins of the shards' histograms of staleness that differ, of {used.size}", 0, differ),
    ]  # fmt: skip


def _mean(counts: I64, values: I64) -> float | None:
    total = int(counts.sum())
    return float((counts.sum(axis=0) * values).sum()) / total if total else None


def leakage(trace: Trace, watch: Watch, model: ChipModel) -> list[Row]:
    """Point 4: rows leaked for as long as the clock says, and transfers, interval, levels and ranges are the chip's."""
    interval = trace.schedule.leak_interval
    kept = {(op, n): (leaked, updates) for op, n, leaked, updates in model.record.log or ()}
    clock = [(kept.get((op, n), (np.full_like(age, -1), 0))[0], age) for op, n, age, _ in watch.reads]
    reads = sum(len(age) for _, age in clock)
    until = sum(int((a != b).sum()) for a, b in zip(watch.until, model.leaked_until(), strict=True))
    ages = [sum(int(both[side].sum()) for both in clock) / reads if reads else None for side in (1, 0)]
    dwell, record = trace.dwell, model.record
    rows_leaked = sum(len(leaked) for leaked, _ in kept.values())
    return [
        row(f"4. rows whose leak differs from the clock's time since they were written, of {reads:,} read", 0,
            sum(int((leaked != age).sum()) for leaked, age in clock)),
        row("4. rows read by transfers and rewrites", reads, rows_leaked),
        row("4. leak until rows were read, mean, cycles", ages[0], ages[1]),
        row(f"4. rows that leaked up to another cycle than the clock's last tick of {counted(interval, 'example')}, of "
            f"{sum(map(len, watch.until)):,}", 0, until),
        row("4. dwell time, mean over updates of cells, cycles", dwell.mean_cycles, record.dwell_mean_cycles),
        row("4. updates of cells read by transfers and rewrites", dwell.cells, record.dwell_cells),
        *_transfers(trace, kept),
        *_edges(trace.schedule, model),
    ]  # fmt: skip


def _transfers(trace: Trace, log: dict[tuple[int, int], tuple[I64, int]]) -> list[Row]:
    """Return the rows about how often row groups were transferred or rewritten, and after how many examples."""
    schedule = trace.schedule
    ops = [op for op in schedule.ops if op.maintenance is not None]
    if not ops:
        return []
    played = Counter(op for op, _ in log)
    differ = sum(trace.done[op.index] != played[op.index] for op in ops)
    name = f"4. transfer and rewrite ops done another number of times than in the events, of {len(ops)}"
    found = [row(name, 0, differ)]
    transfers = [op for op in ops if op.kind == "transfer" and op.maintenance is not None]
    groups = sum(len(op.maintenance.groups) for op in transfers if op.maintenance)
    if transfers:
        done, again = (sum(of[op.index] for op in transfers) / groups for of in (trace.done, played))
        found.append(row("4. transfers of a row group, mean", done, again))
    gaps = []
    for op in transfers:
        assert op.maintenance is not None
        for variant in range(len(op.maintenance.groups)):
            own = [log[op.index, n][1] for n in range(variant, trace.done[op.index], len(op.maintenance.groups))
                   if (op.index, n) in log]  # fmt: skip
            vectors = len(schedule.ops[schedule.updates[op.maintenance.shard]].stages)
            gaps += [(after - before) / vectors for before, after in itertools.pairwise(own)]
    transfer = schedule.chip.spec.schedule.transfer
    if gaps and transfer is not None:
        interval = transfer_interval(schedule.chip.spec, schedule.mapping.workload)
        slip = schedule.in_flight + schedule.batch
        name = f"4. examples between transfers of a row group, mean (each may slip by the {slip} under way)"
        entry = row(name, interval, sum(gaps) / len(gaps))
        found.append({**entry, "passed": all(abs(gap - interval) <= slip for gap in gaps)})
    return found


def _edges(schedule: Schedule, model: ChipModel) -> list[Row]:
    """Return the rows about levels and ranges: those of each shard's own tile."""
    tiles = [schedule.chip.tiles[shard.tile].spec for shard in schedule.mapping.shards]
    numerics = schedule.chip.spec.numerics
    pairs: list[dict[str, tuple[float, float]]] = [
        {
            "steps of the row drivers": (2**tile.row_driver.bits - 1, used.drive_levels),
            "steps of the column drivers": (2**tile.backward_driver.bits - 1, used.delta_levels),
            "codes of forward converters": (2**tile.col_converter.bits - 1, used.read_levels),
            "codes of backward converters": (2**tile.backward_converter.bits - 1, used.error_levels),
            "slots of an update": (tile.updated_array.pulses, used.pulses),
            "bits by which an update is shifted, at the most": (tile.updated_array.update_shift, used.update_shift),
            "range of partial sums": (numerics.partial_range, used.partial_range),
            "range of outputs": (numerics.output_range, used.output_range),
            "range of hidden units": (numerics.activation_range, used.activation_range),
            "range of gates": (numerics.gate_range, used.gate_range),
            "range of states": (numerics.state_range, used.state_range),
        }
        for tile, used in zip(tiles, model.quantisers, strict=True)
    ]
    found = []
    for name, first in pairs[0].items():
        own, other = next((each[name] for each in pairs if each[name][0] != each[name][1]), first)
        found.append(row(f"4. {name}, chip and model", own, other))
    return found


def energy(bill: Bill, model: ChipModel, recount: Recount) -> list[Row]:
    """Point 5: arrays and their lines, billed by the measured activity, cost what single examples show value by value.

    `CONDUCTANCE` is allowed for conductances between two readings, four standard errors for the choice of examples.
    """
    reads = model.reads()
    billed = sum(item.count for item in bill.items if (item.component, item.action) == ("device", "read"))
    found = [row("5. cells read, model and bill", sum(read.cell_reads for read in reads), billed)]
    of = f"one example in {recount.every}" if recount.every > 1 else "each example"
    for part in PARTS:
        counted, own = float(recount.joules(part).mean()), billed_j(bill, part) / recount.total
        within = recount.within(part) + (CONDUCTANCE if part.startswith("reads") else EXACT)
        name = f"5. {part}, joules per example, counted again in {of} and billed (within {within:.2g})"
        found.append(row(name, counted, own, within))
    return found


def accuracy(floating: float | None, chip: float | None, tolerance: float, what: str = "accuracy") -> Row:
    """Point 6: accuracy on the chip, or R2, does not fall short of floating point by more than the tolerance."""
    entry = row(f"6. {what}, floating point and chip (may fall short by {tolerance:g})", floating, chip)
    passed = floating - chip <= tolerance if floating is not None and chip is not None else floating == chip
    return {**entry, "passed": passed}
