"""Time and memory against the number of tiles, from build to report; each size in a process of its own."""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.report import Figure

SIZES = {64: (2, 4), 256: (4, 8), 1024: (8, 16), 4096: (16, 32)}
NETWORKS = (64, 1024)  # meshes of 8 x 8 and 32 x 32 with a mapped network, whose packets are counted
LINES = 64
EXAMPLES = 20


def peak_bytes() -> int:
    """Return the most memory that this process has used; `getrusage` would count its parent's from before the exec."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def one(tiles: int) -> None:
    """Build, simulate and report one chip; print seconds, bytes and stages as JSON."""
    import matplotlib.figure  # noqa: F401  loaded before the clock starts, like all imports

    from archsim.results.evaluate import evaluate
    from archsim.simulation import simulate
    from archsim.spec.loading import load_arch
    from archsim.studies.run.study import write_report
    from archsim.workload import load_workload

    few, many = SIZES[tiles]
    layers = [
        {"name": f"fc{i + 1}", "inputs": str(LINES * (few if i % 2 == 0 else many)),
         "outputs": str(LINES * (many if i % 2 == 0 else few)), "activation": "relu", "bias": "false"}
        for i in range(8)
    ]  # fmt: skip
    settings = [
        f"tile.count={tiles}", f"tile.rows={LINES}", f"tile.cols={LINES}", "tile.memory.words=65536",
        f"floorplan.columns={round(math.sqrt(tiles))}", "routing.reduction=tree",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mlp8.yaml"
        dataset = {"name": "none", "examples": str(EXAMPLES)}
        training = {"epochs": "1", "learning_rate": "0.1"}
        spec = {"kind": "workload", "name": "mlp8", "dataset": dataset, "layers": layers, "training": training}
        path.write_text(json.dumps(spec))
        before = peak_bytes()
        begin_all = time.perf_counter()
        result = evaluate(load_arch("ambrogio_nature_2018_packet", settings), load_workload(path), full=True)
        middle = time.perf_counter()
        write_report(result, Path(folder) / "out")
        seconds = time.perf_counter() - begin_all
        used = peak_bytes() - before
        schedule, trace = result.trace.schedule, result.trace
        hops = sum(count.grants for count in trace.stages if any(use.action == "flit" for use in count.stage.uses))
        packets = len(schedule.messages) * trace.examples
        begin = time.process_time()
        if tiles in NETWORKS:
            simulate(schedule, full=True)
        alone = time.process_time() - begin
    network = [packets, hops, trace.events, alone]
    print(json.dumps([seconds, used, trace.events, seconds - (middle - begin_all), *network]))


def measure() -> list[Figure]:
    figures: list[Figure] = []
    found: dict[int, list[float]] = {}
    for tiles in SIZES:
        words = [sys.executable, "-m", "benchmarks.scaling", str(tiles)]
        found[tiles] = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        seconds, used, stages, reporting, packets, hops, events, alone = found[tiles]
        figures += [
            Figure(f"scaling {tiles} tiles: build to report", seconds, "s"),
            Figure(f"scaling {tiles} tiles: of it the report", reporting, "s"),
            Figure(f"scaling {tiles} tiles: memory above the imports", used / 1e6, "MB"),
            Figure(f"scaling {tiles} tiles: actions simulated", stages, ""),
        ]
        if tiles in NETWORKS:
            figures += [
                Figure(f"scaling {tiles} tiles: packets per second, simulated alone", packets / alone, "1/s"),
                Figure(f"scaling {tiles} tiles: hops per second", hops / alone, "1/s"),
                Figure(f"scaling {tiles} tiles: actions per packet and hop, all others included", events / hops, ""),
            ]
    for name, column in (("time", 0), ("memory", 1), ("actions", 2)):
        exponent = _slope([(tiles, values[column]) for tiles, values in found.items()])
        figures.append(Figure(f"scaling: exponent of {name}", exponent, "", most=1.15 if name != "actions" else None))
        before, last = sorted(SIZES)[-2:]
        steepest = math.log(found[last][column] / found[before][column]) / math.log(last / before)
        figures.append(Figure(f"scaling: exponent of {name}, from {before:,} to {last:,} tiles alone", steepest, ""))
    return figures


def _slope(points: list[tuple[int, float]]) -> float:
    """Return the least-squares slope of log(value) over log(tiles)."""
    x = [math.log(n) for n, _ in points]
    y = [math.log(value) for _, value in points]
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    covariance = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return covariance / sum((a - mean_x) ** 2 for a in x)


if __name__ == "__main__":
    one(int(sys.argv[1]))
