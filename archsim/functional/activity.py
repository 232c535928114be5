"""The activity of the arrays: how lines drive and pulse them, and through what conductance, as training measures it.

The drive of each line is added up while it is played (see `setup.Measures`); the conductances behind it are read
from time to time. In between they are taken as the mean of the two readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain, groupby
from typing import TypeAlias

import numpy as np

from archsim.base.arrays import F32, F64, I64
from archsim.base.machine_code import lean
from archsim.components.cells.numeric.base import Cells, TransferCounts
from archsim.components.drivers import Driver, PwmDriver
from archsim.functional.line_drop import LineDrop
from archsim.functional.setup import Measures
from archsim.mapping.schedule import Schedule

DIRECTIONS = ("forward", "backward")


@dataclass(frozen=True)
class Reads:
    """All reads of one layer in one direction: how many of cells, and sums over them, phases and groups counted apart.

    `on_s` adds up the time for which cells were driven, `charge_s_siemens` that time times their conductance, and
    `energy_j` the energy, supply x read voltage x conductance x time. `lines` counts the lines that had a value to
    drive, and `swings` how often they were charged for it.
    """

    layer: int
    direction: str
    cell_reads: int
    on_s: float
    charge_s_siemens: float
    energy_j: float
    lines: int = 0
    swings: int = 0

    @property
    def swings_per_line(self) -> float:
        """Mean number of times that a line is charged in a read; 0 without reads."""
        return self.swings / self.lines if self.lines else 0.0

    @property
    def on_time_s(self) -> float:
        """Mean time for which a cell is driven in a read, in seconds; 0 without reads."""
        return self.on_s / self.cell_reads if self.cell_reads else 0.0

    @property
    def conductance_siemens(self) -> float:
        """Mean conductance of the driven cells, weighted by the time; 0 if none was driven."""
        return self.charge_s_siemens / self.on_s if self.on_s else 0.0


@dataclass(frozen=True)
class Updates:
    """All updates of one layer: how many of lines and cells, and the pulses that they fired or saw."""

    layer: int
    rows: int
    row_pulses: int
    cols: int
    col_pulses: int
    cells: int
    cell_pulses: int


@dataclass(frozen=True)
class Transfers:
    """All transfers of one layer: how many cells they were of, and how many had their long-term devices programmed."""

    layer: int
    cells: int
    programmed: int


def drivers_of(schedule: Schedule) -> list[list[Driver]]:
    """Return what drives each shard, [direction][shard]: its tile's rows, its tile's columns.

    Where another tile drives the lines, by a ramp or by its own drivers, that is as good as pulse-width modulation of
    that length.
    """
    chip, shards = schedule.chip, schedule.mapping.shards
    tiles = [chip.tiles[shard.tile].spec for shard in shards]
    found = [[tile.row_driver for tile in tiles], [tile.backward_driver for tile in tiles]]
    place = {shard.tile: shard.index for shard in shards}
    for op in schedule.ops:
        if op.kind not in DIRECTIONS:
            continue
        stage, side = op.stages[0], DIRECTIONS.index(op.kind)
        if any(use.action == ("ramp_rows", "ramp_cols")[side] for use in stage.uses):
            others = [chip.units[unit].actions for unit in stage.acquire if chip.units[unit].tile != op.tile]
            sends = [actions[name] for actions in others for name in ("ramp_out", "encode") if name in actions]
            window_s = sends[0].latency_s
            own = found[side][place[op.tile]]
            if not (isinstance(own, PwmDriver) and own.window_s == window_s):
                step_s = window_s / (1 << own.bits)
                found[side][place[op.tile]] = PwmDriver(bits=own.bits, step_s=step_s, energy_j=0.0, area_m2=0.0)
    return found


def on_tables(drivers: Sequence[Sequence[Driver]]) -> tuple[F64, I64, F64, I64]:
    """Return tables by value, their last entries, and [direction, shard] which of them is whose.

    Tables hold the share of the window for which a line is on, and how often it is charged. A driver's table spans 0 to
    full scale in equal steps; shorter tables are filled up with zeros.
    """
    kinds = list(dict.fromkeys(chain.from_iterable(drivers)))
    codes = [driver.codes() for driver in kinds]
    tops = [len(own) - 1 for own in codes]
    shares = np.zeros((len(kinds), max(tops) + 1), dtype=np.float64)
    swings = np.zeros(shares.shape, dtype=np.int64)
    for i, driver in enumerate(kinds):
        shares[i, : tops[i] + 1] = driver.on_shares()
        swings[i, : tops[i] + 1] = [driver.swings_at(code) for code in codes[i]]
    which = [[kinds.index(driver) for driver in side] for side in drivers]
    return shares, swings, np.array(tops, dtype=np.float64), np.array(which, dtype=np.int64)


Measured: TypeAlias = Reads | Updates | Transfers


@lean()
def add_lines(found: F32, inputs: int, rows: F64, columns: F64) -> None:
    """Add up numbers [rows, columns] by row, and those of the first `inputs` rows by column."""
    for row in range(found.shape[0]):
        total = 0.0
        for col in range(found.shape[1]):
            total += found[row, col]
        rows[row] += total
        if row < inputs:
            for col in range(found.shape[1]):
                columns[col] += found[row, col]


class ReadMeter:
    """Adds up the drive of all lines, and the charge through the cells behind them, by direction and shard."""

    def __init__(
        self, schedule: Schedule, cells: Sequence[Cells], measures: Measures, drops: Sequence[LineDrop] = ()
    ) -> None:
        self._cells, self._measures, self._drops = list(cells), measures, drops
        self._shards = schedule.mapping.shards
        self._tiles = [schedule.chip.tiles[shard.tile].spec for shard in self._shards]
        self._drivers = drivers_of(schedule)
        self.time = np.zeros((len(DIRECTIONS), len(cells)), dtype=np.float64)
        self.charge = np.zeros((len(DIRECTIONS), len(cells)), dtype=np.float64)
        self.transferred = np.zeros((2, len(cells)), dtype=np.int64)
        self._last = [self._line_sums(shard) for shard in range(len(cells))]

    def sample(self, shard: int) -> None:
        """Read a shard's conductances, and charge the drive since the last reading to the mean of the two."""
        now = self._line_sums(shard)
        own = self._shards[shard]
        for side, crossed in enumerate((own.cols, own.inputs)):
            lines = len(now[side])
            drive = self._measures.drive[side, shard, :lines]
            self.time[side, shard] += drive.sum() * crossed
            self.charge[side, shard] += (drive * (self._last[shard][side] + now[side])).sum() / 2
            drive[:] = 0
        self._last[shard] = now

    def transfer(self, shard: int, found: TransferCounts) -> None:
        """Note what a transfer of some rows did."""
        self.transferred[:, shard] += found.written, found.programmed

    def reads(self) -> list[Reads]:
        """Return what all reads so far came to, by layer and direction; those never read in are left out."""
        for shard in range(len(self._cells)):
            self.sample(shard)
        found = []
        for layer, group in groupby(self._shards, key=lambda shard: shard.layer):
            own = [shard.index for shard in group]
            for side, direction in enumerate(DIRECTIONS):
                crossed = [(self._shards[i].cols, self._shards[i].inputs)[side] for i in own]
                times = [int(each) for each in self._measures.reads[side, own]]
                behind = [(self._shards[i].rows, self._shards[i].inputs)[side] * self._shards[i].cols for i in own]
                repeats = [self._tiles[i].read_repeats(backward=side == 1) for i in own]
                charged, again = (np.array(each) for each in zip(*repeats, strict=True))
                count = sum(n * int(k) * cells for n, k, cells in zip(times, again, behind, strict=True))
                if count:
                    windows = again * np.array([float(self._drivers[side][i].window_s) for i in own])
                    on_s, charge = windows * self.time[side, own], windows * self.charge[side, own] * 1e-6
                    energy = [self._tiles[i].device.read_energy_at_j(c, 1.0) for i, c in zip(own, charge, strict=True)]
                    lines = sum(n * int(k) * cells // across
                                for n, k, cells, across in zip(times, charged, behind, crossed, strict=True)
                                if across)  # fmt: skip
                    swings = int((self._measures.swings[side, own] * charged).sum())
                    time_s, drawn, spent_j = (float(sum(each)) for each in (on_s, charge, energy))
                    found.append(Reads(layer, direction, count, time_s, drawn, spent_j, lines, swings))
        return found

    def updates(self) -> list[Updates]:
        """Return what all updates so far came to, by layer; those without any are left out."""
        found = []
        for layer, group in groupby(self._shards, key=lambda shard: shard.layer):
            own = list(group)
            times = [int(self._measures.applied[shard.index]) for shard in own]
            if any(times):
                lines = [
                    sum(n * getattr(shard, size) for n, shard in zip(times, own, strict=True))
                    for size in ("rows", "cols", "cells")
                ]
                fired = [int(kind[[shard.index for shard in own]].sum()) for kind in self._measures.fired]
                pairs = [number for pair in zip(lines, fired, strict=True) for number in pair]
                found.append(Updates(layer, *pairs))
        return found

    def transfers(self) -> list[Transfers]:
        """Return what all transfers so far came to, by layer; those without any are left out."""
        found = []
        for layer, group in groupby(self._shards, key=lambda shard: shard.layer):
            cells, programmed = self.transferred[:, [shard.index for shard in group]].sum(axis=1).tolist()
            if cells:
                found.append(Transfers(layer, cells, programmed))
        return found

    def arrays(self) -> dict[str, F64 | I64]:
        """Return the sums and the last readings, by name, and not copied."""
        last = {f"last{shard}.{side}": sums for shard, both in enumerate(self._last) for side, sums in enumerate(both)}
        return {"time": self.time, "charge": self.charge, "transferred": self.transferred, **last}

    def _line_sums(self, shard: int) -> tuple[F64, F64]:
        """Return what each row and each column conducts in all, in uS; a backward pass reads no bias row.

        With resistive lines it is what each draws when it is driven alone, when that was last taken.
        """
        if self._drops:
            drop = self._drops[shard]
            return drop.forward.rows_drawn.copy(), drop.backward.columns_drawn.copy()
        found = self._cells[shard].conductances()
        rows, columns = np.zeros(found.shape[0]), np.zeros(found.shape[1])
        add_lines(found, self._shards[shard].inputs, rows, columns)
        return rows, columns


def together(parts: Iterable[Measured]) -> list[Measured]:
    """Return the reads, updates and transfers of several chips, such as those of several seeds, as those of one."""
    sums: dict[tuple[int, int], Measured] = {}
    kinds = (*DIRECTIONS, Updates, Transfers)
    for part in parts:
        place = (part.layer, kinds.index(part.direction if isinstance(part, Reads) else type(part)))
        if (before := sums.get(place)) is not None:
            names = [each.name for each in fields(part) if each.name not in ("layer", "direction")]
            part = replace(part, **{name: getattr(before, name) + getattr(part, name) for name in names})
        sums[place] = part
    return [sums[place] for place in sorted(sums)]
