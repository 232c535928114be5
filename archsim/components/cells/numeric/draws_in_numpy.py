"""The generator of `draws` again in plain numpy, whole arrays at a time."""

from __future__ import annotations

import functools
import math
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]

_log = np.vectorize(math.log, otypes=[np.float64])
_cos, _sin = np.vectorize(math.cos, otypes=[np.float64]), np.vectorize(math.sin, otypes=[np.float64])


def philox(counter: NDArray[np.uint64], key: tuple[int, int]) -> NDArray[np.uint64]:
    """Return the words of Philox4x32-10 for counters [..., 4], as in Salmon et al. 2011, figure of the S-P network."""
    low = np.uint64(2**32 - 1)
    c0, c1, c2, c3 = np.moveaxis(counter.astype(np.uint64), -1, 0)
    for number in range(10):
        k0 = np.uint64((key[0] + number * 0x9E3779B9) % 2**32)
        k1 = np.uint64((key[1] + number * 0xBB67AE85) % 2**32)
        first, second = np.uint64(0xD2511F53) * c0, np.uint64(0xCD9E8D57) * c2
        c0, c1, c2, c3 = (second >> 32) ^ c1 ^ k0, second & low, (first >> 32) ^ c3 ^ k1, first & low
    return np.stack([c0, c1, c2, c3], axis=-1)


def uniforms(seed: int, shard: int, what: int, index: Any, rows: range, cols: int) -> tuple[F64, F64]:
    """Return two arrays [rows, cols] of independent draws, uniform on (0, 1); the index may be one of each cell."""
    counter = np.zeros((len(rows), cols, 4), np.uint64)
    counter[..., 0] = np.arange(cols)[None, :]
    counter[..., 1] = np.array(rows)[:, None]
    counter[..., 2] = index
    counter[..., 3] = what
    words = philox(counter, (seed, shard))
    first = ((((words[..., 0] << 32) | words[..., 1]) >> 12).astype(np.float64) + 0.5) / 2**52
    second = ((((words[..., 2] << 32) | words[..., 3]) >> 12).astype(np.float64) + 0.5) / 2**52
    return first, second


def mixed(word: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return SplitMix64 of words: the next of its generator from each as a state."""
    x = word + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _stream(*words: int) -> NDArray[np.uint64]:
    """Return the key of the draws of one deed: seed, shard, what is drawn, and its index."""
    stream = mixed(np.full(1, words[0], np.uint64))
    for word in words[1:]:
        stream = mixed(stream ^ np.uint64(word))
    return stream


@functools.cache
def _table() -> NDArray[np.float32]:
    """Return 4,096 quantiles of a standard normal distribution, scaled to a variance of one."""
    middles = [NormalDist().inv_cdf((i + 0.5) / 4096) for i in range(2048, 4096)]
    table = np.array([-z for z in middles[::-1]] + middles) / math.sqrt(np.mean(np.square(middles)))
    return table.astype(np.float32)


def _quantiles(which: NDArray[np.uint64]) -> NDArray[np.float32]:
    return _table()[which.astype(np.int64)]


def quick_normals(key: tuple[int, int, int, int], rows: int, cols: int) -> NDArray[np.float32]:
    """Return draws [rows, cols] among the quantiles, of one update: `key` is (seed, shard, what, index)."""
    place = np.arange(cols, dtype=np.uint64)[None, :] * np.uint64(rows) + np.arange(rows, dtype=np.uint64)[:, None]
    return _quantiles(mixed(_stream(*key) ^ place) >> np.uint64(52))


def quick_pairs(
    seed: int, shard: int, what: int, index: int, rows: range, cols: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return two arrays [rows, cols] of draws among the quantiles: by the first 12 bits of a hash, and the next 12."""
    place = np.array(rows, np.uint64)[:, None] * np.uint64(2**32) + np.arange(cols, dtype=np.uint64)[None, :]
    bits = mixed(_stream(seed, shard, what, index) ^ place)
    return _quantiles(bits >> np.uint64(52)), _quantiles((bits >> np.uint64(40)) % np.uint64(4096))


def normals(seed: int, shard: int, what: int, index: Any, rows: range, cols: int) -> tuple[F64, F64]:
    """Return two arrays [rows, cols] of independent standard normal draws."""
    first, second = uniforms(seed, shard, what, index, rows, cols)
    radius = np.sqrt(-2.0 * _log(first))
    angle = 2.0 * math.pi * second
    return radius * _cos(angle), radius * _sin(angle)
