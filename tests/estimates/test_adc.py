"""Converters: the fit's closed form, the regression of Andrulis et al., ISAAC's table, and chips that had no part."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.estimates import ESTIMATORS, Estimate
from archsim.estimates.adc import ISAAC, andrulis_j
from benchmarks.fit_adc_survey import LEFT_OUT

bits = st.integers(5, 12)
rates = st.floats(1e5, 1e10)
nodes = st.floats(7e-9, 180e-9)


def energy(name: str = "adc_energy", **given_: float) -> Estimate:
    return ESTIMATORS[name].estimate(**given_)


def test_energy_is_that_of_the_equation() -> None:
    # 9 bits, 8 effective, where rate and node are those of the fit: 0.1693 pJ x exp(0.4133 x 8) = 4.621 pJ
    found = energy(bits=9, rate=1e8, node=32e-9)
    assert found.value == pytest.approx(4.621e-12, rel=1e-3)
    # factors 0.3208 and 7.318 of the survey, and 0.75 bits: exp(-sqrt(ln 0.3208^2 + 0.31^2)) = 0.308, and 7.50
    assert found.low / found.value == pytest.approx(0.3078, rel=1e-3)
    assert found.high / found.value == pytest.approx(7.498, rel=1e-3)


@given(bits, rates, nodes)
def test_energy_is_a_power_law_of_rate_and_node(b: int, rate: float, node: float) -> None:
    base = energy(bits=b, rate=1e8, node=32e-9).value
    expected = base * (rate / 1e8) ** 0.3408 * (node / 32e-9) ** 1.345
    assert energy(bits=b, rate=rate, node=node).value == pytest.approx(expected)


def test_area_is_that_of_the_equation() -> None:
    # 5 bits, 4 effective, at 300 MS/s and 32 nm: 1442 um2 x exp(0.2143 x 4) x 2^0.96 = 6612 um2
    assert energy("adc_area", bits=5, rate=3e8, node=32e-9).value == pytest.approx(6.612e-9, rel=1e-3)


def test_the_survey_has_kulls_converter_inside() -> None:
    # Kull, ISSCC 2013: 8 b, 1.2 GS/s, 32 nm, 3.06 mW. The survey has 2.55 pJ, 1500 um2 of it
    found = energy(bits=8, rate=1.2e9, node=32e-9)
    assert found.low < 2.55e-12 < found.value


@pytest.mark.parametrize("converter", [each for each in LEFT_OUT if each[-1] == "silicon"], ids=lambda each: each[0])
def test_measured_converters_of_memories_that_had_no_part_are_inside(converter: tuple[object, ...]) -> None:
    _, b, rate, node, joules, *_ = converter
    found = energy(bits=b, rate=rate, node=node)  # type: ignore[arg-type]
    assert found.low < joules < found.high  # type: ignore[operator]


def test_how_many_of_those_left_out_are_inside() -> None:
    # Detects change; the docstring of the module says these figures.
    found = [(each, energy(bits=each[1], rate=each[2], node=each[3])) for each in LEFT_OUT]
    assert sum(own.low < each[4] < own.high for each, own in found if each[4]) == 4
    areas = [(each[5], energy("adc_area", bits=each[1], rate=each[2], node=each[3])) for each in LEFT_OUT if each[5]]
    assert (len(areas), sum(own.low < m2 for m2, own in areas)) == (5, 0)
    ratios = sorted(own.value / m2 for m2, own in areas)
    assert (round(ratios[0]), round(ratios[-1])) == (6, 71)


def test_andrulis_by_hand() -> None:
    # 8 effective bits, 100 MS/s, 14 nm: FOM min(213.781 - 2.87190 x 18.4207, 128.307 + 3.22051 x 8) = 154.071 dB,
    # SNDR 49.926 dB: 1 / (2 x 10^10.4145) = 1.9247e-11; e^(26.0496 + 1.88004 x 2.63906 - 2.82913 x 2.07944 - 1.47020)
    # = e^23.658 = 1.881e10: 0.362 pJ
    assert andrulis_j(8, 1e8, 14) == pytest.approx(0.362e-12, rel=2e-3)
    assert energy("adc_energy_best", bits=9, rate=1e8, node=14e-9).value == andrulis_j(8, 1e8, 14)


@pytest.mark.parametrize(
    ("effective", "limit_db"), [(4, 141.18887478379193), (8, 154.0709208277022), (20, 192.71705895943293)]
)
def test_andrulis_limit_by_bits_is_the_table_of_the_model(effective: int, limit_db: float) -> None:
    # max_by_enob in hwcomponents-adc's model.yaml; at a sample a second rate is no limit. 24.5794 is 26.0496 - 1.4702
    sndr_db = 6.0205999 * effective + 1.7609126
    scale_pj = math.exp(24.5794193584 + 1.8800369206815 * math.log(32) - 2.8291256050594527 * math.log(effective))
    expected_j = 1e-12 * scale_pj / 2 / 10 ** ((limit_db - sndr_db) / 10)
    assert andrulis_j(effective, 1.0, 32) == pytest.approx(expected_j, rel=1e-6)


def test_area_of_andrulis_by_hand() -> None:
    # 8 effective bits, 100 MS/s, 14 nm, 0.3622 pJ: e^(1.34619 + 0.99328 x 2.63906 + 0.180715 x 18.4207 - 0.29912 x
    # 1.01556) = e^6.9928 = 1089 um2
    assert energy("adc_area_best", bits=9, rate=1e8, node=14e-9).value == pytest.approx(1089e-12, rel=2e-3)


@given(st.integers(6, 12), st.floats(1e7, 1e9), st.floats(14e-9, 65e-9))
def test_the_best_case_is_below_the_median(b: int, rate: float, node: float) -> None:
    assert energy("adc_energy_best", bits=b, rate=rate, node=node).value < energy(bits=b, rate=rate, node=node).high


@pytest.mark.parametrize(
    ("b", "pj", "um2"),
    [
        (4, 0.79, 361),
        (5, 0.99, 477),
        (6, 1.20, 627),
        (7, 1.42, 845),
        (8, 1.67, 1200),
        (9, 1.97, 1828),
        (10, 2.38, 3002),
    ],
)
def test_isaacs_table(b: int, pj: float, um2: float) -> None:
    assert energy("isaac_adc_energy", bits=b).value == pytest.approx(1e-12 * pj, rel=5e-3)
    assert energy("isaac_adc_area", bits=b).value == pytest.approx(1e-12 * um2, rel=1e-3)


@pytest.mark.parametrize("b", ISAAC)
def test_isaacs_range_reaches_that_of_the_survey(b: int) -> None:
    own, survey = energy("isaac_adc_energy", bits=b), energy(bits=b, rate=1.2e9, node=32e-9)
    assert own.low == min(own.value, survey.low)
    assert math.isclose(own.high, survey.high)
