"""Energy at another supply than the one at which it was given: the charge of its capacitances goes with the square.

What leaks, what is drawn by a constant current, and short circuits of slow edges do not; they are not in the law.
"""

from __future__ import annotations

from archsim.estimates.base import Estimate, Parameter, estimator


@estimator(
    "at_supply",
    "an energy as given at one supply, at another",
    "J",
    {
        "energy": Parameter("J", "the energy as it was given", 1e-21, 1e-3),
        "given_at": Parameter("V", "the supply at which it was given", 0.2, 5.0),
        "supply": Parameter("V", "the supply of the part, or of the chip", 0.2, 5.0),
    },
    equation="energy x (supply / given_at)^2",
    source="C V^2, the charge of a capacitance at the supply",
    scales="energy",
)
def at_supply(energy: float, given_at: float, supply: float) -> Estimate:
    """Return the energy at the supply, in joules."""
    return Estimate.spread(energy * (supply / given_at) ** 2, 1.0, 1.0)
