"""Events as an engine tells them, a block at a time, in the order in which they happened.

There is one for each stage that was granted and one for each instance of an op that is done. Both engines tell the
same; an `Observer` has them one by one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from archsim.mapping.schedule import Op, Schedule

Int: TypeAlias = NDArray[np.int64]
ENDED = -1
"""In the place of a stage: the instance is done."""


class Events(NamedTuple):
    """A block of events: arrays of one length, cycles of the run.

    `stage` is that which was granted, of those of the instance, or `ENDED`; `asked` is when it was asked for, and
    `cycle` when it was granted. Of an end both are when it was.
    """

    op: Int
    n: Int
    stage: Int
    asked: Int
    cycle: Int


Hearer: TypeAlias = Callable[[Events], None]
"""What is told of all events, block by block."""


class Observer(Protocol):
    """Hooks that see every op and stage; with one present, nothing is fast-forwarded."""

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        """An instance of an op begins: its first stage was granted."""

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        """A stage was granted."""

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        """An instance of an op is done."""


class Gathered:
    """An observer that makes blocks of what it sees; `flush` tells what is left."""

    def __init__(self, hearer: Hearer, most: int = 1 << 16) -> None:
        self._hearer, self._most = hearer, most
        self._rows: list[tuple[int, int, int, int, int]] = []

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        """The grant of the first stage says as much."""

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        """Keep a grant."""
        self._rows.append((op.index, n, stage, requested, granted))

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        """Keep an end."""
        self._rows.append((op.index, n, ENDED, cycle, cycle))
        if len(self._rows) >= self._most:
            self.flush()

    def flush(self) -> None:
        """Tell what was seen since."""
        if self._rows:
            rows, self._rows = np.array(self._rows, dtype=np.int64), []
            self._hearer(Events(*rows.T.copy()))


class OneByOne:
    """Has an observer see each event of a block."""

    def __init__(self, schedule: Schedule, observer: Observer) -> None:
        self._ops, self._observer = schedule.ops, observer

    def __call__(self, events: Events) -> None:
        """Show it a block."""
        observer = self._observer
        for index, n, stage, asked, cycle in zip(*(column.tolist() for column in events), strict=True):
            op = self._ops[index]
            if stage == ENDED:
                observer.on_end(op, n, cycle)
                continue
            if not stage:
                observer.on_start(op, n, cycle)
            latency = op.variants[n % len(op.variants)][stage].latency_cycles
            observer.on_stage(op, n, stage, asked, cycle, cycle + latency)
