"""One epoch of an LSTM over spoken digits on the chip in numbers, everything on, against one in floating point."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from archsim.base.errors import SpecError
from archsim.chip import build_chip
from archsim.functional.data_set import Data
from archsim.functional.datasets import FOLDER_VARIABLE, load_data
from archsim.functional.sequences import Frames
from archsim.functional.train import Training
from archsim.mapping import build_schedule, map_workload
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.workload import Workload, load_workload
from benchmarks.report import Figure
from benchmarks.training import REPEATS, SHARED, seconds_of

MEAN_STEPS = 17  # frames of a recording in the mean, of 48: counted


def measure() -> list[Figure]:
    workload = load_workload("lstm_fsdd").value
    chip = build_chip(load_arch("ambrogio_nature_2018_recurrent").value)
    data = _data(workload)
    schedule = build_schedule(chip, map_workload(workload, chip), workload.dataset.examples)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None

    def on_chip() -> Callable[[], object]:
        model = Training(schedule, data, compared=False).model
        return lambda: model.play(timeline.chunks())

    def in_float() -> Callable[[], object]:
        baseline = Training(schedule, data).baseline
        assert baseline is not None
        return lambda: baseline.train(0)

    # Once to compile, then in turn; what is made anew for an epoch is not counted, and neither is testing.
    seconds = [[seconds_of(build()) for build in (on_chip, in_float)] for _ in range(1 + REPEATS)][1:]
    chip_s, float_s = (min(column) for column in zip(*seconds, strict=True))
    what = "" if data.name == workload.dataset.name else f", {data.name}"
    return [
        Figure(f"recurrent: an epoch of the LSTM on the chip, everything on{what}", chip_s, "s"),
        Figure(f"recurrent: an epoch of the LSTM in floating point{what}", float_s, "s"),
        Figure(f"recurrent: the chip against floating point{what}", chip_s / float_s, "x", most=3.0),
    ]


def _data(workload: Workload) -> Data:
    """Return spoken digits as `benchmarks.training` finds MNIST; else sequences as long in the mean, of no meaning."""
    try:
        return load_data(workload, None if os.environ.get(FOLDER_VARIABLE) else SHARED)
    except SpecError:
        draws = np.random.default_rng(0)
        inputs, steps, examples = workload.layers[0].inputs, workload.steps, workload.dataset.examples
        begin = steps - draws.integers(1, 2 * MEAN_STEPS, examples)
        begin[0] = 0
        rows = np.arange(examples * steps, dtype=np.int32).reshape(examples, steps)
        x = draws.random((examples * steps, inputs), dtype=np.float32)
        y, frames = draws.integers(0, 10, examples), Frames(rows, begin)
        return Data(x, y, x, y, 10, "synthetic sequences", "drawn", train_frames=frames, test_frames=frames)
