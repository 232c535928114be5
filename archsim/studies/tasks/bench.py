"""What a study's tasks are done with: workers, and a store of its own or one that it shares.

Which store that is, is decided here. What `--store` names is always used. Without it, a study that --resume goes on
with has a store in its folder, at once; any other has one there as soon as it has taken a second, or is interrupted,
unless the folder is on a network's file system.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from archsim.base.errors import ArchsimError, SpecError
from archsim.report.folder import reserved
from archsim.studies import study
from archsim.studies.study import Progress
from archsim.studies.tasks.kept import computed
from archsim.studies.tasks.mounts import network_file_system
from archsim.studies.tasks.store import Store
from archsim.studies.tasks.task import AnyTask, Outcome, R, Task
from archsim.studies.tasks.workers import Told, Workers

OWN_STORE = "points.sqlite"
KEPT_AFTER_S = 1.0
"""What takes less time is as soon computed again: a store takes some 10 ms to make. An assumption."""
Compute: TypeAlias = Callable[[Sequence[AnyTask], Told], Generator[tuple[int, Outcome], None, None]]
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
def bench(inputs: Spread, folder: Path | None, resumes: bool = False) -> Iterator[Compute]:
    """Yield what computes tasks and keeps their results; `folder` is the study's, which --resume may go on with.

    It is None for a study that keeps them there in another form.

    Raises SpecError where the store or the cluster cannot be used.
    """
    if inputs.jobs is not None and inputs.cluster is not None:
        what = f"--cluster {inputs.cluster} was given as well"
        raise SpecError.at("--jobs", what, "leave it out: a cluster's workers are as many as were started")
    with Workers(inputs.jobs, inputs.cluster) as workers:
        workers.surroundings()  # who would not answer says so before anything is written
        with ExitStack() as stack:
            kept: Store | None = None
            if inputs.store is not None:
                kept = stack.enter_context(Store(inputs.store))
            elif folder is None:
                pass
            elif resumes:
                kept = stack.enter_context(_own_store(folder))
            elif not network_file_system(folder):
                kept = stack.enter_context(Store(folder / OWN_STORE, "the study's store", KEPT_AFTER_S))
            yield lambda tasks, told: computed(tasks, workers, kept, told)


def alone(tasks: Sequence[AnyTask], told: Told) -> Generator[tuple[int, Outcome], None, None]:
    """Compute tasks in this process, and keep nothing."""
    with Workers(1) as workers:
        yield from computed(tasks, workers, None, told)


def outcomes(
    compute: Compute, tasks: Sequence[AnyTask], progress: Progress, needs_first: bool = False
) -> list[Outcome]:  # fmt: skip
    """Return what was made of each task, in their order; where the others need the first, at once raise its error."""
    found: dict[int, Outcome] = {}
    for place, each in compute(tasks, lambda done, words: progress(done, len(tasks), words)):
        if needs_first and place == 0 and isinstance(each, ArchsimError):
            raise each
        found[place] = each
    return [found[place] for place in range(len(tasks))]


def results(compute: Compute, tasks: Sequence[Task[R]], progress: Progress) -> list[R]:
    """Return the result of each task, in their order; raise the first error that is an outcome."""
    found = outcomes(compute, tasks, progress)
    for each in found:
        if isinstance(each, ArchsimError):
            raise each
    return found  # type: ignore[return-value]


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
