"""A network of archsim carried by the slower reference: its ports in archsim's order, and ways round a ring."""

from __future__ import annotations

import itertools

import numpy as np

from archsim.noc.patterns import Packets
from archsim.noc.router import Wires
from archsim.noc.saturation import Setting
from tests.noc.flit_reference import PORTS, TILE, simulate


def turns_of(wires: Wires, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return for each router the reference's input and output ports in the order of the links' numbers."""

    def port(here: str, there: str) -> int:
        if there.startswith("tile"):
            return TILE
        (row, column), (to_row, to_column) = (divmod(int(name.removeprefix("router")), side) for name in (here, there))
        if row == to_row:
            return 0 if (to_column - column) % side == 1 else 1
        return 2 if (to_row - row) % side == 1 else 3

    turns: list[list[list[int]]] = [[[] for _ in range(side**2)] for _ in range(2)]
    for name in wires.names:
        a, b = name.split(">")
        for own, here, there in ((turns[0], b, a), (turns[1], a, b)):
            if here.startswith("router") and there != "host":
                own[int(here.removeprefix("router"))].append(port(here, there))
    for router in itertools.chain(*turns):  # what an edge of a mesh lacks comes last, and never asks
        router += [port for port in range(PORTS) if port not in router]
    first, second = (np.array(each) for each in turns)
    return first, second


def flit_by_flit(setting: Setting, topology: str, side: int, packets: Packets) -> np.ndarray:
    """Return when the reference has each packet in."""
    router = setting.router
    columns = (packets.target % side - packets.source % side) % side
    rows = (packets.target // side - packets.source // side) % side
    tie_x, tie_y = 2 * columns == side, 2 * rows == side
    way = (packets.way * (1 + tie_x) * (1 + tie_y)).astype(int)  # of two dimensions, the first digit is that of x
    back_x, back_y = np.where(tie_x, way // (1 + tie_y), 0), np.where(tie_y, way % 2, 0)
    found: np.ndarray = simulate(
        side, topology == "torus", router.vcs, router.buffer_flits, router.packet_flits, router.router_cycles,
        router.link_cycles, router.credit_cycles, router.wait_for_tail_credit, router.hold_switch_for_packet,
        *turns_of(setting.wires, side), packets.created, packets.source, packets.target, back_x, back_y, 10**8,
        len(packets.created),
    )  # fmt: skip
    assert (found != -1).all()
    return found
