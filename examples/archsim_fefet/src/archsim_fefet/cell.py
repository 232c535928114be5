"""A weight cell of one ferroelectric transistor (FeFET): pulses switch its polarisation bit by bit.

The declaration: what a spec says of the cell, what it costs, and with what its cells in numbers are made. It imports
no compiled code, so that `archsim check` and `--help` stay quick.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.units import Dimension, Energy, Ratio, Share, Time
from archsim.components.base import component
from archsim.components.cells.base import EVERYTHING, Device, SomeConductance, Switches

if TYPE_CHECKING:
    from archsim.components.cells.numeric.base import Cells, Parameters
    from archsim_fefet.numeric import FefetNumbers

States = Annotated[int, Dimension("", least=2, above=False, most=1e6, whole=True)]
Pulses = Annotated[float, Dimension("", least=1, above=False, most=1e18)]


@component("fefet", "device")
class FefetCell(Device):
    """A ferroelectric transistor whose conductance is raised and lowered by pulses of its gate, and that keeps it.

    Its conductance G goes from `low` to `high` in `states` - 1 pulses, along the exponential in common use for analog
    synapses (Chen, Peng and Yu, IEEE TCAD 37, 3067 (2018)): with p the share of these pulses, upward
    G = low + (high - low) (1 - exp(-bend_up p)) / (1 - exp(-bend_up)), and downward from `high` likewise with
    `bend_down`; 0 is a straight line. As a law of the state, which is what a pulse follows from wherever it begins, the
    step shrinks in proportion to the distance from an end that lies beyond the range; at `low` and `high` it is cut.

    The weight is G - (high + low) / 2: one more transistor for each row, in the middle of the range, is what the whole
    row is compared with.
    """

    low_siemens: SomeConductance
    """Conductance of the transistor at the lower end of its range."""
    high_siemens: SomeConductance
    """Conductance at the upper end."""
    states: States
    """How many states pulses of one kind lead through, both ends included."""
    bend_up: Ratio
    """How much upward steps shrink: the last is exp(-bend_up) of the first; 0 is a straight line."""
    bend_down: Ratio
    """The same of downward steps."""
    step_spread: Ratio
    """Relative standard deviation of the steps from cell to cell."""
    step_least: Share
    """No step is smaller than this share of the mean."""
    pulse_noise: Ratio
    """Standard deviation of what one pulse does, as a share of the range."""
    shortest_s: Time
    """The shortest pulse that switches as much as the figures say."""
    pulse_energy_j: Energy
    """Energy of one pulse in one cell."""
    endurance: Pulses
    """So many pulses a cell takes before it is worn out; `archsim endurance` reads it."""
    example = {
        "area": "1 um2", "read_energy": "10 fJ", "supply": "1.0 V", "read": "0.2 V", "low": "1 uS", "high": "45 uS",
        "states": "65", "bend_up": "1.5", "bend_down": "1.5", "step_spread": "10 %", "step_least": "5 %",
        "pulse_noise": "0.5 %", "shortest": "75 ns", "pulse_energy": "12 fJ", "endurance": "1e6",
    }  # fmt: skip

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.low_siemens >= self.high_siemens:
            raise PydanticCustomError("range", "no range is left between low and high; give a low below the high")
        return self

    @property
    def half_range_siemens(self) -> float:
        """The largest weight of either sign."""
        return (self.high_siemens - self.low_siemens) / 2

    @property
    def pulse_j(self) -> float:
        """As given."""
        return self.pulse_energy_j

    @property
    def least_pulse_s(self) -> Fraction:
        """As given."""
        return Fraction(self.shortest_s)

    @property
    def conducting_siemens(self) -> float:
        """What the transistor conducts at the most."""
        return self.high_siemens

    def cells(
        self, rows: int, cols: int, seed: int, shard: int, switches: Switches = EVERYTHING,
        temperature_kelvin: float | None = None, levels: int = 0,
    ) -> Cells:  # fmt: skip
        """Return rows x cols such cells in numbers."""
        from archsim_fefet.numeric import FefetCells

        return FefetCells(self.parameters(switches), rows, cols, seed, shard)

    def parameters(self, switches: Switches) -> Parameters:
        """Return what its cells in numbers are made from, in uS: without variability all steps are alike."""
        from archsim.components.cells.numeric.base import Parameters

        numbers = self.numbers(switches)
        return Parameters(numbers, None, float(numbers.up + numbers.down) / 2, float(numbers.half))

    def numbers(self, switches: Switches) -> FefetNumbers:
        """Return what all cells have in common, as compiled code takes it."""
        import numpy as np

        from archsim_fefet.numeric import FefetNumbers

        half, low = self.half_range_siemens * 1e6, self.low_siemens * 1e6
        (up, slope_up), (down, slope_down) = self._law(self.bend_up, half), self._law(self.bend_down, half)
        return FefetNumbers(
            half=np.float32(half), middle=np.float32(low + half),
            up=np.float32(up), slope_up=np.float32(slope_up), down=np.float32(down), slope_down=np.float32(slope_down),
            noise=np.float32(2 * half * self.pulse_noise * switches.pulse_noise),
            spread=self.step_spread * switches.variation, least=self.step_least,
        )  # fmt: skip

    def _law(self, bend: float, half: float) -> tuple[float, float]:
        """Return the step in the middle of the range, and by what share it shrinks with each uS towards its end."""
        pulses = self.states - 1
        if bend < 1e-6:  # a straight line, to single precision
            return 2 * half / pulses, 0.0
        away = 2 * half / -math.expm1(-bend) - half  # from the middle to the end that lies beyond the range
        return away * -math.expm1(-bend / pulses), 1 / away
