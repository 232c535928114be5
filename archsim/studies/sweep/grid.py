"""Sweeps: a run, and if wanted trainings, at each point of a grid of settings."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, ClassVar, TypeAlias

from archsim.base.errors import ArchsimError, SpecError
from archsim.base.limits import EPOCHS
from archsim.base.record import Named
from archsim.chip.graph import build_chip
from archsim.functional.activity import Measured, together
from archsim.functional.baseline import Reached
from archsim.functional.data_set import Data
from archsim.functional.datasets import following, load_data
from archsim.functional.epochs import Epoch
from archsim.functional.train import Progress, Training, baseline_alone, check_cells, check_network, seeds_from
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.results.bill import ActivityFile, activity_of
from archsim.results.evaluate import ENDS, checked
from archsim.simulation.run import simulate
from archsim.simulation.shortened import shortened
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.spec.settings import split_overrides
from archsim.studies.study import given, named, unsaid
from archsim.studies.sweep.axes import SPECS
from archsim.studies.sweep.points import Made, PointSettings, settings_text
from archsim.studies.tasks.bench import Spread
from archsim.studies.tasks.data_here import UnseenDataError, data_name, folder_here, seen, sent_folder
from archsim.studies.train.history import Runs
from archsim.workload.network import Workload

Inside: TypeAlias = Callable[[float, Progress | None], None]
"""Told how much of a point is done, and where its training is."""
SIDES = ("chip", "float")
"""What can be trained: the chip, and its floating-point baseline."""
METRICS = (
    "time_per_example_peak_s", "time_per_example_s", "time_per_example_lower_bound_s", "energy_per_example_j",
    "area_m2", "efficiency_op_per_j", "transfer_time_share", "refresh_time_share", "dwell_time_mean_s",
)  # fmt: skip
"""What a point keeps of metrics.json."""
Given: TypeAlias = tuple[Mapping[str, Loaded[ArchSpec]], Mapping[str, Loaded[Workload]]]


@dataclass(frozen=True)
class Inputs(Spread):
    """A chip, a workload, the figures that are varied, and whether each point is trained, or has intervals, as well."""

    words = "sweep"
    option: ClassVar[str] = "--vary"
    arch: str
    workload: str
    vary: tuple[str, ...] = ()
    together: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    sample: int | None = None
    sampler: str | None = None
    sets: tuple[str, ...] = given("--set")
    train: bool = False
    ablate: tuple[str, ...] = ()
    epochs: int | None = None
    seeds: int | None = None
    seed: int = 0
    intervals: bool = False
    data: Path | None = unsaid()
    resume: bool = unsaid(False)

    @property
    def sides(self) -> tuple[str, ...]:
        """What is trained at each point."""
        return SIDES


class Grid:
    """A chip and a workload, or several of each, ready to be run with settings.

    `given` are those of the command by "", and others by what `--vary` calls them, without `inputs.sets`, which may be
    whole only together with what is varied; `data` says by the hash of a workload on which data it is trained. They lie
    where the command says, or where they were `sent` as lying.
    """

    def __init__(self, inputs: Inputs, given: Given, data: Mapping[str, str], sent: Path | None = None) -> None:
        self._folder = inputs.data if sent is None else folder_here(sent)
        self.inputs, self.given, self.data = inputs, given, data
        self.ablated = tuple(sorted(set(inputs.ablate)))
        self.seeds = tuple(seeds_from(inputs.seed, inputs.seeds or 1))
        self._sets = split_overrides(inputs.sets)
        self._data: tuple[Workload, Data] | None = None
        self._baselines: dict[tuple[str, str, int], list[Reached]] = {}
        self._loaded: list[tuple[PointSettings, Loaded[Any]] | None] = [None, None]

    def named(self, side: int, name: str = "") -> Named:
        """Return a chip (0) or workload (1) as set at all points; as given, if it is whole only with a value."""
        try:
            return named(self.load(side, {SPECS[side]: name}))
        except SpecError:
            return named(self.given[side][name])

    def bases(self, settings: PointSettings) -> tuple[Loaded[ArchSpec], Loaded[Workload]]:
        """Return the chip and the workload that a point's settings are set in."""
        arch, workload = (settings.get(key, "") for key in SPECS)
        return self.given[0][arch], self.given[1][workload]

    def specs(self, settings: PointSettings) -> tuple[Loaded[ArchSpec], Loaded[Workload]]:
        """Return the chip and the workload of a point; raise SpecError where they are wrong together."""
        arch, workload = (self.load(side, settings) for side in (0, 1))
        return arch, workload

    def __reduce__(self) -> tuple[Any, ...]:
        return _known, self._sent

    @cached_property
    def _sent(self) -> tuple[str, bytes]:
        """What another process makes this grid of, with a name by which it knows it again: made once for all points."""
        sent = pickle.dumps((self.inputs, self.given, self.data, sent_folder(self.inputs.data)))
        return hashlib.sha256(sent).hexdigest(), sent

    def run(
        self, settings: PointSettings, inside: Inside = lambda part, now: None, names: Sequence[str] = METRICS
    ) -> Made:  # fmt: skip
        """Return what is made of a point: metrics of these names, and what trainings reached; or why it is refused.

        `inside` is called with the part of the point that is done, and where its training is. Raises UnseenDataError
        where the data that it is to be trained on cannot be read here.
        """
        data: str | None = None
        try:
            arch, workload = self.specs(settings)
            data = self.data.get(workload.hash)
            found: dict[str, float | None] = {}
            activity = training = None
            if self.inputs.train:
                runs, activity = self._train(arch.value, workload, inside)
                found, training = reached(runs, self.inputs.sides)
            count = self._examples(workload.value)
            metrics, audits = checked(
                arch, workload, count, activity=activity,
                progress=lambda done: inside(1.0 if self.inputs.train else done / count, None),
                intervals=self.inputs.intervals,
            )  # fmt: skip
        except UnseenDataError:
            raise
        except ArchsimError as error:
            return Made(data=data, refused=str(error))
        ends = {name: [f"{name}_{end}" for end in ENDS] for name in names}
        own = {each: metrics[each] for name in names for each in (name, *ends[name]) if each == name or each in metrics}
        failed = tuple(check["name"] for check in audits if not check["passed"])
        return Made(metrics={**own, **found}, training=training, data=data, audits_failed=failed)

    def _examples(self, workload: Workload) -> int:
        return (self.inputs.epochs or workload.training.epochs) * workload.dataset.examples

    def load(self, side: int, settings: PointSettings) -> Loaded[Any]:
        """Return the chip (0) or the workload (1) of a point; what is wrong with varied keys is told as such."""
        last = self._loaded[side]
        named = {SPECS[side]: settings.get(SPECS[side], "")}
        own = named | {key: value for key, value in settings.items() if side_of(key) == side}
        if last is not None and last[0] == own:  # as the workload is at most points
            return last[1]
        texts = [*self._sets[side], *settings_text(own, without=SPECS)]
        try:
            found = self.given[side][named[SPECS[side]]].with_overrides(texts)
        except SpecError as error:
            wheres = {f"--set {key}": f"{self.inputs.option} {key}" for key in settings}
            raise SpecError(
                replace(each, where=wheres.get(each.where, each.where)) for each in error.problems
            ) from None
        self._loaded[side] = own, found
        return found

    def digest_of(self, workload: Workload) -> str:
        """Return what names the data that a workload is trained on; raise SpecError if there are none."""
        return data_name(self._data_of(workload))

    def _data_of(self, workload: Workload) -> Data:
        """Return a workload's data; the last ones are kept."""
        if self._data is not None:
            kept, data = self._data
            if (kept.dataset, kept.layers) == (workload.dataset, workload.layers):
                return data
        self._data = None  # before others are loaded
        self._data = workload, load_data(workload, self._folder, self.inputs.seed)
        return self._data[1]

    def _seen(self, workload: Loaded[Workload]) -> Data:
        """Return a workload's data; raise UnseenDataError unless they are those that the sweep was begun with.

        Where it was begun without any, raises SpecError with the reason.
        """
        return seen(lambda: self._data_of(workload.value), workload.value.name, self.data.get(workload.hash))

    def _train(
        self, arch: ArchSpec, workload: Loaded[Workload], inside: Inside
    ) -> tuple[list[list[Epoch]], ActivityFile | None]:
        """Return what each seed's epochs reached on one chip, and the activity that was measured in all of them."""
        check_network(workload.value)
        epochs = self.inputs.epochs or workload.value.training.epochs
        EPOCHS.check(epochs, "training.epochs")
        if "chip" not in self.inputs.sides:
            return self._train_baselines(workload, epochs, inside), None
        check_cells(arch)
        chip = build_chip(arch)
        schedule = build_schedule(chip, map_workload(workload.value, chip), self._examples(workload.value))
        data = self._seen(workload)
        timeline = simulate(schedule, timeline=True, progress=lambda done: inside(0.0, None)).timeline
        assert timeline is not None
        chunks = shortened(schedule, timeline.chunks)
        runs: list[list[Epoch]] = []
        reads: list[Measured] = []
        for seed in self.seeds:
            known = self._baselines.setdefault((workload.hash, self.data[workload.hash], seed), [])
            training = Training(schedule, data, seed=seed, ablate=self.ablated, known=known,
                                compared="float" in self.inputs.sides)  # fmt: skip

            def told(now: Progress, before: int = len(runs), epochs: int = training.epochs) -> None:
                inside((before + now.epochs / epochs) / len(self.seeds), now)

            training.play(chunks, progress=told)
            runs.append(training.found)
            reads += training.model.activity()
        measured = together(reads)
        return runs, activity_of([layer.name for layer in workload.value.layers], measured) if measured else None

    def _train_baselines(self, workload: Loaded[Workload], epochs: int, inside: Inside) -> list[list[Epoch]]:
        """Return what the epochs of each seed's baseline reached, without a chip."""
        data, runs = self._seen(workload), list[list[Epoch]]()
        for seed in self.seeds:
            known = self._baselines.setdefault((workload.hash, self.data[workload.hash], seed), [])

            def told(now: Progress, before: int = len(runs)) -> None:
                inside((before + now.epochs / epochs) / len(self.seeds), now)

            runs.append(
                baseline_alone(workload.value, data, seed=seed, epochs=epochs, known=known, progress=told)
            )  # fmt: skip
        return runs


def followed(inputs: Inputs, given: Given) -> Given:
    """Return what is given with workloads whose epochs have no more examples than their data, where these are read."""
    grid, found = Grid(inputs, given, {}), dict(given[1])
    for name, base in given[1].items():
        with suppress(SpecError):  # which is told where a point is made of it
            own = grid.load(1, {SPECS[1]: name})
            there = following(own, inputs.data, inputs.seed)[0].value.dataset.examples
            if there != own.value.dataset.examples:
                found[name] = base.with_overrides([f"dataset.examples={there}"])
    return given[0], found


_KNOWN: dict[str, Grid] = {}


def _known(name: str, sent: bytes) -> Grid:
    """Return the grid that another process sent; the last one is kept, with its data and baselines."""
    if name not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[name] = Grid(*pickle.loads(sent))
    return _KNOWN[name]


@cache
def side_of(key: str) -> int:
    """Return whether a key is of the chip (0) or of the workload (1)."""
    return SPECS.index(key) if key in SPECS else int(bool(split_overrides([f"{key}="])[1]))


def reached(
    runs: Sequence[Sequence[Epoch]], sides: Sequence[str] = SIDES
) -> tuple[dict[str, float | None], dict[str, Runs[float | None]]]:
    """Return what seeds reached after the last epoch, and in each, on the sides that were trained.

    These are means and sample standard deviations (None for one seed) over seeds, and pulses per synapse; and accuracy
    and loss by seed and epoch. R2 stands for accuracy where examples have values for classes; where they have one at
    each step, cross-entropy stands beside it. Where some are held back for validation, these are read as well, and the
    test set after the last epoch alone.
    """
    what = "accuracy" if all(getattr(run[-1], f"accuracy_{sides[0]}") is not None for run in runs) else "r2"
    held = any(getattr(run[-1], f"{what}_validation_{sides[0]}") is not None for run in runs)
    tested, validated = ([f"{what}{part}_{where}" for where in sides] for part in ("", "_validation"))
    read = [*tested, *(validated if held else [])]
    entropies = [name.replace(what, "cross_entropy", 1) for name in read]
    read += [name for name in entropies if all(getattr(run[-1], name) is not None for run in runs)]
    columns = {
        name: tuple(tuple(getattr(entry, name) for entry in run) for run in runs)
        for name in (*tested, *(f"loss_{where}" for where in sides), *read[len(tested) :])
    }
    found: dict[str, float | None] = {}
    for name in read:
        known = [run[-1] for run in columns[name] if run[-1] is not None]
        whole = len(known) == len(runs)
        found[f"{name}_mean"] = fmean(known) if whole else None
        found[f"{name}_std"] = stdev(known) if whole and len(known) > 1 else None
    if len(sides) > 1:
        chip, floating = (found[f"{name}_mean"] for name in tested)
        found[f"{what}_difference"] = None if chip is None or floating is None else chip - floating
    if "chip" in sides:
        found["pulses_per_synapse"] = fmean(run[-1].pulses_per_synapse for run in runs)
    return found, columns
