"""What makes a chip ready, and searches that make many: a candidate, 1,000 of them, a sweep's points; growth.

A candidate is made, mapped, scheduled, simulated and billed as a search does it; what comes before its simulation is
set against that, too. Processor time counts, the best of several; of whole commands, seconds.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from archsim.chip import build_chip
from archsim.mapping import build_schedule, map_workload
from archsim.results.evaluate import headline_metrics
from archsim.simulation import simulate
from archsim.simulation.choice import using
from archsim.spec.arch import ArchSpec
from archsim.spec.loading import Loaded, load_arch
from archsim.studies.enlarging import enlargement
from archsim.workload import Workload, load_workload
from benchmarks.report import Figure

CHIP, WORK, EXAMPLES = "pcm64_mesh_32nm", "mlp_wide", 2000
REPEATS, FIRST = 20, 4  # candidates; what comes with the first of them is not a candidate's own
JOBS = 2
SEARCHED, SEARCH = 150, 1000  # of 185 points; a search ranks all points by a guess first
SWEPT = (
    "schedule.transfer.policy=stop_all,staggered,interleaved",
    "schedule.transfer.interval_examples=2000..10000:+{step}",
    "schedule.transfer.rows_in_parallel=1..100:+11",
)
FEW, MANY, WHOLE = 2000, 160, 10_000
"""Steps of the interval in a sweep that shows how long it takes to start, and in one of more points; points of a whole
one, of which these tell."""
WIDTHS = {1024: 8_000, 4096: 16_300, 16_384: 32_600}
"""Of a network's five layers, by the tiles of 512 x 512 that they fill."""


def measure() -> Iterator[Figure]:
    yield from candidates()
    yield from searches()
    yield from growth()


def candidates() -> Iterator[Figure]:
    """Yield the time of a candidate of 64 tiles by its placement, and that before its simulation against it."""
    given, workload = load_arch(CHIP), load_workload(WORK).value
    for placement, most in (("greedy", 25.0), ("annealed", 100.0)):
        best = dict.fromkeys(("specs to figures", "of it the schedule", "of it the simulation"), math.inf)
        with using("compiled"):
            for columns in range(2, 2 + REPEATS):
                sets = (f"placement={placement}", f"floorplan.columns={columns}")
                for name, seconds in _candidate(given, sets, workload).items():
                    if columns > FIRST:
                        best[name] = min(best[name], seconds)
        for name, seconds in best.items():
            limit = most if name == "specs to figures" else None
            yield Figure(f"candidate of 64 tiles, {placement}: {name}", 1000 * seconds, "ms", most=limit)


def _candidate(given: Loaded[ArchSpec], sets: tuple[str, ...], workload: Workload) -> dict[str, float]:
    """Return the processor time of a candidate that was never had before, and of two of its parts."""
    chip = build_chip(given.with_overrides(sets).value)
    mapping = map_workload(workload, chip)
    begin = time.process_time()
    schedule = build_schedule(chip, mapping, EXAMPLES)
    scheduled = time.process_time()
    simulate(schedule)
    simulated = time.process_time()
    other = (*sets, "floorplan.white_space=0.11")  # another floorplan, as what the first took is kept
    again = time.process_time()
    headline_metrics(given.with_overrides(other).value, workload, EXAMPLES)
    return {"specs to figures": time.process_time() - again, "of it the schedule": scheduled - begin,
            "of it the simulation": simulated - scheduled}  # fmt: skip


def searches() -> Iterator[Figure]:
    """Yield the time of a search, and the points a second of sweeps over all policies, by two processes."""
    searched = _command("floorplan", "optimise", CHIP, WORK, "--objective", "time", "--budget", str(SEARCHED))
    yield Figure(f"search of {SEARCH:,} candidates by {JOBS} processes, from {SEARCHED}", searched * SEARCH / SEARCHED,
                 "s", most=60.0)  # fmt: skip
    few, few_s = _swept(FEW)
    many, many_s = _swept(MANY)
    each_s = (many_s - few_s) / (many - few)
    yield Figure(f"sweep of all policies, {few:,} points by {JOBS} processes, a second", few / few_s, "/s")
    yield Figure(f"the same, {many:,} points", many / many_s, "/s")
    yield Figure("the same, under way", 1 / each_s, "/s")
    yield Figure(f"the same, {WHOLE:,} points, from these", WHOLE / (few_s + each_s * (WHOLE - few)), "/s", least=100.0)


def _swept(step: int) -> tuple[int, float]:
    """Return the points of a sweep with that step of intervals, and how many seconds it takes."""
    varied = [word for text in SWEPT for word in ("--vary", text.format(step=step))]
    return 3 * ((10_000 - 2000) // step + 1) * 10, _command("sweep", "ambrogio_nature_2018", "mlp_mnist", *varied)


def _command(*words: str) -> float:
    with tempfile.TemporaryDirectory() as folder:
        whole = [sys.executable, "-m", "archsim", *words, "--jobs", str(JOBS), "--quiet", "--out", f"{folder}/out"]
        begin = time.perf_counter()
        subprocess.run(whole, check=True)
        return time.perf_counter() - begin


def growth() -> Iterator[Figure]:
    """Yield the time from spec to figures of networks that fill a chip, and its exponent over tiles."""
    seconds = {}
    for tiles in WIDTHS:
        words = [sys.executable, "-m", "benchmarks.setup", str(tiles)]
        seconds[tiles] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        yield Figure(f"network on {tiles:,} tiles: spec to figures", seconds[tiles], "s")
    least, most = min(WIDTHS), max(WIDTHS)
    exponent = math.log(seconds[most] / seconds[least]) / math.log(most / least)
    yield Figure(f"exponent of time from {least:,} to {most:,} tiles", exponent, "", most=1.1)


def one(tiles: int) -> float:
    """Return the processor time from spec to figures of a network on so many tiles, an epoch of 60,000 examples."""
    from archsim.simulation import loop  # noqa: F401  loaded before the clock starts, like all imports

    width = WIDTHS[tiles]
    layers = [{"name": f"fc{i}", "inputs": width, "outputs": width, "activation": "relu"} for i in range(1, 5)]
    spec = {"kind": "workload", "name": "wide", "dataset": {"name": "none", "examples": 60_000, "input_bits": 8},
            "layers": layers, "training": {"epochs": 1, "learning_rate": 0.01}}  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "wide.yaml"
        path.write_text(json.dumps(spec))
        workload = load_workload(path)
    arch = load_arch("ambrogio_nature_2018")
    arch = arch.with_overrides(enlargement(arch, workload.value))
    begin = time.process_time()
    headline_metrics(arch.value, workload.value, 60_000)
    return time.process_time() - begin


if __name__ == "__main__":
    print(one(int(sys.argv[1])))
