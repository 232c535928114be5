"""Saturation: what of a training met an end of a range, by layer and epoch, as shares from 0 to 1.

Counts are the cells' own and the executor's; capacitors and weights are looked at from time to time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from archsim.base.arrays import F32, F64, Array
from archsim.base.words import per_cent
from archsim.components.cells.numeric.base import Cells, TransferCounts
from archsim.functional.setup import COLUMNS_CLIPPED, COLUMNS_FIRED, FIRED, LIMITED
from archsim.mapping.schedule import Schedule

Shares: TypeAlias = dict[str, dict[str, float]]

WORTH_A_WARNING = 0.01
"""Shares above this one are worth a warning, which changes no result."""
OF_TRANSFERS = "programmed"
"""The share of the cells written that had their long-term devices programmed: no saturation, but told with them."""
PROGRAMMED, TARGETS, WRITTEN, LEFT, CAPACITORS, DEAD, RAILED = range(7)

REMEDIES: Mapping[str, tuple[str, str]] = {
    "targets_clipped": (
        "of the conductances asked for are beyond what a long-term device is programmed to",
        "give a smaller numerics.weight_scale (or numerics.output_weight_scale), or a device that reaches further",
    ),
    "weights_clipped": (
        "of the weights are at or beyond the largest that a cell holds",
        "give a smaller numerics.weight_scale (or numerics.output_weight_scale), or smaller weights to begin with",
    ),
    "residuals_left": (
        "of the cells written ran out of pulses or range and are off by more than a pulse",
        "give more tile.device.residual_pulses and trim_pulses, a longer ramp, or a smaller programming error",
    ),
    "capacitors_dead": (
        "of the capacitors are below their transistor's threshold, where pulses change nothing",
        "give a smaller schedule.transfer.interval_examples or learning rate, or a higher tile.device.capacitor_start",
    ),
    "capacitors_railed": (
        "of the capacitors are at an end of their range",
        "give a smaller schedule.transfer.interval_examples or learning rate, or a smaller tile.device.step",
    ),
    "pulses_clipped": (
        "of the columns that fired wanted more pulses than an update has slots",
        "give a smaller training.learning_rate or numerics.weight_scale, or more tile.array.pulses",
    ),
    "pulses_limited": (
        "of the update pulses met a limit of their cell and were cut",
        "give a smaller numerics.weight_scale or learning rate, or, to cells that are transferred, a shorter interval",
    ),
}
"""By kind of saturation: what a share of it is a share of, and what to change."""


class Saturation:
    """Collects, by shard, what met an end of a range since it was last told.

    `counts` [what, shard] adds up what transfers, rewrites and samples of the capacitors found; `cut` [rows, cols] of
    each shard says which weights were cut when the first ones were written, until that is told.
    """

    def __init__(self, schedule: Schedule, cells: Sequence[Cells]) -> None:
        self._cells = list(cells)
        self._layers = [layer.name for layer in schedule.mapping.workload.layers]
        self._shards = [
            [shard.index for shard in schedule.mapping.shards if shard.layer == layer]
            for layer in range(len(self._layers))
        ]
        self.counts = np.zeros((7, len(cells)), dtype=np.int64)
        self.cut = [np.zeros(own.weights.shape, dtype=np.bool_) for own in cells]

    def begin(self, shard: int, wanted: F32, found: TransferCounts) -> None:
        """Note the first weights that a shard was given, [rows, cols] in uS, and what writing them did."""
        self.cut[shard][:] = self._cells[shard].out_of_range(wanted)
        self.write(shard, found)

    def write(self, shard: int, found: TransferCounts) -> None:
        """Note what a transfer or rewrite did."""
        own = found.programmed, found.clipped, found.written, found.left_over
        self.counts[: len(own), shard] += own

    def sample(self, shard: int) -> None:
        """Look at a shard's capacitors as they are."""
        self.counts[CAPACITORS:, shard] += self._cells[shard].occupancy()

    def tell(self, pulsed: F64) -> Shares:
        """Return the shares by layer, and begin anew; `pulsed` [what, shard] are those of `Measures`.

        Weights count as they are now, and where they were cut at first.
        """
        found = {}
        for name, shards in zip(self._layers, self._shards, strict=True):
            for shard in shards:
                self.sample(shard)
            beyond = [self.cut[i] | self._cells[i].out_of_range(self._cells[i].weights) for i in shards]
            counts, fired = self.counts[:, shards].sum(axis=1), pulsed[:, shards].sum(axis=1)
            found[name] = {
                "targets_clipped": _share(counts[TARGETS], counts[PROGRAMMED]),
                "weights_clipped": _share(sum(int(own.sum()) for own in beyond), sum(own.size for own in beyond)),
                "residuals_left": _share(counts[LEFT], counts[WRITTEN]),
                "capacitors_dead": _share(counts[DEAD], counts[CAPACITORS]),
                "capacitors_railed": _share(counts[RAILED], counts[CAPACITORS]),
                "pulses_clipped": _share(fired[COLUMNS_CLIPPED], fired[COLUMNS_FIRED]),
                "pulses_limited": _share(fired[LIMITED], fired[FIRED]),
                OF_TRANSFERS: _share(counts[PROGRAMMED], counts[WRITTEN]),
            }
        self.counts[:] = 0
        for own in self.cut:
            own[:] = False
        return found

    def arrays(self) -> dict[str, Array]:
        """Return what is kept, by name, and not copied."""
        return {"counts": self.counts, **{f"cut{shard}": own for shard, own in enumerate(self.cut)}}


def _share(part: Any, whole: Any) -> float:
    """Return a share; none of nothing is 0. Exact updates count parts of pulses, so that it may pass 1."""
    return min(float(part) / float(whole), 1.0) if whole else 0.0


def saturation_warnings(saturation: Sequence[Sequence[Mapping[str, Mapping[str, float]]]]) -> list[str]:
    """Return a line for each kind of which some seed, epoch and layer has more than one in a hundred.

    `saturation` is that of history.json, by seed and epoch; the line names the layer and the epoch with the most.
    """
    lines = []
    for kind, (words, remedy) in REMEDIES.items():
        met = [
            (own.get(kind, 0.0), -epoch, layer)
            for run in saturation for epoch, layers in enumerate(run, 1) for layer, own in layers.items()
        ]  # fmt: skip
        share, epoch, layer = max(met, default=(0.0, 0, ""))
        if share > WORTH_A_WARNING:
            lines.append(f"{layer}, epoch {-epoch}: {per_cent(share)} {words}; {remedy}")
    return lines
