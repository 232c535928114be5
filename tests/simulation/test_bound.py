"""The lower bound of a run against the simulation of one that knows no contention; a law of it is in test_engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.mapping.schedule import Need, Schedule
from archsim.simulation import bound
from archsim.simulation.bound import bound_cycles
from archsim.simulation.choice import using
from archsim.simulation.run import simulate
from tests.helpers import BUS, PACKET, REFERENCE, network, schedule_of

WORK = network(8, 6, 4)


def simulated(schedule: Schedule) -> int:
    with using("simpy"):
        return simulate(schedule, unlimited=True).cycles


@pytest.mark.parametrize("chip", [REFERENCE, BUS, PACKET])
@pytest.mark.parametrize("policy", ["staggered", "interleaved"])
@pytest.mark.parametrize("options", [(), ("schedule.mode=pipelined",)])
def test_maintenance_for_which_nothing_waits_is_not_simulated(
    chip: str, policy: str, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = (f"schedule.transfer.policy={policy}", "schedule.transfer.interval_examples=50", *options)
    schedules = [schedule_of(WORK, count, own, chip) for count in (7, 99, 100, 301)]
    expected = [simulated(schedule) for schedule in schedules]
    monkeypatch.delattr(bound, "simulate")
    assert [bound_cycles(schedule) for schedule in schedules] == expected


def test_what_needs_tell_differently_from_example_to_example_is_simulated() -> None:
    schedule = schedule_of(WORK, 40)
    last = schedule.ops[-2]
    later = replace(last, needs=(*last.needs, Need(schedule.end, num=2, den=3, add=0)))
    odd = replace(schedule, ops=tuple(later if op is last else op for op in schedule.ops))
    assert bound_cycles(odd) == simulated(odd)
