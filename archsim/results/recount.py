"""A second count of what arrays and their lines take, value by value, to hold the bill against.

The bill is made of means that the accuracy model adds up in tables while it plays. Here the vectors and the cells of
single examples are looked at after each op, and its energy follows from the drivers' and the cells' own equations.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from math import sqrt
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.functional.activity import drivers_of
from archsim.functional.chip_model import ChipModel
from archsim.functional.floating_point import learning_rates
from archsim.functional.hashes import PHASE, ROUNDING, ROW_ROUNDING, key, uniform
from archsim.functional.setup import BACKWARD, DELTAS, FORWARD, UPDATE
from archsim.mapping.schedule import Schedule
from archsim.mapping.shards import Shard
from archsim.results.bill import Bill

I64: TypeAlias = npt.NDArray[np.int64]
F64: TypeAlias = npt.NDArray[np.float64]

MOST = 256
"""Examples that are looked at, evenly spread; all of a shorter run: an assumption, some per cent of a run's time."""

PARTS = {
    "reads of cells in forward": ("forward", ("device",), ("read",)),
    "reads of cells in backward": ("backward", ("device",), ("read",)),
    "lines read in forward": ("forward", ("crossbar",), ("read_rows", "ramp_rows")),
    "lines read in backward": ("backward", ("crossbar",), ("read_cols", "ramp_cols")),
    "lines pulsed in updates": ("update", ("crossbar",), ("update_rows", "update_cols")),
    "cells pulsed in updates": ("update", ("device",), ("update",)),
}
"""What is counted again: the phase, components and actions of the bill."""


class Recount:
    """Plays a timeline on a model as `ChipModel.play` does, and counts again what every so-and-so-many-th example took.

    `joules[part]` holds the energy of each example looked at.
    """

    def __init__(self, schedule: Schedule, model: ChipModel) -> None:
        self._schedule, self._model = schedule, model
        self._steps = schedule.mapping.workload.steps
        self.every = max(1, schedule.examples // max(2, MOST // self._steps))
        self.total = schedule.examples
        self.examples = len(range(0, self.total, self.every))
        self._drivers = drivers_of(schedule)
        training = schedule.mapping.workload.training
        self._per_epoch = schedule.mapping.workload.dataset.examples
        self._rates = learning_rates(training, -(-schedule.examples // self._per_epoch) + 1)
        self._spent: dict[str, dict[int, float]] = {part: defaultdict(float) for part in PARTS}

    def play(self, chunks: Iterable[tuple[I64, I64, I64]]) -> None:
        """Train in the order of (op, instance, start cycle) records, looking at examples on the way."""
        for op, n, start in chunks:
            kinds = self._model.program.kind[op]
            looked = (n % self.every == 0) & np.isin(kinds, (FORWARD, BACKWARD, UPDATE))
            begin = 0
            for at in (*np.flatnonzero(looked).tolist(), None):
                stop = len(op) if at is None else at + 1
                self._model.feed(op[begin:stop], n[begin:stop], start[begin:stop])
                if at is not None:
                    self._look(int(op[at]), int(n[at]))
                begin = stop

    def joules(self, part: str) -> F64:
        """Return the energy of each example looked at, in joules."""
        return np.array([self._spent[part][n] for n in range(0, self.total, self.every)])

    def within(self, part: str) -> float:
        """Return by what fraction the mean of these examples may differ from that of all: four standard errors."""
        found = self.joules(part)
        left = 1 - self.examples / self.total
        if not found.any() or self.examples < 2:
            return 0.0
        return 4 * float(found.std(ddof=1)) * sqrt(left / self.examples) / float(found.mean())

    def _look(self, op: int, n: int) -> None:
        kind = int(self._model.program.kind[op])
        program, buffers = self._model.program, self._model.buffers
        shard = self._schedule.mapping.shards[int(program.shard[op])]
        vector = n * self._steps + int(program.step[op])
        if kind == UPDATE:  # the one that was learnt just now
            vector += int(self._model.measures.under_way[shard.index, n % program.slots] - 1) % int(
                program.updates[shard.index])  # fmt: skip
        place, at = vector % buffers.acts.shape[1], int(program.shards[shard.index, DELTAS])
        x = buffers.acts[shard.layer, place, shard.row_start : shard.row_stop].astype(np.float64)
        d = buffers.deltas[shard.layer, place, at : at + shard.cols].astype(np.float64)
        if kind == FORWARD:
            full = float(self._model.spans.drive[shard.layer])
            self._read("forward", shard, n, np.minimum(np.abs(x) / full, 1.0), FORWARD)
        elif kind == BACKWARD:
            if (largest := np.abs(d).max()) > 0:
                self._read("backward", shard, n, np.abs(d) / largest, BACKWARD)
        else:
            self._update(shard, n, vector, at, x, d)

    def _read(self, phase: str, shard: Shard, n: int, values: F64, side: int) -> None:
        """Count a read: in each pass a line is on for its value's time, with all cells on it, and charged for it."""
        tile, driver = self._schedule.chip.tiles[shard.tile].spec, self._drivers[side][shard.index]
        codes = np.rint(values * ((1 << driver.bits) - 1)).astype(np.int64).tolist()
        cells = self._model.cells[shard.index].conductances().astype(np.float64)
        behind = cells.sum(axis=1) if side == FORWARD else cells[: shard.inputs].sum(axis=0)
        on_s = np.array([driver.on_share(code) for code in codes]) * float(driver.window_s)
        charge_s_siemens = float((on_s * behind).sum()) * 1e-6
        crossed = tile.cols if side == FORWARD else tile.rows
        swings = sum(driver.swings_at(code) for code in codes)
        converter = tile.col_converter if side == FORWARD else tile.backward_converter
        passes = [(phase, group) for phase in range(driver.phases) for group in range(converter.groups)]
        conducting = [
            (phase, group)
            for phase, group in passes
            if (driver.phase_cells == "all" or phase == 0) and (converter.group_cells == "all" or group == 0)
        ]  # of those that share the cells among them, the first stands for all
        charge_s_siemens *= len(conducting) * driver.cell_reads
        swings *= len(passes)
        self._spent[f"reads of cells in {phase}"][n] += tile.device.read_energy_at_j(charge_s_siemens, 1.0)
        self._spent[f"lines read in {phase}"][n] += swings * tile.array.line_energy_j(crossed)

    def _update(self, shard: Shard, n: int, vector: int, at: int, x: F64, d: F64) -> None:
        """Count an update: trains of rows and columns, drawn as the model draws them, and where they coincide.

        Its columns' gradients are those of the layer from `at` on.
        """
        tile, model, layer = self._schedule.chip.tiles[shard.tile].spec, self._model, shard.layer
        full, slots = float(model.spans.drive[layer]), tile.updated_array.pulses
        step = model.quantisers[shard.index].step
        per_delta = float(self._rates[n // self._per_epoch]) * full * float(model.alpha[layer]) / step
        largest, shift = per_delta * float(np.abs(d).max()), 0
        while largest and shift < tile.updated_array.update_shift and largest * 2 ** (shift + 1) <= slots:
            shift += 1
        per_delta *= 2**shift
        draws = np.uint64(key(model.seed, ROUNDING, layer, vector))
        chance = np.array([uniform(draws, at + j) for j in range(len(d))])
        columns = np.where(d == 0, 0, np.minimum(np.floor(per_delta * np.abs(d) + chance), slots))
        draws = np.uint64(key(model.seed, PHASE, layer, vector))
        phases = np.array([uniform(draws, shard.row_start + i) for i in range(len(x))])
        signs = int(model.spans.phases[layer])
        x = x / full / 2**shift
        shares = np.clip(np.abs(x) if signs == 2 else x, 0, 1)
        draws = np.uint64(key(model.seed, ROW_ROUNDING, layer, vector))
        chance = np.array([uniform(draws, shard.row_start + i) for i in range(len(x))])
        rows = np.where(shares > 0, np.minimum(np.floor(shares * slots + chance), slots), 0)
        met = np.floor(np.outer(rows, columns) / slots + np.where(rows > 0, phases, 0.0)[:, None])
        lines = rows.sum() * tile.array.line_energy_j(tile.cols)
        lines += signs * columns.sum() * tile.array.line_energy_j(tile.rows)
        self._spent["lines pulsed in updates"][n] += float(lines)
        self._spent["cells pulsed in updates"][n] += float(met.sum()) * tile.device.pulse_j


def billed_j(bill: Bill, part: str) -> float:
    """Return what a bill has of a part, in joules."""
    phase, components, actions = PARTS[part]
    own = (item for item in bill.items if item.phase == phase and item.component in components)
    return float(sum(item.energy_j for item in own if item.action in actions))
