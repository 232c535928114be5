"""Ops in the compiled loop: when their instances start, what they wait for, and what follows when one is done."""

from __future__ import annotations

from typing import Any

from archsim.simulation.events import ENDED
from archsim.simulation.flat import (
    BLOCKED,
    CLOCK,
    DIRTY,
    ENDS,
    EXAMPLES,
    FULL,
    NONE,
    OFFSET,
    OPS,
    PENDING,
    STATUS,
    TILES,
    UNUSED,
    UPDATED,
    Fixed,
    State,
)
from archsim.simulation.loop_options import compiled
from archsim.simulation.loop_tiles import enter, leave
from archsim.simulation.loop_told import tell, tell_event
from archsim.simulation.tile_states import WAITING_TRANSFER

WAITING = WAITING_TRANSFER.bit_length() - 1


@compiled
def _watch(state: State, op: Any, other: Any) -> None:
    state.watch_next[op] = NONE
    if state.watch_head[other] == NONE:
        state.watch_head[other] = op
    else:
        state.watch_next[state.watch_tail[other]] = op
    state.watch_tail[other] = op


@compiled
def _show_waiting(fixed: Fixed, state: State, begins: Any) -> None:
    for tile in range(fixed.numbers[TILES]):
        if begins:
            enter(state, tile, WAITING, state.at[CLOCK])
        else:
            leave(state, tile, WAITING, state.at[CLOCK])


@compiled
def _general_met(fixed: Fixed, state: State, op: Any, n: Any) -> Any:
    first = fixed.need_first[op]
    position = state.met_at[op] if state.met_n[op] == n else 0
    while position < fixed.need_first[op + 1] - first:
        i = first + position
        dep = fixed.need_op[i]
        wanted = ((n * fixed.need_num[i] + fixed.need_off[i]) // fixed.need_den[i]) * fixed.need_scale[i]
        wanted = min(wanted + fixed.need_add[i], fixed.totals[dep])
        if state.done[dep] < wanted:
            state.met_n[op] = n
            state.met_at[op] = position
            _watch(state, op, dep)
            if fixed.maintains[dep] != 0 and state.blocked[op] == 0:
                state.at[DIRTY] = 1
                if not state.at[BLOCKED]:
                    _show_waiting(fixed, state, True)
                state.blocked[op] = 1
                state.at[BLOCKED] += 1
            return False
        position += 1
    if state.blocked[op]:
        state.at[DIRTY] = 1
        state.blocked[op] = 0
        state.at[BLOCKED] -= 1
        if not state.at[BLOCKED]:
            _show_waiting(fixed, state, False)
    return True


@compiled
def _old_enough(fixed: Fixed, state: State, op: Any) -> Any:
    if not fixed.period[op]:
        return True
    update = fixed.update[op]
    if (
        state.started[op] > state.done[op]
        or state.at[CLOCK] + state.at[OFFSET] < state.due[fixed.shard[op]]
        or state.done[update] >= fixed.numbers[EXAMPLES]
    ):
        _watch(state, op, update)
        return False
    return True


@compiled
def _may_start(fixed: Fixed, state: State, op: Any) -> Any:
    """Whether what the next instance of an op needs is done; else it watches the first thing that is not."""
    n = state.started[op]
    if n >= fixed.totals[op]:
        return False
    for i in range(fixed.plain_first[op], fixed.plain_first[op + 1]):
        dep = fixed.plain_op[i]
        if state.done[dep] < n + fixed.plain_add[i]:
            _watch(state, op, dep)
            return False
    if fixed.need_first[op + 1] > fixed.need_first[op] and not _general_met(fixed, state, op, n):
        return False
    return fixed.maintains[op] == 0 or _old_enough(fixed, state, op)


@compiled
def _push(fixed: Fixed, state: State, op: Any, n: Any, variant: Any) -> None:
    """A new instance asks for its first stage."""
    if not state.at[UNUSED]:
        state.at[STATUS] = FULL
        return
    state.at[UNUSED] -= 1
    own = state.unused[state.at[UNUSED]]
    state.op[own] = op
    state.n[own] = n
    state.key[own] = op + (0 if fixed.maintains[op] else (n + 1) * fixed.numbers[OPS])
    state.first[own] = state.step[own] = fixed.path_first[variant]
    state.until[own] = fixed.path_first[variant + 1]
    state.asked[own] = state.at[CLOCK]
    state.lacks[own] = NONE
    state.pending[state.at[PENDING]] = own
    state.at[PENDING] += 1


@compiled
def _count(state: State, op: Any) -> Any:
    """An instance of an op is done; return the first op that watched it."""
    state.done[op] += 1
    head = state.watch_head[op]
    state.watch_head[op] = NONE
    return head


@compiled
def start(fixed: Fixed, state: State, op: Any, chain: Any) -> None:
    """Start an op, unless it is -1, and the ops of a chain of watchers, as far as they may; and what that starts.

    The stack holds what is left: op, or -2 - op for that op and what follows it in its chain.
    """
    stack, size = state.stack, 0
    if chain != NONE:
        stack[0] = -2 - chain
        size = 1
    if op != NONE:
        stack[size] = op
        size += 1
    while size and state.at[STATUS] != FULL:
        size -= 1
        here = stack[size]
        if here < NONE:
            here = -2 - here
            following = state.watch_next[here]
            if following != NONE:
                stack[size] = -2 - following
                size += 1
        while _may_start(fixed, state, here):
            n = state.started[here]
            state.started[here] = n + 1
            begin = fixed.variant_first[here]
            variant = begin + n % (fixed.variant_first[here + 1] - begin)
            if fixed.path_first[variant + 1] > fixed.path_first[variant]:
                _push(fixed, state, here, n, variant)
                if state.at[STATUS] == FULL:
                    return
                continue
            head = _count(state, here)
            if head != NONE:
                stack[size] = here
                stack[size + 1] = -2 - head
                size += 2
                break


@compiled
def end_stage(fixed: Fixed, state: State, own: Any, now: Any) -> None:
    """A stage of an instance ends in this cycle: it asks for the next, or the op is done."""
    op, stage = state.op[own], fixed.path[state.step[own]]
    for i in range(fixed.show_first[stage], fixed.show_first[stage + 1]):
        leave(state, fixed.show_tile[i], fixed.show_bit[i], now)
    if fixed.logged[op]:
        tell(state, UPDATED, op, state.n[own])
    if state.step[own] + 1 < state.until[own]:
        state.step[own] += 1
        state.asked[own] = now
        state.pending[state.at[PENDING]] = own
        state.at[PENDING] += 1
        return
    if fixed.maintains[op]:
        state.at[DIRTY] = 1
        if fixed.renewed[op]:
            state.due[fixed.shard[op]] = now + state.at[OFFSET] + fixed.renewed[op]
        tell(state, ENDS, op, state.n[own])
    if fixed.heard[op]:
        tell_event(state, op, state.n[own], ENDED, now)
    state.unused[state.at[UNUSED]] = own
    state.at[UNUSED] += 1
    head = _count(state, op)
    if head != NONE:
        start(fixed, state, NONE, head)
