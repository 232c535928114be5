"""Whether events came in an order that the schedule allows: a reading of it of its own, beside that of the engines.

An engine compiles the schedule to a program and executes that. Here its events are held against the schedule itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from archsim.base.arrays import I64
from archsim.mapping.schedule import Need, Schedule
from archsim.simulation.events import ENDED, Events

NEVER = 1 << 62


class Causes:
    """Holds events, block by block, against what the schedule asks of them.

    `early` counts, for each need of each instance, that the instance began before the need was met. `strange` counts
    events out of turn: an instance follows the one before it, its stages each other, and each takes its cycles.
    Ops of no stages take no time: what needs them needs what they need.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule
        ops = schedule.ops
        self._totals = [op.instances or NEVER if op.maintenance else schedule.examples for op in ops]
        self._timed = [any(op.variants) for op in ops]
        self._begun, self._done = (np.zeros(len(ops), dtype=np.int64) for _ in range(2))
        self._before = Events(*(np.empty(0, dtype=np.int64) for _ in Events._fields))  # last events of those under way
        self.early = self._strange = 0
        self._variants = np.array([len(op.variants) for op in ops], dtype=np.int64)
        self._variant = np.cumsum(self._variants) - self._variants
        paths = [path for op in ops for path in op.variants]
        self._stages = np.array([len(path) for path in paths], dtype=np.int64)
        self._path = np.cumsum(self._stages) - self._stages
        self._cycles = np.array([stage.latency_cycles for path in paths for stage in path], dtype=np.int64)

    def __call__(self, events: Events) -> None:
        """Look at a block."""
        op, n, stage, _, _ = events
        begins, ends = _by_op(op, stage == 0), _by_op(op, stage == ENDED)
        none = np.empty(0, dtype=np.int64)
        for index, at in begins.items():
            instances = n[at]
            self._strange += self._out_of_turn(instances, int(self._begun[index]))
            for need in self._schedule.ops[index].needs:
                for dep, wanted in self._wanted(need, instances, frozenset()):
                    done = self._done[dep] + np.searchsorted(ends.get(dep, none), at)
                    self.early += int(np.count_nonzero(done < wanted))
        for index, at in begins.items():
            self._begun[index] += len(at)
        for index, at in ends.items():
            self._strange += self._out_of_turn(n[at], int(self._done[index]))
            self._done[index] += len(at)
        self._follow(events)

    @property
    def strange(self) -> int:
        """Events so far that are not those that follow, and what is missing at the end of the run."""
        missing = sum(
            abs(total - int(done))
            for total, done, timed in zip(self._totals, self._done, self._timed, strict=True)
            if timed and total != NEVER
        )
        return self._strange + missing

    @staticmethod
    def _out_of_turn(instances: I64, first: int) -> int:
        return int(np.count_nonzero(instances != first + np.arange(len(instances))))

    def _wanted(self, need: Need, n: I64, seen: frozenset[int]) -> Iterator[tuple[int, I64]]:
        """Yield the ops that take time and how often they must be done for a need of instances n; of none it is 0."""
        count = (n * need.num + need.off) // need.den * need.scale + need.add
        wanted = np.where(n < 0, 0, np.clip(count, 0, self._totals[need.op]))
        if self._timed[need.op]:
            yield need.op, wanted
            return
        for other in self._schedule.ops[need.op].needs:
            if other.op not in seen:
                yield from self._wanted(other, wanted - 1, seen | {need.op})

    def _follow(self, events: Events) -> None:
        """See whether each event follows the one before it of its instance."""
        both = Events(*map(np.concatenate, zip(self._before, events, strict=True)))
        order = np.argsort(_small(both.n), kind="stable")
        order = order[np.argsort(_small(both.op[order]), kind="stable")]
        op, n, stage, asked, cycle = (column[order] for column in both)
        goes_on = np.zeros(len(op), dtype=bool)
        goes_on[1:] = (op[1:] == op[:-1]) & (n[1:] == n[:-1])
        is_old = order < len(self._before.op)
        variant = self._variant[op] + n % self._variants[op]
        due = cycle + np.where(stage == ENDED, 0, self._cycles[self._path[variant] + np.maximum(stage, 0)])
        following = np.where(stage + 1 < self._stages[variant], stage + 1, ENDED)
        fits = stage == 0
        fits[1:] = np.where(
            goes_on[1:],
            (stage[:-1] != ENDED) & (stage[1:] == following[:-1]) & (asked[1:] == due[:-1]),
            fits[1:],
        )
        fits &= np.where(stage == ENDED, cycle == asked, cycle >= asked)
        self._strange += int(np.count_nonzero(~(fits | is_old)))
        is_last = np.append(~goes_on[1:], True) if len(op) else goes_on
        left = is_last & (stage != ENDED)
        self._before = Events(*(column[left] for column in (op, n, stage, asked, cycle)))


def _by_op(op: I64, chosen: np.typing.NDArray[np.bool_]) -> dict[int, I64]:
    """Return by op where the chosen events are."""
    at = np.flatnonzero(chosen)
    at = at[np.argsort(_small(op[at]), kind="stable")]
    edges = [0, *(np.flatnonzero(np.diff(op[at])) + 1).tolist(), len(at)] if len(at) else [0]
    return {int(op[at[begin]]): at[begin:end] for begin, end in itertools.pairwise(edges)}


def _small(values: I64) -> np.typing.NDArray[np.integer]:
    """Return values that sort alike, of a type that numpy sorts by its digits if they are near each other."""
    if not len(values):
        return values
    least = values.min()
    return (values - least).astype(np.uint16) if values.max() - least < 1 << 16 else values
