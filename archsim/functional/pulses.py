"""Pulse trains in numbers: how many pulses a row and a column fire in an update, or what they would fire exactly.

Counts are rounded stochastically, up or down with the chances that make their mean exact, so that neither a row nor a
column has a dead zone or a bias: a bias row at 1 of a full scale of 2 fires 7 or 8 of 15, each every other time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from archsim.base.arrays import F32, Array
from archsim.base.machine_code import lean
from archsim.functional.hashes import uniform


@lean(error_model="numpy")
def row_pulses(x: F32, full: Any, pulses: Any, base: Any, first: Any, out: Array) -> float:
    """Set how many pulses each row fires, pulses x / full, none where x is of the other sign; return all of them.

    Draws are those under `base` from `first` on.
    """
    fired = 0
    for i in range(x.shape[0]):
        share = min(max(x[i] / np.float32(full), np.float32(0.0)), np.float32(1.0))
        out[i] = 0
        if share > 0:
            count = np.floor(share * np.float32(pulses) + uniform(base, first + i))
            out[i] = np.int64(min(count, np.float32(pulses)))
            fired += out[i]
    return float(fired)


@lean(error_model="numpy")
def column_pulses(d: F32, unit: Any, pulses: Any, base: Any, first: Any, out: Array) -> tuple[int, int, float]:
    """Set how many pulses each column fires, unit d, with d's sign and up to `pulses`.

    Returns how many columns fire, how many of them were clipped, and how many pulses they fire; draws are those under
    `base` from `first` on.
    """
    fired = clipped = total = 0
    for j in range(d.shape[0]):
        out[j] = 0
        if d[j] == 0:
            continue
        count = np.floor(unit * abs(d[j]) + uniform(base, first + j))
        if count > pulses:
            count = np.float32(pulses)
            clipped += 1
        fired += count > 0
        total += int(count)
        out[j] = np.int64(count) if d[j] > 0 else -np.int64(count)
    return fired, clipped, float(total)


@lean(error_model="numpy")
def shifted(d: F32, unit: Any, pulses: Any, most: Any) -> Any:
    """Return 2^k, k up to `most`, the largest with which `pulses` are enough for the largest d, or 1."""
    largest, factor = np.float32(0.0), np.float32(1.0)
    for j in range(d.shape[0] if most > 0 else 0):
        largest = max(largest, abs(d[j]))
    if largest > 0:
        for _ in range(most):
            if unit * largest * factor * np.float32(2.0) > pulses:
                break
            factor *= np.float32(2.0)
    return factor


@lean(error_model="numpy")
def row_shares(x: F32, full: Any, pulses: Any, base: Any, first: Any, out: Array) -> float:
    """Set for what share of the slots each row would fire, exactly; return how many pulses that would be in all."""
    fired = 0.0
    for i in range(x.shape[0]):
        out[i] = min(max(x[i] / np.float32(full), np.float32(0.0)), np.float32(1.0))
        fired += out[i] * pulses
    return fired


@lean(error_model="numpy")
def column_shares(d: F32, unit: Any, pulses: Any, base: Any, first: Any, out: Array) -> tuple[int, int, float]:
    """Set how many pulses each column would fire if they need not be whole nor few; returns as `column_pulses`."""
    fired, total = 0, 0.0
    for j in range(d.shape[0]):
        out[j] = unit * d[j]
        fired += d[j] != 0
        total += abs(out[j])
    return fired, 0, total


@dataclass(frozen=True)
class Trains:
    """How an update is driven: what rows and columns fire, and in which kind of number that is counted."""

    rows: Callable[..., Any]
    columns: Callable[..., Any]
    count: type[np.generic]


PULSED = Trains(row_pulses, column_pulses, np.int64)
EXACT = Trains(row_shares, column_shares, np.float32)
