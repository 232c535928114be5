"""Weight cells: what one synapse is made of, and what it takes to read, program and refresh it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

from archsim.components.base import Action, Component, component
from archsim.units import Area, Conductance, Count, Energy, Power, Time, Voltage


class Device(Component):
    """Base of the weight cells. Times are those of a row, since all its cells are handled at once.

    `transfer_steps` and `rewrite_steps` name the actions of one row's maintenance, in order, each with
    how often it is done; no step means that the cell needs none.
    """

    area_m2: Area
    read_energy_j: Energy
    supply_v: Voltage
    read_v: Voltage
    leakage_w: Power = 0.0
    transfer_steps: ClassVar[tuple[str, ...]] = ()
    rewrite_steps: ClassVar[tuple[str, ...]] = ()

    def repeats(self, step: str) -> int:
        """Return how often a maintenance step is done per row."""
        return 1

    def row_time_s(self, steps: tuple[str, ...]) -> Fraction:
        """Return the time of these maintenance steps for one group of rows, in seconds."""
        actions = self.actions()
        return sum((self.repeats(step) * actions[step].latency_s for step in steps), Fraction(0))

    def peak_power_w(self, steps: tuple[str, ...]) -> float:
        """Return the largest power of one cell during these steps, in watts."""
        actions = self.actions()
        return max(
            (actions[step].energy_j / float(actions[step].latency_s) for step in steps if actions[step].latency_s),
            default=0.0,
        )

    def read_energy_at_j(self, conductance_siemens: float, on_time_s: float) -> float:
        """Return the energy of one read at a measured mean conductance and on-time, in joules.

        Charge is drawn at the supply: E = V_supply V_read G t_on.
        """
        return self.supply_v * self.read_v * conductance_siemens * on_time_s

    @property
    def writes_per_transfer(self) -> int:
        """Programming pulses (RESET) that each long-term device sees in one transfer."""
        return 0

    def actions(self) -> dict[str, Action]:
        """`read`: one cell's share of a vector-matrix product; its time is the array's."""
        return {"read": Action(self.read_energy_j)}


@component("pcm_3t1c", "device")
class Pcm3T1C(Device):
    """Two PCM and three transistors with a capacitor: W = F (G+ - G-) + p (g - g_shared).

    Updates land on the capacitor, which leaks; every interval the weight is transferred to the PCM pair
    and the polarity p of the capacitor's part is inverted. Cell: Ambrogio et al., Nature 558, 60 (2018).
    """

    gain: Count
    read_conductance_siemens: Conductance
    leak_time_constant_s: Time
    transfer_read_s: Time
    reset_s: Time
    reset_energy_j: Energy
    ramp_s: Time
    ramp_energy_j: Energy
    verify_s: Time
    iterations: Count
    residual_pulses: Count
    trim_pulses: Count
    residual_pulse_s: Time
    residual_read_s: Time
    residual_pulse_energy_j: Energy
    invert_energy_j: Energy
    transfer_steps: ClassVar[tuple[str, ...]] = (
        "transfer_read", "reset", "ramp", "verify", "residual_pulse", "residual_read", "invert",
    )  # fmt: skip
    rewrite_steps: ClassVar[tuple[str, ...]] = ("transfer_read", "residual_pulse", "residual_read")
    example: ClassVar[Mapping[str, Any]] = {
        "area": "2.34 um2", "read_energy": "49.5 fJ", "supply": "1.0 V", "read": "0.2 V", "gain": 3,
        "read_conductance": "11 uS", "leak_time_constant": "5.16 ms", "transfer_read": "80 ns", "reset": "50 ns",
        "reset_energy": "15 pJ", "ramp": "500 ns", "ramp_energy": "40 pJ", "verify": "80 ns", "iterations": 2,
        "residual_pulses": 64, "trim_pulses": 16, "residual_pulse": "5 ns", "residual_read": "80 ns",
        "residual_pulse_energy": "20 fJ", "invert_energy": "0 J",
    }  # fmt: skip

    def repeats(self, step: str) -> int:
        """Two RESETs (G+, G-), a ramp and a verify per iteration; residual pulses, a read, a trim, a read."""
        return {
            "reset": 2 * self.iterations,
            "ramp": self.iterations,
            "verify": self.iterations,
            "residual_pulse": self.residual_pulses + self.trim_pulses,
            "residual_read": 2,
        }.get(step, 1)

    @property
    def writes_per_transfer(self) -> int:
        """Each PCM device is RESET once per iteration."""
        return self.iterations

    def actions(self) -> dict[str, Action]:
        """Reads and the steps of transfer and rewrite; an item is one cell, a time is one row's."""
        return {
            **super().actions(),
            "transfer_read": Action(self.read_energy_j, self.transfer_read_s),
            "reset": Action(self.reset_energy_j, self.reset_s),
            "ramp": Action(self.ramp_energy_j, self.ramp_s),
            "verify": Action(self.read_energy_j, self.verify_s),
            "residual_pulse": Action(self.residual_pulse_energy_j, self.residual_pulse_s),
            "residual_read": Action(self.read_energy_j, self.residual_read_s),
            "invert": Action(self.invert_energy_j),
        }


@component("static_cell", "device")
class StaticCell(Device):
    """A cell that is trained in place and keeps its weight by itself: no transfer, no refresh."""

    example: ClassVar[Mapping[str, Any]] = {
        "area": "1 um2", "read_energy": "50 fJ", "supply": "1.0 V", "read": "0.2 V",
    }  # fmt: skip
