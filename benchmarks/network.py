"""Packets, hops and flits per second of a network alone, and what they cost as it and its packets grow."""

from __future__ import annotations

import math
import time

from archsim.noc.patterns import draw_packets
from archsim.noc.saturation import Outcome, Setting, carry
from archsim.studies.noc.study import Inputs, settings_of
from benchmarks.report import Figure

HALF = 0.4  # of the bound of uniform traffic on a mesh; the 8 x 8 mesh saturates at 0.8 of it
REPEATS = 3
SIDES = {4: 80_000, 8: 20_000, 16: 10_000}
"""Cycles by side of the mesh: about as many hops in each."""


def timed(setting: Setting, share: float, cycles: int) -> tuple[float, int, Outcome]:
    """Return the processor seconds of carrying the packets of so many cycles, the packets, and the outcome."""
    packets = draw_packets(setting.weights, share * setting.bound, setting.router.packet_flits, cycles, 0)
    best = math.inf
    for _ in range(REPEATS):
        begin = time.process_time()
        found = carry(setting.wires, setting.router, packets, cycles)
        best = min(best, time.process_time() - begin)
    return best, len(packets.created), found


def measure() -> list[Figure]:
    figures, per_hop = [], {}
    for side, cycles in SIDES.items():
        (setting,) = settings_of(Inputs("mesh", f"{side}x{side}")).values()
        timed(setting, HALF, 100)  # compiles, and finds most routes
        seconds, packets, found = timed(setting, HALF, cycles)
        per_hop[side] = seconds / found.hops
        name = f"network {side} x {side} mesh at half of saturation"
        figures += [
            Figure(f"{name}: packets", packets / seconds, "1/s"),
            Figure(f"{name}: hops", found.hops / seconds, "1/s"),
        ]
    least, *_, most = SIDES
    exponent = math.log(per_hop[most] / per_hop[least]) / math.log((most / least) ** 2)
    figures.append(Figure("network: exponent of time per hop over tiles, 4 x 4 to 16 x 16", exponent, "", most=0.3))
    for share, words in ((HALF, "half of saturation"), (0.78, "just below saturation")):
        took = {}
        for flits in (8, 64):
            (setting,) = settings_of(Inputs("mesh", "8x8", packet_flits=flits)).values()
            seconds, _, found = timed(setting, share, 20_000)
            took[flits] = seconds / found.events
            name = f"network 8 x 8 mesh at {words}: flits over links, packets of {flits} flits"
            figures.append(Figure(name, 1 / took[flits], "1/s"))
        figures.append(Figure(f"network 8 x 8 mesh at {words}: time of a flit, packets of 64 to those of 8",
                              took[64] / took[8], "x", most=1.3))  # fmt: skip
    return figures
