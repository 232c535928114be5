"""A chip against its floating-point baseline on the same test examples: the mean difference, how sure it is, a verdict.

The interval is a paired bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, ch. 13, percentiles).
Where all seeds answer the same examples, seeds and examples are drawn anew apart from each other (the pigeonhole
bootstrap: Owen, Ann. Appl. Stat. 1, 386 (2007)); where each seed has a split of its own, splits are drawn, and examples
within each. Of sequences that are answered step by step it is the cross-entropy that is compared, as a share of the
baseline's, and what is drawn is a sequence, whose answers hang together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import numpy as np

from archsim.base.arrays import F64, Array
from archsim.base.record import Record
from archsim.base.words import counted, per_cent, points

DRAWS = 10_000
"""Draws of a bootstrap: ends vary by 0.7 % of the width, sqrt(0.025 x 0.975 / draws) over the normal density there."""
LEVEL = 0.95
"""Of the intervals so many hold the mean, as the protocol asks for."""
MARGIN = 2.0
"""By how many times a goal the end of an interval may lie beyond the baseline: a rule of the protocol."""
BLOCK = 500
"""Draws of examples at a time, so that memory holds that many of all."""
_KEY = int.from_bytes(b"bootstrap", "big")
"""What the generator of draws is keyed by, beside seeds."""

Verdict: TypeAlias = Literal["met", "missed", "not resolved", "does not count"]


class Interval(Record):
    """A mean difference, chip - baseline, with the ends of its 95 % interval.

    It is `of` accuracies, as a share of the examples, or of cross-entropies, as a share of the baseline's. `examples`
    were answered in all, each by every one of the `seeds`, or, in `splits`, by one of them.
    """

    mean: float
    low: float
    high: float
    examples: int
    seeds: int
    splits: bool = False
    of: Literal["accuracy", "cross_entropy"] = "accuracy"

    @property
    def behind(self) -> tuple[float, float, float]:
        """By how much the chip falls short of its baseline: in the mean, at least and at most; what is small is good.

        >>> Interval(mean=0.01, low=0.0, high=0.02, examples=1, seeds=1, of="cross_entropy").behind
        (0.01, 0.0, 0.02)
        """
        return (-self.mean, -self.high, -self.low) if self.of == "accuracy" else (self.mean, self.low, self.high)


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


def packed_losses(losses: F64) -> str:
    """Return the losses of examples, [n] in single precision, as text of 8 n letters.

    >>> packed_losses(np.array([1.0, 0.5])), unpacked_losses("0000803f0000003f").tolist()
    ('0000803f0000003f', [1.0, 0.5])
    """
    return losses.astype("<f4").tobytes().hex()


def unpacked_losses(text: str) -> F64:
    """Return what `packed_losses` was given, as far as it was kept."""
    return np.frombuffer(bytes.fromhex(text), dtype="<f4").astype(np.float64)


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


def excess_of(
    chip: Sequence[F64], floating: Sequence[F64], seeds: Sequence[int], *, splits: bool = False, draws: int = DRAWS
) -> Interval:  # fmt: skip
    """Return by what share the chip's losses are above the baseline's, all examples and seeds together.

    Both are by seed the losses of each example, [n]; examples and seeds are drawn as `interval_of` draws them.
    """
    generator = np.random.default_rng([_KEY, *seeds])
    count = len(chip)
    taken = generator.multinomial(count, np.full(count, 1 / count), size=draws)
    above, below = np.zeros(draws), np.zeros(draws)
    for first in range(0, draws, BLOCK):
        block, drawn = slice(first, first + BLOCK), taken[first : first + BLOCK]
        together = None if splits else _times(generator, np.full(len(drawn), 1), len(chip[0]))
        for place, (own, other) in enumerate(zip(chip, floating, strict=True)):
            times = _times(generator, drawn[:, place], len(own)) if together is None else together * drawn[:, [place]]
            above[block] += times @ (own - other)
            below[block] += times @ other
    low, high = np.quantile(above / below, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    mean = sum(float(own.sum()) for own in chip) / sum(float(own.sum()) for own in floating) - 1
    examples = sum(map(len, chip)) if splits else len(chip[0])
    return Interval(mean=mean, low=float(low), high=float(high), examples=examples, seeds=count, splits=splits,
                    of="cross_entropy")  # fmt: skip


def _times(generator: np.random.Generator, taken: Array, examples: int) -> Array:
    """Return how often each example is drawn where all are drawn anew so many times, [draws, examples]."""
    found: Array = generator.multinomial(taken * examples, np.full(examples, 1 / examples)).astype(np.float64)
    return found


def verdict_of(interval: Interval, goal: float, against: Sequence[str] = ()) -> Verdict:
    """Return whether the chip is within a goal, a share, of its baseline.

    It is where the mean is, and the interval's end below twice of it; it is not where all of the interval lies beyond;
    else that is not resolved. With reasons against the comparison it does not count.

    >>> verdict_of(Interval(mean=-0.002, low=-0.005, high=0.001, examples=1, seeds=1), 0.003)
    'met'
    """
    if against:
        return "does not count"
    mean, least, most = interval.behind
    if mean <= goal and most < MARGIN * goal:
        return "met"
    return "missed" if least > goal else "not resolved"


def said_of(interval: Interval) -> str:
    """Return an interval in words."""
    if interval.seeds == 1:
        over = f"{counted(interval.examples, 'example')}, of one seed"
    else:
        drawn = counted(interval.seeds, "split" if interval.splits else "seed")
        over = f"{counted(interval.examples, 'example')} and {drawn}"
    mean, low, high = (difference(own, interval.of) for own in (interval.mean, interval.low, interval.high))
    low = low.removesuffix(" points").removesuffix(" %")
    return f"{mean}, {low} to {high} at 95 % (paired bootstrap over {over})"


def difference(value: float, of: str) -> str:
    """Return a difference of accuracies, or of cross-entropies as a share of the baseline's, in words.

    >>> difference(-0.0123, "accuracy"), difference(0.0123, "cross_entropy")
    ('-1.23 points', '+1.23 %')
    """
    return points(value) if of == "accuracy" else per_cent(value, 2, "+")
