"""The network of a chip alone: latency against offered load under synthetic traffic, and where it saturates."""

from __future__ import annotations

import dataclasses
import hashlib
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from archsim.base.errors import Problem, SpecError
from archsim.base.words import agreeing, counted
from archsim.chip.floorplan import grid
from archsim.noc.patterns import TRAFFIC, Traffic
from archsim.noc.router import Router, Wires
from archsim.noc.saturation import Load, Setting, latency_at, saturation
from archsim.report.colours import CYCLE
from archsim.report.document import Command, Document, Points, Section, Text, say
from archsim.report.figure import Dot, Plot, Series, linear
from archsim.report.folder import check_folder
from archsim.report.table import Column, Table, words
from archsim.results.metrics import package_version
from archsim.spec.choices import TOPOLOGIES
from archsim.studies.study import Study, all_faults, registered

SCHEMA, NAME = "archsim-network-1", "network.json"
OWNED = (NAME, "network.html", "network.md", "tables", "figures")
"""What the study writes; anything else in its folder is kept."""
SHARES = (0.1, 0.3, 0.5, 0.7, 0.85, 0.95, 1.05)
"""Of the saturation throughput: the loads at which a curve is drawn, besides those that the search tried."""
MOST_TILES = 1024  # assumption: beyond, finding the routes of all pairs takes minutes
LINKS = 8
"""So many links of each traffic are shown, the busiest."""
TIMES_ZERO_LOAD = 6
"""The figure ends at so many times the latency at zero load: what is above is saturation."""
Progress = Callable[[float, int, str], None]
Data: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Request:
    """What the command was asked: names and numbers as given, not yet checked."""

    topology: str
    size: str = "8x8"
    traffic: tuple[str, ...] = ("uniform",)
    loads: tuple[float, ...] = ()
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

    @property
    def command(self) -> str:
        """The command that repeats it, as one line for a shell: what differs from the defaults."""
        words = ["archsim", "network", self.topology, "--size", self.size]
        words += [word for name in self.traffic for word in ("--traffic", name)]
        words += [word for load in self.loads for word in ("--load", f"{load:g}")]
        for field in dataclasses.fields(self)[4:]:
            value = getattr(self, field.name)
            if value != field.default:
                words += [f"--{field.name.replace('_', '-')}", str(value)]
        return shlex.join(words)


def settings_of(request: Request) -> dict[str, Setting]:
    """Return the network under each traffic that is asked for; raise SpecError with everything that is wrong."""
    shape, build, *_ = all_faults([lambda: _shape(request), lambda: TOPOLOGIES.lookup(request.topology, "TOPOLOGY"),
                                   *(lambda name=name: TRAFFIC.lookup(name, "--traffic") for name in request.traffic),
                                   lambda: _check(request)])  # fmt: skip
    # Sites of 1 mm2, so that links between routers have a length; how long they are is in --link-cycles.
    topology = build(grid([1e-6] * shape.tiles, 1e-6, shape.columns, 0.0))
    problems = request.router.problems(topology.class_count)
    if problems:
        raise SpecError(problems)
    weights = all_faults([lambda name=name: TRAFFIC[name](shape) for name in request.traffic])  # type: ignore[misc]
    wires = Wires(topology)
    return {
        name: Setting(wires, request.router, own, request.warmup_cycles, request.cycles, request.seed)
        for name, own in zip(request.traffic, weights, strict=True)
    }


def _shape(request: Request) -> Traffic:
    match = re.fullmatch(r"(\d+)x(\d+)", request.size)
    hint = "give rows x columns, such as 8x8"
    if match is None:
        raise SpecError([Problem("--size", f"'{request.size}' is not the size of a grid", hint)])
    rows, columns = int(match[1]), int(match[2])
    if not 2 <= rows * columns <= MOST_TILES:
        are = agreeing(rows * columns, "is", "are")
        what = f"{rows} x {columns} {are} {counted(rows * columns, 'tile')}"
        raise SpecError([Problem("--size", what, f"give 2 to {MOST_TILES:,}")])
    if not 0 <= request.hot_tile < rows * columns:
        what = f"there is no tile {request.hot_tile}"
        raise SpecError([Problem("--hot-tile", what, f"give 0 to {rows * columns - 1}")])
    return Traffic(rows, columns, request.hot_tile, request.hot_share)


def _check(request: Request) -> None:
    problems = [*request.router.problems()]
    problems += [
        Problem("--load", f"{counted(load, 'flit', form='g')} per tile and cycle", "give more than 0 and at most 1")
        for load in request.loads if not 0 < load <= 1
    ]  # fmt: skip
    problems += [
        Problem(f"--{name.replace('_', '-')}", f"{getattr(request, name)} is neither 0 nor 1", "give 0 or 1")
        for name in ("wait_for_tail_credit", "hold_switch_for_packet") if getattr(request, name) not in (0, 1)
    ]  # fmt: skip
    if not 0 <= request.hot_share <= 1:
        problems.append(Problem("--hot-share", f"{request.hot_share:g} is no share", "give 0 to 1"))
    if request.warmup_cycles < 0:
        problems.append(Problem("--warmup-cycles", f"{request.warmup_cycles} is negative", "give 0 or more"))
    if request.cycles < 1:
        problems.append(Problem("--cycles", f"{request.cycles} is too few", "give 1 or more"))
    if problems:
        raise SpecError(problems)


def execute_network(
    request: Request, out: Path | None = None, progress: Progress | None = None
) -> tuple[dict[str, Any], Document, Path]:
    """Return what a network does, as its file holds it and as its report shows it, and the report's folder.

    `progress` is called with the traffic patterns done, how many there are, and words. Raises SpecError with
    everything that is wrong, StuckError if packets wait for each other for ever.
    """
    settings = settings_of(request)
    suffix = hashlib.sha256(request.command.encode()).hexdigest()[:8]
    folder = out if out is not None else Path("reports") / f"network-{request.topology}-{request.size}--{suffix}"
    check_folder(folder)
    curves = []
    for done, (name, setting) in enumerate(settings.items()):
        if progress is not None:
            progress(done, len(settings), f"{name} traffic")
        curves.append(_curve(name, setting, request.loads))
    setting = next(iter(settings.values()))
    data = {
        "schema": SCHEMA,
        "version": package_version(),
        "command": request.command,
        "seed": request.seed,
        "topology": request.topology,
        "size": request.size,
        "tiles": setting.wires.tiles,
        "class_count": setting.wires.topology.class_count,
        "router": {
            name: int(value) if isinstance(value, bool) else value
            for name, value in dataclasses.asdict(request.router).items()
        },  # 0 and 1, as they are given
        "warmup_cycles": request.warmup_cycles,
        "cycles": request.cycles,
        "hot": {"tile": request.hot_tile, "share": request.hot_share} if "hotspot" in request.traffic else None,
        "traffic": curves,
    }
    return data, *STUDY.write(data, folder)


def _curve(name: str, setting: Setting, loads: tuple[float, ...]) -> dict[str, Any]:
    """Return one traffic's figures: bounds, points by load, saturation if it was looked for, and the links."""
    best: Load | None = None
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
    return {
        "name": name,
        "load_bound": setting.bound,
        "latency_zero_load": setting.zero_load_mean_cycles,
        "saturation_load": None if best is None else best.load,
        "saturation_throughput": None if best is None else best.accepted,
        "latency_mean_at_half": None if best is None else shown.latency_mean,
        "points": [
            {key: value for key, value in dataclasses.asdict(point).items() if key not in ("utilisation", "wait_mean")}
            for point in sorted(points, key=lambda point: point.load)
        ],
        "links_at_load": shown.load,
        "links": [
            {"name": link, "utilisation": used, "wait_mean_cycles": wait} for link, used, wait in links if used
        ],
    }  # fmt: skip


# ---- the report


def document(data: Data) -> Document:
    """Return the report of a network alone: it depends on what network.json holds alone."""
    hot = data["hot"]
    searched = any(curve["saturation_load"] is not None for curve in data["traffic"])
    told = [
        say("{tiles}; {router}.", brief=True, tiles=counted(data["tiles"], "tile"), router=_router_words(data)),
        *([say("Hot spot: {share:.4g} of all packets go to tile {tile}, the rest to all alike.", **hot)]
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
    at = ", ".join(f"{curve['links_at_load']:.4g} under {words(curve['name'])} traffic" for curve in data["traffic"])
    return Document(
        f"Network: {data['topology']}, {data['size']}",
        tuple(told),
        (
            Section("latency", "Latency and saturation", (latency_figure(data), summary_table(data),
                                                          Points(tuple(meant)))),
            Section("loads", "Every load that was simulated", (loads_table(data),)),
            Section("links", "The busiest links", (say("At a load of {at}.", at=at), links_table(data))),
            Section("rules", "Rules", (Points(_rules(data["router"])),)),
        ),
        (
            Command(data["command"]),
            say("Packets are measured that are made in {cycles} after {warmup:,}. Seed {seed}; archsim {version}.",
                kind="note", cycles=counted(data["cycles"], "cycle"), warmup=data["warmup_cycles"], seed=data["seed"],
                version=data["version"]),
        ),
        stem="network",
    )  # fmt: skip


def latency_figure(data: Data) -> Plot:
    """Return the figure of mean latency against offered load, with what theory says of both ends."""
    curves = data["traffic"]
    top = TIMES_ZERO_LOAD * max(curve["latency_zero_load"] for curve in curves)
    most = max(value for curve in curves for value in (curve["load_bound"], *(own["load"] for own in curve["points"])))
    series = []
    for place, curve in enumerate(curves):
        name, tone = words(curve["name"]), CYCLE[place % len(CYCLE)]
        points = [point for point in curve["points"] if point["latency_mean"] is not None]
        inside = [point for point in points if point["latency_mean"] <= top]
        dots = tuple(Dot(own["load"], own["latency_mean"], _tip(name, own), size=0.6, hollow=own["saturated"])
                     for own in inside)  # fmt: skip
        spread = tuple(own["latency_ci95"] or 0.0 for own in inside)
        series.append(Series(name, tone, dots, spread=spread))
        if inside and (above := [own for own in points if own["latency_mean"] > top]):  # the line goes on to the edge
            (x, y), (x2, y2) = ((own["load"], own["latency_mean"]) for own in (inside[-1], above[0]))
            ends = (dots[-1], Dot(x + (x2 - x) * (top - y) / (y2 - y), top, ""))
            series.append(Series(name, tone, ends, shown=False, tip=_tip(name, above[0])))
        low, bound = curve["latency_zero_load"], curve["load_bound"]
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


def _tip(name: str, point: Data) -> str:
    more = "" if point["latency_ci95"] is None else f" +- {point['latency_ci95']:,.2f}"
    mean = counted(point["latency_mean"], "cycle", form=",.2f")
    return f"{name}, load {point['load']:.4g}: {mean}{more}{', saturated' if point['saturated'] else ''}"


def summary_table(data: Data) -> Table:
    """What each traffic comes to; loads in flits per tile and cycle, latencies in cycles."""
    keys = {"traffic": "name", "latency at zero load": "latency_zero_load", "bound of the load": "load_bound",
            "saturation throughput": "saturation_throughput",
            "latency at half of it": "latency_mean_at_half"}  # fmt: skip
    rows = tuple(tuple(curve[key] for key in keys.values()) for curve in data["traffic"])
    return Table("summary", "What each traffic comes to", tuple(map(Column, keys)), rows, brief=True)


def loads_table(data: Data) -> Table:
    """Every load that was simulated; what few read is in its file alone."""
    keys = {"offered load": "load", "accepted": "accepted", "from the worst-served tile": "accepted_least",
            "mean latency": "latency_mean", "+- (95 %)": "latency_ci95", "median": "latency_p50",
            "95th percentile": "latency_p95", "99th percentile": "latency_p99", "maximum": "latency_max",
            "packets": "packets", "came in": "packets_in", "hops": "hops", "events": "events",
            "saturated": "saturated"}  # fmt: skip
    rows = tuple((curve["name"], *(own[key] for key in keys.values())) for curve in data["traffic"]
                 for own in curve["points"])  # fmt: skip
    hidden = ("95th percentile", "maximum", "packets", "came in", "hops", "events")
    columns = (Column("traffic"), *(Column(head, shown=head not in hidden) for head in keys))
    return Table("latency", "Latency against load", columns, rows, most=100, brief=True)


def links_table(data: Data) -> Table:
    """The links, the busiest of each traffic first; a few of each are shown."""
    rows: list[tuple[Any, ...]] = []
    shown: list[tuple[Any, ...]] = []
    for curve in data["traffic"]:
        own = [(curve["name"], *(link[key] for key in ("name", "utilisation", "wait_mean_cycles")))
               for link in curve["links"]]  # fmt: skip
        rows, shown = rows + own, shown + own[:LINKS]
    columns = (Column("traffic"), Column("link"), Column("utilisation", "%"), Column("cycles waited for, mean"))
    note = "" if len(shown) == len(rows) else "All of them are in tables/links.csv."
    return Table("links", "Links", columns, tuple(rows), note, shown=tuple(shown))


def _router_words(data: Data) -> str:
    own = data["router"]
    return (
        f"packets of {counted(own['packet_flits'], 'flit')}, {counted(own['vcs'], 'virtual channel')} of "
        f"{counted(own['buffer_flits'], 'flit')}, router {own['router_cycles']}, link {own['link_cycles']}, credit "
        f"{counted(own['credit_cycles'], 'cycle')}, {own['arbitration']}, wait_for_tail_credit "
        f"{own['wait_for_tail_credit']}, hold_switch_for_packet {own['hold_switch_for_packet']}"
    )


def _rules(router: Data) -> tuple[Text, ...]:
    wormhole = router["buffer_flits"] < router["packet_flits"]
    return (
        say("Tiles make packets by a Bernoulli process; they wait in queues without limit, and one at a time enters. "
            "Where two ways round a ring are as long, packets are divided between them."),
        say("Routers are input-queued. A packet whose head is the first in its buffer asks for a virtual channel of "
            "its class at the far end of its next link, any on a tile's own links. Then its flits ask for the switch, "
            "each with a credit for a place in the buffer ahead. The switch passes one flit by each input and to each "
            "output in a cycle."),
        say(CHANNEL[router["wait_for_tail_credit"]]),
        say(SWITCH[router["hold_switch_for_packet"]]),
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


STUDY = registered(Study(NAME, SCHEMA, "network", document, OWNED))
