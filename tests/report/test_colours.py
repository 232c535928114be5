"""Colours: in dark each is told from the paper, and what is quiet in light is so in dark."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.report.bars import WHOLE
from archsim.report.beside import BEYOND, WIDTHS
from archsim.report.colours import COLOURS, CYCLE, DARK_PAPER, LEAST_CONTRAST, QUIET, contrast, in_dark
from archsim.report.html import dark, drawn

CSS = (files("archsim.report") / "templates" / "page.css").read_text("utf-8")


@given(st.sampled_from([*COLOURS.values(), *CYCLE, WHOLE]) | st.from_regex(r"\A#[0-9a-f]{6}\Z"))
def test_a_colour_is_told_from_the_paper_in_dark(tone: str) -> None:
    if tone not in QUIET:
        assert contrast(in_dark(tone), DARK_PAPER) >= LEAST_CONTRAST
        assert (in_dark(tone) == tone) == (contrast(tone, DARK_PAPER) >= LEAST_CONTRAST)


def test_the_paper_is_the_page_s() -> None:
    assert f"--paper: {DARK_PAPER}" in CSS


@pytest.mark.parametrize("tone", QUIET)
def test_what_is_quiet_is_near_the_paper(tone: str) -> None:
    assert contrast(tone, "#ffffff") < 2
    assert contrast(in_dark(tone), DARK_PAPER) < 2


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=5e-3)  # WebAIM's contrast checker


def test_a_page_says_the_second_colour_only_where_there_is_one() -> None:
    assert dark("#e0a526", "background") == ""
    assert dark("#000000", "background") == f";background:light-dark(#000000,{in_dark('#000000')})"
    assert drawn("#e0a526", "fill") == 'fill="#e0a526"'
    assert drawn("#000000", "fill") == f'fill="#000000" style="fill:light-dark(#000000,{in_dark("#000000")})"'
    assert drawn('"><b', "fill") == 'fill="&#34;&gt;&lt;b"'


def test_an_axis_hides_texts_at_each_width_that_the_page_knows() -> None:
    known = {int(width) for width in re.findall(r"\.below(\d+) \{ display: none", CSS)}
    assert known == set(WIDTHS[:-1])
    left, right = BEYOND
    assert f"-1cqw - {left:g}rem".replace(" 0.", " .") in CSS
    assert f"1cqw + {right:g}rem - 100%" in CSS
