"""Recurrent networks in floating point, against plain numpy in double precision and central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from archsim.functional.answers import Each
from archsim.functional.floating_point import initial_weights
from archsim.functional.numbers import chain_of
from archsim.functional.through_time import Sequences, evaluate_through, train_through
from archsim.workload import Workload
from tests.functional.recurrent_reference import cost, run, slopes
from tests.mapping.test_recurrent import dense, gru, lstm, rnn, work

END = {"activation": "softmax"}
NETS = {
    "lstm": [lstm(3, 4), dense(4, 3, **END)],
    "gru": [gru(3, 4), dense(4, 3, at="last_step", **END)],
    "rnn": [rnn(3, 4), dense(4, 3, at="last_step", **END)],
    "rectified": [rnn(3, 4, activation="relu"), dense(4, 3, **END)],
    "without biases": [gru(3, 2, bias=False), lstm(2, 3, bias=False), dense(3, 3, bias=False, **END)],
    "deep": [dense(3, 4, activation="tanh"), lstm(4, 3), gru(3, 4), dense(4, 5), dense(5, 3, **END)],
}


def drawn(workload: Workload, examples: int = 4, begin: bool = True, seed: int = 0) -> Sequences:
    draws = np.random.default_rng(seed)
    steps, labels = workload.steps, len(workload.layers[-1].vectors(workload))
    return Sequences(
        draws.uniform(-1, 1, (examples * steps, workload.layers[0].inputs)).astype(np.float32),
        np.arange(examples * steps, dtype=np.int32).reshape(examples, steps),
        np.arange(examples, dtype=np.int64) % steps if begin else np.zeros(examples, dtype=np.int64),
        draws.integers(0, workload.layers[-1].outputs, (examples, labels)),
    )


def weights_of(workload: Workload, seed: int = 1) -> tuple[Any, ...]:
    draws = np.random.default_rng(seed)
    return tuple(draws.uniform(-0.8, 0.8, w.shape).astype(np.float32) for w in initial_weights(workload, 0))


@pytest.mark.parametrize("name", NETS)
def test_a_step_of_descent_is_minus_the_slope_of_the_loss(name: str) -> None:
    workload, rate = work(NETS[name], 4), 2.0**-6
    data, start = drawn(workload), weights_of(workload)
    for example in range(4):
        now = tuple(w.copy() for w in start)
        order, begin = np.array([example], dtype=np.int32), int(data.begin[example])
        loss, _ = train_through(now, chain_of(workload), data, order, rate, 1)
        x, y = data.table[data.rows[example]], data.y[example]
        assert loss == pytest.approx(cost(start, workload, x, y, begin), rel=1e-5)
        for before, after, slope in zip(start, now, slopes(start, workload, x, y, begin), strict=True):
            np.testing.assert_allclose((after - before) / rate, -slope, rtol=2e-3, atol=2e-5)


@pytest.mark.parametrize("name", ["lstm", "without biases", "deep"])
def test_a_stateful_network_goes_on_where_it_ended(name: str) -> None:
    workload = work(NETS[name], 4).model_copy(update={"stateful": True})
    data, start, rate = drawn(workload, begin=False), weights_of(workload), 2.0**-6
    total, state = 0.0, None
    for example in range(4):
        x = data.table[data.rows[example]]
        total += cost(start, workload, x, data.y[example], 0, state)
        if example == 3:
            wanted = slopes(start, workload, x, data.y[example], 0, state)
        _, state = run(start, workload, x, 0, state)
    loss, _ = evaluate_through(start, chain_of(workload), data, Each.of(4))
    assert loss == pytest.approx(total, rel=1e-5)
    # The last of a batch, with weights as they were before it: the steps of all examples less those of the first three.
    order = np.arange(4, dtype=np.int32)
    several, fewer = (tuple(w.copy() for w in start) for _ in range(2))
    train_through(several, chain_of(workload), data, order, rate, 4)
    train_through(fewer, chain_of(workload), data, order[:3], rate, 4)
    for one, other, slope in zip(several, fewer, wanted, strict=True):
        np.testing.assert_allclose((one - other) / rate, -slope, rtol=5e-3, atol=5e-5)


def test_a_mini_batch_is_the_sum_of_its_examples() -> None:
    workload, rate = work(NETS["lstm"], 4), 2.0**-6
    data, start = drawn(workload), weights_of(workload)
    order = np.array([2, 0, 3], dtype=np.int32)
    together, summed = tuple(w.copy() for w in start), [np.zeros_like(w) for w in start]
    train_through(together, chain_of(workload), data, order, rate, 3)
    for example in order:
        alone = tuple(w.copy() for w in start)
        train_through(alone, chain_of(workload), data, np.array([example], dtype=np.int32), rate, 1)
        for total, before, after in zip(summed, start, alone, strict=True):
            total += after - before
    for before, after, total in zip(start, together, summed, strict=True):
        np.testing.assert_allclose(after - before, total, rtol=1e-3, atol=1e-6)
