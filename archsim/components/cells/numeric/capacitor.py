"""Cells with a 3T1C in numbers: updates land on its capacitor, which leaks."""

from __future__ import annotations

import math
from typing import cast

import numpy as np

from archsim.base.arrays import F32, F64
from archsim.components.cells.numeric.ageing import Ageing, Habits
from archsim.components.cells.numeric.base import (
    Cells,
    DeviceLine,
    Occupancy,
    Parameters,
    TransferCounts,
    checked_key,
)
from archsim.components.cells.numeric.capacitor_kernels import Numbers, State, conducting, differences, make
from archsim.components.cells.numeric.capacitor_update import decay, leak, occupied, update
from archsim.components.cells.numeric.capacitor_writing import reset, rewrite
from archsim.components.cells.numeric.conversion import convert
from archsim.components.cells.numeric.draws import FIRST, REWRITE, REWRITE_READ
from archsim.components.cells.numeric.exact_updates import update_exactly

_ONE = np.float32(1)
GONE = 80.0
"""After so many time constants nothing is left to reckon with: what is larger overflows single precision."""


class DecayFactors:
    """exp(-dt / tau) of each capacitor, [rows, cols]; the factors of an interval that comes again are kept."""

    KEPT = 16  # they are computed again, to the same bits, when one of more intervals comes again

    def __init__(self, *taus: F32) -> None:
        self._taus = taus
        self._seen: dict[float, tuple[F32, ...] | None] = {}

    def rows(self, start: int, stop: int, dt_s: float | F64) -> tuple[F32, ...]:
        """Return the factors of these rows, one array for each array of time constants."""
        if not isinstance(dt_s, float):
            return tuple(decay(tau, start, dt_s) for tau in self._taus)
        if dt_s not in self._seen:
            self._seen[dt_s] = None
            if len(self._seen) > self.KEPT:
                del self._seen[next(iter(self._seen))]
            return self.rows(start, stop, np.full(stop - start, dt_s))
        rows = len(self._taus[0])
        kept = self._seen.pop(dt_s) or self.rows(0, rows, np.full(rows, dt_s))
        self._seen[dt_s] = kept  # now the youngest
        return tuple(factors[start:stop] for factors in kept)


class CapacitorCells(Cells):
    """Base of the cells with a 3T1C, p (g - g_shared): updates land on its capacitor, which leaks."""

    def __init__(self, state: State, parameters: Parameters, key: tuple[int, int]) -> None:
        super().__init__(state, parameters, key)
        self.kernel, self.exact_kernel = update, update_exactly
        make(self.state, self.numbers, parameters.spreads, *key)
        self._decay = DecayFactors(self.state.tau, self.state.shared_tau)

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """Let own and shared capacitors decay towards the leak's target."""
        self._check_rows(row_start, row_stop)
        if self.parameters.leaks:
            own, shared = self._decay.rows(row_start, row_stop, dt_s)
            leak(self.state, self.numbers, row_start, own, shared)

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Read D = g - g_shared and pulse the own capacitor until it is D exp(dt / tau), with the nominal tau.

        Nothing is reset: the common mode goes on leaking, and spreads of tau are not known to it.
        """
        self._check_rows(row_start, row_stop)
        wanted = differences(self.state, self.numbers, row_start, row_stop)
        convert(wanted, row_start, self.numbers.rewrite_read, self._draw(seed, REWRITE_READ, index))
        if self.parameters.leaks:
            wanted *= np.float32(math.exp(min(dt_s / self.numbers.tau, GONE)))
        return self._put(wanted, row_start, self._draw(seed, REWRITE, index))

    def conductances(self) -> F32:
        """Return G+ + G- + g + the cell's part of g_shared."""
        return cast("F32", conducting(self.state, self.numbers))

    def flutter(self, row_start: int = 0, row_stop: int | None = None) -> tuple[F64, F64]:
        """Return the variances of cells, and those of shared references."""
        rows, flutter = slice(row_start, row_stop), self.parameters.flutter
        return self._fluttering(rows), flutter.transistors(self.state.shared[rows]) + flutter.reference**2

    @property
    def columns_per_reference(self) -> int:
        """As given."""
        return cast("int", self.numbers.span)

    def _fluttering(self, rows: slice) -> F64:
        state = self.state
        own = state.k[rows] * np.maximum(state.voltage[rows] - state.threshold[rows], np.float32(0))
        return self.parameters.flutter.transistors(own)

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W and g - g_shared."""
        stop = len(self.weights) if row_stop is None else row_stop
        held = differences(self.state, self.numbers, row_start, stop)
        return {"W": self.weights[row_start:stop], "g - g_shared": held}

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return g, and g_shared, which counts against it."""
        rows, span = slice(row_start, row_stop), self.numbers.span
        held = differences(self.state, self.numbers, row_start, len(self.weights) if row_stop is None else row_stop)
        shared, sign = self.state.shared[rows], self.state.polarity[rows, None]
        own = held + np.repeat(shared, span, axis=1)[:, : held.shape[1]]
        return [DeviceLine(own, sign, pulsed=True), DeviceLine(shared, -sign, span)]

    def occupancy(self) -> Occupancy:
        """Return how many capacitors there are, how many are below threshold, and how many at an end of their range."""
        return Occupancy(self.weights.size, *occupied(self.state, self.numbers))

    def _put(self, wanted: F32, start: int, key: tuple[int, int, int, int]) -> TransferCounts:
        """Pulse the own capacitors of rows from `start` on until g - g_shared is as wanted."""
        pulses, clipped, left, most, over = rewrite(self.state, self.numbers, wanted, start, key)
        return TransferCounts(wanted.size, 0, 0, 0, pulses, clipped, left, float(most), 0, wanted.size, over)


class Capacitor3T1CCells(CapacitorCells):
    """Cells of a 3T1C alone: W = g - g_shared; nothing holds a weight but its capacitor."""

    def __init__(self, parameters: Parameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key = checked_key(seed, shard)
        super().__init__(
            empty_state(rows, cols, parameters.numbers, Habits().none_aged(rows, cols), key), parameters, key
        )

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Reset all capacitors and pulse the own ones until g - g_shared is as given, as far as the pulses reach."""
        wanted, key = self._wanted(weights), self._draw(seed, FIRST, index)
        reset(self.state, self.numbers, key)
        return self._put(wanted, 0, key)


def empty_state(rows: int, cols: int, numbers: Numbers, ageing: Ageing, key: tuple[int, int]) -> State:
    """Return the arrays of rows x cols cells with these numbers, keyed by seed and shard; all zero but polarity."""
    own, shared = (rows, cols), (rows, -(-cols // numbers.span))
    zeros = {name: np.zeros(shared if name.startswith("shared") else own, np.float32) for name in State._fields}
    counted = np.zeros(1 if numbers.grain > 0 else 0, np.int64)
    others = {"polarity": np.ones(rows, np.float32), "updates": counted, "key": np.array(key, np.int64)}
    return State(**{**zeros, **others, **ageing._asdict()})
