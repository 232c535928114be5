"""Chains: what follows from a state that recurs, as far as it is known, its period and episodes one after another.

Where each begins follows from counts of examples alone, as maintenance is due after so many. So a chain is gone along
in numbers of examples and cycles, and what accumulates is added up at its end.
"""

from __future__ import annotations

import itertools
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
        due = walk.due_within(max(self._episodes))
        for examples, own in self._episodes.items():
            each = own.get(tuple([one for one in due if one[1] <= examples])) if examples <= walk.left else None
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
        parts = {id(period): (period, sum(link.repeats for link in links))}
        for link in links:
            if link.episode is not None:
                own = link.episode.period
                parts[id(own)] = own, parts.get(id(own), (own, 0))[1] + 1
        return move(state, parts.values())

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
        reads, runs, count = list[tuple[int, int, int, int]](), list[tuple[int, int, int]](), log.count
        for at, repeats, episode in links:
            begin = at.cycle + repeats * cycles
            if repeats and times:
                runs += _repeated(at.cycle, times, cycles, repeats)
                count += len(times) * repeats
            if episode is None:
                continue
            for op, cycle, before in episode.reads.get(shard, ()):
                n = begun.get(op, int(self.state.started[op]))
                reads.append((op, n, begin + cycle, count + before))
                begun[op] = n + 1
            own = episode.updates.get(shard, ())
            runs += [(begin + cycle, 0, 1) for cycle in own]
            count += len(own)
        log.add_all(runs)
        if reads:
            self.state.upkeep.read_each(shard, reads)


class Walk:
    """A place along a chain: its cycle, the examples that are done, and which maintenance has begun."""

    def __init__(self, state: State) -> None:
        self._cycle, self._examples, self._begin = state.now, state.ended, state.ended
        self.left = examples_left(state)
        """Examples before the end comes into play."""
        self.started = {op: int(state.started[op]) for op in state.program.maintained}
        self._dues = [Dues(state, op, n) for op, n in self.started.items()]

    def moment(self) -> Moment:
        """Return the moment of this place."""
        return Moment(self._cycle, self._examples, self.started.copy())

    def room(self) -> int:
        """Return how many examples may be jumped before the end or a trigger comes into play."""
        due = min([own.at(self.started[own.op]) for own in self._dues])
        return min(self.left, due - (self._examples - self._begin) - 1)

    def due_within(self, examples: int) -> Due:
        """Return what comes due within so many examples."""
        gone, found = self._examples - self._begin, []
        for own in self._dues:
            n = self.started[own.op]
            while (after := own.at(n) - gone) <= examples:
                found.append((own.op, after, own.variants[n % len(own.variants)]))
                n += 1
        return tuple(found)

    def go_on(self, period: Period, times: int) -> None:
        """Go on by so many periods."""
        self._cycle += times * period.cycles
        self._examples += times * period.examples
        self.left -= times * period.examples
        for op, more in period.advance:
            self.started[op] += more * times


class Dues:
    """After how many examples, from the beginning of a chain on, instances of a maintained op are due."""

    def __init__(self, state: State, op: int, first: int) -> None:
        self.op, self.variants = op, state.program.paths[op]
        self._first, self._total, self._found = first, state.program.totals[op], list[int]()
        self._needs = [(need, int(state.done[need.op])) for need in state.schedule.ops[op].needs]

    def at(self, n: int) -> int:
        """Return when instance `n` is due; FOREVER where there is none."""
        place = n - self._first
        while place >= len(self._found):
            self._look_on()
        return self._found[place]

    def _look_on(self) -> None:
        """Find when the next ones are due, as many more as are known."""
        begin = self._first + len(self._found)
        end = min(begin + 4 + len(self._found), self._total)
        due = [[need.count(n) - done for n in range(begin, end)] for need, done in self._needs]
        self._found += due[0] if len(due) == 1 else map(max, zip(*due, strict=True))
        self._found += [FOREVER] if begin >= end else []


def _update_times(state: State, since: Snapshot) -> Times:
    """Return when updates ended since a moment."""
    return {
        shard: tuple((log.times(np.arange(since.log_counts[shard], log.count)) - since.cycle).tolist())
        for shard, log in state.upkeep.logs.items()
    }


def _repeated(now: int, times: tuple[int, ...], cycles: int, repeats: int) -> list[tuple[int, int, int]]:
    """Return the runs (start, step, updates) of the updates of so many periods from now on."""
    if len(times) == 1:
        return [(now + times[0], cycles, repeats)]
    gaps = {b - a for a, b in itertools.pairwise(times)} | {times[0] + cycles - times[-1]}
    if len(gaps) == 1:
        return [(now + times[0], gaps.pop(), len(times) * repeats)]
    return [(now + i * cycles + time, 0, 1) for i in range(repeats) for time in times]
