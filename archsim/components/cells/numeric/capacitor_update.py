"""Kernels that go through the capacitors of cells with a 3T1C: updates pulse them, and they leak.

Float32 in a fixed order, as in `capacitor_kernels`. Eight columns of a row are gone through at once; those at its end
that are fewer, one by one, by the same formulas.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.base.lanes import WIDTH, alike, either, floor, load, put, some, store, total, where
from archsim.base.machine_code import lean
from archsim.components.cells.numeric.capacitor_kernels import (
    EVEN,
    jolt,
    leapt,
    pulse,
    refresh_shared,
    refresh_weight,
)  # fmt: skip
from archsim.components.cells.numeric.coincidences import firing_by_eight
from archsim.components.cells.numeric.draws import UPDATE_PULSES, compiled, quick_normal, stream, taken_in

MOST_SLOTS = 1023  # pulses of an update that are counted by eight; more are counted one by one, to the same

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
SIZES, SIGNS = range(2)  # rows of `Scratch.values`


@taken_in
def read_eight(state: Any, numbers: Any, row: Any, col: Any, voltage: Any) -> None:
    """Bring the weights of eight cells from a column on up to date, whose capacitors have these voltages."""
    span, group = numbers.span, col // WIDTH
    if span != WIDTH:  # divided only where it must be, as that takes as long as all the rest
        group = col // span
    shared = alike(state.shared[row, group])
    if span % WIDTH:
        for lane in range(1, WIDTH):
            shared = put(shared, lane, state.shared[row, (col + lane) // span])
    above = voltage - load(state.threshold, (row, col))
    own = where(above > _ZERO, load(state.k, (row, col)) * above, _ZERO)
    store(state.weights, (row, col), load(state.pcm, (row, col)) + (own - shared) * state.polarity[row])


@taken_in
def pulse_eight(state: Any, numbers: Any, row: Any, col: Any, signs: Any, counts: Any) -> Any:
    """Pulse eight cells from a column on, up where a sign is above 0; return whether all could be done at once."""
    upward = signs * state.polarity[row] > _ZERO
    size = where(upward, load(state.up, (row, col)), load(state.down, (row, col)))
    lessened = size * numbers.bend
    before = load(state.voltage, (row, col))
    after = leapt(before, counts, where(upward, size, _ZERO - size), lessened, numbers.start)
    beyond = either(either(after < numbers.least, after > numbers.most), counts * lessened > EVEN)
    if some(beyond):
        return False
    store(state.voltage, (row, col), after)
    read_eight(state, numbers, row, col, after)
    return True


@lean(error_model="numpy")
def pulse_one(state: Any, numbers: Any, row: Any, col: Any, count: Any, towards: Any, key: Any) -> Any:
    """Pulse a cell, up where `towards` is above 0, with noise if any; return how many pulses its range cut short."""
    step, bend = state.up[row, col], numbers.bend
    if towards * state.polarity[row] <= 0:
        step, bend = -state.down[row, col], -bend
    before = state.voltage[row, col]
    after, cut = pulse(before, count, step, bend, numbers.start, numbers.least, numbers.most)
    if numbers.grain > _ZERO:
        place = np.uint64(col * state.weights.shape[0]) + np.uint64(row)
        after, beyond = jolt(before, after, quick_normal(key, place), numbers)
        cut = max(cut, int(beyond))
    state.voltage[row, col] = after
    refresh_weight(state, row, col, col // numbers.span)
    return cut


@lean(error_model="numpy")
def update(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and clipped ones.

    These are floor((nx nd + floor(slots phi)) / slots); by eight, the half that is added keeps the rounding of a
    product by 1 / slots clear of whole numbers, for up to MOST_SLOTS. Pulses differ from one to the next where the
    numbers say so (see `jolt`): then all cells are pulsed one by one.
    """
    noisy, cols = numbers.grain > _ZERO, nd.shape[0]
    sizes, signs, places = scratch.values[SIZES], scratch.values[SIGNS], scratch.places
    key = np.uint64(0)
    if noisy:
        key = stream(state.key[0], state.key[1], UPDATE_PULSES, state.updates[0])
        state.updates[0] += 1
    whole = 0 if noisy or slots > MOST_SLOTS else cols - cols % WIDTH
    blocks, ends = firing_by_eight(nd, whole, places)
    for block in range(blocks):
        first = np.int64(places[block])
        for col in range(first, first + WIDTH):
            sizes[col], signs[col] = abs(nd[col]), nd[col]
    pulses: Any = 0
    clipped: Any = 0
    each = _ONE / np.float32(slots)
    for row in range(nx.shape[0] if ends else 0):
        trains = nx[row]
        if trains == 0:
            continue
        phase = np.int64(math.floor(np.float64(phi[row]) * slots))
        train, late, fired = np.float32(trains), np.float32(phase) + _HALF, alike(_ZERO)
        for block in range(blocks):
            first = np.int64(places[block])
            counts = floor((load(sizes, first) * train + late) * each)
            fired = fired + counts
            if not pulse_eight(state, numbers, row, first, load(signs, first), counts):
                for col in range(first, first + WIDTH):
                    count = (trains * abs(nd[col]) + phase) // slots
                    if count:
                        clipped += pulse_one(state, numbers, row, col, count, nd[col], key)
        pulses += np.int64(total(fired))
        for place in range(blocks, ends):
            alone = np.int64(places[place])
            count = (trains * abs(nd[alone]) + phase) // slots
            if count:
                pulses += count
                clipped += pulse_one(state, numbers, row, alone, count, nd[alone], key)
    return pulses, clipped


@compiled
def decay(tau: Any, start: Any, dt_s: Any) -> Any:
    """Return exp(-dt / tau) of the capacitors of rows from `start` on, dt being their row's; all [rows, cols]."""
    factors = np.empty((dt_s.shape[0], tau.shape[1]), np.float32)
    for row in range(factors.shape[0]):
        for col in range(factors.shape[1]):
            factors[row, col] = math.exp(-dt_s[row] / np.float64(tau[start + row, col]))
    return factors


@lean(error_model="numpy")
def leak(state: Any, numbers: Any, start: Any, own: Any, shared: Any) -> None:
    """Let the capacitors of rows from `start` on leak by these factors [rows, cols], V <- V_0 + (V - V_0) factor."""
    rows, cols = own.shape
    target, whole = numbers.target, cols - cols % WIDTH
    for each in range(rows):
        row = start + each
        for group in range(shared.shape[1]):
            voltage = state.shared_voltage[row, group]
            state.shared_voltage[row, group] = target + (voltage - target) * shared[each, group]
            refresh_shared(state, row, group)
        for first in range(0, whole, WIDTH):
            voltages = load(state.voltage, (row, first))
            voltages = (voltages - target) * load(own, (each, first)) + target
            store(state.voltage, (row, first), voltages)
            read_eight(state, numbers, row, first, voltages)
        for col in range(whole, cols):
            state.voltage[row, col] = target + (state.voltage[row, col] - target) * own[each, col]
            refresh_weight(state, row, col, col // numbers.span)


@compiled
def occupied(state: Any, numbers: Any) -> Any:
    """Return how many own capacitors are below threshold, and how many within a step of an end of their range."""
    dead: Any = 0
    railed: Any = 0
    for row in range(state.voltage.shape[0]):
        for col in range(state.voltage.shape[1]):
            voltage = state.voltage[row, col]
            bends = numbers.bend * (voltage - numbers.start)
            dead += state.k[row, col] * (voltage - state.threshold[row, col]) <= _ZERO
            highest = voltage + state.up[row, col] * (_ONE - bends)
            lowest = voltage - state.down[row, col] * (_ONE + bends)
            railed += (highest > numbers.most) | (lowest < numbers.least)
    return dead, railed
