"""Compiled kernels of exact updates: what a chip would do whose pulses could be of any number, not of whole ones.

A cell with x of its row, a share of full scale, and n of its column, a real number of pulses, changes by x n times what
one pulse would change it by as it stands, up to its limits. So the cell's step, and all that bends it, stays; rounding,
the limit of the slots, the phases of trains and the noise of single pulses go. The kernels have the arguments of those
that they stand for, `nx` and `nd` being float32; they return the pulses' worth and how many cells met a limit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.components.cells.numeric.capacitor_kernels import refresh_weight
from archsim.components.cells.numeric.draws import compiled

_ZERO, _ONE = np.float32(0), np.float32(1)


@compiled
def update_exactly(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Change the capacitors of all cells."""
    pulses, limited = 0.0, 0
    for col in range(nd.shape[0]):
        if nd[col] == _ZERO:
            continue
        for row in range(nx.shape[0]):
            if nx[row] == _ZERO:
                continue
            count = nx[row] * abs(nd[col])
            bends = numbers.bend * (state.voltage[row, col] - numbers.start)
            if state.polarity[row] * nd[col] > _ZERO:
                after = state.voltage[row, col] + count * (state.up[row, col] * (_ONE - bends))
            else:
                after = state.voltage[row, col] - count * (state.down[row, col] * (_ONE + bends))
            limited += after > numbers.most or after < numbers.least
            state.voltage[row, col] = min(max(after, numbers.least), numbers.most)
            refresh_weight(state, row, col, col // numbers.span)
            pulses += count
    return pulses, limited


@compiled
def update_pairs_exactly(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Raise G+ of cells whose weight increases, G- of the others; those that are stuck stay."""
    pulses, limited = 0.0, 0
    for row in range(nx.shape[0]):
        if nx[row] == _ZERO:
            continue
        for col in range(nd.shape[0]):
            if nd[col] == _ZERO:
                continue
            count = nx[row] * abs(nd[col])
            pulses += count
            side, conductances = (0, state.plus) if nd[col] > _ZERO else (1, state.minus)
            before, limit = conductances[row, col], state.limits[side, row, col]
            room = _ONE - before / limit
            if room <= _ZERO or (state.stuck.shape[1] and state.stuck[side, row, col] >= _ZERO):
                limited += 1
                continue
            after = before + count * (state.steps[side, row, col] * room)
            limited += after > limit
            conductances[row, col] = min(after, limit)
            state.weights[row, col] = numbers.pcm.gain * (state.plus[row, col] - state.minus[row, col])
    return pulses, limited
