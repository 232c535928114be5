"""Texts beside points: they cover no dot and no other text, and do not leave the plot."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from archsim.report.beside import BEYOND, DOT, LETTER, LINE, TICK, WIDTHS, Beside, beside, ticks
from archsim.report.figure import Axis, Dot, Plot, Series, linear

WIDTH, HEIGHT = 400.0, 200.0
POINTS = st.lists(
    st.tuples(st.floats(0, 1), st.floats(0, 1), st.text("abc", min_size=1, max_size=18), st.booleans()), max_size=14
)


def plot_of(points: list[tuple[float, float, str, bool]], line: bool = True) -> Plot:
    """Return a plot whose points have these places, from 0 to 1, and texts, half of them in a second series."""
    ends = linear("", [0.0, 1.0], str)
    parts = [[Dot(x, y, text, text) for x, y, text, own in points if own is side] for side in (True, False)]
    return Plot("x", "", "", ends, ends, tuple(Series("s", "#111111", tuple(dots), line=line) for dots in parts))


def box(own: Beside) -> tuple[float, float, float, float]:
    """Return the ends of a text in pixels: left, top, right, bottom."""
    x, y = own.x / 100 * WIDTH + own.dx, own.y / 100 * HEIGHT + own.dy
    wide = LETTER * len(own.text)
    return x - wide / 2, y - LINE / 2, x + wide / 2, y + LINE / 2


@given(POINTS, st.booleans())
def test_texts_cover_no_other_and_stay_inside(points: list[tuple[float, float, str, bool]], line: bool) -> None:
    found = beside(plot_of(points, line), WIDTH, HEIGHT)
    boxes = [box(own) for own in found]
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= -1e-6
        assert right <= WIDTH
        assert bottom <= HEIGHT + 1e-6
    for a, b in itertools.combinations(boxes, 2):
        assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] - 1e-6 and b[1] < a[3] - 1e-6)
    for x, y, *_ in points:
        at, down, reach = x * WIDTH, (1 - y) * HEIGHT, 0.75 * DOT / 2
        for left, top, right, bottom in boxes:
            assert not (left < at + reach and at - reach < right and top < down + reach and down - reach < bottom)


def test_a_lone_point_has_its_text_and_a_line_is_left_free() -> None:
    # Nothing is in the way of the first, so it stands right above; of the others, the line through them is free.
    (alone,) = beside(plot_of([(0.5, 0.5, "here", True)]), WIDTH, HEIGHT)
    assert (alone.dx, alone.dy) == (0.0, -(LINE / 2 + 4 + 0.75 * DOT / 2))
    across = plot_of([(x, 0.5, "here", True) for x in (0.1, 0.5, 0.9)])
    for own in beside(across, WIDTH, HEIGHT):
        left, top, right, bottom = box(own)
        assert bottom < HEIGHT / 2 or top > HEIGHT / 2, (left, right)


def test_a_text_too_long_for_the_plot_is_left_out() -> None:
    assert beside(plot_of([(0.5, 0.5, "x" * 80, True)]), WIDTH, HEIGHT) == []


@given(
    st.lists(st.tuples(st.floats(0, 100), st.text("1", min_size=1, max_size=14)), max_size=12),
    st.sampled_from([*WIDTHS, 21.3, 35.4]),
)  # fmt: skip
def test_ticks_on_a_page_do_not_touch_at_any_width(marks: list[tuple[float, str]], width: float) -> None:
    found = ticks(Axis("", 0.0, 100.0, tuple(sorted(marks))))
    spans = []
    for place, text, kind in found:
        if int(kind[5:] or 0) <= width:  # else the page's style hides it
            whole = TICK * len(text)
            begin = min(max(width * place / 100 - whole / 2, -BEYOND[0]), width + BEYOND[1] - whole)
            spans.append((begin, begin + whole))
    assert all(end < begin for (_, end), (begin, _) in itertools.pairwise(spans))
    assert bool(spans) == bool(marks)
