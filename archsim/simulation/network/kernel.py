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
`hold_switch_for_packet = 1`. A mesh flit by flit with that rule (tests/flit_reference.py) has the same mean latency at
half of saturation within 0.3 %. By BookSim's default flits do take turns, and packets that meet wait longer: on an
8 x 8 mesh, packets of 8 and 16 flits, the mean latency there is then 3 to 11 % higher than here, and uniform traffic
saturates 7 % earlier, transposed and hot-spot traffic within 1 % of the same load.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from archsim.simulation.network.heap import compiled, pop, push
from archsim.simulation.network.state import NEVER, Fixed, State

_KIND, _TIME = np.int64(28), np.int64(31)  # an event is time, kind and number in one integer: 28 bits of number
_NUMBER = (np.int64(1) << _KIND) - 1
SOURCE, ASK_CHANNEL, CREDIT, ASK_SWITCH, WAKE = (np.int64(kind) for kind in range(5))


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
def _plan(state: State, time: Any, kind: Any, number: Any) -> None:
    push(state.events, (time << _TIME) | (kind << _KIND) | number)


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
def _give_channels(fixed: Fixed, state: State, link: Any, now: Any) -> Any:
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
            _plan(state, now + delay, ASK_SWITCH, np.int64(channel))
        else:
            _ask_switch(fixed, state, channel)
            at_once = True
    if state.asking[link] != -1:
        soonest = NEVER
        for channel in range(first, first + fixed.channels):
            if state.packet[channel] == -1 and state.free_at[channel] > now:
                soonest = min(soonest, state.free_at[channel])
        _call(state, link, soonest, CREDIT, link)
    return at_once


@compiled
def _call(state: State, place: Any, time: Any, kind: Any, number: Any) -> None:
    """Plan an event for a link or a group unless one as early is to come."""
    if time < state.pending[place]:
        state.pending[place] = time
        _plan(state, time, kind, number)


@compiled
def _ask_switch(fixed: Fixed, state: State, channel: Any) -> None:
    link = fixed.port[channel]
    state.waiting[link] += 1
    state.asks_switch[channel] = 1


@compiled
def _connect(fixed: Fixed, state: State, group: Any, now: Any) -> Any:
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
                    _leave(fixed, state, channel, now)
                    begun += 1
                    progress = True
    soonest = NEVER
    for link in links:
        if state.waiting[link]:
            for channel in range(link * fixed.channels, (link + 1) * fixed.channels):
                if state.asks_switch[channel]:
                    port = fixed.port[state.granted_from[channel]]
                    soonest = min(soonest, max(state.out_free[link], state.in_free[port]))
    _call(state, len(fixed.flight) + group, soonest, WAKE, group)
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
def _leave(fixed: Fixed, state: State, channel: Any, now: Any) -> None:
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
            _call(state, port, state.free_at[seat], CREDIT, port)
    else:
        _next_packet(fixed, state, port - links, end)
    state.hop[packet] += 1
    head = now + fixed.leave[port] + fixed.flight[link]
    if _next_hop(fixed, state, packet) < fixed.path_first[fixed.path[packet] + 1]:
        _plan(state, head + fixed.route[link], ASK_CHANNEL, np.int64(channel))
    else:
        state.arrived[packet] = head + fixed.flits
        state.packet[channel] = -1
        state.free_at[channel] = head + fixed.flits - 1 + fixed.credit
        if state.asking[link] != -1:
            _call(state, link, state.free_at[channel], CREDIT, link)


@compiled
def _next_packet(fixed: Fixed, state: State, source: Any, earliest: Any) -> None:
    """Plan when a source's next packet asks for its first channel."""
    if state.next_of[source] < fixed.source_first[source + 1]:
        packet = fixed.packets_of[state.next_of[source]]
        _plan(state, max(earliest, fixed.created[packet]), SOURCE, source)


@compiled
def start(fixed: Fixed, state: State) -> None:
    """Plan the first packet of each source."""
    for source in range(len(fixed.source_first) - 1):
        _next_packet(fixed, state, np.int64(source), np.int64(0))


@compiled
def run(fixed: Fixed, state: State, until: Any, last_measured: Any, room: Any) -> Any:
    """Simulate until the packets before `last_measured` are in, or the cycle `until`; return whether that is done.

    It is not where the heap has no more than `room` left: it must be made larger, and this be called again.
    """
    events, tally = state.events, state.tally
    while events[0]:
        now = events[1] >> _TIME
        if now >= until:
            break
        if len(events) - events[0] <= room:
            return False
        tally[0] = now
        some_links, some_groups = 0, 0
        while events[0] and events[1] >> _TIME == now:
            tally[1] += 1
            link, group = _take(fixed, state, pop(events), now)
            if link != -1 and not state.link_due[link]:
                state.link_due[link] = 1
                state.links_due[some_links] = link
                some_links += 1
            if group != -1 and not state.group_due[group]:
                state.group_due[group] = 1
                state.groups_due[some_groups] = group
                some_groups += 1
        for i in range(some_links):
            link = state.links_due[i]
            group = fixed.group[link]
            state.link_due[link] = 0
            if _give_channels(fixed, state, link, now) and not state.group_due[group]:
                state.group_due[group] = 1
                state.groups_due[some_groups] = group
                some_groups += 1
        for i in range(some_groups):
            group = state.groups_due[i]
            state.group_due[group] = 0
            tally[2] += _connect(fixed, state, group, now)
        while tally[3] < last_measured and state.arrived[tally[3]] != -1:
            tally[3] += 1
        if tally[3] == last_measured:
            break
    return True


@compiled
def _take(fixed: Fixed, state: State, event: Any, now: Any) -> Any:
    """Take in an event; return the link whose channels it may change, and the group whose outputs, or -1."""
    kind, number = (event >> _KIND) & np.int64(7), event & _NUMBER
    links = len(fixed.flight)
    if kind == SOURCE:
        seat = links * fixed.channels + number
        state.packet[seat] = fixed.packets_of[state.next_of[number]]
        state.next_of[number] += 1
        return _ask_channel(fixed, state, seat, now), np.int64(-1)
    if kind == ASK_CHANNEL:
        return _ask_channel(fixed, state, number, now), np.int64(-1)
    if kind == ASK_SWITCH:
        _ask_switch(fixed, state, number)
        return np.int64(-1), fixed.group[fixed.port[number]]
    place = number if kind == CREDIT else links + number
    if state.pending[place] == now:
        state.pending[place] = NEVER
    return (number, np.int64(-1)) if kind == CREDIT else (np.int64(-1), number)
