"""Saved reports: what a folder holds of a run, read again and checked before anything is made of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TypeVar, get_args

from archsim.base.doors import read_plain
from archsim.base.errors import Problem, SpecError
from archsim.base.record import Record, schema_of
from archsim.studies.names import all_faults
from archsim.studies.run.page import Details, Metrics, Page, Run
from archsim.studies.study import study_in
from archsim.studies.train.history import History

AGAIN = "simulate it again: archsim run {folder}/run.yaml"
R = TypeVar("R", bound=Record)


def load_page(folder: Path) -> Page:
    """Return what a report's folder holds of its run; nothing is simulated.

    Raises SpecError where there is no report, where it is newer than this archsim, cut off or lacks something.
    """
    if not folder.is_dir():
        raise SpecError([Problem(str(folder), "is not a folder", "give the folder of a report")])
    if not (folder / "metrics.json").exists():
        what, hint = "is not there, so the folder holds no report of a run", "give one that `archsim run` wrote"
        if (study := study_in(folder)) is not None:
            what = f"is not there: the folder holds a report of `archsim {study.inputs.words}`"
        raise SpecError([Problem(f"{folder}/metrics.json", what, hint)])
    data, details = all_faults(
        [lambda: _read(folder, "metrics.json", Run), lambda: _read(folder, "details.json", Details)]
    )
    return page_from(data, details, saved_history(folder))


def page_from(data: Run, details: Details, history: History | None = None) -> Page:
    """Return a page of these."""
    return Page(data, Metrics.model_validate(data.metrics), details, history)


def _read(folder: Path, name: str, kind: type[R]) -> R:
    """Return a file of a report whose schema is the one that this archsim writes."""
    where, again = f"{folder}/{name}", AGAIN.format(folder=folder)
    if not (folder / name).exists():
        raise SpecError([Problem(where, "is not there: an older archsim wrote this report", again)])
    text = read_plain(folder / name, where, again)
    try:
        return kind.read_from(text, where, again)
    except SpecError as error:
        raise SpecError(_newer(text, kind, where, again) or error.problems) from None


def _newer(text: str, kind: type[Record], where: str, again: str) -> list[Problem]:
    """Return what is wrong with the schema that a file names, if anything is."""
    given = schema_of(text)
    if given is None:
        return []
    (schema,) = get_args(kind.model_fields["schema_id"].annotation)
    if given == schema:
        return []
    stem, number = schema.rsplit("-", 1)
    later = re.fullmatch(re.escape(stem) + r"-(\d{1,9})", str(given))
    newer = later is not None and int(later[1]) > int(number)
    what = f"'{given}' is newer than this archsim reads, '{schema}'" if newer else f"is not '{schema}'"
    return [Problem(f"{where}: schema", what, "update archsim, or " + again if newer else again)]


def saved_history(folder: Path) -> History | None:
    """Return the history of a training in a report's folder, or None where there is none that can be read.

    A training under way replaces it after each epoch, and its own report tells of it: it is no fault of a run's.
    """
    try:
        return History.read_file(folder / "history.json", "", "")
    except SpecError:
        return None
