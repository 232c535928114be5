"""Model of a GPU on networks of several steps, and of layers without weights: their kernels, and an interval.

A recurrent layer is, at each step, a product with its own outputs and the cell's pointwise work; products with its
inputs are made for many steps at once, and so are those of its weights' gradients, when all steps have gone back. A
layer without weights that reads a sequence is small products of the parts of its inputs, else it moves what it reads
and writes. Which kernels a library makes of that is stated in `model.yaml` as assumptions: what is expected, and two
ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archsim.baselines.gpus import Gpu
from archsim.baselines.law import Constants, Fusing, constants
from archsim.baselines.model import Batched, Kernel, Movement, Product, Steps, layer_kernels, of_kernels
from archsim.workload.layers import Layer
from archsim.workload.network import Workload


def is_validated(workload: Workload) -> bool:
    """Return whether steps of this kind were held against measured ones: inference without recurrent layers was.

    Against 45 times of encoders that NVIDIA published of a V100 and an A100 (FasterTransformer's guide to BERT): none
    of them was fitted to. Of recurrent layers, and of backward passes through layers without weights, none are at hand.
    """
    return workload.mode == "inference" and not any(layer.recurrent for layer in workload.layers)


@dataclass(frozen=True)
class Bounded:
    """Steps as they are expected, and as quick and as slow as they may be by the assumptions on kernels."""

    expected: Steps
    quickest: Steps
    slowest: Steps

    def per_example(self, place: int) -> dict[str, tuple[float, float]]:
        """Return the intervals of time and energy of an example, in seconds and joules, at the batch of a place."""
        batch = self.expected.batches[place]
        every = (self.expected, self.quickest, self.slowest)
        times, energies = (
            [each.time_s[place] / batch for each in every],
            [each.energy_j[place] / batch for each in every],
        )
        return {
            "time_per_example_interval_s": (float(min(times)), float(max(times))),
            "energy_per_example_interval_j": (float(min(energies)), float(max(energies))),
        }


def bounded_steps(
    gpu: Gpu, precision: str, workload: Workload, batches: Sequence[int], law: Constants | None = None
) -> Bounded:
    """Return steps of SGD, or forward passes, on any network; the slowest are started by the host one after another."""
    own = (law or constants()).sequences
    return Bounded(
        sequence_steps(gpu, precision, workload, batches, law=law),
        sequence_steps(gpu, precision, workload, batches, fusing=own.quickest, law=law),
        sequence_steps(gpu, precision, workload, batches, how="stream", fusing=own.slowest, law=law),
    )


def sequence_steps(
    gpu: Gpu, precision: str, workload: Workload, batches: Sequence[int], *, how: str = "graph",
    fusing: Fusing | None = None, law: Constants | None = None,
) -> Steps:  # fmt: skip
    """Return steps of SGD on a network of any layers, or forward passes where it infers, at each batch size.

    `fusing` is what is expected, if it is not given; `how` as in `model.steps`. An example is timed as the chip's is.
    """
    law = law or constants()
    fusing = fusing or law.sequences.expected
    workload = workload.timed
    order: list[Kernel] = []
    launches, waits_s = 0, 0.0
    for index in range(len(workload.layers)):
        kernels, count, wait_s = _of_layer(workload, index, fusing)
        order += kernels
        launches += count
        waits_s += wait_s
    weights = sum(layer.synapses for layer in workload.layers)
    each = [(layer, len(layer.vectors(workload))) for layer in workload.layers]
    vectors = workload.layers[0].inputs * workload.steps + sum(3 * layer.gates * layer.outputs * n for layer, n in each)
    return of_kernels(
        gpu, precision, order, batches, weights, vectors, how=how, launches=launches, waits_s=waits_s, law=law
    )


def _of_layer(workload: Workload, index: int, fusing: Fusing) -> tuple[list[Kernel], int, float]:
    """Return the kernels of a layer, how often one is launched, and what it waits for besides, in seconds."""
    layer, training = workload.layers[index], workload.mode == "training"
    steps = len(layer.vectors(workload))
    if layer.recurrent:
        return _recurrent(layer, steps, index > 0, training, fusing)
    if layer.blocks:
        bias = any(block.bias for block in layer.blocks)
        kernels = list(layer_kernels(layer.inputs, layer.columns, index > 0, bias, training, steps))
        return kernels, len(kernels), 0.0
    before = len(workload.layers[index - 1].vectors(workload))
    return _without_weights(layer, steps, before, training, fusing)


def _recurrent(
    layer: Layer, steps: int, behind: bool, training: bool, fusing: Fusing
) -> tuple[list[Kernel], int, float]:
    """Return a recurrent layer's kernels, launches and waits.

    Where a kernel stays, its products keep the weights and hide behind the wait; a vector is moved at each step.
    """
    at_once = [min(fusing.input_steps, steps - start) for start in range(0, steps, fusing.input_steps)]
    columns, outputs, stays = layer.columns, layer.outputs, bool(fusing.stays_s)
    kernels: list[Kernel] = [Product("forward", layer.inputs, columns, own) for own in at_once]
    launches, waits_s = len(kernels), 0.0
    state = (1 + layer.state_values) * outputs
    passes = [("forward", columns + state)]
    if training:
        passes.append(("backward", 2 * columns + state))
    for phase, values in passes:
        if stays:
            kernels += [Movement(1, values)] * steps
            launches, waits_s = launches + 1, waits_s + steps * float(fusing.stays_s)
        else:
            kernels += [Product(phase, outputs, columns), *([Movement(1, values)] * fusing.pointwise)] * steps
            launches += steps * (1 + fusing.pointwise)
    if training:
        own: list[Kernel] = [Product("update", layer.inputs, columns, n) for n in at_once]
        own += [Product("update", outputs, columns, n) for n in at_once]
        own += [Product("backward", layer.inputs, columns, n) for n in at_once] if behind else []
        own += [Movement(1, columns * steps)] if any(block.bias for block in layer.blocks) else []
        kernels, launches = kernels + own, launches + len(own)
    return kernels, launches, waits_s


def _without_weights(
    layer: Layer, steps: int, before: int, training: bool, fusing: Fusing
) -> tuple[list[Kernel], int, float]:
    """Return the kernels of a layer without weights, of as many steps as the layer before has; and launches, no waits.

    Each part that is read of all steps is a product for each group: of vectors with those of all steps, or of what that
    gave with them, in turn. Backward has two for each, and moves twice as much.
    """
    times = 2 if training else 0
    parts = layer.inputs // layer.outputs
    whole = layer.whole_parts if layer.gathers and layer.splits < layer.outputs else 0
    if not whole:
        read = layer.inputs * (before if layer.gathers else steps)
        values = read + layer.outputs * steps * (1 + len(layer.skips))
        kernels: list[Kernel] = [Movement(1, values)] * (fusing.beside * (1 + times))
        return kernels, len(kernels), 0.0
    size, groups = layer.outputs // layer.splits, layer.splits
    keeps = not fusing.scores
    kernels = []
    for part in range(whole):
        inner, outer = (size, before) if part % 2 == 0 else (before, size)
        kept = steps * before if keeps and whole > 1 else 0
        kernels += [Batched(groups, steps, inner, outer, kept)] * (1 + times)
    if whole > 1:
        kernels += [Movement(2, groups * steps * before)] * (fusing.scores * (1 + times))
    if parts > whole and not keeps:
        kernels += [Movement(2, layer.inputs * steps)] * (1 + times)  # parts and heads brought in order
    return kernels, 1 + times if keeps else len(kernels), 0.0
