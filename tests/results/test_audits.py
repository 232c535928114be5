"""The audits inside every run: all pass on what is shipped, and each fails when what it watches is tampered with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings

from archsim.chip.graph import Chip
from archsim.mapping.schedule import Schedule
from archsim.results.audits import audits_of
from archsim.results.bill import Bill, Item, account
from archsim.results.evaluate import evaluate
from archsim.simulation.dwell import DwellTimes
from archsim.simulation.run import Trace, simulate
from archsim.spec.choices import TRANSFER_POLICIES
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from tests.helpers import BUS, PACKET, REFERENCE, SHIPPED, Case, cases, network, schedule_of

ENERGY = "energy by {} adds up to what was metered, joules"
AREA = "areas of all parts add up to the floorplan, m2"
STATES = "states of used tiles add up to tiles x cycles"
TRAINED = "examples done"
APPLIED = "each shard's update applied once per example"
EXECUTED = "operations executed as the workload defines"
ARRIVED = "bits received as sent (a multicast counts at each end)"
TRANSFERS = "transfers done as due"
DWELL = "updates read or open, per cell"
BOUND = "cycles by which the run undercuts its lower bound"
ALL = {*(ENERGY.format(key) for key in ("component", "phase", "layer")), AREA, STATES, TRAINED, APPLIED, EXECUTED}
TOTAL = "the bill's total is what was metered, joules"
ALL |= {TOTAL, ARRIVED, TRANSFERS, DWELL, BOUND}


@cache
def honest(base: str = REFERENCE) -> tuple[Trace, Trace, Bill]:
    """Return a small run with shards, multicasts and transfers, its lower bound and its bill."""
    overrides = ["tile.rows=8", "tile.cols=8", "tile.count=12", "schedule.transfer.interval_examples=20"]
    schedule = schedule_of(network(12, 10, 7, 5), 50, overrides, base)
    trace = simulate(schedule)
    return trace, simulate(schedule, unlimited=True), account(trace)


def failed(trace: Trace, bound: Trace, bill: Bill) -> set[str]:
    return {audit["name"] for audit in audits_of(trace, bound.cycles, bill) if not audit["passed"]}


def with_done(trace: Trace, op: int, more: int) -> Trace:
    done = list(trace.done)
    done[op] += more
    return replace(trace, done=tuple(done))


def first(schedule: Schedule, kind: str) -> int:
    return next(op.index for op in schedule.ops if op.kind == kind)


# ---- all pass


@pytest.mark.parametrize("base", SHIPPED)
def test_nothing_fails_untampered(base: str) -> None:
    trace, bound, bill = honest(base)
    audits = audits_of(trace, bound.cycles, bill)
    assert {audit["name"] for audit in audits} == ALL
    assert len(audits) == len(ALL)
    assert failed(trace, bound, bill) == set()
    # What is compared is something: no audit passes because both sides are nothing.
    empty = {audit["name"] for audit in audits if not audit["expected"]}
    assert empty == {BOUND}


@pytest.mark.parametrize("workload", ["mlp_digits", "mlp_mnist"])
@pytest.mark.parametrize("base", SHIPPED)
def test_all_audits_pass_on_what_is_shipped(base: str, workload: str) -> None:
    result = evaluate(load_arch(base), load_workload(workload), examples=300)
    assert {audit["name"] for audit in result.data["audits"]} >= ALL
    assert [audit for audit in result.data["audits"] if not audit["passed"]] == []
    assert result.passed


@pytest.mark.parametrize("policy", sorted(TRANSFER_POLICIES))
@pytest.mark.parametrize("base", SHIPPED)
def test_all_audits_pass_over_several_transfer_intervals(base: str, policy: str) -> None:
    overrides = [f"schedule.transfer.policy={policy}", "schedule.transfer.interval_examples=60"]
    arch = load_arch(base, [*overrides, "schedule.transfer.rows_in_parallel=32"])
    result = evaluate(arch, load_workload("mlp_digits"), examples=400)
    assert [audit for audit in result.data["audits"] if not audit["passed"]] == []
    assert result.data["metrics"]["transfers"] > 0


@settings(max_examples=10, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_all_audits_pass_on_random_runs(case: Case) -> None:
    schedule = case.schedule()
    trace = simulate(schedule)
    assert failed(trace, simulate(schedule, unlimited=True), account(trace)) == set()


def test_published_figures_that_were_fitted_are_audited_unless_the_chip_is_changed() -> None:
    # The reference chip is fitted to two published peaks; with any override they say nothing about it.
    shipped = evaluate(load_arch(REFERENCE), load_workload("mlp_digits"), examples=20).data["audits"]
    changed = evaluate(load_arch(REFERENCE, ["tile.count=4"]), load_workload("mlp_digits"), examples=20).data["audits"]
    published = [audit for audit in shipped if audit["name"].startswith("published")]
    assert len(published) == 2
    assert all(audit["passed"] for audit in published)
    assert not any(audit["name"].startswith("published") for audit in changed)


# ---- each can fail, and it alone


class Leaky(Bill):
    """A bill whose grouping by one property loses a millionth of its energy."""

    lost = ""

    def by(self, key: Callable[[Item], str]) -> dict[str, float]:
        groups = super().by(key)
        item = Item(component="component", action="", phase="phase", layer="layer", count=0, energy_j=0.0)
        if key(item) == self.lost:
            name = next(iter(groups))
            groups[name] *= 1 - 1e-6
        return groups


@pytest.mark.parametrize("lost", ["component", "phase", "layer"])
def test_energy_lost_in_a_grouping_is_found(lost: str) -> None:
    trace, bound, bill = honest()
    leaky = Leaky(bill.items)
    assert failed(trace, bound, leaky) == set()
    object.__setattr__(leaky, "lost", lost)
    assert failed(trace, bound, leaky) == {ENERGY.format(lost)}


class Dishonest(Bill):
    """A bill whose total leaves a millionth out."""

    @property
    def total_j(self) -> float:
        return super().total_j * (1 - 1e-6)


def test_a_total_that_leaves_something_out_is_found() -> None:
    trace, bound, bill = honest()
    assert failed(trace, bound, Dishonest(bill.items)) == {TOTAL}


@pytest.mark.parametrize("component", ["crossbar", "col_converter", "clock_and_control", "host_port"])
def test_an_item_that_is_missing_from_the_bill_is_found(component: str) -> None:
    trace, bound, bill = honest()
    groupings = {ENERGY.format(key) for key in ("component", "phase", "layer")}
    lost = next(item for item in bill.items if item.component == component and item.energy_j)
    assert failed(trace, bound, Bill(tuple(item for item in bill.items if item is not lost))) == {TOTAL, *groupings}


@pytest.mark.parametrize("part", ["device", "router", "white_space", "host_port"])
def test_area_that_is_missing_from_the_floorplan_is_found(part: str) -> None:
    trace, bound, bill = honest()
    chip = trace.schedule.chip
    parts = tuple(replace(p, area_m2=p.area_m2 * 1.001) if p.component == part else p for p in chip.parts)
    assert parts != chip.parts
    assert failed(on_chip(trace, replace(chip, parts=parts)), bound, bill) == {AREA}


def on_chip(trace: Trace, chip: Chip) -> Trace:
    return replace(trace, schedule=replace(trace.schedule, chip=chip))


@pytest.mark.parametrize("more", [-1, 1])
def test_a_tile_cycle_in_no_state_or_in_two_is_found(more: int) -> None:
    trace, bound, bill = honest()
    tile = dict(trace.tile_states[0])
    tile["forward"] += more
    assert failed(replace(trace, tile_states=(tile, *trace.tile_states[1:])), bound, bill) == {STATES}


def test_a_state_that_is_not_counted_is_found() -> None:
    trace, bound, bill = honest()
    without = tuple({**tile, "waiting_data": 0} for tile in trace.tile_states)
    assert failed(replace(trace, tile_states=without), bound, bill) == {STATES}


@pytest.mark.parametrize("more", [-1, 1])
def test_an_example_too_many_or_too_few_is_found(more: int) -> None:
    trace, bound, bill = honest()
    assert failed(replace(trace, examples=trace.examples + more), bound, bill) == {TRAINED}


@pytest.mark.parametrize("more", [-1, 1])
def test_an_update_lost_or_applied_twice_is_found(more: int) -> None:
    trace, bound, bill = honest()
    # An update is an operation as well, so that audit sees it too.
    tampered = with_done(trace, trace.schedule.updates[0], more)
    assert failed(tampered, bound, bill) - {ARRIVED} == {APPLIED, EXECUTED}


@pytest.mark.parametrize("kind", ["forward", "backward"])
def test_a_pass_that_was_left_out_is_found(kind: str) -> None:
    trace, bound, bill = honest()
    assert failed(with_done(trace, first(trace.schedule, kind), -1), bound, bill) - {ARRIVED} == {EXECUTED}


@pytest.mark.parametrize("base", [PACKET])
def test_a_message_that_does_not_arrive_is_found(base: str) -> None:
    trace, bound, bill = honest(base)
    # With packets each hop is an op of its own: the last hop of a message is done once less than its first.
    message = next(m for m in trace.schedule.messages if m.source_op not in m.last_ops)
    assert failed(with_done(trace, message.last_ops[0], -1), bound, bill) == {ARRIVED}
    assert failed(with_done(trace, message.source_op, 1), bound, bill) == {ARRIVED}


@pytest.mark.parametrize("base", [REFERENCE, BUS])
def test_by_circuits_and_on_a_bus_a_message_that_reaches_too_few_is_found(base: str) -> None:
    trace, bound, bill = honest(base)
    # A circuit is one op from end to end, so what can go wrong is at whom it ends: one far end is an op not done.
    messages = list(trace.schedule.messages)
    place = next(i for i, m in enumerate(messages) if len(m.last_ops) > 1)
    idle = len(trace.done)
    messages[place] = replace(messages[place], last_ops=(*messages[place].last_ops[1:], idle))
    schedule = replace(trace.schedule, messages=tuple(messages))
    tampered = replace(trace, schedule=schedule, done=(*trace.done, 0))
    assert failed(tampered, bound, bill) == {ARRIVED}


@pytest.mark.parametrize("more", [-1, 1])
def test_a_transfer_left_out_or_done_twice_is_found(more: int) -> None:
    trace, bound, bill = honest()
    assert failed(with_done(trace, first(trace.schedule, "transfer"), more), bound, bill) == {TRANSFERS}


@pytest.mark.parametrize("figure", ["cells", "open"])
@pytest.mark.parametrize("more", [-1, 1])
def test_a_cell_update_read_twice_or_never_is_found(figure: str, more: int) -> None:
    trace, bound, bill = honest()
    dwell = trace.dwell
    cells, left = dwell.cells + more * (figure == "cells"), dwell.open + more * (figure == "open")
    other = DwellTimes(dwell.counts.copy(), cells, dwell.total_cycles, dwell.max_cycles, left)
    assert failed(replace(trace, dwell=other), bound, bill) == {DWELL}


def test_a_run_faster_than_its_lower_bound_is_found() -> None:
    trace, bound, bill = honest()
    assert failed(trace, replace(bound, cycles=trace.cycles), bill) == set()
    assert failed(trace, replace(bound, cycles=trace.cycles + 1), bill) == {BOUND}


def test_with_rewrites_there_is_no_lower_bound_to_audit() -> None:
    # How many rewrites there are depends on how long the run takes, so less contention need not mean less time.
    overrides = ["schedule.refresh.policy=rewrite", "schedule.refresh.period=20 us"]
    schedule = schedule_of(network(12, 7, 5), 100, overrides)
    trace = simulate(schedule)
    audits = audits_of(trace, simulate(schedule, unlimited=True).cycles, account(trace))
    assert trace.refresh_cycles > 0
    assert {audit["name"] for audit in audits} == ALL - {BOUND}


def test_every_audit_is_made_to_fail_by_some_tampering() -> None:
    trace, bound, bill = honest(PACKET)
    message = next(m for m in trace.schedule.messages if m.source_op not in m.last_ops)
    parts = tuple(replace(part, area_m2=2 * part.area_m2) for part in trace.schedule.chip.parts)
    tile = {**trace.tile_states[0], "update": 0}
    tampered: Sequence[tuple[Trace, Trace, Bill]] = [
        (trace, bound, Dishonest(bill.items)),
        (trace, bound, Bill(bill.items[1:])),
        (on_chip(trace, replace(trace.schedule.chip, parts=parts)), bound, bill),
        (replace(trace, tile_states=(tile, *trace.tile_states[1:])), bound, bill),
        (replace(trace, examples=0), bound, bill),
        (with_done(trace, trace.schedule.updates[-1], 1), bound, bill),
        (with_done(trace, message.last_ops[0], -1), bound, bill),
        (with_done(trace, first(trace.schedule, "transfer"), -1), bound, bill),
        (replace(trace, dwell=DwellTimes()), bound, bill),
        (trace, replace(bound, cycles=2 * trace.cycles), bill),
    ]
    assert set().union(*(failed(*case) for case in tampered)) == ALL
