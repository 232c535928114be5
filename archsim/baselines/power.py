"""Power of a GPU, and the clock that its limit leaves: energy per operation and per byte, less at a lower voltage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archsim.baselines.gpus import PRECISIONS, Gpu
from archsim.baselines.law import Constants
from archsim.baselines.products import Array, Integers, Work, in_turn

HALVINGS = 40


@dataclass(frozen=True)
class Sustained:
    """What a GPU keeps up within its limit: time in seconds, mean power in watts, and the share of the full clock."""

    time_s: Array
    power_w: Array
    clock: Array


def operation_j(gpu: Gpu, precision: str, law: Constants) -> float:
    """Return the energy of an operation at the full clock, in joules; on vector units in proportion to the bytes."""
    power = law.power
    exponent = power.matrix_exponent if PRECISIONS[precision].matrix else power.vector_exponent
    shrunk: float = (float(gpu.node_m) / float(power.node_m)) ** exponent
    if not PRECISIONS[precision].matrix:
        return power.vector_j * shrunk * PRECISIONS[precision].value_bytes / PRECISIONS["fp32"].value_bytes
    return (power.tf32_j if precision == "tf32" else power.matrix_j) * shrunk


def sustained(
    gpu: Gpu, precision: str, works: Work, order: Integers, ops: Array, launches_s: Array | float, least_s: float,
    law: Constants,
) -> Sustained:  # fmt: skip
    """Return the time of works and launches one after another, at the highest clock whose power the limit allows.

    `works` has a row for all that are alike, `order` names the row of each in turn. `ops` are the operations of all,
    `least_s` the time that the host takes for them. Power is idle, awake, and energy over time; that of operations and
    of the cache goes with the square of the voltage. Where the slowest clock still takes more than the limit, the work
    is stretched until it does not.
    """
    memory_j = 8 * law.power.memory_j_per_bit * in_turn(works.memory_bytes, order)
    core_j = operation_j(gpu, precision, law) * ops + 8 * law.power.cache_j_per_bit * in_turn(works.cache_bytes, order)
    always_w = gpu.power_idle_w + law.power.awake_share * (gpu.power_limit_w - gpu.power_idle_w)

    def at(clock: Array) -> tuple[Array, Array]:
        """Return time, and energy above what is always drawn."""
        time_s = np.maximum(in_turn(works.time_s(law, clock), order) + launches_s, least_s)
        voltage = 1 - law.power.voltage_slope * (1 - clock)
        return time_s, core_j * voltage**2 + memory_j

    def too_much(clock: Array) -> Array:
        time_s, energy_j = at(clock)
        return np.asarray(always_w + energy_j / time_s > gpu.power_limit_w)

    low, high = np.full(np.shape(ops), law.power.slowest_clock), np.ones(np.shape(ops))
    limited = too_much(high)
    if limited.any():
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            over = too_much(middle)
            low, high = np.where(over, low, middle), np.where(over, middle, high)
    clock = np.where(limited, low, 1.0)
    time_s, energy_j = at(clock)
    time_s = np.maximum(time_s, energy_j / (gpu.power_limit_w - always_w))
    return Sustained(time_s, always_w + energy_j / time_s, clock)
