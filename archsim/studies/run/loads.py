"""What a floorplan's drawing shows, as files hold it: rectangles, wires, and what a run did to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import SerializerFunctionWrapHandler, model_serializer

from archsim.base.record import Record
from archsim.chip.floorplan import Block
from archsim.chip.floorplan.plan import Rect
from archsim.chip.graph import Chip
from archsim.chip.places import Layout, layout_of
from archsim.report.floorplan import LinkUse, Load
from archsim.results.evaluate import Result


class DrawnBlock(Record):
    """A block of a layout, in metres."""

    name: str
    kind: str
    x_m: float
    y_m: float
    width_m: float
    height_m: float


class DrawnWire(Record):
    """The line of a link, in metres: (x, y) of its corners."""

    link: str
    line_m: tuple[tuple[float, float], ...]


class DrawnDie(Record):
    """A layout, in metres; `wires_more` counts the links that have no line because there are so many."""

    width_m: float
    height_m: float
    blocks: tuple[DrawnBlock, ...]
    wires: tuple[DrawnWire, ...]
    wires_more: int = 0

    @model_serializer(mode="wrap")
    def _without_none_more(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        found: dict[str, Any] = handler(self)
        return found if self.wires_more else {key: own for key, own in found.items() if key != "wires_more"}

    @classmethod
    def of(cls, layout: Layout, **more: Any) -> Self:
        """Return a layout, and what `more` there is to it, as a file holds them."""
        blocks = tuple(DrawnBlock(name=own.name, kind=own.kind, **vars(own.rect)) for own in layout.blocks)
        wires = tuple(DrawnWire(link=name, line_m=tuple(line)) for name, line in layout.wires)
        size = {"width_m": layout.width_m, "height_m": layout.height_m}
        return cls(**size, blocks=blocks, wires=wires, wires_more=layout.more, **more)

    @property
    def layout(self) -> Layout:
        """The layout."""
        blocks = (Block(own.name, Rect(own.x_m, own.y_m, own.width_m, own.height_m), own.kind) for own in self.blocks)
        wires = ((own.link, list(own.line_m)) for own in self.wires)
        return Layout(self.width_m, self.height_m, tuple(blocks), tuple(wires), self.wires_more)


class Drawing(DrawnDie):
    """All that a drawing shows. After a run: layers by tile, mean power in watts by tile and host port, and links."""

    layers: Mapping[str, str]
    power_w: Mapping[str, float] | None
    links: tuple[LinkUse, ...]

    @property
    def load(self) -> Load | None:
        """What a run did to the chip, if there was one."""
        return None if self.power_w is None else Load(self.power_w, {link.name: link for link in self.links})


def drawing_of(chip: Chip, result: Result | None = None) -> Drawing:
    """Return what is drawn of a chip, and of a run on it."""
    if result is None:
        return Drawing.of(layout_of(chip), layers={}, power_w=None, links=())
    names = [layer.name for layer in result.workload.value.layers]
    layers = {f"tile{shard.tile}": names[shard.layer] for shard in result.mapping.shards}
    links = tuple(LinkUse(**row) for row in result.links)
    layout = layout_of(chip, {link.name: link.utilisation or 0.0 for link in links})
    return Drawing.of(layout, layers=layers, power_w=power_of(result.data), links=links)


def power_of(data: Mapping[str, Any]) -> dict[str, float]:
    """Return mean power by tile and host port in watts, as metrics.json tells it."""
    time_s = data["metrics"]["time_total_s"]
    return {name: energy / time_s for name, energy in data["energy_j"]["by_tile"].items()} if time_s else {}
