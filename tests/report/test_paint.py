"""Figures by matplotlib show the data that the figure holds."""

from __future__ import annotations

import io
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

from archsim.report.figure import Bars, Box, Dot, Lanes, Plan, Plot, Series, axis
from archsim.report.paint import FORMATS, painted, save
from tests.report.samples import figures

KINDS = {type(figure).__name__.lower(): figure for figure in figures("abc")}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_painted_and_saved(kind: str, tmp_path: Path) -> None:
    for suffix in FORMATS:
        for name in ("a", "b"):
            with (tmp_path / f"{name}.{suffix}").open("wb") as file:
                save(KINDS[kind], suffix, file)
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert (tmp_path / "a.pdf").read_bytes().startswith(b"%PDF")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def ends(figure: Any) -> list[tuple[float, float]]:
    return [(patch.get_x(), patch.get_width()) for patch in figure.axes[0].patches]


def test_bars_and_lanes_have_the_lengths_of_their_pieces() -> None:
    bars, lanes = KINDS["bars"], KINDS["lanes"]
    assert isinstance(bars, Bars)
    assert isinstance(lanes, Lanes)
    pieces = [(piece.start, piece.length) for bar in bars.bars for piece in bar.pieces]
    assert ends(painted(bars)) == pieces
    parts = [(part.begin * lanes.cycle_ns, part.length * lanes.cycle_ns) for part in lanes.stretches]
    assert ends(painted(lanes)) == parts


def test_a_plot_has_its_points_lines_and_ends() -> None:
    dots = (Dot(1.0, 2.0, ""), Dot(10.0, 300.0, "", "here", hollow=True))
    plot = Plot("p", "", "", axis("x", [1.0, 10.0]), axis("y", [2.0, 300.0]), (Series("a", "#1b6ca8", dots),))
    axes = painted(plot).axes[0]
    line, *points = axes.lines
    assert np.asarray(line.get_xydata()).tolist() == [[1.0, 2.0], [10.0, 300.0]]
    assert [np.asarray(point.get_xydata()).tolist() for point in points] == [[[1.0, 2.0]], [[10.0, 300.0]]]
    assert (axes.get_xlim(), axes.get_ylim()) == ((plot.x.low, plot.x.high), (plot.y.low, plot.y.high))
    assert (axes.get_xscale(), axes.get_yscale()) == ("linear", "log")


def test_a_plan_has_its_blocks_and_links() -> None:
    plan = KINDS["plan"]
    assert isinstance(plan, Plan)
    patches = painted(plan).axes[0].patches
    assert len(patches) == 1 + len(plan.boxes) + len(plan.crowd) + len(plan.wires)
    assert np.asarray(patches[-1].get_path().vertices).tolist() == [[0.0, 0.0], [9.0, 9.0]]


@pytest.mark.parametrize("kind", ["plot", "plan"])
def test_a_tooltip_s_place_is_not_painted(kind: str) -> None:
    figure = KINDS[kind]
    assert isinstance(figure, Plot | Plan)
    unseen = replace(figure, boxes=(*figure.boxes, Box(1.0, 1.0, 1.0, 1.0, "transparent", "says")))
    assert len(painted(unseen).axes[0].patches) == len(painted(figure).axes[0].patches)


def test_texts_are_no_mathematics_and_settings_stay_as_they_were() -> None:
    before = dict(mpl.rcParams)
    for figure in figures("$x_{1 ^\\frac"):
        save(figure, "png", io.BytesIO())
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("place", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in (1, 2, 3))])
def test_papers_have_figures_of_any_text(place: int) -> None:
    figure = figures("漢字 مرحبا 👩‍👩‍👧 \x1b[31m $\\frac$ \ud800" + "x" * 300)[place]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(figure, "pdf", io.BytesIO())
