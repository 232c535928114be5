"""What phase-change devices do by themselves: their conductance drifts with time, and some are stuck.

Both are options: where a chip has neither, the arrays are empty and cost nothing. Conductances are in uS.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, F64
from archsim.components.cells.numeric.draws import EXPONENTS, FRESH, STUCK, compiled, normals, uniforms


class Ageing(NamedTuple):
    """The arrays that a state holds for it; those of both devices of a cell are [2, rows, cols]."""

    exponents: F32  # drift exponents; empty where none drifts
    age: F64  # time since the devices were programmed, in s, [rows, cols]; empty where none drifts
    stuck: F32  # at which conductance devices are stuck, in uS, or -1; empty where none is
    leanings: F32  # how far a device is from the mean exponent at its conductance; empty where that is not the law


class Habits(NamedTuple):
    """With what the arrays are drawn: mean and spread of the drift exponent; shares of stuck devices, and where."""

    exponent: float = 0.0
    exponent_spread: float = 0.0
    stuck_reset: float = 0.0
    stuck_set: float = 0.0
    reset: float = 0.0
    set: float = 0.0
    lawful: bool = False  # exponents are set when devices are programmed, see `Programming.law`
    varies: float = 1.0

    def none_aged(self, rows: int, cols: int) -> Ageing:
        """Return the arrays of cells of which none has aged yet; those that are not needed are empty."""
        drifting = (rows, cols) if self.exponent > 0 or self.exponent_spread > 0 or self.lawful else (0, 0)
        sticking = (rows, cols) if self.stuck_reset > 0 or self.stuck_set > 0 else (0, 0)
        stuck = np.full((2, *sticking), -1, np.float32)
        leanings = np.zeros((2, *(drifting if self.lawful else (0, 0))), np.float32)
        return Ageing(np.zeros((2, *drifting), np.float32), np.zeros(drifting, np.float64), stuck, leanings)


@compiled
def draw_ageing(state: Any, habits: Any, seed: Any, shard: Any) -> None:
    """Draw which devices are stuck and how those drift that are not: it is fixed when the chip is made."""
    for row in range(state.stuck.shape[1]):
        for col in range(state.stuck.shape[2]):
            draws = uniforms(seed, shard, STUCK, FRESH, row, col)
            for side in range(2):
                if draws[side] < habits.stuck_reset:
                    state.stuck[side, row, col] = habits.reset
                elif draws[side] > 1.0 - habits.stuck_set:
                    state.stuck[side, row, col] = habits.set
    for row in range(state.exponents.shape[1]):
        for col in range(state.exponents.shape[2]):
            draws = normals(seed, shard, EXPONENTS, FRESH, row, col)
            for side in range(2):
                if habits.lawful:
                    state.leanings[side, row, col] = habits.varies * draws[side]
                elif not (state.stuck.shape[1] and state.stuck[side, row, col] >= 0):
                    exponent = habits.exponent + habits.exponent_spread * draws[side]
                    state.exponents[side, row, col] = max(0.0, exponent)


@compiled
def drift(state: Any, start: Any, stop: Any, dt_s: Any, begin_s: Any) -> None:
    """Let the devices of some rows drift: G falls by (max(t + dt, t_c) / max(t, t_c))^-nu, t since it was programmed.

    Over several steps this is G (max(t, t_c) / t_c)^-nu. Updates in between do not set t back.
    """
    for row in range(start, stop):
        for col in range(state.plus.shape[1]):
            before = state.age[row, col]
            after = before + dt_s[row - start]
            state.age[row, col] = after
            if after > begin_s:
                span = math.log(after / max(before, begin_s))
                plus, minus = state.exponents[0, row, col], state.exponents[1, row, col]
                state.plus[row, col] = state.plus[row, col] * np.float32(math.exp(-np.float64(plus) * span))
                state.minus[row, col] = state.minus[row, col] * np.float32(math.exp(-np.float64(minus) * span))
