"""The network of a chip alone: latency against offered load under synthetic traffic, and where it saturates."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from archsim.base.errors import Problem, SpecError
from archsim.base.record import Record
from archsim.base.words import agreeing, counted
from archsim.chip.floorplan.generators import grid
from archsim.noc.patterns import TRAFFIC, Traffic
from archsim.noc.router import Router, Wires
from archsim.noc.saturation import LinkLoads, Load, Setting, latency_at, saturation
from archsim.report.colours import CYCLE
from archsim.report.document import Command, Document, Points, Section, Text, say
from archsim.report.figure import Dot, Plot, Series, linear
from archsim.report.table import Column, Table, words
from archsim.spec.choices import TOPOLOGIES
from archsim.studies import study
from archsim.studies.names import all_faults, folder_of
from archsim.studies.study import Data, Prepared, Progress, Study, registered, signed

SHARES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.05)
"""Of the saturation throughput: the loads at which a curve is drawn, besides those that the search tried."""
MOST_TILES = 1024  # assumption: beyond, finding the routes of all pairs takes minutes
LINKS = 8
"""So many links of each traffic are shown, the busiest."""
TIMES_ZERO_LOAD = 6
"""The figure ends at so many times the latency at zero load: what is above is saturation."""


@dataclass(frozen=True)
class Inputs(study.Inputs):
    """A topology, the grid of tiles, what routers and links are, and who sends how much to whom."""

    words = "network"
    topology: str
    size: str = "8x8"
    traffic: tuple[str, ...] = ("uniform",)
    load: tuple[float, ...] = ()
    packet_flits: int = 8
    vcs: int = 4
    buffer_flits: int | None = None
    router_cycles: int = 3
    link_cycles: int = 1
    credit_cycles: int = 2
    arbitration: str = "round_robin"
    wait_for_tail_credit: int = 0
    hold_switch_for_packet: int = 0
    hot_tile: int = 0
    hot_share: float = 0.1
    warmup_cycles: int = 5_000
    cycles: int = 20_000
    seed: int = 0

    @property
    def router(self) -> Router:
        """The router that was asked for."""
        buffer_flits = self.packet_flits if self.buffer_flits is None else self.buffer_flits
        return Router(
            self.packet_flits, self.vcs, buffer_flits, self.router_cycles, self.link_cycles, self.credit_cycles,
            self.arbitration, bool(self.wait_for_tail_credit), bool(self.hold_switch_for_packet),
        )  # fmt: skip


def settings_of(inputs: Inputs) -> dict[str, Setting]:
    """Return the network under each traffic that is asked for; raise SpecError with everything that is wrong."""
    shape, build, *_ = all_faults([lambda: _shape(inputs), lambda: TOPOLOGIES.lookup(inputs.topology, "TOPOLOGY"),
                                   *(lambda name=name: TRAFFIC.lookup(name, "--traffic") for name in inputs.traffic),
                                   lambda: _check(inputs)])  # fmt: skip
    # Sites of 1 mm2, so that links between routers have a length; how long they are is in --link-cycles.
    topology = build(grid([1e-6] * shape.tiles, 1e-6, shape.columns, 0.0))
    problems = inputs.router.problems(topology.class_count)
    if problems:
        raise SpecError(problems)
    weights = all_faults([lambda name=name: TRAFFIC[name](shape) for name in inputs.traffic])  # type: ignore[misc]
    wires = Wires(topology)
    return {
        name: Setting(wires, inputs.router, own, inputs.warmup_cycles, inputs.cycles, inputs.seed)
        for name, own in zip(inputs.traffic, weights, strict=True)
    }


def _shape(inputs: Inputs) -> Traffic:
    match = re.fullmatch(r"(\d+)x(\d+)", inputs.size)
    hint = "give rows x columns, such as 8x8"
    if match is None:
        raise SpecError([Problem("--size", f"'{inputs.size}' is not the size of a grid", hint)])
    rows, columns = (int(each[:9]) for each in match.groups())
    if not 2 <= rows * columns <= MOST_TILES:
        are = agreeing(rows * columns, "is", "are")
        what = f"{rows} x {columns} {are} {counted(rows * columns, 'tile')}"
        raise SpecError([Problem("--size", what, f"give 2 to {MOST_TILES:,}")])
    if not 0 <= inputs.hot_tile < rows * columns:
        what = f"there is no tile {inputs.hot_tile}"
        raise SpecError([Problem("--hot-tile", what, f"give 0 to {rows * columns - 1}")])
    return Traffic(rows, columns, inputs.hot_tile, inputs.hot_share)


def _check(inputs: Inputs) -> None:
    problems = [*inputs.router.problems()]
    problems += [
        Problem("--load", f"{counted(load, 'flit', form='g')} per tile and cycle", "give more than 0 and at most 1")
        for load in inputs.load if not 0 < load <= 1
    ]  # fmt: skip
    problems += [
        Problem(f"--{name.replace('_', '-')}", f"{getattr(inputs, name)} is neither 0 nor 1", "give 0 or 1")
        for name in ("wait_for_tail_credit", "hold_switch_for_packet") if getattr(inputs, name) not in (0, 1)
    ]  # fmt: skip
    if not 0 <= inputs.hot_share <= 1:
        problems.append(Problem("--hot-share", f"{inputs.hot_share:g} is no share", "give 0 to 1"))
    if inputs.warmup_cycles < 0:
        problems.append(Problem("--warmup-cycles", f"{inputs.warmup_cycles} is negative", "give 0 or more"))
    if inputs.cycles < 1:
        problems.append(Problem("--cycles", f"{inputs.cycles} is too few", "give 1 or more"))
    if problems:
        raise SpecError(problems)


class Link(Record):
    """A link at one load: the share of cycles that it is used, and the cycles for which a flit waits for it."""

    name: str
    utilisation: float
    wait_mean_cycles: float | None


class Curve(Record):
    """One traffic: bounds, points by load, saturation if it was looked for, and the links, the busiest first."""

    name: str
    load_bound: float
    latency_zero_load: float
    saturation_load: float | None
    saturation_throughput: float | None
    latency_mean_at_half: float | None
    points: tuple[Load, ...]
    links_at_load: float
    links: tuple[Link, ...]


class HotSpot(Record):
    """The tile to which a share of all packets goes besides."""

    tile: int
    share: float


class Network(Data):
    """What network.json holds."""

    schema_id: Literal["archsim-network-1"] = signed("archsim-network-1")
    seed: int
    topology: str
    size: str
    tiles: int
    class_count: int
    router: Router
    warmup_cycles: int
    cycles: int
    hot: HotSpot | None
    traffic: tuple[Curve, ...]


def prepare(inputs: Inputs) -> Prepared[Network]:
    """Return a network to be simulated; raise SpecError with everything that is wrong."""
    settings = settings_of(inputs)

    def compute(progress: Progress, folder: Path) -> Network:
        """Raise StuckError if packets wait for each other for ever."""
        curves = []
        for done, (name, setting) in enumerate(settings.items()):
            progress(done, len(settings), f"{name} traffic")
            curves.append(_curve(name, setting, inputs.load))
        wires = next(iter(settings.values())).wires
        hot = HotSpot(tile=inputs.hot_tile, share=inputs.hot_share) if "hotspot" in inputs.traffic else None
        return Network(
            command=inputs.line, seed=inputs.seed, topology=inputs.topology, size=inputs.size, tiles=wires.tiles,
            class_count=wires.topology.class_count, router=inputs.router, hot=hot,
            warmup_cycles=inputs.warmup_cycles, cycles=inputs.cycles, traffic=tuple(curves),
        )  # fmt: skip

    return Prepared(folder_of(["network", inputs.topology, inputs.size], [inputs.line]), compute)


def _curve(name: str, setting: Setting, loads: tuple[float, ...]) -> Curve:
    """Return one traffic's figures: bounds, points by load, saturation if it was looked for, and the links."""
    best: LinkLoads | None = None
    if loads:
        points = [latency_at(setting, load) for load in dict.fromkeys(loads)]
        shown = points[-1]
    else:
        best, tried = saturation(setting)
        curve = [latency_at(setting, share * best.load) for share in SHARES]
        points, shown = [*tried, *curve], curve[SHARES.index(0.5)]
    links = sorted(
        zip(setting.wires.names, shown.utilisation, shown.wait_mean, strict=True), key=lambda link: (-link[1], link[0])
    )
    return Curve(
        name=name,
        load_bound=setting.bound,
        latency_zero_load=setting.zero_load_mean_cycles,
        saturation_load=None if best is None else best.load,
        saturation_throughput=None if best is None else best.accepted,
        latency_mean_at_half=None if best is None else shown.latency_mean,
        points=tuple(sorted(points, key=lambda point: point.load)),
        links_at_load=shown.load,
        links=tuple(
            Link(name=link, utilisation=used, wait_mean_cycles=wait) for link, used, wait in links if used
        ),
    )  # fmt: skip


# ---- the report


def document(data: Network) -> Document:
    """Return the report of a network alone: it depends on what network.json holds alone."""
    hot = data.hot
    searched = any(curve.saturation_load is not None for curve in data.traffic)
    told = [
        say("{tiles}; {router}.", brief=True, tiles=counted(data.tiles, "tile"), router=_router_words(data)),
        *([say("Hot spot: {share:.4g} of all packets go to tile {tile}, the rest to all alike.", **hot.plain())]
          if hot else []),
        say("Loads and throughputs are in flits per tile and cycle. Latencies are in cycles, from the cycle in which a "
            "packet is made to that in which its tail is in."),
    ]  # fmt: skip
    meant = [
        say("*Latency at zero load*: the mean over packets of the cycles of each router and link on the way, and a "
            "cycle per flit."),
        say("*Bound of the load*: the load at which the busiest link of this routing would carry a flit in every "
            "cycle."),
        *([say("*Saturation throughput*: what is accepted at the highest load, to 1 % of the bound, at which all "
               "packets come in, their mean latency is at most 500 cycles and 95 % of the load is accepted.")]
          if searched else []),
    ]  # fmt: skip
    at = ", ".join(f"{curve.links_at_load:.4g} under {words(curve.name)} traffic" for curve in data.traffic)
    return Document(
        f"Network: {data.topology}, {data.size}",
        tuple(told),
        (
            Section("latency", "Latency and saturation", (latency_figure(data), summary_table(data),
                                                          Points(tuple(meant)))),
            Section("loads", "Every load that was simulated", (loads_table(data),)),
            Section("links", "The busiest links", (say("At a load of {at}.", at=at), links_table(data))),
            Section("rules", "Rules", (Points(_rules(data.router)),)),
        ),
        (
            Command(data.command),
            say("Packets are measured that are made in {cycles} after {warmup:,}. Seed {seed}; archsim {version}.",
                kind="note", cycles=counted(data.cycles, "cycle"), warmup=data.warmup_cycles, seed=data.seed,
                version=data.version),
        ),
        stem="network",
    )  # fmt: skip


def latency_figure(data: Network) -> Plot:
    """Return the figure of mean latency against offered load, with what theory says of both ends."""
    curves = data.traffic
    top = TIMES_ZERO_LOAD * max(curve.latency_zero_load for curve in curves)
    most = max(value for curve in curves for value in (curve.load_bound, *(own.load for own in curve.points)))
    series = []
    for place, curve in enumerate(curves):
        name, tone = words(curve.name), CYCLE[place % len(CYCLE)]
        known = [(own.load, own.latency_mean, own) for own in curve.points if own.latency_mean is not None]
        inside, above = ([each for each in known if (each[1] > top) is beyond] for beyond in (False, True))
        dots = tuple(Dot(x, y, _tip(name, own), size=0.6, hollow=own.saturated) for x, y, own in inside)
        spread = tuple(own.latency_ci95 or 0.0 for _, _, own in inside)
        series.append(Series(name, tone, dots, spread=spread))
        if inside and above:  # the line goes on to the edge
            (x, y, _), (x2, y2, own) = inside[-1], above[0]
            ends = (dots[-1], Dot(x + (x2 - x) * (top - y) / (y2 - y), top, ""))
            series.append(Series(name, tone, ends, shown=False, tip=_tip(name, own)))
        low, bound = curve.latency_zero_load, curve.load_bound
        for tip, line in (
            (f"{name}: {counted(low, 'cycle', form=',.2f')} at zero load", ((0.0, low), (most, low))),
            (f"{name}: the busiest link bounds the load to {bound:.4g}", ((bound, 0.0), (bound, top))),
        ):
            level = tuple(Dot(x, y, tip) for x, y in line)
            series.append(Series("", tone, level, dashed=True, shown=False, tip=tip))
    return Plot(
        "latency", "Latency against offered load",
        f"With 95 % intervals; hollow: saturated. Dashed: the latency at zero load and the bound of the load. What is "
        f"above {TIMES_ZERO_LOAD} times the latency at zero load is not drawn.",
        linear("offered load, flits per tile and cycle", [0.0, most * 1.05], "{:g}".format, low=0.0, count=6),
        linear("mean latency, cycles", [0.0, top], "{:,g}".format, low=0.0, count=6), tuple(series),
    )  # fmt: skip


def _tip(name: str, point: Load) -> str:
    more = "" if point.latency_ci95 is None else f" +- {point.latency_ci95:,.2f}"
    mean = "none came in" if point.latency_mean is None else counted(point.latency_mean, "cycle", form=",.2f")
    return f"{name}, load {point.load:.4g}: {mean}{more}{', saturated' if point.saturated else ''}"


def summary_table(data: Network) -> Table:
    """What each traffic comes to; loads in flits per tile and cycle, latencies in cycles."""
    heads = ("traffic", "latency at zero load", "bound of the load", "saturation throughput", "latency at half of it")
    rows = tuple((own.name, own.latency_zero_load, own.load_bound, own.saturation_throughput, own.latency_mean_at_half)
                 for own in data.traffic)  # fmt: skip
    return Table("summary", "What each traffic comes to", tuple(map(Column, heads)), rows, brief=True)


def loads_table(data: Network) -> Table:
    """Every load that was simulated; what few read is in its file alone."""
    heads = ("offered load", "accepted", "from the worst-served tile", "mean latency", "+- (95 %)", "median",
             "95th percentile", "99th percentile", "maximum", "packets", "came in", "hops", "events",
             "saturated")  # fmt: skip
    rows = tuple(
        (curve.name, own.load, own.accepted, own.accepted_least, own.latency_mean, own.latency_ci95, own.latency_p50,
         own.latency_p95, own.latency_p99, own.latency_max, own.packets, own.packets_in, own.hops, own.events,
         own.saturated)
        for curve in data.traffic for own in curve.points
    )  # fmt: skip
    hidden = ("95th percentile", "maximum", "packets", "came in", "hops", "events")
    columns = (Column("traffic"), *(Column(head, shown=head not in hidden) for head in heads))
    return Table("latency", "Latency against load", columns, rows, most=100, brief=True)


def links_table(data: Network) -> Table:
    """The links, the busiest of each traffic first; a few of each are shown."""
    rows: list[tuple[Any, ...]] = []
    shown: list[tuple[Any, ...]] = []
    for curve in data.traffic:
        own = [(curve.name, link.name, link.utilisation, link.wait_mean_cycles) for link in curve.links]
        rows, shown = rows + own, shown + own[:LINKS]
    columns = (Column("traffic"), Column("link"), Column("utilisation", "%"), Column("cycles waited for, mean"))
    note = "" if len(shown) == len(rows) else "All of them are in tables/links.csv."
    return Table("links", "Links", columns, tuple(rows), note, shown=tuple(shown))


def _router_words(data: Network) -> str:
    own = data.router
    return (
        f"packets of {counted(own.packet_flits, 'flit')}, {counted(own.vcs, 'virtual channel')} of "
        f"{counted(own.buffer_flits, 'flit')}, router {own.router_cycles}, link {own.link_cycles}, credit "
        f"{counted(own.credit_cycles, 'cycle')}, {own.arbitration}, wait_for_tail_credit "
        f"{int(own.wait_for_tail_credit)}, hold_switch_for_packet {int(own.hold_switch_for_packet)}"
    )


def _rules(router: Router) -> tuple[Text, ...]:
    wormhole = router.buffer_flits < router.packet_flits
    return (
        say("Tiles make packets by a Bernoulli process; they wait in queues without limit, and one at a time enters. "
            "Where two ways round a ring are as long, packets are divided between them."),
        say("Routers are input-queued. A packet whose head is the first in its buffer asks for a virtual channel of "
            "its class at the far end of its next link, any on a tile's own links. Then its flits ask for the switch, "
            "each with a credit for a place in the buffer ahead. The switch passes one flit by each input and to each "
            "output in a cycle."),
        say(CHANNEL[router.wait_for_tail_credit]),
        say(SWITCH[router.hold_switch_for_packet]),
        say("Separable allocation, outputs first, one iteration, as in iSLIP; all as in BookSim's `iq` router."),
        *([say("A buffer holds less than a packet, which so lies in several routers (wormhole).")] if wormhole else []),
    )  # fmt: skip


CHANNEL = (
    "A virtual channel is given to the next packet as soon as the tail of the one before has been sent to it, so its "
    "buffer holds several packets (BookSim: `wait_for_tail_credit = 0`, its default).",
    "A virtual channel is given to the next packet only when the credit of the tail of the one before is back, so its "
    "buffer holds one at a time, and what is larger than a packet is of no use (BookSim: `wait_for_tail_credit = 1`).",
)
"""By the router's wait_for_tail_credit."""
SWITCH = (
    "The switch is arbitrated flit by flit, so flits of several packets take turns on a link (BookSim: "
    "`hold_switch_for_packet = 0`, its default).",
    "A packet that was granted the switch keeps it as long as its next flit is there and has a credit (BookSim: "
    "`hold_switch_for_packet = 1`).",
)
"""By the router's hold_switch_for_packet."""


STUDY = registered(Study(Inputs, Network, "network.json", prepare, document))
