"""Workers: whoever carries out the tasks of a study, this process, others on this machine or a cluster's."""

from __future__ import annotations

import pickle
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, CancelledError, Executor, Future, wait
from concurrent.futures.process import ProcessPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypeAlias

from archsim.base import plugin_sending
from archsim.base.errors import ArchsimError
from archsim.base.words import counted, shortened
from archsim.simulation.choice import asked
from archsim.spec.named import to_send
from archsim.studies.tasks.local import cores, end_pool, local_pool
from archsim.studies.tasks.surroundings import Surroundings, surroundings
from archsim.studies.tasks.task import AnyTask, Batch, Inside, Outcome, carry_out, carry_out_sent

if TYPE_CHECKING:
    from archsim.studies.tasks.cluster import Cluster

SMALL_S = 3.0
"""Work of fewer seconds is done by this process alone: starting others takes 1 to 2 s. An assumption."""
BATCH_S = 0.1
"""Small tasks are given to a worker together, so many seconds of them: giving takes some 0.5 ms. An assumption."""
GIVEN_EACH_S = 0.01
"""What Dask's client and scheduler need for a batch, measured (benchmarks/cluster.py): with more workers, batches are
longer."""
GIVEN_SHARE, BUSY_SHARE = 0.05, 0.5
"""Giving batches to a cluster takes no larger share of its workers' time, nor of the giver's. An assumption."""
AHEAD = 2
"""Batches that each worker has, the one it works on included, so that it never waits. An assumption."""
LOOK_S = 0.2
"""So many seconds pass between looks whether the user interrupts. An assumption."""
DEATHS = 2
"""So often may a worker die of a task, alone, before it is told. An assumption."""

Told: TypeAlias = Callable[[float, str], None]
"""Told how many tasks are done, and in words where the work is; may raise KeyboardInterrupt."""


class Done(NamedTuple):
    """A task by its place, what was made of it, what that depends on and where it was computed."""

    place: int
    outcome: Outcome
    depends: Mapping[str, Any] | None = None
    here: Surroundings | None = None


class WorkerDiedError(ArchsimError):
    """A worker died of a task, each time that it was tried."""


class ClusterLostError(ArchsimError):
    """A cluster does not have any more what it was given."""


class Workers:
    """Those that carry out tasks: `jobs` processes here, by default as many as pay, or those of a `cluster`'s address.

    Within its context it may be given tasks again and again; it ends its processes with it.
    """

    def __init__(self, jobs: int | None = None, cluster: str | None = None) -> None:
        self.jobs, self.cluster = jobs, cluster
        self._pool: ProcessPoolExecutor | None = None
        self._far: Cluster | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(at_once=kind is not None)

    def outcomes(self, tasks: Sequence[AnyTask], told: Told) -> Iterator[Done]:
        """Yield what was made of each task as it is done, in any order.

        A task whose worker dies each time has a WorkerDiedError as its outcome.
        """
        left = deque(enumerate(tasks))
        if self.cluster is None:
            yield from self._here(left, told)
        if left:
            yield from Dispatch(self, dict(left), told, len(tasks) - len(left)).outcomes()

    def _here(self, left: deque[tuple[int, AnyTask]], told: Told) -> Iterator[Done]:
        """Carry out tasks in this process, until those that are left are worth others."""
        begin, done = time.perf_counter(), 0
        while left:
            spent = time.perf_counter() - begin
            measured = spent / done if done and spent > SMALL_S / 10 else 0.0
            if self.pays(len(left), max(measured, left[0][1].estimate_s)):
                return
            place, task = left[0]
            batch = carry_out([task], _within(told, done, done + len(left), task.words))
            left.popleft()
            done += 1
            yield from _done([place], batch)

    def pays(self, tasks: int, seconds: float) -> bool:
        """Return whether others are to do tasks of so many seconds each."""
        if self.jobs is not None:
            return self.jobs > 1
        return self._most(tasks) > 1 and tasks * seconds > SMALL_S

    def _most(self, tasks: int) -> int:
        return min(self.jobs or cores(), tasks)

    def surroundings(self) -> Surroundings:
        """Return in which surroundings tasks are computed; where a cluster has several, in those of its first."""
        return surroundings() if self.cluster is None else self._connected(self.cluster).surroundings[0]

    def executor(self, tasks: int) -> tuple[Executor, int]:
        """Return what takes tasks, for so many, and the number of workers, at times 0 of a cluster's."""
        if self.cluster is not None:
            far = self._connected(self.cluster)
            if far.is_lost:
                raise self.lost()
            return far, far.workers()
        if self._pool is None:
            self._pool = local_pool(self.jobs or cores())  # it starts processes as they are needed; more may come
        return self._pool, self._most(tasks)

    def check(self, here: Surroundings) -> None:
        """Raise SpecError where a cluster's worker that has done something has not what it computes with here."""
        if self._far is not None:
            self._far.check(here)

    def lost(self) -> ClusterLostError:
        """Return what is raised where a cluster does not have any more what it was given."""
        return ClusterLostError(
            f"--cluster {self.cluster}: its scheduler has gone or begun anew; what is done is kept, so start one with "
            "workers, and repeat the command (sweep, train and optimise with --resume)"
        )

    def _connected(self, address: str) -> Cluster:
        from archsim.studies.tasks.cluster import Cluster

        if self._far is None:
            self._far = Cluster(address)
        return self._far

    def end(self, at_once: bool) -> None:
        """End the processes, when they are done or `at_once`; what is given later gets others."""
        if self._pool is not None:
            end_pool(self._pool, at_once)
            self._pool = None
        if self._far is not None:
            self._far.shutdown(wait=False, cancel_futures=at_once)
            self._far = None


def _done(places: Sequence[int], batch: Batch) -> Iterator[Done]:
    for place, outcome, depends in zip(places, batch.outcomes, batch.depends, strict=True):
        yield Done(place, outcome, depends, batch.here)


def far_batch_s(workers: int) -> float:
    """Return how many seconds of tasks a worker of a cluster is given together.

    >>> round(far_batch_s(2), 3), far_batch_s(1000)
    (0.2, 20.0)
    """
    return max(GIVEN_EACH_S / GIVEN_SHARE, GIVEN_EACH_S * workers / BUSY_SHARE)


def _within(told: Told, done: int, total: int, words: str) -> Inside:
    """Return what a task, of which so many are done, tells of itself: two lines for a terminal."""

    def inside(part: float, more: str) -> None:
        told(done + part, f"{done + 1:,} of {total:,}{', ' + more if more else ''}\n{shortened(words, 46)}")

    inside(0.0, "")
    return inside


class Dispatch:
    """Tasks given to workers, by their places; `before` of them were done already."""

    def __init__(self, workers: Workers, tasks: dict[int, AnyTask], told: Told, before: int) -> None:
        self.workers, self.tasks, self.told, self.before = workers, tasks, told, before
        self.waiting = deque(tasks)
        self.given: dict[Future[Batch], list[int]] = {}
        self.suspects: deque[int] = deque()
        self.deaths: Counter[int] = Counter()
        self.alone = False  # whether what is given is a suspect
        self.done, self.seconds, self.begin = 0, 0.0, time.perf_counter()

    def outcomes(self) -> Iterator[Done]:
        """Yield what was made of each task as it is done."""
        try:
            while self.waiting or self.given or self.suspects:
                self._tell()
                yield from self._give()
                ready, _ = wait(self.given, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                yield from self._taken(ready)
        finally:
            for future in self.given:
                future.cancel()

    def _give(self) -> Iterator[Done]:
        """Give workers what they can take; a task that a worker may have died of is given when nothing else is."""
        executor, count = self.workers.executor(len(self.tasks))
        count = max(1, count)
        try:
            self.alone = self.alone and bool(self.given)
            if self.suspects and not self.given:
                self._submit(executor, [self.suspects[0]])
                self.suspects.popleft()
                self.alone = True
            if self.suspects or self.alone:
                return
            while self.waiting and len(self.given) < AHEAD * count:
                size = self._size(count)
                self._submit(executor, [self.waiting[i] for i in range(size)])
                for _ in range(size):
                    self.waiting.popleft()
        except BrokenExecutor:
            yield from self._renew()

    def _submit(self, executor: Executor, places: list[int]) -> None:
        sent = pickle.dumps([self.tasks[place] for place in places])
        given = sent, to_send(), plugin_sending.to_send(), asked()
        self.given[executor.submit(carry_out_sent, *given)] = places

    def _size(self, count: int) -> int:
        """Return how many tasks make a batch, so that giving it costs little and workers end together."""
        if not self.done:
            return 1
        batch_s = BATCH_S if self.workers.cluster is None else far_batch_s(count)
        wanted = batch_s * self.done / max(self.seconds, 1e-9)
        return max(1, int(min(wanted, len(self.waiting) / (AHEAD * count))))

    def _taken(self, ready: Collection[Future[Batch]]) -> Iterator[Done]:
        """Yield the outcomes of batches that are done; where a worker died, find out of what."""
        broken = False
        for future in sorted(ready, key=lambda each: self.given[each]):
            try:
                batch = future.result()
            except BrokenExecutor:
                broken = True
                continue
            except CancelledError:  # by Dask, where its scheduler goes
                raise self.workers.lost() from None
            except Exception as error:
                if type(error).__name__ != "KilledWorker":  # Dask's, after as many tries as its user allows
                    raise
                places = self.given.pop(future)
                if self.alone:
                    yield Done(places[0], self._died(places[0]))
                else:
                    self.suspects.extend(places)  # Dask suspects whatever the worker had
                continue
            self.workers.check(batch.here)
            places = self.given.pop(future)
            self.seconds += batch.seconds
            self.done += len(places)
            yield from _done(places, batch)
        if broken:
            yield from self._renew()

    def _renew(self) -> Iterator[Done]:
        """Take what was done before a worker died, suspect what was given besides, and have another pool."""
        wait(self.given)  # each has an outcome, or the pool's end for one
        yield from self._taken([each for each in self.given if each.exception() is None])
        for places in self.given.values():
            for place in places:
                self.deaths[place] += self.alone
                if self.deaths[place] >= DEATHS:
                    yield Done(place, self._died(place))
                else:
                    self.suspects.append(place)
        self.given.clear()
        self.workers.end(at_once=True)

    def _died(self, place: int) -> WorkerDiedError:
        self.done += 1
        return WorkerDiedError(
            f"{self.tasks[place].words}: the process that computed it was killed each time; there may be too little "
            "memory for it, try a machine with more, or fewer --jobs"
        )  # fmt: skip

    def _tell(self) -> None:
        seconds = time.perf_counter() - self.begin
        rate = f", {self.done / seconds:.3g} a second" if self.done and seconds > 1 else ""
        _, count = self.workers.executor(len(self.tasks))
        done = self.before + self.done
        self.told(done, f"{done:,} of {self.before + len(self.tasks):,} by {counted(count, 'worker')}{rate}")
