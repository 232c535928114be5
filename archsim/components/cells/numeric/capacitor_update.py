"""Kernels that go through the capacitors of cells with a 3T1C column by column: updates pulse them, and they leak.

Float32 in a fixed order, as in `capacitor_kernels`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.components.cells.numeric.capacitor_kernels import jolt, pulse, refresh_shared, refresh_weight, turn
from archsim.components.cells.numeric.draws import UPDATE_PULSES, compiled, inner, quick_normal, stream

MOST_SLOTS = 1023  # pulses of an update, for `pulse_column`; more of them are counted one by one, to the same

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


def column_pulsed(digits: int) -> Any:
    """Return `pulse_column` for up to 2^digits - 1 coincidences; the fewer, the quicker."""

    def pulse_column(
        state: Any, numbers: Any, col: Any, nx: Any, phases: Any, size: Any, slots: Any, counts: Any, after: Any,
        weights: Any,
    ) -> None:  # fmt: skip
        """Fill in, by row, the coincidences of a column's `size` pulses, and its voltages and weights after them.

        `size` is negative to decrease weights. Coincidences are floor((nx |size| + floor(slots phi)) / slots); the half
        that is added keeps the rounding of a product by 1 / slots clear of whole numbers, for up to MOST_SLOTS. There
        is no branch and no look at the range, so that it is compiled to work on many rows at once.
        """
        voltage, up, down = state.voltage[:, col], state.up[:, col], state.down[:, col]
        k, threshold, pcm = state.k[:, col], state.threshold[:, col], state.pcm[:, col]
        polarity, shared = state.polarity, state.shared[:, col // numbers.span]
        bend, start = numbers.bend, numbers.start
        pulses = np.float32(abs(size))
        towards = _ONE if size > 0 else -_ONE
        each = _ONE / np.float32(slots)
        for row in range(voltage.shape[0]):
            count = np.floor((nx[row] * pulses + phases[row] + _HALF) * each)
            step = up[row] if polarity[row] * towards > _ZERO else -down[row]
            lessened = abs(step) * bend
            power, shift = _ONE - lessened, step + lessened * start
            moved, left = voltage[row], count
            for _ in range(digits):
                half = np.floor(left * _HALF)
                moved = moved * power + shift if left > half + half else moved
                shift, power, left = shift * power + shift, power * power, half
            above = moved - threshold[row]
            own = k[row] * above if above > _ZERO else _ZERO
            counts[row], after[row], weights[row] = count, moved, pcm[row] + polarity[row] * (own - shared[row])

    return inner(pulse_column)


_FEW, _MANY = 2, 4  # bits of a pulse count for which code is compiled; more pulses take the general way, as exactly
pulse_column_few, pulse_column_many = column_pulsed(_FEW), column_pulsed(_MANY)


@inner
def rows_firing(nx: Any, phi: Any, slots: Any, trains: Any, phases: Any, firing: Any) -> Any:
    """Fill in the rows' counts and whole phases, and which rows fire; return how many do, and the largest count."""
    fires: Any = 0
    largest: Any = 0
    for row in range(nx.shape[0]):
        trains[row] = nx[row]
        phases[row] = math.floor(np.float64(phi[row]) * slots) if nx[row] else 0.0
        firing[fires] = row
        fires += nx[row] > 0
        largest = max(largest, nx[row])
    return fires, largest


@inner
def column_fired(
    state: Any, numbers: Any, col: Any, fired: Any, size: Any, slots: Any, highest: Any, found: Any
) -> None:  # fmt: skip
    """Fill in, by row, the coincidences of a column's pulses, at most `highest`, and its voltages and weights after."""
    nx, trains, phases, firing = fired
    counts, after, weights = found
    if highest < 1 << _FEW:
        pulse_column_few(state, numbers, col, trains, phases, size, slots, counts, after, weights)
    elif highest < 1 << _MANY:
        pulse_column_many(state, numbers, col, trains, phases, size, slots, counts, after, weights)
    else:
        for row in firing:
            counts[row] = (nx[row] * abs(size) + np.int64(phases[row])) // slots
            after[row] = np.inf


@inner
def pulse_cell(state: Any, numbers: Any, row: Any, col: Any, count: Any, size: Any) -> Any:
    """Return a capacitor's voltage after pulses that may meet its range, and how many of them it cut short."""
    step, bend = state.up[row, col], numbers.bend
    if (size > 0) != (state.polarity[row] > _ZERO):
        step, bend = -state.down[row, col], -bend
    return pulse(state.voltage[row, col], count, step, bend, numbers.start, numbers.least, numbers.most)


@compiled
def update(kept: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and clipped ones.

    Few columns fire but many rows do, so that it goes column by column.
    """
    state = turn(kept)
    rows = nx.shape[0]
    trains, phases, counts = np.empty(rows, np.float32), np.empty(rows, np.float32), np.empty(rows, np.float32)
    after, weights, firing = np.empty_like(counts), np.empty_like(counts), np.empty(rows, np.int64)
    fires, largest = rows_firing(nx, phi, slots, trains, phases, firing)
    pulses = clipped = 0
    if not fires:
        return pulses, clipped
    firing = firing[:fires]
    least, most = numbers.least, numbers.most
    for col in range(nd.shape[0]):
        size = nd[col]
        if not size:
            continue
        highest = (abs(size) * largest + slots - 1) // slots if slots <= MOST_SLOTS else slots
        found = counts, after, weights
        column_fired(state, numbers, col, (nx, trains, phases, firing), size, slots, highest, found)
        voltage = state.voltage[:, col]
        for row in firing:
            count = int(counts[row])
            pulses += count
            if least <= after[row] <= most:
                voltage[row], state.weights[row, col] = after[row], weights[row]
            elif count:
                voltage[row], cut = pulse_cell(state, numbers, row, col, count, size)
                refresh_weight(state, row, col, col // numbers.span)
                clipped += cut
    return pulses, clipped


@compiled
def update_noisily(kept: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any) -> Any:
    """Pulse all cells as `update` does, with pulses that differ from one to the next: see `jolt`."""
    state = turn(kept)
    rows = nx.shape[0]
    trains, phases, counts = np.empty(rows, np.float32), np.empty(rows, np.float32), np.empty(rows, np.float32)
    after, weights, firing = np.empty_like(counts), np.empty_like(counts), np.empty(rows, np.int64)
    key = stream(state.key[0], state.key[1], UPDATE_PULSES, state.updates[0])
    state.updates[0] += 1
    fires, largest = rows_firing(nx, phi, slots, trains, phases, firing)
    pulses = clipped = 0
    if not fires:
        return pulses, clipped
    firing, hit = firing[:fires], np.empty(rows, np.int64)
    least, most = numbers.least, numbers.most
    for col in range(nd.shape[0]):
        size = nd[col]
        if not size:
            continue
        highest = (abs(size) * largest + slots - 1) // slots if slots <= MOST_SLOTS else slots
        found = counts, after, weights
        column_fired(state, numbers, col, (nx, trains, phases, firing), size, slots, highest, found)
        hits: Any = 0
        for row in firing:  # without a branch that half of the time goes the other way
            hit[hits] = row
            hits += counts[row] > _ZERO
        voltage = state.voltage[:, col]
        for place in range(hits):
            row = hit[place]
            count = int(counts[row])
            pulses += count
            moved, cut = after[row], 0
            if not least <= moved <= most:
                moved, cut = pulse_cell(state, numbers, row, col, count, size)
            voltage[row], beyond = jolt(voltage[row], moved, quick_normal(key, col * rows + row), numbers)
            refresh_weight(state, row, col, col // numbers.span)
            clipped += max(cut, int(beyond))
    return pulses, clipped


@compiled
def decay(tau: Any, start: Any, dt_s: Any) -> Any:
    """Return exp(-dt / tau) of the capacitors of rows from `start` on, dt being their row's; all [cols, rows]."""
    factors = np.empty((tau.shape[0], dt_s.shape[0]), np.float32)
    for col in range(tau.shape[0]):
        for row in range(dt_s.shape[0]):
            factors[col, row] = math.exp(-dt_s[row] / np.float64(tau[col, start + row]))
    return factors


@compiled
def leak_column(voltage: Any, factors: Any, target: Any) -> None:
    """Let a column of capacitors leak by these factors, V <- V_0 + (V - V_0) factor."""
    for row in range(voltage.shape[0]):
        voltage[row] = target + (voltage[row] - target) * factors[row]


@compiled
def read_column(voltage: Any, k: Any, threshold: Any, pcm: Any, polarity: Any, shared: Any, weights: Any) -> None:
    """Fill in the weights of a column whose capacitors have these voltages."""
    for row in range(voltage.shape[0]):
        above = voltage[row] - threshold[row]
        own = k[row] * above if above > _ZERO else _ZERO
        weights[row] = pcm[row] + polarity[row] * (own - shared[row])


@compiled
def leak(kept: Any, numbers: Any, start: Any, stop: Any, own: Any, shared: Any) -> None:
    """Let the capacitors of some rows leak by these factors, [cols, rows]."""
    state = turn(kept)
    cols, target, rows = state.weights.shape[1], numbers.target, slice(start, stop)
    polarity = state.polarity[rows]
    weights = np.empty((numbers.span, stop - start), np.float32)
    for group in range(state.shared.shape[1]):
        leak_column(state.shared_voltage[rows, group], shared[group], target)
        for row in range(start, stop):
            refresh_shared(state, row, group)
        first = group * numbers.span
        some = min(numbers.span, cols - first)
        for i in range(some):
            col = first + i
            voltage = state.voltage[rows, col]
            leak_column(voltage, own[col], target)
            read_column(
                voltage, state.k[rows, col], state.threshold[rows, col], state.pcm[rows, col], polarity,
                state.shared[rows, group], weights[i],
            )  # fmt: skip
        for row in range(stop - start):
            for i in range(some):
                state.weights[start + row, first + i] = weights[i, row]
