"""The study of assumptions halved and doubled: effects by formulas, the tornado as data, and the command."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from archsim.cli import main
from archsim.report.figure import Bars
from archsim.report.files import files_of
from archsim.report.html import page
from archsim.report.markdown import markdown
from archsim.report.terminal import lines
from archsim.results.metrics import HEADLINE
from archsim.spec.loading import load_arch
from archsim.studies import sensitivity
from archsim.studies.sensitivity import (
    MOVED,
    SHOWN,
    STUDY,
    WIDEST,
    Ratios,
    Sensitivity,
    scaled,
)
from tests.report.samples import html_in

CHIP = "ambrogio_nature_2018"
document = STUDY.report
EVIL = "<b>*a*</b> `c` {x} | d"


def ranked(data: dict[str, Any], metric: str) -> list[Ratios]:
    return sensitivity.ranked(Sensitivity.model_validate(data), metric)


def moving(data: dict[str, Any], metric: str) -> list[Ratios]:
    return sensitivity.moving(Sensitivity.model_validate(data), metric)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path, str]:
    """All assumptions of the reference chip on a small network, by the command: its data, folder and words."""
    folder, said = tmp_path_factory.mktemp("sensitivities") / "one", io.StringIO()
    with contextlib.redirect_stdout(said), pytest.raises(SystemExit) as leave:
        main(["sensitivity", CHIP, "mlp_digits", "--examples", "5", "--out", str(folder)])
    assert leave.value.code == 0
    return json.loads((folder / "sensitivity.json").read_text("utf-8")), folder, said.getvalue()


@pytest.fixture(scope="module")
def data(found: tuple[dict[str, Any], Path, str]) -> dict[str, Any]:
    return found[0]


def test_each_assumption_goes_to_the_ends_of_its_range_or_is_halved_and_doubled(data: dict[str, Any]) -> None:
    arch = load_arch(CHIP)
    given = {path for path, own in arch.figures.items() if own.status in ("assumption", "fitted") or own.range}
    varied = [effect["figure"] for effect in data["effects"]]
    assert set(varied) == {path for path in given if path not in arch.zeros() and not path.startswith("published")}
    assert all(varied.count(path) == 2 for path in varied)
    assert all((effect["metrics"] is None) != (effect["refused"] is None) for effect in data["effects"])
    text = {effect["factor"]: effect["value"] for effect in data["effects"] if effect["figure"] == "tile.device.area"}
    assert text == {"x 1/2": scaled("2.34 um2", Fraction(1, 2)), "x 2": "4.68 um2"}
    text = {own["factor"]: own["value"] for own in data["effects"] if own["figure"] == "tile.col_converter.energy"}
    assert text == {"low": "0.33 pJ", "high": "19.4 pJ"}  # its range


def test_effects_are_those_of_the_formulas(data: dict[str, Any]) -> None:
    # Half of the cells' area: 2,097,152 cells x 1.17 um2, and the white space that belongs to them, 1 / (1 - 10 %).
    areas = {path: (low, high) for path, low, high in ranked(data, "area_m2")}
    saved = 2_097_152 * 1.17e-12 / 0.9
    assert areas["tile.device.area"][0] == pytest.approx(1 - saved / data["metrics"]["area_m2"], rel=1e-9)
    # Twice the clock: all whole nanoseconds stay what they are.
    times = {path: (low, high) for path, low, high in ranked(data, "time_per_example_s")}
    assert times["tile.device.area"] == (pytest.approx(1, abs=0.02), pytest.approx(1, abs=0.02))
    assert times["technology.node"] == (1.0, 1.0)


def test_the_widest_come_first_and_what_moves_nothing_is_left_out(data: dict[str, Any]) -> None:
    for metric in HEADLINE:
        widths = [max(abs((ratio or 1.0) - 1) for ratio in row[1:]) for row in ranked(data, metric)]
        assert widths == sorted(widths, reverse=True)
        assert len(moving(data, metric)) == sum(width > MOVED for width in widths)


def test_the_tornado_is_the_ratios(data: dict[str, Any]) -> None:
    figures = document(data).figures()
    assert set(figures) == {metric for metric in HEADLINE if moving(data, metric)}
    for metric, figure in figures.items():
        assert isinstance(figure, Bars)
        assert figure.zero == 1.0
        rows = moving(data, metric)[:SHOWN]
        assert [bar.label.split(" = ")[0] for bar in figure.bars] == [path for path, *_ in rows]
        for bar, (_, *ratios) in zip(figure.bars, rows, strict=True):
            ends = {piece.strip[0]: (piece.start, piece.start + piece.length) for piece in bar.pieces}
            assert all(piece.strip[1] == 2 and piece.tip for piece in bar.pieces)
            assert set(ends) == {place for place, ratio in enumerate(ratios) if ratio is not None}
            for place, (low, high) in ends.items():
                assert (low, high) == pytest.approx(sorted((1.0, ratios[place] or 0.0)), rel=1e-12)
                assert figure.axis.low < low <= high < figure.axis.high


def test_tables_hold_every_figure_and_show_those_that_move(data: dict[str, Any]) -> None:
    tables = document(data).tables()
    assert set(tables) == {*HEADLINE, "widest"}
    for metric in HEADLINE:
        assert [(row[0], *row[3:]) for row in tables[metric].rows] == ranked(data, metric)
        assert [row[0] for row in tables[metric].read] == [path for path, *_ in moving(data, metric)[:SHOWN]]
        own = [row[1:] for row in tables["widest"].rows if row[1:] in ranked(data, metric)]
        assert own[:1] == moving(data, metric)[:1]
    assert len(tables["widest"].rows) == sum(min(WIDEST, len(moving(data, metric))) for metric in HEADLINE)


def test_a_metric_that_nothing_moves_and_a_value_that_is_refused_are_said(data: dict[str, Any]) -> None:
    still = copy.deepcopy(data)
    for effect in still["effects"]:
        if effect["metrics"] is not None:
            effect["metrics"]["area_m2"] = still["metrics"]["area_m2"]
    still["effects"][0].update(metrics=None, refused="it cannot be", value="3 kg")
    shown = document(still)
    assert "area_m2" not in shown.figures()
    text = markdown(shown)
    assert "No assumption moves it by more than 0.05 %." in text
    assert "(3 kg): it cannot be" in text
    refused = sum(effect["refused"] is not None for effect in still["effects"])
    assert f"{refused} value" in "\n".join(lines(shown))


def test_the_command_writes_what_its_data_shows_and_prints_what_is_widest(
    found: tuple[dict[str, Any], Path, str],
) -> None:
    data, folder, said = found
    files = {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*.*")}
    assert data["command"] == f"archsim sensitivity {CHIP} mlp_digits --examples 5"
    del files["sensitivity.json"], files["run.yaml"]
    assert files == files_of(document(data))
    assert {"sensitivity.html", "sensitivity.md", "tables/widest.csv", "figures/area_m2.svg"} <= set(files)
    assert "tile.device.area" in said
    assert "sensitivity.html" in said


def test_hostile_names_are_text(data: dict[str, Any]) -> None:
    evil = copy.deepcopy(data)
    evil["arch"]["name"] = evil["command"] = EVIL
    for effect in evil["effects"]:
        effect["given"] = EVIL
        effect["refused"] = effect["refused"] and EVIL
    shown = document(evil)
    assert "<b>*" not in page(shown)
    assert not html_in(markdown(shown))
    for metric in shown.figures():
        ET.fromstring(files_of(shown)[f"figures/{metric}.svg"])
        break
