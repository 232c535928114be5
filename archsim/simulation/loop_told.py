"""What the compiled loop tells: a journal of maintenance and updates, the timeline, and all events."""

from __future__ import annotations

from typing import Any

from archsim.simulation.flat import CLOCK, EVENT, EVENTS, FULL, JOURNAL, LINE, STATUS, State
from archsim.simulation.loop_options import compiled


@compiled
def tell(state: State, kind: Any, op: Any, n: Any) -> None:
    """Tell of maintenance that begins or ends, or of an update that ends."""
    place = 4 * state.at[JOURNAL]
    if place + 4 > len(state.journal):
        state.at[STATUS] = FULL
        return
    state.journal[place] = kind
    state.journal[place + 1] = op
    state.journal[place + 2] = n
    state.journal[place + 3] = state.at[CLOCK]
    state.at[JOURNAL] += 1


@compiled
def tell_line(state: State, op: Any, n: Any) -> None:
    """Tell the timeline that an instance of an op begins."""
    place = 3 * state.at[LINE]
    if place + 3 > len(state.line):
        state.at[STATUS] = FULL
        return
    state.line[place] = op
    state.line[place + 1] = n
    state.line[place + 2] = state.at[CLOCK]
    state.at[LINE] += 1


@compiled
def tell_event(state: State, op: Any, n: Any, stage: Any, asked: Any) -> None:
    """Tell an event, as `events.Events` has it."""
    place = EVENT * state.at[EVENTS]
    if place + EVENT > len(state.events):
        state.at[STATUS] = FULL
        return
    state.events[place] = op
    state.events[place + 1] = n
    state.events[place + 2] = stage
    state.events[place + 3] = asked
    state.events[place + 4] = state.at[CLOCK]
    state.at[EVENTS] += 1
