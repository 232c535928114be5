"""Workers of a Dask cluster, which a user started: found by address, and refused where they would compute otherwise."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from archsim.base.doors import reason
from archsim.base.errors import Problem, SpecError
from archsim.base.words import counted
from archsim.studies.tasks.surroundings import Surroundings, surroundings

ANSWERS_WITHIN_S = 10
HINT = "start a scheduler and workers there: dask scheduler, dask worker ADDRESS"


class Cluster(Executor):
    """The workers at an address; raises SpecError if none answer there, or if they would compute something else."""

    def __init__(self, address: str) -> None:
        try:
            distributed: Any = importlib.import_module("distributed")
        except ImportError:
            hint = "install archsim[cluster]"
            raise SpecError([Problem("--cluster", "needs Dask's package distributed", hint)]) from None
        self.where = f"--cluster {address}"
        self._check_answer(distributed, address)
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
        found: dict[str, Surroundings] = self._client.run(_there, on_error="return")
        if not found:
            raise SpecError([Problem(self.where, "has no workers", HINT)])
        own = surroundings()
        problems: list[Problem] = []
        for worker, theirs in sorted(found.items()):
            if not isinstance(theirs, Surroundings):
                what = f"{worker} cannot load archsim: {theirs}"
                problems.append(Problem(self.where, what, "install the same archsim there"))
                continue
            problems += [
                Problem(self.where, f"{worker} has {name} {there}, here it is {here}", "install the same on both")
                for name, here, there in own.differences(theirs)
            ]  # fmt: skip
        if problems:
            raise SpecError(problems)
        self.surroundings = sorted(set(found.values()))
        """Those that differ in their processors, which may differ in a result's last bits."""

    def workers(self) -> int:
        """Return how many threads of workers there are."""
        return max(1, int(sum(self._client.nthreads().values())))

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Give a worker something to do."""
        found: Future[Any] = self._tasks.submit(fn, *args, **kwargs)
        return found

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leave the cluster; what it has not done it need not do."""
        self._client.close()

    def __str__(self) -> str:
        return f"{counted(self.workers(), 'worker')} at {self._client.scheduler.address}"


def _there() -> Surroundings:
    """Return a worker's surroundings, in that worker."""
    return surroundings()
