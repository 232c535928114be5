"""Episodes: what happened around a transfer, replayed when it happens again."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from archsim.simulation.program import FOREVER
from archsim.simulation.recurrence import (
    Counted,
    Period,
    Snapshot,
    State,
    between,
    examples_left,
    minus,
    move,
    repeat,
    snapshot,
)


@dataclass
class Episode:
    """What happens between two equal states with maintenance in between.

    `triggers` are, by maintained op, after how many more updates its instances were due; `stages` their compiled
    stages. `journal` holds the updates and the starts of maintenance in their order, cycles from the beginning.
    """

    period: Period
    triggers: list[tuple[int, ...]]
    stages: list[tuple[int, ...]]
    journal: list[tuple[bool, int, int]]

    def begins(self, first: list[int]) -> bool:
        """Return whether maintained ops are due as here, the first instance of each after so many updates."""
        for at, due in zip(first, self.triggers, strict=True):
            if at != due[0] if due else at <= self.period.examples:
                return False
        return True


# How far it looks for what repeats. Where it finds nothing, everything is simulated: time alone depends on these.
LONGEST_EPISODE = 64
MOST_EPISODES = 1000
MOST_MAINTAINED = 64


class Episodes:
    """The episodes that are known, by the key of the state in which they begin, and one that is being recorded."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.known: dict[Hashable, list[Episode]] = {}
        self.recording: tuple[Hashable, Snapshot] | None = None

    def begin(self, key: Hashable) -> None:
        """Begin to record from here."""
        self.recording = (key, snapshot(self.state))
        self.state.upkeep.journal = []

    def forget(self) -> None:
        """Record no longer."""
        self.recording = self.state.upkeep.journal = None

    def record(self, key: Hashable) -> None:
        """Keep what happened since the recording began, if the state is the same again after maintenance."""
        if self.recording is None:
            return
        state, maintained = self.state, self.state.program.maintained
        begin, since = self.recording
        if begin != key:
            if state.ended - since.base > LONGEST_EPISODE:
                self.forget()
            return
        journal = state.upkeep.journal or []
        self.forget()
        known = self.known.setdefault(key, [])
        if all(state.started[op] == since.started[op] for op in maintained) or len(known) >= MOST_EPISODES:
            return
        now = snapshot(state)
        period, delta = between(state, since, now), minus(now.done, since.done)
        triggers = [self._due(op, since.started[op], since.done, delta) for op in maintained]
        if [len(due) for due in triggers] != [more for _, more in period.advance]:
            return
        stages = [self._stages(op, since.started[op], more) for op, more in period.advance]
        moments = [(is_start, which, cycle - since.cycle) for is_start, which, cycle in journal]
        known.append(Episode(period, triggers, stages, moments))

    def replay(self, key: Hashable) -> int:
        """Jump over an episode that is known to follow from here; return how many examples it has, 0 without one."""
        episode = self._found(key)
        if episode is None:
            return 0
        state, here = self.state, self.state.now
        repeat(state, episode.period, 1)
        instance = {op: state.started[op] for op in state.program.maintained}
        for is_start, which, cycle in episode.journal:
            if is_start:
                state.upkeep.read_capacitors(which, instance[which], here + cycle)
                instance[which] += 1
            else:
                state.upkeep.log_of_update[which].add(here + cycle)
        return move(state, episode.period, 1, maintained=True)

    def _found(self, key: Hashable) -> Episode | None:
        """Return the first known episode that follows from here and ends before the examples do."""
        known = self.known.get(key)
        if not known:
            return None
        started, done, room = self.state.started, self.state.done, examples_left(self.state)
        first = [first_due(self.state, op) for op in self.state.program.maintained]
        for episode in known:
            examples = episode.period.examples
            if examples <= room and episode.begins(first):
                delta = [examples] * len(done)
                own = zip(episode.period.advance, episode.triggers, episode.stages, strict=True)
                if all(
                    (not due or self._due(op, started[op], done, delta) == due)
                    and self._stages(op, started[op], more) == stages
                    for (op, more), due, stages in own
                ):
                    return episode
        return None

    def _due(self, op: int, first: int, done: Counted, delta: list[int]) -> tuple[int, ...]:
        """Return after how many updates each instance of a maintained op is due, as far as `delta` reaches."""
        due: list[int] = []
        needs = self.state.schedule.ops[op].needs
        while first + len(due) < self.state.program.totals[op]:
            n = first + len(due)
            if any(need.count(n) - done[need.op] > delta[need.op] for need in needs):
                break
            due.append(max(need.count(n) - done[need.op] for need in needs))
        return tuple(due)

    def _stages(self, op: int, first: int, count: int) -> tuple[int, ...]:
        variants = self.state.program.stages[op]
        return tuple(stage.index for n in range(first, first + count) for stage in variants[n % len(variants)])


def first_due(state: State, op: int) -> int:
    """Return after how many more updates the next instance of a maintained op is due."""
    n, done = state.started[op], state.done
    if n >= state.program.totals[op]:
        return FOREVER
    return max([need.count(n) - done[need.op] for need in state.schedule.ops[op].needs])
