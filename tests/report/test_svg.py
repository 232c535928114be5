"""Figures as SVG files: they parse, say what they are told, and draw to scale."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given

from archsim.report.figure import Bars, Lanes, Plan, Plot
from archsim.report.svg import WIDTH, svg
from tests.report.samples import HOSTILE, TEXTS, figures

SVG = "{http://www.w3.org/2000/svg}"
KINDS = ("bars", "plot", "lanes", "plan")
TIPS = {"bars": 2, "plot": 1 + 2 + 1, "lanes": 1, "plan": 1 + 1}
"""Tooltips of the samples: pieces; a box, dots and a line; stretches; blocks and links."""
TEXTS_OF = {"bars": 4, "plot": 6, "lanes": 3, "plan": 3}
"""Texts of the samples, ticks apart: legend, names, values and labels; shortened names are others."""


def of(kind: str, text: str) -> Bars | Plot | Lanes | Plan:
    return figures(text)[KINDS.index(kind)]


def tips(root: ET.Element) -> list[str]:
    return [own.text or "" for own in root.iter(f"{SVG}title")]


@pytest.mark.parametrize("kind", KINDS)
@given(text=TEXTS)
def test_every_kind_shows_texts_as_they_are(kind: str, text: str) -> None:
    root = ET.fromstring(svg(of(kind, text)))
    assert tips(root) == [text] * TIPS[kind]
    shown = [own.text for own in root.iter(f"{SVG}text")]
    whole = shown.count(text) + shown.count(f"0 to {text}")
    assert whole >= TEXTS_OF[kind] - (kind == "plot") * 2  # texts beside points stand where there is room
    assert {own.tag.removeprefix(SVG) for own in root.iter()} <= {
        "svg", "style", "rect", "line", "text", "title", "polyline", "path", "circle", "g", "defs", "linearGradient",
        "stop",
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_of_elsewhere_and_bytes_repeat(kind: str) -> None:
    text = svg(of(kind, HOSTILE))
    assert text == svg(of(kind, HOSTILE))
    root = ET.fromstring(text)
    for own in root.iter():
        assert not [name for name in own.attrib if name.startswith("on") or "href" in name]
    assert float(root.get("width") or 0) == WIDTH
    assert root.get("aria-label") == HOSTILE


def test_bars_are_to_scale() -> None:
    # 3 and 1 of 4 on an axis from 0 to 4: three to one, end to end.
    first, second = [own for own in ET.fromstring(svg(of("bars", "x"))).iter(f"{SVG}rect") if list(own)]
    x, wide = (float(first.get(key) or 0) for key in ("x", "width"))
    assert float(second.get("x") or 0) == pytest.approx(x + wide, abs=1e-3)
    assert wide == pytest.approx(3 * float(second.get("width") or 0), rel=1e-4)


def test_stretches_are_to_scale() -> None:
    # Cycles 2 to 5 of 9, in the second of two lanes.
    rects = list(ET.fromstring(svg(of("lanes", "x"))).iter(f"{SVG}rect"))
    (own,) = [rect for rect in rects if list(rect)]
    lanes = [rect for rect in rects if rect.get("fill") == "#f0f2f3"]
    left, wide = (float(lanes[1].get(key) or 0) for key in ("x", "width"))
    assert float(own.get("x") or 0) == pytest.approx(left + wide * 2 / 9, rel=1e-4)
    assert float(own.get("width") or 0) == pytest.approx(wide * 3 / 9, rel=1e-4)
    assert own.get("y") == lanes[1].get("y")


def test_points_are_where_their_values_are() -> None:
    # x: 1 and 3 on an axis with 8 % of its span on either side; y: 1 s and 2 s on a logarithmic one from 1 to 200 s.
    plot = of("plot", "x")
    assert isinstance(plot, Plot)
    circles = list(ET.fromstring(svg(plot)).iter(f"{SVG}circle"))
    (x1, y1), (x2, y2) = [(float(own.get("cx") or 0), float(own.get("cy") or 0)) for own in circles]
    assert WIDTH - 20 - x2 == pytest.approx(0.08 * (x2 - x1), abs=0.02)  # the plot ends 20 before the file
    assert (y1 - y2) / 300 == pytest.approx((plot.y.place(2.0) - plot.y.place(1.0)) / 100, abs=1e-3)
    assert circles[1].get("fill") == "#fff"  # a hollow one
