"""Chains: what follows from a state that recurs, as far as it is known, its period and episodes one after another.

Where each begins follows from counts of examples alone, as maintenance is due after so many. So a chain is gone along
in numbers of examples and cycles, and what accumulates is added up at its end.
"""

from __future__ import annotations

import itertools
from collections import Counter
from typing import NamedTuple, TypeAlias

import numpy as np

from archsim.simulation.dwell import UpdateLog
from archsim.simulation.episodes import MOST_EPISODES, Due, Episode
from archsim.simulation.program import FOREVER
from archsim.simulation.recurrence import Moment, Period, Snapshot, State, examples_left, here, move, repeat

Times: TypeAlias = dict[int, tuple[int, ...]]
"""By shard when its updates end, in cycles from the beginning of a period."""


class Link(NamedTuple):
    """A part of a chain: from a moment on so many periods, and then an episode, if any."""

    at: Moment
    repeats: int
    episode: Episode | None


class Chain:
    """A state that recurs, the period after which it does, and the episodes after which it does, too."""

    def __init__(self, state: State, period: Period, since: Snapshot) -> None:
        self.state, self.period = state, period
        self._times = _update_times(state, since)
        self._known = 0
        self._episodes: dict[int, dict[Due, tuple[int, Episode]]] = {}  # by how many examples they have

    def learn(self, episode: Episode) -> None:
        """Know an episode from now on; of those that follow from the same, the first is kept."""
        if self._known < MOST_EPISODES:
            self._known += 1
            own = self._episodes.setdefault(episode.period.examples, {})
            own.setdefault(episode.due, (self._known, episode))

    def jump(self, room: int) -> int:
        """Jump over all periods within so many examples; return how many examples these have."""
        repeats = max(0, room) // self.period.examples
        return self._take([Link(here(self.state), repeats, None)]) if repeats else 0

    def follow(self, watched: int, until: int) -> int:
        """Jump over periods and known episodes, until `until` instances of the `watched` op have begun, or less far.

        Return how many examples that were.
        """
        state, period = self.state, self.period
        walk, links = Walk(state), list[Link]()
        while True:
            at, repeats = walk.moment(), max(0, walk.room()) // period.examples
            walk.go_on(period, repeats)
            episode = self._next(walk) if self._episodes else None
            if repeats or episode is not None:
                links.append(Link(at, repeats, episode))
            if episode is None:
                break
            walk.go_on(episode.period, 1)
            if walk.started[watched] >= until:
                break
        return self._take(links) if links else 0

    def _next(self, walk: Walk) -> Episode | None:
        """Return the first known episode that follows and ends before the examples do."""
        found: tuple[int, Episode] | None = None
        for examples, own in self._episodes.items():
            each = own.get(walk.due_within(examples)) if examples <= walk.left else None
            if each is not None and (found is None or each[0] < found[0]):
                found = each
        return None if found is None else found[1]

    def _take(self, links: list[Link]) -> int:
        """Move the state on along a chain; return how many examples that has."""
        state, period = self.state, self.period
        if state.timeline is not None:
            self._tell(links)
        for shard, log in state.upkeep.logs.items():
            self._update(shard, log, links)
        examples = move(state, period, sum(link.repeats for link in links))
        own = {id(link.episode): link.episode for link in links if link.episode is not None}
        for each, count in Counter(id(link.episode) for link in links if link.episode is not None).items():
            examples += move(state, own[each].period, count, maintained=True)
        return examples

    def _tell(self, links: list[Link]) -> None:
        """Keep a chain in the timeline."""
        period = self.period
        for at, repeats, episode in links:
            if repeats:
                repeat(self.state, period, repeats, at)
            if episode is not None:
                cycle, examples = at.cycle + repeats * period.cycles, at.examples + repeats * period.examples
                repeat(self.state, episode.period, 1, Moment(cycle, examples, at.started))

    def _update(self, shard: int, log: UpdateLog, links: list[Link]) -> None:
        """Log the updates of a shard along a chain, and close what its maintenance reads."""
        times, cycles, begun = self._times.get(shard, ()), self.period.cycles, dict[int, int]()
        reads = list[tuple[int, int, int, int]]()
        for at, repeats, episode in links:
            begin = at.cycle + repeats * cycles
            if repeats:
                _log_repeats(log, at.cycle, times, cycles, repeats)
            if episode is None:
                continue
            count = log.count
            for cycle in episode.updates.get(shard, ()):
                log.add(begin + cycle)
            for op, cycle, before in episode.reads.get(shard, ()):
                n = begun.get(op, int(self.state.started[op]))
                reads.append((op, n, begin + cycle, count + before))
                begun[op] = n + 1
        if reads:
            self.state.upkeep.read_each(shard, reads)


class Walk:
    """A place along a chain: its cycle, the examples that are done, and which maintenance has begun."""

    def __init__(self, state: State) -> None:
        self._state, self._needs = state, state.schedule.ops
        self._cycle, self._examples, self._begin = state.now, state.ended, state.ended
        self.left = examples_left(state)
        """Examples before the end comes into play."""
        self.started = {op: int(state.started[op]) for op in state.program.maintained}
        self._due = {op: self._due_at(op, n) for op, n in self.started.items()}

    def _due_at(self, op: int, n: int) -> int:
        """Return after how many examples from the beginning of the chain on an instance of a maintained op is due."""
        if n >= self._state.program.totals[op]:
            return FOREVER
        done = self._state.done
        return max([need.count(n) - int(done[need.op]) for need in self._needs[op].needs])

    def moment(self) -> Moment:
        """Return the moment of this place."""
        return Moment(self._cycle, self._examples, self.started.copy())

    def room(self) -> int:
        """Return how many examples may be jumped before the end or a trigger comes into play."""
        return min(self.left, min(self._due.values()) - (self._examples - self._begin) - 1)

    def due_within(self, examples: int) -> Due:
        """Return what comes due within so many examples."""
        gone, found = self._examples - self._begin, []
        for op, due in self._due.items():
            n = self.started[op]
            while due - gone <= examples:
                variants = self._state.program.stages[op]
                found.append((op, due - gone, variants[n % len(variants)]))
                n += 1
                due = self._due_at(op, n)
        return tuple(found)

    def go_on(self, period: Period, times: int) -> None:
        """Go on by so many periods."""
        self._cycle += times * period.cycles
        self._examples += times * period.examples
        self.left -= times * period.examples
        for op, more in period.advance:
            if more and times:
                self.started[op] += more * times
                self._due[op] = self._due_at(op, self.started[op])


def _update_times(state: State, since: Snapshot) -> Times:
    """Return when updates ended since a moment."""
    return {
        shard: tuple((log.times(np.arange(since.log_counts[shard], log.count)) - since.cycle).tolist())
        for shard, log in state.upkeep.logs.items()
    }


def _log_repeats(log: UpdateLog, now: int, times: tuple[int, ...], cycles: int, repeats: int) -> None:
    """Add to a log the updates of so many periods from now on."""
    if not times:
        return
    if len(times) == 1:
        log.add(now + times[0], cycles, repeats)
        return
    gaps = {b - a for a, b in itertools.pairwise(times)} | {times[0] + cycles - times[-1]}
    if len(gaps) == 1:
        log.add(now + times[0], gaps.pop(), len(times) * repeats)
        return
    for i in range(repeats):
        for time in times:
            log.add(now + i * cycles + time)
