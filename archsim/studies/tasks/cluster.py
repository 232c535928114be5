"""Workers of a Dask cluster, which a user started: found by address, and refused where they would compute otherwise."""

from __future__ import annotations

import asyncio
import importlib
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from archsim.base import plugin_sending
from archsim.base.doors import reason
from archsim.base.errors import Problem, SpecError
from archsim.studies.tasks.surroundings import Surroundings, surroundings

ANSWERS_WITHIN_S = 10
COUNTED_S = 5.0
"""So often is a scheduler asked how many workers it has. An assumption."""
HINT = "start a scheduler and workers there: dask scheduler, dask worker ADDRESS"


class Cluster(Executor):
    """The workers at an address; raises SpecError if none answer there, or if they would compute something else."""

    def __init__(self, address: str) -> None:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError:
            hint = "pip install 'archsim[cluster]'"
            raise SpecError([Problem("--cluster", "needs Dask's package distributed", hint)]) from None
        self.where = f"--cluster {address}"
        self._check_answer(distributed, address)
        logging.getLogger("distributed.client").setLevel(logging.CRITICAL)  # that a scheduler has gone is told once
        self._workers, self._counted = 0, -COUNTED_S
        self._client = distributed.Client(address, timeout=ANSWERS_WITHIN_S, set_as_default=False)
        try:
            self._check()
        except BaseException:
            self._client.close()
            raise
        self._tasks = self._client.get_executor(pure=False)

    def _check_answer(self, distributed: Any, address: str) -> None:
        """Raise SpecError unless a scheduler answers at an address: Dask's client would wait for ever for another."""

        async def identity() -> Any:
            secured = distributed.Security().get_connection_args("client")
            async with distributed.rpc(address, timeout=ANSWERS_WITHIN_S, connection_args=secured) as scheduler:
                return await asyncio.wait_for(scheduler.identity(), ANSWERS_WITHIN_S)

        try:
            found = asyncio.run(identity())
        except (TimeoutError, OSError):
            raise SpecError([Problem(self.where, f"nobody answers within {ANSWERS_WITHIN_S} s", HINT)]) from None
        except (ValueError, TypeError):
            hint = "give one such as tcp://host:8786; tls:// needs Dask's certificates, set as Dask says"
            raise SpecError([Problem(self.where, "is no address that Dask can use", hint)]) from None
        except Exception as error:  # whatever another program there makes Dask raise
            what = f"no scheduler of Dask answers: {reason(error)}"
            raise SpecError([Problem(self.where, what, HINT)]) from None
        if not isinstance(found, dict) or found.get("type") != "Scheduler":
            raise SpecError([Problem(self.where, "is no scheduler of Dask", HINT)])

    def _check(self) -> None:
        """Raise SpecError unless all workers are there and have this archsim and what it computes with."""
        found: dict[str, Surroundings] = self._client.run(_there, plugin_sending.to_send(), on_error="return")
        if not found:
            raise SpecError([Problem(self.where, "has no workers", HINT)])
        problems: list[Problem] = []
        for worker, theirs in sorted(found.items()):
            if isinstance(theirs, SpecError):  # of a plug-in
                problems += [
                    Problem(self.where, f"{worker}: {own.where}: {own.what}", own.hint) for own in theirs.problems
                ]
                continue
            if not isinstance(theirs, Surroundings):
                what = f"{worker} cannot load archsim: {theirs}"
                problems.append(Problem(self.where, what, "install the same archsim there"))
                continue
            problems += self._faults(worker, theirs)
        if problems:
            raise SpecError(problems)
        self.surroundings = sorted(set(found.values()))
        """Those that differ in their processors, which may differ in a result's last bits."""
        self._tell_processors()
        if (most := max(self._client.nthreads().values(), default=1)) > 1:
            warnings.warn(f"{self.where}: a worker has {most} threads, of which one is used; start as many workers "
                          "instead: dask worker ADDRESS --nworkers N --nthreads 1", stacklevel=2)  # fmt: skip

    def check(self, theirs: Surroundings) -> None:
        """Raise SpecError if a worker that came later would compute otherwise; tell it if its processor is another."""
        if theirs not in self.surroundings:
            if problems := self._faults("a worker that came later", theirs):
                raise SpecError(problems)
            self.surroundings.append(theirs)
            self._tell_processors()

    def _faults(self, worker: str, theirs: Surroundings) -> list[Problem]:
        return [
            Problem(self.where, f"{worker} has {name} {there}, here it is {here}", "install the same on both")
            for name, here, there in surroundings().differences(theirs)
        ]

    def _tell_processors(self) -> None:
        if len(self.surroundings) > 1:
            kinds = ", ".join(own.processor for own in self.surroundings)
            warnings.warn(f"{self.where}: workers have different processors ({kinds}); the last digits of what they "
                          "compute may differ, and a store keeps it by processor", stacklevel=2)  # fmt: skip

    def workers(self) -> int:
        """Return how many workers there are; where a scheduler does not answer, as many as before.

        That there are none any more is told: tasks wait for others, which a queue may start later.
        """
        if time.monotonic() - self._counted >= COUNTED_S:
            with suppress(Exception):  # whatever Dask raises while it is tried again; what was given is then cancelled
                before, self._workers = self._workers, len(self._client.nthreads())
                if before and not self._workers:
                    warnings.warn(f"{self.where}: has no workers any more, and others are waited for (dask worker "
                                  "ADDRESS); Ctrl-C ends, and keeps what is done", stacklevel=2)  # fmt: skip
            self._counted = time.monotonic()
        return self._workers

    @property
    def is_lost(self) -> bool:
        """Whether there is no scheduler any more."""
        return bool(self._client.status == "closed")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Give a worker something to do; where there is no scheduler any more, it is cancelled."""
        try:
            found: Future[Any] = self._tasks.submit(fn, *args, **kwargs)
        except Exception:
            if not self.is_lost:
                raise
            found = Future()
            found.cancel()
            found.set_running_or_notify_cancel()
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what it has not done it need not do."""
        self._client.close()


def _there(sent: Sequence[plugin_sending.Sent]) -> Surroundings:
    """Return a worker's surroundings, in that worker, with plug-ins that it is told of."""
    plugin_sending.receive(sent)
    return surroundings()
