"""Units in the compiled loop: who asks, who waits, and who is granted what."""

from __future__ import annotations

from typing import Any

from archsim.simulation.flat import BEGINS, DIRTY, FULL, NONE, PENDING, RANK, RELEASED, STATUS, UNPLACED, Fixed, State
from archsim.simulation.loop_agenda import put
from archsim.simulation.loop_options import compiled
from archsim.simulation.loop_tiles import enter, leave
from archsim.simulation.loop_told import tell, tell_event, tell_line

FEW = 16
"""So many requests are sorted by insertion. Time alone depends on it."""


@compiled
def _place_of(fixed: Fixed, state: State, own: Any, last: Any) -> Any:
    """Return the rank of a request by its input."""
    stage = fixed.path[state.step[own]]
    port, ports = max(fixed.port[stage], 0), fixed.ports[stage]
    if fixed.numbers[RANK] == 1:
        return port
    if fixed.numbers[RANK] == 2:
        return (port - last - 1) % ports
    return 0


@compiled
def _sort_by_port(fixed: Fixed, state: State, unit: Any) -> None:
    """Sort those that wait for a unit by input and age, by insertion: who is alike stays in order."""
    last, head = state.served[unit], NONE
    node = state.queue_head[unit]
    tail = NONE
    while node != NONE:
        following = state.queue_next[node]
        own = state.queued[node]
        rank, key = _place_of(fixed, state, own, last), state.key[own]
        before, at = NONE, head
        while at != NONE:
            other = state.queued[at]
            other_rank = _place_of(fixed, state, other, last)
            if other_rank > rank or (other_rank == rank and state.key[other] > key):
                break
            before, at = at, state.queue_next[at]
        state.queue_next[node] = at
        if before == NONE:
            head = node
        else:
            state.queue_next[before] = node
        if at == NONE:
            tail = node
        node = following
    state.queue_head[unit] = head
    state.queue_tail[unit] = tail


@compiled
def _queue(state: State, unit: Any, own: Any, in_order: Any) -> None:
    """Put an instance among those that wait for a unit: at their end, or by age."""
    state.at[UNPLACED] -= 1
    node = state.unplaced[state.at[UNPLACED]]
    state.queued[node] = own
    state.queue_next[node] = NONE
    head, tail = state.queue_head[unit], state.queue_tail[unit]
    if head == NONE:
        state.queue_head[unit] = state.queue_tail[unit] = node
        return
    if in_order or state.key[state.queued[tail]] <= state.key[own]:
        state.queue_next[tail] = node
        state.queue_tail[unit] = node
        return
    before, at = NONE, head
    while at != NONE and state.key[state.queued[at]] <= state.key[own]:
        before, at = at, state.queue_next[at]
    state.queue_next[node] = at
    if before == NONE:
        state.queue_head[unit] = node
    else:
        state.queue_next[before] = node


@compiled
def release(state: State, unit: Any) -> None:
    """Who waits for a unit is to be looked at."""
    if state.at[RELEASED] >= len(state.released):
        state.at[STATUS] = FULL
        return
    state.released[state.at[RELEASED]] = unit
    state.at[RELEASED] += 1


@compiled
def _grantable(fixed: Fixed, state: State, own: Any) -> Any:
    stage = fixed.path[state.step[own]]
    for i in range(fixed.take_first[stage], fixed.take_first[stage + 1]):
        unit = fixed.take[i]
        if state.free[unit] <= 0 or state.queued[state.queue_head[unit]] != own:
            state.lacks[own] = unit
            return False
    return True


@compiled
def _grant(fixed: Fixed, state: State, own: Any, stage: Any, now: Any) -> None:
    op = state.op[own]
    for i in range(fixed.take_first[stage], fixed.take_first[stage + 1]):
        state.free[fixed.take[i]] -= 1
    state.grants[stage] += 1
    for i in range(fixed.show_first[stage], fixed.show_first[stage + 1]):
        enter(state, fixed.show_tile[i], fixed.show_bit[i], now)
    put(state, now + fixed.latency[stage], own)
    for i in range(fixed.later_first[stage], fixed.later_first[stage + 1]):
        put(state, now + fixed.later_at[i], -1 - i)
    if fixed.maintains[op]:
        state.at[DIRTY] = 1
        tell(state, BEGINS, op, state.n[own])
    if fixed.tracked[op] == 2 or (fixed.tracked[op] and state.step[own] == state.first[own]):
        tell_line(state, op, state.n[own])
    if fixed.heard[op]:
        tell_event(state, op, state.n[own], state.step[own] - state.first[own], state.asked[own])


@compiled
def _grant_waiting(fixed: Fixed, state: State, own: Any, now: Any) -> None:
    stage = fixed.path[state.step[own]]
    for i in range(fixed.take_first[stage], fixed.take_first[stage + 1]):
        unit = fixed.take[i]
        node = state.queue_head[unit]
        state.queue_head[unit] = state.queue_next[node]
        state.unplaced[state.at[UNPLACED]] = node
        state.at[UNPLACED] += 1
        if state.queue_head[unit] != NONE and state.free[unit] > 1:
            release(state, unit)
        if fixed.port[stage] != NONE:
            state.served[unit] = fixed.port[stage]
            _sort_by_port(fixed, state, unit)
    if fixed.wait_tile[stage] != NONE:
        leave(state, fixed.wait_tile[stage], fixed.wait_bit[stage], now)
    state.waits[stage] += now - state.asked[own]
    _grant(fixed, state, own, stage, now)


@compiled
def _request(fixed: Fixed, state: State, own: Any, now: Any) -> None:
    stage = fixed.path[state.step[own]]
    begin, end = fixed.take_first[stage], fixed.take_first[stage + 1]
    if fixed.port[stage] == NONE:
        is_free = True
        for i in range(begin, end):
            unit = fixed.take[i]
            if state.free[unit] <= 0 or state.queue_head[unit] != NONE:
                is_free = False
                break
        if is_free:
            _grant(fixed, state, own, stage, now)
            return
    if state.at[UNPLACED] < end - begin:
        state.at[STATUS] = FULL
        return
    state.lacks[own] = fixed.take[begin]
    for i in range(begin, end):
        _queue(state, fixed.take[i], own, fixed.in_order[stage] != 0 or fixed.port[stage] != NONE)
    if fixed.port[stage] != NONE:
        _sort_by_port(fixed, state, fixed.take[begin])
    elif fixed.maintains[state.op[own]]:
        state.at[DIRTY] = 1
    if fixed.wait_tile[stage] != NONE:
        enter(state, fixed.wait_tile[stage], fixed.wait_bit[stage], now)
    if fixed.port[stage] != NONE:
        release(state, fixed.take[begin])
    elif _grantable(fixed, state, own):
        _grant_waiting(fixed, state, own, now)


@compiled
def _sort(state: State, count: Any) -> None:
    """Sort the requests by age; who is alike stays in order."""
    own, key = state.requests, state.key
    if count <= FEW:
        for i in range(1, count):
            here, at = own[i], i
            while at and key[own[at - 1]] > key[here]:
                own[at] = own[at - 1]
                at -= 1
            own[at] = here
        return
    room, width = state.room, 1
    while width < count:
        for begin in range(0, count, 2 * width):
            a, middle = begin, min(begin + width, count)
            b, end, at = middle, min(begin + 2 * width, count), begin
            while a < middle or b < end:
                if b >= end or (a < middle and key[own[a]] <= key[own[b]]):
                    room[at] = own[a]
                    a += 1
                else:
                    room[at] = own[b]
                    b += 1
                at += 1
        for i in range(count):
            own[i] = room[i]
        width *= 2


@compiled
def settle(fixed: Fixed, state: State, now: Any) -> None:
    """Arbitrate: first who waits for what was released, then the new requests in their order."""
    while (state.at[RELEASED] or state.at[PENDING]) and state.at[STATUS] != FULL:
        count = state.at[RELEASED]
        if count:
            for i in range(count):
                state.freed[i] = state.released[i]
            state.at[RELEASED] = 0
            for i in range(count):
                unit = state.freed[i]
                while state.queue_head[unit] != NONE and state.free[unit] > 0:
                    own = state.queued[state.queue_head[unit]]
                    last = state.lacks[own]
                    if state.free[last] <= 0 or state.queued[state.queue_head[last]] != own:
                        break
                    if not _grantable(fixed, state, own):
                        break
                    _grant_waiting(fixed, state, own, now)
                    if state.at[STATUS] == FULL:
                        return
        count = state.at[PENDING]
        if count:
            for i in range(count):
                state.requests[i] = state.pending[i]
            state.at[PENDING] = 0
            if count > 1:
                _sort(state, count)
            for i in range(count):
                _request(fixed, state, state.requests[i], now)
                if state.at[STATUS] == FULL:
                    return
