"""Flits on their way: what happens as one leaves for a channel or comes in, and what is due by it.

A wheel of cycles has what is coming: flits at the ends of links, credits, and requests for virtual channels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.noc.inlined import compiled
from archsim.noc.state import ASK, CREDIT, FLIT, GROUPS, LINKS, NOBODY, Fixed, State


@compiled
def after(number: Any, last: Any, count: Any) -> Any:
    """Return how many come between `last` and a number on the way around."""
    return number - last - 1 if number > last else number - last - 1 + count


@compiled
def slot_of(state: State, time: Any) -> Any:
    """Return the slot of the wheel for a cycle."""
    return time & (len(state.waiting) - 1)


@compiled
def plan(state: State, what: Any, number: Any, time: Any) -> None:
    """Let a flit (its channel), a credit or a request (its seat) come in a later cycle."""
    slot = slot_of(state, time)
    state.coming[slot, what, state.waiting[slot, what]] = number
    state.waiting[slot, what] += 1


@compiled
def link_due(fixed: Fixed, state: State, link: Any) -> None:
    """Look at the channels of a link before the next flits leave."""
    own = state.links[link]
    if not own.due:
        own.due = 1
        early = fixed.early[own.group]
        state.links_due[early, state.due[early, LINKS]] = link
        state.due[early, LINKS] += 1


@compiled
def group_due(fixed: Fixed, state: State, group: Any) -> None:
    """Look at the switch of a group."""
    if not state.group_due[group]:
        state.group_due[group] = 1
        early = fixed.early[group]
        state.groups_due[early, state.due[early, GROUPS]] = group
        state.due[early, GROUPS] += 1


@compiled
def flit_in(fixed: Fixed, state: State, channel: Any, packet: Any, now: Any) -> None:
    """Take in a flit at the far end of a channel; `packet` if it is a head, else -1."""
    seat = state.seats[channel]
    seat.have += 1
    if packet != -1:
        if seat.packet == -1:
            be_first(fixed, state, channel, packet)
            plan(state, ASK, channel, now + state.ports[seat.port].route)
        else:
            state.queue[channel, (state.asks[channel].begin + seat.queued) % fixed.ring] = packet
            seat.queued += 1
    elif seat.to != -1:
        group_due(fixed, state, seat.at)


@compiled
def be_first(fixed: Fixed, state: State, number: Any, packet: Any) -> None:
    """Let a packet be the first of a seat."""
    seat = state.seats[number]
    seat.packet = packet
    seat.left = fixed.flits
    hop = state.hop[packet]
    state.asks[number].hop = hop
    seat.last = hop == fixed.path_last[packet]
    seat.at = state.links[fixed.hop_link[hop]].group


@compiled
def credit_in(fixed: Fixed, state: State, credit: Any) -> None:
    """Take in a credit of a channel, times 2; and 1 for a tail's."""
    channel = state.seats[credit >> 1]
    channel.credits += 1
    if credit & 1:
        channel.busy = 0
    if credit & 1 or channel.early:
        link = np.int64(channel.port)
        if state.links[link].asking != -1:
            link_due(fixed, state, link)
    if channel.from_ != -1:
        group_due(fixed, state, channel.group)


@compiled
def ask_channel(fixed: Fixed, state: State, number: Any, now: Any) -> None:
    """Queue the first packet of a seat for its next link."""
    ask = state.asks[number]
    link = fixed.hop_link[ask.hop]
    ask.next = state.links[link].asking
    state.links[link].asking = number
    ask.ready = now
    link_due(fixed, state, link)


@compiled
def leave(fixed: Fixed, state: State, link: Any, channel: Any, number: Any, now: Any) -> None:
    """Let a flit leave for a channel of a link from the seat of its packet, in this cycle."""
    own, to, seat = state.links[link], state.seats[channel], state.seats[number]
    port = state.ports[seat.port]
    packet, head, tail = seat.packet, seat.left == fixed.flits, seat.left == 1
    arrives = now + port.leave + own.flight
    own.used = port.used = now
    seat.have -= 1
    seat.left -= 1
    to.credits -= 1
    if head:
        state.waits[link] += now - state.asks[number].ready - port.grant
        state.hop[packet] += 1
    if seat.last:  # tiles take what comes for them
        plan(state, CREDIT, 2 * channel + (fixed.wait & tail), arrives + fixed.credit)
        if tail:
            state.arrived[packet] = arrives + 1
    else:
        slot = slot_of(state, arrives)
        state.head_of[slot, state.waiting[slot, FLIT]] = packet if head else NOBODY
        plan(state, FLIT, channel, arrives)
    if seat.port < len(state.links):
        plan(state, CREDIT, 2 * number + (fixed.wait & tail), now + fixed.credit)
    if tail:
        state.sent[link] += 1
        own.held = -1
        tail_out(fixed, state, link, channel, now)
        next_first(fixed, state, number, now)
    elif fixed.hold:
        own.held = own.offer if seat.have else -1


@compiled
def tail_out(fixed: Fixed, state: State, link: Any, channel: Any, now: Any) -> None:
    """Part a channel from the packet whose tail has left for it."""
    own, to = state.links[link], state.seats[channel]
    to.from_ = -1
    own.active -= 1
    for i in range(own.active):
        leaving, last = state.active[link, i], state.active[link, own.active]
        if leaving.channel == channel:
            leaving.channel = last.channel
            leaving.seat = last.seat
            leaving.port = last.port
    if not own.active:
        group, first = to.group, fixed.group_first[to.group]
        state.links_active[group] -= 1
        for place in range(first, first + state.links_active[group]):
            if state.group_active[place] == link:
                state.group_active[place] = state.group_active[first + state.links_active[group]]
    if not fixed.wait:
        to.busy = 0
        if own.asking != -1:
            link_due(fixed, state, link)


@compiled
def next_first(fixed: Fixed, state: State, number: Any, now: Any) -> None:
    """Let the packet behind one whose tail has left its seat be the first there."""
    seat = state.seats[number]
    seat.packet = seat.to = -1
    if seat.port >= len(state.links):
        next_packet(fixed, state, seat.port - len(state.links), now + 1)
    elif seat.queued:
        ask = state.asks[number]
        packet = state.queue[number, ask.begin]
        ask.begin = (ask.begin + 1) % fixed.ring
        seat.queued -= 1
        be_first(fixed, state, number, packet)
        plan(state, ASK, number, now + 1 + state.ports[seat.port].route)


@compiled
def next_packet(fixed: Fixed, state: State, source: Any, earliest: Any) -> None:
    """Let a source's next packet be its first and ask for a channel, if it is made by then."""
    place = state.next_of[source]
    if place < fixed.source_first[source + 1]:
        packet = fixed.packets_of[place]
        if fixed.created[packet] <= earliest:
            number = len(state.active) * fixed.channels + source
            state.next_of[source] = place + 1
            be_first(fixed, state, number, packet)
            state.seats[number].have = fixed.flits
            plan(state, ASK, number, earliest)
