"""Runs side by side as runs.json holds them, in SI units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from archsim.base.record import Named, Record
from archsim.studies.common_draws import Ratio
from archsim.studies.run.page import Figure, Parts, TimeParts
from archsim.studies.study import Data, signed


class Difference(Record):
    """A figure in which the specs differ, and its text in each run."""

    figure: str
    texts: tuple[str, ...]


class EnergyPerExample(Record):
    """Energy per example in joules, by what."""

    component: Parts
    phase: Parts


class LinkLoad(Record):
    """How busy a link is, and the cycles for which messages wait for it."""

    name: str
    utilisation: Figure
    wait_cycles_per_example: Figure


class OneRun(Record):
    """A run. Energies are per example, and stalls shares of the cycles of used tiles: runs of any length compare.

    `activity` says where it was measured, if it was.
    """

    name: str
    arch: Named
    workload: Named
    examples: int
    seed: int
    version: str
    activity: str | None
    command: str
    audits_failed: tuple[str, ...]
    metrics: Mapping[str, Figure]
    accuracy_chip: float | None
    accuracy_float: float | None
    r2_chip: float | None
    r2_float: float | None
    time_per_example_parts_s: TimeParts
    energy_per_example_j: EnergyPerExample
    area_m2: Parts
    stalls_shares: Parts
    links: tuple[LinkLoad, ...]


class Runs(Data):
    """What runs.json holds; `ratios` are those to the first run that ranges of figures move."""

    schema_id: Literal["archsim-runs-1"] = signed("archsim-runs-1")
    differences: tuple[Difference, ...]
    runs: tuple[OneRun, ...]
    ratios: tuple[Ratio, ...] = ()
