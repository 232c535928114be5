"""Weight cells: what one synapse is made of, and what it takes to read, program and refresh it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.components.base import Action, Component, component
from archsim.errors import ArchsimError
from archsim.section import Section
from archsim.units import Area, Conductance, Count, Dimension, Energy, Power, Ratio, Share, Time, Voltage

if TYPE_CHECKING:
    from archsim.components.cells import Cells

VoltageOrZero = Annotated[float, Dimension("V", above=False, most=100.0)]
SomeConductance = Annotated[float, Dimension("S", most=1.0)]


@dataclass(frozen=True)
class Switches:
    """What of a cell's imperfection is modelled; one is switched off at a time to see what it does."""

    polarity_inversion: bool = True
    leakage: bool = True
    variability: bool = True
    programming_error: bool = True


class Device(Component):
    """Base of the weight cells. Times are those of a row, since all its cells are handled at once.

    `transfer_steps` and `rewrite_steps` name the actions of one row's maintenance, in order, each with
    how often it is done; no step means that the cell needs none. Of these, `converted_steps` end in a conversion of
    each column. `two_terminals` says that voltages of either sign can read it. A weight is written by
    `programming_steps`, or, where `program` (a row's time) and `program_energy` (a cell's) are given, by one step of
    these.
    """

    later: ClassVar[frozenset[str]] = frozenset({"program_s", "program_energy_j"})

    area_m2: Area
    read_energy_j: Energy
    supply_v: Voltage
    read_v: Voltage
    leakage_w: Power = 0.0
    program_s: Time | None = None
    program_energy_j: Energy | None = None
    transfer_steps: ClassVar[tuple[str, ...]] = ()
    rewrite_steps: ClassVar[tuple[str, ...]] = ()
    programming_steps: ClassVar[tuple[str, ...]] = ()
    two_terminals: ClassVar[bool] = False
    converted_steps: ClassVar[frozenset[str]] = frozenset({"transfer_read", "verify", "residual_read"})

    @property
    def pulse_j(self) -> float:
        """Energy that one pulse of an update costs the cell, in joules."""
        return 0.0

    def conversions(self, steps: tuple[str, ...]) -> int:
        """Return how often each column is converted in these maintenance steps of a row."""
        return sum(self.repeats(step) for step in steps if step in self.converted_steps)

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

    def cells(
        self,
        rows: int,
        cols: int,
        seed: int,
        shard: int,
        *,
        polarity_inversion: bool = True,
        leakage: bool = True,
        variability: bool = True,
        programming_error: bool = True,
    ) -> Cells:
        """Return rows x cols such cells in numbers, fresh from the fab; all draws are keyed by seed and shard."""
        switches = Switches(polarity_inversion, leakage, variability, programming_error)
        return self._cells(rows, cols, seed, shard, switches)

    def _cells(self, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> Cells:
        raise ArchsimError(f"cells of kind '{self.kind}' are not there in numbers: they can be timed, not trained")

    @property
    def writes_per_transfer(self) -> float:
        """Programming pulses (RESET) that a long-term device sees in one transfer, on average."""
        return 0

    def actions(self) -> dict[str, Action]:
        """`read`: one cell's share of a vector-matrix product; its time is the array's. `program`: a row is written."""
        actions = {"read": Action(self.read_energy_j)}
        if self.program_s is not None:
            actions["program"] = Action(self.program_energy_j or 0.0, self.program_s)
        return actions

    @property
    def writing_steps(self) -> tuple[str, ...]:
        """The actions that write a row of weights, in order; none if the cell does not say."""
        return ("program",) if self.program_s is not None else self.programming_steps

    @model_validator(mode="after")
    def _is_written_for_something(self) -> Self:
        if (self.program_s is None) != (self.program_energy_j is None):
            message = "a row's time to be written and a cell's energy belong together; give program and program_energy"
            raise PydanticCustomError("program", message)
        return self


class SingleRead(Section):
    """How maintenance reads cells: a row at a time, gain switched, with an error of the weight as it is read."""

    transfer_read_s: Time
    transfer_noise_siemens: Conductance


class CapacitorPair(SingleRead):
    """A read transistor on a capacitor, g = k max(V - V_T, 0), against a reference that several cells share.

    A value is written by a burst of pulses, a read, a trim and another read (`residual`: in a transfer it is what the
    long-term devices left over).

    Spreads are standard deviations from cell to cell, fixed when the chip is made: of k and of the steps relative to
    their means, of the threshold in volts, and of the logarithm of the leak's time constant. No step is below the share
    `step_least` of the mean.
    """

    later: ClassVar[frozenset[str]] = frozenset({"step_least"})

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "cells_per_reference": ("area_m2",), "residual_pulses": (), "trim_pulses": (),
    }  # fmt: skip

    leak_time_constant_s: Time
    leak_spread: Ratio
    leak_target_v: Voltage
    capacitor_start_v: Voltage
    capacitor_least_v: Voltage
    capacitor_most_v: Voltage
    start_conductance_siemens: SomeConductance
    transistor_spread: Ratio
    threshold_v: Voltage
    threshold_spread_v: VoltageOrZero
    step_v: Voltage
    step_spread: Ratio
    step_least: Share = 0.05
    step_bend: Ratio
    cells_per_reference: Count
    residual_pulses: Count
    trim_pulses: Count
    residual_pulse_s: Time
    residual_read_s: Time
    residual_pulse_energy_j: Energy

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
        lowest = max(self.threshold_v, self.capacitor_least_v)
        room = [
            min(self.capacitor_most_v - common, common - lowest)
            for common in (self.capacitor_start_v, self.leak_target_v)
        ]
        return self.transistor_siemens_per_v * min(room)

    @property
    def transistor_siemens_per_v(self) -> float:
        """The read transistor's k: its conductance at the start over the voltage above threshold."""
        return self.start_conductance_siemens / (self.capacitor_start_v - self.threshold_v)

    @property
    def step_siemens(self) -> float:
        """The nominal change of the weight by one pulse."""
        return self.step_v * self.transistor_siemens_per_v

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


class PcmPair(SingleRead):
    """Two phase-change devices that hold F (G+ - G-), each programmed by a RESET and a SET ramp.

    A ramp of t programs G_T where t = ramp_least (ramp_most / ramp_least)^(G_T / set_scale): a slot's length limits
    what is reached. The error that verified iterations leave is sigma = set_error + set_error_slope r
    - set_error_bend r^2, r = G_T / set_scale (Nandakumar 2019, Joshi 2020; aihwkit's PCM model), and above
    `set_control` larger by 1 + (G_T - set_control) / set_control_loss.

    Options, off by default: conductance drifts as G (max(t, drift_start) / drift_start)^-nu with the time since a
    device was programmed, nu from device to device with mean and spread, not below zero; a share of the devices is
    stuck at RESET, another at `set_scale`.
    """

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "gain": (), "iterations": ("set_error_siemens", "set_error_slope_siemens", "set_error_bend_siemens"),
        "ramp_s": ("ramp_energy_j",),
    }  # fmt: skip

    gain: Count
    iterations: Count
    ramp_s: Time
    ramp_least_s: Time
    ramp_most_s: Time
    set_scale_siemens: SomeConductance
    set_error_siemens: Conductance
    set_error_slope_siemens: Conductance
    set_error_bend_siemens: Conductance
    set_control_siemens: Conductance
    set_control_loss_siemens: SomeConductance
    reset_conductance_siemens: Conductance
    reset_spread_siemens: Conductance
    reset_s: Time
    reset_energy_j: Energy
    ramp_energy_j: Energy
    verify_s: Time
    drift_exponent: Ratio = 0.0
    drift_exponent_spread: Ratio = 0.0
    drift_start_s: Time = Fraction(20, 10**6)
    stuck_reset: Share = 0.0
    stuck_set: Share = 0.0

    def programming_repeats(self) -> dict[str, int]:
        """Return how often the steps of programming are done per row: each time RESET G+ and G-, a ramp, a verify."""
        return {"reset": 2 * self.iterations, "ramp": self.iterations, "verify": self.iterations}

    def programming_actions(self, read_energy_j: float, share: float = 1.0) -> dict[str, Action]:
        """Return the steps that read pairs and program a share of them; an item is one cell, a time is one row's."""
        return {
            "transfer_read": Action(read_energy_j, self.transfer_read_s),
            "reset": Action(self.reset_energy_j * share, self.reset_s),
            "ramp": Action(self.ramp_energy_j * share, self.ramp_s),
            "verify": Action(read_energy_j * share, self.verify_s),
        }

    @property
    def reachable_siemens(self) -> float:
        """The largest conductance that a SET ramp of the slot's length programs."""
        span = math.log(self.ramp_most_s / self.ramp_least_s)
        share = math.log(self.ramp_s / self.ramp_least_s) / span
        return self.set_scale_siemens * min(max(share, 0.0), 1.0)

    @property
    def drifts(self) -> bool:
        """Whether any device drifts."""
        return self.drift_exponent > 0 or self.drift_exponent_spread > 0

    @model_validator(mode="after")
    def _has_ramps(self) -> Self:
        if not self.ramp_least_s < self.ramp_most_s:
            raise PydanticCustomError(
                "ramps", "the slowest ramp is not slower than the fastest; give ramp_least < ramp_most"
            )
        if not self.stuck_reset + self.stuck_set < 1:
            raise PydanticCustomError("stuck", "all devices are stuck; give stuck_reset + stuck_set < 100 %")
        return self


@component("pcm_3t1c", "device")
class Pcm3T1C(CapacitorPair, PcmPair, Device):
    """Two PCM and three transistors with a capacitor: W = F (G+ - G-) + p (g - g_shared).

    Updates land on the capacitor, which leaks; every interval the weight is transferred to the PCM pair
    and the polarity p of the capacitor's part is inverted. Cell: Ambrogio et al., Nature 558, 60 (2018).

    Two habits are archsim's own, off unless asked for. With `row_polarity: alternating` every other row begins
    inverted, so that what the offset loses to the leak, -p offset (1 - exp(-t / tau)) in every cell, cancels within a
    sum of rows. With `leak_compensation: nominal` a transfer after t reckons with the nominal leak, e = exp(-t / tau)
    and its mean over the interval, a = (1 - e) tau / t: it takes the weight as F (G+ - G-) + p (D a / e + offset (1 -
    a)), D = g - g_shared being what is left, and puts the programming error on the capacitor 1 / a times. So offset and
    programming error come back as they were, and an update counts as it did on average.
    """

    retired: ClassVar[Mapping[str, str]] = {
        "read_conductance": "no figure was ever made from it: read_energy is what a read costs, and measured activity "
        "brings its own conductance",
    }

    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {**CapacitorPair.choices, **PcmPair.choices}

    offset_siemens: Conductance
    row_polarity: Literal["uniform", "alternating"] = "uniform"
    leak_compensation: Literal["none", "nominal"] = "none"
    invert_energy_j: Energy
    transfer_steps: ClassVar[tuple[str, ...]] = (
        "transfer_read", "reset", "ramp", "verify", "residual_pulse", "residual_read", "invert",
    )  # fmt: skip
    rewrite_steps: ClassVar[tuple[str, ...]] = ("transfer_read", "residual_pulse", "residual_read")
    programming_steps: ClassVar[tuple[str, ...]] = ("reset", "ramp", "verify")
    example: ClassVar[Mapping[str, Any]] = {
        "area": "2.34 um2", "read_energy": "49.5 fJ", "supply": "1.0 V", "read": "0.2 V", "gain": 3,
        "leak_time_constant": "5.16 ms", "transfer_read": "80 ns", "reset": "50 ns",
        "reset_energy": "15 pJ", "ramp": "500 ns", "ramp_energy": "40 pJ", "verify": "80 ns", "iterations": 2,
        "residual_pulses": 64, "trim_pulses": 16, "residual_pulse": "5 ns", "residual_read": "80 ns",
        "residual_pulse_energy": "20 fJ", "invert_energy": "0 J", "leak_spread": "10 %", "leak_target": "0.8 V",
        "capacitor_start": "0.5 V", "capacitor_least": "0.2 V", "capacitor_most": "1.0 V", "start_conductance": "6 uS",
        "transistor_spread": "3 %", "threshold": "0.35 V", "threshold_spread": "20 mV", "step": "1.25 mV",
        "step_spread": "10 %", "step_bend": "0.1", "cells_per_reference": 8, "offset": "2 uS",
        "transfer_noise": "0.2 uS", "ramp_least": "13.6 ns", "ramp_most": "4.4 us", "set_scale": "25 uS",
        "set_error": "0.2635 uS", "set_error_slope": "1.965 uS", "set_error_bend": "1.1731 uS", "set_control": "20 uS",
        "set_control_loss": "10 uS", "reset_conductance": "0.1 uS", "reset_spread": "0.05 uS",
    }  # fmt: skip

    def _cells(self, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> Cells:
        from archsim.components.cells import Pcm3T1CCells

        return Pcm3T1CCells(self, rows, cols, seed, shard, switches)

    def repeats(self, step: str) -> int:
        """Two RESETs (G+, G-), a ramp and a verify per iteration; residual pulses, a read, a trim, a read."""
        return {**self.programming_repeats(), **self.residual_repeats()}.get(step, 1)

    @property
    def writes_per_transfer(self) -> float:
        """Each PCM device is RESET once per iteration."""
        return self.iterations

    def actions(self) -> dict[str, Action]:
        """Reads and the steps of transfer and rewrite; an item is one cell, a time is one row's."""
        return {
            **super().actions(),
            **self.programming_actions(self.read_energy_j),
            **self.residual_actions(self.read_energy_j),
            "invert": Action(self.invert_energy_j),
        }


class InPlaceCell(Device):
    """Base of the cells that every pulse trains in place and that keep their weight: no transfer, no refresh.

    A weight lies within -bound and +bound; spreads are from cell to cell, relative and fixed when the chip is made.
    With `asymmetry_spread` the up-step is larger and the down-step smaller by the same fraction. No step and no bound
    is below the shares `step_least` and `bound_least` of its mean. `pulse_energy` is what one pulse of an update takes
    in the cell.
    """

    later: ClassVar[frozenset[str]] = Device.later | {"step_least", "bound_least", "pulse_energy_j"}

    step_siemens: SomeConductance = 0.05e-6
    step_spread: Ratio = 0.0
    step_least: Share = 0.05
    asymmetry_spread: Ratio = 0.0
    bound_siemens: SomeConductance = 60e-6
    bound_spread: Ratio = 0.0
    bound_least: Share = 0.05
    pulse_energy_j: Energy = 0.0
    softness: ClassVar[float] = 0.0

    @property
    def pulse_j(self) -> float:
        """As given."""
        return self.pulse_energy_j

    def _cells(self, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> Cells:
        from archsim.components.in_place_cells import InPlaceCells

        return InPlaceCells(self, rows, cols, seed, shard, switches)


@component("static_cell", "device")
class StaticCell(InPlaceCell):
    """An ideal cell that is trained in place: all steps are equal, up to a hard bound, and it keeps its weight."""

    example: ClassVar[Mapping[str, Any]] = {
        "area": "1 um2", "read_energy": "50 fJ", "supply": "1.0 V", "read": "0.2 V",
    }  # fmt: skip


@component("soft_bounds", "device")
class SoftBounds(InPlaceCell):
    """A resistive cell (ReRAM) whose steps shrink towards its bounds: up by (1 - W / bound), down by (1 + W / bound).

    Soft bounds: Fusi and Abbott, Nature Neuroscience 10, 485 (2007), as in aihwkit's SoftBounds device. The example
    has the step, a six-hundredth of the bound, and the spreads of Gokmen and Vlasov, Front. Neurosci. 10, 333 (2016).
    """

    step_spread: Ratio
    asymmetry_spread: Ratio
    bound_spread: Ratio
    two_terminals: ClassVar[bool] = True
    softness: ClassVar[float] = 1.0
    example: ClassVar[Mapping[str, Any]] = {
        "area": "1 um2", "read_energy": "50 fJ", "supply": "1.0 V", "read": "0.2 V", "step": "0.1 uS",
        "step_spread": "30 %", "asymmetry_spread": "1 %", "bound": "60 uS", "bound_spread": "30 %",
    }  # fmt: skip
