"""Traces: legal for their viewers, and saying what the run's records, its bill and its schedule say."""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from math import fsum
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from vcd.reader import ScopeDecl, TokenKind, VarDecl, tokenize

from archsim.export.formats import TRACES
from archsim.export.messages import deliveries
from archsim.export.perfetto import perfetto
from archsim.export.records import Recorded, collect, stage_of
from archsim.export.vcd import scope, vcd
from archsim.functional.activity import Reads
from archsim.mapping.buffers import node_of
from archsim.mapping.modes import step_flows
from archsim.mapping.schedule import Schedule
from archsim.results.bill import account, activity_of, use_energy_j
from archsim.results.evaluate import Result, evaluate
from archsim.simulation.run import simulate
from archsim.simulation.step import trace_step
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from tests.helpers import BUS, PACKET, REFERENCE, Case, cases

WHOLE = 10**6
"""So many steps that a trace holds the whole of a short run."""
FAST = "schedule.transfer.interval_examples=20"
Event = dict[str, Any]


@cache
def result_of(arch: str = REFERENCE, *sets: str) -> Result:
    return evaluate(load_arch(arch, [FAST, *sets]), load_workload("mlp_digits"), examples=60, command="archsim x")


def result_on(schedule: Schedule) -> Result:
    """Return a result with the parts that a trace needs, for any schedule."""
    shipped = result_of()
    return replace(
        shipped, chip=schedule.chip, mapping=schedule.mapping, schedule=schedule, trace=simulate(schedule),
        step=trace_step(schedule), workload=replace(shipped.workload, value=schedule.mapping.workload),
    )  # fmt: skip


def events_of(result: Result, steps: int = WHOLE) -> list[Event]:
    found: list[Event] = json.loads(perfetto(result, steps))["traceEvents"]
    return found


def ns(microseconds: float) -> int:
    """Return a time of a trace in nanoseconds; all of them are whole."""
    whole = round(microseconds * 1000)
    assert microseconds == whole / 1000
    return whole


def check_format(events: list[Event]) -> None:
    """Assert the rules of the Chrome trace event format, as Perfetto documents them."""
    named = {(e["pid"], e["tid"]) for e in events if e["name"] == "thread_name"}
    assert len(named) == sum(e["name"] == "thread_name" for e in events)
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for event in events:
        if event["ph"] == "X":
            assert event["ts"] >= 0
            assert event["dur"] >= 0
            begin = ns(event["ts"])
            tracks.setdefault((event["pid"], event["tid"]), []).append((begin, begin + ns(event["dur"])))
    assert set(tracks) == named
    for spans in tracks.values():
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(spans)), "slices overlap or are out of order"
    flows: dict[int, list[Event]] = {}
    for event in events:
        if event["ph"] in "stf":
            flows.setdefault(event["id"], []).append(event)
    for stops in flows.values():
        assert [e["ph"] for e in stops] == ["s", *"t" * (len(stops) - 2), "f"]
        assert len({(e["name"], e["cat"]) for e in stops}) == 1
        assert all(a["ts"] <= b["ts"] for a, b in itertools.pairwise(stops))
        for stop in stops:
            at = ns(stop["ts"])
            assert sum(b <= at < e for b, e in tracks[stop["pid"], stop["tid"]]) == 1, "bound to no slice"
    for name in ("power", "in flight"):
        times = [ns(e["ts"]) for e in events if e["ph"] == "C" and e["name"] == name]
        assert times == sorted(set(times))
        assert times[0] == 0


def integral(levels: list[tuple[int, float]]) -> float:
    return fsum(level * (after - at) for (at, level), (after, _) in itertools.pairwise(levels))


def check_records(result: Result, recorded: Recorded) -> None:
    """Assert that what was collected from a whole run agrees with its bill, its trace and its chip."""
    clock_hz = float(result.chip.spec.technology.clock_hz)
    assert recorded.end == result.trace.cycles
    assert integral(recorded.power) / clock_hz == pytest.approx(account(result.trace).total_j, rel=1e-9)
    assert recorded.power[-1] == (recorded.end, result.chip.leakage_w)
    assert recorded.in_flight[-1] == (recorded.end, 0)
    flying = max(count for _, count in recorded.in_flight)
    assert flying > 0
    if result.schedule.batch == 1:
        assert flying <= result.schedule.in_flight
    for unit, spans in recorded.units.items():
        assert most_at_once([(span.begin, span.end) for span in spans]) <= result.schedule.chip.units[unit].capacity


def most_at_once(spans: list[tuple[int, int]]) -> int:
    edges = sorted([(end, -1) for _, end in spans] + [(begin, 1) for begin, _ in spans])
    level = most = 0
    for _, change in edges:
        level += change
        most = max(most, level)
    return most


def check_messages(result: Result, events: list[Event]) -> None:
    """Assert that there is an arrow for every message of every example, over the route between its tiles."""
    chip, schedule = result.schedule.chip, result.schedule
    ways = deliveries(schedule)
    wanted = {(flow.source, flow.target) for flow in step_flows(result.chip, result.mapping)}
    assert {(way.source, way.target) for way in ways} == wanted
    for way in ways:
        route, _ = chip.route(node_of(way.source), node_of(way.target))
        assert [unit for _, unit in way.hops] == [link.unit for link in route]
    assert sum(event["ph"] == "s" for event in events) == len(ways) * schedule.examples


@settings(max_examples=10, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
@given(cases(intervals=(1, 3), most_interval=4))
def test_laws_of_traces_hold_on_any_chip(case: Case) -> None:
    result = result_on(case.schedule())
    events = events_of(result)
    check_format(events)
    check_records(result, collect(result, WHOLE))
    check_messages(result, events)


@pytest.mark.parametrize(
    ("arch", "sets"),
    [
        (REFERENCE, ()),
        (PACKET, ("routing.router.buffer_flits=64", "schedule.mode=pipelined", "schedule.in_flight=3")),
        (BUS, ()),
        ("pcm64_packet_mesh_32nm", ()),
    ],
)  # fmt: skip
def test_shipped_chips_have_legal_traces_that_agree_with_their_runs(arch: str, sets: tuple[str, ...]) -> None:
    result = result_of(arch, *sets)
    events = events_of(result)
    check_format(events)
    check_records(result, collect(result, WHOLE))
    check_messages(result, events)


def test_a_trace_bills_what_its_run_bills_where_activity_was_measured() -> None:
    reads = [Reads(0, "forward", cell_reads=10, on_s=2e-7, charge_s_siemens=6e-13, energy_j=1e-12)]
    arch, workload = load_arch(REFERENCE, [FAST]), load_workload("mlp_digits")
    activity = activity_of([layer.name for layer in workload.value.layers], reads)
    result = evaluate(arch, workload, examples=20, activity=activity)
    assert result.bill.total_j != account(result.trace).total_j
    recorded = collect(result, WHOLE)
    assert integral(recorded.power) / 1e9 == pytest.approx(result.bill.total_j, rel=1e-9)


def test_the_power_of_a_beginning_is_that_of_its_stages_and_leakage() -> None:
    result = result_of(PACKET)
    recorded = collect(result, 3)
    assert recorded.end < result.trace.cycles / 2
    names = [layer.name for layer in result.workload.value.layers]
    spent_j = fsum(
        use.count * use_energy_j(result.chip, use, names[op.layer], op.phase, None)
        for entry, op in ((entry, result.schedule.ops[entry.op]) for entry in recorded.entries)
        for use in stage_of(result.schedule, entry).uses
    )
    leaked_j = result.chip.leakage_w * recorded.end / 1e9
    assert integral(recorded.power) / 1e9 == pytest.approx(spent_j + leaked_j, rel=1e-9)
    check_format(events_of(result, 3))


def test_tracks_stand_in_groups_and_arguments_are_in_cycles() -> None:
    result = result_of()
    events = events_of(result)
    groups = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    tracks = {(groups[e["pid"]], e["args"]["name"]) for e in events if e["name"] == "thread_name"}
    assert {("tiles", "tile0 fc1[0,0]"), ("converters and drivers", "tile0 col_converter (fc1[0,0])"),
            ("arrays, memories and neurons", "tile1 neuron (fc2[0,0])"), ("links", "host>router0"),
            ("host port", "host"), ("programming supply", "programming")} <= tracks  # fmt: skip
    order = {e["args"]["name"]: None for e in events if e["name"] == "process_name"}
    assert list(order)[:2] == ["chip", "tiles"]
    for event in events:
        if event["ph"] == "X":
            assert ns(event["ts"]) == event["args"]["start_cycle"]  # at 1 GHz
            assert ns(event["dur"]) == event["args"]["cycles"]
    about = json.loads(perfetto(result, 1))["otherData"]
    assert about["arch"].endswith(result.arch.hash)
    assert about["command"] == "archsim x"
    assert about["clock_hz"] == 1e9


@pytest.mark.parametrize("clock", ["1.5 GHz", "300 MHz", "7 GHz"])
def test_cycles_that_are_no_whole_nanoseconds_still_make_a_legal_trace(clock: str) -> None:
    result = result_of(REFERENCE, f"technology.clock={clock}")
    events = events_of(result)
    spans = [event for event in events if event["ph"] == "X"]
    cycle_us = 1e6 / float(result.chip.spec.technology.clock_hz)
    for event in spans:
        assert event["ts"] == pytest.approx(event["args"]["start_cycle"] * cycle_us, abs=0.0005001)
        assert event["dur"] >= 0
    assert max(e["args"]["start_cycle"] + e["args"]["cycles"] for e in spans) == result.trace.cycles


def test_a_trace_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("archsim.export.records.MOST", 100)
    recorded = collect(result_of(PACKET), WHOLE)
    drawn = sum(map(len, recorded.tiles.values())) + sum(map(len, recorded.units.values()))
    assert 80 < drawn <= 100
    check_format(events_of(result_of(PACKET)))


@pytest.mark.parametrize("kind", sorted(TRACES))
def test_traces_are_deterministic(kind: str) -> None:
    again = evaluate(load_arch(PACKET, [FAST]), load_workload("mlp_digits"), examples=60, command="archsim x")
    assert TRACES[kind].build(result_of(PACKET)) == TRACES[kind].build(again)


# ---- value change dumps


def read_vcd(text: str) -> dict[str, list[tuple[int, Any]]]:
    """Return by full name the (time, value) of each change, read by pyvcd's tokenizer."""
    path: list[str] = []
    names: dict[str, str] = {}
    found: dict[str, list[tuple[int, Any]]] = {}
    time = 0
    for token in tokenize(io.BytesIO(text.encode())):
        match token.data:
            case ScopeDecl(ident=ident):
                path.append(ident)
            case VarDecl(id_code=code, reference=name):
                names[code] = ".".join([*path, name])
            case int():
                time = token.data
        if token.kind is TokenKind.UPSCOPE:
            path.pop()
        elif token.kind in (TokenKind.CHANGE_SCALAR, TokenKind.CHANGE_VECTOR, TokenKind.CHANGE_REAL,
                            TokenKind.CHANGE_STRING):  # fmt: skip
            change: Any = token.data
            found.setdefault(names[change.id_code], []).append((time, change.value))
    return found


def spent(changes: list[tuple[int, Any]], end: int) -> Iterator[tuple[Any, int]]:
    """Yield each value with the time for which it holds."""
    for (at, value), (after, _) in zip(changes, [*changes[1:], (end, None)], strict=True):
        yield value, after - at


def changed(levels: list[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Return the levels that differ from the ones before them."""
    return [level for i, level in enumerate(levels) if not i or level[1] != levels[i - 1][1]]


@pytest.mark.parametrize("arch", [REFERENCE, PACKET, BUS])
def test_a_vcd_reads_back_as_what_was_recorded(arch: str) -> None:
    result = result_of(arch, *(["routing.router.buffer_flits=64"] if arch == PACKET else []))
    recorded = collect(result, WHOLE)
    waves = read_vcd(vcd(result, WHOLE))
    end = recorded.end * 1000  # picoseconds at 1 GHz
    for shard, states in zip(result.mapping.shards, result.trace.tile_states, strict=True):
        shown: Counter[str] = Counter()
        for state, time in spent(waves.pop(f"chip.tile{shard.tile}.state"), end):
            shown[state] += time
        assert {s: c * 1000 for s, c in states.items() if c and not s.startswith("waiting")} == {
            state: time for state, time in shown.items() if time and state != "idle"
        }
    for unit, spans in recorded.units.items():
        busy = waves.pop(f"{scope(result.chip, result.schedule.chip.units[unit])}.busy")
        held = sum(int(value) * time for value, time in spent(busy, end))
        assert held == sum(span.end - span.begin for span in spans) * 1000
    power = waves.pop("chip.power_w")
    wanted = changed(recorded.power)
    assert [at // 1000 for at, _ in power] == [at for at, _ in wanted]
    assert [watts for _, watts in power] == pytest.approx([watts for _, watts in wanted], rel=1e-12)
    assert [(at // 1000, value) for at, value in waves.pop("chip.in_flight")] == changed(recorded.in_flight)
    assert not waves
