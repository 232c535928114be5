"""One step of SGD on a network of fully connected layers, in PyTorch: as its users write it, and as lean as it gets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from archsim.workload.kinds import Dense

BATCHES_HELD = 16
"""Batches that lie on the device and are trained on in turn, so that no step finds its inputs in a small cache."""

RATE = 0.01
"""Learning rate; it has no influence on time."""


@dataclass(frozen=True)
class Precision:
    """How numbers are held and multiplied: a torch dtype's name, and whether FP32 products may be made in TF32."""

    dtype: str
    tensor_float: bool = False
    cuda_only: bool = False


PRECISIONS: dict[str, Precision] = {
    "fp32": Precision("float32"),
    "tf32": Precision("float32", tensor_float=True, cuda_only=True),
    "bf16": Precision("bfloat16"),
    "fp16": Precision("float16", cuda_only=True),
}
"""By the names that the baselines use."""


@dataclass(frozen=True)
class Problem:
    """A network on a device: weights (outputs x inputs) and biases per layer, and batches of inputs and targets.

    All tensors are of one dtype; targets are class numbers, one-hot rows in `wanted`; `ones` are one per example, for
    sums over the batch. A layer without biases has None.
    """

    weights: tuple[Any, ...]
    biases: tuple[Any | None, ...]
    ones: Any
    inputs: tuple[Any, ...]
    targets: tuple[Any, ...]
    wanted: tuple[Any, ...]


def problem(layers: Sequence[Dense], batch: int, dtype: str, device: str, seed: int = 0) -> Problem:
    """Return the network of these layers with random weights, and random batches; all drawn from `seed`."""
    import torch

    draw = torch.Generator().manual_seed(seed)
    kind = getattr(torch, dtype)

    def place(tensor: Any) -> Any:
        return tensor.to(device=device, dtype=kind)

    weights = [
        place(torch.randn(layer.outputs, layer.inputs, generator=draw) * (2 / layer.inputs) ** 0.5) for layer in layers
    ]
    biases = [place(torch.zeros(layer.outputs)) if layer.bias else None for layer in layers]
    inputs = [place(torch.rand(batch, layers[0].inputs, generator=draw)) for _ in range(BATCHES_HELD)]
    classes = layers[-1].outputs
    targets = [torch.randint(classes, (batch,), generator=draw) for _ in range(BATCHES_HELD)]
    wanted = [place(torch.nn.functional.one_hot(target, classes)) for target in targets]
    there = tuple(target.to(device) for target in targets)
    return Problem(tuple(weights), tuple(biases), place(torch.ones(batch)), tuple(inputs), there, tuple(wanted))


def lean_step(given: Problem, which: int) -> None:
    """Train `given` on its batch number `which`, in place: every matrix product is one call, gradients are never kept.

    The update is one product that is added to the weights where they lie. Hidden units are clip(z, 0, 2), the loss is
    the cross-entropy of a softmax, as in the chip's workloads.
    """
    import torch

    rate = -RATE / given.inputs[which].shape[0]
    seen = [given.inputs[which]]
    sums: list[Any] = []
    last = len(given.weights) - 1
    for i, (weight, bias) in enumerate(zip(given.weights, given.biases, strict=True)):
        summed = seen[-1].mm(weight.t()) if bias is None else torch.addmm(bias, seen[-1], weight.t())
        if i < last:
            sums.append(summed)
            seen.append(summed.clamp(0, 2))
    error = torch.softmax(summed, 1).sub_(given.wanted[which])
    for i in range(last, -1, -1):
        below = None
        if i:
            below = torch.ops.aten.hardtanh_backward(error.mm(given.weights[i]), sums[i - 1], 0.0, 2.0)
        given.weights[i].addmm_(error.t(), seen[i], alpha=rate)
        bias = given.biases[i]
        if bias is not None:
            bias.addmv_(error.t(), given.ones, alpha=rate)
        error = below


def eager_step(given: Problem) -> Callable[[int], None]:
    """Return a step on `given`'s weights as a user of PyTorch writes it: modules, autograd, the fused SGD optimiser."""
    import torch

    modules: list[Any] = []
    for weight, bias in zip(given.weights, given.biases, strict=True):
        layer = torch.nn.Linear(weight.shape[1], weight.shape[0], bias is not None, weight.device, weight.dtype)
        layer.weight.data = weight
        if bias is not None:
            layer.bias.data = bias
        modules += [layer, torch.nn.Hardtanh(0.0, 2.0)]
    network = torch.nn.Sequential(*modules[:-1])
    optimiser = torch.optim.SGD(network.parameters(), lr=RATE, fused=given.weights[0].is_cuda)

    def step(which: int) -> None:
        loss = torch.nn.functional.cross_entropy(network(given.inputs[which]), given.targets[which])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return step


def graph_of(run: Callable[[], None]) -> Callable[[], None]:
    """Return what replays the CUDA kernels that `run` launches, as one graph; warmed up on a side stream first."""
    import torch

    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            run()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    replay: Callable[[], None] = graph.replay
    return replay
