"""The list of all reports below a folder: of runs, of every study, and of what cannot be read, which is said."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from archsim.base.atomic import SIGN as ASIDE
from archsim.base.atomic import output
from archsim.base.doors import read_plain
from archsim.base.errors import ArchsimError, SpecError
from archsim.base.units import engineering
from archsim.base.words import counted
from archsim.report.document import Cards, Document, Facts, Text
from archsim.report.figure import Figure, Plan
from archsim.report.folder import is_report
from archsim.report.html import index_page, small
from archsim.report.listing import MOST_PICTURE, Group, Listed
from archsim.report.table import words
from archsim.results.metric_words import display_unit, metric_name, metric_text
from archsim.results.metrics import package_version
from archsim.studies.run.document import document
from archsim.studies.run.saved import AGAIN, load_page
from archsim.studies.study import AnyStudy, all_studies, edited

PAGE, SIGN = "index.html", ", by archsim</title>"
"""The list's file, and what stands in its head where archsim wrote it."""
DEFAULT = Path("reports")
MOST_FIGURES, MOST_LETTERS = 6, 150
"""Headline figures of a report, and letters of what it says first, in the list."""
UNKNOWN = "other studies"
"""The group of reports of which no study here knows."""


def write_index(folder: Path) -> tuple[Path, list[Group]]:
    """Write the list of all reports below a folder as its index.html; return its path, and what it lists.

    Raises SpecError where there is no such folder or no report, or another's index.html.
    """
    groups = listed(folder)
    page = folder / PAGE
    if os.path.lexists(page) and not (page.is_file() and not page.is_symlink() and SIGN in _head(page)):
        raise SpecError.at(str(page), "is there already and not archsim's", "move it, or name another folder")
    if not groups:
        raise SpecError.at(str(folder), "holds no report", "make one, for example: archsim run")
    with output(page, str(page)) as put:
        put(index_page(f"Reports in {folder.resolve().name or folder}", groups, package_version()))
    return page, groups


def _head(page: Path) -> str:
    with page.open("rb") as file:
        return file.read(2000).decode("utf-8", "replace")


def listed(folder: Path) -> list[Group]:
    """Return the reports below a folder by study, runs first, then by name; each study's by path."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "no such folder"
        raise SpecError.at(str(folder), what, "give one that holds reports; without one it is ./reports")
    found: dict[str, list[Listed]] = {}
    for place in _folders(folder):
        for name, own in _reports(place, place.relative_to(folder).as_posix()):
            found.setdefault(name, []).append(own)
    order = sorted(found, key=lambda name: (name != "run", name == UNKNOWN, name))
    return [Group(name, tuple(found[name])) for name in order]


def plain(groups: list[Group]) -> list[dict[str, Any]]:
    """Return the list as plain data."""
    return [
        {"study": group.name, "title": own.title, "page": own.path, "folder": own.folder,
         "figures": dict(own.figures), "says": own.says, "wrong": own.wrong}
        for group in groups for own in group.reports
    ]  # fmt: skip


def told(groups: list[Group]) -> str:
    """Return in words how many reports there are of what."""
    return ", ".join(f"{group.name}: {counted(len(group.reports), 'report')}" for group in groups)


def _folders(folder: Path) -> Iterator[Path]:
    """Yield the folders below one, itself first, by name; links are not followed.

    What is hidden is left out, and what a report was made from: runs that stand side by side are listed where they are.
    """
    for at, below, _ in os.walk(folder):
        kept = is_report(Path(at))
        below[:] = sorted(
            name for name in below
            if not name.startswith((".", ASIDE)) and not (kept and (name == "inputs" or name.endswith("_inputs")))
        )  # fmt: skip
        yield Path(at)


def _reports(place: Path, folder: str) -> Iterator[tuple[str, Listed]]:
    """Yield (study, report) of those that a folder holds: of a run and of a training, it may be both."""
    known = False
    if (place / "metrics.json").is_file():
        known = True
        yield "run", _listed(place, folder, "report", lambda: _run(place))
    for name, study in sorted(all_studies().items()):
        if (place / name).is_file():
            known = True
            yield (
                study.inputs.words,
                _listed(place, folder, study.stem, lambda study=study: _shown(study, place), study),
            )
    page = next((path.name for path in sorted(place.glob("*.html")) if path.name != PAGE), "")
    if not known and page and is_report(place):
        says = "Of a study that is not known here: of a plug-in, or of another version."
        yield UNKNOWN, Listed(place.name, _joined(folder, page), folder, says=says)


def _run(place: Path) -> Document:
    """Return the report of a run from what its folder holds."""
    page = load_page(place)
    with edited(f"{place}/metrics.json", AGAIN.format(folder=place)):
        return document(page)


def _shown(study: AnyStudy, place: Path) -> tuple[Document, tuple[tuple[str, str], ...]]:
    """Return the report of a study from what its folder holds, and its figures as a whole."""
    where, again = f"{place}/{study.file}", f"repeat the command that wrote it: archsim {study.inputs.words}"
    text = read_plain(place / study.file, where, again)
    with edited(where, again):
        data = study.data.read_from(study.whole(place, text), where, again)
        return study.document(data), _figures(dict(study.metrics(data)))


def _listed(place: Path, folder: str, stem: str, show: Any, study: AnyStudy | None = None) -> Listed:
    page = _joined(folder, f"{stem}.html") if (place / f"{stem}.html").is_file() else ""
    try:
        found = show()
    except ArchsimError as error:  # it hides no other report
        return Listed(place.name, page, folder, wrong=str(error).splitlines()[0].replace(f"{place}/", ""))
    shown, figures = found if isinstance(found, tuple) else (found, ())
    return Listed(shown.title, page, folder, _cards(shown) or figures, _says(shown), _picture(shown))


def _joined(folder: str, name: str) -> str:
    return name if folder == "." else f"{folder}/{name}"


def _cards(shown: Document) -> tuple[tuple[str, str], ...]:
    cards = next((block for block in shown.head if isinstance(block, Cards)), None)
    return () if cards is None else tuple((card.label, card.value) for card in cards.cards[:MOST_FIGURES])


def _figures(metrics: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the first numbers of a study as text, those with units before counts."""
    numbers = {name: own for name, own in metrics.items() if isinstance(own, int | float) and own is not True}
    order = sorted(numbers, key=lambda name: not display_unit(name))[:MOST_FIGURES]
    return tuple(_named(name.rpartition(".")[2], numbers[name]) for name in order)


def _named(name: str, value: float) -> tuple[str, str]:
    if name.endswith("_m"):  # lengths are no metrics of runs
        return words(name.removesuffix("_m")), engineering(value, "m", 4)
    return metric_name(name), metric_text(value, name, 4)


def _says(shown: Document) -> str:
    """Return what a report says first, to the end of a sentence or of what there is room for."""
    texts = [str(block) for block in shown.head if isinstance(block, Text) and block.brief]
    texts += [f"{name}: {text}" for block in shown.head if isinstance(block, Facts) for name, text in block.rows]
    text = texts[0] if texts else ""
    return text if len(text) <= MOST_LETTERS else f"{text[: MOST_LETTERS - 1].rsplit(' ', 1)[0]} ..."


def _picture(shown: Document) -> Figure | None:
    """Return the floorplan of a report, or its first drawing, that is not too large for a list."""
    figures = sorted(shown.figures().values(), key=lambda own: not isinstance(own, Plan))
    return next((own for own in figures if len(small(own)) <= MOST_PICTURE), None)
