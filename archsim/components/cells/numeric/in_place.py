"""Cells that are trained in place, in numbers: every pulse moves the weight itself, which keeps what it holds.

Float32 in a fixed order, as in `capacitor_kernels`; weights are in uS.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from archsim.base.arrays import F32, F64, Flags
from archsim.components.cells.numeric.base import Cells, DeviceLine, Parameters, TransferCounts, checked_key
from archsim.components.cells.numeric.coincidences import coincide, columns_pulsed
from archsim.components.cells.numeric.draws import BOUNDS, FRESH, STEPS, compiled, normals
from archsim.components.cells.numeric.exact_updates import update_in_place_exactly

_ONE = np.float32(1)


class InPlaceState(NamedTuple):
    """The cells of a shard, arrays [rows, cols]; each weight lies within -bound and +bound."""

    weights: F32
    up: F32  # the up-step at a weight of zero, in uS
    down: F32
    bound: F32
    slope: F32  # by how much a step shrinks per uS towards the bound: 1 / bound where bounds are soft, else 0


class InPlaceNumbers(NamedTuple):
    """With what means and spreads cells are made, in uS; steps do not depend on them afterwards."""

    step: float
    bound: float
    step_spread: float
    asymmetry_spread: float
    bound_spread: float
    softness: float
    step_least: float
    bound_least: float


@compiled
def make_in_place(state: Any, numbers: Any, seed: Any, shard: Any) -> None:
    """Draw what is fixed when the chip is made; all weights are zero."""
    for row in range(state.weights.shape[0]):
        for col in range(state.weights.shape[1]):
            first, second = normals(seed, shard, STEPS, FRESH, row, col)
            step = numbers.step * max(numbers.step_least, 1.0 + numbers.step_spread * first)
            asymmetry = numbers.asymmetry_spread * second
            state.up[row, col] = step * max(0.0, 1.0 + asymmetry)
            state.down[row, col] = step * max(0.0, 1.0 - asymmetry)
            first, _ = normals(seed, shard, BOUNDS, FRESH, row, col)
            bound = numbers.bound * max(numbers.bound_least, 1.0 + numbers.bound_spread * first)
            state.bound[row, col] = bound
            state.slope[row, col] = numbers.softness / bound


@compiled
def update_in_place(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and clipped ones."""
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
            weight, bound, slope = state.weights[row, col], state.bound[row, col], state.slope[row, col]
            for _ in range(count):
                if place < upward:
                    weight = weight + state.up[row, col] * (_ONE - slope * weight)
                else:
                    weight = weight - state.down[row, col] * (_ONE + slope * weight)
                if abs(weight) > bound:
                    weight = bound if weight > 0 else -bound
                    clipped += 1
            state.weights[row, col] = weight
            pulses += count
    return pulses, clipped


class InPlaceCells(Cells):
    """Cells that keep their weights by themselves: they do not leak, and there is nothing to transfer or rewrite."""

    def __init__(self, parameters: Parameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key = checked_key(seed, shard)
        arrays = (np.zeros((rows, cols), np.float32) for _ in InPlaceState._fields)
        super().__init__(InPlaceState(*arrays), parameters, key)
        self.kernel, self.exact_kernel = update_in_place, update_in_place_exactly
        make_in_place(self.state, self.numbers, *key)

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Set the weights as exactly as their bounds allow; those beyond are counted."""
        wanted = self._wanted(weights)
        self.weights[:] = np.clip(wanted, -self.state.bound, self.state.bound)
        left = np.abs(wanted - self.weights)
        return TransferCounts(
            wanted.size, clipped=int((left > 0).sum()), residual_sum=float(left.sum(dtype=np.float64)),
            residual_max=float(left.max()), programmed=wanted.size, written=wanted.size,
            left_over=int((left > self.numbers.step).sum()),
        )  # fmt: skip

    def out_of_range(self, weights: F32) -> Flags:
        """Return which weights are at or beyond the bounds of their own cell."""
        return cast("Flags", np.abs(weights) >= self.state.bound)

    def conductances(self) -> F32:
        """Return |W|: one of two devices holds it, the other none."""
        return np.abs(self.weights)

    def _fluttering(self, rows: slice) -> F64:
        return self.parameters.flutter.devices(np.abs(self.weights[rows]))

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W."""
        return {"W": self.weights[row_start:row_stop]}

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return what holds the weights above zero, and what holds those below it."""
        own = self.weights[row_start:row_stop]
        zero = np.float32(0)
        return [DeviceLine(np.maximum(own, zero), _ONE, pulsed=True),
                DeviceLine(np.maximum(-own, zero), -_ONE, pulsed=True)]  # fmt: skip
