"""Examples that are held back: what is trained is a data set without them; the test set is read once, at the end."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archsim.base.errors import SpecError
from archsim.functional import baseline
from archsim.functional.checkpoint import digest_of
from archsim.functional.chip_model import ChipModel
from archsim.functional.data_set import Data
from archsim.functional.datasets import load_data
from archsim.functional.floating_point import evaluate as evaluated
from archsim.functional.splits import Split, folds, held_back
from archsim.functional.train import Training
from archsim.simulation.run import simulate
from archsim.workload import load_workload
from tests.functional.test_datasets import TRAIN_X, TRAIN_Y, idx, images, labels, work, write_mnist
from tests.helpers import schedule_of

SMALL = ("tile.rows=128", "tile.cols=128")


@given(st.lists(st.integers(0, 4), min_size=2, max_size=60), st.data())
def test_what_is_held_back_keeps_the_shares_of_the_classes(own: list[int], data: st.DataObject) -> None:
    # Origin: of every n / v examples, counted through the classes in turn, one is held back.
    y, count = np.array(own), data.draw(st.integers(1, len(own) - 1))
    held = held_back(y, count)
    assert (held.dtype, held.sum()) == (np.bool_, count)
    for label in set(own):
        assert abs(held[y == label].sum() - (y == label).sum() * count / len(own)) < 1
    assert not held_back(y, 0).any()
    assert held_back(y, len(own) + 5).sum() == len(own) - 1


def test_of_examples_without_classes_every_so_manieth_is_held_back() -> None:
    assert np.flatnonzero(held_back(np.zeros(10, dtype=np.int64), 3)).tolist() == [2, 5, 9]


DRAWN = np.random.default_rng(0)
X, Y = DRAWN.normal(size=(30, 3)), np.sort(DRAWN.integers(0, 3, 30))  # sorted, as files may be
VALUES = DRAWN.random((30, 2))
KINDS: dict[str, tuple[tuple[str, ...], np.ndarray]] = {
    "classes": (("layers[1].outputs=3",), Y),
    "values": (("dataset.target=values", "layers[1].outputs=2", "layers[1].activation=sigmoid"), VALUES),
    "itself": (("dataset.target=inputs", "layers[1].outputs=3", "layers[1].activation=sigmoid"), Y),
    "signed": (("dataset.signed=true", "layers[1].outputs=3"), Y),
}


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    return one is other is None or (one is not None and other is not None and np.array_equal(one, other))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 7, 25])
def test_what_is_trained_is_the_file_without_what_is_held_back(kind: str, count: int, tmp_path: Path) -> None:
    """Ranges by which features are scaled included: what is held back has no part in training."""
    more, y = KINDS[kind]
    held = held_back(y if kind in ("classes", "signed") else np.zeros(30, dtype=np.int64), count)
    for name, part in (("whole", slice(None)), ("rest", ~held), ("held", held)):
        np.savez(tmp_path / f"{name}.npz", x_train=X[part], y_train=y[part], x_test=X, y_test=y)

    def load(name: str, *own: str) -> Data:
        return load_data(work(name, min(20, 30 - count), 3, 3, *more, *own), tmp_path)

    found, wanted = load("whole", f"dataset.validation={count}"), load("rest")
    for name in ("train_x", "train_y", "train_t", "test_x", "test_y", "test_t"):
        assert same(getattr(found, name), getattr(wanted, name)), name
    assert found.validation is not None
    assert wanted.validation is None
    # All examples are for testing here as well, so that the file's own scaling is known there.
    for name, own in zip("xyt", found.validation[:3], strict=True):
        everything = getattr(found, f"test_{name}")
        assert same(own, None if everything is None else everything[held])
    assert len(found.validation.x) == count
    assert "without what is held back" in found.source


@pytest.mark.parametrize("name", ["digits", "mnist", "mnist_backrand"])
def test_every_data_set_holds_examples_back(name: str, tmp_path: Path) -> None:
    write_mnist(tmp_path, train=40)
    inputs, whole, count = (64, 1438, 200) if name == "digits" else (784, 40, 12)
    before = load_data(work(name, whole, inputs), tmp_path)
    after = load_data(work(name, 20, inputs, 10, f"dataset.validation={count}"), tmp_path)
    held = held_back(before.train_y, count)
    assert after.validation is not None
    for found, wanted in (
        (after.train_x, before.train_x[~held][:20]), (after.train_y, before.train_y[~held][:20]),
        (after.validation.x, before.train_x[held]), (after.validation.y, before.train_y[held]),
        (after.test_x, before.test_x),
    ):  # fmt: skip
        assert np.array_equal(found, wanted)
    if name == "mnist":
        left = {f"{TRAIN_X}.gz": gzip.compress(idx(images(40)[~held])), TRAIN_Y: idx(labels(40)[~held])}
        for file, content in left.items():
            (tmp_path / file).write_bytes(content)
        assert np.array_equal(load_data(work(name, 20, inputs), tmp_path).train_x, after.train_x)


@pytest.mark.parametrize(
    ("examples", "held", "says"),
    [
        (1200, 239, "mlp_digits: dataset.examples: an epoch is to have 1,200 examples, digits has 1,438 for training, "
         "of which dataset.validation holds 239 back; make it 1199 or less, or give a smaller dataset.validation"),
        (1, 1438, "mlp_digits: dataset.validation: 1,438 examples are to be held back, digits has 1,438 for training; "
         "make it 1437 or less"),
        (1, 10**9, "dataset.validation: 1,000,000,000 examples are to be held back"),
    ],
)  # fmt: skip
def test_too_few_examples_are_told_with_what_is_held_back(examples: int, held: int, says: str) -> None:
    with pytest.raises(SpecError) as error:
        load_data(work("digits", examples, 64, 10, f"dataset.validation={held}"))
    assert says in str(error.value)


def test_a_share_is_no_number_of_examples() -> None:
    with pytest.raises(SpecError, match=r"dataset\.validation: .*whole number"):
        load_workload("mlp_digits", ["dataset.validation=0.2"])


def test_all_that_a_training_reads_counts_in_the_digest_of_its_data() -> None:
    held = "dataset.validation=100", "layers[1].activation=sigmoid"
    data = load_data(work("digits", 150, 64, 64, "dataset.target=inputs", *held))
    assert data.validation is not None
    others = [
        replace(data, **{name: getattr(data, name) + 1})
        for name in ("train_x", "train_y", "train_t", "test_x", "test_y", "test_t")
    ]
    held_back_else = (data.validation._replace(**{name: getattr(data.validation, name) + 1}) for name in "xyt")
    others += [replace(data, validation=part) for part in (None, *held_back_else)]
    assert len({digest_of(own) for own in (data, *others)}) == 11


# ---- in training


@pytest.fixture(scope="module")
def played() -> Callable[[Data], tuple[Training, list[int]]]:
    """Return a training of three epochs of 150 digits, and the sizes of what was read meanwhile on either side."""
    workload = load_workload("mlp_digits", ["dataset.examples=150", "dataset.validation=100"]).value
    schedule = schedule_of(workload, 450, (*SMALL, "schedule.transfer.interval_examples=60", "numerics.read_noise=0.1"))
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None

    def play(data: Data) -> tuple[Training, list[int]]:
        read: list[int] = []

        def noted(of: Callable[..., Any]) -> Callable[..., Any]:
            def own(first: Any, second: Any, *more: Any) -> Any:
                read.append(id(second))
                return of(first, second, *more)

            return own

        def noted_alone(weights: Any, functions: Any, x: Any, *more: Any) -> Any:
            read.append(id(x))
            return evaluated(weights, functions, x, *more)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(ChipModel, "evaluate", noted(ChipModel.evaluate))
            patched.setattr(baseline, "evaluate", noted_alone)
            training = Training(schedule, data, seed=2)
            training.play(timeline.chunks)
        return training, read

    return play


@pytest.fixture(scope="module")
def validated() -> Data:
    return load_data(load_workload("mlp_digits", ["dataset.examples=150", "dataset.validation=100"]).value)


def test_the_test_set_is_read_once_and_changes_nothing_else(
    played: Callable[[Data], tuple[Training, list[int]]], validated: Data
) -> None:
    one, read = played(validated)
    assert validated.validation is not None
    ids = {id(validated.validation.x): "validation", id(validated.test_x): "test"}
    assert [ids[each] for each in read] == ["validation"] * 4 + ["validation", "test"] * 2
    other, _ = played(replace(validated, test_x=validated.test_x[::-1].copy() * 0.5, test_y=validated.test_y))
    assert other.found[:-1] == one.found[:-1]
    last, own = other.found[-1], one.found[-1]
    assert (last.accuracy_chip, last.accuracy_float) != (own.accuracy_chip, own.accuracy_float)
    read_then = ("accuracy_chip", "accuracy_float", "right_chip", "right_float")
    assert replace(last, **{name: getattr(own, name) for name in read_then}) == own
    for key, array in one.arrays().items():
        np.testing.assert_array_equal(array, other.arrays()[key], err_msg=key)


def test_what_is_held_back_is_read_and_changes_no_training(
    played: Callable[[Data], tuple[Training, list[int]]], validated: Data
) -> None:
    """A training without a validation set is the same, epoch by epoch, and reads the test set after each."""
    one, _ = played(validated)
    other, _ = played(replace(validated, validation=None))
    for own, without in zip(one.found, other.found, strict=True):
        assert (own.loss_chip, own.loss_float, own.saturation) == (
            without.loss_chip, without.loss_float, without.saturation,
        )  # fmt: skip
        assert (without.accuracy_validation_chip, without.r2_validation_chip) == (None, None)
        assert None not in (without.accuracy_chip, without.accuracy_float, own.accuracy_validation_chip)
    assert one.found[-1].accuracy_chip == other.found[-1].accuracy_chip
    # Validation on the test set gives what testing in each epoch gives.
    tested, _ = played(replace(validated, validation=validated.read_after(last=True)[1]))
    for own, without in zip(tested.found, other.found, strict=True):
        assert own.accuracy_validation_chip == without.accuracy_chip
        assert own.accuracy_validation_float == without.accuracy_float


# ---- splits


@given(st.lists(st.integers(0, 3), min_size=6, max_size=60), st.integers(2, 6), st.integers(1, 9))
def test_splits_deal_out_all_examples_and_keep_groups_together(own: list[int], of: int, people: int) -> None:
    y = np.array(own)
    dealt = folds(y, None, of)
    assert np.ptp(np.bincount(dealt, minlength=of)) <= 1
    for label in set(own):
        assert np.ptp(np.bincount(dealt[y == label], minlength=of)) <= 1
    groups = np.unique(np.arange(len(own)) * 7 % people, return_inverse=True)[1].astype(np.int64)
    count = int(groups.max()) + 1
    if count < of:
        with pytest.raises(SpecError, match=rf"--splits: {of} of {count} groups?; give 2 to {count}"):
            folds(y, groups, of)
        return
    dealt = folds(y, groups, of)
    assert set(dealt) == set(range(of))
    assert all(len(set(dealt[groups == group])) == 1 for group in range(count))
    assert np.ptp(np.bincount(dealt)) <= np.bincount(groups).max()


def test_each_example_is_for_testing_in_one_split(tmp_path: Path) -> None:
    whole = np.arange(30.0).reshape(30, 1) * [1, 2, 3]
    of_whom = np.array([f"speaker {i % 5}" for i in range(30)])
    np.savez(tmp_path / "own.npz", x_train=whole[:20], y_train=Y[:20], x_test=whole[20:], y_test=Y[20:],
             s_train=of_whom[:20], s_test=of_whom[20:])  # fmt: skip
    seen = []
    for place in range(3):
        data = load_data(work("own", 18, 3, 3), tmp_path, split=Split(place, 3))
        assert data.tests == (12, 12, 6)  # five speakers, six examples each
        assert len(data.test_x) == data.tests[place]
        assert not {tuple(x) for x in data.test_x} & {tuple(x) for x in data.train_x}
        seen += data.test_x[:, 0].tolist()
    assert len(seen) == 30
    np.savez(tmp_path / "bad.npz", x_train=whole[:20], y_train=Y[:20], x_test=whole[20:], y_test=Y[20:],
             s_train=of_whom[:19], s_test=of_whom[20:])  # fmt: skip
    with pytest.raises(SpecError, match=r"train: whom examples are of is .* of shape \(19,\)"):
        load_data(work("bad", 18, 3, 3), tmp_path)
