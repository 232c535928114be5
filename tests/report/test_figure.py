"""Figures as data: axes, and bars of parts."""

from __future__ import annotations

import itertools
import math
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsim.report.bars import MOST_BARS, first, from_zero, shares, stacked
from archsim.report.document import Document, Section
from archsim.report.figure import Axis, Dot, Plot, Series, axis, linear, logarithmic, round_step
from archsim.report.html import page
from archsim.report.paint import painted
from archsim.report.svg import svg

REAL = st.floats(-1e9, 1e9).filter(lambda value: value == 0 or abs(value) > 1e-9)
POSITIVE = st.floats(1e-12, 1e12)


def holds(made: Axis) -> None:
    """Ticks are within the ends, rise, and stand in their order; the ends are 0 and 100 %."""
    values = [value for value, _ in made.ticks]
    slack = 1e-8 * (made.high - made.low)
    assert all(made.low - slack <= value <= made.high + slack for value in values)
    assert all(a < b for a, b in itertools.pairwise(values))
    places = [at for at, _ in made.marks()]
    assert all(a < b for a, b in itertools.pairwise(places))
    assert (made.place(made.low), made.place(made.high)) == pytest.approx((0, 100), abs=1e-9)


def wide_enough(values: list[float]) -> bool:
    """Whether floats can tell ticks between the ends apart, if they differ at all."""
    span = max(values) - min(values)
    return span == 0 or span > 1e-6 * max(map(abs, values))


@given(st.lists(REAL, min_size=1, max_size=5), st.integers(2, 8), st.sampled_from([0.0, 0.08, 0.5]))
def test_ticks_of_a_linear_axis(values: list[float], count: int, room: float) -> None:
    assume(wide_enough(values))
    made = linear("x", values, repr, count=count, room=room)
    holds(made)
    assert made.low <= min(values) <= max(values) <= made.high
    assert 2 <= len(made.ticks) <= max(count + 1, 5)
    first_step = [b - a for (a, _), (b, _) in itertools.pairwise(made.ticks)]
    assert first_step == pytest.approx(first_step[:1] * len(first_step), rel=1e-5)


@given(st.lists(POSITIVE, min_size=1, max_size=5), st.sampled_from([0.0, 0.08]))
def test_ticks_of_a_logarithmic_axis(values: list[float], room: float) -> None:
    assume(wide_enough(values))
    made = logarithmic("x", values, repr, room=room)
    holds(made)
    assert made.low <= min(values) * (1 + 1e-9)
    assert max(values) <= made.high * (1 + 1e-9)
    assert len(made.ticks) >= 2, "one tick is no scale"
    if made.high >= 2.5**2 * made.low:  # neighbours among 1, 2 and 5 times powers of ten are 2.5 apart at most
        assert all(f"{value:e}"[0] in "125" for value, _ in made.ticks)
    if made.high >= 12 * made.low:
        assert 1 <= len(made.ticks) <= 12


@given(st.lists(st.one_of(POSITIVE, REAL), min_size=1, max_size=5), st.sampled_from(["", "s", "%"]), st.booleans(),
       st.lists(st.floats(0, 1), min_size=2, max_size=5, unique=True))  # fmt: skip
def test_any_axis_places_values_in_their_order(values: list[float], unit: str, zero: bool, at: list[float]) -> None:
    values = [abs(value) for value in values] if zero else values
    assume(wide_enough([*values, 0.0] if zero else values))
    made = axis("x", values, unit, zero=zero)
    holds(made)
    assert made.log == (not zero and min(values) > 0 and max(values) > 10 * min(values))
    assert made.low == 0 or not zero
    within = [made.low + share * (made.high - made.low) for share in sorted(at)]
    places = [made.place(value) for value in within if made.low <= value <= made.high]
    assert all(-1e-6 <= place <= 100 + 1e-6 for place in places)
    assert all(a <= b for a, b in itertools.pairwise(places))


@given(st.floats(1e-15, 1e15), st.integers(1, 9))
def test_steps_are_round_and_few(span: float, count: int) -> None:
    step = round_step(span, count)
    assert f"{step:e}"[0] in "125"
    assert step * count >= span * (1 - 1e-6)
    assert step * count <= 2.5 * span * (1 + 1e-6)  # the next smaller one, 1 for 2.5 at most, would be too many


# ---- bars


@given(st.dictionaries(st.text("abc_", max_size=4), st.one_of(st.just(0.0), st.floats(1e-6, 1e6)), max_size=6))
def test_bars_of_shares_are_in_proportion(parts: dict[str, float]) -> None:
    made = shares("x", "X", "", parts, "J", lambda *_: "#000000")
    shown = [value for value in parts.values() if value]
    assert [(bar.pieces[0].start, bar.pieces[0].length) for bar in made.bars] == [(0.0, value) for value in shown]
    assert all(made.axis.place(value) <= 100 * (1 + 1e-9) for value in shown)


@given(st.lists(st.tuples(st.just("what"), st.floats(0, 9), st.just("#000000"), st.just("says")), max_size=6))
def test_stacked_pieces_lie_end_to_end(pieces: list[tuple[str, float, str, str]]) -> None:
    made = stacked("bar", "", pieces)
    at = 0.0
    for piece in made.pieces:
        assert piece.start == pytest.approx(at)
        at += piece.length
    assert at == pytest.approx(math.fsum(value for _, value, *_ in pieces))


@given(st.dictionaries(st.integers().map(str), st.floats(0.1, 9), max_size=60))
def test_many_parts_are_the_first_and_the_others_together(parts: dict[str, float]) -> None:
    shown = first(parts)
    assert len(shown) <= MOST_BARS
    assert math.fsum(shown.values()) == pytest.approx(math.fsum(parts.values()))
    assert list(shown)[: MOST_BARS - 1] == list(parts)[: MOST_BARS - 1]


@given(st.floats(1e-12, 1e12), st.sampled_from(["", "J", "s"]))
def test_axes_from_zero_begin_there_and_end_at_the_largest(most: float, unit: str) -> None:
    made = from_zero(most, unit)
    holds(made)
    assert (made.low, made.high, made.ticks[0][0]) == (0, most, 0)
    assert 3 <= len(made.ticks) <= 6


def test_a_label_stands_once_in_a_legend() -> None:
    ends = linear("", [0.0, 1.0], str)
    twice = tuple(Series("seed", "#111111", ()) for _ in range(2))
    made = Plot("x", "", "", ends, ends, (*twice, Series("", "#222222", ())), extra=(("range", "#333333"),))
    assert made.legend == (("seed", "#111111"), ("range", "#333333"))


def test_a_legend_tells_dashes_and_points_apart_from_full_lines() -> None:
    dots, full = (Dot(0, 0, "", hollow=True), Dot(1, 1, "", hollow=True)), (Dot(0, 0, ""), Dot(1, 1, "", hollow=True))
    series = (
        Series("line", "#111111", dots),
        Series("dashed", "#111111", dots, dashed=True),
        Series("points", "#111111", dots, line=False),
        Series("some", "#111111", full, line=False, dashed=True),
    )
    ends = linear("", [0.0, 1.0], repr)
    made = Plot("x", "t", "s", ends, ends, series)
    assert made.marks == {"line": "", "dashed": "dashed", "points": "hollow", "some": ""}
    keys = [part for part in svg(made).split("\n") if 'class="s"' not in part and part.startswith(("<path", "<circle"))]
    assert [part.split(" ")[0] for part in keys[:2]] == ["<path", "<circle"]
    shown = page(Document("t", (), (Section("s", "s", (made,)),)))
    assert re.findall(r'<li><i(?: class="(\w+)")? style', shown) == ["", "dashed", "hollow", ""]
    with_keys = painted(made).legends[0].legend_handles
    assert [type(each).__name__ for each in with_keys] == ["Rectangle", "Line2D", "Line2D", "Rectangle"]
