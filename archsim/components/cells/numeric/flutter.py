"""How conductances fluctuate from read to read: 1/f noise of devices and transistors, and noise of a shared reference.

Each device is off by a draw of its own in each read, a reference by one that its columns share. No read draws them cell
by cell: a sum over rows needs but their variances, row by row, since independent ones add up.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from archsim.base.arrays import F32, F64
from archsim.components.cells.numeric.draws import inner, quick_normal

_ZERO = np.float32(0)


class Flutter(NamedTuple):
    """Standard deviations in one read: relative to a conductance, or in uS."""

    device: float = 0.0  # of a device at `scale`, relative; at G it is (G / scale)^-exponent times that ...
    exponent: float = 0.0
    most: float = 0.0  # ... and at most this
    scale: float = 1.0  # uS
    transistor: float = 0.0  # relative, of the read transistors of own and shared capacitors
    reference: float = 0.0  # of a shared reference, in uS, besides that of its transistor

    @property
    def any(self) -> bool:
        """Whether anything fluctuates at all."""
        return self.device > 0 or self.transistor > 0 or self.reference > 0

    def devices(self, conductances: F32) -> F64:
        """Return the variances of devices [rows, cols] in uS^2, as their mean by row."""
        held = conductances.astype(np.float64)
        if not self.device:
            return np.zeros(len(held))
        relative = np.full_like(held, self.device)
        if self.exponent:
            with np.errstate(divide="ignore"):
                relative = np.minimum(self.device * (held / self.scale) ** -self.exponent, self.most)
        return np.asarray(np.square(relative * held).mean(axis=1))

    def transistors(self, conductances: F32) -> F64:
        """Return the variances of read transistors [rows, cols] in uS^2, as their mean by row."""
        return np.asarray(np.square(self.transistor * conductances.astype(np.float64)).mean(axis=1))


@inner
def add_to_columns(driven: Any, own: Any, shared: Any, span: Any, key: Any, first: Any, sums: Any) -> None:
    """Add to sums of columns what cells and references are off by, `driven` being what the rows drive.

    A column's variance is the sum over the rows of x^2 times that of a cell; of the references, the same, and one draw
    is common to each `span` columns. `own` and `shared` [rows] are variances, `first` the place of the first column
    among those of its layer.
    """
    alone, common = 0.0, 0.0
    for row in range(driven.shape[0]):
        square = np.float64(driven[row]) * np.float64(driven[row])
        alone += square * own[row]
        common += square * shared[row]
    each, all_of_them = np.float32(math.sqrt(alone)), np.float32(math.sqrt(common))
    off = _ZERO
    for col in range(sums.shape[0]):
        if col % span == 0:
            off = all_of_them * quick_normal(key, 2 * (first + col) + 1)
        sums[col] += each * quick_normal(key, 2 * (first + col)) + off


@inner
def add_to_rows(driven: Any, own: Any, shared: Any, span: Any, key: Any, first: Any, sums: Any) -> None:
    """Add to sums of rows the same, `driven` being what the columns drive.

    A reference takes what its columns drive together: its variance counts by the square of their sum.
    """
    alone, common, together = 0.0, 0.0, 0.0
    for col in range(driven.shape[0]):
        value = np.float64(driven[col])
        alone += value * value
        if col % span == 0:
            common += together * together
            together = 0.0
        together += value
    common += together * together
    for row in range(sums.shape[0]):
        sigma = math.sqrt(alone * own[row] + common * shared[row])
        sums[row] += np.float32(sigma) * quick_normal(key, first + row)
