"""Data sets: what is read is what was written, the crop and the noise are those documented, and each fault is told."""

from __future__ import annotations

import gzip
import hashlib
import os
import struct
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from archsim.base.errors import SpecError
from archsim.base.limits import DOWNLOAD_BYTES, DOWNLOAD_S
from archsim.cli import main
from archsim.functional import downloads
from archsim.functional.data_set import Data
from archsim.functional.datasets import EMBEDDED, LOADERS, following, load_data
from archsim.functional.downloads import DOWNLOADS, Download, fetch
from archsim.functional.idx import read_idx
from archsim.functional.mnist import MNIST_FILES, with_random_background
from archsim.workload import Workload, load_workload

SIGNED, ITSELF = "dataset.signed=true", ("dataset.target=inputs", "layers[1].activation=sigmoid")
TRAIN_X, TRAIN_Y, TEST_X, TEST_Y = (name for pair in MNIST_FILES.values() for name in pair)


@pytest.fixture(autouse=True)
def _empty_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data but the test's own: neither those of ARCHSIM_DATA nor those of ./data."""
    monkeypatch.delenv("ARCHSIM_DATA", raising=False)
    monkeypatch.chdir(tmp_path)


def work(name: str, examples: int, inputs: int, outputs: int = 10, *more: str) -> Workload:
    """Return the network of the built-in kind, on the named data set, with more settings."""
    settings = (f"dataset.name={name}", f"dataset.examples={examples}", f"layers[0].inputs={inputs}",
                f"layers[1].outputs={outputs}", *more)  # fmt: skip
    return load_workload("mlp_digits", settings).value


def idx(array: np.ndarray) -> bytes:
    """Return the bytes of an IDX file, by the format's description and apart from numpy's own order of bytes."""
    head = struct.pack(">BBBB", 0, 0, 8, array.ndim) + b"".join(struct.pack(">I", each) for each in array.shape)
    return head + array.astype(np.uint8).tobytes()


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 28, 28), dtype=np.uint8)


def labels(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.uint8) % 10


def write_mnist(folder: Path, train: int = 12, test: int = 5, **replaced: bytes) -> None:
    """Write a small MNIST, images compressed and labels plain; `replaced` gives a file's bytes by its place."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{TRAIN_X}.gz").write_bytes(replaced.get("train_x", gzip.compress(idx(images(train)))))
    (folder / TRAIN_Y).write_bytes(replaced.get("train_y", idx(labels(train))))
    (folder / f"{TEST_X}.gz").write_bytes(replaced.get("test_x", gzip.compress(idx(images(test, seed=1)))))
    (folder / TEST_Y).write_bytes(replaced.get("test_y", idx(labels(test))))


def fault(call: Callable[[], Any]) -> str:
    """Return the message of the SpecError that a call raises."""
    with pytest.raises(SpecError) as caught:
        call()
    return str(caught.value)


def assert_whole(data: Data, examples: int, tests: int, inputs: int) -> None:
    assert (data.train_x.shape, data.train_y.shape) == ((examples, inputs), (examples,))
    assert (data.test_x.shape, data.test_y.shape) == ((tests, inputs), (tests,))
    for x, y in ((data.train_x, data.train_y), (data.test_x, data.test_y)):
        assert (x.dtype, y.dtype) == (np.float32, np.int64)
        assert x.flags.c_contiguous
        assert 0 <= x.min() <= x.max() <= 1
        assert 0 <= y.min() <= y.max() < data.classes
    assert data.source


# IDX files


@given(arrays.arrays(np.uint8, arrays.array_shapes(max_dims=4, min_side=0, max_side=6)), st.booleans())
def test_what_is_read_from_an_idx_file_is_what_was_written(array: np.ndarray, compressed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(gzip.compress(idx(array)) if compressed else idx(array))
        found = read_idx(path, array.ndim)
    assert found.shape == array.shape
    assert np.array_equal(found, array)


@given(st.data())
def test_an_idx_file_that_is_cut_or_grown_anywhere_is_a_fault_and_no_traceback(data: st.DataObject) -> None:
    whole = idx(np.arange(24).reshape(2, 3, 4))
    whole = gzip.compress(whole) if data.draw(st.booleans()) else whole
    cut = data.draw(st.integers(0, len(whole) - 1))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        for content in (whole[:cut], whole + b"x"):
            path.write_bytes(content)
            assert str(path) in fault(lambda: read_idx(path, 3))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty; an IDX file of 3-dimensional bytes begins with 0x00000803"),
        (b"<!DOCTYPE html>", "begins with 0x3c21444f; an IDX file of 3-dimensional bytes begins with 0x00000803"),
        (idx(np.zeros(4)), "begins with 0x00000801; an IDX file of 3-dimensional bytes"),
        (idx(np.zeros((2, 2, 2)))[:9], "is truncated: 9 bytes, of 16 of the header alone"),
        (idx(np.zeros((2, 2, 2)))[:-1], "is truncated: 7 bytes follow the header, which says 2 x 2 x 2 = 8"),
        (idx(np.zeros((2, 2, 2))) + b"0", "is too long: more bytes follow the header than the 2 x 2 x 2 = 8"),
        (b"\0\0\x08\x03" + b"\xff" * 12, "its header: 79,228,162,458,924,105,385,300,197,375 bytes of data"),
        (gzip.compress(idx(images(9)))[:-2000], "is not a whole gzip file (it is cut off)"),
        (gzip.compress(idx(images(1)))[:-8] + b"\0" * 8, "is not a whole gzip file (it is cut off or damaged)"),
        (b"\x1f\x8b not gzip", "is not a whole gzip file ("),
    ],
)
def test_a_file_that_is_not_idx_says_how(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert f"{path}: {message}" in fault(lambda: read_idx(path, 3))


def test_a_file_that_cannot_be_opened_is_a_fault(tmp_path: Path) -> None:
    assert f"{tmp_path}: is a folder, not a file" in fault(lambda: read_idx(tmp_path, 3))


# MNIST


def test_784_inputs_take_all_pixels(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = load_data(work("mnist", 12, 784), tmp_path)
    assert_whole(data, 12, 5, 784)
    assert data.train_x == pytest.approx(images(12).reshape(12, 784) / 255)
    assert data.test_x == pytest.approx(images(5, seed=1).reshape(5, 784) / 255)
    assert data.train_y.tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]


def test_528_inputs_take_the_middle_22_rows_and_24_columns(tmp_path: Path) -> None:
    # The definition: pixel (row, column) of the crop is (row + 3, column + 2) of the image.
    write_mnist(tmp_path)
    data = load_data(work("mnist", 12, 528), tmp_path)
    assert_whole(data, 12, 5, 528)
    crop = data.train_x.reshape(12, 22, 24)
    whole = images(12) / 255
    for row, column in ((0, 0), (0, 23), (21, 0), (21, 23), (10, 7)):
        assert crop[:, row, column] == pytest.approx(whole[:, row + 3, column + 2])


def test_the_first_examples_make_an_epoch_and_all_are_for_testing(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    data = load_data(work("mnist", 7, 784), tmp_path)
    assert_whole(data, 7, 5, 784)
    assert data.train_x == pytest.approx(images(12)[:7].reshape(7, 784) / 255)


@pytest.mark.parametrize("place", ["", "mnist"])
@pytest.mark.parametrize("named", ["argument", "variable", "default"])
def test_files_are_found_in_the_folder_or_in_mnist_in_it(
    place: str, named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data"
    write_mnist(folder / place)
    if named == "variable":
        monkeypatch.chdir("/")
        monkeypatch.setenv("ARCHSIM_DATA", str(folder))
    data = load_data(work("mnist", 12, 784), folder if named == "argument" else None)
    assert_whole(data, 12, 5, 784)


def test_a_folder_that_is_given_goes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_mnist(tmp_path / "a", test=3)
    write_mnist(tmp_path / "b", test=4)
    monkeypatch.setenv("ARCHSIM_DATA", str(tmp_path / "b"))
    assert len(load_data(work("mnist", 12, 784)).test_x) == 4
    assert len(load_data(work("mnist", 12, 784), tmp_path / "a").test_x) == 3


def test_a_missing_folder_and_missing_files_say_where_was_looked_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = tmp_path / "no where"
    message = fault(lambda: load_data(work("mnist", 12, 784), nowhere))
    assert f"{nowhere}: no such folder" in message
    assert f"`archsim data fetch mnist --data '{nowhere}'`" in message
    monkeypatch.setenv("ARCHSIM_DATA", str(tmp_path))
    write_mnist(tmp_path)
    (tmp_path / f"{TEST_X}.gz").unlink()
    (tmp_path / TEST_Y).unlink()
    message = fault(lambda: load_data(work("mnist", 12, 784)))
    assert f"{tmp_path}: neither there nor in {tmp_path / 'mnist'}: {TEST_X}[.gz], {TEST_Y}[.gz]" in message
    assert "`archsim data fetch mnist`" in message


def test_all_faults_of_the_files_are_told_at_once(tmp_path: Path) -> None:
    small = idx(np.zeros((5, 8, 8)))
    write_mnist(tmp_path, train_x=b"nonsense", train_y=idx(labels(12))[:-1], test_x=small, test_y=idx(labels(4)))
    message = fault(lambda: load_data(work("mnist", 12, 784), tmp_path))
    assert f"{tmp_path / TRAIN_X}.gz: begins with" in message
    assert f"{tmp_path / TRAIN_Y}: is truncated: 11 bytes" in message
    assert f"{tmp_path / TEST_X}.gz: the images are 8 x 8, not 28 x 28" in message
    assert f"{tmp_path / TEST_X}.gz: 5 images, but 4 labels in {TEST_Y}" in message
    assert len(message.splitlines()) == 4


def test_what_does_not_fit_the_network_is_told_at_once(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    message = fault(lambda: load_data(work("mnist", 60000, 784, outputs=4), tmp_path))
    assert "mlp_digits: dataset.examples: an epoch is to have 60,000 examples, mnist has 12 for training" in message
    assert "data set 'mnist': label 4 of example 4 for training is outside 0..3; layer fc2 has 4 outputs" in message
    assert "label 4 of example 4 for testing is outside 0..3" in message
    message = fault(lambda: load_data(work("mnist", 12, 500), tmp_path))
    assert "mlp_digits: layers[0].inputs: layer fc1 has 500 inputs, mnist gives 784 pixels or 528 of them" in message


def test_no_examples_for_testing_are_a_fault(tmp_path: Path) -> None:
    write_mnist(tmp_path, test=0)
    assert "no examples for testing" in fault(lambda: load_data(work("mnist", 12, 784), tmp_path))


# MNIST on random backgrounds


def test_noise_replaces_the_pixels_without_ink_and_no_others() -> None:
    plain = images(50)
    plain[:, :14] = 0
    noisy = with_random_background(plain, seed=3, part=0)
    assert np.array_equal(noisy[plain > 0], plain[plain > 0])  # with max(image, noise) dark ink would change
    background = noisy[plain == 0].astype(float)
    # A uniform integer of 0..255 has mean 127.5 and variance (256^2 - 1) / 12; five standard errors are allowed.
    variance = (256**2 - 1) / 12
    assert abs(background.mean() - 127.5) < 5 * (variance / background.size) ** 0.5
    assert background.var() == pytest.approx(variance, rel=0.03)
    assert set(np.unique(background)) == set(range(256))


def test_noise_is_keyed_by_seed_and_part_and_independent_of_the_number_of_images() -> None:
    blank = np.zeros((6, 28, 28), dtype=np.uint8)
    noise = with_random_background(blank, seed=1, part=0)
    assert np.array_equal(noise, with_random_background(blank, seed=1, part=0))
    assert np.array_equal(noise[:4], with_random_background(blank[:4], seed=1, part=0))
    for seed, part in ((2, 0), (1, 1)):
        assert not np.array_equal(noise, with_random_background(blank, seed=seed, part=part))
    assert not np.array_equal(noise[0], noise[1])


def test_the_crop_shows_the_same_noise_as_the_whole_image(tmp_path: Path) -> None:
    write_mnist(tmp_path, train_x=gzip.compress(idx(np.zeros((12, 28, 28)))))
    whole = load_data(work("mnist_backrand", 12, 784), tmp_path)
    crop = load_data(work("mnist_backrand", 12, 528), tmp_path)
    assert_whole(crop, 12, 5, 528)
    assert np.array_equal(crop.train_x.reshape(12, 22, 24), whole.train_x.reshape(12, 28, 28)[:, 3:25, 2:26])
    other = load_data(work("mnist_backrand", 12, 784), tmp_path, seed=1)
    assert not np.array_equal(whole.train_x, other.train_x)


# the digits that the package holds


def test_digits_are_split_within_each_class() -> None:
    data = load_data(load_workload("mlp_digits").value)
    assert_whole(data, 1438, 359, 64)
    for label in range(10):
        train, test = np.sum(data.train_y == label), np.sum(data.test_y == label)
        assert abs(test - (train + test) / 5) <= 1
    assert set(np.unique(data.train_x * 16)) == set(range(17))  # the pixels are whole numbers of 0 to 16


def test_digits_are_those_of_scikit_learn() -> None:
    # The reference: the file that sklearn.datasets.load_digits reads, split by hand into every fifth of those sorted
    # by class. Importing scikit-learn takes longer than the rest of this file.
    found = find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        pytest.skip("scikit-learn is not installed")
    path = Path(found.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    table = np.loadtxt(path, delimiter=",")
    images, labels = table[:, :-1], table[:, -1].astype(int)
    tested = sorted(sorted(range(len(labels)), key=lambda i: (labels[i], i))[4::5])
    trained = sorted(set(range(len(labels))) - set(tested))
    data = load_data(load_workload("mlp_digits").value)
    for x, y, rows in ((data.train_x, data.train_y, trained), (data.test_x, data.test_y, tested)):
        assert np.array_equal(x * 16, images[rows])
        assert np.array_equal(y, labels[rows])
        assert (x.dtype, y.dtype) == (np.float32, np.int64)


def test_each_data_set_of_the_package_has_its_licence_beside_it() -> None:
    files = sorted(EMBEDDED.glob("*.npz"))
    assert files
    for file in files:
        text = file.with_suffix(".txt").read_text("utf-8")
        assert file.name in text
        assert "Licence: " in text
        assert file.stat().st_size < 50_000


# .npz files


def write_npz(path: Path, names: str = "x_train y_train x_test y_test", **replaced: np.ndarray) -> None:
    usual = {
        "x_train": np.array([[10, 20, 30], [40, 50, 60], [20, 20, 20]]),
        "y_train": np.array([0, 1, 2], dtype=np.uint8),
        "x_test": np.array([[0, 35, 70]]),
        "y_test": np.array([2]),
    }
    given: dict[str, Any] = {**usual, **replaced}
    np.savez(path, **{name: given[key] for name, key in zip(names.split(), usual, strict=True)})


@pytest.mark.parametrize(
    "names",
    ["x_train y_train x_test y_test", "X_train Y_train X_test Y_test", "train_x train_y test_x test_y",
     "train_images train_labels test_images test_labels", "train_data train_labels test_data test_labels"],
)  # fmt: skip
@pytest.mark.parametrize("name", ["mine", "mine.npz"])
def test_an_npz_file_is_scaled_by_the_range_of_its_training_part(names: str, name: str, tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz", names)
    data = load_data(work(name, 3, 3, outputs=3), tmp_path)
    assert_whole(data, 3, 1, 3)
    # Training goes from 10 to 60; 0 and 70 of testing lie outside and are clipped.
    assert data.train_x == pytest.approx(np.array([[0, 0.2, 0.4], [0.6, 0.8, 1], [0.2, 0.2, 0.2]]))
    assert data.test_x == pytest.approx(np.array([[0, 0.5, 1]]))
    assert (data.train_y.tolist(), data.test_y.tolist()) == ([0, 1, 2], [2])
    assert "mine.npz; features scaled from 10..60" in data.source


def test_images_and_columns_of_labels_are_flattened(tmp_path: Path) -> None:
    x = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    write_npz(tmp_path / "mine.npz", x_train=x, y_train=np.array([[0], [1]]), x_test=np.ones((1, 3, 4), np.float16))
    data = load_data(work("mine", 2, 12), tmp_path)
    assert_whole(data, 2, 1, 12)
    assert data.train_x.reshape(-1) == pytest.approx(np.arange(24) / 23)


def test_signed_features_are_scaled_by_their_largest_magnitude_and_keep_their_signs(tmp_path: Path) -> None:
    x = np.array([[-4.0, 2, 0], [1, 2, 2], [0, 0, 1]])
    write_npz(tmp_path / "mine.npz", x_train=x, x_test=np.array([[5.0, -5, -1]]))
    data = load_data(work("mine", 3, 3, 3, SIGNED), tmp_path)
    assert data.train_x == pytest.approx(x / 4)
    assert data.test_x.tolist() == [[1, -1, -0.25]]  # what lies beyond the training part's is clipped
    assert "divided by 4, the largest magnitude" in data.source


def test_a_loader_that_gives_negative_features_is_refused_unless_they_are_announced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def loader(workload: Workload, folder: Path, seed: int) -> Data:
        x, y = np.array([[0.5, -0.25]], dtype=np.float32), np.zeros(1, dtype=np.int64)
        return Data(abs(x), y, x, y, 2, "own", "drawn")

    monkeypatch.setitem(LOADERS._entries, "own", loader)
    told = fault(lambda: load_data(work("own", 1, 2)))
    assert "an input is -0.25, and the workload says that none is negative" in told
    assert "give dataset.signed=true" in told
    assert load_data(work("own", 1, 2, 2, SIGNED)).test_x.tolist() == [[0.5, -0.25]]


def test_where_the_target_is_the_inputs_no_labels_are_needed(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", train_x=np.array([[0, 1], [2, 4]]), test_x=np.array([[4, 0]]))
    data = load_data(work("mine", 2, 2, 2, *ITSELF), tmp_path)
    assert data.train_t is not None
    assert data.train_t.tolist() == data.train_x.tolist() == [[0, 0.25], [0.5, 1]]
    assert data.test_t is not None
    assert data.test_t.tolist() == [[1, 0]]
    assert "call them" in fault(lambda: load_data(work("mine", 2, 2), tmp_path))


@given(arrays.arrays(np.float64, (4, 3), elements=st.floats(-1e300, 1e300)))
def test_scaled_training_features_span_0_to_1_in_their_order(x: np.ndarray) -> None:
    workload = work("mine", 4, 3)
    with tempfile.TemporaryDirectory() as folder:
        write_npz(Path(folder) / "mine.npz", x_train=x, y_train=np.zeros(4, dtype=int), x_test=-x[:1])
        if x.max() == x.min():
            assert "cannot be scaled" in fault(lambda: load_data(workload, Path(folder)))
            return
        found = load_data(workload, Path(folder)).train_x.reshape(-1)
    assert (found.min(), found.max()) == (0, 1)
    assert (np.diff(found[np.argsort(x, axis=None)]) >= 0).all()


@pytest.mark.parametrize(
    ("replaced", "message"),
    [
        ({"x_train": np.array([[1, 2, 3], [4, np.nan, 6], [np.inf, 8, 9]])},
         "train: 2 features are NaN or infinite, the first in example 1"),
        ({"x_test": np.array([[np.inf, 1, 2]])}, "test: 1 feature is NaN or infinite, the first in example 0"),
        ({"x_train": np.zeros(3)}, "train: the features are float64 of shape (3,), not numbers"),
        ({"x_train": np.array([["a"]] * 3)}, "train: the features are <U1 of shape (3, 1), not numbers"),
        ({"x_train": np.zeros((3, 0))}, "train: the features are of shape (3, 0): there are none"),
        ({"x_train": np.full((3, 3), 7)}, "the features for training range from 7 to 7, and cannot be scaled"),
        ({"x_train": np.array([[-1e308, 0, 1e308]] * 3)}, "range from -1e+308 to 1e+308, and cannot be scaled"),
        ({"x_test": np.zeros((1, 4))}, "an example is of shape (3,) for training, (4,) for testing"),
        ({"y_train": np.array([0, 1])}, "train: 3 examples, but 2 labels"),
        ({"y_train": np.eye(3, dtype=int)}, "train: the labels are int64 of shape (3, 3), not integers [examples]"),
        ({"y_train": np.array(["a", "b", "c"])}, "train: the labels are <U1 of shape (3,), not integers"),
        ({"y_train": np.array([0, -1, 2])}, "label -1 of example 1 for training is outside 0..2"),
        ({"y_test": np.array([3])}, "label 3 of example 0 for testing is outside 0..2"),
    ],
)  # fmt: skip
def test_wrong_arrays_say_which_and_how(replaced: dict[str, Any], message: str, tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz", **replaced)
    assert message in fault(lambda: load_data(work("mine", 3, 3, outputs=3), tmp_path))


def test_features_that_do_not_match_the_inputs_say_both(tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz")
    message = fault(lambda: load_data(work("mine", 3, 2048), tmp_path))
    assert "layers[0].inputs: layer fc1 has 2,048 inputs, an example of mine has 3 features; make it 3" in message


def test_a_file_that_is_not_npz_says_so(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    load = partial(load_data, work("mine", 3, 3), tmp_path)
    path.write_bytes(b"not an archive")
    assert f"{path}: cannot be read as an .npz file (it is cut off, damaged or no archive)" in fault(load)
    np.savez(path, a=np.zeros(3), y_train=np.zeros(3))
    message = fault(load)
    assert f"{path}: holds the arrays a, y_train; call them x_train, y_train, x_test, y_test; or train_x," in message
    np.savez(path, x_train=np.array([object()]), y_train=np.zeros(3), x_test=np.zeros(3), y_test=np.zeros(3))
    assert "in it holds Python objects, which are never loaded" in fault(load)


@given(st.integers(0, 1100), st.integers(0, 255))
def test_a_damaged_npz_file_is_read_or_a_fault_and_no_traceback(place: int, value: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mine.npz"
        write_npz(path)
        content = bytearray(path.read_bytes())
        content[place % len(content)] = value
        path.write_bytes(content)
        with suppress(SpecError):
            assert_whole(load_data(work("mine", 3, 3, outputs=3), Path(folder)), 3, 1, 3)


def test_a_name_without_a_loader_and_a_file_gives_the_nearest(tmp_path: Path) -> None:
    message = fault(lambda: load_data(work("mnits", 3, 3), tmp_path))
    assert f"data set 'mnits': {tmp_path / 'mnits.npz'}: no such file; did you mean 'mnist'?" in message
    assert "no folder nowhere" in fault(lambda: load_data(work("mnits", 3, 3), Path("nowhere")))
    assert list(LOADERS) == ["mnist", "mnist_backrand", "digits"]


# The real files, where they are at hand


def shared(name: str) -> Path:
    """Return the folder that has a file, of ARCHSIM_DATA and of `data` beside the repository; skip if none has."""
    beside = Path(__file__).resolve().parents[3] / "shared" / "data"
    for folder in (SHARED, beside):
        if folder is not None and (folder / name).is_file():
            return folder
    pytest.skip(f"{name} is not at hand: archsim data fetch mnist, and ARCHSIM_DATA")


SHARED = Path(os.environ["ARCHSIM_DATA"]).resolve() if os.environ.get("ARCHSIM_DATA") else None


def test_the_real_mnist_is_whole() -> None:
    folder = shared(f"mnist/{TRAIN_X}.gz")
    data = load_data(load_workload("mlp_mnist", ["layers[0].inputs=784"]).value, folder)
    assert_whole(data, 60_000, 10_000, 784)
    # Mean and standard deviation as they are quoted everywhere for MNIST: 0.1307 and 0.3081.
    mean, ink = data.train_x.mean(dtype=np.float64), data.train_x.sum(dtype=np.float64)
    squares = np.einsum("ij,ij->i", data.train_x, data.train_x)  # std() would make arrays of twice the size
    assert mean == pytest.approx(0.1307, abs=1e-4)
    assert np.sqrt(squares.mean(dtype=np.float64) / 784 - mean**2) == pytest.approx(0.3081, abs=1e-4)
    del data
    data = load_data(load_workload("mlp_mnist").value, folder)
    assert_whole(data, 60_000, 10_000, 528)
    # Digits lie in the middle 20 x 20: the crop keeps nearly all ink.
    assert 0.98 < data.train_x.sum(dtype=np.float64) / ink <= 1
    assert np.bincount(data.test_y).min() > 800
    assert all(not fetched for _, fetched in fetch("mnist", folder))  # the sums in the code are those of the files


def test_the_real_mnist_has_its_background_replaced() -> None:
    workload = load_workload("mlp_mnist", ["dataset.name=mnist_backrand", "layers[0].inputs=784"]).value
    data = load_data(workload, shared(f"mnist/{TRAIN_X}.gz"))
    assert_whole(data, 60_000, 10_000, 784)
    # 80.9 % of the pixels have no ink and get a mean of 1/2; the others keep MNIST's sum, 0.1307 of all.
    assert data.train_x.mean(dtype=np.float64) == pytest.approx(0.809 / 2 + 0.1307, abs=1e-3)


def test_features_of_a_fixed_extractor_load() -> None:
    folder = shared("cifar10_kmeans2048.npz")
    assert_whole(load_data(work("cifar10_kmeans2048", 10_000, 2048), folder), 10_000, 2_500, 2048)


# Fetching, from a server of our own


CONTENTS = {"a.gz": b"first file", "b.gz": b"second file" * 1000}


class Quiet(SimpleHTTPRequestHandler):
    served: list[str] = []

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, the base class calls it so
        if format.startswith('"'):  # a request, and not the error that follows it
            self.served.append(self.path)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server on this machine with two small files, which stand for MNIST; yields its URL."""
    files = tmp_path / "served"
    files.mkdir()
    for name, content in CONTENTS.items():
        (files / name).write_bytes(content)
    sums = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setenv("no_proxy", "*")
    Quiet.served.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(files))) as httpd:
        url = f"http://127.0.0.1:{httpd.server_address[1]}/"
        monkeypatch.setitem(DOWNLOADS, "mnist", Download(url, sums))
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield url
        httpd.shutdown()
        thread.join()


def names_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def test_fetched_files_are_whole_and_not_fetched_again(server: str, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    paths = [folder / "mnist" / name for name in CONTENTS]
    assert fetch("mnist", folder) == [(path, True) for path in paths]
    assert [path.read_bytes() for path in paths] == list(CONTENTS.values())
    assert names_in(folder) == ["mnist", "mnist/a.gz", "mnist/b.gz"]
    assert fetch("mnist", folder, base_url=server) == [(path, False) for path in paths]
    assert fetch("mnist", folder / "mnist") == [(path, False) for path in paths]
    assert Quiet.served == ["/a.gz", "/b.gz"]


def test_only_what_is_missing_or_broken_is_fetched_and_where_it_is_looked_for(server: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.gz").write_bytes(b"broken")
    assert fetch("mnist") == [(Path("data/a.gz"), True), (Path("data/mnist/b.gz"), True)]
    (tmp_path / "data" / "mnist" / "b.gz").write_bytes(CONTENTS["b.gz"][:-1])
    assert fetch("mnist") == [(Path("data/a.gz"), False), (Path("data/mnist/b.gz"), True)]
    assert (tmp_path / "data" / "a.gz").read_bytes() == CONTENTS["a.gz"]
    assert (tmp_path / "data" / "mnist" / "b.gz").read_bytes() == CONTENTS["b.gz"]


def test_a_file_of_another_sum_is_told_and_not_kept(server: str, tmp_path: Path) -> None:
    (tmp_path / "served" / "b.gz").write_bytes(b"<html>sign in</html>")
    folder = tmp_path / "new"
    message = fault(lambda: fetch("mnist", folder))
    assert f"{server}b.gz: gave 20 bytes of SHA-256 {hashlib.sha256(b'<html>sign in</html>').hexdigest()}" in message
    assert "nothing of it is kept" in message
    assert names_in(folder) == ["mnist", "mnist/a.gz"]  # the first was right and stays


def test_a_broken_file_that_cannot_be_replaced_stays(server: str, tmp_path: Path) -> None:
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "a.gz").write_bytes(b"mine")
    (tmp_path / "served" / "a.gz").unlink()
    assert "a.gz: the server answers 404 File not found; try later, or copy" in fault(lambda: fetch("mnist", tmp_path))
    assert names_in(tmp_path / "mnist") == ["a.gz"]
    assert (tmp_path / "mnist" / "a.gz").read_bytes() == b"mine"


def test_offline_is_told_and_leaves_nothing(server: str, tmp_path: Path) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as closed:
        url = f"http://127.0.0.1:{closed.server_address[1]}"
    folder = tmp_path / "new" / "data"
    message = fault(lambda: fetch("mnist", folder, base_url=url))
    assert f"{url}/a.gz: cannot be fetched ([Errno" in message
    assert f"check the connection, or copy the file to {folder / 'mnist' / 'a.gz'} from elsewhere" in message
    assert not (tmp_path / "new").exists()
    assert "cannot be fetched (unknown url type" in fault(lambda: fetch("mnist", folder, base_url="nonsense"))


def test_a_file_that_is_too_large_is_not_taken(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "DOWNLOAD_BYTES", replace(DOWNLOAD_BYTES, most=len(CONTENTS["a.gz"]) - 1))
    assert "above the limit of 9; it is not what was asked for" in fault(lambda: fetch("mnist", tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_server_that_answers_byte_by_byte_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Quiet):
        def do_GET(self) -> None:
            with suppress(OSError):
                for _ in range(100):
                    self.wfile.write(b"H")
                    time.sleep(0.02)

    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "DOWNLOAD_S", replace(DOWNLOAD_S, most=0.2))  # type: ignore[arg-type]
    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as httpd:
        httpd.daemon_threads, httpd.block_on_close = True, False
        threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        url = f"http://127.0.0.1:{httpd.server_address[1]}"
        message = fault(lambda: fetch("mnist", tmp_path / "new", base_url=url))
        httpd.shutdown()
    assert "cannot be fetched (it takes more than 0.2 s)" in message
    assert not (tmp_path / "new").exists()


def test_an_interrupted_download_leaves_nothing(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any) -> Iterator[bytes]:
        yield b"half"
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads, "_blocks", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fetch("mnist", tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_cannot_be_made_is_told(server: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    message = fault(lambda: fetch("mnist", tmp_path / "file"))
    assert "file/mnist/a.gz: cannot be written: Not a directory; " in message
    assert "choose a folder with --data DIR" in message


def test_the_command_fetches_and_says_what_it_did(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status(*words: str) -> int:
        with pytest.raises(SystemExit) as leave:
            main(words)
        return int(leave.value.code or 0)

    assert status("data", "fetch", "mnist", "--data", "here") == 0
    assert capsys.readouterr().out == "here/mnist/a.gz  fetched\nhere/mnist/b.gz  fetched\n"
    assert status("data", "fetch", "mnist", "--data", "here") == 0
    assert capsys.readouterr().out == "here/mnist/a.gz  was there\nhere/mnist/b.gz  was there\n"
    assert status("data", "fetch", "mnits") == 2
    assert "'mnits' is not a data set that can be fetched; did you mean 'mnist'?" in capsys.readouterr().err
    assert status("data") == 2


# Data that have fewer examples than the workload says


@pytest.mark.parametrize(("held", "examples"), [(0, 3), (1, 2)])
def test_an_epoch_has_no_more_examples_than_the_data(held: int, examples: int, tmp_path: Path) -> None:
    write_npz(tmp_path / "mine.npz")
    sets = ("layers[0].inputs=3", "layers[1].outputs=3", f"dataset.validation={held}")
    path = tmp_path / "own.yaml"
    path.write_text("kind: workload\nextends: mlp_digits\nname: own\ndataset: {name: mine, examples: 50000}\n")
    workload, data = following(load_workload(str(path), sets), tmp_path)
    assert workload.value.dataset.examples == len(data.train_x) == examples
    assert following(load_workload(str(path), (*sets, "dataset.examples=2")), tmp_path)[0].value.dataset.examples == 2
    told = fault(lambda: following(load_workload(str(path), (*sets, "dataset.examples=4")), tmp_path))
    assert "an epoch is to have 4 examples, mine has 3 for training" in told
    told = fault(lambda: following(load_workload(str(path), (*sets[:2], "dataset.validation=3")), tmp_path))
    assert "3 examples are to be held back, mine has 3 for training; make it 2 or less" in told


def test_a_file_is_given_itself_or_found_by_how_its_name_begins(tmp_path: Path) -> None:
    write_npz(tmp_path / "mine_by_another_network.npz")
    by_folder = load_data(work("mine", 3, 3, outputs=3), tmp_path)
    by_file = load_data(work("mnist", 3, 3, outputs=3), tmp_path / "mine_by_another_network.npz")
    assert by_folder.train_x.tolist() == by_file.train_x.tolist()
    assert by_folder.source == by_file.source
    assert (by_folder.name, by_file.name) == ("mine", "mine_by_another_network")
    write_npz(tmp_path / "mine_2.npz")
    told = fault(lambda: load_data(work("mine", 3, 3, outputs=3), tmp_path))
    assert "2 others may be meant: mine_2.npz, mine_by_another_network.npz; name one with --data" in told
