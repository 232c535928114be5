"""Weight cells in numbers: compiled kernels that pulse, leak, transfer and refresh the cells of one shard.

Everything is float32 in a fixed order, without fused or reassociated arithmetic, so that the plain numpy of
`cells_reference` gives the same bits. Exponentials, logarithms and sines are taken in double precision by the C
library and rounded once; only they could differ between machines. Conductances and weights are in microsiemens.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from archsim.components.draws import compiled, normals

if TYPE_CHECKING:
    from archsim.components.devices import CapacitorPair, Pcm3T1C, Switches

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

# What is drawn: the last word of the generator's counter.
TRANSISTOR, STEPS, LEAK, SHARED_TRANSISTOR, SHARED_LEAK, FIRST, PROGRAM, TRANSFER_READ, REWRITE_READ = range(1, 10)
FRESH = 2**32 - 1  # the index of what is drawn when the chip is made

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)


class State(NamedTuple):
    """The cells of a shard: what was fixed when they were made, and what they hold.

    Arrays are [rows, cols]; those of the references [rows, ceil(cols / cells_per_reference)]; polarity [rows].
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


@compiled
def read(voltage: Any, k: Any, threshold: Any) -> Any:
    """Return g = k max(V - V_T, 0), in uS."""
    above = voltage - threshold
    return k * above if above > _ZERO else _ZERO


@compiled
def pulse(voltage: Any, count: Any, upwards: Any, up: Any, down: Any, numbers: Any) -> Any:
    """Return a capacitor's voltage after some pulses, and how many of them its range cut short."""
    clipped = 0
    for _ in range(count):
        bend = numbers.bend * (voltage - numbers.start)
        if upwards:
            voltage = voltage + up * (_ONE - bend)
            if voltage > numbers.most:
                voltage = numbers.most
                clipped += 1
        else:
            voltage = voltage - down * (_ONE + bend)
            if voltage < numbers.least:
                voltage = numbers.least
                clipped += 1
    return voltage, clipped


@compiled
def put(state: Any, numbers: Any, row: Any, col: Any, difference: Any) -> Any:
    """Pulse one cell until g - g_shared is `difference`, in a burst and a trim; return pulses and clipped ones.

    Each burst is counted from one read and the nominal step, as long as the slots allow.
    """
    pulses = clipped = 0
    shared = state.shared[row, col // numbers.span]
    for limit in (numbers.residual_pulses, numbers.trim_pulses):
        now = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
        gap = difference - (now - shared)
        wanted = np.floor(abs(gap) / numbers.step + _HALF)
        count = limit if wanted > limit else int(wanted)
        voltage, cut = pulse(
            state.voltage[row, col], count, gap > _ZERO, state.up[row, col], state.down[row, col], numbers
        )
        state.voltage[row, col] = voltage
        pulses += count
        clipped += cut
    return pulses, clipped


@compiled
def refresh_weight(state: Any, numbers: Any, row: Any, col: Any) -> Any:
    """Bring one weight up to date, and return it."""
    own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
    weight = state.pcm[row, col] + state.polarity[row] * (own - state.shared[row, col // numbers.span])
    state.weights[row, col] = weight
    return weight


@compiled
def refresh_shared(state: Any, row: Any, group: Any) -> None:
    """Bring one reference conductance up to date."""
    state.shared[row, group] = read(
        state.shared_voltage[row, group], state.shared_k[row, group], state.shared_threshold[row, group]
    )


@compiled
def make(state: Any, numbers: Any, spreads: Spreads, seed: Any, shard: Any) -> None:
    """Draw what is fixed when the chip is made, and reset all."""
    k, threshold, step, tau, k_spread, threshold_spread, step_spread, leak_spread = spreads
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
            state.up[row, col] = step * max(0.05, 1.0 + step_spread * first)
            state.down[row, col] = step * max(0.05, 1.0 + step_spread * second)
            first, second = normals(seed, shard, LEAK, FRESH, row, col)
            state.tau[row, col] = tau * math.exp(leak_spread * first)
            state.voltage[row, col] = numbers.start
            first, second = normals(seed, shard, FIRST, FRESH, row, col)
            state.plus[row, col] = programmed(_ZERO, np.float32(first), numbers)
            state.minus[row, col] = programmed(_ZERO, np.float32(second), numbers)
            state.pcm[row, col] = numbers.gain * (state.plus[row, col] - state.minus[row, col])
            refresh_weight(state, numbers, row, col)


@compiled
def update(state: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any) -> Any:
    """Pulse all cells by the coincidences of row and column pulses; return pulses and clipped ones.

    floor(nx |nd| / slots + phi) in whole numbers, which is exact: nx |nd| + floor(slots phi) over slots. (-1, 0) says
    that a count is out of range, and nothing was done.
    """
    rows, cols = state.weights.shape
    active = np.empty(cols, np.int64)
    found = 0
    for col in range(cols):
        if nd[col] > slots or nd[col] < -slots:
            return -1, 0
        if nd[col] != 0:
            active[found] = col
            found += 1
    for row in range(rows):
        if nx[row] < 0 or nx[row] > slots or not 0 <= phi[row] < 1:
            return -1, 0
    coincidences = np.empty(slots + 1, np.int64)
    pulses = clipped = 0
    for row in range(rows):
        if nx[row] == 0 or found == 0:
            continue
        phase = math.floor(np.float64(phi[row]) * slots)
        for count in range(slots + 1):
            coincidences[count] = (nx[row] * count + phase) // slots
        positive = state.polarity[row] > _ZERO
        for at in range(found):
            col = active[at]
            count = coincidences[abs(nd[col])]
            if count:
                voltage, cut = pulse(
                    state.voltage[row, col], count, (nd[col] > 0) == positive,
                    state.up[row, col], state.down[row, col], numbers,
                )  # fmt: skip
                state.voltage[row, col] = voltage
                refresh_weight(state, numbers, row, col)
                pulses += count
                clipped += cut
    return pulses, clipped


@compiled
def decay(tau: Any, dt_s: Any) -> Any:
    """Return exp(-dt / tau) of each capacitor."""
    factors = np.empty(tau.shape, np.float32)
    for row in range(tau.shape[0]):
        for col in range(tau.shape[1]):
            factors[row, col] = math.exp(-dt_s / np.float64(tau[row, col]))
    return factors


@compiled
def leak(state: Any, numbers: Any, start: Any, stop: Any, own: Any, shared: Any) -> None:
    """Let the capacitors of some rows leak by these factors, V <- V_0 + (V - V_0) factor."""
    target = numbers.target
    for row in range(start, stop):
        for group in range(state.shared.shape[1]):
            voltage = state.shared_voltage[row, group]
            state.shared_voltage[row, group] = target + (voltage - target) * shared[row - start, group]
            refresh_shared(state, row, group)
        for col in range(state.weights.shape[1]):
            voltage = state.voltage[row, col]
            state.voltage[row, col] = target + (voltage - target) * own[row - start, col]
            refresh_weight(state, numbers, row, col)


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
def noisy(wanted: Any, start: Any, noise: Any, key: Any) -> None:
    """Add read noise of that standard deviation to values of rows from `start` on."""
    seed, shard, what, index = key
    for row in range(wanted.shape[0]):
        for col in range(wanted.shape[1]):
            first, _ = normals(seed, shard, what, index, row + start, col)
            wanted[row, col] = wanted[row, col] + noise * np.float32(first)


@compiled
def program(state: Any, numbers: Any, wanted: Any, start: Any, key: Any, invert: Any) -> Any:
    """Program rows from `start` on to the wanted weights, steps (2) to (5) of a transfer.

    `key` is what the programming errors are keyed by: (seed, shard, what, index). Returns the cells with both devices
    RESET, the devices clipped, pulses and clipped pulses, and the sum and the maximum of what is left over, in uS.
    """
    seed, shard, what, index = key
    both = out_of_reach = pulses = clipped = 0
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
            plus = programmed(plus, np.float32(first), numbers)
            minus = programmed(minus, np.float32(second), numbers)
            state.plus[row, col], state.minus[row, col] = plus, minus
            state.pcm[row, col] = numbers.gain * (plus - minus)
            fired, cut = put(state, numbers, row, col, sign * (weight - state.pcm[row, col]))
            pulses += fired
            clipped += cut
            left = abs(weight - refresh_weight(state, numbers, row, col))
            left_sum += left
            left_most = max(left_most, left)
    return both, out_of_reach, pulses, clipped, left_sum, left_most


@compiled
def differences(state: Any, numbers: Any, start: Any, stop: Any) -> Any:
    """Return g - g_shared of some rows."""
    cols = state.weights.shape[1]
    found = np.empty((stop - start, cols), np.float32)
    for row in range(start, stop):
        for col in range(cols):
            own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
            found[row - start, col] = own - state.shared[row, col // numbers.span]
    return found


@compiled
def rewrite(state: Any, numbers: Any, wanted: Any, start: Any) -> Any:
    """Pulse rows from `start` on until g - g_shared is as wanted; return pulses, clipped ones, what is left."""
    pulses = clipped = 0
    left_sum, left_most = 0.0, _ZERO
    for row in range(start, start + wanted.shape[0]):
        for col in range(wanted.shape[1]):
            fired, cut = put(state, numbers, row, col, wanted[row - start, col])
            pulses += fired
            clipped += cut
            refresh_weight(state, numbers, row, col)
            own = read(state.voltage[row, col], state.k[row, col], state.threshold[row, col])
            left = abs(wanted[row - start, col] - (own - state.shared[row, col // numbers.span]))
            left_sum += left
            left_most = max(left_most, left)
    return pulses, clipped, left_sum, left_most


class PulseCounts(NamedTuple):
    """What an update fired: the pulses of all cells, and those that a capacitor's range cut short."""

    pulses: int
    clipped: int


class TransferCounts(NamedTuple):
    """What a transfer or a rewrite did; conductances are in uS of weight."""

    cells: int
    both_reset: int
    """Cells whose two devices were left RESET."""
    clipped: int
    """Devices asked for more than the ramp's slot reaches."""
    resets: int
    """RESET pulses of all devices: each wears one out."""
    pulses: int
    pulses_clipped: int
    residual_sum: float
    """Sum over the cells of |weight wanted - weight left|."""
    residual_max: float


class Cells(ABC):
    """The weight cells of one shard in numbers, which change in place; `weights` is what a read sees.

    Rows are inputs and columns outputs, weights are in uS of signed conductance. All draws are keyed by seed, shard
    and what they are for, and by row and column within the shard, so that no call depends on another shard's, nor on
    how the rows are cut into groups.
    """

    weights: Floats
    """Float32 [rows, cols], C-contiguous, always up to date; only to be read."""
    step: float
    """Nominal change of a weight by one pulse, in uS."""
    reach: float
    """Largest weight, of either sign, that is held for long, in uS."""
    state: Any
    """The arrays of the cells, and `numbers` what they have in common, for compiled code."""
    numbers: Any
    kernel: Callable[..., Any]
    """The compiled update(state, numbers, nx, nd, phi, slots) -> (pulses, clipped)."""

    @abstractmethod
    def update(self, nx: Integers, nd: Integers, phi: Floats, slots: int = 15) -> PulseCounts:
        """Pulse every cell floor(nx |nd| / slots + phi) times in the direction of nd's sign.

        nx [rows] holds counts of 0 to `slots`, nd [cols] signed ones, phi [rows] phases of [0, 1). Raises ValueError
        where they do not.
        """

    @abstractmethod
    def leak(self, row_start: int, row_stop: int, dt_s: float) -> None:
        """Let the capacitors of these rows leak for some seconds."""

    @abstractmethod
    def transfer(self, row_start: int, row_stop: int, seed: int, index: int, invert: bool) -> TransferCounts:
        """Move the weights of these rows to the long-term devices, inverting their polarity if so told."""

    @abstractmethod
    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Put back what these rows' capacitors lost in the `dt_s` since they were last written, as far as is known."""

    @abstractmethod
    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """Write weights [rows, cols], in uS, to all cells: the weights that training starts from."""

    @abstractmethod
    def conductances(self) -> Floats:
        """Return what a read of each cell draws current through, [rows, cols], in uS; unsigned, without gain."""


class DecayFactors:
    """exp(-dt / tau) of each capacitor; the factors of an interval that comes again are kept, for all rows."""

    KEPT = 16

    def __init__(self, *taus: Floats) -> None:
        self._taus = taus
        self._seen: dict[float, tuple[Floats, ...] | None] = {}

    def rows(self, start: int, stop: int, dt_s: float) -> tuple[Floats, ...]:
        """Return the factors of these rows, one array for each array of time constants."""
        if dt_s not in self._seen:
            self._seen[dt_s] = None
            if len(self._seen) > self.KEPT:
                del self._seen[next(iter(self._seen))]
            return tuple(decay(tau[start:stop], dt_s) for tau in self._taus)
        kept = self._seen.pop(dt_s) or tuple(decay(tau, dt_s) for tau in self._taus)
        self._seen[dt_s] = kept  # now the youngest
        return tuple(factors[start:stop] for factors in kept)


class Pcm3T1CCells(Cells):
    """Cells of two PCM and a 3T1C: W = F (G+ - G-) + p (g - g_shared)."""

    def __init__(self, device: Pcm3T1C, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> None:
        self._key = (checked_word("seed", seed), checked_word("shard", shard))
        self._switches = switches
        self._resets = 2 * device.iterations
        self.numbers = numbers_of(device, switches)
        self.state = empty_state(rows, cols, device.cells_per_reference)
        self.weights = self.state.weights
        self.kernel = update
        self.step = device.step_siemens * 1e6
        self.reach = device.gain * device.reachable_siemens * 1e6
        make(self.state, self.numbers, spreads_of(device, switches), *self._key)
        self._decay = DecayFactors(self.state.tau, self.state.shared_tau)

    def update(self, nx: Integers, nd: Integers, phi: Floats, slots: int = 15) -> PulseCounts:
        """Pulse the own capacitors: up where sign and polarity agree, else down."""
        rows, cols = self.weights.shape
        if nx.shape != (rows,) or nd.shape != (cols,) or phi.shape != (rows,):
            raise ValueError(f"counts {nx.shape}, {nd.shape} and phases {phi.shape} for cells {self.weights.shape}")
        pulses, clipped = update(self.state, self.numbers, nx, nd, phi, slots)
        if pulses < 0:
            raise ValueError(f"a count of pulses is beyond {slots}, or a phase not within [0, 1)")
        return PulseCounts(pulses, clipped)

    def leak(self, row_start: int, row_stop: int, dt_s: float) -> None:
        """Let own and shared capacitors decay towards the leak's target."""
        self._check_rows(row_start, row_stop)
        if self._switches.leakage:
            own, shared = self._decay.rows(row_start, row_stop, dt_s)
            leak(self.state, self.numbers, row_start, row_stop, own, shared)

    def transfer(self, row_start: int, row_stop: int, seed: int, index: int, invert: bool) -> TransferCounts:
        """Read the weights, reset the capacitors, program the PCM pair and put the rest back on the capacitors.

        One read of the weight is noisy; those that verify are taken as exact.
        """
        self._check_rows(row_start, row_stop)
        wanted = self.weights[row_start:row_stop].copy()
        noisy(wanted, row_start, self.numbers.read_noise, self._draw(seed, TRANSFER_READ, index))
        turn = invert and self._switches.polarity_inversion
        return self._program(wanted, row_start, self._draw(seed, PROGRAM, index), turn)

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Read D = g - g_shared and pulse the own capacitor until it is D exp(dt / tau), with the nominal tau.

        Nothing is reset: the common mode goes on leaking, and spreads of tau are not known to it.
        """
        self._check_rows(row_start, row_stop)
        wanted = differences(self.state, self.numbers, row_start, row_stop)
        noisy(wanted, row_start, self.numbers.read_noise, self._draw(seed, REWRITE_READ, index))
        if self._switches.leakage:
            wanted *= np.float32(math.exp(dt_s / self.numbers.tau))
        pulses, clipped, left, most = rewrite(self.state, self.numbers, wanted, row_start)
        return TransferCounts(wanted.size, 0, 0, 0, pulses, clipped, left, float(most))

    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """Program the PCM pairs to these weights and put the rest on the capacitors."""
        if weights.shape != self.weights.shape:
            raise ValueError(f"weights {weights.shape} for cells {self.weights.shape}")
        wanted = np.ascontiguousarray(weights, np.float32)
        return self._program(wanted, 0, self._draw(seed, FIRST, index), False)

    def conductances(self) -> Floats:
        """Return G+ + G- + g + the cell's part of g_shared."""
        state = self.state
        span = np.float32(self.numbers.span)
        own = differences(state, self.numbers, 0, len(self.weights))
        shared = np.repeat(state.shared, self.numbers.span, axis=1)[:, : self.weights.shape[1]]
        return cast("Floats", state.plus + state.minus + ((own + shared) + shared / span))

    def _program(self, wanted: Floats, start: int, key: tuple[int, int, int, int], invert: bool) -> TransferCounts:
        both, beyond, pulses, clipped, left, most = program(self.state, self.numbers, wanted, start, key, invert)
        return TransferCounts(
            wanted.size, both, beyond, self._resets * wanted.size, pulses, clipped, left, float(most)
        )  # fmt: skip

    def _draw(self, seed: int, what: int, index: int) -> tuple[int, int, int, int]:
        return checked_word("seed", seed), self._key[1], what, checked_word("index", index)

    def _check_rows(self, start: int, stop: int) -> None:
        if not 0 <= start < stop <= len(self.weights):
            raise ValueError(f"rows {start} to {stop} of {len(self.weights)}")


def checked_word(name: str, value: int) -> int:
    """Return a word of the generator's key or counter; raise ValueError where it does not fit."""
    if not 0 <= value < FRESH:
        raise ValueError(f"{name} {value} is not within 0 to {FRESH - 1}")
    return value


def empty_state(rows: int, cols: int, span: int) -> State:
    """Return the arrays of rows x cols cells, of which `span` in a row share a reference; all zero but polarity."""
    own, shared = (rows, cols), (rows, -(-cols // span))
    zeros = {name: np.zeros(shared if name.startswith("shared") else own, np.float32) for name in State._fields}
    return State(**{**zeros, "polarity": np.ones(rows, np.float32)})


def numbers_of(device: Pcm3T1C, switches: Switches) -> Numbers:
    """Return what all cells of a device have in common, in V, uS and s; without programming error none of its terms."""
    micro, real = 1e6, np.float32
    error = micro if switches.programming_error else 0.0
    return Numbers(
        span=device.cells_per_reference,
        start=real(device.capacitor_start_v),
        least=real(device.capacitor_least_v),
        most=real(device.capacitor_most_v),
        target=real(device.leak_target_v),
        tau=float(device.leak_time_constant_s),
        bend=real(device.step_bend / device.capacitor_start_v),
        step=real(device.step_siemens * micro),
        gain=real(device.gain),
        offset=real(device.offset_siemens * micro),
        reachable=real(device.reachable_siemens * micro),
        scale=real(device.set_scale_siemens * micro),
        error=real(device.set_error_siemens * error),
        error_slope=real(device.set_error_slope_siemens * error),
        error_bend=real(device.set_error_bend_siemens * error),
        control=real(device.set_control_siemens * micro),
        control_loss=real(device.set_control_loss_siemens * micro),
        reset=real(device.reset_conductance_siemens * error),
        reset_spread=real(device.reset_spread_siemens * error),
        read_noise=real(device.transfer_noise_siemens * micro),
        residual_pulses=device.residual_pulses,
        trim_pulses=device.trim_pulses,
    )


def spreads_of(device: CapacitorPair, switches: Switches) -> Spreads:
    """Return the means and the spreads with which cells are made, in V, uS and s; no spread without variability."""
    vary = 1.0 if switches.variability else 0.0
    return Spreads(
        k=device.transistor_siemens_per_v * 1e6,
        threshold=device.threshold_v,
        step=device.step_v,
        tau=float(device.leak_time_constant_s),
        k_spread=device.transistor_spread * vary,
        threshold_spread=device.threshold_spread_v * vary,
        step_spread=device.step_spread * vary,
        leak_spread=device.leak_spread * vary,
    )
