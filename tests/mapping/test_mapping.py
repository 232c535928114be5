"""Mapping: layers are cut into balanced shards that cover them exactly, each on a tile of its own."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import InfeasibleError
from archsim.chip import Chip, build_chip
from archsim.mapping import Mapping, build_schedule, map_workload
from archsim.mapping.modes import without_maintenance
from archsim.mapping.placement import snake_order
from archsim.mapping.shards import split
from archsim.spec.choices import PLACEMENTS, REDUCTIONS, TRANSFER_POLICIES
from archsim.spec.loading import load_arch
from archsim.workload import Dataset, Dense, Training, Workload, load_workload

REFERENCE = load_arch("ambrogio_nature_2018")
MNIST = load_workload("mlp_mnist").value


def chip(*overrides: str) -> Chip:
    return build_chip(REFERENCE.with_overrides(overrides).value)


def network(sizes: list[int], bias: list[bool]) -> Workload:
    layers = tuple(
        Dense(name=f"fc{i}", inputs=inputs, outputs=outputs, activation="relu", bias=bias[i])
        for i, (inputs, outputs) in enumerate(itertools.pairwise(sizes))
    )
    return Workload(
        name="random",
        dataset=Dataset(name="none", examples=1),
        layers=layers,
        training=Training(epochs=1, learning_rate=0.1),
    )


def tiles_needed(workload: Workload, rows: int, cols: int) -> int:
    return sum(ceil(layer.rows / rows) * ceil(layer.outputs / cols) for layer in workload.layers)


networks = st.builds(network, st.lists(st.integers(1, 90), min_size=2, max_size=4), st.lists(st.booleans(), min_size=3))
lines = st.integers(8, 64)


# ---- splitting


@given(st.integers(1, 10**5), st.integers(1, 2000))
def test_a_split_covers_all_in_order(total: int, most: int) -> None:
    pieces = split(total, most)
    assert pieces[0][0] == 0
    assert pieces[-1][1] == total
    assert all(stop == start for (_, stop), (start, _) in itertools.pairwise(pieces))


@given(st.integers(1, 10**5), st.integers(1, 2000))
def test_a_split_is_balanced_and_has_the_fewest_pieces(total: int, most: int) -> None:
    sizes = [stop - start for start, stop in split(total, most)]
    assert 1 <= min(sizes) <= max(sizes) <= most
    assert max(sizes) - min(sizes) <= 1
    assert sizes == sorted(sizes, reverse=True)
    assert (len(sizes) - 1) * most < total <= len(sizes) * most


@pytest.mark.parametrize(
    ("total", "most", "sizes"),
    [(512, 512, [512]), (513, 512, [257, 256]), (529, 512, [265, 264]), (1, 512, [1]), (7, 3, [3, 2, 2])],
)
def test_splits_that_can_be_checked_by_hand(total: int, most: int, sizes: list[int]) -> None:
    # 529 rows are 528 inputs and a bias: 265 + 264 (design, section 8).
    assert [stop - start for start, stop in split(total, most)] == sizes


# ---- shards


def mapped(workload: Workload, rows: int, cols: int, *overrides: str) -> tuple[Mapping, Chip]:
    count = tiles_needed(workload, rows, cols)
    built = chip(f"tile.count={count}", f"tile.rows={rows}", f"tile.cols={cols}", *overrides)
    return map_workload(workload, built), built


@given(networks, lines, lines)
def test_the_shards_of_a_layer_hold_each_cell_once(workload: Workload, rows: int, cols: int) -> None:
    mapping, _ = mapped(workload, rows, cols)
    for index, layer in enumerate(workload.layers):
        matrix = np.zeros((layer.rows, layer.outputs), dtype=int)
        for shard in mapping.shards:
            if shard.layer == index:
                matrix[shard.row_start : shard.row_stop, shard.col_start : shard.col_stop] += 1
                assert shard.cells == (shard.row_stop - shard.row_start) * (shard.col_stop - shard.col_start)
        assert (matrix == 1).all()
    assert sum(shard.cells for shard in mapping.shards) == workload.synapses


@given(networks, lines, lines, st.sampled_from(list(PLACEMENTS)))
def test_each_shard_fits_a_tile_of_its_own(workload: Workload, rows: int, cols: int, placement: str) -> None:
    mapping, built = mapped(workload, rows, cols, f"placement={placement}")
    homes = [shard.tile for shard in mapping.shards]
    assert len(set(homes)) == len(homes)
    for shard in mapping.shards:
        spec = built.tiles[shard.tile].spec
        assert 1 <= shard.rows <= spec.rows
        assert 1 <= shard.cols <= spec.cols
    assert [shard.index for shard in mapping.shards] == list(range(len(homes)))


@given(networks, lines, lines)
def test_inputs_leave_the_bias_row_out_once_per_layer(workload: Workload, rows: int, cols: int) -> None:
    mapping, _ = mapped(workload, rows, cols)
    for index, layer in enumerate(workload.dense_layers()):
        grid = mapping.of_layer(index)
        for column in zip(*grid, strict=True):
            assert sum(shard.inputs for shard in column) == layer.inputs
            spare = [shard.rows - shard.inputs for shard in column]
            assert spare == [0] * (len(column) - 1) + [int(layer.bias)]  # the last row of the last shard


@given(networks, lines, lines)
def test_the_grid_of_a_layer_is_as_small_as_can_be_and_in_order(workload: Workload, rows: int, cols: int) -> None:
    mapping, _ = mapped(workload, rows, cols)
    for index, layer in enumerate(workload.layers):
        assert mapping.grid[index] == (ceil(layer.rows / rows), ceil(layer.outputs / cols))
        grid = mapping.of_layer(index)
        assert [[(shard.row, shard.col) for shard in row] for row in grid] == [
            [(r, c) for c in range(mapping.grid[index][1])] for r in range(mapping.grid[index][0])
        ]
    assert Counter(shard.layer for shard in mapping.shards) == {i: r * c for i, (r, c) in enumerate(mapping.grid)}


def test_the_shards_of_the_reference_network() -> None:
    mapping = map_workload(MNIST, chip())
    # Design, section 8: 529 rows are two balanced shards, 265 + 264; the others fit one array of 512 x 512.
    found = [(shard.layer, shard.rows, shard.cols, shard.inputs, shard.tile) for shard in mapping.shards]
    assert found == [(0, 265, 250, 265, 0), (0, 264, 250, 263, 1), (1, 251, 125, 250, 2), (2, 126, 10, 125, 3)]


# ---- placements


@given(st.integers(1, 30), st.integers(1, 8))
def test_the_snake_is_a_permutation_of_the_tiles(count: int, columns: int) -> None:
    built = chip(f"tile.count={count}", f"floorplan.columns={columns}")
    assert sorted(snake_order(built)) == list(range(count))


@given(st.integers(1, 6), st.integers(1, 8))
def test_neighbours_on_the_snake_are_neighbours_on_the_chip(rows: int, columns: int) -> None:
    built = chip(f"tile.count={rows * columns}", f"floorplan.columns={columns}")
    for a, b in itertools.pairwise(snake_order(built)):
        assert built.route(f"tile{a}", f"tile{b}")[1] == 2  # from router to router, none between


@given(st.integers(1, 30), st.integers(1, 8))
def test_the_snake_never_skips_a_row(count: int, columns: int) -> None:
    built = chip(f"tile.count={count}", f"floorplan.columns={columns}")
    rows = [tile // built.plan.columns for tile in snake_order(built)]
    assert rows == sorted(rows)


def test_orders_that_can_be_checked_by_hand() -> None:
    built = chip("tile.count=7", "floorplan.columns=3")  # rows 0 1 2, 3 4 5 and 6
    assert built.plan.in_rows == (0, 1, 2, 3, 4, 5, 6)
    assert snake_order(built) == [0, 1, 2, 5, 4, 3, 6]
    seven = network([1] * 8, [True] * 7)
    for name, order in (("in_order", [0, 1, 2, 3, 4, 5, 6]), ("snake", [0, 1, 2, 5, 4, 3, 6])):
        placed = map_workload(seven, chip("tile.count=7", "floorplan.columns=3", f"placement={name}"))
        assert [shard.tile for shard in placed.shards] == order


# ---- reductions


@pytest.mark.parametrize("name", list(REDUCTIONS))
@given(st.integers(1, 40))
def test_a_reduction_adds_each_part_once_and_ends_in_the_last_place(name: str, count: int) -> None:
    # A slower reference: lists of what has been added up at each place.
    parts = [[i] for i in range(count)]
    for source, target in REDUCTIONS[name](count):
        parts[target] += parts[source]
        parts[source] = []
    assert sorted(parts.pop()) == list(range(count))
    assert not any(parts)


# ---- what does not fit


@given(networks, lines, lines, st.integers(1, 5))
def test_a_chip_too_small_is_told_by_how_much(workload: Workload, rows: int, cols: int, short: int) -> None:
    needed = tiles_needed(workload, rows, cols)
    if needed <= short:
        return
    small = chip(f"tile.count={needed - short}", f"tile.rows={rows}", f"tile.cols={cols}")
    with pytest.raises(InfeasibleError) as caught:
        map_workload(workload, small)
    text = str(caught.value)
    assert f"needs {needed:,} tiles of {rows} x {cols}" in text
    assert f"has {needed - short:,} ({short:,} short)" in text
    # The advice helps: exactly that many tiles are enough.
    setting = f"tile.count={needed}"
    assert f"--set {setting}" in text
    enough = chip(setting, f"tile.rows={rows}", f"tile.cols={cols}")
    assert len(map_workload(workload, enough).shards) == needed


def test_the_message_names_the_layers_and_what_each_needs() -> None:
    with pytest.raises(InfeasibleError) as caught:
        map_workload(MNIST, chip("tile.count=3"))
    # By hand: 529 x 250 needs 2 arrays of 512 x 512, 251 x 125 and 126 x 10 need 1 each.
    for part in ("fc1 (529 x 250) needs 2", "fc2 (251 x 125) needs 1", "fc3 (126 x 10) needs 1", "(1 short)"):
        assert part in str(caught.value)


SMALL = "variants={small: {count: 3, rows: 64, cols: 64}}"


def test_a_shard_is_not_put_on_a_tile_too_small_for_it() -> None:
    # Four arrays are needed: three of 512 x 512 for 265, 264 and 251 rows, and 126 x 10 fits no small one either.
    with pytest.raises(InfeasibleError, match="126 x 10"):
        map_workload(MNIST, chip("tile.count=3", SMALL))
    mapping = map_workload(MNIST, chip("tile.count=4", SMALL))
    assert {shard.tile for shard in mapping.shards} == {0, 1, 2, 3}


def test_a_small_shard_goes_to_a_small_tile_when_the_others_are_taken() -> None:
    workload = network([300, 200, 20, 5], [True] * 3)
    mapping = map_workload(workload, chip("tile.count=2", SMALL))
    assert [shard.tile for shard in mapping.shards] == [0, 1, 2]  # 301 x 200, 201 x 20, 21 x 5


def test_a_workload_that_fits_is_not_refused_for_the_order_of_its_layers() -> None:
    workload = network([20, 20, 300], [True] * 3)  # 21 x 20 fits a small tile, 21 x 300 does not
    assert len(map_workload(workload, chip("tile.count=1", SMALL)).shards) == 2


# ---- what a workload counts


def test_the_counts_of_the_reference_network() -> None:
    # Design, section 8: convention ops 989,310; executed 724,540; 164,885 synapses.
    assert MNIST.synapses == 164_885
    assert MNIST.ops_per_example == 989_310
    assert MNIST.ops_executed_per_example == 724_540
    assert MNIST.examples == 20 * 60_000  # Ambrogio 2018: 20 epochs of 60,000 images


@given(networks)
def test_executed_ops_are_those_of_plain_loops(workload: Workload) -> None:
    # A slower reference: two ops (multiply, add) for each product that backpropagation does.
    ops = 0
    for index, layer in enumerate(workload.layers):
        for row in range(layer.rows):
            is_bias = row == layer.inputs
            ops += 2 * layer.outputs  # forward; a bias is driven by 1
            ops += 2 * layer.outputs  # update, whether or not a pulse fires
            ops += 0 if index == 0 or is_bias else 2 * layer.outputs  # backward
    assert workload.ops_executed_per_example == ops
    assert workload.ops_per_example == 6 * workload.synapses >= ops


@given(networks)
def test_a_bias_adds_a_row(workload: Workload) -> None:
    for layer in workload.dense_layers():
        assert layer.rows == layer.inputs + layer.bias
        assert layer.synapses == layer.rows * layer.outputs
    assert workload.synapses == sum(layer.synapses for layer in workload.layers)


# ---- schedules


@pytest.mark.parametrize("policy", TRANSFER_POLICIES)
def test_what_is_left_without_maintenance_is_what_is_built_without_it(policy: str) -> None:
    refresh = ("schedule.refresh.policy=rewrite", "schedule.refresh.period=1 ms")
    own = chip(f"schedule.transfer.policy={policy}", *refresh)
    mapping = map_workload(MNIST, own)
    schedule = build_schedule(own, mapping, 20_000)
    assert {op.kind for op in schedule.ops} >= {"transfer", "refresh"}
    calm = build_schedule(own, mapping, 20_000, maintenance=False)
    assert without_maintenance(schedule) == replace(calm, chip=schedule.chip)
