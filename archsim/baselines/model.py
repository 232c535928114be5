"""Model of a GPU: steps as products, other kernels, launches, and power; of fully connected layers, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

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
    """A product that a layer of so many inputs and outputs needs: `forward`, `backward` or `update`.

    It is made for `steps` vectors of each example at once.
    """

    phase: str
    inputs: int
    outputs: int
    steps: int = 1

    @property
    def values(self) -> int:
        """Weights of the layer."""
        return self.inputs * self.outputs

    def shape(self, batch: Array) -> tuple[Any, Any, Any, Any, Any]:
        """Return its rows, columns, depth, the values that it moves, and that it is one."""
        batch = batch * self.steps
        inputs, outputs, values, both = self.inputs, self.outputs, self.values, batch * (self.inputs + self.outputs)
        if self.phase == "update":
            return outputs, inputs, batch, 2 * values + both, 1.0
        lines, depth = (outputs, inputs) if self.phase == "forward" else (inputs, outputs)
        return lines, batch, depth, values + both, 1.0

    def ops(self, batch: Array) -> Array:
        """Return its operations."""
        return 2 * (batch * self.steps) * self.values


class Batched(NamedTuple):
    """So many small products for each example, (rows x inputs) by (inputs x outputs), as one kernel, none with weights.

    `kept` of the values that each would move never leave the multiprocessors.
    """

    copies: int
    rows: int
    inputs: int
    outputs: int
    kept: int = 0

    def shape(self, batch: Array) -> tuple[Any, Any, Any, Any, Any]:
        """Return rows, columns, depth of each, the values that all move, and how many there are."""
        own = self.rows * self.inputs + self.inputs * self.outputs + self.rows * self.outputs - self.kept
        return self.rows, self.outputs, self.inputs, batch * (self.copies * own), batch * self.copies

    def ops(self, batch: Array) -> Array:
        """Return the operations of all."""
        return 2 * batch * (self.copies * self.rows * self.inputs * self.outputs)


class Movement(NamedTuple):
    """Another kernel: it moves `share` values for each of an example's outputs."""

    share: int
    outputs: int


Kernel: TypeAlias = Product | Batched | Movement


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
    weights = sum(inputs * outputs for inputs, outputs in layers)
    vectors = layers[0][0] + 3 * sum(outputs for _, outputs in layers)
    order = [
        kernel for place, shape in enumerate(layers) for kernel in layer_kernels(*shape, place > 0, bias, training)
    ]
    return of_kernels(gpu, precision, order, batches, weights, vectors, how=how, law=law)


def of_kernels(
    gpu: Gpu, precision: str, order: Sequence[Kernel], batches: Sequence[int], weights: int, vectors: int, *,
    how: str = "graph", launches: int | None = None, waits_s: float = 0.0, law: Constants | None = None,
) -> Steps:  # fmt: skip
    """Return what kernels take one after another, at each batch size.

    `weights` values, and `vectors` values of each example, are gone through again and again. Each kernel is launched,
    or so many `launches` are made; `waits_s` is what all wait for besides.
    """
    law = law or constants()
    value = PRECISIONS[precision].value_bytes
    batch = np.asarray(batches, dtype=float)
    held = value * (weights + batch * vectors)
    alike = dict.fromkeys(order)  # a deep network has few that are not: each is worked out once
    products = [kernel for kernel in alike if not isinstance(kernel, Movement)]
    others = [kernel for kernel in alike if isinstance(kernel, Movement)]
    works = Work.joined([
        *(_work(gpu, precision, products[i : i + AT_ONCE], batch, held, law) for i in range(0, len(products), AT_ONCE)),
        moved(gpu, np.reshape([kernel.share * batch * kernel.outputs for kernel in others], (-1, len(batch))) * value,
              held, law),
    ])  # fmt: skip
    row = {kernel: place for place, kernel in enumerate([*products, *others])}
    rows = np.array([row[kernel] for kernel in order])
    ops = in_turn(np.array([each.ops(batch) for each in products]), rows[rows < len(products)])
    count = len(rows) if launches is None else launches
    host_s = count * float(law.launch.eager_s) if how == "eager" else 0.0
    launch_s = float(law.launch.stream_s if how == "stream" else law.launch.graph_s)
    found = sustained(gpu, precision, works, rows, ops, count * launch_s + waits_s, host_s, law)
    work_s = in_turn(works.time_s(law, found.clock), rows)
    return Steps(tuple(batches), found.time_s, work_s, found.power_w * found.time_s, found.power_w, found.clock)


def layer_kernels(
    inputs: int, outputs: int, behind: bool, bias: bool, training: bool, steps: int = 1
) -> Iterator[Kernel]:
    """Yield the kernels of a layer in the order of the step; a layer `behind` another has a backward pass."""
    yield Product("forward", inputs, outputs, steps)
    if training:
        yield Product("update", inputs, outputs, steps)
        if behind:
            yield Product("backward", inputs, outputs, steps)
    yield Movement(2, outputs * steps)  # activation, or softmax
    if training:
        yield Movement(3, outputs * steps)  # derivative or error
        if bias:
            yield Movement(1, outputs * steps)


def _work(
    gpu: Gpu, precision: str, products: Sequence[Product | Batched], batch: Array, held: Array, law: Constants
) -> Work:
    """Return the work of products, a row for each."""
    value = PRECISIONS[precision].value_bytes
    shapes = [[np.broadcast_to(each, batch.shape) for each in kernel.shape(batch)] for kernel in products]
    rows, columns, depth, through, count = (np.array(column) for column in zip(*shapes, strict=True))
    aligned = np.array([[are_aligned(value, kernel.inputs, kernel.outputs)] for kernel in products])
    return product(gpu, precision, rows, columns, depth, through * value, held, law, aligned, count)
