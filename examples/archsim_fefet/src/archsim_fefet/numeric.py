"""FeFET cells in numbers: every pulse moves the conductance itself, which keeps what it holds.

Float32 in a fixed order, so that the same operations in plain numpy give the same bits; conductances are in uS. All
draws are keyed by seed, shard and what they are for, by row, column and, of a pulse, by how many a cell has seen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, I64
from archsim.components.cells.numeric.base import DeviceLine, Parameters, checked_key
from archsim.components.cells.numeric.draws import FRESH, STEPS, UPDATE_PULSES, compiled, normals, taken_in
from archsim.components.cells.numeric.trained_in_place import TrainedInPlace, kernels

_ZERO, _ONE = np.float32(0), np.float32(1)


class FefetState(NamedTuple):
    """The cells of a shard, arrays [rows, cols]."""

    weights: F32  # conductance less that of the middle of the range
    up: F32  # the step of an upward pulse in the middle of the range
    down: F32
    fired: I64  # pulses that the cell has seen
    key: I64  # seed and shard


class FefetNumbers(NamedTuple):
    """What all cells have in common, in uS."""

    half: Any  # the largest weight of either sign
    middle: Any  # the conductance that stands for a weight of zero
    up: Any  # the mean step in the middle of the range
    slope_up: Any  # by what share of it a step shrinks with each uS of weight
    down: Any
    slope_down: Any
    noise: Any  # standard deviation of a pulse
    spread: float
    least: float


@compiled
def make_fefets(state: Any, numbers: Any, seed: Any, shard: Any) -> None:
    """Draw what is fixed when the chip is made; all weights are zero."""
    for row in range(state.weights.shape[0]):
        for col in range(state.weights.shape[1]):
            first, _ = normals(seed, shard, STEPS, FRESH, row, col)
            share = max(numbers.least, 1.0 + numbers.spread * first)
            state.up[row, col] = numbers.up * share
            state.down[row, col] = numbers.down * share


@taken_in
def step(state: Any, numbers: Any, row: Any, col: Any, weight: Any, upward: Any) -> Any:
    """Return by what one pulse changes a cell of this weight."""
    if upward:
        return state.up[row, col] * (_ONE - numbers.slope_up * weight)
    return -(state.down[row, col] * (_ONE + numbers.slope_down * weight))


@taken_in
def half(state: Any, numbers: Any, row: Any, col: Any) -> Any:
    """Return the largest weight of either sign, the same of all cells."""
    return numbers.half


@taken_in
def disturbed(state: Any, numbers: Any, row: Any, col: Any, weight: Any) -> Any:
    """Return a weight after a pulse with the noise of that pulse, and count the pulse."""
    if numbers.noise > _ZERO:
        drawn = normals(state.key[0], state.key[1], UPDATE_PULSES, state.fired[row, col], row, col)[0]
        weight = weight + numbers.noise * np.float32(drawn)
    state.fired[row, col] += 1
    return weight


class FefetCells(TrainedInPlace):
    """FeFETs that are trained in place; their first weights, written once, do not count for endurance."""

    updates = kernels(step, half, disturbed)

    def __init__(self, parameters: Parameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key = checked_key(seed, shard)
        weights, up, down = (np.zeros((rows, cols), np.float32) for _ in range(3))
        state = FefetState(weights, up, down, np.zeros((rows, cols), np.int64), np.array(key, np.int64))
        super().__init__(state, parameters, key)
        make_fefets(state, self.numbers, *key)

    def conductances(self) -> F32:
        """Return what each transistor conducts, and its share of the one that its row is compared with."""
        shared = self.numbers.middle / np.float32(self.weights.shape[1])
        own: F32 = self.numbers.middle + self.weights + shared
        return own

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return the transistors, and the one of each row that they are compared with."""
        own: F32 = self.numbers.middle + self.weights[row_start:row_stop]
        shared = np.full((len(own), 1), self.numbers.middle, np.float32)
        return [DeviceLine(own, 1.0, pulsed=True), DeviceLine(shared, -1.0, span=self.weights.shape[1])]
