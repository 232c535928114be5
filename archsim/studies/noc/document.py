"""The report of a network alone: latency against offered load, as JSON, tables and a figure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.base.words import counted
from archsim.report.colours import CYCLE
from archsim.report.drawing import draw
from archsim.report.folder import write_folder
from archsim.report.table import Column, Table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data: TypeAlias = Mapping[str, Any]

SCHEMA, NAME = "archsim-network-1", "network.json"
OWNED = (NAME, "network.md", "tables", "figures")
MARKERS = ("o", "s", "^", "D", "v", "P")
_LINKS = 8
_TIMES_ZERO_LOAD = 6  # the figure ends at so many times the latency without load: what is above is saturation


def write_network(data: Data, folder: Path) -> Path:
    """Write a network's figures as network.json, network.md, tables and a figure; return the folder."""
    found = (summary_table(data), latency_table(data), links_table(data))
    files = {
        NAME: json.dumps(data, indent=1, allow_nan=False) + "\n",
        "network.md": _markdown(data),
        **{f"tables/{table.name}.csv": table.csv() for table in found},
        "figures/latency.svg": latency_figure(data),
    }
    return write_folder(folder, files, OWNED)


def summary_table(data: Data) -> Table:
    """What each traffic comes to; loads in flits per tile and cycle, latencies in cycles."""
    rows = [
        (c["name"], c["latency_zero_load"], c["load_bound"], c["saturation_throughput"], c["latency_mean_at_half"])
        for c in data["traffic"]
    ]
    heads = ("traffic", "latency at zero load", "bound of the load", "saturation throughput", "latency at half of it")
    return Table("summary", "Summary", tuple(map(Column, heads)), tuple(rows))


def latency_table(data: Data) -> Table:
    """Every load that was simulated."""
    keys = ("load", "accepted", "accepted_least", "latency_mean", "latency_ci95", "latency_p50", "latency_p95",
            "latency_p99", "latency_max", "packets", "packets_in", "hops", "events", "saturated")  # fmt: skip
    rows = [(curve["name"], *(point[key] for key in keys)) for curve in data["traffic"] for point in curve["points"]]
    heads = ("traffic", "offered load", "accepted", "from the worst-served tile", "mean latency", "+- (95 %)", "median",
             "95th percentile", "99th percentile", "maximum", "packets", "came in", "hops", "events",
             "saturated")  # fmt: skip
    return Table("latency", "Latency against load", tuple(map(Column, heads)), tuple(rows))


def links_table(data: Data) -> Table:
    """The links, the busiest of each traffic first."""
    rows = [
        (curve["name"], link["name"], link["utilisation"], link["wait_mean_cycles"])
        for curve in data["traffic"] for link in curve["links"]
    ]  # fmt: skip
    columns = (Column("traffic"), Column("link"), Column("utilisation", "%"), Column("cycles waited for, mean"))
    return Table("links", "Links", columns, tuple(rows))


def network_lines(data: Data) -> list[str]:
    """Return what the terminal shows."""
    lines = [f"{data['topology']} {data['size']}, {counted(data['tiles'], 'tile')}; {_router_words(data)}"]
    for curve in data["traffic"]:
        least = counted(curve["latency_zero_load"], "cycle", form=".2f")
        most = counted(curve["load_bound"], "flit", form=".4g")
        lines += ["", f"{curve['name']}: latency at zero load {least}; no more than {most} per tile and cycle"]
        if curve["saturation_load"] is not None:
            lines.append(f"  saturates at {curve['saturation_throughput']:.4g}; at half of it the mean latency is "
                         f"{counted(curve['latency_mean_at_half'], 'cycle', form='.2f')}")  # fmt: skip
        lines.append("      load  accepted  mean latency          p99")
        for point in curve["points"]:
            mean, p99 = _number(point["latency_mean"]), _number(point["latency_p99"])
            note = "  saturated" if point["saturated"] else ""
            lines.append(f"  {point['load']:8.4f}  {point['accepted']:8.4f}  {mean:>12}  {p99:>11}{note}")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"


def _router_words(data: Data) -> str:
    own = data["router"]
    return (
        f"packets of {counted(own['packet_flits'], 'flit')}, {counted(own['vcs'], 'virtual channel')} of "
        f"{counted(own['buffer_flits'], 'flit')}, router {own['router_cycles']}, link {own['link_cycles']}, credit "
        f"{counted(own['credit_cycles'], 'cycle')}, {own['arbitration']}, wait_for_tail_credit "
        f"{own['wait_for_tail_credit']}, hold_switch_for_packet {own['hold_switch_for_packet']}"
    )


def _markdown(data: Data) -> str:
    every, links = latency_table(data), links_table(data)
    short = Table("latency", "", (*every.columns[:9], every.columns[-1]), tuple((*r[:9], r[-1]) for r in every.rows))
    searched = any(curve["saturation_load"] is not None for curve in data["traffic"])
    hot = data["hot"]
    lines = [
        f"# Network: {data['topology']}, {data['size']}",
        "",
        f"{counted(data['tiles'], 'tile')}; {_router_words(data)}.",
        *([f"Hot spot: {hot['share']:.4g} of all packets go to tile {hot['tile']}, the rest to all alike."] if hot else
          []),
        "",
        "Loads and throughputs are in flits per tile and cycle, latencies in cycles, from the cycle in which a packet "
        "is made to that in which its tail is in.",
        "",
        "![latency](figures/latency.svg)",
        "",
        summary_table(data).markdown(),
        "",
        "*Latency at zero load*: for each router and link on the way its cycles, and a cycle per flit; the mean over "
        "packets. *Bound*: the load at which the busiest link of this routing would carry a flit in every cycle.",
        *(["*Saturation throughput*: what is accepted at the highest load, to 1 % of the bound, at which all packets "
           "come in, their mean latency is at most 500 cycles and 95 % of the load is accepted."] if searched else []),
        "",
        "## Latency against load",
        "",
        short.markdown(),
        "",
        "[All of it](tables/latency.csv).",
    ]  # fmt: skip
    for curve in data["traffic"]:
        own = tuple(row[1:] for row in links.rows if row[0] == curve["name"])[:_LINKS]
        lines += ["", f"## The busiest links under {curve['name']} traffic at a load of {curve['links_at_load']:.4g}",
                  "", Table("links", "", links.columns[1:], own).markdown()]  # fmt: skip
    lines += ["", "[All of them](tables/links.csv).", "", "## Rules", "", *_rules(data), "",
              f"Repeat: `{data['command']}`, archsim {data['version']}; packets are measured that are made in "
              f"{counted(data['cycles'], 'cycle')} after {data['warmup_cycles']:,}; seed {data['seed']}.",
              ""]  # fmt: skip
    return "\n".join(lines)


def _rules(data: Data) -> tuple[str, ...]:
    router = data["router"]
    return (
        "- Tiles make packets by a Bernoulli process; they wait in queues without limit, and one at a time enters. "
        "Where two ways round a ring are as long, packets are divided between them.",
        "- Routers are input-queued. A packet whose head is the first in its buffer asks for a virtual channel of its "
        "class at the far end of its next link, any on a tile's own links; then its flits ask for the switch, each "
        "with a credit for a place in the buffer ahead. The switch passes one flit by each input and to each output in "
        "a cycle.",
        CHANNEL[router["wait_for_tail_credit"]],
        SWITCH[router["hold_switch_for_packet"]],
        "- Separable allocation, outputs first, one iteration, as in iSLIP; all as in BookSim's `iq` router.",
        *(["- A buffer holds less than a packet, which so lies in several routers (wormhole)."]
          if router["buffer_flits"] < router["packet_flits"] else []),
    )  # fmt: skip


CHANNEL = (
    "- A virtual channel is given to the next packet as soon as the tail of the one before has been sent to it, so its "
    "buffer holds several packets (BookSim: `wait_for_tail_credit = 0`, its default).",
    "- A virtual channel is given to the next packet only when the credit of the tail of the one before is back, so "
    "its buffer holds one at a time, and what is larger than a packet is of no use (BookSim: `wait_for_tail_credit = "
    "1`).",
)
SWITCH = (
    "- The switch is arbitrated flit by flit, so flits of several packets take turns on a link (BookSim: "
    "`hold_switch_for_packet = 0`, its default).",
    "- A packet that was granted the switch keeps it as long as its next flit is there and has a credit (BookSim: "
    "`hold_switch_for_packet = 1`).",
)


def latency_figure(data: Data) -> str:
    """Return the figure of mean latency against offered load, with what theory says of both ends."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        top = _TIMES_ZERO_LOAD * max(curve["latency_zero_load"] for curve in data["traffic"])
        for place, curve in enumerate(data["traffic"]):
            tone = CYCLE[place % len(CYCLE)]
            points = [point for point in curve["points"] if point["latency_mean"] is not None]
            axes.errorbar(
                [point["load"] for point in points], [point["latency_mean"] for point in points],
                [point["latency_ci95"] or 0.0 for point in points], color=tone, marker=MARKERS[place % len(MARKERS)],
                ms=4, lw=1.4, capsize=2, label=curve["name"].replace("_", " "),
            )  # fmt: skip
            axes.axhline(curve["latency_zero_load"], color=tone, lw=0.9, ls="--")
            axes.axvline(curve["load_bound"], color=tone, lw=0.9, ls=":")
        first = data["traffic"][0]
        axes.plot([], [], color="#444444", lw=0.9, ls="--", label="at zero load")
        axes.plot([], [], color="#444444", lw=0.9, ls=":", label="bound of the load")
        axes.set_ylim(0, top)
        loads = [c["load_bound"] for c in data["traffic"]] + [p["load"] for c in data["traffic"] for p in c["points"]]
        axes.set_xlim(0, max(first["load_bound"], *loads) * 1.05)
        axes.set_xlabel("offered load, flits per tile and cycle")
        axes.set_ylabel("mean latency, cycles")
        axes.grid()
        figure.legend(loc="outside right upper")

    return draw(paint, height=3.8)
