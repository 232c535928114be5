"""The periphery in numbers: drivers, converters and pulse trains, which quantise at its digital and analog edges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.base.arrays import F32
from archsim.base.machine_code import lean
from archsim.functional.mismatch import Edge


@dataclass(frozen=True)
class Quantisers:
    """Levels and ranges of a chip's quantisers; zero levels leave values as they are.

    `drive_levels` steps of a driver between 0 and full scale; `delta_levels` steps of the largest gradient, either
    sign; `read_levels` codes of a converter between -range and +range, `partial_range` for sums that are added to
    others, `output_range` for those of the last layer. Hidden units that are read at once are converted between the
    ends of their activation, up to `activation_range` where it has none.
    `error_levels` codes of the converter that is read in backward.
    `read_noise` is the standard deviation of what a read adds to each line, in units of w x.
    Sums of recurrent units are converted within plus and minus `gate_range`; the states of such that have no bound are
    kept up to `state_range`, all in `state_levels`, or where that is None in as many levels as sums are read.
    `edges` are what lines differ by, by `mismatch.ROW_DRIVERS` and so on; they may be left out.
    `pulses` slots of an update, `update_shift` by how many bits columns' counts may go up in it; `step` is the nominal
    change of a weight by one pulse, in uS.
    """

    drive_levels: int
    delta_levels: int
    read_levels: int
    error_levels: int
    partial_range: float
    output_range: float
    pulses: int
    step: float
    read_noise: float = 0.0
    activation_range: float = 2.0
    gate_range: float = 4.0
    state_range: float = 4.0
    state_levels: int | None = None
    edges: tuple[Edge, ...] = ()
    update_shift: int = 0

    @property
    def ranges(self) -> tuple[float, float, float, float]:
        """Ranges of partial sums and of the output, the step of a pulse, and the noise of a read."""
        return self.partial_range, self.output_range, self.step, self.read_noise

    @property
    def levels(self) -> tuple[int, int, int, int, int, int]:
        """Levels of drivers, gradients and converters (forward, backward); the slots of an update, and its shift."""
        edges = self.drive_levels, self.delta_levels, self.read_levels, self.error_levels
        return *edges, self.pulses, self.update_shift


@lean()
def either_side(levels: Any) -> Any:
    """Return how many of a converter's levels lie on either side of zero: half, but one at least.

    >>> [either_side(levels) for levels in (255, 3, 1, 0)]
    [127, 1, 1, 0]
    """
    return max(levels // 2, min(levels, 1))


@lean(error_model="numpy")
def to_levels(values: F32, full: Any, levels: Any, out: F32) -> None:
    """Set `out` to values between -full and full on a grid of `levels` steps of `full`; beyond, the edge.

    With zero levels only the ends of the range are kept. The loops have no branches, so that many values are rounded
    at once.
    """
    most = np.float32(full)
    if levels == 0:
        for i in range(values.shape[0]):
            out[i] = min(max(values[i], -most), most)
    else:
        grid = most / np.float32(levels)
        for i in range(values.shape[0]):
            out[i] = np.rint(min(max(values[i], -most), most) / grid) * grid


@lean(error_model="numpy")
def to_span(values: F32, low: Any, full: Any, out: F32) -> None:
    """Set `out` to values between `low` and `full`, and to an end what is next to it but for rounding of a grid."""
    near = full * np.float32(1 - 2.0**-22)
    below = low * np.float32(1 - 2.0**-22)
    for i in range(values.shape[0]):
        value = low if values[i] < below else values[i]
        out[i] = full if value > near else value
