"""Figures of runs side by side: a stacked bar for each run on common axes, and the loads of links as curves."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from archsim.base.units import engineering
from archsim.mapping.schedule import STATES
from archsim.report.colours import COLOURS, CYCLE, component_colour
from archsim.report.drawing import draw, literal
from archsim.report.labels import scale_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Data: TypeAlias = Mapping[str, Any]
Bars: TypeAlias = list[tuple[str, Mapping[str, float]]]
"""By run: its name, and its parts."""

FIGURES = ("time", "energy", "area", "stalls", "links")
LEAST = 0.01
"""Parts below this share of the longest bar, in all runs, are drawn as one."""
REST = "all below 1 %"
PARTS = {
    "interval": ("peak: initiation interval", "forward"), "dependencies": ("dependencies", "convert"),
    "contention": ("contention", "waiting_link"), "maintenance": ("transfers, refresh", "transfer"),
}  # fmt: skip
"""By part of the time per example: what it is called, and whose colour it has."""


def figures(data: Data) -> dict[str, str]:
    """Return all figures of runs side by side, as SVG by name."""
    runs = data["runs"]
    names = [run["name"] for run in runs]

    def bars(pick: Callable[[Data], Mapping[str, float | None]]) -> Bars:
        return [
            (name, {key: value or 0.0 for key, value in pick(run).items()})
            for name, run in zip(names, runs, strict=True)
        ]

    return {
        "time": _stacked(
            bars(lambda run: run["time_per_example_parts_s"]), "time per example", "s",
            lambda part, _: COLOURS[PARTS[part][1]], lambda part: PARTS[part][0], least=0.0,
        ),
        "energy": _stacked(bars(lambda run: run["energy_per_example_j"]["component"]), "energy per example", "J"),
        "area": _stacked(bars(lambda run: run["area_m2"]), "area", "m2"),
        "stalls": _stacked(
            bars(lambda run: run["stalls_shares"]), "share of the cycles of used tiles", "%",
            lambda state, _: COLOURS[state], least=0.0, order=STATES,
        ),
        "links": _links([(run["name"], [link["utilisation"] or 0.0 for link in run["links"]]) for run in runs]),
    }  # fmt: skip


def _words(name: str) -> str:
    return name.replace("_", " ")


def _short(name: str) -> str:
    """Return a run's name in lines that fit beside an axis."""
    return "\n".join(map(literal, textwrap.wrap(name, 26, max_lines=3, placeholder=" ...")))


def _stacked(
    bars: Bars,
    what: str,
    unit: str,
    colours: Callable[[str, int], str] = component_colour,
    words: Callable[[str], str] = _words,
    least: float = LEAST,
    order: Sequence[str] = (),
) -> str:
    """Return a figure with a bar per run, stacked of parts in one order and with one colour each; below 0 to the left.

    Without an `order` the parts that are largest in any run come first.
    """
    longest = max((sum(parts.values()) for _, parts in bars), default=0.0)
    most = {part: max(parts.get(part, 0.0) for _, parts in bars) for _, parts in bars for part in parts}
    least_of = {part: min(parts.get(part, 0.0) for _, parts in bars) for part in most}
    kept = [part for part in most if most[part] > least * longest or least_of[part] < -least * longest]
    kept = [part for part in order if part in kept] if order else kept
    if least:
        kept.sort(key=lambda part: (-most[part], part))
    scale, label = (0.01, "%") if unit == "%" else scale_of(longest, unit)
    rest = [sum(value for part, value in parts.items() if part not in kept) for _, parts in bars]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        above, below = [0.0] * len(bars), [0.0] * len(bars)
        drawn = [(words(part), colours(part, i), [parts.get(part, 0.0) for _, parts in bars])
                 for i, part in enumerate(kept)]  # fmt: skip
        drawn += [(REST, "#c8cdd0", rest)] if any(rest) else []
        for text, tone, values in drawn:
            lefts = [a if value >= 0 else b for a, b, value in zip(above, below, values, strict=True)]
            axes.barh(range(len(bars)), [value / scale for value in values], left=[left / scale for left in lefts],
                      color=tone, label=text, height=0.62, edgecolor="white", linewidth=0.4)  # fmt: skip
            above = [a + max(value, 0.0) for a, value in zip(above, values, strict=True)]
            below = [b + min(value, 0.0) for b, value in zip(below, values, strict=True)]
        if unit != "%":
            for i, (_, parts) in enumerate(bars):
                total = sum(parts.values())
                axes.annotate(f" {engineering(total, unit)}", (above[i] / scale, i), va="center", fontsize=8)
            axes.margins(x=0.14)
        else:
            axes.set_xlim(0, 100)
        if any(below):
            axes.axvline(0, color="#444444", lw=0.8)
        axes.set_yticks(range(len(bars)), [_short(name) for name, _ in bars])
        axes.invert_yaxis()
        axes.set_xlabel(f"{what}, {label}")
        axes.grid(axis="x")
        figure.legend(loc="outside right upper", fontsize=8)

    return draw(paint, height=max(0.9 + 0.55 * len(bars), 0.6 + 0.19 * len(kept) + 0.2))


def _ranks(count: int, most: int = 200) -> list[int]:
    """Return the places of links that are drawn: all of a few, of many some at even distances on a logarithmic axis.

    >>> _ranks(3), _ranks(1000, 4)
    ([1, 2, 3], [1, 10, 100, 1000])
    """
    if count <= most:
        return list(range(1, count + 1))
    return sorted({round(count ** (i / (most - 1))) for i in range(most)})


def _links(runs: Sequence[tuple[str, Sequence[float]]]) -> str:
    """Return a figure of how busy links are, the busiest first: a curve for each run."""

    def paint(figure: Figure) -> None:
        from matplotlib.ticker import MaxNLocator

        axes = figure.subplots()
        for i, (name, loads) in enumerate(runs):
            ranked = sorted(loads, reverse=True)
            style = ("-", "--", "-.", ":")[i // len(CYCLE) % 4]
            ranks = _ranks(len(ranked))
            axes.plot(ranks, [100 * ranked[rank - 1] for rank in ranks], color=CYCLE[i % len(CYCLE)],
                      marker="osD^v<>PX"[i % 9], ms=3.5, lw=1.2, ls=style, label=_short(name))  # fmt: skip
        if max((len(loads) for _, loads in runs), default=0) > 60:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylim(bottom=0)
        axes.set_xlabel("link, the busiest first")
        axes.set_ylabel("share of all cycles held, %")
        axes.grid()
        figure.legend(loc="outside right upper", fontsize=8)

    return draw(paint, height=3.0)
