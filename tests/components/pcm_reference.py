"""PCM pairs that are trained in place, again in plain numpy: to the bit what `pcm_kernels` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from archsim.base.arrays import F32, F64, I64, Flags
from archsim.components.cells.numeric.base import PulseCounts, Sight, TransferCounts
from archsim.components.cells.numeric.conformance import coincidences
from archsim.components.cells.numeric.draws import BOUNDS, FIRST, FRESH, PROGRAM, SET_PULSE, STEPS, TRANSFER_READ
from archsim.components.cells.numeric.draws_in_numpy import normals, quick_pairs
from archsim.components.cells.numeric.pcm import PcmPairCells, empty_pairs
from tests.components.ageing_reference import age, drawn_ageing, exponents_set
from tests.components.cells_reference import as_read, programmed

if TYPE_CHECKING:
    from archsim.components.cells.base import Switches
    from archsim.components.cells.pcm import PcmPairCell


class PcmPairReference(PcmPairCells):
    """PCM pairs in plain numpy; only what is compiled is written again."""

    kinds = ("pcm_pair",)

    def __init__(
        self, device: PcmPairCell, rows: int, cols: int, seed: int, shard: int, switches: Switches, levels: int = 0
    ) -> None:
        self._shard, self._iterations, self._begin_s = shard, device.iterations, float(device.drift_start_s)
        ageing = drawn_ageing(rows, cols, device.habits(switches), seed, shard)
        self.numbers = device.parameters(switches, levels=levels).numbers
        self.state = state = empty_pairs(rows, cols, ageing, (seed, shard))
        self.weights = state.weights
        spreads = device.parameters(switches).spreads
        draws = (normals(seed, shard, what, FRESH, range(rows), cols) for what in (STEPS, BOUNDS))
        for array, mean, spread, least, pair in (
            (state.steps, spreads.step, spreads.step_spread, spreads.step_least, next(draws)),
            (state.limits, spreads.limit, spreads.limit_spread, spreads.limit_least, next(draws)),
        ):
            array[:] = mean * np.maximum(least, 1.0 + spread * np.stack(pair))
        nothing, every = np.zeros((rows, cols), np.float32), np.ones((rows, cols), np.bool_)
        self._write_both(slice(0, rows), nothing, nothing, every, (seed, FIRST, FRESH))

    def update(self, nx: I64, nd: I64, phi: F32, slots: int = 15) -> PulseCounts:
        """Pulse all cells, first those that get one pulse or more, then those that get two or more, and so on."""
        state, numbers, one, zero = self.state, self.numbers, np.float32(1), np.float32(0)
        rows, cols = self.weights.shape
        count, clipped = coincidences(nx, nd, phi, slots), 0
        upwards = np.broadcast_to(nd[None, :] > 0, count.shape)
        side = np.where(upwards, 0, 1)[None]
        step, limit = (np.take_along_axis(array, side, 0)[0] for array in (state.steps, state.limits))
        dead = np.zeros(count.shape, np.bool_)
        if state.stuck.size:
            dead = np.take_along_axis(state.stuck, side, 0)[0] >= 0
        for done in range(int(count.max(initial=0))):
            now = count > done
            before = np.where(upwards, state.plus, state.minus)
            draw = np.zeros(count.shape, np.float32)
            if numbers.noise > 0:
                seed, shard = (int(word) for word in state.key)
                draw = normals(seed, shard, SET_PULSE, state.fired, range(rows), cols)[0].astype(np.float32)
            state.fired[now & ~dead] += 1
            room = one - before / limit
            after = before + (step * room) * (one + numbers.noise * draw)
            full = dead | (room <= 0)
            clipped += int((now & (full | (after > limit) | (after < 0))).sum())
            moved = np.where(now & ~full, np.minimum(np.maximum(after, zero), limit), before)
            state.plus[:] = np.where(upwards, moved, state.plus)
            state.minus[:] = np.where(upwards, state.minus, moved)
        self._bring_up_to_date()
        return PulseCounts(int(count.sum()), clipped)

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """Let G+ and G- drift."""
        if self.state.age.size:
            age(self.state, slice(row_start, row_stop), dt_s, self._begin_s)
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
        """Read, and program again where one of the devices is full."""
        rows = slice(row_start, row_stop)
        pair = quick_pairs(seed, self._shard, TRANSFER_READ, index, range(row_start, row_stop), self.weights.shape[1])
        gain = self.numbers.pcm.gain
        plus, minus = (
            as_read(gain * held[rows], draw, self.numbers.transfer_read)
            for held, draw in zip((self.state.plus, self.state.minus), pair, strict=True)
        )
        full = np.maximum(plus, minus) > gain * self.numbers.refresh_above
        return self._program(rows, plus - minus, full, (seed, PROGRAM, index))

    def program(self, weights: F32, seed: int, index: int = 0) -> TransferCounts:
        """Program all."""
        every = np.ones(weights.shape, np.bool_)
        return self._program(slice(0, len(weights)), weights.astype(np.float32), every, (seed, FIRST, index))

    def _program(self, rows: slice, wanted: F32, chosen: Flags, draws: tuple[int, int, int]) -> TransferCounts:
        zero, numbers = np.float32(0), self.numbers
        plus, minus = (np.maximum(part, zero) / numbers.pcm.gain for part in (wanted, -wanted))
        cut = chosen & ((plus > numbers.pcm.reachable) | (minus > numbers.pcm.reachable))
        plus, minus = (np.minimum(part, numbers.pcm.reachable) for part in (plus, minus))
        self._write_both(rows, plus, minus, chosen, draws)
        left = np.where(chosen, np.abs(wanted - self.weights[rows]), zero)
        total = float(np.cumsum(left.ravel(), dtype=np.float64)[-1])
        resets = 2 * self._iterations * int(chosen.sum())
        both, written = int((chosen & (wanted == 0)).sum()), int(chosen.sum())
        beyond, over = int(cut.sum()), int((cut & (left > numbers.step)).sum())
        return TransferCounts(
            wanted.size, both, beyond, resets, 0, 0, total, float(left.max()), written, written, over
        )  # fmt: skip

    def _write_both(self, rows: slice, plus: F32, minus: F32, chosen: Flags, draws: tuple[int, int, int]) -> None:
        state = self.state
        pair = quick_pairs(draws[0], self._shard, *draws[1:], range(rows.start, rows.stop), plus.shape[1])
        for side, (held, target) in enumerate(((state.plus, plus), (state.minus, minus))):
            found = programmed(target, pair[side], self.numbers.pcm)
            if state.stuck.size:
                found = np.where(state.stuck[side, rows] >= 0, state.stuck[side, rows], found)
            held[rows] = np.where(chosen, found, held[rows])
        if state.age.size:
            state.age[rows][chosen] = 0
        if state.leanings.size:
            before = state.exponents[:, rows].copy()
            exponents_set(state, rows, self.numbers.pcm.law)
            state.exponents[:, rows] = np.where(chosen, state.exponents[:, rows], before)
        self._bring_up_to_date()

    def _bring_up_to_date(self) -> None:
        self.weights[:] = self.numbers.pcm.gain * (self.state.plus - self.state.minus)
