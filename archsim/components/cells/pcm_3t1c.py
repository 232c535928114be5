"""The reference's cell: two phase-change devices and a 3T1C."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.units import Conductance, Energy, Part
from archsim.components.base import Action, component
from archsim.components.cells.base import EVERYTHING, EXAMPLE, EXAMPLE_OF_READ, Device, Switches
from archsim.components.cells.capacitor import EXAMPLE_OF_CAPACITOR, CapacitorPair
from archsim.components.cells.pcm import EXAMPLE_OF_PAIR, PcmPair

if TYPE_CHECKING:
    from archsim.components.cells.numeric.base import Cells, Parameters


@component("pcm_3t1c", "device")
class Pcm3T1C(CapacitorPair, PcmPair, Device):
    """Two PCM and three transistors with a capacitor: W = F (G+ - G-) + p (g - g_shared).

    Updates land on the capacitor, which leaks; every interval the weight is transferred to the PCM pair
    and the polarity p of the capacitor's part is inverted. Cell: Ambrogio et al., Nature 558, 60 (2018).

    What is put on the capacitor is what the last verify found missing: G+ - G- as it is read, converted over plus and
    minus `verify_range`, of which 0 says that it is not, with `verify_noise`.

    Two habits are archsim's own, off unless asked for. With `row_polarity: alternating` every other row begins
    inverted, so that what the offset loses to the leak, -p offset (1 - exp(-t / tau)) in every cell, cancels within a
    sum of rows. With `leak_compensation: nominal` a transfer after t reckons with the nominal leak, e = exp(-t / tau)
    and its mean over the interval, a = (1 - e) tau / t: it takes the weight as F (G+ - G-) + p (D a / e + offset (1 -
    a)), D = g - g_shared being what is left, and puts the programming error on the capacitor 1 / a times. So offset and
    programming error come back as they were, and an update counts as it did on average.

    Option, off by default: where D, so restored, is within `transfer_threshold`, the PCM pair is not programmed, and D
    alone is put back, after one more read of the capacitors' part, converted over `residual_range`. So mixed-precision
    training programs a device when enough has been gathered (Nandakumar et al., Front. Neurosci. 14:406, 2020).
    `programmed` is the share of the cells that are still programmed, to which energy and wear are billed; the time is
    that of a row in which any cell is.
    """

    retired = {
        "read_conductance": "no figure was ever made from it: read_energy is what a read costs, and measured activity "
        "brings its own conductance"
    }

    later = frozenset({"verify_range_siemens", "verify_noise_siemens", "transfer_threshold_siemens", "programmed"})

    choices = {**CapacitorPair.choices, **PcmPair.choices}

    offset_siemens: Conductance
    """What the capacitor's part of every cell is shifted by; inverting the polarity cancels it."""
    verify_range_siemens: Conductance = 0.0
    """The last verify is converted over plus and minus this; 0: not converted."""
    verify_noise_siemens: Conductance = 0.0
    """Standard deviation of the last verify, whose finding goes to the capacitor."""
    transfer_threshold_siemens: Conductance = 0.0
    """A pair is programmed only where its capacitor holds more than this; 0: always."""
    programmed: Part = 1.0
    """Share of the cells that are programmed in a transfer, to which its energy is billed."""
    row_polarity: Literal["uniform", "alternating"] = "uniform"
    """Whether every other row begins inverted, so that what the offset loses to the leak cancels."""
    leak_compensation: Literal["none", "nominal"] = "none"
    """Whether a transfer reckons with the nominal leak since the last."""
    invert_energy_j: Energy
    """Energy to invert the polarity of one cell."""
    transfer_steps = (
        "transfer_read", "reset", "ramp", "verify", "residual_pulse", "residual_read", "invert",
    )  # fmt: skip
    rewrite_steps = ("transfer_read", "residual_pulse", "residual_read")
    example = {
        **EXAMPLE, **EXAMPLE_OF_READ, **EXAMPLE_OF_PAIR, **EXAMPLE_OF_CAPACITOR, "offset": "2 uS",
        "invert_energy": "0 J",
    }  # fmt: skip

    @model_validator(mode="after")
    def _leaves_what_it_can_read(self) -> Self:
        threshold, most = self.transfer_threshold_siemens, self.residual_range_siemens
        if not threshold and self.programmed < 1:
            message = "all pairs are programmed in a transfer; give programmed: 100 %, or a transfer_threshold above 0"
            raise PydanticCustomError("programmed", message)
        if most and threshold >= most:
            message = "what is left on capacitors up to {given} uS is read up to {most} uS; give a transfer_threshold "
            message += "below residual_range"
            given = {"given": f"{threshold * 1e6:g}", "most": f"{most * 1e6:g}"}
            raise PydanticCustomError("threshold", message, given)
        return self

    def cells(
        self, rows: int, cols: int, seed: int, shard: int, switches: Switches = EVERYTHING,
        temperature_kelvin: float | None = None, levels: int = 0,
    ) -> Cells:  # fmt: skip
        """Return rows x cols such cells in numbers."""
        from archsim.components.cells.numeric.pcm_3t1c import Pcm3T1CCells

        return Pcm3T1CCells(self.parameters(switches, temperature_kelvin, levels), rows, cols, seed, shard)

    def parameters(self, switches: Switches, temperature_kelvin: float | None = None, levels: int = 0) -> Parameters:
        """Return what its cells in numbers are made from; without leakage there is nothing to compensate for."""
        import numpy as np

        from archsim.components.cells.numeric.base import Parameters

        held = self.capacitor_flutter(switches)
        offset, pcm = np.float32(self.offset_siemens * 1e6), self.programming(switches)
        numbers = self.capacitor_numbers(switches, temperature_kelvin, levels)._replace(
            offset=offset, pcm=pcm,
            transfer_read=self.reading(self.transfer_noise_siemens, self.transfer_range_siemens, levels, switches),
            verify=self.reading(self.verify_noise_siemens, self.verify_range_siemens, levels, switches),
            transfer_threshold=np.float32(self.transfer_threshold_siemens * 1e6),
        )  # fmt: skip
        return Parameters(
            numbers, self.capacitor_spreads(switches, temperature_kelvin),
            self.step_siemens * 1e6, self.gain * self.reachable_siemens * 1e6, self.habits(switches),
            float(self.drift_start_s), 2 * self.iterations,
            leaks=switches.leakage,
            inverts=switches.polarity_inversion,
            alternates=self.row_polarity == "alternating" and switches.polarity_inversion,
            flutter=self.pair_flutter(switches)._replace(
                transistor=held.transistor, reference=held.reference
            ),
            compensates=self.leak_compensation == "nominal" and switches.leakage,
        )  # fmt: skip

    def repeats(self, step: str) -> int:
        """Two RESETs (G+, G-), a ramp and a verify per iteration; a read, residual pulses, a read, a trim.

        With a `transfer_threshold` the capacitors' part is read before all that, too.
        """
        found = {**self.programming_repeats(), **self.residual_repeats()}
        if self.transfer_threshold_siemens:
            found["residual_read"] += 1
        return found.get(step, 1)

    @property
    def writes_when_programmed(self) -> int:
        """Once per iteration."""
        return self.iterations

    @property
    def programmed_share(self) -> float:
        """That of the cells whose capacitors hold more than the threshold."""
        return self.programmed

    def actions(self) -> dict[str, Action]:
        """Reads and the steps of transfer and rewrite; an item is one cell, a time is one row's."""
        return {
            **super().actions(),
            **self.programming_actions(self.read_energy_j),
            **self.residual_actions(self.read_energy_j),
            "invert": Action(self.invert_energy_j),
        }
