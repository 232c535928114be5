"""Quantities: exact parsing, ranges, whole cycles, and figures for readers."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic_core import PydanticCustomError

from archsim.base import field_units, units
from archsim.base.field_units import read_unit
from archsim.base.section import yaml_key
from archsim.base.shipped import builtin_names
from archsim.base.units import (
    Dimension,
    _registry,
    _scale_by_pint,
    cycles,
    engineering,
    parse_number,
    parse_quantity,
    unit_scale,
)
from archsim.baselines.gpus import load_gpus
from archsim.spec.loading import load_arch
from archsim.workload import load_workload

# SI brochure, 9th edition, table 7.
PREFIXES = {"f": -15, "p": -12, "n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12}
TYPES = {
    name: mark
    for name, declared in vars(units).items()
    for mark in getattr(declared, "__metadata__", ())
    if isinstance(mark, Dimension)
}
decimals = st.decimals(min_value=-(10**9), max_value=10**9, places=6, allow_nan=False, allow_infinity=False)
number_texts = st.one_of(
    decimals.map(str),
    st.builds(lambda d, e: f"{d}e{e}", st.integers(0, 9999).map(str), st.integers(-30, 30)),
)


def refused(mark: Dimension, value: object) -> str:
    with pytest.raises(PydanticCustomError) as caught:
        mark.read(value)
    return str(caught.value)


# ---- numbers and units


@given(number_texts, st.sampled_from(sorted(PREFIXES)), st.sampled_from(["s", "J", "V", "F", "Hz", "W", "m", "S"]))
def test_number_times_prefix_is_exact(number: str, prefix: str, si: str) -> None:
    # Decimal arithmetic by the decimal module is exact here: at most 16 digits and a shift of the exponent.
    expected = Decimal(number).scaleb(PREFIXES[prefix])
    assert parse_quantity(f"{number} {prefix}{si}", si) == Fraction(expected)


@given(number_texts, st.sampled_from(["", " ", "  \t"]), st.sampled_from(["", " ", "\n"]))
def test_white_space_around_number_and_unit_means_nothing(number: str, between: str, around: str) -> None:
    assert parse_quantity(f"{around}{number}{between}ns{around}", "s") == parse_quantity(f"{number} ns", "s")


@pytest.mark.parametrize(
    ("text", "si", "expected"),
    [
        ("2.34 um2", "m**2", Fraction(234, 10**14)),  # (1e-6 m)^2 = 1e-12 m2
        ("2.34 um^2", "m**2", Fraction(234, 10**14)),
        ("2.34 um**2", "m**2", Fraction(234, 10**14)),
        ("1 mm2", "m**2", Fraction(1, 10**6)),
        ("1 µs", "s", Fraction(1, 10**6)),
        (".5 ns", "s", Fraction(1, 2 * 10**9)),
        ("5. ns", "s", Fraction(5, 10**9)),
        ("6.4 GB/s", "bit/s", Fraction(512 * 10**8)),  # 8 bits to a byte, decimal giga
        ("150 ps/mm", "s/m", Fraction(150, 10**9)),
        ("40.4 fJ/bit/mm", "J/bit/m", Fraction(404, 10**13)),
        ("28065 GOP/s/W", "op/s/W", Fraction(28065 * 10**9)),
        ("3.6 TOP/s/mm2", "op/s/m**2", Fraction(36 * 10**17)),
        ("0", "s", Fraction(0)),  # zero needs no unit
        ("-1 ns", "s", Fraction(-1, 10**9)),
    ],
)
def test_derived_units_are_exact(text: str, si: str, expected: Fraction) -> None:
    assert parse_quantity(text, si) == expected


@given(st.sampled_from(sorted(PREFIXES)), st.sampled_from(sorted(set(units.UNITS) - {"s", ""})))
def test_a_time_is_in_no_other_dimension(prefix: str, si: str) -> None:
    assert unit_scale(f"{prefix}s", si) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1 pJ", "'pJ' is not a unit of time"),
        ("1 qux", "'qux' is not a unit of time"),
        ("1 s s", "'s s' is not a unit of time"),
        ("1", "'1' has no unit"),
        ("0.5", "'0.5' has no unit"),
        ("12:30 s", "':30 s' is not a unit of time"),
        ("1_0 s", "'_0 s' is not a unit of time"),
        ("nan s", "'nan s' is not a number with a unit"),
        ("inf s", "'inf s' is not a number with a unit"),
        ("--1 s", "'--1 s' is not a number with a unit"),
        ("ns", "'ns' is not a number with a unit"),
        ("", "'' is not a number with a unit"),
        ("1e99 s", "'1e99': 99 as the power of ten of a number, above the limit of 60"),
        ("1e-99 s", "'1e-99': 99 as the power of ten of a number, above the limit of 60"),
    ],
)
def test_what_is_no_time_is_refused_with_the_reason(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        parse_quantity(text, "s")


@pytest.mark.parametrize("text", ["nan", "NaN", "sNaN", "inf", "-Infinity", "1e99", "1e999999999999", "", "x", "1 2"])
def test_plain_numbers_are_finite_and_in_proportion(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number|is not finite|out of all proportion"):
        parse_number(text)


# ---- fields


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_example_in_the_description_can_be_given(name: str) -> None:
    mark = TYPES[name]
    examples = re.findall(r"for example '([^']+)'", mark.describe())
    assert bool(examples) is not mark.whole
    for text in (part for example_ in examples for part in example_.split(" or ")):
        value = mark.read(text)
        if text.endswith("%"):
            assert value == float(Fraction(text.removesuffix("%").strip()) / 100)
        elif mark.si:
            assert Fraction(value) == pytest.approx(float(parse_quantity(text, mark.si)), rel=1e-15)
        else:
            assert value == float(text)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_every_unit_has_a_suffix_that_the_yaml_key_loses(name: str) -> None:
    if TYPES[name].si:
        assert yaml_key(f"thing_{units.UNITS[TYPES[name].si].suffix}") == "thing"


@pytest.mark.parametrize("name", sorted(TYPES))
@pytest.mark.parametrize("value", [True, False, None, [], {}, float("nan"), float("inf"), "nan", "inf", "1e99", "x"])
def test_no_field_takes_what_is_not_a_finite_quantity(name: str, value: object) -> None:
    assert f"give {TYPES[name].describe()}" in refused(TYPES[name], value)


@pytest.mark.parametrize("name", sorted(name for name in TYPES if TYPES[name].si))
@pytest.mark.parametrize("unit", ["", " kg", " qux"])
def test_no_field_takes_a_wrong_or_missing_unit(name: str, unit: str) -> None:
    message = refused(TYPES[name], f"1{unit}")
    assert ("has no unit" if not unit else f"'{unit.strip()}' is not a unit of") in message


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_upper_limit_itself_is_allowed_as_text(name: str) -> None:
    mark = TYPES[name]
    limit = mark.read(f"{mark.most:g} {mark.si.replace('**', '')}")
    assert limit == (Fraction(repr(mark.most)) if mark.exact else mark.most)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_just_above_the_upper_limit_is_refused(name: str) -> None:
    mark = TYPES[name]
    above = Fraction(repr(mark.most)) * (1 + Fraction(1, 10**12)) if not mark.whole else Fraction(mark.most) + 1
    assert "is out of range; give" in refused(mark, above)


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_lower_limit_is_allowed_exactly_where_the_description_says_so(name: str) -> None:
    mark, least = TYPES[name], Fraction(TYPES[name].least)
    if mark.above:
        assert f"above {mark.least:g}" in mark.describe()
        assert "is out of range" in refused(mark, least)
        assert mark.read(least + Fraction(1, 10**50)) > 0
    else:
        assert f"{mark.least:g} or more" in mark.describe()
        assert mark.read(least) == least
        below = least - (1 if mark.whole else Fraction(1, 10**50))
        assert "is out of range" in refused(mark, below)


@given(st.integers(1, 10**9))
def test_whole_counts_are_read_from_every_way_to_write_them(count: int) -> None:
    mark = TYPES["Count"]
    for given_ in (count, str(count), f"{count:_}", f"{count}.0", f"{count}e0", float(count), f" {count} "):
        read = mark.read(given_)
        assert (read, type(read)) == (count, int)


@pytest.mark.parametrize("value", ["1.5", 1.5, Fraction(3, 2), "10 %", "15e-1"])
def test_a_fraction_is_not_a_count(value: object) -> None:
    assert f"'{value}' is not a whole number" in refused(TYPES["Count"], value)


@given(st.integers(0, 9500))
def test_percent_is_a_hundredth(hundredths: int) -> None:
    percent = Decimal(hundredths) / 100
    text = f"{percent} %" if hundredths != 9500 else "94.99 %"  # the limit itself has its own test
    assert TYPES["Share"].read(text) == float(Fraction(text.removesuffix(" %")) / 100)


@given(st.integers(1, 10**12))
def test_times_stay_exact_and_energies_are_the_nearest_float(count: int) -> None:
    time, energy = TYPES["Time"].read(f"{count} fs"), TYPES["Energy"].read(f"{count} aJ")
    assert (time, type(time)) == (Fraction(count, 10**15), Fraction)
    assert (energy, type(energy)) == (float(Fraction(count, 10**18)), float)


def test_a_float_from_code_means_the_decimal_that_it_shows() -> None:
    # 0.1 in binary is 0.1000000000000000055...; repr gives the shortest decimal that reads back.
    assert TYPES["Time"].read(0.1) == Fraction(1, 10)


# ---- cycles


def test_61_ns_at_1_ghz_is_61_cycles_though_floats_say_62() -> None:
    assert math.ceil(61e-9 * 1e9) == 62  # binary rounding, the trap
    assert cycles(parse_quantity("61 ns", "s"), parse_quantity("1 GHz", "Hz")) == 61


@given(
    st.fractions(min_value=0, max_value=1, max_denominator=10**15),
    st.fractions(min_value=Fraction(1, 10**3), max_value=10**13, max_denominator=10**6),
)
def test_cycles_are_the_fewest_that_last_long_enough(time: Fraction, clock: Fraction) -> None:
    count = cycles(time, clock)
    assert (count - 1) / clock < time <= count / clock


@given(st.integers(0, 10**9), st.integers(1, 10**13))
def test_whole_cycles_are_not_rounded(count: int, clock: int) -> None:
    assert cycles(Fraction(count, clock), Fraction(clock)) == count
    assert cycles(Fraction(count, clock) + Fraction(1, 10**40), Fraction(clock)) == count + 1


# ---- figures for readers


@given(
    st.floats(1e-18, 9.99e17) | st.floats(-9.99e17, -1e-18),
    st.sampled_from(["s", "J", "W", "V", "F"]),
    st.integers(1, 8),
)
def test_engineering_reads_back_within_its_digits(value: float, unit: str, digits: int) -> None:
    text = engineering(value, unit, digits)
    # n significant digits are off by half a unit of the last: 0.5 x 10^(1 - n) relative at most; 3 digits stand
    # before the point whatever n is, and then the error is half a unit of the figure, below the same share.
    assert float(parse_quantity(text.replace(",", ""), unit)) == pytest.approx(value, rel=0.501 * 10.0 ** (1 - digits))


@given(st.floats(1e-15, 1.0))
def test_engineering_areas_read_back_within_four_digits(value: float) -> None:
    text = engineering(value, "m2")
    assert float(parse_quantity(text.replace(",", ""), "m**2")) == pytest.approx(value, rel=0.501e-3)


@given(st.floats(1e-18, 9.99e17))
@example(0.99999)
def test_engineering_keeps_the_figure_below_a_thousand(value: float) -> None:
    assert 1 <= float(engineering(value, "s").split()[0].replace(",", "")) < 1000


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "s", "-"),
        (0.0, "J", "0 J"),
        (1.55e-10, "s", "155 ps"),
        (-3e-9, "s", "-3 ns"),
        (2.34e-12, "m2", "2.34 um2"),
    ],
)
def test_engineering_of_plain_cases(value: float | None, unit: str, text: str) -> None:
    assert engineering(value, unit) == text


# ---- metrics


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("efficiency_peak_op_per_j", "28065 GOP/s/W", 28065e9),
        ("throughput_per_area_peak_op_per_s_m2", "3.6 TOP/s/mm2", 3.6e18),  # 1e12 over 1e-6
        ("time_per_example_s", "240 ns", 2.4e-7),
        ("tile_utilisation", "35 %", 0.35),
        ("tile_utilisation", "0.35", 0.35),
    ],
)
def test_metrics_carry_the_unit_that_their_name_says(name: str, text: str, expected: float) -> None:
    assert units.parse_metric(name, text) == pytest.approx(expected, rel=1e-15)


def test_a_metric_in_another_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="'ns' is not a unit of efficiency"):
        units.parse_metric("efficiency_peak_op_per_j", "240 ns")


def test_each_unit_of_the_field_with_each_prefix_is_what_pint_says() -> None:
    # Origin: pint's own definitions, with bits and operations as dimensions of their own.
    prefixes = ["", *(word for name, (symbol, _) in field_units.PREFIXES.items() for word in (name, symbol))]
    names = [name for same in field_units.UNITS for name in same]
    pint = _registry()
    bases = {"kg": "kilogram"}
    for unit in (prefix + name for prefix in prefixes for name in names):
        own = read_unit(unit)
        assert own is not None, unit
        wanted = pint.parse_units(" * ".join(f"{bases.get(base, base)}**{n}" for base, n in own.powers.items()))
        assert pint.Quantity(Fraction(1), pint.parse_units(unit)).to(wanted).magnitude == own.scale, unit


powers_of_units = st.tuples(st.sampled_from("*/"), st.sampled_from(["fJ", "mm", "ns", "B", "TOP", "uW", "1"]),
                            st.sampled_from(["", "**2", " ** 3", "^2"]))  # fmt: skip


@given(st.lists(powers_of_units, min_size=1, max_size=4))
def test_products_of_units_are_what_pint_says(parts: list[tuple[str, str, str]]) -> None:
    text = "".join(f"{sign}{name}{power}" for sign, name, power in parts)
    text = text[1:] if text[0] == "*" else f"1{text}"
    given_unit = read_unit(text.replace("^", "**"))
    assert given_unit is not None
    si = "*".join(f"{base}**{n}" for base, n in given_unit.powers.items() if n > 0) or "1"
    si += "".join(f"/{base}**{-n}" for base, n in given_unit.powers.items() if n < 0)
    assert unit_scale(text, si) == _scale_by_pint(text.replace("^", "**"), si)


def test_bits_are_a_dimension_of_their_own() -> None:
    assert unit_scale("GB/s", "bit/s") == 8 * 10**9
    assert unit_scale("GB/s", "Hz") is None
    assert unit_scale("GOP", "bit") is None


def test_no_shipped_file_has_units_for_which_pint_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    # To import pint and to read its registry takes longer than to simulate a run.
    asked: list[str] = []
    monkeypatch.setattr(units, "_scale_by_pint", lambda unit, si: asked.append(unit))
    unit_scale.cache_clear()
    for name in builtin_names("arch_specs"):
        load_arch(name)
    for name in builtin_names("workloads"):
        load_workload(name)
    load_gpus()
    unit_scale.cache_clear()
    assert asked == []


def test_other_units_are_found_in_the_whole_registry() -> None:
    assert unit_scale("eV", "J") == pytest.approx(Fraction("1.602176634e-19"))  # exact since 2019, SI brochure
    assert unit_scale("min", "s") == 60
    assert unit_scale("KiB/s", "bit/s") == 8 * 1024  # IEC 80000-13
    assert unit_scale("KiB", "J") is None
    assert unit_scale("furlongs per fortnight", "m") is None
