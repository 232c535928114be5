"""Guesses of how good a floorplan and a placement are, without a simulation: traffic x length of route, and area."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from archsim.base.errors import ArchsimError
from archsim.base.record import Number, Record
from archsim.base.section import Options
from archsim.chip.graph import build_chip
from archsim.mapping.partition import map_workload
from archsim.mapping.traffic import route_cost_m, traffic_of
from archsim.studies.tasks.on_chip import OnChip
from archsim.studies.tasks.task import Inside, unheard


class Guesses(Record):
    """Of a chip with several placements in turn: the sum of traffic x length of route in metres, or why there is none.

    Its area is the same with all of them.
    """

    area_m2: float
    costs_m: tuple[Number | None, ...]
    refused: tuple[str, ...]


@dataclass(frozen=True)
class GuessTask(OnChip[Guesses]):
    """A chip is built, and a workload placed on it by each of some `placements`."""

    result: ClassVar[type[Record]] = Guesses
    placements: tuple[str, ...] = ()

    def asked(self) -> Mapping[str, Any]:
        """Return the placements, too."""
        return {**super().asked(), "placements": list(self.placements)}

    def depends(self) -> Mapping[str, Any]:
        """Return the placements, too."""
        return {**super().depends(), "placements": list(self.placements)}

    def compute(self, inside: Inside = unheard) -> Guesses:
        """Place the workload; raise SpecError where the chip cannot be built."""
        chip, own = build_chip(self.chip.value), self.arch.value
        costs_m: list[float | None] = []
        refused: list[str] = []
        for name in self.placements:
            options = own.placement_options if name == own.placement else Options()
            spec = chip.spec.model_copy(update={"placement": name, "placement_options": options})
            placed = dataclasses.replace(chip, spec=spec)
            try:
                mapping = map_workload(self.workload.value, placed)
                traffic = traffic_of(placed, mapping)
                costs_m.append(route_cost_m(placed, traffic, [shard.tile for shard in mapping.shards]))
                refused.append("")
            except ArchsimError as error:
                costs_m.append(None)
                refused.append(first_line(error))
        return Guesses(area_m2=chip.area_m2, costs_m=tuple(costs_m), refused=tuple(refused))


def first_line(error: ArchsimError) -> str:
    """Return what an error says in its first line."""
    return str(error).splitlines()[0]


def guess_of(outcome: Guesses | ArchsimError, place: int) -> tuple[float, float] | str:
    """Return cost and area that were guessed with the placement at a place, or why there is none."""
    if isinstance(outcome, ArchsimError):
        return first_line(outcome)
    cost_m = outcome.costs_m[place]
    return outcome.refused[place] if cost_m is None else (float(cost_m), outcome.area_m2)
