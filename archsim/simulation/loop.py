"""The engine's loop over cycles, compiled: the same rules as `engine.Engine`, on arrays of integers.

Functions are named as that engine's are; what they do, and in which order, is said there. Where a pool is too small the
loop ends with `FULL`, and who called it begins anew with larger ones. Nothing is allocated, so that no references are
counted. Its parts lie in the files `loop_*` beside this one; numba keeps the compiled loop until one of them changes,
or a number of `flat` that they take.
"""

from __future__ import annotations

from typing import Any

from archsim.base.machine_code import njit
from archsim.simulation.flat import (
    AT_END,
    BATCH,
    CLOCK,
    EVENT,
    EVENTS,
    FULL,
    GOES_ON,
    HEAP,
    JOURNAL,
    LAST,
    LINE,
    NONE,
    OPS,
    ROW,
    STATUS,
    TILES,
    Fixed,
    State,
)
from archsim.simulation.loop_agenda import take_first
from archsim.simulation.loop_ops import end_stage, start
from archsim.simulation.loop_options import OPTIONS, compiled
from archsim.simulation.loop_tiles import account
from archsim.simulation.loop_units import release, settle


@compiled
def _book(fixed: Fixed, state: State, now: Any) -> None:
    while state.at[HEAP] and state.agenda[0] == now and state.at[STATUS] != FULL:
        ended = 0
        while state.at[HEAP] and state.agenda[0] == now:
            entry = take_first(state)
            if entry >= 0:
                state.ended[ended] = entry
                ended += 1
                stage = fixed.path[state.step[entry]]
                for i in range(fixed.end_first[stage], fixed.end_first[stage + 1]):
                    unit = fixed.end[i]
                    state.free[unit] += 1
                    if state.queue_head[unit] != NONE:
                        release(state, unit)
            else:
                place = -1 - entry
                for i in range(fixed.later_unit_first[place], fixed.later_unit_first[place + 1]):
                    unit = fixed.later_unit[i]
                    state.free[unit] += 1
                    if state.queue_head[unit] != NONE:
                        release(state, unit)
        for i in range(ended):
            end_stage(fixed, state, state.ended[i], now)
            if state.at[STATUS] == FULL:
                return
        settle(fixed, state, now)


@njit(whole=True, **OPTIONS)
def begin(fixed: Fixed, state: State) -> None:
    """Start all that may start in cycle 0."""
    for op in range(fixed.numbers[OPS]):
        start(fixed, state, op, NONE)
    settle(fixed, state, 0)
    _book(fixed, state, 0)
    if state.at[STATUS] != FULL and not state.at[HEAP]:
        state.at[STATUS] = AT_END


@njit(whole=True, **OPTIONS)
def advance(fixed: Fixed, state: State, examples: Any, until: Any) -> None:
    """Go on until so many examples have ended or a cycle is past, what is told fills half its room, or nothing is left.

    Then the clock is about to move.
    """
    at = state.at
    last = fixed.numbers[LAST]
    while at[HEAP] and at[STATUS] == GOES_ON:
        at[CLOCK] = state.agenda[0]
        _book(fixed, state, at[CLOCK])
        if state.done[last] >= examples or at[CLOCK] > until:
            break
        if 2 * EVENT * at[EVENTS] >= len(state.events):
            break
        if 8 * at[JOURNAL] >= len(state.journal) or 6 * at[LINE] >= len(state.line):
            break
    if at[STATUS] == GOES_ON and not at[HEAP]:
        at[STATUS] = AT_END


@njit(whole=True, **OPTIONS)
def account_all(fixed: Fixed, state: State) -> None:
    """Charge the cycles of all tiles up to now."""
    for tile in range(fixed.numbers[TILES]):
        account(state, tile, state.at[CLOCK])


@compiled
def _since(fixed: Fixed, state: State, own: Any, base: Any) -> Any:
    """Return which instance of its op it is, counted from the examples that are done, or from those begun."""
    op = state.op[own]
    return state.n[own] - (state.started[op] if fixed.maintains[op] else base)


@njit(whole=True, **OPTIONS)
def sign(fixed: Fixed, state: State) -> tuple[int, int]:
    """Write what `State.key` is made of; return its length, and from where on are entries of the agenda, unsorted."""
    out, at = state.signature, state.at
    base, now = state.done[fixed.numbers[LAST]], at[CLOCK]
    out[0] = base % fixed.numbers[BATCH]
    size = 1
    for i in range(len(fixed.example_ops)):
        op = fixed.example_ops[i]
        out[size] = state.started[op] - base
        out[size + 1] = state.done[op] - base
        size += 2
    for i in range(len(fixed.contended)):
        unit = fixed.contended[i]
        out[size] = state.free[unit]
        out[size + 1] = state.served[unit]
        size += 2
    for op in range(fixed.numbers[OPS]):
        out[size] = state.blocked[op]
        size += 1
    for i in range(len(fixed.contended)):
        unit = fixed.contended[i]
        node = state.queue_head[unit]
        while node != NONE:
            own = state.queued[node]
            out[size] = unit
            out[size + 1] = state.op[own]
            out[size + 2] = _since(fixed, state, own, base)
            out[size + 3] = state.step[own] - state.first[own]
            out[size + 4] = now - state.asked[own]
            size += ROW
            node = state.queue_next[node]
    begin = size
    for i in range(at[HEAP]):
        entry = state.agenda[3 * i + 2]
        out[size] = state.agenda[3 * i] - now
        out[size + 1] = out[size + 3] = out[size + 4] = 0
        if entry >= 0:
            out[size + 1] = 1
            out[size + 2] = state.op[entry]
            out[size + 3] = _since(fixed, state, entry, base)
            out[size + 4] = state.step[entry] - state.first[entry]
        else:
            out[size + 2] = fixed.later_same[-1 - entry]
        size += ROW
    return size, begin


@njit(whole=True, **OPTIONS)
def shift(fixed: Fixed, state: State, more: Any) -> None:
    """Have more instances [op] begun, done and in flight."""
    for op in range(fixed.numbers[OPS]):
        state.started[op] += more[op]
        state.done[op] += more[op]
    for own in range(len(state.op)):
        op = state.op[own]
        state.n[own] += more[op]
        if not fixed.maintains[op]:
            state.key[own] = op + (state.n[own] + 1) * fixed.numbers[OPS]


@njit(whole=True, **OPTIONS)
def runs(times: Any, start: Any, step: Any, count: Any, out: Any) -> int:
    """Write the runs [runs, (start, step, updates)] that times make after a last one; return how many.

    They are those of `dwell.UpdateLog.add`, one time after another; the first is the last one, gone on with.
    """
    size = 0
    for i in range(len(times)):
        time = times[i]
        if count:
            gap = time - (start + (count - 1) * step)
            if count == 1 or gap == step:
                step = gap
                count += 1
                continue
            out[size, 0] = start
            out[size, 1] = step
            out[size, 2] = count
            size += 1
        start, step, count = time, 0, 1
    out[size, 0] = start
    out[size, 1] = step
    out[size, 2] = count
    return size + 1
