"""Random draws by counter: each is a hash of what it is for, so that no order of execution changes it.

The hash is SplitMix64's finaliser over the words of the key.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.base.machine_code import lean, njit
from archsim.base.mixing import mix
from archsim.components.cells.numeric.draws import quick_normal

PHASE, ROUNDING, READ, READ_BACK, ROW_ROUNDING, FLUTTER, FLUTTER_BACK, GAIN, OFFSET = range(1, 10)
"""What a draw is for: a row's train phase, the rounding of a column's count, noise of reads either way, the rounding of
a row's count, what cells fluctuate by in reads either way, what lines are off by from when the chip was made."""


@njit()
def key(seed: Any, what: Any, layer: Any, example: Any) -> Any:
    """Return the key of all draws of one kind for one layer and example."""
    return mix(mix(mix(mix(np.uint64(seed)) ^ np.uint64(what)) ^ np.uint64(layer)) ^ np.uint64(example))


@njit()
def uniform(base: Any, index: Any) -> Any:
    """Return the draw with that index under a key, in [0, 1), with 24 bits: exact in single precision."""
    return np.float32(mix(base ^ np.uint64(index)) >> np.uint64(40)) * np.float32(2.0**-24)


@njit()
def normal(base: Any, index: Any) -> Any:
    """Return the standard normal draw with that index under a key (Box and Muller 1958), in single precision."""
    radius = math.sqrt(-2.0 * math.log(1.0 - np.float64(uniform(base, 2 * index))))
    return np.float32(radius * math.cos(2.0 * math.pi * np.float64(uniform(base, 2 * index + 1))))


@lean()
def add_noise(values: Any, sigma: Any, base: Any, first: Any) -> None:
    """Add normal noise of a standard deviation to values, by `quick_normal`, whose places begin at `first`."""
    for i in range(values.shape[0]):
        values[i] += np.float32(sigma) * quick_normal(base, first + i)
