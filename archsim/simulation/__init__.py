"""The event simulation: the schedule executed on the chip, cycle by cycle, on SimPy's clock."""

from archsim.simulation.dwell import DwellTimes
from archsim.simulation.run import Trace, simulate

__all__ = ["DwellTimes", "Trace", "simulate"]
