"""Weight cells in numbers: the arrays of one shard, and what can be done to them.

Nothing here is loaded before cells are asked for, since the kernels take a while to load.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from archsim.components.cells.numeric.kernels import FRESH, Doubles, Floats, Integers


class PulseCounts(NamedTuple):
    """What an update fired: the pulses of all cells, and those that a capacitor's range cut short."""

    pulses: int
    clipped: int


class TransferCounts(NamedTuple):
    """What a transfer or a rewrite did; conductances are in uS of weight."""

    cells: int
    both_reset: int
    """Cells whose two devices were left RESET."""
    clipped: int
    """Devices asked for more than the ramp's slot reaches."""
    resets: int
    """RESET pulses of all devices: each wears one out."""
    pulses: int
    pulses_clipped: int
    residual_sum: float
    """Sum over the cells of |weight wanted - weight left|."""
    residual_max: float
    programmed: int = 0
    """Cells whose long-term devices were programmed."""
    written: int = 0
    """Cells that were given a weight: programmed, or by pulses on their capacitor."""
    left_over: int = 0
    """Of those written, cells off by more than a pulse's nominal change because slots or a range ended."""


class Occupancy(NamedTuple):
    """Where the own capacitors of some cells are."""

    capacitors: int
    dead: int
    """Those below the threshold of their read transistor: g = 0, and most pulses change nothing."""
    railed: int
    """Those so close to an end of their range that the next pulse towards it is cut."""


class Cells(ABC):
    """The weight cells of one shard in numbers, which change in place; `weights` is what a read sees.

    Rows are inputs and columns outputs, weights are in uS of signed conductance. All draws are keyed by seed, shard
    and what they are for, and by row and column within the shard, so that no call depends on another shard's, nor on
    how the rows are cut into groups.
    """

    weights: Floats
    """Float32 [rows, cols], C-contiguous, always up to date; only to be read."""
    step: float
    """Nominal change of a weight by one pulse, in uS."""
    reach: float
    """Largest weight, of either sign, that is held for long, in uS."""
    state: Any
    """The arrays of the cells [rows, cols], a named tuple, and `numbers` what they have in common."""
    numbers: Any
    kernel: Callable[..., Any]
    """The compiled update(arrays, numbers, nx, nd, phi, slots) -> (pulses, clipped), of counts as in `update`."""
    exact_kernel: Callable[..., Any]
    """The same of real numbers in place of pulses, see `exact_kernels`."""

    @property
    def compiled_state(self) -> Any:
        """The state as compiled code takes it: of one type for all cells of a kind, whatever their shape."""
        return self.state

    def update(self, nx: Integers, nd: Integers, phi: Floats, slots: int = 15) -> PulseCounts:
        """Pulse every cell floor(nx |nd| / slots + phi) times in the direction of nd's sign.

        nx [rows] holds counts of 0 to `slots`, nd [cols] signed ones, phi [rows] phases of [0, 1). Raises ValueError
        where they do not.
        """
        rows, cols = self.weights.shape
        if nx.shape != (rows,) or nd.shape != (cols,) or phi.shape != (rows,):
            raise ValueError(f"counts {nx.shape}, {nd.shape} and phases {phi.shape} for cells {self.weights.shape}")
        if not (((nx >= 0) & (nx <= slots) & (phi >= 0) & (phi < 1)).all() and (np.abs(nd) <= slots).all()):
            raise ValueError(f"a count of pulses is beyond {slots}, or a phase not within [0, 1)")
        return PulseCounts(*self.kernel(self.compiled_state, self.numbers, nx, nd, phi, slots))

    @abstractmethod
    def leak(self, row_start: int, row_stop: int, dt_s: float | Doubles) -> None:
        """Let some seconds pass for these rows, or for each its own [row_stop - row_start].

        Capacitors leak, and phase-change devices drift if they do.
        """

    @abstractmethod
    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0
    ) -> TransferCounts:
        """Move the weights of these rows to the long-term devices, inverting their polarity if so told.

        `held_s` is for how long the rows' capacitors have held since they were last written, and are likely to again.
        """

    @abstractmethod
    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Put back what these rows' capacitors lost in the `dt_s` since they were last written, as far as is known."""

    @abstractmethod
    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """Write weights [rows, cols], in uS, to all cells: the weights that training starts from."""

    def out_of_range(self, weights: Floats) -> NDArray[np.bool_]:
        """Return which weights [rows, cols], in uS, are at or beyond the largest that these cells hold for long."""
        return np.abs(weights) >= np.float32(self.reach)

    def occupancy(self) -> Occupancy:
        """Return how many capacitors there are, and where they are."""
        return Occupancy(0, 0, 0)

    @abstractmethod
    def conductances(self) -> Floats:
        """Return what a read of each cell draws current through, [rows, cols], in uS; unsigned, without gain."""

    @abstractmethod
    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, Floats]:
        """Return by name what the cells of these rows hold, [rows, cols] in uS, only to be read.

        The names are W, and where there is such a thing g - g_shared, G+ and G-.
        """

    def _nothing(self, start: int, stop: int) -> TransferCounts:
        """Return the counts of a transfer or rewrite that finds nothing to do."""
        self._check_rows(start, stop)
        return TransferCounts((stop - start) * self.weights.shape[1], 0, 0, 0, 0, 0, 0.0, 0.0)

    def _check_rows(self, start: int, stop: int) -> None:
        if not 0 <= start < stop <= len(self.weights):
            raise ValueError(f"rows {start} to {stop} of {len(self.weights)}")

    def _check_shape(self, weights: Floats) -> None:
        if weights.shape != self.weights.shape:
            raise ValueError(f"weights {weights.shape} for cells {self.weights.shape}")


def checked_word(name: str, value: int) -> int:
    """Return a word of the generator's key or counter; raise ValueError where it does not fit."""
    if not 0 <= value < FRESH:
        raise ValueError(f"{name} {value} is not within 0 to {FRESH - 1}")
    return value
