"""One epoch of MNIST on the chip in numbers, everything on, against one in floating point in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from archsim.chip import build_chip
from archsim.functional.floating_point import train_float
from archsim.functional.functions import functions_of
from archsim.functional.order import Order
from archsim.functional.targets import targets_or_none
from archsim.functional.train import Training
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.schedule import Schedule
from archsim.simulation import simulate
from archsim.simulation.timeline import Timeline
from archsim.spec.loading import load_arch
from archsim.workload import Workload, load_workload
from benchmarks.data import data_or_drawn
from benchmarks.earlier_baseline import earlier_train_float
from benchmarks.report import Figure

REPEATS = 3
RESISTIVE = "tile.array.wires.row=0.35 ohm", "tile.array.wires.col=0.35 ohm"


def measure() -> list[Figure]:
    workload = load_workload("mlp_mnist").value
    data, examples = data_or_drawn(workload), workload.dataset.examples
    order, functions = Order(examples, 1, 0)[:], functions_of(workload)
    plain, resistive = (_schedule(workload, settings) for settings in ((), RESISTIVE))

    def in_float(kernel: Callable[..., object] = train_float) -> Callable[[], object]:
        baseline = Training(plain[0], data).baseline
        assert baseline is not None
        weights = baseline.weights
        rate, batch, t = workload.training.learning_rate, workload.training.batch, targets_or_none(data.train_x, None)
        return lambda: kernel(weights, functions, data.train_x, data.train_y, t, order, rate, batch)

    def on_chip(schedule: Schedule, timeline: Timeline) -> Callable[[], object]:
        model = Training(schedule, data).model
        return lambda: model.play(timeline.chunks())

    # Once to compile, then in turn; what is made anew for an epoch is not counted, and neither is testing.
    ways = (lambda: on_chip(*plain), lambda: on_chip(*resistive), in_float, lambda: in_float(earlier_train_float))
    seconds = [[seconds_of(build()) for build in ways] for _ in range(1 + REPEATS)][1:]
    chip_s, resistive_s, float_s, earlier_s = (min(column) for column in zip(*seconds, strict=True))
    what = "" if data.name == "mnist" else f", {data.name}"
    return [
        Figure(f"training: an epoch on the chip, everything on{what}", chip_s, "s"),
        Figure(f"training: an epoch on the chip with resistive lines{what}", resistive_s, "s"),
        Figure(f"training: an epoch in floating point{what}", float_s, "s"),
        Figure(f"training: the chip against floating point{what}", chip_s / float_s, "x", most=2.0),
        Figure(f"training: the chip with resistive lines against it{what}", resistive_s / float_s, "x", most=3.0),
        Figure(f"training: the baseline's kernel against its earlier one{what}", float_s / earlier_s, "x", most=1.0),
    ]


def _schedule(workload: Workload, settings: Sequence[str]) -> tuple[Schedule, Timeline]:
    chip = build_chip(load_arch("ambrogio_nature_2018", settings).value)
    schedule = build_schedule(chip, map_workload(workload, chip), workload.dataset.examples)
    timeline = simulate(schedule, timeline=True).timeline
    assert timeline is not None
    return schedule, timeline


def seconds_of(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin
