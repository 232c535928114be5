"""What a chip is made of: the static bill of areas and leakages, and what each part of a tile can do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import ceil

from archsim.chip.floorplan import Plan
from archsim.chip.topologies.base import Topology
from archsim.chip.topologies.package import PORT
from archsim.components.base import Action, Component
from archsim.components.crossbar import Crossbar
from archsim.components.digital import LineCircuit
from archsim.spec.arch import ArchSpec
from archsim.spec.tile import TileSpec


@dataclass(frozen=True, slots=True)
class Part:
    """A line of the static bill: how many instances of a component there are, their area and leakage.

    `host` marks what belongs to the host port, or joins chips, and is kept out of the peak.
    """

    component: str
    instances: int
    area_m2: float
    leakage_w: float
    host: bool = False


def tile_parts(tile: TileSpec) -> list[tuple[str, Component, int]]:
    """Return (line of the bill, component, instances) for each part of one tile.

    Drivers stand one per line; a converter serves `lines_per_unit` lines; a shared bank is counted once.
    """
    shared = tile.row_converter == "shared"
    column_bank = max(tile.rows, tile.cols) if shared else tile.cols
    parts: list[tuple[str, Component, int]] = [
        ("device", tile.device, tile.rows * tile.cols),
        ("crossbar", tile.array, 1),
        ("row_driver", tile.row_driver, tile.rows),
        *([] if isinstance(tile.col_driver, str) else [("col_driver", tile.col_driver, tile.cols)]),
        ("col_converter", tile.col_converter, ceil(column_bank / tile.col_converter.lines_per_unit)),
    ]
    if not isinstance(tile.row_converter, str):
        bank = ceil(tile.rows / tile.row_converter.lines_per_unit)
        parts.append(("row_converter", tile.row_converter, bank))
    if tile.array.pair_area_m2:
        pair = LineCircuit(name="paired_rows", per="cell", area_m2=tile.array.pair_area_m2)
        parts.append((pair.name, pair, pair.instances(tile.rows, tile.cols)))
    parts += [("memory", tile.memory, 1), ("neuron", tile.neuron, 1)]
    if tile.accumulator is not None:
        edges = (column_bank,) if isinstance(tile.row_converter, str) else (tile.rows, tile.cols)
        parts.append(("accumulator", tile.accumulator, sum(map(tile.accumulator.units, edges))))
    parts += [(circuit.name, circuit, circuit.instances(tile.rows, tile.cols)) for circuit in tile.periphery]
    return parts


def tile_actions(tile: TileSpec) -> list[tuple[str, str, Mapping[str, Action], int]]:
    """Return (unit, line of the bill, actions, how many holders at once) for what stands on one tile."""
    table: list[tuple[str, str, Mapping[str, Action], int]] = [
        ("crossbar", "crossbar", _line_actions(tile), 1),
        ("device", "device", _cell_actions(tile), 0),
        ("row_driver", "row_driver", tile.row_driver.actions(), 1),
        ("col_converter", "col_converter", tile.col_converter.actions(), 1),
        ("col_hold", "col_converter", {}, tile.col_converter.sample_hold),
        ("memory", "memory", tile.memory.actions(), 1),
        ("neuron", "neuron", tile.neuron.actions(), 1),
    ]
    if not isinstance(tile.col_driver, str):
        table.insert(3, ("col_driver", "col_driver", tile.col_driver.actions(), 1))
    if tile.accumulator is not None:
        table.append(("accumulator", "accumulator", tile.accumulator.actions(), 0))
    if not isinstance(tile.row_converter, str):
        table += [
            ("row_converter", "row_converter", tile.row_converter.actions(), 1),
            ("row_hold", "row_converter", {}, tile.row_converter.sample_hold),
        ]
    return table


def _line_actions(tile: TileSpec) -> Mapping[str, Action]:
    """Return what is done to lines: read, as often as their drivers charge them, and pulsed."""
    col_swings = 1.0 if isinstance(tile.col_driver, str) else tile.col_driver.swings
    return tile.array.line_actions(tile.rows, tile.cols, tile.row_driver.swings, col_swings)


def _cell_actions(tile: TileSpec) -> Mapping[str, Action]:
    """Return what a cell does, and `update`: all pulses that it sees in an update, on average."""
    actions = tile.device.actions()
    if isinstance(tile.array, Crossbar):
        actions["update"] = Action(tile.array.coincidences * tile.device.pulse_j)
    return actions


def static_parts(spec: ArchSpec, plan: Plan, topology: Topology, between: Collection[str]) -> tuple[Part, ...]:
    """Return the static bill of a chip, or of a package; `between` names the links between chips."""
    totals: dict[str, list[float]] = {}

    def count(component: str, part: Component, instances: int) -> None:
        line = totals.setdefault(component, [0, 0.0, 0.0])
        line[0] += instances
        line[1] += instances * part.total_area_m2
        line[2] += instances * part.total_leakage_w

    for _, tile in spec.tile_kinds:
        for name, part, instances in tile_parts(tile):
            count(name, part, instances * tile.count * spec.chips)
    count("router", spec.routing.router, topology.routers)
    parts = [Part(name, int(n), area, leakage) for name, (n, area, leakage) in totals.items()]
    link = spec.routing.link
    inner = {name: length_m for name, length_m in topology.lengths_m.items() if name not in between}
    wire_m2 = sum(length_m * link.area_per_length_m for length_m in inner.values())
    parts.append(Part("link", len(inner), wire_m2, len(inner) * link.total_leakage_w))
    for kind in dict.fromkeys(block.kind for block in plan.blocks if block.kind != PORT):
        areas_m2 = [block.rect.area_m2 for block in plan.blocks if block.kind == kind]
        parts.append(Part(kind, len(areas_m2), sum(areas_m2), 0.0))
    parts.append(Part("white_space", 1, plan.white_space_m2, 0.0))
    host = spec.host
    parts.append(Part("host_port", 1, host.total_area_m2, host.total_leakage_w, host=True))
    if spec.package is not None and spec.chips > 1:
        others, ends = spec.chips - 1, spec.package.links_per_chip * spec.chips
        leak_w = len(between) * spec.package.link.total_leakage_w
        parts.append(Part(PORT, others, others * host.total_area_m2, others * host.total_leakage_w, host=True))
        parts.append(Part("chip_link", ends, spec.chips * chip_links_m2(spec), leak_w, host=True))
    return tuple(parts)


def chip_links_m2(spec: ArchSpec) -> float:
    """Return the area of one chip's ends of links to others, whichever are used, since all chips are alike."""
    if spec.package is None or spec.chips == 1:
        return 0.0
    return spec.package.links_per_chip * spec.package.link.total_area_m2
