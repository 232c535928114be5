"""MNIST, as it is or on random backgrounds, from the four IDX files that a user has."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np

from archsim.base.arrays import F32
from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.functional.data_folder import FOLDER_VARIABLE, data_folder
from archsim.functional.data_set import Data
from archsim.functional.idx import Bytes, read_idx, times
from archsim.workload import Workload

# The two parts of MNIST, images and labels (Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database").
MNIST_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
MNIST_SIDE = 28  # pixels, as the files have them


def load_mnist(workload: Workload, folder: Path, seed: int) -> Data:
    """Return MNIST: 60,000 and 10,000 images, pixels / 255, all of them or a middle, as 22 x 24 for 528 inputs."""
    return _mnist(workload, folder, "MNIST, LeCun et al., Proc. IEEE 86, 2278 (1998)")


def load_mnist_backrand(workload: Workload, folder: Path, seed: int) -> Data:
    """Return MNIST on random backgrounds, made after mnist-back-rand of Larochelle et al., ICML 2007, 473.

    The authors' page of it says: "a random background was inserted in the digit image. Each pixel value of the
    background was generated uniformly between 0 and 255". Here the background are the pixels without ink (0); one
    with any ink keeps its value, also where the noise would be brighter. What was done at the grey edges of a digit
    is not said, so this is an assumption. The authors drew 12,000 and 50,000 images; here MNIST's own parts are kept.

    Image i of a part takes the i-th 28 x 28 draws of a generator keyed by (seed, "backrand", part).
    """
    source = (
        "MNIST with random backgrounds after Larochelle et al., ICML 2007, 473: pixels without ink replaced by uniform "
        f"integers 0..255 (seed {seed})"
    )
    return _mnist(workload, folder, source, seed)


def with_random_background(images: Bytes, seed: int, part: int) -> Bytes:
    """Return images [n, rows, columns] with each pixel of value 0 replaced by a uniform integer in 0..255.

    The i-th image takes the i-th draws of a generator keyed by (seed, "backrand", part), whatever the images are.
    """
    generator = np.random.default_rng([seed, int.from_bytes(b"backrand", "big"), part])
    noise = generator.integers(0, 256, size=images.shape, dtype=np.uint8)
    return np.where(images == 0, noise, images)


def _mnist(workload: Workload, folder: Path, source: str, background: int | None = None) -> Data:
    """Return MNIST as `source` names it, cropped, on random backgrounds where these have a seed; pixels / 255."""
    rows, columns = _mnist_crop(workload)
    train_x, train_y, test_x, test_y = _mnist_arrays(folder)

    def pixels(images: Bytes, part: int) -> F32:
        images = images if background is None else with_random_background(images, background, part)
        kept = images[:, rows : MNIST_SIDE - rows, columns : MNIST_SIDE - columns]
        return np.divide(kept.reshape(len(kept), kept.shape[1] * kept.shape[2]), 255, dtype=np.float32)

    source += "; pixels / 255"
    if rows or columns:
        source += f"; cropped to {MNIST_SIDE - 2 * rows} x {MNIST_SIDE - 2 * columns}"
    name, y = workload.dataset.name, (train_y.astype(np.int64), test_y.astype(np.int64))
    return Data(pixels(train_x, 0), y[0], pixels(test_x, 1), y[1], 10, name, source)


def _mnist_crop(workload: Workload) -> tuple[int, int]:
    """Return how many rows and columns are cut from each side: none, or those of the spec for so many inputs."""
    first, rows, columns = workload.layers[0], workload.dataset.cut_rows, workload.dataset.cut_columns
    if first.inputs == MNIST_SIDE**2:
        return 0, 0
    height, width = max(0, MNIST_SIDE - 2 * rows), max(0, MNIST_SIDE - 2 * columns)
    if first.inputs != height * width:
        name, size = workload.dataset.name, height * width
        what = f"layer {first.name} has {counted(first.inputs, 'input')}, {name} gives 784 pixels or {size} of them"
        hint = f"make it 784 (28 x 28), or {size} (cropped to {height} x {width} by dataset.cut_rows and cut_columns)"
        raise SpecError([Problem(f"{workload.name}: layers[0].inputs", what, hint)])
    return rows, columns


def _mnist_arrays(folder: Path) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Return images and labels for training, then for testing; raise SpecError with all that is wrong."""
    paths = _mnist_paths(folder)
    arrays: dict[str, Bytes] = {}
    problems: list[Problem] = []
    for names in MNIST_FILES.values():
        for name, dimensions in zip(names, (3, 1), strict=True):
            try:
                arrays[name] = read_idx(paths[name], dimensions)
            except SpecError as error:
                problems += error.problems
    for images, labels in MNIST_FILES.values():
        if images in arrays and arrays[images].shape[1:] != (MNIST_SIDE, MNIST_SIDE):
            what = f"the images are {times(arrays[images].shape[1:])}, not 28 x 28"
            problems.append(Problem(str(paths[images]), what, _fetch_hint(folder)))
        if images in arrays and labels in arrays and len(arrays[images]) != len(arrays[labels]):
            named = counted(len(arrays[labels]), "label")
            what = f"{counted(len(arrays[images]), 'image')}, but {named} in {paths[labels].name}"
            problems.append(Problem(str(paths[images]), what, _fetch_hint(folder)))
    if problems:
        raise SpecError(problems)
    (train_x, train_y), (test_x, test_y) = MNIST_FILES.values()
    return arrays[train_x], arrays[train_y], arrays[test_x], arrays[test_y]


def _mnist_paths(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise SpecError([Problem(str(folder), "no such folder; MNIST was to be read from it", _fetch_hint(folder))])
    places = (folder, folder / "mnist")
    names = [name for pair in MNIST_FILES.values() for name in pair]
    candidates = {name: [place / (name + end) for place in places for end in (".gz", "")] for name in names}
    found = {name: next((path for path in paths if path.is_file()), None) for name, paths in candidates.items()}
    missing = [f"{name}[.gz]" for name, path in found.items() if path is None]
    if missing:
        what = f"neither there nor in {places[1]}: {', '.join(missing)}"
        raise SpecError([Problem(str(folder), what, _fetch_hint(folder))])
    return {name: path for name, path in found.items() if path is not None}


def _fetch_hint(folder: Path) -> str:
    where = "" if folder == data_folder() else f" --data {shlex.quote(str(folder))}"
    return f"fetch it with `archsim data fetch mnist{where}`, or say with --data DIR or {FOLDER_VARIABLE} where it is"
