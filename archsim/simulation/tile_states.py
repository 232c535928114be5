"""What tiles are doing: states that come and go, of which each cycle of a tile is charged to the first."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.mapping.schedule import STATES

Int: TypeAlias = NDArray[np.int64]

BIT = {state: 1 << i for i, state in enumerate(STATES)}
WAITING_TRANSFER = BIT["waiting_transfer"]


Show: TypeAlias = tuple[int, int, int]
"""A tile, the bit of a state, and the place of both in `TileStates.counts`."""


def show(tile: int, state: str) -> Show:
    """Return what says that a tile is in a state."""
    return tile, BIT[state], tile * len(STATES) + STATES.index(state)


class TileStates:
    """By tile the states that it is in, as a mask of bits, and the cycles spent in each so far.

    A state may be entered several times: `counts` says how often, by tile and state. `totals` has cycles by the lowest
    bit of the mask that there was, 0 of none.
    """

    def __init__(self, tiles: int) -> None:
        self.masks = [0] * tiles
        self.counts = [0] * (tiles * len(STATES))
        self.since = [0] * tiles
        self.totals: list[dict[int, int]] = [{} for _ in range(tiles)]
        self.waiting = [show(tile, "waiting_transfer") for tile in range(tiles)]

    def enter(self, show: Show, now: int) -> None:
        """A tile is in a state once more."""
        tile, bit, place = show
        self.counts[place] += 1
        if self.counts[place] == 1:
            if now > self.since[tile]:
                self.account(tile, now)
            self.masks[tile] |= bit

    def leave(self, show: Show, now: int) -> None:
        """A tile is in a state once less."""
        tile, bit, place = show
        self.counts[place] -= 1
        if not self.counts[place]:
            if now > self.since[tile]:
                self.account(tile, now)
            self.masks[tile] &= ~bit

    def account(self, tile: int, now: int) -> None:
        """Charge the cycles of a tile up to now."""
        elapsed = now - self.since[tile]
        if elapsed:
            mask, total = self.masks[tile], self.totals[tile]
            lowest = mask & -mask
            total[lowest] = total.get(lowest, 0) + elapsed
            self.since[tile] = now

    def account_all(self, now: int) -> None:
        """Charge the cycles of all tiles up to now."""
        for tile in range(len(self.masks)):
            self.account(tile, now)

    def show_waiting(self, begins: bool, now: int) -> None:
        """All tiles begin or end to wait for maintenance."""
        for waiting in self.waiting:
            (self.enter if begins else self.leave)(waiting, now)

    def spent(self) -> Int:
        """Return the cycles charged [tile, 0 or 1 + state]."""
        found = np.zeros((len(self.totals), 1 + len(STATES)), dtype=np.int64)
        for tile, total in enumerate(self.totals):
            for bit, cycles in total.items():
                found[tile, bit.bit_length()] = cycles
        return found
