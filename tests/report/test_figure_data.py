"""A figure's data as CSV: all that is drawn, with its values and what its tooltips say."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pytest

from archsim.report.document import Document, Section
from archsim.report.figure import Bars, Figure, Lanes, Plan, Plot
from archsim.report.figure_data import figure_csv
from archsim.report.files import files_of
from tests.report.samples import HOSTILE, everything

MADE = everything("x").figures()


def rows(figure: Figure) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(figure_csv(figure))))


@pytest.mark.parametrize("name", MADE)
def test_all_that_is_drawn_is_there_with_its_tooltip(name: str) -> None:
    figure = MADE[name]
    match figure:
        case Bars():
            tips = [piece.tip for bar in figure.bars for piece in bar.pieces]
        case Plot():
            tips = [dot.tip for own in figure.series for dot in own.dots] + [box.tip for box in figure.boxes]
        case Lanes():
            tips = [own.tip for own in figure.stretches]
        case Plan():
            tips = [own.tip for own in figure.boxes] + [own.tip for own in figure.wires]
    assert tips
    assert [row["says"] for row in rows(figure)] == tips


def test_values_are_those_of_the_axes() -> None:
    plot = MADE["plot"]
    assert isinstance(plot, Plot)
    found = [(float(row[f"x [{plot.x.label}]"]), float(row[f"y [{plot.y.label}]"])) for row in rows(plot)]
    assert found == [(dot.x, dot.y) for own in plot.series for dot in own.dots] + [(b.x, b.y) for b in plot.boxes]
    bars = MADE["bars"]
    assert isinstance(bars, Bars)
    told = [float(row[f"length [{bars.axis.label}]"]) for row in rows(bars)]
    assert told == [piece.length for bar in bars.bars for piece in bar.pieces]


def test_no_text_is_a_formula_to_a_spreadsheet() -> None:
    for figure in everything(f"={HOSTILE}").figures().values():
        assert not any(cell.startswith(("=", "+", "@")) for row in csv.reader(io.StringIO(figure_csv(figure)))
                       for cell in row)  # fmt: skip


@pytest.mark.parametrize(("folder", "data"), [("", "plot_figure.csv"), ("figures/", "figures/plot.csv")])
def test_beside_each_figure_lie_its_data_and_no_table_is_lost(folder: str, data: str) -> None:
    table = replace(next(iter(everything("x").tables().values())), name="plot")
    section = Section("s", "S", (table, MADE["plot"], MADE["bars"]))
    files = files_of(Document("x", (), (section,), (), stem="x", figures_in=folder, tables_in=""))
    assert files["plot.csv"] == table.csv()
    assert files[data] == figure_csv(MADE["plot"])
    assert files[f"{folder}bars.csv"] == figure_csv(MADE["bars"])
