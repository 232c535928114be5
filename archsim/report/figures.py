"""Figures of a run, as SVG whose bytes depend on the run alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archsim.mapping.schedule import STATES
from archsim.metrics import TOP, Result
from archsim.units import engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "archsim", "svg.fonttype": "path", "font.family": ["DejaVu Sans"], "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titlelocation": "left",
    "axes.axisbelow": True, "grid.color": "#e4e4e4", "path.simplify": False, "legend.frameon": False,
}  # fmt: skip
COLOURS = {
    "forward": "#1b6ca8", "backward": "#58a4d8", "update": "#12837a", "convert": "#e0a526", "digital": "#b9770e",
    "send": "#8e5ea2", "receive": "#c39bd3", "flight": "#d7bde2", "transfer": "#b03a2e", "refresh": "#e6846e",
    "waiting_link": "#7f8c8d", "waiting_tile": "#a5b0b1", "waiting_transfer": "#d98880", "waiting_data": "#e6eaea",
    "load": "#566573", "leakage": "#c8cdd0",
}  # fmt: skip
CYCLE = ("#1b6ca8", "#12837a", "#e0a526", "#b03a2e", "#8e5ea2", "#58a4d8", "#b9770e", "#566573", "#c39bd3", "#7f8c8d")
_LABELS_UP_TO = 64


def colour(name: str, place: int = 0) -> str:
    """Return the colour that a state or phase has in all figures; else one by place."""
    return COLOURS.get(name, CYCLE[place % len(CYCLE)])


def draw(paint: Callable[[Figure], None], width: float = 8.0, height: float = 3.2) -> str:
    """Return the SVG that `paint` draws on an empty figure of that size in inches."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": "archsim"})
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _bars(axes: Axes, parts: Mapping[str, float], unit: str, colours: Callable[[str, int], str] = colour) -> None:
    """Draw one horizontal bar per part, the largest on top, each with its share."""
    names = [name for name, value in parts.items() if value]
    values = [parts[name] for name in names]
    total = sum(values)
    scale, label = _scale(max(values, default=0.0), unit)
    axes.barh(range(len(names)), [v / scale for v in values], color=[colours(n, i) for i, n in enumerate(names)])
    axes.set_yticks(range(len(names)), [_words(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(axis="x")
    axes.margins(x=0.14)
    for i, value in enumerate(values):
        share = f"{value / total:.1%}" if value / total >= 0.0005 else "< 0.1%"
        axes.annotate(f" {share}", (value / scale, i), va="center", fontsize=8)


_SCALES = {
    "s": ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")),
    "J": ((1.0, "J"), (1e-3, "mJ"), (1e-6, "uJ"), (1e-9, "nJ"), (1e-12, "pJ")),
    "m2": ((1e-6, "mm2"), (1e-12, "um2")),
}


def _scale(largest: float, unit: str) -> tuple[float, str]:
    for scale, name in _SCALES[unit]:
        if largest >= scale:
            return scale, name
    return _SCALES[unit][-1]


def sustained(result: Result) -> str:
    """From the peak's interval to the sustained time per example, as a waterfall."""
    parts: Mapping[str, float] = result.data["time_per_example_parts_s"]
    labels = {
        "interval": "peak: initiation\ninterval", "dependencies": "dependencies", "contention": "contention",
        "maintenance": "transfers,\nrefresh",
    }  # fmt: skip
    total = sum(parts.values())
    scale, unit = _scale(total, "s")

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        at = 0.0
        tones = {
            "interval": "forward",
            "dependencies": "convert",
            "contention": "waiting_link",
            "maintenance": "transfer",
        }
        for i, (name, value) in enumerate(parts.items()):
            axes.bar(i, value / scale, bottom=at / scale, color=COLOURS[tones[name]], width=0.6)
            axes.annotate(
                engineering(value, "s"), (i, (at + max(value, 0)) / scale), ha="center", va="bottom", fontsize=8
            )
            at += value
            axes.plot([i - 0.3, i + 1.3], [at / scale] * 2, color="#888888", lw=0.7)
        axes.bar(len(parts), at / scale, color="#34495e", width=0.6)
        axes.annotate(engineering(at, "s"), (len(parts), at / scale), ha="center", va="bottom", fontsize=8)
        axes.set_xticks(range(len(parts) + 1), [*(labels[name] for name in parts), "sustained"])
        axes.set_ylabel(f"time per example, {unit}")
        axes.grid(axis="y")
        axes.margins(y=0.12)

    return draw(paint)


def energy(result: Result) -> str:
    """Energy of the run by component, stacked by phase."""
    items = result.bill.items
    order = list(result.data["energy_j"]["by_component"])
    phases = list(result.data["energy_j"]["by_phase"])
    table = {(component, phase): 0.0 for component in order for phase in phases}
    for item in items:
        table[item.component, item.phase] += item.energy_j
    total = result.bill.total_j
    scale, unit = _scale(max(result.data["energy_j"]["by_component"].values(), default=0.0), "J")
    shown = [name for name in order if result.data["energy_j"]["by_component"][name]]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        left = [0.0] * len(shown)
        for i, phase in enumerate(phases):
            widths = [table[name, phase] / scale for name in shown]
            if any(widths):
                axes.barh(range(len(shown)), widths, left=left, color=colour(phase, i), label=_words(phase))
            left = [a + b for a, b in zip(left, widths, strict=True)]
        for i, width in enumerate(left):
            share = width * scale / total
            axes.annotate(f" {share:.1%}" if share >= 0.0005 else " < 0.1%", (width, i), va="center", fontsize=8)
        axes.set_yticks(range(len(shown)), [_words(name) for name in shown])
        axes.invert_yaxis()
        axes.set_xlabel(f"energy of the run, {unit}")
        axes.grid(axis="x")
        axes.margins(x=0.1)
        axes.legend(title="phase", loc="lower right")

    return draw(paint, height=0.9 + 0.27 * max(len(shown), 6))


def area(result: Result) -> str:
    """Area of the chip by component."""
    ranked = sorted(result.chip.parts, key=lambda part: (-part.area_m2, part.component))
    parts = {part.component: part.area_m2 for part in ranked if part.area_m2}

    def paint(figure: Figure) -> None:
        _bars(figure.subplots(), parts, "m2", lambda name, i: "#c8cdd0" if name == "white_space" else "#1b6ca8")

    return draw(paint, height=0.8 + 0.25 * len(parts))


def stalls(result: Result) -> str:
    """States of the used tiles as shares of all cycles, a bar per tile."""
    trace = result.trace
    names = [layer.name for layer in result.workload.value.layers]
    shards = result.mapping.shards[:TOP]
    labels = [f"{names[shard.layer]}{shard.name}, tile {shard.tile}" for shard in shards]
    used = [state for state in STATES if any(tile[state] for tile in trace.tile_states)]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        left = [0.0] * len(shards)
        for state in used:
            widths = [trace.tile_states[i][state] / max(trace.cycles, 1) for i in range(len(shards))]
            axes.barh(
                range(len(shards)), [100 * w for w in widths], left=left, color=colour(state), label=_words(state)
            )
            left = [a + 100 * b for a, b in zip(left, widths, strict=True)]
        axes.set_yticks(range(len(shards)), labels, fontsize=9 if len(shards) <= 20 else 6)
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_xlabel("share of all cycles, %")
        figure.legend(loc="outside right upper")

    return draw(paint, height=max(2.6, 1.0 + (0.26 if len(shards) <= 20 else 0.14) * len(shards)))


def step(result: Result) -> str:
    """Timeline of one step: what each tile, and the links, do in its cycles; the critical path below."""
    shown = result.step
    names = [layer.name for layer in result.workload.value.layers]
    shards = result.mapping.shards[:TOP]
    lane = {shard.tile: i for i, shard in enumerate(shards)}
    clock_ns = 1e9 / float(result.chip.spec.technology.clock_hz)
    bars: dict[str, dict[int, list[tuple[int, int]]]] = {}
    busy: list[tuple[int, int]] = []
    for record in shown.records:
        op = shown.schedule.ops[record.op]
        stage = op.variants[record.n % len(op.variants)][record.stage]
        begin, end = max(record.granted, shown.start) - shown.start, min(record.ended, shown.end) - shown.start
        if end <= begin:
            continue
        for tile, state in stage.shows:
            if tile in lane:
                bars.setdefault(state, {}).setdefault(lane[tile], []).append((begin, end))
        if op.kind == "send":
            busy.append((begin, end))
    lanes = len(shards)

    def scaled(spans: list[tuple[int, int]]) -> list[tuple[float, float]]:
        return [(begin * clock_ns, (end - begin) * clock_ns) for begin, end in _union(spans)]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for state in STATES:
            for number, (row, spans) in enumerate(bars.get(state, {}).items()):
                axes.broken_barh(
                    scaled(spans), (row - 0.4, 0.8), color=colour(state), lw=0,
                    label=_words(state) if not number else None,
                )  # fmt: skip
        axes.broken_barh(scaled(busy), (lanes - 0.3, 0.6), color="#8e5ea2", alpha=0.5, lw=0)
        on_path: dict[str, list[tuple[float, float]]] = {}
        for segment in shown.path:
            stretch = ((segment.start - shown.start) * clock_ns, (segment.end - segment.start) * clock_ns)
            on_path.setdefault(segment.what, []).append(stretch)
        for i, (what, stretches) in enumerate(on_path.items()):
            unseen = what not in bars
            axes.broken_barh(
                stretches, (lanes + 0.6, 0.8), color=colour(what, i), lw=0, label=_words(what) if unseen else None
            )
        labels = [f"{names[shard.layer]}{shard.name}" for shard in shards]
        axes.set_yticks([*range(lanes + 1), lanes + 1], [*labels, "links", "critical path"])
        axes.invert_yaxis()
        axes.set_xlim(0, shown.cycles * clock_ns)
        axes.set_xlabel(f"time since the end of example {shown.example}, ns" if shown.example else "time, ns")
        axes.grid(axis="x")
        figure.legend(loc="outside right upper")

    return draw(paint, height=max(2.8, 1.1 + 0.28 * (lanes + 2)))


def _union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the stretches that at least one of the (begin, end) spans covers.

    >>> _union([(5, 9), (0, 2), (2, 3), (6, 7)])
    [(0, 3), (5, 9)]
    """
    joined: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((begin, end))
    return joined


def dwell(result: Result) -> str:
    """Histogram of dwell times, and what a capacitor still holds after them."""
    clock_hz = float(result.chip.spec.technology.clock_hz)
    bins = result.data["dwell"]["histogram"]
    taus = [float(getattr(tile.device, "leak_time_constant_s", 0)) for _, tile in result.chip.spec.tile_kinds]
    tau = next((tau for tau in taus if tau), 0.0)

    def paint(figure: Figure) -> None:
        import numpy as np

        axes = figure.subplots()
        if not bins:
            axes.annotate("no update was read again", (0.5, 0.5), xycoords="axes fraction", ha="center")
            return
        longest = result.data["metrics"]["dwell_time_max_s"]
        scale, unit = _scale(longest, "s")
        edges = [b["from_cycles"] / clock_hz / scale for b in bins]
        ends = [min(b["to_cycles"] / clock_hz, longest) / scale for b in bins]
        total = sum(b["cell_updates"] for b in bins)
        widths = [max(end - edge, 1 / clock_hz / scale) for edge, end in zip(edges, ends, strict=True)]
        heights = [100 * b["cell_updates"] / total / width for b, width in zip(bins, widths, strict=True)]
        axes.bar(edges, heights, widths, align="edge", color=COLOURS["update"])
        axes.set_xlabel(f"dwell time on the capacitor, {unit}")
        axes.set_ylabel(f"updates, % per {unit}")
        axes.set_xlim(0, longest / scale)
        if tau:
            other = axes.twinx()
            times = np.linspace(0, longest, 100)
            other.plot(times / scale, 100 * np.exp(-times / tau), color=COLOURS["transfer"])
            other.set_ylim(0, 105)
            other.set_ylabel(f"left of an update, % (tau {engineering(tau, 's')})", color=COLOURS["transfer"])

    return draw(paint, height=2.8)


def floorplan(result: Result) -> str:
    """The die to scale: tiles by layer, white space, links, the host port and other blocks."""
    chip = result.chip
    plan = chip.plan
    layer_of = {shard.tile: shard.layer for shard in result.mapping.shards}
    names = [layer.name for layer in result.workload.value.layers]

    def paint(figure: Figure) -> None:
        from matplotlib.collections import LineCollection, PatchCollection
        from matplotlib.patches import Patch, Rectangle

        axes = figure.subplots()
        mm = 1e3
        groups: dict[str, list[Any]] = {}
        for i, site in enumerate(plan.sites):
            side = (chip.tile_share(chip.tiles[i])[0] / site.area_m2) ** 0.5
            rect = Rectangle(
                ((site.x_m + site.width_m * (1 - side) / 2) * mm, (site.y_m + site.height_m * (1 - side) / 2) * mm),
                site.width_m * side * mm, site.height_m * side * mm,
            )  # fmt: skip
            groups.setdefault(names[layer_of[i]] if i in layer_of else "unused", []).append(rect)
        tones = {
            "unused": "#e6eaea",
            "host port": "#566573",
            "routing channel": "#efece4",
            "floorplan block": "#cfe3d4",
        }
        for name, around in (("host port", plan.host), *((_words(block.kind), block.rect) for block in plan.blocks)):
            corner = (around.x_m * mm, around.y_m * mm)
            groups.setdefault(name, []).append(Rectangle(corner, around.width_m * mm, around.height_m * mm))
        handles = []
        for place, (name, rects) in enumerate(groups.items()):
            tone = tones.get(name, CYCLE[place % len(CYCLE)])
            axes.add_collection(PatchCollection(rects, facecolor=tone, edgecolor="#ffffff", linewidth=0.5))
            handles.append(Patch(color=tone, label=f"{name} ({len(rects)})" if name != "host port" else name))
        if len(plan.sites) <= _LABELS_UP_TO:
            for i, site in enumerate(plan.sites):
                x, y = site.centre_m
                used = f"\n{names[layer_of[i]]}" if i in layer_of else ""
                tone = "#ffffff" if i in layer_of else "#555555"
                axes.annotate(f"{i}{used}", (x * mm, y * mm), ha="center", va="center", color=tone, fontsize=8)
            wires = _wires(result)
            axes.add_collection(LineCollection(wires, colors="#8e5ea2", linewidths=1.4, alpha=0.8))
        axes.set_xlim(0, plan.width_m * mm)
        axes.set_ylim(plan.height_m * mm, 0)
        axes.set_aspect("equal")
        axes.set_xlabel("mm")
        axes.set_ylabel("mm")
        figure.legend(handles=handles, loc="outside right upper")

    ratio = plan.height_m / plan.width_m
    return draw(paint, height=min(8.0, max(2.6, 0.9 + 6.0 * ratio)))


def _wires(result: Result) -> list[list[tuple[float, float]]]:
    """Return the links between routers as lines between the edges of neighbouring sites."""
    places = result.chip.topology.places_m
    pairs = {(min(a, b), max(a, b)) for a, b in result.chip.graph.edges if a in places and b in places}
    lines = []
    for a, b in sorted(pairs):
        (ax, ay), (bx, by) = places[a], places[b]
        near, far = 0.36, 0.64
        lines.append([((ax + (bx - ax) * t) * 1e3, (ay + (by - ay) * t) * 1e3) for t in (near, far)])
    return lines


ALL: dict[str, Callable[[Result], str]] = {
    "sustained": sustained,
    "step": step,
    "stalls": stalls,
    "energy": energy,
    "area": area,
    "floorplan": floorplan,
    "dwell": dwell,
}


def figures(result: Result) -> dict[str, str]:
    """Return all figures of a run, as SVG by name."""
    return {name: build(result) for name, build in ALL.items()}
