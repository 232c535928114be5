"""A study: how often training writes each cell, and for how many epochs a cell's endurance is enough.

It is one file: what it is asked, what it computes (a task for each seed, which other processes may do), how that is
shown, and its registration, of which the command `archsim endurance` follows. What loads a compiler is imported where
it is used, so that other commands need not wait for it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from archsim.base.errors import SpecError
from archsim.base.record import Named, Record
from archsim.report.bars import from_zero, stacked
from archsim.report.colours import COLOURS
from archsim.report.document import Document, Section, say
from archsim.report.figure import Bars
from archsim.report.table import Column, Table
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.studies.names import default_folder
from archsim.studies.study import Data, Pair, Prepared, Progress, Study, asked, named, registered, signed
from archsim.studies.tasks.bench import Spread, bench, results
from archsim.studies.tasks.task import Inside, Task, labelled, unheard
from archsim.workload.network import Workload

QUANTILES = (0.5, 0.9, 0.99, 1.0)


# ---- what it is asked


@dataclass(frozen=True)
class Inputs(Spread, Pair):
    """A chip, a workload, for how many epochs each of some devices is trained, and how many pulses a cell endures."""

    words = "endurance"
    epochs: int = asked("Epochs that are trained and counted.", 1, metavar="E")
    seeds: int = asked("So many devices, from --seed on.", 1, metavar="K")
    seed: int = 0
    pulses: float | None = asked("Pulses that a cell endures; else tile.device.endurance.", None, metavar="N")
    data: Path | None = None


# ---- what it computes


class Layer(Record):
    """The pulses of an epoch that the cells of a layer see on one device: their mean, and at quantiles."""

    name: str
    cells: int
    mean: float
    median: float
    most_of_90: float
    most_of_99: float
    most: float


class Worn(Record):
    """What one device showed."""

    seed: int
    layers: tuple[Layer, ...]


class Endurance(Data):
    """What endurance.json holds; pulses are those of an epoch."""

    schema_id: Literal["archsim-endurance-1"] = signed("archsim-endurance-1")
    arch: Named
    workload: Named
    epochs: int
    trained_epochs: int
    pulses_endured: float
    devices: tuple[Worn, ...]

    def lasts_epochs(self, pulses_an_epoch: float) -> float:
        """Return for how many epochs cells last that see so many pulses in one."""
        return self.pulses_endured / pulses_an_epoch if pulses_an_epoch else math.inf

    @property
    def most(self) -> float:
        """The pulses of the cell that sees most."""
        return max(layer.most for worn in self.devices for layer in worn.layers)


@dataclass(frozen=True)
class EnduranceTask(Task[Worn]):
    """One device, trained; other processes may do it, and a store keeps what it gives."""

    result: ClassVar[type[Record]] = Worn
    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    epochs: int
    seed: int
    data: str
    """What tells the data apart, which lie in the folder and are drawn from by the seed below."""
    data_folder: Path
    data_seed: int

    @property
    def words(self) -> str:
        """What a message calls it."""
        return f"device {self.seed}"

    def labels(self) -> Mapping[str, str]:
        """Return by what a store shows it."""
        sets = [*self.arch.overrides, *self.workload.overrides]
        return {**labelled(self.arch.value.name, self.workload.value.name, sets), "seed": str(self.seed)}

    def asked(self) -> Mapping[str, Any]:
        """Return all that its result depends on."""
        return {"arch": self.arch.digest, "workload": self.workload.digest, "data": self.data, "epochs": self.epochs,
                "seed": self.seed}  # fmt: skip

    def compute(self, inside: Inside = unheard) -> Worn:
        """Train, and count the pulses of each cell; raise SpecError for cells that do not count them."""
        from archsim.chip import build_chip
        from archsim.functional.datasets import load_data
        from archsim.functional.train import Training
        from archsim.mapping import build_schedule, map_workload
        from archsim.simulation import simulate
        from archsim.studies.tasks.data_here import folder_here, seen

        workload, folder = self.workload.value, folder_here(self.data_folder)
        data = seen(lambda: load_data(workload, folder, self.data_seed), workload.name, self.data)
        chip = build_chip(self.arch.value)
        mapping = map_workload(workload, chip)
        schedule = build_schedule(chip, mapping, self.epochs * workload.dataset.examples)
        timeline = simulate(schedule, timeline=True).timeline
        assert timeline is not None
        training = Training(schedule, data, seed=self.seed, compared=False)
        if not all(hasattr(cells.state, "fired") for cells in training.model.cells):
            kind = self.arch.value.tile.device.kind
            raise SpecError.at("tile.device", f"cells of kind '{kind}' do not count their pulses", "try 'fefet'")
        training.play(timeline.chunks, progress=lambda place: inside(place.epochs / self.epochs, ""))
        fired: dict[str, list[np.ndarray[Any, Any]]] = {}
        for shard, cells in zip(mapping.shards, training.model.cells, strict=True):
            fired.setdefault(workload.layers[shard.layer].name, []).append(cells.state.fired.ravel())
        return Worn(seed=self.seed, layers=tuple(
            _layer(name, np.concatenate(own) / self.epochs) for name, own in fired.items()))  # fmt: skip


def _layer(name: str, pulses: np.ndarray[Any, Any]) -> Layer:
    median, most_of_90, most_of_99, most = (float(own) for own in np.quantile(pulses, QUANTILES))
    return Layer(name=name, cells=pulses.size, mean=float(pulses.mean()), median=median, most_of_90=most_of_90,
                 most_of_99=most_of_99, most=most)  # fmt: skip


def prepare(inputs: Inputs) -> Prepared[Endurance]:
    """Return a study to be made; raise SpecError with all that is wrong."""
    from archsim.functional.datasets import following
    from archsim.functional.train import check_cells, check_network
    from archsim.studies.tasks.data_here import data_name, sent_folder

    chip, network = inputs.load()
    check_cells(chip.value)
    check_network(network.value)
    network, data = following(network, inputs.data, inputs.seed)
    device = chip.value.tile.device
    endured = inputs.pulses if inputs.pulses is not None else getattr(device, "endurance", None)
    if not endured or endured < 0:
        what = "is not said by the spec" if endured is None else f"is {endured:g}"
        what = f"what a cell of kind '{device.kind}' endures {what}"
        raise SpecError.at("--pulses", what, "for example --pulses 1e6")

    def compute(progress: Progress, folder: Path) -> Endurance:
        tasks = [
            EnduranceTask(chip, network, inputs.epochs, seed, data_name(data), sent_folder(inputs.data), inputs.seed)
            for seed in range(inputs.seed, inputs.seed + inputs.seeds)
        ]
        with bench(inputs, folder) as compute_all:
            worn = results(compute_all, tasks, progress)
        return Endurance(
            command=inputs.line, arch=named(chip), workload=named(network), epochs=inputs.epochs,
            trained_epochs=network.value.training.epochs, pulses_endured=endured, devices=tuple(worn),
        )  # fmt: skip

    return Prepared(default_folder(chip, network, "endurance"), compute)


# ---- how that is shown


def document(data: Endurance) -> Document:
    """Return the report; it depends on what endurance.json holds alone."""
    lasts = data.lasts_epochs(data.most)
    enough = "enough for" if lasts >= data.trained_epochs else "too few for"
    head = say(
        "The cell that is written most sees **{most:,.0f} pulses** in an epoch. If a cell endures {endured:,.3g} of "
        "them, it lasts **{lasts:,.3g} epochs**: {enough} the {planned:,} of the workload.", brief=True,
        most=data.most, endured=data.pulses_endured, lasts=lasts, enough=enough, planned=data.trained_epochs,
    )  # fmt: skip
    note = say("Each pulse counts as one of those that a cell endures, though one that switches a part wears less than "
               "a full cycle: so the epochs are a lower bound.", kind="note")  # fmt: skip
    section = Section("wear", "Pulses of an epoch", (_figure(data), _table(data)))
    title = f"Endurance: {data.arch.name}, {data.workload.name}"
    return Document(title, (head, note), (section,), data.ends(data.arch, data.workload), stem="endurance")


def _table(data: Endurance) -> Table:
    columns = (Column("device"), Column("layer"), Column("cells"), Column("mean"), Column("median"), Column("90 %"),
               Column("99 %"), Column("most"), Column("epochs"))  # fmt: skip
    rows = tuple(
        (worn.seed, own.name, own.cells, own.mean, own.median, own.most_of_90, own.most_of_99, own.most,
         data.lasts_epochs(own.most))
        for worn in data.devices for own in worn.layers
    )  # fmt: skip
    note = "Pulses in an epoch, the most of so many per cent of the cells, and for how many epochs all of them last."
    return Table("endurance", "Pulses by layer", columns, rows, note=note, brief=True)


def _figure(data: Endurance) -> Bars:
    legend = (("all cells but 1 %", COLOURS["update"]), ("the cell that sees most", COLOURS["convert"]))
    bars = []
    for worn in data.devices:
        for own in worn.layers:
            parts = (own.most_of_99, own.most - own.most_of_99)
            pieces = [(what, value, tone, f"{value:,.0f}") for (what, tone), value in zip(legend, parts, strict=True)]
            bars.append(stacked(f"{own.name}, device {worn.seed}", f"{own.most:,.0f}", pieces))
    says = "Pulses that the cells of each layer see in an epoch."
    return Bars("endurance", "Pulses of an epoch", says, tuple(bars), from_zero(data.most), legend)


STUDY = registered(Study(
    Inputs, Endurance, "endurance.json", prepare, document,
    rows=lambda data: [{"seed": worn.seed, **own.plain()} for worn in data.devices for own in worn.layers],
    says="How often training writes each cell, and how long the cells last.",
))  # fmt: skip
