"""Digital units: the neuron unit of a tile, circuits on its lines, control, and the host port."""

from __future__ import annotations

from math import ceil
from typing import Literal

from archsim.base.section import FreeName
from archsim.base.units import Area, Count, Energy, Lines, Power, Time
from archsim.components.base import Action, Component, component
from archsim.components.interconnect import OffChip


@component("neuron_unit", "neuron")
class NeuronUnit(Component):
    """Adds partial sums, applies the activation, its derivative and the loss, `lanes` values at once."""

    lanes: Count
    """Values that it handles at once."""
    step_s: Time
    """Time of one step of all lanes."""
    add_energy_j: Energy
    """Energy to add two partial sums."""
    activate_energy_j: Energy
    """Energy to evaluate an activation once."""
    derive_energy_j: Energy
    """Energy to multiply an error by the derivative, and to rescale it."""
    loss_step_s: Time
    """Time of the loss and its derivative for all lanes."""
    loss_energy_j: Energy
    """Energy of the loss and its derivative for one output."""
    area_m2: Area
    """Area of the unit of a tile."""
    leakage_w: Power = 0.0
    """Power that it draws all the time."""
    # An assumption: an 8-bit multiply (0.2 pJ) and a 32-bit add (0.1 pJ) of Horowitz, ISSCC 2014, 45 nm, unscaled.
    multiply_add_energy_j: Energy = 0.3e-12
    """Energy of a multiply-add of recurrent and digital layers."""
    # A comparator of Aladdin (Shao et al., ISCA 2014), 40 nm, unscaled; its 71 um2 a lane is within the unit's area.
    compare_energy_j: Energy = 0.029e-12
    """Energy of one comparison in the search for the largest error."""
    later = frozenset({"multiply_add_energy_j", "compare_energy_j"})
    choices = {"lanes": ("area_m2", "leakage_w"), "step_s": ("area_m2", "leakage_w"), "loss_step_s": ()}
    scales = {
        "add_energy_j": "energy", "activate_energy_j": "energy", "derive_energy_j": "energy", "loss_energy_j": "energy",
        "multiply_add_energy_j": "energy", "compare_energy_j": "energy", "area_m2": "area", "step_s": "delay",
        "loss_step_s": "delay",
    }  # fmt: skip
    estimators = dict.fromkeys(
        ("add_energy_j", "activate_energy_j", "derive_energy_j", "multiply_add_energy_j", "compare_energy_j"),
        "logic_energy",
    )
    example = {
        "lanes": 64, "step": "1 ns", "add_energy": "0.1 pJ", "activate_energy": "0.1 pJ",
        "derive_energy": "0.5 pJ", "loss_step": "10 ns", "loss_energy": "10 pJ", "area": "0.02 mm2",
    }  # fmt: skip

    def actions(self) -> dict[str, Action]:
        """Return `add`, `activate`, `derive`, `multiply_add`, `compare` and `loss`, by values.

        `derive` is times the derivative and rescaled; `compare` is one of a search for the largest.
        """
        energies_j = {
            "add": self.add_energy_j, "activate": self.activate_energy_j, "derive": self.derive_energy_j,
            "multiply_add": self.multiply_add_energy_j, "compare": self.compare_energy_j,
        }  # fmt: skip
        each = {name: Action(energy_j, self.step_s, parallel=self.lanes) for name, energy_j in energies_j.items()}
        return {**each, "loss": Action(self.loss_energy_j, self.loss_step_s, parallel=self.lanes)}


class Accumulator(Component):
    """Base of what adds up the samples of a line that is converted several times for one vector."""

    choices = {"step_s": ("energy_j", "area_m2"), "lines_per_unit": ()}

    step_s: Time
    """Time to add one sample."""
    energy_j: Energy
    """Energy to add one sample."""
    area_m2: Area
    """Area of one accumulator."""
    lines_per_unit: Lines = 1
    """Lines that one accumulator serves."""
    leakage_w: Power = 0.0
    """Power that it draws all the time."""

    def units(self, lines: int) -> int:
        """Return how many of it serve so many lines."""
        return ceil(lines / self.lines_per_unit)

    def actions(self) -> dict[str, Action]:
        """`add`: an item is one sample."""
        return {"add": Action(self.energy_j, self.step_s)}


@component("shift_add", "accumulator")
class ShiftAdd(Accumulator):
    """A shifter, an adder and a register: samples are weighted by powers of two and summed, one a step."""

    scales = {"energy_j": "energy", "area_m2": "area", "step_s": "delay"}
    estimators = {"energy_j": "logic_energy"}
    example = {"step": "0.4 ns", "energy": "0.021 pJ", "area": "60 um2", "lines_per_unit": 32}


@component("line_circuit", "periphery")
class LineCircuit(Component):
    """A circuit repeated on every line of a tile's edges, or once per tile; it takes area and leaks."""

    name: FreeName
    """Name of the circuit, as bills call it."""
    per: Literal["line", "row", "col", "cell", "tile"]
    """What has one: each line, row, column or cell, or the tile."""
    area_m2: Area
    """Area of one."""
    leakage_w: Power = 0.0
    """Power that one draws all the time: leakage, bias, clock."""
    example = {"name": "mirror", "per": "line", "area": "60 um2"}

    def instances(self, rows: int, cols: int) -> int:
        """Return how many of it a tile of that size has."""
        return {"line": rows + cols, "row": rows, "col": cols, "cell": rows * cols, "tile": 1}[self.per]


@component("host_port", "host")
class HostPort(OffChip):
    """The port through which examples and targets come from the host; off-chip links and their PHY."""

    example = {"rate": "6.4 GB/s", "latency": "0 ns", "energy_per_bit": "0.203 pJ/bit", "area": "5.72 mm2"}

    def actions(self) -> dict[str, Action]:
        """`load`: an item is one bit."""
        return {"load": Action(self.energy_per_bit_j_per_bit, 1 / self.rate_bit_per_s)}
