"""What a probe found of the cells of a training: what they held, and what leakage took from them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Histogram:
    """How many cells hold how much of a quantity: edges in uS, counts by moment ("before", "after" or "at the end")."""

    name: str
    edges_us: tuple[float, ...]
    counts: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Loss:
    """What leakage took from a layer's weights, by the time since their transfer.

    One entry for each time: its mean in s, samples (a cell at a moment when leakage was applied), and mean and root
    mean square in uS of W. The mean is signed by polarity, so that it is what the capacitor lost. `alpha_us` is the
    conductance of a weight of one.
    """

    layer: str
    alpha_us: float
    time_s: tuple[float, ...]
    samples: tuple[int, ...]
    mean_us: tuple[float, ...]
    rms_us: tuple[float, ...]


@dataclass(frozen=True)
class Findings:
    """What a probe saw in the training of a seed. `transferred` says whether any row was transferred at all.

    `offset_us` and `tau_s` are those of the nominal cell, which loses offset (1 - exp(-t / tau)); 0 if it has none.
    """

    seed: int
    transferred: bool
    histograms: tuple[Histogram, ...]
    losses: tuple[Loss, ...]
    offset_us: float
    tau_s: float

    def nominal_us(self, time_s: float) -> float:
        """Return what the nominal cell lost of its offset after some time, offset (1 - exp(-t / tau)), in uS."""
        return -self.offset_us * math.expm1(-time_s / self.tau_s)
