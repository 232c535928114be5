"""What a chip can do by itself, without a workload: its peak, its size, and one op on one full tile."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from archsim.accounting import Peak, peak
from archsim.chip.graph import Chip, Tile
from archsim.mapping.recipes import BACKWARD, FORWARD, Side, TileKit
from archsim.mapping.schedule import Stage
from archsim.mapping.transport import Transport
from archsim.spec import TRANSPORTS


def chip_metrics(chip: Chip, mode: str) -> dict[str, float]:
    """Return by metric, in SI units, what a chip reaches in a mode without any workload.

    Of the first kind of tile, all of its lines in use: `read_latency_s` from a vector's first step to its last value
    converted, `read_energy_j` with the tile's leakage meanwhile, `tile_area_m2` with its share of the routers; and in
    training the latencies of a read of the transpose and of an update. Raises SpecError if the chip lacks what the mode
    needs.
    """
    top = peak(chip, mode)
    return {**peak_metrics(top), "area_m2": chip.area_m2, **_tile_metrics(chip, mode)}


def peak_metrics(top: Peak) -> dict[str, float]:
    """Return the metrics of a peak, in SI units."""
    return {
        "time_per_example_peak_s": top.time_per_example_s,
        "throughput_peak_op_per_s": top.throughput_op_per_s,
        "power_peak_w": top.energy_per_example_j / top.time_per_example_s,
        "efficiency_peak_op_per_j": top.efficiency_op_per_j,
        "area_peak_m2": top.area_m2,
        "throughput_per_area_peak_op_per_s_m2": top.throughput_op_per_s / top.area_m2,
    }


def _tile_metrics(chip: Chip, mode: str) -> dict[str, float]:
    tile = chip.tiles[0]
    area_m2, leakage_w = chip.tile_share(tile)
    forward = _read(chip, tile, FORWARD)
    latency_s = _latency_s(chip, forward)
    spent_j = fsum(
        use.count * chip.units[use.unit].actions[use.action].energy_j for stage in forward for use in stage.uses
    )
    found = {
        "tile_area_m2": area_m2, "read_latency_s": latency_s, "read_energy_j": spent_j + leakage_w * latency_s,
    }  # fmt: skip
    if mode == "training":
        rows, cols = tile.spec.rows, tile.spec.cols
        found["read_back_latency_s"] = _latency_s(chip, _read(chip, tile, BACKWARD))
        found["update_latency_s"] = _latency_s(chip, [TileKit(chip, tile).update(rows, cols, rows)])
    return found


def _read(chip: Chip, tile: Tile, side: Side) -> list[Stage]:
    """Return the stages of a read of a whole tile: integration and conversion."""
    kit, rows, cols = TileKit(chip, tile), tile.spec.rows, tile.spec.cols
    transport: Transport = TRANSPORTS[chip.spec.routing.transport]
    lines, inputs = (cols, rows) if side is FORWARD else (rows, cols)
    converted = transport.peak_stages(kit, side, lines, chip.longest_link.length_m)[0]
    return [kit.integrate(side, rows, cols, inputs, by_ramp=transport.held), converted]


def _latency_s(chip: Chip, stages: Sequence[Stage]) -> float:
    return sum(stage.latency_cycles for stage in stages) / float(chip.spec.technology.clock_hz)
