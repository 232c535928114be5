"""IR drop: what reads see of weights whose row and column lines have resistance.

A read with idle rows grounded is linear, so that each cell has an effective conductance: the current at its column
line's end for a volt at its row line's, which does not depend on what else is read. The same holds the other way round
and, by reciprocity, gives the same where each line is driven and read at one end.

Exactly it is the solution of a net of all lines. Here a row is taken as a ladder whose column lines are at ground, a
column line as one whose rows are, and a cell's effective conductance as a G b: the share a of the row's voltage that it
sees, times the share b of its current that arrives. What leaks from a column line into other rows and comes back by
other column lines is added as it would be if all devices of a kind were alike.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.base.arrays import F32, F64, U64, Array
from archsim.base.errors import Problem, SpecError
from archsim.base.lanes import WIDTH, load, store
from archsim.base.machine_code import lean, njit
from archsim.components.cells.numeric.base import Cells, DeviceLine, Sight
from archsim.components.cells.numeric.coincidences import firing_by_eight
from archsim.components.wires import Ends, Wires
from archsim.functional.setup import Crossbars
from archsim.mapping.schedule import Schedule

_NOTHING = np.zeros((2, 0, 0), np.float32)
_PER_LINE = {"one": 4, "pairs": 2, "each": 1}
"""How many kinds of devices hang on a row line, by `Wires.row_lines`; no cell has more than four."""


@njit(error_model="numpy")
def ladder(conductance: F32, wire: Any, near: Any, far: Any, shares: F32) -> None:
    """Set what share of the voltage before a line's first cell its cells see, all [cells, lines].

    `conductance` is to ground, in uS; `wire` the resistance between two cells and `near` that before the first, in
    megohm; `far` conducts beyond the last cell. Resistances are added up from the far end.
    """
    one = np.float32(1)
    count, lines = conductance.shape
    beyond = np.full(lines, far, np.float32)
    for cell in range(count - 1, -1, -1):
        length = wire if cell else near
        for line in range(lines):
            total = beyond[line] + conductance[cell, line]
            share = one / (one + length * total)
            shares[cell, line] = share
            beyond[line] = total * share
    for cell in range(1, count):
        for line in range(lines):
            shares[cell, line] *= shares[cell - 1, line]


def drops(conductance: F32, ohm: float) -> bool:
    """Return whether lines [cells, lines] of these conductances, in uS, drop more than float32 tells from nothing."""
    resolved = float(np.finfo(np.float32).eps) / 4
    return ohm * 1e-6 * float(conductance.max(initial=0)) * len(conductance) ** 2 > resolved


def reach(conductance: F32, ohm: float, ends: Ends, unused: int) -> F32:
    """Return the share of the voltage at its connected ends that each cell of a line sees, [cells, lines].

    `conductance` [cells, lines] is to ground, in uS; `ohm` from a cell to the next. The wire goes on along so many
    `unused` cells before its last end. It is as well the share of a cell's current that arrives at the ends.
    """
    if not drops(conductance, ohm):
        return np.ones_like(conductance)
    wire = np.float32(ohm * 1e-6)
    last = wire * np.float32(1 + unused)
    given, turned = np.ascontiguousarray(conductance), np.ascontiguousarray(conductance[::-1])
    open_end, both = np.float32(0), ends == "both"
    found = np.zeros_like(given)
    if ends != "last":
        ladder(given, wire, wire, 1 / last if both else open_end, found)
    if ends != "first":
        other = np.empty_like(given)
        ladder(turned, wire, last, 1 / wire if both else open_end, other)
        found += other[::-1]
    return found


WAVES = 8
"""How many waves along the columns are taken of what leaks and comes back; more change it by less than a thousandth."""


@functools.lru_cache(maxsize=64)
def waves(cells: int, ends: Ends, unused: int) -> tuple[F64, F64, F64]:
    """Return the longest waves along a line without devices.

    They are the eigenvectors [cells, waves] of its wire's conductances, in units of that between two cells, the
    eigenvalues, and what of each arrives at the connected ends.
    """
    joined = np.zeros(cells)
    joined[0] += ends != "last"
    joined[-1] += (ends != "first") / (1 + unused)
    between = np.diag(np.ones(cells - 1), 1)
    wire = -between - between.T
    values, vectors = np.linalg.eigh(wire + np.diag(joined - wire.sum(axis=1)))
    return vectors[:, :WAVES], values[:WAVES], joined @ vectors[:, :WAVES]


@njit(error_model="numpy")
def add_up(waves: F32, parts: F32, span: Any, found: F32) -> None:
    """Set `found` [rows, column lines] to a sum of waves [rows, waves], times their parts in every `span`-th column."""
    for row in range(found.shape[0]):
        for line in range(found.shape[1]):
            found[row, line] = 0
        for wave in range(waves.shape[1]):
            for line in range(found.shape[1]):
                found[row, line] += waves[row, wave] * parts[wave, line * span]


@njit(error_model="numpy")
def add_seen(
    conductance: F32, rows: F32, columns: F32, back: F32, counts: F32, span: Any, seen: F32, drawn: F64, through: F64
) -> None:
    """Add what is seen of one kind of device [rows, column lines].

    Added, too, is what it conducts: to `drawn` on each row if that is driven, and to `through` on each column line. A
    device that columns share counts for each in part.

    `rows` [cols, rows] and `columns` [rows, column lines] are the shares of both lines, `back` what comes back,
    `counts` [rows] by what the current counts; `span` columns share a device, whose place is that of their first.
    """
    for row in range(seen.shape[0]):
        for line in range(conductance.shape[1]):
            first = line * span
            driven = rows[first, row] * conductance[row, line]
            drawn[row] += driven * min(span, seen.shape[1] - first) / span
            through[line] += conductance[row, line] * columns[row, line]
            current = counts[row] * (driven * columns[row, line] + back[row, line])
            for col in range(first, min(first + span, seen.shape[1])):
                seen[row, col] += current


@lean(error_model="numpy")
def follow(weights: F32, terms: F32, nx: Any, nd: Any, seen: F32, places: U64) -> None:
    """Bring up to date what is seen of the cells that an update has pulsed: those of the rows and columns that fire.

    They are gone through as `capacitor_update` does; what is seen of others stays. `places` [cols] is to work in.
    """
    factor, rest = terms[0], terms[1]
    eights, ends = firing_by_eight(nd, nd.shape[0] - nd.shape[0] % WIDTH, places)
    for row in range(nx.shape[0]):
        if nx[row] > 0:
            for place in range(eights):
                at = (row, np.int64(places[place]))
                store(seen, at, load(weights, at) * load(factor, at) + load(rest, at))
            for place in range(eights, ends):
                col = places[place]
                seen[row, col] = weights[row, col] * factor[row, col] + rest[row, col]


class Seen:
    """What reads in one direction see of a shard's weights, `weights` [rows, cols] in uS, which change in place.

    When it was last taken, a weight W was seen as W `factor` + `rest`, where `factor` is what is seen of the devices
    that updates change, so that pulses since then are seen as they should be but for what they change of the factor.
    `written` is what is seen of the devices that transfers program.
    """

    def __init__(self, cells: Cells, wires: Wires, ends: tuple[Ends, Ends], unused: tuple[int, int]) -> None:
        self._cells, self._wires, self._ends, self._unused = cells, wires, ends, unused
        shape = cells.weights.shape
        self.weights, self.written = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self.terms = np.zeros((2, *shape), np.float32)
        self.factor, self.rest = self.terms
        self._columns = [np.ones_like(device.conductance, order="C") for device in cells.devices()]
        self._back = [np.zeros_like(columns) for columns in self._columns]
        self.rows_drawn, self.columns_drawn = np.zeros(shape[0]), np.zeros(shape[1])
        self.take()

    def take(self, start: int = 0, stop: int | None = None) -> None:
        """Look at the conductances of all cells, or of some rows, whose column lines are taken as they were."""
        own, devices = slice(start, stop), self._cells.devices(start, stop)
        whole = start == 0 and stop in (None, len(self.weights))
        if whole:
            for device, arriving in zip(devices, self._columns, strict=True):
                arriving[:] = reach(device.conductance, self._wires.col_ohm, self._ends[1], self._unused[0])
        seen, factor, written = self.weights[own], self.factor[own], self.written[own]
        for each in (seen, factor, written, self.rows_drawn[own]):
            each[:] = 0
        drawn = np.zeros_like(self.columns_drawn)
        pulsed, programmed = (
            np.float32(1 / max(1, sum(getattr(each, name) for each in devices))) for name in ("pulsed", "written")
        )
        for group in _together(devices, self._wires):
            mine = [devices[place] for place in group]
            rows = self._row_shares(mine)
            if whole:
                self._come_back(mine, [self._back[place] for place in group])
            for place, device in zip(group, mine, strict=True):
                columns, back = self._columns[place][own], self._back[place][own]
                conductance = np.ascontiguousarray(device.conductance)
                counts = np.ascontiguousarray(np.broadcast_to(np.float32(device.counts), (len(seen), 1))[:, 0])
                through = np.zeros(conductance.shape[1])
                add_seen(
                    conductance, rows, columns, back, counts, device.span, seen, self.rows_drawn[own], through
                )  # fmt: skip
                if whole:
                    drawn += np.repeat(through / device.span, device.span)[: len(drawn)]
                for kind, share, sums in ((device.pulsed, pulsed, factor), (device.written, programmed, written)):
                    if kind:
                        sums += rows.T * columns * share
        if whole:
            self.columns_drawn[:] = drawn
        np.subtract(seen, self._cells.weights[own] * factor, out=self.rest[own])
        self.follow(start, stop)

    def follow(self, start: int = 0, stop: int | None = None) -> None:
        """Bring rows up to date with their weights, the factor staying as it is."""
        own = slice(start, stop)
        np.multiply(self._cells.weights[own], self.factor[own], out=self.weights[own])
        self.weights[own] += self.rest[own]

    def arrays(self) -> dict[str, Array]:
        """Return what changes, by name, and not copied."""
        columns = {f"columns{place}": each for place, each in enumerate(self._columns)}
        columns |= {f"back{place}": each for place, each in enumerate(self._back)}
        own = {"weights": self.weights, "terms": self.terms, "written": self.written}
        return {**own, **columns, "rows_drawn": self.rows_drawn, "columns_drawn": self.columns_drawn}

    def _row_shares(self, devices: Sequence[DeviceLine]) -> F32:
        """Return the share of their row line's voltage that cells see, [cols, rows]."""
        rows, cols = len(devices[0].conductance), len(self.columns_drawn)
        total = np.zeros((cols, rows), np.float32)
        for device in devices:
            total[:: device.span] += device.conductance.T
        return reach(total, self._wires.row_ohm, self._ends[0], self._unused[1])

    def _come_back(self, devices: Sequence[DeviceLine], back: Sequence[F32]) -> None:
        """Set by device [rows, column lines] what leaks into other rows and comes back, in uS, if all are alike.

        Waves along the columns do not mix then: to each, a row is a ladder of what does not come back.
        """
        ohm = self._wires.col_ohm
        if not any(drops(device.conductance, ohm) for device in devices):
            for found in back:
                found[:] = 0
            return
        vectors, values, arriving = waves(len(self.weights), self._ends[1], self._unused[0])
        stiff = values * 1e6 / ohm
        means = [float(device.conductance.mean(dtype=np.float64)) for device in devices]
        parts = [mean / (stiff + mean) for mean in means]
        total = sum(mean / device.span for mean, device in zip(means, devices, strict=True))
        kept = sum(mean * part / device.span for mean, part, device in zip(means, parts, devices, strict=True))
        alike = np.append(total - kept, total).astype(np.float32)
        loads = np.tile(alike, (len(self.columns_drawn), 1))
        shares = reach(loads, self._wires.row_ohm, self._ends[0], self._unused[1])
        more = np.ascontiguousarray((shares[:, :-1] - shares[:, -1:]).T)
        for device, part, found in zip(devices, parts, back, strict=True):
            add_up((vectors * (arriving * part * 1e6 / ohm)).astype(np.float32), more, device.span, found)


def _together(devices: Sequence[DeviceLine], wires: Wires) -> Iterator[range]:
    """Yield which devices hang on one row line."""
    step = _PER_LINE[wires.row_lines]
    return (range(first, min(first + step, len(devices))) for first in range(0, len(devices), step))


@dataclass(frozen=True)
class LineDrop:
    """What reads see of a shard, forward and backward: one thing where both find lines connected at the same ends.

    `written` is `Seen.written` of each row when it was last written.
    """

    forward: Seen
    backward: Seen
    written: F32

    @property
    def sides(self) -> tuple[Seen, ...]:
        """Those that differ."""
        return (self.forward,) if self.forward is self.backward else (self.forward, self.backward)

    def take(self, start: int = 0, stop: int | None = None) -> None:
        """Look at the conductances of all cells, or of some rows."""
        for side in self.sides:
            side.take(start, stop)

    def follow(self) -> None:
        """Bring all up to date with the weights."""
        for side in self.sides:
            side.follow()

    def sight(self, start: int, stop: int) -> Sight:
        """Return what a transfer reads of some rows.

        It reads them one at a time, all others idle, as reads in forward see them, and so it verifies what it writes.
        More is left of a row that is written than of one that is read, as the capacitors of the latter have leaked.
        How much of what it programs will be left is taken from when the row was last written.
        """
        self.take(start, stop)
        own = slice(start, stop)
        return Sight(self.forward.weights[own] / self.written[own], self.forward.written[own] / self.written[own])

    def wrote(self, start: int, stop: int) -> None:
        """Look at rows that were written just now."""
        self.take(start, stop)
        self.written[start:stop] = self.forward.written[start:stop]

    def arrays(self) -> dict[str, Array]:
        """Return what changes, by name, and not copied."""
        sides = {f"{i}.{name}": each for i, side in enumerate(self.sides) for name, each in side.arrays().items()}
        return {**sides, "written": self.written}


def crossbars_of(cells: Sequence[Cells], numbers: tuple[Any, ...], drops: Sequence[LineDrop]) -> Crossbars:
    """Return the cells as compiled code takes them; without drops reads see the weights themselves."""
    weights, states = [own.weights for own in cells], [own.state for own in cells]
    seen, terms = weights * 2, [_NOTHING] * (2 * len(cells))
    if drops:
        seen = [drop.forward.weights for drop in drops] + [drop.backward.weights for drop in drops]
        terms = [drop.forward.terms for drop in drops]
        terms += [_NOTHING if drop.forward is drop.backward else drop.backward.terms for drop in drops]
    return Crossbars(filled(weights), filled(states), filled(numbers), filled(seen), filled(terms))


def filled(items: Sequence[Any]) -> tuple[Any, ...]:
    """Return items, the last again until they are 1, 2, 3, 4, 6, 8, 12, 16, ...: so few lengths are compiled for.

    >>> "".join(filled("abcde")), "".join(filled("abcdefg"))
    ('abcdee', 'abcdefgg')
    """
    whole = 1 << (len(items) - 1).bit_length()
    length = whole * 3 // 4 if whole > 3 and len(items) <= whole * 3 // 4 else whole
    return (*items, *[items[-1]] * (length - len(items)))


def line_drops(schedule: Schedule, cells: Sequence[Cells]) -> list[LineDrop]:
    """Return the drop of each shard's lines; none where no line has a resistance.

    Raises SpecError where idle rows are open, so that what is seen of weights would depend on what is read.
    """
    tiles = [schedule.chip.tiles[shard.tile].spec for shard in schedule.mapping.shards]
    if not any(tile.updated_array.wires.resistive for tile in tiles):
        return []
    if any(tile.updated_array.wires.idle_rows == "open" for tile in tiles):
        what = "with open idle rows what a read sees of resistive lines depends on what is read"
        hint = "give 'grounded', wires of 0 ohm, or --ablate ir_drop"
        raise SpecError([Problem("tile.array.wires.idle_rows", f"{what}: it cannot be trained in numbers", hint)])
    found = []
    for shard, tile, own in zip(schedule.mapping.shards, tiles, cells, strict=True):
        wires, unused = tile.updated_array.wires, (tile.rows - shard.rows, tile.cols - shard.cols)
        ways = (wires.rows_driven, wires.cols_read), (wires.rows_read, wires.cols_driven)
        forward = Seen(own, wires, ways[0], unused)
        backward = forward if ways[0] == ways[1] else Seen(own, wires, ways[1], unused)
        found.append(LineDrop(forward, backward, forward.written.copy()))
    return found
