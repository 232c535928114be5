"""Where the pulses of rows and columns coincide: each coincidence is a pulse of a cell."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from archsim.base.lanes import WIDTH
from archsim.components.cells.numeric.draws import compiled, taken_in


@compiled
def columns_pulsed(nd: Any, slots: Any) -> Any:
    """Return which columns fire pulses, and how many of them upward ones.

    Upward ones come first, and within each direction those with more pulses: those that coincide with a row's are
    then the first ones, and the processor is not surprised by what comes next.
    """
    places = np.zeros(2 * slots + 1, np.int64)
    columns = np.empty(nd.shape[0], np.int64)
    for col in range(nd.shape[0]):
        if nd[col]:
            places[slots - nd[col] + 1 if nd[col] > 0 else 2 * slots + nd[col] + 1] += 1
    for key in range(2 * slots):
        places[key + 1] += places[key]
    upward, every = places[slots], places[2 * slots]
    for col in range(nd.shape[0]):
        if nd[col]:
            key = slots - nd[col] if nd[col] > 0 else 2 * slots + nd[col]
            columns[places[key]] = col
            places[key] += 1
    return columns[:every], upward


@compiled
def coincide(found: Any, row_pulses: Any, phase: Any, slots: Any) -> None:
    """Fill `found` with the coincidences of a row's pulses with 0, 1, 2, ... of a column's.

    They are floor(nx nd / slots + phi), which is exact in whole numbers: nx nd + floor(slots phi) over slots; it is
    carried along, since no division is as quick.
    """
    rest: Any = math.floor(np.float64(phase) * slots)
    whole: Any = 0
    for count in range(found.shape[0]):
        found[count] = whole
        rest += row_pulses
        wraps = np.int64(rest >= slots)  # in place of a branch that half of the time goes the other way
        rest -= wraps * slots
        whole += wraps


@taken_in
def firing_by_eight(nd: Any, whole: Any, places: Any) -> Any:
    """Fill in the first columns of those eights, before column `whole`, that fire, then the columns after it that do.

    Returns how many eights there are, and how many places in all.
    """
    eights: Any = 0
    for first in range(0, whole, WIDTH):
        fires: Any = 0
        for col in range(first, first + WIDTH):
            fires += nd[col] != 0
        places[eights] = first
        eights += fires > 0
    ends: Any = eights
    for col in range(whole, nd.shape[0]):
        places[ends] = col
        ends += nd[col] != 0
    return eights, ends
