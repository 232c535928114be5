"""Networks of thousands of layers, and chips of a hundred thousand tiles, from spec to report: time, memory, growth."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure
from benchmarks.scaling import peak_bytes

LAYERS, TILES = (1_000, 10_000), (10_000, 100_000)
CHIPS = {
    "mesh": ("ambrogio_nature_2018", ["floorplan.columns={side}"]),
    "packet mesh": ("ambrogio_nature_2018_packet", ["floorplan.columns={side}"]),
    "H-tree": ("pcm64_htree_32nm", ["placement=in_order"]),
}
EXAMPLES = 20
MOST_S, MOST_BYTES, MOST_PAGE = 60, 2e9, 6e6


def one(chip: str, tiles: int, widths: list[int]) -> list[float]:
    """Return processor seconds from spec to report, peak memory, and the bytes of the page."""
    import matplotlib.figure  # noqa: F401  loaded before the clock starts, like all imports

    from archsim.results.evaluate import evaluate
    from archsim.spec.loading import load_arch
    from archsim.studies.run.study import write_report
    from archsim.workload import load_workload

    base, sets = CHIPS[chip]
    own = [f"tile.count={tiles}", "tile.rows=64", "tile.cols=64", *sets]
    layers = [
        {"name": f"fc{i}", "inputs": widths[i], "outputs": widths[i + 1], "activation": "relu"}
        for i in range(len(widths) - 1)
    ]
    dataset, training = {"name": "none", "examples": EXAMPLES}, {"epochs": 1, "learning_rate": 0.1}
    spec = {"kind": "workload", "name": "net", "dataset": dataset, "layers": layers, "training": training}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.yaml"
        path.write_text(json.dumps(spec))
        begin = time.process_time()
        arch = load_arch(base, [each.format(side=math.isqrt(tiles - 1) + 1) for each in own])
        written = write_report(evaluate(arch, load_workload(path)), Path(folder) / "out")
        seconds = time.process_time() - begin
        return [seconds, peak_bytes(), (written / "report.html").stat().st_size]


def measure() -> list[Figure]:
    cases = [("mesh", n, [32] * (n + 1), f"{n:,} layers") for n in LAYERS]
    cases += [(chip, n, [500, 250, 10], f"{n:,} tiles, {chip}") for chip in CHIPS for n in TILES]
    figures, before = [], [1.0, 1.0]
    for place, (chip, tiles, widths, what) in enumerate(cases):
        words = [sys.executable, "-m", "benchmarks.deep", json.dumps([chip, tiles, widths])]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        seconds, memory, page = found
        figures += [
            Figure(f"deep {what}: spec to report, processor time", seconds, "s", most=MOST_S),
            Figure(f"deep {what}: memory", memory / 1e6, "MB", most=MOST_BYTES / 1e6),
            Figure(f"deep {what}: page", page / 1e6, "MB", most=MOST_PAGE / 1e6),
        ]
        if place % 2:
            for name, value, of_smaller in zip(("time", "memory"), found, before, strict=False):
                figures.append(Figure(f"deep {what}: exponent of {name}", math.log10(value / of_smaller), "", most=1.2))
        before = found
    return figures


if __name__ == "__main__":
    print(json.dumps(one(*json.loads(sys.argv[1]))))
