"""Actions per second of the engines.

That of SimPy is set against bare SimPy, which requests, holds and releases as many units; the compiled one against that
of SimPy. Every action is executed, and both have as many.
"""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Generator, Iterator
from typing import Any

import simpy

from archsim.chip import build_chip
from archsim.mapping import build_schedule, map_workload
from archsim.mapping.schedule import Schedule
from archsim.simulation import Trace, simulate
from archsim.simulation.choice import using
from archsim.simulation.compiled import compile_loop
from archsim.simulation.dwell import forget
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.report import Figure

EXAMPLES = 2_000
REPEATS = 5
CASES: tuple[tuple[str, str, list[str]], ...] = (
    ("circuit, sequential", "ambrogio_nature_2018", []),
    ("packet, sequential", "ambrogio_nature_2018_packet", []),
    ("circuit, pipelined 4", "ambrogio_nature_2018", ["schedule.mode=pipelined", "schedule.in_flight=4"]),
    ("bus, pipelined 4", "ambrogio_nature_2018_bus", ["schedule.mode=pipelined", "schedule.in_flight=4"]),
)


def bare(units: int, processes: int, actions: int) -> float:
    """Return the actions per second of processes that request, hold and release the units in turn."""
    env = simpy.Environment()
    resources = [simpy.Resource(env) for _ in range(units)]

    def worker(first: int) -> Generator[Any, Any, None]:
        for i in range(actions // processes):
            with resources[(first + i) % units].request() as request:
                yield request
                yield env.timeout(5)

    for i in range(processes):
        env.process(worker(i))
    begin = time.perf_counter()
    env.run()
    return actions // processes * processes / (time.perf_counter() - begin)


def rate(schedule: Schedule, engine: str) -> tuple[float, Trace]:
    """Return the actions per second of an engine that executes every one of them, and the trace."""
    forget()
    begin = time.perf_counter()
    with using(engine):
        trace = simulate(schedule, full=True)
    return trace.events / (time.perf_counter() - begin), trace


def peak_bytes(arch: str, sets: list[str], work: str, examples: int, engine: str) -> int:
    """Return the peak memory of this process after a run, with the compiled loop in it."""
    compile_loop()
    chip = build_chip(load_arch(arch, sets).value)
    rate(build_schedule(chip, map_workload(load_workload(work).value, chip), examples), engine)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory(*run: Any) -> float:
    """Return the peak memory of a process that runs the compiled engine, in that of one that runs SimPy's."""
    found = []
    for engine in ("compiled", "simpy"):
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            found.append(pool.apply(peak_bytes, (*run, engine)))
    return found[0] / found[1]


def measure() -> list[Figure]:
    return [*against_bare(), *compiled()]


def compiled() -> Iterator[Figure]:
    """Yield actions per second of the compiled engine, and how many times those of SimPy's in the same run."""
    for name, arch, sets, work, examples, least in (
        *((name, arch, sets, "mlp_mnist", EXAMPLES, 25.0) for name, arch, sets in CASES),
        (
            "packet, 1,024 tiles",
            "pcm64_packet_mesh_32nm",
            ["tile.count=1024", "floorplan.columns=32"],
            "fc_alexnet",
            2,
            10.0,
        ),
    ):
        chip = build_chip(load_arch(arch, sets).value)
        mapping = map_workload(load_workload(work).value, chip)
        short, long = (build_schedule(chip, mapping, count) for count in (examples, 20 * examples))
        rate(short, "compiled")  # loaded, or compiled
        yield Figure(f"compiled engine, {name}: peak memory against SimPy's", memory(arch, sets, work, examples), "x",
                     most=1.2)  # fmt: skip
        rates = []
        for _ in range(REPEATS):
            slow, trace = rate(short, "simpy")
            assert rate(short, "compiled")[1].events == trace.events
            quick, more = rate(long, "compiled")
            assert more.events >= 20 * trace.events * 0.98  # an example has so many, transfers apart
            rates.append((quick, slow))
        quick, slow = (max(column) for column in zip(*rates, strict=True))
        yield Figure(f"compiled engine, {name}: actions", quick, "1/s")
        yield Figure(f"compiled engine, {name}: actions against SimPy's engine", quick / slow, "x", least=least)


def against_bare() -> list[Figure]:
    figures = []
    for name, arch, sets in CASES:
        chip = build_chip(load_arch(arch, sets).value)
        mapping = map_workload(load_workload("mlp_mnist").value, chip)
        schedule = build_schedule(chip, mapping, EXAMPLES)
        contended = {unit for op in schedule.ops for stage in op.stages for unit in stage.acquire}
        rates: list[tuple[float, float, float]] = []
        for _ in range(REPEATS):
            own, trace = rate(schedule, "simpy")
            held = sum(entry.grants * len(entry.stage.acquire) for entry in trace.stages)
            rates.append((own, own * held / trace.events, bare(len(contended), 8, trace.events)))
        actions, acquisitions, simple = (max(column) for column in zip(*rates, strict=True))
        figures += [
            Figure(f"engine {name}: actions", actions, "1/s"),
            Figure(f"engine {name}: units acquired", acquisitions, "1/s"),
            Figure(f"engine {name}: bare SimPy, {len(contended)} units", simple, "1/s"),
            Figure(f"engine {name}: actions against bare SimPy", actions / simple, "x", least=0.7),
        ]
    return figures
