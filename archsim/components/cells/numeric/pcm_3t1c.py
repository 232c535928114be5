"""Cells of two phase-change devices and a 3T1C in numbers: W = F (G+ - G-) + p (g - g_shared)."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from archsim.components.cells.numeric.ageing import Habits, draw_ageing, drift, empty_ageing
from archsim.components.cells.numeric.base import TransferCounts, checked_word
from archsim.components.cells.numeric.capacitor import CapacitorCells, empty_state
from archsim.components.cells.numeric.kernels import (
    FIRST,
    PROGRAM,
    TRANSFER_READ,
    Doubles,
    Floats,
    Numbers,
    Spreads,
    differences,
    noisy,
    program,
    turn,
)

_ONE = np.float32(1)


class Pcm3T1CParameters(NamedTuple):
    """With what the cells are made, in V, uS and s: what they have in common, their spreads, how they age."""

    numbers: Numbers
    spreads: Spreads
    habits: Habits
    step: float
    """Nominal change of a weight by one pulse."""
    reach: float
    """Largest weight, of either sign, that is held for long."""
    resets: int
    """RESETs of the two devices by one programming."""
    drift_start_s: float
    leaks: bool
    inverts: bool
    """Whether transfers invert the polarity."""
    alternates: bool
    """Whether every other row begins inverted."""
    compensates: bool
    """Whether transfers reckon with the nominal leak."""


class Pcm3T1CCells(CapacitorCells):
    """Cells of two PCM and a 3T1C: W = F (G+ - G-) + p (g - g_shared)."""

    def __init__(self, parameters: Pcm3T1CParameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key = checked_word("seed", seed), checked_word("shard", shard)
        numbers, habits = parameters.numbers, parameters.habits
        state = empty_state(rows, cols, numbers.span, empty_ageing(rows, cols, habits))
        if parameters.alternates:
            state.polarity[1::2] = -1
        draw_ageing(turn(state), habits, *key)
        super().__init__(state, numbers, parameters.spreads, key, parameters.leaks, parameters.step)
        self._parameters = parameters
        self.reach = parameters.reach

    def leak(self, row_start: int, row_stop: int, dt_s: float | Doubles) -> None:
        """Let own and shared capacitors decay towards the leak's target, and the PCM pairs drift if they do."""
        super().leak(row_start, row_stop, dt_s)
        if self.state.age.size:
            drift(self.state, row_start, row_stop, np.full(row_stop - row_start, dt_s), self._parameters.drift_start_s)
            own = slice(row_start, row_stop)
            state, held = self.state, differences(self._turned, self.numbers, row_start, row_stop)
            state.pcm[own] = self.numbers.gain * (state.plus[own] - state.minus[own])
            self.weights[own] = state.pcm[own] + state.polarity[own, None] * held

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0
    ) -> TransferCounts:
        """Read the weights, reset the capacitors, program the PCM pair and put the rest back on the capacitors.

        One read of the weight is noisy; those that verify are taken as exact. With leak compensation it reckons with
        the nominal leak (see `Pcm3T1C`).
        """
        self._check_rows(row_start, row_stop)
        rows, state = slice(row_start, row_stop), self.state
        wanted = self.weights[rows].copy()
        noisy(wanted, row_start, self.numbers.read_noise, self._draw(seed, TRANSFER_READ, index))
        turn = invert and self._parameters.inverts
        kept, mean = kept_and_mean(held_s, self.numbers.tau) if self._parameters.compensates else (1.0, 1.0)
        if kept < 1:
            restored = np.float32(self.numbers.offset * (1 - mean)) * state.polarity[rows, None]
            wanted = state.pcm[rows] + (np.float32(mean / kept) * (wanted - state.pcm[rows]) + restored)
        return self._program(wanted, row_start, self._draw(seed, PROGRAM, index), turn, np.float32(1 / mean))

    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """Program the PCM pairs to these weights and put the rest on the capacitors."""
        self._check_shape(weights)
        wanted = np.ascontiguousarray(weights, np.float32)
        return self._program(wanted, 0, self._draw(seed, FIRST, index), False)

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, Floats]:
        """Return W, g - g_shared, G+ and G-."""
        own = slice(row_start, row_stop)
        return {**super().quantities(row_start, row_stop), "G+": self.state.plus[own], "G-": self.state.minus[own]}

    def _program(
        self, wanted: Floats, start: int, key: tuple[int, int, int, int], invert: bool, emphasis: Any = _ONE
    ) -> TransferCounts:
        found = program(self._turned, self.numbers, wanted, start, key, invert, emphasis)
        both, beyond, pulses, clipped, left, most, over = found
        return TransferCounts(
            wanted.size, both, beyond, self._parameters.resets * wanted.size, pulses, clipped, left, float(most),
            wanted.size, wanted.size, over,
        )  # fmt: skip


def kept_and_mean(held_s: float, tau_s: float) -> tuple[float, float]:
    """Return what of a charge is left after some time, and what of it there was on average meanwhile.

    They are e = exp(-t / tau) and (1 - e) tau / t.
    """
    spans = held_s / tau_s
    return math.exp(-spans), -math.expm1(-spans) / spans if spans else 1.0
