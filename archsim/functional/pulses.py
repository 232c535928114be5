"""Pulse trains in numbers: how many pulses a row and a column fire in an update, or what they would fire exactly.

Counts are rounded stochastically, up or down with the chances that make their mean exact, so that neither a row nor a
column has a dead zone or a bias: a bias row at 1 of a full scale of 2 fires 7 or 8 of 15, each every other time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numba
import numpy as np
import numpy.typing as npt

from archsim.functional.draws import uniform

F32: TypeAlias = npt.NDArray[np.float32]
Array: TypeAlias = npt.NDArray[Any]


@numba.njit(cache=True, error_model="numpy")
def row_pulses(x: F32, full: Any, pulses: Any, base: Any, first: Any, out: Array) -> None:
    """Set how many pulses each row fires, pulses x / full, none where x is of the other sign than `full`.

    Draws are those under `base` from `first` on.
    """
    for i in range(x.shape[0]):
        share = min(max(x[i] / np.float32(full), np.float32(0.0)), np.float32(1.0))
        out[i] = 0
        if share > 0:
            count = np.floor(share * np.float32(pulses) + uniform(base, first + i))
            out[i] = np.int64(min(count, np.float32(pulses)))


@numba.njit(cache=True, error_model="numpy")
def column_pulses(d: F32, unit: Any, pulses: Any, base: Any, first: Any, out: Array) -> tuple[int, int]:
    """Set how many pulses each column fires, unit d, with d's sign and up to `pulses`.

    Returns how many columns fire and how many of them were clipped; draws are those under `base` from `first` on.
    """
    fired = clipped = 0
    for j in range(d.shape[0]):
        out[j] = 0
        if d[j] == 0:
            continue
        count = np.floor(unit * abs(d[j]) + uniform(base, first + j))
        if count > pulses:
            count = np.float32(pulses)
            clipped += 1
        fired += count > 0
        out[j] = np.int64(count) if d[j] > 0 else -np.int64(count)
    return fired, clipped


@numba.njit(cache=True, error_model="numpy")
def row_shares(x: F32, full: Any, pulses: Any, base: Any, first: Any, out: Array) -> None:
    """Set for what share of the slots each row would fire, exactly, none where x is of the other sign than `full`."""
    for i in range(x.shape[0]):
        out[i] = min(max(x[i] / np.float32(full), np.float32(0.0)), np.float32(1.0))


@numba.njit(cache=True, error_model="numpy")
def column_shares(d: F32, unit: Any, pulses: Any, base: Any, first: Any, out: Array) -> tuple[int, int]:
    """Set how many pulses each column would fire if they need not be whole nor few; return how many, and none."""
    fired = 0
    for j in range(d.shape[0]):
        out[j] = unit * d[j]
        fired += d[j] != 0
    return fired, 0


@dataclass(frozen=True)
class Trains:
    """How an update is driven: what rows and columns fire, and in which kind of number that is counted."""

    rows: Callable[..., Any]
    columns: Callable[..., Any]
    count: type[np.generic]


PULSED = Trains(row_pulses, column_pulses, np.int64)
EXACT = Trains(row_shares, column_shares, np.float32)
