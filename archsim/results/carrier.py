"""Values carried through an event simulation while it runs, rather than played from its timeline afterwards."""

from __future__ import annotations

import numpy as np

from archsim.base.arrays import I64
from archsim.functional.chip_model import ChipModel
from archsim.functional.setup import BACKWARD, FORWARD, MAINTENANCE, UPDATE
from archsim.mapping.schedule import Op
from archsim.simulation.events import ENDED, Events


class Carrier:
    """Carries values through an event simulation: give it to `simulate` as its hearer, then call `finish`.

    Crossbars are read when an op starts and written when it ends, in the order of the events themselves. That order
    is all that values depend on, so they are computed a batch of events at a time, `most` at once. Of an update the
    vectors that are not the last are written when their stages begin: none reads while a stage lasts.
    """

    def __init__(self, model: ChipModel, most: int = 1 << 16) -> None:
        self.model = model
        self._most = most
        self._began: dict[tuple[int, int], int] = {}
        self._waiting: list[tuple[I64, I64, I64]] = []
        self._size = 0
        kind = model.program.kind
        self._reads = np.isin(kind, (FORWARD, BACKWARD))
        self._updates, self._maintains = kind == UPDATE, kind == MAINTENANCE
        self._last = np.array([len(op.stages) - 1 for op in model.schedule.ops], dtype=np.int64)
        self._latency = np.array([_last_cycles(op) for op in model.schedule.ops], dtype=np.int64)

    def __call__(self, events: Events) -> None:
        """Read and write in the order of a block of events."""
        op, n, stage, _, cycle = events
        ends = stage == ENDED
        maintains, updates = self._maintains[op], self._updates[op]
        taken = self._reads[op] & (stage == 0)
        taken |= updates & (ends | (stage < self._last[op]))
        taken |= maintains & ends
        start = np.where(updates & ends, cycle - self._latency[op], cycle)
        for at in np.flatnonzero(maintains & (ends | (stage == 0))).tolist():
            instance = int(op[at]), int(n[at])
            if ends[at]:
                start[at] = self._began.pop(instance)
            else:
                self._began[instance] = int(cycle[at])
        if taken.any():
            self._waiting.append((op[taken], n[taken], start[taken]))
            self._size += len(self._waiting[-1][0])
        if self._size >= self._most:
            self.finish()

    def finish(self) -> None:
        """Compute what is left of the events so far."""
        if self._waiting:
            op, n, start = (np.concatenate(column) for column in zip(*self._waiting, strict=True))
            self._waiting, self._size = [], 0
            self.model.feed(op, n, start)


def _last_cycles(op: Op) -> int:
    return op.stages[-1].latency_cycles if op.stages else 0
