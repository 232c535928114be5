"""Workers on this machine: processes that carry out tasks."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing.connection import wait
from types import ModuleType
from typing import Any

PRELOADED = ("archsim.studies.tasks.task", "archsim.results.evaluate")

MOST_LETTERS = 107 - len("/pymp-12345678/listener-12345678")
"""Bytes of a temporary folder's path in which a fork server has its socket: Linux takes 107 (unix(7)); else `spawn`."""


_COPIED: list[bool] = []
"""Not empty in a fork of a process that has loaded this: a server that it may have is not the fork's to wait for."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _COPIED.append(True))


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def local_pool(jobs: int) -> ProcessPoolExecutor:
    """Return a pool of so many processes; none is a copy of this one, which may have threads."""
    methods = multiprocessing.get_all_start_methods()
    served = "forkserver" in methods and len(os.fsencode(tempfile.gettempdir())) <= MOST_LETTERS and not _COPIED
    context = multiprocessing.get_context("forkserver" if served else "spawn")
    context.set_forkserver_preload(list(PRELOADED))
    return _Pool(jobs, mp_context=context, initializer=_begin)


class _Pool(ProcessPoolExecutor):
    """Processes that do not run the user's script again, as `multiprocessing` has them do: no task is defined there.

    Thus a script needs no `if __name__ == "__main__"`.
    """

    def submit(self, *call: Any, **more: Any) -> Future[Any]:
        """Give a task, for which a process may be started."""
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            return super().submit(*call, **more)
        finally:
            sys.modules["__main__"] = main


def end_pool(pool: ProcessPoolExecutor, at_once: bool) -> None:
    """End the processes of a pool, when they are done or `at_once`; what they have not begun they do not do."""
    processes = list((pool._processes or {}).values()) if at_once else []
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()


def _begin() -> None:
    """Leave Ctrl-C to the process that gives the tasks, and end with it however it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)
