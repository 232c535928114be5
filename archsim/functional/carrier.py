"""Values carried through an event simulation while it runs, rather than played from its timeline afterwards."""

from __future__ import annotations

import numpy as np

from archsim.functional.chip_model import ChipModel
from archsim.functional.setup import KINDS
from archsim.mapping.schedule import Op


class Carrier:
    """Carries values through an event simulation: give it to `simulate` as its observer, then call `finish`.

    Crossbars are read when an op starts and written when it ends, in the order of the events themselves. That order
    is all that values depend on, so they are computed a batch of events at a time, `most` at once.
    """

    def __init__(self, model: ChipModel, most: int = 1 << 16) -> None:
        self.model = model
        self._most = most
        self._starts: dict[tuple[int, int], int] = {}
        self._events: list[tuple[int, int, int]] = []
        self._reads = frozenset(op.index for op in model.schedule.ops if op.kind in ("forward", "backward"))
        self._writes = frozenset(op.index for op in model.schedule.ops if op.kind in KINDS) - self._reads

    def on_start(self, op: Op, n: int, cycle: int) -> None:
        """Read."""
        if op.index in self._reads:
            self._events.append((op.index, n, cycle))
        elif op.index in self._writes:
            self._starts[op.index, n] = cycle

    def on_stage(self, op: Op, n: int, stage: int, requested: int, granted: int, ends: int) -> None:
        """Write, where an update does a vector of the example and has more to do: none reads while a stage lasts."""
        if op.index in self._writes and op.maintenance is None:
            self._starts[op.index, n] = granted
            if stage + 1 < len(op.stages):
                self._events.append((op.index, n, granted))

    def on_end(self, op: Op, n: int, cycle: int) -> None:
        """Write."""
        if op.index in self._writes:
            self._events.append((op.index, n, self._starts.pop((op.index, n))))
            if len(self._events) >= self._most:
                self.finish()

    def finish(self) -> None:
        """Compute what is left of the events so far."""
        if self._events:
            op, n, start = np.array(self._events, dtype=np.int64).T
            self._events = []
            self.model.feed(op.copy(), n.copy(), start.copy())
