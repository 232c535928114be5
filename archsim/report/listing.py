"""A page that lists reports: those of a study in a table, each with its headline figures and a picture.

It is sorted and filtered where it is shown, by pointer or keyboard; it makes no request and runs its own scripts alone.
"""

from __future__ import annotations

from dataclasses import dataclass

from archsim.report.figure import Figure

MOST_PICTURE = 100_000
"""Bytes of a picture in the list; a report whose drawings are all larger has none there."""


@dataclass(frozen=True)
class Listed:
    """A report: its title, its page and folder from the list's own, headline figures by label, what it says first.

    `wrong` says why it cannot be read; then it is listed by its path alone.
    """

    title: str
    path: str
    folder: str
    figures: tuple[tuple[str, str], ...] = ()
    says: str = ""
    picture: Figure | None = None
    wrong: str = ""


@dataclass(frozen=True)
class Group:
    """The reports of a study, by its words."""

    name: str
    reports: tuple[Listed, ...]

    @property
    def labels(self) -> tuple[str, ...]:
        """The headings of its figures."""
        return tuple(dict.fromkeys(label for own in self.reports for label, _ in own.figures))


def rows_of(group: Group) -> list[tuple[Listed, list[str]]]:
    """Return each report with its figures in the order of the headings, "" where it has none."""
    return [(own, [dict(own.figures).get(label, "") for label in group.labels]) for own in group.reports]
