"""Carrying values through all events of an epoch of MNIST, against the accuracy model alone, as `train` has it.

What is carried is executed event by event, on the compiled engine, and watched as a cross-check does; the model alone
plays the timeline of a simulation that jumps what recurs.
"""

from __future__ import annotations

import time

from archsim.chip import build_chip
from archsim.functional.chip_model import ChipModel
from archsim.functional.order import Order
from archsim.functional.train import chip_model
from archsim.mapping import build_schedule, map_workload
from archsim.results.carrier import Carrier
from archsim.results.watch import Watch
from archsim.simulation import simulate
from archsim.simulation.choice import using
from archsim.simulation.events import Events
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.data import data_or_drawn
from benchmarks.report import Figure

EXAMPLES = 60_000
REPEATS = 2
CASES: tuple[tuple[str, str, list[str]], ...] = (
    ("circuit, sequential", "ambrogio_nature_2018", []),
    ("packet, pipelined 4", "ambrogio_nature_2018_packet", ["schedule.mode=pipelined", "schedule.in_flight=4"]),
)


def carry(model: ChipModel) -> None:
    """Train a model through the events."""
    carrier, watch = Carrier(model), Watch(model.schedule)

    def hear(events: Events) -> None:
        watch(events)
        carrier(events)

    simulate(model.schedule, hearer=hear)
    carrier.finish()


def alone(model: ChipModel) -> None:
    """Train a model by the timeline."""
    timeline = simulate(model.schedule, timeline=True).timeline
    assert timeline is not None
    model.play(timeline.chunks())


def engine(model: ChipModel) -> None:
    """Go through the events only."""
    simulate(model.schedule, full=True)


def measure() -> list[Figure]:
    workload = load_workload("mlp_mnist").value
    data = data_or_drawn(workload)
    order = Order(workload.dataset.examples, 1, 0)
    figures = []
    for case, arch, sets in CASES:
        chip = build_chip(load_arch(arch, sets).value)
        schedule = build_schedule(chip, map_workload(workload, chip), EXAMPLES)
        with using("compiled"):
            took: dict[str, list[float]] = {}
            for train in (alone, carry, engine) * (REPEATS + 1):
                model = chip_model(schedule, data, 0, order)
                begin = time.process_time()
                train(model)
                took.setdefault(train.__name__, []).append(time.process_time() - begin)
        least = {name: min(times[1:]) for name, times in took.items()}  # the first compile
        figures += [
            Figure(f"carry {case}: engine alone, {EXAMPLES:,} examples of {data.name}", least["engine"], "s"),
            Figure(f"carry {case}: accuracy model alone", least["alone"], "s"),
            Figure(f"carry {case}: values through the events", least["carry"], "s"),
            Figure(f"carry {case}: against the accuracy model alone", least["carry"] / least["alone"], "x", most=1.3),
        ]
    return figures
