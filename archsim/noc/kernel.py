"""The loop over cycles: flits through input-queued routers with virtual channels, by the rules of BookSim's iq_router.

In a cycle, in this order (Jiang et al., A detailed and flexible cycle-accurate network-on-chip simulator, ISPASS 2013):

1. Flits reach input buffers and credits their senders. A packet whose head is the first in its buffer asks, after the
   time that routing takes, for a virtual channel of its class at the far end of its next link.
2. Channels that are free are given (virtual-channel allocation). With `wait`, a channel is free again when the credit
   of its last packet's tail is back; without, as soon as that tail has won the switch towards it, so that a channel
   holds several packets, one behind another.
3. A cycle later, packets that have a channel, a flit and a credit ask for the switch. It passes one flit by each input
   and to each output in a cycle, and is arbitrated anew in each. With `hold`, a packet that was granted it keeps both
   ports as long as its next flit is there when one leaves and there is a credit for it.
4. What was granted leaves: the flit reaches the next buffer after the rest of the router and the wire, and its credit
   goes back.

Both allocators are separable, by one iteration of iSLIP (McKeown 1999): outputs grant, inputs accept one of their
grants, and turns pass on with what is accepted. A source takes only a channel that has a credit. Groups of links, and
links, are looked at only in cycles in which something may have changed for them; a cycle's work is that of the flits
that move. The same functions run compiled and, with numba's compiler off, in plain Python. numba keeps the compiled
loop until this file changes: touch it after a change of `flits` or `state`.

tests/noc/flit_reference.py, which looks at everything in every cycle, has every packet in at the same cycle.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.noc.flits import after, ask_channel, credit_in, flit_in, group_due, leave, link_due, next_packet, slot_of
from archsim.noc.inlined import compiled
from archsim.noc.state import ASK, CREDIT, CYCLE, FLIT, GROUPS, IN, LINKS, MADE, NEVER, NOBODY, Fixed, State


@compiled
def _take(fixed: Fixed, state: State, now: Any) -> None:
    """Take in what reaches its place in this cycle."""
    slot = slot_of(state, now)
    for place in range(state.waiting[slot, FLIT]):
        flit_in(fixed, state, state.coming[slot, FLIT, place], state.head_of[slot, place], now)
    for place in range(state.waiting[slot, CREDIT]):
        credit_in(fixed, state, state.coming[slot, CREDIT, place])
    for place in range(state.waiting[slot, ASK]):  # those of flits that came in now among them
        ask_channel(fixed, state, state.coming[slot, ASK, place], now)
    state.waiting[slot, FLIT] = state.waiting[slot, CREDIT] = state.waiting[slot, ASK] = 0


@compiled
def _give_channels(fixed: Fixed, state: State, link: Any, now: Any) -> None:
    """Give the free channels of a link to those that ask: channels grant, packets accept."""
    offered = False
    for channel in range(link * fixed.channels, (link + 1) * fixed.channels):
        own, granted = state.seats[channel], state.asks[channel].granted
        if own.busy:
            continue
        best, best_rank = NOBODY, NEVER
        number = np.int64(state.links[link].asking)
        while number != -1:
            seat = state.seats[number]
            wanted = fixed.hop_class[state.asks[number].hop]
            if (wanted == -1 or wanted == own.class_) and (own.credits or seat.port < len(state.links)):
                age, turn, place = fixed.rank
                rank = age * seat.packet + turn * after(number, granted, len(state.seats)) + place * number
                if rank < best_rank:
                    best, best_rank = number, rank
            number = np.int64(state.asks[number].next)
        if best != -1:
            offered = True
            ask, count = state.asks[best], len(state.seats)
            if ask.offer == -1 or after(channel, ask.accepted, count) < after(ask.offer, ask.accepted, count):
                ask.offer = channel
    if offered:
        _accept_channels(fixed, state, link, now)


@compiled
def _accept_channels(fixed: Fixed, state: State, link: Any, now: Any) -> None:
    """Let each packet that was offered a channel of a link take it."""
    before, number = NOBODY, np.int64(state.links[link].asking)
    while number != -1:
        seat, ask = state.seats[number], state.asks[number]
        following, channel = np.int64(ask.next), ask.offer
        if channel == -1:
            before = number
        else:
            own, active = state.seats[channel], state.links[link].active
            if before == -1:
                state.links[link].asking = following
            else:
                state.asks[before].next = following
            ask.offer = -1
            ask.accepted = seat.to = channel
            seat.may_leave = now + state.ports[seat.port].grant
            state.asks[channel].granted = own.from_ = number
            own.busy = 1
            leaving = state.active[link, active]
            leaving.channel = channel
            leaving.seat = number
            leaving.port = seat.port
            state.links[link].active = active + 1
            if not active:
                group = own.group
                state.group_active[fixed.group_first[group] + state.links_active[group]] = link
                state.links_active[group] += 1
        number = following
    group_due(fixed, state, state.links[link].group)
    if state.links[link].asking != -1:  # a packet that was offered nothing may be next cycle
        link_due(fixed, state, link)


@compiled
def _connect(fixed: Fixed, state: State, group: Any, now: Any) -> None:
    """Let flits leave a router: outputs grant, inputs accept; look again next cycle if any of them asked for it."""
    first, asked = fixed.group_first[group], False
    for place in range(first, first + state.links_active[group]):
        if fixed.hold:
            asked |= _go_on(state, state.group_active[place], now)
    for place in range(first, first + state.links_active[group]):
        link = state.group_active[place]
        if state.links[link].held != -1:
            continue
        best, later = _best_place(fixed, state, link, now)
        asked |= later or best != -1
        state.links[link].offer = best
        if best != -1:
            port, count = state.ports[state.active[link, best].port], len(state.links)
            other = port.chosen
            if other == -1 or after(link, port.accepted, count) < after(other, port.accepted, count):
                port.chosen = link
    if not asked:
        return
    for place in range(first + state.links_active[group] - 1, first - 1, -1):  # downwards, as tails take links out
        link = state.group_active[place]
        own = state.links[link]
        if own.offer != -1:
            leaving = state.active[link, own.offer]
            port = state.ports[leaving.port]
            if port.chosen == link:
                port.chosen = -1
                if own.held == -1:  # turns pass on but with what is held
                    port.accepted = link
                    own.granted = port.turn = leaving.seat
                leave(fixed, state, link, leaving.channel, leaving.seat, now)
    group_due(fixed, state, group)


@compiled
def _go_on(state: State, link: Any, now: Any) -> Any:
    """Choose the flit for which the switch is held, or let go of it; either way its ports are taken in this cycle."""
    own = state.links[link]
    if own.held == -1:
        return False
    leaving = state.active[link, own.held]
    own.offer = -1
    if own.used != now:
        port = state.ports[leaving.port]
        own.used = port.used = now
        if state.seats[leaving.channel].credits:
            own.offer = own.held
            port.chosen = link
        else:
            own.held = -1
    return True


@compiled
def _best_place(fixed: Fixed, state: State, link: Any, now: Any) -> Any:
    """Return the place of the channel of a link whose flit goes first, or -1; and whether one may leave but cannot now.

    Of the channels of an input port, the one whose turn it is; of the ports, likewise.
    """
    best, best_rank, later = NOBODY, NEVER, False
    own = state.links[link]
    age, turn, place = fixed.rank
    last = NOBODY if own.granted == -1 else np.int64(state.seats[own.granted].port)  # the port that went last
    for i in range(own.active):
        leaving = state.active[link, i]
        number, seat, port = np.int64(leaving.seat), state.seats[leaving.seat], state.ports[leaving.port]
        if seat.have and state.seats[leaving.channel].credits:
            if own.used == now or port.used == now or seat.may_leave > now:
                later = True
            elif own.active == 1:
                return np.int64(0), later
            else:
                rank = after(leaving.port, last, len(state.ports)) * fixed.channels
                if leaving.port < len(state.links):
                    rank += after(number, port.turn, fixed.channels) if port.turn != -1 else number % fixed.channels
                rank = age * seat.packet + turn * rank + place * number
                if rank < best_rank:
                    best, best_rank = np.int64(i), rank
    return best, later


@compiled
def _make(fixed: Fixed, state: State, now: Any) -> None:
    """Make the packets of this cycle."""
    made = state.tally[MADE]
    while made < len(fixed.created) and fixed.created[made] <= now:
        source = fixed.source[made]
        if state.seats[len(state.active) * fixed.channels + source].packet == -1:
            next_packet(fixed, state, source, now)
        made += 1
    state.tally[MADE] = made


@compiled
def _pass(fixed: Fixed, state: State, early: Any, now: Any) -> None:
    """Give channels and the switch where these are due."""
    links, state.due[early, LINKS] = state.due[early, LINKS], 0
    for i in range(links):  # what becomes due again meanwhile takes the place of what was looked at
        link = state.links_due[early, i]
        state.links[link].due = 0
        _give_channels(fixed, state, link, now)
    groups, state.due[early, GROUPS] = state.due[early, GROUPS], 0
    for i in range(groups):
        group = state.groups_due[early, i]
        state.group_due[group] = 0
        _connect(fixed, state, group, now)


@compiled
def idle(state: State) -> Any:
    """Return whether nothing is to come before another packet is made."""
    if state.due[0, LINKS] or state.due[0, GROUPS] or state.due[1, LINKS] or state.due[1, GROUPS]:
        return False
    for slot in range(len(state.waiting)):
        if state.waiting[slot, FLIT] or state.waiting[slot, CREDIT] or state.waiting[slot, ASK]:
            return False
    return True


@compiled
def run(fixed: Fixed, state: State, until: Any, last_measured: Any) -> None:
    """Simulate until the packets before `last_measured` are in, or the cycle `until`, or nothing can move any more."""
    tally = state.tally
    now = tally[CYCLE]
    while tally[IN] < last_measured:
        if idle(state):
            if tally[MADE] == len(fixed.created):
                break
            now = max(now, fixed.created[tally[MADE]])
        if now >= until:
            break
        tally[CYCLE] = now
        slot, early = slot_of(state, now), np.int64(1)
        _make(fixed, state, now)
        while early != -1:  # sources, then routers; once more, if a wire takes no time
            _take(fixed, state, now)
            _pass(fixed, state, early, now)
            early = np.int64(0) if early or state.waiting[slot, FLIT] or state.waiting[slot, ASK] else NOBODY
        while tally[IN] < last_measured and -1 < state.arrived[tally[IN]] <= now + 1:
            tally[IN] += 1
        now += 1
