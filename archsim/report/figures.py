"""Figures of a run, as SVG whose bytes depend on the run alone."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from archsim.breakdowns import TOP
from archsim.mapping.schedule import STATES
from archsim.report.colours import COLOURS, CYCLE, colour, component_colour
from archsim.report.details import NAMED_TILES
from archsim.report.labels import scale_of as _scale
from archsim.report.layout import rect_from
from archsim.report.page import Page
from archsim.units import engineering

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "archsim", "svg.fonttype": "path", "font.family": ["DejaVu Sans"], "font.size": 9,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlesize": 10, "axes.titlelocation": "left",
    "axes.axisbelow": True, "grid.color": "#e4e4e4", "path.simplify": False, "legend.frameon": False,
}  # fmt: skip
__all__ = ["COLOURS", "CYCLE", "colour", "draw", "figures", "literal"]


_MOST_LETTERS = 34


def draw(paint: Callable[[Figure], None], width: float = 8.0, height: float = 3.2) -> str:
    """Return the SVG that `paint` draws on an empty figure of that size in inches."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(width, height), layout="constrained")
        canvas = FigureCanvasSVG(figure)
        paint(figure)
        out = io.StringIO()
        write: Any = canvas.print_svg  # has no types
        write(out, metadata={"Date": None, "Creator": "archsim"})  # savefig would lay it out and draw it twice
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def literal(text: str) -> str:
    r"""Return text that a figure shows as it is: dollar signs are no mathematics; and cut where it is too long.

    >>> print(literal("a$b"), literal("a" * 40))
    a\$b aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...
    """
    return (text if len(text) <= _MOST_LETTERS else text[: _MOST_LETTERS - 3] + "...").replace("$", r"\$")


def _words(name: str) -> str:
    return name.replace("_", " ")


def _bars(axes: Axes, parts: Mapping[str, float], unit: str) -> None:
    """Draw one horizontal bar per component, the largest on top, each with its share."""
    names = [name for name, value in parts.items() if value]
    values = [parts[name] for name in names]
    total = sum(values)
    scale, label = _scale(max(values, default=0.0), unit)
    tones = [component_colour(name, i) for i, name in enumerate(names)]
    axes.barh(range(len(names)), [v / scale for v in values], color=tones)
    axes.set_yticks(range(len(names)), [_words(name) for name in names])
    axes.invert_yaxis()
    axes.set_xlabel(label)
    axes.grid(axis="x")
    axes.margins(x=0.14)
    for i, value in enumerate(values):
        share = f"{value / total:.1%}" if value / total >= 0.0005 else "< 0.1%"
        axes.annotate(f" {share}", (value / scale, i), va="center", fontsize=8)


def sustained(page: Page) -> str:
    """From the peak's interval to the sustained time per example, as a waterfall."""
    parts: Mapping[str, float] = page.data["time_per_example_parts_s"]
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


def energy(page: Page) -> str:
    """Energy of the run by component, stacked by phase."""
    order = list(page.data["energy_j"]["by_component"])
    phases = list(page.data["energy_j"]["by_phase"])
    table = {(component, phase): 0.0 for component in order for phase in phases}
    for item in page.details["bill"]:
        table[item["component"], item["phase"]] += item["energy_j"]
    total = page.data["energy_j"]["total"]
    scale, unit = _scale(max(page.data["energy_j"]["by_component"].values(), default=0.0), "J")
    shown = [name for name in order if page.data["energy_j"]["by_component"][name]]

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


def area(page: Page) -> str:
    """Area of the chip by component."""
    ranked = sorted(page.details["parts"], key=lambda part: (-part["area_m2"], part["component"]))
    parts = {part["component"]: part["area_m2"] for part in ranked if part["area_m2"]}

    def paint(figure: Figure) -> None:
        _bars(figure.subplots(), parts, "m2")

    return draw(paint, height=0.8 + 0.25 * len(parts))


def stalls(page: Page) -> str:
    """States of the used tiles as shares of all cycles, a bar per tile."""
    cycles = page.data["run"]["cycles"]
    shards = page.details["tiles"][:TOP]
    labels = [literal(f"{shard['layer']}{shard['shard']}, tile {shard['tile']}") for shard in shards]
    used = [state for state in STATES if any(tile["cycles"][state] for tile in page.details["tiles"])]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        left = [0.0] * len(shards)
        for state in used:
            widths = [shard["cycles"][state] / max(cycles, 1) for shard in shards]
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


def step(page: Page) -> str:
    """Timeline of one step: what each tile, and the links, do in its cycles; the critical path below."""
    shown = page.details["step"]
    clock_ns = 1e9 / page.clock_hz
    bars: dict[str, dict[int, list[list[int]]]] = {}
    for own in shown["spans"]:
        bars.setdefault(own["state"], {})[own["lane"]] = own["cycles"]
    lanes = len(shown["lanes"])

    def scaled(spans: list[list[int]]) -> list[tuple[float, float]]:
        return [(begin * clock_ns, (end - begin) * clock_ns) for begin, end in spans]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for state in STATES:
            for number, (row, spans) in enumerate(bars.get(state, {}).items()):
                axes.broken_barh(
                    scaled(spans), (row - 0.4, 0.8), color=colour(state), lw=0,
                    label=_words(state) if not number else None,
                )  # fmt: skip
        axes.broken_barh(scaled(shown["links_cycles"]), (lanes - 0.3, 0.6), color="#8e5ea2", alpha=0.5, lw=0)
        on_path: dict[str, list[tuple[float, float]]] = {}
        for part in shown["path"]:
            on_path.setdefault(part["what"], []).extend(scaled([part["cycles"]]))
        for i, (what, stretches) in enumerate(on_path.items()):
            unseen = what not in bars
            axes.broken_barh(
                stretches, (lanes + 0.6, 0.8), color=colour(what, i), lw=0, label=_words(what) if unseen else None
            )
        labels = [literal(lane["name"]) for lane in shown["lanes"]]
        axes.set_yticks([*range(lanes + 1), lanes + 1], [*labels, "links", "critical path"])
        axes.invert_yaxis()
        axes.set_xlim(0, shown["cycles"] * clock_ns)
        axes.set_xlabel(f"time since the end of example {shown['example']}, ns" if shown["example"] else "time, ns")
        axes.grid(axis="x")
        figure.legend(loc="outside right upper")

    return draw(paint, height=max(2.8, 1.1 + 0.28 * (lanes + 2)))


def dwell(page: Page) -> str:
    """Histogram of dwell times, and what a capacitor still holds after them."""
    clock_hz = page.clock_hz
    bins = page.data["dwell"]["histogram"]
    tau = next((tau for tau in page.details["leak_time_constants_s"] if tau), 0.0)

    def paint(figure: Figure) -> None:
        import numpy as np

        axes = figure.subplots()
        if not bins:
            axes.annotate("no update was read again", (0.5, 0.5), xycoords="axes fraction", ha="center")
            return
        longest = max(page.data["metrics"]["dwell_time_max_s"], 1 / clock_hz)  # read as soon as it was made: one cycle
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


def floorplan(page: Page) -> str:
    """The die to scale: tiles by layer, white space, links, the host port and other blocks."""
    plan = page.details["floorplan"]
    sites = [rect_from(site) for site in plan["sites"]]
    layers = [site["layer"] for site in plan["sites"]]

    def paint(figure: Figure) -> None:
        from matplotlib.collections import LineCollection, PatchCollection
        from matplotlib.patches import Patch, Rectangle

        axes = figure.subplots()
        mm = 1e3
        groups: dict[str, list[Any]] = {}
        for site, own in zip(sites, plan["sites"], strict=True):
            side = (own["used_m2"] / site.area_m2) ** 0.5
            rect = Rectangle(
                ((site.x_m + site.width_m * (1 - side) / 2) * mm, (site.y_m + site.height_m * (1 - side) / 2) * mm),
                site.width_m * side * mm, site.height_m * side * mm,
            )  # fmt: skip
            groups.setdefault(literal(own["layer"] or "unused"), []).append(rect)
        tones = {
            "unused": "#e6eaea",
            "host port": "#566573",
            "routing channel": "#efece4",
            "floorplan block": "#cfe3d4",
        }
        others = [(_words(block["kind"]), rect_from(block)) for block in plan["others"]]
        for name, around in (("host port", rect_from(plan["host"])), *others):
            corner = (around.x_m * mm, around.y_m * mm)
            groups.setdefault(name, []).append(Rectangle(corner, around.width_m * mm, around.height_m * mm))
        handles = []
        for place, (name, rects) in enumerate(groups.items()):
            tone = tones.get(name, CYCLE[place % len(CYCLE)])
            axes.add_collection(PatchCollection(rects, facecolor=tone, edgecolor="#ffffff", linewidth=0.5))
            handles.append(Patch(color=tone, label=f"{name} ({len(rects)})" if name != "host port" else name))
        if len(sites) <= NAMED_TILES:
            for i, (site, layer) in enumerate(zip(sites, layers, strict=True)):
                x, y = site.centre_m
                used, tone = ("", "#555555") if layer is None else (f"\n{literal(layer)}", "#ffffff")
                axes.annotate(f"{i}{used}", (x * mm, y * mm), ha="center", va="center", color=tone, fontsize=8)
            wires = [[(x * mm, y * mm) for x, y in line] for line in plan["routers_m"]]
            axes.add_collection(LineCollection(wires, colors="#8e5ea2", linewidths=1.4, alpha=0.8))
        axes.set_xlim(0, plan["width_m"] * mm)
        axes.set_ylim(plan["height_m"] * mm, 0)
        axes.set_aspect("equal")
        axes.set_xlabel("mm")
        axes.set_ylabel("mm")
        figure.legend(handles=handles, loc="outside right upper")

    ratio = plan["height_m"] / plan["width_m"]
    return draw(paint, height=min(8.0, max(2.6, 0.9 + 6.0 * ratio)))


ALL: dict[str, Callable[[Page], str]] = {
    "sustained": sustained,
    "step": step,
    "stalls": stalls,
    "energy": energy,
    "area": area,
    "floorplan": floorplan,
    "dwell": dwell,
}


def figures(page: Page) -> dict[str, str]:
    """Return all figures of a run, as SVG by name."""
    return {name: build(page) for name, build in ALL.items()}
