"""Drift and stuck devices again in plain numpy: to the bit what `ageing` gives."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.base.arrays import F64
from archsim.components.cells.numeric.ageing import Ageing, Habits
from archsim.components.cells.numeric.draws import EXPONENTS, FRESH, STUCK
from archsim.components.cells.numeric.draws_in_numpy import normals, uniforms
from archsim.components.cells.numeric.programming import DriftLaw

_exp, _log = np.vectorize(math.exp, otypes=[np.float64]), np.vectorize(math.log, otypes=[np.float64])


def drawn_ageing(rows: int, cols: int, habits: Habits, seed: int, shard: int) -> Ageing:
    """Return the arrays of new cells, with what is fixed when the chip is made."""
    ageing = habits.none_aged(rows, cols)
    if ageing.stuck.size:
        for side, draw in enumerate(uniforms(seed, shard, STUCK, FRESH, range(rows), cols)):
            at_set = np.where(draw > 1.0 - habits.stuck_set, habits.set, -1.0)
            ageing.stuck[side] = np.where(draw < habits.stuck_reset, habits.reset, at_set)
    if ageing.age.size:
        for side, draw in enumerate(normals(seed, shard, EXPONENTS, FRESH, range(rows), cols)):
            if habits.lawful:
                ageing.leanings[side] = habits.varies * draw
                continue
            ageing.exponents[side] = np.maximum(0.0, habits.exponent + habits.exponent_spread * draw)
        if ageing.stuck.size:
            ageing.exponents[ageing.stuck >= 0] = 0
    return ageing


def exponents_set(state: Any, rows: slice, law: DriftLaw) -> None:
    """Set the exponents of devices that were just programmed by what they hold, aihwkit's PCM model."""
    for held, exponents, leanings in zip((state.plus, state.minus), state.exponents, state.leanings, strict=True):
        logarithm = _log(np.maximum(held[rows].astype(np.float64) / law.scale, 1e-7))
        mean = np.clip(law.mean - law.slope * logarithm, law.least, law.most)
        spread = np.clip(law.spread - law.spread_slope * logarithm, law.spread_least, law.spread_most)
        exponents[rows] = np.abs(mean + spread * leanings[rows].astype(np.float64))
    if state.stuck.size:
        state.exponents[:, rows][state.stuck[:, rows] >= 0] = 0


def age(state: Any, rows: slice, dt_s: float | F64, begin_s: float) -> None:
    """G <- G (max(t + dt, t_c) / max(t, t_c))^-nu, of both devices."""
    before = state.age[rows].copy()
    state.age[rows] = before + np.reshape(dt_s, (-1, 1))
    moving = state.age[rows] > begin_s
    span = _log(np.where(moving, state.age[rows] / np.maximum(before, begin_s), 1.0))
    for held, exponents in zip((state.plus, state.minus), state.exponents, strict=True):
        factor = _exp(-exponents[rows].astype(np.float64) * span).astype(np.float32)
        held[rows] = np.where(moving, held[rows] * factor, held[rows])
