"""Both engines tell the same events in the same order, and traces made of them are equal to the byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from archsim.export.formats import TRACES
from archsim.mapping.schedule import Schedule
from archsim.results.evaluate import evaluate
from archsim.simulation import compiled
from archsim.simulation.choice import ENGINES, using
from archsim.simulation.events import Events
from archsim.simulation.flat import Sizes
from archsim.simulation.run import simulate
from archsim.simulation.step import record, trace_step
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from tests.helpers import BUS, PACKET, REFERENCE, Case, Watcher, cases, schedule_of

BOTH = ("simpy", "compiled")
LAW = settings(max_examples=15, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
               suppress_health_check=list(HealthCheck))  # fmt: skip


def told(schedule: Schedule) -> list[Any]:
    """Return all that is told of a run, as blocks, one by one, as records cut short, and of one step."""
    blocks, watcher = list[Events](), Watcher()
    simulate(schedule, hearer=blocks.append)
    simulate(schedule, observer=watcher)
    whole = np.concatenate([np.stack(block) for block in blocks], axis=1)
    end = int(whole[4].max())
    cut = [
        record(schedule, cycles, most) for cycles, most in ((end // 3, 1 << 62), (end, 1 + len(watcher.records) // 4))
    ]
    step = trace_step(schedule)
    return [whole.tobytes(), watcher.records, watcher.starts, watcher.ends, cut, step.records, step.path]


def check(schedule: Schedule) -> None:
    found = []
    for engine in BOTH:
        with using(engine):
            found.append(told(schedule))
    assert found[0] == found[1]


@LAW
@given(cases(intervals=(2, 5), most_interval=30))
def test_events_are_equal_on_random_chips_and_networks(case: Case) -> None:
    check(case.schedule())


def test_events_are_told_once_where_there_was_too_little_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "FIRST", Sizes(1, 1, 1, 1, 1))
    check(schedule_of(load_workload("mlp_digits").value, 25, ("tile.rows=32", "tile.cols=32", "tile.count=12"), PACKET))


@pytest.mark.parametrize("base", [REFERENCE, PACKET, BUS])
@pytest.mark.parametrize("mode", [(), ("schedule.mode=pipelined", "schedule.in_flight=3")], ids=["one", "three"])
def test_each_kind_of_trace_is_equal_to_the_byte(base: str, mode: tuple[str, ...]) -> None:
    sets = ("schedule.transfer.interval_examples=9", "schedule.transfer.policy=staggered", *mode)
    found = {}
    for engine in BOTH:
        with using(engine):
            result = evaluate(load_arch(base, sets), load_workload("mlp_digits"), examples=30)
            found[engine] = {kind: TRACES.lookup(kind, "").build(result) for kind in TRACES}
    assert found["simpy"] == found["compiled"]
    assert {"perfetto", "vcd"} <= set(found["simpy"])
    assert set(ENGINES) == {"auto", *BOTH}
