"""archsim's networks beside a router model that moves every flit in every cycle, after BookSim's source."""

from __future__ import annotations

import numpy as np

from archsim.base.record import Record
from archsim.base.words import counted
from archsim.noc.patterns import Packets, draw_packets
from archsim.noc.saturation import Setting, carry
from archsim.report.colours import CYCLE
from archsim.report.document import Section, say
from archsim.report.figure import Dot, Plot, Series, linear
from archsim.report.table import Column, Said, Table
from archsim.studies.noc.study import Inputs, settings_of
from benchmarks.peers.pairs import rounded

SIDE, WARM_UP, CYCLES, SEED = 8, 1_000, 4_000, 1
CURVES = (("mesh", "uniform"), ("mesh", "transpose"), ("torus", "uniform"))
SHARES = (0.02, 0.2, 0.4, 0.5, 0.6, 0.7, 0.8)
"""Loads as shares of what the busiest link would carry at most."""
FLITS, DRAWN = 8, 6
"""Means beyond so many times the latency without load are not drawn: what is above saturation grows for ever."""


class Point(Record):
    """Mean latencies of packets in cycles at a load in flits per tile and cycle; how many packets, how many differ."""

    load: float
    packets: int
    archsim: float
    other: float
    differ: int


class Curve(Record):
    """A network under a traffic; `zero_load` is its latency without load by the formula of Dally and Towles."""

    topology: str
    traffic: str
    zero_load: float
    points: tuple[Point, ...]


class Networks(Record):
    """All curves."""

    curves: tuple[Curve, ...]


def measure() -> Networks:
    """Return both sides of every curve."""
    return Networks(curves=tuple(_curve(topology, traffic) for topology, traffic in CURVES))


def setting_for(topology: str, traffic: str) -> Setting:
    """Return a network of 8 x 8 tiles: packets of 8 flits, 4 channels of 8 flits, routers of 3 cycles."""
    inputs = Inputs(topology, f"{SIDE}x{SIDE}", (traffic,), packet_flits=FLITS, warmup_cycles=WARM_UP, cycles=CYCLES)
    (setting,) = settings_of(inputs).values()
    return setting


def _curve(topology: str, traffic: str) -> Curve:
    setting = setting_for(topology, traffic)
    return Curve(
        topology=topology, traffic=traffic, zero_load=rounded(setting.zero_load_mean_cycles),
        points=tuple(point(setting, topology, share * setting.bound) for share in SHARES),
    )  # fmt: skip


def point(setting: Setting, topology: str, load: float) -> Point:
    """Return what becomes of the same packets in both."""
    from tests.noc.flit_by_flit import flit_by_flit

    packets = draw_packets(setting.weights, load, FLITS, WARM_UP + CYCLES, SEED)
    ours = carry(setting.wires, setting.router, packets, 10**9).arrived
    theirs = flit_by_flit(setting, topology, SIDE, packets)
    return Point(
        load=rounded(load), packets=len(ours), archsim=_mean(packets, ours), other=_mean(packets, theirs),
        differ=int((ours != theirs).sum()),
    )  # fmt: skip


def _mean(packets: Packets, arrived: np.ndarray) -> float:
    measured = packets.created >= WARM_UP
    return rounded(float((arrived - packets.created)[measured].mean()))


def section(data: Networks) -> Section:
    """Return what the page says of it."""
    points = [(curve, point) for curve in data.curves for point in curve.points]
    rows = tuple(
        (f"{curve.topology}, {curve.traffic}", point.load, point.packets, Said(point.archsim, f"{point.archsim:.2f}"),
         Said(point.other, f"{point.other:.2f}"),
         Said(point.archsim / point.other, f"{point.archsim / point.other:.3f}"), point.differ)
        for curve, point in points
    )  # fmt: skip
    heads = (
        "same work",
        "load",
        "packets",
        "archsim, cycles",
        "flit by flit, cycles",
        "archsim / other",
        "packets that differ",
    )
    differ, packets = sum(each.differ for _, each in points), sum(each.packets for _, each in points)
    lightest = [(curve, curve.points[0]) for curve in data.curves]
    return Section("networks", "BookSim's routers, flit by flit", (
        say("archsim's network skips cycles in which nothing moves. The other is a plain loop over every flit, port "
            "and cycle (`tests/noc/flit_reference.py`), written after the source of BookSim 2 and sharing nothing "
            "with archsim's. BookSim itself was not run. Networks have 8 x 8 tiles, packets of 8 flits, 4 channels "
            "of 8 flits, routers of 3 cycles; both get the same packets. Loads are in flits per tile and cycle, "
            "latencies means from a packet's making to its tail's arrival, after {warm} cycles.", warm=f"{WARM_UP:,}"),
        Table("networks", "The same packets", tuple(map(Column, heads)), rows, most=len(rows)),
        _figure(data),
        say("**Agrees:** {all_but} of {packets} arrive in another cycle. At the lowest loads the latency is that of "
            "the formula of Dally and Towles, {zero}, but for a few waits.",
            all_but="none" if not differ else f"{differ:,}", packets=counted(packets, "packet"),
            zero=", ".join(f"{each.archsim:.1f} for {curve.zero_load:.1f}" for curve, each in lightest)),
        say("**Does not:** BookSim's own latencies are a constant more, as a tile's two channels take a cycle each "
            "there and none here. Near saturation a mean depends on when one stops; here all packets that were made "
            "are carried to their end."),
    ))  # fmt: skip


def _figure(data: Networks) -> Plot:
    series, drawn = [], list[Point]()
    for place, curve in enumerate(data.curves):
        shown = [each for each in curve.points if each.archsim <= DRAWN * curve.zero_load]
        drawn += shown
        name, tone = f"{curve.topology}, {curve.traffic}", CYCLE[place]
        line = tuple(Dot(each.load, each.archsim, f"{name}, load {each.load:.3f}: {each.archsim:.2f} cycles")
                     for each in shown)  # fmt: skip
        dots = tuple(Dot(each.load, each.other, f"flit by flit, {name}: {each.other:.2f} cycles", hollow=True)
                     for each in shown)  # fmt: skip
        series.append(Series(f"{name}: archsim", tone, line, shown=False))
        series.append(Series(f"{name}: flit by flit", tone, dots, line=False))
    return Plot(
        "beside_peers_networks", "Latency against load",
        "Lines are archsim's, circles those of the flit reference, both below saturation.",
        linear("offered load, flits per tile and cycle", [0.0, *(each.load for each in drawn)], "{:g}".format, low=0.0,
               room=0.05),
        linear("mean latency, cycles", [0.0, *(each.archsim for each in drawn)], "{:g}".format, low=0.0, room=0.08),
        tuple(series),
    )  # fmt: skip
