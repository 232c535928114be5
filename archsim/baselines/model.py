"""Model of a GPU that trains fully connected layers: steps of SGD as products, other kernels, launches, and power."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.baselines.gpus import PRECISIONS, Gpu
from archsim.baselines.law import Constants, constants
from archsim.baselines.power import sustained
from archsim.baselines.products import Array, are_aligned, moved, product


@dataclass(frozen=True)
class Steps:
    """Steps of SGD, one per batch size: time in seconds and energy in joules of a step, mean power in watts.

    `work_s` is the part of the time in which products and other kernels work, the rest being launches or the host;
    `clock` is the share of the full clock that the limit of power leaves.
    """

    batches: tuple[int, ...]
    time_s: Array
    work_s: Array
    energy_j: Array
    power_w: Array
    clock: Array


def steps(
    gpu: Gpu, precision: str, layers: Sequence[tuple[int, int]], batches: Sequence[int], *, bias: bool = True,
    training: bool = True, how: str = "graph", law: Constants | None = None,
) -> Steps:  # fmt: skip
    """Return steps of SGD, or forward passes, on fully connected (inputs, outputs) layers, at each batch size.

    Per layer: forward, backward (not in the first layer) and update as a product that reads and writes the weights;
    activation, derivative, softmax, error and the sums of biases as kernels of their own. Without `training`, forward
    and activation alone. `how` is who starts kernels: `graph` (a graph replayed), `stream` (the host, one after
    another) or `eager` (a framework, whose host time hides the device's or is hidden by it).
    """
    law = law or constants()
    value = PRECISIONS[precision].value_bytes
    batch = np.asarray(batches, dtype=float)
    weights = sum(inputs * outputs for inputs, outputs in layers)
    held = value * (weights + batch * (layers[0][0] + 3 * sum(outputs for _, outputs in layers)))
    shapes: list[tuple[Any, Any, Any, Any]] = []  # of each product: rows, columns, depth, and values moved
    aligned: list[bool] = []
    kernels: list[int | Array] = []  # in the order of the step: which product, or the values that another kernel moves
    ops = np.zeros_like(batch)
    for place, (inputs, outputs) in enumerate(layers):
        values, both = inputs * outputs, batch * (inputs + outputs)
        own: list[tuple[Any, Any, Any, Any]] = [(outputs, batch, inputs, values + both)]
        after = [2 * batch * outputs]  # activation, or softmax
        if training:
            own.append((outputs, inputs, batch, 2 * values + both))
            own += [(inputs, batch, outputs, values + both)] if place else []
            after += [3 * batch * outputs, *([batch * outputs] if bias else [])]  # derivative or error, biases
        kernels += [*range(len(shapes), len(shapes) + len(own)), *after]
        shapes += own
        aligned += [are_aligned(value, inputs, outputs)] * len(own)
        for _ in own:
            ops = ops + 2 * batch * values
    rows, columns, depth, through = (
        np.array([np.broadcast_to(each, batch.shape) for each in column]) for column in zip(*shapes, strict=True)
    )
    products = product(gpu, precision, rows, columns, depth, through * value, held, law, np.array(aligned)[:, None])
    works = [products.row(each) if isinstance(each, int) else moved(gpu, each * value, held, law) for each in kernels]
    host_s = len(works) * float(law.launch.eager_s) if how == "eager" else 0.0
    launch_s = float(law.launch.stream_s if how == "stream" else law.launch.graph_s)
    found = sustained(gpu, precision, works, ops, len(works) * launch_s, host_s, law)
    work_s = np.asarray(sum(work.time_s(law, found.clock) for work in works))
    return Steps(tuple(batches), found.time_s, work_s, found.power_w * found.time_s, found.power_w, found.clock)
