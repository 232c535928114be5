"""Phase-change devices programmed in numbers: two of a cell, each by a RESET and a SET ramp that is verified.

Float32 in a fixed order, as in `capacitor_kernels`; conductances are in uS.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from archsim.components.cells.numeric.draws import compiled, inner

_ZERO, _ONE = np.float32(0), np.float32(1)


class DriftLaw(NamedTuple):
    """By what drift exponents follow conductance: see `PcmPair`; double precision, the scale in uS."""

    scale: float = 1.0
    mean: float = 0.0
    slope: float = 0.0
    least: float = 0.0
    most: float = 0.0
    spread: float = 0.0
    spread_slope: float = 0.0
    spread_least: float = 0.0
    spread_most: float = 0.0


class Programming(NamedTuple):
    """What all PCM pairs of a device have in common: see `PcmPair`."""

    gain: Any = _ZERO
    reachable: Any = _ZERO  # the largest conductance that the ramp's slot reaches
    scale: Any = _ZERO
    error: Any = _ZERO
    error_slope: Any = _ZERO
    error_bend: Any = _ZERO
    control: Any = _ZERO
    control_loss: Any = _ZERO
    reset: Any = _ZERO
    reset_spread: Any = _ZERO
    law: DriftLaw = DriftLaw()


@compiled
def programmed(target: Any, draw: Any, pcm: Any) -> Any:
    """Return what a device holds after verified programming; a target of zero leaves it RESET."""
    if target > _ZERO:
        ratio = target / pcm.scale
        sigma = pcm.error + pcm.error_slope * ratio - pcm.error_bend * (ratio * ratio)
        if target > pcm.control:
            sigma = sigma * (_ONE + (target - pcm.control) / pcm.control_loss)
        if sigma < _ZERO:
            sigma = _ZERO
        conductance = target + sigma * draw
    else:
        conductance = pcm.reset + pcm.reset_spread * draw
    return conductance if conductance > _ZERO else _ZERO


@compiled
def exponent_at(conductance: Any, leaning: Any, law: Any) -> Any:
    """Return the drift exponent of a device that was programmed to a conductance in uS."""
    logarithm = math.log(max(np.float64(conductance) / law.scale, 1e-7))  # finite: the ends of the law are met before
    mean = min(max(law.mean - law.slope * logarithm, law.least), law.most)
    spread = min(max(law.spread - law.spread_slope * logarithm, law.spread_least), law.spread_most)
    return np.float32(abs(mean + spread * np.float64(leaning)))


@inner
def program_pair(state: Any, pcm: Any, row: Any, col: Any, plus: Any, minus: Any, draws: Any) -> Any:
    """Program both devices of a cell to targets, zero standing for RESET, unless they are stuck; return F (G+ - G-)."""
    plus, minus = programmed(plus, np.float32(draws[0]), pcm), programmed(minus, np.float32(draws[1]), pcm)
    if state.stuck.shape[1]:
        plus = state.stuck[0, row, col] if state.stuck[0, row, col] >= _ZERO else plus
        minus = state.stuck[1, row, col] if state.stuck[1, row, col] >= _ZERO else minus
    state.plus[row, col], state.minus[row, col] = plus, minus
    if state.age.shape[0]:
        state.age[row, col] = 0.0
    if state.leanings.shape[1]:
        state.exponents[0, row, col] = exponent_at(plus, state.leanings[0, row, col], pcm.law)
        state.exponents[1, row, col] = exponent_at(minus, state.leanings[1, row, col], pcm.law)
        if state.stuck.shape[1]:
            for side in range(2):
                if state.stuck[side, row, col] >= _ZERO:
                    state.exponents[side, row, col] = _ZERO
    return pcm.gain * (plus - minus)
