"""The cross-check finds faults that are put into an engine alone; nothing else knows of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from archsim.functional.data_set import Data
from archsim.functional.datasets import load_data
from archsim.mapping.schedule import Need, Schedule
from archsim.results.causes import Causes
from archsim.results.crosscheck import crosscheck
from archsim.simulation import compiled, engine
from archsim.simulation.choice import using
from archsim.simulation.events import Events
from archsim.simulation.run import simulate
from archsim.workload import load_workload
from tests.helpers import PACKET, Case, cases, schedule_of

SETS = ["tile.rows=128", "tile.cols=128", "schedule.transfer.interval_examples=20", "schedule.mode=pipelined",
        "schedule.in_flight=2"]  # fmt: skip
LAW = settings(max_examples=15, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
               suppress_health_check=list(HealthCheck))  # fmt: skip
EARLY, STRANGE = "1. needs of operations that were not met", "1. events that are not those that follow"


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data(load_workload("mlp_digits").value)


@pytest.fixture(scope="module")
def schedule() -> Schedule:
    return schedule_of(load_workload("mlp_digits").value, 60, SETS, PACKET)


def op_of(schedule: Schedule, kind: str, layer: int) -> int:
    return next(op.index for op in schedule.ops if (op.kind, op.layer) == (kind, layer))


def with_plain(schedule: Schedule, changed: dict[int, list[Need]]) -> Schedule:
    """Return a schedule in which ops have other needs of one instance for one."""
    ops = [
        op if op.index not in changed else
        replace(op, needs=(*changed[op.index], *(need for need in op.needs if not need.plain))) for op in schedule.ops
    ]  # fmt: skip
    return replace(schedule, ops=tuple(ops))


def plain_of(schedule: Schedule, op: int) -> list[Need]:
    return [need for need in schedule.ops[op].needs if need.plain]


def swapped(schedule: Schedule) -> Schedule:
    """The update of the last layer comes when its backward pass is due, and that when the update is."""
    one, other = op_of(schedule, "backward", 1), op_of(schedule, "update", 1)
    return with_plain(schedule, {
        a: [replace(need, add=min(need.add, 0)) if need.op in (one, other) else need for need in plain_of(schedule, b)]
        for a, b in ((one, other), (other, one))
    })  # fmt: skip


def dropped(schedule: Schedule) -> Schedule:
    """The forward pass of the last layer begins without the message that it needs."""
    op = op_of(schedule, "forward", 1)
    plain = plain_of(schedule, op)
    kept = [need for need in plain if schedule.ops[need.op].kind != "send"]
    assert len(kept) < len(plain)
    return with_plain(schedule, {op: kept})


def staler(schedule: Schedule) -> Schedule:
    """One more example than the schedule allows is under way, so that weights are staler by one update."""
    op = op_of(schedule, "begin", -1)
    return with_plain(schedule, {op: [replace(need, add=need.add - 1) for need in plain_of(schedule, op)]})


PROGRAMS: dict[Callable[[Schedule], Schedule], str] = {swapped: EARLY, dropped: EARLY, staler: EARLY}


def failed(schedule: Schedule, data: Data, name: str) -> list[str]:
    with using(name):
        return [row["name"] for row in crosscheck(schedule, data, tolerance=1.0).rows if not row["passed"]]


@pytest.mark.parametrize("name", ["simpy", "compiled"])
@pytest.mark.parametrize("fault", PROGRAMS, ids=lambda fault: fault.__name__)
def test_a_fault_in_the_program_is_found(
    fault: Callable[[Schedule], Schedule], name: str, schedule: Schedule, digits: Data,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    assert not failed(schedule, digits, name)
    for module in (engine, compiled):
        make = module.compile_schedule
        monkeypatch.setattr(module, "compile_schedule", lambda own, capacity, make=make: make(fault(own), capacity))
    assert any(row.startswith(PROGRAMS[fault]) for row in failed(schedule, digits, name))


@pytest.mark.parametrize("name", ["simpy", "compiled"])
def test_a_wrong_polarity_is_found(
    name: str, schedule: Schedule, digits: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard's transfers are counted from 1 on, so that its cells' polarity is the other one."""
    op = op_of(schedule, "transfer", 0)
    for module, maker in ((engine, "first_state"), (compiled, "state_of")):
        make = getattr(module, maker)

        def wrong(*given: Any, make: Any = make) -> Any:
            state = make(*given)
            for counts in (state.started, state.done):
                counts[op] = 1
            return state

        monkeypatch.setattr(module, maker, wrong)
    assert any(row.startswith(STRANGE) for row in failed(schedule, digits, name))


@LAW
@given(cases(intervals=(2, 5), most_interval=30))
def test_nothing_is_found_on_random_chips_and_each_change_of_two_events_is(case: Case) -> None:
    """Blocks of any size are looked at alike."""
    schedule, blocks = case.schedule(), list[Events]()
    simulate(schedule, hearer=blocks.append)
    events = Events(*map(np.concatenate, zip(*blocks, strict=True)))
    for size in (len(events.op), 37, 1000):
        causes = Causes(schedule)
        for begin in range(0, len(events.op), size):
            causes(Events(*(column[begin : begin + size] for column in events)))
        assert (causes.early, causes.strange) == (0, 0)
    for field in ("n", "stage", "cycle"):
        causes, at = Causes(schedule), len(events.op) // 2
        column = getattr(events, field).copy()
        column[at] += 1
        causes(events._replace(**{field: column}))
        assert causes.early + causes.strange
    causes = Causes(schedule)
    causes(Events(*(np.delete(column, at) for column in events)))
    assert causes.strange
