"""Energy and area of a static memory from its size, the width of an access and the node: Horowitz and CACTI.

M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014: 45 nm, 0.9 V, accesses of 64 b to
caches of 8 KB, 32 KB and 1 MB take 10, 20 and 100 pJ. CACTI 7 (as hwcomponents-cacti 1.0.40 packages it) gives 430
memories of 1 KB to 1 MB, 32 to 256 b and 22 to 90 nm, of high-performance and low-standby-power transistors, without
tags. Horowitz's are 1.8 times those; the estimate is in the middle, since nobody says which of them a memory beside a
crossbar is like, and the range reaches from CACTI's lower fifth to Horowitz. By CACTI energy grows as the root of the
width, not in proportion. `benchmarks/fit_sram.py` runs CACTI and fits; nodes are scaled by Stillmaker and Baas, which
below 22 nm and above 90 nm is all there is: no memory of these nodes is among the data.

Figures that had no part in it: ISAAC's memory of 64 KB and 256 b at 32 nm, an embedded DRAM, takes 20.45 pJ (0.76 times
the estimate, inside); PUMA's 8 KB take 0.016 mm2 at 32 nm (1.05 times, inside).
"""

from __future__ import annotations

from archsim.estimates.base import Estimate, Parameter, estimator
from archsim.estimates.technology import HIGHEST_M, LOWEST_M, area_factor, energy_factors

HOROWITZ_PJ = {8192: 10.0, 32768: 20.0, 1048576: 100.0}
REFERENCE_BYTES, REFERENCE_WIDTH = 8192, 64

# What benchmarks/fit_sram.py prints: at 8 KB, 64 b, 45 nm (and 0.9 V), powers of size and width, quantiles.
ENERGY_J, ENERGY_BY_SIZE, ENERGY_BY_WIDTH = 6.747e-12, 0.5291, 0.5113
ENERGY_SPREAD = (0.603, 1.483)
AREA_M2, AREA_BY_SIZE, AREA_BY_WIDTH = 3.318e-8, 0.9643, 0.07947
AREA_SPREAD = (0.795, 1.243)

SHAPE = {
    "size": Parameter("byte", "bytes that it holds", 1024, 1048576),
    "width": Parameter("", "bits of an access", 32, 256),
    "node": Parameter("m", "technology node, at its nominal supply", LOWEST_M, HIGHEST_M),
}
SOURCE = (
    "M. Horowitz, ISSCC 2014, and 430 memories of CACTI 7 (22 to 90 nm), as packaged with hwcomponents-cacti 1.0.40; "
    "nodes by Stillmaker and Baas 2017"
)


@estimator(
    "sram_energy",
    "a static memory's energy per access, from size, width and node",
    "J",
    SHAPE,
    equation="6.747 pJ (size / 8 KB)^0.5291 (width / 64)^0.5113 x energy of the node, 1 at 45 nm and 0.9 V",
    source=SOURCE,
)
def sram_energy(size: float, width: float, node: float) -> Estimate:
    """Return the energy per access, in joules; what the kind of transistors changes widens its range."""
    scale, *kinds = energy_factors(node)
    value = ENERGY_J * _powers(size, ENERGY_BY_SIZE, width, ENERGY_BY_WIDTH) * scale
    return Estimate.spread(value, *ENERGY_SPREAD).widened(kinds[0], kinds[1])


@estimator(
    "sram_area",
    "a static memory's area, from size, width and node",
    "m2",
    SHAPE,
    equation="0.03318 mm2 (size / 8 KB)^0.9643 (width / 64)^0.07947 x area of the node, 1 at 45 nm",
    source=SOURCE.replace("M. Horowitz, ISSCC 2014, and ", ""),
)
def sram_area(size: float, width: float, node: float) -> Estimate:
    """Return the area, in square metres."""
    value = AREA_M2 * _powers(size, AREA_BY_SIZE, width, AREA_BY_WIDTH) * area_factor(node)
    return Estimate.spread(value, *AREA_SPREAD)


def _powers(size: float, by_size: float, width: float, by_width: float) -> float:
    return float((size / REFERENCE_BYTES) ** by_size * (width / REFERENCE_WIDTH) ** by_width)
