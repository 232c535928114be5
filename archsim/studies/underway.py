"""Studies that go on step by step: what is kept of them in their folder, also if they are interrupted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Generic, TypeVar

from archsim.base.atomic import Content
from archsim.report.folder import replace_file, write_folder
from archsim.studies.study import AnyStudy, Data, Progress

D = TypeVar("D", bound=Data)


class Underway(ABC, Generic[D]):
    """A study under way in its folder; `begun` says whether the folder holds something of it."""

    begun = False
    resumed_from: tuple[str, ...] = ()
    """Files beside the data that a study goes on from; they stay until it is complete."""

    def __init__(self, study: AnyStudy, folder: Path, progress: Progress) -> None:
        self.study, self.folder, self.progress = study, folder, progress

    @abstractmethod
    def work(self) -> None:
        """Do all steps that are left, and keep each."""

    @abstractmethod
    def so_far(self) -> D:
        """Return what there is, as the study's file holds it."""

    def keep(self, more: Mapping[str, Content] = {}) -> None:
        """Write what there is to the study's file, and `more` files; the report is made at the end.

        What was in the folder before goes only when all of this is there.
        """
        files: dict[str, Content] = {self.study.file: self.so_far().json_text(), **more}
        if self.begun:
            for name, content in files.items():
                replace_file(self.folder, name, content)
        else:
            write_folder(self.folder, files, self.study.owned)  # it is of this study from now on
        self.begun = True

    def finish(self) -> D:
        """Return the whole; an interruption or an error leaves a report of what there is."""
        try:
            self.work()
        except BaseException:
            if self.begun:
                self.study.write(self.so_far(), self.folder, keep=self.resumed_from)
            raise
        return self.so_far()
