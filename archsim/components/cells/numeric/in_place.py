"""Cells that are trained in place, in numbers: every pulse moves the weight itself, which keeps what it holds.

Float32 in a fixed order, as in `capacitor_kernels`; weights are in uS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, F64
from archsim.components.cells.numeric.base import DeviceLine, Parameters, checked_key
from archsim.components.cells.numeric.draws import BOUNDS, FRESH, STEPS, compiled, normals, taken_in
from archsim.components.cells.numeric.trained_in_place import TrainedInPlace, kernels

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


@taken_in
def step_in_place(state: Any, numbers: Any, row: Any, col: Any, weight: Any, upward: Any) -> Any:
    """Return a step, which shrinks towards the bound where bounds are soft."""
    slope = state.slope[row, col]
    if upward:
        return state.up[row, col] * (_ONE - slope * weight)
    return -(state.down[row, col] * (_ONE + slope * weight))


@taken_in
def bound_in_place(state: Any, numbers: Any, row: Any, col: Any) -> Any:
    """Return the cell's own bound."""
    return state.bound[row, col]


update_in_place, update_in_place_exactly = IN_PLACE = kernels(step_in_place, bound_in_place)


class InPlaceCells(TrainedInPlace):
    """Cells with steps and bounds of their own."""

    updates = IN_PLACE

    def __init__(self, parameters: Parameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key = checked_key(seed, shard)
        arrays = (np.zeros((rows, cols), np.float32) for _ in InPlaceState._fields)
        super().__init__(InPlaceState(*arrays), parameters, key)
        make_in_place(self.state, self.numbers, *key)

    @property
    def largest(self) -> F32:
        """The bounds [rows, cols], in uS."""
        found: F32 = self.state.bound
        return found

    def conductances(self) -> F32:
        """Return |W|: one of two devices holds it, the other none."""
        return np.abs(self.weights)

    def _fluttering(self, rows: slice) -> F64:
        return self.parameters.flutter.devices(np.abs(self.weights[rows]))

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return what holds the weights above zero, and what holds those below it."""
        own = self.weights[row_start:row_stop]
        zero = np.float32(0)
        return [DeviceLine(np.maximum(own, zero), _ONE, pulsed=True),
                DeviceLine(np.maximum(-own, zero), -_ONE, pulsed=True)]  # fmt: skip
