"""Tasks that workers import: they compute a square, fail, or kill whoever computes them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from archsim.base.errors import InfeasibleError
from archsim.base.record import Record
from archsim.studies.tasks.reader import Reader
from archsim.studies.tasks.store import Row
from archsim.studies.tasks.task import Inside, Task, unheard


def held(path: Path) -> list[Row]:
    """Return all points of a store."""
    with Reader(path) as reader:
        return list(reader.rows(reader.select(reader.origins())))


class Square(Record):
    of: float
    is_: float


@dataclass(frozen=True)
class SquareTask(Task[Square]):
    result: ClassVar[type[Record]] = Square
    number: float
    log: Path | None = None
    """Gets a line each time that it is computed."""
    deaths: int = 0
    """So often its process is killed before it is computed, as the log tells."""
    fails: str = ""
    seconds: float = 0.0
    name: str = ""
    """By which it is asked for; it changes no result."""

    @property
    def words(self) -> str:
        return f"square of {self.number:g}"

    def asked(self) -> Mapping[str, Any]:
        return {"number": self.number, "name": self.name}

    def depends(self) -> Mapping[str, Any]:
        return {"number": self.number}

    def compute(self, inside: Inside = unheard) -> Square:
        if self.log is not None:
            with self.log.open("a") as file:
                file.write(f"{self.number:g}\n")
        time.sleep(self.seconds)
        if self.log is not None and self.log.read_text().splitlines().count(f"{self.number:g}") <= self.deaths:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.fails == "purpose":
            raise InfeasibleError(f"{self.number:g} has no square here")
        if self.fails == "fault":
            raise ZeroDivisionError("a fault")
        inside(0.5, "half")
        return Square(of=self.number, is_=self.number**2)
