"""A chip's network in aihwkit: its layers on tiles of pulsed devices, with the chip's numbers.

It is imported when it is needed, as aihwkit and torch are no requirement of anything here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from aihwkit.nn import AnalogLinear
from aihwkit.simulator.configs import SingleRPUConfig
from aihwkit.simulator.parameters.enums import BoundManagementType, NoiseManagementType, PulseType
from aihwkit.simulator.parameters.io import IOParameters
from aihwkit.simulator.parameters.mapping import MappingParameter
from aihwkit.simulator.parameters.training import UpdateParameters

from archsim.base.arrays import F32, I32, I64, Flags
from archsim.functional.chip_model import ChipModel
from archsim.functional.periphery import Quantisers, either_side

NEAR = 1 - 2.0**-22  # a value so near to its full scale is there but for rounding, as in `archsim.functional.periphery`


def tile_of(shape: tuple[int, int], device: Any, slots: int, kind: str, **reads: IOParameters) -> Any:
    """Return a tile of rows x columns, pulsed in so many slots with x and d as probabilities, without any management.

    aihwkit scales both by sqrt(rate / (dw_min slots)), so that is its rate. `kind` is a name of its types of pulses;
    the resolutions are for the deterministic one alone: its counts are whole, and rounded as archsim's are.
    """
    whole = {"x_res_implicit": 1 / slots, "d_res_implicit": 1 / slots, "sto_round": True}
    update = UpdateParameters(
        desired_bl=slots, fixed_bl=True, update_management=False, update_bl_management=False,
        pulse_type=PulseType[kind], **(whole if kind == "DETERMINISTIC_IMPLICIT" else {}),
    )  # fmt: skip
    undivided = MappingParameter(max_input_size=shape[0], max_output_size=shape[1])
    config = SingleRPUConfig(device=device, update=update, mapping=undivided, **reads)
    tile = next(AnalogLinear(*shape, bias=False, rpu_config=config).analog_tiles())
    tile.set_learning_rate(device.dw_min * slots)
    return tile


class Network:
    """A network on one tile a layer, each driven as the archsim `model` drives its shard.

    x goes in as a share of the drivers' full scale, so that it is the probability of a row's pulses; the digital unit
    scales d before it reaches a tile by what makes a column's out of it at the rate of the epoch, and back behind it.
    Tiles are called directly: autograd would take several times as long as they do. All `devices` have one step.
    """

    def __init__(self, model: ChipModel, devices: list[Any], kind: str) -> None:
        quantisers = model.quantisers[0]
        self.rate = devices[0].dw_min * quantisers.pulses
        self.full = [float(each) for each in model.spans.drive]
        self.bounds = [float(each) for each in model.spans.full[:-1]]
        ends = [*self.bounds, quantisers.output_range]
        levels = [quantisers.read_levels] * len(self.bounds) + [either_side(quantisers.read_levels)]
        self.tiles = [
            tile_of(cells.weights.shape, device, quantisers.pulses, kind, **_reads(quantisers, full, end, own))
            for cells, device, full, end, own in zip(model.cells, devices, self.full, ends, levels, strict=True)
        ]

    def begin(self, weights: list[F32]) -> None:
        """Set the weights [rows, columns] by layer, which end at the bounds of their devices."""
        for tile, own in zip(self.tiles, weights, strict=True):
            tile.set_weights(torch.from_numpy(np.ascontiguousarray(own.T)))

    def answer(self, x: F32, y: I64) -> tuple[float, Flags]:
        """Return the summed loss and which examples are answered rightly, read as in training."""
        with torch.inference_mode():
            z, labels = self._forward(torch.from_numpy(x))[-1], torch.from_numpy(y)
            loss = torch.nn.functional.cross_entropy(z, labels, reduction="sum")
        return float(loss), (z.argmax(dim=1) == labels).numpy()

    def learn(self, x: F32, y: I64, order: I32, rate: float) -> None:
        """Train on the examples in this order, one after another."""
        xs, labels = torch.from_numpy(x), y.tolist()
        with torch.inference_mode():
            for example in order.tolist():
                driven, deltas = self._passes(xs[example : example + 1], labels[example], rate)
                for tile, own, delta in zip(self.tiles, driven, deltas, strict=True):
                    tile.tile.update(own, delta, False, False, False, False)

    def gradients(self, x: F32, y: int, rate: float) -> list[F32]:
        """Return by layer the gradients of an example's sums, from what its tile would be updated by."""
        _, deltas = self._passes(torch.from_numpy(x)[None], y, rate)
        return [own.numpy()[0] * self.rate / rate / full for own, full in zip(deltas, self.full, strict=True)]

    def _forward(self, x: Any) -> list[Any]:
        """Return by layer what drives its tile, and in the end the sums of the last."""
        found, ones = [], torch.ones(len(x), 1)
        for layer, (tile, full) in enumerate(zip(self.tiles, self.full, strict=True)):
            found.append(torch.cat((x, ones), 1).div_(full))
            x = tile.tile.forward(found[-1], False, False, False, False, False).mul_(full)
            if layer < len(self.bounds):
                x.clamp_(0.0, self.bounds[layer])
        return [*found, x]

    def _passes(self, x: Any, y: int, rate: float) -> tuple[list[Any], list[Any]]:
        """Return by layer what drives rows and columns of its tile for an example's update."""
        *driven, z = self._forward(x)
        delta, found = torch.softmax(z, 1), []
        delta[0, y] -= 1.0
        for layer in range(len(self.tiles) - 1, -1, -1):
            scale = rate * self.full[layer] / self.rate
            found.append(delta.mul_(scale))
            if layer:
                e = self.tiles[layer].tile.backward(found[-1], False, False, False, False)[:, :-1].div_(scale)
                a, most = driven[layer][:, :-1], self.bounds[layer - 1] / self.full[layer] * NEAR
                delta = e.mul_((a > 0.0).logical_and_(a < most))
        return driven, found[::-1]


def _reads(quantisers: Quantisers, full: float, end: float, levels: int) -> dict[str, IOParameters]:
    """Return how a tile is read forward, where sums up to `end` have so many levels on each side, and backward.

    Resolutions are shares of what lies between both bounds. Forward, sums are in units of `full`. Backward a vector is
    scaled to its largest value.
    """
    none = {"noise_management": NoiseManagementType.NONE, "bound_management": BoundManagementType.NONE}
    forward = IOParameters(
        inp_bound=1.0, inp_res=1 / (2 * quantisers.drive_levels), out_bound=end / full, out_res=1 / (2 * levels),
        out_noise=quantisers.read_noise / full, **none,
    )  # fmt: skip
    backward = IOParameters(
        inp_bound=1.0, inp_res=1 / (2 * quantisers.delta_levels), out_bound=quantisers.partial_range,
        out_res=1 / (2 * either_side(quantisers.error_levels)), out_noise=quantisers.read_noise,
        **{**none, "noise_management": NoiseManagementType.ABS_MAX},
    )  # fmt: skip
    return {"forward": forward, "backward": backward}
