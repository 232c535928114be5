"""Parts of the reference's cell on their own: the PCM pair without a capacitor, and the 3T1C without a PCM pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.components.base import Action, component
from archsim.components.devices import CapacitorPair, Device, Pcm3T1C, PcmPair, SomeConductance, Switches
from archsim.section import yaml_key
from archsim.units import Conductance, Energy, Ratio, Share

if TYPE_CHECKING:
    from archsim.components.cells import Cells


def _example(*sections: type[CapacitorPair | PcmPair | Device]) -> dict[str, Any]:
    """Return what the example of the reference's cell gives for the fields of these sections."""
    keys = {yaml_key(name) for section in sections for name in section.model_fields}
    return {key: text for key, text in Pcm3T1C.example.items() if key in keys}


@component("pcm_pair", "device")
class PcmPairCell(PcmPair, Device):
    """Two PCM alone, trained in place: W = F (G+ - G-), an increase SETs G+ a little and a decrease G-.

    A SET pulse adds step (1 - G / limit); step and limit differ from device to device, and `set_noise` is the spread
    of one pulse's change relative to its mean; no step and no limit is below the shares `set_step_least` and
    `set_limit_least` of its mean. Only a RESET lowers a conductance, and all of it: a transfer reads all
    pairs, RESETs both devices where one is above `refresh_above`, and programs the difference again. Its time is that
    of a row in which any pair needs it, its energy that of the share `refreshed` of the pairs. Occasional RESET: Burr
    et al., IEEE Trans. Electron Devices 62, 3498 (2015).
    """

    later: ClassVar[frozenset[str]] = frozenset({"set_step_least", "set_limit_least"})

    set_step_siemens: SomeConductance
    set_step_spread: Ratio
    set_step_least: Share = 0.05
    set_limit_siemens: SomeConductance
    set_limit_spread: Ratio
    set_limit_least: Share = 0.05
    set_noise: Ratio
    set_energy_j: Energy
    refresh_above_siemens: Conductance
    refreshed: Share
    transfer_steps: ClassVar[tuple[str, ...]] = ("transfer_read", "reset", "ramp", "verify")
    example: ClassVar[Mapping[str, Any]] = {
        **_example(PcmPair, Device), "set_step": "1 uS", "set_step_spread": "20 %", "set_limit": "25 uS",
        "set_limit_spread": "10 %", "set_noise": "60 %", "set_energy": "4 pJ", "refresh_above": "15 uS",
        "refreshed": "10 %",
    }  # fmt: skip

    @model_validator(mode="after")
    def _is_kept_below_its_limit(self) -> Self:
        if not self.refresh_above_siemens < self.set_limit_siemens:
            raise PydanticCustomError(
                "refresh", "no pair would ever be RESET: SET pulses end at set_limit; give refresh_above < set_limit"
            )
        return self

    def _cells(self, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> Cells:
        from archsim.components.pcm_cells import PcmPairCells

        return PcmPairCells(self, rows, cols, seed, shard, switches)

    @property
    def pulse_j(self) -> float:
        """That of a SET pulse."""
        return self.set_energy_j

    def repeats(self, step: str) -> int:
        """G+ and G- are read one after the other; then two RESETs, a ramp and a verify per iteration."""
        return {"transfer_read": 2, **self.programming_repeats()}.get(step, 1)

    @property
    def writes_per_transfer(self) -> float:
        """The devices of the pairs that are refreshed are RESET once per iteration."""
        return self.iterations * self.refreshed

    def actions(self) -> dict[str, Action]:
        """Reads and the steps of a transfer; an item is one cell, a time is one row's."""
        return {
            **super().actions(),
            **self.programming_actions(self.read_energy_j, share=self.refreshed),
        }


@component("cap_3t1c", "device")
class Capacitor3T1C(CapacitorPair, Device):
    """Three transistors and a capacitor alone: W = g - g_shared. It leaks, and nothing but a rewrite restores it."""

    rewrite_steps: ClassVar[tuple[str, ...]] = ("transfer_read", "residual_pulse", "residual_read")
    example: ClassVar[Mapping[str, Any]] = _example(CapacitorPair, Device)

    def _cells(self, rows: int, cols: int, seed: int, shard: int, switches: Switches) -> Cells:
        from archsim.components.cells import Capacitor3T1CCells

        return Capacitor3T1CCells(self, rows, cols, seed, shard, switches)

    def repeats(self, step: str) -> int:
        """Pulses, a read, a trim, a read."""
        return self.residual_repeats().get(step, 1)

    def actions(self) -> dict[str, Action]:
        """Reads and the steps of a rewrite; an item is one cell, a time is one row's."""
        return {**super().actions(), **self.residual_actions(self.read_energy_j)}
