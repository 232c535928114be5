"""Pulse trains as aihwkit has them, for archsim's chips: in each slot a line fires with a probability of its own.

That is how Gokmen and Vlasov (2016) multiply. archsim's own trains have counts that are rounded, not drawn, and are
spread evenly: they coincide as often in the mean, with less noise.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import numpy as np

from archsim.base.arrays import F32, Array
from archsim.base.machine_code import lean
from archsim.components.cells.numeric.base import Scratch, scratch_of
from archsim.functional.chip_model import ChipModel
from archsim.functional.executor import make_play
from archsim.functional.hashes import uniform
from archsim.functional.pulses import Trains


@lean(error_model="numpy")
def row_slots(x: F32, full: Any, pulses: Any, base: Any, first: Any, out: Array) -> float:
    """Set in which slots each row fires, a bit each, with the probability x / full; return how often all do."""
    fired = 0
    for i in range(x.shape[0]):
        share, bits = x[i] / np.float32(full), np.int64(0)
        for slot in range(pulses if share > 0 else 0):
            fires: Any = np.int64(uniform(base, (first + i) * pulses + slot) < share)
            bits |= fires << slot
            fired += fires
        out[i] = bits
    return float(fired)


@lean(error_model="numpy")
def column_slots(d: F32, unit: Any, pulses: Any, base: Any, first: Any, out: Array) -> tuple[int, int, float]:
    """Set the same of columns, negative where d is, with the probability unit |d| / pulses.

    Returns how many columns fire, how many would with more than certainty, and how often all do.
    """
    columns = clipped = total = 0
    for j in range(d.shape[0]):
        share, bits = unit * abs(d[j]) / np.float32(pulses), np.int64(0)
        for slot in range(pulses if share > 0 else 0):
            fires: Any = np.int64(uniform(base, (first + j) * pulses + slot) < share)
            bits |= fires << slot
            total += fires
        clipped += share > 1
        columns += bits > 0  # type: ignore[assignment]
        out[j] = bits if d[j] > 0 else -bits
    return columns, clipped, float(total)


STOCHASTIC = Trains(row_slots, column_slots, np.int64)


@functools.cache
def slot_by_slot(kernel: Callable[..., Any]) -> Callable[..., Any]:
    """Return a cell's update for such trains: one of a single slot after the other, in which a line fires or not.

    It works in `roomy` scratch, as compiled code makes no arrays here, and takes up to 24 slots, as float32 has bits.
    """

    @numba.njit(error_model="numpy")
    def update(kept: Any, numbers: Any, nx: Any, nd: Any, phi: Any, slots: Any, scratch: Any) -> Any:
        rows, columns = scratch.values[-2], scratch.values[-1]
        for i in range(nx.shape[0]):
            rows[i], phi[i] = nx[i], 0.0
        for j in range(nd.shape[0]):
            columns[j] = nd[j]
        pulses = clipped = 0
        for slot in range(slots):
            for i in range(nx.shape[0]):
                nx[i] = (np.int64(rows[i]) >> slot) & 1
            for j in range(nd.shape[0]):
                fires = (np.int64(abs(columns[j])) >> slot) & 1
                nd[j] = fires if columns[j] > 0 else -fires
            fired, cut = kernel(kept, numbers, nx, nd, phi, 1, scratch)
            pulses += fired
            clipped += cut
        for i in range(nx.shape[0]):
            nx[i] = rows[i]
        for j in range(nd.shape[0]):
            nd[j] = columns[j]
        return pulses, clipped

    return update


def roomy(lines: int) -> Scratch:
    """Return scratch for cells of so many rows or columns, and two lines more."""
    own = scratch_of(lines)
    return own._replace(values=np.concatenate([own.values, np.zeros((2, lines), np.float32)]))


def drive_stochastically(model: ChipModel) -> ChipModel:
    """Return a chip's model whose updates are driven so from now on."""
    kernel, bars, plain = model.cells[0].kernel, model.crossbars, model.schedule.mapping.workload.plain
    model._play = make_play(slot_by_slot(kernel), len(bars.states), len(bars.numbers), STOCHASTIC, plain)
    model.setup = model.setup._replace(room=model.setup.room._replace(update=roomy(model.program.lines)))
    return model
