"""The activity of the arrays: for how long lines drive them, and through what conductance, as training measures it.

The drive of each line is added up while it is played (see `executor.Measures`); the conductances behind it are read
from time to time. In between they are taken as the mean of the two readings.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.components.drivers import Driver
from archsim.functional.executor import Measures
from archsim.mapping.schedule import Schedule
from archsim.spec import TileSpec

F32: TypeAlias = npt.NDArray[np.float32]
F64: TypeAlias = npt.NDArray[np.float64]
I64: TypeAlias = npt.NDArray[np.int64]

DIRECTIONS = ("forward", "backward")


class Conducting(Protocol):
    """What is asked of the cells of a shard."""

    def conductances(self) -> F32:
        """Return what a read of each cell draws current through, [rows, cols], in uS."""


@dataclass(frozen=True)
class Reads:
    """All reads of one layer in one direction: how many of cells, and sums over them.

    `on_s` adds up the time for which cells were driven, `charge_s_siemens` that time times their conductance, and
    `energy_j` the energy, supply x read voltage x conductance x time.
    """

    layer: int
    direction: str
    cell_reads: int
    on_s: float
    charge_s_siemens: float
    energy_j: float

    @property
    def on_time_s(self) -> float:
        """Mean time for which a cell is driven in a read, in seconds; 0 without reads."""
        return self.on_s / self.cell_reads if self.cell_reads else 0.0

    @property
    def conductance_siemens(self) -> float:
        """Mean conductance of the driven cells, weighted by the time; 0 if none was driven."""
        return self.charge_s_siemens / self.on_s if self.on_s else 0.0


def drivers_of(tile: TileSpec) -> tuple[Driver, Driver]:
    """Return the drivers of a tile by direction: those of its rows, those of its columns."""
    return tile.row_driver, tile.backward_driver


def on_tables(tiles: Sequence[TileSpec]) -> tuple[F64, F64, I64]:
    """Return tables of the share of the window by value, their last entries, and [direction, tile] which one is whose.

    A driver's table spans 0 to full scale in equal steps; shorter tables are filled up with zeros.
    """
    kinds = list(dict.fromkeys(driver for tile in tiles for driver in drivers_of(tile)))
    shares = [driver.on_shares() for driver in kinds]
    table = np.zeros((len(kinds), max(map(len, shares))), dtype=np.float64)
    for i, share in enumerate(shares):
        table[i, : len(share)] = share
    which = [[kinds.index(drivers_of(tile)[side]) for tile in tiles] for side in range(len(DIRECTIONS))]
    return table, np.array([len(share) - 1 for share in shares], dtype=np.float64), np.array(which, dtype=np.int64)


class ReadMeter:
    """Adds up the drive of all lines, and the charge through the cells behind them, by direction and shard."""

    def __init__(self, schedule: Schedule, cells: Sequence[Conducting], measures: Measures) -> None:
        self._cells, self._measures = list(cells), measures
        self._shards = schedule.mapping.shards
        self._tiles = [schedule.chip.tiles[shard.tile].spec for shard in self._shards]
        self.time = np.zeros((len(DIRECTIONS), len(cells)), dtype=np.float64)
        self.charge = np.zeros((len(DIRECTIONS), len(cells)), dtype=np.float64)
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

    def reads(self) -> list[Reads]:
        """Return what all reads so far came to, by layer and direction; those never read in are left out."""
        for shard in range(len(self._cells)):
            self.sample(shard)
        found = []
        for layer, group in groupby(self._shards, key=lambda shard: shard.layer):
            own = [shard.index for shard in group]
            for side, direction in enumerate(DIRECTIONS):
                count = int(self._measures.work[side, own].sum()) // 2
                if count:
                    windows = [float(drivers_of(self._tiles[i])[side].window_s) for i in own]
                    on_s = [window * self.time[side, i] for i, window in zip(own, windows, strict=True)]
                    charge = [window * self.charge[side, i] * 1e-6 for i, window in zip(own, windows, strict=True)]
                    energy = [self._tiles[i].device.read_energy_at_j(c, 1.0) for i, c in zip(own, charge, strict=True)]
                    found.append(
                        Reads(layer, direction, count, float(sum(on_s)), float(sum(charge)), float(sum(energy)))
                    )
        return found

    def arrays(self) -> dict[str, F64]:
        """Return the sums and the last readings, by name, and not copied."""
        last = {f"last{shard}.{side}": sums for shard, both in enumerate(self._last) for side, sums in enumerate(both)}
        return {"time": self.time, "charge": self.charge, **last}

    def _line_sums(self, shard: int) -> tuple[F64, F64]:
        """Return what each row and each column conducts in all, in uS; a backward pass reads no bias row."""
        found = self._cells[shard].conductances()
        inputs = self._shards[shard].inputs
        return found.sum(axis=1, dtype=np.float64), found[:inputs].sum(axis=0, dtype=np.float64)


def together(parts: Iterable[Reads]) -> list[Reads]:
    """Return the reads of several chips, such as those of several seeds, as those of one."""
    sums: dict[tuple[int, str], Reads] = {}
    for part in parts:
        place = (part.layer, part.direction)
        before = sums.get(place, Reads(*place, 0, 0.0, 0.0, 0.0))
        sums[place] = Reads(
            *place, before.cell_reads + part.cell_reads, before.on_s + part.on_s,
            before.charge_s_siemens + part.charge_s_siemens, before.energy_j + part.energy_j,
        )  # fmt: skip
    return [sums[place] for place in sorted(sums, key=lambda place: (place[0], DIRECTIONS.index(place[1])))]
