"""Traces of a run's beginning, for viewers: Perfetto (JSON) and VCD."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

from archsim.mapping.schedule import STATES
from archsim.metrics import Result, package_version
from archsim.simulation.step import Record, record

STEPS, MOST = 100, 200_000
"""A trace covers as many cycles as this many steps take, and has about this many records at most."""


def _records(result: Result) -> list[Record]:
    return record(result.schedule, max(1, result.step.cycles) * STEPS, MOST)


def _lanes(result: Result) -> dict[int, str]:
    names = [layer.name for layer in result.workload.value.layers]
    return {shard.tile: f"tile{shard.tile} {names[shard.layer]}{shard.name}" for shard in result.mapping.shards}


def perfetto(result: Result) -> str:
    """Return the trace as Chrome trace events, one track per used tile and per unit that carries vectors.

    Times are microseconds; a slice has its cycles, its example and how long it waited as arguments.
    """
    schedule = result.schedule
    chip = schedule.chip
    microseconds = 1e6 / float(chip.spec.technology.clock_hz)
    lanes = _lanes(result)
    tracks: dict[str, int] = {}
    events: list[dict[str, object]] = []

    def track(name: str) -> int:
        if name not in tracks:
            tracks[name] = len(tracks) + 1
            events.append({"ph": "M", "pid": 1, "tid": tracks[name], "name": "thread_name", "args": {"name": name}})
        return tracks[name]

    for entry in _records(result):
        op = schedule.ops[entry.op]
        stage = op.variants[entry.n % len(op.variants)][entry.stage]
        places = [(lanes[tile], state) for tile, state in stage.shows if tile in lanes]
        places += [(chip.units[u].name, op.kind) for u in stage.acquire if chip.units[u].tile < 0]
        for place, what in places:
            events.append(
                {
                    "ph": "X", "pid": 1, "tid": track(place), "name": what, "cat": op.phase,
                    "ts": entry.granted * microseconds, "dur": (entry.ended - entry.granted) * microseconds,
                    "args": {"op": op.kind, "shard": op.label, "instance": entry.n, "start_cycle": entry.granted,
                             "cycles": entry.ended - entry.granted, "waited_cycles": entry.granted - entry.requested},
                }
            )  # fmt: skip
    data = {"displayTimeUnit": "ns", "otherData": {"archsim": package_version()}, "traceEvents": events}
    return json.dumps(data, separators=(",", ":")) + "\n"


def vcd(result: Result) -> str:
    """Return the trace as a value change dump: per tile its state as text, per link whether it is held."""
    from vcd import VCDWriter

    schedule = result.schedule
    chip = schedule.chip
    lanes = _lanes(result)
    spans: dict[str, list[tuple[int, int, str]]] = {}
    for entry in _records(result):
        op = schedule.ops[entry.op]
        stage = op.variants[entry.n % len(op.variants)][entry.stage]
        for tile, state in stage.shows:
            if tile in lanes:
                spans.setdefault(f"tile{tile}", []).append((entry.granted, entry.ended, state))
        for at, unit in stage.release:
            if chip.units[unit].tile < 0 and unit in stage.acquire:
                name = chip.units[unit].name.replace(">", "_to_")
                spans.setdefault(name, []).append((entry.granted, entry.granted + at, "1"))
    changes = sorted((cycle, name, value) for name, own in spans.items() for cycle, value in _values(name, own))
    step_ps = round(1e12 / float(chip.spec.technology.clock_hz))
    out = io.StringIO()
    with VCDWriter(out, timescale="1 ps", date="", version=f"archsim {package_version()}") as writer:
        wires = {}
        for name in sorted(spans):
            if _is_tile(name):
                wires[name] = writer.register_var("tiles", name, "string", init="idle")
            else:
                wires[name] = writer.register_var("links", name, "wire", size=1, init="0")
        for cycle, name, value in changes:
            writer.change(wires[name], cycle * step_ps, value)
    return out.getvalue()


def _is_tile(name: str) -> bool:
    return name.startswith("tile") and "_to_" not in name


def _values(name: str, spans: list[tuple[int, int, str]]) -> list[tuple[int, str]]:
    """Return (cycle, value) at each change: of all spans at a time, the most telling state is shown."""
    idle = "idle" if _is_tile(name) else "0"
    rank = {state: i for i, state in enumerate((*STATES, "1", idle))}
    steps: dict[int, list[tuple[int, str]]] = {}
    for begin, end, state in spans:
        if end > begin:
            steps.setdefault(begin, []).append((1, state))
            steps.setdefault(end, []).append((-1, state))
    active: dict[str, int] = {}
    found: list[tuple[int, str]] = []
    for cycle in sorted(steps):
        for change, state in steps[cycle]:
            active[state] = active.get(state, 0) + change
        value = min((state for state, count in active.items() if count), key=rank.__getitem__, default=idle)
        if not found or found[-1][1] != value:
            found.append((cycle, value))
    return found


TRACES: dict[str, tuple[str, Callable[[Result], str]]] = {
    "perfetto": ("trace.perfetto.json", perfetto),
    "vcd": ("trace.vcd", vcd),
}
