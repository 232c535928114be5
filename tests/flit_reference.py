"""A slower reference for networks: a k x k mesh of input-queued routers, every flit and every cycle.

It shares nothing with `archsim.simulation.network` and follows the rules of BookSim 2 (Jiang et al., A detailed and
flexible cycle-accurate network-on-chip simulator, ISPASS 2013) for this configuration, in which `L`, `V`, `R`, `C`
are the packet's flits, the channels, the router's cycles (3 or more) and the credit's cycles:

    topology = mesh; k = 8; n = 2; routing_function = dor; traffic = uniform | transpose | hotspot;
    router = iq; num_vcs = V; vc_buf_size = L; wait_for_tail_credit = 1; hold_switch_for_packet = 0 (or 1: `hold`);
    routing_delay = R - 3; vc_alloc_delay = 1; sw_alloc_delay = 1; st_prepare_delay = 0; st_final_delay = 1;
    credit_delay: such that a channel is given again C cycles after its tail won the switch (a credit's own channel
    takes a cycle in BookSim); input_speedup = output_speedup = 1; speculative = 0;
    vc_allocator = sw_allocator = islip; alloc_iters = 1; vc_alloc_arb_type = sw_alloc_arb_type = round_robin;
    packet_size = L (const_flits_per_packet in older versions); injection_rate_uses_flits = 1; injection_rate = load;
    injection_process = bernoulli; sim_type = latency.

There a tile's two channels take a cycle each, here none, so that BookSim's latencies are a constant more.
Ports: 0 east, 1 west, 2 south, 3 north, 4 the tile; router r stands in row r // k, column r % k.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

PORTS, TILE = 5, 4


@numba.njit(cache=True)
def _direction(k: int, here: int, there: int) -> int:
    """Return the port towards a router: first along the row, then along the column."""
    if here % k != there % k:
        return 0 if there % k > here % k else 1
    if here // k != there // k:
        return 2 if there // k > here // k else 3
    return TILE


@numba.njit(cache=True)
def _neighbour(k: int, here: int, port: int) -> int:
    return here + (1, -1, k, -k, 0)[port]


@numba.njit(cache=True)
def simulate(
    k: int, vcs: int, flits: int, router: int, link: int, credit: int, hold: bool,
    created: Any, source: Any, target: Any, until: int, measured: int,
) -> Any:  # fmt: skip
    """Return by packet the cycle after that in which its tail reached its tile; -1 if it did not before `until`.

    Packets are given by age. The simulation ends when the first `measured` are in.
    """
    n = k * k
    opposite = np.array([1, 0, 3, 2, TILE])
    owner = np.full((n, PORTS, vcs), -1)  # by input channel: its packet
    got, gone = np.zeros((n, PORTS, vcs), np.int64), np.zeros((n, PORTS, vcs), np.int64)  # its flits in, and out again
    head_at = np.zeros((n, PORTS, vcs), np.int64)
    out_port, out_vc = np.full((n, PORTS, vcs), -1), np.full((n, PORTS, vcs), -1)
    given_at = np.zeros((n, PORTS, vcs), np.int64)
    taken = np.zeros((n, PORTS, vcs), np.bool_)  # by output channel: a packet has it
    credit_left = np.full((n, PORTS, vcs), flits)
    held_by = np.full((n, PORTS), -1)  # by output port, if switches are held: the input port
    held_out, held_vc = np.full((n, PORTS), -1), np.full((n, PORTS), -1)  # by input port
    turn_grant, turn_accept = np.zeros((n, PORTS, vcs), np.int64), np.zeros((n, PORTS, vcs), np.int64)
    turn_out, turn_in = np.zeros((n, PORTS), np.int64), np.zeros((n, PORTS), np.int64)
    turn_vc = np.zeros((n, PORTS), np.int64)
    size = router + link + credit + 4
    wire_vc, wire_packet = np.full((size, n, PORTS), -1), np.full((size, n, PORTS), -1)  # flits by cycle of arrival
    wire_credit, wire_tail = np.full((size, n, PORTS), -1), np.zeros((size, n, PORTS), np.bool_)
    queue = np.argsort(source, kind="mergesort")
    front = np.searchsorted(source[queue], np.arange(n))
    back = np.searchsorted(source[queue], np.arange(n), side="right")
    sending_vc, sending_left = np.full(n, -1), np.zeros(n, np.int64)
    last_vc, tile_free_at = np.zeros(n, np.int64), np.zeros((n, vcs), np.int64)
    arrived = np.full(len(created), -1)
    offers = np.full((PORTS, vcs), -1)
    checked = 0
    for now in range(until):
        slot = now % size
        for r in range(n):  # what arrives: credits, flits from other routers, a flit of the tile
            for p in range(PORTS):
                v = wire_credit[slot, r, p]
                if v != -1:
                    credit_left[r, p, v] += 1
                    if wire_tail[slot, r, p]:
                        taken[r, p, v] = False
                    wire_credit[slot, r, p] = -1
                v = wire_vc[slot, r, p]
                if v != -1:
                    if owner[r, p, v] == -1:
                        owner[r, p, v], got[r, p, v], gone[r, p, v] = wire_packet[slot, r, p], 0, 0
                        head_at[r, p, v], out_vc[r, p, v] = now, -1
                        out_port[r, p, v] = _direction(k, r, target[owner[r, p, v]])
                    got[r, p, v] += 1
                    wire_vc[slot, r, p] = -1
            if sending_left[r] == 0 and front[r] < back[r] and created[queue[front[r]]] <= now:
                for i in range(vcs):  # the tile keeps count of its channels: busy from the head to the tail's credit
                    v = (last_vc[r] + 1 + i) % vcs
                    if owner[r, TILE, v] == -1 and tile_free_at[r, v] <= now:
                        packet = queue[front[r]]
                        front[r] += 1
                        owner[r, TILE, v], got[r, TILE, v], gone[r, TILE, v] = packet, 0, 0
                        head_at[r, TILE, v], out_vc[r, TILE, v] = now, -1
                        out_port[r, TILE, v] = _direction(k, r, target[packet])
                        sending_vc[r], sending_left[r], last_vc[r] = v, flits, v
                        break
            if sending_left[r]:
                got[r, TILE, sending_vc[r]] += 1
                sending_left[r] -= 1
        for r in range(n):  # channels: each free one grants a request, each request accepts a grant
            for p in range(PORTS):
                for v in range(vcs):
                    offers[p, v] = -1
            for q in range(PORTS):
                for w in range(vcs):
                    if taken[r, q, w]:
                        continue
                    for i in range(PORTS * vcs):
                        seat = (turn_grant[r, q, w] + i) % (PORTS * vcs)
                        p, v = seat // vcs, seat % vcs
                        if (owner[r, p, v] != -1 and out_port[r, p, v] == q and out_vc[r, p, v] == -1
                                and now >= head_at[r, p, v] + router - 3):  # fmt: skip
                            other, turn = offers[p, v], turn_accept[r, p, v]
                            if other == -1 or (w - turn) % vcs < (other - turn) % vcs:
                                offers[p, v] = w
                            break
            for p in range(PORTS):
                for v in range(vcs):
                    w = offers[p, v]
                    if w != -1:
                        q = out_port[r, p, v]
                        out_vc[r, p, v], given_at[r, p, v], taken[r, q, w] = w, now, True
                        turn_grant[r, q, w] = (p * vcs + v + 1) % (PORTS * vcs)
                        turn_accept[r, p, v] = (w + 1) % vcs
        for r in range(n):  # the switch: one candidate for each pair of ports; outputs grant, inputs accept
            choice = np.full(PORTS, -1)
            for q in range(PORTS):
                if held_by[r, q] != -1:
                    continue
                for i in range(PORTS):
                    p = (turn_out[r, q] + i) % PORTS
                    if held_out[r, p] == -1 and _candidate(
                        r, p, q, now, vcs, turn_vc, owner, out_port, out_vc, given_at, got, gone, credit_left
                    ) != -1:  # fmt: skip
                        if choice[p] == -1 or (q - turn_in[r, p]) % PORTS < (choice[p] - turn_in[r, p]) % PORTS:
                            choice[p] = q
                        break
            for p in range(PORTS):
                if held_out[r, p] != -1:
                    q, v = held_out[r, p], held_vc[r, p]
                elif choice[p] != -1:
                    q = choice[p]
                    v = _candidate(
                        r, p, q, now, vcs, turn_vc, owner, out_port, out_vc, given_at, got, gone, credit_left
                    )
                    turn_out[r, q], turn_in[r, p], turn_vc[r, p] = (p + 1) % PORTS, (q + 1) % PORTS, (v + 1) % vcs
                    if hold:
                        held_by[r, q], held_out[r, p], held_vc[r, p] = p, q, v
                else:
                    continue
                packet, w = owner[r, p, v], out_vc[r, p, v]
                assert got[r, p, v] > gone[r, p, v]
                assert credit_left[r, q, w] > 0
                gone[r, p, v] += 1
                credit_left[r, q, w] -= 1
                tail = gone[r, p, v] == flits
                back_slot = (now + credit) % size
                if p == TILE:
                    if tail:
                        tile_free_at[r, v] = now + credit
                else:
                    wire_credit[back_slot, _neighbour(k, r, p), opposite[p]] = v
                    wire_tail[back_slot, _neighbour(k, r, p), opposite[p]] = tail
                if tail:
                    owner[r, p, v] = -1
                    held_by[r, q], held_out[r, p] = -1, -1
                if q == TILE:
                    there = (now + 2 + credit) % size
                    wire_credit[there, r, q], wire_tail[there, r, q] = w, tail
                    if tail:
                        arrived[packet] = now + 3
                else:
                    there = (now + 2 + link) % size
                    wire_vc[there, _neighbour(k, r, q), opposite[q]] = w
                    wire_packet[there, _neighbour(k, r, q), opposite[q]] = packet
        while checked < measured and arrived[checked] != -1:
            checked += 1
        if checked == measured:
            break
    return arrived


@numba.njit(cache=True)
def _candidate(
    r: int, p: int, q: int, now: int, vcs: int, turn_vc: Any, owner: Any, out_port: Any, out_vc: Any, given_at: Any,
    got: Any, gone: Any, credit_left: Any,
) -> int:  # fmt: skip
    """Return the channel of an input port, by turn, that has a flit and a credit for an output port; else -1."""
    for i in range(vcs):
        v = (turn_vc[r, p] + i) % vcs
        if (owner[r, p, v] != -1 and out_port[r, p, v] == q and out_vc[r, p, v] != -1 and given_at[r, p, v] < now
                and got[r, p, v] > gone[r, p, v] and credit_left[r, q, out_vc[r, p, v]] > 0):  # fmt: skip
            return v
    return -1
