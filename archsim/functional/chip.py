"""The chip in numbers: the cells of all shards, trained by playing a timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.functional.executor import AFTER_UPDATE, AT_MAINTENANCE, KINDS, Buffers, make_play, program_of
from archsim.functional.network import layout_of
from archsim.functional.periphery import Edges
from archsim.mapping.schedule import Maintenance, Op, Schedule

F32: TypeAlias = npt.NDArray[np.float32]
I64: TypeAlias = npt.NDArray[np.int64]
TICK = 64
"""Examples between two moments at which leakage is applied: an assumption, the same in every executor."""


class ShardCells(Protocol):
    """What the chip asks of the cells of a shard."""

    weights: F32
    state: Any
    numbers: Any

    def leak(self, row_start: int, row_stop: int, dt_s: float) -> None:
        """Let the capacitors of these rows leak."""

    def transfer(self, row_start: int, row_stop: int, seed: int, index: int, invert: bool) -> Any:
        """Move the weights of these rows to the long-term devices."""

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> Any:
        """Put back what these rows' capacitors lost."""


@dataclass(frozen=True)
class Statistics:
    """What a stretch of training did: totals over its examples."""

    loss: float
    right: int
    pulses: int
    columns_clipped: int
    pulses_limited: int
    columns_pulsed: int


class ChipModel:
    """The cells of all shards in numbers; `play` trains them in the order of a timeline.

    `alpha` is the conductance in uS of a weight of one, by layer; `rates` the learning rate by epoch; `order` the
    example of each step. Weights change in place.
    """

    def __init__(
        self,
        schedule: Schedule,
        cells: Sequence[ShardCells],
        update: Callable[..., Any],
        *,
        alpha: F32,
        edges: Edges,
        x: F32,
        y: I64,
        order: npt.NDArray[np.int32],
        rates: F32,
        per_epoch: int,
        seed: int,
        leakage: bool = True,
    ) -> None:
        self.schedule, self.cells = schedule, list(cells)
        self.program = program_of(schedule)
        self.buffers = Buffers(self.program)
        self.leakage, self.seed = leakage, seed
        self._play = make_play(update)
        self._alpha = alpha
        layout = layout_of(schedule.mapping.workload)
        levels = (edges.drive_levels, edges.delta_levels, edges.read_levels, edges.pulses)
        ranges = (np.float32(edges.partial_range), np.float32(edges.output_range), np.float32(edges.step))
        p, b = self.program, self.buffers
        self._fixed = (
            p.kind, p.shard, p.shards, p.grid, p.widths, layout.bias, tuple(c.weights for c in cells),
            tuple(c.state for c in cells), cells[0].numbers, alpha, levels, ranges, x, y, order, rates, per_epoch, seed,
            b.acts, b.deltas, b.sums, b.errors, b.counts, b.stats,
        )  # fmt: skip
        self._latency = [op.stages[0].latency_cycles if op.stages else 0 for op in schedule.ops]
        self._cycle_s = 1 / float(schedule.chip.spec.technology.clock_hz)
        self._last = [np.zeros(shard.rows, dtype=np.int64) for shard in schedule.mapping.shards]
        self._updated = np.zeros(len(self.cells), dtype=np.int64)
        self._per_epoch = per_epoch
        self.epoch = 0
        self.maintained = 0
        self.records = 0  # of the timeline, that were played

    def play(
        self, chunks: Iterable[tuple[I64, I64, I64]], epoch_ends: Callable[[int, Statistics], None] | None = None
    ) -> None:
        """Train in the order of (op, instance, start cycle) records; call back when all shards have ended an epoch."""
        for op, n, start in chunks:
            self.feed(op, n, start, epoch_ends)

    def feed(self, op: I64, n: I64, start: I64, epoch_ends: Callable[[int, Statistics], None] | None = None) -> None:
        """Train by the next records."""
        position, before = 0, self.records
        while position < len(op):
            stop = (self.epoch + 1) * self._per_epoch
            position, why = self._play(op, n, position, stop, TICK, *self._fixed)
            if why == AT_MAINTENANCE:
                self._maintain(int(op[position]), int(n[position]), int(start[position]))
                position += 1
            elif why == AFTER_UPDATE:
                which, example = int(op[position - 1]), int(n[position - 1])
                shard = int(self.program.shard[which])
                if (example + 1) % TICK == 0:
                    self._leak(shard, 0, len(self._last[shard]), int(start[position - 1]) + self._latency[which])
                if example + 1 == stop:
                    self._updated[shard] = stop
                    if (self._updated == stop).all():
                        self.epoch, self.records = self.epoch + 1, before + position
                        if epoch_ends is not None:
                            epoch_ends(self.epoch - 1, self.statistics())
        self.records = before + len(op)

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return all that training changes, by name, and not copied: `restore` them to go on from here to the bit."""
        cells = {
            f"cells{i}.{name}": array
            for i, cells in enumerate(self.cells)
            for name, array in zip(cells.state._fields, cells.state, strict=True)
        }
        buffers = {f"buffers.{name}": value for name, value in vars(self.buffers).items()}
        leaked = {f"last{i}": last for i, last in enumerate(self._last)}
        counters = np.array([self.epoch, self.maintained, self.records], dtype=np.int64)
        return {**cells, **buffers, **leaked, "updated": self._updated, "counters": counters}

    def restore(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `arrays` of the same chip, schedule and data returned; ValueError if they are others'."""
        copy_arrays(arrays, self.arrays())
        self.epoch, self.maintained, self.records = (int(count) for count in arrays["counters"])

    def statistics(self) -> Statistics:
        """Return what was done since the last call."""
        loss, right, pulses, clipped, limited, columns = self.buffers.stats
        self.buffers.stats[:] = 0
        return Statistics(float(loss), int(right), int(pulses), int(clipped), int(limited), int(columns))

    def accuracy(self, x: F32, y: I64) -> float:
        """Return the fraction of examples that the chip as it is now classifies rightly, through all of its edges."""
        shards = self.schedule.mapping.shards
        forward = {int(self.program.shard[op.index]): op.index for op in self.schedule.ops if op.kind == "forward"}
        ops = np.array([forward[shard.index] for shard in shards], dtype=np.int64)  # shards are in order of layers
        n = np.repeat(np.arange(len(x), dtype=np.int64), len(ops))
        buffers = Buffers(self.program)
        fixed = list(self._fixed)
        fixed[12:15] = [x, y, np.arange(len(x), dtype=np.int32)]
        fixed[18:] = [buffers.acts, buffers.deltas, buffers.sums, buffers.errors, buffers.counts, buffers.stats]
        self._play(np.tile(ops, len(x)), n, 0, 0, TICK, *fixed)
        return float(buffers.stats[1] / len(x))

    def matrices(self) -> list[F32]:
        """Return the network's weights [rows, outputs] by layer, as the crossbars read them."""
        found = []
        for index, layer in enumerate(self.schedule.mapping.workload.layers):
            matrix = np.empty((layer.rows, layer.outputs), dtype=np.float32)
            for shard in self.schedule.mapping.shards:
                if shard.layer == index:
                    own = self.cells[shard.index].weights / self._alpha[index]
                    matrix[shard.row_start : shard.row_stop, shard.col_start : shard.col_stop] = own
            found.append(matrix)
        return found

    def _leak(self, shard: int, begin: int, end: int, cycle: int) -> None:
        """Let rows leak until a cycle; neighbours that last leaked at the same time go together."""
        last = self._last[shard]
        while begin < end:
            stop = begin + 1
            while stop < end and last[stop] == last[begin]:
                stop += 1
            elapsed = cycle - int(last[begin])
            if elapsed > 0:
                if self.leakage:
                    self.cells[shard].leak(begin, stop, elapsed * self._cycle_s)
                last[begin:stop] = cycle
            begin = stop

    def _maintain(self, op: int, n: int, start: int) -> None:
        """Transfer or rewrite an instance's row groups, each read when its turn comes; waiting rows go on leaking."""
        m = self.schedule.ops[op].maintenance
        assert isinstance(m, Maintenance)
        variant = n % len(m.groups)
        shard, cells = m.shard, self.cells[m.shard]
        row = sum(sum(groups) for groups in m.groups[:variant])
        for place, rows in enumerate(m.groups[variant]):
            read = start + place * m.group_cycles
            written = int(self._last[shard][row])
            self._leak(shard, row, row + rows, read)
            if m.period_cycles:
                cells.rewrite(row, row + rows, (read - written) * self._cycle_s, self.seed, n)
            else:
                cells.transfer(row, row + rows, self.seed, n // len(m.groups), True)
            self._last[shard][row : row + rows] = read + m.group_cycles
            row += rows
        self.maintained += 1


def copy_arrays(given: Mapping[str, npt.NDArray[Any]], own: Mapping[str, npt.NDArray[Any]]) -> None:
    """Copy arrays into those of the same names; raise ValueError, before any is changed, where they do not fit."""
    for name, array in own.items():
        if name not in given or (given[name].shape, given[name].dtype) != (array.shape, array.dtype):
            raise ValueError(f"the array '{name}' is missing, or of another shape or kind")
    for name, array in own.items():
        array[...] = given[name]


class Carrier:
    """Carries values through an event simulation: give it to `simulate` as its observer.

    Crossbars are read when an op starts and written when it ends, in the order of the events themselves.
    """

    def __init__(self, model: ChipModel) -> None:
        self.model = model
        self._starts: dict[tuple[int, int], int] = {}

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        """Read."""
        if op.kind in ("forward", "backward"):
            self._feed(op.index, n, cycle)
        elif op.kind in KINDS:
            self._starts[op.index, n] = cycle

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        """Stages within an op carry nothing."""

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        """Write."""
        if op.kind in KINDS and op.kind not in ("forward", "backward"):
            self._feed(op.index, n, self._starts.pop((op.index, n)))

    def _feed(self, op: int, n: int, start: int) -> None:
        one = np.array([[op], [n], [start]], dtype=np.int64)
        self.model.feed(one[0], one[1], one[2])
