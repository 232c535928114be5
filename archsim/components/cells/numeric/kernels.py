"""Compiled kernels of the weight cells: they pulse, leak, transfer and refresh the cells of one shard.

Everything is float32 in a fixed order, without fused or reassociated arithmetic, so that the plain numpy of
`cells_reference` gives the same bits. Exponentials, logarithms and sines are taken in double precision by the C
library and rounded once; only they could differ between machines. Conductances and weights are in microsiemens.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple, cast

import numpy as np
from numba.core.errors import TypingError
from numba.extending import overload
from numpy.typing import NDArray

from archsim.components.cells.numeric.draws import compiled, inner, normals

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Integers = NDArray[np.int64]

# What is drawn: the last word of the generator's counter. (For each plain integer numba would compile the draws anew.)
(
    TRANSISTOR, STEPS, LEAK, SHARED_TRANSISTOR, SHARED_LEAK, FIRST, PROGRAM, TRANSFER_READ, REWRITE_READ, BOUNDS,
    EXPONENTS, STUCK, SET_PULSE,
) = (cast("int", np.int64(what)) for what in range(1, 14))  # fmt: skip
FRESH = cast("int", np.int64(2**32 - 1))  # the index of what is drawn when the chip is made
MOST_SLOTS = 1023  # pulses of an update, for `pulse_column`; more of them are counted one by one, to the same

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


class State(NamedTuple):
    """The cells of a shard: what was fixed when they were made, and what they hold.

    Arrays are [rows, cols]; those of the references [rows, ceil(cols / cells_per_reference)]; polarity [rows]. Those
    that `turn` transposes lie column after column in memory.
    """

    weights: Floats
    """W = pcm + polarity (g - g_shared), in uS: a function of the rest, always up to date."""
    pcm: Floats
    """F (G+ - G-), in uS."""
    plus: Floats
    """G+, in uS."""
    minus: Floats
    """G-, in uS."""
    polarity: Floats
    """+1 or -1, by row."""
    voltage: Floats
    """V of the own capacitor."""
    k: Floats
    """Transconductance of the read transistor, in uS/V."""
    threshold: Floats
    """V_T of the read transistor, in V."""
    up: Floats
    """The up-step at the start voltage, in V."""
    down: Floats
    """The down-step at the start voltage, in V."""
    tau: Floats
    """Time constant of the own capacitor, in s."""
    shared: Floats
    """g_shared, in uS: a function of the voltage, always up to date."""
    shared_voltage: Floats
    shared_k: Floats
    shared_threshold: Floats
    shared_tau: Floats
    exponents: Floats
    """Drift exponents of both devices, [2, rows, cols]; empty where none drifts."""
    age: Doubles
    """Time since the devices were programmed, in s; empty where none drifts."""
    stuck: Floats
    """At which conductance devices are stuck, in uS, or -1, [2, rows, cols]; empty where none is."""


class Numbers(NamedTuple):
    """What all cells of a device have in common: float32, in V, uS and s; the pulses are whole numbers."""

    span: int
    start: Any
    least: Any
    most: Any
    target: Any
    tau: float
    bend: Any
    """Relative change of a step per volt."""
    step: Any
    """Nominal change of the weight by a pulse."""
    gain: Any
    offset: Any
    reachable: Any
    scale: Any
    error: Any
    error_slope: Any
    error_bend: Any
    control: Any
    control_loss: Any
    reset: Any
    reset_spread: Any
    read_noise: Any
    residual_pulses: int
    trim_pulses: int


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


def turn(state: Any) -> State:
    """Return the state with those arrays transposed that lie column after column in memory; twice, it is the same.

    Compiled code takes them so, row after row, and turns them back. For numba tells types apart by how arrays lie in
    memory, and one of a single row or column lies both ways: kept as columns its type would depend on its shape.
    """
    return State(
        state.weights, state.pcm.T, state.plus.T, state.minus.T, state.polarity, state.voltage.T, state.k.T,
        state.threshold.T, state.up.T, state.down.T, state.tau.T, state.shared.T, state.shared_voltage.T,
        state.shared_k.T, state.shared_threshold.T, state.shared_tau.T, state.exponents, state.age, state.stuck,
    )  # fmt: skip


@overload(turn)
def _turn_compiled(state: Any) -> Callable[..., Any]:
    if state.types[State._fields.index("voltage")].layout != "C":
        raise TypingError("the kernels of cells with capacitors take their compiled_state, not their state")
    return turn


@compiled
def read(voltage: Any, k: Any, threshold: Any) -> Any:
    """Return g = k max(V - V_T, 0), in uS."""
    above = voltage - threshold
    return k * above if above > _ZERO else _ZERO


@compiled
def pulse(voltage: Any, count: Any, step: Any, bend: Any, start: Any, least: Any, most: Any) -> Any:
    """Return a capacitor's voltage after some pulses of a signed step, and how many of them its range cut short.

    A pulse changes V by step (1 - bend (V - start)), `bend` being negated for downward steps: V <- V keep + more. Two
    pulses are one with the square of `keep`, and so on, so that n take log n steps. It moves V ever on in one
    direction, so that the range need only be looked at in the end; where it was left, all is done pulse by pulse.
    """
    lessened = step * bend
    keep, more = _ONE - lessened, step + lessened * start
    after, power, shift, left = voltage, keep, more, count
    while left > 0:
        if left & 1:
            after = after * power + shift
        shift, power, left = shift * power + shift, power * power, left >> 1
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
def put(state: Any, numbers: Any, row: Any, col: Any, difference: Any) -> Any:
    """Pulse one cell until g - g_shared is `difference`, in a burst and a trim.

    Each burst is counted from one read and the nominal step, as long as the slots allow. Returns pulses, clipped ones,
    and whether the trim was stopped short, by its slots or by the capacitor's range.
    """
    pulses = clipped = 0
    stopped = False
    shared = state.shared[row, col // numbers.span]
    for limit in (numbers.residual_pulses, numbers.trim_pulses):
        now = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
        gap = difference - (now - shared)
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
    return pulses, clipped, stopped


@inner
def refresh_weight(state: Any, row: Any, col: Any, group: Any) -> Any:
    """Bring one weight up to date, whose reference is that of `group`, and return it."""
    own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
    weight = state.pcm[row, col] + state.polarity[row] * (own - state.shared[row, group])
    state.weights[row, col] = weight
    return weight


@inner
def refresh_shared(state: Any, row: Any, group: Any) -> None:
    """Bring one reference conductance up to date."""
    state.shared[row, group] = read(
        state.shared_voltage[row, group], state.shared_k[row, group], state.shared_threshold[row, group]
    )


@compiled
def make(kept: Any, numbers: Any, spreads: Spreads, seed: Any, shard: Any) -> None:
    """Draw what is fixed when the chip is made, and reset all."""
    state = turn(kept)
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
            first, second = normals(seed, shard, FIRST, FRESH, row, col)
            state.plus[row, col] = unless_stuck(programmed(_ZERO, np.float32(first), numbers), state.stuck, 0, row, col)
            state.minus[row, col] = unless_stuck(
                programmed(_ZERO, np.float32(second), numbers), state.stuck, 1, row, col
            )
            state.pcm[row, col] = numbers.gain * (state.plus[row, col] - state.minus[row, col])
            refresh_weight(state, row, col, col // numbers.span)


@compiled
def columns_pulsed(nd: Any, slots: Any) -> Any:
    """Return which columns fire pulses, and how many of them upward ones.

    Upward ones come first, and within each direction those with more pulses: those that coincide with a row's are
    then the first ones, and the processor is not surprised by what comes next.
    """
    places = np.zeros(2 * slots + 1, np.int64)
    columns = np.empty(nd.shape[0], np.int64)
    for col in range(nd.shape[0]):
        if nd[col]:
            places[slots - nd[col] + 1 if nd[col] > 0 else 2 * slots + nd[col] + 1] += 1
    for key in range(2 * slots):
        places[key + 1] += places[key]
    upward, every = places[slots], places[2 * slots]
    for col in range(nd.shape[0]):
        if nd[col]:
            key = slots - nd[col] if nd[col] > 0 else 2 * slots + nd[col]
            columns[places[key]] = col
            places[key] += 1
    return columns[:every], upward


@compiled
def coincide(found: Any, row_pulses: Any, phase: Any, slots: Any) -> None:
    """Fill `found` with the coincidences of a row's pulses with 0, 1, 2, ... of a column's.

    They are floor(nx nd / slots + phi), which is exact in whole numbers: nx nd + floor(slots phi) over slots; it is
    carried along, since no division is as quick.
    """
    rest: Any = math.floor(np.float64(phase) * slots)
    whole: Any = 0
    for count in range(found.shape[0]):
        found[count] = whole
        rest += row_pulses
        wraps = np.int64(rest >= slots)  # in place of a branch that half of the time goes the other way
        rest -= wraps * slots
        whole += wraps


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


@compiled
def read_column(voltage: Any, k: Any, threshold: Any, pcm: Any, polarity: Any, shared: Any, weights: Any) -> None:
    """Fill in the weights of a column whose capacitors have these voltages."""
    for row in range(voltage.shape[0]):
        above = voltage[row] - threshold[row]
        own = k[row] * above if above > _ZERO else _ZERO
        weights[row] = pcm[row] + polarity[row] * (own - shared[row])


@compiled
def update(kept: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and clipped ones.

    Few columns fire but many rows do, so that it goes column by column.
    """
    state = turn(kept)
    rows = nx.shape[0]
    trains, phases, counts = np.empty(rows, np.float32), np.empty(rows, np.float32), np.empty(rows, np.float32)
    after, weights, firing = np.empty_like(counts), np.empty_like(counts), np.empty(rows, np.int64)
    fires: Any = 0
    largest: Any = 0
    for row in range(rows):
        trains[row] = nx[row]
        phases[row] = math.floor(np.float64(phi[row]) * slots) if nx[row] else 0.0
        firing[fires] = row
        fires += nx[row] > 0
        largest = max(largest, nx[row])
    pulses = clipped = 0
    if not fires:
        return pulses, clipped
    firing = firing[:fires]
    polarity, start, bend, least, most = state.polarity, numbers.start, numbers.bend, numbers.least, numbers.most
    for col in range(nd.shape[0]):
        size = nd[col]
        if not size:
            continue
        voltage, up, down = state.voltage[:, col], state.up[:, col], state.down[:, col]
        highest = (abs(size) * largest + slots - 1) // slots if slots <= MOST_SLOTS else slots
        if highest < 1 << _FEW:
            pulse_column_few(state, numbers, col, trains, phases, size, slots, counts, after, weights)
        elif highest < 1 << _MANY:
            pulse_column_many(state, numbers, col, trains, phases, size, slots, counts, after, weights)
        else:
            for row in firing:
                counts[row] = (nx[row] * abs(size) + np.int64(phases[row])) // slots
                after[row] = np.inf
        for row in firing:
            count = int(counts[row])
            pulses += count
            if least <= after[row] <= most:
                voltage[row], state.weights[row, col] = after[row], weights[row]
            elif count:
                step, its_bend = (up[row], bend) if (size > 0) == (polarity[row] > _ZERO) else (-down[row], -bend)
                voltage[row], cut = pulse(voltage[row], count, step, its_bend, start, least, most)
                refresh_weight(state, row, col, col // numbers.span)
                clipped += cut
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


@compiled
def programmed(target: Any, draw: Any, numbers: Any) -> Any:
    """Return what a device holds after verified programming; a target of zero leaves it RESET."""
    if target > _ZERO:
        ratio = target / numbers.scale
        sigma = numbers.error + numbers.error_slope * ratio - numbers.error_bend * (ratio * ratio)
        if target > numbers.control:
            sigma = sigma * (_ONE + (target - numbers.control) / numbers.control_loss)
        if sigma < _ZERO:
            sigma = _ZERO
        conductance = target + sigma * draw
    else:
        conductance = numbers.reset + numbers.reset_spread * draw
    return conductance if conductance > _ZERO else _ZERO


@compiled
def unless_stuck(conductance: Any, stuck: Any, side: Any, row: Any, col: Any) -> Any:
    """Return a conductance as programmed or, of a device that is stuck, what it is stuck at."""
    if stuck.shape[1] and stuck[side, row, col] >= _ZERO:
        return stuck[side, row, col]
    return conductance


@compiled
def noisy(wanted: Any, start: Any, noise: Any, key: Any) -> None:
    """Add read noise of that standard deviation to values of rows from `start` on."""
    seed, shard, what, index = key
    for row in range(wanted.shape[0]):
        for col in range(wanted.shape[1]):
            first, _ = normals(seed, shard, what, index, row + start, col)
            wanted[row, col] = wanted[row, col] + noise * np.float32(first)


@compiled
def program(kept: Any, numbers: Any, wanted: Any, start: Any, key: Any, invert: Any, emphasis: Any) -> Any:
    """Program rows from `start` on to the wanted weights, steps (2) to (5) of a transfer.

    `key` is what the programming errors are keyed by: (seed, shard, what, index); such an error, which is all beyond
    the offset and the mismatch, is put on the capacitor `emphasis` times. Returns the cells with both devices RESET,
    the devices clipped, pulses and clipped pulses, the sum and the maximum of what is left over, in uS, and the cells
    where that is more than a pulse because slots or range ended.
    """
    state = turn(kept)
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
            own = read(numbers.start, state.k[row, col], state.threshold[row, col])
            mismatch = own - state.shared[row, col // numbers.span]
            target = weight - sign * (numbers.offset + mismatch)
            plus = minus = _ZERO
            if _ZERO < sign * target < numbers.offset:
                both += 1
            elif target > _ZERO:
                plus = target / numbers.gain
            else:
                minus = -target / numbers.gain
            if plus > numbers.reachable or minus > numbers.reachable:
                out_of_reach += 1
                plus, minus = min(plus, numbers.reachable), min(minus, numbers.reachable)
            first, second = normals(seed, shard, what, index, row, col)
            plus = unless_stuck(programmed(plus, np.float32(first), numbers), state.stuck, 0, row, col)
            minus = unless_stuck(programmed(minus, np.float32(second), numbers), state.stuck, 1, row, col)
            state.plus[row, col], state.minus[row, col] = plus, minus
            state.pcm[row, col] = numbers.gain * (plus - minus)
            if state.age.shape[0]:
                state.age[row, col] = 0.0
            difference = sign * (weight - state.pcm[row, col])
            if emphasis > _ONE:
                settled = numbers.offset + mismatch
                difference = settled + emphasis * (difference - settled)
            fired, cut, stopped = put(state, numbers, row, col, difference)
            pulses += fired
            clipped += cut
            refresh_weight(state, row, col, col // numbers.span)
            own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
            left = abs(difference - (own - state.shared[row, col // numbers.span]))
            left_sum += left
            left_most = max(left_most, left)
            over += stopped and left > numbers.step
    return both, out_of_reach, pulses, clipped, left_sum, left_most, over


@compiled
def differences(kept: Any, numbers: Any, start: Any, stop: Any) -> Any:
    """Return g - g_shared of some rows."""
    state = turn(kept)
    cols = state.weights.shape[1]
    found = np.empty((stop - start, cols), np.float32)
    for row in range(start, stop):
        for col in range(cols):
            own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
            found[row - start, col] = own - state.shared[row, col // numbers.span]
    return found


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
            fired, cut, stopped = put(state, numbers, row, col, wanted[row - start, col])
            pulses += fired
            clipped += cut
            refresh_weight(state, row, col, col // numbers.span)
            own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
            left = abs(wanted[row - start, col] - (own - state.shared[row, col // numbers.span]))
            left_sum += left
            left_most = max(left_most, left)
            over += stopped and left > numbers.step
    return pulses, clipped, left_sum, left_most, over


@compiled
def conducting(kept: Any, numbers: Any) -> Any:
    """Return G+ + G- + g + the cell's part of g_shared, for all cells."""
    state = turn(kept)
    rows, cols = state.weights.shape
    found = np.empty((cols, rows), np.float32)
    part = np.float32(numbers.span)
    for col in range(cols):
        group = col // numbers.span
        for row in range(rows):
            own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
            shared = state.shared[row, group]
            held = (own - shared + shared) + shared / part
            found[col, row] = (state.plus[row, col] + state.minus[row, col]) + held
    return found.T
