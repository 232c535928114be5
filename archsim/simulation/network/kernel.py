"""The event loop: packets through input-queued routers with virtual channels, a few events per packet and hop.

A packet takes one virtual channel of a link's far end, whole, and then the link, for as many cycles as it has flits:

1. The head reaches an input buffer. After the time that routing takes, the packet asks for a virtual channel of its
   class at the far end of its next link (virtual-channel allocation). A channel holds one packet: it is free again
   when the credit of that packet's tail is back.
2. A cycle later it asks for the crossbar (switch allocation): the link's output and the input port that it came by
   must both be free, and both are held until its tail has left. As a buffer holds a whole packet, no credit is
   missing on the way, so flits follow each other cycle by cycle.
3. Head and tail go on: the head to the next input buffer, the tail's leaving frees both ports at once and the channel
   after the time of a credit.

Outputs grant by rank, inputs accept one of their grants, and this is repeated until nothing fits any more; turns pass
on with what is accepted, as in iSLIP (McKeown 1999). Events that are known when a cycle begins are all taken in before
anything is granted. The same functions run compiled and, with numba's compiler off, in plain Python.

What this leaves out: flits of several packets do not take turns on a link. BookSim does the same if it is set to
`hold_switch_for_packet = 1`; then a mesh flit by flit (tests/flit_reference.py) has the same latencies within 1 %. By
its default, flit by flit, waits are shared among the packets that meet: at half of saturation the mean latency is 1 to
10 % higher, and uniform traffic saturates 8 % earlier.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any, NamedTuple

import numpy as np

from archsim.components.draws import compiled

Ints = Any
"""An array of 64-bit integers."""
NEVER = np.int64(1) << np.int64(50)
_KIND, _TIME = np.int64(28), np.int64(31)  # an event is time, kind and number in one integer: 28 bits of number
_NUMBER = (np.int64(1) << _KIND) - 1
SOURCE, ASK_CHANNEL, CREDIT, ASK_SWITCH, WAKE = (np.int64(kind) for kind in range(5))


class Fixed(NamedTuple):
    """What does not change: links, then input ports (one per link, one more per source), routes and packets."""

    flits: Any
    """Of a packet: for so many cycles it holds a link."""
    credit: Any
    """Cycles until a channel that was left can be given again."""
    channels: Any
    """Virtual channels of a link."""
    rank: Any
    """Weights of age, turn and place in a waiting packet's rank: the lowest goes first."""
    flight: Ints
    """By link: cycles on the wire."""
    group: Ints
    """By link: whose links it competes with for input ports, its router's."""
    group_first: Ints
    group_links: Ints
    port: Ints
    """By seat: its input port, which is the link of a channel's, or its source's."""
    channel_class: Ints
    """By channel: its class."""
    route: Ints
    """By input port: cycles before a head asks for a channel."""
    grant: Ints
    """By input port: cycles from the grant of a channel to the request for the switch."""
    leave: Ints
    """By input port: cycles from the grant of the switch to the wire."""
    source_first: Ints
    """By source: its first packet, in `packets_of`."""
    packets_of: Ints
    created: Ints
    """By packet: the cycle in which it is made; packets are numbered by age."""
    path: Ints
    """By packet: its route."""
    path_first: Ints
    """By route: its first hop."""
    hop_link: Ints
    hop_class: Ints


class State(NamedTuple):
    """What changes. Seats are virtual channels of links, then one per source; a seat holds one packet."""

    packet: Ints
    """By seat: whose it is; -1 for nobody's."""
    free_at: Ints
    """By seat: when it can be given again, if it is nobody's."""
    hop: Ints
    """By packet: hops taken."""
    arrived: Ints
    """By packet: when its tail was in; -1 before."""
    next_of: Ints
    """By source: the place of its next packet in `packets_of`."""
    asking: Ints
    """By link: the first seat that waits for a channel of it; -1 for none."""
    asking_next: Ints
    """By seat: who waits after it."""
    granted_from: Ints
    """By channel: the seat from which its packet comes, until it leaves that."""
    asks_switch: Ints
    """By channel: 1 if its packet waits for the switch."""
    waiting: Ints
    """By link: how many do."""
    out_free: Ints
    """By link: when its output is free."""
    in_free: Ints
    """By input port."""
    turn_channel: Ints
    """By link: the seat that was given a channel last."""
    turn_output: Ints
    """By link: the seat that was granted its output last."""
    turn_input: Ints
    """By input port: the link to which it was connected last."""
    pending: Ints
    """By link, then by group: the earliest event that is to come for it."""
    sent: Ints
    """By link: packets."""
    waits: Ints
    """By link: cycles that packets waited for it, for a channel or the switch."""
    ready: Ints
    """By seat: when its packet could have asked for a channel."""
    offer: Ints
    """By link: the channel whose packet its output would take; scratch."""
    chosen: Ints
    """By input port: the link that it accepts; scratch."""


@compiled
def _rank(fixed: Fixed, state: State, seat: Any, last: Any) -> Any:
    """Return the rank of a seat that waits: by age of its packet, by turn after `last`, or by place."""
    age, turn, place = fixed.rank
    return age * state.packet[seat] + turn * _after(seat, last, len(state.packet)) + place * seat


@compiled
def _after(number: Any, last: Any, count: Any) -> Any:
    """Return how many come between `last` and a number on the way around."""
    return number - last - 1 if number > last else number - last - 1 + count


@compiled
def _plan(events: Any, time: Any, kind: Any, number: Any) -> None:
    heappush(events, (time << _TIME) | (kind << _KIND) | number)


@compiled
def _next_hop(fixed: Fixed, state: State, packet: Any) -> Any:
    return fixed.path_first[fixed.path[packet]] + state.hop[packet]


@compiled
def _ask_channel(fixed: Fixed, state: State, seat: Any, now: Any) -> Any:
    """Queue the packet of a seat for its next link; return the link."""
    link = fixed.hop_link[_next_hop(fixed, state, state.packet[seat])]
    state.asking_next[seat] = state.asking[link]
    state.asking[link] = seat
    state.ready[seat] = now
    return link


@compiled
def _give_channels(fixed: Fixed, state: State, events: Any, link: Any, now: Any) -> Any:
    """Give the free channels of a link to those that wait; return whether one may have the switch in this cycle."""
    at_once = False
    first = link * fixed.channels
    for channel in range(first, first + fixed.channels):
        if state.packet[channel] != -1 or state.free_at[channel] > now:
            continue
        best, best_before, best_rank = np.int64(-1), np.int64(-1), NEVER
        before, seat = np.int64(-1), state.asking[link]
        while seat != -1:
            if fixed.hop_class[_next_hop(fixed, state, state.packet[seat])] == fixed.channel_class[channel]:
                rank = _rank(fixed, state, seat, state.turn_channel[link])
                if rank < best_rank:
                    best, best_before, best_rank = seat, before, rank
            before, seat = seat, state.asking_next[seat]
        if best == -1:
            continue
        if best_before == -1:
            state.asking[link] = state.asking_next[best]
        else:
            state.asking_next[best_before] = state.asking_next[best]
        state.turn_channel[link] = best
        state.packet[channel] = state.packet[best]
        state.granted_from[channel] = best
        delay = fixed.grant[fixed.port[best]]
        if delay:
            _plan(events, now + delay, ASK_SWITCH, np.int64(channel))
        else:
            _ask_switch(fixed, state, channel)
            at_once = True
    if state.asking[link] != -1:
        soonest = NEVER
        for channel in range(first, first + fixed.channels):
            if state.packet[channel] == -1 and state.free_at[channel] > now:
                soonest = min(soonest, state.free_at[channel])
        _call(state, events, link, soonest, CREDIT, link)
    return at_once


@compiled
def _call(state: State, events: Any, place: Any, time: Any, kind: Any, number: Any) -> None:
    """Plan an event for a link or a group unless one as early is to come."""
    if time < state.pending[place]:
        state.pending[place] = time
        _plan(events, time, kind, number)


@compiled
def _ask_switch(fixed: Fixed, state: State, channel: Any) -> None:
    link = fixed.port[channel]
    state.waiting[link] += 1
    state.asks_switch[channel] = 1


@compiled
def _connect(fixed: Fixed, state: State, events: Any, group: Any, now: Any) -> Any:
    """Grant the outputs of a router to packets that wait, as many as fit; return how many began to leave."""
    begun = 0
    links = fixed.group_links[fixed.group_first[group] : fixed.group_first[group + 1]]
    progress = True
    while progress:
        progress = False
        for link in links:  # outputs grant, inputs accept
            best = _best_channel(fixed, state, link, now)
            state.offer[link] = best
            if best != -1:
                port = fixed.port[state.granted_from[best]]
                other, last, count = state.chosen[port], state.turn_input[port], len(fixed.flight)
                if other == -1 or _after(link, last, count) < _after(other, last, count):
                    state.chosen[port] = link
        for link in links:
            channel = state.offer[link]
            if channel != -1:
                port = fixed.port[state.granted_from[channel]]
                if state.chosen[port] == link:
                    state.chosen[port] = -1
                    state.turn_input[port] = link
                    _leave(fixed, state, events, channel, now)
                    begun += 1
                    progress = True
    soonest = NEVER
    for link in links:
        if state.waiting[link]:
            for channel in range(link * fixed.channels, (link + 1) * fixed.channels):
                if state.asks_switch[channel]:
                    port = fixed.port[state.granted_from[channel]]
                    soonest = min(soonest, max(state.out_free[link], state.in_free[port]))
    _call(state, events, len(fixed.flight) + group, soonest, WAKE, group)
    return begun


@compiled
def _best_channel(fixed: Fixed, state: State, link: Any, now: Any) -> Any:
    """Return the channel of a link whose packet has the lowest rank of those that could leave now; -1 for none."""
    best, best_rank = np.int64(-1), NEVER
    if state.waiting[link] and state.out_free[link] <= now:
        for channel in range(link * fixed.channels, (link + 1) * fixed.channels):
            if state.asks_switch[channel]:
                seat = state.granted_from[channel]
                if state.in_free[fixed.port[seat]] <= now:
                    rank = _rank(fixed, state, seat, state.turn_output[link])
                    if rank < best_rank:
                        best, best_rank = np.int64(channel), rank
    return best


@compiled
def _leave(fixed: Fixed, state: State, events: Any, channel: Any, now: Any) -> None:
    """Let the packet that was given a channel go there from its seat, flit by flit, beginning now."""
    link, seat = fixed.port[channel], state.granted_from[channel]
    port, packet = fixed.port[seat], state.packet[seat]
    links, end = len(fixed.flight), now + fixed.flits
    state.waits[link] += now - state.ready[seat] - fixed.grant[port]
    state.waiting[link] -= 1
    state.asks_switch[channel] = 0
    state.granted_from[channel] = -1
    state.turn_output[link] = seat
    state.out_free[link] = state.in_free[port] = end
    state.sent[link] += 1
    state.packet[seat] = -1
    if port < links:
        state.free_at[seat] = end - 1 + fixed.credit
        if state.asking[port] != -1:
            _call(state, events, port, state.free_at[seat], CREDIT, port)
    else:
        _next_packet(fixed, state, events, port - links, end)
    state.hop[packet] += 1
    head = now + fixed.leave[port] + fixed.flight[link]
    if _next_hop(fixed, state, packet) < fixed.path_first[fixed.path[packet] + 1]:
        _plan(events, head + fixed.route[link], ASK_CHANNEL, np.int64(channel))
    else:
        state.arrived[packet] = head + fixed.flits
        state.packet[channel] = -1
        state.free_at[channel] = head + fixed.flits - 1 + fixed.credit
        if state.asking[link] != -1:
            _call(state, events, link, state.free_at[channel], CREDIT, link)


@compiled
def _next_packet(fixed: Fixed, state: State, events: Any, source: Any, earliest: Any) -> None:
    """Plan when a source's next packet asks for its first channel."""
    if state.next_of[source] < fixed.source_first[source + 1]:
        packet = fixed.packets_of[state.next_of[source]]
        _plan(events, max(earliest, fixed.created[packet]), SOURCE, source)


@compiled
def run(fixed: Fixed, state: State, until: Any, last_measured: Any) -> Any:
    """Simulate until the packets before `last_measured` are in, or the cycle `until`; return (cycles, events, hops)."""
    links, groups = len(fixed.flight), len(fixed.group_first) - 1
    sources = len(fixed.source_first) - 1
    events = [np.int64(0) for _ in range(0)]
    link_due, group_due = np.zeros(links, np.bool_), np.zeros(groups, np.bool_)
    links_due, groups_due = np.empty(links, np.int64), np.empty(groups, np.int64)
    for source in range(sources):
        _next_packet(fixed, state, events, np.int64(source), np.int64(0))
    count, hops, checked, now = 0, 0, 0, np.int64(0)
    while events:
        now = events[0] >> _TIME
        if now >= until:
            break
        some_links, some_groups = 0, 0
        while len(events) and events[0] >> _TIME == now:
            event = heappop(events)
            kind, number = (event >> _KIND) & np.int64(7), event & _NUMBER
            count += 1
            link, group = np.int64(-1), np.int64(-1)
            if kind == SOURCE:
                seat = links * fixed.channels + number
                state.packet[seat] = fixed.packets_of[state.next_of[number]]
                state.next_of[number] += 1
                link = _ask_channel(fixed, state, seat, now)
            elif kind == ASK_CHANNEL:
                link = _ask_channel(fixed, state, number, now)
            elif kind == CREDIT:
                link = number
                state.pending[link] = NEVER if state.pending[link] == now else state.pending[link]
            elif kind == ASK_SWITCH:
                _ask_switch(fixed, state, number)
                group = fixed.group[fixed.port[number]]
            else:
                group = number
                place = links + group
                state.pending[place] = NEVER if state.pending[place] == now else state.pending[place]
            if link != -1 and not link_due[link]:
                link_due[link] = True
                links_due[some_links] = link
                some_links += 1
            if group != -1 and not group_due[group]:
                group_due[group] = True
                groups_due[some_groups] = group
                some_groups += 1
        for link in links_due[:some_links]:
            link_due[link] = False
            if _give_channels(fixed, state, events, link, now) and not group_due[fixed.group[link]]:
                group_due[fixed.group[link]] = True
                groups_due[some_groups] = fixed.group[link]
                some_groups += 1
        for group in groups_due[:some_groups]:
            group_due[group] = False
            hops += _connect(fixed, state, events, group, now)
        while checked < last_measured and state.arrived[checked] != -1:
            checked += 1
        if checked == last_measured:
            break
    return now, count, hops
