"""Matrix products on a GPU: tiles and pieces of the depth as a library chooses them, memory with a cache."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.baselines.gpus import PRECISIONS, Gpu
from archsim.baselines.law import Constants

Array: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]
Integers: TypeAlias = NDArray[np.int64]
SUM_BYTES = 4
"""Sums are held in FP32 until they are complete, whatever the precision."""
VECTOR_BYTES = 16
"""A thread loads so many at once, if rows begin at multiples of them: CUDA C++ Programming Guide, section 5.3.2."""


@dataclass(frozen=True)
class Work:
    """What kernels do, in seconds at full clock: arithmetic, traffic, what is added after both; and the bytes moved."""

    busy_s: Array
    traffic_s: Array
    adding_s: Array
    memory_bytes: Array
    cache_bytes: Array

    @classmethod
    def joined(cls, works: Sequence[Work]) -> Work:
        """Return works one below the other."""
        return cls(*(np.concatenate([getattr(work, each.name) for work in works]) for each in fields(cls)))

    def time_s(self, law: Constants, clock: Array | float = 1.0) -> Array:
        """Return the time at a share of the full clock: of arithmetic and traffic, a power mean."""
        mean = ((self.busy_s / clock) ** law.overlap + self.traffic_s**law.overlap) ** (1 / law.overlap)
        return np.asarray(mean + self.adding_s)


def in_turn(rows: Array, order: Integers) -> Array:
    """Return the sum of rows in the order in which they come, each as often as it does; added one after another."""
    return np.asarray(np.add.accumulate(rows[order])[-1])


def product(
    gpu: Gpu, precision: str, rows: Array, columns: Array, depth: Array, moved_bytes: Array, held_bytes: Array,
    law: Constants, aligned: Bools | bool = True, count: Array | float = 1.0,
) -> Work:  # fmt: skip
    """Return the work of each product (rows x depth) by (depth x columns), without its launch; `count` as one kernel.

    The result is cut into tiles, and its depth into pieces that are added afterwards: into no more than it takes to
    give each multiprocessor one. Multiprocessors take tiles in turn, so that the last turn may be half empty, and one
    with fewer than `results_to_fill` results in hand waits for its operands as long as if it had so many; with
    matrix units,
    `unaligned` times as many where rows in memory do not begin at multiples of 16 bytes (`aligned`: they do). Of these
    ways the library takes the quickest. A matrix by one vector is read once, by a kernel of its own.
    `moved_bytes` are read and written by the product; of `held_bytes`, all that is used in turn, the cache keeps what
    fits. Arrays of one shape.
    """
    shapes = np.array([(*shape, pieces) for shape in law.tiles.shapes for pieces in law.tiles.splits], dtype=float)
    tile_rows, tile_columns, pieces = shapes.T
    rows, columns, depth = (np.asarray(each, dtype=float)[..., None] for each in (rows, columns, depth))
    count = np.asarray(count, dtype=float)[..., None]
    tiles = np.ceil(rows / tile_rows) * np.ceil(columns / tile_columns) * pieces * count
    whole = (tile_columns >= gpu.narrowest_tile) | (columns % tile_columns == 0)
    allowed = whole & ((tiles <= gpu.processors) | (pieces == 1))
    fill = np.full(np.shape(rows), law.results_to_fill)
    if PRECISIONS[precision].matrix:
        fill = np.where(np.asarray(aligned)[..., None], fill, fill * law.unaligned)
    in_hand = np.maximum(np.ceil(tiles / gpu.processors) * tile_rows * tile_columns, fill)
    busy_s = in_hand * 2 * np.ceil(depth / pieces) / (reached_op_per_s(gpu, precision, law) / gpu.processors)
    traffic = moved(gpu, moved_bytes, held_bytes, law)
    sums_bytes = 2 * pieces * rows * columns * SUM_BYTES * count
    adding_s = np.where(pieces > 1, float(law.adding_s) + sums_bytes / cache_bytes_per_s(gpu, law), 0.0)
    time_s = (busy_s**law.overlap + traffic.traffic_s[..., None] ** law.overlap) ** (1 / law.overlap) + adding_s
    quickest = np.where(allowed, time_s, np.inf).argmin(axis=-1)[..., None]
    vector = np.minimum(rows, columns)[..., 0] == 1

    def of_quickest(each: Array) -> Array:
        taken = np.take_along_axis(np.broadcast_to(each, time_s.shape), quickest, axis=-1)[..., 0]
        return np.where(vector, 0.0, taken)

    return replace(traffic, busy_s=of_quickest(busy_s), adding_s=of_quickest(adding_s))


def moved(gpu: Gpu, moved_bytes: Array, held_bytes: Array, law: Constants) -> Work:
    """Return the work of moving bytes, of a set of `held_bytes` that is gone through again and again.

    Such a set stays in a cache that it fits into; of a larger one, nothing is left when it is wanted again: what was
    used longest ago goes first.
    """
    moved_bytes = np.asarray(moved_bytes, dtype=float)
    kept = np.where(np.asarray(held_bytes, dtype=float) <= gpu.cache_bytes, moved_bytes, 0.0)
    memory = law.bandwidth_share * float(gpu.bandwidth_bit_per_s) / 8
    time_s = np.asarray((moved_bytes - kept) / memory + kept / cache_bytes_per_s(gpu, law))
    none = np.zeros_like(time_s)
    return Work(none, time_s, none, moved_bytes - kept, kept)


def reached_op_per_s(gpu: Gpu, precision: str, law: Constants) -> float:
    """Return the operations per second that large products reach, if power does not limit them."""
    share = min(law.arithmetic_share, float(getattr(gpu.reached, precision)))
    return gpu.peaks_op_per_s[precision] * share


def cache_bytes_per_s(gpu: Gpu, law: Constants) -> float:
    """Return the bandwidth of the cache in bytes per second."""
    if gpu.cache_bandwidth_bit_per_s is not None:
        return float(gpu.cache_bandwidth_bit_per_s) / 8
    return law.cache_bytes_per_clock * gpu.processors * float(gpu.clock_hz)


def are_aligned(value_bytes: int, *lengths: int) -> bool:
    """Return whether rows of so many values begin at multiples of 16 bytes.

    >>> are_aligned(2, 528, 250), are_aligned(4, 528, 1000)
    (False, True)
    """
    return all(length * value_bytes % VECTOR_BYTES == 0 for length in lengths)
