"""The largest d, to which drivers scale a backward vector, is searched for before any of them starts."""

from __future__ import annotations

from math import ceil, log2

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.mapping.recipes import BACKWARD, TileKit
from archsim.mapping.schedule import Op, Schedule
from archsim.simulation.run import simulate
from tests.helpers import PACKET, REFERENCE, Case, cases, chip_of, network, schedule_of


def compared(schedule: Schedule, op: Op) -> int:
    """Return how many values an op compares."""
    uses = [use for stage in op.stages for use in stage.uses if use.action == "compare"]
    return sum(use.count for use in uses)


def searched_before(schedule: Schedule, op: Op) -> int:
    """Return how many values were compared in the search that an op waits for, on the way back to the loss."""
    seen, todo = set(), [need.op for need in op.needs]
    while todo:
        index = todo.pop()
        before = schedule.ops[index]
        if index in seen or before.phase not in ("backward", "loss"):
            continue
        seen.add(index)
        if found := compared(schedule, before):
            return found
        todo += [need.op for need in before.needs]
    return 0


@given(st.integers(1, 600), st.integers(1, 200))
def test_a_search_is_a_compare_a_value_in_the_lanes_and_a_tree_over_them(values: int, lanes: int) -> None:
    # Origin: the tree itself, at 1 ns a step and 1 GHz.
    chip = chip_of(REFERENCE, [f"tile.neuron.lanes={lanes}"])
    stage = TileKit(chip, chip.tiles[0]).maximum(values)
    assert stage.latency_cycles == ceil(values / lanes) + ceil(log2(min(values, lanes)))
    (use,) = stage.uses
    assert (use.action, use.count) == ("compare", values)
    assert chip.units[use.unit].actions["compare"].energy_j == pytest.approx(0.029e-12)


@given(cases())
def test_no_backward_vector_drives_an_array_before_its_largest_value_is_known(case: Case) -> None:
    schedule = case.schedule()
    shards = {shard.tile: shard for shard in schedule.mapping.shards}
    backward = [op for op in schedule.ops if op.kind == "backward"]
    for op in backward:
        assert searched_before(schedule, op) >= shards[op.tile].cols
    driven = {op.layer for op in backward}
    assert driven == set(range(1, len(schedule.mapping.workload.layers)))
    if not driven:  # nothing goes back, nothing is searched for
        assert not any(compared(schedule, op) for op in schedule.ops)


def test_updates_that_are_scaled_by_it_ask_for_the_largest_value_of_the_first_layer_too() -> None:
    sizes, sets = (6, 5, 7, 4), ["tile.rows=16", "tile.cols=16"]
    plain, scaled = (
        sum(compared(own, op) for op in own.ops)
        for own in (
            schedule_of(network(*sizes), 1, [*sets, *more], PACKET) for more in ([], ["tile.array.update_shift=3"])
        )
    )
    assert (plain, scaled) == (7 + 4, 5 + 7 + 4)


@pytest.mark.parametrize(("base", "more"), [(PACKET, 0), (REFERENCE, 64)])
def test_a_search_takes_its_time_within_an_example(base: str, more: int) -> None:
    # Origin: 4 outputs are 1 + 2 steps of 1 ns; 5 hidden ones, digital with packets, 1 + 3; held ones a ramp of 64 ns.
    sizes = (6, 5, 7, 4)
    sets = ["tile.rows=16", "tile.cols=16", "tile.neuron.lanes=64"]
    schedule = schedule_of(network(*sizes), 1, sets, base)
    chip = schedule.chip
    kit = TileKit(chip, chip.tiles[0])
    found = [stage.latency_cycles for op in schedule.ops for stage in op.stages
             if any(use.action == "compare" for use in stage.uses)]  # fmt: skip
    assert sorted(found) == sorted([1 + 2, more or 1 + 3])
    if more:
        assert kit.scan(BACKWARD, 7).latency_cycles == more
    assert simulate(schedule).cycles > sum(found)
