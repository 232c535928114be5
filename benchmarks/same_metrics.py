"""What `metrics.json` holds for every shipped chip and workload, as one line each: python -m benchmarks.same_metrics.

A line is the chip, the workload and the SHA-256 of the metrics as `archsim run --json` prints them, of a few examples;
or what the chip refuses the workload with. Two outputs that differ show where a change of the code changed a figure.
It serves while the package is rearranged, and goes when that is done.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

from archsim import evaluate, load_arch, load_workload

ROOT = Path(__file__).parents[1]
MOST_OPS = 10_000_000  # beyond these a run is of a few examples, and shows no transfer
SETTINGS = ("schedule.transfer.interval_examples=100", "schedule.mode=pipelined")


def line(arch: str, workload: str, *sets: str) -> str:
    try:
        chip, network = load_arch(arch, sets), load_workload(workload)
    except Exception as error:
        return f"{type(error).__name__}: {error}".replace("\n", " | ")
    small = network.value.ops_per_example <= MOST_OPS
    try:
        data = dict(evaluate(chip, network, examples=220 if small else 3).data)
    except Exception as error:  # a refusal is a figure, too: its message
        return f"{type(error).__name__}: {error}".replace("\n", " | ")
    return hashlib.sha256((json.dumps(data, indent=1, allow_nan=False) + "\n").encode()).hexdigest()


def main() -> None:
    for arch in sorted(path.stem for path in (ROOT / "arch_specs").glob("*.yaml")):
        for workload in sorted(path.stem for path in (ROOT / "workloads").glob("*.yaml")):
            print(arch, workload, line(arch, workload), flush=True)
        for setting in SETTINGS:  # 220 examples are two transfers then
            print(arch, "mlp_digits", setting, line(arch, "mlp_digits", setting), flush=True)


if __name__ == "__main__":
    sys.exit(main())
