"""Laws over all estimators: what you register is in them at once, with no list to edit."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.estimates import ESTIMATORS, Estimator, Parameter

every = pytest.mark.parametrize("own", [each for _, each in ESTIMATORS.items()], ids=list(ESTIMATORS))


def values(parameter: Parameter) -> st.SearchStrategy[Any]:
    """Return what a parameter allows."""
    found: list[st.SearchStrategy[Any]] = [st.sampled_from(parameter.choices)] if parameter.choices else []
    if parameter.lowest is not None and parameter.highest is not None:
        found.append(st.floats(parameter.lowest, parameter.highest))
    return st.one_of(found)


def valid(own: Estimator) -> st.SearchStrategy[dict[str, Any]]:
    """Return all parameters of an estimator."""
    return st.fixed_dictionaries({name: values(parameter) for name, parameter in own.parameters.items()})


def some(own: Estimator) -> dict[str, Any]:
    """Return one valid set of parameters: the first choice, or the lowest value."""
    return {name: (*each.choices, each.lowest)[0] for name, each in own.parameters.items()}


def refused(own: Estimator, **given_: Any) -> list[str]:
    """Return the messages with which parameters are refused."""
    with pytest.raises(SpecError) as caught:
        own.estimate(**given_)
    return [str(problem) for problem in caught.value.problems]


@every
def test_it_says_what_it_is(own: Estimator) -> None:
    assert ESTIMATORS[own.name] is own
    assert own.quantity in ("J", "m2", "W")
    assert own.words
    assert "\n" not in own.words
    assert len(own.source) > 10
    assert own.equation
    assert own.parameters
    for parameter in own.parameters.values():
        assert parameter.meaning
        assert parameter.allowed
        assert (parameter.lowest is None) == (parameter.highest is None)
        assert parameter.unit in ("", "m", "Hz", "V", "s", "J", "byte")


@every
@given(data=st.data())
def test_its_range_holds_its_value(own: Estimator, data: st.DataObject) -> None:
    found = own.estimate(**data.draw(valid(own)))
    assert 0 < found.low <= found.value <= found.high < math.inf


@every
@given(data=st.data())
def test_equal_parameters_give_equal_figures(own: Estimator, data: st.DataObject) -> None:
    parameters = data.draw(valid(own))
    assert own.estimate(**parameters) == own.estimate(**dict(reversed(parameters.items())))


@every
def test_both_ends_of_a_range_are_valid_and_what_is_just_outside_is_not(own: Estimator) -> None:
    for name, parameter in own.parameters.items():
        if parameter.lowest is None or parameter.highest is None:
            continue
        for inside, outside in ((parameter.lowest, 0.999), (parameter.highest, 1.001)):
            own.estimate(**some(own) | {name: inside})
            (message,) = refused(own, **some(own) | {name: inside * outside})
            assert message.startswith(f"{own.name}.{name}: '{name}' of {parameter.shown(inside * outside)} is outside")
            assert message.endswith(f"allowed: {parameter.allowed}")


@every
@pytest.mark.parametrize("wrong", ["nonsense", math.nan, math.inf, -1.0, 0.0, True, None])
def test_what_is_no_valid_value_is_refused(own: Estimator, wrong: Any) -> None:
    for name in own.parameters:
        (message,) = refused(own, **some(own) | {name: wrong})
        assert name in message


@every
def test_missing_and_unknown_parameters_are_told_all_at_once(own: Estimator) -> None:
    messages = refused(own, colour="red")
    assert len(messages) == len(own.parameters) + 1
    for name, message in zip(own.parameters, messages, strict=False):
        assert message.startswith(f"{own.name}.{name}: '{name}' is missing")
    assert "'colour' is no parameter" in messages[-1]


@every
@given(data=st.data())
def test_more_never_costs_less(own: Estimator, data: st.DataObject) -> None:
    for name in {"bits", "rate", "size", "width", "length", "node"} & set(own.parameters):
        parameter, parameters = own.parameters[name], data.draw(valid(own))
        if name == "bits":  # a converter has whole ones
            ends = (
                int(min(parameter.choices or (parameter.lowest or 0,))),
                int(max(parameter.choices or (parameter.highest or 0,))),
            )
            less, more = sorted(data.draw(st.tuples(st.integers(*ends), st.integers(*ends))))
        else:
            less, more = sorted(data.draw(st.tuples(values(parameter), values(parameter))))
            if parameters.get("swing") == "full":
                parameters["swing"] = 1.0  # or the supply would fall with the node, and interpolate otherwise
        small, large = (own.estimate(**parameters | {name: each}) for each in (less, more))
        assert small.value <= large.value * (1 + 1e-12)


def test_where_a_message_leads() -> None:
    messages = refused(ESTIMATORS["adc_energy"], bits=20, node=4e-9, rat=1e9)
    assert messages == [
        "adc_energy.rate: 'rate' is missing: conversions per second; allowed: 100 kHz to 10 GHz",
        "adc_energy.rat: 'rat' is no parameter of adc_energy; did you mean 'rate'?",
        "adc_energy.bits: 'bits' of 20 is outside of what adc_energy is valid for; allowed: 4 to 12",
        "adc_energy.node: 'node' of 4 nm is outside of what adc_energy is valid for; allowed: 7 nm to 180 nm",
    ]
    with pytest.raises(SpecError, match="'adc_enery' is not an estimator; did you mean 'adc_energy'"):
        ESTIMATORS["adc_enery"]
