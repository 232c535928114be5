"""Reads of maintenance in numbers: a cell at a time, through a column's converter whose gain is switched to a range.

Float32 in a fixed order, as in `capacitor_kernels`; conductances are in uS.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from archsim.components.cells.numeric.draws import compiled, inner, quick_pair

_ZERO = np.float32(0)


class Reading(NamedTuple):
    """How a read errs: by a noise, then by the range and the codes of what converts it."""

    noise: Any = _ZERO  # standard deviation
    most: Any = _ZERO  # full scale; zero if nothing is converted
    grid: Any = _ZERO  # between two codes


EXACT = Reading()


def reading_of(noise_siemens: float, range_siemens: float, codes: int) -> Reading:
    """Return the reading over a range that `codes` steps lie in; it is not converted where either is zero."""
    most = np.float32(range_siemens * 1e6 if codes else 0)
    return Reading(np.float32(noise_siemens * 1e6), most, most / np.float32(max(codes, 1)))


@inner
def converted(value: Any, draw: Any, reading: Any) -> Any:
    """Return a value as it is read, `draw` being standard normal: with noise, cut to the range, at the next code."""
    if reading.noise > _ZERO:
        value = value + reading.noise * draw
    if reading.most > _ZERO:
        value = np.rint(min(max(value, -reading.most), reading.most) / reading.grid) * reading.grid
    return value


@compiled
def convert(values: Any, start: Any, reading: Any, key: Any) -> None:
    """Set values of rows from `start` on to what is read of them; `key` is what the noise is keyed by."""
    seed, shard, what, index = key
    for row in range(values.shape[0]):
        for col in range(values.shape[1]):
            draw = quick_pair(seed, shard, what, index, row + start, col)[0] if reading.noise > _ZERO else _ZERO
            values[row, col] = converted(values[row, col], draw, reading)
