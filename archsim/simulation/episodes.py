"""Episodes: what happened around a transfer, recorded so that it is known when it happens again."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from archsim.simulation.program import FOREVER
from archsim.simulation.recurrence import Counted, Period, Snapshot, State, between, snapshot

Due: TypeAlias = tuple[tuple[int, int, Hashable], ...]
"""Instances of maintained ops that come due: (op, after how many more examples, its stages)."""


@dataclass(frozen=True)
class Episode:
    """What happens between two equal states with maintenance in between.

    It follows where the same is `due`. Of shards there are the cycles in which their `updates` end, and the `reads`:
    (op, the cycle in which it begins, how many of these updates were done by then), cycles from the beginning.
    """

    period: Period
    due: Due
    updates: Mapping[int, Sequence[int]]
    reads: Mapping[int, Sequence[tuple[int, int, int]]]


# How far it looks for what repeats. Where it finds nothing, everything is simulated: time alone depends on these.
LONGEST_EPISODE = 64
MOST_EPISODES = 1000
MOST_MAINTAINED = 64


class Recorder:
    """Records what happens from a state on until it is the same again."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._begun: tuple[Hashable, Snapshot] | None = None

    def begin(self, key: Hashable) -> None:
        """Begin to record from here."""
        self._begun = (key, snapshot(self.state))
        self.state.upkeep.journal = []

    def forget(self) -> None:
        """Record no longer."""
        self._begun = self.state.upkeep.journal = None

    def recorded(self, key: Hashable) -> Episode | None:
        """Return what happened since the recording began, if the state is the same again after maintenance."""
        if self._begun is None:
            return None
        state = self.state
        begin, since = self._begun
        if begin != key:
            if state.ended - since.base > LONGEST_EPISODE:
                self.forget()
            return None
        journal = state.upkeep.journal or []
        self.forget()
        if all(state.started[op] == since.started[op] for op in state.program.maintained):
            return None
        period = between(state, since, snapshot(state))
        due = due_within(state, period.examples, since.started, since.done)
        if any([op for op, *_ in due].count(op) != more for op, more in period.advance):
            return None
        return Episode(period, due, *_by_shard(state, journal, since.cycle))


def _by_shard(
    state: State, journal: Sequence[tuple[bool, int, int]], begin: int
) -> tuple[dict[int, list[int]], dict[int, list[tuple[int, int, int]]]]:
    """Return what a journal tells from a cycle on, by shard: when updates end, and what reads."""
    updates: dict[int, list[int]] = {}
    reads: dict[int, list[tuple[int, int, int]]] = {}
    shards = {state.schedule.updates[shard]: shard for shard in state.upkeep.logs}
    for is_start, op, cycle in journal:
        m = state.program.maintenance[op]
        if is_start and m is not None:
            reads.setdefault(m.shard, []).append((op, cycle - begin, len(updates.get(m.shard, ()))))
        elif not is_start:
            updates.setdefault(shards[op], []).append(cycle - begin)
    return updates, reads


def due_within(state: State, examples: int, started: Counted, done: Counted) -> Due:
    """Return what comes due within so many examples, where of ops so many instances have begun and are done."""
    program, ops, found = state.program, state.schedule.ops, list[tuple[int, int, Hashable]]()
    for op in program.maintained:
        needs, variants, total, n = ops[op].needs, program.paths[op], program.totals[op], started[op]
        while n < total:
            after = max([need.count(n) - done[need.op] for need in needs])
            if after > examples:
                break
            found.append((op, after, variants[n % len(variants)]))
            n += 1
    return tuple(found)


def first_due(state: State, op: int) -> int:
    """Return after how many more updates the next instance of a maintained op is due."""
    n, done = state.started[op], state.done
    if n >= state.program.totals[op]:
        return FOREVER
    return max([need.count(n) - done[need.op] for need in state.schedule.ops[op].needs])
