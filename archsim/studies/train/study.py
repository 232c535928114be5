"""Trainings as the command makes them: the schedule is simulated, its timeline is played in numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np

from archsim.chip import build_chip
from archsim.functional.activity import Measured, together
from archsim.functional.checkpoint import NAME, PART, Checkpoint, damaged, digest_of
from archsim.functional.datasets import Data, load_data
from archsim.functional.losses import loss_name
from archsim.functional.probe import Findings, Probe
from archsim.functional.remarks import rates_warnings
from archsim.functional.train import (
    DivergedError,
    Epoch,
    Training,
    check_ablations,
    check_cells,
    check_network,
    scales_of,
    seeds_from,
)
from archsim.functional.train import Progress as Place
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.schedule import Schedule
from archsim.results.bill import activity_of, activity_yaml
from archsim.results.metrics import package_version
from archsim.simulation import simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.studies.names import default_folder
from archsim.studies.study import Pair, Prepared, Progress, Study, named, registered, unsaid
from archsim.studies.train.document import ACTIVITY, document
from archsim.studies.train.history import Examples, History, Rates, reached_by
from archsim.studies.train.measures import ACCURACY, R2
from archsim.studies.underway import Underway
from archsim.workload.network import Workload

TABLES = ("final", "history", "saturation", "saturation_most", "conductances", "weight_error")
FIGURES = ("accuracy", "loss", "conductances", *(f"conductances_{place}" for place in range(2, 10)), "weight_error",
           "weight_error_network")  # fmt: skip


@dataclass(frozen=True)
class Inputs(Pair):
    """A chip, a workload, what is taken away from the chip, and the seeds: `seed`, `seed` + 1, ..."""

    words = "train"
    ablate: tuple[str, ...] = ()
    epochs: int | None = None
    seeds: int = 1
    seed: int = 0
    data: Path | None = unsaid()
    resume: bool = unsaid(False)


@dataclass(frozen=True)
class Task:
    """A training to be made: the epochs of a schedule, with each of several seeds."""

    command: str
    chip: Loaded[ArchSpec]
    network: Loaded[Workload]
    data: Data
    schedule: Schedule
    epochs: int
    seeds: range
    ablated: tuple[str, ...]
    resume: bool

    @property
    def identity(self) -> dict[str, Any]:
        """What two trainings must have in common, so that one goes on from the other's checkpoint."""
        return {
            "arch": f"{self.chip.value.name} {self.chip.hash}",
            "workload": f"{self.network.value.name} {self.network.hash}",
            "data": f"{self.data.name} {digest_of(self.data)}",
            "epochs": self.epochs,
            "seeds": [*self.seeds],
            "ablated": [*self.ablated],
            "version": f"archsim {package_version()}, numpy {np.__version__}, numba {numba.__version__}",
        }


def prepare(inputs: Inputs) -> Prepared[History]:
    """Return a training to be made; raise SpecError with all that is wrong."""
    ablated = tuple(sorted(set(inputs.ablate)))
    check_ablations(dict.fromkeys(inputs.ablate))
    seeds = seeds_from(inputs.seed, inputs.seeds)
    chip, network = inputs.load()
    check_cells(chip.value)
    check_network(network.value)
    epochs = inputs.epochs or network.value.training.epochs
    data = load_data(network.value, inputs.data, inputs.seed)
    built = build_chip(chip.value)
    schedule = build_schedule(built, map_workload(network.value, built), epochs * network.value.dataset.examples)
    task = Task(inputs.line, chip, network, data, schedule, epochs, seeds, ablated, inputs.resume)
    suffix = f"ablate-{hashlib.sha256(' '.join(ablated).encode()).hexdigest()[:8]}" if ablated else ""
    return Prepared(default_folder(chip, network, suffix), partial(train, task))


def train(task: Task, progress: Progress, folder: Path) -> History:
    """Return the history of a training, which is kept in a folder epoch by epoch.

    An interruption leaves a checkpoint of the last epoch that ended, from which one that resumes goes on. Raises
    DivergedError where an epoch ends far from all sense; then there is nothing to go on from.
    """
    with Seeds(task, progress, folder) as seeds:
        timeline = simulate(task.schedule, timeline=True).timeline
        assert timeline is not None
        for seed in task.seeds:
            if seed not in seeds.reads:
                seeds.train(seed, timeline.chunks)
        return seeds.so_far()


class Seeds(Underway[History]):
    """A training under way: what each epoch of each seed reached, and the checkpoint of the last one.

    `reads` is what finished seeds measured, `findings` what the probe saw in the first seed, once that is finished.
    """

    resumed_from: tuple[str, ...] = (NAME,)

    def __init__(self, task: Task, progress: Progress, folder: Path) -> None:
        super().__init__(STUDY, folder, progress)
        self.task = task
        self.found: dict[int, list[Epoch]] = {}
        self.reads: dict[int, list[Measured]] = {}
        self.findings: Findings | None = None
        self.diverged: DivergedError | None = None
        self._arrays: Mapping[str, Any] = {}
        if task.resume:
            kept = Checkpoint.read(folder)
            kept.check(task.identity)
            self.begun, self.findings, self._arrays = True, kept.findings, kept.arrays
            self.found = {seed: list(run) for seed, run in kept.found.items()}
            self.reads = dict(kept.reads)

    def so_far(self) -> History:
        """Return the history of the epochs that ended."""
        task, data = self.task, self.task.data
        measured = together(part for own in self.reads.values() for part in own)
        found = History(
            command=task.command, arch=named(task.chip), workload=named(task.network),
            rates=Rates.of(task.network.value), loss=loss_name(task.network.value),
            data=Examples(name=data.name, source=data.source, train=len(data.train_y), test=len(data.test_y)),
            ablated=task.ablated, findings=self.findings, activity=bool(measured),
            complete=len(self.reads) == len(task.seeds),
            **reached_by(self.found, data, self.diverged, rates_warnings(task.network)),
        )  # fmt: skip
        if measured:
            layers = [layer.name for layer in task.network.value.layers]
            found.beside({ACTIVITY: activity_yaml(activity_of(layers, measured))})
        return found

    def train(self, seed: int, chunks: Any) -> None:
        """Train one seed from where it stands to its end, by a timeline; the first one under a probe."""
        task = self.task
        probe = Probe(task.schedule) if seed == task.seeds[0] else None
        training = Training(task.schedule, task.data, seed=seed, ablate=task.ablated, probe=probe)
        if seed in self.found:
            try:
                training.restore(self._arrays, self.found[seed])
            except ValueError as error:
                raise damaged(self.folder / NAME, error) from None

        def ended(epoch: Epoch) -> None:
            self.found.setdefault(seed, []).append(epoch)
            self.keep()
            Checkpoint(task.identity, self.found, self.findings, self.reads, training.arrays()).write(self.folder)

        def inside(place: Place) -> None:
            done = (seed - task.seeds[0]) * task.epochs + place.epochs
            words = progress_words(place, task.epochs, len(task.seeds))
            self.progress(done, len(task.seeds) * task.epochs, words)

        try:
            training.play(chunks, ended, inside)
        except DivergedError as error:
            self.diverged, self.resumed_from = error, ()
            raise
        if probe is not None:
            self.findings = probe.findings(seed, scales_of(task.chip.value, task.network.value))
        self.reads[seed] = [*training.model.reads(), *training.model.updates()]


def progress_words(now: Place, epochs: int, seeds: int) -> str:
    """Return what a terminal shows of a training under way, in two lines: where it is, and the last epoch that ended.

    >>> print(progress_words(Place(1, 2, 500, 1438, 0.25, Epoch(1, 1, 0.9, 0.95, 0.3, 0.2, 0.0, 0.0)), 20, 5))
    seed 1, epoch 3 of 20: 500 of 1,438, loss 0.250
    chip 90.00%, loss 0.300; float 95.00%, loss 0.200
    """
    place = f"seed {now.seed}, " if seeds > 1 else ""
    loss = "" if now.loss_chip is None else f", loss {now.loss_chip:.3f}"
    first = f"{place}epoch {now.epoch + 1} of {epochs}: {now.examples:,} of {now.per_epoch:,}{loss}"
    last = now.last
    if last is None:
        return f"{first}\nno epoch has ended"
    what, chip, floating = ACCURACY, last.accuracy_chip, last.accuracy_float
    if chip is None:
        what, chip, floating = R2, last.r2_chip, last.r2_float
    second = f"chip {what.head('')}{what.text(chip)}, loss {last.loss_chip:.3f}; "
    return f"{first}\n{second}float {what.head('')}{what.text(floating)}, loss {last.loss_float:.3f}"


STUDY = registered(Study(
    Inputs, History, "history.json", prepare, document, keeps="epoch", page="train",
    parts=(ACTIVITY, NAME, PART, *(f"{name}.csv" for name in TABLES), *(f"{name}.svg" for name in FIGURES)),
))  # fmt: skip
