"""What is exported, by registry: traces of a run's beginning for viewers, and files of a chip for other tools.

A module beside this one registers its own: all are imported when an export is first looked up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archsim.base.registry import Registry
from archsim.chip.graph import Chip
from archsim.results.evaluate import Result


@dataclass(frozen=True)
class Trace:
    """A kind of trace: the name of its file, and the function that makes its text of a result."""

    file: str
    build: Callable[[Result], str]


@dataclass(frozen=True)
class ChipFile:
    """A file that `archsim floorplan draw` writes: what follows "The ...", and the function that makes its text.

    The function is given the chip, and the result of a run where there was one: always if the file `needs_run`.
    """

    says: str
    build: Callable[[Chip, Result | None], str]
    needs_run: bool = False


TRACES: Registry[Trace] = Registry("kind of trace", home="archsim.export")
"""By the name that `--trace` takes."""
CHIP_FILES: Registry[ChipFile] = Registry("file of a chip", home="archsim.export")
"""By the file's name."""
