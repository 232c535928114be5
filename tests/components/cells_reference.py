"""The weight cells again in plain numpy: slow, obvious, and to the bit what the compiled kernels give.

Nothing of the kernels is used but the containers. The same float32 operations are done in the same order, on whole
arrays; exponentials, logarithms and sines are the C library's, in double precision, as in the kernels.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, cast

import numpy as np

from archsim.base.arrays import F32, F64, I64, Flags
from archsim.components.cells.numeric.ageing import Habits
from archsim.components.cells.numeric.base import Cells, DeviceLine, Parameters, PulseCounts, Sight, TransferCounts
from archsim.components.cells.numeric.capacitor import empty_state
from archsim.components.cells.numeric.capacitor_kernels import EVEN, State
from archsim.components.cells.numeric.conformance import coincidences
from archsim.components.cells.numeric.conversion import Reading
from archsim.components.cells.numeric.draws import (
    BOUNDS,
    FIRST,
    FRESH,
    LEAK,
    OF_PULSES,
    OF_RESET,
    OF_RESIDUAL,
    OF_SHARED_RESET,
    OF_VERIFY,
    PROGRAM,
    REST_READ,
    REWRITE,
    REWRITE_READ,
    SHARED_LEAK,
    SHARED_TRANSISTOR,
    STEPS,
    TRANSFER_READ,
    TRANSISTOR,
    UPDATE_PULSES,
)
from archsim.components.cells.numeric.draws_in_numpy import normals, quick_normals, quick_pairs
from archsim.components.cells.numeric.in_place import InPlaceCells, InPlaceState
from archsim.components.cells.numeric.programming import Programming
from tests.components.ageing_reference import age, drawn_ageing, exponents_set

if TYPE_CHECKING:
    from archsim.components.cells.base import Switches
    from archsim.components.cells.capacitor import Capacitor3T1C, CapacitorPair
    from archsim.components.cells.in_place import InPlaceCell
    from archsim.components.cells.pcm_3t1c import Pcm3T1C

_exp = np.vectorize(math.exp, otypes=[np.float64])


class InPlaceReference(InPlaceCells):
    """Cells that are trained in place in plain numpy; only what is compiled is written again."""

    kinds = ("static_cell", "soft_bounds")

    def __init__(
        self, device: InPlaceCell, rows: int, cols: int, seed: int, shard: int, switches: Switches, levels: int = 0
    ) -> None:
        self.numbers = numbers = device.parameters(switches).numbers
        self.state = state = InPlaceState(*(np.zeros((rows, cols), np.float32) for _ in InPlaceState._fields))
        self.weights, self.step = state.weights, numbers.step
        first, second = normals(seed, shard, STEPS, FRESH, range(rows), cols)
        step = numbers.step * np.maximum(numbers.step_least, 1.0 + numbers.step_spread * first)
        state.up[:] = step * np.maximum(0.0, 1.0 + numbers.asymmetry_spread * second)
        state.down[:] = step * np.maximum(0.0, 1.0 - numbers.asymmetry_spread * second)
        first, _ = normals(seed, shard, BOUNDS, FRESH, range(rows), cols)
        bound = numbers.bound * np.maximum(numbers.bound_least, 1.0 + numbers.bound_spread * first)
        state.bound[:], state.slope[:] = bound, numbers.softness / bound

    def update(self, nx: I64, nd: I64, phi: F32, slots: int = 15) -> PulseCounts:
        """Pulse all cells, first those that get one pulse or more, then those that get two or more, and so on."""
        state, one, clipped = self.state, np.float32(1), 0
        count = coincidences(nx, nd, phi, slots)
        for done in range(int(count.max(initial=0))):
            higher = self.weights + state.up * (one - state.slope * self.weights)
            lower = self.weights - state.down * (one + state.slope * self.weights)
            moved = np.where(nd[None, :] > 0, higher, lower)
            clipped += int(((np.abs(moved) > state.bound) & (count > done)).sum())
            self.weights[:] = np.where(count > done, np.clip(moved, -state.bound, state.bound), self.weights)
        return PulseCounts(int(count.sum()), clipped)


class CapacitorReference(Cells):
    """Base of the cells with a 3T1C in plain numpy."""

    def __init__(
        self, device: CapacitorPair, state: State, parameters: Parameters, key: tuple[int, int], switches: Switches
    ) -> None:
        self._tau_s, self._switches, self._shard = float(device.leak_time_constant_s), switches, key[1]
        self.numbers, self.state = parameters.numbers, state
        self.weights = state.weights
        self.step = device.step_siemens * 1e6
        rows, cols = self.weights.shape
        seed = key[0]
        spread = parameters.spreads
        for k, threshold, tau, voltage, transistor, leak in (
            (state.k, state.threshold, state.tau, state.voltage, TRANSISTOR, LEAK),
            (state.shared_k, state.shared_threshold, state.shared_tau, state.shared_voltage, SHARED_TRANSISTOR,
             SHARED_LEAK),
        ):  # fmt: skip
            first, second = self._normals(seed, transistor, FRESH, range(rows), k.shape[1])
            k[:] = spread.k * np.maximum(0.0, 1.0 + spread.k_spread * first)
            threshold[:] = spread.threshold + spread.threshold_spread * second
            first, _ = self._normals(seed, leak, FRESH, range(rows), k.shape[1])
            tau[:] = spread.tau * _exp(spread.leak_spread * first)
            voltage[:] = self.numbers.start
        first, second = self._normals(seed, STEPS, FRESH, range(rows), cols)
        state.up[:] = spread.step * np.maximum(spread.step_least, 1.0 + spread.step_spread * first)
        state.down[:] = spread.step * np.maximum(spread.step_least, 1.0 + spread.step_spread * second)
        self._bring_up_to_date()

    def update(self, nx: I64, nd: I64, phi: F32, slots: int = 15) -> PulseCounts:
        """Pulse all cells, first those that get one pulse or more, then those that get two or more, and so on."""
        count = coincidences(nx, nd, phi, slots)
        upwards = np.sign(nd)[None, :] * self.state.polarity[:, None] > 0
        draws = None
        if self.numbers.grain > 0:
            seed, shard = (int(word) for word in self.state.key)
            draws = quick_normals((seed, shard, UPDATE_PULSES, int(self.state.updates[0])), *count.shape)
            self.state.updates[0] += 1
        clipped = int(self._pulse(slice(0, len(nx)), count, upwards, draws).sum())
        self._bring_up_to_date()
        return PulseCounts(int(count.sum()), clipped)

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """V <- V_0 + (V - V_0) exp(-dt / tau), for own and shared capacitors."""
        if not self._switches.leakage:
            return
        rows, target = slice(row_start, row_stop), self.numbers.target
        for voltage, tau in (
            (self.state.voltage, self.state.tau), (self.state.shared_voltage, self.state.shared_tau)
        ):  # fmt: skip
            factor = _exp(-np.reshape(dt_s, (-1, 1)) / tau[rows].astype(np.float64)).astype(np.float32)
            voltage[rows] = target + (voltage[rows] - target) * factor
        self._bring_up_to_date()

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> TransferCounts:
        """Read D, pulse until it is D exp(dt / tau nominal)."""
        rows = slice(row_start, row_stop)
        first, _ = self._pairs(seed, REWRITE_READ, index, range(row_start, row_stop), self.weights.shape[1])
        wanted = as_read(self._differences()[rows], first, self.numbers.rewrite_read)
        if self._switches.leakage:
            wanted = wanted * np.float32(math.exp(dt_s / self._tau_s))
        pulses, clipped, stopped = self._put_back(rows, wanted, (seed, REWRITE, index))
        self._bring_up_to_date()
        left = np.abs(wanted - self._differences()[rows])
        return TransferCounts(
            wanted.size, 0, 0, 0, pulses, clipped, _sum(left), float(left.max()), 0, wanted.size,
            self._over(left, stopped),
        )  # fmt: skip

    def conductances(self) -> F32:
        """Return G+ + G- + g + g_shared / cells_per_reference."""
        own = self._differences() + self._shared()
        each = own + self._shared() / np.float32(self.numbers.span)
        return cast("F32", self.state.plus + self.state.minus + each)

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W and g - g_shared."""
        own = slice(row_start, row_stop)
        return {"W": self.weights[own], "g - g_shared": self._differences()[own]}

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return g and g_shared."""
        own, shared, sign = slice(row_start, row_stop), self._shared(), self.state.polarity[:, None]
        g = DeviceLine((self._differences() + shared)[own], sign[own], pulsed=True)
        return [g, DeviceLine(self.state.shared[own], -sign[own], self.numbers.span)]

    def _over(self, left: F32, stopped: Flags) -> int:
        """Return of how many cells more than a pulse is left because slots or range ended."""
        return int((stopped & (left > self.numbers.step)).sum())

    def _reset(self, rows: slice) -> None:
        """Reset own and shared capacitors."""
        self.state.voltage[rows] = self.state.shared_voltage[rows] = self.numbers.start
        self._bring_up_to_date()

    def _jitter(self, rows: slice, deed: tuple[int, int, int]) -> None:
        """Add the noise of a reset: `deed` is (seed, what, index)."""
        seed, what, index = deed
        for voltage, part in ((self.state.voltage, OF_RESET), (self.state.shared_voltage, OF_SHARED_RESET)):
            own = range(*rows.indices(len(voltage)))
            first, _ = self._pairs(seed, what + part, index, own, voltage.shape[1])
            voltage[rows] = voltage[rows] + self.numbers.reset_noise * first.astype(np.float32)
        self._bring_up_to_date()

    def _put_back(self, rows: slice, difference: F32, deed: tuple[int, int, int]) -> tuple[int, int, Flags]:
        """Pulse until g - g_shared is as given, in two bursts, each counted from one read.

        Returns pulses, clipped ones, and where the second burst was stopped short.
        """
        pulses = clipped = 0
        stopped = np.zeros(difference.shape, np.bool_)
        seed, what, index = deed
        own = range(*rows.indices(len(self.weights)))
        pair = self._pairs(seed, what + OF_PULSES, index, own, difference.shape[1])
        reads = self._pairs(seed, what + OF_RESIDUAL, index, own, difference.shape[1])
        slots = self.numbers.residual_pulses, self.numbers.trim_pulses
        for limit, draws, errors in zip(slots, pair, reads, strict=True):
            gap = difference - as_read(self._differences()[rows], errors, self.numbers.residual_read)
            wanted = np.floor(np.abs(gap) / self.numbers.step + np.float32(0.5))
            count = np.minimum(wanted, limit).astype(np.int64)
            cut = self._pulse(rows, count, gap > 0, draws.astype(np.float32))
            clipped += int(cut.sum())
            pulses += int(count.sum())
            stopped = (wanted > limit) | (cut > 0)
        return pulses, clipped, stopped

    def _pulse(self, rows: slice, count: I64, upwards: Flags, draws: F32 | None = None) -> I64:
        """Fire these pulses at the own capacitors, and return how many of each were cut short by the range.

        Where the range is not met, n pulses are done at once: by a series, or if they differ by more than it is good
        for, by the binary digits of n.
        """
        numbers, one, clipped = self.numbers, np.float32(1), np.zeros(count.shape, np.int64)
        voltage = self.state.voltage[rows]  # a view
        step = np.where(upwards, self.state.up[rows], -self.state.down[rows])
        lessened = step * np.where(upwards, numbers.bend, -numbers.bend)
        keep, more = one - lessened, step + lessened * numbers.start
        leapt, power, shift, left = voltage, keep, more, count
        while left.any():
            leapt = np.where(left % 2 == 1, leapt * power + shift, leapt)
            shift, power, left = shift * power + shift, power * power, left // 2
        n, two = count.astype(np.float32), np.float32(2)
        pairs = n * (n - one) * np.float32(0.5)
        worth = n - pairs * (lessened - (n - two) * (lessened * lessened * np.float32(1 / 3)))
        series = voltage + (step - lessened * (voltage - numbers.start)) * worth
        leapt = np.where(n * lessened > EVEN, leapt, series)
        stepped, meets = voltage, (leapt > numbers.most) | (leapt < numbers.least)
        for done in range(int(count[meets].max(initial=0))):
            moved = stepped * keep + more
            beyond = np.where(upwards, moved > numbers.most, moved < numbers.least)
            kept = np.where(beyond, np.where(upwards, numbers.most, numbers.least), moved)
            clipped += beyond & meets & (count > done)
            stepped = np.where(count > done, kept, stepped)
        after = np.where(meets, stepped, leapt)
        if numbers.grain > 0 and draws is not None:  # Poisson: the variance of a charge is e times its mean
            noisy = after + np.sqrt(numbers.grain * np.abs(after - voltage)) * draws
            after = np.minimum(np.maximum(noisy, numbers.least), numbers.most)
            after = np.where(count > 0, after, voltage)
            clipped = np.maximum(clipped, (count > 0) & (after != noisy))
        voltage[:] = after
        return cast("I64", clipped)

    def _bring_up_to_date(self) -> None:
        state = self.state
        state.shared[:] = _conductance(state.shared_voltage, state.shared_k, state.shared_threshold)
        state.weights[:] = state.pcm + state.polarity[:, None] * self._differences()

    def _shared(self) -> F32:
        """Return each cell's g_shared."""
        state = self.state
        shared = _conductance(state.shared_voltage, state.shared_k, state.shared_threshold)
        return np.repeat(shared, self.numbers.span, axis=1)[:, : self.weights.shape[1]]

    def _differences(self) -> F32:
        """Return each cell's g - g_shared."""
        return _conductance(self.state.voltage, self.state.k, self.state.threshold) - self._shared()

    def _pairs(self, seed: int, what: int, index: int, rows: range, cols: int) -> tuple[F32, F32]:
        return quick_pairs(seed, self._shard, what, index, rows, cols)

    def _normals(self, seed: int, what: int, index: int, rows: range, cols: int) -> tuple[F64, F64]:
        return normals(seed, self._shard, what, index, rows, cols)


class Pcm3T1CReference(CapacitorReference):
    """Cells of two PCM and a 3T1C in plain numpy."""

    kinds = ("pcm_3t1c",)

    def __init__(
        self, device: Pcm3T1C, rows: int, cols: int, seed: int, shard: int, switches: Switches, levels: int = 0
    ) -> None:
        ageing = drawn_ageing(rows, cols, device.habits(switches), seed, shard)
        state = empty_state(rows, cols, device.parameters(switches).numbers, ageing, (seed, shard))
        if device.row_polarity == "alternating" and switches.polarity_inversion:
            state.polarity[:] = np.where(np.arange(rows) % 2 == 0, 1, -1)
        super().__init__(device, state, device.parameters(switches, levels=levels), (seed, shard), switches)
        self._iterations, self._drift_start_s = device.iterations, float(device.drift_start_s)
        self._compensates = device.leak_compensation == "nominal" and switches.leakage
        self.reach = device.gain * device.reachable_siemens * 1e6
        nothing = np.zeros((rows, cols), np.float32)
        self._write_pcm(slice(0, rows), nothing, nothing, (seed, FIRST, FRESH))
        self._bring_up_to_date()

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """Leak, and let G+ and G- drift."""
        super().leak(row_start, row_stop, dt_s)
        if self.state.age.size:
            age(self.state, slice(row_start, row_stop), dt_s, self._drift_start_s)
            self.state.pcm[:] = self.numbers.pcm.gain * (self.state.plus - self.state.minus)
            self._bring_up_to_date()

    def transfer(
        self,
        row_start: int,
        row_stop: int,
        seed: int,
        index: int,
        invert: bool,
        held_s: float = 0.0,
        sight: Sight | None = None,
    ) -> TransferCounts:
        """Do steps (1) to (5) one after another."""
        rows, cols = range(row_start, row_stop), self.weights.shape[1]
        first, _ = self._pairs(seed, TRANSFER_READ, index, rows, cols)
        own, emphasis, regained, restored = slice(row_start, row_stop), None, np.float32(1), np.float32(0)
        wanted = as_read(self.weights[own].copy(), first, self.numbers.transfer_read)
        pcm, rests = self.state.pcm[own], np.full(wanted.shape, np.inf, np.float32)
        compensates = self._compensates and held_s
        if compensates:
            kept = math.exp(-held_s / self.numbers.tau)
            mean = -math.expm1(-held_s / self.numbers.tau) / (held_s / self.numbers.tau)
            emphasis, regained = np.float32(1 / mean), np.float32(mean / kept)
            restored = self.state.polarity[own, None] * np.float32(self.numbers.offset * (1 - mean))
        if self.numbers.transfer_threshold > 0:  # the capacitor's part is read as well
            second, _ = self._pairs(seed, REST_READ, index, rows, cols)
            held = as_read(self.weights[own] - pcm, second, self.numbers.residual_read)
            rests = regained * held + restored
            wanted = (wanted - held) + rests
        elif compensates:
            wanted = pcm + (regained * (wanted - pcm) + restored)
        if invert and self._switches.polarity_inversion:
            self.state.polarity[own] *= -1
        return self._program(wanted, own, (seed, PROGRAM, index), emphasis, rests)

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Do steps (2) to (5) with weights that are given."""
        every = np.full(weights.shape, np.inf, np.float32)
        return self._program(weights.astype(np.float32), slice(0, len(weights)), (seed, FIRST, index), None, every)

    def quantities(self, row_start: int = 0, row_stop: int | None = None) -> dict[str, F32]:
        """Return W, g - g_shared, G+ and G-."""
        own = slice(row_start, row_stop)
        return {**super().quantities(row_start, row_stop), "G+": self.state.plus[own], "G-": self.state.minus[own]}

    def devices(self, row_start: int = 0, row_stop: int | None = None) -> list[DeviceLine]:
        """Return G+, G-, g and g_shared."""
        own, gain = slice(row_start, row_stop), self.numbers.pcm.gain
        pair = [
            DeviceLine(self.state.plus[own], gain, written=True),
            DeviceLine(self.state.minus[own], -gain, written=True),
        ]
        return [*pair, *super().devices(row_start, row_stop)]

    def _program(
        self, wanted: F32, rows: slice, draws: tuple[int, int, int], emphasis: np.float32 | None, rests: F32
    ) -> TransferCounts:
        state, numbers = self.state, self.numbers
        chosen = np.abs(rests) > numbers.transfer_threshold
        self._reset(rows)
        sign = state.polarity[rows, None]
        settled = numbers.offset + self._differences()[rows]
        if numbers.reset_noise > 0:
            self._jitter(rows, draws)
        target = wanted - sign * settled
        both = chosen & (sign * target > 0) & (sign * target < numbers.offset)
        plus = np.where(both, np.float32(0), np.maximum(target, np.float32(0)) / numbers.pcm.gain)
        minus = np.where(both, np.float32(0), np.maximum(-target, np.float32(0)) / numbers.pcm.gain)
        beyond = sum(int((chosen & (side > numbers.pcm.reachable)).sum()) for side in (plus, minus))
        plus, minus = np.minimum(plus, numbers.pcm.reachable), np.minimum(minus, numbers.pcm.reachable)
        self._write_pcm(rows, plus, minus, draws, chosen)
        seed, what, index = draws
        errors, _ = self._pairs(seed, what + OF_VERIFY, index, range(rows.start, rows.stop), wanted.shape[1])
        verified = numbers.pcm.gain * as_read(state.plus[rows] - state.minus[rows], errors, numbers.verify)
        difference = sign * np.where(chosen, wanted - verified, rests)
        due = sign * np.where(chosen, wanted - state.pcm[rows], rests)
        if emphasis is not None:
            difference, due = (settled + emphasis * (each - settled) for each in (difference, due))
        pulses, clipped, stopped = self._put_back(rows, difference, draws)
        self._bring_up_to_date()
        left = np.abs(due - self._differences()[rows])
        programmed = int(chosen.sum())
        return TransferCounts(
            wanted.size, int(both.sum()), beyond, 2 * self._iterations * programmed, pulses, clipped, _sum(left),
            float(left.max()), programmed, wanted.size, self._over(left, stopped),
        )  # fmt: skip

    def _write_pcm(
        self, rows: slice, plus: F32, minus: F32, draws: tuple[int, int, int], chosen: Flags | bool = True
    ) -> None:
        """Program both devices of the chosen cells, with the error that is left after verification."""
        seed, what, index = draws
        first, second = self._pairs(seed, what, index, range(rows.start, rows.stop), plus.shape[1])
        state, before = self.state, self.state.exponents.copy()
        for side, held, target, draw in ((0, state.plus, plus, first), (1, state.minus, minus, second)):
            found = programmed(target, draw, self.numbers.pcm)
            if state.stuck.size:
                found = np.where(state.stuck[side, rows] >= 0, state.stuck[side, rows], found)
            held[rows] = np.where(chosen, found, held[rows])
        if state.age.size:
            state.age[rows] = np.where(chosen, 0, state.age[rows])
        if state.leanings.size:
            exponents_set(state, rows, self.numbers.pcm.law)
            state.exponents[:, rows] = np.where(chosen, state.exponents[:, rows], before[:, rows])
        state.pcm[rows] = self.numbers.pcm.gain * (state.plus[rows] - state.minus[rows])


class Capacitor3T1CReference(CapacitorReference):
    """Cells of a 3T1C alone in plain numpy."""

    kinds = ("cap_3t1c",)

    def __init__(
        self, device: Capacitor3T1C, rows: int, cols: int, seed: int, shard: int, switches: Switches, levels: int = 0
    ) -> None:
        numbers, unaged = device.parameters(switches).numbers, Habits().none_aged(rows, cols)
        state = empty_state(rows, cols, numbers, unaged, (seed, shard))
        super().__init__(device, state, device.parameters(switches, levels=levels), (seed, shard), switches)
        self.reach = device.held_siemens * 1e6

    def transfer(
        self,
        row_start: int,
        row_stop: int,
        seed: int,
        index: int,
        invert: bool,
        held_s: float = 0.0,
        sight: Sight | None = None,
    ) -> TransferCounts:
        """Do nothing."""
        return self._nothing(row_start, row_stop)

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Start all capacitors anew, and pulse until g - g_shared is as given."""
        wanted, rows, deed = weights.astype(np.float32), slice(0, len(weights)), (seed, FIRST, index)
        self._reset(rows)
        if self.numbers.reset_noise > 0:
            self._jitter(rows, deed)
        pulses, clipped, stopped = self._put_back(rows, wanted, deed)
        self._bring_up_to_date()
        left = np.abs(wanted - self._differences())
        return TransferCounts(
            wanted.size, 0, 0, 0, pulses, clipped, _sum(left), float(left.max()), 0, wanted.size,
            self._over(left, stopped),
        )  # fmt: skip


def as_read(values: F32, draw: F32 | F64, reading: Reading) -> F32:
    """Return values as they are read: with noise, and at the nearest of the codes, which end at full scale."""
    if reading.noise > 0:
        values = values + reading.noise * draw.astype(np.float32)
    if reading.most > 0:
        values = np.rint(np.clip(values, -reading.most, reading.most) / reading.grid) * reading.grid
    return values


def programmed(target: F32, draw: F32 | F64, n: Programming) -> F32:
    """Return what devices hold after verified programming; a target of zero leaves them RESET."""
    r, one = target / n.scale, np.float32(1)
    sigma = n.error + n.error_slope * r - n.error_bend * (r * r)
    sigma = np.where(target > n.control, sigma * (one + (target - n.control) / n.control_loss), sigma)
    z = draw.astype(np.float32)
    conductance = np.where(target > 0, target + np.maximum(sigma, 0) * z, n.reset + n.reset_spread * z)
    return cast("F32", np.maximum(conductance, np.float32(0)))


def _conductance(voltage: F32, k: F32, threshold: F32) -> F32:
    """Return g = k max(V - V_T, 0)."""
    return cast("F32", k * np.maximum(voltage - threshold, np.float32(0)))


def _sum(values: F32) -> float:
    """Return a sum in double precision, one value after another."""

    return float(np.cumsum(values.ravel(), dtype=np.float64)[-1])
