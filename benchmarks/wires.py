"""Accuracy against the resistance of wires and the size of crossbars: short trainings of MNIST on the reference chip.

`python -m benchmarks.wires [EXAMPLES [SEEDS]]` prints a table of `docs/explained/accuracy.md`, of MNIST in
ARCHSIM_DATA or in ../shared/data.
Transfers fall every third of the examples, and timing does not depend on the wires.
"""

from __future__ import annotations

import sys

import numpy as np

from archsim.chip import build_chip
from archsim.functional.train import Training
from archsim.mapping import build_schedule, map_workload
from archsim.simulation import simulate
from archsim.spec.loading import load_arch
from archsim.workload import load_workload
from benchmarks.data import data_or_drawn

SIZES = (256, 512, 1024)
WIRES_OHM = (0.0, 0.35, 1.0, 2.0, 4.0)


def accuracies(examples: int = 6000, seeds: int = 2) -> dict[tuple[int, float], list[float]]:
    """Return by lines of a crossbar each way, and ohms from cell to cell, the accuracy of each seed."""
    workload = load_workload("mlp_mnist", [f"dataset.examples={examples}"]).value
    data, found = data_or_drawn(workload), {}
    for size in SIZES:
        for ohm in WIRES_OHM:
            sets = [f"tile.rows={size}", f"tile.cols={size}", "tile.count=16",
                    f"schedule.transfer.interval_examples={examples // 3}"]  # fmt: skip
            sets += [f"tile.array.wires.{line}={ohm} ohm" for line in ("row", "col")]
            chip = build_chip(load_arch("ambrogio_nature_2018", sets).value)
            timeline = simulate(build_schedule(chip, map_workload(workload, chip), examples), timeline=True)
            assert timeline.timeline is not None
            own = []
            for seed in range(seeds):
                model = Training(timeline.schedule, data, seed=seed).model
                model.play(timeline.timeline.chunks())
                own.append(model.evaluate(data.test_x, data.test_y)[0] / len(data.test_x))
            found[size, ohm] = own
            print(
                f"{size} lines, {ohm:g} ohm: {100 * np.mean(own):.2f} %", *(f"{each:.4f}" for each in own), flush=True
            )
    return found


if __name__ == "__main__":
    accuracies(*map(int, sys.argv[1:]))
