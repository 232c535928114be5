"""A study of how long cells last, for the tests of plug-ins: one file has the study and its command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from archsim.base.errors import InfeasibleError
from archsim.base.record import Record
from archsim.report.document import Document, say
from archsim.report.table import Column, Table
from archsim.studies.names import default_folder
from archsim.studies.study import Data, Pair, Prepared, Progress, Study, asked, registered, signed
from archsim.studies.tasks.bench import Spread, bench, results
from archsim.studies.tasks.task import Inside, Task, unheard

FACTOR = 1


class Life(Record):
    """A part of a life, in writes."""

    part: int
    writes: float


@dataclass(frozen=True)
class LifeTask(Task[Life]):
    """A part of a life, counted."""

    result: ClassVar[type[Record]] = Life
    part: int
    cycles: float

    @property
    def words(self) -> str:
        """What a message calls it."""
        return f"part {self.part}"

    def asked(self) -> Mapping[str, Any]:
        """Return what was asked for."""
        return {"part": self.part, "cycles": self.cycles}

    def compute(self, inside: Inside = unheard) -> Life:
        """Return the part."""
        if self.part == 0:
            raise InfeasibleError("part 0 of a life is none")
        return Life(part=self.part, writes=FACTOR * self.cycles / self.part)


@dataclass(frozen=True)
class Inputs(Spread, Pair):
    """A chip, a workload, and how often its cells can be written."""

    words = "lives"
    cycles: float = asked("Writes that a cell endures.", 1e6, metavar="N")
    parts: tuple[int, ...] = asked("Which parts of that. Repeatable.", (1, 2))
    note: str | None = asked("Words on it.", None, flag="--words")
    brief: bool = asked("Say little.", False)


class Lives(Data):
    """What lives.json holds."""

    schema_id: Literal["archsim-lives-1"] = signed("archsim-lives-1")
    note: str | None
    lives: tuple[Life, ...]


def prepare(inputs: Inputs) -> Prepared[Lives]:
    """Return a study to be made; raise SpecError with all that is wrong."""
    chip, network = inputs.load()

    def compute(progress: Progress, folder: Path) -> Lives:
        tasks = [LifeTask(part, inputs.cycles) for part in inputs.parts]
        with bench(inputs, folder) as compute_all:
            found = results(compute_all, tasks, progress)
        return Lives(command=inputs.line, note=inputs.note, lives=tuple(found))

    return Prepared(default_folder(chip, network, "lives"), compute)


def document(data: Lives) -> Document:
    """Return the report."""
    rows = tuple((life.part, life.writes) for life in data.lives)
    table = Table("lives", "Lives", (Column("part"), Column("writes")), rows, brief=True)
    return Document("Lives", (say("{note}", note=data.note or "", brief=True), table), (), data.ends(), stem="lives")


STUDY = registered(Study(Inputs, Lives, "lives.json", prepare, document, says="How long cells last."))
