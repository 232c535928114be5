"""Weight cells: what one synapse is made of, and what it takes to read, program and refresh it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated, ClassVar, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.errors import ArchsimError
from archsim.base.section import Section
from archsim.base.units import Area, Conductance, Dimension, Energy, Power, Time, Voltage
from archsim.components.base import Action, Component

if TYPE_CHECKING:
    from archsim.components.cells.numeric.base import Cells
    from archsim.components.cells.numeric.conversion import Reading

VoltageOrZero = Annotated[float, Dimension("V", above=False, most=100.0)]
SomeConductance = Annotated[float, Dimension("S", most=1.0)]
SomePart = Annotated[float, Dimension("", most=1.0)]


@dataclass(frozen=True)
class Switches:
    """What of a cell's imperfection is modelled; one is switched off at a time to see what it does."""

    polarity_inversion: bool = True
    leakage: bool = True
    variability: bool = True
    programming_error: bool = True
    pulse_noise: bool = True
    reset_noise: bool = True
    drift: bool = True
    flicker: bool = True
    reference_noise: bool = True
    temperature: bool = True
    transfer_conversion: bool = True

    @property
    def variation(self) -> float:
        """By what spreads from cell to cell are multiplied."""
        return 1.0 if self.variability else 0.0


EVERYTHING = Switches()
"""All imperfections."""


class ReadAt(Section):
    """For which values a cell's `read_energy` holds, as mean shares of full scale; with stated values it is scaled.

    A cell then takes in proportion to how long it is driven and to its weight.
    """

    inputs: SomePart
    """Mean share of the window for which a cell is driven."""
    weights: SomePart
    """Mean magnitude of the weights, as a share of the largest."""


class Device(Component):
    """Base of the weight cells. Times are those of a row, since all its cells are handled at once.

    `transfer_steps` and `rewrite_steps` name the actions of one row's maintenance, in order, each with
    how often it is done; no step means that the cell needs none. Of these, `converted_steps` are reads, a row
    at a time, and what is given of them is the array's time: the conversion of each column follows. `two_terminals`
    says that voltages of either sign can read it. A weight is written by `programming_steps`, or, where `program` (a
    row's time) and `program_energy` (a cell's) are given, by one step of these.
    """

    later = frozenset({"program_s", "program_energy_j", "read_energy_at"})

    area_m2: Area
    """Area of one cell."""
    read_energy_j: Energy
    """Mean energy of one cell in one read of a vector, where no activity was measured."""
    supply_v: Voltage
    """Voltage at which the charge of a read is drawn; with it measured reads are billed."""
    read_v: Voltage
    """Voltage across a cell while it is read."""
    leakage_w: Power = 0.0
    """Power that a cell draws all the time."""
    program_s: Time | None = None
    """Time to write a row of weights, instead of the cell's own steps; with `program_energy`."""
    program_energy_j: Energy | None = None
    """Energy to write one cell, with `program`."""
    read_energy_at: ReadAt | None = None
    """For which values `read_energy` holds; without it, stated values are billed by the cell's conductance."""
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
        """Return the time of these maintenance steps for one row, in seconds, without conversions."""
        actions = self.actions()
        return sum((self.repeats(step) * actions[step].latency_s for step in steps), Fraction(0))

    def peak_power_w(self, steps: tuple[str, ...]) -> float:
        """Return the largest power of one cell during these steps, in watts."""
        actions = [self.actions()[step] for step in steps]
        return max((each.energy_j / float(each.latency_s) for each in actions if each.latency_s), default=0.0)

    def read_energy_at_j(self, conductance_siemens: float, on_time_s: float) -> float:
        """Return the energy of one read at a measured mean conductance and on-time, in joules.

        Charge is drawn at the supply: E = V_supply V_read G t_on.
        """
        return self.supply_v * self.read_v * conductance_siemens * on_time_s

    @property
    def conducting_siemens(self) -> float:
        """What a cell conducts in a read, at the most in common use; 0 where it does not say."""
        return 0.0

    def conducting_at_siemens(self, weight: float) -> float:
        """Return what a cell conducts at a mean magnitude of the weight, as a share of the largest."""
        return weight * self.conducting_siemens

    def read_energy_of_j(self, on_share: float | None, weight: float | None, window_s: float) -> float | None:
        """Return the energy of one read, in joules, by stated values; None where these do not say.

        Cells are driven for a share of the window, and their mean weight is a share of the largest; None is not stated.
        """
        if (held := self.read_energy_at) is not None:
            drive = 1.0 if on_share is None else on_share / held.inputs
            return self.read_energy_j * drive * (1.0 if weight is None else weight / held.weights)
        if on_share is None or weight is None or not self.conducting_siemens:
            return None
        return self.read_energy_at_j(self.conducting_at_siemens(weight), on_share * window_s)

    @property
    def least_pulse_s(self) -> Fraction:
        """The shortest pulse of an update that such a cell takes."""
        return Fraction(0)

    def leak_time_constant_at_s(self, temperature_kelvin: float) -> float:
        """Return the time constant with which a cell's capacitor leaks at a temperature; 0 where there is none."""
        return 0.0

    def cells(
        self, rows: int, cols: int, seed: int, shard: int, switches: Switches = EVERYTHING,
        temperature_kelvin: float | None = None, levels: int = 0,
    ) -> Cells:  # fmt: skip
        """Return rows x cols such cells in numbers, fresh from the fab; all draws are keyed by seed and shard.

        They are as warm as given, else as their figures are stated. Maintenance reads them through a converter of so
        many `levels`, of whose codes half lie on either side of zero; with none it is not converted.
        """
        raise ArchsimError(f"cells of kind '{self.kind}' are not there in numbers: they can be timed, not trained")

    @property
    def writes_when_programmed(self) -> int:
        """RESETs that a long-term device sees each time that its cell is programmed."""
        return 0

    @property
    def programmed_share(self) -> float:
        """The share of the cells of a transfer whose long-term devices are programmed, on average."""
        return 1.0

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


EXAMPLE = {"area": "2.34 um2", "read_energy": "49.5 fJ", "supply": "1.0 V", "read": "0.2 V"}
"""What the examples of the reference's cell and of its parts have in common: the fields of any device, ..."""
EXAMPLE_OF_READ = {"transfer_read": "80 ns", "transfer_noise": "0.2 uS"}
"""... and those of `SingleRead`."""


class Flicker(Section):
    """Conductances that fluctuate as 1/f: over `flicker_span`, as long as a state is held, and read for `flicker_read`.

    Relative to G^2 the variance is a fixed one times ln((span + read) / (2 read)), as in aihwkit's PCM model.
    Each read counts as a draw of its own, also of what is slower than a read.
    """

    later = frozenset({"flicker_span_s", "flicker_read_s"})

    flicker_span_s: Time = Fraction(75, 10**4)
    """Longest time scale of 1/f noise: as long as a state is held."""
    flicker_read_s: Time = Fraction(250, 10**9)
    """Shortest time scale of 1/f noise: a read."""

    @property
    def flicker_factor(self) -> float:
        """By what a standard deviation is multiplied for the span."""
        span, read = float(self.flicker_span_s), float(self.flicker_read_s)
        return math.sqrt(max(math.log((span + read) / (2 * read)), 0.0))


class SingleRead(Flicker):
    """How maintenance reads cells: a row at a time, gain switched, with an error of the weight as it is read."""

    transfer_read_s: Time
    """Time of the array in which maintenance reads a row; the conversion follows."""
    transfer_noise_siemens: Conductance
    """Standard deviation of the weight as maintenance reads it."""

    @staticmethod
    def reading(
        noise_siemens: float, range_siemens: float, levels: int, switches: Switches, *, signed: bool = True
    ) -> Reading:
        """Return how a read errs that is converted over a range, of either sign or of one; exact if ablated."""
        from archsim.components.cells.numeric.conversion import EXACT, reading_of

        codes = max(levels // 2, min(levels, 1)) if signed else levels
        return reading_of(noise_siemens, range_siemens, codes) if switches.transfer_conversion else EXACT
