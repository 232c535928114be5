"""The engine's loop over cycles, compiled: the same rules as `engine.Engine`, on arrays of integers.

Functions are named as that engine's are; what they do, and in which order, is said there. Where a pool is too small the
loop ends with `FULL`, and who called it begins anew with larger ones. Nothing is allocated, so that no references are
counted. numba keeps the compiled loop until this file changes: touch it after a change of `flat`.
"""

from __future__ import annotations

from typing import Any

from archsim.base.machine_code import njit
from archsim.simulation.events import ENDED
from archsim.simulation.flat import (
    AT_END,
    BATCH,
    BEGINS,
    BITS,
    BLOCKED,
    CLOCK,
    DIRTY,
    ENDS,
    EVENT,
    EVENTS,
    EXAMPLES,
    FULL,
    GOES_ON,
    HEAP,
    JOURNAL,
    LAST,
    LINE,
    NONE,
    OFFSET,
    OPS,
    ORDER,
    PENDING,
    RANK,
    RELEASED,
    ROW,
    STATUS,
    TILES,
    UNPLACED,
    UNUSED,
    UPDATED,
    Fixed,
    State,
)
from archsim.simulation.tile_states import WAITING_TRANSFER

WAITING = WAITING_TRANSFER.bit_length() - 1
FEW = 16
"""So many requests are sorted by insertion. Time alone depends on it."""

_OPTIONS: dict[str, Any] = {"error_model": "numpy", "_nrt": False, "forceinline": True}
compiled = njit(**_OPTIONS, no_cpython_wrapper=True, no_cfunc_wrapper=True)


# ---- tiles


@compiled
def _account(state: State, tile: Any, now: Any) -> None:
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
def _enter(state: State, tile: Any, bit: Any, now: Any) -> None:
    place = tile * BITS + bit
    state.counts[place] += 1
    if state.counts[place] == 1:
        _account(state, tile, now)
        state.mask[tile] |= 1 << bit


@compiled
def _leave(state: State, tile: Any, bit: Any, now: Any) -> None:
    place = tile * BITS + bit
    state.counts[place] -= 1
    if state.counts[place] == 0:
        _account(state, tile, now)
        state.mask[tile] &= ~(1 << bit)


# ---- what is told


@compiled
def _tell(state: State, kind: Any, op: Any, n: Any) -> None:
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
def _line(state: State, op: Any, n: Any) -> None:
    place = 3 * state.at[LINE]
    if place + 3 > len(state.line):
        state.at[STATUS] = FULL
        return
    state.line[place] = op
    state.line[place + 1] = n
    state.line[place + 2] = state.at[CLOCK]
    state.at[LINE] += 1


@compiled
def _event(state: State, op: Any, n: Any, stage: Any, asked: Any) -> None:
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


# ---- the agenda: a heap by cycle, then by the order in which entries came


@compiled
def _put(state: State, cycle: Any, what: Any) -> None:
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
def _first(state: State) -> Any:
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


# ---- ops


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
            _enter(state, tile, WAITING, state.at[CLOCK])
        else:
            _leave(state, tile, WAITING, state.at[CLOCK])


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
def _start(fixed: Fixed, state: State, op: Any, chain: Any) -> None:
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
def _end(fixed: Fixed, state: State, own: Any, now: Any) -> None:
    op, stage = state.op[own], fixed.path[state.step[own]]
    for i in range(fixed.show_first[stage], fixed.show_first[stage + 1]):
        _leave(state, fixed.show_tile[i], fixed.show_bit[i], now)
    if fixed.logged[op]:
        _tell(state, UPDATED, op, state.n[own])
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
        _tell(state, ENDS, op, state.n[own])
    if fixed.heard[op]:
        _event(state, op, state.n[own], ENDED, now)
    state.unused[state.at[UNUSED]] = own
    state.at[UNUSED] += 1
    head = _count(state, op)
    if head != NONE:
        _start(fixed, state, NONE, head)


# ---- units


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
def _release(state: State, unit: Any) -> None:
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
        _enter(state, fixed.show_tile[i], fixed.show_bit[i], now)
    _put(state, now + fixed.latency[stage], own)
    for i in range(fixed.later_first[stage], fixed.later_first[stage + 1]):
        _put(state, now + fixed.later_at[i], -1 - i)
    if fixed.maintains[op]:
        state.at[DIRTY] = 1
        _tell(state, BEGINS, op, state.n[own])
    if fixed.tracked[op] == 2 or (fixed.tracked[op] and state.step[own] == state.first[own]):
        _line(state, op, state.n[own])
    if fixed.heard[op]:
        _event(state, op, state.n[own], state.step[own] - state.first[own], state.asked[own])


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
            _release(state, unit)
        if fixed.port[stage] != NONE:
            state.served[unit] = fixed.port[stage]
            _sort_by_port(fixed, state, unit)
    if fixed.wait_tile[stage] != NONE:
        _leave(state, fixed.wait_tile[stage], fixed.wait_bit[stage], now)
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
        _enter(state, fixed.wait_tile[stage], fixed.wait_bit[stage], now)
    if fixed.port[stage] != NONE:
        _release(state, fixed.take[begin])
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
def _settle(fixed: Fixed, state: State, now: Any) -> None:
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


# ---- time


@compiled
def _book(fixed: Fixed, state: State, now: Any) -> None:
    while state.at[HEAP] and state.agenda[0] == now and state.at[STATUS] != FULL:
        ended = 0
        while state.at[HEAP] and state.agenda[0] == now:
            entry = _first(state)
            if entry >= 0:
                state.ended[ended] = entry
                ended += 1
                stage = fixed.path[state.step[entry]]
                for i in range(fixed.end_first[stage], fixed.end_first[stage + 1]):
                    unit = fixed.end[i]
                    state.free[unit] += 1
                    if state.queue_head[unit] != NONE:
                        _release(state, unit)
            else:
                place = -1 - entry
                for i in range(fixed.later_unit_first[place], fixed.later_unit_first[place + 1]):
                    unit = fixed.later_unit[i]
                    state.free[unit] += 1
                    if state.queue_head[unit] != NONE:
                        _release(state, unit)
        for i in range(ended):
            _end(fixed, state, state.ended[i], now)
            if state.at[STATUS] == FULL:
                return
        _settle(fixed, state, now)


@njit(**_OPTIONS)
def begin(fixed: Fixed, state: State) -> None:
    """Start all that may start in cycle 0."""
    for op in range(fixed.numbers[OPS]):
        _start(fixed, state, op, NONE)
    _settle(fixed, state, 0)
    _book(fixed, state, 0)
    if state.at[STATUS] != FULL and not state.at[HEAP]:
        state.at[STATUS] = AT_END


@njit(**_OPTIONS)
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


@njit(**_OPTIONS)
def account_all(fixed: Fixed, state: State) -> None:
    """Charge the cycles of all tiles up to now."""
    for tile in range(fixed.numbers[TILES]):
        _account(state, tile, state.at[CLOCK])


# ---- what decides what happens next


@compiled
def _since(fixed: Fixed, state: State, own: Any, base: Any) -> Any:
    """Return which instance of its op it is, counted from the examples that are done, or from those begun."""
    op = state.op[own]
    return state.n[own] - (state.started[op] if fixed.maintains[op] else base)


@njit(**_OPTIONS)
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


@njit(**_OPTIONS)
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


@njit(**_OPTIONS)
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
