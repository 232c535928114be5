"""Latency and throughput of a network at a load, and the load at which it saturates."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np

from archsim.base.errors import StuckError
from archsim.noc import kernel
from archsim.noc.patterns import Packets, draw_packets
from archsim.noc.router import ARBITRATIONS, Router, Wires
from archsim.noc.state import ACTIVE, CYCLE, LINK, PORT, REQUEST, SEAT, Fixed, State

BATCHES, STUDENT_95 = 20, 2.093  # the 97.5 % point of Student's t with 19 degrees of freedom
LATENCY_LIMIT = 500.0  # mean latency in cycles above which BookSim calls a network unstable (latency_thres)
ACCEPTED_LEAST = 0.95  # assumption: a network that takes in less of what is offered, in the window, is saturated


@dataclass(frozen=True)
class Setting:
    """A network, its traffic as shares of each tile's packets (row) to each tile (column), and the phases.

    Packets made in the `cycles` after `warmup_cycles` are measured. Packets are made on until they are all in, at most
    for `cycles` more.
    """

    wires: Wires
    router: Router
    weights: np.ndarray
    warmup_cycles: int = 5_000
    cycles: int = 20_000
    seed: int = 0

    @cached_property
    def link_load(self) -> np.ndarray:
        """By link: the flits per cycle that it must carry if each tile sends one flit per cycle."""
        return self.wires.link_load(self.weights)

    @property
    def bound(self) -> float:
        """The load, in flits per tile and cycle, at which the busiest link of this routing would carry a flit a cycle.

        A tile cannot send more than one either. (Dally and Towles 2004, section 3.3.1.)
        """
        return min(1.0, 1.0 / float(self.link_load.max()))

    @property
    def zero_load_mean_cycles(self) -> float:
        """The mean over packets of the latency of a packet alone: routers and links on the way, and its flits."""
        wires, router = self.wires, self.router
        cycles = wires.to_router * router.router_cycles + wires.has_length * router.link_cycles
        return float(self.link_load @ cycles / wires.tiles) + router.packet_flits


@dataclass(frozen=True)
class Outcome:
    """What became of packets: when each tail was in (-1: not by the end), and what links and the loop did."""

    arrived: np.ndarray
    sent: np.ndarray
    waits_cycles: np.ndarray
    cycles: int
    events: int
    hops: int


@dataclass(frozen=True)
class Load:
    """What a network does at one load. Loads and throughputs are in flits per tile and cycle, latencies in cycles.

    Latency is counted from the cycle in which a packet is made to that in which its tail is in, over the measured
    packets that came in. `latency_ci95` is half of the width of the interval that holds the mean with 95 %, from the
    means of 20 batches of packets in order of age; None where there are too few.
    """

    load: float
    offered: float
    accepted: float
    accepted_least: float
    """Of the packets of the tile that is served worst."""
    saturated: bool
    latency_mean: float | None
    latency_ci95: float | None
    latency_p50: float | None
    latency_p95: float | None
    latency_p99: float | None
    latency_max: float | None
    packets: int
    packets_in: int
    simulated_cycles: int
    hops: int
    events: int


@dataclass(frozen=True)
class LinkLoads(Load):
    """What a network does at one load, and each link in it."""

    utilisation: tuple[float, ...]
    """By link: the share of all cycles in which it carried a flit."""
    wait_mean: tuple[float, ...]
    """By link: cycles that a packet waited for a channel of it and for the switch."""


def carry(wires: Wires, router: Router, packets: Packets, until: int, measured: int | None = None) -> Outcome:
    """Carry packets through a network until the first `measured` are in (all, if None), or until a cycle.

    Raises StuckError if packets wait for each other for ever.
    """
    fixed, state = build(wires, router, packets)
    count = len(packets.created) if measured is None else measured
    kernel.run(fixed, state, until, count)
    under_way = state.arrived[:count] == -1
    if kernel.idle(state) and under_way.any():
        first = int(np.argmax(under_way))
        ends = f"tile{packets.source[first]} to tile{packets.target[first]}"
        raise StuckError(f"packets wait for each other in a ring, the first of them on its way from {ends}")
    cycles, hops = int(state.tally[CYCLE]), int(state.sent.sum())
    return Outcome(state.arrived, state.sent, state.waits, cycles, router.packet_flits * hops, hops)


def build(wires: Wires, router: Router, packets: Packets) -> tuple[Fixed, State]:
    """Return what the flit loop reads, and its state at the beginning."""
    tiles, groups = wires.tiles, int(wires.group.max()) + 1
    group_first = np.concatenate([[0], np.cumsum(np.bincount(wires.group))]).astype(np.int64)
    early = np.ones(groups, dtype=np.int64)
    early[wires.group[~wires.from_tiles]] = 0
    first, last, hop_link, hop_class = _hops(wires, packets)
    fixed = Fixed(
        flits=router.packet_flits, credit=router.credit_cycles, channels=router.vcs,
        wait=int(router.wait_for_tail_credit), hold=int(router.hold_switch_for_packet),
        rank=ARBITRATIONS[router.arbitration], ring=router.buffer_flits // router.packet_flits + 2,
        group_first=group_first, group_links=np.argsort(wires.group, kind="stable").astype(np.int64), early=early,
        source_first=np.concatenate([[0], np.cumsum(np.bincount(packets.source, minlength=tiles))]).astype(np.int64),
        packets_of=np.argsort(packets.source, kind="stable").astype(np.int64), source=packets.source,
        created=packets.created, path_first=first, path_last=last, hop_link=hop_link, hop_class=hop_class,
    )  # fmt: skip
    return fixed, _state(wires, router, fixed)


def _hops(wires: Wires, packets: Packets) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return by packet its first hop and its last one; and by hop its link and the class of its channel."""
    tiles = wires.tiles
    pairs, pair = np.unique(packets.source * tiles + packets.target, return_inverse=True)
    routes = [wires.routes(int(each) // tiles, int(each) % tiles) for each in pairs]
    ways = np.array([len(each) for each in routes], dtype=np.int64)
    flat = [route for each in routes for route in each]
    route = (np.cumsum(ways) - ways)[pair] + (packets.way * ways[pair]).astype(np.int64)
    ends = np.cumsum([0, *(len(links) for links, _ in flat)]).astype(np.int64)
    return (
        ends[route],
        ends[route + 1] - 1,
        np.array([link for links, _ in flat for link in links], dtype=np.int64),
        np.array([own for _, classes in flat for own in classes], dtype=np.int64),
    )


def _state(wires: Wires, router: Router, fixed: Fixed) -> State:
    links, tiles, groups = len(wires.names), wires.tiles, len(fixed.early)
    channels, classes, count = links * router.vcs, wires.topology.class_count, len(fixed.created)
    at_router = np.concatenate([wires.to_router, np.zeros(tiles, dtype=bool)]).astype(np.int64)
    seats, asks, by_link, ports, active = (
        np.zeros(shape, dtype).view(np.recarray)
        for shape, dtype in ((channels + tiles, SEAT), (channels + tiles, REQUEST), (links, LINK),
                             (links + tiles, PORT), ((links, router.vcs), ACTIVE))
    )  # fmt: skip
    nobody = (
        (seats, ("packet", "to", "from_")),
        (asks, ("next", "offer", "accepted", "granted")),
        (by_link, ("asking", "offer", "granted", "held", "used")),
        (ports, ("chosen", "accepted", "turn", "used")),
    )
    for array, names in nobody:
        for name in names:
            array[name] = -1
    seats["port"] = np.concatenate([np.repeat(np.arange(links), router.vcs), links + np.arange(tiles)])
    seats["class_"][:channels] = np.tile(np.repeat(np.arange(classes), router.vcs // classes), links)
    seats["group"][:channels] = np.repeat(wires.group, router.vcs)
    seats["early"][:channels] = np.repeat(fixed.early[wires.group], router.vcs)
    seats["credits"][:channels] = router.buffer_flits
    by_link["flight"] = np.where(wires.has_length, router.link_cycles, 0)
    by_link["group"] = wires.group
    ports["route"], ports["grant"] = at_router * router.route_cycles, at_router * router.grant_cycles
    ports["leave"] = at_router * router.leave_cycles
    longest = router.leave_cycles + router.link_cycles + router.credit_cycles + router.route_cycles + 1
    slots, room = 1 << longest.bit_length(), 2 * (links + len(ports))

    def zeros(*shape: int, dtype: type = np.int64) -> np.ndarray:
        return np.zeros(shape, dtype)

    return State(
        seats=seats, asks=asks, links=by_link, ports=ports, active=active, hop=fixed.path_first.copy(),
        arrived=np.full(count, -1), next_of=fixed.source_first[:-1].copy(),
        queue=zeros(channels, fixed.ring, dtype=np.int32), group_active=zeros(links), links_active=zeros(groups),
        sent=zeros(links), waits=zeros(links), coming=zeros(slots, 3, room), waiting=zeros(slots, 3),
        head_of=zeros(slots, room), links_due=zeros(2, links), groups_due=zeros(2, groups), group_due=zeros(groups),
        due=zeros(2, 2), tally=zeros(3),
    )  # fmt: skip


def latency_at(setting: Setting, load: float) -> LinkLoads:
    """Return what the network does at a load, in flits per tile and cycle."""
    begin, end = setting.warmup_cycles, setting.warmup_cycles + setting.cycles
    flits, tiles = setting.router.packet_flits, setting.wires.tiles
    until = end + setting.cycles
    packets = draw_packets(setting.weights, load, flits, until, setting.seed)
    first, last = (int(np.searchsorted(packets.created, cycle)) for cycle in (begin, end))
    found = carry(setting.wires, setting.router, packets, until, last)
    inside = (found.arrived >= begin) & (found.arrived < end)
    by_tile = np.bincount(packets.source[inside], minlength=tiles) * flits / setting.cycles
    accepted = float(by_tile.mean())
    offered = (last - first) * flits / tiles / setting.cycles
    latency = (found.arrived - packets.created)[first:last][found.arrived[first:last] != -1]
    mean = float(latency.mean()) if len(latency) else None
    p50, p95, p99, most = np.percentile(latency, (50, 95, 99, 100)).tolist() if len(latency) else [None] * 4
    all_in = len(latency) == last - first
    return LinkLoads(
        load=load, offered=offered, accepted=accepted, accepted_least=float(by_tile.min()),
        saturated=not all_in or accepted < ACCEPTED_LEAST * offered or (mean is not None and mean > LATENCY_LIMIT),
        latency_mean=mean, latency_ci95=_interval(latency), latency_p50=p50, latency_p95=p95, latency_p99=p99,
        latency_max=most, packets=last - first, packets_in=len(latency), simulated_cycles=found.cycles,
        hops=found.hops, events=found.events,
        utilisation=tuple((found.sent * flits / max(found.cycles, 1)).tolist()),
        wait_mean=tuple((found.waits_cycles / np.maximum(found.sent, 1)).tolist()),
    )  # fmt: skip


def _interval(latency: np.ndarray) -> float | None:
    if len(latency) < 2 * BATCHES:
        return None
    means = [batch.mean() for batch in np.array_split(latency, BATCHES)]
    return float(STUDENT_95 * np.std(means, ddof=1) / math.sqrt(BATCHES))


Search: TypeAlias = Generator[float, LinkLoads, tuple[LinkLoads, list[LinkLoads]]]


def saturation(setting: Setting, resolution: float = 0.01) -> tuple[LinkLoads, list[LinkLoads]]:
    """Return the highest load that does not saturate the network, and all loads that were tried.

    By bisection between none and the bound, to `resolution` of the bound.
    """
    search = bisection(setting.bound, resolution)
    load = next(search)
    try:
        while True:
            load = search.send(latency_at(setting, load))
    except StopIteration as end:
        found: tuple[LinkLoads, list[LinkLoads]] = end.value
        return found


def bisection(bound: float, resolution: float = 0.01) -> Search:
    """Yield the loads at which saturation is looked for, given what the network does at each; return what it found."""
    low, high, best, tried = 0.0, 1.0, None, list[LinkLoads]()
    while high - low > resolution or best is None:
        middle = (low + high) / 2
        tried.append((yield middle * bound))
        if tried[-1].saturated:
            high = middle
        else:
            low, best = middle, tried[-1]
    return best, tried
