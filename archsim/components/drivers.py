"""Drivers of a crossbar's rows and columns: they encode numbers as pulses. One instance per line."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.units import Area, Bits, Current, Dimension, Energy, Part, Power, Ratio, Time
from archsim.components.base import Action, Component, component


class Driver(Component):
    """Base of the drivers: `window_s` is how long one vector is applied to the array, in one phase of a read.

    A read has so many `phases`, one after another, in each of which drivers and array are at work, and lines are
    charged anew. A vector of both signs for which the array takes two passes has twice as many: the four quadrants of
    signs of numbers and weights are two passes of two phases. With `phase_cells: polarities` a phase reads the cells'
    devices of one polarity, of which there are two, so that all phases together read a cell once; with `all` each of
    them does.

    A driver that charges its line with a `line_current` I takes t = C V / I for it, each time, before it is on: windows
    are as much longer. Without one, that is neglected, or in the array's `settle`.

    Mismatch, none by default: `gain_spread` and `offset_spread` are standard deviations from line to line, of what a
    driver makes of its value, and of what it adds where there is one, as a share of full scale.
    """

    later = frozenset({"gain_spread", "offset_spread", "phases", "phase_cells", "line_current_a", "data_dependent"})

    choices = {"bits": ("energy_j", "area_m2"), "step_s": ("energy_j",), "phases": ()}
    beside = {"phases": ("device.area", "device.read_energy")}

    bits: Bits
    """Bits of the values that it encodes."""
    step_s: Time
    """Length of a step; how many make a window is the kind's own."""
    energy_j: Energy
    """Energy to encode a vector, per line."""
    area_m2: Area
    """Area of one driver; there is one a line."""
    leakage_w: Power = 0.0
    """Power that one driver draws all the time."""
    gain_spread: Ratio = 0.0
    """Relative standard deviation of its gain from line to line; 0 is none."""
    offset_spread: Ratio = 0.0
    """Standard deviation of its offset from line to line, as a share of full scale; 0 is none."""
    phases: Annotated[int, Dimension("", least=1, above=False, most=64, whole=True)] = 1
    """Phases of a read, one after another, in each of which lines are charged anew."""
    phase_cells: Literal["polarities", "all"] = "polarities"
    """Which cells a phase reads: devices of one polarity, or all."""
    line_current_a: Current | None = None
    """Current with which it charges its line, which takes time; without one that is neglected."""
    data_dependent: Part = 0.0
    """Part of `energy`, then that of full activity, that goes with how often its line toggles, if values are stated."""

    @model_validator(mode="after")
    def _phases_have_cells(self) -> Self:
        if self.phases > 2 and self.phase_cells == "polarities":
            message = (
                "phases: {phases} do not fit phase_cells: polarities, of which a cell has two; give phases: 1 or 2 "
                "(passes for numbers of either sign, array.signed_rows or signed_columns: two_passes, come on top), or "
                "phase_cells: all"
            )
            raise PydanticCustomError("phases", message, {"phases": str(self.phases)})
        return self

    @property
    def samples(self) -> int:
        """How often a line is sampled and converted while one vector drives the array, in one phase."""
        return 1

    @property
    def window_s(self) -> Fraction:
        """Time for which one vector drives the array in one phase, in seconds."""
        raise TypeError("a driver says how long its window is")

    @property
    def windows_s(self) -> tuple[Fraction, ...]:
        """The parts of the window that end with a sample, in seconds, one after another."""
        return (self.window_s / self.samples,) * self.samples

    @property
    def lockstep(self) -> bool:
        """Whether samples follow each other step by step, in a pipeline of one step more than there are samples."""
        return False

    @property
    def earlier_bits(self) -> tuple[int, ...]:
        """By sample: how many bits of the value, of higher weight, were sampled before; so much less it weighs."""
        return (0,) * self.samples

    @property
    def integrations(self) -> tuple[int, ...]:
        """By sample: how often the lines' charge is taken over for it."""
        return (1,) * self.samples

    @property
    def cell_reads(self) -> int:
        """How often a vector has a cell conduct in one phase."""
        return 1

    @property
    def charges(self) -> int:
        """How often there is time to charge a line while one vector drives the array: before each of its pulses."""
        return 1

    @property
    def swings(self) -> float:
        """How often a line is charged while one vector drives the array, on average."""
        return 1.0

    def on_share(self, code: int) -> float:
        """Return for what share of the window the array draws all of its charge at a value of 0 to 2^bits - 1.

        It is the value over full scale: a pulse that lasts so long, or so much of the read voltage for all of it.
        """
        return code / ((1 << self.bits) - 1)

    def swings_at(self, code: int) -> int:
        """Return how often a line is charged at a value of 0 to 2^bits - 1: once, or not at all for 0."""
        return int(code > 0)

    def codes(self) -> list[int]:
        """Return equally spaced values from 0 to full scale: all, at most 2^16 of them."""
        last = (1 << min(self.bits, 16)) - 1
        return [i * ((1 << self.bits) - 1) // last for i in range(last + 1)]

    def on_shares(self) -> list[float]:
        """Return the share of the window at equally spaced values from 0 to full scale, as `codes` has them."""
        return [self.on_share(code) for code in self.codes()]

    def actions(self) -> dict[str, Action]:
        """`encode`: one vector, an item per line; `pulse`: the update's train, billed to the lines."""
        return {"encode": Action(self.energy_j, self.window_s), "pulse": Action(0.0)}


@component("pwm_driver", "driver")
class PwmDriver(Driver):
    """Pulse-width modulation: the value is the duration of one pulse, 2^bits steps at most.

    The window has 2^bits steps, or, as `window_steps` says, the 2^bits - 1 of the largest value: then a value of n
    lasts n steps.
    """

    later = frozenset({"window_steps"})

    window_steps: Literal["2^bits", "2^bits-1"] = "2^bits"
    """Steps of the window: 2^bits, or those of the largest value."""
    example = {"bits": 7, "step": "0.5 ns", "energy": "37.5 fJ", "area": "240 um2"}

    @property
    def window_s(self) -> Fraction:
        """2^bits steps, or 2^bits - 1."""
        return self.step_s * ((1 << self.bits) - (self.window_steps == "2^bits-1"))


@component("bit_serial_driver", "driver")
class BitSerialDriver(Driver):
    """One bit of the value after another, a step each.

    Lines add the steps up before they are converted, or, `sampled` at each step, are converted after every bit, while
    the next is applied, and an accumulator shifts and adds. `energy` is that of the whole vector, per line. A line is
    charged in each step whose bit is set and let go after it: in the share `toggles` of the steps, where the values are
    not known.
    """

    later = frozenset({"sampled", "toggles"})

    sampled: Literal["once", "each_step"] = "once"
    """Whether lines are converted once, or after each bit."""
    toggles: Part = 0.5  # an assumption: bits are set as often as not
    """Share of the steps in which a line is charged, where the values are not known."""
    example = {"bits": 16, "step": "100 ns", "energy": "0.417 pJ", "area": "0.166 um2"}

    @property
    def samples(self) -> int:
        """One, or one per bit."""
        return self.bits if self.sampled == "each_step" else 1

    @property
    def lockstep(self) -> bool:
        """Where it is sampled at each step."""
        return self.samples > 1

    @property
    def window_s(self) -> Fraction:
        """One step per bit."""
        return self.step_s * self.bits

    @property
    def charges(self) -> int:
        """Once in each step."""
        return self.bits

    @property
    def swings(self) -> float:
        """Once in each step in which it toggles."""
        return self.toggles * self.bits

    def swings_at(self, code: int) -> int:
        """Once for each bit that is set."""
        return code.bit_count()

    def on_share(self, code: int) -> float:
        """The bits that are set, over all bits: a line is on in their steps alone."""
        return code.bit_count() / self.bits


@component("weighted_bits_driver", "driver")
class WeightedBitsDriver(Driver):
    """One bit of the value after another, the higher ones first, each as a `pulse` on the line.

    What it leaves on the lines is integrated as often as the bit weighs, a `step` each time, so that a value of n bits
    takes 2^n - 1 of them. In several `digits`, of equal bits but for the first ones, which have one more where bits are
    left over, each is weighed for itself, converted, shifted and added: of 8 bits, 15 + 15 steps are done for 255. A
    line is charged, and its cells conduct, once for each bit; `energy` is that of one pulse, per line, and the cells'
    `read_energy` that of one pulse, too. Lines that select cells are charged for bits of 0
    as well, unless all are. Wan et al., Nature
    608, 504 (2022), call digits phases.
    """

    pulse_s: Time
    """Length of the pulse of one bit; the `step` is the time to integrate it once."""
    digits: Annotated[int, Dimension("", least=1, above=False, most=32, whole=True)] = 1
    """Digits in which a value is sent, each integrated and converted by itself."""
    choices = {**Driver.choices, "bits": ("area_m2",), "pulse_s": ("energy_j",), "digits": ()}
    beside = {**Driver.beside, "pulse_s": ("device.read_energy",)}
    example = {"bits": 3, "step": "270 ns", "pulse": "10 ns", "energy": "0.1 pJ", "area": "100 um2"}

    @model_validator(mode="after")
    def _has_bits_for_its_digits(self) -> Self:
        if self.digits > self.bits:
            message = "digits: {digits} are more than the bits of a value, {bits}; give digits: {bits} or fewer"
            raise PydanticCustomError("digits", message, {"digits": str(self.digits), "bits": str(self.bits)})
        if self.pulse_s > self.step_s:
            message = "a pulse of {pulse} ns is longer than the step in which it is integrated; give {step} ns or less"
            raise PydanticCustomError("pulse", message, {
                "pulse": f"{float(self.pulse_s * 10**9):g}", "step": f"{float(self.step_s * 10**9):g}"})  # fmt: skip
        return self

    @property
    def digit_bits(self) -> tuple[int, ...]:
        """The bits of each digit, the highest one first."""
        least, more = divmod(self.bits, self.digits)
        return tuple(least + (i < more) for i in range(self.digits))

    @property
    def samples(self) -> int:
        """One for each digit."""
        return self.digits

    @property
    def integrations(self) -> tuple[int, ...]:
        """2^n - 1 for a digit of n bits."""
        return tuple((1 << bits) - 1 for bits in self.digit_bits)

    @property
    def windows_s(self) -> tuple[Fraction, ...]:
        """A step for each integration of a digit."""
        return tuple(self.step_s * count for count in self.integrations)

    @property
    def window_s(self) -> Fraction:
        """Those of all digits."""
        return sum(self.windows_s, Fraction(0))

    @property
    def earlier_bits(self) -> tuple[int, ...]:
        """The bits of all digits before."""
        return tuple(sum(self.digit_bits[:i]) for i in range(self.digits))

    @property
    def cell_reads(self) -> int:
        """Once for each bit."""
        return self.bits

    @property
    def charges(self) -> int:
        """Once for each bit."""
        return self.bits

    @property
    def swings(self) -> float:
        """Once for each bit, whatever it is, where the values are not known."""
        return float(self.bits)

    def swings_at(self, code: int) -> int:
        """Once for each bit; not at all for 0."""
        return self.bits if code else 0

    def on_share(self, code: int) -> float:
        """The pulses of the bits that are set, over as many windows as cells are read in."""
        return code.bit_count() * float(self.pulse_s / self.window_s) / self.cell_reads

    def actions(self) -> dict[str, Action]:
        """Return the base's; `encode` is a pulse for each bit."""
        return {**super().actions(), "encode": Action(self.bits * self.energy_j, self.window_s)}


@component("pulse_count_driver", "driver")
class PulseCountDriver(Driver):
    """A counter and as many equal pulses as the value says, one after another: 2^bits - 1 at most, a `step` each.

    A line is charged once for each pulse: in the share `toggles` of the steps, where the values are not known.
    Sinangil et al., IEEE J. Solid-State Circuits 56, 188 (2021), count inputs of four bits out so.
    """

    later = frozenset({"toggles"})

    toggles: Part = 0.5  # an assumption: values are small as often as large
    """Share of the steps in which a line is charged, where the values are not known."""
    example = {"bits": 4, "step": "0.2 ns", "energy": "10 fJ", "area": "20 um2"}

    @property
    def window_s(self) -> Fraction:
        """A step for each pulse of the largest value."""
        return self.step_s * ((1 << self.bits) - 1)

    @property
    def charges(self) -> int:
        """Once for each pulse."""
        return (1 << self.bits) - 1

    @property
    def swings(self) -> float:
        """Once in each step in which it toggles."""
        return self.toggles * self.charges

    def swings_at(self, code: int) -> int:
        """Once for each pulse."""
        return code


@component("level_driver", "driver")
class LevelDriver(Driver):
    """A multi-level voltage: the whole value in one step."""

    example = {"bits": 4, "step": "10 ns", "energy": "0.5 pJ", "area": "100 um2"}

    @property
    def window_s(self) -> Fraction:
        """One step."""
        return self.step_s
