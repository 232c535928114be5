"""The state of a simulation: all that decides what happens next, and all that accumulates."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from archsim.mapping.schedule import Schedule
from archsim.simulation.maintenance import Upkeep
from archsim.simulation.program import CompiledStage, Program
from archsim.simulation.recurrence import Counters, Jumped
from archsim.simulation.tile_states import TileStates
from archsim.simulation.timeline import Timeline


class OpInstance:
    """One instance of an op in flight: which stage it is in or waits for, since when, and a unit that it lacks."""

    __slots__ = ("age", "lacks", "n", "op", "requested", "stage", "stages")

    def __init__(self, op: int, n: int, stages: tuple[CompiledStage, ...], requested: int, maintenance: bool) -> None:
        self.op = op
        self.n = n
        self.age = (-1 if maintenance else n, op)
        self.stage = 0
        self.stages = stages
        self.requested = requested
        self.lacks = -1


@dataclass(slots=True)
class EngineState:
    """Plain data, so that a state can be compared with an earlier one, and moved on by whole periods.

    `started` and `done` are by op; `free` by unit, of which those that are asked for are `contended`; `queues` have
    those that wait for a unit, and `served` says which input of it was served last; `blocked` are the ops that wait for
    maintenance. The `agenda` has, by cycle of the clock, the instances whose stage ends and the units that are
    released. `grants` and `waits` count, by compiled stage, how often it was granted and the cycles from its requests
    on. Cycles of the clock are those that were gone through; `offset` is how many were jumped,
    and `jumped` what that adds to the counters.
    """

    schedule: Schedule
    program: Program
    timeline: Timeline | None
    free: list[int]
    contended: tuple[int, ...]
    queues: dict[int, list[OpInstance]]
    served: dict[int, int]
    started: list[int]
    done: list[int]
    blocked: set[int]
    agenda: dict[int, list[Any]]
    grants: list[int]
    waits: list[int]
    tiles: TileStates
    upkeep: Upkeep
    clock: int = 0
    offset: int = 0
    jumped: Jumped = field(default_factory=Jumped)

    @property
    def now(self) -> int:
        """The cycle of the run, stretches that were jumped included."""
        return self.clock + self.offset

    @property
    def ended(self) -> int:
        """How many examples are done."""
        return self.done[self.schedule.end]

    def key(self) -> Hashable:
        """Return what decides what happens next, relative to now, the triggers of maintenance left out."""
        base, now = self.ended, self.clock
        maintenance, started, done = self.program.maintenance, self.started, self.done

        def place(each: OpInstance) -> tuple[int, int, int]:
            return each.op, each.n - (base if maintenance[each.op] is None else started[each.op]), each.stage

        def due(entries: list[Any]) -> Hashable:
            return tuple(sorted((1, *place(each)) if isinstance(each, OpInstance) else (0, *each) for each in entries))

        agenda = tuple((cycle - now, due(self.agenda[cycle])) for cycle in sorted(self.agenda))
        queues = tuple(
            (unit, tuple((*place(each), now - each.requested) for each in queue))
            for unit, queue in sorted(self.queues.items()) if queue
        )  # fmt: skip
        counts = tuple((started[op] - base, done[op] - base) for op in self.program.example_ops)
        free, blocked = tuple(map(self.free.__getitem__, self.contended)), tuple(sorted(self.blocked))
        served = tuple(sorted(self.served.items()))
        return base % self.schedule.batch, counts, agenda, queues, free, blocked, served

    def account(self) -> None:
        """Charge the cycles of all tiles up to now."""
        self.tiles.account_all(self.clock)

    def counters(self) -> Counters:
        """Return copies of what has accumulated, jumps and the cycles up to now included."""
        self.account()
        return self.jumped.plus(Counters(np.array(self.grants), np.array(self.waits), self.tiles.spent()))

    def move(self, cycles: int, instances: Mapping[int, int]) -> None:
        """Be so many cycles later, with more instances of ops begun, done and in flight."""
        for op, more in instances.items():
            self.started[op] += more
            self.done[op] += more
        maintenance = self.program.maintenance
        for each in self._in_flight():
            each.n += instances.get(each.op, 0)
            if maintenance[each.op] is None:
                each.age = (each.n, each.op)
        self.offset += cycles

    def _in_flight(self) -> list[OpInstance]:
        """Return what is in flight or waits."""
        found = {id(each): each for entries in self.agenda.values() for each in entries if isinstance(each, OpInstance)}
        found.update((id(each), each) for queue in self.queues.values() for each in queue)
        return list(found.values())


def first_state(
    schedule: Schedule, program: Program, capacity: Mapping[int, int], timeline: Timeline | None
) -> EngineState:
    """Return the state in which nothing has begun."""
    ops, stages = len(schedule.ops), len(program.stage_specs)
    contended = [unit for unit, places in capacity.items() if places]
    free = [0] * (max(contended, default=-1) + 1)
    for unit in contended:
        free[unit] = capacity[unit]
    return EngineState(
        schedule, program, timeline, free=free, contended=tuple(contended), queues={unit: [] for unit in contended},
        served={},
        started=[0] * ops, done=[0] * ops, blocked=set(), agenda={}, grants=[0] * stages, waits=[0] * stages,
        tiles=TileStates(len(schedule.used_tiles)), upkeep=Upkeep(schedule, program),
    )  # fmt: skip
