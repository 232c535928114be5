"""The timeline and the curves of the page, as plain values that a template draws as SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.report.charts import percent, ticks_to, words
from archsim.report.colours import COLOURS, colour
from archsim.report.page import Page
from archsim.report.plan_view import Box
from archsim.units import engineering

MOST_LANES, FINEST = 24, 1500
"""A timeline has so many tiles; stretches of one state that are closer than this part of the step are joined."""


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
        return f"{begin * cycle_ns:,.4g} to {end * cycle_ns:,.4g} ns ({end - begin:,} cycles)"

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
    notes = [f"The first {len(lanes)} of {len(step['lanes'])} tiles."] if len(step["lanes"]) > len(lanes) else []
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
    """Boxes and curves over two axes, in percent of the plot; y downwards."""

    name: str
    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    boxes: tuple[Box, ...]
    curves: tuple[Curve, ...]
    legend: tuple[tuple[str, str], ...]


_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def dwell(page: Page) -> Plot | None:
    """Return the histogram of dwell times, and what a capacitor still holds after them; None if there were none."""
    bins, longest_s = page.data["dwell"]["histogram"], page.metrics["dwell_time_max_s"]
    if not bins or not longest_s:
        return None
    total = sum(own["cell_updates"] for own in bins)
    ends = [(own["from_cycles"] / page.clock_hz, min(own["to_cycles"] / page.clock_hz, longest_s)) for own in bins]
    widths = [max(end - begin, 1 / page.clock_hz) for begin, end in ends]
    heights = [own["cell_updates"] / total / width for own, width in zip(bins, widths, strict=True)]
    most = max(heights)
    boxes = tuple(
        Box(
            round(100 * begin / longest_s, 3), round(100 - 100 * height / most, 2), round(100 * width / longest_s, 3),
            round(100 * height / most, 2), COLOURS["update"],
            f"{engineering(begin, 's')} to {engineering(end, 's')}: {own['cell_updates']:,} updates, "
            f"{percent(own['cell_updates'] / total)}",
        )
        for own, (begin, end), width, height in zip(bins, ends, widths, heights, strict=True)
    )  # fmt: skip
    tau_s = next((tau for tau in page.details["leak_time_constants_s"] if tau), 0.0)
    curves: tuple[Curve, ...] = ()
    legend = [("updates by dwell time, as a density", COLOURS["update"])]
    if tau_s:
        points = " ".join(f"{i},{100 - 100 * math.exp(-longest_s * i / 100 / tau_s):.2f}" for i in range(101))
        curves = (Curve(points, COLOURS["transfer"], f"left of an update; leak time constant {engineering(tau_s, 's')}"),)
        legend.append((f"left of an update (right axis: 0 to 100 %; tau {engineering(tau_s, 's')})", COLOURS["transfer"]))
    scale, unit = next((own for own in _TIMES if longest_s >= own[0]), _TIMES[-1])
    y_ticks = tuple((100.0 - at, text) for at, text in ticks_to(100 * most * scale, "{:.3g}".format, 3))
    return Plot(
        "dwell", "Dwell times", "dwell time on the capacitor", f"updates, % per {unit}",
        ticks_to(longest_s / scale, lambda value: f"{value:g} {unit}"), y_ticks, boxes, curves, tuple(legend),
    )  # fmt: skip


def accuracy(history: Mapping[str, Any]) -> Plot | None:
    """Return accuracy on the test set by epoch, on the chip and in floating point; None before the first epoch."""
    runs = {name: history[f"accuracy_{name}"] for name in ("float", "chip")}
    values = [value for own in runs.values() for run in own for value in run]
    if not values:
        return None
    epochs = max(len(run) for own in runs.values() for run in own)
    low = max(0.0, min(values) - 0.1 * (max(values) - min(values) or 0.1))
    high = min(1.0, max(values) + 0.1 * (max(values) - low))
    tones = {"float": (COLOURS["load"], "floating point"), "chip": (COLOURS["forward"], "on the chip")}

    def place(epoch: int, value: float) -> tuple[float, float]:
        x = 50.0 if epochs == 1 else 100 * (epoch - 1) / (epochs - 1)
        return round(x, 2), round(100 * (high - value) / (high - low), 2)

    curves, dots = [], []
    for name, own in runs.items():
        tone, what = tones[name]
        for seed, run in zip(history["seeds"], own, strict=False):
            points = [place(epoch, value) for epoch, value in enumerate(run, 1)]
            last = f"{100 * run[-1]:.2f} % after epoch {len(run)}" if run else ""
            curves.append(Curve(" ".join(f"{x},{y}" for x, y in points), tone, f"{what}, seed {seed}: {last}", name == "float"))
            if epochs <= 30:
                dots += [
                    Box(x, y, 0.0, 0.0, tone, f"{what}, seed {seed}, epoch {epoch}: {100 * value:.2f} %")
                    for epoch, (value, (x, y)) in enumerate(zip(run, points, strict=True), 1)
                ]
    marks = sorted({1, epochs, *(round(1 + (epochs - 1) * i / 4) for i in range(1, 4))})
    y_ticks = tuple((100.0 * i / 4, f"{100 * (high - (high - low) * i / 4):.1f} %") for i in range(5))
    return Plot(
        "accuracy", "Accuracy on the test set", "epoch", "accuracy on the test set",
        tuple((place(epoch, low)[0], f"{epoch}") for epoch in marks), y_ticks, tuple(dots), tuple(curves),
        tuple((what, tone) for tone, what in tones.values()),
    )  # fmt: skip
