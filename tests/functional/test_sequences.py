"""Sequences and texts as they are read: filled up in front, cut into stretches, and told where they do not fit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from archsim.base.errors import SpecError
from archsim.functional.data_set import Part
from archsim.functional.datasets import following, load_data
from archsim.functional.splits import Split
from archsim.functional.train import check_network
from archsim.workload import Workload, load_workload
from tests.mapping.test_recurrent import dense, digital, lstm, work

END = {"activation": "softmax"}
TEXT = "abcab" * 40


def of(layers: list[dict[str, Any]], steps: int, name: str = "own", **dataset: Any) -> Workload:
    own = work(layers, steps)
    examples = dataset.pop("examples", 6)
    return own.model_copy(
        update={"dataset": own.dataset.model_copy(update={"name": name, "examples": examples, **dataset})}
    )


LAST = [lstm(2, 4), dense(4, 3, at="last_step", **END)]
EVERY = [lstm(2, 4), dense(4, 3, **END)]


def arrays(**changed: Any) -> dict[str, Any]:
    draws = np.random.default_rng(0)
    x = draws.integers(0, 256, (8, 5, 2)).astype(np.uint8)
    n = np.array([5, 1, 3, 2, 4, 5, 2, 1])
    y = np.arange(8) % 3
    found = {"x_train": x, "y_train": y, "n_train": n, "x_test": x[:4], "y_test": y[:4], "n_test": n[:4]} | changed
    return {name: value for name, value in found.items() if value is not None}


def read(folder: Path, workload: Workload, **changed: Any) -> Any:
    np.savez_compressed(folder / "own.npz", **arrays(**changed))
    return load_data(workload, folder)


def test_shorter_sequences_are_filled_up_in_front(tmp_path: Path) -> None:
    data = read(tmp_path, of(LAST, 5))
    x, n = arrays()["x_train"] / np.float32(255), arrays()["n_train"]
    assert data.train_frames is not None
    assert (data.train_frames.begin == 5 - n[:6]).all()
    for example in range(6):
        begin = data.train_frames.begin[example]
        own = data.train_x[data.train_frames.rows[example, begin:]]
        np.testing.assert_allclose(own * 255, x[example, : n[example]] * 255, atol=256 / 255 + 1)
        assert len(own) == n[example]
    assert data.training.answers == 6
    every = read(tmp_path, of(EVERY, 5), y_train=np.zeros((8, 5), int), y_test=np.zeros((4, 5), int))
    assert every.training.answers == n[:6].sum()


def test_features_in_a_row_are_taken_step_by_step(tmp_path: Path) -> None:
    x = arrays()["x_train"]
    flat = {"x_train": x.reshape(8, 10), "x_test": x[:4].reshape(4, 10), "n_train": None, "n_test": None}
    one, other = read(tmp_path, of(LAST, 5), **flat), read(tmp_path, of(LAST, 5), n_train=None, n_test=None)
    for own in ("train_x", "train_y", "test_x"):
        np.testing.assert_array_equal(getattr(one, own), getattr(other, own))
    np.testing.assert_array_equal(one.train_frames.rows, other.train_frames.rows)


def test_held_back_sequences_are_not_trained(tmp_path: Path) -> None:
    data = read(tmp_path, of(LAST, 5, examples=5, validation=3))
    assert isinstance(data.validation, Part)
    assert data.validation.frames is not None
    both = np.concatenate([data.train_frames.rows[:, -1], data.validation.frames.rows[:, -1]])
    assert len(data.train_y) == 5
    assert len(data.validation.y) == 3
    assert len(set(both.tolist())) == 8


@pytest.mark.parametrize(
    ("layers", "steps", "changed", "what"),
    [
        (LAST, 4, {}, r"steps: an example has 4 steps, the longest of own is longer: 5; make it 5"),
        (LAST, 7, {}, r"steps: an example has 7 steps, the longest of own is shorter: 5; make it 5"),
        (LAST, 5, {"n_train": np.full(8, 9)}, "example 0 for training is to have 9 steps, of 5 there are"),
        (LAST, 5, {"n_test": np.zeros(4, int)}, "example 0 for testing is to have 0 steps, of 5 there are"),
        ([lstm(3, 4), LAST[1]], 5, {}, r"has 3 inputs at each step, an example of own has 5 vectors of 2 features"),
        (LAST, 5, {"x_test": np.full((4, 5, 2), np.nan)}, "40 features are NaN or infinite"),
        (EVERY, 5, {}, "answers 5 times, own has one label for each example"),
        (LAST, 5, {"y_train": np.zeros((8, 5), int), "y_test": np.zeros((4, 5), int)}, "has 5 labels for each example"),
        (LAST, 5, {"y_train": np.full(8, 3)}, r"label 3 of example 0 for training is outside 0..2"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told(tmp_path: Path, layers: Any, steps: int, changed: Any, what: str) -> None:
    with pytest.raises(SpecError, match=what):
        read(tmp_path, of(layers, steps), **changed)


def test_a_text_is_cut_into_stretches_each_answered_by_the_next_character(tmp_path: Path) -> None:
    (tmp_path / "seq").mkdir()
    (tmp_path / "seq" / "own.txt").write_text(TEXT)
    layers = [lstm(3, 4), dense(4, 3, **END)]
    workload = of(layers, 9, "own.txt", examples=12, validation=3).model_copy(update={"stateful": True})
    for folder in (tmp_path, tmp_path / "seq", tmp_path / "seq" / "own.txt"):
        data = load_data(workload, folder)
    codes = ["abc".index(letter) for letter in TEXT]
    assert data.train_frames is not None
    assert data.train_frames.rows.ravel().tolist() == codes[:108]
    assert data.train_y.ravel().tolist() == codes[1:109]
    assert data.validation is not None
    # Of 180 characters for training 19 stretches can be made: the last three are held back, those before are trained.
    assert data.validation.y.ravel().tolist() == codes[16 * 9 + 1 : 19 * 9 + 1]
    assert data.test_y.ravel().tolist() == codes[181:199]
    assert (data.train_x == np.eye(3)).all()
    assert data.training.answers == 108


def test_a_text_that_does_not_fit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "own.txt"
    path.write_text(TEXT)
    with pytest.raises(SpecError, match=r"layers\[0\].inputs of lstm2: the alphabet of own.txt has 3 symbols, the ne"):
        load_data(of(EVERY, 9, "own.txt"), tmp_path)
    layers = [lstm(3, 4), dense(4, 3, **END)]
    with pytest.raises(SpecError, match="20 characters for testing, one example 31"):
        load_data(of(layers, 30, "own.txt"), tmp_path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpecError, match="it is not text in UTF-8"):
        load_data(of(layers, 9, "own.txt"), tmp_path)
    with pytest.raises(SpecError, match=r"other.txt: no such file"):
        load_data(of(layers, 9, "other.txt"), tmp_path)


def test_what_has_no_numbers_yet_is_refused() -> None:
    with pytest.raises(SpecError, match="trained towards classes alone"):
        check_network(of(LAST, 5, target="values"))
    with pytest.raises(SpecError, match="a layer of kind 'lstm' has no loss"):
        check_network(of([lstm(2, 3)], 5))
    with pytest.raises(SpecError, match="kind 'digital' has time and energy, but no numbers"):
        check_network(of([lstm(2, 4), digital(4, 4, 8), dense(4, 3, **END)], 5))


WORK = """
kind: workload
name: w
dataset: {name: own, examples: 4}
steps: 5
layers:
  - {name: lstm, kind: lstm, inputs: 2, outputs: 4}
  - {name: out, inputs: 4, outputs: 3, activation: softmax, at: last_step}
training: {epochs: 1, learning_rate: 0.1}
"""


@pytest.mark.parametrize("speakers", [False, True])
def test_splits_keep_lengths_and_the_sequences_of_a_speaker_together(tmp_path: Path, speakers: bool) -> None:
    """An epoch has all that are not for testing, though the workload says four, and each keeps its own first step."""
    draws = np.random.default_rng(1).integers(0, 256, (12, 5, 2)).astype(np.uint8)
    draws[0, 0], draws[1, 0] = 0, 255  # the ends of the range, by which features are scaled
    given_n = np.array([5, 4, 3, 2, 4, 5, 2, 3, 5, 2, 4, 3])
    own = arrays(x_train=draws[:8], x_test=draws[8:], n_train=given_n[:8], n_test=given_n[8:],
                 **({"s_train": np.arange(8) // 2, "s_test": np.full(4, 4)} if speakers else {}))  # fmt: skip
    np.savez(tmp_path / "own.npz", **own)
    (tmp_path / "w.yaml").write_text(WORK)
    given = load_workload(str(tmp_path / "w.yaml"))
    network, first = following(given, tmp_path, 0, 3)
    assert first.tests == (4, 4, 4)
    assert network.value.dataset.examples == 8
    assert following(given, tmp_path)[0].value.dataset.examples == 4
    x, n = np.concatenate([own["x_train"], own["x_test"]]), np.concatenate([own["n_train"], own["n_test"]])
    whom = np.concatenate([own["s_train"], own["s_test"]]) if speakers else np.arange(12)

    def found(vectors: Any, frames: Any) -> list[int]:
        """Return which sequences of the file these are, by the vectors that count."""
        return [
            next(at for at in range(12) if n[at] == 5 - begin and np.allclose(
                vectors[rows[begin:]] * (x.max() - x.min()) + x.min(), x[at, : n[at]], atol=0.01))
            for rows, begin in zip(frames.rows, frames.begin, strict=True)
        ]  # fmt: skip

    tested: list[int] = []
    for place in range(3):
        data = load_data(network.value, tmp_path, 0, Split(place, 3))
        own_tested, trained = found(data.test_x, data.test_frames), found(data.train_x, data.train_frames)
        assert not {whom[at] for at in own_tested} & {whom[at] for at in trained}
        assert sorted(own_tested + trained) == list(range(12))
        tested += own_tested
    assert sorted(tested) == list(range(12))
