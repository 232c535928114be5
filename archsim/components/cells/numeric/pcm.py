"""PCM pairs in numbers: two phase-change devices that are trained in place, W = F (G+ - G-)."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from archsim.base.arrays import F32, F64, Flags
from archsim.components.cells.numeric.ageing import Ageing, draw_ageing, drift
from archsim.components.cells.numeric.base import Cells, DeviceLine, Parameters, Sight, TransferCounts, checked_key
from archsim.components.cells.numeric.draws import FIRST, PROGRAM, TRANSFER_READ
from archsim.components.cells.numeric.exact_updates import update_pairs_exactly
from archsim.components.cells.numeric.pcm_kernels import PairState, make_pairs, read_pairs, update_pairs, write_pairs


class PcmPairCells(Cells):
    """Cells of two PCM: SET pulses raise G+ or G-, and a transfer RESETs and programs again those that are full."""

    def __init__(self, parameters: Parameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key, habits = checked_key(seed, shard), parameters.habits
        super().__init__(empty_pairs(rows, cols, habits.none_aged(rows, cols), key), parameters, key)
        self.kernel, self.exact_kernel = update_pairs, update_pairs_exactly
        draw_ageing(self.state, habits, *key)
        make_pairs(self.state, self.numbers, parameters.spreads, *key)

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """Let the conductances drift, if they do: there is nothing else that leaks."""
        self._check_rows(row_start, row_stop)
        if self.state.age.size:
            drift(self.state, row_start, row_stop, np.full(row_stop - row_start, dt_s), self.parameters.drift_start_s)
            own = slice(row_start, row_stop)
            self.weights[own] = self.numbers.pcm.gain * (self.state.plus[own] - self.state.minus[own])

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0,
        sight: Sight | None = None,
    ) -> TransferCounts:  # fmt: skip
        """Read the weights, and where a device is above `refresh_above` RESET both and program the difference.

        What is read errs. There is no polarity to invert.
        """
        self._check_rows(row_start, row_stop)
        key = self._draw(seed, TRANSFER_READ, index)
        wanted, full = read_pairs(self.state, self.numbers, row_start, row_stop, key)
        if sight is not None:
            wanted += sight.weights - self.weights[row_start:row_stop]
        return self._write(wanted, full, row_start, self._draw(seed, PROGRAM, index))

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """RESET all devices and program these weights: positive ones to G+, negative ones to G-."""
        every = np.ones(weights.shape, np.bool_)
        return self._write(self._wanted(weights), every, 0, self._draw(seed, FIRST, index))

    def conductances(self) -> F32:
        """Return G+ + G-."""
        return cast("F32", self.state.plus + self.state.minus)

    def _fluttering(self, rows: slice) -> F64:
        both = (self.parameters.flutter.devices(held[rows]) for held in (self.state.plus, self.state.minus))
        return cast("F64", np.float64(self.numbers.pcm.gain) ** 2 * sum(both))

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W, G+ and G-."""
        own = slice(row_start, row_stop)
        return {"W": self.weights[own], "G+": self.state.plus[own], "G-": self.state.minus[own]}

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return G+ and G-, which count F times."""
        rows, gain = slice(row_start, row_stop), self.numbers.pcm.gain
        return [
            DeviceLine(held[rows], counts, pulsed=True, written=True)
            for held, counts in ((self.state.plus, gain), (self.state.minus, -gain))
        ]

    def _write(self, wanted: F32, chosen: Flags, start: int, key: tuple[int, int, int, int]) -> TransferCounts:
        written, both, beyond, left, most, over = write_pairs(self.state, self.numbers, wanted, chosen, start, key)
        resets = self.parameters.resets * written
        return TransferCounts(wanted.size, both, beyond, resets, 0, 0, left, float(most), written, written, over)


def empty_pairs(rows: int, cols: int, ageing: Ageing, key: tuple[int, int]) -> PairState:
    """Return the arrays of rows x cols cells, all zero."""
    one, two = (rows, cols), (2, rows, cols)
    shapes = {"weights": one, "plus": one, "minus": one, "steps": two, "limits": two}
    zeros: dict[str, Any] = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    return PairState(**zeros, fired=np.zeros(one, np.int64), key=np.array(key, np.int64), **ageing._asdict())
