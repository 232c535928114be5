"""Random draws that depend on what they are for and never on what was drawn before.

The generator is Philox4x32-10 (Salmon, Moraes, Dror and Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011), a
function of a counter and a key: here the key is (seed, shard), the counter (column, row, index, what is drawn).
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any, cast

import numpy as np

from archsim.base.machine_code import lean, njit
from archsim.base.mixing import mix

# What is drawn: the last word of the generator's counter.
(
    TRANSISTOR, STEPS, LEAK, SHARED_TRANSISTOR, SHARED_LEAK, FIRST, PROGRAM, TRANSFER_READ, REWRITE_READ, BOUNDS,
    EXPONENTS, STUCK, SET_PULSE, UPDATE_PULSES, REWRITE, REST_READ,
) = (cast("int", np.int64(what)) for what in range(1, 17))  # fmt: skip
OF_PULSES, OF_RESET, OF_SHARED_RESET, OF_VERIFY, OF_RESIDUAL = (
    cast("int", np.int64(part << 8)) for part in range(1, 6)
)
"""Parts of one deed, added to what it is: noise of its pulses, of own and shared capacitors' resets, of its reads."""
FRESH = cast("int", np.int64(2**32 - 1))  # the index of what is drawn when the chip is made

compiled = njit(error_model="numpy")
inner = njit(error_model="numpy", no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""What compiled code alone can call: it compiles sooner, as no code unpacks a state of many arrays for it."""
taken_in = lean(error_model="numpy", forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)
"""What makes no array, and goes into whatever compiled code calls it."""

_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_WORD = np.uint64(32)
_SPARE = np.uint64(12)


@compiled
def philox(c0: Any, c1: Any, c2: Any, c3: Any, k0: Any, k1: Any) -> Any:
    """Return the four random words of Philox4x32-10 for a counter and a key, 32 bits each, as unsigned integers."""
    c0, c1, c2, c3 = np.uint64(c0) & _LOW, np.uint64(c1) & _LOW, np.uint64(c2) & _LOW, np.uint64(c3) & _LOW
    k0, k1 = np.uint64(k0) & _LOW, np.uint64(k1) & _LOW
    for _ in range(10):
        product_0, product_1 = _MULTIPLIER_0 * c0, _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> _WORD) ^ c1 ^ k0, product_1 & _LOW, (product_0 >> _WORD) ^ c3 ^ k1, product_0 & _LOW
        )  # fmt: skip
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@compiled
def uniforms(seed: Any, shard: Any, what: Any, index: Any, row: Any, col: Any) -> Any:
    """Return two independent doubles, uniform on the open interval (0, 1)."""
    w0, w1, w2, w3 = philox(col, row, index, what, seed, shard)
    scale = 2.0**-52
    first = (np.float64(((w0 << _WORD) | w1) >> _SPARE) + 0.5) * scale
    second = (np.float64(((w2 << _WORD) | w3) >> _SPARE) + 0.5) * scale
    return first, second


@compiled
def normals(seed: Any, shard: Any, what: Any, index: Any, row: Any, col: Any) -> Any:
    """Return two independent standard normal draws (Box and Muller 1958), in double precision."""
    first, second = uniforms(seed, shard, what, index, row, col)
    radius = math.sqrt(-2.0 * math.log(first))
    angle = 2.0 * math.pi * second
    return radius * math.cos(angle), radius * math.sin(angle)


def quantiles(count: int) -> Any:
    """Return normal quantiles in the middles of so many equal shares, scaled to a variance of one."""
    upper = np.array([NormalDist().inv_cdf(0.5 + (i + 0.5) / count) for i in range(count // 2)])
    return np.concatenate([-upper[::-1], upper]) / math.sqrt((upper**2).mean())


QUANTILES = quantiles(1 << 12).astype(np.float32)
_OF_4096, _NEXT, _LAST = np.uint64(52), np.uint64(40), np.uint64(4095)


@compiled
def stream(seed: Any, shard: Any, what: Any, index: Any) -> Any:
    """Return the key of the quick draws for one deed."""
    return mix(mix(mix(mix(seed) ^ np.uint64(shard)) ^ np.uint64(what)) ^ np.uint64(index))


@inner
def quick_normal(key: Any, place: Any) -> Any:
    """Return a standard normal draw in single precision, one of 4,096 quantiles: a hash and a look into a table.

    Their mean is zero, their variance one, their kurtosis 2.99, and the largest 3.7.
    """
    return QUANTILES[mix(key ^ np.uint64(place)) >> _OF_4096]


@inner
def quick_pair(seed: Any, shard: Any, what: Any, index: Any, row: Any, col: Any) -> Any:
    """Return two such draws of one hash, keyed as `normals` are."""
    bits = mix(stream(seed, shard, what, index) ^ (np.uint64(row) << _WORD | np.uint64(col)))
    return QUANTILES[bits >> _OF_4096], QUANTILES[bits >> _NEXT & _LAST]
