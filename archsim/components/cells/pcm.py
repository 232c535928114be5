"""Cells of phase-change devices: the pair as a part of others, and alone, trained in place."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.units import Conductance, Count, Energy, Ratio, Share, Signed, Time
from archsim.components.base import Action, component
from archsim.components.cells.base import (
    EVERYTHING,
    EXAMPLE,
    EXAMPLE_OF_READ,
    Device,
    SingleRead,
    SomeConductance,
    Switches,
)

if TYPE_CHECKING:
    from archsim.components.cells.numeric.ageing import Habits
    from archsim.components.cells.numeric.base import Cells, Parameters
    from archsim.components.cells.numeric.flutter import Flutter
    from archsim.components.cells.numeric.programming import Programming


class PcmPair(SingleRead):
    """Two phase-change devices that hold F (G+ - G-), each programmed by a RESET and a SET ramp.

    A ramp of t programs G_T where t = ramp_least (ramp_most / ramp_least)^(G_T / set_scale): a slot's length limits
    what is reached. The error that verified iterations leave is sigma = set_error + set_error_slope r
    - set_error_bend r^2, r = G_T / set_scale (Nandakumar 2019, Joshi 2020; aihwkit's PCM model), and above
    `set_control` larger by 1 + (G_T - set_control) / set_control_loss.

    A transfer's read is converted over `transfer_range` of weight, of which 0 says that it is not.

    Options, off by default: conductance drifts as G (max(t, drift_start) / drift_start)^-nu with the time since a
    device was last verified, nu from device to device with mean and spread, not below zero. With `drift_law:
    conductance` nu is set each time that a device is programmed, by what it then holds: |mean + spread z| with z fixed
    to the device, mean = drift_law_mean - drift_law_slope ln r within drift_law_least and drift_law_most, and so the
    spread (aihwkit's PCM model). A share of the devices is
    stuck at RESET, another at `set_scale`. In each read a device fluctuates by `flicker` r^-flicker_exponent of its
    conductance, at most by `flicker_most` (see `Flicker`).
    """

    later = frozenset(
        {"flicker", "flicker_exponent", "flicker_most", "drift_law", "drift_law_mean", "drift_law_slope",
         "drift_law_least", "drift_law_most", "drift_law_spread", "drift_law_spread_slope", "drift_law_spread_least",
         "drift_law_spread_most", "transfer_range_siemens"}
    )  # fmt: skip

    programming_steps: ClassVar[tuple[str, ...]] = ("reset", "ramp", "verify")
    choices: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "gain": (), "iterations": ("set_error_siemens", "set_error_slope_siemens", "set_error_bend_siemens"),
        "ramp_s": ("ramp_energy_j",),
    }  # fmt: skip

    gain: Count
    """F in W = F (G+ - G-): what the pair counts, read through a current mirror."""
    iterations: Count
    """How often RESET, ramp and verify are done each time that a cell is programmed."""
    ramp_s: Time
    """Slot of a SET ramp; with the fastest and slowest ramps it limits what is reached."""
    ramp_least_s: Time
    """Fastest SET ramp, which leaves a device at RESET."""
    ramp_most_s: Time
    """Slowest SET ramp, which reaches `set_scale`."""
    set_scale_siemens: SomeConductance
    """Conductance that the slowest ramp reaches; r = G / set_scale."""
    set_error_siemens: Conductance
    """Error of programming at r = 0: sigma = set_error + set_error_slope r - set_error_bend r^2."""
    set_error_slope_siemens: Conductance
    """How that error grows with r."""
    set_error_bend_siemens: Conductance
    """How that growth bends, with r^2."""
    set_control_siemens: Conductance
    """Conductance above which programming is controlled less well."""
    set_control_loss_siemens: SomeConductance
    """Above it the error is larger by 1 + (G - set_control) / set_control_loss."""
    reset_conductance_siemens: Conductance
    """Mean conductance after a RESET."""
    reset_spread_siemens: Conductance
    """Standard deviation of the conductance after a RESET."""
    reset_s: Time
    """Length of a RESET pulse."""
    reset_energy_j: Energy
    """Energy of a RESET of one device."""
    ramp_energy_j: Energy
    """Energy of a SET ramp in one cell."""
    verify_s: Time
    """Time of the array to verify a row; the conversion follows."""
    drift_exponent: Ratio = 0.0
    """Mean exponent nu of drift, G (t / drift_start)^-nu; 0 is none."""
    drift_exponent_spread: Ratio = 0.0
    """Standard deviation of nu from device to device."""
    drift_start_s: Time = Fraction(20, 10**6)
    """Time since a device was verified from which it drifts."""
    drift_law: Literal["constant", "conductance"] = "constant"
    """Whether nu is a constant of the device, or follows the conductance to which it was programmed."""
    drift_law_mean: Signed = 0.0244
    """By conductance: mean nu at r = 1."""
    drift_law_slope: Ratio = 0.0155
    """By conductance: how mean nu falls with ln r."""
    drift_law_least: Ratio = 0.049
    """By conductance: smallest mean nu."""
    drift_law_most: Ratio = 0.1
    """By conductance: largest mean nu."""
    drift_law_spread: Signed = -0.0059
    """By conductance: spread of nu at r = 1."""
    drift_law_spread_slope: Ratio = 0.0125
    """By conductance: how the spread of nu falls with ln r."""
    drift_law_spread_least: Ratio = 0.008
    """By conductance: smallest spread of nu."""
    drift_law_spread_most: Ratio = 0.045
    """By conductance: largest spread of nu."""
    stuck_reset: Share = 0.0
    """Share of the devices that are stuck at RESET."""
    stuck_set: Share = 0.0
    """Share of the devices that are stuck at `set_scale`."""
    flicker: Ratio = 0.0
    """1/f noise of a device at `set_scale`, relative, per e-fold of frequencies; 0 is none."""
    flicker_exponent: Ratio = 0.65
    """That noise grows as r^-this towards lower conductance."""
    flicker_most: Ratio = 0.2
    """Largest such noise."""
    transfer_range_siemens: Conductance = 0.0
    """A transfer's read of the weight is converted over this range; 0: not converted."""

    def programming_repeats(self) -> dict[str, int]:
        """Return how often the steps of programming are done per row: each time RESET G+ and G-, a ramp, a verify."""
        return {"reset": 2 * self.iterations, "ramp": self.iterations, "verify": self.iterations}

    def programming_actions(self, read_energy_j: float) -> dict[str, Action]:
        """Return the steps that read pairs and program them; an item is one cell, a time is one row's."""
        return {
            "transfer_read": Action(read_energy_j, self.transfer_read_s),
            "reset": Action(self.reset_energy_j, self.reset_s),
            "ramp": Action(self.ramp_energy_j, self.ramp_s),
            "verify": Action(read_energy_j, self.verify_s),
        }

    @property
    def reachable_siemens(self) -> float:
        """The largest conductance that a SET ramp of the slot's length programs."""
        span = math.log(self.ramp_most_s / self.ramp_least_s)
        share = math.log(self.ramp_s / self.ramp_least_s) / span
        return self.set_scale_siemens * min(max(share, 0.0), 1.0)

    def programming(self, switches: Switches) -> Programming:
        """Return what all PCM pairs of a device have in common, in uS; without programming error none of its terms."""
        import numpy as np

        from archsim.components.cells.numeric.programming import DriftLaw, Programming

        real, error = np.float32, 1e6 if switches.programming_error else 0.0
        law = DriftLaw(
            self.set_scale_siemens * 1e6, self.drift_law_mean, self.drift_law_slope, self.drift_law_least,
            self.drift_law_most, self.drift_law_spread, self.drift_law_spread_slope, self.drift_law_spread_least,
            self.drift_law_spread_most,
        )  # fmt: skip
        return Programming(
            gain=real(self.gain), reachable=real(self.reachable_siemens * 1e6),
            scale=real(self.set_scale_siemens * 1e6), error=real(self.set_error_siemens * error),
            error_slope=real(self.set_error_slope_siemens * error),
            error_bend=real(self.set_error_bend_siemens * error), control=real(self.set_control_siemens * 1e6),
            control_loss=real(self.set_control_loss_siemens * 1e6),
            reset=real(self.reset_conductance_siemens * error),
            reset_spread=real(self.reset_spread_siemens * error), law=law,
        )  # fmt: skip

    def pair_flutter(self, switches: Switches) -> Flutter:
        """Return how the devices fluctuate."""
        from archsim.components.cells.numeric.flutter import Flutter

        return Flutter(
            device=self.flicker * self.flicker_factor * switches.flicker, exponent=self.flicker_exponent,
            most=self.flicker_most * self.flicker_factor, scale=self.set_scale_siemens * 1e6,
        )  # fmt: skip

    def habits(self, switches: Switches) -> Habits:
        """Return how devices age, in uS; without variability all of them drift alike and none is stuck."""
        from archsim.components.cells.numeric.ageing import Habits

        vary, drifts, by_law = switches.variation, float(switches.drift), self.drift_law == "conductance"
        constant = drifts * (not by_law)
        return Habits(
            self.drift_exponent * constant, self.drift_exponent_spread * vary * constant, self.stuck_reset * vary,
            self.stuck_set * vary,
            reset=self.reset_conductance_siemens * 1e6, set=self.set_scale_siemens * 1e6,
            lawful=switches.drift and by_law, varies=vary,
        )  # fmt: skip

    @model_validator(mode="after")
    def _has_ramps(self) -> Self:
        if not self.ramp_least_s < self.ramp_most_s:
            message = "the slowest ramp is not slower than the fastest; give ramp_least < ramp_most"
            raise PydanticCustomError("ramps", message)
        if self.drift_law == "conductance" and (self.drift_exponent or self.drift_exponent_spread):
            message = "exponents of drift follow conductance, or are given; give drift_exponent: 0 and its spread 0"
            raise PydanticCustomError("drift", message)
        if not self.stuck_reset + self.stuck_set < 1:
            raise PydanticCustomError("stuck", "all devices are stuck; give stuck_reset + stuck_set < 100 %")
        return self


EXAMPLE_OF_PAIR = {
    "gain": 3, "reset": "50 ns", "reset_energy": "15 pJ", "ramp": "500 ns", "ramp_energy": "40 pJ", "verify": "80 ns",
    "iterations": 2, "ramp_least": "13.6 ns", "ramp_most": "4.4 us", "set_scale": "25 uS", "set_error": "0.2635 uS",
    "set_error_slope": "1.965 uS", "set_error_bend": "1.1731 uS", "set_control": "20 uS", "set_control_loss": "10 uS",
    "reset_conductance": "0.1 uS", "reset_spread": "0.05 uS",
}  # fmt: skip
"""The phase-change devices of the reference's cell."""


@component("pcm_pair", "device")
class PcmPairCell(PcmPair, Device):
    """Two PCM alone, trained in place: W = F (G+ - G-), an increase SETs G+ a little and a decrease G-.

    A SET pulse adds step (1 - G / limit); step and limit differ from device to device, and `set_noise` is the spread
    of one pulse's change relative to its mean; no step and no limit is below the shares `set_step_least` and
    `set_limit_least` of its mean. Only a RESET lowers a conductance, and all of it: a transfer reads all
    pairs, RESETs both devices where one is above `refresh_above`, and programs the difference again. Its time is that
    of a row in which any pair needs it, its energy that of the share `refreshed` of the pairs. Occasional RESET: Burr
    et al., IEEE Trans. Electron Devices 62, 3498 (2015). G+ and G- are read one after the other, as F G over
    `transfer_range`, each with its part of `transfer_noise`.
    """

    later = frozenset({"set_step_least", "set_limit_least"})

    set_step_siemens: SomeConductance
    """Mean change of a device's conductance by a SET pulse, at a conductance of zero."""
    set_step_spread: Ratio
    """Relative standard deviation of that step from device to device."""
    set_step_least: Share = 0.05
    """No step is smaller than this share of the mean."""
    set_limit_siemens: SomeConductance
    """Mean conductance at which SET pulses end."""
    set_limit_spread: Ratio
    """Relative standard deviation of that limit from device to device."""
    set_limit_least: Share = 0.05
    """No limit is smaller than this share of the mean."""
    set_noise: Ratio
    """Standard deviation of one pulse's change, relative to its mean."""
    set_energy_j: Energy
    """Energy of a SET pulse in one cell."""
    refresh_above_siemens: Conductance
    """A transfer RESETs a pair of which one device is above this, and programs the difference again."""
    refreshed: Share
    """Share of the pairs that a transfer so refreshes, to which its energy is billed."""
    transfer_steps = ("transfer_read", "reset", "ramp", "verify")
    example = {
        **EXAMPLE, **EXAMPLE_OF_READ, **EXAMPLE_OF_PAIR, "set_step": "1 uS", "set_step_spread": "20 %",
        "set_limit": "25 uS", "set_limit_spread": "10 %", "set_noise": "60 %", "set_energy": "4 pJ",
        "refresh_above": "15 uS", "refreshed": "10 %",
    }  # fmt: skip

    @model_validator(mode="after")
    def _is_kept_below_its_limit(self) -> Self:
        if not self.refresh_above_siemens < self.set_limit_siemens:
            message = "no pair would ever be RESET: SET pulses end at set_limit; give refresh_above < set_limit"
            raise PydanticCustomError("refresh", message)
        return self

    @property
    def conducting_siemens(self) -> float:
        """One of the two at its limit."""
        return self.set_limit_siemens

    def cells(
        self, rows: int, cols: int, seed: int, shard: int, switches: Switches = EVERYTHING,
        temperature_kelvin: float | None = None, levels: int = 0,
    ) -> Cells:  # fmt: skip
        """Return rows x cols such cells in numbers."""
        from archsim.components.cells.numeric.pcm import PcmPairCells

        return PcmPairCells(self.parameters(switches, levels=levels), rows, cols, seed, shard)

    def parameters(self, switches: Switches, levels: int = 0) -> Parameters:
        """Return what its cells in numbers are made from; without programming error all SET pulses are alike."""
        import numpy as np

        from archsim.components.cells.numeric.base import Parameters
        from archsim.components.cells.numeric.pcm_kernels import PairNumbers, PairSpreads

        real, vary = np.float32, switches.variation
        step = self.gain * self.set_step_siemens * 1e6
        noise = self.set_noise if switches.programming_error else 0.0
        numbers = PairNumbers(
            real(step), real(noise), refresh_above=real(self.refresh_above_siemens * 1e6),
            transfer_read=self.reading(
                self.transfer_noise_siemens / math.sqrt(2), self.transfer_range_siemens, levels, switches, signed=False
            ),
            pcm=self.programming(switches),
        )  # fmt: skip
        spreads = PairSpreads(
            self.set_step_siemens * 1e6, self.set_step_spread * vary, self.set_limit_siemens * 1e6,
            self.set_limit_spread * vary, self.set_step_least, self.set_limit_least,
        )  # fmt: skip
        return Parameters(
            numbers, spreads, step, self.gain * self.reachable_siemens * 1e6, self.habits(switches),
            float(self.drift_start_s), 2 * self.iterations, flutter=self.pair_flutter(switches),
        )  # fmt: skip

    @property
    def pulse_j(self) -> float:
        """That of a SET pulse."""
        return self.set_energy_j

    def repeats(self, step: str) -> int:
        """G+ and G- are read one after the other; then two RESETs, a ramp and a verify per iteration."""
        return {"transfer_read": 2, **self.programming_repeats()}.get(step, 1)

    @property
    def writes_when_programmed(self) -> int:
        """Once per iteration."""
        return self.iterations

    @property
    def programmed_share(self) -> float:
        """That of the pairs that are refreshed."""
        return self.refreshed

    def actions(self) -> dict[str, Action]:
        """Reads and the steps of a transfer; an item is one cell, a time is one row's."""
        return {**super().actions(), **self.programming_actions(self.read_energy_j)}
