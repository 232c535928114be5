"""Sweeps as the command makes them: points are kept as they come, and a sweep that was interrupted goes on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numba
import numpy as np
from pydantic import ValidationError

from archsim.base.errors import Problem, SpecError
from archsim.base.record import Named, faults_of
from archsim.base.words import counted
from archsim.functional.checkpoint import check_identity
from archsim.functional.train import Progress as Place
from archsim.functional.train import check_ablations, seeds_from
from archsim.spec.loading import Loaded, load_arch, split_overrides
from archsim.studies import study
from archsim.studies.names import all_faults, default_folder
from archsim.studies.study import Prepared, Progress, Study, given, named, registered, unsaid
from archsim.studies.sweep.axes import axes_of
from archsim.studies.sweep.document import document
from archsim.studies.sweep.grid import Grid, Trainings
from archsim.studies.sweep.points import Point, Settings, Sweep, Trained, point_words, settings_text, with_pareto
from archsim.studies.underway import Underway
from archsim.workload import load_workload

NAME = "sweep.json"
HINT = "go on with what it was begun with, or sweep without --resume"


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """A chip, a workload, the figures that are varied, and whether each point is trained as well."""

    words = "sweep"
    arch: str
    workload: str
    vary: tuple[str, ...] = ()
    sets: tuple[str, ...] = given("--set")
    train: bool = False
    ablate: tuple[str, ...] = ()
    epochs: int | None = None
    seeds: int | None = None
    seed: int = 0
    data: Path | None = unsaid()
    resume: bool = unsaid(False)


def prepare(inputs: Inputs) -> Prepared[Sweep]:
    """Return a sweep to be made; raise SpecError with what is wrong for all points."""
    _check_training(inputs)
    axes = axes_of(inputs.vary, inputs.sets)
    check_ablations(dict.fromkeys(inputs.ablate))
    ablated = tuple(sorted(set(inputs.ablate)))
    seeds = tuple(seeds_from(inputs.seed, inputs.seeds or 1))
    chip, network = all_faults([lambda: load_arch(inputs.arch), lambda: load_workload(inputs.workload)])
    trainings = trained = None
    if inputs.train:
        trainings = Trainings(seeds, ablated, inputs.data)
        trained = Trained(seeds=seeds, ablated=ablated, versions={"numpy": np.__version__, "numba": numba.__version__})
    grid = Grid(chip, network, axes, sets=inputs.sets, epochs=inputs.epochs, seed=inputs.seed, trainings=trainings)
    mine, theirs = split_overrides(inputs.sets)
    begun = Sweep(
        command=inputs.line, arch=_named(chip, mine), workload=_named(network, theirs), set=inputs.sets,
        vary={axis.key: axis.values for axis in axes}, epochs=inputs.epochs, train=trained,
        reads_billed_by="the activity measured in each point's trainings" if inputs.train else "the spec",
    )  # fmt: skip
    more = [*inputs.sets, *(axis.key for axis in axes), *(["--train", *ablated] if inputs.train else [])]
    suffix = hashlib.sha256("\n".join(more).encode()).hexdigest()[:8]
    return Prepared(default_folder(chip, network, f"sweep--{suffix}"), partial(sweep, grid, begun, inputs.resume))


def sweep(grid: Grid, begun: Sweep, resume: bool, progress: Progress, folder: Path) -> Sweep:
    """Return a sweep, which is kept in a folder point by point, so that it can be resumed."""
    with Points(grid, begun, resume, progress, folder) as points:
        for settings in points.wanted:
            if _key(settings) not in points.ready:
                points.run(settings)
        return points.so_far()


class Points(Underway[Sweep]):
    """A sweep under way: the points that are `wanted`, and those that are `ready`."""

    def __init__(self, grid: Grid, begun: Sweep, resume: bool, progress: Progress, folder: Path) -> None:
        super().__init__(STUDY, folder, progress)
        self.grid, self._empty, self.wanted = grid, begun, grid.points()
        kept = self._kept(_read(folder)) if resume else ()
        self.ready = {_key(point.settings): point for point in kept}
        self.begun = bool(kept)

    def so_far(self) -> Sweep:
        """Return the points that are ready, in the order of the grid."""
        found = [self.ready[_key(settings)] for settings in self.wanted if _key(settings) in self.ready]
        complete = len(found) == len(self.wanted)
        return self._empty.model_copy(update={"complete": complete, "points": with_pareto(found)})

    def run(self, settings: Settings) -> None:
        """Run a point, and keep it."""
        done, total = len(self.ready), len(self.wanted)
        point, where = point_words(done, total, settings)

        def inside(part: float, now: Place | None) -> None:
            told = "" if now is None else f", {_training_words(now, self._empty.train)}"
            self.progress(done + part, total, f"{point}{told}\n{where}")

        inside(0.0, None)
        self.ready[_key(settings)] = self.grid.run(settings, inside)
        self.keep()

    def _kept(self, before: Sweep) -> Sequence[Point]:
        """Return the points that are there; raise SpecError, with all differences, if they are not of this sweep."""
        place = f"the {NAME} that is there"
        check_identity(_identity(before), _identity(self._empty), place, HINT)
        keys = set(map(_key, self.wanted))
        strange = [point.settings for point in before.points if _key(point.settings) not in keys]
        if strange:
            more = f" and {counted(len(strange) - 1, 'more point')}" if len(strange) > 1 else ""
            what = f"{', '.join(settings_text(strange[0]))}{more} in {place}, not in this grid"
            hint = "give all values that were begun with, and more if you like"
            raise SpecError([Problem("--resume: vary", what, hint)])
        for point in before.points:
            if point.refused is None and self._empty.train is not None:
                now = self.grid.data.get(self.grid.specs(point.settings)[1].hash)
                check_identity({"data": point.data}, {"data": now}, place, HINT)
        return before.points


def _training_words(now: Place, trained: Trained | None) -> str:
    """Return where the training of a point stands."""
    seed = f"seed {now.seed}, " if trained is not None and len(trained.seeds) > 1 else ""
    loss = "" if now.loss_chip is None else f", loss {now.loss_chip:.3f}"
    return f"{seed}epoch {now.epoch + 1}{loss}"


def _key(settings: Settings) -> str:
    return json.dumps(dict(settings), sort_keys=True)


def _named(loaded: Loaded[Any], sets: Sequence[str]) -> Named:
    """Return name and hash of a spec with its settings; without them, if they are whole only with what is varied."""
    with contextlib.suppress(SpecError):
        loaded = loaded.with_overrides(sets)
    return named(loaded)


def _check_training(inputs: Inputs) -> None:
    given = (("--seeds", inputs.seeds is not None), ("--ablate", bool(inputs.ablate)),
             ("--data", inputs.data is not None))  # fmt: skip
    problems = [
        Problem(option, "is of no use without --train", "give --train as well, or leave it out")
        for option, is_given in given if is_given and not inputs.train
    ]  # fmt: skip
    if problems:
        raise SpecError(problems)


def _read(folder: Path) -> Sweep:
    """Return the sweep that a folder holds; raise SpecError if there is none, or if it is damaged."""
    path = folder / NAME
    if not path.is_file():
        what = f"there is nothing to resume: no {NAME} is in {folder}"
        raise SpecError([Problem("--resume", what, "sweep without --resume, or name its --out")])
    try:
        return Sweep.read(path.read_text("utf-8"))
    except ValidationError as error:
        fault = faults_of(error, NAME, "")[0]
        reason = f"{fault.where} {fault.what}"
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
    raise SpecError([Problem(str(path), f"is damaged ({reason})", "nothing can be resumed; sweep without --resume")])


def _identity(data: Sweep) -> dict[str, Any]:
    """Return what two sweeps must have in common, so that points of one are points of the other."""
    train = data.train
    versions = {"archsim": data.version, **(train.versions if train is not None else {})}
    return {
        "arch": f"{data.arch.name} {data.arch.hash}",
        "workload": f"{data.workload.name} {data.workload.hash}",
        "set": list(data.sets),
        "vary": list(data.vary),
        "train": "yes" if train is not None else "no",
        "seeds": None if train is None else list(train.seeds),
        "epochs": "the workload's" if data.epochs is None else data.epochs,
        "ablated": None if train is None else list(train.ablated),
        "version": ", ".join(f"{name} {number}" for name, number in versions.items()),
    }


STUDY = registered(Study(
    Inputs, Sweep, NAME, prepare, document, lambda data: not any(point.audits_failed for point in data.points),
    keeps="point",
))  # fmt: skip
