"""PCM pairs in numbers: two phase-change devices that are trained in place, W = F (G+ - G-)."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from archsim.components.cells.numeric.ageing import Ageing, Habits, draw_ageing, drift, empty_ageing
from archsim.components.cells.numeric.base import Cells, TransferCounts, checked_word
from archsim.components.cells.numeric.exact_kernels import update_pairs_exactly
from archsim.components.cells.numeric.kernels import FIRST, PROGRAM, TRANSFER_READ, Doubles, Floats, noisy
from archsim.components.cells.numeric.pcm_kernels import (
    PairNumbers,
    PairSpreads,
    PairState,
    make_pairs,
    update_pairs,
    write_pairs,
)


class PairParameters(NamedTuple):
    """With what PCM pairs are made, in uS and s: what they have in common, their spreads, and how they age."""

    numbers: PairNumbers
    spreads: PairSpreads
    habits: Habits
    step: float
    """Nominal change of a weight by one pulse."""
    reach: float
    """Largest weight, of either sign, that is held for long."""
    resets: int
    """RESETs of the two devices by one programming."""
    drift_start_s: float


class PcmPairCells(Cells):
    """Cells of two PCM: SET pulses raise G+ or G-, and a transfer RESETs and programs again those that are full."""

    def __init__(self, parameters: PairParameters, rows: int, cols: int, seed: int, shard: int) -> None:
        self._key = (checked_word("seed", seed), checked_word("shard", shard))
        self._resets = parameters.resets
        self._drift_start_s = parameters.drift_start_s
        self.numbers = parameters.numbers
        self.state = empty_pairs(rows, cols, empty_ageing(rows, cols, parameters.habits), self._key)
        self.weights = self.state.weights
        self.kernel, self.exact_kernel = update_pairs, update_pairs_exactly
        self.step, self.reach = parameters.step, parameters.reach
        draw_ageing(self.state, parameters.habits, *self._key)
        make_pairs(self.state, self.numbers, parameters.spreads, *self._key)

    def leak(self, row_start: int, row_stop: int, dt_s: float | Doubles) -> None:
        """Let the conductances drift, if they do: there is nothing else that leaks."""
        self._check_rows(row_start, row_stop)
        if self.state.age.size:
            drift(self.state, row_start, row_stop, np.full(row_stop - row_start, dt_s), self._drift_start_s)
            own = slice(row_start, row_stop)
            self.weights[own] = self.numbers.gain * (self.state.plus[own] - self.state.minus[own])

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0
    ) -> TransferCounts:
        """Read the weights, and where a device is above `refresh_above` RESET both and program the difference.

        The read of a weight is noisy. There is no polarity to invert.
        """
        self._check_rows(row_start, row_stop)
        wanted = self.weights[row_start:row_stop].copy()
        noisy(wanted, row_start, self.numbers.read_noise, self._draw(seed, TRANSFER_READ, index))
        return self._write(wanted, row_start, self._draw(seed, PROGRAM, index), self.numbers.refresh_above)

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Do nothing: there is no capacitor."""
        return self._nothing(row_start, row_stop)

    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """RESET all devices and program these weights: positive ones to G+, negative ones to G-."""
        self._check_shape(weights)
        wanted = np.ascontiguousarray(weights, np.float32)
        return self._write(wanted, 0, self._draw(seed, FIRST, index), np.float32(-1))

    def conductances(self) -> Floats:
        """Return G+ + G-."""
        return cast("Floats", self.state.plus + self.state.minus)

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, Floats]:
        """Return W, G+ and G-."""
        own = slice(row_start, row_stop)
        return {"W": self.weights[own], "G+": self.state.plus[own], "G-": self.state.minus[own]}

    def _write(self, wanted: Floats, start: int, key: tuple[int, int, int, int], above: np.float32) -> TransferCounts:
        written, both, beyond, left, most, over = write_pairs(self.state, self.numbers, wanted, start, key, above)
        resets = self._resets * written
        return TransferCounts(wanted.size, both, beyond, resets, 0, 0, left, float(most), written, written, over)

    def _draw(self, seed: int, what: int, index: int) -> tuple[int, int, int, int]:
        return checked_word("seed", seed), self._key[1], what, checked_word("index", index)


def empty_pairs(rows: int, cols: int, ageing: Ageing, key: tuple[int, int]) -> PairState:
    """Return the arrays of rows x cols cells, all zero."""
    one, two = (rows, cols), (2, rows, cols)
    shapes = {"weights": one, "plus": one, "minus": one, "steps": two, "limits": two}
    zeros: dict[str, Any] = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return PairState(**zeros, fired=np.zeros(one, np.int64), key=np.array(key, np.int64), **ageing._asdict())
