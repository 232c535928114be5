"""Floors of the floating-point baseline: plain SGD in PyTorch, batch 1, the same network, data and epochs.

    python -m benchmarks.pytorch_floor WORKLOAD [--rates 0.05,0.1] [--decays 0.95,1] [--seeds 5] [--validation N]

PyTorch (2.14 was used) is no dependency of archsim: where it is missing, this says so. First weights and the order of
the examples are PyTorch's own; with `--alike` they are archsim's, and both should reach the same. Of several rates and
decays the best is chosen on examples that are held back, a sixth unless said; then `--seeds` networks are trained on
all and read on the test set once. The floor is their mean less one standard error, that of the test set,
sqrt(p (1 - p) / examples), or the seeds' where that is larger.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from archsim.base.arrays import F32
from archsim.functional.data_set import Data, Part
from archsim.functional.datasets import following
from archsim.functional.floating_point import initial_weights
from archsim.functional.order import Order
from archsim.workload import Workload, load_workload
from benchmarks.data import folder_of_data


@dataclass(frozen=True)
class Reached:
    """What a network reaches on some examples: the share that is right, and the mean cross-entropy of an answer."""

    accuracy: float
    entropy: float

    def __str__(self) -> str:
        return f"{100 * self.accuracy:.2f} %, {self.entropy:.4f} nats"


def torch_or_exit() -> Any:
    """Return PyTorch on one core; leave with the reason where it is not installed."""
    try:
        import torch
    except ImportError:
        sys.exit("benchmarks.pytorch_floor: PyTorch is not installed; in an environment of its own: pip install torch")
    torch.set_num_threads(1)
    return torch


def first_weights(workload: Workload, seed: int) -> list[F32]:
    """Return those of archsim's baseline."""
    return initial_weights(workload, seed, workload.training.of_the_baseline.initial_gain)


def network_of(torch: Any, workload: Workload, seed: int, alike: bool) -> Any:
    """Return the network of a workload with PyTorch's first weights, or `alike`, with archsim's."""
    torch.manual_seed(seed)
    nn, kinds = torch.nn, {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}
    parts = []
    for layer, first in zip(workload.layers, first_weights(workload, seed), strict=True):
        w, dense = torch.from_numpy(first), layer.kind == "dense"
        own = nn.Linear(layer.inputs, layer.outputs) if dense else kinds[layer.kind](layer.inputs, layer.outputs)
        parts.append(own)
        if not alike:
            continue
        if dense:
            own.weight.data = w[: layer.inputs].T.contiguous()
            own.bias.data = w[layer.inputs].clone()
        else:
            # Columns of a unit lie side by side here, those of a gate there.
            by_gate = w.reshape(layer.rows, layer.outputs, layer.gates).permute(2, 1, 0)
            by_gate = by_gate.reshape(layer.gates * layer.outputs, layer.rows)
            below = layer.blocks[0].rows if len(layer.blocks) > 1 else layer.inputs
            own.weight_ih_l0.data = by_gate[:, : layer.inputs].contiguous()
            own.weight_hh_l0.data = by_gate[:, below : below + layer.outputs].contiguous()
            own.bias_ih_l0.data = by_gate[:, -1].clone()
            own.bias_hh_l0.data.zero_()
            # archsim's LSTM has one row of biases, PyTorch's two, whose sum learns twice as fast.
            own.bias_hh_l0.requires_grad_(len(layer.blocks) > 1)
    return nn.ModuleList(parts)


class Net:
    """A network of a workload, and what it does to one example: vectors [steps, inputs], labels [answers]."""

    def __init__(self, torch: Any, workload: Workload, seed: int, alike: bool) -> None:
        self.torch, self.workload = torch, workload
        self.parts = network_of(torch, workload, seed, alike)
        self.learnt = [own for own in self.parts.parameters() if own.requires_grad]
        self.states: list[Any] = [None] * len(self.parts)

    def sums(self, x: Any) -> Any:
        """Return the sums of the last layer, [answers, outputs]; a stateful network goes on from where it was."""
        for place, (layer, part) in enumerate(zip(self.workload.layers, self.parts, strict=True)):
            if layer.kind == "dense":
                x = part(x[-1:] if layer.at == "last_step" else x)
                if place < len(self.parts) - 1:
                    x = self.activated(layer, x)
                continue
            x, state = part(x, self.states[place])
            if self.workload.stateful:
                self.states[place] = tuple(s.detach() for s in state) if isinstance(state, tuple) else state.detach()
        return x

    def activated(self, layer: Any, x: Any) -> Any:
        """Return what an activation makes of sums."""
        if layer.activation == "clipped_relu":
            return self.torch.clamp(x, 0.0, layer.bound)
        return {"relu": self.torch.relu, "tanh": self.torch.tanh, "sigmoid": self.torch.sigmoid}[layer.activation](x)

    def train(self, part: Part, order: Sequence[int], rate: float) -> None:
        """Go through examples once, in this order."""
        loss_of = self.torch.nn.functional.cross_entropy
        self.states = [None] * len(self.parts)
        for example in order:
            x, y = vectors(self.torch, part, example)
            for own in self.learnt:
                own.grad = None
            loss_of(self.sums(x), y, reduction="sum").backward()
            with self.torch.no_grad():
                for own in self.learnt:
                    own -= rate * own.grad

    def read(self, part: Part) -> Reached:
        """Return what it reaches on some examples."""
        right, loss, answers = 0, 0.0, 0
        self.states = [None] * len(self.parts)
        with self.torch.no_grad():
            for example in range(part.examples):
                x, y = vectors(self.torch, part, example)
                z = self.sums(x)
                right += int((z.argmax(1) == y).sum())
                loss += float(self.torch.nn.functional.cross_entropy(z, y, reduction="sum"))
                answers += len(y)
        return Reached(right / answers, loss / answers)


def vectors(torch: Any, part: Part, example: int) -> tuple[Any, Any]:
    """Return the vectors of an example that count, [steps, inputs], and its labels."""
    y = torch.from_numpy(np.atleast_1d(part.y[example]))
    if part.frames is None:
        return torch.from_numpy(part.x[example : example + 1]), y
    begin = int(part.frames.begin[example])
    steps = part.frames.rows.shape[1]
    return torch.from_numpy(part.x[part.frames.rows[example, begin:]]), y[max(0, begin - (steps - len(y))) :]


@dataclass(frozen=True)
class Training:
    """A training at a rate with its decay and floor, for so many epochs; `alike` archsim's, or in PyTorch's own way."""

    rate: float
    decay: float
    floor: float
    epochs: int
    alike: bool

    def __call__(self, torch: Any, workload: Workload, data: Data, seed: int) -> Net:
        """Return a network that was trained on a data set with a seed."""
        net, count = Net(torch, workload, seed, self.alike), len(data.train_y)
        shuffled = not workload.stateful
        order = Order(count, self.epochs, seed, shuffled=shuffled)
        for epoch in range(self.epochs):
            own = order[epoch * count : (epoch + 1) * count].tolist()
            if shuffled and not self.alike:
                own = torch.randperm(count).tolist()
            net.train(data.training, own, self.rate * max(self.decay**epoch, self.floor))
        return net


def main() -> None:
    read = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    read.add_argument("workload")
    read.add_argument("--rates", default="0.02,0.05,0.1,0.2", help="first rates to choose among")
    read.add_argument("--decays", default="1,0.95", help="factors per epoch to choose among")
    read.add_argument("--floor", type=float, default=0.0, help="share of the first rate that is never undercut")
    read.add_argument("--validation", type=int, help="examples held back to choose rates")
    read.add_argument("--epochs", type=int, help="instead of the workload's")
    read.add_argument("--seeds", type=int, default=5)
    read.add_argument("--alike", action="store_true", help="with archsim's first weights and order")
    read.add_argument("--data", type=Path)
    asked = read.parse_args()
    torch = torch_or_exit()
    loaded = load_workload(asked.workload)
    folder = asked.data or folder_of_data()
    whole, data = following(loaded, folder)
    epochs, there = asked.epochs or whole.value.training.epochs, len(data.train_y)
    pairs = [Training(float(rate), float(decay), asked.floor, epochs, asked.alike)
             for rate in asked.rates.split(",") for decay in asked.decays.split(",")]  # fmt: skip
    best = pairs[0]
    if len(pairs) > 1:
        held = asked.validation or max(1, there // 6)
        sets = [f"dataset.examples={there - held}", f"dataset.validation={held}"]
        part, apart = following(loaded.with_overrides(sets), folder)
        costs = []
        for pair in pairs:
            assert apart.validation is not None
            own = pair(torch, part.value, apart, 0).read(apart.validation)
            costs.append(own.entropy if whole.value.stateful else -own.accuracy)
            print(f"rate {pair.rate:g}, decay {pair.decay:g}: {own}", flush=True)
        best = pairs[costs.index(min(costs))]
    print(f"chosen: rate {best.rate:g}, decay {best.decay:g}, floor {best.floor:g}", flush=True)
    testing = Part(data.test_x, data.test_y, None, data.test_frames)
    reached = []
    for seed in range(asked.seeds):
        reached.append(best(torch, whole.value, data, seed).read(testing))
        print(f"seed {seed}: {reached[-1]}", flush=True)
    shares = [own.accuracy for own in reached]
    mean = fmean(shares)
    errors = [math.sqrt(mean * (1 - mean) / testing.answers)]
    errors += [stdev(shares) / math.sqrt(len(shares))] if len(shares) > 1 else []
    told = ", ".join(f"{100 * own:.2f}" for own in errors)
    entropy = fmean(own.entropy for own in reached)
    print(f"mean {100 * mean:.2f} %, standard errors {told} points: floor {100 * (mean - max(errors)):.2f} %; "
          f"cross-entropy {entropy:.4f} nats")  # fmt: skip


if __name__ == "__main__":
    main()
