"""Cells that every pulse trains in place and that keep their weight."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from archsim.base.units import Energy, Ratio, Share
from archsim.components.base import component
from archsim.components.cells.base import EVERYTHING, Device, Flicker, SomeConductance, Switches

if TYPE_CHECKING:
    from archsim.components.cells.numeric.base import Cells, Parameters


class InPlaceCell(Flicker, Device):
    """Base of the cells that every pulse trains in place and that keep their weight: no transfer, no refresh.

    A weight lies within -bound and +bound; spreads are fixed when the chip is made. `flicker` is as `Flicker` has it.
    """

    later = Device.later | {"step_least", "bound_least", "pulse_energy_j", "flicker"}

    step_siemens: SomeConductance = 0.05e-6
    """Mean change of the weight by one pulse, at a weight of zero."""
    step_spread: Ratio = 0.0
    """Relative standard deviation of the step from cell to cell."""
    step_least: Share = 0.05
    """No step is smaller than this share of the mean."""
    asymmetry_spread: Ratio = 0.0
    """Standard deviation of the fraction by which up-steps are larger and down-steps smaller."""
    bound_siemens: SomeConductance = 60e-6
    """Largest weight of either sign, as a conductance."""
    bound_spread: Ratio = 0.0
    """Relative standard deviation of the bound from cell to cell."""
    bound_least: Share = 0.05
    """No bound is smaller than this share of the mean."""
    pulse_energy_j: Energy = 0.0
    """Energy of one pulse of an update in one cell."""
    flicker: Ratio = 0.0
    """1/f noise of the weight, relative, per e-fold of frequencies; 0 is none."""
    softness: ClassVar[float] = 0.0

    @property
    def pulse_j(self) -> float:
        """As given."""
        return self.pulse_energy_j

    @property
    def conducting_siemens(self) -> float:
        """The largest weight."""
        return self.bound_siemens

    def cells(
        self, rows: int, cols: int, seed: int, shard: int, switches: Switches = EVERYTHING,
        temperature_kelvin: float | None = None, levels: int = 0,
    ) -> Cells:  # fmt: skip
        """Return rows x cols such cells in numbers."""
        from archsim.components.cells.numeric.in_place import InPlaceCells

        return InPlaceCells(self.parameters(switches), rows, cols, seed, shard)

    def parameters(self, switches: Switches) -> Parameters:
        """Return what its cells in numbers are made from, in uS; no spread without variability."""
        from archsim.components.cells.numeric.base import Parameters
        from archsim.components.cells.numeric.flutter import Flutter
        from archsim.components.cells.numeric.in_place import InPlaceNumbers

        step, bound, vary = self.step_siemens * 1e6, self.bound_siemens * 1e6, switches.variation
        numbers = InPlaceNumbers(
            step, bound, self.step_spread * vary, self.asymmetry_spread * vary, self.bound_spread * vary,
            self.softness, self.step_least, self.bound_least,
        )  # fmt: skip
        flutter = Flutter(device=self.flicker * self.flicker_factor * switches.flicker)
        return Parameters(numbers, None, step, bound, flutter=flutter)


@component("static_cell", "device")
class StaticCell(InPlaceCell):
    """An ideal cell that is trained in place: all steps are equal, up to a hard bound, and it keeps its weight."""

    example = {"area": "1 um2", "read_energy": "50 fJ", "supply": "1.0 V", "read": "0.2 V"}


@component("soft_bounds", "device")
class SoftBounds(InPlaceCell):
    """A resistive cell (ReRAM) whose steps shrink towards its bounds: up by (1 - W / bound), down by (1 + W / bound).

    Soft bounds: Fusi and Abbott, Nature Neuroscience 10, 485 (2007), as in aihwkit's SoftBounds device. The example
    has the step, a six-hundredth of the bound, and the spreads of Gokmen and Vlasov, Front. Neurosci. 10, 333 (2016).
    """

    step_spread: Ratio
    asymmetry_spread: Ratio
    bound_spread: Ratio
    two_terminals = True
    softness = 1.0
    example = {
        "area": "1 um2", "read_energy": "50 fJ", "supply": "1.0 V", "read": "0.2 V", "step": "0.1 uS",
        "step_spread": "30 %", "asymmetry_spread": "1 %", "bound": "60 uS", "bound_spread": "30 %",
    }  # fmt: skip
