"""Charts of the page: bars as plain values that a template draws, so that they fit a phone and need no script."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.mapping.schedule import STATES
from archsim.report.colours import COLOURS, colour, component_colour
from archsim.studies.run.page import Page

MOST_BARS = 24
"""So many tiles are shown one by one; the tables have all of them."""
TOTAL = "#34495e"


@dataclass(frozen=True)
class Part:
    """A piece of a bar: where it starts and how long it is, in percent of the chart's width; its colour and tooltip."""

    start: float
    width: float
    tone: str
    tip: str


@dataclass(frozen=True)
class Bar:
    """A bar: what it is, what is written beside it, and its pieces."""

    label: str
    text: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Chart:
    """Horizontal bars with an axis: `ticks` are (percent, text), `legend` (text, colour); `says` explains them."""

    name: str
    title: str
    says: str
    bars: tuple[Bar, ...]
    ticks: tuple[tuple[float, str], ...] = ()
    legend: tuple[tuple[str, str], ...] = ()


def words(name: str) -> str:
    """Return a name of the data as words."""
    return name.replace("_", " ")


def percent(share: float) -> str:
    """Return a share as text.

    >>> percent(0.1234), percent(0.0001), percent(0.0)
    ('12.3 %', '< 0.1 %', '0 %')
    """
    return "0 %" if not share else f"{100 * share:.1f} %" if abs(share) >= 0.0005 else "< 0.1 %"


def ticks_to(end: float, say: Callable[[float], str], count: int = 4) -> tuple[tuple[float, str], ...]:
    """Return round values from 0 to `end`, at most `count` (three or more) and one, as (percent of the width, text).

    >>> ticks_to(0.9, "{:g}".format)
    ((0.0, '0'), (55.55555555555556, '0.5'))
    """
    if end <= 0:
        return ()
    rounds = (base * 10.0**power for power in range(-18, 19) for base in (1, 2, 5))
    step = next(value for value in rounds if value * count >= end)
    return tuple((100 * i * step / end, say(i * step)) for i in range(int(end / step * (1 + 1e-9)) + 1))


def waterfall(page: Page) -> Chart:
    """From the peak's interval to the sustained time per example; a part that saves time goes back."""
    labels = {
        "interval": ("peak", "forward"), "dependencies": ("dependencies", "convert"),
        "contention": ("contention", "waiting_link"), "maintenance": ("transfers, refresh", "transfer"),
    }  # fmt: skip
    parts = {name: value or 0.0 for name, value in page.data["time_per_example_parts_s"].items()}
    ends = [0.0]
    for value in parts.values():
        ends.append(ends[-1] + value)
    most = max(ends) or 1.0
    bars = []
    for (name, value), begin in zip(parts.items(), ends, strict=False):
        label, tone = labels[name]
        text = ("+" if value > 0 and name != "interval" else "") + engineering(value, "s")
        piece = Part(100 * min(begin, begin + value) / most, 100 * abs(value) / most, COLOURS[tone], f"{label}: {text}")
        bars.append(Bar(label, text, (piece,) if value else ()))
    total = engineering(ends[-1], "s")
    bars.append(Bar("sustained", total, (Part(0, 100 * ends[-1] / most, TOTAL, f"sustained: {total}"),)))
    says = "Time per example: each bar begins where the one above it ends."
    return Chart("waterfall", "From peak to sustained", says, tuple(bars), ticks_to(most, _si("s")))


def energy(page: Page) -> Chart:
    """Energy of the run by component, in pieces by phase."""
    totals: Mapping[str, float] = page.data["energy_j"]["by_component"]
    phases = list(page.data["energy_j"]["by_phase"])
    found = {(component, phase): 0.0 for component in totals for phase in phases}
    for item in page.details["bill"]:
        key = (item["component"], item["phase"])
        found[key] = found.get(key, 0.0) + item["energy_j"]
    most, total = max(totals.values(), default=0.0) or 1.0, page.data["energy_j"]["total"] or 1.0
    bars = [
        _stacked(
            words(name), f"{engineering(own, 'J')}, {percent(own / total)}",
            [(words(phase), found[name, phase], colour(phase, i), f"{engineering(found[name, phase], 'J')}, "
              f"{percent(found[name, phase] / total)} of all") for i, phase in enumerate(phases)],
            most,
        )
        for name, own in totals.items() if own
    ]  # fmt: skip
    shown = tuple((words(phase), colour(phase, i)) for i, phase in enumerate(phases)
                  if page.data["energy_j"]["by_phase"][phase])  # fmt: skip
    title, says = "Energy by component and phase", "Energy of the run by component; colours are phases."
    return Chart("energy_component", title, says, tuple(bars), ticks_to(most, _si("J")), shown)


def shares(
    name: str, title: str, says: str, parts: Mapping[str, float], unit: str, tone: Callable[[str, int], str]
) -> Chart:
    """Return a chart of parts of a whole, one bar each, as they are ordered; zeros are left out."""
    total, most = sum(parts.values()) or 1.0, max(parts.values(), default=0.0) or 1.0
    bars = []
    for i, (key, value) in enumerate((key, value) for key, value in parts.items() if value):
        text = f"{engineering(value, unit) if unit else f'{value:,}'}, {percent(value / total)}"
        piece = Part(0, 100 * value / most, tone(key, i), f"{words(key)}: {text}")
        bars.append(Bar(words(key), text, (piece,)))
    return Chart(name, title, says, tuple(bars), ticks_to(most, _si(unit) if unit else "{:,.0f}".format))


def energy_phase(page: Page) -> Chart:
    """Energy of the run by phase."""
    parts = page.data["energy_j"]["by_phase"]
    return shares("energy_phase", "Energy by phase", "Energy of the run by phase.", parts, "J", colour)


def energy_layer(page: Page) -> Chart:
    """Energy of the run by layer."""
    says = "Energy of the run by layer; what belongs to no layer (leakage, the host port) is the chip's."
    parts = _first(page.data["energy_j"]["by_layer"])
    return shares("energy_layer", "Energy by layer", says, parts, "J", lambda *_: TOTAL)


def area(page: Page) -> Chart:
    """Area of the chip by component."""
    ranked = sorted(page.details["parts"], key=lambda part: (-part["area_m2"], part["component"]))
    parts = {part["component"]: part["area_m2"] for part in ranked}
    return shares("area", "Area by component", "Area of the whole die by component.", parts, "m2", component_colour)


def critical_path(page: Page) -> Chart:
    """What one step is spent on, along its critical path."""
    cycles: Mapping[str, int] = page.details["step"]["shares_cycles"]
    parts = {name: count / page.clock_hz for name, count in cycles.items()}
    says = "One step along its critical path: each cycle is counted once."
    return shares("path", "Where one step goes", says, parts, "s", colour)


def stalls(page: Page) -> Chart:
    """States of the used tiles as shares of all cycles."""
    total = max(page.data["run"]["cycles"], 1)
    tiles: Sequence[Mapping[str, Any]] = page.details["tiles"]
    bars = []
    for tile in tiles[:MOST_BARS]:
        pieces = [
            (words(state), count, colour(state), f"{percent(count / total)} of all cycles")
            for state, count in ((state, tile["cycles"][state]) for state in STATES)
        ]
        bars.append(_stacked(f"{tile['layer']}{tile['shard']}, tile {tile['tile']}", "", pieces, total))
    used = tuple((words(state), colour(state)) for state in STATES if page.data["stalls_cycles"][state])
    says = "States of the used tiles, in percent of all cycles."
    if len(tiles) > MOST_BARS:
        says += f" These are the first {MOST_BARS} of {len(tiles):,}; tables/tiles.csv has all."
    ticks = tuple((float(at), f"{at} %") for at in (0, 25, 50, 75, 100))
    return Chart("stalls", "Where the tiles' cycles go", says, tuple(bars), ticks, used)


def _stacked(label: str, text: str, pieces: Sequence[tuple[str, float, str, str]], most: float) -> Bar:
    """Return a bar of (what, value, colour, text) pieces end to end; `most` is the chart's width."""
    at, parts = 0.0, []
    for what, value, tone, says in pieces:
        if value:
            parts.append(Part(100 * at / most, 100 * value / most, tone, f"{label}, {what}: {says}"))
            at += value
    return Bar(label, text, tuple(parts))


def _first(parts: Mapping[str, float]) -> dict[str, float]:
    """Return the first parts, and the others as one."""
    shown = dict(list(parts.items())[: MOST_BARS - 1])
    rest = sum(value for name, value in parts.items() if name not in shown)
    return {**shown, **({counted(len(parts) - len(shown), "other"): rest} if rest else {})}


def _si(unit: str) -> Callable[[float], str]:
    return lambda value: "0" if not value else engineering(value, unit, 3)
