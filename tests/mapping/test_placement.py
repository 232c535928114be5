"""Placement: each shard on a tile that holds it, the same work wherever it lies, and less wire where traffic counts."""

from __future__ import annotations

import inspect
import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.base.errors import InfeasibleError, SpecError
from archsim.chip import Chip, build_chip
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.partition import cut
from archsim.mapping.placement import greedy, in_order, snake, spectral
from archsim.mapping.schedule import Schedule
from archsim.mapping.shards import Cut, Mapping
from archsim.mapping.spectrum import Effort, smoothest
from archsim.mapping.traffic import HOST, Traffic, distances_of, route_cost_m, traffic_of, traffic_sent
from archsim.simulation.run import simulate
from archsim.spec.choices import PLACEMENTS, REDUCTIONS
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from tests.helpers import PACKET, REFERENCE, network

BASES = {base: load_arch(base) for base in (REFERENCE, PACKET)}
# Those that cannot do without the traffic: it has no default.
AWARE = [
    name for name, place in PLACEMENTS.items()
    if inspect.signature(place).parameters["traffic"].default is inspect.Parameter.empty
]  # fmt: skip


@dataclass(frozen=True)
class Plan:
    """A network on a chip: the transport's base, the widths, the arrays, and how many tiles stay empty."""

    base: str
    sizes: tuple[int, ...]
    bias: bool
    rows: int
    cols: int
    spare: int
    columns: int
    reduction: str

    def tiles(self) -> int:
        """How many arrays the network needs."""
        return sum(ceil((a + self.bias) / self.rows) * ceil(b / self.cols) for a, b in itertools.pairwise(self.sizes))

    def chip(self, placement: str = "in_order", *more: str) -> Chip:
        """The chip with that placement."""
        settings = [f"tile.count={self.tiles() + self.spare}", f"tile.rows={self.rows}", f"tile.cols={self.cols}",
                    f"floorplan.columns={self.columns}", f"routing.reduction={self.reduction}",
                    f"placement={placement}", *more]  # fmt: skip
        return build_chip(BASES[self.base].with_overrides(settings).value)

    def mapping(self, chip: Chip) -> Mapping:
        """The network on that chip."""
        return map_workload(network(*self.sizes, bias=self.bias), chip)

    def problem(self) -> tuple[Chip, Cut, Traffic]:
        """What a placement is given."""
        chip = self.chip()
        pieces = cut(network(*self.sizes, bias=self.bias), chip)
        return chip, pieces, traffic_of(chip, pieces.on(in_order(chip, pieces)))


plans = st.builds(
    Plan,
    base=st.sampled_from(list(BASES)),
    sizes=st.lists(st.integers(1, 30), min_size=2, max_size=4).map(tuple),
    bias=st.booleans(),
    rows=st.integers(6, 16),
    cols=st.integers(6, 16),
    spare=st.integers(0, 4),
    columns=st.integers(1, 5),
    reduction=st.sampled_from(list(REDUCTIONS)),
)
DEEP = Plan(REFERENCE, (32, 64, 32, 32), False, 8, 8, 0, 9, "chain")  # 80 tiles


# ---- every placement


@pytest.mark.parametrize("name", list(PLACEMENTS))
@given(plans)
@settings(max_examples=10)
def test_each_shard_has_one_tile_of_its_own_that_holds_it(name: str, plan: Plan) -> None:
    chip = plan.chip(name)
    mapping = plan.mapping(chip)
    tiles = [shard.tile for shard in mapping.shards]
    assert len(set(tiles)) == len(tiles) == plan.tiles()
    assert set(tiles) <= set(range(len(chip.tiles)))
    for shard in mapping.shards:
        spec = chip.tiles[shard.tile].spec
        assert shard.rows <= spec.rows
        assert shard.cols <= spec.cols
    assert plan.mapping(plan.chip(name)) == mapping  # it follows from the specs


def work(schedule: Schedule) -> dict[str, object]:
    """Return what a step does apart from where: ops but for hops, messages, and what is billed off the links."""
    shard_on = {shard.tile: shard.index for shard in schedule.mapping.shards} | {-1: -1}
    uses: Counter[tuple[int, str, str]] = Counter()
    for op in schedule.ops:
        for use in (use for stage in op.stages for use in stage.uses):
            unit = schedule.chip.units[use.unit]
            if unit.component not in ("link", "router"):
                uses[shard_on[unit.tile], unit.component, use.action] += use.count
    ops = [(op.kind, op.phase, op.layer, shard_on[op.tile], op.label) for op in schedule.ops if op.kind != "send"]
    return {"ops": ops, "messages": [(m.bits, len(m.last_ops)) for m in schedule.messages], "uses": uses}


@pytest.mark.parametrize("name", [name for name in PLACEMENTS if name != "in_order"])
@given(plans)
@settings(max_examples=6)
def test_the_work_does_not_depend_on_the_placement(name: str, plan: Plan) -> None:
    chip, other = plan.chip(), plan.chip(name)
    here = build_schedule(chip, plan.mapping(chip), 4)
    there = build_schedule(other, plan.mapping(other), 4)
    assert work(there) == work(here)
    # Nor does the traffic that placements are made by.
    assert traffic_sent(other, there.mapping) == traffic_sent(chip, here.mapping)


@pytest.mark.parametrize("name", list(PLACEMENTS))
@pytest.mark.parametrize("base", list(BASES))
def test_no_placement_beats_the_time_without_contention(name: str, base: str) -> None:
    chip = replace(DEEP, base=base).chip(name)
    schedule = build_schedule(chip, DEEP.mapping(chip), 10)
    trace = simulate(schedule)
    assert trace.examples == 10
    assert trace.cycles >= simulate(schedule, unlimited=True).cycles > 0


SMALL = "variants={small: {count: 3, rows: 8, cols: 8}}"


@pytest.mark.parametrize("name", list(PLACEMENTS))
def test_a_shard_gets_the_smallest_array_that_holds_it(name: str) -> None:
    # By hand: 20 x 16 in arrays of 16 x 16 is two shards of 10 x 16; 16 x 8 is one; 8 x 5 and 5 x 4 fit the small kind.
    plan = Plan(REFERENCE, (20, 16, 8, 5, 4), False, 16, 16, 0, 3, "chain")
    chip = plan.chip(name, SMALL)
    kinds = [chip.tiles[shard.tile].kind for shard in plan.mapping(chip).shards]
    assert kinds == ["tile", "tile", "tile", "small", "small"]


@pytest.mark.parametrize("name", list(PLACEMENTS))
def test_every_placement_refuses_what_no_free_tile_holds(name: str) -> None:
    chip = Plan(REFERENCE, (16, 16), False, 16, 16, 0, 3, "chain").chip(name, SMALL)
    with pytest.raises(InfeasibleError, match="layer fc2: no free tile holds a shard of 16 x 9"):
        map_workload(network(16, 16, 9, bias=False), chip)


@pytest.mark.parametrize("name", list(PLACEMENTS))
def test_a_network_of_one_shard_can_be_placed(name: str) -> None:
    plan = Plan(REFERENCE, (1, 1), False, 8, 8, 3, 2, "chain")
    assert len(plan.mapping(plan.chip(name)).shards) == 1


# ---- the traffic


def sent(schedule: Schedule) -> Counter[tuple[int, int]]:
    """Return the values between shards as the schedule's stages send them over a mesh.

    What reaches a tile passes over its own link once, by a stage that shows the tile at which it began as sending: with
    circuits that is the stage itself; with packets the first hop of the message, whose bits are 8 to a value.
    """
    chip = schedule.chip
    shard_on = {shard.tile: shard.index for shard in schedule.mapping.shards}
    found: Counter[tuple[int, int]] = Counter()
    if chip.spec.routing.transport == "packet":
        for message in schedule.messages:
            for last in message.last_ops:
                start = [tile for tile, show in schedule.ops[message.source_op].stages[0].shows if show == "send"]
                ends = [tile for tile, show in schedule.ops[last].stages[0].shows if show == "receive"]
                assert len(ends) == 1
                found[shard_on[start[0]] if start else HOST, shard_on[ends[0]]] += message.bits // 8
        return found
    into = {chip.route("host", f"tile{tile}")[0][-1].unit: shard for tile, shard in shard_on.items()}
    for stage in (stage for op in schedule.ops for stage in op.stages):
        start = [tile for tile, show in stage.shows if show == "send"]
        for use in stage.uses:
            if use.unit in into:
                found[shard_on[start[0]] if start else HOST, into[use.unit]] += use.count
    return found


@given(plans, st.sampled_from(list(PLACEMENTS)))
def test_the_traffic_is_what_the_schedule_sends(plan: Plan, name: str) -> None:
    chip = plan.chip(name)
    schedule = build_schedule(chip, plan.mapping(chip), 1, maintenance=False)
    assert sent(schedule) == traffic_of(chip, schedule.mapping).values


@pytest.mark.parametrize("base", list(BASES))
def test_the_traffic_of_a_network_that_can_be_followed_by_hand(base: str) -> None:
    # Arrays of 6 x 3: the layer 12 x 6 is shards 0 1 / 2 3, the layer 6 x 4 is shards 4 5.
    _, _, traffic = Plan(base, (12, 6, 4), False, 6, 3, 0, 3, "chain").problem()
    assert traffic.values == {
        (HOST, 0): 6, (HOST, 1): 6, (HOST, 2): 6, (HOST, 3): 6,  # each row of shards needs its half of 12 inputs
        (0, 2): 3, (1, 3): 3,  # forward sums of 3 columns go down the chain; the last row of shards holds them
        (2, 4): 3, (2, 5): 3, (3, 4): 3, (3, 5): 3,  # both columns of the next layer need all 6
        (HOST, 5): 1,  # the label
        (4, 5): 2 + 2 * 3,  # two outputs to where the loss is; backward sums of 6 rows along the chain
        (5, 4): 2,  # the derivative of the loss for two outputs
        (5, 2): 3, (5, 3): 3,  # the sums to the holders of the columns, which derive
        (2, 0): 3, (3, 1): 3,  # and d to all rows of shards of each column, for their update
    }  # fmt: skip


@given(plans)
def test_the_cost_is_values_times_length_and_on_a_mesh_the_routes(plan: Plan) -> None:
    chip, _, traffic = plan.problem()
    tiles = [shard.tile for shard in plan.mapping(chip).shards]
    distances = distances_of(chip)
    slow_m = 0.0  # plain loops over sites; the host's link goes to the router nearest to it
    gate = min(chip.plan.sites, key=lambda site: chip.plan.distance_m(chip.plan.host, site))
    for (source, target), values in traffic.values.items():
        here, there = (chip.plan.sites[tiles[shard]] if shard != HOST else gate for shard in (source, target))
        slow_m += values * (
            chip.plan.distance_m(here, there) + (source == HOST) * chip.plan.distance_m(chip.plan.host, gate)
        )
    assert distances.cost_m(traffic, tiles) == pytest.approx(slow_m)
    assert route_cost_m(chip, traffic, tiles) == pytest.approx(slow_m)


# ---- what the traffic-aware placements promise


@given(plans)
def test_annealing_is_never_worse_than_any_other_placement(plan: Plan) -> None:
    chip, pieces, traffic = plan.problem()
    distances = distances_of(chip)
    cost_m = {
        name: distances.cost_m(traffic, place(chip, pieces, lambda: traffic, 0)) for name, place in PLACEMENTS.items()
    }
    assert cost_m["annealed"] == min(cost_m.values())


def least_m(chip: Chip, traffic: Traffic) -> float:
    """Return the least cost of all ways to place the shards: a slow and sure reference."""
    ways = np.array(list(itertools.permutations(range(len(chip.tiles)), traffic.count)))
    distances, total_m = distances_of(chip), np.zeros(len(ways))
    for (source, target), values in traffic.values.items():
        if source == HOST:
            total_m += values * distances.host_m[ways[:, target]]
        else:
            for axis_m in (distances.x_m, distances.y_m):
                total_m += values * abs(axis_m[ways[:, source]] - axis_m[ways[:, target]])
    return float(total_m.min())


TINY = [
    ((12, 6, 4), 6, 3, 1, 3),  # 6 shards on 7 tiles
    ((14, 14, 3), 7, 7, 0, 3),  # 6 on 6
    ((8, 8, 8, 8, 8, 8, 8, 8), 8, 8, 0, 7),  # a chain of 7 on a row
    ((8, 8, 8, 8, 8, 8, 8), 8, 8, 2, 2),  # 6 on 8
    ((21, 7, 14), 7, 7, 2, 4),  # 5 on 7
]


@pytest.mark.parametrize(("sizes", "rows", "cols", "spare", "columns"), TINY)
def test_annealing_finds_the_optimum_of_small_networks(
    sizes: tuple[int, ...], rows: int, cols: int, spare: int, columns: int
) -> None:
    plan = Plan(REFERENCE, sizes, False, rows, cols, spare, columns, "chain")
    chip, pieces, traffic = plan.problem()
    tiles = PLACEMENTS["annealed"](chip, pieces, lambda: traffic, 0)
    # Annealing promises no optimum; of 71 random networks of this size it was missed in none.
    assert distances_of(chip).cost_m(traffic, tiles) <= 1.02 * least_m(chip, traffic)


def test_a_deep_network_needs_less_wire_when_traffic_is_looked_at() -> None:
    chip, pieces, traffic = DEEP.problem()
    plain_m = route_cost_m(chip, traffic, in_order(chip, pieces))
    for name in AWARE:
        assert route_cost_m(chip, traffic, PLACEMENTS[name](chip, pieces, lambda: traffic, 0)) < plain_m, name


@pytest.mark.parametrize("place", [greedy, spectral])
def test_a_chain_of_layers_lies_in_order_from_the_host(place: Callable[..., Sequence[int]]) -> None:
    # On one row of tiles a chain of equal layers has its least wire in order. Greedily each layer goes next to the one
    # before; the Fiedler vector of a path is a cosine, which falls or rises from end to end.
    plan = Plan(REFERENCE, (8,) * 10, False, 8, 8, 0, 9, "chain")
    chip, pieces, traffic = plan.problem()
    assert tuple(place(chip, pieces, lambda: traffic)) == tuple(range(9))


@given(st.integers(3, 25), st.integers(0, 2**32 - 1))
def test_the_smoothest_vectors_are_those_of_a_dense_solver(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.triu(rng.uniform(0.1, 10, (count, count)) * (rng.random((count, count)) < 0.3), 1)
    weights[np.arange(count - 1), np.arange(1, count)] = 1.0  # a path, so that it is connected
    weights += weights.T
    ends = np.nonzero(weights)
    vectors = smoothest((ends[0], ends[1]), weights[ends], count, Effort(60, 1e-4, 400))
    laplacian = np.diag(weights.sum(axis=1)) - weights
    eigenvalues = np.linalg.eigvalsh(laplacian)[1:3]
    for vector, eigenvalue in zip(vectors, eigenvalues, strict=True):
        # Where eigenvalues crowd, the iteration ends with a mixture of their vectors: less smooth by some per cent.
        assert float(vector @ laplacian @ vector) == pytest.approx(eigenvalue, rel=0.2)
    assert float(vectors[0] @ vectors[1]) == pytest.approx(0, abs=1e-9)
    assert [abs(vector.sum()) for vector in vectors] == pytest.approx([0, 0], abs=1e-9)


@given(plans, st.integers(0, 2**32 - 1))
def test_rounding_does_not_decide_the_spectral_order(plan: Plan, seed: int) -> None:
    chip, pieces, traffic = plan.problem()
    rng = np.random.default_rng(seed)
    shaken = {pair: values * (1 + 1e-13 * rng.standard_normal()) for pair, values in traffic.values.items()}
    other = spectral(chip, pieces, lambda: Traffic(traffic.count, shaken))  # type: ignore[arg-type]
    costs_m = [distances_of(chip).cost_m(traffic, t) for t in (spectral(chip, pieces, lambda: traffic), other)]
    assert costs_m[0] == pytest.approx(costs_m[1])


def test_the_seed_is_that_of_annealing_alone() -> None:
    chip, pieces, traffic = DEEP.problem()

    def tiles(name: str, seed: int) -> Sequence[int]:
        return PLACEMENTS[name](chip, pieces, lambda: traffic, seed)

    for name in PLACEMENTS:
        assert tiles(name, 1) == tiles(name, 1)
        assert (tiles(name, 1) == tiles(name, 2)) == (name != "annealed")


def test_more_moves_find_no_worse_places_here() -> None:
    chip, pieces, traffic = DEEP.problem()
    distances = distances_of(chip)
    costs_m = [
        distances.cost_m(traffic, PLACEMENTS["annealed"](chip, pieces, lambda: traffic, 0, moves=moves))
        for moves in (0, 30, 3000)
    ]
    starts = (in_order, snake, greedy, spectral)
    assert costs_m[0] == min(distances.cost_m(traffic, place(chip, pieces, lambda: traffic)) for place in starts)
    assert costs_m == sorted(costs_m, reverse=True)


def test_options_of_a_placement_come_from_the_spec() -> None:
    def tiles(*sets: str) -> tuple[int, ...]:
        chip = build_chip(load_arch("pcm64_mesh_32nm", sets).value)
        return tuple(shard.tile for shard in map_workload(load_workload("mlp_wide").value, chip).shards)

    none = tiles("placement_options.moves=1")
    assert none != tiles("placement_options.moves=300")
    assert none == tiles("placement_options={moves: 1}")
    with pytest.raises(SpecError, match="movez"):
        tiles("placement_options={movez: 1}")
    with pytest.raises(SpecError, match="moves"):
        tiles("placement=greedy", "placement_options.moves=1")  # the annealed placement's options are none of it
    assert tiles("placement=greedy") == tiles("placement=greedy", "placement_options={}")  # they went with it


def test_placements_that_do_not_look_at_traffic_do_not_ask_for_it() -> None:
    chip, pieces, _ = DEEP.problem()

    def asked() -> Traffic:
        raise AssertionError("the traffic was asked for")

    for name in PLACEMENTS:
        if name not in AWARE:
            PLACEMENTS[name](chip, pieces, asked, 0)
