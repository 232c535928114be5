"""Data sets: examples as arrays, read from files that the user has, checked against the network that they train."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from archsim.base.arrays import F32, I64, Array
from archsim.base.errors import Problem, SpecError, nearest
from archsim.base.registry import Registry
from archsim.base.words import counted
from archsim.functional.data_folder import FOLDER_VARIABLE, data_folder, within
from archsim.functional.data_set import Data
from archsim.functional.mnist import load_mnist, load_mnist_backrand
from archsim.functional.npz import feature_problems, group_problems, label_problems, read_npz
from archsim.functional.sequences import Flat, framed, read_characters
from archsim.functional.splits import Split, held_back, split_apart
from archsim.functional.targets import check_signs, rows_of, target_problems, value_problems
from archsim.spec.loading import Loaded
from archsim.workload import Workload

EMBEDDED = Path(__file__).parents[1] / "data_sets"
"""Where the data sets lie that the package holds, each with its licence beside it."""

Loader = Callable[[Workload, Path, int], Data]
LOADERS: Registry[Loader] = Registry("data set")
LOADERS.add("mnist")(load_mnist)
LOADERS.add("mnist_backrand")(load_mnist_backrand)


def load_data(workload: Workload, folder: Path | None = None, seed: int = 0, split: Split | None = None) -> Data:
    """Return the data set that a workload names, from `data_folder(folder)`; where that is an .npz file, its data set.

    As many examples for training as the workload says are held back for validation (see `held_back`), and of more than
    an epoch has, the first are taken; all are for testing. `seed` matters to data sets that are partly drawn, and is no
    seed of the training. A name that is not registered is that of an .npz
    file. With a `split`, parts are not the file's own, see `folds`. Raises SpecError if files are missing or wrong, or
    do not fit the network.
    """
    return _fitted(_loaded(workload, folder, seed, split), workload)


def following(
    workload: Loaded[Workload], folder: Path | None = None, seed: int = 0, splits: int | None = None
) -> tuple[Loaded[Workload], Data]:
    """Return a workload whose epoch has no more examples than the data, and what `load_data` gives for it.

    Where there are fewer than `dataset.examples` and those that are held back, an epoch has what is left; but not where
    a setting says how many it is to have. With `splits` an epoch has as many as all of these have, be that more or
    fewer, and data are the first one's. With `length: mean`, the mean is that of the examples for training, likewise.
    Raises SpecError as `load_data` does.
    """
    data = _loaded(workload.value, folder, seed, None if splits is None else Split(0, splits))
    workload = _with_an_epoch_of(data, workload, splits)
    fitted = _fitted(data, workload.value)
    return _with_the_mean_of(fitted, workload), fitted


def _with_an_epoch_of(data: Data, workload: Loaded[Workload], splits: int | None) -> Loaded[Workload]:
    own = workload.value
    left = len(data.train_y) - own.dataset.validation
    if data.tests:
        left -= max(data.tests) - data.tests[0]
    follows = left < own.dataset.examples or (splits is not None and left > own.dataset.examples)
    if left > 0 and follows and not _keys(workload) & {"dataset", "dataset.examples"}:
        return workload.with_overrides([f"dataset.examples={left}"])
    return workload


def _with_the_mean_of(data: Data, workload: Loaded[Workload]) -> Loaded[Workload]:
    own = workload.value
    if own.length == "mean" and data.train_frames is not None and "mean_steps" not in _keys(workload):
        mean = round(own.steps - float(data.train_frames.begin.mean()))
        if mean != own.mean_steps:
            return workload.with_overrides([f"mean_steps={mean}"])
    return workload


def _keys(workload: Loaded[Workload]) -> set[str]:
    """Return what settings name."""
    return {setting.partition("=")[0].strip() for setting in workload.overrides}


def _loaded(workload: Workload, folder: Path | None, seed: int, split: Split | None = None) -> Data:
    name, place = workload.dataset.name, data_folder(folder)
    if (place.name if place.is_file() else name).endswith(".txt"):
        if split is not None:
            raise SpecError.at("--splits", "a text is one, whose end is for testing", "leave it out")
        return load_text(workload, place)
    loader = LOADERS[name] if name in LOADERS and not place.is_file() else load_npz
    data = loader(workload, place, seed)
    return data if split is None else split_apart(data, split, workload.dataset.target == "class")


def load_text(workload: Workload, folder: Path) -> Data:
    """Return a text in stretches of so many steps, each character to be answered by the next; see `read_characters`."""
    path = folder if folder.is_file() else within(folder, workload.dataset.name)
    if not path.is_file():
        hint = f"say with --data FILE or DIR or {FOLDER_VARIABLE} where the file is"
        raise SpecError([Problem(f"data set '{workload.dataset.name}'", f"{path}: no such file", hint)])
    text = read_characters(workload, path)
    (train, test), y = (text.frames[part] for part in ("training", "testing")), text.labels
    return Data(text.table, y["training"], text.table, y["testing"], len(text.table), path.name, text.source,
                train_frames=train, test_frames=test)  # fmt: skip


@LOADERS.add("digits")
def load_digits(workload: Workload, folder: Path, seed: int) -> Data:
    """Return the digits that the package holds, 1,797 images of 8 x 8, pixels / 16; every fifth of a class for testing.

    The fifths are counted through all classes in turn, so that 1,438 and 359 images keep the shares of the classes
    to within one image each.
    """
    with np.load(EMBEDDED / "digits.npz", allow_pickle=False) as file:
        x, y = (file["images"] / 16).astype(np.float32), file["labels"].astype(np.int64)
    testing = np.zeros(len(y), dtype=bool)
    testing[np.argsort(y, kind="stable")[4::5]] = True
    source = (
        "Optical Recognition of Handwritten Digits, Alpaydin and Kaynak, UCI (1998), CC BY 4.0; the 1,797 images "
        "of its testing part; pixels / 16; every fifth of a class for testing"
    )
    return Data(x[~testing], y[~testing], x[testing], y[testing], 10, "digits", source)


def load_npz(workload: Workload, folder: Path, seed: int = 0) -> Data:
    """Return the data set of an .npz file: four arrays, called as one row of ARRAY_NAMES has it.

    The file is `folder` itself, or lies there as NAME.npz or, if that is missing, as the only NAME_*.npz.
    Features are numbers [n, ...], flattened. All are scaled by one range, that of the whole training part but for what
    is held back of it: (x - smallest) / (largest - smallest), for testing too, clipped to 0..1; where the workload says
    that they are signed, x / largest magnitude, clipped to -1..1. Labels are integers [n] or [n, 1]; target values are
    numbers [n] or [n, outputs], and taken as they are; where the target is the inputs, neither is needed.
    """
    path = _npz_path(workload.dataset.name, folder)
    name = path.stem if folder.is_file() else workload.dataset.name
    target, signed = workload.dataset.target, workload.dataset.signed
    arrays = read_npz(path, features_alone=target == "inputs")
    check = {"class": label_problems, "values": value_problems}.get(target)
    problems = [
        problem
        for part in ("train", "test")
        for problem in (
            *feature_problems(str(path), part, arrays[f"{part}_x"]),
            *(check(str(path), part, arrays[f"{part}_x"], arrays[f"{part}_y"]) if check else ()),
            *(group_problems(str(path), part, arrays[f"{part}_x"], arrays[f"{part}_s"]) if "train_s" in arrays else ()),
        )
    ]
    shapes = [arrays[f"{part}_x"].shape[1:] for part in ("train", "test")]
    if shapes[0] != shapes[1]:
        what = f"an example is of shape {shapes[0]} for training, {shapes[1]} for testing"
        problems.append(Problem(str(path), what, "make them equal"))
    if problems:
        raise SpecError(problems)
    if target == "class":
        y = [labels_of(arrays[f"{part}_y"]) for part in ("train", "test")]
    else:
        y = [np.zeros(len(arrays[f"{part}_x"]), dtype=np.int64) for part in ("train", "test")]
    held = workload.dataset.validation
    seen = arrays["train_x"][~held_back(y[0], held)] if held else arrays["train_x"]
    low, high = float(seen.min()), float(seen.max())
    if not 0 < high - low < math.inf:
        what = f"the features for training range from {low:g} to {high:g}, and cannot be scaled to 0..1"
        raise SpecError([Problem(str(path), what, "give features that differ, within the range of doubles")])
    zero, most = (0.0, max(-low, high)) if signed else (low, high)

    def scaled(x: Array) -> F32:
        flat: Array = x.reshape(len(x), -1).astype(np.float32 if x.dtype.itemsize == 1 else np.float64)
        with np.errstate(over="ignore"):  # of what is not trained alone, and clipped
            return np.clip((flat - zero) / (most - zero), -1 if signed else 0, 1).astype(np.float32)

    part = "the training part" + (" without what is held back" if held else "")
    source = f"{path.name}; features scaled from {low:g}..{high:g}, the range of {part}, to 0..1"
    if signed:
        source = f"{path.name}; features divided by {most:g}, the largest magnitude of {part}"
    x = [scaled(arrays[f"{part}_x"]) for part in ("train", "test")]
    groups: I64 | None = None
    if "train_s" in arrays:
        of_whom = np.concatenate([arrays[f"{part}_s"] for part in ("train", "test")])
        groups = np.unique(of_whom, return_inverse=True)[1].astype(np.int64)
    if target == "class":
        lengths = [arrays[f"{part}_n"].reshape(-1).astype(np.int64) for part in ("train", "test")
                   if f"{part}_n" in arrays]  # fmt: skip
        return Data(x[0], y[0], x[1], y[1], int(y[0].max()) + 1, name, source,
                    lengths=(lengths[0], lengths[1]) if lengths else None,
                    groups=groups, vectors=shapes[0][0] if len(shapes[0]) == 2 else 0)  # fmt: skip
    t = [rows_of(arrays[f"{part}_y"]) if target == "values" else None for part in ("train", "test")]
    return Data(x[0], y[0], x[1], y[1], 0, name, source, t[0], t[1], groups=groups)


def labels_of(y: Array) -> I64:
    """Return labels as int64 [examples], or [examples, steps]."""
    return y.astype(np.int64) if y.ndim == 2 and y.shape[1] > 1 else y.reshape(-1).astype(np.int64)


def _npz_path(name: str, folder: Path) -> Path:
    if folder.is_file():
        return folder
    file = name if name.endswith(".npz") else f"{name}.npz"
    path = within(folder, file)
    if path.is_file():
        return path
    begun = name.removesuffix(".npz") + "_"
    like = [each for each in sorted(path.parent.glob("*.npz")) if each.name.startswith(begun)]
    if len(like) == 1:
        return like[0]
    if like:
        what = f"{path}: no such file, and {counted(len(like), 'other')} may be meant: "
        raise SpecError.at(f"data set '{name}'", what + ", ".join(each.name for each in like), "name one with --data")
    where = "no such file" if folder.is_dir() or Path(file).is_absolute() else f"no such file, and no folder {folder}"
    hint = f"{nearest(name, LOADERS)}, or say with --data FILE or DIR or {FOLDER_VARIABLE} where the file is"
    raise SpecError([Problem(f"data set '{name}'", f"{path}: {where}", hint)])


def _fitted(data: Data, workload: Workload) -> Data:
    """Return the examples of an epoch, those held back, and all for testing.

    Raises SpecError if they do not fit the network.
    """
    first, last, wanted = workload.layers[0], workload.layers[-1], workload.dataset.examples
    if workload.steps > 1:
        data = _in_steps(data, workload)
    problems = [*_too_few(workload, data.name, len(data.train_y))]
    features = data.train_x.shape[1]
    if features != first.inputs:
        has = counted(features, "feature")
        what = f"layer {first.name} has {counted(first.inputs, 'input')}, an example of {data.name} has {has}"
        problems.append(Problem(f"{workload.name}: layers[0].inputs", what, f"make it {features}"))
    if not len(data.test_y):
        problems.append(Problem(f"data set '{data.name}'", "there are no examples for testing", "give some"))
    else:
        for x in (data.train_x, data.test_x):
            check_signs(workload, x)
    if workload.dataset.target == "inputs":
        data = replace(data, train_t=data.train_x, test_t=data.test_x)
    elif workload.dataset.target == "class":
        data = replace(data, train_t=None, test_t=None)
    labels = {"training": data.train_y, "testing": data.test_y}
    values = None if data.train_t is None or data.test_t is None else {"training": data.train_t, "testing": data.test_t}
    problems += target_problems(workload, data.name, labels, values)
    if problems:
        raise SpecError(problems)
    every, validation = data.training, None
    if workload.dataset.validation:
        plain = workload.dataset.target == "class" and data.train_y.ndim == 1
        held = held_back(data.train_y if plain else np.zeros(len(data.train_y), dtype=np.int64),
                         workload.dataset.validation)  # fmt: skip
        if workload.stateful:  # what goes on from what is trained must not be among it
            held = np.arange(len(held)) >= len(held) - np.count_nonzero(held)
        every, validation = every.taken(np.flatnonzero(~held)[:wanted]), every.taken(held)
    x, y, t, frames = every.taken(slice(wanted))
    return replace(data, train_x=x, train_y=y, train_t=t, train_frames=frames, classes=last.outputs,
                   validation=validation)  # fmt: skip


def _in_steps(data: Data, workload: Workload) -> Data:
    """Return a data set whose examples have the steps of a network; raise SpecError where they do not fit."""
    if data.train_frames is None:
        n = data.lengths or (None, None)
        flat = {"training": Flat(data.train_x, n[0]), "testing": Flat(data.test_x, n[1])}
        found = framed(workload, data.name, flat, data.vectors)
        (train_x, train), (test_x, test) = found["training"], found["testing"]
        data = replace(data, train_x=train_x, test_x=test_x, train_frames=train, test_frames=test, lengths=None)
    last, shape = workload.layers[-1], data.train_y.shape[1:]
    answered = len(last.vectors(workload))
    if shape not in ((answered,), () if answered == 1 else (answered,)):
        have = f"{counted(shape[0], 'label')} for each example" if shape else "one label for each example"
        hint = "give it at: last_step" if answered > 1 else "leave out its at: last_step"
        what = f"layer {last.name} answers {counted(answered, 'time')}, {data.name} has {have}"
        raise SpecError.at(f"{workload.name}: layers[{len(workload.layers) - 1}].at", what, hint)
    if workload.stateful and data.train_frames is not None and data.train_frames.begin.any():
        what = f"examples of {data.name} are of different length, and a stateful network goes on from each to the next"
        raise SpecError.at(f"{workload.name}: stateful", what, "leave it out, or give stretches of a text")
    return data


def _too_few(workload: Workload, name: str, there: int) -> Iterator[Problem]:
    """Yield what is wrong where a data set has fewer examples for training than a workload trains and holds back."""
    wanted, held = workload.dataset.examples, workload.dataset.validation
    if held >= there > 0:
        what = f"{counted(held, 'example')} are to be held back, {name} has {there:,} for training"
        hint = f"make it {there - 1} or less, so that some are left to be trained"
        yield Problem(f"{workload.name}: dataset.validation", what, hint)
    elif there < wanted + held:
        what = f"an epoch is to have {counted(wanted, 'example')}, {name} has {there:,} for training"
        what += f", of which dataset.validation holds {held:,} back" if held else ""
        hint = f"make it {there - held} or less" + (", or give a smaller dataset.validation" if held else "")
        yield Problem(f"{workload.name}: dataset.examples", what, hint)
