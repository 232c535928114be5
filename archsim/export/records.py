"""What a trace shows of a run's beginning: who held which unit when, power in watts and examples in flight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate

from archsim.mapping.schedule import Schedule, Stage
from archsim.results.bill import CHIP, use_energy_j
from archsim.results.evaluate import Result
from archsim.simulation.step import Record, record

STEPS, MOST = 100, 100_000
"""A trace covers as many cycles as this many steps take, and has this many slices of tiles and units at most."""
_PER_W = 10**24  # powers add up as whole numbers of this part of a watt, so that they return to what they were


@dataclass(frozen=True, slots=True)
class Span:
    """Cycles from `begin` to `end` in which a tile is in a state, or a unit is held; by which entry, in which state."""

    begin: int
    end: int
    entry: int
    state: str = ""


@dataclass(frozen=True)
class Recorded:
    """The beginning of a run: its stages in the order of their grants, and what follows from them.

    `tiles` and `units` hold the spans of used tiles and units, by index, in order of their beginnings. `power` holds
    (cycle, watts) and `in_flight` (cycle, examples) at each change, the last of them at `end`.
    """

    schedule: Schedule
    entries: tuple[Record, ...]
    end: int
    tiles: dict[int, list[Span]]
    units: dict[int, list[Span]]
    power: list[tuple[int, float]]
    in_flight: list[tuple[int, int]]


def stage_of(schedule: Schedule, entry: Record) -> Stage:
    """Return the stage that an entry is about."""
    variants = schedule.ops[entry.op].variants
    return variants[entry.n % len(variants)][entry.stage]


def collect(result: Result, steps: int = STEPS) -> Recorded:
    """Return the beginning of a run, as long as so many of its steps take; MOST slices bound it.

    The power is that of the actions of stages in progress, plus leakage: each stage's energy is spread evenly from its
    grant to the end of the stage, or until it lets go of the last unit that it releases where that is later, and over
    one cycle at least. So its integral is the energy of the stages recorded plus leakage. An example is in flight from
    the first stage that the gate of the schedule lets through to the end of its last update.
    """
    schedule = result.schedule
    entries = _bounded(schedule, record(schedule, max(1, result.step.cycles) * steps, MOST))
    spent = _draws(result, entries)
    end = max((entry.granted + cycles for entry, (cycles, _) in zip(entries, spent, strict=True)), default=0)
    power = _levels(
        [(entry.granted, entry.granted + cycles, rate) for entry, (cycles, rate) in zip(entries, spent, strict=True)],
        end,
    )
    flights = _levels([(begin, until, 1) for begin, until in _flights(schedule, entries, end)], end)
    watts = _watts(power, schedule.chip.leakage_w)
    return Recorded(schedule, entries, end, _tiles(schedule, entries), _units(schedule, entries, end), watts, flights)


def _bounded(schedule: Schedule, entries: Sequence[Record]) -> tuple[Record, ...]:
    """Return the entries up to the last one at whose grant MOST slices have not been exceeded."""
    slices = 0
    for place, entry in enumerate(entries):
        stage = stage_of(schedule, entry)
        slices += len(stage.shows) + len(stage.acquire)
        if slices > MOST:
            return tuple(entries[:place])
    return tuple(entries)


def _draws(result: Result, entries: Sequence[Record]) -> list[tuple[int, int]]:
    """Return for each entry the cycles over which its stage's energy is spread, and the power."""
    clock_hz = float(result.chip.spec.technology.clock_hz)
    names = {-1: CHIP, **dict(enumerate(layer.name for layer in result.workload.value.layers))}

    @cache
    def draw(index: int, variant: int, stage: int) -> tuple[int, int]:
        op = result.schedule.ops[index]
        own = op.variants[variant][stage]
        cycles = max(1, own.latency_cycles, *(at for at, _ in own.release))
        layer = names[max(op.layer, -1)]
        values = result.schedule.mapping.workload.values
        paid = (
            use.count * use_energy_j(result.chip, use, layer, op.phase, result.activity, values) for use in own.uses
        )
        return cycles, round(sum(paid) * clock_hz / cycles * _PER_W)

    variants = [len(op.variants) for op in result.schedule.ops]
    return [draw(entry.op, entry.n % variants[entry.op], entry.stage) for entry in entries]


def _levels(spans: Sequence[tuple[int, int, int]], end: int) -> list[tuple[int, int]]:
    """Return (cycle, sum of what holds then) from cycle 0 on at each change of the sum, and at `end`."""
    changes = {0: 0, end: 0}
    for begin, until, height in spans:
        changes[begin] = changes.get(begin, 0) + height
        changes[until] = changes.get(until, 0) - height
    cycles = sorted(changes)
    sums = list(accumulate(changes[cycle] for cycle in cycles))
    last = len(cycles) - 1
    return [
        (cycle, level)
        for i, (cycle, level) in enumerate(zip(cycles, sums, strict=True))
        if i in (0, last) or level != sums[i - 1]
    ]


def _watts(power: Sequence[tuple[int, int]], leakage_w: float) -> list[tuple[int, float]]:
    """Return the levels in watts, without those that differ from the one before by less than a float can tell."""
    found: list[tuple[int, float]] = []
    for i, (cycle, rate) in enumerate(power):
        watts = rate / _PER_W + leakage_w
        if not found or i == len(power) - 1 or watts != found[-1][1]:
            found.append((cycle, watts))
    return found


def _flights(schedule: Schedule, entries: Sequence[Record], end: int) -> list[tuple[int, int]]:
    """Return from when to when each example was in flight; one that is under way at the end stays so."""
    gates = {op.index for op in schedule.ops if op.kind == "begin"}
    first = {op.index for op in schedule.ops if any(need.op in gates for need in op.needs)}
    last = {need.op for need in schedule.ops[schedule.end].needs}
    began: dict[int, int] = {}
    ended: dict[int, int] = {}
    open_updates: dict[int, int] = {}
    for entry in entries:
        if entry.op in first:
            began.setdefault(entry.n, entry.granted)
        if entry.op in last and entry.stage == len(schedule.ops[entry.op].stages) - 1:
            ended[entry.n] = max(ended.get(entry.n, 0), entry.ended)
            open_updates[entry.n] = open_updates.get(entry.n, len(last)) - 1
    return [(begin, end if open_updates.get(n, 1) else ended[n]) for n, begin in began.items()]


def _tiles(schedule: Schedule, entries: Sequence[Record]) -> dict[int, list[Span]]:
    found: dict[int, list[Span]] = {tile: [] for tile in schedule.used_tiles}
    for index, entry in enumerate(entries):
        if entry.ended > entry.granted:
            for tile, state in stage_of(schedule, entry).shows:
                if tile in found:
                    found[tile].append(Span(entry.granted, entry.ended, index, state))
    return found


def _units(schedule: Schedule, entries: Sequence[Record], end: int) -> dict[int, list[Span]]:
    """Return by unit from when to when it was held, and by whom.

    A unit may be let go by a later stage, or a later op, of the same example: samples on their lines, and places in
    buffers. What nobody has let go of is held to the end.
    """
    units = schedule.chip.units
    held: dict[tuple[int, int], list[tuple[int, int]]] = {}
    found: dict[int, list[Span]] = {}
    for index, entry in enumerate(entries):
        op = schedule.ops[entry.op]
        stage = stage_of(schedule, entry)
        holder = entry.n if op.maintenance is None else -1 - entry.op  # instances of maintenance are no examples
        for unit in stage.acquire:
            if units[unit].capacity:
                held.setdefault((unit, holder), []).append((entry.granted, index))
        for at, unit in stage.release:
            if units[unit].capacity:
                begin, by = held[unit, holder].pop(0)
                if entry.granted + at > begin:
                    found.setdefault(unit, []).append(Span(begin, entry.granted + at, by))
    for (unit, _), rest in held.items():
        found.setdefault(unit, []).extend(Span(begin, end, by) for begin, by in rest if end > begin)
    return {unit: sorted(found[unit], key=lambda span: (span.begin, span.entry)) for unit in sorted(found)}
