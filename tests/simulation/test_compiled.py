"""The compiled engine: equal to the engine of SimPy, which is its reference, to the last bit."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import archsim
from archsim.base import machine_code
from archsim.base.errors import SpecError, StuckError
from archsim.base.shipped import builtin_names
from archsim.cli import main
from archsim.components.interconnect import ARBITRATIONS
from archsim.mapping.schedule import Need, Schedule, Stage
from archsim.simulation import choice, compiled
from archsim.simulation.choice import using
from archsim.simulation.flat import RANKS, Sizes
from archsim.simulation.run import Trace, simulate
from archsim.spec.choices import REFRESH_POLICIES, TOPOLOGIES, TRANSFER_POLICIES
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from tests.helpers import BUS, PACKET, REFERENCE, Case, cases, chip_of, network, observed, schedule_of
from tests.simulation.test_engine import by_hand, op

SMALL = ("tile.rows=16", "tile.cols=16", "schedule.transfer.interval_examples=20")


def both(schedule: Schedule, **asked: Any) -> list[Trace]:
    found = []
    for engine in ("simpy", "compiled"):
        with using(engine):
            found.append(simulate(schedule, timeline=True, **asked))
    return found


def records(trace: Trace) -> Any:
    assert trace.timeline is not None
    columns = [np.concatenate(column) for column in zip(*trace.timeline.chunks(), strict=True)] or [np.empty(0)]
    return np.stack(columns)


def check(schedule: Schedule, uncontended: Collection[int] = ()) -> None:
    for asked in ({"full": True}, {}, {"unlimited": True}, {"uncontended": uncontended}):
        if asked.get("uncontended", True):
            simpy, own = both(schedule, **asked)
            expected, found = observed(simpy), observed(own)
            for name, each in expected.items():
                assert found[name] == each, (name, asked)
            assert found.keys() == expected.keys()
            assert own.examples_fast_forwarded == simpy.examples_fast_forwarded
            assert np.array_equal(records(own), records(simpy))


@settings(max_examples=25, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(cases(intervals=(2, 5), most_interval=30))
def test_it_is_equal_on_random_chips_and_networks(case: Case) -> None:
    check(case.schedule())


@st.composite
def by_hands(draw: st.DrawFn) -> Schedule:
    """Ops that hold up to two units, and wait for others or for themselves.

    A unit is given by age, by input or as it was asked for, as transports have it; the latter two are asked for alone.
    """
    capacities = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4))
    numbers = st.integers(0, len(capacities) - 1)
    ways = [draw(st.sampled_from(["age", "input", "order"])) for _ in capacities]

    def stage() -> Stage:
        units = draw(st.lists(numbers, min_size=0, max_size=2, unique=True))
        alone = [unit for unit in units if ways[unit] != "age"][:1]
        units, way = alone or units, ways[alone[0]] if alone else "age"
        cycles = draw(st.integers(0, 9))
        release = tuple((draw(st.integers(0, cycles)), unit) for unit in units)
        port = (draw(st.integers(0, 2)), 3) if way == "input" else None
        return Stage(cycles, tuple(units), release, port=port, in_order=way == "order")

    ops = []
    for i in range(draw(st.integers(1, 6))):
        needs = [Need(other) for other in range(i) if draw(st.booleans())]
        if draw(st.booleans()):
            needs.append(Need(i, add=0))  # one after another
        if i and draw(st.booleans()):
            needs.append(Need(draw(st.integers(0, i - 1)), den=draw(st.integers(1, 3)), add=draw(st.integers(0, 1))))
        variants = [[stage() for _ in range(draw(st.integers(0, 2)))] for _ in range(draw(st.integers(1, 2)))]
        ops.append(op(i, *variants, needs=needs))
    last = op(len(ops), [], needs=[Need(i) for i in range(len(ops))])
    schedule = by_hand(capacities, [*ops, last], draw(st.integers(1, 20)))
    kind = f"routing.router.arbitration={draw(st.sampled_from(list(ARBITRATIONS)))}"
    return replace(schedule, chip=replace(chip_of(PACKET, [kind]), units=schedule.chip.units))


@settings(max_examples=100, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
@given(by_hands())
def test_it_is_equal_on_ops_made_by_hand(schedule: Schedule) -> None:
    check(schedule)


@pytest.mark.slow
@settings(max_examples=400, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(cases(intervals=(2, 10), most_interval=40))
def test_it_is_equal_on_many_random_chips_and_networks(case: Case) -> None:
    check(case.schedule())


@pytest.mark.parametrize("refresh", sorted(REFRESH_POLICIES))
@pytest.mark.parametrize("policy", sorted(TRANSFER_POLICIES))
@pytest.mark.parametrize("base", [REFERENCE, PACKET, BUS])
def test_it_is_equal_for_each_policy(base: str, policy: str, refresh: str) -> None:
    sets = (*SMALL, "schedule.transfer.rows_in_parallel=4", f"schedule.transfer.policy={policy}",
            f"schedule.refresh.policy={refresh}", "schedule.refresh.period=9 us")  # fmt: skip
    check(Case(base, sets, (20, 12, 5), 1, True, 90).schedule())


@pytest.mark.parametrize("arbitration", list(ARBITRATIONS))
def test_it_is_equal_for_each_arbitration(arbitration: str) -> None:
    sets = ("tile.rows=64", "tile.cols=64", f"routing.router.arbitration={arbitration}",
            "routing.router.buffer_flits=64")  # fmt: skip
    schedule = schedule_of(load_workload("mlp_digits").value, 40, sets, PACKET)
    check(schedule, [unit.index for unit in schedule.chip.units][::3])


def test_all_arbitrations_are_known_to_the_loop() -> None:
    """One of a plug-in is not, and then the engine of SimPy simulates, with a word if the other was asked for."""
    assert set(RANKS) == set(ARBITRATIONS)


def test_what_it_cannot_take_the_other_engine_does_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archsim.simulation.choice.RANKS", ())
    schedule = schedule_of(load_workload("mlp_digits").value, 3, ("tile.rows=64", "tile.cols=64"))
    with using("compiled"), pytest.warns(UserWarning, match="SimPy's engine simulates"):
        simulate(schedule)


@pytest.mark.parametrize("topology", sorted(set(TOPOLOGIES) - {"graph"}))
def test_it_is_equal_for_each_topology(topology: str) -> None:
    sets = (*SMALL, f"routing.topology={topology}", "tile.count=9")
    check(schedule_of(load_workload("mlp_digits").value, 30, ("tile.rows=64", "tile.cols=64", *sets[2:])))


@pytest.mark.slow
@pytest.mark.parametrize("chip", builtin_names("arch_specs"))
@pytest.mark.parametrize("work", ["mlp_digits", "lstm_imdb", "transformer_base", "gru_japanese_vowels"])
def test_metrics_are_equal_of_what_is_shipped(chip: str, work: str) -> None:
    found = []
    for engine in ("simpy", "compiled"):
        for full in (False, True):
            try:
                run = archsim.run(chip, work, examples=6, full=full, engine=engine)
            except archsim.ArchsimError as error:
                found.append(str(error))
                continue
            data = {**run.result.data, "run": None, "command": None}
            found.append(json.dumps(data, sort_keys=True, default=dict))
    assert len(set(found)) == 1


def test_what_has_too_little_room_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FIRST", Sizes(1, 1, 1, 1, 1))
    check(schedule_of(load_workload("mlp_digits").value, 25, ("tile.rows=32", "tile.cols=32", "tile.count=12"), PACKET))


def test_it_says_in_the_same_words_why_it_is_stuck() -> None:
    """Each of two ops holds what the other wants next."""
    ops = [
        op(0, [Stage(1, (0,)), Stage(1, (1,), ((1, 0), (1, 1)))]),
        op(1, [Stage(1, (1,)), Stage(1, (0,), ((1, 0), (1, 1)))]),
        op(2, [], needs=[Need(0), Need(1)]),
    ]
    said = []
    for engine in ("simpy", "compiled"):
        with using(engine), pytest.raises(StuckError) as caught:
            simulate(by_hand([1, 1], ops))
        said.append(str(caught.value))
    assert said[0] == said[1]


def test_the_command_takes_an_engine_and_its_report_does_not_tell(tmp_path: Path) -> None:
    for engine in ("auto", "simpy", "compiled"):
        with pytest.raises(SystemExit) as leave:
            main(["run", REFERENCE, "mlp_digits", "--examples", "30", "--full", "--engine", engine, "--quiet", "--out",
                  str(tmp_path / engine)])  # fmt: skip
        assert not leave.value.code
    first, *others = ({path.name: path.read_bytes() for path in (tmp_path / engine).iterdir() if path.is_file()}
                      for engine in ("auto", "simpy", "compiled"))  # fmt: skip
    assert all(other == first for other in others)
    with pytest.raises(SpecError, match="'simpi' is not an engine; did you mean 'simpy'"):
        archsim.run(load_arch(REFERENCE), "mlp_digits", examples=1, engine="simpi")


@pytest.mark.parametrize("shortest", [1, 5000])
def test_many_short_runs_are_worth_loading_the_compiled_engine(shortest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of a search, in one process: from the third on, where two and a half of them would pay."""
    schedule = schedule_of(network(30, 20, 10), 5)
    ahead = choice.actions_of(schedule) * 5
    monkeypatch.setattr(choice, "_before", [0])
    monkeypatch.setattr(choice, "WORTH_CALLING", ahead)
    monkeypatch.setattr(choice, "SHORTEST", shortest)
    monkeypatch.setattr(choice, "WORTH_LOADING", max(ahead, shortest) * 5 // 2)
    monkeypatch.setattr(machine_code, "is_kept", lambda function: True)
    monkeypatch.delitem(sys.modules, "archsim.simulation.loop", raising=False)
    assert [choice._compiles(schedule, 5) for _ in range(3)] == [False, False, True]


def test_sums_beyond_64_bits_are_those_of_the_reference() -> None:
    """As of a billion weights: all dwell times of an epoch add up to more cycles than a number of numpy holds."""
    first, second = both(schedule_of(network(30, 20, 10), 5 * 10**11, SMALL))
    assert first.dwell.total_cycles > 2**63
    for own in (first.dwell, second.dwell):
        assert type(own.total_cycles) is type(own.cells) is type(own.max_cycles) is int
    assert first.dwell.total_cycles == second.dwell.total_cycles
