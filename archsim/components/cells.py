"""Weight cells in numbers: the arrays of one shard, and what can be done to them.

Nothing here is loaded before cells are asked for, since the kernels take a while to load.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from archsim.components.ageing import Ageing, draw_ageing, drift, empty_ageing, habits_of
from archsim.components.exact_kernels import update_exactly
from archsim.components.kernels import (
    FIRST,
    FRESH,
    PROGRAM,
    REWRITE_READ,
    TRANSFER_READ,
    Doubles,
    Floats,
    Integers,
    Numbers,
    Spreads,
    State,
    conducting,
    decay,
    differences,
    leak,
    make,
    noisy,
    program,
    rewrite,
    turn,
    update,
)

if TYPE_CHECKING:
    from archsim.components.cell_parts import Capacitor3T1C
    from archsim.components.devices import CapacitorPair, Pcm3T1C, PcmPair, Switches

_ONE = np.float32(1)


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
    programmed: int = 0
    """Cells whose long-term devices were programmed."""
    written: int = 0
    """Cells that were given a weight: programmed, or by pulses on their capacitor."""
    left_over: int = 0
    """Of those written, cells off by more than a pulse's nominal change because slots or a range ended."""


class Occupancy(NamedTuple):
    """Where the own capacitors of some cells are."""

    capacitors: int
    dead: int
    """Those below the threshold of their read transistor: g = 0, and most pulses change nothing."""
    railed: int
    """Those so close to an end of their range that the next pulse towards it is cut."""


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
    """The arrays of the cells [rows, cols], a named tuple, and `numbers` what they have in common."""
    numbers: Any
    kernel: Callable[..., Any]
    """The compiled update(arrays, numbers, nx, nd, phi, slots) -> (pulses, clipped), of counts as in `update`."""
    exact_kernel: Callable[..., Any]
    """The same of real numbers in place of pulses, see `exact_kernels`."""

    @property
    def compiled_state(self) -> Any:
        """The state as compiled code takes it: of one type for all cells of a kind, whatever their shape."""
        return self.state

    def update(self, nx: Integers, nd: Integers, phi: Floats, slots: int = 15) -> PulseCounts:
        """Pulse every cell floor(nx |nd| / slots + phi) times in the direction of nd's sign.

        nx [rows] holds counts of 0 to `slots`, nd [cols] signed ones, phi [rows] phases of [0, 1). Raises ValueError
        where they do not.
        """
        rows, cols = self.weights.shape
        if nx.shape != (rows,) or nd.shape != (cols,) or phi.shape != (rows,):
            raise ValueError(f"counts {nx.shape}, {nd.shape} and phases {phi.shape} for cells {self.weights.shape}")
        if not (((nx >= 0) & (nx <= slots) & (phi >= 0) & (phi < 1)).all() and (np.abs(nd) <= slots).all()):
            raise ValueError(f"a count of pulses is beyond {slots}, or a phase not within [0, 1)")
        return PulseCounts(*self.kernel(self.compiled_state, self.numbers, nx, nd, phi, slots))

    @abstractmethod
    def leak(self, row_start: int, row_stop: int, dt_s: float | Doubles) -> None:
        """Let some seconds pass for these rows, or for each its own [row_stop - row_start].

        Capacitors leak, and phase-change devices drift if they do.
        """

    @abstractmethod
    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0
    ) -> TransferCounts:
        """Move the weights of these rows to the long-term devices, inverting their polarity if so told.

        `held_s` is for how long the rows' capacitors have held since they were last written, and are likely to again.
        """

    @abstractmethod
    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Put back what these rows' capacitors lost in the `dt_s` since they were last written, as far as is known."""

    @abstractmethod
    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """Write weights [rows, cols], in uS, to all cells: the weights that training starts from."""

    def out_of_range(self, weights: Floats) -> NDArray[np.bool_]:
        """Return which weights [rows, cols], in uS, are at or beyond the largest that these cells hold for long."""
        return np.abs(weights) >= np.float32(self.reach)

    def occupancy(self) -> Occupancy:
        """Return how many capacitors there are, and where they are."""
        return Occupancy(0, 0, 0)

    @abstractmethod
    def conductances(self) -> Floats:
        """Return what a read of each cell draws current through, [rows, cols], in uS; unsigned, without gain."""

    @abstractmethod
    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, Floats]:
        """Return by name what the cells of these rows hold, [rows, cols] in uS, only to be read.

        The names are W, and where there is such a thing g - g_shared, G+ and G-.
        """

    def _nothing(self, start: int, stop: int) -> TransferCounts:
        """Return the counts of a transfer or rewrite that finds nothing to do."""
        self._check_rows(start, stop)
        return TransferCounts((stop - start) * self.weights.shape[1], 0, 0, 0, 0, 0, 0.0, 0.0)

    def _check_rows(self, start: int, stop: int) -> None:
        if not 0 <= start < stop <= len(self.weights):
            raise ValueError(f"rows {start} to {stop} of {len(self.weights)}")

    def _check_shape(self, weights: Floats) -> None:
        if weights.shape != self.weights.shape:
            raise ValueError(f"weights {weights.shape} for cells {self.weights.shape}")


class DecayFactors:
    """exp(-dt / tau) of each capacitor, [cols, rows]; the factors of an interval that comes again are kept."""

    KEPT = 16  # they are computed again, to the same bits, when one of more intervals comes again

    def __init__(self, *taus: Floats) -> None:
        self._taus = taus
        self._seen: dict[float, tuple[Floats, ...] | None] = {}

    def rows(self, start: int, stop: int, dt_s: float | Doubles) -> tuple[Floats, ...]:
        """Return the factors of these rows, one array for each array of time constants."""
        if not isinstance(dt_s, float):
            return tuple(decay(tau, start, dt_s) for tau in self._taus)
        if dt_s not in self._seen:
            self._seen[dt_s] = None
            if len(self._seen) > self.KEPT:
                del self._seen[next(iter(self._seen))]
            return self.rows(start, stop, np.full(stop - start, dt_s))
        kept = self._seen.pop(dt_s) or self.rows(0, self._taus[0].shape[1], np.full(self._taus[0].shape[1], dt_s))
        self._seen[dt_s] = kept  # now the youngest
        return tuple(np.ascontiguousarray(factors[:, start:stop]) for factors in kept)


class CapacitorCells(Cells):
    """Base of the cells with a 3T1C, p (g - g_shared): updates land on its capacitor, which leaks."""

    def __init__(
        self, device: CapacitorPair, state: State, numbers: Numbers, key: tuple[int, int], switches: Switches
    ) -> None:
        self._key, self._switches = key, switches
        self.state, self.numbers = state, numbers
        self._turned = turn(state)
        self.weights = state.weights
        self.kernel, self.exact_kernel = update, update_exactly
        self.step = device.step_siemens * 1e6
        make(self._turned, numbers, spreads_of(device, switches), *key)
        self._decay = DecayFactors(self._turned.tau, self._turned.shared_tau)

    @property
    def compiled_state(self) -> State:
        """The state with its columns turned into rows."""
        return self._turned

    def leak(self, row_start: int, row_stop: int, dt_s: float | Doubles) -> None:
        """Let own and shared capacitors decay towards the leak's target."""
        self._check_rows(row_start, row_stop)
        if self._switches.leakage:
            own, shared = self._decay.rows(row_start, row_stop, dt_s)
            leak(self._turned, self.numbers, row_start, row_stop, own, shared)

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Read D = g - g_shared and pulse the own capacitor until it is D exp(dt / tau), with the nominal tau.

        Nothing is reset: the common mode goes on leaking, and spreads of tau are not known to it.
        """
        self._check_rows(row_start, row_stop)
        wanted = differences(self._turned, self.numbers, row_start, row_stop)
        noisy(wanted, row_start, self.numbers.read_noise, self._draw(seed, REWRITE_READ, index))
        if self._switches.leakage:
            wanted *= np.float32(math.exp(dt_s / self.numbers.tau))
        return self._put(wanted, row_start)

    def conductances(self) -> Floats:
        """Return G+ + G- + g + the cell's part of g_shared."""
        return cast("Floats", conducting(self._turned, self.numbers))

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, Floats]:
        """Return W and g - g_shared."""
        stop = len(self.weights) if row_stop is None else row_stop
        return {
            "W": self.weights[row_start:stop],
            "g - g_shared": differences(self._turned, self.numbers, row_start, stop),
        }

    def occupancy(self) -> Occupancy:
        """Return how many capacitors there are, how many are below threshold, and how many at an end of their range."""
        state, numbers, bends = self.state, self.numbers, self.numbers.bend * (self.state.voltage - self.numbers.start)
        dead = state.k * (state.voltage - state.threshold) <= 0
        highest = state.voltage + state.up * (_ONE - bends) > numbers.most
        lowest = state.voltage - state.down * (_ONE + bends) < numbers.least
        return Occupancy(dead.size, int(dead.sum()), int((highest | lowest).sum()))

    def _put(self, wanted: Floats, start: int) -> TransferCounts:
        """Pulse the own capacitors of rows from `start` on until g - g_shared is as wanted."""
        pulses, clipped, left, most, over = rewrite(self._turned, self.numbers, wanted, start)
        return TransferCounts(wanted.size, 0, 0, 0, pulses, clipped, left, float(most), 0, wanted.size, over)

    def _draw(self, seed: int, what: int, index: int) -> tuple[int, int, int, int]:
        return checked_word("seed", seed), self._key[1], what, checked_word("index", index)


class Pcm3T1CCells(CapacitorCells):
    """Cells of two PCM and a 3T1C: W = F (G+ - G-) + p (g - g_shared)."""

    def __init__(self, device: Pcm3T1C, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> None:
        key = checked_word("seed", seed), checked_word("shard", shard)
        habits = habits_of(device, switches)
        state = empty_state(rows, cols, device.cells_per_reference, empty_ageing(rows, cols, habits))
        state.polarity[:] = first_polarity(device, rows, switches)
        draw_ageing(turn(state), habits, *key)
        super().__init__(device, state, numbers_of(device, switches), key, switches)
        self._resets = 2 * device.iterations
        self._compensates = compensates(device, switches)
        self._drift_start_s = float(device.drift_start_s)
        self.reach = device.gain * device.reachable_siemens * 1e6

    def leak(self, row_start: int, row_stop: int, dt_s: float | Doubles) -> None:
        """Let own and shared capacitors decay towards the leak's target, and the PCM pairs drift if they do."""
        super().leak(row_start, row_stop, dt_s)
        if self.state.age.size:
            drift(self.state, row_start, row_stop, np.full(row_stop - row_start, dt_s), self._drift_start_s)
            own = slice(row_start, row_stop)
            state, held = self.state, differences(self._turned, self.numbers, row_start, row_stop)
            state.pcm[own] = self.numbers.gain * (state.plus[own] - state.minus[own])
            self.weights[own] = state.pcm[own] + state.polarity[own, None] * held

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0
    ) -> TransferCounts:
        """Read the weights, reset the capacitors, program the PCM pair and put the rest back on the capacitors.

        One read of the weight is noisy; those that verify are taken as exact. With leak compensation it reckons with
        the nominal leak (see `Pcm3T1C`).
        """
        self._check_rows(row_start, row_stop)
        rows, state = slice(row_start, row_stop), self.state
        wanted = self.weights[rows].copy()
        noisy(wanted, row_start, self.numbers.read_noise, self._draw(seed, TRANSFER_READ, index))
        turn = invert and self._switches.polarity_inversion
        kept, mean = kept_and_mean(held_s, self.numbers.tau) if self._compensates else (1.0, 1.0)
        if kept < 1:
            restored = np.float32(self.numbers.offset * (1 - mean)) * state.polarity[rows, None]
            wanted = state.pcm[rows] + (np.float32(mean / kept) * (wanted - state.pcm[rows]) + restored)
        return self._program(wanted, row_start, self._draw(seed, PROGRAM, index), turn, np.float32(1 / mean))

    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """Program the PCM pairs to these weights and put the rest on the capacitors."""
        self._check_shape(weights)
        wanted = np.ascontiguousarray(weights, np.float32)
        return self._program(wanted, 0, self._draw(seed, FIRST, index), False)

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, Floats]:
        """Return W, g - g_shared, G+ and G-."""
        own = slice(row_start, row_stop)
        return {**super().quantities(row_start, row_stop), "G+": self.state.plus[own], "G-": self.state.minus[own]}

    def _program(
        self, wanted: Floats, start: int, key: tuple[int, int, int, int], invert: bool, emphasis: Any = _ONE
    ) -> TransferCounts:
        found = program(self._turned, self.numbers, wanted, start, key, invert, emphasis)
        both, beyond, pulses, clipped, left, most, over = found
        return TransferCounts(
            wanted.size, both, beyond, self._resets * wanted.size, pulses, clipped, left, float(most), wanted.size,
            wanted.size, over,
        )  # fmt: skip


class Capacitor3T1CCells(CapacitorCells):
    """Cells of a 3T1C alone: W = g - g_shared; nothing holds a weight but its capacitor."""

    def __init__(self, device: Capacitor3T1C, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> None:
        key = checked_word("seed", seed), checked_word("shard", shard)
        state = empty_state(rows, cols, device.cells_per_reference, Ageing.none())
        super().__init__(device, state, capacitor_numbers(device), key, switches)
        self.reach = device.held_siemens * 1e6

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0
    ) -> TransferCounts:
        """Do nothing: there is no long-term device."""
        return self._nothing(row_start, row_stop)

    def program(self, weights: Floats, seed: int, index: int = 0) -> TransferCounts:
        """Reset all capacitors and pulse the own ones until g - g_shared is as given, as far as the pulses reach."""
        self._check_shape(weights)
        state = self.state
        state.voltage[:] = state.shared_voltage[:] = self.numbers.start
        state.shared[:] = state.shared_k * np.maximum(state.shared_voltage - state.shared_threshold, np.float32(0))
        return self._put(np.ascontiguousarray(weights, np.float32), 0)


def first_polarity(device: Pcm3T1C, rows: int, switches: Switches) -> Floats:
    """Return the polarity in which each row begins, +1 or -1."""
    polarity = np.ones(rows, np.float32)
    if device.row_polarity == "alternating" and switches.polarity_inversion:
        polarity[1::2] = -1
    return polarity


def compensates(device: Pcm3T1C, switches: Switches) -> bool:
    """Return whether transfers reckon with the leak; without leakage there is nothing to reckon with."""
    return device.leak_compensation == "nominal" and switches.leakage


def kept_and_mean(held_s: float, tau_s: float) -> tuple[float, float]:
    """Return what of a charge is left after some time, and what of it there was on average meanwhile.

    They are e = exp(-t / tau) and (1 - e) tau / t.
    """
    spans = held_s / tau_s
    return math.exp(-spans), -math.expm1(-spans) / spans if spans else 1.0


def checked_word(name: str, value: int) -> int:
    """Return a word of the generator's key or counter; raise ValueError where it does not fit."""
    if not 0 <= value < FRESH:
        raise ValueError(f"{name} {value} is not within 0 to {FRESH - 1}")
    return value


def empty_state(rows: int, cols: int, span: int, ageing: Ageing) -> State:
    """Return the arrays of rows x cols cells, of which `span` in a row share a reference; all zero but polarity."""
    own, shared = (rows, cols), (rows, -(-cols // span))
    zeros = {
        name: np.zeros(shared if name.startswith("shared") else own, np.float32, "C" if name == "weights" else "F")
        for name in State._fields
    }
    return State(**{**zeros, "polarity": np.ones(rows, np.float32), **ageing._asdict()})


def numbers_of(device: Pcm3T1C, switches: Switches) -> Numbers:
    """Return what all cells of a device have in common, in V, uS and s; without programming error none of its terms."""
    pcm = {"offset": np.float32(device.offset_siemens * 1e6), **pcm_terms(device, switches)}
    return Numbers(**capacitor_terms(device), **pcm)


def capacitor_numbers(device: Capacitor3T1C) -> Numbers:
    """Return what all cells of a device have in common, in V, uS and s; zero is what belongs to the absent PCM pair."""
    nothing: dict[str, Any] = dict.fromkeys(Numbers._fields, np.float32(0))
    return Numbers(**{**nothing, **capacitor_terms(device)})


def capacitor_terms(device: CapacitorPair) -> dict[str, Any]:
    """Return what all 3T1C of a device have in common, in V, uS and s."""
    micro, real = 1e6, np.float32
    return {
        "span": device.cells_per_reference,
        "start": real(device.capacitor_start_v),
        "least": real(device.capacitor_least_v),
        "most": real(device.capacitor_most_v),
        "target": real(device.leak_target_v),
        "tau": float(device.leak_time_constant_s),
        "bend": real(device.step_bend / device.capacitor_start_v),
        "step": real(device.step_siemens * micro),
        "read_noise": real(device.transfer_noise_siemens * micro),
        "residual_pulses": device.residual_pulses,
        "trim_pulses": device.trim_pulses,
    }


def pcm_terms(device: PcmPair, switches: Switches) -> dict[str, Any]:
    """Return what all PCM pairs of a device have in common, in uS; without programming error none of its terms."""
    micro, real = 1e6, np.float32
    error = micro if switches.programming_error else 0.0
    return {
        "gain": real(device.gain),
        "reachable": real(device.reachable_siemens * micro),
        "scale": real(device.set_scale_siemens * micro),
        "error": real(device.set_error_siemens * error),
        "error_slope": real(device.set_error_slope_siemens * error),
        "error_bend": real(device.set_error_bend_siemens * error),
        "control": real(device.set_control_siemens * micro),
        "control_loss": real(device.set_control_loss_siemens * micro),
        "reset": real(device.reset_conductance_siemens * error),
        "reset_spread": real(device.reset_spread_siemens * error),
    }


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
        step_least=device.step_least,
    )
