"""Trainings as the command makes them: the schedule is simulated, its timeline is played in numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from pathlib import Path
from typing import Any

import numba
import numpy as np

from archsim.base.doors import door
from archsim.base.limits import EPOCHS
from archsim.chip import build_chip
from archsim.functional.activity import Measured, together
from archsim.functional.checkpoint import DAMAGED, NAME, Checkpoint, digest_of
from archsim.functional.datasets import Data, load_data
from archsim.functional.epochs import DivergedError, Epoch
from archsim.functional.findings import Findings
from archsim.functional.losses import loss_name
from archsim.functional.probe import Probe
from archsim.functional.ranges import saturation_warnings
from archsim.functional.remarks import baseline_warnings, rates_warnings
from archsim.functional.train import (
    Chunks,
    Training,
    check_ablations,
    check_cells,
    check_network,
    scales_of,
    seeds_from,
)
from archsim.functional.train import Progress as Place
from archsim.mapping import build_schedule, map_workload
from archsim.results.bill import activity_of, activity_yaml
from archsim.results.metrics import package_version
from archsim.simulation import simulate
from archsim.studies.names import default_folder
from archsim.studies.study import Pair, Prepared, Progress, Study, named, registered, unsaid
from archsim.studies.train.document import ACTIVITY, document
from archsim.studies.train.history import RUNS, Diverged, Examples, Final, History, Rate, Rates, T
from archsim.studies.train.measures import ACCURACY, R2
from archsim.studies.underway import Underway

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


class Task:
    """A training to be made: whole epochs of a schedule, with each of several seeds.

    Raises SpecError with all that is wrong.
    """

    def __init__(self, inputs: Inputs) -> None:
        check_ablations(dict.fromkeys(inputs.ablate))
        self.inputs, self.ablated = inputs, tuple(sorted(set(inputs.ablate)))
        self.seeds = seeds_from(inputs.seed, inputs.seeds)
        self.chip, self.network = inputs.load()
        self.remarks = rates_warnings(self.network)
        check_cells(self.chip.value)
        check_network(self.network.value)
        self.epochs = inputs.epochs or self.network.value.training.epochs
        EPOCHS.check(self.epochs, "--epochs" if inputs.epochs else f"{self.network.path_label}: training.epochs")
        self.data = load_data(self.network.value, inputs.data, inputs.seed)
        chip = build_chip(self.chip.value)
        examples = self.epochs * self.network.value.dataset.examples
        self.schedule = build_schedule(chip, map_workload(self.network.value, chip), examples)

    @cached_property
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
    task = Task(inputs)
    suffix = f"ablate-{hashlib.sha256(' '.join(task.ablated).encode()).hexdigest()[:8]}" if task.ablated else ""
    folder = default_folder(task.chip, task.network, suffix)
    return Prepared(folder, lambda progress, where: Seeds(task, progress, where).finish())


class Seeds(Underway[History]):
    """A training under way: what each epoch of each seed reached, with a checkpoint of the last epoch that ended.

    `reads` is what finished seeds measured, `findings` what the probe saw in the first seed, once that is finished.
    Where an epoch ends far from all sense, DivergedError is raised, and there is nothing to go on from.
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
        if task.inputs.resume:
            kept = Checkpoint.read(folder)
            kept.check(task.identity)
            self.begun, self.findings, self._arrays = True, kept.findings, kept.arrays
            self.found = {seed: list(run) for seed, run in kept.found.items()}
            self.reads = dict(kept.reads)

    def work(self) -> None:
        """Train the seeds that are not finished."""
        timeline = simulate(self.task.schedule, timeline=True).timeline
        assert timeline is not None
        for seed in self.task.seeds:
            if seed not in self.reads:
                self._train(seed, timeline.chunks)

    def so_far(self) -> History:
        """Return the history of the epochs that ended."""
        task, data, rates = self.task, self.task.data, self.task.network.value.training
        measured = together(part for own in self.reads.values() for part in own)
        found = History(
            command=task.inputs.line, arch=named(task.chip), workload=named(task.network),
            rates=Rates(chip=Rate.of(rates), float=Rate.of(rates.of_the_baseline)), loss=loss_name(task.network.value),
            data=Examples(name=data.name, source=data.source, train=len(data.train_y), test=len(data.test_y),
                          validation=len(data.validation.y) if data.validation is not None else 0),
            ablated=task.ablated, findings=self.findings, activity=bool(measured),
            complete=len(self.reads) == len(task.seeds),
            **reached_by(self.found, data, self.diverged, task.remarks),
        )  # fmt: skip
        if measured:
            layers = [layer.name for layer in task.network.value.layers]
            found.beside({ACTIVITY: activity_yaml(activity_of(layers, measured))})
        return found

    def _train(self, seed: int, chunks: Chunks) -> None:
        """Train one seed from where it stands to its end, by a timeline; the first one under a probe."""
        task = self.task
        probe = Probe(task.schedule) if seed == task.seeds[0] else None
        training = Training(task.schedule, task.data, seed=seed, ablate=task.ablated, probe=probe)
        if seed in self.found:
            hint = "nothing can be resumed; train without --resume"
            with door(str(self.folder / NAME), DAMAGED, hint, (ValueError,), speaks=(ValueError,)):
                training.restore(self._arrays, self.found[seed])

        def ended(epoch: Epoch) -> None:
            self.found.setdefault(seed, []).append(epoch)
            state = Checkpoint(task.identity, self.found, self.findings, self.reads, training.arrays())
            self.keep({NAME: state.write})

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


def reached_by(
    epochs: Mapping[int, Sequence[Epoch]], data: Data, diverged: DivergedError | None, remarks: Sequence[str]
) -> dict[str, Any]:
    """Return the part of a history that is of its epochs, given by seed, on these data.

    A training that diverged has no final accuracy. `warnings` are the `remarks` that were made beforehand, and what the
    epochs themselves give rise to.
    """
    seeds = sorted(epochs)
    runs = [epochs[seed] for seed in seeds]

    def each(of: Callable[[Epoch], T]) -> list[list[T]]:
        return [[of(epoch) for epoch in run] for run in runs]

    def mean(values: Sequence[Sequence[float | None]]) -> float | None:
        """Return the mean of the last epochs' values; None where one of these is missing."""
        last = [run[-1] for run in values if run]
        known = [value for value in last if value is not None]
        return sum(known) / len(known) if known and len(known) == len(last) and diverged is None else None

    validated, valued = data.validation is not None, data.test_t is not None
    columns: dict[str, list[list[float | None]]] = {
        name: each(attrgetter(name))
        for name in RUNS if (valued or "r2" not in name) and (validated or "validation" not in name)
    }  # fmt: skip
    means = {f"{name}_mean": mean(values) for name, values in columns.items()}
    chip, floating = (means[f"{'r2' if valued else 'accuracy'}_{where}_mean"] for where in ("chip", "float"))
    judged = columns["accuracy_validation_float" if validated else "accuracy_float"]
    saturation = each(lambda epoch: epoch.saturation)
    return {
        "seeds": seeds,
        "diverged": None if diverged is None else Diverged(
            seed=diverged.seed, epoch=diverged.epoch + 1, where=diverged.where, says=str(diverged)
        ),
        **columns,
        "loss_chip": each(lambda epoch: epoch.loss_chip),
        "loss_float": each(lambda epoch: epoch.loss_float),
        "pulses_per_synapse": each(lambda epoch: epoch.pulses_per_synapse),
        "clipped_share": each(lambda epoch: epoch.clipped_share),
        "saturation": saturation,
        "warnings": [
            *remarks,
            *baseline_warnings(judged, seeds, len(data.test_y if data.validation is None else data.validation.y)),
            *saturation_warnings(saturation),
        ],
        "final": Final(**means, difference=None if chip is None or floating is None else chip - floating),
    }  # fmt: skip


def progress_words(now: Place, epochs: int, seeds: int) -> str:
    """Return what a terminal shows of a training under way, in two lines: where it is, and the last epoch that ended.

    >>> print(progress_words(Place(1, 2, 500, 1438, 0.25, Epoch(1, 1, 0.9, 0.95, 0.3, 0.2, 0.0, 0.0)), 20, 5))
    seed 1, epoch 3 of 20: 500 of 1,438, loss 0.250
    chip 90.00 %, loss 0.300; float 95.00 %, loss 0.200
    """
    place = f"seed {now.seed}, " if seeds > 1 else ""
    loss = "" if now.loss_chip is None else f", loss {now.loss_chip:.3f}"
    first = f"{place}epoch {now.epoch + 1} of {epochs}: {now.examples:,} of {now.per_epoch:,}{loss}"
    last = now.last
    if last is None:
        return f"{first}\nno epoch has ended"
    read = [
        (what, *(getattr(last, f"{what.key}{part}_{where}") for where in ("chip", "float")))
        for what in (ACCURACY, R2) for part in ("_validation", "")
    ]  # fmt: skip
    what, chip, floating = next((own for own in read if own[1] is not None), read[-1])
    second = f"chip {what.head('')}{what.text(chip)}, loss {last.loss_chip:.3f}; "
    return f"{first}\n{second}float {what.head('')}{what.text(floating)}, loss {last.loss_float:.3f}"


STUDY = registered(Study(
    Inputs, History, "history.json", prepare, document, keeps="epoch", page="train", again="train.yaml",
    parts=(ACTIVITY, NAME, *(f"{name}.csv" for name in TABLES), *(f"{name}.svg" for name in FIGURES)),
))  # fmt: skip
