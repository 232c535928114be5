"""The page beside its peers: it is what its data say, and archsim's side of them is what archsim says today."""

from __future__ import annotations

import importlib.metadata
import re
from typing import Any

import pytest

from archsim.spec.loading import load_arch
from benchmarks import beside_peers
from benchmarks.peers import chips, gpus, networks, zigzag

DATA = beside_peers.read()


def leaves(plain: Any) -> tuple[list[str], list[float]]:
    """Return texts and numbers of a record, in their order."""
    if isinstance(plain, dict | list):
        parts = [leaves(each) for each in (plain.values() if isinstance(plain, dict) else plain)]
        return [text for texts, _ in parts for text in texts], [number for _, own in parts for number in own]
    return ([plain], []) if isinstance(plain, str) else ([], [plain])


def test_the_page_and_its_figures_are_what_the_data_say() -> None:
    again = "run `python -m benchmarks.beside_peers page`"
    for name, text in beside_peers.files(DATA).items():
        assert (beside_peers.FOLDER / name).read_text("utf-8") == text, again


def test_the_page_is_plain_markdown() -> None:
    text = beside_peers.files(DATA)["beside_peers.md"]
    assert len(re.findall(r"^# ", text, re.MULTILINE)) == 1
    assert not re.search(r"<[a-zA-Z/]", text)
    assert not re.search(r"(^|[\s(`])/\w", text)  # no path of a machine


def test_the_parts_given_to_archsim_are_zigzags_formulas() -> None:
    """Of zigzag-dse 3.9.1, imc_unit.py and imc_array.py: 28 nm, 0.9 V, 256 rows, eight bits each."""
    spec = load_arch(str(zigzag.ARCH)).value
    gate_f, supply_v, gate_s, gate_um2, bits = 0.7e-15, 0.9, 0.0478e-9, 0.614, 8
    adder_f, joules = (3 + 2 * 1.5) * gate_f, supply_v**2
    adders = bits * (bits - 1) + bits * (3 - 0.5)  # of a tree over eight columns
    tile, accumulator = spec.tile, spec.tile.accumulator
    assert accumulator is not None
    assert tile.device.read_energy_j == pytest.approx(bits * gate_f / 2 * joules)
    assert tile.array.line_energy_j(1) == pytest.approx(bits * gate_f / 2 * joules)
    assert tile.row_driver.energy_j == pytest.approx(50e-15 * bits * joules)
    assert float(tile.row_driver.window_s) == pytest.approx(gate_s + bits * 0.00653e-9 * 256)
    assert tile.col_converter.energy_j == pytest.approx((100e-15 * bits + 1e-18 * 4**bits) * joules, rel=1e-6)
    assert float(tile.col_converter.conversion_s) == pytest.approx(0.64e-9)
    assert accumulator.energy_j == pytest.approx(adders * adder_f * joules / bits, rel=1e-5)
    xor_s = 2.4 * gate_s
    tree_s = 2 * 2 * xor_s + (xor_s + 2 * gate_s) + (bits - 1) * 2 * gate_s
    assert float(accumulator.step_s) == pytest.approx(tree_s / bits, rel=1e-4)
    assert gate_um2 * bits == pytest.approx(1e12 * tile.device.area_m2)


@pytest.mark.parametrize("coding", zigzag.CODINGS)
def test_archsims_side_of_zigzag_is_what_it_says_today(coding: str) -> None:
    shape = zigzag.LAYERS[-1]
    found = zigzag.in_archsim(shape, coding)
    names = {"reads of arrays": "reads", "cells in use": "used", "a read": "read"}
    names |= {part: own for part, (own, _) in zigzag.PARTS.items()}
    pairs = [each for each in DATA.zigzag.pairs if each.work == f"{shape[0]} x {shape[1]}, {coding}"]
    assert pairs
    for each in pairs:
        assert found[names[each.figure]] == pytest.approx(each.archsim, rel=1e-6), each.figure


def test_parts_agree_with_zigzag_where_all_cells_are_in_use() -> None:
    own = [each for each in DATA.zigzag.pairs if each.work.startswith("256 x 256") and each.figure != "a read"]
    assert len(own) > 10
    assert [each.ratio for each in own] == pytest.approx([1.0] * len(own), rel=1e-4)


def test_archsims_side_of_the_others_is_what_it_says_today() -> None:
    own = dict.fromkeys(row.arch for row in DATA.chips.rows)
    found = chips.Chips(rows=tuple(chips.figures([load_arch(name) for name in own])), bits=chips.throughputs())
    for today, data in ((found, DATA.chips), (gpus.measure(DATA.gpus), DATA.gpus)):
        texts, numbers = leaves(today.plain())
        assert (texts, pytest.approx(numbers)) == leaves(data.plain()), "run `python -m benchmarks.beside_peers`"


def test_packets_are_in_when_they_are_flit_by_flit() -> None:
    assert all(point.differ == 0 for curve in DATA.networks.curves for point in curve.points)
    curve = next(each for each in DATA.networks.curves if each.traffic == "transpose")
    setting = networks.setting_for(curve.topology, curve.traffic)
    assert networks.point(setting, curve.topology, networks.SHARES[0] * setting.bound) == curve.points[0]


def test_without_zigzag_it_says_what_to_install_and_keeps_its_figures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    version = importlib.metadata.version

    def missing(name: str) -> str:
        if name == zigzag.PACKAGE:
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    assert beside_peers.measured(["zigzag"]) == DATA
    assert f"pip install {zigzag.PACKAGE}=={zigzag.VERSION}" in capsys.readouterr().err


def test_another_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert beside_peers.main(["timeloop"]) == 2
    assert "there are zigzag, chips, networks, gpus, and page" in capsys.readouterr().err
