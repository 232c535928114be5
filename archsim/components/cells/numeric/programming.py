"""Phase-change devices programmed in numbers: two of a cell, each by a RESET and a SET ramp that is verified.

Float32 in a fixed order, as in `capacitor_kernels`; conductances are in uS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.components.cells.numeric.draws import compiled, inner

_ZERO, _ONE = np.float32(0), np.float32(1)


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
    return pcm.gain * (plus - minus)
