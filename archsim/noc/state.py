"""What the flit loop reads and what it changes, as arrays."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

import numpy as np

Ints: TypeAlias = Any
"""An array of integers."""
Records: TypeAlias = Any
"""An array of records, whose fields are named."""
NEVER = np.int64(1) << np.int64(62)
NOBODY = np.int64(-1)
CYCLE, IN, MADE = range(3)  # the places of `tally`
FLIT, CREDIT, ASK = range(3)  # what comes in a cycle
LINKS, GROUPS = range(2)  # what is due

_COUNT, _TIME = np.int32, np.int64
SEAT = np.dtype([  # what every flit touches first: 64 bytes, a line of a cache
    # as an input: flits that lie at the far end of a link's channel, or that a source has to send
    ("packet", _COUNT),  # the first in the queue; -1 for none
    ("left", _COUNT),  # its flits that have still to leave
    ("have", _COUNT),  # flits that are here, of all packets
    ("last", _COUNT),  # 1 if the first packet's next hop is its last one
    ("at", _COUNT),  # the group of that hop's link
    ("to", _COUNT),  # the channel that it was given; -1 for none
    ("port", _COUNT),  # the link of a channel, or links + source
    ("queued", _COUNT),  # packets behind the first whose heads are here
    ("may_leave", _TIME),  # when its head may have the switch
    # as an output: the channel seen by those that send over it
    ("credits", _COUNT),  # flits that it can still take
    ("from_", _COUNT),  # the seat of the packet to which it was given, until its tail has left; -1 for none
    ("busy", _COUNT),  # 1 while it is given to a packet
    ("group", _COUNT),
    ("early", _COUNT),  # 1 if only sources send over its link
    ("class_", _COUNT),
])  # fmt: skip
REQUEST = np.dtype([
    # as an input
    ("hop", _COUNT),  # of the first packet: which hop it makes next
    ("next", _COUNT),  # the seat that asks for the same link after it
    ("offer", _COUNT),  # the channel that it would accept in this cycle
    ("accepted", _COUNT),  # the channel that it accepted last
    ("begin", _COUNT),  # the place of the second packet in the ring of `queue`
    # as an output
    ("granted", _COUNT),  # the seat to which it was given last
    ("ready", _TIME),  # when the first packet asked for a channel
])  # fmt: skip
ACTIVE = np.dtype([
    ("channel", _COUNT),
    ("seat", _COUNT),  # from which its packet leaves
    ("port", _COUNT),  # of that seat
])  # fmt: skip
LINK = np.dtype([
    ("flight", _COUNT),  # cycles on the wire
    ("group", _COUNT),
    ("asking", _COUNT),  # the first seat that asks for a channel; -1 for none
    ("due", _COUNT),  # 1 if a channel may be given in the cycle to come
    ("active", _COUNT),  # channels whose packets are leaving: so many in `active`
    ("offer", _COUNT),  # the place in `active` of the channel to which it would take a flit; -1 for none
    ("granted", _COUNT),  # the seat from which the last flit came that it was granted
    ("held", _COUNT),  # the place of the channel for whose packet the switch is held; -1 for none
    ("used", _TIME),  # the last cycle in which it took a flit
])  # fmt: skip
PORT = np.dtype([
    ("route", _COUNT),  # cycles before a head asks for a channel
    ("grant", _COUNT),  # cycles from the grant of a channel to the request for the switch
    ("leave", _COUNT),  # cycles from the grant of the switch to the wire
    ("chosen", _COUNT),  # the link that it would accept in this cycle; -1 for none
    ("accepted", _COUNT),  # the link that it accepted last
    ("turn", _COUNT),  # the seat that was served last
    ("used", _TIME),  # the last cycle in which a flit left by it
])  # fmt: skip


class Fixed(NamedTuple):
    """What does not change: links, then input ports (one per link, one more per source), routes and packets."""

    flits: Any
    """Of a packet."""
    credit: Any
    """Cycles from a flit's leaving until its place can be used again."""
    channels: Any
    """Virtual channels of a link."""
    wait: Any
    """1: a channel is given again when the credit of its packet's tail is back; 0: when the tail has left for it."""
    hold: Any
    """1: the switch is held while flits of a packet follow each other; 0: arbitrated flit by flit."""
    rank: Any
    """Weights of age, turn and place in a waiting packet's rank: the lowest goes first."""
    ring: Any
    """Places of a channel's ring of packets."""
    group_first: Ints
    group_links: Ints
    """By group, the links that compete for the same input ports: those of a router, or of a source."""
    early: Ints
    """By group: 1 if only sources send over it; what they send in a cycle is at their routers in that cycle."""
    source_first: Ints
    """By source: its first packet, in `packets_of`."""
    packets_of: Ints
    source: Ints
    created: Ints
    """By packet: its source, and the cycle in which it is made; packets are numbered by age."""
    path_first: Ints
    """By packet: its first hop, and its last one."""
    path_last: Ints
    hop_link: Ints
    hop_class: Ints
    """By hop: its link, and the class of its channel; -1 for any."""


class State(NamedTuple):
    """What changes. Seats are virtual channels of links, then one per source."""

    seats: Records
    asks: Records
    """By seat: what is needed but when a packet asks for a channel."""
    links: Records
    ports: Records
    hop: Ints
    """By packet: the hop that its head makes next."""
    arrived: Ints
    """By packet: when its tail was in; -1 before."""
    next_of: Ints
    """By source: the place of its next packet in `packets_of`."""
    queue: Ints
    """By channel, a ring: packets whose heads have come in behind the first."""
    active: Records
    """By link, in any order: channels whose packets are leaving for them."""
    group_active: Ints
    """In the places of `group_links`, by group and in any order: links that have such channels."""
    links_active: Ints
    """By group: how many."""
    sent: Ints
    """By link: packets."""
    waits: Ints
    """By link: cycles that heads waited for it, for a channel or the switch."""
    coming: Ints
    """By slot of the wheel of cycles: channels at which flits arrive; channels whose credits come back, times 2, and 1
    for a tail's if `wait`; seats whose first packet asks for a channel."""
    waiting: Ints
    """By slot: how many of each."""
    head_of: Ints
    """By slot: for each flit, the packet, if it is a head; else -1."""
    links_due: Ints
    """Early or not, and by cycle, this or the next: links that may give a channel."""
    groups_due: Ints
    """The same: groups in which a flit may leave."""
    group_due: Ints
    """By group: 1 if it is among them."""
    due: Ints
    """Early or not: how many links and groups are due."""
    tally: Ints
    """The cycle, packets by age known to be in, packets made."""
