"""The figures of a sweep: points in accuracy, time and energy, and against the first key."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from archsim.base.units import engineering, unit_scale
from archsim.base.words import shortened
from archsim.report.colours import CYCLE
from archsim.report.figure import Axis, Dot, Plot, Series, axis, linear
from archsim.studies.sweep.pixels import MOST_DOTS, pixels
from archsim.studies.sweep.points import (
    ACCURACY,
    BASELINES,
    ENERGY,
    ENTROPY,
    MERITS,
    R2,
    TIME,
    VALIDATED,
    Point,
    Sweep,
    merit_of,
    short,
)

FLOATING = "#7f8c8d"
NAMES: Mapping[str, tuple[str, str, str]] = {  # title, part of a figure's name, unit
    ACCURACY: ("accuracy on the test set", "accuracy", "%"),
    R2: ("R2 on the test set", "r2", ""),
    VALIDATED[ACCURACY]: ("accuracy on the validation set", "accuracy", "%"),
    VALIDATED[R2]: ("R2 on the validation set", "r2", ""),
    BASELINES[ACCURACY]: ("accuracy of the baseline on the validation set", "accuracy_float", "%"),
    BASELINES[R2]: ("R2 of the baseline on the validation set", "r2_float", ""),
    "accuracy_float_mean": ("accuracy of the baseline on the test set", "accuracy_float", "%"),
    "r2_float_mean": ("R2 of the baseline on the test set", "r2_float", ""),
    "cross_entropy_chip_mean": ("cross-entropy on the test set", "cross_entropy", ""),
    "cross_entropy_float_mean": ("cross-entropy of the baseline on the test set", "cross_entropy_float", ""),
    ENTROPY["chip"]: ("cross-entropy on the validation set", "cross_entropy", ""),
    ENTROPY["float"]: ("cross-entropy of the baseline on the validation set", "cross_entropy_float", ""),
    TIME: ("time per example", "time", "s"),
    ENERGY: ("energy per example", "energy", "J"),
}
MOST_TEXTS = 200
"""Beside so many points values of the first key are written, where there is room."""
MOST_TICKS = 8
"""Values of the first key have a tick each if they are no more."""


def figures(data: Sweep) -> tuple[Plot, ...]:
    """Return the figures of a sweep; none where no point could be run."""
    merit = merit_of(data.points)
    if not any(point.has(TIME) for point in data.points):
        return ()
    found = [_plane(data, TIME, ENERGY)] if merit is None else [_plane(data, x, merit) for x in (TIME, ENERGY)]
    numbers = numbers_of(next(iter(data.vary.values())))
    if numbers is not None and len(numbers[0]) > 1:
        found += [_against(data, numbers, metric) for metric in ((TIME, ENERGY) if merit is None else (merit, TIME))]
    return tuple(found)


def numbers_of(values: Sequence[str]) -> tuple[list[float], str] | None:
    """Return values as numbers in the unit of the first, and that unit; None where they are no numbers.

    >>> numbers_of(["500 us", "1 ms"]), numbers_of(["1000", "2000"]), numbers_of(["stop_all"])
    (([500.0, 1000.0], 'us'), ([1000.0, 2000.0], ''), None)
    """
    matches = [re.fullmatch(r"\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(\D*?)\s*", value) for value in values]
    if not all(matches):
        return None
    pairs = [(float(match[1]), match[2]) for match in matches if match is not None]
    unit = pairs[0][1]
    scales = [1 if own == unit else unit_scale(own, unit) if own and unit else None for _, own in pairs]
    if any(scale is None for scale in scales):
        return None
    return [float(number * scale) for (number, _), scale in zip(pairs, scales, strict=True) if scale is not None], unit


def _text(value: float, metric: str) -> str:
    unit = NAMES[metric][2]
    return f"{100 * value:.2f} %" if unit == "%" else engineering(value, unit) if unit else f"{value:.4f}"


def _axis(points: Sequence[Point], metric: str) -> Axis:
    """Return the axis of a metric; of accuracy and R2 with floating point and the spread over seeds, and up to one."""
    label, _, unit = NAMES[metric]
    values = [point.figure(metric) for point in points if point.has(metric)]
    if metric not in MERITS:
        return axis(label, values, unit)
    for point in points:
        if point.has(metric):
            value, spread = point.figure(metric), _spread(point, metric) or 0.0
            floating = point.get(_floating(metric))
            values += [max(value - spread, 0.0) if value >= 0 else value, min(value + spread, 1.0)]
            values += [floating] if floating is not None else []
    own = axis(label, values, unit)
    say: Callable[[float], str] = (lambda at: f"{100 * at:.6g} %") if unit else "{:.4g}".format
    return linear(label, [own.low, 1.0], say) if own.high > 1.0 or own.log else own


def _floating(metric: str) -> str:
    return metric.replace("chip", "float")


def _spread(point: Point, metric: str) -> float | None:
    """Return the standard deviation over seeds of an accuracy, if there are several."""
    own = point.get(metric.replace("_mean", "_std")) if metric in MERITS else None
    return None if own is None else float(own)


def _lines(data: Sweep, metrics: Sequence[str]) -> list[tuple[str, str, list[Point]]]:
    """Return (values of the last keys, colour, points that have these metrics), all in one where colours run out."""
    found: dict[str, list[Point]] = {}
    for point in data.points:
        own = found.setdefault(", ".join(list(point.settings.values())[1:]), [])
        own += [point] if all(point.has(metric) for metric in metrics) else []
    kept = [(name, points) for name, points in found.items() if points]
    if len(kept) > len(CYCLE):
        return [("", CYCLE[0], [point for _, points in kept for point in points])]
    return [(name, CYCLE[place], points) for place, (name, points) in enumerate(kept)]


def _tip(point: Point, metrics: Sequence[str]) -> str:
    """Return all of a point's settings and some of its metrics."""
    settings = ", ".join(f"{short(key)}={value}" for key, value in point.settings.items())
    parts = []
    for metric in metrics:
        spread = _spread(point, metric)
        beside = "" if spread is None else f", std {_text(spread, metric)}"
        parts.append(f"{NAMES[metric][0]} {_text(point.figure(metric), metric)}{beside}")
    return f"{settings}: {'; '.join(parts)}"


def _baselines(
    lines: Sequence[tuple[str, str, list[Point]]], x: Callable[[Point], float], merit: str, across: Axis
) -> list[Series]:
    """Return accuracy in floating point, dashed: one level line if it is the same everywhere, else one of each line."""
    key = _floating(merit)
    values = {point.figure(key) for *_, points in lines for point in points if point.has(key)}
    if len(values) == 1:
        (value,) = values
        words = f"floating point: {_text(value, merit)}"
        ends = tuple(Dot(at, value, words, size=0.1) for at in (across.low, across.high))
        return [Series("floating point", FLOATING, ends, dashed=True, shown=False)]

    def dot(point: Point) -> Dot:
        value = point.figure(key)
        return Dot(x(point), value, f"{_tip(point, ())}floating point {_text(value, merit)}", size=0.35)

    return [
        Series("", tone, tuple(dot(point) for point in points if point.has(key)), dashed=True)
        for _, tone, points in lines
    ]


def _plot(
    data: Sweep, name: str, against: str, across: Axis, x: Callable[[Point], float], told: Sequence[str], says: str = ""
) -> Plot:  # fmt: skip
    """Return the first metric `told` of as lines over the points, one for each choice of the last keys.

    Where both are told of, values of the first key stand beside the points; else they are the axis.
    """
    y, beside, rest = told[0], len(told) > 1, list(data.vary)[1:]
    lines = [
        (words, tone, points if beside else sorted(points, key=x)) for words, tone, points in _lines(data, told)
    ]  # fmt: skip
    drawn = [point for *_, points in lines for point in points]
    title = f"{NAMES[y][0][0].upper()}{NAMES[y][0][1:]} against {against}"
    up = _axis(drawn, y)
    if len(drawn) > MOST_DOTS:
        boxes, legend = pixels([(x(point), point.figure(y)) for point in drawn], across, up)
        front = [point for point in drawn if point.pareto]
        dots = tuple(Dot(x(point), point.figure(y), _tip(point, told)) for point in front[:MOST_DOTS])
        best = (Series("Pareto-optimal", CYCLE[3], dots, line=False),) if dots else ()
        return Plot(name, title, "", across, up, best, boxes, legend)
    coloured = lines[0][0] != "" or not rest
    floating = y in MERITS and coloured
    series = _baselines(lines, x, y, across) if floating else []
    texts = beside and len(drawn) <= MOST_TEXTS
    says = says if texts else ""
    for words, tone, points in lines:
        dots = tuple(
            Dot(x(point), point.figure(y), _tip(point, told),
                text=shortened(next(iter(point.settings.values())), 16) if texts else "", hollow=not point.pareto)
            for point in points
        )  # fmt: skip
        spread = tuple(own for point in points if (own := _spread(point, y)) is not None)
        series.append(Series(shortened(words, 60) or ("on the chip" if coloured else ""), tone, dots, line=coloured,
                             spread=spread if len(spread) == len(points) else ()))  # fmt: skip
    parts = [says, f"Colours: {', '.join(map(short, rest))}." if rest and coloured else "",
             "Full points are Pareto-optimal.", "Dashed: in floating point." if floating else "",
             "Bars are standard deviations over seeds." if any(own.spread for own in series) else ""]  # fmt: skip
    return Plot(name, title, " ".join(filter(None, parts)), across, up, tuple(series))


def _plane(data: Sweep, x: str, y: str) -> Plot:
    across = _axis([point for point in data.points if point.has(y)], x)
    says = f"Beside the points: {short(next(iter(data.vary)), 60)}."
    name = f"{NAMES[y][1]}_{NAMES[x][1]}"
    return _plot(data, name, NAMES[x][0], across, lambda point: point.figure(x), (y, x), says)


def _against(data: Sweep, numbers: tuple[list[float], str], y: str) -> Plot:
    (values, unit), first = numbers, next(iter(data.vary))
    place_of, words = dict(zip(data.vary[first], values, strict=True)), short(first, 40)
    across = axis(words + (f", {unit}" if unit else ""), values)
    if len(values) <= MOST_TICKS:
        across = replace(across, ticks=tuple((number, f"{number:,.6g}") for number in sorted(values)))
    return _plot(data, f"first_key_{NAMES[y][1]}", words, across, lambda point: place_of[point.settings[first]], (y,))
