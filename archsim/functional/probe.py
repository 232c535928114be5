"""What a look at the cells shows: conductances before and after a transfer, and what leakage takes until the next one.

A probe stands around the cells and only reads them, so that the training under it stays the same to the bit;
without one there is nothing to pay.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from archsim.base.arrays import F64, I64, Array
from archsim.functional.chip_model import arrays_of, copy_arrays
from archsim.functional.findings import Findings, Histogram, Loss
from archsim.mapping.schedule import Schedule

# How finely histograms are drawn. Means and spreads are of the samples themselves, and do not depend on it.
BINS = 60
TIMES = 32
FINEST_S = 1e-9
"""Width of a bin of dwell times at first; it doubles until the longest fits into `TIMES` of them."""


class Probe:
    """Looks at all shards of a chip in one training.

    Of each row it keeps what its cells held before and after its last transfer, and adds up what they lost since
    the transfer before, or since they were first programmed if there was none.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._layers = schedule.mapping.workload.layers
        self._shards = schedule.mapping.shards
        self._last = [np.full(shard.rows, -1, dtype=np.int64) for shard in self._shards]
        for op in schedule.ops:
            if op.maintenance is not None and not op.maintenance.period_cycles:
                groups = op.maintenance.groups
                row = 0
                for variant, parts in enumerate(groups):
                    times = -(-((op.instances or 0) - variant) // len(groups))
                    self._last[op.maintenance.shard][row : row + sum(parts)] = times - 1
                    row += sum(parts)
        self.cells: list[ProbedCells] = []
        self.width_s = np.array([FINEST_S])
        self.sums = np.zeros((len(self._layers), 4, TIMES))  # samples, time, signed loss, its square

    def around(self, cells: Any) -> ProbedCells:
        """Return the cells of the next shard, looked at."""
        shard = self._shards[len(self.cells)]
        self.cells.append(ProbedCells(cells, self, shard.layer, self._last[shard.index]))
        return self.cells[-1]

    def add(self, layer: int, time_s: F64, loss: Array) -> None:
        """Count what rows lost, [rows, cols] in uS signed by polarity, at these times since their transfer."""
        while time_s.max() >= TIMES * self.width_s[0]:
            pairs = self.sums.reshape(*self.sums.shape[:2], -1, 2).sum(axis=-1)
            self.sums[...] = np.concatenate([pairs, np.zeros_like(pairs)], axis=-1)
            self.width_s *= 2
        place = (time_s / self.width_s[0]).astype(np.int64)
        cols = loss.shape[1]
        totals = loss.sum(axis=1, dtype=np.float64), np.einsum("ij,ij->i", loss, loss, dtype=np.float64)
        for sums, more in zip(self.sums[layer], (np.full(len(loss), cols), cols * time_s, *totals), strict=True):
            sums += np.bincount(place, weights=more, minlength=TIMES)

    def arrays(self) -> dict[str, Array]:
        """Return all that changes in the probe, by name, and not copied."""
        shards = arrays_of({str(i): cells.arrays() for i, cells in enumerate(self.cells)})
        return {"width": self.width_s, "sums": self.sums, **shards}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over what `arrays` returned; raise ValueError if it belongs to another chip."""
        copy_arrays(arrays, self.arrays())

    def findings(self, seed: int, alpha: Sequence[float]) -> Findings:
        """Return what was seen until now."""
        transferred = any(cells.seen.any() for cells in self.cells)
        if transferred:
            kept = {"before": [cells.before for cells in self.cells], "after": [cells.after for cells in self.cells]}
            rows = [cells.seen for cells in self.cells]
        else:
            kept = {"at the end": [cells.quantities() for cells in self.cells]}
            rows = [np.ones(len(cells.weights), dtype=bool) for cells in self.cells]
        histograms = []
        for name in dict.fromkeys(name for shard in next(iter(kept.values())) for name in shard):
            values = {
                moment: np.concatenate(
                    [shard[name][row].ravel() for shard, row in zip(shards, rows, strict=True) if name in shard]
                )
                for moment, shards in kept.items()
            }
            edges = np.histogram_bin_edges(np.concatenate(list(values.values())).astype(np.float64), BINS)
            counts = {moment: tuple(np.histogram(own, edges)[0].tolist()) for moment, own in values.items()}
            histograms.append(Histogram(name, tuple(edges.tolist()), counts))
        numbers = self.cells[0].numbers
        offset, tau = (float(getattr(numbers, name, 0.0)) for name in ("offset", "tau"))
        return Findings(seed, transferred, tuple(histograms), tuple(self._losses(alpha)), offset, tau)

    def _losses(self, alpha: Sequence[float]) -> Iterator[Loss]:
        if not self.sums[:, 3].any():
            return
        for layer, own, (samples, time, signed, square) in zip(self._layers, alpha, self.sums, strict=True):
            there = samples > 0
            if there.any():
                n = samples[there]
                columns = time[there] / n, n.astype(np.int64), signed[there] / n, np.sqrt(square[there] / n)
                times, counts, mean, rms = (tuple(column.tolist()) for column in columns)
                yield Loss(layer.name, float(own), times, counts, mean, rms)


class ProbedCells:
    """The cells of a shard with a probe around them: they do what they did, and what they lose is added up."""

    def __init__(self, cells: Any, probe: Probe, layer: int, last: I64) -> None:
        self._cells, self._probe, self._layer, self._last = cells, probe, layer, last
        rows = len(cells.weights)
        self.before = {name: np.zeros_like(array) for name, array in cells.quantities().items()}
        self.after = {name: np.zeros_like(array) for name, array in self.before.items()}
        self.seen = np.zeros(rows, dtype=bool)
        self.watched = last <= 0
        self.age_s = np.zeros(rows)
        self.loss = np.zeros(cells.weights.shape, dtype=np.float32)

    def __getattr__(self, name: str) -> Any:
        """All else is the cells' own."""
        return getattr(self._cells, name)

    def arrays(self) -> dict[str, Array]:
        """Return what changes, by name, and not copied."""
        own = {"seen": self.seen, "watched": self.watched, "age_s": self.age_s, "loss": self.loss}
        return {**own, **arrays_of({"before": self.before, "after": self.after})}

    def leak(self, row_start: int, row_stop: int, dt_s: float | F64) -> None:
        """Leak; what the watched rows lose counts at their age after it."""
        own = slice(row_start, row_stop)
        if not self.watched[own].any():
            self._cells.leak(row_start, row_stop, dt_s)
            return
        before = self._cells.weights[own].copy()
        self._cells.leak(row_start, row_stop, dt_s)
        self._lost(own, before)
        self.age_s[own] += dt_s
        rows = row_start + np.flatnonzero(self.watched[own])
        self._probe.add(self._layer, self.age_s[rows], self.loss[rows])

    def transfer(
        self, row_start: int, row_stop: int, seed: int, index: int, invert: bool, held_s: float = 0.0, *sight: Any
    ) -> Any:
        """Transfer; the last one is looked at, and the one before begins the watch."""
        own = slice(row_start, row_stop)
        final = self._last[own] == index
        if final.any():
            self._keep(self.before, row_start, row_stop)
        found = self._cells.transfer(row_start, row_stop, seed, index, invert, held_s, *sight)
        if final.any():
            self._keep(self.after, row_start, row_stop)
            self.seen[own] |= final
        self.watched[own] = self._last[own] == index + 1
        self.age_s[own] = 0
        self.loss[own] = 0
        return found

    def rewrite(self, row_start: int, row_stop: int, dt_s: float, seed: int, index: int) -> Any:
        """Rewrite; what it puts back is lost no more."""
        own = slice(row_start, row_stop)
        before = self._cells.weights[own].copy() if self.watched[own].any() else None
        found = self._cells.rewrite(row_start, row_stop, dt_s, seed, index)
        if before is not None:
            self._lost(own, before)
        return found

    def _lost(self, own: slice, before: Array) -> None:
        taken = before - self._cells.weights[own]
        polarity = getattr(self._cells.state, "polarity", None)
        self.loss[own] += taken if polarity is None else taken * polarity[own, None]

    def _keep(self, kept: dict[str, Array], row_start: int, row_stop: int) -> None:
        for name, array in self._cells.quantities(row_start, row_stop).items():
            kept[name][row_start:row_stop] = array
