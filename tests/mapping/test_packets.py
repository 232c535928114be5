"""Packets on every topology: zero-load latency to the cycle, back-pressure of finite buffers by hand, and deadlock."""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from archsim.base.errors import SpecError, StuckError
from archsim.chip.graph import Chip
from archsim.mapping.buffers import tree_of
from archsim.mapping.builder import StepBuilder
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import Need, Schedule, Stage
from archsim.mapping.transports.packet import send_tree
from archsim.noc.patterns import Packets, draw_packets
from archsim.noc.saturation import carry, saturation
from archsim.results.breakdowns import link_rows
from archsim.simulation.run import simulate
from archsim.spec.choices import TOPOLOGIES
from archsim.studies.noc.study import Inputs, settings_of
from tests.helpers import PACKET, Case, cases, chip_of, network, observed, record, schedule_of

LAW = settings(max_examples=6, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
OPTIONS: dict[str, list[tuple[str, ...]]] = {
    **{name: [()] for name in TOPOLOGIES},
    "torus": [(), ("folded=true",)],
    "htree": [(), ("arity=2",)],
    "bus": [(), ("segments=3",)],
}
CHOICES = [(name, options) for name, each in OPTIONS.items() for options in each]

Flow = tuple[int, Sequence[int], int]  # from a tile, to tiles, so many flits


def sending(chip: Chip, flows: Sequence[Flow]) -> tuple[Schedule, list[dict[int, int]]]:
    """Return a schedule that sends these packets at cycle 0, and for each by tile the op of its arrival."""
    workload = network(8, 5)
    builder = StepBuilder(chip, map_workload(workload, chip), 1)
    begin = builder.op("begin", "forward", -1, -1, (), [])
    arrived = [send_tree(builder, begin, source, tiles, flits, "forward", 0)[1] for source, tiles, flits in flows]
    ends = [Need(op) for each in arrived for op in each.values()]
    end = builder.op("end", "update", -1, -1, (), ends)
    whole = replace(chip, units=(*chip.units, *builder.buffers.built()))
    return Schedule(whole, builder.mapping, tuple(builder.ops), end, 1, 1, 1, (end,)), arrived


def arrivals(chip: Chip, flows: Sequence[Flow]) -> list[dict[int, int]]:
    """Return by flow and tile the cycle at which the whole packet has arrived."""
    schedule, arrived = sending(chip, flows)
    _, ends = record(schedule)
    return [{tile: ends[op, 0] for tile, op in each.items()} for each in arrived]


def packets(topology: str, *overrides: str, options: Sequence[str] = ()) -> Chip:
    settings = [f"routing.topology={topology}", *(f"routing.options.{each}" for each in options), *overrides]
    return chip_of(PACKET, settings)


# ---- zero load


@pytest.mark.parametrize("buffers", [(), ("routing.router.buffer_flits=9",)], ids=["unlimited", "one packet"])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_zero_load_latency_is_hops_of_router_and_link_and_serialisation(
    choice: tuple[str, Sequence[str]], buffers: Sequence[str]
) -> None:
    # Dally & Towles (2004), section 3.3: T0 = H (t_router + t_link) + L / b; here each rounded up to cycles of 1 ns.
    flits, pipeline = 9, 2
    chip = packets(choice[0], "tile.count=10", "routing.link.delay=3 ns/mm", *buffers, options=choice[1])
    for a, b in itertools.permutations(range(-1, 10, 2), 2):
        if b < 0:
            continue  # nothing is sent to the host in training
        nodes = chip.topology.route("host" if a < 0 else f"tile{a}", f"tile{b}")
        links = [chip.graph.edges[pair]["link"] for pair in itertools.pairwise(nodes)]
        lengths_mm = [chip.topology.lengths_m[link] * 1e3 for link, _ in itertools.groupby(links)]
        heads = [ceil(round(pipeline + 3 * length, 9)) for length in lengths_mm[:-1]]
        expected = sum(heads) + ceil(round(3 * lengths_mm[-1], 9)) + flits
        assert arrivals(chip, [(a, [b], flits)]) == [{b: expected}]


@pytest.mark.parametrize("buffers", [(), ("routing.router.buffer_flits=9",)], ids=["unlimited", "one packet"])
@pytest.mark.parametrize("choice", CHOICES, ids=str)
def test_a_multicast_arrives_everywhere_as_if_it_were_sent_to_each_alone(
    choice: tuple[str, Sequence[str]], buffers: Sequence[str]
) -> None:
    chip = packets(choice[0], "tile.count=10", "routing.link.delay=3 ns/mm", *buffers, options=choice[1])
    for a in (-1, 0, 5, 9):
        tiles = [tile for tile in range(10) if tile != a]
        tree = tree_of(chip, a, tiles)
        assert len({hop.link for hop in tree}) == len(tree)  # no link carries it twice
        (there,) = arrivals(chip, [(a, tiles, 9)])
        for tile in tiles:
            assert there[tile] == arrivals(chip, [(a, [tile], 9)])[0][tile]


# ---- back-pressure by hand: no time of flight, routers of 2 cycles, a flit per cycle

LINE = "links=[[host, router0], [tile0, router0], [router0, router1], {}]".format(
    ", ".join(f"[tile{i}, router1]" for i in (1, 2, 3))
)
SMALL, BIG = "routing.router.buffer_flits=10", "routing.router.buffer_flits=80"
WAIT = "routing.router.wait_for_tail_credit=1"
FLAT = ("tile.count=4", "routing.link.delay=0 ps/mm")


@pytest.mark.parametrize(
    ("flits", "expected"),
    [
        (None, [14, 24, 34]),  # 2 routers of 2 cycles and 10 flits; the links are busy all the time
        # One place: the first packet leaves router0's buffer at 2 + 10 = 12, where the second begins; and so on.
        (10, [14, 26, 38]),
        (19, [14, 26, 38]),  # only whole packets count
        (20, [14, 24, 34]),  # two places hide the time of the router
    ],
)
def test_packets_wait_for_a_place_in_the_buffer_ahead(flits: int | None, expected: list[int]) -> None:
    buffers = [f"routing.router.buffer_flits={flits}"] if flits else []
    chip = packets("graph", *FLAT, *buffers, options=[LINE])
    assert arrivals(chip, [(0, [1], 10)] * 3) == [{1: cycle} for cycle in expected]


@pytest.mark.parametrize(("buffers", "last"), [((), 24), (("routing.router.buffer_flits=40",), 64)])
def test_a_blocked_packet_holds_up_what_is_behind_it(buffers: Sequence[str], last: int) -> None:
    # 40 flits from tile 3 hold the link into tile 1 from 2 to 42. The packet for tile 1 waits for it in router1 until
    # 42, and its tail leaves at 52; only then the one for tile 2 leaves router0: 52 + 2 + 10. Without limits it does
    # not wait but for the first link: 10 + 2 + 2 + 10.
    chip = packets("graph", *FLAT, *buffers, options=[LINE])
    found = arrivals(chip, [(3, [1], 40), (0, [1], 10), (0, [2], 10)])
    assert found == [{1: 42}, {1: 52}, {2: last}]


def test_a_multicast_leaves_a_buffer_with_its_last_branch() -> None:
    # The link into tile 2 is held until 42, so one branch leaves router1 at 12 + 2 and the other at 52. Its place in
    # router0 is free at 12, that in router1 at 52: what follows waits in router0 until then.
    chip = packets("graph", *FLAT, "routing.router.buffer_flits=40", options=[LINE])
    found = arrivals(chip, [(3, [2], 40), (0, [1, 2], 10), (0, [1], 10)])
    assert found == [{2: 42}, {1: 14, 2: 52}, {1: 64}]


def test_what_is_sent_over_a_bridge_does_not_wait_for_its_tail() -> None:
    # Segments of one row each, 2 tiles; flight 0. The first segment carries the packet to tile 1 (10 flits) and to the
    # bridge, whose head goes on after 2 cycles.
    chip = packets("bus", *FLAT, "floorplan.columns=2", options=["segments=2"])
    assert arrivals(chip, [(0, [1, 3], 10)]) == [{1: 10, 3: 12}]


def test_a_packet_that_fits_no_buffer_is_refused() -> None:
    # 250 values of 8 bits and a header of 32 are ceil(2032 / 256) = 8 flits.
    schedule_of(network(20, 250, 5), 1, ["routing.router.buffer_flits=8"], PACKET)
    with pytest.raises(SpecError, match="a packet of 8 flits does not fit into a buffer of 7; use buffer_flits=8"):
        schedule_of(network(20, 250, 5), 1, ["routing.router.buffer_flits=7"], PACKET)


# ---- arbitration


@pytest.mark.parametrize(
    ("arbitration", "order", "behind"),
    [
        ("age", "3a 3b 2a 2b 1a 1b", "3a 2a 3b 2b 1a 1b"),  # as they were sent
        ("fixed", "1a 1b 2a 2b 3a 3b", "1a 2a 1b 2b 3a 3b"),  # by input
        ("round_robin", "1a 2a 3a 1b 2b 3b", "1a 2a 3a 1b 2b 3b"),  # one of each input after another
    ],
)
@pytest.mark.parametrize("limited", [False, True], ids=["unlimited", "large"])
def test_who_is_served_next(arbitration: str, order: str, behind: str, limited: bool) -> None:
    # In a buffer, the second packet of a tile stands behind its first: it asks when that one's tail has left, when
    # another tile's has asked already.
    buffers, order = (["routing.router.buffer_flits=1000"], behind) if limited else ([], order)
    # Tiles 1, 2 and 3 each send two packets of 10 flits to tile 0 over one router. The first heads are there after 2
    # cycles, the second ones after 12; the link into tile 0 is held by 40 flits from the host from 2 to 42, and then
    # never idle. The host is the first input.
    chip = packets("graph", *FLAT, f"routing.router.arbitration={arbitration}", *buffers)
    names = ["3a", "3b", "2a", "2b", "1a", "1b"]
    found = arrivals(chip, [(-1, [0], 40), *((int(name[0]), [0], 10) for name in names)])
    assert [each[0] for each in found] == [42, *(52 + 10 * order.split().index(name) for name in names)]


def test_round_robin_serves_the_inputs_of_a_buffer_in_turn_too() -> None:
    # One place after the link from router0 to router1: who gets the place is what counts. It is free after 12 cycles
    # each: 10 flits, and the 2 of router1.
    tiles = ", ".join(f"[tile{i}, router0]" for i in (1, 2, 3))
    links = f"links=[[host, router0], {tiles}, [router0, router1], [tile0, router1]]"
    chip = packets("graph", *FLAT, SMALL, "routing.router.arbitration=round_robin", options=[links])
    names = ["3a", "3b", "2a", "2b", "1a", "1b"]
    found = arrivals(chip, [(int(name[0]), [0], 10) for name in names])
    assert sorted(names, key=lambda name: found[names.index(name)][0]) == ["1a", "2a", "3a", "1b", "2b", "3b"]
    assert sorted(each[0] for each in found) == [14 + 12 * i for i in range(6)]


# ---- virtual channels


def test_a_packet_waits_behind_another_in_its_channel_though_its_own_way_is_free() -> None:
    # 40 flits from tile 3 hold the link into tile 1 from 2 to 42. The first packet from tile 0 waits for it in router1
    # and leaves it at 52; the second, for tile 2, lies behind it in the same channel, which has room for both, and goes
    # on then: 52 + 10. Where it holds one packet, as when the tail's credit is waited for, it is still in
    # router0 then: 52 + 2 + 10. Of channels without limit, it does not wait.
    flows = [(3, [1], 40), (0, [1], 10), (0, [2], 10)]
    expected = {(): 24, (BIG,): 62, (BIG, WAIT): 64}
    for overrides, cycle in expected.items():
        assert arrivals(packets("graph", *FLAT, *overrides, options=[LINE]), flows) == [{1: 42}, {1: 52}, {2: cycle}]


@settings(LAW, max_examples=5)
@given(st.integers(0, 99), st.integers(10, 60), st.sampled_from(["mesh", "torus", "htree", "bus"]))
def test_with_the_tail_s_credit_a_buffer_of_any_size_holds_one_packet(seed: int, flits: int, topology: str) -> None:
    draw = random.Random(seed)
    flows = [(a, [b], 10) for a, b in (draw.sample(range(9), 2) for _ in range(20))]
    found = []
    for buffer, rest in ((10, ()), (10, (WAIT,)), (flits, (WAIT,))):
        chip = packets(topology, "tile.count=9", "routing.link.delay=0 ps/mm", *rest,
                       f"routing.router.buffer_flits={buffer}")  # fmt: skip
        found.append(arrivals(chip, flows))
    assert found[0] == found[1] == found[2]


def timed(chip: Chip, sent: Packets, flits: int) -> np.ndarray:
    """Return when the chip's engine has each packet in."""
    builder = StepBuilder(chip, map_workload(network(8, 5), chip), 1)
    ends = []
    for cycle, source, target in zip(sent.created.tolist(), sent.source.tolist(), sent.target.tolist(), strict=True):
        made = builder.op("begin", "forward", -1, -1, [Stage(cycle)], [])
        ends.append(send_tree(builder, made, source, [target], flits, "forward", 0)[1][target])
    end = builder.op("end", "update", -1, -1, (), ends)
    whole = replace(chip, units=(*chip.units, *builder.buffers.built()))
    _, done = record(Schedule(whole, builder.mapping, tuple(builder.ops), end, 1, 1, 1, (end,)))
    return np.array([done[op, 0] for op in ends])


@pytest.mark.parametrize(("topology", "places", "wait"), [("mesh", 1, 1), ("mesh", 4, 0), ("torus", 2, 0)])
def test_packets_on_a_chip_and_flits_alone_have_the_same_latency(topology: str, places: int, wait: int) -> None:
    # The engine moves packets, the loop of `archsim network` flits, one channel for each class, at half of the load at
    # which the flits saturate. A credit takes a cycle there and none here. Found: -6, -6 and -5 %.
    flits = 8
    (setting,) = settings_of(Inputs(
        topology, "4x4", packet_flits=flits, vcs=1 + (topology == "torus"), buffer_flits=places * flits,
        wait_for_tail_credit=wait, credit_cycles=1, warmup_cycles=500, cycles=2_000,
    )).values()  # fmt: skip
    half = saturation(setting, 0.04)[0].load / 2
    sent = draw_packets(setting.weights, half, flits, 2_000, 5)
    sent = Packets(*(part[sent.source != sent.target] for part in (sent.created, sent.source, sent.target, sent.way)))
    alone = carry(setting.wires, setting.router, sent, 10**9).arrived
    chip = packets(topology, "tile.count=16", "floorplan.columns=4", "routing.router.pipeline=3 ns",
                   f"routing.router.buffer_flits={places * flits}", f"routing.router.wait_for_tail_credit={wait}",
                   "routing.router.arbitration=round_robin")  # fmt: skip
    mapped = timed(chip, sent, flits)
    assert (mapped - sent.created).mean() == pytest.approx((alone - sent.created).mean(), rel=0.1)


def test_circuits_are_granted_by_age() -> None:
    with pytest.raises(SpecError, match="'fixed' is for packets; circuits are granted oldest first; use 'age'"):
        schedule_of(network(8, 5), 1, ["routing.router.arbitration=fixed"])


# ---- whole runs


@pytest.mark.slow
@given(cases())
@LAW
def test_buffers_that_never_fill_nor_hold_back_change_nothing(case: Case) -> None:
    assume(case.base == PACKET)
    others = tuple(each for each in case.overrides if "buffer_flits" not in each)
    examples = min(case.examples, 12)
    found = []
    for more in ((), ("routing.router.buffer_flits=1000000",)):
        schedule = replace(case, overrides=(*others, *more)).schedule(examples)
        records, ends = record(schedule)
        trace = simulate(schedule, full=True)
        if more:  # a packet waits behind the one before it in its buffer, however large that is
            heads = {unit.index for unit in schedule.chip.units if unit.name.endswith(".first")}
            assume(not any(
                r.granted > r.requested and heads & set(variants[r.n % len(variants)][r.stage].acquire)
                for r in records for variants in [schedule.ops[r.op].variants]
            ))  # fmt: skip
        names = ("cycles", "tile_states", "transfer_cycles", "refresh_cycles", "dwell_histogram")
        kept = [op.index for op in schedule.ops if op.kind != "send"]
        found.append(([ends.get((op, n)) for op in kept for n in range(examples)], [observed(trace)[n] for n in names]))
        assert records
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("topology", "arbitration"), [*((name, "age") for name in TOPOLOGIES), ("mesh", "round_robin"), ("mesh", "fixed")]
)
def test_jumping_equals_going_through_every_example_with_small_buffers(topology: str, arbitration: str) -> None:
    # Slow links and five examples at once: packets queue, and the buffers hold one packet each.
    overrides = [
        "tile.rows=16", "tile.cols=16", "tile.count=10", f"routing.topology={topology}", "routing.link.width_bits=16",
        "routing.link.flit_time=9 ns", "routing.router.buffer_flits=10", "schedule.mode=pipelined",
        "schedule.in_flight=5", "schedule.transfer.interval_examples=20", f"routing.router.arbitration={arbitration}",
    ]  # fmt: skip
    schedule = schedule_of(network(40, 20, 5), 160, overrides, PACKET)
    full, fast = simulate(schedule, full=True), simulate(schedule)
    assert fast.examples_fast_forwarded >= 40
    # Origin of every expected value: the run that goes through every example event by event.
    assert observed(fast) == observed(full)
    places = {unit.index for unit in schedule.chip.units if ".buffer" in unit.name}
    waited = sum(entry.wait_cycles for entry in full.stages if places & set(entry.stage.acquire))
    assert bool(waited) == bool(places) == (topology != "bus")  # one segment has no routers; else packets are held up
    assert sum(row["buffer_wait_cycles"] for row in link_rows(full)) == waited


# ---- deadlock

ONE_WAY = ", ".join(f"{{from: router{i}, to: router{(i + 1) % 4}, both: false}}" for i in range(4))
CIRCLE = f"links=[[host, router0], {', '.join(f'[tile{i}, router{i}]' for i in range(4))}, {ONE_WAY}]"
ROUND = [(i, [(i + 2) % 4], 10) for i in range(4)]


def test_packets_that_wait_in_a_circle_do_block_each_other() -> None:
    # Each holds a place after one of four links, and waits for the next one's.
    with pytest.raises(StuckError, match=r"waiting for router0>router1\.buffer0"):
        arrivals(packets("graph", *FLAT, SMALL, options=[CIRCLE]), ROUND)
    # The same flows on the ring that is shipped change class at its dateline, and arrive.
    found = arrivals(packets("ring", *FLAT, "floorplan.columns=4", SMALL), ROUND)
    assert [list(each) for each in found] == [[2], [3], [0], [1]]


def test_mapped_flows_that_could_block_each_other_are_refused_with_the_circle() -> None:
    overrides = [*FLAT, "routing.topology=graph", f"routing.options.{CIRCLE}", SMALL]
    with pytest.raises(SpecError, match="circle of links") as caught:
        schedule_of(network(8, 7, 6, 5), 1, overrides, PACKET)  # three layers: d of layer 3 goes round to tile 1
    (problem,) = caught.value.problems
    assert problem.where == "routing.topology"
    links = problem.what.partition("links: ")[2].split(", ")
    assert links[0] == links[-1]
    assert set(links) == {f"router{i}>router{(i + 1) % 4}" for i in range(4)}
    assert all(a.partition(">")[2] == b.partition(">")[0] for a, b in itertools.pairwise(links))


def test_only_what_is_mapped_counts() -> None:
    # Two layers send from 0 to 1 and from 1 round to 0: the circle of links is never closed.
    overrides = [*FLAT, "routing.topology=graph", f"routing.options.{CIRCLE}", SMALL]
    assert simulate(schedule_of(network(8, 7, 5), 20, overrides, PACKET)).examples == 20


def test_without_limits_nothing_can_block() -> None:
    overrides = [*FLAT, "routing.topology=graph", f"routing.options.{CIRCLE}"]
    assert simulate(schedule_of(network(8, 7, 6, 5), 20, overrides, PACKET)).examples == 20
    circuits = [*FLAT, "routing.topology=graph", f"routing.options.{CIRCLE}", SMALL]  # granted all at once
    assert simulate(schedule_of(network(8, 7, 6, 5), 20, circuits)).examples == 20
