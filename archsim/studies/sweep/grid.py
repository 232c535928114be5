"""Sweeps: a run, and if wanted trainings, at each point of a grid of settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import fsum
from pathlib import Path
from statistics import stdev
from typing import Any, TypeAlias

from archsim.base.errors import ArchsimError, Problem, SpecError
from archsim.chip.graph import build_chip
from archsim.functional.activity import Measured, together
from archsim.functional.checkpoint import digest_of
from archsim.functional.datasets import Data, load_data
from archsim.functional.train import Epoch, Progress, Reached, Training, check_cells, check_network
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.results.bill import ActivityFile, activity_of
from archsim.results.evaluate import evaluate
from archsim.simulation.run import simulate
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, path_parts, split_overrides
from archsim.studies.sweep.axes import Axis
from archsim.studies.sweep.points import Point, Settings, settings_text
from archsim.workload.network import Workload

Inside: TypeAlias = Callable[[float, Progress | None], None]
"""Told how much of a point is done, and where its training is."""
METRICS = (
    "time_per_example_peak_s", "time_per_example_s", "time_per_example_lower_bound_s", "energy_per_example_j",
    "area_m2", "efficiency_op_per_j", "transfer_time_share", "refresh_time_share", "dwell_time_mean_s",
)  # fmt: skip
"""What a point keeps of metrics.json."""
TRAINED = (
    "accuracy_chip_mean", "accuracy_chip_std", "accuracy_float_mean", "accuracy_float_std", "accuracy_difference",
    "pulses_per_synapse",
)  # fmt: skip
"""What its trainings add: means and standard deviations over seeds after the last epoch."""
TRAINED_TO_VALUES = tuple(name.replace("accuracy", "r2") for name in TRAINED)
"""The same where examples have values for classes."""


@dataclass(frozen=True)
class Trainings:
    """How each point is trained: with which seeds, without which imperfections, on data from where."""

    seeds: tuple[int, ...]
    ablate: tuple[str, ...] = ()
    data_folder: Path | None = None


class Grid:
    """A grid of settings of a chip and a workload, ready to be run point by point; refused if it makes no sense.

    `arch` and `workload` are given without `sets`, which may be whole only together with what is varied. `epochs` are
    by default the workload's. `data` says per workload's hash on which data.
    """

    def __init__(
        self,
        arch: Loaded[ArchSpec],
        workload: Loaded[Workload],
        axes: Sequence[Axis],
        *,
        sets: Sequence[str] = (),
        epochs: int | None = None,
        seed: int = 0,
        trainings: Trainings | None = None,
    ) -> None:
        self.axes, self.epochs, self.seed, self.trainings = tuple(axes), epochs, seed, trainings
        self._files: tuple[Loaded[Any], Loaded[Any]] = arch, workload
        self._sets = split_overrides(sets)
        self._data: tuple[Workload, Data] | None = None
        self._baselines: dict[tuple[str, str, int], list[Reached]] = {}
        if epochs is not None:
            _check_epochs([*(axis.key for axis in axes), *(setting.partition("=")[0].strip() for setting in sets)])
        problems = [problem for side in (0, 1) for problem in self._faults(side)]
        if problems:
            raise SpecError(dict.fromkeys(problems))
        self.data = self._digests() if trainings is not None else {}

    def points(self) -> list[Settings]:
        """Return the settings of all points; those of the last key change first."""
        return list(_grid(self.axes))

    def specs(self, settings: Settings) -> tuple[Loaded[ArchSpec], Loaded[Workload]]:
        """Return the chip and the workload of a point; raise SpecError where they are wrong together."""
        both = split_overrides(settings_text(settings))
        arch, workload = (self._load(side, both[side]) for side in (0, 1))
        return arch, workload

    def run(self, settings: Settings, inside: Inside = lambda part, now: None) -> Point:
        """Return a point: its metrics, and what trainings reached by seed and epoch; or why it is refused.

        `inside` is called with the part of the point that is done, and where its training is.
        """
        data: str | None = None
        try:
            arch, workload = self.specs(settings)
            data = self.data.get(workload.hash)
            found: dict[str, float | None] = {}
            activity = training = None
            if self.trainings is not None:
                runs, activity = self._train(arch.value, workload, self.trainings, inside)
                found, training = reached(runs), _by_epoch(runs)
            count = self._examples(workload.value)
            result = evaluate(
                arch, workload, examples=count, seed=self.seed, activity=activity,
                activity_from="measured in the sweep" if activity is not None else "",
                progress=lambda done: inside(1.0 if self.trainings is not None else done / count, None),
            )  # fmt: skip
        except ArchsimError as error:
            return Point(settings=settings, data=data, refused=str(error))
        metrics = {name: result.data["metrics"][name] for name in METRICS}
        failed = tuple(check["name"] for check in result.data["audits"] if not check["passed"])
        return Point(settings=settings, metrics={**metrics, **found}, training=training, data=data,
                     audits_failed=failed)  # fmt: skip

    def _examples(self, workload: Workload) -> int:
        return (self.epochs or workload.training.epochs) * workload.dataset.examples

    def _load(self, side: int, settings: Sequence[str]) -> Loaded[Any]:
        """Return the chip (0) or the workload (1) with settings; what is wrong with varied keys is told as such."""
        try:
            return self._files[side].with_overrides([*self._sets[side], *settings])
        except SpecError as error:
            wheres = {f"--set {axis.key}": f"--vary {axis.key}" for axis in self.axes}
            raise SpecError(
                replace(each, where=wheres.get(each.where, each.where)) for each in error.problems
            ) from None

    def _axes(self, side: int) -> list[Axis]:
        """Return the axes that are of the chip (0) or of the workload (1)."""
        return [axis for axis in self.axes if split_overrides([f"{axis.key}="])[side]]

    def _faults(self, side: int) -> list[Problem]:
        """Return what is wrong with the chip (0) or the workload (1) at all points that have some value.

        What is wrong at a few of them is for these to tell.
        """
        axes = self._axes(side)
        problems: dict[tuple[str, ...], list[Problem]] = {}
        hashes: dict[tuple[str, ...], str] = {}
        for settings in _grid(axes):
            values = tuple(settings.values())
            try:
                hashes[values] = self._load(side, settings_text(settings)).hash
                problems[values] = []
            except SpecError as error:
                problems[values] = list(error.problems)
        found = _common(list(problems.values()))
        for i, axis in enumerate(axes):
            seen: dict[tuple[tuple[tuple[str, ...], str], ...], str] = {}
            for value in axis.values:
                found += _common([own for values, own in problems.items() if values[i] == value])
                same = [((*values[:i], *values[i + 1 :]), own) for values, own in hashes.items() if values[i] == value]
                first = seen.setdefault(tuple(same), value) if same else value
                if first != value:
                    what = f"'{value}' is the same value as '{first}'"
                    found.append(Problem(f"--vary {axis.key}", what, "give each value once"))
        return found

    def _digests(self) -> dict[str, str]:
        """Return by workload's hash what names its data; raise SpecError if there is none for any of them."""
        found: dict[str, str] = {}
        first: SpecError | None = None
        for settings in _grid(self._axes(1)):
            try:
                workload = self._load(1, settings_text(settings))
                data = self._data_of(workload.value)
                found[workload.hash] = f"{data.name} {digest_of(data)}"
            except SpecError as error:
                first = first or error
        if first is not None and not found:
            raise first
        return found

    def _data_of(self, workload: Workload) -> Data:
        """Return a workload's data; the last ones are kept."""
        assert self.trainings is not None
        if self._data is not None:
            kept, data = self._data
            if (kept.dataset, kept.layers) == (workload.dataset, workload.layers):
                return data
        self._data = None  # before others are loaded
        self._data = workload, load_data(workload, self.trainings.data_folder, self.seed)
        return self._data[1]

    def _train(
        self, arch: ArchSpec, workload: Loaded[Workload], trainings: Trainings, inside: Inside
    ) -> tuple[list[list[Epoch]], ActivityFile | None]:
        """Return what each seed's epochs reached on one chip, and the activity that was measured in all of them."""
        check_cells(arch)
        check_network(workload.value)
        chip = build_chip(arch)
        schedule = build_schedule(chip, map_workload(workload.value, chip), self._examples(workload.value))
        data = self._data_of(workload.value)
        timeline = simulate(schedule, timeline=True, progress=lambda done: inside(0.0, None)).timeline
        assert timeline is not None
        runs: list[list[Epoch]] = []
        reads: list[Measured] = []
        for seed in trainings.seeds:
            known = self._baselines.setdefault((workload.hash, self.data[workload.hash], seed), [])
            training = Training(schedule, data, seed=seed, ablate=trainings.ablate, known=known)

            def told(now: Progress, before: int = len(runs), epochs: int = training.epochs) -> None:
                inside((before + now.epochs / epochs) / len(trainings.seeds), now)

            training.play(timeline.chunks, progress=told)
            runs.append(training.found)
            reads += [*training.model.reads(), *training.model.updates()]
        measured = together(reads)
        return runs, activity_of([layer.name for layer in workload.value.layers], measured) if measured else None


def _grid(axes: Sequence[Axis]) -> Iterator[Settings]:
    """Yield all choices of a value of each axis; those of the last one change first."""
    for values in itertools.product(*(axis.values for axis in axes)):
        yield {axis.key: value for axis, value in zip(axes, values, strict=True)}


def reached(runs: Sequence[Sequence[Epoch]]) -> dict[str, float | None]:
    """Return means, and sample standard deviations (None for one seed), over seeds after the last epoch."""
    last = [run[-1] for run in runs]
    what = _measured(runs)

    def both(name: str) -> tuple[float | None, float | None]:
        values = [value for entry in last if (value := getattr(entry, name)) is not None]
        mean = fsum(values) / len(values) if len(values) == len(last) else None
        return mean, stdev(values) if mean is not None and len(values) > 1 else None

    chip, floating = both(f"{what}_chip"), both(f"{what}_float")
    difference = None if chip[0] is None or floating[0] is None else chip[0] - floating[0]
    values = (*chip, *floating, difference, both("pulses_per_synapse")[0])
    return dict(zip(TRAINED if what == "accuracy" else TRAINED_TO_VALUES, values, strict=True))


def _measured(runs: Sequence[Sequence[Epoch]]) -> str:
    """Return by what trainings are judged: accuracy, or r2 where examples have values for classes."""
    return "accuracy" if all(entry.accuracy_chip is not None for run in runs for entry in run) else "r2"


def _by_epoch(runs: Sequence[Sequence[Epoch]]) -> dict[str, tuple[tuple[float | None, ...], ...]]:
    what = _measured(runs)
    names = (f"{what}_chip", f"{what}_float", "loss_chip", "loss_float")
    return {name: tuple(tuple(getattr(entry, name) for entry in run) for run in runs) for name in names}


def _common(problems: Sequence[Sequence[Problem]]) -> list[Problem]:
    """Return what is in all of the lists, in order of the first."""
    return [problem for problem in problems[0] if all(problem in own for own in problems)] if problems else []


def _check_epochs(keys: Sequence[str]) -> None:
    if any(path_parts(key) in (["training"], ["training", "epochs"]) for key in keys):
        what = "--epochs was given, and training.epochs is varied or set"
        raise SpecError([Problem("--epochs", what, "give the epochs in one way")])
