"""A hash of words in compiled code: SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014)."""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.base.machine_code import njit


@njit()
def mix(word: Any) -> Any:
    """Return SplitMix64's finaliser of a 64-bit word."""
    x = np.uint64(word) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
