"""The clock of sequences that take their mean length: a timeline of the longest, with less time between its records.

Steps in front of a sequence do nothing in numbers; with `length: mean` they take no time either, in the mean over all
examples. Every example is then as long as the mean, so that transfers come when they do in a run, and capacitors leak
for as long. Time in which rows are transferred is kept as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

import numpy as np

from archsim.base.arrays import F64, I64
from archsim.mapping.modes import build_schedule
from archsim.mapping.partition import map_workload
from archsim.mapping.schedule import Schedule
from archsim.simulation.run import simulate

Records: TypeAlias = tuple[I64, I64, I64]
"""Op, instance and start cycle of each."""
PROBED = 1000
"""Examples, at most, of which the time is compared; most are jumped."""


def share_of_time(schedule: Schedule) -> float:
    """Return how long examples take, as a share of what the schedule has them take, without transfers."""
    workload = schedule.mapping.workload
    if workload.timed is workload:
        return 1.0
    count = min(schedule.examples, PROBED // workload.training.batch * workload.training.batch or schedule.examples)
    mappings = map_workload(workload.timed, schedule.chip), schedule.mapping
    short, long = (
        simulate(build_schedule(schedule.chip, mapping, count, maintenance=False)).cycles for mapping in mappings
    )
    return short / long


def shortened(schedule: Schedule, chunks: Callable[[], Iterable[Records]]) -> Callable[[], Iterable[Records]]:
    """Return a schedule's records with their starts as its workload has them take time."""
    share = share_of_time(schedule)
    return chunks if share == 1.0 else lambda: _at(share, _lasting(schedule), chunks())


def _lasting(schedule: Schedule) -> I64:
    """Return by op how long its longest instance reads and writes rows, in cycles: 0 but for maintenance."""
    ops = [op.maintenance for op in schedule.ops]
    cycles = [0 if own is None else own.group_cycles * max(map(len, own.groups)) for own in ops]
    return np.array(cycles, dtype=np.int64)


def _at(share: float, lasting: I64, chunks: Iterable[Records]) -> Iterator[Records]:
    """Yield records with starts that have only a share of the time between them that no maintenance lasts."""
    last, busy, now = 0, 0, 0.0  # the start of the last record, until when maintenance lasts, the new start
    for op, n, start in chunks:
        ends = start + lasting[op]
        until = np.maximum.accumulate(np.concatenate(([busy], ends)))
        before = np.concatenate(([last], start[:-1]))
        kept = np.clip(np.minimum(until[:-1], start) - before, 0, None)
        at: F64 = now + np.cumsum(kept + share * (start - before - kept))
        last, busy, now = int(start[-1]), int(until[-1]), float(at[-1])
        yield op, n, np.rint(at).astype(np.int64)
