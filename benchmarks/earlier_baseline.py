"""The baseline's kernel as it was until November 2026, beside which the present one is timed.

Its backward product goes row by row, in eight scalars; all else is shared with the present one.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from archsim.base.arrays import F32
from archsim.base.machine_code import lean, rebuilt
from archsim.functional import floating_point

train_float: Any = floating_point.train_float


@lean()
def earlier_backward_rows(d: F32, weights: F32, rows: int, e: F32) -> None:
    """Set e to W d for the first `rows` rows; each sum is kept in eight parts, in a fixed order."""
    width = weights.shape[1]
    whole = width - width % 8
    for i in range(rows):
        row = weights[i]
        a0 = a1 = a2 = a3 = a4 = a5 = a6 = a7 = np.float32(0.0)
        for j in range(0, whole, 8):
            a0 += row[j] * d[j]
            a1 += row[j + 1] * d[j + 1]
            a2 += row[j + 2] * d[j + 2]
            a3 += row[j + 3] * d[j + 3]
            a4 += row[j + 4] * d[j + 4]
            a5 += row[j + 5] * d[j + 5]
            a6 += row[j + 6] * d[j + 6]
            a7 += row[j + 7] * d[j + 7]
        for j in range(whole, width):
            a0 += row[j] * d[j]
        e[i] = ((a0 + a1) + (a2 + a3)) + ((a4 + a5) + (a6 + a7))


earlier_train_float: Any = numba.njit(rebuilt(train_float.py_func, {"backward_rows": earlier_backward_rows}))
"""`train_float` with that product."""
