"""Training on the chip and, beside it, in floating point: the same network, examples, order and seed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.limits import SEED, SEEDS
from archsim.base.words import counted
from archsim.components.cells.base import Switches
from archsim.components.converters import Converter
from archsim.components.crossbar import Crossbar
from archsim.components.drivers import Driver
from archsim.functional.ablations import ABLATIONS, OF_THE_ARRAY, OF_THE_CELLS, QUANTISED
from archsim.functional.baseline import Baseline, Reached, read_by
from archsim.functional.chip_model import ChipModel, Statistics, arrays_of, copy_arrays
from archsim.functional.data_set import Data
from archsim.functional.epochs import DivergedError, Epoch
from archsim.functional.floating_point import initial_weights, learning_rates
from archsim.functional.functions import check_functions
from archsim.functional.losses import check_output, guessing
from archsim.functional.mismatch import edges_of
from archsim.functional.order import Order
from archsim.functional.periphery import Quantisers
from archsim.functional.probe import Probe
from archsim.functional.pulses import EXACT, PULSED
from archsim.functional.setup import MAINTENANCE, examples_of
from archsim.functional.targets import check_reach
from archsim.mapping.schedule import Schedule
from archsim.spec.arch import ArchSpec
from archsim.spec.tile import TileSpec
from archsim.workload.network import Workload

Chunks: TypeAlias = Callable[[], Iterable[tuple[Any, Any, Any]]]

ON_CHIP, IN_FLOAT = "on the chip", "in floating point"
"""Where a training takes place."""

SAMPLE = (8, 8)
"""Rows and columns of cells that tell whether there is an imperfection."""

HOPELESS = 3.0
"""A mean loss of so many times that of guessing counts as divergence: it ends a training, and changes no figure."""

RECORDS = 1 << 12
"""Records of the timeline between two calls of `progress`, some hundred examples: results do not depend on it."""


@dataclass(frozen=True)
class Progress:
    """Where a training is: examples done of an epoch, the chip's mean loss over them, and the epoch before it."""

    seed: int
    epoch: int
    examples: int
    per_epoch: int
    loss_chip: float | None
    last: Epoch | None

    @property
    def epochs(self) -> float:
        """Epochs that are done, with the part of the one under way."""
        ended = 0 if self.last is None else self.last.epoch + 1
        return ended + (self.examples / self.per_epoch if self.epoch == ended else 0.0)


def check_ablations(names: Collection[str], option: str = "--ablate") -> None:
    """Raise SpecError unless each name is something that can be ablated."""
    wrong = [name for name in names if name not in ABLATIONS]
    if wrong:
        raise SpecError(Problem(option, f"'{name}' is not an ablation", nearest(name, ABLATIONS)) for name in wrong)


def seeds_from(seed: int, count: int) -> range:
    """Return `count` seeds from one on; raise SpecError where they are not words that the generators take."""
    SEEDS.check(count, "--seeds")
    if not 0 <= seed <= seed + count - 1 <= SEED.most:
        what = f"{counted(count, 'seed')} from {seed} on do not lie within 0 to {SEED.most}"
        raise SpecError([Problem("--seed", what, "give a smaller one, not below 0")])
    return range(seed, seed + count)


def check_cells(spec: ArchSpec) -> None:
    """Raise SpecError unless all tiles of a chip have the same kind of cells."""
    kinds = {tile.device.kind for _, tile in spec.tile_kinds}
    if len(kinds) > 1:
        what = f"tiles with different cells ({', '.join(sorted(kinds))}) cannot be trained in numbers yet"
        raise SpecError([Problem("variants", what, "give all tiles one kind of device")])
    check_reads(spec)


def check_reads(spec: ArchSpec) -> None:
    """Raise SpecError where sums are read in another way than the model does: all at once, and converted once."""
    found = []
    for name, tile in spec.tile_kinds:
        edges: dict[str, Driver | Converter | str] = {
            key: getattr(tile, key) for key in ("row_driver", "col_driver", "col_converter", "row_converter")
        }
        resistive = isinstance(tile.array, Crossbar) and tile.array.wires.resistive
        for key, part in edges.items():
            if isinstance(part, Converter) and part.converted == "each_phase":
                what = "is each_phase, and the accuracy model converts the sum of all phases once"
                found.append(Problem(f"{name}.{key}.converted", what, "give converted: once to train, or simulate with "
                                     "'archsim run' alone"))  # fmt: skip
            apart = "the accuracy model lets all cells of resistive lines conduct at once"
            wires = "or lines without resistance (array.wires)"
            if isinstance(part, Converter) and resistive and part.groups > 1 and part.group_cells == "own":
                what = f"is {part.groups}, each with its own cells, and {apart}"
                found.append(Problem(f"{name}.{key}.groups", what, f"give group_cells: all, {wires}"))
            if isinstance(part, Driver) and resistive and part.phases > 1 and part.phase_cells == "polarities":
                what = f"is {part.phases}, each with cells of one polarity, and {apart}"
                found.append(Problem(f"{name}.{key}.phases", what, f"give phase_cells: all, {wires}"))
    if found:
        raise SpecError(found)


def check_network(workload: Workload) -> None:
    """Raise SpecError unless a workload has numbers: it is trained, and all of its layers are fully connected."""
    if workload.mode != "training":
        what = f"the workload {workload.name} is for '{workload.mode}', where nothing is trained"
        raise SpecError([Problem("mode", what, "give mode=training")])
    check_functions(workload)
    check_output(workload)


def check_loss(loss: float, workload: Workload, data: Data, where: str, *, seed: int, epoch: int, epochs: int) -> None:
    """Raise DivergedError if the mean loss of an epoch is far from all sense."""
    guess = guessing(workload, data.train_t)
    if not loss <= HOPELESS * guess:
        raise DivergedError(
            f"training {where} diverged in epoch {epoch + 1} of {epochs} (seed {seed}): the mean loss is {loss:.4g}, "
            f"that of guessing {guess:.3g}; use a smaller training.learning_rate",
            seed=seed, epoch=epoch, where=where,
        )  # fmt: skip


def all_of(ablate: Collection[str]) -> set[str]:
    """Return what ablations take away, each by itself."""
    return {*ablate, *(QUANTISED if "quantisation" in ablate else ())}


def cells_of(spec: ArchSpec, tile: TileSpec, shape: tuple[int, int], seed: int, shard: int, gone: Set[str]) -> Any:
    """Return the cells of a shard of so many rows and columns on a chip's tile, without what is `gone` of them."""
    switches = Switches(**{name: name not in gone for name in OF_THE_CELLS})
    levels = 2**tile.col_converter.bits - 1
    return tile.device.cells(*shape, seed, shard, switches, spec.technology.temperature_kelvin, levels)


def quantisers_of(spec: ArchSpec, tile: TileSpec, step: float, gone: Set[str] = frozenset()) -> Quantisers:
    """Return levels and ranges of the quantisers of a chip's tile, from their bits and the cells' step in uS.

    There are none where the `converters` are gone, and no mismatch where that is.
    """
    quantised = "converters" not in gone
    edges = tile.row_driver, tile.backward_driver, tile.col_converter, tile.backward_converter
    drive, delta, read, error = (2**edge.bits - 1 if quantised else 0 for edge in edges)
    numerics = spec.numerics
    return Quantisers(
        drive, delta, read, error, numerics.partial_range, numerics.output_range, tile.updated_array.pulses, step,
        numerics.read_noise, numerics.activation_range, numerics.gate_range, numerics.state_range,
        2**numerics.state_bits - 1 if quantised else 0,
        edges_of(tile, (read, error)) if "mismatch" not in gone else (), tile.updated_array.update_shift,
    )  # fmt: skip


def has(schedule: Schedule, name: str) -> bool:
    """Return whether a chip has anything of what an ablation takes away.

    If not, its training without it is the same to the bit. Few cells of each kind of tile tell, drawn with and
    without: one imperfection is the same for all.
    """
    gone = all_of([name])
    tiles = {
        id(own): own for own in (schedule.chip.tiles[shard.tile].spec for shard in schedule.mapping.shards)
    }.values()
    if "pulses" in gone or ("ir_drop" in gone and any(tile.updated_array.wires.resistive for tile in tiles)):
        return True
    spec = schedule.chip.spec
    return any(_sample(spec, tile, set()) != _sample(spec, tile, gone) for tile in tiles)


def _sample(spec: ArchSpec, tile: TileSpec, gone: Set[str]) -> object:
    """Return what some cells of a tile and its quantisers are made of, for comparison."""
    cells = cells_of(spec, tile, SAMPLE, 0, 0, gone)
    quantisers = quantisers_of(spec, tile, cells.step, gone)
    if not any(edge.gain or edge.offset for edge in quantisers.edges):
        quantisers = replace(quantisers, edges=())
    return _comparable((cells.state, cells.parameters)), quantisers


def _comparable(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_comparable(own) for own in value)
    return (value.shape, value.tobytes()) if isinstance(value, np.ndarray) else value


def scales_of(spec: ArchSpec, workload: Workload) -> list[float]:
    """Return the conductance in uS of a weight of one, by layer."""
    numerics = spec.numerics
    scales = [numerics.weight_scale_siemens] * (len(workload.layers) - 1) + [numerics.output_weight_scale_siemens]
    return [scale * 1e6 for scale in scales]


def chip_model(
    schedule: Schedule, data: Data, seed: int, order: Any, ablate: Collection[str] = (), probe: Probe | None = None
) -> ChipModel:
    """Return the chip of a schedule in numbers, its cells programmed to the network's first weights.

    `probe`, if given, is put around the cells.
    """
    spec, workload = schedule.chip.spec, schedule.mapping.workload
    check_reach(workload, data.train_t, spec.numerics.output_range)
    alpha = np.array(scales_of(spec, workload), dtype=np.float32)
    start = initial_weights(workload, seed)
    gone = all_of(ablate)
    cells: list[Any] = []
    written = []
    for shard in schedule.mapping.shards:
        tile = schedule.chip.tiles[shard.tile].spec
        own = cells_of(spec, tile, (shard.rows, shard.cols), seed, shard.index, gone)
        part = start[shard.layer][shard.row_start : shard.row_stop, shard.col_start : shard.col_stop]
        wanted = np.ascontiguousarray(part * alpha[shard.layer])
        written.append((shard.index, wanted, own.program(wanted, seed)))
        cells.append(probe.around(own) if probe is not None else own)
    epochs = -(-schedule.examples // workload.dataset.examples)
    tiles = [schedule.chip.tiles[shard.tile].spec for shard in schedule.mapping.shards]
    quantisers = [quantisers_of(spec, tile, own.step, gone) for tile, own in zip(tiles, cells, strict=True)]
    kernel, trains = (cells[0].kernel, PULSED) if "pulses" not in gone else (cells[0].exact_kernel, EXACT)
    model = ChipModel(
        schedule, cells, kernel, trains=trains, alpha=alpha, quantisers=quantisers,
        examples=examples_of(*data.training[:3], frames=data.train_frames), order=order,
        rates=learning_rates(workload.training, epochs + 1), per_epoch=workload.dataset.examples, seed=seed,
        without=set(OF_THE_ARRAY) & set(ablate),
    )  # fmt: skip
    for index, wanted, counts in written:
        model.saturation.begin(index, wanted, counts)
    return model


def order_of(workload: Workload, examples: int, seed: int) -> Order:
    """Return the order of so many examples of a workload, which are shuffled unless they go on from each other."""
    per_epoch = workload.dataset.examples
    return Order(per_epoch, -(-examples // per_epoch), seed, shuffled=not workload.stateful)


def scores_of(data: Data, **reached: Reached | None) -> dict[str, Any]:
    """Return what an `Epoch` is given of what the `chip` and the baseline, `floating`, have reached."""
    what = "accuracy" if data.test_t is None else "r2"
    found: dict[str, Any] = {"accuracy_chip": None, "accuracy_float": None}
    for side, own in reached.items():
        if own is not None:
            where = "float" if side == "floating" else side
            found |= {f"{what}_{where}": own.test, f"{what}_validation_{where}": own.validation}
            found |= {f"right_{where}": own.right, f"losses_{where}": own.losses}
            found[f"cross_entropy_{where}"] = own.cross_entropy_test
            found[f"cross_entropy_validation_{where}"] = own.cross_entropy_validation
    return found


def baseline_alone(
    workload: Workload, data: Data, *, seed: int, epochs: int, known: list[Reached] | None,
    progress: Callable[[Progress], None],
) -> list[Epoch]:  # fmt: skip
    """Return what each epoch of the floating-point baseline reaches: what it does beside a chip, and as fast as it can.

    Raises DivergedError where an epoch ends far from all sense.
    """
    examples = workload.dataset.examples
    baseline = Baseline(
        workload, data, seed, order_of(workload, examples * epochs, seed), workload.training.of_the_baseline, known
    )
    found: list[Epoch] = []
    for epoch in range(epochs):
        own = baseline.reached(epoch, last=epoch == epochs - 1)
        check_loss(own.loss, workload, data, IN_FLOAT, seed=seed, epoch=epoch, epochs=epochs)
        found.append(Epoch(
            seed=seed, epoch=epoch, loss_chip=None, loss_float=own.loss, pulses_per_synapse=0.0, clipped_share=0.0,
            **scores_of(data, floating=own),
        ))  # fmt: skip
        progress(Progress(seed, epoch, examples, examples, None, found[-1]))
    return found


class Training:
    """One chip and its floating-point baseline in training, for the whole epochs of a schedule.

    `found` is what each finished epoch reached, `model` the chip, `probe` what looks at its cells, if anything does.
    `known` is what the `Baseline` is given; unless the chip is `compared` with one, there is none.
    """

    def __init__(
        self, schedule: Schedule, data: Data, *, seed: int = 0, ablate: Collection[str] = (),
        probe: Probe | None = None, known: list[Reached] | None = None, compared: bool = True,
    ) -> None:  # fmt: skip
        check_ablations(ablate)
        workload = schedule.mapping.workload
        self.per_epoch = workload.dataset.examples
        self.epochs = schedule.examples // self.per_epoch
        order = order_of(workload, schedule.examples, seed)
        self.model = chip_model(schedule, data, seed, order, ablate, probe)
        rates = workload.training.of_the_baseline
        self.baseline = Baseline(workload, data, seed, order, rates, known) if compared else None
        self.seed, self.probe = seed, probe
        self.found: list[Epoch] = []
        self._data, self._workload = data, workload
        self._updated = sum(own.synapses * len(own.vectors(workload)) for own in workload.layers)  # in an example

    def play(
        self, chunks: Chunks, epoch_ends: Callable[[Epoch], None] | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> None:  # fmt: skip
        """Train by those records of the timeline that were not played yet.

        `progress` is called every `RECORDS` of them. Raises DivergedError where an epoch ends far from all sense.
        """

        def ended(epoch: int, statistics: Statistics) -> None:
            self.found.append(self._epoch(epoch, statistics))
            if epoch_ends is not None:
                epoch_ends(self.found[-1])

        skip = self.model.records
        for columns in chunks():
            if skip >= len(columns[0]):
                skip -= len(columns[0])
                continue
            for begin in range(skip, len(columns[0]), RECORDS):
                op, n, start = (column[begin : begin + RECORDS] for column in columns)
                self.model.feed(op, n, start, ended)
                if progress is not None:
                    progress(self._progress(op, n))
            skip = 0

    def arrays(self) -> dict[str, Any]:
        """Return all that changes in training, by name, and not copied, for a training that goes on from here."""
        probe = self.probe.arrays() if self.probe is not None else {}
        baseline = self.baseline.arrays() if self.baseline is not None else {}
        return arrays_of({"chip": self.model.arrays(), "baseline": baseline, "probe": probe})

    def restore(self, arrays: Mapping[str, Any], found: Iterable[Epoch]) -> None:
        """Take over what `arrays` of a like training returned, and what its epochs had reached.

        Raises ValueError if the arrays belong to another chip.
        """
        parts: dict[str, dict[str, Any]] = {"chip": {}, "baseline": {}, "probe": {}}
        for name, array in arrays.items():
            part, _, own = name.partition(".")
            parts.setdefault(part, {})[own] = array
        self.model.restore(parts["chip"])
        if self.baseline is not None:
            copy_arrays(parts["baseline"], self.baseline.arrays())
        if self.probe is not None:
            self.probe.restore(parts["probe"])
        self.found = list(found)

    def _epoch(self, epoch: int, statistics: Statistics) -> Epoch:
        loss_chip = statistics.loss / self._data.training.answers
        last = epoch == self.epochs - 1
        floating = self.baseline.reached(epoch, last=last) if self.baseline is not None else None
        for where, loss in ((ON_CHIP, loss_chip), *([(IN_FLOAT, floating.loss)] if floating is not None else [])):
            check_loss(loss, self._workload, self._data, where, seed=self.seed, epoch=epoch, epochs=self.epochs)
        chip = Reached(loss_chip, *read_by(self.model.read, self._data, last))
        return Epoch(
            seed=self.seed, epoch=epoch, loss_chip=loss_chip, loss_float=None if floating is None else floating.loss,
            pulses_per_synapse=statistics.pulses / self.per_epoch / self._updated,
            clipped_share=statistics.columns_clipped / max(1, statistics.columns_pulsed),
            saturation=statistics.saturation,
            **scores_of(self._data, chip=chip, floating=floating),
        )  # fmt: skip

    def _progress(self, op: Any, n: Any) -> Progress:
        kinds = self.model.program.kind[op]
        trained = n[(kinds >= 0) & (kinds != MAINTENANCE)]
        epoch = min(self.model.epoch, self.epochs - 1)
        within = int(trained.max()) + 1 - epoch * self.per_epoch if len(trained) else 0
        done = min(max(within, 0), self.per_epoch)
        answers = done * self._data.training.answers / self.per_epoch
        loss = float(self.model.buffers.stats[0]) / answers if done and self.model.epoch == epoch else None
        return Progress(self.seed, epoch, done, self.per_epoch, loss, self.found[-1] if self.found else None)
