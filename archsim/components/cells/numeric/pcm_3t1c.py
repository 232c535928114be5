"""Cells of two phase-change devices and a 3T1C in numbers: W = F (G+ - G-) + p (g - g_shared)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.base.arrays import F32, F64
from archsim.components.cells.numeric.ageing import draw_ageing, drift
from archsim.components.cells.numeric.base import DeviceLine, Parameters, Sight, TransferCounts, checked_key
from archsim.components.cells.numeric.capacitor import GONE, CapacitorCells, empty_state
from archsim.components.cells.numeric.capacitor_kernels import differences
from archsim.components.cells.numeric.capacitor_writing import program
from archsim.components.cells.numeric.conversion import convert
from archsim.components.cells.numeric.draws import FIRST, PROGRAM, REST_READ, TRANSFER_READ

_ONE = np.float32(1)


class Pcm3T1CCells(CapacitorCells):
    """Cells of two PCM and a 3T1C: W = F (G+ - G-) + p (g - g_shared)."""

    def __init__(self, parameters: Parameters, rows: int, cols: int, seed: int, shard: int) -> None:
        key = checked_key(seed, shard)
        state = empty_state(rows, cols, parameters.numbers, parameters.habits.none_aged(rows, cols), key)
        if parameters.alternates:
            state.polarity[1::2] = -1
        draw_ageing(state, parameters.habits, *key)
        super().__init__(state, parameters, key)

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """Let own and shared capacitors decay towards the leak's target, and the PCM pairs drift if they do."""
        super().leak(row_start, row_stop, dt_s)
        if self.state.age.size:
            drift(self.state, row_start, row_stop, np.full(row_stop - row_start, dt_s), self.parameters.drift_start_s)
            own = slice(row_start, row_stop)
            state, held = self.state, differences(self.state, self.numbers, row_start, row_stop)
            state.pcm[own] = self.numbers.pcm.gain * (state.plus[own] - state.minus[own])
            self.weights[own] = state.pcm[own] + state.polarity[own, None] * held

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0,
        sight: Sight | None = None,
    ) -> TransferCounts:  # fmt: skip
        """Read the weights, reset the capacitors, program the PCM pair and put the rest back on the capacitors.

        The read of the weight, the last verify and the residual reads err as their `Reading` says. With leak
        compensation it reckons with the nominal leak (see `Pcm3T1C`).
        """
        self._check_rows(row_start, row_stop)
        rows, state = slice(row_start, row_stop), self.state
        seen, written = (self.weights[rows], _ONE) if sight is None else sight
        kept, mean = kept_and_mean(held_s, self.numbers.tau) if self.parameters.compensates else (1.0, 1.0)
        regained = np.float32(mean / kept)
        restored = np.float32(self.numbers.offset * (1 - mean)) * state.polarity[rows, None]
        wanted, pcm = seen.copy(), state.pcm[rows] * written
        convert(wanted, row_start, self.numbers.transfer_read, self._draw(seed, TRANSFER_READ, index))
        rests = None
        if self.numbers.transfer_threshold:
            rests = seen - pcm
            convert(rests, row_start, self.numbers.residual_read, self._draw(seed, REST_READ, index))
            pcm = wanted - rests
            rests = regained * rests + restored
            wanted = pcm + rests
        elif kept < 1:
            wanted = pcm + (regained * (wanted - pcm) + restored)
        turn = invert and self.parameters.inverts
        return self._program(wanted, row_start, self._draw(seed, PROGRAM, index), turn, np.float32(1 / mean), rests)

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Program the PCM pairs to these weights and put the rest on the capacitors."""
        return self._program(self._wanted(weights), 0, self._draw(seed, FIRST, index), False)

    def _fluttering(self, rows: slice) -> F64:
        flutter, gain = self.parameters.flutter, np.float64(self.numbers.pcm.gain)
        pair = flutter.devices(self.state.plus[rows]) + flutter.devices(self.state.minus[rows])
        return super()._fluttering(rows) + gain**2 * pair

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W, g - g_shared, G+ and G-."""
        own = slice(row_start, row_stop)
        return {**super().quantities(row_start, row_stop), "G+": self.state.plus[own], "G-": self.state.minus[own]}

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return G+ and G-, which count F times, and g and g_shared."""
        rows, gain = slice(row_start, row_stop), self.numbers.pcm.gain
        pair = [
            DeviceLine(self.state.plus[rows], gain, written=True),
            DeviceLine(self.state.minus[rows], -gain, written=True),
        ]
        return [*pair, *super().devices(row_start, row_stop)]

    def _program(
        self, wanted: F32, start: int, key: tuple[int, int, int, int], invert: bool, emphasis: Any = _ONE,
        rests: F32 | None = None,
    ) -> TransferCounts:  # fmt: skip
        if rests is None:
            rests = np.empty((0, wanted.shape[1]), np.float32)
        found = program(self.state, self.numbers, wanted, rests, start, key, invert, emphasis)
        programmed, both, beyond, pulses, clipped, left, most, over = found
        return TransferCounts(
            wanted.size, both, beyond, self.parameters.resets * programmed, pulses, clipped, left, float(most),
            programmed, wanted.size, over,
        )  # fmt: skip


def kept_and_mean(held_s: float, tau_s: float) -> tuple[float, float]:
    """Return what of a charge is left after some time, and what of it there was on average meanwhile.

    They are e = exp(-t / tau) and (1 - e) tau / t.
    """
    spans = min(held_s / tau_s, GONE)
    return math.exp(-spans), -math.expm1(-spans) / spans if spans else 1.0
