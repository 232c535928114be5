"""Memories, logic and wires: figures of Horowitz, Aladdin, CACTI, PUMA and Ho."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.estimates import ESTIMATORS, Estimate
from archsim.estimates.logic import disagreement
from archsim.estimates.technology import (
    SUPPLIES_V,
    area_factor,
    energy_factors,
    interpolated,
    nominal_supply_v,
)

nodes = st.floats(7e-9, 130e-9)


def estimate(name: str, **given_: float | str) -> Estimate:
    return ESTIMATORS[name].estimate(**given_)


def at_horowitz(found: Estimate) -> tuple[float, float, float]:
    """Return a figure of 45 nm as at 0.9 V: by hand 1.018 V^2 - 0.3107 V + 0.1539 is 0.69885, and 0.8612 at 1 V."""
    scale = 0.69885 / 0.8612
    return found.low * scale, found.value * scale, found.high * scale


# ---- nodes


def test_energy_of_nodes_by_hand() -> None:
    # 14 nm at 0.8 V 0.096222 (test_scaling has the sum), 45 nm at 0.9 V 0.69885; low-power 0.07847 and 0.84433
    fast, low, high = energy_factors(14e-9)
    assert fast == pytest.approx(0.096222 / 0.69885, rel=1e-3)
    assert (low, high) == (pytest.approx(0.07847 / 0.84433 / fast, rel=1e-3), 1.0)


def test_area_of_nodes_is_the_papers() -> None:
    assert [area_factor(1e-9 * nm) for nm in (90, 45, 32, 14, 7)] == pytest.approx([2.8, 1, 0.46, 0.17, 0.059])


@given(nodes, nodes)
def test_smaller_nodes_take_less(one: float, other: float) -> None:
    small, large = sorted((one, other))
    assert energy_factors(small)[0] <= energy_factors(large)[0]
    assert area_factor(small) <= area_factor(large)


@pytest.mark.parametrize("nm", SUPPLIES_V)
def test_supplies_are_those_of_the_table(nm: int) -> None:
    assert nominal_supply_v(1e-9 * nm) == pytest.approx(SUPPLIES_V[nm])


@given(st.floats(7, 130))
def test_what_lies_between_lies_between(nm: float) -> None:
    assert min(SUPPLIES_V.values()) <= interpolated(nm, SUPPLIES_V) * (1 + 1e-12)
    assert interpolated(nm, SUPPLIES_V) <= max(SUPPLIES_V.values()) * (1 + 1e-12)


# ---- memories


@pytest.mark.parametrize(("size", "pj"), [(8192, 10.0), (32768, 20.0), (1048576, 100.0)])
def test_horowitz_memories_are_inside(size: int, pj: float) -> None:
    low, _, high = at_horowitz(estimate("sram_energy", size=size, width=64, node=45e-9))
    assert low < 1e-12 * pj < high


@pytest.mark.parametrize("pj", [6.137, 5.288])
def test_memories_of_cacti_are_inside(pj: float) -> None:
    # CACTI 7, 8 KB, 64 b, 45 nm at 1.0 (high performance) and 1.1 V (low standby power), read
    found = estimate("sram_energy", size=8192, width=64, node=45e-9)
    assert found.low < 1e-12 * pj < found.high


def test_isaacs_memory_is_inside() -> None:
    # ISAAC: 64 KB, 256 b, 32 nm, 20.45 pJ; an embedded DRAM
    found = estimate("sram_energy", size=65536, width=256, node=32e-9)
    assert found.low < 20.45e-12 < found.high
    assert 20.45e-12 / found.value == pytest.approx(0.76, abs=0.01)


def test_area_of_memories() -> None:
    # CACTI 7, 8 KB, 64 b, 45 nm: 0.0263 mm2; PUMA, 8 KB, 32 nm: 0.016 mm2
    cacti = estimate("sram_area", size=8192, width=64, node=45e-9)
    puma = estimate("sram_area", size=8192, width=64, node=32e-9)
    assert cacti.low * 0.99 < 0.0263e-6 < cacti.high
    assert puma.low < 0.016e-6 < puma.high


@given(st.floats(1024, 524288), st.floats(32, 256), nodes)
def test_memory_is_a_power_law_of_size(size: float, width: float, node: float) -> None:
    small, large = (estimate("sram_energy", size=each, width=width, node=node).value for each in (size, 2 * size))
    assert large / small == pytest.approx(2**0.5291)
    wide = estimate("sram_area", size=2 * size, width=width, node=node).value
    assert wide / estimate("sram_area", size=size, width=width, node=node).value == pytest.approx(2**0.9643)


# ---- logic


@pytest.mark.parametrize(
    ("operation", "pj"),
    [
        ("int8_add", 0.03),
        ("int8_mul", 0.2),
        ("int32_add", 0.1),
        ("fp16_add", 0.4),
        ("fp16_mul", 1.1),
        ("fp32_mul", 3.7),
    ],
)
def test_horowitz_operations(operation: str, pj: float) -> None:
    assert at_horowitz(estimate("logic_energy", operation=operation, node=45e-9))[1] == pytest.approx(
        1e-12 * pj, rel=1e-3
    )


@pytest.mark.parametrize(("operation", "pj"), [("register_bit", 0.009), ("compare", 0.02947), ("count", 0.25074)])
def test_aladdins_operations(operation: str, pj: float) -> None:
    assert estimate("logic_energy", operation=operation, node=40e-9).value == pytest.approx(1e-12 * pj)


def test_spread_of_logic_is_from_where_sources_disagree() -> None:
    # Aladdin's adder is 2.12 and its multiplier 4.13 times Horowitz's at 45 nm, ISAAC's adder of 16 b 0.64 times:
    # sqrt((0.751^2 + 1.418^2 + 0.443^2) / 6) = 0.679; exp(1.2816 x 0.679) = 2.39
    assert disagreement() == pytest.approx(2.39, rel=5e-3)
    adder = estimate("logic_energy", operation="int32_add", node=40e-9)
    assert adder.value < 0.21e-12 < adder.high


# ---- wires


@pytest.mark.parametrize(("nm", "pf_per_mm"), [(100, 0.403), (50, 0.345), (35, 0.315), (25, 0.288), (13, 0.247)])
def test_wires_are_charged_by_a_quarter_of_bits(nm: int, pf_per_mm: float) -> None:
    found = estimate("wire_energy", length=1e-3, swing=1.0, node=1e-9 * nm)
    assert found.value == pytest.approx(0.25e-12 * pf_per_mm)


@given(st.floats(1e-6, 0.02), st.floats(0.05, 0.6), st.floats(13e-9, 100e-9))
def test_wires_go_by_length_and_by_the_square_of_the_swing(length: float, swing: float, node: float) -> None:
    one = estimate("wire_energy", length=length, swing=swing, node=node)
    other = estimate("wire_energy", length=2 * length, swing=2 * swing, node=node)
    assert other.value == pytest.approx(8 * one.value)
    assert other.high == pytest.approx(8 * one.high)


def test_full_swing_is_the_nominal_supply() -> None:
    full = estimate("wire_energy", length=1e-3, swing="full", node=45e-9)
    assert full == estimate("wire_energy", length=1e-3, swing=nominal_supply_v(45e-9), node=45e-9)
    # CACTI 7 at 45 nm, 1.0 V: 0.249 to 0.438 pJ per mm and swing, of which random bits cause a quarter
    assert full.low < 0.25 * 0.249e-12
    assert full.high > 0.25 * 0.438e-12
