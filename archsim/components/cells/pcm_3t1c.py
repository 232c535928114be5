"""The reference's cell: two phase-change devices and a 3T1C."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from archsim.base.units import Conductance, Energy
from archsim.components.base import Action, component
from archsim.components.cells.base import Device, Switches
from archsim.components.cells.capacitor import CapacitorPair, capacitor_terms
from archsim.components.cells.numeric.kernels import Floats, Numbers
from archsim.components.cells.pcm import PcmPair, pcm_terms

if TYPE_CHECKING:
    from archsim.components.cells.numeric.cells import Cells


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
        from archsim.components.cells.numeric.pcm_3t1c import Pcm3T1CCells

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


def first_polarity(device: Pcm3T1C, rows: int, switches: Switches) -> Floats:
    """Return the polarity in which each row begins, +1 or -1."""
    polarity = np.ones(rows, np.float32)
    if device.row_polarity == "alternating" and switches.polarity_inversion:
        polarity[1::2] = -1
    return polarity


def compensates(device: Pcm3T1C, switches: Switches) -> bool:
    """Return whether transfers reckon with the leak; without leakage there is nothing to reckon with."""
    return device.leak_compensation == "nominal" and switches.leakage


def numbers_of(device: Pcm3T1C, switches: Switches) -> Numbers:
    """Return what all cells of a device have in common, in V, uS and s; without programming error none of its terms."""
    pcm = {"offset": np.float32(device.offset_siemens * 1e6), **pcm_terms(device, switches)}
    return Numbers(**capacitor_terms(device), **pcm)
