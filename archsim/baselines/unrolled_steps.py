"""One step on a network of several steps, or of layers without weights, in PyTorch: modules, autograd, fused SGD.

Recurrent layers are PyTorch's, which leave their kernels to cuDNN; attention is its fused one, residual connections and
normalisations are what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from archsim.base.errors import Problem, SpecError
from archsim.baselines.steps import BATCHES_HELD, RATE
from archsim.workload.kinds import Digital
from archsim.workload.layers import Layer, Weighted
from archsim.workload.network import Workload

RECURRENT = {"lstm": "LSTM", "gru": "GRU", "rnn": "RNN"}
"""By kind of layer, PyTorch's module."""
ACTIVATIONS = {
    "relu": "relu",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "linear": "",
    "softmax": "",
    "clipped_relu": "relu",
}
"""By activation, torch's function; a softmax is the loss's, and a clipped ReLU takes as long as a ReLU."""


def is_attention(layer: Layer) -> bool:
    """Return whether a layer is attention: queries, keys and values, of which two are read of all steps."""
    return isinstance(layer, Digital) and layer.gathers and layer.whole_parts == 2 and layer.inputs == 3 * layer.outputs


def check_measurable(workload: Workload) -> list[Problem]:
    """Return what stands against measuring a workload's layers, each with its place."""
    found = []
    for index, layer in enumerate(workload.layers):
        where = f"{workload.name}: layers[{index}]"
        plain = isinstance(layer, Digital) and not layer.gathers and layer.inputs == layer.outputs
        pools = layer.gathers and layer.at == "last_step" and layer.inputs == layer.outputs
        if not layer.blocks and not (is_attention(layer) or plain or pools):
            what = f"is digital work that PyTorch has no layer for: {layer.inputs} to {layer.outputs}"
            found.append(Problem(where, what, "measure attention, normalisations, sums and means over time"))
        activation = getattr(layer, "activation", "linear")
        if layer.blocks and layer.kind not in RECURRENT and activation not in ACTIVATIONS:
            found.append(Problem(where, f"has activation '{activation}'", f"one of {', '.join(ACTIVATIONS)}"))
        if layer.blocks and layer.kind not in (*RECURRENT, "dense"):
            found.append(Problem(where, f"is of kind '{layer.kind}'", f"one of dense, {', '.join(RECURRENT)}"))
    return found


def sequence_step(workload: Workload, batch: int, dtype: str, device: str, seed: int = 0) -> Callable[[int], None]:
    """Return a step on batch number `which` of random vectors [step, example, number]: SGD, or a forward pass."""
    import torch

    if problems := check_measurable(workload):
        raise SpecError(problems)
    torch.manual_seed(seed)
    kind, steps = getattr(torch, dtype), workload.timed.steps
    modules = [_module(layer, torch) for layer in workload.layers]
    owned = torch.nn.ModuleList([module for module in modules if module is not None]).to(device=device, dtype=kind)
    shape = (steps, batch, workload.layers[0].inputs)
    inputs = [torch.rand(shape).to(device=device, dtype=kind) for _ in range(BATCHES_HELD)]
    if workload.mode == "inference":
        owned.eval()

        def infer(which: int) -> None:
            with torch.no_grad():
                _forward(workload.layers, modules, inputs[which], torch)

        return infer
    answered = len(workload.layers[-1].vectors(workload.timed))
    classes = workload.layers[-1].outputs
    targets = [torch.randint(classes, (answered * batch,)).to(device) for _ in range(BATCHES_HELD)]
    optimiser = torch.optim.SGD(owned.parameters(), lr=RATE, fused=device == "cuda")

    def train(which: int) -> None:
        found = _forward(workload.layers, modules, inputs[which], torch)
        loss = torch.nn.functional.cross_entropy(found.reshape(-1, classes), targets[which])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()

    return train


def _module(layer: Layer, torch: Any) -> Any | None:
    """Return the module that has a layer's weights; None where it has none."""
    if isinstance(layer, Weighted) and layer.kind in RECURRENT:
        return getattr(torch.nn, RECURRENT[layer.kind])(layer.inputs, layer.outputs, bias=layer.bias)
    if isinstance(layer, Weighted):
        return torch.nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)
    return torch.nn.LayerNorm(layer.outputs) if layer.shared_values else None


def _forward(layers: Sequence[Layer], modules: Sequence[Any], vectors: Any, torch: Any) -> Any:
    """Return the outputs of the last layer [step, example, number]."""
    entered: dict[str, Any] = {}
    for layer, module in zip(layers, modules, strict=True):
        if layer.at == "last_step" and not layer.gathers:
            vectors = vectors[-1:]
        entered[layer.name] = vectors
        if layer.kind in RECURRENT:
            vectors = module(vectors)[0]
        elif layer.blocks:
            name = ACTIVATIONS[getattr(layer, "activation", "linear")]
            vectors = module(vectors)
            vectors = getattr(torch, name)(vectors) if name else vectors
        elif is_attention(layer):
            steps, batch, _ = vectors.shape
            parts = [
                part.reshape(steps, batch, layer.splits, -1).permute(1, 2, 0, 3) for part in vectors.chunk(3, dim=-1)
            ]
            vectors = torch.nn.functional.scaled_dot_product_attention(*parts)
            vectors = vectors.permute(2, 0, 1, 3).reshape(steps, batch, layer.outputs)
        elif layer.gathers:
            vectors = vectors.mean(dim=0, keepdim=True)
        for name in layer.skips:
            vectors = vectors + entered[name]
        if not layer.blocks and module is not None:
            vectors = module(vectors)
    return vectors
