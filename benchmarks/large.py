"""VGG-16's fully connected layers and a billion weights, an epoch of each from chip to report: time, memory, growth."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Figure
from benchmarks.scaling import peak_bytes

VGG = "fc_vgg16"
EPOCH = 1_281_167  # ImageNet's training images; of the other networks, too (an assumption)
MOST_DRAWING_BYTES = 1_000_000
MOST_S = {"billion": 12.0}


@dataclass(frozen=True)
class Case:
    """A network, `widths` of its layers or VGG's own, trained for so many epochs on tiles of so many lines each way."""

    what: str
    widths: tuple[int, ...] = ()
    lines: int = 512
    epochs: int = 1


CASES = {
    "vgg": Case("VGG-16"),
    "billion": Case("a billion", (32_000, 10_000, 32_000, 10_000, 4_000)),
    "longer": Case("VGG-16, 4 x the examples", epochs=4),
    "wider": Case("4 x the weights on as many tiles", (2 * 25_088, 2 * 4_096, 2 * 4_096, 2 * 1_000), lines=1024),
}


@dataclass(frozen=True)
class Cost:
    """What a case took: seconds from chip to report, and of it; bytes above the imports; bytes of what was written."""

    weights: int
    tiles: int
    build_s: float
    simulate_s: float
    evaluate_s: float
    report_s: float
    memory: int
    report: int
    drawing: int

    @property
    def all_s(self) -> float:
        """From the chip to its report; what is evaluated is built, mapped and simulated there."""
        return self.evaluate_s + self.report_s


def network(case: Case) -> dict[str, Any]:
    """Return a network of dense layers, as a workload's file holds it."""
    layers = [
        {"name": f"fc{i + 1}", "inputs": case.widths[i], "outputs": case.widths[i + 1], "activation": "relu"}
        for i in range(len(case.widths) - 1)
    ]  # fmt: skip
    dataset = {"name": "none", "examples": EPOCH, "input_bits": 8}
    training = {"epochs": 1, "learning_rate": 0.01}
    return {"kind": "workload", "name": "large", "dataset": dataset, "layers": layers, "training": training}


def one(case: Case) -> list[float]:
    """Run a case in this process, on the reference chip with as many tiles as it needs; return its Cost as a list."""
    import matplotlib.figure  # noqa: F401  loaded before the clock starts, like all imports

    from archsim.chip import build_chip
    from archsim.mapping import build_schedule, map_workload
    from archsim.results.evaluate import evaluate
    from archsim.simulation import simulate
    from archsim.spec.loading import load_arch
    from archsim.studies.enlarging import enlargement
    from archsim.studies.run.study import write_report
    from archsim.workload import load_workload

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.yaml"
        path.write_text(json.dumps(network(case)))
        workload = load_workload(path if case.widths else VGG)
        arch = load_arch("ambrogio_nature_2018", [f"tile.rows={case.lines}", f"tile.cols={case.lines}"])
        before, marks = peak_bytes(), [time.perf_counter()]

        def mark() -> None:
            marks.append(time.perf_counter())

        arch = arch.with_overrides(enlargement(arch, workload.value))
        chip = build_chip(arch.value)
        schedule = build_schedule(chip, map_workload(workload.value, chip), case.epochs * EPOCH)
        mark()
        simulate(schedule)
        mark()
        del chip, schedule
        result = evaluate(arch, workload, examples=case.epochs * EPOCH)
        mark()
        written = write_report(result, Path(folder) / "out")
        mark()
        memory = peak_bytes() - before
        sizes = {file: file.stat().st_size for file in written.rglob("*") if file.is_file()}
    drawing = max(size for file, size in sizes.items() if file.suffix == ".svg")
    seconds = [after - begin for begin, after in itertools.pairwise(marks)]
    tiles = len(result.mapping.shards)
    return [workload.value.synapses, tiles, *seconds, memory, sum(sizes.values()), drawing]


def measure() -> list[Figure]:
    costs = {}
    figures: list[Figure] = []
    for name, case in CASES.items():
        words = [sys.executable, "-m", "benchmarks.large", name]
        found = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
        costs[name] = cost = Cost(*found)
        figures += [
            Figure(f"large {case.what}: weights", cost.weights, ""),
            Figure(f"large {case.what}: tiles", cost.tiles, ""),
            Figure(
                f"large {case.what}: chip to report, {case.epochs * EPOCH:,} examples",
                cost.all_s,
                "s",
                most=MOST_S.get(name),
            ),
            Figure(f"large {case.what}: building, mapping and scheduling alone", cost.build_s, "s"),
            Figure(f"large {case.what}: simulation alone", cost.simulate_s, "s"),
            Figure(f"large {case.what}: report", cost.report_s, "s"),
            Figure(f"large {case.what}: memory above the imports", cost.memory / 1e6, "MB"),
            Figure(f"large {case.what}: report, on disk", cost.report / 1e6, "MB"),
            Figure(f"large {case.what}: largest drawing", cost.drawing / 1e6, "MB", most=MOST_DRAWING_BYTES / 1e6),
        ]
    vgg, billion, longer, wider = (costs[name] for name in ("vgg", "billion", "longer", "wider"))
    assert wider.tiles == longer.tiles == vgg.tiles
    seconds, before = billion.all_s / vgg.all_s, billion.evaluate_s / vgg.evaluate_s
    more, longest, widest = (cost.memory / vgg.memory for cost in (billion, longer, wider))
    growth = math.log(billion.tiles / vgg.tiles)
    figures += [
        Figure("large: exponent of time over tiles", math.log(seconds) / growth, "", most=1.1),
        Figure("large: exponent of time over tiles, without the report", math.log(before) / growth, "", most=1.4),
        Figure("large: exponent of memory over tiles", math.log(more) / growth, "", most=1.0),
        Figure("large: memory of 4 x the examples to that of VGG-16's epoch", longest, "x", most=1.05),
        Figure("large: memory of 4 x the weights on as many tiles to it", widest, "x", most=1.5),
    ]
    return figures


if __name__ == "__main__":
    print(json.dumps(one(CASES[sys.argv[1]])))
