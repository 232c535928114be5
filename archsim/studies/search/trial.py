"""A point of a search as a task: a run with the settings that the library asks for, trained where that is judged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median
from typing import Any, ClassVar

from archsim.base.errors import ArchsimError, SpecError
from archsim.base.record import Record
from archsim.base.words import counted
from archsim.functional.epochs import Epoch
from archsim.functional.train import Progress as Place
from archsim.results.metrics import METRICS
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, flat
from archsim.spec.named import may_name_a_file
from archsim.spec.settings import split_overrides
from archsim.studies.sweep.grid import Given, Grid
from archsim.studies.sweep.grid import Inputs as Swept
from archsim.studies.sweep.points import VALIDATED, Made, PointSettings, settings_text
from archsim.studies.tasks.on_chip import ranges_told
from archsim.studies.tasks.task import Inside, Task, depends_of, labelled, unheard
from archsim.studies.train.seed_task import SYNAPSE_S

RUNGS = (4, 2)
"""A training is judged after a quarter and after half of its epochs. An assumption."""
Limits = tuple[tuple[int, float], ...]
"""(epochs, what a training has to have reached by then) in rising order."""


@dataclass(frozen=True)
class Asked(Swept):
    """What the points of a search have in common, as a sweep that varies nothing has it."""

    option = "--search"
    asked_for: tuple[str, ...] = ()

    @property
    def sides(self) -> tuple[str, ...]:
        """What metrics ask for."""
        return self.asked_for


class Alike(Mapping[str, str]):
    """On which data a workload is trained, by its hash: on the same, whatever else is set in it."""

    def __init__(self, named: str) -> None:
        self.named = named

    def __getitem__(self, key: str) -> str:
        return self.named

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def common_of(asked: Asked, given: Given) -> Grid:
    """Return what is run with settings; raise SpecError where a training has no data."""
    grid = Grid(asked, given, {})
    return Grid(asked, given, Alike(grid.digest_of(grid.load(1, {}).value))) if asked.train else grid


def held_back(asked: Asked, given: Given) -> tuple[Asked, Asked]:
    """Return a search whose points are judged on examples that are held back, and one that trains on all of them.

    Where the workload holds none back, a sixth of those of an epoch are.
    """
    own = Grid(asked, given, {}).load(1, {}).value.dataset
    held = own.validation or max(1, own.examples // 6)
    every = own.examples + own.validation
    parts = [(every - held, held), (every, 0)]
    judged, whole = (
        replace(asked, sets=(*asked.sets, f"dataset.examples={count}", f"dataset.validation={apart}"))
        for count, apart in parts
    )
    return judged, whole


def given_of(grid: Grid, keys: Sequence[str]) -> PointSettings:
    """Return what the spec as given has of some keys, "" where that cannot be said in one word."""
    try:
        specs: tuple[Loaded[Any], ...] = grid.specs({})
    except SpecError:
        specs = ()
    figures = {path: figure.text for own in specs for path, figure in own.figures.items()}
    plain = {path: value for own in specs for path, value in flat(own.value.resolved(), "").items()}
    return {key: figures.get(key, str(plain.get(key, ""))) for key in keys}


def settled(grid: Grid, settings: PointSettings) -> tuple[Loaded[ArchSpec], Sequence[str], Sequence[str]]:
    """Return the chip as given with what is set in it, a point's settings of it, and all those of the workload."""
    sets, _ = split_overrides(grid.inputs.sets)
    mine, theirs = split_overrides(settings_text(settings))
    _, others = split_overrides(grid.inputs.sets)
    return replace(grid.bases({})[0], overrides=tuple(sets)), mine, [*others, *theirs]


class HopelessError(ArchsimError):
    """A training has reached less than half of those before it had by then."""


@dataclass(frozen=True)
class TrialTask(Task[Made]):
    """A point of a search, to be run and perhaps trained; without settings it is the spec as given.

    A training that does not reach its `limits` in what is `judged` of each epoch ends there.
    """

    result: ClassVar[type[Record]] = Made
    grid: Grid
    settings: PointSettings
    judged: str = ""
    limits: Limits = ()

    @property
    def words(self) -> str:
        """Its settings, the last parts of their keys."""
        return ", ".join(f"{key.split('.')[-1]}={value}" for key, value in self.settings.items()) or "as given"

    @property
    def estimate_s(self) -> float:
        """How long its training takes at least."""
        workload, inputs = self.grid.bases({})[1].value, self.grid.inputs
        examples = (inputs.epochs or workload.training.epochs) * workload.dataset.examples
        return examples * workload.synapses * SYNAPSE_S if inputs.train else 0.0

    def labels(self) -> Mapping[str, str]:
        """Return chip and workload, and all that is set of them."""
        arch, workload = self.grid.bases({})
        return {**labelled(arch.value.name, workload.value.name, self.grid.inputs.sets), **self.settings}

    def asked(self) -> Mapping[str, Any]:
        """Return the specs as given, and what is set in them."""
        arch, workload = (own.digest for own in self.grid.bases({}))
        sets = [*self.grid.inputs.sets, *settings_text(dict(sorted(self.settings.items())))]
        resolved = depends_of(self) if any(map(may_name_a_file, sets)) else None
        return {"arch": arch, "workload": workload, "set": sets, "resolved": resolved, **self._how(),
                **self._drawn(self.grid.bases({})[0])}  # fmt: skip

    def depends(self) -> Mapping[str, Any]:
        """Return the specs of the point; raise SpecError where they are wrong."""
        arch, workload = self.grid.specs(self.settings)
        return {"arch": arch.digest, "workload": workload.digest, **self._how(), **self._drawn(arch)}

    def _drawn(self, arch: Loaded[ArchSpec]) -> Mapping[str, Any]:
        return {"ranges": ranges_told(arch)} if self.grid.inputs.intervals else {}

    def _how(self) -> Mapping[str, Any]:
        own = self.grid
        if not own.inputs.train:
            return {"epochs": own.inputs.epochs}  # nothing is drawn
        return {"epochs": own.inputs.epochs, "seed": own.inputs.seed, "data": own.data.get(""), "judged": self.judged,
                "limits": self.limits, "sides": list(own.inputs.sides)}  # fmt: skip

    def compute(self, inside: Inside = unheard) -> Made:
        """Run the point; why it cannot be run is a result, too, and so is what a training had reached when it ended."""
        seen: dict[int, float] = {}

        def told(part: float, now: Place | None) -> None:
            inside(part, "" if now is None else f"epoch {now.epoch + 1}")
            if now is not None and now.last is not None:
                self._judge(now.last, seen)

        made = self.grid.run(self.settings, told, METRICS)
        if made.refused is None:
            return untested(made)
        if not self._is_below(seen):
            return made
        values = tuple(seen.get(epoch) for epoch in range(1, max(seen) + 1))
        return made.model_copy(update={"training": {self.judged: (values,)}})

    def _judge(self, last: Epoch, seen: dict[int, float]) -> None:
        """Raise HopelessError where a training has not reached what it had to after so many epochs."""
        value = getattr(last, self.judged) if self.judged else None
        if value is not None:
            seen[last.epoch + 1] = value
            if self._is_below(seen):
                raise HopelessError(f"stopped after {counted(last.epoch + 1, 'epoch')}: {value:.4g} was reached, less "
                                    "than the median of those before it")  # fmt: skip

    def _is_below(self, seen: Mapping[int, float]) -> bool:
        return any(seen.get(after, limit) < limit for after, limit in self.limits)


def untested(made: Made) -> Made:
    """Return what was made of a point without what it reaches on the test set, where others judge it."""
    if made.metrics is None or not any(made.has(name) for name in VALIDATED.values()):
        return made

    def judges(name: str) -> bool:
        return "validation" in name or not name.startswith(("accuracy", "r2", "cross_entropy"))

    parts = {name: getattr(made, name) or {} for name in ("metrics", "training")}
    return made.model_copy(update={
        part: {name: own for name, own in found.items() if judges(name)} for part, found in parts.items()
    })  # fmt: skip


def limits_of(made: Sequence[Made], judged: str, epochs: int, least: int) -> Limits:
    """Return what a training has to reach by the rungs: the median of those before it, once they are `least`."""
    runs = [own.training[judged][0] for own in made if own.training is not None and judged in own.training]
    found = []
    for after in sorted({epochs // part for part in RUNGS} - {0, epochs}):
        known = [own[after - 1] for own in runs if len(own) >= after]
        values = [value for value in known if value is not None]
        if len(values) >= least:
            found.append((after, median(values)))
    return tuple(found)
