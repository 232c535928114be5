"""Kernels that write values to cells with a 3T1C: transfers, first weights and rewrites.

Float32 in a fixed order, as in `capacitor_kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.components.cells.numeric.capacitor_kernels import (
    difference_at,
    pulse,
    refresh_shared,
    refresh_weight,
    turn,
)  # fmt: skip
from archsim.components.cells.numeric.draws import compiled, inner, normals
from archsim.components.cells.numeric.programming import program_pair

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@inner
def put(state: Any, numbers: Any, row: Any, col: Any, difference: Any) -> Any:
    """Pulse one cell until g - g_shared is `difference`, in a burst and a trim.

    Each burst is counted from one read and the nominal step, as long as the slots allow. Returns pulses, clipped ones,
    what is left over in uS, and whether that is more than a pulse because slots or range ended in the trim.
    """
    pulses = clipped = 0
    stopped = False
    group = col // numbers.span
    for limit in (numbers.residual_pulses, numbers.trim_pulses):
        gap = difference - difference_at(state, row, col, group)
        wanted = np.floor(abs(gap) / numbers.step + _HALF)
        count = limit if wanted > limit else int(wanted)
        step, bend = state.up[row, col], numbers.bend
        if gap <= _ZERO:
            step, bend = -state.down[row, col], -bend
        voltage, cut = pulse(state.voltage[row, col], count, step, bend, numbers.start, numbers.least, numbers.most)
        state.voltage[row, col] = voltage
        pulses += count
        clipped += cut
        stopped = wanted > limit or cut > 0
    refresh_weight(state, row, col, group)
    left = abs(difference - difference_at(state, row, col, group))
    return pulses, clipped, left, stopped and left > numbers.step


@compiled
def program(kept: Any, numbers: Any, wanted: Any, start: Any, key: Any, invert: Any, emphasis: Any) -> Any:
    """Program rows from `start` on to the wanted weights, steps (2) to (5) of a transfer.

    `key` is what the programming errors are keyed by: (seed, shard, what, index); such an error, which is all beyond
    the offset and the mismatch, is put on the capacitor `emphasis` times. Returns the cells with both devices RESET,
    the devices clipped, pulses and clipped pulses, the sum and the maximum of what is left over, in uS, and the cells
    where that is more than a pulse because slots or range ended.
    """
    state, pcm, offset = turn(kept), numbers.pcm, numbers.offset
    seed, shard, what, index = key
    both = out_of_reach = pulses = clipped = over = 0
    left_sum, left_most = 0.0, _ZERO
    for row in range(start, start + wanted.shape[0]):
        if invert:
            state.polarity[row] = -state.polarity[row]
        sign = state.polarity[row]
        for group in range(state.shared.shape[1]):
            state.shared_voltage[row, group] = numbers.start
            refresh_shared(state, row, group)
        for col in range(wanted.shape[1]):
            weight = wanted[row - start, col]
            state.voltage[row, col] = numbers.start
            settled = offset + difference_at(state, row, col, col // numbers.span)
            target = weight - sign * settled
            plus = minus = _ZERO
            if _ZERO < sign * target < offset:
                both += 1
            elif target > _ZERO:
                plus = target / pcm.gain
            else:
                minus = -target / pcm.gain
            if plus > pcm.reachable or minus > pcm.reachable:
                out_of_reach += 1
                plus, minus = min(plus, pcm.reachable), min(minus, pcm.reachable)
            draws = normals(seed, shard, what, index, row, col)
            state.pcm[row, col] = program_pair(state, pcm, row, col, plus, minus, draws)
            difference = sign * (weight - state.pcm[row, col])
            if emphasis > _ONE:
                difference = settled + emphasis * (difference - settled)
            fired, cut, left, too_far = put(state, numbers, row, col, difference)
            pulses += fired
            clipped += cut
            left_sum += left
            left_most = max(left_most, left)
            over += too_far
    return both, out_of_reach, pulses, clipped, left_sum, left_most, over


@compiled
def rewrite(kept: Any, numbers: Any, wanted: Any, start: Any) -> Any:
    """Pulse rows from `start` on until g - g_shared is as wanted.

    Returns pulses and clipped ones, the sum and the maximum of what is left over, in uS, and the cells where it is more
    than a pulse because slots or range ended.
    """
    state = turn(kept)
    pulses = clipped = over = 0
    left_sum, left_most = 0.0, _ZERO
    for row in range(start, start + wanted.shape[0]):
        for col in range(wanted.shape[1]):
            fired, cut, left, too_far = put(state, numbers, row, col, wanted[row - start, col])
            pulses += fired
            clipped += cut
            left_sum += left
            left_most = max(left_most, left)
            over += too_far
    return pulses, clipped, left_sum, left_most, over
