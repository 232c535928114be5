"""FeFET cells in numbers: every pulse moves the conductance itself, which keeps what it holds.

Float32 in a fixed order, so that the same operations in plain numpy give the same bits; conductances are in uS. All
draws are keyed by seed, shard and what they are for, by row, column and, of a pulse, by how many a cell has seen.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, I64
from archsim.components.cells.numeric.base import Cells, DeviceLine, Parameters, TransferCounts, checked_key
from archsim.components.cells.numeric.coincidences import coincide, columns_pulsed
from archsim.components.cells.numeric.draws import FRESH, STEPS, UPDATE_PULSES, compiled, normals

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


@compiled
def update_fefets(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and those that the range cut."""
    columns, upward = columns_pulsed(nd, slots)
    pulses = clipped = 0
    if columns.shape[0] == 0:
        return pulses, clipped
    sizes = np.abs(nd[columns])
    coincidences = np.zeros(sizes.max() + 1, np.int64)
    for row in range(nx.shape[0]):
        if nx[row] == 0:
            continue
        coincide(coincidences, nx[row], phi[row], slots)
        for place in range(columns.shape[0]):
            col, count = columns[place], coincidences[sizes[place]]
            weight = state.weights[row, col]
            for _ in range(count):
                if place < upward:
                    weight = weight + state.up[row, col] * (_ONE - numbers.slope_up * weight)
                else:
                    weight = weight - state.down[row, col] * (_ONE + numbers.slope_down * weight)
                if numbers.noise > _ZERO:
                    drawn = normals(state.key[0], state.key[1], UPDATE_PULSES, state.fired[row, col], row, col)[0]
                    weight = weight + numbers.noise * np.float32(drawn)
                if abs(weight) > numbers.half:
                    weight = numbers.half if weight > _ZERO else -numbers.half
                    clipped += 1
                state.fired[row, col] += 1
            state.weights[row, col] = weight
            pulses += count
    return pulses, clipped


@compiled
def update_fefets_exactly(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Change all cells as if pulses could be of any number: by x n steps as they stand, up to the range's ends."""
    pulses, limited = 0.0, 0
    for row in range(nx.shape[0]):
        if nx[row] == _ZERO:
            continue
        for col in range(nd.shape[0]):
            count, weight = nx[row] * abs(nd[col]), state.weights[row, col]
            if nd[col] > _ZERO:
                after = weight + count * (state.up[row, col] * (_ONE - numbers.slope_up * weight))
            else:
                after = weight - count * (state.down[row, col] * (_ONE + numbers.slope_down * weight))
            limited += abs(after) > numbers.half
            state.weights[row, col] = min(max(after, -numbers.half), numbers.half)
            pulses += count
    return pulses, limited


class FefetCells(Cells):
    """FeFETs that are trained in place: they do not leak, and there is nothing to transfer or rewrite."""

    def __init__(self, parameters: Parameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key = checked_key(seed, shard)
        weights, up, down = (np.zeros((rows, cols), np.float32) for _ in range(3))
        state = FefetState(weights, up, down, np.zeros((rows, cols), np.int64), np.array(key, np.int64))
        super().__init__(state, parameters, key)
        self.kernel, self.exact_kernel = update_fefets, update_fefets_exactly
        make_fefets(state, self.numbers, *key)

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Set the weights as exactly as the range allows; those beyond are counted.

        Pulses of any amplitude, each verified, are taken to leave no error, and not to count for endurance: the cells
        are written once, before training.
        """
        wanted = self._wanted(weights)
        self.weights[:] = np.clip(wanted, -self.numbers.half, self.numbers.half)
        left = np.abs(wanted - self.weights)
        return TransferCounts(
            wanted.size, clipped=int((left > 0).sum()), residual_sum=float(left.sum(dtype=np.float64)),
            residual_max=float(left.max()), programmed=wanted.size, written=wanted.size,
            left_over=int((left > self.step).sum()),
        )  # fmt: skip

    def conductances(self) -> F32:
        """Return what each transistor conducts, and its share of the one that its row is compared with."""
        shared = self.numbers.middle / np.float32(self.weights.shape[1])
        own: F32 = self.numbers.middle + self.weights + shared
        return own

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W."""
        return {"W": self.weights[row_start:row_stop]}

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return the transistors, and the one of each row that they are compared with."""
        own: F32 = self.numbers.middle + self.weights[row_start:row_stop]
        shared = np.full((len(own), 1), self.numbers.middle, np.float32)
        return [DeviceLine(own, 1.0, pulsed=True), DeviceLine(shared, -1.0, span=self.weights.shape[1])]
