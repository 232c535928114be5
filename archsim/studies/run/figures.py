"""The figures of a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias, TypeVar

from archsim.base.units import engineering, percent
from archsim.base.words import counted
from archsim.mapping.schedule import STATES
from archsim.report.bars import MOST_BARS, WHOLE, first, from_zero, shares, stacked
from archsim.report.colours import COLOURS, colour
from archsim.report.figure import Axis, Bar, Bars, Box, Dot, Lanes, Piece, Plan, Plot, Series, Stretch
from archsim.report.floorplan import Load, floorplan
from archsim.report.table import words
from archsim.studies.run.page import Bin, Page, PathPart

Drawn: TypeAlias = Bars | Lanes | Plan | Plot
BY_SECTION: dict[str, list[Callable[[Page], Drawn | None]]] = {}
"""The figures of each section of the report, in their order."""
D = TypeVar("D", bound=Drawn | None)


def shown_in(section: str) -> Callable[[Callable[[Page], D]], Callable[[Page], D]]:
    """Return a decorator: a figure of the run stands in the section of that name, after those defined above it."""

    def register(draw: Callable[[Page], D]) -> Callable[[Page], D]:
        BY_SECTION.setdefault(section, []).append(draw)
        return draw

    return register


def of(section: str, page: Page) -> list[Drawn]:
    """Return the figures of a section; what a run has no data for is left out."""
    return [drawn for draw in BY_SECTION[section] if (drawn := draw(page)) is not None]


MOST_LANES, FINEST = 24, 1500
"""A timeline has so many tiles; stretches of one state that are closer than this part of the step are joined."""
MOST_BINS = 80
"""So many bins of a histogram can be told apart."""


@shown_in("peak")
def waterfall(page: Page) -> Bars:
    """From the peak's interval to the sustained time per example; a part that saves time goes back."""
    labels = {
        "interval": ("peak", "forward"), "dependencies": ("dependencies", "convert"),
        "contention": ("contention", "waiting_link"), "maintenance": ("transfers, refresh", "transfer"),
    }  # fmt: skip
    parts = {name: value or 0.0 for name, value in page.data.time_per_example_parts_s}
    end, most, bars = 0.0, 0.0, []
    for name, value in parts.items():
        label, tone = labels[name]
        text = ("+" if value > 0 and name != "interval" else "") + engineering(value, "s")
        piece = Piece(min(end, end + value), abs(value), COLOURS[tone], f"{label}: {text}")
        bars.append(Bar(label, text, (piece,) if value else ()))
        end += value
        most = max(most, end)
    total = engineering(end, "s")
    bars.append(Bar("sustained", total, (Piece(0.0, end, WHOLE, f"sustained: {total}"),)))
    says = "Time per example: each bar begins where the one above it ends."
    return Bars("sustained", "From peak to sustained", says, tuple(bars), from_zero(most, "s"))


@shown_in("energy")
def energy(page: Page) -> Bars:
    """Energy of the run by component, in pieces by phase."""
    totals: Mapping[str, float] = page.data.energy_j.by_component
    phases = list(page.data.energy_j.by_phase)
    found = {(component, phase): 0.0 for component in totals for phase in phases}
    for item in page.details.bill:
        key = (item.component, item.phase)
        found[key] = found.get(key, 0.0) + item.energy_j
    most, total = max(totals.values(), default=0.0), page.data.energy_j.total or 1.0

    def text(value: float) -> str:
        return f"{engineering(value, 'J')}, {percent(value / total)}"

    bars = [
        stacked(words(name), text(own), [
            (words(phase), found[name, phase], colour(phase, i), f"{text(found[name, phase])} of all")
            for i, phase in enumerate(phases)
        ])
        for name, own in totals.items() if own
    ]  # fmt: skip
    shown = tuple((words(phase), colour(phase, i)) for i, phase in enumerate(phases)
                  if page.data.energy_j.by_phase[phase])  # fmt: skip
    says = "Energy of the run by component; colours are phases."
    return Bars("energy", "Energy by component and phase", says, tuple(bars), from_zero(most, "J"), shown)


@shown_in("energy")
def energy_phase(page: Page) -> Bars:
    """Energy of the run by phase."""
    parts = page.data.energy_j.by_phase
    return shares("energy_phase", "Energy by phase", "Energy of the run by phase.", parts, "J", colour)


@shown_in("energy")
def energy_layer(page: Page) -> Bars:
    """Energy of the run by layer."""
    says = "Energy of the run by layer; what belongs to no layer (leakage, the host port) is the chip's."
    parts = first(page.data.energy_j.by_layer)
    return shares("energy_layer", "Energy by layer", says, parts, "J", lambda *_: WHOLE)


def load_of(page: Page) -> Load:
    """Return what the run did to the die: mean power by tile, and the load of links."""
    time_s = page.metrics.time_total_s
    power_w = {name: energy / time_s for name, energy in page.data.energy_j.by_tile.items()} if time_s else {}
    return Load(power_w, {link.name: link for link in page.details.links})


@shown_in("area")
def plan(page: Page) -> Plan:
    """The floorplan with power density and load of links."""
    layers = {f"tile{i}": site.layer for i, site in enumerate(page.details.floorplan.sites)}
    return floorplan(page.details.floorplan.layout, load_of(page), layers=layers)


@shown_in("area")
def area(page: Page) -> Bars:
    """Area of the chip by component."""
    ranked = sorted(page.details.parts, key=lambda part: (-part.area_m2, part.component))
    parts = {part.component: part.area_m2 for part in ranked}
    return shares("area", "Area by component", "Area of the whole die by component.", parts, "m2", colour)


@shown_in("tiles")
def stalls(page: Page) -> Bars:
    """States of the used tiles as shares of all cycles."""
    total = max(page.data.run.cycles, 1)
    tiles = page.details.tiles
    bars = []
    for tile in tiles[:MOST_BARS]:
        pieces = [
            (words(state), share, colour(state), f"{percent(share)} of all cycles")
            for state, share in ((state, tile.cycles[state] / total) for state in STATES)
        ]
        bars.append(stacked(f"{tile.layer}{tile.shard}, tile {tile.tile}", "", pieces))
    used = tuple((words(state), colour(state)) for state in STATES if page.data.stalls_cycles[state])
    says = "States of the used tiles, in percent of all cycles."
    if len(tiles) > MOST_BARS:
        says += f" These are the first {MOST_BARS} of {len(tiles):,}; tables/tiles.csv has all."
    ends = Axis("", 0.0, 1.0, tuple((at / 100, f"{at} %") for at in (0, 25, 50, 75, 100)))
    return Bars("stalls", "Where the tiles' cycles go", says, tuple(bars), ends, used)


@shown_in("step")
def timeline(page: Page) -> Lanes:
    """What the first tiles and the links do in one step, and its critical path on top."""
    step = page.details.step
    cycle_ns = 1e9 / page.clock_hz
    lanes = [lane.name for lane in step.lanes[:MOST_LANES]]
    gap = max(1, step.cycles // FINEST) if step.cycles > FINEST else 0

    def when(begin: int, end: int) -> str:
        return f"{begin * cycle_ns:,.4g} to {end * cycle_ns:,.4g} ns ({counted(end - begin, 'cycle')})"

    def stretches(row: int, what: str, name: str, cycles: Sequence[Sequence[int]], tone: str) -> list[Stretch]:
        return [
            Stretch(row, begin, end - begin, tone, f"{name}: {what}, {when(begin, end)}")
            for begin, end in _joined(cycles, gap)
        ]

    spans = []
    for place, (part, begin, end, together) in enumerate(_coarse(step.path, gap)):
        by = f"by {part.op} number {part.instance:,}"
        tip = f"critical path: {words(part.what)}, {when(begin, end)}, "
        tip += f"{counted(together, 'part')}, the longest {by}" if together > 1 else by
        spans.append(Stretch(0, begin, end - begin, colour(part.what, place), tip))
    for own in step.spans:
        if own.lane < len(lanes):
            name = lanes[own.lane]
            spans += stretches(own.lane + 1, words(own.state), name, own.cycles, colour(own.state))
    spans += stretches(len(lanes) + 1, "sending", "links", step.links_cycles, COLOURS["send"])
    seen = dict.fromkeys([part.what for part in step.path] + [own.state for own in step.spans])
    says = "Time from the end of the step before, in nanoseconds."
    if len(step.lanes) > len(lanes):
        says += f" The first {len(lanes)} of {counted(len(step.lanes), 'tile')}."
    cycles = max(step.cycles, 1)
    ends = from_zero(cycles * cycle_ns)
    ticks = tuple((value, f"{value:,.4g} ns") for value, _ in ends.ticks)
    return Lanes(
        "step", "Timeline of one step", says, ("critical path", *lanes, "links"), tuple(spans), cycles, cycle_ns,
        Axis("", 0.0, ends.high, ticks), tuple((words(what), colour(what)) for what in seen),
    )  # fmt: skip


def _coarse(path: Sequence[PathPart], gap: int) -> Iterator[tuple[PathPart, int, int, int]]:
    """Yield the parts of a path with begin and end; of a longer one than can be drawn, neighbours up to `gap` as one.

    Several have the name of the longest of them, and come with how many they are.
    """
    if len(path) <= FINEST:
        yield from ((part, *part.cycles, 1) for part in path)
        return
    group: list[PathPart] = []
    for part in path:
        if group and part.cycles[1] - group[0].cycles[0] > gap:
            yield _longest(group)
            group = []
        group.append(part)
    yield _longest(group)


def _longest(group: Sequence[PathPart]) -> tuple[PathPart, int, int, int]:
    longest = max(group, key=lambda part: part.cycles[1] - part.cycles[0])
    return longest, group[0].cycles[0], group[-1].cycles[1], len(group)


@shown_in("step")
def critical_path(page: Page) -> Bars:
    """What one step is spent on, along its critical path."""
    cycles: Mapping[str, int] = page.details.step.shares_cycles
    parts = {name: count / page.clock_hz for name, count in cycles.items()}
    says = "One step along its critical path: each cycle is counted once."
    return shares("path", "Where one step goes", says, parts, "s", colour)


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


@shown_in("dwell")
def dwell(page: Page) -> Plot | None:
    """Return the histogram of dwell times, and what a capacitor still holds after them; None if there were none."""
    bins, longest_s = page.data.dwell.histogram, page.metrics.dwell_time_max_s
    if not bins or not longest_s:
        return None
    total = sum(own.cell_updates for own in bins)
    found = _bins(bins, page.clock_hz, longest_s)
    scale, unit = next((own for own in _TIMES if longest_s >= own[0]), _TIMES[-1])
    heights = [100 * count / total * scale / (end - begin) for begin, end, count in found]
    boxes = tuple(
        Box(
            begin, 0.0, end - begin, height, COLOURS["update"],
            f"{engineering(begin, 's')} to {engineering(end, 's')}: "
            f"{counted(count, 'update')}, {percent(count / total)}",
        )
        for (begin, end, count), height in zip(found, heights, strict=True)
    )  # fmt: skip
    most = max(heights)
    tau_s = next((tau for tau in page.details.leak_time_constants_s if tau), 0.0)
    series: tuple[Series, ...] = ()
    if tau_s:
        tip = f"left of an update, 0 at the bottom, 100 % at the top; tau {engineering(tau_s, 's')}"
        dots = tuple(
            Dot(longest_s * i / 100, most * math.exp(-longest_s * i / 100 / tau_s), "") for i in range(101)
        )  # fmt: skip
        series = (Series(tip, COLOURS["transfer"], dots, shown=False),)
    return Plot(
        "dwell", "Dwell times", "", from_zero(longest_s, "s", "dwell time on the capacitor"),
        from_zero(most, "", f"updates, % per {unit}"), series, boxes,
        (("updates by dwell time, as a density", COLOURS["update"]),),
    )  # fmt: skip


_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))


def _bins(bins: Sequence[Bin], clock_hz: float, longest_s: float) -> list[tuple[float, float, int]]:
    """Return (from, to, updates) in seconds; bins too narrow to be seen are taken together with those after them."""
    least_s = longest_s / MOST_BINS
    found: list[tuple[float, float, int]] = []
    for own in bins:
        begin, end = own.from_cycles / clock_hz, min(own.to_cycles / clock_hz, longest_s)
        if found and (found[-1][1] - found[-1][0] < least_s or end - found[-1][0] <= least_s):
            found[-1] = (found[-1][0], end, found[-1][2] + own.cell_updates)
        else:
            found.append((begin, max(end, begin + 1 / clock_hz), own.cell_updates))
    if len(found) > 1 and found[-1][1] - found[-1][0] < least_s:
        (begin, _, before), (_, end, count) = found[-2:]
        found[-2:] = [(begin, end, before + count)]
    return found
