"""The chip in numbers: the cells of all shards, trained by playing a timeline."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.base.arrays import F32, I32, I64, Array
from archsim.components.cells.numeric.base import Cells
from archsim.functional.activity import Measured, ReadMeter, Reads, Updates, drivers_of, on_tables
from archsim.functional.answers import Answered, Each
from archsim.functional.capacitor_times import CapacitorTimes, lag
from archsim.functional.data_set import Part
from archsim.functional.executor import AFTER_UPDATE, AT_MAINTENANCE, make_play
from archsim.functional.functions import functions_of, spans_of
from archsim.functional.line_drop import crossbars_of, line_drops
from archsim.functional.mismatch import drawn
from archsim.functional.numbers import chain_of
from archsim.functional.order import Order
from archsim.functional.periphery import Quantisers
from archsim.functional.pulses import PULSED, Trains
from archsim.functional.ranges import Saturation, Shares
from archsim.functional.sequences import Frames
from archsim.functional.setup import (
    COLUMNS_CLIPPED,
    COLUMNS_FIRED,
    FIRED,
    LAYER,
    LIMITED,
    MAINTENANCE,
    Examples,
    Rules,
    Setup,
    Tables,
    buffers_of,
    examples_of,
    measures_of,
    program_of,
    room_of,
)
from archsim.functional.targets import check_signs
from archsim.mapping.schedule import Maintenance, Schedule


@dataclass(frozen=True)
class Statistics:
    """What a stretch of training did: totals over its examples, and by layer the shares that met an end of a range.

    Pulses are whole numbers but in exact updates.
    """

    loss: float
    right: int
    pulses: float
    columns_clipped: int
    pulses_limited: int
    columns_pulsed: int
    saturation: Shares


class ChipModel:
    """The cells of all shards in numbers; `play` trains them in the order of a timeline.

    `alpha` is the conductance in uS of a weight of one, by layer; `quantisers` are those of all shards, or of each;
    `rates` the learning rate by epoch. Cells leak and lines drop unless `without` has 'leakage' or 'ir_drop'. An
    `order` replaces that of the examples, epoch by epoch. `update` is what `trains` drive. Weights change in place.
    Raises SpecError where examples have negative numbers and the workload does not say that they are signed.
    """

    def __init__(
        self,
        schedule: Schedule,
        cells: Sequence[Cells],
        update: Callable[..., Any],
        *,
        alpha: F32,
        quantisers: Quantisers | Sequence[Quantisers],
        examples: Examples,
        rates: F32,
        per_epoch: int,
        seed: int,
        without: Collection[str] = (),
        trains: Trains = PULSED,
        order: Order | I32 | None = None,
    ) -> None:
        self.schedule, self.cells = schedule, list(cells)
        self.program = program = program_of(schedule)
        self.buffers, self.measures = buffers_of(program), measures_of(program)
        self.leakage, self.seed, self.trains = "leakage" not in without, seed, trains
        self._flutters = any(cells.parameters.flutter.any for cells in self.cells)
        self._order = order
        if order is not None:
            examples = examples._replace(order=order[:per_epoch])
        self.alpha = alpha
        workload = schedule.mapping.workload
        check_signs(workload, examples.x)
        self.quantisers = (quantisers,) * len(self.cells) if isinstance(quantisers, Quantisers) else tuple(quantisers)
        least = [min(e.read_levels for e, s in zip(self.quantisers, program.shards, strict=True) if s[LAYER] == layer)
                 for layer in range(len(workload.layers))]  # fmt: skip
        own = self.quantisers[0]
        self.spans = spans_of(workload, own.activation_range, least, own.gate_range, own.state_range, own.state_levels)
        numbers = tuple(dict.fromkeys(c.numbers for c in cells))
        self.drops = [] if "ir_drop" in without else line_drops(schedule, cells)
        self.crossbars = crossbars_of(cells, numbers, self.drops)
        rules = Rules(alpha, functions_of(workload), self.spans, chain_of(workload), rates, per_epoch, seed)
        tables = self._tables([numbers.index(c.numbers) for c in cells])
        self.setup = Setup(
            program, tables, rules, examples, self.buffers, self.measures, room_of(program, trains.count)
        )  # fmt: skip
        for shard in range(len(self.cells)):
            self._look_at_flutter(shard)
        bars = self.crossbars
        self._play = make_play(update, len(bars.states), len(bars.numbers), trains, workload.plain)
        self._meter = ReadMeter(schedule, cells, self.measures, self.drops)
        self.saturation = Saturation(schedule, cells)
        self._latency = [op.stages[0].latency_cycles if op.stages else 0 for op in schedule.ops]
        self._numerics = schedule.chip.spec.numerics
        self._leaks, self._samples = schedule.leak_interval, schedule.activity_interval
        self._tick = math.gcd(self._leaks, self._samples)
        self._cycle_s = 1 / float(schedule.chip.spec.technology.clock_hz)
        self._last = [np.zeros(shard.rows, dtype=np.int64) for shard in schedule.mapping.shards]
        self._updated = np.zeros(len(self.cells), dtype=np.int64)
        self.record = CapacitorTimes([shard.rows for shard in schedule.mapping.shards])
        self._per_epoch = per_epoch
        self.epoch = 0
        self.maintained = 0
        self.records = 0  # of the timeline, that were played

    def _tables(self, sorts: Sequence[int]) -> Tables:
        """Return the periphery of the shards, whose cells are of these sorts."""
        shares, swings, tops, drivers = on_tables(drivers_of(self.schedule))
        widest = (
            max(len(cells.weights) for cells in self.cells if cells.parameters.flutter.any) if self._flutters else 0
        )
        references = np.array([cells.columns_per_reference for cells in self.cells], dtype=np.int64)
        return Tables(
            np.array([each.levels for each in self.quantisers], dtype=np.int64),
            np.array([each.ranges for each in self.quantisers], dtype=np.float32),
            shares, swings, tops, np.zeros((2, len(self.cells), widest)), references,
            *drawn([each.edges for each in self.quantisers], [cells.weights.shape for cells in self.cells], self.seed),
            np.array([*drivers, sorts], dtype=np.int64),
        )  # fmt: skip

    def play(
        self, chunks: Iterable[tuple[I64, I64, I64]], epoch_ends: Callable[[int, Statistics], None] | None = None
    ) -> None:
        """Train in the order of (op, instance, start cycle) records; call back when all shards have ended an epoch."""
        for op, n, start in chunks:
            self.feed(op, n, start, epoch_ends)

    def feed(self, op: I64, n: I64, start: I64, epoch_ends: Callable[[int, Statistics], None] | None = None) -> None:
        """Train by the next records."""
        self._turn_to(op, n)
        position, before = 0, self.records
        while position < len(op):
            stop = (self.epoch + 1) * self._per_epoch
            position, why = self._play(op, n, start, position, stop, self._tick, self.crossbars, self.setup)
            if why == AT_MAINTENANCE:
                self._maintain(int(op[position]), int(n[position]), int(start[position]))
                position += 1
            elif why == AFTER_UPDATE:
                self._pause(int(op[position - 1]), int(n[position - 1]) + 1, int(start[position - 1]), stop)
                if (self._updated == stop).all():
                    self.epoch, self.records = self.epoch + 1, before + position
                    if epoch_ends is not None:
                        epoch_ends(self.epoch - 1, self.statistics())
        self.records = before + len(op)

    def _pause(self, op: int, example: int, start: int, stop: int) -> None:
        """Let a shard leak and be looked at after its update of an example, counted from 1.

        That is at once, before anything else: only then are weights the same in the order of events and of a timeline.
        """
        shard, samples = int(self.program.shard[op]), example % self._samples == 0
        if samples:  # as the pulses left them
            self.saturation.sample(shard)
        if example % self._leaks == 0:
            self._leak(shard, 0, len(self._last[shard]), start + self._latency[op])
            if self.drops:
                self.drops[shard].follow()
        if samples:
            if self.drops:
                self.drops[shard].take()
            self._meter.sample(shard)
            self._look_at_flutter(shard)
        if example == stop:
            self._updated[shard] = stop

    def _turn_to(self, op: I64, n: I64) -> None:
        """Have the epochs at hand whose examples these records take, where they are drawn as they come."""
        kinds = self.program.kind[op]
        taken = n[(kinds >= 0) & (kinds != MAINTENANCE)]
        if self._order is None or not len(taken):
            return
        held, first, last = self.setup.examples, int(taken.min()), int(taken.max())
        if not held.begin <= first <= last < held.begin + len(held.order):
            begin, end = (step // self._per_epoch * self._per_epoch for step in (first, last + self._per_epoch))
            held = held._replace(order=self._order[begin:end], begin=begin)
            self.setup = self.setup._replace(examples=held)

    def arrays(self) -> dict[str, Array]:
        """Return all that training changes, by name, and not copied: `restore` them to go on from here to the bit.

        The log of the record, if there is one, is left out.
        """
        parts: dict[str, Mapping[str, Array]] = {
            **{f"cells{i}": cells.state._asdict() for i, cells in enumerate(self.cells)},
            "buffers": self.buffers._asdict(), "measures": self.measures._asdict(), "record": self.record.arrays(),
            "meter": self._meter.arrays(), "saturation": self.saturation.arrays(),
            **{f"drop{i}": drop.arrays() for i, drop in enumerate(self.drops)},
        }  # fmt: skip
        looked = {"flutter": self.setup.tables.flutter}
        leaked = {f"last{i}": last for i, last in enumerate(self._last)}
        dwell = self.record.dwell_cells, *divmod(self.record.dwell_cycles, 1 << 32)  # which may outgrow a word
        counters = np.array([self.epoch, self.maintained, self.records, *dwell], dtype=np.int64)
        return {**arrays_of(parts), **leaked, **looked, "updated": self._updated, "counters": counters}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over what `arrays` of the same chip, schedule and data returned; ValueError if they are others'."""
        copy_arrays(arrays, self.arrays())
        self.epoch, self.maintained, self.records, cells, high, low = map(int, arrays["counters"])
        self.record.dwell_cells, self.record.dwell_cycles = cells, (high << 32) + low

    def statistics(self) -> Statistics:
        """Return what was done since the last call."""
        (loss, right, _), pulsed = self.buffers.stats, self.measures.pulsed
        total = pulsed.sum(axis=1)
        found = Statistics(
            float(loss), int(right), float(total[FIRED]), int(total[COLUMNS_CLIPPED]), int(total[LIMITED]),
            int(total[COLUMNS_FIRED]), self.saturation.tell(pulsed),
        )  # fmt: skip
        self.buffers.stats[:], pulsed[:] = 0, 0
        return found

    def evaluate(
        self, x: F32, y: I64, targets: F32 | None = None, frames: Frames | None = None, each: Each | None = None
    ) -> Answered:
        """Return how the chip as it is now answers examples; their vectors go through all of its quantisers.

        `each`, if given, is set to how it answers each of them.
        """
        forward = [(op.step, int(self.program.shard[op.index]), op.index)  # shards are in order of layers
                   for op in self.schedule.ops if op.kind == "forward"]  # fmt: skip
        ops = np.array([index for *_, index in sorted(forward)], dtype=np.int64)
        n = np.repeat(np.arange(len(y), dtype=np.int64), len(ops))
        setup = self.setup._replace(
            examples=examples_of(x, y, targets, frames=frames), buffers=buffers_of(self.program),
            measures=measures_of(self.program), rules=self.setup.rules._replace(per_epoch=max(1, len(y))),
        )  # fmt: skip
        stats = setup.buffers.stats
        if each is None:
            self._play(np.tile(ops, len(y)), n, n, 0, 0, self._tick, self.crossbars, setup)
        else:
            for example, own in enumerate(n.reshape(len(y), len(ops))):
                loss, right, _ = stats
                self._play(ops, own, own, 0, 0, self._tick, self.crossbars, setup)
                each.right[example] = stats[1] > right
                each.loss[example] = stats[0] - loss
        return Answered(int(stats[1]), float(stats[2]), float(stats[0]))

    def read(self, part: Part | None, each: Each | None = None) -> tuple[float | None, float | None]:
        """Return accuracy or R2 of the chip as it is now on some examples, and the mean loss of texts; None without.

        `each` is what `evaluate` is given.
        """
        return (None, None) if part is None else self.evaluate(*part, each).told(part)

    def score(self, part: Part | None) -> float | None:
        """Return accuracy or R2 of the chip as it is now on some examples; None without any."""
        return self.read(part)[0]

    def reads(self) -> list[Reads]:
        """Return the activity of the arrays in training so far, by layer and direction."""
        return self._meter.reads()

    def updates(self) -> list[Updates]:
        """Return the pulses of all updates in training so far, by layer."""
        return self._meter.updates()

    def activity(self) -> list[Measured]:
        """Return all that a bill can take from a training: reads, updates and transfers so far."""
        return [*self.reads(), *self.updates(), *self._meter.transfers()]

    def leaked_until(self) -> list[I64]:
        """Return by shard and row the cycle up to which it has leaked."""
        return [last.copy() for last in self._last]

    def matrices(self) -> list[F32]:
        """Return the network's weights [rows, outputs] by layer, as the crossbars read them."""
        found = []
        for index, layer in enumerate(self.schedule.mapping.workload.layers):
            matrix = np.empty((layer.rows, layer.columns), dtype=np.float32)
            for shard in self.schedule.mapping.shards:
                if shard.layer == index:
                    own = self.crossbars.seen[shard.index] / self.alpha[index]
                    matrix[shard.row_start : shard.row_stop, shard.col_start : shard.col_stop] = own
            found.append(matrix)
        return found

    def _leak(self, shard: int, begin: int, end: int, until: int | I64) -> None:
        """Let rows leak until a cycle, or each until its own; those that did already are left alone."""
        last = self._last[shard][begin:end]
        if isinstance(until, int) and (cycles := lag(last, until)) >= 0:
            if cycles and self.leakage:
                self.cells[shard].leak(begin, end, cycles * self._cycle_s)
                self.record.leaked[shard][begin:end] += cycles
            last += cycles
            return
        elapsed = until - last
        due = elapsed > 0
        for first, stop in [(0, len(due))] if due.all() else runs(due):
            own = elapsed[first:stop]
            if own[0] > 0:
                if self.leakage:
                    times = np.multiply(own, self._cycle_s, dtype=np.float64)
                    same = bool((own == own[0]).all())
                    self.cells[shard].leak(begin + first, begin + stop, float(times[0]) if same else times)
                    self.record.leaked[shard][begin + first : begin + stop] += own
                last[first:stop] += own

    def _look_at_flutter(self, shard: int, begin: int = 0, end: int | None = None) -> None:
        """See by how much the cells of these rows fluctuate, as they are now."""
        if self.cells[shard].parameters.flutter.any:
            last = len(self.cells[shard].weights) if end is None else end
            self.setup.tables.flutter[:, shard, begin:last] = self.cells[shard].flutter(begin, last)

    def _maintain(self, op: int, n: int, start: int) -> None:
        """Transfer or rewrite an instance's row groups, each read when its turn comes; waiting rows go on leaking."""
        m = self.schedule.ops[op].maintenance
        assert isinstance(m, Maintenance)
        variant = n % len(m.groups)
        groups = m.groups[variant]
        shard, cells, drops = m.shard, self.cells[m.shard], self.drops[m.shard : m.shard + 1]
        first = sum(sum(others) for others in m.groups[:variant])
        last = first + sum(groups)
        many = last - first >= self._numerics.activity_share * len(self._last[shard])
        if many:
            for drop in drops:
                drop.take()
            self._meter.sample(shard)
            self.saturation.sample(shard)
        reads = np.repeat(start + m.group_cycles * np.arange(len(groups), dtype=np.int64), groups)
        self._leak(shard, first, last, reads)
        held = self.record.leaked[shard][first:last]
        for begin, stop in runs(held):
            rows, held_s = (first + begin, first + stop), int(held[begin]) * self._cycle_s
            if m.period_cycles:
                found = cells.rewrite(*rows, held_s, self.seed, n)
                for drop in drops:
                    drop.take(*rows)
            else:
                sights = [drop.sight(*rows) for drop in drops]
                found = cells.transfer(*rows, self.seed, n // len(m.groups), True, held_s, *sights)
                self._meter.transfer(shard, found)
                for drop in drops:
                    drop.wrote(*rows)
            self.saturation.write(shard, found)
        self._look_at_flutter(shard, first, last)
        self._last[shard][first:last] = reads + m.group_cycles
        if many:
            for drop in drops:
                drop.take()
            self._meter.sample(shard)
        applied = int(self.measures.applied[shard])
        ended = int(self.measures.began[shard]) + applied * self._latency[self.schedule.updates[shard]]
        self.record.read(op, n, shard, first, reads, applied, ended, self.schedule.mapping.shards[shard].cols)
        self.maintained += 1


def arrays_of(parts: Mapping[str, Mapping[str, Array]]) -> dict[str, Array]:
    """Return the arrays of some parts as those of one, called PART.NAME."""
    return {f"{part}.{name}": array for part, arrays in parts.items() for name, array in arrays.items()}


def copy_arrays(given: Mapping[str, Array], own: Mapping[str, Array]) -> None:
    """Copy arrays into those of the same names; raise ValueError, before any is changed, where they do not fit."""
    for name, array in own.items():
        if name not in given or (given[name].shape, given[name].dtype) != (array.shape, array.dtype):
            raise ValueError(f"the array '{name}' is missing, or of another shape or kind")
    for name, array in own.items():
        array[...] = given[name]


def runs(values: Array) -> list[tuple[int, int]]:
    """Return where stretches of equal neighbours begin and end.

    >>> runs(np.array([3, 3, 1, 3]))
    [(0, 2), (2, 3), (3, 4)]
    """
    edges = [0, *(np.flatnonzero(values[1:] != values[:-1]) + 1).tolist(), len(values)]
    return list(itertools.pairwise(edges))
