"""Weight cells in numbers: the arrays of one shard, and what can be done to them.

Nothing here is loaded before cells are asked for, since the kernels take a while to load.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, F64, I64, U64, Flags
from archsim.components.cells.numeric.ageing import Habits
from archsim.components.cells.numeric.draws import FRESH
from archsim.components.cells.numeric.flutter import Flutter


class PulseCounts(NamedTuple):
    """What an update fired: the pulses of all cells, and those that a capacitor's range cut short."""

    pulses: int
    clipped: int


class TransferCounts(NamedTuple):
    """What a transfer or a rewrite did; conductances are in uS of weight."""

    cells: int
    both_reset: int = 0  # cells whose two devices were left RESET
    clipped: int = 0  # devices asked for more than the ramp's slot reaches
    resets: int = 0  # RESET pulses of all devices: each wears one out
    pulses: int = 0
    pulses_clipped: int = 0
    residual_sum: float = 0.0  # sum over the cells of |weight wanted - weight left|
    residual_max: float = 0.0
    programmed: int = 0  # cells whose long-term devices were programmed
    written: int = 0  # cells that were given a weight: programmed, or by pulses on their capacitor
    left_over: int = 0  # of those written, off by more than a pulse's nominal change because slots or a range ended


class Occupancy(NamedTuple):
    """Where the own capacitors of some cells are."""

    capacitors: int
    dead: int  # below the threshold of their read transistor: g = 0, and most pulses change nothing
    railed: int  # so close to an end of their range that the next pulse towards it is cut


class DeviceLine(NamedTuple):
    """One device of each cell, or one that `span` columns of a row share, and the column lines on which they hang."""

    conductance: F32  # [rows, column lines], in uS
    counts: Any  # by what its current counts in W: a number, or one for each row [rows, 1]
    span: int = 1
    pulsed: bool = False  # whether updates change it
    written: bool = False  # whether transfers program it


class Sight(NamedTuple):
    """What a transfer reads of some rows through lines that drop, [rows, cols] in uS of weights as written.

    That is, of weights that its verifying reads would see so once they are written.
    """

    weights: F32
    written: F32  # by what the part of them that was programmed before is multiplied


class Scratch(NamedTuple):
    """What the compiled update of some cells works in, so that it need make no arrays; what it holds means nothing."""

    values: F32  # [2, lines]
    places: U64  # [lines]


def scratch_of(lines: int) -> Scratch:
    """Return scratch for the update of cells of so many rows and columns."""
    return Scratch(np.zeros((2, lines), np.float32), np.zeros(lines, np.uint64))


class Parameters(NamedTuple):
    """With what a declaration has its cells made, in V, uS and s; what a kind of cells has no use for is left out."""

    numbers: Any  # what all cells have in common, as compiled code takes it
    spreads: Any  # the means and spreads with which they are drawn
    step: float  # nominal change of a weight by one pulse
    reach: float  # largest weight, of either sign, that is held for long
    habits: Habits = Habits()  # how phase-change devices age
    drift_start_s: float = 0.0
    resets: int = 0  # RESETs of the two devices by one programming
    flutter: Flutter = Flutter()  # how conductances fluctuate from read to read
    leaks: bool = True
    inverts: bool = True  # transfers invert the polarity
    alternates: bool = False  # every other row begins inverted
    compensates: bool = False  # transfers reckon with the nominal leak


class Cells(ABC):
    """The weight cells of one shard in numbers, which change in place; `weights` is what a read sees.

    Rows are inputs and columns outputs, weights are in uS of signed conductance. All draws are keyed by seed, shard
    and what they are for, and by row and column within the shard, so that no call depends on another shard's, nor on
    how the rows are cut into groups.
    """

    kernel: Callable[..., Any]
    """The compiled update(arrays, numbers, nx, nd, phi, slots, scratch) -> (pulses, clipped), of counts as in `update`.

    `scratch` is a `Scratch` of at least as many lines as there are rows, and columns.
    """
    exact_kernel: Callable[..., Any]
    """The same of real numbers in place of pulses, see `exact_updates`."""

    def __init__(self, state: Any, parameters: Parameters, key: tuple[int, int]) -> None:
        self.state = state  # a named tuple of the arrays of the cells [rows, cols]
        self.weights: F32 = state.weights  # [rows, cols], C-contiguous, always up to date; only to be read
        self.parameters, self.numbers = parameters, parameters.numbers
        self.step, self.reach = parameters.step, parameters.reach
        self._key = key  # seed and shard

    def update(self, nx: I64, nd: I64, phi: F32, slots: int = 15) -> PulseCounts:
        """Pulse every cell floor(nx |nd| / slots + phi) times in the direction of nd's sign.

        nx [rows] holds counts of 0 to `slots`, nd [cols] signed ones, phi [rows] phases of [0, 1). Raises ValueError
        where they do not.
        """
        rows, cols = self.weights.shape
        if nx.shape != (rows,) or nd.shape != (cols,) or phi.shape != (rows,):
            raise ValueError(f"counts {nx.shape}, {nd.shape} and phases {phi.shape} for cells {self.weights.shape}")
        if not (((nx >= 0) & (nx <= slots) & (phi >= 0) & (phi < 1)).all() and (np.abs(nd) <= slots).all()):
            raise ValueError(f"a count of pulses is beyond {slots}, or a phase not within [0, 1)")
        return PulseCounts(*self.kernel(self.state, self.numbers, nx, nd, phi, slots, scratch_of(max(rows, cols))))

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """Let some seconds pass for these rows, or for each its own [row_stop - row_start].

        Capacitors leak, and phase-change devices drift if they do; others keep what they hold.
        """
        self._check_rows(row_start, row_stop)

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0,
        sight: Sight | None = None,
    ) -> TransferCounts:  # fmt: skip
        """Move the weights of these rows to the long-term devices, if there are any; invert their polarity if told.

        `held_s` is for how long the rows' capacitors have held since they were last written, and are likely to again.
        `sight` is what reads give where they do not see the weights as they are.
        """
        return self._nothing(row_start, row_stop)

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Put back what these rows' capacitors, if any, lost in `dt_s` since they were written, as far as is known."""
        return self._nothing(row_start, row_stop)

    @abstractmethod
    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Write weights [rows, cols], in uS, to all cells: the weights that training starts from."""

    def out_of_range(self, weights: F32) -> Flags:
        """Return which weights [rows, cols], in uS, are at or beyond the largest that these cells hold for long."""
        return np.abs(weights) >= np.float32(self.reach)

    def occupancy(self) -> Occupancy:
        """Return how many capacitors there are, and where they are."""
        return Occupancy(0, 0, 0)

    @abstractmethod
    def conductances(self) -> F32:
        """Return what a read of each cell draws current through, [rows, cols], in uS; unsigned, without gain."""

    def flutter(self, row_start: int = 0, row_stop: int | None = None) -> tuple[F64, F64]:
        """Return by row, in uS^2, by what variance weights fluctuate in a read: cells on their own, and references.

        The first is the mean of a row's cells; the second that of what `columns_per_reference` neighbours share.
        """
        own = self._fluttering(slice(row_start, row_stop))
        return own, np.zeros_like(own)

    @property
    def columns_per_reference(self) -> int:
        """How many neighbouring columns share a reference."""
        return 1

    def _fluttering(self, rows: slice) -> F64:
        """Return the variances of these rows' cells without their references: none, if a kind does not say."""
        return np.zeros(len(self.weights[rows]))

    @abstractmethod
    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return by name what the cells of these rows hold, [rows, cols] in uS, only to be read.

        The names are W, and where there is such a thing g - g_shared, G+ and G-.
        """

    @abstractmethod
    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return what each kind of device of these rows conducts; times what they count they add up to the weights."""

    def _nothing(self, start: int, stop: int) -> TransferCounts:
        self._check_rows(start, stop)
        return TransferCounts((stop - start) * self.weights.shape[1])

    def _draw(self, seed: int, what: int, index: int) -> tuple[int, int, int, int]:
        """Return what draws of a transfer are keyed by."""
        return checked_word("seed", seed), self._key[1], what, checked_word("index", index)

    def _check_rows(self, start: int, stop: int) -> None:
        if not 0 <= start < stop <= len(self.weights):
            raise ValueError(f"rows {start} to {stop} of {len(self.weights)}")

    def _wanted(self, weights: F32) -> F32:
        """Return weights as kernels take them; raise ValueError where they are not those of all cells."""
        if weights.shape != self.weights.shape:
            raise ValueError(f"weights {weights.shape} for cells {self.weights.shape}")
        return np.ascontiguousarray(weights, np.float32)


def checked_key(seed: int, shard: int) -> tuple[int, int]:
    """Return the generator's key; raise ValueError where a word does not fit."""
    return checked_word("seed", seed), checked_word("shard", shard)


def checked_word(name: str, value: int) -> int:
    """Return a word of the generator's key or counter; raise ValueError where it does not fit."""
    if not 0 <= value < FRESH:
        raise ValueError(f"{name} {value} is not within 0 to {FRESH - 1}")
    return value
