"""The engine against closed forms, queueing theory and slower references."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from math import sqrt

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError, StuckError
from archsim.chip.graph import Unit
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import STATES, Need, Op, Schedule, Stage
from archsim.simulation.bound import bound_cycles
from archsim.simulation.engine import Engine
from archsim.simulation.run import Trace, simulate
from tests.helpers import (
    BUS,
    PACKET,
    REFERENCE,
    STATIC,
    Case,
    Record,
    cases,
    chip_of,
    network,
    observed,
    record,
    schedule_of,
)

LAW = settings(max_examples=12, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
NO_TRANSFER = "schedule.transfer.interval_examples=1000000"
ALONE = ("schedule.prefetch=0", NO_TRANSFER)  # nothing of the next example is under way

# Cycles of the reference chip (1 GHz), from its spec: 128 steps of 0.5 ns; + 16 ns to settle; 15 x 5 ns + 5 ns;
# 10 ns for up to 64 outputs; 1 ns for up to 64 values; 207 ns to convert a line; host 6.4 GB/s = 51.2 bits/cycle.
WINDOW = 64
READ = WINDOW + 16
UPDATE = 15 * 5 + 5
LOSS = 10
SEARCH = 1 + 3  # for the largest of five outputs' d: one compare, and a tree over them
ADD = ACTIVATE = DERIVE = 1
CONVERT = 207
LOAD = 2  # 56 to 72 bits: 6 to 8 inputs and a label of 8 bits each
# Paths, in cycles rounded up once: 2 ns per router; 150 ps/mm over 1.35 mm from tile to tile (0.20 ns), and over
# 2.41 mm from the host's strip to the first tile (0.36 ns).
FROM_HOST = 3  # 1 router: 2 + 0.36
TO_NEXT = 5  # 2 routers: 4 + 0.20
HOST_TO_SECOND = 5  # 2 routers: 4 + 0.36 + 0.20
PROGRAM, PUT = 2 * (2 * 50 + 500), (160 + 16) * 5
ROW = PROGRAM + PUT + 5 * (READ + CONVERT)  # the transfer of a row, with its five reads: 3,515 ns
REWRITE = PUT + 3 * (READ + CONVERT)  # a row read and written back: 1,741 ns


def assert_takes_exactly(schedule: Schedule, cycles: int) -> None:
    """Show that the last example ends, and everything with it, at that cycle and not one earlier."""
    engine = Engine(schedule)
    while not engine.finished:
        assert engine.now < cycles
        assert engine.done[schedule.end] < schedule.examples
        engine.advance(schedule.examples + 1, until=engine.now)  # the next cycle in which something happens
    assert engine.now == cycles
    assert engine.done[schedule.end] == schedule.examples
    assert simulate(schedule).cycles == cycles


# ---- closed forms on the reference chip


@pytest.mark.parametrize("examples", [1, 2, 3, 50])
def test_one_layer_on_one_tile_takes_its_parts_in_turn(examples: int) -> None:
    # The first input: load, then one window from the host. The next ones come while an example is trained.
    arrival = LOAD + WINDOW + FROM_HOST
    # The outputs are ramped out into latches (64), then loss, and the update; a first layer has no backward.
    step = READ + WINDOW + LOSS + UPDATE
    assert_takes_exactly(schedule_of(network(8, 5), examples, [NO_TRANSFER]), arrival + examples * step)


@pytest.mark.parametrize("examples", [1, 4])
def test_two_layers_by_circuits_are_a_sum_of_windows(examples: int) -> None:
    step = sum(
        (
            LOAD,
            WINDOW + FROM_HOST,
            READ,  # layer 1 forward
            READ + TO_NEXT,  # its ramp is the window of layer 2
            WINDOW,  # outputs into latches
            LOSS,
            SEARCH,
            READ,  # layer 2 backward
            WINDOW + TO_NEXT,  # sent back as durations and captured
            DERIVE,
            UPDATE,  # of layer 1; that of layer 2 is done before
        )
    )
    assert_takes_exactly(schedule_of(network(8, 6, 5), examples, ALONE), examples * step)


@pytest.mark.parametrize("examples", [1, 4])
def test_a_third_layer_adds_a_read_and_a_path_each_way(examples: int) -> None:
    two = LOAD + WINDOW + FROM_HOST + READ + READ + TO_NEXT + WINDOW + LOSS
    two += SEARCH + READ + WINDOW + TO_NEXT + DERIVE + UPDATE
    step = two + 2 * (READ + TO_NEXT) + WINDOW  # a ramp finds the largest of the samples on the lines of layer 3
    assert_takes_exactly(schedule_of(network(8, 7, 6, 5), examples, ALONE), examples * step)


def test_the_step_of_three_layers_is_about_the_published_630_ns() -> None:
    # From the design: "a sequential step of three unsharded layers takes about 630 ns" with inputs fetched ahead.
    short, long = (simulate(schedule_of(network(8, 7, 6, 5), n, [NO_TRANSFER])).cycles for n in (100, 200))
    assert (long - short) / 100 - SEARCH - WINDOW == pytest.approx(630, rel=0.15)  # which has no search for largest d


@pytest.mark.parametrize("examples", [1, 4])
def test_row_shards_are_added_after_a_ramp_and_a_window(examples: int) -> None:
    # Six inputs, without bias, on two tiles of four rows. Both parts of the input leave in one multicast.
    step = sum(
        (
            LOAD,
            WINDOW + HOST_TO_SECOND,
            READ,
            WINDOW + TO_NEXT,  # the partial sum of tile 0, while tile 1 ramps its own out
            ADD,
            LOSS,
            WINDOW + TO_NEXT,  # d goes back to tile 0
            UPDATE,
        )
    )
    overrides = [*ALONE, "tile.rows=4"]
    assert_takes_exactly(schedule_of(network(6, 4, bias=False), examples, overrides), examples * step)


@pytest.mark.parametrize("examples", [1, 4])
def test_row_shards_by_packets_pay_conversions_and_hops(examples: int) -> None:
    # One flit per message. A hop takes router and wire: ceil(2 + 0.36) = ceil(2 + 0.20) = 3 cycles, ceil(2) = 2
    # out of a tile, and the last one, into a tile, the flit itself: 1.
    to_tile0 = LOAD + 3 + 1
    partial_sum = to_tile0 + READ + CONVERT + 2 + 3 + 1
    to_tile1 = LOAD + 1 + 3 + 3 + 1  # behind the flit to tile 0
    step = max(partial_sum, to_tile1 + READ + CONVERT) + ADD + LOSS + (2 + 3 + 1) + UPDATE
    overrides = [*ALONE, "tile.rows=4"]
    assert_takes_exactly(schedule_of(network(6, 4, bias=False), examples, overrides, PACKET), examples * step)


@pytest.mark.parametrize("examples", [1, 4])
def test_row_shards_on_a_bus(examples: int) -> None:
    # The bus is 11.85 mm long: 1.78 ns, so 2 cycles, for every message; there are no routers on it.
    step = LOAD + (WINDOW + 2) + READ + (WINDOW + 2) + ADD + LOSS + (WINDOW + 2) + UPDATE
    overrides = [*ALONE, "tile.rows=4"]
    assert_takes_exactly(schedule_of(network(6, 4, bias=False), examples, overrides, BUS), examples * step)


def test_a_full_pipeline_on_one_tile_is_paced_by_its_crossbar() -> None:
    # The busiest unit sets the pace: the crossbar is held for a forward and an update of each example.
    overrides = [NO_TRANSFER, "schedule.mode=pipelined", "schedule.in_flight=6", "schedule.prefetch=4"]
    short, long = (simulate(schedule_of(network(8, 5), n, overrides)).cycles for n in (200, 300))
    assert long - short == 100 * (READ + UPDATE)


@pytest.mark.parametrize(("together", "groups"), [(1, 9), (2, 5), (4, 3), (512, 1)])
def test_a_transfer_stops_the_chip_for_its_groups_of_rows(together: int, groups: int) -> None:
    # 8 inputs and a bias are 9 rows; transfers come after examples 7, 14 and 21.
    overrides = ["schedule.transfer.interval_examples=7", f"schedule.transfer.rows_in_parallel={together}"]
    schedule = schedule_of(network(8, 5), 23, overrides)
    once = LOAD + WINDOW + FROM_HOST
    largest = -(-9 // groups)  # of the balanced groups; each of its rows is read by itself
    transfer = 3 * groups * (PROGRAM + PUT + largest * 5 * (READ + CONVERT))
    cycles = once + 23 * (READ + WINDOW + LOSS + UPDATE) + transfer
    assert_takes_exactly(schedule, cycles)
    trace = simulate(schedule)
    assert trace.transfer_cycles == transfer
    assert trace.cells_programmed_at_once == largest * 5


@pytest.mark.parametrize(("at_once", "cycles"), [(1, (9 + 7) * ROW), (2, 9 * ROW)])
def test_tiles_transfer_together_as_far_as_power_allows(at_once: int, cycles: int) -> None:
    # Two tiles of 9 and 7 rows: one after the other, or both at once.
    overrides = ["schedule.transfer.interval_examples=5", f"schedule.transfer.tiles_in_parallel={at_once}"]
    trace = simulate(schedule_of(network(8, 6, 5), 10, overrides))
    assert trace.transfer_cycles == 2 * cycles
    assert trace.cells_programmed_at_once == (6 if at_once == 1 else 6 + 5)


@pytest.mark.parametrize("period", [1, 500, 2500, 30_000])
def test_a_rewrite_comes_with_the_first_update_after_its_period(period: int) -> None:
    overrides = [NO_TRANSFER, "schedule.refresh.policy=rewrite", f"schedule.refresh.period={period} ns"]
    # By hand: updates end a step apart; the first at or after the due cycle starts a rewrite of 9 rows, for
    # which the next forward waits, and the period begins anew at its end. No rewrite follows the last update.
    now, due, rewrites = LOAD + WINDOW + FROM_HOST, period, 0
    for example in range(60):
        now += READ + WINDOW + LOSS + UPDATE
        if now >= due and example < 59:
            now += 9 * REWRITE
            due = now + period
            rewrites += 1
    schedule = schedule_of(network(8, 5), 60, overrides)
    assert_takes_exactly(schedule, now)
    assert simulate(schedule).refresh_cycles == rewrites * 9 * REWRITE


# ---- schedules drawn by hand


@cache
def _tiny() -> Schedule:
    return schedule_of(network(1, 1), 1)


def by_hand(capacities: Sequence[int], ops: Sequence[Op], examples: int = 1) -> Schedule:
    """Return a schedule of these ops on units of these capacities; the last op ends an example."""
    chip = chip_of()
    units = tuple(Unit(i, f"unit{i}", "test", {}, capacity) for i, capacity in enumerate(capacities))
    mapping = map_workload(network(1, 1), chip)
    end = len(ops) - 1
    return Schedule(replace(chip, units=units), mapping, tuple(ops), end, examples, 1, 1, (end,))


def op(index: int, *variants: Sequence[Stage], needs: Sequence[Need] = ()) -> Op:
    return Op(index, "test", "test", -1, -1, "", tuple(tuple(stages) for stages in variants), tuple(needs))


def hold(cycles: int, *units: int) -> Stage:
    return Stage(cycles, units, tuple((cycles, unit) for unit in units))


def spans(schedule: Schedule) -> dict[tuple[int, int, int], tuple[int, int, int]]:
    """Return (requested, granted, ended) by (op, example, stage)."""
    records, _ = record(schedule)
    return {(r.op, r.n, r.stage): (r.requested, r.granted, r.ended) for r in records}


def test_two_senders_on_a_bus() -> None:
    #           0    3 4       10      17
    # sender 0  |--- bus ------|                     asks at 0, holds for 10
    # sender 1       |.........|- bus --|            asks at 3, holds for 7
    # sender 2         |.................| bus+x |   asks at 4 for bus and x together, holds for 5
    # user of x          |........................|  asks for x at 5: x is idle, but the older request has it reserved
    bus, x = 0, 1
    ops = [
        op(0, [hold(10, bus)]),
        op(1, [hold(3), hold(7, bus)]),
        op(2, [hold(4), hold(5, bus, x)]),
        op(3, [hold(5), hold(1, x)]),
        op(4, [], needs=[Need(i) for i in range(4)]),
    ]
    schedule = by_hand([1, 1], ops)
    times = spans(schedule)
    assert times[0, 0, 0] == (0, 0, 10)
    assert times[1, 0, 1] == (3, 10, 17)
    assert times[2, 0, 1] == (4, 17, 22)
    assert times[3, 0, 1] == (5, 22, 23)
    assert_takes_exactly(schedule, 23)


def test_the_oldest_example_goes_first_and_then_the_lowest_op() -> None:
    # Both ask for the unit at cycle 4, when it is still held until 6. Example 0's op 2 is older than example 1's op 1.
    ops = [
        op(0, [hold(4)], needs=[Need(0, add=0)]),
        op(1, [hold(0), hold(6, 0)], needs=[Need(0)]),
        op(2, [hold(2), hold(3, 0)], needs=[Need(0)]),
        op(3, [], needs=[Need(1), Need(2)]),
    ]
    times = spans(by_hand([1], ops, examples=2))
    # Example 0: op 1 at 4..10. Waiting at 10: op 2 of example 0 (since 6), op 1 of example 1 (since 8): op 2 first.
    assert times[1, 0, 1] == (4, 4, 10)
    assert times[2, 0, 1] == (6, 10, 13)
    assert times[1, 1, 1] == (8, 13, 19)
    assert times[2, 1, 1] == (10, 19, 22)


def test_a_unit_that_is_let_go_early_serves_the_next_while_the_head_travels_on() -> None:
    # Occupied for 2 cycles of a latency of 9: three messages leave at 0, 2 and 4, and arrive 9 later each.
    message = Stage(9, (0,), ((2, 0),))
    ops = [op(i, [message]) for i in range(3)]
    times = spans(by_hand([1], [*ops, op(3, [], needs=[Need(i) for i in range(3)])]))
    assert [times[i, 0, 0] for i in range(3)] == [(0, 0, 9), (0, 2, 11), (0, 4, 13)]


def test_a_unit_may_be_held_over_several_stages() -> None:
    # A sample: taken for 3 cycles, converted for 5, and only then free again.
    sample = [Stage(3, (0,)), Stage(5, (1,), ((5, 1), (5, 0)))]
    ops = [op(0, sample), op(1, sample), op(2, [], needs=[Need(0), Need(1)])]
    assert spans(by_hand([1, 1], ops))[1, 0, 0] == (0, 8, 11)
    assert spans(by_hand([2, 1], ops))[1, 0, 0] == (0, 0, 3)
    assert_takes_exactly(by_hand([1, 1], ops), 2 * (3 + 5))
    assert_takes_exactly(by_hand([2, 1], ops), 3 + 5 + 5)


def test_what_can_never_go_on_is_reported_and_not_ended() -> None:
    # Each holds what the other wants next.
    ops = [
        op(0, [Stage(1, (0,)), Stage(1, (1,), ((1, 0), (1, 1)))]),
        op(1, [Stage(1, (1,)), Stage(1, (0,), ((1, 0), (1, 1)))]),
        op(2, [], needs=[Need(0), Need(1)]),
    ]
    with pytest.raises(StuckError, match="no progress is possible at cycle 1"):
        simulate(by_hand([1, 1], ops))


def test_units_without_a_capacity_are_never_waited_for() -> None:
    ops = [*(op(i, [hold(5, 0)]) for i in range(4)), op(4, [], needs=[Need(i) for i in range(4)])]
    assert_takes_exactly(by_hand([0], ops), 5)
    assert_takes_exactly(by_hand([1], ops), 20)


def arrivals_at(gaps: Sequence[int], services: Sequence[int], servers: int) -> Schedule:
    """Return a queue: customer n comes gaps[n] cycles after the one before and is served for services[n] cycles."""
    ops = [
        op(0, *([hold(gap)] for gap in gaps), needs=[Need(0, add=0)]),
        op(1, *([hold(service, 0)] for service in services), needs=[Need(0)]),
        op(2, [], needs=[Need(1)]),
    ]
    return by_hand([servers], ops, examples=len(gaps))


def waits_of(schedule: Schedule) -> list[int]:
    records, _ = record(schedule)
    return [r.granted - r.requested for r in sorted(records, key=lambda r: r.n) if r.op == 1]


@LAW
@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 30)), min_size=1, max_size=60), st.integers(1, 4))
def test_a_queue_of_several_servers_is_that_of_kiefer_and_wolfowitz(
    customers: list[tuple[int, int]], servers: int
) -> None:
    gaps, services = zip(*customers, strict=True)
    free = [0] * servers  # Kiefer and Wolfowitz: first come, first served, by the server that is free first
    now, expected = 0, []
    for gap, service in customers:
        now += gap
        free.sort()
        begin = max(now, free[0])
        expected.append(begin - now)
        free[0] = begin + service
    schedule = arrivals_at(gaps, services, servers)
    assert waits_of(schedule) == expected
    trace = simulate(schedule, full=True)
    assert sum(entry.wait_cycles for entry in trace.stages) == sum(expected)
    assert trace.cycles == max(now, *free)


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_a_shared_link_with_random_arrivals_waits_as_m_d_1_does(load: float) -> None:
    # Pollaczek and Khinchine with a constant service time S: mean wait = rho S / (2 (1 - rho)).
    service, count, batches = 1000, 15_000, 30
    random = np.random.default_rng(1)
    times = np.floor(np.cumsum(random.exponential(service / load, count))).astype(int)
    gaps = np.diff(times, prepend=0).tolist()
    waits = np.array(waits_of(arrivals_at(gaps, [service], 1)))
    means = waits.reshape(batches, -1).mean(axis=1)
    expected = load * service / (2 * (1 - load))
    error = means.std(ddof=1) / sqrt(batches)
    assert error < 0.15 * expected, "the sample is too small to say anything"
    assert abs(means.mean() - expected) < 4 * error


# ---- laws on random chips, networks and schedules


def chip_run(case: Case, most: int = 40) -> Schedule:
    """Return a short schedule of a random run."""
    return case.schedule(min(case.examples, most))


def needs_met(schedule: Schedule, order: dict[int, list[int]], own: Op, n: int) -> int:
    """Return the cycle at which all that instance n waits for is done; `order` has the ends of each op, in order."""
    met = 0
    for need in own.needs:
        other = schedule.ops[need.op]
        count = min(need.count(n), schedule.examples if other.instances is None else other.instances)
        if count > 0:
            met = max(met, order[need.op][count - 1])
    return met


def barrier_ends(schedule: Schedule, ends: dict[tuple[int, int], int]) -> dict[int, list[int]]:
    """Return by op the cycles at which its instances ended, in order of time; barriers end with what they need."""
    order: dict[int, list[int]] = {}
    for index in [op.index for op in schedule.ops if op.stages]:
        order[index] = sorted(end for (which, _), end in ends.items() if which == index)
    for barrier in [op for op in schedule.ops if not op.stages]:
        found = [needs_met(schedule, order, barrier, n) for n in range(schedule.examples)]
        order[barrier.index] = list(itertools.accumulate(found, max))
    return order


@LAW
@given(cases())
def test_no_unit_ever_has_more_holders_than_its_capacity(case: Case) -> None:
    schedule = chip_run(case)
    records, _ = record(schedule)
    changes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for entry in records:
        variants = schedule.ops[entry.op].variants
        stage = variants[entry.n % len(variants)][entry.stage]
        assert entry.ended == entry.granted + stage.latency_cycles
        for unit in stage.acquire:
            changes[unit].append((entry.granted, 1))
        for at, unit in stage.release:
            assert at >= 0  # the tail of a packet may leave a link after its head has gone on
            changes[unit].append((entry.granted + at, -1))
    waited = False
    for unit, steps in changes.items():
        capacity = schedule.chip.units[unit].capacity
        if capacity:
            holders = list(itertools.accumulate(step for _, step in sorted(steps)))  # of a cycle, releases first
            assert max(holders) <= capacity
            assert min(holders) >= 0
            assert holders[-1] == 0  # nobody keeps a unit for ever
            waited |= max(holders) == capacity
    assert waited


@LAW
@given(cases())
def test_an_op_is_asked_for_when_the_last_of_its_needs_has_ended(case: Case) -> None:
    schedule = chip_run(case)
    records, ends = record(schedule)
    order = barrier_ends(schedule, ends)
    first = {(r.op, r.n): r.requested for r in records if r.stage == 0}
    last: dict[tuple[int, int], Record] = {}
    for entry in records:
        assert entry.requested <= entry.granted <= entry.ended
        if entry.stage:
            assert entry.requested == last[entry.op, entry.n].ended  # stages follow each other at once
        last[entry.op, entry.n] = entry
    for (index, n), requested in first.items():
        own = schedule.ops[index]
        met = needs_met(schedule, order, own, n)
        in_turn = first.get((index, n - 1), 0)
        if own.maintenance is not None and own.maintenance.period_cycles:
            assert requested >= max(met, in_turn)  # a rewrite also waits for its age
        else:
            assert requested == max(met, in_turn)


@LAW
@given(cases())
def test_counters_are_the_sums_of_what_an_observer_sees(case: Case) -> None:
    schedule = chip_run(case)
    trace = simulate(schedule)
    records, ends = record(schedule)
    grants: dict[tuple[int, int], int] = defaultdict(int)
    waits: dict[tuple[int, int], int] = defaultdict(int)
    for entry in records:
        variants = schedule.ops[entry.op].variants
        key = entry.op, id(variants[entry.n % len(variants)][entry.stage])
        grants[key] += 1
        waits[key] += entry.granted - entry.requested
    counted = {(entry.op, id(entry.stage)): (entry.grants, entry.wait_cycles) for entry in trace.stages if entry.grants}
    assert counted == {key: (grants[key], waits[key]) for key in grants}
    assert trace.events == len(records)
    assert trace.cycles == max(entry.ended for entry in records)
    for own in schedule.ops:
        if own.stages:
            assert trace.done[own.index] == sum(index == own.index for index, _ in ends)


def states_by_cycle(schedule: Schedule, records: Sequence[Record], cycles: int) -> list[dict[str, int]]:
    """Return what each used tile did, cycle by cycle: of several states the first in STATES counts."""
    rank = {state: i for i, state in enumerate(STATES)}
    grid = {tile: np.full(cycles, rank["waiting_data"]) for tile in schedule.used_tiles}
    for entry in records:
        variants = schedule.ops[entry.op].variants
        stage = variants[entry.n % len(variants)][entry.stage]
        shown = [(tile, state, entry.granted, entry.ended) for tile, state in stage.shows]
        if stage.waits is not None:
            shown.append((*stage.waits, entry.requested, entry.granted))
        for tile, state, begin, end in shown:
            if tile in grid:
                grid[tile][begin:end] = np.minimum(grid[tile][begin:end], rank[state])
    return [{state: int((row == i).sum()) for state, i in rank.items()} for row in grid.values()]


@LAW
@given(cases())
def test_tile_states_are_those_counted_cycle_by_cycle(case: Case) -> None:
    assume("schedule.transfer.policy=stop_all" not in case.overrides)  # there, all tiles wait at a gate as well
    schedule = chip_run(case, most=20)
    trace = simulate(schedule)
    records, _ = record(schedule)
    # Origin: every cycle looked at on its own.
    assert list(trace.tile_states) == states_by_cycle(schedule, records, trace.cycles)


def earliest(schedule: Schedule) -> int:
    """Return the cycles of a run without contention: the longest path through needs, instance after instance."""
    order: dict[int, list[int]] = {op.index: [] for op in schedule.ops}
    begun: dict[int, int] = {}
    total = {op.index: schedule.examples if op.instances is None else op.instances for op in schedule.ops}
    left, before = True, -1
    while left:
        reached = sum(map(len, order.values()))
        assert reached > before, "the schedule never ends"
        left, before = False, reached
        for own in schedule.ops:
            n = len(order[own.index])
            if n < total[own.index]:
                left = True
                counts = [(order[need.op], min(need.count(n), total[need.op])) for need in own.needs]
                if all(len(times) >= count for times, count in counts):
                    met = max((times[count - 1] for times, count in counts if count > 0), default=0)
                    begun[own.index] = max(met, begun.get(own.index, 0))
                    latency = sum(stage.latency_cycles for stage in own.variants[n % len(own.variants)])
                    order[own.index].append(begun[own.index] + latency)
    return max(max(times) for times in order.values() if times)


@LAW
@given(cases())
def test_without_contention_a_run_takes_its_longest_path_and_with_it_never_less(case: Case) -> None:
    assume("schedule.refresh.policy=rewrite" not in case.overrides)  # how many rewrites there are depends on time
    schedule = chip_run(case)
    bound, trace = simulate(schedule, unlimited=True), simulate(schedule)
    assert bound.cycles == bound_cycles(schedule) == earliest(schedule)
    assert bound.cycles <= trace.cycles
    assert sum(entry.wait_cycles for entry in bound.stages) == 0
    event(f"contended: {bound.cycles < trace.cycles}")


@LAW
@given(cases())
def test_the_same_inputs_give_the_same_trace(case: Case) -> None:
    first, second = chip_run(case), case.schedule(min(case.examples, 40))
    assert observed(simulate(first)) == observed(simulate(second))
    assert record(first) == record(second)


@LAW
@given(cases())
def test_alone_in_the_chip_every_example_takes_as_long_as_the_first(case: Case) -> None:
    # Sequential, nothing fetched ahead, no maintenance: the chip is empty again at the end of each example.
    assume(case.batch == 1)
    overrides = tuple(o for o in case.overrides if not o.startswith(("schedule.mode", "schedule.in_flight")))
    alone = replace(case, overrides=(*overrides, STATIC, "schedule.prefetch=0"))
    once = simulate(alone.schedule(1)).cycles
    for examples in (2, 17):
        assert simulate(alone.schedule(examples)).cycles == examples * once


@LAW
@given(cases(), st.integers(5, 30))
def test_twice_the_examples_add_the_step_as_often(case: Case, examples: int) -> None:
    assume(case.batch == 1)
    overrides = tuple(o for o in case.overrides if not o.startswith(("schedule.mode", "schedule.in_flight")))
    steady = replace(case, overrides=(*overrides, STATIC))
    # Beyond the first few examples the sequential run goes step by step: time is linear in examples.
    one, two, three = (simulate(steady.schedule(10 + examples * n)).cycles for n in (0, 1, 2))
    assert three - two == two - one


def trace_of(*overrides: str, sizes: Sequence[int] = (8, 7, 6, 5), base: str = REFERENCE, n: int = 60) -> Trace:
    return simulate(schedule_of(network(*sizes), n, [NO_TRANSFER, *overrides], base))


@pytest.mark.parametrize("base", [REFERENCE, PACKET, BUS])
def test_two_examples_in_flight_are_faster_than_one(base: str) -> None:
    one = trace_of(base=base).cycles
    assert trace_of("schedule.mode=pipelined", "schedule.in_flight=1", base=base).cycles == one
    assert trace_of("schedule.mode=pipelined", "schedule.in_flight=2", base=base).cycles < one


def test_packets_are_slower_than_circuits_and_the_bus_than_the_mesh_on_the_shipped_network() -> None:
    # The order of the design: the conversion of 207 ns stands in the path of every packet; one bus serves all.
    mesh = trace_of("schedule.prefetch=0").cycles
    assert trace_of("schedule.prefetch=0", base=PACKET).cycles > 2 * mesh
    pipelined = ("schedule.mode=pipelined", "schedule.in_flight=4")
    assert trace_of(*pipelined, base=BUS).cycles > trace_of(*pipelined).cycles


# ---- faults


@pytest.mark.parametrize(
    "overrides", [["tile.row_driver.step=0.13 ns", "tile.cols=4"], ["tile.col_converter.ramp=20 ns"]]
)
def test_windows_of_unequal_length_either_run_or_are_refused(overrides: list[str]) -> None:
    try:
        schedule = schedule_of(network(4, 4, 4, 5, bias=False), 3, [*overrides, NO_TRANSFER])
    except SpecError:
        return
    for own in schedule.ops:
        for stage in itertools.chain(*own.variants):
            assert all(at >= 0 for at, _ in stage.release), own.kind
    assert simulate(schedule, full=True).examples == 3


def test_a_shared_converter_that_could_block_a_pipeline_for_ever_is_refused() -> None:
    # Forward samples on one tile and backward samples on the next can each wait for the other's places, unless
    # there is a place for every example in flight.
    shared = ["tile.row_converter=shared", "schedule.mode=pipelined", "schedule.in_flight=3"]
    tiny = network(1, 1, 1, 1, bias=False)
    with pytest.raises(SpecError, match="2 samples per line cannot serve 3 examples in flight"):
        schedule_of(tiny, 3, [*shared, "tile.col_converter.sample_hold=2"])
    assert simulate(schedule_of(tiny, 30, [*shared, "tile.col_converter.sample_hold=3"])).examples == 30
