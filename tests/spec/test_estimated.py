"""Figures by estimate: they follow what they are of, with range, source and status, and what is wrong is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from archsim.base.errors import SpecError
from archsim.estimates import ESTIMATORS
from archsim.spec.loading import load_arch
from tests.spec.test_figure_ranges import arch, at

CONVERTER = "tile: {col_converter: {energy: {estimate: adc_energy, of: {rate: 100 MHz}, note: mine}}}"
MEMORY = "tile: {memory: {energy: {estimate: sram_energy, of: {size: 8 KB, width: 64}}}}"


def test_an_estimate_is_that_of_its_estimator_at_the_part_s_own_bits_and_the_chip_s_node(tmp_path: Path) -> None:
    loaded = load_arch(arch(tmp_path, CONVERTER))
    wanted = ESTIMATORS["adc_energy"].estimate(bits=8, rate=1e8, node=32e-9)
    figure, (own,) = loaded.figures["tile.col_converter.energy"], at(loaded, "col_converter.energy")
    assert loaded.value.tile.col_converter.energy_j == pytest.approx(wanted.value, rel=1e-5)
    assert (own.low, own.high) == pytest.approx((wanted.low, wanted.high), rel=1e-5)
    assert (own.name, own.lognormal) == ("adc_energy", True)
    assert (figure.status, figure.note) == ("estimated", "mine")
    assert figure.source.startswith("adc_energy of bits 8, rate 100 MHz, node 32 nm: B. Murmann")


def test_it_follows_what_is_set(tmp_path: Path) -> None:
    loaded = load_arch(arch(tmp_path, CONVERTER))
    for setting, given in (
        ("tile.col_converter.bits=6", {"bits": 6.0}),
        ("technology.node=65 nm", {"node": 65e-9}),
        ("tile.col_converter.energy.of.rate=10 ns", {}),  # the time of a period
        ("tile.col_converter.energy.of.bits=10", {"bits": 10.0}),
    ):
        own = loaded.with_overrides([setting]).value.tile.col_converter
        wanted = ESTIMATORS["adc_energy"].estimate(**{"bits": 8.0, "rate": 1e8, "node": 32e-9, **given})
        assert own.energy_j == pytest.approx(wanted.value, rel=1e-5)
    assert loaded.with_overrides(["tile.col_converter.energy=1 pJ"]).figures[
        "tile.col_converter.energy"].status == "assumption"  # fmt: skip


def test_a_file_that_is_written_again_keeps_the_estimate(tmp_path: Path) -> None:
    loaded = load_arch(arch(tmp_path, CONVERTER))
    again = tmp_path / "again.yaml"
    again.write_text(loaded.document(), encoding="utf-8")
    assert "estimate: adc_energy" in again.read_text("utf-8")
    assert (load_arch(again).value, load_arch(again).figures) == (loaded.value, loaded.figures)


def test_each_variant_s_estimate_is_of_its_own_choices(tmp_path: Path) -> None:
    loaded = load_arch(arch(tmp_path, CONVERTER, "variants: {small: {count: 1, col_converter: {bits: 5}}}"))
    big, small = (own.col_converter.energy_j for _, own in loaded.value.tile_kinds)
    assert small < big
    assert {own.name for own in at(loaded, "col_converter.energy")} == {"adc_energy"}  # one draw for both


def test_with_scaling_an_estimate_says_of_what_node_it_is(tmp_path: Path) -> None:
    scaling = "scaling: {reference: 45 nm, target: 14 nm}"
    with pytest.raises(SpecError, match=r"memory.energy.of: an estimate at the chip's node would be scaled"):
        load_arch(arch(tmp_path, MEMORY, scaling))
    loaded = load_arch(arch(tmp_path, MEMORY.replace("width: 64", "width: 64, node: 45 nm"), scaling))
    wanted = ESTIMATORS["sram_energy"].estimate(size=8192, width=64, node=45e-9)
    factor = loaded.marks["tile.memory.energy"].factor
    assert loaded.value.tile.memory.energy_j == pytest.approx(wanted.value * factor, rel=1e-5)
    assert at(loaded, "memory.energy")[0].high == pytest.approx(wanted.high * factor, rel=1e-5)


@pytest.mark.parametrize(
    ("figure", "says"),
    [
        ("{estimate: adc_enrgy}", "energy.estimate: 'adc_enrgy' is not an estimator; did you mean 'adc_energy'"),
        ("{estimate: adc_energy}", "energy.of.rate: 'rate' is missing: conversions per second; allowed: 100 kHz to 10"),
        (
            "{estimate: adc_energy, of: {rate: 1 THz}}",
            "of.rate: 'rate' of 1 THz is outside of what adc_energy is valid",
        ),
        ("{estimate: adc_energy, of: {rate: 1 GHz, bits: 20}}", "of.bits: 'bits' of 20 is outside"),
        ("{estimate: adc_energy, of: {rate: 1 pJ}}", "of.rate: 'pJ' is not a unit of frequency; allowed: 100 kHz"),
        ("{estimate: adc_energy, of: {rte: 1 GHz}}", "of.rte: 'rte' is no parameter of adc_energy"),
        ("{estimate: adc_energy, of: 3}", "energy.of: is not a mapping; give what it is of"),
        ("{estimate: adc_energy, of: {rate: 1 GHz}, value: 3 pJ}", "energy.value: an estimate has no such key"),
        ("{estimate: adc_area, of: {rate: 1 GHz}}", "'mm2' is not a unit of energy"),
    ],
)
def test_what_is_wrong_with_an_estimate_is_told_with_its_place(tmp_path: Path, figure: str, says: str) -> None:
    with pytest.raises(SpecError, match=says):
        load_arch(arch(tmp_path, f"tile: {{col_converter: {{energy: {figure}}}}}"))


GIVEN = (
    "{estimate: at_supply, of: {energy: {value: 9 pJ, range: [6 pJ, 12 pJ], source: a paper, status: %s}, "
    "given_at: %s}}"
)


@pytest.mark.parametrize(("supply", "expected"), [("0.5 V", 9e-12 / 4), ("1 V", 9e-12), ("1.2 V", 9e-12 * 1.44)])
def test_an_energy_given_at_one_supply_follows_it_and_keeps_its_source_and_range(supply: str, expected: float) -> None:
    sets = [f"technology.supply={supply}", f"tile.col_converter.energy={GIVEN % ('quoted', '1 V')}"]
    chip = load_arch("khaddam_jssc_2022", sets)
    assert chip.value.tile.col_converter.energy_j == pytest.approx(expected, rel=1e-5)
    figure = chip.figures["tile.col_converter.energy"]
    assert (figure.status, figure.estimate) == ("derived", "")
    assert figure.source == f"a paper: 9 pJ; energy x (supply / given_at)^2, given_at 1 V, supply {supply}"
    (own,) = (each for each in chip.ranges if each.path == "tile.col_converter.energy")
    assert (own.low / own.value, own.high / own.value) == pytest.approx((2 / 3, 4 / 3), rel=1e-5)
    assert not own.lognormal


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (GIVEN % ("quoted", "9 V"), r"'given_at' of 9 V is outside .* allowed: 200 mV to 5 V"),
        (GIVEN % ("quoted", "1 nJ"), r"given_at: .*allowed: 200 mV to 5 V"),
        ("{estimate: at_supply, of: {given_at: 1 V}}", r"'energy' is missing: the energy as it was given"),
        ("{estimate: at_supply, of: {energy: 9 pJ}}", r"'given_at' is missing"),
        (
            "{estimate: at_supply, of: {energy: {value: 9 pJ, range: [10 pJ, 12 pJ]}, given_at: 1 V}}",
            "excludes the value",
        ),
    ],
)
def test_an_energy_that_cannot_follow_the_supply_is_told(text: str, words: str) -> None:
    with pytest.raises(SpecError, match=words):
        load_arch("khaddam_jssc_2022", [f"tile.col_converter.energy={text}"])


@pytest.mark.parametrize(
    ("status", "now"), [("assumption", "assumption"), ("fitted", "fitted"), ("stand-in", "stand-in")]
)
def test_what_is_no_figure_of_the_chip_does_not_become_one_by_its_supply(status: str, now: str) -> None:
    chip = load_arch("khaddam_jssc_2022", [f"tile.col_converter.energy={GIVEN % (status, '1 V')}"])
    assert chip.figures["tile.col_converter.energy"].status == now
