"""A kind of tile: what stands on its edges, and whether that can train."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.errors import Problem, SpecError
from archsim.base.section import Section
from archsim.base.units import Count, Lines
from archsim.components.base import Role
from archsim.components.cells.base import Device
from archsim.components.converters import Converter
from archsim.components.crossbar import Array, Crossbar
from archsim.components.digital import Accumulator, LineCircuit, NeuronUnit
from archsim.components.drivers import Driver
from archsim.components.memory import Memory


class TileSpec(Section):
    """A kind of tile: crossbar, drivers and converters on its edges, memory and neuron unit; and how many.

    A tile that only infers needs no `col_driver` and no `row_converter`: these are `none`. The `accumulator` adds up
    what is converted step by step.
    """

    later: ClassVar[frozenset[str]] = frozenset({"accumulator"})

    count: Count
    """Tiles of this kind on a chip."""
    rows: Lines
    """Rows of the crossbar: inputs of a vector, and a row of biases."""
    cols: Lines
    """Columns of the crossbar: outputs of a vector."""
    device: Annotated[Device, Role("device")]
    """The weight cell at each crossing."""
    array: Annotated[Array, Role("array")]
    """The lines over the cells, and how long reads and updates take."""
    row_driver: Annotated[Driver, Role("driver")]
    """What drives a row, in forward and in updates."""
    col_driver: Annotated[Driver | Literal["none"], Role("driver", words=("none",))]
    """What drives a column, in backward; `none` for a tile that only infers."""
    col_converter: Annotated[Converter, Role("converter")]
    """What converts the sums of columns, in forward."""
    row_converter: Annotated[Converter | Literal["shared", "none"], Role("converter", words=("shared", "none"))]
    """What converts the sums of rows, in backward; `shared` with the columns, or `none` to only infer."""
    memory: Annotated[Memory, Role("memory")]
    """Keeps inputs and errors from their arrival until the update."""
    neuron: Annotated[NeuronUnit, Role("neuron")]
    """The digital unit for activations, derivatives and the loss."""
    accumulator: Annotated[Accumulator, Role("accumulator")] | None = None
    """Adds up what is converted step by step; needed where lines are sampled more than once."""
    periphery: tuple[Annotated[LineCircuit, Role("periphery")], ...] = ()
    """Further circuits on the lines or of the tile, which take area and leak."""

    @property
    def updated_array(self) -> Crossbar:
        """The array, as one that can be updated; raise SpecError if it cannot."""
        if not isinstance(self.array, Crossbar):
            raise SpecError(self.missing("tile"))
        return self.array

    @property
    def backward_driver(self) -> Driver:
        """The driver of the columns; raise SpecError if there is none."""
        if isinstance(self.col_driver, str):
            raise SpecError(self.missing("tile"))
        return self.col_driver

    @property
    def backward_converter(self) -> Converter:
        """The converter that reads rows: its own bank, or the one shared with the columns; SpecError if none."""
        if self.row_converter == "none":
            raise SpecError(self.missing("tile"))
        return self.col_converter if isinstance(self.row_converter, str) else self.row_converter

    def read_repeats(self, *, backward: bool = False) -> tuple[int, int]:
        """Return how often a vector charges the lines that it drives, and how often it reads each cell.

        Cells are read as often as the driver has them conduct. A line is charged in each phase and for each group; that
        numbers of either sign have a pass of their own does not count, since a line is charged in one of these.
        """
        driver = self.backward_driver if backward else self.row_driver
        converter = self.backward_converter if backward else self.col_converter
        phases = driver.cell_reads * (driver.phases if driver.phase_cells == "all" else 1)
        groups = converter.groups if converter.group_cells == "all" else 1
        return driver.phases * converter.groups, phases * groups

    def missing(self, place: str) -> list[Problem]:
        """Return what it lacks for training, as problems; `place` is where it stands in the file."""
        found = []
        if self.col_driver == "none":
            found.append(_untrainable(f"{place}.col_driver", "a driver of the columns"))
        if self.row_converter == "none":
            found.append(_untrainable(f"{place}.row_converter", "a converter of the rows"))
        if not isinstance(self.array, Crossbar):
            hint = "give a 'crossbar', or let it infer: --set mode=inference"
            found.append(Problem(f"{place}.array", f"a '{self.array.kind}' cannot be updated in training", hint))
        return found

    @model_validator(mode="after")
    def _is_pulsed_for_long_enough(self) -> Self:
        least = self.device.least_pulse_s
        if isinstance(self.array, Crossbar) and self.array.pulse_s < least:
            given = {"given": f"{float(self.array.pulse_s) * 1e9:g}", "kind": self.device.kind,
                     "least": f"{float(least) * 1e9:g}"}  # fmt: skip
            message = "array.pulse of {given} ns is too short for a '{kind}'; give {least} ns or more, its pulse_least"
            raise PydanticCustomError("pulse", message, given)
        return self

    @model_validator(mode="after")
    def _is_read_as_it_is_driven(self) -> Self:
        for edge, driver in (("row_driver", self.row_driver), ("col_driver", self.col_driver)):
            converter = self.col_converter if edge == "row_driver" else self.row_converter
            converter = self.col_converter if converter == "shared" else converter
            if isinstance(driver, str) or isinstance(converter, str):
                continue
            columns = self.array.signed_columns if isinstance(self.array, Crossbar) else None
            way = self.array.signed_rows if edge == "row_driver" else columns
            names = {"key": "signed_rows" if edge == "row_driver" else "signed_columns", "edge": edge}
            if way == "twos_complement" and not driver.lockstep:
                message = "'array.{key}: twos_complement' needs bits one by one; give a '{edge}' that samples each step"
                raise PydanticCustomError("signs", message, names)
            if way == "bipolar" and not self.device.two_terminals:
                message = "'array.{key}: bipolar' needs cells of two terminals, and a '{device}' is none; give another"
                raise PydanticCustomError("signs", message, {**names, "device": self.device.kind})
            if driver.samples > 1 and self.accumulator is None:
                message = "'{edge}' is sampled at each step, and nothing adds the samples up; give an accumulator"
                raise PydanticCustomError("accumulator", message, {"edge": edge})
            if converter.slices > 1 and self.accumulator is None:
                message = "weights lie in {slices} slices, and nothing adds them up; give an accumulator"
                raise PydanticCustomError("accumulator", message, {"slices": str(converter.slices)})
            if converter.converted == "each_phase" and self.accumulator is None:
                message = "what '{edge}' drives is converted after each phase, and nothing adds the codes up; give an "
                raise PydanticCustomError("accumulator", message + "accumulator, or converted: once", {"edge": edge})
            lines, across = (self.cols, "columns") if edge == "row_driver" else (self.rows, "rows")
            if lines % converter.groups:
                given = {
                    "groups": str(converter.groups), "lines": f"{lines:,}", "across": across,
                    "key": _reader(edge, self.row_converter), "fit": _divisors(lines, converter.groups),
                }  # fmt: skip
                message = "{key}.groups: {groups} do not divide the {lines} {across} that it reads; give {fit}"
                raise PydanticCustomError("groups", message, given)
            if driver.window_s < converter.least_window_s:
                message = (
                    "'{edge}' drives the array for {window} ns, in which a '{kind}' cannot count to full scale; give "
                    "a window of {least} ns or more, or fewer bits"
                )
                raise PydanticCustomError("window", message, {
                    "edge": edge, "window": f"{float(driver.window_s * 10**9):g}", "kind": converter.kind,
                    "least": f"{float(converter.least_window_s * 10**9):g}"})  # fmt: skip
        return self


def _reader(edge: str, row_converter: Converter | str) -> str:
    """Return the key of the converter that reads what an edge drives."""
    return "col_converter" if edge == "row_driver" or row_converter == "shared" else "row_converter"


def _divisors(lines: int, near: int) -> str:
    """Return in words the numbers that divide so many lines and are next to one that does not.

    >>> _divisors(512, 3), _divisors(512, 600)
    ('2 or 4', '512')
    """
    fit = [n for n in range(1, lines + 1) if lines % n == 0]
    return " or ".join(str(n) for n in (*[n for n in fit if n < near][-1:], *[n for n in fit if n > near][:1]))


def _untrainable(where: str, part: str) -> Problem:
    hint = f"give {part}, or let it infer: --set mode=inference"
    return Problem(where, "is 'none', and training sends errors back through it", hint)
