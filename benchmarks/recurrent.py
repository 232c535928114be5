"""One epoch of an LSTM over spoken digits on the chip in numbers, everything on, against one in floating point."""

from __future__ import annotations

from collections.abc import Callable

from archsim.chip import build_chip
from archsim.functional.train import Training
from archsim.mapping import build_schedule, map_workload
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.data import data_or_drawn
from benchmarks.report import Figure
from benchmarks.training import REPEATS, seconds_of


def measure() -> list[Figure]:
    workload = load_workload("lstm_fsdd").value
    chip = build_chip(load_arch("ambrogio_nature_2018_recurrent").value)
    data = data_or_drawn(workload)
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
