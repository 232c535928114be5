"""What studies share: how they are registered and shown again, names of folders and runs, and what is not dominated."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from archsim.base.errors import Problem, SpecError
from archsim.studies.study import STUDIES

if TYPE_CHECKING:
    from archsim.report.document import Document


@dataclass(frozen=True)
class Study:
    """A study as a folder holds it.

    `name` is the file of its data, which marks the folder and says `schema` of itself ("" for a list). `command` wrote
    it; `document` makes the report of the data alone, None where it needs more; `owned` are all names that the command
    writes. `whole` puts data together that lie in several files: it is given the folder and what `name` holds.
    """

    name: str
    schema: str
    command: str
    document: Callable[[Any], Document] | None
    owned: tuple[str, ...]
    whole: Callable[[Path, Any], Any] | None = None

    @property
    def file(self) -> str:
        """As the new ones call it."""
        return self.name

    @property
    def inputs(self) -> Any:
        """As the new ones have it."""
        return SimpleNamespace(words=self.command)

    def old_document(self, folder: Path, text: str) -> Document:
        """Return the report of what a file holds."""
        if self.document is None:
            what = f"is not all that `archsim {self.command}` shows"
            raise SpecError([Problem(f"{folder}/{self.name}", what, f"repeat the command: archsim {self.command}")])
        data = json.loads(text)
        if (data["schema"] != self.schema) if self.schema else not isinstance(data, list):
            raise ValueError(f"not {self.schema or 'a list'}")
        return self.document(self.whole(folder, data) if self.whole is not None else data)

    def write(self, data: Any, folder: Path, more: Mapping[str, str] | None = None) -> tuple[Document, Path]:
        """Write data, report and further files as a folder, as a whole or not at all; return report and folder."""
        from archsim.report.files import files_of
        from archsim.report.folder import write_folder

        assert self.document is not None
        shown = self.document(data)
        return shown, write_folder(folder, {self.name: json_text(data), **files_of(shown), **(more or {})}, self.owned)


def registered(study: Study) -> Study:
    """Return a study, which is known from now on by the file that marks its folder."""
    STUDIES[study.name] = study  # type: ignore[assignment]
    return study


def json_text(data: Any) -> str:
    """Return data as JSON text; NaN and infinity are refused."""
    return json.dumps(data, indent=1, allow_nan=False) + "\n"
