"""A point of a sweep as a task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from archsim.base.record import Record
from archsim.functional.train import Progress as Place
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.spec.named import may_name_a_file
from archsim.studies.sweep.axes import SPECS
from archsim.studies.sweep.grid import Grid
from archsim.studies.sweep.points import Made, PointSettings, settings_text
from archsim.studies.tasks.on_chip import ranges_told
from archsim.studies.tasks.task import Inside, Task, depends_of, labelled, unheard
from archsim.studies.train.seed_task import SYNAPSE_S


@dataclass(frozen=True)
class PointTask(Task[Made]):
    """A point of a grid, to be run and, where that is asked, trained."""

    result: ClassVar[type[Record]] = Made
    grid: Grid
    settings: PointSettings

    @property
    def words(self) -> str:
        """Its settings, the last parts of their keys."""
        return ", ".join(f"{key.split('.')[-1]}={value}" for key, value in self.settings.items())

    @property
    def estimate_s(self) -> float:
        """How long its trainings take at least."""
        workload, inputs = self.grid.bases(self.settings)[1].value, self.grid.inputs
        examples = (inputs.epochs or workload.training.epochs) * workload.dataset.examples * len(self.grid.seeds)
        return examples * workload.synapses * SYNAPSE_S if inputs.train else 0.0

    def labels(self) -> Mapping[str, str]:
        """Return chip and workload, and all that is set of them."""
        arch, workload = self.grid.bases(self.settings)
        return {**labelled(arch.value.name, workload.value.name, self.grid.inputs.sets), **self.settings}

    def asked(self) -> Mapping[str, Any]:
        """Return the specs as given, what is set in them, and the data of all workloads that come of that."""
        arch, workload = (own.digest for own in self.grid.bases(self.settings))
        sets = [*self.grid.inputs.sets, *settings_text(dict(sorted(self.settings.items())), without=SPECS)]
        data = dict(self.grid.data)
        resolved = depends_of(self) if any(map(may_name_a_file, sets)) else None
        return {"arch": arch, "workload": workload, "set": sets, "data": data, "resolved": resolved, **self._how(),
                **self._drawn(self.grid.bases(self.settings)[0])}  # fmt: skip

    def depends(self) -> Mapping[str, Any]:
        """Return the specs of the point; raise SpecError where they are wrong."""
        arch, workload = self.grid.specs(self.settings)
        data = self.grid.data.get(workload.hash)
        how = {**self._how(), **self._drawn(arch)}
        return {"arch": arch.digest, "workload": workload.digest, "data": data, **how}

    def _drawn(self, arch: Loaded[ArchSpec]) -> Mapping[str, Any]:
        return {"ranges": ranges_told(arch)} if self.grid.inputs.intervals else {}

    def _how(self) -> Mapping[str, Any]:
        inputs = self.grid.inputs
        train = {"seeds": list(self.grid.seeds), "ablated": list(self.grid.ablated)} if inputs.train else None
        return {"epochs": inputs.epochs, "seed": inputs.seed, "train": train}

    def compute(self, inside: Inside = unheard) -> Made:
        """Run the point."""

        def told(part: float, now: Place | None) -> None:
            if now is not None:
                seed = f"seed {now.seed}, " if len(self.grid.seeds) > 1 else ""
                loss = "" if now.loss_chip is None else f", loss {now.loss_chip:.3f}"
                inside(part, f"{seed}epoch {now.epoch + 1}{loss}")
            else:
                inside(part, "")

        return self.grid.run(self.settings, told)
