"""The floating-point twin: against a plain reference in double precision, and against the mathematics."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import network
from hypothesis import given, settings
from hypothesis import strategies as st

from archsim.functional.network import (
    CLIP,
    accuracy,
    backward_rows,
    initial_weights,
    layout_of,
    learning_rates,
    order_of,
    softmax_delta,
    train_float,
)
from archsim.workload import load_workload


def reference(weights, bias, x, y, order, rate, batch):  # type: ignore[no-untyped-def]
    """Train in double precision, with matrix products; the slower reference of `train_float`."""
    weights = [w.astype(np.float64) for w in weights]
    for begin in range(0, len(order), batch):
        steps = [np.zeros_like(w) for w in weights]
        for example in order[begin : begin + batch]:
            acts = []
            a = x[example].astype(np.float64)
            for layer, w in enumerate(weights):
                a = np.append(a, 1.0) if bias[layer] else a
                acts.append(a)
                z = a @ w
                a = np.clip(z, 0, CLIP) if layer < len(weights) - 1 else z
            p = np.exp(a - a.max())
            d = -p / p.sum()
            d[y[example]] += 1
            for layer in reversed(range(len(weights))):
                steps[layer] += rate * np.outer(acts[layer], d)
                if layer:
                    e = weights[layer] @ d
                    e = e[:-1] if bias[layer] else e
                    below = acts[layer][: len(e)]
                    d = np.where((below > 0) & (below < CLIP), e, 0)
        weights = [w + step for w, step in zip(weights, steps, strict=True)]
    return weights


@settings(max_examples=40)
@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=4), st.integers(1, 4), st.booleans(), st.integers(0, 2**32 - 1)
)
def test_the_twin_is_the_reference(sizes: list[int], batch: int, bias: bool, seed: int) -> None:
    draws = np.random.default_rng(seed)
    workload = network(*sizes, batch=batch, bias=bias)
    layout = layout_of(workload)
    x = (draws.random((12, sizes[0])) * (draws.random((12, sizes[0])) > 0.3)).astype(np.float32)
    y = draws.integers(0, sizes[-1], 12)
    order = order_of(12, 2, seed)
    weights = initial_weights(workload, seed)
    expected = reference(weights, layout.bias, x, y, order, 0.05, batch)
    train_float(tuple(weights), layout.bias, x, y, order, 0.05, batch)
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=2e-4, atol=2e-5)


@given(st.lists(st.floats(-8, 8), min_size=2, max_size=6), st.data())
def test_the_delta_of_the_output_is_the_slope_of_the_loss(logits: list[float], data: st.DataObject) -> None:
    # Origin: finite differences of -log softmax(z)[label] in double precision.
    label = data.draw(st.integers(0, len(logits) - 1))
    z = np.array(logits)

    def loss(values):  # type: ignore[no-untyped-def]
        return np.log(np.exp(values - values.max()).sum()) - values[label] + values.max()

    delta = np.zeros(len(z), dtype=np.float32)
    found, best = softmax_delta(z.astype(np.float32), label, delta)
    assert found == pytest.approx(loss(z), abs=1e-5)
    assert z[best] == pytest.approx(z.max(), abs=1e-6)
    for j in range(len(z)):
        step = np.zeros(len(z))
        step[j] = 1e-5
        assert delta[j] == pytest.approx(-(loss(z + step) - loss(z - step)) / 2e-5, abs=1e-4)


@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_backward_product_is_the_matrix_product(width: int, rows: int, seed: int) -> None:
    draws = np.random.default_rng(seed)
    weights = draws.normal(size=(rows + 1, width)).astype(np.float32)
    d = draws.normal(size=width).astype(np.float32)
    e = np.zeros(rows, dtype=np.float32)
    backward_rows(d, weights, rows, e)
    np.testing.assert_allclose(e, weights[:rows].astype(np.float64) @ d, rtol=1e-4, atol=1e-4)


def test_each_epoch_is_a_permutation_of_its_own() -> None:
    order = order_of(50, 3, 7)
    assert [sorted(part) for part in order.reshape(3, 50)] == [list(range(50))] * 3
    assert len({tuple(part) for part in order.reshape(3, 50)}) == 3
    assert (order == order_of(50, 3, 7)).all()
    assert (order_of(50, 2, 7) == order[:100]).all()


def test_the_learning_rate_decays_to_its_floor() -> None:
    # Origin: 0.007 x 0.93^epoch, not below 0.3 of it, as mlp_mnist says.
    rates = learning_rates(load_workload("mlp_mnist").value.training, 20)
    assert rates[0] == np.float32(0.007)
    assert rates[3] == pytest.approx(0.007 * 0.93**3)
    assert rates[19] == pytest.approx(0.0021)


def test_the_twin_learns_the_digits() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    x, y = (images / 16).astype(np.float32), labels.astype(np.int64)
    workload = load_workload("mlp_digits", ["training.learning_rate=0.05"]).value
    layout, weights = layout_of(workload), tuple(initial_weights(workload, 0))
    order, rates = order_of(1438, 20, 0), learning_rates(workload.training, 20)
    for epoch in range(20):
        train_float(weights, layout.bias, x[:1438], y[:1438], order[epoch * 1438 : (epoch + 1) * 1438], rates[epoch], 1)
    assert accuracy(weights, layout.bias, x[1438:], y[1438:]) > 0.9
