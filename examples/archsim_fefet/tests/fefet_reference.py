"""The FeFET cells again in plain numpy, slow and obvious: only what is compiled is written again."""

from __future__ import annotations

import numpy as np

from archsim.base.arrays import F32, I64
from archsim.components.cells.base import Switches
from archsim.components.cells.numeric.base import PulseCounts
from archsim.components.cells.numeric.conformance import coincidences
from archsim.components.cells.numeric.draws import FRESH, STEPS, UPDATE_PULSES
from archsim.components.cells.numeric.draws_in_numpy import normals
from archsim_fefet.cell import FefetCell
from archsim_fefet.numeric import FefetCells, FefetState


class FefetReference(FefetCells):
    """FeFETs in plain numpy."""

    def __init__(
        self, device: FefetCell, rows: int, cols: int, seed: int, shard: int, switches: Switches, levels: int = 0
    ) -> None:
        self.numbers, self._key = device.numbers(switches), (seed, shard)
        self.parameters = device.parameters(switches)
        self.step, self.reach = self.parameters.step, self.parameters.reach
        zeros = [np.zeros((rows, cols), np.float32) for _ in range(3)]
        self.state = FefetState(*zeros, np.zeros((rows, cols), np.int64), np.array(self._key, np.int64))
        self.weights = self.state.weights
        first, _ = normals(seed, shard, STEPS, FRESH, range(rows), cols)
        share = np.maximum(self.numbers.least, 1.0 + self.numbers.spread * first)
        self.state.up[:], self.state.down[:] = self.numbers.up * share, self.numbers.down * share

    def update(self, nx: I64, nd: I64, phi: F32, slots: int = 15) -> PulseCounts:
        """Pulse all cells, first those that get one pulse or more, then those that get two or more, and so on."""
        state, numbers, one, clipped = self.state, self.numbers, np.float32(1), 0
        count = coincidences(nx, nd, phi, slots)
        rows, cols = self.weights.shape
        for done in range(int(count.max(initial=0))):
            higher = self.weights + state.up * (one - numbers.slope_up * self.weights)
            lower = self.weights - state.down * (one + numbers.slope_down * self.weights)
            moved = np.where(nd[None, :] > 0, higher, lower)
            if numbers.noise > 0:
                drawn, _ = normals(*self._key, UPDATE_PULSES, state.fired, range(rows), cols)
                moved = moved + numbers.noise * drawn.astype(np.float32)
            clipped += int(((np.abs(moved) > numbers.half) & (count > done)).sum())
            self.weights[:] = np.where(count > done, np.clip(moved, -numbers.half, numbers.half), self.weights)
            state.fired[:] += count > done
        return PulseCounts(int(count.sum()), clipped)
