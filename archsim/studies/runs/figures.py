"""Figures of runs side by side: a stacked bar for each run on common axes, and the loads of links as curves."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from archsim.base.units import engineering, percent
from archsim.mapping.schedule import STATES
from archsim.report.colours import COLOURS, CYCLE, colour
from archsim.report.figure import Axis, Bar, Bars, Dot, Piece, Plot, Series, axis, linear, logarithmic
from archsim.report.table import words
from archsim.studies.runs.data import OneRun, Runs

LEAST = 0.01
"""Parts below this share of the longest bar, in all runs, are drawn as one."""
REST, REST_TONE = "all below 1 %", "#c8cdd0"
MOST_RANKS, MOST_DOTS = 200, 60
"""So many links are drawn of each run; beyond so many the axis is logarithmic."""
PARTS = {
    "interval": ("peak: initiation interval", "forward"), "dependencies": ("dependencies", "convert"),
    "contention": ("contention", "waiting_link"), "maintenance": ("transfers, refresh", "transfer"),
}  # fmt: skip
"""By part of the time per example: what it is called, and whose colour it has."""


def time(data: Runs) -> Bars:
    """From the peak's interval to the sustained time per example, by run."""
    return _stacked(
        "time", "Time per example", "From the peak's initiation interval to the sustained time; a part that saves time "
        "lies left of zero.", data, lambda run: dict(run.time_per_example_parts_s), "s",
        lambda part, _: COLOURS[PARTS[part][1]], lambda part: PARTS[part][0], least=0.0,
    )  # fmt: skip


def energy(data: Runs) -> Bars:
    """Energy per example by component, by run."""
    return _stacked("energy", "Energy per example", "By component.", data,
                    lambda run: run.energy_per_example_j.component, "J")  # fmt: skip


def area(data: Runs) -> Bars:
    """Area of the die by component, by run."""
    return _stacked("area", "Area", "The whole die by component.", data, lambda run: run.area_m2, "m2")


def stalls(data: Runs) -> Bars:
    """States of the used tiles as shares of their cycles, by run."""
    return _stacked(
        "stalls", "What used tiles do", "States of the used tiles, in percent of their cycles.", data,
        lambda run: run.stalls_shares, "%", lambda state, _: COLOURS[state], least=0.0, order=STATES,
    )  # fmt: skip


def _stacked(
    name: str,
    title: str,
    says: str,
    data: Runs,
    pick: Callable[[OneRun], Mapping[str, float | None]],
    unit: str,
    tone: Callable[[str, int], str] = colour,
    said: Callable[[str], str] = words,
    least: float = LEAST,
    order: Sequence[str] = (),
) -> Bars:
    """Return a bar for each run, of parts in one order and with one colour each; those below 0 go to the left.

    Without an `order`, and where small parts are drawn as one, the parts that are largest in any run come first.
    """
    runs = [(run.name, {key: value or 0.0 for key, value in pick(run).items()}) for run in data.runs]
    longest = max((sum(parts.values()) for _, parts in runs), default=0.0)
    every = dict.fromkeys(part for _, parts in runs for part in parts)
    most = {part: max(abs(parts.get(part, 0.0)) for _, parts in runs) for part in every}
    kept = [part for part in order or most if most.get(part, 0.0) > least * longest]
    if least:
        kept.sort(key=lambda part: (-most[part], part))
    tones = {part: tone(part, place) for place, part in enumerate(kept)}

    def text(value: float) -> str:
        return percent(value) if unit == "%" else engineering(value, unit)

    bars, low, high = [], 0.0, 0.0
    for run, parts in runs:
        rest = sum(value for part, value in parts.items() if part not in tones)
        shown = [(said(part), tones[part], parts.get(part, 0.0)) for part in kept] + [(REST, REST_TONE, rest)]
        above = below = 0.0
        pieces = []
        for what, hue, value in shown:
            start = above if value > 0 else below + value
            above, below = above + max(value, 0.0), below + min(value, 0.0)
            if value:
                pieces.append(Piece(start, abs(value), hue, f"{run}, {what}: {text(value)}"))
        low, high = min(low, below), max(high, above)
        bars.append(Bar(run, "" if unit == "%" else text(sum(parts.values())), tuple(pieces)))
    small = any(piece.tone == REST_TONE for bar in bars for piece in bar.pieces)
    legend = (*((said(part), tones[part]) for part in kept), *(((REST, REST_TONE),) if small else ()))

    def mark(value: float) -> str:
        return f"{100 * value:.6g} %" if unit == "%" else text(value) if value else "0"

    ends = linear("", [low, high], mark, low=low, high=high or 1.0)
    return Bars(name, title, says, tuple(bars), ends, legend, zero=0.0 if low else None)


def _ranks(count: int, most: int = MOST_RANKS) -> list[int]:
    """Return the places of links that are drawn: all of a few, of many some at even distances on a logarithmic axis.

    >>> _ranks(3), _ranks(1000, 4)
    ([1, 2, 3], [1, 10, 100, 1000])
    """
    if count <= most:
        return list(range(1, count + 1))
    return sorted({round(count ** (i / (most - 1))) for i in range(most)})


def links(data: Runs) -> Plot | None:
    """How busy links are, the busiest first: a curve for each run; None where no run used a link."""
    series = []
    for place, run in enumerate(data.runs):
        loads = [(link.utilisation or 0.0, link.name) for link in run.links]
        ranked = sorted(loads, key=lambda pair: (-pair[0], pair[1]))
        dots = tuple(
            Dot(rank, load, f"{run.name}, number {rank:,}: link {name}, held {percent(load)}", size=0.6)
            for rank, (load, name) in ((rank, ranked[rank - 1]) for rank in _ranks(len(ranked)))
        )  # fmt: skip
        series.append(Series(run.name, CYCLE[place % len(CYCLE)], dots, dashed=place // len(CYCLE) % 2 == 1))
    places = [dot.x for own in series for dot in own.dots]
    if not places:
        return None
    most, label = max(2.0, *places), "link, the busiest first"
    if most > MOST_DOTS:
        across = logarithmic(label, [1.0, most], "{:,.6g}".format)
    else:
        own = linear(label, [1.0, most], "{:,.6g}".format, low=1.0, high=most)
        across = Axis(label, own.low, own.high, tuple((at, text) for at, text in own.ticks if at == int(at)))
    shares = [dot.y for each in series for dot in each.dots]
    return Plot("links", "Load of links", "Share of all cycles for which each link is held.", across,
                axis("share of all cycles", shares, "%", zero=True), tuple(series))  # fmt: skip
