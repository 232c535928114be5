"""Chrome trace events of a run's beginning, as ui.perfetto.dev and chrome://tracing open them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from archsim.chip.graph import Unit
from archsim.export.formats import TRACES, Trace
from archsim.export.messages import Delivery, deliveries
from archsim.export.records import STEPS, Recorded, Span, collect
from archsim.mapping.buffers import node_of
from archsim.results.evaluate import Result

Event = dict[str, Any]
Place = tuple[str, int]
"""Where a slice is: ("tile", its index) or ("unit", its index)."""


class Stop(NamedTuple):
    """A slice to which arrows can be bound: its track, and the beginnings of its first and its last cycle."""

    pid: int
    tid: int
    begin_ns: int
    last_ns: int


TILES = "tiles"
GROUPS = {
    "row_driver": "converters and drivers", "col_driver": "converters and drivers",
    "row_converter": "converters and drivers", "col_converter": "converters and drivers",
    "crossbar": "arrays, memories and neurons", "memory": "arrays, memories and neurons",
    "neuron": "arrays, memories and neurons", "link": "links", "router": "buffers", "host_port": "host port",
    "programming": "programming supply",
}  # fmt: skip
"""The process in which the tracks of a component's units are shown."""
CHIP_PID = 1
PROCESSES = tuple(dict.fromkeys(("chip", TILES, *GROUPS.values(), "other units")))
"""In the order in which they are shown; process n + 1 is the n-th."""


def perfetto(result: Result, steps: int = STEPS) -> str:
    """Return the trace as JSON: tracks per tile, bank, link and buffer, arrows for messages, power and examples.

    Times are microseconds, in whole nanoseconds, which is what viewers keep; the cycles are in the arguments. Slices
    on one track never overlap: what does is on a second track of the same name.
    """
    recorded = collect(result, steps)
    sheet = _Sheet(result, recorded)
    for tile, spans in recorded.tiles.items():
        sheet.draw(TILES, sheet.lanes[tile], ("tile", tile), spans)
    for unit, spans in recorded.units.items():
        own = result.schedule.chip.units[unit]
        sheet.draw(GROUPS.get(own.component, "other units"), _title(own, sheet.lanes), ("unit", unit), spans)
    sheet.events.sort(key=lambda event: (event["ts"], event["tid"]))
    flows = [event for way in deliveries(result.schedule) for event in sheet.arrows(way)]
    events = [*sheet.names(), *sheet.events, *flows, *sheet.counters()]
    data = {"displayTimeUnit": "ns", "otherData": _about(result, recorded), "traceEvents": events}
    return json.dumps(data, separators=(",", ":"), allow_nan=False) + "\n"


def _about(result: Result, recorded: Recorded) -> dict[str, Any]:
    data = result.data
    return {
        "archsim": data["version"],
        "command": data["command"],
        "arch": f"{data['arch']['name']} {data['arch']['hash']}",
        "workload": f"{data['workload']['name']} {data['workload']['hash']}",
        "clock_hz": float(result.chip.spec.technology.clock_hz),
        "cycles": recorded.end,
        "cycles_of_the_run": result.trace.cycles,
        "power": "energy of each stage in progress over the cycles that it takes or holds units, plus leakage; watts",
        "in flight": "examples from their first gated stage to the end of their last update",
    }


def _title(unit: Unit, lanes: dict[int, str]) -> str:
    """Return the name of a unit's track; one of a tile says which shard the tile holds."""
    shard = lanes.get(unit.tile, "").partition(" ")[2]
    return f"{unit.name.replace('.', ' ', 1)} ({shard})" if shard else unit.name


class _Sheet:
    """Collects events; tracks are numbered as they are drawn."""

    def __init__(self, result: Result, recorded: Recorded) -> None:
        self.recorded = recorded
        self.host = result.chip.host
        self.layers = [layer.name for layer in result.workload.value.layers]
        shards = result.mapping.shards
        self.lanes = {shard.tile: f"tile{shard.tile} {self.layers[shard.layer]}{shard.name}" for shard in shards}
        self.ns_per_cycle = 1e9 / float(result.chip.spec.technology.clock_hz)
        self.tracks: list[tuple[int, str]] = []
        self.events: list[Event] = []
        self.found: dict[tuple[int, Place], Stop] = {}
        self.instances: dict[tuple[int, int], list[int]] = {}
        self.counts: dict[int, int] = {}
        self.messages = 0
        for index, entry in enumerate(recorded.entries):
            self.instances.setdefault((entry.op, entry.n), []).append(index)
            self.counts[entry.op] = entry.n + 1

    def ns(self, cycle: int) -> int:
        """Return the beginning of a cycle in whole nanoseconds."""
        return round(cycle * self.ns_per_cycle)

    def draw(self, process: str, title: str, place: Place, spans: Sequence[Span]) -> None:
        """Add the slices of a place, on as many tracks as are needed for none to overlap."""
        pid = PROCESSES.index(process) + 1
        lanes: list[tuple[int, int]] = []  # track, and until when it is taken
        for span in spans:
            lane = next((i for i, (_, until) in enumerate(lanes) if until <= span.begin), len(lanes))
            if lane == len(lanes):
                self.tracks.append((pid, title if not lanes else f"{title} #{len(lanes) + 1}"))
                lanes.append((len(self.tracks), 0))
            tid = lanes[lane][0]
            lanes[lane] = (tid, span.end)
            self.events.append(self._slice(pid, tid, span))
            begin, end = self.ns(span.begin), self.ns(span.end)
            last = max(begin, min(self.ns(span.end - 1), end - 1))
            self.found[span.entry, place] = Stop(pid, tid, begin, last)

    def _slice(self, pid: int, tid: int, span: Span) -> Event:
        entry = self.recorded.entries[span.entry]
        op = self.recorded.schedule.ops[entry.op]
        begin, end = self.ns(span.begin), self.ns(span.end)
        what = f"{op.kind} {self.layers[op.layer]}{op.label if op.label.startswith('[') else ''}"
        args = {
            **({"op": what} if span.state else {}), "instance" if op.maintenance else "example": entry.n,
            "start_cycle": span.begin, "cycles": span.end - span.begin,
            "waited_cycles": entry.granted - entry.requested,
        }  # fmt: skip
        return {"ph": "X", "pid": pid, "tid": tid, "name": span.state or what, "cat": op.phase, "ts": begin / 1000,
                "dur": (end - begin) / 1000, "args": args}  # fmt: skip

    def names(self) -> list[Event]:
        """Return the metadata: names and order of processes and tracks."""
        used = {CHIP_PID} | {pid for pid, _ in self.tracks}
        found: list[Event] = []
        for pid, process in enumerate(PROCESSES, 1):
            if pid in used:
                found.append(_metadata(pid, 0, "process_name", name=process))
                found.append(_metadata(pid, 0, "process_sort_index", sort_index=pid))
        for tid, (pid, title) in enumerate(self.tracks, 1):
            found.append(_metadata(pid, tid, "thread_name", name=title))
            found.append(_metadata(pid, tid, "thread_sort_index", sort_index=tid))
        return found

    def counters(self) -> list[Event]:
        """Return power in watts and examples in flight, at each change."""
        power = [("power", cycle, {"W": watts}) for cycle, watts in self.recorded.power]
        flying: list[tuple[str, int, dict[str, Any]]]
        flying = [("in flight", cycle, {"examples": count}) for cycle, count in self.recorded.in_flight]
        return [
            {"ph": "C", "pid": CHIP_PID, "tid": 0, "name": name, "ts": self.ns(cycle) / 1000, "args": args}
            for name, cycle, args in (*power, *flying)
        ]

    def arrows(self, way: Delivery) -> list[Event]:
        """Return the flow of each message that takes this way and has arrived, from slice to slice."""
        sender: Place = ("tile", way.source) if way.source >= 0 else ("unit", self.host)
        name = f"{node_of(way.source)} to {node_of(way.target)}"
        found: list[Event] = []
        for n in range(self.counts.get(way.consumer, 0)):
            begin = self._at(way.producer, n, sender)
            hops = [self._at(op, n, ("unit", unit)) for op, unit in way.hops]
            end = self._at(way.consumer, n, ("tile", way.target))
            if begin and end and all(hops):
                self.messages += 1
                found.append(_arrow("s", name, self.messages, begin[-1], begin[-1].last_ns))
                found += [_arrow("t", name, self.messages, hop[0], hop[0].begin_ns) for hop in hops]
                found.append(_arrow("f", name, self.messages, end[0], end[0].begin_ns))
        return found

    def _at(self, op: int, n: int, place: Place) -> list[Stop]:
        """Return the slices of an instance of an op at a place, in order."""
        entries = self.instances.get((op, n), ())
        return [self.found[entry, place] for entry in entries if (entry, place) in self.found]


def _metadata(pid: int, tid: int, name: str, /, **args: Any) -> Event:
    return {"ph": "M", "pid": pid, "tid": tid, "name": name, "args": args}


def _arrow(kind: str, name: str, number: int, stop: Stop, ns: int) -> Event:
    event = {"ph": kind, "pid": stop.pid, "tid": stop.tid, "name": name, "cat": "message", "id": number,
             "ts": ns / 1000}  # fmt: skip
    return {**event, "bp": "e"} if kind == "f" else event


TRACES.add("perfetto")(Trace("trace.perfetto.json", perfetto))
