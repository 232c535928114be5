"""The floating-point baseline: against a plain reference in double precision, and against the mathematics."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.functional.baseline import Baseline
from archsim.functional.datasets import load_data
from archsim.functional.floating_point import (
    backward_rows,
    evaluate,
    initial_weights,
    learning_rates,
    train_float,
)
from archsim.functional.functions import activate, derive, functions_of
from archsim.functional.losses import TARGETS, check_output, labels_allowed, score, softmax_delta
from archsim.functional.numbers import CODES, NUMBERS
from archsim.functional.order import Order
from archsim.functional.targets import targets_or_none
from archsim.functional.train import check_network
from archsim.workload import Dense, Workload, load_workload
from archsim.workload.activations import ACTIVATIONS
from tests.functional.network_reference import FUNCTIONS, HIDDEN, SLOPES, loss, one_hot, output, sums, trained
from tests.helpers import network

PAIRS = [(output, target) for output, targets in TARGETS.items() for target in ("class", "values") if target in targets]


def layer_of(activation: str, **parameters: Any) -> Dense:
    return Dense(name="fc", inputs=3, outputs=3, activation=activation, **parameters)


def examples(draws: Any, workload: Workload, count: int) -> tuple[Any, Any, Any, Any]:
    """Return x, labels, target values if the workload has them, and the targets as the reference takes them."""
    layers = workload.dense_layers()
    x = draws.random((count, layers[0].inputs)) * (draws.random((count, layers[0].inputs)) > 0.3)
    if workload.dataset.signed:
        x *= draws.choice([-1, 1], x.shape)
    y = draws.integers(0, labels_allowed(workload), count)
    last = layers[-1]
    if workload.dataset.target == "class":
        return x.astype(np.float32), y, None, [one_hot(label, last.outputs, last.activation) for label in y]
    t = draws.random((count, layers[-1].outputs)).astype(np.float32)
    return x.astype(np.float32), y, t, t


def trained_float(workload: Workload, weights: Any, x: Any, y: Any, t: Any, order: Any, rate: float) -> Any:
    """Train the baseline in place; return what it says of it."""
    batch = workload.training.batch
    return train_float(tuple(weights), functions_of(workload), x, y, targets_or_none(x, t), order, rate, batch)


def test_every_activation_has_numbers_and_every_output_its_loss() -> None:
    assert set(CODES) == set(ACTIVATIONS) == {*FUNCTIONS, "softmax"}
    assert {name for name in CODES if ACTIVATIONS[name].losses} == set(TARGETS)


@given(st.sampled_from(HIDDEN), st.floats(-9, 9), st.floats(0.1, 4), st.floats(0, 1))
def test_activations_and_slopes_are_the_reference(name: str, z: float, bound: float, slope: float) -> None:
    layer = layer_of(name, bound=bound, slope=slope)
    functions = functions_of(Workload.model_construct(name="one", steps=1, layers=(layer,)))
    code, parameter = functions.code[0], functions.parameter[0]
    a, out = np.array([z], dtype=np.float32), np.zeros(1, dtype=np.float32)
    activate(code, parameter, a)
    expected = FUNCTIONS[name](np.float64(z), layer)
    assert a[0] == pytest.approx(expected, rel=1e-5, abs=1e-6)
    assert a[0] >= 0 or ACTIVATIONS[name].signed
    top = bound if ACTIVATIONS[name].full == "bound" else ACTIVATIONS[name].full
    assert top is None or abs(a[0]) <= np.float32(top)
    derive(code, parameter, a, np.full(1, 2.0, dtype=np.float32), out)
    if min(abs(z - kink) for kink in (0, bound, -3, 3)) > 1e-5:
        assert out[0] == pytest.approx(2 * SLOPES[name](np.float64(z), layer), rel=1e-4, abs=2e-5)


@pytest.mark.parametrize(("output", "target"), PAIRS)
@pytest.mark.parametrize("hidden", HIDDEN)
def test_an_update_is_the_slope_of_the_loss(hidden: str, output: str, target: str) -> None:
    # Origin: central differences of the loss, computed in double precision, in each weight of three layers.
    draws = np.random.default_rng(HIDDEN.index(hidden))
    workload = network(4, 5, 3, 2, hidden=hidden, output=output, target=target, signed=True, slope=0.2, bound=1.5)
    layers = workload.dense_layers()
    x, y, t, targets = examples(draws, workload, 1)
    before = [w + draws.normal(0, 0.5, w.shape).astype(np.float32) for w in initial_weights(workload, 1)]
    after = [w.copy() for w in before]
    told, _ = trained_float(workload, after, x, y, t, np.zeros(1, dtype=np.int32), 1.0)
    assert told == pytest.approx(loss(output, sums(before, layers, x[0])[-1], targets[0]), rel=1e-5)
    for index, w in enumerate(before):
        for place in np.ndindex(w.shape):
            values = []
            for step in (1e-6, -1e-6):
                moved = [own.astype(np.float64) for own in before]
                moved[index][place] += step
                values.append(loss(output, sums(moved, layers, x[0])[-1], targets[0]))
            found = float(after[index][place]) - float(w[place])
            assert found == pytest.approx(-(values[0] - values[1]) / 2e-6, rel=1e-3, abs=2e-6)


@given(
    st.lists(st.integers(1, 20), min_size=2, max_size=4), st.integers(1, 4), st.booleans(), st.booleans(),
    st.sampled_from(HIDDEN), st.sampled_from(PAIRS), st.integers(0, 2**32 - 1),
)  # fmt: skip
def test_the_baseline_is_the_reference(
    sizes: list[int], batch: int, bias: bool, signed: bool, hidden: str, pair: tuple[str, str], seed: int
) -> None:
    draws = np.random.default_rng(seed)
    workload = network(*sizes, batch=batch, bias=bias, signed=signed, hidden=hidden, output=pair[0], target=pair[1])
    x, y, t, targets = examples(draws, workload, 12)
    order, weights = Order(12, 2, seed)[:], initial_weights(workload, seed)
    with np.errstate(all="ignore"):
        expected = trained(weights, workload.dense_layers(), x, targets, order, 0.05, batch)
    assume(all(np.abs(own).max() < 100 for own in expected))  # linear layers may diverge, and single precision first
    trained_float(workload, weights, x, y, t, order, 0.05)
    for found, wanted in zip(weights, expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=5e-4, atol=5e-5)


@given(st.sampled_from(PAIRS), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_outputs_are_judged_as_the_reference_judges_them(pair: tuple[str, str], outputs: int, seed: int) -> None:
    # Origin: numpy's argmax, or the side of even odds where there is one output; sums of squares in double precision.
    draws = np.random.default_rng(seed)
    workload = network(4, 5, outputs, output=pair[0], target=pair[1])
    layers = workload.dense_layers()
    x, y, t, targets = examples(draws, workload, 9)
    weights = initial_weights(workload, seed)
    answers = np.zeros(len(x), dtype=np.bool_)
    right, squares = evaluate(tuple(weights), functions_of(workload), x, y, targets_or_none(x, t), answers)
    z = [sums(weights, layers, each)[-1] for each in x]
    single = outputs == 1 and pair[0] != "softmax"
    classes = [int(own[0] > (0.5 if pair[0] == "linear" else 0)) if single else int(own.argmax()) for own in z]
    assert right == sum(int(a == b) for a, b in zip(classes, y, strict=True))
    if pair[0] != "softmax":
        errors = np.array([own - output(pair[0], each) for own, each in zip(targets, z, strict=True)])
        assert squares == pytest.approx(float((errors**2).sum()), rel=1e-4, abs=1e-5)


def test_r2_is_scikit_learns_weighted_by_variance() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    draws = np.random.default_rng(5)
    t, found = draws.normal(size=(50, 3)) * [1, 5, 3], draws.normal(size=(50, 3))
    squares = float(((t.astype(np.float32) - found) ** 2).sum())
    expected = metrics.r2_score(t, found, multioutput="variance_weighted")
    assert score(0, squares, 50, t.astype(np.float32)) == pytest.approx(expected, rel=1e-5)
    assert score(0, 1.0, 50, np.ones((50, 2), dtype=np.float32)) is None
    assert score(30, 0.0, 40, None) == 0.75


@pytest.mark.parametrize("output", sorted(set(CODES) - set(TARGETS)))
def test_a_last_layer_without_a_loss_is_refused_by_name(output: str) -> None:
    with pytest.raises(SpecError, match=rf"'{output}' has no loss towards the target 'class'.*softmax with cross"):
        check_network(network(4, 3, output=output))


def test_targets_and_hidden_activations_that_cannot_be_are_refused_by_name() -> None:
    with pytest.raises(SpecError, match="'softmax' has no loss towards the target 'inputs'"):
        check_output(network(4, 4, target="inputs"))
    with pytest.raises(SpecError, match=r"'softmax' has numbers in the last layer alone, not in layer 'fc1'"):
        check_network(network(4, 5, 3, hidden="softmax"))
    with pytest.raises(SpecError, match=r"layers\[0\].bound: 0 lets nothing of layer 'fc1' through"):
        check_network(network(4, 5, 3, hidden="clipped_relu", bound=0.0))


@pytest.mark.parametrize("hidden", HIDDEN)
def test_first_weights_keep_sums_and_errors_of_like_size(hidden: str) -> None:
    # Origin: the variance of a uniform draw is bound^2 / 3; He: 2 / inputs, by (1 + slope^2) less; LeCun: 1 / inputs;
    # Glorot: 2 / (inputs + outputs).
    layer = Dense(name="fc", inputs=300, outputs=100, activation=hidden, slope=0.5)
    he, glorot, lecun = 2 / 300, 2 / 400, 1 / 300
    expected = {
        "tanh": glorot, "sigmoid": glorot, "hard_sigmoid": glorot, "linear": lecun, "leaky_relu": he / 1.25
    }  # fmt: skip
    first_bound = NUMBERS["dense"].first_bound
    assert first_bound(layer, last=False) ** 2 / 3 == pytest.approx(expected.get(hidden, he))
    assert first_bound(layer, last=True) ** 2 / 3 == pytest.approx(lecun)


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
    # To the bit it is eight sums in single precision, the first with what is left of a row, added up in pairs.
    products, whole = weights[:rows] * d, width - width % 8
    parts = np.zeros((rows, 8), dtype=np.float32)
    for first in range(0, whole, 8):
        parts += products[:, first : first + 8]
    for col in range(whole, width):
        parts[:, 0] += products[:, col]
    while parts.shape[1] > 1:
        parts = parts[:, ::2] + parts[:, 1::2]
    np.testing.assert_array_equal(e, parts[:, 0])


def test_each_epoch_is_a_permutation_of_its_own() -> None:
    order = Order(50, 3, 7)[:]
    assert [sorted(part) for part in order.reshape(3, 50)] == [list(range(50))] * 3
    assert len({tuple(part) for part in order.reshape(3, 50)}) == 3
    assert (order == Order(50, 3, 7)[:]).all()
    assert (Order(50, 2, 7)[:] == order[:100]).all()


@given(st.integers(1, 9), st.integers(0, 5), st.integers(0, 60), st.integers(0, 60))
def test_an_order_drawn_epoch_by_epoch_is_the_one_drawn_at_once(size: int, epochs: int, begin: int, end: int) -> None:
    # All at once, as it was before: the same generators, so that no byte of a result changes.
    draws = [np.random.Generator(np.random.Philox(np.random.SeedSequence([3, epoch, 0x22]))) for epoch in range(epochs)]
    whole = np.concatenate([np.empty(0, np.int32), *(own.permutation(size).astype(np.int32) for own in draws)])
    order = Order(size, epochs, 3)
    assert len(order) == len(whole)
    for part in (slice(begin, end), slice(None), slice(begin, None), slice(None, end)):
        assert order[part].dtype == np.int32
        assert order[part].tolist() == whole[part].tolist()


def test_the_learning_rate_decays_to_its_floor() -> None:
    # Origin: 0.01 x 0.9^epoch, not below 0.3 of it, as mlp_mnist says of the baseline.
    rates = learning_rates(load_workload("mlp_mnist").value.training.of_the_baseline, 20)
    assert rates[0] == np.float32(0.01)
    assert rates[3] == pytest.approx(0.01 * 0.9**3)
    assert rates[19] == pytest.approx(0.003)


def test_shipped_networks_learn_as_they_did_before_activations_had_names() -> None:
    # A change detector: what one epoch of mlp_digits gave when hidden units were clip(z, 0, 2) and the output softmax.
    pytest.importorskip("sklearn.datasets")
    workload = load_workload("mlp_digits").value
    data = load_data(workload)
    loss, validation, right, *_ = Baseline(workload, data, 0, Order(1438, 1, 0), workload.training).reached(
        0, last=True
    )
    assert validation is None
    assert loss == pytest.approx(1.212303846297327, rel=1e-6)
    assert right == 318 / 359


def test_the_baseline_learns_the_digits() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    x, y = (images / 16).astype(np.float32), labels.astype(np.int64)
    workload = load_workload("mlp_digits", ["training.learning_rate=0.05"]).value
    functions, weights, t = functions_of(workload), tuple(initial_weights(workload, 0)), targets_or_none(x, None)
    order, rates = Order(1438, 20, 0)[:], learning_rates(workload.training, 20)
    for epoch in range(20):
        part = order[epoch * 1438 : (epoch + 1) * 1438]
        train_float(weights, functions, x[:1438], y[:1438], t[:1438], part, float(rates[epoch]), 1)
    answers = np.zeros(len(x) - 1438, dtype=np.bool_)
    right, _ = evaluate(weights, functions, x[1438:], y[1438:], t[1438:], answers)
    assert right == answers.sum() > 0.9 * (len(x) - 1438)


def test_first_weights_are_as_many_times_larger_as_the_initial_gain_says() -> None:
    # Origin: the definition; halves are exact in binary.
    as_drawn = initial_weights(load_workload("lstm_fsdd").value, 3)
    halved = initial_weights(load_workload("lstm_fsdd", ["training.initial_gain=0.5"]).value, 3)
    for whole, half in zip(as_drawn, halved, strict=True):
        assert whole.any()
        np.testing.assert_array_equal(half, 0.5 * whole)


def test_the_baseline_begins_with_weights_of_its_own_gain() -> None:
    plain = "training.floating_point={learning_rate: 0.1}"
    workload = load_workload("mlp_digits", ["training.initial_gain=0.5", plain]).value
    baseline = Baseline(workload, load_data(workload), 3, Order(1438, 1, 3)[:], workload.training.of_the_baseline)
    for own, chip in zip(baseline.weights, initial_weights(workload, 3), strict=True):
        np.testing.assert_array_equal(0.5 * own, chip)
