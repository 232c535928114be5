"""Sweeps as the command makes them: points are kept as they come, and a sweep that was interrupted goes on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba
import numpy as np

from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.functional.checkpoint import check_identity
from archsim.functional.train import Progress as Place
from archsim.studies.names import default_folder
from archsim.studies.study import Prepared, Progress, Study, edited, registered
from archsim.studies.sweep.document import document
from archsim.studies.sweep.grid import Grid, Inputs
from archsim.studies.sweep.points import Point, Settings, Sweep, Trained, point_words, settings_text, with_pareto
from archsim.studies.underway import Underway

NAME = "sweep.json"
HINT = "go on with what it was begun with, or sweep without --resume"


def prepare(inputs: Inputs) -> Prepared[Sweep]:
    """Return a sweep to be made; raise SpecError with what is wrong for all points."""
    grid = Grid(inputs)
    versions = {"numpy": np.__version__, "numba": numba.__version__}
    begun = Sweep(
        command=inputs.line, arch=grid.named(0), workload=grid.named(1), set=inputs.sets,
        vary={axis.key: axis.values for axis in grid.axes}, epochs=inputs.epochs,
        train=Trained(seeds=grid.seeds, ablated=grid.ablated, versions=versions) if inputs.train else None,
        reads_billed_by="the activity measured in each point's trainings" if inputs.train else "the spec",
    )  # fmt: skip
    more = [*inputs.sets, *begun.vary, *(["--train", *grid.ablated] if inputs.train else [])]
    suffix = hashlib.sha256("\n".join(more).encode()).hexdigest()[:8]
    folder = default_folder(*grid.given, f"sweep--{suffix}")
    return Prepared(folder, lambda progress, where: Points(grid, begun, progress, where).finish())


class Points(Underway[Sweep]):
    """A sweep under way: the points that are `wanted`, and those that are `ready`."""

    def __init__(self, grid: Grid, begun: Sweep, progress: Progress, folder: Path) -> None:
        super().__init__(STUDY, folder, progress)
        self.grid, self._empty, self.wanted = grid, begun, grid.points()
        kept = self._kept(_read(folder)) if grid.inputs.resume else ()
        self.ready = {_key(point.settings): point for point in kept}
        self.begun = bool(kept)

    def work(self) -> None:
        """Run all points that are not ready, and keep each."""
        for settings in self.wanted:
            if _key(settings) not in self.ready:
                self.ready[_key(settings)] = self._run(settings)
                self.keep()

    def so_far(self) -> Sweep:
        """Return the points that are ready, in the order of the grid."""
        found = [self.ready[_key(settings)] for settings in self.wanted if _key(settings) in self.ready]
        complete = len(found) == len(self.wanted)
        return self._empty.model_copy(update={"complete": complete, "points": with_pareto(found)})

    def _run(self, settings: Settings) -> Point:
        done, total = len(self.ready), len(self.wanted)

        def inside(part: float, now: Place | None) -> None:
            self.progress(done + part, total, point_words(done, total, settings, now, len(self.grid.seeds) > 1))

        inside(0.0, None)
        return self.grid.run(settings, inside)

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


def _key(settings: Settings) -> str:
    return json.dumps(dict(settings), sort_keys=True)


def _read(folder: Path) -> Sweep:
    """Return the sweep that a folder holds; raise SpecError if there is none, or if it is damaged."""
    path = folder / NAME
    if not path.is_file():
        what = f"there is nothing to resume: no {NAME} is in {folder}"
        raise SpecError([Problem("--resume", what, "sweep without --resume, or name its --out")])
    found = Sweep.read_file(path, str(path), "nothing can be resumed; sweep without --resume")
    with edited(str(path), "nothing can be resumed; sweep without --resume"):
        document(found)  # as it could be shown when it was written
    return found


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
