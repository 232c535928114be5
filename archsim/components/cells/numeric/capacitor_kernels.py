"""Compiled kernels of the cells with a 3T1C: what the cells of a shard are, how they are made, and what they hold.

Everything is float32 in a fixed order, without fused or reassociated arithmetic, so that the plain numpy of
`cells_reference` gives the same bits. Exponentials, logarithms and sines are taken in double precision by the C
library and rounded once; only they could differ between machines. Conductances and weights are in microsiemens.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, F64, I64
from archsim.components.cells.numeric.conversion import EXACT, Reading
from archsim.components.cells.numeric.draws import (
    FIRST,
    FRESH,
    LEAK,
    SHARED_LEAK,
    SHARED_TRANSISTOR,
    STEPS,
    TRANSISTOR,
    compiled,
    inner,
    normals,
    quick_pair,
    taken_in,
)  # fmt: skip
from archsim.components.cells.numeric.programming import Programming, program_pair

_ZERO, _ONE, _TWO = np.float32(0), np.float32(1), np.float32(2)
_HALF, _THIRD = np.float32(1 / 2), np.float32(1 / 3)


class State(NamedTuple):
    """The cells of a shard: what was fixed when they were made, and what they hold.

    Arrays are [rows, cols]; those of the references [rows, ceil(cols / cells_per_reference)]; polarity [rows].
    """

    weights: F32  # W = pcm + polarity (g - g_shared), in uS: a function of the rest, always up to date
    pcm: F32  # F (G+ - G-), in uS
    plus: F32  # G+, in uS
    minus: F32  # G-, in uS
    polarity: F32  # +1 or -1, by row
    voltage: F32  # V of the own capacitor
    k: F32  # transconductance of the read transistor, in uS/V
    threshold: F32  # V_T of the read transistor, in V
    up: F32  # the up-step at the start voltage, in V
    down: F32  # the down-step at the start voltage, in V
    tau: F32  # time constant of the own capacitor, in s
    shared: F32  # g_shared, in uS: a function of the voltage, always up to date
    shared_voltage: F32
    shared_k: F32
    shared_threshold: F32
    shared_tau: F32
    exponents: F32  # these four as in `Ageing`
    age: F64
    stuck: F32
    leanings: F32
    updates: I64  # how many there were, by which the noise of their pulses is keyed: [1], or empty where there is none
    key: I64  # seed and shard, for the same


class Numbers(NamedTuple):
    """What all cells of a device have in common: float32, in V, uS and s; the pulses are whole numbers."""

    span: int
    start: Any
    least: Any
    most: Any
    target: Any
    tau: float
    bend: Any  # relative change of a step per volt
    step: Any  # nominal change of the weight by a pulse
    rewrite_read: Reading
    residual_read: Reading
    residual_pulses: int
    trim_pulses: int
    grain: Any  # the variance of the noise of pulses over the voltage that they move, in V; zero if they have none
    reset_noise: Any  # standard deviation of a capacitor's voltage when it is reset, in V
    offset: Any = _ZERO
    pcm: Programming = Programming()
    transfer_read: Reading = EXACT
    verify: Reading = EXACT
    transfer_threshold: Any = _ZERO  # up to which a rest stays on the capacitor; zero if all pairs are programmed


class Spreads(NamedTuple):
    """With what means and spreads cells are made: double precision, in V, uS and s."""

    k: float
    threshold: float
    step: float
    tau: float
    k_spread: float
    threshold_spread: float
    step_spread: float
    leak_spread: float
    step_least: float


@compiled
def read(voltage: Any, k: Any, threshold: Any) -> Any:
    """Return g = k max(V - V_T, 0), in uS."""
    above = voltage - threshold
    return k * above if above > _ZERO else _ZERO


EVEN = np.float32(2.0**-7)
"""By at most this share pulses in a row differ where `leapt` is used; a 24th of its cube is how far that is off."""


@taken_in
def leapt(voltage: Any, count: Any, step: Any, lessened: Any, start: Any) -> Any:
    """Return voltages after `count` pulses of a signed step that hardly differ.

    A pulse changes V by step - lessened (V - start), and each one after it by 1 - lessened of the one before: n of them
    by 1 + (1 - lessened) + (1 - lessened)^2 + ... of the first, n - n (n - 1) / 2 lessened + ..., up to its square.
    """
    pairs = count * (count - _ONE) * _HALF
    worth = count - pairs * (lessened - (count - _TWO) * (lessened * lessened * _THIRD))
    return voltage + (step - lessened * (voltage - start)) * worth


@compiled
def pulse(voltage: Any, count: Any, step: Any, bend: Any, start: Any, least: Any, most: Any) -> Any:
    """Return a capacitor's voltage after some pulses of a signed step, and how many of them its range cut short.

    A pulse changes V by step (1 - bend (V - start)), `bend` being negated for downward steps: V <- V keep + more. Where
    pulses differ by more than `leapt` allows, two of them are one with the square of `keep`, and so on, so that n take
    log n steps. It moves V ever on in one direction, so that the range need only be looked at in the end; where it was
    left, all is done pulse by pulse.
    """
    lessened = step * bend
    keep, more = _ONE - lessened, step + lessened * start
    if np.float32(count) * lessened > EVEN:
        after, power, shift, left = voltage, keep, more, count
        while left > 0:
            if left & 1:
                after = after * power + shift
            shift, power, left = shift * power + shift, power * power, left >> 1
    else:
        after = leapt(voltage, np.float32(count), step, lessened, start)
    clipped = 0
    if after > most or after < least:
        after = voltage
        for _ in range(count):
            after = after * keep + more
            if after > most or after < least:
                after = min(max(after, least), most)
                clipped += 1
    return after, clipped


@inner
def jolt(before: Any, after: Any, draw: Any, numbers: Any) -> Any:
    """Return where pulses end that would have moved a capacitor so far, and whether the range cut their noise short.

    Charges come one by one: of the voltage that is moved the noise's variance is a fixed part, `grain`, and so n pulses
    have n times the variance of one.
    """
    moved = after + np.sqrt(numbers.grain * abs(after - before)) * draw
    kept = min(max(moved, numbers.least), numbers.most)
    return kept, kept != moved


@inner
def difference_at(state: Any, row: Any, col: Any, group: Any) -> Any:
    """Return g - g_shared of a cell whose reference is that of `group`, in uS."""
    return read(state.voltage[row, col], state.k[row, col], state.threshold[row, col]) - state.shared[row, group]


@inner
def refresh_weight(state: Any, row: Any, col: Any, group: Any) -> None:
    """Bring one weight up to date, whose reference is that of `group`."""
    state.weights[row, col] = state.pcm[row, col] + state.polarity[row] * difference_at(state, row, col, group)


@inner
def refresh_shared(state: Any, row: Any, group: Any) -> None:
    """Bring one reference conductance up to date."""
    state.shared[row, group] = read(
        state.shared_voltage[row, group], state.shared_k[row, group], state.shared_threshold[row, group]
    )


@compiled
def make(state: Any, numbers: Any, spreads: Spreads, seed: Any, shard: Any) -> None:
    """Draw what is fixed when the chip is made, and reset all."""
    k, threshold, step, tau, k_spread, threshold_spread, step_spread, leak_spread, step_least = spreads
    rows, cols = state.weights.shape
    for row in range(rows):
        for group in range(state.shared.shape[1]):
            first, second = normals(seed, shard, SHARED_TRANSISTOR, FRESH, row, group)
            state.shared_k[row, group] = k * max(0.0, 1.0 + k_spread * first)
            state.shared_threshold[row, group] = threshold + threshold_spread * second
            first, second = normals(seed, shard, SHARED_LEAK, FRESH, row, group)
            state.shared_tau[row, group] = tau * math.exp(leak_spread * first)
            state.shared_voltage[row, group] = numbers.start
            refresh_shared(state, row, group)
        for col in range(cols):
            first, second = normals(seed, shard, TRANSISTOR, FRESH, row, col)
            state.k[row, col] = k * max(0.0, 1.0 + k_spread * first)
            state.threshold[row, col] = threshold + threshold_spread * second
            first, second = normals(seed, shard, STEPS, FRESH, row, col)
            state.up[row, col] = step * max(step_least, 1.0 + step_spread * first)
            state.down[row, col] = step * max(step_least, 1.0 + step_spread * second)
            first, second = normals(seed, shard, LEAK, FRESH, row, col)
            state.tau[row, col] = tau * math.exp(leak_spread * first)
            state.voltage[row, col] = numbers.start
            draws = quick_pair(seed, shard, FIRST, FRESH, row, col)
            state.pcm[row, col] = program_pair(state, numbers.pcm, row, col, _ZERO, _ZERO, draws)
            refresh_weight(state, row, col, col // numbers.span)


@compiled
def differences(state: Any, numbers: Any, start: Any, stop: Any) -> Any:
    """Return g - g_shared of some rows."""
    found = np.empty((stop - start, state.weights.shape[1]), np.float32)
    for row in range(start, stop):
        for group in range(state.shared.shape[1]):
            for col in range(group * numbers.span, min((group + 1) * numbers.span, found.shape[1])):
                found[row - start, col] = difference_at(state, row, col, group)
    return found


@compiled
def conducting(state: Any, numbers: Any) -> Any:
    """Return G+ + G- + g + the cell's part of g_shared, for all cells."""
    found = np.empty(state.weights.shape, np.float32)
    span, part = numbers.span, np.float32(numbers.span)
    for row in range(found.shape[0]):
        for group in range(state.shared.shape[1]):
            shared = state.shared[row, group]
            for col in range(group * span, min((group + 1) * span, found.shape[1])):
                held = (difference_at(state, row, col, group) + shared) + shared / part
                found[row, col] = (state.plus[row, col] + state.minus[row, col]) + held
    return found
