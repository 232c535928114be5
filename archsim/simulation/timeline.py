"""The timeline: what came before what, as it was simulated; compressed as patterns and how often they repeat.

A record is the start of one instance of an op that reads or writes a crossbar; of an update, each of its stages is one,
in which a vector of the example is learnt. Stretches that fast-forward
jumps are kept as repeats of earlier stretches, so that a run of a million examples takes little memory and can
still be played back in full, in the order of time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from archsim.mapping.schedule import Schedule

Int: TypeAlias = npt.NDArray[np.int64]
KINDS = ("forward", "backward", "update", "transfer", "refresh")
"""The ops that a timeline records, by what they do to a crossbar."""


@dataclass(frozen=True, slots=True)
class Shift:
    """By how much a repeated stretch is later: cycles, instances of all ops, and more of some ops by index."""

    cycles: int
    instances: int
    of_ops: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Plain:
    """A stretch as it was simulated, in the order of time."""

    op: Int
    n: Int
    start: Int


@dataclass(frozen=True, slots=True)
class Repeat:
    """An earlier stretch, `count` times: the i-th time it is shifted by `first` and i x `each`."""

    body: tuple[Plain | Repeat, ...]
    count: int
    first: Shift
    each: Shift


class Timeline:
    """Records op starts while a simulation runs; afterwards it is read with `chunks`."""

    def __init__(self, schedule: Schedule) -> None:
        self.tracked = frozenset(op.index for op in schedule.ops if op.kind in KINDS)
        self.updates = frozenset(schedule.updates)
        self.ops = len(schedule.ops)
        self.nodes: list[Plain | Repeat] = []
        self._open: list[tuple[int, int, int]] = []

    def add(self, op: int, n: int, start: int) -> None:
        """Record that instance `n` of an op began in a cycle."""
        self._open.append((start, op, n))

    def extend(self, records: Int) -> None:
        """Record so many starts [records, (op, instance, cycle)]; only when the clock is about to move."""
        self.mark()
        if len(records):
            op, n, start = records.T
            order = np.lexsort((n, op, start))
            self.nodes.append(Plain(op[order], n[order], start[order]))

    def clear(self) -> None:
        """Forget what was recorded."""
        self.nodes, self._open = [], []

    def mark(self) -> int:
        """Return a position between two records; only to be called when the clock is about to move."""
        if self._open:
            self._open.sort()
            start, op, n = np.array(self._open, dtype=np.int64).T
            self.nodes.append(Plain(op.copy(), n.copy(), start.copy()))
            self._open = []
        return len(self.nodes)

    def repeat(self, begin: int, end: int, count: int, first: Shift, each: Shift) -> None:
        """Record that what lies between two marks happened again, so many times."""
        self.mark()
        if end > begin and count:
            self.nodes.append(Repeat(tuple(self.nodes[begin:end]), count, first, each))

    def chunks(self, most: int = 1 << 18) -> Iterator[tuple[Int, Int, Int]]:
        """Yield (op, instance, start cycle) of all records in the order of time, some `most` at a time."""
        self.mark()
        waiting, size = list[tuple[Int, Int, Int]](), 0
        for part in self._expand(tuple(self.nodes), 0, np.zeros(self.ops, dtype=np.int64), most):
            waiting.append(part)
            size += len(part[0])
            if size >= most:
                yield _joined(waiting)
                waiting, size = [], 0
        if waiting:
            yield _joined(waiting)

    def _expand(
        self, nodes: tuple[Plain | Repeat, ...], cycles: int, instances: Int, most: int
    ) -> Iterator[tuple[Int, Int, Int]]:
        for node in nodes:
            if isinstance(node, Plain):
                yield node.op, node.n + instances[node.op], node.start + cycles
                continue
            first, each = self._instances(node.first), self._instances(node.each)
            if len(node.body) == 1 and isinstance(node.body[0], Plain):
                yield from _many(node.body[0], node, cycles, instances, (first, each), most)
                continue
            for i in range(node.count):
                later = cycles + node.first.cycles + i * node.each.cycles
                yield from self._expand(node.body, later, instances + first + i * each, most)

    def _instances(self, shift: Shift) -> Int:
        found = np.full(self.ops, shift.instances, dtype=np.int64)
        for op, more in shift.of_ops:
            found[op] = more
        return found


def _many(
    body: Plain, node: Repeat, cycles: int, instances: Int, shifts: tuple[Int, Int], most: int
) -> Iterator[tuple[Int, Int, Int]]:
    """Yield the repeats of one simulated stretch, many at a time."""
    first, each = shifts
    at_once = max(1, most // len(body.op))
    for begin in range(0, node.count, at_once):
        i = np.arange(begin, min(begin + at_once, node.count), dtype=np.int64)[:, None]
        n = body.n + (instances + first)[body.op] + i * each[body.op]
        start = body.start + cycles + node.first.cycles + i * node.each.cycles
        yield np.tile(body.op, len(i)), n.ravel(), start.ravel()


def _joined(parts: list[tuple[Int, Int, Int]]) -> tuple[Int, Int, Int]:
    op, n, start = (np.concatenate(column) for column in zip(*parts, strict=True))
    return op, n, start
