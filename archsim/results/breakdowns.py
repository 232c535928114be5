"""Breakdowns of a run as plain data: by layer, tile, link, dwell time, and by what array reads were billed."""

from __future__ import annotations

from functools import cache
from math import fsum
from typing import Any

from archsim.chip.graph import Chip
from archsim.mapping.inference import programming
from archsim.mapping.shards import Mapping as ShardMapping
from archsim.results.bill import ActivityFile, Bill, account
from archsim.results.stated import stated_j
from archsim.simulation.dwell import EDGES
from archsim.simulation.run import Trace, simulate

TOP = 50
"""Long tables show this many rows."""


def programming_data(chip: Chip, mapping: ShardMapping) -> dict[str, Any]:
    """Return what it takes to write all weights once, before the run and apart from its totals: seconds and joules."""
    trace = simulate(programming(chip, mapping))
    bill = account(trace)
    time_s, cells = trace.cycles / float(chip.spec.technology.clock_hz), sum(shard.cells for shard in mapping.shards)
    by_layer = bill.by(lambda item: item.layer)
    return {"time_s": time_s, "energy_j": bill.total_j, "energy_j_by_layer": by_layer, "cells": cells}


def activity_data(trace: Trace, bill: Bill, activity: ActivityFile | None, source: str) -> dict[str, Any]:
    """Return by which activity array reads were billed, per layer and direction, and what it changes by component.

    Where none was measured, it is `stated` if the network states its values. Energies of a read are means per cell.
    `effect_j` holds the components that cost something else than at the spec's fixed energy of a read, and the total.
    """
    spec_bill = account(trace, stated=False) if bill.measured or bill.stated else bill
    used, fixed = _reads(bill), _reads(spec_bill)
    rows = []
    for (layer, direction), (count, energy_j) in used.items():
        found = None if activity is None else getattr(activity.layers.get(layer), direction, None)
        rows.append({
            "layer": layer, "direction": direction, "by": _by(trace, layer, direction, found),
            "conductance_siemens": None if found is None else found.conductance_siemens,
            "on_time_s": None if found is None else float(found.on_time_s),
            "read_energy_j": energy_j / count, "read_energy_spec_j": fixed[layer, direction][1] / count,
            "cell_reads": count,
        })  # fmt: skip
    ours, theirs = bill.by(lambda item: item.component), spec_bill.by(lambda item: item.component)
    effect = {name: {"spec": theirs[name], "used": ours[name]} for name in ours if ours[name] != theirs[name]}
    effect["total"] = {"spec": spec_bill.total_j, "used": bill.total_j}
    return {"from": None if activity is None else source, "reads": rows, "effect_j": effect}


def _by(trace: Trace, layer: str, direction: str, measured: object) -> str:
    """Return by what the reads of a layer's cells were billed."""
    if measured is not None:
        return "measured"
    values = trace.schedule.mapping.workload.values
    tiles = {shard.tile for shard in trace.schedule.mapping.shards
             if trace.schedule.mapping.workload.layers[shard.layer].name == layer}  # fmt: skip
    specs = [trace.schedule.chip.tiles[tile].spec for tile in tiles]
    known = values is not None and any(
        stated_j(spec, "device", "read", direction, values.of(layer)) is not None for spec in specs
    )
    return "stated" if known else "spec"


def _reads(bill: Bill) -> dict[tuple[str, str], tuple[int, float]]:
    """Return count and energy of the array reads of a bill, by layer and direction."""
    found: dict[tuple[str, str], tuple[int, float]] = {}
    for item in bill.items:
        if (item.component, item.action) == ("device", "read"):
            count, energy_j = found.get((item.layer, item.phase), (0, 0.0))
            found[item.layer, item.phase] = (count + item.count, energy_j + item.energy_j)
    return dict(sorted(found.items(), key=lambda pair: (pair[0][0], pair[0][1] != "forward")))


def layer_rows(trace: Trace, bill: Bill) -> list[dict[str, Any]]:
    """Return the layers: shapes, shards, operations, energy in joules, and the states of their tiles in cycles."""
    schedule = trace.schedule
    place = {tile: i for i, tile in enumerate(schedule.used_tiles)}
    energy = bill.by(lambda item: item.layer)
    rows = []
    workload = schedule.mapping.workload
    for index, layer in enumerate(workload.layers):
        shards = schedule.mapping.by_layer.get(index, ())
        own = [trace.tile_states[place[shard.tile]] for shard in shards]
        row_shards, col_shards = schedule.mapping.grid[index]
        rows.append({
            "name": layer.name, "inputs": layer.inputs, "outputs": layer.outputs, "synapses": layer.synapses,
            "row_shards": row_shards, "col_shards": col_shards, "tiles": [shard.tile for shard in shards[:TOP]],
            "ops_per_example": workload.ops_per_synapse * layer.synapses * len(layer.vectors(workload)),
            "energy_j": energy.get(layer.name, 0.0),
            "stalls_cycles": {state: sum(each[state] for each in own) for state in trace.tile_states[0]},
        })  # fmt: skip
    return rows


def digital_rows(trace: Trace) -> dict[str, dict[str, float]]:
    """Return what layers without weights move with an example, by name: bits over the network, words of memories.

    `bits_sent` leave their source, `bits_received` count at each place that a multicast goes to. Forward and backward,
    and what is added to inputs, are in it; outputs are the next layer's.
    """
    schedule, found = trace.schedule, dict[str, dict[str, float]]()
    layers = schedule.mapping.workload.layers
    for layer in layers:
        if not layer.blocks:
            found[layer.name] = dict.fromkeys(("bits_sent", "bits_received", "words_read", "words_written"), 0.0)
    for message in schedule.messages:
        op = schedule.ops[message.source_op]
        if op.phase == "digital":
            bits = message.bits * trace.done[message.source_op] / trace.examples
            found[layers[op.layer].name]["bits_sent"] += bits
            found[layers[op.layer].name]["bits_received"] += bits * len(message.last_ops)
    for entry in trace.stages:
        op = schedule.ops[entry.op]
        for use in entry.stage.uses if op.kind == "digital" else ():
            if schedule.chip.units[use.unit].component == "memory":
                name = "words_read" if use.action == "read" else "words_written"
                found[layers[op.layer].name][name] += use.count * entry.grants / trace.examples
    return found


def tile_rows(trace: Trace) -> list[dict[str, Any]]:
    """Return the first used tiles: what they hold, and their states in cycles."""
    names = [layer.name for layer in trace.schedule.mapping.workload.layers]
    return [
        {"tile": shard.tile, "layer": names[shard.layer], "shard": shard.name, "cells": shard.cells, "cycles": states}
        for shard, states in zip(trace.schedule.mapping.shards[:TOP], trace.tile_states[:TOP], strict=True)
    ]


def link_rows(trace: Trace) -> list[dict[str, Any]]:
    """Return the links that were used, the busiest first, as `LinkUse` holds them.

    Waiting counts for each link that a waiting stage needs; that for a place in the buffer at its far end, and behind
    another packet there, apart.
    """
    chip = trace.schedule.chip
    is_link = cache(lambda unit: chip.link_of(unit) is not None)
    before = cache(lambda unit: chip.units[unit].buffer_of)
    each_j = cache(lambda unit, action: chip.units[unit].actions[action].energy_j)
    totals: dict[int, tuple[float, ...]] = {}
    places: dict[str, int] = {}
    for entry in trace.stages:
        stage, grants, waited = entry.stage, entry.grants, entry.wait_cycles
        for unit in stage.acquire if waited else ():
            if link := before(unit):
                places[link] = places.get(link, 0) + waited
        used = [pair for pair in stage.release if is_link(pair[1])] if grants else []
        if not used:
            continue
        spent: dict[int, list[float]] = {}
        for use in stage.uses:
            if is_link(use.unit):
                spent.setdefault(use.unit, []).append(grants * use.count * each_j(use.unit, use.action))
        for at, unit in used:
            messages, busy, waits, energy_j = totals.get(unit, (0, 0, 0, 0.0))
            energy_j += fsum(spent.get(unit, ()))
            totals[unit] = messages + grants, busy + at * grants, waits + waited, energy_j
    ranked = sorted(totals.items(), key=lambda pair: (-pair[1][1], pair[0]))
    links = [(chip.links[chip.units[unit].name], found) for unit, found in ranked]
    return [
        {
            "name": link.name, "length_m": link.length_m, "messages": grants, "busy_cycles": busy,
            "utilisation": busy / trace.cycles if trace.cycles else None, "wait_cycles": waited,
            "buffer_wait_cycles": places.get(link.name, 0), "energy_j": energy,
        }
        for link, (grants, busy, waited, energy) in links
    ]  # fmt: skip


def dwell_data(trace: Trace) -> dict[str, Any]:
    """Return how long updates stayed on their capacitors, in cycles: counts, median, 99th percentile, histogram."""
    dwell = trace.dwell
    last = len(EDGES) - 1
    bins = [(int(EDGES[i]), int(EDGES[min(i + 1, last)]), int(n)) for i, n in enumerate(dwell.counts) if n]
    return {
        "cell_updates_read": dwell.cells, "cell_updates_open": dwell.open, "total_cycles": dwell.total_cycles,
        "median_cycles": dwell.percentile_cycles(0.5), "p99_cycles": dwell.percentile_cycles(0.99),
        "histogram": [{"from_cycles": a, "to_cycles": b, "cell_updates": count} for a, b, count in bins],
    }  # fmt: skip
