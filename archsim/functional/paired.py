"""A chip against its floating-point baseline on the same test examples: the mean difference, how sure it is, a verdict.

The interval is a paired bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13, percentiles).
Where all seeds answer the same examples, seeds and examples are drawn anew apart from each other (the pigeonhole
bootstrap: Owen, Ann. Appl. Stat. 1, 386 (2007)); where each seed has a split of its own, splits are drawn, and examples
within each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from archsim.base.arrays import Array
from archsim.base.record import Record
from archsim.base.words import counted, points

DRAWS = 10_000
"""Draws of a bootstrap: ends vary by 0.7 % of the width, sqrt(0.025 x 0.975 / draws) over the normal density there."""
LEVEL = 0.95
"""Of the intervals so many hold the mean, as the protocol asks for."""
MARGIN = 2.0
"""By how many times a goal the end of an interval may lie beyond the baseline: a rule of the protocol."""
_KEY = int.from_bytes(b"bootstrap", "big")
"""What the generator of draws is keyed by, beside seeds."""

Verdict: TypeAlias = Literal["met", "missed", "not resolved", "does not count"]


class Interval(Record):
    """A mean difference, chip - baseline, as a share of the examples, with the ends of its 95 % interval.

    `examples` were answered in all, each by every one of the `seeds`, or, in `splits`, by one of them.
    """

    mean: float
    low: float
    high: float
    examples: int
    seeds: int
    splits: bool = False


class Comparison(Record):
    """An interval, the goal that it was held against, a share, and what it says of that.

    `against` are the reasons for which it does not count.
    """

    interval: Interval
    goal: float | None = None
    verdict: Verdict | None = None
    against: tuple[str, ...] = ()


def packed(right: Array) -> str:
    """Return which examples were answered rightly, [n] of bool, as text of n / 4 letters.

    >>> packed(np.array([True, False, False, True, True])), unpacked("98", 5).tolist()
    ('98', [True, False, False, True, True])
    """
    return np.packbits(right).tobytes().hex()


def unpacked(text: str, examples: int) -> Array:
    """Return what `packed` was given."""
    found: Array = np.unpackbits(np.frombuffer(bytes.fromhex(text), dtype=np.uint8), count=examples).astype(np.bool_)
    return found


def interval_of(
    chip: Sequence[Array], floating: Sequence[Array], seeds: Sequence[int], *, splits: bool = False, draws: int = DRAWS
) -> Interval:  # fmt: skip
    """Return the mean over seeds of the difference in accuracy, with its interval.

    `chip` and `floating` say by seed which examples were answered rightly, [n] of bool; of one seed, only examples are
    drawn. The generator is keyed by the seeds.
    """
    apart = [a.astype(np.int64) - b for a, b in zip(chip, floating, strict=True)]
    generator = np.random.default_rng([_KEY, *seeds])
    means = _of_splits(apart, generator, draws) if splits else _of_seeds(np.array(apart), generator, draws)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    examples = sum(map(len, apart)) if splits else len(apart[0])
    mean = float(np.mean([own.mean() for own in apart]))
    return Interval(mean=mean, low=float(low), high=float(high), examples=examples, seeds=len(apart), splits=splits)


def _of_seeds(apart: Array, generator: np.random.Generator, draws: int) -> Array:
    """Return means of drawn seeds and examples, of [seeds, n]; examples on which seeds do alike are drawn together."""
    seeds, examples = apart.shape
    alike, counts = np.unique(apart, axis=1, return_counts=True)
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws)
    of_examples = generator.multinomial(examples, counts / examples, size=draws)
    found: Array = ((of_seeds @ alike) * of_examples).sum(axis=1) / (seeds * examples)
    return found


def _of_splits(apart: Sequence[Array], generator: np.random.Generator, draws: int) -> Array:
    """Return means of drawn splits, and of drawn examples within each, of [n] by split."""
    splits = len(apart)
    taken = generator.multinomial(splits, np.full(splits, 1 / splits), size=draws)
    total = np.zeros(draws)
    for place, own in enumerate(apart):
        values, counts = np.unique(own, return_counts=True)
        drawn = generator.multinomial(taken[:, place] * len(own), counts / len(own))
        total += drawn @ values / len(own)
    return total / splits


def verdict_of(interval: Interval, goal: float, against: Sequence[str] = ()) -> Verdict:
    """Return whether the chip is within a goal, a share, of its baseline.

    It is where the mean is, and the interval's end below twice of it; it is not where all of the interval lies beyond;
    else that is not resolved. With reasons against the comparison it does not count.

    >>> verdict_of(Interval(mean=-0.002, low=-0.005, high=0.001, examples=1, seeds=1), 0.003)
    'met'
    """
    if against:
        return "does not count"
    if -interval.mean <= goal and -interval.low < MARGIN * goal:
        return "met"
    return "missed" if -interval.high > goal else "not resolved"


def said_of(interval: Interval) -> str:
    """Return an interval in words."""
    if interval.seeds == 1:
        over = f"{counted(interval.examples, 'example')}, of one seed"
    else:
        drawn = counted(interval.seeds, "split" if interval.splits else "seed")
        over = f"{counted(interval.examples, 'example')} and {drawn}"
    low, high = points(interval.low).removesuffix(" points"), points(interval.high)
    return f"{points(interval.mean)}, {low} to {high} at 95 % (paired bootstrap over {over})"
