"""Actions per second of the engine, against bare SimPy doing request, hold and release on as many units."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import simpy

from archsim.chip import build_chip
from archsim.mapping import build_schedule, map_workload
from archsim.simulation import simulate
from archsim.simulation.dwell import forget
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.report import Figure

EXAMPLES = 2_000
REPEATS = 5
CASES = (
    ("circuit, sequential", "ambrogio_nature_2018", []),
    ("packet, sequential", "ambrogio_nature_2018_packet", []),
    ("circuit, pipelined 4", "ambrogio_nature_2018", ["schedule.mode=pipelined", "schedule.in_flight=4"]),
    ("bus, pipelined 4", "ambrogio_nature_2018_bus", ["schedule.mode=pipelined", "schedule.in_flight=4"]),
)


def bare(units: int, processes: int, actions: int) -> float:
    """Return the actions per second of processes that request, hold and release the units in turn."""
    env = simpy.Environment()
    resources = [simpy.Resource(env) for _ in range(units)]

    def worker(first: int) -> Iterator[Any]:
        for i in range(actions // processes):
            with resources[(first + i) % units].request() as request:
                yield request
                yield env.timeout(5)

    for i in range(processes):
        env.process(worker(i))
    begin = time.perf_counter()
    env.run()
    return actions // processes * processes / (time.perf_counter() - begin)


def measure() -> list[Figure]:
    figures = []
    for name, arch, sets in CASES:
        chip = build_chip(load_arch(arch, sets).value)
        mapping = map_workload(load_workload("mlp_mnist").value, chip)
        schedule = build_schedule(chip, mapping, EXAMPLES)
        contended = {unit for op in schedule.ops for stage in op.stages for unit in stage.acquire}
        rates: list[tuple[float, float, float]] = []
        for _ in range(REPEATS):
            forget()
            begin = time.perf_counter()
            trace = simulate(schedule, full=True)
            seconds = time.perf_counter() - begin
            held = sum(entry.grants * len(entry.stage.acquire) for entry in trace.stages)
            rates.append((trace.events / seconds, held / seconds, bare(len(contended), 8, trace.events)))
        actions, acquisitions, simple = (max(column) for column in zip(*rates, strict=True))
        figures += [
            Figure(f"engine {name}: actions", actions, "1/s"),
            Figure(f"engine {name}: units acquired", acquisitions, "1/s"),
            Figure(f"engine {name}: bare SimPy, {len(contended)} units", simple, "1/s"),
            Figure(f"engine {name}: actions against bare SimPy", actions / simple, "x", least=0.7),
        ]
    return figures
