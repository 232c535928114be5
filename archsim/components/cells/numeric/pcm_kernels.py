"""Compiled kernels of PCM pairs that are trained in place: partial SET pulses, and occasional RESET.

Float32 in a fixed order, as in `capacitor_kernels`; conductances and weights are in uS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, F64, I64
from archsim.components.cells.numeric.coincidences import coincide, columns_pulsed
from archsim.components.cells.numeric.conversion import Reading, converted
from archsim.components.cells.numeric.draws import (
    BOUNDS,
    FIRST,
    FRESH,
    SET_PULSE,
    STEPS,
    compiled,
    inner,
    normals,
    quick_pair,
)
from archsim.components.cells.numeric.programming import Programming, program_pair

_ZERO, _ONE = np.float32(0), np.float32(1)


class PairState(NamedTuple):
    """The cells of a shard: arrays [rows, cols], or [2, rows, cols] where G+ and G- differ."""

    weights: F32  # W = F (G+ - G-), in uS: a function of the rest, always up to date
    plus: F32  # G+, in uS
    minus: F32  # G-, in uS
    steps: F32  # mean change by the first SET pulse after a RESET, in uS
    limits: F32  # the conductance that SET pulses approach, in uS
    fired: I64  # SET pulses of both devices so far: the index of the next one's draw
    key: I64  # seed and shard, of the draws of SET pulses
    exponents: F32  # these four as in `Ageing`
    age: F64
    stuck: F32
    leanings: F32


class PairNumbers(NamedTuple):
    """What all cells of a device have in common: float32, in uS."""

    step: Any  # nominal change of the weight by the first pulse after a RESET
    noise: Any  # spread of a SET pulse's change, relative to its mean
    refresh_above: Any
    transfer_read: Reading  # of one device, as it counts in the weight
    pcm: Programming


class PairSpreads(NamedTuple):
    """With what means and spreads devices are made: double precision, in uS; spreads are relative."""

    step: float
    step_spread: float
    limit: float
    limit_spread: float
    step_least: float
    limit_least: float


@compiled
def make_pairs(state: Any, numbers: Any, spreads: Any, seed: Any, shard: Any) -> None:
    """Draw what is fixed when the chip is made, and RESET all devices."""
    for row in range(state.weights.shape[0]):
        for col in range(state.weights.shape[1]):
            steps = normals(seed, shard, STEPS, FRESH, row, col)
            limits = normals(seed, shard, BOUNDS, FRESH, row, col)
            for side in range(2):
                step = 1.0 + spreads.step_spread * steps[side]
                limit = 1.0 + spreads.limit_spread * limits[side]
                state.steps[side, row, col] = spreads.step * max(spreads.step_least, step)
                state.limits[side, row, col] = spreads.limit * max(spreads.limit_least, limit)
            draws = quick_pair(seed, shard, FIRST, FRESH, row, col)
            state.weights[row, col] = program_pair(state, numbers.pcm, row, col, _ZERO, _ZERO, draws)


@compiled
def update_pairs(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Fire the coincidences of row and column pulses: an increase SETs G+, a decrease G-; return pulses, clipped ones.

    A pulse changes G by step (1 - G / limit) (1 + noise z), z standard normal; it is clipped if G reaches the limit or
    zero, or is at the limit already.
    """
    columns, upward = columns_pulsed(nd, slots)
    pulses = clipped = 0
    if columns.shape[0] == 0:
        return pulses, clipped
    sizes = np.abs(nd[columns])
    coincidences = np.zeros(sizes.max() + 1, np.int64)
    for row in range(nx.shape[0]):
        if nx[row] == 0:
            continue
        coincide(coincidences, nx[row], phi[row], slots)
        for place in range(columns.shape[0]):
            col, count = columns[place], coincidences[sizes[place]]
            if count == 0:
                continue
            side, conductances = (0, state.plus) if place < upward else (1, state.minus)
            for _ in range(count):
                clipped += set_once(state, numbers, conductances, side, row, col)
            state.weights[row, col] = numbers.pcm.gain * (state.plus[row, col] - state.minus[row, col])
            pulses += count
    return pulses, clipped


@inner
def set_once(state: Any, numbers: Any, conductances: Any, side: Any, row: Any, col: Any) -> Any:
    """Give a device one SET pulse; return 1 if it was clipped, else 0."""
    if state.stuck.shape[1] and state.stuck[side, row, col] >= _ZERO:
        return 1
    index = state.fired[row, col]
    state.fired[row, col] = index + 1
    draw = _ZERO
    if numbers.noise > _ZERO:
        draw = np.float32(normals(state.key[0], state.key[1], SET_PULSE, index, row, col)[0])
    before, limit = conductances[row, col], state.limits[side, row, col]
    room = _ONE - before / limit
    if room <= _ZERO:
        return 1
    after = before + (state.steps[side, row, col] * room) * (_ONE + numbers.noise * draw)
    conductances[row, col] = min(max(after, _ZERO), limit)
    return 1 if after > limit or after < _ZERO else 0


@compiled
def read_pairs(state: Any, numbers: Any, start: Any, stop: Any, key: Any) -> Any:
    """Return what reads of both devices say of some rows: their weights, and where one is above `refresh_above`."""
    seed, shard, what, index = key
    gain, reading = numbers.pcm.gain, numbers.transfer_read
    wanted = np.empty((stop - start, state.weights.shape[1]), np.float32)
    full = np.empty(wanted.shape, np.bool_)
    for row in range(start, stop):
        for col in range(wanted.shape[1]):
            draws = _ZERO, _ZERO
            if reading.noise > _ZERO:
                draws = quick_pair(seed, shard, what, index, row, col)
            plus = converted(gain * state.plus[row, col], draws[0], reading)
            minus = converted(gain * state.minus[row, col], draws[1], reading)
            wanted[row - start, col] = plus - minus
            full[row - start, col] = max(plus, minus) > gain * numbers.refresh_above
    return wanted, full


@compiled
def write_pairs(state: Any, numbers: Any, wanted: Any, chosen: Any, start: Any, key: Any) -> Any:
    """Program `chosen` cells of rows from `start` on to the wanted weights: one device, the other is left RESET.

    `key` is what the errors are keyed
    by: (seed, shard, what, index). Returns the cells programmed, those left with both devices RESET, the devices
    clipped, the sum and the maximum of what is left over, in uS, and the cells where that is more than a pulse
    because a device was clipped.
    """
    seed, shard, what, index = key
    pcm = numbers.pcm
    written = both = beyond = over = 0
    left_sum, left_most = 0.0, _ZERO
    for row in range(start, start + wanted.shape[0]):
        for col in range(wanted.shape[1]):
            if not chosen[row - start, col]:
                continue
            weight = wanted[row - start, col]
            plus = max(weight, _ZERO) / pcm.gain
            minus = max(-weight, _ZERO) / pcm.gain
            cut = plus > pcm.reachable or minus > pcm.reachable
            if cut:
                beyond += 1
                plus, minus = min(plus, pcm.reachable), min(minus, pcm.reachable)
            if plus == minus:
                both += 1
            draws = quick_pair(seed, shard, what, index, row, col)
            state.weights[row, col] = program_pair(state, pcm, row, col, plus, minus, draws)
            written += 1
            left = abs(weight - state.weights[row, col])
            left_sum += left
            left_most = max(left_most, left)
            over += cut and left > numbers.step
    return written, both, beyond, left_sum, left_most, over
