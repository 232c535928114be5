"""What transfers alone do to weights that are not trained: how far they walk, and what of the cell makes them.

`python -m benchmarks.walk [ARCH]` prints a table of `docs/explained/accuracy.md`: weights of fc1 of mlp_mnist, held
for so many transfer intervals of that chip.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np

from archsim.components.cells.base import EVERYTHING, Switches
from archsim.components.cells.pcm_3t1c import Pcm3T1C
from archsim.results.evaluate import evaluate
from archsim.spec.loading import load_arch
from archsim.workload import load_workload

ROWS, COLS, TRANSFERS = 265, 250, 64  # a shard of fc1
SPREAD_US = 10.0  # standard deviation of its weights once trained

THRESHOLD = "tile.device.transfer_threshold"
EVERY = (f"{THRESHOLD}=0 uS", "tile.device.programmed=100 %")
VARIANTS: dict[str, tuple[tuple[str, ...], Switches]] = {
    "as given": ((), EVERYTHING),
    "a threshold of 1 uS": ((f"{THRESHOLD}=1 uS",), EVERYTHING),
    "a threshold of 4 uS": ((f"{THRESHOLD}=4 uS",), EVERYTHING),
    "an offset of 2 uS": (("tile.device.offset=2 uS",), EVERYTHING),
    "every pair programmed": (EVERY, EVERYTHING),
    "... and exact reads": (EVERY, Switches(transfer_conversion=False)),
    "... and no variability": (EVERY, Switches(variability=False)),
    "... and no leakage": (EVERY, Switches(leakage=False)),
    "exact reads": ((), Switches(transfer_conversion=False)),
    "no variability": ((), Switches(variability=False)),
    "no leakage": ((), Switches(leakage=False)),
}


@dataclass(frozen=True)
class Walk:
    """How far weights are from where they began, in uS rms, in the middle of an interval; what the last programmed."""

    first_us: float
    last_us: float
    programmed: float


def walk(device: Pcm3T1C, switches: Switches, hold_s: float, levels: int, seed: int = 0) -> Walk:
    """Hold weights for so many intervals of so long, each with a transfer at its end."""
    cells = device.cells(ROWS, COLS, seed, 0, switches, None, levels)
    wanted = np.random.default_rng(seed).normal(0, SPREAD_US, (ROWS, COLS)).astype(np.float32)
    cells.program(wanted, seed)
    off, programmed = [], 0
    for index in range(TRANSFERS):
        cells.leak(0, ROWS, hold_s / 2)
        off.append(float((cells.weights - wanted).std()))
        cells.leak(0, ROWS, hold_s / 2)
        programmed = cells.transfer(0, ROWS, seed, index + 1, True, hold_s).programmed
    return Walk(off[0], off[-1], programmed / wanted.size)


def main(name: str = "ambrogio_nature_2018_tuned") -> None:
    """Print a line for each variant."""
    spec = load_arch(name)
    found = evaluate(spec, load_workload("mlp_mnist"))
    interval, transfer = found.data["metrics"]["time_per_example_s"], spec.value.schedule.transfer
    assert transfer is not None
    hold_s = interval * transfer.interval_examples
    print(f"{name}: weights of {SPREAD_US:g} uS, {TRANSFERS} transfers, one each {hold_s * 1e3:.2f} ms")
    for words, (sets, switches) in VARIANTS.items():
        tile = load_arch(name, list(sets)).value.tile
        assert isinstance(tile.device, Pcm3T1C)
        own = walk(tile.device, switches, hold_s, 2**tile.col_converter.bits - 1)
        print(f"{words:24} first {own.first_us:5.2f} uS, last {own.last_us:5.2f} uS, programmed {own.programmed:6.1%}")


if __name__ == "__main__":
    main(*sys.argv[1:])
