"""What a read sees where each device fluctuates, drawn device by device: slow, and what the closed forms sum up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np


def factor(device: Any) -> float:
    """Return sqrt(ln((t + t_read) / (2 t_read))), aihwkit's for 1/f noise since programming."""
    span, read = float(device.flicker_span_s), float(device.flicker_read_s)
    return math.sqrt(math.log((span + read) / (2 * read)))


def of_devices(device: Any, conductances: Any) -> Any:
    """Return the standard deviations of PCM devices: G min(Q r^-0.65, 0.2) times the factor."""
    found = np.zeros(conductances.shape)
    for place, held in np.ndenumerate(conductances):
        relative = float(held) / (float(device.set_scale_siemens) * 1e6)
        share = device.flicker_most
        if relative > 0:
            share = min(device.flicker * relative**-device.flicker_exponent, device.flicker_most)
        found[place] = held * share * factor(device)
    return found


def seen(device: Any, cells: Any, rng: Any, reads: int) -> Any:
    """Return the weights that reads see, as far as they are off, [reads, rows, cols] in uS."""
    state, shape = cells.state, (reads, *cells.weights.shape)
    off = np.zeros(shape)
    if hasattr(state, "plus") and hasattr(device, "set_scale_siemens"):
        for held, sign in ((state.plus, 1), (state.minus, -1)):
            off += sign * device.gain * of_devices(device, held) * rng.normal(size=shape)
    if hasattr(state, "voltage"):
        own = state.k * np.maximum(state.voltage - state.threshold, 0)
        share, span = device.transistor_flicker * factor(device), device.cells_per_reference
        alike = share * state.shared * rng.normal(size=(reads, *state.shared.shape))
        alike = alike + device.reference_noise_siemens * 1e6 * rng.normal(size=alike.shape)
        each = np.repeat(alike, span, axis=2)[:, :, : shape[2]]
        off += state.polarity[:, None] * (share * own * rng.normal(size=shape) - each)
    if hasattr(state, "bound"):
        off += device.flicker * factor(device) * np.abs(cells.weights) * rng.normal(size=shape)
    return off
