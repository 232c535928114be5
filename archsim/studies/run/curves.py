"""The timeline and the curves of the page, as plain values that a template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.report.colours import COLOURS, colour
from archsim.studies.run.charts import percent, ticks_to, words
from archsim.studies.run.page import Page
from archsim.studies.run.plan_view import Box
from archsim.studies.train.measures import measure

MOST_LANES, FINEST = 24, 1500
"""A timeline has so many tiles; stretches of one state that are closer than this part of the step are joined."""
MOST_BINS = 80
"""So many bins of a histogram can be told apart."""


@dataclass(frozen=True)
class Span:
    """A stretch of a lane, in cycles from the step's beginning, its colour and tooltip."""

    lane: int
    begin: int
    length: int
    tone: str
    tip: str


@dataclass(frozen=True)
class Timeline:
    """A step: lanes by name, and what is in them; times in nanoseconds are cycles times `cycle_ns`."""

    lanes: tuple[str, ...]
    spans: tuple[Span, ...]
    cycles: int
    cycle_ns: float
    ticks: tuple[tuple[float, str], ...]
    legend: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]


def timeline(page: Page) -> Timeline:
    """Return what the first tiles and the links do in one step, and its critical path on top."""
    step = page.details["step"]
    cycle_ns = 1e9 / page.clock_hz
    lanes = [lane["name"] for lane in step["lanes"][:MOST_LANES]]
    gap = max(1, step["cycles"] // FINEST) if step["cycles"] > FINEST else 0

    def when(begin: int, end: int) -> str:
        return f"{begin * cycle_ns:,.4g} to {end * cycle_ns:,.4g} ns ({counted(end - begin, 'cycle')})"

    def stretches(row: int, what: str, name: str, cycles: Sequence[Sequence[int]], tone: str) -> list[Span]:
        return [
            Span(row, begin, end - begin, tone, f"{name}: {what}, {when(begin, end)}")
            for begin, end in _joined(cycles, gap)
        ]

    spans = []
    for place, part in enumerate(step["path"]):
        begin, end = part["cycles"]
        tip = f"critical path: {words(part['what'])}, {when(begin, end)}, by {part['op']} number {part['instance']:,}"
        spans.append(Span(0, begin, end - begin, colour(part["what"], place), tip))
    for own in step["spans"]:
        if own["lane"] < len(lanes):
            name = lanes[own["lane"]]
            spans += stretches(own["lane"] + 1, words(own["state"]), name, own["cycles"], colour(own["state"]))
    spans += stretches(len(lanes) + 1, "sending", "links", step["links_cycles"], COLOURS["send"])
    seen = dict.fromkeys([part["what"] for part in step["path"]] + [own["state"] for own in step["spans"]])
    notes = (
        [f"The first {len(lanes)} of {counted(len(step['lanes']), 'tile')}."] if len(step["lanes"]) > len(lanes) else []
    )
    total_ns = step["cycles"] * cycle_ns
    return Timeline(
        ("critical path", *lanes, "links"), tuple(spans), max(step["cycles"], 1), cycle_ns,
        ticks_to(total_ns, "{:,.4g} ns".format), tuple((words(what), colour(what)) for what in seen), tuple(notes),
    )  # fmt: skip


def _joined(spans: Sequence[Sequence[int]], gap: int) -> list[tuple[int, int]]:
    """Return spans in order, those that are at most `gap` apart as one.

    >>> _joined([(0, 2), (3, 5), (9, 10)], 1)
    [(0, 5), (9, 10)]
    """
    found: list[tuple[int, int]] = []
    for begin, end in spans:
        if found and begin - found[-1][1] <= gap:
            found[-1] = (found[-1][0], end)
        else:
            found.append((begin, end))
    return found


# ---- curves


@dataclass(frozen=True)
class Curve:
    """A line through (x, y) points in percent of the plot, y downwards; `tip` is its tooltip."""

    points: str
    tone: str
    tip: str
    dashed: bool = False


@dataclass(frozen=True)
class Plot:
    """Boxes, curves and dots (boxes without a size) over two axes, in percent of the plot; y downwards."""

    name: str
    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    legend: tuple[tuple[str, str], ...]
    dots: tuple[Box, ...] = ()


_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def dwell(page: Page) -> Plot | None:
    """Return the histogram of dwell times, and what a capacitor still holds after them; None if there were none."""
    bins, longest_s = page.data["dwell"]["histogram"], page.metrics["dwell_time_max_s"]
    if not bins or not longest_s:
        return None
    total = sum(own["cell_updates"] for own in bins)
    found = _bins(bins, page.clock_hz, longest_s)
    most = max(count / (end - begin) for begin, end, count in found)
    boxes = tuple(
        Box(
            round(100 * begin / longest_s, 3), round(100 - 100 * count / (end - begin) / most, 2),
            round(100 * (end - begin) / longest_s, 3), round(100 * count / (end - begin) / most, 2), COLOURS["update"],
            f"{engineering(begin, 's')} to {engineering(end, 's')}: "
            f"{counted(count, 'update')}, {percent(count / total)}",
        )
        for begin, end, count in found
    )  # fmt: skip
    tau_s = next((tau for tau in page.details["leak_time_constants_s"] if tau), 0.0)
    curves: tuple[Curve, ...] = ()
    legend = [("updates by dwell time, as a density", COLOURS["update"])]
    if tau_s:
        points = " ".join(f"{i},{100 - 100 * math.exp(-longest_s * i / 100 / tau_s):.2f}" for i in range(101))
        tau = engineering(tau_s, "s")
        curves = (Curve(points, COLOURS["transfer"], f"left of an update; leak time constant {tau}"),)
        legend.append((f"left of an update, 0 at the bottom, 100 % at the top; tau {tau}", COLOURS["transfer"]))
    scale, unit = next((own for own in _TIMES if longest_s >= own[0]), _TIMES[-1])
    y_ticks = tuple((100.0 - at, text) for at, text in ticks_to(100 * most / total * scale, "{:.3g}".format, 3))
    return Plot(
        "dwell", "Dwell times", "dwell time on the capacitor", f"updates, % per {unit}",
        ticks_to(longest_s / scale, lambda value: f"{value:g} {unit}"), y_ticks, boxes, curves, tuple(legend),
    )  # fmt: skip


def _bins(bins: Sequence[Mapping[str, int]], clock_hz: float, longest_s: float) -> list[tuple[float, float, int]]:
    """Return (from, to, updates) in seconds; bins too narrow to be seen are taken together with those after them."""
    least_s = longest_s / MOST_BINS
    found: list[tuple[float, float, int]] = []
    for own in bins:
        begin, end = own["from_cycles"] / clock_hz, min(own["to_cycles"] / clock_hz, longest_s)
        if found and (found[-1][1] - found[-1][0] < least_s or end - found[-1][0] <= least_s):
            found[-1] = (found[-1][0], end, found[-1][2] + own["cell_updates"])
        else:
            found.append((begin, max(end, begin + 1 / clock_hz), own["cell_updates"]))
    if len(found) > 1 and found[-1][1] - found[-1][0] < least_s:
        (begin, _, before), (_, end, count) = found[-2:]
        found[-2:] = [(begin, end, before + count)]
    return found


def accuracy(history: Mapping[str, Any]) -> Plot | None:
    """Return accuracy (or R2) on the test set by epoch, on the chip and in floating point; None before the first."""
    what = measure(history)
    scale = 100 if what.unit else 1
    runs = {
        name: [[(epoch, value) for epoch, value in enumerate(run, 1) if value is not None] for run in own]
        for name in ("float", "chip")
        for own in [history[what.key_of(name)]]
    }
    values = [value for own in runs.values() for run in own for _, value in run]
    if not values:
        return None
    epochs = max(epoch for own in runs.values() for run in own for epoch, _ in run)
    least, most = scale * min(values), scale * max(values)
    steps = [part * scale / 100 for part in (0.5, 1, 2, 5, 10, 20)]
    steps += [scale * 10.0**power for power in range(9) if not what.unit]  # R2 has no least value
    step = next((step for step in steps if step * 4 >= most - least), steps[-1])
    low, high = math.floor(least / step) * step / scale, math.ceil(most / step) * step / scale
    low = low if low < high else low - step / scale
    tones = {"float": (COLOURS["load"], "floating point"), "chip": (COLOURS["forward"], "on the chip")}
    unit = " %" if what.unit else ""

    def place(epoch: int, value: float) -> tuple[float, float]:
        x = 50.0 if epochs == 1 else 100 * (epoch - 1) / (epochs - 1)
        return round(x, 2), round(100 * (high - value) / (high - low), 2)

    def shown(value: float) -> str:
        return f"{scale * value:.{2 if what.unit else 4}f}{unit}"

    curves, dots = [], []
    for name, own in runs.items():
        tone, label = tones[name]
        for seed, run in zip(history["seeds"], own, strict=False):
            points = [place(epoch, value) for epoch, value in run]
            tip = f"{label}, seed {seed}: {shown(run[-1][1])} after epoch {run[-1][0]}" if run else ""
            curves.append(Curve(" ".join(f"{x},{y}" for x, y in points), tone, tip, name == "float"))
            if epochs <= 30:
                dots += [
                    Box(x, y, 0.0, 0.0, tone, f"{label}, seed {seed}, epoch {epoch}: {shown(value)}")
                    for (epoch, value), (x, y) in zip(run, points, strict=True)
                ]
    marks = sorted({1, epochs, *(round(1 + (epochs - 1) * i / 4) for i in range(1, 4))})
    count = round(scale * (high - low) / step)
    y_ticks = tuple((100.0 * i / count, f"{scale * high - step * i:g}{unit}") for i in range(count + 1))
    return Plot(
        "accuracy", f"{what.title} on the test set", "epoch", f"{what.name} on the test set",
        tuple((place(epoch, low)[0], f"{epoch}") for epoch in marks), y_ticks, (), tuple(curves),
        tuple((label, tone) for tone, label in tones.values()), tuple(dots),
    )  # fmt: skip
