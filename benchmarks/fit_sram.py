"""Fit the energy and the area of a static memory to Horowitz's figures and to CACTI, as `archsim.estimates` holds them.

`python -m benchmarks.fit_sram CACTI_FOLDER TEMPLATE.cfg` runs CACTI, prints the coefficients, and how much of the
figures lies between the quantiles. The folder is that of CACTI 7's executable (here built from the source in
hwcomponents-cacti 1.0.40, on PyPI, with `g++ -O1 *.cc`), the template that package's `default_cfg.cfg`: one bank, one
port, no tags, least energy times delay squared. Neither is part of archsim. It takes two minutes.

Horowitz (ISSCC 2014, 45 nm, 0.9 V, 64 b) tells of caches of three sizes: his figures weigh as much as all of CACTI's,
and the constant lies in the middle between the two. Energies are taken to 45 nm and 0.9 V, areas to 45 nm, by
Stillmaker and Baas. Wires of the same runs are set against C V^2 of Ho.
"""

from __future__ import annotations

import csv
import math
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from archsim.estimates.sram import HOROWITZ_PJ, REFERENCE_BYTES, REFERENCE_WIDTH
from archsim.estimates.technology import area_factor, energy_factors, interpolated
from archsim.estimates.wire import FARADS_PER_M

F64 = npt.NDArray[np.float64]
NODES_NM, KILOBYTES, WIDTHS = (22, 32, 45, 65, 90), (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024), (32, 64, 128, 256)
DEVICES = ("itrs-hp", "itrs-lstp")
LEAST_WORDS = 64
SUPPLIES_V = {"itrs-hp": (0.8, 0.9, 1.0, 1.1, 1.2), "itrs-lstp": (0.8, 1.0, 1.1, 1.2, 1.3)}  # tech_params/*nm.dat


def run(folder: Path, template: str, device: str, size: int, width: int, node_nm: int) -> tuple[float, float, str]:
    """Return (read energy in J, area in m2, all that it printed)."""
    text = template.replace("itrs-lstp", device)
    text += f"\n-size (bytes) {size}\n-read-write port 1\n-block size (bytes) {width // 8}\n"
    text += f"-technology (u) {node_nm / 1000}\n"
    text += f'-output/input bus width {width}\n-UCA bank 1\n-cache type "ram"\n-tag size (b) 0\n-associativity 1\n'
    with tempfile.TemporaryDirectory() as aside:
        path = Path(aside, "memory.cfg")
        path.write_text(text, encoding="utf-8")
        told = subprocess.run(
            ["./cacti", "-infile", path], cwd=folder, capture_output=True, text=True, check=True
        ).stdout
        row = list(csv.DictReader(Path(f"{path}.out").read_text("utf-8").splitlines()))[-1]
    return 1e-9 * float(row[" Dynamic read energy (nJ)"]), 1e-6 * float(row[" Area (mm2)"]), told


def weighted_quantiles(values: F64, weights: F64, shares: tuple[float, ...]) -> F64:
    """Return the values below which, themselves included, the shares of the weight lie."""
    order = np.argsort(values)
    return values[order][np.searchsorted(np.cumsum(weights[order]) / weights.sum(), shares)]


def main(folder: Path, template: Path) -> None:
    """Print all of it."""
    text = template.read_text("utf-8")
    cases = [
        (device, node, 1024 * size, width)
        for device in DEVICES for node in NODES_NM for size in KILOBYTES for width in WIDTHS
        if 1024 * size * 8 // width >= LEAST_WORDS
    ]  # fmt: skip
    found = [run(folder, text, device, size, width, node) for device, node, size, width in cases]
    print(f"{len(found)} memories of CACTI")
    sizes, widths = np.array([case[2] for case in cases], float), np.array([case[3] for case in cases], float)
    energy = np.array([each[0] for each in found]) / [energy_factors(1e-9 * case[1])[0] for case in cases]
    area = np.array([each[1] for each in found]) / [area_factor(1e-9 * case[1]) for case in cases]

    def features(size: F64, width: F64) -> F64:
        return np.c_[np.ones(len(size)), np.log(size / REFERENCE_BYTES), np.log(width / REFERENCE_WIDTH)]

    his = np.array(list(HOROWITZ_PJ), float)
    x = np.vstack([features(sizes, widths), features(his, np.full(len(his), 64.0))])
    y = np.log(np.r_[energy, [1e-12 * each for each in HOROWITZ_PJ.values()]])
    weights = np.r_[np.full(len(energy), 0.5 / len(energy)), np.full(len(his), 0.5 / len(his))]
    root = np.sqrt(weights)
    source = np.r_[np.full(len(energy), -0.5), np.full(len(his), 0.5)]  # so that the constant lies between the two
    both = np.c_[x, source]
    coefficients = np.linalg.lstsq(both * root[:, None], y * root, rcond=None)[0]
    print(f"Horowitz's are {math.exp(coefficients[-1]):.4g} times those of CACTI")
    told(x, y, weights, coefficients[:-1], "energy")
    own = np.linalg.lstsq(features(sizes, widths), np.log(area), rcond=None)[0]
    told(features(sizes, widths), np.log(area), np.ones(len(area)), own.astype(np.float64), "area")

    ratios = []
    for device in DEVICES:
        for node, supply_v in zip(NODES_NM, SUPPLIES_V[device], strict=True):
            page = run(folder, text, device, 1 << 20, 64, node)[2]
            page = page[page.index("Wire Properties") : page.index("Low-swing")]
            swing = interpolated(node, FARADS_PER_M) * supply_v**2
            ratios += [1e-6 * float(each) / swing for each in re.findall(r"PowerD - (\S+)", page)]  # nJ/mm
    print(f"{len(ratios)} wires of CACTI against C V^2 of Ho: {np.quantile(ratios, (0.1, 0.5, 0.9)).round(3)}")


def told(x: F64, y: F64, weights: F64, coefficients: F64, noun: str) -> None:
    """Print a fit, its quantiles and what they hold."""
    residuals = y - x @ coefficients
    low, high = weighted_quantiles(residuals, weights, (0.1, 0.9))
    within = (low <= residuals) & (residuals <= high)
    print(f"{noun}: {math.exp(coefficients[0]):.5g}, size {coefficients[1]:.4g}, width {coefficients[2]:.4g}")
    print(
        f"  factors {math.exp(low):.4g} and {math.exp(high):.4g} hold {np.sum(weights * within) / np.sum(weights):.3f}"
    )
    print(f"  unweighted {np.mean(within):.3f} of {len(y)}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
