"""What a study's tasks are done with: workers, and a store of its own or one that it shares."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from archsim.base.errors import SpecError
from archsim.report.folder import reserved
from archsim.studies import study
from archsim.studies.tasks.kept import computed
from archsim.studies.tasks.store import Store
from archsim.studies.tasks.task import AnyTask, Outcome
from archsim.studies.tasks.workers import Told, Workers

OWN_STORE = "points.sqlite"
Compute: TypeAlias = Callable[[Sequence[AnyTask], Told], Iterator[tuple[int, Outcome]]]
"""Yields (place, outcome) of each task, in any order; what was raised on purpose is an outcome."""


@dataclass(frozen=True)
class Spread(study.Inputs):
    """Inputs of a study whose tasks may be done by others: `jobs` processes, or the workers of a `cluster`.

    Results are kept in the file `store`, by default one in the study's folder. Nothing of it changes a result.
    """

    jobs: int | None = dataclasses.field(default=None, kw_only=True, metadata={"unsaid": True})
    cluster: str | None = dataclasses.field(default=None, kw_only=True, metadata={"unsaid": True})
    store: Path | None = dataclasses.field(default=None, kw_only=True, metadata={"unsaid": True})


@contextmanager
def bench(inputs: Spread, folder: Path) -> Iterator[Compute]:
    """Yield what computes tasks and keeps their results; `folder` is the study's.

    Raises SpecError where the store or the cluster cannot be used.
    """
    if inputs.jobs is not None and inputs.cluster is not None:
        what = f"--cluster {inputs.cluster} was given as well"
        raise SpecError.at("--jobs", what, "leave it out: a cluster's workers are as many as were started")
    with Workers(inputs.jobs, inputs.cluster) as workers:
        workers.surroundings()  # who would not answer says so before anything is written
        with ExitStack() as stack:
            if inputs.store is not None:
                kept = stack.enter_context(Store(inputs.store))
            else:
                kept = stack.enter_context(_own_store(folder))
            yield lambda tasks, told: computed(tasks, workers, kept, told)


@contextmanager
def _own_store(folder: Path) -> Iterator[Store]:
    """Yield the store in a study's folder, which goes again if nothing comes into it."""
    path = folder / OWN_STORE
    with reserved(folder):
        is_new = not path.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with Store(path, "the study's store") as store:
                try:
                    yield store
                finally:
                    is_new = is_new and store.is_empty()
        finally:
            if is_new:
                path.unlink(missing_ok=True)
                with suppress(OSError):  # where something else is in it
                    folder.rmdir()
