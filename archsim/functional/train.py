"""Training on the chip and, beside it, in floating point: the same network, examples, order and seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.errors import ArchsimError, Problem, SpecError, nearest
from archsim.functional.chip import ChipModel, Statistics
from archsim.functional.datasets import Data
from archsim.functional.network import (
    accuracy,
    initial_weights,
    layout_of,
    learning_rates,
    order_of,
    train_float,
)
from archsim.functional.periphery import Edges
from archsim.mapping.schedule import Schedule
from archsim.spec import ArchSpec, TileSpec
from archsim.workload.network import Workload

F32: TypeAlias = npt.NDArray[np.float32]
Chunks: TypeAlias = Callable[[], Iterable[tuple[Any, Any, Any]]]

ABLATIONS = ("polarity_inversion", "leakage", "variability", "programming_error", "quantisation")
"""What can be taken away from the chip, one or several at a time."""


HOPELESS = 10.0
"""A mean loss of so many times that of guessing counts as divergence: an assumption."""


class DivergedError(ArchsimError):
    """Training left the numbers: the message says in which epoch and where; there is no accuracy to report."""


@dataclass(frozen=True)
class Epoch:
    """One epoch of one seed: fractions of the test set classified rightly, mean losses, and what the pulses did."""

    seed: int
    epoch: int
    accuracy_chip: float
    accuracy_float: float
    loss_chip: float
    loss_float: float
    pulses_per_synapse: float
    clipped_share: float


def check_ablations(names: Collection[str]) -> None:
    """Raise SpecError unless each name is something that can be ablated."""
    wrong = [name for name in names if name not in ABLATIONS]
    if wrong:
        raise SpecError(Problem("--ablate", f"'{name}' is not an ablation", nearest(name, ABLATIONS)) for name in wrong)


def check_cells(spec: ArchSpec) -> None:
    """Raise SpecError unless all tiles of a chip have the same kind of cells."""
    kinds = {tile.device.kind for _, tile in spec.tile_kinds}
    if len(kinds) > 1:
        what = f"tiles with different cells ({', '.join(sorted(kinds))}) cannot be trained in numbers yet"
        raise SpecError([Problem("variants", what, "give all tiles one kind of device")])


def edges_of(spec: ArchSpec, tile: TileSpec, step: float, quantised: bool = True) -> Edges:
    """Return levels and ranges of the edges of a chip's tile, from their bits and the cells' step in uS."""
    return Edges(
        drive_levels=2**tile.row_driver.bits - 1 if quantised else 0,
        delta_levels=2**tile.col_driver.bits - 1 if quantised else 0,
        read_levels=2**tile.col_converter.bits - 1 if quantised else 0,
        error_levels=2**tile.backward_converter.bits - 1 if quantised else 0,
        partial_range=spec.numerics.partial_range,
        output_range=spec.numerics.output_range,
        pulses=tile.array.pulses,
        step=step,
        read_noise=spec.numerics.read_noise,
    )


def chip_model(schedule: Schedule, data: Data, seed: int, order: Any, ablate: Collection[str] = ()) -> ChipModel:
    """Return the chip of a schedule in numbers, its cells programmed to the network's first weights."""
    spec, workload = schedule.chip.spec, schedule.mapping.workload
    numerics = spec.numerics
    layers = len(workload.layers)
    scales = [numerics.weight_scale_siemens] * (layers - 1) + [numerics.output_weight_scale_siemens]
    alpha = np.array([scale * 1e6 for scale in scales], dtype=np.float32)
    start = initial_weights(workload, seed)
    switches = {name: name not in ablate for name in ABLATIONS if name != "quantisation"}
    cells: list[Any] = []
    for shard in schedule.mapping.shards:
        device = schedule.chip.tiles[shard.tile].spec.device
        own = device.cells(shard.rows, shard.cols, seed, shard.index, **switches)
        part = start[shard.layer][shard.row_start : shard.row_stop, shard.col_start : shard.col_stop]
        own.program(np.ascontiguousarray(part * alpha[shard.layer]), seed)
        cells.append(own)
    epochs = -(-schedule.examples // workload.dataset.examples)
    tiles = [schedule.chip.tiles[shard.tile].spec for shard in schedule.mapping.shards]
    quantised = "quantisation" not in ablate
    edges = [edges_of(spec, tile, own.step, quantised) for tile, own in zip(tiles, cells, strict=True)]
    return ChipModel(
        schedule, cells, cells[0].kernel, alpha=alpha, edges=edges,
        x=data.train_x, y=data.train_y, order=order, rates=learning_rates(workload, epochs + 1),
        per_epoch=workload.dataset.examples, seed=seed,
    )  # fmt: skip


def train(
    schedule: Schedule,
    chunks: Chunks,
    data: Data,
    *,
    seed: int = 0,
    ablate: Collection[str] = (),
    epoch_ends: Callable[[Epoch], None] | None = None,
) -> tuple[list[Epoch], ChipModel]:
    """Train one chip and its floating-point twin for the whole epochs of a schedule.

    `chunks` gives the records of its timeline, from the beginning each time it is called. Returns what each
    epoch reached and the chip as it is at the end. Raises DivergedError where a loss is not a number.
    """
    check_ablations(ablate)
    workload = schedule.mapping.workload
    per_epoch = workload.dataset.examples
    epochs = schedule.examples // per_epoch
    order = order_of(per_epoch, -(-schedule.examples // per_epoch), seed)
    model = chip_model(schedule, data, seed, order, ablate)
    twin = Twin(workload, data, seed, order)
    found: list[Epoch] = []

    def ended(epoch: int, statistics: Statistics) -> None:
        loss_chip = statistics.loss / per_epoch
        loss_float, accuracy_float = twin.train(epoch)
        for where, loss in (("on the chip", loss_chip), ("in floating point", loss_float)):
            if not loss <= HOPELESS * np.log(max(2, data.classes)):
                guess = np.log(max(2, data.classes))
                raise DivergedError(
                    f"training {where} diverged in epoch {epoch + 1} of {epochs} (seed {seed}): the mean loss is "
                    f"{loss:.4g}, that of guessing {guess:.3g}; use a smaller training.learning_rate"
                )
        entry = Epoch(
            seed, epoch, model.accuracy(data.test_x, data.test_y), accuracy_float, loss_chip, loss_float,
            statistics.pulses / per_epoch / workload.synapses,
            statistics.columns_clipped / max(1, statistics.columns_pulsed),
        )  # fmt: skip
        found.append(entry)
        if epoch_ends is not None:
            epoch_ends(entry)

    model.play(chunks(), ended)
    return found, model


class Twin:
    """The network in floating point, trained epoch by epoch."""

    def __init__(self, workload: Workload, data: Data, seed: int, order: Any) -> None:
        self.weights = tuple(initial_weights(workload, seed))
        self._workload, self._data, self._order = workload, data, order
        self._bias = layout_of(workload).bias

    def train(self, epoch: int) -> tuple[float, float]:
        """Train one epoch; return the mean loss and the accuracy on the test set after it."""
        examples, batch = self._workload.dataset.examples, self._workload.training.batch
        part = self._order[epoch * examples : (epoch + 1) * examples]
        rate = float(learning_rates(self._workload, epoch + 1)[epoch])
        loss, _ = train_float(self.weights, self._bias, self._data.train_x, self._data.train_y, part, rate, batch)
        right = accuracy(self.weights, self._bias, self._data.test_x, self._data.test_y)
        return loss / examples, right


def history(
    epochs: Mapping[int, list[Epoch]], *, names: Mapping[str, Any], ablate: Collection[str], data: Data
) -> dict[str, Any]:
    """Return the content of history.json: one list per seed, one value per epoch; the last epoch counts."""
    runs = [epochs[seed] for seed in sorted(epochs)]

    def column(name: str) -> list[list[float]]:
        return [[getattr(entry, name) for entry in run] for run in runs]

    final = [(run[-1].accuracy_chip, run[-1].accuracy_float) for run in runs if run]
    mean = [sum(values) / len(final) for values in zip(*final, strict=True)] if final else [None, None]
    return {
        "schema": "archsim-history-1",
        **names,
        "data": {"name": data.name, "source": data.source, "train": len(data.train_y), "test": len(data.test_y)},
        "ablated": sorted(ablate),
        "seeds": sorted(epochs),
        "accuracy_chip": column("accuracy_chip"),
        "accuracy_float": column("accuracy_float"),
        "loss_chip": column("loss_chip"),
        "loss_float": column("loss_float"),
        "pulses_per_synapse": column("pulses_per_synapse"),
        "clipped_share": column("clipped_share"),
        "final": {
            "accuracy_chip_mean": mean[0],
            "accuracy_float_mean": mean[1],
            "difference": None if mean[0] is None or mean[1] is None else mean[0] - mean[1],
        },
    }
