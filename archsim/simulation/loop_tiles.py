"""States of tiles in the compiled loop: entered, left, and charged for their cycles."""

from __future__ import annotations

from typing import Any

from archsim.simulation.flat import BITS, State
from archsim.simulation.loop_options import compiled


@compiled
def account(state: State, tile: Any, now: Any) -> None:
    """Charge a tile's cycles up to now to the most telling of its states."""
    elapsed = now - state.since[tile]
    if elapsed > 0:
        mask, place = state.mask[tile], 0
        if mask:
            place = 1
            while not mask & 1:
                mask >>= 1
                place += 1
        state.spent[tile * (BITS + 1) + place] += elapsed
        state.since[tile] = now


@compiled
def enter(state: State, tile: Any, bit: Any, now: Any) -> None:
    """A tile is in a state, once more."""
    place = tile * BITS + bit
    state.counts[place] += 1
    if state.counts[place] == 1:
        account(state, tile, now)
        state.mask[tile] |= 1 << bit


@compiled
def leave(state: State, tile: Any, bit: Any, now: Any) -> None:
    """A tile is in a state, once less."""
    place = tile * BITS + bit
    state.counts[place] -= 1
    if state.counts[place] == 0:
        account(state, tile, now)
        state.mask[tile] &= ~(1 << bit)
