"""Kernels that go through the capacitors of cells with a 3T1C column by column: updates pulse them, and they leak.

Float32 in a fixed order, as in `capacitor_kernels`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.base.machine_code import lean
from archsim.components.cells.numeric.capacitor_kernels import jolt, pulse, refresh_shared, refresh_weight, turn
from archsim.components.cells.numeric.draws import UPDATE_PULSES, compiled, quick_normal, stream, taken_in

MOST_SLOTS = 1023  # pulses of an update, for `coincidences`; more of them are counted one by one, to the same

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
TRAINS, PHASES, OF_ONE, OF_MORE, AFTER, WEIGHTS = range(6)  # rows of `Scratch.values`


def column_pulsed(digits: int) -> Any:
    """Return `pulse_column` for up to 2^digits - 1 coincidences; the fewer, the quicker."""

    def pulse_column(state: Any, numbers: Any, col: Any, towards: Any, counts: Any, after: Any, weights: Any) -> None:
        """Fill in, by row, a column's voltages and weights after so many pulses, as if there were no range.

        `towards` is 1 where weights increase and -1 where they decrease. There is no branch, so that it is compiled to
        work on many rows at once; rows without pulses stay as they are, to the bit.
        """
        voltage, up, down = state.voltage[:, col], state.up[:, col], state.down[:, col]
        k, threshold, pcm = state.k[:, col], state.threshold[:, col], state.pcm[:, col]
        polarity, shared = state.polarity, state.shared[:, col // numbers.span]
        bend, start = numbers.bend, numbers.start
        for row in range(voltage.shape[0]):
            step = up[row] if polarity[row] * towards > _ZERO else -down[row]
            lessened = abs(step) * bend
            power, shift = _ONE - lessened, step + lessened * start
            moved, left = voltage[row], counts[row]
            for digit in range(digits):
                half = np.floor(left * _HALF) if digit < digits - 1 else _ZERO
                moved = moved * power + shift if left > half + half else moved
                shift, power, left = shift * power + shift, power * power, half
            above = moved - threshold[row]
            own = k[row] * above if above > _ZERO else _ZERO
            after[row], weights[row] = moved, pcm[row] + polarity[row] * (own - shared[row])

    return taken_in(pulse_column)


_ONE_BIT, _FEW, _MANY = 1, 2, 4  # bits of a pulse count for which code is compiled; more go one by one, as exactly
pulse_column_once, pulse_column_few, pulse_column_many = map(column_pulsed, (_ONE_BIT, _FEW, _MANY))


@taken_in
def rows_firing(nx: Any, phi: Any, slots: Any, trains: Any, phases: Any, firing: Any) -> Any:
    """Fill in the rows' counts and whole phases, and which rows fire; return how many do, and the largest count."""
    fires: Any = 0
    largest: Any = 0
    for row in range(nx.shape[0]):
        trains[row], phases[row] = nx[row], math.floor(np.float64(phi[row]) * slots)
    for row in range(nx.shape[0]):
        firing[fires] = row
        fires += nx[row] > 0
        largest = max(largest, nx[row])
    return fires, largest


@taken_in
def coincidences(trains: Any, phases: Any, size: Any, slots: Any, counts: Any) -> Any:
    """Fill in, by row, the coincidences with a column of `size` pulses; return all of them.

    They are floor((nx size + floor(slots phi)) / slots); the half that is added keeps the rounding of a product by
    1 / slots clear of whole numbers, for up to MOST_SLOTS.
    """
    total: Any = 0
    if slots <= MOST_SLOTS:
        pulses, each = np.float32(size), _ONE / np.float32(slots)
        for row in range(trains.shape[0]):
            counts[row] = np.floor((trains[row] * pulses + phases[row] + _HALF) * each)
            total += np.int32(counts[row])
    else:
        for row in range(trains.shape[0]):
            count = (np.int64(trains[row]) * size + np.int64(phases[row])) // slots
            counts[row] = count
            total += count
    return total


@lean(error_model="numpy")
def pulse_cell(state: Any, numbers: Any, row: Any, col: Any, count: Any, towards: Any) -> Any:
    """Return a capacitor's voltage after pulses that may meet its range, and how many of them it cut short."""
    step, bend = state.up[row, col], numbers.bend
    if towards * state.polarity[row] <= _ZERO:
        step, bend = -state.down[row, col], -bend
    return pulse(state.voltage[row, col], count, step, bend, numbers.start, numbers.least, numbers.most)


@taken_in
def jolt_column(
    state: Any, numbers: Any, col: Any, towards: Any, firing: Any, counts: Any, after: Any, key: Any
) -> Any:  # fmt: skip
    """Move those of a column's capacitors that are pulsed to where noisy pulses leave them; return clipped pulses."""
    clipped: Any = 0
    rows = state.weights.shape[0]
    for row in firing:
        count = int(counts[row])
        if count:
            moved, cut = after[row], 0
            if not numbers.least <= moved <= numbers.most:
                moved, cut = pulse_cell(state, numbers, row, col, count, towards)
            draw = quick_normal(key, np.uint64(col * rows) + row)
            state.voltage[row, col], beyond = jolt(state.voltage[row, col], moved, draw, numbers)
            refresh_weight(state, row, col, col // numbers.span)
            clipped += max(cut, int(beyond))
    return clipped


@taken_in
def keep_column(
    state: Any, numbers: Any, col: Any, towards: Any, firing: Any, counts: Any, after: Any, weights: Any
) -> Any:  # fmt: skip
    """Keep what a column's pulses make of its capacitors, which end at their range; return clipped pulses."""
    clipped: Any = 0
    voltage = state.voltage[:, col]
    for row in firing:
        moved = after[row]
        if numbers.least <= moved <= numbers.most:
            voltage[row], state.weights[row, col] = moved, weights[row]
        else:
            voltage[row], cut = pulse_cell(state, numbers, row, col, int(counts[row]), towards)
            refresh_weight(state, row, col, col // numbers.span)
            clipped += cut
    return clipped


@lean(error_model="numpy")
def update(kept: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and clipped ones.

    Few columns fire but many rows do, so that it goes column by column. Pulses differ from one to the next where the
    numbers say so: see `jolt`.
    """
    state, rows = turn(kept), nx.shape[0]
    values, noisy = scratch.values, numbers.grain > _ZERO
    trains, phases = values[TRAINS, :rows], values[PHASES, :rows]
    after, weights = values[AFTER, :rows], values[WEIGHTS, :rows]
    key = np.uint64(0)
    if noisy:
        key = stream(state.key[0], state.key[1], UPDATE_PULSES, state.updates[0])
        state.updates[0] += 1
    pulses: Any = 0
    clipped: Any = 0
    of_one: Any = -1
    fires, largest = rows_firing(nx, phi, slots, trains, phases, scratch.places)
    firing = scratch.places[:fires]
    for col in range(nd.shape[0] if fires else 0):
        size, towards = abs(nd[col]), _ONE if nd[col] > 0 else -_ONE
        if not size:
            continue
        counts = values[OF_ONE if size == 1 else OF_MORE, :rows]
        total = of_one
        if size > 1 or of_one < 0:  # most columns fire once: what coincides with that is found but once
            total = coincidences(trains, phases, size, slots, counts)
            of_one = total if size == 1 else of_one
        pulses += total
        highest = (size * largest + slots - 1) // slots
        if highest < 1 << _ONE_BIT:
            pulse_column_once(state, numbers, col, towards, counts, after, weights)
        elif highest < 1 << _FEW:
            pulse_column_few(state, numbers, col, towards, counts, after, weights)
        elif highest < 1 << _MANY:
            pulse_column_many(state, numbers, col, towards, counts, after, weights)
        else:
            for row in firing:
                after[row] = np.inf
        if noisy:
            clipped += jolt_column(state, numbers, col, towards, firing, counts, after, key)
        else:
            clipped += keep_column(state, numbers, col, towards, firing, counts, after, weights)
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
