"""Dwell times: the compressed log and its histogram against lists of single updates and reads."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.mapping.schedule import Schedule
from archsim.simulation import dwell as dwell_module
from archsim.simulation.dwell import EDGES, DwellTimes, UpdateLog, _binned, forget
from archsim.simulation.run import simulate
from tests.helpers import STATIC, Case, cases, network, record, schedule_of

LOW_EDGES = EDGES.tolist()
LAW = settings(max_examples=60, derandomize=True, deadline=None, database=None)

# (gap to the update before, step, count): counts above one are what fast-forward adds for a stretch.
RUNS = st.lists(
    st.tuples(
        st.integers(1, 3000), st.integers(1, 700), st.one_of(st.just(1), st.just(1), st.integers(2, 60))
    ),
    min_size=1,
    max_size=25,
)  # fmt: skip


def logged(runs: list[tuple[int, int, int]], begin: int = 0) -> tuple[UpdateLog, list[int]]:
    """Return a log and, as its slower reference, the list of the same times one by one."""
    log, times, now = UpdateLog(), [], begin
    for gap, step, count in runs:
        now += gap
        log.add(now, step, count)
        times += [now + i * step for i in range(count)]
        now = times[-1]
    return log, times


@dataclass
class Plainly:
    """The slower reference of DwellTimes: every cell's every age, in a list."""

    ages: list[int] = field(default_factory=list)

    def read(self, times: list[int], first: int, reads: list[int], weights: list[int]) -> None:
        for at, weight in zip(reads, weights, strict=True):
            self.ages += [at - time for time in times[first:] for _ in range(weight)]

    def histogram(self) -> list[int]:
        counts = [0] * len(EDGES)
        for age in self.ages:
            counts[bisect_right(LOW_EDGES, age) - 1] += 1
        return counts


def assert_same(dwell: DwellTimes, plain: Plainly) -> None:
    assert dwell.counts.tolist() == plain.histogram()
    assert dwell.cells == len(plain.ages)
    assert dwell.total_cycles == sum(plain.ages)
    assert dwell.max_cycles == max(plain.ages, default=0)
    assert dwell.mean_cycles == (pytest.approx(sum(plain.ages) / len(plain.ages)) if plain.ages else None)


def test_edges_are_exact_for_short_ages_and_sixteen_to_an_octave_above() -> None:
    # By its own words: a bin each below 32, then 16 bins per octave.
    assert EDGES[:32].tolist() == list(range(32))
    assert (np.diff(EDGES) > 0).all()
    for octave in range(5, 40):
        assert np.count_nonzero(np.log2(EDGES[1:]).astype(int) == octave) == 16


@LAW
@given(RUNS, st.integers(0, 10**12))
def test_a_log_tells_times_and_sums_as_a_list_does(runs: list[tuple[int, int, int]], begin: int) -> None:
    log, times = logged(runs, begin)
    assert log.count == len(times)
    assert log.times(np.arange(len(times))).tolist() == times
    # Sums are of 64 bits where they fit: one base is near, the other so far that they do not.
    for base in (begin, -(1 << 61)):
        below = [sum(times[:number]) - number * base for number in range(len(times) + 1)]
        assert log.sums(np.arange(len(times) + 1), base).tolist() == below
    for number in range(len(times)):
        assert log.total(number, len(times)) == (times[number], sum(times[number:]))
        assert log.total(0, number + 1) == (times[0], sum(times[: number + 1]))


@LAW
@given(RUNS, st.lists(st.integers(-5, 60_000), min_size=1, max_size=20))
def test_a_log_counts_updates_until_a_time_as_a_list_does(runs: list[tuple[int, int, int]], asked: list[int]) -> None:
    log, times = logged(runs)
    queries = np.array([*asked, *times[:5], times[-1], times[-1] + 1], dtype=np.int64)
    assert log.until(queries).tolist() == [sum(time <= query for time in times) for query in queries]


@LAW
@given(st.lists(st.integers(1, 50), min_size=1, max_size=40))
def test_updates_one_by_one_are_joined_without_a_trace(gaps: list[int]) -> None:
    log, times = logged([(gap, 0, 1) for gap in gaps])
    assert log.times(np.arange(log.count)).tolist() == times
    equal = logged([(7, 0, 1) for _ in gaps])[0]
    assert len(equal.starts) == 1  # what makes a long regular stretch cheap


@LAW
@given(RUNS, RUNS, st.integers(0, 2000))
def test_dropping_what_was_read_changes_no_later_answer(
    before: list[tuple[int, int, int]], after: list[tuple[int, int, int]], drop: int
) -> None:
    log, times = logged(before)
    drop = min(drop, len(times))
    log.drop(drop)
    now = times[-1]
    for gap, step, count in after:
        now += gap
        log.add(now, step, count)
        times += [now + i * step for i in range(count)]
        now = times[-1]
    assert log.count == len(times)
    numbers = np.arange(drop, len(times) + 1)
    assert log.times(numbers[:-1]).tolist() == times[drop:]
    assert np.diff(log.sums(numbers, 0)).tolist() == times[drop:]


@LAW
@given(RUNS, st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_jump_moves_times_and_numbers(runs: list[tuple[int, int, int]], cycles: int, updates: int) -> None:
    log, times = logged(runs)
    log.jump(cycles, updates)
    assert log.count == len(times) + updates
    numbers = np.arange(updates, updates + len(times) + 1)
    moved = [time + cycles for time in times]
    assert log.times(numbers[:-1]).tolist() == moved
    assert np.diff(log.sums(numbers, 0)).tolist() == moved
    late = times[-1] + cycles + 5
    assert log.until(np.array([late], dtype=np.int64)).tolist() == [len(times) + updates]


@LAW
@given(st.data())
def test_reads_of_row_groups_are_those_of_single_cells(data: st.DataObject) -> None:
    log, times, now = UpdateLog(), [], 0
    dwell, plain = DwellTimes(), Plainly()
    groups = data.draw(st.integers(1, 5))
    weights = data.draw(st.lists(st.integers(1, 4), min_size=groups, max_size=groups))
    row = data.draw(st.integers(1, 900))
    first = 0
    for runs in data.draw(st.lists(RUNS, min_size=1, max_size=4)):
        for gap, step, count in runs:
            now += gap
            log.add(now, step, count)
            times += [now + i * step for i in range(count)]
            now = times[-1]
        now += data.draw(st.integers(0, 500))
        reads = [now + row * i for i in range(groups)]
        dwell.read(log, first, np.array(reads, dtype=np.int64), np.array(weights, dtype=np.int64))
        plain.read(times, first, reads, weights)
        first = len(times)
        dwell.drop(log, first)
        now = reads[-1] + row
    dwell.drop(log, first, at_once=1)
    assert_same(dwell, plain)


@LAW
@given(st.lists(st.tuples(st.integers(0, 90), st.integers(1, 60), st.integers(1, 3)), min_size=60, max_size=120))
def test_reads_that_are_binned_later_are_those_of_single_cells(gaps: list[tuple[int, int, int]]) -> None:
    # Gaps of random lengths make too many runs for a log to be steady; what it forgets must have been binned before.
    log, now = UpdateLog(), 0
    times: list[int] = []
    dwell, plain = DwellTimes(), Plainly()
    for at, (later, gap, weight) in enumerate(gaps):
        for _ in range(3):
            now += gap * (1 + len(times) % 4)
            log.add(now)
            times.append(now)
        first = max(0, len(times) - 60)
        dwell.read(log, first, np.array([now + later], dtype=np.int64), np.array([weight], dtype=np.int64))
        plain.read(times, first, [now + later], [weight])
        dwell.drop(log, first, at_once=1 + at % 30)
    dwell.drop(log, len(times), at_once=1)
    assert_same(dwell, plain)


@pytest.mark.parametrize("apart", [1, 1 << 55])
def test_sums_of_ages_beyond_64_bits_are_exact(apart: int) -> None:
    # Updates as far apart as cycles that an epoch of years would have; each row group closes updates of its own.
    log, times = logged([(apart * gap, 0, 1) for gap in (1, 2, 4, 3, 9)] + [(apart, 0, 40)])
    firsts, counts, reads, weights = [0, 2, 3], [len(times), 5, 4], [times[-1] + 7] * 3, [5, 1, 3]
    dwell, plain = DwellTimes(), Plainly()
    dwell.read(log, *(np.array(own, dtype=np.int64) for own in (firsts, reads, weights, counts)))
    dwell.drop(log, len(times), at_once=1)
    for first, count, read, weight in zip(firsts, counts, reads, weights, strict=True):
        plain.read(times[:count], first, [read], [weight])
    assert (dwell.total_cycles, dwell.cells, dwell.max_cycles) == (sum(plain.ages), len(plain.ages), max(plain.ages))
    assert (dwell.total_cycles > 1 << 62) == (apart > 1)


def test_a_read_without_updates_adds_nothing() -> None:
    log, _ = logged([(5, 1, 10)])
    dwell = DwellTimes()
    dwell.read(log, 10, np.array([100]), np.array([3]))
    assert_same(dwell, Plainly())


@pytest.mark.parametrize("most_bytes", [0, 3000, 1 << 26])
@settings(LAW, max_examples=20)
@given(runs=RUNS, times=st.integers(0, 9))
def test_repeating_what_was_added_is_reading_it_again(
    most_bytes: int, runs: list[tuple[int, int, int]], times: int
) -> None:
    # Reads wait to be binned as long as they take little memory, and may be binned between what is repeated.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dwell_module, "_MOST_BYTES", most_bytes)
        check_repeats(runs, times)


def check_repeats(runs: list[tuple[int, int, int]], times: int) -> None:
    log, all_times = logged(runs)
    dwell = DwellTimes()
    at, weights = np.array([all_times[-1] + 10], dtype=np.int64), np.array([2], dtype=np.int64)
    dwell.read(log, 0, at, weights)
    once = dwell.snapshot()
    dwell.read(log, len(all_times) // 2, at + 3, weights)
    dwell.repeat(once, times)
    again = DwellTimes()
    again.read(log, 0, at, weights)
    for _ in range(times + 1):
        again.read(log, len(all_times) // 2, at + 3, weights)
    assert dwell.counts.tolist() == again.counts.tolist()
    assert (dwell.cells, dwell.total_cycles) == (again.cells, again.total_cycles)


@LAW
@given(RUNS, st.floats(0.01, 1.0))
def test_a_percentile_is_the_upper_edge_of_the_bin_that_holds_it(
    runs: list[tuple[int, int, int]], share: float
) -> None:
    log, times = logged(runs)
    dwell, at = DwellTimes(), times[-1] + 1
    assert dwell.percentile_cycles(share) is None
    dwell.read(log, 0, np.array([at], dtype=np.int64), np.array([1], dtype=np.int64))
    ages = sorted(at - time for time in times)
    exact = ages[int(np.ceil(share * len(ages))) - 1]
    found = dwell.percentile_cycles(share)
    assert found is not None
    # Origin: the sorted list; a bin is exact below 32 cycles and a sixteenth of its octave wide above.
    assert exact <= found <= min(ages[-1], exact + max(1, exact // 16 + 1))


# ---- dwell times of whole runs


def dwells_by_hand(schedule: Schedule) -> tuple[list[int], int]:
    """Return every cell's every dwell time in a run, and how many updates stay open, from all grants."""
    records, ends = record(schedule)
    updates: dict[int, list[int]] = {
        shard: sorted(end for (index, _), end in ends.items() if index == update)
        for shard, update in enumerate(schedule.updates)
    }
    ages: list[int] = []
    left = 0
    read_at: dict[tuple[int, int], list[tuple[int, int]]] = {}  # cycles at which a row group of a shard was read
    sizes: dict[tuple[int, int], int] = {}
    for op in schedule.ops:
        m = op.maintenance
        if m is not None:
            for first, groups in zip(m.first, m.groups, strict=True):
                sizes.update({(m.shard, first + i): rows for i, rows in enumerate(groups)})
    for entry in sorted(records, key=lambda r: r.granted):
        m = schedule.ops[entry.op].maintenance
        if m is not None:
            variant = entry.n % len(m.groups)
            for i in range(len(m.groups[variant])):
                span = entry.granted, entry.granted + i * m.group_cycles
                read_at.setdefault((m.shard, m.first[variant] + i), []).append(span)
    for (shard, group), rows in sizes.items():
        cells = rows * schedule.mapping.shards[shard].cols
        position = 0
        for begun, at in read_at.get((shard, group), []):
            # The shard's crossbar is held from then on: whatever was updated before is read by this.
            upto = sum(end <= begun for end in updates[shard])
            ages += [at - end for end in updates[shard][position:upto] for _ in range(cells)]
            position = upto
        left += cells * (len(updates[shard]) - position)
    return ages, left


@settings(max_examples=30, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(cases(intervals=(2, 4), most_interval=12))
def test_dwell_times_of_a_run_are_those_of_its_updates_and_reads(case: Case) -> None:
    schedule = case.schedule()
    dwell = simulate(schedule).dwell
    ages, left = dwells_by_hand(schedule)
    assert_same(dwell, Plainly(ages))
    assert dwell.open == left


def test_dwell_times_of_a_stopped_chip_in_closed_form() -> None:
    # One tile, sequential, no overlap: updates end a step of 234 cycles apart; the transfer of 9 rows of 5 cells
    # begins with the last of an interval's updates and reads a row every 3,515 cycles.
    step, row, rows, cols, interval, intervals = 234, 3515, 9, 5, 20, 30
    overrides = [f"schedule.transfer.interval_examples={interval}"]
    dwell = simulate(schedule_of(network(8, 5), interval * intervals + 7, overrides)).dwell
    total = sum(row * r + step * i for r in range(rows) for i in range(interval))
    assert dwell.cells == intervals * interval * rows * cols
    assert dwell.total_cycles == intervals * cols * total
    assert dwell.max_cycles == row * (rows - 1) + step * (interval - 1)
    assert dwell.open == 7 * rows * cols


def test_cells_that_need_no_transfer_have_no_dwell_times() -> None:
    dwell = simulate(schedule_of(network(8, 5), 50, [STATIC, "schedule.transfer.interval_examples=10"])).dwell
    assert (dwell.cells, dwell.open, dwell.max_cycles, dwell.mean_cycles) == (0, 0, 0, None)


def test_a_simulation_after_forgetting_does_all_work_again() -> None:
    # What is kept makes the next simulation quicker and no other; a benchmark that repeats one must let go of it.
    log, times = logged([(5, 3, 40)])
    at, weights = np.array([times[-1] + 10], dtype=np.int64), np.array([2], dtype=np.int64)

    def read() -> tuple[list[int], int]:
        misses = _binned.cache_info().misses
        dwell = DwellTimes()
        dwell.read(log, 0, at, weights)
        return dwell.counts.tolist(), _binned.cache_info().misses - misses

    forget()
    first, kept = read(), read()
    forget()
    assert (first[0], 1) == first == read()
    assert kept == (first[0], 0)
