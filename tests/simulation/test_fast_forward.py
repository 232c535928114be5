"""Exact fast-forward: jumping equals going through every example, in every count."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings

from archsim.simulation.run import Trace, simulate
from archsim.spec.choices import REFRESH_POLICIES, TRANSFER_POLICIES
from archsim.workload import load_workload
from tests.helpers import BUS, PACKET, REFERENCE, Case, cases, network, observed, schedule_of

EXAMPLES = 100_000


def assert_jumping_changes_nothing(case: Case) -> int:
    schedule = case.schedule()
    full = simulate(schedule, full=True, timeline=True)
    fast = simulate(schedule, timeline=True)
    assert played(full) == played(fast)
    assert full.examples_fast_forwarded == 0
    assert fast.examples_simulated + fast.examples_fast_forwarded == full.examples == case.examples
    # Origin of every expected value: the run that goes through every example event by event.
    found = observed(fast)
    for name, expected in observed(full).items():
        assert found[name] == expected, name
    return fast.examples_fast_forwarded


def played(trace: Trace, most: int = 1000) -> list[tuple[int, int, int]]:
    assert trace.timeline is not None
    return [record for chunk in trace.timeline.chunks(most) for record in zip(*map(list, chunk), strict=True)]


def check_many(runs: int, intervals: tuple[int, int], most_interval: int) -> None:
    jumped: list[int] = []

    @settings(
        max_examples=runs, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(cases(intervals=intervals, most_interval=most_interval))
    def check(case: Case) -> None:
        jumped.append(assert_jumping_changes_nothing(case))

    check()
    assert sum(map(bool, jumped)) > len(jumped) / 3, "the law says little if random runs never jump"


def test_jumping_equals_going_through_every_example_on_random_runs() -> None:
    check_many(15, (3, 8), 40)


@pytest.mark.slow
def test_jumping_equals_going_through_every_example_on_many_random_runs() -> None:
    check_many(500, (3, 8), 40)


@pytest.mark.slow
def test_jumping_equals_going_through_every_example_on_random_runs_of_many_intervals() -> None:
    check_many(150, (10, 40), 15)


@pytest.mark.parametrize("refresh", sorted(REFRESH_POLICIES))
@pytest.mark.parametrize("policy", sorted(TRANSFER_POLICIES))
@pytest.mark.parametrize("base", [REFERENCE, PACKET, BUS])
def test_jumping_equals_going_through_every_example_for_each_policy(base: str, policy: str, refresh: str) -> None:
    overrides = (
        "tile.rows=16",
        "tile.cols=16",
        "schedule.transfer.interval_examples=20",
        "schedule.transfer.rows_in_parallel=4",
        f"schedule.transfer.policy={policy}",
        f"schedule.refresh.policy={refresh}",
        "schedule.refresh.period=9 us",
    )
    assert assert_jumping_changes_nothing(Case(base, overrides, (20, 12, 5), 1, True, 190)) > 0


@pytest.mark.parametrize("mode", ["sequential", "pipelined"])
@pytest.mark.parametrize("policy", ["stop_all", "staggered"])
def test_the_reference_chip_is_simulated_for_one_example_in_a_hundred_at_most(policy: str, mode: str) -> None:
    overrides = [f"schedule.transfer.policy={policy}", f"schedule.mode={mode}", "schedule.in_flight=4"]
    trace = simulate(schedule_of(load_workload("mlp_mnist").value, EXAMPLES, overrides))
    assert trace.examples == EXAMPLES
    assert trace.examples_fast_forwarded > 0
    # 1 % is what makes a run of a million examples take seconds.
    assert trace.examples_simulated <= EXAMPLES // 100


def test_replays_leave_few_examples_of_interleaved_transfers_to_simulate() -> None:
    # 265 + 264 + 251 + 126 rows are transferred one by one within 8,000 examples, a trigger about every nine examples:
    # too soon for a step to recur twice, but what happens around a trigger recurs.
    overrides = ["schedule.transfer.policy=interleaved"]
    trace = simulate(schedule_of(load_workload("mlp_mnist").value, EXAMPLES, overrides))
    assert 0 < trace.examples_simulated <= EXAMPLES // 500


def test_the_effort_does_not_grow_with_the_number_of_intervals() -> None:
    # Recurring intervals are jumped whole: what is simulated is the same for ten times the examples.
    workload = load_workload("mlp_mnist").value
    for policy in sorted(TRANSFER_POLICIES):
        overrides = [f"schedule.transfer.policy={policy}", "schedule.transfer.interval_examples=400"]
        overrides.append("schedule.transfer.rows_in_parallel=16")
        short, long = (simulate(schedule_of(workload, 400 * n, overrides)) for n in (50, 500))
        assert long.examples_simulated <= short.examples_simulated + 800, policy


def test_nothing_is_jumped_where_asked_not_to() -> None:
    trace = simulate(schedule_of(network(8, 5), 200), full=True)
    assert (trace.examples_simulated, trace.examples_fast_forwarded) == (200, 0)


@pytest.mark.parametrize("policy", ["staggered", "interleaved"])
@pytest.mark.parametrize("flying", [1, pytest.param(2, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize(("batch", "sizes"), [(1, (20, 9, 4)), (2, (20, 9, 4)), (1, (45, 17, 12, 5))])
def test_what_happens_around_a_transfer_is_replayed_exactly(
    policy: str, flying: int, batch: int, sizes: tuple[int, ...]
) -> None:
    # Long intervals with few row groups: most transfers meet the state that an earlier one has met.
    overrides = (
        "tile.rows=24", "tile.cols=24", f"schedule.transfer.policy={policy}", "schedule.transfer.interval_examples=400",
        "schedule.transfer.rows_in_parallel=4", "schedule.mode=pipelined", f"schedule.in_flight={flying}",
    )  # fmt: skip
    case = Case(REFERENCE, overrides, sizes, batch, True, 1_650)
    assert_jumping_changes_nothing(case)
    assert simulate(case.schedule(8_000)).examples_simulated < 1_200  # three intervals at most
