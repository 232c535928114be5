"""How fast the command answers."""

from __future__ import annotations

import subprocess
import sys
import time

from benchmarks.report import Figure


def measure() -> list[Figure]:
    best = min(_seconds() for _ in range(5))
    return [Figure("archsim --help", best, "s", most=0.5)]


def _seconds() -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-m", "archsim", "--help"], check=True, capture_output=True)
    return time.perf_counter() - begin
