"""Sweeps: 10,000 points of MNIST by the whole command, asked again from their store, and two processes against one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from archsim.studies.study import silent
from archsim.studies.sweep.asked import asked
from archsim.studies.sweep.grid import Inputs
from archsim.studies.sweep.study import STUDY
from benchmarks.report import Figure

CHIP, WORK = "ambrogio_nature_2018", "mlp_mnist"
VARIED = (
    "schedule.transfer.interval_examples=100..10000:+100",
    "schedule.transfer.rows_in_parallel=1..50:+1",
    "schedule.mode=sequential,pipelined",
)
POINTS, JOBS = 10_000, 2
LARGE, LARGE_POINTS = "pcm64_mesh_32nm", 400
LARGE_VARIED = (
    "schedule.transfer.interval_examples=200..20000:+200",
    "schedule.mode=sequential,pipelined",
    "schedule.transfer.policy=stop_all,staggered",
)
LOOK_S = 0.2


@dataclass(frozen=True)
class Run:
    """A command: its seconds, and the most bytes that it and its processes had at once, shared ones counted once."""

    seconds: float
    memory: int


def measure() -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        first, again = _run(CHIP, VARIED, JOBS, out), _run(CHIP, VARIED, JOBS, out)
        page = (out / "sweep.html").stat().st_size
        begin = time.perf_counter()
        data = STUDY.prepare(Inputs(CHIP, WORK, vary=VARIED, jobs=1)).compute(silent, out)
        kept = time.perf_counter() - begin
        assert (data.complete, len(data.points)) == (True, POINTS)
        large = {jobs: _run(LARGE, LARGE_VARIED, jobs, Path(folder) / str(jobs)).seconds for jobs in (1, JOBS)}
    begun = asked(Inputs(CHIP, WORK, vary=VARIED))
    some = begun.points[:: POINTS // 100]
    begun.grid.run(some[0])
    begin = time.process_time()
    for settings in some:
        begun.grid.run(settings)
    own = (time.process_time() - begin) / len(some)
    many, few = f"sweep, {POINTS:,} points", f"sweep, {LARGE_POINTS} points of 64 tiles"
    return [
        Figure(f"{many} by {JOBS} processes, the whole command", first.seconds, "s", most=250.0),
        Figure(f"{many}, a second of the whole command", POINTS / first.seconds, "/s", least=50.0),
        Figure(f"{many}, processor time of one", 1000 * own, "ms", most=JOBS * 1000 / 50),
        Figure(f"{many}, memory of all processes", first.memory / 1e6, "MB", most=500.0),
        Figure(f"{many}, the page", page / 1e6, "MB", most=3.0),
        Figure(f"{many}, asked again: the whole command", again.seconds, "s"),
        Figure(f"{many}, asked again: the points alone", kept, "s", most=2.0),
        Figure(f"{few}: 1 process against {JOBS}", large[1] / large[JOBS], "x", least=1.8),
        Figure(f"{few}: a second by {JOBS}", LARGE_POINTS / large[JOBS], "/s"),
    ]


def _run(chip: str, varied: tuple[str, ...], jobs: int, out: Path) -> Run:
    words = [sys.executable, "-m", "archsim", "sweep", chip, WORK, "--jobs", str(jobs), "--out", str(out), "--quiet"]
    words += [word for text in varied for word in ("--vary", text)]
    begin, most = time.perf_counter(), 0
    with subprocess.Popen(words) as process:
        while process.poll() is None:
            most = max(most, sum(_own_bytes(each) for each in _with_children(process.pid)))
            time.sleep(LOOK_S)
    assert process.returncode == 0
    return Run(time.perf_counter() - begin, most)


def _with_children(process: int) -> list[int]:
    found = [process]
    for each in found:
        try:
            children = Path(f"/proc/{each}/task/{each}/children").read_text().split()
        except OSError:  # it has ended
            continue
        found += map(int, children)
    return found


def _own_bytes(process: int) -> int:
    """Return the memory of a process, its part of what it shares included; 0 once it has ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
