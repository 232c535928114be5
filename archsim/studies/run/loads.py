"""What a floorplan's drawing shows, as plain values: rectangles, wires, and what a run did to them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from archsim.chip.floorplan import Block, Rect
from archsim.report.floorplan import Layout, Load
from archsim.results.breakdowns import link_rows
from archsim.results.evaluate import Result
from archsim.studies.run.page import Page


def layout_from(page: Page) -> Layout:
    """Return the layout that a report's details hold."""
    plan = page.details["floorplan"]
    blocks = tuple(Block(own["name"], rect_from(own), own["kind"]) for own in plan["blocks"])
    wires = tuple((own["link"], [(x, y) for x, y in own["line_m"]]) for own in plan["wires"])
    return Layout(plan["width_m"], plan["height_m"], blocks, wires)


def rect_from(data: Mapping[str, Any]) -> Rect:
    """Return a rectangle from plain data in metres."""
    return Rect(data["x_m"], data["y_m"], data["width_m"], data["height_m"])


def load_of(result: Result) -> Load:
    """Return mean power by tile and host port, wires and routers apart, and the busy share of each link that was."""
    return _load(result.data, link_rows(result.trace))


def load_from(page: Page) -> Load:
    """Return what a report's data tell of power and busy links, as `load_of`."""
    return _load(page.data, page.details["links"])


def _load(data: Mapping[str, Any], links: Sequence[Mapping[str, Any]]) -> Load:
    time_s = data["metrics"]["time_total_s"]
    power = {name: energy / time_s for name, energy in data["energy_j"]["by_tile"].items()} if time_s else {}
    return Load(power, {row["name"]: row["utilisation"] or 0.0 for row in links}, {row["name"]: row for row in links})
