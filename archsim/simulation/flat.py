"""A program and the state of its execution as arrays of integers, for the compiled loop.

Lists of lists are flattened: entries of `i` lie from `first[i]` to `first[i + 1]`. Numbers that are not there are -1.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.base.uncollected import uncollected
from archsim.mapping.schedule import STATES, Schedule
from archsim.simulation.program import Program, bounds
from archsim.simulation.timeline import KINDS

Int: TypeAlias = NDArray[np.int64]
NONE = -1
"""The number of what is not there: a shard, a layer, an op."""
RANKS = ("age", "fixed", "round_robin")
"""The arbitrations that the loop knows, by their numbers in it."""
BITS = len(STATES)
_PLACES = {state: place for place, state in enumerate(STATES)}


class Fixed(NamedTuple):
    """What does not change. By op, unless its name begins with that of something else."""

    # needs of one instance for one, and those that are not: see `Need`
    totals: Int
    plain_first: Int
    plain_op: Int
    plain_add: Int
    need_first: Int
    need_op: Int
    need_num: Int
    need_off: Int
    need_den: Int
    need_scale: Int
    need_add: Int
    # maintenance: its shard, its period in cycles (0: it goes by its needs), that shard's update, and after how many
    # cycles from its end that shard is to be rewritten (0: never)
    maintains: Int
    shard: Int
    period: Int
    update: Int
    renewed: Int
    # what is told of an op: whether its ends are those of updates that dwell, and which of its stages' starts
    logged: Int
    tracked: Int
    # 1 for all while every event is told, else 0; this alone does change
    heard: Int
    # variants of an op's instances, their stages one after another
    variant_first: Int
    path_first: Int
    path: Int
    # by stage
    latency: Int
    take_first: Int
    take: Int
    end_first: Int
    end: Int
    later_first: Int
    later_at: Int
    later_unit_first: Int
    later_unit: Int
    later_same: Int
    show_first: Int
    show_tile: Int
    show_bit: Int
    wait_tile: Int
    wait_bit: Int
    port: Int
    ports: Int
    in_order: Int
    # units whose use is contended, and the ops that have one instance an example
    contended: Int
    example_ops: Int
    # numbers: [ops, tiles, the op that ends an example, examples, arbitration, batch]
    numbers: Int


OPS, TILES, LAST, EXAMPLES, RANK, BATCH = range(6)


class State(NamedTuple):
    """What changes. Instances and places in queues lie in pools, whose free places are stacks."""

    # by op; an op watches one other at most, so that `watch_next` makes lists of those that watch the same
    started: Int
    done: Int
    met_n: Int
    met_at: Int
    blocked: Int
    watch_head: Int
    watch_tail: Int
    watch_next: Int
    # by unit: free places, the input that was served last, and who waits, by place in the pool of queues
    free: Int
    served: Int
    queue_head: Int
    queue_tail: Int
    # by shard when it is to be rewritten next
    due: Int
    # by compiled stage
    grants: Int
    waits: Int
    # by tile: a mask of its states, since when; [tile, state] how often entered; [tile, 0 or 1 + state] cycles
    mask: Int
    since: Int
    counts: Int
    spent: Int
    # by instance in flight
    op: Int
    n: Int
    key: Int
    first: Int
    step: Int
    until: Int
    asked: Int
    lacks: Int
    unused: Int
    # places in queues
    queued: Int
    queue_next: Int
    unplaced: Int
    # the agenda, a heap of (cycle, order, instance, or -1 - place in `later_unit_first`)
    agenda: Int
    # lists of the cycle at hand, and room to sort them
    pending: Int
    requests: Int
    released: Int
    freed: Int
    ended: Int
    stack: Int
    room: Int
    # what is told: (kind, op, instance, cycle), (op, instance, cycle) of the timeline, and events as in `events.Events`
    journal: Int
    line: Int
    events: Int
    # room for what decides what happens next, and the numbers below
    signature: Int
    at: Int


(CLOCK, HEAP, ORDER, UNUSED, UNPLACED, BLOCKED, DIRTY, PENDING, RELEASED, JOURNAL, LINE, EVENTS,
 STATUS, OFFSET, SIZE) = range(15)  # fmt: skip
BEGINS, ENDS, UPDATED = range(3)
"""What the journal tells of: maintenance begins, ends, an update ends."""
EVENT = 5
"""Numbers of an event."""
ROW = 5
"""Numbers of an entry of the agenda, or of a queue, in a signature."""
GOES_ON, AT_END, FULL = range(3)
"""Status: something is left to happen, nothing is, or a pool was too small."""


class Sizes(NamedTuple):
    """How much room there is: instances in flight, places in queues, entries of the agenda, what is told at once."""

    instances: int
    places: int
    agenda: int
    told: int
    events: int


def _firsts(lists: Sequence[Sequence[object]]) -> Int:
    """Return where each list begins, and where the last ends."""
    return bounds(np.fromiter(map(len, lists), np.int64, len(lists)))


def _flat(lists: Sequence[Sequence[int]]) -> tuple[Int, Int]:
    """Return where each list begins, and all entries."""
    first = _firsts(lists)
    return first, np.fromiter(itertools.chain.from_iterable(lists), np.int64, int(first[-1]))


def _all(values: Sequence[int]) -> Int:
    return np.fromiter(values, np.int64, len(values))


def _kept(first: Int, kept: NDArray[np.bool_], *entries: Int) -> tuple[Int, ...]:
    """Return where each list begins of which entries are `kept` alone, and these."""
    before = bounds(kept.astype(np.int64))
    return before[first], *(own[kept] for own in entries)


@uncollected()
def fixed_of(
    schedule: Schedule, program: Program, contended: Collection[int], logged: Collection[int],
    periods: Mapping[int, int], timeline: bool,
) -> Fixed:  # fmt: skip
    """Return a schedule's program as arrays; ends of the ops in `logged` are told, and `periods` are by shard."""
    ops, plain = schedule.ops, program.plain
    needs = list(itertools.chain.from_iterable(program.general))
    path_first, path = _flat(list(itertools.chain.from_iterable(program.paths)))
    told = np.zeros(len(ops), dtype=np.int64)
    told[list(logged)] = 1
    kept = dict(zip(_KEPT, _maintenance_of(schedule, program, periods), strict=True))
    return Fixed(
        totals=_all(program.totals), plain_first=plain.first, plain_op=plain.op, plain_add=plain.add,
        need_first=_firsts(program.general), need_op=_all([need.op for need in needs]),
        need_num=_all([need.num for need in needs]),
        need_off=_all([need.off for need in needs]), need_den=_all([need.den for need in needs]),
        need_scale=_all([need.scale for need in needs]), need_add=_all([need.add for need in needs]),
        logged=told, tracked=_tracked(schedule, timeline), heard=np.zeros(len(ops), dtype=np.int64),
        variant_first=_firsts(program.paths), path_first=path_first, path=path,
        contended=_all(list(contended)), example_ops=_all(program.example_ops),
        numbers=_all([len(ops), len(schedule.used_tiles), schedule.end, schedule.examples,
                      RANKS.index(schedule.chip.spec.routing.router.arbitration), schedule.batch]),
        **kept, **_stages_of(program),
    )  # fmt: skip


_KEPT = ("maintains", "shard", "period", "update", "renewed")


def _maintenance_of(schedule: Schedule, program: Program, periods: Mapping[int, int]) -> Int:
    """Return by op what of `_KEPT` is told of its maintenance, as rows."""
    found = np.zeros((len(_KEPT), len(schedule.ops)), dtype=np.int64)
    found[[1, 3]] = NONE
    for op in program.maintained:
        m = program.maintenance[op]
        assert m is not None
        found[:, op] = 1, m.shard, m.period_cycles, schedule.updates[m.shard], periods.get(m.shard, 0)
    return found


def _stages_of(program: Program) -> dict[str, Int]:
    """Return the arrays by stage; units whose use is never contended are left out."""
    stages, place = program.stage_specs, program.place
    latency = _all([stage.latency_cycles for stage in stages])
    take_first, take = _flat([stage.acquire for stage in stages])
    releases = [stage.release for stage in stages]
    first = _firsts(releases)
    pairs = np.fromiter(itertools.chain.from_iterable(itertools.chain.from_iterable(releases)), np.int64).reshape(-1, 2)
    at, unit, owner = pairs[:, 0], pairs[:, 1], np.repeat(np.arange(len(stages)), np.diff(first))
    places = np.zeros(max([*program.capacity, -1, *unit.tolist()]) + 1, dtype=np.int64)
    places[list(program.capacity)] = list(program.capacity.values())
    take_first, take = _kept(take_first, places[take] > 0, take)
    is_freed, is_last = places[unit] > 0, at == latency[owner]
    end_first, end = _kept(first, is_freed & is_last, unit)
    later = np.flatnonzero(is_freed & ~is_last)
    later = later[np.lexsort((at[later], owner[later]))]  # by stage and cycle, else in order
    own_at, own_stage = at[later], owner[later]
    begins = np.ones(len(later), dtype=np.bool_)
    begins[1:] = (np.diff(own_at) != 0) | (np.diff(own_stage) != 0)
    later_unit_first = np.append(np.flatnonzero(begins), len(later))
    later_unit = unit[later]
    units, same = later_unit.tolist(), dict[tuple[int, ...], int]()
    together = [tuple(units[begin:stop]) for begin, stop in itertools.pairwise(later_unit_first.tolist())]
    shows = [stage.shows for stage in stages]
    show_first = _firsts(shows)
    tiles = _all([place.get(tile, NONE) for own in shows for tile, _ in own])
    show_first, show_tile, show_bit = _kept(
        show_first, tiles >= 0, tiles, _all([_PLACES[state] for own in shows for _, state in own])
    )
    waits = [(NONE, NONE) if w is None or w[0] not in place else (place[w[0]], _PLACES[w[1]])
             for w in [stage.waits for stage in stages]]  # fmt: skip
    takes = np.diff(take_first) > 0
    ports = [(NONE, 1) if stage.port is None else stage.port for stage in stages]
    return {
        "latency": latency, "take_first": take_first, "take": take, "end_first": end_first, "end": end,
        "later_first": bounds(np.bincount(own_stage[begins], minlength=len(stages))), "later_at": own_at[begins],
        "later_unit_first": later_unit_first, "later_unit": later_unit,
        "later_same": _all([same.setdefault(own, len(same)) for own in together]),
        "show_first": show_first, "show_tile": show_tile, "show_bit": show_bit,
        "wait_tile": _all([tile for tile, _ in waits]), "wait_bit": _all([bit for _, bit in waits]),
        "port": np.where(takes, _all([port for port, _ in ports]), NONE),
        "ports": np.where(takes, _all([count for _, count in ports]), 1),
        "in_order": _all([stage.in_order for stage in stages]),
    }  # fmt: skip


def _tracked(schedule: Schedule, timeline: bool) -> Int:
    """Return by op 0 if its starts are not told, 1 if that of its first stage is, 2 if those of all are."""
    found = np.zeros(len(schedule.ops), dtype=np.int64)
    if timeline:
        for op in schedule.ops:
            found[op.index] = op.kind in KINDS
        for update in schedule.updates:
            found[update] *= 2
    return found


def state_of(fixed: Fixed, capacity: Mapping[int, int], due: Mapping[int, int], sizes: Sizes) -> State:
    """Return the state in which nothing has begun, on units of these capacities; `due` is by shard."""
    ops, tiles = int(fixed.numbers[OPS]), int(fixed.numbers[TILES])
    units, stages = max(capacity, default=-1) + 1, len(fixed.latency)
    free = np.zeros(units, dtype=np.int64)
    for unit, places in capacity.items():
        free[unit] = places
    shards = max([*due, *map(int, fixed.shard), -1]) + 1
    when = np.zeros(shards, dtype=np.int64)
    for shard, cycle in due.items():
        when[shard] = cycle
    at = np.zeros(SIZE, dtype=np.int64)
    at[UNUSED], at[UNPLACED] = sizes.instances, sizes.places
    most = sizes.instances + sizes.agenda + sizes.places

    def zeros(count: int) -> Int:
        return np.zeros(count, dtype=np.int64)

    def nothing(count: int) -> Int:
        return np.full(count, NONE, dtype=np.int64)

    return State(
        started=zeros(ops), done=zeros(ops), met_n=nothing(ops), met_at=zeros(ops), blocked=zeros(ops),
        watch_head=nothing(ops), watch_tail=nothing(ops), watch_next=nothing(ops),
        free=free, served=nothing(units), queue_head=nothing(units), queue_tail=nothing(units), due=when,
        grants=zeros(stages), waits=zeros(stages),
        mask=zeros(tiles), since=zeros(tiles), counts=zeros(tiles * BITS), spent=zeros(tiles * (BITS + 1)),
        op=zeros(sizes.instances), n=zeros(sizes.instances), key=zeros(sizes.instances), first=zeros(sizes.instances),
        step=zeros(sizes.instances),
        until=zeros(sizes.instances), asked=zeros(sizes.instances), lacks=nothing(sizes.instances),
        unused=np.arange(sizes.instances, dtype=np.int64)[::-1].copy(),
        queued=zeros(sizes.places), queue_next=nothing(sizes.places),
        unplaced=np.arange(sizes.places, dtype=np.int64)[::-1].copy(),
        agenda=zeros(3 * sizes.agenda), pending=zeros(sizes.instances), requests=zeros(sizes.instances),
        released=zeros(most), freed=zeros(most), ended=zeros(sizes.instances), stack=zeros(4 * ops + 8),
        room=zeros(2 * sizes.instances), journal=zeros(4 * sizes.told), line=zeros(3 * sizes.told),
        events=zeros(EVENT * sizes.events),
        signature=zeros(ROW * (sizes.agenda + sizes.places) + 3 * ops + 2 * units + 4), at=at,
    )  # fmt: skip
