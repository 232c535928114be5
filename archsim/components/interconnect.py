"""Links and routers: how vectors move between tiles, and what that costs per bit or per value."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Annotated

from archsim.base.registry import Registry
from archsim.base.section import Choice, Flag
from archsim.base.units import (
    Area,
    CapacitancePerLength,
    Count,
    CountOrZero,
    DataRate,
    Energy,
    EnergyPerBit,
    EnergyPerBitLength,
    LengthOrZero,
    Power,
    Time,
    TimeOrZero,
    TimePerLength,
    Voltage,
)
from archsim.components.base import Action, Component, component


class Link(Component):
    """Base of the links. One instance is one direction between two neighbours, `length_m` long."""

    delay_s_per_m: TimePerLength
    """Time of flight along the wire, per length."""
    area_per_length_m: LengthOrZero = 0.0
    """Area of the wires per length, where they do not lie over other parts."""
    leakage_w: Power = 0.0
    """Power that a link draws all the time."""

    def flight_s(self, length_m: Fraction) -> Fraction:
        """Return the time of flight over that length, in seconds."""
        return self.delay_s_per_m * length_m

    def at_length(self, length_m: float) -> dict[str, Action]:
        """Return the actions of a link of that length."""
        raise TypeError("a link says what it can carry")


@component("packet_link", "link")
class PacketLink(Link):
    """Digital wires: a message is a head and as many flits as its bits need, a flit per `flit_time`."""

    width_bits: Count
    """Bits of a flit: wires of the link."""
    header_bits: CountOrZero
    """Bits of a packet's header."""
    flit_time_s: Time
    """Time between two flits."""
    energy_per_length_j_per_bit_m: EnergyPerBitLength
    """Energy of a bit per length."""
    choices = {"width_bits": ("area_per_length_m",), "flit_time_s": ()}
    beside = {"width_bits": ("router.energy", "router.area")}
    scales = {"flit_time_s": "delay"}  # its registers and repeaters; the wire stays
    example = {
        "delay": "150 ps/mm", "width_bits": 256, "header_bits": 32, "flit_time": "1 ns",
        "energy_per_length": "40.4 fJ/bit/mm",
    }  # fmt: skip

    def flits(self, bits: int) -> int:
        """Return how many flits carry a message of `bits` bits and its header."""
        return math.ceil((bits + self.header_bits) / self.width_bits)

    def at_length(self, length_m: float) -> dict[str, Action]:
        """`flit`: an item is one flit, billed for its full width."""
        return {"flit": Action(self.energy_per_length_j_per_bit_m * self.width_bits * length_m, self.flit_time_s)}


@component("duration_link", "link")
class DurationLink(Link):
    """A wire per value: each carries one pulse whose duration is the value, so a vector takes one window.

    A vector wider than `wires` goes in several windows. Energy: one full swing per value, C V^2 per length.
    """

    wires: Count
    """Wires of a link, each of which carries one value at a time."""
    wire_f_per_m: CapacitancePerLength
    """Capacitance of a wire, per length."""
    swing_v: Voltage
    """Voltage by which a wire swings."""
    choices = {"wires": ("area_per_length_m",)}
    example = {"delay": "150 ps/mm", "wires": 512, "wire": "0.315 pF/mm", "swing": "1.0 V"}

    def at_length(self, length_m: float) -> dict[str, Action]:
        """`pulse`: an item is one value; its time is the window of the drivers."""
        return {"pulse": Action(self.wire_f_per_m * self.swing_v**2 * length_m)}


class OffChip(Component):
    """Base of what sends bits off the chip: a rate, a latency, and an energy per bit."""

    choices = {"rate_bit_per_s": ("energy_per_bit_j_per_bit", "area_m2")}

    rate_bit_per_s: DataRate
    """Rate at which bits are sent."""
    latency_s: TimeOrZero
    """Time from sending to receiving a bit."""
    energy_per_bit_j_per_bit: EnergyPerBit
    """Energy of a bit."""
    area_m2: Area
    """Area of its circuits."""
    leakage_w: Power = 0.0
    """Power that it draws all the time."""


@component("chip_link", "chip_link")
class ChipLink(OffChip):
    """A serial link from chip to chip within a package, one direction: a packet is received whole before it goes on.

    `latency` holds serialiser, wires and deserialiser; `area` is that of both directions' circuits on one chip. The
    way from a chip's gate to them is neglected.
    """

    example = {"rate": "25 GB/s", "latency": "20 ns", "energy_per_bit": "1.17 pJ/bit", "area": "0.1 mm2"}

    def actions(self) -> dict[str, Action]:
        """`bit`: an item is one bit."""
        return {"bit": Action(self.energy_per_bit_j_per_bit, 1 / self.rate_bit_per_s)}

    def for_flits(self, width_bits: int) -> dict[str, Action]:
        """`flit`: an item is one flit of that width."""
        return {"flit": Action(self.energy_per_bit_j_per_bit * width_bits, width_bits / self.rate_bit_per_s)}


ARBITRATIONS: Registry[Callable[[int, int, int], int]] = Registry("arbitration")


@ARBITRATIONS.add("age")
def age(port: int, last: int, ports: int) -> int:
    """The oldest example first, whichever input it comes from."""
    return 0


@ARBITRATIONS.add("fixed")
def fixed(port: int, last: int, ports: int) -> int:
    """The first input first, then by age."""
    return port


@ARBITRATIONS.add("round_robin")
def round_robin(port: int, last: int, ports: int) -> int:
    """The input after the one that was served last, and so on round; by age within an input."""
    return (port - last - 1) % ports


@component("router", "router")
class Router(Component):
    """A switch at a node of the routing graph; `pipeline` is the head's time through it.

    `buffer_flits` is what it can hold per incoming link and class of virtual channels, in whole packets; without it,
    any number of packets wait there. There is one channel for each class. With `wait_for_tail_credit` (as BookSim's
    option of that name; its default is off) it is given to the next packet only when the tail of the one before has
    left it, so it holds one packet however large the buffer is; without, as soon as the tail has been sent to it, so
    it holds several, which leave in the order in which they came. Circuits need no buffers. `arbitration` says which
    of the packets that ask for a link, or a place in the buffer at its end, is served next.
    """

    later = frozenset({"buffer_flits", "arbitration", "wait_for_tail_credit"})

    choices = {"buffer_flits": ("energy_j", "area_m2"), "pipeline_s": ("energy_j",)}

    pipeline_s: Time
    """Time of a packet's head through the router."""
    energy_j: Energy
    """Energy to forward a flit, or a value of a circuit."""
    area_m2: Area
    """Area of one router."""
    leakage_w: Power = 0.0
    """Power that one draws all the time."""
    buffer_flits: Count | None = None
    """Flits that it holds per incoming link and class of channels; without it any number of packets wait."""
    arbitration: Annotated[str, Choice(ARBITRATIONS)] = "age"
    """Which of the packets that ask for a link is served next."""
    wait_for_tail_credit: Flag = False
    """Whether a channel takes the next packet only when the tail of the one before has left it."""
    scales = {"energy_j": "energy", "area_m2": "area", "pipeline_s": "delay"}
    example = {"pipeline": "2 ns", "energy": "20.74 pJ", "area": "0.15 mm2"}

    @property
    def by_port(self) -> bool:
        """Whether it matters from which input a packet comes."""
        return self.arbitration != "age"

    def actions(self) -> dict[str, Action]:
        """`forward`: an item is one flit (one value on duration links)."""
        return {"forward": Action(self.energy_j)}
