"""A workload on a chip as a task: its whole run, or its headline metrics alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from archsim.base.record import Number, Record
from archsim.results.evaluate import Result, evaluate, headline_metrics
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded
from archsim.spec.named import may_name_a_file
from archsim.studies.tasks.task import Inside, R, Task, depends_of, labelled, unheard
from archsim.workload.network import Workload


def ranges_told(chip: Loaded[ArchSpec]) -> list[tuple[Any, ...]]:
    """Return all on which draws of a chip's figures depend, beside its spec."""
    return [(own.path, own.name, own.low, own.high, own.lognormal) for own in chip.ranges]


@dataclass(frozen=True)
class OnChip(Task[R]):
    """So many examples of a workload on a chip, of which some figures are `sets` otherwise."""

    arch: Loaded[ArchSpec]
    workload: Loaded[Workload]
    examples: int
    sets: tuple[str, ...] = ()

    @cached_property
    def chip(self) -> Loaded[ArchSpec]:
        """The chip as set; raises SpecError where it cannot be."""
        return self.arch.with_overrides(self.sets) if self.sets else self.arch

    @property
    def words(self) -> str:
        """Chip and workload, and what is set."""
        return ", ".join([f"{self.workload.value.name} on {self.arch.value.name}", *self.sets])

    def labels(self) -> Mapping[str, str]:
        """Return chip and workload, and what is set."""
        return labelled(self.arch.value.name, self.workload.value.name, self.sets)

    def asked(self) -> Mapping[str, Any]:
        """Return the specs, and what is set of the chip."""
        resolved = depends_of(self) if any(map(may_name_a_file, self.sets)) else None
        return {**self._asked(self.arch), "set": list(self.sets), "resolved": resolved}

    def depends(self) -> Mapping[str, Any]:
        """Return the specs, of the chip as set."""
        return self._asked(self.chip)

    def _asked(self, chip: Loaded[ArchSpec]) -> Mapping[str, Any]:
        ranges = ranges_told(chip)
        found = {"arch": chip.digest, "workload": self.workload.digest, "examples": self.examples}
        return {**found, "ranges": ranges} if ranges else found

    def evaluated(self, inside: Inside) -> Result:
        """Return the run."""
        return evaluate(self.chip, self.workload, examples=self.examples,
                        progress=lambda done: inside(done / self.examples, ""))  # fmt: skip


class Ran(Record):
    """What a run comes to: the metrics of metrics.json, and the names of the audits that failed.

    `cells_used` counts the cells of the used tiles that hold a synapse, `cells` all of these tiles. The longest time
    constant with which their cells leak is 0 where none does. `program` is the time and energy in which the weights of
    a chip that infers are written. `intervals` are those of metrics that ranges of the chip's figures move.
    """

    metrics: Mapping[str, Number | None]
    audits_failed: tuple[str, ...]
    energy_j: float
    energy_by_phase_j: Mapping[str, float]
    cells: int
    cells_used: int
    leak_time_constant_s: float
    program_time_s: float | None
    program_energy_j: float | None
    intervals: Mapping[str, tuple[float, float]] = {}


@dataclass(frozen=True)
class RunTask(OnChip[Ran]):
    """A run, with all of its audits."""

    result: ClassVar[type[Record]] = Ran

    def compute(self, inside: Inside = unheard) -> Ran:
        """Simulate; raise InfeasibleError, SpecError or StuckError where that cannot be."""
        found = self.evaluated(inside)
        shards, energy = found.mapping.shards, found.data["energy_j"]
        tiles = [found.chip.tiles[tile].spec for tile in sorted({shard.tile for shard in shards})]
        warmth = found.chip.spec.technology.temperature_kelvin
        written: Mapping[str, Any] = found.data.get("programming", {})
        return Ran(
            metrics=found.data["metrics"], audits_failed=failed(found), energy_j=energy["total"],
            energy_by_phase_j=energy["by_phase"], cells=sum(tile.rows * tile.cols for tile in tiles),
            cells_used=sum(shard.cells for shard in shards),
            leak_time_constant_s=max(tile.device.leak_time_constant_at_s(warmth) for tile in tiles),
            program_time_s=written.get("time_s"), program_energy_j=written.get("energy_j"),
            intervals=found.data.get("intervals", {}),
        )  # fmt: skip


def failed(run: Result) -> tuple[str, ...]:
    """Return the names of the audits that failed."""
    return tuple(check["name"] for check in run.data["audits"] if not check["passed"])


class Headline(Record):
    """The headline metrics of a run, in SI units, and the hash of the chip as set."""

    hash: str
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class HeadlineTask(OnChip[Headline]):
    """The headline metrics of one simulation, without audits and breakdowns."""

    result: ClassVar[type[Record]] = Headline

    def compute(self, inside: Inside = unheard) -> Headline:
        """Simulate; raise InfeasibleError, SpecError or StuckError where that cannot be."""
        return Headline(hash=self.chip.hash,
                        metrics=headline_metrics(self.chip.value, self.workload.value, self.examples))  # fmt: skip
