"""Energy of a digital operation by node: Horowitz and Aladdin, scaled by Stillmaker and Baas.

M. Horowitz, ISSCC 2014 (45 nm, 0.9 V) has adders and multipliers; Aladdin (Y. S. Shao et al., ISCA 2014; 40 nm, as
hwcomponents-library has it; its supply is taken to be nominal) registers, comparators and counters. The spread is from
how far sources lie apart where there are two: as if each figure were off by a lognormal error of its own.
"""

from __future__ import annotations

import math

from archsim.estimates.base import Estimate, Parameter, estimator
from archsim.estimates.technology import HIGHEST_M, LOWEST_M, energy_factors

HOROWITZ_PJ = {
    "int8_add": 0.03, "int16_add": 0.05, "int32_add": 0.1, "int8_mul": 0.2, "int32_mul": 3.1,
    "fp16_add": 0.4, "fp32_add": 0.9, "fp16_mul": 1.1, "fp32_mul": 3.7,
}  # fmt: skip
ALADDIN_PJ = {"register_bit": 0.009, "compare": 0.02947, "count": 0.25074}
ALADDIN_M = 40e-9

TWICE_TOLD = (  # (operation of Horowitz, pJ of another source, its node)
    ("int32_add", 0.21, ALADDIN_M),  # Aladdin
    ("int32_mul", 12.68, ALADDIN_M),  # Aladdin
    ("int16_add", 0.021, 32e-9),  # ISAAC's shift-and-add of 16 b, Shafiee et al., ISCA 2016, as hwcomponents-library
)
IN_80_PERCENT = 1.2816
"""Standard deviations on each side of the mean that hold 80 % of a normal distribution."""


def disagreement() -> float:
    """Return the factor that holds 80 % of figures, from how far sources lie apart: 2.4."""
    apart = [math.log(pj / energy_factors(node_m)[0] / HOROWITZ_PJ[operation]) for operation, pj, node_m in TWICE_TOLD]
    of_one = math.sqrt(sum(each**2 for each in apart) / len(apart) / 2)  # two errors make a difference
    return math.exp(IN_80_PERCENT * of_one)


@estimator(
    "logic_energy",
    "the energy of a digital operation, from its kind and the node",
    "J",
    {
        "operation": Parameter(
            "", "adds, multiplies, a compare or count of 32 b, a register's bit", choices=(*HOROWITZ_PJ, *ALADDIN_PJ)
        ),
        "node": Parameter("m", "technology node, at its nominal supply", LOWEST_M, HIGHEST_M),
    },
    equation="the figure at 45 nm and 0.9 V, or 40 nm, x energy of the node over that of the figure's",
    source="M. Horowitz, ISSCC 2014 (45 nm); register_bit, compare and count: Aladdin, ISCA 2014 (40 nm); nodes by "
    "Stillmaker and Baas 2017. The spread is from three operations that two sources tell of",
)
def logic_energy(operation: str, node: float) -> Estimate:
    """Return the energy per operation, in joules; what the kind of transistors changes widens its range."""
    scale, *kinds = energy_factors(node)
    known = HOROWITZ_PJ.get(operation)
    value = ALADDIN_PJ[operation] / energy_factors(ALADDIN_M)[0] if known is None else known
    factor = disagreement()
    return Estimate.spread(1e-12 * value * scale, 1 / factor, factor).widened(kinds[0], kinds[1])
