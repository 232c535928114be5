"""Kernels that write values to cells with a 3T1C: transfers, first weights and rewrites.

Float32 in a fixed order, as in `capacitor_kernels`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.components.cells.numeric.capacitor_kernels import (
    difference_at,
    jolt,
    pulse,
    refresh_shared,
    refresh_weight,
)  # fmt: skip
from archsim.components.cells.numeric.conversion import converted
from archsim.components.cells.numeric.draws import (
    OF_PULSES,
    OF_RESET,
    OF_RESIDUAL,
    OF_SHARED_RESET,
    OF_VERIFY,
    compiled,
    inner,
    quick_pair,
)
from archsim.components.cells.numeric.programming import program_pair

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


@inner
def put(state: Any, numbers: Any, row: Any, col: Any, difference: Any, due: Any, key: Any) -> Any:
    """Pulse one cell until g - g_shared is `difference`, in a burst and a trim.

    Each burst is counted from one read and the nominal step, as long as the slots allow. `key` is what the noise of
    reads and pulses is keyed by, if they have any. Returns pulses, clipped ones, what is left over in uS of what would
    be `due` were all reads exact, and whether that is more than a pulse because slots or range ended in the trim.
    """
    pulses = clipped = 0
    stopped = False
    group = col // numbers.span
    seed, shard, what, index = key
    draws = reads = (_ZERO, _ZERO)
    if numbers.residual_read.noise > _ZERO:
        reads = quick_pair(seed, shard, what + OF_RESIDUAL, index, row, col)
    if numbers.grain > _ZERO:
        draws = quick_pair(seed, shard, what + OF_PULSES, index, row, col)
    bursts = (numbers.residual_pulses, draws[0], reads[0]), (numbers.trim_pulses, draws[1], reads[1])
    for limit, draw, error in bursts:
        gap = difference - converted(difference_at(state, row, col, group), error, numbers.residual_read)
        wanted = np.floor(abs(gap) / numbers.step + _HALF)
        count = limit if wanted > limit else int(wanted)
        step, bend = state.up[row, col], numbers.bend
        if gap <= _ZERO:
            step, bend = -state.down[row, col], -bend
        voltage, cut = pulse(state.voltage[row, col], count, step, bend, numbers.start, numbers.least, numbers.most)
        if numbers.grain > _ZERO:
            voltage, beyond = jolt(state.voltage[row, col], voltage, draw, numbers)
            cut = max(cut, int(beyond))
        state.voltage[row, col] = voltage
        pulses += count
        clipped += cut
        stopped = wanted > limit or cut > 0
    refresh_weight(state, row, col, group)
    left = abs(due - difference_at(state, row, col, group))
    return pulses, clipped, left, stopped and left > numbers.step


@inner
def reset_row(state: Any, numbers: Any, row: Any) -> None:
    """Reset the capacitors of a row to where they start."""
    for group in range(state.shared.shape[1]):
        state.shared_voltage[row, group] = numbers.start
        refresh_shared(state, row, group)
    for col in range(state.voltage.shape[1]):
        state.voltage[row, col] = numbers.start


@inner
def jitter_row(state: Any, numbers: Any, row: Any, key: Any) -> None:
    """Add to the capacitors of a row that were just reset the noise of it, each its own draw."""
    seed, shard, what, index = key
    for group in range(state.shared.shape[1]):
        draw = quick_pair(seed, shard, what + OF_SHARED_RESET, index, row, group)[0]
        state.shared_voltage[row, group] = state.shared_voltage[row, group] + numbers.reset_noise * draw
        refresh_shared(state, row, group)
    for col in range(state.voltage.shape[1]):
        draw = quick_pair(seed, shard, what + OF_RESET, index, row, col)[0]
        state.voltage[row, col] = state.voltage[row, col] + numbers.reset_noise * draw


@compiled
def reset(state: Any, numbers: Any, key: Any) -> None:
    """Reset all capacitors, with the noise of it, if any."""
    for row in range(state.weights.shape[0]):
        reset_row(state, numbers, row)
        if numbers.reset_noise > _ZERO:
            jitter_row(state, numbers, row, key)


@compiled
def program(
    state: Any, numbers: Any, wanted: Any, rests: Any, start: Any, key: Any, invert: Any, emphasis: Any
) -> Any:  # fmt: skip
    """Program rows from `start` on to the wanted weights, steps (2) to (5) of a transfer.

    Where a cell's `rests`, what of the weight is not in its pair, is within `transfer_threshold`, the pair stays as it
    is, and the rest is put back on the capacitor; there are none, [0, cols], where every pair is programmed.

    `key` is what the programming errors are keyed by: (seed, shard, what, index); such an error as it is verified,
    which is all beyond the offset and the mismatch, is put on the capacitor `emphasis` times. The mismatch is known
    without the noise of the reset, which residual pulses then meet. Returns the cells programmed, those with both
    devices RESET, the devices clipped, pulses and clipped pulses, the sum and the maximum of what is left over, in uS,
    and the cells where that is more than a pulse because slots or range ended.
    """
    pcm, offset = numbers.pcm, numbers.offset
    seed, shard, what, index = key
    programmed = both = out_of_reach = pulses = clipped = over = 0
    left_sum, left_most = 0.0, _ZERO
    held = np.empty(wanted.shape[1], np.float32)
    for row in range(start, start + wanted.shape[0]):
        if invert:
            state.polarity[row] = -state.polarity[row]
        sign = state.polarity[row]
        reset_row(state, numbers, row)
        for col in range(wanted.shape[1]):
            held[col] = offset + difference_at(state, row, col, col // numbers.span)
        if numbers.reset_noise > _ZERO:
            jitter_row(state, numbers, row, key)
        for col in range(wanted.shape[1]):
            weight, settled = wanted[row - start, col], held[col]
            if rests.shape[0] and abs(rests[row - start, col]) <= numbers.transfer_threshold:
                difference = due = sign * rests[row - start, col]
            else:
                programmed += 1
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
                draws = quick_pair(seed, shard, what, index, row, col)
                state.pcm[row, col] = program_pair(state, pcm, row, col, plus, minus, draws)
                read = _ZERO
                if numbers.verify.noise > _ZERO:
                    read = quick_pair(seed, shard, what + OF_VERIFY, index, row, col)[0]
                verified = pcm.gain * converted(state.plus[row, col] - state.minus[row, col], read, numbers.verify)
                difference, due = sign * (weight - verified), sign * (weight - state.pcm[row, col])
            if emphasis > _ONE:
                difference = settled + emphasis * (difference - settled)
                due = settled + emphasis * (due - settled)
            fired, cut, left, too_far = put(state, numbers, row, col, difference, due, key)
            pulses += fired
            clipped += cut
            left_sum += left
            left_most = max(left_most, left)
            over += too_far
    return programmed, both, out_of_reach, pulses, clipped, left_sum, left_most, over


@compiled
def rewrite(state: Any, numbers: Any, wanted: Any, start: Any, key: Any) -> Any:
    """Pulse rows from `start` on until g - g_shared is as wanted; `key` is as in `program`.

    Returns pulses and clipped ones, the sum and the maximum of what is left over, in uS, and the cells where it is more
    than a pulse because slots or range ended.
    """
    pulses = clipped = over = 0
    left_sum, left_most = 0.0, _ZERO
    for row in range(start, start + wanted.shape[0]):
        for col in range(wanted.shape[1]):
            due = wanted[row - start, col]
            fired, cut, left, too_far = put(state, numbers, row, col, due, due, key)
            pulses += fired
            clipped += cut
            left_sum += left
            left_most = max(left_most, left)
            over += too_far
    return pulses, clipped, left_sum, left_most, over
