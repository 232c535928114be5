"""Trainings as the command makes them: the schedule is simulated, its timeline is played in numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numba
import numpy as np

from archsim.base import plugin_sending
from archsim.base.errors import ArchsimError, SpecError
from archsim.base.limits import EPOCHS
from archsim.base.words import counted
from archsim.chip import build_chip
from archsim.functional.activity import Measured, together
from archsim.functional.checkpoint import NAME, PARTS, Arrays, Checkpoint
from archsim.functional.data_set import Data
from archsim.functional.datasets import following, load_data
from archsim.functional.epochs import DivergedError, Epoch
from archsim.functional.findings import Findings
from archsim.functional.losses import loss_name
from archsim.functional.remarks import rates_warnings
from archsim.functional.splits import Split
from archsim.functional.train import (
    Chunks,
    Training,
    check_ablations,
    check_cells,
    check_network,
    seeds_from,
)
from archsim.functional.train import Progress as Place
from archsim.mapping import build_schedule, map_workload
from archsim.report.folder import replace_file
from archsim.results.bill import activity_of, activity_yaml
from archsim.results.metrics import package_version
from archsim.simulation import simulate
from archsim.simulation.shortened import shortened
from archsim.studies.names import default_folder
from archsim.studies.study import Pair, Prepared, Progress, Study, metrics_of, named, registered, unsaid
from archsim.studies.tasks.bench import Spread, bench
from archsim.studies.tasks.data_here import data_name, sent_folder
from archsim.studies.tasks.workers import Workers
from archsim.studies.train.document import ACTIVITY, document
from archsim.studies.train.history import RUNS, Examples, History, Rate, Rates
from archsim.studies.train.measures import ACCURACY, R2
from archsim.studies.train.reached import Protocol, reached_by
from archsim.studies.train.seed_task import SeedTask, Trained, trained
from archsim.studies.underway import Underway
from archsim.workload.network import Workload

TABLES = ("final", "history", "saturation", "saturation_most", "conductances", "weight_error")
FIGURES = ("accuracy", "cross_entropy", "loss", "conductances", *(f"conductances_{place}" for place in range(2, 10)),
           "weight_error", "weight_error_network")  # fmt: skip


@dataclass(frozen=True)
class Inputs(Spread, Pair):
    """A chip, a workload, what is taken away from the chip, and the seeds: `seed`, `seed` + 1, ...

    With `splits`, training and test part are put together, and each seed has a split of its own, so many in all. The
    `goal` is by how many percentage points of accuracy the chip may fall short of its baseline or, where sequences are
    answered step by step, by how many per cent its cross-entropy may be above.
    """

    words = "train"
    ablate: tuple[str, ...] = ()
    epochs: int | None = None
    seeds: int = 1
    seed: int = 0
    goal: float | None = None
    splits: int | None = None
    data: Path | None = unsaid()
    resume: bool = unsaid(False)


class Task:
    """A training to be made: whole epochs of a schedule, with each of several seeds.

    Raises SpecError with all that is wrong.
    """

    def __init__(self, inputs: Inputs) -> None:
        check_ablations(dict.fromkeys(inputs.ablate))
        self.inputs, self.ablated = inputs, tuple(sorted(set(inputs.ablate)))
        self.seeds = seeds_from(inputs.seed, _count(inputs))
        self.chip, self.network = inputs.load()
        self.remarks = rates_warnings(self.network)
        check_cells(self.chip.value)
        check_network(self.network.value)
        self.epochs = inputs.epochs or self.network.value.training.epochs
        EPOCHS.check(self.epochs, "--epochs" if inputs.epochs else f"{self.network.path_label}: training.epochs")
        self.said = self.network.value.dataset.examples
        self.network, self.data = following(self.network, inputs.data, inputs.seed, inputs.splits)
        check_goal(inputs.goal)
        chip = build_chip(self.chip.value)
        examples = self.epochs * self.network.value.dataset.examples
        self.schedule = build_schedule(chip, map_workload(self.network.value, chip), examples)

    def split(self, seed: int) -> Split | None:
        """Return the split of a seed, if there are any."""
        splits = self.inputs.splits
        return None if splits is None else Split(seed - self.seeds[0], splits)

    def data_of(self, seed: int) -> Data:
        """Return what a seed is trained and tested on."""
        split, asked = self.split(seed), self.inputs
        if split is None or not split.place:
            return self.data
        return load_data(self.network.value, asked.data, asked.seed, split)

    def of(self, seed: int, place: Path) -> SeedTask:
        """Return the training of one seed, which keeps its checkpoints at a place."""
        return SeedTask(
            self.chip, self.network, self.epochs, seed, self.ablated, seed == self.seeds[0], self.identity["data"],
            sent_folder(self.inputs.data), self.inputs.seed, self.identity, place.absolute(), self.split(seed),
        )  # fmt: skip

    @property
    def protocol(self) -> Protocol:
        """By what it is judged."""
        baseline, goal = self.network.value.training.floating_point, self.inputs.goal
        tests = self.data.tests or [len(self.data.test_y)] * len(self.seeds)
        floor, ceiling = (None, None) if baseline is None else (baseline.floor, baseline.ceiling)
        return Protocol(floor, ceiling, None if goal is None else goal / 100, self.epochs,
                        dict(zip(self.seeds, tests, strict=True)), bool(self.data.tests))  # fmt: skip

    @cached_property
    def identity(self) -> dict[str, Any]:
        """What two trainings must have in common, so that one goes on from the other's checkpoint."""
        return {
            "arch": f"{self.chip.value.name} {self.chip.hash}",
            "workload": f"{self.network.value.name} {self.network.hash}",
            "data": data_name(self.data),
            "epochs": self.epochs,
            "seeds": [*self.seeds],
            "ablated": [*self.ablated],
            "splits": self.inputs.splits,
            "version": f"archsim {package_version()}, numpy {np.__version__}, numba {numba.__version__}",
            **dict(plugin_sending.versions()),
        }


def _lengths(workload: Workload) -> dict[str, int]:
    """Return how many steps the longest example has and the mean one, where time follows that."""
    own = workload.timed
    return {} if own is workload else {"steps": workload.steps, "mean_steps": own.steps}


def _count(inputs: Inputs) -> int:
    """Return how many seeds there are; raise SpecError where splits have others."""
    if inputs.splits is None:
        return inputs.seeds
    if inputs.seeds not in (1, inputs.splits):
        raise SpecError.at("--seeds", f"{inputs.seeds} beside --splits {inputs.splits}, each of which has one",
                           "leave it out")  # fmt: skip
    return inputs.splits


def check_goal(goal: float | None) -> None:
    """Raise SpecError unless a goal is one, in percentage points."""
    if goal is not None and not 0 < goal <= 100:
        given = counted(goal, "percentage point", form="g")
        raise SpecError.at("--goal", f"is {given}", "give more than 0, at most 100")


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

    resumed_from: tuple[str, ...] = (NAME, PARTS)

    def __init__(self, task: Task, progress: Progress, folder: Path) -> None:
        super().__init__(STUDY, folder, progress)
        self.task = task
        self.found: dict[int, list[Epoch]] = {}
        self.reads: dict[int, list[Measured]] = {}
        self.findings: Findings | None = None
        self.diverged: DivergedError | None = None
        self._seen: dict[int, int] = {}
        self._states: dict[int, tuple[list[Epoch], Arrays]] = {}
        if task.inputs.resume:
            self._go_on()

    def _go_on(self) -> None:
        """Take what is kept: what is finished, and of each other seed the state that is furthest."""
        files = sorted((self.folder / PARTS).glob("[0-9]*.npz"))
        if (self.folder / NAME).is_file() or not files:
            kept = Checkpoint.read(self.folder)
            kept.check(self.task.identity)
            self.findings, self.reads = kept.findings, dict(kept.reads)
            self.found = {seed: list(kept.found[seed]) for seed in self.reads}
            if (seed := next((own for own in self.task.seeds if own not in self.reads), -1)) in kept.found:
                self._states[seed] = list(kept.found[seed]), kept.arrays
        for path in files:
            part = Checkpoint.read_file(path)
            part.check(self.task.identity)
            for seed, run in part.found.items():
                if seed not in self.reads and len(run) > len(self._states.get(seed, ([],))[0]):
                    self._states[seed] = list(run), part.arrays
        self.found |= {seed: list(run) for seed, (run, _) in self._states.items()}
        self.begun = True

    def work(self) -> None:
        """Train the seeds that are not finished: one after another here, or each by another."""
        task, left = self.task, [seed for seed in self.task.seeds if seed not in self.reads]
        tasks = [task.of(seed, self.folder / PARTS / f"{seed}.npz") for seed in left]
        asked = task.inputs
        pays = Workers(asked.jobs).pays(len(left), tasks[0].estimate_s if left else 0.0)
        if asked.store is not None or asked.cluster is not None or (len(left) > 1 and pays):
            is_new = not self.begun
            try:
                self._spread(tasks)
            except DivergedError:
                if is_new and not any(self.found.values()):
                    self._forget()
                raise
            return
        timeline = simulate(task.schedule, timeline=True).timeline
        assert timeline is not None
        for seed in left:
            self._train(seed, shortened(task.schedule, timeline.chunks))

    def _spread(self, tasks: Sequence[SeedTask]) -> None:
        """Have seeds trained by whoever does tasks; each keeps a checkpoint of its own in the study's folder."""
        with bench(self.task.inputs, None) as compute:
            if not self.begun:
                self.keep()
            for seed, state in self._states.items():
                whole = Checkpoint(self.task.identity, {seed: state[0]}, None, {}, state[1])
                replace_file(self.folder, f"{PARTS}/{seed}.npz", whole.write)
            self._states = {}
            done: dict[int, Trained] = {}
            try:
                for place, outcome in compute(tasks, lambda part, words: self._look(tasks, words)):
                    if isinstance(outcome, ArchsimError):
                        raise outcome
                    assert isinstance(outcome, Trained)
                    done[tasks[place].seed] = outcome
                    self._take(tasks, done)
            finally:
                if self.diverged is None:
                    self._look(tasks)

    def _forget(self) -> None:
        """Leave no report of a training that diverged before any epoch ended."""
        self.begun = False
        with suppress(OSError):
            (self.folder / self.study.file).unlink(missing_ok=True)
            self.folder.rmdir()  # unless something else is in it

    def _look(self, tasks: Sequence[SeedTask], words: str | None = None) -> None:
        """See which epochs ended elsewhere, and tell it."""
        for task in tasks:
            if task.seed not in self.reads and task.place is not None and task.place.is_file():
                now = task.place.stat().st_mtime_ns
                if self._seen.get(task.seed) != now:
                    self._seen[task.seed] = now
                    self.found[task.seed] = list(Checkpoint.read_file(task.place).found[task.seed])
                    self.keep()
        if words is not None:
            self.progress(sum(map(len, self.found.values())), len(self.task.seeds) * self.task.epochs, words)

    def _take(self, tasks: Sequence[SeedTask], done: Mapping[int, Trained]) -> None:
        """Take the results of seeds that are finished; raise DivergedError for the first one that diverged."""
        for task in tasks:
            if (own := done.get(task.seed)) is None:
                return  # those after it, when it is known that they count
            self.found[task.seed] = list(own.epochs)
            if (error := own.error()) is not None:
                for later in [seed for seed in {**self.found, **self.reads} if seed > task.seed]:
                    self.found.pop(later, None), self.reads.pop(later, None)
                self.diverged, self.resumed_from = error, ()
                raise error
            if task.seed not in self.reads:
                self.reads[task.seed] = list(own.reads)
                self.findings = own.findings or self.findings
                finished = {seed: self.found[seed] for seed in self.reads}
                self.keep({NAME: Checkpoint(self.task.identity, finished, self.findings, self.reads, {}).write})

    def so_far(self) -> History:
        """Return the history of the epochs that ended."""
        task, data, rates = self.task, self.task.data, self.task.network.value.training
        measured = together(part for seed in sorted(self.reads) for part in self.reads[seed])
        found = History(
            command=task.inputs.line, arch=named(task.chip), workload=named(task.network),
            rates=Rates(chip=Rate.of(rates), float=Rate.of(rates.of_the_baseline)), loss=loss_name(task.network.value),
            data=Examples(name=data.name, source=data.source, train=len(data.train_y), test=len(data.test_y),
                          validation=len(data.validation.y) if data.validation is not None else 0,
                          splits=task.inputs.splits, said=task.said if task.said != len(data.train_y) else None,
                          **_lengths(task.network.value)),
            ablated=task.ablated, findings=self.findings, activity=bool(measured),
            defaults=task.network.defaults_told or None,
            complete=len(self.reads) == len(task.seeds),
            **reached_by(self.found, data, self.diverged, task.remarks, task.protocol),
        )  # fmt: skip
        if measured:
            layers = [layer.name for layer in task.network.value.layers]
            found.beside({ACTIVITY: activity_yaml(activity_of(layers, measured))})
        return found

    def _train(self, seed: int, chunks: Chunks) -> None:
        """Train one seed from where it stands to its end, by a timeline; the first one under a probe."""
        task = self.task

        def ended(epoch: Epoch, training: Training) -> None:
            self.found.setdefault(seed, []).append(epoch)
            state = Checkpoint(task.identity, self.found, self.findings, self.reads, training.arrays())
            self.keep({NAME: state.write})

        def inside(place: Place) -> None:
            done = sum(len(run) for own, run in self.found.items() if own != seed) + place.epochs
            words = progress_words(place, task.epochs, len(task.seeds))
            self.progress(done, len(task.seeds) * task.epochs, words)

        own = trained(task.schedule, task.data_of(seed), seed, task.ablated, seed == task.seeds[0], chunks,
                      self._states.get(seed), str(self.folder / NAME), ended, inside)  # fmt: skip
        if (error := own.error()) is not None:
            self.diverged, self.resumed_from = error, ()
            raise error
        self.findings = own.findings or self.findings
        self.reads[seed] = list(own.reads)


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


def epochs_of(data: History) -> list[dict[str, Any]]:
    """Return each epoch of each seed: its accuracies or R2, cross-entropies and losses, on the chip and beside it."""
    runs = {name: own for name in (*RUNS, "loss_chip", "loss_float") if (own := getattr(data, name)) is not None}
    return [
        {"seed": seed, "epoch": epoch + 1, **{name: own[place][epoch] for name, own in runs.items()}}
        for place, seed in enumerate(data.seeds) for epoch in range(len(data.loss_chip[place]))
    ]  # fmt: skip


STUDY = registered(Study(
    Inputs, History, "history.json", prepare, document, keeps="epoch", page="train", again="train.yaml",
    rows=epochs_of, metrics=lambda data: metrics_of(data.final),
    parts=(ACTIVITY, NAME, PARTS, *(f"{name}.csv" for name in TABLES),
           *(f"{name}{end}" for name in FIGURES for end in (".svg", ".csv", "_figure.csv"))),
))  # fmt: skip
