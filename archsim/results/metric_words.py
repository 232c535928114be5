"""Metrics in words: what each is called, its unit, and its value as people read it."""

from __future__ import annotations

import re
from collections.abc import Mapping

from archsim.base.units import engineering, si_of_metric
from archsim.report.table import words

MEANINGS: Mapping[str, str] = {
    "time_total_s": "Time of the whole run, transfers and refreshes included.",
    "time_per_example_s": "Total time over examples, transfers and refreshes included.",
    "time_per_example_lower_bound_s": "The same of the same operations with unlimited units and links.",
    "time_per_example_peak_s": "Time of the busiest unit of a tile for one example: the peak's, computed.",
    "examples_per_s": "Examples over total time.",
    "ops_per_example": "Operations by the field's convention: 6 per synapse and example in training, 2 in inference, "
                       "bias rows included; digital work is not.",
    "ops_executed_per_example": "Operations that crossbars really do: no backward pass in the first layer.",
    "digital_ops_per_example": "Operations of digital layers.",
    "throughput_op_per_s": "Operations by convention over total time.",
    "throughput_executed_op_per_s": "Executed operations over total time.",
    "throughput_peak_op_per_s": "All tiles of the chip busy in all phases back to back, without transfers and host.",
    "power_w": "Mean power: total energy over total time.",
    "power_peak_w": "Mean power of the peak, leakage of the whole chip included.",
    "energy_total_j": "Energy of the whole run, leakage of all parts included.",
    "energy_per_example_j": "Total energy over examples.",
    "energy_per_op_j": "Total energy over operations by convention.",
    "efficiency_op_per_j": "Operations by convention over total energy: sustained.",
    "efficiency_peak_op_per_j": "That of the peak, leakage included, without transfers and host.",
    "area_m2": "Area of all dies, host port and white space included.",
    "area_peak_m2": "The area to which the peak's density is related: without the host port.",
    "throughput_per_area_op_per_s_m2": "Sustained throughput over area.",
    "throughput_per_area_peak_op_per_s_m2": "Peak throughput over its area.",
    "transfer_time_share": "Cycles in which at least one crossbar transfers, over all cycles.",
    "refresh_time_share": "Cycles in which at least one crossbar is refreshed, over all cycles.",
    "tile_utilisation": "Cycles in which the arrays of used tiles are at work, over all of theirs.",
    "tiles_used": "Tiles that hold a part of the network.",
    "tiles": "Tiles of all chips.",
    "chips": "Chips of the package.",
    "cells_used_share": "Cells that hold a synapse, over all cells of all tiles.",
    "transfers": "Transfers of a tile's weights to the long-term devices, the mean over tiles in use.",
    "pcm_writes_per_cell_mean": "RESETs of a long-term device in the run, the mean over devices in use.",
    "pcm_writes_per_cell_max": "RESETs of the long-term device that sees most of them.",
    "transfer_power_peak_w": "Largest power of the rows that are programmed at once.",
    "dwell_time_mean_s": "Time from an update to the next read by a transfer or rewrite, the mean weighted by cells.",
    "dwell_time_max_s": "The longest such time.",
}  # fmt: skip
"""What each metric of a run is, by its name in metrics.json."""


def metric_name(metric: str) -> str:
    """Return a metric's name as words, without its unit, a peak as such first.

    >>> metric_name("throughput_per_area_peak_op_per_s_m2"), metric_name("area_m2")
    ('peak throughput per area', 'area')
    """
    name = re.sub(r"(_op_per)?_(s_m2|s|j|w|m2)$", "", metric)
    return words(f"peak_{name.replace('_peak', '')}" if "_peak" in name else name)


def display_unit(metric: str) -> str:
    """Return the unit in which a metric is shown: operations are OP, as the field writes them."""
    return si_of_metric(metric).replace("m**2", "m2").replace("op", "OP")


def metric_text(value: float | None, metric: str, digits: int = 5) -> str:
    """Return a metric's value as text in its display unit."""
    unit = display_unit(metric)
    if value is not None and unit in ("", "1/s"):
        return f"{value:,}{unit[1:]}" if isinstance(value, int) else f"{value:,.{digits}g}{unit[1:]}"
    if metric.endswith("_op_per_s_m2"):
        return "-" if value is None else f"{engineering(value * 1e-6, 'OP/s', digits)}/mm2"
    return engineering(value, unit, digits)
