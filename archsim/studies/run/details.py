"""Details of a run: what figures and tables show beyond its metrics, as plain data in SI units."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from archsim.baselines.comparison import compare_gpus
from archsim.chip.floorplan.plan import Rect
from archsim.chip.graph import Chip
from archsim.chip.places import layout_of
from archsim.results.breakdowns import TOP
from archsim.results.evaluate import Result
from archsim.studies.common_draws import in_draws
from archsim.studies.run.loads import DrawnDie
from archsim.studies.run.page import Details, Page, Run
from archsim.studies.run.saved import page_from
from archsim.studies.train.history import History
from archsim.workload.network import MODES

NAMED_TILES = 64
"""Up to so many tiles are named in the floorplan by layer, and its links are drawn."""


def page_of(result: Result, history: History | None = None, more: Mapping[str, Any] | None = None) -> Page:
    """Return a result as its report shows it; `more` are its details, if they are known."""
    own = details(result) if more is None else more
    return page_from(Run.model_validate(result.data), Details.model_validate(own), history)


def details(result: Result) -> dict[str, Any]:
    """Return the content of details.json: what figures and tables need beyond metrics.json.

    All figures are SI; what is counted in cycles says so. Nothing but text, numbers, lists and mappings.
    """
    names = [layer.name for layer in result.workload.value.layers]
    return {
        "schema": "archsim-details-1",
        "description": result.arch.value.description,
        "clock_hz": float(result.chip.spec.technology.clock_hz),
        "synapses": result.workload.value.synapses,
        "mode": {
            "ops_per_synapse": result.workload.value.ops_per_synapse,
            "steps": result.workload.value.timed.steps,
            **asdict(MODES[result.workload.value.mode].words),
        },
        "overrides": [*result.arch.overrides, *result.workload.overrides],
        "figures": [{"path": path, **asdict(figure)} for path, figure in result.arch.figures.items()],
        "zeros": list(result.arch.zeros()),
        "leak_time_constants_s": [
            tile.device.leak_time_constant_at_s(result.chip.spec.technology.temperature_kelvin)
            for _, tile in result.chip.spec.tile_kinds
        ],
        "peak": {
            "time_per_example_s": result.peak.time_per_example_s,
            "busiest_unit": result.peak.busiest_unit,
            "busy_cycles": dict(result.peak.busy_cycles),
            "energy_j_by_component": dict(result.peak.energy_j_by_component),
        },
        "step": _step(result, names),
        "tiles": [
            {"tile": shard.tile, "layer": names[shard.layer], "shard": shard.name, "cycles": states}
            for shard, states in zip(result.mapping.shards, result.trace.tile_states, strict=True)
        ],
        "bill": [
            {name: getattr(item, name) for name in ("component", "action", "phase", "layer", "count", "energy_j")}
            for item in result.bill.items
        ],
        "parts": [
            {"component": part.component, "instances": part.instances, "area_m2": part.area_m2}
            for part in result.chip.parts
        ],
        "links": list(result.links),
        "gpus": compare_gpus(result),
        "floorplan": _floorplan(
            result.chip,
            {shard.tile: names[shard.layer] for shard in result.mapping.shards},
            {row["name"]: row["utilisation"] or 0.0 for row in result.links},
        ),
        **({"draws": in_draws(result).plain()} if result.arch.ranges else {}),
    }


def _step(result: Result, names: list[str]) -> dict[str, Any]:
    """Return what each of the first tiles, and the links, do in one step, and its critical path, in its cycles."""
    shown = result.step
    shards = result.mapping.shards[:TOP]
    lane = {shard.tile: i for i, shard in enumerate(shards)}
    bars: dict[str, dict[int, list[tuple[int, int]]]] = {}
    busy: list[tuple[int, int]] = []
    for record in shown.records:
        op = shown.schedule.ops[record.op]
        stage = op.variants[record.n % len(op.variants)][record.stage]
        begin, end = max(record.granted, shown.start) - shown.start, min(record.ended, shown.end) - shown.start
        if end <= begin:
            continue
        for tile, state in stage.shows:
            if tile in lane:
                bars.setdefault(state, {}).setdefault(lane[tile], []).append((begin, end))
        if op.kind == "send":
            busy.append((begin, end))
    ops = shown.schedule.ops
    return {
        "example": shown.example,
        "cycles": shown.cycles,
        "shares_cycles": shown.shares,
        "lanes": [{"tile": shard.tile, "name": f"{names[shard.layer]}{shard.name}"} for shard in shards],
        "spans": [
            {"state": state, "lane": row, "cycles": _union(spans)}
            for state, rows in bars.items() for row, spans in rows.items()
        ],
        "links_cycles": _union(busy),
        "path": [
            {
                "what": part.what, "op": f"{ops[part.op].kind} {ops[part.op].label}".strip(), "instance": part.n,
                "cycles": [part.start - shown.start, part.end - shown.start],
            }
            for part in shown.path
        ],
    }  # fmt: skip


def _union(spans: list[tuple[int, int]]) -> list[list[int]]:
    """Return the stretches that at least one of the (begin, end) spans covers.

    >>> _union([(5, 9), (0, 2), (2, 3), (6, 7)])
    [[0, 3], [5, 9]]
    """
    joined: list[list[int]] = []
    for begin, end in sorted(spans):
        if joined and begin <= joined[-1][1]:
            joined[-1][1] = max(end, joined[-1][1])
        else:
            joined.append([begin, end])
    return joined


def _floorplan(chip: Chip, layer_of: Mapping[int, str], held: Mapping[str, float]) -> dict[str, Any]:
    """Return the die in metres: sites with the area in use and the layer, host, other blocks, wires and routers."""
    plan, layout = chip.plan, DrawnDie.of(layout_of(chip, held)).plain()
    sites = [
        {**_rect(site), "used_m2": chip.tile_share(tile)[0], "layer": layer_of.get(i)}
        for i, (site, tile) in enumerate(zip(plan.sites, chip.tiles, strict=True))
    ]
    return {
        "width_m": layout["width_m"],
        "height_m": layout["height_m"],
        "sites": sites,
        "host": _rect(plan.host),
        "others": [{"kind": block.kind, **_rect(block.rect)} for block in plan.blocks],
        "blocks": layout["blocks"],
        "wires": layout["wires"],
        **({"wires_more": layout["wires_more"]} if "wires_more" in layout else {}),
        "routers_m": _between_routers(chip) if len(plan.sites) <= NAMED_TILES else [],
    }


def _rect(rect: Rect) -> dict[str, float]:
    return dict(vars(rect))


def _between_routers(chip: Chip) -> list[list[list[float]]]:
    """Return the links between routers as lines between the edges of neighbouring sites, in metres."""
    places = chip.topology.places_m
    pairs = {(min(a, b), max(a, b)) for a, b in chip.graph.edges if a in places and b in places}
    lines = []
    for a, b in sorted(pairs):
        (ax, ay), (bx, by) = places[a], places[b]
        lines.append([[ax + (bx - ax) * t, ay + (by - ay) * t] for t in (0.36, 0.64)])
    return lines
