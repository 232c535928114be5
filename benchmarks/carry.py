"""Carrying values through the event engine, against the engine alone in full and the model alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from archsim.chip import build_chip
from archsim.functional.carrier import Carrier
from archsim.functional.chip_model import ChipModel
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.mapping import build_schedule, map_workload
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.data import data_or_drawn
from benchmarks.report import Figure

EXAMPLES = 16_000  # two transfer intervals
CASES = (
    ("circuit, sequential", "ambrogio_nature_2018", []),
    ("packet, pipelined 4", "ambrogio_nature_2018_packet", ["schedule.mode=pipelined", "schedule.in_flight=4"]),
)


def measure() -> list[Figure]:
    workload = load_workload("mlp_mnist").value
    data = data_or_drawn(workload)
    name = data.name
    order = Order(workload.dataset.examples, 1, 0)
    figures = []
    for case, arch, sets in CASES:
        chip = build_chip(load_arch(arch, sets).value)
        schedule = build_schedule(chip, map_workload(workload, chip), EXAMPLES)
        timeline = simulate(schedule, timeline=True).timeline
        assert timeline is not None

        def model(schedule: Any = schedule) -> ChipModel:
            return chip_model(schedule, data, 0, order)

        def carry(schedule: Any = schedule, model: Callable[[], ChipModel] = model) -> float:
            carrier = Carrier(model())
            begin = time.perf_counter()
            simulate(schedule, observer=carrier)
            carrier.finish()
            return time.perf_counter() - begin

        def alone(timeline: Any = timeline, model: Callable[[], ChipModel] = model) -> float:
            own = model()
            begin = time.perf_counter()
            own.play(timeline.chunks())
            return time.perf_counter() - begin

        alone()  # compiles
        begin = time.perf_counter()
        simulate(schedule, full=True)
        engine = time.perf_counter() - begin
        numbers, both = min(alone() for _ in range(2)), min(carry() for _ in range(2))
        figures += [
            Figure(f"carry {case}: engine alone, {EXAMPLES:,} examples of {name}", engine, "s"),
            Figure(f"carry {case}: model alone", numbers, "s"),
            Figure(f"carry {case}: values through the events", both, "s"),
            Figure(f"carry {case}: against engine and model", both / (engine + numbers), "x", most=3.0),
        ]
    return figures
