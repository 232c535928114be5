"""The floating-point baseline that the chip is compared with.

It trains the same network on the same examples in the same order, by plain stochastic gradient descent; at rates of its
own, where the workload gives it some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from archsim.base.arrays import F32, I32
from archsim.functional.answers import Answered, Each
from archsim.functional.data_set import Data, Part
from archsim.functional.floating_point import evaluate, initial_weights, learning_rates, train_float
from archsim.functional.functions import check_functions, functions_of
from archsim.functional.numbers import chain_of
from archsim.functional.order import Order
from archsim.functional.paired import packed, packed_losses
from archsim.functional.targets import targets_or_none
from archsim.functional.through_time import Sequences, evaluate_through, train_through
from archsim.workload.network import Rates, Workload


class Reached(NamedTuple):
    """What a network reached in an epoch: mean loss, and accuracy or R2 of the sets that were read after it.

    `right` says which examples for testing were answered rightly, `packed`, after the last one. Where sequences are
    answered step by step, the mean losses of these sets are told too, and `losses` for `right`, those of examples.
    """

    loss: float
    validation: float | None
    test: float | None
    right: str = ""
    cross_entropy_validation: float | None = None
    cross_entropy_test: float | None = None
    losses: str = ""


def read_by(
    read: Callable[[Part | None, Each | None], tuple[float | None, float | None]], data: Data, last: bool
) -> tuple[float | None, float | None, str, float | None, float | None, str]:
    """Return what a network reaches after an epoch, or the last, as it `read`s: a `Reached` but for the loss."""
    validation, test = data.read_after(last)
    each = Each.of(test.examples) if last and test is not None and test.t is None else None
    (own, entropy), (other, tested) = read(validation, None), read(test, each)
    once = data.test_y.ndim == 1
    right = packed(each.right) if each is not None and once else ""
    return own, other, right, entropy, tested, "" if each is None or once else packed_losses(each.loss)


class _Plain:
    """A network of fully connected layers, of one vector an example."""

    def __init__(self, workload: Workload, weights: tuple[F32, ...], part: Part) -> None:
        self._weights, self._functions, self._part = weights, functions_of(workload), part
        self._t = targets_or_none(part.x, part.t)

    def train(self, order: I32, rate: float, batch: int) -> float:
        part = self._part
        return train_float(self._weights, self._functions, part.x, part.y, self._t, order, rate, batch)[0]

    def answered(self, part: Part, each: Each) -> Answered:
        found = evaluate(self._weights, self._functions, part.x, part.y, targets_or_none(part.x, part.t), each.right)
        return Answered(*found, 0.0)


class _ThroughTime:
    """A network over sequences."""

    def __init__(self, workload: Workload, weights: tuple[F32, ...], part: Part) -> None:
        check_functions(workload)
        self._weights, self._chain, self._sequences = weights, chain_of(workload), sequences_of(part)

    def train(self, order: I32, rate: float, batch: int) -> float:
        return train_through(self._weights, self._chain, self._sequences, order, rate, batch)[0]

    def answered(self, part: Part, each: Each) -> Answered:
        loss, hits = evaluate_through(self._weights, self._chain, sequences_of(part), each)
        return Answered(hits, 0.0, loss)


def sequences_of(part: Part) -> Sequences:
    """Return examples as loops over sequences take them."""
    assert part.frames is not None
    return Sequences(part.x, part.frames.rows, part.frames.begin, np.ascontiguousarray(part.y.reshape(len(part.y), -1)))


class Baseline:
    """The network in floating point, trained epoch by epoch, at these rates.

    `known` is what a baseline of the same network, data and seed reached in its first epochs, if there was one: it is
    trained, from the beginning, only where an epoch is asked for that is not known, which is then added. So it has no
    state of its own that a checkpoint would have to hold.
    """

    def __init__(
        self, workload: Workload, data: Data, seed: int, order: Order | I32, rates: Rates,
        known: list[Reached] | None = None,
    ) -> None:  # fmt: skip
        self.seed, self.weights = seed, tuple(initial_weights(workload, seed, rates.initial_gain))
        self._rates, self._known, self._trained = rates, known, 0
        self._workload, self._data, self._order = workload, data, order
        self._network = (_Plain if workload.plain else _ThroughTime)(workload, self.weights, data.training)

    def reached(self, epoch: int, *, last: bool) -> Reached:
        """Return what an epoch reaches, the last one or another, trained now unless it is known."""
        if self._known is None:
            return self._reached(epoch, last)
        while epoch >= len(self._known):
            if self._trained < len(self._known):
                self.train(self._trained)
            else:
                self._known.append(self._reached(self._trained, last and self._trained == epoch))
            self._trained += 1
        return self._known[epoch]

    def _reached(self, epoch: int, last: bool) -> Reached:
        return Reached(self.train(epoch), *read_by(self.read, self._data, last))

    def train(self, epoch: int) -> float:
        """Train one epoch; return the mean loss."""
        examples, batch = self._workload.dataset.examples, self._workload.training.batch
        part = self._order[epoch * examples : (epoch + 1) * examples]
        rate = float(learning_rates(self._rates, epoch + 1)[epoch])
        return self._network.train(part, rate, batch) / self._data.training.answers

    def read(self, part: Part | None, each: Each | None = None) -> tuple[float | None, float | None]:
        """Return accuracy or R2 on some examples, as the weights are now, and the mean loss of texts; None without.

        `each`, if given, is set to how each is answered; losses are those of sequences alone.
        """
        if part is None:
            return None, None
        return self._network.answered(part, Each.of(part.examples) if each is None else each).told(part)

    def score(self, part: Part | None) -> float | None:
        """Return accuracy or R2 on some examples, as the weights are now; None without any."""
        return self.read(part)[0]

    def arrays(self) -> dict[str, F32]:
        """Return the weights by layer, and not copied, if there is a state."""
        return {} if self._known is not None else {str(i): weights for i, weights in enumerate(self.weights)}
