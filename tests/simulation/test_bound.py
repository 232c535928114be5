"""The lower bound of a run against the simulation of one that knows no contention; a law of it is in test_engine."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archsim.mapping.schedule import Need, Schedule
from archsim.simulation import bound
from archsim.simulation.bound import bound_cycles
from archsim.simulation.choice import using
from archsim.simulation.run import simulate
from archsim.spec.choices import TRANSFER_POLICIES
from tests.helpers import BUS, PACKET, REFERENCE, network, schedule_of

WORK = network(8, 6, 4)


def simulated(schedule: Schedule) -> int:
    with using("simpy"):
        return simulate(schedule, unlimited=True).cycles


@pytest.mark.parametrize("chip", [REFERENCE, BUS, PACKET])
@pytest.mark.parametrize("policy", sorted(TRANSFER_POLICIES))
@pytest.mark.parametrize(("options", "batch"), [((), 1), (("schedule.mode=pipelined",), 2)])
def test_transfers_are_not_simulated_for_it(
    chip: str, policy: str, options: tuple[str, ...], batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Examples wait for the transfers of `stop_all`, and for none of the others; 2 and 8 examples are too few to recur.
    own = [(f"schedule.transfer.policy={policy}", f"schedule.transfer.interval_examples={each}", *options)
           for each in (2, 8, 50)]  # fmt: skip
    work, counts = network(8, 6, 4, batch=batch), (7, 99, 100, 301)
    schedules = [schedule_of(work, count, sets, chip) for sets in own for count in counts]
    expected = [simulated(schedule) for schedule in schedules]
    monkeypatch.delattr(bound, "simulate")
    assert [bound_cycles(schedule) for schedule in schedules] == expected


def test_what_needs_tell_differently_from_example_to_example_is_simulated() -> None:
    schedule = schedule_of(WORK, 40)
    last = schedule.ops[-2]
    later = replace(last, needs=(*last.needs, Need(schedule.end, num=2, den=3, add=0)))
    odd = replace(schedule, ops=tuple(later if op is last else op for op in schedule.ops))
    assert bound_cycles(odd) == simulated(odd)
