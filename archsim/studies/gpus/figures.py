"""Figures of a chip against GPUs: time and energy per example by batch size, efficiency and density as bars."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.report.colours import CYCLE
from archsim.report.figure import draw, literal
from archsim.studies.gpus.tables import ends, modelled, says, times

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data: TypeAlias = Mapping[str, Any]
CHIP = "#222222"
_MARKS = ("o", "s", "^", "D", "v", "P")


def tones(data: Data) -> dict[str, tuple[str, str]]:
    """Return a colour and a mark for each GPU by name: the same in all comparisons, after those that are not known."""
    from archsim.baselines.gpus import baselines

    known = list(baselines().gpus)
    order = [*known, *(gpu["name"] for gpu in data["gpus"] if gpu["name"] not in known)]
    styles = zip(itertools.cycle(CYCLE), itertools.cycle(_MARKS), strict=False)
    return dict(zip(order, styles, strict=False))


def by_batch(data: Data, key: str, label: str, scale: float) -> str:
    """Draw a figure per example against batch size, GPUs as lines, the chip as level lines; both axes logarithmic."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for gpu in data["gpus"]:
            tone, mark = tones(data)[gpu["name"]]
            rows = [row for row in gpu["modelled"] if row["precision"] == gpu["fastest"]]
            axes.plot([row["batch"] for row in rows], [row[key] / scale for row in rows], color=tone, lw=1.3,
                      marker=mark, ms=3, label=literal(f"{gpu['name']}, {says(gpu['fastest'])}, modelled"))  # fmt: skip
        for each in data["measured"]:
            tone, mark = tones(data).get(each["baseline"], ("#7f8c8d", "X"))
            series = _series(each, key)
            if series:
                name = literal(str(each["baseline"] or each["gpu"]))
                axes.plot(*zip(*((batch, value / scale) for batch, value in series), strict=True), color=tone, ls="",
                          marker=mark, ms=6, mfc="none", label=f"{name}, measured, best precision")  # fmt: skip
        for name, style in (("sustained", "-"), ("peak", "--")):
            value = data["chip"][name][key]
            if value:
                axes.axhline(value / scale, color=CHIP, ls=style, lw=1.4, label=f"chip, {name}")
        _logarithmic(axes, [row["batch"] for gpu in data["gpus"] for row in gpu["modelled"]])
        axes.set_ylabel(label)
        axes.grid()
        figure.legend(loc="outside right upper", fontsize=7.5)

    return draw(paint, height=3.6)


def _series(each: Data, key: str) -> list[tuple[int, float]]:
    """Return (batch, value): of all precisions and ways, the one that is best at each batch."""
    best: dict[int, float] = {}
    for row in each["rows"]:
        if row[key] is not None:
            best[row["batch"]] = min(row[key], best.get(row["batch"], row[key]))
    return sorted(best.items())


def _logarithmic(axes: Axes, batches: list[int]) -> None:
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    shown = sorted(set(batches))
    axes.xaxis.set_major_locator(FixedLocator(shown[:: max(1, -(-len(shown) // 7))]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_locator(LogLocator(numticks=12))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
    axes.set_xlabel("batch size of the GPU")


def bars(data: Data, key: str, label: str, scale: float) -> str:
    """Draw one figure of chip and GPUs as bars: peaks, and what is sustained; the chip's lead over each beside."""
    chip = data["chip"]
    lines: list[tuple[str, float, str, str]] = [
        ("chip, peak", chip["peak"][key], CHIP, ""),
        ("chip, sustained", chip["sustained"][key] or 0.0, "#7d7d7d", ""),
    ]
    for gpu in data["gpus"]:
        tone, _ = tones(data)[gpu["name"]]
        peak = next(row for row in gpu["peaks"] if row["precision"] == gpu["fastest"])
        lead = f"chip's peak {times(peak['ratio']['peak'][key])}"
        lines.append((f"{gpu['name']} {says(gpu['fastest'])}, data sheet", peak[key], tone, lead))
        rows = [row for row in gpu["modelled"] if row["precision"] == gpu["fastest"]]
        for place in ends(rows):
            row = rows[place]
            lead = f"sustained chip {times(row['ratio']['sustained'][key])}"
            lines.append((f"batch {row['batch']:,}, modelled", row[key], tone, lead))

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import FuncFormatter, NullLocator

        axes = figure.subplots()
        for place, (name, value, tone, lead) in enumerate(lines):
            whole = "modelled" not in name
            axes.barh(place, value / scale, color=tone, alpha=1.0 if whole else 0.45, height=0.72)
            axes.annotate(f" {lead}", (value / scale, place), va="center", fontsize=7.5)
        axes.set_yticks(range(len(lines)), [literal(name) for name, *_ in lines], fontsize=8)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.12g}"))
        axes.set_xlabel(label)
        axes.grid(axis="x")
        low, high = axes.get_xlim()
        axes.set_xlim(low, high * (high / low) ** 0.22)

    return draw(paint, height=1.0 + 0.24 * len(lines))


ALL: Mapping[str, Callable[[Data], str]] = {
    "gpus_time": lambda data: by_batch(data, "time_per_example_s", "time per example, us", 1e-6),
    "gpus_energy": lambda data: by_batch(data, "energy_per_example_j", "energy per example, uJ", 1e-6),
    "gpus_efficiency": lambda data: bars(data, "efficiency_op_per_j", "efficiency, GOP/s/W", 1e9),
    "gpus_density": lambda data: bars(data, "throughput_per_area_op_per_s_m2", "throughput per area, GOP/s/mm2", 1e15),
}
OF_PEAKS = ("gpus_efficiency", "gpus_density")


def figures(data: Data, names: Collection[str] = ALL) -> dict[str, str]:
    """Return the figures of a comparison with GPUs of these names, as SVG by name; by batch, where it is modelled."""
    shown = [name for name in ALL if name in names and (name in OF_PEAKS or modelled(data))]
    return {name: ALL[name](data) for name in shown}
