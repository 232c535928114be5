"""Energy of an on-chip wire per bit, from length, swing and node: the charge of its capacitance.

Capacitances of a full-swing wire are those of R. Ho et al., High speed and low energy capacitively driven
on-chip wires, IEEE J. Solid-State Circuits 43 (2008). A bit charges the wire with probability 1/4, as random bits do:
each second one differs from the one before, and each second change is a rise; the charge comes from a supply of the
swing's own voltage. For what follows between 1/8 and 1/2 is *assumed* to hold 80 % of traffic. Repeaters are not in
the value but in the range: of 50 repeated wires of CACTI 7 (22 to 90 nm, 0 to 30 % slower than the fastest) 80 % take
0.79 to 1.58 times C V^2, and the middle one 1.00 times (`benchmarks/fit_sram.py`).
"""

from __future__ import annotations

from archsim.estimates.base import Estimate, Given, Parameter, estimator
from archsim.estimates.technology import interpolated, nominal_supply_v

FARADS_PER_M = {100: 4.03e-10, 50: 3.45e-10, 35: 3.15e-10, 25: 2.88e-10, 13: 2.47e-10}
"""By node in nm: 0.403 to 0.247 pF/mm."""
RISES_PER_BIT = 0.25
TRAFFIC_SPREAD = (0.5, 2.0)
REPEATED_SPREAD = (0.79, 1.577)


@estimator(
    "wire_energy",
    "a wire's energy per bit, from length, swing and node",
    "J",
    {
        "length": Parameter("m", "length of the wire", 1e-6, 0.05),
        "swing": Parameter(
            "V", "swing, of a supply of its own, or full: the node's nominal supply", 0.05, 1.3, ("full",)
        ),
        "node": Parameter("m", "technology node", 13e-9, 100e-9),
    },
    equation="C(node) x length x swing^2 / 4, C 0.403, 0.345, 0.315, 0.288, 0.247 pF/mm at 100, 50, 35, 25, 13 nm",
    source="R. Ho et al., IEEE J. Solid-State Circuits 43 (2008); range by CACTI 7's repeated wires; traffic assumed",
)
def wire_energy(length: float, swing: Given, node: float) -> Estimate:
    """Return the energy per bit, in joules."""
    volts = nominal_supply_v(node) if isinstance(swing, str) else swing
    value = RISES_PER_BIT * interpolated(1e9 * node, FARADS_PER_M) * length * volts**2
    return Estimate.spread(value, *TRAFFIC_SPREAD).widened(*REPEATED_SPREAD)
