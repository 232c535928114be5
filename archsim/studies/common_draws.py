"""Chips beside the first of them in common draws, so that the interval of a ratio is that of the ratio.

What two chips have of one source, or of one estimator, is one draw of both, and so is the same assumption of both: what
moves them alike moves no ratio. Draws are common where there are as many of each chip.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from archsim.base.arrays import F64
from archsim.base.record import Number, Record
from archsim.base.words import counted, per_cent
from archsim.report.document import Block, say
from archsim.report.table import Column, Said, Table
from archsim.results.evaluate import Result
from archsim.results.intervals import MOVED, SIMULATED, drawn_run
from archsim.results.metric_words import metric_name
from archsim.spec.figure_ranges import SHARE

COMPARED = {
    "time_per_example_s": -1,
    "energy_per_example_j": -1,
    "area_m2": -1,
    "efficiency_op_per_j": 1,
    "throughput_per_area_op_per_s_m2": 1,
}
"""What is compared in draws, and whether more (1) or less (-1) of it is better."""
DIGITS = 7
"""So many digits of a figure in a draw are kept."""
Figures: TypeAlias = Mapping[str, tuple[Number | None, ...]]


class InDraws(Record):
    """A run in draws: by how many there are, as text, the compared figures in each, None where there is no chip.

    `unsure` says that figures of the chip have ranges; then there may be no draws all the same, of too large a chip.
    """

    unsure: bool = False
    figures: Mapping[str, Figures] = {}


class Ratio(Record):
    """A figure of a run over that of the first, and its interval in common draws; `better` in which share of these."""

    name: str
    metric: str
    ratio: float
    low: float
    high: float
    better: float
    draws: int


def in_draws(result: Result, *, also: Sequence[int] = ()) -> InDraws:
    """Return a run in its own draws, and in as many others, billed anew, if it is not simulated for each."""
    own = result.drawn
    if own is None:
        return InDraws(unsure=bool(result.arch.ranges))
    found = {len(own.metrics): own}
    for count in also if not own.simulated else ():
        more = drawn_run(result.arch, result.trace, result.activity, result.bill.programmed, count)
        if more is not None:
            found.setdefault(count, more)
    figures = {
        str(count): {
            name: tuple(None if (value := (each or {}).get(name)) is None else float(f"{value:.{DIGITS}g}")
                        for each in drawn.metrics)
            for name in COMPARED
        }
        for count, drawn in found.items()
    }  # fmt: skip
    return InDraws(unsure=True, figures=figures)


ALSO = (SIMULATED,)
"""So many draws may be all that a chip has whose ranges touch time."""


def ratios(names: Sequence[str], nominal: Sequence[Mapping[str, Number | None]], draws: Sequence[InDraws]) -> tuple[
    Ratio, ...
]:  # fmt: skip
    """Return the ratios of runs to the first that ranges move, as far as both have common draws."""
    found = []
    for name, own, own_draws in list(zip(names, nominal, draws, strict=True))[1:]:
        count = _common(draws[0], own_draws)
        if count is None:
            continue
        for metric, sign in COMPARED.items():
            ours, first = own.get(metric), nominal[0].get(metric)
            if not ours or not first:
                continue
            over = _values(own_draws, count, metric, ours) / _values(draws[0], count, metric, first)
            known = over[np.isfinite(over)]
            if len(known) <= count // 2:
                continue
            low, high = np.quantile(known, [(1 - SHARE) / 2, (1 + SHARE) / 2]).tolist()
            if high - low > MOVED * high:
                better = float((known < 1).mean() if sign < 0 else (known > 1).mean())
                found.append(Ratio(name=name, metric=metric, ratio=ours / first, low=low, high=high, better=better,
                                   draws=len(known)))  # fmt: skip
    return tuple(found)


def _common(first: InDraws, other: InDraws) -> int | None:
    """Return the most draws that two runs have in common; None if there are none, or nothing is drawn."""
    if any(own.unsure and not own.figures for own in (first, other)) or not (first.unsure or other.unsure):
        return None
    counts = [{int(count) for count in own.figures} for own in (first, other) if own.unsure]
    return max(set.intersection(*counts), default=None)


def _values(own: InDraws, count: int, metric: str, nominal: float) -> F64:
    """Return a figure in each draw; of a chip without ranges it is the same in all."""
    if not own.unsure:
        return np.full(count, nominal)
    return np.array([np.nan if value is None else value for value in own.figures[str(count)][metric]])


def told(found: Sequence[Ratio], first: str) -> tuple[Block, ...]:
    """Return what a report says of ratios, if anything."""
    if not found:
        return ()
    rows = tuple(
        (own.name, Said(own.metric, metric_name(own.metric)), own.ratio, own.low, own.high,
         Said(own.better, per_cent(own.better, 0)))
        for own in found
    )  # fmt: skip
    columns = tuple(map(Column, ("run", "figure", "ratio", "low", "high", "better in")))
    return (
        say("Ratios to {first} with intervals that hold {held} of {draws}: figures of one source, or of "
            "one estimator, are one draw of all chips, and so is the same assumption. The last column is the share of "
            "draws in which the chip is the better one. What a model leaves out is in no interval.", brief=True,
            first=first, held=per_cent(SHARE, 0), draws=counted(min(own.draws for own in found), "common draw")),
        Table("ratios", f"Over {first}", columns, rows, most=len(rows), brief=True),
    )  # fmt: skip
