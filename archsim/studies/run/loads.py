"""What a floorplan's drawing shows, as plain values: rectangles, wires, and what a run did to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from archsim.chip.floorplan import Block
from archsim.chip.floorplan.plan import Rect
from archsim.chip.graph import Chip
from archsim.report.floorplan import Layout, Load, layout_of
from archsim.results.breakdowns import link_rows
from archsim.results.evaluate import Result


def layout_data(layout: Layout) -> dict[str, Any]:
    """Return a layout as plain data in metres."""
    return {
        "width_m": layout.width_m,
        "height_m": layout.height_m,
        "blocks": [{"name": block.name, "kind": block.kind, **asdict(block.rect)} for block in layout.blocks],
        "wires": [{"link": name, "line_m": [[x, y] for x, y in line]} for name, line in layout.wires],
    }


def layout_from(plan: Mapping[str, Any]) -> Layout:
    """Return the layout that such data hold."""
    blocks = tuple(Block(own["name"], rect_from(own), own["kind"]) for own in plan["blocks"])
    wires = tuple((own["link"], [(x, y) for x, y in own["line_m"]]) for own in plan["wires"])
    return Layout(plan["width_m"], plan["height_m"], blocks, wires)


def rect_from(data: Mapping[str, Any]) -> Rect:
    """Return a rectangle from plain data in metres."""
    return Rect(data["x_m"], data["y_m"], data["width_m"], data["height_m"])


def load_from(power_w: Mapping[str, float], links: Sequence[Mapping[str, Any]]) -> Load:
    """Return a load from mean powers by tile and host port, and rows of links."""
    return Load(power_w, {row["name"]: row["utilisation"] or 0.0 for row in links}, {row["name"]: row for row in links})


def power_of(data: Mapping[str, Any]) -> dict[str, float]:
    """Return mean power by tile and host port in watts, as metrics.json tells it."""
    time_s = data["metrics"]["time_total_s"]
    return {name: energy / time_s for name, energy in data["energy_j"]["by_tile"].items()} if time_s else {}


def drawing_data(chip: Chip, result: Result | None = None) -> dict[str, Any]:
    """Return all that a drawing shows, as plain data: after a run with the layers on tiles, power and links."""
    data = layout_data(layout_of(chip))
    if result is None:
        return {**data, "layers": {}, "power_w": None, "links": []}
    names = [layer.name for layer in result.workload.value.layers]
    layers = {f"tile{shard.tile}": names[shard.layer] for shard in result.mapping.shards}
    return {**data, "layers": layers, "power_w": power_of(result.data), "links": link_rows(result.trace)}


def drawn(data: Mapping[str, Any]) -> tuple[Layout, Load | None]:
    """Return the layout, and what a run did to it, that the data of a drawing hold."""
    power_w = data["power_w"]
    return layout_from(data), None if power_w is None else load_from(power_w, data["links"])
