"""What the event loop reads and what it changes, as arrays."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Ints: TypeAlias = Any
"""An array of 64-bit integers."""
NEVER = np.int64(1) << np.int64(50)


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
    events: Ints
    """The heap of events."""
    tally: Ints
    """The cycle, events and hops so far, and how many packets, by age, are known to be in."""
    link_due: Ints
    """By link: 1 if a channel of it may be given in this cycle; scratch, as are the following."""
    links_due: Ints
    group_due: Ints
    """By group: 1 if an output may be granted in this cycle."""
    groups_due: Ints
    offer: Ints
    """By link: the channel whose packet its output would take."""
    chosen: Ints
    """By input port: the link that it accepts."""
