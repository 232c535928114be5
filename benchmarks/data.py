"""The data that benchmarks train: the user's, or drawn ones of the same shape that mean nothing."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from archsim.base.errors import SpecError
from archsim.functional.data_folder import FOLDER_VARIABLE
from archsim.functional.data_set import Data
from archsim.functional.datasets import load_data
from archsim.functional.sequences import Frames
from archsim.workload import Workload

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where data are looked for unless ARCHSIM_DATA says where."""
INK = 0.281  # share of the pixels that are not 0 in the middle 22 x 24 of MNIST's training images: counted
MEAN_STEPS = 17  # frames of a spoken digit in the mean, of 48: counted


def folder_of_data() -> Path | None:
    """Return the folder to look in; None where ARCHSIM_DATA names one, or there is none beside."""
    return None if os.environ.get(FOLDER_VARIABLE) or not BESIDE.is_dir() else BESIDE


def data_or_drawn(workload: Workload) -> Data:
    """Return a workload's data where they are found; else images with as much ink, or sequences as long in the mean."""
    try:
        return load_data(workload, folder_of_data())
    except SpecError:
        return _sequences(workload) if workload.steps > 1 else _images(workload)


def _images(workload: Workload) -> Data:
    draws = np.random.default_rng(0)
    inputs, examples, outputs = workload.layers[0].inputs, workload.dataset.examples, workload.layers[-1].outputs
    x = draws.random((examples, inputs), dtype=np.float32)
    x *= draws.random((examples, inputs), dtype=np.float32) < INK
    y = draws.integers(0, outputs, examples)
    return Data(x, y, x[:1000], y[:1000], outputs, "synthetic images", "drawn")


def _sequences(workload: Workload) -> Data:
    draws = np.random.default_rng(0)
    inputs, steps, examples = workload.layers[0].inputs, workload.steps, workload.dataset.examples
    outputs = workload.layers[-1].outputs
    begin = steps - draws.integers(1, 2 * MEAN_STEPS, examples)
    begin[0] = 0
    rows = np.arange(examples * steps, dtype=np.int32).reshape(examples, steps)
    x = draws.random((examples * steps, inputs), dtype=np.float32)
    y, frames = draws.integers(0, outputs, examples), Frames(rows, begin)
    return Data(x, y, x, y, outputs, "synthetic sequences", "drawn", train_frames=frames, test_frames=frames)
