"""What a task is: what it depends on, what it computes, and how it is carried out wherever it may be."""

from __future__ import annotations

import pickle
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from archsim.base import plugin_sending
from archsim.base.errors import ArchsimError
from archsim.base.record import Record
from archsim.simulation.choice import using
from archsim.spec.named import Taken, taking
from archsim.studies.tasks.surroundings import Surroundings, surroundings

R = TypeVar("R", bound=Record)
_ALONE = threading.Lock()
Inside: TypeAlias = Callable[[float, str], None]
"""Told which part of a task is done, 0 to 1, and in words where it is."""


def unheard(part: float, words: str) -> None:
    """Tell nobody how far a task is."""


def labelled(arch: str, workload: str, sets: Sequence[str]) -> dict[str, str]:
    """Return the labels of a chip, a workload and what is set of them by `KEY=VALUE` texts."""
    parts = [own.partition("=") for own in sets]
    return {"arch": arch, "workload": workload, **{key.strip(): own.strip() for key, _, own in parts}}


class Task(ABC, Generic[R]):
    """A part of a study that depends on no other; it can be pickled, and so can whatever it raises on purpose.

    `result` is what it computes; a store tells kinds of tasks apart by their classes' names.
    """

    result: ClassVar[type[Record]]

    @property
    @abstractmethod
    def words(self) -> str:
        """What a message calls it."""

    @property
    def estimate_s(self) -> float:
        """How many seconds it takes at least, roughly; 0 where one has to be done to know."""
        return 0.0

    @abstractmethod
    def asked(self) -> Mapping[str, Any]:
        """Return, as JSON holds it, what was asked for: whatever it depends on follows from it, quickly or slowly."""

    def depends(self) -> Mapping[str, Any]:
        """Return, as JSON holds it, all that the result depends on but code, versions and the processor.

        Two tasks of a class with equal ones have equal results, however they were asked for. Raises ArchsimError.
        """
        return self.asked()

    def labels(self) -> Mapping[str, str]:
        """Return by what people know it, as names and values; a store shows them beside the result."""
        return {"task": self.words}

    @abstractmethod
    def compute(self, inside: Inside = unheard) -> R:
        """Return the result; raise ArchsimError where it cannot be had."""


AnyTask: TypeAlias = Task[Any]
Outcome: TypeAlias = Record | ArchsimError


@dataclass(frozen=True)
class Batch:
    """What was made of some tasks, what each depends on, in which surroundings, and how long it took, in seconds."""

    outcomes: tuple[Outcome, ...]
    depends: tuple[Mapping[str, Any] | None, ...]
    here: Surroundings
    seconds: float


def carry_out(tasks: Sequence[AnyTask], inside: Inside = unheard) -> Batch:
    """Carry out tasks one after another, wherever this runs; what archsim raises by fault comes out."""
    begin = time.perf_counter()
    outcomes: list[Outcome] = []
    depends: list[Mapping[str, Any] | None] = []
    for task in tasks:
        try:
            found: Outcome = task.compute(inside)
        except ArchsimError as error:
            found = error.with_traceback(None)
        outcomes.append(found)
        depends.append(None if isinstance(found, ArchsimError) else depends_of(task))
    return Batch(tuple(outcomes), tuple(depends), surroundings(), time.perf_counter() - begin)


def carry_out_sent(tasks: bytes, known: Taken, sent: Sequence[plugin_sending.Sent] = (), engine: str = "auto") -> Batch:
    """Carry out tasks that another process sent, with the files that it knows by names, its plug-ins and its engine.

    One at a time in a process: a worker of Dask may have several threads, and what studies keep between tasks is not
    made for that.
    """
    with _ALONE, taking(known), using(engine):
        plugin_sending.receive(sent)
        return carry_out(pickle.loads(tasks))


def depends_of(task: AnyTask) -> Mapping[str, Any] | None:
    """Return what a task depends on; None where that cannot be said, so that its result is not kept."""
    try:
        return task.depends()
    except ArchsimError:
        return None
