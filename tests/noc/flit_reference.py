"""A slower reference for networks: a k x k mesh or torus of input-queued routers, every flit, every port, every cycle.

It shares nothing with `archsim.noc` and follows the source of BookSim 2 (iq_router.cpp,
buffer_state.cpp, islip.cpp, trafficmanager.cpp; Jiang et al., A detailed and flexible cycle-accurate network-on-chip
simulator, ISPASS 2013) for this configuration, in which `L`, `V`, `B`, `R`, `C` are the packet's flits, the channels,
a channel's buffer, the router's cycles (3 or more) and the credit's:

    topology = mesh | torus; n = 2; routing_function = dor (dim_order); router = iq; num_vcs = V; vc_buf_size = B;
    wait_for_tail_credit = 0 | 1; hold_switch_for_packet = 0 | 1; vc_busy_when_full = 0; speculative = 0;
    routing_delay = R - 3; vc_alloc_delay = 1; sw_alloc_delay = 1; st_prepare_delay = 0; st_final_delay = 1;
    credit_delay: such that a place is free again C cycles after its flit won the switch (a credit's own channel takes
    a cycle in BookSim); input_speedup = output_speedup = 1; vc_allocator = sw_allocator = islip; alloc_iters = 1;
    packet_size = L (const_flits_per_packet in older versions); injection_process = bernoulli; sim_type = latency.

There a tile's two channels take a cycle each, here none, so that BookSim's latencies are a constant more. On a torus,
packets of half of the way round go either way; they begin in the lower half of the channels and go on in the upper
one after the link that closes the ring. Ports: 0 east, 1 west, 2 south, 3 north, 4 the tile; router r stands in row
r // k, column r % k. `turns_in` and `turns_out` name each router's ports in the order in which its arbiters go round:
that of the ports' numbers in BookSim, and any is as good.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

PORTS, TILE = 5, 4
IDLE, ASKS, ACTIVE = 0, 1, 2


@numba.njit(cache=True)
def _step(k: int, torus: bool, here: int, there: int, back: int) -> int:
    """Return the step along a dimension from one place to another; `back` says which way if both are as long."""
    if here == there:
        return 0
    if not torus:
        return 1 if there > here else -1
    up = (there - here) % k
    return 1 if 2 * up < k or (2 * up == k and not back) else -1


@numba.njit(cache=True)
def _direction(k: int, torus: bool, here: int, there: int, back_x: int, back_y: int) -> int:
    """Return the port towards a router: first along the row, then along the column."""
    step = _step(k, torus, here % k, there % k, back_x)
    if step:
        return 0 if step > 0 else 1
    step = _step(k, torus, here // k, there // k, back_y)
    if step:
        return 2 if step > 0 else 3
    return TILE


@numba.njit(cache=True)
def _neighbour(k: int, here: int, port: int) -> int:
    row, column = here // k, here % k
    if port < 2:
        return row * k + (column + (1, -1)[port]) % k
    return (row + (1, -1)[port - 2]) % k * k + column if port < TILE else here


@numba.njit(cache=True)
def _may_use(k: int, torus: bool, vcs: int, w: int, port: int, here: int, start: int) -> bool:
    """Return whether a packet that began at router `start` may use channel `w` of a port of router `here`."""
    if not torus or port == TILE:
        return True
    at, first = (here % k, start % k) if port < 2 else (here // k, start // k)
    crossed = at < first if port in (0, 2) else at > first
    return (w >= vcs // 2) == crossed


@numba.njit(cache=True)
def simulate(
    k: int, torus: bool, vcs: int, buffer: int, flits: int, router: int, link: int, credit: int, wait: bool, hold: bool,
    turns_in: Any, turns_out: Any, created: Any, source: Any, target: Any, back_x: Any, back_y: Any, until: int,
    measured: int,
) -> Any:  # fmt: skip
    """Return by packet the cycle after that in which its tail reached its tile; -1 if it did not before `until`.

    Packets are given by age. The simulation ends when the first `measured` are in.
    """
    n, seats = k * k, PORTS * vcs
    opposite = np.array([1, 0, 3, 2, TILE])
    place_in, place_out = np.zeros((n, PORTS), np.int64), np.zeros((n, PORTS), np.int64)
    for r in range(n):
        for i in range(PORTS):
            place_in[r, turns_in[r, i]] = i
            place_out[r, turns_out[r, i]] = i
    # by input channel: its flits, first come first, as packet and number; and its state
    fifo_packet = np.full((n, PORTS, vcs, buffer), -1)
    fifo_flit, size = np.full((n, PORTS, vcs, buffer), -1), np.zeros((n, PORTS, vcs), np.int64)
    state, ask_at = np.zeros((n, PORTS, vcs), np.int64), np.zeros((n, PORTS, vcs), np.int64)
    out_port, out_vc = np.full((n, PORTS, vcs), -1), np.full((n, PORTS, vcs), -1)
    given_at = np.zeros((n, PORTS, vcs), np.int64)
    # by output channel (port TILE: towards the tile), and by channel from the tile: in use, and credits
    in_use, places = np.zeros((n, PORTS, vcs), np.bool_), np.full((n, PORTS, vcs), buffer)
    tile_use, tile_credits = np.zeros((n, vcs), np.bool_), np.full((n, vcs), buffer)
    held_out, held_vc = np.full((n, PORTS), -1), np.full((n, PORTS), -1)  # by input port
    held_in = np.full((n, PORTS), -1)  # by output port
    turn_grant, turn_accept = np.zeros((n, PORTS, vcs), np.int64), np.zeros((n, PORTS, vcs), np.int64)
    turn_out, turn_in = np.zeros((n, PORTS), np.int64), np.zeros((n, PORTS), np.int64)
    turn_vc = np.zeros((n, PORTS), np.int64)
    around = router + link + credit + 4
    wire_vc, wire_packet = np.full((around, n, PORTS), -1), np.full((around, n, PORTS), -1)  # by cycle of arrival
    wire_flit = np.full((around, n, PORTS), -1)
    back_vc, back_tail = np.full((around, n, PORTS), -1), np.zeros((around, n, PORTS), np.bool_)
    home_vc, home_tail = np.full((around, n), -1), np.zeros((around, n), np.bool_)  # credits for the tile
    queue = np.argsort(source, kind="mergesort")
    front = np.searchsorted(source[queue], np.arange(n))
    end = np.searchsorted(source[queue], np.arange(n), side="right")
    sending_vc, sending_flit, last_vc = np.full(n, -1), np.zeros(n, np.int64), np.full(n, -1)
    arrived = np.full(len(created), -1)
    offers = np.full((PORTS, vcs), -1)
    checked = 0
    for now in range(until):
        slot = now % around
        for r in range(n):  # what arrives: credits, flits from other routers, a flit of the tile
            for p in range(PORTS):
                v = back_vc[slot, r, p]
                if v != -1:
                    places[r, p, v] += 1
                    if wait and back_tail[slot, r, p]:
                        in_use[r, p, v] = False
                    back_vc[slot, r, p] = -1
            v = home_vc[slot, r]
            if v != -1:
                tile_credits[r, v] += 1
                if wait and home_tail[slot, r]:
                    tile_use[r, v] = False
                home_vc[slot, r] = -1
            if sending_vc[r] == -1 and front[r] < end[r] and created[queue[front[r]]] <= now:
                for i in range(1, vcs + 1):
                    v = (last_vc[r] + i) % vcs
                    if not tile_use[r, v] and tile_credits[r, v]:
                        sending_vc[r] = last_vc[r] = v
                        sending_flit[r], tile_use[r, v] = 0, True
                        break
            v = sending_vc[r]
            if v != -1 and tile_credits[r, v]:
                wire_vc[slot, r, TILE], wire_packet[slot, r, TILE] = v, queue[front[r]]
                wire_flit[slot, r, TILE] = sending_flit[r]
                tile_credits[r, v] -= 1
                sending_flit[r] += 1
                if sending_flit[r] == flits:
                    front[r] += 1
                    sending_vc[r] = -1
                    if not wait:
                        tile_use[r, v] = False
            for p in range(PORTS):
                v = wire_vc[slot, r, p]
                if v != -1:
                    i = size[r, p, v]
                    assert i < buffer
                    fifo_packet[r, p, v, i], fifo_flit[r, p, v, i] = wire_packet[slot, r, p], wire_flit[slot, r, p]
                    size[r, p, v] = i + 1
                    if state[r, p, v] == IDLE:
                        assert wire_flit[slot, r, p] == 0
                        state[r, p, v], ask_at[r, p, v] = ASKS, now + router - 3
                    wire_vc[slot, r, p] = -1
        for r in range(n):  # channels: each free one grants a request, each packet accepts a grant
            for p in range(PORTS):
                for v in range(vcs):
                    offers[p, v] = -1
                    if state[r, p, v] == ASKS:
                        packet = fifo_packet[r, p, v, 0]
                        out_port[r, p, v] = _direction(k, torus, r, target[packet], back_x[packet], back_y[packet])
            for q in range(PORTS):
                for w in range(vcs):
                    if in_use[r, q, w]:
                        continue
                    for i in range(seats):
                        place = (turn_grant[r, q, w] + i) % seats
                        p, v = turns_in[r, place // vcs], place % vcs
                        if (state[r, p, v] == ASKS and ask_at[r, p, v] <= now and out_port[r, p, v] == q
                                and _may_use(k, torus, vcs, w, q, r, source[fifo_packet[r, p, v, 0]])):  # fmt: skip
                            other, turn = offers[p, v], turn_accept[r, p, v]
                            mine = place_out[r, q] * vcs
                            if other == -1 or (mine + w - turn) % seats < (mine + other - turn) % seats:
                                offers[p, v] = w
                            break
            for p in range(PORTS):
                for v in range(vcs):
                    w = offers[p, v]
                    if w != -1:
                        q = out_port[r, p, v]
                        state[r, p, v], out_vc[r, p, v], given_at[r, p, v], in_use[r, q, w] = ACTIVE, w, now, True
                        turn_grant[r, q, w] = (place_in[r, p] * vcs + v + 1) % seats
                        turn_accept[r, p, v] = (place_out[r, q] * vcs + w + 1) % seats
        for r in range(n):  # the switch: one candidate for each pair of ports; outputs grant, inputs accept
            choice = np.full(PORTS, -1)
            for q in range(PORTS):
                if held_in[r, q] != -1:
                    continue
                for i in range(PORTS):
                    p = turns_in[r, (turn_out[r, q] + i) % PORTS]
                    if held_out[r, p] == -1 and _candidate(
                        r, p, q, now, vcs, turn_vc, state, out_port, out_vc, given_at, size, places
                    ) != -1:  # fmt: skip
                        turn = turn_in[r, p]
                        if choice[p] == -1 or (
                            (place_out[r, q] - turn) % PORTS < (place_out[r, choice[p]] - turn) % PORTS
                        ):  # fmt: skip
                            choice[p] = q
                        break
            for p in range(PORTS):
                if held_out[r, p] != -1:
                    q, v = held_out[r, p], held_vc[r, p]
                    held_in[r, q], held_out[r, p] = -1, -1
                    if not places[r, q, out_vc[r, p, v]]:
                        continue
                elif choice[p] != -1:
                    q = choice[p]
                    v = _candidate(r, p, q, now, vcs, turn_vc, state, out_port, out_vc, given_at, size, places)
                    turn_out[r, q] = (place_in[r, p] + 1) % PORTS
                    turn_in[r, p], turn_vc[r, p] = (place_out[r, q] + 1) % PORTS, (v + 1) % vcs
                else:
                    continue
                packet, flit, w = fifo_packet[r, p, v, 0], fifo_flit[r, p, v, 0], out_vc[r, p, v]
                tail = flit == flits - 1
                for i in range(1, size[r, p, v]):
                    fifo_packet[r, p, v, i - 1], fifo_flit[r, p, v, i - 1] = (
                        fifo_packet[r, p, v, i], fifo_flit[r, p, v, i]
                    )  # fmt: skip
                size[r, p, v] -= 1
                places[r, q, w] -= 1
                if tail:
                    if not wait:
                        in_use[r, q, w] = False
                    state[r, p, v], ask_at[r, p, v] = (ASKS if size[r, p, v] else IDLE), now + 1 + router - 3
                elif hold and size[r, p, v]:
                    held_in[r, q], held_out[r, p], held_vc[r, p] = p, q, v
                back_slot = (now + credit) % around
                if p == TILE:
                    home_vc[back_slot, r], home_tail[back_slot, r] = v, tail
                else:
                    before = _neighbour(k, r, p)
                    back_vc[back_slot, before, opposite[p]], back_tail[back_slot, before, opposite[p]] = v, tail
                if q == TILE:
                    there = (now + 2 + credit) % around
                    back_vc[there, r, q], back_tail[there, r, q] = w, tail
                    if tail:
                        arrived[packet] = now + 3
                else:
                    there, after = (now + 2 + link) % around, _neighbour(k, r, q)
                    wire_vc[there, after, opposite[q]], wire_packet[there, after, opposite[q]] = w, packet
                    wire_flit[there, after, opposite[q]] = flit
        while checked < measured and arrived[checked] != -1:
            checked += 1
        if checked == measured:
            break
    return arrived


@numba.njit(cache=True)
def _candidate(
    r: int, p: int, q: int, now: int, vcs: int, turn_vc: Any, state: Any, out_port: Any, out_vc: Any, given_at: Any,
    size: Any, places: Any,
) -> int:  # fmt: skip
    """Return the channel of an input port, by turn, that has a flit and a credit for an output port; else -1."""
    for i in range(vcs):
        v = (turn_vc[r, p] + i) % vcs
        if (state[r, p, v] == ACTIVE and out_port[r, p, v] == q and given_at[r, p, v] < now and size[r, p, v]
                and places[r, q, out_vc[r, p, v]]):  # fmt: skip
            return v
    return -1
