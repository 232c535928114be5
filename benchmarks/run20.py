"""20 epochs of MNIST on the reference chip: the whole command, and the simulation against `--full`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from archsim.chip import build_chip
from archsim.mapping import build_schedule, map_workload
from archsim.results.intervals import of_run
from archsim.simulation import simulate
from archsim.simulation.dwell import forget
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.report import Figure

FULL_EXAMPLES = 16_000  # two intervals, transfers included: what the full run repeats 75 times


def measure() -> list[Figure]:
    figures: list[Figure] = []
    for policy in ("stop_all", "staggered", "interleaved"):
        setting = f"schedule.transfer.policy={policy}"
        with tempfile.TemporaryDirectory() as folder:
            words = ["run", "ambrogio_nature_2018", "mlp_mnist", "--set", setting, "--out", str(Path(folder) / "out")]
            begin = time.perf_counter()
            subprocess.run([sys.executable, "-m", "archsim", *words, "--quiet"], check=True)
            most = 1.3 if policy == "stop_all" else 5.0  # as the chip is shipped, and others
            figures.append(Figure(f"run20 {policy}: whole command", time.perf_counter() - begin, "s", most=most))
        workload = load_workload("mlp_mnist").value
        chip = build_chip(load_arch("ambrogio_nature_2018", [setting]).value)
        mapping = map_workload(workload, chip)
        seconds = []
        for _ in range(3):
            schedule = build_schedule(chip, mapping, workload.examples)
            forget()
            begin = time.perf_counter()
            trace = simulate(schedule)
            seconds.append(time.perf_counter() - begin)
        share = 100 * trace.examples_simulated / trace.examples
        figures.append(Figure(f"run20 {policy}: examples simulated event by event", share, "%", most=1.0))
        schedule = build_schedule(chip, mapping, FULL_EXAMPLES)
        forget()
        begin = time.perf_counter()
        simulate(schedule, full=True)
        full = (time.perf_counter() - begin) * workload.examples / FULL_EXAMPLES
        figures.append(Figure(f"run20 {policy}: simulation", min(seconds), "s"))
        figures.append(Figure(f"run20 {policy}: simulation by --full, from {FULL_EXAMPLES:,} examples", full, "s"))
        figures.append(Figure(f"run20 {policy}: faster than --full", full / min(seconds), "x", least=300.0))
    return [*figures, intervals()]


def intervals() -> Figure:
    """How long the 200 draws of the reference's run take, which are billed anew from its counters."""
    arch, workload = load_arch("ambrogio_nature_2018"), load_workload("mlp_mnist").value
    chip = build_chip(arch.value)
    trace = simulate(build_schedule(chip, map_workload(workload, chip), workload.examples))
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        of_run(arch, trace, None, {})
        seconds.append(time.perf_counter() - begin)
    return Figure("run20: intervals", min(seconds), "s", most=0.2)
