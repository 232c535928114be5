"""A point of a search as a task: a run with the settings that the library asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from archsim.base.errors import ArchsimError, SpecError
from archsim.base.record import Record
from archsim.results.evaluate import evaluate
from archsim.results.metrics import METRICS
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, flat
from archsim.spec.settings import split_overrides
from archsim.studies.sweep.points import Made, Settings, settings_text
from archsim.studies.tasks.task import Inside, Task, labelled, unheard
from archsim.workload.network import Workload


@dataclass(frozen=True)
class Common:
    """What all points of a search have in common: chip and workload as given, what is set in both, and the epochs."""

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    sets: tuple[str, ...] = ()
    epochs: int | None = None

    def specs(self, settings: Settings) -> tuple[Loaded[ArchSpec], Loaded[Workload]]:
        """Return the chip and the workload of a point; raise SpecError where they are wrong."""
        mine, theirs = split_overrides([*self.sets, *settings_text(settings)])
        return self.arch.with_overrides(mine), self.workload.with_overrides(theirs)

    def given(self, keys: Sequence[str]) -> Settings:
        """Return what the spec as given has of some keys, "" where that cannot be said in one word."""
        try:
            specs: tuple[Loaded[Any], ...] = self.specs({})
        except SpecError:
            specs = ()
        figures = {path: figure.text for own in specs for path, figure in own.figures.items()}
        plain = {path: value for own in specs for path, value in flat(own.value.resolved(), "").items()}
        return {key: figures.get(key, str(plain.get(key, ""))) for key in keys}

    def settled(self, settings: Settings) -> tuple[Loaded[ArchSpec], Sequence[str], Sequence[str]]:
        """Return the chip as given with what is set in it, a point's settings of it, and all those of the workload."""
        sets, _ = split_overrides(self.sets)
        mine, _ = split_overrides(settings_text(settings))
        _, theirs = split_overrides([*self.sets, *settings_text(settings)])
        return replace(self.arch, overrides=tuple(sets)), mine, theirs

    def __reduce__(self) -> tuple[Any, ...]:
        return _known, (self.arch, self.workload, self.sets, self.epochs)


_KNOWN: dict[tuple[str, str, tuple[str, ...], int | None], Common] = {}


def _known(
    arch: Loaded[ArchSpec], workload: Loaded[Workload], sets: tuple[str, ...], epochs: int | None
) -> Common:  # fmt: skip
    """Return what another process sent; the last one is kept, with what it has read."""
    key = arch.digest, workload.digest, sets, epochs
    if key not in _KNOWN:
        _KNOWN.clear()
        _KNOWN[key] = Common(arch, workload, sets, epochs)
    return _KNOWN[key]


@dataclass(frozen=True)
class TrialTask(Task[Made]):
    """A point of a search, to be run; without settings it is the spec as given."""

    result: ClassVar[type[Record]] = Made
    common: Common
    settings: Settings

    @property
    def words(self) -> str:
        """Its settings, the last parts of their keys."""
        return ", ".join(f"{key.split('.')[-1]}={value}" for key, value in self.settings.items()) or "as given"

    def labels(self) -> Mapping[str, str]:
        """Return chip and workload, and all that is set of them."""
        own = self.common
        return {**labelled(own.arch.value.name, own.workload.value.name, own.sets), **self.settings}

    def asked(self) -> Mapping[str, Any]:
        """Return the specs as given, and what is set in them."""
        own = self.common
        sets = [*own.sets, *settings_text(dict(sorted(self.settings.items())))]
        return {"arch": own.arch.digest, "workload": own.workload.digest, "set": sets, "epochs": own.epochs}

    def depends(self) -> Mapping[str, Any]:
        """Return the specs of the point; raise SpecError where they are wrong."""
        arch, workload = self.common.specs(self.settings)
        return {"arch": arch.digest, "workload": workload.digest, "epochs": self.common.epochs}

    def compute(self, inside: Inside = unheard) -> Made:
        """Run the point; why it cannot be run is a result, too."""
        try:
            arch, workload = self.common.specs(self.settings)
            count = (self.common.epochs or workload.value.training.epochs) * workload.value.dataset.examples
            result = evaluate(arch, workload, examples=count, progress=lambda done: inside(done / count, ""))
        except ArchsimError as error:
            return Made(refused=str(error))
        failed = tuple(check["name"] for check in result.data["audits"] if not check["passed"])
        return Made(metrics={name: result.data["metrics"][name] for name in METRICS}, audits_failed=failed)
