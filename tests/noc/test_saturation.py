"""A network alone: theory at both ends, conservation, and meshes and tori simulated flit by flit beside it."""

from __future__ import annotations

import importlib.util
import itertools
import random
import sys
from dataclasses import replace
from typing import Any

import networkx as nx
import numba
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archsim.base.errors import StuckError
from archsim.chip.floorplan import Plan
from archsim.chip.floorplan.generators import grid
from archsim.chip.topologies import Graph
from archsim.chip.topologies.base import Topology
from archsim.noc import flits, inlined, kernel
from archsim.noc.patterns import TRAFFIC, Packets, Traffic, draw_packets
from archsim.noc.router import ARBITRATIONS, Router, Wires
from archsim.noc.saturation import Setting, build, carry, latency_at, saturation
from archsim.spec.choices import TOPOLOGIES
from archsim.studies.noc.study import Inputs, settings_of
from tests.noc.flit_by_flit import flit_by_flit


def plan_of(rows: int, columns: int) -> Plan:
    return grid([1e-6] * rows * columns, 1e-6, columns, 0.0)


def wires_of(topology: str, rows: int, columns: int) -> Wires:
    return Wires(TOPOLOGIES[topology](plan_of(rows, columns)))


def packets_of(*rows: tuple[int, int, int]) -> Packets:
    created, source, target = np.array(sorted(rows), dtype=np.int64).T.copy()
    return Packets(created.copy(), source.copy(), target.copy(), np.zeros(len(rows)))


def setting_of(pattern: str, side: int, router: Router, cycles: int = 4_000, seed: int = 0) -> Setting:
    weights = TRAFFIC[pattern](Traffic(side, side))
    return Setting(wires_of("mesh", side, side), router, weights, cycles // 2, cycles, seed)


def ring(count: int, with_dateline: bool) -> Topology:
    """Routers in a ring, one way around; a packet changes its class where it passes from the last to the first."""
    graph: Graph = nx.DiGraph()
    lengths: dict[str, float] = {}
    for i in range(count):
        for a, b, length in ((f"tile{i}", f"router{i}", 0.0), (f"router{i}", f"tile{i}", 0.0),
                             (f"router{i}", f"router{(i + 1) % count}", 1e-3)):  # fmt: skip
            graph.add_edge(a, b, link=f"{a}>{b}")
            lengths[f"{a}>{b}"] = length

    def route(a: str, b: str) -> list[str]:
        start, stop = (int(name.removeprefix("tile")) for name in (a, b))
        return [a, *(f"router{(start + i) % count}" for i in range((stop - start) % count + 1)), b]

    def classes(nodes: list[str]) -> list[int]:
        found, passed = [], 0
        for a, b in itertools.pairwise(nodes):
            passed |= a == f"router{count - 1}" and b == "router0"
            found.append(int(passed))
        return found

    return Topology(graph, lengths, route, classes, 2) if with_dateline else Topology(graph, lengths, route)


routers = st.builds(
    Router, packet_flits=st.integers(1, 12), buffer_flits=st.integers(1, 30), vcs=st.integers(1, 4),
    router_cycles=st.integers(1, 6), link_cycles=st.integers(0, 3), credit_cycles=st.integers(1, 4),
    arbitration=st.sampled_from(list(ARBITRATIONS)), wait_for_tail_credit=st.booleans(),
    hold_switch_for_packet=st.booleans(),
)  # fmt: skip


def with_room(router: Router) -> Router:
    """Return the router with buffers for a packet, and for what comes until a credit is back (Dally, section 16.3)."""
    around = router.router_cycles + router.link_cycles + router.credit_cycles
    return replace(router, buffer_flits=max(router.packet_flits, around, router.buffer_flits))


# ---- without load


def zero_load_cycles(wires: Wires, source: int, target: int, router: Router) -> int:
    """Return the latency of a packet alone: every router and wire on its way, and its flits, one a cycle."""
    links = list(wires.routes(source, target)[0][0])
    routers, long = int(wires.to_router[links].sum()), int(wires.has_length[links].sum())
    return routers * router.router_cycles + long * router.link_cycles + router.packet_flits


@given(routers, st.integers(1, 5), st.integers(2, 5))
def test_a_packet_alone_takes_its_routers_wires_and_flits_to_the_cycle(router: Router, rows: int, columns: int) -> None:
    router, wires = with_room(router), wires_of("mesh", rows, columns)
    pairs = list(itertools.product(range(rows * columns), repeat=2))
    packets = packets_of(*((i * 200, a, b) for i, (a, b) in enumerate(pairs)))
    found = carry(wires, router, packets, 10**9)
    for latency, (a, b) in zip(found.arrived - packets.created, pairs, strict=True):
        hops = abs(a // columns - b // columns) + abs(a % columns - b % columns)
        # From the places alone: a router more than links between routers; the tiles' own links have no length.
        theory = (hops + 1) * router.router_cycles + hops * router.link_cycles + router.packet_flits
        assert latency == theory == zero_load_cycles(wires, a, b, router)


def test_on_the_8_x_8_mesh_all_pairs_and_the_latency_at_a_low_load() -> None:
    router = Router()
    setting = setting_of("uniform", 8, router, 20_000)
    # Mean distance in a dimension of 8 places, the sender's own among the targets: (64 - 1) / (3 * 8) = 2.625.
    mean = (2 * 2.625 + 1) * 3 + 2 * 2.625 + 8
    assert setting.zero_load_mean_cycles == pytest.approx(mean)
    every = [zero_load_cycles(setting.wires, a, b, router) for a in range(64) for b in range(64)]
    assert np.mean(every) == pytest.approx(mean)
    found = latency_at(setting, 0.004)
    assert found.latency_ci95 is not None
    assert found.latency_mean == pytest.approx(mean, abs=2 * found.latency_ci95)
    assert not found.saturated


@pytest.mark.parametrize("router", [Router(8, 1, 64), Router(3, 1, 64, 5, 2, 4), Router(16, 1, 64, 4, 3, 1)])
def test_a_channel_is_given_again_when_its_tail_has_left_or_its_credit_is_back(router: Router) -> None:
    packets, wires = packets_of((0, 0, 1), (0, 0, 1)), wires_of("mesh", 1, 2)

    def apart(router: Router) -> int:
        first, second = carry(wires, router, packets, 10**9).arrived
        return int(second - first) - router.packet_flits

    # Waiting for the tail's credit, with one channel, packets follow each other at the flits and once around: router,
    # wire, credit (Dally and Towles 2004, section 16.3: a buffer's turnaround time), however large the buffer is.
    waiting = replace(router, wait_for_tail_credit=True)
    assert apart(waiting) == router.router_cycles + router.link_cycles + router.credit_cycles
    # Without, they lie one behind another; the second's head is routed and given a channel when the first's tail has
    # left, all of the router's cycles but those of the switch and its traversal.
    assert apart(router) == router.router_cycles - 2
    # Other channels hide it: each packet lies in its own.
    assert apart(replace(router, vcs=4)) == apart(replace(waiting, vcs=4)) == 0


@pytest.mark.parametrize("buffer", [1, 2, 3, 5, 6, 7, 20])
@pytest.mark.parametrize("wait", [False, True])
def test_a_buffer_limits_a_stream_to_its_flits_once_around(buffer: int, wait: bool) -> None:
    # Dally and Towles 2004, section 16.3: a place is used again once around, so `buffer` flits of a long packet move
    # in each round of the credit loop: switch and its traversal, the wire, and the credit of the switch ahead.
    router = Router(400, 1, buffer, 3, 2, 2, wait_for_tail_credit=wait)
    (arrived,) = carry(wires_of("mesh", 1, 2), router, packets_of((0, 0, 1)), 10**9).arrived
    around = 2 + 2 + 2
    rate = min(1.0, buffer / around)
    assert arrived == pytest.approx(400 / rate, rel=0.04)


# ---- under load


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(routers, st.sampled_from(["mesh", "bus"]), st.floats(0.05, 1.0), st.integers(0, 99))
def test_every_packet_arrives_and_every_link_carries_what_is_routed_over_it(
    router: Router, topology: str, load: float, seed: int
) -> None:
    wires = wires_of(topology, 3, 3)
    packets = draw_packets(TRAFFIC["uniform"](Traffic(3, 3)), load, router.packet_flits, 300, seed)
    found = carry(wires, router, packets, 10**9)
    least = [zero_load_cycles(wires, a, b, router) for a, b in zip(packets.source, packets.target, strict=True)]
    assert (found.arrived - packets.created >= least).all()
    sent = np.zeros(len(wires.names), dtype=int)
    for a, b in zip(packets.source, packets.target, strict=True):
        sent[list(wires.routes(int(a), int(b))[0][0])] += 1
    assert (found.sent == sent).all()
    assert found.hops == sent.sum()
    assert (found.sent * router.packet_flits <= found.arrived.max(initial=0)).all()


@pytest.mark.parametrize("load", [0.3, 0.6, 0.85])
def test_one_shared_link_waits_as_m_d_1(load: float) -> None:
    tiles, flits, cycles = 40, 8, 400_000
    wires = wires_of("bus", 5, 8)
    packets = draw_packets(TRAFFIC["uniform"](Traffic(5, 8)), load / tiles, flits, cycles, 1)
    found = carry(wires, Router(flits, 8, 8 * flits, hold_switch_for_packet=True), packets, 10**9)
    wait = (found.arrived - packets.created).mean() - (1 + flits)  # the bus is a link of one cycle, without a router
    # Slotted, with Binomial(n, p) arrivals a cycle: of the work U after arrivals, U' = max(U - 1, 0) + X with X = L A.
    chance = load / tiles / flits
    rate, pairs = tiles * chance, tiles * (tiles - 1) * chance**2  # E[A], E[A (A - 1)]
    work = (flits**2 * (pairs + rate) + load - 2 * load**2) / (2 * (1 - load))
    theory = work - load + flits * pairs / (2 * rate)
    assert theory == pytest.approx(load * flits / (2 * (1 - load)), rel=0.03)  # M/D/1
    assert wait == pytest.approx(theory, rel=0.06)


@pytest.mark.parametrize("load", [0.3, 0.6])
def test_flits_that_take_turns_share_a_link_evenly(load: float) -> None:
    # Processor sharing: the time in the system is that of the service over 1 - load, whatever its distribution
    # (Kleinrock, Queueing Systems 2, 1976, section 4.4). Slots of a cycle let a packet begin up to one earlier.
    tiles, flits, cycles = 40, 8, 200_000
    packets = draw_packets(TRAFFIC["uniform"](Traffic(5, 8)), load / tiles, flits, cycles, 1)
    found = carry(wires_of("bus", 5, 8), Router(flits, tiles, 8 * flits), packets, 10**9)
    assert (found.arrived - packets.created).mean() - 1 == pytest.approx(flits / (1 - load), rel=0.06)


def test_age_is_first_come_first_served_and_fixed_starves_the_others() -> None:
    wires, weights = wires_of("bus", 2, 4), TRAFFIC["uniform"](Traffic(2, 4))
    packets = draw_packets(weights, 0.4, 4, 2_000, 3)
    by_age = carry(wires, Router(4, 1, 4, arbitration="age"), packets, 10**9).arrived
    assert (np.diff(by_age) > 0).all()
    by_place = carry(wires, Router(4, 1, 4, arbitration="fixed"), packets, 10**9).arrived
    worst = [(by_place - packets.created)[packets.source == tile].mean() for tile in range(8)]
    assert worst == sorted(worst)
    assert worst[7] > 10 * worst[0]


@pytest.mark.parametrize(("pattern", "side", "bound"), [
    ("uniform", 8, 4 / 8), ("uniform", 4, 1.0), ("uniform", 6, 4 / 6),
    ("transpose", 8, 1 / 7), ("transpose", 4, 1 / 3), ("bit_complement", 8, 2 / 8), ("neighbour", 4, 1.0),
])  # fmt: skip
def test_bounds_are_those_of_dimension_order_routing(pattern: str, side: int, bound: float) -> None:
    # Dally and Towles 2004: k / 4 of the load crosses a channel of the middle under uniform traffic, k / 2 under the
    # complement; transposing, the k - 1 tiles of a row all turn at one router; neighbours use each link once, and at
    # the edge the other direction's.
    assert setting_of(pattern, side, Router()).bound == pytest.approx(bound)


@pytest.mark.parametrize(("pattern", "share"), [("uniform", 0.75), ("transpose", 0.9), ("hotspot", 0.9)])
def test_no_more_is_accepted_than_the_busiest_link_carries_and_not_much_less(pattern: str, share: float) -> None:
    setting = setting_of(pattern, 8, Router())
    over = latency_at(setting, min(1.0, 1.5 * setting.bound))
    assert over.saturated
    busiest = max(over.utilisation)
    assert busiest <= 1.0
    # Throughput is that of the worst-served tile (section 23.1): those whose packets pass elsewhere may send more. In a
    # window of 4,000 cycles the destinations that were drawn, and packets under way at its ends, vary by a few percent.
    assert over.accepted_least <= 1.05 * setting.bound
    assert busiest >= share
    below = latency_at(setting, 0.5 * setting.bound)
    assert not below.saturated
    assert below.accepted == pytest.approx(below.offered, rel=0.03)


def test_a_ring_needs_its_dateline() -> None:
    packets = packets_of(*((0, i, (i + 4) % 8) for i in range(8) for _ in range(8)))
    with pytest.raises(StuckError, match="wait for each other in a ring, the first of them on its way from tile"):
        carry(Wires(ring(8, with_dateline=False)), Router(vcs=1), packets, 10**9)
    found = carry(Wires(ring(8, with_dateline=True)), Router(vcs=2), packets, 10**9)
    assert (found.arrived > 0).all()


# ---- the slower references


def in_plain_python(module: Any) -> Any:
    """Return the module once more, with numba's compiler off."""
    spec = importlib.util.spec_from_file_location(f"plain_{module.__name__.split('.')[-1]}", module.__file__)
    assert spec is not None
    assert spec.loader is not None
    plain = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(plain)
    return plain


@pytest.mark.parametrize("option", ["wait_for_tail_credit", "hold_switch_for_packet"])
def test_compiled_and_plain_python_give_equal_results(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numba.config, "DISABLE_JIT", True)
    monkeypatch.setattr(inlined, "compiled", in_plain_python(inlined).compiled)
    monkeypatch.setitem(sys.modules, flits.__name__, in_plain_python(flits))
    plain = in_plain_python(kernel)
    wires, router = wires_of("mesh", 3, 3), replace(Router(4, 2, 6), **{option: True})  # type: ignore[arg-type]
    packets = draw_packets(TRAFFIC["uniform"](Traffic(3, 3)), 0.5, 4, 200, 5)
    ends = []
    for own in (kernel, plain):
        fixed, state = build(wires, router, packets)
        own.run(fixed, state, 10**9, len(packets.created))
        ends.append([array.tolist() for array in state])
    assert ends[0] == ends[1]
    assert not hasattr(plain.run, "py_func")


RULES = [(wait, hold) for wait in (0, 1) for hold in (0, 1)]
BUFFERS = [1, 2, 4, 8, 16, 32, 64]
PATTERNS = ["uniform", "transpose", "bit_complement"]
WHOLE = [
    (topology, pattern, flits, vcs, buffer, wait, hold)
    for topology, vcs_of in (("mesh", (1, 2, 4)), ("torus", (2, 4, 8)))
    for pattern, flits, vcs, buffer, (wait, hold)
    in itertools.product(PATTERNS, (1, 8, 16), vcs_of, BUFFERS, RULES)
]  # fmt: skip


def is_like_flit_by_flit(case: tuple[str, str, int, int, int, int, int], side: int, cycles: int) -> None:
    """Check that every packet is in at the same cycle: at half of saturation, just below it, and just above it.

    So saturation, within the step of the search, and the latency at half of it are those of the reference.
    """
    topology, pattern, flits, vcs, buffer, wait, hold = case
    (setting,) = settings_of(Inputs(
        topology, f"{side}x{side}", (pattern,), packet_flits=flits, vcs=vcs, buffer_flits=buffer,
        wait_for_tail_credit=wait, hold_switch_for_packet=hold, warmup_cycles=cycles // 4, cycles=cycles,
    )).values()  # fmt: skip
    best, tried = saturation(setting, 0.04)
    above = min((load.load for load in tried if load.saturated), default=best.load)
    for load in (best.load / 2, best.load, above):
        packets = draw_packets(setting.weights, load, flits, cycles, 0)
        mine = carry(setting.wires, setting.router, packets, 10**9).arrived
        assert (mine == flit_by_flit(setting, topology, side, packets)).all(), (case, load)


@pytest.mark.parametrize("case", random.Random(13).sample(WHOLE, 8), ids=str)
def test_every_packet_is_in_when_it_is_flit_by_flit(case: tuple[str, str, int, int, int, int, int]) -> None:
    is_like_flit_by_flit(case, 4, 600)


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["mesh", "torus"])
@pytest.mark.parametrize("pattern", PATTERNS)
def test_every_packet_is_in_when_it_is_flit_by_flit_everywhere(topology: str, pattern: str) -> None:
    own = [case for case in WHOLE if case[:2] == (topology, pattern)]
    for case in own:
        is_like_flit_by_flit(case, 4, 1_000)
    for case in random.Random(14).sample(own, 5):
        is_like_flit_by_flit(case, 8, 3_000)


@pytest.mark.parametrize(("wait", "least", "most"), [(0, 0.15, 0.25), (1, 0.03, 0.05)])
def test_one_channel_of_single_flit_packets_saturates_late_or_early(wait: int, least: float, most: float) -> None:
    # With the tail's credit, a flit each router + wire + credit + its own cycle, 1 / 7 of the bound of 0.5 at most;
    # without, one each 2 cycles (channel, switch), where packets of all directions stand behind each other.
    (setting,) = settings_of(Inputs("mesh", packet_flits=1, vcs=1, buffer_flits=8, wait_for_tail_credit=wait,
                                     warmup_cycles=1_000, cycles=3_000)).values()  # fmt: skip
    best, _ = saturation(setting, 0.02)
    assert least < best.accepted < most


# ---- traffic


@settings(deadline=None)
@given(st.sampled_from(list(TRAFFIC)), st.sampled_from([2, 4, 8]), st.floats(0, 1))
def test_shares_add_up(pattern: str, side: int, share: float) -> None:
    weights = TRAFFIC[pattern](Traffic(side, side, 1, share))
    assert weights.sum(axis=1) == pytest.approx(1)
    assert (weights >= 0).all()


def test_patterns_by_their_definitions() -> None:
    square, targets = Traffic(8, 8, 5, 0.25), {}
    for name in ("transpose", "bit_complement", "tornado", "neighbour"):
        weights = TRAFFIC[name](square)
        assert sorted(weights.argmax(axis=1)) == list(range(64))  # a permutation
        targets[name] = weights.argmax(axis=1)
    for tile in range(64):
        row, column = divmod(tile, 8)
        assert targets["transpose"][tile] == column * 8 + row
        assert targets["bit_complement"][tile] == tile ^ 0b111111
        assert targets["tornado"][tile] == (row + 3) % 8 * 8 + (column + 3) % 8
        assert targets["neighbour"][tile] == (row + 1) % 8 * 8 + (column + 1) % 8
    assert TRAFFIC["hotspot"](square)[0, 5] == pytest.approx(0.25 + 0.75 / 64)


def test_tiles_send_as_often_as_they_should_and_where() -> None:
    weights = TRAFFIC["hotspot"](Traffic(4, 4, 3, 0.5))
    packets = draw_packets(weights, 0.4, 4, 50_000, 7)
    assert (np.diff(packets.created) >= 0).all()
    counts = np.bincount(packets.source, minlength=16)
    assert counts == pytest.approx(5_000, abs=5 * (50_000 * 0.1 * 0.9) ** 0.5)  # binomial: five sigma
    assert (packets.target == 3).mean() == pytest.approx(0.5 + 0.5 / 16, abs=5 * (0.25 / len(packets.target)) ** 0.5)
    for tile in range(16):  # at most one packet in a cycle
        assert (np.diff(packets.created[packets.source == tile]) > 0).all()


def test_the_seed_alone_decides() -> None:
    router = Router()
    one, same, other = (latency_at(setting_of("uniform", 4, router, 2_000, seed), 0.3) for seed in (1, 1, 2))
    assert one == same
    assert one.latency_mean != other.latency_mean


# ---- every topology


@pytest.mark.parametrize("topology", list(TOPOLOGIES))
def test_every_topology_carries_uniform_traffic_and_loses_nothing(topology: str) -> None:
    setting = settings_of(Inputs(topology, "3x4", load=(0.02,)))["uniform"]
    found = latency_at(setting, 0.02)
    assert found.packets == found.packets_in > 0
    assert not found.saturated
    assert found.accepted == pytest.approx(0.02, rel=0.15)  # 600 packets: four standard deviations
