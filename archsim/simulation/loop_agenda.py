"""The agenda of the compiled loop: a heap by cycle, then by the order in which entries came."""

from __future__ import annotations

from typing import Any

from archsim.simulation.flat import FULL, HEAP, ORDER, STATUS, State
from archsim.simulation.loop_options import compiled


@compiled
def put(state: State, cycle: Any, what: Any) -> None:
    """Put an instance, or what is released, on the agenda for a cycle."""
    heap, hole = state.agenda, state.at[HEAP]
    if 3 * hole + 3 > len(heap):
        state.at[STATUS] = FULL
        return
    state.at[HEAP] += 1
    order = state.at[ORDER]
    state.at[ORDER] += 1
    while hole:
        above = (hole - 1) >> 1
        if heap[3 * above] <= cycle:  # what came before goes before
            break
        heap[3 * hole] = heap[3 * above]
        heap[3 * hole + 1] = heap[3 * above + 1]
        heap[3 * hole + 2] = heap[3 * above + 2]
        hole = above
    heap[3 * hole] = cycle
    heap[3 * hole + 1] = order
    heap[3 * hole + 2] = what


@compiled
def take_first(state: State) -> Any:
    """Take the first entry of the agenda out."""
    heap = state.agenda
    found = heap[2]
    state.at[HEAP] -= 1
    size = state.at[HEAP]
    cycle, order, what = heap[3 * size], heap[3 * size + 1], heap[3 * size + 2]
    hole = 0
    while True:
        below = 2 * hole + 1
        if below >= size:
            break
        other = below + 1
        if other < size and (heap[3 * other] < heap[3 * below] or (
            heap[3 * other] == heap[3 * below] and heap[3 * other + 1] < heap[3 * below + 1]
        )):  # fmt: skip
            below = other
        if cycle < heap[3 * below] or (cycle == heap[3 * below] and order < heap[3 * below + 1]):
            break
        heap[3 * hole] = heap[3 * below]
        heap[3 * hole + 1] = heap[3 * below + 1]
        heap[3 * hole + 2] = heap[3 * below + 2]
        hole = below
    heap[3 * hole] = cycle
    heap[3 * hole + 1] = order
    heap[3 * hole + 2] = what
    return found
