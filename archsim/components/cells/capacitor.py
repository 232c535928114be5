"""Cells with a 3T1C: the capacitor as a part of others, and alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.physics import BOLTZMANN_J_PER_K, ELEMENTARY_CHARGE_C
from archsim.base.units import (
    Conductance,
    Count,
    Dimension,
    Energy,
    Ratio,
    Share,
    Temperature,
    Time,
    TimeOrZero,
    Voltage,
)
from archsim.components.base import Action, component
from archsim.components.cells.base import (
    EVERYTHING,
    EXAMPLE,
    EXAMPLE_OF_READ,
    Device,
    SingleRead,
    SomeConductance,
    Switches,
    VoltageOrZero,
)

if TYPE_CHECKING:
    from archsim.components.cells.numeric.base import Cells, Parameters
    from archsim.components.cells.numeric.capacitor_kernels import Numbers, Spreads
    from archsim.components.cells.numeric.flutter import Flutter


PositiveCapacitance = Annotated[float, Dimension("F", most=1e-3)]


class CapacitorPair(SingleRead):
    """A read transistor on a capacitor, g = k max(V - V_T, 0), against a reference that several cells share.

    A value is written by a read, a burst of pulses, another read and a trim (`residual`: in a transfer it is what the
    long-term devices left over). These reads, and those of a rewrite, are converted over plus and minus
    `residual_range`, of which 0 says that they are not; `residual_noise` is what such a read adds.

    Spreads are standard deviations from cell to cell, fixed when the chip is made: of k and of the steps relative to
    their means, of the threshold in volts, and of the logarithm of the leak's time constant. No step is below the share
    `step_least` of the mean. `step_spread_absolute` gives that of the steps in volts instead, which stays when the step
    is made finer.

    The leak's time constant is that at `leak_temperature`, and halves per `leak_halving`.

    Options, off by default, for which `capacitance` counts. With `pulse_noise: shot` the charge of a pulse comes in
    electrons, N = step capacitance / e of them on average: the standard deviation of one pulse is 1 / sqrt(N) of it,
    that of n pulses sqrt(n) times as much (Poisson). With `reset_noise: thermal` a capacitor that is reset is off by
    sqrt(k T / capacitance). In each read a transistor's conductance fluctuates by `transistor_flicker` of it (see
    `Flicker`), and a reference by `reference_noise` besides, alike for all cells that share it. No pulse is shorter
    than `pulse_least`.
    """

    later = frozenset(
        {"step_least", "step_spread_absolute_v", "capacitance_f", "pulse_noise", "reset_noise", "pulse_least_s",
         "leak_temperature_kelvin", "leak_halving_kelvin", "transistor_flicker", "reference_noise_siemens",
         "residual_range_siemens", "residual_noise_siemens"}
    )  # fmt: skip

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cells_per_reference": ("area_m2",),
        "residual_pulses": (),
        "trim_pulses": (),
    }  # fmt: skip

    leak_time_constant_s: Time
    """Mean time constant with which capacitors leak, at `leak_temperature`."""
    leak_spread: Ratio
    """Standard deviation from cell to cell of the logarithm of the leak's time constant."""
    leak_target_v: Voltage
    """Voltage towards which capacitors leak."""
    capacitor_start_v: Voltage
    """Voltage of a capacitor that is reset: a weight of zero."""
    capacitor_least_v: Voltage
    """Lowest voltage of a capacitor."""
    capacitor_most_v: Voltage
    """Highest voltage of a capacitor."""
    start_conductance_siemens: SomeConductance
    """Conductance of the read transistor at `capacitor_start`."""
    transistor_spread: Ratio
    """Relative standard deviation of the read transistor's k from cell to cell."""
    threshold_v: Voltage
    """Threshold voltage of the read transistor."""
    threshold_spread_v: VoltageOrZero
    """Standard deviation of that threshold from cell to cell."""
    step_v: Voltage
    """Mean change of a capacitor's voltage by one pulse."""
    step_spread: Ratio
    """Relative standard deviation of up-steps and of down-steps from cell to cell."""
    step_spread_absolute_v: VoltageOrZero = 0.0
    """The same in volts, in place of `step_spread`: it stays when the step is made finer."""
    step_least: Share = 0.05
    """No step is smaller than this share of the mean."""
    step_bend: Ratio
    """By how much up-steps shrink and down-steps grow with the voltage, relative to `capacitor_start`."""
    cells_per_reference: Count
    """Cells of a row that share one reference capacitor."""
    residual_pulses: Count
    """Pulses of the burst that writes a value to a capacitor."""
    trim_pulses: Count
    """Pulses that correct it after it was read."""
    residual_pulse_s: Time
    """Length of such a pulse."""
    residual_read_s: Time
    """Time of the array for the read before the correction; the conversion follows."""
    residual_pulse_energy_j: Energy
    """Energy of a pulse in one cell; one of an update costs as much."""
    capacitance_f: PositiveCapacitance = 20e-15
    """Capacitance of the capacitor; of use to `pulse_noise` and `reset_noise` alone."""
    pulse_noise: Literal["none", "shot"] = "none"
    """Whether the charge of a pulse has shot noise."""
    reset_noise: Literal["none", "thermal"] = "none"
    """Whether a reset leaves thermal noise, sqrt(k T / C)."""
    transistor_flicker: Ratio = 0.0
    """1/f noise of a read transistor, relative, per e-fold of frequencies; 0 is none."""
    reference_noise_siemens: Conductance = 0.0
    """What a shared reference is off by in a read, alike for all of its cells; 0 is none."""
    pulse_least_s: TimeOrZero = Fraction(2, 10**9)
    """Shortest pulse that a cell takes."""
    leak_temperature_kelvin: Temperature = 300.0
    """Temperature at which the leak's time constant holds."""
    leak_halving_kelvin: Temperature = 10.0
    """Warmer by so much, a capacitor leaks twice as fast."""
    residual_range_siemens: Conductance = 0.0
    """Reads of the capacitor's part are converted over plus and minus this; 0: not converted."""
    residual_noise_siemens: Conductance = 0.0
    """Standard deviation of such a read."""

    def residual_repeats(self) -> dict[str, int]:
        """Return how often the steps that write a value are done per row, where it is not once."""
        return {"residual_pulse": self.residual_pulses + self.trim_pulses, "residual_read": 2}

    def residual_actions(self, read_energy_j: float) -> dict[str, Action]:
        """Return the steps that read and write a value; an item is one cell, a time is one row's."""
        return {
            "transfer_read": Action(read_energy_j, self.transfer_read_s),
            "residual_pulse": Action(self.residual_pulse_energy_j, self.residual_pulse_s),
            "residual_read": Action(read_energy_j, self.residual_read_s),
        }

    @property
    def pulse_j(self) -> float:
        """A pulse of an update charges the capacitor as one of a transfer does."""
        return self.residual_pulse_energy_j

    @property
    def held_siemens(self) -> float:
        """The largest weight of either sign that a nominal cell holds, at the start and after the leak's end."""
        ends = self.capacitor_start_v, self.leak_target_v
        up, down = self.capacitor_most_v - max(ends), min(ends) - max(self.threshold_v, self.capacitor_least_v)
        return self.transistor_siemens_per_v * min(up, down)

    @property
    def transistor_siemens_per_v(self) -> float:
        """The read transistor's k: its conductance at the start over the voltage above threshold."""
        return self.start_conductance_siemens / (self.capacitor_start_v - self.threshold_v)

    @property
    def step_siemens(self) -> float:
        """The nominal change of the weight by one pulse."""
        return self.step_v * self.transistor_siemens_per_v

    def capacitor_flutter(self, switches: Switches) -> Flutter:
        """Return how the read transistors and the references fluctuate."""
        from archsim.components.cells.numeric.flutter import Flutter

        return Flutter(
            transistor=self.transistor_flicker * self.flicker_factor * switches.flicker,
            reference=self.reference_noise_siemens * 1e6 * switches.reference_noise,
        )

    @property
    def conducting_siemens(self) -> float:
        """That of g and the cell's part of g_shared once both have leaked."""
        above = max(self.leak_target_v, self.capacitor_start_v) - self.threshold_v
        return self.transistor_siemens_per_v * above * (1 + 1 / self.cells_per_reference)

    def conducting_at_siemens(self, weight: float) -> float:
        """The same at any weight, which is the difference of two conductances."""
        return self.conducting_siemens

    @property
    def electrons_per_pulse(self) -> float:
        """How many electrons a nominal pulse moves."""
        return self.step_v * self.capacitance_f / ELEMENTARY_CHARGE_C

    @property
    def least_pulse_s(self) -> Fraction:
        """As given."""
        return self.pulse_least_s

    def leak_time_constant_at_s(self, temperature_kelvin: float) -> float:
        """Return the time constant of the leak at a temperature."""
        warmer = (temperature_kelvin - self.leak_temperature_kelvin) / self.leak_halving_kelvin
        return float(self.leak_time_constant_s) * math.exp2(-min(max(warmer, -100.0), 100.0))  # what floats can hold

    @model_validator(mode="after")
    def _spreads_one_way(self) -> Self:
        if self.step_spread and self.step_spread_absolute_v:
            message = (
                "steps spread by a share of them, or by a voltage; give step_spread: 0, or no step_spread_absolute"
            )
            raise PydanticCustomError("step_spread", message)
        if self.residual_pulse_s < self.pulse_least_s:
            times = {"given": self.residual_pulse_s, "least": self.pulse_least_s}
            message = "a residual_pulse of {given} ns is too short; give {least} ns or more, the cell's pulse_least"
            raise PydanticCustomError("pulse", message, {key: f"{float(s) * 1e9:g}" for key, s in times.items()})
        return self

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        least, start, most = self.capacitor_least_v, self.capacitor_start_v, self.capacitor_most_v
        if not (least <= start <= most and least <= self.leak_target_v <= most and self.threshold_v < start):
            message = (
                "a capacitor that starts at {start} V is out of order; allowed: capacitor_least <= capacitor_start and "
                "leak_target <= capacitor_most, and threshold < capacitor_start"
            )
            raise PydanticCustomError("capacitor", message, {"start": start})
        return self

    def capacitor_numbers(self, switches: Switches, temperature_kelvin: float | None, levels: int) -> Numbers:
        """Return what all 3T1C of a device have in common, in V, uS and s."""
        import numpy as np

        from archsim.components.cells.numeric.capacitor_kernels import Numbers

        real, warmth = np.float32, self._temperature(switches, temperature_kelvin)
        shot = self.pulse_noise == "shot" and switches.pulse_noise
        thermal = self.reset_noise == "thermal" and switches.reset_noise
        reads = [self.reading(noise_siemens, self.residual_range_siemens, levels, switches)
                 for noise_siemens in (self.transfer_noise_siemens, self.residual_noise_siemens)]  # fmt: skip
        return Numbers(
            span=self.cells_per_reference, start=real(self.capacitor_start_v), least=real(self.capacitor_least_v),
            most=real(self.capacitor_most_v), target=real(self.leak_target_v), tau=self.leak_time_constant_at_s(warmth),
            bend=real(self.step_bend / self.capacitor_start_v), step=real(self.step_siemens * 1e6),
            rewrite_read=reads[0], residual_read=reads[1], residual_pulses=self.residual_pulses,
            trim_pulses=self.trim_pulses, grain=real(shot * ELEMENTARY_CHARGE_C / self.capacitance_f),
            reset_noise=real(thermal * math.sqrt(BOLTZMANN_J_PER_K * warmth / self.capacitance_f)),
        )  # fmt: skip

    def capacitor_spreads(self, switches: Switches, temperature_kelvin: float | None) -> Spreads:
        """Return the means and the spreads with which cells are made, in V, uS and s; no spread without variability."""
        from archsim.components.cells.numeric.capacitor_kernels import Spreads

        vary, warmth = switches.variation, self._temperature(switches, temperature_kelvin)
        relative = self.step_spread + self.step_spread_absolute_v / self.step_v
        return Spreads(
            k=self.transistor_siemens_per_v * 1e6, threshold=self.threshold_v, step=self.step_v,
            tau=self.leak_time_constant_at_s(warmth), k_spread=self.transistor_spread * vary,
            threshold_spread=self.threshold_spread_v * vary, step_spread=relative * vary,
            leak_spread=self.leak_spread * vary, step_least=self.step_least,
        )  # fmt: skip

    def _temperature(self, switches: Switches, given_kelvin: float | None) -> float:
        """Return how warm the cells are: as given, or without that as their leak is stated."""
        return given_kelvin if given_kelvin is not None and switches.temperature else self.leak_temperature_kelvin


EXAMPLE_OF_CAPACITOR = {
    "leak_time_constant": "5.16 ms", "leak_spread": "10 %", "leak_target": "0.8 V", "capacitor_start": "0.5 V",
    "capacitor_least": "0.2 V", "capacitor_most": "1.0 V", "start_conductance": "6 uS", "transistor_spread": "3 %",
    "threshold": "0.35 V", "threshold_spread": "20 mV", "step": "1.25 mV", "step_spread": "10 %", "step_bend": "0.1",
    "cells_per_reference": 8, "residual_pulses": 64, "trim_pulses": 16, "residual_pulse": "5 ns",
    "residual_read": "80 ns", "residual_pulse_energy": "20 fJ",
}  # fmt: skip
"""The capacitor of the reference's cell."""


@component("cap_3t1c", "device")
class Capacitor3T1C(CapacitorPair, Device):
    """Three transistors and a capacitor alone: W = g - g_shared. It leaks, and nothing but a rewrite restores it."""

    rewrite_steps = ("transfer_read", "residual_pulse", "residual_read")
    example = {**EXAMPLE, **EXAMPLE_OF_READ, **EXAMPLE_OF_CAPACITOR}

    def cells(
        self, rows: int, cols: int, seed: int, shard: int, switches: Switches = EVERYTHING,
        temperature_kelvin: float | None = None, levels: int = 0,
    ) -> Cells:  # fmt: skip
        """Return rows x cols such cells in numbers."""
        from archsim.components.cells.numeric.capacitor import Capacitor3T1CCells

        return Capacitor3T1CCells(self.parameters(switches, temperature_kelvin, levels), rows, cols, seed, shard)

    def parameters(self, switches: Switches, temperature_kelvin: float | None = None, levels: int = 0) -> Parameters:
        """Return what its cells in numbers are made from."""
        from archsim.components.cells.numeric.base import Parameters

        numbers = self.capacitor_numbers(switches, temperature_kelvin, levels)
        spreads = self.capacitor_spreads(switches, temperature_kelvin)
        return Parameters(numbers, spreads, self.step_siemens * 1e6, self.held_siemens * 1e6, leaks=switches.leakage,
                          flutter=self.capacitor_flutter(switches))  # fmt: skip

    def repeats(self, step: str) -> int:
        """A read, pulses, a read, a trim."""
        return self.residual_repeats().get(step, 1)

    def actions(self) -> dict[str, Action]:
        """Reads and the steps of a rewrite; an item is one cell, a time is one row's."""
        return {**super().actions(), **self.residual_actions(self.read_energy_j)}
