"""A value change dump of a run's beginning, as GTKWave opens it."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import groupby
from typing import Any

from archsim.chip.graph import Chip, Unit
from archsim.export.formats import TRACES, Trace
from archsim.export.records import STEPS, Span, collect
from archsim.mapping.schedule import STATES
from archsim.results.evaluate import Result
from archsim.results.metrics import package_version

IDLE = "idle"
Values = list[tuple[int, Any]]
"""(cycle, value) at each change."""
_RANK = {state: i for i, state in enumerate((*STATES, IDLE))}


def vcd(result: Result, steps: int = STEPS) -> str:
    """Return the trace as a value change dump, in scopes.

    `chip.tile0.state` is what tile 0 does, as text: of several things the most telling. `chip.tile0.crossbar.busy`,
    `chip.links.<name>.busy` and so on say whether a unit is held, or how often where it has several places.
    `chip.in_flight` counts examples and `chip.power_w` is in watts, as `records.collect` defines them.
    """
    from vcd import VCDWriter

    recorded = collect(result, steps)
    chip = result.schedule.chip
    clock_hz = Fraction(chip.spec.technology.clock_hz)
    out = io.StringIO()
    with VCDWriter(out, timescale="1 ps", date="", version=f"archsim {package_version()}") as writer:
        waves: list[tuple[Any, Values]] = [
            (writer.register_var("chip", "power_w", "real", init=chip.leakage_w), list(recorded.power)),
            (writer.register_var("chip", "in_flight", "integer", init=0), list(recorded.in_flight)),
        ]
        for tile, spans in recorded.tiles.items():
            state = writer.register_var(f"chip.tile{tile}", "state", "string", init=IDLE)
            waves.append((state, list(_changes(spans, _most_telling, IDLE))))
        for unit, spans in recorded.units.items():
            own = chip.units[unit]
            size = {"var_type": "wire", "size": 1} if own.capacity == 1 else {"var_type": "integer"}
            busy = writer.register_var(scope(chip, own), "busy", init=0, **size)
            waves.append((busy, list(_changes(spans, len, 0))))
        changes = [(cycle, i, value) for i, (_, values) in enumerate(waves) for cycle, value in values]
        for cycle, i, value in sorted(changes, key=lambda change: change[:2]):
            writer.change(waves[i][0], round(cycle * 10**12 / clock_hz), value)
    return out.getvalue()


def scope(chip: Chip, unit: Unit) -> str:
    """Return the scope of a unit: a tile's own, or one among the links, the buffers or the chip's other units."""
    name = unit.name.replace(">", "_to_")
    if unit.buffer_of:
        return f"chip.buffers.{name.replace('.', '_')}"
    return f"chip.links.{name}" if unit.component == "link" else f"chip.{name}"


def _most_telling(states: Sequence[str]) -> str:
    return min(states, key=_RANK.__getitem__, default=IDLE)


def _changes(spans: Sequence[Span], value_of: Callable[[Sequence[str]], Any], first: Any) -> Iterator[tuple[int, Any]]:
    """Yield (cycle, value) at each change of what the states under way at a time amount to."""
    edges = sorted(
        [(span.begin, 1, span.state) for span in spans] + [(span.end, 0, span.state) for span in spans],
        key=lambda edge: edge[0],
    )
    now: list[str] = []
    shown = first
    for cycle, together in groupby(edges, key=lambda edge: edge[0]):
        for _, begins, state in sorted(together, key=lambda edge: -edge[1]):
            if begins:
                now.append(state)
            else:
                now.remove(state)
        value = value_of(now)
        if value != shown:
            shown = value
            yield cycle, value


TRACES.add("vcd")(Trace("trace.vcd", vcd))
