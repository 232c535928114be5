"""The crossbar: an array of cells, its lines, and how long a read and an update hold it."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.units import Area, Capacitance, Count, Dimension, Power, Ratio, Time, TimeOrZero, Voltage
from archsim.components.base import Action, Component, component
from archsim.components.wires import Wires

Signs: TypeAlias = Literal["two_passes", "paired_lines", "bipolar", "twos_complement"]


class Array(Component):
    """Base of the arrays: row and column lines over the cells. It does one op at a time.

    A read lasts as long as the drivers' window and then `settle` (settle, sample, reset). `signed_rows` says how
    numbers of both signs drive the rows. In `two_passes`: those above 0 in one window, then those below it in another,
    the integrators' sign reversed. Or in one window: on `paired_lines`, a second row line through each cell, which
    takes `pair_area`; `bipolar`, by voltages of either sign through cells of two terminals; or in `twos_complement`,
    bit by bit, the sums of the sign's step being subtracted.
    """

    later = frozenset({"signed_rows", "pair_area_m2"})

    settle_s: TimeOrZero
    """Time of a read after the drivers' window: to settle, sample and reset."""
    cell_line_f: Capacitance
    """Capacitance of a line per cell that it crosses."""
    line_end_f: Capacitance
    """Capacitance of a line's ends, whatever its length."""
    line_v: Voltage
    """Voltage to which lines are charged."""
    signed_rows: Signs = "two_passes"
    """How numbers of both signs drive the rows."""
    pair_area_m2: Area | None = None
    """Area per cell of the second line of a pair, where rows are `paired_lines`."""
    area_m2: Area = 0.0
    """Area of the array that is not in its cells."""
    leakage_w: Power = 0.0
    """Power that the array draws all the time."""

    @model_validator(mode="after")
    def _pairs_take_area(self) -> Self:
        if self.signed_rows == "paired_lines" and self.pair_area_m2 is None:
            message = "paired row lines take area; give 'pair_area', that of the second line in each cell"
            raise PydanticCustomError("pair_area", message)
        if self.signed_rows != "paired_lines" and self.pair_area_m2 is not None:
            message = "'pair_area' is that of paired row lines; give 'signed_rows: paired_lines', or leave it out"
            raise PydanticCustomError("pair_area", message)
        return self

    def line_energy_j(self, cells: int) -> float:
        """Return the energy to charge a line that crosses `cells` cells once, C V^2, in joules."""
        return (cells * self.cell_line_f + self.line_end_f) * self.line_v**2

    def charge_s(self, cells: int, current_a: Fraction) -> Fraction:
        """Return the time in which a current charges a line that crosses `cells` cells, C V / I, in seconds.

        It is exact in the figures as they are written, so that 64 ns are not rounded up to 65 cycles.
        """
        cell_f, end_f, line_v = (Fraction(repr(each)) for each in (self.cell_line_f, self.line_end_f, self.line_v))
        return (cells * cell_f + end_f) * line_v / current_a

    def line_actions(self, rows: int, cols: int, row_swings: float = 1.0, col_swings: float = 1.0) -> dict[str, Action]:
        """Return the actions of a `rows` x `cols` array; an item is one line. Times belong to the stage.

        `read_...` is a line driven by its own driver, which charges it so many times; `ramp_...` one that a ramp of
        another tile drives with a single pulse.
        """
        row_j, col_j = self.line_energy_j(cols), self.line_energy_j(rows)
        return {
            "read_rows": Action(row_swings * row_j), "read_cols": Action(col_swings * col_j),
            "ramp_rows": Action(row_j), "ramp_cols": Action(col_j),
        }  # fmt: skip


@component("read_only_crossbar", "array")
class ReadOnlyCrossbar(Array):
    """Lines over cells that are written once and then read: they infer and are not trained."""

    retired = {"signed_columns": "no errors drive the columns of an array that only infers"}

    example = {"settle": "2 ns", "cell_line": "2.1 fF", "line_end": "48 fF", "line": "0.8 V"}


@component("crossbar", "array")
class Crossbar(Array):
    """Row and column lines over the cells, all of which are updated at once.

    An update is `pulses` slots of `pulse` each and a pause, in which row and column trains coincide. With numbers of
    both signs on the rows it has two such phases, one for those above 0 and one for those below it; a row fires in one
    of them, a column in both. `signed_updates: included` says that `pulses` are those of both phases already.
    `row_pulses` and `col_pulses` are the mean numbers of pulses that a line really fires in a phase. `signed_columns`
    says of errors, which drive the columns, what `signed_rows` says of the rows; the second line of a column is part of
    the cell's area.

    Option, off at 0: columns fire 2^k times as many pulses and rows 2^k times less, as x d stays what it was. k is by
    update the largest, up to `update_shift`, with which the largest d of an array fits the slots. So what is rounded is
    not the one pulse of a column, which all of its rows would share, but that of each row by itself. It is the update
    management of Gokmen et al. (Front. Neurosci. 11:538, 2017) with a power of two for a factor: codes are shifted,
    which is neglected; the search for the largest d is not.
    """

    later = Array.later | {"signed_columns", "signed_updates", "wires", "update_shift"}

    choices = {"pulses": (), "pulse_s": (), "pause_s": (), "settle_s": ()}

    signed_columns: Signs = "paired_lines"
    """How errors of both signs drive the columns, in backward."""
    pulse_s: Time
    """Length of a pulse of an update."""
    pulses: Count
    """Slots of a pulse in one phase of an update."""
    pause_s: TimeOrZero
    """Pause after each phase of an update."""
    row_pulses: Ratio
    """Mean pulses that a row fires in a phase of an update."""
    col_pulses: Ratio
    """Mean pulses that a column fires in a phase of an update."""
    signed_updates: Literal["two_phases", "included"] = "two_phases"
    """Whether inputs of both signs add a second phase to an update, or `pulses` include it."""
    update_shift: Annotated[int, Dimension("", least=0, above=False, most=16, whole=True)] = 0
    """Update management: columns fire up to 2^this times more pulses, rows as much less; 0 switches it off."""
    wires: Wires = Wires()
    """Resistance of the lines, and where they are driven and read."""
    example = {
        "settle": "16 ns", "pulse": "5 ns", "pulses": 15, "pause": "5 ns", "row_pulses": "5", "col_pulses": "0.5",
        "cell_line": "2.1 fF", "line_end": "48 fF", "line": "1.0 V",
    }  # fmt: skip

    @property
    def update_s(self) -> Fraction:
        """Time of one phase of an update of all cells, in seconds."""
        return self.pulses * self.pulse_s + self.pause_s

    def phases(self, *, signed: bool) -> int:
        """Return how many phases an update has."""
        return 2 if signed and self.signed_updates == "two_phases" else 1

    @property
    def coincidences(self) -> float:
        """Mean pulses of a row and a column that coincide in a cell, per update: those that the cell sees."""
        return self.row_pulses * self.col_pulses / self.pulses

    def line_actions(self, rows: int, cols: int, row_swings: float = 1.0, col_swings: float = 1.0) -> dict[str, Action]:
        """Return those of a read, and `update_...`: a line fires its train."""
        return {
            **super().line_actions(rows, cols, row_swings, col_swings),
            "update_rows": Action(self.row_pulses * self.line_energy_j(cols)),
            "update_cols": Action(self.col_pulses * self.line_energy_j(rows)),
        }
