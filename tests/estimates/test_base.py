"""What estimators are made of: ranges, choices, spreads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.base.plugin_loading import using
from archsim.estimates.base import ESTIMATORS, Estimate, Estimator, Parameter, estimator

factors = st.floats(1.0, 1e3)


def test_spread_is_by_factors() -> None:
    assert Estimate.spread(2.0, 0.5, 3.0) == Estimate(2.0, 1.0, 6.0)


@given(factors, factors, factors, factors)
def test_independent_spreads_add_in_quadrature(low: float, high: float, lower: float, higher: float) -> None:
    wide = Estimate.spread(1.0, 1 / low, high).widened(1 / lower, higher)
    assert math.log(wide.high) == pytest.approx(math.hypot(math.log(high), math.log(higher)), abs=1e-9)
    assert -math.log(wide.low) == pytest.approx(math.hypot(math.log(low), math.log(lower)), abs=1e-9)


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        (Parameter("m", "a node", 7e-9, 130e-9), "7 nm to 130 nm"),
        (Parameter("byte", "a size", 1024, 1048576), "1,024 bytes to 1,048,576 bytes"),
        (Parameter("V", "a swing", 0.05, 1.3, ("full",)), "50 mV to 1.3 V or full"),
        (Parameter("", "bits", choices=(4, 8)), "4, 8"),
    ],
)
def test_what_is_allowed_in_words(parameter: Parameter, words: str) -> None:
    assert parameter.allowed == words


def test_a_node_of_a_file_is_that_of_the_table() -> None:
    # 7 nm is 7e-9 or 7.000000000000001e-09, by how it was computed
    assert Parameter("m", "a node", 7e-9, 130e-9).holds(7 * 1e-9)
    assert Parameter("m", "a node", 7e-9, 130e-9).holds(math.nextafter(7e-9, 0))


def test_an_estimator_is_registered_by_its_decorator() -> None:
    with using([]):

        @estimator("of_a_test", "a test", "W", {"x": Parameter("", "x", 0, 1)}, equation="x", source="this test alone")
        def law(x: float) -> Estimate:
            return Estimate(x, x, x)

        own = ESTIMATORS["of_a_test"]
        assert isinstance(own, Estimator)
        assert own.estimate(x=0.5) == Estimate(0.5, 0.5, 0.5) == law(0.5)
        with pytest.raises(
            SpecError, match=r"estimator 'of_a_test' is registered by tests\.estimates\.test_base, line"
        ):
            estimator("of_a_test", "a test", "W", {}, equation="", source="")(law)
    assert "of_a_test" not in ESTIMATORS
