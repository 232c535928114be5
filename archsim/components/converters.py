"""Converters from a line's integrated charge to a digital code or to a duration."""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from archsim.base.units import Area, Bits, Count, Dimension, Energy, Lines, Part, Power, Ratio, Time, TimeOrZero
from archsim.components.base import Action, Component, component


class Converter(Component):
    """Base of the converters; each serves `lines_per_unit` lines, one after another.

    `sample_hold` counts the samples that a line can hold: while one is converted the next may be taken. `slices` are
    the bit lines over which a weight is spread, a few bits to a cell; each of them is converted.

    A read is converted once, when charges of all of its passes have been added up, or, as `converted` says, after
    `each_phase`, an accumulator adding the codes; their sum goes on with the bits of one. Lines may be read in so many
    `groups`, of neighbouring lines one in each, whose number must divide the lines: the array is driven anew for each
    group, and its lines are converted. Then the cells of `group_cells` conduct: the group's own, or all. A sample is
    converted while the next is taken, where two can be held; with `sample_hold: 1` they take turns.

    Mismatch, none by default: `gain_spread` and `offset_spread` are standard deviations from unit to unit, of the gain
    of integrator and converter together, and of the offset as a share of full scale. With `offset_calibration: nulled`
    each offset is measured and taken away digitally, to the nearest code.
    """

    later = frozenset(
        {
            "slices",
            "gain_spread",
            "offset_spread",
            "offset_calibration",
            "groups",
            "group_cells",
            "converted",
            "data_dependent",
        }
    )
    choices = {
        "bits": ("energy_j", "area_m2"), "lines_per_unit": (), "sample_hold": ("area_m2",), "slices": (),
        "groups": ("area_m2",),
    }  # fmt: skip

    beside = {"slices": ("device.area", "device.read_energy")}
    estimators = {"energy_j": "adc_energy", "area_m2": "adc_area"}

    bits: Bits
    """Bits of a code."""
    energy_j: Energy
    """Energy of a conversion, or of what the kind counts."""
    area_m2: Area
    """Area of one converter with its integrators."""
    lines_per_unit: Lines = 1
    """Lines that one converter serves, one after another."""
    sample_hold: Count = 2
    """Samples that a line can hold; with two, one is converted while the next is taken."""
    slices: Count = 1
    """Bit lines over which a weight is spread, a few bits to a cell; each is converted."""
    leakage_w: Power = 0.0
    """Power that one converter draws all the time."""
    gain_spread: Ratio = 0.0
    """Relative standard deviation of the gain from unit to unit; 0 is none."""
    offset_spread: Ratio = 0.0
    """Standard deviation of the offset from unit to unit, as a share of full scale; 0 is none."""
    offset_calibration: Literal["none", "nulled"] = "none"
    """Whether offsets are measured and taken away, to the nearest code."""
    groups: Lines = 1
    """Groups in which lines are read, for each of which the array is driven anew; they divide the lines."""
    group_cells: Literal["own", "all"] = "own"
    """Which cells conduct while a group is read: its own, or all."""
    converted: Literal["once", "each_phase"] = "once"
    """Whether a read is converted once, or after each phase."""
    data_dependent: Part = 0.0
    """Part of `energy`, then that of full scale, that goes with the value converted, where outputs are stated."""

    @property
    def conversion_s(self) -> Fraction:
        """Time of one conversion, in seconds."""
        raise TypeError("a converter says how long it takes")

    @property
    def least_window_s(self) -> Fraction:
        """For how long a vector must drive the array, at least, in seconds; 0 if that does not matter."""
        return Fraction(0)

    def conversions(self, passes: int) -> int:
        """Return how often a line is converted for a sample of so many passes of the array: one sum, once."""
        return 1

    def taken(self, earlier_bits: int, integrations: int) -> dict[str, int]:
        """Return by action how often a line does it for one sample that weighs so many bits less than the first.

        Its charge was taken over from the array so many times.
        """
        return {"convert": 1}

    @property
    def delay_s(self) -> Fraction:
        """How long after its unit is free again a result is there, in seconds."""
        return Fraction(0)

    @property
    def ramp_window_s(self) -> Fraction | None:
        """Time to send the value as a duration, in seconds; None if it cannot."""
        return None

    def actions(self) -> dict[str, Action]:
        """`convert`: an item is one line's sample; `ramp_out`: the same, sent as a duration."""
        busy_s = self.slices * self.conversion_s
        actions = {
            "convert": Action(self.slices * self.energy_j, busy_s + self.delay_s, busy_s if self.delay_s else None)
        }
        if self.ramp_window_s is not None:
            actions["ramp_out"] = Action(self.energy_j, self.ramp_window_s)
        return actions


@component("ramp_adc", "converter")
class RampAdc(Converter):
    """A ramp shared by a bank of comparators and latches, which convert at once, each for its lines in turn.

    The crossing of the ramp can also leave the tile as a duration, while it happens (`ramp_out`): then the
    length of that ramp is the window of the array that it feeds, in place of the one of that array's drivers.
    """

    conversion_time_s: Time
    """Length of the ramp that converts."""
    ramp_s: Time
    """Length of the ramp by which a value leaves the tile as a duration."""
    choices = {
        **Converter.choices, "bits": ("energy_j", "area_m2", "conversion_time_s", "ramp_s"),
        "conversion_time_s": ("energy_j",), "ramp_s": ("energy_j",),
    }  # fmt: skip
    example = {"bits": 8, "energy": "19.4 pJ", "area": "390 um2", "conversion_time": "207 ns", "ramp": "64 ns"}

    @property
    def conversion_s(self) -> Fraction:
        """The whole ramp."""
        return self.conversion_time_s

    @property
    def ramp_window_s(self) -> Fraction:
        """The length of the ramp that is sent as durations."""
        return self.ramp_s


@component("sar_adc", "converter")
class SarAdc(Converter):
    """A successive-approximation or flash converter, shared by several lines through a multiplexer.

    It takes a sample every `rate`. With several pipeline `stages` the code of a sample comes after as many times that.
    """

    later = frozenset({"stages"})

    rate_s: Time
    """Time between two samples."""
    stages: Annotated[int, Dimension("", least=1, above=False, most=64, whole=True)] = 1
    """Stages of its pipeline; the code comes after as many samples."""
    choices = {
        **Converter.choices, "bits": ("energy_j", "area_m2", "rate_s"), "rate_s": ("energy_j", "area_m2"),
        "stages": ("energy_j", "area_m2"),
    }  # fmt: skip
    example = {"bits": 8, "energy": "1.667 pJ", "area": "1200 um2", "rate": "0.8333 ns", "lines_per_unit": 16}

    @property
    def conversion_s(self) -> Fraction:
        """Time per sample."""
        return self.rate_s

    @property
    def delay_s(self) -> Fraction:
        """The stages behind the first."""
        return self.rate_s * (self.stages - 1)


@component("counter_adc", "converter")
class CounterAdc(Converter):
    """A counting converter (current-controlled oscillator or integrating): 2^bits steps of `lsb`."""

    lsb_s: Time
    """Time of one step of the count."""
    choices = {**Converter.choices, "lsb_s": ("energy_j",)}
    example = {"bits": 8, "energy": "0.2 pJ", "area": "400 um2", "lsb": "0.3 ns"}

    @property
    def conversion_s(self) -> Fraction:
        """2^bits steps."""
        return self.lsb_s * (1 << self.bits)


@component("stepwise_adc", "converter")
class StepwiseAdc(Converter):
    """An integrator that turns into a converter of one bit in each `step`, by taking charge away or adding it.

    A sample takes `sample` before, and `sample_energy`; taking over the charge of the lines costs `integrate_energy`
    each time, and a step `energy`. Of a value that comes in digits, the later ones weigh less, by the bits of those
    before, and are converted in as many fewer steps, at least one. Wan et al., Nature 608, 504 (2022).
    """

    step_s: Time
    """Time of one bit."""
    sample_s: TimeOrZero
    """Time to sample, before the first bit."""
    sample_energy_j: Energy
    """Energy to sample."""
    integrate_energy_j: Energy
    """Energy to take over the charge of a line once."""
    choices = {
        **Converter.choices, "bits": ("area_m2",), "step_s": ("energy_j",), "sample_s": ("sample_energy_j",),
    }  # fmt: skip
    example = {
        "bits": 6, "energy": "0.4 pJ", "area": "1000 um2", "step": "300 ns", "sample": "300 ns",
        "sample_energy": "1.2 pJ", "integrate_energy": "0.25 pJ",
    }  # fmt: skip

    @property
    def conversion_s(self) -> Fraction:
        """A sample and a step for each bit."""
        return self.sample_s + self.bits * self.step_s

    def taken(self, earlier_bits: int, integrations: int) -> dict[str, int]:
        """Return a whole conversion, or a sample and the steps that are left; and what was integrated for it."""
        left = max(self.bits - earlier_bits, 1)
        steps = {"convert": 1} if left == self.bits else {"sample": 1, "step": left}
        return {**steps, "integrate": integrations}

    def actions(self) -> dict[str, Action]:
        """Return `convert` of all bits, and its parts: `sample`, `step` and `integrate`."""
        whole_j = self.sample_energy_j + self.bits * self.energy_j
        return {
            "convert": Action(self.slices * whole_j, self.slices * self.conversion_s),
            "sample": Action(self.slices * self.sample_energy_j, self.slices * self.sample_s),
            "step": Action(self.slices * self.energy_j, self.slices * self.step_s),
            "integrate": Action(self.slices * self.integrate_energy_j),
        }


@component("cco_adc", "converter")
class CcoAdc(Converter):
    """A current-controlled oscillator per line, whose cycles are counted while the array is read.

    Integration is conversion: full scale, 2^bits cycles of `lsb` at the highest frequency, must fit into the drivers'
    window, and what is left is to take the count over (`readout`). Energy is that of a whole count, the oscillator's
    current included. Khaddam-Aljameh et al., IEEE J. Solid-State Circuits 57, 1027 (2022).
    """

    lsb_s: Time
    """Period of the oscillator at its highest frequency."""
    readout_s: TimeOrZero
    """Time to take the count over after the window."""
    choices = {**Converter.choices, "lsb_s": ("energy_j",)}
    example = {"bits": 8, "energy": "5 pJ", "area": "1000 um2", "lsb": "0.3 ns", "readout": "1 ns"}

    @model_validator(mode="after")
    def _counts_while_its_line_is_read(self) -> Self:
        for name, most in (("lines_per_unit", self.groups), ("slices", 1)):
            if (asked := getattr(self, name)) > most:
                message = "an oscillator counts while its line is read, so that it cannot serve {n}; give {name}: 1"
                if name == "lines_per_unit":
                    message += ", or groups: {asked}"
                given = {"n": f"{asked} of them", "name": name, "asked": str(asked)}
                raise PydanticCustomError("sharing", message, given)
        return self

    @property
    def conversion_s(self) -> Fraction:
        """The count is there when the window ends; it is taken over."""
        return self.readout_s

    def conversions(self, passes: int) -> int:
        """Return as many as passes: it counts up in one and down in the other."""
        return passes

    @property
    def least_window_s(self) -> Fraction:
        """2^bits cycles at the highest frequency."""
        return self.lsb_s * (1 << self.bits)
