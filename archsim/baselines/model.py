"""Model of a GPU that trains fully connected layers: steps of SGD as products, other kernels, launches, and power."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from archsim.baselines.gpus import PRECISIONS, Gpu
from archsim.baselines.law import Constants, constants
from archsim.baselines.power import sustained
from archsim.baselines.products import Array, Work, are_aligned, in_turn, moved, product

AT_ONCE = 256
"""Of so many products all ways are weighed at once."""


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


class Product(NamedTuple):
    """A product that a layer of so many inputs and outputs needs: `forward`, `backward` or `update`."""

    phase: str
    inputs: int
    outputs: int

    @property
    def values(self) -> int:
        """Weights of the layer."""
        return self.inputs * self.outputs

    def shape(self, batch: Array) -> tuple[Any, Any, Any, Any]:
        """Return its rows, columns, depth, and the values that it moves."""
        inputs, outputs, values, both = self.inputs, self.outputs, self.values, batch * (self.inputs + self.outputs)
        if self.phase == "update":
            return outputs, inputs, batch, 2 * values + both
        lines, depth = (outputs, inputs) if self.phase == "forward" else (inputs, outputs)
        return lines, batch, depth, values + both


class Movement(NamedTuple):
    """Another kernel: it moves `share` values for each of an example's outputs."""

    share: int
    outputs: int


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
    order = [kernel for place, shape in enumerate(layers) for kernel in _kernels(*shape, place > 0, bias, training)]
    alike = dict.fromkeys(order)  # a deep network has few that are not: each is worked out once
    products = [kernel for kernel in alike if isinstance(kernel, Product)]
    others = [kernel for kernel in alike if isinstance(kernel, Movement)]
    works = Work.joined([
        *(_work(gpu, precision, products[i : i + AT_ONCE], batch, held, law) for i in range(0, len(products), AT_ONCE)),
        moved(gpu, np.array([kernel.share * batch * kernel.outputs for kernel in others]) * value, held, law),
    ])  # fmt: skip
    row = {kernel: place for place, kernel in enumerate([*products, *others])}
    rows = np.array([row[kernel] for kernel in order])
    ops = in_turn(np.array([2 * batch * each.values for each in products]), rows[rows < len(products)])
    host_s = len(rows) * float(law.launch.eager_s) if how == "eager" else 0.0
    launch_s = float(law.launch.stream_s if how == "stream" else law.launch.graph_s)
    found = sustained(gpu, precision, works, rows, ops, len(rows) * launch_s, host_s, law)
    work_s = in_turn(works.time_s(law, found.clock), rows)
    return Steps(tuple(batches), found.time_s, work_s, found.power_w * found.time_s, found.power_w, found.clock)


def _kernels(inputs: int, outputs: int, behind: bool, bias: bool, training: bool) -> Iterator[Product | Movement]:
    """Yield the kernels of a layer in the order of the step; a layer `behind` another has a backward pass."""
    yield Product("forward", inputs, outputs)
    if training:
        yield Product("update", inputs, outputs)
        if behind:
            yield Product("backward", inputs, outputs)
    yield Movement(2, outputs)  # activation, or softmax
    if training:
        yield Movement(3, outputs)  # derivative or error
        if bias:
            yield Movement(1, outputs)


def _work(gpu: Gpu, precision: str, products: Sequence[Product], batch: Array, held: Array, law: Constants) -> Work:
    """Return the work of products, a row for each."""
    value = PRECISIONS[precision].value_bytes
    shapes = [[np.broadcast_to(each, batch.shape) for each in kernel.shape(batch)] for kernel in products]
    rows, columns, depth, through = (np.array(column) for column in zip(*shapes, strict=True))
    aligned = np.array([[are_aligned(value, kernel.inputs, kernel.outputs)] for kernel in products])
    return product(gpu, precision, rows, columns, depth, through * value, held, law, aligned)
