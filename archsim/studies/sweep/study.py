"""Sweeps as the command makes them: points are kept as they come, and a sweep that was interrupted goes on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numba
import numpy as np

from archsim.base.errors import ArchsimError, SpecError
from archsim.base.record import Named
from archsim.studies.names import default_folder
from archsim.studies.study import Prepared, Progress, Study, registered, unfolded
from archsim.studies.sweep.asked import Asked, asked
from archsim.studies.sweep.document import document
from archsim.studies.sweep.grid import Grid, Inputs
from archsim.studies.sweep.point_task import PointTask
from archsim.studies.sweep.points import Made, Point, Sweep, Trained, with_pareto
from archsim.studies.sweep.samples import SAMPLERS
from archsim.studies.tasks.bench import OWN_STORE, bench
from archsim.studies.tasks.workers import WorkerDiedError
from archsim.studies.underway import Underway


def prepare(inputs: Inputs) -> Prepared[Sweep]:
    """Return a sweep to be made; raise SpecError with what is wrong for all points."""
    found = asked(inputs)
    grid, space = found.grid, found.space
    versions = {"numpy": np.__version__, "numba": numba.__version__}
    begun = Sweep(
        command=inputs.line, arch=grid.named(0), workload=grid.named(1), set=inputs.sets,
        vary={axis.key: axis.values for axis in space.axes}, epochs=inputs.epochs,
        together=space.together, sampled=space.sampled, samples=space.samples,
        sampler=(inputs.sampler or SAMPLERS[0]) if space.sampled else None,
        where=inputs.where, left_out=found.left_out, archs=_varied(grid, 0), workloads=_varied(grid, 1),
        train=Trained(seeds=grid.seeds, ablated=grid.ablated, versions=versions) if inputs.train else None,
        reads_billed_by="the activity measured in each point's trainings" if inputs.train else "the spec",
    )  # fmt: skip
    more = [*inputs.sets, *begun.vary, *(["--train", *grid.ablated] if inputs.train else [])]
    suffix = hashlib.sha256("\n".join(more).encode()).hexdigest()[:8]
    folder = default_folder(*grid.bases({}), f"sweep--{suffix}")
    return Prepared(folder, lambda progress, where: Points(found, begun, progress, where).finish())


def _varied(grid: Grid, side: int) -> dict[str, Named]:
    """Return the chips (0) or workloads (1) that are varied, as all points have them, by what they are called."""
    return {key: grid.named(side, key) for key in grid.given[side] if key}


class Points(Underway[Sweep]):
    """A sweep under way: the settings of all points, and what was `made` of those that are ready."""

    def __init__(self, found: Asked, begun: Sweep, progress: Progress, folder: Path) -> None:
        super().__init__(STUDY, folder, progress)
        self.grid, self._empty, self.wanted = found.grid, begun, found.points
        self.made: dict[int, Made] = {}
        if self.grid.inputs.resume and self.grid.inputs.store is None and not (folder / OWN_STORE).is_file():
            what = f"there is nothing to go on from: no {OWN_STORE} is in {folder}"
            raise SpecError.at("--resume", what, "sweep without --resume, or name its --out")

    def work(self) -> None:
        """Have all points made that are not kept from before."""
        total = len(self.wanted)
        tasks = [PointTask(self.grid, settings) for settings in self.wanted]
        with bench(self.grid.inputs, self.folder, resumes=True) as compute:
            for place, found in compute(tasks, lambda done, words: self.progress(done, total, words)):
                if isinstance(found, WorkerDiedError):
                    found = Made(refused=str(found))  # and not kept: another machine may do it
                elif isinstance(found, ArchsimError):
                    raise found
                assert isinstance(found, Made)
                self.made[place], self.begun = found, True

    def so_far(self) -> Sweep:
        """Return the points that are ready, in the order of the grid."""
        found = [Point.of(self.wanted[place], made) for place, made in sorted(self.made.items())]
        complete = len(found) == len(self.wanted)
        return self._empty.model_copy(update={"complete": complete, "points": with_pareto(found)})


STUDY = registered(Study(
    Inputs, Sweep, "sweep.json", prepare, document, lambda data: not any(point.audits_failed for point in data.points),
    keeps="point", rows=lambda data: [unfolded(own.plain(), "settings", "metrics") for own in data.points],
))  # fmt: skip
