"""Model of a GPU that trains fully connected layers: matrix products in tiles, memory with a cache, launches, power."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

from archsim.baselines.gpus import FOLDER, PRECISIONS, Gpu
from archsim.loading import load_section
from archsim.section import Section
from archsim.units import Count, Dimension, Ratio, Share, TimeOrZero

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array: TypeAlias = NDArray[np.float64]

SUM_BYTES = 4
"""Sums are held in FP32 until they are complete, whatever the precision."""
Fraction1 = Annotated[float, Dimension("", most=1.0)]


class Launch(Section):
    """What a kernel costs before and after its work, by who starts it; `eager` is time of the host."""

    stream_s: TimeOrZero
    graph_s: TimeOrZero
    eager_s: TimeOrZero


class PowerLaw(Section):
    """Power between idle and limit: a share as soon as kernels run, the rest with the busier of units and memory."""

    awake_share: Share


class Tiles(Section):
    """Tiles (rows x columns of the result) that the library has kernels for, and pieces it cuts the depth into."""

    shapes: tuple[tuple[Count, Count], ...]
    splits: tuple[Count, ...]


class Constants(Section):
    """Constants of the model, shared by all GPUs; model.yaml says of each what it is and whether it was fitted."""

    name: str
    description: str = ""
    arithmetic_share: Fraction1
    bandwidth_share: Fraction1
    cache_bytes_per_clock: Ratio
    results_to_fill: Ratio
    overlap: Annotated[float, Dimension("", least=1.0, above=False, most=20.0)]
    launch: Launch
    power: PowerLaw
    tiles: Tiles


@functools.cache
def constants(path: Path = FOLDER / "model.yaml") -> Constants:
    """Return the constants that come with archsim."""
    return load_section(Constants, "gpu_model", "", str(path)).value


def product_s(
    gpu: Gpu,
    peak_op_per_s: float,
    rows: Array,
    columns: Array,
    depth: Array,
    moved_bytes: Array,
    held_bytes: Array,
    law: Constants,
) -> Array:
    """Return the time in seconds, without its launch, of each product (rows x depth) by (depth x columns).

    The result is cut into tiles, and its depth into pieces that are added afterwards; the multiprocessors take tiles in
    turn, so that the last turn may be half empty, and one with fewer than `results_to_fill` results in hand waits for
    its operands as long as if it had so many. The library takes the tile and the pieces that are quickest.
    `moved_bytes` are read and written by the product; of `held_bytes`, all that is used in turn, the cache keeps what
    fits. Arrays of one shape.
    """
    import numpy as np

    shapes = np.array([(*shape, pieces) for shape in law.tiles.shapes for pieces in law.tiles.splits
                       if shape[1] >= gpu.narrowest_tile], dtype=float)  # fmt: skip
    tile_rows, tile_columns, pieces = shapes.T
    rows, columns, depth = (np.asarray(each, dtype=float)[..., None] for each in (rows, columns, depth))
    of_one_op_per_s = peak_op_per_s * law.arithmetic_share / gpu.processors
    turns = np.ceil(np.ceil(rows / tile_rows) * np.ceil(columns / tile_columns) * pieces / gpu.processors)
    in_hand = np.maximum(turns * tile_rows * tile_columns, law.results_to_fill)
    busy_s = in_hand * 2 * depth / pieces / of_one_op_per_s
    traffic_s = bytes_s(gpu, moved_bytes, held_bytes, law)[..., None]
    work_s = (busy_s**law.overlap + traffic_s**law.overlap) ** (1 / law.overlap)
    sums_bytes = np.where(pieces > 1, 2 * pieces * rows * columns * SUM_BYTES, 0)
    return np.asarray((work_s + sums_bytes / cache_bytes_per_s(gpu, law)).min(axis=-1))


def bytes_s(gpu: Gpu, moved_bytes: Array, held_bytes: Array, law: Constants) -> Array:
    """Return the time in seconds to move bytes, of a set of `held_bytes` that is gone through again and again.

    Such a set stays in a cache that it fits into; of twice the cache nothing is left when it is wanted again [A].
    """
    import numpy as np

    kept = np.clip(2 - np.asarray(held_bytes, dtype=float) / gpu.cache_bytes, 0, 1)
    memory = law.bandwidth_share * float(gpu.bandwidth_bit_per_s) / 8
    return np.asarray(moved_bytes * ((1 - kept) / memory + kept / cache_bytes_per_s(gpu, law)))


def cache_bytes_per_s(gpu: Gpu, law: Constants) -> float:
    """Return the bandwidth of the cache in bytes per second."""
    return law.cache_bytes_per_clock * gpu.processors * float(gpu.clock_hz)


@dataclass(frozen=True)
class Steps:
    """Steps of SGD, one per batch size: time in seconds and energy in joules of a step, mean power in watts.

    `work_s` is the part of the time in which products and other kernels work, the rest being launches.
    """

    batches: tuple[int, ...]
    time_s: Array
    work_s: Array
    energy_j: Array
    power_w: Array


def steps(
    gpu: Gpu,
    precision: str,
    layers: Sequence[tuple[int, int]],
    batches: Sequence[int],
    *,
    bias: bool = True,
    training: bool = True,
    how: str = "graph",
    law: Constants | None = None,
) -> Steps:
    """Return steps of SGD, or forward passes, on fully connected (inputs, outputs) layers, at each batch size.

    Per layer: forward, backward (not in the first layer) and update as a product that reads and writes the weights;
    activation, derivative, softmax, error and the sums of biases as kernels of their own. Without `training`, forward
    and activation alone. `how` is who starts kernels:
    `graph` (a graph replayed), `stream` (the host, one after another) or `eager` (a framework, whose host time hides
    the device's or is hidden by it).
    """
    import numpy as np

    law = law or constants()
    value, peak = PRECISIONS[precision].value_bytes, gpu.peaks_op_per_s[precision]
    batch = np.asarray(batches, dtype=float)
    weights = sum(inputs * outputs for inputs, outputs in layers)
    held = value * (weights + batch * (layers[0][0] + 3 * sum(outputs for _, outputs in layers)))
    work, moved, ops, kernels = np.zeros_like(batch), np.zeros_like(batch), np.zeros_like(batch), 0
    for place, (inputs, outputs) in enumerate(layers):
        values, both = inputs * outputs, batch * (inputs + outputs)
        shapes: list[tuple[Any, Any, Any, Any]] = [(outputs, batch, inputs, values + both)]
        after = [2 * batch * outputs]  # activation, or softmax
        if training:
            shapes.append((outputs, inputs, batch, 2 * values + both))
            shapes += [(inputs, batch, outputs, values + both)] if place else []
            after += [3 * batch * outputs, *([batch * outputs] if bias else [])]  # derivative or error, biases
        for rows, columns, depth, each in shapes:
            rows, columns, depth = np.broadcast_arrays(rows, columns, depth, batch)[:3]
            work = work + product_s(gpu, peak, rows, columns, depth, each * value, held, law)
            moved = moved + each * value
            ops = ops + 2 * batch * values
        for each in after:
            work = work + bytes_s(gpu, each * value, held, law)
            moved = moved + each * value
        kernels += len(shapes) + len(after)
    time = _launched(work, kernels, how, law)
    used = ops / (law.arithmetic_share * peak) + bytes_s(gpu, moved, held, law)
    share = law.power.awake_share + (1 - law.power.awake_share) * np.clip(used / time, 0, 1)
    power = gpu.power_idle_w + (gpu.power_limit_w - gpu.power_idle_w) * share
    return Steps(tuple(batches), time, work, power * time, power)


def _launched(work_s: Array, kernels: int, how: str, law: Constants) -> Array:
    import numpy as np

    if how == "eager":
        on_device = work_s + kernels * float(law.launch.graph_s)
        return np.maximum(on_device, kernels * float(law.launch.eager_s))
    return work_s + kernels * float({"graph": law.launch.graph_s, "stream": law.launch.stream_s}[how])
