"""In which order examples are trained: a permutation for each epoch, drawn when the epoch is asked for."""

from __future__ import annotations

import functools

import numpy as np

from archsim.base.arrays import I32


class Order:
    """The index of the example that is trained at each step, of so many `epochs`; a slice of it is an array.

    An epoch is drawn from (seed, epoch) alone, and forgotten when others have been asked for. Stretches that go on from
    each other stay in their order (`shuffled` is False).
    """

    def __init__(self, examples: int, epochs: int, seed: int, *, shuffled: bool = True) -> None:
        self.examples, self.epochs, self.seed, self.shuffled = examples, epochs, seed, shuffled
        self._epoch = functools.lru_cache(maxsize=2)(self._drawn)

    def __len__(self) -> int:
        return self.examples * self.epochs

    def __getitem__(self, part: slice) -> I32:
        start, stop, _ = part.indices(len(self))
        first, last = start // self.examples, -(-stop // self.examples)
        drawn = [self._epoch(epoch) for epoch in range(first, last)] or [np.empty(0, dtype=np.int32)]
        begin = first * self.examples
        return np.concatenate(drawn)[start - begin : max(start, stop) - begin]

    def _drawn(self, epoch: int) -> I32:
        if not self.shuffled:
            return np.arange(self.examples, dtype=np.int32)
        draws = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, epoch, 0x22])))
        return draws.permutation(self.examples).astype(np.int32)
